//! Everything there is in the cache, as of one moment, and which checkpoints go when room is made.
//!
//! In: the directories on the shelves, what builds at work use, the state's checkpoints. Out: a [`Stock`]; it changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::prune::{Limits, MANIFEST};
use super::{Cache, User, things, user};
use crate::error::{Class, Error, Result};
use crate::ledger::Resource;
use crate::state::{CheckpointRecord, Moment, Owner, RunStatus, State};

/// A builder's name and that of a part.
pub(super) type PartName = (String, String);

/// Everything there is, as of one moment.
pub(super) struct Stock {
    /// Directories on the shelves with their bytes.
    pub(super) parts: BTreeMap<PartName, u64>,
    /// Those that builds at work use, or that were left on purpose.
    pub(super) used: BTreeSet<PartName>,
    /// The checkpoints that consist of anything, the one used longest ago first.
    pub(super) checkpoints: Vec<CheckpointRecord>,
    /// The fingerprints of those with things that a run at work may be starting from.
    at_work: BTreeSet<String>,
}

impl Stock {
    /// Directories first, then uses, then checkpoints: a part that is made or handed on meanwhile is seen in one of them.
    pub(super) async fn take(cache: &Cache, state: &dyn State) -> Result<Self> {
        let mut parts = BTreeMap::new();
        let shelves = directories(cache.root()).map_err(|error| unreadable(cache, error))?;
        for (builder, shelf) in &shelves {
            for (part, path) in directories(shelf).map_err(|error| unreadable(cache, error))? {
                parts.insert((builder.clone(), part), size(&path));
            }
        }
        let left = left(state).await?;
        let mut used = BTreeSet::new();
        for name in parts.keys() {
            let path = cache.root().join(&name.0).join(&name.1);
            let is_left = !left.is_empty() && left.contains(&real(&path));
            let needs = match user(&path).map_err(|error| unreadable(cache, error))? {
                User::Live(names) => names,
                User::Dead(names) if is_left => names,
                User::None if is_left => Vec::new(),
                User::None | User::Dead(_) => continue,
            };
            used.insert(name.clone());
            used.extend(needs.into_iter().map(|part| (name.0.clone(), part)));
        }
        let mut checkpoints = state.checkpoints().await?;
        // A machine that lives on is none of the cache's.
        checkpoints.retain(|record| has_parts(record) || things::has_any(record));
        let at_work = things::in_use(state, &checkpoints, None).await?;
        Ok(Self {
            parts,
            used,
            checkpoints,
            at_work,
        })
    }

    /// Bytes of these parts, as far as they are there.
    pub(super) fn bytes<'a>(&self, names: impl IntoIterator<Item = &'a PartName>) -> u64 {
        let sizes = names.into_iter().filter_map(|name| self.parts.get(name));
        sizes.sum()
    }

    /// Whether a build at work uses a part of it, or may be starting from its things.
    pub(super) fn is_used(&self, record: &CheckpointRecord) -> bool {
        names(record).any(|name| self.used.contains(&name))
            || self.at_work.contains(&record.fingerprint)
    }

    /// Whether all its parts are there.
    pub(super) fn is_whole(&self, record: &CheckpointRecord) -> bool {
        names(record).all(|name| self.parts.contains_key(&name))
    }

    /// The checkpoints in the order in which they go: what was used longest ago first, where the use of a checkpoint
    /// counts for those below it as well; of equals that with the most parts, since the others hold nothing back.
    fn order(&self) -> Vec<(Moment, &CheckpointRecord)> {
        let used = |record: &CheckpointRecord| {
            // Nothing stands on one without parts.
            if !has_parts(record) {
                return record.used;
            }
            let above = self.checkpoints.iter().filter(|other| {
                other.builder == record.builder
                    && other.checkpoint.parts.starts_with(&record.checkpoint.parts)
            });
            above.map(|other| other.used).max().unwrap_or(record.used)
        };
        let mut order: Vec<_> = self
            .checkpoints
            .iter()
            .map(|record| {
                let parts = record.checkpoint.parts.len();
                (used(record), std::cmp::Reverse(parts), record)
            })
            .collect();
        order.sort_by_key(|(used, parts, _)| (*used, *parts));
        let plain = order.into_iter().map(|(used, _, record)| (used, record));
        plain.collect()
    }

    /// Which checkpoints go. One without parts takes no room: making room lets it be.
    pub(super) fn choose(&self, limits: Limits) -> Vec<&CheckpointRecord> {
        let mut holders: BTreeMap<PartName, usize> = BTreeMap::new();
        for name in self.checkpoints.iter().flat_map(names) {
            *holders.entry(name).or_default() += 1;
        }
        let mut room = self.bytes(holders.keys());
        let order = self.order();
        let mut chosen = Vec::new();
        for (used, record) in order {
            let too_large = has_parts(record) && limits.bytes.is_some_and(|bytes| room > bytes);
            let too_old = limits.since.is_some_and(|since| used < since);
            let counts = self.is_whole(record) && record.checkpoint.is_valid(limits.now);
            let goes = !counts || limits.nothing || too_large || too_old;
            if !goes || self.is_used(record) {
                continue;
            }
            for name in names(record) {
                if let Some(count) = holders.get_mut(&name) {
                    *count -= 1;
                    if *count == 0 {
                        room = room.saturating_sub(self.bytes([&name]));
                    }
                }
            }
            chosen.push(record);
        }
        chosen
    }
}

/// Directories that are recorded for runs that came to their end: those were left on purpose, or said to be there.
async fn left(state: &dyn State) -> Result<BTreeSet<PathBuf>> {
    let resources = state.resources(Owner::All).await?;
    if resources.is_empty() {
        return Ok(BTreeSet::new());
    }
    let runs = state.runs(None).await?;
    let ended = runs.iter().filter(|run| {
        matches!(
            run.status,
            RunStatus::Succeeded | RunStatus::Failed | RunStatus::Cancelled
        )
    });
    let ended: BTreeSet<&str> = ended.map(|run| run.new.id.as_str()).collect();
    let own = resources
        .iter()
        .filter(|owned| ended.contains(owned.run.as_str()));
    let directories = own.filter_map(|owned| match &owned.record.resource {
        Resource::Directory { path } | Resource::MappedDirectory { path } => Some(real(path)),
        _ => None,
    });
    Ok(directories.collect())
}

/// The path without links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn has_parts(record: &CheckpointRecord) -> bool {
    !record.checkpoint.parts.is_empty()
}

/// The parts of a checkpoint.
pub(super) fn names(record: &CheckpointRecord) -> impl Iterator<Item = PartName> {
    let parts = record.checkpoint.parts.iter();
    parts.map(|part| (record.builder.clone(), part.clone()))
}

/// The directories in a directory, by name; none where there is no such directory.
pub(super) fn directories(directory: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push((
                entry.file_name().to_string_lossy().into_owned(),
                entry.path(),
            ));
        }
    }
    found.sort();
    Ok(found)
}

/// Bytes of a part: as its manifest says, else what can be seen of it.
fn size(path: &Path) -> u64 {
    let manifest = fs::read(path.join(MANIFEST)).ok();
    let said = manifest
        .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok())
        .and_then(|manifest| manifest["bytes"].as_u64());
    said.unwrap_or_else(|| seen(path))
}

fn seen(path: &Path) -> u64 {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => metadata.blocks() * 512 + seen(&entry.path()),
            Ok(metadata) => metadata.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

pub(super) fn unreadable(cache: &Cache, error: io::Error) -> Error {
    Error::new(
        Class::Environment,
        "run/cache",
        format!("cannot look into the cache {}", cache.root().display()),
    )
    .help("see whose it is: a cache belongs to the user who made it")
    .because(error)
}
