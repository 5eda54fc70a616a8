//! `skip_save_build_region`: the image is only a step on the way to its copies.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Moment, Then};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::behaviour;
use super::publish::{COPIES, image, lines, refuse, test};

const ONLY: &str = "skip_save_build_region = true\n  ami_regions = [\"us-west-2\", \"eu-west-1\"]";

#[test]
fn only_the_copies_stay_and_count_as_what_was_made() {
    let cloud = Cloud::with(behaviour()).unwrap();
    // Somebody's image has the name where it is built: that is in nobody's way.
    let other = test(&cloud, "", "");
    assert_eq!(other.run(&["build", "."]).code, 0);
    let namesake = image(&cloud, "us-east-1");
    let blocks = r#"  post-processor "manifest" { output = "made.json" }"#;
    let test = test(&cloud, ONLY, blocks);
    let plan = test.run(&["plan", "-color=false", "."]);
    for shown in [
        "only a step on the way to its copies",
        r#"publish["build-region"]  the image itself goes, with its snapshots: only the copies stay"#,
    ] {
        assert!(plan.text().contains(shown), "no {shown}: {}", plan.text());
    }
    cloud.forget_calls();
    let printed = test.run(&["apply", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let copies = ["eu-west-1", "us-west-2"].map(|region| (region, image(&cloud, region)));
    let expected = copies.clone().map(|(region, id)| format!("{region}: {id}"));
    assert_eq!(lines(&printed), expected);
    let manifest: serde_json::Value = serde_json::from_str(&test.read("made.json")).unwrap();
    let ids = copies.clone().map(|(region, id)| format!("{region}:{id}"));
    assert_eq!(manifest["builds"][0]["artifact_id"], ids.join(","));
    let left = cloud.left();
    assert_eq!(left.summary(), "3 image, 3 snapshot", "{left}");
    assert_eq!(image(&cloud, "us-east-1"), namesake);
    for image in left.of("image") {
        assert_eq!(image.name, "web-1", "{left}");
        assert!(!image.tags.contains_key("imgc:expires"), "{left}");
    }
    let calls = cloud.calls();
    assert_ne!(calls.one("CreateImage").parameter("Name"), "web-1");
    // It is never taken for finished, and goes when both copies are there.
    let changes = calls.changes();
    let mut marks = changes.iter().filter(|call| call.action == "DeleteTags");
    assert!(
        marks.all(|call| call.region != "us-east-1"),
        "{}",
        changes.sequence()
    );
    let order = changes.sequence();
    let (_, after) = order.rsplit_once("CopyImage").unwrap();
    assert!(
        after.contains("DeregisterImage") && after.contains("DeleteSnapshot"),
        "{order}"
    );
    let images = test.run(&["images"]).text();
    let at_home = images
        .lines()
        .find(|line| line.starts_with("build.") && line.contains("us-east-1:"));
    assert_eq!(at_home, None, "{images}");
    // Nothing has changed: nothing runs.
    cloud.forget_calls();
    let again = test.run(&["apply", "-color=false", "."]);
    assert_eq!(again.code, 0, "{}", again.text());
    assert_eq!(cloud.calls().changes().sequence(), "", "{}", again.text());
    assert!(again.stdout.contains("up to date"), "{}", again.text());
    assert_eq!(lines(&again), expected);
    // Who may use the copies is said of them alone, without the image.
    let text = test.read("main.pkr.hcl");
    let shared = text.replace(ONLY, &format!("{ONLY}\n  ami_users = [\"111111111111\"]"));
    test.write("main.pkr.hcl", shared);
    let shared = test.run(&["apply", "-color=false", "."]);
    assert_eq!(shared.code, 0, "{}", shared.text());
    let changes = cloud.calls().changes().sequence();
    assert_eq!(changes, "ModifyImageAttribute, ModifyImageAttribute");
    // A copy that is gone cannot be made again without the image.
    let gone = [
        ("ImageId", copies[0].1.as_str()),
        ("DeleteAssociatedSnapshots", "true"),
    ];
    cloud.ec2("eu-west-1", "DeregisterImage", &gone).unwrap();
    let plan = test.run(&["plan", "-color=false", "."]);
    let said = format!("`aws image {} (eu-west-1)` has been deleted", copies[0].1);
    assert!(plan.text().contains(&said), "{}", plan.text());
}

#[test]
fn a_region_that_refuses_keeps_the_image_until_its_copy_is_there() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let test = test(&cloud, ONLY, "");
    refuse(&cloud, "CopyImage", "eu-west-1");
    let first = test.run(&["apply", "-color=false", "."]);
    assert_ne!(first.code, 0, "{}", first.text());
    let summary = cloud.left().summary();
    assert_eq!(summary, "2 image, 2 snapshot", "{}", cloud.left());
    image(&cloud, "us-east-1");
    cloud.unhook();
    cloud.forget_calls();
    let second = test.run(&["apply", "-color=false", "."]);
    assert_eq!(second.code, 0, "{}", second.text());
    let changes = cloud.calls().changes();
    let counts = [
        "RunInstances",
        "CreateImage",
        "CopyImage",
        "DeregisterImage",
    ]
    .map(|action| changes.of(action).len());
    assert_eq!(counts, [0, 0, 1, 1], "{}", second.text());
    let copies = ["eu-west-1", "us-west-2"].map(|region| (region, image(&cloud, region)));
    assert_eq!(
        lines(&second),
        copies.map(|(region, id)| format!("{region}: {id}"))
    );
    let summary = cloud.left().summary();
    assert_eq!(summary, "2 image, 2 snapshot", "{}", cloud.left());
}

/// Killed while the image goes: `imgc gc` removes what is left of it, and nothing is made again.
#[test]
fn killed_while_it_goes_the_rest_goes_with_gc_and_the_copies_stay() {
    let cloud = Cloud::with(behaviour()).unwrap();
    for (point, action) in ["DeregisterImage", "DeleteSnapshot"].iter().enumerate() {
        for moment in [Moment::Before, Moment::After] {
            for clean in [true, false] {
                cloud.reset().unwrap();
                let test = test(&cloud, ONLY, "");
                let process = Arc::new(Mutex::new(None::<Pid>));
                let (victim, dead) = (process.clone(), AtomicBool::new(false));
                // The lock is held until the process is known.
                let mut holder = process.lock().unwrap();
                cloud.hook(move |call, now| {
                    let hit = call.action == *action && now == moment;
                    if hit && !dead.swap(true, Ordering::SeqCst) {
                        if let Some(pid) = *victim.lock().unwrap() {
                            kill(pid, Signal::SIGKILL).unwrap();
                        }
                        return Then::HangUp;
                    }
                    Then::GoOn
                });
                let child = test.spawn(&["apply", "."]);
                *holder = Some(Pid::from_raw(child.id() as i32));
                drop(holder);
                let case = format!("{point} {action} {moment:?} {clean}");
                assert_ne!(test.finish(child).code, 0, "{case}");
                cloud.unhook();
                if clean {
                    let gone = test.run(&["gc"]);
                    assert_eq!(gone.code, 0, "{case}: {}", gone.text());
                    let left = cloud.left();
                    let at_home = left.iter().filter(|thing| thing.region == "us-east-1");
                    assert_eq!(at_home.count(), 0, "{case}: {left}\n{}", gone.text());
                }
                cloud.forget_calls();
                let applied = test.run(&["apply", "-color=false", "."]);
                assert_eq!(applied.code, 0, "{case}: {}", applied.text());
                let changes = cloud.calls().changes();
                assert!(
                    changes.of("RunInstances").is_empty() && changes.of("CopyImage").is_empty(),
                    "{case}: {}\n{}",
                    changes.sequence(),
                    applied.text()
                );
                assert_eq!(lines(&applied).len(), 2, "{case}: {}", applied.text());
                let summary = cloud.left().summary();
                assert_eq!(summary, "2 image, 2 snapshot", "{case}: {}", cloud.left());
            }
        }
    }
}

#[test]
fn an_image_of_which_nothing_would_stay_is_refused() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let options =
        "region = \"us-east-1\"\n  skip_save_build_region = true\n  ami_regions = [\"us-east-1\"]";
    let test = test(&cloud, options, "");
    let printed = test.run(&["validate", "."]);
    assert_ne!(printed.code, 0);
    let said = "no image would stay: none where it is made, and no copy in another region";
    assert!(printed.text().contains(said), "{}", printed.text());
    // Where only the environment says which region that is, it is seen before anything is made.
    let text = test.read("main.pkr.hcl");
    test.write("main.pkr.hcl", text.replace("region = \"us-east-1\"\n", ""));
    let printed = test.run(&["build", "-color=false", "."]);
    assert_ne!(printed.code, 0, "{}", printed.text());
    let said = "keeps no image in us-east-1, and no copy is made in another region";
    assert!(printed.text().contains(said), "{}", printed.text());
    let calls = cloud.calls();
    assert_eq!(calls.changes().len(), 0, "{}", calls.sequence());
}

#[test]
fn an_encrypted_one_is_copied_with_the_keys_of_the_regions() {
    let cloud = Cloud::with(behaviour()).unwrap();
    let options = format!(
        "skip_save_build_region = true\n  {}\n  encrypt_boot = true\n  region_kms_key_ids = {{ us-west-2 = \"alias/web\", eu-west-1 = \"\" }}",
        COPIES
    );
    let test = test(&cloud, &options, "");
    let printed = test.run(&["build", "-color=false", "."]);
    assert_eq!(printed.code, 0, "{}", printed.text());
    let calls = cloud.calls();
    let copies = calls.of("CopyImage");
    assert_eq!(copies.len(), 2, "{}", calls.sequence());
    for copy in copies.iter() {
        assert_eq!(copy.parameter("Name"), "web-1", "{copy:?}");
        assert_eq!(copy.parameter("Encrypted"), "true", "{copy:?}");
    }
    let summary = cloud.left().summary();
    assert_eq!(summary, "2 image, 2 snapshot", "{}", cloud.left());
}
