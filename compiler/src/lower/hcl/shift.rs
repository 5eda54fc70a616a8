//! Moving what was lowered to another place of its file: all that an edit before it changes.

use imgc_syntax::Span;

use crate::diagnostic::Diagnostic;
use crate::hir::{Attribute, Block, Body, Expr, ExprKind, Name, Part};

fn span(span: &mut Span, by: i64) {
    let moved = |offset: u32| (i64::from(offset) + by) as u32;
    *span = Span::new(span.file, moved(span.start), moved(span.end));
}

fn name(name: &mut Name, by: i64) {
    span(&mut name.span, by);
}

/// Moves an attribute by so many bytes.
pub(super) fn attribute(attribute: &mut Attribute, by: i64) {
    name(&mut attribute.name, by);
    expr(&mut attribute.value, by);
    span(&mut attribute.span, by);
}

/// Moves a block by so many bytes.
pub(super) fn block(block: &mut Block, by: i64) {
    name(&mut block.kind, by);
    for label in &mut block.labels {
        name(label, by);
    }
    body(&mut block.body, by);
    span(&mut block.header, by);
    span(&mut block.span, by);
}

fn body(body: &mut Body, by: i64) {
    for one in &mut body.attributes {
        attribute(one, by);
    }
    for one in &mut body.blocks {
        block(one, by);
    }
    if let Some(place) = &mut body.span {
        span(place, by);
    }
}

/// Moves a problem with all its places by so many bytes.
pub(super) fn diagnostic(diagnostic: &mut Diagnostic, by: i64) {
    span(&mut diagnostic.span, by);
    for label in &mut diagnostic.labels {
        span(&mut label.span, by);
    }
    for edit in diagnostic.fixes.iter_mut().flat_map(|fix| &mut fix.edits) {
        span(&mut edit.span, by);
    }
}

fn expr(moved: &mut Expr, by: i64) {
    span(&mut moved.span, by);
    match &mut moved.kind {
        ExprKind::Error | ExprKind::Literal(_) | ExprKind::Variable(_) | ExprKind::SplatItem => {}
        ExprKind::Template(parts) => self::parts(parts, by),
        ExprKind::Unary(_, operand) | ExprKind::Paren(operand) => expr(operand, by),
        ExprKind::Binary(left, _, right) | ExprKind::Index(left, right) => {
            expr(left, by);
            expr(right, by);
        }
        ExprKind::Conditional(three) => exprs(three.iter_mut(), by),
        ExprKind::For(each) => {
            if let Some(key) = &mut each.key {
                name(key, by);
            }
            name(&mut each.value, by);
            expr(&mut each.collection, by);
            exprs(each.result_key.iter_mut(), by);
            expr(&mut each.result, by);
            exprs(each.condition.iter_mut(), by);
        }
        ExprKind::Splat { operand, each } => {
            expr(operand, by);
            expr(each, by);
        }
        ExprKind::Attribute(operand, step) => {
            expr(operand, by);
            name(step, by);
        }
        ExprKind::Call(call) => {
            name(&mut call.name, by);
            exprs(call.arguments.iter_mut(), by);
        }
        ExprKind::Tuple(elements) => exprs(elements.iter_mut(), by),
        ExprKind::Object(entries) => {
            for (key, value) in entries {
                expr(key, by);
                expr(value, by);
            }
        }
    }
}

fn exprs<'e>(all: impl Iterator<Item = &'e mut Expr>, by: i64) {
    for one in all {
        expr(one, by);
    }
}

fn parts(parts: &mut [Part], by: i64) {
    for part in parts {
        match part {
            Part::Literal(_) => {}
            Part::Interpolation(inner) => expr(inner, by),
            Part::If {
                condition,
                then,
                otherwise,
                span: place,
            } => {
                expr(condition, by);
                self::parts(then, by);
                self::parts(otherwise, by);
                span(place, by);
            }
            Part::For {
                key,
                value,
                collection,
                body,
                span: place,
            } => {
                if let Some(key) = key {
                    name(key, by);
                }
                name(value, by);
                expr(collection, by);
                self::parts(body, by);
                span(place, by);
            }
        }
    }
}
