//! What is in the cache, and making room in it.
//!
//! In: the state's checkpoints and the directories on the shelves. Out: entries with sizes, and what was removed. Safe while
//! builds run: what a live build uses is never touched, and a checkpoint is forgotten before its parts go. What a run that
//! has ended is recorded to have left, as with `-on-error=abort`, stays with all it needs; collecting garbage removes it.
//!
//! What a checkpoint consists of at a provider ([`things`]) goes before the checkpoint is forgotten: nobody would find it
//! again. A part that nobody has is found on its shelf.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::stock::{PartName, Stock, names, unreadable};
use super::{Cache, things};
use crate::error::Result;
use crate::ledger::Resource;
use crate::settings::Remover;
use crate::state::{CheckpointRecord, Moment, State};

/// A file in a part with an object whose `bytes` says how much room the part takes: its files may belong to users whose
/// directories cannot be looked into.
pub const MANIFEST: &str = "part.json";
/// Begins the names of parts that are on their way out.
const DOOMED: &str = ".gone-";

/// A checkpoint with what it takes.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The checkpoint.
    pub record: CheckpointRecord,
    /// Bytes of all its parts; how much its things at a provider take is not known here.
    pub bytes: u64,
    /// Bytes of the parts that no other checkpoint has.
    pub own_bytes: u64,
    /// Whether a build at work uses a part of it, or may be starting from its things.
    pub in_use: bool,
    /// Whether all its parts are there.
    pub whole: bool,
}

/// What is in the cache.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The checkpoints that have parts or things, the one used longest ago first.
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
    /// So many bytes, those used last. Things at a provider do not count.
    pub bytes: Option<u64>,
    /// What was used at this moment or later.
    pub since: Option<Moment>,
    /// What has expired by this moment does not, whatever the other limits.
    pub now: Moment,
}

/// What was removed, or would be.
#[derive(Clone, Debug, Default)]
pub struct Pruned {
    /// The checkpoints; what each had at a provider is gone.
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

/// Removes what is beyond the limits, what has expired, what is damaged and what belongs to nobody; with `dry_run` only says
/// what.
pub async fn prune(
    cache: &Cache,
    state: &dyn State,
    limits: Limits,
    removers: &[Arc<dyn Remover>],
    dry_run: bool,
) -> Result<Pruned> {
    let mut pruned = match cache.root().is_dir() {
        true => prune_parts(cache, state, limits, removers, dry_run).await?,
        false => Pruned::default(),
    };
    // Last, and while no lock is held: a provider may take its time.
    prune_things(cache, state, limits, removers, dry_run, &mut pruned).await?;
    Ok(pruned)
}

/// Makes room on the shelves.
async fn prune_parts(
    cache: &Cache,
    state: &dyn State,
    limits: Limits,
    removers: &[Arc<dyn Remover>],
    dry_run: bool,
) -> Result<Pruned> {
    let mut pruned = Pruned::default();
    let doomed = {
        let lock = cache
            .lock_file()
            .and_then(|file| file.lock().map(|()| file))
            .map_err(|error| unreadable(cache, error))?;
        let stock = Stock::take(cache, state).await?;
        let mut chosen = stock.choose(limits);
        // It stays whole until its things have gone: then its parts are nobody's, for the next one to remove.
        chosen.retain(|record| !things::has_any(record));
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

/// Lets those go that consist of things at a provider, whether or not there is a cache.
async fn prune_things(
    cache: &Cache,
    state: &dyn State,
    limits: Limits,
    removers: &[Arc<dyn Remover>],
    dry_run: bool,
    pruned: &mut Pruned,
) -> Result<()> {
    if !state.checkpoints().await?.iter().any(things::has_any) {
        return Ok(());
    }
    let stock = Stock::take(cache, state).await?;
    let mut going: Vec<CheckpointRecord> = stock.choose(limits).into_iter().cloned().collect();
    going.retain(things::has_any);
    if dry_run {
        pruned.entries.extend(going);
        return Ok(());
    }
    let results = things::let_all_go(state, removers, &going).await;
    for (record, result) in going.into_iter().zip(results) {
        match result {
            Ok(()) => pruned.entries.push(record),
            Err(error) => {
                let help = error.help.as_ref();
                let help = help.map_or_else(String::new, |help| format!("; {help}"));
                let why = format!("{}: {}{help}", record.step, error.chain());
                pruned.left.push(why);
            }
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests;
