//! Expressions to values.
//!
//! One evaluator does both jobs: with unknown values in scope it types an expression, with known ones it computes it.
//! Problems go to [`Context::report`] and the expression becomes [`Value::error`], which everything accepts silently:
//! one mistake, one message.

use imgc_syntax::Span;
use smol_str::SmolStr;

use crate::diagnostic::Diagnostic;
use crate::source::World;
use crate::value::Value;

/// The names an expression may use.
pub trait Scope {
    /// What a bare name (the root of a traversal) means here.
    fn root(&self, name: &str) -> Option<Root<'_>>;
    /// All root names, for "did you mean".
    fn root_names(&self) -> Vec<SmolStr>;
    /// The message for a root name that is not here; the default says so and suggests the nearest.
    fn unknown_root(&self, name: &str, span: Span) -> Option<Diagnostic> {
        let _ = (name, span);
        None
    }
}

/// The meaning of a root name.
pub enum Root<'a> {
    /// A value.
    Value(Value),
    /// Something whose members are looked up one at a time (`var`, `local`, `build`): nothing large is built for it.
    Namespace(&'a dyn Namespace),
}

/// Members by name, looked up when used.
pub trait Namespace {
    /// The value of `root.member`; the error is shown at `span` (the member's place).
    fn member(&self, member: &str, span: Span) -> Result<Value, Box<Diagnostic>>;
    /// All members as an object, for the rare use of the bare name.
    fn all(&self) -> Value;
}

/// What evaluation needs besides names: the outside, and where problems go.
pub struct Context<'a> {
    /// Clock, environment, files.
    pub world: &'a dyn World,
    /// The template's directory: functions such as `file` resolve relative paths against the working directory, as
    /// Packer does; `path.root` is this.
    pub root: &'a std::path::Path,
    /// Problems found so far.
    pub diagnostics: Vec<Diagnostic>,
}

impl Context<'_> {
    /// Adds a problem.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}
