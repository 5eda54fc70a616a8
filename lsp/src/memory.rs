//! What was answered before and is asked about again: tokens for deltas, lists for `resolve`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use imgc_ide::{CodeAction, Completion};

/// For how many documents tokens are kept.
const DOCUMENTS: usize = 64;

/// Answers of before, the last of each kind.
#[derive(Default)]
pub(crate) struct Memory {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    number: u64,
    tokens: BTreeMap<PathBuf, (u64, Arc<Vec<u32>>)>,
    completions: (u64, Arc<Vec<Completion>>),
    actions: (u64, Arc<Vec<CodeAction>>),
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the tokens of a document, and gives the number to ask for them.
    pub(crate) fn keep_tokens(&self, path: &Path, data: Arc<Vec<u32>>) -> String {
        let mut inner = self.lock();
        inner.number += 1;
        let number = inner.number;
        inner.tokens.insert(path.to_owned(), (number, data));
        if inner.tokens.len() > DOCUMENTS {
            let oldest = inner.tokens.iter().min_by_key(|(_, (number, _))| *number);
            if let Some(path) = oldest.map(|(path, _)| path.clone()) {
                inner.tokens.remove(&path);
            }
        }
        number.to_string()
    }

    /// The tokens of a number.
    pub(crate) fn tokens(&self, path: &Path, number: &str) -> Option<Arc<Vec<u32>>> {
        let inner = self.lock();
        let (kept, data) = inner.tokens.get(path)?;
        (kept.to_string() == number).then(|| Arc::clone(data))
    }

    /// A document is closed.
    pub(crate) fn forget(&self, path: &Path) {
        self.lock().tokens.remove(path);
    }

    /// Keeps a list of completions, and gives its number.
    pub(crate) fn keep_completions(&self, list: Arc<Vec<Completion>>) -> u64 {
        let mut inner = self.lock();
        inner.number += 1;
        inner.completions = (inner.number, list);
        inner.number
    }

    /// The completions of a number, if they are still the last ones.
    pub(crate) fn completions(&self, number: u64) -> Option<Arc<Vec<Completion>>> {
        let inner = self.lock();
        (inner.completions.0 == number).then(|| Arc::clone(&inner.completions.1))
    }

    /// Keeps a list of actions, and gives its number.
    pub(crate) fn keep_actions(&self, list: Arc<Vec<CodeAction>>) -> u64 {
        let mut inner = self.lock();
        inner.number += 1;
        inner.actions = (inner.number, list);
        inner.number
    }

    /// The actions of a number, if they are still the last ones.
    pub(crate) fn actions(&self, number: u64) -> Option<Arc<Vec<CodeAction>>> {
        let inner = self.lock();
        (inner.actions.0 == number).then(|| Arc::clone(&inner.actions.1))
    }
}
