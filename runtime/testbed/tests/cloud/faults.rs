//! What goes wrong on the way: throttling, broken servers and lines, clocks, credentials, rights.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, Bucket, Odds};

use crate::client::Client;

/// What 40 calls are answered, 0 for nothing.
fn answers(client: &Client) -> Vec<u16> {
    let asked = |_| client.query("ec2", "DescribeKeyPairs", &[]);
    (0..40)
        .map(|at| asked(at).map_or(0, |answer| answer.status))
        .collect()
}

#[test]
fn calls_go_wrong_as_often_as_asked_and_the_same_way_each_time() {
    let odds = Odds {
        throttled: 0.1,
        failing: 0.1,
        cut: 0.1,
        lost: 0.1,
    };
    let cloud = Cloud::with(Behaviour {
        seed: 7,
        odds,
        ..Behaviour::default()
    })
    .unwrap();
    let client = Client::new(&cloud);
    let first = answers(&client);
    let wrong = first.iter().filter(|status| **status != 200).count();
    assert!((6..=24).contains(&wrong), "{first:?}");
    for status in [0, 200, 503] {
        assert!(first.contains(&status), "{first:?}");
    }
    cloud.reset().unwrap();
    assert_eq!(answers(&client), first);
    cloud.reset().unwrap();
    cloud.change(|behaviour| behaviour.seed = 8);
    assert_ne!(answers(&client), first);
    cloud.change(|behaviour| behaviour.faulty = vec!["RunInstances".to_owned()]);
    assert_eq!(answers(&client), [200; 40]);
}

#[test]
fn a_cut_call_does_nothing_and_a_lost_one_everything() {
    let cloud = Cloud::start().unwrap();
    let client = Client::new(&cloud);
    let key = |name| client.query("ec2", "CreateKeyPair", &[("KeyName", name)]);
    cloud.change(|behaviour| behaviour.odds.cut = 1.0);
    assert_eq!(key("cut"), None);
    cloud.change(|behaviour| {
        behaviour.odds = Odds {
            lost: 1.0,
            ..Odds::default()
        };
    });
    assert_eq!(key("lost"), None);
    cloud.change(|behaviour| {
        behaviour.odds = Odds {
            failing: 1.0,
            ..Odds::default()
        };
    });
    let failed = key("failed").unwrap();
    assert!(matches!(failed.status, 500 | 503), "{failed:?}");
    let left: Vec<_> = cloud
        .left()
        .iter()
        .map(|thing| thing.name.clone())
        .collect();
    assert_eq!(left, ["lost"]);
}

#[test]
fn each_account_and_region_has_its_own_bucket_of_requests() {
    let cloud = Cloud::with(Behaviour {
        bucket: Some(Bucket {
            size: 3.0,
            per_second: 0.0,
        }),
        ..Behaviour::default()
    })
    .unwrap();
    let client = Client::new(&cloud);
    let statuses = |client: &Client| -> Vec<u16> {
        let asked = |_| client.ec2("DescribeKeyPairs", &[]).status;
        (0..5).map(asked).collect()
    };
    assert_eq!(statuses(&client), [200, 200, 200, 503, 503]);
    assert_eq!(
        client.refused("DescribeKeyPairs", &[]).1,
        "RequestLimitExceeded"
    );
    assert_eq!(
        statuses(&client.in_region("eu-west-1")),
        [200, 200, 200, 503, 503]
    );
    assert_eq!(statuses(&client.with_key("222222222222"))[..3], [200; 3]);
    let throttled = client.json("ssm", "AmazonSSM.DescribeParameters", "{}");
    assert!(
        throttled.body.contains("ThrottlingException"),
        "{throttled:?}"
    );
    cloud.change(|behaviour| behaviour.bucket = None);
    assert_eq!(statuses(&client), [200; 5]);
}

#[test]
fn credentials_expire_and_clocks_go_wrong() {
    let cloud = Cloud::with(Behaviour {
        expires_after: Some(2),
        ..Behaviour::default()
    })
    .unwrap();
    let client = Client::new(&cloud).with_key("old");
    let caller = client.s3("GET", "/testbed/caller", "");
    assert_eq!(caller.body, "203.0.113.7\n");
    assert!(cloud.caller_url().ends_with("/testbed/caller"));
    assert_eq!(cloud.calls().len(), 0);
    client.ok("DescribeKeyPairs", &[]);
    client.ok("DescribeKeyPairs", &[]);
    assert_eq!(client.refused("DescribeKeyPairs", &[]).1, "RequestExpired");
    let denied = client.query("sts", "GetCallerIdentity", &[]).unwrap();
    assert_eq!(
        (denied.status, denied.text("Code").as_str()),
        (403, "ExpiredToken")
    );
    let denied = client.json("ssm", "AmazonSSM.DescribeParameters", "{}");
    assert!(denied.body.contains("ExpiredTokenException"), "{denied:?}");
    client.with_key("new").ok("DescribeKeyPairs", &[]);

    cloud.change(|behaviour| behaviour.expires_after = None);
    let at = |time: &str| {
        let head = format!(
            "POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nX-Amz-Date: {time}\r\n"
        );
        let answer = client.send("ec2", &head, b"Action=DescribeKeyPairs");
        answer.unwrap().status
    };
    let now = || {
        let now = std::process::Command::new("date")
            .args(["-u", "+%Y%m%dT%H%M%SZ"])
            .output();
        String::from_utf8(now.unwrap().stdout)
            .unwrap()
            .trim()
            .to_owned()
    };
    assert_eq!(at(&now()), 200);
    assert_eq!(at("20200101T000000Z"), 400);
    cloud.change(|behaviour| behaviour.clock_ahead = 3600);
    assert_eq!(at(&now()), 400);
    cloud.change(|behaviour| behaviour.clock_ahead = -100);
    assert_eq!(at(&now()), 200);
}

#[test]
fn what_is_denied_is_said_with_a_message_to_decode() {
    let cloud = Cloud::with(Behaviour {
        denied: vec!["ec2:RunInstances".to_owned(), "ssm:*".to_owned()],
        ..Behaviour::default()
    })
    .unwrap();
    let client = Client::new(&cloud);
    let dry = [("DryRun", "true"), ("ImageId", "ami-1")];
    let denied = client.ec2("RunInstances", &dry);
    assert_eq!(
        (denied.status, denied.text("Code").as_str()),
        (403, "UnauthorizedOperation")
    );
    let message = denied.text("Message");
    assert!(
        message.contains("not authorized to perform: ec2:RunInstances"),
        "{message}"
    );
    let (_, encoded) = message
        .split_once("Encoded authorization failure message: ")
        .unwrap();
    let decoded = client.query(
        "sts",
        "DecodeAuthorizationMessage",
        &[("EncodedMessage", encoded)],
    );
    let decoded = decoded
        .unwrap()
        .text("DecodedMessage")
        .replace("&quot;", "\"");
    assert!(
        decoded.contains(r#""action":"ec2:RunInstances""#),
        "{decoded}"
    );
    let other = client.query(
        "sts",
        "DecodeAuthorizationMessage",
        &[("EncodedMessage", "bm9uZQ==")],
    );
    assert_eq!(
        other.unwrap().text("Code"),
        "InvalidAuthorizationMessageException"
    );
    let parameter = client.json("ssm", "AmazonSSM.PutParameter", r#"{"Name": "/p"}"#);
    assert_eq!(parameter.status, 400);
    assert!(
        parameter.body.contains("AccessDeniedException"),
        "{parameter:?}"
    );
    assert_eq!(
        client.refused("CreateKeyPair", &[("KeyName", "k"), ("DryRun", "true")]),
        (412, "DryRunOperation".to_owned())
    );
    assert_eq!(cloud.left().summary(), "");
}
