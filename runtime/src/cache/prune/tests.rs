#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::*;
use crate::cache::Use;
use crate::cache::stock::directories;
use crate::checkpoint::{Capability, Checkpoint};
use crate::state::Memory;

/// A cache in a temporary directory with parts of a kilobyte.
struct Bed {
    directory: tempfile::TempDir,
    cache: Cache,
    state: Memory,
}

impl Bed {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path().join("cache"));
        Self {
            directory,
            cache,
            state: Memory::new(),
        }
    }

    fn part(&self, name: &str) {
        let path = self.cache.shelf("rootfs").unwrap().join(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join(MANIFEST), json!({"bytes": 1000}).to_string()).unwrap();
    }

    async fn checkpoint(&self, fingerprint: &str, used: Moment, parts: &[&str]) {
        let record = CheckpointRecord {
            fingerprint: fingerprint.to_owned(),
            build: "rootfs.a".to_owned(),
            step: format!("build.rootfs.a.{fingerprint}"),
            builder: "rootfs".to_owned(),
            run: "r".to_owned(),
            made: 0,
            used,
            checkpoint: Checkpoint {
                capability: Capability::Layer,
                version: 1,
                data: serde_json::Value::Null,
                parts: parts.iter().map(|part| (*part).to_owned()).collect(),
                things: Vec::new(),
                expires: None,
            },
        };
        self.state.checkpoint(&record).await.unwrap();
    }

    async fn prune(&self, limits: Limits, dry_run: bool) -> String {
        let pruned = prune(&self.cache, &self.state, limits, &[], dry_run)
            .await
            .unwrap();
        assert_eq!(pruned.left, Vec::<String>::new());
        let entries: Vec<&str> = pruned
            .entries
            .iter()
            .map(|record| record.fingerprint.as_str())
            .collect();
        format!("{} {}", entries.join(" "), pruned.bytes)
    }

    fn there(&self) -> String {
        let shelf = self.cache.root().join("rootfs");
        let names: Vec<String> = directories(&shelf)
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        names.join(" ")
    }
}

async fn two_branches() -> Bed {
    let bed = Bed::new();
    for part in ["base", "one", "two", "other"] {
        bed.part(part);
    }
    bed.checkpoint("launch", 10, &["base"]).await;
    bed.checkpoint("first", 11, &["base", "one"]).await;
    bed.checkpoint("second", 30, &["base", "one", "two"]).await;
    bed.checkpoint("branch", 20, &["base", "other"]).await;
    bed
}

fn limit(bytes: u64) -> Limits {
    Limits {
        bytes: Some(bytes),
        ..Limits::default()
    }
}

#[tokio::test]
async fn what_was_used_longest_ago_goes_first_and_shared_parts_count_once() {
    let bed = two_branches().await;
    let inventory = list(&bed.cache, &bed.state).await.unwrap();
    assert_eq!(inventory.bytes, 4000);
    let sizes: Vec<(u64, u64)> = inventory
        .entries
        .iter()
        .map(|entry| (entry.bytes, entry.own_bytes))
        .collect();
    assert_eq!(
        sizes,
        [(1000, 0), (2000, 0), (2000, 1000), (3000, 1000)],
        "{:?}",
        inventory.entries
    );
    assert_eq!(bed.prune(limit(4000), false).await, " 0");
    assert_eq!(bed.prune(limit(3500), true).await, "branch 1000");
    assert_eq!(bed.there(), "base one other two", "a dry run");
    assert_eq!(bed.prune(limit(3500), false).await, "branch 1000");
    assert_eq!(bed.there(), "base one two");
    assert_eq!(bed.prune(limit(2500), false).await, "second 1000");
    assert_eq!(bed.there(), "base one");
}

#[tokio::test]
async fn age_counts_and_nothing_leaves_nothing() {
    let bed = two_branches().await;
    let since = Limits {
        since: Some(25),
        ..Limits::default()
    };
    assert_eq!(bed.prune(since, false).await, "branch 1000");
    assert_eq!(bed.there(), "base one two");
    let nothing = Limits {
        nothing: true,
        ..Limits::default()
    };
    assert_eq!(bed.prune(nothing, false).await, "second first launch 3000");
    assert_eq!(bed.there(), "");
    assert!(bed.state.checkpoints().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_live_build_uses_is_never_touched_and_what_nobody_has_goes() {
    let bed = two_branches().await;
    let shelf = bed.cache.shelf("rootfs").unwrap();
    let entered = bed.cache.enter().unwrap();
    let at_work = shelf.join("rootfs-1");
    fs::create_dir(&at_work).unwrap();
    let r#use = Use::begin(&at_work, &entered).unwrap();
    for part in ["base", "other", "new"] {
        r#use.add(part).unwrap();
    }
    drop(entered);
    bed.part("new");
    bed.part("orphan");
    let nothing = Limits {
        nothing: true,
        ..Limits::default()
    };
    // `branch` is in use as a whole, the others by their base.
    assert_eq!(bed.prune(nothing, false).await, " 1000");
    assert_eq!(bed.there(), "base new one other rootfs-1 two");
    drop(r#use);
    assert!(bed.prune(nothing, false).await.starts_with("branch"));
    assert_eq!(bed.there(), "");
    drop(bed.directory);
}

#[tokio::test]
async fn a_checkpoint_with_a_missing_part_is_forgotten() {
    let bed = two_branches().await;
    fs::remove_dir_all(bed.cache.root().join("rootfs/one")).unwrap();
    assert_eq!(
        bed.prune(Limits::default(), false).await,
        "second first 1000"
    );
    assert_eq!(bed.there(), "base other");
}
