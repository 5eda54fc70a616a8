//! What can go wrong while running, and whose matter it is.

use imgc_compiler::components::Problem;

/// Result of an operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whose matter a failure is: decides exit code, wording, and whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The template asks for something that cannot be.
    Template,
    /// This machine: a missing program, a full disk, a missing right.
    Environment,
    /// The other side: a host that does not answer, a service that refuses.
    Remote,
    /// What the user runs failed: a script with a non-zero exit.
    Provisioning,
    /// Took too long.
    Timeout,
    /// Stopped on request.
    Cancelled,
    /// Our mistake.
    Bug,
}

/// A failure: what was attempted, why it failed, the way out.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Whose matter it is.
    pub class: Class,
    /// Stable id in words, `run/name`, declared in [`crate::error::IDS`].
    pub id: &'static str,
    /// What is wrong, lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The options it is about, whether they are given or missing.
    pub options: Vec<String>,
    /// Whether doing it again may go well, where a component knows better than the class.
    pub again: Option<bool>,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A failure with an id of [`IDS`].
    pub fn new(class: Class, id: &'static str, message: impl Into<String>) -> Self {
        Self {
            class,
            id,
            message: message.into(),
            help: None,
            options: Vec::new(),
            again: None,
            source: None,
        }
    }

    /// Marks a failure that may be gone when it is tried again: a service that is overloaded, a name that is not known
    /// yet.
    #[must_use]
    pub fn transient(mut self) -> Self {
        self.again = Some(true);
        self
    }

    /// Marks a failure that trying again does not mend: a refused login, a component that has waited by itself.
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.again = Some(false);
        self
    }

    /// Whether doing it again may go well: as the component says, else by class. Never where the template, a request to
    /// stop, this machine or a mistake of ours is the cause.
    pub fn is_transient(&self) -> bool {
        match self.class {
            Class::Template | Class::Cancelled | Class::Environment | Class::Bug => false,
            Class::Remote => self.again.unwrap_or(true),
            Class::Provisioning | Class::Timeout => self.again.unwrap_or(false),
        }
    }

    /// Says the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Names an option that it is about.
    #[must_use]
    pub fn of(mut self, option: impl Into<String>) -> Self {
        self.options.push(option.into());
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Stopped on request.
    pub fn cancelled() -> Self {
        Self::new(Class::Cancelled, "run/cancelled", "stopped on request")
    }

    /// Message and causes, joined by `: `.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            next = cause.source();
        }
        text
    }
}

/// What is said of it before the run.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self {
            message: error.chain(),
            options: error.options,
            help: error.help,
        }
    }
}

/// A problem id of a run, with one line about it.
pub type Id = (&'static str, &'static str);

/// The ids of this crate; leaf crates have lists of their own, which the command line joins.
pub const IDS: &[Id] = &[
    ("run/artifact", "an artifact cannot be read or removed"),
    (
        "run/bad-option",
        "an option has a value its component cannot use",
    ),
    ("run/cache", "the cache cannot be read or written"),
    ("run/cancelled", "the run was stopped on request"),
    ("run/checksum", "a checksum file cannot be written"),
    ("run/compress", "an archive cannot be written"),
    (
        "run/deadline",
        "a build, or the whole run, took longer than its time limit",
    ),
    (
        "run/disconnected",
        "a script lost the connection to its machine",
    ),
    (
        "run/exit-code",
        "a command ended with an exit code that is not allowed",
    ),
    (
        "run/fail-fast",
        "a build was stopped because another one failed",
    ),
    (
        "run/file-builder",
        "the builder `file` cannot write its target",
    ),
    ("run/leftovers", "something could not be removed"),
    (
        "run/local-file",
        "a file of this machine cannot be read or written",
    ),
    (
        "run/local-process",
        "a program of this machine cannot be started",
    ),
    (
        "run/lock-drift",
        "something outside is not as the lock file has it",
    ),
    ("run/log-file", "a log file cannot be written"),
    ("run/manifest", "the manifest cannot be read or written"),
    (
        "run/needed-build",
        "a build whose artifact is needed has failed",
    ),
    (
        "run/missing-file",
        "a file named in the template does not exist",
    ),
    (
        "run/missing-option",
        "an option that is needed has no value",
    ),
    (
        "run/no-component",
        "a component is not part of this program",
    ),
    (
        "run/no-machine",
        "a provisioner needs a machine and the build has none",
    ),
    (
        "run/options",
        "an option cannot be evaluated with the values of the running build",
    ),
    ("run/panic", "a component failed by our own mistake"),
    ("run/resume", "there is no run to go on with"),
    (
        "run/scratch",
        "the directory for temporary files cannot be made",
    ),
    (
        "run/secret-argument",
        "a secret would stand on a command line",
    ),
    (
        "run/state",
        "what must be remembered of a run cannot be written or read",
    ),
    (
        "run/template",
        "a Go template in an option cannot be rendered",
    ),
    ("run/timeout", "a step took longer than its `timeout`"),
    (
        "run/unknown-option",
        "an option is still unknown while its step runs",
    ),
];
