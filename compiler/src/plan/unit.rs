//! A module with its values, as the plan is made from it.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use smol_str::SmolStr;

use super::make::Instance;
use super::repeat::Elements;
use crate::artifacts::{Builds, Others, Uses, Values};
use crate::eval;
use crate::hir::Body;
use crate::module::{self, Module};
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
    /// The values of its names.
    pub(crate) names: Arc<Names>,
    /// Its directory.
    pub(crate) root: PathBuf,
    /// All builds there are, of all units, as soon as they have been found.
    pub(crate) builds: Arc<OnceLock<Builds>>,
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
    builds: Arc<OnceLock<Builds>>,
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
            builds: Arc::clone(&unit.builds),
        }
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
            builds: self.builds.get_or_init(Builds::default),
            unit: self.unit,
            values,
        }
    }

    /// Adds what the expressions of a body may use and no evaluation has looked at.
    pub(super) fn add_unevaluated(&self, body: &Body, uses: &RefCell<Uses>) {
        let builds = self.others(Values::Planned(None)).builds;
        let references = eval::body_references(body);
        builds.add_unevaluated(self.unit, &references, &mut uses.borrow_mut());
    }
}
