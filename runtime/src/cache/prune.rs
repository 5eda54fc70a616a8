//! What is in the cache, and making room in it.
//!
//! In: the state's checkpoints and the directories on the shelves. Out: entries with sizes, and what was removed. Safe while
//! builds run: what a live build uses is never touched, and a checkpoint is forgotten before its parts go. What a run that
//! has ended is recorded to have left, as with `-on-error=abort`, stays with all it needs; collecting garbage removes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Cache, User, user};
use crate::error::{Class, Error, Result};
use crate::ledger::Resource;
use crate::settings::Remover;
use crate::state::{CheckpointRecord, Moment, Owner, RunStatus, State};

/// A file in a part with an object whose `bytes` says how much room the part takes: its files may belong to users whose
/// directories cannot be looked into.
pub const MANIFEST: &str = "part.json";
/// Begins the names of parts that are on their way out.
const DOOMED: &str = ".gone-";

/// A builder's name and that of a part.
type PartName = (String, String);

/// A checkpoint with what it takes.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The checkpoint.
    pub record: CheckpointRecord,
    /// Bytes of all its parts.
    pub bytes: u64,
    /// Bytes of the parts that no other checkpoint has.
    pub own_bytes: u64,
    /// Whether a build at work uses a part of it.
    pub in_use: bool,
    /// Whether all its parts are there.
    pub whole: bool,
}

/// What is in the cache.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The checkpoints, the one used longest ago first.
    pub entries: Vec<Entry>,
    /// Bytes of all parts, each counted once.
    pub bytes: u64,
    /// Bytes of directories that no checkpoint and no build at work has.
    pub orphaned_bytes: u64,
}

/// What may stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Nothing.
    pub nothing: bool,
    /// So many bytes, those used last.
    pub bytes: Option<u64>,
    /// What was used at this moment or later.
    pub since: Option<Moment>,
}

/// What was removed, or would be.
#[derive(Clone, Debug, Default)]
pub struct Pruned {
    /// The checkpoints, by build and step.
    pub entries: Vec<CheckpointRecord>,
    /// Bytes of the directories.
    pub bytes: u64,
    /// Directories, orphaned ones included.
    pub parts: usize,
    /// What could not be removed, with the reason.
    pub left: Vec<String>,
    /// Bytes that stay.
    pub kept_bytes: u64,
}

/// Everything there is, as of one moment.
struct Stock {
    /// Directories on the shelves with their bytes.
    parts: BTreeMap<PartName, u64>,
    used: BTreeSet<PartName>,
    checkpoints: Vec<CheckpointRecord>,
}

impl Stock {
    /// Directories first, then uses, then checkpoints: a part that is made or handed on meanwhile is seen in one of them.
    async fn take(cache: &Cache, state: &dyn State) -> Result<Self> {
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
        checkpoints.retain(|record| !record.checkpoint.parts.is_empty());
        Ok(Self {
            parts,
            used,
            checkpoints,
        })
    }

    fn bytes<'a>(&self, names: impl IntoIterator<Item = &'a PartName>) -> u64 {
        let sizes = names.into_iter().filter_map(|name| self.parts.get(name));
        sizes.sum()
    }

    fn is_used(&self, record: &CheckpointRecord) -> bool {
        names(record).any(|name| self.used.contains(&name))
    }

    fn is_whole(&self, record: &CheckpointRecord) -> bool {
        names(record).all(|name| self.parts.contains_key(&name))
    }

    /// The checkpoints in the order in which they go: what was used longest ago first, where the use of a checkpoint
    /// counts for those below it as well; of equals that with the most parts, since the others hold nothing back.
    fn order(&self) -> Vec<(Moment, &CheckpointRecord)> {
        let used = |record: &CheckpointRecord| {
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

    /// Which checkpoints go.
    fn choose(&self, limits: Limits) -> Vec<&CheckpointRecord> {
        let mut holders: BTreeMap<PartName, usize> = BTreeMap::new();
        for name in self.checkpoints.iter().flat_map(names) {
            *holders.entry(name).or_default() += 1;
        }
        let mut room = self.bytes(holders.keys());
        let order = self.order();
        let mut chosen = Vec::new();
        for (used, record) in order {
            let too_large = limits.bytes.is_some_and(|bytes| room > bytes);
            let too_old = limits.since.is_some_and(|since| used < since);
            let goes = !self.is_whole(record) || limits.nothing || too_large || too_old;
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

/// The parts of a checkpoint.
fn names(record: &CheckpointRecord) -> impl Iterator<Item = PartName> {
    let parts = record.checkpoint.parts.iter();
    parts.map(|part| (record.builder.clone(), part.clone()))
}

/// Looks at the cache; removes nothing.
pub async fn list(cache: &Cache, state: &dyn State) -> Result<Inventory> {
    let stock = Stock::take(cache, state).await?;
    let mut holders: BTreeMap<PartName, usize> = BTreeMap::new();
    for name in stock.checkpoints.iter().flat_map(names) {
        *holders.entry(name).or_default() += 1;
    }
    let entries = stock.checkpoints.iter().map(|record| {
        let all: Vec<PartName> = names(record).collect();
        Entry {
            bytes: stock.bytes(&all),
            own_bytes: stock.bytes(all.iter().filter(|name| holders[*name] == 1)),
            in_use: stock.is_used(record),
            whole: stock.is_whole(record),
            record: record.clone(),
        }
    });
    let orphans = stock
        .parts
        .keys()
        .filter(|name| !holders.contains_key(*name) && !stock.used.contains(*name));
    Ok(Inventory {
        entries: entries.collect(),
        bytes: stock.bytes(stock.parts.keys()),
        orphaned_bytes: stock.bytes(orphans),
    })
}

/// Removes what is beyond the limits, what is damaged and what belongs to nobody; with `dry_run` only says what.
pub async fn prune(
    cache: &Cache,
    state: &dyn State,
    limits: Limits,
    removers: &[Arc<dyn Remover>],
    dry_run: bool,
) -> Result<Pruned> {
    let mut pruned = Pruned::default();
    if !cache.root().is_dir() {
        return Ok(pruned);
    }
    let doomed = {
        let lock = cache
            .lock_file()
            .and_then(|file| file.lock().map(|()| file))
            .map_err(|error| unreadable(cache, error))?;
        let stock = Stock::take(cache, state).await?;
        let chosen = stock.choose(limits);
        let gone: BTreeSet<&str> = chosen
            .iter()
            .map(|record| record.fingerprint.as_str())
            .collect();
        let stays: BTreeSet<PartName> = stock
            .checkpoints
            .iter()
            .filter(|record| !gone.contains(record.fingerprint.as_str()))
            .flat_map(names)
            .chain(stock.used.iter().cloned())
            .collect();
        let doomed: Vec<PartName> = stock
            .parts
            .keys()
            .filter(|name| !stays.contains(*name))
            .cloned()
            .collect();
        pruned.bytes = stock.bytes(&doomed);
        pruned.kept_bytes = stock.bytes(stays.iter());
        pruned.parts = doomed.len();
        pruned.entries = chosen.into_iter().cloned().collect();
        if dry_run {
            return Ok(pruned);
        }
        for record in &pruned.entries {
            state.forget_checkpoint(&record.fingerprint).await?;
        }
        // Renamed while nobody can take them up; removing takes its time.
        let doomed: Vec<PathBuf> = doomed
            .iter()
            .map(|(builder, part)| {
                let path = cache.root().join(builder).join(part);
                let away = cache.root().join(builder).join(format!("{DOOMED}{part}"));
                if part.starts_with(DOOMED) || fs::rename(&path, &away).is_err() {
                    path
                } else {
                    away
                }
            })
            .collect();
        drop(lock);
        doomed
    };
    for path in doomed {
        if let Err(error) = remove(&path, removers).await {
            pruned
                .left
                .push(format!("{}: {}", path.display(), error.chain()));
        }
    }
    Ok(pruned)
}

async fn remove(path: &Path, removers: &[Arc<dyn Remover>]) -> Result<()> {
    // Quick where all files are this user's own.
    let (own, plain) = (path.to_owned(), nix::unistd::geteuid().is_root());
    if plain {
        return crate::files::blocking(move || gone(&own)).await;
    }
    let resource = Resource::MappedDirectory { path: own.clone() };
    for remover in removers {
        if let Some(result) = remover.remove(&resource).await {
            return result;
        }
    }
    gone(&own)
}

/// Removes a directory. Somebody else may be at it as well: what is gone is no failure.
fn gone(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if path.exists() => {
            Err(crate::files::failure("run/cache", "remove", path, error))
        }
        _ => Ok(()),
    }
}

/// The directories in a directory, by name; none where there is no such directory.
fn directories(directory: &Path) -> io::Result<Vec<(String, PathBuf)>> {
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

fn unreadable(cache: &Cache, error: io::Error) -> Error {
    Error::new(
        Class::Environment,
        "run/cache",
        format!("cannot look into the cache {}", cache.root().display()),
    )
    .help("see whose it is: a cache belongs to the user who made it")
    .because(error)
}

#[cfg(test)]
mod tests;
