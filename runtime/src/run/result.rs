//! The outcome of a run, and the exit codes.

use std::time::Duration;

use imgc_compiler::diagnostic::Diagnostic;
use imgc_compiler::plan::{BuildId, StepId};

use super::outputs::OutputValue;
use crate::artifact::Artifact;
use crate::builder::Pin;
use crate::error::{Class, Error};
use crate::event::Redact;
use crate::ledger::Record;

/// How a run ended.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// Its id.
    pub run_id: String,
    /// The builds, in plan order.
    pub builds: Vec<BuildOutcome>,
    /// The steps that ran or were skipped, in plan order.
    pub timings: Vec<Timing>,
    /// What was made, is not part of an artifact and is still there, newest first.
    pub leftovers: Vec<Record>,
    /// The template's outputs that have a value, in template order.
    pub outputs: Vec<OutputValue>,
    /// What went wrong with outputs.
    pub output_failures: Vec<Failure>,
    /// What builders found to have moved away from what was known, where they had to look again.
    pub moved: Vec<Pin>,
    /// How long it took.
    pub took: Duration,
}

/// How a build ended.
#[derive(Clone, Debug)]
pub struct BuildOutcome {
    /// Which.
    pub id: BuildId,
    /// As Packer shows it.
    pub name: String,
    /// Its address.
    pub address: String,
    /// What it yielded and keeps; may be some even where it failed, since finished means kept.
    pub artifacts: Vec<Artifact>,
    /// Its first failure.
    pub error: Option<Failure>,
    /// Whether it was stopped on request.
    pub cancelled: bool,
    /// Whether nothing of it had to run.
    pub up_to_date: bool,
    /// How long it took.
    pub took: Duration,
}

/// A failure, ready to be shown: secrets masked.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Whose matter it is.
    pub class: Class,
    /// Id of the problem, `run/…`.
    pub id: &'static str,
    /// What is wrong, causes included.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
    /// The step or build it happened in.
    pub address: String,
    /// Problems that name places in the template.
    pub diagnostics: Vec<Diagnostic>,
}

impl Failure {
    /// Of an error in a step or build.
    pub fn of(error: &Error, address: &str, redact: &dyn Redact) -> Self {
        Self {
            class: error.class,
            id: error.id,
            message: redact.redact(&error.chain()),
            help: error.help.as_deref().map(|help| redact.redact(help)),
            address: address.to_owned(),
            diagnostics: Vec::new(),
        }
    }

    /// The same with problems that name places in the template.
    pub(crate) fn at(mut self, mut diagnostics: Vec<Diagnostic>, redact: &dyn Redact) -> Self {
        for diagnostic in &mut diagnostics {
            crate::redact::diagnostic(diagnostic, redact);
        }
        self.diagnostics = diagnostics;
        self
    }
}

/// How long a step took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Which.
    pub step: StepId,
    /// Its address.
    pub address: String,
    /// All attempts and waits between them; not `pause_before`.
    pub took: Duration,
    /// How it ended.
    pub outcome: StepOutcome,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// Well.
    Finished,
    /// Badly.
    Failed,
    /// Badly, and the template says to go on.
    Ignored,
    /// Stopped on request.
    Cancelled,
    /// It did not run.
    Skipped,
    /// It did not run, since what it would do has been done.
    Reused,
}

/// An exit code and what it stands for.
pub type ExitCode = (u8, &'static str);

/// The exit codes of the command line, by cause.
///
/// Packer knows 0 and 1 only, so scripts written for it see success and failure as before.
pub const EXIT_CODES: &[ExitCode] = &[
    (0, "everything was done"),
    (
        1,
        "a build failed in what it ran: a script, a command; or builds failed from different causes",
    ),
    (2, "the command line is wrong"),
    (
        3,
        "the template is wrong, or asks for something that cannot be",
    ),
    (
        4,
        "this machine: a missing program, a full disk, a missing right, something that could not be removed",
    ),
    (
        5,
        "the other side: a host that does not answer, a service that refuses",
    ),
    (
        6,
        "a step, a build or the run took longer than its time limit",
    ),
    (
        7,
        "something outside has moved away from the lock file, and `-locked` stands there",
    ),
    (70, "a mistake of this program; please report it"),
    (130, "stopped on request"),
];

/// The problem that has a code of its own.
pub(super) const DRIFT: &str = "run/lock-drift";

/// The exit code of a class of failures.
pub fn class_code(class: Class) -> u8 {
    match class {
        Class::Provisioning => 1,
        Class::Template => 3,
        Class::Environment => 4,
        Class::Remote => 5,
        Class::Timeout => 6,
        Class::Bug => 70,
        Class::Cancelled => 130,
    }
}

/// The exit code of a run: a request to stop comes first, then our mistakes; one cause has its own code, several
/// causes together have 1.
pub fn exit_code(result: &RunResult) -> u8 {
    if result.builds.iter().any(is_cancelled) {
        return class_code(Class::Cancelled);
    }
    let mut codes: Vec<u8> = result
        .builds
        .iter()
        .filter_map(|build| build.error.as_ref())
        .filter(|failure| is_own(failure))
        .chain(&result.output_failures)
        .map(|failure| match failure.id {
            DRIFT => 7,
            _ => class_code(failure.class),
        })
        .collect();
    codes.sort_unstable();
    codes.dedup();
    match codes[..] {
        [] if result.leftovers.is_empty() => 0,
        [] => class_code(Class::Environment),
        [code] => code,
        _ if codes.contains(&70) => 70,
        _ => 1,
    }
}

/// Whether a build has a cause of its own for its failure: one that was stopped for another one's sake has none.
fn is_own(failure: &Failure) -> bool {
    failure.id != super::stop::FAIL_FAST
}

/// Whether a build was stopped from outside.
pub(super) fn is_cancelled(build: &BuildOutcome) -> bool {
    build.cancelled && build.error.as_ref().is_some_and(is_own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(classes: &[Option<Class>]) -> RunResult {
        RunResult {
            run_id: String::new(),
            builds: classes
                .iter()
                .map(|class| BuildOutcome {
                    id: BuildId(0),
                    name: String::new(),
                    address: String::new(),
                    artifacts: Vec::new(),
                    error: class.map(|class| Failure {
                        class,
                        id: "run/x",
                        message: String::new(),
                        help: None,
                        address: String::new(),
                        diagnostics: Vec::new(),
                    }),
                    cancelled: *class == Some(Class::Cancelled),
                    up_to_date: false,
                    took: Duration::ZERO,
                })
                .collect(),
            timings: Vec::new(),
            moved: Vec::new(),
            leftovers: Vec::new(),
            outputs: Vec::new(),
            output_failures: Vec::new(),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn codes_follow_the_causes() {
        let cases: [(&[Option<Class>], u8); 6] = [
            (&[None, None], 0),
            (&[None, Some(Class::Provisioning)], 1),
            (&[Some(Class::Remote), Some(Class::Remote)], 5),
            (&[Some(Class::Remote), Some(Class::Timeout)], 1),
            (&[Some(Class::Remote), Some(Class::Bug)], 70),
            (&[Some(Class::Cancelled), Some(Class::Bug)], 130),
        ];
        for (classes, code) in cases {
            assert_eq!(exit_code(&result(classes)), code, "{classes:?}");
            assert!(EXIT_CODES.iter().any(|(known, _)| *known == code));
        }
    }
}
