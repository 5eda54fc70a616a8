//! From declarations to a plan: sources meet builds, options are evaluated, steps are laid out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::component::Configured;
use super::files::Files;
use super::select::Selection;
use super::unit::{BlockId, SourceId, Unit};
use super::{
    Build, BuildId, Limits, Need, NeedKind, Options, Plan, Step, StepId, StepKind, digest,
};
use crate::compile::Request;
use crate::components::{ComponentKind, Components};
use crate::configure::known_component;
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
        "check/unknown-component",
        "a builder, provisioner or post-processor that does not exist",
    ),
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
    used: HashMap<String, u32>,
    /// Blocks that have been looked at for at least one build.
    pub(super) checked: HashSet<BlockId>,
    /// Stands for the source where a build has none that is in order.
    stand_in: &'a module::Source,
    /// The names of all builds, selected or not.
    all: Vec<String>,
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
        used: HashMap::new(),
        checked: HashSet::new(),
        stand_in: &stand_in,
        all: Vec::new(),
    };
    let mut seen = HashSet::new();
    for unit in maker.units {
        for build in &unit.module.builds {
            maker.build(unit, build, &mut seen);
        }
    }
    for unit in maker.units {
        for source in unit.module.sources.values() {
            if !seen.contains(&unit.id(source)) {
                maker.unused_source(unit, source);
            }
        }
        for source in unit.module.data.values() {
            maker.data_source(unit, source);
        }
    }
    selection.check(&maker.all, &mut maker.cx.diagnostics);
    maker.plan.inputs = maker.files.into_inputs();
    maker.plan
}

impl<'a> Maker<'a, '_> {
    fn build(
        &mut self,
        unit: &'a Unit<'a>,
        build: &'a module::Build,
        seen: &mut HashSet<SourceId>,
    ) {
        let block = self
            .text(unit, build.name.as_ref(), "name")
            .unwrap_or_default();
        let description = self.text(unit, build.description.as_ref(), "description");
        let mut instances = Vec::new();
        let before = self.cx.diagnostics.len();
        if let Some(sources) = &build.sources {
            self.listed_sources(unit, sources, &block, &mut instances);
        }
        for nested in &build.nested {
            let name = self.text(unit, nested.name.as_ref(), "name");
            let reference = &nested.reference;
            if let Some((home, source)) = self.find_source(unit, &reference.text, reference.span) {
                instances.push(Instance {
                    unit,
                    home,
                    source,
                    nested: Some(nested),
                    name: name.map_or_else(|| source.name.text.clone(), SmolStr::from),
                    block: block.clone(),
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
        self.all.extend(all.into_iter().map(|(_, full)| full));
        for instance in &instances {
            if self.selection.takes(&instance.full()) {
                seen.insert(instance.home.id(instance.source));
                self.instance(build, instance, description.clone());
            }
        }
        self.check_unused(unit, build, &block, complete.then_some(&instances));
    }

    /// Blocks that apply to no source are checked all the same; `instances` are the build's sources, if all are known.
    fn check_unused(
        &mut self,
        unit: &'a Unit<'a>,
        build: &'a module::Build,
        block: &str,
        instances: Option<&Vec<Instance<'a>>>,
    ) {
        let instance = Instance {
            unit,
            home: unit,
            source: self.stand_in,
            nested: None,
            name: self.stand_in.name.text.clone(),
            block: block.to_owned(),
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
        let known: Option<Vec<&Component>> = instances.and_then(|instances| {
            let builder = |instance: &Instance<'a>| {
                schema::component(ComponentKind::Builder, &instance.source.ty.text)
            };
            instances.iter().map(builder).collect()
        });
        let builders = known.unwrap_or_else(|| {
            schema::names(ComponentKind::Builder)
                .filter_map(|name| schema::component(ComponentKind::Builder, name))
                .collect()
        });
        let generated: Vec<SmolStr> = builders
            .iter()
            .flat_map(|builder| builder.generated_data.iter().cloned())
            .collect();
        for (kind, component) in unused {
            self.check_component(kind, component, &instance, &generated);
        }
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

    fn instance(
        &mut self,
        build: &'a module::Build,
        instance: &Instance<'a>,
        description: Option<String>,
    ) {
        let Some(source) = self.source(instance) else {
            return;
        };
        let name = instance.full();
        let count = self.used.entry(name.clone()).or_insert(0);
        *count += 1;
        let address = if *count == 1 {
            format!("build.{name}")
        } else {
            format!("build.{name}#{count}", count = *count)
        };
        let id = BuildId(self.plan.builds.len() as u32);
        let mut layout = Layout {
            build: id,
            address,
            first: self.plan.steps.len() as u32,
            steps: Vec::new(),
        };
        let base = digest::source(&instance.source.ty.text, &source.options, &source.digests);
        let span = instance.source.span;
        let prepare = layout.add(StepKind::Prepare, Options::default(), &[], span, base);
        let launch = layout.derived(StepKind::Launch, &[(prepare, NeedKind::Data)], span);
        let mut last = launch;
        if source.communicator != "none" {
            last = layout.derived(StepKind::Connect, &[(launch, NeedKind::Data)], span);
        }
        let generated = source.component.generated_data.clone();
        for (index, component) in build.provisioners.iter().enumerate() {
            let Some(made) =
                self.component(ComponentKind::Provisioner, component, instance, &generated)
            else {
                continue;
            };
            let kind = StepKind::Provision {
                provisioner: component.ty.text.clone(),
                index: index as u32,
            };
            let id = layout.configured(kind, &made, &[(last, NeedKind::Order)], component.span);
            layout.steps[(id.0 - layout.first) as usize].limits = made.limits.clone();
            last = id;
        }
        let capture_needs = if last == launch {
            vec![(launch, NeedKind::Data)]
        } else {
            vec![(launch, NeedKind::Data), (last, NeedKind::Order)]
        };
        let capture = layout.derived(StepKind::Capture, &capture_needs, span);
        let release = layout.derived(StepKind::Release, &[(capture, NeedKind::Order)], span);
        // Each chain waits for the one before it, as in Packer: scripts read what earlier chains have written.
        let mut before = release;
        for (chain, components) in build.post_processors.iter().enumerate() {
            let mut input = capture;
            for (position, component) in components.iter().enumerate() {
                let Some(made) = self.component(
                    ComponentKind::PostProcessor,
                    component,
                    instance,
                    &generated,
                ) else {
                    continue;
                };
                let kind = StepKind::PostProcess {
                    post_processor: component.ty.text.clone(),
                    chain: chain as u32,
                    position: position as u32,
                    keep_input: made.keep_input,
                };
                let mut needs = vec![(input, NeedKind::Data)];
                if input == capture {
                    needs.push((before, NeedKind::Order));
                }
                input = layout.configured(kind, &made, &needs, component.span);
            }
            if input != capture {
                before = input;
            }
        }
        let mut cleanup = Layout {
            build: id,
            address: layout.address.clone(),
            first: 0,
            steps: Vec::new(),
        };
        for (index, component) in build.cleanup.iter().enumerate() {
            if let Some(made) =
                self.component(ComponentKind::Provisioner, component, instance, &generated)
            {
                let kind = StepKind::Provision {
                    provisioner: component.ty.text.clone(),
                    index: index as u32,
                };
                let id = cleanup.configured(kind, &made, &[], component.span);
                let step = &mut cleanup.steps[id.0 as usize];
                step.limits = made.limits.clone();
                step.address = format!("{}.error-cleanup-provisioner[{index}]", layout.address);
            }
        }
        self.plan.builds.push(Build {
            address: layout.address,
            name,
            block_name: instance.block.clone(),
            builder: instance.source.ty.text.clone(),
            source_name: instance.name.clone(),
            description,
            communicator: source.communicator,
            source: source.options,
            cleanup: cleanup.steps,
            span: instance.span,
        });
        self.plan.steps.extend(layout.steps);
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
        if let Ok(component) = known_component(ComponentKind::Builder, &source.ty) {
            self.evaluate_source(component, &instance);
        } else {
            self.source(&instance);
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

/// The steps of one build as they are laid out.
struct Layout {
    build: BuildId,
    address: String,
    first: u32,
    steps: Vec<Step>,
}

impl Layout {
    fn add(
        &mut self,
        kind: StepKind,
        options: Options,
        needs: &[(StepId, NeedKind)],
        span: Span,
        content: String,
    ) -> StepId {
        let id = StepId(self.first + self.steps.len() as u32);
        let before = needs
            .iter()
            .map(|(step, _)| self.steps[(step.0 - self.first) as usize].digest.as_str());
        let digest = digest::step(&kind, &content, before);
        self.steps.push(Step {
            address: format!("{}.{}", self.address, kind.local_address()),
            build: self.build,
            outputs: kind.outputs(),
            undo: kind.undo(),
            options,
            needs: needs
                .iter()
                .map(|(step, kind)| Need {
                    step: *step,
                    kind: *kind,
                })
                .collect(),
            limits: Limits::default(),
            digest,
            span,
            kind,
        });
        id
    }

    /// A step that only uses the source's options, which are in the digest of the first step.
    fn derived(&mut self, kind: StepKind, needs: &[(StepId, NeedKind)], span: Span) -> StepId {
        self.add(kind, Options::default(), needs, span, String::new())
    }

    fn configured(
        &mut self,
        kind: StepKind,
        made: &Configured,
        needs: &[(StepId, NeedKind)],
        span: Span,
    ) -> StepId {
        let content = digest::component(&made.options, &made.digests);
        self.add(kind, made.options.clone(), needs, span, content)
    }
}

impl StepKind {
    /// The last part of the address.
    fn local_address(&self) -> String {
        match self {
            Self::Prepare => "prepare".to_owned(),
            Self::Launch => "launch".to_owned(),
            Self::Connect => "connect".to_owned(),
            Self::Provision { index, .. } => format!("provisioner[{index}]"),
            Self::Capture => "capture".to_owned(),
            Self::Release => "release".to_owned(),
            Self::PostProcess {
                chain, position, ..
            } => format!("post-processor[{chain}][{position}]"),
        }
    }

    fn outputs(&self) -> Vec<(SmolStr, Type)> {
        let text = |name: &'static str| (SmolStr::new_static(name), Type::String);
        match self {
            Self::Launch => vec![text("ID")],
            Self::Connect => vec![text("Host"), text("Port"), text("User"), text("ConnType")],
            Self::Capture | Self::PostProcess { .. } => {
                let artifact = Type::object([
                    ("builder_id", Type::String),
                    ("id", Type::String),
                    ("files", Type::list(Type::String)),
                ]);
                vec![(SmolStr::new_static("artifact"), artifact)]
            }
            Self::Prepare | Self::Provision { .. } | Self::Release => Vec::new(),
        }
    }

    fn undo(&self) -> Option<&'static str> {
        match self {
            Self::Launch => Some("release the machine and everything made for it"),
            Self::Connect => Some("disconnect"),
            _ => None,
        }
    }
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
