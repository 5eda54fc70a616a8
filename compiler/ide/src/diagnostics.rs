//! The compiler's problems, file by file.

use std::path::PathBuf;

use imgc_compiler::diagnostic::Severity;

use crate::text::{Location, TextEdit, TextRange};

/// The problems of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblems {
    /// The file.
    pub path: PathBuf,
    /// In the order of the text; empty where the file is fine.
    pub problems: Vec<Problem>,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable id in words, `family/name`; its page is `docs/diagnostics/FAMILY/NAME.md`.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is; empty and at 0 where the file as a whole is meant.
    pub range: TextRange,
    /// What is wrong.
    pub message: String,
    /// Why here.
    pub label: Option<String>,
    /// The way out.
    pub help: Option<String>,
    /// Other places.
    pub related: Vec<Related>,
    /// How to show it.
    pub tag: Option<Tag>,
    /// Corrections that a machine can apply: title, and edits by file.
    pub fixes: Vec<(String, Vec<(PathBuf, TextEdit)>)>,
}

/// A second place that explains a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub location: Location,
    /// What it has to say.
    pub message: String,
}

/// How an editor may show a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Faded: nothing uses it.
    Unused,
    /// Struck through: better not used any more.
    Deprecated,
}
