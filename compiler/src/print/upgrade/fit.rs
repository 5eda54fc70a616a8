//! Values of the types their options have.

use std::collections::BTreeSet;

use smol_str::SmolStr;

use super::variables::is_identifier;
use crate::configure::loosen_to;
use crate::eval;
use crate::hir::{Attribute as Given, BinaryOp, Block, Body, Call, Expr, ExprKind, Name, Part};
use crate::print::document::is_comment_name;
use crate::schema::{Attribute, BodySchema};
use crate::types::Type;
use crate::value::{Data, Value};

/// Makes values fit.
pub(super) struct Fit {
    /// Variables whose value may be an empty text.
    maybe_empty: BTreeSet<SmolStr>,
}

impl Fit {
    /// Knows the defaults of the template's variables.
    pub(super) fn new(body: &Body) -> Self {
        let is_empty = |block: &&crate::hir::Block| {
            let default = block
                .body
                .attribute("default")
                .map(|default| &default.value.kind);
            match default {
                Some(ExprKind::Literal(value)) => value.as_str() == Some(""),
                // What the environment does not have is empty.
                Some(ExprKind::Call(call)) => call.name.text == "env",
                _ => false,
            }
        };
        let variables = body.blocks_of("variable").filter(is_empty);
        let names = variables.filter_map(|block| block.labels.first());
        Self {
            maybe_empty: names.map(|label| label.text.clone()).collect(),
        }
    }

    /// The default of a variable, which is a text whatever the template wrote.
    pub(super) fn variable(&self, body: &mut Body) {
        for attribute in &mut body.attributes {
            if let ("default", ExprKind::Literal(value)) =
                (attribute.name.text.as_str(), &attribute.value.kind)
                && value.as_number().is_some()
            {
                let text = value.display();
                attribute.value.kind = ExprKind::Literal(Value::string(text));
            }
        }
    }

    /// The options of a component, or of a block in one.
    pub(super) fn options(&self, body: &mut Body, schema: Option<&BodySchema>) {
        // As if it were not given; comments are printed as comments.
        body.attributes.retain(|attribute| {
            !is_null(&attribute.value) && !is_comment_name(&attribute.name.text)
        });
        let Some(schema) = schema else {
            blocks_of_lists(body);
            return;
        };
        for attribute in &mut body.attributes {
            if let Some(known) = schema.attributes.get(&attribute.name.text) {
                self.option(&mut attribute.value, known);
            }
        }
        for block in &mut body.blocks {
            let inner = schema.blocks.get(&block.kind.text);
            self.options(&mut block.body, inner.map(|block| &block.body));
        }
    }

    /// Options as an object, as `override` has them.
    pub(super) fn object(&self, options: &mut Expr, schema: Option<&BodySchema>) {
        let ExprKind::Object(entries) = &mut options.kind else {
            return;
        };
        for (key, value) in entries {
            let name = match &key.kind {
                ExprKind::Literal(name) => name.as_str(),
                _ => None,
            };
            let known = name.and_then(|name| schema?.attributes.get(name));
            if let Some(known) = known {
                self.option(value, known);
            }
        }
    }

    fn option(&self, value: &mut Expr, known: &Attribute) {
        match &value.kind {
            ExprKind::Literal(literal) if known.is_duration() && literal.as_number().is_some() => {
                // As the plan has it.
                value.kind = ExprKind::Literal(Value::string(format!("{}ns", literal.display())));
            }
            _ => self.value(value, &known.ty),
        }
    }

    /// Makes an expression one of a type, as far as that can be seen.
    pub(super) fn value(&self, value: &mut Expr, ty: &Type) {
        let maybe_empty = self.maybe_empty(value);
        match (&mut value.kind, ty) {
            (ExprKind::Tuple(elements), Type::List(element) | Type::Set(element)) => {
                elements
                    .iter_mut()
                    .for_each(|value| self.value(value, element));
            }
            (ExprKind::Tuple(elements), Type::Map(_)) => {
                let merged = merged(elements);
                if let Some(entries) = merged {
                    value.kind = ExprKind::Object(entries);
                    self.value(value, ty);
                }
            }
            (ExprKind::Object(entries), Type::Map(element)) => {
                entries
                    .iter_mut()
                    .for_each(|(_, value)| self.value(value, element));
            }
            (ExprKind::Object(entries), Type::List(_) | Type::Set(_)) => {
                let is_empty = entries.is_empty();
                let object = take(value);
                value.kind = ExprKind::Tuple(if is_empty { Vec::new() } else { vec![object] });
            }
            (ExprKind::Literal(literal), _) => {
                if let Some(kind) = literal_of(literal, value.span, ty) {
                    value.kind = kind;
                }
            }
            // A text with a part that varies is one text, unless it has commas.
            (ExprKind::Template(parts), Type::List(_) | Type::Set(_)) if is_one_text(parts) => {
                let text = take(value);
                value.kind = ExprKind::Tuple(vec![text]);
            }
            (
                ExprKind::Template(_) | ExprKind::Attribute(..) | ExprKind::Call(_),
                Type::List(_) | Type::Set(_),
            ) => {
                let given = take(value);
                let separator = Expr {
                    kind: ExprKind::Literal(Value::string(",")),
                    span: given.span,
                };
                value.kind = call("split", vec![separator, given], value.span);
                if maybe_empty {
                    // An empty text is an empty list.
                    let parts = take(value);
                    value.kind = call("compact", vec![parts], value.span);
                }
            }
            // An empty text is false, and zero.
            (ExprKind::Attribute(..), Type::Bool) if maybe_empty => {
                value.kind = or_if_empty(value, "false");
            }
            (ExprKind::Attribute(..), Type::Number) if maybe_empty => {
                value.kind = or_if_empty(value, "0");
            }
            _ => {}
        }
    }

    fn maybe_empty(&self, value: &Expr) -> bool {
        match &value.kind {
            ExprKind::Attribute(root, name) => {
                matches!(&root.kind, ExprKind::Variable(root) if root == "var")
                    && self.maybe_empty.contains(&name.text)
            }
            _ => false,
        }
    }
}

/// Whether a text has parts of its own, none of them a comma, and is known before anything runs: a run's values may have
/// commas.
fn is_one_text(parts: &[Part]) -> bool {
    let mut expressions = parts.iter().filter_map(|part| match part {
        Part::Interpolation(expr) => Some(expr),
        _ => None,
    });
    let is_late = |expr: &Expr| {
        let references = eval::references(expr);
        references.iter().any(|reference| reference.root == "build")
    };
    if expressions.any(is_late) {
        return false;
    }
    let mut literals = parts.iter().filter_map(|part| match part {
        Part::Literal(text) => Some(text),
        _ => None,
    });
    literals.clone().next().is_some() && !literals.any(|text| text.contains(','))
}

/// Turns lists of objects into blocks, as plugins want them; nobody knows what the component's does. Members whose names are
/// none of HCL's stay an object.
fn blocks_of_lists(body: &mut Body) {
    let attributes = std::mem::take(&mut body.attributes);
    for attribute in attributes {
        match listed(&attribute.value) {
            Some(bodies) => body.blocks.extend(bodies.into_iter().map(|mut inner| {
                let span = inner.span.unwrap_or(attribute.span);
                blocks_of_lists(&mut inner);
                Block {
                    kind: attribute.name.clone(),
                    labels: Vec::new(),
                    body: inner,
                    header: attribute.name.span,
                    span,
                }
            })),
            None => body.attributes.push(attribute),
        }
    }
}

/// The objects of a list as bodies; `None` for everything else.
fn listed(value: &Expr) -> Option<Vec<Body>> {
    let ExprKind::Tuple(elements) = &value.kind else {
        return None;
    };
    if elements.is_empty() {
        return None;
    }
    elements.iter().map(inside).collect()
}

/// An object as the inside of a block.
fn inside(object: &Expr) -> Option<Body> {
    let ExprKind::Object(entries) = &object.kind else {
        return None;
    };
    let attributes = entries.iter().map(|(key, value)| {
        let ExprKind::Literal(name) = &key.kind else {
            return None;
        };
        let name = name.as_str().filter(|name| is_identifier(name))?;
        Some(Given {
            name: Name {
                text: name.into(),
                span: key.span,
            },
            value: value.clone(),
            span: key.span.cover(value.span),
        })
    });
    Some(Body {
        attributes: attributes.collect::<Option<Vec<_>>>()?,
        blocks: Vec::new(),
        span: Some(object.span),
        weak: false,
    })
}

fn take(expr: &mut Expr) -> Expr {
    Expr {
        kind: std::mem::replace(&mut expr.kind, ExprKind::Error),
        span: expr.span,
    }
}

fn call(name: &'static str, arguments: Vec<Expr>, span: imgc_syntax::Span) -> ExprKind {
    ExprKind::Call(Box::new(Call {
        name: Name {
            text: SmolStr::new_static(name),
            span,
        },
        arguments,
        expand_last: false,
    }))
}

/// `expr != "" ? expr : "other"`.
fn or_if_empty(expr: &Expr, other: &'static str) -> ExprKind {
    let literal = |text| Expr {
        kind: ExprKind::Literal(Value::string(text)),
        span: expr.span,
    };
    let given = Expr {
        kind: ExprKind::Binary(
            Box::new(expr.clone()),
            BinaryOp::NotEqual,
            Box::new(literal("")),
        ),
        span: expr.span,
    };
    ExprKind::Conditional(Box::new([given, expr.clone(), literal(other)]))
}

fn is_null(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Literal(value) if value.is_null())
}

/// The entries of a list of objects, the later ones in the place of those with the same key.
fn merged(elements: &[Expr]) -> Option<Vec<(Expr, Expr)>> {
    let mut merged: Vec<(Expr, Expr)> = Vec::new();
    for element in elements {
        let ExprKind::Object(entries) = &element.kind else {
            return None;
        };
        for (key, value) in entries {
            let name = crate::print::hcl::expression(key);
            merged.retain(|(known, _)| crate::print::hcl::expression(known) != name);
            merged.push((key.clone(), value.clone()));
        }
    }
    Some(merged)
}

/// What Packer makes of a literal; `None` where it fits as it is.
fn literal_of(value: &Value, span: imgc_syntax::Span, ty: &Type) -> Option<ExprKind> {
    let fits = match (value.data(), ty) {
        (Data::Null(_), _) | (Data::Bool(_), Type::Bool) => true,
        // HCL makes a text of a number by itself.
        (Data::Number(_), Type::Number | Type::String) | (Data::String(_), Type::String) => true,
        _ => false,
    };
    if fits {
        return None;
    }
    let loosened = loosen_to(value, ty);
    match loosened.as_slice() {
        Some(parts) => {
            let literal = |part: &Value| Expr {
                kind: ExprKind::Literal(part.clone()),
                span,
            };
            Some(ExprKind::Tuple(parts.iter().map(literal).collect()))
        }
        None => (loosened != *value).then_some(ExprKind::Literal(loosened)),
    }
}

/// A time that the template gave as a number of nanoseconds.
pub(super) fn limit(expr: &mut Expr) {
    let ExprKind::Literal(value) = &expr.kind else {
        return;
    };
    let number = value.as_str().and_then(|text| text.strip_suffix("ns"));
    if let Some(number) = number.filter(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
        expr.kind = ExprKind::Literal(Value::string(duration(number)));
    }
}

/// A number of nanoseconds as a duration.
fn duration(nanoseconds: &str) -> String {
    for (zeros, unit) in [("000000000", "s"), ("000000", "ms"), ("000", "us")] {
        if let Some(number) = nanoseconds
            .strip_suffix(zeros)
            .filter(|number| !number.is_empty())
        {
            return format!("{number}{unit}");
        }
    }
    format!("{nanoseconds}ns")
}
