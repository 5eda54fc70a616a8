//! What a build yields.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::ledger::{CloudResource, Resource};

/// A finished result: finished means kept, no later failure removes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Who made it: Packer's builder id such as `packer.file`, ours such as `imgc.rootfs`.
    pub builder_id: String,
    /// The id as Packer would give it (`region:ami`, `sha256:…`); empty where there is none.
    pub id: String,
    /// Files on this machine, absolute or relative to the working directory.
    pub files: Vec<PathBuf>,
    /// One or more lines for people, after `--> name: `.
    pub description: String,
    /// Further facts: digests, sizes, formats.
    pub metadata: BTreeMap<String, String>,
    /// What it consists of at a provider: images, snapshots.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub things: Vec<CloudResource>,
}

impl Artifact {
    /// Removes what the artifact consists of (a later post-processor has replaced it), but nothing that belongs to an
    /// artifact of `kept`.
    ///
    /// Files and directories that are already gone are no error. Goes on past failures and gives the first.
    pub fn destroy(&self, kept: &[&Artifact]) -> std::io::Result<()> {
        let mut outcome = Ok(());
        for path in &self.files {
            if kept.iter().any(|artifact| artifact.touches(path)) {
                continue;
            }
            let result = match std::fs::symlink_metadata(path) {
                Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
                Ok(_) => std::fs::remove_file(path),
                Err(error) => Err(error),
            };
            match result {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound && outcome.is_ok() => {
                    outcome = Err(error);
                }
                _ => {}
            }
        }
        outcome
    }

    /// Whether a resource is a part of this artifact, so that removing it would destroy that.
    pub fn owns(&self, resource: &Resource) -> bool {
        match resource {
            Resource::File { path }
            | Resource::Directory { path }
            | Resource::MappedDirectory { path }
            | Resource::PlacedDirectory { path, .. } => self.touches(path),
            Resource::Cloud(thing) => self.things.iter().any(|own| own.is(thing)),
            Resource::Process { .. } | Resource::Processes { .. } | Resource::RemoteFile { .. } => {
                false
            }
        }
    }

    /// Whether removing `path` would remove a part of this artifact.
    pub fn touches(&self, path: &Path) -> bool {
        let path = absolute(path);
        self.files.iter().map(|file| absolute(file)).any(|file| {
            // A path below a kept directory, or a directory above a kept file.
            file.starts_with(&path) || path.starts_with(&file)
        })
    }
}

fn absolute(path: &Path) -> PathBuf {
    path.canonicalize()
        .or_else(|_| std::path::absolute(path))
        .unwrap_or_else(|_| path.to_path_buf())
}
