//! Changes offered at a place.

use std::path::Path;

use crate::analysis::{Analysis, Cancellable};
use crate::text::{TextRange, WorkspaceEdit};

/// A change that is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeAction {
    /// What it does, as a short imperative.
    pub title: String,
    /// What kind of change.
    pub kind: ActionKind,
    /// The change.
    pub edit: WorkspaceEdit,
    /// The problem it solves: its id and place.
    pub solves: Option<(&'static str, TextRange)>,
    /// The best of those offered for a problem.
    pub preferred: bool,
}

/// The kinds of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActionKind {
    /// Solves a problem.
    QuickFix,
    /// Gives a part a name.
    Extract,
    /// Says the same in another way.
    Rewrite,
}

pub(crate) fn of(
    analysis: &Analysis,
    path: &Path,
    range: TextRange,
) -> Cancellable<Vec<CodeAction>> {
    let _ = (analysis, path, range);
    Ok(Vec::new())
}
