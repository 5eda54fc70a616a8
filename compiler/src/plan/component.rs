//! One component of one build: its options, limits and the files it reads.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::instance::Instance;
use super::late::{Late, Overriding};
use super::make::Maker;
use super::mentions::Mentions;
use super::pieces::Piece;
use super::repeat::Elements;
use super::unit::View;
use super::{Limits, Options, digest};
use crate::artifacts::{BuildIndex, Values};
use crate::components::{ComponentKind, Publish};
use crate::configure::{self, Asked, Layer, Subject};
use crate::diagnostic::{Diagnostic, Label};
use crate::eval;
use crate::hir::{Body, Name};
use crate::module;
use crate::schema::{self, Component};
use crate::scope::{BuildValues, Place};
use crate::types::Type;
use crate::value::Value;

/// A component ready to become a step.
pub(super) struct Configured {
    pub(super) options: Options,
    pub(super) digests: Vec<String>,
    pub(super) limits: Limits,
    pub(super) keep_input: Option<bool>,
    pub(super) cache: bool,
    /// It checks the image that was made.
    pub(super) on_image: bool,
    /// The machine is kept as it is behind it.
    pub(super) checkpoint: bool,
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
    pub(super) publishes: Vec<Publish>,
    pub(super) uses: BuildsUsed,
}

impl<'a> Maker<'a, '_> {
    /// Evaluates a source with what the build adds to it.
    pub(super) fn source(&mut self, instance: &Instance<'a>) -> Option<ConfiguredSource> {
        let source = instance.source;
        let component = self.find(instance.unit.module, ComponentKind::Builder, &source.ty)?;
        self.runnable(ComponentKind::Builder, &source.ty);
        let mark = self.cx.diagnostics.len();
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
            (&bodies, source.span),
            mark,
        );
        let communicator = self.communicator(component, options.value(), &bodies, &source.ty);
        if self.components.has(ComponentKind::Builder, &source.ty.text) {
            let word = Name {
                text: communicator.clone(),
                span: source.ty.span,
            };
            let kind = ComponentKind::Communicator;
            let written = (&bodies[..], source.span);
            self.implementation_checks(kind, &word, options.value(), written, mark);
        }
        let publishes = self.components.publishes(&source.ty.text, options.value());
        Some(ConfiguredSource {
            component,
            publishes,
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
        self.name_nested(before, instance);
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
            overriding: None,
            span: source.span,
        };
        (Options::deferred(value, Arc::new(late)), uses.builds)
    }

    /// Has what a source lacks show the `source` blocks of builds as well that add to it and lack it too: all of them in
    /// one message.
    fn name_nested(&mut self, before: usize, instance: &Instance<'a>) {
        let lacks = |problem: &Diagnostic| {
            ["check/missing-option", "check/expected-option"].contains(&problem.id)
                && problem.span == instance.source.span
        };
        for mut problem in self.cx.diagnostics.split_off(before) {
            if !lacks(&problem) {
                self.cx.report(problem);
                continue;
            }
            if instance.is_nested {
                problem.labels.push(Label {
                    span: instance.span,
                    text: "this adds to it, and lacks it too".to_owned(),
                });
            }
            let said = self.cx.diagnostics.iter_mut().find(|said| {
                (said.id, said.span, &said.message) == (problem.id, problem.span, &problem.message)
            });
            match said {
                Some(said) => {
                    let new = problem.labels.into_iter();
                    let known = std::mem::take(&mut said.labels);
                    said.labels = known
                        .iter()
                        .cloned()
                        .chain(new.filter(|label| !known.contains(label)))
                        .collect();
                }
                None => self.cx.report(problem),
            }
        }
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
        if !self.lets_through(
            meta.only.as_deref(),
            meta.except.as_deref(),
            instance,
            &place,
        ) {
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
        let mark = self.cx.diagnostics.len();
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
            overrides: overrides.as_ref().map(|(overrides, _)| overrides),
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
        self.implementation_checks(kind, ty, &value, (&bodies, block.span), mark);
        let limits = self.limits(block, &place);
        let keep_input = self.flag(meta.keep_input_artifact.as_deref(), &place);
        let cache = self.flag(meta.cache.as_deref(), &place).unwrap_or(true);
        let on_image = self.is_on_image(block, &place);
        let checkpoint = self.flag(meta.checkpoint.as_deref(), &place);
        let options = if value.is_wholly_known() {
            Options::known(value)
        } else {
            view.add_unevaluated(&block.body, &uses);
            if let Some(attribute) = &meta.overrides {
                view.add_unevaluated_expr(&attribute.value, &uses);
            }
            let late = Late {
                what: subject.what.clone(),
                component,
                lates: uses.borrow().lates.clone(),
                layers: vec![(view.clone(), Arc::clone(&block.body))],
                build: Some((instance.block.clone(), generated.to_vec())),
                overriding: overrides.map(|(_, keys)| Overriding {
                    block: Arc::clone(block),
                    keys,
                }),
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
            on_image,
            checkpoint: checkpoint.unwrap_or(false),
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
        self.is_on_image(block, &place);
        self.flag(block.meta.checkpoint.as_deref(), &place);
    }

    /// Asks the implementation; what has been reported since `mark` it need not say again.
    fn implementation_checks(
        &mut self,
        kind: ComponentKind,
        ty: &Name,
        options: &Value,
        (bodies, span): (&[&Body], Span),
        mark: usize,
    ) {
        let asked = Asked {
            kind,
            name: &ty.text,
            options,
            bodies,
            span,
        };
        let reported = &self.cx.diagnostics[mark..];
        let problems = asked.problems(self.components, reported);
        self.cx.diagnostics.extend(problems);
    }
}

fn bodies<'b>(instance: &'b Instance<'_>) -> Vec<&'b Body> {
    instance.layers.iter().map(|layer| &**layer.body).collect()
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
