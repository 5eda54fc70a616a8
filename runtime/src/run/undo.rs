//! Removes what the ledger still records.

use std::path::PathBuf;

use crate::artifact::Artifact;
use crate::error::{Error, Result};
use crate::event::Output;
use crate::files;
use crate::ledger::{Ledger, Record, Resource};
use crate::process;

use super::Run;

/// Removes what is recorded for `owner` and below it, newest first, except what belongs to an artifact. Goes on past
/// failures: they are said, and their records stay.
pub(super) async fn sweep(run: &Run, output: &Output, owner: &str, kept: &[&Artifact]) {
    for record in run.ledger.outstanding(owner) {
        if let Some(path) = path(&record.resource)
            && kept.iter().any(|artifact| artifact.touches(path))
        {
            run.ledger.forget(record.id);
            continue;
        }
        match remove(run, &record).await {
            Ok(()) => run.ledger.forget(record.id),
            Err(error) => output.warn(format!(
                "cannot remove the {}: {}",
                record.resource.describe(),
                error.chain()
            )),
        }
    }
}

async fn remove(run: &Run, record: &Record) -> Result<()> {
    for remover in &run.settings.removers {
        if let Some(result) = remover.remove(&record.resource).await {
            return result;
        }
    }
    match &record.resource {
        Resource::File { path } => gone(tokio::fs::remove_file(path).await, path),
        Resource::Directory { path } | Resource::MappedDirectory { path } => {
            gone(tokio::fs::remove_dir_all(path).await, path)
        }
        // They end with what started them, or are somebody else's to remove.
        Resource::Processes { .. } | Resource::RemoteFile { .. } => Ok(()),
        Resource::Process { pid, started, .. } => {
            if process::end(*pid, *started).await {
                Ok(())
            } else {
                Err(Error::new(
                    crate::Class::Environment,
                    "run/leftovers",
                    "it does not end",
                ))
            }
        }
    }
}

fn gone(result: std::io::Result<()>, path: &std::path::Path) -> Result<()> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(files::failure("run/leftovers", "remove", path, error))
        }
        _ => Ok(()),
    }
}

/// Where a resource is, if it is a file or directory.
pub(super) fn path(resource: &Resource) -> Option<&PathBuf> {
    match resource {
        Resource::File { path }
        | Resource::Directory { path }
        | Resource::MappedDirectory { path } => Some(path),
        Resource::Process { .. } | Resource::Processes { .. } | Resource::RemoteFile { .. } => None,
    }
}

/// Ends every recorded process at once: what leaving without cleaning up still does. Takes a fifth of a second at most.
pub(super) fn kill_processes(ledger: &Ledger) {
    let running = || -> Vec<(u64, u32, u64)> {
        ledger
            .outstanding("")
            .into_iter()
            .filter_map(|record| match record.resource {
                Resource::Process { pid, started, .. } => Some((record.id, pid, started)),
                _ => None,
            })
            .collect()
    };
    for (_, pid, started) in running() {
        process::kill(pid, started);
    }
    for _ in 0..20 {
        for (id, pid, started) in running() {
            if !process::lives(pid, started) {
                ledger.forget(id);
            }
        }
        if running().is_empty() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Removes a small directory without waiting for anything.
pub(super) fn remove_now(path: PathBuf, ledger: &Ledger, record: u64) {
    if gone(std::fs::remove_dir_all(&path), &path).is_ok() {
        ledger.forget(record);
    }
}
