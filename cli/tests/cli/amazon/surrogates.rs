//! `amazon-ebssurrogate`: a disk filled from another machine becomes the root of an image.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Delay, stock};

use super::{behaviour, of, user};

fn template(cloud: &Cloud, options: &str) -> String {
    format!(
        r#"source "amazon-ebssurrogate" "own" {{
  ami_name                = "own-1"
  ami_virtualization_type = "hvm"
  instance_type           = "m5.large"
  source_ami              = "{}"
  ssh_username            = "{}"
  ssh_port                = {}
  ami_description         = "from {{{{ .SourceAMI }}}}"
  tags                    = {{ role = "own" }}
  snapshot_tags           = {{ disk = "yes" }}
  launch_block_device_mappings {{
    device_name = "/dev/xvdf"
    volume_size = 10
    volume_type = "gp3"
  }}
  launch_block_device_mappings {{
    device_name        = "/dev/xvdg"
    volume_size        = 20
    omit_from_artifact = true
  }}
  ami_root_device {{
    source_device_name    = "/dev/xvdf"
    device_name           = "/dev/xvda"
    delete_on_termination = true
    volume_size           = 16
    volume_type           = "gp2"
  }}
{options}
}}
build {{
  sources = ["amazon-ebssurrogate.own"]
  provisioner "shell" {{
    inline = ["echo filling"]
  }}
}}
"#,
        stock::UBUNTU,
        user(),
        cloud.ssh_port()
    )
}

#[test]
fn the_source_device_becomes_the_root_of_a_registered_image() {
    let cloud = Cloud::with(behaviour()).unwrap();
    cloud.change(|behaviour| behaviour.waits.snapshot = Delay::Answers(2));
    let options = "  ami_architecture = \"arm64\"\n  boot_mode = \"uefi\"\n  tpm_support = \"v2.0\"\n  \
                   uefi_data = \"QU1aTlVFRkk=\"\n  ena_support = true\n  sriov_support = true\n  ami_users = [\"210987654321\"]\n  \
                   snapshot_description = \"own root\"";
    let test = of(&cloud, &template(&cloud, options));
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let left = cloud.left();
    assert_eq!(left.summary(), "1 image, 1 snapshot", "{left}");
    let (image, snapshot) = (left.of("image")[0], left.of("snapshot")[0]);
    assert_eq!(image.name, "own-1");
    assert_eq!(
        (&*image.tags["role"], &*snapshot.tags["role"]),
        ("own", "own")
    );
    assert_eq!(snapshot.tags["disk"], "yes");
    for thing in left.iter() {
        assert!(!thing.tags.contains_key("imgc:expires"), "{thing:?}");
    }
    assert!(
        printed.stdout.contains(&format!(
            "--> amazon-ebssurrogate.own: AMIs were created:\nus-east-1: {}\n",
            image.id
        )),
        "{}",
        printed.text()
    );
    let calls = cloud.calls();
    assert_eq!(
        calls.one("CreateSnapshot").parameter("Description"),
        "own root"
    );
    let registered = calls.one("RegisterImage");
    for (name, value) in [
        ("Architecture", "arm64"),
        ("BootMode", "uefi"),
        ("TpmSupport", "v2.0"),
        ("UefiData", "QU1aTlVFRkk="),
        ("EnaSupport", "true"),
        ("SriovNetSupport", "simple"),
        ("ImdsSupport", "v2.0"),
        ("VirtualizationType", "hvm"),
        ("RootDeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.SnapshotId", snapshot.id.as_str()),
        ("BlockDeviceMapping.1.Ebs.VolumeSize", "16"),
        ("BlockDeviceMapping.1.Ebs.VolumeType", "gp2"),
        ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true"),
    ] {
        assert_eq!(registered.parameter(name), value, "{name}: {registered:?}");
    }
    assert_eq!(registered.parameter("BlockDeviceMapping.2.DeviceName"), "");
    assert_eq!(
        registered.parameter("Description"),
        format!("from {}", stock::UBUNTU)
    );
    let stopped = calls.iter().position(|call| call.action == "StopInstances");
    let taken = calls
        .iter()
        .position(|call| call.action == "CreateSnapshot");
    assert!(stopped < taken, "{}", calls.sequence());
}

#[test]
fn with_create_image_the_disk_takes_the_place_of_the_root() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = of(&cloud, &template(&cloud, "  use_create_image = true"));
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let calls = cloud.calls();
    assert_eq!(calls.of("RegisterImage").len(), 0, "{}", calls.sequence());
    assert!(calls.of("DetachVolume").len() >= 2, "{}", calls.sequence());
    assert_eq!(calls.one("AttachVolume").parameter("Device"), "/dev/sda1");
    let left = cloud.left();
    assert_eq!(left.of("volume").len(), 0, "{left}");
    assert_eq!(left.of("image").len(), 1, "{left}");
}

/// What the template says of the volumes holds for the instances of the image: those of the build end with it.
#[test]
fn a_plan_says_that_the_volumes_of_the_build_end_with_it() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let printed = of(&cloud, &template(&cloud, "")).run(&["plan", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    for said in [
        "volume in us-east-1: /dev/xvdf, 10 GiB, gp3 (until the build ends)",
        "volume in us-east-1: /dev/xvdg, 20 GiB (until the build ends)",
    ] {
        assert!(printed.stdout.contains(said), "{}", printed.text());
    }
}

#[test]
fn a_root_that_no_device_gives_is_refused() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let text = template(&cloud, "").replace(
        "source_device_name    = \"/dev/xvdf\"",
        "source_device_name    = \"/dev/xvdz\"",
    );
    let printed = of(&cloud, &text).run(&["validate", "-color=false", "."]);
    assert_ne!(printed.code, 0);
    let line = |text: &str, option: &str| {
        let at = text.lines().position(|line| line.contains(option));
        format!("main.pkr.hcl:{}:", 1 + at.unwrap())
    };
    for said in [
        "`source_device_name` is /dev/xvdz",
        &line(&text, "source_device_name"),
    ] {
        assert!(printed.text().contains(said), "{}", printed.text());
    }
    let text = template(&cloud, "").replace("\"hvm\"", "\"hvn\"");
    let printed = of(&cloud, &text).run(&["validate", "-color=false", "."]);
    assert_ne!(printed.code, 0);
    for said in [
        "`ami_virtualization_type` is `hvn`",
        &line(&text, "ami_virtualization_type"),
    ] {
        assert!(printed.text().contains(said), "{}", printed.text());
    }
    let left_out = template(&cloud, "").replace(
        "volume_type = \"gp3\"",
        "volume_type = \"gp3\"\n    omit_from_artifact = true",
    );
    let printed = of(&cloud, &left_out).run(&["validate", "-color=false", "."]);
    assert_ne!(printed.code, 0);
    assert!(
        printed.text().contains("is to be left out of it"),
        "{}",
        printed.text()
    );
}

/// The snapshots are made and the image is not.
#[test]
fn a_name_that_is_taken_meanwhile_leaves_nothing() {
    let cloud = Cloud::with(behaviour()).unwrap();
    cloud.change(|behaviour| behaviour.denied = vec!["ec2:RegisterImage".to_owned()]);
    let printed = of(&cloud, &template(&cloud, "")).run(&["build", "-color=false", "."]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    assert!(
        printed.text().contains("RegisterImage"),
        "{}",
        printed.text()
    );
    assert_eq!(cloud.left().summary(), "", "{}", cloud.left());
}
