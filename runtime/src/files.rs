//! Local files, written so that nobody sees a half of one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::error::{Class, Error, Result};

/// Held while an executable is written, and exclusively while a process starts: a process started meanwhile would
/// inherit the open file for an instant, and running the file would fail with "text file busy".
static EXECUTABLES: RwLock<()> = RwLock::new(());

/// Writing executables is allowed while this lives.
pub(crate) fn writing() -> RwLockReadGuard<'static, ()> {
    EXECUTABLES.read().unwrap_or_else(PoisonError::into_inner)
}

/// Starting processes is allowed while this lives.
pub(crate) fn starting() -> RwLockWriteGuard<'static, ()> {
    EXECUTABLES.write().unwrap_or_else(PoisonError::into_inner)
}

/// The directory of a path; the working directory for a bare name.
pub fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// A file that is being written: it has no name until it is finished, so that nothing of it is left by whoever dies on
/// the way. Where the file system knows no such files it has a name that begins with `.imgc-`.
#[derive(Debug)]
pub struct Beside {
    file: std::fs::File,
    named: Option<tempfile::TempPath>,
}

impl Beside {
    /// The file itself.
    pub fn as_file(&self) -> &std::fs::File {
        &self.file
    }

    /// Its inode number, which it keeps when it is put in place.
    pub fn inode(&self) -> io::Result<u64> {
        use std::os::unix::fs::MetadataExt as _;
        Ok(self.file.metadata()?.ino())
    }
}

impl io::Write for Beside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl io::Seek for Beside {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// A file on the disk of `path`; directories on the way are made. [`persist`] puts it in place; dropping it removes it.
pub fn beside(path: &Path) -> io::Result<Beside> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let parent = parent(path);
    std::fs::create_dir_all(&parent)?;
    let unnamed = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(nix::libc::O_TMPFILE)
        .open(&parent);
    if let Ok(file) = unnamed {
        return Ok(Beside { file, named: None });
    }
    let (file, name) = tempfile::Builder::new()
        .prefix(".imgc-")
        .tempfile_in(parent)?
        .into_parts();
    Ok(Beside {
        file,
        named: Some(name),
    })
}

/// Replaces the content of a file at once. `mode` is given to a new file; `None` keeps that of an existing one or
/// follows the umask.
pub fn write_atomically(path: &Path, content: &[u8], mode: Option<u32>) -> io::Result<()> {
    use std::io::Write as _;
    let mut file = beside(path)?;
    file.write_all(content)?;
    persist(file, path, mode)
}

/// Puts a finished file in place.
pub fn persist(file: Beside, path: &Path, mode: Option<u32>) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = match mode {
        Some(mode) => mode,
        None => match std::fs::metadata(path) {
            Ok(metadata) => metadata.permissions().mode() & 0o7777,
            Err(_) => 0o666 & !umask(),
        },
    };
    file.file
        .set_permissions(std::fs::Permissions::from_mode(mode))?;
    match file.named {
        Some(name) => name.persist(path).map_err(|error| error.error),
        None => name(&file.file, path),
    }
}

/// Gives an unnamed file its name; what has that name is replaced at once.
fn name(file: &std::fs::File, path: &Path) -> io::Result<()> {
    use nix::fcntl::{AT_FDCWD, AtFlags};
    use std::os::fd::AsRawFd as _;
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link = |to: &Path| -> io::Result<()> {
        nix::unistd::linkat(
            AT_FDCWD,
            own.as_str(),
            AT_FDCWD,
            to,
            AtFlags::AT_SYMLINK_FOLLOW,
        )
        .map_err(io::Error::from)
    };
    match link(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other,
    }
    // A link replaces nothing, a rename does.
    let unused = tempfile::Builder::new()
        .prefix(".imgc-")
        .make_in(parent(path), link)?
        .into_temp_path();
    unused.persist(path).map_err(|error| error.error)
}

/// Where what is to replace `path` is finished, and where what it replaces goes: beside it, with a name of the run.
pub fn aside(path: &Path, run: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let run: String = run
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(12)
        .collect();
    path.with_file_name(format!(".{name}.imgc-{run}"))
}

/// Two paths change places: at once where the file system can do that.
pub fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use nix::errno::Errno;
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    match renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE) {
        Err(Errno::EINVAL | Errno::ENOSYS) => {}
        done => return done.map_err(io::Error::from),
    }
    let mut between = one.as_os_str().to_owned();
    between.push(".before");
    std::fs::rename(other, &between)?;
    if let Err(error) = std::fs::rename(one, other) {
        std::fs::rename(&between, other)?;
        return Err(error);
    }
    std::fs::rename(&between, one)
}

/// The process's umask, read without changing it (which other threads would see).
fn umask() -> u32 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("Umask:"))?;
            u32::from_str_radix(line.trim(), 8).ok()
        })
        .unwrap_or(0o022)
}

/// The failure of a local file operation, classed by its cause: what was attempted, on which path, and the way out.
pub fn failure(id: &'static str, attempt: &str, path: &Path, error: io::Error) -> Error {
    let help = match error.kind() {
        io::ErrorKind::NotFound => "check the path; relative ones start at the working directory",
        io::ErrorKind::PermissionDenied => "check the rights of the file and of its directory",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room on this disk, or choose another place"
        }
        io::ErrorKind::ReadOnlyFilesystem => "choose a place that can be written to",
        _ => "",
    };
    let failure = Error::new(
        Class::Environment,
        id,
        format!("cannot {attempt} `{}`", path.display()),
    )
    .because(error);
    if help.is_empty() {
        failure
    } else {
        failure.help(help)
    }
}

/// Runs blocking work aside. A panic in it is our mistake and becomes an error.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(Error::new(
            Class::Bug,
            "run/panic",
            "a worker thread panicked",
        ))
    })
}

/// A path without `.` and with `..` taken back, as far as that can be said of the path alone.
pub fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_keeps_its_mode() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/er/file");
        write_atomically(&path, b"one", Some(0o640)).unwrap();
        write_atomically(&path, b"two", None).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
    }
}
