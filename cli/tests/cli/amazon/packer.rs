//! Debian's Packer 1.6.6 on the tests' cloud.

use std::path::Path;
use std::process::{Command, Stdio};

use imgc_testbed::cloud::{Behaviour, Machines};

use super::behaviour;

/// A cloud on whose machines Packer can log in as well: it signs with SHA-1.
pub(super) fn for_both() -> Behaviour {
    Behaviour {
        machines: Some(Machines {
            config: vec!["PubkeyAcceptedAlgorithms +ssh-rsa".to_owned()],
            ..Machines::default()
        }),
        ..behaviour()
    }
}

/// `packer` in a directory, asking nobody but the cloud that its template names, looking each second at what it waits for.
pub(super) fn packer(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("packer");
    command
        .args(arguments)
        .current_dir(directory)
        .env("CHECKPOINT_DISABLE", "1")
        .env("AWS_POLL_DELAY_SECONDS", "1")
        .env("PACKER_CACHE_DIR", directory)
        .env("TMPDIR", directory)
        .stdin(Stdio::null());
    command
}
