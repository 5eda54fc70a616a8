//! Places and edits as byte offsets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use imgc_compiler::Span;

/// A range of bytes of one file; `start <= end`, both on character boundaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextRange {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl TextRange {
    /// The bytes from `start` to `end`.
    pub fn new(start: u32, end: u32) -> Self {
        Self {
            start,
            end: end.max(start),
        }
    }

    /// A mere position.
    pub fn at(offset: u32) -> Self {
        Self::new(offset, offset)
    }

    /// Whether `offset` is in it or at either end of it.
    pub fn touches(self, offset: u32) -> bool {
        self.start <= offset && offset <= self.end
    }

    /// Whether all of `other` is in it.
    pub fn covers(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// Whether they share a byte, or touch.
    pub fn meets(self, other: Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    /// The text of it; empty where it is not one of `text`.
    pub fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

impl From<Span> for TextRange {
    fn from(span: Span) -> Self {
        Self::new(span.start, span.end)
    }
}

impl From<(u32, u32)> for TextRange {
    fn from((start, end): (u32, u32)) -> Self {
        Self::new(start, end)
    }
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub range: TextRange,
}

/// Where a definition is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// The file.
    pub path: PathBuf,
    /// All of the definition, such as a block.
    pub range: TextRange,
    /// The part that says its name; inside of `range`.
    pub focus: TextRange,
}

/// A replacement of a range of text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextEdit {
    /// What is replaced; empty for an insertion.
    pub range: TextRange,
    /// What stands there afterwards.
    pub text: String,
}

impl TextEdit {
    /// Replaces `range` by `text`.
    pub fn replace(range: impl Into<TextRange>, text: impl Into<String>) -> Self {
        Self {
            range: range.into(),
            text: text.into(),
        }
    }

    /// Puts `text` at `offset`.
    pub fn insert(offset: u32, text: impl Into<String>) -> Self {
        Self::replace(TextRange::at(offset), text)
    }
}

/// Changes in several files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkspaceEdit {
    /// By file; in each sorted by place, not overlapping.
    pub edits: BTreeMap<PathBuf, Vec<TextEdit>>,
    /// Files to make, with their texts, before anything else is done.
    pub create: Vec<(PathBuf, String)>,
    /// Files to remove, after everything else.
    pub delete: Vec<PathBuf>,
}

impl WorkspaceEdit {
    /// Adds an edit, unless it is there already.
    pub fn add(&mut self, path: impl Into<PathBuf>, edit: TextEdit) {
        let edits = self.edits.entry(path.into()).or_default();
        if let Err(at) = edits.binary_search(&edit) {
            edits.insert(at, edit);
        }
    }

    /// Edits of one file.
    pub fn of_file(path: impl Into<PathBuf>, edits: impl IntoIterator<Item = TextEdit>) -> Self {
        let mut all = Self::default();
        let path = path.into();
        for edit in edits {
            all.add(path.clone(), edit);
        }
        all
    }
}
