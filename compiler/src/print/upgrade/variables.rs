//! Variables of a legacy template: names that HCL can refer to, and locals in the place of those that use others.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::Note;
use crate::eval;
use crate::hir::{Attribute, Block, Body, Expr, ExprKind, Name};
use crate::print::document::is_comment_name;
use crate::print::walk;

/// Renames what cannot be referred to, and moves what uses other variables to `locals`.
pub(super) fn settle(body: &mut Body) -> Vec<Note> {
    let mut notes = Vec::new();
    drop_comments(body, &mut notes);
    rename(body, &mut notes);
    require_own(body);
    let moved = using_others(body);
    if moved.is_empty() {
        return notes;
    }
    environment(body, &moved);
    let mut attributes = Vec::new();
    let mut secrets = Vec::new();
    let mut place = None;
    let mut blocks = Vec::with_capacity(body.blocks.len());
    for block in std::mem::take(&mut body.blocks) {
        let name = block.labels.first().map(|label| label.text.clone());
        let is_variable = block.kind.text == "variable";
        if is_variable {
            place = Some(blocks.len());
        }
        match name.filter(|name| is_variable && moved.contains(name)) {
            None => blocks.push(block),
            Some(name) => {
                notes.push(Note {
                    span: block.header,
                    text: format!("`{name}` uses other values and is a local now, for HCL's variables cannot: it can no longer be set from outside"),
                    variable: Some(name.to_string()),
                });
                local(block, &mut attributes, &mut secrets);
            }
        }
    }
    // Behind the variables that stay.
    let at = place.map_or(0, |place| (place + 1).min(blocks.len()));
    let at = blocks[..at]
        .iter()
        .rposition(|block| block.kind.text == "variable")
        .map_or_else(
            || {
                blocks
                    .iter()
                    .position(|block| block.kind.text != "packer")
                    .unwrap_or(blocks.len())
            },
            |last| last + 1,
        );
    let locals = locals(attributes);
    blocks.splice(at..at, locals.into_iter().chain(secrets));
    body.blocks = blocks;
    walk::body(body, &mut |expr| {
        if let ExprKind::Attribute(root, name) = &mut expr.kind
            && moved.contains(&name.text)
            && matches!(&root.kind, ExprKind::Variable(root) if root == "var")
        {
            root.kind = ExprKind::Variable(SmolStr::new_static("local"));
        }
    });
    notes
}

/// Drops variables that are comments, which are printed as such.
fn drop_comments(body: &mut Body, notes: &mut Vec<Note>) {
    let mut used = BTreeSet::new();
    walk::body(body, &mut |expr| {
        if let ExprKind::Attribute(root, name) = &expr.kind
            && matches!(&root.kind, ExprKind::Variable(root) if root == "var")
        {
            used.insert(name.text.clone());
        }
    });
    body.blocks.retain(|block| {
        let label = block
            .labels
            .first()
            .filter(|_| block.kind.text == "variable");
        let Some(label) =
            label.filter(|label| is_comment_name(&label.text) && !used.contains(&label.text))
        else {
            return true;
        };
        notes.push(Note {
            span: label.span,
            variable: Some(label.text.to_string()),
            text: format!("the variable `{}` is a comment now", label.text),
        });
        false
    });
}

/// Takes away the default of a variable that is the variable itself: it has to be given from outside.
fn require_own(body: &mut Body) {
    for block in &mut body.blocks {
        if block.kind.text != "variable" {
            continue;
        }
        let own = block.labels.first().map(|label| label.text.clone());
        block.body.attributes.retain(|attribute| {
            let is_own = matches!(
                &attribute.value.kind,
                ExprKind::Attribute(root, name)
                    if Some(&name.text) == own.as_ref()
                        && matches!(&root.kind, ExprKind::Variable(root) if root == "var")
            );
            attribute.name.text != "default" || !is_own
        });
    }
}

/// The variables whose values depend on others, or on paths.
fn using_others(body: &Body) -> BTreeSet<SmolStr> {
    let uses_others = |block: &&Block| {
        let default = block.body.attribute("default");
        default.is_some_and(|default| !eval::references(&default.value).is_empty())
    };
    let variables = body.blocks_of("variable").filter(uses_others);
    let names = variables.filter_map(|block| block.labels.first());
    names.map(|label| label.text.clone()).collect()
}

/// Gives what becomes locals variables for what it reads from the environment: only their defaults may.
fn environment(body: &mut Body, moved: &BTreeSet<SmolStr>) {
    let mut taken: BTreeSet<SmolStr> = body
        .blocks_of("variable")
        .filter_map(|block| block.labels.first())
        .map(|label| label.text.clone())
        .collect();
    let mut read: BTreeMap<SmolStr, Block> = BTreeMap::new();
    let becomes_local = |block: &&mut Block| {
        let name = block.labels.first().map(|label| &label.text);
        block.kind.text == "variable" && name.is_some_and(|name| moved.contains(name))
    };
    for block in body.blocks.iter_mut().filter(becomes_local) {
        let sensitive = block.body.attribute("sensitive").cloned();
        walk::body(&mut block.body, &mut |expr| {
            let ExprKind::Call(call) = &expr.kind else {
                return;
            };
            let [argument] = call.arguments.as_slice() else {
                return;
            };
            let ("env", ExprKind::Literal(of)) = (call.name.text.as_str(), &argument.kind) else {
                return;
            };
            let Some(of) = of.as_str() else {
                return;
            };
            let span = expr.span;
            let variable = read.entry(of.into()).or_insert_with(|| {
                let mut name = identifier(&format!("env_{of}"));
                while !taken.insert(name.clone()) {
                    name = format!("{name}_").into();
                }
                variable(name, expr.clone())
            });
            if let Some(sensitive) = &sensitive
                && variable.body.attribute("sensitive").is_none()
            {
                variable.body.attributes.push(sensitive.clone());
            }
            let name = variable.labels.first().cloned();
            let Some(name) = name else {
                return;
            };
            let root = Expr {
                kind: ExprKind::Variable(SmolStr::new_static("var")),
                span,
            };
            expr.kind = ExprKind::Attribute(Box::new(root), name);
        });
    }
    let at = body
        .blocks
        .iter()
        .rposition(|block| block.kind.text == "variable")
        .map_or(0, |last| last + 1);
    body.blocks.splice(at..at, read.into_values());
}

/// A variable for a text, of this name and default.
fn variable(name: SmolStr, default: Expr) -> Block {
    let span = default.span;
    let named = |text: SmolStr| Name { text, span };
    let attribute = |name, kind| Attribute {
        name: named(SmolStr::new_static(name)),
        value: Expr { kind, span },
        span,
    };
    Block {
        kind: named(SmolStr::new_static("variable")),
        labels: vec![named(name)],
        body: Body {
            attributes: vec![
                attribute("type", ExprKind::Variable(SmolStr::new_static("string"))),
                attribute("default", default.kind),
            ],
            ..Body::default()
        },
        header: span,
        span,
    }
}

fn local(variable: Block, attributes: &mut Vec<Attribute>, secrets: &mut Vec<Block>) {
    let is_secret = variable.body.attribute("sensitive").is_some();
    let Some(label) = variable.labels.first().cloned() else {
        return;
    };
    let mut default = None;
    let mut sensitive = None;
    for attribute in variable.body.attributes {
        match attribute.name.text.as_str() {
            "default" => default = Some(attribute),
            "sensitive" => sensitive = Some(attribute),
            _ => {}
        }
    }
    let Some(mut default) = default else {
        return;
    };
    if !is_secret {
        default.name = label;
        default.span = variable.span;
        attributes.push(default);
        return;
    }
    default.name.text = SmolStr::new_static("expression");
    secrets.push(Block {
        kind: Name {
            text: SmolStr::new_static("local"),
            span: variable.kind.span,
        },
        labels: vec![label],
        body: Body {
            attributes: std::iter::once(default).chain(sensitive).collect(),
            blocks: Vec::new(),
            ..variable.body
        },
        header: variable.header,
        span: variable.span,
    });
}

fn locals(attributes: Vec<Attribute>) -> Option<Block> {
    let first = attributes.first()?;
    let place = first.span.at_start();
    Some(Block {
        kind: Name {
            text: SmolStr::new_static("locals"),
            span: place,
        },
        labels: Vec::new(),
        header: place,
        span: place,
        body: Body {
            attributes,
            ..Body::default()
        },
    })
}

/// Gives variables whose names are no identifiers others.
fn rename(body: &mut Body, notes: &mut Vec<Note>) {
    let variables = body
        .blocks
        .iter_mut()
        .filter(|block| block.kind.text == "variable");
    let mut labels: Vec<&mut Name> = variables
        .filter_map(|block| block.labels.first_mut())
        .collect();
    let mut taken: BTreeSet<SmolStr> = labels.iter().map(|label| label.text.clone()).collect();
    let mut renamed: BTreeMap<SmolStr, SmolStr> = BTreeMap::new();
    for label in &mut labels {
        if is_identifier(&label.text) {
            continue;
        }
        let mut name = identifier(&label.text);
        while !taken.insert(name.clone()) {
            name = format!("{name}_").into();
        }
        notes.push(Note {
            span: label.span,
            text: format!("the variable `{}` is called `{name}` now, for HCL's names have only letters, digits, `_` and `-`", label.text),
            variable: Some(label.text.to_string()),
        });
        renamed.insert(std::mem::replace(&mut label.text, name.clone()), name);
    }
    if renamed.is_empty() {
        return;
    }
    walk::body(body, &mut |expr: &mut Expr| {
        if let ExprKind::Attribute(root, name) = &mut expr.kind
            && matches!(&root.kind, ExprKind::Variable(root) if root == "var")
            && let Some(new) = renamed.get(&name.text)
        {
            name.text.clone_from(new);
        }
    });
}

pub(super) fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    let starts = characters
        .next()
        .is_some_and(|first| first == '_' || first.is_alphabetic());
    starts && characters.all(|c| matches!(c, '_' | '-') || c.is_alphanumeric())
}

fn identifier(name: &str) -> SmolStr {
    let mut id: String = name
        .chars()
        .map(|c| {
            if matches!(c, '_' | '-') || c.is_alphanumeric() {
                c
            } else {
                '_'
            }
        })
        .collect();
    if !is_identifier(&id) {
        id.insert(0, '_');
    }
    id.into()
}
