//! Rights: the policy that a plan prints, what a build calls, and what a refusal says.

use std::collections::BTreeSet;

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Call, Moment, Then};
use serde_json::Value as Json;

use super::{behaviour, test};
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

/// The rights that calls take: their own, and that of giving tags.
fn taken(calls: &[Call]) -> BTreeSet<String> {
    let mut taken = BTreeSet::new();
    for call in calls {
        taken.insert(format!("{}:{}", call.service, call.action));
        let mut parameters = call.parameters.keys();
        if parameters.any(|name| name.starts_with("TagSpecification.")) {
            taken.insert("ec2:CreateTags".to_owned());
        }
    }
    taken
}

#[test]
fn the_policy_allows_what_builds_call_and_nothing_else() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let policy = policy(&test, "-iam");
    cloud.forget_calls();
    // One that ends well, and one that is undone when its image has been made.
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    test.write(
        "main.pkr.hcl",
        test.read("main.pkr.hcl").replace("web-1", "web-2"),
    );
    cloud.hook(|call, moment| match (call.action.as_str(), moment) {
        ("DeleteTags", Moment::Before) => Then::Refuse(
            400,
            "InvalidParameterValue".to_owned(),
            "not today".to_owned(),
        ),
        _ => Then::GoOn,
    });
    let undone = test.run(&["build", "-color=false", "."]);
    cloud.unhook();
    assert_ne!(undone.code, 0, "{}", undone.text());
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
    assert_eq!(allowed(&policy), taken(&cloud.calls()));
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
    assert_eq!(tags.len(), 1, "{tags:?}");
    let makers = &tags[0]["Condition"]["StringEquals"]["ec2:CreateAction"];
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
    let cloud = Cloud::with(behaviour()).unwrap();
    let missing = [
        "ec2:CreateSecurityGroup",
        "ec2:ImportKeyPair",
        "ec2:RunInstances",
    ];
    cloud.change(|behaviour| behaviour.denied = missing.map(str::to_owned).to_vec());
    let test = test(&cloud);
    let printed = test.run(&["build", "-color=false", "."]);
    assert_ne!(printed.code, 0);
    let text = printed.text();
    for action in missing {
        assert!(text.contains(action), "{text}");
        assert!(
            text.contains(&format!("\"Action\":[\"{action}\"]")),
            "{text}"
        );
    }
    assert!(
        text.contains("no policy allows it for arn:aws:iam::"),
        "{text}"
    );
    assert!(!text.contains("Encoded authorization"), "{text}");
    assert_eq!(
        cloud.calls().changes().len(),
        0,
        "{}",
        cloud.calls().sequence()
    );
    let plan = test.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 0, "{}", plan.text());
    assert!(
        plan.stdout
            .contains("! 3 actions that this build needs are not allowed"),
        "{}",
        plan.text()
    );
}

/// One right after the other is missing; a build says which, or does without.
#[test]
fn every_right_that_is_missing_is_named_with_what_would_allow_it() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let rights = allowed(&policy(&test(&cloud), "-iam"));
    let rights = rights.iter().filter(|right| *right != "ec2:CreateTags");
    for right in rights {
        cloud.reset().unwrap();
        let test = test(&cloud);
        cloud.change(|behaviour| behaviour.denied = vec![right.clone()]);
        let printed = test.run(&["build", "-color=false", "."]);
        cloud.change(|behaviour| behaviour.denied.clear());
        let text = printed.text();
        if cloud
            .calls()
            .iter()
            .any(|call| format!("ec2:{}", call.action) == *right)
            || cloud
                .dry_runs()
                .iter()
                .any(|call| format!("ec2:{}", call.action) == *right)
        {
            assert_ne!(printed.code, 0, "{right}: {text}");
            assert!(text.contains(right.as_str()), "{right}: {text}");
            assert!(text.contains("is not allowed: "), "{right}: {text}");
            let allows = format!("\"Action\":[\"{right}\"]");
            assert!(text.contains(&allows), "{right}: {text}");
        } else {
            assert_eq!(printed.code, 0, "{right}: {text}");
        }
        let gone = test.run(&["gc"]);
        assert_eq!(gone.code, 0, "{right}: {}", gone.text());
        let left = cloud.left();
        let kept = ["", "1 image, 1 snapshot"];
        assert!(
            kept.contains(&left.summary().as_str()),
            "{right}: {left}\n{text}"
        );
    }
}
