//! A module with its values, as the plan is made from it.

use std::path::PathBuf;
use std::sync::Arc;

use smol_str::SmolStr;

use super::make::Instance;
use super::repeat::Elements;
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
    /// The directory of the unit the expressions stand in.
    pub(super) root: PathBuf,
}

impl View {
    /// What expressions that stand in `unit`, in a block with these elements, see where they are for `instance`.
    pub(super) fn of(unit: &Unit<'_>, instance: &Instance<'_>, elements: &Elements) -> Self {
        Self {
            names: Arc::clone(&unit.names),
            source: (instance.source.ty.text.clone(), instance.name.clone()),
            key: instance.key.clone(),
            elements: Arc::clone(elements),
            root: unit.root.clone(),
        }
    }

    /// As the options of a source.
    pub(super) fn source(&self) -> Place<'_> {
        Place::source(&self.names, &self.source.0, &self.source.1)
            .with_key(self.key.as_ref())
            .with_elements(&self.elements)
    }

    /// As the options of a provisioner or post-processor.
    pub(super) fn build<'p>(&'p self, build: BuildValues<'p>) -> Place<'p> {
        Place::build(&self.names, &self.source.0, &self.source.1, build)
            .with_key(self.key.as_ref())
            .with_elements(&self.elements)
    }
}
