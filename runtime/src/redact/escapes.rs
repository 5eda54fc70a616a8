//! Secrets in texts that other programs have quoted, each character in an escape of its own.
//!
//! In: secrets, and lines of text. Out: where a line holds a secret, whichever of its characters are escaped and in
//! whichever way: backslashes before them as shells and JSON put them (also several, where something was quoted twice),
//! `\n`, `\xNN`, `\NNN`, `\uXXXX`, `%NN`, `&amp;`, quotation marks closed and opened again.
//!
//! Secrets and lines are brought to a plain form: escapes read, everything that only quotes left out. Where the plain
//! form of a secret stands in that of a line, what was left out is compared, so that `its` is not taken for `it's`.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

mod read;

use read::{Mark, Plain, Token};

/// More backslashes or quotation marks in a row than this have another meaning.
const LONGEST_QUOTING: usize = 8;
/// Closing a quotation, opening another one for a single character: `'$'`.
const LONGEST_SWITCH: usize = 3;

/// What quoted secrets are recognised by.
#[derive(Debug, Default)]
pub(super) struct Escapes {
    secrets: Vec<Plain>,
    automaton: Option<AhoCorasick>,
    /// Some secret has a quotation mark: it may be quoted without any other escape.
    quotes: bool,
}

impl Escapes {
    pub(super) fn of<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let secrets = secrets.into_iter().map(Plain::of);
        let secrets: Vec<Plain> = secrets.filter(|secret| !secret.tokens.is_empty()).collect();
        let patterns = secrets.iter().map(Plain::key);
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(patterns)
            .expect("secrets are far fewer than an automaton can hold");
        let mut marks = secrets.iter().flat_map(|secret| &secret.marks);
        Self {
            quotes: marks.any(|mark| matches!(mark.value, b'\'' | b'"')),
            automaton: (!secrets.is_empty()).then_some(automaton),
            secrets,
        }
    }

    /// Where secrets stand in a text, line by line.
    pub(super) fn within(&self, text: &str, found: &mut Vec<Range<usize>>) {
        let Some(automaton) = &self.automaton else {
            return;
        };
        let mut from = 0;
        for line in text.split_inclusive('\n') {
            if self.may_quote(line) && automaton.is_match(&read::key(line)) {
                self.in_line(automaton, line, from, found);
            }
            from += line.len();
        }
    }

    fn in_line(
        &self,
        automaton: &AhoCorasick,
        line: &str,
        from: usize,
        found: &mut Vec<Range<usize>>,
    ) {
        let plain = Plain::of(line);
        for candidate in automaton.find_overlapping_iter(&plain.key()) {
            let secret = &self.secrets[candidate.pattern().as_usize()];
            if let Some(range) = compare(secret, &plain, candidate.start()) {
                let start = line.floor_char_boundary(range.start);
                found.push(from + start..from + line.ceil_char_boundary(range.end));
            }
        }
    }

    /// Whether anything is quoted in this line at all; in most nothing is.
    fn may_quote(&self, line: &str) -> bool {
        line.bytes().any(|byte| match byte {
            b'\\' | b'%' | b'&' => true,
            b'\'' | b'"' => self.quotes,
            _ => false,
        })
    }
}

/// The bytes of a text that are this secret, whose plain form begins at the token `at` of the text's.
fn compare(secret: &Plain, text: &Plain, at: usize) -> Option<Range<usize>> {
    let mut start = None;
    let mut before = false;
    for (index, wanted) in secret.tokens.iter().enumerate() {
        let token = &text.tokens[at + index];
        let quoting = text.gap(at + index);
        let escaped = same(wanted, token, quoting)?;
        let marks = secret.gap(index);
        match start {
            None => start = Some(begin(marks, quoting, token, wanted, escaped)?),
            Some(_) if !quotes(marks, quoting, wanted, before, escaped) => return None,
            Some(_) => {}
        }
        before = escaped;
    }
    let count = secret.tokens.len();
    let last = text.tokens.get(at + count - 1)?;
    let end = end(secret.gap(count), text.gap(at + count), last)?;
    Some(start?..end)
}

/// Whether two tokens mean the same; `Some(true)` where the text's is an escape.
fn same(wanted: &Token, token: &Token, quoting: &[Mark]) -> Option<bool> {
    if wanted.value == token.value {
        // A secret with an escape in it is not what the escape means.
        return (token.escaped || !wanted.escaped).then_some(token.escaped);
    }
    if wanted.value == b' ' && token.value == b'+' {
        return (!token.escaped).then_some(true);
    }
    let control = read::letter(wanted.value).is_some() && token.value.is_ascii_alphabetic();
    let backslash = quoting.last().is_some_and(|mark| mark.value == b'\\');
    (control && backslash).then_some(true)
}

/// Where the secret begins, with what quotes its first character.
fn begin(
    marks: &[Mark],
    quoting: &[Mark],
    token: &Token,
    wanted: &Token,
    escaped: bool,
) -> Option<usize> {
    let mut rest = quoting;
    let mut start = token.start;
    for mark in marks.iter().rev() {
        let at = rest.iter().rposition(|one| one.value == mark.value)?;
        start = rest[at].start;
        rest = &rest[..at];
    }
    if quoting.len() - rest.len() > longest(marks) {
        return None;
    }
    if !marks.is_empty() || escaped || !wanted.value.is_ascii_alphanumeric() {
        let backslashes = rest.iter().rev().take_while(|mark| mark.value == b'\\');
        start = backslashes.last().map_or(start, |mark| mark.start);
    }
    Some(start)
}

/// Where the secret ends.
fn end(marks: &[Mark], quoting: &[Mark], last: &Token) -> Option<usize> {
    let mut rest = quoting;
    let mut end = last.end;
    for mark in marks {
        let at = rest.iter().position(|one| one.value == mark.value)?;
        end = rest[at].end;
        rest = &rest[at + 1..];
    }
    (quoting.len() - rest.len() <= longest(marks)).then_some(end)
}

/// Whether what stands between two characters in the text only quotes what stands there in the secret.
fn quotes(marks: &[Mark], quoting: &[Mark], wanted: &Token, before: bool, escaped: bool) -> bool {
    if marks.is_empty() {
        let backslashes = quoting.iter().rev();
        let backslashes = backslashes.take_while(|mark| mark.value == b'\\').count();
        let switch = &quoting[..quoting.len() - backslashes];
        let special = escaped || !wanted.value.is_ascii_alphanumeric();
        let switches = |mark: &Mark| matches!(mark.value, b'\'' | b'"' | b'$');
        return (backslashes == 0 || special && backslashes < LONGEST_QUOTING)
            && (switch.is_empty()
                || (before || escaped)
                    && switch.len() <= LONGEST_SWITCH
                    && switch.iter().all(switches));
    }
    let mut all = quoting.iter();
    let in_order = |mark: &Mark| all.any(|one| one.value == mark.value);
    marks.iter().all(in_order) && quoting.len() <= longest(marks)
}

/// What may stand for these marks at most.
fn longest(marks: &[Mark]) -> usize {
    LONGEST_QUOTING * (marks.len() + 1)
}

#[cfg(test)]
mod tests;
