//! What files declare, from their syntax alone: for questions about a whole workspace, which must not compile all of it.
//!
//! In: files, as open or as saved. Out: of each its declarations and the modules it uses, found once and again when the
//! file has another stamp.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use imgc_compiler::hir::Body;
use imgc_compiler::load;
use imgc_compiler::source::{SourceMap, Sources as _};
use smol_str::SmolStr;

use crate::analysis::{Analysis, lock};
use crate::index::{Entity, bare, declared_by, literal};
use crate::language::{self, Role};
use crate::overlay::number;
use crate::text::TextRange;

/// The syntax of one file, as far as others ask for it.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// It is a template by itself, by what is in it.
    pub(crate) is_alone: bool,
    /// What it declares, with the place of the name.
    pub(crate) declared: Vec<(Entity, TextRange)>,
    /// The sources of its `module` blocks, as written.
    pub(crate) modules: Vec<SmolStr>,
}

/// The facts of all files that were asked about, with their stamps.
#[derive(Debug, Default)]
pub(crate) struct Survey(Mutex<BTreeMap<PathBuf, (u64, Arc<Facts>)>>);

impl Survey {
    /// Files have changed, whatever their stamps say.
    pub(crate) fn forget(&self, paths: &[PathBuf]) {
        let mut files = lock(&self.0);
        for path in paths {
            files.remove(path);
        }
    }

    /// Forgets the files in and below directories that are not there any more.
    pub(crate) fn keep(&self, roots: &[PathBuf], there: &BTreeSet<&Path>) {
        lock(&self.0).retain(|path, _| {
            there.contains(path.as_path()) || !roots.iter().any(|root| path.starts_with(root))
        });
    }

    fn known(&self, path: &Path, stamp: u64) -> Option<Arc<Facts>> {
        let files = lock(&self.0);
        let (of, facts) = files.get(path)?;
        (*of == stamp).then(|| Arc::clone(facts))
    }
}

/// What is to be known of a file; `None` where it cannot be read.
pub(crate) fn facts(analysis: &Analysis, path: &Path) -> Option<Arc<Facts>> {
    let survey = &analysis.shared.survey;
    let mut stamp = analysis.shared.overlay.stamp(path);
    if let Some(known) = stamp.and_then(|stamp| survey.known(path, stamp)) {
        return Some(known);
    }
    let text = analysis.text(path)?;
    // Where files have no stamps, their texts have.
    let stamp = *stamp.get_or_insert_with(|| number(&text));
    if let Some(known) = survey.known(path, stamp) {
        return Some(known);
    }
    let facts = Arc::new(look(analysis, path, &text));
    lock(&survey.0).insert(path.to_owned(), (stamp, Arc::clone(&facts)));
    Some(facts)
}

fn look(analysis: &Analysis, path: &Path, text: &str) -> Facts {
    let is_alone = matches!(language::role(path, text), Some((Role::Alone, _)));
    if !is_alone && !load::is_template(path) {
        return Facts::default();
    }
    analysis.shared.counts.surveyed();
    let (mut map, mut ignored) = (SourceMap::default(), Vec::new());
    let overlay = &*analysis.shared.overlay;
    let Ok(body) = load::body(path, overlay, &mut map, &mut ignored) else {
        return Facts::default();
    };
    let declared = body.blocks.iter().flat_map(declared_by);
    let declared = declared.filter(|found| found.whole.file == found.name.file);
    Facts {
        is_alone,
        declared: declared
            .map(|found| (found.entity, bare(text, found.name).into()))
            .collect(),
        modules: modules(&body),
    }
}

fn modules(body: &Body) -> Vec<SmolStr> {
    let blocks = body.blocks.iter();
    let blocks = blocks.filter(|block| block.kind.text == "module");
    let sources = blocks.filter_map(|block| literal(&block.body.attribute("source")?.value));
    sources.map(SmolStr::from).collect()
}
