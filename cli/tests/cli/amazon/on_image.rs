//! Checks on an instance that is started from the finished image, before anything of it is published.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Moment, Then};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use std::sync::{Arc, Mutex};

use super::{behaviour, user};
use crate::harness::{Printed, Test};

const NAME: &str = "/golden/web";

/// An image that is copied and whose id goes into a parameter, when it has passed a check that looks for the file `good`.
fn test(cloud: &Cloud) -> Test {
    let mut test = Test::new("");
    let place = test.path(".").canonicalize().unwrap();
    let place = place.display();
    test.write(
        "main.pkr.hcl",
        format!(
            r#"source "amazon-ebs" "web" {{
  ami_name      = "web-1"
  instance_type = "t3.micro"
  ssh_username  = "{}"
  ssh_port      = {}
  source_ami    = "{}"
  ami_regions   = ["us-west-2"]
  launch_block_device_mappings {{
    device_name = "/dev/sdf"
    volume_size = 3
  }}
}}
build {{
  sources = ["amazon-ebs.web"]
  provisioner "shell" {{
    inline = ["echo made >> {place}/done"]
  }}
  provisioner "shell" {{
    on     = "image"
    inline = ["echo checked on ${{build.ID}} from ${{build.SourceAMI}} >> {place}/done", "test -e {place}/good"]
  }}
  post-processor "amazon-ssm-parameter" {{
    parameter = "{NAME}"
  }}
}}
"#,
            user(),
            cloud.ssh_port(),
            imgc_testbed::cloud::stock::UBUNTU,
        ),
    );
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    test
}

fn apply(test: &Test, flags: &[&str]) -> Printed {
    let mut line = vec!["apply", "-color=false"];
    line.extend(flags);
    line.push(".");
    test.run(&line)
}

/// The image in the region of the build.
fn image(cloud: &Cloud) -> String {
    let left = cloud.left();
    let images = left.of("image");
    let own = images.iter().find(|image| image.region == "us-east-1");
    own.unwrap_or_else(|| panic!("no image: {left}")).id.clone()
}

/// What the plan says that is made, without the region.
fn makes(test: &Test) -> Vec<String> {
    let printed = test.run(&["plan", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let lines = printed.stdout.lines();
    let lines = lines.filter(|line| line.contains(" in us-") && line.ends_with(')'));
    let lines = lines.map(|line| line.trim().trim_start_matches("makes").trim().to_owned());
    lines.collect()
}

#[test]
fn a_plan_names_what_is_made_for_the_checks_where_they_run() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let of_check = [
        "key pair in us-east-1: ed25519, made here, for its checks (until the build ends)".to_owned(),
        format!(
            "security group in us-east-1: port {} open, for its checks; open to 127.0.0.1/32 (until the build ends)",
            cloud.ssh_port()
        ),
        "instance in us-east-1: t3.micro, of the new image, with its disks, for its checks (until the build ends)"
            .to_owned(),
    ];
    let first = makes(&test);
    assert!(
        first.windows(3).any(|these| these == of_check),
        "{first:#?}"
    );
    assert!(
        first.contains(&"image in us-east-1: web-1 (stays)".to_owned()),
        "{first:#?}"
    );
    // The image is there, and has not passed: what is made is for the checks and behind them.
    assert_eq!(apply(&test, &[]).code, 1);
    let of_it = [
        "image in us-west-2: web-1, a copy (stays)".to_owned(),
        "snapshot in us-west-2: 2, one for each disk (stays)".to_owned(),
    ];
    let parameters = ["us-west-2", "us-east-1"]
        .map(|region| format!("parameter in {region}: {NAME}, a new one (stays)"));
    assert_eq!(
        makes(&test),
        [&of_it[..], &of_check[..], &parameters[..]].concat()
    );
    test.write("good", "");
    assert_eq!(apply(&test, &[]).code, 0);
    assert_eq!(makes(&test), Vec::<String>::new());
}

fn is_marked(cloud: &Cloud, id: &str) -> bool {
    let left = cloud.left();
    let mut images = left.iter().filter(|one| one.id == id);
    images.any(|image| image.tags.contains_key("imgc:expires"))
}

#[test]
fn an_image_is_published_when_an_instance_of_it_has_passed() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    test.write("good", "");
    let printed = apply(&test, &[]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let calls = cloud.calls();
    let image = image(&cloud);
    let starts = calls.of("RunInstances");
    assert_eq!(starts.len(), 2, "{}", calls.sequence());
    let [first, second] = [&starts[0], &starts[1]];
    assert_eq!(
        first.parameter("ImageId"),
        imgc_testbed::cloud::stock::UBUNTU
    );
    assert_eq!(
        first.parameter("BlockDeviceMapping.1.DeviceName"),
        "/dev/sdf"
    );
    // Its disks are those of the image, and not empty ones in their place.
    assert_eq!(second.parameter("ImageId"), image);
    assert_eq!(
        second.parameter("BlockDeviceMapping.1.DeviceName"),
        "/dev/sdf"
    );
    assert!(
        second
            .parameter("BlockDeviceMapping.1.Ebs.SnapshotId")
            .starts_with("snap-")
    );
    assert_eq!(
        second.parameter("BlockDeviceMapping.1.Ebs.DeleteOnTermination"),
        "true"
    );
    assert_eq!(second.parameter("MetadataOptions.HttpTokens"), "required");
    let order: Vec<&str> = calls
        .iter()
        .map(|call| call.action.as_str())
        .filter(|action| {
            ["CreateImage", "RunInstances", "CopyImage", "PutParameter"].contains(action)
        })
        .collect();
    assert_eq!(
        order,
        [
            "RunInstances",
            "CreateImage",
            "RunInstances",
            "CopyImage",
            "PutParameter",
            "PutParameter"
        ]
    );
    let done = test.read("done");
    let lines: Vec<&str> = done.lines().collect();
    assert_eq!(lines.len(), 2, "{done}");
    assert_eq!(lines[0], "made");
    // The instance of the build may end after that of the check.
    let ends = calls.of("TerminateInstances");
    let checked = lines[1].split(' ').nth(2).unwrap();
    let of_check = ends
        .iter()
        .filter(|call| call.list("InstanceId") == [checked]);
    assert_eq!(of_check.count(), 1, "{done}");
    assert_eq!(ends.len(), 2);
    let from = format!("from {}", imgc_testbed::cloud::stock::UBUNTU);
    assert!(lines[1].ends_with(&from), "{done}");
    assert!(!is_marked(&cloud, &image));
    let left = cloud.left();
    assert_eq!(left.summary(), "2 image, 2 parameter, 4 snapshot", "{left}");
    // The lines that scripts read are as ever.
    assert!(
        printed
            .stdout
            .contains("--> amazon-ebs.web: AMIs were created:\nus-east-1: ami-"),
        "{}",
        printed.text()
    );
    let again = apply(&test, &[]);
    assert_eq!(again.code, 0, "{}", again.text());
    assert_eq!(
        cloud.calls().of("RunInstances").len(),
        2,
        "{}",
        again.text()
    );
    assert!(again.text().contains("up to date"), "{}", again.text());
    // What is checked can be checked once more by its own name, and nothing else is made.
    let provisioner = "build.amazon-ebs.web.provisioner[1]";
    let once_more = apply(&test, &["-replace", provisioner]);
    assert_eq!(once_more.code, 0, "{}", once_more.text());
    let calls = cloud.calls();
    assert_eq!(calls.of("RunInstances").len(), 3, "{}", once_more.text());
    assert_eq!(calls.of("CreateImage").len(), 1, "{}", once_more.text());
}

#[test]
fn an_image_that_does_not_pass_is_not_published_and_can_be_checked_again() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let plan = test.run(&["plan", "-color=false", "."]);
    assert!(
        plan.stdout
            .contains("check  on a machine that is started from what was made"),
        "{}",
        plan.text()
    );
    let printed = apply(&test, &[]);
    assert_eq!(printed.code, 1, "{}", printed.text());
    assert!(
        printed
            .text()
            .contains("build.amazon-ebs.web.provisioner[1]"),
        "{}",
        printed.text()
    );
    let made = image(&cloud);
    assert!(is_marked(&cloud, &made), "it expires");
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 2 snapshot", "{left}");
    // It is recorded: who collects garbage here leaves it.
    let gc = test.run(&["gc"]);
    assert_eq!(gc.code, 0, "{}", gc.text());
    assert_eq!(cloud.left(), left);
    test.write("good", "");
    let again = apply(&test, &["-resume"]);
    assert_eq!(again.code, 0, "{}", again.text());
    let calls = cloud.calls();
    assert_eq!(calls.of("CreateImage").len(), 1, "{}", calls.sequence());
    assert_eq!(calls.of("RunInstances").len(), 3, "{}", calls.sequence());
    assert_eq!(calls.of("PutParameter").len(), 2, "{}", calls.sequence());
    assert_eq!(image(&cloud), made);
    assert!(!is_marked(&cloud, &made));
    let left = cloud.left();
    assert_eq!(left.summary(), "2 image, 2 parameter, 4 snapshot", "{left}");
}

#[test]
fn an_instance_that_does_not_pass_can_be_looked_at() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let printed = apply(&test, &["-on-error=abort"]);
    assert_eq!(printed.code, 1, "{}", printed.text());
    let left = cloud.left();
    assert_eq!(left.of("instance").len(), 1, "{left}");
    let instance = left.of("instance")[0].id.clone();
    assert!(printed.text().contains(&instance), "{}", printed.text());
    let gc = test.run(&["gc"]);
    assert_eq!(gc.code, 0, "{}", gc.text());
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 2 snapshot", "{left}");
    test.write("good", "");
    let again = apply(&test, &["-resume"]);
    assert_eq!(again.code, 0, "{}", again.text());
    assert_eq!(cloud.calls().of("CreateImage").len(), 1);
}

#[test]
fn a_run_that_is_killed_while_an_image_is_checked_leaves_the_image_alone() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    test.write("good", "");
    let victim = Arc::new(Mutex::new(None::<Pid>));
    let process = victim.clone();
    let mut holder = victim.lock().unwrap();
    let starts = Mutex::new(0);
    cloud.hook(move |call, moment| {
        if moment == Moment::After && call.action == "RunInstances" {
            let mut starts = starts.lock().unwrap();
            *starts += 1;
            if *starts == 2 {
                kill(process.lock().unwrap().unwrap(), Signal::SIGKILL).unwrap();
            }
        }
        Then::GoOn
    });
    let child = test.spawn(&["apply", "."]);
    *holder = Some(Pid::from_raw(child.id() as i32));
    drop(holder);
    assert_ne!(test.finish(child).code, 0);
    cloud.unhook();
    let made = image(&cloud);
    let again = apply(&test, &["-resume"]);
    assert_eq!(again.code, 0, "{}", again.text());
    assert_eq!(image(&cloud), made);
    let gc = test.run(&["gc"]);
    assert_eq!(gc.code, 0, "{}", gc.text());
    let left = cloud.left();
    assert_eq!(left.summary(), "2 image, 2 parameter, 4 snapshot", "{left}");
    assert!(!is_marked(&cloud, &made));
}

#[test]
fn builders_from_whose_work_nothing_starts_refuse_checks() {
    let test = Test::new(
        r#"source "null" "here" {
  communicator = "none"
}
build {
  sources = ["null.here"]
  provisioner "shell-local" {
    on     = "image"
    inline = ["true"]
  }
  provisioner "shell-local" {
    on     = "imag"
    inline = ["true"]
  }
  provisioner "shell-local" {
    checkpoint = true
    inline     = ["true"]
  }
}
"#,
    );
    let printed = test.run(&["validate", "-color=false", "."]);
    assert_eq!(printed.code, 3, "{}", printed.text());
    let text = printed.text();
    assert!(
        text.contains("the builder `null` starts no machine from what it makes"),
        "{text}"
    );
    assert!(text.contains("did you mean \"image\"?"), "{text}");
    assert!(text.contains("keeps no machine as it is"), "{text}");
}
