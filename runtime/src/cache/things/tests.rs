#![allow(clippy::unwrap_used)]
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::json;

use super::*;
use crate::cache::Cache;
use crate::cache::prune::{Limits, Pruned, list, prune};
use crate::checkpoint::{Capability, Checkpoint};
use crate::error::Class;
use crate::state::{Memory, Moment, NewRun};

/// A provider that counts what it is asked to remove, refuses some of it, and may be asked twice.
#[derive(Default)]
struct Provider {
    asked: Mutex<Vec<String>>,
    there: Mutex<BTreeSet<String>>,
    refused: Mutex<BTreeSet<String>>,
}

#[async_trait]
impl Remover for Provider {
    async fn remove(&self, resource: &Resource) -> Option<Result<()>> {
        let Resource::Cloud(thing) = resource else {
            return None;
        };
        let id = thing.id.clone().unwrap();
        self.asked.lock().unwrap().push(id.clone());
        if self.refused.lock().unwrap().contains(&id) {
            let refused = Error::new(Class::Remote, "run/leftovers", "it is denied");
            return Some(Err(refused.help("ask for the right")));
        }
        self.there.lock().unwrap().remove(&id);
        Some(Ok(()))
    }
}

struct Bed {
    directory: tempfile::TempDir,
    state: Memory,
    provider: Arc<Provider>,
}

impl Bed {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            state: Memory::new(),
            provider: Arc::default(),
        }
    }

    fn cache(&self) -> Cache {
        Cache::new(self.directory.path().join("cache"))
    }

    fn removers(&self) -> Vec<Arc<dyn Remover>> {
        vec![self.provider.clone()]
    }

    /// An image with a snapshot.
    async fn image(&self, name: &str, used: Moment, expires: Moment) -> CheckpointRecord {
        let things = ["image", "snapshot"].map(|kind| {
            let id = format!("{kind}-{name}");
            self.provider.there.lock().unwrap().insert(id.clone());
            CloudResource {
                provider: "aws".into(),
                kind: kind.into(),
                place: "us-east-1".into(),
                name: format!("imgc-{name}"),
                id: Some(id),
                reach: Default::default(),
                asked: None,
            }
        });
        let record = CheckpointRecord {
            fingerprint: name.into(),
            build: format!("build.{name}"),
            step: format!("build.{name}.provisioner[0]"),
            builder: "amazon-ebs".into(),
            run: "maker".into(),
            made: used,
            used,
            checkpoint: Checkpoint {
                capability: Capability::Image,
                version: 1,
                data: json!({}),
                parts: Vec::new(),
                things: things.into(),
                expires: Some(expires),
            },
        };
        self.state.checkpoint(&record).await.unwrap();
        record
    }

    async fn begin(&self, id: &str, builds: &[&str], started: Moment) {
        let run = NewRun {
            id: id.into(),
            command: "apply".into(),
            template: "/t".into(),
            only: Vec::new(),
            except: Vec::new(),
            var_files: Vec::new(),
            vars: Vec::new(),
            clock: (0, 0),
            seed: String::new(),
            started,
            expires: 0,
            logs: None,
            scratch: "/tmp".into(),
            program: String::new(),
            process: 1,
            host: String::new(),
            resumes: None,
            builds: builds.iter().map(|build| (*build).to_owned()).collect(),
        };
        self.state.begin(&run).await.unwrap();
    }

    async fn prune(&self, limits: Limits, dry_run: bool) -> Pruned {
        let removers = self.removers();
        prune(&self.cache(), &self.state, limits, &removers, dry_run)
            .await
            .unwrap()
    }

    async fn known(&self) -> String {
        let known = self.state.checkpoints().await.unwrap();
        let known: Vec<String> = known.into_iter().map(|one| one.fingerprint).collect();
        known.join(" ")
    }

    fn there(&self) -> usize {
        self.provider.there.lock().unwrap().len()
    }

    fn asked(&self) -> String {
        let asked = std::mem::take(&mut *self.provider.asked.lock().unwrap());
        asked.join(" ")
    }
}

fn fingerprints(pruned: &Pruned) -> String {
    let entries = pruned.entries.iter();
    let entries: Vec<&str> = entries.map(|entry| entry.fingerprint.as_str()).collect();
    entries.join(" ")
}

const ALL: Limits = Limits {
    nothing: true,
    bytes: None,
    since: None,
    now: 0,
};

#[tokio::test]
async fn without_a_cache_directory_images_are_listed_and_what_has_expired_goes() {
    let bed = Bed::new();
    bed.image("old", 10, 100).await;
    bed.image("new", 20, 200).await;
    let inventory = list(&bed.cache(), &bed.state).await.unwrap();
    assert_eq!(inventory.entries.len(), 2);
    for entry in &inventory.entries {
        assert_eq!((entry.bytes, entry.own_bytes), (0, 0));
        assert!(entry.whole && !entry.in_use);
    }
    // However little room there is.
    let after_run = Limits {
        bytes: Some(0),
        now: 100,
        ..Limits::default()
    };
    let dry = bed.prune(after_run, true).await;
    assert_eq!((fingerprints(&dry).as_str(), bed.there()), ("old", 4));
    assert_eq!(bed.known().await, "old new");
    let pruned = bed.prune(after_run, false).await;
    assert_eq!((fingerprints(&pruned).as_str(), bed.there()), ("old", 2));
    assert_eq!(bed.asked(), "image-old snapshot-old", "its user goes first");
    assert_eq!(bed.known().await, "new");
    assert!(!bed.cache().root().exists(), "nothing was made");
}

#[tokio::test]
async fn age_and_everything_take_images_too() {
    let bed = Bed::new();
    for (name, used) in [("a", 10), ("b", 20), ("c", 30)] {
        bed.image(name, used, 1000).await;
    }
    let since = Limits {
        since: Some(20),
        ..Limits::default()
    };
    // One does not stand on the other, as layers do.
    assert_eq!(fingerprints(&bed.prune(since, false).await), "a");
    assert_eq!(fingerprints(&bed.prune(ALL, false).await), "b c");
    assert_eq!((bed.known().await.as_str(), bed.there()), ("", 0));
}

#[tokio::test]
async fn what_cannot_be_removed_is_said_and_stays_on_record() {
    let bed = Bed::new();
    bed.image("a", 10, 1000).await;
    bed.image("b", 20, 1000).await;
    let snapshot = "snapshot-a".to_owned();
    bed.provider.refused.lock().unwrap().insert(snapshot);
    let pruned = bed.prune(ALL, false).await;
    assert_eq!(fingerprints(&pruned), "b");
    assert_eq!(
        pruned.left,
        [
            "build.a.provisioner[0]: cannot remove aws snapshot snapshot-a (us-east-1): it is denied; ask for the right"
        ]
    );
    assert_eq!((bed.known().await.as_str(), bed.there()), ("a", 1));
    // The image has gone by now, which is no failure.
    bed.provider.refused.lock().unwrap().clear();
    bed.asked();
    let pruned = bed.prune(ALL, false).await;
    assert_eq!((fingerprints(&pruned).as_str(), bed.there()), ("a", 0));
    assert_eq!(bed.asked(), "image-a snapshot-a");
    assert_eq!(bed.known().await, "");
}

#[tokio::test]
async fn where_nobody_can_remove_things_they_stay_on_record() {
    let bed = Bed::new();
    let record = bed.image("a", 10, 1000).await;
    let error = let_go(&bed.state, &[], &record).await.unwrap_err();
    assert!(
        error
            .chain()
            .starts_with("cannot remove aws image image-a (us-east-1): this version of imgc"),
        "{}",
        error.chain()
    );
    assert_eq!(bed.known().await, "a");
}

#[tokio::test]
async fn what_a_run_at_work_may_be_starting_from_stays_even_when_it_has_expired() {
    let bed = Bed::new();
    for name in ["planned", "used", "idle"] {
        bed.image(name, 10_000, 20_000).await;
    }
    bed.begin("one", &["build.planned"], 50_000).await;
    // In the second in which the run began: the moment may be known to the second only.
    bed.state.use_checkpoint("used", 60_000).await.unwrap();
    bed.begin("two", &["build.other"], 60_400).await;
    let inventory = list(&bed.cache(), &bed.state).await.unwrap();
    let used: Vec<(&str, bool)> = inventory
        .entries
        .iter()
        .map(|entry| (entry.record.fingerprint.as_str(), entry.in_use))
        .collect();
    assert_eq!(used, [("planned", true), ("idle", false), ("used", true)]);
    let expired = Limits { now: 70_000, ..ALL };
    assert_eq!(fingerprints(&bed.prune(expired, false).await), "idle");
    for run in ["one", "two"] {
        let status = RunStatus::Succeeded;
        bed.state.end(run, status, 80_000).await.unwrap();
    }
    let pruned = bed.prune(expired, false).await;
    assert_eq!(fingerprints(&pruned), "planned used");
    assert_eq!(bed.there(), 0);
}

#[tokio::test]
async fn one_that_was_made_anew_meanwhile_is_not_forgotten() {
    let bed = Bed::new();
    let old = bed.image("a", 10, 1000).await;
    let mut new = old.clone();
    for thing in &mut new.checkpoint.things {
        thing.id = thing.id.as_ref().map(|id| format!("{id}-2"));
    }
    bed.state.checkpoint(&new).await.unwrap();
    let_go(&bed.state, &bed.removers(), &old).await.unwrap();
    assert_eq!(bed.asked(), "image-a snapshot-a");
    assert_eq!(bed.state.checkpoints().await.unwrap(), [new]);
}

#[tokio::test]
async fn parts_of_one_with_things_wait_for_these() {
    let bed = Bed::new();
    let mut record = bed.image("a", 10, 1000).await;
    let part = bed.cache().shelf("amazon-ebs").unwrap().join("part");
    std::fs::create_dir(&part).unwrap();
    record.checkpoint.parts = vec!["part".into()];
    bed.state.checkpoint(&record).await.unwrap();
    let image = "image-a".to_owned();
    bed.provider.refused.lock().unwrap().insert(image);
    let pruned = bed.prune(ALL, false).await;
    assert_eq!((pruned.entries.len(), pruned.left.len()), (0, 1));
    assert!(part.exists());
    bed.provider.refused.lock().unwrap().clear();
    assert_eq!(fingerprints(&bed.prune(ALL, false).await), "a");
    bed.prune(ALL, false).await;
    assert!(!part.exists());
}
