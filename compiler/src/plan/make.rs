//! From declarations to a plan: sources meet builds, options are evaluated, steps are laid out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::component::{Configured, ConfiguredSource};
use super::files::Files;
use super::known::Remarks;
use super::select::Selection;
use super::unit::{BlockId, SourceId, Unit};
use super::{Plan, layout};
use crate::compile::Request;
use crate::components::{ComponentKind, Components};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::registry::Entry;
use crate::eval::{self, Context};
use crate::hir::{Body, Expr, Name};
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
    pub(super) shared: HashMap<BlockId, Arc<Configured>>,
    plan: Plan,
    /// Blocks that have been looked at for at least one build.
    pub(super) checked: HashSet<BlockId>,
    /// Stands for the source where a build has none that is in order.
    stand_in: &'a module::Source,
    /// Sources that have been evaluated for a build.
    seen: HashSet<SourceId>,
    pub(super) remarks: Remarks,
}

/// A source as one build uses it.
pub(super) struct Instance<'a> {
    /// The unit of the build block.
    pub(super) unit: &'a Unit<'a>,
    /// The unit that declares the source.
    pub(super) home: &'a Unit<'a>,
    pub(super) source: &'a module::Source,
    pub(super) nested: Option<&'a module::NestedSource>,
    /// The name it goes by in this build.
    pub(super) name: SmolStr,
    /// The build block's name.
    pub(super) block: String,
    /// Where the build refers to it.
    pub(super) span: Span,
}

/// A `build` block with the sources it builds.
pub(super) struct Block<'a> {
    pub(super) unit: &'a Unit<'a>,
    pub(super) build: &'a module::Build,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) instances: Vec<Instance<'a>>,
    /// Whether all its sources could be found.
    pub(super) complete: bool,
}

/// What one build consists of, evaluated.
pub(super) struct Parts<'a> {
    pub(super) source: ConfiguredSource,
    pub(super) provisioners: Vec<Part<'a>>,
    /// By number, those that apply.
    pub(super) chains: Vec<(u32, Vec<Part<'a>>)>,
    pub(super) cleanup: Vec<Part<'a>>,
}

/// A block with its position among its like.
pub(super) type Part<'a> = (u32, &'a module::Component, Arc<Configured>);

impl Instance<'_> {
    /// `null.base`; the builds of a legacy template are called by their names alone.
    pub(super) fn short(&self) -> String {
        if self.source.body.weak {
            return self.name.to_string();
        }
        format!("{}.{}", self.source.ty.text, self.name)
    }

    /// `web.null.base`, or `null.base` where the block has no name; with the unit's prefix.
    pub(super) fn full(&self) -> String {
        let prefix = &self.unit.prefix;
        if self.block.is_empty() {
            format!("{prefix}{}", self.short())
        } else {
            format!("{prefix}{}.{}", self.block, self.short())
        }
    }
}

/// Makes the plan of a template and its modules; problems go to `cx`.
pub(crate) fn make(
    units: &[Unit<'_>],
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
        plan: Plan::default(),
        checked: HashSet::new(),
        stand_in: &stand_in,
        seen: HashSet::new(),
        remarks: Remarks::default(),
    };
    let mut blocks = Vec::new();
    for unit in maker.units {
        for build in &unit.module.builds {
            blocks.push(maker.block(unit, build));
        }
    }
    let names: Vec<String> = blocks
        .iter()
        .flat_map(|block| &block.instances)
        .map(Instance::full)
        .collect();
    maker.builds(&blocks);
    for block in &blocks {
        maker.check_unused(block);
    }
    // What nobody builds is looked at, but needs no data.
    let uses = maker.cx.uses.take();
    for unit in maker.units {
        for source in unit.module.sources.values() {
            if !maker.seen.contains(&unit.id(source)) {
                maker.unused_source(unit, source);
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
    selection.check(&names, &mut maker.cx.diagnostics);
    maker.plan.inputs = maker.files.into_inputs();
    maker.plan
}

impl<'a> Maker<'a, '_> {
    /// A `build` block with the sources it builds.
    fn block(&mut self, unit: &'a Unit<'a>, build: &'a module::Build) -> Block<'a> {
        let name = self
            .text(unit, build.name.as_ref(), "name")
            .unwrap_or_default();
        let description = self.text(unit, build.description.as_ref(), "description");
        let mut instances = Vec::new();
        let before = self.cx.diagnostics.len();
        if let Some(sources) = &build.sources {
            self.listed_sources(unit, sources, &name, &mut instances);
        }
        for nested in &build.nested {
            let own = self.text(unit, nested.name.as_ref(), "name");
            let reference = &nested.reference;
            if let Some((home, source)) = self.find_source(unit, &reference.text, reference.span) {
                instances.push(Instance {
                    unit,
                    home,
                    source,
                    nested: Some(nested),
                    name: own.map_or_else(|| source.name.text.clone(), SmolStr::from),
                    block: name.clone(),
                    span: nested.span,
                });
            }
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
        let complete = self.cx.diagnostics.len() == before;
        self.check_repeated(&instances);
        let all: Vec<(String, String)> = instances
            .iter()
            .map(|instance| (instance.short(), instance.full()))
            .collect();
        self.check_filters(build, &all);
        Block {
            unit,
            build,
            name,
            description,
            instances,
            complete,
        }
    }

    /// Blocks that apply to no source are checked all the same.
    fn check_unused(&mut self, block: &Block<'a>) {
        let Block { unit, build, .. } = *block;
        let instance = Instance {
            unit,
            home: unit,
            source: self.stand_in,
            nested: None,
            name: self.stand_in.name.text.clone(),
            block: block.name.clone(),
            span: build.span,
        };
        let provisioners = build
            .provisioners
            .iter()
            .chain(&build.cleanup)
            .map(|c| (ComponentKind::Provisioner, c));
        let post_processors = build
            .post_processors
            .iter()
            .flatten()
            .map(|c| (ComponentKind::PostProcessor, c));
        let unused: Vec<_> = provisioners
            .chain(post_processors)
            .filter(|(_, component)| !self.checked.contains(&unit.id(&**component)))
            .collect();
        if unused.is_empty() {
            return;
        }
        // What builders add to `build` may be used, though none of them is there to say what it is.
        let builder = |instance: &Instance<'a>| {
            schema::component(ComponentKind::Builder, &instance.source.ty.text)
        };
        let known: Option<Vec<&Component>> = match block.complete {
            true => block.instances.iter().map(builder).collect(),
            false => None,
        };
        let builders = known.unwrap_or_else(|| {
            schema::names(ComponentKind::Builder)
                .filter_map(|name| schema::component(ComponentKind::Builder, name))
                .collect()
        });
        let generated: Vec<SmolStr> = builders
            .iter()
            .flat_map(|builder| builder.generated_data.iter().cloned())
            .collect();
        let uses = self.cx.uses.take();
        for (kind, component) in unused {
            self.check_component(kind, component, &instance, &generated);
        }
        self.cx.uses = uses;
    }

    /// A text that must be known before anything runs.
    fn text(&mut self, unit: &Unit<'_>, expr: Option<&Expr>, what: &str) -> Option<String> {
        let expr = expr?;
        let place = Place::block(&unit.names);
        let value = eval::evaluate_as(expr, &Type::String, &place, self.cx, what);
        if !value.is_known() && !value.is_error() {
            self.cx.report(unknown_yet(expr.span, what));
        }
        value.as_str().map(str::to_owned)
    }

    /// Evaluates the selected builds and lays out their steps.
    fn builds(&mut self, blocks: &[Block<'a>]) {
        let mut used: HashMap<String, u32> = HashMap::new();
        for block in blocks {
            for instance in &block.instances {
                let name = instance.full();
                if !self.selection.takes(&name) {
                    continue;
                }
                self.seen.insert(instance.home.id(instance.source));
                let Some(parts) = self.parts(block, instance) else {
                    continue;
                };
                let count = used.entry(name.clone()).or_insert(0);
                *count += 1;
                let address = match *count {
                    1 => format!("build.{name}"),
                    count => format!("build.{name}#{count}"),
                };
                layout::add(&mut self.plan, block, instance, parts, name, address);
            }
        }
    }

    /// Evaluates everything a build consists of.
    fn parts(&mut self, block: &Block<'a>, instance: &Instance<'a>) -> Option<Parts<'a>> {
        let source = self.source(instance)?;
        let generated = &source.component.generated_data;
        let kind = ComponentKind::Provisioner;
        let build = block.build;
        let mut provisioners = Vec::new();
        for (index, component) in build.provisioners.iter().enumerate() {
            if let Some(made) = self.component(kind, component, instance, generated) {
                provisioners.push((index as u32, &**component, made));
            }
        }
        let mut chains = Vec::new();
        for (chain, components) in build.post_processors.iter().enumerate() {
            let kind = ComponentKind::PostProcessor;
            let mut made = Vec::new();
            for (position, component) in components.iter().enumerate() {
                if let Some(configured) = self.component(kind, component, instance, generated) {
                    made.push((position as u32, &**component, configured));
                }
            }
            chains.push((chain as u32, made));
        }
        let mut cleanup = Vec::new();
        for (index, component) in build.cleanup.iter().enumerate() {
            if let Some(made) = self.component(kind, component, instance, generated) {
                cleanup.push((index as u32, &**component, made));
            }
        }
        Some(Parts {
            source,
            provisioners,
            chains,
            cleanup,
        })
    }

    /// A source no build uses is checked all the same.
    fn unused_source(&mut self, unit: &'a Unit<'a>, source: &'a module::Source) {
        let instance = Instance {
            unit,
            home: unit,
            source,
            nested: None,
            name: source.name.text.clone(),
            block: String::new(),
            span: source.span,
        };
        if let Some(component) = self.find(unit.module, ComponentKind::Builder, &source.ty) {
            self.evaluate_source(component, &instance);
        }
    }
}

pub(super) fn unknown_yet(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(
        "check/unknown-at-plan-time",
        span,
        format!(
            "`{what}` must be known before anything runs, and this value is known only at run time"
        ),
    )
    .help("use variables and locals here")
}

impl Plan {
    /// The values of variables as they are kept with the plan.
    pub(crate) fn set_variables(&mut self, variables: Vec<(SmolStr, Value, String)>) {
        self.variables = variables
            .into_iter()
            .map(|(name, value, origin)| super::Variable {
                name,
                value,
                origin,
            })
            .collect();
        self.variables.sort_by(|a, b| a.name.cmp(&b.name));
    }
}
