//! The post-processors of this crate.

mod artifice;
mod checksum;
mod compress;
mod manifest;
mod shell_local;

pub use artifice::Artifice;
pub use checksum::Checksum;
pub use compress::Compress;
pub use manifest::Manifest;
pub use shell_local::ShellLocal;

pub use crate::sums::has_checksums_only;

use std::path::{Path, PathBuf};

use crate::artifact::Artifact;
use crate::error::{Class, Error, Result};
use crate::files;
use crate::post_processor::Processed;

/// The input goes on as it is and stays, whatever the template says.
fn unchanged(artifact: &Artifact) -> Processed {
    Processed {
        artifact: artifact.clone(),
        keep_by_default: true,
        must_keep: true,
    }
}

/// Every regular file of an artifact with the name it has there: its file name, below a directory with the directory's
/// name before it. Sorted within directories.
fn members(artifact: &Artifact) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for file in &artifact.files {
        let name = file.file_name().map_or_else(
            || "artifact".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        );
        collect(file, &name, &mut found)?;
    }
    Ok(found)
}

fn collect(path: &Path, name: &str, found: &mut Vec<(PathBuf, String)>) -> Result<()> {
    let failed = |error| files::failure("run/artifact", "read", path, error);
    let metadata = std::fs::symlink_metadata(path).map_err(failed)?;
    if !metadata.is_dir() {
        found.push((path.to_owned(), name.to_owned()));
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)
        .and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>())
        .map_err(failed)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let below = format!("{name}/{}", entry.file_name().to_string_lossy());
        collect(&entry.path(), &below, found)?;
    }
    Ok(())
}

/// Holds a lock on the directory of a file that several builds, or several processes, update in turn.
struct Locked {
    _directory: std::fs::File,
}

impl Locked {
    /// Waits for the lock; directories on the way are made.
    fn new(path: &Path) -> std::io::Result<Self> {
        let parent = files::parent(path);
        std::fs::create_dir_all(&parent)?;
        let directory = std::fs::File::open(parent)?;
        directory.lock()?;
        Ok(Self {
            _directory: directory,
        })
    }
}

/// A failure of an output that more than one build writes to.
fn clash(id: &'static str, output: &Path) -> Error {
    Error::new(
        Class::Template,
        id,
        format!(
            "the output `{}` is one of the input's own files",
            output.display()
        ),
    )
    .help("choose another `output`")
}
