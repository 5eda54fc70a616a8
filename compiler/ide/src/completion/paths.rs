//! Files that strings name.

use std::path::{Path, PathBuf};

use imgc_compiler::source::{EntryKind, World as _};

use super::{CompletionKind, Cx, Rank};
use crate::analysis::Cancellable;
use crate::grammar::{Inside, Opt};
use crate::place::Value;
use crate::text::TextRange;

/// Entries of a directory that are offered, at most.
const MOST: usize = 1_000;

/// Options that name files and are not marked so in the catalogue.
const NAMES: &[&str] = &["cd_files", "floppy_files", "http_directory", "playbook_dir"];

/// Whether a string names a file.
pub(super) fn is_path(cx: &Cx<'_>, value: &Value, opt: Option<&Opt>) -> bool {
    if let Some(function) = &value.call {
        return matches!(
            function.as_str(),
            "file"
                | "fileexists"
                | "fileset"
                | "filebase64"
                | "filemd5"
                | "filesha1"
                | "filesha256"
                | "filesha512"
                | "templatefile"
                | "abspath"
        );
    }
    if matches!(cx.place.inside, Inside::Core(core) if core.name == "module") {
        return value.option == "source";
    }
    let Some(attribute) = opt.and_then(Opt::schema) else {
        return false;
    };
    let name = value.option.as_str();
    attribute.reads.is_some()
        || NAMES.contains(&name)
        || attribute.values.is_empty()
            && ["_file", "_files", "_path", "_paths", "_directory", "_dir"]
                .iter()
                .any(|end| name.ends_with(end))
            && !name.starts_with("remote_")
            && !name.starts_with("ssh_host")
}

/// The entries of the directory that the string so far names.
pub(super) fn complete(
    cx: &mut Cx<'_>,
    before: &str,
    content: TextRange,
    bare: bool,
) -> Cancellable<()> {
    let Some(root) = root(cx) else {
        return Ok(());
    };
    let surroundings = cx.analysis.surroundings(&root);
    let rooted = ["${path.root}/", "{{template_dir}}/", "{{ template_dir }}/"]
        .iter()
        .find_map(|start| before.strip_prefix(start));
    let written = rooted.unwrap_or(before);
    if written.contains("${") || written.contains("{{") || written.contains("://") {
        return Ok(());
    }
    let (directory, start) = match written.rfind('/') {
        Some(0) => ("/", 1),
        Some(at) => (&written[..at], at + 1),
        None => ("", 0),
    };
    let directory: PathBuf = match directory.strip_prefix('~') {
        Some(rest) => match surroundings.home() {
            Some(home) => home.join(rest.trim_start_matches('/')),
            None => return Ok(()),
        },
        None if rooted.is_some() => root.join(directory),
        None => surroundings.resolve(Path::new(directory)),
    };
    let Ok(entries) = surroundings.list(&directory) else {
        return Ok(());
    };
    let from = content.start + (before.len() - written.len() + start) as u32;
    // A path that goes on behind the cursor keeps what follows its next slash.
    let behind = TextRange::new(cx.offset, content.end).of(cx.text);
    let to = behind
        .find('/')
        .map_or(content.end, |at| cx.offset + at as u32);
    let range = TextRange::new(from.min(cx.offset), to.max(cx.offset));
    let typed_dot = written[start..].starts_with('.');
    for entry in entries.iter().take(MOST) {
        cx.analysis.check()?;
        let Some(name) = entry
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
        else {
            continue;
        };
        if name.starts_with('.') && !typed_dot || name.contains(['"', '\\', '\n', '$', '%']) {
            continue;
        }
        let is_directory = matches!(surroundings.kind(entry), Ok(EntryKind::Directory));
        let (kind, text) = match is_directory {
            true => (CompletionKind::Directory, format!("{name}/")),
            false => (CompletionKind::File, name.clone()),
        };
        let inserted = if bare {
            format!("\"{text}\"")
        } else {
            text.clone()
        };
        let item = cx.push_at(range, Rank::Fits, kind, text, inserted);
        item.again = is_directory;
    }
    Ok(())
}

fn root(cx: &Cx<'_>) -> Option<PathBuf> {
    match &cx.template {
        Some(template) => Some(template.root.clone()),
        None => cx.path.parent().map(Path::to_owned),
    }
}
