//! Rights that are missing are found before anything is made: those that make things as dry runs, the others as IAM says what its
//! policies allow.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::Call;

use super::{behaviour, template};
use crate::harness::Test;

const PROFILE: &str = r#"  temporary_iam_instance_profile_policy_document {
    Version = "2012-10-17"
    Statement {
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["arn:aws:s3:::packages/*"]
    }
  }"#;

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

/// Policies refuse instances without IMDSv2, encryption or tags; a rehearsal that lacked them would be refused where the build is not.
#[test]
fn the_rehearsal_of_an_instance_is_like_its_start() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let options = r#"  encrypt_boot                = true
  associate_public_ip_address = true
  no_ephemeral                = true
  run_volume_tags             = { cost = "7" }
  launch_block_device_mappings {
    device_name           = "/dev/xvdf"
    volume_size           = 4
    delete_on_termination = true
  }
  metadata_options {
    http_endpoint               = "enabled"
    http_put_response_hop_limit = 2
  }"#;
    let test = test(&cloud, options, "");
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let dry = cloud.dry_runs();
    let rehearsal = dry.iter().find(|call| call.action == "RunInstances");
    let rehearsal = rehearsal.unwrap();
    let calls = cloud.calls();
    let start = calls.iter().find(|call| call.action == "RunInstances");
    let start = start.unwrap();
    for kind in ["BlockDeviceMapping.", "MetadataOptions."] {
        let given = |call: &Call| -> Vec<(String, String)> {
            let all = call.parameters.iter();
            all.filter(|(name, _)| name.starts_with(kind))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        };
        assert_eq!(given(rehearsal), given(start));
        assert!(given(start).len() > 1, "{start:?}");
    }
    let public = "NetworkInterface.1.AssociatePublicIpAddress";
    assert_eq!(rehearsal.parameter(public), "true");
    for kind in ["instance", "volume"] {
        let keys = |call: &Call| -> Vec<String> {
            call.tags(kind)
                .keys()
                .map(|key| (*key).to_owned())
                .collect()
        };
        assert_eq!(keys(rehearsal), keys(start));
    }
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
