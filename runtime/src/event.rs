//! Events: the only way anything is said.
//!
//! Terminal bars, the plain log, JSON and log files are folds over one stream. Secrets are masked where an event is
//! made, so that there is no sink that could forget it.

use std::sync::Arc;
use std::time::Duration;

use imgc_compiler::plan::{BuildId, StepId};
use serde::Serialize;

use crate::artifact::Artifact;

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run has begun.
    RunStarted {
        /// Its id, a UUID.
        run: String,
    },
    /// A step has begun.
    StepStarted {
        /// Which.
        #[serde(serialize_with = "step_number")]
        step: StepId,
        /// Its address.
        address: String,
        /// 1, or more after retries.
        attempt: u32,
    },
    /// A step has ended well.
    StepFinished {
        /// Which.
        #[serde(serialize_with = "step_number")]
        step: StepId,
        /// Its address.
        address: String,
        /// How long it took.
        #[serde(serialize_with = "seconds")]
        took: Duration,
    },
    /// A step has failed, for good or to be tried again.
    StepFailed {
        /// Which.
        #[serde(serialize_with = "step_number")]
        step: StepId,
        /// Its address.
        address: String,
        /// Id of the problem, `run/…`.
        id: String,
        /// What is wrong, causes included.
        message: String,
        /// The way out.
        help: Option<String>,
        /// How long it took.
        #[serde(serialize_with = "seconds")]
        took: Duration,
        /// Another attempt follows after this wait.
        #[serde(serialize_with = "optional_seconds")]
        retry_in: Option<Duration>,
    },
    /// Nothing has been heard of a step for a while.
    StepWaiting {
        /// Which.
        #[serde(serialize_with = "step_number")]
        step: StepId,
        /// Its address.
        address: String,
        /// The build it belongs to.
        #[serde(serialize_with = "build_number")]
        build: BuildId,
        /// The build's name.
        name: String,
        /// How long the attempt has been running.
        #[serde(serialize_with = "seconds")]
        running: Duration,
        /// How long nothing has been heard.
        #[serde(serialize_with = "seconds")]
        quiet: Duration,
        /// What it waits for, if it said so; secrets masked.
        waiting_for: Option<String>,
        /// All of it in words.
        text: String,
    },
    /// A step will not run.
    StepSkipped {
        /// Which.
        #[serde(serialize_with = "step_number")]
        step: StepId,
        /// Its address.
        address: String,
        /// Why.
        reason: String,
    },
    /// A step need not run: what it would do has been done.
    StepReused {
        /// Which.
        #[serde(serialize_with = "step_number")]
        step: StepId,
        /// Its address.
        address: String,
        /// The run that did it.
        run: String,
    },
    /// A line from a component or from a command it runs.
    Line {
        /// The build it belongs to; `None` for the run as a whole.
        #[serde(serialize_with = "optional_build_number")]
        build: Option<BuildId>,
        /// The build's name as Packer shows it; empty for the run.
        name: String,
        /// What kind of line.
        level: Level,
        /// The line, without its end; secrets masked.
        text: String,
    },
    /// A transfer or a wait goes on.
    Progress {
        /// The build it belongs to.
        #[serde(serialize_with = "build_number")]
        build: BuildId,
        /// What: "uploading tree".
        what: String,
        /// Units done.
        done: u64,
        /// Units in all, if known.
        total: Option<u64>,
    },
    /// A build has ended.
    BuildFinished {
        /// Which.
        #[serde(serialize_with = "build_number")]
        build: BuildId,
        /// Its name.
        name: String,
        /// The final artifacts; empty if it failed early or made none. One that is handed on unchanged is there more than once,
        /// as Packer lists it; in JSON each is there once.
        #[serde(serialize_with = "distinct_artifacts")]
        artifacts: Vec<Artifact>,
        /// What is wrong, if it failed.
        error: Option<String>,
        /// The way out, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        help: Option<String>,
        /// How long it took.
        #[serde(serialize_with = "seconds")]
        took: Duration,
    },
    /// An output of the template has its value.
    Output {
        /// Its name.
        name: String,
        /// Its value; nothing where it is sensitive.
        value: Option<serde_json::Value>,
        /// Whether it is sensitive.
        sensitive: bool,
    },
    /// The run has ended.
    RunFinished {
        /// Builds that ended well.
        succeeded: u32,
        /// Builds that failed.
        failed: u32,
        /// Builds that were stopped.
        cancelled: u32,
        /// Whether somebody asked for that, and not the failure of another build.
        interrupted: bool,
        /// Things that could not be removed, or are left on purpose.
        left: usize,
        /// How long it took.
        #[serde(serialize_with = "seconds")]
        took: Duration,
    },
}

/// What kind a line is; Packer's shapes in the plain log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A milestone: `==> name: text`.
    Say,
    /// Detail: `    name: text`.
    Detail,
    /// Output of a command, standard output.
    Stdout,
    /// Output of a command, standard error: `==> name: text`, as Packer shows it.
    Stderr,
    /// Something is wrong, and the run goes on.
    Warning,
    /// Something is wrong.
    Error,
}

/// Where events go. Implementations must not block for long.
pub trait Sink: Send + Sync {
    /// Takes one event.
    fn event(&self, event: &Event);
}

/// Replaces secrets in text. Shared by all of a run; secrets may be added while it goes on.
pub trait Redact: Send + Sync {
    /// The text with every secret replaced.
    fn redact(&self, text: &str) -> String;
    /// The same for lines of output, at whose ends pieces of secrets may stand: programs break lines.
    fn redact_line(&self, text: &str) -> String {
        self.redact(text)
    }
    /// Adds a secret; empty and very short ones are ignored.
    fn add(&self, secret: &str);
}

/// Speaks for one build (or for the run): lines are masked and handed to the sink. Cheap to clone.
#[derive(Clone)]
pub struct Output {
    sink: Arc<dyn Sink>,
    redact: Arc<dyn Redact>,
    build: Option<BuildId>,
    name: Arc<str>,
}

impl Output {
    /// A voice for a build, or for the run when `build` is `None`.
    pub fn new(
        sink: Arc<dyn Sink>,
        redact: Arc<dyn Redact>,
        build: Option<BuildId>,
        name: impl Into<Arc<str>>,
    ) -> Self {
        Self {
            sink,
            redact,
            build,
            name: name.into(),
        }
    }

    /// A milestone.
    pub fn say(&self, text: impl AsRef<str>) {
        self.line(Level::Say, text.as_ref());
    }

    /// Detail.
    pub fn detail(&self, text: impl AsRef<str>) {
        self.line(Level::Detail, text.as_ref());
    }

    /// Something is wrong, and the run goes on.
    pub fn warn(&self, text: impl AsRef<str>) {
        self.line(Level::Warning, text.as_ref());
    }

    /// A line of any level; a text with line ends becomes several.
    pub fn line(&self, level: Level, text: &str) {
        for line in self.redact.redact_line(text).lines() {
            let text = line.trim_end_matches('\r').to_owned();
            self.sink.event(&Event::Line {
                build: self.build,
                name: self.name.to_string(),
                level,
                text,
            });
        }
    }

    /// Progress of a transfer or a wait.
    pub fn progress(&self, what: &str, done: u64, total: Option<u64>) {
        if let Some(build) = self.build {
            self.sink.event(&Event::Progress {
                build,
                what: self.redact.redact(what),
                done,
                total,
            });
        }
    }

    /// Masks secrets in a text that does not go through the sink.
    pub fn redact(&self, text: &str) -> String {
        self.redact.redact(text)
    }

    /// Makes a text a secret from now on.
    pub fn add_secret(&self, secret: &str) {
        self.redact.add(secret);
    }

    /// Makes the value of an option that is a secret by its nature, such as `ssh_password`, a secret from now on, if it is
    /// distinctive; one that the template declares as sensitive is one already.
    pub fn add_undeclared_secret(&self, secret: &str) {
        if imgc_compiler::redact::is_distinctive(secret) {
            self.redact.add(secret);
        }
    }

    /// The build's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn distinct_artifacts<S: serde::Serializer>(
    artifacts: &[Artifact],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    crate::artifact::distinct(artifacts).serialize(serializer)
}

fn step_number<S: serde::Serializer>(step: &StepId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(step.0)
}

fn build_number<S: serde::Serializer>(build: &BuildId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(build.0)
}

fn optional_build_number<S: serde::Serializer>(
    build: &Option<BuildId>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    build.map(|build| build.0).serialize(serializer)
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

fn optional_seconds<S: serde::Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    duration
        .map(|duration| duration.as_secs_f64())
        .serialize(serializer)
}
