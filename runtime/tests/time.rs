//! Time in the scheduler: deadlines, retries by class, stopping after the first failure, limits, and what a stalled step
//! says. With the clock paused, hours pass at once.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use imgc_compiler::plan::{Limits, Plan};
use imgc_compiler::value::Value;
use imgc_runtime::Class;
use imgc_runtime::cancel::Cancel;
use imgc_runtime::event::Event;
use imgc_runtime::report::Recorder;
use imgc_runtime::run::{RunResult, exit_code, run};
use imgc_runtime::settings::Settings;
use imgc_runtime::testing::{Act, PlanMaker, Theatre, object, outline, world};

fn nothing() -> Value {
    object([])
}

fn plan(names: &[&str]) -> Plan {
    let provisioner = || ("fake", nothing(), Limits::default());
    let post = || vec![("fake", object([("name", Value::string("x"))]), None)];
    names
        .iter()
        .fold(PlanMaker::new(), |plan, name| {
            plan.build("fake", name, nothing(), [provisioner()], [post()])
        })
        .plan()
}

fn settings() -> Settings {
    Settings::new("11111111-2222-4333-8444-555555555555")
}

async fn play(theatre: &Theatre, plan: Plan, mut settings: Settings) -> (RunResult, Vec<Event>) {
    let scratch = tempfile::tempdir().unwrap();
    settings.scratch = scratch.path().to_owned();
    let recorder = Arc::new(Recorder::default());
    let (plan, registry) = (Arc::new(plan), Arc::new(theatre.registry()));
    let (sink, world) = (recorder.clone(), Arc::new(world()));
    let result = run(plan, registry, settings, sink, world, Cancel::new()).await;
    let left: Vec<_> = std::fs::read_dir(scratch.path()).unwrap().collect();
    assert!(left.is_empty(), "temporary files stay: {left:?}");
    (result, recorder.events())
}

fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

fn message(result: &RunResult, build: usize) -> &str {
    &result.builds[build].error.as_ref().unwrap().message
}

#[tokio::test(start_paused = true)]
async fn a_builds_deadline_keeps_time_for_cleaning_up_and_says_where_the_time_went() {
    let theatre = Theatre::default()
        .on("launch", [Act::Takes(minutes(4))])
        .on("provision", [Act::Hang]);
    let mut plan = plan(&["a"]);
    plan.builds[0].timeout = Some(minutes(10));
    let begun = tokio::time::Instant::now();
    let (result, events) = play(&theatre, plan, settings()).await;
    assert_eq!(begun.elapsed(), minutes(9));
    assert_eq!(exit_code(&result), 6);
    insta::assert_snapshot!(message(&result, 0), @"the build's time limit of 10m0s is over (1m0s of it kept for cleaning up); the time went to provisioner[0] (fake) 5m0s, launch 4m0s");
    assert!(theatre.calls().contains(&"release a".to_owned()));
    assert!(outline(&events).contains(&"skip fake.a.capture".to_owned()));
    assert!(result.leftovers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_runs_deadline_stops_all_builds_and_keeps_what_is_finished() {
    let theatre = Theatre::default()
        .on("provision a", [Act::Hang])
        .on("provision b", [Act::Well]);
    let settings = Settings {
        timeout: Some(minutes(60)),
        ..settings()
    };
    let begun = tokio::time::Instant::now();
    let (result, _) = play(&theatre, plan(&["a", "b"]), settings).await;
    // Cleaning up takes two minutes at most, which is less than a tenth.
    assert_eq!(begun.elapsed(), minutes(58));
    assert_eq!(exit_code(&result), 6);
    assert!(message(&result, 0).starts_with("the run's time limit of 1h0m0s is over"));
    assert!(result.builds[1].error.is_none() && result.builds[1].artifacts.len() == 1);
}

#[tokio::test(start_paused = true)]
async fn a_post_processor_that_is_too_late_leaves_the_artifact() {
    let theatre = Theatre::default().on("post", [Act::Hang]);
    let mut plan = plan(&["a"]);
    plan.builds[0].timeout = Some(minutes(10));
    let (result, _) = play(&theatre, plan, settings()).await;
    assert_eq!(exit_code(&result), 6);
    assert_eq!(result.builds[0].artifacts[0].id, "image-a");
}

#[tokio::test(start_paused = true)]
async fn cleaning_up_is_not_cut_short_at_the_deadline() {
    let theatre = Theatre::default()
        .on("provision", [Act::Hang])
        .on("release", [Act::Takes(Duration::from_secs(90))]);
    let mut plan = plan(&["a"]);
    plan.builds[0].timeout = Some(Duration::from_secs(10));
    let begun = tokio::time::Instant::now();
    let (result, _) = play(&theatre, plan, settings()).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(99));
    assert!(result.leftovers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_reaches_out_is_tried_again_by_class() {
    for (call, class, tries) in [
        ("prepare", Class::Remote, 3),
        ("launch", Class::Remote, 3),
        ("post", Class::Remote, 3),
        ("provision", Class::Remote, 1),
        ("capture", Class::Remote, 1),
        ("launch", Class::Template, 1),
        ("launch", Class::Environment, 1),
        ("launch", Class::Bug, 1),
        ("launch", Class::Timeout, 1),
    ] {
        let theatre = Theatre::default().on(call, vec![Act::Fail(class); 5]);
        let (result, events) = play(&theatre, plan(&["a"]), settings()).await;
        let said = theatre.calls();
        let count = said.iter().filter(|said| said.starts_with(call)).count();
        assert_eq!(count, tries, "{call} {class:?}: {said:?}");
        let again = outline(&events)
            .iter()
            .filter(|line| line.ends_with("(again)"))
            .count();
        assert_eq!(again, tries - 1, "{call} {class:?}");
        assert!(result.builds[0].error.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_costs_a_wait_and_no_more() {
    let theatre = Theatre::default().on("launch", vec![Act::Fail(Class::Remote); 2]);
    let begun = tokio::time::Instant::now();
    let (result, _) = play(&theatre, plan(&["a"]), settings()).await;
    assert_eq!(exit_code(&result), 0);
    let took = begun.elapsed().as_secs_f64();
    assert!(
        (1.5..=3.0).contains(&took),
        "half to all of 1 s and 2 s: {took}"
    );
    let settings = Settings {
        retries: 0,
        ..settings()
    };
    let theatre = Theatre::default().on("launch", [Act::Fail(Class::Remote)]);
    let (result, _) = play(&theatre, plan(&["a"]), settings).await;
    assert_eq!(exit_code(&result), 5);
}

#[tokio::test(start_paused = true)]
async fn one_of_sixty_four_fails() {
    let names: Vec<String> = (0..64).map(|n| format!("n{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for fail_fast in [false, true] {
        let mut theatre = Theatre::default().on("launch n17", [Act::Fail(Class::Provisioning)]);
        for name in &names {
            theatre = theatre.on(&format!("provision {name}"), [Act::Takes(minutes(5))]);
        }
        let settings = Settings {
            fail_fast,
            ..settings()
        };
        let begun = tokio::time::Instant::now();
        let (result, _) = play(&theatre, plan(&names), settings).await;
        assert_eq!(exit_code(&result), 1, "the code of what failed");
        assert!(result.leftovers.is_empty());
        let calls = theatre.calls();
        let count = |call: &str| calls.iter().filter(|said| said.starts_with(call)).count();
        assert_eq!(
            count("release"),
            count("launch") - 1,
            "every machine is let go"
        );
        let well = result.builds.iter().filter(|build| build.error.is_none());
        if fail_fast {
            assert_eq!(begun.elapsed().as_secs(), 0);
            assert_eq!(well.count(), 0);
            assert_eq!(
                message(&result, 0),
                "stopped because `build.fake.n17` failed"
            );
            assert!(result.builds[0].cancelled && !result.builds[17].cancelled);
        } else {
            assert_eq!(begun.elapsed(), minutes(5));
            assert_eq!(well.count(), 63);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_step_speaks_up_and_less_and_less_often() {
    let theatre = Theatre::default().on("provision", [Act::Takes(minutes(31))]);
    let (_, events) = play(&theatre, plan(&["a"]), settings()).await;
    let said: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            Event::StepWaiting { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"), @"
    still running provisioner[0] (fake) after 1m0s: nothing heard since then
    still running provisioner[0] (fake) after 2m0s: nothing heard since then
    still running provisioner[0] (fake) after 5m0s: nothing heard since then
    still running provisioner[0] (fake) after 10m0s: nothing heard since then
    still running provisioner[0] (fake) after 20m0s: nothing heard since then
    still running provisioner[0] (fake) after 30m0s: nothing heard since then
    ");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_turn_says_so() {
    let theatre = Theatre::default().on("launch", vec![Act::Takes(minutes(2)); 2]);
    let settings = Settings {
        parallel_launches: 1,
        ..settings()
    };
    let (_, events) = play(&theatre, plan(&["a", "b"]), settings).await;
    let waits = events.iter().any(|event| {
        matches!(event, Event::StepWaiting { waiting_for: Some(what), .. } if what == "its turn to launch")
    });
    assert!(waits);
}
