//! Machines that are kept waiting for somebody: after a failure (`-on-failure=hold`), at a breakpoint.
//!
//! A file in the run's directory stands for each; whoever removes it lets the run go on. That needs no server and no
//! protocol, works for whoever may write in that directory, and ends with it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a machine is held unless said otherwise.
pub const HOLD: Duration = Duration::from_secs(3600);
/// How often it is looked whether the file is still there.
const POLL: Duration = Duration::from_millis(250);

/// Why a machine waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its build has failed.
    Failed,
    /// A provisioner waits for somebody.
    Breakpoint,
}

impl Why {
    /// How the names of its files begin.
    fn prefix(self) -> &'static str {
        match self {
            Self::Failed => "held-",
            Self::Breakpoint => "breakpoint-",
        }
    }
}

/// A machine that waits; dropped, it does not any more.
#[derive(Debug)]
pub struct Held(PathBuf);

impl Held {
    /// Waits from now on. `scratch` is the run's directory, `build` the build's address.
    pub fn begin(scratch: &Path, build: &str, why: Why) -> io::Result<Self> {
        let mut number = 0;
        loop {
            let path = scratch.join(format!("{}{number}", why.prefix()));
            let file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&path);
            match file {
                Ok(mut file) => {
                    io::Write::write_all(&mut file, build.as_bytes())?;
                    return Ok(Self(path));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns when somebody has let it go.
    pub async fn released(&self) {
        while self.0.exists() {
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It is gone already where somebody let it go.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Lets what waits in a run go on: the machine of one build (by address), or all. Gives the addresses.
pub fn release(scratch: &Path, build: Option<&str>) -> io::Result<Vec<String>> {
    let mut released = let_go(scratch, build, Why::Failed)?;
    released.extend(let_go(scratch, build, Why::Breakpoint)?);
    released.sort();
    Ok(released)
}

/// Lets the machines of failed builds go; what waits at a breakpoint waits on. Gives the builds' addresses.
pub fn release_failed(scratch: &Path) -> io::Result<Vec<String>> {
    let_go(scratch, None, Why::Failed)
}

fn let_go(scratch: &Path, build: Option<&str>, why: Why) -> io::Result<Vec<String>> {
    let mut released = Vec::new();
    let entries = match std::fs::read_dir(scratch) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(released),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if !entry
            .file_name()
            .to_string_lossy()
            .starts_with(why.prefix())
        {
            continue;
        }
        // It may go by itself at any moment.
        match std::fs::read_to_string(entry.path()) {
            Ok(address) if build.is_none_or(|build| build == address) => {
                std::fs::remove_file(entry.path()).or_else(gone_already)?;
                released.push(address);
            }
            Ok(_) => {}
            Err(error) => gone_already(error)?,
        }
    }
    Ok(released)
}

fn gone_already(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_is_let_go_and_the_other_waits() {
        let scratch = tempfile::tempdir().unwrap();
        let a = Held::begin(scratch.path(), "build.null.a", Why::Failed).unwrap();
        let b = Held::begin(scratch.path(), "build.null.b", Why::Breakpoint).unwrap();
        let released = release(scratch.path(), Some("build.null.a")).unwrap();
        assert_eq!(released, ["build.null.a"]);
        assert!(release_failed(scratch.path()).unwrap().is_empty());
        a.released().await;
        let waits = tokio::time::timeout(HOLD, b.released()).await;
        assert!(waits.is_err(), "nobody let it go");
        drop(b);
        assert!(release(scratch.path(), None).unwrap().is_empty());
    }
}
