//! How far the builds are, for those that use their artifacts.
//!
//! A build whose first step uses an artifact waits for it before it takes its turn; any other takes its turn only after
//! the builds it needs have taken theirs. So whoever waits while it has its turn waits for somebody who has one, or had
//! it: with one turn at a time (`-parallel-builds=1`) nobody waits for ever.

use std::collections::BTreeMap;
use std::sync::Mutex;

use imgc_compiler::plan::{BuildId, Plan, StepKind};
use imgc_compiler::value::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Run, lock};
use crate::artifact::Artifact;
use crate::error::{Class, Error};

/// How far a build is.
#[derive(Clone, Debug)]
pub(super) enum Progress {
    /// It has not begun.
    Waiting,
    /// It has begun.
    Begun,
    /// It has ended; if not well, with whose matter that was.
    Ended(Option<Class>),
}

/// How far all builds are, and the artifacts of those that have ended well.
pub(super) struct Ends {
    progress: Mutex<Vec<Progress>>,
    artifacts: Mutex<BTreeMap<String, Value>>,
    /// What those are, as digests.
    identities: Mutex<BTreeMap<String, String>>,
}

impl Ends {
    pub(super) fn new(builds: usize) -> Self {
        Self {
            progress: Mutex::new(vec![Progress::Waiting; builds]),
            artifacts: Mutex::default(),
            identities: Mutex::default(),
        }
    }

    pub(super) fn of(&self, build: BuildId) -> Progress {
        lock(&self.progress)[build.0 as usize].clone()
    }

    /// The artifacts there are, by address of the build.
    pub(super) fn artifacts(&self) -> BTreeMap<String, Value> {
        lock(&self.artifacts).clone()
    }

    /// What the artifacts are, by address of the build.
    pub(super) fn identities(&self) -> BTreeMap<String, String> {
        lock(&self.identities).clone()
    }

    /// Notes what the artifact of a build is; before the build has ended.
    pub(super) fn identify(&self, address: &str, identity: String) {
        lock(&self.identities).insert(address.to_owned(), identity);
    }
}

impl Run {
    /// Waits until it is a build's turn; `None` where the run is stopped before.
    pub(super) async fn turn<'p>(
        &self,
        permits: &'p Semaphore,
        id: BuildId,
    ) -> Option<SemaphorePermit<'p>> {
        loop {
            // Registered before looking, so that no change is missed.
            let changed = self.states.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.may_begin(id) {
                break;
            }
            tokio::select! {
                () = &mut changed => {}
                () = self.halt.cancelled() => return None,
            }
        }
        let permit = tokio::select! {
            permit = permits.acquire() => permit.ok(),
            () = self.halt.cancelled() => None,
        };
        self.progressed(id, Progress::Begun);
        permit
    }

    fn may_begin(&self, id: BuildId) -> bool {
        let plan = &self.plan;
        plan.build(id)
            .uses
            .iter()
            .all(|used| match self.ends.of(*used) {
                Progress::Ended(_) => true,
                Progress::Begun => !needed_at_once(plan, id, *used),
                Progress::Waiting => false,
            })
    }

    /// Records how a build has ended, and what it leaves for others.
    pub(super) fn build_ended(&self, id: BuildId, artifacts: &[Artifact], class: Option<Class>) {
        if class.is_none() {
            let address = self.plan.build(id).address.clone();
            lock(&self.ends.artifacts).insert(address, value(artifacts.first()));
        }
        self.progressed(id, Progress::Ended(class));
    }

    fn progressed(&self, id: BuildId, progress: Progress) {
        lock(&self.ends.progress)[id.0 as usize] = progress;
        self.states.changed.notify_waiters();
    }
}

/// Whether the first step of a build uses the artifact of another.
fn needed_at_once(plan: &Plan, id: BuildId, used: BuildId) -> bool {
    let mut steps = plan.steps.iter().filter(|step| step.build == id);
    steps.any(|step| {
        step.kind == StepKind::Prepare
            && step
                .needs
                .iter()
                .any(|need| plan.step(need.step).build == used)
    })
}

/// An artifact as expressions see it.
pub(crate) fn value(artifact: Option<&Artifact>) -> Value {
    let none = Artifact::default();
    let artifact = artifact.unwrap_or(&none);
    let files = artifact
        .files
        .iter()
        .map(|file| Value::string(file.display().to_string()));
    Value::object([
        ("builder_id", Value::string(artifact.builder_id.as_str())),
        ("id", Value::string(artifact.id.as_str())),
        (
            "files",
            Value::list(
                imgc_compiler::types::Type::String,
                files.collect::<Vec<_>>(),
            ),
        ),
    ])
}

/// The failure of a build that needs one that failed.
pub(super) fn needed(address: &str, class: Class) -> Error {
    Error::new(
        class,
        "run/needed-build",
        format!("this needs the artifact of `{address}`, which failed"),
    )
    .help("mend that build first; this one has nothing to do with it")
}
