//! Templates as they are in use: legacy JSON, networks that are found by their tags.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::stock;

use super::{behaviour, user};
use crate::harness::Test;

/// The text between the first `<tag>` and its end.
pub(super) fn text_of<'a>(xml: &'a str, tag: &str) -> &'a str {
    let begin = format!("<{tag}>");
    let rest = &xml[xml
        .find(&begin)
        .unwrap_or_else(|| panic!("no {tag}: {xml}"))
        + begin.len()..];
    &rest[..rest.find('<').unwrap()]
}

pub(super) fn tagged(cloud: &Cloud, id: &str, key: &str, value: &str) {
    let tag = [
        ("ResourceId.1", id),
        ("Tag.1.Key", key),
        ("Tag.1.Value", value),
    ];
    cloud.ec2("us-east-1", "CreateTags", &tag).unwrap();
}

pub(super) fn vpc(cloud: &Cloud, block: &str, name: &str) -> String {
    let made = cloud.ec2("us-east-1", "CreateVpc", &[("CidrBlock", block)]);
    let id = text_of(&made.unwrap(), "vpcId").to_owned();
    tagged(cloud, &id, "Name", name);
    id
}

pub(super) fn subnet(cloud: &Cloud, vpc: &str, block: &str, tier: &str) -> String {
    let made = cloud.ec2(
        "us-east-1",
        "CreateSubnet",
        &[("VpcId", vpc), ("CidrBlock", block)],
    );
    let id = text_of(&made.unwrap(), "subnetId").to_owned();
    tagged(cloud, &id, "Tier", tier);
    id
}

/// A server for a blog in a network that another team has made.
const BLOG: &str = r#"{
  "variables": {
    "region": "us-east-1",
    "network": null,
    "login": null,
    "port": "22",
    "version": "5.2.2"
  },
  "builders": [{
    "type": "amazon-ebs",
    "region": "{{user `region`}}",
    "vpc_filter": { "filters": { "tag:Name": "{{user `network`}}", "isDefault": "false" } },
    "subnet_filter": { "filters": { "tag:Tier": "public" }, "most_free": true },
    "associate_public_ip_address": true,
    "source_ami_filter": {
      "filters": {
        "name": "ubuntu/images/*-noble-24.04-amd64-server-*",
        "root-device-type": "ebs",
        "virtualization-type": "hvm"
      },
      "owners": ["099720109477"],
      "most_recent": true
    },
    "instance_type": "t3.small",
    "ssh_username": "{{user `login`}}",
    "ssh_port": "{{user `port`}}",
    "ami_name": "blog {{timestamp}}",
    "ami_description": "blog {{user `version`}} on {{ .SourceAMI }}",
    "run_tags": { "purpose": "image of the blog" },
    "tags": { "version": "{{user `version`}}", "base": "{{ .SourceAMIName }}" }
  }],
  "provisioners": [{
    "type": "shell",
    "inline": ["echo blog {{user `version`}} on $PACKER_BUILDER_TYPE"]
  }],
  "post-processors": [{ "type": "manifest", "output": "made.json" }]
}
"#;

#[test]
fn a_legacy_template_builds_in_a_network_that_is_found_by_its_tags() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let _other = vpc(&cloud, "10.8.0.0/16", "other");
    let wanted = vpc(&cloud, "10.9.0.0/16", "services");
    let _private = subnet(&cloud, &wanted, "10.9.0.0/20", "private");
    let _small = subnet(&cloud, &wanted, "10.9.64.0/26", "public");
    let large = subnet(&cloud, &wanted, "10.9.128.0/22", "public");

    let mut test = Test::new("");
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    test.write("blog.json", BLOG);
    let port = format!("port={}", cloud.ssh_port());
    let login = format!("login={}", user());
    let arguments = [
        "build",
        "-color=false",
        "-var",
        "network=services",
        "-var",
        &login,
        "-var",
        &port,
        "blog.json",
    ];
    let printed = test.run(&arguments);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(
        printed.stdout.contains("blog 5.2.2 on amazon-ebs"),
        "{}",
        printed.text()
    );

    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
    let image = left.of("image")[0].clone();
    assert!(image.name.starts_with("blog 1"), "{image:?}");
    assert_eq!(image.tags["version"], "5.2.2");
    // What pipelines take the id from.
    let mut lines = printed.stdout.lines();
    lines
        .find(|line| *line == "--> amazon-ebs: AMIs were created:")
        .unwrap();
    assert_eq!(
        lines.next(),
        Some(format!("us-east-1: {}", image.id).as_str())
    );
    let manifest: serde_json::Value = serde_json::from_str(&test.read("made.json")).unwrap();
    assert_eq!(
        manifest["builds"][0]["artifact_id"],
        format!("us-east-1:{}", image.id)
    );

    let calls = cloud.calls();
    let group = &calls.of("CreateSecurityGroup")[0];
    assert_eq!(group.parameter("VpcId"), wanted);
    let started = &calls.of("RunInstances")[0];
    assert_eq!(started.parameter("ImageId"), stock::UBUNTU);
    let interface = ["NetworkInterface.1.SubnetId", "SubnetId"].map(|name| started.parameter(name));
    assert!(interface.contains(&large.as_str()), "{started:?}");
    assert_eq!(started.tags("instance")["purpose"], "image of the blog");
    let ranges: Vec<_> = calls
        .iter()
        .filter(|call| call.action == "AuthorizeSecurityGroupIngress")
        .flat_map(|call| call.ranges())
        .collect();
    assert_eq!(ranges, ["127.0.0.1/32"]);
    // What is made, in this order; between them it is only looked.
    let made: Vec<&str> = calls
        .iter()
        .map(|call| call.action.as_str())
        .filter(|action| !action.starts_with("Describe") && !action.starts_with("Get"))
        .collect();
    let place = |action: &str| {
        let at = made.iter().position(|made| *made == action);
        at.unwrap_or_else(|| panic!("no {action}: {made:?}"))
    };
    assert!(
        place("AuthorizeSecurityGroupIngress") < place("RunInstances"),
        "{made:?}"
    );
    assert!(place("ImportKeyPair") < place("RunInstances"), "{made:?}");
    assert!(place("RunInstances") < place("StopInstances"), "{made:?}");
    assert!(place("StopInstances") < place("CreateImage"), "{made:?}");
    assert!(
        place("CreateImage") < place("TerminateInstances"),
        "{made:?}"
    );
    assert!(
        place("TerminateInstances") < place("DeleteSecurityGroup"),
        "{made:?}"
    );
    assert!(calls.len() <= 25, "{}", calls.sequence());
}

#[test]
fn a_network_that_is_not_there_is_said_before_anything_is_made() {
    let cloud = Cloud::with(behaviour()).unwrap();
    vpc(&cloud, "10.9.0.0/16", "services");
    vpc(&cloud, "10.8.0.0/16", "services");
    let mut test = Test::new("");
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    test.write("blog.json", BLOG);
    for (network, said) in [("service", "no VPC"), ("services", "2 VPCs")] {
        let network = format!("network={network}");
        let printed = test.run(&["build", "-var", &network, "-var", "login=a", "blog.json"]);
        assert_ne!(printed.code, 0, "{}", printed.text());
        assert!(printed.text().contains(said), "{}", printed.text());
        assert!(printed.text().contains("vpc_filter"), "{}", printed.text());
        assert!(
            cloud
                .calls()
                .iter()
                .all(|call| call.action.starts_with("Describe"))
        );
    }
}
