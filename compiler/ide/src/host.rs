//! The one place where texts change: from it come snapshots.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use imgc_compiler::components::Components;
use imgc_compiler::source::{Cache, Sources, World};

use crate::analysis::{Analysis, Shared, Trees, lock};
use crate::changes::Changes;
use crate::overlay::Overlay;
use crate::survey::Survey;
use crate::template::{Depth, Slot, TemplateId};
use crate::verdicts::Verdicts;

/// The outside, as the program that serves an editor brings it.
#[derive(Clone)]
pub struct Outside {
    /// Files as saved.
    pub sources: Arc<dyn Sources>,
    /// Clock, environment and the like; made anew for every compilation.
    pub world: Arc<dyn Fn() -> Arc<dyn World> + Send + Sync>,
    /// The components that can run.
    pub components: Arc<dyn Components + Send + Sync>,
}

/// How much was done since the host was made: what costs, for logs and tests.
#[derive(Debug, Default)]
pub struct Counts {
    compiled: AtomicUsize,
    named: AtomicUsize,
    surveyed: AtomicUsize,
}

impl Counts {
    /// How many times a template was compiled.
    pub fn compilations(&self) -> usize {
        self.compiled.load(Ordering::Relaxed)
    }

    /// How many times a template was compiled no further than its names.
    pub fn lists_of_names(&self) -> usize {
        self.named.load(Ordering::Relaxed)
    }

    /// How many times the syntax of a file was looked at for a question about the workspace.
    pub fn surveys(&self) -> usize {
        self.surveyed.load(Ordering::Relaxed)
    }

    pub(crate) fn compiled(&self, depth: Depth) {
        let count = match depth {
            Depth::Names => &self.named,
            Depth::Whole => &self.compiled,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn surveyed(&self) {
        self.surveyed.fetch_add(1, Ordering::Relaxed);
    }
}

/// The current texts. Lives on one thread; [`AnalysisHost::analysis`] gives what other threads may ask.
pub struct AnalysisHost {
    outside: Outside,
    overlay: Arc<Overlay>,
    cache: Arc<Cache>,
    slots: Arc<Mutex<BTreeMap<TemplateId, Arc<Slot>>>>,
    changes: Arc<Mutex<Changes>>,
    revision: u64,
    verdicts: Arc<Verdicts>,
    survey: Arc<Survey>,
    counts: Arc<Counts>,
    trees: Arc<Trees>,
}

impl AnalysisHost {
    /// A host without open documents.
    pub fn new(outside: Outside) -> Self {
        Self {
            overlay: Arc::new(Overlay::new(Arc::clone(&outside.sources))),
            outside,
            cache: Arc::default(),
            slots: Arc::default(),
            changes: Arc::default(),
            revision: 0,
            verdicts: Arc::default(),
            survey: Arc::default(),
            counts: Arc::default(),
            trees: Arc::default(),
        }
    }

    /// A document is opened or has a new text. Snapshots from before keep theirs; [`Analysis::depends_on`] says which of
    /// their answers are about something else now.
    pub fn set_text(&mut self, path: &Path, text: impl Into<Arc<str>>) {
        Arc::make_mut(&mut self.overlay).set(path.to_owned(), text.into());
        self.changed(&[path.to_owned()]);
    }

    /// A document is closed: the saved file counts again.
    pub fn close(&mut self, path: &Path) {
        Arc::make_mut(&mut self.overlay).close(path);
        self.cache.forget(path);
        lock(&self.trees).remove(path);
        self.changed(&[path.to_owned()]);
    }

    /// Saved files were made, changed or removed.
    pub fn files_changed(&mut self, paths: &[PathBuf]) {
        self.survey.forget(paths);
        self.changed(paths);
    }

    /// Whether a change of a saved file may change an answer: it can be a part of a template by its name, or one that is
    /// compiled was made with it.
    pub fn concerns(&self, path: &Path) -> bool {
        let named = ["hcl", "json", "toml"].map(std::ffi::OsStr::new);
        path.extension()
            .is_some_and(|extension| named.contains(&extension))
            || lock(&self.slots).values().any(|slot| slot.has_read(path))
    }

    /// The text of an open document.
    pub fn text(&self, path: &Path) -> Option<Arc<str>> {
        self.overlay.text(path).cloned()
    }

    /// A snapshot of everything as it is now.
    pub fn analysis(&self) -> Analysis {
        Analysis::new(Shared {
            outside: self.outside.clone(),
            overlay: Arc::clone(&self.overlay),
            cache: Arc::clone(&self.cache),
            slots: Arc::clone(&self.slots),
            changes: Arc::clone(&self.changes),
            revision: self.revision,
            verdicts: Arc::clone(&self.verdicts),
            survey: Arc::clone(&self.survey),
            counts: Arc::clone(&self.counts),
            trees: Arc::clone(&self.trees),
        })
    }

    /// How much was done so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Forgets what depended on these files; what did not stays compiled.
    fn changed(&mut self, paths: &[PathBuf]) {
        self.revision = lock(&self.changes).add(paths);
        self.verdicts.forget(paths);
        let mut slots = lock(&self.slots).clone();
        slots.retain(|id, slot| slot.survives(id, paths, self.revision));
        self.slots = Arc::new(Mutex::new(slots));
    }
}

#[cfg(test)]
mod tests;
