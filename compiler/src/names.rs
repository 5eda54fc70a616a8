//! The values of locals, data sources and modules, in the order of their references.
//!
//! In: the declarations and what data sources have said so far. Out: `local`, `data` and `module` in [`Names`], and the
//! units that modules make. A data source that has not been read has unknown outputs of the types its schema gives.

use std::collections::HashMap;
use std::path::Path;

use imgc_syntax::Span;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use smol_str::SmolStr;

use crate::components::Components;
use crate::diagnostic::registry::Entry;
use crate::eval::{self, Context};
use crate::hir::Expr;
use crate::late::{LateId, LateValue};
use crate::module::{Module, Output};
use crate::modules::{Calls, Loaded};
use crate::plan::repeat::Elements;
use crate::scope::{Kind, ModuleValues, Names, Place};
use crate::types::Type;
use crate::value::Value;

mod calls;
mod cycle;
mod readings;
mod references;

pub(crate) use cycle::cycle;
pub(crate) use readings::Readings;
use readings::data;
pub(crate) use references::needed;
use references::{Index, Named};

/// Problems with locals and data sources.
pub const IDS: &[Entry] = &[
    Entry::error(
        "check/cycle",
        "values that depend on each other in a circle",
    ),
    Entry::error("data/failed", "a data source could not be read"),
];

/// A template of the tree of modules, as one unit uses it.
pub(crate) struct Node<'a> {
    pub(crate) module: &'a Module,
    /// Position of its module; 0 for the template itself.
    at: usize,
    calls: &'a Calls,
    pub(crate) prefix: SmolStr,
    /// Its unit.
    index: u32,
}

/// Resolves the names of a template and of the modules it uses.
pub(crate) struct Resolver<'a, 'r, 'w> {
    pub(crate) loaded: &'a [Loaded],
    pub(crate) readings: &'r mut Readings,
    pub(crate) components: &'r dyn Components,
    pub(crate) check_only: bool,
    pub(crate) cx: &'r mut Context<'w>,
    /// All units, in the order of their numbers.
    pub(crate) units: Vec<Resolved<'a>>,
    /// Values that wait for artifacts, each after those it uses.
    pub(crate) lates: Vec<LateValue>,
}

/// A unit with the values of its names.
pub(crate) struct Resolved<'a> {
    pub(crate) prefix: SmolStr,
    pub(crate) module: &'a Module,
    pub(crate) calls: &'a Calls,
    pub(crate) root: &'a Path,
    pub(crate) names: Names,
}

impl<'a> Resolver<'a, '_, '_> {
    /// Resolves the template itself, of which the variables are known; gives all units, the template first.
    pub(crate) fn template(
        &mut self,
        module: &'a Module,
        calls: &'a Calls,
        root: &'a Path,
        mut names: Names,
    ) {
        names.modules.0.clear();
        names.late.clear();
        let prefix = SmolStr::default();
        self.units.push(Resolved {
            prefix: prefix.clone(),
            module,
            calls,
            root,
            names: Names::default(),
        });
        let node = Node {
            module,
            at: 0,
            calls,
            prefix,
            index: 0,
        };
        self.resolve(&node, &mut names);
        self.units[0].names = names;
    }

    /// Notes a value that waits for artifacts.
    fn late(&mut self, value: &Value, late: impl FnOnce() -> LateValue) -> Option<LateId> {
        // Only through modules do artifacts reach such values.
        if self.loaded.is_empty() || value.is_wholly_known() || value.contains_error() {
            return None;
        }
        self.lates.push(late());
        Some(self.lates.len() - 1)
    }

    /// Evaluates all locals, data sources and modules of a unit into `names`. Those of a circle become error values; the
    /// circle is reported with its path.
    fn resolve(&mut self, node: &Node<'a>, names: &mut Names) {
        let module = node.module;
        for name in module.modules.keys() {
            // Until it is used: a name to compare with.
            let values = ModuleValues::Broken;
            names.modules.0.insert(name.clone(), values);
        }
        let all = module
            .locals
            .values()
            .map(Named::Local)
            .chain(module.data.values().map(Named::Data))
            .chain(module.modules.values().map(Named::Module));
        let mut graph = DiGraph::<Named<'a>, Span>::new();
        let nodes: HashMap<String, NodeIndex> = all
            .map(|named| (named.address(), graph.add_node(named)))
            .collect();
        let index = Index { module };
        for user in graph.node_indices() {
            for reference in graph[user].references() {
                // A name that says which has its own place; the bare `local` uses all but itself.
                let exact = !reference.path.is_empty();
                let place = match (reference.root.as_str(), reference.path.first()) {
                    ("local" | "module", Some(name)) => name.span,
                    _ => reference.span,
                };
                for used in index.named(&reference) {
                    let used = nodes[&used.address()];
                    if exact || used != user {
                        graph.add_edge(user, used, place);
                    }
                }
            }
        }
        // Components come out with what is used before what uses it.
        for component in tarjan_scc(&graph) {
            let circular = component.len() > 1 || graph.contains_edge(component[0], component[0]);
            if circular {
                let (address, place) = (
                    |named: &Named<'_>| named.address(),
                    |named: &Named<'_>| named.place(),
                );
                self.cx.report(cycle(&graph, &component, address, place));
            }
            for at in component {
                self.evaluate(node, graph[at], circular, names);
            }
        }
    }

    fn evaluate(&mut self, node: &Node<'a>, named: Named<'a>, circular: bool, names: &mut Names) {
        match named {
            Named::Local(local) => {
                let name = local.name.text.clone();
                let value = match circular {
                    true => Value::error(),
                    false => {
                        let sensitive = local.sensitive.as_ref();
                        let value = value_of(&local.value, sensitive, names, self.cx);
                        let id = self.late(&value, || LateValue {
                            expr: local.value.clone(),
                            unit: node.index,
                            elements: Elements::from([]),
                            ty: Type::Any,
                            sensitive: value.is_sensitive(),
                        });
                        if let Some(id) = id {
                            names.late.insert((Kind::Local, name.clone()), id);
                        }
                        value
                    }
                };
                names.locals.0.insert(name, value);
            }
            Named::Data(source) => {
                let value = match circular {
                    true => Value::error(),
                    false => data(node, source, names, self.readings, self.components, self.cx),
                };
                let of_type = names.data.0.entry(source.ty.text.clone()).or_default();
                of_type.insert(source.name.text.clone(), value);
            }
            Named::Module(call) => {
                let values = match circular {
                    true => ModuleValues::Broken,
                    false => self.call(node, call, names),
                };
                names.modules.0.insert(call.name.text.clone(), values);
            }
        }
    }
}

/// Whether an output is declared a secret.
pub(crate) fn is_sensitive(expr: Option<&Expr>, names: &Names, cx: &mut Context<'_>) -> bool {
    let place = Place::local(names);
    expr.map(|expr| eval::evaluate_as(expr, &Type::Bool, &place, cx, "sensitive"))
        .and_then(|value| value.as_bool())
        .unwrap_or(false)
}

/// The description of an output.
pub(crate) fn check_description(
    output: &Output,
    names: &Names,
    cx: &mut Context<'_>,
) -> Option<String> {
    let expr = output.description.as_ref()?;
    let place = Place::local(names);
    let value = eval::evaluate_as(expr, &Type::String, &place, cx, "description");
    value.as_str().map(str::to_owned)
}

fn value_of(expr: &Expr, sensitive: Option<&Expr>, names: &Names, cx: &mut Context<'_>) -> Value {
    let place = Place::local(names);
    let value = eval::evaluate(expr, &place, cx);
    let secret =
        sensitive.map(|expr| eval::evaluate_as(expr, &Type::Bool, &place, cx, "sensitive"));
    value.mark(secret.and_then(|value| value.as_bool()).unwrap_or(false))
}
