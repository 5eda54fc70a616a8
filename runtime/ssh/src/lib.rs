//! The `ssh` communicator, on the system's OpenSSH.
//!
//! In: a source's options and what its builder knows of the machine. Out: a
//! [`Machine`](imgc_runtime::machine::Machine): one connection, held by one `ssh` process (the control master), over
//! which all commands and transfers run. The user's `ssh_config` is not read, as with Packer: a template means the same
//! everywhere. The user's `known_hosts` is read and never written.

mod communicator;
mod connection;
mod dial;
mod directory;
mod ending;
mod host_keys;
mod janitor;
mod keys;
mod lines;
mod machine;
mod master;
mod pack;
pub mod probe;
mod remover;
mod settings;
mod shell;
mod socks;
mod transfer;
mod wait;

use imgc_runtime::error::Id;

pub use communicator::SshCommunicator;
pub use remover::RemoteFiles;
pub use settings::{HostKeyPolicy, check};

/// The problems of this crate.
pub const IDS: &[Id] = &[
    (
        "run/ssh-option",
        "an option of the ssh communicator is wrong or missing",
    ),
    (
        "run/ssh-missing-program",
        "a program of OpenSSH's client is missing on this machine",
    ),
    (
        "run/ssh-directory",
        "the directory for a connection's files cannot be written",
    ),
    (
        "run/ssh-key-file",
        "the private key cannot be used as it is",
    ),
    ("run/ssh-name", "the name of the machine cannot be resolved"),
    (
        "run/ssh-refused",
        "nothing listens on the machine's ssh port",
    ),
    ("run/ssh-unreachable", "there is no route to the machine"),
    ("run/ssh-timeout", "the machine does not answer in time"),
    (
        "run/ssh-no-banner",
        "the port is open, but no ssh server answers on it",
    ),
    (
        "run/ssh-closed",
        "the machine closes the connection before the login",
    ),
    (
        "run/ssh-negotiation",
        "the two sides have no algorithm in common",
    ),
    (
        "run/ssh-host-key",
        "the machine's host key cannot be trusted",
    ),
    ("run/ssh-authentication", "the machine refuses the login"),
    (
        "run/ssh-proxy",
        "the proxy does not let the connection through",
    ),
    ("run/ssh-tunnel", "a tunnel cannot be made"),
    ("run/ssh-session", "the ssh server opens no further session"),
    (
        "run/ssh-disconnected",
        "the connection to the machine was lost",
    ),
    (
        "run/ssh-command",
        "a command that had to succeed failed on the machine",
    ),
    (
        "run/ssh-local-file",
        "a file of this machine cannot be read or written",
    ),
    (
        "run/ssh-transfer",
        "files cannot be copied to or from the machine",
    ),
    (
        "run/ssh-attributes",
        "owner, group or mode cannot be set on the machine",
    ),
];
