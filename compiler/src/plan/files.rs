//! Files that options name: they must be there, and their bytes belong to the digest of the step.

use std::collections::BTreeMap;
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
    seen: BTreeMap<PathBuf, Option<Input>>,
}

impl Files {
    /// The inputs read for all steps, sorted by path.
    pub(super) fn into_inputs(self) -> Vec<Input> {
        self.seen.into_values().flatten().collect()
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
                digests.extend(self.one(path, name, reads, place, request, cx));
            }
        }
        digests
    }

    fn one(
        &mut self,
        path: &str,
        option: &str,
        reads: Reads,
        place: Span,
        request: &Request,
        cx: &mut Context<'_>,
    ) -> Option<String> {
        let path = expand_home(path, cx.world);
        if let Some(known) = self.seen.get(&path) {
            return known.as_ref().map(|input| input.digest.clone());
        }
        let input = match cx.world.kind(&path) {
            Ok(EntryKind::Directory) if reads == Reads::Upload => {
                if request.digest_files {
                    read_input("tree", &path, option, place, cx, tree_digest)
                } else {
                    None
                }
            }
            Ok(EntryKind::Directory) => {
                cx.report(
                    Diagnostic::error(
                        "check/missing-file",
                        place,
                        format!(
                            "`{option}` needs a file, and `{}` is a directory",
                            path.display()
                        ),
                    )
                    .help("name a file in it"),
                );
                None
            }
            Ok(_) if request.digest_files && reads != Reads::Existing => {
                read_input("file", &path, option, place, cx, |world, path| {
                    world.digest(path)
                })
            }
            Ok(_) => None,
            Err(error) => {
                cx.report(missing(&path, option, place, &error, cx));
                return None;
            }
        };
        self.seen.insert(path, input.clone());
        input.map(|input| input.digest)
    }
}

fn read_input(
    kind: &'static str,
    path: &Path,
    option: &str,
    place: Span,
    cx: &mut Context<'_>,
    digest: impl Fn(&dyn World, &Path) -> io::Result<[u8; 32]>,
) -> Option<Input> {
    match digest(cx.world, path) {
        Ok(digest) => Some(Input {
            kind,
            name: path.display().to_string(),
            digest: hex(&digest),
        }),
        Err(error) => {
            let diagnostic = missing(path, option, place, &error, cx);
            cx.report(diagnostic);
            None
        }
    }
}

fn missing(
    path: &Path,
    option: &str,
    place: Span,
    error: &io::Error,
    cx: &Context<'_>,
) -> Diagnostic {
    let shown = path.display();
    if error.kind() != io::ErrorKind::NotFound {
        return Diagnostic::error(
            "check/missing-file",
            place,
            format!("`{shown}` cannot be read: {error}"),
        )
        .help(format!("`{option}` needs it: check its permissions"));
    }
    let diagnostic = Diagnostic::error(
        "check/missing-file",
        place,
        format!("there is no file `{shown}`"),
    );
    if path.is_relative() && cx.world.kind(&cx.root.join(path)).is_ok() {
        return diagnostic.help(format!(
            "there is one beside the template, but paths are relative to the working directory: write \
             `\"${{path.root}}/{shown}\"`"
        ));
    }
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let names: Vec<String> = cx
        .world
        .list(directory)
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| Some(entry.file_name()?.to_string_lossy().into_owned()))
        .collect();
    let wanted = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    match nearest(&wanted, names.iter().map(String::as_str)) {
        Some(near) => diagnostic.help(format!("there is `{}`", directory.join(near).display())),
        None => diagnostic.help(format!(
            "`{option}` is relative to the working directory, {}",
            cx.world.working_directory().display()
        )),
    }
}

/// SHA-256 over the names and digests of a tree, in sorted order.
fn tree_digest(world: &dyn World, root: &Path) -> io::Result<[u8; 32]> {
    fn walk(
        world: &dyn World,
        root: &Path,
        directory: &Path,
        hasher: &mut Sha256,
    ) -> io::Result<()> {
        for entry in world.list(directory)? {
            let name = entry
                .strip_prefix(root)
                .unwrap_or(&entry)
                .display()
                .to_string();
            match world.kind(&entry) {
                Ok(EntryKind::Directory) => {
                    hasher.update([b'd']);
                    hasher.update((name.len() as u64).to_be_bytes());
                    hasher.update(&name);
                    walk(world, root, &entry, hasher)?;
                }
                Ok(EntryKind::File) => {
                    hasher.update([b'f']);
                    hasher.update((name.len() as u64).to_be_bytes());
                    hasher.update(&name);
                    hasher.update(world.digest(&entry)?);
                }
                // Sockets and the like are not copied; a link to nothing is copied as a link.
                Ok(EntryKind::Other) | Err(_) => {
                    hasher.update([b'o']);
                    hasher.update((name.len() as u64).to_be_bytes());
                    hasher.update(&name);
                }
            }
        }
        Ok(())
    }
    let mut hasher = Sha256::new();
    walk(world, root, root, &mut hasher)?;
    Ok(hasher.finalize().into())
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Whether a `file` provisioner sends something that is already there.
fn uploads(options: &Value) -> bool {
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

fn expand_home(path: &str, world: &dyn World) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => world
            .home()
            .map_or_else(|| PathBuf::from(path), |home| home.join(rest)),
        None => PathBuf::from(path),
    }
}
