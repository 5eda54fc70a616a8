//! What need not run again, and what must: builds against a builder in memory, one run after another.
#![allow(clippy::unwrap_used)]

mod checks;
mod lab;
mod shells;

use std::path::Path;

use imgc_compiler::plan::Limits;
use imgc_compiler::value::Value;
use imgc_runtime::Class;
use imgc_runtime::checkpoint::Capability;
use imgc_runtime::event::Level;
use imgc_runtime::reuse::{Verdict, resumable};
use imgc_runtime::run::{StepOutcome, exit_code};
use imgc_runtime::settings::Reuse;
use imgc_runtime::state::{State, StepStatus};
use imgc_runtime::testing::{Act, PlanMaker, Theatre, object};

use lab::{Done, Lab, on, plan, post, provisioned, provisioner, resuming, said, ten};

#[tokio::test]
async fn nothing_runs_where_nothing_has_changed() {
    let mut lab = Lab::new(Theatre::default());
    let make = || plan("fake", ten(), vec![vec![post("x"), post("y")]]);
    let first = lab.apply(make()).await;
    assert_eq!(exit_code(&first.result), 0);
    assert_eq!(provisioned(&first).len(), 10);
    let second = lab.apply(make()).await;
    assert_eq!(second.calls, Vec::<String>::new());
    assert!(second.result.builds[0].up_to_date);
    let ids = |done: &Done| -> Vec<String> {
        let artifacts = done.result.builds[0].artifacts.iter();
        artifacts.map(|artifact| artifact.id.clone()).collect()
    };
    assert_eq!(ids(&second), ids(&first));
    let mut timings = second.result.timings.iter();
    assert!(timings.all(|timing| timing.outcome == StepOutcome::Reused));
    let steps = lab.state.steps(&second.result.run_id).await.unwrap();
    assert_eq!(steps.len(), second.result.timings.len());
    for step in steps {
        assert_eq!(step.status, StepStatus::Reused, "{}", step.step);
        assert_eq!(
            step.reused_from.as_deref(),
            Some(first.result.run_id.as_str())
        );
    }
    // A third time it is still the first run's work.
    assert!(lab.apply(make()).await.result.builds[0].up_to_date);
    // Who wants a build gets one.
    let whole = lab.run(make(), Reuse::default()).await;
    assert_eq!(provisioned(&whole).len(), 10);
}

#[tokio::test]
async fn a_layered_build_goes_on_after_the_last_step_that_is_the_same() {
    let mut lab = Lab::new(Theatre::default().capable(Capability::Layer));
    lab.apply(plan("fake", ten(), vec![])).await;
    let mut changed = ten();
    changed[9] = provisioner("p10", "other");
    let second = lab.apply(plan("fake", changed, vec![])).await;
    assert_eq!(provisioned(&second), ["p10"]);
    assert!(second.calls.contains(&"restore a".to_owned()));
    assert!(!second.calls.contains(&"launch a".to_owned()));
    let mut changed = ten();
    changed[4] = provisioner("p5", "other");
    let third = lab.apply(plan("fake", changed, vec![])).await;
    assert_eq!(provisioned(&third), ["p5", "p6", "p7", "p8", "p9", "p10"]);
    // Order counts.
    let mut changed = ten();
    changed.swap(7, 8);
    let fourth = lab.apply(plan("fake", changed, vec![])).await;
    assert_eq!(provisioned(&fourth), ["p9", "p8", "p10"]);
    // The first form is still known.
    assert!(
        lab.apply(plan("fake", ten(), vec![]))
            .await
            .calls
            .is_empty()
    );
}

#[tokio::test]
async fn step_nine_of_ten_fails_and_nine_and_ten_run() {
    for capability in [Capability::Layer, Capability::Machine] {
        let theatre = Theatre::default()
            .capable(capability)
            .on("p9", [Act::Fail(Class::Provisioning)]);
        let mut lab = Lab::new(theatre);
        let first = lab.apply(plan("fake", ten(), vec![])).await;
        assert_eq!(exit_code(&first.result), 1);
        let mut mended = ten();
        mended[8] = provisioner("p9", "mended");
        let second = lab
            .run(plan("fake", mended.clone(), vec![]), resuming(1))
            .await;
        assert_eq!(provisioned(&second), ["p9", "p10"], "{capability:?}");
        assert_eq!(exit_code(&second.result), 0);
        // And then all is done.
        let third = lab.apply(plan("fake", mended, vec![])).await;
        assert!(third.calls.is_empty(), "{:?}", third.calls);
    }
}

#[tokio::test]
async fn a_machine_is_gone_on_with_only_where_that_is_asked_for() {
    let fails = || Act::Fail(Class::Provisioning);
    let theatre = Theatre::default()
        .capable(Capability::Machine)
        .on("p9", [fails(), fails(), fails()]);
    let mut lab = Lab::new(theatre);
    lab.apply(plan("fake", ten(), vec![])).await;
    let second = lab.apply(plan("fake", ten(), vec![])).await;
    assert_eq!(provisioned(&second).len(), 9);
    // Over two runs that failed.
    lab.run(plan("fake", ten(), vec![]), resuming(2)).await;
    let last = lab.run(plan("fake", ten(), vec![]), resuming(3)).await;
    assert_eq!(provisioned(&last), ["p9", "p10"]);
}

#[tokio::test]
async fn what_a_later_run_has_done_to_a_machine_is_not_forgotten() {
    let fails = || Act::Fail(Class::Provisioning);
    let theatre = Theatre::default()
        .capable(Capability::Machine)
        .on("p5", [Act::Well, fails()])
        .on("p9", [fails()]);
    let mut lab = Lab::new(theatre);
    lab.apply(plan("fake", ten(), vec![])).await;
    // The second run changes step 5, which fails half-way; going back to the first form must do it again.
    let mut other = ten();
    other[4] = provisioner("p5", "other");
    lab.run(plan("fake", other, vec![]), resuming(1)).await;
    let third = lab.run(plan("fake", ten(), vec![]), resuming(2)).await;
    assert_eq!(provisioned(&third), ["p5", "p6", "p7", "p8", "p9", "p10"]);
}

#[tokio::test]
async fn a_checkpoint_that_is_damaged_is_forgotten_and_an_earlier_one_used() {
    let theatre = Theatre::default()
        .capable(Capability::Layer)
        .on("restore", [Act::Fail(Class::Environment)]);
    let mut lab = Lab::new(theatre);
    lab.apply(plan("fake", ten(), vec![])).await;
    let before = lab.state.checkpoints().await.unwrap().len();
    let mut changed = ten();
    changed[9] = provisioner("p10", "other");
    let second = lab.apply(plan("fake", changed, vec![])).await;
    assert_eq!(provisioned(&second), ["p9", "p10"]);
    let warnings = said(&second, Level::Warning);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0]
            .starts_with("cannot go back to the machine after build.fake.a.provisioner[8]: ")
    );
    // One forgotten; the new ones are of steps 9 and 10.
    assert_eq!(lab.state.checkpoints().await.unwrap().len(), before - 1 + 2);
}

#[tokio::test]
async fn a_failed_post_processor_costs_itself_alone() {
    let theatre = Theatre::default().on("post y", [Act::Fail(Class::Provisioning)]);
    let mut lab = Lab::new(theatre);
    let make = || {
        plan(
            "fake",
            ten(),
            vec![vec![post("x"), post("y")], vec![post("z")]],
        )
    };
    let first = lab.apply(make()).await;
    assert_eq!(exit_code(&first.result), 1);
    // The chain of `z` does not wait for the other in this plan.
    let second = lab.apply(make()).await;
    assert_eq!(second.calls, ["post y"]);
    assert_eq!(exit_code(&second.result), 0);
    assert!(lab.apply(make()).await.calls.is_empty());
}

#[tokio::test]
async fn a_changed_post_processor_runs_with_those_that_see_its_work() {
    let mut lab = Lab::new(Theatre::default());
    let make = |name: &str| {
        let chains = vec![
            vec![post("w")],
            vec![post(name), post("y")],
            vec![post("z")],
        ];
        plan("fake", ten(), chains)
    };
    lab.apply(make("x")).await;
    let mut second = lab.apply(make("other")).await;
    second.calls.sort();
    assert_eq!(second.calls, ["post other", "post y", "post z"]);
}

#[tokio::test]
async fn artifacts_that_are_gone_or_altered_are_named_and_made_again() {
    let mut lab = Lab::new(Theatre::default());
    let image = lab.file("image");
    lab.theatre = lab.theatre.clone().captures(&image);
    lab.apply(plan("fake", ten(), vec![])).await;
    // Written anew with the same bytes it is the same.
    let bytes = std::fs::read(&image).unwrap();
    std::fs::write(&image, bytes).unwrap();
    assert!(
        lab.apply(plan("fake", ten(), vec![]))
            .await
            .calls
            .is_empty()
    );
    std::fs::write(&image, "altered").unwrap();
    let second = lab.apply(plan("fake", ten(), vec![])).await;
    assert_eq!(provisioned(&second).len(), 10);
    let text = format!(
        "build.fake.a.capture: `{}` has been altered",
        image.display()
    );
    assert_eq!(said(&second, Level::Warning), [text]);
    std::fs::remove_file(&image).unwrap();
    let third = lab.apply(plan("fake", ten(), vec![])).await;
    assert_eq!(provisioned(&third).len(), 10);
    let text = format!(
        "build.fake.a.capture: `{}` has been deleted",
        image.display()
    );
    assert_eq!(said(&third, Level::Warning), [text]);
    assert!(
        lab.apply(plan("fake", ten(), vec![]))
            .await
            .calls
            .is_empty()
    );
}

#[tokio::test]
async fn an_artifact_nobody_keeps_is_not_missed() {
    let mut lab = Lab::new(Theatre::default());
    let image = lab.file("image");
    lab.theatre = lab.theatre.clone().captures(&image);
    let drops = || ("fake", object([("name", Value::string("gz"))]), Some(false));
    let make = || plan("fake", ten(), vec![vec![drops()]]);
    lab.apply(make()).await;
    assert!(!image.exists());
    let second = lab.apply(make()).await;
    assert!(second.calls.is_empty(), "{:?}", second.calls);
    // Another one needs it again.
    let both = plan("fake", ten(), vec![vec![drops()], vec![post("sum")]]);
    let third = lab.apply(both).await;
    assert_eq!(provisioned(&third).len(), 10);
}

#[tokio::test]
async fn replace_and_uncached_steps_run_with_all_that_follows() {
    let mut lab = Lab::new(Theatre::default().capable(Capability::Layer));
    lab.apply(plan("fake", ten(), vec![vec![post("x")]])).await;
    let replace = |address: &str| Reuse {
        replace: vec![address.to_owned()],
        ..on()
    };
    let make = || plan("fake", ten(), vec![vec![post("x")]]);
    let second = lab
        .run(make(), replace("build.fake.a.provisioner[8]"))
        .await;
    assert_eq!(provisioned(&second), ["p9", "p10"]);
    let third = lab.run(make(), replace("build.fake.a")).await;
    assert_eq!(provisioned(&third).len(), 10);
    let fourth = lab
        .run(make(), replace("build.fake.a.post-processor[0][0]"))
        .await;
    assert_eq!(fourth.calls, ["post x"]);
    // `cache = false`
    let uncached = || {
        let mut plan = make().plan();
        let step = plan.steps.iter_mut();
        let mut step = step.filter(|step| step.address == "build.fake.a.provisioner[7]");
        step.next().unwrap().cache = false;
        PlanMaker::of(plan)
    };
    for _ in 0..2 {
        let done = lab.apply(uncached()).await;
        assert_eq!(provisioned(&done), ["p8", "p9", "p10"]);
    }
}

#[tokio::test]
async fn what_is_captured_anew_leaves_the_machine_as_it_is() {
    let mut lab = Lab::new(Theatre::default().capable(Capability::Layer));
    let make = |name: &str, base: &str| {
        let options = object([
            ("image_name", Value::string(name)),
            ("base", Value::string(base)),
        ]);
        PlanMaker::new().build("fake", "a", options, ten(), Vec::new())
    };
    lab.apply(make("one", "sha256:1")).await;
    let second = lab.apply(make("two", "sha256:1")).await;
    assert!(second.calls.contains(&"capture a".to_owned()));
    assert_eq!(provisioned(&second), Vec::<&str>::new());
    // Another base is another machine.
    let third = lab.apply(make("two", "sha256:2")).await;
    assert_eq!(provisioned(&third).len(), 10);
}

#[tokio::test]
async fn looking_ahead_says_what_would_run_and_why() {
    let mut lab = Lab::new(Theatre::default().capable(Capability::Layer));
    let fresh = lab.ahead(&plan("fake", ten(), vec![]).plan()).await;
    assert_eq!(fresh.verdict, Verdict::Whole);
    assert_eq!(fresh.why[0].text, "it has not been done before");
    lab.apply(plan("fake", ten(), vec![])).await;
    let same = lab.ahead(&plan("fake", ten(), vec![]).plan()).await;
    assert!(same.is_up_to_date() && same.why.is_empty());
    let mut changed = ten();
    changed[8] = provisioner("p9", "other");
    let ahead = lab.ahead(&plan("fake", changed, vec![]).plan()).await;
    assert!(matches!(ahead.verdict, Verdict::From { .. }));
    let why = &ahead.why[0];
    assert_eq!(why.address, "build.fake.a.provisioner[8]");
    assert_eq!(why.text, "`option script` has changed");
    let difference = &why.differences[0];
    assert_eq!(difference.old.as_deref(), Some("\"x\""));
    assert_eq!(difference.new.as_deref(), Some("\"other\""));
    assert_eq!(lab.theatre.new_calls(), Vec::<String>::new());
}

#[tokio::test]
async fn times_in_templates_are_named_and_secrets_are_compared_but_not_kept() {
    let mut lab = Lab::new(Theatre::default().capable(Capability::Layer));
    let make = |token: &str, text: &str| {
        let options = object([
            ("call", Value::string("p1")),
            ("token", Value::string(token).mark(true)),
            ("text", Value::string(text)),
        ]);
        plan("fake", vec![("fake", options, Limits::default())], vec![])
    };
    lab.apply(make("s3cret-one", "{{build_name}}")).await;
    assert!(
        lab.apply(make("s3cret-one", "{{build_name}}"))
            .await
            .calls
            .is_empty()
    );
    let other = lab.apply(make("s3cret-two", "{{build_name}}")).await;
    assert_eq!(provisioned(&other), ["p1"]);
    let plain = "0123456789abcdef";
    for run in lab.state.runs(None).await.unwrap() {
        for step in lab.state.steps(&run.new.id).await.unwrap() {
            let Some(fingerprint) = step.fingerprint else {
                continue;
            };
            let inputs = lab.state.inputs(&fingerprint).await.unwrap();
            assert!(!format!("{inputs:?}").contains("s3cret"), "{plain}");
        }
    }
    let ahead = lab.ahead(&make("s3cret-two", "{{uuid}}").plan()).await;
    let texts: Vec<&str> = ahead.why.iter().map(|why| why.text.as_str()).collect();
    assert_eq!(
        texts[0],
        "`random number in text` changes in every run: a random number is asked for there"
    );
    // With a random number in it, it runs every time.
    for _ in 0..2 {
        let done = lab.apply(make("s3cret-two", "{{uuid}}")).await;
        assert_eq!(provisioned(&done), ["p1"]);
    }
}

#[tokio::test]
async fn the_run_to_go_on_with_is_found_or_it_is_said_why_not() {
    let mut lab = Lab::new(Theatre::default().on("p1", [Act::Well, Act::Fail(Class::Remote)]));
    let wanted = async |lab: &Lab, run: Option<&str>, template: &str| {
        let found = resumable(&*lab.state, run, Path::new(template)).await;
        found
            .map(|run| run.new.id)
            .map_err(|error| (error.id, error.message))
    };
    let none = wanted(&lab, None, "/t").await.unwrap_err();
    assert_eq!(
        none,
        (
            "run/resume",
            "there is no run of this template to go on with".to_owned()
        )
    );
    lab.apply(plan("fake", ten(), vec![])).await;
    let well = wanted(&lab, None, "/t").await.unwrap_err().1;
    assert!(
        well.ends_with("ended well: there is nothing to go on with"),
        "{well}"
    );
    let mut changed = ten();
    changed[0] = provisioner("p1", "other");
    lab.apply(plan("fake", changed, vec![])).await;
    assert!(
        wanted(&lab, None, "/t")
            .await
            .unwrap()
            .starts_with("00000002")
    );
    assert!(wanted(&lab, Some("00000001"), "/t").await.is_ok());
    let several = wanted(&lab, Some("0000"), "/t").await.unwrap_err().1;
    assert_eq!(several, "several runs begin with `0000`");
    let unknown = wanted(&lab, Some("abc"), "/t").await.unwrap_err().1;
    assert_eq!(unknown, "there is no run `abc`");
    let elsewhere = wanted(&lab, Some("00000002"), "/u").await.unwrap_err().1;
    assert_eq!(elsewhere, "the run 00000002 is of another template: /t");
}
