//! Texts, numbers and the like, with the map from what texts mean to where they stand.

use imgc_syntax::{FileId, Span};
use toml_parser::decoder::{ScalarKind, StringBuilder};
use toml_parser::parser::Event;

use super::table::Key;
use super::{Reader, problem};
use crate::diagnostic::Diagnostic;
use crate::hir::Name;
use crate::lower::tree::{Node, NodeKind, Text, TextMap};
use crate::value::Number;

/// Takes the pieces of a text as they are decoded, and keeps where each came from.
pub(super) struct Builder<'s> {
    source: &'s str,
    text: String,
    runs: Vec<(u32, u32)>,
    /// The offset after the last piece: where an escape begins.
    end: usize,
}

impl<'s> Builder<'s> {
    pub(super) fn new(source: &'s str, start: usize) -> Self {
        Self {
            source,
            text: String::new(),
            runs: Vec::new(),
            end: start,
        }
    }

    fn from(&mut self, at: usize) {
        let run = (self.text.len() as u32, at as u32);
        match self.runs.last_mut() {
            Some(last) if last.0 == run.0 => *last = run,
            _ => self.runs.push(run),
        }
    }

    fn text(mut self, file: FileId) -> Text {
        if self.runs.is_empty() {
            self.from(self.end);
        }
        Text {
            text: self.text.into(),
            map: TextMap::new(file, self.runs, self.end as u32),
        }
    }

    pub(super) fn key(self, span: Span) -> Key {
        let plain = self.runs.len() <= 1;
        let text = self.text(span.file);
        Key {
            name: Name {
                text: text.text,
                span,
            },
            map: (!plain).then(|| Box::new(text.map)),
        }
    }
}

impl<'s> StringBuilder<'s> for Builder<'s> {
    fn clear(&mut self) {
        self.text.clear();
        self.runs.clear();
    }

    fn push_str(&mut self, piece: &'s str) -> bool {
        // Pieces are parts of the source; their addresses say which.
        let offset = (piece.as_ptr() as usize).wrapping_sub(self.source.as_ptr() as usize);
        let at = if offset <= self.source.len() {
            offset
        } else {
            self.end
        };
        self.from(at);
        self.text.push_str(piece);
        self.end = at + piece.len();
        true
    }

    fn push_char(&mut self, character: char) -> bool {
        self.from(self.end);
        self.text.push(character);
        true
    }
}

impl Reader<'_, '_> {
    pub(super) fn scalar(&mut self, event: &Event) -> Node {
        let span = self.span(event);
        let error = Node::new(NodeKind::Error, span);
        let start = event.span().start();
        if self.quoted.iter().any(|text| text.start == start) {
            return error;
        }
        let Some(raw) = self.source.get(event) else {
            return error;
        };
        let mut decoded = Builder::new(self.source.input(), event.span().start());
        let errors = self.errors.len();
        let kind = raw.decode_scalar(&mut decoded, &mut self.errors);
        let fine = self.errors.len() == errors;
        let kind = match kind {
            ScalarKind::String if fine || event.encoding().is_some() => {
                NodeKind::Text(decoded.text(self.file))
            }
            ScalarKind::DateTime if fine => NodeKind::Text(decoded.text(self.file)),
            ScalarKind::Boolean(value) if fine => NodeKind::Bool(value),
            ScalarKind::Float | ScalarKind::Integer(_) if fine => {
                let radix = match kind {
                    ScalarKind::Integer(radix) => radix.value(),
                    _ => 10,
                };
                match number(&decoded.text, radix) {
                    Some(number) => NodeKind::Number(number),
                    None => {
                        self.problems.push(no_number(raw.as_str(), span));
                        return error;
                    }
                }
            }
            _ => {
                // Said better than by those who had to guess what it was meant to be.
                let said = self.errors.drain(errors..).next();
                let said = said.as_ref().map_or("", |error| error.description());
                self.problems.push(malformed(raw.as_str(), span, said));
                return error;
            }
        };
        Node::new(kind, span)
    }
}

/// What stands where a value is expected and is none.
fn malformed(text: &str, span: Span, said: &str) -> Diagnostic {
    if text.is_empty() {
        return Diagnostic::error("toml/expected-value", span, "a value is missing here")
            .help("write a text in quotes, a number, `true`, `false`, `[…]` or `{ … }`");
    }
    let like_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-._".contains(c));
    if like_number && text.contains([' ', ',', ';']) {
        return Diagnostic::error(
            "toml/unexpected",
            span,
            format!("`{text}` is not one value"),
        )
        .help("a text stands in quotes, and between the elements of a list stand commas");
    }
    if like_number {
        return Diagnostic::error(
            "toml/invalid-number",
            span,
            format!("TOML does not write numbers as `{text}`: {said}"),
        )
        .help(format!("write `\"{text}\"` if it is a text"));
    }
    problem::unquoted(span, text)
}

fn number(digits: &str, radix: u32) -> Option<Number> {
    if radix == 10 {
        return Number::parse(digits).ok();
    }
    u64::from_str_radix(digits, radix).ok().map(Number::from)
}

fn no_number(text: &str, span: Span) -> Diagnostic {
    let sort = text.trim_start_matches(['+', '-']);
    let message = if matches!(sort, "inf" | "nan") {
        format!("`{text}` is not a number here")
    } else {
        "a number beyond any practical size".to_owned()
    };
    Diagnostic::error("toml/invalid-number", span, message)
        .help("write a finite number, or a text in quotes")
}
