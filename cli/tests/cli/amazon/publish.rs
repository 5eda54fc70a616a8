//! What becomes of an image: copies with their keys, who may use it, what is done again and what is not.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, Call, Delay, Moment, Then, Thing};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{behaviour, user};
use crate::harness::{Printed, Test};

/// A template with these options of the source, and these blocks of the build.
fn template(cloud: &Cloud, options: &str, blocks: &str) -> String {
    format!(
        r#"source "amazon-ebs" "web" {{
  ami_name      = "web-1"
  source_ami    = "{}"
  instance_type = "t3.micro"
  ssh_username  = "{}"
  ssh_port      = {}
  tags          = {{ team = "web" }}
{options}
}}
build {{
  sources = ["amazon-ebs.web"]
{blocks}
}}
"#,
        imgc_testbed::cloud::stock::UBUNTU,
        user(),
        cloud.ssh_port()
    )
}

pub(super) fn test(cloud: &Cloud, options: &str, blocks: &str) -> Test {
    let mut test = Test::new(&template(cloud, options, blocks));
    for (name, value) in cloud.environment() {
        test = test.env(name, &value);
    }
    test
}

pub(super) const COPIES: &str = r#"ami_regions = ["us-west-2", "eu-west-1"]"#;

/// The id of the image in a region.
pub(super) fn image(cloud: &Cloud, region: &str) -> String {
    let left = cloud.left();
    let images = left.of("image");
    let mut here = images.iter().filter(|image| image.region == region);
    let id = here.next().map(|image| image.id.clone());
    assert!(here.next().is_none(), "{left}");
    id.unwrap_or_else(|| panic!("no image in {region}: {left}"))
}

/// The lines below `AMIs were created:`.
pub(super) fn lines(printed: &Printed) -> Vec<String> {
    let mut lines = printed.stdout.lines();
    lines
        .find(|line| *line == "--> amazon-ebs.web: AMIs were created:")
        .unwrap_or_else(|| panic!("{}", printed.text()));
    let images = lines.take_while(|line| line.contains(": ami-"));
    images.map(str::to_owned).collect()
}

/// Has a call in a region refused.
pub(super) fn refuse(cloud: &Cloud, action: &'static str, region: &'static str) {
    cloud.hook(move |call: &Call, moment| {
        if moment == Moment::Before && call.action == action && call.region == region {
            let code = "UnauthorizedOperation".to_owned();
            return Then::Refuse(403, code, "You are not authorized.".to_owned());
        }
        Then::GoOn
    });
}

#[test]
fn copies_are_made_at_once_each_with_its_key_and_its_tags() {
    let mut slow = behaviour();
    slow.waits.image = Delay::Time(Duration::from_millis(1500));
    let cloud = Cloud::with(slow).unwrap();
    let options = format!(
        r#"{COPIES}
  region_kms_key_ids = {{ us-west-2 = "alias/web", eu-west-1 = "" }}
  ami_description    = "for the web"
  snapshot_tags      = {{ disk = "root" }}"#
    );
    let test = test(
        &cloud,
        &options,
        r#"  post-processor "manifest" { output = "made.json" }"#,
    );
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let ids = ["eu-west-1", "us-east-1", "us-west-2"].map(|region| (region, image(&cloud, region)));
    assert_eq!(
        lines(&printed),
        ids.clone().map(|(region, id)| format!("{region}: {id}"))
    );
    let manifest: serde_json::Value = serde_json::from_str(&test.read("made.json")).unwrap();
    assert_eq!(
        manifest["builds"][0]["artifact_id"],
        ids.map(|(region, id)| format!("{region}:{id}")).join(",")
    );
    let calls = cloud.calls();
    let copies = calls.of("CopyImage");
    assert_eq!(copies.len(), 2, "{}", calls.sequence());
    // Each takes a second and a half.
    let apart = copies[1].at.abs_diff(copies[0].at);
    assert!(apart < Duration::from_millis(1000), "{apart:?}");
    for copy in copies.iter() {
        assert_eq!(copy.error, None, "{copy:?}");
        assert_eq!(copy.parameter("Encrypted"), "true");
        assert!(!copy.parameter("ClientToken").is_empty());
        assert_eq!(copy.parameter("SourceRegion"), "us-east-1");
        assert_eq!(copy.parameter("Description"), "for the web");
        let key = match copy.region.as_str() {
            "us-west-2" => "alias/web",
            _ => "",
        };
        assert_eq!(copy.parameter("KmsKeyId"), key, "{copy:?}");
        for kind in ["image", "snapshot"] {
            let tags = copy.tags(kind);
            assert_eq!(tags.get("team"), Some(&"web"), "{copy:?}");
            let both = ["imgc:run", "imgc:expires"];
            assert!(both.iter().all(|tag| tags.contains_key(tag)), "{copy:?}");
            assert_eq!(tags.contains_key("disk"), kind == "snapshot", "{copy:?}");
        }
    }
    // Tags come with what they are on, and the mark of something temporary goes when it is finished.
    assert_eq!(calls.of("CreateTags").len(), 0, "{}", calls.sequence());
    let left = cloud.left();
    assert_eq!(left.summary(), "3 image, 3 snapshot", "{left}");
    for thing in left.iter() {
        assert!(!thing.tags.contains_key("imgc:expires"), "{thing:?}");
        assert_eq!(thing.tags["team"], "web", "{thing:?}");
        if thing.kind == "image" {
            let shown = cloud.ec2(&thing.region, "DescribeImages", &[("ImageId.1", &thing.id)]);
            assert!(shown.unwrap().contains("<imdsSupport>v2.0<"), "{thing:?}");
        }
    }
}

#[test]
fn a_region_that_refuses_takes_nothing_from_the_others_and_is_done_alone_next_time() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let blocks = r#"  post-processor "manifest" { output = "made.json" }"#;
    let test = test(&cloud, COPIES, blocks);
    refuse(&cloud, "CopyImage", "eu-west-1");
    let first = test.run(&["apply", "-color=false", "."]);
    assert_ne!(first.code, 0, "{}", first.text());
    let text = first.text();
    assert!(
        text.contains("cannot copy the image to eu-west-1") && text.contains("ec2:CopyImage"),
        "{text}"
    );
    let (home, west) = (image(&cloud, "us-east-1"), image(&cloud, "us-west-2"));
    let summary = cloud.left().summary();
    assert_eq!(summary, "2 image, 2 snapshot", "{}", cloud.left());
    // What is to see all of it waits for all of it.
    assert!(!test.path("made.json").exists());
    cloud.unhook();
    let plan = test.run(&["plan", "-color=false", "."]);
    assert!(
        plan.stdout.contains(r#"publish["eu-west-1"]"#) && plan.stdout.contains("is there; to run"),
        "{}",
        plan.text()
    );
    cloud.forget_calls();
    let second = test.run(&["apply", "-color=false", "."]);
    assert_eq!(second.code, 0, "{}", second.text());
    let made = image(&cloud, "eu-west-1");
    assert_eq!(
        lines(&second),
        [
            format!("eu-west-1: {made}"),
            format!("us-east-1: {home}"),
            format!("us-west-2: {west}")
        ]
    );
    let calls = cloud.calls();
    let changes = calls.changes();
    // What instances may ask of the metadata service, the copy has from the image.
    assert_eq!(changes.sequence(), "CopyImage, DeleteTags");
    assert!(
        changes.iter().all(|call| call.region == "eu-west-1"),
        "{changes:?}"
    );
    assert!(test.read("made.json").contains(&made));
    cloud.forget_calls();
    let third = test.run(&["apply", "-color=false", "."]);
    assert_eq!(third.code, 0, "{}", third.text());
    assert_eq!(cloud.calls().changes().sequence(), "");
    assert!(third.stdout.contains("up to date"), "{}", third.text());
    assert_eq!(lines(&third), lines(&second));
}

#[test]
fn a_run_with_a_name_of_its_own_is_gone_on_with_and_only_what_is_missing_is_done() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, COPIES, "");
    let text = template(&cloud, COPIES, "").replace("\"web-1\"", "\"web-{{ uuid }}\"");
    test.write("main.pkr.hcl", text);
    refuse(&cloud, "CopyImage", "eu-west-1");
    let first = test.run(&["apply", "-color=false", "."]);
    assert_ne!(first.code, 0, "{}", first.text());
    cloud.unhook();
    cloud.forget_calls();
    let second = test.run(&["apply", "-color=false", "--resume", "."]);
    assert_eq!(second.code, 0, "{}", second.text());
    let changes = cloud.calls().changes().sequence();
    assert_eq!(changes, "CopyImage, DeleteTags", "{}", second.text());
    let left = cloud.left();
    let names: BTreeSet<&str> = left
        .of("image")
        .iter()
        .map(|image| image.name.as_str())
        .collect();
    assert_eq!((left.of("image").len(), names.len()), (3, 1), "{left}");
}

#[test]
fn a_copy_that_was_deleted_is_the_only_thing_made_again() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, COPIES, "");
    assert_eq!(test.run(&["apply", "."]).code, 0);
    let (home, gone) = (image(&cloud, "us-east-1"), image(&cloud, "eu-west-1"));
    let both = [
        ("ImageId", gone.as_str()),
        ("DeleteAssociatedSnapshots", "true"),
    ];
    cloud.ec2("eu-west-1", "DeregisterImage", &both).unwrap();
    cloud.forget_calls();
    let again = test.run(&["apply", "-color=false", "."]);
    assert_eq!(again.code, 0, "{}", again.text());
    let said = format!("`aws image {gone} (eu-west-1)` has been deleted");
    assert!(again.text().contains(&said), "{}", again.text());
    assert_ne!(image(&cloud, "eu-west-1"), gone);
    assert_eq!(image(&cloud, "us-east-1"), home);
    let changes = cloud.calls().changes();
    assert_eq!(changes.of("CopyImage").len(), 1, "{}", changes.sequence());
    assert!(
        changes.iter().all(|call| call.region == "eu-west-1"),
        "{changes:?}"
    );
}

/// Everything that can be said of an image.
const SAID: &str = r#"ami_regions     = ["eu-west-1"]
  ami_users       = ["111111111111"]
  ami_org_arns    = ["arn:aws:organizations::123456789012:organization/o-1"]
  snapshot_users  = ["222222222222"]
  deprecate_at    = "2030-01-31T00:00:00Z"
  deregistration_protection {
    enabled = true
  }
  fast_launch {
    enable_fast_launch    = true
    max_parallel_launches = 6
  }"#;

#[test]
fn what_is_said_of_the_image_is_said_of_every_copy_and_a_change_copies_nothing() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, SAID, "");
    let printed = test.run(&["apply", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    for region in ["us-east-1", "eu-west-1"] {
        let id = image(&cloud, region);
        let ask = |action: &str, parameters: &[(&str, &str)]| {
            cloud.ec2(region, action, parameters).unwrap()
        };
        let of = ("ImageId", id.as_str());
        let shared = ask(
            "DescribeImageAttribute",
            &[of, ("Attribute", "launchPermission")],
        );
        assert!(shared.contains("<userId>111111111111<"), "{shared}");
        assert!(shared.contains("organization/o-1<"), "{shared}");
        let left = cloud.left();
        let snapshots = left.of("snapshot");
        let snapshot = snapshots.iter().find(|one| one.region == region).unwrap();
        let of_snapshot = ("SnapshotId", snapshot.id.as_str());
        let attribute = ("Attribute", "createVolumePermission");
        let usable = ask("DescribeSnapshotAttribute", &[of_snapshot, attribute]);
        assert!(usable.contains("<userId>222222222222<"), "{usable}");
        let shown = ask("DescribeImages", &[("ImageId.1", &id)]);
        assert!(
            shown.contains("<deprecationTime>2030-01-31T00:00:00"),
            "{shown}"
        );
        let refused = cloud.ec2(region, "DeregisterImage", &[of]).unwrap_err();
        assert!(refused.contains("OperationNotPermitted"), "{refused}");
        let fast = ask("DescribeFastLaunchImages", &[]);
        assert!(fast.contains(&id), "{fast}");
    }
    let more = SAID.replace("\"111111111111\"", "\"111111111111\", \"333333333333\"");
    test.write("main.pkr.hcl", template(&cloud, &more, ""));
    cloud.forget_calls();
    let printed = test.run(&["apply", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let changes = cloud.calls().changes();
    assert_eq!(
        changes.sequence(),
        "ModifyImageAttribute, ModifyImageAttribute"
    );
    let regions: BTreeSet<&str> = changes.iter().map(|call| call.region.as_str()).collect();
    assert_eq!(regions, BTreeSet::from(["eu-west-1", "us-east-1"]));
}

#[test]
fn a_region_that_is_taken_out_keeps_its_copy_and_the_plan_says_how_it_goes() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let options = format!("{COPIES}\n  ami_users = [\"111111111111\"]");
    let test = test(&cloud, &options, "");
    let first = test.run(&["apply", "-color=false", "."]);
    assert_eq!(first.code, 0, "{}", first.text());
    let plan = || {
        let plan = test.run(&["plan", "-color=false", "."]);
        assert_eq!(plan.code, 0, "{}", plan.text());
        plan.stdout
    };
    let said = "is not in the template any more";
    assert!(!plan().contains(said), "{}", plan());
    let copy = image(&cloud, "eu-west-1");
    let fewer = "ami_regions = [\"us-west-2\"]";
    test.write("main.pkr.hcl", template(&cloud, fewer, ""));
    let text = plan();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(said)).collect();
    // The copy, and who may start the image and the copy that stays.
    assert_eq!(lines.len(), 3, "{text}");
    let line = lines.iter().find(|line| line.contains(&copy));
    let line = line.unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("publish[\"eu-west-1\"]"), "{line}");
    assert!(
        line.ends_with(&format!(
            "aws ec2 deregister-image --region eu-west-1 --image-id {copy} --delete-associated-snapshots"
        )),
        "{line}"
    );
    let both = [
        ("ImageId", copy.as_str()),
        ("DeleteAssociatedSnapshots", "true"),
    ];
    cloud.ec2("eu-west-1", "DeregisterImage", &both).unwrap();
    let text = plan();
    assert!(!text.contains(&copy), "{text}");
}

/// Whether the image of a region may be started by an account.
fn may_start(cloud: &Cloud, region: &str, account: &str) -> bool {
    let id = image(cloud, region);
    let asked = [("ImageId", id.as_str()), ("Attribute", "launchPermission")];
    let shown = cloud.ec2(region, "DescribeImageAttribute", &asked).unwrap();
    shown.contains(&format!("<userId>{account}<"))
}

#[test]
fn who_is_not_named_any_more_loses_what_an_earlier_run_has_given() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let options = |users: &str| {
        format!(
            "ami_regions = [\"eu-west-1\"]\n  ami_users = [{users}]\n  snapshot_users = [{users}]"
        )
    };
    let both = "\"111111111111\", \"333333333333\"";
    let test = test(&cloud, &options(both), "");
    let apply = |users: &str| {
        test.write("main.pkr.hcl", template(&cloud, &options(users), ""));
        cloud.forget_calls();
        let printed = test.run(&["apply", "-color=false", "."]);
        assert_eq!(printed.code, 0, "{}", printed.text());
        printed
    };
    apply(both);
    // Of an image that is new nobody has to look who may start it.
    let calls = cloud.calls();
    assert_eq!(calls.of("DescribeImageAttribute").len(), 0, "{calls:?}");
    // Somebody has given it to another one by hand: that is not imgc's to take away.
    let by_hand = [
        ("ImageId", image(&cloud, "us-east-1")),
        ("LaunchPermission.Add.1.UserId", "444444444444".to_owned()),
    ];
    let by_hand = by_hand
        .each_ref()
        .map(|(name, text)| (*name, text.as_str()));
    cloud
        .ec2("us-east-1", "ModifyImageAttribute", &by_hand)
        .unwrap();
    let printed = apply("\"333333333333\"");
    let said = "us-east-1: the image may no longer be started by 111111111111";
    assert!(printed.stdout.contains(said), "{}", printed.text());
    for region in ["us-east-1", "eu-west-1"] {
        assert!(!may_start(&cloud, region, "111111111111"), "{region}");
        assert!(may_start(&cloud, region, "333333333333"), "{region}");
        let left = cloud.left();
        let snapshots = left.of("snapshot");
        let snapshot = snapshots.iter().find(|one| one.region == region).unwrap();
        let asked = [
            ("SnapshotId", snapshot.id.as_str()),
            ("Attribute", "createVolumePermission"),
        ];
        let usable = cloud
            .ec2(region, "DescribeSnapshotAttribute", &asked)
            .unwrap();
        assert!(!usable.contains("111111111111"), "{usable}");
        assert!(usable.contains("333333333333"), "{usable}");
    }
    assert!(may_start(&cloud, "us-east-1", "444444444444"));
    // What is named again is given again, although an earlier run has done that very step.
    apply(both);
    for region in ["us-east-1", "eu-west-1"] {
        assert!(may_start(&cloud, region, "111111111111"), "{region}");
    }
    cloud.forget_calls();
    let again = test.run(&["apply", "-color=false", "."]);
    assert_eq!(again.code, 0, "{}", again.text());
    assert_eq!(cloud.calls().changes().sequence(), "");
}

#[test]
fn who_may_not_share_keeps_the_image_and_its_copies() {
    let cloud = Cloud::with(Behaviour {
        denied: vec!["ec2:ModifySnapshotAttribute".to_owned()],
        ..behaviour()
    })
    .unwrap();
    let options = r#"ami_regions    = ["eu-west-1"]
  snapshot_users = ["222222222222"]"#;
    let test = test(&cloud, options, "");
    let first = test.run(&["apply", "-color=false", "."]);
    assert_ne!(first.code, 0, "{}", first.text());
    assert_eq!(lines(&first).len(), 2, "{}", first.text());
    assert_eq!(cloud.left().summary(), "2 image, 2 snapshot");
    cloud.change(|behaviour| behaviour.denied.clear());
    cloud.forget_calls();
    let second = test.run(&["apply", "-color=false", "."]);
    assert_eq!(second.code, 0, "{}", second.text());
    let changes = cloud.calls().changes().sequence();
    assert_eq!(changes, "ModifySnapshotAttribute, ModifySnapshotAttribute");
}

#[test]
fn an_encrypted_image_is_encrypted_from_the_first_byte_on() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let options = r#"encrypt_boot = true
  kms_key_id   = "alias/web"
  ami_regions  = ["eu-west-1"]"#;
    let test = test(&cloud, options, "");
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let calls = cloud.calls();
    let started = calls.one("RunInstances");
    assert_eq!(
        started.parameter("BlockDeviceMapping.1.Ebs.Encrypted"),
        "true"
    );
    assert_eq!(
        started.parameter("BlockDeviceMapping.1.Ebs.KmsKeyId"),
        "alias/web"
    );
    assert_eq!(calls.one("CopyImage").parameter("Encrypted"), "true");
    // No image in between, and none that is not encrypted.
    assert_eq!(cloud.left().summary(), "2 image, 2 snapshot");
    assert_eq!(calls.of("DeregisterImage").len(), 0);
    for region in ["us-east-1", "eu-west-1"] {
        let id = image(&cloud, region);
        let shown = cloud
            .ec2(region, "DescribeImages", &[("ImageId.1", &id)])
            .unwrap();
        assert!(shown.contains("<encrypted>true<"), "{shown}");
        assert!(!shown.contains("<encrypted>false<"), "{shown}");
    }
}

#[test]
fn an_old_image_of_the_name_goes_in_every_region() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let first = test(&cloud, COPIES, "");
    assert_eq!(first.run(&["build", "."]).code, 0);
    let old: Vec<Thing> = cloud.left().of("image").into_iter().cloned().collect();
    let taken = first.run(&["build", "-color=false", "."]);
    assert_ne!(taken.code, 0);
    // Said before anything is made, of a region that is only copied to as well.
    for image in &old {
        if image.region == "us-east-1" {
            let both = [
                ("ImageId", image.id.as_str()),
                ("DeleteAssociatedSnapshots", "true"),
            ];
            cloud.ec2("us-east-1", "DeregisterImage", &both).unwrap();
        }
    }
    cloud.forget_calls();
    let taken = first.run(&["build", "-color=false", "."]);
    assert!(
        taken
            .text()
            .contains("the name `web-1` belongs to the image"),
        "{}",
        taken.text()
    );
    assert_eq!(cloud.calls().changes().sequence(), "");
    let options = format!("{COPIES}\n  force_deregister = true\n  force_delete_snapshot = true");
    let second = test(&cloud, &options, "");
    let printed = second.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let left = cloud.left();
    assert_eq!(left.summary(), "3 image, 3 snapshot", "{left}");
    assert!(
        left.iter()
            .all(|thing| old.iter().all(|old| old.id != thing.id)),
        "{left}"
    );
}

/// After every call from the making of the image on: the process is killed when the call has had its effect, `imgc gc` runs, and
/// what is left is what is recorded as finished.
#[test]
fn killed_while_it_is_published_gc_leaves_what_is_finished_and_nothing_else() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let options = r#"ami_regions = ["eu-west-1"]
  ami_users   = ["111111111111"]"#;
    let whole = test(&cloud, options, "");
    assert_eq!(whole.run(&["build", "."]).code, 0);
    let calls = cloud.calls();
    let first = calls.one("CreateImage").number;
    let points = calls.len() + 1 - first;
    drop(whole);
    for point in 1..=points {
        cloud.reset().unwrap();
        let test = test(&cloud, options, "");
        let seen = Arc::new(AtomicUsize::new(0));
        let process = Arc::new(Mutex::new(None::<Pid>));
        let (counter, victim) = (seen.clone(), process.clone());
        // The lock is held until the process is known.
        let mut holder = process.lock().unwrap();
        cloud.hook(move |call, moment| {
            let counts = call.action == "CreateImage" || counter.load(Ordering::SeqCst) > 0;
            if moment == Moment::After
                && counts
                && counter.fetch_add(1, Ordering::SeqCst) + 1 == point
            {
                if let Some(pid) = *victim.lock().unwrap() {
                    kill(pid, Signal::SIGKILL).unwrap();
                }
                return Then::HangUp;
            }
            Then::GoOn
        });
        let child = test.spawn(&["build", "."]);
        *holder = Some(Pid::from_raw(child.id() as i32));
        drop(holder);
        test.finish(child);
        cloud.unhook();
        let gone = test.run(&["gc"]);
        assert_eq!(gone.code, 0, "after call {point}: {}", gone.text());
        let left = cloud.left();
        let recorded = test.run(&["images"]).text();
        let images = left.of("image");
        for image in &images {
            let id = format!("{}:{}", image.region, image.id);
            assert!(
                recorded.contains(&id),
                "after call {point}: {left}\n{recorded}"
            );
        }
        assert_eq!(
            left.len(),
            images.len() + left.of("snapshot").len(),
            "after call {point}: {left}\n{}",
            gone.text()
        );
        assert_eq!(
            left.of("snapshot").len(),
            images.len(),
            "after call {point}: {left}"
        );
    }
}

#[test]
fn the_plan_lists_what_will_be_published() {
    let cloud = Cloud::start().unwrap();
    let options = r#"region             = "us-east-1"
  ami_regions        = ["us-east-1", "eu-west-1"]
  encrypt_boot       = true
  kms_key_id         = "alias/home"
  region_kms_key_ids = { eu-west-1 = "alias/there" }
  ami_users          = ["111111111111"]"#;
    let test = test(&cloud, options, r#"  post-processor "manifest" {}"#);
    let plan = test.run(&["plan", "-color=false", "."]);
    assert_eq!(plan.code, 0, "{}", plan.text());
    for line in [
        r#"publish["imds"]  its instances take the second version of the metadata service"#,
        r#"publish["share"]  may be started by 111111111111"#,
        r#"publish["eu-west-1"]  a copy in eu-west-1, encrypted with alias/there"#,
        r#"publish["eu-west-1/share"]  the copy in eu-west-1: may be started by 111111111111"#,
    ] {
        assert!(plan.stdout.contains(line), "{line}\n{}", plan.stdout);
    }
    assert!(
        !plan.stdout.contains(r#"publish["us-east-1"]"#),
        "{}",
        plan.stdout
    );
    let json = test.run(&["plan", "--json", "."]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let steps = json["steps"].as_array().unwrap();
    let at = |end: &str| {
        let mut steps = steps.iter();
        let step = steps.find(|step| step["address"].as_str().unwrap().ends_with(end));
        step.unwrap_or_else(|| panic!("{end}: {json}"))
    };
    let copy = at(r#".publish["eu-west-1"]"#);
    assert_eq!(copy["kind"], "publish");
    assert_eq!(copy["options"]["kms_key_id"], "alias/there");
    let needs = |step: &serde_json::Value| -> Vec<String> {
        let needs = step["needs"].as_array().unwrap().iter();
        let needs = needs.map(|need| need["step"].as_str().unwrap().to_owned());
        needs.collect()
    };
    assert!(needs(copy)[0].ends_with(".capture"));
    // Post-processors see all of it; letting the machine go waits for none of it.
    let manifest = needs(at(".post-processor[0][0]"));
    assert_eq!(
        manifest
            .iter()
            .filter(|need| need.contains(".publish["))
            .count(),
        5,
        "{manifest:?}"
    );
    assert_eq!(needs(at(".release")).len(), 1);
}

#[test]
fn what_only_the_run_knows_is_published_in_one_step() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let options =
        r#"ami_regions = [build.null.first.artifact.id == "Null" ? "eu-west-1" : "us-west-2"]"#;
    let blocks = r#"}
source "null" "first" {
  communicator = "none"
}
build {
  sources = ["null.first"]"#;
    let test = test(&cloud, options, blocks);
    let plan = test.run(&["plan", "-color=false", "."]);
    assert!(plan.stdout.contains(r#"publish["all"]"#), "{}", plan.text());
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let ids =
        ["eu-west-1", "us-east-1"].map(|region| format!("{region}: {}", image(&cloud, region)));
    assert_eq!(lines(&printed), ids);
}

#[test]
fn what_cannot_be_published_is_said_before_anything_runs() {
    let cloud = Cloud::start().unwrap();
    let options = r#"ami_regions        = ["eu-west-1", "eu-west-1"]
  region_kms_key_ids = { ap-south-1 = "alias/web", eu-west-1 = "alias/web" }
  encrypt_boot       = true
  ami_groups         = ["all"]"#;
    let test = test(&cloud, options, "");
    let printed = test.run(&["validate", "-color=false", "."]);
    assert_eq!(printed.code, 3, "{}", printed.text());
    for said in [
        "there is a key for ap-south-1, and no copy is made there",
        "`ami_groups` lets everybody use what is encrypted",
    ] {
        assert!(printed.text().contains(said), "{said}\n{}", printed.text());
    }
    assert_eq!(cloud.calls().len(), 0);
}

#[test]
fn product_codes_and_the_time_a_copy_may_take_reach_amazon() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let options = r#"ami_regions = ["eu-west-1"]
  ami_product_codes              = ["8ab1cd2ef3gh"]
  snapshot_copy_duration_minutes = 60"#;
    let test = test(&cloud, options, "");
    let plan = test.run(&["plan", "-color=false", "."]);
    assert!(
        plan.stdout.contains("belongs to 8ab1cd2ef3gh"),
        "{}",
        plan.text()
    );
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let calls = cloud.calls();
    let copy = calls.one("CopyImage");
    assert_eq!(
        copy.parameter("SnapshotCopyCompletionDurationMinutes"),
        "60"
    );
    let marked = calls.of("ModifyImageAttribute");
    let marked = marked.only(|call| !call.list("ProductCode").is_empty());
    let places: BTreeSet<&str> = marked.iter().map(|call| call.region.as_str()).collect();
    assert_eq!(places, BTreeSet::from(["eu-west-1", "us-east-1"]));
    for call in marked.iter() {
        assert_eq!(call.list("ProductCode"), ["8ab1cd2ef3gh"]);
        assert_eq!(call.parameter("ImageId"), image(&cloud, &call.region));
        assert_eq!(call.error, None, "{call:?}");
    }
    assert_eq!(marked.len(), 2, "{}", calls.sequence());
}
