//! The arguments of the function call around the cursor.

use crate::text::TextRange;

/// A function's parameters while its call is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureHelp {
    /// The whole signature: `join(separator: string, lists: list(string)...) -> string`.
    pub label: String,
    /// Where in `label` each parameter stands.
    pub parameters: Vec<TextRange>,
    /// The parameter that is being written, if there is one.
    pub active: Option<u32>,
    /// One sentence about the function and an example, in Markdown.
    pub documentation: String,
}
