//! What of a body is at an offset, whatever the language: by the spans of bodies.

use imgc_compiler::Span;
use imgc_compiler::hir::{Attribute, Block, Body, Expr, ExprKind, Name, Part};

use crate::grammar::Inside;

/// What is at an offset.
pub(crate) struct Spot<'b> {
    /// The blocks around it, the outermost first; without the one whose header it is.
    pub(crate) blocks: Vec<&'b Block>,
    /// What the body it is in is the inside of.
    pub(crate) inside: Inside,
    pub(crate) on: On<'b>,
}

/// The part of a body that is there.
pub(crate) enum On<'b> {
    /// The first word of a block.
    Kind(&'b Block),
    /// A label of a block, by its position.
    Label(&'b Block, usize),
    /// The name of an attribute.
    Name(&'b Attribute),
    /// The value of an attribute.
    Value(&'b Attribute),
    /// Between items.
    Space,
}

/// What is at `offset` of a body.
pub(crate) fn spot(body: &Body, top: Inside, offset: u32) -> Spot<'_> {
    let mut blocks: Vec<&Block> = Vec::new();
    let mut body = body;
    loop {
        if let Some(on) = item(body, offset) {
            return Spot {
                inside: inside(top, &blocks),
                blocks,
                on,
            };
        }
        let next = body.blocks.iter().find(|block| covers(block, offset));
        match next {
            Some(block) => {
                blocks.push(block);
                body = &block.body;
            }
            None => {
                return Spot {
                    inside: inside(top, &blocks),
                    blocks,
                    on: On::Space,
                };
            }
        }
    }
}

/// What a chain of blocks is the inside of.
pub(crate) fn inside(top: Inside, blocks: &[&Block]) -> Inside {
    let chain = blocks.iter().map(|block| {
        let labels = block.labels.iter().map(|label| label.text.as_str());
        (block.kind.text.as_str(), labels.collect())
    });
    Inside::of_chain(top, chain)
}

fn item(body: &Body, offset: u32) -> Option<On<'_>> {
    for attribute in &body.attributes {
        if touches(attribute.name.span, offset) && is_written(&attribute.name) {
            return Some(On::Name(attribute));
        }
        if touches(attribute.value.span, offset) {
            return Some(On::Value(attribute));
        }
    }
    for block in &body.blocks {
        let label = block
            .labels
            .iter()
            .position(|label| touches(label.span, offset));
        if let Some(at) = label {
            return Some(On::Label(block, at));
        }
        if touches(block.kind.span, offset) && is_written(&block.kind) {
            return Some(On::Kind(block));
        }
    }
    None
}

/// Whether a word stands where its span says: those that other languages only mean have the span of something larger.
fn is_written(name: &Name) -> bool {
    let (len, written) = (name.text.len() as u32, name.span.len());
    (len..=len + 2).contains(&written)
}

fn covers(block: &Block, offset: u32) -> bool {
    let body = block.body.span.is_some_and(|span| touches(span, offset));
    body || touches(block.span, offset)
}

pub(crate) fn touches(span: Span, offset: u32) -> bool {
    span.start <= offset && offset <= span.end
}

/// The expressions around an offset, the innermost first.
pub(crate) fn expressions(expr: &Expr, offset: u32) -> Vec<&Expr> {
    let mut found = Vec::new();
    let mut next = Some(expr);
    while let Some(expr) = next {
        found.push(expr);
        next = children(expr)
            .into_iter()
            .find(|child| touches(child.span, offset));
    }
    found.reverse();
    found
}

/// The expressions directly in an expression.
pub(crate) fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Error | ExprKind::Literal(_) | ExprKind::Variable(_) | ExprKind::SplatItem => {
            Vec::new()
        }
        ExprKind::Template(parts) => {
            let mut found = Vec::new();
            in_parts(parts, &mut found);
            found
        }
        ExprKind::Unary(_, operand)
        | ExprKind::Paren(operand)
        | ExprKind::Attribute(operand, _) => vec![operand],
        ExprKind::Binary(left, _, right) => vec![left, right],
        ExprKind::Index(left, right) => vec![left, right],
        ExprKind::Conditional(parts) => parts.iter().collect(),
        ExprKind::For(each) => {
            let mut found = vec![&each.collection, &each.result];
            found.extend(&each.result_key);
            found.extend(&each.condition);
            found
        }
        ExprKind::Splat { operand, each } => vec![operand, each],
        ExprKind::Call(call) => call.arguments.iter().collect(),
        ExprKind::Tuple(elements) => elements.iter().collect(),
        ExprKind::Object(entries) => entries.iter().flat_map(|(k, v)| [k, v]).collect(),
    }
}

fn in_parts<'e>(parts: &'e [Part], found: &mut Vec<&'e Expr>) {
    for part in parts {
        match part {
            Part::Literal(_) => {}
            Part::Interpolation(expr) => found.push(expr),
            Part::If {
                condition,
                then,
                otherwise,
                ..
            } => {
                found.push(condition);
                in_parts(then, found);
                in_parts(otherwise, found);
            }
            Part::For {
                collection, body, ..
            } => {
                found.push(collection);
                in_parts(body, found);
            }
        }
    }
}
