//! What the builds of a legacy template are called in HCL.

use std::collections::BTreeMap;

use crate::hir::{Body, Expr, ExprKind, Part};
use crate::print::hcl;
use crate::value::Value;

/// Builder types by the names of builders, as expressions.
pub(super) struct Names(BTreeMap<String, String>);

/// The names of a template's builders.
pub(super) fn of(body: &Body) -> Names {
    let mut names = BTreeMap::new();
    for build in body.blocks_of("build") {
        let listed = build
            .body
            .attribute("sources")
            .map(|sources| &sources.value.kind);
        if let Some(ExprKind::Tuple(sources)) = listed {
            for source in sources {
                if let Some((ty, name)) = text(source).and_then(reference) {
                    let name = Value::string(name);
                    names.insert(hcl::expression(&literal(name, source)), ty.to_owned());
                }
            }
        }
        for source in build.body.blocks_of("source") {
            let label = source
                .labels
                .first()
                .and_then(|label| reference(&label.text));
            let name = source.body.attribute("name");
            if let (Some((ty, _)), Some(name)) = (label, name) {
                names.insert(hcl::expression(&name.value), ty.to_owned());
            }
        }
    }
    Names(names)
}

impl Names {
    /// Puts the type in front of the names in a list.
    pub(super) fn qualify(&self, list: &mut Expr) {
        let ExprKind::Tuple(elements) = &mut list.kind else {
            return;
        };
        for element in elements {
            let Some(ty) = self.0.get(&hcl::expression(element)) else {
                continue;
            };
            element.kind = match &element.kind {
                ExprKind::Literal(value) => {
                    let name = value.as_str().unwrap_or_default();
                    ExprKind::Literal(Value::string(format!("{ty}.{name}")))
                }
                kind => {
                    let mut parts = vec![Part::Literal(format!("{ty}.").into())];
                    match kind {
                        ExprKind::Template(given) => parts.extend(given.iter().cloned()),
                        _ => parts.push(Part::Interpolation(element.clone())),
                    }
                    ExprKind::Template(parts)
                }
            };
        }
    }
}

fn literal(value: Value, place: &Expr) -> Expr {
    Expr {
        kind: ExprKind::Literal(value),
        span: place.span,
    }
}

fn text(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Literal(value) => value.as_str(),
        _ => None,
    }
}

/// Type and name of `source.TYPE.NAME`.
fn reference(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("source.")?.split_once('.')
}
