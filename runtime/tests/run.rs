//! The scheduler, against a builder and a machine in memory: order, undoing, retries, stopping, keeping.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use imgc_compiler::plan::{Limits, Plan};
use imgc_compiler::value::Value;
use imgc_runtime::Class;
use imgc_runtime::cancel::Cancel;
use imgc_runtime::event::{Event, Level, Sink};
use imgc_runtime::report::{Recorder, Tee};
use imgc_runtime::run::{RunResult, StepOutcome, exit_code, run};
use imgc_runtime::settings::{Answer, Ask, OnError, Settings};
use imgc_runtime::testing::{Act, PlanMaker, Theatre, object, outline, world};

const ID: &str = "11111111-2222-4333-8444-555555555555";

fn nothing() -> Value {
    object([])
}

fn one(name: &str) -> PlanMaker {
    PlanMaker::new().build(
        "fake",
        name,
        nothing(),
        [("fake", nothing(), Limits::default())],
        [],
    )
}

fn settings() -> Settings {
    Settings::new(ID)
}

async fn play(theatre: &Theatre, plan: Plan, settings: Settings) -> (RunResult, Vec<Event>) {
    play_with(theatre, plan, settings, Cancel::new(), None).await
}

async fn play_with(
    theatre: &Theatre,
    plan: Plan,
    mut settings: Settings,
    cancel: Cancel,
    also: Option<Arc<dyn Sink>>,
) -> (RunResult, Vec<Event>) {
    let scratch = tempfile::tempdir().unwrap();
    settings.scratch = scratch.path().to_owned();
    let recorder = Arc::new(Recorder::default());
    let mut sinks: Vec<Arc<dyn Sink>> = vec![recorder.clone()];
    sinks.extend(also);
    let result = run(
        Arc::new(plan),
        Arc::new(theatre.registry()),
        settings,
        Arc::new(Tee::new(sinks)),
        Arc::new(world()),
        cancel,
    )
    .await;
    let left: Vec<_> = std::fs::read_dir(scratch.path()).unwrap().collect();
    assert!(left.is_empty(), "temporary files stay: {left:?}");
    (result, recorder.events())
}

fn text(lines: &[String]) -> String {
    lines.join("\n")
}

#[tokio::test(start_paused = true)]
async fn a_build_goes_through_its_steps() {
    let theatre = Theatre::default();
    let (result, events) = play(&theatre, one("a").plan(), settings()).await;
    insta::assert_snapshot!(text(&outline(&events)), @r#"
    start fake.a.prepare
    done fake.a.prepare
    start fake.a.launch
    done fake.a.launch
    start fake.a.connect
    done fake.a.connect
    start fake.a.provisioner[0]
    done fake.a.provisioner[0]
    start fake.a.capture
    done fake.a.capture
    start fake.a.release
    done fake.a.release
    end fake.a well
    "#);
    insta::assert_snapshot!(text(&theatre.calls()), @r#"
    prepare a
    launch a
    provision a
    seal a
    disconnect a
    capture a
    release a
    "#);
    assert_eq!(exit_code(&result), 0);
    assert_eq!(result.builds[0].artifacts[0].id, "image-a");
    assert!(result.leftovers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failure_undoes_its_build_and_leaves_the_others_alone() {
    let theatre = Theatre::default().on("provision a", [Act::Fail(Class::Provisioning)]);
    let plan = one("a")
        .cleanup("fake", object([("call", Value::string("cleanup"))]))
        .build(
            "fake",
            "b",
            nothing(),
            [("fake", nothing(), Limits::default())],
            [],
        );
    let (result, events) = play(&theatre, plan.plan(), settings()).await;
    let of = |name: &str| -> Vec<String> {
        let lines = outline(&events).into_iter();
        lines.filter(|line| line.contains(name)).collect()
    };
    insta::assert_snapshot!(text(&of("fake.a")), @r#"
    start fake.a.prepare
    done fake.a.prepare
    start fake.a.launch
    done fake.a.launch
    start fake.a.connect
    done fake.a.connect
    start fake.a.provisioner[0]
    failed fake.a.provisioner[0] run/exit-code
    skip fake.a.capture
    start fake.a.release
    done fake.a.release
    end fake.a failed
    "#);
    assert_eq!(of("fake.b").last().unwrap(), "end fake.b well");
    let calls: Vec<String> = theatre
        .calls()
        .into_iter()
        .filter(|call| call.ends_with(" a"))
        .collect();
    insta::assert_snapshot!(text(&calls), @r#"
    prepare a
    launch a
    provision a
    cleanup a
    disconnect a
    release a
    "#);
    assert_eq!(exit_code(&result), 1);
    assert_eq!(result.builds[1].artifacts.len(), 1);
    let error = result.builds[0].error.as_ref().unwrap();
    assert_eq!(error.address, "build.fake.a.provisioner[0]");
}

#[tokio::test(start_paused = true)]
async fn abort_leaves_everything_and_says_so() {
    for (on_error, expected) in [
        (
            OnError::Abort,
            "prepare a launch a provision a disconnect a",
        ),
        (
            OnError::RunCleanupProvisioner,
            "prepare a launch a provision a cleanup a disconnect a",
        ),
        (
            OnError::Cleanup,
            "prepare a launch a provision a cleanup a disconnect a release a",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("litter");
        let theatre = Theatre::default()
            .on("launch", [Act::Well])
            .on("provision", [Act::Fail(Class::Provisioning)])
            .on("prepare", [Act::Well]);
        let plan = one("a").cleanup("fake", object([("call", Value::string("cleanup"))]));
        let settings = Settings {
            on_error,
            ..settings()
        };
        let (_, _) = play(&theatre, plan.plan(), settings).await;
        assert_eq!(theatre.calls().join(" "), expected, "{on_error:?}");
        assert!(!file.exists());
    }
}

struct Says(Mutex<Vec<Answer>>);

#[async_trait::async_trait]
impl Ask for Says {
    async fn on_error(&self, _: &str, address: &str, _: &str) -> Answer {
        assert_eq!(address, "build.fake.a.provisioner[0]");
        self.0.lock().unwrap().remove(0)
    }

    async fn pause(&self, _: &str, _: &str) {}
}

#[tokio::test(start_paused = true)]
async fn asking_can_retry_then_abort() {
    let theatre = Theatre::default().on(
        "provision",
        [
            Act::Fail(Class::Provisioning),
            Act::Fail(Class::Provisioning),
        ],
    );
    let settings = Settings {
        on_error: OnError::Ask,
        ask: Some(Arc::new(Says(Mutex::new(vec![
            Answer::Retry,
            Answer::Abort,
        ])))),
        ..settings()
    };
    let (result, _) = play(&theatre, one("a").plan(), settings).await;
    assert_eq!(
        theatre.calls().join(" "),
        "prepare a launch a provision a provision a disconnect a"
    );
    assert!(result.builds[0].error.is_some());
}

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

fn with_limits(limits: Limits) -> Plan {
    PlanMaker::new()
        .build("fake", "a", nothing(), [("fake", nothing(), limits)], [])
        .plan()
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_retries_runs_in_an_instant() {
    let theatre = Theatre::default().on("provision", vec![Act::Fail(Class::Remote); 100]);
    let before = (std::time::Instant::now(), tokio::time::Instant::now());
    let plan = with_limits(limits(|limits| limits.max_retries = 100));
    let (result, events) = play(&theatre, plan, settings()).await;
    assert!(before.0.elapsed() < Duration::from_secs(5));
    // 99 waits, most of half a minute to a minute.
    assert!(before.1.elapsed() > Duration::from_secs(45 * 60));
    assert_eq!(exit_code(&result), 0);
    let lines = outline(&events);
    assert_eq!(
        lines.iter().filter(|line| line.contains("(again)")).count(),
        100
    );
    assert!(lines.contains(&"start fake.a.provisioner[0] #101".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn retries_end_and_what_cannot_help_is_not_tried() {
    let theatre = Theatre::default().on("provision", vec![Act::Fail(Class::Provisioning); 9]);
    let plan = with_limits(limits(|limits| limits.max_retries = 2));
    let (result, _) = play(&theatre, plan, settings()).await;
    let tried = |theatre: &Theatre| {
        let calls = theatre.calls();
        calls.iter().filter(|call| *call == "provision a").count()
    };
    assert_eq!((tried(&theatre), exit_code(&result)), (3, 1));
    let theatre = Theatre::default().on("provision", vec![Act::Fail(Class::Template); 9]);
    let plan = with_limits(limits(|limits| limits.max_retries = 2));
    let (result, _) = play(&theatre, plan, settings()).await;
    assert_eq!((tried(&theatre), exit_code(&result)), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn timeouts_are_per_attempt() {
    let theatre =
        Theatre::default().on("provision", [Act::Hang, Act::Takes(Duration::from_secs(9))]);
    let plan = with_limits(limits(|limits| {
        limits.timeout = Some(Duration::from_secs(10));
        limits.max_retries = 1;
        limits.pause_before = Some(Duration::from_secs(100));
    }));
    let begun = tokio::time::Instant::now();
    let (result, events) = play(&theatre, plan, settings()).await;
    assert_eq!(exit_code(&result), 0, "{:?}", result.builds[0].error);
    assert!(begun.elapsed() >= Duration::from_secs(119));
    let lines = outline(&events);
    assert!(lines.contains(&"failed fake.a.provisioner[0] run/timeout (again)".to_owned()));
    let theatre = Theatre::default().on("provision", [Act::Hang]);
    let plan = with_limits(limits(|limits| {
        limits.timeout = Some(Duration::from_secs(1))
    }));
    let (result, _) = play(&theatre, plan, settings()).await;
    assert_eq!(exit_code(&result), 6);
}

#[tokio::test(start_paused = true)]
async fn a_failure_may_be_ignored() {
    let theatre = Theatre::default().on("provision", [Act::Fail(Class::Provisioning)]);
    let plan = with_limits(limits(|limits| limits.continue_on_error = true));
    let (result, _) = play(&theatre, plan, settings()).await;
    assert_eq!(exit_code(&result), 0);
    assert_eq!(result.builds[0].artifacts.len(), 1);
    assert_eq!(result.timings[3].outcome, StepOutcome::Ignored);
}

/// The end of a build tells of one failure.
#[tokio::test(start_paused = true)]
async fn a_failure_that_is_not_the_first_is_said_by_itself() {
    let post = |name: &str| ("fake", object([("name", Value::string(name))]), None);
    let theatre = Theatre::default()
        .on("post x", [Act::Fail(Class::Timeout)])
        .on("post y", [Act::Fail(Class::Timeout)]);
    let chains = [vec![post("x")], vec![post("y")]];
    let plan = PlanMaker::new().build("fake", "a", nothing(), [], chains);
    let (result, events) = play(&theatre, plan.plan(), settings()).await;
    let first = &result.builds[0].error.as_ref().unwrap().address;
    let said: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            Event::Line {
                level: Level::Error,
                text,
                ..
            } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("build.fake.a.post-processor["));
    assert!(!said[0].starts_with(first.as_str()), "{first} {said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_our_mistake_and_ends_one_build() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let theatre = Theatre::default().on("provision a", [Act::Panic]);
    let plan = one("a").build("fake", "b", nothing(), [], []).plan();
    let (result, events) = play(&theatre, plan, settings()).await;
    std::panic::set_hook(hook);
    let error = result.builds[0].error.as_ref().unwrap();
    assert_eq!((error.class, error.id), (Class::Bug, "run/panic"));
    assert!(result.builds[1].error.is_none());
    // The way out stands with the error, for whoever shows it.
    let helped = events.iter().any(|event| {
        matches!(event, Event::BuildFinished { build, error, help, .. }
            if build.0 == 0 && error.is_some() && *help == result.builds[0].error.as_ref().unwrap().help)
    });
    assert!(helped && result.builds[0].error.as_ref().unwrap().help.is_some());
    assert!(theatre.calls().contains(&"release a".to_owned()));
    assert_eq!(exit_code(&result), 70);
}

/// Asks to stop when a step begins.
struct StopAt {
    cancel: Cancel,
    address: &'static str,
}

impl Sink for StopAt {
    fn event(&self, event: &Event) {
        if let Event::StepStarted { address, .. } = event
            && address == self.address
        {
            self.cancel.signal();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stopping_in_any_step_cleans_up() {
    let cases = [
        ("build.fake.a.prepare", "prepare", ""),
        ("build.fake.a.launch", "launch", ""),
        ("build.fake.a.connect", "connect", "release a"),
        (
            "build.fake.a.provisioner[0]",
            "provision",
            "cleanup a disconnect a release a",
        ),
        (
            "build.fake.a.capture",
            "capture",
            "cleanup a disconnect a release a",
        ),
        (
            "build.fake.a.post-processor[0][0]",
            "post",
            "disconnect a capture a release a",
        ),
    ];
    for (address, call, expected) in cases {
        let directory = tempfile::tempdir().unwrap();
        let litter = directory.path().join("litter");
        let theatre = Theatre::default().on(call, [Act::LitterAndHang(litter.clone())]);
        let plan = PlanMaker::new()
            .build(
                "fake",
                "a",
                nothing(),
                [("fake", nothing(), Limits::default())],
                [vec![("fake", object([("name", Value::string("x"))]), None)]],
            )
            .cleanup("fake", object([("call", Value::string("cleanup"))]))
            .plan();
        let cancel = Cancel::new();
        let stop = Arc::new(StopAt {
            cancel: cancel.clone(),
            address,
        });
        let (result, events) = play_with(&theatre, plan, settings(), cancel, Some(stop)).await;
        assert!(!litter.exists(), "{address}");
        assert!(result.leftovers.is_empty(), "{address}");
        assert!(result.builds[0].cancelled, "{address}");
        assert_eq!(exit_code(&result), 130);
        let calls = theatre.calls();
        let after: Vec<&str> = calls
            .iter()
            .map(String::as_str)
            .filter(|call| ["cleanup a", "disconnect a", "release a", "capture a"].contains(call))
            .collect();
        assert_eq!(after.join(" "), expected, "{address}: {calls:?}");
        assert!(
            outline(&events)
                .iter()
                .any(|line| line.starts_with("skip "))
                || call == "post",
            "{address}"
        );
        let kept = result.builds[0].artifacts.len();
        assert_eq!(kept, usize::from(call == "post"), "finished means kept");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_leaves_at_once_and_says_what_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let litter = directory.path().join("litter");
    let theatre = Theatre::default()
        .on("provision", [Act::LitterAndHang(litter.clone())])
        .on("release", [Act::Hang]);
    let cancel = Cancel::new();
    let leaver = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        leaver.signal();
        tokio::time::sleep(Duration::from_secs(1)).await;
        leaver.signal();
    });
    let begun = tokio::time::Instant::now();
    let theatre = theatre.on("disconnect", [Act::LitterAndHang(litter.clone())]);
    let (result, events) = play_with(&theatre, one("a").plan(), settings(), cancel, None).await;
    assert_eq!(begun.elapsed().as_secs(), 2);
    assert_eq!(exit_code(&result), 130);
    assert!(matches!(
        events.last(),
        Some(Event::RunFinished { cancelled: 1, .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn cleaning_up_has_a_deadline() {
    let theatre = Theatre::default()
        .on("provision", [Act::Hang])
        .on("release", [Act::Hang]);
    let cancel = Cancel::new();
    let stopper = cancel.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stopper.signal();
    });
    let begun = tokio::time::Instant::now();
    let (result, _) = play_with(&theatre, one("a").plan(), settings(), cancel, None).await;
    assert_eq!(begun.elapsed().as_secs(), 121);
    assert!(result.builds[0].cancelled);
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_launch_has_made_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let litter = directory.path().join("litter");
    let theatre = Theatre::default().on("launch", [Act::LitterAndFail(litter.clone())]);
    let (result, _) = play(&theatre, one("a").plan(), settings()).await;
    assert!(!litter.exists() && result.leftovers.is_empty());
    assert!(!theatre.calls().contains(&"release a".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_removed_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    // A file with this name cannot be removed as a file.
    let litter = directory.path().join("litter");
    let theatre = Theatre::default().on("launch", [Act::LitterAndFail(litter.clone())]);
    struct Stubborn;
    #[async_trait::async_trait]
    impl imgc_runtime::settings::Remover for Stubborn {
        async fn remove(
            &self,
            resource: &imgc_runtime::ledger::Resource,
        ) -> Option<imgc_runtime::Result<()>> {
            matches!(resource, imgc_runtime::ledger::Resource::File { .. }).then(|| {
                Err(imgc_runtime::Error::new(
                    Class::Environment,
                    "run/leftovers",
                    "not permitted",
                ))
            })
        }
    }
    let settings = Settings {
        removers: vec![Arc::new(Stubborn)],
        ..settings()
    };
    let (result, events) = play(&theatre, one("a").plan(), settings).await;
    assert_eq!(result.leftovers.len(), 1);
    let said = events.iter().any(|event| {
        matches!(event, Event::Line { text, .. } if text.contains("litter, made by build.fake.a.launch"))
    });
    assert!(said);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_fails_keeps_the_artifact_and_goes_on() {
    let theatre = Theatre::default().on("release", [Act::Fail(Class::Remote)]);
    let plan = PlanMaker::new()
        .build(
            "fake",
            "a",
            nothing(),
            [],
            [vec![(
                "fake",
                object([("name", Value::string("x"))]),
                Some(true),
            )]],
        )
        .plan();
    let (result, _) = play(&theatre, plan, settings()).await;
    assert_eq!(exit_code(&result), 5);
    let ids: Vec<&str> = result.builds[0]
        .artifacts
        .iter()
        .map(|artifact| artifact.id.as_str())
        .collect();
    assert_eq!(ids, ["image-a", "image-a+x"]);
}

#[tokio::test(start_paused = true)]
async fn chains_run_at_the_same_time_and_fail_by_themselves() {
    let post = |name: &str, keep| ("fake", object([("name", Value::string(name))]), keep);
    let theatre = Theatre::default()
        .on("post x", [Act::Takes(Duration::from_secs(10))])
        .on("post y", [Act::Takes(Duration::from_secs(10))])
        .on("post z", [Act::Fail(Class::Timeout)]);
    let plan = PlanMaker::new()
        .build(
            "fake",
            "a",
            nothing(),
            [],
            [
                vec![post("x", None), post("x2", None)],
                vec![post("y", None)],
                vec![post("z", None), post("z2", None)],
            ],
        )
        .plan();
    let begun = tokio::time::Instant::now();
    let (result, events) = play(&theatre, plan, settings()).await;
    assert_eq!(begun.elapsed().as_secs(), 10);
    let ids: Vec<&str> = result.builds[0]
        .artifacts
        .iter()
        .map(|artifact| artifact.id.as_str())
        .collect();
    // A failure keeps all there is.
    assert_eq!(ids, ["image-a", "image-a+x", "image-a+x+x2", "image-a+y"]);
    assert!(outline(&events).contains(&"skip fake.a.post-processor[2][1]".to_owned()));
    assert_eq!(exit_code(&result), 6);
}

#[tokio::test(start_paused = true)]
async fn parallel_builds_are_limited() {
    for (limit, seconds) in [(0, 1), (1, 6), (2, 3)] {
        let theatre =
            Theatre::default().on("provision", vec![Act::Takes(Duration::from_secs(1)); 6]);
        let mut plan = PlanMaker::new();
        for n in 0..6 {
            plan = plan.build(
                "fake",
                &format!("n{n}"),
                nothing(),
                [("fake", nothing(), Limits::default())],
                [],
            );
        }
        let settings = Settings {
            parallel_builds: limit,
            ..settings()
        };
        let begun = tokio::time::Instant::now();
        let (result, _) = play(&theatre, plan.plan(), settings).await;
        assert_eq!(begun.elapsed().as_secs(), seconds, "{limit}");
        assert_eq!(exit_code(&result), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_scratch_that_cannot_be_made_is_one_clear_error() {
    let theatre = Theatre::default();
    let recorder = Arc::new(Recorder::default());
    let mut settings = settings();
    settings.scratch = "/proc/nowhere".into();
    let result = run(
        Arc::new(one("a").plan()),
        Arc::new(theatre.registry()),
        settings,
        recorder,
        Arc::new(world()),
        Cancel::new(),
    )
    .await;
    assert_eq!(exit_code(&result), 4);
    assert!(theatre.calls().is_empty());
}
