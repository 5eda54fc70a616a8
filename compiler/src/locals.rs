//! The values of locals, evaluated in the order of their references.

use std::collections::HashMap;

use imgc_syntax::Span;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use smol_str::SmolStr;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::registry::Entry;
use crate::eval::{self, Context};
use crate::hir::Expr;
use crate::module::{Local, Module};
use crate::scope::{Names, Place};
use crate::types::Type;
use crate::value::Value;

/// Problems with locals.
pub const IDS: &[Entry] = &[Entry::error(
    "check/cycle",
    "values that depend on each other in a circle",
)];

/// Evaluates all locals into `names`. Locals of a cycle become error values; the cycle is reported with its path.
pub fn resolve(module: &Module, names: &mut Names, cx: &mut Context<'_>) {
    let mut graph =
        DiGraph::<&Local, Span>::with_capacity(module.locals.len(), module.locals.len());
    let nodes: HashMap<&str, NodeIndex> = module
        .locals
        .iter()
        .map(|(name, local)| (name.as_str(), graph.add_node(local)))
        .collect();
    for local in module.locals.values() {
        let user = nodes[local.name.text.as_str()];
        for reference in eval::references(&local.value) {
            if reference.root != "local" {
                continue;
            }
            match reference.path.first() {
                Some(name) => {
                    if let Some(used) = nodes.get(name.text.as_str()) {
                        graph.add_edge(user, *used, name.span);
                    }
                }
                // The bare `local` uses them all.
                None => {
                    for used in nodes.values().filter(|used| **used != user) {
                        graph.add_edge(user, *used, reference.span);
                    }
                }
            }
        }
    }
    // Components come out with what is used before what uses it.
    for component in tarjan_scc(&graph) {
        let circular = component.len() > 1 || graph.contains_edge(component[0], component[0]);
        if circular {
            cx.report(cycle(&graph, &component));
            for node in component {
                names
                    .locals
                    .0
                    .insert(graph[node].name.text.clone(), Value::error());
            }
        } else {
            let local = graph[component[0]];
            let value = value_of(&local.value, local.sensitive.as_ref(), names, cx);
            names.locals.0.insert(local.name.text.clone(), value);
        }
    }
}

fn value_of(expr: &Expr, sensitive: Option<&Expr>, names: &Names, cx: &mut Context<'_>) -> Value {
    let place = Place::local(names);
    let value = eval::evaluate(expr, &place, cx);
    let secret =
        sensitive.map(|expr| eval::evaluate_as(expr, &Type::Bool, &place, cx, "sensitive"));
    value.mark(secret.and_then(|value| value.as_bool()).unwrap_or(false))
}

fn cycle(graph: &DiGraph<&Local, Span>, component: &[NodeIndex]) -> Diagnostic {
    // Walk from the first in text order along edges inside the component until something repeats.
    let start = component
        .iter()
        .copied()
        .min_by_key(|node| graph[*node].name.span)
        .expect("a component has at least one member");
    let mut path = vec![start];
    let mut places: Vec<(SmolStr, Span)> = Vec::new();
    let first = loop {
        let here = path[path.len() - 1];
        let edge = graph
            .edges(here)
            .filter(|edge| component.contains(&petgraph::visit::EdgeRef::target(edge)))
            .min_by_key(|edge| *edge.weight())
            .expect("a member of a cycle has an edge inside it");
        let next = petgraph::visit::EdgeRef::target(&edge);
        places.push((graph[here].name.text.clone(), *edge.weight()));
        if let Some(at) = path.iter().position(|node| *node == next) {
            break at;
        }
        path.push(next);
    };
    let mut names: Vec<String> = path[first..]
        .iter()
        .map(|node| format!("local.{}", graph[*node].name.text))
        .collect();
    names.push(names[0].clone());
    let head = graph[path[first]];
    let mut diagnostic = Diagnostic::error(
        "check/cycle",
        head.name.span,
        format!("`{}` depends on itself: {}", names[0], names.join(" → ")),
    )
    .help("take one of these references out");
    for (name, place) in &places[first..] {
        diagnostic = diagnostic.label(*place, format!("`local.{name}` uses this"));
    }
    diagnostic
}
