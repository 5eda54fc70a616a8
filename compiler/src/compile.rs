//! The whole road: files in, plan and diagnostics out.

use std::path::PathBuf;
use std::sync::Arc;

use crate::components::Components;
use crate::diagnostic::Diagnostic;
use crate::plan::Plan;
use crate::source::{SourceMap, Sources, World};

/// What to compile and how, as the command line or an editor asks for it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// A template file or a directory of them (all `*.pkr.hcl` and `*.imgc.hcl` of a directory form one template).
    pub path: PathBuf,
    /// `-var name=value`, in the order given.
    pub vars: Vec<String>,
    /// `-var-file`, in the order given.
    pub var_files: Vec<PathBuf>,
    /// `-only`: globs over build names; empty for all.
    pub only: Vec<String>,
    /// `-except`: globs over build names, and names of post-processors.
    pub except: Vec<String>,
    /// Look at the syntax and go no further (`validate -syntax-only`).
    pub syntax_only: bool,
    /// Do not look at files that options name (scripts, uploads): for an editor's quick check.
    pub offline_files: bool,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Compilation {
    /// The texts, for showing diagnostics.
    pub sources: SourceMap,
    /// All problems of all files, sorted.
    pub diagnostics: Vec<Diagnostic>,
    /// The plan; `None` when there are errors.
    pub plan: Option<Plan>,
    /// A failure to read the template at all (no such file, a directory without templates, not text): there is no
    /// source text to point into.
    pub unreadable: Option<Unreadable>,
}

/// Why a template could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Id of the problem, `load/…`.
    pub id: &'static str,
    /// The path it is about.
    pub path: PathBuf,
    /// What is wrong; lower case, no full stop.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl Compilation {
    /// Whether anything stops the work.
    pub fn has_errors(&self) -> bool {
        self.unreadable.is_some() || self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Compiles a template.
///
/// `components` says what can run; pass [`crate::components::Everything`] where that does not matter.
pub fn compile(
    request: &Request,
    sources: &dyn Sources,
    world: &Arc<dyn World>,
    components: &dyn Components,
) -> Compilation {
    let _ = (request, sources, world, components);
    Compilation::default()
}
