//! The values of locals and data sources, in the order of their references.
//!
//! In: the declarations and what data sources have said so far. Out: `local` and `data` in [`Names`]. A data source that
//! has not been read has unknown outputs of the types its schema gives.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use imgc_syntax::Span;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;
use smol_str::SmolStr;

use crate::components::{ComponentKind, Components};
use crate::configure::{self, Layer, Subject, known_component};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::registry::Entry;
use crate::eval::{self, Context, Reference, Uses};
use crate::hir::Expr;
use crate::module::{Local, Module, Source};
use crate::schema::Component;
use crate::scope::{Names, Place};
use crate::types::Type;
use crate::value::Value;

/// Problems with locals and data sources.
pub const IDS: &[Entry] = &[
    Entry::error(
        "check/cycle",
        "values that depend on each other in a circle",
    ),
    Entry::error("data/failed", "a data source could not be read"),
];

/// A data source: type and name.
pub(crate) type DataKey = (SmolStr, SmolStr);

/// What data sources have said, and which of them are to be read.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    wanted: BTreeSet<DataKey>,
    read: BTreeMap<DataKey, Result<Value, Diagnostic>>,
}

impl Readings {
    /// Has these read from now on; whether that changes anything.
    pub(crate) fn want(&mut self, more: BTreeSet<DataKey>) -> bool {
        let before = self.wanted.len();
        self.wanted.extend(more);
        self.wanted.len() > before
    }

    /// What a data source says to these options, asked once; `None` if it is not to be read, or cannot be yet.
    fn of(
        &mut self,
        source: &Source,
        options: &Value,
        components: &dyn Components,
    ) -> Option<Result<Value, Diagnostic>> {
        let key = (source.ty.text.clone(), source.name.text.clone());
        if let Some(known) = self.read.get(&key) {
            return Some(known.clone());
        }
        if !self.wanted.contains(&key) || !options.is_wholly_known() {
            return None;
        }
        let said = components
            .read(&source.ty.text, options)
            .map_err(|problem| {
                let option = problem.option.as_deref();
                let place = option
                    .and_then(|option| configure::find_option(&[&source.body], option))
                    .map_or(source.span, |expr| expr.span);
                let mut diagnostic = Diagnostic::error("data/failed", place, problem.message);
                diagnostic.help = problem.help;
                diagnostic
            });
        self.read.insert(key, said.clone());
        Some(said)
    }
}

/// A value with a name.
#[derive(Clone, Copy)]
enum Named<'a> {
    Local(&'a Local),
    Data(&'a Source),
}

impl Named<'_> {
    fn address(self) -> String {
        match self {
            Self::Local(local) => format!("local.{}", local.name.text),
            Self::Data(source) => format!("data.{}.{}", source.ty.text, source.name.text),
        }
    }

    fn place(self) -> Span {
        match self {
            Self::Local(local) => local.name.span,
            Self::Data(source) => source.span,
        }
    }

    fn references(self) -> Vec<Reference> {
        match self {
            Self::Local(local) => eval::references(&local.value),
            Self::Data(source) => eval::body_references(&source.body),
        }
    }
}

/// The locals and data sources that references name: all of a kind where they do not say which.
struct Index<'a> {
    module: &'a Module,
}

impl<'a> Index<'a> {
    fn named(&self, reference: &Reference) -> Vec<Named<'a>> {
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
            _ => Vec::new(),
        }
    }
}

/// The data sources that these uses need, directly or through locals and other data sources.
pub(crate) fn needed(module: &Module, uses: &Uses) -> BTreeSet<DataKey> {
    let index = Index { module };
    let mut found = BTreeSet::new();
    let mut locals = BTreeSet::new();
    let mut open: Vec<Named<'_>> = uses.iter().flat_map(|used| index.named(used)).collect();
    while let Some(named) = open.pop() {
        let new = match named {
            Named::Local(local) => locals.insert(&local.name.text),
            Named::Data(source) => found.insert((source.ty.text.clone(), source.name.text.clone())),
        };
        if new {
            let references = named.references();
            open.extend(references.iter().flat_map(|used| index.named(used)));
        }
    }
    found
}

/// Evaluates all locals and data sources into `names`. Those of a circle become error values; the circle is reported
/// with its path.
pub(crate) fn resolve(
    module: &Module,
    names: &mut Names,
    readings: &mut Readings,
    components: &dyn Components,
    cx: &mut Context<'_>,
) {
    let all = module
        .locals
        .values()
        .map(Named::Local)
        .chain(module.data.values().map(Named::Data));
    let mut graph = DiGraph::<Named<'_>, Span>::new();
    let nodes: HashMap<String, NodeIndex> = all
        .map(|named| (named.address(), graph.add_node(named)))
        .collect();
    let index = Index { module };
    for user in graph.node_indices() {
        for reference in graph[user].references() {
            // A name that says which has its own place; the bare `local` uses all but itself.
            let exact = !reference.path.is_empty();
            let place = match (reference.root.as_str(), reference.path.first()) {
                ("local", Some(name)) => name.span,
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
            cx.report(cycle(&graph, &component, address, place));
        }
        for node in component {
            let named = graph[node];
            let value = match named {
                _ if circular => Value::error(),
                Named::Local(local) => value_of(&local.value, local.sensitive.as_ref(), names, cx),
                Named::Data(source) => data(module, source, names, readings, components, cx),
            };
            match named {
                Named::Local(local) => {
                    names.locals.0.insert(local.name.text.clone(), value);
                }
                Named::Data(source) => {
                    let of_type = names.data.0.entry(source.ty.text.clone()).or_default();
                    of_type.insert(source.name.text.clone(), value);
                }
            }
        }
    }
}

/// Checks a data source's options, and gives its outputs.
fn data(
    module: &Module,
    source: &Source,
    names: &Names,
    readings: &mut Readings,
    components: &dyn Components,
    cx: &mut Context<'_>,
) -> Value {
    // Making the plan says what is to be said about the type.
    let component = match known_component(ComponentKind::DataSource, &source.ty, module) {
        Ok(known) if !known.component.is_foreign() => known.component,
        _ => return Value::unknown(Type::Any),
    };
    let body = &*source.body;
    let scope = &Place::local(names);
    let subject = Subject {
        what: format!("data source `{}`", source.ty.text),
        component,
        meta: &[],
        layers: &[Layer { body, scope }],
        overrides: None,
        span: source.span,
    };
    let before = cx.diagnostics.len();
    let options = configure::configure(&subject, cx);
    for problem in components.check(ComponentKind::DataSource, &source.ty.text, &options) {
        let place = problem
            .option
            .as_deref()
            .and_then(|option| configure::find_option(&[body], option))
            .map_or(source.span, |expr| expr.span);
        let mut diagnostic = Diagnostic::error("check/invalid-option", place, problem.message);
        diagnostic.help = problem.help;
        cx.report(diagnostic);
    }
    if cx.diagnostics[before..].iter().any(Diagnostic::is_error) {
        return unread(component);
    }
    match readings.of(source, &options, components) {
        None => unread(component),
        Some(Ok(value)) => value,
        Some(Err(diagnostic)) => {
            cx.report(diagnostic);
            Value::error()
        }
    }
}

/// The outputs of a data source that has not been read.
fn unread(component: &Component) -> Value {
    let outputs = component.outputs.iter();
    Value::object(outputs.map(|(name, ty)| (name.clone(), Value::unknown(ty.clone()))))
}

fn value_of(expr: &Expr, sensitive: Option<&Expr>, names: &Names, cx: &mut Context<'_>) -> Value {
    let place = Place::local(names);
    let value = eval::evaluate(expr, &place, cx);
    let secret =
        sensitive.map(|expr| eval::evaluate_as(expr, &Type::Bool, &place, cx, "sensitive"));
    value.mark(secret.and_then(|value| value.as_bool()).unwrap_or(false))
}

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
