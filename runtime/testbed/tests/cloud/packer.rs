//! A whole build by Packer, which knows nothing of us.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, Delay, Machines, Moment, Then, Waits};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::json;

use crate::client::text;

#[test]
fn packer_builds_an_image_on_a_machine_of_the_cloud() {
    let answers = Delay::Answers(1);
    let cloud = Cloud::with(Behaviour {
        waits: Waits {
            pending: answers,
            stopping: answers,
            shutting_down: answers,
            image: answers,
            ..Waits::default()
        },
        machines: Some(Machines {
            // Packer 1.6 signs with SHA-1.
            config: vec!["PubkeyAcceptedAlgorithms +ssh-rsa".to_owned()],
            ..Machines::default()
        }),
        ..Behaviour::default()
    })
    .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let built = packer(&cloud, directory.path()).output().unwrap();
    let said = String::from_utf8_lossy(&built.stdout);
    let calls = cloud.calls();
    assert!(built.status.success(), "{said}\n{}", calls.sequence());
    assert!(said.contains("inside the machine"), "{said}");
    assert_eq!(
        calls.changes().sequence(),
        "CreateKeyPair, CreateSecurityGroup, AuthorizeSecurityGroupIngress, RunInstances, StopInstances, CreateImage, \
         CreateTags, TerminateInstances, DeleteSecurityGroup, DeleteKeyPair",
        "{}",
        calls.sequence()
    );
    assert_eq!(
        calls.one("AuthorizeSecurityGroupIngress").ranges(),
        ["0.0.0.0/0"]
    );
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
    assert_eq!(left.of("image")[0].name, "by-packer");
    assert_eq!(left.of("image")[0].tags["of"], "image");
    assert_eq!(left.of("snapshot")[0].tags["of"], "image");
    let image = cloud
        .ec2("us-east-1", "DescribeImages", &[("Owner.1", "self")])
        .unwrap();
    assert_eq!(text(&image, "volumeSize"), "8");
    // The whole is a few calls more where nobody answers at once.
    assert!(calls.len() <= 30, "{}", calls.sequence());
}

/// Packer with a template that builds an image on this cloud.
fn packer(cloud: &Cloud, directory: &Path) -> Command {
    let user = nix::unistd::User::from_uid(nix::unistd::getuid())
        .unwrap()
        .unwrap();
    let template = directory.join("template.json");
    let builder = json!({
        "type": "amazon-ebs",
        "region": "us-east-1",
        "access_key": "testing",
        "secret_key": "testing",
        "custom_endpoint_ec2": cloud.url(),
        "skip_region_validation": true,
        "skip_metadata_api_check": true,
        "source_ami_filter": {
            "filters": {
                "name": "ubuntu/images/*-noble-24.04-amd64-server-*",
                "root-device-type": "ebs",
                "virtualization-type": "hvm",
            },
            "owners": ["099720109477"],
            "most_recent": true,
        },
        "instance_type": "t3.micro",
        "ami_name": "by-packer",
        "ssh_username": user.name,
        "ssh_port": cloud.ssh_port(),
        "tags": {"of": "image"},
    });
    let provisioner = json!({"type": "shell", "inline": ["echo inside the machine"]});
    let text_of = json!({"builders": [builder], "provisioners": [provisioner]}).to_string();
    std::fs::write(&template, text_of).unwrap();
    let mut packer = Command::new("packer");
    packer
        .args(["build", "-color=false"])
        .arg(&template)
        .current_dir(directory)
        .env("CHECKPOINT_DISABLE", "1")
        .env("AWS_POLL_DELAY_SECONDS", "1")
        .env("PACKER_CACHE_DIR", directory);
    packer
}

#[test]
fn a_client_can_be_killed_after_any_of_its_calls() {
    let cloud = Cloud::with(Behaviour {
        machines: Some(Machines::default()),
        ..Behaviour::default()
    })
    .unwrap();
    let group = Arc::new(OnceLock::new());
    cloud.hook({
        let group = Arc::clone(&group);
        move |call, moment| {
            if call.action != "RunInstances" || moment != Moment::After {
                return Then::GoOn;
            }
            killpg(*group.wait(), Signal::SIGKILL).unwrap();
            Then::HangUp
        }
    });
    let directory = tempfile::tempdir().unwrap();
    let mut command = packer(&cloud, directory.path());
    let mut child = command
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    group.set(Pid::from_raw(child.id() as i32)).unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(
        cloud.left().summary(),
        "1 instance, 1 key pair, 1 security group, 1 volume"
    );
    assert_eq!(cloud.calls().last().unwrap().action, "RunInstances");
}
