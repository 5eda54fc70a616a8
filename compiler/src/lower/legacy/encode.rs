//! Options that are objects in legacy templates, and that HCL has as JSON text under another name: chef's `json` is
//! `json_string = jsonencode({ … })` there.
//!
//! In: the body of a component. Out: the same with the other option, if all values of the first in this block, those of
//! `override` included, can be text: what is filled in during the run would end up with escapes of JSON in it.

use smol_str::SmolStr;

use super::word;
use crate::hir::{Body, Call, Expr, ExprKind, Part};
use crate::schema::Component;
use crate::value::Value;

/// Puts the text in the place of the objects.
pub(super) fn encode(body: &mut Body, component: &Component) {
    for name in &component.json_only {
        let text = SmolStr::from(format!("{name}_string"));
        if component.body.attributes.contains_key(&text) && body.attribute(&text).is_none() {
            let mut found = values(body, name);
            if found.iter().all(|(_, value)| can_be_text(value)) {
                for (key, value) in &mut found {
                    key.rename(&text);
                    let object = std::mem::replace(&mut value.kind, ExprKind::Error);
                    let object = Expr {
                        kind: object,
                        span: value.span,
                    };
                    value.kind = ExprKind::Call(Box::new(Call {
                        name: word("jsonencode", value.span),
                        arguments: vec![object],
                        expand_last: false,
                    }));
                }
            }
        }
    }
}

/// What an option is called by.
enum Key<'b> {
    Attribute(&'b mut SmolStr),
    Member(&'b mut Expr),
}

impl Key<'_> {
    fn rename(&mut self, name: &SmolStr) {
        match self {
            Self::Attribute(key) => **key = name.clone(),
            Self::Member(key) => key.kind = ExprKind::Literal(Value::string(name.clone())),
        }
    }
}

/// The values of an option in a body and in its `override`, but for null, which gives none.
fn values<'b>(body: &'b mut Body, name: &str) -> Vec<(Key<'b>, &'b mut Expr)> {
    let mut found = Vec::new();
    for attribute in &mut body.attributes {
        if attribute.name.text == name {
            found.push((
                Key::Attribute(&mut attribute.name.text),
                &mut attribute.value,
            ));
        } else if attribute.name.text == "override"
            && let ExprKind::Object(sources) = &mut attribute.value.kind
        {
            for (_, options) in sources {
                let ExprKind::Object(options) = &mut options.kind else {
                    continue;
                };
                let named = options
                    .iter_mut()
                    .filter(|(key, _)| matches!(&key.kind, ExprKind::Literal(key) if key.as_str() == Some(name)));
                found.extend(named.map(|(key, value)| (Key::Member(key), value)));
            }
        }
    }
    found.retain(|(_, value)| !matches!(&value.kind, ExprKind::Literal(value) if value.is_null()));
    found
}

fn can_be_text(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Object(_)) && !has_late_text(expr)
}

fn has_late_text(expr: &Expr) -> bool {
    let is_late = |text: &str| text.contains("{{");
    match &expr.kind {
        ExprKind::Literal(value) => value.as_str().is_some_and(is_late),
        ExprKind::Template(parts) => parts.iter().any(|part| match part {
            Part::Literal(text) => is_late(text),
            _ => false,
        }),
        ExprKind::Tuple(elements) => elements.iter().any(has_late_text),
        ExprKind::Object(entries) => entries
            .iter()
            .any(|(key, value)| has_late_text(key) || has_late_text(value)),
        _ => false,
    }
}
