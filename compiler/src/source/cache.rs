//! What was parsed before, by path and text: an edit in one file of a template parses that file and no other.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use imgc_syntax::FileId;
use imgc_syntax::hcl::Parse;

use super::SourceFile;
use crate::diagnostic::Diagnostic;
use crate::hir::Body;

/// What is in a file, and what is wrong with its form.
#[derive(Debug)]
pub struct Parsed {
    /// What it says.
    pub body: Body,
    /// Problems of the text alone.
    pub problems: Vec<Diagnostic>,
    text: Arc<str>,
    /// Of an HCL file that is being edited.
    tree: Option<Parse>,
}

impl Parsed {
    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The tree, where the file has changed before.
    pub(crate) fn tree(&self) -> Option<&Parse> {
        self.tree.as_ref()
    }
}

/// What a file is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ReadAs {
    /// A file of a template.
    Template,
    /// A file that gives values to variables.
    Values {
        /// Of a legacy template.
        legacy: bool,
    },
}

/// Parsed files. Spans have the number of their file in them, so that a file is found again only at the same position
/// of the compilation, which it has unless files come or go.
#[derive(Debug, Default)]
pub struct Cache {
    files: Mutex<HashMap<(PathBuf, FileId, ReadAs), Arc<Parsed>>>,
}

impl Cache {
    /// Forgets a file: it is gone, or nobody looks at it any more.
    pub fn forget(&self, path: &std::path::Path) {
        self.lock().retain(|(known, _, _), _| known != path);
    }

    pub(super) fn parsed(
        &self,
        id: FileId,
        file: &SourceFile,
        key: ReadAs,
        parse: impl FnOnce(&str, Option<&Parsed>, &mut Vec<Diagnostic>) -> (Body, Option<Parse>),
    ) -> Arc<Parsed> {
        let key = (file.path.clone(), id, key);
        let known = self.lock().get(&key).cloned();
        if let Some(known) = &known
            && known.text == file.text
        {
            return Arc::clone(known);
        }
        let mut problems = Vec::new();
        let (body, tree) = parse(&file.text, known.as_deref(), &mut problems);
        let parsed = Arc::new(Parsed {
            body,
            problems,
            text: Arc::clone(&file.text),
            tree,
        });
        self.lock().insert(key, Arc::clone(&parsed));
        parsed
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(PathBuf, FileId, ReadAs), Arc<Parsed>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
