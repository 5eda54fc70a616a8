//! Scopes that evaluation itself makes.

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::{Root, Scope};
use crate::diagnostic::Diagnostic;
use crate::value::Value;

/// A scope without names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Empty;

impl Scope for Empty {
    fn root(&self, _name: &str) -> Option<Root<'_>> {
        None
    }

    fn root_names(&self) -> Vec<SmolStr> {
        Vec::new()
    }
}

/// Some names before those of another scope: the variables of a `for`, `each`, `self`.
pub struct Child<'a> {
    /// Where names are looked up that are not among the bindings.
    pub parent: &'a dyn Scope,
    /// Names and their values; the first of a name counts.
    pub bindings: Vec<(SmolStr, Value)>,
}

impl<'a> Child<'a> {
    /// A scope with `bindings` before those of `parent`.
    pub fn new(parent: &'a dyn Scope, bindings: Vec<(SmolStr, Value)>) -> Self {
        Self { parent, bindings }
    }
}

impl Scope for Child<'_> {
    fn root(&self, name: &str) -> Option<Root<'_>> {
        match self.bindings.iter().find(|(bound, _)| bound == name) {
            Some((_, value)) => Some(Root::Value(value.clone())),
            None => self.parent.root(name),
        }
    }

    fn root_names(&self) -> Vec<SmolStr> {
        let mut names: Vec<SmolStr> = self.bindings.iter().map(|(name, _)| name.clone()).collect();
        names.extend(self.parent.root_names());
        names
    }

    fn unknown_root(&self, name: &str, span: Span) -> Option<Diagnostic> {
        self.parent.unknown_root(name, span)
    }
}
