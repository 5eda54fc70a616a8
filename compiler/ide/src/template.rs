//! One template, compiled: what all answers about its files come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use imgc_compiler::FileId;
use imgc_compiler::compile::Compilation;

/// Which files belong together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateId {
    /// The directory, or the file that is a template of its own.
    pub path: PathBuf,
    /// A file of values that is not read without being asked for, and is looked at with the template.
    pub values: Option<PathBuf>,
}

impl TemplateId {
    /// Whether a change of this file is one of the template, whatever was read.
    pub(crate) fn owns(&self, path: &Path) -> bool {
        self.path == path || path.parent() == Some(&self.path) || self.path.starts_with(path)
    }
}

/// The place of a template that is compiled when first asked for.
#[derive(Default)]
pub(crate) struct Slot(pub(crate) OnceLock<Arc<Template>>);

impl Slot {
    pub(crate) fn is_ready(&self) -> bool {
        self.0.get().is_some()
    }

    pub(crate) fn depends_on(&self, path: &Path) -> bool {
        self.0
            .get()
            .is_none_or(|template| template.reads.contains(path))
    }
}

/// A compiled template.
pub(crate) struct Template {
    pub(crate) compilation: Compilation,
    /// The files, modules' ones too.
    pub(crate) files: BTreeMap<PathBuf, FileId>,
    /// What was read or listed while it was compiled.
    pub(crate) reads: BTreeSet<PathBuf>,
}
