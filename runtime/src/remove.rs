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
use crate::state::State;
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
        Resource::Placed { path, inode, aside } => {
            let (path, inode, aside) = (path.clone(), *inode, aside.clone());
            files::blocking(move || take_back(&path, inode, aside.as_deref())).await
        }
        Resource::Mounts { command, .. } => crate::mounts::take_away(command).await,
        Resource::Process {
            pid, started, mark, ..
        } => {
            let all = match mark {
                Some(mark) => process::end_marked(mark).await,
                None => true,
            };
            ended(process::end(*pid, *started).await && all)
        }
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

/// Removes what was put into its place, and puts back what it has replaced.
fn take_back(path: &Path, inode: u64, aside: Option<&Path>) -> Result<()> {
    let number = |path: &Path| std::fs::symlink_metadata(path).map(|there| there.ino());
    match number(path) {
        Ok(there) if there == inode => {}
        // Something else: that is not ours.
        Ok(_) => return Ok(()),
        Err(error) => return gone(Err(error), path),
    }
    let replaced = aside.filter(|aside| number(aside).is_ok_and(|there| there != inode));
    let ours = match replaced {
        Some(aside) => {
            files::exchange(aside, path)
                .map_err(|error| files::failure("run/leftovers", "put back", path, error))?;
            aside
        }
        None => path,
    };
    take_off(ours)
}

/// Removes a file or a directory.
fn take_off(path: &Path) -> Result<()> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => std::fs::remove_dir_all(path),
        _ => std::fs::remove_file(path),
    };
    gone(removed, path)
}

/// Whether something stands there that is as it was when it was made and recorded as an artifact: that is no leftover, whoever
/// has recorded that place. What was recorded last for that place counts: the same content may have stood there before, and
/// been replaced.
pub async fn is_finished(state: &dyn State, resource: &Resource) -> Result<bool> {
    if !matches!(resource, Resource::File { .. } | Resource::Placed { .. }) {
        return Ok(false);
    }
    let images = state.images().await?;
    let mut there = images.iter().filter(|record| !record.files.is_empty());
    match there.find(|record| record.artifact.owns(resource)) {
        Some(last) => Ok(crate::reuse::lost(&[], last).await?.is_empty()),
        None => Ok(false),
    }
}

/// Puts back what something unfinished has replaced, where that can be told by what was recorded last for the place: whether it
/// has. So it is also where all of it was copied or moved to another disk since, and has other inode numbers.
pub async fn put_back(state: &dyn State, resource: &Resource) -> Result<bool> {
    let Resource::Placed {
        path,
        aside: Some(aside),
        ..
    } = resource
    else {
        return Ok(false);
    };
    let images = state.images().await?;
    let mut there = images.iter().filter(|record| !record.files.is_empty());
    let Some(last) = there.find(|record| record.artifact.owns(resource)) else {
        return Ok(false);
    };
    let mut replaced = last.clone();
    for file in &mut replaced.files {
        let Ok(inner) = file.path.strip_prefix(path) else {
            return Ok(false);
        };
        file.path = match inner.as_os_str().is_empty() {
            true => aside.clone(),
            false => aside.join(inner),
        };
    }
    // Things at a provider have not moved.
    replaced.artifact.things.clear();
    if !crate::reuse::lost(&[], &replaced).await?.is_empty() {
        return Ok(false);
    }
    let (path, aside) = (path.clone(), aside.clone());
    files::blocking(move || {
        let put = match std::fs::symlink_metadata(&path) {
            Ok(_) => files::exchange(&aside, &path),
            Err(_) => std::fs::rename(&aside, &path),
        };
        put.map_err(|error| files::failure("run/leftovers", "put back", &path, error))?;
        take_off(&aside)
    })
    .await?;
    Ok(true)
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
