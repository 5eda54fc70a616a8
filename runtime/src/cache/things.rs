//! Checkpoints that consist of things at a provider: which of them a run may be starting from, and letting one go.
//!
//! In: the state's records, the only trace of those things on this machine, and removers. Out: the things are gone, and then
//! the record is; where something cannot be removed the record stays, so that whoever tries again knows of all of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;

use crate::error::{Error, Result};
use crate::ledger::{CloudResource, Resource};
use crate::remove;
use crate::settings::Remover;
use crate::state::{CheckpointRecord, Run, RunStatus, State};

/// Checkpoints that are let go at the same time.
const TOGETHER: usize = 8;
/// Milliseconds in a second: the moment of a checkpoint's making is known to the second.
const SECOND: i64 = 1000;

/// Removes what the checkpoint consists of at its provider, the first thing first, then forgets the record. What is gone
/// already is no failure.
///
/// # Errors
///
/// A thing that cannot be removed, by name and with what the provider says: nothing after it is removed, and the record
/// stays. A state that cannot be written.
pub async fn let_go(
    state: &dyn State,
    removers: &[Arc<dyn Remover>],
    record: &CheckpointRecord,
) -> Result<()> {
    for thing in &record.checkpoint.things {
        let removed = remove::remove(removers, &Resource::Cloud(thing.clone())).await;
        removed.map_err(|error| not_removed(thing, error))?;
    }
    // A run that has begun since may have made another one of the same step: its record is the only trace of that.
    let known = state.find_checkpoint(&record.fingerprint).await?;
    match known {
        Some(known) if known.checkpoint.things == record.checkpoint.things => {
            state.forget_checkpoint(&record.fingerprint).await
        }
        _ => Ok(()),
    }
}

/// Lets several go; gives for each, in their order, what came of it.
pub(super) async fn let_all_go(
    state: &dyn State,
    removers: &[Arc<dyn Remover>],
    records: &[CheckpointRecord],
) -> Vec<Result<()>> {
    let going = records.iter().map(|record| let_go(state, removers, record));
    stream::iter(going).buffered(TOGETHER).collect().await
}

/// Whether it consists of anything at a provider.
pub(super) fn has_any(record: &CheckpointRecord) -> bool {
    !record.checkpoint.things.is_empty()
}

/// The fingerprints of those of `records` that have things which a run at work may be starting from.
///
/// That is known only while the run lives, as the state says: it has the checkpoint's build among its own, or has made or
/// used the checkpoint since it began. So a clock that was moved, and a run that has chosen a checkpoint and not yet said
/// so, do no harm. One that begins a moment later may find the things gone; it then launches its machine anew.
///
/// `but`: the run that asks, which does not count.
///
/// # Errors
///
/// A state that cannot be read.
pub async fn in_use(
    state: &dyn State,
    records: &[CheckpointRecord],
    but: Option<&str>,
) -> Result<BTreeSet<String>> {
    let mut used = BTreeSet::new();
    if !records.iter().any(has_any) {
        return Ok(used);
    }
    for run in state.runs(None).await? {
        if but == Some(run.new.id.as_str()) {
            continue;
        }
        if run.status != RunStatus::Running || !state.is_live(&run.new.id).await? {
            continue;
        }
        let needed = records
            .iter()
            .filter(|record| has_any(record) && may_need(&run, record));
        used.extend(needed.map(|record| record.fingerprint.clone()));
    }
    Ok(used)
}

fn may_need(run: &Run, record: &CheckpointRecord) -> bool {
    run.new.builds.contains(&record.build)
        || run.new.id == record.run
        || run.new.started / SECOND <= record.used / SECOND
}

fn not_removed(thing: &CloudResource, error: Error) -> Error {
    let text = format!("cannot remove {}", thing.describe());
    let mut said = Error::new(error.class, error.id, text);
    said.help.clone_from(&error.help);
    said.because(error)
}

#[cfg(test)]
mod tests;
