//! The inside of a new block: what it needs, as placeholders.

use imgc_compiler::schema::ConstraintKind;

use super::placeholders;
use crate::grammar::{Inside, Opt};

/// `{ … }` with the required options, as a snippet; `at` is the number of the first placeholder.
pub(super) fn body(inside: Inside, at: usize) -> String {
    let mut lines = Vec::new();
    let mut next = at;
    let needed = needed(inside);
    let width = needed.iter().map(|opt| opt.name.len()).max().unwrap_or(0);
    for opt in needed {
        let value = placeholders::value(&opt, next).replace('\n', "\n  ");
        lines.push(format!("  {:width$} = {value}\n", opt.name));
        next += 1;
    }
    for blk in inside.blocks().iter().filter(|blk| blk.required()) {
        lines.push(format!("  {} {{\n    ${next}\n  }}\n", blk.kind));
        next += 1;
    }
    match lines.is_empty() {
        true => "{\n  $0\n}".to_owned(),
        false => format!("{{\n{}  $0\n}}", lines.concat()),
    }
}

/// The options a body must have; of those of which one must be given, the first.
pub(super) fn needed(inside: Inside) -> Vec<Opt> {
    let mut needed: Vec<Opt> = inside
        .options()
        .into_iter()
        .filter(|opt| opt.required() && stands_alone(opt))
        .collect();
    if let Some((_, component)) = inside.component() {
        for constraint in &component.constraints {
            let one_of = constraint.kind == ConstraintKind::AtLeastOne;
            let has = |opt: &Opt| constraint.attributes.iter().any(|name| name == opt.name);
            if !one_of || needed.iter().any(has) {
                continue;
            }
            let first = constraint.attributes.first();
            needed.extend(first.and_then(|name| inside.option(name)));
        }
    }
    needed
}

/// Whether nothing can stand in for an option.
fn stands_alone(opt: &Opt) -> bool {
    opt.schema()
        .is_none_or(|attribute| attribute.required_unless.is_empty() && attribute.env.is_empty())
}
