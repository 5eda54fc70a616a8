//! The real loop over a connection in memory, as an editor sees it.
#![allow(clippy::unwrap_used)]

mod harness;

mod diagnostics;
mod edits;
mod life;
mod requests;
mod workspace;
