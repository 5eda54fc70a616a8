//! `amazon-ebsvolume`: volumes are what comes out.

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Delay, stock};

use super::{behaviour, of, user};

fn template(cloud: &Cloud, script: &str) -> String {
    format!(
        r#"source "amazon-ebsvolume" "data" {{
  instance_type   = "m5.large"
  source_ami      = "{}"
  ssh_username    = "{}"
  ssh_port        = {}
  run_volume_tags = {{ temporary = "yes" }}
  ebs_volumes {{
    device_name = "/dev/sdf"
    volume_size = 10
    volume_type = "gp3"
    tags = {{
      from = "{{{{ .SourceAMI }}}}"
    }}
  }}
  ebs_volumes {{
    device_name           = "/dev/sdg"
    volume_size           = 4
    delete_on_termination = true
    snapshot_volume       = true
    snapshot_description  = "seed of {{{{ .BuildRegion }}}}"
    snapshot_users        = ["210987654321"]
    snapshot_tag {{
      key   = "role"
      value = "seed"
    }}
  }}
}}
build {{
  sources = ["amazon-ebsvolume.data"]
  provisioner "shell" {{
    inline = ["{script}"]
  }}
}}
"#,
        stock::UBUNTU,
        user(),
        cloud.ssh_port()
    )
}

#[test]
fn volumes_stay_with_their_tags_and_snapshots_are_shared() {
    let cloud = Cloud::with(behaviour()).unwrap();
    cloud.change(|behaviour| behaviour.waits.snapshot = Delay::Answers(2));
    let test = of(&cloud, &template(&cloud, "echo filled"));
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let left = cloud.left();
    assert_eq!(left.summary(), "1 snapshot, 1 volume", "{left}");
    let (volume, snapshot) = (left.of("volume")[0], left.of("snapshot")[0]);
    assert_eq!(volume.tags["from"], stock::UBUNTU);
    for gone in ["temporary", "imgc:expires"] {
        assert!(!volume.tags.contains_key(gone), "{volume:?}");
        assert!(!snapshot.tags.contains_key(gone), "{snapshot:?}");
    }
    assert_eq!(snapshot.tags["role"], "seed");
    assert!(volume.tags.contains_key("imgc:run") && snapshot.tags.contains_key("imgc:run"));
    let lines: Vec<&str> = printed.stdout.lines().collect();
    let at = lines
        .iter()
        .position(|line| *line == "--> amazon-ebsvolume.data: EBS Volumes were created:")
        .unwrap_or_else(|| panic!("{}", printed.text()));
    let ids = [
        format!("us-east-1:{}", snapshot.id),
        format!("us-east-1:{}", volume.id),
    ];
    assert_eq!(lines[at + 2..at + 4], ids);
    let calls = cloud.calls();
    let made = calls.one("CreateSnapshot");
    assert_eq!(made.parameter("Description"), "seed of us-east-1");
    let shared = calls.one("ModifySnapshotAttribute");
    assert_eq!(
        shared.parameter("CreateVolumePermission.Add.1.UserId"),
        "210987654321"
    );
    // Until the machine is finished its volumes end with it.
    let started = calls.one("RunInstances");
    for at in 1..=2 {
        let name = format!("BlockDeviceMapping.{at}.Ebs.DeleteOnTermination");
        assert_eq!(started.parameter(&name), "true");
    }
}

#[test]
fn a_build_that_fails_leaves_no_volume() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = of(&cloud, &template(&cloud, "exit 3"));
    let printed = test.run(&["build", "-color=false", "."]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    assert_eq!(cloud.left().summary(), "", "{}", cloud.left());
}

#[test]
fn nothing_changed_means_nothing_runs() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = of(&cloud, &template(&cloud, "echo filled"));
    let first = test.run(&["apply", "-color=false", "."]);
    assert_eq!(first.code, 0, "{}", first.text());
    cloud.forget_calls();
    let again = test.run(&["apply", "-color=false", "."]);
    assert_eq!(again.code, 0, "{}", again.text());
    assert_eq!(
        cloud.calls().changes().len(),
        0,
        "{}",
        cloud.calls().sequence()
    );
}
