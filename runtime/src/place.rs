//! Putting a finished file into its place, so that what stood there is not lost before the new one counts.
//!
//! What is replaced stays beside the place until the new file is remembered as an artifact: a build that fails or dies before that
//! puts it back, at its end or by `imgc gc`, as with directories ([`Resource::Placed`]).

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::error::Result;
use crate::files;
use crate::ledger::Resource;

/// Puts `made` at `path`, absolute, for the step at work, which is not stopped any more from then on. Without a `mode` it has that
/// of the file it replaces, or follows the umask. Failures have the id `id`.
pub(crate) async fn put(
    cx: &Context,
    id: &'static str,
    made: files::Beside,
    mode: Option<u32>,
    path: PathBuf,
) -> Result<()> {
    let failed = move |path: &Path, error| files::failure(id, "write", path, error);
    let inode = made.inode().map_err(|error| failed(&path, error))?;
    let placed = |aside| Resource::Placed {
        path: path.clone(),
        inode,
        aside,
    };
    let persist = |made, to: PathBuf, mode| {
        files::blocking(move || files::persist(made, &to, mode).map_err(|error| failed(&to, error)))
    };
    let Ok(there) = std::fs::symlink_metadata(&path) else {
        let put = async {
            cx.commit.begin();
            persist(made, path.clone(), mode).await
        };
        cx.ledger.create(&cx.address, placed(None), put).await?;
        return Ok(());
    };
    if there.is_dir() {
        return Err(failed(&path, std::io::ErrorKind::IsADirectory.into()));
    }
    let mode = mode.or_else(|| {
        let metadata = std::fs::metadata(&path).ok()?;
        Some(metadata.permissions().mode() & 0o7777)
    });
    let aside = files::aside(&path, &format!("{}{}", cx.run_id, cx.source_name));
    let beside = Resource::File {
        path: aside.clone(),
    };
    let name = persist(made, aside.clone(), mode);
    cx.ledger.create(&cx.address, beside, name).await?;
    let put = async {
        cx.commit.begin();
        let (aside, path) = (aside.clone(), path.clone());
        files::blocking(move || {
            files::exchange(&aside, &path).map_err(|error| failed(&path, error))
        })
        .await
    };
    let placed = placed(Some(aside.clone()));
    cx.ledger.create(&cx.address, placed, put).await?;
    Ok(())
}
