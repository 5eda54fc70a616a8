//! Whether files are still what they were when they were made.
//!
//! In: a path. Out: a [`FileIdentity`]: a stamp that is quick to compare, and a digest that decides where the stamp
//! differs. Everything here reads the disk and blocks.

use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::state::FileIdentity;
use crate::sums;

/// What has become of a file, or of a thing at a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is as it was.
    Same,
    /// It is there, and another one.
    Altered,
    /// It is not there.
    Gone,
    /// It is of another account than those who look.
    Elsewhere,
}

/// What a file or a directory with all it holds is like now.
pub fn of(path: &Path) -> io::Result<FileIdentity> {
    let path = std::path::absolute(path)?;
    let mut look = Look::new(true);
    look.top(&path)?;
    Ok(FileIdentity {
        path,
        size: look.size,
        digest: hex(&look.content.finalize()),
        stamp: hex(&look.stamp.finalize()),
        lines: Vec::new(),
    })
}

/// What has become of a file since. A quick look suffices where nothing has touched it.
pub fn fate(known: &FileIdentity) -> Fate {
    let mut look = Look::new(false);
    match look.top(&known.path) {
        Ok(()) if hex(&look.stamp.finalize()) == known.stamp => return Fate::Same,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Fate::Gone,
        _ => {}
    }
    match of(&known.path) {
        Ok(now) if now.size == known.size && now.digest == known.digest => Fate::Same,
        Ok(_) if !known.lines.is_empty() && sums::hold(&known.path, &known.lines) => Fate::Same,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Fate::Gone,
        _ => Fate::Altered,
    }
}

struct Look {
    size: u64,
    stamp: Sha256,
    content: Sha256,
    /// Whether the content is read.
    reads: bool,
}

impl Look {
    fn new(reads: bool) -> Self {
        Self {
            size: 0,
            stamp: Sha256::new(),
            content: Sha256::new(),
            reads,
        }
    }

    /// What is named itself: a link stands for what it leads to, and a file is its content alone.
    fn top(&mut self, path: &Path) -> io::Result<()> {
        let metadata = std::fs::metadata(path)?;
        self.stamp(&metadata);
        match metadata.is_dir() {
            true => self.directory(path),
            false => self.file(path, &metadata),
        }
    }

    fn directory(&mut self, path: &Path) -> io::Result<()> {
        let mut entries: Vec<_> = std::fs::read_dir(path)?.collect::<io::Result<_>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let metadata = std::fs::symlink_metadata(&path)?;
            self.stamp(&metadata);
            let name = entry.file_name();
            self.part(name.as_encoded_bytes());
            self.part(&metadata.mode().to_be_bytes());
            if metadata.is_dir() {
                self.directory(&path)?;
                self.part(b"..");
            } else if metadata.is_symlink() {
                let target = std::fs::read_link(&path)?;
                self.part(target.as_os_str().as_encoded_bytes());
            } else if metadata.is_file() {
                self.part(&metadata.len().to_be_bytes());
                self.file(&path, &metadata)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, metadata: &std::fs::Metadata) -> io::Result<()> {
        self.size += metadata.len();
        if !self.reads {
            return Ok(());
        }
        let mut file = std::fs::File::open(path)?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => self.content.update(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn stamp(&mut self, metadata: &std::fs::Metadata) {
        let size = if metadata.is_dir() { 0 } else { metadata.len() };
        for number in [
            metadata.ino(),
            size,
            metadata.ctime() as u64,
            metadata.ctime_nsec() as u64,
        ] {
            self.stamp.update(number.to_be_bytes());
        }
    }

    fn part(&mut self, bytes: &[u8]) {
        self.content.update((bytes.len() as u64).to_be_bytes());
        self.content.update(bytes);
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_is_the_same_until_its_content_changes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        std::fs::write(&path, "one").unwrap();
        let identity = of(&path).unwrap();
        assert_eq!(
            identity.digest,
            "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
        );
        assert_eq!((identity.size, fate(&identity)), (3, Fate::Same));
        // Written anew with the same content: the stamp differs and the digest decides.
        std::fs::write(&path, "one").unwrap();
        assert_ne!(of(&path).unwrap().stamp, "");
        assert_eq!(fate(&identity), Fate::Same);
        std::fs::write(&path, "two").unwrap();
        assert_eq!(fate(&identity), Fate::Altered);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(fate(&identity), Fate::Gone);
    }

    #[test]
    fn a_directory_is_all_it_holds_with_names_and_modes() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("tree");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(root.join("sub/a"), "a").unwrap();
        std::os::unix::fs::symlink("a", root.join("sub/link")).unwrap();
        let identity = of(&root).unwrap();
        assert_eq!(fate(&identity), Fate::Same);
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(root.join("sub/a"), mode).unwrap();
        assert_eq!(fate(&identity), Fate::Altered);
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(root.join("sub/a"), mode).unwrap();
        let back = of(&root).unwrap();
        std::fs::rename(root.join("sub/a"), root.join("sub/b")).unwrap();
        assert_eq!(fate(&back), Fate::Altered);
        std::fs::rename(root.join("sub/b"), root.join("sub/a")).unwrap();
        assert_eq!(fate(&back), Fate::Same);
        std::fs::remove_file(root.join("sub/link")).unwrap();
        std::os::unix::fs::symlink("b", root.join("sub/link")).unwrap();
        assert_eq!(fate(&back), Fate::Altered);
    }
}
