//! The provisioners against a machine in memory and a real `/bin/sh`.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use imgc_compiler::value::Value;
use imgc_runtime::Class;
use imgc_runtime::context::Context;
use imgc_runtime::event::{Event, Level};
use imgc_runtime::ledger::Resource;
use imgc_runtime::machine::Exit;
use imgc_runtime::provisioner::Provisioner;
use imgc_runtime::report::Recorder;
use imgc_runtime::testing::{Act, Theatre, context, list, object};

struct Stage {
    directory: tempfile::TempDir,
    recorder: Arc<Recorder>,
    cx: Context,
}

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let recorder = Arc::new(Recorder::default());
        let cx = context(recorder.clone(), directory.path());
        Self {
            directory,
            recorder,
            cx,
        }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn lines(&self, wanted: Level) -> Vec<String> {
        self.recorder
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Line { level, text, .. } if level == wanted => Some(text),
                _ => None,
            })
            .collect()
    }
}

fn provisioner(name: &str) -> Arc<dyn Provisioner> {
    imgc_runtime::registry::builtin().provisioners[name].clone()
}

async fn shell(theatre: &Theatre, stage: &Stage, options: Value) -> imgc_runtime::Result<()> {
    let machine = theatre.machine();
    provisioner("shell")
        .run(&stage.cx, &options, Some(&*machine))
        .await
}

#[tokio::test(start_paused = true)]
async fn an_inline_script_is_uploaded_run_and_removed() {
    let (theatre, stage) = (Theatre::default(), Stage::new());
    let options = object([
        ("inline", list(["echo one", "echo two"])),
        ("env", object([("NAME", Value::string("it's"))])),
        ("remote_path", Value::string("/tmp/s.sh")),
    ]);
    shell(&theatre, &stage, options).await.unwrap();
    assert_eq!(
        theatre.commands(),
        [
            "chmod +x /tmp/s.sh; NAME='it'\"'\"'s' PACKER_BUILDER_TYPE='null' PACKER_BUILD_NAME='base'  /tmp/s.sh",
            "rm -f /tmp/s.sh",
        ]
    );
    assert!(theatre.files().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_secret_never_stands_on_a_command_line() {
    let (theatre, stage) = (Theatre::default(), Stage::new());
    let options = object([
        ("inline", list(["echo $TOKEN"])),
        (
            "environment_vars",
            Value::tuple([
                Value::string("TOKEN=s3cr3t'x").mark(true),
                Value::string("A=1"),
            ]),
        ),
        (
            "execute_command",
            Value::string("sudo -S env {{ .Vars }} {{ .Path }}"),
        ),
        ("remote_path", Value::string("/tmp/s.sh")),
        ("skip_clean", Value::bool(false)),
    ]);
    // The script fails, so that its files can be looked at before they are removed.
    shell(&theatre, &stage, options.clone()).await.unwrap();
    for line in theatre.commands() {
        assert!(!line.contains("s3cr3t"), "{line}");
    }
    let run = &theatre.commands()[0];
    assert!(
        run.starts_with("sudo -S env A='1' PACKER_BUILDER_TYPE="),
        "{run}"
    );
    assert!(run.ends_with("/tmp/s.sh"), "{run}");
    assert!(theatre.files().is_empty(), "all is removed");
}

/// What goes to the machine for Puppet's agent: the command, and in a file where a fact is secret.
#[tokio::test]
async fn a_secret_fact_is_on_no_command_line() {
    let run = async |facts: Value, exit: i32| {
        let (theatre, stage) = (Theatre::default(), Stage::new());
        let theatre = theatre.exits([Exit::Code(exit)]);
        let options = object([
            ("puppet_server", Value::string("puppet.example.com")),
            ("facter", facts),
        ]);
        let machine = theatre.machine();
        let ended = provisioner("puppet-server")
            .run(&stage.cx, &options, Some(&*machine))
            .await;
        let commands = theatre.commands();
        let last = commands.last().map(String::as_str);
        let removed = "sudo rm -rf /tmp/packer-puppet-server/imgc-command.sh";
        assert_eq!(last, Some(removed), "whatever came of it");
        (ended, commands)
    };
    let (ended, commands) = run(object([("role", Value::string("web"))]), 2).await;
    ended.unwrap();
    let line = commands.iter().find(|line| line.contains("puppet agent"));
    let line = line.unwrap_or_else(|| panic!("{commands:?}"));
    assert!(
        line.starts_with("cd /tmp/packer-puppet-server && FACTER_packer_build_name="),
        "{line}"
    );
    assert!(
        line.contains("FACTER_role='web' sudo -E puppet agent --onetime --no-daemonize --detailed-exitcodes --server="),
        "{line}"
    );
    let secret = object([("token", Value::string("s3cr3t'x").mark(true))]);
    let (ended, commands) = run(secret, 4).await;
    assert_eq!(ended.unwrap_err().id, "run/exit-code");
    for line in &commands {
        assert!(!line.contains("s3cr3t"), "{line}");
    }
    let hidden = ". /tmp/packer-puppet-server/imgc-command.sh";
    assert!(commands.iter().any(|line| line == hidden), "{commands:?}");
}

/// Runs what the provisioner has uploaded with a real shell, in a directory instead of the machine's `/tmp`.
#[tokio::test(start_paused = true)]
async fn the_wrapper_hands_secrets_over_and_removes_their_file() {
    let (theatre, stage) = (Theatre::default().exits([Exit::Disconnected]), Stage::new());
    let secret = "s3cr3t'x $HOME `id`\nline";
    let path = stage.path("s.sh");
    let options = object([
        ("inline", list(["printf %s \"$TOKEN|$A|$1\""])),
        (
            "env",
            object([
                ("TOKEN", Value::string(secret).mark(true)),
                ("A", Value::string("1")),
            ]),
        ),
        ("remote_path", Value::string(path.as_str())),
        ("remote_folder", Value::string(stage.path(""))),
    ]);
    // The connection is lost: everything uploaded stays.
    let error = shell(&theatre, &stage, options).await.unwrap_err();
    assert_eq!(error.id, "run/disconnected");
    let files = theatre.files();
    assert_eq!(files.len(), 3);
    for (path, (content, attributes)) in &files {
        std::fs::write(path, content).unwrap();
        let mode = attributes.mode.unwrap();
        let holds_secret = String::from_utf8_lossy(content).contains("s3cr3t");
        assert_eq!(mode, if holds_secret { 0o600 } else { 0o755 }, "{path}");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let output = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!("A=1 {path} argument"))
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("{secret}|1|argument"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let left: Vec<String> = files
        .keys()
        .filter(|path| Path::new(path).exists())
        .filter(|path| std::fs::read_to_string(path).unwrap().contains("s3cr3t"))
        .cloned()
        .collect();
    assert!(left.is_empty(), "the file with secrets is gone: {left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_file_with_variables_on_request() {
    let (theatre, stage) = (Theatre::default(), Stage::new());
    let options = object([
        ("inline", list(["true"])),
        (
            "env",
            object([("TOKEN", Value::string("s3cr3t").mark(true))]),
        ),
        ("use_env_var_file", Value::bool(true)),
        ("remote_path", Value::string("/tmp/s.sh")),
    ]);
    shell(&theatre, &stage, options).await.unwrap();
    let commands = theatre.commands();
    let run = &commands[0];
    assert!(
        run.starts_with("chmod +x /tmp/s.sh; . /tmp/varfile_"),
        "{run}"
    );
    assert!(run.ends_with(" && /tmp/s.sh"), "{run}");
    assert!(commands[1].contains("varfile_"), "{}", commands[1]);
}

#[tokio::test(start_paused = true)]
async fn exit_codes_and_disconnections() {
    let script = |more: [(&str, Value); 1]| {
        let [more] = more;
        object([("inline", list(["x"])), more])
    };
    let cases = [
        (Exit::Code(0), script([("binary", Value::bool(true))]), "ok"),
        (
            Exit::Code(3),
            script([("binary", Value::bool(true))]),
            "run/exit-code",
        ),
        (
            Exit::Code(3),
            script([("valid_exit_codes", Value::tuple([Value::number(3i64)]))]),
            "ok",
        ),
        (
            Exit::Disconnected,
            script([("binary", Value::bool(true))]),
            "run/disconnected",
        ),
        (
            Exit::Disconnected,
            script([("expect_disconnect", Value::bool(true))]),
            "ok reconnected",
        ),
        (
            Exit::Disconnected,
            script([(
                "valid_exit_codes",
                Value::tuple([Value::number(2_300_218i64)]),
            )]),
            "ok reconnected",
        ),
    ];
    for (exit, options, expected) in cases {
        let (theatre, stage) = (Theatre::default().exits([exit]), Stage::new());
        let outcome = match shell(&theatre, &stage, options).await {
            Ok(()) if theatre.calls().contains(&"reconnect base".to_owned()) => "ok reconnected",
            Ok(()) => "ok",
            Err(error) => error.id,
        };
        assert_eq!(outcome, expected, "{exit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_script_is_started_again_until_the_machine_answers() {
    let acts = vec![Act::Fail(Class::Remote); 3];
    let (theatre, stage) = (Theatre::default().on("run", acts), Stage::new());
    let options = object([
        ("inline", list(["x"])),
        ("start_retry_timeout", Value::string("1m")),
    ]);
    shell(&theatre, &stage, options.clone()).await.unwrap();
    let (theatre, stage) = (
        Theatre::default().on("run", vec![Act::Fail(Class::Remote); 100]),
        Stage::new(),
    );
    let begun = tokio::time::Instant::now();
    assert_eq!(
        shell(&theatre, &stage, options).await.unwrap_err().class,
        Class::Remote
    );
    assert!((60..70).contains(&begun.elapsed().as_secs()));
}

#[tokio::test(start_paused = true)]
async fn scripts_from_files_with_windows_line_ends() {
    let (theatre, stage) = (Theatre::default().exits([Exit::Disconnected]), Stage::new());
    std::fs::write(stage.path("s"), "echo a\r\n").unwrap();
    let options = object([
        ("script", Value::string(stage.path("s"))),
        ("remote_path", Value::string("/tmp/s.sh")),
    ]);
    shell(&theatre, &stage, options).await.unwrap_err();
    assert_eq!(theatre.files()["/tmp/s.sh"].0, b"echo a\n");
    let missing = object([("script", Value::string(stage.path("none")))]);
    let error = shell(&theatre, &stage, missing).await.unwrap_err();
    assert_eq!(
        (error.class, error.id),
        (Class::Template, "run/missing-file")
    );
}

#[tokio::test]
async fn without_a_machine_it_is_an_error() {
    let stage = Stage::new();
    for name in ["shell", "file"] {
        let error = provisioner(name)
            .run(&stage.cx, &object([]), None)
            .await
            .unwrap_err();
        assert_eq!(error.id, "run/no-machine");
        assert!(error.help.unwrap().contains("communicator"));
    }
}

async fn local(stage: &Stage, options: Value) -> imgc_runtime::Result<()> {
    provisioner("shell-local")
        .run(&stage.cx, &options, None)
        .await
}

#[tokio::test]
async fn local_scripts_run_with_their_variables() {
    let stage = Stage::new();
    let options = object([
        (
            "inline",
            list([
                "echo \"$NAME|$TOKEN|$PACKER_BUILD_NAME|$PACKER_BUILDER_TYPE\"",
                "echo oops >&2",
            ]),
        ),
        ("env", object([("NAME", Value::string("it's \"x\" $y"))])),
        (
            "environment_vars",
            Value::tuple([Value::string("TOKEN=abcdef").mark(true)]),
        ),
    ]);
    local(&stage, options).await.unwrap();
    assert_eq!(
        stage.lines(Level::Stdout),
        ["it's \"x\" $y|abcdef|base|null"]
    );
    assert_eq!(stage.lines(Level::Stderr), ["oops"]);
    let left: Vec<_> = std::fs::read_dir(stage.directory.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(stage.cx.ledger.outstanding("").is_empty());
}

#[tokio::test]
async fn a_custom_command_gets_secrets_through_a_wrapper() {
    let stage = Stage::new();
    let options = object([
        ("inline", list(["echo \"$A|$TOKEN\""])),
        (
            "env",
            object([
                ("A", Value::string("1")),
                ("TOKEN", Value::string("abc'def").mark(true)),
            ]),
        ),
        (
            "execute_command",
            // `env -i` forgets the environment, as sudo does; the line shows itself.
            list([
                "/bin/sh",
                "-c",
                "tr '\\0' ' ' < /proc/$$/cmdline; echo; env -i {{.Vars}} {{.Script}}",
            ]),
        ),
    ]);
    local(&stage, options).await.unwrap();
    let lines = stage.lines(Level::Stdout);
    assert!(!lines[0].contains("abc"), "{}", lines[0]);
    assert!(lines[0].contains("A='1'"), "{}", lines[0]);
    assert_eq!(lines[1], "1|abc'def");
}

#[tokio::test]
async fn local_failures() {
    let stage = Stage::new();
    let error = local(&stage, object([("command", Value::string("exit 7"))]))
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.id),
        (Class::Provisioning, "run/exit-code")
    );
    assert!(error.message.contains("exit code 7"));
    let allowed = object([
        ("command", Value::string("exit 7")),
        ("valid_exit_codes", Value::tuple([Value::number(7i64)])),
    ]);
    local(&stage, allowed).await.unwrap();
    let skipped = object([
        ("command", Value::string("exit 7")),
        ("only_on", list(["windows"])),
    ]);
    local(&stage, skipped).await.unwrap();
    let absent = object([
        ("command", Value::string("x")),
        ("execute_command", list(["/no/such/program", "{{.Script}}"])),
    ]);
    let error = local(&stage, absent).await.unwrap_err();
    assert_eq!(
        (error.class, error.id),
        (Class::Environment, "run/local-process")
    );
    let killed = object([("command", Value::string("kill -9 $$"))]);
    assert!(
        local(&stage, killed)
            .await
            .unwrap_err()
            .message
            .contains("137")
    );
}

/// Whether a process is there and not merely uncollected.
fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap()
            .trim_start()
            .starts_with('Z')
    })
}

async fn wait_for(mut condition: impl FnMut() -> bool) {
    for _ in 0..500 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not happen within ten seconds");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_ends_the_whole_process_group() {
    for trap in ["", "trap '' TERM; "] {
        let stage = Stage::new();
        let (mine, child) = (stage.path("mine"), stage.path("child"));
        let script = format!(
            "{trap}(echo $$ > /dev/null; sh -c 'echo $$ > {child}; while :; do sleep 1; done') & echo $$ > {mine}; wait; sleep 100"
        );
        let cx = stage.cx.clone();
        let task = tokio::spawn(async move {
            let options = object([("command", Value::string(script))]);
            provisioner("shell-local").run(&cx, &options, None).await
        });
        let written =
            |path: &str| std::fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n'));
        wait_for(|| written(&mine) && written(&child)).await;
        let read = |path: &str| std::fs::read_to_string(path).unwrap().trim().to_owned();
        let (mine, child) = (read(&mine), read(&child));
        assert!(lives(&mine) && lives(&child));
        // The record follows the start; on a loaded machine the script may be quicker.
        wait_for(|| !stage.cx.ledger.outstanding("").is_empty()).await;
        let records = stage.cx.ledger.outstanding("");
        assert!(
            matches!(records[0].resource, Resource::Process { .. }),
            "{records:?}"
        );
        task.abort();
        let _ = task.await;
        wait_for(|| !lives(&mine) && !lives(&child)).await;
        wait_for(|| stage.cx.ledger.outstanding("").is_empty()).await;
    }
}

#[tokio::test]
async fn output_of_background_processes_does_not_hold_the_step() {
    let stage = Stage::new();
    let begun = std::time::Instant::now();
    let options = object([("command", Value::string("sleep 20 & echo $! ; echo done"))]);
    local(&stage, options).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    let lines = stage.lines(Level::Stdout);
    assert_eq!(lines[1], "done");
    // It was started by this test.
    let _ = Command::new("kill").arg(&lines[0]).status();
}

#[tokio::test]
async fn files_and_trees() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("app")).unwrap();
    std::fs::write(stage.path("f"), "x").unwrap();
    let cases: [(&str, &str, &str); 5] = [
        ("f", "/opt/g", "upload_file f /opt/g"),
        ("f", "/opt/", "upload_file f /opt/f"),
        ("app", "/opt", "upload_tree app /opt/app"),
        ("app", "/opt/", "upload_tree app /opt/app"),
        ("app/", "/opt", "upload_tree app/ /opt"),
    ];
    for (source, destination, expected) in cases {
        let theatre = Theatre::default();
        let machine = theatre.machine();
        let source = stage.path(source);
        let options = object([
            ("source", Value::string(source)),
            ("destination", Value::string(destination)),
        ]);
        provisioner("file")
            .run(&stage.cx, &options, Some(&*machine))
            .await
            .unwrap();
        let calls = theatre.calls().join("\n");
        assert_eq!(calls.replace(&stage.path(""), ""), expected);
    }
}

#[tokio::test]
async fn content_modes_and_downloads() {
    let stage = Stage::new();
    let theatre = Theatre::default();
    let machine = theatre.machine();
    let run = async |options: Value| {
        provisioner("file")
            .run(&stage.cx, &options, Some(&*machine))
            .await
    };
    run(object([
        ("content", Value::string("text")),
        ("destination", Value::string("/etc/x")),
        ("mode", Value::string("0640")),
        ("owner", Value::string("root")),
    ]))
    .await
    .unwrap();
    let (content, attributes) = theatre.files()["/etc/x"].clone();
    assert_eq!(
        (content.as_slice(), attributes.mode),
        (b"text".as_slice(), Some(0o640))
    );
    assert_eq!(attributes.owner.as_deref(), Some("root"));
    for (source, local) in [("/var/log/x", "down/x"), ("/var/log/", "down")] {
        run(object([
            ("source", Value::string(source)),
            ("destination", Value::string(stage.path("down/"))),
            ("direction", Value::string("download")),
        ]))
        .await
        .unwrap();
        let last = theatre.calls().pop().unwrap();
        assert!(last.trim_end_matches('/').ends_with(local), "{last}");
    }
    let bad = object([
        ("content", Value::string("x")),
        ("destination", Value::string("/etc/")),
        ("mode", Value::string("rw")),
    ]);
    let problems = provisioner("file").check(&bad);
    let options: Vec<_> = problems
        .iter()
        .filter_map(|problem| problem.options.first().map(String::as_str))
        .collect();
    assert_eq!(options, ["destination", "mode"]);
}
