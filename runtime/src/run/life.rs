//! What is recorded when a run begins and when it ends.

use std::fs::File;

use crate::error::Error;
use crate::files;
use crate::ledger::{Record, Resource};
use crate::mark::{self, Mark};
use crate::process;
use crate::state::RunStatus;

use super::{RUN, Run, RunResult};

/// The run's directory, once something needs it.
pub(super) struct Ground {
    /// Its record.
    pub(super) record: u64,
    /// The lock on its mark: held, the run lives.
    _mark: Option<File>,
}

impl Run {
    /// Records the run, together with what it will start and make by itself: processes, its directory.
    pub(super) async fn begin(&self) -> Result<(), Error> {
        let Some(new) = &self.settings.new_run else {
            return Ok(());
        };
        let marker = process::marker(&self.run_id);
        let path = self.scratch.clone();
        let intents = vec![Resource::Processes { marker }, Resource::Directory { path }];
        let numbers = self.ledger.begin(new, RUN, intents).await?;
        // It is set once, here.
        let _ = self.intended.set(numbers[1]);
        Ok(())
    }

    /// Makes the run's directory, once; a run in which nothing has to be done has none.
    pub(super) async fn ground(&self) -> Result<&Ground, Error> {
        self.ground.get_or_try_init(|| self.make_ground()).await
    }

    async fn make_ground(&self) -> Result<Ground, Error> {
        let mark = self.settings.new_run.as_ref().map(|new| Mark {
            run: new.id.clone(),
            state: self.settings.state_place.clone(),
            started: new.started,
            expires: new.expires,
            host: new.host.clone(),
            process: new.process,
        });
        let path = self.scratch.clone();
        let make = files::blocking(move || make(&path, mark.as_ref()));
        let (record, mark) = match self.intended.get() {
            Some(record) => {
                let mark = make.await?;
                self.ledger.made(*record).await?;
                (*record, mark)
            }
            None => {
                let path = self.scratch.clone();
                let resource = Resource::Directory { path };
                self.ledger.create(RUN, resource, make).await?
            }
        };
        Ok(Ground {
            record,
            _mark: mark,
        })
    }

    /// What could not be removed, or is left on purpose. That processes were started is forgotten where none is left: what a
    /// script has left in the background on purpose stays, unless the run was stopped.
    pub(super) async fn leftovers(&self) -> Vec<Record> {
        self.ledger.written().await;
        let is_intent = |record: &Record| matches!(record.resource, Resource::Processes { .. });
        let (intents, mut left): (Vec<Record>, Vec<Record>) =
            self.ledger.outstanding("").into_iter().partition(is_intent);
        let running = |record: &Record| matches!(record.resource, Resource::Process { .. });
        // Whoever leaves at once leaves them to `gc`.
        if left.iter().any(running) || self.cancel.is_leaving() {
            return left;
        }
        for intent in intents {
            let stopped = self.cancel.is_stopping();
            if stopped && !process::end_marked(&process::marker(&self.run_id)).await {
                left.push(intent);
            } else {
                self.ledger.forget(intent.id);
            }
        }
        left
    }

    /// Records how the run has ended. The time is counted, not asked: clocks are moved.
    pub(super) async fn end(&self, result: &RunResult) {
        let Some(new) = &self.settings.new_run else {
            return;
        };
        let status = if result.builds.iter().any(super::result::is_cancelled) {
            RunStatus::Cancelled
        } else if result.builds.iter().any(|build| build.error.is_some()) {
            RunStatus::Failed
        } else {
            RunStatus::Succeeded
        };
        let took = i64::try_from(result.took.as_millis()).unwrap_or(i64::MAX);
        let at = new.started.saturating_add(took);
        if let Err(error) = self.settings.state.end(&self.run_id, status, at).await {
            self.voice().warn(error.chain());
        }
    }
}

fn make(scratch: &std::path::Path, mark: Option<&Mark>) -> Result<Option<File>, Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    let failed = |error| files::failure("run/scratch", "make the directory", scratch, error);
    // Nobody would remove a directory for temporary files that is not there yet.
    if let Some(parent) = scratch.parent() {
        std::fs::metadata(parent).map_err(|error| {
            files::failure(
                "run/scratch",
                "use the temporary directory (TMPDIR)",
                parent,
                error,
            )
            .help("make it, or set TMPDIR to a directory that is there")
        })?;
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(scratch)
        .map_err(failed)?;
    mark.map(|mark| mark::write(scratch, mark))
        .transpose()
        .map_err(failed)
}
