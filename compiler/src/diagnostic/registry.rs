//! Every problem id with its level and one line about it.
//!
//! Each pass declares its ids beside the code that reports them; here they come together, so that `imgc explain`, the
//! pages under `docs/diagnostics/` and the tests see one list. The long text of an id is
//! `docs/diagnostics/<family>/<name>.md`.

use super::Severity;

/// A declared problem.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// `family/name`.
    pub id: &'static str,
    /// Its usual level.
    pub severity: Severity,
    /// One line: what it means; lower case, no full stop.
    pub summary: &'static str,
}

impl Entry {
    /// An error.
    pub const fn error(id: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            severity: Severity::Error,
            summary,
        }
    }

    /// A warning.
    pub const fn warning(id: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            severity: Severity::Warning,
            summary,
        }
    }
}
