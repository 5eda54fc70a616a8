//! Adding what a block lacks.

use imgc_compiler::hir::Block;

use super::keyed::Data;
use super::{ActionKind, Cx};
use crate::completion::{needed, placeholder, plain_placeholder};
use crate::grammar::{Blk, Inside, Opt};
use crate::locate::{self, On};
use crate::text::{TextEdit, WorkspaceEdit};

/// The required options of the block at hand that are not given.
pub(super) fn offer(cx: &mut Cx<'_>) {
    let template = std::sync::Arc::clone(&cx.template);
    let Some(body) = template.body(cx.file) else {
        return;
    };
    let mut spot = locate::spot(body, Inside::top(), cx.range.start);
    if let On::Kind(block) | On::Label(block, _) = spot.on {
        spot.blocks.push(block);
    }
    // The nearest block that lacks something.
    while let Some(block) = spot.blocks.last().copied() {
        let inside = locate::inside(Inside::top(), &spot.blocks);
        if add(cx, block, inside) {
            return;
        }
        spot.blocks.pop();
    }
}

fn add(cx: &mut Cx<'_>, block: &Block, inside: Inside) -> bool {
    let given = |name: &str| {
        block.body.attribute(name).is_some()
            || block.body.blocks_of(name).next().is_some()
            || block.body.blocks_of("dynamic").any(|dynamic| {
                dynamic
                    .labels
                    .first()
                    .is_some_and(|label| label.text == name)
            })
    };
    // A source that takes over another's options has them already.
    if given("extends") {
        return false;
    }
    let stands_in = |name: &str| {
        let opt = inside.option(name);
        let schema = opt.and_then(|opt| opt.schema());
        let constraints = inside
            .component()
            .map(|(_, component)| &component.constraints);
        let one_of = constraints.into_iter().flatten().any(|constraint| {
            constraint.kind == imgc_compiler::schema::ConstraintKind::AtLeastOne
                && constraint.attributes.iter().any(|of| of == name)
                && constraint.attributes.iter().any(|of| given(of))
        });
        one_of || schema.is_some_and(|schema| schema.required_unless.iter().any(|of| given(of)))
    };
    let missing: Vec<_> = needed(inside)
        .into_iter()
        .filter(|opt| !given(opt.name) && !stands_in(opt.name))
        .collect();
    let blocks: Vec<_> = inside
        .blocks()
        .into_iter()
        .filter(|blk| blk.required() && !given(blk.kind))
        .collect();
    let edit = match cx.keyed() {
        _ if missing.is_empty() && blocks.is_empty() => return false,
        None => lines(cx, block, &missing, &blocks),
        Some(keyed) => {
            let options = missing.iter().map(|opt| {
                let value = plain_placeholder(opt);
                (opt.name.to_owned(), Data::Raw(value))
            });
            let blocks = blocks
                .iter()
                .map(|blk| (blk.kind.to_owned(), Data::Object(Vec::new())));
            keyed.add(&block.body, &options.chain(blocks).collect())
        }
    };
    let Some(edit) = edit else {
        return false;
    };
    let names: Vec<&str> = missing
        .iter()
        .map(|opt| opt.name)
        .chain(blocks.iter().map(|blk| blk.kind))
        .collect();
    let title = format!("Add what is required: {}", crate::facts::quoted(&names));
    let edit = WorkspaceEdit::of_file(cx.path, [edit]);
    cx.offer(title, ActionKind::QuickFix, edit);
    let template = std::sync::Arc::clone(&cx.template);
    let problem = template.problems().iter().find(|problem| {
        problem.id == "check/missing-option"
            && problem.span.file == cx.file
            && block.span.start <= problem.span.start
            && problem.span.end <= block.span.end
    });
    if let (Some(problem), Some(action)) = (problem, cx.out.last_mut()) {
        action.solves = Some((problem.id, problem.span.into()));
    }
    true
}

/// The lines that a block of HCL lacks, before its closing brace.
fn lines(cx: &Cx<'_>, block: &Block, missing: &[Opt], blocks: &[Blk]) -> Option<TextEdit> {
    let text = &cx.text;
    let whole = crate::text::TextRange::from(block.span).of(text);
    if !whole.ends_with('}') || !whole.contains('{') {
        return None;
    }
    let newline = cx.newline();
    let indent = cx.indent(block.span.start).to_owned();
    let width = missing.iter().map(|opt| opt.name.len()).max().unwrap_or(0);
    let mut lines = String::new();
    for opt in missing {
        let value = placeholder(opt).replace('\n', &format!("{newline}{indent}  "));
        lines.push_str(&format!("{indent}  {:width$} = {value}{newline}", opt.name));
    }
    for blk in blocks {
        lines.push_str(&format!(
            "{indent}  {} {{{newline}{indent}  }}{newline}",
            blk.kind
        ));
    }
    let close = block.span.end - 1;
    let before = &text[..close as usize];
    let line_start = cx.line_start(close);
    // The brace may stand on the line of something else.
    let alone = text[line_start as usize..close as usize].trim().is_empty();
    Some(match alone {
        true => TextEdit::insert(line_start, lines),
        false => {
            let from = before.trim_end_matches([' ', '\t']).len() as u32;
            TextEdit::replace((from, close), format!("{newline}{lines}{indent}"))
        }
    })
}
