//! `only`, `except` and `override`: which builders they name.
//!
//! Packer compares names before it fills in templates, so a builder is named as it is written: `w-5` is not
//! ``w-{{user `num`}}``, whatever the variable is. A name that nothing could come out as is left to the checks that all
//! languages share.

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::Lower;
use crate::diagnostic::{Diagnostic, Edit};
use crate::go_template::{self, Segment};
use crate::lower::tree::{Member, Node, NodeKind};
use crate::module::quoted_list;

impl Lower<'_> {
    /// Whether the names in `only` or `except` are right as far as can be told; complains about those that are not.
    pub(super) fn names_builders(&mut self, filter: &str, node: &Node) -> bool {
        match &node.kind {
            NodeKind::Array(elements) => {
                let mut right = true;
                for element in elements {
                    right &= self.names_builders(filter, element);
                }
                right
            }
            NodeKind::Text(text) => self.names_builder(filter, &text.text, node.span),
            _ => true,
        }
    }

    /// The same for the keys of `override`.
    pub(super) fn overrides_builders(&mut self, members: &[Member]) -> bool {
        let mut right = true;
        for member in members {
            let text = member.key_text().text;
            right &= self.names_builder("override", &text, member.key.span);
        }
        right
    }

    fn names_builder(&mut self, filter: &str, text: &str, span: Span) -> bool {
        let Some(builders) = &self.builders else {
            return true;
        };
        let is_template = text.contains("{{");
        let meant = builders
            .iter()
            .find(|name| without_blanks(name) == without_blanks(text))
            .or_else(|| builders.iter().find(|name| may_become(name, text)));
        if builders.iter().any(|name| name == text) || (!is_template && meant.is_none()) {
            return true;
        }
        let message =
            format!("`{filter}` names a builder as its name is written, and none is written so");
        let diagnostic = Diagnostic::error("legacy/rendered-name", span, message);
        let diagnostic = match meant {
            Some(name) => diagnostic
                .help(format!(
                    "write {}: names are compared before templates are filled in",
                    shown(name)
                ))
                .guess(
                    format!("change to {}", shown(name)),
                    Edit::replace(span, serde_json::Value::from(name.as_str()).to_string()),
                ),
            None => diagnostic.help(format!(
                "names are compared before templates are filled in; there is {}",
                quoted_list(builders.iter().map(SmolStr::as_str))
            )),
        };
        self.out.push(diagnostic);
        false
    }
}

/// A name in quotes that it has none of.
fn shown(name: &str) -> String {
    match name.contains('`') {
        true => format!("``{name}``"),
        false => format!("`{name}`"),
    }
}

fn without_blanks(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Whether a template may be rendered to a text: what stands outside of its actions is there in that order.
fn may_become(template: &str, text: &str) -> bool {
    if !template.contains("{{") {
        return false;
    }
    let Ok(segments) = go_template::parse(template) else {
        return false;
    };
    let mut rest = text;
    let mut open = false;
    for (at, segment) in segments.iter().enumerate() {
        let Segment::Text(range) = segment else {
            open = true;
            continue;
        };
        let piece = &template[range.clone()];
        if !open {
            match rest.strip_prefix(piece) {
                Some(after) => rest = after,
                None => return false,
            }
        } else if at + 1 == segments.len() {
            return rest.ends_with(piece);
        } else {
            match rest.split_once(piece) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        open = false;
    }
    open || rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::may_become;

    #[test]
    fn names_may_come_out_as_texts_that_have_their_pieces() {
        let cases = [
            ("w-{{user `a`}}", "w-5", true),
            ("w-{{user `a`}}", "w-", true),
            ("w-{{user `a`}}", "x-5", false),
            ("{{user `a`}}-{{user `b`}}.x", "1-2.x", true),
            ("{{user `a`}}-{{user `b`}}.x", "1-2", false),
            ("{{user `a`}}", "any", true),
            ("plain", "plain", false),
            ("{{", "{{", false),
        ];
        for (template, text, wanted) in cases {
            assert_eq!(may_become(template, text), wanted, "{template} {text}");
        }
    }
}
