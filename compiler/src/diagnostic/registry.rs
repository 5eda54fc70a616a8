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

    /// A remark.
    pub const fn note(id: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            severity: Severity::Note,
            summary,
        }
    }
}

/// All declared problems of the compiler, sorted by id.
pub fn all() -> Vec<Entry> {
    let syntax = imgc_syntax::hcl::ERROR_IDS
        .iter()
        .map(|(id, summary)| Entry::error(id, summary));
    let mut all: Vec<Entry> = [
        crate::load::IDS,
        crate::lower::hcl::IDS,
        crate::lower::json::IDS,
        crate::lower::legacy::IDS,
        crate::lower::structure::IDS,
        crate::lower::toml::IDS,
        crate::module::IDS,
        crate::types::IDS,
        crate::eval::IDS,
        crate::scope::IDS,
        crate::artifacts::IDS,
        crate::modules::IDS,
        crate::variables::IDS,
        crate::names::IDS,
        crate::configure::IDS,
        crate::plan::IDS,
        crate::plan::REPEAT_IDS,
        crate::plan::EXTENDS_IDS,
        crate::plan::GROUP_IDS,
        crate::compile::IDS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .chain(syntax)
    .collect();
    all.sort_by_key(|entry| entry.id);
    all
}
