//! A directory as a tar stream, the same bytes for the same content: entries sorted by name, owners as numbers, whole
//! seconds, PAX records only where a field does not fit or for extended attributes.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::leftovers::{Verdict, is_host_key, verdict};
use super::{ACCESS_LISTS, MTIME_RECORD, OPAQUE, OPAQUE_ATTRIBUTES, WHITEOUT, XATTR_RECORD};

/// How a directory is packed.
#[derive(Debug, Default)]
pub(crate) struct PackOptions {
    /// No entry is younger than this.
    pub(crate) clamp: Option<i64>,
    /// Leave out the leftovers of building.
    pub(crate) tidy: bool,
    /// The directory is the upper one of an overlay: its marks become whiteouts.
    pub(crate) overlay: bool,
    /// Begin with an entry for the directory itself.
    pub(crate) root_entry: bool,
    /// With what images do not have: times to the nanosecond and access control lists.
    pub(crate) exact: bool,
}

/// What was packed.
#[derive(Debug, Default)]
pub(crate) struct PackStats {
    /// Entries, without the root's own.
    pub(crate) entries: u64,
    /// Private host keys of ssh.
    pub(crate) host_keys: u64,
}

/// Largest number an eight-byte octal field holds.
const OCTAL_7: u64 = 0o7_777_777;
/// Largest size a twelve-byte octal field holds.
const OCTAL_11: u64 = 0o77_777_777_777;

/// Packs what is in `root`. Sockets are left out, as tar does.
pub(crate) fn pack(
    root: &Path,
    output: impl Write,
    options: &PackOptions,
) -> io::Result<PackStats> {
    let mut packer = Packer {
        builder: Builder::new(output),
        options,
        links: HashMap::new(),
        stats: PackStats::default(),
    };
    if options.root_entry {
        packer.directory(b"./", &fs::symlink_metadata(root)?, root)?;
    }
    packer.children(root, b"")?;
    packer.builder.into_inner()?;
    Ok(packer.stats)
}

struct Packer<'a, W: Write> {
    builder: Builder<W>,
    options: &'a PackOptions,
    /// First name of each file that has several.
    links: HashMap<(u64, u64), Vec<u8>>,
    stats: PackStats,
}

type Record = (String, Vec<u8>);

impl<W: Write> Packer<'_, W> {
    fn children(&mut self, directory: &Path, prefix: &[u8]) -> io::Result<()> {
        let mut names = fs::read_dir(directory)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            let mut path = prefix.to_vec();
            path.extend(name.as_bytes());
            self.entry(&directory.join(&name), path, &name)?;
        }
        Ok(())
    }

    fn entry(&mut self, file: &Path, path: Vec<u8>, name: &OsStr) -> io::Result<()> {
        let metadata = fs::symlink_metadata(file).map_err(|error| about(file, &error))?;
        let kind = metadata.file_type();
        if kind.is_dir() {
            let mut path = path;
            path.push(b'/');
            self.stats.entries += 1;
            self.directory(&path, &metadata, file)?;
            if self.options.overlay && is_opaque(file) {
                self.stats.entries += 1;
                self.whiteout([&path, OPAQUE].concat())?;
            }
            return self.children(file, &path);
        }
        if kind.is_socket() {
            return Ok(());
        }
        if self.options.overlay && kind.is_char_device() && metadata.rdev() == 0 {
            self.stats.entries += 1;
            let parent = &path[..path.len() - name.len()];
            return self.whiteout([parent, WHITEOUT, name.as_bytes()].concat());
        }
        let text = String::from_utf8_lossy(&path).into_owned();
        let verdict = if self.options.tidy && kind.is_file() {
            verdict(&text)
        } else {
            Verdict::Keep
        };
        if verdict == Verdict::Skip {
            return Ok(());
        }
        self.stats.entries += 1;
        self.stats.host_keys += u64::from(kind.is_file() && is_host_key(&text));
        if metadata.nlink() > 1 {
            let id = (metadata.dev(), metadata.ino());
            if let Some(first) = self.links.get(&id).cloned() {
                return self.append(
                    &path,
                    &metadata,
                    EntryType::Link,
                    Some(&first),
                    Vec::new(),
                    None,
                );
            }
            self.links.insert(id, path.clone());
        }
        let records = attributes(file, self.options.exact)?;
        if kind.is_symlink() {
            let target = fs::read_link(file)?.into_os_string().into_vec();
            self.append(
                &path,
                &metadata,
                EntryType::Symlink,
                Some(&target),
                records,
                None,
            )
        } else if kind.is_file() {
            let empty = verdict == Verdict::Empty;
            let content = if empty {
                None
            } else {
                Some(File::open(file).map_err(|error| about(file, &error))?)
            };
            self.append(&path, &metadata, EntryType::Regular, None, records, content)
        } else {
            let entry_type = match () {
                () if kind.is_char_device() => EntryType::Char,
                () if kind.is_block_device() => EntryType::Block,
                () => EntryType::Fifo,
            };
            self.append(&path, &metadata, entry_type, None, records, None)
        }
    }

    fn directory(&mut self, path: &[u8], metadata: &Metadata, file: &Path) -> io::Result<()> {
        let records = attributes(file, self.options.exact)?;
        self.append(path, metadata, EntryType::Directory, None, records, None)
    }

    /// A deletion: an empty file without owner and time of its own.
    fn whiteout(&mut self, path: Vec<u8>) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        header.set_mtime(self.options.clamp.unwrap_or(0).max(0) as u64);
        let mut records = Vec::new();
        set_name(&mut header, &path, &mut records);
        self.write(header, &records, io::empty())
    }

    fn append(
        &mut self,
        path: &[u8],
        metadata: &Metadata,
        entry_type: EntryType,
        link: Option<&[u8]>,
        mut records: Vec<Record>,
        content: Option<File>,
    ) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(entry_type);
        header.set_mode(metadata.mode() & 0o7777);
        set_number(&mut header, "uid", u64::from(metadata.uid()), &mut records);
        set_number(&mut header, "gid", u64::from(metadata.gid()), &mut records);
        let time = self
            .options
            .clamp
            .map_or(metadata.mtime(), |clamp| metadata.mtime().min(clamp));
        header.set_mtime(time.max(0) as u64);
        if self.options.exact && metadata.mtime_nsec() != 0 {
            let time = format!("{}.{:09}", metadata.mtime(), metadata.mtime_nsec());
            records.push((MTIME_RECORD.to_owned(), time.into_bytes()));
        }
        let size = if content.is_some() { metadata.len() } else { 0 };
        header.set_size(size.min(OCTAL_11));
        if size > OCTAL_11 {
            records.push(("size".to_owned(), size.to_string().into_bytes()));
        }
        set_name(&mut header, path, &mut records);
        if let Some(link) = link {
            set_link(&mut header, link, &mut records);
        }
        if matches!(entry_type, EntryType::Char | EntryType::Block) {
            header.set_device_major(nix::sys::stat::major(metadata.rdev()) as u32)?;
            header.set_device_minor(nix::sys::stat::minor(metadata.rdev()) as u32)?;
        }
        match content {
            Some(file) => self.write(header, &records, Exactly { file, left: size }),
            None => self.write(header, &records, io::empty()),
        }
    }

    fn write(
        &mut self,
        mut header: Header,
        records: &[Record],
        content: impl Read,
    ) -> io::Result<()> {
        if !records.is_empty() {
            let records = records
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_slice()));
            self.builder.append_pax_extensions(records)?;
        }
        header.set_cksum();
        self.builder.append(&header, content)
    }
}

/// The name if it fits, else as much of it as fits and a record.
fn set_name(header: &mut Header, path: &[u8], records: &mut Vec<Record>) {
    set_field(&mut header.as_old_mut().name, path, "path", records);
}

fn set_link(header: &mut Header, target: &[u8], records: &mut Vec<Record>) {
    set_field(
        &mut header.as_old_mut().linkname,
        target,
        "linkpath",
        records,
    );
}

fn set_field(field: &mut [u8; 100], value: &[u8], record: &str, records: &mut Vec<Record>) {
    let length = value.len().min(field.len());
    field[..length].copy_from_slice(&value[..length]);
    if value.len() > field.len() {
        records.insert(0, (record.to_owned(), value.to_vec()));
    }
}

fn set_number(header: &mut Header, field: &str, value: u64, records: &mut Vec<Record>) {
    let fits = value.min(OCTAL_7);
    match field {
        "uid" => header.set_uid(fits),
        _ => header.set_gid(fits),
    }
    if value > OCTAL_7 {
        records.push((field.to_owned(), value.to_string().into_bytes()));
    }
}

/// The extended attributes that are part of a file: capabilities and what users set; with `exact` also who else may do
/// what.
fn attributes(file: &Path, exact: bool) -> io::Result<Vec<Record>> {
    let names = match xattr::list(file) {
        Ok(names) => names,
        Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EOPNOTSUPP as i32) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(about(file, &error)),
    };
    let mut names: Vec<String> = names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| is_content(name) || exact && ACCESS_LISTS.contains(&name.as_str()))
        .collect();
    names.sort();
    let mut records = Vec::new();
    for name in names {
        if let Some(value) = xattr::get(file, &name)? {
            records.push((format!("{XATTR_RECORD}{name}"), value));
        }
    }
    Ok(records)
}

fn is_content(name: &str) -> bool {
    name == "security.capability"
        || (name.starts_with("user.") && !name.starts_with("user.overlay."))
}

fn is_opaque(directory: &Path) -> bool {
    OPAQUE_ATTRIBUTES
        .iter()
        .any(|name| xattr::get(directory, name).is_ok_and(|value| value.as_deref() == Some(b"y")))
}

/// Names the file an error is about.
fn about(file: &Path, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("{}: {error}", PathBuf::from(file).display()),
    )
}

/// As many bytes as announced, whatever happens to the file meanwhile.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if length == 0 {
            return Ok(0);
        }
        match self.file.read(&mut buffer[..length])? {
            0 => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a file became shorter while it was packed",
            )),
            read => {
                self.left -= read as u64;
                Ok(read)
            }
        }
    }
}
