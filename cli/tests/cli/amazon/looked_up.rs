//! Data sources: every attribute of an image and of a secret, as a template uses it.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::stock;
use serde_json::{Value as Json, json};

use super::of;
use crate::harness::Test;

/// A template whose only step writes `${value}`, an expression, into `all.json`.
fn written(sources: &str, value: &str) -> String {
    format!(
        r#"{sources}
source "null" "here" {{
  communicator = "none"
}}
build {{
  sources = ["null.here"]
  provisioner "shell-local" {{
    env    = {{ ALL = jsonencode({value}) }}
    inline = ["printf '%s' \"$ALL\" > all.json"]
  }}
}}
"#
    )
}

fn all(test: &Test) -> Json {
    serde_json::from_str(&test.read("all.json")).unwrap()
}

#[test]
fn every_attribute_of_an_image_that_is_looked_up_can_be_used() {
    let cloud = Cloud::start().unwrap();
    let tags = [
        ("ResourceId.1", stock::AMAZON_LINUX),
        ("Tag.1.Key", "Release"),
        ("Tag.1.Value", "nightly build"),
        ("Tag.2.Key", "team"),
        ("Tag.2.Value", "web"),
    ];
    cloud.ec2("us-east-1", "CreateTags", &tags).unwrap();
    let sources = r#"data "amazon-ami" "linux" {
  filters     = { name = "al2023-ami-*" }
  owners      = ["137112412989"]
  most_recent = true
}
data "amazon-ami" "ubuntu" {
  filters = {
    name             = "ubuntu/images/*-noble-24.04-amd64-server-*"
    root-device-type = "ebs"
  }
  owners      = ["099720109477"]
  most_recent = true
}"#;
    let test = of(
        &cloud,
        &written(
            sources,
            r#"{
      linux  = data.amazon-ami.linux
      ubuntu = data.amazon-ami.ubuntu
      text   = "${data.amazon-ami.ubuntu.owner_name}/${data.amazon-ami.linux.owner_name}/${data.amazon-ami.linux.tags["Release"]}"
    }"#,
        ),
    );
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(
        all(&test),
        json!({
            "linux": {
                "creation_date": "2026-08-05T10:00:00.000Z",
                "id": stock::AMAZON_LINUX,
                "name": "al2023-ami-2023.8.20260805.0-kernel-6.1-x86_64",
                "owner": "137112412989",
                "owner_name": "amazon",
                "tags": {"Release": "nightly build", "team": "web"}
            },
            "ubuntu": {
                "creation_date": "2026-08-01T06:00:00.000Z",
                "id": stock::UBUNTU,
                "name": "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20260801",
                "owner": "099720109477",
                // Whoever has no alias has an empty one, as for Packer.
                "owner_name": "",
                "tags": {}
            },
            "text": "/amazon/nightly build"
        })
    );
}

#[test]
fn every_attribute_of_a_secret_can_be_used_and_only_its_version_is_shown() {
    let cloud = Cloud::start().unwrap();
    let ids = [1, 2, 3, 4, 5].map(|at| format!("00000000-0000-0000-0000-00000000000{at}"));
    let [first, second, pair, bytes, plain] = &ids;
    for (operation, secret) in [
        (
            "CreateSecret",
            json!({"Name": "token", "SecretString": r#"{"token": "first-t0ken"}"#, "ClientRequestToken": first}),
        ),
        (
            "PutSecretValue",
            json!({"SecretId": "token", "SecretString": r#"{"token": "second-t0ken"}"#, "ClientRequestToken": second}),
        ),
        (
            "CreateSecret",
            json!({"Name": "pair", "SecretString": r#"{"user": "painter", "port": 54321}"#, "ClientRequestToken": pair}),
        ),
        (
            "CreateSecret",
            json!({"Name": "bytes", "SecretBinary": "AAECA//+/Q==", "ClientRequestToken": bytes}),
        ),
        (
            "CreateSecret",
            json!({"Name": "plain", "SecretString": "a-plain-secret", "ClientRequestToken": plain}),
        ),
    ] {
        let moto = cloud.moto();
        moto.call("secretsmanager", operation, &secret.to_string())
            .unwrap();
    }
    let source = |name: &str, options: &str| {
        format!("data \"amazon-secretsmanager\" \"{name}\" {{\n  {options}\n}}\n")
    };
    let sources = [
        source("current", "name = \"token\""),
        source(
            "before",
            "name = \"token\"\n  version_stage = \"AWSPREVIOUS\"",
        ),
        // An id counts before a stage.
        source(
            "by_id",
            &format!(
                "name = \"token\"\n  version_id = \"{first}\"\n  version_stage = \"AWSCURRENT\""
            ),
        ),
        source("user", "name = \"pair\"\n  key = \"user\""),
        source("port", "name = \"pair\"\n  key = \"port\""),
        source("bytes", "name = \"bytes\""),
        source("plain", "name = \"plain\""),
    ];
    let names = [
        "current", "before", "by_id", "user", "port", "bytes", "plain",
    ];
    let each = names.map(|name| format!("      {name} = data.amazon-secretsmanager.{name}\n"));
    let text = written(&sources.concat(), &format!("{{\n{}    }}", each.concat()));
    let text = text.replace(
        "inline = [",
        "inline = [\"echo version ${data.amazon-secretsmanager.before.version_id}\", ",
    );
    let test = of(&cloud, &text);
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let secret = |value: &str, whole: &str, binary: &str, version: &str| -> Json {
        json!({
            "value": value,
            "secret_string": whole,
            "secret_binary": binary,
            "version_id": version
        })
    };
    let (old, new) = (
        r#"{"token": "first-t0ken"}"#,
        r#"{"token": "second-t0ken"}"#,
    );
    let both = r#"{"user": "painter", "port": 54321}"#;
    assert_eq!(
        all(&test),
        json!({
            "current": secret("second-t0ken", new, "", second),
            "before": secret("first-t0ken", old, "", first),
            "by_id": secret("first-t0ken", old, "", first),
            "user": secret("painter", both, "", pair),
            "port": secret("54321", both, "", pair),
            "bytes": secret("", "", "AAECA//+/Q==", bytes),
            "plain": secret("a-plain-secret", "a-plain-secret", "", plain)
        })
    );
    let shown = printed.text();
    assert!(shown.contains(&format!("version {first}")), "{shown}");
    let plan = test.run(&["plan", "-color=false", "."]).text();
    for hidden in [
        "first-t0ken",
        "second-t0ken",
        "painter",
        "AAECA",
        "a-plain-secret",
    ] {
        assert!(!shown.contains(hidden), "{hidden}: {shown}");
        assert!(!plan.contains(hidden), "{hidden}: {plan}");
    }
}
