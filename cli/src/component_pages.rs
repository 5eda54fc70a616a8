//! The reference pages of components, `docs/reference/`, made from the catalogue that also drives the checks.
//!
//! In: the catalogue. Out: Markdown, one page for each component and an index; a test checks that the files are current.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use imgc_compiler::components::{ComponentKind, Components as _};
use imgc_compiler::schema::{self, BodySchema, Component};

use crate::components;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::schema_rows::{block_notes, is_common, remarks, rows};

/// All pages: path below `docs/reference`, and text.
fn pages() -> Vec<(String, String)> {
    let mut pages = vec![("README.md".to_owned(), index())];
    for kind in schema::KINDS {
        for name in schema::names(kind) {
            if let Some(component) = schema::component(kind, name) {
                let path = format!("{}/{name}.md", schema::directory(kind));
                pages.push((path, page(kind, component)));
            }
        }
    }
    pages
}

fn index() -> String {
    let registry = components::registry();
    let mut out = String::from(
        "# Components\n\n\
         <!-- Made by `cargo xtask gen`; a test checks that it is current. -->\n\n\
         What imgc checks templates by. Those in bold can also be run by this version. `imgc schema NAME` prints the\n\
         same in a terminal. Components that are not here are taken as they are, with a warning.\n\
         Functions are on [a page of their own](functions.md).\n",
    );
    for kind in schema::KINDS {
        let directory = schema::directory(kind);
        let _ = writeln!(out, "\n## {}\n", heading(kind));
        for name in schema::names(kind) {
            let bold = if registry.has(kind, name) { "**" } else { "" };
            let _ = writeln!(out, "- {bold}[{name}]({directory}/{name}.md){bold}");
        }
    }
    out
}

/// The heading over all components of a kind.
pub(crate) fn heading(kind: ComponentKind) -> &'static str {
    match kind {
        ComponentKind::Builder => "Builders",
        ComponentKind::Provisioner => "Provisioners",
        ComponentKind::PostProcessor => "Post-processors",
        ComponentKind::DataSource => "Data sources",
        ComponentKind::Communicator => "Communicators",
    }
}

fn page(kind: ComponentKind, component: &Component) -> String {
    let mut out = format!("# {} `{}`\n\n", kind.word(), component.name);
    let mut about = match &component.plugin {
        Some(plugin) => format!("Of the plugin `{plugin}`"),
        None => "Needs no plugin".to_owned(),
    };
    if let Some(version) = &component.version {
        let _ = write!(about, " (facts of version {version})");
    }
    let runs = kind == ComponentKind::Communicator && component.name == "common"
        || components::registry().has(kind, &component.name);
    about.push_str(match runs {
        true => ".",
        false => ". imgc checks it; this version cannot run it.",
    });
    let _ = writeln!(out, "{about}");
    table(&component.body, &mut out);
    let common = component.body.attributes.iter();
    if kind == ComponentKind::Builder && common.clone().any(|(name, a)| is_common(name, a)) {
        out.push_str(
            "\nAnd the options of communicators: [common](../communicator/common.md), \
             [ssh](../communicator/ssh.md), [winrm](../communicator/winrm.md).",
        );
        let needed: Vec<String> = common
            .filter_map(|(name, a)| Some((name, a.required_when.as_ref()?)))
            .map(|(name, when)| format!("`{name}` for `{when}`"))
            .collect();
        if !needed.is_empty() {
            let _ = write!(out, " It needs {}.", needed.join(", "));
        }
        out.push('\n');
    }
    blocks(&component.body, "", &mut out);
    let remarks = remarks(component);
    if !remarks.is_empty() {
        out.push_str("\n## Rules\n\n");
        for remark in remarks {
            let _ = writeln!(out, "- {remark}");
        }
    }
    if !component.outputs.is_empty() {
        out.push_str("\n## Outputs\n\n| output | type |\n|---|---|\n");
        for (name, ty) in &component.outputs {
            let _ = writeln!(out, "| `{name}` | {} |", cell(&ty.to_string()));
        }
    }
    out
}

fn table(body: &BodySchema, out: &mut String) {
    let rows = rows(body, false);
    if rows.is_empty() {
        return;
    }
    out.push_str("\n| option | type | needed | default | |\n|---|---|---|---|---|\n");
    for row in rows {
        let default = match row.default.as_str() {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            row.name,
            row.ty,
            row.needed,
            cell(&default),
            cell(&row.notes.join("; "))
        );
    }
}

fn blocks(body: &BodySchema, outer: &str, out: &mut String) {
    for (name, block) in &body.blocks {
        let path = match outer {
            "" => name.to_string(),
            outer => format!("{outer}.{name}"),
        };
        let _ = writeln!(
            out,
            "\n## Block `{path}`\n\n{}.",
            sentence(&block_notes(block))
        );
        table(&block.body, out);
        if block.body.attributes.iter().any(|(n, a)| is_common(n, a)) {
            out.push_str("\nAnd the options of [communicators](../communicator/common.md).\n");
        }
        blocks(&block.body, &path, out);
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// A text that does not end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// Writes the pages, and removes those of components that are gone.
pub(crate) fn write(root: &Path) -> Outcome {
    let pages = pages();
    for (path, text) in &pages {
        let file = root.join(path);
        if std::fs::read_to_string(&file).ok().as_deref() == Some(text) {
            continue;
        }
        let directory = file.parent().unwrap_or(root);
        std::fs::create_dir_all(directory)
            .and_then(|()| std::fs::write(&file, text))
            .map_err(|error| Failure::file("write", &file, &error))?;
    }
    for stray in strays(root, &pages) {
        std::fs::remove_file(&stray).map_err(|error| Failure::file("remove", &stray, &error))?;
    }
    Ok(Exit::Done)
}

/// Files below the pages' directory that are no pages.
fn strays(root: &Path, pages: &[(String, String)]) -> Vec<PathBuf> {
    let known: BTreeSet<PathBuf> = pages.iter().map(|(path, _)| root.join(path)).collect();
    let directories = schema::KINDS
        .iter()
        .map(|kind| root.join(schema::directory(*kind)));
    directories
        .filter_map(|directory| std::fs::read_dir(directory).ok())
        .flatten()
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|file| !known.contains(file))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Set to rewrite the pages instead of comparing them.
    const UPDATE: &str = "IMGC_UPDATE_DOCS";

    #[test]
    #[cfg(all(feature = "ssh", feature = "rootfs"))]
    fn reference_docs_are_current() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference");
        if std::env::var_os(UPDATE).is_some() {
            super::write(&root).expect("the pages can be written");
        }
        let pages = super::pages();
        let stale: Vec<_> = pages
            .iter()
            .filter(|(path, text)| {
                std::fs::read_to_string(root.join(path)).ok().as_deref() != Some(text)
            })
            .map(|(path, _)| path)
            .collect();
        let strays = super::strays(&root, &pages);
        assert!(
            stale.is_empty() && strays.is_empty(),
            "docs/reference is not what the catalogue says, run the tests with {UPDATE}=1: {stale:?} {strays:?}"
        );
    }
}
