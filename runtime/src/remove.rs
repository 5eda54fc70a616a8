//! Removing what the ledger records: one road for undo, Ctrl-C and `imgc gc`.
//!
//! In: a resource, and removers for what this crate cannot. Out: it is gone, or why not. Gone already is no error.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;

use crate::error::{Class, Error, Result};
use crate::files;
use crate::ledger::Resource;
use crate::process;
use crate::settings::Remover;
use crate::sweep::Marked;

/// Resources that are removed at the same time.
const TOGETHER: usize = 16;

/// Removes things that a sweep has found and that do not need each other, several at a time; gives for each, in their order,
/// whether it was still what it was then, and has gone.
pub async fn remove_marked(remover: &dyn Remover, things: &[Marked]) -> Vec<Result<bool>> {
    let removals = things.iter().map(|thing| remover.remove_marked(thing));
    stream::iter(removals).buffered(TOGETHER).collect().await
}

/// Removes a resource.
pub async fn remove(removers: &[Arc<dyn Remover>], resource: &Resource) -> Result<()> {
    for remover in removers {
        if let Some(result) = remover.remove(resource).await {
            return result;
        }
    }
    match resource {
        Resource::File { path } => gone(tokio::fs::remove_file(path).await, path),
        Resource::Directory { path } | Resource::MappedDirectory { path } => {
            gone(tokio::fs::remove_dir_all(path).await, path)
        }
        Resource::PlacedDirectory { path, inode } => {
            match tokio::fs::symlink_metadata(path).await {
                Ok(there) if there.ino() == *inode => {
                    gone(tokio::fs::remove_dir_all(path).await, path)
                }
                Ok(_) => Ok(()),
                Err(error) => gone(Err(error), path),
            }
        }
        Resource::Mounts { command, .. } => crate::mounts::take_away(command).await,
        Resource::Process { pid, started, .. } => ended(process::end(*pid, *started).await),
        Resource::Processes { marker } => ended(process::end_marked(marker).await),
        Resource::RemoteFile { .. } => Err(Error::new(
            Class::Environment,
            "run/leftovers",
            "nobody here can log in there",
        )),
        Resource::Cloud(thing) => Err(Error::new(
            Class::Environment,
            "run/leftovers",
            format!(
                "this version of imgc cannot remove what is at `{}`",
                thing.provider
            ),
        )
        .help("use a version that was built with it, or remove it by hand")),
    }
}

fn ended(ended: bool) -> Result<()> {
    match ended {
        true => Ok(()),
        false => Err(Error::new(
            Class::Environment,
            "run/leftovers",
            "it does not end",
        )),
    }
}

/// What removing a file or directory came to.
pub(crate) fn gone(result: std::io::Result<()>, path: &Path) -> Result<()> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(files::failure("run/leftovers", "remove", path, error))
        }
        _ => Ok(()),
    }
}
