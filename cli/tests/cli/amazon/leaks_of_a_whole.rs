//! What is left of a build with everything that reaches further than its own region: copies in two others, accounts that may use
//! them, a temporary profile, parameters. It is ended after any of its calls, and `imgc gc` looks where the run was, or elsewhere by
//! tags alone.
//!
//! `IMGC_EVERY_FAULT=1` tries every call. With `IMGC_FAULT_REPORT=FILE` a line for each table is appended to that file.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Left, Thing};

use super::leaks::{End, elsewhere, interrupted, killed, points, report, runs, struck};
use super::{behaviour, publish};
use crate::harness::{Printed, Test};

/// Where images are, the build's own region first.
const REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "us-west-2"];

const PARAMETER: &str = "/web/golden-ami";

/// What is left of a build that has ended well.
const WHOLE: &str = "3 image, 2 parameter, 3 snapshot";

/// The calls after which a build is ended; the last one is always among them: then there are parameters.
fn all_points(count: usize) -> Vec<usize> {
    let mut all: Vec<usize> = points(count, 14).collect();
    all.push(count);
    all.dedup();
    all
}

fn test(cloud: &Cloud) -> Test {
    let options = format!(
        r#"  {}
  ami_users      = ["111111111111"]
  snapshot_users = ["222222222222"]
  run_tags       = {{ team = "web" }}
  temporary_iam_instance_profile_policy_document {{
    Version = "2012-10-17"
    Statement {{
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["arn:aws:s3:::packages/*"]
    }}
  }}"#,
        publish::COPIES
    );
    let blocks = format!(
        r#"  provisioner "shell" {{
    inline = ["echo inside the machine"]
  }}
  post-processor "amazon-ssm-parameter" {{
    parameter = {PARAMETER:?}
    regions   = ["us-east-1", "eu-west-1"]
  }}"#
    );
    publish::test(cloud, &options, &blocks)
}

/// How many calls an undisturbed build makes.
fn calls_of_a_build(cloud: &Cloud) -> usize {
    let test = test(cloud);
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let left = cloud.left();
    assert_eq!(left.summary(), WHOLE, "{left}");
    assert_finished(cloud, &left, "undisturbed");
    assert_recorded(cloud, &test, &left, "undisturbed");
    cloud.calls().len()
}

/// Waits until what was asked for by somebody who is dead has had its effect.
fn settle(cloud: &Cloud) {
    let begun = Instant::now();
    while cloud.calls().iter().any(|call| call.status.is_none()) {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Images that can be used, their snapshots, and parameters that name one of them; nothing else, and nothing that may go.
fn assert_finished(cloud: &Cloud, left: &Left, at: &str) {
    for thing in left.iter() {
        assert!(
            !thing.tags.contains_key("imgc:expires"),
            "{at}: {thing}\n{left}"
        );
        let is_finished = match thing.kind {
            "image" => shown(cloud, &thing.region).contains(&thing.id),
            "snapshot" => shown(cloud, &thing.region)
                .contains(&format!("<snapshotId>{}</snapshotId>", thing.id)),
            "parameter" => {
                let image = value(cloud, thing);
                let mut images = left.of("image").into_iter();
                images.any(|one| one.region == thing.region && one.id == image)
            }
            _ => false,
        };
        assert!(is_finished, "{at}: {thing} is not finished\n{left}");
    }
}

/// The images of a region that can be used, as EC2 shows them.
fn shown(cloud: &Cloud, region: &str) -> String {
    let own = [
        ("Owner.1", "self"),
        ("Filter.1.Name", "state"),
        ("Filter.1.Value.1", "available"),
    ];
    cloud.ec2(region, "DescribeImages", &own).unwrap()
}

/// What was written into a parameter last.
fn value(cloud: &Cloud, parameter: &Thing) -> String {
    let calls = cloud.calls();
    let calls = calls.of("PutParameter");
    let mut written = calls.iter().rev();
    let written = written.find(|call| call.error.is_none() && call.region == parameter.region);
    written.unwrap().parameter("Value").to_owned()
}

/// Whoever made it knows of all of it.
fn assert_recorded(cloud: &Cloud, test: &Test, left: &Left, at: &str) {
    if left.is_empty() {
        return;
    }
    let (images, shown) = (test.run(&["images"]), test.run(&["show"]));
    for image in left.of("image") {
        assert!(
            images.stdout.contains(&image.id),
            "{at}: {image}\n{}",
            images.text()
        );
    }
    for parameter in left.of("parameter") {
        let region = &parameter.region;
        let said = format!("{region}: {PARAMETER} = {} (", value(cloud, parameter));
        assert!(
            shown.stdout.contains(&said),
            "{at}: {parameter}\n{}",
            shown.text()
        );
    }
}

/// What stood there at so many points.
type Table = BTreeMap<String, usize>;

/// Kills a build at each point; `gc` cleans up behind what it has left, which carries its run's tag.
fn killed_after_any_call(place: &str, gc: impl Fn(&Cloud, &Test, &Left) -> Vec<Printed>) {
    let cloud = Cloud::with(behaviour()).unwrap();
    let count = calls_of_a_build(&cloud);
    let mut tried = 0;
    let (mut before, mut after) = (Table::new(), Table::new());
    for point in all_points(count) {
        let at = format!("call {point} of {count}, {place}");
        cloud.reset().unwrap();
        let test = test(&cloud);
        let spawn = || test.spawn(&["build", "."]);
        struck(&cloud, point, killed, spawn, |child| test.finish(child));
        settle(&cloud);
        let left = cloud.left();
        *before.entry(left.summary()).or_default() += 1;
        for thing in left.iter() {
            assert!(thing.tags.contains_key("imgc:run"), "{at}: {thing:?}");
        }
        for gone in gc(&cloud, &test, &left) {
            assert_eq!(gone.code, 0, "{at}: {}", gone.text());
        }
        let left = cloud.left();
        *after.entry(left.summary()).or_default() += 1;
        tried += 1;
        assert_finished(&cloud, &left, &at);
        // Elsewhere nobody knows what its run has not written down: where the run was, that is removed as well.
        let gone = test.run(&["gc"]);
        assert_eq!(gone.code, 0, "{at}: {}", gone.text());
        let left = cloud.left();
        assert_finished(&cloud, &left, &at);
        assert_recorded(&cloud, &test, &left, &at);
    }
    let seen: String = before.keys().cloned().collect::<Vec<_>>().join(", ");
    for kind in ["instance profile", "role", "3 image", "2 parameter"] {
        assert!(seen.contains(kind), "{kind}: {before:?}");
    }
    report(&format!(
        "a whole build, SIGKILL, {place}: {count} calls, {tried} tried; before: {before:?}; after: {after:?}"
    ));
}

#[test]
fn killed_after_any_call_of_a_whole_build_gc_leaves_what_is_finished() {
    killed_after_any_call("gc", |_, test, _| vec![test.run(&["gc"])]);
}

#[test]
fn killed_after_any_call_of_a_whole_build_gc_elsewhere_looks_into_all_its_regions() {
    killed_after_any_call("gc --cloud elsewhere", |cloud, _, left| {
        let other = elsewhere(cloud);
        let gc = |run: &String| {
            let mut arguments = vec!["gc", "--cloud", "aws", "--run", run.as_str()];
            arguments.extend(REGIONS.iter().flat_map(|region| ["--region", *region]));
            other.run(&arguments)
        };
        runs(left).iter().map(gc).collect()
    });
}

fn stopped_after_any_call(signal: &str, end: End, code: i32) {
    let cloud = Cloud::with(behaviour()).unwrap();
    let count = calls_of_a_build(&cloud);
    let (mut tried, mut stopped) = (0, 0);
    let mut table = Table::new();
    for point in all_points(count) {
        let at = format!("call {point} of {count}, {signal}");
        cloud.reset().unwrap();
        let test = test(&cloud);
        let spawn = || test.spawn(&["build", "-color=false", "."]);
        let printed = struck(&cloud, point, end, spawn, |child| test.finish(child));
        settle(&cloud);
        let left = cloud.left();
        let at = format!("{at}: {}", printed.text());
        tried += 1;
        stopped += usize::from(printed.code == code);
        *table.entry(left.summary()).or_default() += 1;
        match printed.code {
            0 => assert_eq!(left.summary(), WHOLE, "{at}\n{left}"),
            // Before it listens to signals it has made nothing.
            -1 => assert!(left.is_empty(), "{at}\n{left}"),
            other => assert_eq!(other, code, "{at}"),
        }
        assert_finished(&cloud, &left, &at);
        assert_recorded(&cloud, &test, &left, &at);
        let gone = test.run(&["gc"]);
        assert_eq!(gone.code, 0, "{at}\n{}", gone.text());
        assert!(!gone.stdout.contains("aws "), "{at}\n{}", gone.text());
        assert_eq!(cloud.left(), left, "{at}");
    }
    report(&format!(
        "a whole build, {signal}: {count} calls, {tried} tried, {stopped} stopped; after: {table:?}"
    ));
}

#[test]
fn interrupted_after_any_call_of_a_whole_build_what_is_finished_is_left() {
    stopped_after_any_call("SIGINT", interrupted, 130);
}
