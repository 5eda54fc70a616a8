//! The builders of this crate: `null` (a machine that exists) and `file` (no machine at all).

mod file;
mod null;

pub use file::File;
pub use null::Null;
