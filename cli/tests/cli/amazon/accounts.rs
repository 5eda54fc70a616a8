//! Credentials of another account see nothing of what is on record, which is not taken for gone.

use imgc_testbed::Cloud;

use super::leaks::{killed, struck_at};
use super::{behaviour, checkpoints, template};
use crate::harness::{Printed, Test};

const OWN: &str = "111111111111";
const OTHER: &str = "222222222222";

fn test(cloud: &Cloud) -> Test {
    let mut test = Test::new(&template(cloud));
    for (name, value) in cloud.environment_of(OWN, "us-east-1") {
        test = test.env(name, &value);
    }
    test
}

fn says_whose(printed: &Printed) {
    let text = printed.text();
    let said = format!("is of the account {OWN}, and the credentials at hand are of {OTHER}");
    assert!(text.contains(&said), "{text}");
}

#[test]
fn what_a_dead_run_left_is_removed_by_those_who_can_see_it() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let spawn = || test.spawn(&["build", "."]);
    let is_point =
        |call: &imgc_testbed::cloud::Call| call.action == "RunInstances" && !call.is_dry();
    struck_at(&cloud, is_point, killed, spawn, |child| test.finish(child));
    let before = cloud.left();
    assert_eq!(before.of("instance").len(), 1, "{before}");
    let test = test.env("AWS_ACCESS_KEY_ID", OTHER);
    let gone = test.run(&["gc"]);
    assert_eq!(gone.code, 4, "{}", gone.text());
    says_whose(&gone);
    assert_eq!(cloud.left().summary(), before.summary());
    let dropped = test.run(&["gc", "-dry-run", "-forget", OWN]);
    assert_eq!(dropped.code, 0, "{}", dropped.text());
    assert!(
        dropped.stdout.contains("would forget aws instance "),
        "{}",
        dropped.text()
    );
    let test = test.env("AWS_ACCESS_KEY_ID", OWN);
    let gone = test.run(&["gc"]);
    assert_eq!(gone.code, 0, "{}", gone.text());
    assert_eq!(cloud.left().summary(), "", "{}", cloud.left());
}

/// Nobody can remove it.
#[test]
fn a_checkpoint_of_an_account_that_is_no_more_can_be_forgotten() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = checkpoints::test(&cloud).env("AWS_ACCESS_KEY_ID", OWN);
    let built = checkpoints::apply(&test, &[]);
    assert_eq!(built.code, 1, "{}", built.text());
    // How long a checkpoint counts goes by the time of day.
    let later = jiff::Timestamp::now().as_second() + 15 * 86_400;
    let later = format!("{later},test");
    let test = test
        .env("AWS_ACCESS_KEY_ID", OTHER)
        .env("IMGC_INTERNAL_CLOCK", &later);
    let gone = test.run(&["gc"]);
    assert_eq!(gone.code, 4, "{}", gone.text());
    says_whose(&gone);
    let dropped = test.run(&["gc", "-forget", OWN]);
    assert_eq!(dropped.code, 0, "{}", dropped.text());
    assert!(
        dropped.stdout.contains("forgot aws image "),
        "{}",
        dropped.text()
    );
    let again = test.run(&["gc"]);
    assert_eq!(again.code, 0, "{}", again.text());
    assert_eq!(checkpoints::checkpoints(&cloud).len(), 1);
}

/// A template is used in one account after the other: each has its image.
#[test]
fn an_image_of_another_account_is_neither_gone_nor_good_for_this_one() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let built = test.run(&["apply", "-color=false", "."]);
    assert_eq!(built.code, 0, "{}", built.text());
    let test = test.env("AWS_ACCESS_KEY_ID", OTHER);
    let plan = test.run(&["plan", "-color=false", "."]);
    let text = plan.text();
    assert!(
        text.contains("` is of another account than the credentials at hand"),
        "{text}"
    );
    assert!(!text.contains("has been deleted"), "{text}");
    let again = test.run(&["images"]);
    assert!(again.stdout.contains("ami-"), "{}", again.text());
    // With the right ones nothing has changed.
    let test = test.env("AWS_ACCESS_KEY_ID", OWN);
    let again = test.run(&["apply", "-color=false", "."]);
    assert_eq!(again.code, 0, "{}", again.text());
    let started = cloud.calls().of("RunInstances");
    assert_eq!(started.len(), 1, "{}", again.text());
}

/// Nor is a machine that waits to be gone on with.
#[test]
fn a_run_of_another_account_is_not_gone_on_with_and_not_forgotten() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let text = test.read("main.pkr.hcl");
    test.write(
        "main.pkr.hcl",
        text.replace(
            "echo inside the machine",
            "test -e /PLACE/go"
                .replace("/PLACE", &test.path(".").display().to_string())
                .as_str(),
        ),
    );
    let failed = test.run(&["apply", "-color=false", "-on-error=abort", "."]);
    assert_ne!(failed.code, 0, "{}", failed.text());
    assert_eq!(cloud.left().of("instance").len(), 1, "{}", cloud.left());
    let test = test.env("AWS_ACCESS_KEY_ID", OTHER);
    let other = test.run(&["apply", "-color=false", "-resume", "."]);
    assert_ne!(other.code, 0, "{}", other.text());
    says_whose(&other);
    test.write("go", "");
    let test = test.env("AWS_ACCESS_KEY_ID", OWN);
    let done = test.run(&["apply", "-color=false", "-resume", "."]);
    assert_eq!(done.code, 0, "{}", done.text());
    let started = cloud.calls().of("RunInstances");
    assert_eq!(started.len(), 1, "{}", done.text());
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
}
