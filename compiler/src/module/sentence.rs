//! The message of a `validation` block: Packer takes only what looks like sentences.
//!
//! What is written out is looked at; what is interpolated may be anything.

use imgc_syntax::Span;

use crate::diagnostic::{Certainty, Diagnostic, Edit, Fix};
use crate::hir::{Expr, ExprKind, Part};

/// The complaint about a message that is no sentence.
pub(super) fn check(message: &Expr) -> Option<Diagnostic> {
    let literal = |part: Option<&Part>| match part {
        Some(Part::Literal(text)) => Some(text.clone()),
        _ => None,
    };
    let (first, last) = match &message.kind {
        ExprKind::Literal(value) => {
            let text = value.as_str()?;
            if text.is_empty() {
                let what = "an empty message helps nobody";
                return Some(
                    Diagnostic::error("check/error-message", message.span, what).help(
                        "say what values are accepted, such as \"The size must be 8 or more.\"",
                    ),
                );
            }
            (Some(text.into()), Some(text.into()))
        }
        ExprKind::Template(parts) => (literal(parts.first()), literal(parts.last())),
        _ => return None,
    };
    let small = first.and_then(|text| small_start(text.trim()));
    let open = last.is_some_and(|text| !text.trim().is_empty() && !text.trim().ends_with(ENDS));
    if small.is_none() && !open {
        return None;
    }
    let mut diagnostic = Diagnostic::error(
        "check/error-message",
        message.span,
        "this message is no sentence: it begins with a capital letter, and ends with `.`, `?` or `!`",
    );
    let mut edits = Vec::new();
    if let ExprKind::Literal(value) = &message.kind
        && let Some(text) = value.as_str()
        && text.trim() == text
        && text.len() + 2 == message.span.len() as usize
    {
        // In simple quotes, as it is.
        let (start, end) = (message.span.start + 1, message.span.end - 1);
        let at = |start, end| Span {
            start,
            end,
            ..message.span
        };
        if let Some(c) = small {
            let end = start + c.len_utf8() as u32;
            edits.push(Edit::replace(at(start, end), c.to_uppercase().to_string()));
        }
        if open {
            edits.push(Edit::replace(at(end, end), "."));
        }
    }
    diagnostic = diagnostic.help("write it as in \"The size must be 8 or more.\"");
    if !edits.is_empty() {
        diagnostic.fixes.push(Fix {
            title: "make it a sentence".to_owned(),
            edits,
            certainty: Certainty::Certain,
        });
    }
    Some(diagnostic)
}

const ENDS: [char; 3] = ['.', '?', '!'];

/// The letter that a text begins with, if it is no capital one.
fn small_start(text: &str) -> Option<char> {
    let first = text.chars().next()?;
    (first.is_alphabetic() && !first.is_uppercase()).then_some(first)
}
