//! Checkpoints that are images at Amazon: what lists them, keeps them and lets them go.
//!
//! The image is made by hand, with the marks that a build gives it, and the record is written into the state.

use imgc_runtime::checkpoint::{Capability, Checkpoint};
use imgc_runtime::ledger::CloudResource;
use imgc_runtime::state::{CheckpointRecord, NewRun, RunStatus, State as _};
use imgc_state::Sqlite;
use imgc_testbed::Cloud;
use imgc_testbed::cloud::{Behaviour, stock};

use super::of;
use crate::harness::{Printed, Test};

const MAKER: &str = "07dae9d3-6298-4be4-ae16-aa0a128d4e2f";
const STEP: &str = "build.amazon-ebs.web.provisioner[0]";
/// The clock of the tests, and fourteen days later: when the image expires, for the state and by its mark.
const NOW: i64 = 1_700_000_000_000;
const EXPIRES: (i64, &str) = (1_701_209_600_000, "2023-11-28T22:13:20Z");
const LATER: &str = "1701209601,test";

/// A directory whose state has a run that is over and the image it has left as a checkpoint.
struct Place {
    cloud: Cloud,
    test: Test,
    image: String,
}

impl Place {
    fn new() -> Self {
        let cloud = Cloud::with(Behaviour::default()).unwrap();
        let test = of(&cloud, "");
        let things = made_by_hand(&cloud);
        let image = things[0].id.clone().unwrap();
        let place = Self { cloud, test, image };
        let state = place.state();
        wait(async {
            state.begin(&run(MAKER, "build.other")).await.unwrap();
            state.end(MAKER, RunStatus::Failed, NOW).await.unwrap();
            state.checkpoint(&record(things)).await.unwrap();
        });
        place
    }

    fn state(&self) -> Sqlite {
        let directory = self.test.path(".imgc");
        std::fs::create_dir_all(&directory).unwrap();
        Sqlite::open(&directory).unwrap()
    }

    fn at(&self, clock: &str, arguments: &[&str]) -> Printed {
        let mut command = self.test.command(arguments);
        let command = command.env("IMGC_INTERNAL_CLOCK", clock);
        self.test.finish(command.spawn().unwrap())
    }

    fn left(&self) -> String {
        self.cloud.left().summary()
    }

    /// What is remembered of it.
    fn is_known(&self) -> bool {
        let known = wait(self.state().checkpoints()).unwrap();
        !known.is_empty()
    }
}

const BOTH: &str = "1 image, 1 snapshot";

/// An image of an instance that has ended, with its snapshot.
fn made_by_hand(cloud: &Cloud) -> Vec<CloudResource> {
    let region = "us-east-1";
    let one = [
        ("ImageId", stock::UBUNTU),
        ("InstanceType", "t3.micro"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
    ];
    let started = cloud.texts(region, "RunInstances", &one);
    let instance = &started["instancesSet/1/instanceId"];
    let mut parameters = vec![
        ("InstanceId".to_owned(), instance.clone()),
        ("Name".to_owned(), "imgc-checkpoint-1".to_owned()),
    ];
    let tags = [
        ("imgc:run", MAKER),
        ("imgc:build", STEP),
        ("imgc:expires", EXPIRES.1),
        ("imgc:resource", "imgc-checkpoint-1"),
        ("imgc:checkpoint", "f1"),
    ];
    for (kind, at) in [("image", 1), ("snapshot", 2)] {
        let of = format!("TagSpecification.{at}");
        parameters.push((format!("{of}.ResourceType"), kind.to_owned()));
        for (index, (key, value)) in tags.iter().enumerate() {
            let number = index + 1;
            parameters.push((format!("{of}.Tag.{number}.Key"), (*key).to_owned()));
            parameters.push((format!("{of}.Tag.{number}.Value"), (*value).to_owned()));
        }
    }
    let parameters: Vec<(&str, &str)> = parameters
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    cloud.ec2(region, "CreateImage", &parameters).unwrap();
    let ended = [("InstanceId.1", instance.as_str())];
    cloud.ec2(region, "TerminateInstances", &ended).unwrap();
    let left = cloud.left();
    assert_eq!(left.summary(), BOTH, "{left}");
    let thing = |kind: &str| CloudResource {
        provider: "aws".into(),
        kind: kind.into(),
        place: region.into(),
        name: "imgc-checkpoint-1".into(),
        id: Some(left.of(kind)[0].id.clone()),
        reach: Default::default(),
        asked: None,
    };
    vec![thing("image"), thing("snapshot")]
}

fn record(things: Vec<CloudResource>) -> CheckpointRecord {
    CheckpointRecord {
        fingerprint: "f1".into(),
        build: "build.amazon-ebs.web".into(),
        step: STEP.into(),
        builder: "amazon-ebs".into(),
        run: MAKER.into(),
        made: NOW,
        used: NOW,
        checkpoint: Checkpoint {
            capability: Capability::Image,
            version: 1,
            data: serde_json::json!({}),
            parts: Vec::new(),
            things,
            expires: Some(EXPIRES.0),
        },
    }
}

fn run(id: &str, build: &str) -> NewRun {
    NewRun {
        id: id.into(),
        command: "apply".into(),
        template: "/t/main.pkr.hcl".into(),
        only: Vec::new(),
        except: Vec::new(),
        var_files: Vec::new(),
        vars: Vec::new(),
        clock: (1_700_000_000, 0),
        seed: "00".into(),
        started: NOW,
        expires: NOW,
        logs: None,
        scratch: "/nowhere/imgc-x".into(),
        program: "0".into(),
        process: 1,
        host: "here".into(),
        resumes: None,
        builds: vec![build.into()],
    }
}

fn wait<T>(asked: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(asked)
}

fn said(printed: &Printed, texts: &[&str]) {
    for text in texts {
        assert!(
            printed.text().contains(text),
            "{text} in {}",
            printed.text()
        );
    }
}

#[test]
fn cache_lists_images_at_a_provider_and_prune_takes_them_with_their_record() {
    let place = Place::new();
    let test = &place.test;
    let listed = test.run(&["cache", "ls"]);
    assert_eq!(listed.code, 0, "{}", listed.text());
    let note = format!("{}, until 2023-11-28 22:13:20Z", place.image);
    said(&listed, &[STEP, "at aws us-east-1", &note]);
    assert!(!listed.stdout.contains("bytes"), "{}", listed.text());
    let json = test.run(&["cache", "ls", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let entry = &json["entries"][0];
    assert_eq!(entry["expires"], EXPIRES.0, "{json}");
    let first = &entry["things"][0];
    let wanted = serde_json::json!({
        "provider": "aws", "kind": "image", "place": "us-east-1", "id": place.image,
    });
    assert_eq!(first, &wanted);
    // It is no artifact, and it keeps its run.
    let images = test.run(&["images"]);
    said(&images, &["no image is remembered"]);
    let forgotten = test.run(&["history", "prune", "-all"]);
    assert_eq!(forgotten.code, 0, "{}", forgotten.text());
    said(&test.run(&["history"]), &[&MAKER[..8]]);

    // It takes no room here, so that making room lets it be.
    for arguments in [&["cache", "prune"][..], &["cache", "prune", "-keep-size=0"]] {
        let kept = test.run(arguments);
        assert_eq!(kept.code, 0, "{}", kept.text());
        assert_eq!(kept.stdout, "0 bytes removed, 0 bytes kept\n");
    }
    let dry = test.run(&["cache", "prune", "-all", "-dry-run"]);
    let what = format!(
        "{STEP}: aws image {} (us-east-1), aws snapshot",
        place.image
    );
    said(&dry, &[&what, "0 bytes and 2 things elsewhere would be"]);
    assert_eq!(place.left(), BOTH);

    place
        .cloud
        .change(|behaviour| behaviour.denied = vec!["ec2:DeregisterImage".to_owned()]);
    let failed = test.run(&["cache", "prune", "-all"]);
    assert_eq!(failed.code, 4, "{}", failed.text());
    let what = format!("{STEP}: cannot remove aws image {}", place.image);
    said(&failed, &[&what, "ec2:DeregisterImage"]);
    assert!(place.is_known());
    place.cloud.change(|behaviour| behaviour.denied.clear());
    let pruned = test.run(&["cache", "prune", "-older-than", "0s"]);
    assert_eq!(place.left(), BOTH, "{}", pruned.text());
    let pruned = place.at(LATER, &["cache", "prune", "-older-than", "1d"]);
    assert_eq!(pruned.code, 0, "{}", pruned.text());
    assert_eq!(place.left(), "");
    said(&test.run(&["cache", "ls"]), &["nothing is kept"]);
}

#[test]
fn gc_lets_an_image_be_until_it_expires_and_then_takes_it_with_its_record() {
    let place = Place::new();
    let region = ["gc", "--cloud", "aws", "--region", "us-east-1"];
    for arguments in [&["gc"][..], &region] {
        let kept = place.test.run(arguments);
        assert_eq!(kept.code, 0, "{}", kept.text());
        assert!(!kept.stdout.contains("aws "), "{}", kept.text());
    }
    assert_eq!(place.left(), BOTH);
    said(&place.at(LATER, &["cache", "ls"]), &["expired"]);
    let what = format!("aws image {} (us-east-1) (run 07dae9d3", place.image);
    let dry = place.at(LATER, &["gc", "--dry-run"]);
    said(&dry, &[&format!("would remove {what}"), STEP]);
    assert_eq!(place.left(), BOTH);
    place
        .cloud
        .change(|behaviour| behaviour.denied = vec!["ec2:DeregisterImage".to_owned()]);
    let failed = place.at(LATER, &["gc"]);
    assert_eq!(failed.code, 4, "{}", failed.text());
    said(&failed, &["cannot remove checkpoint (run 07dae9d3", STEP]);
    assert!(place.is_known());
    place.cloud.change(|behaviour| behaviour.denied.clear());
    let gone = place.at(LATER, &["gc"]);
    said(
        &gone,
        &[&format!("removed {what}"), "removed aws snapshot "],
    );
    assert_eq!(place.left(), "");
    assert!(!place.is_known());
}

#[test]
fn gc_at_the_provider_forgets_what_it_takes() {
    let region = ["gc", "--cloud", "aws", "--region", "us-east-1"];
    // Whoever names the run takes all of it.
    let place = Place::new();
    let named = [&region[..], &["--run", MAKER]].concat();
    let other = of(&place.cloud, "");
    let listed = other.run(&region);
    said(&listed, &["left aws image", "it may go after 2023-11-28"]);
    assert_eq!(place.left(), BOTH);
    let dry = place.test.run(&[&named[..], &["--dry-run"]].concat());
    said(&dry, &["would remove aws image"]);
    assert!(place.is_known());
    let gone = place.test.run(&named);
    said(&gone, &[&format!("removed aws image {}", place.image)]);
    assert_eq!(place.left(), "");
    assert!(!place.is_known());

    // What has expired goes by its mark.
    let place = Place::new();
    let gone = place.at(LATER, &region);
    assert_eq!(gone.code, 0, "{}", gone.text());
    said(&gone, &["removed aws image"]);
    assert_eq!(place.left(), "");
    assert!(!place.is_known());

    // Somebody else has none of the records; here it is found gone, which is no failure.
    let place = Place::new();
    let other = of(&place.cloud, "").env("IMGC_INTERNAL_CLOCK", LATER);
    said(&other.run(&region), &["removed aws image"]);
    assert_eq!(place.left(), "");
    let gone = place.at(LATER, &["gc"]);
    assert_eq!(gone.code, 0, "{}", gone.text());
    assert!(!place.is_known());
}

#[test]
fn neither_cache_prune_nor_gc_takes_what_a_run_at_work_may_be_starting_from() {
    let place = Place::new();
    let state = place.state();
    let at_work = "1cd0b1b1-0000-4be4-ae16-aa0a128d4e2f";
    wait(state.begin(&run(at_work, "build.amazon-ebs.web"))).unwrap();
    said(&place.test.run(&["cache", "ls"]), &["in use"]);
    let named = [
        "gc",
        "--cloud",
        "aws",
        "--region",
        "us-east-1",
        "--run",
        MAKER,
    ];
    for arguments in [&["cache", "prune", "-all"][..], &["gc"], &named] {
        let kept = place.at(LATER, arguments);
        assert_eq!(kept.code, 0, "{}", kept.text());
        assert_eq!(place.left(), BOTH, "{}", kept.text());
    }
    let why = "a run that is at work may be starting from it";
    said(&place.at(LATER, &named), &["left aws image", why]);
    wait(state.end(at_work, RunStatus::Succeeded, NOW)).unwrap();
    let gone = place.test.run(&["cache", "prune", "-all"]);
    assert_eq!(gone.code, 0, "{}", gone.text());
    assert_eq!(place.left(), "");
}

/// A run makes room when it has ended, without a cache directory as well.
#[test]
fn an_expired_image_leaves_the_cache_after_the_next_run() {
    let place = Place::new();
    let template = r#"
source "file" "note" {
  content = "made\n"
  target  = "note.txt"
}
build {
  sources = ["source.file.note"]
}
"#;
    place.test.write("main.pkr.hcl", template);
    let built = place.test.run(&["build", "."]);
    assert_eq!(built.code, 0, "{}", built.text());
    assert_eq!(place.left(), BOTH, "{}", built.text());
    let built = place.at(LATER, &["build", "-force", "."]);
    assert_eq!(built.code, 0, "{}", built.text());
    let note = format!(
        "has expired and is removed: {STEP}: aws image {}",
        place.image
    );
    said(&built, &[&note]);
    assert_eq!(place.left(), "");
    assert!(!place.is_known());
}
