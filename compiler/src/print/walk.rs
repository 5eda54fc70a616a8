//! Every expression in an expression, to be changed.

use crate::hir::{Body, Expr, ExprKind, Part};

/// Calls `change` on every expression of a body, inner ones first.
pub(super) fn body(body: &mut Body, change: &mut impl FnMut(&mut Expr)) {
    for attribute in &mut body.attributes {
        expr(&mut attribute.value, change);
    }
    for block in &mut body.blocks {
        self::body(&mut block.body, change);
    }
}

/// Calls `change` on an expression and all that are in it, inner ones first.
pub(super) fn expr(given: &mut Expr, change: &mut impl FnMut(&mut Expr)) {
    match &mut given.kind {
        ExprKind::Error | ExprKind::Literal(_) | ExprKind::Variable(_) | ExprKind::SplatItem => {}
        ExprKind::Template(given) => parts(given, change),
        ExprKind::Unary(_, operand) | ExprKind::Attribute(operand, _) => expr(operand, change),
        ExprKind::Paren(inner) => expr(inner, change),
        ExprKind::Binary(left, _, right) | ExprKind::Index(left, right) => {
            expr(left, change);
            expr(right, change);
        }
        ExprKind::Conditional(parts) => parts.iter_mut().for_each(|part| expr(part, change)),
        ExprKind::For(given) => {
            expr(&mut given.collection, change);
            let optional = given.result_key.iter_mut().chain(&mut given.condition);
            optional.for_each(|part| expr(part, change));
            expr(&mut given.result, change);
        }
        ExprKind::Splat { operand, each } => {
            expr(operand, change);
            expr(each, change);
        }
        ExprKind::Call(call) => call
            .arguments
            .iter_mut()
            .for_each(|part| expr(part, change)),
        ExprKind::Tuple(elements) => elements.iter_mut().for_each(|part| expr(part, change)),
        ExprKind::Object(entries) => {
            for (key, value) in entries {
                expr(key, change);
                expr(value, change);
            }
        }
    }
    change(given);
}

fn parts(given: &mut [Part], change: &mut impl FnMut(&mut Expr)) {
    for part in given {
        match part {
            Part::Literal(_) => {}
            Part::Interpolation(inner) => expr(inner, change),
            Part::If {
                condition,
                then,
                otherwise,
                ..
            } => {
                expr(condition, change);
                parts(then, change);
                parts(otherwise, change);
            }
            Part::For {
                collection, body, ..
            } => {
                expr(collection, change);
                parts(body, change);
            }
        }
    }
}
