//! One component of one build: its options, limits and the files it reads.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::make::{Instance, Maker};
use super::pieces::Piece;
use super::repeat::Elements;
use super::unit::View;
use super::{Limits, Open, Options, RunValues, digest, options::Deferred};
use crate::artifacts::{BuildIndex, Values};
use crate::components::ComponentKind;
use crate::configure::{self, Layer, Overrides, Subject};
use crate::diagnostic::Diagnostic;
use crate::duration;
use crate::eval::trace::{self, Trace};
use crate::eval::{self, Context, Scope};
use crate::hir::{Attribute, Body, Expr, Name};
use crate::late::LateId;
use crate::module::{self, Repeat};
use crate::schema::{self, Component};
use crate::scope::{BuildValues, Place};
use crate::source::World;
use crate::types::Type;
use crate::value::Value;

/// A component ready to become a step.
pub(super) struct Configured {
    pub(super) options: Options,
    pub(super) digests: Vec<String>,
    pub(super) limits: Limits,
    pub(super) keep_input: Option<bool>,
    pub(super) cache: bool,
    /// The builds whose artifacts the options use.
    pub(super) uses: BuildsUsed,
}

/// Builds, each with the place of a reference to its artifact.
pub(super) type BuildsUsed = BTreeMap<BuildIndex, Span>;

/// A source ready to become a build.
pub(super) struct ConfiguredSource {
    pub(super) component: &'static Component,
    pub(super) options: Options,
    pub(super) digests: Vec<String>,
    pub(super) communicator: SmolStr,
    pub(super) uses: BuildsUsed,
}

impl<'a> Maker<'a, '_> {
    /// Evaluates a source with what the build adds to it.
    pub(super) fn source(&mut self, instance: &Instance<'a>) -> Option<ConfiguredSource> {
        let source = instance.source;
        let component = self.find(instance.unit.module, ComponentKind::Builder, &source.ty)?;
        self.runnable(ComponentKind::Builder, &source.ty);
        let (options, uses) = self.evaluate_source(component, instance);
        let bodies = bodies(instance);
        let mut digests = self.files.read(
            component,
            options.value(),
            &bodies,
            source.span,
            self.request,
            self.cx,
        );
        digests.extend(digest::open(&options, self.cx.world));
        self.implementation_checks(
            ComponentKind::Builder,
            &source.ty,
            options.value(),
            &bodies,
            source.span,
        );
        let communicator = self.communicator(component, options.value(), &bodies, &source.ty);
        if self.components.has(ComponentKind::Builder, &source.ty.text) {
            let word = Name {
                text: communicator.clone(),
                span: source.ty.span,
            };
            let kind = ComponentKind::Communicator;
            self.implementation_checks(kind, &word, options.value(), &bodies, source.span);
        }
        Some(ConfiguredSource {
            component,
            options,
            digests,
            communicator,
            uses,
        })
    }

    pub(super) fn evaluate_source(
        &mut self,
        component: &'static Component,
        instance: &Instance<'a>,
    ) -> (Options, BuildsUsed) {
        let source = instance.source;
        let views = views(instance);
        let before = self.cx.diagnostics.len();
        let uses = RefCell::default();
        // One that no build has stands for instances of which nothing is known.
        let is_built = !instance.full.text().is_empty();
        let values = Values::Planned(is_built.then_some(&uses));
        let places: Vec<Place<'_>> = views.iter().map(|(view, _)| view.source(values)).collect();
        let layers: Vec<Layer<'_>> = views
            .iter()
            .zip(&places)
            .map(|((_, body), scope)| Layer { body, scope })
            .collect();
        let subject = Subject {
            what: format!("builder `{}`", source.ty.text),
            component,
            meta: &[],
            layers: &layers,
            overrides: None,
            span: source.span,
        };
        let value = configure::configure(&subject, self.cx);
        if !instance.whole {
            // What seems to be missing may be in the part that was not found.
            let own = self.cx.diagnostics.split_off(before);
            let kept = |problem: &Diagnostic| {
                !["check/missing-option", "check/conflicting-options"].contains(&problem.id)
            };
            self.cx.diagnostics.extend(own.into_iter().filter(kept));
        }
        let what = subject.what;
        if value.is_wholly_known() {
            return (Options::known(value), BuildsUsed::new());
        }
        for (view, body) in &views {
            view.add_unevaluated(body, &uses);
        }
        let uses = uses.into_inner();
        let late = Late {
            what,
            component,
            lates: uses.lates,
            layers: views,
            build: None,
            overrides: None,
            span: source.span,
        };
        (Options::deferred(value, Arc::new(late)), uses.builds)
    }

    fn communicator(
        &mut self,
        component: &Component,
        options: &Value,
        bodies: &[&Body],
        builder: &Name,
    ) -> SmolStr {
        if component.is_foreign() {
            let given = options.get("communicator").and_then(Value::as_str);
            return given.unwrap_or("ssh").into();
        }
        let Some(attribute) = component.body.attributes.get("communicator") else {
            return component
                .communicator
                .clone()
                .unwrap_or_else(|| "none".into());
        };
        let given = options
            .get("communicator")
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty());
        let default = || {
            attribute
                .default
                .as_ref()
                .and_then(|value| value.as_str())
                .unwrap_or("ssh")
        };
        let name: SmolStr = given.unwrap_or_else(default).into();
        if name == "none" || self.components.has(ComponentKind::Communicator, &name) {
            return name;
        }
        let span =
            configure::find_option(bodies, "communicator").map_or(builder.span, |expr| expr.span);
        // Only where the builder itself can run: else that is the message.
        if schema::component(ComponentKind::Communicator, &name).is_some()
            && self.components.has(ComponentKind::Builder, &builder.text)
        {
            self.not_implemented(ComponentKind::Communicator, &name, span);
        }
        name
    }

    /// Evaluates a provisioner or post-processor for one build; `None` where it does not apply to it.
    pub(super) fn component(
        &mut self,
        kind: ComponentKind,
        piece: &Piece<'a>,
        instance: &Instance<'a>,
        generated: &[SmolStr],
    ) -> Option<Arc<Configured>> {
        let Piece { block, ty, .. } = piece;
        let view = View::of(piece.unit, instance, &piece.elements);
        let uses = RefCell::default();
        let build = BuildValues::Planned {
            name: &instance.block,
            extra: generated,
        };
        let place = view.build(build, Values::Planned(Some(&uses)));
        let component = self.find(piece.unit.module, kind, ty)?;
        let meta = &block.meta;
        if let (Some(first), Some(second)) = (&meta.only, &meta.except) {
            self.cx.report(only_and_except(first, second));
        }
        if !self.lets_through(meta.only.as_ref(), meta.except.as_ref(), instance, &place) {
            return None;
        }
        if kind == ComponentKind::PostProcessor
            && !self
                .selection
                .takes_post_processor(&ty.text, self.meta_name(block, &place).as_deref())
        {
            return None;
        }
        let id = piece.unit.id(&***block);
        let key = (id, piece.key.clone());
        if let Some(shared) = self.shared.get(&key) {
            return Some(Arc::clone(shared));
        }
        self.checked.insert(id);
        self.runnable(kind, ty);
        let overrides = self.overrides(block, instance, &place);
        let bodies = [&*block.body];
        let subject = Subject {
            what: format!("{} `{}`", kind.word(), ty.text),
            component,
            meta: module::meta_names(kind == ComponentKind::PostProcessor),
            layers: &[Layer {
                body: &block.body,
                scope: &place,
            }],
            overrides: overrides.as_ref(),
            span: block.span,
        };
        let value = configure::configure(&subject, self.cx);
        let mut digests = self.files.read(
            component,
            &value,
            &bodies,
            block.span,
            self.request,
            self.cx,
        );
        self.implementation_checks(kind, ty, &value, &bodies, block.span);
        let limits = self.limits(block, &place);
        let keep_input = self.flag(meta.keep_input_artifact.as_ref(), &place);
        let cache = self.flag(meta.cache.as_ref(), &place).unwrap_or(true);
        let options = if value.is_wholly_known() {
            Options::known(value)
        } else {
            view.add_unevaluated(&block.body, &uses);
            let late = Late {
                what: subject.what.clone(),
                component,
                lates: uses.borrow().lates.clone(),
                layers: vec![(view.clone(), Arc::clone(&block.body))],
                build: Some((instance.block.clone(), generated.to_vec())),
                overrides,
                span: block.span,
            };
            Options::deferred(value, Arc::new(late))
        };
        digests.extend(digest::open(&options, self.cx.world));
        let configured = Arc::new(Configured {
            options,
            digests,
            limits,
            keep_input,
            cache,
            uses: uses.into_inner().builds,
        });
        let mentions = self.mentions.entry(id);
        let mentions = mentions.or_insert_with(|| Arc::new(Mentions::of(block)));
        if mentions.same_for_all(&piece.outer) {
            self.shared.insert(key, Arc::clone(&configured));
        }
        Some(configured)
    }

    /// Checks the options of a block that applies to no build.
    pub(super) fn check_component(
        &mut self,
        kind: ComponentKind,
        block: &'a Arc<module::Component>,
        instance: &Instance<'a>,
        elements: &Elements,
        generated: &[SmolStr],
    ) {
        self.checked.insert(instance.unit.id(&**block));
        let view = View::of(instance.unit, instance, elements);
        let build = BuildValues::Planned {
            name: &instance.block,
            extra: generated,
        };
        let place = view.build(build, Values::Planned(None));
        // A computed type may not be known here.
        let ty = match &block.label {
            module::Label::Written(name) => name.clone(),
            module::Label::Computed(expr) => {
                let value = eval::evaluate_as(expr, &Type::String, &place, self.cx, "labels");
                let Some(text) = value.as_str() else { return };
                Name {
                    text: text.into(),
                    span: expr.span,
                }
            }
        };
        let Some(component) = self.find(instance.unit.module, kind, &ty) else {
            return;
        };
        let subject = Subject {
            what: format!("{} `{}`", kind.word(), ty.text),
            component,
            meta: module::meta_names(kind == ComponentKind::PostProcessor),
            layers: &[Layer {
                body: &block.body,
                scope: &place,
            }],
            overrides: None,
            span: block.span,
        };
        configure::configure(&subject, self.cx);
        self.limits(block, &place);
    }

    fn meta_name(&mut self, block: &module::Component, place: &dyn Scope) -> Option<String> {
        let attribute = block.meta.name.as_ref()?;
        let value = eval::evaluate_as(&attribute.value, &Type::String, place, self.cx, "name");
        value.as_str().map(str::to_owned)
    }

    /// Whether `only` and `except` let a block apply to this source.
    pub(super) fn lets_through(
        &mut self,
        only: Option<&Attribute>,
        except: Option<&Attribute>,
        instance: &Instance<'_>,
        place: &dyn Scope,
    ) -> bool {
        let only = self.filter(only, place);
        let except = self.filter(except, place);
        let named = |filter: &[String]| filter.iter().any(|text| instance.is_named(text));
        only.is_none_or(|only| only.is_empty() || named(&only))
            && !except.is_some_and(|except| named(&except))
    }

    fn filter(&mut self, attribute: Option<&Attribute>, place: &dyn Scope) -> Option<Vec<String>> {
        let attribute = attribute?;
        let ty = Type::list(Type::String);
        let value = eval::evaluate_as(&attribute.value, &ty, place, self.cx, &attribute.name.text);
        if !value.is_wholly_known() && !value.contains_error() {
            self.not_yet(attribute.value.span, &attribute.name.text);
        }
        Some(
            value
                .as_slice()?
                .iter()
                .filter_map(|element| element.as_str().map(str::to_owned))
                .collect(),
        )
    }

    /// What `override` says for this source, later keys on top.
    fn overrides(
        &mut self,
        block: &module::Component,
        instance: &Instance<'_>,
        place: &dyn Scope,
    ) -> Option<Overrides> {
        let attribute = block.meta.overrides.as_ref()?;
        let value = eval::evaluate(&attribute.value, place, self.cx);
        if value.is_error() {
            return None;
        }
        // The builders of a legacy template have one name each, which may be the type of another.
        let by_type = |key: &str| !instance.source.body.weak && key == instance.source.ty.text;
        let applies = |key: &str| instance.is_named(key) || instance.is_called(key) || by_type(key);
        Overrides::select(&value, &attribute.value, applies, |span| {
            self.cx.report(override_form(span));
        })
    }

    fn limits(&mut self, block: &module::Component, place: &dyn Scope) -> Limits {
        let meta = &block.meta;
        Limits {
            pause_before: self.duration(meta.pause_before.as_ref(), place),
            timeout: self.duration(meta.timeout.as_ref(), place),
            max_retries: self.count(meta.max_retries.as_ref(), place),
            continue_on_error: self
                .flag(meta.continue_on_error.as_ref(), place)
                .unwrap_or(false),
        }
    }

    pub(super) fn duration(
        &mut self,
        attribute: Option<&Attribute>,
        place: &dyn Scope,
    ) -> Option<Duration> {
        let attribute = attribute?;
        let name = &attribute.name.text;
        let value = eval::evaluate_as(&attribute.value, &Type::String, place, self.cx, name);
        let text = value.as_str()?;
        let parsed = duration::parse(text);
        if parsed.is_none() {
            self.cx.report(configure::not_a_duration(
                name,
                &value,
                attribute.value.span,
            ));
        }
        parsed.filter(|duration| !duration.is_zero())
    }

    fn count(&mut self, attribute: Option<&Attribute>, place: &dyn Scope) -> u32 {
        let Some(attribute) = attribute else { return 0 };
        let name = &attribute.name.text;
        let value = eval::evaluate_as(&attribute.value, &Type::Number, place, self.cx, name);
        let Some(number) = value.as_number() else {
            return 0;
        };
        match number.to_u64().and_then(|count| u32::try_from(count).ok()) {
            Some(count) => count,
            None => {
                self.cx.report(
                    Diagnostic::error(
                        "check/invalid-value",
                        attribute.value.span,
                        format!("`{name}` is a whole number, 0 or more"),
                    )
                    .help("write how often to try again, such as `3`"),
                );
                0
            }
        }
    }

    fn flag(&mut self, attribute: Option<&Attribute>, place: &dyn Scope) -> Option<bool> {
        let attribute = attribute?;
        eval::evaluate_as(
            &attribute.value,
            &Type::Bool,
            place,
            self.cx,
            &attribute.name.text,
        )
        .as_bool()
    }

    fn implementation_checks(
        &mut self,
        kind: ComponentKind,
        ty: &Name,
        options: &Value,
        bodies: &[&Body],
        span: Span,
    ) {
        for problem in self.components.check(kind, &ty.text, options) {
            let place = problem
                .option
                .as_deref()
                .and_then(|option| configure::find_option(bodies, option))
                .map_or(span, |expr| expr.span);
            let mut diagnostic = Diagnostic::error("check/invalid-option", place, problem.message);
            diagnostic.help = problem.help;
            self.cx.report(diagnostic);
        }
    }
}

fn override_form(span: Span) -> Diagnostic {
    Diagnostic::error(
        "eval/wrong-type",
        span,
        "`override` holds one object of options for each source",
    )
    .help("write `override = { SOURCE = { option = … } }`")
}

/// The complaint about both of them.
pub(super) fn only_and_except(first: &Attribute, second: &Attribute) -> Diagnostic {
    Diagnostic::error(
        "check/conflicting-options",
        second.name.span,
        "`only` and `except` exclude each other",
    )
    .label(first.name.span, "`only` is given here")
    .help("remove one of them")
}

fn bodies<'b>(instance: &'b Instance<'_>) -> Vec<&'b Body> {
    instance.layers.iter().map(|layer| &**layer.body).collect()
}

/// The names a block's expressions begin with.
pub(super) struct Mentions {
    /// It has values of the running build or of the source.
    build: bool,
    /// Other names, as far as the block is not itself repeated over them.
    elements: HashSet<SmolStr>,
}

impl Mentions {
    fn of(block: &module::Component) -> Self {
        let mut inside = HashSet::new();
        roots(&block.body, &mut inside);
        let meta = &block.meta;
        let mut attributes = vec![
            &meta.pause_before,
            &meta.max_retries,
            &meta.timeout,
            &meta.continue_on_error,
            &meta.keep_input_artifact,
            &meta.cache,
        ];
        let add = |expr: &Expr, into: &mut HashSet<SmolStr>| {
            into.extend(eval::references(expr).into_iter().map(|one| one.root));
        };
        for attribute in attributes.drain(..).flatten() {
            add(&attribute.value, &mut inside);
        }
        if let module::Label::Computed(expr) = &block.label {
            add(expr, &mut inside);
        }
        if let Some(own) = block.repeat.name() {
            inside.remove(&own);
        }
        let Repeat {
            for_each, count, ..
        } = &block.repeat;
        for attribute in [for_each, count].into_iter().flatten() {
            add(&attribute.value, &mut inside);
        }
        Self {
            build: meta.overrides.is_some()
                || ["build", "source"]
                    .iter()
                    .any(|name| inside.contains(*name)),
            elements: inside,
        }
    }

    /// Whether the block is the same in all builds, and wherever it stands among these elements.
    fn same_for_all(&self, outer: &Elements) -> bool {
        !self.build && !outer.iter().any(|(name, _)| self.elements.contains(name))
    }
}

fn roots(body: &Body, into: &mut HashSet<SmolStr>) {
    for attribute in &body.attributes {
        into.extend(
            eval::references(&attribute.value)
                .into_iter()
                .map(|one| one.root),
        );
    }
    for block in &body.blocks {
        roots(&block.body, into);
    }
}

/// The bodies of a source, each with what its expressions see: what it extends, the declared one, what the build adds.
fn views(instance: &Instance<'_>) -> Vec<(View, Arc<Body>)> {
    let layers = instance.layers.iter();
    layers
        .map(|layer| {
            let view = View::of(layer.unit, instance, &layer.elements);
            (view, Arc::clone(layer.body))
        })
        .collect()
}

/// Options to be evaluated again when the build runs.
struct Late {
    what: String,
    /// The late values that are used, directly or through others.
    lates: BTreeSet<LateId>,
    component: &'static Component,
    layers: Vec<(View, Arc<Body>)>,
    /// For a provisioner or post-processor: the build block's name, and what its builder adds to `build`.
    build: Option<(String, Vec<SmolStr>)>,
    overrides: Option<Overrides>,
    span: Span,
}

impl Late {
    /// Looks at what the options are made of that are not known in a plan.
    fn open_options(&self, value: &Value, world: &dyn World) -> Vec<Open> {
        let Some(first) = self.layers.first() else {
            return Vec::new();
        };
        let cx = Context::new(world, &first.0.root);
        let entries = value.as_map().into_iter().flatten();
        let unknown = entries.filter(|(_, value)| !value.is_wholly_known());
        let mut open: Vec<Open> = unknown
            .map(|(name, value)| self.open(name, value.contains_sensitive(), &cx))
            .collect();
        if let Some(last) = open.last_mut() {
            first.0.tree().trace(&self.lates, &cx, &mut last.trace);
        }
        open
    }

    fn open(&self, option: &str, sensitive: bool, cx: &Context<'_>) -> Open {
        let mut open = Open {
            option: option.into(),
            text: String::new(),
            sensitive,
            trace: Trace::default(),
        };
        let mut found = false;
        for whole in [false, true] {
            for (view, body) in &self.layers {
                let place = match &self.build {
                    Some((name, extra)) => {
                        view.build(BuildValues::Planned { name, extra }, Values::Planned(None))
                    }
                    None => view.source(Values::Planned(None)),
                };
                let named = |name: &Name, labels: &[Name]| {
                    // An option that is written under an older name: all that is written counts.
                    whole || name.text == option || labels.iter().any(|label| label.text == option)
                };
                for attribute in body.attributes.iter().filter(|one| named(&one.name, &[])) {
                    found = true;
                    open.add(&crate::print::hcl::expression(&attribute.value));
                    trace::expression(&attribute.value, &place, cx, &mut open.trace);
                }
                for block in body
                    .blocks
                    .iter()
                    .filter(|one| named(&one.kind, &one.labels))
                {
                    found = true;
                    let mut none = crate::print::Comments::default();
                    open.add(&crate::print::hcl::body(&block.body, &mut none));
                    trace::body(&block.body, &place, cx, &mut open.trace);
                }
            }
            if found {
                break;
            }
        }
        open
    }
}

impl Deferred for Late {
    fn open(&self, value: &Value, world: &dyn World) -> Vec<Open> {
        // What is drawn here is drawn a second time.
        let drawn = world.drawn();
        let open = self.open_options(value, world);
        world.rewind(drawn);
        open
    }

    fn resolve(&self, values: &RunValues, world: &dyn World) -> Result<Value, Vec<Diagnostic>> {
        let first = &self.layers[0].0;
        let overlay = first.tree().known(&self.lates, &values.artifacts, world)?;
        let mut cx = Context::new(world, &first.root);
        let places: Vec<Place<'_>> = self
            .layers
            .iter()
            .map(|(view, _)| {
                let build = BuildValues::Running(&values.build);
                view.build(
                    build,
                    Values::Running {
                        artifacts: &values.artifacts,
                        overlay: &overlay,
                    },
                )
            })
            .collect();
        let layers: Vec<Layer<'_>> = self
            .layers
            .iter()
            .zip(&places)
            .map(|((_, body), scope)| Layer { body, scope })
            .collect();
        let subject = Subject {
            what: self.what.clone(),
            component: self.component,
            meta: &[],
            layers: &layers,
            overrides: self.overrides.as_ref(),
            span: self.span,
        };
        let value = configure::configure(&subject, &mut cx);
        cx.diagnostics.retain(Diagnostic::is_error);
        if cx.diagnostics.is_empty() {
            Ok(value)
        } else {
            Err(cx.diagnostics)
        }
    }
}
