//! How the instance of a build is asked for: the spot market, profiles, hosts, keys of hosts.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, Delay, Machines, Moment, Then, Waits, stock};

use super::arrives::{calls_of, row, succeeds, template as builds};
use super::{behaviour, of, user};

/// A template of `amazon-ebs` with further options, without a provisioner.
fn template(cloud: &Cloud, options: &str) -> String {
    format!(
        r#"source "amazon-ebs" "web" {{
  ami_name     = "web-1"
  source_ami   = "{}"
  ssh_username = "{}"
  ssh_port     = {}
{options}
}}
build {{
  sources = ["amazon-ebs.web"]
}}
"#,
        stock::UBUNTU,
        user(),
        cloud.ssh_port()
    )
}

#[test]
fn a_spot_instance_comes_from_a_fleet_and_nothing_of_it_stays() {
    let cloud = Cloud::with(Behaviour {
        no_capacity: vec!["m5.large".to_owned()],
        ..behaviour()
    })
    .unwrap();
    let text = template(
        &cloud,
        r#"  spot_instance_types      = ["m5.large", "m5a.large"]
  spot_price               = "0.25"
  spot_allocation_strategy = "capacity-optimized-prioritized"
  run_tags                 = { team = "web" }
  spot_tags                = { market = "spot" }
  fleet_tags               = { of = "{{ .SourceAMIName }}" }"#,
    );
    let printed = of(&cloud, &text).run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(
        cloud.left().summary(),
        "1 image, 1 snapshot",
        "{}",
        cloud.left()
    );
    let calls = cloud.calls();
    let template = calls.one("CreateLaunchTemplate");
    let data = |name: &str| {
        template
            .parameter(&format!("LaunchTemplateData.{name}"))
            .to_owned()
    };
    assert_eq!(data("InstanceMarketOptions.MarketType"), "spot");
    assert_eq!(data("InstanceMarketOptions.SpotOptions.MaxPrice"), "0.25");
    assert_eq!(data("MetadataOptions.HttpTokens"), "required");
    assert_eq!(template.tags("launch-template")["market"], "spot");
    assert_eq!(template.tags("instance")["team"], "web");
    assert!(template.tags("instance").contains_key("imgc:expires"));
    let fleet = calls.one("CreateFleet");
    assert_eq!(fleet.parameter("Type"), "instant");
    let kind = |at: u32| {
        let name = format!("LaunchTemplateConfigs.1.Overrides.{at}.InstanceType");
        fleet.parameter(&name).to_owned()
    };
    assert_eq!((kind(1), kind(2)), ("m5.large".into(), "m5a.large".into()));
    assert!(fleet.tags("fleet")["of"].contains("noble"), "{fleet:?}");
    assert!(!fleet.parameter("ClientToken").is_empty());
    // An instance of the spot market cannot be stopped.
    assert_eq!(calls.of("StopInstances").len(), 0, "{}", calls.sequence());
    assert_eq!(calls.of("RunInstances").len(), 0, "{}", calls.sequence());
}

#[test]
fn without_capacity_each_type_is_named_and_nothing_stays() {
    let cloud = Cloud::with(Behaviour {
        no_capacity: vec!["m5.large".to_owned(), "m5a.large".to_owned()],
        ..behaviour()
    })
    .unwrap();
    let text = template(
        &cloud,
        r#"  spot_instance_types = ["m5.large", "m5a.large"]"#,
    );
    let printed = of(&cloud, &text).run(&["build", "-color=false", "."]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    for said in [
        "the spot market gives no instance",
        "m5.large: Insufficient",
        "m5a.large: Insufficient",
    ] {
        assert!(printed.text().contains(said), "{}", printed.text());
    }
    assert_eq!(cloud.left().summary(), "", "{}", cloud.left());
}

/// With `auto` nothing is said of a limit: the market never asks for more than the price on demand. Zero is none at all.
#[test]
fn a_limit_is_sent_only_where_the_template_names_a_price() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let prices = [
        ("auto", "auto", None),
        ("dear", "0.10", Some("0.10")),
        ("zero", "0", None),
    ];
    let rows = prices.map(|(name, price, _)| row(name, format!("  spot_price = \"{price}\""), &[]));
    succeeds(&of(&cloud, &builds(&cloud, &rows)));
    let calls = cloud.calls();
    for (name, _, limit) in prices {
        let own = calls_of(&calls, name);
        let sent = own.iter().flat_map(|call| &call.parameters);
        let sent = sent.filter(|(name, _)| name.contains("Max") && name.ends_with("Price"));
        let sent: Vec<&str> = sent.map(|(_, value)| value.as_str()).collect();
        assert_eq!(sent, Vec::from_iter(limit), "{name}: {own:#?}");
        if name == "zero" {
            let started = own.one("RunInstances");
            let mut names = started.parameters.keys();
            assert!(!names.any(|name| name.contains("Market")), "{started:?}");
            continue;
        }
        let made = own.one("CreateLaunchTemplate");
        let market = "LaunchTemplateData.InstanceMarketOptions.MarketType";
        assert_eq!(made.parameter(market), "spot", "{name}: {made:?}");
    }
    let fleets = calls.of("CreateFleet");
    assert_eq!(fleets.len(), 2, "{}", calls.sequence());
    for fleet in fleets.iter() {
        for (name, value) in [
            (
                "TargetCapacitySpecification.DefaultTargetCapacityType",
                "spot",
            ),
            (
                "LaunchTemplateConfigs.1.Overrides.1.InstanceType",
                "t3.micro",
            ),
        ] {
            assert_eq!(fleet.parameter(name), value, "{fleet:?}");
        }
        let mut names = fleet.parameters.keys();
        assert!(!names.any(|name| name.ends_with("Price")), "{fleet:?}");
    }
}

/// The market of the tests asks 0.0042 dollars.
#[test]
fn a_limit_below_the_price_of_the_market_gets_no_instance() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let options = "  instance_type = \"m5.large\"\n  spot_price = \"0.004\"";
    let refused = of(&cloud, &template(&cloud, options)).run(&["build", "-color=false", "."]);
    assert_ne!(refused.code, 0, "{}", refused.text());
    for said in ["m5.large: SpotMaxPriceTooLow", "`spot_price` at `auto`"] {
        assert!(refused.text().contains(said), "{}", refused.text());
    }
    assert_eq!(cloud.left().summary(), "", "{}", cloud.left());
}

const HOST: &str = "h-0123456789abcdef0";
const HOSTS: &str = "arn:aws:resource-groups:us-east-1:123456789012:group/hosts";

/// Everything that is said of the place of an instance, and nothing more.
#[test]
fn a_template_says_on_which_host_an_instance_runs() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let host = format!("  placement {{\n    tenancy = \"host\"\n    host_id = \"{HOST}\"\n  }}");
    let hosts = format!("  placement {{\n    host_resource_group_arn = \"{HOSTS}\"\n  }}");
    let zone = format!("{host}\n  availability_zone = \"us-east-1b\"");
    let alone = "  tenancy = \"dedicated\"";
    let spot = |options: &str| format!("  spot_price = \"auto\"\n{options}");
    let on_host = [("HostId", HOST), ("Tenancy", "host")];
    let in_zone = [
        ("AvailabilityZone", "us-east-1b"),
        ("HostId", HOST),
        ("Tenancy", "host"),
    ];
    let in_group = [("HostResourceGroupArn", HOSTS)];
    let dedicated = [("Tenancy", "dedicated")];
    let wanted: [(_, _, &[(&str, &str)]); 9] = [
        ("nowhere", String::new(), &[]),
        ("alone", alone.to_owned(), &dedicated),
        ("host", host.clone(), &on_host),
        ("hosts", hosts.clone(), &in_group),
        ("zone", zone, &in_zone),
        ("spot", spot(""), &[]),
        ("spot-alone", spot(alone), &dedicated),
        ("spot-host", spot(&host), &on_host),
        ("spot-hosts", spot(&hosts), &in_group),
    ];
    let rows = wanted
        .clone()
        .map(|(name, options, _)| row(name, options, &[]));
    succeeds(&of(&cloud, &builds(&cloud, &rows)));
    let calls = cloud.calls();
    for (name, _, wanted) in wanted {
        let own = calls_of(&calls, name);
        let (call, prefix) = match name.starts_with("spot") {
            true => (own.one("CreateLaunchTemplate"), "LaunchTemplateData."),
            false => (own.one("RunInstances"), ""),
        };
        let prefix = format!("{prefix}Placement.");
        let placed = call.parameters.iter();
        let placed =
            placed.filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?, &**value)));
        let placed: Vec<(&str, &str)> = placed.collect();
        assert_eq!(placed, wanted, "{name}");
    }
}

#[test]
fn a_profile_made_of_a_policy_goes_with_the_build() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let text = template(
        &cloud,
        r#"  instance_type = "t3.micro"
  run_tags      = { team = "web" }
  temporary_iam_instance_profile_policy_document {
    Version = "2012-10-17"
    Statement {
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["arn:aws:s3:::packages/*"]
    }
  }"#,
    );
    let printed = of(&cloud, &text).run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    assert_eq!(
        cloud.left().summary(),
        "1 image, 1 snapshot",
        "{}",
        cloud.left()
    );
    let calls = cloud.calls();
    let policy = calls.one("PutRolePolicy");
    assert!(policy.parameter("PolicyDocument").contains("s3:GetObject"));
    let role = calls.one("CreateRole");
    for made in [&role, &calls.one("CreateInstanceProfile")] {
        let mut tags = (1..9).map(|at| made.parameter(&format!("Tags.member.{at}.Key")));
        assert!(tags.any(|key| key == "team"), "{made:?}");
    }
    assert!(
        role.parameter("AssumeRolePolicyDocument")
            .contains("ec2.amazonaws.com")
    );
    let started = calls.of("RunInstances");
    assert_eq!(started.len(), 1, "{}", calls.sequence());
    for call in started.iter() {
        let profile = call.parameter("IamInstanceProfile.Name");
        assert_eq!(profile, role.parameter("RoleName"));
    }
    let order = calls.only(|call| call.service == "iam").sequence();
    assert!(
        order.ends_with(
            "GetInstanceProfile, RemoveRoleFromInstanceProfile, DeleteInstanceProfile, DeleteRolePolicy, DeleteRole"
        ),
        "{order}"
    );
}

#[test]
fn a_template_says_what_the_instance_runs_on() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let text = template(
        &cloud,
        r#"  instance_type            = "t3.micro"
  enable_unlimited_credits = true
  enable_nitro_enclave     = true
  capacity_reservation_id  = "cr-0123456789abcdef0"
  no_ephemeral             = true
  placement {
    tenancy = "dedicated"
  }
  license_specifications {
    license_configuration_request {
      license_configuration_arn = "arn:aws:license-manager:us-east-1:123456789012:license-configuration:lic-1"
    }
  }
  launch_block_device_mappings {
    device_name = "/dev/sdf"
    volume_size = 3
  }
  run_tags = { release = "{{ index .SourceAMITags \"Release\" }}", base = "{{ .SourceAMITags.Base }}", none = "{{ .SourceAMITags.None }}" }"#,
    );
    let tags = [
        ("ResourceId.1", stock::UBUNTU),
        ("Tag.1.Key", "Release"),
        ("Tag.1.Value", "noble"),
        ("Tag.2.Key", "Base"),
        ("Tag.2.Value", "24.04"),
    ];
    cloud.ec2("us-east-1", "CreateTags", &tags).unwrap();
    let printed = of(&cloud, &text).run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let calls = cloud.calls();
    let started = calls.one("RunInstances");
    for (name, value) in [
        ("CreditSpecification.CpuCredits", "unlimited"),
        ("EnclaveOptions.Enabled", "true"),
        (
            "CapacityReservationSpecification.CapacityReservationTarget.CapacityReservationId",
            "cr-0123456789abcdef0",
        ),
        ("Placement.Tenancy", "dedicated"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/sdf"),
        // Whatever instances of the image do, the volumes of the build end with it.
        ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true"),
        ("BlockDeviceMapping.2.DeviceName", "xvdca"),
    ] {
        assert_eq!(started.parameter(name), value, "{name}: {started:?}");
    }
    let licenses = started.parameters.values();
    assert!(licenses.into_iter().any(|value| value.ends_with("lic-1")));
    assert_eq!(started.tags("instance")["release"], "noble");
    assert_eq!(started.tags("instance")["base"], "24.04");
    // As Packer has it for a tag that the image lacks.
    assert_eq!(started.tags("instance")["none"], "<no value>");
    let made = calls.one("CreateImage");
    assert_eq!(
        made.parameter("BlockDeviceMapping.1.DeviceName"),
        "/dev/sdf"
    );
    let stays = "BlockDeviceMapping.1.Ebs.DeleteOnTermination";
    assert_eq!(made.parameter(stays), "false", "{made:?}");
    assert_eq!(
        cloud.left().summary(),
        "1 image, 2 snapshot",
        "{}",
        cloud.left()
    );
}

/// User data that cannot carry our host key, and an image that reads none: the console tells the key.
#[test]
fn host_keys_come_from_the_console_where_user_data_cannot_bring_ours() {
    for (options, ignored) in [
        (
            "  user_data = \"{\\\"ignition\\\": {\\\"version\\\": \\\"3.4.0\\\"}}\"",
            false,
        ),
        ("", true),
    ] {
        let cloud = Cloud::with(Behaviour {
            waits: Waits {
                console: Delay::Answers(1),
                ..behaviour().waits
            },
            machines: Some(Machines {
                ignore_user_data: ignored,
                ..Machines::default()
            }),
            ..behaviour()
        })
        .unwrap();
        let options = format!("  instance_type = \"t3.micro\"\n{options}");
        let test = of(&cloud, &template(&cloud, &options));
        let printed = test.run(&["build", "-color=false", "."]);
        assert_eq!(printed.code, 0, "{}", printed.text());
        let calls = cloud.calls();
        assert!(
            !calls.of("GetConsoleOutput").is_empty(),
            "{}",
            calls.sequence()
        );
        assert_eq!(
            cloud.left().summary(),
            "1 image, 1 snapshot",
            "{}",
            cloud.left()
        );
    }
}

#[test]
fn what_cannot_be_done_is_refused_by_name_before_anything_is_made() {
    let cloud = Cloud::with(behaviour()).unwrap();
    for (options, said) in [
        (
            "  instance_type = \"t3.micro\"\n  spot_tags = { a = \"b\" }",
            "`spot_tags` is set, and no spot instance is asked for",
        ),
        (
            "  instance_type = \"t3.micro\"\n  spot_price = \"cheap\"",
            "`spot_price` is `cheap`",
        ),
        (
            "  instance_type = \"t3.micro\"\n  placement {\n    tenancy = \"alone\"\n  }",
            "`tenancy` is `alone`",
        ),
        (
            "  spot_price = \"auto\"\n  instance_type = \"t3.micro\"\n  ena_support = true",
            "`ena_support` cannot be set on a spot instance",
        ),
    ] {
        let test = of(&cloud, &template(&cloud, options));
        let printed = test.run(&["validate", "-color=false", "."]);
        assert_ne!(printed.code, 0, "{}", printed.text());
        assert!(printed.text().contains(said), "{}", printed.text());
    }
    assert_eq!(cloud.calls().len(), 0);
}

/// Amazon needs some seconds to hear of a new profile, and meanwhile says that there is none.
#[test]
fn a_profile_that_is_not_known_yet_is_waited_for() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let text = template(
        &cloud,
        r#"  instance_type = "t3.micro"
  temporary_iam_instance_profile_policy_document {
    Version = "2012-10-17"
    Statement {
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["arn:aws:s3:::packages/*"]
    }
  }"#,
    );
    let refused = std::sync::atomic::AtomicUsize::new(0);
    cloud.hook(move |call, moment| {
        let first = || refused.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2;
        if call.action == "RunInstances" && moment == Moment::Before && first() {
            let profile = call.parameter("IamInstanceProfile.Name");
            assert!(!profile.is_empty(), "{call:?}");
            return Then::Refuse(
                400,
                "InvalidParameterValue".to_owned(),
                format!(
                    "Value ({profile}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
                ),
            );
        }
        Then::GoOn
    });
    let printed = of(&cloud, &text).run(&["build", "-color=false", "."]);
    cloud.unhook();
    assert_eq!(printed.code, 0, "{}", printed.text());
    let started = cloud.calls().of("RunInstances");
    let errors: Vec<Option<&str>> = started.iter().map(|call| call.error.as_deref()).collect();
    let refusal = Some("InvalidParameterValue");
    assert_eq!(errors, [refusal, refusal, None]);
    assert_eq!(
        cloud.left().summary(),
        "1 image, 1 snapshot",
        "{}",
        cloud.left()
    );
}
