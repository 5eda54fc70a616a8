//! Rules on options: what must be given, what excludes what, which values are accepted.

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::{Given, Subject};
use crate::diagnostic::Diagnostic;
use crate::duration;
use crate::eval::Context;
use crate::hir::Expr;
use crate::module::quoted_list;
use crate::schema::{Attribute, BodySchema, Constraint, ConstraintKind, Required};
use crate::value::Value;

/// Checks a component's options together.
pub(super) fn check(subject: &Subject<'_>, given: &Given, cx: &mut Context<'_>) {
    required(
        &subject.component.body,
        given,
        &subject.what,
        subject.span,
        cx,
    );
    for constraint in &subject.component.constraints {
        rule(subject, constraint, given, cx);
    }
}

/// Complains about options of a body that must be given and are not.
pub(super) fn required(
    schema: &BodySchema,
    given: &Given,
    what: &str,
    span: Span,
    cx: &mut Context<'_>,
) {
    let attributes = schema.attributes.iter().map(|(name, attribute)| {
        (
            name,
            attribute.required == Required::Yes,
            &attribute.required_unless,
            false,
        )
    });
    let blocks = schema.blocks.iter().map(|(name, block)| {
        (
            name,
            block.required == Required::Yes,
            &block.required_unless,
            true,
        )
    });
    for (name, needed, unless, block) in attributes.chain(blocks) {
        if !needed || given.has(name) || stands_in(unless, given, cx) {
            continue;
        }
        let form = if block {
            format!("{name} {{ … }}")
        } else {
            format!("{name} = …")
        };
        match given.place(name) {
            // Given, and empty: say so at its place instead of calling it missing.
            Some(place) => cx.report(
                Diagnostic::error(
                    "check/empty-option",
                    place,
                    format!("`{name}` of {what} must not be empty"),
                )
                .help("give it a value"),
            ),
            None => cx.report(
                Diagnostic::error(
                    "check/missing-option",
                    span,
                    format!("{what} needs the option `{name}`"),
                )
                .help(format!("add `{form}`")),
            ),
        }
    }
}

/// Whether something takes the place of a required option.
fn stands_in(unless: &[SmolStr], given: &Given, cx: &Context<'_>) -> bool {
    unless.iter().any(|what| match what.as_str() {
        "default" | "other" => true,
        other => match other.strip_prefix("env:") {
            Some(variable) => cx
                .world
                .env(variable)
                .is_some_and(|value| !value.is_empty()),
            None => given.has(other),
        },
    })
}

fn rule(subject: &Subject<'_>, constraint: &Constraint, given: &Given, cx: &mut Context<'_>) {
    let what = &subject.what;
    let names = || constraint.attributes.iter().map(SmolStr::as_str);
    let present: Vec<&str> = names().filter(|name| given.has(name)).collect();
    match constraint.kind {
        ConstraintKind::AtLeastOne => {
            let from_environment = |name: &str| {
                name.strip_prefix("env:")
                    .is_some_and(|name| cx.world.env(name).is_some_and(|value| !value.is_empty()))
            };
            if present.is_empty() && !names().any(from_environment) {
                let options = &subject.component.body.attributes;
                let deprecated =
                    |name: &&str| options.get(*name).is_some_and(|option| option.deprecated);
                let wanted = names()
                    .find(|name| !deprecated(name))
                    .unwrap_or(&constraint.attributes[0]);
                cx.report(
                    Diagnostic::error(
                        "check/missing-option",
                        subject.span,
                        format!("{what} needs one of the options {}", quoted_list(names())),
                    )
                    .help(format!("add `{wanted} = …`")),
                );
            }
        }
        ConstraintKind::NotTogether => {
            if let [first, second, ..] = present[..] {
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
                && given.has(first)
                && !given.has(second)
            {
                cx.report(
                    Diagnostic::error(
                        "check/conflicting-options",
                        given.place(first).unwrap_or(subject.span),
                        format!("`{first}` of {what} needs `{second}` as well"),
                    )
                    .help(format!("add `{second} = …`")),
                );
            }
        }
    }
}

/// Checks one option's value against the list of accepted ones and the form of a duration.
pub(super) fn value(
    name: &str,
    schema: &Attribute,
    value: &Value,
    expr: &Expr,
    cx: &mut Context<'_>,
) {
    let Some(text) = value.as_str() else { return };
    // Go templates are filled in later; an empty text counts as not given.
    if text.is_empty() || text.contains("{{") {
        return;
    }
    if schema.duration && duration::parse(text).is_none() && !text.starts_with('-') {
        cx.report(not_a_duration(name, value, expr.span));
    }
    let accepted = |value: &SmolStr| value.eq_ignore_ascii_case(text);
    if !schema.values.is_empty() && !schema.values.iter().any(accepted) {
        let diagnostic = Diagnostic::error(
            "check/invalid-value",
            expr.span,
            if value.contains_sensitive() {
                format!("`{name}` has a value that is not accepted")
            } else {
                format!("`{name}` cannot be `{text}`")
            },
        );
        let names = || schema.values.iter().map(SmolStr::as_str);
        cx.report(match crate::diagnostic::nearest(text, names()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help(format!("accepted are {}", quoted_list(names()))),
        });
    }
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
