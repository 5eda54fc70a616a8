//! What somebody has done by hand in a shell is nobody's to use again.

use imgc_runtime::Class;
use imgc_runtime::checkpoint::Capability;
use imgc_runtime::event::Level;
use imgc_runtime::reuse::Verdict;
use imgc_runtime::run::exit_code;
use imgc_runtime::state::State as _;
use imgc_runtime::testing::{Act, Theatre};

use crate::lab::{Lab, plan, post, provisioned, resuming, said, ten};

/// Somebody has a shell during step 8 of ten, in the first run.
fn entered(capability: Capability) -> Lab {
    let mut lab = Lab::new(Theatre::default().capable(capability));
    let shell = Act::Shell(lab.state.clone());
    lab.theatre = lab.theatre.clone().on("p8", [shell]);
    lab
}

const WHY: &str = "somebody had a shell on the machine in run 00000001";

#[tokio::test]
async fn an_image_that_was_finished_after_a_shell_is_not_up_to_date() {
    for capability in [Capability::None, Capability::Machine, Capability::Layer] {
        let mut lab = entered(capability);
        let make = || plan("fake", ten(), vec![vec![post("x")]]);
        let first = lab.apply(make()).await;
        assert_eq!(exit_code(&first.result), 0);
        let warnings = said(&first, Level::Warning);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("somebody had a shell on this machine: "));
        let images = lab.state.images().await.unwrap();
        assert!(
            images
                .iter()
                .all(|image| image.shell && image.fingerprint.is_none())
        );
        let ahead = lab.ahead(&make().plan()).await;
        assert!(!ahead.is_up_to_date());
        assert_eq!(ahead.why[0].address, "build.fake.a.provisioner[7]");
        assert_eq!(ahead.why[0].text, WHY, "{capability:?}");
        let second = lab.apply(make()).await;
        let all: &[&str] = match capability {
            Capability::Layer => &["p8", "p9", "p10"],
            _ => &["p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10"],
        };
        assert_eq!(provisioned(&second), all, "{capability:?}");
        assert!(second.calls.contains(&"post x".to_owned()));
        assert_eq!(said(&second, Level::Warning), Vec::<&str>::new());
        // Without anybody in it, it is.
        let third = lab.apply(make()).await;
        assert!(third.result.builds[0].up_to_date, "{capability:?}");
    }
}

#[tokio::test]
async fn what_a_post_processor_made_of_such_an_image_is_not_taken_for_that_of_a_clean_one() {
    let mut lab = entered(Capability::None);
    let fails = [Act::Well, Act::Fail(Class::Provisioning)];
    lab.theatre = lab.theatre.clone().on("post x", fails);
    let make = || plan("fake", ten(), vec![vec![post("x")]]);
    lab.apply(make()).await;
    let second = lab.apply(make()).await;
    assert_eq!(exit_code(&second.result), 1);
    let third = lab.apply(make()).await;
    assert_eq!(third.calls, ["post x"]);
}

#[tokio::test]
async fn no_layer_that_was_made_after_a_shell_is_gone_on_from() {
    let mut lab = entered(Capability::Layer);
    let fails = Act::Fail(Class::Provisioning);
    lab.theatre = lab.theatre.clone().on("p10", [fails]);
    let make = || plan("fake", ten(), vec![]);
    lab.apply(make()).await;
    let ahead = lab.ahead(&make().plan()).await;
    let Verdict::From { step, .. } = ahead.verdict else {
        panic!("{:?}", ahead.verdict)
    };
    assert_eq!(
        make().plan().step(step).address,
        "build.fake.a.provisioner[6]"
    );
    let second = lab.run(make(), resuming(1)).await;
    assert_eq!(provisioned(&second), ["p8", "p9", "p10"]);
    assert!(lab.apply(make()).await.result.builds[0].up_to_date);
}

#[tokio::test]
async fn a_machine_that_was_mended_by_hand_is_gone_on_with_and_its_image_is_not_up_to_date() {
    let mut lab = entered(Capability::Machine);
    let fails = Act::Fail(Class::Provisioning);
    lab.theatre = lab.theatre.clone().on("p9", [fails]);
    let make = || plan("fake", ten(), vec![]);
    lab.apply(make()).await;
    let second = lab.run(make(), resuming(1)).await;
    assert_eq!(provisioned(&second), ["p9", "p10"]);
    assert_eq!(exit_code(&second.result), 0);
    let warnings = said(&second, Level::Warning);
    assert!(warnings[0].starts_with("somebody had a shell on this machine in run 00000001: "));
    let details = said(&second, Level::Detail);
    let wrong = |line: &&&str| line.contains("provisioner[0] runs:");
    assert_eq!(details.iter().find(wrong), None);
    let third = lab.apply(make()).await;
    assert_eq!(provisioned(&third).len(), 10);
}
