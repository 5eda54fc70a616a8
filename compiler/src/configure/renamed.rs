//! Options under old names: the new name is told, and the value goes where it belongs now.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::given::blocks_of;
use super::{Given, Subject};
use crate::diagnostic::{Diagnostic, Edit};
use crate::hir::{Attribute, Body, ExprKind};
use crate::schema::{BodySchema, Successor};
use crate::types::Type;
use crate::value::{Data, Value};

/// Whether the value of a deprecated option may simply go to its successor.
pub(super) fn takes(schema: &BodySchema, old: &str, successor: Successor) -> bool {
    let ty = |name: &str| schema.attributes.get(name).map(|known| &known.ty);
    match successor {
        Successor::Option(new) => ty(new).is_some() && ty(new) == ty(old),
        _ => false,
    }
}

/// The message about an option that goes by another name, or is not needed any more.
pub(super) fn complaint(
    subject: &Subject<'_>,
    schema: &BodySchema,
    attribute: &Attribute,
    successor: Successor,
) -> Diagnostic {
    let name = &attribute.name.text;
    let span = attribute.name.span;
    let what = &subject.what;
    let Some(new) = successor.name() else {
        return Diagnostic::warning(
            "check/removed-option",
            span,
            format!("{what} has no option `{name}` any more, and does not need it"),
        )
        .help("remove it");
    };
    let diagnostic = Diagnostic::warning(
        "check/renamed-option",
        span,
        match successor {
            Successor::Option(_) => format!("the option `{name}` of {what} is called `{new}` now"),
            _ => format!("the option `{name}` of {what} has become part of `{new}`"),
        },
    );
    match successor {
        Successor::Option(_) => {
            let same = !matches!(
                schema.attributes.get(new).map(|a| &a.ty),
                Some(Type::List(_))
            ) || matches!(attribute.value.kind, ExprKind::Tuple(_));
            let diagnostic = diagnostic.help(match same {
                true => format!("write `{new}`"),
                false => format!("write `{new} = […]`"),
            });
            match same {
                true => diagnostic.fix(
                    format!("change `{name}` to `{new}`"),
                    Edit::replace(span, new),
                ),
                false => diagnostic,
            }
        }
        Successor::Prefixed(_, prefix) => diagnostic.help(format!("write `{new} = \"{prefix}…\"`")),
        Successor::KindOf(_) => {
            diagnostic.help(format!("write it before the value: `{new} = \"KIND:…\"`"))
        }
        Successor::Word(_, yes, no) => {
            diagnostic.help(format!("write `{new} = \"{yes}\"`, or \"{no}\" for false"))
        }
        Successor::Inside(_, inner) => diagnostic.help(format!(
            "write `{new} {{ {inner} = … }}`, on lines of their own"
        )),
        Successor::Other(_) | Successor::Nothing => diagnostic.help(format!("see `{new}`")),
    }
}

/// Puts the value of an old option where it belongs now. What the body itself says about the new one goes first.
pub(super) fn map(
    schema: &BodySchema,
    successor: Successor,
    body: &Body,
    value: Value,
    span: Span,
    given: &mut Given,
) {
    let free = |new: &str| body.attribute(new).is_none();
    match successor {
        Successor::Option(new) => {
            if free(new) {
                given.attributes.insert(new.into(), (value, span));
            }
        }
        Successor::Prefixed(new, prefix) => {
            if free(new) {
                let value = match value.as_str() {
                    Some(text) if !text.is_empty() => {
                        Value::string(format!("{prefix}{text}")).mark_like(&value)
                    }
                    Some(_) => return,
                    None => unknown_text(&value),
                };
                given.attributes.insert(new.into(), (value, span));
            }
        }
        Successor::KindOf(new) => {
            given.kinds.insert(new.into(), (value, span));
        }
        Successor::Word(new, yes, no) => {
            if free(new) {
                let value = match value.as_bool().or_else(|| value.as_str()?.parse().ok()) {
                    Some(true) => Value::string(yes),
                    Some(false) => Value::string(no),
                    None => unknown_text(&value),
                };
                given.attributes.insert(new.into(), (value, span));
            }
        }
        Successor::Inside(block, inner) => inside(schema, block, inner, value, span, given),
        Successor::Other(_) | Successor::Nothing => {}
    }
}

/// Adds an option to the first block of a name, which stands for the old options.
fn inside(
    schema: &BodySchema,
    block: &'static str,
    inner: &'static str,
    value: Value,
    span: Span,
    given: &mut Given,
) {
    let repeated = schema.blocks.get(block).is_some_and(|block| block.repeated);
    let blocks = blocks_of(given, &SmolStr::new_static(block), repeated, span);
    let mut members: BTreeMap<SmolStr, Value> = blocks
        .values
        .first()
        .and_then(Value::as_map)
        .map(|members| {
            let members = members.iter();
            members.map(|(k, v)| (k.clone(), v.clone())).collect()
        })
        .unwrap_or_default();
    members.entry(SmolStr::new_static(inner)).or_insert(value);
    let object = Value::from_data(Data::Object(Arc::new(members)));
    match blocks.values.first_mut() {
        Some(first) => *first = object,
        None => blocks.values.push(object),
    }
}

/// When all is there: `iso_checksum = "ab12"` with `iso_checksum_type = "md5"` is `"md5:ab12"`.
pub(super) fn finish(given: &mut Given) {
    for (name, (kind, place)) in std::mem::take(&mut given.kinds) {
        let Some(kind) = kind.as_str().filter(|kind| !kind.is_empty()) else {
            continue;
        };
        match given.attributes.get_mut(&name) {
            Some((value, _)) if value.as_str().is_some_and(|text| text.contains(':')) => {}
            Some((value, _)) if kind == "none" => *value = Value::string("none"),
            Some((value, _)) => {
                let Some(text) = value
                    .as_str()
                    .filter(|text| !text.is_empty() && *text != "none")
                else {
                    continue;
                };
                *value = Value::string(format!("{kind}:{text}")).mark_like(value);
            }
            None if kind == "none" => {
                given
                    .attributes
                    .insert(name, (Value::string("none"), place));
            }
            None => {}
        }
    }
}

/// A text where a list of texts is wanted now.
pub(super) fn for_list(value: Value, ty: &Type) -> Value {
    match ty {
        Type::List(_) if value.as_str().is_some() => Value::tuple(vec![value]),
        _ => value,
    }
}

fn unknown_text(value: &Value) -> Value {
    match value.is_error() {
        true => Value::error(),
        false => Value::unknown(Type::String).mark(value.contains_sensitive()),
    }
}
