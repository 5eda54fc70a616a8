//! A machine one can run commands on and copy trees to and from, whatever the way.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::event::Output;

/// The kind of operating system, as far as commands and paths differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OsFamily {
    /// POSIX shell, `/` in paths.
    Unix,
    /// PowerShell and `cmd`, `\` in paths.
    Windows,
}

/// A command line for the machine's shell.
#[derive(Clone, Debug, Default)]
pub struct Command {
    /// Given to the login shell as it stands; never holds a secret.
    pub line: String,
    /// Bytes for its standard input; empty for none.
    pub stdin: Vec<u8>,
}

impl Command {
    /// A command without input.
    pub fn new(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            stdin: Vec::new(),
        }
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With a code.
    Code(i32),
    /// The connection went away before a code came.
    Disconnected,
}

/// Owner, group and mode for what is uploaded; what is `None` stays as the source or the machine has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// User name or number.
    pub owner: Option<String>,
    /// Group name or number.
    pub group: Option<String>,
    /// Permission bits for files; directories also get `x` where there is `r`.
    pub mode: Option<u32>,
}

/// A running machine. All methods may be called at the same time from several tasks.
#[async_trait]
pub trait Machine: Send + Sync {
    /// The kind of operating system.
    fn os(&self) -> OsFamily {
        OsFamily::Unix
    }

    /// Facts for the template's `build` object, such as `Host`, `Port`, `User`, `ConnType`.
    fn facts(&self) -> BTreeMap<String, String>;

    /// What tells this machine from another one at the same address, where it can prove that: its host key, no secret.
    /// `None` where nothing does.
    async fn identity(&self) -> Option<String> {
        None
    }

    /// Runs a command; its output goes to `output` line by line as it comes. Dropping the future ends the command.
    async fn run(&self, command: &Command, output: &Output) -> Result<Exit>;

    /// Runs a command quietly and gives its standard output (bytes); an exit code other than 0 is an error.
    async fn query(&self, command: &Command) -> Result<Vec<u8>>;

    /// Writes `content` to the file `destination`, replacing it; written beside and moved into place where possible.
    async fn write(&self, content: &[u8], destination: &str, attributes: &Attributes)
    -> Result<()>;

    /// Copies a local file to the file `destination`; mode bits are those of the source unless `attributes` says else.
    async fn upload_file(
        &self,
        source: &Path,
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()>;

    /// Copies the *contents* of a local directory into the directory `destination`, which is made if missing.
    /// Symbolic links stay links. One compressed stream, whatever the number of files.
    async fn upload_tree(
        &self,
        source: &Path,
        destination: &str,
        attributes: &Attributes,
    ) -> Result<()>;

    /// Copies the remote file `source` to the local file `destination`.
    async fn download_file(&self, source: &str, destination: &Path) -> Result<()>;

    /// Copies the *contents* of the remote directory `source` into the local directory `destination`.
    async fn download_tree(&self, source: &str, destination: &Path) -> Result<()>;

    /// The file or directory `path` is to go away when the connection ends, in whatever way, a crash of this process
    /// included. Called before it is made.
    async fn temporary(&self, path: &str) -> Result<()> {
        let _ = path;
        Ok(())
    }

    /// A [`temporary`](Self::temporary) path is gone already, or is to stay.
    async fn settled(&self, path: &str) {
        let _ = path;
    }

    /// Why the connection that was lost last has ended, for people: which machine, and for how long it has not answered.
    /// `None` where that is not known.
    fn lost(&self) -> Option<String> {
        None
    }

    /// A command of this machine (program and arguments, no secret) that opens a shell on it in the terminal, as long as
    /// this connection lives; `None` where there is no such thing.
    fn attach(&self) -> Option<Vec<String>> {
        None
    }

    /// Waits until the machine answers again after a lost connection (a reboot), for at most `limit`.
    async fn reconnect(&self, limit: Duration) -> Result<()>;

    /// Ends the connection and whatever was started for it; the machine itself stays. Called once, also after failures.
    async fn disconnect(&self) -> Result<()>;
}
