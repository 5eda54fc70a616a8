//! Which host keys are believed: the file of known hosts for one connection.
//!
//! The user's own files are read and never written: `ssh` adds a new key to the first file it is given, and that is one
//! of ours, in the connection's directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use imgc_runtime::error::{Class, Error, Result};

use crate::directory::write_new;
use crate::settings::{Hop, HostKeyPolicy};

/// The files and the mode for one server.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    own: PathBuf,
    users: Vec<PathBuf>,
    mode: Mode,
    /// Whether the builder answers for the keys.
    vouched: bool,
}

/// What is done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Only a known key is accepted.
    Enforce,
    /// The first key is accepted and kept in our file.
    Pin,
    /// Nothing is checked.
    Off,
}

impl Trust {
    /// Decides for a server. `vouched` are keys the builder answers for; then nothing else counts. Files of known hosts are
    /// not asked about a host that is a secret, since that would be on a command line; `ssh` itself still looks there.
    pub(crate) async fn new(
        directory: &Path,
        hop: &Hop,
        policy: HostKeyPolicy,
        vouched: &[String],
        home: Option<&Path>,
        secret: bool,
    ) -> Result<Self> {
        let own = directory.join("known");
        let name = known_name(&hop.host, hop.port);
        let lines: String = vouched
            .iter()
            .map(|key| format!("{name} {}\n", key.trim()))
            .collect();
        write_new(&own, 0o600, lines.as_bytes()).map_err(|error| {
            Error::new(
                Class::Environment,
                "run/ssh-directory",
                format!("`{}` cannot be written", own.display()),
            )
            .because(error)
        })?;
        let mut users = Vec::new();
        if vouched.is_empty() {
            users = users_files(home);
        }
        let mode = match policy {
            HostKeyPolicy::Insecure => Mode::Off,
            HostKeyPolicy::Strict => Mode::Enforce,
            HostKeyPolicy::Verify if !vouched.is_empty() => Mode::Enforce,
            HostKeyPolicy::Verify if !secret && is_known(&name, &users).await => Mode::Enforce,
            HostKeyPolicy::Verify => Mode::Pin,
        };
        Ok(Self {
            own,
            users,
            mode,
            vouched: !vouched.is_empty(),
        })
    }

    /// Whether the builder answers for the keys: then no file of the user's has them.
    pub(crate) fn is_vouched(&self) -> bool {
        self.vouched
    }

    /// What is done with a key.
    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// From now on only the key that was pinned is accepted.
    pub(crate) fn enforce_pinned(&mut self) {
        if self.mode == Mode::Pin
            && fs::metadata(&self.own).is_ok_and(|metadata| metadata.len() > 0)
        {
            self.mode = Mode::Enforce;
        }
    }

    /// The keys that are believed besides those of the user's files, as lines of a file of known hosts; and whether
    /// anybody is.
    pub(crate) fn believed(&self) -> (Vec<String>, bool) {
        let text = fs::read_to_string(&self.own).unwrap_or_default();
        let lines = text.lines().map(str::to_owned).collect();
        (lines, self.mode == Mode::Off)
    }

    /// Arguments for `ssh`.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let files = match self.mode {
            Mode::Off => "/dev/null".to_owned(),
            _ => {
                let files = std::iter::once(&self.own).chain(&self.users);
                files.map(|file| quote(file)).collect::<Vec<_>>().join(" ")
            }
        };
        let checking = match self.mode {
            Mode::Enforce => "yes",
            Mode::Pin => "accept-new",
            Mode::Off => "no",
        };
        [
            format!("UserKnownHostsFile={files}"),
            "GlobalKnownHostsFile=/dev/null".to_owned(),
            format!("StrictHostKeyChecking={checking}"),
            "CheckHostIP=no".to_owned(),
            "HashKnownHosts=no".to_owned(),
            "UpdateHostKeys=no".to_owned(),
        ]
        .into_iter()
        .flat_map(|option| ["-o".to_owned(), option])
        .collect()
    }
}

/// The files of known hosts that the user has, and the system.
pub(crate) fn users_files(home: Option<&Path>) -> Vec<PathBuf> {
    let in_home = home.map(|home| home.join(".ssh"));
    let mut files: Vec<PathBuf> = in_home
        .iter()
        .flat_map(|ssh| [ssh.join("known_hosts"), ssh.join("known_hosts2")])
        .collect();
    files.extend(["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from));
    files.retain(|file| fs::metadata(file).is_ok_and(|metadata| metadata.len() > 0));
    files
}

/// The name of a host in `known_hosts`.
pub(crate) fn known_name(host: &str, port: u16) -> String {
    let host = host.to_lowercase();
    if port == 22 {
        host
    } else {
        format!("[{host}]:{port}")
    }
}

/// Whether one of the files has a key for the host; `ssh-keygen` knows hashed names and patterns.
async fn is_known(name: &str, files: &[PathBuf]) -> bool {
    for file in files {
        let found = tokio::process::Command::new("ssh-keygen")
            .args(["-F", name, "-f"])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await;
        if found.is_ok_and(|status| status.success()) {
            return true;
        }
    }
    false
}

/// A path for an option that holds several, where `%` stands for itself.
pub(crate) fn quote(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('%', "%%"))
}

/// A word of a file of options.
pub(crate) fn quote_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
