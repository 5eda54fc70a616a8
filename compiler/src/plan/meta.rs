//! What a block says besides its component's options: whom it is for, and its limits.

use std::time::Duration;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::Limits;
use super::instance::Instance;
use super::make::Maker;
use crate::configure::{self, Overrides};
use crate::diagnostic::{Diagnostic, nearest};
use crate::duration;
use crate::eval::{self, Scope};
use crate::hir::Attribute;
use crate::module;
use crate::types::Type;

/// What a provisioner acts on: the machine that becomes an image, or one that is started from that image.
const MACHINE: &str = "machine";
const IMAGE: &str = "image";

impl Maker<'_, '_> {
    pub(super) fn meta_name(
        &mut self,
        block: &module::Component,
        place: &dyn Scope,
    ) -> Option<String> {
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
        let attributes = (only, except);
        let only = self.filter(only, place);
        let except = self.filter(except, place);
        // An empty list counts as not given, as null does.
        let given = |names: &Option<Vec<String>>| names.as_ref().is_some_and(|one| !one.is_empty());
        if let (Some(first), Some(second)) = attributes
            && given(&only)
            && given(&except)
        {
            self.cx.report(only_and_except(first, second));
        }
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

    /// What `override` says for this source, later keys on top; and which of its keys that are.
    pub(super) fn overrides(
        &mut self,
        block: &module::Component,
        instance: &Instance<'_>,
        place: &dyn Scope,
    ) -> Option<(Overrides, Vec<SmolStr>)> {
        let attribute = block.meta.overrides.as_ref()?;
        let value = eval::evaluate(&attribute.value, place, self.cx);
        if value.is_error() {
            return None;
        }
        // The builders of a legacy template have one name each, which may be the type of another.
        let by_type = |key: &str| !instance.source.body.weak && key == instance.source.ty.text;
        let applies = |key: &str| instance.is_named(key) || instance.is_called(key) || by_type(key);
        let keys = value.as_map().into_iter().flatten().map(|(key, _)| key);
        let keys = keys.filter(|key| applies(key)).cloned().collect();
        let overrides = Overrides::select(&value, &attribute.value, applies, |span| {
            self.cx.report(override_form(span));
        })?;
        Some((overrides, keys))
    }

    pub(super) fn limits(&mut self, block: &module::Component, place: &dyn Scope) -> Limits {
        let meta = &block.meta;
        let weak = block.body.weak;
        Limits {
            pause_before: self.duration(meta.pause_before.as_deref(), weak, place),
            timeout: self.duration(meta.timeout.as_deref(), weak, place),
            max_retries: self.count(meta.max_retries.as_deref(), place),
            continue_on_error: self
                .flag(meta.continue_on_error.as_deref(), place)
                .unwrap_or(false),
        }
    }

    /// A length of time; an empty text counts as not given, save where legacy templates refuse it (`weak`).
    pub(super) fn duration(
        &mut self,
        attribute: Option<&Attribute>,
        weak: bool,
        place: &dyn Scope,
    ) -> Option<Duration> {
        let attribute = attribute?;
        let name = &attribute.name.text;
        let value = eval::evaluate_as(&attribute.value, &Type::String, place, self.cx, name);
        let text = value.as_str().filter(|text| weak || !text.is_empty())?;
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

    /// Whether a provisioner checks the image that was made: `on = "image"`.
    pub(super) fn is_on_image(&mut self, block: &module::Component, place: &dyn Scope) -> bool {
        let Some(attribute) = block.meta.on.as_deref() else {
            return false;
        };
        let span = attribute.value.span;
        let value = eval::evaluate_as(&attribute.value, &Type::String, place, self.cx, "on");
        if !value.is_known() && !value.is_error() {
            self.not_yet(span, "on");
        }
        match value.as_str() {
            Some(IMAGE) => return true,
            None | Some(MACHINE) => {}
            Some(other) => {
                let message = format!("`{other}` is nothing a provisioner can act on");
                let near = nearest(other, [IMAGE, MACHINE]);
                let problem = Diagnostic::error("check/invalid-value", span, message);
                self.cx.report(match near {
                    Some(near) => problem.help(format!("did you mean \"{near}\"?")),
                    None => problem.help(
                        "write \"image\" to check the finished image on a machine of its own, or leave `on` out",
                    ),
                });
            }
        }
        false
    }

    pub(super) fn flag(
        &mut self,
        attribute: Option<&Attribute>,
        place: &dyn Scope,
    ) -> Option<bool> {
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
