//! States that take time, what is not found at first, pages.

use std::time::{Duration, Instant};

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, Delay, Waits, stock};

use crate::client::{Client, text, texts};
use crate::record::RUN;

/// The texts of an element in the answers to one question, asked until it is the last one.
fn until(
    client: &Client,
    action: &str,
    asked: (&str, &str),
    element: &str,
    last: &str,
) -> Vec<String> {
    let since = Instant::now();
    let mut seen = Vec::new();
    loop {
        let answer = client.ec2(action, &[asked]);
        let found = if answer.status == 200 {
            answer.text(element)
        } else {
            answer.text("Code")
        };
        seen.push(found);
        if seen.last().is_some_and(|found| found == last) {
            return seen;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "{seen:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn everything_goes_through_its_states() {
    let one = Delay::Answers(1);
    let cloud = Cloud::with(Behaviour {
        waits: Waits {
            pending: Delay::Answers(2),
            stopping: one,
            shutting_down: one,
            image: Delay::Answers(2),
            snapshot: Delay::Answers(3),
            volume: one,
            console: one,
            password: Delay::None,
            visible: one,
        },
        ..Behaviour::default()
    })
    .unwrap();
    let client = Client::new(&cloud);
    let instance = text(&client.ok("RunInstances", &RUN), "instanceId");
    let by_id = ("InstanceId.1", instance.as_str());
    let running = [
        ("Filter.1.Name", "instance-state-name"),
        ("Filter.1.Value.1", "running"),
    ];
    assert_eq!(
        client.refused("DescribeInstances", &[by_id]).1,
        "InvalidInstanceID.NotFound"
    );
    let pending = client.ok("DescribeInstances", &[by_id]);
    assert_eq!(
        (
            text(&pending, "name").as_str(),
            text(&pending, "ipAddress").as_str()
        ),
        ("pending", "")
    );
    assert_eq!(
        texts(&client.ok("DescribeInstances", &running), "instanceId"),
        [""; 0]
    );
    let there = client.ok("DescribeInstances", &[by_id]);
    assert_eq!(text(&there, "name"), "running");
    assert_ne!(text(&there, "ipAddress"), "");
    assert_eq!(
        texts(&client.ok("DescribeInstances", &running), "instanceId"),
        [instance.as_str()]
    );
    assert_eq!(
        text(
            &client.ok("GetConsoleOutput", &[("InstanceId", &instance)]),
            "output"
        ),
        ""
    );
    assert_ne!(
        text(
            &client.ok("GetConsoleOutput", &[("InstanceId", &instance)]),
            "output"
        ),
        ""
    );

    client.ok("StopInstances", &[by_id]);
    let name = |last| until(&client, "DescribeInstances", by_id, "name", last);
    assert_eq!(name("stopped"), ["stopping", "stopped"]);
    let image = client.ok("CreateImage", &[("InstanceId", &instance), ("Name", "app")]);
    let image = text(&image, "imageId");
    let by_image = ("ImageId.1", image.as_str());
    assert_eq!(
        until(
            &client,
            "DescribeImages",
            by_image,
            "imageState",
            "available"
        ),
        ["InvalidAMIID.NotFound", "pending", "pending", "available"]
    );
    let snapshot = text(&client.ok("DescribeImages", &[by_image]), "snapshotId");
    let by_snapshot = ("SnapshotId.1", snapshot.as_str());
    assert_eq!(
        until(
            &client,
            "DescribeSnapshots",
            by_snapshot,
            "progress",
            "100%"
        ),
        ["InvalidSnapshot.NotFound", "25%", "50%", "75%", "100%"]
    );
    let volume = client.ok(
        "CreateVolume",
        &[("Size", "1"), ("AvailabilityZone", "us-east-1a")],
    );
    let volume = text(&volume, "volumeId");
    assert_eq!(
        until(
            &client,
            "DescribeVolumes",
            ("VolumeId.1", &volume),
            "status",
            "available"
        ),
        ["InvalidVolume.NotFound", "creating", "available"]
    );
    client.ok("CreateKeyPair", &[("KeyName", "k")]);
    assert_eq!(
        texts(&client.ok("DescribeKeyPairs", &[]), "keyName"),
        [""; 0]
    );
    assert_eq!(
        texts(
            &client.ok("DescribeKeyPairs", &[("KeyName.1", "k")]),
            "keyName"
        ),
        ["k"]
    );
    let profile = [("Version", "2010-05-08"), ("InstanceProfileName", "p")];
    client
        .query("iam", "CreateInstanceProfile", &profile)
        .unwrap();
    let run = [RUN.as_slice(), &[("IamInstanceProfile.Name", "p")]].concat();
    assert_eq!(
        client.refused("RunInstances", &run).1,
        "InvalidParameterValue"
    );
    client.ok("RunInstances", &run);
    client.ok("TerminateInstances", &[by_id]);
    assert_eq!(name("terminated"), ["shutting-down", "terminated"]);
}

#[test]
fn states_last_as_long_as_asked() {
    let time = Duration::from_millis(400);
    let cloud = Cloud::with(Behaviour {
        waits: Waits {
            image: Delay::Time(time),
            visible: Delay::Time(time / 2),
            ..Waits::default()
        },
        ..Behaviour::default()
    })
    .unwrap();
    let client = Client::new(&cloud);
    let from = client.in_region("eu-west-1");
    let began = Instant::now();
    let copy = from.ok(
        "CopyImage",
        &[
            ("SourceImageId", stock::UBUNTU),
            ("SourceRegion", "us-east-1"),
            ("Name", "copy"),
        ],
    );
    let copy = text(&copy, "imageId");
    let seen = until(
        &from,
        "DescribeImages",
        ("ImageId.1", &copy),
        "imageState",
        "available",
    );
    assert!(began.elapsed() >= time, "{seen:?}");
    let mut steps = seen;
    steps.dedup();
    // On a busy machine it may be asked about late.
    assert!(
        ["InvalidAMIID.NotFound", "pending", "available"]
            .ends_with(&steps.iter().map(String::as_str).collect::<Vec<_>>()),
        "{steps:?}"
    );
}

#[test]
fn lists_come_in_pages() {
    let cloud = Cloud::with(Behaviour {
        page: Some(2),
        ..Behaviour::default()
    })
    .unwrap();
    let client = Client::new(&cloud);
    let mut names = Vec::new();
    let mut token = String::new();
    let mut pages = 0;
    loop {
        let asked = [("Owner.1", "099720109477"), ("NextToken", token.as_str())];
        let page = client.ok(
            "DescribeImages",
            &asked[..if token.is_empty() { 1 } else { 2 }],
        );
        names.extend(texts(&page, "name"));
        pages += 1;
        token = text(&page, "nextToken");
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((names.len(), pages), (4, 2), "{names:?}");
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4);
    let both = [
        ("ImageId.1", stock::UBUNTU),
        ("ImageId.2", stock::UBUNTU_ARM),
        ("ImageId.3", stock::WINDOWS),
    ];
    let both = client.ok("DescribeImages", &both);
    assert_eq!(
        (
            texts(&both, "name").len(),
            text(&both, "nextToken").as_str()
        ),
        (3, "")
    );
}

#[test]
fn images_are_filtered_by_what_is_shown() {
    let cloud = Cloud::start().unwrap();
    let client = Client::new(&cloud);
    let found = |filters: &[(&str, &str)]| texts(&client.ok("DescribeImages", filters), "imageId");
    let newest = found(&[
        ("Owner.1", "099720109477"),
        ("Filter.1.Name", "name"),
        (
            "Filter.1.Value.1",
            "ubuntu/images/*-noble-24.04-amd64-server-*",
        ),
        ("Filter.2.Name", "root-device-type"),
        ("Filter.2.Value.1", "ebs"),
        ("Filter.3.Name", "virtualization-type"),
        ("Filter.3.Value.1", "hvm"),
    ]);
    assert_eq!(newest, [stock::UBUNTU, stock::OLDER_UBUNTU]);
    assert_eq!(
        found(&[("Owner.1", "amazon")]),
        [stock::AMAZON_LINUX, stock::WINDOWS]
    );
    assert_eq!(found(&[("Owner.1", "self")]), [""; 0]);
    let store = [
        ("Filter.1.Name", "root-device-type"),
        ("Filter.1.Value.1", "instance-store"),
    ];
    assert_eq!(found(&store), [stock::INSTANCE_STORE]);
    let arm = client.ok("DescribeImages", &[("ImageId.1", stock::UBUNTU_ARM)]);
    assert_eq!(text(&arm, "creationDate"), "2026-08-01T06:10:00.000Z");
    assert_eq!(text(&arm, "volumeSize"), "8");
    let nothing = [("Filter.1.Name", "tag:app"), ("Filter.1.Value.1", "web")];
    assert_eq!(found(&nothing), [""; 0]);
}
