//! What is recorded, and what is left.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, Delay, Moment, Then, Waits, stock};

use crate::client::{Client, text, texts};

/// A small instance of the Ubuntu.
pub(crate) const RUN: [(&str, &str); 4] = [
    ("ImageId", stock::UBUNTU),
    ("InstanceType", "t3.micro"),
    ("MinCount", "1"),
    ("MaxCount", "1"),
];

#[test]
fn calls_of_all_services_are_recorded_without_credentials() {
    let cloud = Cloud::start().unwrap();
    let client = Client::new(&cloud);
    client.ok(
        "DescribeImages",
        &[
            ("Owner.1", "099720109477"),
            ("Filter.1.Name", "architecture"),
            ("Filter.1.Value.1", "arm64"),
        ],
    );
    let run = [
        RUN.as_slice(),
        &[
            ("TagSpecification.1.ResourceType", "instance"),
            ("TagSpecification.1.Tag.1.Key", "imgc:run"),
            ("TagSpecification.1.Tag.1.Value", "a & b"),
        ],
    ];
    client.ok("RunInstances", &run.concat());
    client.json(
        "ssm",
        "AmazonSSM.PutParameter",
        r#"{"Name": "/p", "Value": "v", "Type": "String"}"#,
    );
    client.query("sts", "GetCallerIdentity", &[]).unwrap();
    client.s3("PUT", "/bucket", "");
    client.s3("PUT", "/bucket/a/b%20c", "hello");
    client.s3("POST", "/bucket/big?uploads", "");
    let missing = client.refused(
        "TerminateInstances",
        &[("InstanceId.1", "i-00000000000000000")],
    );
    assert_eq!(missing, (400, "InvalidInstanceID.NotFound".to_owned()));

    let body = r#"{"Name": "prepared", "SecretString": "by the test"}"#;
    let moto = cloud.moto();
    moto.call("secretsmanager", "CreateSecret", body).unwrap();
    let body = r#"{"SecretId": "prepared"}"#;
    let secret = client.json("secretsmanager", "secretsmanager.GetSecretValue", body);
    assert!(secret.body.contains("by the test"), "{secret:?}");

    let calls = cloud.calls();
    assert_eq!(
        calls.sequence(),
        "DescribeImages, RunInstances, PutParameter, GetCallerIdentity, CreateBucket, PutObject, \
         CreateMultipartUpload, TerminateInstances, GetSecretValue"
    );
    assert_eq!(calls.changes().len(), 6);
    let run = calls.one("RunInstances");
    assert_eq!(
        (run.number, run.status, run.service.as_str()),
        (2, Some(200), "ec2")
    );
    assert_eq!(run.tags("instance").get("imgc:run"), Some(&"a & b"));
    assert!(run.tags("volume").is_empty());
    assert_eq!(calls.one("PutParameter").parameter("Name"), "/p");
    assert_eq!(calls.one("PutObject").parameter("Key"), "a/b c");
    let ended = calls.one("TerminateInstances");
    assert_eq!(ended.list("InstanceId"), ["i-00000000000000000"]);
    assert_eq!(ended.error.as_deref(), Some("InvalidInstanceID.NotFound"));
    let text = format!("{calls:?}");
    for secret in ["secret-signature", "secret-token", "testing"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn what_is_left_is_found_in_every_place_and_nothing_else() {
    let cloud = Cloud::start().unwrap();
    assert_eq!(cloud.left().summary(), "");
    let client = Client::new(&cloud);
    let other = client.in_region("eu-west-1").with_key("222222222222");
    let ran = client.ok("RunInstances", &RUN);
    let instance = text(&ran, "instanceId");
    client.ok("CreateKeyPair", &[("KeyName", "k")]);
    other.ok("CreateKeyPair", &[("KeyName", "k2")]);
    client.ok(
        "CreateSecurityGroup",
        &[("GroupName", "g"), ("GroupDescription", "d")],
    );
    client.ok("CreateImage", &[("InstanceId", &instance), ("Name", "app")]);
    client.ok(
        "CreateLaunchTemplate",
        &[
            ("LaunchTemplateName", "t"),
            ("LaunchTemplateData.InstanceType", "t3.micro"),
        ],
    );
    let role = [
        ("Version", "2010-05-08"),
        ("RoleName", "r"),
        ("AssumeRolePolicyDocument", "{}"),
        ("InstanceProfileName", "p"),
    ];
    client.query("iam", "CreateRole", &role).unwrap();
    client.query("iam", "CreateInstanceProfile", &role).unwrap();
    client
        .query("iam", "AddRoleToInstanceProfile", &role)
        .unwrap();
    client.json(
        "ssm",
        "AmazonSSM.PutParameter",
        r#"{"Name": "/p", "Value": "v", "Type": "String"}"#,
    );
    client.s3("PUT", "/bucket", "");
    client.s3("PUT", "/bucket/object", "hello");
    client.s3("POST", "/bucket/big?uploads", "");
    let left = cloud.left();
    assert_eq!(
        left.summary(),
        "1 S3 object, 1 S3 upload, 1 image, 1 instance, 1 instance profile, 2 key pair, 1 launch template, \
         1 parameter, 1 role, 1 security group, 1 snapshot, 1 volume",
        "{left}"
    );
    let keys = left.of("key pair");
    assert_eq!(
        (keys[1].region.as_str(), keys[1].account.as_str()),
        ("eu-west-1", "222222222222")
    );
    client.ok("TerminateInstances", &[("InstanceId.1", &instance)]);
    let summary = cloud.left().summary();
    assert!(
        !summary.contains("instance,") && !summary.contains("volume"),
        "{summary}"
    );

    cloud.reset().unwrap();
    assert_eq!(cloud.left().summary(), "");
    assert_eq!(cloud.calls().len(), 0);
    assert!(!texts(&client.ok("DescribeImages", &[]), "imageId").is_empty());
}

#[test]
fn a_hook_sees_every_call_twice_and_can_end_it() {
    let cloud = Cloud::with(Behaviour {
        waits: Waits {
            pending: Delay::Answers(1),
            ..Waits::default()
        },
        ..Behaviour::default()
    })
    .unwrap();
    let client = Client::new(&cloud);
    cloud.hook(|call, moment| match (call.number, moment) {
        (1, Moment::Before) | (2, Moment::After) => Then::HangUp,
        (3, Moment::Before) => Then::Refuse(400, "OnPurpose".to_owned(), "by the test".to_owned()),
        _ => Then::GoOn,
    });
    let key = |name| client.query("ec2", "CreateKeyPair", &[("KeyName", name)]);
    assert_eq!(key("never made"), None);
    assert_eq!(key("made"), None);
    assert_eq!(key("refused").unwrap().text("Code"), "OnPurpose");
    assert_eq!(key("fine").unwrap().status, 200);
    cloud.unhook();
    let keys = cloud.left();
    let keys: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(keys, ["fine", "made"]);
    let calls = cloud.calls();
    let statuses: Vec<_> = calls.iter().map(|call| call.status).collect();
    assert_eq!(statuses, [None, None, Some(400), Some(200)]);
}
