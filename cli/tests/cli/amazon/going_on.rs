//! `imgc apply -resume` on the living instance, for every builder that works on one; what is particular to `amazon-ebs` stands in
//! `resume.rs`.

use std::sync::{Arc, Mutex};

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Moment, Then};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::family::{Member, OTHERS};
use crate::harness::{Printed, Test};

/// Two steps, each of which leaves a line in a file; the second does so only when the file `mended` is there.
const STEPS: &str = r#"  provisioner "shell" {
    inline = ["echo one >> /PLACE/done"]
  }
  provisioner "shell" {
    inline = ["test -e /PLACE/mended", "echo two >> /PLACE/done"]
  }"#;

fn go_on(test: &Test) -> Printed {
    test.run(&["apply", "-color=false", "-resume", "."])
}

/// What is made is there and recorded, and `gc` finds nothing.
fn finished(member: &Member, cloud: &Cloud, test: &Test, printed: &Printed) {
    let name = member.name();
    assert_eq!(printed.code, 0, "{name}: {}", printed.text());
    let left = cloud.left();
    assert!(
        member.is_finished(cloud, &left),
        "{name}: {left}\n{}",
        printed.text()
    );
    // What the dead run had on this machine is `gc`'s to remove.
    let gone = test.run(&["gc"]);
    assert!(!gone.stdout.contains("aws "), "{name}: {}", gone.text());
    let gone = test.run(&["gc", "--cloud", "aws", "--region", "us-east-1"]);
    assert_eq!(
        gone.stdout,
        "nothing is left behind\n",
        "{name}: {}",
        gone.text()
    );
    assert_eq!(cloud.left(), left, "{name}");
}

#[test]
fn after_a_failed_step_the_same_instance_is_gone_on_with() {
    for member in &OTHERS {
        let cloud = member.cloud();
        let name = member.name();
        let test = member.test(&cloud, STEPS);
        let failed = test.run(&["apply", "-color=false", "-on-error=abort", "."]);
        assert_eq!(failed.code, 1, "{name}: {}", failed.text());
        assert_eq!(cloud.left().of("instance").len(), 1, "{name}");
        test.write("mended", "");
        let printed = go_on(&test);
        assert!(
            printed.stdout.contains("going on with the machine of run "),
            "{name}: {}",
            printed.text()
        );
        assert_eq!(test.read("done"), "one\ntwo\n", "{name}");
        let calls = cloud.calls();
        assert_eq!(
            calls.of("RunInstances").len(),
            1,
            "{name}: {}",
            calls.sequence()
        );
        finished(member, &cloud, &test, &printed);
    }
}

/// Ends the process when the call has had its effect; whether it came to that.
fn killed_at(cloud: &Cloud, test: &Test, action: &'static str) -> bool {
    let process = Arc::new(Mutex::new(None::<Pid>));
    let victim = process.clone();
    let mut holder = process.lock().unwrap();
    cloud.hook(move |call, moment| {
        if moment == Moment::After && call.action == action {
            kill(victim.lock().unwrap().unwrap(), Signal::SIGKILL).unwrap();
        }
        Then::GoOn
    });
    let child = test.spawn(&["apply", "."]);
    *holder = Some(Pid::from_raw(child.id() as i32));
    drop(holder);
    let printed = test.finish(child);
    cloud.unhook();
    printed.code == -1
}

/// Calls of a capture, by builder. Where one of them has taken a disk from the instance, or has let it stay, it is made anew, and
/// nothing is left of the old one.
#[test]
fn a_run_that_was_killed_in_its_capture_is_gone_on_with_or_made_anew() {
    let calls: [&[&'static str]; 4] = [
        &[
            "StopInstances",
            "CreateSnapshot",
            "RegisterImage",
            "DeleteTags",
        ],
        &[
            "StopInstances",
            "DetachVolume",
            "AttachVolume",
            "CreateImage",
        ],
        &[
            "CreateSnapshot",
            "ModifySnapshotAttribute",
            "ModifyInstanceAttribute",
            "DeleteTags",
        ],
        &["PutObject", "RegisterImage", "DeleteTags"],
    ];
    let takes_a_disk = [
        "DetachVolume",
        "AttachVolume",
        "CreateImage",
        "ModifyInstanceAttribute",
    ];
    for (member, calls) in OTHERS.iter().zip(calls) {
        let cloud = member.cloud();
        for action in calls {
            cloud.reset().unwrap();
            member.furnish(&cloud);
            let test = member.test(&cloud, STEPS);
            test.write("mended", "");
            let name = format!("{}, {action}", member.name());
            assert!(killed_at(&cloud, &test, action), "{name}");
            let printed = go_on(&test);
            let again = printed.text().contains("made anew");
            let done = match again {
                true => "one\ntwo\none\ntwo\n",
                false => "one\ntwo\n",
            };
            assert_eq!(test.read("done"), done, "{name}: {}", printed.text());
            let may = takes_a_disk.contains(action) || member.builder == "amazon-ebsvolume";
            assert!(!again || may, "{name}: {}", printed.text());
            finished(member, &cloud, &test, &printed);
        }
    }
}
