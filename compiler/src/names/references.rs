//! What a reference names, and which data sources names need.

use std::collections::BTreeSet;

use imgc_syntax::Span;

use super::readings::DataKey;
use crate::eval::{self, Reference, Uses};
use crate::module::{Local, Module, ModuleCall, Repeat, Source};
use crate::modules::Loaded;

/// A value with a name.
#[derive(Clone, Copy)]
pub(super) enum Named<'a> {
    Local(&'a Local),
    Data(&'a Source),
    Module(&'a ModuleCall),
}

impl Named<'_> {
    pub(super) fn address(self) -> String {
        match self {
            Self::Local(local) => format!("local.{}", local.name.text),
            Self::Data(source) => format!("data.{}.{}", source.ty.text, source.name.text),
            Self::Module(call) => format!("module.{}", call.name.text),
        }
    }

    pub(super) fn place(self) -> Span {
        match self {
            Self::Local(local) => local.name.span,
            Self::Data(source) => source.span,
            Self::Module(call) => call.name.span,
        }
    }

    pub(super) fn references(self) -> Vec<Reference> {
        match self {
            Self::Local(local) => eval::references(&local.value),
            Self::Data(source) => eval::body_references(&source.body),
            Self::Module(call) => {
                let Repeat {
                    for_each,
                    count,
                    enabled,
                    ..
                } = &call.repeat;
                let repeat = [for_each, count, enabled].into_iter().flatten();
                let all = repeat.map(|attribute| &**attribute).chain(&call.inputs);
                all.flat_map(|attribute| eval::references(&attribute.value))
                    .collect()
            }
        }
    }
}

/// The locals and data sources that references name: all of a kind where they do not say which.
pub(super) struct Index<'a> {
    pub(super) module: &'a Module,
}

impl<'a> Index<'a> {
    pub(super) fn named(&self, reference: &Reference) -> Vec<Named<'a>> {
        let word = |at: usize| reference.path.get(at).map(|name| name.text.as_str());
        match reference.root.as_str() {
            "local" => match word(0) {
                Some(name) => self
                    .module
                    .locals
                    .get(name)
                    .map(Named::Local)
                    .into_iter()
                    .collect(),
                None => self.module.locals.values().map(Named::Local).collect(),
            },
            "data" => self
                .module
                .data
                .iter()
                .filter(|((ty, name), _)| {
                    word(0).is_none_or(|word| word == ty) && word(1).is_none_or(|word| word == name)
                })
                .map(|(_, source)| Named::Data(source))
                .collect(),
            "module" => match word(0) {
                Some(name) => self
                    .module
                    .modules
                    .get(name)
                    .map(Named::Module)
                    .into_iter()
                    .collect(),
                None => self.module.modules.values().map(Named::Module).collect(),
            },
            _ => Vec::new(),
        }
    }
}

/// The data sources that these uses need, directly or through locals, modules and other data sources. Uses do not say
/// which module they stand in: the same names in another one count as well.
pub(crate) fn needed(module: &Module, loaded: &[Loaded], uses: &Uses) -> BTreeSet<DataKey> {
    let all: Vec<&Module> = std::iter::once(module)
        .chain(loaded.iter().map(|loaded| &loaded.module))
        .collect();
    let outputs = |module: &Module| -> Vec<Reference> {
        let values = module.outputs.values();
        values
            .flat_map(|output| eval::references(&output.value))
            .collect()
    };
    let mut found = BTreeSet::new();
    for (at, module) in all.iter().enumerate() {
        let index = Index { module };
        let mut seen = BTreeSet::new();
        let own = match at {
            0 => Vec::new(),
            _ => outputs(module),
        };
        let mut open: Vec<Named<'_>> = uses
            .iter()
            .chain(&own)
            .flat_map(|used| index.named(used))
            .collect();
        while let Some(named) = open.pop() {
            if let Named::Data(source) = named {
                found.insert((at, source.ty.text.clone(), source.name.text.clone()));
            }
            if seen.insert(named.address()) {
                let references = named.references();
                open.extend(references.iter().flat_map(|used| index.named(used)));
            }
        }
    }
    found
}
