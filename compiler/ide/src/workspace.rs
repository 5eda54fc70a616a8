//! The templates in directories and what is below.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use imgc_compiler::load;
use imgc_compiler::source::{EntryKind, Sources as _};

use crate::analysis::{Analysis, Cancellable};
use crate::survey;
use crate::template::TemplateId;

/// Entries that are looked at, at most.
const MOST_ENTRIES: usize = 20_000;

/// Directories inside of each other that are looked into, at most: links may lead in circles.
const DEPTH: usize = 24;

/// Larger files of other names are not read to see whether they are templates.
const MOST_READ: usize = 2_000;

/// Directories that have no templates of the user's.
const SKIPPED: &[&str] = &["node_modules", "target", "packer_cache", "vendor"];

/// The templates with their own files, in order.
pub(crate) fn templates(
    analysis: &Analysis,
    roots: &[PathBuf],
) -> Cancellable<BTreeMap<TemplateId, Vec<PathBuf>>> {
    let mut walk = Walk {
        analysis,
        found: BTreeMap::new(),
        entries: 0,
        read: 0,
    };
    for root in roots {
        walk.directory(root, 0)?;
    }
    Ok(walk.found)
}

struct Walk<'a> {
    analysis: &'a Analysis,
    found: BTreeMap<TemplateId, Vec<PathBuf>>,
    entries: usize,
    read: usize,
}

impl Walk<'_> {
    fn directory(&mut self, directory: &Path, depth: usize) -> Cancellable<()> {
        self.analysis.check()?;
        if depth > DEPTH {
            return Ok(());
        }
        let overlay = &self.analysis.shared.overlay;
        let Ok(entries) = overlay.list(directory) else {
            return Ok(());
        };
        let mut below = Vec::new();
        for entry in entries {
            self.entries += 1;
            if self.entries > MOST_ENTRIES {
                return Ok(());
            }
            let Some(name) = entry.file_name().map(|name| name.to_string_lossy()) else {
                continue;
            };
            if load::is_template(&entry) {
                self.add(directory, entry);
            } else if name.ends_with(".json") && load::gives_values(&entry).is_none() {
                self.alone(&entry);
            } else if !name.starts_with('.') && !SKIPPED.contains(&&*name) {
                // A file that has an ending is no directory, but for few.
                let is_file = name.contains('.') && name.len() - name.rfind('.').unwrap_or(0) <= 5;
                if !is_file && matches!(overlay.kind(&entry), Ok(EntryKind::Directory)) {
                    below.push(entry.clone());
                }
            }
        }
        for entry in below {
            self.directory(&entry, depth + 1)?;
        }
        Ok(())
    }

    /// A file that is a template of its own, if its text looks like one.
    fn alone(&mut self, path: &Path) {
        self.read += 1;
        if self.read > MOST_READ {
            return;
        }
        if survey::facts(self.analysis, path).is_some_and(|facts| facts.is_alone) {
            self.add(path, path.to_owned());
        }
    }

    fn add(&mut self, template: &Path, file: PathBuf) {
        let id = TemplateId {
            path: template.to_owned(),
            values: None,
        };
        let files = self.found.entry(id).or_default();
        // Folders may lie in each other.
        if !files.contains(&file) {
            files.push(file);
        }
    }
}
