//! A compact text form of what the typed views say, for tests.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses a part of it"
)]

mod hcl_edit;
mod visit;

pub(crate) use hcl_edit::{ours, theirs};
pub(crate) use visit::visit;

use std::fmt::Write;

use std::cell::Cell;
use std::path::{Path, PathBuf};

use imgc_syntax::hcl::ast::*;
use imgc_syntax::hcl::{Parse, SyntaxKind, SyntaxNode, parse, parse_expression};

thread_local! {
    /// Whether [`show`] leaves out the text of templates with strip markers and writes numbers by value.
    static COMPARING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` with [`show`] in the form that can be compared with other parsers.
pub(crate) fn comparing<T>(f: impl FnOnce() -> T) -> T {
    COMPARING.set(true);
    let result = f();
    COMPARING.set(false);
    result
}

/// A number by its value, where it has one that both parsers can hold.
pub(crate) fn number(text: &str) -> String {
    match (text.parse::<i64>(), text.parse::<f64>()) {
        (Ok(value), _) => value.to_string(),
        (_, Ok(value)) => value.to_string(),
        _ => text.to_owned(),
    }
}

/// Every template of the corpus and of the examples of the repository, with its path.
#[expect(clippy::disallowed_methods, reason = "the corpus is files")]
pub(crate) fn corpus() -> Vec<(String, String)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![here.join("tests/corpus"), here.join("../../examples")];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "hcl") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((
                    path.strip_prefix(here)
                        .unwrap_or(&path)
                        .display()
                        .to_string(),
                    text,
                ));
            }
        }
    }
    found.sort();
    assert!(found.len() >= 15, "the corpus is incomplete");
    found
}

/// Whether a template has a strip marker in its own sequences.
fn has_strip(node: &SyntaxNode) -> bool {
    node.children().any(|child| match child.kind() {
        SyntaxKind::Interpolation | SyntaxKind::Directive => {
            let open = child
                .first_token()
                .is_some_and(|token| token.text().ends_with('~'));
            let close = child
                .last_token()
                .is_some_and(|token| token.text().starts_with('~'));
            open || close
        }
        SyntaxKind::TemplateIf | SyntaxKind::TemplateFor | SyntaxKind::TemplateBody => {
            has_strip(&child)
        }
        _ => false,
    })
}

fn show_template(node: &SyntaxNode, parts: &[TemplatePart]) -> String {
    show_parts_with(parts, COMPARING.get() && has_strip(node))
}

/// The items of a file, one line per attribute or block head.
pub(crate) fn shape(text: &str) -> String {
    let parse = parse(text);
    let mut out = String::new();
    if let Some(body) = parse.file().body() {
        show_body(&body, 0, &mut out);
    }
    out
}

/// [`shape`] of a text without errors.
pub(crate) fn valid(text: &str) -> String {
    let parse = parse(text);
    assert_eq!(parse.errors(), [], "in {text:?}");
    assert_eq!(parse.syntax().text().to_string(), text);
    shape(text).trim_end().to_owned()
}

/// The form of a valid expression.
pub(crate) fn expr(text: &str) -> String {
    let parse = parse_expression(text);
    assert_eq!(parse.errors(), [], "in {text:?}");
    assert_eq!(parse.syntax().text().to_string(), text);
    show(parse.expression())
}

pub(crate) fn show_body(body: &Body, depth: usize, out: &mut String) {
    let indent = depth * 2;
    for item in body.items() {
        match item {
            Item::Attribute(attribute) => {
                let name = attribute
                    .name()
                    .map_or("?".into(), |name| name.text().to_owned());
                writeln!(out, "{:indent$}{name} = {}", "", show(attribute.expr())).unwrap();
            }
            Item::Block(block) => {
                let name = block
                    .block_type()
                    .map_or("?".into(), |name| name.text().to_owned());
                write!(out, "{:indent$}{name}", "").unwrap();
                for label in block.labels() {
                    let text = label.text();
                    match text {
                        Some(text) if label.is_quoted() => write!(out, " {text:?}").unwrap(),
                        Some(text) => write!(out, " {text}").unwrap(),
                        None => write!(out, " ?").unwrap(),
                    }
                }
                writeln!(
                    out,
                    ":{}",
                    if block.is_one_line() { " one line" } else { "" }
                )
                .unwrap();
                if let Some(body) = block.body() {
                    show_body(&body, depth + 1, out);
                }
            }
        }
    }
}

pub(crate) fn show(expr: Option<Expr>) -> String {
    let Some(expr) = expr else { return "?".into() };
    match expr {
        Expr::Literal(literal) => match literal.kind() {
            Some(LiteralKind::Number(text)) if COMPARING.get() => number(&text),
            Some(LiteralKind::Number(text)) => text,
            Some(LiteralKind::Bool(value)) => value.to_string(),
            Some(LiteralKind::Null) => "null".into(),
            None => "?".into(),
        },
        Expr::Variable(variable) => name(variable.name()),
        Expr::Template(template) => match template.as_literal() {
            Some(text) => format!("{text:?}"),
            None => format!(
                "(template {})",
                show_template(template.syntax(), &template.parts())
            ),
        },
        Expr::Heredoc(heredoc) => format!(
            "(heredoc {})",
            show_template(heredoc.syntax(), &heredoc.parts())
        ),
        Expr::Unary(unary) => {
            let op = match unary.op() {
                Some(UnaryOp::Neg) => "-",
                Some(UnaryOp::Not) => "!",
                None => "?",
            };
            format!("({op} {})", show(unary.operand()))
        }
        Expr::Binary(binary) => {
            let op = binary.op().map_or("?", BinaryOp::as_str);
            format!("({op} {} {})", show(binary.left()), show(binary.right()))
        }
        Expr::Conditional(conditional) => {
            format!(
                "(if {} {} {})",
                show(conditional.condition()),
                show(conditional.if_true()),
                show(conditional.if_false())
            )
        }
        Expr::For(for_expr) => {
            let mut out = String::from(if for_expr.is_object() {
                "(for-object "
            } else {
                "(for-tuple "
            });
            if let Some(key) = for_expr.key_var() {
                write!(out, "{},", key.text()).unwrap();
            }
            write!(
                out,
                "{} in {} : ",
                name(for_expr.value_var()),
                show(for_expr.collection())
            )
            .unwrap();
            if for_expr.is_object() {
                write!(out, "{} => ", show(for_expr.key())).unwrap();
            }
            out += &show(for_expr.value());
            if for_expr.is_grouped() {
                out += "...";
            }
            if let Some(condition) = for_expr.condition() {
                write!(out, " if {}", show(Some(condition))).unwrap();
            }
            out + ")"
        }
        Expr::Traversal(traversal) => format!(
            "(get {}{})",
            show(traversal.base()),
            show_steps(&traversal.steps())
        ),
        Expr::Call(call) => {
            let args: Vec<_> = call.args().map(|arg| show(Some(arg))).collect();
            format!(
                "{}({}{})",
                call.name().unwrap_or_default(),
                args.join(", "),
                if call.is_expanded() { "..." } else { "" }
            )
        }
        Expr::Tuple(tuple) => {
            let elements: Vec<_> = tuple
                .elements()
                .map(|element| show(Some(element)))
                .collect();
            format!("[{}]", elements.join(", "))
        }
        Expr::Object(object) => {
            let items: Vec<_> = object
                .items()
                .map(|item| {
                    let key = match item.key() {
                        Some(ObjectKey::Name(name)) => name.text().to_owned(),
                        Some(ObjectKey::Expr(expr)) => show(Some(expr)),
                        None => "?".into(),
                    };
                    format!("{key}: {}", show(item.value()))
                })
                .collect();
            format!("{{{}}}", items.join(", "))
        }
        Expr::Paren(paren) => format!("(paren {})", show(paren.expr())),
    }
}

fn name(name: Option<Name>) -> String {
    name.map_or("?".into(), |name| name.text().to_owned())
}

fn show_steps(steps: &[Step]) -> String {
    steps
        .iter()
        .map(|step| match step {
            Step::GetAttr(step) => format!(" .{}", name(step.name())),
            Step::LegacyIndex(step) => format!(
                " .{}",
                step.number()
                    .map_or("?".into(), |number| number.text().to_owned())
            ),
            Step::Index(step) => format!(" [{}]", show(step.key())),
            Step::AttrSplat(splat) => format!(" .*({})", show_steps(splat.each()).trim_start()),
            Step::FullSplat(splat) => format!(" [*]({})", show_steps(splat.each()).trim_start()),
        })
        .collect()
}

pub(crate) fn show_parts(parts: &[TemplatePart]) -> String {
    show_parts_with(parts, false)
}

fn show_parts_with(parts: &[TemplatePart], elide: bool) -> String {
    let show_parts = |parts: &[TemplatePart]| show_parts_with(parts, elide);
    let shown: Vec<_> = parts
        .iter()
        .filter(|part| !elide || !matches!(part, TemplatePart::Literal(_)))
        .map(|part| match part {
            TemplatePart::Literal(literal) => format!("{:?}", literal.text),
            TemplatePart::Interpolation(interpolation) => {
                format!("${{{}}}", show(interpolation.expr()))
            }
            TemplatePart::If(part) => {
                let other = part.else_parts.as_ref().map_or(String::new(), |parts| {
                    format!(" else {}", show_parts(parts))
                });
                format!(
                    "%{{if {}: {}{other}}}",
                    show(part.condition()),
                    show_parts(&part.then_parts)
                )
            }
            TemplatePart::For(part) => {
                let key = part
                    .key_var()
                    .map_or(String::new(), |key| format!("{},", key.text()));
                format!(
                    "%{{for {key}{} in {}: {}}}",
                    name(part.value_var()),
                    show(part.collection()),
                    show_parts(&part.parts)
                )
            }
        })
        .collect();
    shown.join(" ")
}

/// Every error with its line, a caret under its place, and what else it says.
pub(crate) fn errors(parse: &Parse, text: &str) -> String {
    let mut out = String::new();
    for error in parse.errors() {
        let start = error.start as usize;
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_start..].lines().next().unwrap_or("");
        let column = text[line_start..start].chars().count();
        let width = text[start..(error.end as usize).max(start)]
            .lines()
            .next()
            .unwrap_or("")
            .chars()
            .count()
            .max(1);
        let number = text[..start].matches('\n').count() + 1;
        writeln!(out, "{}: {}", error.id, error.message).unwrap();
        writeln!(out, "{number:>3} | {line}").unwrap();
        let label = error.label.as_deref().unwrap_or("");
        writeln!(out, "    | {:column$}{} {label}", "", "^".repeat(width)).unwrap();
        if let Some((start, end, related)) = &error.related {
            writeln!(
                out,
                "    = {related}: `{}`",
                &text[*start as usize..*end as usize]
            )
            .unwrap();
        }
        if let Some(help) = &error.help {
            writeln!(out, "    = help: {help}").unwrap();
        }
    }
    out.lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}
