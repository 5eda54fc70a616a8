//! Checkpoints that consist of things at a provider: what of them is kept though its run is over, and letting go what has
//! expired.
//!
//! In: the state's records. Out: the things nobody may take, and [`Found`] for what has gone.

use std::sync::Arc;

use imgc_runtime::Result;
use imgc_runtime::cache::things;
use imgc_runtime::ledger::{CloudResource, Resource};
use imgc_runtime::state::{CheckpointRecord, State as _};
use imgc_state::Sqlite;

use crate::state;

use super::{Fate, Found, Gc};

/// The checkpoints in the state that consist of things.
pub(super) struct Standing {
    /// Those that count still.
    pub(super) valid: Vec<CheckpointRecord>,
    /// Those that have expired.
    pub(super) expired: Vec<CheckpointRecord>,
    /// Of both, what a run at work here may be starting from.
    pub(super) in_use: Vec<CloudResource>,
}

impl Standing {
    /// As the state has it now.
    pub(super) async fn look(state: &Arc<Sqlite>) -> Result<Self> {
        let mut records = state.checkpoints().await?;
        records.retain(|record| !record.checkpoint.things.is_empty());
        let at_work = things::in_use(&**state, &records, None).await?;
        let in_use = records
            .iter()
            .filter(|record| at_work.contains(&record.fingerprint));
        let in_use = in_use.flat_map(|record| record.checkpoint.things.clone());
        let in_use = in_use.collect();
        let now = state::now();
        let (valid, expired) = records
            .into_iter()
            .partition(|record| record.checkpoint.is_valid(now));
        Ok(Self {
            valid,
            expired,
            in_use,
        })
    }

    fn is_in_use(&self, record: &CheckpointRecord) -> bool {
        let mut things = record.checkpoint.things.iter();
        things.any(|thing| self.in_use.iter().any(|used| used.is(thing)))
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &CheckpointRecord> {
        self.valid.iter().chain(&self.expired)
    }
}

/// What they consist of.
pub(super) fn things_of<'a>(
    records: impl IntoIterator<Item = &'a CheckpointRecord>,
) -> impl Iterator<Item = CloudResource> {
    let things = records.into_iter().map(|record| &record.checkpoint.things);
    things.flatten().cloned()
}

impl Gc {
    /// Lets go what has expired, and forgets what is of an account that is to be forgotten, but for what a run at work may be
    /// starting from.
    pub(super) async fn expired(&mut self, state: &Arc<Sqlite>, standing: &Standing) {
        for record in standing.all() {
            if !self.is_of_forgotten(record) {
                continue;
            }
            if standing.is_in_use(record) {
                let why = "a run that is at work may start from it".to_owned();
                self.found.push(not_let_go(record, Fate::Left(why)));
                continue;
            }
            let gone = match self.dry_run {
                true => Ok(()),
                false => state.forget_checkpoint(&record.fingerprint).await,
            };
            match gone {
                Ok(()) => {
                    let things = record.checkpoint.things.iter();
                    let found =
                        things.map(|thing| found(record, thing.describe(), Fate::Forgotten));
                    self.found.extend(found);
                }
                failed => self.found.push(not_let_go(record, super::fate(failed))),
            }
        }
        for record in &standing.expired {
            if standing.is_in_use(record) || self.is_of_forgotten(record) {
                continue;
            }
            let gone = match self.dry_run {
                true => Ok(()),
                false => things::let_go(&**state, &self.removers, record).await,
            };
            match gone {
                Ok(()) => {
                    let things = record.checkpoint.things.iter();
                    let found = things.map(|thing| found(record, thing.describe(), Fate::Removed));
                    self.found.extend(found);
                }
                failed => self.found.push(not_let_go(record, super::fate(failed))),
            }
        }
    }

    fn is_of_forgotten(&self, record: &CheckpointRecord) -> bool {
        let mut things = things_of([record]);
        things.any(|thing| self.is_forgotten(&Resource::Cloud(thing)))
    }

    /// Forgets the checkpoints of which something has been taken at the provider: nobody can start from them any more. What
    /// else they consist of goes with them.
    pub(super) async fn taken(&mut self, state: &Arc<Sqlite>, standing: &Standing) {
        if self.dry_run {
            return;
        }
        let is_taken = |thing: &CloudResource| {
            let what = thing.describe();
            let mut found = self.found.iter();
            found.any(|one| matches!(one.fate, Fate::Removed) && one.what == what)
        };
        let taken: Vec<&CheckpointRecord> = standing
            .all()
            .filter(|record| record.checkpoint.things.iter().any(is_taken))
            .collect();
        for record in taken {
            let gone = things::let_go(&**state, &self.removers, record).await;
            if gone.is_err() {
                self.found.push(not_let_go(record, super::fate(gone)));
            }
        }
    }
}

/// The failure says which of its things is in the way.
fn not_let_go(record: &CheckpointRecord, fate: Fate) -> Found {
    found(record, "checkpoint".to_owned(), fate)
}

fn found(record: &CheckpointRecord, what: String, fate: Fate) -> Found {
    Found {
        what,
        machine: things_of([record]).find_map(|thing| Some(thing.account()?.to_owned())),
        run: record.run.clone(),
        owner: Some(record.step.clone()),
        fate,
    }
}
