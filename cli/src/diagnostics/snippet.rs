//! The few lines around a problem, without looking at the rest of the file.
//!
//! miette's own source types count lines from the start of the text for every label; a file of six megabytes with a
//! thousand problems would take minutes. Here the line table of the compilation answers, and of very long lines only
//! the neighbourhood of the place is shown.

use std::borrow::Cow;

use imgc_compiler::source::SourceFile;
use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use crate::terminal::shown_path;

/// Bytes shown on either side of a place in a very long line.
const AROUND: usize = 120;

/// The text of one file, ready to be shown.
pub(super) struct Text<'a> {
    file: &'a SourceFile,
    name: String,
    shown: Cow<'a, str>,
}

impl<'a> Text<'a> {
    pub(super) fn new(file: &'a SourceFile) -> Self {
        Self {
            file,
            name: shown_path(&file.path),
            shown: match file.shown() {
                Cow::Borrowed(text) => without_escapes(text),
                Cow::Owned(text) => Cow::Owned(without_escapes(&text).into_owned()),
            },
        }
    }
}

/// The same number of bytes with control characters replaced, so that no offset moves.
fn without_escapes(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match steers(c) {
            true => clean.extend(std::iter::repeat_n('?', c.len_utf8())),
            false => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

impl SourceCode for Text<'_> {
    fn read_span<'b>(
        &'b self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'b> + 'b>, MietteError> {
        let text: &str = &self.shown;
        let start = boundary(text, span.offset());
        let end = boundary(text, span.offset() + span.len());
        // Next to a line of a variables file may stand a secret.
        let most = if self.file.gives_values {
            0
        } else {
            usize::MAX
        };
        let from = match before {
            0 => start,
            lines => clip_left(text, back(text, start, lines.min(most)), start),
        };
        let to = match after {
            0 => end,
            lines => clip_right(text, forward(text, end, lines.min(most)), end),
        };
        let (line, column) = self.file.position(from as u32);
        let column = if before == 0 { column - 1 } else { 0 };
        let contents = MietteSpanContents::new_named(
            self.name.clone(),
            &text.as_bytes()[from..to],
            (from, to - from).into(),
            line as usize - 1,
            column as usize,
            text[from..to].matches('\n').count() + 1,
        );
        Ok(Box::new(contents))
    }
}

/// The nearest character boundary at or before `at`.
fn boundary(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}

/// Start of the line `lines` before the one that holds `at`.
fn back(text: &str, at: usize, lines: usize) -> usize {
    let mut newlines = text[..at].rmatch_indices('\n');
    newlines.nth(lines).map_or(0, |(newline, _)| newline + 1)
}

/// End of the line `lines` after the one that holds `at`, its line end not included.
fn forward(text: &str, at: usize, lines: usize) -> usize {
    let mut newlines = text[at..].match_indices('\n');
    newlines
        .nth(lines)
        .map_or(text.len(), |(newline, _)| at + newline)
}

/// Nearer to `place` than `from` where a line between them is very long.
fn clip_left(text: &str, from: usize, place: usize) -> usize {
    let line = back(text, place, 0);
    if place - line > 2 * AROUND {
        return boundary(text, place - AROUND);
    }
    match text[from..line]
        .lines()
        .any(|other| other.len() > 4 * AROUND)
    {
        true => line,
        false => from,
    }
}

/// Nearer to `place` than `to` where a line between them is very long.
fn clip_right(text: &str, to: usize, place: usize) -> usize {
    let line = forward(text, place, 0);
    if line - place > 2 * AROUND {
        return boundary(text, place + AROUND);
    }
    match text[line..to].lines().any(|other| other.len() > 4 * AROUND) {
        true => line,
        false => to,
    }
}
