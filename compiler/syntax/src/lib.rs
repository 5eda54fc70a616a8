//! Text, spans and lossless syntax trees.
//!
//! In: the text of one file. Out: a tree that gives back every byte, and the problems found in it.
//! Nothing here knows what a template means; no other crate of the workspace is used.

pub mod conflict;
pub mod hcl;
pub mod span;

pub use span::{FileId, Span};
