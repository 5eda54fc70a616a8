//! `provisioners` and `post-processors` as the blocks of a build.

use std::collections::BTreeMap;

use imgc_syntax::Span;

use super::body::attribute;
use super::builders::Sources;
use super::encode::encode;
use super::express::literal;
use super::{Lower, block, word};
use crate::components::ComponentKind;
use crate::go_template::functions::Where;
use crate::hir::{Attribute, Block, Body, Expr, ExprKind};
use crate::lower::tree::{Member, Node, NodeKind};
use crate::module::meta_names;
use crate::schema;

const PROVISIONER: &str = "\"provisioners\": [{ \"type\": \"…\" }]";
const CLEANUP: &str = "\"error-cleanup-provisioner\": { \"type\": \"…\" }";
const POST_PROCESSOR: &str = "\"post-processors\": [{ \"type\": \"…\" }]";

impl Lower<'_> {
    /// The one build of the template.
    pub(super) fn build(
        &mut self,
        sources: &Sources,
        sections: &BTreeMap<&'static str, &Node>,
        whole: Span,
    ) -> Block {
        let section = |name: &str| sections.get(name).copied();
        let mut attributes = Vec::new();
        if let Some(node) = section("description") {
            match &node.kind {
                NodeKind::Text(text) => {
                    let text = literal(&text.text, node.span);
                    attributes.push(attribute(word("description", node.span), text));
                }
                _ => self.wrong_shape(node, "`description`", "a text", "\"description\": \"…\""),
            }
        }
        attributes.extend(sources.listed.clone());
        let mut blocks = sources.nested.clone();
        for element in self.list(section("provisioners"), "`provisioners`", PROVISIONER) {
            blocks.extend(self.provisioner(element, "provisioner", PROVISIONER));
        }
        if let Some(node) = section("error-cleanup-provisioner") {
            blocks.extend(self.provisioner(node, "error-cleanup-provisioner", CLEANUP));
        }
        let post_processors = self.list(
            section("post-processors"),
            "`post-processors`",
            POST_PROCESSOR,
        );
        for element in post_processors {
            blocks.extend(self.chain(element));
        }
        let place = section("builders").map_or(whole.at_start(), |node| node.span);
        block("build", &[], place, whole, attributes, blocks)
    }

    fn provisioner(&mut self, node: &Node, kind: &str, form: &str) -> Option<Block> {
        let (ty, members) = self.component(node, "a provisioner", form)?;
        let schema = schema::component(ComponentKind::Provisioner, &ty.text);
        let (meta, options): (Vec<&Member>, Vec<&Member>) =
            members.into_iter().partition(|member| {
                member.key.text == "type" || meta_names(false).contains(&member.key.text.as_str())
            });
        let mut body = self.options(
            schema.map(|s| &s.body),
            options.into_iter(),
            node.span,
            Where::Build,
        );
        body.attributes.extend(self.meta(&meta));
        if let Some(schema) = schema {
            encode(&mut body, schema);
        }
        Some(Block {
            kind: word(kind, ty.span),
            header: ty.span,
            labels: vec![ty],
            body,
            span: node.span,
        })
    }

    /// The settings that belong to every provisioner or post-processor.
    fn meta(&mut self, members: &[&Member]) -> Vec<Attribute> {
        let mut attributes = Vec::with_capacity(members.len());
        for member in members {
            let value = &member.value;
            let expr = match (member.key.text.as_str(), &value.kind) {
                ("type", _) | (_, NodeKind::Null) => continue,
                ("override", NodeKind::Object(members)) if !self.overrides_builders(members) => {
                    continue;
                }
                ("override", NodeKind::Object(_)) => self.expr(value, Where::Build),
                ("override", NodeKind::Error) => continue,
                ("override", _) => {
                    let form = "\"override\": { \"BUILDER\": { \"option\": … } }";
                    self.wrong_shape(value, "`override`", "an object", form);
                    continue;
                }
                (name @ ("only" | "except"), _) if !self.names_builders(name, value) => Expr {
                    kind: ExprKind::Error,
                    span: value.span,
                },
                // One name is a list of it.
                ("only" | "except", NodeKind::Text(_)) => Expr {
                    kind: ExprKind::Tuple(vec![self.expr(value, Where::Early)]),
                    span: value.span,
                },
                // A number of nanoseconds.
                ("pause_before" | "timeout", NodeKind::Number(number)) => {
                    literal(&format!("{number}ns"), value.span)
                }
                _ => self.expr(value, Where::Early),
            };
            attributes.push(attribute(member.key.clone(), expr));
        }
        attributes
    }

    /// An element of `post-processors`: a name, an object, or a list of these.
    fn chain(&mut self, node: &Node) -> Option<Block> {
        let NodeKind::Array(elements) = &node.kind else {
            return self.post_processor(node);
        };
        let mut blocks = Vec::with_capacity(elements.len());
        for element in elements {
            if matches!(element.kind, NodeKind::Array(_)) {
                self.wrong_shape(
                    element,
                    "an element of a sequence",
                    "a name or an object",
                    "\"post-processors\": [[\"compress\", { \"type\": \"…\" }]]",
                );
            } else {
                blocks.extend(self.post_processor(element));
            }
        }
        let header = node.span.at_start();
        Some(block(
            "post-processors",
            &[],
            header,
            node.span,
            Vec::new(),
            blocks,
        ))
    }

    fn post_processor(&mut self, node: &Node) -> Option<Block> {
        if let NodeKind::Text(text) = &node.kind {
            let ty = word(&text.text, node.span);
            return Some(block(
                "post-processor",
                &[ty],
                node.span,
                node.span,
                Vec::new(),
                Vec::new(),
            ));
        }
        let (ty, members) = self.component(node, "a post-processor", POST_PROCESSOR)?;
        let schema = schema::component(ComponentKind::PostProcessor, &ty.text);
        let (meta, options): (Vec<&Member>, Vec<&Member>) =
            members.into_iter().partition(|member| {
                member.key.text == "type" || meta_names(true).contains(&member.key.text.as_str())
            });
        let mut body: Body = self.options(
            schema.map(|s| &s.body),
            options.into_iter(),
            node.span,
            Where::Build,
        );
        body.attributes.extend(self.meta(&meta));
        Some(Block {
            kind: word("post-processor", ty.span),
            header: ty.span,
            labels: vec![ty],
            body,
            span: node.span,
        })
    }
}
