//! What has just been made is not found for a while: whoever removes it must not take that for gone.

use std::time::Duration;

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, Call, Delay, Waits};

use super::leaks::{End, interrupted, killed, struck_at};
use super::{behaviour, test};

/// Longer than what is not seen is looked for where nothing says how old it is.
const UNSEEN: Duration = Duration::from_secs(3);

fn cloud() -> Cloud {
    let usual = behaviour();
    let waits = Waits {
        visible: Delay::Time(UNSEEN),
        ..usual.waits.clone()
    };
    Cloud::with(Behaviour { waits, ..usual }).unwrap()
}

/// A build that is ended when an action has had its effect; and `gc`, where the build could not clean up itself.
fn ended_after(action: &'static str, end: End) {
    let cloud = cloud();
    let test = test(&cloud).env("IMGC_INTERNAL_SEEN", "15000");
    let spawn = || test.spawn(&["build", "-color=false", "."]);
    let is_point = move |call: &Call| call.action == action;
    let printed = struck_at(&cloud, is_point, end, spawn, |child| test.finish(child));
    assert!(
        cloud.calls().sequence().contains(action),
        "{}",
        printed.text()
    );
    let mut text = printed.text();
    if printed.code == -1 {
        let gone = test.run(&["gc"]);
        text = gone.text();
        assert_eq!(gone.code, 0, "{action}: {text}");
    }
    let left = cloud.left();
    assert!(left.is_empty(), "{action}: {left}\n{text}");
}

const MADE: [&str; 4] = [
    "CreateSecurityGroup",
    "ImportKeyPair",
    "RunInstances",
    "CreateImage",
];

#[test]
fn what_is_not_seen_yet_goes_when_the_run_is_interrupted() {
    for action in MADE {
        ended_after(action, interrupted);
    }
}

#[test]
fn what_is_not_seen_yet_goes_with_gc_right_after_a_kill() {
    for action in MADE {
        ended_after(action, killed);
    }
}
