//! Removing files from machines that stay when a run has ended, without the run: for whoever cleans up later.
//!
//! In: a record of the ledger that says how to get there. Out: the file is gone, or why not. The keys that the run
//! believed are the ones that count; no password, no question, no file of this machine is needed or left.

use std::collections::BTreeSet;
use std::io::{Seek as _, Write as _};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::ledger::{Access, Resource};
use imgc_runtime::settings::Remover;

use crate::ending::END_COMMAND;
use crate::host_keys::{quote, users_files};
use crate::master::missing_program;
use crate::shell;

/// How long a machine may take in all.
const LIMIT: Duration = Duration::from_secs(20);
/// How long it may take to answer at all.
const CONNECT: Duration = Duration::from_secs(10);
/// What `ssh` says when it has no connection.
const NO_CONNECTION: i32 = 255;
/// Removes what it is given, and ends the commands that carry a mark, whether they run already or were about to; ends badly if
/// it is still there, or they are. Arguments: the path, how the marks begin, how commands are ended.
const REMOVE: &str = r#"
end() {
  [ -n "$2" ] || return 0
  printf '%s\n' "$3" | sed "s/MARK/$2/" |
    if [ "$(id -u)" != 0 ] && sudo -n true 2>/dev/null; then sudo -n sh; else sh; fi > /dev/null 2>&1
}
end "$@"
rm -rf -- "$1"
end "$@"
[ -z "$2" ] || ! grep -qs "IMGC_COMMAND[=]$2" /proc/[0-9]*/environ || {
  echo 'commands of the run go on there' >&2
  exit 3
}
[ ! -e "$1" ] && [ ! -L "$1" ]
"#;

/// Removes files from machines it can log in to.
#[derive(Debug, Default)]
pub struct RemoteFiles {
    /// Machines that did not let us in: one attempt is enough.
    closed: Mutex<BTreeSet<String>>,
}

#[async_trait]
impl Remover for RemoteFiles {
    async fn remove(&self, resource: &Resource) -> Option<Result<()>> {
        match resource {
            Resource::RemoteFile {
                machine,
                path,
                access: Some(access),
            } => Some(self.file(machine, path, access).await),
            _ => None,
        }
    }
}

impl RemoteFiles {
    async fn file(&self, machine: &str, path: &str, access: &Access) -> Result<()> {
        let closed = |known: &mut BTreeSet<String>| known.contains(machine);
        if closed(&mut self.closed()) {
            return Err(left("it does not let us in".to_owned()));
        }
        match tokio::time::timeout(LIMIT, remove(path, access)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                if error.class == Class::Remote {
                    self.closed().insert(machine.to_owned());
                }
                Err(error)
            }
            Err(_) => {
                self.closed().insert(machine.to_owned());
                let within = imgc_runtime::duration::words(LIMIT);
                Err(left(format!("no answer within {within}")))
            }
        }
    }

    fn closed(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn remove(path: &str, access: &Access) -> Result<()> {
    // Such a record is no file of ours.
    if path.trim_matches(['/', '~', '.']).is_empty() {
        return Err(left("it is no file".to_owned()));
    }
    let known = known_hosts(access).map_err(|error| {
        left("the host's key cannot be handed to ssh".to_owned()).because(error)
    })?;
    let output = tokio::process::Command::new("ssh")
        .args(arguments(access))
        .arg(shell::script(
            REMOVE,
            &[
                shell::path(path),
                shell::word(access.commands.as_deref().unwrap_or_default()),
                shell::word(END_COMMAND),
            ],
        ))
        .env_remove("SSH_ASKPASS")
        .env("LC_ALL", "C")
        .stdin(Stdio::from(known))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| missing_program("ssh", error))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().rev().find(|line| !line.trim().is_empty());
    let said = said.map(|line| line.trim().to_owned());
    match output.status.code() {
        Some(0) => Ok(()),
        Some(NO_CONNECTION) | None => Err(left(said.unwrap_or_else(|| "no connection".to_owned()))),
        Some(_) => Err(Error::new(
            Class::Environment,
            "run/leftovers",
            said.unwrap_or_else(|| "it cannot be removed there".to_owned()),
        )),
    }
}

/// The host's keys in a file without a name, which `ssh` finds as its standard input.
fn known_hosts(access: &Access) -> std::io::Result<std::fs::File> {
    let mut file = tempfile::tempfile()?;
    for line in &access.host_keys {
        writeln!(file, "{line}")?;
    }
    file.rewind()?;
    Ok(file)
}

fn arguments(access: &Access) -> Vec<String> {
    let yes = |value: bool| if value { "yes" } else { "no" };
    let (files, checking) = if access.insecure {
        ("/dev/null".to_owned(), "no")
    } else if access.host_keys.is_empty() {
        let home = std::env::var_os("HOME").map(std::path::PathBuf::from);
        let files = users_files(home.as_deref());
        let files: Vec<String> = files.iter().map(|file| quote(file)).collect();
        (files.join(" "), "yes")
    } else {
        ("/dev/stdin".to_owned(), "yes")
    };
    let files = if files.is_empty() { "none" } else { &files };
    let mut options = vec![
        "BatchMode=yes".to_owned(),
        "LogLevel=ERROR".to_owned(),
        "ConnectionAttempts=1".to_owned(),
        format!("ConnectTimeout={}", CONNECT.as_secs()),
        "PreferredAuthentications=publickey".to_owned(),
        "ForwardAgent=no".to_owned(),
        "UpdateHostKeys=no".to_owned(),
        "CheckHostIP=no".to_owned(),
        format!("IdentitiesOnly={}", yes(!access.agent)),
        format!("UserKnownHostsFile={files}"),
        "GlobalKnownHostsFile=/dev/null".to_owned(),
        format!("StrictHostKeyChecking={checking}"),
    ];
    options.push(match &access.private_key {
        Some(key) => format!("IdentityFile={}", quote(key)),
        None => "IdentityFile=none".to_owned(),
    });
    if let Some(certificate) = &access.certificate {
        options.push(format!("CertificateFile={}", quote(certificate)));
    }
    if !access.agent {
        options.push("IdentityAgent=none".to_owned());
    }
    let mut arguments: Vec<String> = ["-F", "none", "-T", "-S", "none"].map(str::to_owned).into();
    arguments.extend(
        options
            .into_iter()
            .flat_map(|option| ["-o".to_owned(), option]),
    );
    arguments.extend(["-p".to_owned(), access.port.to_string()]);
    arguments.extend(["-l".to_owned(), access.user.clone()]);
    arguments.extend(["--".to_owned(), access.host.clone()]);
    arguments
}

fn left(why: String) -> Error {
    Error::new(Class::Remote, "run/leftovers", why)
}
