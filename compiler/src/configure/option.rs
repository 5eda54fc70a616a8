//! One `name = value` of a component: evaluated, converted to the option's type, checked on its own.

use imgc_syntax::Span;

use super::complaints::{deprecated, near_option, replaced, set_by_packer, unknown_option};
use super::{Given, Subject, renamed, rules, templates, weak};
use crate::convert::convert;
use crate::diagnostic::{Certainty, Diagnostic, Edit, Fix, Severity};
use crate::eval::{self, Context, Scope};
use crate::hir::{Attribute, Body, Expr, ExprKind};
use crate::schema::{self, BodySchema};
use crate::types::Type;
use crate::value::Value;

/// Takes one attribute of a body into `given`.
pub(super) fn option(
    subject: &Subject<'_>,
    schema: &BodySchema,
    body: &Body,
    attribute: &Attribute,
    scope: &dyn Scope,
    cx: &mut Context<'_>,
    given: &mut Given,
) {
    let name = &attribute.name.text;
    let span = attribute.span;
    if schema.open {
        let value = eval::evaluate(&attribute.value, scope, cx);
        let value = named_a_secret(name, value);
        given.attributes.insert(name.clone(), (value, span));
        return;
    }
    match is_written_out(&attribute.value) {
        true => given.computed.remove(name),
        false => given.computed.insert(name.clone()),
    };
    if let Some(known) = schema.attributes.get(name) {
        if known.deprecated {
            cx.report(deprecated(subject, schema, attribute));
        }
        let value = eval::evaluate(&attribute.value, scope, cx);
        let value = weak::loosen(body.weak, value, known);
        let value = conform(name, known, value, &attribute.value, cx);
        let value = secret(known, value, &attribute.value, cx);
        rules::value(name, known, &value, &attribute.value, cx);
        templates::check(subject, body, &value, &attribute.value, cx);
        match schema.renamed.get(name) {
            Some(successor) if renamed::takes(schema, name, *successor) => {
                renamed::map(schema, *successor, body, value, span, given);
            }
            _ => {
                given.attributes.insert(name.clone(), (value, span));
            }
        }
        return;
    }
    let value = eval::evaluate(&attribute.value, scope, cx);
    if let Some(successor) = schema.renamed.get(name) {
        cx.report(renamed::complaint(subject, schema, attribute, *successor));
        let value = match successor {
            schema::Successor::Option(new) => match schema.attributes.get(*new) {
                Some(known) => {
                    let value = renamed::for_list(value, &known.ty);
                    let value = weak::loosen(body.weak, value, known);
                    let value = conform(new, known, value, &attribute.value, cx);
                    secret(known, value, &attribute.value, cx)
                }
                None => value,
            },
            _ => value,
        };
        templates::check(subject, body, &value, &attribute.value, cx);
        renamed::map(schema, *successor, body, value, span, given);
        return;
    }
    let top = std::ptr::eq(schema, &subject.component.body);
    let json_only = top && subject.component.json_only.contains(name);
    if json_only && body.weak {
        let value = named_a_secret(name, value);
        given.attributes.insert(name.clone(), (value, span));
        return;
    }
    if let Some(ty) = schema.removed.get(name) {
        match replaced(subject, schema, attribute.name.span, name) {
            Some(complaint) => cx.report(complaint),
            None => given.old.push((name.clone(), attribute.name.span)),
        }
        // Its type is that of years ago: what does not fit is taken as it is.
        let value = match convert(&value, ty) {
            Ok(converted) if !json_only => converted,
            _ => value,
        };
        let value = named_a_secret(name, value);
        given.attributes.insert(name.clone(), (value, span));
        return;
    }
    if top && schema::SET_BY_PACKER.contains(&name.as_str()) {
        cx.report(set_by_packer(subject, attribute));
        return;
    }
    let mut unknown = unknown_option(subject, schema, attribute);
    if let Some(help) = perhaps_there(subject, schema, name) {
        unknown.severity = Severity::Warning;
        cx.report(unknown.help(help));
        let value = named_a_secret(name, value);
        given.attributes.insert(name.clone(), (value, span));
        return;
    }
    cx.report(unknown);
    let block = schema.blocks.get_key_value(name);
    let meant = block.map(|(block, _)| block.as_str());
    given.meant(meant.or_else(|| near_option(name, schema)), span);
}

/// The value of an option, marked if it is a secret; where it comes from then is one as well.
fn secret(known: &schema::Attribute, value: Value, expr: &Expr, cx: &mut Context<'_>) -> Value {
    let value = value.mark_by_nature(known.sensitive);
    if value.is_sensitive_by_nature() {
        cx.secret_uses.push((eval::references(expr), value.clone()));
    }
    value
}

/// The value of an option of which only the name is known.
fn named_a_secret(name: &str, value: Value) -> Value {
    let is_text = matches!(value.ty(), Type::String);
    value.mark_by_nature(is_text && schema::secrets::is_named_so(name))
}

/// Who may have an option that is not known here, so that it is no slip.
pub(super) fn perhaps_there(
    subject: &Subject<'_>,
    schema: &BodySchema,
    name: &str,
) -> Option<String> {
    let component = subject.component;
    if schema.has(name) || near_option(name, schema).is_some() {
        return None;
    }
    if component.is_fork {
        let plugin = component.plugin.as_deref().unwrap_or_default();
        return Some(format!(
            "the plugin `{plugin}` of `required_plugins` may have it; it is taken as it is"
        ));
    }
    let help = "newer versions may have it; it is taken as it is";
    component.incomplete.then(|| help.to_owned())
}

/// Whether a value stands there as it is.
fn is_written_out(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Error => true,
        ExprKind::Paren(inner) => is_written_out(inner),
        ExprKind::Tuple(elements) => elements.iter().all(is_written_out),
        ExprKind::Object(entries) => entries
            .iter()
            .all(|(key, value)| is_written_out(key) && is_written_out(value)),
        _ => false,
    }
}

/// The value converted to the option's type, or the complaint that it cannot be.
fn conform(
    name: &str,
    known: &schema::Attribute,
    value: Value,
    expr: &Expr,
    cx: &mut Context<'_>,
) -> Value {
    match convert(&value, &known.ty) {
        Ok(value) => value,
        Err(error) => {
            let also = known.also.as_ref().and_then(|ty| convert(&value, ty).ok());
            also.unwrap_or_else(|| {
                let mut diagnostic = hint(eval::wrong_type(expr, &error, name), &known.ty);
                let alone = matches!(known.ty, Type::List(_))
                    && value.as_slice().is_none()
                    // The end of a heredoc stands on a line of its own.
                    && value.as_str().is_none_or(|text| !text.contains('\n'))
                    && convert(&Value::tuple([value]), &known.ty).is_ok();
                if alone {
                    diagnostic.fixes.push(Fix {
                        title: "put it in brackets".to_owned(),
                        edits: vec![
                            Edit::replace(
                                Span {
                                    end: expr.span.start,
                                    ..expr.span
                                },
                                "[",
                            ),
                            Edit::replace(
                                Span {
                                    start: expr.span.end,
                                    ..expr.span
                                },
                                "]",
                            ),
                        ],
                        certainty: Certainty::Certain,
                    });
                }
                cx.report(diagnostic);
                Value::error()
            })
        }
    }
}

/// What an option of that type takes, where nothing better has been said.
fn hint(mut diagnostic: Diagnostic, ty: &Type) -> Diagnostic {
    let help = match ty {
        Type::Bool => "it takes `true` or `false`; the texts \"true\" and \"false\" are converted",
        Type::Number => "it takes a number; a text that is one, such as \"2\", is converted",
        Type::String => "it takes a text; numbers, `true` and `false` are converted",
        Type::List(_) => "it takes a list: `[…]`",
        Type::Map(_) => "it takes names with values: `{ name = … }`",
        _ => return diagnostic,
    };
    diagnostic.help.get_or_insert_with(|| help.to_owned());
    diagnostic
}
