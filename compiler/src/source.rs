//! The two doors to the outside: files and everything else.
//!
//! The compiler reads nothing but through [`Sources`] and [`World`]; the command line and the language server bring real
//! ones, tests bring [`Memory`] and [`FixedWorld`]. [`SourceMap`] holds the texts of one compilation and turns offsets
//! into lines and columns.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_syntax::hcl::Parse;
use imgc_syntax::{FileId, Span};

pub use cache::{Cache, Parsed};

use crate::diagnostic::Diagnostic;
use crate::hir::Body;
pub(crate) use cache::ReadAs;

mod cache;

/// Template files, as an editor or a disk has them.
pub trait Sources: Send + Sync {
    /// What `path` is.
    fn kind(&self, path: &Path) -> io::Result<EntryKind>;
    /// The names in a directory, sorted.
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;
    /// The bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// A number that is another one when a file has other bytes, or a directory other names, such as one made from the time
    /// of the last change; `None` where there is nothing, or where it cannot be told without reading.
    fn stamp(&self, path: &Path) -> Option<u64> {
        let _ = path;
        None
    }
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Anything else: a device, a socket.
    Other,
}

/// Everything a template can ask of its surroundings besides its own text.
pub trait World: Send + Sync {
    /// Seconds and nanoseconds since 1970-01-01T00:00:00Z; the same for a whole compilation.
    fn now(&self) -> (i64, u32);
    /// An environment variable.
    fn env(&self, name: &str) -> Option<String>;
    /// All environment variables whose name starts with `prefix`, sorted by name.
    fn env_with_prefix(&self, prefix: &str) -> Vec<(String, String)>;
    /// 16 fresh random bytes.
    fn random(&self) -> [u8; 16];
    /// How many times [`World::random`] was asked, for [`World::rewind`]; always 0 where numbers cannot be repeated.
    fn drawn(&self) -> u64 {
        0
    }
    /// Gives the random numbers after the first `drawn` once more: what is computed a second time comes out the same.
    fn rewind(&self, drawn: u64) {
        let _ = drawn;
    }
    /// The working directory (`path.cwd`).
    fn working_directory(&self) -> PathBuf;
    /// The home directory (`~` in paths).
    fn home(&self) -> Option<PathBuf>;
    /// The bytes of a file named in a template (`file()`, scripts).
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// BLAKE3 of a file's bytes, which are many for some; a real world reads it piece by piece.
    fn digest(&self, path: &Path) -> io::Result<[u8; 32]> {
        Ok(blake3::hash(&self.read(path)?).into())
    }
    /// As [`Sources::stamp`], of a file named in a template.
    fn stamp(&self, path: &Path) -> Option<u64> {
        let _ = path;
        None
    }
    /// What a path named in a template is.
    fn kind(&self, path: &Path) -> io::Result<EntryKind>;
    /// The permission bits of what a path names, such as `0o755`; a world without them says `0o644`.
    fn mode(&self, path: &Path) -> io::Result<u32> {
        let _ = path;
        Ok(0o644)
    }
    /// Where a symbolic link points to; `None` where the path is none.
    fn link(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let _ = path;
        Ok(None)
    }
    /// The entries of a directory named in a template, sorted, as paths.
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;
    /// What a service keeps (`vault()` and its relatives). `Ok(None)`: this world stays offline now, and the value stays
    /// unknown; the error says what went wrong, without any secret in it. The default is a world without services.
    fn look_up(&self, what: &Lookup<'_>) -> Result<Option<String>, String> {
        let _ = what;
        Ok(None)
    }
}

/// Something that a service keeps and a template asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lookup<'a> {
    /// A key of a secret in HashiCorp Vault: `vault(path, key)`.
    Vault {
        /// The path in the API, such as `secret/data/web`.
        path: &'a str,
        /// The key in the secret.
        key: &'a str,
    },
    /// A key of Consul's store: `consul_key(key)`.
    ConsulKey {
        /// The key.
        key: &'a str,
    },
    /// A key of a secret in AWS Secrets Manager: `aws_secretsmanager(name, key)`.
    AwsSecret {
        /// The secret's name or ARN.
        name: &'a str,
        /// The key in the secret; `None` for the only one.
        key: Option<&'a str>,
    },
    /// A secret in AWS Secrets Manager as it is: `aws_secretsmanager_raw(name)`.
    AwsSecretRaw {
        /// The secret's name or ARN.
        name: &'a str,
    },
}

/// One file of a compilation.
#[derive(Debug)]
pub struct SourceFile {
    /// As the user would write it.
    pub path: PathBuf,
    /// The text.
    pub text: Arc<str>,
    /// It gives values to variables: its lines may be secrets, and those next to a problem are not shown.
    pub gives_values: bool,
    line_starts: Vec<u32>,
    /// What nobody is shown, in no order.
    hidden: Vec<Range<u32>>,
    parsed: Option<Arc<Parsed>>,
}

impl SourceFile {
    /// What was read in it, where the map has a [`Cache`].
    pub fn parsed(&self) -> Option<&Arc<Parsed>> {
        self.parsed.as_ref()
    }

    /// The text as people are shown it: of the same length, with stars for what is hidden.
    pub fn shown(&self) -> Cow<'_, str> {
        if self.hidden.is_empty() {
            return Cow::Borrowed(&self.text);
        }
        let mut shown = String::with_capacity(self.text.len());
        for (at, character) in self.text.char_indices() {
            let hidden = |range: &Range<u32>| range.contains(&(at as u32));
            match character {
                '\n' | '\r' => shown.push(character),
                _ if self.hidden.iter().any(hidden) => {
                    shown.extend(std::iter::repeat_n('*', character.len_utf8()));
                }
                _ => shown.push(character),
            }
        }
        Cow::Owned(shown)
    }

    /// Zero-based line and byte column of an offset.
    pub fn line_column(&self, offset: u32) -> (u32, u32) {
        let line = self.line_starts.partition_point(|start| *start <= offset) - 1;
        (line as u32, offset - self.line_starts[line])
    }

    /// One-based line and column in characters, as shown to people.
    pub fn position(&self, offset: u32) -> (u32, u32) {
        let (line, column) = self.line_column(offset);
        let start = self.line_starts[line as usize] as usize;
        let end = start + column as usize;
        let characters = self
            .text
            .get(start..end)
            .map_or(column as usize, |text| text.chars().count());
        (line + 1, characters as u32 + 1)
    }

    /// Number of lines, at least one.
    pub fn line_count(&self) -> u32 {
        self.line_starts.len() as u32
    }
}

/// The texts of one compilation, by [`FileId`].
#[derive(Debug, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
    cache: Option<Arc<Cache>>,
}

impl SourceMap {
    /// A map that takes from a cache what was parsed before, and keeps what is parsed.
    pub fn with_cache(cache: Arc<Cache>) -> Self {
        Self {
            cache: Some(cache),
            ..Self::default()
        }
    }

    /// What is in a file, from the cache if it is there. With `key`, what the file is read as; with `parse`, what reads it
    /// when its text is new, given what was made of it before.
    pub(crate) fn parsed(
        &mut self,
        id: FileId,
        key: ReadAs,
        out: &mut Vec<Diagnostic>,
        parse: impl FnOnce(&str, Option<&Parsed>, &mut Vec<Diagnostic>) -> (Body, Option<Parse>),
    ) -> Body {
        let file = &mut self.files[id.0 as usize];
        let Some(cache) = &self.cache else {
            return parse(&Arc::clone(&file.text), None, out).0;
        };
        let parsed = cache.parsed(id, file, key, parse);
        out.extend(parsed.problems.iter().cloned());
        let body = parsed.body.clone();
        file.parsed = Some(parsed);
        body
    }

    /// Adds a file and gives its id.
    pub fn add(&mut self, path: impl Into<PathBuf>, text: impl Into<Arc<str>>) -> FileId {
        let text = text.into();
        let mut line_starts = vec![0];
        line_starts.extend(
            text.bytes()
                .enumerate()
                .filter(|(_, byte)| *byte == b'\n')
                .map(|(at, _)| at as u32 + 1),
        );
        self.files.push(SourceFile {
            path: path.into(),
            text,
            gives_values: false,
            line_starts,
            hidden: Vec::new(),
            parsed: None,
        });
        FileId(self.files.len() as u32 - 1)
    }

    /// The file of an id that came from this map.
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// Notes that a file gives values to variables.
    pub fn set_gives_values(&mut self, id: FileId) {
        self.files[id.0 as usize].gives_values = true;
    }

    /// Hides the text of a span from all who are shown it with a problem; to the end of the line where it `is_open`, since
    /// it did not parse.
    pub fn hide(&mut self, span: Span, is_open: bool) {
        let file = &mut self.files[span.file.0 as usize];
        let rest = &file.text[span.end as usize..];
        let line = rest.find('\n').unwrap_or(rest.len()) as u32;
        let end = span.end + if is_open { line } else { 0 };
        file.hidden.push(span.start..end);
    }

    /// All files with their ids, in the order they were added.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files
            .iter()
            .enumerate()
            .map(|(at, file)| (FileId(at as u32), file))
    }

    /// The text of a span.
    pub fn text(&self, span: Span) -> &str {
        &self.file(span.file).text[span.start as usize..span.end as usize]
    }
}

/// Files in memory, for tests and for unsaved text.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Memory {
    /// Files from `(path, content)` pairs.
    pub fn new<P: Into<PathBuf>, B: Into<Vec<u8>>>(
        files: impl IntoIterator<Item = (P, B)>,
    ) -> Self {
        Self {
            files: files
                .into_iter()
                .map(|(path, bytes)| (path.into(), bytes.into()))
                .collect(),
        }
    }

    /// Adds or replaces a file.
    pub fn insert(&mut self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), bytes.into());
    }
}

impl Sources for Memory {
    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        let path = here_as_nothing(path);
        if self.files.contains_key(path) {
            Ok(EntryKind::File)
        } else if path == Path::new("") || self.files.keys().any(|file| file.starts_with(path)) {
            Ok(EntryKind::Directory)
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut names: Vec<PathBuf> = self
            .files
            .keys()
            .filter_map(|file| file.strip_prefix(here_as_nothing(directory)).ok())
            .filter_map(|rest| rest.components().next())
            .map(|first| directory.join(first))
            .collect();
        names.dedup();
        if names.is_empty() {
            Err(io::ErrorKind::NotFound.into())
        } else {
            Ok(names)
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// `.` as the files' own paths have it: not at all.
fn here_as_nothing(path: &Path) -> &Path {
    if path == Path::new(".") {
        Path::new("")
    } else {
        path
    }
}

/// A world that stands still: fixed clock, given environment, counted "random" numbers.
#[derive(Debug, Default)]
pub struct FixedWorld {
    /// Seconds since 1970.
    pub now: i64,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// Files that templates may name.
    pub files: Memory,
    /// The permission bits of files, where they are not `0o644`.
    pub modes: BTreeMap<PathBuf, u32>,
    /// Where symbolic links point to; what is there is not among `files`.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// What services keep, by the call that asks for it, such as `vault("secret/data/web", "password")`. Without any the
    /// world is offline.
    pub services: BTreeMap<String, String>,
    counter: std::sync::atomic::AtomicU64,
}

impl World for FixedWorld {
    fn now(&self) -> (i64, u32) {
        (self.now, 0)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }

    fn env_with_prefix(&self, prefix: &str) -> Vec<(String, String)> {
        self.env
            .iter()
            .filter(|(name, _)| name.starts_with(prefix))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    fn random(&self) -> [u8; 16] {
        let count = self
            .counter
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed)
            + 1;
        u128::from(count).to_be_bytes()
    }

    fn drawn(&self) -> u64 {
        self.counter.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn rewind(&self, drawn: u64) {
        self.counter
            .store(drawn, std::sync::atomic::Ordering::Relaxed);
    }

    fn working_directory(&self) -> PathBuf {
        PathBuf::from("/project")
    }

    fn home(&self) -> Option<PathBuf> {
        Some(PathBuf::from("/home/user"))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Sources::read(&self.files, path)
    }

    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        Sources::kind(&self.files, path)
    }

    fn mode(&self, path: &Path) -> io::Result<u32> {
        Ok(self.modes.get(path).copied().unwrap_or(0o644))
    }

    fn link(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        Ok(self.links.get(path).cloned())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut entries = Sources::list(&self.files, directory)?;
        let links = self.links.keys();
        entries.extend(
            links
                .filter(|link| link.parent() == Some(directory))
                .cloned(),
        );
        entries.sort();
        Ok(entries)
    }

    fn look_up(&self, what: &Lookup<'_>) -> Result<Option<String>, String> {
        if self.services.is_empty() {
            return Ok(None);
        }
        let call = match what {
            Lookup::Vault { path, key } => format!("vault({path:?}, {key:?})"),
            Lookup::ConsulKey { key } => format!("consul_key({key:?})"),
            Lookup::AwsSecret { name, key } => {
                format!(
                    "aws_secretsmanager({name:?}, {:?})",
                    key.unwrap_or_default()
                )
            }
            Lookup::AwsSecretRaw { name } => format!("aws_secretsmanager_raw({name:?})"),
        };
        match self.services.get(&call) {
            Some(found) => Ok(Some(found.clone())),
            None => Err(format!("nothing is known of {call}")),
        }
    }
}
