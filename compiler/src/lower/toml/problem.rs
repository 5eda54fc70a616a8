//! What `toml_parser` says, in our words and with our ids.

use imgc_syntax::{FileId, Span};
use toml_parser::{Expected, ParseError};

use super::MAX_ERRORS;
use super::recover::is_unclosed;
use crate::diagnostic::{Diagnostic, Edit};

/// Adds the problems of the parser to those known; where several are about one line, the first speaks.
pub(super) fn convert(
    file: FileId,
    text: &str,
    errors: &[ParseError],
    problems: &mut Vec<Diagnostic>,
) {
    // What else the parser says between a bracket that is never closed and where it gave up follows from it.
    let swallowed: Vec<(usize, usize)> = errors
        .iter()
        .filter(|error| is_unclosed(error))
        .filter_map(|error| {
            let end = error.unexpected().map_or(text.len(), |span| span.end());
            Some((error.context()?.start(), end))
        })
        .collect();
    let follows = |error: &&ParseError| {
        let place = error.unexpected().or(error.context());
        let at = place.map_or(0, |span| span.start());
        let inside = |(start, end): &(usize, usize)| *start < at && at <= *end;
        !is_unclosed(error) && swallowed.iter().any(inside)
    };
    let mut found: Vec<Diagnostic> = errors
        .iter()
        .take(10 * MAX_ERRORS)
        .filter(|error| !follows(error))
        .map(|error| diagnostic(file, text, error))
        .collect();
    found.append(problems);
    found.sort_by_key(|problem| problem.span);
    let mut line_end = 0;
    for problem in found {
        let start = problem.span.start as usize;
        if start < line_end {
            continue;
        }
        let end = problem.span.end as usize;
        line_end = text[end..]
            .find('\n')
            .map_or(text.len() + 1, |at| end + at + 1);
        problems.push(problem);
    }
}

fn diagnostic(file: FileId, text: &str, error: &ParseError) -> Diagnostic {
    let place = error.unexpected().or(error.context());
    let (start, end) = place.map_or((0, 0), |span| (span.start(), span.end()));
    let start = text.floor_char_boundary(start);
    let end = text.ceil_char_boundary(end.max(start));
    let span = Span::new(file, start as u32, end as u32);
    let context = error.context().map(|context| {
        let (start, end) = (context.start(), context.end());
        let start = text.floor_char_boundary(start);
        let end = text.ceil_char_boundary(end.max(start));
        Span::new(file, start as u32, end as u32)
    });
    let said = error.description();
    let around = context.unwrap_or(span);
    let wants = |sign: &str| {
        let expected = error.expected().unwrap_or_default();
        expected.contains(&Expected::Literal(match sign {
            "\"" => "\"",
            "'" => "'",
            "=" => "=",
            _ => "",
        }))
    };
    let problem = |id, message: &str| Diagnostic::error(id, span, message);
    match said {
        "missing value" | "missing value for key" | "extra `=`" => {
            problem("toml/expected-value", "a value is missing here")
                .help("write a text in quotes, a number, `true`, `false`, `[…]` or `{ … }`")
        }
        "key with no value" => {
            problem("toml/missing-equals", "a key without a value").help("write `key = value`")
        }
        "missing assignment between key-value pairs" => {
            problem("toml/missing-equals", "a key without a value").help("write `key = value`")
        }
        "missing comma between array elements" | "missing comma between key-value pairs" => {
            let place = span_at(span);
            Diagnostic::error("toml/missing-comma", place, "a comma is missing here")
                .help("write `,` between elements")
                .fix("insert the comma", Edit::replace(place, ","))
        }
        "extra comma in array" | "extra comma in inline table" => {
            problem("toml/extra-comma", "there is nothing before this comma")
                .help("remove it")
                .fix("remove the comma", Edit::replace(span, ""))
        }
        "cannot recurse further; max recursion depth met" => problem(
            "toml/too-deep",
            "lists and tables stand too deep inside each other",
        )
        .help("no template needs that; most likely a program went wrong when it wrote the file"),
        "unquoted keys cannot be empty" => problem("toml/unexpected", "a key is missing here")
            .help("write the key, or remove the line"),
        "invalid unquoted key" if text[start..].starts_with(':') => {
            problem("toml/missing-equals", "`:` stands where `=` is expected")
                .help("write `key = value`")
                .fix("write `=`", Edit::replace(span, " ="))
        }
        _ if is_unclosed(error) => {
            let open = Span::new(file, around.start, (around.start + 1).min(around.end));
            let close = if said == "unclosed array" { ']' } else { '}' };
            Diagnostic::error(
                "toml/unclosed-bracket",
                open,
                "this bracket is never closed",
            )
            .help(format!("write `{close}` where it ends"))
        }
        _ if said.starts_with("unclosed") => {
            let diagnostic = problem("toml/unclosed-bracket", said);
            let open = context.map(|context| {
                let end = (context.start + 1).min(context.end);
                Span::new(file, context.start, end)
            });
            let diagnostic = match open {
                Some(open) if open.start < span.start => diagnostic.label(open, "opened here"),
                _ => diagnostic,
            };
            diagnostic.help(match said {
                "unclosed array table" => "write `]]`",
                _ => "write `]`",
            })
        }
        _ if said.starts_with("missing") && said.ends_with("opening") => {
            problem("toml/unclosed-bracket", "this bracket closes nothing")
                .help("remove it, or open what it should close")
        }
        "missing opening quote" => problem("toml/invalid-text", "a text has no opening quote")
            .help("write the quote before it"),
        _ if said.contains("string") && said.starts_with("invalid") => {
            if wants("\"") || wants("'") {
                problem("toml/invalid-text", "a text has no closing quote")
                    .label(around, "it begins here")
                    .help("write the quote where it ends; a text of several lines stands in three quotes")
            } else {
                problem(
                    "toml/invalid-text",
                    "a text has a character in it that must be written as an escape",
                )
                .help("write `\\n`, `\\t` or `\\uXXXX`, or the text in three quotes")
            }
        }
        "missing escaped value" => problem("toml/invalid-text", "this is not an escape of TOML")
            .help(
                "write `\\\\` for a backslash, or the text in single quotes, where it means itself",
            ),
        "too few unicode value digits" | "invalid value" => {
            problem("toml/invalid-text", "this is not the number of a character")
                .help("write one such as `\\u00e9`")
        }
        "missing table open" => problem("toml/unclosed-bracket", "this bracket closes nothing")
            .help("remove it, or write `[` before the name of the table"),
        _ => {
            let diagnostic = problem("toml/unexpected", said);
            match expectations(error) {
                Some(expected) => diagnostic.help(format!("expected here: {expected}")),
                None => diagnostic.help("remove it"),
            }
        }
    }
}

fn span_at(span: Span) -> Span {
    Span::new(span.file, span.start, span.start)
}

/// A bare word where TOML wants quotes.
pub(super) fn unquoted(span: Span, text: &str) -> Diagnostic {
    let right = match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some("true"),
        "false" | "no" | "off" => Some("false"),
        _ => None,
    };
    if let Some(right) = right {
        return Diagnostic::error(
            "toml/unquoted-text",
            span,
            format!("`{text}` is not a word of TOML"),
        )
        .help(format!("write `{right}`"))
        .fix(format!("write `{right}`"), Edit::replace(span, right));
    }
    let reference = [
        "var.", "local.", "data.", "build.", "each.", "path.", "count.",
    ]
    .iter()
    .any(|root| text.starts_with(root));
    let inner = text.replace('\\', "\\\\").replace('"', "\\\"");
    let written = if reference {
        format!("\"${{{inner}}}\"")
    } else {
        format!("\"{inner}\"")
    };
    let message = if matches!(text, "null" | "nil" | "none") {
        format!("TOML has no `{text}`")
    } else {
        format!("`{text}` stands without quotes")
    };
    let diagnostic = Diagnostic::error("toml/unquoted-text", span, message);
    if matches!(text, "null" | "nil" | "none") {
        return diagnostic.help("leave the key out, or write `\"${null}\"`");
    }
    diagnostic
        .help(format!("write `{written}`"))
        .fix("put it in quotes", Edit::replace(span, written))
}

fn expectations(error: &ParseError) -> Option<String> {
    let expected = error.expected().filter(|expected| !expected.is_empty())?;
    let words: Vec<String> = expected
        .iter()
        .map(|expected| match expected {
            Expected::Literal("\n") => "a new line".to_owned(),
            Expected::Literal(literal) => format!("`{literal}`"),
            Expected::Description(description) => (*description).to_owned(),
            _ => "something else".to_owned(),
        })
        .collect();
    Some(words.join(", "))
}
