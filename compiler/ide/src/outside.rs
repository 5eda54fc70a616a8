//! The compiler's two doors, with open documents in front and a note of what was looked at.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use imgc_compiler::source::{EntryKind, Lookup, Sources, World};

use crate::analysis::{Shared, lock};
use crate::overlay::Overlay;

/// Template files, with a note of what was read and without what cannot be.
pub(crate) struct Recorder<'a> {
    overlay: &'a Overlay,
    reads: Mutex<BTreeSet<PathBuf>>,
    hidden: Mutex<BTreeSet<PathBuf>>,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(overlay: &'a Overlay) -> Self {
        Self {
            overlay,
            reads: Mutex::default(),
            hidden: Mutex::default(),
        }
    }

    /// From now on the file is not there.
    pub(crate) fn hide(&self, path: &Path) {
        lock(&self.hidden).insert(path.to_owned());
    }

    pub(crate) fn into_reads(self) -> BTreeSet<PathBuf> {
        self.reads
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn note(&self, path: &Path) -> io::Result<()> {
        lock(&self.reads).insert(path.to_owned());
        match lock(&self.hidden).contains(path) {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(()),
        }
    }
}

impl Sources for Recorder<'_> {
    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        self.note(path)?;
        self.overlay.kind(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        self.note(directory)?;
        let mut entries = self.overlay.list(directory)?;
        let hidden = lock(&self.hidden);
        entries.retain(|entry| !hidden.contains(entry));
        Ok(entries)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.note(path)?;
        self.overlay.read(path)
    }
}

/// The world as a template in a directory sees it: relative paths begin at the template, and where nothing is there, at
/// the working directory of whoever serves the editor.
pub(crate) struct Surroundings {
    world: Arc<dyn World>,
    overlay: Arc<Overlay>,
    root: PathBuf,
    reads: Mutex<BTreeSet<PathBuf>>,
}

impl Surroundings {
    pub(crate) fn new(shared: &Shared, root: &Path) -> Self {
        Self {
            world: (shared.outside.world)(),
            overlay: Arc::clone(&shared.overlay),
            root: root.to_owned(),
            reads: Mutex::default(),
        }
    }

    pub(crate) fn reads(&self) -> BTreeSet<PathBuf> {
        lock(&self.reads).clone()
    }

    /// The absolute path that is meant.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        if path.is_absolute() {
            return path.to_owned();
        }
        let beside = self.root.join(path);
        let elsewhere = self.world.working_directory().join(path);
        let there =
            |path: &Path| self.overlay.text(path).is_some() || self.world.kind(path).is_ok();
        match !there(&beside) && there(&elsewhere) {
            true => elsewhere,
            false => beside,
        }
    }

    fn found(&self, path: &Path) -> PathBuf {
        let path = self.resolve(path);
        lock(&self.reads).insert(path.clone());
        path
    }
}

impl World for Surroundings {
    fn now(&self) -> (i64, u32) {
        self.world.now()
    }

    fn env(&self, name: &str) -> Option<String> {
        self.world.env(name)
    }

    fn env_with_prefix(&self, prefix: &str) -> Vec<(String, String)> {
        self.world.env_with_prefix(prefix)
    }

    fn random(&self) -> [u8; 16] {
        self.world.random()
    }

    fn drawn(&self) -> u64 {
        self.world.drawn()
    }

    fn rewind(&self, drawn: u64) {
        self.world.rewind(drawn);
    }

    fn working_directory(&self) -> PathBuf {
        self.root.clone()
    }

    fn home(&self) -> Option<PathBuf> {
        self.world.home()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let path = self.found(path);
        match self.overlay.text(&path) {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => self.world.read(&path),
        }
    }

    fn digest(&self, path: &Path) -> io::Result<[u8; 32]> {
        self.world.digest(&self.found(path))
    }

    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        let path = self.found(path);
        match self.overlay.text(&path) {
            Some(_) => Ok(EntryKind::File),
            None => self.world.kind(&path),
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        self.world.list(&self.found(directory))
    }

    fn look_up(&self, what: &Lookup<'_>) -> Result<Option<String>, String> {
        // Typing asks no service.
        let _ = what;
        Ok(None)
    }
}
