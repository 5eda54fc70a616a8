//! Removes what the ledger still records.

use std::path::PathBuf;

use crate::artifact::Artifact;
use crate::error::Result;
use crate::event::Output;
use crate::ledger::{Ledger, Record, Resource};
use crate::process;
use crate::remove::gone;

use super::Run;

/// Removes what is recorded for `owner` and below it, newest first, except what belongs to an artifact. Goes on past
/// failures: they are said, and their records stay.
pub(super) async fn sweep(run: &Run, output: &Output, owner: &str, kept: &[&Artifact]) {
    run.ledger.written().await;
    remove_all(run, output, run.ledger.outstanding(owner), kept).await;
}

/// The same for what an attempt at a step has made, while the machine is there still: what that makes by itself goes when it has
/// ended, with everything else of the build.
pub(super) async fn sweep_attempt(run: &Run, output: &Output, step: &str) {
    run.ledger.written().await;
    let mut records = run.ledger.outstanding(step);
    let removers = &run.settings.removers;
    records.retain(|record| {
        let mut removers = removers.iter();
        !removers.any(|remover| remover.is_made_by_machine(&record.resource))
    });
    remove_all(run, output, records, &[]).await;
}

async fn remove_all(run: &Run, output: &Output, records: Vec<Record>, kept: &[&Artifact]) {
    for record in records {
        // Whoever has put it on the machine removes it, and knows whether it is gone.
        if matches!(record.resource, Resource::RemoteFile { .. }) {
            continue;
        }
        if kept.iter().any(|artifact| artifact.owns(&record.resource)) {
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

/// Forgets what was put on a machine that is gone.
pub(super) fn gone_with_machine(run: &Run, owner: &str) {
    for record in run.ledger.outstanding(owner) {
        if matches!(record.resource, Resource::RemoteFile { .. }) {
            run.ledger.forget(record.id);
        }
    }
}

async fn remove(run: &Run, record: &Record) -> Result<()> {
    match &record.resource {
        // What the run has started ends with what started it; what a script leaves in the background on purpose stays.
        Resource::Processes { .. } => Ok(()),
        // Whatever was about to stand there does not.
        resource if crate::remove::is_finished(&*run.settings.state, resource).await? => Ok(()),
        resource => crate::remove::remove(&run.settings.removers, resource).await,
    }
}

/// Where a resource is, if it is a file or directory.
pub(crate) fn path(resource: &Resource) -> Option<&PathBuf> {
    match resource {
        Resource::File { path }
        | Resource::Directory { path }
        | Resource::MappedDirectory { path }
        | Resource::Placed { path, .. } => Some(path),
        Resource::Mounts { .. }
        | Resource::Process { .. }
        | Resource::Processes { .. }
        | Resource::RemoteFile { .. }
        | Resource::Cloud(_) => None,
    }
}

/// Ends every recorded process at once: what leaving without cleaning up still does. Takes a fifth of a second at most.
pub(super) fn kill_processes(ledger: &Ledger) {
    let running = || -> Vec<(u64, u32, u64, Option<String>)> {
        ledger
            .outstanding("")
            .into_iter()
            .filter_map(|record| match record.resource {
                Resource::Process {
                    pid, started, mark, ..
                } => Some((record.id, pid, started, mark)),
                _ => None,
            })
            .collect()
    };
    for (_, pid, started, _) in running() {
        process::kill(pid, started);
    }
    for _ in 0..20 {
        for (id, pid, started, mark) in running() {
            let others = mark.is_some_and(|mark| process::kill_marked(&mark));
            if !others && !process::lives(pid, started) {
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
