//! Real servers on loopback, for tests and benchmarks.
//!
//! [`Sshd`] is the system's OpenSSH server with keys, configuration and (as root) accounts of its own. [`DelayProxy`]
//! stands in for a distant host or a line that breaks. [`Moto`] answers as AWS does, and [`Cloud`] behaves as AWS does,
//! with machines, waiting, and all that goes wrong. [`tree`] makes directories of small files to copy. [`editor`] is the
//! other end of a language server. Everything ends and disappears when the value is dropped; nothing is read from or
//! written to the user's own ssh files.

pub mod cloud;
pub mod editor;
mod moto;
mod proxy;
mod sshd;
pub mod tree;

pub use cloud::Cloud;
pub use moto::Moto;
pub use proxy::DelayProxy;
pub use sshd::{FOREIGN_KEY, ORDINARY_USER, Options, PASSWORD, Sshd};

/// Ends a test that needs root where it is not. The names of such tests begin with `as_root_`, so that ordinary users leave
/// them out by name (`cargo nextest run --profile ordinary`), where they are counted as skipped.
///
/// # Panics
/// As an ordinary user.
pub fn require_root() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test needs root; `--profile ordinary` leaves out those that do"
    );
}
