//! `override`: options that come on top of a component's body for one source.

use std::collections::BTreeMap;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::complaints::{near_option, option_names};
use super::{Given, Subject, weak};
use crate::convert::convert;
use crate::diagnostic::{Diagnostic, Edit, slip};
use crate::eval::Context;
use crate::hir::{Expr, ExprKind};
use crate::types::Type;
use crate::value::Value;

/// What `override` says for one source, with the places of the options.
#[derive(Clone, Debug)]
pub struct Overrides {
    values: BTreeMap<SmolStr, (Value, OverridePlace)>,
}

/// Where an option of `override` stands.
#[derive(Clone, Copy, Debug)]
struct OverridePlace {
    key: Span,
    value: Span,
    /// The key is written as a bare word there, so that another can take its place.
    bare: bool,
}

impl Overrides {
    /// The options of all entries whose keys `applies` accepts, later ones on top; `None` if there are none.
    ///
    /// `malformed` is called where an entry is not an object of options.
    pub fn select(
        value: &Value,
        expr: &Expr,
        applies: impl Fn(&str) -> bool,
        mut malformed: impl FnMut(Span),
    ) -> Option<Self> {
        let Some(entries) = value.as_map() else {
            malformed(expr.span);
            return None;
        };
        let mut values = BTreeMap::new();
        for (key, options) in entries.iter().filter(|(key, _)| applies(key)) {
            let written = entry(expr, key).map(|(_, value)| value);
            let Some(options) = options.as_map() else {
                if !options.contains_error() {
                    malformed(written.unwrap_or(expr).span);
                }
                continue;
            };
            for (name, value) in options {
                let place = match written.and_then(|options| entry(options, name)) {
                    Some((key, value)) => OverridePlace {
                        key: key.span,
                        value: value.span,
                        bare: true,
                    },
                    None => OverridePlace {
                        key: expr.span,
                        value: expr.span,
                        bare: false,
                    },
                };
                values.insert(name.clone(), (value.clone(), place));
            }
        }
        (!values.is_empty()).then_some(Self { values })
    }
}

/// What `override` says of an option under a key, as far as it is written out.
pub(crate) enum Written<'e> {
    /// This.
    As(&'e Expr),
    /// Nothing.
    Nothing,
    /// That cannot be told from how it is written.
    Unclear,
}

/// What is written for an option under a key of `override`, which has that key.
pub(crate) fn overridden<'e>(expr: &'e Expr, key: &str, option: &str) -> Written<'e> {
    let Some((_, options)) = entry(expr, key) else {
        return Written::Unclear;
    };
    match entry(options, option) {
        Some((_, value)) => Written::As(value),
        None if is_plain(options) => Written::Nothing,
        None => Written::Unclear,
    }
}

/// Whether an object is written out with all of its keys.
fn is_plain(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Paren(inner) => is_plain(inner),
        ExprKind::Object(entries) => entries
            .iter()
            .all(|(key, _)| matches!(key.kind, ExprKind::Literal(_))),
        _ => false,
    }
}

/// The entry of an object that is written out.
fn entry<'e>(expr: &'e Expr, name: &str) -> Option<&'e (Expr, Expr)> {
    match &expr.kind {
        ExprKind::Paren(inner) => entry(inner, name),
        ExprKind::Object(entries) => entries.iter().rev().find(
            |(key, _)| matches!(&key.kind, ExprKind::Literal(key) if key.as_str() == Some(name)),
        ),
        _ => None,
    }
}

/// Values of `override` replace options, whatever form they were given in.
pub(super) fn override_options(
    subject: &Subject<'_>,
    overrides: &Overrides,
    cx: &mut Context<'_>,
    given: &mut Given,
) {
    let schema = &subject.component.body;
    let weakly = subject.layers.iter().any(|layer| layer.body.weak);
    for (name, (value, place)) in &overrides.values {
        let known = schema.attributes.get(name);
        let ty = match known {
            Some(attribute) => attribute.ty.clone(),
            None if schema.open
                || schema.blocks.contains_key(name)
                || schema.removed.contains_key(name) =>
            {
                Type::Any
            }
            None => {
                cx.report(unknown(subject, name, *place));
                continue;
            }
        };
        let value = match known {
            Some(known) => &weak::loosen(weakly, value.clone(), known),
            None => value,
        };
        let converted = match convert(value, &ty) {
            Ok(value) => value,
            Err(error) => {
                let also = known.and_then(|known| known.also.as_ref());
                let Some(value) = also.and_then(|ty| convert(value, ty).ok()) else {
                    cx.report(Diagnostic::error(
                        "eval/wrong-type",
                        place.value,
                        format!("`override` gives a wrong value for `{name}`: {error}"),
                    ));
                    continue;
                };
                value
            }
        };
        given.blocks.remove(name);
        let sensitive = known.is_some_and(|known| known.sensitive);
        let value = converted.mark_by_nature(sensitive);
        if value.is_sensitive_by_nature() {
            cx.secret_uses.push((Vec::new(), value.clone()));
        }
        given.attributes.insert(name.clone(), (value, place.value));
    }
}

fn unknown(subject: &Subject<'_>, name: &str, place: OverridePlace) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        "check/unknown-option",
        place.key,
        format!(
            "`override` sets `{name}`, and {} has no such option",
            subject.what
        ),
    );
    match near_option(name, &subject.component.body) {
        Some(near) if place.bare => diagnostic.help(format!("did you mean `{near}`?")).correct(
            slip(name, near, option_names(&subject.component.body)),
            format!("change `{name}` to `{near}`"),
            Edit::replace(place.key, near),
        ),
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help(format!(
            "`imgc schema {}` lists its options",
            subject.component.name
        )),
    }
}
