//! Machines that can be entered, and those that are held after a failure.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::build::Work;
use super::lock;
use crate::duration::short;
use crate::error::{Class, Error, Result};
use crate::event::Level;
use crate::hold::{Held, Why};
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
        let (failure, help) = match &lock(&self.data).failure {
            Some(failure) if failure.class != Class::Cancelled => {
                (failure.message.clone(), failure.help.clone())
            }
            _ => return,
        };
        if lock(&self.data).machine.is_none() {
            return;
        }
        let held = match Held::begin(&self.run.scratch, &self.build.address, Why::Failed) {
            Ok(held) => held,
            Err(error) => {
                self.output
                    .warn(format!("the machine cannot be held: {error}"));
                return;
            }
        };
        // The build ends when nobody looks at the machine any more, and says so then.
        self.output.line(Level::Error, &failure);
        self.say_help(help.as_deref());
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

    /// Keeps the machine enterable as one that waits while a provisioner waits for somebody; `imgc release` ends that.
    pub(super) async fn waiting_for_somebody(
        &self,
        why: String,
        wait: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let held = Held::begin(&self.run.scratch, &self.build.address, Why::Breakpoint).map_err(
            |error| {
                Error::new(
                    Class::Environment,
                    "run/scratch",
                    "it cannot be written down that the machine waits",
                )
                .because(error)
            },
        )?;
        self.enterable(Some(why)).await;
        self.say_how_to_go_on();
        let ended = tokio::select! {
            ended = wait => ended,
            () = held.released() => {
                self.output.say("Going on: `imgc release` was called");
                Ok(())
            }
        };
        self.enterable(None).await;
        ended
    }

    fn say_how_to_go_on(&self) {
        if self.run.settings.new_run.is_none() {
            return;
        }
        let run = &self.run.run_id[..self.run.run_id.len().min(8)];
        let can_enter = lock(&self.data)
            .machine
            .as_ref()
            .is_some_and(|machine| machine.attach().is_some());
        let shell = match can_enter {
            true => format!(
                "`imgc attach {run} {}` opens a shell on the machine, ",
                self.build.address
            ),
            false => String::new(),
        };
        self.output
            .say(format!("{shell}`imgc release {run}` goes on"));
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
