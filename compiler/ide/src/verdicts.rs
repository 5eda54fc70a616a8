//! The problems of templates that nobody has open, kept when the templates themselves are forgotten: a workspace that is
//! asked about again is not compiled again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use imgc_compiler::source::Sources as _;

use crate::analysis::{Shared, lock};
use crate::diagnostics::FileProblems;
use crate::template::{Template, TemplateId};

/// So many templates' problems are kept.
const MOST: usize = 20_000;

/// Problems by template.
#[derive(Debug, Default)]
pub(crate) struct Verdicts(Mutex<BTreeMap<TemplateId, Verdict>>);

#[derive(Debug)]
struct Verdict {
    /// What was read, with its stamp.
    reads: BTreeMap<PathBuf, Option<u64>>,
    problems: Arc<[FileProblems]>,
}

impl Verdicts {
    /// The problems of a template, if nothing that they were found with has changed.
    pub(crate) fn get(&self, id: &TemplateId, shared: &Shared) -> Option<Arc<[FileProblems]>> {
        let (reads, problems) = {
            let known = lock(&self.0);
            let verdict = known.get(id)?;
            (verdict.reads.clone(), Arc::clone(&verdict.problems))
        };
        let same = |(path, stamp): (&PathBuf, &Option<u64>)| shared.overlay.stamp(path) == *stamp;
        reads.iter().all(same).then_some(problems)
    }

    /// Keeps the problems of a template that nobody has open.
    pub(crate) fn keep(
        &self,
        id: &TemplateId,
        template: &Template,
        problems: &[FileProblems],
        shared: &Shared,
    ) {
        if shared.overlay.has_open_at(&id.path) {
            return;
        }
        let reads = template.reads.iter();
        let reads = reads.map(|path| (path.clone(), shared.overlay.stamp(path)));
        let verdict = Verdict {
            reads: reads.collect(),
            problems: problems.into(),
        };
        let mut known = lock(&self.0);
        // Whoever changes files forgets verdicts after that: what changed before is seen here.
        let changes = lock(&shared.changes);
        if known.len() >= MOST
            || changes.any_since(shared.revision, |path| {
                id.owns(path) || template.reads.contains(path)
            })
        {
            return;
        }
        drop(changes);
        known.insert(id.clone(), verdict);
    }

    /// Files have changed.
    pub(crate) fn forget(&self, paths: &[PathBuf]) {
        let touched = |id: &TemplateId, verdict: &Verdict, path: &Path| {
            id.owns(path) || verdict.reads.contains_key(path)
        };
        lock(&self.0).retain(|id, verdict| !paths.iter().any(|path| touched(id, verdict, path)));
    }
}
