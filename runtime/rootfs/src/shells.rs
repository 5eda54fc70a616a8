//! Shells that people open in a running build (`imgc attach`), as the builder sees them.
//!
//! A file in the build's directory stands for the permission to enter: it has what a shell needs to know, the
//! environment of the provisioners' commands included, for the user of the run only. An open shell holds a lock on it.
//! The side of the shell is in `helper/shell.rs`.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imgc_runtime::Result;
use imgc_runtime::context::Context;

use crate::error::{LAYER, fail};
use crate::job::Run;

/// How often it is looked whether the shells are closed.
const POLL: Duration = Duration::from_millis(200);

/// The file that shells need.
#[derive(Debug)]
pub(crate) struct Shells {
    file: PathBuf,
}

impl Shells {
    /// Those of the build with the directory `work`.
    pub(crate) fn new(work: &Path) -> Self {
        Self {
            file: work.join("attach"),
        }
    }

    /// Permits to enter; gives the file. `None` where it cannot be written.
    pub(crate) fn open(&self, command: &Run) -> Option<&Path> {
        if self.file.exists() {
            return Some(&self.file);
        }
        let text = serde_json::to_vec(command).ok()?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let written = options
            .open(&self.file)
            .and_then(|mut file| file.write_all(&text));
        if written.is_err() {
            self.close();
        }
        written.ok().map(|()| self.file.as_path())
    }

    /// Permits nobody to enter any more.
    pub(crate) fn close(&self) {
        // It goes with the build's directory at the latest.
        let _ = std::fs::remove_file(&self.file);
    }

    /// Waits until no shell is open; as long as the guard lives none is opened.
    pub(crate) async fn closed(&self, cx: &Context) -> Result<Option<File>> {
        let Ok(file) = File::open(&self.file) else {
            return Ok(None);
        };
        let mut waiting = None;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(file)),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    let message = format!("{} cannot be locked", self.file.display());
                    return Err(fail(LAYER, message).because(error));
                }
            }
            if waiting.is_none() {
                cx.output
                    .say("Waiting until the shells that `imgc attach` has opened are closed");
                waiting = Some(cx.waiting("shells to be closed"));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether anybody has been in: what a step left is then not its work alone.
    pub(crate) fn used(&self) -> bool {
        self.file.with_extension("used").exists()
    }
}
