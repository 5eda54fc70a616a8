//! `amazon-instance`: an image whose disk lies in S3, from a template as people have them in JSON.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, Machines, stock};

use super::{behaviour, of, user};
use crate::harness::Test;

/// Stand-ins for Amazon's AMI tools: a manifest with what it was told, sent to S3.
pub(super) fn commands(cloud: &Cloud) -> (String, String) {
    let bundle = "test \"$(stat -L -c %a {{.KeyPath}})\" = 600 && grep -q SECRET-KEY {{.KeyPath}} && mkdir -p {{.Destination}} && \
                  echo \"{{.AccountId}} {{.Architecture}} $(cat {{.CertPath}})\" > {{.Destination}}/{{.Prefix}}.manifest.xml && \
                  echo disk > {{.Destination}}/{{.Prefix}}.part.0";
    let upload = format!(
        "test {{{{.AccessKey}}}} = testing && test {{{{.SecretKey}}}} = testing && for f in {{{{.BundleDirectory}}}}/*; do curl -sSf \
         -H \"Authorization: AWS4-HMAC-SHA256 Credential={{{{.AccessKey}}}}/20260101/{{{{.Region}}}}/s3/aws4_request, \
         SignedHeaders=host, Signature=none\" -T $f {}/{{{{.BucketName}}}}/$(basename $f); done",
        cloud.url()
    );
    (bundle.to_owned(), upload)
}

/// The bucket that the template names.
pub(super) fn bucket(cloud: &Cloud) {
    let made = std::process::Command::new("curl")
        .args(["-sSf", "-o", "/dev/null", "-X", "PUT", "-H"])
        .arg(
            "Authorization: AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, \
             Signature=none",
        )
        .arg(format!("{}/images", cloud.url()))
        .status();
    assert!(made.unwrap().success());
    cloud.forget_calls();
}

fn fleet(cloud: &Cloud, script: &str) -> Test {
    let (bundle, upload) = commands(cloud);
    let template = serde_json::json!({
        "variables": {
            "account": "",
            "bucket": "images",
            "costcenter": "4711",
            "role": "webserver",
            "source": stock::INSTANCE_STORE,
            "keys": "keys"
        },
        "builders": [{
            "type": "amazon-instance",
            "region": "us-east-1",
            "account_id": "{{user `account`}}",
            "source_ami": "{{user `source`}}",
            "instance_type": "m3.medium",
            "ssh_username": user(),
            "ssh_port": cloud.ssh_port(),
            "ami_name": "{{isotime | clean_resource_name}} {{user `role`}}",
            "ami_description": "{{user `role`}} from {{.SourceAMI}}",
            "s3_bucket": "{{user `bucket`}}",
            "x509_cert_path": "{{user `keys`}}/cert.pem",
            "x509_key_path": "{{user `keys`}}/key.pem",
            "x509_upload_path": "/PATH/x509",
            "bundle_destination": "/PATH/bundle",
            "bundle_vol_command": bundle,
            "bundle_upload_command": upload,
            "tags": {"CostCenter": "{{user `costcenter`}}", "packer": "true"}
        }],
        "provisioners": [{"type": "shell", "inline": ["mkdir -p /PATH/x509", script]}]
    });
    let test = of(cloud, "");
    let place = test.path("machine");
    std::fs::create_dir(&place).unwrap();
    let text = serde_json::to_string_pretty(&template).unwrap();
    let text = text.replace("/PATH", place.to_str().unwrap());
    test.write("fleet.json", text);
    test.write("keys/cert.pem", "CERTIFICATE\n");
    test.write("keys/key.pem", "SECRET-KEY\n");
    test
}

/// What is where the machine was given the key.
fn on_machine(test: &Test) -> Vec<String> {
    let entries = std::fs::read_dir(test.path("machine/x509")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn a_disk_is_bundled_uploaded_and_registered() {
    let cloud = Cloud::with(behaviour()).unwrap();
    bucket(&cloud);
    let test = fleet(&cloud, "echo provisioned");
    let printed = test.run(&[
        "build",
        "-color=false",
        "-var",
        "account=1234-5678-9012",
        "fleet.json",
    ]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let left = cloud.left();
    assert_eq!(left.summary(), "2 S3 object, 1 image", "{left}");
    let image = left.of("image")[0];
    assert_eq!(image.tags["CostCenter"], "4711");
    assert!(image.name.ends_with(" webserver"), "{}", image.name);
    assert!(!image.tags.contains_key("imgc:expires"));
    assert!(
        printed
            .stdout
            .contains(&format!("AMIs were created:\nus-east-1: {}\n", image.id)),
        "{}",
        printed.text()
    );
    let calls = cloud.calls();
    let registered = calls.one("RegisterImage");
    assert_eq!(
        registered.parameter("ImageLocation"),
        "images/image-1700000000.manifest.xml"
    );
    assert_eq!(registered.parameter("ImdsSupport"), "v2.0");
    assert_eq!(
        registered.parameter("Description"),
        format!("webserver from {}", stock::INSTANCE_STORE)
    );
    // An instance of this kind cannot be stopped.
    assert_eq!(calls.of("StopInstances").len(), 0, "{}", calls.sequence());
    // The key is nowhere any more: not on the machine, not in the output, in no file of the run.
    assert_eq!(on_machine(&test), Vec::<String>::new());
    assert!(!printed.text().contains("SECRET-KEY"), "{}", printed.text());
    let manifest = test.read("machine/bundle/image-1700000000.manifest.xml");
    assert_eq!(manifest, "123456789012 x86_64 CERTIFICATE\n");
}

#[test]
fn an_upload_that_fails_leaves_nothing_in_the_bucket() {
    let cloud = Cloud::with(behaviour()).unwrap();
    bucket(&cloud);
    let test = fleet(&cloud, "echo provisioned");
    let text = test
        .read("fleet.json")
        .replace("$(basename $f); done", "$(basename $f); done; exit 3");
    test.write("fleet.json", text);
    let printed = test.run(&[
        "build",
        "-color=false",
        "-var",
        "account=123456789012",
        "fleet.json",
    ]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    assert!(
        printed
            .text()
            .contains("`bundle_upload_command` ended with 3"),
        "{}",
        printed.text()
    );
    assert_eq!(on_machine(&test), Vec::<String>::new());
    assert_eq!(cloud.left().summary(), "", "{}", cloud.left());
}

#[test]
fn what_is_missing_is_said_before_anything_is_made() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = fleet(&cloud, "true");
    std::fs::remove_file(test.path("keys/key.pem")).unwrap();
    let printed = test.run(&[
        "build",
        "-color=false",
        "-var",
        "account=123456789012",
        "fleet.json",
    ]);
    assert_ne!(printed.code, 0);
    assert!(
        printed.text().contains("there is no file `keys/key.pem`"),
        "{}",
        printed.text()
    );
    let printed = test.run(&[
        "validate",
        "-color=false",
        "-var",
        "account=me",
        "fleet.json",
    ]);
    let text = test.read("fleet.json");
    let line = 1 + text
        .lines()
        .position(|line| line.contains("x509_key_path"))
        .unwrap();
    for said in ["check/missing-file", &format!("fleet.json:{line}:")] {
        assert!(printed.text().contains(said), "{}", printed.text());
    }
    assert_ne!(printed.code, 0);
    assert!(
        printed.text().contains("`account_id` is `me`"),
        "{}",
        printed.text()
    );
    assert_eq!(
        cloud.calls().changes().len(),
        0,
        "{}",
        cloud.calls().sequence()
    );
}

/// Amazon's `ec2-upload-bundle` makes the bucket, so that it is no failure; other commands may not.
#[test]
fn a_bucket_that_is_not_there_is_said_before_anything_is_made() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = fleet(&cloud, "true");
    let account = ["-var", "account=123456789012", "fleet.json"];
    let plan = |said: &str| {
        let printed = test.run(&[&["plan", "-color=false"], &account[..]].concat());
        assert_eq!(printed.code, 0, "{}", printed.text());
        let line = printed
            .stdout
            .lines()
            .find(|line| line.contains("  bucket ") && !line.contains(" = "));
        assert!(
            line.is_some_and(|line| line.contains(said)),
            "{}",
            printed.text()
        );
    };
    plan(
        "(unknown) there is no bucket images: the upload fails unless `bundle_upload_command` makes it",
    );
    let printed = test.run(&[&["build", "-color=false"], &account[..]].concat());
    assert_ne!(printed.code, 0, "{}", printed.text());
    assert!(
        printed
            .text()
            .contains("there is no bucket images: the upload fails"),
        "{}",
        printed.text()
    );
    let own = test.read("fleet.json");
    let (_, upload) = commands(&cloud);
    let upload = serde_json::to_string(&upload).unwrap();
    let usual = own.replace(&upload, "\"ec2-upload-bundle -b {{.BucketName}}\"");
    assert_ne!(usual, own);
    test.write("fleet.json", usual);
    plan("(unknown) there is no bucket images: `ec2-upload-bundle` makes it");
    bucket(&cloud);
    plan("images is there");
}

/// `sudo` and Amazon's two tools on the machine: the first writes down what it is to run, the others do their work.
const TOOLS: [(&str, &str); 3] = [
    (
        "sudo",
        r#"case "$3" in ec2-*) echo "sudo $*" >> "$(dirname "$0")/said" ;; esac
while case "$1" in -*) true ;; *) false ;; esac; do shift; done
exec "$@""#,
    ),
    (
        "ec2-bundle-vol",
        r#"while test $# -gt 0; do
  case "$1" in
    -k) grep -q SECRET-KEY "$2" || exit 1 ;;
    -d) to=$2 ;;
    -p) prefix=$2 ;;
  esac
  shift
done
mkdir -p "$to" && echo disk > "$to/$prefix.part.0" && echo parts > "$to/$prefix.manifest.xml""#,
    ),
    (
        "ec2-upload-bundle",
        r#"while test $# -gt 0; do
  case "$1" in
    -b) bucket=$2 ;;
    -d) from=$2 ;;
    -m) test -f "$2" || exit 1 ;;
  esac
  shift
done
for file in "$from"/*; do
  curl -sSf -H "Authorization: AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request, \
SignedHeaders=host, Signature=none" -T "$file" "URL/$bucket/$(basename "$file")" || exit 1
done"#,
    ),
];

fn install(cloud: &Cloud, programs: &Path) {
    for (name, script) in TOOLS {
        let file = programs.join(name);
        let script = script.replace("\\\n", "").replace("URL", &cloud.url());
        std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&file, mode).unwrap();
    }
}

/// What Packer runs where the template names no commands; with a profile the instance uploads in its own name.
#[test]
fn without_commands_amazon_s_tools_are_run_as_packer_runs_them() {
    let policy = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}]
    });
    for (profile, keys) in [(None, " -a testing -s testing"), (Some(policy), "")] {
        let programs = tempfile::tempdir().unwrap();
        let cloud = Cloud::with(Behaviour {
            machines: Some(Machines {
                programs: Some(programs.path().to_owned()),
                ..Machines::default()
            }),
            ..behaviour()
        })
        .unwrap();
        install(&cloud, programs.path());
        bucket(&cloud);
        let test = fleet(&cloud, "true");
        let mut template: serde_json::Value =
            serde_json::from_str(&test.read("fleet.json")).unwrap();
        let builder = template["builders"][0].as_object_mut().unwrap();
        for option in ["bundle_vol_command", "bundle_upload_command"] {
            assert!(builder.remove(option).is_some());
        }
        if let Some(policy) = profile {
            let option = "temporary_iam_instance_profile_policy_document";
            builder.insert(option.to_owned(), policy);
        }
        test.write("fleet.json", template.to_string());
        let account = ["-var", "account=1234-5678-9012", "fleet.json"];
        let printed = test.run(&[&["build", "-color=false"], &account[..]].concat());
        assert_eq!(printed.code, 0, "{}", printed.text());
        let place = test.path("machine");
        let place = place.display();
        let said = std::fs::read_to_string(programs.path().join("said")).unwrap();
        // What the names lead to, which has the run's, is left out of the bundle as well.
        let is_own = |word: &&str| word.starts_with(&format!("{place}/x509/imgc-"));
        assert_eq!(said.split(' ').filter(is_own).count(), 2, "{said}");
        let without = |line: &str| {
            let words: Vec<&str> = line.split(' ').filter(|word| !is_own(word)).collect();
            words.join(" ")
        };
        let lines: Vec<String> = said.lines().map(without).collect();
        assert_eq!(
            lines,
            [
                format!(
                    "sudo -i -n ec2-bundle-vol -k {place}/x509/key.pem -u 123456789012 -c {place}/x509/cert.pem -r x86_64 \
                     -e {place}/x509/cert.pem {place}/x509/key.pem -d {place}/bundle -p image-1700000000 --batch --no-filter"
                ),
                format!(
                    "sudo -i -n ec2-upload-bundle -b images -m {place}/bundle/image-1700000000.manifest.xml{keys} \
                     -d {place}/bundle --batch --region us-east-1 --retry"
                ),
            ]
        );
        let left = cloud.left();
        assert_eq!(left.summary(), "2 S3 object, 1 image", "{left}");
        assert_eq!(
            cloud
                .calls()
                .one("RegisterImage")
                .parameter("ImageLocation"),
            "images/image-1700000000.manifest.xml"
        );
    }
}
