//! One step: waiting, attempts, timeouts, panics, and what is said about them.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use imgc_compiler::diagnostic::Diagnostic;
use imgc_compiler::plan::{Step, StepId, StepKind};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::context::Commit;
use crate::error::{Class, Error, Result};
use crate::event::{Event, Level, Redact as _};
use crate::settings::{Answer, OnError};
use crate::watch::Watch;

use super::build::Work;
use super::{Failure, State, StepOutcome, lock, undo};

/// The number of steps that are not part of the graph.
const NO_STEP: StepId = StepId(u32::MAX);

/// A failure with the problems that name places in the template.
pub(super) struct Trouble {
    pub(super) error: Box<Error>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self {
            error: Box::new(error),
            diagnostics: Vec::new(),
        }
    }
}

impl Work<'_> {
    /// Runs a step of the graph to its end and records how it ended.
    pub(super) async fn step(&self, id: StepId) {
        let step = self.run.plan.step(id);
        if let Some(ask) = &self.run.settings.ask
            && self.run.settings.debug
        {
            let _one = self.run.asking.lock().await;
            ask.pause(&self.build.name, &format!("next: {}", step.address))
                .await;
        }
        self.pause_before(step).await;
        let started = Instant::now();
        lock(&self.data).begun.insert(id, started);
        let mut attempt = 1;
        let trouble = loop {
            if let Err(error) = self.begun_for_good(id, attempt).await {
                break error.into();
            }
            self.run.emit(Event::StepStarted {
                step: id,
                address: step.address.clone(),
                attempt,
            });
            let begun = Instant::now();
            let mut ended = self.attempt(id, step).await;
            if ended.is_ok() {
                let recorded = self.record_done(id, attempt, started.elapsed()).await;
                ended = recorded.map_err(Trouble::from);
            }
            let Err(trouble) = ended else {
                lock(&self.data).begun.remove(&id);
                self.run.states.set(id, State::Done);
                self.run.time(id, started.elapsed(), StepOutcome::Finished);
                self.run.emit(Event::StepFinished {
                    step: id,
                    address: step.address.clone(),
                    took: begun.elapsed(),
                });
                return;
            };
            // What the attempt was doing when it was stopped comes to its end, and takes with it what it can.
            self.aside.ended().await;
            if !self.end_check(step, &trouble.error).await {
                undo::sweep_attempt(self.run, &self.output, &step.address).await;
            }
            let wait = self.wait_before_retry(step, attempt, &trouble.error);
            self.failed(id, step, &trouble.error, begun.elapsed(), wait);
            let Some(wait) = wait else {
                if self.wants_retry(step, &trouble.error).await {
                    attempt += 1;
                    continue;
                }
                break trouble;
            };
            self.say_again(step, attempt, &trouble.error, wait);
            if self.sleep(wait).await.is_err() {
                break self.stopped().into();
            }
            attempt += 1;
        };
        lock(&self.data).begun.remove(&id);
        let error = (trouble.error.class, trouble.error.id, trouble.error.chain());
        if step.kind == StepKind::Check && error.0 != Class::Cancelled {
            self.has_not_passed(step).await;
        }
        self.end(id, step, trouble, started.elapsed());
        self.record_failed(id, attempt, started.elapsed(), error)
            .await;
    }

    /// There is a place to work in, and it is recorded that the step has begun.
    async fn begun_for_good(&self, id: StepId, attempt: u32) -> Result<()> {
        self.run.ground().await?;
        self.record_begun(id, attempt).await
    }

    /// An error-cleanup provisioner: its failure is said, and cleaning up goes on.
    pub(super) async fn cleanup_step(&self, step: &Step) {
        let mut attempt = 1;
        self.pause_before(step).await;
        while let Err(trouble) = self.attempt(NO_STEP, step).await {
            self.output.warn(format!(
                "the error-cleanup provisioner failed: {}",
                trouble.error.chain()
            ));
            let Some(wait) = self.wait_before_retry(step, attempt, &trouble.error) else {
                return;
            };
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    pub(super) async fn pause_before(&self, step: &Step) {
        if let Some(pause) = step.limits.pause_before {
            self.output.say(format!(
                "Pausing {} before the next provisioner...",
                crate::duration::short(pause)
            ));
            // A request to stop is seen by the attempt that follows.
            let _ = self.sleep(pause).await;
        }
    }

    /// Sleeps unless the run is stopped.
    pub(super) async fn sleep(&self, duration: Duration) -> Result<()> {
        if lock(&self.data).cleaning {
            tokio::time::sleep(duration).await;
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(duration) => Ok(()),
            () = self.stop.cancelled() => Err(self.stopped()),
        }
    }

    /// One attempt, within its timeout, until the build is stopped; a panic becomes an error.
    async fn attempt(&self, id: StepId, step: &Step) -> Result<(), Trouble> {
        // What lets a machine go is not dropped half-way: it is called once.
        let stoppable = step.kind != StepKind::Release && !lock(&self.data).cleaning;
        let cancel = match stoppable {
            true => self.stop.child_token(),
            false => CancellationToken::new(),
        };
        // These run side by side; what comes before them does not.
        let watch = match step.kind {
            StepKind::Check | StepKind::Publish { .. } | StepKind::PostProcess { .. } => {
                Watch::new()
            }
            _ => self.watch.clone(),
        };
        let commit = Commit::default();
        let work = AssertUnwindSafe(self.execute(step, cancel, &watch, &commit)).catch_unwind();
        let work = async {
            let ended = match step.limits.timeout.filter(|_| !step.checkpoint) {
                None => work.await,
                Some(limit) => {
                    tokio::pin!(work);
                    let late = async {
                        tokio::time::sleep(limit).await;
                        commit.not_begun().await;
                    };
                    // The work is still there when it is said what it was waiting for.
                    tokio::select! {
                        biased;
                        ended = &mut work => ended,
                        () = late => return Err(timed_out(limit, &watch).into()),
                    }
                }
            };
            ended.unwrap_or_else(|panic| Err(panicked(&*panic).into()))
        };
        let stopped = async {
            match stoppable {
                true => {
                    self.stop.cancelled().await;
                    commit.not_begun().await;
                }
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stopped => Err(self.stopped().into()),
            ended = work => ended,
            () = self.speak_up(id, step, &watch) => Ok(()),
        }
    }

    /// How long to wait for the next attempt; `None` if there is none. Provisioners are tried again as the template
    /// says, as with Packer; what reaches out by itself, as the error says, and only when nothing of the failed attempt
    /// is left.
    pub(super) fn wait_before_retry(
        &self,
        step: &Step,
        attempt: u32,
        error: &Error,
    ) -> Option<Duration> {
        let again = match step.kind {
            StepKind::Provision { .. } => {
                !matches!(error.class, Class::Cancelled | Class::Bug | Class::Template)
            }
            StepKind::Capture | StepKind::Release => false,
            _ => {
                error.is_transient()
                    && !self.stop.is_cancelled()
                    && self.run.ledger.outstanding(&step.address).is_empty()
            }
        };
        (again && attempt <= self.retries(step)).then(|| {
            self.run
                .settings
                .backoff
                .wait(attempt, self.run.world.random())
        })
    }

    /// Attempts after the first.
    fn retries(&self, step: &Step) -> u32 {
        match step.kind {
            StepKind::Provision { .. } => step.limits.max_retries,
            _ => self.run.settings.retries,
        }
    }

    pub(super) fn say_again(&self, step: &Step, attempt: u32, error: &Error, wait: Duration) {
        let (why, wait) = (error.chain(), crate::duration::short(wait));
        let left = (self.retries(step) + 1).saturating_sub(attempt);
        self.output.say(match step.kind {
            StepKind::Provision { .. } => format!(
                "Provisioner failed with \"{why}\", retrying in {wait} with {left} trie(s) left"
            ),
            _ => format!(
                "{} failed: {why}; trying again in {wait}, {left} {} left",
                self.called(step),
                if left == 1 { "try" } else { "tries" }
            ),
        });
    }

    fn failed(
        &self,
        id: StepId,
        step: &Step,
        error: &Error,
        took: Duration,
        retry_in: Option<Duration>,
    ) {
        self.run.emit(Event::StepFailed {
            step: id,
            address: step.address.clone(),
            id: error.id.to_owned(),
            message: self.run.redact.redact(&error.chain()),
            help: error
                .help
                .as_deref()
                .map(|help| self.run.redact.redact(help)),
            took,
            retry_in,
        });
    }

    /// Asks the user what to do about a failure before the machine is let go; whether it is "try again".
    async fn wants_retry(&self, step: &Step, error: &Error) -> bool {
        let asks = self.run.settings.on_error == OnError::Ask
            && error.class != Class::Cancelled
            && !step.limits.continue_on_error
            && !lock(&self.data).cleaning
            && !matches!(
                step.kind,
                StepKind::Publish { .. } | StepKind::Release | StepKind::PostProcess { .. }
            );
        if !asks {
            return false;
        }
        let Some(ask) = &self.run.settings.ask else {
            self.output
                .warn("there is nobody to ask what to do: cleaning up");
            return false;
        };
        let message = self.run.redact.redact(&error.chain());
        let _one = self.run.asking.lock().await;
        self.say_help(error.help.as_deref());
        let answer = tokio::select! {
            answer = ask.on_error(&self.build.name, &step.address, &message) => answer,
            () = self.stop.cancelled() => Answer::Cleanup,
        };
        if answer == Answer::Retry {
            return true;
        }
        lock(&self.data).answer = Some(answer);
        false
    }

    fn end(&self, id: StepId, step: &Step, trouble: Trouble, took: Duration) {
        let cancelled = trouble.error.class == Class::Cancelled;
        let redact = &*self.run.redact;
        let failure = Failure::of(&trouble.error, &step.address, redact);
        let failure = failure.at(trouble.diagnostics, redact);
        if step.limits.continue_on_error && !cancelled {
            self.output.warn(format!(
                "going on although this failed: {}",
                failure.message
            ));
            self.say_help(failure.help.as_deref());
            self.run.states.set(id, State::Done);
            self.run.time(id, took, StepOutcome::Ignored);
            return;
        }
        let outcome = if cancelled {
            StepOutcome::Cancelled
        } else {
            StepOutcome::Failed
        };
        self.run.time(id, took, outcome);
        match step.kind {
            // The machine may still be there, but the artifact is made: what follows needs no machine.
            StepKind::Release => self.run.states.set(id, State::Done),
            // The artifact is made, and stays.
            StepKind::Check | StepKind::Publish { .. } => self.run.states.set(id, State::Dead),
            StepKind::PostProcess { .. } => {
                self.no_post(step);
                self.run.states.set(id, State::Dead);
            }
            _ => {
                lock(&self.data).broken = true;
                self.run.states.set(id, State::Dead);
            }
        }
        // The end of the build tells of its first failure only.
        if !cancelled && lock(&self.data).failure.is_some() {
            let text = format!("{}: {}", failure.address, failure.message);
            self.output.line(Level::Error, &text);
            self.say_help(failure.help.as_deref());
        }
        self.fail(failure);
    }

    /// The way out of a failure, where the end of the build does not tell it or comes later.
    pub(super) fn say_help(&self, help: Option<&str>) {
        for line in help.iter().flat_map(|help| help.lines()) {
            self.output.detail(format!("help: {line}"));
        }
    }
}

pub(super) fn timed_out(limit: Duration, watch: &Watch) -> Error {
    let mut message = format!(
        "the step took longer than its timeout of {}",
        crate::duration::short(limit)
    );
    if let (_, Some(what)) = watch.now() {
        message.push_str(", waiting for ");
        message.push_str(&what);
    }
    Error::new(Class::Timeout, "run/timeout", message)
        .help("raise `timeout`, or look at what the step was waiting for")
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Error::new(
        Class::Bug,
        "run/panic",
        format!("a component failed by a mistake of this program: {what}"),
    )
    .help("please report this, with the log")
}
