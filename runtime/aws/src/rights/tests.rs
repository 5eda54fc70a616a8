#![allow(clippy::unwrap_used)]
use std::path::Path;

use imgc_compiler::value::Value;
use imgc_runtime::options::Options;
use imgc_runtime::preview::policies;
use serde_json::{Value as Json, json};

use super::*;

#[test]
fn what_a_data_source_names_is_named_in_its_rights() {
    let of = |resource: &str, name: &str| narrowed(resource.to_owned(), name);
    let parameter = "arn:aws:ssm:eu-west-1:1:parameter/*";
    let secret = "arn:aws:secretsmanager:eu-west-1:1:secret:*";
    assert_eq!(
        of(parameter, "/web/ami:live"),
        "arn:aws:ssm:eu-west-1:1:parameter/web/ami"
    );
    let other = "arn:aws:ssm:eu-west-1:2:parameter/web/ami";
    assert_eq!(of(parameter, other), other);
    assert_eq!(
        of(secret, "web/token"),
        "arn:aws:secretsmanager:eu-west-1:1:secret:web/token-??????"
    );
    assert_eq!(of("*", "web"), "*");
}

#[test]
fn a_bucket_that_is_named_is_named_with_its_path() {
    let objects = |region: &str| {
        let place = Place {
            region: region.to_owned(),
            account: None,
        };
        place.things("object")
    };
    for (bucket, region, named) in [
        (
            "my-bucket/path",
            "eu-west-1",
            "arn:aws:s3:::my-bucket/path/*",
        ),
        ("my-bucket", "cn-north-1", "arn:aws-cn:s3:::my-bucket/*"),
        ("my-{{ x }}", "us-gov-west-1", "arn:aws-us-gov:s3:::my-*"),
        ("{{ x }}", "eu-west-1", "arn:aws:s3:::*/*"),
    ] {
        assert_eq!(in_bucket(objects(region), bucket), named);
    }
    assert_eq!(in_bucket("*".to_owned(), "my-bucket"), "*");
}

/// The actions that the sources of this crate ask for, with the service where it is not EC2.
fn called() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            // The table, and what is asserted of it, is no call.
            let own = path.strip_prefix(&root).unwrap();
            if own.components().any(|part| {
                let name = part.as_os_str().to_string_lossy();
                name == "rights" || name == "rights.rs" || name == "error.rs"
            }) {
                continue;
            }
            // What is between two quotes, whichever of them begins.
            for literal in text.split('"') {
                let name = literal.rsplit(':').next().unwrap_or_default();
                let service = literal.strip_suffix(name).unwrap_or_default();
                if is_action(service, name) {
                    found.insert(permission(literal));
                }
            }
        }
    }
    found
}

/// The first words of the names of actions.
const VERBS: &[&str] = &[
    "Add",
    "Assume",
    "Attach",
    "Associate",
    "Authorize",
    "Cancel",
    "Copy",
    "Create",
    "Decode",
    "Delete",
    "Deregister",
    "Describe",
    "Detach",
    "Disable",
    "Enable",
    "Get",
    "Import",
    "List",
    "Modify",
    "Pass",
    "Put",
    "Register",
    "Remove",
    "Reset",
    "Revoke",
    "Run",
    "Send",
    "Simulate",
    "Start",
    "Stop",
    "Tag",
    "Terminate",
    "Untag",
    "Wait",
    "Label",
    "Upload",
    "Abort",
    "Complete",
    "Head",
];

fn is_action(service: &str, name: &str) -> bool {
    let services = [
        "",
        "autoscaling:",
        "ec2:",
        "iam:",
        "kms:",
        "pricing:",
        "s3:",
        "secretsmanager:",
        "servicequotas:",
        "ssm:",
        "sts:",
    ];
    let rest = VERBS.iter().find_map(|verb| name.strip_prefix(verb));
    services.contains(&service)
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
}

/// Rights of which nothing of ours is a call: they come with others.
const COME_WITH_OTHERS: &[&str] = &[
    "ec2:CreateTags",
    "iam:PassRole",
    // Whether an object is there is not said without it.
    "s3:GetObject",
    // The AMI tools give it on the machine.
    "s3:PutObjectAcl",
    // A parameter is made with its tags.
    "ssm:AddTagsToResource",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    // Asked when something is refused, by no name of ours.
    "sts:DecodeAuthorizationMessage",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
];

#[test]
fn every_action_that_is_called_is_in_the_table_and_the_other_way_round() {
    let table: BTreeSet<String> = TABLE.iter().map(|row| row.action.to_owned()).collect();
    let called = called();
    // Beginning an upload in parts takes the right to put.
    let missing: Vec<_> = called
        .difference(&table)
        .filter(|action| *action != "s3:CreateMultipartUpload")
        .collect();
    assert!(
        missing.is_empty(),
        "give them rows in rights.rs: {missing:?}"
    );
    let unused: Vec<_> = table
        .difference(&called)
        .filter(|action| !COME_WITH_OTHERS.contains(&action.as_str()))
        .collect();
    assert!(unused.is_empty(), "nothing calls them: {unused:?}");
}

fn place() -> Place {
    Place {
        region: "eu-west-1".to_owned(),
        account: Some("123456789012".to_owned()),
    }
}

#[test]
fn a_policy_is_as_narrow_as_ec2_can_be() {
    let options = Value::object([
        ("ami_name", Value::string("web")),
        ("security_group_id", Value::string("sg-1")),
        ("skip_create_ami", Value::bool(true)),
        ("ssh_password", Value::string("x")),
    ]);
    let parts = parts(Family::Ebs, &Options::new("x", &options));
    let rights = rights(&parts, &place(), false);
    let policy = &policies(&rights)[""];
    let ours = json!({ "Null": { "aws:ResourceTag/imgc:run": ["false"] } });
    let marks = json!({
        "ForAllValues:StringEquals": { "aws:TagKeys": ["imgc:expires", "imgc:stored"] },
        "Null": { "aws:ResourceTag/imgc:run": ["false"] },
    });
    let made = json!({ "Null": { "aws:RequestTag/imgc:run": ["false"] } });
    let here = json!({ "StringEquals": { "aws:RequestedRegion": ["eu-west-1"] } });
    let by_starting = json!({ "StringEquals": { "ec2:CreateAction": ["RunInstances"] } });
    let things = |kind: &str| format!("arn:aws:ec2:eu-west-1:123456789012:{kind}/*");
    let statement = |actions: &[&str], resources: &[String], conditions: Option<&Json>| {
        let mut one = json!({ "Effect": "Allow", "Action": actions, "Resource": resources });
        if let Some(conditions) = conditions {
            one["Condition"] = conditions.clone();
        }
        one
    };
    let wanted = [
        statement(
            &["ec2:CreateTags"],
            &["arn:aws:ec2:eu-west-1:*:*/*".to_owned()],
            Some(&by_starting),
        ),
        statement(
            &["ec2:CreateTags"],
            &[
                things("fleet"),
                things("instance"),
                things("key-pair"),
                things("launch-template"),
                things("security-group"),
                things("volume"),
                "arn:aws:ec2:eu-west-1::image/*".to_owned(),
                "arn:aws:ec2:eu-west-1::snapshot/*".to_owned(),
            ],
            Some(&marks),
        ),
        statement(
            &[
                "ec2:DescribeImages",
                "ec2:DescribeInstanceStatus",
                "ec2:DescribeInstances",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeTags",
            ],
            &["*".to_owned()],
            Some(&here),
        ),
        statement(
            &["ec2:RunInstances"],
            &[
                things("key-pair"),
                things("network-interface"),
                things("security-group"),
                things("subnet"),
                "arn:aws:ec2:eu-west-1::image/*".to_owned(),
                "arn:aws:ec2:eu-west-1::snapshot/*".to_owned(),
            ],
            None,
        ),
        statement(
            &["ec2:RunInstances"],
            &[things("instance"), things("volume")],
            Some(&made),
        ),
        statement(
            &["ec2:StopInstances", "ec2:TerminateInstances"],
            &[things("instance")],
            Some(&ours),
        ),
    ];
    let found = policy["Statement"].as_array().unwrap();
    for one in &wanted {
        assert!(found.contains(one), "no {one} in {policy:#}");
    }
    assert_eq!(found.len(), wanted.len(), "{policy:#}");
}

#[test]
fn copies_take_rights_in_their_regions() {
    let regions = ["eu-west-1", "us-west-2"].map(Value::string);
    let options = Value::object([
        ("ami_name", Value::string("web")),
        ("ami_regions", Value::tuple(regions)),
        ("deprecate_at", Value::string("2030-01-31T00:00:00Z")),
    ]);
    let (regions, parts) = copies(&Options::new("x", &options), "eu-west-1");
    assert_eq!(regions, ["us-west-2"]);
    for part in [
        Part::Copy,
        Part::Deprecation,
        Part::Attributes,
        Part::Finish,
    ] {
        assert!(parts.contains(&part), "{part:?}");
    }
    assert!(!parts.contains(&Part::Instance) && !parts.contains(&Part::FastLaunch));
}

#[test]
fn a_refused_action_is_allowed_by_the_statements_of_the_table() {
    let read = |texts: Vec<String>| {
        let texts = texts.iter();
        texts
            .map(|text| serde_json::from_str(text).unwrap())
            .collect::<Vec<Json>>()
    };
    let found = read(statements("ec2:ImportKeyPair", &place()));
    let wanted = [
        json!({
            "Effect": "Allow",
            "Action": ["ec2:ImportKeyPair"],
            "Resource": ["arn:aws:ec2:eu-west-1:123456789012:key-pair/*"],
            "Condition": { "Null": { "aws:RequestTag/imgc:run": ["false"] } },
        }),
        json!({
            "Effect": "Allow",
            "Action": ["ec2:CreateTags"],
            "Resource": ["arn:aws:ec2:eu-west-1:*:*/*"],
            "Condition": { "StringEquals": { "ec2:CreateAction": ["ImportKeyPair"] } },
        }),
    ];
    assert_eq!(found, wanted);
    let found = read(statements("ec2:NobodyKnowsIt", &Place::default()));
    let wanted = json!({ "Effect": "Allow", "Action": ["ec2:NobodyKnowsIt"], "Resource": ["*"] });
    assert_eq!(found, [wanted]);
}

#[test]
fn china_has_names_of_its_own() {
    let place = Place {
        region: "cn-north-1".to_owned(),
        account: None,
    };
    assert_eq!(place.things("image"), "arn:aws-cn:ec2:cn-north-1::image/*");
    assert_eq!(
        place.things("instance"),
        "arn:aws-cn:ec2:cn-north-1:*:instance/*"
    );
}
