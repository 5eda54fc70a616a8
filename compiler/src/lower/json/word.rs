//! Numbers and bare words.

use std::ops::Range;

use super::Parser;
use crate::diagnostic::{Diagnostic, Edit};
use crate::lower::tree::{Node, NodeKind};
use crate::value::Number;

impl Parser<'_> {
    /// Whether a word begins here.
    pub(super) fn at_word(&self) -> bool {
        let next = self.text[self.at..].chars().next();
        next.is_some_and(|c| c.is_alphabetic() || matches!(c, '_' | '$'))
    }

    /// Takes the letters, digits and signs that words are made of.
    pub(super) fn take_word(&mut self) -> Range<usize> {
        let start = self.at;
        let rest = &self.text[start..];
        let in_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '-' | '.');
        self.at += rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        start..self.at
    }

    /// `true`, `false`, `null`, or something that is not JSON.
    pub(super) fn word(&mut self) -> Node {
        let word = self.take_word();
        let (start, text) = (word.start, &self.text[word]);
        let meant = match text.to_ascii_lowercase().as_str() {
            "true" => Some(("true", NodeKind::Bool(true))),
            "false" => Some(("false", NodeKind::Bool(false))),
            "null" | "none" | "nil" | "undefined" => Some(("null", NodeKind::Null)),
            "nan" | "inf" | "infinity" => return self.not_finite(start),
            _ => None,
        };
        if let Some((written, kind)) = meant {
            let span = self.span(start, self.at);
            if text != written {
                self.report(
                    Diagnostic::error(
                        "json/unquoted-text",
                        span,
                        format!("`{text}` is not a word of JSON"),
                    )
                    .help(format!("write `{written}`"))
                    .fix(format!("write `{written}`"), Edit::replace(span, written)),
                );
            }
            return Node::new(kind, span);
        }
        self.unquoted(start)
    }

    /// The rest of what was probably meant as one text.
    fn unquoted(&mut self, start: usize) -> Node {
        let rest = &self.text[self.at..];
        let end = rest
            .find([',', '}', ']', '\n', '"', ':', '{', '['])
            .unwrap_or(rest.len());
        let end = self.at + end;
        let text = self.text[start..end].trim_end();
        self.at = start + text.len();
        let span = self.span(start, self.at);
        let reference = ["var.", "local.", "data.", "build.", "each.", "path."]
            .iter()
            .any(|root| text.starts_with(root));
        let written = if reference {
            format!("\"${{{text}}}\"")
        } else {
            format!("\"{}\"", text.replace('\\', "\\\\"))
        };
        self.report(
            Diagnostic::error(
                "json/unquoted-text",
                span,
                format!("`{text}` stands without quotes"),
            )
            .help(format!("write `{written}`"))
            .fix("put it in quotes", Edit::replace(span, written)),
        );
        Node::new(NodeKind::Error, span)
    }

    fn not_finite(&mut self, start: usize) -> Node {
        let span = self.span(start, self.at);
        let text = &self.text[start..self.at];
        self.report(
            Diagnostic::error(
                "json/invalid-number",
                span,
                format!("JSON has no number `{text}`"),
            )
            .help(format!("write a number, or `\"{text}\"` for a text")),
        );
        Node::new(NodeKind::Error, span)
    }

    /// A number, or what looks like one.
    pub(super) fn number(&mut self) -> Node {
        let start = self.at;
        let rest = &self.text[start..];
        let in_number = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
        let len = rest.find(|c| !in_number(c)).unwrap_or(rest.len());
        self.at += len;
        let (text, span) = (&rest[..len], self.span(start, self.at));
        if !is_number(text) {
            let diagnostic = malformed(text, span);
            self.report(diagnostic);
            return Node::new(NodeKind::Error, span);
        }
        match Number::parse(text) {
            Ok(number) => Node::new(NodeKind::Number(number), span),
            Err(error) => {
                self.report(Diagnostic::error(
                    "lower/number-too-large",
                    span,
                    error.to_string(),
                ));
                Node::new(NodeKind::Error, span)
            }
        }
    }
}

/// Whether `text` is a number as JSON writes it.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let exponent = exponent.map(|text| text.strip_prefix(['-', '+']).unwrap_or(text));
    all_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(all_digits)
        && exponent.is_none_or(all_digits)
}

fn malformed(text: &str, span: imgc_syntax::Span) -> Diagnostic {
    let diagnostic = |message: String| Diagnostic::error("json/invalid-number", span, message);
    let hexadecimal = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .map(|value| value.to_string());
    if let Some(decimal) = hexadecimal {
        return diagnostic(format!("JSON has no hexadecimal numbers, such as `{text}`"))
            .help(format!("write `{decimal}`"))
            .fix("make it decimal", Edit::replace(span, decimal));
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let stripped = unsigned.trim_start_matches('0');
    if unsigned.starts_with('0') && is_number(stripped) {
        let stripped = text.replacen(&unsigned[..unsigned.len() - stripped.len()], "", 1);
        // Which of the two was meant, nobody knows: modes of files are written like this.
        return diagnostic(format!("the number `{text}` begins with a zero"))
            .help(format!("write `{stripped}`, or `\"{text}\"` for a text"));
    }
    if let Some(tidy) = tidy(text) {
        return diagnostic(format!("JSON does not write numbers as `{text}`"))
            .help(format!("write `{tidy}`"))
            .fix("write it as JSON does", Edit::replace(span, tidy));
    }
    let diagnostic = diagnostic(format!("`{text}` is not a number"));
    if text.len() < 2 {
        return diagnostic.help("write a number");
    }
    diagnostic
        .help(format!("write `\"{text}\"` if it is a text"))
        .fix(
            "put it in quotes",
            Edit::replace(span, format!("\"{text}\"")),
        )
}

/// `+1`, `.5`, `1.`, `1_000` as JSON writes them.
fn tidy(text: &str) -> Option<String> {
    let mut tidy = text.strip_prefix('+').unwrap_or(text).replace('_', "");
    if tidy.starts_with('.') {
        tidy.insert(0, '0');
    } else if tidy.starts_with("-.") {
        tidy.insert(1, '0');
    }
    if tidy.ends_with('.') {
        tidy.pop();
    }
    is_number(&tidy).then_some(tidy)
}
