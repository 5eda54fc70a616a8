//! A snapshot, and everything it can be asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use imgc_compiler::FileId;
use imgc_compiler::components::ComponentKind;
use imgc_compiler::load;
use imgc_compiler::source::{Cache, Sources as _};

use imgc_syntax::hcl::Parse;

use crate::actions::{self, CodeAction};
use crate::changes::Changes;
use crate::completion::{self, Completion};
use crate::diagnostics::{self, FileProblems};
use crate::folding::{self, Fold};
use crate::highlight::Highlight;
use crate::host::{Counts, Outside};
use crate::hover::{self, Hover};
use crate::inlay::{self, InlayHint};
use crate::language::{self, Language, Role};
use crate::lens::{self, CodeLens};
use crate::links::{self, DocumentLink};
use crate::navigation;
use crate::outline::{self, Symbol, WorkspaceSymbol};
use crate::outside::Surroundings;
use crate::overlay::Overlay;
use crate::rename::{self, RenameRefused, RenameTarget};
use crate::signature::{self, SignatureHelp};
use crate::survey::Survey;
use crate::template::{Depth, Slot, Template, TemplateId};
use crate::text::{Location, Target, TextEdit, TextRange, WorkspaceEdit};
use crate::tokens::{self, SemanticToken};
use crate::verdicts::Verdicts;
use crate::{edits, selection, workspace};

/// The snapshot is out of date, or nobody waits for the answer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl std::fmt::Display for Cancelled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the text has changed, or the answer is not wanted any more")
    }
}

impl std::error::Error for Cancelled {}

/// An answer, unless the question was taken back.
pub type Cancellable<T> = Result<T, Cancelled>;

/// What all snapshots of one state have in common.
pub(crate) struct Shared {
    pub(crate) outside: Outside,
    pub(crate) overlay: Arc<Overlay>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) slots: Arc<Mutex<BTreeMap<TemplateId, Arc<Slot>>>>,
    pub(crate) changes: Arc<Mutex<Changes>>,
    /// The number of the last change before the snapshot.
    pub(crate) revision: u64,
    pub(crate) verdicts: Arc<Verdicts>,
    pub(crate) survey: Arc<Survey>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) trees: Arc<Trees>,
}

/// The trees that were made last, by file.
pub(crate) type Trees = Mutex<BTreeMap<PathBuf, (Arc<str>, Arc<Parse>)>>;

/// So many compiled templates are kept besides those with open documents.
const MOST_TEMPLATES: usize = 64;

/// So many trees are kept.
const MOST_TREES: usize = 32;

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A snapshot of all texts. Cheap to clone; any thread may ask it. Templates are compiled when first asked about.
///
/// Paths are absolute; offsets are bytes. An offset that is beyond the text or inside of a character is moved to the
/// nearest place before it.
#[derive(Clone)]
pub struct Analysis {
    pub(crate) shared: Arc<Shared>,
    asked: Option<Arc<AtomicBool>>,
}

impl Analysis {
    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
            asked: None,
        }
    }

    /// The same snapshot for one question, which is taken back by setting `cancel`.
    #[must_use]
    pub fn for_request(&self, cancel: Arc<AtomicBool>) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            asked: Some(cancel),
        }
    }

    /// [`Cancelled`] where nobody waits any more. Asked in every long loop.
    pub fn check(&self) -> Cancellable<()> {
        let set = |flag: &Arc<AtomicBool>| flag.load(Ordering::Relaxed);
        match self.asked.as_ref().is_some_and(set) {
            true => Err(Cancelled),
            false => Ok(()),
        }
    }

    /// Whether a change of this file changes what is said of a template, as far as is known: what a template that is not
    /// compiled yet reads shows later.
    pub fn depends_on(&self, template: &TemplateId, path: &Path) -> bool {
        template.owns(path) || {
            let slots = lock(&self.shared.slots);
            slots.get(template).is_some_and(|slot| slot.has_read(path))
        }
    }

    /// The text of a file: unsaved, or as saved; `None` where it cannot be read or is no UTF-8.
    pub fn text(&self, path: &Path) -> Option<Arc<str>> {
        if let Some(text) = self.shared.overlay.text(path) {
            return Some(Arc::clone(text));
        }
        let bytes = self.shared.overlay.read(path).ok()?;
        String::from_utf8(bytes).ok().map(Arc::from)
    }

    /// The language of a file; `None` for one that has nothing to do with templates.
    pub fn language(&self, path: &Path) -> Option<Language> {
        Some(language::role(path, &self.text(path)?)?.1)
    }

    /// The template a file belongs to; `None` for one that has nothing to do with templates.
    pub fn template_of(&self, path: &Path) -> Option<TemplateId> {
        let (role, _) = language::role(path, &self.text(path)?)?;
        let directory = || path.parent().map(Path::to_owned);
        let (path, values) = match role {
            Role::Part | Role::AutoValues => (directory()?, None),
            Role::Alone => (path.to_owned(), None),
            Role::Values => (directory()?, Some(path.to_owned())),
        };
        Some(TemplateId { path, values })
    }

    /// Whether a component can run.
    pub(crate) fn has(&self, kind: ComponentKind, name: &str) -> bool {
        self.shared.outside.components.has(kind, name)
    }

    /// The tree of an HCL text, from the last time if it is the same.
    pub(crate) fn tree(&self, path: &Path, text: &str) -> Arc<Parse> {
        let known = lock(&self.shared.trees).get(path).cloned();
        if let Some((of, tree)) = known
            && *of == *text
        {
            return tree;
        }
        let tree = Arc::new(imgc_syntax::hcl::parse(text));
        let mut trees = lock(&self.shared.trees);
        if trees.len() >= MOST_TREES {
            trees.clear();
        }
        trees.insert(path.to_owned(), (Arc::from(text), Arc::clone(&tree)));
        tree
    }

    /// The file itself; of a directory, its first template file.
    pub(crate) fn first_template_file(&self, path: &Path) -> Option<PathBuf> {
        let entries = self.shared.overlay.list(path).ok()?;
        entries.into_iter().find(|entry| load::is_template(entry))
    }

    /// The world as a template in a directory sees it.
    pub(crate) fn surroundings(&self, root: &Path) -> Surroundings {
        Surroundings::new(&self.shared, root)
    }

    /// The compiled template; compiles it where nobody has asked before.
    pub(crate) fn template(&self, id: &TemplateId) -> Arc<Template> {
        self.compiled(id, Depth::Whole)
    }

    /// The template, compiled at least so far.
    fn compiled(&self, id: &TemplateId, depth: Depth) -> Arc<Template> {
        let fresh = || Arc::new(Slot::new(self.shared.revision));
        loop {
            let slot = Arc::clone(
                lock(&self.shared.slots)
                    .entry(id.clone())
                    .or_insert_with(fresh),
            );
            if let Some(template) = slot.get(id, depth, &self.shared) {
                self.forget_others(id);
                return template;
            }
            // A file that it read has changed since its compilation began.
            let mut slots = lock(&self.shared.slots);
            if slots.get(id).is_some_and(|now| Arc::ptr_eq(now, &slot)) {
                slots.insert(id.clone(), fresh());
            }
        }
    }

    /// Forgets templates that nobody has open, where there are many: a search through a workspace must not keep all of it.
    fn forget_others(&self, but: &TemplateId) {
        let mut slots = lock(&self.shared.slots);
        if slots.len() <= MOST_TEMPLATES {
            return;
        }
        let overlay = &self.shared.overlay;
        slots.retain(|id, slot| {
            let keep = id == but || overlay.has_open_at(&id.path);
            for template in slot.ready().filter(|_| !keep) {
                for (_, file, _) in template.bodies() {
                    self.shared.cache.forget(&file.path);
                }
            }
            keep
        });
    }

    /// The compiled template of a file, with the file's number in it.
    pub(crate) fn template_at(&self, path: &Path) -> Cancellable<Option<(Arc<Template>, FileId)>> {
        self.check()?;
        let Some(id) = self.template_of(path) else {
            return Ok(None);
        };
        let template = self.template(&id);
        self.check()?;
        let file = template.file_id(path);
        Ok(file.map(|file| (template, file)))
    }

    /// The template of a file with its declarations and the values of its names, whatever else is known of it.
    pub(crate) fn names_at(&self, path: &Path) -> Cancellable<Option<Arc<Template>>> {
        self.check()?;
        let Some(id) = self.template_of(path) else {
            return Ok(None);
        };
        let template = self.compiled(&id, Depth::Names);
        self.check()?;
        Ok(Some(template).filter(|template| template.file_id(path).is_some()))
    }

    /// The templates in and below directories, as far as they are worth walking: no hidden directories, no links to
    /// what was seen, at most 20,000 entries.
    pub fn templates_below(&self, roots: &[PathBuf]) -> Cancellable<Vec<TemplateId>> {
        Ok(workspace::templates(self, roots)?.into_keys().collect())
    }

    /// The problems of all files of a template, those without problems too; modules' files are among them only where
    /// they have problems.
    pub fn diagnostics(&self, template: &TemplateId) -> Cancellable<Vec<FileProblems>> {
        diagnostics::of(self, template)
    }

    /// What can be written at an offset.
    pub fn completions(&self, path: &Path, offset: u32) -> Cancellable<Vec<Completion>> {
        completion::of(self, path, offset)
    }

    /// What is known of what is at an offset.
    pub fn hover(&self, path: &Path, offset: u32) -> Cancellable<Option<Hover>> {
        hover::of(self, path, offset)
    }

    /// The function call around an offset.
    pub fn signature_help(&self, path: &Path, offset: u32) -> Cancellable<Option<SignatureHelp>> {
        signature::of(self, path, offset)
    }

    /// Where what is at an offset is declared; for a name that names a file, the file.
    pub fn definition(&self, path: &Path, offset: u32) -> Cancellable<Vec<Target>> {
        navigation::definition(self, path, offset)
    }

    /// Where what a value is made of is declared: of a local that is a reference, what it refers to; of a nested source,
    /// the source; of a module, its template.
    pub fn type_definition(&self, path: &Path, offset: u32) -> Cancellable<Vec<Target>> {
        navigation::type_definition(self, path, offset)
    }

    /// All uses of what is at an offset, in all files of the template.
    pub fn references(
        &self,
        path: &Path,
        offset: u32,
        declarations: bool,
    ) -> Cancellable<Vec<Location>> {
        navigation::references(self, path, offset, declarations)
    }

    /// All uses in this file of what is at an offset.
    pub fn highlights(&self, path: &Path, offset: u32) -> Cancellable<Vec<Highlight>> {
        navigation::highlights(self, path, offset)
    }

    /// What would be renamed at an offset.
    pub fn prepare_rename(
        &self,
        path: &Path,
        offset: u32,
    ) -> Cancellable<Result<RenameTarget, RenameRefused>> {
        rename::prepare(self, path, offset)
    }

    /// The changes that give what is at an offset another name: in its template, and in those in and below `roots` that
    /// use it as a module.
    pub fn rename(
        &self,
        path: &Path,
        offset: u32,
        name: &str,
        roots: &[PathBuf],
    ) -> Cancellable<Result<WorkspaceEdit, RenameRefused>> {
        rename::rename(self, path, offset, name, roots)
    }

    /// What a file declares.
    pub fn document_symbols(&self, path: &Path) -> Cancellable<Vec<Symbol>> {
        outline::of(self, path)
    }

    /// What the templates in and below directories declare, by a part of the name; at most 1,000.
    pub fn workspace_symbols(
        &self,
        roots: &[PathBuf],
        query: &str,
    ) -> Cancellable<Vec<WorkspaceSymbol>> {
        outline::in_workspace(self, roots, query)
    }

    /// What can be folded.
    pub fn folds(&self, path: &Path) -> Cancellable<Vec<Fold>> {
        folding::of(self, path)
    }

    /// Ever larger parts around an offset, the smallest first; never empty.
    pub fn selection_ranges(&self, path: &Path, offset: u32) -> Cancellable<Vec<TextRange>> {
        selection::of(self, path, offset)
    }

    /// Words with what they mean, of the file or of a part of it, in the order of the text.
    pub fn semantic_tokens(
        &self,
        path: &Path,
        range: Option<TextRange>,
    ) -> Cancellable<Vec<SemanticToken>> {
        tokens::of(self, path, range)
    }

    /// Values and types to show in a part of a file.
    pub fn inlay_hints(&self, path: &Path, range: TextRange) -> Cancellable<Vec<InlayHint>> {
        inlay::of(self, path, range)
    }

    /// What leads elsewhere.
    pub fn document_links(&self, path: &Path) -> Cancellable<Vec<DocumentLink>> {
        links::of(self, path)
    }

    /// The edits that lay out a file; `None` where it has syntax errors or has nothing to do with templates.
    pub fn format(&self, path: &Path) -> Cancellable<Option<Vec<TextEdit>>> {
        edits::format(self, path)
    }

    /// The edits that lay out the lines of a range; `None` as for [`Analysis::format`].
    pub fn format_range(
        &self,
        path: &Path,
        range: TextRange,
    ) -> Cancellable<Option<Vec<TextEdit>>> {
        edits::format_range(self, path, range)
    }

    /// The edits after `typed` was typed before `offset`: a closing bracket or a line end.
    pub fn format_on_type(
        &self,
        path: &Path,
        offset: u32,
        typed: char,
    ) -> Cancellable<Vec<TextEdit>> {
        edits::on_type(self, path, offset, typed)
    }

    /// Changes offered for a part of a file.
    pub fn code_actions(&self, path: &Path, range: TextRange) -> Cancellable<Vec<CodeAction>> {
        actions::of(self, path, range)
    }

    /// Lines to show above declarations.
    pub fn code_lenses(&self, path: &Path) -> Cancellable<Vec<CodeLens>> {
        lens::of(self, path)
    }
}
