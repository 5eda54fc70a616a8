//! What goes wrong at Amazon for reasons of the template, the account or the day: said clearly, and nothing stays.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Moment, Then};

use super::{behaviour, test};
use crate::harness::{Printed, Test};

/// Fails with this in what is said, and leaves nothing.
fn fails(cloud: &Cloud, test: &Test, said: &[&str]) -> Printed {
    let printed = test.run(&["build", "-color=false", "."]);
    let text = printed.text();
    assert_ne!(printed.code, 0, "{text}");
    for part in said {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    assert_eq!(cloud.left().summary(), "", "{}\n{text}", cloud.left());
    printed
}

fn edited(cloud: &Cloud, old: &str, new: &str) -> Test {
    let test = test(cloud);
    let text = test.read("main.pkr.hcl");
    assert!(text.contains(old), "{text}");
    test.write("main.pkr.hcl", text.replace(old, new));
    test
}

#[test]
fn without_credentials_nothing_is_tried() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let mut nobody = Test::new(&test(&cloud).read("main.pkr.hcl"));
    for (name, value) in cloud.environment() {
        if !name.contains("KEY") {
            nobody = nobody.env(name, &value);
        }
    }
    fails(
        &cloud,
        &nobody,
        &[
            "there are no credentials that can be used",
            "set AWS_PROFILE",
        ],
    );
    assert_eq!(cloud.calls().len(), 0);
}

#[test]
fn a_region_that_is_none() {
    let cloud = Cloud::with(behaviour()).unwrap();
    for (region, said) in [
        ("us-east-1b", "`us-east-1b` is not the name of a region"),
        ("useast1", "`useast1` is not the name of a region"),
    ] {
        let lines = format!("  region = {region:?}\n  ami_name");
        fails(&cloud, &edited(&cloud, "  ami_name", &lines), &[said]);
    }
    assert_eq!(cloud.calls().len(), 0);
}

#[test]
fn a_filter_that_finds_nothing_or_too_much() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let nothing = edited(&cloud, "noble-24.04", "nonesuch-99.04");
    fails(
        &cloud,
        &nothing,
        &[
            "`source_ami_filter` finds no image in us-east-1: name = ubuntu/images/*-nonesuch-99.04-amd64-server-*",
            "owners 099720109477",
        ],
    );
    let many = edited(&cloud, "most_recent = true", "most_recent = false");
    let text = many.read("main.pkr.hcl");
    many.write(
        "main.pkr.hcl",
        text.replace("*-noble-24.04-amd64-server-*", "*"),
    );
    let printed = fails(
        &cloud,
        &many,
        &["`source_ami_filter` finds ", "most_recent = true"],
    );
    assert!(
        printed.text().contains(" images in us-east-1: ami-"),
        "{}",
        printed.text()
    );
    let absent = edited(
        &cloud,
        "  run_tags",
        "  subnet_id = \"subnet-0123\"\n  run_tags",
    );
    fails(&cloud, &absent, &["subnet-0123"]);
}

#[test]
fn a_type_without_capacity() {
    let cloud = Cloud::with(behaviour()).unwrap();
    cloud.change(|behaviour| behaviour.no_capacity = vec!["t3.micro".to_owned()]);
    let test = test(&cloud);
    let printed = test.run(&["build", "-color=false", "--retries=0", "."]);
    let text = printed.text();
    assert_ne!(printed.code, 0, "{text}");
    assert!(text.contains("InsufficientInstanceCapacity"), "{text}");
    assert!(
        text.contains("take another instance type or subnet"),
        "{text}"
    );
    assert_eq!(cloud.left().summary(), "", "{}", cloud.left());
}

#[test]
fn a_quota_that_is_reached() {
    let cloud = Cloud::with(behaviour()).unwrap();
    cloud.change(|behaviour| behaviour.vcpus = Some(1));
    fails(
        &cloud,
        &test(&cloud),
        &[
            "VcpuLimitExceeded",
            "current vCPU limit of 1",
            "Service Quotas",
        ],
    );
}

#[test]
fn a_name_with_characters_that_no_image_may_have() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = edited(&cloud, "\"web-1\"", "\"web:1 #2\"");
    fails(
        &cloud,
        &test,
        &[
            "the image's name `web:1 #2` has `:`, `#`",
            "clean_resource_name",
        ],
    );
    assert_eq!(cloud.calls().len(), 0);
    let valid = test.run(&["validate", "."]);
    assert_ne!(valid.code, 0, "{}", valid.text());
}

#[test]
fn credentials_that_end_in_the_middle() {
    let cloud = Cloud::with(behaviour()).unwrap();
    cloud.change(|behaviour| behaviour.expires_after = Some(9));
    let test = test(&cloud);
    let printed = test.run(&["build", "-color=false", "."]);
    let text = printed.text();
    assert_ne!(printed.code, 0, "{text}");
    assert!(text.contains("the credentials have expired"), "{text}");
    assert!(text.contains("`imgc apply -resume`"), "{text}");
    // Somebody logs in again.
    cloud.change(|behaviour| behaviour.expires_after = None);
    let gone = test.run(&["gc"]);
    assert_eq!(gone.code, 0, "{}", gone.text());
    assert_eq!(cloud.left().summary(), "", "{}", cloud.left());
}

#[test]
fn credentials_that_are_renewed_in_the_middle() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let mut test = Test::new(&test(&cloud).read("main.pkr.hcl"));
    for (name, value) in cloud.environment() {
        if !name.contains("KEY") {
            test = test.env(name, &value);
        }
    }
    let profile = |key: &str| {
        format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = testing\n")
    };
    test.write(".aws/credentials", profile("first"));
    let file = test.path(".aws/credentials");
    let fresh = profile("second");
    // A tool beside us logs in again when the instance has been asked for.
    cloud.hook(move |call, moment| {
        if call.action == "RunInstances" && moment == Moment::After {
            std::fs::write(&file, &fresh).unwrap();
        }
        Then::GoOn
    });
    cloud.change(|behaviour| behaviour.expires_after = Some(12));
    let printed = test.run(&["build", "-color=false", "."]);
    cloud.unhook();
    assert_eq!(printed.code, 0, "{}", printed.text());
    let calls = cloud.calls();
    let expired = calls.only(|call| call.error.as_deref() == Some("RequestExpired"));
    assert!(!expired.is_empty(), "{}", calls.sequence());
    assert_eq!(
        cloud.left().summary(),
        "1 image, 1 snapshot",
        "{}",
        cloud.left()
    );
}
