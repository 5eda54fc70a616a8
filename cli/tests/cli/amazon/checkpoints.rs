//! Checkpoints: images of an instance that are made behind a provisioner, and later runs that begin there.

use std::sync::atomic::{AtomicBool, Ordering};

use imgc_testbed::Cloud;
use imgc_testbed::cloud::stock::UBUNTU;
use imgc_testbed::cloud::{Moment, Then};

use super::{behaviour, user};
use crate::harness::{Printed, Test};

/// Two steps, the second of which fails unless the file `mended` is there; behind the first the machine is kept.
pub(super) fn test(cloud: &Cloud) -> Test {
    let mut test = Test::new("");
    let place = test.path(".").canonicalize().unwrap();
    let place = place.display();
    test.write(
        "main.pkr.hcl",
        format!(
            r#"variable "first" {{ default = "one" }}
source "amazon-ebs" "web" {{
  ami_name      = "web-1"
  instance_type = "t3.micro"
  ssh_username  = "{}"
  ssh_port      = {}
  source_ami    = "{UBUNTU}"
  tags          = {{ from = "{{{{ .SourceAMI }}}}" }}
  launch_block_device_mappings {{
    device_name = "/dev/sdf"
    volume_size = 3
  }}
}}
build {{
  sources = ["amazon-ebs.web"]
  provisioner "shell" {{
    checkpoint = true
    inline     = ["echo ${{var.first}} >> {place}/done"]
  }}
  provisioner "shell" {{
    inline = ["test -e {place}/mended", "echo two >> {place}/done"]
  }}
}}
"#,
            user(),
            cloud.ssh_port(),
        ),
    );
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    test
}

pub(super) fn apply(test: &Test, flags: &[&str]) -> Printed {
    let mut line = vec!["apply", "-color=false"];
    line.extend(flags);
    line.push(".");
    test.run(&line)
}

/// The images that are checkpoints.
pub(super) fn checkpoints(cloud: &Cloud) -> Vec<String> {
    let left = cloud.left();
    let images = left.of("image").into_iter();
    images
        .filter(|image| image.tags.contains_key("imgc:checkpoint"))
        .map(|image| image.id.clone())
        .collect()
}

/// The image that is a checkpoint: one takes the place of another.
fn checkpoint(cloud: &Cloud) -> String {
    let mut all = checkpoints(cloud);
    assert_eq!(all.len(), 1, "{}", cloud.left());
    all.remove(0)
}

#[test]
fn rights_to_keep_the_machine_are_named_also_where_no_image_is_made() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let template = test.read("main.pkr.hcl");
    let wants_image = |template: &str| {
        test.write("main.pkr.hcl", template);
        let policy = test.run(&["plan", "-iam", "."]);
        assert_eq!(policy.code, 0, "{}", policy.text());
        policy.stdout.contains("ec2:CreateImage")
    };
    let none = template.replace(
        "  instance_type",
        "  skip_create_ami = true\n  instance_type",
    );
    assert!(wants_image(&none));
    assert!(!wants_image(&none.replace("    checkpoint = true\n", "")));
}

#[test]
fn a_later_run_begins_behind_the_step_that_asks_for_it() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let plan = test.run(&["plan", "-color=false", "."]);
    let kept =
        "image in us-east-1: the machine behind provisioner[0], a checkpoint for 14 days (stays)";
    assert!(plan.stdout.contains(kept), "{}", plan.text());
    assert!(
        plan.stdout.contains("a later run can begin behind it"),
        "{}",
        plan.text()
    );
    let failed = apply(&test, &[]);
    assert_eq!(failed.code, 1, "{}", failed.text());
    // The instance has gone, with everything but the checkpoint.
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 2 snapshot", "{left}");
    let kept = checkpoint(&cloud);
    for snapshot in left.of("snapshot") {
        assert!(snapshot.tags.contains_key("imgc:checkpoint"), "{left}");
        assert!(snapshot.tags.contains_key("imgc:expires"), "{left}");
    }
    let made = cloud.calls().one("CreateImage");
    assert_eq!(made.parameter("NoReboot"), "true");
    // It is nobody's garbage as long as it counts.
    let gc = test.run(&["gc"]);
    assert_eq!(gc.code, 0, "{}", gc.text());
    let gc = test.run(&["gc", "--cloud", "aws", "--region", "us-east-1"]);
    assert_eq!(gc.code, 0, "{}", gc.text());
    assert_eq!(cloud.left(), left);
    let listed = test.run(&["cache", "ls"]);
    assert!(
        listed
            .stdout
            .contains("build.amazon-ebs.web.provisioner[0]"),
        "{}",
        listed.text()
    );
    let images = test.run(&["images"]);
    assert!(!images.stdout.contains(&kept), "{}", images.text());

    test.write("mended", "");
    let plan = test.run(&["plan", "-color=false", "."]);
    assert!(!plan.stdout.contains("a checkpoint for"), "{}", plan.text());
    assert!(
        plan.stdout.contains("build.amazon-ebs.web.provisioner[0]"),
        "{}",
        plan.text()
    );
    let done = apply(&test, &[]);
    assert_eq!(done.code, 0, "{}", done.text());
    assert_eq!(test.read("done"), "one\ntwo\n", "{}", done.text());
    assert!(
        done.text()
            .contains("going on after build.amazon-ebs.web.provisioner[0]"),
        "{}",
        done.text()
    );
    let calls = cloud.calls();
    let starts = calls.of("RunInstances");
    assert_eq!(starts.len(), 2, "{}", calls.sequence());
    assert_eq!(starts[1].parameter("ImageId"), kept);
    assert_eq!(starts[1].parameter("BlockDeviceMapping.1.DeviceName"), "");
    // What is known of the source is known all the same.
    let left = cloud.left();
    let images = left.of("image");
    let image = images.iter().find(|image| image.name == "web-1").unwrap();
    assert_eq!(image.tags.get("from").map(String::as_str), Some(UBUNTU));
    assert!(!image.tags.contains_key("imgc:checkpoint"));
    assert!(!image.tags.contains_key("imgc:expires"));

    // It goes when somebody wants the room.
    let dry = test.run(&["cache", "prune", "--all", "--dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.text());
    assert_eq!(cloud.left(), left);
    let pruned = test.run(&["cache", "prune", "--all"]);
    assert_eq!(pruned.code, 0, "{}", pruned.text());
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 2 snapshot", "{left}");
    assert_eq!(left.of("image")[0].name, "web-1");
    // And nothing has changed.
    let again = apply(&test, &[]);
    assert!(again.text().contains("up to date"), "{}", again.text());
}

#[test]
fn a_new_checkpoint_takes_the_place_of_the_old_one() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    test.write("mended", "");
    assert_eq!(apply(&test, &[]).code, 0);
    let first = checkpoint(&cloud);
    let second = apply(&test, &["-var", "first=another", "-force", "-auto-approve"]);
    assert_eq!(second.code, 0, "{}", second.text());
    assert_ne!(checkpoint(&cloud), first);
    assert_eq!(test.read("done"), "one\ntwo\nanother\ntwo\n");
}

#[test]
fn one_that_cannot_go_keeps_no_other() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    test.write("mended", "");
    assert_eq!(apply(&test, &[]).code, 0);
    let first = checkpoint(&cloud);
    let stays = first.clone();
    cloud.hook(move |call, _| {
        match call.action == "DeregisterImage" && call.parameter("ImageId") == stays {
            true => Then::Refuse(
                400,
                "OperationNotPermitted".to_owned(),
                "The image is protected".to_owned(),
            ),
            false => Then::GoOn,
        }
    });
    for value in ["first=another", "first=third"] {
        let later = apply(&test, &["-var", value, "-force", "-auto-approve"]);
        assert_eq!(later.code, 0, "{}", later.text());
        assert!(
            later.text().contains("an older checkpoint after"),
            "{}",
            later.text()
        );
        let all = checkpoints(&cloud);
        assert!(all.contains(&first) && all.len() == 2, "{}", cloud.left());
    }
    cloud.unhook();
}

#[test]
fn a_checkpoint_that_is_gone_is_done_without() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    assert_eq!(apply(&test, &[]).code, 1);
    let kept = checkpoint(&cloud);
    cloud
        .ec2(
            "us-east-1",
            "DeregisterImage",
            &[("ImageId", kept.as_str())],
        )
        .unwrap();
    test.write("mended", "");
    let done = apply(&test, &[]);
    assert_eq!(done.code, 0, "{}", done.text());
    assert!(
        done.text().contains(&format!("the image {kept} is gone")),
        "{}",
        done.text()
    );
    assert_eq!(test.read("done"), "one\none\ntwo\n");
}

#[test]
fn a_checkpoint_that_nobody_may_make_costs_nothing_else() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    test.write("mended", "");
    let first = AtomicBool::new(true);
    cloud.hook(move |call, moment| {
        let is_first = moment == Moment::Before
            && call.action == "CreateImage"
            && first.swap(false, Ordering::Relaxed);
        match is_first {
            true => Then::Refuse(
                400,
                "ResourceCountExceeded".to_owned(),
                "You have reached your quota of snapshots".to_owned(),
            ),
            false => Then::GoOn,
        }
    });
    let done = apply(&test, &[]);
    cloud.unhook();
    assert_eq!(done.code, 0, "{}", done.text());
    assert!(
        done.text()
            .contains("no checkpoint after build.amazon-ebs.web.provisioner[0]"),
        "{}",
        done.text()
    );
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 2 snapshot", "{left}");
}
