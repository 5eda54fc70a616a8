//! One function for each request: convert, ask `imgc-ide`, convert.

pub(crate) mod actions;
pub(crate) mod commands;
pub(crate) mod completion;
pub(crate) mod diagnostics;
pub(crate) mod editing;
pub(crate) mod hover;
pub(crate) mod marks;
pub(crate) mod navigation;
pub(crate) mod outline;
pub(crate) mod tokens;

use gen_lsp_types::{MarkupContent, MarkupKind};

/// A text in Markdown; as it is for a client that shows plain texts.
fn markup(text: String, markdown: bool) -> MarkupContent {
    let kind = match markdown {
        true => MarkupKind::Markdown,
        false => MarkupKind::PlainText,
    };
    MarkupContent { kind, value: text }
}
