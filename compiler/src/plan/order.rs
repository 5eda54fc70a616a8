//! Which builds are part of a plan, and in which order: those selected, those whose artifacts they use, each after what
//! it uses.

use std::collections::HashMap;

use imgc_syntax::Span;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;

use super::blocks::Block;
use super::instance::{Instance, Parts};
use super::make::Maker;
use super::names::InstanceName;
use super::unit::SourceId;
use super::{BuildId, layout};
use crate::artifacts::{BuildIndex, Builds};
use crate::diagnostic::Diagnostic;

/// All build instances with their names.
pub(super) struct All<'b, 'a> {
    pub(super) instances: Vec<(&'b Block<'a>, &'b Instance<'a>)>,
    pub(super) names: Vec<InstanceName>,
    addresses: Vec<String>,
}

impl<'b, 'a> All<'b, 'a> {
    pub(super) fn new(blocks: &'b [Block<'a>]) -> Self {
        let instances: Vec<_> = blocks
            .iter()
            .flat_map(|block| {
                block
                    .instances
                    .iter()
                    .map(move |instance| (block, instance))
            })
            .collect();
        let names = instances
            .iter()
            .map(|(_, instance)| instance.full.clone())
            .collect();
        let mut used: HashMap<String, u32> = HashMap::new();
        let addresses = instances
            .iter()
            .map(|(_, instance)| {
                let address = instance.address();
                let count = used.entry(address.clone()).or_insert(0);
                *count += 1;
                match *count {
                    1 => address,
                    count => format!("{address}#{count}"),
                }
            })
            .collect();
        Self {
            instances,
            names,
            addresses,
        }
    }

    /// Whether a build, selected or not, adds something of its own to an instance of a source.
    pub(super) fn adds_to(&self, source: (SourceId, usize)) -> bool {
        self.instances.iter().any(|(_, instance)| {
            instance.is_nested && (instance.home.id(instance.source), instance.at) == source
        })
    }

    /// As expressions name them.
    pub(super) fn catalogue(&self) -> Builds {
        let mut builds = Builds::default();
        for ((block, instance), address) in self.instances.iter().zip(&self.addresses) {
            builds.add(
                instance.unit.index,
                instance.segments(block.key.as_ref()),
                address.clone(),
            );
        }
        builds
    }
}

impl<'a> Maker<'a, '_> {
    /// Evaluates the selected builds and those they need, and lays out their steps.
    pub(super) fn builds(&mut self, all: &All<'_, 'a>) {
        let count = all.instances.len();
        let selected: Vec<bool> = all
            .names
            .iter()
            .map(|name| self.selection.takes(name))
            .collect();
        let mut parts: Vec<Option<Parts>> = Vec::with_capacity(count);
        parts.resize_with(count, || None);
        let mut visited = selected.clone();
        let mut waiting: Vec<BuildIndex> = (0..count).filter(|at| selected[*at]).rev().collect();
        while let Some(at) = waiting.pop() {
            let (block, instance) = all.instances[at];
            self.seen
                .insert((instance.home.id(instance.source), instance.at));
            parts[at] = self.parts(block, instance);
            let used = parts[at].iter().flat_map(Parts::uses);
            for (needed, place) in used {
                if std::mem::replace(&mut visited[needed], true) {
                    continue;
                }
                waiting.push(needed);
                if let Some(pattern) = self.selection.excluding(&all.names[needed]) {
                    self.cx.report(
                        Diagnostic::error(
                            "plan/excluded-need",
                            pattern,
                            format!(
                                "`-except` takes out `{}`, whose artifact `{}` uses",
                                all.names[needed].text(),
                                all.names[at].text()
                            ),
                        )
                        .label(place, "the artifact is used here")
                        .help(format!(
                            "take out `{}` as well, or neither",
                            all.names[at].text()
                        )),
                    );
                }
            }
        }
        if self.circles(all, &parts) {
            return;
        }
        let mut order = Vec::with_capacity(count);
        let mut placed = vec![false; count];
        for at in 0..count {
            place(at, &parts, &mut placed, &mut order);
        }
        let mut ids: HashMap<BuildIndex, BuildId> = HashMap::new();
        for at in order {
            let Some(made) = parts[at].take() else {
                continue;
            };
            let (block, instance) = all.instances[at];
            ids.insert(at, BuildId(self.plan.builds.len() as u32));
            layout::add(
                &mut self.plan,
                made,
                layout::Named {
                    block,
                    instance,
                    name: all.names[at].text().to_owned(),
                    address: all.addresses[at].clone(),
                    selected: selected[at],
                    ids: &ids,
                    digests: !self.request.check_only,
                },
            );
        }
        self.outputs(&ids);
    }

    /// Reports builds that need each other's artifacts; whether there are any.
    fn circles(&mut self, all: &All<'_, 'a>, parts: &[Option<Parts>]) -> bool {
        let mut graph = DiGraph::<BuildIndex, Span>::new();
        let nodes: Vec<NodeIndex> = (0..parts.len()).map(|at| graph.add_node(at)).collect();
        for (at, made) in parts.iter().enumerate() {
            for (needed, place) in made.iter().flat_map(Parts::uses) {
                graph.add_edge(nodes[at], nodes[needed], place);
            }
        }
        let mut found = false;
        for component in tarjan_scc(&graph) {
            if component.len() == 1 && !graph.contains_edge(component[0], component[0]) {
                continue;
            }
            found = true;
            self.cx.report(circle(&graph, &component, all));
        }
        found
    }
}

/// Puts a build behind those it uses.
fn place(
    at: BuildIndex,
    parts: &[Option<Parts>],
    placed: &mut [bool],
    order: &mut Vec<BuildIndex>,
) {
    // Without recursion: chains of builds may be long.
    let mut stack = vec![(at, false)];
    while let Some((at, ready)) = stack.pop() {
        if ready {
            order.push(at);
            continue;
        }
        if std::mem::replace(&mut placed[at], true) {
            continue;
        }
        stack.push((at, true));
        let mut used: Vec<BuildIndex> = parts[at]
            .iter()
            .flat_map(Parts::uses)
            .map(|(needed, _)| needed)
            .collect();
        used.sort_unstable();
        stack.extend(used.into_iter().rev().map(|needed| (needed, false)));
    }
}

fn circle(
    graph: &DiGraph<BuildIndex, Span>,
    component: &[NodeIndex],
    all: &All<'_, '_>,
) -> Diagnostic {
    let start = component
        .iter()
        .copied()
        .min()
        .expect("a component has at least one member");
    let mut path = vec![start];
    let mut places: Vec<Span> = Vec::new();
    let first = loop {
        let here = path[path.len() - 1];
        let edge = graph
            .edges(here)
            .filter(|edge| component.contains(&edge.target()))
            .min_by_key(|edge| edge.target())
            .expect("a member of a cycle has an edge inside it");
        places.push(*edge.weight());
        if let Some(at) = path.iter().position(|node| *node == edge.target()) {
            break at;
        }
        path.push(edge.target());
    };
    let address = |node: &NodeIndex| all.addresses[graph[*node]].as_str();
    let mut shown: Vec<&str> = path[first..].iter().map(address).collect();
    shown.push(shown[0]);
    let places = &places[first..];
    let mut diagnostic = Diagnostic::error(
        "check/cycle",
        places[0],
        format!(
            "`{}` needs its own artifact: {}",
            shown[0],
            shown.join(" → ")
        ),
    )
    .help("take one of these references out");
    for (at, place) in places.iter().enumerate().skip(1) {
        diagnostic = diagnostic.label(*place, format!("`{}` uses this", shown[at]));
    }
    diagnostic
}
