//! Byte ranges of one file as locks, held by this process for as long as it lives and no longer: the kernel drops them
//! with it, however it ends.
//!
//! They belong to the open file (OFD locks), not to the process as POSIX locks do: closing another handle of the same
//! file does not drop them, and children that are started do not have them.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// Held while a state is made or brought to a newer form.
pub(crate) const MAKING: i64 = 0;
/// First byte of the runs' locks.
const RUNS: i64 = 1 << 32;
/// First byte of the builds' locks.
const BUILDS: i64 = 1 << 48;

/// The byte of a run, by its number in the state.
pub(crate) fn run(number: i64) -> i64 {
    RUNS + number
}

/// The byte of a build, by its number in the state.
pub(crate) fn build(number: i64) -> i64 {
    BUILDS + number
}

/// The file whose bytes are locked; nothing is ever written to it.
#[derive(Debug)]
pub(crate) struct Locks {
    file: File,
}

impl Locks {
    /// Opens or makes the file.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        Ok(Self { file })
    }

    /// Opens the file to ask only; nothing can be locked through it.
    pub(crate) fn open_to_ask(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
        })
    }

    /// Takes a byte; `false` if somebody else has it.
    pub(crate) fn take(&self, byte: i64) -> io::Result<bool> {
        let range = range(libc::F_WRLCK, byte);
        match fcntl(&self.file, FcntlArg::F_OFD_SETLK(&range)) {
            Ok(_) => Ok(true),
            Err(nix::Error::EAGAIN | nix::Error::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a byte, waiting for it.
    pub(crate) fn wait(&self, byte: i64) -> io::Result<()> {
        let range = range(libc::F_WRLCK, byte);
        loop {
            match fcntl(&self.file, FcntlArg::F_OFD_SETLKW(&range)) {
                Ok(_) => return Ok(()),
                Err(nix::Error::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gives a byte back.
    pub(crate) fn leave(&self, byte: i64) {
        // Unlocking what is open can fail only for a wrong range.
        let _ = fcntl(
            &self.file,
            FcntlArg::F_OFD_SETLK(&range(libc::F_UNLCK, byte)),
        );
    }

    /// Whether somebody else has a byte.
    pub(crate) fn taken_elsewhere(&self, byte: i64) -> io::Result<bool> {
        let mut range = range(libc::F_WRLCK, byte);
        fcntl(&self.file, FcntlArg::F_OFD_GETLK(&mut range))?;
        Ok(i32::from(range.l_type) != libc::F_UNLCK)
    }
}

fn range(kind: i32, byte: i64) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    }
}
