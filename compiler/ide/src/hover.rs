//! What is known of what is under the cursor.

use crate::text::TextRange;

/// What is shown under the pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hover {
    /// What it is about.
    pub range: TextRange,
    /// The text, in Markdown.
    pub markdown: String,
}
