//! Objects as bodies of components: which keys are blocks is what the catalogue says.

use std::collections::HashMap;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::Lower;
use crate::diagnostic::Diagnostic;
use crate::go_template::functions::Where;
use crate::hir::{Attribute, Block, Body, Expr, ExprKind, Name};
use crate::lower::tree::{Member, Node, NodeKind};
use crate::schema::{BlockSchema, BodySchema};
use crate::types::Type;
use crate::value::Value;

impl Lower<'_> {
    /// Any value.
    pub(super) fn expr(&mut self, node: &Node, place: Where) -> Expr {
        let kind = match &node.kind {
            NodeKind::Error => ExprKind::Error,
            NodeKind::Null => ExprKind::Literal(Value::null(Type::Any)),
            NodeKind::Bool(value) => ExprKind::Literal(Value::bool(*value)),
            NodeKind::Number(number) => ExprKind::Literal(Value::number(number.clone())),
            NodeKind::Text(text) => return self.text(text, node.span, place),
            NodeKind::Array(elements) => ExprKind::Tuple(
                elements
                    .iter()
                    .map(|element| self.expr(element, place))
                    .collect(),
            ),
            NodeKind::Object(members) => ExprKind::Object(
                last(members)
                    .map(|member| {
                        let key = self.text(&member.key_text(), member.key.span, place);
                        (key, self.expr(&member.value, place))
                    })
                    .collect(),
            ),
        };
        Expr {
            kind,
            span: node.span,
        }
    }

    /// The options of a component, or of a block in one. `None` for the schema of a component nobody knows.
    pub(super) fn options<'m>(
        &mut self,
        schema: Option<&BodySchema>,
        members: impl Iterator<Item = &'m Member>,
        span: Span,
        place: Where,
    ) -> Body {
        let mut body = Body {
            span: Some(span),
            weak: true,
            ..Body::default()
        };
        for member in members {
            let name = schema.map_or_else(
                || member.key.text.clone(),
                |schema| canonical(schema, &member.key.text),
            );
            let key = Name {
                text: name,
                span: member.key.span,
            };
            match schema.and_then(|schema| schema.blocks.get(&key.text)) {
                Some(inner) => self.blocks(&key, inner, &member.value, place, &mut body.blocks),
                None => body
                    .attributes
                    .push(attribute(key, self.expr(&member.value, place))),
            }
        }
        body
    }

    /// The blocks a value stands for: an object is one, a list of objects as many.
    fn blocks(
        &mut self,
        key: &Name,
        schema: &BlockSchema,
        value: &Node,
        place: Where,
        out: &mut Vec<Block>,
    ) {
        match &value.kind {
            NodeKind::Null | NodeKind::Error => {}
            NodeKind::Object(members) => {
                let body = self.options(Some(&schema.body), last(members), value.span, place);
                out.push(Block {
                    kind: key.clone(),
                    labels: Vec::new(),
                    body,
                    header: key.span,
                    span: key.span.cover(value.span),
                });
            }
            NodeKind::Array(elements) => {
                for element in elements {
                    if matches!(element.kind, NodeKind::Array(_)) {
                        self.no_object(key, schema, element);
                    } else {
                        self.blocks(key, schema, element, place, out);
                    }
                }
            }
            // As Packer has it: an empty text is an empty list.
            NodeKind::Text(text) if text.text.is_empty() && schema.repeated => {}
            _ => self.no_object(key, schema, value),
        }
    }

    fn no_object(&mut self, key: &Name, schema: &BlockSchema, value: &Node) {
        let wanted = if schema.repeated {
            "a list of objects"
        } else {
            "an object"
        };
        let form = if schema.repeated {
            "[{ … }]"
        } else {
            "{ … }"
        };
        self.out.push(
            Diagnostic::error(
                "legacy/wrong-shape",
                value.span,
                format!("`{}` is {wanted}, found {}", key.text, value.what()),
            )
            .help(format!("write `\"{}\": {form}`", key.text)),
        );
    }
}

/// The members that count: of those with the same key the last one, as in Packer.
pub(super) fn last(members: &[Member]) -> impl Iterator<Item = &Member> {
    let all = members.iter().enumerate();
    let last: HashMap<&str, usize> = all
        .map(|(at, member)| (member.key.text.as_str(), at))
        .collect();
    let counts = move |(at, member): &(usize, &Member)| last[member.key.text.as_str()] == *at;
    let all = members.iter().enumerate();
    all.filter(counts).map(|(_, member)| member)
}

/// The name of an option as the catalogue writes it: Packer does not tell capital letters from small ones.
fn canonical(schema: &BodySchema, name: &SmolStr) -> SmolStr {
    if schema.attributes.contains_key(name) || schema.blocks.contains_key(name) {
        return name.clone();
    }
    let mut names = schema.attributes.keys().chain(schema.blocks.keys());
    names
        .find(|known| known.eq_ignore_ascii_case(name))
        .unwrap_or(name)
        .clone()
}

/// `name = value`
pub(super) fn attribute(name: Name, value: Expr) -> Attribute {
    Attribute {
        span: name.span.cover(value.span),
        name,
        value,
    }
}
