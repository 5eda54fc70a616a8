//! Circles of values.

use imgc_syntax::Span;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;

use crate::diagnostic::Diagnostic;

/// The complaint about a circle of values; `address` and `place` are those of a value's declaration.
pub(crate) fn cycle<N>(
    graph: &DiGraph<N, Span>,
    component: &[NodeIndex],
    address: impl Fn(&N) -> String,
    place: impl Fn(&N) -> Span,
) -> Diagnostic {
    // Walk from the first in text order along edges inside the component until something repeats.
    let start = component
        .iter()
        .copied()
        .min_by_key(|node| place(&graph[*node]))
        .expect("a component has at least one member");
    let mut path = vec![start];
    let mut places: Vec<(String, Span)> = Vec::new();
    let first = loop {
        let here = path[path.len() - 1];
        let edge = graph
            .edges(here)
            .filter(|edge| component.contains(&edge.target()))
            .min_by_key(|edge| *edge.weight())
            .expect("a member of a cycle has an edge inside it");
        let next = edge.target();
        places.push((address(&graph[here]), *edge.weight()));
        if let Some(at) = path.iter().position(|node| *node == next) {
            break at;
        }
        path.push(next);
    };
    let mut names: Vec<String> = path[first..]
        .iter()
        .map(|node| address(&graph[*node]))
        .collect();
    names.push(names[0].clone());
    let mut diagnostic = Diagnostic::error(
        "check/cycle",
        place(&graph[path[first]]),
        format!("`{}` depends on itself: {}", names[0], names.join(" → ")),
    )
    .help("take one of these references out");
    for (name, place) in &places[first..] {
        diagnostic = diagnostic.label(*place, format!("`{name}` uses this"));
    }
    diagnostic
}
