//! A private directory for one connection: control socket, known hosts, for a moment a password.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::ledger::{Ledger, Resource};

/// The longest path of a directory whose sockets `ssh` can still make: a socket's path has at most 107 bytes, and `ssh`
/// adds 18 to ours while it makes one.
const LONGEST: usize = 80;

/// Removed when the value is dropped.
pub(crate) struct Directory {
    path: PathBuf,
    ledger: Ledger,
    record: u64,
}

impl Directory {
    /// Makes a directory that only this user can enter: in the run's scratch directory where its path is short enough.
    pub(crate) async fn make(cx: &Context) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let id = u64::from_le_bytes(cx.world.random()[..8].try_into().expect("16 bytes hold 8"));
        let name = format!("s{:x}-{number:x}-{:08x}", std::process::id(), id as u32);
        let bases = [
            cx.scratch.clone(),
            std::env::temp_dir(),
            PathBuf::from("/tmp"),
        ];
        let path = bases
            .iter()
            .map(|base| base.join(&name))
            .find(|path| path.as_os_str().len() <= LONGEST)
            .expect("/tmp is short");
        let resource = Resource::Directory { path: path.clone() };
        let made = path.clone();
        let (record, ()) = cx
            .ledger
            .create(&cx.address, resource, async move {
                DirBuilder::new()
                    .mode(0o700)
                    .create(&made)
                    .map_err(|error| problem(&made, error))
            })
            .await?;
        Ok(Self {
            path,
            ledger: cx.ledger.clone(),
            record,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, for once and all.
    pub(crate) fn remove(&self) {
        if let Ok(()) | Err(io::ErrorKind::NotFound) =
            std::fs::remove_dir_all(&self.path).map_err(|error| error.kind())
        {
            self.ledger.forget(self.record);
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A file of the directory cannot be written.
pub(crate) fn problem(path: &Path, error: io::Error) -> Error {
    let message = format!("`{}` cannot be written", path.display());
    Error::new(Class::Environment, "run/ssh-directory", message)
        .because(error)
        .help("check that the directory for temporary files is writable and the disk is not full")
}

/// Writes a file anew that has this mode from its first byte on.
pub(crate) fn write_new(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(content)
}
