//! What a plan shows of Amazon, and that it never needs it.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, stock};
use serde_json::Value as Json;

use super::{behaviour, test};
use crate::harness::Test;

fn plan(test: &Test) -> String {
    let printed = test.run(&["plan", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    printed.stdout
}

/// The plan of a build that would fail of what `about` says.
fn doomed(test: &Test, about: &str) -> String {
    let printed = test.run(&["plan", "-color=false", "."]);
    assert_eq!(printed.code, 3, "{}", printed.text());
    has(
        &printed.stderr,
        &["error: as things are a build would fail", about],
    );
    printed.stdout
}

/// However wide the first column is.
fn has(text: &str, lines: &[&str]) {
    let narrow = |text: &str| {
        let mut text = text.to_owned();
        while text.contains("   ") {
            text = text.replace("   ", "  ");
        }
        text
    };
    let all = narrow(text);
    for line in lines {
        assert!(all.contains(&narrow(line)), "no `{line}` in\n{text}");
    }
}

#[test]
fn a_plan_says_what_is_there_what_is_made_and_what_is_open_to_whom() {
    let cloud = Cloud::start().unwrap();
    let test = test(&cloud);
    let text = plan(&test);
    has(
        &text,
        &[
            "What build.amazon-ebs.web finds and makes",
            &format!("{} (ubuntu/images/", stock::UBUNTU),
            "owner 099720109477",
            "region          us-east-1",
            ", the default one of us-east-1",
            "a default one, which Amazon chooses",
            "`web-1` is free in us-east-1",
            "price per hour  0.0104 USD for t3.micro on demand, without disks",
            "to make what is needed are there",
            "key pair in us-east-1: ed25519, made here (until the build ends)",
            "open; open to 127.0.0.1/32 (until the build ends)",
            "instance in us-east-1: t3.micro (until the build ends)",
            "image in us-east-1: web-1 (stays)",
            "snapshot in us-east-1: of its disk (stays)",
        ],
    );
    let account = format!("{}, as arn:aws:", cloud.account());
    has(&text, &[&account]);
    let calls = cloud.calls();
    assert_eq!(calls.changes().len(), 0, "{}", calls.sequence());
    let json = test.run(&["plan", "--json", "."]);
    let json: Json = serde_json::from_str(&json.stdout).unwrap();
    let shown = &json["outside"][0];
    assert_eq!(shown["build"], "build.amazon-ebs.web");
    let makes = shown["makes"].as_array().unwrap();
    let group = makes
        .iter()
        .find(|made| made["what"] == "security group")
        .unwrap();
    assert_eq!(group["open_to"][0], "127.0.0.1/32");
    assert_eq!(group["stays"], false);
    let findings = shown["findings"].as_array().unwrap();
    let price = findings
        .iter()
        .find(|found| found["what"] == "price per hour")
        .unwrap();
    assert_eq!(price["state"], "known");
    assert_eq!(group["by"], "build.amazon-ebs.web");
}

#[test]
fn what_an_hour_costs_is_asked_of_the_price_list() {
    let cloud = Cloud::start().unwrap();
    let test = test(&cloud);
    let template = test.read("main.pkr.hcl");
    let priced = |from: &str, to: &str, said: &str| {
        test.write("main.pkr.hcl", template.replacen(from, to, 1));
        has(&plan(&test), &[said]);
    };
    let kind = "\"t3.micro\"";
    priced(
        kind,
        "\"m5.large\"\n  tenancy = \"dedicated\"",
        "0.102 USD for m5.large on demand",
    );
    priced(
        kind,
        "\"m5.large\"\n  tenancy = \"host\"",
        "price per hour  (unknown) a dedicated host costs as a whole",
    );
    priced(
        kind,
        "\"t3.large\"",
        "price per hour  (unknown) the price list has no t3.large in us-east-1",
    );
    // A price that cannot be asked keeps nothing from running.
    cloud.change(|behaviour| behaviour.denied = vec!["pricing:*".to_owned()]);
    priced(
        kind,
        kind,
        "price per hour  (unknown) cannot ask what the instance costs: pricing:GetProducts is not allowed",
    );
}

#[test]
fn offline_nobody_is_asked_and_the_plan_is_there() {
    let cloud = Cloud::start().unwrap();
    let test = test(&cloud);
    let printed = test.run(&["plan", "-color=false", "-offline", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    has(
        &printed.stdout,
        &[
            "Plan: 1 build",
            "What build.amazon-ebs.web finds and makes",
            "account       (unknown) Amazon is not asked: -offline\n",
            "region        us-east-1",
            "source image  (unknown) the one that `source_ami_filter` finds",
            "network       (unknown) where Amazon or a filter puts the instance",
            "key pair in us-east-1: ed25519, made here (until the build ends)",
            "open; open to this machine's address, which is not known (until the build ends)",
            "instance in us-east-1: t3.micro (until the build ends)",
            "image in us-east-1: web-1 (stays)",
            "snapshot in us-east-1: one for each disk (stays)",
            "open to this machine's address only\n",
        ],
    );
    // What is public is public whoever is asked.
    let text = test.read("main.pkr.hcl");
    let wide = "  temporary_security_group_source_cidrs = [\"0.0.0.0/0\"]\n  ami_groups = [\"all\"]\n  run_tags";
    test.write("main.pkr.hcl", text.replacen("  run_tags", wide, 1));
    let printed = test.run(&["plan", "-color=false", "-offline", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    has(
        &printed.stdout,
        &[
            "open; open to 0.0.0.0/0 (until the build ends)",
            "image in us-east-1: web-1; open to everybody (stays)",
            "(off) inbound access: port ",
        ],
    );
    let json = test.run(&["plan", "-json", "-offline", "."]);
    let json: Json = serde_json::from_str(&json.stdout).unwrap();
    let shown = &json["outside"][0];
    assert_eq!(shown["findings"][0]["state"], "unknown");
    let makes = shown["makes"].as_array().unwrap();
    let group = makes.iter().find(|made| made["what"] == "security group");
    assert_eq!(group.unwrap()["open_to"][0], "0.0.0.0/0");
    assert_eq!(cloud.calls().len() + cloud.dry_runs().len(), 0);
    let both = test.run(&["plan", "-offline", "-online", "."]);
    assert_eq!(both.code, 2, "{}", both.text());
}

#[test]
fn what_cannot_be_asked_is_left_unknown() {
    let cloud = Cloud::with(Behaviour {
        denied: vec!["ec2:*".to_owned()],
        ..Behaviour::default()
    })
    .unwrap();
    let text = plan(&test(&cloud));
    has(
        &text,
        &[
            "source image    (unknown) cannot find the image to start from: ec2:DescribeImages is not allowed",
            "VPC             the default one of us-east-1: cannot find the default VPC: ec2:DescribeVpcs is not allowed",
            "name            (unknown)",
            "image in us-east-1: web-1 (stays)",
        ],
    );
    // Without credentials that is said once.
    let mut nobody = Test::new(&test(&cloud).read("main.pkr.hcl"));
    for (name, value) in cloud.environment() {
        if !name.contains("KEY") {
            nobody = nobody.env(name, &value);
        }
    }
    let text = plan(&nobody);
    has(
        &text,
        &["account  (unknown) cannot see who asks: there are no credentials that can be used"],
    );
    assert!(!text.contains("source image"), "{text}");
}

#[test]
fn a_place_found_by_tags_is_shown_with_how_it_was_chosen() {
    let cloud = Cloud::start().unwrap();
    let vpcs = cloud.ec2("us-east-1", "DescribeVpcs", &[]).unwrap();
    let vpc = between(&vpcs, "<vpcId>", "</vpcId>");
    cloud
        .ec2(
            "us-east-1",
            "CreateTags",
            &[
                ("ResourceId.1", vpc),
                ("Tag.1.Key", "Name"),
                ("Tag.1.Value", "images"),
            ],
        )
        .unwrap();
    let test = test(&cloud);
    let text = test.read("main.pkr.hcl").replace(
        "  run_tags",
        "  vpc_filter {\n    filters = { \"tag:Name\" = \"images\" }\n  }\n  subnet_filter {\n    filters   = { state = \
         \"available\" }\n    most_free = true\n  }\n  ami_regions = []\n  ami_users = [\"210987654321\"]\n  run_tags",
    );
    test.write("main.pkr.hcl", text);
    let text = plan(&test);
    has(
        &text,
        &[
            &format!("{vpc}, by `vpc_filter`"),
            "by `subnet_filter`: the one with most free addresses",
            "image in us-east-1: web-1; open to account 210987654321 (stays)",
        ],
    );
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let rest = text.split_once(begin).unwrap().1;
    rest.split_once(end).unwrap().0
}

#[test]
fn what_has_the_name_already_is_said_and_what_that_means() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let first = test(&cloud);
    assert_eq!(first.run(&["apply", "-color=false", "."]).code, 0);
    let image = cloud.left().of("image")[0].id.clone();
    let own = plan(&first);
    has(&own, &[&format!("`web-1` belongs to {image} of ")]);
    has(
        &own,
        &["which an earlier run of this build has made", "up to date"],
    );
    // Somebody else's template.
    let other = test(&cloud);
    let text = other.read("main.pkr.hcl").replace("\"web\"", "\"app\"");
    other.write(
        "main.pkr.hcl",
        text.replace("amazon-ebs.web", "amazon-ebs.app"),
    );
    has(
        &doomed(&other, "build.amazon-ebs.app: name"),
        &["name            ! `web-1` belongs to"],
    );
    let with_force = other.run(&["plan", "-color=false", "-force", "."]);
    assert_eq!(with_force.code, 0, "{}", with_force.text());
    let forced = other.read("main.pkr.hcl");
    other.write(
        "main.pkr.hcl",
        forced.replace("  run_tags", "  force_deregister = true\n  run_tags"),
    );
    has(&plan(&other), &["which is let go: `force_deregister`"]);
    // It is gone for good then: somebody has to agree.
    let asked = other.run(&["apply", "-color=false", "."]);
    assert_eq!(asked.code, 8, "{}", asked.text());
    let said = format!("us-east-1: {image} (`web-1`) (by build.amazon-ebs.app)");
    has(&asked.text(), &["1 image would be removed", &said]);
    assert_eq!(cloud.left().of("image")[0].id, image);
    let agreed = other.run(&["apply", "-color=false", "-auto-approve", "."]);
    assert_eq!(agreed.code, 0, "{}", agreed.text());
    let left = cloud.left();
    assert_eq!(left.of("image").len(), 1, "{left}");
    assert_ne!(left.of("image")[0].id, image);
    // Nothing is removed where nothing runs.
    let again = other.run(&["apply", "-color=false", "."]);
    assert_eq!(again.code, 0, "{}", again.text());
}

#[test]
fn a_plan_file_does_not_mind_what_moves_outside() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud);
    let planned = test.run(&["plan", "-out", "web.plan", "."]);
    assert_eq!(planned.code, 0, "{}", planned.text());
    assert!(!test.read("web.plan").contains("outside"));
    // Another one asks from elsewhere, and its name is taken in another region meanwhile.
    cloud.change(|behaviour| behaviour.denied = vec!["sts:GetCallerIdentity".to_owned()]);
    let applied = test.run(&["apply", "-color=false", "web.plan"]);
    assert_eq!(applied.code, 0, "{}", applied.text());
}

#[test]
fn everything_that_is_made_on_the_way_is_named() {
    let cloud = Cloud::start().unwrap();
    let test = test(&cloud);
    let text = test.read("main.pkr.hcl");
    let asks = r#"  spot_instance_types = ["t3.large", "t3a.large"]
  temporary_security_group_source_cidrs = ["0.0.0.0/0"]
  temporary_iam_instance_profile_policy_document {
    Statement {
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["*"]
    }
  }"#;
    let text = text.replacen("  instance_type = \"t3.micro\"", asks, 1);
    test.write("main.pkr.hcl", &text);
    has(
        &plan(&test),
        &[
            "role in us-east-1: with the policy of the template (until the build ends)",
            "instance profile in us-east-1: with that role (until the build ends)",
            "launch template in us-east-1: ",
            "fleet in us-east-1: ",
            "instance in us-east-1: t3.large or t3a.large, on the spot market",
            "open to 0.0.0.0/0",
        ],
    );

    // What is open is known without asking anybody.
    let mut nobody = Test::new(&text);
    for (name, value) in cloud.environment() {
        if !name.contains("KEY") {
            nobody = nobody.env(name, &value);
        }
    }
    has(&plan(&nobody), &["open; open to 0.0.0.0/0"]);
    // Keys that Amazon refuses are refused to the run as well.
    let refusing = Cloud::with(Behaviour {
        expires_after: Some(0),
        ..Behaviour::default()
    })
    .unwrap();
    let mut expired = Test::new(&text);
    for (name, value) in refusing.environment() {
        expired = expired.env(name, &value);
    }
    let shown = doomed(&expired, "build.amazon-ebs.web: account");
    has(&shown, &["account  ! cannot see who asks: "]);
}
