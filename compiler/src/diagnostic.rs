//! Problems as plain data.
//!
//! A [`Diagnostic`] knows where (spans), what (a stable word id, a message) and the way out (help, fixes). It knows no
//! renderer: the command line and the language server adapt it themselves.

pub(crate) mod forms;
pub mod plain;
pub mod registry;

use imgc_syntax::Span;
use serde::Serialize;
use smol_str::SmolStr;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing can be planned or run.
    Error,
    /// Worth a change, yet the template works.
    Warning,
    /// Information.
    Note,
}

/// A second place that explains the first, with what it has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// Why this place is shown; lower case, no full stop.
    pub text: String,
}

/// A replacement of a range of text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// What is replaced; empty for an insertion.
    pub span: Span,
    /// What stands there afterwards.
    pub text: String,
}

impl Edit {
    /// Replace the text of `span`.
    pub fn replace(span: Span, text: impl Into<String>) -> Self {
        Self {
            span,
            text: text.into(),
        }
    }
}

/// How sure it is that a correction says what the author meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Certainty {
    /// The answer is known: a machine may apply it without asking.
    Certain,
    /// It may be meant: a person chooses it.
    Guess,
}

/// A correction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// What applying it does, as a short imperative.
    pub title: String,
    /// The edits, not overlapping.
    pub edits: Vec<Edit>,
    /// Whether a machine may apply it without asking.
    pub certainty: Certainty,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable id in words, `family/name`, declared in [`crate::diagnostic::registry`].
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub span: Span,
    /// What is wrong, in the user's words; lower case, no full stop.
    pub message: String,
    /// Why here; shown under the snippet.
    pub label: Option<String>,
    /// Other places.
    pub labels: Vec<Label>,
    /// What to type or do.
    pub help: Option<String>,
    /// Corrections; several are a choice.
    pub fixes: Vec<Fix>,
    /// The names of options whose absence this is about.
    #[serde(skip)]
    pub lacking: Vec<SmolStr>,
}

impl Diagnostic {
    /// A new error; `id` is one of the registry.
    pub fn error(id: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, id, span, message)
    }

    /// A new warning.
    pub fn warning(id: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, id, span, message)
    }

    /// A remark.
    pub fn note(id: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, id, span, message)
    }

    fn new(severity: Severity, id: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self {
            id,
            severity,
            span,
            message: message.into(),
            label: None,
            labels: Vec::new(),
            help: None,
            fixes: Vec::new(),
            lacking: Vec::new(),
        }
    }

    /// Names options whose absence this is about.
    #[must_use]
    pub fn lacking<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.lacking.extend(names.into_iter().map(SmolStr::from));
        self
    }

    /// Says why the main place is shown.
    #[must_use]
    pub fn here(mut self, text: impl Into<String>) -> Self {
        self.label = Some(text.into());
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    /// Says the way out.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Adds a correction made of one edit, whose answer is known.
    #[must_use]
    pub fn fix(self, title: impl Into<String>, edit: Edit) -> Self {
        self.correct(Certainty::Certain, title, edit)
    }

    /// Adds a correction made of one edit that may be meant: a name its author chose, say.
    #[must_use]
    pub fn guess(self, title: impl Into<String>, edit: Edit) -> Self {
        self.correct(Certainty::Guess, title, edit)
    }

    /// Adds a correction made of one edit.
    #[must_use]
    pub fn correct(mut self, certainty: Certainty, title: impl Into<String>, edit: Edit) -> Self {
        self.fixes.push(Fix {
            title: title.into(),
            edits: vec![edit],
            certainty,
        });
        self
    }

    /// Whether this problem stops the work.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// Sorts by file, then place, then id, and drops exact repetitions: the order in which problems are shown.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| {
        (a.span, a.severity, a.id, &a.message).cmp(&(b.span, b.severity, b.id, &b.message))
    });
    diagnostics.dedup();
}

/// The nearest of `names` to `wanted` (a spelling mistake away), for "did you mean".
///
/// Among very many names only those that begin or end alike are compared, and not all of them, so that a template with
/// thousands of names and of mistakes still answers at once. No more than a third of
/// the letters may be wrong, or the end missing.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// From this many names on, only similar ones are looked at.
    const MANY: usize = 500;
    /// And of those no more than this many.
    const COMPARED: usize = 200;
    /// So much may be missing at the end of a word that is only begun.
    const UNFINISHED: usize = 3;
    // A third of the letters, as in rustc: what differs in more is another word.
    let letters = wanted.chars().count();
    let limit = match letters {
        0 | 1 => 0,
        _ => (letters / 3).clamp(1, 3),
    };
    let begun = |name: &str| letters > 3 && name.starts_with(wanted);
    let folded = wanted.to_lowercase();
    let (first, last) = (folded.bytes().next(), folded.bytes().next_back());
    let similar = |name: &str| {
        let fold = |byte: Option<u8>| byte.map(|byte| byte.to_ascii_lowercase());
        fold(name.bytes().next()) == first && fold(name.bytes().next_back()) == last
    };
    names
        .into_iter()
        .enumerate()
        // A character has at most four bytes.
        .filter(|(_, name)| {
            name.len().abs_diff(wanted.len()) <= limit.max(UNFINISHED) * 4 && *name != wanted
        })
        .filter(|(at, name)| *at < MANY || similar(name))
        .map(|(_, name)| name)
        .take(MANY + COMPARED)
        .map(|name| (strsim::osa_distance(&folded, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= limit || (*distance <= UNFINISHED && begun(name)))
        .min()
        .map(|(_, name)| name)
}

/// How sure it is that `wanted`, which nobody knows, is a slip for `near`: one letter, and no other of `names` is as near.
pub(crate) fn slip<'a>(
    wanted: &str,
    near: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Certainty {
    /// Shorter words are a letter away from too many others.
    const SHORTEST: usize = 4;
    let folded = wanted.to_lowercase();
    let is_near = |name: &str| strsim::osa_distance(&folded, &name.to_lowercase()) <= 1;
    let mut others = names.into_iter().filter(|name| *name != near);
    if wanted.len() >= SHORTEST && is_near(near) && !others.any(is_near) {
        Certainty::Certain
    } else {
        Certainty::Guess
    }
}
