//! Giving a value a name: a variable or a local of its own.

use imgc_compiler::eval;
use imgc_compiler::hir::{Expr, ExprKind};
use imgc_compiler::types::Type;
use imgc_compiler::value::{self, Value};

use super::keyed::Data;
use super::{ActionKind, Cx};
use crate::grammar::Inside;
use crate::index::{Entity, Key};
use crate::language::Language;
use crate::locate::{self, On, Spot};
use crate::text::{TextEdit, TextRange, WorkspaceEdit};

pub(super) fn offer(cx: &mut Cx<'_>) {
    let Some(language) = cx.language() else {
        return;
    };
    if cx.template.file(cx.file).gives_values {
        return;
    }
    let template = std::sync::Arc::clone(&cx.template);
    let Some(body) = template.body(cx.file) else {
        return;
    };
    let spot = locate::spot(body, Inside::top(), cx.range.start);
    let On::Value(attribute) = spot.on else {
        return;
    };
    let around = locate::expressions(&attribute.value, cx.range.start);
    // In JSON and TOML only a whole value can be another one.
    let can_stand = |expr: &Expr| language == Language::Hcl || expr.span == attribute.value.span;
    let wanted = around.into_iter().find(|expr| {
        TextRange::from(expr.span).covers(cx.range) && is_worth(expr) && can_stand(expr)
    });
    let Some(expr) = wanted.filter(|_| fits(&spot, &attribute.name.text)) else {
        return;
    };
    if language == Language::Legacy {
        return legacy(cx, expr, &attribute.name.text, &spot);
    }
    let names = eval::references(expr);
    let name = attribute.name.text.replace('-', "_");
    let is_constant = names.is_empty() && is_constant(expr);
    if is_constant && !is_secret(&spot, &attribute.name.text) {
        variable(cx, &spot, expr, &name, false);
    } else if is_constant {
        variable(cx, &spot, expr, &name, true);
        return;
    }
    let fixed = |root: &str| {
        matches!(
            root,
            "var" | "local" | "data" | "path" | "packer" | "module"
        )
    };
    if names.iter().all(|found| fixed(&found.root)) && is_free(expr) {
        local(cx, &spot, expr, &name);
    }
}

/// Whether names can stand where the expression is.
fn fits(spot: &Spot<'_>, name: &str) -> bool {
    let kinds: Vec<&str> = spot.blocks.iter().map(|b| b.kind.text.as_str()).collect();
    let own = [
        "extends", "iterator", "sources", "only", "except", "override",
    ];
    match kinds[..] {
        ["variable" | "packer", ..] => false,
        ["build"] if name == "name" => false,
        ["module"] if name == "source" => false,
        _ => !own.contains(&name),
    }
}

fn is_worth(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(value) => !value.is_null() && value.as_bool().is_none(),
        ExprKind::Template(_)
        | ExprKind::Tuple(_)
        | ExprKind::Object(_)
        | ExprKind::Call(_)
        | ExprKind::Binary(..)
        | ExprKind::Conditional(_)
        | ExprKind::For(_) => true,
        _ => false,
    }
}

fn is_constant(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) => true,
        ExprKind::Tuple(elements) => elements.iter().all(is_constant),
        ExprKind::Object(entries) => entries
            .iter()
            .all(|(k, v)| is_constant(k) && is_constant(v)),
        _ => false,
    }
}

/// Whether an expression uses nothing that only exists where it stands: names that `for` binds around it.
fn is_free(expr: &Expr) -> bool {
    !matches!(expr.kind, ExprKind::Error | ExprKind::SplatItem)
        && locate::children(expr).into_iter().all(is_free)
}

fn is_secret(spot: &Spot<'_>, name: &str) -> bool {
    let schema = spot.inside.option(name).and_then(|opt| opt.schema());
    let called = ["password", "secret", "secret_key", "token", "passphrase"];
    schema.is_some_and(|schema| schema.sensitive) || called.iter().any(|end| name.ends_with(end))
}

fn variable(cx: &mut Cx<'_>, spot: &Spot<'_>, expr: &Expr, name: &str, secret: bool) {
    let Some(text) = written(cx, expr) else {
        return;
    };
    let name = free(cx, name, Entity::Variable);
    let ty = ty(expr);
    let mut members = vec![
        ("type".to_owned(), Data::text(&ty)),
        ("default".to_owned(), Data::Raw(text.clone())),
    ];
    if secret {
        members.push(("sensitive".to_owned(), Data::Raw("true".to_owned())));
    }
    if cx.keyed().is_some() {
        let value = Data::Object(members);
        return keyed(cx, expr, ("variable", "var"), &name, value);
    }
    let newline = cx.newline();
    let mut block = format!("variable \"{name}\" {{{newline}");
    let width = if secret { 9 } else { 7 };
    block.push_str(&format!("  {:width$} = {ty}{newline}", "type"));
    block.push_str(&format!("  {:width$} = {text}{newline}", "default"));
    if secret {
        block.push_str(&format!("  sensitive = true{newline}"));
    }
    block.push_str(&format!("}}{newline}{newline}"));
    place(
        cx,
        spot,
        expr,
        block,
        &format!("var.{name}"),
        "variable",
        &name,
    );
}

fn local(cx: &mut Cx<'_>, spot: &Spot<'_>, expr: &Expr, name: &str) {
    let Some(text) = written(cx, expr) else {
        return;
    };
    // Inside of `locals` it becomes an entry of the same block.
    let name = free(cx, name, Entity::Local);
    if cx.keyed().is_some() {
        return keyed(cx, expr, ("locals", "local"), &name, Data::Raw(text));
    }
    let newline = cx.newline();
    let block = format!("locals {{{newline}  {name} = {text}{newline}}}{newline}{newline}");
    place(
        cx,
        spot,
        expr,
        block,
        &format!("local.{name}"),
        "local",
        &name,
    );
}

/// In JSON and TOML: the declaration goes to those of its kind, or to the end.
fn keyed(cx: &mut Cx<'_>, expr: &Expr, (section, root): (&str, &str), name: &str, value: Data) {
    let reference = format!("\"${{{root}.{name}}}\"");
    let what = if root == "var" { "variable" } else { root };
    replaced(cx, expr, section, (what, name), value, &reference);
}

/// In a template from before HCL: a text becomes the value of a variable.
fn legacy(cx: &mut Cx<'_>, expr: &Expr, name: &str, spot: &Spot<'_>) {
    let text = TextRange::from(expr.span).of(&cx.text).to_owned();
    if !is_constant(expr) || !text.starts_with('"') || text.contains("{{") || is_secret(spot, name)
    {
        return;
    }
    let name = free(cx, &name.replace('-', "_"), Entity::Variable);
    let reference = format!("\"{{{{user `{name}`}}}}\"");
    let value = Data::Raw(text);
    replaced(
        cx,
        expr,
        "variables",
        ("variable", &name),
        value,
        &reference,
    );
}

fn replaced(
    cx: &mut Cx<'_>,
    expr: &Expr,
    section: &str,
    (what, name): (&str, &str),
    value: Data,
    reference: &str,
) {
    let template = std::sync::Arc::clone(&cx.template);
    let declared = cx.keyed().zip(template.body(cx.file));
    let declared = declared.and_then(|(keyed, body)| keyed.declare(body, &[section], name, value));
    let Some(declared) = declared else {
        return;
    };
    let edits = [declared, TextEdit::replace(expr.span, reference)];
    let edit = WorkspaceEdit::of_file(cx.path, edits);
    let title = format!("Extract to the {what} `{name}`");
    cx.offer(title, ActionKind::Extract, edit);
}

/// Puts the declaration before the block at hand, and the name where the expression was.
fn place(
    cx: &mut Cx<'_>,
    spot: &Spot<'_>,
    expr: &Expr,
    block: String,
    reference: &str,
    what: &str,
    name: &str,
) {
    let Some(outer) = spot.blocks.first() else {
        return;
    };
    let start = super::before_comments(&cx.text, cx.line_start(outer.span.start));
    let edits = [
        TextEdit::insert(start, block),
        TextEdit::replace(expr.span, reference),
    ];
    let edit = WorkspaceEdit::of_file(cx.path, edits);
    let title = format!("Extract to the {what} `{name}`");
    cx.offer(title, ActionKind::Extract, edit);
}

/// The text of an expression, with lines as they will stand in a block at the margin.
fn written(cx: &Cx<'_>, expr: &Expr) -> Option<String> {
    let text = TextRange::from(expr.span).of(&cx.text);
    let indent = cx.indent(expr.span.start);
    match text.contains('\n') {
        // Heredocs keep their lines.
        true if text.contains("<<") => None,
        true => {
            let margin = indent.strip_prefix("  ").unwrap_or(indent);
            let lines = text.lines().enumerate().map(|(at, line)| match at {
                0 => line,
                _ => line.strip_prefix(margin).unwrap_or(line),
            });
            Some(lines.collect::<Vec<_>>().join(cx.newline()))
        }
        false => Some(text.to_owned()),
    }
}

/// A name that is not taken yet.
fn free(cx: &Cx<'_>, name: &str, entity: fn(smol_str::SmolStr) -> Entity) -> String {
    let taken = |name: &str| {
        let key = Key {
            unit: 0,
            entity: entity(name.into()),
        };
        cx.template.index().uses(&key).next().is_some()
    };
    let mut wanted = name.to_owned();
    let mut number = 2;
    while taken(&wanted) {
        wanted = format!("{name}_{number}");
        number += 1;
    }
    wanted
}

/// The type that a variable with this default has.
fn ty(expr: &Expr) -> String {
    let of_value = |value: &Value| match value.data() {
        value::Data::Number(_) => Type::Number,
        value::Data::Bool(_) => Type::Bool,
        _ => Type::String,
    };
    match &expr.kind {
        ExprKind::Literal(value) => of_value(value).to_string(),
        ExprKind::Tuple(elements) => {
            let mut types = elements.iter().map(ty);
            let first = types.next();
            match first {
                Some(first) if types.all(|other| other == first) => format!("list({first})"),
                _ => "any".to_owned(),
            }
        }
        ExprKind::Object(entries) => {
            let mut types = entries.iter().map(|(_, value)| ty(value));
            let first = types.next();
            match first {
                Some(first) if types.all(|other| other == first) => format!("map({first})"),
                _ => "any".to_owned(),
            }
        }
        _ => "any".to_owned(),
    }
}
