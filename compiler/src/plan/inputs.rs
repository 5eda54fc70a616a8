//! What a step is made from: option by option, file by file.
//!
//! In: a component's options as a plan has them, and what is there of artifacts. Out: a list of [`StepInput`]s that
//! decides what the step does: two steps with equal lists do the same. Limits, comments, the order of attributes and
//! times of files are not in it. Who keeps digests of them salts those of sensitive values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use smol_str::SmolStr;

use super::files::{
    expand_home, file_digest, hex, program_digest, tree_digest, tree_stamp, uploads,
};
use super::{Open, Options, RunValues};
use crate::schema::{Component, Reads};
use crate::scope::BUILD_MEMBERS;
use crate::source::{EntryKind, World};
use crate::value::{Data, Value};

/// One of the things that decide what a step does.
#[derive(Clone, Debug, PartialEq)]
pub struct StepInput {
    /// Unique in the step: `option inline`, `file setup.sh`, `tree web`, `expression of inline`.
    pub name: String,
    /// The option it comes from.
    pub option: SmolStr,
    /// What it is.
    pub content: Content,
    /// What has been read for it, or will be.
    pub file: Option<ReadFile>,
}

/// A file or a tree that decides what a step does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadFile {
    path: PathBuf,
    modes: Modes,
}

/// Which of a file's permissions count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Modes {
    /// None: its bytes are all that is read.
    None,
    /// Whether it may be executed.
    Executable,
    /// All: it is something that is copied.
    All,
}

/// What an input is.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A value; parts of it may be marked as sensitive, or not be known.
    Value(Value),
    /// An expression that waits for the run.
    Expression {
        /// As it is written.
        text: String,
        /// What it says: equal for expressions that say the same of the same values.
        shape: Vec<u8>,
        /// Whether it is a secret.
        sensitive: bool,
    },
    /// The bytes of a file or a tree.
    Digest(String),
    /// A value of the running build, such as `ID`.
    RunValue(SmolStr),
    /// Only the run can say, and only when the step runs: why.
    Unforeseeable(String),
}

/// What reading a path has given: its kind and digest, or why not.
type Outcome = Result<(&'static str, String), String>;

/// Why a file's content is no known input yet: see [`Known::later`].
pub const NOT_READ: &str = "it is read while it is sent";
/// Why a file's content is no known input any more: see [`Read::look_again`].
const CHANGED: &str = "it was changed while the build ran";

/// Digests of what has been read, so that many steps read a tree once.
#[derive(Debug, Default)]
pub struct Read {
    seen: BTreeMap<ReadFile, Seen>,
    put_off: BTreeMap<PathBuf, u64>,
}

/// What a path was when it was read.
#[derive(Clone, Debug)]
struct Seen {
    outcome: Outcome,
    /// From before it was read.
    stamp: Option<u64>,
}

impl Seen {
    fn look(file: &ReadFile, world: &dyn World) -> Self {
        let ReadFile { path, modes } = file;
        let kind = world.kind(path);
        let stamp = stamp(path, world);
        let made = match kind {
            Ok(EntryKind::Directory) => tree_digest(world, path).map(|digest| ("tree", digest)),
            Ok(_) => match modes {
                Modes::None => world.digest(path),
                Modes::Executable => program_digest(world, path),
                Modes::All => file_digest(world, path),
            }
            .map(|digest| ("file", digest)),
            Err(error) => Err(error),
        };
        let outcome = made
            .map(|(kind, digest)| (kind, hex(&digest)))
            .map_err(|error| format!("it cannot be read now: {error}"));
        Self { outcome, stamp }
    }

    /// Whether nothing has been written to it since it was read, or the same again; `None` where it is another one now.
    fn again(&self, file: &ReadFile, world: &dyn World) -> Option<Self> {
        if self.stamp.is_none() || stamp(&file.path, world) == self.stamp {
            return Some(self.clone());
        }
        let now = Self::look(file, world);
        (now.outcome == self.outcome).then_some(now)
    }

    /// As it counts where another content may have been used in the meantime.
    fn changed(self) -> Self {
        Self {
            outcome: Err(CHANGED.to_owned()),
            ..self
        }
    }
}

/// A number that is another one when a file, or what is in a directory, has been written to.
fn stamp(path: &Path, world: &dyn World) -> Option<u64> {
    match world.kind(path) {
        Ok(EntryKind::Directory) => tree_stamp(world, path),
        Ok(EntryKind::File) => world.stamp(path),
        _ => None,
    }
}

/// A file whose reading was put off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutOff {
    path: PathBuf,
    stamp: u64,
}

impl PutOff {
    /// Reads the file. Another content than it had when it was put off may be what was sent, or may not: that counts as
    /// unreadable.
    pub fn read(&self, world: &dyn World) -> ReadLater {
        let file = ReadFile {
            path: self.path.clone(),
            modes: Modes::All,
        };
        let seen = Seen::look(&file, world);
        ReadLater {
            file,
            seen: match seen.stamp == Some(self.stamp) {
                true => seen,
                false => seen.changed(),
            },
        }
    }
}

/// What reading a [`PutOff`] has given.
#[derive(Debug)]
pub struct ReadLater {
    file: ReadFile,
    seen: Seen,
}

/// What is known besides the options.
pub struct Known<'a> {
    /// The artifacts there are, by address of the build.
    pub artifacts: &'a BTreeMap<String, Value>,
    /// Files, environment.
    pub world: &'a dyn World,
    /// Fills in the templates (`{{ … }}`) of a text; `None` where that cannot be done before the step runs.
    pub render: &'a dyn Fn(&str) -> Option<String>,
    /// Whether files that are sent need not be read now: their content is [`Content::Unforeseeable`] for [`NOT_READ`] until
    /// what [`Read::put_off`] lists has been read.
    pub later: bool,
}

/// What a component with these options is made from, sorted by name.
pub fn inputs(
    component: Option<&Component>,
    options: &Options,
    known: &Known<'_>,
    read: &mut Read,
) -> Vec<StepInput> {
    let mut list = Vec::new();
    let entries = options.value().as_map().into_iter().flatten();
    for (name, value) in entries.filter(|(_, value)| !value.is_null()) {
        list.push(StepInput {
            name: format!("option {name}"),
            option: name.clone(),
            content: Content::Value(value.clone()),
            file: None,
        });
    }
    let open = options.open(known.world);
    for option in &open {
        list.extend(opened(option));
    }
    if let Some(component) = component {
        files(component, options, &open, known, read, &mut list);
    }
    list.sort_by(|one, other| one.name.cmp(&other.name));
    list.dedup_by(|one, other| one.name == other.name && one.content == other.content);
    list
}

/// What an option is made of that only the run knows.
fn opened(open: &Open) -> Vec<StepInput> {
    let option = &open.option;
    let input = |name: String, content| StepInput {
        name,
        option: option.clone(),
        content,
        file: None,
    };
    let mut list = vec![input(
        format!("expression of {option}"),
        Content::Expression {
            text: open.text.clone(),
            shape: open.trace.shape.clone(),
            sensitive: open.sensitive,
        },
    )];
    for (at, (text, value)) in open.trace.known.iter().enumerate() {
        // One name may have several values, in the turns of what is repeated.
        let name = format!("value {} of {text} in {option}", at + 1);
        list.push(input(
            name,
            Content::Value(value.clone().mark_by_nature(open.sensitive)),
        ));
    }
    for function in &open.trace.unasked {
        let why = match function.as_str() {
            "" => "its value is known only when the step runs".to_owned(),
            function => {
                format!("`{function}` gets something that is known only when the step runs")
            }
        };
        let name = format!("call of {function} in {option}");
        list.push(input(name, Content::Unforeseeable(why)));
    }
    for reference in &open.trace.open {
        let first = reference.path.first().map(|name| name.text.as_str());
        match (reference.root.as_str(), first) {
            ("build", Some(member)) if BUILD_MEMBERS.contains(&member) => list.push(input(
                format!("value build.{member}"),
                Content::RunValue(member.into()),
            )),
            // An artifact: whoever compares knows which builds the step needs, and what they have made.
            ("build", Some(_)) => {}
            ("local" | "var" | "module", _) => {}
            (root, _) => {
                let why = format!("`{}` is not known before a run", shown(root, first));
                let name = format!("value {} in {option}", shown(root, first));
                list.push(input(name, Content::Unforeseeable(why)));
            }
        }
    }
    list
}

fn shown(root: &str, first: Option<&str>) -> String {
    match first {
        Some(first) => format!("{root}.{first}"),
        None => root.to_owned(),
    }
}

/// The files and trees that options name.
fn files(
    component: &Component,
    options: &Options,
    open: &[Open],
    known: &Known<'_>,
    read: &mut Read,
    list: &mut Vec<StepInput>,
) {
    let reads = component.body.attributes.iter();
    let mut reads = reads
        .filter_map(|(name, attribute)| Some((name, attribute.reads?)))
        .filter(|(_, reads)| *reads != Reads::Existing)
        .peekable();
    if reads.peek().is_none() {
        return;
    }
    // With the artifacts there are, paths made from them are known.
    let values = RunValues {
        artifacts: known.artifacts.clone(),
        ..RunValues::default()
    };
    let resolved = match open.is_empty() {
        true => None,
        false => options.resolve(&values, known.world).ok(),
    };
    let value = resolved.as_ref().unwrap_or(options.value());
    for (name, reads) in reads {
        let Some(given) = value.get(name) else {
            continue;
        };
        if reads == Reads::Upload && !uploads(value) {
            continue;
        }
        let secret = given.contains_sensitive();
        for (at, path) in texts(given).into_iter().enumerate() {
            let unknown = |why: &str| StepInput {
                name: format!("file {} of {name}", at + 1),
                option: name.clone(),
                content: Content::Unforeseeable(why.to_owned()),
                file: None,
            };
            let Some(path) = path else {
                list.push(unknown(
                    "which file it is, is known only when the step runs",
                ));
                continue;
            };
            let rendered = match path.contains("{{") {
                true => (known.render)(path),
                false => Some(path.to_owned()),
            };
            let Some(path) = rendered else {
                list.push(unknown(
                    "which file it is, is known only when the step runs",
                ));
                continue;
            };
            if path.is_empty() || path.contains("://") {
                continue;
            }
            let file = ReadFile {
                path: expand_home(&path, known.world),
                modes: match reads {
                    Reads::Upload => Modes::All,
                    Reads::Program => Modes::Executable,
                    Reads::File | Reads::Existing => Modes::None,
                },
            };
            let unread = |why: &str| StepInput {
                file: Some(file.clone()),
                ..unknown(why)
            };
            if known.later && file.modes == Modes::All && read.puts_off(&file, known.world) {
                list.push(unread(NOT_READ));
                continue;
            }
            let (kind, digest) = match read.digest(&file, known.world) {
                Ok(found) => found,
                Err(why) => {
                    list.push(unread(&why));
                    continue;
                }
            };
            let name_of = match secret {
                true => format!("{kind} {} of {name}", at + 1),
                false => format!("{kind} {}", file.path.display()),
            };
            list.push(StepInput {
                name: name_of,
                option: name.clone(),
                content: Content::Digest(digest),
                file: Some(file),
            });
        }
    }
}

/// The texts of an option that names files; `None` for what is not known.
fn texts(value: &Value) -> Vec<Option<&str>> {
    match value.data() {
        Data::Null(_) => Vec::new(),
        Data::Unknown(_) => vec![None],
        _ => match value.as_slice() {
            Some(parts) => parts.iter().map(Value::as_str).collect(),
            None => vec![value.as_str()],
        },
    }
}

impl Read {
    /// The files that have been put off, and have not been read since.
    pub fn put_off(&self) -> Vec<PutOff> {
        let all = self.put_off.iter();
        all.map(|(path, stamp)| PutOff {
            path: path.clone(),
            stamp: *stamp,
        })
        .collect()
    }

    /// Takes what reading one of them has given.
    pub fn take(&mut self, later: ReadLater) {
        self.put_off.remove(&later.file.path);
        self.seen.insert(later.file, later.seen);
    }

    /// Looks again at files that a step has used. Of one that has been written since it was read, and has another content
    /// now, nobody can say which of them was used: it counts as unreadable from now on. Whether there are any.
    pub fn look_again(&mut self, files: &[ReadFile], world: &dyn World) -> bool {
        let mut any = false;
        for file in files {
            let Some(seen) = self.seen.get_mut(file) else {
                continue;
            };
            *seen = match seen.again(file, world) {
                Some(now) => now,
                None => {
                    any = true;
                    seen.clone().changed()
                }
            };
        }
        any
    }

    /// Whether a path is a file that nobody has read yet; it is read later then.
    fn puts_off(&mut self, file: &ReadFile, world: &dyn World) -> bool {
        if self.put_off.contains_key(&file.path) {
            return true;
        }
        let is_unread = !self.seen.contains_key(file);
        let is_file = || matches!(world.kind(&file.path), Ok(EntryKind::File));
        match world.stamp(&file.path).filter(|_| is_unread && is_file()) {
            Some(stamp) => {
                self.put_off.insert(file.path.clone(), stamp);
                true
            }
            None => false,
        }
    }

    /// What is at a path, and its digest.
    fn digest(
        &mut self,
        file: &ReadFile,
        world: &dyn World,
    ) -> Result<(&'static str, String), String> {
        let seen = self.seen.entry(file.clone());
        let seen = seen.or_insert_with(|| Seen::look(file, world));
        seen.outcome.clone()
    }
}

/// The bytes that stand for a value wherever values are compared: equal for equal values, whatever is marked in them.
pub fn canonical(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(value, &mut bytes);
    bytes
}

fn write(value: &Value, out: &mut Vec<u8>) {
    let text = |out: &mut Vec<u8>, letter: u8, text: &str| {
        out.push(letter);
        out.extend((text.len() as u64).to_be_bytes());
        out.extend(text.as_bytes());
    };
    let count = |out: &mut Vec<u8>, letter: u8, count: usize| {
        out.push(letter);
        out.extend((count as u64).to_be_bytes());
    };
    match value.data() {
        Data::Unknown(ty) => text(out, b'?', &ty.to_string()),
        Data::Null(_) => out.push(b'0'),
        Data::Bool(flag) => out.push(if *flag { b't' } else { b'f' }),
        Data::Number(number) => text(out, b'n', &number.to_string()),
        Data::String(string) => text(out, b's', string),
        Data::List(_, parts) | Data::Set(_, parts) | Data::Tuple(parts) => {
            count(out, b'l', parts.len());
            parts.iter().for_each(|part| write(part, out));
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            count(out, b'm', entries.len());
            for (name, entry) in entries.iter() {
                text(out, b'k', name);
                write(entry, out);
            }
        }
    }
}
