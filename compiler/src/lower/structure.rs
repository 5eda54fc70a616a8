//! From trees of JSON or TOML to bodies, as HCL's JSON specification says.
//!
//! In: a [`Node`]. Out: a [`Body`] like that of the same template in HCL, and the problems of its form. Labels are keys
//! around a body, several blocks are a list, texts are templates; where the language wants an expression (a variable's
//! `type`), the text is one. In TOML a table may have its labels inside, `type = "shell"`, so that tables of several types
//! keep one order.

mod grammar;

use imgc_syntax::{FileId, Span};

use self::grammar::{Inside, Labels};
use super::hcl;
use super::tree::{Member, Node, NodeKind, Text};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::registry::Entry;
use crate::hir::{Attribute, Block, Body, Expr, ExprKind, Name};
use crate::types::Type;
use crate::value::Value;

/// Problems of trees that are no template.
pub const IDS: &[Entry] = &[
    Entry::error(
        "lower/legacy-template",
        "a legacy template in a file whose name says HCL's JSON form",
    ),
    Entry::error(
        "lower/missing-label",
        "a block in JSON or TOML without a label that it must have",
    ),
    Entry::error(
        "lower/not-a-block",
        "a value in JSON or TOML where a block is expected",
    ),
    Entry::error(
        "lower/not-an-object",
        "a JSON file that holds something else than an object",
    ),
];

/// The language a tree came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// HCL's JSON form.
    Json,
    /// imgc's TOML form.
    Toml,
}

/// Whether the root of a JSON text has keys of HCL's JSON form and none of a legacy template.
pub fn is_template(root: &Node) -> bool {
    let legacy = |key: &str, value: &Node| match key {
        "builders" | "post-processors" | "sensitive-variables" | "min_packer_version" => true,
        "provisioners" => matches!(value.kind, NodeKind::Array(_)),
        _ => false,
    };
    let ours = |key: &str| key != "variables" && Inside::Top.block(key).is_some();
    let roots = match &root.kind {
        NodeKind::Array(roots) => roots.as_slice(),
        _ => std::slice::from_ref(root),
    };
    let mut members = roots.iter().filter_map(Node::members).flatten();
    members.clone().any(|member| ours(&member.key.text))
        && !members.any(|member| legacy(&member.key.text, &member.value))
}

/// Lowers the root of a template.
pub fn template(root: &Node, text: &str, form: Form, out: &mut Vec<Diagnostic>) -> Body {
    let mut lower = Lower { text, form, out };
    let mut body = Body::default();
    if form == Form::Json
        && let Some(builders) = root.members().and_then(|members| {
            let builders = |m: &&Member| m.key.text == "builders" && m.value.is_array();
            members.iter().find(builders)
        })
        && root.get("source").is_none()
        && root.get("build").is_none()
    {
        out.push(
            Diagnostic::error(
                "lower/legacy-template",
                builders.key.span,
                "this is a legacy template, and the name of the file says HCL's JSON form",
            )
            .help("let the file's name end in `.json` only, or convert it: `imgc convert`"),
        );
    } else {
        lower.root(root, &mut body);
    }
    body.span = Some(whole(root.span.file, text));
    body
}

/// Lowers the root of a file that gives values to variables: they are data, and `${` in them means nothing.
pub fn variables(root: &Node, text: &str, form: Form, out: &mut Vec<Diagnostic>) -> Body {
    let lower = Lower { text, form, out };
    let mut body = Body {
        span: Some(whole(root.span.file, text)),
        ..Body::default()
    };
    match &root.kind {
        NodeKind::Object(members) => {
            for member in members.iter().filter(|member| !lower.is_comment(member)) {
                let name = inner_name(&member.key_text());
                let value = literal(&member.value);
                let span = member.key.span.cover(value.span);
                body.attributes.push(Attribute { name, value, span });
            }
        }
        NodeKind::Error => {}
        _ => lower.out.push(not_an_object(root)),
    }
    body
}

fn whole(file: FileId, text: &str) -> Span {
    Span::new(file, 0, text.len() as u32)
}

fn not_an_object(root: &Node) -> Diagnostic {
    let start = root.span.start;
    let place = Span::new(root.span.file, start, (start + 1).min(root.span.end));
    Diagnostic::error(
        "lower/not-an-object",
        place,
        format!("the file holds {}, not an object", root.what()),
    )
    .help("write `{ … }`")
}

struct Lower<'a> {
    text: &'a str,
    form: Form,
    out: &'a mut Vec<Diagnostic>,
}

/// A block whose labels are being read.
#[derive(Clone)]
struct Header {
    kind: Name,
    labels: Vec<Name>,
    /// Where problems with the block as a whole are shown.
    place: Span,
    /// From the innermost key or bracket that is this block's alone to its end.
    span: Span,
}

impl Lower<'_> {
    fn root(&mut self, root: &Node, body: &mut Body) {
        match &root.kind {
            NodeKind::Object(members) => self.members(members, &Inside::Top, body),
            NodeKind::Array(roots) if self.form == Form::Json => {
                for root in roots {
                    match &root.kind {
                        NodeKind::Object(members) => self.members(members, &Inside::Top, body),
                        NodeKind::Error => {}
                        _ => self.out.push(not_an_object(root)),
                    }
                }
            }
            NodeKind::Error => {}
            _ => self.out.push(not_an_object(root)),
        }
    }

    fn members(&mut self, members: &[Member], inside: &Inside, body: &mut Body) {
        for member in members {
            if self.is_comment(member) {
                continue;
            }
            let name = inner_name(&member.key_text());
            let span = member.key.span.cover(member.value.span);
            let labels = inside.block(&name.text).or_else(|| {
                let meant = inside.means_block(&name.text) && is_like_block(&member.value);
                meant.then_some(&[] as Labels)
            });
            match labels {
                Some(labels) => {
                    let header = Header {
                        place: member.key.span,
                        kind: name,
                        labels: Vec::new(),
                        span,
                    };
                    self.block(header, labels, &member.value, inside, body);
                }
                None => {
                    let value = self.attribute(&name, &member.value, inside);
                    body.attributes.push(Attribute { name, value, span });
                }
            }
        }
        // Tables of TOML stand in the order of their keys in the tree, and in that of the file in a body.
        body.blocks.sort_by_key(|block| block.span.start);
    }

    /// In JSON the key `//` is a comment.
    fn is_comment(&self, member: &Member) -> bool {
        self.form == Form::Json && member.key.text == "//"
    }

    /// The blocks that `node` stands for, of which `labels` are still to be read.
    fn block(
        &mut self,
        header: Header,
        labels: Labels,
        node: &Node,
        inside: &Inside,
        body: &mut Body,
    ) {
        match &node.kind {
            NodeKind::Array(elements) => {
                for element in elements {
                    let mut header = header.clone();
                    if elements.len() > 1 || self.form == Form::Toml {
                        header.place = self.opening(element);
                    }
                    header.span = element.span;
                    if matches!(element.kind, NodeKind::Array(_)) {
                        let problem = self.not_a_block(&header, element);
                        self.out.push(problem);
                    } else {
                        self.block(header, labels, element, inside, body);
                    }
                }
            }
            NodeKind::Object(members) if labels.is_empty() => {
                let block = self.body(header, members, node.span, inside);
                body.blocks.push(block);
            }
            NodeKind::Object(members) => self.labelled(header, labels, members, inside, body),
            NodeKind::Null | NodeKind::Error => {}
            _ => {
                let problem = self.not_a_block(&header, node);
                self.out.push(problem);
            }
        }
    }

    /// The blocks of an object whose keys are labels.
    fn labelled(
        &mut self,
        header: Header,
        labels: Labels,
        members: &[Member],
        inside: &Inside,
        body: &mut Body,
    ) {
        if self.form == Form::Toml && self.has_labels_inside(labels, members) {
            self.labels_inside(header, labels, members, inside, body);
            return;
        }
        if members.is_empty() {
            let problem = self.missing_label(&header, labels, header.place, None);
            self.out.push(problem);
        }
        if self.form == Form::Toml && labels == ["type"] && self.is_body(members) {
            self.without_type(header, labels, members, inside, body);
            return;
        }
        let given = members.iter().find(|member| member.key.text == labels[0]);
        let given = given.and_then(|member| member.value.text());
        let mut complained = false;
        for member in members {
            if self.is_comment(member) {
                continue;
            }
            if !could_have_label(&member.value) {
                // One message for a body where labels are expected.
                if !complained {
                    let problem = match given {
                        None if labels[0] == "name" => self.not_a_block(&header, &member.value),
                        _ => self.missing_label(&header, labels, member.key.span, given),
                    };
                    self.out.push(problem);
                    complained = true;
                }
                if given.is_some() {
                    return;
                }
                continue;
            }
            let mut header = header.clone();
            header.labels.push(inner_name(&member.key_text()));
            header.place = member.key.span;
            header.span = member.key.span.cover(member.value.span);
            self.block(header, &labels[1..], &member.value, inside, body);
        }
    }

    /// Whether there are attributes where labels could be.
    fn is_body(&self, members: &[Member]) -> bool {
        let is_attribute =
            |member: &Member| !self.is_comment(member) && !could_have_label(&member.value);
        members.iter().any(is_attribute)
    }

    /// A component that does not say which: what else is wrong with it can be told all the same.
    fn without_type(
        &mut self,
        mut header: Header,
        labels: Labels,
        members: &[Member],
        inside: &Inside,
        body: &mut Body,
    ) {
        let is_label = |member: &&Member| labels.contains(&member.key.text.as_str());
        let given = members.iter().find(is_label);
        let first = given.or_else(|| members.iter().find(|one| !could_have_label(&one.value)));
        let place = first.map_or(header.place, |member| member.key.span);
        let problem = self.missing_label(&header, labels, place, None);
        self.out.push(problem);
        header.labels.push(Name::missing(header.place));
        let rest: Vec<Member> = members.iter().filter(|m| !is_label(m)).cloned().collect();
        let span = header.span;
        let block = self.body(header, &rest, span, inside);
        body.blocks.push(block);
    }

    fn has_labels_inside(&self, labels: Labels, members: &[Member]) -> bool {
        let given = |label: &str| {
            members
                .iter()
                .any(|member| member.key.text == label && member.value.text().is_some())
        };
        labels.iter().all(|label| given(label))
    }

    /// A table that has its labels as keys among its attributes.
    fn labels_inside(
        &mut self,
        mut header: Header,
        labels: Labels,
        members: &[Member],
        inside: &Inside,
        body: &mut Body,
    ) {
        for label in labels {
            let given = members.iter().find(|member| member.key.text == *label);
            let text = given.and_then(|member| match &member.value.kind {
                NodeKind::Text(text) => Some(text),
                _ => None,
            });
            header.labels.extend(text.map(inner_name));
        }
        let is_label = |member: &&Member| labels.contains(&member.key.text.as_str());
        let rest: Vec<Member> = members.iter().filter(|m| !is_label(m)).cloned().collect();
        let span = header.span;
        let block = self.body(header, &rest, span, inside);
        body.blocks.push(block);
    }

    fn body(&mut self, header: Header, members: &[Member], span: Span, inside: &Inside) -> Block {
        let labels: Vec<&str> = header
            .labels
            .iter()
            .map(|label| label.text.as_str())
            .collect();
        let kind = header.kind.text.as_str();
        let within = if kind == "dynamic" && inside.block(kind).is_some() {
            let label = labels.first().copied().unwrap_or_default();
            let computed = labels_of(members);
            Inside::Dynamic(Box::new(inside.inside(label, &computed)))
        } else {
            inside.inside(kind, &labels)
        };
        let mut body = Body {
            span: Some(span),
            ..Body::default()
        };
        self.members(members, &within, &mut body);
        Block {
            kind: header.kind,
            labels: header.labels,
            body,
            header: header.place,
            span: header.span,
        }
    }

    /// The bracket a list's element begins with, or the line of a table of TOML.
    fn opening(&self, element: &Node) -> Span {
        let span = element.span;
        let len = match self.form {
            Form::Json => 1,
            Form::Toml => {
                let line = self.text[span.start as usize..span.end as usize]
                    .lines()
                    .next();
                line.map_or(0, |line| line.trim_end().len() as u32)
            }
        };
        Span::new(span.file, span.start, (span.start + len).min(span.end))
    }

    fn not_a_block(&self, header: &Header, node: &Node) -> Diagnostic {
        let kind = &header.kind.text;
        Diagnostic::error(
            "lower/not-a-block",
            node.span,
            format!("`{kind}` is a block, and this is {}", node.what()),
        )
        .help(match self.form {
            Form::Json => format!("write `\"{kind}\": {{ … }}`"),
            Form::Toml => format!("write a table `[{kind}]`"),
        })
    }

    fn missing_label(
        &self,
        header: &Header,
        labels: Labels,
        place: Span,
        given: Option<&str>,
    ) -> Diagnostic {
        let (kind, label) = (&header.kind.text, labels[0]);
        let message = format!("this `{kind}` block lacks a label, its {label}");
        let shown = given.map_or_else(|| label.to_uppercase(), str::to_owned);
        let help = match (self.form, labels) {
            (Form::Json, [_, _, ..]) => {
                format!(
                    "labels are keys around the body: `\"{kind}\": {{\"TYPE\": {{\"NAME\": {{ … }}}}}}`"
                )
            }
            (Form::Json, _) => {
                format!("a label is a key around the body: `\"{kind}\": {{\"{shown}\": {{ … }}}}`")
            }
            (Form::Toml, [_, _, ..]) => format!("write a table `[{kind}.TYPE.NAME]`"),
            (Form::Toml, _) => {
                format!(
                    "write `{label} = \"…\"` in it, or end the name of the table with the {label}"
                )
            }
        };
        Diagnostic::error("lower/missing-label", place, message).help(help)
    }

    fn attribute(&mut self, name: &Name, value: &Node, inside: &Inside) -> Expr {
        match &value.kind {
            NodeKind::Text(text) if inside.is_expression(&name.text) => {
                self.quoted_expression(text, value.span)
            }
            _ => self.expression(value),
        }
    }

    /// A text that is an expression, or a template of nothing but one.
    fn quoted_expression(&mut self, text: &Text, span: Span) -> Expr {
        if !text.text.trim_start().starts_with("${") {
            return hcl::expression_in(text, self.out);
        }
        let mut template = hcl::template_in(text, span, self.out);
        if let ExprKind::Template(parts) = &mut template.kind
            && let [crate::hir::Part::Interpolation(_)] = parts.as_slice()
            && let Some(crate::hir::Part::Interpolation(expr)) = parts.pop()
        {
            return expr;
        }
        template
    }

    /// A value in the place of an expression: texts are templates.
    fn expression(&mut self, node: &Node) -> Expr {
        let span = node.span;
        let kind = match &node.kind {
            NodeKind::Text(text) => return hcl::template_in(text, span, self.out),
            NodeKind::Array(elements) => ExprKind::Tuple(
                elements
                    .iter()
                    .map(|element| self.expression(element))
                    .collect(),
            ),
            NodeKind::Object(members) => ExprKind::Object(
                members
                    .iter()
                    .map(|member| {
                        let key = member.key_text();
                        let key = hcl::template_in(&key, member.key.span, self.out);
                        (key, self.expression(&member.value))
                    })
                    .collect(),
            ),
            _ => return literal(node),
        };
        Expr { kind, span }
    }
}

/// A value that is data: nothing in a text means anything.
fn literal(node: &Node) -> Expr {
    let kind = match &node.kind {
        NodeKind::Error => ExprKind::Error,
        NodeKind::Null => ExprKind::Literal(Value::null(Type::Any)),
        NodeKind::Bool(value) => ExprKind::Literal(Value::bool(*value)),
        NodeKind::Number(number) => ExprKind::Literal(Value::number(number.clone())),
        NodeKind::Text(text) => ExprKind::Literal(Value::string(text.text.clone())),
        NodeKind::Array(elements) => ExprKind::Tuple(elements.iter().map(literal).collect()),
        NodeKind::Object(members) => ExprKind::Object(
            members
                .iter()
                .map(|member| {
                    let key = Expr {
                        kind: ExprKind::Literal(Value::string(member.key.text.clone())),
                        span: member.key.span,
                    };
                    (key, literal(&member.value))
                })
                .collect(),
        ),
    };
    Expr {
        kind,
        span: node.span,
    }
}

/// Whether a value may stand under a label: a body, several, or none.
fn could_have_label(value: &Node) -> bool {
    match &value.kind {
        NodeKind::Object(_) | NodeKind::Null | NodeKind::Error => true,
        NodeKind::Array(elements) => {
            let object = |element: &Node| {
                matches!(
                    element.kind,
                    NodeKind::Object(_) | NodeKind::Error | NodeKind::Null
                )
            };
            elements.iter().all(object)
        }
        _ => false,
    }
}

/// The text as a name, at its place between the quotes.
fn inner_name(text: &Text) -> Name {
    Name {
        text: text.text.clone(),
        span: text.map.span(0, text.text.len() as u32),
    }
}

/// Whether a value could be the body of a block, or several.
fn is_like_block(value: &Node) -> bool {
    match &value.kind {
        NodeKind::Object(_) => true,
        NodeKind::Array(elements) => {
            let object = |element: &Node| matches!(element.kind, NodeKind::Object(_));
            !elements.is_empty() && elements.iter().all(object)
        }
        _ => false,
    }
}

/// The `labels` of a `dynamic` block, where they are plain texts.
fn labels_of(members: &[Member]) -> Vec<&str> {
    let labels = members.iter().find(|member| member.key.text == "labels");
    match labels.map(|member| &member.value.kind) {
        Some(NodeKind::Array(labels)) => labels.iter().filter_map(Node::text).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
