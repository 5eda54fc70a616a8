//! `amazon-ebs` against a cloud of the tests with a real sshd behind every instance.

mod bad_input;
mod diagnosis;
mod outside;
mod rights;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, Delay, Machines, Moment, Then, Waits};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::Test;

mod accounts;
mod arrives;
mod beside;
mod bundles;
mod checkpoints;
mod chroots;
mod clocks;
mod defaults;
mod family;
mod going_on;
mod import;
mod keys;
mod launching;
mod leaks;
mod leaks_of_a_whole;
mod leaks_of_checks;
mod let_go;
mod logins;
mod looked_up;
mod network;
mod odds;
mod on_image;
mod only_copies;
mod packer;
mod page;
mod pages;
mod parameters;
mod policies;
mod publish;
mod renewal;
mod resume;
mod retention;
mod roads;
mod rollback;
mod seldom;
mod sessions;
mod shared;
mod stories;
mod surrogates;
mod trust;
mod unseen;
mod volumes;

fn behaviour() -> Behaviour {
    let once = Delay::Answers(1);
    Behaviour {
        waits: Waits {
            pending: once,
            stopping: once,
            shutting_down: once,
            image: once,
            ..Waits::default()
        },
        machines: Some(Machines::default()),
        ..Behaviour::default()
    }
}

fn user() -> String {
    nix::unistd::User::from_uid(nix::unistd::getuid())
        .unwrap()
        .unwrap()
        .name
}

/// Options that give the instance a role made for the build.
const PROFILE: &str = r#"temporary_iam_instance_profile_policy_document {
    Version = "2012-10-17"
    Statement {
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["arn:aws:s3:::packages/*"]
    }
  }"#;

/// A template with a source that is found by name, and one script.
fn template(cloud: &Cloud) -> String {
    format!(
        r#"source "amazon-ebs" "web" {{
  ami_name      = "web-1"
  instance_type = "t3.micro"
  ssh_username  = "{}"
  ssh_port      = {}
  source_ami_filter {{
    filters = {{
      name                = "ubuntu/images/*-noble-24.04-amd64-server-*"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }}
    owners      = ["099720109477"]
    most_recent = true
  }}
  run_tags = {{ team = "web" }}
  tags     = {{ base = "{{{{ .SourceAMIName }}}}" }}
}}
build {{
  sources = ["amazon-ebs.web"]
  provisioner "shell" {{
    inline = ["echo inside the machine"]
  }}
}}
"#,
        user(),
        cloud.ssh_port()
    )
}

/// The usual template as that of several builds: `web-0` and so on.
fn several(template: &str, builds: usize) -> String {
    let (source, build) = template.split_once("build {").unwrap();
    let sources: Vec<String> = (0..builds)
        .map(|at| {
            let named = source.replacen("\"web\"", &format!("\"web{at}\""), 1);
            named.replace("web-1", &format!("web-{at}"))
        })
        .collect();
    let names: Vec<String> = (0..builds)
        .map(|at| format!("\"amazon-ebs.web{at}\""))
        .collect();
    let build = build.replace("\"amazon-ebs.web\"", &names.join(", "));
    format!("{}build {{{build}", sources.concat())
}

fn test(cloud: &Cloud) -> Test {
    of(cloud, &template(cloud))
}

/// A fixture in the environment of a cloud.
fn of(cloud: &Cloud, fixture: &str) -> Test {
    let mut test = Test::new(fixture);
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    test
}

#[test]
fn an_image_is_made_and_nothing_else_stays() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let left = cloud.left();
    let images = left.of("image");
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
    let image = images[0];
    // What scripts look for.
    let lines: Vec<&str> = printed.stdout.lines().collect();
    let at = lines
        .iter()
        .position(|line| *line == "--> amazon-ebs.web: AMIs were created:")
        .unwrap_or_else(|| panic!("{}", printed.text()));
    assert_eq!(lines[at + 1], format!("us-east-1: {}", image.id));
    assert!(printed.stdout.contains("inside the machine"));
    // What is finished is not marked as something that may be removed.
    for thing in left.iter() {
        assert!(thing.tags.contains_key("imgc:run"), "{thing:?}");
        assert!(!thing.tags.contains_key("imgc:expires"), "{thing:?}");
        assert_eq!(
            thing.tags["base"],
            "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260801"
        );
        assert_eq!(thing.tags["team"], "web");
    }
    let calls = cloud.calls();
    // Packer 1.6.6 asks 21 times where nothing takes time; here four states do, each of which takes one more.
    let asked = calls.len() + cloud.dry_runs().len();
    assert!(asked <= 21 + 4, "{asked}");
    for call in calls.iter() {
        assert_eq!(call.error, None, "{call:?}");
        for kind in ["instance", "volume", "key-pair", "security-group", "image"] {
            let tags = call.tags(kind);
            if !tags.is_empty() && call.action != "CreateTags" {
                let both = ["imgc:run", "imgc:expires"];
                assert!(both.iter().all(|tag| tags.contains_key(tag)), "{call:?}");
                let is_run = !["image", "volume"].contains(&kind);
                assert!(!is_run || tags["team"] == "web", "{call:?}");
            }
        }
    }
    let opened: Vec<_> = calls
        .iter()
        .filter(|call| call.action == "AuthorizeSecurityGroupIngress")
        .flat_map(|call| call.ranges())
        .collect();
    assert_eq!(opened, ["127.0.0.1/32"]);
    let started = calls
        .iter()
        .find(|call| call.action == "RunInstances")
        .unwrap();
    assert_eq!(started.parameter("MetadataOptions.HttpTokens"), "required");
    assert!(!started.parameter("ClientToken").is_empty());
    assert!(!started.tags("instance").is_empty() && !started.tags("volume").is_empty());
}

#[test]
fn one_build_asks_no_more_often_than_packer() {
    let cloud = Cloud::with(Behaviour {
        waits: Waits::default(),
        ..behaviour()
    })
    .unwrap();
    let test = test(&cloud);
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    // As often as Packer 1.6.6 asks a server on which everything is done at once, with the dry runs.
    let asked = cloud.calls().len() + cloud.dry_runs().len();
    assert!(asked <= 21, "{asked}: {}", cloud.calls().sequence());
}

/// Builds that want the same of Amazon at the same time ask once.
#[test]
fn many_builds_share_their_requests() {
    const BUILDS: usize = 6;
    let cloud = Cloud::with(Behaviour {
        latency: std::time::Duration::from_millis(200),
        ..behaviour()
    })
    .unwrap();
    let test = of(&cloud, &several(&template(&cloud), BUILDS));
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let left = cloud.left();
    assert_eq!(left.summary(), "6 image, 6 snapshot", "{left}");
    for thing in left.iter() {
        assert!(!thing.tags.contains_key("imgc:expires"), "{thing:?}");
    }
    let calls = cloud.calls();
    // Each instance is stopped and ended once, whoever shared the request.
    for action in ["StopInstances", "TerminateInstances"] {
        let of = calls.of(action);
        let mut ids: Vec<&str> = of.iter().flat_map(|call| call.list("InstanceId")).collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!((count, ids.len()), (BUILDS, BUILDS), "{action}");
    }
    // The first one who asks for a name asks alone, the others together.
    let names = calls.of("DescribeImages");
    let names: Vec<usize> = names
        .iter()
        .filter(|call| call.parameter("Filter.1.Name") == "name" && call.list("Owner") == ["self"])
        .map(|call| call.list("Filter.1.Value").len())
        .collect();
    assert_eq!(names.iter().sum::<usize>(), BUILDS, "{names:?}");
    assert!(names.len() < BUILDS, "{names:?}");
    assert!(
        cloud.dry_runs().len() <= 3,
        "{}",
        cloud.dry_runs().sequence()
    );
}

#[test]
fn a_machine_with_another_host_key_is_refused() {
    let cloud = Cloud::with(Behaviour {
        machines: Some(Machines {
            ignore_user_data: true,
            silent_console: true,
            ..Machines::default()
        }),
        ..behaviour()
    })
    .unwrap();
    let short = template(&cloud).replacen("ssh_port", "ssh_timeout = \"3s\"\n  ssh_port", 1);
    let test = of(&cloud, &short);
    let printed = test.run(&["build", "-color=false", "."]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    assert!(
        printed.text().contains("does not tell its host key"),
        "{}",
        printed.text()
    );
    assert_eq!(cloud.left().summary(), "", "{}", cloud.left());
}

#[test]
fn a_taken_name_is_said_before_anything_is_made() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    assert_eq!(test.run(&["build", "."]).code, 0);
    cloud.forget_calls();
    let again = test.run(&["build", "-color=false", "."]);
    assert_ne!(again.code, 0);
    assert!(
        again
            .text()
            .contains("the name `web-1` belongs to the image"),
        "{}",
        again.text()
    );
    let calls = cloud.calls();
    assert!(
        calls.iter().all(|call| call.action.starts_with("Describe")),
        "{calls:?}"
    );
}

#[test]
fn nothing_changed_means_nothing_runs_until_the_image_is_gone() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let first = test.run(&["apply", "-color=false", "."]);
    assert_eq!(first.code, 0, "{}", first.text());
    let image = cloud.left().of("image")[0].id.clone();
    cloud.forget_calls();
    let again = test.run(&["apply", "-color=false", "."]);
    assert_eq!(again.code, 0, "{}", again.text());
    assert!(
        again.stdout.contains(&format!("us-east-1: {image}")),
        "{}",
        again.text()
    );
    let calls = cloud.calls();
    assert!(
        calls.iter().all(|call| call.action == "DescribeImages"),
        "{}",
        calls.sequence()
    );
    cloud
        .ec2("us-east-1", "DeregisterImage", &[("ImageId", &image)])
        .unwrap();
    let plan = test.run(&["plan", "-color=false", "."]);
    let gone = format!("`aws image {image} (us-east-1)` has been deleted");
    assert!(plan.text().contains(&gone), "{}", plan.text());
    let third = test.run(&["apply", "-color=false", "."]);
    assert_eq!(third.code, 0, "{}", third.text());
    let left = cloud.left();
    assert_eq!(left.of("image").len(), 1, "{left}");
    assert_ne!(left.of("image")[0].id, image);
}

#[test]
fn a_source_and_a_secret_are_looked_up_at_amazon() {
    let cloud = Cloud::start().unwrap();
    cloud
        .moto()
        .call(
            "secretsmanager",
            "CreateSecret",
            r#"{"Name": "web/token", "SecretString": "{\"token\": \"s3cret-t0ken\"}"}"#,
        )
        .unwrap();
    let mut test = Test::new(
        r#"data "amazon-ami" "ubuntu" {
  filters = {
    name             = "ubuntu/images/*-noble-24.04-amd64-server-*"
    root-device-type = "ebs"
  }
  owners      = ["099720109477"]
  most_recent = true
}
data "amazon-secretsmanager" "web" {
  name = "web/token"
  key  = "token"
}
source "null" "here" {
  communicator = "none"
}
build {
  sources = ["null.here"]
  provisioner "shell-local" {
    env    = { TOKEN = data.amazon-secretsmanager.web.value }
    inline = ["echo ${data.amazon-ami.ubuntu.id} $${#TOKEN} $TOKEN"]
  }
}
"#,
    );
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let said = format!("{} 12 <sensitive>", imgc_testbed::cloud::stock::UBUNTU);
    assert!(printed.stdout.contains(&said), "{}", printed.text());
}

/// After every single call: the process is killed when the call has had its effect, `imgc gc` runs, and nothing is left.
#[test]
fn killed_after_any_call_gc_leaves_nothing() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let whole = test(&cloud);
    assert_eq!(whole.run(&["build", "."]).code, 0);
    let points = cloud.calls().len();
    drop(whole);
    let mut died = BTreeSet::new();
    for point in 1..=points {
        cloud.reset().unwrap();
        let test = test(&cloud);
        let seen = std::sync::Arc::new(AtomicUsize::new(0));
        let process = std::sync::Arc::new(Mutex::new(None::<Pid>));
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
        if printed.code != 0 {
            died.insert(point);
        }
        let gone = test.run(&["gc"]);
        assert_eq!(gone.code, 0, "after call {point}: {}", gone.text());
        let left = cloud.left();
        // The end of a run whose image is finished may be cut off: the image stays.
        let summary = left.summary();
        let finished = printed.code != 0 && summary == "1 image, 1 snapshot" && {
            let images = test.run(&["images"]);
            images.text().contains(&left.of("image")[0].id)
        };
        assert!(
            summary.is_empty() || finished || printed.code == 0,
            "after call {point}: {left}\n{}",
            gone.text()
        );
    }
    assert!(died.len() + 1 >= points, "died at {died:?} of {points}");
}

#[test]
fn names_that_only_the_run_knows_are_checked_then() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let name = |name: &str| template(&cloud).replace("web-1", name);
    test.write("main.pkr.hcl", name("web-{{ uuid }}"));
    let printed = test.run(&["validate", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let left = cloud.left();
    assert!(left.of("image")[0].name.starts_with("web-"), "{left}");
    assert!(!left.of("image")[0].name.contains('{'), "{left}");

    test.write("main.pkr.hcl", name("web-{{ build_name }}:{{ uuid }}"));
    let calls = cloud.calls().len();
    let printed = test.run(&["build", "-color=false", "."]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    assert!(printed.text().contains("has `:`"), "{}", printed.text());
    assert_eq!(cloud.calls().len(), calls, "nothing was asked");
}
