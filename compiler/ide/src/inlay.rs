//! Values and types beside the text.

/// A note shown in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlayHint {
    /// Behind this offset.
    pub offset: u32,
    /// What is shown, without blanks around it.
    pub label: String,
    /// What it says.
    pub kind: InlayKind,
    /// More about it, in Markdown.
    pub tooltip: Option<String>,
}

/// What a note says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InlayKind {
    /// The type of a local.
    Type,
    /// The value of a variable.
    Value,
}
