//! Bodies as text again: what `imgc convert` writes.
//!
//! In: a [`Body`](crate::hir::Body) of whatever language, and the [`Comments`] of the text it came from. Out: a text of
//! the target language that lowers to an equal body. A body does not know blank lines, comments or how a list was laid
//! out; [`Comments`] does, as a table beside it.

mod annotate;
pub mod comments;
mod data;
mod document;
mod foreign;
pub mod hcl;
pub mod json;
pub mod names;
pub mod scan;
mod tidy;
pub mod toml;
mod upgrade;
mod walk;

pub use annotate::annotate;
pub use comments::{Comment, Comments};
pub use document::{Document, Language};
pub use upgrade::Note;

/// Whether the order between blocks of a kind counts, so that all of them stand in one list.
fn is_ordered(kind: &str) -> bool {
    matches!(
        kind,
        "build"
            | "provisioner"
            | "provisioners"
            | "post-processor"
            | "post-processors"
            | "error-cleanup-provisioner"
            | "dynamic"
    )
}

/// Whether an attribute of blocks of a kind is read as a word of the language rather than as a value.
fn is_word(kind: &str, attribute: &str) -> bool {
    matches!(
        (kind, attribute),
        ("variable", "type") | ("source", "extends") | ("dynamic", "iterator")
    )
}

/// Lines of comments that have to stand on one.
fn one_line(lines: &[String]) -> String {
    let lines = lines.iter().filter(|line| *line != comments::BLANK);
    lines.map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}
