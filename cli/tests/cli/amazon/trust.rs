//! Whom a build believes, and in whose name it asks: what a template says of host keys, credentials and endpoints.
//!
//! In: templates with these options. Out: what the cloud has recorded of the builds.

use imgc_testbed::cloud::{Behaviour, Machines, Moment, Then};
use imgc_testbed::{Cloud, FOREIGN_KEY};

use super::arrives::{alone, build, make_key, succeeds, user_data};
use super::logins::{asked, nobody};
use super::{behaviour, of};
use crate::harness::Test;

/// A cloud whose images read no user data, so that machines have host keys of their own.
fn without_cloud_init(machines: Machines) -> Cloud {
    Cloud::with(Behaviour {
        machines: Some(Machines {
            ignore_user_data: true,
            ..machines
        }),
        ..behaviour()
    })
    .unwrap()
}

fn mute() -> Machines {
    Machines {
        silent_console: true,
        ..Machines::default()
    }
}

#[test]
fn whoever_answers_is_believed_where_the_template_says_so() {
    let cloud = without_cloud_init(mute());
    let test = of(
        &cloud,
        &alone(&cloud, "trusting", "  host_key = \"insecure\""),
    );
    let printed = succeeds(&test);
    let said = "host_key = \"insecure\": whoever answers as ";
    assert!(printed.text().contains(said), "{}", printed.text());
    let calls = cloud.calls();
    let read = calls.of("GetConsoleOutput");
    assert_eq!(read.len(), 0, "{}", calls.sequence());
}

/// With an address of its own a template has the communicator's rules: the first key is kept, unless another one is known.
#[test]
fn an_address_of_the_template_follows_known_hosts_and_first_use() {
    let cloud = without_cloud_init(mute());
    // The addresses of the cloud's machines, in the order in which they are started.
    let at = |address: &str| format!("  ssh_host = \"{address}\"\n  ssh_timeout = \"3s\"");
    let test = of(&cloud, &alone(&cloud, "first", &at("127.0.0.2")));
    let known = format!("[127.0.0.3]:{} {FOREIGN_KEY}\n", cloud.ssh_port());
    test.write(".ssh/known_hosts", known);
    succeeds(&test);
    let calls = cloud.calls();
    let read = calls.of("GetConsoleOutput");
    assert_eq!(read.len(), 0, "{}", calls.sequence());
    let data = user_data(&calls, "first");
    assert!(!data.contains("ssh_keys:"), "{data}");

    test.write("main.pkr.hcl", alone(&cloud, "known", &at("127.0.0.3")));
    let printed = build(&test);
    let text = printed.text();
    assert_ne!(printed.code, 0, "{text}");
    for part in ["cannot trust ", "ssh-keygen -R '[127.0.0.3]:"] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
}

#[test]
fn a_machine_that_shows_another_key_than_its_console_tells_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let shown = directory.path().join("shown");
    make_key(&shown);
    // The first key of a kind is the one that is shown; the console tells the machine's own.
    let cloud = without_cloud_init(Machines {
        config: vec![format!("HostKey {}", shown.display())],
        ..Machines::default()
    });
    let test = of(&cloud, &alone(&cloud, "web", "  ssh_timeout = \"3s\""));
    let printed = build(&test);
    let text = printed.text();
    assert_ne!(printed.code, 0, "{text}");
    let calls = cloud.calls();
    assert!(!calls.of("GetConsoleOutput").is_empty(), "{text}");
    let left = cloud.left();
    assert_eq!(left.summary(), "", "{left}");
    for part in ["cannot trust ", "somebody is in between"] {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    // The key came from the console: there is none to remove from a file of known hosts.
    for part in ["ssh_host", "host_key = \"insecure\""] {
        assert!(text.contains(part), "no way out by `{part}` in {text}");
    }
    assert!(!text.contains("ssh-keygen -R"), "{text}");
}

/// With the keys of an account: a key of twelve digits is of the account with that number.
fn by_keys(test: Test, account: &str) -> Test {
    test.env("AWS_ACCESS_KEY_ID", account)
        .env("AWS_SECRET_ACCESS_KEY", "testing")
}

/// A role of another account, with everything that can be said of one.
const ROLE: &str = r#"  assume_role {
    role_arn         = "arn:aws:iam::444444444444:role/images"
    session_name     = "nightly"
    external_id      = "of-ours"
    duration_seconds = 1800
    policy           = jsonencode({ Statement = [{ Effect = "Allow", Action = "ec2:*", Resource = "*" }] })
    policy_arns      = ["arn:aws:iam::aws:policy/AmazonEC2FullAccess"]
    tags             = { team = "web" }
  }"#;

#[test]
fn credentials_of_the_template_come_before_those_of_the_environment() {
    for (name, options, account) in [
        (
            "keys",
            "  access_key = \"222222222222\"\n  secret_key = \"testing\"",
            "222222222222",
        ),
        (
            "file",
            "  profile = \"images\"\n  shared_credentials_file = \"keys/credentials\"",
            "333333333333",
        ),
        ("role", ROLE, "444444444444"),
    ] {
        // moto has the disks of its images in the account that asks first.
        let cloud = Cloud::with(behaviour()).unwrap();
        let test = nobody(&cloud, &alone(&cloud, name, options));
        let test = by_keys(test, "111111111111");
        test.write(
            "keys/credentials",
            "[images]\naws_access_key_id = 333333333333\naws_secret_access_key = testing\n",
        );
        succeeds(&test);
        assert_eq!(asked(&cloud), [account], "{name}");
        if name == "role" {
            is_taken_as_written(&cloud);
        }
    }
}

/// Every part of the block [`ROLE`] is told to Amazon.
fn is_taken_as_written(cloud: &Cloud) {
    let calls = cloud.calls();
    let taken = calls.of("AssumeRole");
    assert!(!taken.is_empty(), "{}", calls.sequence());
    for call in taken.iter() {
        assert_eq!(call.account, "111111111111");
        for (parameter, wanted) in [
            ("RoleArn", "arn:aws:iam::444444444444:role/images"),
            ("RoleSessionName", "nightly"),
            ("ExternalId", "of-ours"),
            ("DurationSeconds", "1800"),
            (
                "PolicyArns.member.1.arn",
                "arn:aws:iam::aws:policy/AmazonEC2FullAccess",
            ),
            ("Tags.member.1.Key", "team"),
            ("Tags.member.1.Value", "web"),
        ] {
            assert_eq!(call.parameter(parameter), wanted, "{parameter}: {call:?}");
        }
        let policy: serde_json::Value = serde_json::from_str(call.parameter("Policy")).unwrap();
        assert_eq!(policy["Statement"][0]["Action"], "ec2:*", "{policy}");
    }
}

/// Who removes what a run has left comes by the record of the run, and the role wants its external id from everybody.
#[test]
fn what_is_left_is_removed_by_a_role_that_wants_an_external_id() {
    let cloud = Cloud::with(behaviour()).unwrap();
    cloud.hook(|call, moment| {
        let comes = moment == Moment::Before && call.action == "AssumeRole";
        match comes && call.parameter("ExternalId") != "of-ours" {
            true => Then::Refuse(
                403,
                "AccessDenied".into(),
                "not without an external id".into(),
            ),
            false => Then::GoOn,
        }
    });
    let test = by_keys(nobody(&cloud, &alone(&cloud, "left", ROLE)), "111111111111");
    cloud.change(|behaviour| behaviour.denied = vec!["ec2:CreateImage".to_owned()]);
    let failed = test.run(&["apply", "-color=false", "-on-error=abort", "."]);
    assert_ne!(failed.code, 0, "{}", failed.text());
    let left = cloud.left();
    assert_eq!(left.of("instance").len(), 1, "{left}");
    let gone = test.run(&["gc"]);
    cloud.unhook();
    let left = cloud.left();
    assert_eq!(left.summary(), "", "{left}\n{}", gone.text());
    assert_eq!(gone.code, 0, "{}", gone.text());
}

#[test]
fn a_token_of_the_environment_is_changed_for_a_role() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let role = "arn:aws:iam::555555555555:role/ci";
    let test = nobody(&cloud, &alone(&cloud, "web", ""));
    test.write("token", "head.claims.signature");
    let token = test.path("token").to_string_lossy().into_owned();
    let test = test
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", &token)
        .env("AWS_ROLE_ARN", role)
        .env("AWS_ROLE_SESSION_NAME", "job-7");
    succeeds(&test);
    assert_eq!(asked(&cloud), ["555555555555"]);
    let calls = cloud.calls();
    let taken = calls.of("AssumeRoleWithWebIdentity");
    assert!(!taken.is_empty(), "{}", calls.sequence());
    for call in taken.iter() {
        assert_eq!(call.parameter("RoleArn"), role);
        assert_eq!(call.parameter("RoleSessionName"), "job-7");
    }
}

#[test]
fn an_endpoint_of_the_template_is_where_ec2_is() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let url = cloud.url();
    let options = format!("  custom_endpoint_ec2 = \"{url}\"");
    let mut test = Test::new(&alone(&cloud, "web", &options));
    for (name, value) in cloud.environment() {
        if name != "AWS_ENDPOINT_URL" {
            test = test.env(name, &value);
        }
    }
    // Nothing of the environment leads to EC2; what else may be asked is here as well.
    for service in ["IAM", "PRICING", "SERVICE_QUOTAS", "SSM", "STS"] {
        test = test.env(&format!("AWS_ENDPOINT_URL_{service}"), &url);
    }
    succeeds(&test);
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
}
