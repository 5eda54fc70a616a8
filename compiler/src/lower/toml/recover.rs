//! The pieces of a text, and how to go on behind a list or an inline table that is never closed.
//!
//! Such a bracket would swallow the rest of the file. Where a line behind it can only be the beginning of something new, the
//! text is read as two, so that everything below is what it looks like.

use toml_parser::parser::{Event, RecursionGuard, ValidateWhitespace, parse_document};
use toml_parser::{ParseError, Source, Span};

use super::MAX_DEPTH;

/// So often a text is read anew; nobody leaves more brackets open.
const MAX_PARTS: usize = 20;

/// The pieces of a text and the mistakes in their order.
pub(super) fn events(text: &str) -> (Vec<Event>, Vec<ParseError>) {
    let (mut events, mut errors) = (Vec::new(), Vec::new());
    let mut start = 0;
    for _ in 0..MAX_PARTS {
        let (found, mistakes) = part(text, start, text.len());
        let Some(end) = unclosed(&mistakes).and_then(|open| fresh_line(text, open)) else {
            events.extend(found);
            errors.extend(mistakes);
            return (events, errors);
        };
        let (found, mistakes) = part(text, start, end);
        events.extend(found);
        errors.extend(mistakes);
        start = end;
    }
    let (found, mistakes) = part(text, start, text.len());
    events.extend(found);
    errors.extend(mistakes);
    (events, errors)
}

/// The pieces of a part of a text, with places in the whole.
fn part(text: &str, start: usize, end: usize) -> (Vec<Event>, Vec<ParseError>) {
    let source = Source::new(&text[start..end]);
    let tokens: Vec<_> = source.lex().collect();
    let mut errors: Vec<ParseError> = Vec::new();
    let mut events: Vec<Event> = Vec::with_capacity(tokens.len());
    let mut receiver = ValidateWhitespace::new(&mut events, source);
    let mut receiver = RecursionGuard::new(&mut receiver, MAX_DEPTH);
    parse_document(&tokens, &mut receiver, &mut errors);
    if start > 0 {
        let moved = |span: Span| Span::new_unchecked(span.start() + start, span.end() + start);
        for event in &mut events {
            *event = Event::new_unchecked(event.kind(), event.encoding(), moved(event.span()));
        }
        for error in &mut errors {
            let mut there = ParseError::new(error.description().to_owned());
            if let Some(context) = error.context() {
                there = there.with_context(moved(context));
            }
            if let Some(expected) = error.expected() {
                there = there.with_expected(expected);
            }
            if let Some(unexpected) = error.unexpected() {
                there = there.with_unexpected(moved(unexpected));
            }
            *error = there;
        }
    }
    (events, errors)
}

/// The first bracket that is never closed.
fn unclosed(errors: &[ParseError]) -> Option<usize> {
    errors
        .iter()
        .filter(|error| is_unclosed(error))
        .filter_map(|error| error.context())
        .map(|context| context.start())
        .min()
}

/// Whether a mistake is a bracket around values that is never closed.
pub(super) fn is_unclosed(error: &ParseError) -> bool {
    matches!(
        error.description(),
        "unclosed array" | "unclosed inline table"
    )
}

/// The beginning of the first line after the bracket at `open` that begins something new.
fn fresh_line(text: &str, open: usize) -> Option<usize> {
    let in_list = text.as_bytes().get(open) == Some(&b'[');
    let mut at = open + text[open..].find('\n')? + 1;
    for line in text[at..].split_inclusive('\n') {
        if is_header(line) || in_list && is_key(line) {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// `[name]` or `[[name]]`, and nothing else on the line.
fn is_header(line: &str) -> bool {
    let line = line.trim();
    let inner = line
        .strip_prefix("[[")
        .and_then(|rest| rest.strip_suffix("]]"))
        .or_else(|| {
            line.strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
        });
    inner.is_some_and(|inner| {
        let first = inner.trim_start().chars().next();
        first.is_some_and(|c| c.is_alphabetic() || c == '_')
            && !inner.contains([',', '[', ']', '='])
    })
}

/// `name =` at the very beginning of the line.
fn is_key(line: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let end = line.find(|c| !name(c)).unwrap_or(line.len());
    end > 0 && line[end..].trim_start().starts_with('=')
}
