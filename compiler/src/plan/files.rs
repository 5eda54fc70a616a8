//! Files that options name: they must be there, and their bytes belong to the digest of the step.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

use imgc_syntax::Span;
use sha2::{Digest as _, Sha256};

use super::Input;
use crate::compile::Request;
use crate::diagnostic::{Diagnostic, nearest};
use crate::eval::Context;
use crate::hir::{Body, Expr, ExprKind};
use crate::schema::{Component, Reads};
use crate::source::{EntryKind, World};
use crate::value::Value;

/// What has been read so far, by path.
#[derive(Default)]
pub(super) struct Files {
    seen: BTreeMap<(PathBuf, bool), Option<Input>>,
}

impl Files {
    /// The inputs read for all steps, sorted by path.
    pub(super) fn into_inputs(self) -> Vec<Input> {
        let mut inputs: Vec<Input> = self.seen.into_values().flatten().collect();
        inputs.dedup();
        inputs
    }

    /// Looks at the files the options of one component name; gives their digests in the order of the options.
    pub(super) fn read(
        &mut self,
        component: &Component,
        options: &Value,
        bodies: &[&Body],
        span: Span,
        request: &Request,
        cx: &mut Context<'_>,
    ) -> Vec<String> {
        let mut digests = Vec::new();
        if request.offline_files {
            return digests;
        }
        for (name, attribute) in &component.body.attributes {
            let (Some(reads), Some(value)) = (attribute.reads, options.get(name)) else {
                continue;
            };
            if reads == Reads::Upload && !uploads(options) {
                continue;
            }
            let expr = crate::configure::find_option(bodies, name);
            for (at, path) in paths(value).into_iter().enumerate() {
                let place = expr.map_or(span, |expr| element(expr, at).span);
                let named = Named {
                    path: expand_home(path, cx.world),
                    option: name,
                    secret: value.contains_sensitive(),
                    place,
                };
                digests.extend(self.one(&named, reads, request, cx));
            }
        }
        digests
    }

    fn one(
        &mut self,
        named: &Named<'_>,
        reads: Reads,
        request: &Request,
        cx: &mut Context<'_>,
    ) -> Option<String> {
        let key = (named.path.clone(), reads == Reads::Program);
        if let Some(known) = self.seen.get(&key) {
            return known.as_ref().map(|input| input.digest.clone());
        }
        let input = match cx.world.kind(&named.path) {
            Ok(EntryKind::Directory) if reads == Reads::Upload => {
                if request.digest_files {
                    named.read("tree", cx, tree_digest)
                } else {
                    None
                }
            }
            Ok(EntryKind::Directory) => {
                cx.report(
                    Diagnostic::error(
                        "check/missing-file",
                        named.place,
                        format!(
                            "`{}` needs a file, and {} is a directory",
                            named.option,
                            named.shown()
                        ),
                    )
                    .help("name a file in it"),
                );
                None
            }
            Ok(_) if request.digest_files && reads == Reads::Program => {
                named.read("file", cx, program_digest)
            }
            Ok(_) if request.digest_files && reads != Reads::Existing => {
                named.read("file", cx, |world, path| world.digest(path))
            }
            Ok(_) => None,
            Err(error) => {
                cx.report(named.missing(&error, cx));
                return None;
            }
        };
        let digest = input.as_ref().map(|input| input.digest.clone());
        // The name of a secret path is kept nowhere.
        if !named.secret {
            self.seen.insert(key, input);
        }
        digest
    }
}

/// A file as an option names it.
struct Named<'a> {
    path: PathBuf,
    option: &'a str,
    secret: bool,
    place: Span,
}

impl Named<'_> {
    fn read(
        &self,
        kind: &'static str,
        cx: &mut Context<'_>,
        digest: impl Fn(&dyn World, &Path) -> io::Result<[u8; 32]>,
    ) -> Option<Input> {
        match digest(cx.world, &self.path) {
            Ok(digest) => Some(Input {
                kind,
                name: self.path.display().to_string(),
                digest: hex(&digest),
            }),
            Err(error) => {
                let diagnostic = self.missing(&error, cx);
                cx.report(diagnostic);
                None
            }
        }
    }

    /// The path for messages.
    fn shown(&self) -> String {
        if self.secret {
            "this path".to_owned()
        } else {
            format!("`{}`", self.path.display())
        }
    }

    fn missing(&self, error: &io::Error, cx: &Context<'_>) -> Diagnostic {
        let report = |message| Diagnostic::error("check/missing-file", self.place, message);
        if error.kind() != io::ErrorKind::NotFound {
            return report(format!("{} cannot be read: {error}", self.shown()))
                .help(format!("`{}` needs it: check its permissions", self.option));
        }
        if self.secret {
            return report(format!("there is no such file for `{}`", self.option))
                .help("the path is a secret and not shown");
        }
        let diagnostic = report(format!("there is no file {}", self.shown()));
        if self.path.is_relative() && cx.world.kind(&cx.root.join(&self.path)).is_ok() {
            return diagnostic.help(format!(
                "there is one beside the template, but paths are relative to the working directory: write \
                 `\"${{path.root}}/{}\"`",
                self.path.display()
            ));
        }
        // Of a bare name this is the empty path, which means the working directory.
        let directory = self.path.parent().unwrap_or(Path::new(""));
        let names: Vec<String> = cx
            .world
            .list(directory)
            .unwrap_or_default()
            .iter()
            .filter_map(|entry| Some(entry.file_name()?.to_string_lossy().into_owned()))
            .collect();
        let wanted = self
            .path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        match nearest(&wanted, names.iter().map(String::as_str)) {
            Some(near) => diagnostic.help(format!("there is `{}`", directory.join(near).display())),
            None if self.path.is_absolute() => {
                diagnostic.help(format!("`{}` needs it", self.option))
            }
            None => diagnostic.help(format!(
                "`{}` is relative to the working directory, {}",
                self.option,
                cx.world.working_directory().display()
            )),
        }
    }
}

/// SHA-256 over a tree: names, modes, contents, targets of links, in sorted order. Times are not in it.
pub(super) fn tree_digest(world: &dyn World, root: &Path) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    walk(world, root, root, &mut hasher)?;
    Ok(hasher.finalize().into())
}

fn walk(world: &dyn World, root: &Path, directory: &Path, hasher: &mut Sha256) -> io::Result<()> {
    for entry in world.list(directory)? {
        let relative = entry.strip_prefix(root).unwrap_or(&entry);
        let link = world.link(&entry)?;
        let kind = world.kind(&entry);
        let mut head = |letter: u8, mode: u32| {
            hasher.update([letter]);
            part(hasher, relative.as_os_str().as_encoded_bytes());
            hasher.update(mode.to_be_bytes());
        };
        match (&link, kind) {
            // What a link leads to may be copied in its place: both count. Directories are not walked, since links
            // may lead in circles.
            (Some(target), kind) => {
                head(b'l', 0);
                part(hasher, target.as_os_str().as_encoded_bytes());
                if let Ok(EntryKind::File) = kind {
                    hasher.update(world.mode(&entry)?.to_be_bytes());
                    hasher.update(world.digest(&entry)?);
                }
            }
            (None, Ok(EntryKind::Directory)) => {
                head(b'd', world.mode(&entry)?);
                walk(world, root, &entry, hasher)?;
                hasher.update([b'e']);
            }
            (None, Ok(EntryKind::File)) => {
                head(b'f', world.mode(&entry)?);
                hasher.update(world.digest(&entry)?);
            }
            // Sockets and the like are not copied.
            (None, Ok(EntryKind::Other) | Err(_)) => head(b'o', 0),
        }
    }
    Ok(())
}

/// A number that is another one when anything in a tree has been written to, renamed or removed, or has got other
/// permissions; `None` where that cannot be told without reading.
pub(super) fn tree_stamp(world: &dyn World, root: &Path) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    stamps(world, root, &mut hasher)?;
    Some(hasher.finish())
}

fn stamps(world: &dyn World, directory: &Path, hasher: &mut DefaultHasher) -> Option<()> {
    for entry in world.list(directory).ok()? {
        entry.hash(hasher);
        let link = world.link(&entry).ok()?;
        link.hash(hasher);
        match world.kind(&entry) {
            // The stamp of what a link leads to.
            Ok(EntryKind::File) => world.stamp(&entry)?.hash(hasher),
            Ok(EntryKind::Directory) if link.is_none() => {
                world.mode(&entry).ok()?.hash(hasher);
                stamps(world, &entry, hasher)?;
            }
            _ => {}
        }
        0xff_u8.hash(hasher);
    }
    Some(())
}

/// SHA-256 over a file and its permission bits: whether a script may be executed matters to `file` provisioners.
pub(super) fn file_digest(world: &dyn World, path: &Path) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    hasher.update(world.mode(path)?.to_be_bytes());
    hasher.update(world.digest(path)?);
    Ok(hasher.finalize().into())
}

/// SHA-256 over a file that is run: another one where it may not be executed. Other permissions do not count, so that who has
/// checked it out with another mask runs nothing.
pub(super) fn program_digest(world: &dyn World, path: &Path) -> io::Result<[u8; 32]> {
    let digest = world.digest(path)?;
    if world.mode(path)? & 0o111 != 0 {
        return Ok(digest);
    }
    let mut hasher = Sha256::new();
    part(&mut hasher, b"not executable");
    hasher.update(digest);
    Ok(hasher.finalize().into())
}

fn part(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Whether a `file` provisioner sends something that is already there.
pub(super) fn uploads(options: &Value) -> bool {
    let text = |name| options.get(name).and_then(Value::as_str);
    text("direction") != Some("download")
        && options.get("generated").and_then(Value::as_bool) != Some(true)
}

/// The known paths of an option; texts that are filled in later, and URLs, are none.
fn paths(value: &Value) -> Vec<&str> {
    let known = |value: &'_ &Value| {
        value
            .as_str()
            .is_some_and(|text| !text.contains("{{") && !text.contains("://"))
    };
    let one = std::slice::from_ref(value);
    let all = if value.as_str().is_some() {
        one
    } else {
        value.as_slice().unwrap_or_default()
    };
    all.iter()
        .filter(known)
        .filter_map(Value::as_str)
        .filter(|text| !text.is_empty())
        .collect()
}

fn element(expr: &Expr, at: usize) -> &Expr {
    match &expr.kind {
        ExprKind::Tuple(elements) => elements.get(at).unwrap_or(expr),
        _ => expr,
    }
}

pub(super) fn expand_home(path: &str, world: &dyn World) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => world
            .home()
            .map_or_else(|| PathBuf::from(path), |home| home.join(rest)),
        None => PathBuf::from(path),
    }
}
