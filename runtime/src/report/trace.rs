//! A trace in Chrome's trace-event form, as `chrome://tracing` and Perfetto show it.
//!
//! In: events. Out: one JSON array; each element is written when it is known, so that the trace of a run that died can be
//! read as well (a missing `]` is allowed). A build is a process, steps of it that run at the same time are threads; an
//! attempt is a slice, and so is the wait before the next one.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use imgc_compiler::plan::{BuildId, Plan, StepId};
use serde_json::{Value, json};

use crate::event::{Event, Level, Sink};

use super::{Clock, lock};

/// Writes a trace.
pub struct Trace<W> {
    clock: Clock,
    /// Which build a step belongs to.
    steps: Vec<BuildId>,
    state: Mutex<State<W>>,
}

struct State<W> {
    out: W,
    first: bool,
    failed: Option<std::io::Error>,
    began: SystemTime,
    running: BTreeMap<StepId, Running>,
}

struct Running {
    since: Duration,
    attempt: u32,
    /// The thread it is shown in, counted within its build.
    lane: u64,
}

impl<W: Write> Trace<W> {
    /// For a run of this plan.
    pub fn new(plan: &Plan, out: W, clock: Clock) -> Self {
        let mut state = State {
            out,
            first: true,
            failed: None,
            began: clock(),
            running: BTreeMap::new(),
        };
        state.put(&name(0, "imgc"));
        for (at, build) in plan.builds.iter().enumerate() {
            state.put(&name(process(BuildId(at as u32)), &build.address));
        }
        Self {
            clock,
            steps: plan.steps.iter().map(|step| step.build).collect(),
            state: Mutex::new(state),
        }
    }

    fn build(&self, step: StepId) -> u64 {
        self.steps.get(step.0 as usize).copied().map_or(0, process)
    }
}

/// The number of a build's process; 0 is the run.
fn process(build: BuildId) -> u64 {
    u64::from(build.0) + 1
}

fn name(pid: u64, name: &str) -> Value {
    json!({ "ph": "M", "name": "process_name", "pid": pid, "args": { "name": name } })
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl<W: Write> State<W> {
    fn put(&mut self, event: &Value) {
        let before = if self.first { "[\n" } else { ",\n" };
        self.first = false;
        let written = write!(self.out, "{before}{event}").and_then(|()| self.out.flush());
        if let (Err(error), None) = (written, &self.failed) {
            self.failed = Some(error);
        }
    }

    fn free_lane(&self, same_build: impl Fn(StepId) -> bool) -> u64 {
        let taken: Vec<u64> = self
            .running
            .iter()
            .filter(|(step, _)| same_build(**step))
            .map(|(_, running)| running.lane)
            .collect();
        (0..).find(|lane| !taken.contains(lane)).unwrap_or_default()
    }
}

impl<W: Write + Send> Sink for Trace<W> {
    fn event(&self, event: &Event) {
        let mut state = lock(&self.state);
        let now = (self.clock)();
        let at = now.duration_since(state.began).unwrap_or_default();
        match event {
            Event::StepStarted { step, attempt, .. } => {
                let build = self.build(*step);
                let lane = state.free_lane(|other| self.build(other) == build);
                let running = Running {
                    since: at,
                    attempt: *attempt,
                    lane,
                };
                state.running.insert(*step, running);
            }
            Event::StepFinished { step, address, .. } => {
                self.slice(
                    &mut state,
                    *step,
                    address,
                    at,
                    json!({ "outcome": "finished" }),
                );
            }
            Event::StepFailed {
                step,
                address,
                id,
                message,
                retry_in,
                ..
            } => {
                let arguments = json!({ "outcome": "failed", "id": id, "message": message });
                let lane = self.slice(&mut state, *step, address, at, arguments);
                if let Some(wait) = retry_in {
                    state.put(&json!({
                        "ph": "X", "name": "wait before the next attempt", "cat": "wait",
                        "ts": micros(at), "dur": micros(*wait),
                        "pid": self.build(*step), "tid": lane,
                    }));
                }
            }
            Event::StepSkipped {
                step,
                address,
                reason,
            } => {
                state.put(&json!({
                    "ph": "i", "s": "t", "name": address, "cat": "skipped", "ts": micros(at),
                    "pid": self.build(*step), "tid": 0, "args": { "reason": reason },
                }));
            }
            Event::Line {
                build,
                level: Level::Warning | Level::Error,
                text,
                ..
            } => {
                state.put(&json!({
                    "ph": "i", "s": "p", "name": text, "cat": "message", "ts": micros(at),
                    "pid": build.map_or(0, process), "tid": 0,
                }));
            }
            Event::RunFinished { took, .. } => {
                state.put(&json!({
                    "ph": "X", "name": "run", "cat": "run", "ts": 0, "dur": micros(*took),
                    "pid": 0, "tid": 0,
                }));
                let end = writeln!(state.out, "\n]").and_then(|()| state.out.flush());
                if let (Err(error), None) = (end, &state.failed) {
                    state.failed = Some(error);
                }
            }
            _ => {}
        }
    }
}

impl<W: Write> Trace<W> {
    /// An attempt that has ended; gives the thread it is shown in.
    fn slice(
        &self,
        state: &mut State<W>,
        step: StepId,
        address: &str,
        at: Duration,
        mut arguments: Value,
    ) -> u64 {
        let Some(running) = state.running.remove(&step) else {
            return 0;
        };
        arguments["attempt"] = running.attempt.into();
        state.put(&json!({
            "ph": "X", "name": address, "cat": "step",
            "ts": micros(running.since), "dur": micros(at.saturating_sub(running.since)),
            "pid": self.build(step), "tid": running.lane, "args": arguments,
        }));
        running.lane
    }

    /// Why the trace is not whole, if it could not be written.
    pub fn problem(&self) -> Option<String> {
        lock(&self.state).failed.as_ref().map(ToString::to_string)
    }
}
