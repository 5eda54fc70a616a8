//! All uses in a file of the name under the cursor.

use crate::text::TextRange;

/// A use of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Highlight {
    /// Where.
    pub range: TextRange,
    /// Which kind of use.
    pub kind: HighlightKind,
}

/// The kinds of uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HighlightKind {
    /// It is used.
    Read,
    /// It is declared, or a value is given.
    Write,
}
