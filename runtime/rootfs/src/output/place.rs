//! Putting outputs in their place: all at once, or not at all.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use imgc_runtime::Result;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::error::{DISK_FULL, OUTPUT, OUTPUT_EXISTS, fail, is_disk_full};

/// Refuses an existing output directory, unless it may be replaced; and one whose replacement would remove more than outputs.
pub(crate) fn check(directory: &Path, force: bool, precious: &[&Path]) -> Result<()> {
    if fs::symlink_metadata(directory).is_err() {
        return Ok(());
    }
    if !force {
        return Err(fail(
            OUTPUT_EXISTS,
            format!("output directory {} already exists", directory.display()),
        )
        .help("remove it, choose another `output_directory`, or use -force to replace it"));
    }
    let real = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    let holds = |path: &&&Path| fs::canonicalize(path).is_ok_and(|path| path.starts_with(&real));
    match precious.iter().find(holds) {
        Some(path) => Err(fail(
            OUTPUT_EXISTS,
            format!(
                "-force would remove {} with {}, which is in it",
                directory.display(),
                path.display()
            ),
        )
        .help("choose an `output_directory` of its own")),
        None => Ok(()),
    }
}

/// Writes everything through to the disk: the outputs are ready for their place.
pub(crate) fn flush(staging: &Path, directory: &Path) -> Result<()> {
    sync(staging).map_err(|error| write_error(unplaced(directory), error))
}

/// Moves the outputs into their place, and what is there to where they were, if `force`: whether there was anything.
pub(crate) fn publish(staging: &Path, directory: &Path, force: bool) -> Result<bool> {
    let failed = |error| write_error(unplaced(directory), error);
    imgc_runtime::fault::point("rootfs.before-place").map_err(failed)?;
    let replaced = match renameat_with(CWD, staging, CWD, directory, RenameFlags::NOREPLACE) {
        Ok(()) => false,
        Err(rustix::io::Errno::EXIST) if force => {
            imgc_runtime::files::exchange(staging, directory).map_err(failed)?;
            true
        }
        Err(rustix::io::Errno::EXIST) => {
            return Err(fail(
                OUTPUT_EXISTS,
                format!(
                    "output directory {} came into being during the build",
                    directory.display()
                ),
            )
            .help("remove it, or use -force to replace it"));
        }
        // A file system without this kind of renaming.
        Err(rustix::io::Errno::INVAL) if force && fs::symlink_metadata(directory).is_ok() => {
            imgc_runtime::files::exchange(staging, directory).map_err(failed)?;
            true
        }
        Err(rustix::io::Errno::INVAL) => {
            fs::rename(staging, directory).map_err(failed)?;
            false
        }
        Err(error) => return Err(failed(error.into())),
    };
    imgc_runtime::fault::point("rootfs.placed").map_err(failed)?;
    if let Some(parent) = directory.parent() {
        // The outputs are in place; that their name is on the disk too is a courtesy not every file system knows.
        let _ = File::open(parent).and_then(|parent| parent.sync_all());
    }
    Ok(replaced)
}

fn unplaced(directory: &Path) -> String {
    format!("cannot put the outputs into {}", directory.display())
}

fn sync(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            sync(&entry?.path())?;
        }
    }
    File::open(path)?.sync_all()
}

/// A failed write of an output.
pub(crate) fn write_error(what: String, error: io::Error) -> imgc_runtime::Error {
    if is_disk_full(&error) {
        return fail(DISK_FULL, format!("{what}: no space left on the disk"))
            .help("free some space, or choose an `output_directory` on a larger disk")
            .because(error);
    }
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "choose an `output_directory` below a directory that can be written"
        }
        _ => "look at the output directory's disk",
    };
    fail(OUTPUT, what).help(help).because(error)
}
