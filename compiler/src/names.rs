//! The values of locals, data sources and modules, in the order of their references.
//!
//! In: the declarations and what data sources have said so far. Out: `local`, `data` and `module` in [`Names`], and the
//! units that modules make. A data source that has not been read has unknown outputs of the types its schema gives.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use imgc_syntax::Span;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;
use smol_str::SmolStr;

use crate::artifacts::{Others, Values};
use crate::components::{ComponentKind, Components};
use crate::configure::{self, Layer, Subject, known_component};
use crate::diagnostic::registry::Entry;
use crate::diagnostic::{Diagnostic, Edit, nearest};
use crate::eval::{self, Context, Reference, Uses};
use crate::hir::Expr;
use crate::late::{LateId, LateValue, Tree};
use crate::module::{Local, Module, ModuleCall, Output, Repeat, Source, quoted_list};
use crate::modules::{Calls, Loaded, MOST_USES};
use crate::plan::Key;
use crate::plan::repeat::{Elements, Repeating, Turn};
use crate::schema::Component;
use crate::scope::{Kind, ModuleOutputs, ModuleValues, Names, Place};
use crate::types::Type;
use crate::value::Value;
use crate::variables;

/// Problems with locals and data sources.
pub const IDS: &[Entry] = &[
    Entry::error(
        "check/cycle",
        "values that depend on each other in a circle",
    ),
    Entry::error("data/failed", "a data source could not be read"),
];

/// A data source: the position of its module (0 is the template itself), type and name.
pub(crate) type DataKey = (usize, SmolStr, SmolStr);

/// What data sources have said, and which of them are to be read.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    wanted: BTreeSet<DataKey>,
    /// By prefix of the unit, type and name.
    read: BTreeMap<(SmolStr, SmolStr, SmolStr), Result<Value, Diagnostic>>,
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
        node: &Node<'_>,
        source: &Source,
        options: &Value,
        components: &dyn Components,
    ) -> Option<Result<Value, Diagnostic>> {
        let (ty, name) = (source.ty.text.clone(), source.name.text.clone());
        let key = (node.prefix.clone(), ty.clone(), name.clone());
        if let Some(known) = self.read.get(&key) {
            return Some(known.clone());
        }
        if !self.wanted.contains(&(node.at, ty, name)) || !options.is_wholly_known() {
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
    Module(&'a ModuleCall),
}

impl Named<'_> {
    fn address(self) -> String {
        match self {
            Self::Local(local) => format!("local.{}", local.name.text),
            Self::Data(source) => format!("data.{}.{}", source.ty.text, source.name.text),
            Self::Module(call) => format!("module.{}", call.name.text),
        }
    }

    fn place(self) -> Span {
        match self {
            Self::Local(local) => local.name.span,
            Self::Data(source) => source.span,
            Self::Module(call) => call.name.span,
        }
    }

    fn references(self) -> Vec<Reference> {
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
                let all = repeat.chain(&call.inputs);
                all.flat_map(|attribute| eval::references(&attribute.value))
                    .collect()
            }
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

    /// Uses a module, as often as its block says.
    fn call(&mut self, node: &Node<'a>, call: &'a ModuleCall, names: &Names) -> ModuleValues {
        let Some(at) = node.calls.get(&call.name.text) else {
            return ModuleValues::Broken;
        };
        let loaded = &self.loaded[*at];
        self.check_inputs(call, &loaded.module);
        let none = Elements::from([]);
        let mut repeating = Repeating {
            check_only: self.check_only,
            cx: self.cx,
        };
        let turns = repeating.turns(&call.repeat, Place::local(names), &none);
        let (mut instances, mut off) = (Vec::new(), Vec::new());
        let repeated = call.repeat.has_keys();
        let broken = !turns.complete;
        for turn in turns.list {
            if !turn.enabled {
                off.extend(turn.key);
                continue;
            }
            if self.units.len() >= MOST_USES {
                self.cx.report(too_many(call.span));
                return ModuleValues::Broken;
            }
            let outputs = self.instance((node, call), (*at + 1, loaded), names, &turn);
            instances.push((turn.key, outputs));
        }
        if broken {
            return ModuleValues::Broken;
        }
        if repeated {
            let keyed = instances.into_iter();
            let instances = keyed.filter_map(|(key, outputs)| Some((key?, outputs)));
            return ModuleValues::Many {
                instances: instances.collect(),
                off,
            };
        }
        match instances.pop() {
            Some((_, outputs)) => ModuleValues::One(outputs),
            // Not enabled: it gives nothing.
            None => ModuleValues::One(ModuleOutputs {
                values: loaded
                    .module
                    .outputs
                    .keys()
                    .map(|name| (name.clone(), Value::null(Type::Any)))
                    .collect(),
                ..ModuleOutputs::default()
            }),
        }
    }

    /// Values must be for variables that the module has.
    fn check_inputs(&mut self, call: &ModuleCall, module: &Module) {
        for input in &call.inputs {
            let name = &input.name.text;
            if module.variables.contains_key(name) {
                continue;
            }
            let diagnostic = Diagnostic::error(
                "check/unknown-input",
                input.name.span,
                format!("the module `{}` has no variable `{name}`", call.name.text),
            );
            let known = || module.variables.keys().map(SmolStr::as_str);
            self.cx.report(match nearest(name, known()) {
                Some(near) => diagnostic
                    .help(format!("there is one with a similar name: `{near}`"))
                    .fix(
                        format!("change `{name}` to `{near}`"),
                        Edit::replace(input.name.span, near),
                    ),
                None if module.variables.is_empty() => {
                    diagnostic.help("it has no variables: take this line out")
                }
                None => diagnostic.help(format!("it has {}", quoted_list(known().take(12)))),
            });
        }
    }

    /// One use of a module.
    fn instance(
        &mut self,
        (node, call): (&Node<'a>, &'a ModuleCall),
        (at, loaded): (usize, &'a Loaded),
        names: &Names,
        turn: &Turn,
    ) -> ModuleOutputs {
        let key = turn.key.as_ref().map(Key::to_string).unwrap_or_default();
        let prefix = SmolStr::from(format!("{}module.{}{key}.", node.prefix, call.name.text));
        let index = self.units.len() as u32;
        self.units.push(Resolved {
            prefix: prefix.clone(),
            module: &loaded.module,
            calls: &loaded.calls,
            root: &loaded.root,
            names: Names::default(),
        });
        let place = Place::local(names).with_elements(&turn.elements);
        let mut given = BTreeMap::new();
        for input in &call.inputs {
            let value = eval::evaluate(&input.value, &place, self.cx);
            given.insert(input.name.text.clone(), (value, input.value.span));
        }
        let mut inner = Names::at(&self.cx.world.working_directory(), &loaded.root);
        inner.variables.0 = variables::of_call(&loaded.module, given, &call.name, &inner, self.cx);
        for input in &call.inputs {
            let Some(variable) = loaded.module.variables.get(&input.name.text) else {
                continue;
            };
            let value = inner.variables.0[&input.name.text].clone();
            let id = self.late(&value, || LateValue {
                expr: input.value.clone(),
                unit: node.index,
                elements: turn.elements.clone(),
                ty: variables::target_type(variable),
                sensitive: value.is_sensitive(),
            });
            if let Some(id) = id {
                let key = (Kind::Variable, input.name.text.clone());
                inner.late.insert(key, id);
            }
        }
        let before = self.cx.diagnostics.len();
        variables::validate(&loaded.module, &inner, self.cx);
        for problem in &mut self.cx.diagnostics[before..] {
            if problem.id == "check/failed-validation" {
                let moved = std::mem::take(&mut problem.labels);
                *problem = problem
                    .clone()
                    .label(call.name.span, "its value is given here");
                problem.labels.extend(moved);
            }
        }
        let child = Node {
            module: &loaded.module,
            at,
            calls: &loaded.calls,
            prefix,
            index,
        };
        self.resolve(&child, &mut inner);
        let outputs = self.outputs(&child, &inner);
        self.units[index as usize].names = inner;
        outputs
    }

    /// The outputs of a module.
    fn outputs(&mut self, node: &Node<'_>, names: &Names) -> ModuleOutputs {
        let mut outputs = ModuleOutputs::default();
        let tree = Tree::default();
        let others = Others {
            tree: &tree,
            unit: node.index,
            values: Values::Early,
        };
        let place = Place::block(names).with_builds(others);
        for (name, output) in &node.module.outputs {
            let value = eval::evaluate(&output.value, &place, self.cx);
            let sensitive = is_sensitive(output.sensitive.as_ref(), names, self.cx);
            check_description(output, names, self.cx);
            let value = value.mark(sensitive);
            let id = self.late(&value, || LateValue {
                expr: output.value.clone(),
                unit: node.index,
                elements: Elements::from([]),
                ty: Type::Any,
                sensitive,
            });
            if let Some(id) = id {
                outputs.late.insert(name.clone(), id);
            }
            outputs.values.insert(name.clone(), value);
        }
        outputs
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

fn too_many(place: Span) -> Diagnostic {
    Diagnostic::error(
        "check/too-many-modules",
        place,
        format!("this template uses modules more than {MOST_USES} times"),
    )
    .help("repeat builds or sources inside of a module instead")
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

/// Checks a data source's options, and gives its outputs.
fn data(
    node: &Node<'_>,
    source: &Source,
    names: &Names,
    readings: &mut Readings,
    components: &dyn Components,
    cx: &mut Context<'_>,
) -> Value {
    // Making the plan says what is to be said about the type.
    let component = match known_component(ComponentKind::DataSource, &source.ty, node.module) {
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
    match readings.of(node, source, &options, components) {
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
