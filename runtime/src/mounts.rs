//! Mounts of this machine that a build has made: how they go.
//!
//! In: a directory. Out: a command for a shell that ends what runs inside, unmounts the directory with all that is mounted below it,
//! and removes it when it is empty then. The command stands in the ledger before anything is mounted, so that whoever cleans up
//! later takes the same way as the build itself. All of it having gone already is no error.

use std::process::Stdio;

use tokio::process::Command;

use crate::error::{Class, Error, Result};

/// What is to be done about mounts that something outside still uses, such as a shell whose working directory is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// It is a failure: what is mounted is to be whole when it has gone.
    Fails,
    /// They vanish from the tree at once, and end with their last user.
    Vanishes,
}

/// The script that takes mounts away, for `/bin/sh -c`.
///
/// What runs inside is what has the directory for its root; it is asked to end first, and ended after five seconds.
pub fn removal(directory: &str, busy: Busy) -> String {
    let directory = quoted(directory);
    let otherwise = match busy {
        Busy::Fails => "exit 1",
        Busy::Vanishes => "umount -R -l \"$p\" || exit 1",
    };
    format!(
        r#"p=$(readlink -f -- {directory}); if [ ! -d "$p" ] || [ "$p" = / ]; then exit 0; fi
tell() {{ n=1; for d in /proc/[0-9]*; do case $(readlink "$d/root") in "$p"|"$p"/*) n=0; kill -"$1" "${{d#/proc/}}";; esac; done 2>/dev/null; return $n; }}
if tell TERM; then i=0; while tell 0 && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done; tell KILL; i=0; while tell 0 && [ $i -lt 20 ]; do sleep 0.1; i=$((i+1)); done; fi
while mountpoint -q "$p"; do umount -R "$p" || {{ {otherwise}; }}; done
rmdir "$p" 2>/dev/null; exit 0"#
    )
}

/// One word for a shell.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Runs such a command.
pub(crate) async fn take_away(command: &str) -> Result<()> {
    let failed = |message: String| Error::new(Class::Environment, "run/leftovers", message);
    let ended = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| failed("cannot run a shell".to_owned()).because(error))?;
    if ended.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&ended.stderr);
    let last = errors.lines().last().unwrap_or("no reason was given");
    Err(failed(format!("it cannot be unmounted: {last}"))
        .help("`fuser -vm` on the directory says what still uses it"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_directory_without_mounts_goes_when_it_is_empty() {
        let place = tempfile::tempdir().unwrap();
        let (empty, full) = (place.path().join("it's empty"), place.path().join("full"));
        for directory in [&empty, &full] {
            std::fs::create_dir(directory).unwrap();
        }
        std::fs::write(full.join("file"), "kept").unwrap();
        for directory in [&empty, &full, &place.path().join("never/there")] {
            let script = removal(&directory.to_string_lossy(), Busy::Fails);
            take_away(&script).await.unwrap();
        }
        assert!(!empty.exists());
        assert!(full.join("file").exists());
    }

    #[tokio::test]
    async fn a_command_that_fails_says_why() {
        let error = take_away("echo 'target is busy' >&2; exit 32")
            .await
            .unwrap_err();
        assert!(error.message.contains("target is busy"), "{error:?}");
    }
}
