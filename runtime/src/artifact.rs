//! What a build yields.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
}

impl Artifact {
    /// Removes what the artifact consists of (a later post-processor has replaced it).
    ///
    /// Files and directories that are already gone are no error.
    pub fn destroy(&self) -> std::io::Result<()> {
        for path in &self.files {
            let result = match std::fs::symlink_metadata(path) {
                Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
                Ok(_) => std::fs::remove_file(path),
                Err(error) => Err(error),
            };
            match result {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}
