//! One template, compiled: what all answers about its files come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use imgc_compiler::compile::{Compilation, Request, compile_cached};
use imgc_compiler::diagnostic::Diagnostic;
use imgc_compiler::hir::Body;
use imgc_compiler::load;
use imgc_compiler::module::Module;
use imgc_compiler::source::{SourceFile, Sources as _};
use imgc_compiler::{FileId, Span};

use crate::analysis::{Shared, lock};
use crate::index::Index;
use crate::outside::{Recorder, Surroundings};
use crate::text::{Location, TextRange};

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

/// How far a template is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// What it declares and the values of its names: all that completion needs, right after a keystroke.
    Names,
    /// All of it, with its problems.
    Whole,
}

/// The place of a template that is compiled when first asked for.
pub(crate) struct Slot {
    names: Stage,
    whole: Stage,
}

/// A template compiled so far.
struct Stage {
    cell: OnceLock<Arc<Template>>,
    /// The last change of a file that it is known not to care for, or that came before it.
    since: AtomicU64,
}

impl Slot {
    /// An empty one, for texts as they were after the change of that number.
    pub(crate) fn new(revision: u64) -> Self {
        let stage = || Stage {
            cell: OnceLock::new(),
            since: AtomicU64::new(revision),
        };
        Self {
            names: stage(),
            whole: stage(),
        }
    }

    /// What of it is compiled.
    pub(crate) fn ready(&self) -> impl Iterator<Item = &Arc<Template>> {
        [&self.whole, &self.names]
            .into_iter()
            .filter_map(|stage| stage.cell.get())
    }

    /// Whether what is compiled has read a file.
    pub(crate) fn has_read(&self, path: &Path) -> bool {
        self.ready().any(|ready| ready.reads.contains(path))
    }

    /// The template, at least so far; compiles it where nobody has, and waits where somebody does. `None` where a file that
    /// it read has changed since its compilation began.
    pub(crate) fn get(
        &self,
        id: &TemplateId,
        depth: Depth,
        shared: &Shared,
    ) -> Option<Arc<Template>> {
        let is_whole = depth == Depth::Whole || self.whole.cell.get().is_some();
        let (stage, depth) = match is_whole {
            true => (&self.whole, Depth::Whole),
            false => (&self.names, Depth::Names),
        };
        let compile = || Arc::new(Template::compile(id, depth, shared));
        let template = stage.cell.get_or_init(compile);
        stage
            .is_of(template, id, shared)
            .then(|| Arc::clone(template))
    }

    /// Whether it may stay after a change of these files. What is being compiled may: what it reads is seen afterwards.
    pub(crate) fn survives(&self, id: &TemplateId, paths: &[PathBuf], revision: u64) -> bool {
        // Looked at before their dependencies are: what becomes ready meanwhile has its changes looked up.
        let stages = [&self.names, &self.whole];
        let ready = stages.map(|stage| stage.cell.get().map(|_| stage));
        let survives = !paths
            .iter()
            .any(|path| id.owns(path) || self.has_read(path));
        for stage in ready.into_iter().flatten().filter(|_| survives) {
            stage.since.fetch_max(revision, Ordering::Relaxed);
        }
        survives
    }
}

impl Stage {
    /// Whether nothing that the compiled template depends on has changed while it was compiled.
    fn is_of(&self, template: &Template, id: &TemplateId, shared: &Shared) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        let concerns = |path: &Path| id.owns(path) || template.reads.contains(path);
        let changed = lock(&shared.changes).any(since, shared.revision, concerns);
        if !changed {
            self.since.fetch_max(shared.revision, Ordering::Relaxed);
        }
        !changed
    }
}

/// A compiled template.
pub(crate) struct Template {
    pub(crate) compilation: Compilation,
    /// The files with texts that were read, modules' ones too.
    files: BTreeMap<PathBuf, FileId>,
    /// What was read or listed while it was compiled.
    pub(crate) reads: BTreeSet<PathBuf>,
    /// The template's directory.
    pub(crate) root: PathBuf,
    /// Files that cannot be read as text, with what is wrong.
    pub(crate) unreadable: Vec<(PathBuf, &'static str, String)>,
    index: OnceLock<Index>,
}

/// Files of a template that cannot be read, at most: the others are compiled without them.
const MOST_UNREADABLE: usize = 20;

impl Template {
    fn compile(id: &TemplateId, depth: Depth, shared: &Shared) -> Self {
        let root = match shared.overlay.kind(&id.path) {
            Ok(imgc_compiler::source::EntryKind::Directory) => id.path.clone(),
            _ => id.path.parent().unwrap_or(&id.path).to_owned(),
        };
        shared.counts.compiled(depth);
        let recorder = Recorder::new(&shared.overlay);
        let surroundings = Arc::new(Surroundings::new(shared, &root));
        let beside = values_beside(&root, shared);
        let request = Request {
            path: id.path.clone(),
            var_files: id.values.iter().cloned().collect(),
            check_only: true,
            names_only: depth == Depth::Names,
            unset_allowed: !beside.is_empty(),
            ..Request::default()
        };
        let world = Arc::clone(&surroundings) as Arc<dyn imgc_compiler::source::World>;
        let mut unreadable = Vec::new();
        let mut compilation = loop {
            let compiled = compile_cached(
                &request,
                &recorder,
                &world,
                &*shared.outside.components,
                &shared.cache,
            );
            match &compiled.unreadable {
                Some(problem) if problem.path != id.path && unreadable.len() < MOST_UNREADABLE => {
                    unreadable.push((problem.path.clone(), problem.id, problem.message.clone()));
                    recorder.hide(&problem.path);
                }
                Some(problem)
                    if shared.overlay.text(&problem.path).is_some() || id.path != root =>
                {
                    unreadable.push((problem.path.clone(), problem.id, problem.message.clone()));
                    break compiled;
                }
                _ => break compiled,
            }
        };
        // The files of values that nobody named: their names are part of the template all the same.
        let known: BTreeSet<PathBuf> = paths(&compilation).map(|(path, _)| path).collect();
        let legacy = compilation.module.weak;
        let mut ignored = Vec::new();
        for path in beside.iter().filter(|path| !known.contains(*path)) {
            // One that cannot be read has no names.
            let _ = load::variables(
                path,
                legacy,
                &recorder,
                &mut compilation.sources,
                &mut ignored,
            );
        }
        let files = paths(&compilation).collect();
        let mut reads = recorder.into_reads();
        reads.extend(surroundings.reads());
        Self {
            compilation,
            files,
            reads,
            root,
            unreadable,
            index: OnceLock::new(),
        }
    }

    /// Which name stands where.
    pub(crate) fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::of(self))
    }

    pub(crate) fn file_id(&self, path: &Path) -> Option<FileId> {
        self.files.get(path).copied()
    }

    pub(crate) fn file(&self, id: FileId) -> &SourceFile {
        self.compilation.sources.file(id)
    }

    /// What is in a file.
    pub(crate) fn body(&self, id: FileId) -> Option<&Body> {
        Some(&self.file(id).parsed()?.body)
    }

    /// All files that were read and understood as bodies, in the order of their numbers.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = (FileId, &SourceFile, &Body)> {
        let files = self.compilation.sources.files();
        files.filter_map(|(id, file)| Some((id, file, &file.parsed()?.body)))
    }

    /// The declarations of a unit: 0 is the template, others are modules.
    pub(crate) fn module(&self, unit: usize) -> Option<&Module> {
        match unit.checked_sub(1) {
            None => Some(&self.compilation.module),
            Some(at) => Some(&self.compilation.modules.get(at)?.module),
        }
    }

    /// The value of a variable of the template, with where it comes from.
    pub(crate) fn given(&self, name: &str) -> Option<&imgc_compiler::plan::Variable> {
        // They are sorted by name.
        let all = self.compilation.variables();
        let at = all
            .binary_search_by(|variable| variable.name.as_str().cmp(name))
            .ok()?;
        all.get(at)
    }

    /// The unit a file belongs to.
    pub(crate) fn unit_of(&self, path: &Path) -> usize {
        let parent = path.parent();
        if parent == Some(&self.root) {
            return 0;
        }
        let mut modules = self.compilation.modules.iter();
        modules
            .position(|loaded| parent == Some(&loaded.root))
            .map_or(0, |at| at + 1)
    }

    pub(crate) fn location(&self, span: Span) -> Location {
        Location {
            path: self.file(span.file).path.clone(),
            range: span.into(),
        }
    }

    pub(crate) fn text(&self, span: Span) -> &str {
        TextRange::from(span).of(&self.file(span.file).text)
    }

    /// The problems found in a file, modules' ones among them.
    pub(crate) fn problems(&self) -> &[Diagnostic] {
        &self.compilation.diagnostics
    }
}

/// The files of a compilation that are files: not flags and other texts that go by the same way.
fn paths(compilation: &Compilation) -> impl Iterator<Item = (PathBuf, FileId)> + '_ {
    let files = compilation.sources.files();
    let real = files.filter(|(_, file)| file.parsed().is_some());
    real.map(|(id, file)| (file.path.clone(), id))
}

/// Files of values in a directory that are read only when they are named.
fn values_beside(root: &Path, shared: &Shared) -> Vec<PathBuf> {
    let entries = shared.overlay.list(root).unwrap_or_default();
    let named = |path: &PathBuf| load::gives_values(path) == Some(false);
    entries.into_iter().filter(named).collect()
}
