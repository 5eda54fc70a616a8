//! The scheduler: runs a plan's graph and cleans up after it.
//!
//! In: a plan, the components, the user's settings. Out: events, and a [`RunResult`]. Each build is a task of its own;
//! within it, steps run as soon as what they need is done. A failure ends its build and
//! those that need its artifact, not the others, as with Packer.
//!
//! - `run/ends.rs`: whose turn it is, and artifacts that builds have for each other.
//! - `run/reused.rs`: what need not run.
//! - `run/record.rs`: what is remembered of steps and artifacts.
//! - `run/restore.rs`, `run/outside.rs`: what a machine is made of: a checkpoint, or what is outside now.
//! - `run/build.rs`: one build from its first step to its last.
//! - `run/check.rs`: checking what was made, on a machine that is started from it.
//! - `run/cleanup.rs`: undoing, where it has not come to its end.
//! - `run/step.rs`: one step: waiting, attempts, timeouts, panics.
//! - `run/stop.rs`: deadlines, and other reasons for an early end.
//! - `run/renew.rs`: marks with a later moment while the run lives.
//! - `run/stall.rs`: what a step waits for of which nothing is heard.
//! - `run/hold.rs`: machines that can be entered, and those that are held.
//! - `run/shells.rs`: whether somebody has had a shell on a machine.
//! - `run/hosts.rs`: how many builds are connected to the same host.
//! - `run/execute.rs`: what each kind of step does.
//! - `run/publish.rs`: publishing what is made.
//! - `run/undo.rs`: removing what the ledger still records.
//! - `run/keep.rs`: which artifacts are kept when all post-processors are done.
//! - `run/outputs.rs`: the values of the template's outputs.
//! - `run/life.rs`: what is recorded when the run begins and when it ends.
//! - `run/result.rs`: the outcome, and the exit codes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use imgc_compiler::plan::inputs::Read;
use imgc_compiler::plan::{BuildId, Plan, StepId};
use imgc_compiler::source::World;
use imgc_compiler::value::Value;
use smol_str::SmolStr;
use tokio::sync::{Notify, OnceCell, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cancel::Cancel;
use crate::error::{Class, Error};
use crate::event::{Event, Output, Redact, Sink};
use crate::expiry::Expiry;
use crate::ledger::{Ledger, Record, Resource};
use crate::redact::Redactor;
use crate::registry::Registry;
use crate::report::{LogFiles, Tee};
use crate::settings::Settings;

mod build;
mod check;
mod cleanup;
mod ends;
mod execute;
mod facts;
mod hold;
mod hosts;
pub(crate) mod keep;
mod life;
mod outputs;
mod outside;
mod publish;
mod record;
mod rejoin;
mod renew;
mod restore;
mod result;
mod reused;
mod shells;
mod stall;
mod step;
mod stop;
mod undo;

pub(crate) use ends::value as artifact_value;
pub use outputs::OutputValue;
pub(crate) use record::now;
pub use result::{
    BuildOutcome, EXIT_CODES, ExitCode, Failure, RunResult, StepOutcome, Timing, class_code,
    exit_code,
};

/// Owner of what belongs to the run as a whole.
const RUN: &str = "run";

/// Runs a plan to its end: returns when every build has ended and what they made and do not keep is removed, or when
/// leaving was asked for.
pub async fn run(
    plan: Arc<Plan>,
    registry: Arc<Registry>,
    settings: Settings,
    sink: Arc<dyn Sink>,
    world: Arc<dyn World>,
    cancel: Cancel,
) -> RunResult {
    let started = Instant::now();
    let redact = Arc::new(Redactor::of(&plan));
    let mut sinks: Vec<Arc<dyn Sink>> = vec![sink];
    let logs = settings
        .log_dir
        .as_ref()
        .map(|directory| Arc::new(LogFiles::new(directory.clone(), &plan)));
    if let Some(logs) = &logs {
        sinks.push(logs.clone());
    }
    let sink: Arc<dyn Sink> = if sinks.len() == 1 {
        sinks.remove(0)
    } else {
        Arc::new(Tee::new(sinks))
    };
    let run = Arc::new(Run {
        variables: Arc::new(
            plan.variables
                .iter()
                .map(|variable| (variable.name.clone(), variable.value.clone()))
                .collect(),
        ),
        states: States::new(plan.steps.len()),
        ends: ends::Ends::new(plan.builds.len()),
        timings: Mutex::new(Vec::with_capacity(plan.steps.len())),
        launches: Semaphore::new(settings.parallel_launches.max(1)),
        halt: cancel.stop_token().child_token(),
        why: OnceLock::new(),
        held: AtomicUsize::new(0),
        hosts: Mutex::default(),
        asking: tokio::sync::Mutex::new(()),
        intended: OnceLock::new(),
        ground: OnceCell::new(),
        ledger: Ledger::new(settings.state.clone(), settings.run_id.as_str().into()),
        expiry: settings
            .new_run
            .as_ref()
            .map(|new| Expiry::new(new.expires)),
        scratch: settings.scratch.join(format!("imgc-{}", settings.run_id)),
        origin: origin(&settings).await,
        read: Arc::default(),
        reading: Arc::default(),
        moved: Mutex::default(),
        run_id: settings.run_id.clone().into(),
        plan,
        registry,
        settings,
        sink,
        redact,
        world,
        cancel,
    });
    run.emit(Event::RunStarted {
        run: run.run_id.to_string(),
    });
    let mut result = run.clone().all(started).await;
    (result.outputs, result.output_failures) = run.outputs();
    for problem in logs.iter().flat_map(|logs| logs.problems()) {
        run.voice().warn(problem);
    }
    run.end(&result).await;
    run.emit(Event::RunFinished {
        succeeded: count(&result, |build| build.error.is_none() && !build.cancelled),
        failed: count(&result, |build| build.error.is_some() && !build.cancelled),
        cancelled: count(&result, |build| build.cancelled),
        interrupted: result.builds.iter().any(result::is_cancelled),
        left: result.leftovers.len(),
        took: result.took,
    });
    result
}

/// What to do about files on machines that stay, one line for each machine.
fn way_out(leftovers: &[Record]) -> BTreeSet<String> {
    let remote = leftovers
        .iter()
        .filter_map(|record| match &record.resource {
            Resource::RemoteFile {
                machine, access, ..
            } => Some((machine, access.is_some())),
            _ => None,
        });
    remote
        .map(|(machine, reachable)| match reachable {
            true => format!(
                "  `imgc gc` tries again to remove them from {machine}; where it is gone, `imgc gc --forget {machine}`"
            ),
            false => format!("  remove them on {machine}, then `imgc gc --forget {machine}`"),
        })
        .collect()
}

fn count(result: &RunResult, is: impl Fn(&BuildOutcome) -> bool) -> u32 {
    result.builds.iter().filter(|build| is(build)).count() as u32
}

/// What the builds of one run share.
struct Run {
    plan: Arc<Plan>,
    registry: Arc<Registry>,
    settings: Settings,
    sink: Arc<dyn Sink>,
    redact: Arc<Redactor>,
    world: Arc<dyn World>,
    cancel: Cancel,
    ledger: Ledger,
    /// The record of the run's directory, where the run is recorded.
    intended: OnceLock<u64>,
    /// That directory, once something has to be done.
    ground: OnceCell<life::Ground>,
    states: States,
    ends: ends::Ends,
    timings: Mutex<Vec<Timing>>,
    launches: Semaphore,
    /// Cancelled when all work is to stop, whatever the reason.
    halt: CancellationToken,
    /// That reason, where it is no request.
    why: OnceLock<stop::Why>,
    /// Builds whose machines are held.
    held: AtomicUsize,
    /// Places at each host.
    hosts: Mutex<BTreeMap<String, Arc<Semaphore>>>,
    /// Held while the user is asked: one question at a time.
    asking: tokio::sync::Mutex<()>,
    variables: Arc<BTreeMap<SmolStr, Value>>,
    /// When what the run makes may be removed by anyone; `None` where nothing is made.
    expiry: Option<Expiry>,
    scratch: PathBuf,
    run_id: Arc<str>,
    /// The run that began what this one goes on with, or this one.
    origin: String,
    /// Digests of what steps read.
    read: Arc<Mutex<Read>>,
    /// Held by who reads what was put off.
    reading: Arc<tokio::sync::Mutex<()>>,
    /// What builders found to have moved.
    moved: Mutex<Vec<crate::builder::Pin>>,
}

async fn origin(settings: &Settings) -> String {
    let own = settings.run_id.clone();
    match &settings.reuse.resume {
        Some(run) => crate::reuse::origin(&*settings.state, run)
            .await
            .unwrap_or(own),
        None => own,
    }
}

impl Run {
    async fn all(self: Arc<Self>, started: Instant) -> RunResult {
        let builds = self.plan.builds.len();
        let mut outcomes: Vec<Option<BuildOutcome>> = vec![None; builds];
        if let Err(error) = self.begin().await {
            return self.nothing(started, error);
        }
        let limit = match self.settings.parallel_builds {
            0 => builds.max(1),
            limit => limit,
        };
        let permits = Arc::new(Semaphore::new(limit));
        let mut tasks = JoinSet::new();
        let mut ids = std::collections::HashMap::new();
        for index in 0..builds {
            let (run, permits) = (self.clone(), permits.clone());
            let id = BuildId(index as u32);
            let task = tasks.spawn(async move {
                let _permit = run.turn(&permits, id).await;
                build::run(&run, id).await
            });
            ids.insert(task.id(), index);
        }
        let deadline = async {
            self.halt.cancelled().await;
            tokio::select! {
                () = self.patience() => true,
                () = self.cancel.leave_token().cancelled() => false,
            }
        };
        tokio::pin!(deadline);
        let expiry = self.expire(started);
        tokio::pin!(expiry);
        let renewal = self.renew();
        tokio::pin!(renewal);
        let voice = self.voice();
        loop {
            tokio::select! {
                biased;
                late = &mut deadline => {
                    if late {
                        voice.warn(format!(
                            "cleaning up has taken longer than {}; leaving",
                            crate::duration::words(self.settings.cleanup_deadline)
                        ));
                    }
                    tasks.shutdown().await;
                    undo::kill_processes(&self.ledger);
                    break;
                }
                () = &mut expiry => {}
                () = &mut renewal => {}
                ended = tasks.join_next_with_id() => match ended {
                    None => break,
                    Some(Ok((id, outcome))) => outcomes[ids[&id]] = Some(outcome),
                    Some(Err(error)) => {
                        let index = ids[&error.id()];
                        outcomes[index] = Some(self.broken(index, started));
                        self.build_ended(BuildId(index as u32), &[], Some(Class::Bug));
                    }
                },
            }
        }
        let left = outcomes.iter().any(Option::is_none);
        let builds: Vec<BuildOutcome> = outcomes
            .into_iter()
            .enumerate()
            .map(|(index, outcome)| outcome.unwrap_or_else(|| self.stopped(index, started)))
            .collect();
        if left {
            if let Some(ground) = self.ground.get() {
                undo::remove_now(self.scratch.clone(), &self.ledger, ground.record);
            }
        } else if !self.keeps_something() {
            undo::sweep(&self, &voice, RUN, &[]).await;
        }
        let leftovers = self.leftovers().await;
        if !leftovers.is_empty() {
            voice.line(crate::event::Level::Error, "these things are left behind:");
            for record in &leftovers {
                voice.line(
                    crate::event::Level::Error,
                    &format!("  {}, made by {}", record.resource.describe(), record.owner),
                );
            }
            for text in way_out(&leftovers) {
                voice.line(crate::event::Level::Error, &text);
            }
        }
        let mut timings = std::mem::take(&mut *lock(&self.timings));
        timings.sort_by_key(|timing| timing.step);
        RunResult {
            run_id: self.run_id.to_string(),
            builds,
            timings,
            leftovers,
            outputs: Vec::new(),
            output_failures: Vec::new(),
            moved: std::mem::take(&mut *lock(&self.moved)),
            took: started.elapsed(),
        }
    }

    /// Whether something that was left on purpose stands in the run's own directory.
    fn keeps_something(&self) -> bool {
        let kept = |other: &Record| {
            undo::path(&other.resource)
                .is_some_and(|path| path.starts_with(&self.scratch) && *path != self.scratch)
        };
        self.ledger.outstanding("").iter().any(kept)
    }

    /// The run could not begin.
    fn nothing(&self, started: Instant, error: Error) -> RunResult {
        for record in self.ledger.outstanding("") {
            self.ledger.forget(record.id);
        }
        let failure = Failure::of(&error, RUN, &*self.redact);
        let builds = (0..self.plan.builds.len())
            .map(|index| {
                let outcome = self.outcome(index, started, Some(failure.clone()), false);
                self.build_finished(&outcome);
                outcome
            })
            .collect();
        RunResult {
            run_id: self.run_id.to_string(),
            builds,
            timings: Vec::new(),
            leftovers: Vec::new(),
            outputs: Vec::new(),
            output_failures: Vec::new(),
            moved: std::mem::take(&mut *lock(&self.moved)),
            took: started.elapsed(),
        }
    }

    /// The scheduler itself panicked in this build.
    fn broken(&self, index: usize, started: Instant) -> BuildOutcome {
        let error = Error::new(
            Class::Bug,
            "run/panic",
            "the build stopped by a mistake of this program",
        )
        .help("please report this, with the log");
        let address = &self.plan.builds[index].address;
        let failure = Failure::of(&error, address, &*self.redact);
        let outcome = self.outcome(index, started, Some(failure), false);
        self.build_finished(&outcome);
        outcome
    }

    fn stopped(&self, index: usize, started: Instant) -> BuildOutcome {
        let address = &self.plan.builds[index].address;
        let failure = Failure::of(&Error::cancelled(), address, &*self.redact);
        let outcome = self.outcome(index, started, Some(failure), true);
        self.build_finished(&outcome);
        outcome
    }

    fn outcome(
        &self,
        index: usize,
        started: Instant,
        error: Option<Failure>,
        cancelled: bool,
    ) -> BuildOutcome {
        let build = &self.plan.builds[index];
        BuildOutcome {
            id: BuildId(index as u32),
            name: build.name.clone(),
            address: build.address.clone(),
            artifacts: Vec::new(),
            error,
            cancelled,
            up_to_date: false,
            took: started.elapsed(),
        }
    }

    fn build_finished(&self, outcome: &BuildOutcome) {
        let mut artifacts = outcome.artifacts.clone();
        for artifact in &mut artifacts {
            artifact.description = self.redact.redact(&artifact.description);
            artifact.id = self.redact.redact(&artifact.id);
            for file in &mut artifact.files {
                if let Some(text) = file.to_str() {
                    *file = self.redact.redact(text).into();
                }
            }
            for value in artifact.metadata.values_mut() {
                *value = self.redact.redact(value);
            }
        }
        self.emit(Event::BuildFinished {
            build: outcome.id,
            name: outcome.name.clone(),
            artifacts,
            error: outcome
                .error
                .as_ref()
                .map(|failure| failure.message.clone()),
            help: outcome
                .error
                .as_ref()
                .and_then(|failure| failure.help.clone()),
            took: outcome.took,
        });
    }

    fn emit(&self, event: Event) {
        self.sink.event(&event);
    }

    /// Speaks for the run.
    fn voice(&self) -> Output {
        Output::new(self.sink.clone(), self.redact.clone(), None, "")
    }

    fn time(&self, step: StepId, took: Duration, outcome: StepOutcome) {
        let address = self.plan.step(step).address.clone();
        lock(&self.timings).push(Timing {
            step,
            address,
            took,
            outcome,
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How far each step of the plan is; needs may cross builds.
struct States {
    states: Mutex<Vec<State>>,
    changed: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Done,
    /// Failed or skipped: what needs it will not run.
    Dead,
}

impl States {
    fn new(steps: usize) -> Self {
        Self {
            states: Mutex::new(vec![State::Waiting; steps]),
            changed: Notify::new(),
        }
    }

    fn get(&self, step: StepId) -> State {
        lock(&self.states)[step.0 as usize]
    }

    fn set(&self, step: StepId, state: State) {
        lock(&self.states)[step.0 as usize] = state;
        self.changed.notify_waiters();
    }
}
