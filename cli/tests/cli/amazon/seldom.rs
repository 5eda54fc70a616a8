//! What few templates say: launch templates of a fast start, keys of imports and who may use what is imported.
//!
//! In: templates with these options. Out: the requests that carry them, and what stands in the account afterwards.

use std::collections::BTreeMap;

use imgc_testbed::Cloud;

use super::publish::image;
use super::{behaviour, import, publish};

/// What is asked for a fast start, by region, without the image.
fn fast_starts(cloud: &Cloud) -> BTreeMap<String, BTreeMap<String, String>> {
    let calls = cloud.calls().of("EnableFastLaunch");
    let each = calls.iter().map(|call| {
        assert_eq!(call.parameter("ImageId"), image(cloud, &call.region));
        let mut said = call.parameters.clone();
        said.retain(|name, _| !["ImageId", "ResourceType"].contains(&name.as_str()));
        (call.region.clone(), said)
    });
    let all: BTreeMap<_, _> = each.collect();
    assert_eq!(all.len(), calls.len(), "{calls:?}");
    all
}

fn said(parts: &[(&str, &str)]) -> BTreeMap<String, String> {
    let parts = parts.iter();
    parts
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

const BY_NAME: &str = r#"ami_regions = ["eu-west-1", "us-west-2", "us-west-1"]
  fast_launch {
    enable_fast_launch    = true
    max_parallel_launches = 8
    target_resource_count = 3
    template_name         = "windows"
    region_launch_templates {
      region           = "eu-west-1"
      template_id      = "lt-0123456789abcdef0"
      template_version = 4
    }
    region_launch_templates {
      region             = "us-west-2"
      enable_fast_launch = false
    }
  }"#;

/// It is meant without `enable_fast_launch` as well.
const BY_ID: &str = r#"ami_regions = ["eu-west-1"]
  fast_launch {
    template_id      = "lt-0123456789abcdef0"
    template_version = 2
    region_launch_templates {
      region           = "eu-west-1"
      template_name    = "windows-eu"
      template_version = 7
    }
  }"#;

/// Where the image is made it is not wanted, which only the environment names.
const ELSEWHERE: &str = r#"ami_regions = ["eu-west-1"]
  fast_launch {
    enable_fast_launch = true
    region_launch_templates {
      region             = "us-east-1"
      enable_fast_launch = false
    }
  }"#;

/// Whatever else is said, it is not wanted.
const OFF: &str = r#"fast_launch {
    enable_fast_launch    = false
    target_resource_count = 3
    template_name         = "windows"
  }"#;

#[test]
fn a_fast_start_has_the_launch_template_of_its_region() {
    const ID: (&str, &str) = ("LaunchTemplate.LaunchTemplateId", "lt-0123456789abcdef0");
    const NAME: &str = "LaunchTemplate.LaunchTemplateName";
    const VERSION: &str = "LaunchTemplate.Version";
    let numbers = [
        ("MaxParallelLaunches", "8"),
        ("SnapshotConfiguration.TargetResourceCount", "3"),
    ];
    let with_numbers = |parts: &[(&str, &str)]| said(&[&numbers[..], parts].concat());
    let cloud = Cloud::with(behaviour()).unwrap();
    for (options, wanted) in [
        (
            BY_NAME,
            vec![
                (
                    "us-east-1",
                    with_numbers(&[(NAME, "windows"), (VERSION, "$Latest")]),
                ),
                ("eu-west-1", with_numbers(&[ID, (VERSION, "4")])),
                // That of Amazon: a template of the account is in one region.
                ("us-west-1", with_numbers(&[])),
            ],
        ),
        (
            BY_ID,
            vec![
                ("us-east-1", said(&[ID, (VERSION, "2")])),
                ("eu-west-1", said(&[(NAME, "windows-eu"), (VERSION, "7")])),
            ],
        ),
        (ELSEWHERE, vec![("eu-west-1", said(&[]))]),
        (OFF, vec![]),
    ] {
        cloud.reset().unwrap();
        let test = publish::test(&cloud, options, "");
        let printed = test.run(&["build", "-color=false", "."]);
        assert_eq!(printed.code, 0, "{options}: {}", printed.text());
        let wanted = wanted.into_iter();
        let wanted: BTreeMap<_, _> = wanted
            .map(|(region, said)| (region.to_owned(), said))
            .collect();
        assert_eq!(fast_starts(&cloud), wanted, "{options}");
    }
}

#[test]
fn what_a_launch_template_cannot_be_is_said_by_validate() {
    let cloud = Cloud::start().unwrap();
    let both = "template_id = \"lt-1\"\n    template_name = \"windows\"";
    let region =
        |what: &str| format!("region_launch_templates {{\n region = \"us-east-1\"\n {what}\n }}");
    for (options, wanted) in [
        (
            both.to_owned(),
            "a launch template is named by `template_id` and by `template_name`",
        ),
        (
            region(both),
            "a launch template is named by `template_id` and by `template_name`",
        ),
        (
            "template_version = 3".to_owned(),
            "`template_version` is given, and no launch template",
        ),
        (region("template_version = -1"), "`template_version` is -1"),
        (
            region("") + "\n" + &region("template_id = \"lt-1\""),
            "`region_launch_templates` speaks of us-east-1 twice",
        ),
    ] {
        let block = format!("fast_launch {{\n    {options}\n  }}");
        let printed = publish::test(&cloud, &block, "").run(&["validate", "-color=false", "."]);
        assert_eq!(printed.code, 3, "{options}: {}", printed.text());
        assert!(
            printed.text().contains(wanted),
            "{options}: {}",
            printed.text()
        );
    }
    assert_eq!(cloud.calls().len(), 0);
}

const ORGANISATION: &str = "arn:aws:organizations::123456789012:organization/o-1";
const UNIT: &str = "arn:aws:organizations::123456789012:ou/o-1/ou-1";

#[test]
fn an_imported_image_is_encrypted_and_shared_as_the_template_says() {
    let cloud = import::cloud();
    let options = format!(
        r#"ami_name     = "disk-1"
    ami_encrypt  = true
    ami_kms_key  = "alias/disks"
    ami_users    = ["111122223333", "444455556666"]
    ami_org_arns = ["{ORGANISATION}"]
    ami_ou_arns  = ["{UNIT}"]
    imds_support = "v2.0"
    platform     = "windows"
    architecture = "arm64"
    tags         = {{ team = "web" }}"#
    );
    let printed = import::test(&cloud, &options).run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
    let id = left.of("image")[0].id.as_str();
    let calls = cloud.calls();
    let (task, copy) = (calls.one("ImportImage"), calls.one("CopyImage"));
    for call in [&task, &copy] {
        assert_eq!(call.parameter("Encrypted"), "true", "{call:?}");
        assert_eq!(call.parameter("KmsKeyId"), "alias/disks", "{call:?}");
    }
    assert_eq!(task.parameter("Platform"), "Windows");
    assert_eq!(task.parameter("Architecture"), "arm64");
    for kind in ["image", "snapshot"] {
        assert_eq!(copy.tags(kind)["team"], "web", "{copy:?}");
        assert_eq!(left.of(kind)[0].tags["team"], "web", "{left}");
    }
    let changes = calls.of("ModifyImageAttribute");
    let with = |name: &str| {
        changes
            .only(|call| call.parameters.contains_key(name))
            .one("ModifyImageAttribute")
    };
    let (guarded, shared) = (
        with("ImdsSupport.Value"),
        with("LaunchPermission.Add.1.UserId"),
    );
    assert_eq!(changes.len(), 2, "{changes:?}");
    for (call, name, value) in [
        (&guarded, "ImageId", id),
        (&guarded, "ImdsSupport.Value", "v2.0"),
        (&shared, "ImageId", id),
        (&shared, "LaunchPermission.Add.1.UserId", "111122223333"),
        (&shared, "LaunchPermission.Add.2.UserId", "444455556666"),
        (
            &shared,
            "LaunchPermission.Add.3.OrganizationArn",
            ORGANISATION,
        ),
        (
            &shared,
            "LaunchPermission.Add.4.OrganizationalUnitArn",
            UNIT,
        ),
    ] {
        assert_eq!(call.parameter(name), value, "{name}: {call:?}");
    }
    let shown = cloud.texts("us-east-1", "DescribeImages", &[("ImageId.1", id)]);
    let disk = "imagesSet/1/blockDeviceMapping/1/ebs/encrypted";
    assert_eq!(shown[disk], "true", "{shown:?}");
    let asked = [("ImageId", id), ("Attribute", "launchPermission")];
    let may = cloud
        .ec2("us-east-1", "DescribeImageAttribute", &asked)
        .unwrap();
    for account in ["111122223333", "444455556666"] {
        assert!(may.contains(&format!("<userId>{account}<")), "{may}");
    }
}

#[test]
fn an_imported_image_may_be_everybody_s() {
    let cloud = import::cloud();
    let options = "ami_groups = [\"all\"]\n    ami_description = \"of a disk\"";
    let printed = import::test(&cloud, options).run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let left = cloud.left();
    let id = left.of("image")[0].id.as_str();
    let calls = cloud.calls();
    for name in ["Encrypted", "KmsKeyId"] {
        let task = calls.one("ImportImage");
        assert!(!task.parameters.contains_key(name), "{task:?}");
    }
    let asked = [("ImageId", id), ("Attribute", "launchPermission")];
    let may = cloud
        .ec2("us-east-1", "DescribeImageAttribute", &asked)
        .unwrap();
    assert!(may.contains("<group>all<"), "{may}");
    let shown = cloud.texts("us-east-1", "DescribeImages", &[("ImageId.1", id)]);
    assert_eq!(shown["imagesSet/1/description"], "of a disk", "{shown:?}");
}

/// Amazon takes a key only for what is encrypted, and only for its key service.
#[test]
fn whoever_names_a_key_for_an_import_means_it() {
    let cloud = import::cloud();
    let key = "ami_kms_key = \"alias/disks\"";
    let whole = Some("alias/disks");
    let own = "s3_encryption_key = \"alias/bucket\"";
    let rows = [
        ("".to_owned(), false, None, None, None),
        ("ami_encrypt = true".to_owned(), true, None, None, None),
        (key.to_owned(), true, whole, None, None),
        (
            format!("ami_encrypt = false\n    {key}"),
            false,
            None,
            None,
            None,
        ),
        (
            format!("s3_encryption = \"AES256\"\n    {own}"),
            false,
            None,
            Some("aes256"),
            None,
        ),
        (
            own.to_owned(),
            false,
            None,
            Some("aws:kms"),
            Some("alias/bucket"),
        ),
        (
            format!("s3_encryption = \"aws:kms\"\n    {own}"),
            false,
            None,
            Some("aws:kms"),
            Some("alias/bucket"),
        ),
    ];
    for (at, (options, encrypted, ami_key, at_rest, bucket_key)) in rows.into_iter().enumerate() {
        cloud.forget_calls();
        let object = format!("{at}.raw");
        let kept = format!("s3_key_name = \"{object}\"\n    skip_clean = true");
        let test = import::test(&cloud, &format!("{kept}\n    {options}"));
        let printed = test.run(&["build", "-color=false", "."]);
        assert_eq!(printed.code, 0, "{options}: {}", printed.text());
        let task = cloud.calls().one("ImportImage");
        let of_task = |name: &str| task.parameters.get(name).map(String::as_str);
        assert_eq!(
            of_task("Encrypted"),
            encrypted.then_some("true"),
            "{options}"
        );
        assert_eq!(of_task("KmsKeyId"), ami_key, "{options}");
        let head = import::of_storage(&cloud, "HEAD", &format!("/images/{object}")).to_lowercase();
        let of_object = |name: &str| {
            let name = format!("x-amz-server-side-encryption{name}: ");
            let line = head.lines().find_map(|line| line.strip_prefix(&name));
            line.map(str::to_owned)
        };
        assert_eq!(of_object("").as_deref(), at_rest, "{options}: {head}");
        let of_key = of_object("-aws-kms-key-id");
        assert_eq!(of_key.as_deref(), bucket_key, "{options}: {head}");
        let unused = "`s3_encryption_key` is not used";
        let is_unused = at_rest == Some("aes256");
        assert_eq!(
            printed.text().contains(unused),
            is_unused,
            "{}",
            printed.text()
        );
    }
}
