//! New names.

use crate::text::TextRange;

/// What would be renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenameTarget {
    /// The name under the cursor, without quotes.
    pub range: TextRange,
    /// The name as it is now.
    pub name: String,
}

/// Why something cannot be renamed; lower case, no full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenameRefused(pub String);
