//! What builds of one run have in common: one security group and one key pair, until the last of them lets go.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Moment, Then, stock};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::leaks::points;
use super::{behaviour, user};
use crate::harness::Test;

/// Builds `a`, `b`, …, each of which does `inline`, in which `NAME` is its name and `PLACE` the template's directory.
fn test(cloud: &Cloud, names: &[&str], inline: &str) -> Test {
    let mut test = Test::new("");
    let place = test.path(".").canonicalize().unwrap();
    let sources: Vec<String> = names
        .iter()
        .map(|name| {
            format!(
                r#"source "amazon-ebs" "{name}" {{
  ami_name      = "image-{name}"
  instance_type = "t3.micro"
  ssh_username  = "{}"
  ssh_port      = {}
  source_ami    = "{}"
}}
build {{
  name    = "{name}"
  sources = ["amazon-ebs.{name}"]
  provisioner "shell" {{
    inline = [{}]
  }}
}}
"#,
                user(),
                cloud.ssh_port(),
                stock::UBUNTU,
                inline
                    .replace("NAME", name)
                    .replace("PLACE", &place.display().to_string()),
            )
        })
        .collect();
    test.write("main.pkr.hcl", sources.concat());
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    test
}

/// So many images, and nothing that `gc` would find or that could be used to log in.
fn finished(cloud: &Cloud, test: &Test, images: usize) {
    let left = cloud.left();
    let wanted = format!("{images} image, {images} snapshot");
    assert_eq!(left.summary(), wanted, "{left}");
    let gc = test.run(&["gc"]);
    assert!(!gc.stdout.contains("aws "), "{}", gc.text());
    assert_eq!(cloud.left(), left);
    let files = test.files().into_iter();
    let keys = files.filter(|(path, _)| path.extension().is_some_and(|end| end == "key"));
    assert_eq!(keys.count(), 0, "no private key is left");
}

#[test]
fn builds_have_one_group_and_one_key_until_the_last_has_ended() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, &["a", "b", "c"], r#""true""#);
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let calls = cloud.calls();
    for action in [
        "CreateSecurityGroup",
        "AuthorizeSecurityGroupIngress",
        "ImportKeyPair",
        "DeleteSecurityGroup",
        "DeleteKeyPair",
    ] {
        let count = calls.of(action).len();
        assert_eq!(count, 1, "{action}: {}", calls.sequence());
    }
    let runs = calls.of("RunInstances");
    assert_eq!(runs.len(), 3);
    for name in ["KeyName", "SecurityGroupId.1"] {
        let mut values: Vec<&str> = runs.iter().map(|call| call.parameter(name)).collect();
        values.dedup();
        assert_eq!(values.len(), 1, "{name}: {values:?}");
    }
    finished(&cloud, &test, 3);
}

/// A build whose instance is there goes on while the others still ask for theirs: what is asked for all does not queue behind what each
/// asks for itself.
#[test]
fn who_is_ahead_does_not_wait_for_the_others() {
    let cloud = Cloud::with(behaviour()).unwrap();
    // More than may ask at the same time.
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"];
    let test = test(&cloud, &names, r#""true""#);
    let started = AtomicUsize::new(0);
    let (looked, late) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    {
        let (looked, late) = (looked.clone(), late.clone());
        cloud.hook(move |call, moment| {
            match (call.action.as_str(), moment) {
                ("RunInstances", Moment::Before) => {
                    // The first is let through; the others wait until somebody has looked how it is.
                    let is_first = started.fetch_add(1, Ordering::SeqCst) == 0;
                    let mut tries = 0;
                    while !is_first && looked.load(Ordering::SeqCst) == 0 {
                        std::thread::sleep(std::time::Duration::from_millis(50));
                        tries += 1;
                        if tries > 600 {
                            late.fetch_add(1, Ordering::SeqCst);
                            break;
                        }
                    }
                }
                ("DescribeInstances" | "DescribeInstanceStatus", Moment::After)
                    if started.load(Ordering::SeqCst) > 0 =>
                {
                    looked.fetch_add(1, Ordering::SeqCst);
                }
                _ => {}
            }
            Then::GoOn
        });
    }
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(late.load(Ordering::SeqCst), 0, "nobody could look");
    finished(&cloud, &test, names.len());
}

/// What another build still needs stays when one fails.
#[test]
fn a_build_that_fails_takes_nothing_from_the_others() {
    let cloud = Cloud::with(behaviour()).unwrap();
    // The first fails at once; the others go on only when it has been undone.
    let inline = r#""test NAME != a", "for i in $(seq 600); do test -e PLACE/undone && exit 0; sleep 0.1; done; exit 1""#;
    let test = test(&cloud, &["a", "b", "c"], inline);
    let undone = test.path("undone");
    cloud.hook(move |call, moment| {
        if moment == Moment::After && call.action == "TerminateInstances" {
            let undone = undone.clone();
            // A moment later, when whoever has ended its instance has let go of the rest.
            std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_secs(2));
                std::fs::write(undone, "").unwrap();
            });
        }
        Then::GoOn
    });
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 1, "{}", printed.text());
    let calls = cloud.calls();
    let place = |action: &str| {
        let mut actions = calls.iter().map(|call| call.action.as_str());
        actions.rposition(|one| one == action).unwrap()
    };
    assert!(place("DeleteSecurityGroup") > place("CreateImage"));
    assert_eq!(calls.of("DeleteSecurityGroup").len(), 1);
    assert_eq!(calls.of("DeleteKeyPair").len(), 1);
    finished(&cloud, &test, 2);
}

/// Whichever of its calls a run with several builds has made last.
#[test]
fn nothing_is_left_of_builds_that_were_killed_together() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let names = ["a", "b"];
    let whole = test(&cloud, &names, r#""true""#);
    let printed = whole.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let count = cloud.calls().len();
    for point in points(count, 4) {
        cloud.reset().unwrap();
        let test = test(&cloud, &names, r#""true""#);
        let victim = Arc::new(Mutex::new(None::<Pid>));
        let (process, seen) = (victim.clone(), AtomicUsize::new(0));
        let mut holder = victim.lock().unwrap();
        cloud.hook(move |_, moment| {
            if moment == Moment::After && seen.fetch_add(1, Ordering::SeqCst) + 1 == point {
                kill(process.lock().unwrap().unwrap(), Signal::SIGKILL).unwrap();
            }
            Then::GoOn
        });
        let child = test.spawn(&["build", "."]);
        *holder = Some(Pid::from_raw(child.id() as i32));
        drop(holder);
        test.finish(child);
        cloud.unhook();
        let gc = test.run(&["gc"]);
        assert_eq!(gc.code, 0, "call {point}: {}", gc.text());
        // A thing that both had is said to have gone once.
        let mut lines: Vec<&str> = gc
            .stdout
            .lines()
            .filter(|line| line.contains("aws "))
            .collect();
        let all = lines.len();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), all, "call {point}: {}", gc.text());
        let left = cloud.left();
        let unfinished = left.iter().filter(|one| {
            !matches!(one.kind, "image" | "snapshot") || one.tags.contains_key("imgc:expires")
        });
        assert_eq!(unfinished.count(), 0, "call {point}: {left}\n{}", gc.text());
    }
}

/// What an instance of the earlier run uses that has not been gone on with yet stays for it.
#[test]
fn instances_that_are_gone_on_with_one_after_the_other_keep_their_group() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let inline = r#""test -e PLACE/mended""#;
    let test = test(&cloud, &["a", "b"], inline);
    let failed = test.run(&["apply", "-color=false", "-on-error=abort", "."]);
    assert_eq!(failed.code, 1, "{}", failed.text());
    assert_eq!(cloud.left().of("instance").len(), 2);
    assert_eq!(cloud.left().of("security group").len(), 1);
    test.write("mended", "");
    let resume = [
        "apply",
        "-color=false",
        "-resume",
        "-parallel-builds=1",
        ".",
    ];
    let resumed = test.run(&resume);
    assert_eq!(resumed.code, 0, "{}", resumed.text());
    let calls = cloud.calls();
    assert_eq!(calls.of("RunInstances").len(), 2, "{}", calls.sequence());
    let removals = calls.of("DeleteSecurityGroup");
    let errors: Vec<Option<&str>> = removals.iter().map(|call| call.error.as_deref()).collect();
    assert_eq!(errors, [Some("DependencyViolation"), None]);
    finished(&cloud, &test, 2);
}
