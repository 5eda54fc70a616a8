//! `builders` as `source` blocks, and as the sources of the build.

use std::collections::{BTreeMap, BTreeSet};

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::body::{attribute, last};
use super::express::literal;
use super::{Lower, block, word};
use crate::components::ComponentKind;
use crate::diagnostic::Diagnostic;
use crate::go_template::functions::Where;
use crate::hir::{Attribute, Block, Expr, ExprKind, Name};
use crate::lower::tree::{Node, NodeKind};
use crate::schema;

/// What the builders became.
pub(super) struct Sources {
    /// `source` blocks at the top.
    pub(super) declared: Vec<Block>,
    /// `sources = […]`, if all names can be names of sources.
    pub(super) listed: Option<Attribute>,
    /// `source` blocks of the build, which give names that HCL has not.
    pub(super) nested: Vec<Block>,
}

/// One builder.
struct Builder {
    ty: Name,
    /// The name of the source.
    id: SmolStr,
    /// What the build is called, if that is another name.
    shown: Option<Expr>,
    span: Span,
}

const FORM: &str = "\"builders\": [{ \"type\": \"…\" }]";

impl Lower<'_> {
    pub(super) fn builders(&mut self, node: Option<&Node>, whole: Span) -> Sources {
        let mut sources = Sources {
            declared: Vec::new(),
            listed: None,
            nested: Vec::new(),
        };
        let elements = self.list(node, "`builders`", FORM);
        let listed = node.is_none_or(|node| matches!(node.kind, NodeKind::Array(_)));
        if elements.is_empty() && listed {
            let place = node.map_or_else(|| whole.at_start(), |node| node.span);
            self.out.push(
                Diagnostic::error("legacy/no-builder", place, "this template has no builder")
                    .help(format!("add one: `{FORM}`")),
            );
        }
        let mut names: BTreeMap<SmolStr, Span> = BTreeMap::new();
        let mut ids: BTreeSet<(SmolStr, SmolStr)> = BTreeSet::new();
        let mut builders = Vec::with_capacity(elements.len());
        let mut all_named = true;
        for element in elements {
            let Some((builder, source)) = self.builder(element, &mut names, &mut ids) else {
                all_named = false;
                continue;
            };
            builders.push(builder);
            sources.declared.push(source);
        }
        self.builders = all_named.then(|| names.into_keys().collect());
        if builders.iter().any(|builder| builder.shown.is_some()) {
            sources.nested = builders.iter().map(nested).collect();
        } else {
            let span = node.map_or(whole, |node| node.span);
            let texts = builders
                .iter()
                .map(|builder| literal(&reference(builder), builder.span));
            let kind = match builders.as_slice() {
                // It was complained about already.
                [] => ExprKind::Error,
                _ => ExprKind::Tuple(texts.collect()),
            };
            let list = Expr { kind, span };
            sources.listed = Some(attribute(word("sources", span), list));
        }
        sources
    }

    fn builder(
        &mut self,
        node: &Node,
        names: &mut BTreeMap<SmolStr, Span>,
        ids: &mut BTreeSet<(SmolStr, SmolStr)>,
    ) -> Option<(Builder, Block)> {
        let (ty, members) = self.component(node, "a builder", FORM)?;
        let given = members.iter().find(|member| member.key.text == "name");
        let name = match given.map(|member| &member.value) {
            None => word(&ty.text, ty.span),
            Some(value) => match &value.kind {
                NodeKind::Null => word(&ty.text, ty.span),
                NodeKind::Text(text) => word(&text.text, value.span),
                NodeKind::Number(number) => word(&number.to_string(), value.span),
                NodeKind::Error => return None,
                _ => {
                    self.wrong_shape(
                        value,
                        "the name of a builder",
                        "a text",
                        "\"name\": \"web\"",
                    );
                    return None;
                }
            },
        };
        if let Some(first) = names.insert(name.text.clone(), name.span) {
            self.out.push(
                Diagnostic::error(
                    "legacy/duplicate-builder",
                    name.span,
                    format!("there are two builders called `{}`", name.text),
                )
                .label(first, "this is the other one")
                .help("give this one a name of its own: `\"name\": \"…\"`"),
            );
            return None;
        }
        let mut id = identifier(&name.text);
        while !ids.insert((ty.text.clone(), id.clone())) {
            id = format!("{id}_").into();
        }
        let shown = (id != name.text).then(|| match given.map(|member| &member.value.kind) {
            Some(NodeKind::Text(text)) => self.text(text, name.span, Where::Early),
            _ => literal(&name.text, name.span),
        });
        let schema = schema::component(ComponentKind::Builder, &ty.text);
        let options = members
            .iter()
            .filter(|member| !matches!(member.key.text.as_str(), "type" | "name"))
            .copied();
        let body = self.options(schema.map(|s| &s.body), options, node.span, Where::Builder);
        let source = Block {
            kind: word("source", ty.span),
            labels: vec![ty.clone(), word(&id, name.span)],
            body,
            header: ty.span,
            span: node.span,
        };
        let builder = Builder {
            span: name.span,
            ty,
            id,
            shown,
        };
        Some((builder, source))
    }

    /// The type and the members of a builder, provisioner or post-processor.
    pub(super) fn component<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        form: &str,
    ) -> Option<(Name, Vec<&'n crate::lower::tree::Member>)> {
        let Some(members) = node.members() else {
            if !matches!(node.kind, NodeKind::Error) {
                self.wrong_shape(node, what, "an object", form);
            }
            return None;
        };
        let members: Vec<_> = last(members).collect();
        let ty = members.iter().find(|member| member.key.text == "type");
        let ty = ty.map(|member| &member.value);
        match ty.map(|value| (&value.kind, value.span)) {
            Some((NodeKind::Text(text), span)) if !text.text.is_empty() => {
                Some((word(&text.text, span), members))
            }
            Some((NodeKind::Error, _)) => None,
            None | Some((NodeKind::Null | NodeKind::Text(_), _)) => {
                let place = ty.map_or_else(|| node.span.at_start(), |value| value.span);
                self.out.push(
                    Diagnostic::error(
                        "legacy/missing-type",
                        place,
                        format!("{what} needs a `type`"),
                    )
                    .help(format!("write `{form}`")),
                );
                None
            }
            Some((_, _)) => {
                let value = ty?;
                self.wrong_shape(value, &format!("the type of {what}"), "a text", form);
                None
            }
        }
    }
}

fn reference(builder: &Builder) -> String {
    format!("source.{}.{}", builder.ty.text, builder.id)
}

fn nested(builder: &Builder) -> Block {
    let label = word(&reference(builder), builder.span);
    let name = match &builder.shown {
        Some(name) => name.clone(),
        None => literal(&builder.id, builder.span),
    };
    let attributes = vec![attribute(word("name", builder.span), name)];
    block(
        "source",
        &[label],
        builder.span,
        builder.span,
        attributes,
        Vec::new(),
    )
}

/// A name that HCL's references can have: each character they cannot have is `_`.
fn identifier(name: &str) -> SmolStr {
    let mut id = String::with_capacity(name.len());
    for c in name.chars() {
        let fits =
            c == '_' || c.is_alphabetic() || (!id.is_empty() && (c == '-' || c.is_numeric()));
        if !fits && id.is_empty() && c.is_numeric() {
            id.push('_');
            id.push(c);
        } else {
            id.push(if fits { c } else { '_' });
        }
    }
    if id.is_empty() {
        id.push('_');
    }
    id.into()
}
