//! A module with its values, as the plan is made from it.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use smol_str::SmolStr;

use super::instance::Instance;
use super::repeat::Elements;
use crate::artifacts::{Others, Uses, Values};
use crate::eval::{self, Reference};
use crate::hir::{Body, Expr};
use crate::late::Tree;
use crate::module::{self, Module};
use crate::modules::{Calls, Loaded};
use crate::scope::{BuildValues, Names, Place};
use crate::value::Value;

/// The template itself, or one use of a module in it: declarations with the values of their names. A module used twice
/// is two units of the same declarations.
pub(crate) struct Unit<'a> {
    /// Position among the units of the plan; the template itself is 0.
    pub(crate) index: u32,
    /// In front of names and addresses: empty for the template, `module.NAME.` for a module.
    pub(crate) prefix: SmolStr,
    /// What is declared.
    pub(crate) module: &'a Module,
    /// The modules it uses, as positions among all that are read.
    pub(crate) calls: &'a Calls,
    /// All modules that are read.
    pub(crate) loaded: &'a [Loaded],
    /// The values of its names.
    pub(crate) names: Arc<Names>,
    /// Its directory.
    pub(crate) root: PathBuf,
    /// All builds there are, of all units, as soon as they have been found, and what is made from them.
    pub(crate) tree: Arc<OnceLock<Tree>>,
}

/// A provisioner or post-processor block of a unit.
pub(super) type BlockId = (u32, *const module::Component);

/// A source block of a unit.
pub(super) type SourceId = (u32, *const module::Source);

impl Unit<'_> {
    /// The identity of a block of this unit.
    pub(super) fn id<T>(&self, block: &T) -> (u32, *const T) {
        (self.index, std::ptr::from_ref(block))
    }
}

/// What the expressions of a component see, kept so that they can be evaluated again when the build runs.
#[derive(Clone)]
pub(super) struct View {
    names: Arc<Names>,
    /// Builder type and name of the source.
    source: (SmolStr, SmolStr),
    /// The key of the source's instance.
    key: Option<Value>,
    /// What the block is repeated over.
    elements: Elements,
    /// The unit the expressions stand in, and its directory.
    unit: u32,
    pub(super) root: PathBuf,
    /// All builds there are.
    tree: Arc<OnceLock<Tree>>,
}

impl View {
    /// What expressions that stand in `unit`, in a block with these elements, see where they are for `instance`.
    pub(super) fn of(unit: &Unit<'_>, instance: &Instance<'_>, elements: &Elements) -> Self {
        Self {
            names: Arc::clone(&unit.names),
            source: (instance.source.ty.text.clone(), instance.name.clone()),
            key: instance.key.clone(),
            elements: Arc::clone(elements),
            unit: unit.index,
            root: unit.root.clone(),
            tree: Arc::clone(&unit.tree),
        }
    }

    /// What expressions see that belong to no build.
    pub(super) fn alone(unit: &Unit<'_>) -> Self {
        Self {
            names: Arc::clone(&unit.names),
            source: Default::default(),
            key: None,
            elements: Elements::from([]),
            unit: unit.index,
            root: unit.root.clone(),
            tree: Arc::clone(&unit.tree),
        }
    }

    /// As something that belongs to no build.
    pub(super) fn block<'p>(&'p self, values: Values<'p>) -> Place<'p> {
        Place::block(&self.names).with_builds(self.others(values))
    }

    /// As the options of a source.
    pub(super) fn source<'p>(&'p self, values: Values<'p>) -> Place<'p> {
        Place::source(&self.names, &self.source.0, &self.source.1)
            .with_key(self.key.as_ref())
            .with_elements(&self.elements)
            .with_builds(self.others(values))
    }

    /// As the options of a provisioner or post-processor.
    pub(super) fn build<'p>(&'p self, build: BuildValues<'p>, values: Values<'p>) -> Place<'p> {
        Place::build(&self.names, &self.source.0, &self.source.1, build)
            .with_key(self.key.as_ref())
            .with_elements(&self.elements)
            .with_builds(self.others(values))
    }

    fn others<'p>(&'p self, values: Values<'p>) -> Others<'p> {
        Others {
            tree: self.tree(),
            unit: self.unit,
            values,
        }
    }

    /// Adds what the expressions of a body may use and no evaluation has looked at.
    pub(super) fn add_unevaluated(&self, body: &Body, uses: &RefCell<Uses>) {
        self.add_references(&eval::body_references(body), uses);
    }

    /// The same for one expression.
    pub(super) fn add_unevaluated_expr(&self, expr: &Expr, uses: &RefCell<Uses>) {
        self.add_references(&eval::references(expr), uses);
    }

    fn add_references(&self, references: &[Reference], uses: &RefCell<Uses>) {
        let tree = self.tree();
        let mut uses = uses.borrow_mut();
        uses.add_unevaluated(&tree.builds, self.unit, &self.names, references);
        tree.close(&mut uses);
    }

    /// The builds there are, and what is made from them.
    pub(super) fn tree(&self) -> &Tree {
        self.tree.get_or_init(Tree::default)
    }
}
