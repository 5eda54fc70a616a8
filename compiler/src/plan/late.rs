//! Options that are evaluated again when their build runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::options::{Deferred, Resolved};
use super::unit::View;
use super::{Open, RunValues};
use crate::artifacts::Values;
use crate::configure::{self, Layer, Overrides, Subject, Written};
use crate::diagnostic::Diagnostic;
use crate::eval::trace::{self, Trace};
use crate::eval::{self, Context, Secrets};
use crate::hir::{Body, Expr, Name};
use crate::late::LateId;
use crate::module;
use crate::schema::Component;
use crate::scope::{BuildValues, Place};
use crate::source::World;
use crate::value::Value;

/// Options to be evaluated again when the build runs.
pub(super) struct Late {
    pub(super) what: String,
    /// The late values that are used, directly or through others.
    pub(super) lates: BTreeSet<LateId>,
    pub(super) component: &'static Component,
    pub(super) layers: Vec<(View, Arc<Body>)>,
    /// For a provisioner or post-processor: the build block's name, and what its builder adds to `build`.
    pub(super) build: Option<(String, Vec<SmolStr>)>,
    pub(super) overriding: Option<Overriding>,
    pub(super) span: Span,
}

/// What `override` says of options that are evaluated again.
pub(super) struct Overriding {
    /// The block that has it.
    pub(super) block: Arc<module::Component>,
    /// Its keys that are for the build's source.
    pub(super) keys: Vec<SmolStr>,
}

impl Overriding {
    fn expression(&self) -> Option<&Expr> {
        let attribute = self.block.meta.overrides.as_ref();
        attribute.map(|attribute| &attribute.value)
    }

    fn applies(&self, key: &str) -> bool {
        self.keys.iter().any(|known| known == key)
    }

    fn evaluate(&self, scope: &Place<'_>, cx: &mut Context<'_>) -> Option<Overrides> {
        let expression = self.expression()?;
        let value = eval::evaluate(expression, scope, cx);
        // That it is an object of objects, the plan has seen.
        Overrides::select(&value, expression, |key| self.applies(key), |_| {})
    }

    /// What is written for an option, the key that counts first; where that cannot be told, all of it.
    fn written(&self, option: &str) -> Option<&Expr> {
        let whole = self.expression()?;
        for key in self.keys.iter().rev() {
            match configure::overridden(whole, key, option) {
                Written::As(expression) => return Some(expression),
                Written::Nothing => {}
                Written::Unclear => return Some(whole),
            }
        }
        None
    }
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
                let place = self.planned(view);
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
        let overriding = self.overriding.as_ref().zip(self.layers.first());
        if let Some((overriding, (view, _))) = overriding
            && let Some(written) = overriding.written(option)
        {
            open.add(&crate::print::hcl::expression(written));
            trace::expression(written, &self.planned(view), cx, &mut open.trace);
        }
        open
    }

    /// What names mean in the plan.
    fn planned<'v>(&'v self, view: &'v View) -> Place<'v> {
        match &self.build {
            Some((name, extra)) => {
                view.build(BuildValues::Planned { name, extra }, Values::Planned(None))
            }
            None => view.source(Values::Planned(None)),
        }
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

    fn resolve(&self, values: &RunValues, world: &dyn World) -> Result<Resolved, Vec<Diagnostic>> {
        let first = &self.layers[0].0;
        let mut secrets = Secrets::default();
        let tree = first.tree();
        let overlay = tree.known(&self.lates, &values.artifacts, world, &mut secrets)?;
        let mut cx = Context::new(world, &first.root);
        cx.secrets = secrets;
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
        let overrides = self.overriding.as_ref().zip(places.first());
        let overrides =
            overrides.and_then(|(overriding, place)| overriding.evaluate(place, &mut cx));
        let subject = Subject {
            what: self.what.clone(),
            component: self.component,
            meta: &[],
            layers: &layers,
            overrides: overrides.as_ref(),
            span: self.span,
        };
        let value = configure::configure(&subject, &mut cx);
        cx.diagnostics.retain(Diagnostic::is_error);
        if cx.diagnostics.is_empty() {
            Ok(Resolved::new(value, cx.secrets))
        } else {
            Err(cx.diagnostics)
        }
    }
}
