//! What hcl-edit sees in a text, in the form our own structure is shown in.

use std::fmt::Write;

use super::{errors, number, show_body};
use ::hcl_edit::expr::{Expression, ObjectKey, TraversalOperator};
use ::hcl_edit::structure::{BlockLabel, Body, Structure};
use ::hcl_edit::template::{Directive, Element, Strip, Template};
use imgc_syntax::hcl::parse;

/// The structure that hcl-edit sees, in the form of [`super::shape`]; nothing where it does not accept the text.
pub(crate) fn theirs(text: &str) -> Option<String> {
    let body = ::hcl_edit::parser::parse_body(text).ok()?;
    let mut out = String::new();
    write_body(&body, 0, &mut out);
    Some(out)
}

fn write_body(body: &Body, depth: usize, out: &mut String) {
    let indent = depth * 2;
    for structure in body {
        match structure {
            Structure::Attribute(attribute) => {
                writeln!(
                    out,
                    "{:indent$}{} = {}",
                    "",
                    attribute.key.as_str(),
                    expression(&attribute.value)
                )
                .unwrap();
            }
            Structure::Block(block) => {
                write!(out, "{:indent$}{}", "", block.ident.as_str()).unwrap();
                for label in &block.labels {
                    match label {
                        BlockLabel::Ident(ident) => write!(out, " {}", ident.as_str()).unwrap(),
                        BlockLabel::String(text) => write!(out, " {:?}", text.as_str()).unwrap(),
                    }
                }
                out.push_str(":\n");
                write_body(&block.body, depth + 1, out);
            }
        }
    }
}

fn expression(expr: &Expression) -> String {
    match expr {
        Expression::Null(_) => "null".into(),
        Expression::Bool(value) => value.to_string(),
        Expression::Number(value) => {
            let text = number(&value.value().to_string());
            // A sign belongs to the literal there and is an operator here, as the specification has it.
            text.strip_prefix('-')
                .map_or(text.clone(), |digits| format!("(- {digits})"))
        }
        Expression::String(text) => format!("{:?}", text.as_str()),
        Expression::Array(array) => format!("[{}]", joined(array.iter().map(expression))),
        Expression::Object(object) => {
            let items = object.iter().map(|(key, value)| {
                let key = match key {
                    ObjectKey::Ident(ident) => ident.as_str().to_owned(),
                    ObjectKey::Expression(Expression::Variable(name)) => name.as_str().to_owned(),
                    ObjectKey::Expression(expr) => expression(expr),
                };
                format!("{key}: {}", expression(value.expr()))
            });
            format!("{{{}}}", joined(items))
        }
        Expression::StringTemplate(template) => {
            let elements: Vec<_> = template.iter().collect();
            format!(
                "(template {})",
                template_parts(&elements, elements.iter().any(|element| strips(element)))
            )
        }
        Expression::HeredocTemplate(heredoc) => {
            let elements: Vec<_> = heredoc.template.iter().collect();
            format!(
                "(heredoc {})",
                template_parts(&elements, elements.iter().any(|element| strips(element)))
            )
        }
        Expression::Parenthesis(inner) => format!("(paren {})", expression(inner.inner())),
        Expression::Variable(name) => name.as_str().to_owned(),
        Expression::Conditional(conditional) => format!(
            "(if {} {} {})",
            expression(&conditional.cond_expr),
            expression(&conditional.true_expr),
            expression(&conditional.false_expr)
        ),
        Expression::FuncCall(call) => {
            let mut name = String::new();
            for part in &call.name.namespace {
                write!(name, "{}::", part.as_str()).unwrap();
            }
            let expand = if call.args.expand_final() { "..." } else { "" };
            format!(
                "{name}{}({}{expand})",
                call.name.name.as_str(),
                joined(call.args.iter().map(expression))
            )
        }
        Expression::Traversal(traversal) => {
            let operators: Vec<_> = traversal
                .operators
                .iter()
                .map(|operator| operator.value())
                .collect();
            format!("(get {}{})", expression(&traversal.expr), steps(&operators))
        }
        Expression::UnaryOp(operation) => format!(
            "({} {})",
            operation.operator.value().as_str(),
            expression(&operation.expr)
        ),
        Expression::BinaryOp(operation) => format!(
            "({} {} {})",
            operation.operator.value().as_str(),
            expression(&operation.lhs_expr),
            expression(&operation.rhs_expr)
        ),
        Expression::ForExpr(for_expr) => {
            let intro = &for_expr.intro;
            let key = intro
                .key_var
                .as_ref()
                .map_or(String::new(), |key| format!("{},", key.as_str()));
            let head = format!(
                "{key}{} in {} : ",
                intro.value_var.as_str(),
                expression(&intro.collection_expr)
            );
            let value = expression(&for_expr.value_expr);
            let grouping = if for_expr.grouping { "..." } else { "" };
            let condition = for_expr.cond.as_ref().map_or(String::new(), |cond| {
                format!(" if {}", expression(&cond.expr))
            });
            match &for_expr.key_expr {
                Some(key) => format!(
                    "(for-object {head}{} => {value}{grouping}{condition})",
                    expression(key)
                ),
                None => format!("(for-tuple {head}{value}{grouping}{condition})"),
            }
        }
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// Steps in a flat list there; here a splat owns the steps it applies to each element.
fn steps(operators: &[&TraversalOperator]) -> String {
    let Some((first, rest)) = operators.split_first() else {
        return String::new();
    };
    match first {
        TraversalOperator::GetAttr(name) => format!(" .{}{}", name.as_str(), steps(rest)),
        TraversalOperator::LegacyIndex(index) => format!(" .{}{}", **index, steps(rest)),
        TraversalOperator::Index(key) => format!(" [{}]{}", expression(key), steps(rest)),
        TraversalOperator::AttrSplat(_) => {
            let is_attr = |operator: &&&TraversalOperator| {
                matches!(
                    operator,
                    TraversalOperator::GetAttr(_) | TraversalOperator::LegacyIndex(_)
                )
            };
            let own = rest.iter().take_while(is_attr).count();
            format!(
                " .*({}){}",
                steps(&rest[..own]).trim_start(),
                steps(&rest[own..])
            )
        }
        TraversalOperator::FullSplat(_) => format!(" [*]({})", steps(rest).trim_start()),
    }
}

/// Whether a part of a template, or a part of that, has a strip marker.
fn strips(element: &Element) -> bool {
    let any = |template: &Template| template.iter().any(strips);
    match element {
        Element::Literal(_) => false,
        Element::Interpolation(interpolation) => interpolation.strip != Strip::None,
        Element::Directive(directive) => match &**directive {
            Directive::If(directive) => {
                directive.if_expr.strip != Strip::None
                    || directive.endif_expr.strip != Strip::None
                    || any(&directive.if_expr.template)
                    || directive
                        .else_expr
                        .as_ref()
                        .is_some_and(|part| part.strip != Strip::None || any(&part.template))
            }
            Directive::For(directive) => {
                directive.for_expr.strip != Strip::None
                    || directive.endfor_expr.strip != Strip::None
                    || any(&directive.for_expr.template)
            }
        },
    }
}

/// The parts of a template; without its text where it has strip markers, which hcl-edit applies only on evaluation.
fn template_parts(elements: &[&Element], elide: bool) -> String {
    let parts = elements.iter().filter_map(|element| {
        Some(match element {
            // What is left of an indentation that was removed is a part there, and none here.
            Element::Literal(text) if elide || text.is_empty() => return None,
            Element::Literal(text) => format!("{:?}", text.as_str()),
            Element::Interpolation(interpolation) => {
                format!("${{{}}}", expression(&interpolation.expr))
            }
            Element::Directive(directive) => match &**directive {
                Directive::If(directive) => {
                    let then: Vec<_> = directive.if_expr.template.iter().collect();
                    let other = directive.else_expr.as_ref().map_or(String::new(), |part| {
                        let elements: Vec<_> = part.template.iter().collect();
                        format!(" else {}", template_parts(&elements, elide))
                    });
                    format!(
                        "%{{if {}: {}{other}}}",
                        expression(&directive.if_expr.cond_expr),
                        template_parts(&then, elide)
                    )
                }
                Directive::For(directive) => {
                    let for_expr = &directive.for_expr;
                    let key = for_expr
                        .key_var
                        .as_ref()
                        .map_or(String::new(), |key| format!("{},", key.as_str()));
                    let elements: Vec<_> = for_expr.template.iter().collect();
                    format!(
                        "%{{for {key}{} in {}: {}}}",
                        for_expr.value_var.as_str(),
                        expression(&for_expr.collection_expr),
                        template_parts(&elements, elide)
                    )
                }
            },
        })
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// The structure we see, in the form both are compared in.
pub(crate) fn ours(text: &str) -> String {
    super::comparing(|| {
        let parse = parse(text);
        let shown = errors(&parse, text);
        assert!(
            parse.errors().is_empty(),
            "hcl-edit accepts this, we do not:\n{shown}\n--- {text}"
        );
        assert_eq!(parse.syntax().text().to_string(), text);
        let mut out = String::new();
        show_body(&parse.file().body().unwrap(), 0, &mut out);
        out.replace(": one line\n", ":\n")
    })
}
