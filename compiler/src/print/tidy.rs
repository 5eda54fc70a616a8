//! Expressions as one writes them in HCL: `var.x` for `"${var.x}"`, which is how other languages have to say it.

use crate::hir::{Body, Expr, ExprKind, Part};

/// Takes interpolations out of the texts that consist of nothing else.
pub(super) fn body(body: &mut Body) {
    for attribute in &mut body.attributes {
        expr(&mut attribute.value);
    }
    for block in &mut body.blocks {
        self::body(&mut block.body);
    }
}

pub(super) fn expr(given: &mut Expr) {
    if let ExprKind::Template(parts) = &mut given.kind
        && let [Part::Interpolation(inner)] = parts.as_mut_slice()
    {
        given.kind = std::mem::replace(&mut inner.kind, ExprKind::Error);
    }
    match &mut given.kind {
        ExprKind::Tuple(elements) => elements.iter_mut().for_each(expr),
        ExprKind::Object(entries) => entries.iter_mut().for_each(|(_, value)| expr(value)),
        ExprKind::Paren(inner) => expr(inner),
        ExprKind::Call(call) => call.arguments.iter_mut().for_each(expr),
        _ => {}
    }
}
