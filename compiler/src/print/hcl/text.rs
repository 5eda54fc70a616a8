//! Texts and templates: escapes, heredocs.

use std::fmt::Write as _;

use smol_str::SmolStr;

use super::expr::{Level, bare_value, flat_at};
use crate::hir::{Expr, ExprKind, Part};

/// What a template stands in, which decides about its escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::print) enum Around {
    /// `"…"`: backslashes.
    Quotes,
    /// A heredoc: none but those of templates.
    Heredoc,
    /// A string of another language, which has its own escapes.
    Other,
}

/// The text of a template without what it stands in. In a heredoc `None` where it needs escapes there are none for.
pub(in crate::print) fn parts(parts: &[Part], around: Around) -> Option<String> {
    let mut writer = Writer {
        out: String::new(),
        around,
        impossible: false,
    };
    writer.parts(parts, None);
    (!writer.impossible).then_some(writer.out)
}

struct Writer {
    out: String,
    around: Around,
    impossible: bool,
}

impl Writer {
    /// `after` is the sign of the sequence that follows all of them.
    fn parts(&mut self, parts: &[Part], after: Option<char>) {
        let parts = joined(parts);
        for (at, part) in parts.iter().enumerate() {
            match part {
                Part::Literal(text) => {
                    let next = parts.get(at + 1).map(sign).or(after);
                    self.literal(text, next);
                }
                Part::Interpolation(expr) => self.interpolation(expr),
                Part::If {
                    condition,
                    then,
                    otherwise,
                    ..
                } => {
                    self.directive(&format!("if {}", inner(condition)));
                    self.parts(then, Some('%'));
                    if !otherwise.is_empty() {
                        self.directive("else");
                        self.parts(otherwise, Some('%'));
                    }
                    self.directive("endif");
                }
                Part::For {
                    key,
                    value,
                    collection,
                    body,
                    ..
                } => {
                    let names = match key {
                        Some(key) => format!("{}, {}", key.text, value.text),
                        None => value.text.to_string(),
                    };
                    self.directive(&format!("for {names} in {}", inner(collection)));
                    self.parts(body, Some('%'));
                    self.directive("endfor");
                }
            }
        }
    }

    fn directive(&mut self, code: &str) {
        write!(self.out, "%{{ {code} }}").expect("a string takes every text");
    }

    fn interpolation(&mut self, expr: &Expr) {
        let code = inner(expr);
        // `${~` would be a marker, and `${{` looks like another language.
        let space = if code.starts_with('{') || code.ends_with('}') {
            " "
        } else {
            ""
        };
        write!(self.out, "${{{space}{code}{space}}}").expect("a string takes every text");
    }

    /// `next` is the sign of the sequence that follows directly.
    fn literal(&mut self, text: &str, next: Option<char>) {
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            rest = &rest[character.len_utf8()..];
            match character {
                '$' | '%' => self.sign(character, rest, next),
                _ if self.around == Around::Quotes => self.quoted(character),
                '\r' | '\0' if self.around == Around::Heredoc => self.impossible = true,
                _ => self.out.push(character),
            }
        }
    }

    fn sign(&mut self, sign: char, rest: &str, next: Option<char>) {
        let doubled = rest.starts_with(sign) && rest[1..].starts_with('{');
        if rest.starts_with('{') {
            // The brace comes with the next character.
            self.out.push(sign);
            self.out.push(sign);
        } else if doubled || (rest.is_empty() && next == Some(sign)) {
            // Together with what follows it would be an escape.
            match self.around {
                Around::Quotes => {
                    write!(self.out, "\\u{:04x}", u32::from(sign))
                        .expect("a string takes every text");
                }
                Around::Heredoc => self.impossible = true,
                Around::Other => {
                    write!(self.out, "${{\"{sign}\"}}").expect("a string takes every text")
                }
            }
        } else {
            self.out.push(sign);
        }
    }

    fn quoted(&mut self, character: char) {
        match character {
            '"' => self.out.push_str("\\\""),
            '\\' => self.out.push_str("\\\\"),
            '\n' => self.out.push_str("\\n"),
            '\r' => self.out.push_str("\\r"),
            '\t' => self.out.push_str("\\t"),
            // Byte order marks and separators are invisible, too.
            invisible
                if invisible.is_control()
                    || matches!(invisible, '\u{feff}' | '\u{2028}' | '\u{2029}') =>
            {
                write!(self.out, "\\u{:04x}", u32::from(invisible))
                    .expect("a string takes every text");
            }
            plain => self.out.push(plain),
        }
    }
}

/// The sign a part begins with; text has none.
fn sign(part: &Part) -> char {
    match part {
        Part::Literal(_) => ' ',
        Part::Interpolation(_) => '$',
        Part::If { .. } | Part::For { .. } => '%',
    }
}

/// Neighbouring texts as one.
fn joined(parts: &[Part]) -> Vec<Part> {
    let mut joined: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        match (joined.last_mut(), part) {
            (_, Part::Literal(text)) if text.is_empty() => {}
            (Some(Part::Literal(before)), Part::Literal(text)) => {
                *before = SmolStr::from(format!("{before}{text}"));
            }
            _ => joined.push(part.clone()),
        }
    }
    joined
}

/// An expression inside of a sequence.
fn inner(expr: &Expr) -> String {
    match &expr.kind {
        // In a sequence as such: its parentheses say nothing.
        ExprKind::Literal(value) => bare_value(value),
        _ => flat_at(expr, Level::Any),
    }
}

/// A template as a heredoc, each line behind `indent` and the marker behind `outer`; `None` where it cannot be one or is
/// better read in quotes: texts of less than two lines, without a line end, with characters that need escapes.
pub(super) fn heredoc(given: &[Part], indent: &str, outer: &str) -> Option<String> {
    let text = parts(given, Around::Heredoc)?;
    let is_printable = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    if !text.ends_with('\n') || text.matches('\n').count() < 2 || !text.chars().all(is_printable) {
        return None;
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let marker = ["EOT", "EOF", "END", "EOT_"]
        .into_iter()
        .find(|marker| !lines.iter().any(|line| line.trim() == *marker))?;
    let is_flush = lines
        .iter()
        .filter(|line| !line.trim().is_empty())
        .any(|line| !line.starts_with(char::is_whitespace));
    let (dash, indent, outer) = if is_flush {
        ("-", indent, outer)
    } else {
        ("", "", "")
    };
    let mut out = format!("<<{dash}{marker}\n");
    for line in lines {
        // A line of blanks keeps what it has: it does not count for the common indentation.
        if !line.trim().is_empty() {
            out.push_str(indent);
        }
        out.push_str(line);
    }
    out.push_str(outer);
    out.push_str(marker);
    Some(out)
}
