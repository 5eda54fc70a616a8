//! Whole runs with the components of this crate: builders `null` and `file`, local scripts, post-processors.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use imgc_compiler::plan::{Limits, Plan};
use imgc_compiler::value::Value;
use imgc_runtime::cancel::Cancel;
use imgc_runtime::event::{Event, Sink};
use imgc_runtime::registry::builtin;
use imgc_runtime::report::{Json, MachineReadable, Plain, Recorder, Style, Tee, wall_clock};
use imgc_runtime::run::{RunResult, exit_code, run};
use imgc_runtime::settings::Settings;
use imgc_runtime::testing::{PlanMaker, list, object, world};

const ID: &str = "11111111-2222-4333-8444-555555555555";

async fn play(plan: Plan, directory: &Path, sink: Arc<dyn Sink>) -> RunResult {
    play_until(plan, directory, sink, Cancel::new(), false).await
}

async fn play_until(
    plan: Plan,
    directory: &Path,
    sink: Arc<dyn Sink>,
    cancel: Cancel,
    force: bool,
) -> RunResult {
    let mut settings = Settings::new(ID);
    settings.scratch = directory.to_owned();
    settings.log_dir = Some(directory.join("logs"));
    settings.force = force;
    let plan = Arc::new(plan);
    let registry = Arc::new(builtin());
    run(plan, registry, settings, sink, Arc::new(world()), cancel).await
}

fn none() -> Value {
    object([("communicator", Value::string("none"))])
}

type Post = (&'static str, Value, Option<bool>);

fn file_build(plan: PlanMaker, name: &str, target: &Path, chains: Vec<Vec<Post>>) -> PlanMaker {
    let source = object([
        ("content", Value::string("hi")),
        ("target", Value::string(target.display().to_string())),
    ]);
    plan.build("file", name, source, [], chains)
}

fn text(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_builds_are_done_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let mut plan = PlanMaker::new();
    for n in 0..300 {
        let options = object([("inline", list(["echo hello from $PACKER_BUILD_NAME"]))]);
        plan = plan.build(
            "null",
            &format!("n{n:03}"),
            none(),
            [("shell-local", options, Limits::default())],
            [],
        );
    }
    let recorder = Arc::new(Recorder::default());
    let begun = Instant::now();
    let result = play(plan.plan(), directory.path(), recorder.clone()).await;
    assert_eq!(
        exit_code(&result),
        0,
        "{:?}",
        result.builds.iter().find_map(|build| build.error.clone())
    );
    // A hundredth of it on a quiet machine.
    assert!(begun.elapsed() < Duration::from_secs(60));
    let hellos = recorder
        .events()
        .into_iter()
        .filter(
            |event| matches!(event, Event::Line { text, .. } if text.starts_with("hello from n")),
        )
        .count();
    assert_eq!(hellos, 300);
    let logs = std::fs::read_dir(directory.path().join("logs"))
        .unwrap()
        .count();
    assert_eq!(logs, 300);
    let names: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "only the logs stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_of_many_builds_at_once_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = directory.path().join("m.json");
    let options = object([
        ("output", Value::string(manifest.display().to_string())),
        ("strip_path", Value::bool(true)),
        ("strip_time", Value::bool(true)),
        ("custom_data", object([("a", Value::string("b"))])),
    ]);
    let plan = |count: usize| {
        let mut plan = PlanMaker::new();
        for n in 0..count {
            let target = directory.path().join(format!("f{n}"));
            let chain = vec![("manifest", options.clone(), None)];
            plan = file_build(plan, &format!("n{n}"), &target, vec![chain]);
        }
        plan.plan()
    };
    let result = play(plan(40), directory.path(), Arc::new(Recorder::default())).await;
    assert_eq!(exit_code(&result), 0);
    let json: serde_json::Value = serde_json::from_str(&text(&manifest)).unwrap();
    let mut names: Vec<String> = json["builds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|build| build["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 40);
    assert_eq!(json["last_run_uuid"], ID);
    // Not forced: later builds are added; every build keeps its file.
    play(plan(1), directory.path(), Arc::new(Recorder::default())).await;
    let json: serde_json::Value = serde_json::from_str(&text(&manifest)).unwrap();
    assert_eq!(json["builds"].as_array().unwrap().len(), 41);
    assert_eq!(text(directory.path().join("f39")), "hi");
}

#[tokio::test]
async fn the_manifest_has_packers_format() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = directory.path().join("m.json");
    let output = ("output", Value::string(manifest.display().to_string()));
    let stripped = object([
        output.clone(),
        ("strip_path", Value::bool(true)),
        ("strip_time", Value::bool(true)),
    ]);
    let plan = file_build(
        PlanMaker::new(),
        "b",
        &directory.path().join("out.txt"),
        vec![vec![("manifest", stripped.clone(), None)]],
    )
    .build(
        "null",
        "a",
        none(),
        [],
        [vec![("manifest", stripped, None)]],
    );
    let mut settings = Settings::new(ID);
    settings.scratch = directory.path().to_owned();
    settings.parallel_builds = 1;
    run(
        Arc::new(plan.plan()),
        Arc::new(builtin()),
        settings,
        Arc::new(Recorder::default()),
        Arc::new(world()),
        Cancel::new(),
    )
    .await;
    insta::assert_snapshot!(text(&manifest), @r#"
    {
      "builds": [
        {
          "name": "b",
          "builder_type": "file",
          "files": [
            {
              "name": "out.txt",
              "size": 2
            }
          ],
          "artifact_id": "File",
          "packer_run_uuid": "11111111-2222-4333-8444-555555555555",
          "custom_data": null
        },
        {
          "name": "a",
          "builder_type": "null",
          "files": null,
          "artifact_id": "Null",
          "packer_run_uuid": "11111111-2222-4333-8444-555555555555",
          "custom_data": null
        }
      ],
      "last_run_uuid": "11111111-2222-4333-8444-555555555555"
    }
    "#);
}

#[tokio::test]
async fn what_is_kept_and_what_goes() {
    let case = async |chains: Vec<Vec<Post>>| -> (u8, String, String) {
        let directory = tempfile::tempdir().unwrap();
        let place = |chains: Vec<Vec<Post>>| -> Vec<Vec<Post>> {
            let root = directory.path().display().to_string();
            chains
                .into_iter()
                .map(|chain| {
                    chain
                        .into_iter()
                        .map(|(name, options, keep)| {
                            let text = options
                                .get("output")
                                .and_then(Value::as_str)
                                .map(|text| format!("{root}/{text}"));
                            let options = match text {
                                Some(text) => object([("output", Value::string(text))]),
                                None => options,
                            };
                            (name, options, keep)
                        })
                        .collect()
                })
                .collect()
        };
        let plan = file_build(
            PlanMaker::new(),
            "b",
            &directory.path().join("out"),
            place(chains),
        );
        let result = play(plan.plan(), directory.path(), Arc::new(Recorder::default())).await;
        let mut files: Vec<String> = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name != "logs")
            .collect();
        files.sort();
        let listed: Vec<&str> = result.builds[0]
            .artifacts
            .iter()
            .map(|artifact| artifact.builder_id.as_str())
            .collect();
        (exit_code(&result), files.join(" "), listed.join(" "))
    };
    let to = |name: &str| object([("output", Value::string(name))]);
    let fails = || object([("command", Value::string("exit 1"))]);
    let passes = || object([("command", Value::string("true"))]);
    let (file, sums, packed) = (
        "packer.file",
        "packer.post-processor.checksum",
        "packer.post-processor.compress",
    );
    // Nothing to do with it: it stays.
    assert_eq!(case(vec![]).await, (0, "out".into(), file.into()));
    // Compressed: it goes, unless wanted.
    assert_eq!(
        case(vec![vec![("compress", to("z.gz"), None)]]).await,
        (0, "z.gz".into(), packed.into())
    );
    assert_eq!(
        case(vec![vec![("compress", to("z.gz"), Some(true))]]).await,
        (0, "out z.gz".into(), format!("{file} {packed}"))
    );
    // Checksums need it, whatever the template says.
    assert_eq!(
        case(vec![vec![("checksum", to("sums"), Some(false))]]).await,
        (0, "out sums".into(), format!("{file} {sums}"))
    );
    // An artifact between two goes when both are done.
    assert_eq!(
        case(vec![vec![
            ("compress", to("z.tar"), None),
            ("compress", to("z.tar.gz"), None)
        ]])
        .await,
        (0, "z.tar.gz".into(), packed.into())
    );
    // A script after it keeps what it was given.
    assert_eq!(
        case(vec![vec![
            ("compress", to("z.gz"), None),
            ("shell-local", passes(), None)
        ]])
        .await,
        (0, "z.gz".into(), format!("{packed} {packed}"))
    );
    // A failure destroys nothing.
    assert_eq!(
        case(vec![vec![
            ("compress", to("z.gz"), None),
            ("shell-local", fails(), None)
        ]])
        .await,
        (1, "out z.gz".into(), format!("{file} {packed}"))
    );
    assert_eq!(
        case(vec![vec![("shell-local", fails(), Some(false))]]).await,
        (1, "out".into(), file.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_reach_no_sink() {
    let directory = tempfile::tempdir().unwrap();
    let secret = "hunter2 & co";
    let options = object([
        (
            "inline",
            list([
                "echo token is $TOKEN",
                "echo $TOKEN | base64",
                "echo $TOKEN >&2",
                "echo $TOKEN > /no/such/$TOKEN",
            ]),
        ),
        ("env", object([("TOKEN", Value::string(secret).mark(true))])),
    ]);
    let failing = object([(
        "command",
        Value::string(format!("echo {secret:?}; exit 3")).mark(true),
    )]);
    let plan = PlanMaker::new()
        .build(
            "null",
            "a",
            none(),
            [("shell-local", options, Limits::default())],
            [],
        )
        .build(
            "null",
            "b",
            none(),
            [("shell-local", failing, Limits::default())],
            [],
        );
    let shared = |name: &str| std::fs::File::create(directory.path().join(name)).unwrap();
    let plan = plan.plan();
    let sinks: Vec<Arc<dyn Sink>> = vec![
        Arc::new(Plain::new(
            shared("plain"),
            Style {
                color: true,
                timestamps: Some(wall_clock()),
            },
        )),
        Arc::new(MachineReadable::new(shared("machine"), wall_clock())),
        Arc::new(Json::new(shared("json"), wall_clock())),
    ];
    let result = play(plan, directory.path(), Arc::new(Tee::new(sinks))).await;
    assert_eq!(exit_code(&result), 1);
    assert!(result.builds[0].error.is_some());
    assert!(!format!("{result:?}").contains("hunter2"));
    let mut seen = 0;
    for name in [
        "plain",
        "machine",
        "json",
        "logs/null.a.log",
        "logs/null.b.log",
    ] {
        let path = directory.path().join(name);
        let text = text(&path);
        assert!(text.contains("<sensitive>"), "{name}: {text}");
        assert!(
            !text.contains("hunter2") && !text.contains("aHVudGVyMi"),
            "{name}: {text}"
        );
        seen += text.matches("<sensitive>").count();
        if name.starts_with("logs/") {
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600);
        }
    }
    assert!(seen > 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_local_processes_and_removes_half_made_files() {
    let directory = tempfile::tempdir().unwrap();
    let (out, pid) = (directory.path().join("out"), directory.path().join("pid"));
    let source = object([
        ("content", Value::string("hi")),
        ("target", Value::string(out.display().to_string())),
    ]);
    let command = format!("sleep 300 & echo $! > {}; wait", pid.display());
    let options = object([("command", Value::string(command))]);
    let plan = PlanMaker::new()
        .build(
            "file",
            "a",
            source,
            [("shell-local", options, Limits::default())],
            [],
        )
        .plan();
    let cancel = Cancel::new();
    let task = tokio::spawn({
        let (directory, cancel) = (directory.path().to_owned(), cancel.clone());
        async move {
            play_until(
                plan,
                &directory,
                Arc::new(Recorder::default()),
                cancel,
                false,
            )
            .await
        }
    });
    let begun = Instant::now();
    let number = loop {
        assert!(begun.elapsed() < Duration::from_secs(20));
        match std::fs::read_to_string(&pid) {
            Ok(text) if text.ends_with('\n') => break text.trim().to_owned(),
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    assert!(out.exists());
    let begun = Instant::now();
    cancel.signal();
    let result = task.await.unwrap();
    // `SIGTERM` is enough; nobody waits for the grace period to end.
    assert!(begun.elapsed() < Duration::from_millis(1900));
    assert_eq!(exit_code(&result), 130);
    assert!(result.leftovers.is_empty(), "{:?}", result.leftovers);
    assert!(
        !out.exists(),
        "the target of a build that did not end is removed"
    );
    let lives = std::fs::read_to_string(format!("/proc/{number}/stat"))
        .is_ok_and(|stat| !stat.contains(") Z "));
    assert!(!lives);
}

#[tokio::test]
async fn checksums_and_artifice() {
    let directory = tempfile::tempdir().unwrap();
    let output = format!(
        "{}/{{{{.BuildName}}}}_{{{{.ChecksumType}}}}",
        directory.path().display()
    );
    let options = object([
        ("output", Value::string(output)),
        ("checksum_types", list(["md5", "sha256"])),
    ]);
    std::fs::write(directory.path().join("x.img"), "image").unwrap();
    let pattern = format!("{}/*.img", directory.path().display());
    let artifice = object([("files", list([pattern.as_str()]))]);
    let plan = file_build(
        PlanMaker::new(),
        "b",
        &directory.path().join("out"),
        vec![
            vec![("checksum", options.clone(), None)],
            vec![("artifice", artifice, None)],
        ],
    );
    let result = play(plan.plan(), directory.path(), Arc::new(Recorder::default())).await;
    assert_eq!(exit_code(&result), 0);
    assert_eq!(
        text(directory.path().join("b_md5")),
        "49f68a5c8493ec2c0bf489821c21fc3b\tout\n"
    );
    assert!(
        text(directory.path().join("b_sha256")).starts_with("8f434346648f6b96df89dda901c5176b")
    );
    assert!(directory.path().join("out").exists());
    let last = result.builds[0].artifacts.last().unwrap();
    assert_eq!(last.files, [directory.path().join("x.img")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_ends_local_processes_and_says_what_stays() {
    let directory = tempfile::tempdir().unwrap();
    let (out, pid) = (directory.path().join("out"), directory.path().join("pid"));
    let source = object([
        ("content", Value::string("hi")),
        ("target", Value::string(out.display().to_string())),
    ]);
    let command = format!(
        "trap '' TERM; echo $$ > {}; while :; do sleep 1; done",
        pid.display()
    );
    let options = object([("command", Value::string(command))]);
    let plan = PlanMaker::new()
        .build(
            "file",
            "a",
            source,
            [("shell-local", options, Limits::default())],
            [],
        )
        .plan();
    let cancel = Cancel::new();
    let recorder = Arc::new(Recorder::default());
    let task = tokio::spawn({
        let (directory, cancel) = (directory.path().to_owned(), cancel.clone());
        let recorder = recorder.clone();
        async move { play_until(plan, &directory, recorder, cancel, false).await }
    });
    let begun = Instant::now();
    while !std::fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')) {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let begun = Instant::now();
    cancel.signal();
    cancel.signal();
    let result = task.await.unwrap();
    assert!(begun.elapsed() < Duration::from_millis(1500));
    assert_eq!(exit_code(&result), 130);
    let number = text(&pid).trim().to_owned();
    let lives = std::fs::read_to_string(format!("/proc/{number}/stat"))
        .is_ok_and(|stat| !stat.contains(") Z "));
    assert!(!lives);
    // The file was made and not removed: it is reported, and nothing else is.
    assert_eq!(result.leftovers.len(), 1, "{:?}", result.leftovers);
    let said = recorder.events().iter().any(|event| {
        matches!(event, Event::Line { text, .. } if text.contains(&out.display().to_string()))
    });
    assert!(said && out.exists());
}
