//! What is left of a build with a checkpoint and a check of its image that was ended after any of its calls, and whether it can be gone
//! on with.
//!
//! `IMGC_EVERY_FAULT=1` tries every call.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::stock::UBUNTU;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::leaks::{End, points, report, struck};
use super::{behaviour, user};
use crate::harness::Test;

fn test(cloud: &Cloud) -> Test {
    let template = format!(
        r#"source "amazon-ebs" "web" {{
  ami_name      = "web-1"
  instance_type = "t3.micro"
  ssh_username  = "{}"
  ssh_port      = {}
  source_ami    = "{UBUNTU}"
}}
build {{
  sources = ["amazon-ebs.web"]
  provisioner "shell" {{
    checkpoint = true
    inline     = ["echo one"]
  }}
  provisioner "shell" {{
    inline = ["echo two"]
  }}
  provisioner "shell" {{
    on     = "image"
    inline = ["echo three"]
  }}
}}
"#,
        user(),
        cloud.ssh_port(),
    );
    let mut test = Test::new(&template);
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    test
}

/// An image that is recorded, with its snapshot; nothing else.
fn is_recorded(cloud: &Cloud, test: &Test) -> bool {
    let left = cloud.left();
    let images = test.run(&["images"]);
    let made = left.of("image");
    left.summary() == "1 image, 1 snapshot"
        && made[0].name == "web-1"
        && images.stdout.contains(&made[0].id)
}

/// Ends a run at each of so many points, has garbage collected, and goes on.
fn ended_after_any_call(signal: &str, end: End, stride: usize) {
    let cloud = Cloud::with(behaviour()).unwrap();
    let whole = test(&cloud);
    let printed = whole.run(&["apply", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(cloud.left().summary(), "2 image, 2 snapshot");
    let count = cloud.calls().len();
    let (mut tried, mut kept, mut begun) = (0, 0, 0);
    for point in points(count, stride) {
        cloud.reset().unwrap();
        let test = test(&cloud);
        let spawn = || test.spawn(&["apply", "-color=false", "."]);
        struck(&cloud, point, end, spawn, |child| test.finish(child));
        let gone = test.run(&["gc"]);
        assert_eq!(gone.code, 0, "call {point}: {}", gone.text());
        let left = cloud.left();
        // The checkpoint is the state's, the image is recorded, and there is nothing else.
        let kinds = left.iter().map(|one| one.kind);
        let kinds: Vec<&str> = kinds
            .filter(|kind| !["image", "snapshot"].contains(kind))
            .collect();
        assert!(kinds.is_empty(), "call {point}: {left}\n{}", gone.text());
        let is_checkpoint =
            |one: &&imgc_testbed::cloud::Thing| one.tags.contains_key("imgc:checkpoint");
        begun += usize::from(left.of("image").iter().any(is_checkpoint));
        let again = test.run(&["apply", "-color=false", "."]);
        assert_eq!(again.code, 0, "call {point}: {}", again.text());
        let made = cloud.left();
        let image = made.of("image").into_iter().find(|one| one.name == "web-1");
        let image = image.unwrap_or_else(|| panic!("call {point}: {made}"));
        assert!(
            !image.tags.contains_key("imgc:expires"),
            "call {point}: {made}"
        );
        kept += usize::from(left.iter().any(|one| one.id == image.id));
        let pruned = test.run(&["cache", "prune", "--all"]);
        assert_eq!(pruned.code, 0, "call {point}: {}", pruned.text());
        assert!(is_recorded(&cloud, &test), "call {point}: {}", cloud.left());
        tried += 1;
    }
    report(&format!(
        "amazon-ebs with a checkpoint and a check, {signal}, gc, apply: {count} calls, {tried} tried, checkpoint kept {begun}, image \
         kept {kept}, nothing else left"
    ));
}

#[test]
fn killed_after_any_call_everything_else_goes_and_the_next_run_goes_on() {
    ended_after_any_call("SIGKILL", |pid: Pid| kill(pid, Signal::SIGKILL).unwrap(), 8);
}

#[test]
fn interrupted_after_any_call_everything_else_goes_and_the_next_run_goes_on() {
    ended_after_any_call("SIGINT", |pid: Pid| kill(pid, Signal::SIGINT).unwrap(), 12);
}
