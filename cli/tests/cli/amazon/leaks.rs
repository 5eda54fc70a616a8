//! What is left of a build that was interrupted after any of its calls, and `imgc gc --cloud` from a machine that knows
//! nothing of it.
//!
//! `IMGC_EVERY_FAULT=1` tries every call. With `IMGC_FAULT_REPORT=FILE` a line for each table is appended to that file.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Call, Left, Moment, Then};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::family::{ALL, Member, OTHERS};
use super::packer::for_both;
use super::{PROFILE, behaviour, test, user};
use crate::harness::{Printed, Test};

/// How a caller is ended when one of its calls has had its effect.
pub(super) type End = fn(Pid);

pub(super) fn killed(pid: Pid) {
    kill(pid, Signal::SIGKILL).unwrap();
}

pub(super) fn interrupted(pid: Pid) {
    kill(pid, Signal::SIGINT).unwrap();
}

fn terminated(pid: Pid) {
    kill(pid, Signal::SIGTERM).unwrap();
}

/// Its group: Packer's plugins are processes of their own.
fn group_killed(pid: Pid) {
    killpg(pid, Signal::SIGKILL).unwrap();
}

/// What a terminal does when Ctrl-C is pressed.
fn group_interrupted(pid: Pid) {
    killpg(pid, Signal::SIGINT).unwrap();
}

/// Lets a process come to its call number `point`, and ends it there.
pub(super) fn struck<T>(
    cloud: &Cloud,
    point: usize,
    end: End,
    spawn: impl FnOnce() -> Child,
    finish: impl FnOnce(Child) -> T,
) -> T {
    let seen = AtomicUsize::new(0);
    let is_point = move |_: &Call| seen.fetch_add(1, Ordering::SeqCst) + 1 == point;
    struck_at(cloud, is_point, end, spawn, finish)
}

/// The same for the calls that are said to be the point.
pub(super) fn struck_at<T>(
    cloud: &Cloud,
    is_point: impl Fn(&Call) -> bool + Send + Sync + 'static,
    end: End,
    spawn: impl FnOnce() -> Child,
    finish: impl FnOnce(Child) -> T,
) -> T {
    let process = Arc::new(Mutex::new(None::<Pid>));
    let victim = process.clone();
    // The lock is held until the process is known.
    let mut holder = process.lock().unwrap();
    cloud.hook(move |call, moment| {
        if moment == Moment::After
            && is_point(call)
            && let Some(pid) = *victim.lock().unwrap()
        {
            end(pid);
        }
        Then::GoOn
    });
    let child = spawn();
    *holder = Some(Pid::from_raw(child.id() as i32));
    drop(holder);
    let ended = finish(child);
    cloud.unhook();
    ended
}

/// The points to try of so many.
pub(super) fn points(count: usize, stride: usize) -> impl Iterator<Item = usize> {
    let every = std::env::var_os("IMGC_EVERY_FAULT").is_some();
    (1..=count).step_by(if every { 1 } else { stride })
}

pub(super) fn report(line: &str) {
    let Some(path) = std::env::var_os("IMGC_FAULT_REPORT") else {
        return;
    };
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.create(true).append(true).open(path).unwrap();
    writeln!(file, "{line}").unwrap();
}

/// How many calls an undisturbed build makes, and that it leaves what it should.
fn calls_of_a_build(cloud: &Cloud, member: &Member) -> usize {
    let whole = member.simple(cloud);
    let printed = whole.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}: {}", member.name(), printed.text());
    let left = cloud.left();
    assert!(
        member.is_finished(cloud, &left),
        "{}: {left}",
        member.name()
    );
    cloud.calls().len()
}

/// Whether all that is left is an image that somebody can use.
fn is_finished(cloud: &Cloud, left: &Left) -> bool {
    ALL[0].is_finished(cloud, left)
}

/// A machine that has never seen the template.
pub(super) fn elsewhere(cloud: &Cloud) -> Test {
    let mut test = Test::new("");
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    test
}

/// The runs that what is left carries.
pub(super) fn runs(left: &Left) -> Vec<String> {
    let runs = left.iter().filter_map(|thing| thing.tags.get("imgc:run"));
    let mut runs: Vec<String> = runs.cloned().collect();
    runs.sort();
    runs.dedup();
    runs
}

/// Every `stride`th call; `elsewhere` without the state, by tags alone, else where the run was.
fn killed_after_any_call(member: &Member, stride: usize, is_elsewhere: bool) {
    let cloud = member.cloud();
    let name = member.name();
    let count = calls_of_a_build(&cloud, member);
    let (mut tried, mut kept) = (0, 0);
    let mut before: BTreeMap<String, usize> = BTreeMap::new();
    for point in points(count, stride) {
        cloud.reset().unwrap();
        member.furnish(&cloud);
        let test = member.simple(&cloud);
        let spawn = || test.spawn(&["build", "."]);
        struck(&cloud, point, killed, spawn, |child| test.finish(child));
        let left = cloud.left();
        *before.entry(left.summary()).or_default() += 1;
        // Everything carries the run's tag: there is no other way to know it elsewhere. What lies in a bucket has none.
        for thing in left.iter().filter(|thing| thing.kind != "S3 object") {
            assert!(
                thing.tags.contains_key("imgc:run"),
                "{name}, call {point}: {thing:?}"
            );
        }
        match is_elsewhere {
            true => {
                let other = elsewhere(&cloud);
                for run in runs(&left) {
                    let gone = gc(&other, &["--run", &run]);
                    assert_eq!(gone.code, 0, "{name}, call {point}: {}", gone.text());
                }
            }
            false => {
                let gone = test.run(&["gc"]);
                assert_eq!(gone.code, 0, "{name}, call {point}: {}", gone.text());
            }
        }
        let left = cloud.left();
        tried += 1;
        kept += usize::from(member.is_finished(&cloud, &left));
        assert!(
            left.is_empty() || member.is_finished(&cloud, &left),
            "{name}, call {point}: {left}"
        );
    }
    let place = if is_elsewhere {
        "gc --cloud elsewhere"
    } else {
        "gc"
    };
    report(&format!(
        "{name}, SIGKILL, {place}: {count} calls, {tried} tried, finished and kept {kept}; before gc: {before:?}"
    ));
}

#[test]
fn killed_after_any_call_gc_elsewhere_removes_it_by_its_tags() {
    for (at, member) in ALL.iter().enumerate() {
        let stride = if at == 0 { 6 } else { 9 };
        killed_after_any_call(member, stride, true);
    }
}

#[test]
fn whatever_is_built_gc_removes_it_where_the_run_was() {
    for member in &OTHERS {
        killed_after_any_call(member, 9, false);
    }
}

fn stopped_after_any_call(member: &Member, signal: &str, end: End, code: i32) {
    let cloud = member.cloud();
    let name = member.name();
    let count = calls_of_a_build(&cloud, member);
    let (mut tried, mut stopped, mut kept) = (0, 0, 0);
    for point in points(count, 10) {
        cloud.reset().unwrap();
        member.furnish(&cloud);
        let test = member.simple(&cloud);
        let spawn = || test.spawn(&["build", "-color=false", "."]);
        let printed = struck(&cloud, point, end, spawn, |child| test.finish(child));
        tried += 1;
        stopped += usize::from(printed.code == code);
        let left = cloud.left();
        // Before it listens to signals it has made nothing.
        assert!(
            [0, code].contains(&printed.code) || printed.code == -1 && left.is_empty(),
            "{name}, call {point}: {}",
            printed.text()
        );
        if left.is_empty() {
            assert_ne!(printed.code, 0, "{name}, call {point}: {}", printed.text());
            continue;
        }
        kept += 1;
        assert!(
            member.is_finished(&cloud, &left),
            "{name}, call {point}: {left}\n{}",
            printed.text()
        );
        let images = test.run(&["images"]);
        let made = left.iter().find(|one| one.kind != "S3 object").unwrap();
        assert!(
            images.stdout.contains(&made.id),
            "{name}, call {point}: {}",
            images.text()
        );
    }
    report(&format!(
        "{name}, {signal}: {count} calls, {tried} tried, {stopped} stopped, finished and kept {kept}, nothing else left"
    ));
}

#[test]
fn interrupted_after_any_call_what_is_finished_is_left_or_nothing() {
    for member in &ALL {
        stopped_after_any_call(member, "SIGINT", interrupted, 130);
    }
}

#[test]
fn terminated_after_any_call_what_is_finished_is_left_or_nothing() {
    for member in &ALL {
        stopped_after_any_call(member, "SIGTERM", terminated, 143);
    }
}

/// A part of the disk was uploaded when what was in the bucket had been looked at already.
#[test]
fn a_bundle_on_its_way_goes_when_the_machine_that_uploads_it_has_ended() {
    let member = ALL.iter().find(|one| one.name() == "amazon-instance");
    let member = member.unwrap();
    let cloud = member.cloud();
    let test = member.simple(&cloud);
    let spawn = || test.spawn(&["build", "-color=false", "."]);
    let seen = AtomicUsize::new(0);
    let is_first =
        move |call: &Call| call.action == "PutObject" && seen.fetch_add(1, Ordering::SeqCst) == 0;
    let finish = |child| test.finish(child);
    let printed = struck_at(&cloud, is_first, interrupted, spawn, finish);
    assert_eq!(printed.code, 130, "{}", printed.text());
    let sequence = cloud.calls().sequence();
    let left = cloud.left();
    assert!(left.is_empty(), "{left}\n{sequence}");
    let ended = sequence.find("TerminateInstances").unwrap();
    let looked = sequence.find("ListObjectsV2").unwrap();
    assert!(ended < looked, "{sequence}");
}

/// What uses a group for good is named, and not waited for.
#[test]
fn a_group_whose_instance_cannot_be_ended_is_given_up_at_once() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    cloud.hook(|call, moment| match (call.action.as_str(), moment) {
        ("TerminateInstances", Moment::Before) => Then::Refuse(
            403,
            "UnauthorizedOperation".to_owned(),
            "You are not authorized to perform this operation.".to_owned(),
        ),
        _ => Then::GoOn,
    });
    let begun = Instant::now();
    let printed = test.run(&["build", "-color=false", "."]);
    cloud.unhook();
    let instance = cloud.left().of("instance")[0].id.clone();
    let said = format!("the instance {instance} is in it, and runs on");
    assert!(printed.text().contains(&said), "{}", printed.text());
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}: {}",
        begun.elapsed(),
        printed.text()
    );
    // Whoever may end it has the rest removed.
    let gone = test.run(&["gc"]);
    assert_eq!(gone.code, 0, "{}", gone.text());
    let left = cloud.left();
    assert!(is_finished(&cloud, &left), "{left}\n{}", gone.text());
}

/// A run that is killed when its instance is there.
fn dead_run(cloud: &Cloud) -> (Test, String) {
    let test = test(cloud);
    let seen = Arc::new(Mutex::new(None::<Pid>));
    let victim = seen.clone();
    let mut holder = seen.lock().unwrap();
    cloud.hook(move |call, moment| {
        if moment == Moment::After && call.action == "RunInstances" {
            killed(victim.lock().unwrap().unwrap());
        }
        Then::GoOn
    });
    let child = test.spawn(&["build", "."]);
    *holder = Some(Pid::from_raw(child.id() as i32));
    drop(holder);
    let printed = test.finish(child);
    cloud.unhook();
    assert_ne!(printed.code, 0);
    let run = runs(&cloud.left()).remove(0);
    (test, run)
}

const THINGS: &str = "1 instance, 1 key pair, 1 security group, 1 volume";

/// Removes in one region: the others are a few hundred calls.
fn gc(test: &Test, more: &[&str]) -> Printed {
    let mut arguments = vec!["gc", "--cloud", "aws", "--region", "us-east-1"];
    arguments.extend(more);
    test.run(&arguments)
}

#[test]
fn what_nobody_can_judge_is_listed_until_it_is_past_its_expiry() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let (_test, run) = dead_run(&cloud);
    assert_eq!(cloud.left().summary(), THINGS);
    let other = elsewhere(&cloud);
    let listed = gc(&other, &[]);
    assert_eq!(listed.code, 0, "{}", listed.text());
    assert_eq!(cloud.left().summary(), THINGS);
    for what in [
        "instance i-",
        "volume vol-",
        "key-pair imgc-",
        "security-group sg-",
    ] {
        assert!(
            listed.stdout.contains(&format!("left aws {what}")),
            "{}",
            listed.text()
        );
    }
    let way_out = format!("it may go after 2023-11-15 22:13:20Z, or now with `-run {run}`");
    assert!(listed.stdout.contains(&way_out), "{}", listed.text());
    let json = gc(&other, &["--dry-run", "--json", "--run", &run[..8]]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["removed"].as_array().unwrap().len(), 4, "{json}");
    assert_eq!(cloud.left().summary(), THINGS, "it was a dry run");
    // A day and a moment later, by the clock of whoever looks.
    let later = elsewhere(&cloud).env("IMGC_INTERNAL_CLOCK", "1700086401,test");
    let gone = gc(&later, &[]);
    assert_eq!(gone.code, 0, "{}", gone.text());
    assert!(
        gone.stdout.ends_with("4 things removed\n"),
        "{}",
        gone.text()
    );
    let order: Vec<&str> = gone
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("removed aws ")?.split(' ').next())
        .collect();
    assert_eq!(order, ["instance", "volume", "security-group", "key-pair"]);
    assert_eq!(cloud.left().summary(), "", "{}", cloud.left());
}

#[test]
fn where_the_run_is_known_to_be_dead_its_things_go_at_once() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let (test, _) = dead_run(&cloud);
    let gone = gc(&test, &[]);
    assert!(
        gone.stdout.ends_with("4 things removed\n"),
        "{}",
        gone.text()
    );
    assert_eq!(cloud.left().summary(), "");
    // Nothing of the cloud's is on record any more.
    let again = test.run(&["gc"]);
    assert!(!again.stdout.contains("aws "), "{}", again.text());
}

#[test]
fn what_may_not_be_listed_is_said_and_the_rest_goes() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let (_test, run) = dead_run(&cloud);
    cloud.change(|behaviour| behaviour.denied = vec!["ec2:DescribeSnapshots".to_owned()]);
    let other = elsewhere(&cloud);
    let gone = gc(&other, &["--run", &run]);
    assert_eq!(gone.code, 4, "{}", gone.text());
    assert!(
        gone.stdout
            .contains("cannot look at snapshots in us-east-1: ")
            && gone
                .stdout
                .contains(r#""Action":["ec2:DescribeSnapshots"]"#),
        "{}",
        gone.text()
    );
    assert_eq!(cloud.left().summary(), "", "{}", cloud.left());
    // Where nothing at all may be seen that is one message.
    cloud.change(|behaviour| behaviour.denied = vec!["ec2:*".to_owned()]);
    let blind = gc(&other, &[]);
    assert_ne!(blind.code, 0);
    assert_eq!(
        blind.text().matches("cannot look").count(),
        1,
        "{}",
        blind.text()
    );
}

#[test]
fn every_region_is_looked_at_unless_some_are_named() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let (_test, run) = dead_run(&cloud);
    let other = elsewhere(&cloud);
    let wrong = other.run(&[
        "gc",
        "--cloud",
        "aws",
        "--region",
        "eu-west-1",
        "--run",
        &run,
    ]);
    assert_eq!(wrong.stdout, "nothing is left behind\n");
    assert_eq!(cloud.left().summary(), THINGS);
    let gone = other.run(&["gc", "--cloud", "aws", "--run", &run]);
    assert_eq!(gone.code, 0, "{}", gone.text());
    assert_eq!(cloud.left().summary(), "", "{}", cloud.left());
}

#[test]
fn a_run_at_work_and_a_finished_image_are_left_alone() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    assert_eq!(test.run(&["build", "."]).code, 0);
    let finished = cloud.left();
    let run = runs(&finished).remove(0);
    // Neither its name nor the clock makes a finished image temporary.
    let later = elsewhere(&cloud).env("IMGC_INTERNAL_CLOCK", "1800000000,test");
    for gone in [
        gc(&later, &["--run", &run]),
        gc(&later, &[]),
        gc(&test, &[]),
    ] {
        assert_eq!(gone.stdout, "nothing is left behind\n", "{}", gone.text());
    }
    assert_eq!(cloud.left(), finished);
    cloud.reset().unwrap();
    // While a run works, whoever looks from its directory, or from its machine.
    let (ask, asked) = std::sync::mpsc::channel();
    let (answer, answered) = std::sync::mpsc::channel::<()>();
    let (ask, answered) = (Mutex::new(ask), Mutex::new(answered));
    cloud.hook(move |call, moment| {
        if moment == Moment::After && call.action == "StopInstances" {
            ask.lock().unwrap().send(()).unwrap();
            answered.lock().unwrap().recv().unwrap();
        }
        Then::GoOn
    });
    let child = test.spawn(&["build", "."]);
    asked.recv_timeout(Duration::from_secs(60)).unwrap();
    let at_work = cloud.left();
    let run = runs(&at_work).remove(0);
    let ours = gc(&test, &[]);
    assert_eq!(ours.stdout, "nothing is left behind\n", "{}", ours.text());
    let named = gc(&test, &["--run", &run]);
    assert_eq!(named.code, 2, "{}", named.text());
    assert!(
        named.stderr.contains("is still at work"),
        "{}",
        named.text()
    );
    assert_eq!(cloud.left(), at_work);
    answer.send(()).unwrap();
    let printed = test.finish(child);
    cloud.unhook();
    assert_eq!(printed.code, 0, "{}", printed.text());
}

#[test]
fn slips_on_the_command_line_are_named() {
    let test = Test::new("");
    let printed = test.run(&["gc", "--cloud", "gcp"]);
    assert_eq!(printed.code, 2);
    assert!(
        printed.stderr.contains("there is no provider `gcp`"),
        "{}",
        printed.text()
    );
    assert!(
        printed.stderr.contains("known here: `aws`"),
        "{}",
        printed.text()
    );
    let short = test.run(&["gc", "--cloud", "aws", "--run", "12ab"]);
    assert_eq!(short.code, 2);
    assert!(
        short.stderr.contains("at least 8 characters"),
        "{}",
        short.text()
    );
    assert_eq!(test.run(&["gc", "--region", "eu-west-1"]).code, 2);
}

/// A kept image is part of nobody's rubbish, though its run died before it could say that all is done.
#[test]
fn an_image_that_was_recorded_stays_when_its_run_dies_afterwards() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let spawn = || test.spawn(&["build", "."]);
    let victim = Arc::new(Mutex::new(None::<Pid>));
    let process = victim.clone();
    let mut holder = victim.lock().unwrap();
    cloud.hook(move |call, moment| {
        if moment == Moment::After && call.action == "TerminateInstances" {
            killed(process.lock().unwrap().unwrap());
        }
        Then::GoOn
    });
    let child = spawn();
    *holder = Some(Pid::from_raw(child.id() as i32));
    drop(holder);
    test.finish(child);
    cloud.unhook();
    let image = cloud.left().of("image")[0].id.clone();
    let gone = test.run(&["gc"]);
    assert_eq!(gone.code, 0, "{}", gone.text());
    let left = cloud.left();
    assert!(is_finished(&cloud, &left), "{left}\n{}", gone.text());
    let images = test.run(&["images"]);
    assert!(images.stdout.contains(&image), "{}", images.text());
}

/// The same template for Debian's Packer, ended after each of its calls; nothing finds what is left.
fn what_packer_leaves(how: &str, end: End) -> BTreeMap<String, usize> {
    let cloud = Cloud::with(for_both()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let template = directory.path().join("template.json");
    let packer = || {
        std::fs::write(&template, packers_template(&cloud)).unwrap();
        let arguments = ["build", "-color=false", "template.json"];
        let mut command = super::packer::packer(directory.path(), &arguments);
        command.stdout(Stdio::null()).process_group(0);
        command
    };
    assert!(packer().status().unwrap().success());
    let count = cloud.calls().len();
    let (mut tried, mut unfinished) = (0, 0);
    let mut table: BTreeMap<String, usize> = BTreeMap::new();
    for point in points(count, 4) {
        cloud.reset().unwrap();
        let spawn = || packer().spawn().unwrap();
        let status = struck(&cloud, point, end, spawn, |mut child| {
            let group = Pid::from_raw(child.id() as i32);
            let status = child.wait().unwrap();
            outlived(&cloud, group);
            status
        });
        let left = cloud.left();
        tried += 1;
        unfinished += usize::from(!left.is_empty() && !is_finished(&cloud, &left));
        let ended = match status.code() {
            Some(0) => "well",
            Some(_) => "failed",
            None => "killed",
        };
        *table
            .entry(format!("{ended}: {}", left.summary()))
            .or_default() += 1;
    }
    report(&format!(
        "packer, {how}: {count} calls, {tried} tried, anything but a finished image left after {unfinished}: {table:?}"
    ));
    table
}

/// Waits until no process of a group is there, or those that are have asked for nothing for a while: a plugin may go on when
/// the main process has ended.
fn outlived(cloud: &Cloud, group: Pid) {
    let (mut count, mut since) = (cloud.calls().len(), Instant::now());
    while killpg(group, None).is_ok() && since.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(100));
        let now = cloud.calls().len();
        if now != count {
            (count, since) = (now, Instant::now());
        }
    }
    let _ = killpg(group, Signal::SIGKILL);
}

#[test]
#[ignore = "for the table of docs/reliability.md; needs Packer 1.6.6"]
fn what_packer_leaves_when_it_is_killed() {
    let table = what_packer_leaves("SIGKILL to its group", group_killed);
    assert!(
        table.keys().any(|left| left.contains("key pair")),
        "{table:?}"
    );
}

#[test]
#[ignore = "for the table of docs/reliability.md; needs Packer 1.6.6"]
fn what_packer_leaves_when_it_is_interrupted() {
    let how = "SIGINT to its group, as Ctrl-C at a terminal sends it";
    let table = what_packer_leaves(how, group_interrupted);
    // It hears the signal, and cleans up.
    assert!(table.contains_key("failed: "), "{table:?}");
}

#[test]
#[ignore = "for the table of docs/reliability.md; needs Packer 1.6.6"]
fn what_packer_leaves_when_it_is_terminated() {
    let how = "SIGTERM to its main process alone, as `kill` sends it";
    let table = what_packer_leaves(how, terminated);
    assert!(!table.is_empty());
}

pub(super) fn packers_template(cloud: &Cloud) -> String {
    let builder = serde_json::json!({
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
        "ami_name": "web-1",
        "ssh_username": user(),
        "ssh_port": cloud.ssh_port(),
        "run_tags": {"team": "web"},
        "tags": {"base": "{{ .SourceAMIName }}"},
    });
    let provisioner = serde_json::json!({"type": "shell", "inline": ["echo inside the machine"]});
    serde_json::json!({"builders": [builder], "provisioners": [provisioner]}).to_string()
}

/// A run without time limit: by the time that what it has made would be past its expiry it has put that off.
#[test]
fn a_run_that_lives_puts_off_the_expiry_of_what_it_has_made() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud).env("IMGC_INTERNAL_RENEWAL", "300");
    let text = test.read("main.pkr.hcl");
    let policy = r#"  temporary_iam_instance_profile_policy_document {
    Version = "2012-10-17"
    Statement {
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["arn:aws:s3:::packages/*"]
    }
  }
  run_tags"#;
    let text = text.replacen("  run_tags", policy, 1);
    test.write(
        "main.pkr.hcl",
        text.replace(
            "echo inside the machine",
            "touch begun; while ! test -e go; do sleep 0.1; done",
        )
        .replace(
            "inline = [\"touch",
            &format!(
                "inline = [\"cd {}; touch",
                test.path(".").canonicalize().unwrap().display()
            ),
        ),
    );
    let child = test.spawn(&["build", "-color=false", "."]);
    let begun = Instant::now();
    let first = "2023-11-15T22:13:20Z";
    let renewed = |left: &Left| {
        let things = left.iter().filter(|one| one.region != "global");
        let moments: Vec<&str> = things
            .filter_map(|one| one.tags.get("imgc:expires").map(String::as_str))
            .collect();
        test.path("begun").exists() && !moments.is_empty() && moments.iter().all(|one| *one > first)
    };
    while !renewed(&cloud.left()) {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{}",
            cloud.left()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    let at_work = cloud.left();
    assert_eq!(
        at_work.summary(),
        "1 instance, 1 instance profile, 1 key pair, 1 role, 1 security group, 1 volume"
    );
    for action in ["TagRole", "TagInstanceProfile"] {
        assert!(
            !cloud.calls().of(action).is_empty(),
            "{}",
            cloud.calls().sequence()
        );
    }
    // Somebody else looks when it would have been past its expiry.
    let later = elsewhere(&cloud).env("IMGC_INTERNAL_CLOCK", "1700086401,test");
    let listed = gc(&later, &[]);
    assert_eq!(listed.code, 0, "{}", listed.text());
    assert!(!listed.stdout.contains("removed aws"), "{}", listed.text());
    test.write("go", "");
    let printed = test.finish(child);
    assert_eq!(printed.code, 0, "{}", printed.text());
    // What is finished has no expiry, whatever was renewed a moment before.
    let left = cloud.left();
    assert!(is_finished(&cloud, &left), "{left}");
}

/// What is finished between looking and removing stays.
#[test]
fn an_image_that_is_finished_elsewhere_while_gc_looks_stays() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let (_test, run) = dead_run(&cloud);
    let instance = cloud.left().of("instance")[0].id.clone();
    let tags = [
        ("imgc:run", run.as_str()),
        ("imgc:expires", "2023-11-15T22:13:20Z"),
    ];
    let mut parameters = vec![
        ("InstanceId".to_owned(), instance),
        ("Name".to_owned(), "half".to_owned()),
    ];
    for (kind, at) in [("image", 1), ("snapshot", 2)] {
        parameters.push((
            format!("TagSpecification.{at}.ResourceType"),
            kind.to_owned(),
        ));
        for (index, (key, value)) in tags.iter().enumerate() {
            let name = |what: &str| format!("TagSpecification.{at}.Tag.{}.{what}", index + 1);
            parameters.push((name("Key"), (*key).to_owned()));
            parameters.push((name("Value"), (*value).to_owned()));
        }
    }
    let parameters: Vec<(&str, &str)> = parameters
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    cloud.ec2("us-east-1", "CreateImage", &parameters).unwrap();
    let left = cloud.left();
    let made: Vec<String> = left
        .iter()
        .filter(|one| ["image", "snapshot"].contains(&one.kind))
        .map(|one| one.id.clone())
        .collect();
    assert_eq!(made.len(), 2, "{left}");
    // The instance goes first: when it is ended somebody finishes the image.
    let (ask, asked) = std::sync::mpsc::channel();
    let (answer, answered) = std::sync::mpsc::channel::<()>();
    let (ask, answered) = (Mutex::new(ask), Mutex::new(answered));
    cloud.hook(move |call, moment| {
        if moment == Moment::Before && call.action == "TerminateInstances" {
            ask.lock().unwrap().send(()).unwrap();
            answered.lock().unwrap().recv().unwrap();
        }
        Then::GoOn
    });
    let other = elsewhere(&cloud);
    let child = other.spawn(&[
        "gc",
        "--cloud",
        "aws",
        "--region",
        "us-east-1",
        "--run",
        &run,
    ]);
    asked.recv_timeout(Duration::from_secs(60)).unwrap();
    let mut finish = vec![("Tag.1.Key".to_owned(), "imgc:expires".to_owned())];
    for (at, id) in made.iter().enumerate() {
        finish.push((format!("ResourceId.{}", at + 1), id.clone()));
    }
    let finish: Vec<(&str, &str)> = finish
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    cloud.ec2("us-east-1", "DeleteTags", &finish).unwrap();
    answer.send(()).unwrap();
    let printed = other.finish(child);
    cloud.unhook();
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(printed.stdout.contains("finished it"), "{}", printed.text());
    let left = cloud.left();
    assert_eq!(
        left.summary(),
        "1 image, 1 snapshot",
        "{left}\n{}",
        printed.text()
    );
}

/// A run is killed between a role and its profile: neither what is in the profile nor which of both goes first matters.
#[test]
fn a_role_goes_whatever_profile_it_is_in() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let new = || {
        let test = test(&cloud);
        let text = test.read("main.pkr.hcl");
        test.write(
            "main.pkr.hcl",
            text.replacen("run_tags", &format!("{PROFILE}\n  run_tags"), 1),
        );
        test
    };
    for (action, is_refused) in [
        ("CreateInstanceProfile", false),
        ("AddRoleToInstanceProfile", false),
        // The profile stays with its role the first time: the role then takes itself out.
        ("AddRoleToInstanceProfile", true),
    ] {
        cloud.reset().unwrap();
        let test = new();
        let spawn = || test.spawn(&["build", "."]);
        let is_point = move |call: &Call| call.action == action;
        struck_at(&cloud, is_point, killed, spawn, |child| test.finish(child));
        let at = format!("{action}, {is_refused}");
        let summary = cloud.left().summary();
        assert!(
            summary.contains("1 instance profile") && summary.contains("1 role"),
            "{at}: {summary}"
        );
        let tried = AtomicUsize::new(0);
        cloud.hook(move |call, moment| {
            let is_first = moment == Moment::Before
                && call.action == "RemoveRoleFromInstanceProfile"
                && tried.fetch_add(1, Ordering::SeqCst) == 0;
            match is_first && is_refused {
                true => Then::Refuse(400, "InvalidInput".to_owned(), "not today".to_owned()),
                false => Then::GoOn,
            }
        });
        let later = elsewhere(&cloud).env("IMGC_INTERNAL_CLOCK", "1700086401,test");
        let begun = Instant::now();
        let gone = gc(&later, &[]);
        cloud.unhook();
        assert_eq!(gone.code == 0, !is_refused, "{at}: {}", gone.text());
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{at}: {}",
            gone.text()
        );
        let left = match is_refused {
            true => "1 instance profile",
            false => "",
        };
        assert_eq!(cloud.left().summary(), left, "{at}: {}", gone.text());
        let again = gc(&later, &[]);
        assert_eq!(again.code, 0, "{at}: {}", again.text());
        assert_eq!(cloud.left().summary(), "", "{at}: {}", again.text());
    }
}

/// What EC2 does not list by tags: roles and profiles, fleets and their templates, imports with their objects.
#[test]
fn roles_profiles_fleets_and_templates_go_by_their_tags_elsewhere() {
    let policy = format!("spot_instance_types = [\"m5.large\"]\n  {PROFILE}\n  run_tags");
    let cloud = Cloud::with(behaviour()).unwrap();
    let new = || {
        let test = test(&cloud);
        let text = test.read("main.pkr.hcl");
        let text = text.replace("  instance_type = \"t3.micro\"\n", "");
        test.write("main.pkr.hcl", text.replacen("run_tags", &policy, 1));
        test
    };
    let whole = new();
    let printed = whole.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let count = cloud.calls().len();
    let mut before: BTreeMap<String, usize> = BTreeMap::new();
    for point in points(count, 4) {
        cloud.reset().unwrap();
        let test = new();
        let spawn = || test.spawn(&["build", "."]);
        struck(&cloud, point, killed, spawn, |child| test.finish(child));
        let left = cloud.left();
        *before.entry(left.summary()).or_default() += 1;
        // By the clock: nobody need know the run's id.
        let later = elsewhere(&cloud).env("IMGC_INTERNAL_CLOCK", "1700086401,test");
        let gone = gc(&later, &[]);
        assert_eq!(gone.code, 0, "call {point}: {}", gone.text());
        let left = cloud.left();
        assert!(
            left.is_empty() || is_finished(&cloud, &left),
            "call {point}: {left}"
        );
    }
    let all: String = before.keys().cloned().collect::<Vec<_>>().join(", ");
    for kind in ["fleet", "launch template", "role", "instance profile"] {
        assert!(all.contains(kind), "{before:?}");
    }
    report(&format!(
        "spot with a temporary profile, SIGKILL, gc --cloud elsewhere: {count} calls; before gc: {before:?}"
    ));
}
