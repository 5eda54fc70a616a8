//! Mistakes that make TOML mean something else from there on, and the text as it was meant.
//!
//! In: a text and its pieces. Out: the same text with other characters in the places of what is wrong, each as long as what
//! it stands for, to be cut into pieces again: blanks for what a merge left, and for the quotation marks of expressions in
//! a text (`"${upper("q")}"`) others that do not end it.

use std::ops::Range;

use imgc_syntax::conflict::{self, Conflict};
use imgc_syntax::{FileId, Span};
use toml_parser::ParseError;
use toml_parser::decoder::Encoding;
use toml_parser::parser::{Event, EventKind};

use crate::diagnostic::{Certainty, Diagnostic, Edit, Fix};
use crate::lower::hcl;

/// A text that can be read, and what it was before.
pub(super) struct Mended {
    pub(super) text: String,
    /// Texts with quotation marks of expressions in them.
    pub(super) quoted: Vec<Range<usize>>,
    conflicts: Vec<Conflict>,
}

/// The text as it was meant, if it has one of these mistakes.
pub(super) fn mend(text: &str, events: &[Event], errors: &[ParseError]) -> Option<Mended> {
    let conflicts = match errors {
        [] => Vec::new(),
        _ => conflicts(text),
    };
    if conflicts.is_empty() {
        let quoted = quoted(text, events);
        return (!quoted.is_empty()).then(|| Mended {
            text: masked(text, &quoted),
            quoted,
            conflicts,
        });
    }
    let rest = conflict::without(text, &conflicts);
    let quoted = quoted(&rest, &super::recover::events(&rest).0);
    Some(Mended {
        text: masked(&rest, &quoted),
        quoted,
        conflicts,
    })
}

impl Mended {
    /// What is wrong with `text`.
    pub(super) fn problems(&self, file: FileId, text: &str) -> impl Iterator<Item = Diagnostic> {
        let conflicts = self.conflicts.iter().map(move |conflict| {
            hcl::diagnostic(&conflict.error(), |(start, end)| {
                Span::new(file, start, end)
            })
        });
        let quoted = self
            .quoted
            .iter()
            .map(move |place| unescaped(file, text, place));
        conflicts.chain(quoted)
    }
}

/// The merge conflicts of a text, but for those inside of texts that go over several lines.
fn conflicts(text: &str) -> Vec<Conflict> {
    let mut conflicts = conflict::find(text);
    if conflicts.is_empty() {
        return conflicts;
    }
    let rest = conflict::without(text, &conflicts);
    let (events, _) = super::recover::events(&rest);
    conflicts.retain(|conflict| {
        let at = conflict.first.start;
        let around = events.partition_point(|event| event.span().end() <= at);
        let event = events.get(around);
        !event.is_some_and(|event| event.kind() == EventKind::Scalar && event.span().start() < at)
    });
    conflicts
}

/// The texts in double quotes that end inside of an expression, with all that belongs to them.
fn quoted(text: &str, events: &[Event]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for event in events {
        let (start, end) = (event.span().start(), event.span().end());
        let inside = found.last().is_some_and(|last| start < last.end);
        if inside
            || event.kind() != EventKind::Scalar
            || event.encoding() != Some(Encoding::BasicString)
        {
            continue;
        }
        let inner = text.get(start + 1..end.saturating_sub(1));
        if inner.is_some_and(is_open)
            && let Some(real) = real_end(text, end - 1)
        {
            found.push(start..real);
        }
    }
    found
}

/// Whether an interpolation begins in a text and does not end in it.
fn is_open(inner: &str) -> bool {
    let last = ["${", "%{"]
        .iter()
        .filter_map(|open| inner.rfind(open))
        .max();
    last.is_some_and(|at| {
        let escaped = inner[..at].ends_with(&inner[at..=at]);
        !escaped && !inner[at..].contains('}')
    })
}

/// Where a text ends whose expression goes on with the quotation mark at `quote`; it does so on the same line, and what
/// follows is what can follow a text.
fn real_end(text: &str, quote: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = quote;
    let (mut depth, mut in_word) = (1_u32, false);
    loop {
        match *bytes.get(at)? {
            b'\n' => return None,
            b'\\' => at += 1,
            b'"' if depth == 0 => break,
            b'"' => in_word = !in_word,
            b'{' if depth == 0 && !matches!(bytes[at - 1], b'$' | b'%') => {}
            b'{' if !in_word => depth += 1,
            b'}' if !in_word => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    let end = at + 1;
    let next = text[end..].trim_start_matches([' ', '\t', '\r']);
    (next.is_empty() || next.starts_with(['\n', '#', ',', ']', '}'])).then_some(end)
}

/// The quotation marks inside of a text, without those that are escaped.
fn marks(text: &str, place: &Range<usize>) -> Vec<usize> {
    let inner = place.start + 1..place.end - 1;
    let bytes = text.as_bytes();
    let mut marks = Vec::new();
    let mut at = inner.start;
    while at < inner.end {
        match bytes[at] {
            b'\\' => at += 1,
            b'"' => marks.push(at),
            _ => {}
        }
        at += 1;
    }
    marks
}

/// The text with signs that end nothing for the quotation marks inside of texts.
fn masked(text: &str, quoted: &[Range<usize>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for mark in quoted.iter().flat_map(|place| marks(text, place)) {
        out.push_str(&text[at..mark]);
        out.push('\'');
        at = mark + 1;
    }
    out.push_str(&text[at..]);
    out
}

fn unescaped(file: FileId, text: &str, place: &Range<usize>) -> Diagnostic {
    let span = |start: usize, end: usize| Span::new(file, start as u32, end as u32);
    let marks = marks(text, place);
    let inner = &text[place.start + 1..place.end - 1];
    let mut escaped = text[place.clone()].to_owned();
    for mark in marks.iter().rev() {
        escaped.insert(mark - place.start, '\\');
    }
    let first = marks.first().map_or(place.start, |mark| *mark);
    let diagnostic = Diagnostic::error(
        "toml/unescaped-quote",
        span(first, first + 1),
        "a quotation mark of an expression ends this text",
    )
    .label(span(place.start, place.start + 1), "it begins here");
    // In single quotes every character means itself.
    if inner.contains(['\'', '\\']) {
        let mut diagnostic = diagnostic.help(format!("write backslashes before them: `{escaped}`"));
        diagnostic.fixes.push(Fix {
            title: "write backslashes".to_owned(),
            edits: marks
                .iter()
                .map(|mark| Edit::replace(span(*mark, *mark), "\\"))
                .collect(),
            certainty: Certainty::Certain,
        });
        return diagnostic;
    }
    let mut diagnostic = diagnostic.help(format!(
        "write the text in single quotes, `'{inner}'`, or backslashes before them, `{escaped}`"
    ));
    diagnostic.fixes.push(Fix {
        title: "write the text in single quotes".to_owned(),
        edits: [place.start, place.end - 1]
            .map(|quote| Edit::replace(span(quote, quote + 1), "'"))
            .to_vec(),
        certainty: Certainty::Certain,
    });
    diagnostic
}
