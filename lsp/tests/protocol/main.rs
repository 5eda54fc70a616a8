//! The real loop over a connection in memory, as an editor sees it.
#![allow(clippy::unwrap_used)]

mod diagnostics;
mod edits;
mod harness;
mod life;
mod many;
mod requests;
mod templates;
mod workspace;
