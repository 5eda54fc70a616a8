//! A tar stream into a directory, with owners, times, extended attributes, devices and whiteouts.
//!
//! Names and links in an archive may lead anywhere; callers that are not already inside the root file system change their
//! root to the target first, so that there is nowhere else to lead.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, lchown, symlink};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, makedev, mknod, utimensat};
use nix::sys::time::TimeSpec;
use tar::{Archive, Entry, EntryType};

use super::{MTIME_RECORD, OPAQUE, OPAQUE_ATTRIBUTES, WHITEOUT, XATTR_RECORD};
use crate::job::{Scanned, Whiteouts};

/// How a stream is unpacked.
#[derive(Debug)]
pub(crate) struct UnpackOptions {
    /// What whiteouts mean.
    pub(crate) whiteouts: Whiteouts,
    /// Owner and group for everything, in place of the archive's.
    pub(crate) owner: Option<(u32, u32)>,
    /// Permission bits for files, in place of the archive's; directories get `x` where there is `r`.
    pub(crate) mode: Option<u32>,
    /// Whether times are the archive's.
    pub(crate) times: bool,
    /// The target is a directory of this machine, not of an image: no attributes, devices or set-id bits.
    pub(crate) plain: bool,
    /// The stream is a copy of a layer: times have fractions of seconds.
    pub(crate) exact: bool,
}

/// Unpacks `input` into `target`, which exists or is made.
pub(crate) fn unpack(
    input: impl Read,
    target: &Path,
    options: &UnpackOptions,
) -> io::Result<Scanned> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(target)?;
    let mut unpacker = Unpacker {
        target,
        options,
        directories: Vec::new(),
        made: HashSet::new(),
        scanned: Scanned::default(),
    };
    let mut archive = Archive::new(input);
    for (count, entry) in archive.entries()?.enumerate() {
        let mut entry = entry.map_err(|error| match error.kind() {
            io::ErrorKind::Other if count == 0 => {
                io::Error::new(io::ErrorKind::InvalidData, "it is not a tar archive")
            }
            _ => error,
        })?;
        let name = entry.path_bytes().into_owned();
        unpacker.entry(&mut entry).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("{}: {}", String::from_utf8_lossy(&name), plain(&error)),
            )
        })?;
    }
    unpacker.finish()
}

fn plain(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => Errno::from_raw(code).desc().to_lowercase(),
        None => error.to_string(),
    }
}

struct Unpacker<'a> {
    target: &'a Path,
    options: &'a UnpackOptions,
    /// Mode and time of directories, set at the end.
    directories: Vec<(PathBuf, u32, TimeSpec)>,
    /// What this stream has made, for opaque directories.
    made: HashSet<PathBuf>,
    scanned: Scanned,
}

impl Unpacker<'_> {
    fn entry<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<()> {
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader) {
            return Ok(());
        }
        let Some(relative) = clean(Path::new(std::ffi::OsStr::from_bytes(&entry.path_bytes())))
        else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the name leads out of the archive",
            ));
        };
        let path = self.target.join(&relative);
        if let Some(parent) = path.parent().filter(|parent| *parent != self.target) {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(parent)?;
        }
        if self.options.whiteouts != Whiteouts::Plain && self.whiteout(&path)? {
            return Ok(());
        }
        let records = attributes(entry)?;
        let seconds = entry.header().mtime()? as i64;
        self.scanned.entries += 1;
        self.scanned.newest = self.scanned.newest.max(seconds);
        let time = match self.options.exact {
            true => exact_time(entry)?,
            false => None,
        };
        let time = time.unwrap_or(TimeSpec::new(seconds, 0));
        let made = match kind {
            EntryType::Directory => self.directory(&path, time, entry)?,
            EntryType::Link => return self.link(&path, entry),
            EntryType::Symlink => self.symlink(&path, entry)?,
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                self.node(&path, kind, entry)?
            }
            _ => self.file(&path, entry)?,
        };
        if !made {
            return Ok(());
        }
        self.own(&path, kind, entry, &records)?;
        if self.options.times && kind != EntryType::Directory {
            set_time_exactly(&path, time)?;
        }
        if self.options.whiteouts == Whiteouts::Apply {
            self.made.insert(path);
        }
        Ok(())
    }

    fn directory<R: Read>(
        &mut self,
        path: &Path,
        time: TimeSpec,
        entry: &Entry<'_, R>,
    ) -> io::Result<bool> {
        let there = fs::symlink_metadata(path).ok();
        // With a link to a directory, as `/lib` may be one, later entries go where it leads.
        let is_directory = there.as_ref().is_some_and(|there| {
            there.is_dir()
                || (self.options.whiteouts == Whiteouts::Plain
                    && there.is_symlink()
                    && path.is_dir())
        });
        if !is_directory {
            if there.is_some() {
                fs::remove_file(path)?;
            }
            fs::create_dir(path)?;
        }
        let given = self.options.mode.map(|mode| mode | (mode & 0o444) >> 2);
        let mode = given.map_or_else(|| entry.header().mode(), Ok)? & self.mode_mask();
        self.directories.push((path.to_owned(), mode, time));
        Ok(true)
    }

    fn file<R: Read>(&mut self, path: &Path, entry: &mut Entry<'_, R>) -> io::Result<bool> {
        remove(path)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        self.scanned.bytes += write_sparse(entry, &mut file)?;
        Ok(true)
    }

    fn link<R: Read>(&self, path: &Path, entry: &Entry<'_, R>) -> io::Result<()> {
        let target = entry.link_name_bytes().unwrap_or_default();
        let Some(target) = clean(Path::new(std::ffi::OsStr::from_bytes(&target))) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the link leads out of the archive",
            ));
        };
        remove(path)?;
        fs::hard_link(self.target.join(target), path)
    }

    fn symlink<R: Read>(&self, path: &Path, entry: &Entry<'_, R>) -> io::Result<bool> {
        remove(path)?;
        let target = entry.link_name_bytes().unwrap_or_default();
        symlink(std::ffi::OsStr::from_bytes(&target), path)?;
        Ok(true)
    }

    fn mode_mask(&self) -> u32 {
        if self.options.plain { 0o777 } else { 0o7777 }
    }

    fn node<R: Read>(
        &mut self,
        path: &Path,
        kind: EntryType,
        entry: &Entry<'_, R>,
    ) -> io::Result<bool> {
        if self.options.plain {
            self.scanned.skipped_devices += 1;
            return Ok(false);
        }
        remove(path)?;
        let kind = match kind {
            EntryType::Char => SFlag::S_IFCHR,
            EntryType::Block => SFlag::S_IFBLK,
            _ => SFlag::S_IFIFO,
        };
        let header = entry.header();
        let device = if kind == SFlag::S_IFIFO {
            0
        } else {
            let number = |number: Option<u32>| u64::from(number.unwrap_or(0));
            makedev(
                number(header.device_major()?),
                number(header.device_minor()?),
            )
        };
        match mknod(path, kind, Mode::from_bits_truncate(0o600), device) {
            Ok(()) => Ok(true),
            Err(Errno::EPERM) if kind != SFlag::S_IFIFO => {
                self.scanned.skipped_devices += 1;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Owner, then attributes and mode: a change of owner takes capabilities and set-id bits away.
    fn own<R: Read>(
        &self,
        path: &Path,
        kind: EntryType,
        entry: &Entry<'_, R>,
        records: &[(String, Vec<u8>)],
    ) -> io::Result<()> {
        let header = entry.header();
        let (user, group) = match self.options.owner {
            Some(owner) => owner,
            None => (header.uid()? as u32, header.gid()? as u32),
        };
        lchown(path, Some(user), Some(group)).map_err(|error| match error.raw_os_error() {
            Some(code) if code == Errno::EINVAL as i32 => io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("owner {user}:{group} is outside the range of ids this user has"),
            ),
            _ => error,
        })?;
        if kind == EntryType::Symlink {
            return Ok(());
        }
        if !self.options.plain {
            for (name, value) in records {
                xattr::set(path, name, value)?;
            }
        }
        if kind != EntryType::Directory {
            let mode = self.options.mode.map_or_else(|| header.mode(), Ok)? & self.mode_mask();
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    }

    /// Carries out or records a deletion; false if the entry is none.
    fn whiteout(&mut self, path: &Path) -> io::Result<bool> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(false);
        };
        let overlay = self.options.whiteouts == Whiteouts::Overlay;
        if name.as_bytes() == OPAQUE {
            if overlay {
                mark_opaque(parent)?
            } else {
                self.empty(parent)?
            }
            return Ok(true);
        }
        let Some(hidden) = name.as_bytes().strip_prefix(WHITEOUT) else {
            return Ok(false);
        };
        let hidden = parent.join(std::ffi::OsStr::from_bytes(hidden));
        if !self.made.contains(&hidden) {
            remove(&hidden)?;
            if overlay {
                mknod(&hidden, SFlag::S_IFCHR, Mode::empty(), 0)?;
            }
        }
        Ok(true)
    }

    /// Removes what lower layers have in a directory.
    fn empty(&self, directory: &Path) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let keep = self.made.iter().any(|made| made.starts_with(&path));
            if !keep {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<Scanned> {
        while let Some((path, mode, time)) = self.directories.pop() {
            // Removed again by a whiteout, or replaced by a link.
            if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
                continue;
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            if self.options.times {
                set_time_exactly(&path, time)?;
            }
        }
        Ok(self.scanned)
    }
}

/// A relative path without `.` and leading slashes; `None` with `..`.
fn clean(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => return None,
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(clean)
}

fn attributes<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut records = Vec::new();
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions {
            let extension = extension?;
            if let Some(name) = extension
                .key()
                .ok()
                .and_then(|key| key.strip_prefix(XATTR_RECORD))
            {
                records.push((name.to_owned(), extension.value_bytes().to_vec()));
            }
        }
    }
    Ok(records)
}

/// The change time of a record for it.
fn exact_time<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Option<TimeSpec>> {
    let Some(extensions) = entry.pax_extensions()? else {
        return Ok(None);
    };
    for extension in extensions {
        let extension = extension?;
        if extension.key() != Ok(MTIME_RECORD) {
            continue;
        }
        let text = String::from_utf8_lossy(extension.value_bytes()).into_owned();
        let time = text
            .split_once('.')
            .and_then(|(seconds, nanos)| Some((seconds.parse().ok()?, nanos.parse().ok()?)));
        return Ok(time.map(|(seconds, nanos)| TimeSpec::new(seconds, nanos)));
    }
    Ok(None)
}

fn mark_opaque(directory: &Path) -> io::Result<()> {
    let [trusted, user] = OPAQUE_ATTRIBUTES;
    xattr::set(directory, trusted, b"y").or_else(|_| xattr::set(directory, user, b"y"))
}

/// Removes whatever is there; nothing is no error.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Sets access and change time; of a link its own.
pub(crate) fn set_time(path: &Path, time: i64) -> io::Result<()> {
    set_time_exactly(path, TimeSpec::new(time, 0))
}

fn set_time_exactly(path: &Path, time: TimeSpec) -> io::Result<()> {
    utimensat(
        nix::fcntl::AT_FDCWD,
        path,
        &time,
        &time,
        UtimensatFlags::NoFollowSymlink,
    )?;
    Ok(())
}

/// Copies with holes where there are only zeros; gives the length.
fn write_sparse(input: &mut impl Read, file: &mut File) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 16];
    let zeros = vec![0; 1 << 16];
    let mut length = 0_u64;
    let mut hole = false;
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match input.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if filled == 0 {
            break;
        }
        length += filled as u64;
        hole = buffer[..filled] == zeros;
        if hole {
            file.seek(SeekFrom::Current(filled as i64))?;
        } else {
            file.write_all(&buffer[..filled])?;
        }
    }
    if hole {
        file.set_len(length)?;
    }
    Ok(length)
}
