//! Rights that are missing are found before anything is made: those that make things as dry runs, the others as IAM says what its
//! policies allow.

use std::collections::BTreeMap;

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Call, Calls};

use super::{PROFILE, behaviour, template};
use crate::harness::Test;

fn test(cloud: &Cloud, options: &str, end: &str) -> Test {
    let text = template(cloud).replacen("  ami_name", &format!("{options}\n  ami_name"), 1);
    let text = text.trim_end().trim_end_matches('}');
    let mut test = Test::new(&format!("{text}{end}}}\n"));
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    test
}

fn deny(cloud: &Cloud, actions: &[&str]) {
    let actions = actions.iter().map(|one| (*one).to_owned()).collect();
    cloud.change(|behaviour| behaviour.denied = actions);
}

/// A build that is refused before it has made anything, with the action and what would allow it.
fn is_refused_at_once(cloud: &Cloud, test: &Test, action: &str) {
    let printed = test.run(&["build", "-color=false", "."]);
    let text = printed.text();
    assert_ne!(printed.code, 0, "{action}: {text}");
    assert!(
        text.contains(&format!("{action}, which this build needs, is not allowed")),
        "{text}"
    );
    assert!(
        text.contains(&format!("\"Action\":[\"{action}\"]")),
        "{text}"
    );
    let calls = cloud.calls();
    assert_eq!(calls.changes().len(), 0, "{action}: {}", calls.sequence());
    let plan = test.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 3, "{action}: {}", plan.text());
    assert!(
        plan.stdout
            .contains(&format!("! {action}, which this build needs")),
        "{}",
        plan.text()
    );
}

#[test]
fn fleets_and_their_templates_are_rehearsed() {
    for (options, action) in [
        ("  spot_instance_types = [\"m5.large\"]", "ec2:CreateFleet"),
        ("  spot_price = \"auto\"", "ec2:CreateLaunchTemplate"),
    ] {
        let cloud = Cloud::with(behaviour()).unwrap();
        let test = test(&cloud, options, "");
        if options.contains("types") {
            let text = test.read("main.pkr.hcl");
            test.write(
                "main.pkr.hcl",
                text.replace("  instance_type = \"t3.micro\"\n", ""),
            );
        }
        deny(&cloud, &[action]);
        is_refused_at_once(&cloud, &test, action);
        deny(&cloud, &[]);
        let printed = test.run(&["build", "-color=false", "."]);
        assert_eq!(printed.code, 0, "{}", printed.text());
    }
}

/// What a call says, but for what is made in between (key, group, what the machine is told), and names that are never the same.
pub(super) fn said(call: &Call) -> BTreeMap<&str, &str> {
    let differs = ["ClientToken", "DryRun", "KeyName", "UserData"];
    let all = call.parameters.iter();
    all.filter(|(name, _)| {
        !name.contains("SecurityGroupId") && !differs.iter().any(|part| name.ends_with(part))
    })
    .map(|(name, value)| {
        let value = match value.starts_with("imgc-") {
            true => "a name",
            // By another node of the build.
            false => value
                .strip_suffix(".prepare")
                .or(value.strip_suffix(".launch"))
                .unwrap_or(value),
        };
        (name.as_str(), value)
    })
    .collect()
}

/// What was rehearsed of an action, and the call itself.
pub(super) fn pair(cloud: &Cloud, action: &str) -> (Call, Call) {
    let first = |calls: &Calls| calls.iter().find(|call| call.action == action).cloned();
    let (rehearsal, real) = (first(&cloud.dry_runs()), first(&cloud.calls()));
    (rehearsal.unwrap(), real.unwrap())
}

/// Policies refuse instances without IMDSv2, encryption or tags, and in other networks; a rehearsal that lacked them would be refused
/// where the build is not.
#[test]
fn a_rehearsal_is_like_what_follows() {
    let options = r#"  encrypt_boot                = true
  associate_public_ip_address = true
  no_ephemeral                = true
  ebs_optimized               = true
  tenancy                     = "dedicated"
  run_volume_tags             = { cost = "{{ .SourceAMIName }}" }
  subnet_filter {
    filters = { default-for-az = "true" }
    random  = true
  }
  launch_block_device_mappings {
    device_name           = "/dev/xvdf"
    volume_size           = 4
    delete_on_termination = true
  }
  metadata_options {
    http_endpoint               = "enabled"
    http_put_response_hop_limit = 2
  }"#;
    let spot = format!("{options}\n  spot_price = \"auto\"\n  spot_tags = {{ use = \"images\" }}");
    let without =
        "  ebs_optimized               = true\n  tenancy                     = \"dedicated\"\n";
    let spot = spot.replace(without, "");
    for (options, actions) in [
        (options, ["CreateSecurityGroup", "RunInstances"]),
        (&spot, ["CreateSecurityGroup", "CreateLaunchTemplate"]),
    ] {
        let cloud = Cloud::with(behaviour()).unwrap();
        let test = test(&cloud, options, "");
        let text = test.read("main.pkr.hcl").replace(
            "{ team = \"web\" }",
            "{ team = \"packer-{{ .SourceAMI }}\" }",
        );
        test.write("main.pkr.hcl", text);
        let printed = test.run(&["build", "-color=false", "."]);
        assert_eq!(printed.code, 0, "{}", printed.text());
        for action in actions {
            let (rehearsal, real) = pair(&cloud, action);
            let (mut rehearsal, mut real) = (said(&rehearsal), said(&real));
            assert!(
                rehearsal
                    .values()
                    .any(|value| value.starts_with("packer-ami-")),
                "{rehearsal:?}"
            );
            for said in [&mut rehearsal, &mut real] {
                said.remove("GroupDescription");
            }
            assert_eq!(rehearsal, real, "{action}");
        }
        // The place was looked for once.
        let looked = cloud.calls().of("DescribeSubnets").len();
        assert_eq!(looked, 1, "{}", cloud.calls().sequence());
    }
}

/// Two builds may have a source of one name each, in different accounts.
#[test]
fn builds_of_one_name_find_their_own_places() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let options = r#"  subnet_filter {
    filters = { default-for-az = "true" }
    random  = true
  }"#;
    let test = test(&cloud, options, "");
    let text = test.read("main.pkr.hcl");
    let (source, build) = text.split_once("build {").unwrap();
    let volumes = "  ebs_volumes {\n    device_name = \"/dev/xvdf\"\n    volume_size = 1\n  }\n}";
    let other: Vec<&str> = source
        .lines()
        .filter(|line| !line.contains("ami_name") && !line.starts_with("  tags"))
        .collect();
    let other = other
        .join("\n")
        .replace("amazon-ebs\"", "amazon-ebsvolume\"");
    let other = other.trim_end().trim_end_matches('}');
    let both = "[\"amazon-ebs.web\", \"amazon-ebsvolume.web\"]";
    let build = build.replace("[\"amazon-ebs.web\"]", both);
    test.write(
        "main.pkr.hcl",
        format!("{source}{other}{volumes}\nbuild {{{build}"),
    );
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let looked = cloud.calls().of("DescribeSubnets").len();
    assert_eq!(looked, 2, "{}", cloud.calls().sequence());
}

/// IAM knows no dry runs.
#[test]
fn a_role_that_may_not_be_made_is_found_before_anything_is() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, PROFILE, "");
    deny(&cloud, &["iam:CreateRole"]);
    is_refused_at_once(&cloud, &test, "iam:CreateRole");
    // Who may not ask finds out when it is made; and who may make it is not held up.
    deny(&cloud, &["iam:SimulatePrincipalPolicy"]);
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
}

#[test]
fn a_plan_names_what_a_build_may_not_do_hours_later() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let parameter =
        "  post-processor \"amazon-ssm-parameter\" {\n    parameter = \"/golden/ami\"\n  }\n";
    let options = "  ami_regions = [\"us-west-2\"]\n  ami_users   = [\"210987654321\"]";
    let test = test(&cloud, options, parameter);
    let plan = |code: i32, parts: &[&str]| {
        let plan = test.run(&["plan", "-color=false", "."]);
        assert_eq!(plan.code, code, "{}", plan.text());
        for part in parts {
            assert!(plan.stdout.contains(part), "no {part}: {}", plan.text());
        }
        assert_eq!(cloud.calls().changes().len(), 0);
    };
    plan(
        0,
        &["rights by policies  to do what is needed with it are there"],
    );
    for action in [
        "ec2:StopInstances",
        "ec2:CreateImage",
        "ec2:CopyImage",
        "ec2:ModifyImageAttribute",
        "ssm:PutParameter",
    ] {
        deny(&cloud, &[action]);
        let said = format!(
            "! {action}, which this build needs, is not allowed: no policy allows it for arn:aws:iam::"
        );
        plan(3, &[&said, &format!("\"Action\":[\"{action}\"]")]);
    }
    // A policy that speaks of something that IAM has not been told says nothing.
    deny(&cloud, &["ec2:StopInstances"]);
    cloud.change(|behaviour| behaviour.unsure = behaviour.denied.clone());
    plan(
        0,
        &["rights by policies  to do what is needed with it are there"],
    );
    // Few may ask.
    deny(&cloud, &["iam:SimulatePrincipalPolicy"]);
    plan(
        0,
        &[
            "rights by policies  (unknown) IAM",
            "IAM does not say what its policies allow",
        ],
    );
}
