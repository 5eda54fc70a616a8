//! The state as runs see it: what is kept, across openings, by many at once, and what is refused.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use imgc_runtime::artifact::Artifact;
use imgc_runtime::checkpoint::{Capability, Checkpoint};
use imgc_runtime::ledger::{CloudResource, Ledger, Resource};
use imgc_runtime::state::{
    ArtifactRecord, ChangeRecord, CheckpointRecord, Content, FingerprintInput, MachineRecord,
    Memory, NewRun, Owner, RunStatus, State, StepRecord, StepStatus,
};
use imgc_state::{DATABASE, Sqlite};

fn new_run(id: &str) -> NewRun {
    NewRun {
        id: id.to_owned(),
        command: "apply".into(),
        template: "/t/main.pkr.hcl".into(),
        only: vec!["a".into()],
        except: Vec::new(),
        var_files: Vec::new(),
        vars: vec!["x=1".into()],
        clock: (1_700_000_000, 5),
        seed: "00".into(),
        started: 1_700_000_000_000,
        expires: 1_700_000_100_000,
        logs: None,
        scratch: "/tmp/imgc-x".into(),
        program: "0".into(),
        process: 1,
        host: "here".into(),
        resumes: None,
        builds: vec!["build.b".into(), "build.a".into()],
    }
}

fn step(run: &str, name: &str, position: u32, fingerprint: Option<&str>) -> StepRecord {
    StepRecord {
        run: run.into(),
        step: name.into(),
        build: "build.a".into(),
        position,
        kind: "provision".into(),
        status: StepStatus::Finished,
        fingerprint: fingerprint.map(str::to_owned),
        started: Some(3),
        took: Some(4),
        attempts: 1,
        error: None,
        reused_from: None,
        shell: false,
        machine: None,
    }
}

fn artifact(run: &str) -> ArtifactRecord {
    ArtifactRecord {
        id: 0,
        run: run.into(),
        template: "/t/main.pkr.hcl".into(),
        build: "build.a".into(),
        step: "build.a.capture".into(),
        fingerprint: Some("f".into()),
        made: 5,
        artifact: Artifact {
            builder_id: "packer.file".into(),
            id: "File".into(),
            files: vec!["out".into()],
            description: "text".into(),
            metadata: Default::default(),
            ..Artifact::default()
        },
        files: Vec::new(),
        keep_input: true,
        kept: true,
        lineage: vec![("base".into(), "debian".into())],
        shell: false,
    }
}

fn checkpoint(fingerprint: &str, used: i64) -> CheckpointRecord {
    CheckpointRecord {
        fingerprint: fingerprint.into(),
        build: "build.a".into(),
        step: "build.a.launch".into(),
        builder: "rootfs".into(),
        run: "r1".into(),
        made: 1,
        used,
        checkpoint: Checkpoint {
            capability: Capability::Layer,
            version: 1,
            data: serde_json::json!({ "layers": 2 }),
            parts: vec!["p".into()],
            things: Vec::new(),
            expires: None,
        },
    }
}

fn change(run: &str) -> ChangeRecord {
    ChangeRecord {
        id: 0,
        run: run.into(),
        build: "build.a".into(),
        step: "build.a.post-processor[0][0]".into(),
        at: 7,
        thing: CloudResource {
            provider: "aws".into(),
            kind: "parameter".into(),
            place: "eu-west-1".into(),
            name: "imgc-1".into(),
            id: Some("/web/ami".into()),
            reach: Default::default(),
            asked: None,
        },
        before: None,
        after: Content {
            version: None,
            value: "ami-1".into(),
        },
        undoes: None,
        undone_by: None,
    }
}

/// Everything a state can say, as text.
async fn fill(state: &dyn State) -> String {
    state.begin(&new_run("r0")).await.unwrap();
    state.step(&step("r0", "s.a", 1, Some("f9"))).await.unwrap();
    state.keep_inputs("f9", &[]).await.unwrap();
    state.artifact(&artifact("r0")).await.unwrap();
    state.change(&change("r0")).await.unwrap();
    state.enter("r0", "build.a", 1).await.unwrap();
    state.end("r0", RunStatus::Failed, 9).await.unwrap();
    state.begin(&new_run("r1")).await.unwrap();
    state.begin(&new_run("r2")).await.unwrap();
    assert_eq!(state.count().await.unwrap(), 3);
    state.step(&step("r1", "s.b", 1, Some("f1"))).await.unwrap();
    state.step(&step("r1", "s.a", 0, None)).await.unwrap();
    let mut again = step("r1", "s.a", 0, Some("f0"));
    state.step(&again).await.unwrap();
    again.run = "r2".into();
    again.status = StepStatus::Failed;
    state.step(&again).await.unwrap();
    again.step = "s.b".into();
    again.status = StepStatus::Reused;
    state.step(&again).await.unwrap();
    let input = FingerprintInput {
        name: "option inline".into(),
        digest: "d".into(),
        shown: "echo".into(),
    };
    state.keep_inputs("f1", &[]).await.unwrap();
    state.keep_inputs("f1", &[input]).await.unwrap();
    let file = Resource::File { path: "/x".into() };
    let first = state.intend("r1", "run", &file).await.unwrap();
    let second = state.intend("r1", "build.a", &file).await.unwrap();
    let third = state.intend("r2", "build.a", &file).await.unwrap();
    let process = Resource::Process {
        pid: 7,
        started: 8,
        what: "ssh".into(),
        mark: None,
    };
    state.made(second, &process).await.unwrap();
    state.forget(first);
    assert!(first < second && second < third);
    let one = state.artifact(&artifact("r1")).await.unwrap();
    let two = state.artifact(&artifact("r2")).await.unwrap();
    state.drop_artifact(one).await.unwrap();
    state.checkpoint(&checkpoint("c1", 10)).await.unwrap();
    state.checkpoint(&checkpoint("c2", 11)).await.unwrap();
    state.checkpoint(&checkpoint("c3", 12)).await.unwrap();
    state.use_checkpoint("c1", 20).await.unwrap();
    state.forget_checkpoint("c2").await.unwrap();
    for command in ["one", "two"] {
        let machine = MachineRecord {
            run: "r1".into(),
            build: "build.a".into(),
            command: vec![command.into()],
            held: None,
        };
        state.machine(&machine).await.unwrap();
    }
    let intended = state.change(&change("r1")).await.unwrap();
    state.change(&change("r2")).await.unwrap();
    let mut done = change("r1");
    done.id = intended;
    done.after.version = Some(4);
    assert_eq!(state.change(&done).await.unwrap(), intended);
    state.enter("r1", "build.a", 1).await.unwrap();
    state.enter("r1", "build.a", 2).await.unwrap();
    state.forget_runs(&["r0".into()]).await.unwrap();
    state.end("r1", RunStatus::Failed, 9).await.unwrap();
    assert!(!state.is_live("r1").await.unwrap());
    assert!(state.is_live("r2").await.unwrap());
    assert!(!state.is_live("r3").await.unwrap());
    said(state, one, two).await
}

async fn said(state: &dyn State, one: u64, two: u64) -> String {
    let template = Path::new("/t/main.pkr.hcl");
    let mut artifacts = state.artifacts("f").await.unwrap();
    let mut images = state.images().await.unwrap();
    let mut resources = state.resources(Owner::All).await.unwrap();
    // Numbers are the state's own.
    for artifact in artifacts.iter_mut().chain(&mut images) {
        assert!(artifact.id == one || artifact.id == two);
        artifact.id = 0;
    }
    for owned in &mut resources {
        owned.record.id = 0;
    }
    let mut changes = state.changes().await.unwrap();
    let numbers: Vec<u64> = changes.iter().map(|change| change.id).collect();
    assert!(numbers[0] > numbers[1] && numbers.len() == 2, "{numbers:?}");
    for change in &mut changes {
        change.id = 0;
    }
    assert_eq!(changes[1].after.version, Some(4));
    let mut entered = vec![state.count().await.unwrap() > 2];
    for (run, build) in [("r0", "build.a"), ("r1", "build.a"), ("r1", "build.b")] {
        entered.push(state.entered(run, build).await.unwrap());
    }
    assert_eq!(entered, [false, false, true, false]);
    assert!(state.inputs("f9").await.unwrap().is_empty());
    format!(
        "{:#?}",
        (
            state.runs(Some(template)).await.unwrap(),
            state.runs(Some(Path::new("/other"))).await.unwrap(),
            state.steps("r1").await.unwrap(),
            state.done("s.b", 5).await.unwrap(),
            state.done("s.b", 1).await.unwrap(),
            state.done("s.a", 5).await.unwrap(),
            (
                state.inputs("f1").await.unwrap(),
                state.inputs("none").await.unwrap(),
                resources,
                state.resources(Owner::Run("r2")).await.unwrap().len(),
                artifacts,
                images,
                state.checkpoints().await.unwrap(),
                state.find_checkpoint("c2").await.unwrap(),
                state.find_checkpoint("c1").await.unwrap(),
                state.machines("r1").await.unwrap(),
                changes,
            )
        )
    )
}

#[tokio::test]
async fn it_says_what_the_one_in_memory_says_and_still_does_when_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let state = Sqlite::open(directory.path()).unwrap();
    let memory = fill(&Memory::new()).await;
    let text = fill(&state).await;
    assert_eq!(text, memory);
    let salt = state.salt();
    assert_ne!(salt, [0; 32]);
    drop(state);
    let state = Sqlite::open(directory.path()).unwrap();
    assert_eq!(said(&state, 2, 3).await, memory);
    assert_eq!(state.salt(), salt);
    drop(state);
    let state = Sqlite::look(directory.path()).unwrap();
    assert_eq!(said(&state, 2, 3).await, memory);
    let error = state.begin(&new_run("r9")).await.unwrap_err();
    assert_eq!(error.id, "run/state");
}

#[tokio::test]
async fn it_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let state = Sqlite::open(directory.path()).unwrap();
    state.begin(&new_run("r1")).await.unwrap();
    for name in [DATABASE, "state.db-wal", "state.db-shm", "lock"] {
        let mode = std::fs::metadata(directory.path().join(name)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_run_whose_process_is_gone_is_noticed_once() {
    let directory = tempfile::tempdir().unwrap();
    let dying = Sqlite::open(directory.path()).unwrap();
    dying.begin(&new_run("r1")).await.unwrap();
    let other = Sqlite::open(directory.path()).unwrap();
    assert!(other.is_live("r1").await.unwrap());
    assert!(other.bury(5).await.unwrap().is_empty());
    drop(dying);
    assert!(!other.is_live("r1").await.unwrap());
    let died = other.bury(7).await.unwrap();
    assert_eq!(died.len(), 1);
    assert_eq!((died[0].status, died[0].ended), (RunStatus::Died, Some(7)));
    assert_eq!(other.runs(None).await.unwrap()[0].status, RunStatus::Died);
    assert!(other.bury(8).await.unwrap().is_empty());
}

#[test]
fn a_build_is_made_by_one_run_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let first = Sqlite::open(directory.path()).unwrap();
    let second = Sqlite::open(directory.path()).unwrap();
    let held = first.hold(&new_run("r1"), None, |_, _| {}).unwrap();
    let mut wanted = new_run("r2");
    wanted.builds = vec!["build.c".into()];
    // Another build of the same template, and the same build of another template.
    let other = second
        .hold(&wanted, Some(Duration::ZERO), |_, _| panic!("waits"))
        .unwrap();
    let mut elsewhere = new_run("r3");
    elsewhere.template = "/other".into();
    let third = second
        .hold(&elsewhere, Some(Duration::ZERO), |_, _| panic!("waits"))
        .unwrap();
    drop((other, third));
    wanted.builds = vec!["build.a".into()];
    // Whose it is comes to be known soon after.
    let begin = std::time::Instant::now();
    let refused = loop {
        let error = second
            .hold(&wanted, Some(Duration::ZERO), |_, _| panic!("waits"))
            .unwrap_err();
        assert_eq!(error.id, "run/locked");
        if !error.to_string().contains("another process") {
            break error.to_string();
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "{error}");
    };
    assert_eq!(
        refused,
        "`build.a` is being made by run r1 (`imgc apply`, process 1 on here)"
    );
    let mut said = Vec::new();
    let error = second.hold(
        &wanted,
        Some(Duration::from_millis(120)),
        |build, holder| {
            said.push((build.to_owned(), holder.unwrap().run.clone()));
        },
    );
    assert!(
        error
            .unwrap_err()
            .to_string()
            .ends_with(", even after 120 milliseconds")
    );
    assert_eq!(said, [("build.a".to_owned(), "r1".to_owned())]);
    // Whoever holds it goes away, whichever way.
    let waiter = std::thread::spawn(move || second.hold(&wanted, None, |_, _| {}).map(drop));
    std::thread::sleep(Duration::from_millis(80));
    drop(held);
    waiter.join().unwrap().unwrap();
}

#[test]
fn two_that_want_the_same_builds_in_other_orders_do_not_wait_for_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let run = |name: &'static str, turned: bool| {
        let path = directory.path().to_owned();
        std::thread::spawn(move || {
            let state = Sqlite::open(&path).unwrap();
            let mut run = new_run(name);
            run.builds = (0..20).map(|at| format!("build.{at}")).collect();
            if turned {
                run.builds.reverse();
            }
            for _ in 0..5 {
                drop(
                    state
                        .hold(&run, Some(Duration::from_secs(20)), |_, _| {})
                        .unwrap(),
                );
            }
        })
    };
    for thread in [run("r1", false), run("r2", true)] {
        thread.join().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_share_a_transaction_and_none_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let state = Arc::new(Sqlite::open(directory.path()).unwrap());
    state.begin(&new_run("r1")).await.unwrap();
    let ledger = Ledger::new(state.clone(), "r1".into());
    let mut tasks = tokio::task::JoinSet::new();
    for build in 0..300 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            let path = PathBuf::from(format!("/x/{build}"));
            let owner = format!("build.{build}");
            let made = std::future::ready(Ok(()));
            let (record, ()) = ledger
                .create(&owner, Resource::File { path }, made)
                .await
                .unwrap();
            if build % 2 == 0 {
                ledger.forget(record);
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(state.resources(Owner::All).await.unwrap().len(), 150);
    drop((ledger, state));
    let state = Sqlite::open(directory.path()).unwrap();
    let left = state.resources(Owner::Run("r1")).await.unwrap();
    assert_eq!(left.len(), 150);
    assert!(
        left.iter()
            .all(|owned| owned.record.made && owned.expires > 0)
    );
}

#[tokio::test]
async fn the_order_is_that_of_recording_even_if_the_clock_is_moved_back() {
    let directory = tempfile::tempdir().unwrap();
    let state = Sqlite::open(directory.path()).unwrap();
    state.begin(&new_run("r1")).await.unwrap();
    let mut earlier = new_run("r2");
    earlier.started -= 1_000_000_000;
    state.begin(&earlier).await.unwrap();
    let runs = state.runs(None).await.unwrap();
    let ids: Vec<&str> = runs.iter().map(|run| run.new.id.as_str()).collect();
    assert_eq!(ids, ["r2", "r1"]);
}
