//! What a directory looks like from outside: a number that changes with every change, without reading a file.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Attempt, LAYER, Outcome};
use crate::job::Stamped;
use crate::layer::compress::hex;

/// Stamps a directory with all it holds.
pub(crate) fn stamp(directory: &Path) -> Outcome<Stamped> {
    let mut stamper = Stamper::default();
    let metadata = fs::metadata(directory).attempt(LAYER, || directory.display().to_string())?;
    stamper.add(b".", &metadata);
    stamper.walk(directory)?;
    Ok(Stamped {
        stamp: hex(&stamper.hash.finalize()),
        top: top(&metadata),
        entries: stamper.entries,
        bytes: stamper.bytes,
    })
}

/// What is seen of a directory from outside without looking into it; the same inside of a user namespace and outside.
pub(crate) fn top(directory: &Metadata) -> String {
    let (seconds, nanoseconds) = (directory.ctime(), directory.ctime_nsec());
    format!("{} {seconds}.{nanoseconds:09}", directory.ino())
}

/// The stamp of a file or a directory.
pub(crate) fn stamp_any(path: &Path) -> Outcome<String> {
    let metadata = fs::metadata(path).attempt(LAYER, || path.display().to_string())?;
    if metadata.is_dir() {
        return stamp(path).map(|stamped| stamped.stamp);
    }
    let mut stamper = Stamper::default();
    stamper.add(b".", &metadata);
    Ok(hex(&stamper.hash.finalize()))
}

#[derive(Default)]
struct Stamper {
    hash: Sha256,
    entries: u64,
    bytes: u64,
    /// Inodes of files with several names.
    seen: HashSet<u64>,
}

impl Stamper {
    fn walk(&mut self, directory: &Path) -> Outcome<()> {
        let what = || format!("cannot read {}", directory.display());
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory).attempt(LAYER, what)? {
            let entry = entry.attempt(LAYER, what)?;
            let metadata = entry.metadata().attempt(LAYER, what)?;
            entries.push((entry.file_name(), entry.path(), metadata));
        }
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        self.hash.update((entries.len() as u64).to_le_bytes());
        for (name, path, metadata) in entries {
            self.add(name.as_bytes(), &metadata);
            if metadata.is_dir() {
                self.walk(&path)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &[u8], metadata: &Metadata) {
        self.entries += 1;
        if metadata.is_dir() || metadata.nlink() == 1 || self.seen.insert(metadata.ino()) {
            self.bytes += metadata.blocks() * 512;
        }
        self.hash.update((name.len() as u64).to_le_bytes());
        self.hash.update(name);
        // The kernel gives whiteouts one inode, of which it keeps a name in the overlay's work directory for a while.
        if metadata.file_type().is_char_device() && metadata.rdev() == 0 {
            self.hash.update(b"whiteout");
            return;
        }
        for number in [
            metadata.ino(),
            u64::from(metadata.mode()),
            u64::from(metadata.uid()),
            u64::from(metadata.gid()),
            metadata.size(),
            metadata.rdev(),
        ] {
            self.hash.update(number.to_le_bytes());
        }
        for number in [
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ] {
            self.hash.update(number.to_le_bytes());
        }
    }
}
