//! Rules on options: what must be given, what excludes what, which values are accepted.

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::required::{self, required};
use super::{Given, Subject, communicator, values};
use crate::diagnostic::{Diagnostic, Severity, nearest};
use crate::duration;
use crate::eval::Context;
use crate::hir::{Expr, ExprKind};
use crate::module::quoted_list;
use crate::schema::{Attribute, Constraint, ConstraintKind, Format, Required};
use crate::value::Value;

/// Checks a component's options together.
pub(super) fn check(subject: &Subject<'_>, given: &Given, cx: &mut Context<'_>) {
    required(subject, &subject.component.body, given, subject.span, cx);
    communicator::check(subject, given, cx);
    values::ranges(subject, given, cx);
    for constraint in &subject.component.constraints {
        rule(subject, constraint, given, cx);
    }
}

fn rule(subject: &Subject<'_>, constraint: &Constraint, given: &Given, cx: &mut Context<'_>) {
    let what = &subject.what;
    let names = || constraint.attributes.iter().map(SmolStr::as_str);
    let present: Vec<&str> = names().filter(|name| given.has(name)).collect();
    match constraint.kind {
        ConstraintKind::AtLeastOne => {
            if present.is_empty() {
                required::one_of(subject, &constraint.attributes, given, cx);
            }
        }
        ConstraintKind::NotTogether => {
            let clashing: Vec<&str> = names().filter(|name| given.matters(name)).collect();
            if let [first, second, ..] = clashing[..] {
                let place = |name| given.place(name).unwrap_or(subject.span);
                cx.report(
                    Diagnostic::error(
                        "check/conflicting-options",
                        place(second),
                        format!("`{first}` and `{second}` of {what} exclude each other"),
                    )
                    .label(place(first), format!("`{first}` is given here"))
                    .help("remove one of them"),
                );
            }
        }
        ConstraintKind::Requires => {
            if let [first, second] = &constraint.attributes[..]
                && given.matters(first)
                && !given.has(second)
            {
                cx.report(
                    Diagnostic::error(
                        "check/conflicting-options",
                        given.place(first).unwrap_or(subject.span),
                        format!("`{first}` of {what} needs `{second}` as well"),
                    )
                    .help(format!("add `{second} = …`"))
                    .lacking([second.as_str()]),
                );
            }
        }
        ConstraintKind::Idles => idle(subject, constraint, given, cx),
    }
}

/// Options that another one makes needless.
fn idle(subject: &Subject<'_>, constraint: &Constraint, given: &Given, cx: &mut Context<'_>) {
    let Some((first, others)) = constraint.attributes.split_first() else {
        return;
    };
    let decided = given.attributes.get(first.as_str());
    let decided = decided.is_some_and(|(value, _)| value.is_known() && given.has(first));
    if !decided || given.computed.contains(first.as_str()) {
        // Such a block is for several ways, with the options of all of them.
        return;
    }
    let idle: Vec<&str> = others
        .iter()
        .map(SmolStr::as_str)
        .filter(|name| given.has(name))
        .collect();
    let Some(place) = idle.first().and_then(|name| given.place(name)) else {
        return;
    };
    let verb = if idle.len() == 1 { "has" } else { "have" };
    let message = format!(
        "{} {verb} no effect: {} has `{first}`",
        quoted_list(idle.iter().copied()),
        subject.what
    );
    let diagnostic = Diagnostic::warning("check/idle-option", place, message);
    let diagnostic = match given.place(first) {
        Some(said) => diagnostic.label(said, "chosen here"),
        None => diagnostic,
    };
    cx.report(diagnostic.help(match idle.len() {
        1 => format!("remove it, or `{first}`"),
        _ => format!("remove them, or `{first}`"),
    }));
}

/// Checks one option's value against the list of accepted ones and the form of a duration.
pub(super) fn value(
    name: &str,
    schema: &Attribute,
    value: &Value,
    expr: &Expr,
    cx: &mut Context<'_>,
) {
    if let Some(elements) = value.as_slice() {
        for (at, element) in elements.iter().enumerate() {
            let place = match &expr.kind {
                ExprKind::Tuple(parts) => parts.get(at).unwrap_or(expr),
                _ => expr,
            };
            scalar(name, schema, element, place.span, cx);
        }
    } else {
        scalar(name, schema, value, expr.span, cx);
    }
}

fn scalar(name: &str, schema: &Attribute, value: &Value, span: Span, cx: &mut Context<'_>) {
    if let Some(number) = value.as_number() {
        values::bounds(name, schema, number, span, cx);
    }
    let Some(text) = value.as_str() else { return };
    // Go templates are filled in later; an empty text counts as not given.
    if text.is_empty() || text.contains("{{") {
        return;
    }
    match schema.format {
        Some(Format::Duration) if duration::parse(text).is_none() && !text.starts_with('-') => {
            cx.report(not_a_duration(name, value, span));
        }
        Some(format @ (Format::Checksum | Format::Size)) => {
            values::form(name, format, value, text, span, cx);
        }
        _ => {}
    }
    if schema.values.is_empty() || schema.values.iter().any(|value| value == text) {
        return;
    }
    let message = match value.contains_sensitive() {
        true => format!("`{name}` has a value that is not accepted"),
        false => format!("`{name}` cannot be `{text}`"),
    };
    let mut diagnostic = Diagnostic::error("check/invalid-value", span, message);
    let folded = |value: &&SmolStr| value.eq_ignore_ascii_case(text);
    if let Some(right) = schema.values.iter().find(folded) {
        // Some components fold case first.
        diagnostic.severity = Severity::Warning;
        cx.report(diagnostic.help(format!("write `{right}`")));
        return;
    }
    if schema.required == Required::Newly {
        // Older versions did not look at it.
        diagnostic.severity = Severity::Warning;
    }
    let names = || schema.values.iter().map(SmolStr::as_str);
    cx.report(match nearest(text, names()) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help(format!("accepted are {}", quoted_list(names()))),
    });
}

/// The complaint about a length of time that is none.
pub(crate) fn not_a_duration(name: &str, value: &Value, span: Span) -> Diagnostic {
    let message = match value.as_str().filter(|_| !value.contains_sensitive()) {
        Some(text) => format!("`{name}` is `{text}`, which is not a duration"),
        None => format!("`{name}` is not a duration"),
    };
    Diagnostic::error("check/invalid-duration", span, message)
        .help("write a number with its unit, such as `90s`, `5m` or `1h30m`")
}
