//! Credentials that expire in the middle of a build: it waits for somebody to log in again, and not for ever.

use std::collections::BTreeSet;
use std::process::Child;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Moment, Then};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{behaviour, template};
use crate::harness::Test;

/// How many calls a credential is good for: up to the running instance, and not to its image.
const CALLS: u64 = 12;

pub(super) fn profile(key: &str) -> String {
    format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = testing\n")
}

/// A template whose credentials stand in a profile, where somebody may replace them.
fn by_profile(cloud: &Cloud, text: &str, wait: &str) -> Test {
    let mut test = Test::new(text).env("IMGC_CREDENTIALS_WAIT", wait);
    for (name, value) in cloud.environment() {
        if !name.contains("KEY") {
            test = test.env(name, &value);
        }
    }
    test.write(".aws/credentials", profile("first"));
    test
}

/// The same, and they expire in the middle.
fn test(cloud: &Cloud, wait: &str) -> Test {
    let test = by_profile(cloud, &template(cloud), wait);
    cloud.change(|behaviour| behaviour.expires_after = Some(CALLS));
    test
}

/// Waits until an answer has said twice that the credentials have expired: they have been read anew by then.
pub(super) fn until_expired(cloud: &Cloud, child: &mut Child) {
    let begun = Instant::now();
    let expired = |cloud: &Cloud| {
        let calls = cloud.calls();
        calls.iter().any(|call| {
            let error = call.error.as_deref();
            matches!(error, Some("ExpiredToken" | "RequestExpired"))
        })
    };
    while !expired(cloud) {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing expires");
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(1500));
    assert!(child.try_wait().unwrap().is_none(), "it does not wait");
}

#[test]
fn a_build_waits_for_new_credentials_and_goes_on() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, "60s");
    let mut child = test.spawn(&["build", "-color=false", "."]);
    until_expired(&cloud, &mut child);
    let calls = cloud.calls().len();
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(cloud.calls().len(), calls, "nothing is asked meanwhile");
    test.write(".aws/credentials", profile("second"));
    let printed = test.finish(child);
    assert_eq!(printed.code, 0, "{}", printed.text());
    for said in [
        "have expired: waiting up to 1 minute for new ones",
        "`imgc apply -resume`",
        "there are new credentials: going on",
    ] {
        assert_eq!(
            printed.stdout.matches(said).count(),
            1,
            "{said}: {}",
            printed.text()
        );
    }
    assert_eq!(cloud.calls().of("RunInstances").len(), 1);
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
}

#[test]
fn where_nobody_logs_in_it_ends_and_says_how_to_go_on() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, "1s");
    let begun = Instant::now();
    let printed = test.run(&["apply", "-color=false", "-on-error=abort", "."]);
    let text = printed.text();
    assert_ne!(printed.code, 0, "{text}");
    // Not once more for each thing that would be removed.
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}: {text}",
        begun.elapsed()
    );
    assert_eq!(text.matches("waiting up to").count(), 1, "{text}");
    assert!(text.contains("the credentials have expired"), "{text}");
    assert!(text.contains("`imgc apply -resume`"), "{text}");
    test.write(".aws/credentials", profile("second"));
    cloud.change(|behaviour| behaviour.expires_after = None);
    let resumed = test.run(&["apply", "-color=false", "-resume", "."]);
    assert_eq!(resumed.code, 0, "{}", resumed.text());
    assert_eq!(
        cloud.calls().of("RunInstances").len(),
        1,
        "{}",
        resumed.text()
    );
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
}

#[test]
fn a_wait_for_credentials_can_be_stopped() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, "10m");
    let mut child = test.spawn(&["apply", "-color=false", "."]);
    until_expired(&cloud, &mut child);
    let begun = Instant::now();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let printed = test.finish(child);
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{}",
        printed.text()
    );
    assert_eq!(printed.code, 130, "{}", printed.text());
    assert!(
        printed.text().contains("`imgc apply -resume`"),
        "{}",
        printed.text()
    );
    // What could not be removed is on record, and goes when somebody has logged in.
    test.write(".aws/credentials", profile("second"));
    cloud.change(|behaviour| behaviour.expires_after = None);
    let gone = test.run(&["gc"]);
    assert_eq!(gone.code, 0, "{}", gone.text());
    assert_eq!(cloud.left().summary(), "", "{}", gone.text());
}

#[test]
fn without_a_wait_it_fails_at_once() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, "0");
    let printed = test.run(&["build", "-color=false", "."]);
    let text = printed.text();
    assert_ne!(printed.code, 0, "{text}");
    assert!(!text.contains("waiting up to"), "{text}");
    assert!(text.contains("the credentials have expired"), "{text}");
}

/// Services that a retention asks besides EC2: they say it in other words.
#[test]
fn a_retention_goes_on_with_credentials_that_are_renewed_meanwhile() {
    const ASKED: [&str; 3] = [
        "DescribeAutoScalingGroups",
        "DescribeLaunchConfigurations",
        "DescribeParameters",
    ];
    let cloud = Cloud::with(behaviour()).unwrap();
    let post = "  post-processor \"amazon-retention\" {\n    family = \"web\"\n    keep   = 1\n  }\n  provisioner";
    let text = template(&cloud).replacen("  provisioner", post, 1);
    let test = by_profile(&cloud, &text, "0");
    let apply = || test.run(&["apply", "-color=false", "-auto-approve", "."]);
    let first = apply();
    assert_eq!(first.code, 0, "{}", first.text());
    test.write("main.pkr.hcl", text.replace("\"web-1\"", "\"web-2\""));
    let file = test.path(".aws/credentials");
    let seen = Mutex::new(BTreeSet::new());
    // Each time a tool beside us has logged in again. The plan has been asked for by then: it bears with what it cannot see.
    cloud.hook(move |call, moment| {
        let action = call.action.as_str();
        if moment != Moment::Before {
            return Then::GoOn;
        }
        let mut seen = seen.lock().unwrap();
        if action == "CreateImage" {
            seen.insert(action.to_owned());
        }
        let is_late = ASKED.contains(&action) && seen.contains("CreateImage");
        if is_late && seen.insert(action.to_owned()) {
            std::fs::write(&file, profile(action)).unwrap();
            let message = "The security token included in the request is expired";
            return Then::Refuse(400, "ExpiredToken".to_owned(), message.to_owned());
        }
        Then::GoOn
    });
    cloud.forget_calls();
    let second = apply();
    cloud.unhook();
    assert_eq!(second.code, 0, "{}", second.text());
    let calls = cloud.calls();
    for action in ASKED {
        assert!(calls.of(action).len() > 1, "{}", calls.sequence());
    }
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
    assert_eq!(left.of("image")[0].name, "web-2");
}
