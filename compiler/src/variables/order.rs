//! The order in which variables get their values: those that others use come first.

use std::collections::{BTreeMap, HashMap};

use imgc_syntax::Span;
use petgraph::algo::tarjan_scc;
use petgraph::graph::DiGraph;

use super::Raw;
use crate::eval::{self, Context};
use crate::module::{Module, Variable};
use crate::names;

/// All variables, each after those its value depends on, and whether it is in a circle. Circles are reported.
pub(super) fn order<'m>(
    module: &'m Module,
    raw: &BTreeMap<&str, Raw<'_>>,
    cx: &mut Context<'_>,
) -> Vec<(&'m Variable, bool)> {
    let mut graph = DiGraph::<&Variable, Span>::new();
    let nodes: HashMap<&str, _> = module
        .variables
        .iter()
        .map(|(name, variable)| (name.as_str(), graph.add_node(variable)))
        .collect();
    for (name, variable) in &module.variables {
        let given = raw.get(name.as_str());
        let expressions = [
            given.and_then(Raw::expr),
            // A default that is not looked at depends on nothing.
            variable
                .default
                .as_ref()
                .filter(|_| given.is_none() || !module.weak),
        ];
        for reference in expressions.into_iter().flatten().flat_map(eval::references) {
            if reference.root != "var" {
                continue;
            }
            let used = reference.path.first();
            if let Some((used, place)) =
                used.and_then(|used| Some((nodes.get(used.text.as_str())?, used.span)))
            {
                graph.add_edge(nodes[name.as_str()], *used, place);
            }
        }
    }
    let mut order = Vec::with_capacity(module.variables.len());
    for component in tarjan_scc(&graph) {
        let circular = component.len() > 1 || graph.contains_edge(component[0], component[0]);
        if circular {
            let address = |variable: &&Variable| format!("var.{}", variable.name.text);
            let place = |variable: &&Variable| variable.name.span;
            cx.report(names::cycle(&graph, &component, address, place));
        }
        order.extend(component.into_iter().map(|node| (graph[node], circular)));
    }
    order
}
