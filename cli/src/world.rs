//! The real outside for the compiler: files, clock, environment, random numbers.
//!
//! The clock stands still from the moment a [`RealWorld`] is made, so that `timestamp()` is one moment for a whole
//! compilation, and the random numbers follow from a seed, so that `apply PLANFILE` can repeat them. Services are asked
//! only by a world that may go online, and each thing only once.

mod services;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use imgc_compiler::source::{EntryKind, Lookup, Sources, World};
use sha2::{Digest, Sha256};

/// Files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Disk;

impl Sources for Disk {
    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        kind(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        list(directory)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(on_disk(path))
    }

    fn stamp(&self, path: &Path) -> Option<u64> {
        stamp(path)
    }
}

/// This machine, at the moment the value was made.
#[derive(Debug)]
pub(crate) struct RealWorld {
    now: (i64, u32),
    seed: OnceLock<[u8; 32]>,
    drawn: AtomicU64,
    online: bool,
    asked_offline: AtomicBool,
    asked_time: AtomicBool,
    services: services::Answers,
}

/// Fixes clock and seed for tests: `SECONDS`, or `SECONDS,TEXT` with any text as seed. Internal, no promise.
const FIXED: &str = "IMGC_INTERNAL_CLOCK";

impl RealWorld {
    /// The machine now, with fresh random numbers.
    pub(crate) fn new() -> Self {
        if let Some(fixed) = std::env::var(FIXED).ok().and_then(|text| fixed(&text)) {
            return fixed;
        }
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self::with(
            (since.as_secs() as i64, since.subsec_nanos()),
            OnceLock::new(),
        )
    }

    /// The machine with the clock and the random numbers of another moment.
    pub(crate) fn at(now: (i64, u32), seed: [u8; 32]) -> Self {
        Self::with(now, OnceLock::from(seed))
    }

    fn with(now: (i64, u32), seed: OnceLock<[u8; 32]>) -> Self {
        Self {
            now,
            seed,
            drawn: AtomicU64::new(0),
            online: false,
            asked_offline: AtomicBool::new(false),
            asked_time: AtomicBool::new(false),
            services: services::Answers::default(),
        }
    }

    /// The same world, which asks services or does not.
    pub(crate) fn online(mut self, online: bool) -> Self {
        self.online = online;
        self
    }

    /// Whether something of a service was asked for while this world was offline.
    pub(crate) fn was_asked_offline(&self) -> bool {
        self.asked_offline.load(Ordering::Relaxed)
    }

    /// Whether anything has asked for the clock or for random numbers.
    pub(crate) fn was_asked_what_moves(&self) -> bool {
        self.asked_time.load(Ordering::Relaxed) || self.drawn.load(Ordering::Relaxed) > 0
    }

    /// The same place at another moment, with other random numbers.
    pub(crate) fn another(&self) -> Self {
        let (seconds, nanoseconds) = self.now;
        let other = (seconds.saturating_add(31_622_461), nanoseconds ^ 1);
        Self::with(other, OnceLock::new()).online(self.online)
    }

    /// The moment at which the clock stands.
    pub(crate) fn clock(&self) -> (i64, u32) {
        self.now
    }

    /// What the random numbers follow from.
    pub(crate) fn seed(&self) -> [u8; 32] {
        *self.seed.get_or_init(fresh_seed)
    }

    /// The same moment, online, with random numbers of its own: for a run, whose names and keys must not follow from a
    /// file.
    pub(crate) fn for_run(&self) -> Self {
        Self::with(self.now, OnceLock::new()).online(true)
    }
}

/// 32 bytes from the operating system.
pub(crate) fn fresh_seed() -> [u8; 32] {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system has random numbers");
    seed
}

fn fixed(text: &str) -> Option<RealWorld> {
    let (seconds, seed) = text.split_once(',').unwrap_or((text, ""));
    let seed = Sha256::digest(seed.as_bytes()).into();
    Some(RealWorld::at((seconds.parse().ok()?, 0), seed))
}

impl World for RealWorld {
    fn now(&self) -> (i64, u32) {
        self.asked_time.store(true, Ordering::Relaxed);
        self.now
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn env_with_prefix(&self, prefix: &str) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with(prefix))
            .collect();
        found.sort();
        found
    }

    fn random(&self) -> [u8; 16] {
        let count = self.drawn.fetch_add(1, Ordering::Relaxed);
        let digest = Sha256::new()
            .chain_update(self.seed())
            .chain_update(count.to_be_bytes())
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes
    }

    fn drawn(&self) -> u64 {
        self.drawn.load(Ordering::Relaxed)
    }

    fn rewind(&self, drawn: u64) {
        self.drawn.store(drawn, Ordering::Relaxed);
    }

    fn working_directory(&self) -> PathBuf {
        std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."))
    }

    fn home(&self) -> Option<PathBuf> {
        std::env::home_dir().filter(|home| !home.as_os_str().is_empty())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(on_disk(path))
    }

    fn digest(&self, path: &Path) -> io::Result<[u8; 32]> {
        let mut file = std::fs::File::open(on_disk(path))?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(hasher.finalize().into()),
                Ok(read) => {
                    hasher.update(&buffer[..read]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn stamp(&self, path: &Path) -> Option<u64> {
        stamp(path)
    }

    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        kind(path)
    }

    fn mode(&self, path: &Path) -> io::Result<u32> {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = std::fs::metadata(on_disk(path))?;
        Ok(metadata.permissions().mode() & 0o7777)
    }

    fn link(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        match std::fs::read_link(on_disk(path)) {
            Ok(target) => Ok(Some(target)),
            // What is there is no link.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        list(directory)
    }

    fn look_up(&self, what: &Lookup<'_>) -> Result<Option<String>, String> {
        if !self.online {
            self.asked_offline.store(true, Ordering::Relaxed);
            return Ok(None);
        }
        self.services.get(what).map(Some)
    }
}

/// The empty path means the working directory, as `Path::parent` gives it.
fn on_disk(path: &Path) -> &Path {
    if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    }
}

fn stamp(path: &Path) -> Option<u64> {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    use std::os::unix::fs::MetadataExt as _;
    let data = std::fs::metadata(on_disk(path)).ok()?;
    let mut hasher = DefaultHasher::new();
    let changed = (
        data.mtime(),
        data.mtime_nsec(),
        data.ctime(),
        data.ctime_nsec(),
    );
    (data.dev(), data.ino(), data.len(), changed).hash(&mut hasher);
    Some(hasher.finish())
}

fn kind(path: &Path) -> io::Result<EntryKind> {
    let metadata = std::fs::metadata(on_disk(path))?;
    Ok(if metadata.is_dir() {
        EntryKind::Directory
    } else if metadata.is_file() {
        EntryKind::File
    } else {
        EntryKind::Other
    })
}

fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(on_disk(directory))? {
        entries.push(directory.join(entry?.file_name()));
    }
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_a_run_gets_others() {
        let one = RealWorld::at((5, 7), [1; 32]);
        let two = RealWorld::at((5, 7), [1; 32]);
        assert_eq!([one.random(), one.random()], [two.random(), two.random()]);
        assert_ne!(one.random(), one.random());
        assert_ne!(
            one.for_run().random(),
            RealWorld::at((5, 7), [1; 32]).random()
        );
        assert_eq!(one.for_run().now(), (5, 7));
    }

    #[test]
    fn a_directory_is_listed_in_order_with_its_own_path() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b", "a", "c"] {
            std::fs::write(directory.path().join(name), name).unwrap();
        }
        let names = Sources::list(&Disk, directory.path()).unwrap();
        assert_eq!(
            names,
            ["a", "b", "c"].map(|name| directory.path().join(name))
        );
        assert_eq!(
            Sources::kind(&Disk, directory.path()).unwrap(),
            EntryKind::Directory
        );
    }
}
