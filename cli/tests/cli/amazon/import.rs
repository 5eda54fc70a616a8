//! A disk image of another builder becomes an image at Amazon.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, Delay, Moment, Then, Waits};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::renewal::{profile, until_expired};
use crate::harness::Test;

pub(super) fn cloud() -> Cloud {
    let cloud = Cloud::with(Behaviour {
        waits: Waits {
            image: Delay::Answers(1),
            ..Waits::default()
        },
        ..Behaviour::default()
    })
    .unwrap();
    make_bucket(&cloud);
    cloud
}

fn make_bucket(cloud: &Cloud) {
    of_storage(cloud, "PUT", "/images");
}

/// What the server answers to a request to S3 that has no body.
pub(super) fn of_storage(cloud: &Cloud, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(cloud.moto().address()).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request, \
         SignedHeaders=host, Signature=none\r\n\r\n",
        cloud.moto().address()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

pub(super) fn test(cloud: &Cloud, options: &str) -> Test {
    let mut test = Test::new(&format!(
        r#"source "file" "disk" {{
  source = "disk.bin"
  target = "disk.raw"
}}
build {{
  sources = ["file.disk"]
  post-processor "amazon-import" {{
    format         = "raw"
    s3_bucket_name = "images"
    {options}
  }}
}}
"#
    ));
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    test.write("disk.bin", vec![7_u8; 1000]);
    test
}

#[test]
fn a_disk_becomes_an_image_and_the_bucket_is_empty_again() {
    let cloud = cloud();
    let test = test(
        &cloud,
        r#"ami_name        = "disk-1"
    ami_description = "of a disk"
    ami_users       = ["111122223333"]
    boot_mode       = "uefi"
    license_type    = "BYOL"
    role_name       = "importer"
    tags            = { team = "web" }"#,
    );
    // Three parts.
    test.write("disk.bin", vec![7_u8; 40 << 20]);
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{} {:#?}", printed.text(), cloud.calls());
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
    let image = left.of("image")[0];
    assert_eq!(image.name, "disk-1");
    assert_eq!(image.tags["team"], "web");
    assert!(image.tags.contains_key("imgc:run") && !image.tags.contains_key("imgc:expires"));
    let lines: Vec<&str> = printed.stdout.lines().collect();
    let at = lines
        .iter()
        .position(|line| *line == "--> file.disk: AMIs were created:");
    let at = at.unwrap_or_else(|| panic!("{}", printed.text()));
    assert_eq!(lines[at + 1], format!("us-east-1: {}", image.id));
    let calls = cloud.calls();
    assert_eq!(calls.of("UploadPart").len(), 3, "{}", calls.sequence());
    let import = calls.one("ImportImage");
    for (name, value) in [
        ("DiskContainer.1.Format", "raw"),
        ("DiskContainer.1.UserBucket.S3Bucket", "images"),
        (
            "DiskContainer.1.UserBucket.S3Key",
            "packer-import-1700000000.raw",
        ),
        ("BootMode", "uefi"),
        ("LicenseType", "BYOL"),
        ("RoleName", "importer"),
        ("Architecture", "x86_64"),
    ] {
        assert_eq!(import.parameter(name), value, "{name}");
    }
    // The disk went with the import, as with Packer.
    assert!(!test.path("disk.raw").exists());
}

#[test]
fn without_a_name_the_task_s_image_is_taken_and_the_object_may_stay() {
    let cloud = cloud();
    let test = test(
        &cloud,
        r#"s3_key_name = "kept.raw"
    skip_clean  = true
    tags        = { team = "web" }"#,
    );
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let left = cloud.left();
    assert_eq!(left.summary(), "1 S3 object, 1 image, 1 snapshot", "{left}");
    assert_eq!(left.of("S3 object")[0].name, "images/kept.raw");
    let image = left.of("image")[0];
    assert!(image.name.starts_with("import-ami-"), "{image:?}");
    for thing in left.of("image").into_iter().chain(left.of("snapshot")) {
        assert_eq!(thing.tags["team"], "web", "{thing:?}");
    }
    let calls = cloud.calls();
    assert!(calls.of("CopyImage").is_empty(), "{}", calls.sequence());
}

#[test]
fn what_amazon_would_refuse_after_the_upload_is_found_by_validate() {
    let cloud = cloud();
    for (line, said) in [
        (
            "ami_name = \"web:1 #2\"",
            "the image's name `web:1 #2` has `:`, `#`",
        ),
        ("region = \"us-wst-2\"", "there is no region `us-wst-2`"),
        ("ami_groups = [\"nobody\"]", "there is no group `nobody`"),
        (
            "architecture = \"arm\"",
            "the option `architecture` of post-processor",
        ),
        (
            "license_type = \"free\"",
            "the option `license_type` of post-processor",
        ),
        (
            "aws_polling {\n      max_attempts = -1\n    }",
            "the option `max_attempts` of `aws_polling`",
        ),
    ] {
        let printed = test(&cloud, line).run(&["validate", "-color=false", "."]);
        assert_ne!(printed.code, 0, "{line}: {}", printed.text());
        assert!(printed.text().contains(said), "{}", printed.text());
    }
    assert_eq!(cloud.calls().len(), 0);
}

/// Where an account is named, a placeholder is valid, as with Packer; the run refuses it before anything is uploaded.
#[test]
fn an_account_that_is_none_is_refused_before_the_upload() {
    let cloud = cloud();
    let test = test(&cloud, "ami_users = [\"12\"]");
    let valid = test.run(&["validate", "."]);
    assert_eq!(valid.code, 0, "{}", valid.text());
    let said = "`12` is not the number of an account";
    let plan = test.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 3, "{}", plan.text());
    assert!(
        plan.stdout.contains(&format!("! {said}")),
        "{}",
        plan.text()
    );
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 3, "{}", printed.text());
    assert!(printed.text().contains(said), "{}", printed.text());
    assert_eq!(cloud.calls().len(), 0, "{}", cloud.calls().sequence());
}

#[test]
fn a_name_that_is_taken_is_said_by_the_plan_and_before_the_upload() {
    let cloud = cloud();
    let named = "ami_name = \"disk-1\"";
    let first = test(&cloud, named);
    let plan = first.run(&["plan", "-color=false", "."]);
    let free = "`disk-1` is free in us-east-1";
    assert!(plan.stdout.contains(free), "{}", plan.text());
    assert_eq!(first.run(&["build", "."]).code, 0);
    let image = cloud.left().of("image")[0].id.clone();
    // Somebody else's template.
    let other = test(&cloud, named);
    let text = other.read("main.pkr.hcl").replace("\"disk\"", "\"app\"");
    other.write("main.pkr.hcl", text.replace("file.disk", "file.app"));
    cloud.forget_calls();
    let plan = other.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 3, "{}", plan.text());
    let said = format!("! `disk-1` belongs to {image} of ");
    assert!(plan.stdout.contains(&said), "{}", plan.text());
    let printed = other.run(&["build", "-color=false", "."]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    for said in [
        format!("the name `disk-1` belongs to the image {image} in us-east-1"),
        "give another `ami_name`".to_owned(),
    ] {
        assert!(printed.text().contains(&said), "{}", printed.text());
    }
    let calls = cloud.calls();
    assert_eq!(calls.changes().len(), 0, "{}", calls.sequence());
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
}

/// The template's numbers come before those of the environment, which count where it is silent.
#[test]
fn an_import_is_waited_for_as_long_as_is_asked_and_taken_back() {
    let cloud = Cloud::with(Behaviour {
        waits: Waits {
            image: Delay::Time(Duration::from_secs(300)),
            ..Waits::default()
        },
        ..Behaviour::default()
    })
    .unwrap();
    make_bucket(&cloud);
    let block = "aws_polling {\n      delay_seconds = 1\n      max_attempts  = 2\n    }";
    for (options, delay, attempts) in [(block, "30", "9999"), ("", "1", "2")] {
        let test = test(&cloud, options)
            .env("AWS_POLL_DELAY_SECONDS", delay)
            .env("AWS_MAX_ATTEMPTS", attempts);
        let begun = Instant::now();
        let printed = test.run(&["build", "-color=false", "."]);
        assert_ne!(printed.code, 0, "{}", printed.text());
        let said = "waited 2 seconds for the import import-ami-";
        assert!(printed.text().contains(said), "{}", printed.text());
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{:?}",
            begun.elapsed()
        );
        assert_eq!(cloud.left().summary(), "", "{}", cloud.left());
    }
}

/// From its first request on: what is imported has been made already.
#[test]
fn an_import_waits_for_new_credentials_and_goes_on() {
    let cloud = cloud();
    let new = |key: &str| {
        let text = test(&cloud, "ami_name = \"disk-1\"").read("main.pkr.hcl");
        let mut test = Test::new(&text).env("IMGC_CREDENTIALS_WAIT", "60s");
        for (name, value) in cloud.environment() {
            if !name.contains("KEY") {
                test = test.env(name, &value);
            }
        }
        test.write("disk.bin", vec![7_u8; 1000]);
        test.write(".aws/credentials", profile(key));
        test
    };
    let whole = new("whole").run(&["build", "-color=false", "."]);
    assert_eq!(whole.code, 0, "{}", whole.text());
    let calls = cloud.calls();
    for action in ["PutObject", "ImportImage"] {
        let before = calls.iter().position(|call| call.action == action).unwrap();
        cloud.reset().unwrap();
        make_bucket(&cloud);
        let test = new(&format!("old{action}"));
        cloud.change(|behaviour| behaviour.expires_after = Some(before as u64));
        let mut child = test.spawn(&["build", "-color=false", "."]);
        until_expired(&cloud, &mut child);
        let made = cloud.calls();
        let refused = made.of(action);
        assert!(
            !refused.is_empty() && refused.iter().all(|call| call.error.is_some()),
            "{}",
            made.sequence()
        );
        cloud.change(|behaviour| behaviour.expires_after = None);
        test.write(".aws/credentials", profile(&format!("new{action}")));
        let printed = test.finish(child);
        assert_eq!(printed.code, 0, "{action}: {}", printed.text());
        for said in [
            "have expired: waiting up to 1 minute for new ones",
            "there are new credentials: going on",
        ] {
            assert!(
                printed.stdout.contains(said),
                "{action}: {}",
                printed.text()
            );
        }
        let left = cloud.left();
        assert_eq!(left.summary(), "1 image, 1 snapshot", "{action}: {left}");
    }
}

#[test]
fn an_import_without_a_file_or_a_bucket_says_so() {
    let cloud = cloud();
    let none = test(&cloud, "");
    none.write(
        "main.pkr.hcl",
        none.read("main.pkr.hcl").replace("\"raw\"", "\"vmdk\""),
    );
    let printed = none.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 3, "{}", printed.text());
    assert!(
        printed.text().contains("no file that ends with `.vmdk`"),
        "{}",
        printed.text()
    );
    let gone = test(&cloud, "");
    gone.write(
        "main.pkr.hcl",
        gone.read("main.pkr.hcl")
            .replace("\"images\"", "\"nowhere\""),
    );
    let printed = gone.run(&["build", "-color=false", "."]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    assert!(
        printed.text().contains("upload to s3://nowhere/"),
        "{}",
        printed.text()
    );
    assert!(
        printed.text().contains("NoSuchBucket"),
        "{}",
        printed.text()
    );
    assert_eq!(cloud.left().summary(), "", "{}", cloud.left());
}

#[test]
fn a_plan_says_what_an_import_makes_and_whether_its_bucket_is_there() {
    let cloud = cloud();
    let there = test(&cloud, "ami_name = \"disk-1\"");
    let plan = there.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 0, "{}", plan.text());
    for said in [
        "images is there",
        "S3 object in us-east-1: in the bucket images (until the build ends)",
        "image in us-east-1: disk-1 (stays)",
    ] {
        assert!(plan.stdout.contains(said), "no `{said}` in {}", plan.text());
    }
    let text = there.read("main.pkr.hcl");
    there.write("main.pkr.hcl", text.replace("\"images\"", "\"nowhere\""));
    let plan = there.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 3, "{}", plan.text());
    let said =
        "! there is no bucket nowhere: make it, or name one that is there with `s3_bucket_name`";
    assert!(plan.stdout.contains(said), "{}", plan.text());
    assert_eq!(cloud.calls().changes().of("PutObject").len(), 0);
}

/// After every single call of an import in parts: the process is killed when the call has had its effect, `imgc gc` runs, and
/// nothing is left, or the finished image.
#[test]
fn killed_after_any_call_of_an_import_gc_leaves_nothing() {
    let cloud = cloud();
    let options = "ami_name = \"disk-1\"";
    let new = || {
        let test = test(&cloud, options);
        test.write("disk.bin", vec![7_u8; (16 << 20) + 1]);
        test
    };
    assert_eq!(new().run(&["build", "."]).code, 0);
    let points = cloud.calls().len();
    let mut died = 0;
    for point in 1..=points {
        cloud.reset().unwrap();
        make_bucket(&cloud);
        let test = new();
        let seen = Arc::new(AtomicUsize::new(0));
        let process = Arc::new(Mutex::new(None::<Pid>));
        let (counter, victim) = (seen.clone(), process.clone());
        // The lock is held until the process is known.
        let mut holder = process.lock().unwrap();
        cloud.hook(move |_, moment| {
            if moment == Moment::After && counter.fetch_add(1, Ordering::SeqCst) + 1 == point {
                if let Some(pid) = *victim.lock().unwrap() {
                    kill(pid, Signal::SIGKILL).unwrap();
                }
                return Then::HangUp;
            }
            Then::GoOn
        });
        let child = test.spawn(&["build", "."]);
        *holder = Some(Pid::from_raw(child.id() as i32));
        drop(holder);
        let printed = test.finish(child);
        cloud.unhook();
        died += usize::from(printed.code != 0);
        let gone = test.run(&["gc"]);
        assert_eq!(gone.code, 0, "after call {point}: {}", gone.text());
        let left = cloud.left();
        let finished = left.summary() == "1 image, 1 snapshot" && printed.code == 0;
        assert!(
            left.summary().is_empty() || finished,
            "after call {point}: {left}\n{}",
            gone.text()
        );
    }
    assert!(died + 1 >= points, "died {died} times of {points}");
}

/// From the moment that there is a task, which names the object: from another machine, by tags alone.
#[test]
fn a_killed_import_is_removed_elsewhere_by_the_tags_of_its_task() {
    let named = "ami_name = \"disk-1\"";
    for (options, action) in [
        (named, "ImportImage"),
        (named, "DescribeImportImageTasks"),
        (named, "CopyImage"),
        ("", "DescribeImages"),
    ] {
        let cloud = cloud();
        let test = test(&cloud, options);
        test.write("disk.bin", "a disk");
        let process = Arc::new(Mutex::new(None::<Pid>));
        let victim = process.clone();
        let mut holder = process.lock().unwrap();
        let wanted = action.to_owned();
        cloud.hook(move |call, moment| {
            if moment == Moment::After
                && call.action == wanted
                && let Some(pid) = *victim.lock().unwrap()
            {
                kill(pid, Signal::SIGKILL).unwrap();
            }
            Then::GoOn
        });
        let child = test.spawn(&["build", "."]);
        *holder = Some(Pid::from_raw(child.id() as i32));
        drop(holder);
        let printed = test.finish(child);
        cloud.unhook();
        assert_eq!(printed.code, -1, "{action}: {}", printed.text());
        assert_ne!(cloud.left().summary(), "", "{action}");
        let mut other = Test::new("").env("IMGC_INTERNAL_CLOCK", "1700086401,test");
        for (name, value) in cloud.environment() {
            other = other.env(name, &value);
        }
        let gone = other.run(&["gc", "--cloud", "aws", "--region", "us-east-1"]);
        assert_eq!(gone.code, 0, "{action}: {}", gone.text());
        let left = cloud.left();
        assert_eq!(left.summary(), "", "{action}: {left}\n{}", gone.text());
    }
}
