//! From declarations to a plan: sources meet builds, options are evaluated, steps are laid out.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::Plan;
use super::component::{Configured, ConfiguredSource, Mentions};
use super::files::Files;
use super::inside::Mention;
use super::instances::{Declared, SourceLayer};
use super::known::Remarks;
use super::names::{InstanceName, Key};
use super::order::All;
use super::pieces::Part;
use super::repeat::{Elements, Turn, any_elements, unknown_element};
use super::select::{Selection, names_source};
use super::unit::{BlockId, SourceId, Unit};
use crate::artifacts::{BuildIndex, Segment};
use crate::compile::Request;
use crate::components::{ComponentKind, Components};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::registry::Entry;
use crate::eval::{self, Context};
use crate::hir::{Body, Expr, Name};
use crate::late::{LateValue, Tree};
use crate::module;
use crate::schema::{self, Component};
use crate::scope::Place;
use crate::types::Type;
use crate::value::Value;

/// Problems of builds and plans.
pub const IDS: &[Entry] = &[
    Entry::error(
        "check/unknown-source",
        "a build refers to a source that is not declared",
    ),
    Entry::warning("check/repeated-source", "a build has the same source twice"),
    Entry::error(
        "check/build-without-source",
        "a build has no source to build",
    ),
    Entry::warning(
        "check/unfit-provisioner",
        "a provisioner that can do nothing with the machine of a source",
    ),
    Entry::error(
        "check/unknown-at-plan-time",
        "a value is needed before anything runs, and is known only then",
    ),
    Entry::error(
        "check/invalid-option",
        "an option has a value its component cannot use",
    ),
    Entry::error(
        "check/missing-file",
        "an option names a file that is not there",
    ),
    Entry::warning(
        "check/unmatched-filter",
        "`only`, `except` or `override` names a source the build does not have",
    ),
    Entry::error(
        "plan/excluded-need",
        "`-except` takes out a build whose artifact another one uses",
    ),
    Entry::error("plan/no-match", "`-only` or `-except` matches no build"),
    Entry::error(
        "plan/not-implemented",
        "a component that is known, but cannot run in this version",
    ),
];

/// What making a plan works with.
pub(crate) struct Maker<'a, 'w> {
    /// The template, and after it the modules it uses.
    pub(super) units: &'a [Unit<'a>],
    pub(super) request: &'a Request,
    pub(super) components: &'a dyn Components,
    pub(super) selection: &'a Selection,
    pub(super) cx: &'a mut Context<'w>,
    pub(super) files: Files,
    /// Options that are the same for every build, by the block they came from.
    pub(super) shared: HashMap<(BlockId, Option<Key>), Arc<Configured>>,
    /// What blocks speak of.
    pub(super) mentions: HashMap<BlockId, Arc<Mentions>>,
    /// The instances of sources.
    pub(super) sources: HashMap<SourceId, Rc<[Declared<'a>]>>,
    /// The sources whose instances are being made, each extending the next.
    pub(super) resolving: Vec<(SourceId, &'a module::Source)>,
    pub(super) plan: Plan,
    /// Blocks that have been looked at for at least one build.
    pub(super) checked: HashSet<BlockId>,
    /// Stands for the source where a build has none that is in order.
    stand_in: &'a module::Source,
    /// Instances of sources that have been evaluated for a build, or as a part of another source.
    pub(super) seen: HashSet<(SourceId, usize)>,
    pub(super) remarks: Remarks,
}

/// A source as one build uses it.
pub(super) struct Instance<'a> {
    /// The unit of the build block.
    pub(super) unit: &'a Unit<'a>,
    /// The unit that declares the source.
    pub(super) home: &'a Unit<'a>,
    pub(super) source: &'a module::Source,
    /// Which of the source's instances.
    pub(super) at: usize,
    /// What it extends, itself, what the build adds.
    pub(super) layers: Vec<SourceLayer<'a>>,
    /// Whether all layers were found.
    pub(super) whole: bool,
    /// Whether a `source` block of the build adds to it.
    pub(super) is_nested: bool,
    /// `source.key`.
    pub(super) key: Option<Value>,
    /// The name it goes by in this build.
    pub(super) name: SmolStr,
    /// The build block's name.
    pub(super) block: String,
    /// What the build block is repeated over.
    pub(super) elements: Elements,
    /// All keys in the order of the name: the block's, the source's, the nested source's.
    pub(super) keys: Vec<Key>,
    /// `null.base["a"]`; the builds of a legacy template are called by their names alone.
    pub(super) short: InstanceName,
    /// `web["eu"].null.base["a"]`, or `null.base["a"]` where the block has no name.
    pub(super) local: InstanceName,
    /// The same with the unit's prefix.
    pub(super) full: InstanceName,
    /// Where the build refers to it.
    pub(super) span: Span,
}

/// A `build` block, or one instance of it, with the sources it builds.
pub(super) struct Block<'a> {
    pub(super) unit: &'a Unit<'a>,
    pub(super) build: &'a module::Build,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) timeout: Option<Duration>,
    /// What it is repeated over.
    pub(super) elements: Elements,
    pub(super) key: Option<Key>,
    pub(super) instances: Vec<Instance<'a>>,
    /// Whether all its sources could be found.
    pub(super) complete: bool,
}

/// What one build consists of, evaluated.
pub(super) struct Parts {
    pub(super) source: ConfiguredSource,
    pub(super) provisioners: Vec<Part>,
    /// Those that have something in them.
    pub(super) chains: Vec<Vec<Part>>,
    pub(super) cleanup: Vec<Part>,
}

impl Parts {
    /// The builds whose artifacts any part uses, with the places.
    pub(super) fn uses(&self) -> impl Iterator<Item = (BuildIndex, Span)> {
        let parts = self.provisioners.iter().chain(&self.cleanup);
        let parts = parts.chain(self.chains.iter().flatten());
        let of_parts = parts.flat_map(|part| &part.made.uses);
        let all = self.source.uses.iter().chain(of_parts);
        all.map(|(build, place)| (*build, *place))
    }
}

impl Instance<'_> {
    /// `build.web.null.base`; `build[0].null.base` where a repeated block has no name.
    pub(super) fn address(&self) -> String {
        let (prefix, local) = (&self.unit.prefix, self.local.text());
        let dot = if local.starts_with('[') { "" } else { "." };
        format!("{prefix}build{dot}{local}")
    }

    /// The parts of its name; `key` is that of the build block.
    pub(super) fn segments(&self, key: Option<&Key>) -> Vec<Segment> {
        let mut segments = Vec::with_capacity(4);
        if !self.block.is_empty() {
            segments.push(Segment::Name(self.block.as_str().into()));
        }
        let (own, others) = self.keys.split_at(usize::from(key.is_some()));
        segments.extend(own.iter().cloned().map(Segment::Key));
        if !self.source.body.weak {
            segments.push(Segment::Name(self.source.ty.text.clone()));
        }
        segments.push(Segment::Name(self.name.clone()));
        segments.extend(others.iter().cloned().map(Segment::Key));
        segments
    }

    /// Whether a name in `only`, `except` or `override` means it.
    pub(super) fn is_named(&self, text: &str) -> bool {
        names_source(text, &[&self.short, &self.local, &self.full])
    }

    /// Whether a text is its name alone, with or without keys.
    pub(super) fn is_called(&self, text: &str) -> bool {
        let (words, keys) = super::names::trailing_keys(text);
        *words == self.name && (keys.is_empty() || self.short.text().ends_with(&format!(".{text}")))
    }
}

/// Makes the plan of a template and its modules; problems go to `cx`.
pub(crate) fn make(
    units: &[Unit<'_>],
    lates: Vec<LateValue>,
    request: &Request,
    components: &dyn Components,
    selection: &Selection,
    cx: &mut Context<'_>,
) -> Plan {
    let nowhere = Span::new(crate::FileId(0), 0, 0);
    let word = |text: &'static str| Name {
        text: SmolStr::new_static(text),
        span: nowhere,
    };
    let stand_in = module::Source {
        ty: word("null"),
        name: word("source"),
        repeat: module::Repeat::default(),
        extends: None,
        body: Arc::new(Body::default()),
        span: nowhere,
    };
    let mut maker = Maker {
        units,
        request,
        components,
        selection,
        cx,
        files: Files::default(),
        shared: HashMap::new(),
        mentions: HashMap::new(),
        sources: HashMap::new(),
        resolving: Vec::new(),
        plan: Plan::default(),
        checked: HashSet::new(),
        stand_in: &stand_in,
        seen: HashSet::new(),
        remarks: Remarks::default(),
    };
    let mut blocks = Vec::new();
    for unit in maker.units {
        maker.check_groups(unit);
        for build in &unit.module.builds {
            maker.blocks(unit, build, &mut blocks);
        }
    }
    for unit in maker.units {
        for value in &unit.module.registry {
            eval::evaluate(value, &Place::block(&unit.names), maker.cx);
        }
    }
    let all = All::new(&blocks);
    if let Some(unit) = maker.units.first() {
        let names = maker.units.iter().map(|unit| Arc::clone(&unit.names));
        let tree = Tree::new(all.catalogue(), lates, names.collect(), maker.cx);
        // The same for all units; set once, here.
        let _ = unit.tree.set(tree);
    }
    maker.builds(&all);
    for block in &blocks {
        maker.check_unused(block);
    }
    // What nobody builds is looked at, but needs no data.
    let uses = maker.cx.uses.take();
    for unit in maker.units {
        maker.check_unused_groups(unit);
        // All of them first: a source that another extends is checked as a part of that one.
        for source in unit.module.sources.values() {
            maker.declared(unit, source);
        }
        for source in unit.module.sources.values() {
            for declared in maker.unseen(unit, source) {
                maker.unused_source(unit, source, declared);
            }
        }
        for source in unit.module.data.values() {
            let kind = ComponentKind::DataSource;
            if maker.find(unit.module, kind, &source.ty).is_some() {
                maker.runnable(kind, &source.ty);
            }
        }
    }
    maker.cx.uses = uses;
    maker.checked_only();
    selection.check(&all.names, &mut maker.cx.diagnostics);
    maker.plan.inputs = maker.files.into_inputs();
    maker.plan
}

impl<'a> Maker<'a, '_> {
    /// The instances of a `build` block with the sources they build.
    fn blocks(
        &mut self,
        unit: &'a Unit<'a>,
        build: &'a module::Build,
        blocks: &mut Vec<Block<'a>>,
    ) {
        let none = Elements::from([]);
        let turns = self.turns(&build.repeat, Place::block(&unit.names), &none);
        let first = blocks.len();
        for turn in turns.list.into_iter().filter(|turn| turn.enabled) {
            let block = self.block(unit, build, turn);
            self.check_repeated(&block.instances);
            blocks.push(block);
        }
        if blocks.len() == first {
            let turn = Turn {
                key: None,
                elements: unknown_element(&build.repeat, &none),
                enabled: false,
            };
            blocks.push(self.block(unit, build, turn));
        }
        self.check_filters(build, &blocks[first..]);
    }

    /// One instance of a `build` block; of one that is not enabled only the references to sources are looked at.
    fn block(&mut self, unit: &'a Unit<'a>, build: &'a module::Build, turn: Turn) -> Block<'a> {
        let Turn {
            key,
            elements,
            enabled,
        } = turn;
        let place = Place::block(&unit.names).with_elements(&elements);
        let name = self
            .text(build.name.as_ref(), "name", place, enabled)
            .unwrap_or_default();
        let description = self.text(build.description.as_ref(), "description", place, enabled);
        let timeout = match enabled {
            true => self.duration(build.timeout.as_ref(), &place),
            false => None,
        };
        let mut block = Block {
            unit,
            build,
            name,
            description,
            timeout,
            elements: Arc::clone(&elements),
            key,
            instances: Vec::new(),
            complete: true,
        };
        let before = self.cx.diagnostics.len();
        if let Some(sources) = &build.sources {
            for (referred, span) in self.listed_sources(unit, sources, place, !enabled) {
                let (home, source) = (referred.home, referred.source);
                for declared in referred.instances {
                    block.add((home, source), declared, None, span);
                }
            }
        }
        for nested in &build.nested {
            self.nested(nested, place, &mut block, enabled);
        }
        if build.sources.is_none() && build.nested.is_empty() {
            self.cx.report(
                Diagnostic::error(
                    "check/build-without-source",
                    build.span,
                    "this build has no source",
                )
                .help("add `sources = [\"source.TYPE.NAME\"]`"),
            );
        }
        block.complete = enabled && self.cx.diagnostics.len() == before;
        if !enabled {
            block.instances.clear();
        }
        block
    }

    /// The instances of a `source` block in a build.
    fn nested(
        &mut self,
        nested: &'a module::NestedSource,
        place: Place<'_>,
        block: &mut Block<'a>,
        enabled: bool,
    ) {
        let outer = Arc::clone(&block.elements);
        let mut turns = self.turns(&nested.repeat, place, &outer).list;
        turns.retain(|turn| turn.enabled);
        let dry = turns.is_empty();
        if dry {
            // Its source must be there all the same.
            turns.push(Turn {
                key: None,
                elements: unknown_element(&nested.repeat, &outer),
                enabled: false,
            });
        }
        for turn in turns {
            let place = place.with_elements(&turn.elements);
            let known = enabled && !dry;
            let name = self.text(nested.name.as_ref(), "name", place, known);
            let reference = match &nested.reference {
                module::Label::Computed(_) if !known => None,
                label => self.label(label, place),
            };
            let Some(reference) = reference else { continue };
            let mention = Mention::of_label(&nested.reference, &reference);
            let referred = self.referred(block.unit, &reference.text, mention);
            let Some(referred) = referred.filter(|_| known) else {
                continue;
            };
            for declared in referred.instances {
                let added = Nested {
                    block: nested,
                    name: name.clone(),
                    turn: turn.clone(),
                };
                block.add(
                    (referred.home, referred.source),
                    declared,
                    Some(added),
                    nested.span,
                );
            }
        }
    }

    /// Blocks that apply to no source are checked all the same.
    fn check_unused(&mut self, block: &Block<'a>) {
        let Block { unit, build, .. } = *block;
        let provisioners = build.provisioners.iter().filter_map(|one| match one {
            module::Provisioning::One(component) => Some(component),
            module::Provisioning::Group(_) => None,
        });
        let none = module::Repeat::default();
        let provisioners = provisioners
            .chain(&build.cleanup)
            .map(|component| (ComponentKind::Provisioner, component, &none));
        let post_processors = build.post_processors.iter().flat_map(|chain| {
            let components = chain.components.iter();
            components.map(|one| (ComponentKind::PostProcessor, one, &chain.repeat))
        });
        let unused: Vec<_> = provisioners
            .chain(post_processors)
            .filter(|(_, component, _)| !self.checked.contains(&unit.id(&***component)))
            .collect();
        if unused.is_empty() {
            return;
        }
        // What builders add to `build` may be used, though none of them is there to say what it is.
        let builder = |instance: &Instance<'a>| {
            schema::component(ComponentKind::Builder, &instance.source.ty.text)
                .unwrap_or_else(schema::foreign)
        };
        let builders: Vec<&Component> = match block.complete {
            true => block.instances.iter().map(builder).collect(),
            false => vec![schema::foreign()],
        };
        let generated = generated(&builders);
        let instance = self.stand_in(unit, &block.name, build.span);
        let uses = self.cx.uses.take();
        for (kind, component, chain) in unused {
            let around = unknown_element(chain, &block.elements);
            let elements = unknown_element(&component.repeat, &around);
            let before = self.cx.diagnostics.len();
            self.check_component(kind, component, &instance, &elements, &generated);
            let meta = &component.meta;
            if !block.instances.is_empty() && (meta.only.is_some() || meta.except.is_some()) {
                let texts = component.body.span.into_iter().chain([component.span]);
                self.excuse_unused(before, &texts.collect::<Vec<_>>());
            }
        }
        self.cx.uses = uses;
    }

    /// Provisioners of groups that no build uses are checked all the same.
    fn check_unused_groups(&mut self, unit: &'a Unit<'a>) {
        for group in unit.module.groups.values() {
            let unused = group.provisioners.iter().filter_map(|one| match one {
                module::Provisioning::One(component) => Some(component),
                module::Provisioning::Group(_) => None,
            });
            let unused: Vec<_> = unused
                .filter(|component| !self.checked.contains(&unit.id(&***component)))
                .collect();
            if unused.is_empty() {
                continue;
            }
            let generated = generated(&[schema::foreign()]);
            let instance = self.stand_in(unit, "", group.span);
            for component in unused {
                let elements = unknown_element(&component.repeat, &any_elements());
                let kind = ComponentKind::Provisioner;
                self.check_component(kind, component, &instance, &elements, &generated);
            }
        }
    }

    /// What a block is checked for that applies to no source.
    fn stand_in(&self, unit: &'a Unit<'a>, block: &str, span: Span) -> Instance<'a> {
        Instance {
            unit,
            home: unit,
            source: self.stand_in,
            at: 0,
            layers: Vec::new(),
            whole: true,
            is_nested: false,
            key: None,
            name: self.stand_in.name.text.clone(),
            block: block.to_owned(),
            elements: Elements::from([]),
            keys: Vec::new(),
            short: InstanceName::default(),
            local: InstanceName::default(),
            full: InstanceName::default(),
            span,
        }
    }

    /// A text that must be `known` before anything runs.
    fn text(
        &mut self,
        expr: Option<&Expr>,
        what: &str,
        place: Place<'_>,
        known: bool,
    ) -> Option<String> {
        let expr = expr?;
        let value = eval::evaluate_as(expr, &Type::String, &place, self.cx, what);
        if known && !value.is_known() && !value.is_error() {
            self.not_yet(expr.span, what);
        }
        value.as_str().map(str::to_owned)
    }

    /// Evaluates everything a build consists of.
    pub(super) fn parts(&mut self, block: &Block<'a>, instance: &Instance<'a>) -> Option<Parts> {
        let source = self.source(instance)?;
        let generated = &source.component.generated_data;
        let build = block.build;
        let provisioners = self.provisioners(build, instance, generated);
        for part in &provisioners {
            self.check_fit(&source, instance, part);
        }
        Some(Parts {
            provisioners,
            chains: self.chains(build, instance, generated),
            cleanup: self.cleanup(build, instance, generated),
            source,
        })
    }

    /// A source no build uses is checked all the same.
    fn unused_source(
        &mut self,
        unit: &'a Unit<'a>,
        source: &'a module::Source,
        declared: Declared<'a>,
    ) {
        let instance = Instance {
            source,
            at: declared.at,
            layers: declared.layers,
            whole: declared.whole,
            key: declared.key.map(|key| key.value()),
            name: source.name.text.clone(),
            ..self.stand_in(unit, "", source.span)
        };
        if let Some(component) = self.find(unit.module, ComponentKind::Builder, &source.ty) {
            let before = self.cx.diagnostics.len();
            self.evaluate_source(component, &instance);
            if !unit.module.builds.is_empty() {
                let texts: Vec<Span> = source.body.span.into_iter().chain([source.span]).collect();
                self.excuse_unused(before, &texts);
            }
        }
    }
}

/// A `source` block of a build, as one instance of a declared source gets it.
struct Nested<'a> {
    block: &'a module::NestedSource,
    name: Option<String>,
    turn: Turn,
}

impl<'a> Block<'a> {
    /// Adds an instance of a source.
    fn add(
        &mut self,
        (home, source): (&'a Unit<'a>, &'a module::Source),
        declared: Declared<'a>,
        nested: Option<Nested<'a>>,
        span: Span,
    ) {
        let mut layers = declared.layers;
        let mut own = declared.key;
        let mut keys: Vec<Key> = own.iter().cloned().collect();
        let mut name = source.name.text.clone();
        let is_nested = nested.is_some();
        if let Some(nested) = nested {
            name = nested.name.map_or(name, SmolStr::from);
            // What a `dynamic` block makes is called what it calls itself, as in Packer.
            let key = nested
                .turn
                .key
                .filter(|_| nested.block.repeat.iterator.is_none());
            keys.extend(key.clone());
            own = key.or(own);
            layers.push(SourceLayer {
                unit: self.unit,
                body: &nested.block.body,
                elements: nested.turn.elements,
            });
        }
        let mut short = InstanceName::default();
        if !source.body.weak {
            short.push(&source.ty.text);
            short.push(".");
        }
        short.push(&name);
        keys.iter().for_each(|key| short.push_key(key));
        let mut local = InstanceName::default();
        local.push(&self.name);
        if let Some(key) = &self.key {
            local.push_key(key);
        }
        if !local.text().is_empty() {
            local.push(".");
        }
        local.push_name(&short);
        let mut full = InstanceName::default();
        full.push_keyed(&self.unit.prefix);
        full.push_name(&local);
        self.instances.push(Instance {
            unit: self.unit,
            home,
            source,
            at: declared.at,
            layers,
            whole: declared.whole,
            is_nested,
            key: own.map(|key| key.value()),
            name,
            block: self.name.clone(),
            elements: Arc::clone(&self.elements),
            keys: self.key.iter().cloned().chain(keys).collect(),
            short,
            local,
            full,
            span,
        });
    }
}

/// What builders add to `build`.
fn generated(builders: &[&Component]) -> Vec<SmolStr> {
    let of = |builder: &&Component| builder.generated_data.clone();
    builders.iter().flat_map(of).collect()
}

pub(super) fn unknown_yet(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(
        "check/unknown-at-plan-time",
        span,
        format!(
            "`{what}` must be known before anything runs, and this value is known only at run time"
        ),
    )
    .help("use variables and locals here; what data sources yield is known with `-online`")
}

impl Plan {
    /// The values of variables as they are kept with the plan.
    pub(crate) fn set_variables(&mut self, variables: Vec<(SmolStr, crate::variables::Given)>) {
        self.variables = variables
            .into_iter()
            .map(|(name, given)| super::Variable {
                name,
                value: given.value,
                origin: given.origin,
                written: given.written,
            })
            .collect();
        self.variables.sort_by(|a, b| a.name.cmp(&b.name));
    }
}
