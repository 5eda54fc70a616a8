//! What a real cloud refuses, and what it does only once.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, Delay, Waits, stock};

use crate::client::{Client, text, texts};
use crate::record::RUN;

#[test]
fn a_client_token_makes_a_call_safe_to_repeat() {
    let cloud = Cloud::start().unwrap();
    let client = Client::new(&cloud);
    let run = [RUN.as_slice(), &[("ClientToken", "t1")]].concat();
    cloud.change(|behaviour| behaviour.odds.lost = 1.0);
    assert_eq!(client.query("ec2", "RunInstances", &run), None);
    cloud.change(|behaviour| behaviour.odds.lost = 0.0);
    let first = text(&client.ok("RunInstances", &run), "instanceId");
    let again = text(&client.ok("RunInstances", &run), "instanceId");
    assert_eq!(first, again);
    assert_eq!(cloud.left().of("instance").len(), 1);
    let mut other = run.clone();
    other[1] = ("InstanceType", "t3.large");
    let mismatch = (400, "IdempotentParameterMismatch".to_owned());
    assert_eq!(client.refused("RunInstances", &other), mismatch);
    other[4] = ("ClientToken", "t2");
    client.ok("RunInstances", &other);
    assert_eq!(cloud.left().of("instance").len(), 2);
    client.in_region("eu-west-1").ok("RunInstances", &run);

    let copy = [
        ("SourceImageId", stock::UBUNTU),
        ("SourceRegion", "us-east-1"),
        ("Name", "copy"),
        ("ClientToken", "c"),
    ];
    // Two at the same time are one as well.
    let (one, two) = std::thread::scope(|scope| {
        let ask = || text(&client.ok("CopyImage", &copy), "imageId");
        let other = scope.spawn(ask);
        (ask(), other.join().unwrap())
    });
    assert_eq!(one, two);
    assert_eq!(cloud.left().of("image").len(), 1);
    let volume = [
        ("Size", "1"),
        ("AvailabilityZone", "us-east-1a"),
        ("ClientToken", "v"),
    ];
    assert_eq!(
        client.ok("CreateVolume", &volume),
        client.ok("CreateVolume", &volume)
    );
}

#[test]
fn what_is_in_use_stays_and_names_are_taken_once() {
    let cloud = Cloud::with(Behaviour {
        waits: Waits {
            shutting_down: Delay::Answers(2),
            ..Waits::default()
        },
        ..Behaviour::default()
    })
    .unwrap();
    let client = Client::new(&cloud);
    let group = client.ok(
        "CreateSecurityGroup",
        &[("GroupName", "g"), ("GroupDescription", "d")],
    );
    let group = text(&group, "groupId");
    let run = [RUN.as_slice(), &[("SecurityGroupId.1", group.as_str())]].concat();
    let instance = text(&client.ok("RunInstances", &run), "instanceId");
    let delete = [("GroupId", group.as_str())];
    let named = client.ok(
        "CreateSecurityGroup",
        &[("GroupName", "h"), ("GroupDescription", "d")],
    );
    let named = text(&named, "groupId");
    client.ok(
        "AuthorizeSecurityGroupIngress",
        &[
            ("GroupId", &group),
            ("IpPermissions.1.IpProtocol", "tcp"),
            ("IpPermissions.1.FromPort", "22"),
            ("IpPermissions.1.ToPort", "22"),
            ("IpPermissions.1.Groups.1.GroupId", &named),
        ],
    );
    let named = client.refused("DeleteSecurityGroup", &[("GroupId", &named)]);
    assert_eq!(named.1, "InvalidGroup.InUse");
    let refused = |action: &str, asked: &[(&str, &str)]| client.refused(action, asked).1;
    assert_eq!(
        refused("DeleteSecurityGroup", &delete),
        "DependencyViolation"
    );

    let name = [("InstanceId", instance.as_str()), ("Name", "app")];
    let image = text(&client.ok("CreateImage", &name), "imageId");
    assert_eq!(refused("CreateImage", &name), "InvalidAMIName.Duplicate");
    assert_eq!(
        refused("RegisterImage", &[("Name", "app")]),
        "InvalidAMIName.Duplicate"
    );
    assert_eq!(
        refused("RegisterImage", &[("Name", "a#b!")]),
        "InvalidAMIName.Malformed"
    );
    let snapshot = text(
        &client.ok("DescribeImages", &[("ImageId.1", &image)]),
        "snapshotId",
    );
    let snapshot = [("SnapshotId", snapshot.as_str())];
    assert_eq!(
        refused("DeleteSnapshot", &snapshot),
        "InvalidSnapshot.InUse"
    );
    client.ok("DeregisterImage", &[("ImageId", &image)]);
    client.ok("DeleteSnapshot", &snapshot);
    let volume = text(&client.ok("DescribeVolumes", &[]), "volumeId");
    assert_eq!(
        refused("DeleteVolume", &[("VolumeId", &volume)]),
        "VolumeInUse"
    );
    client.ok("CreateKeyPair", &[("KeyName", "k")]);
    assert_eq!(
        refused("CreateKeyPair", &[("KeyName", "k")]),
        "InvalidKeyPair.Duplicate"
    );

    client.ok("TerminateInstances", &[("InstanceId.1", &instance)]);
    assert_eq!(
        refused("DeleteSecurityGroup", &delete),
        "DependencyViolation"
    );
    assert_eq!(
        refused("DeleteSecurityGroup", &delete),
        "DependencyViolation"
    );
    client.ok("DeleteSecurityGroup", &delete);
    client.ok("DeleteSecurityGroup", &[("GroupName", "h")]);
    assert_eq!(cloud.left().summary(), "1 key pair");
}

#[test]
fn there_is_no_capacity_where_a_test_says_so() {
    let cloud = Cloud::with(Behaviour {
        no_capacity: vec!["t3.micro".to_owned()],
        vcpus: Some(4),
        spot_prices: [("t3.small".to_owned(), "0.01".to_owned())].into(),
        ..Behaviour::default()
    })
    .unwrap();
    let client = Client::new(&cloud);
    assert_eq!(
        client.refused("RunInstances", &RUN),
        (500, "InsufficientInstanceCapacity".to_owned())
    );
    let fleet = |id: &str| {
        client.ok(
            "CreateFleet",
            &[
                ("Type", "instant"),
                ("TargetCapacitySpecification.TotalTargetCapacity", "1"),
                (
                    "TargetCapacitySpecification.DefaultTargetCapacityType",
                    "spot",
                ),
                (
                    "LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateId",
                    id,
                ),
                (
                    "LaunchTemplateConfigs.1.Overrides.1.InstanceType",
                    "t3.micro",
                ),
                (
                    "LaunchTemplateConfigs.1.Overrides.2.InstanceType",
                    "t3.small",
                ),
                ("TagSpecification.1.ResourceType", "instance"),
                ("TagSpecification.1.Tag.1.Key", "from"),
                ("TagSpecification.1.Tag.1.Value", "fleet"),
            ],
        )
    };
    let template = client.ok(
        "CreateLaunchTemplate",
        &[
            ("LaunchTemplateName", "t"),
            ("LaunchTemplateData.ImageId", stock::UBUNTU),
            (
                "LaunchTemplateData.BlockDeviceMapping.1.DeviceName",
                "/dev/sda1",
            ),
            (
                "LaunchTemplateData.BlockDeviceMapping.1.Ebs.VolumeSize",
                "20",
            ),
            (
                "LaunchTemplateData.TagSpecification.1.ResourceType",
                "volume",
            ),
            ("LaunchTemplateData.TagSpecification.1.Tag.1.Key", "from"),
            (
                "LaunchTemplateData.TagSpecification.1.Tag.1.Value",
                "template",
            ),
        ],
    );
    let fleet = fleet(&text(&template, "launchTemplateId"));
    assert_eq!(texts(&fleet, "errorCode"), ["InsufficientInstanceCapacity"]);
    let kinds = texts(&fleet, "instanceType");
    assert_eq!(kinds, ["t3.micro", "t3.small", "t3.small"], "{fleet}");
    let left = cloud.left();
    assert_eq!(left.of("instance")[0].tags["from"], "fleet");
    assert_eq!(left.of("volume")[0].tags["from"], "template");
    assert_eq!(text(&client.ok("DescribeVolumes", &[]), "size"), "20");
    // Two of the four are used, and one of these has two.
    let mut larger = RUN;
    larger[1] = ("InstanceType", "t3.xlarge");
    assert_eq!(
        client.refused("RunInstances", &larger),
        (400, "VcpuLimitExceeded".to_owned())
    );
    let quota = r#"{"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"}"#;
    let quota = client.json(
        "servicequotas",
        "ServiceQuotasV20190624.GetServiceQuota",
        quota,
    );
    assert!(quota.body.contains("\"Value\":4.0"), "{quota:?}");
    let prices = client.ok(
        "DescribeSpotPriceHistory",
        &[("InstanceType.1", "t3.small")],
    );
    assert_eq!(texts(&prices, "spotPrice"), ["0.01", "0.01"]);
    let dear = [
        ("ImageId", stock::UBUNTU),
        ("InstanceType", "t3.small"),
        ("MinCount", "1"),
        ("InstanceMarketOptions.MarketType", "spot"),
        ("InstanceMarketOptions.SpotOptions.MaxPrice", "0.001"),
    ];
    assert_eq!(
        client.refused("RunInstances", &dear).1,
        "SpotMaxPriceTooLow"
    );
    client.ok(
        "DeleteFleets",
        &[
            ("FleetId.1", &text(&fleet, "fleetId")),
            ("TerminateInstances", "true"),
        ],
    );
    assert_eq!(cloud.left().summary(), "1 launch template");
}
