//! A local directory as one tar stream.
//!
//! Entries are sorted, belong to nobody in particular (the receiving side gives them to who logs in), and what is neither
//! a file, a directory nor a symbolic link is left out: opening a pipe or a device could wait for ever.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use imgc_runtime::error::{Class, Error, Result};
use tar::{Builder, EntryType, Header};

/// The entries of a tree.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    root: PathBuf,
    pub(crate) entries: Vec<Entry>,
    /// What was left out.
    pub(crate) skipped: Vec<PathBuf>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    /// Below the root.
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    modified: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File(u64),
    Link(PathBuf),
}

impl Tree {
    /// Looks at all that is below `root`.
    pub(crate) fn collect(root: &Path) -> Result<Self> {
        let mut tree = Self {
            root: root.to_owned(),
            ..Self::default()
        };
        tree.add(Path::new(""))?;
        Ok(tree)
    }

    fn add(&mut self, below: &Path) -> Result<()> {
        let directory = self.root.join(below);
        let listed = fs::read_dir(&directory).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut names: Vec<_> = listed
            .map_err(|error| unreadable(&directory, error))?
            .into_iter()
            .map(|entry| entry.file_name())
            .collect();
        names.sort();
        for name in names {
            let path = below.join(name);
            let full = self.root.join(&path);
            let metadata = fs::symlink_metadata(&full).map_err(|error| unreadable(&full, error))?;
            let kind = if metadata.is_dir() {
                Kind::Directory
            } else if metadata.is_file() {
                Kind::File(metadata.len())
            } else if metadata.is_symlink() {
                Kind::Link(fs::read_link(&full).map_err(|error| unreadable(&full, error))?)
            } else {
                self.skipped.push(full);
                continue;
            };
            let is_directory = kind == Kind::Directory;
            self.entries.push(Entry {
                path: path.clone(),
                kind,
                mode: metadata.permissions().mode() & 0o7777,
                modified: u64::try_from(metadata.mtime()).unwrap_or(0),
            });
            if is_directory {
                self.add(&path)?;
            }
        }
        Ok(())
    }

    /// The first bytes of its files, to see whether they can be compressed.
    pub(crate) fn sample(&self, limit: usize) -> Vec<u8> {
        let mut sample = Vec::new();
        for entry in &self.entries {
            let Kind::File(_) = entry.kind else { continue };
            if sample.len() >= limit {
                break;
            }
            if let Ok(file) = File::open(self.root.join(&entry.path)) {
                // What cannot be read is reported when it is sent.
                let _ = file
                    .take((limit - sample.len()) as u64)
                    .read_to_end(&mut sample);
            }
        }
        sample
    }

    /// A file's local path.
    pub(crate) fn local(&self, entry: &Entry) -> PathBuf {
        self.root.join(&entry.path)
    }

    /// Writes the archive. `mode`: for all files instead of their own. `done` hears how many entries are written.
    pub(crate) fn write(
        &self,
        out: impl Write,
        mode: Option<u32>,
        mut done: impl FnMut(usize),
    ) -> Result<()> {
        let mut archive = Builder::new(out);
        for (number, entry) in self.entries.iter().enumerate() {
            let mut header = Header::new_gnu();
            header.set_mtime(entry.modified);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mode(entry.effective_mode(mode));
            let full = self.local(entry);
            let written = match &entry.kind {
                Kind::Directory => {
                    header.set_entry_type(EntryType::Directory);
                    header.set_size(0);
                    archive.append_data(&mut header, &entry.path, io::empty())
                }
                Kind::Link(target) => {
                    header.set_entry_type(EntryType::Symlink);
                    header.set_size(0);
                    archive.append_link(&mut header, &entry.path, target)
                }
                Kind::File(length) => {
                    header.set_entry_type(EntryType::Regular);
                    header.set_size(*length);
                    let file = File::open(&full).map_err(|error| unreadable(&full, error))?;
                    let mut exact = Exact {
                        file,
                        left: *length,
                    };
                    archive.append_data(&mut header, &entry.path, &mut exact)
                }
            };
            written.map_err(|error| match error.kind() {
                io::ErrorKind::BrokenPipe => interrupted(error),
                _ => unreadable(&full, error),
            })?;
            done(number + 1);
        }
        archive
            .into_inner()
            .and_then(|mut out| out.flush())
            .map_err(interrupted)
    }

    /// All paths, each ended by NUL.
    pub(crate) fn names(&self) -> Vec<u8> {
        let names = self.entries.iter();
        names
            .flat_map(|entry| [b"./", entry.path.as_os_str().as_bytes(), b"\0"].concat())
            .collect()
    }
}

impl Entry {
    /// The permission bits it gets on the machine.
    pub(crate) fn effective_mode(&self, mode: Option<u32>) -> u32 {
        match (&self.kind, mode) {
            (Kind::Directory, Some(mode)) => directory_mode(mode),
            (Kind::Link(_), _) => 0o777,
            (_, mode) => mode.unwrap_or(self.mode),
        }
    }
}

/// A directory can be entered by those who may read it.
fn directory_mode(mode: u32) -> u32 {
    mode | (mode & 0o444) >> 2
}

/// A file of exactly so many bytes, as its header has announced them.
struct Exact {
    file: File,
    left: u64,
}

impl Read for Exact {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(0);
        }
        let length = self.file.read(&mut buffer[..room])?;
        if length == 0 {
            return Err(io::Error::other(
                "the file became shorter while it was copied",
            ));
        }
        self.left -= length as u64;
        Ok(length)
    }
}

/// A local file cannot be read.
pub(crate) fn unreadable(path: &Path, error: io::Error) -> Error {
    let message = format!("`{}` cannot be read", path.display());
    Error::new(Class::Environment, "run/ssh-local-file", message).because(error)
}

fn interrupted(error: io::Error) -> Error {
    Error::new(
        Class::Remote,
        "run/ssh-transfer",
        "the machine stopped taking the files",
    )
    .because(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_tree_with_everything_in_it_comes_out_again() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("in");
        let long = "n".repeat(200);
        fs::create_dir_all(root.join("empty")).unwrap();
        fs::create_dir_all(root.join(&long).join(&long)).unwrap();
        fs::write(root.join(&long).join(&long).join("file"), "deep").unwrap();
        fs::write(root.join("it's \n ünusual"), "x").unwrap();
        fs::write(root.join("-rf"), "").unwrap();
        fs::set_permissions(root.join("-rf"), fs::Permissions::from_mode(0o751)).unwrap();
        std::os::unix::fs::symlink("/nowhere", root.join("link")).unwrap();
        nix::unistd::mkfifo(&root.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();

        let tree = Tree::collect(&root).unwrap();
        assert_eq!(tree.skipped, [root.join("pipe")]);
        let mut archive = Vec::new();
        tree.write(&mut archive, None, |_| {}).unwrap();
        fs::remove_file(root.join("pipe")).unwrap();

        let out = directory.path().join("out");
        let mut unpack = tar::Archive::new(&archive[..]);
        unpack.set_preserve_permissions(true);
        unpack.unpack(&out).unwrap();
        assert_eq!(
            imgc_testbed::tree::listing(&out).unwrap(),
            imgc_testbed::tree::listing(&root).unwrap()
        );
    }

    #[test]
    fn a_mode_for_all_lets_directories_be_entered() {
        assert_eq!(directory_mode(0o640), 0o750);
        assert_eq!(directory_mode(0o600), 0o700);
        assert_eq!(directory_mode(0o444), 0o555);
    }

    #[test]
    fn a_file_that_shrinks_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("f"), "12345").unwrap();
        let tree = Tree::collect(directory.path()).unwrap();
        fs::write(directory.path().join("f"), "12").unwrap();
        let error = tree.write(Vec::new(), None, |_| {}).unwrap_err();
        assert!(
            error.chain().contains("became shorter"),
            "{}",
            error.chain()
        );
    }
}
