//! State in SQLite: what is remembered from one run to the next, beside the template.
//!
//! In: a directory. Out: [`Sqlite`], an [`imgc_runtime::state::State`] whose every answered call survives power loss, and
//! the locks that keep two processes from making the same build at once.
//!
//! - `open.rs`: finding out what a file is before believing it; making a new one.
//! - `schema.rs`: the tables, and how older forms become the newest.
//! - `writer.rs`: the one thread that writes, many calls in one transaction.
//! - `place.rs`: paths that stay right when the project is moved.
//! - `rows.rs`: the calls of `State` as statements.
//! - `locks.rs`, `hold.rs`: who lives, who works on which build.
//! - `trouble.rs`: SQLite's errors in words.

use imgc_runtime::error::Id;

mod hold;
mod locks;
mod open;
mod place;
mod rows;
mod schema;
mod trouble;
mod writer;

pub use hold::{Hold, Holder};
pub use open::{DATABASE, LOCK, Sqlite};

/// The problem ids of this crate; those of any state are in the runtime's list.
pub const IDS: &[Id] = &[("run/locked", "another process is making the same build")];
