//! The cache: what checkpoints consist of.
//!
//! `CACHE/BUILDER/PART` is a directory that a builder has made, in a form of its own. A part is kept as long as a
//! checkpoint names it. What a build at work needs, checkpoint or not, is in its *use*: a file `uses` with the names of
//! parts, in a directory beside them, that the build's process holds a lock on. The kernel drops that lock with the process,
//! so that nobody has to guess who is alive.
//!
//! Whoever begins a use, or takes up parts that exist, holds the cache's own lock shared ([`Cache::enter`]); whoever removes
//! parts holds it alone while it chooses them ([`prune`]). New parts are named in a use before they are made.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub mod prune;
mod stock;
pub mod things;

/// The cache's directory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// The right to begin a use or to take up parts; ends when dropped.
#[derive(Debug)]
pub struct Entered {
    _lock: File,
}

/// Name of the file that holds the cache's lock.
const LOCK: &str = "lock";
/// Name of the file that names what a build uses.
const USES: &str = "uses";
/// Programs that make backups leave a directory with this file out.
const TAG: (&str, &str) = (
    "CACHEDIR.TAG",
    "Signature: 8a477f597d28d172789f06886806bc55\n# What imgc can make again. `imgc cache` shows and removes it.\n",
);

impl Cache {
    /// The cache at `root`, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Its directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory for the parts of a builder; made if it is missing, for this user only.
    pub fn shelf(&self, builder: &str) -> io::Result<PathBuf> {
        let shelf = self.root.join(builder);
        private_directory(&shelf)?;
        let tag = self.root.join(TAG.0);
        if !tag.exists() {
            fs::write(tag, TAG.1)?;
        }
        Ok(shelf)
    }

    /// Keeps parts from being removed by others until the guard is dropped: for the moment in which a use is begun or
    /// filled with parts that exist. Waits for whoever removes parts, which is short.
    pub fn enter(&self) -> io::Result<Entered> {
        let lock = self.lock_file()?;
        lock.lock_shared()?;
        Ok(Entered { _lock: lock })
    }

    fn lock_file(&self) -> io::Result<File> {
        private_directory(&self.root)?;
        File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(self.root.join(LOCK))
    }
}

fn private_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// The parts that a build at work needs.
#[derive(Debug)]
pub struct Use {
    file: File,
}

impl Use {
    /// Begins the use of a directory on a builder's shelf. The cache must be [entered](Cache::enter) from before the
    /// directory was made.
    pub fn begin(directory: &Path, _entered: &Entered) -> io::Result<Self> {
        let file = File::options()
            .create_new(true)
            .append(true)
            .mode(0o600)
            .open(directory.join(USES))?;
        file.lock()?;
        Ok(Self { file })
    }

    /// One more part: one that is about to be made, or, while the cache is [entered](Cache::enter), one that exists.
    pub fn add(&self, part: &str) -> io::Result<()> {
        (&self.file).write_all(format!("{part}\n").as_bytes())
    }
}

/// What is known of a directory that may be somebody's.
#[derive(Debug, PartialEq, Eq)]
enum User {
    /// It is no use.
    None,
    /// Its process is there and uses these parts.
    Live(Vec<String>),
    /// Its process has gone; it used these parts.
    Dead(Vec<String>),
}

fn user(directory: &Path) -> io::Result<User> {
    let path = directory.join(USES);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(User::None),
        Err(error) => return Err(error),
    };
    let parts = || -> io::Result<Vec<String>> {
        let text = fs::read_to_string(&path)?;
        Ok(text.lines().map(str::to_owned).collect())
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(User::Dead(parts()?)),
        Err(TryLockError::WouldBlock) => Ok(User::Live(parts()?)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
