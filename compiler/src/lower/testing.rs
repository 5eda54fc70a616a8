//! What the tests of JSON and of TOML have in common: reading a text with a look at every place, and showing what came out.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use imgc_syntax::{FileId, Span};

use super::tree::{Node, NodeKind};
use crate::diagnostic::{Diagnostic, Edit};

/// A parser of one of the two.
type Parse = fn(FileId, &str, &mut Vec<Diagnostic>) -> Node;

/// Reads a text; every place of the tree and of the problems is one in the text.
pub(super) fn read(parse: Parse, text: &str) -> (Node, Vec<Diagnostic>) {
    let mut out = Vec::new();
    let node = parse(FileId(0), text, &mut out);
    for diagnostic in &out {
        let labels = diagnostic.labels.iter().map(|label| label.span);
        let edits = diagnostic.fixes.iter().flat_map(|fix| &fix.edits);
        let places = labels.chain(edits.map(|edit| edit.span));
        for span in places.chain([diagnostic.span]) {
            assert!(is_in(span, text), "{diagnostic:?}");
        }
    }
    places(&node, text);
    (node, out)
}

fn is_in(span: Span, text: &str) -> bool {
    text.get(span.start as usize..span.end as usize).is_some()
}

fn places(node: &Node, text: &str) {
    assert!(is_in(node.span, text));
    match &node.kind {
        NodeKind::Array(elements) => elements.iter().for_each(|element| places(element, text)),
        NodeKind::Object(members) => {
            for member in members {
                let key = member.key_text().map.span(0, member.key.text.len() as u32);
                assert!(is_in(key, text));
                places(&member.value, text);
            }
        }
        _ => {}
    }
}

/// The tree as JSON, `?` for what did not parse, comments before what they belong to.
pub(super) fn show(node: &Node, text: &mut String) {
    for comment in &node.comments {
        write!(text, "/*{comment}*/").unwrap();
    }
    match &node.kind {
        NodeKind::Error => text.push('?'),
        NodeKind::Null => text.push_str("null"),
        NodeKind::Bool(value) => write!(text, "{value}").unwrap(),
        NodeKind::Number(number) => write!(text, "{number}").unwrap(),
        NodeKind::Text(inner) => write!(text, "{:?}", inner.text).unwrap(),
        NodeKind::Array(elements) => {
            text.push('[');
            for (at, element) in elements.iter().enumerate() {
                text.push_str(if at > 0 { "," } else { "" });
                show(element, text);
            }
            text.push(']');
        }
        NodeKind::Object(members) => {
            text.push('{');
            for (at, member) in members.iter().enumerate() {
                let comma = if at > 0 { "," } else { "" };
                write!(text, "{comma}{:?}:", member.key.text).unwrap();
                show(&member.value, text);
            }
            text.push('}');
        }
    }
}

/// The text, the tree, and each problem with its place, and with the text after each correction.
pub(super) fn report(parse: Parse, text: &str) -> String {
    let (node, problems) = read(parse, text);
    let mut shown = format!("{text}\n  = ");
    show(&node, &mut shown);
    shown.push('\n');
    for problem in problems {
        let (start, end) = (problem.span.start as usize, problem.span.end as usize);
        let line = text[..start].matches('\n').count() + 1;
        let column = text[..start]
            .chars()
            .rev()
            .take_while(|c| *c != '\n')
            .count()
            + 1;
        write!(
            shown,
            "  {line}:{column}: {} {:?}: {}",
            problem.id,
            &text[start..end],
            problem.message
        )
        .unwrap();
        for label in &problem.labels {
            write!(shown, "; {} ({})", label.span.start, label.text).unwrap();
        }
        writeln!(shown, "\n    {}", problem.help.clone().unwrap_or_default()).unwrap();
        for fix in &problem.fixes {
            let fixed = apply(text, &fix.edits);
            writeln!(shown, "    {}: {fixed:?}", fix.title).unwrap();
        }
    }
    shown
}

/// The text after corrections.
pub(super) fn apply(text: &str, edits: &[Edit]) -> String {
    let mut edits = edits.to_vec();
    edits.sort_by_key(|edit| edit.span);
    let mut text = text.to_owned();
    for edit in edits.iter().rev() {
        text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
    }
    text
}
