//! The templates in directories and what is below.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use imgc_compiler::load;
use imgc_compiler::source::{EntryKind, Sources as _};

use crate::analysis::{Analysis, Cancellable};
use crate::language::{self, Role};
use crate::template::TemplateId;

/// Entries that are looked at, at most.
const MOST_ENTRIES: usize = 20_000;

/// Directories inside of each other that are looked into, at most: links may lead in circles.
const DEPTH: usize = 24;

/// Larger files of other names are not read to see whether they are templates.
const MOST_READ: usize = 2_000;

/// Directories that have no templates of the user's.
const SKIPPED: &[&str] = &["node_modules", "target", "packer_cache", "vendor"];

pub(crate) fn templates(analysis: &Analysis, roots: &[PathBuf]) -> Cancellable<Vec<TemplateId>> {
    let mut walk = Walk {
        analysis,
        found: BTreeSet::new(),
        entries: 0,
        read: 0,
    };
    for root in roots {
        walk.directory(root, 0)?;
    }
    Ok(walk.found.into_iter().collect())
}

struct Walk<'a> {
    analysis: &'a Analysis,
    found: BTreeSet<TemplateId>,
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
                self.found.insert(TemplateId {
                    path: directory.to_owned(),
                    values: None,
                });
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
        let Some(text) = self.analysis.text(path) else {
            return;
        };
        if let Some((Role::Alone, _)) = language::role(path, &text) {
            self.found.insert(TemplateId {
                path: path.to_owned(),
                values: None,
            });
        }
    }
}
