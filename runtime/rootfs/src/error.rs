//! The problems of this crate: their ids, whose matter each is, and how a failure travels out of the helper process.

use std::io;

use imgc_runtime::error::{Class, Error, Id};
use serde::{Deserialize, Serialize};

/// Ids of the problems a rootfs build can end with, one line about each.
pub const IDS: &[Id] = &[
    (
        OPTIONS,
        "options of a rootfs source contradict each other or cannot be read",
    ),
    (
        PROGRAM,
        "a program that the rootfs builder needs is not installed",
    ),
    (
        NAMESPACES,
        "the kernel or its settings do not permit the namespaces or mounts of a rootfs build",
    ),
    (
        USER_RANGE,
        "an ordinary user has no range of subordinate user and group ids",
    ),
    (
        ARCHITECTURE,
        "commands of the image's architecture cannot run on this machine",
    ),
    (
        BASE_MISSING,
        "what a root file system is to be built from is not there",
    ),
    (
        BASE_INVALID,
        "what a root file system is to be built from cannot be read",
    ),
    (
        PACKAGE_SOURCE,
        "no package source is known for the distribution",
    ),
    (BOOTSTRAP, "the distribution could not be bootstrapped"),
    (DISK_FULL, "there is not enough disk space"),
    (DISK_SIZE, "the disk image is too small for its content"),
    (OUTPUT_EXISTS, "the output directory exists already"),
    (OUTPUT, "an output could not be written"),
    (IMAGE_TOOL, "a program that makes disk images failed"),
    (
        NO_SHELL,
        "the root file system has no shell to run a command with",
    ),
    (
        COMMAND,
        "a command could not be run in the root file system",
    ),
    (
        QUERY,
        "a command whose answer is needed failed in the root file system",
    ),
    (
        TRANSFER,
        "a file could not be copied into or out of the root file system",
    ),
    (LAYER, "a layer could not be mounted, packed or unpacked"),
    (
        LEFT_BEHIND,
        "something of a rootfs build could not be removed",
    ),
];

pub(crate) const OPTIONS: &str = "run/rootfs-options";
pub(crate) const PROGRAM: &str = "run/rootfs-program-missing";
pub(crate) const NAMESPACES: &str = "run/rootfs-namespaces";
pub(crate) const USER_RANGE: &str = "run/rootfs-user-range";
pub(crate) const ARCHITECTURE: &str = "run/rootfs-architecture";
pub(crate) const BASE_MISSING: &str = "run/rootfs-base-missing";
pub(crate) const BASE_INVALID: &str = "run/rootfs-base-invalid";
pub(crate) const PACKAGE_SOURCE: &str = "run/rootfs-package-source";
pub(crate) const BOOTSTRAP: &str = "run/rootfs-bootstrap";
pub(crate) const DISK_FULL: &str = "run/rootfs-disk-full";
pub(crate) const DISK_SIZE: &str = "run/rootfs-disk-size";
pub(crate) const OUTPUT_EXISTS: &str = "run/rootfs-output-exists";
pub(crate) const OUTPUT: &str = "run/rootfs-output";
pub(crate) const IMAGE_TOOL: &str = "run/rootfs-image-tool";
pub(crate) const NO_SHELL: &str = "run/rootfs-no-shell";
pub(crate) const COMMAND: &str = "run/rootfs-command";
pub(crate) const QUERY: &str = "run/rootfs-query";
pub(crate) const TRANSFER: &str = "run/rootfs-transfer";
pub(crate) const LAYER: &str = "run/rootfs-layer";
pub(crate) const LEFT_BEHIND: &str = "run/rootfs-left-behind";

/// Whose matter a problem is.
fn class(id: &str) -> Class {
    match id {
        OPTIONS | BASE_MISSING | BASE_INVALID | DISK_SIZE | NO_SHELL => Class::Template,
        QUERY => Class::Provisioning,
        BOOTSTRAP => Class::Remote,
        _ => Class::Environment,
    }
}

/// A failure inside the helper process, as it crosses to the builder.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// An id of [`IDS`].
    pub(crate) id: String,
    /// What is wrong, causes included.
    pub(crate) message: String,
    /// The way out.
    pub(crate) help: Option<String>,
}

/// Result of work in the helper.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub(crate) fn new(id: &str, message: impl Into<String>) -> Self {
        Self {
            id: id.to_owned(),
            message: message.into(),
            help: None,
        }
    }

    /// Says the way out.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// A failed operation on files. A full disk is told apart whatever the operation was.
    pub(crate) fn io(id: &str, what: impl std::fmt::Display, error: &io::Error) -> Self {
        if is_disk_full(error) {
            return Self::new(DISK_FULL, format!("{what}: no space left on the disk"))
                .help(
                    "free some space on the disk where that is; TMPDIR says where machines are made, `-state` (or \
                     IMGC_STATE) where their layers are kept",
                );
        }
        Self::new(id, format!("{what}: {}", plain(error)))
    }
}

/// Adds to a failed operation what was attempted.
pub(crate) trait Attempt<T> {
    /// Turns the error into a [`Failure`] with this id; `what` says what was attempted.
    fn attempt<D: std::fmt::Display>(self, id: &str, what: impl FnOnce() -> D) -> Outcome<T>;
}

impl<T> Attempt<T> for io::Result<T> {
    fn attempt<D: std::fmt::Display>(self, id: &str, what: impl FnOnce() -> D) -> Outcome<T> {
        self.map_err(|error| Failure::io(id, what(), &error))
    }
}

impl<T> Attempt<T> for nix::Result<T> {
    fn attempt<D: std::fmt::Display>(self, id: &str, what: impl FnOnce() -> D) -> Outcome<T> {
        self.map_err(io::Error::from).attempt(id, what)
    }
}

impl<T> Attempt<T> for rustix::io::Result<T> {
    fn attempt<D: std::fmt::Display>(self, id: &str, what: impl FnOnce() -> D) -> Outcome<T> {
        self.map_err(io::Error::from).attempt(id, what)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        // An id outside the list can only come from a helper of another version: the message still tells what is wrong.
        let id = IDS
            .iter()
            .find(|(id, _)| *id == failure.id)
            .map_or(COMMAND, |(id, _)| id);
        let error = Self::new(class(id), id, failure.message);
        match failure.help {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

/// A failure on the builder's side.
pub(crate) fn fail(id: &'static str, message: impl Into<String>) -> Error {
    Error::new(class(id), id, message)
}

/// Whether the disk, or the user's share of it, is full.
pub(crate) fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// The text of an operating system's error without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    // Not where a file's name stands before it.
    if error.raw_os_error().is_some() {
        words.to_lowercase()
    } else {
        words.to_owned()
    }
}
