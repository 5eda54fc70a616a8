//! Machines that can be entered, and those that are held after a failure.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::build::Work;
use super::lock;
use crate::duration::short;
use crate::error::Class;
use crate::hold::Held;
use crate::state::MachineRecord;

impl Work<'_> {
    /// Records how the machine can be entered.
    pub(super) async fn enterable(&self, held: Option<String>) {
        let command = lock(&self.data)
            .machine
            .as_ref()
            .and_then(|machine| machine.attach());
        let Some(command) = command.filter(|_| self.run.settings.new_run.is_some()) else {
            return;
        };
        let record = MachineRecord {
            run: self.run.run_id.to_string(),
            build: self.build.address.clone(),
            command,
            held,
        };
        if let Err(error) = self.run.settings.state.machine(&record).await {
            self.output
                .warn(format!("`imgc attach` will not find it: {}", error.chain()));
        }
    }

    /// Records that it cannot be entered any more.
    pub(super) async fn left(&self) {
        if self.run.settings.new_run.is_none() {
            return;
        }
        let (run, build) = (&self.run.run_id, &self.build.address);
        if let Err(error) = self.run.settings.state.forget_machine(run, build).await {
            self.output.warn(error.chain());
        }
    }

    /// Keeps the machine of a failed build until somebody lets it go, the time is over, or the run is stopped.
    pub(super) async fn hold(&self) {
        let Some(limit) = self.run.settings.hold else {
            return;
        };
        let failure = match &lock(&self.data).failure {
            Some(failure) if failure.class != Class::Cancelled => failure.message.clone(),
            _ => return,
        };
        if lock(&self.data).machine.is_none() {
            return;
        }
        let held = match Held::begin(&self.run.scratch, &self.build.address) {
            Ok(held) => held,
            Err(error) => {
                self.output
                    .warn(format!("the machine cannot be held: {error}"));
                return;
            }
        };
        self.enterable(Some(failure)).await;
        self.run.held.fetch_add(1, Relaxed);
        let run = &self.run.run_id[..self.run.run_id.len().min(8)];
        self.output.warn(format!(
            "failed; the machine is held for {}: `imgc attach {run} {}` opens a shell on it, `imgc release {run}` or Ctrl-C lets it go",
            short(self.dead_mans(limit)),
            self.build.address,
        ));
        let said = tokio::select! {
            () = held.released() => "it is let go",
            () = tokio::time::sleep(self.dead_mans(limit)) => "its time is over",
            () = self.run.cancel.stop_token().cancelled() => "the run is stopped",
        };
        self.run.held.fetch_sub(1, Relaxed);
        self.output.say(format!("The machine was held; {said}"));
    }

    /// Not longer than the run's things may stay.
    fn dead_mans(&self, limit: Duration) -> Duration {
        let Some(new) = &self.run.settings.new_run else {
            return limit;
        };
        let left = new
            .expires
            .saturating_sub(self.run.world.now().0.saturating_mul(1000));
        limit.min(Duration::from_millis(
            u64::try_from(left).unwrap_or_default(),
        ))
    }
}
