//! SQLite's errors in words: what is wrong with the state and what can be done.

use std::path::Path;

use imgc_runtime::error::{Class, Error};
use rusqlite::ErrorCode;

/// What is the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No space left.
    Full,
    /// It cannot be written.
    ReadOnly,
    /// It is not what was written.
    Damaged,
    /// A newer imgc has written it.
    Newer,
    /// Another process keeps it.
    Busy,
    /// Something else.
    Other,
}

/// A failure that many callers may be told of.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    /// What is the matter.
    pub(crate) kind: Kind,
    /// SQLite's or the system's own words.
    pub(crate) text: String,
}

impl Trouble {
    /// Of a kind, in these words.
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }

    /// As an error about the state in this file.
    pub(crate) fn error(self, path: &Path) -> Error {
        let shown = path.display();
        let (message, help) = match self.kind {
            Kind::Full => (
                format!("cannot write the state `{shown}`: the disk is full"),
                "free some space, or name a directory on another disk with `--state`",
            ),
            Kind::ReadOnly => (
                format!("cannot write the state `{shown}`: it is read-only"),
                "check who owns it and what its mode allows, or name another directory with `--state`",
            ),
            Kind::Damaged => (
                format!("the state `{shown}` is damaged"),
                "put a copy back, or move it away and run `imgc gc`, which finds what it can without it; \
                 finished images are not touched",
            ),
            Kind::Newer => (
                format!("the state `{shown}` was written by a newer imgc"),
                "use that version, or name another directory with `--state`",
            ),
            Kind::Busy => (
                format!("the state `{shown}` is kept busy by another process"),
                "wait until the other process has ended",
            ),
            Kind::Other => (
                format!("cannot use the state `{shown}`"),
                "check the directory, or name another one with `--state`",
            ),
        };
        Error::new(Class::Environment, "run/state", message)
            .help(help)
            .because(self.text)
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        let kind = match &error {
            // What readers and writers share would not fit on the disk.
            rusqlite::Error::SqliteFailure(failure, _)
                if failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE =>
            {
                Kind::Full
            }
            rusqlite::Error::SqliteFailure(failure, _) => kind(failure.code),
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => Kind::Damaged,
            _ => Kind::Other,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let kind = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Kind::Full,
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Kind::ReadOnly,
            _ => Kind::Other,
        };
        Self::new(kind, error.to_string())
    }
}

fn kind(code: ErrorCode) -> Kind {
    match code {
        ErrorCode::DiskFull => Kind::Full,
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Kind::ReadOnly,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Kind::Damaged,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Kind::Busy,
        _ => Kind::Other,
    }
}
