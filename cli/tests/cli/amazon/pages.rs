//! Answers that come in pages, late, or after many refusals: what is looked for is found all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, Bucket, Call, Delay, Moment, Then, Waits, stock};

use super::network::{subnet, tagged, text_of, vpc};
use super::{behaviour, of, several, template, user};

/// Builds at the same time.
const BUILDS: usize = 8;

/// A cloud that shows one member of a list at a time.
fn paged() -> Behaviour {
    Behaviour {
        page: Some(1),
        ..behaviour()
    }
}

/// A template in which everything is found by filters.
fn filtered(cloud: &Cloud) -> String {
    format!(
        r#"source "amazon-ebs" "web" {{
  ami_name                    = "web-1"
  instance_type               = "t3.micro"
  ssh_username                = "{}"
  ssh_port                    = {}
  associate_public_ip_address = true
  source_ami_filter {{
    filters = {{
      architecture     = "x86_64"
      root-device-type = "ebs"
    }}
    owners      = ["099720109477", "137112412989"]
    most_recent = true
  }}
  vpc_filter {{
    filters = {{ "tag:Name" = "services" }}
  }}
  subnet_filter {{
    filters   = {{ "tag:Tier" = "public" }}
    most_free = true
  }}
  security_group_filter {{
    filters = {{ "tag:Use" = "images" }}
  }}
}}
build {{
  sources = ["amazon-ebs.web"]
  provisioner "shell" {{
    inline = ["echo inside the machine"]
  }}
}}
"#,
        user(),
        cloud.ssh_port()
    )
}

fn group(cloud: &Cloud, vpc: &str, name: &str) -> String {
    let wanted = [
        ("GroupName", name),
        ("GroupDescription", name),
        ("VpcId", vpc),
    ];
    let made = cloud.ec2("us-east-1", "CreateSecurityGroup", &wanted);
    let id = text_of(&made.unwrap(), "groupId").to_owned();
    tagged(cloud, &id, "Use", "images");
    id
}

#[test]
fn what_a_filter_finds_may_stand_on_any_page() {
    let cloud = Cloud::with(paged()).unwrap();
    let wanted = vpc(&cloud, "10.9.0.0/16", "services");
    for block in ["10.9.0.0/26", "10.9.64.0/26"] {
        subnet(&cloud, &wanted, block, "public");
    }
    let mut groups = ["web", "ops", "log"].map(|name| group(&cloud, &wanted, name));
    // Neither stands on the first page.
    let images = cloud.texts(
        "us-east-1",
        "DescribeImages",
        &[
            ("Owner.1", "099720109477"),
            ("Owner.2", "137112412989"),
            ("Filter.1.Name", "architecture"),
            ("Filter.1.Value.1", "x86_64"),
            ("Filter.2.Name", "root-device-type"),
            ("Filter.2.Value.1", "ebs"),
        ],
    );
    assert_ne!(images["imagesSet/1/imageId"], stock::AMAZON_LINUX);
    let public = [
        ("Filter.1.Name", "tag:Tier"),
        ("Filter.1.Value.1", "public"),
    ];
    // Which one comes first depends on their ids: each of these is larger than those before it.
    let blocks = [
        "10.9.128.0/22",
        "10.9.136.0/21",
        "10.9.144.0/20",
        "10.9.160.0/19",
        "10.9.192.0/18",
    ];
    let on_a_later_page = blocks.into_iter().find_map(|block| {
        let large = subnet(&cloud, &wanted, block, "public");
        let subnets = cloud.texts("us-east-1", "DescribeSubnets", &public);
        (subnets["subnetSet/1/subnetId"] != large).then_some(large)
    });
    let large = on_a_later_page.expect("one that is not the first");

    let test = of(&cloud, &filtered(&cloud));
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let calls = cloud.calls();
    let started = calls.one("RunInstances");
    assert_eq!(started.parameter("ImageId"), stock::AMAZON_LINUX);
    let of = |part: &str| {
        let parameters = started.parameters.iter();
        let named = parameters.filter(|(name, _)| name.contains(part));
        let mut values: Vec<String> = named.map(|(_, value)| value.clone()).collect();
        values.sort_unstable();
        values
    };
    assert_eq!(of("SubnetId"), [large]);
    groups.sort_unstable();
    assert_eq!(of("SecurityGroupId"), groups);
}

#[test]
fn a_data_source_reads_all_pages() {
    let cloud = Cloud::with(paged()).unwrap();
    let test = of(
        &cloud,
        r#"data "amazon-ami" "newest" {
  filters = {
    architecture     = "x86_64"
    root-device-type = "ebs"
  }
  owners      = ["099720109477", "137112412989"]
  most_recent = true
}
source "null" "here" {
  communicator = "none"
}
build {
  sources = ["null.here"]
  provisioner "shell-local" {
    inline = ["echo found ${data.amazon-ami.newest.id}"]
  }
}
"#,
    );
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let said = format!("found {}", stock::AMAZON_LINUX);
    assert!(printed.stdout.contains(&said), "{}", printed.text());
}

/// Where one is wanted, a second one is seen on whatever page.
#[test]
fn two_networks_are_two_on_two_pages() {
    let cloud = Cloud::with(paged()).unwrap();
    for block in ["10.8.0.0/16", "10.9.0.0/16"] {
        let made = vpc(&cloud, block, "services");
        group(&cloud, &made, "web");
    }
    let printed = of(&cloud, &filtered(&cloud)).run(&["build", "-color=false", "."]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    assert!(printed.text().contains("2 VPCs"), "{}", printed.text());
    assert!(
        cloud.calls().changes().is_empty(),
        "{}",
        cloud.calls().sequence()
    );
}

#[test]
fn a_name_is_taken_whatever_page_its_image_stands_on() {
    let cloud = Cloud::with(Behaviour {
        latency: Duration::from_millis(200),
        ..paged()
    })
    .unwrap();
    for at in 0..BUILDS {
        let name = format!("web-{at}");
        let copy = [
            ("SourceImageId", stock::UBUNTU),
            ("SourceRegion", "us-east-1"),
            ("Name", name.as_str()),
        ];
        cloud.ec2("us-east-1", "CopyImage", &copy).unwrap();
    }
    let test = of(&cloud, &several(&template(&cloud), BUILDS));
    let printed = test.run(&["build", "-color=false", "."]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    for at in 0..BUILDS {
        let said = format!("the name `web-{at}` belongs to the image");
        assert!(printed.text().contains(&said), "{}", printed.text());
    }
    let calls = cloud.calls();
    assert!(calls.changes().is_empty(), "{}", calls.sequence());
    // Several names were asked for in one request, and its answer had pages.
    let further = calls.only(|call| {
        call.list("Owner") == ["self"]
            && call.list("Filter.1.Value").len() > 1
            && !call.parameter("NextToken").is_empty()
    });
    assert!(!further.is_empty(), "{}", calls.sequence());
}

/// All builds have come to their end with one instance and one image each: none was begun anew.
fn all_made(cloud: &Cloud) {
    let left = cloud.left();
    let summary = format!("{BUILDS} image, {BUILDS} snapshot");
    assert_eq!(left.summary(), summary, "{left}");
    for action in ["RunInstances", "CreateImage"] {
        let done = cloud.calls().of(action);
        let done = done.only(|call| call.error.is_none());
        assert_eq!(done.len(), BUILDS, "{action}: {done:?}");
    }
}

/// How a poll is refused; `None` for what is no poll.
fn refusal(call: &Call) -> Option<(usize, u16, &'static str)> {
    match (call.action.as_str(), call.parameter("Filter.1.Name")) {
        ("DescribeInstances", "instance-id") => Some((0, 503, "RequestLimitExceeded")),
        ("DescribeImages", "image-id") => Some((1, 500, "InternalError")),
        _ => None,
    }
}

#[test]
fn polls_that_are_refused_again_and_again_are_carried_on_with() {
    // With `max_retries = 1` each poll asks twice: this is six polls in a row.
    const REFUSALS: usize = 12;
    let cloud = Cloud::with(behaviour()).unwrap();
    let refused = Arc::new([const { AtomicUsize::new(0) }; 2]);
    let counts = refused.clone();
    cloud.hook(move |call, moment| match (refusal(call), moment) {
        (Some((at, status, code)), Moment::Before)
            if counts[at].fetch_add(1, Ordering::SeqCst) < REFUSALS =>
        {
            Then::Refuse(status, code.to_owned(), "not now".to_owned())
        }
        _ => Then::GoOn,
    });
    let impatient = template(&cloud).replacen("ami_name", "max_retries = 1\n  ami_name", 1);
    let test = of(&cloud, &several(&impatient, BUILDS));
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    for count in refused.iter() {
        assert!(count.load(Ordering::SeqCst) > REFUSALS, "{refused:?}");
    }
    all_made(&cloud);
}

#[test]
fn builds_share_a_small_bucket_of_requests() {
    let cloud = Cloud::with(Behaviour {
        bucket: Some(Bucket {
            size: 10.0,
            per_second: 10.0,
        }),
        ..behaviour()
    })
    .unwrap();
    let test = of(&cloud, &several(&template(&cloud), BUILDS));
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let calls = cloud.calls();
    let refused = calls.only(|call| call.error.as_deref() == Some("RequestLimitExceeded"));
    assert!(!refused.is_empty(), "the bucket was never empty");
    all_made(&cloud);
}

#[test]
fn what_is_seen_late_is_waited_for_by_all_builds() {
    const UNSEEN: Duration = Duration::from_secs(3);
    let cloud = Cloud::with(Behaviour {
        waits: Waits {
            visible: Delay::Time(UNSEEN),
            ..behaviour().waits
        },
        ..behaviour()
    })
    .unwrap();
    let test = of(&cloud, &several(&template(&cloud), BUILDS));
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    all_made(&cloud);
    // Nobody has gone on with an instance before it was to be seen.
    let calls = cloud.calls();
    let started = calls
        .of("RunInstances")
        .only(|call| call.error.is_none())
        .iter()
        .map(|call| call.at)
        .min();
    let stopped = calls.of("StopInstances").iter().map(|call| call.at).min();
    assert!(stopped.unwrap() >= started.unwrap() + UNSEEN);
}
