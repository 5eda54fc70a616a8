//! Templates as teams have them, from end to end, and every call that is made for them: a fleet's image with Puppet and an
//! instance store, and an application's image whose id goes to the next job by a parameter. A blog in a network that is found by
//! its tags stands in `network.rs`.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Calls, stock};
use serde_json::json;

use super::bundles::{bucket, commands};
use super::{behaviour, of, user};
use crate::harness::Test;

/// Whether these actions were called in this order; others may stand between them.
fn in_order(calls: &Calls, wanted: &[&str]) {
    let mut left = wanted.iter();
    let mut next = left.next();
    for call in calls.iter() {
        if next.is_some_and(|next| *next == call.action) {
            next = left.next();
        }
    }
    assert_eq!(next, None, "in {}", calls.sequence());
}

/// Stands for Puppet's agent: leaves what it was told.
const AGENT: &str = "#!/bin/sh\necho \"$@\" > PLACE/told\nenv | grep ^FACTER_ | sort >> PLACE/told\n\
    test -e PLACE/staging/private_keys/fleet.pem && echo with its key >> PLACE/told\nexit 2\n";

fn fleet(cloud: &Cloud, group: &str) -> Test {
    let (bundle, upload) = commands(cloud);
    let template = json!({
        "variables": {
            "ami_name": "", "account": "", "source": "", "type": "", "bucket": "", "about": "",
            "cert": "", "key": "", "product": "", "owner": "", "who": "", "is_test": "false"
        },
        "builders": [{
            "type": "amazon-instance",
            "account_id": "{{user `account`}}",
            "region": "us-east-1",
            "source_ami": "{{user `source`}}",
            "instance_type": "{{user `type`}}",
            "ssh_username": user(),
            "ssh_port": cloud.ssh_port(),
            "ami_name": "{{isotime | clean_ami_name}} {{user `ami_name`}}",
            "ami_description": "{{user `about`}}",
            "s3_bucket": "{{user `bucket`}}",
            "x509_cert_path": "{{user `cert`}}",
            "x509_key_path": "{{user `key`}}",
            "x509_upload_path": "/PLACE/x509",
            "bundle_destination": "/PLACE/bundle",
            "bundle_vol_command": bundle,
            "bundle_upload_command": upload,
            "security_group_ids": [group],
            "tags": {
                "Product": "{{user `product`}}",
                "Owner": "{{user `owner`}}",
                "author": "{{user `who`}}",
                "test_ami": "{{user `is_test`}}"
            }
        }],
        "provisioners": [{
            "type": "puppet-server",
            "puppet_server": "puppet.example.com",
            "puppet_node": "fleet-image",
            "puppet_bin_dir": "/PLACE/bin",
            "staging_dir": "/PLACE/staging",
            "client_private_key_path": "agent-keys",
            "prevent_sudo": true,
            "extra_arguments": ["--test", "--no-usecacheonfailure"],
            "facter": {"server_role": "webserver", "motd": "it's ours"}
        }]
    });
    let test = of(cloud, "");
    let place = test.path("machine");
    std::fs::create_dir_all(place.join("x509")).unwrap();
    let place = place.to_str().unwrap();
    let text = serde_json::to_string_pretty(&template).unwrap();
    test.write("fleet.json", text.replace("/PLACE", place));
    test.write("machine/bin/puppet.sh", AGENT.replace("PLACE", place));
    std::fs::rename(
        test.path("machine/bin/puppet.sh"),
        test.path("machine/bin/puppet"),
    )
    .unwrap();
    test.write("keys/cert.pem", "CERTIFICATE\n");
    test.write("keys/key.pem", "SECRET-KEY\n");
    test.write("agent-keys/fleet.pem", "AGENT-KEY\n");
    let values = json!({
        "ami_name": "web", "account": "123456789012", "source": stock::INSTANCE_STORE, "type": "m3.medium",
        "bucket": "images", "about": "the web fleet", "cert": "keys/cert.pem", "key": "keys/key.pem",
        "product": "courses", "owner": "web team"
    });
    test.write("values.json", values.to_string());
    test
}

#[test]
fn a_fleet_with_puppet_and_an_instance_store() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let groups = cloud.texts("us-east-1", "DescribeSecurityGroups", &[]);
    let group = groups["securityGroupInfo/1/groupId"].clone();
    bucket(&cloud);
    let test = fleet(&cloud, &group);
    let printed = test.run(&[
        "build",
        "-color=false",
        "-var-file=values.json",
        "-var",
        "who=tester",
        "fleet.json",
    ]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(
        test.read("machine/told"),
        "agent --onetime --no-daemonize --detailed-exitcodes --server=puppet.example.com --certname=fleet-image \
         --privatekeydir=PLACE/staging/private_keys --test --no-usecacheonfailure\n\
         FACTER_motd=it's ours\nFACTER_packer_build_name=amazon-instance\nFACTER_packer_builder_type=amazon-instance\n\
         FACTER_server_role=webserver\nwith its key\n"
            .replace("PLACE", test.path("machine").to_str().unwrap())
    );
    // No instance of the image has the key of the one it was made on.
    assert!(!test.path("machine/staging/private_keys").exists());
    let left = cloud.left();
    assert_eq!(left.summary(), "2 S3 object, 1 image", "{left}");
    let image = left.of("image")[0];
    assert!(
        image.name.starts_with("2023-11-14T22-13-20Z"),
        "{}",
        image.name
    );
    for (tag, value) in [
        ("Product", "courses"),
        ("Owner", "web team"),
        ("author", "tester"),
        ("test_ami", "false"),
    ] {
        assert_eq!(image.tags[tag], value);
    }
    let calls = cloud.calls();
    in_order(
        &calls.changes(),
        &[
            "ImportKeyPair",
            "RunInstances",
            "RegisterImage",
            "TerminateInstances",
        ],
    );
    in_order(&calls.changes(), &["RegisterImage", "DeleteKeyPair"]);
    // The template names a group: no door is made, and none is opened.
    for action in ["CreateSecurityGroup", "AuthorizeSecurityGroupIngress"] {
        assert_eq!(calls.of(action).len(), 0, "{}", calls.sequence());
    }
    let started = calls.one("RunInstances");
    assert!(
        started.parameters.values().any(|value| *value == group),
        "{started:?}"
    );
    assert!(started.tags("instance").contains_key("imgc:run"));
}

/// Post-processors run when the instance is long gone, and in a later run when there was none.
#[test]
fn a_manifest_says_what_the_image_was_made_from() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let text = format!(
        r#"source "amazon-ebs" "web" {{
  ami_name      = "web"
  instance_type = "t3.micro"
  ssh_username  = "{}"
  ssh_port      = {}
  source_ami    = "{}"
}}
build {{
  sources = ["amazon-ebs.web"]
  post-processor "manifest" {{
    custom_data = {{
      base   = build.SourceAMI
      name   = "${{build.SourceAMIName}} in ${{build.BuildRegion}}"
      old    = "{{{{ build `SourceAMIName` }}}}"
      ran_on = build.ID
    }}
  }}
}}
"#,
        user(),
        cloud.ssh_port(),
        stock::UBUNTU
    );
    let test = of(&cloud, &text);
    let said = || {
        let manifest = test.read("packer-manifest.json");
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        manifest["builds"][0]["custom_data"].clone()
    };
    let made = test.run(&["apply", "-color=false", "."]);
    assert_eq!(made.code, 0, "{}", made.text());
    let first = said();
    assert_eq!(first["base"], stock::UBUNTU);
    let name = first["old"].as_str().unwrap();
    assert!(name.starts_with("ubuntu/images/"), "{first}");
    assert_eq!(first["name"], format!("{name} in us-east-1"));
    assert!(
        first["ran_on"].as_str().unwrap().starts_with("i-"),
        "{first}"
    );

    std::fs::remove_file(test.path("packer-manifest.json")).unwrap();
    let again = test.run(&["apply", "-color=false", "."]);
    assert_eq!(again.code, 0, "{}", again.text());
    assert_eq!(cloud.calls().of("RunInstances").len(), 1);
    assert_eq!(said(), first);
}

#[test]
fn an_application_s_image_goes_to_the_next_job_by_a_parameter() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let template = json!({
        "variables": {"repo": "{{env `FLASK_REPO`}}"},
        "builders": [{
            "type": "amazon-ebs",
            "region": "us-west-2",
            "source_ami_filter": {
                "filters": {"name": "al2023-ami-2023*-x86_64", "root-device-type": "ebs"},
                "owners": ["amazon", "137112412989"],
                "most_recent": true
            },
            "instance_type": "t3.micro",
            "ssh_username": user(),
            "ssh_port": cloud.ssh_port(),
            "ami_name": "img-mgr-{{timestamp}}",
            "tags": {"Name": "img-mgr", "repo": "{{user `repo`}}"}
        }],
        "provisioners": [{
            "type": "shell",
            "environment_vars": ["REPO={{user `repo`}}"],
            "inline": ["echo installing $REPO"]
        }],
        "post-processors": [[
            {"type": "shell-local", "inline": ["echo tested $PACKER_BUILD_NAME"]},
            {"type": "amazon-ssm-parameter", "parameter": "/common/img-mgr/golden-ami"}
        ]]
    });
    let test = of(&cloud, "").env("FLASK_REPO", "https://git.example.com/img-mgr.git");
    test.write("app.json", template.to_string());
    let printed = test.run(&["build", "-color=false", "app.json"]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 parameter, 1 snapshot", "{left}");
    let image = &left.of("image")[0].id;
    // What jobs do today: `grep ^us- | sed 's/^.*: //'`. Packer lists the image for `shell-local` once more.
    let lines = printed.stdout.lines();
    let found: Vec<&str> = lines.filter(|line| line.starts_with("us-")).collect();
    let line = format!("us-west-2: {image}");
    assert_eq!(found, [&line, &line]);
    assert!(
        printed
            .stdout
            .contains("installing https://git.example.com/img-mgr.git"),
        "{}",
        printed.text()
    );
    let calls = cloud.calls();
    in_order(
        &calls.changes(),
        &[
            "RunInstances",
            "StopInstances",
            "CreateImage",
            "PutParameter",
        ],
    );
    let put = calls.one("PutParameter");
    assert_eq!(put.region, "us-west-2");
    assert_eq!(put.parameter("Name"), "/common/img-mgr/golden-ami");
    assert_eq!(put.parameter("Value"), image);
    let doors = calls.of("AuthorizeSecurityGroupIngress");
    let ranges: Vec<Vec<&str>> = doors.iter().map(|call| call.ranges()).collect();
    assert_eq!(ranges, [["127.0.0.1/32"]]);
    assert_eq!(calls.one("CreateImage").tags("image")["Name"], "img-mgr");
    // Everything that came into being carried the run's mark from its first moment.
    for (action, kind) in [
        ("CreateSecurityGroup", "security-group"),
        ("ImportKeyPair", "key-pair"),
        ("RunInstances", "instance"),
        ("RunInstances", "volume"),
        ("CreateImage", "image"),
        ("CreateImage", "snapshot"),
    ] {
        let call = calls.one(action);
        assert!(call.tags(kind).contains_key("imgc:run"), "{call:?}");
    }
    // The next job reads it.
    let next = of(
        &cloud,
        r#"data "amazon-parameterstore" "golden" {
  name   = "/common/img-mgr/golden-ami"
  region = "us-west-2"
}
source "null" "deploy" {
  communicator = "none"
}
build {
  sources = ["null.deploy"]
  provisioner "shell-local" {
    inline = ["echo deploying ${data.amazon-parameterstore.golden.value}"]
  }
}
"#,
    );
    let printed = next.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert!(
        printed.stdout.contains(&format!("deploying {image}")),
        "{}",
        printed.text()
    );
}
