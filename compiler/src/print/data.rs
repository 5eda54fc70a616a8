//! Expressions as plain data: what JSON and TOML have in common when they are written.
//!
//! In: an expression. Out: texts, numbers, lists and objects where it is that, and `"${ … }"` where it is not. Texts are
//! templates in both languages, so `${` in a plain one is escaped.

use std::collections::BTreeSet;

use imgc_syntax::Span;

use super::hcl::{Around, flat, template_text};
use crate::hir::{Expr, ExprKind, Part, UnaryOp};
use crate::value::{Data as ValueData, Number, Value};

/// A value of JSON or TOML.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    Null,
    Bool(bool),
    Number(Number),
    /// A template.
    Text(String),
    /// Elements with the places they came from.
    List(Vec<(Data, Span)>),
    /// Members in order, with the places they came from.
    Object(Vec<(String, Data, Span)>),
}

/// An expression as data.
pub(super) fn of(expr: &Expr) -> Data {
    match &expr.kind {
        ExprKind::Paren(inner) => of(inner),
        ExprKind::Literal(value) => of_value(value, expr.span),
        ExprKind::Unary(UnaryOp::Negate, operand) => match &operand.kind {
            ExprKind::Literal(value) => match value.as_number() {
                Some(number) => Data::Number(number.negate()),
                None => computed(expr),
            },
            _ => computed(expr),
        },
        ExprKind::Template(parts) => Data::Text(text_of(parts)),
        ExprKind::Tuple(elements) => {
            let elements = elements.iter().map(|element| (of(element), element.span));
            Data::List(elements.collect())
        }
        ExprKind::Object(entries) => object(entries).unwrap_or_else(|| computed(expr)),
        _ => computed(expr),
    }
}

/// An expression that is no plain data.
fn computed(expr: &Expr) -> Data {
    Data::Text(text_of(&[Part::Interpolation(expr.clone())]))
}

/// A word of the language, such as a type or a reference, which stands in a text as it is.
pub(super) fn word(expr: &Expr) -> Data {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Template(_) => of(expr),
        _ => Data::Text(flat(expr)),
    }
}

/// A value that is plain data and whose texts are no templates; the place of what is not is the error.
pub(super) fn plain(expr: &Expr) -> Result<Data, Span> {
    let other = || Err(expr.span);
    Ok(match &expr.kind {
        ExprKind::Paren(inner) => return plain(inner),
        ExprKind::Unary(UnaryOp::Negate, operand) => match &operand.kind {
            ExprKind::Literal(value) => match value.as_number() {
                Some(number) => Data::Number(number.negate()),
                None => return other(),
            },
            _ => return other(),
        },
        ExprKind::Literal(value) => plain_value(value, expr.span),
        ExprKind::Tuple(elements) => {
            let elements = elements
                .iter()
                .map(|element| Ok((plain(element)?, element.span)));
            Data::List(elements.collect::<Result<_, Span>>()?)
        }
        ExprKind::Object(entries) => {
            let mut members = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                let ExprKind::Literal(name) = &key.kind else {
                    return Err(key.span);
                };
                let name = name.as_str().ok_or(key.span)?.to_owned();
                members.push((name, plain(value)?, key.span.cover(value.span)));
            }
            Data::Object(members)
        }
        _ => return other(),
    })
}

fn plain_value(value: &Value, span: Span) -> Data {
    match value.as_str() {
        Some(text) => Data::Text(text.to_owned()),
        None => of_value(value, span),
    }
}

fn text_of(parts: &[Part]) -> String {
    template_text(parts, Around::Other).expect("an interpolation can stand for every character")
}

/// Members, unless a key is no text or there twice.
fn object(entries: &[(Expr, Expr)]) -> Option<Data> {
    let mut members = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let name = match &key.kind {
            ExprKind::Literal(value) => text_of(&[Part::Literal(value.as_str()?.into())]),
            ExprKind::Template(parts) => text_of(parts),
            _ => return None,
        };
        members.push((name, of(value), key.span.cover(value.span)));
    }
    let names: BTreeSet<&String> = members.iter().map(|(name, _, _)| name).collect();
    (names.len() == members.len()).then_some(Data::Object(members))
}

fn of_value(value: &Value, span: Span) -> Data {
    match value.data() {
        ValueData::Null(_) | ValueData::Unknown(_) => Data::Null,
        ValueData::Bool(flag) => Data::Bool(*flag),
        ValueData::Number(number) => Data::Number(number.clone()),
        ValueData::String(text) => Data::Text(text_of(&[Part::Literal(text.clone())])),
        ValueData::List(_, elements) | ValueData::Set(_, elements) | ValueData::Tuple(elements) => {
            let elements = elements
                .iter()
                .map(|element| (of_value(element, span), span));
            Data::List(elements.collect())
        }
        ValueData::Map(_, entries) | ValueData::Object(entries) => {
            let members = entries.iter().map(|(name, value)| {
                let name = text_of(&[Part::Literal(name.clone())]);
                (name, of_value(value, span), span)
            });
            Data::Object(members.collect())
        }
    }
}
