//! Checking what was made before it is published, and checkpoints that a template asks for.

use imgc_compiler::value::Value;
use imgc_runtime::Class;
use imgc_runtime::checkpoint::Capability;
use imgc_runtime::event::Level;
use imgc_runtime::run::{StepOutcome, exit_code};
use imgc_runtime::settings::{OnError, Reuse};
use imgc_runtime::state::State as _;
use imgc_runtime::testing::{Act, PlanMaker, Theatre, object};

use crate::lab::{Done, Lab, plan, post, provisioned, provisioner, resuming, said, ten};

/// A build whose image is checked, and post-processed when it has passed.
fn checked(check: &str) -> PlanMaker {
    let made = plan(
        "fake",
        vec![provisioner("make", "x")],
        vec![vec![post("x")]],
    );
    made.check("fake", object([("call", Value::string(check))]))
}

/// The calls that are about what was made.
fn about_the_image(done: &Done) -> Vec<&str> {
    let calls = done.calls.iter().map(String::as_str);
    let own = |call: &&str| {
        let words = ["launch", "capture", "boot", "look", "passed", "post"];
        words.iter().any(|word| call.starts_with(word)) || *call == "release image-a"
    };
    calls.filter(own).collect()
}

#[tokio::test]
async fn what_was_made_is_checked_on_a_machine_of_its_own_before_anything_else() {
    let mut lab = Lab::new(Theatre::default());
    let done = lab.apply(checked("look")).await;
    assert_eq!(exit_code(&done.result), 0);
    assert_eq!(
        about_the_image(&done),
        [
            "launch a",
            "capture a",
            "boot image-a",
            "look a",
            "passed image-a",
            "release image-a",
            "post x"
        ]
    );
    // It counts as long as it is the same check of the same image.
    let again = lab.apply(checked("look")).await;
    assert!(again.calls.is_empty(), "{:?}", again.calls);
    assert!(again.result.builds[0].up_to_date);
    // Another check is made of the same image, and what was published stays.
    let other = lab.apply(checked("look-closer")).await;
    assert_eq!(
        about_the_image(&other),
        [
            "boot image-a",
            "look-closer a",
            "passed image-a",
            "release image-a"
        ]
    );
    assert_eq!(exit_code(&other.result), 0);
}

#[tokio::test]
async fn what_does_not_pass_is_published_by_nobody_and_checked_again() {
    let theatre = Theatre::default().on("look", [Act::Fail(Class::Provisioning)]);
    let mut lab = Lab::new(theatre);
    let first = lab.apply(checked("look")).await;
    assert_eq!(exit_code(&first.result), 1);
    assert_eq!(
        about_the_image(&first),
        [
            "launch a",
            "capture a",
            "boot image-a",
            "look a",
            "release image-a"
        ]
    );
    let failure = first.result.builds[0].error.as_ref().unwrap();
    assert_eq!(failure.address, "build.fake.a.check");
    assert!(
        failure.message.contains("build.fake.a.provisioner[99]"),
        "{}",
        failure.message
    );
    // Nobody takes it for an image that can be used, and it stays for whoever goes on.
    assert!(first.result.builds[0].artifacts.is_empty());
    let second = lab.run(checked("look"), resuming(1)).await;
    assert_eq!(
        about_the_image(&second),
        [
            "boot image-a",
            "look a",
            "passed image-a",
            "release image-a",
            "post x"
        ]
    );
    assert_eq!(exit_code(&second.result), 0);
}

#[tokio::test]
async fn the_latest_verdict_counts() {
    let theatre = Theatre::default().on("look", [Act::Well, Act::Fail(Class::Provisioning)]);
    let mut lab = Lab::new(theatre);
    lab.apply(checked("look")).await;
    let again = Reuse {
        replace: vec!["build.fake.a.check".to_owned()],
        ..crate::lab::on()
    };
    let second = lab.run(checked("look"), again).await;
    assert_eq!(exit_code(&second.result), 1);
    let third = lab.apply(checked("look")).await;
    assert!(
        third.calls.contains(&"look a".to_owned()),
        "{:?}",
        third.calls
    );
    assert_eq!(exit_code(&third.result), 0);
}

#[tokio::test]
async fn a_failure_that_was_let_pass_has_not_passed() {
    let theatre = Theatre::default().on("look", [Act::Fail(Class::Provisioning)]);
    let mut lab = Lab::new(theatre);
    let mut lenient = checked("look").plan();
    lenient.builds[0].checks[0].limits.continue_on_error = true;
    let first = lab.apply(PlanMaker::of(lenient)).await;
    assert_eq!(exit_code(&first.result), 0);
    let second = lab.apply(checked("look")).await;
    assert!(
        second.calls.contains(&"look a".to_owned()),
        "{:?}",
        second.calls
    );
}

#[tokio::test]
async fn what_has_not_passed_is_kept_when_nothing_checks_it_any_more() {
    let theatre = Theatre::default().on("look", [Act::Fail(Class::Provisioning)]);
    let mut lab = Lab::new(theatre);
    lab.apply(checked("look")).await;
    let bare = || {
        plan(
            "fake",
            vec![provisioner("make", "x")],
            vec![vec![post("x")]],
        )
    };
    let second = lab.apply(bare()).await;
    assert_eq!(about_the_image(&second), ["passed image-a", "post x"]);
    // One that has passed needs no second word.
    let theatre = Theatre::default();
    let mut lab = Lab::new(theatre);
    lab.apply(checked("look")).await;
    let second = lab.apply(bare()).await;
    assert_eq!(about_the_image(&second), Vec::<&str>::new());
}

#[tokio::test]
async fn a_machine_that_does_not_pass_stays_where_that_is_asked_for() {
    let theatre = Theatre::default().on("look", [Act::Fail(Class::Provisioning)]);
    let mut lab = Lab::new(theatre);
    let done = lab
        .run_with(checked("look"), crate::lab::on(), |settings| {
            settings.on_error = OnError::Abort;
        })
        .await;
    assert!(!done.calls.contains(&"release image-a".to_owned()));
    // The machine of the build has gone as always.
    assert!(done.calls.contains(&"release a".to_owned()));
    let warnings = said(&done, Level::Warning).join("\n");
    assert!(warnings.contains("i-image-a"), "{warnings}");
}

#[tokio::test]
async fn a_check_is_stopped_with_the_build_and_leaves_nothing() {
    let mut limits = plan("fake", vec![], vec![])
        .check("fake", object([("call", Value::string("look"))]))
        .plan();
    limits.builds[0].timeout = Some(std::time::Duration::from_millis(400));
    let theatre = Theatre::default().on("look", [Act::Hang]);
    let mut lab = Lab::new(theatre);
    let done = lab.apply(PlanMaker::of(limits)).await;
    assert_ne!(exit_code(&done.result), 0);
    assert!(
        done.calls.contains(&"release image-a".to_owned()),
        "{:?}",
        done.calls
    );
}

#[tokio::test]
async fn a_build_begins_at_the_checkpoint_that_a_template_asks_for() {
    let mut lab = Lab::new(Theatre::default().capable(Capability::Image));
    let make = |last: &str| {
        let mut all = ten();
        all[9] = provisioner("p10", last);
        plan("fake", all, vec![]).checkpoint(6)
    };
    lab.apply(make("x")).await;
    let kept = lab.state.checkpoints().await.unwrap();
    let steps: Vec<&str> = kept.iter().map(|one| one.step.as_str()).collect();
    assert_eq!(steps, ["build.fake.a.provisioner[6]"]);
    let second = lab.apply(make("other")).await;
    assert_eq!(provisioned(&second), ["p8", "p9", "p10"]);
    assert!(second.calls.contains(&"restore a".to_owned()));
    let reused = second.result.timings.iter();
    let reused = reused.filter(|timing| timing.outcome == StepOutcome::Reused);
    assert_eq!(reused.count(), 7);
    // A change before it makes another one, which takes its place.
    let mut changed = ten();
    changed[0] = provisioner("p1", "other");
    let third = lab.apply(plan("fake", changed, vec![]).checkpoint(6)).await;
    assert_eq!(provisioned(&third).len(), 10);
    let now = lab.state.checkpoints().await.unwrap();
    assert_eq!(now.len(), 1);
    assert_ne!(now[0].fingerprint, kept[0].fingerprint);
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_made_is_said_and_fails_nothing() {
    let theatre = Theatre::default()
        .capable(Capability::Image)
        .on("seal", [Act::Well, Act::Fail(Class::Remote)]);
    let mut lab = Lab::new(theatre);
    let done = lab.apply(plan("fake", ten(), vec![]).checkpoint(1)).await;
    assert_eq!(exit_code(&done.result), 0);
    assert_eq!(provisioned(&done).len(), 10);
    let warnings = said(&done, Level::Warning).join("\n");
    assert!(
        warnings.contains("no checkpoint after build.fake.a.provisioner[1]"),
        "{warnings}"
    );
    assert!(lab.state.checkpoints().await.unwrap().is_empty());
}
