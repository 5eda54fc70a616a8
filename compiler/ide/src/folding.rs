//! What can be folded away.

use crate::text::TextRange;

/// A part of a file that can be folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fold {
    /// From where to where; it goes over more than one line.
    pub range: TextRange,
    /// What it is.
    pub kind: FoldKind,
}

/// The kinds of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FoldKind {
    /// A block, a list, an object.
    Region,
    /// Lines of comments.
    Comment,
}
