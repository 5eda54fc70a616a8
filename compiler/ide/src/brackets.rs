//! Brackets and strings of JSON and TOML, whatever is between them: for folding and selection.

use crate::language::Language;
use crate::text::TextRange;

/// A pair of brackets, or a string with its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) range: TextRange,
    pub(crate) is_string: bool,
}

/// All pairs in the order of their ends; what is not closed is left out.
pub(crate) fn pairs(text: &str, language: Language) -> Vec<Pair> {
    let is_toml = language == Language::Toml;
    let bytes = text.as_bytes();
    let (mut found, mut open) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' | b'\'' if bytes[at] == b'"' || is_toml => {
                let end = string_end(bytes, at, is_toml);
                found.push(Pair {
                    range: TextRange::new(at as u32, end as u32),
                    is_string: true,
                });
                at = end;
                continue;
            }
            b'#' if is_toml => {
                while at < bytes.len() && bytes[at] != b'\n' {
                    at += 1;
                }
                continue;
            }
            b'{' | b'[' => open.push((bytes[at], at)),
            b'}' | b']' => {
                let wanted = if bytes[at] == b'}' { b'{' } else { b'[' };
                if let Some(found_at) = open.iter().rposition(|(kind, _)| *kind == wanted) {
                    let (_, start) = open[found_at];
                    open.truncate(found_at);
                    found.push(Pair {
                        range: TextRange::new(start as u32, at as u32 + 1),
                        is_string: false,
                    });
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The offset after a string; the end of the line where it is not closed.
fn string_end(bytes: &[u8], start: usize, is_toml: bool) -> usize {
    let quote = bytes[start];
    let triple = is_toml && bytes[start..].starts_with(&[quote; 3]);
    let width = if triple { 3 } else { 1 };
    let mut at = start + width;
    while at < bytes.len() {
        if bytes[at] == b'\\' && quote == b'"' {
            at += 2;
        } else if triple && bytes[at..].starts_with(&[quote; 3]) {
            return at + 3;
        } else if !triple && bytes[at] == quote {
            return at + 1;
        } else if !triple && bytes[at] == b'\n' {
            return at;
        } else {
            at += 1;
        }
    }
    bytes.len()
}
