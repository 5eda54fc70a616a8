//! Files and pages that a template names.

use std::path::PathBuf;

use crate::text::TextRange;

/// A text that leads elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentLink {
    /// The text, without quotes.
    pub range: TextRange,
    /// Where it leads.
    pub target: LinkTarget,
}

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkTarget {
    /// A file or a directory.
    Path(PathBuf),
    /// A page of the web.
    Url(String),
}
