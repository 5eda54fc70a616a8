//! Rights: the policy that a plan prints, what a build calls, and what a refusal says.

use std::collections::BTreeSet;

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Call, Moment, Then};
use serde_json::Value as Json;

use super::family::{ALL, Member};
use super::{PROFILE, behaviour, test};
use crate::harness::Test;

/// The actions in a policy.
fn allowed(policy: &Json) -> BTreeSet<String> {
    let statements = policy["Statement"].as_array().unwrap();
    let actions = statements
        .iter()
        .flat_map(|one| one["Action"].as_array().unwrap());
    actions
        .map(|one| one.as_str().unwrap().to_owned())
        .collect()
}

fn policy(test: &Test, flag: &str) -> Json {
    let printed = test.run(&["plan", flag, "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    serde_json::from_str(&printed.stdout).unwrap()
}

/// The rights that calls take: their own, and those that come with them.
fn taken(calls: &[Call]) -> BTreeSet<String> {
    let mut taken = BTreeSet::new();
    for call in calls {
        let action = match call.action.as_str() {
            "HeadBucket" | "ListObjectsV2" => "ListBucket",
            action => action,
        };
        taken.insert(format!("{}:{action}", call.service));
        let names = |part: &str| call.parameters.keys().any(|name| name.contains(part));
        if call.service == "ec2" && names("TagSpecification") {
            taken.insert("ec2:CreateTags".to_owned());
        }
        if call.service == "ec2" && names("IamInstanceProfile") {
            taken.insert("iam:PassRole".to_owned());
        }
        if call.service == "iam" && names("Tags.") {
            let kind = call.action.trim_start_matches("Create");
            taken.insert(format!("iam:Tag{kind}"));
        }
    }
    taken
}

/// A template whose policy is held against what its builds call: one that ends well, and one that is undone when all is made.
pub(super) fn held_against_calls(what: &str, cloud: &Cloud, test: &Test) {
    let policy = policy(test, "-iam");
    cloud.forget_calls();
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{what}: {}", printed.text());
    let finished = cloud.left();
    let text = test.read("main.pkr.hcl");
    // With a bundle of its own, so that undoing the second build leaves that of the first.
    let text = text.replace(
        "bundle_destination",
        "bundle_prefix = \"second\"\n  bundle_destination",
    );
    test.write("main.pkr.hcl", text.replace("web-1", "web-2"));
    cloud.hook(|call, moment| match (call.action.as_str(), moment) {
        ("DeleteTags", Moment::Before) => Then::Refuse(
            400,
            "InvalidParameterValue".to_owned(),
            "not today".to_owned(),
        ),
        _ => Then::GoOn,
    });
    let undone = test.run(&["build", "-force", "-color=false", "."]);
    cloud.unhook();
    assert_ne!(undone.code, 0, "{what}: {}", undone.text());
    let left = cloud.left();
    assert_eq!(left.summary(), finished.summary(), "{what}: {left}");
    let mut all = taken(&cloud.calls());
    // An instance of the spot market is started in the caller's name as well; that was rehearsed.
    all.extend(taken(&cloud.dry_runs()));
    // Amazon's tool says with each part who may read it; what stands for it here does not.
    if text.contains("bundle_upload_command") {
        all.insert("s3:PutObjectAcl".to_owned());
    }
    // Asked by a build that takes more than six hours.
    all.insert("ec2:DescribeTags".to_owned());
    // Asked where an earlier run has shared the image with somebody whom the template does not name any more.
    for (option, action) in [
        ("ami_users", "ec2:DescribeImageAttribute"),
        ("snapshot_users", "ec2:DescribeSnapshotAttribute"),
    ] {
        // Volumes say in a block of their own who may use their snapshots.
        if text.contains(&format!("\n  {option}")) {
            all.insert(action.to_owned());
        }
    }
    // A build with a role of its own asks what IAM's policies say of it, and does without an answer.
    for asked in ["iam:SimulatePrincipalPolicy", "sts:GetCallerIdentity"] {
        all.remove(asked);
    }
    assert_eq!(allowed(&policy), all, "{what}");
}

#[test]
fn the_policy_allows_what_builds_call_and_nothing_else() {
    for member in &ALL {
        let cloud = member.cloud();
        let test = member.simple(&cloud);
        held_against_calls(member.name(), &cloud, &test);
    }
}

#[test]
fn the_policy_allows_what_spot_a_profile_and_copies_take_and_nothing_else() {
    let variants = [
        ("spot", "spot_instance_types = [\"m5.large\"]"),
        ("a profile", PROFILE),
        (
            "copies",
            "ami_regions = [\"us-west-2\"]\n  ami_users = [\"210987654321\"]\n  snapshot_users = [\"210987654321\"]\n  \
             deprecate_at = \"2030-01-31T00:00:00Z\"",
        ),
    ];
    for (what, options) in variants {
        let member = &ALL[0];
        let cloud = member.cloud();
        let test = member.simple(&cloud);
        let text = test.read("main.pkr.hcl");
        let mut text = text.replacen("run_tags", &format!("{options}\n  run_tags"), 1);
        if what == "spot" {
            text = text.replace("  instance_type = \"t3.micro\"\n", "");
        }
        test.write("main.pkr.hcl", text);
        held_against_calls(what, &cloud, &test);
    }
}

/// Data sources are read for the plan, in the name of whoever builds.
#[test]
fn the_policy_allows_what_data_sources_ask() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let moto = cloud.moto();
    let secret = r#"{"Name": "web/token", "SecretString": "s3cret-t0ken"}"#;
    moto.call("secretsmanager", "CreateSecret", secret).unwrap();
    let parameter = r#"{"Name": "/web/flavour", "Value": "t3.micro", "Type": "String"}"#;
    moto.call("ssm", "PutParameter", parameter).unwrap();
    let test = test(&cloud);
    let text = test.read("main.pkr.hcl");
    let text = text
        .replace("\"t3.micro\"", "data.amazon-parameterstore.flavour.value")
        .replace(
            "\"echo inside the machine\"",
            "\"echo ${length(data.amazon-secretsmanager.token.value)}\"",
        );
    let data = r#"data "amazon-parameterstore" "flavour" {
  name = "/web/flavour"
}
data "amazon-secretsmanager" "token" {
  name = "web/token"
}
data "amazon-secretsmanager" "unused" {
  name = "web/other"
}
"#;
    test.write("main.pkr.hcl", format!("{data}{text}"));
    let policy = policy(&test, "-iam");
    let printed = policy.to_string();
    for named in [":parameter/web/flavour\"", ":secret:web/token-??????\""] {
        assert!(printed.contains(named), "no {named}: {printed}");
    }
    assert!(!printed.contains("web/other"), "{printed}");
    held_against_calls("data sources", &cloud, &test);
}

/// What a plan asks, of every builder.
#[test]
fn a_plan_says_what_each_builder_will_make_and_asks_read_only() {
    for member in &ALL {
        let cloud = member.cloud();
        let test = member.simple(&cloud);
        let plan = test.run(&["plan", "-color=false", "."]);
        assert_eq!(plan.code, 0, "{}: {}", member.name(), plan.text());
        let text = plan.text();
        for shown in [
            "source image",
            "us-east-1",
            "subnet",
            "key pair",
            "security group",
            "127.0.0.1/32",
            "instance",
            "quota",
        ] {
            assert!(
                text.contains(shown),
                "{}: no {shown}: {text}",
                member.name()
            );
        }
        assert!(
            text.contains("to make what is needed are there"),
            "{}: {text}",
            member.name()
        );
        let made = match member.builder {
            "amazon-ebsvolume" => "/dev/sdf",
            "amazon-instance" => "in the bucket images",
            _ => "`web-1` is free in us-east-1",
        };
        assert!(text.contains(made), "{}: {text}", member.name());
        assert_eq!(
            cloud.calls().changes().len(),
            0,
            "{}: {}",
            member.name(),
            cloud.calls().sequence()
        );
    }
}

#[test]
fn the_policy_is_of_the_account_and_narrow() {
    let cloud = Cloud::start().unwrap();
    let test = test(&cloud);
    let policy = policy(&test, "-iam");
    let statements = policy["Statement"].as_array().unwrap();
    let of = |action: &str| {
        let found = statements.iter().filter(|one| {
            let actions = one["Action"].as_array().unwrap();
            actions.iter().any(|name| name == action)
        });
        found.collect::<Vec<_>>()
    };
    let account = cloud.account();
    let terminate = of("ec2:TerminateInstances");
    assert_eq!(
        terminate[0]["Resource"][0],
        format!("arn:aws:ec2:us-east-1:{account}:instance/*")
    );
    assert_eq!(
        terminate[0]["Condition"]["Null"]["aws:ResourceTag/imgc:run"][0],
        "false"
    );
    let tags = of("ec2:CreateTags");
    assert_eq!(tags.len(), 2, "{tags:?}");
    let (marks, made): (Vec<&Json>, Vec<&Json>) = tags
        .into_iter()
        .partition(|one| one["Condition"]["Null"]["aws:ResourceTag/imgc:run"][0] == "false");
    assert_eq!(
        marks[0]["Condition"]["ForAllValues:StringEquals"]["aws:TagKeys"],
        serde_json::json!(["imgc:expires", "imgc:stored"])
    );
    let makers = &made[0]["Condition"]["StringEquals"]["ec2:CreateAction"];
    let makers: Vec<&str> = makers
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Json::as_str)
        .collect();
    assert_eq!(
        makers,
        [
            "CreateImage",
            "CreateSecurityGroup",
            "ImportKeyPair",
            "RunInstances"
        ]
    );
    let describes = of("ec2:DescribeImages");
    assert_eq!(
        describes[0]["Condition"]["StringEquals"]["aws:RequestedRegion"][0],
        "us-east-1"
    );
    // Nobody is asked who asks.
    cloud.forget_calls();
    let offline = test.run(&["plan", "-iam", "-offline", "."]);
    assert!(
        offline
            .stdout
            .contains("arn:aws:ec2:us-east-1:*:instance/*"),
        "{}",
        offline.text()
    );
    assert_eq!(cloud.calls().len(), 0);
    let full = self::policy(&test, "-iam=full");
    let more: Vec<String> = allowed(&full)
        .difference(&allowed(&policy))
        .cloned()
        .collect();
    assert!(
        more.contains(&"ec2:GetConsoleOutput".to_owned()),
        "{more:?}"
    );
    assert!(
        more.contains(&"sts:DecodeAuthorizationMessage".to_owned()),
        "{more:?}"
    );
}

#[test]
fn the_bucket_of_a_bundle_is_named_with_its_path() {
    let member = &ALL[4];
    let cloud = member.cloud();
    let test = member.simple(&cloud);
    let text = test.read("main.pkr.hcl");
    test.write(
        "main.pkr.hcl",
        text.replace("\"images\"", "\"my-bucket/path\""),
    );
    let policy = policy(&test, "-iam").to_string();
    let objects = "\"arn:aws:s3:::my-bucket/path/*\"";
    assert!(policy.contains(objects), "{policy}");
    assert!(!policy.contains(":::*/*"), "{policy}");
}

#[test]
fn builds_with_other_credentials_have_policies_of_their_own() {
    let cloud = Cloud::start().unwrap();
    let base = test(&cloud);
    let one = base.read("main.pkr.hcl");
    let source = |name: &str, more: &str| {
        let begin = one.find("source").unwrap();
        let end = one.find("build {").unwrap();
        let text = one[begin..end].replace("\"web\"", &format!("{name:?}"));
        text.replacen("ami_name", &format!("{more}\n  ami_name"), 1)
    };
    let role = "assume_role {\n    role_arn = \"arn:aws:iam::210987654321:role/images\"\n  }";
    let text = format!(
        "{}{}build {{\n  sources = [\"amazon-ebs.one\", \"amazon-ebs.two\"]\n}}\n",
        source("one", ""),
        source("two", role)
    );
    base.write("main.pkr.hcl", text);
    let policies = policy(&base, "-iam");
    let holders: Vec<&String> = policies.as_object().unwrap().keys().collect();
    let role = "role arn:aws:iam::210987654321:role/images";
    assert_eq!(
        holders,
        [
            &format!("account {}", cloud.account()),
            role,
            &format!("whoever takes the {role}"),
        ]
    );
    let text = policies[role].to_string();
    assert!(
        text.contains("arn:aws:ec2:us-east-1:210987654321:instance/*"),
        "{text}"
    );
    let assumes = &policies[holders[2].as_str()]["Statement"][0];
    assert_eq!(assumes["Action"][0], "sts:AssumeRole");
}

#[test]
fn what_makes_things_is_asked_for_first_and_all_that_is_missing_is_named() {
    for member in &ALL {
        all_that_is_missing_is_named(member);
    }
}

fn all_that_is_missing_is_named(member: &Member) {
    let cloud = member.cloud();
    let missing = [
        "ec2:CreateSecurityGroup",
        "ec2:ImportKeyPair",
        "ec2:RunInstances",
    ];
    cloud.change(|behaviour| behaviour.denied = missing.map(str::to_owned).to_vec());
    let test = member.simple(&cloud);
    let printed = test.run(&["build", "-color=false", "."]);
    assert_ne!(printed.code, 0);
    let text = printed.text();
    for action in missing {
        assert!(text.contains(action), "{}: {text}", member.name());
        assert!(
            text.contains(&format!("\"Action\":[\"{action}\"]")),
            "{}: {text}",
            member.name()
        );
    }
    assert!(
        text.contains("no policy allows it for arn:aws:iam::"),
        "{}: {text}",
        member.name()
    );
    assert!(
        !text.contains("Encoded authorization"),
        "{}: {text}",
        member.name()
    );
    assert_eq!(
        cloud.calls().changes().len(),
        0,
        "{}",
        cloud.calls().sequence()
    );
    let plan = test.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 3, "{}", plan.text());
    assert!(plan.stderr.contains(": rights\n"), "{}", plan.text());
    assert!(
        plan.stdout
            .contains("! 3 actions that this build needs are not allowed"),
        "{}",
        plan.text()
    );
}

/// One right after the other is missing; a build says which, or does without.
#[test]
fn every_missing_right_of_an_ebs_build_is_named_with_what_would_allow_it() {
    each_missing_right_is_named(&ALL[0], &BTreeSet::new());
}

#[test]
fn every_missing_right_of_a_surrogate_is_named_with_what_would_allow_it() {
    missing_beside_ebs(&ALL[1..3]);
}

#[test]
fn every_missing_right_of_other_builders_is_named_with_what_would_allow_it() {
    missing_beside_ebs(&ALL[3..]);
}

/// Of others those rights that `amazon-ebs` has not: it comes first.
fn missing_beside_ebs(members: &[Member]) {
    let known = allowed(&policy(&ALL[0].simple(&ALL[0].cloud()), "-iam"));
    for member in members {
        each_missing_right_is_named(member, &known);
    }
}

fn each_missing_right_is_named(member: &Member, known: &BTreeSet<String>) {
    let cloud = member.cloud();
    let rights = allowed(&policy(&member.simple(&cloud), "-iam"));
    let rights = rights.difference(known);
    let rights = rights.filter(|right| *right != "ec2:CreateTags" && right.starts_with("ec2:"));
    for right in rights {
        cloud.reset().unwrap();
        member.furnish(&cloud);
        let test = member.simple(&cloud);
        cloud.change(|behaviour| behaviour.denied = vec![right.clone()]);
        let printed = test.run(&["build", "-color=false", "."]);
        cloud.change(|behaviour| behaviour.denied.clear());
        let text = printed.text();
        // States are asked for with the whole instances then.
        let can_do_without = right == "ec2:DescribeInstanceStatus";
        let is_called = cloud
            .calls()
            .iter()
            .any(|call| format!("ec2:{}", call.action) == *right);
        assert!(is_called || !can_do_without, "{}: {text}", member.name());
        if can_do_without {
            assert_eq!(printed.code, 0, "{}, {right}: {text}", member.name());
        } else if is_called
            || cloud
                .dry_runs()
                .iter()
                .any(|call| format!("ec2:{}", call.action) == *right)
        {
            assert_ne!(printed.code, 0, "{}, {right}: {text}", member.name());
            assert!(
                text.contains(right.as_str()),
                "{}, {right}: {text}",
                member.name()
            );
            assert!(
                text.contains("is not allowed: "),
                "{}, {right}: {text}",
                member.name()
            );
            let allows = format!("\"Action\":[\"{right}\"]");
            assert!(text.contains(&allows), "{}, {right}: {text}", member.name());
        } else {
            assert_eq!(printed.code, 0, "{}, {right}: {text}", member.name());
        }
        let gone = test.run(&["gc"]);
        assert_eq!(gone.code, 0, "{}, {right}: {}", member.name(), gone.text());
        let left = cloud.left();
        let kept = ["", member.makes];
        assert!(
            kept.contains(&left.summary().as_str()),
            "{}, {right}: {left}\n{text}",
            member.name()
        );
    }
}

/// All that a run with post-processors calls is allowed, in the regions of the image and on what the template names.
#[test]
fn the_policy_has_what_post_processors_take() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let alone = allowed(&policy(&test, "-iam"));
    let text = test.read("main.pkr.hcl");
    let text = text.replacen("run_tags", "ami_regions = [\"us-west-2\"]\n  run_tags", 1);
    let end = text.rfind('}').unwrap();
    test.write(
        "main.pkr.hcl",
        format!(
            r#"{}  post-processors {{
    post-processor "amazon-ssm-parameter" {{
      parameter = "/golden/{{{{ .BuildRegion }}}}"
    }}
    post-processor "amazon-retention" {{
      family = "web"
      keep   = 1
    }}
  }}
}}
"#,
            &text[..end]
        ),
    );
    let document = policy(&test, "-iam");
    let all = allowed(&document);
    cloud.forget_calls();
    for name in ["web-1", "web-2"] {
        let text = test.read("main.pkr.hcl");
        test.write("main.pkr.hcl", text.replace("web-1", name));
        let printed = test.run(&["build", "-color=false", "."]);
        assert_eq!(printed.code, 0, "{}", printed.text());
    }
    let mut called = taken(&cloud.calls());
    called.extend(taken(&cloud.dry_runs()));
    let missing: Vec<_> = called.difference(&all).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for action in [
        "ssm:PutParameter",
        "ssm:AddTagsToResource",
        "ssm:DeleteParameter",
    ] {
        assert!(all.contains(action) && !alone.contains(action), "{action}");
    }
    assert!(called.contains("ec2:DeregisterImage") && called.contains("ssm:PutParameter"));
    let text = document.to_string();
    for place in ["us-east-1", "us-west-2"] {
        let parameter = format!("arn:aws:ssm:{place}:{}:parameter/golden/", cloud.account());
        assert!(text.contains(&parameter), "{text}");
    }
    assert!(text.contains("aws:ResourceTag/imgc:family"), "{text}");
    assert!(
        !text.contains(":parameter/*\"") || all.contains("ssm:GetParameters"),
        "{text}"
    );
}
