//! The one place where texts change: from it come snapshots.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use imgc_compiler::components::Components;
use imgc_compiler::source::{Cache, Sources, World};

use crate::analysis::{Analysis, Shared, Trees};
use crate::overlay::Overlay;
use crate::template::{Slot, TemplateId};

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

/// The current texts. Lives on one thread; [`AnalysisHost::analysis`] gives what other threads may ask.
pub struct AnalysisHost {
    outside: Outside,
    overlay: Arc<Overlay>,
    cache: Arc<Cache>,
    slots: Arc<Mutex<BTreeMap<TemplateId, Arc<Slot>>>>,
    stale: Arc<AtomicBool>,
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
            stale: Arc::default(),
            trees: Arc::default(),
        }
    }

    /// A document is opened or has a new text. Snapshots from before are cancelled.
    pub fn set_text(&mut self, path: &Path, text: impl Into<Arc<str>>) {
        Arc::make_mut(&mut self.overlay).set(path.to_owned(), text.into());
        self.changed(&[path.to_owned()]);
    }

    /// A document is closed: the saved file counts again. Snapshots from before are cancelled.
    pub fn close(&mut self, path: &Path) {
        Arc::make_mut(&mut self.overlay).close(path);
        self.cache.forget(path);
        crate::analysis::lock(&self.trees).remove(path);
        self.changed(&[path.to_owned()]);
    }

    /// Saved files were made, changed or removed. Snapshots from before are cancelled.
    pub fn files_changed(&mut self, paths: &[PathBuf]) {
        self.changed(paths);
    }

    /// Whether a change of a saved file may change an answer: it can be a part of a template by its name, or one that is
    /// compiled was made with it.
    pub fn concerns(&self, path: &Path) -> bool {
        let named = ["hcl", "json", "toml"].map(std::ffi::OsStr::new);
        path.extension()
            .is_some_and(|extension| named.contains(&extension))
            || crate::analysis::lock(&self.slots)
                .values()
                .any(|slot| slot.is_ready() && slot.depends_on(path))
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
            stale: Arc::clone(&self.stale),
            trees: Arc::clone(&self.trees),
        })
    }

    /// Forgets what depended on these files; what did not stays compiled.
    fn changed(&mut self, paths: &[PathBuf]) {
        self.stale.store(true, Ordering::Relaxed);
        self.stale = Arc::default();
        let mut slots = crate::analysis::lock(&self.slots).clone();
        slots.retain(|id, slot| {
            let unaffected = |path: &PathBuf| !id.owns(path) && !slot.depends_on(path);
            slot.is_ready() && paths.iter().all(unaffected)
        });
        self.slots = Arc::new(Mutex::new(slots));
    }
}

#[cfg(test)]
mod tests;
