//! Blanks and comments.

use smol_str::SmolStr;

use super::Parser;
use crate::diagnostic::{Certainty, Diagnostic, Edit, Fix};

impl Parser<'_> {
    /// Past blanks and comments. Those on the line of the last token are given back if `behind`, all others wait for the
    /// next value.
    pub(super) fn trivia(&mut self, behind: bool) -> Vec<SmolStr> {
        let mut of_last = Vec::new();
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let blanks = rest
                .iter()
                .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
                .count();
            self.at += blanks;
            let rest = &self.text[self.at..];
            if rest.starts_with("//") || rest.starts_with("/*") {
                let start = self.at;
                let lines = self.comment();
                if behind && !self.text[self.last_end..start].contains('\n') {
                    of_last.extend(lines);
                } else {
                    self.pending.extend(lines);
                }
            } else if let Some(blank) = rest
                .chars()
                .next()
                .filter(|c| !c.is_ascii() && (c.is_whitespace() || *c == '\u{feff}'))
            {
                // Copied from a page: looks like a blank, and no other program takes it for one.
                let place = self.span(self.at, self.at + blank.len_utf8());
                self.at += blank.len_utf8();
                self.report(
                    Diagnostic::error(
                        "json/unexpected-character",
                        place,
                        format!(
                            "a blank that JSON does not have, U+{:04X}",
                            u32::from(blank)
                        ),
                    )
                    .help("write an ordinary blank")
                    .fix("make it an ordinary blank", Edit::replace(place, " ")),
                );
            } else {
                return of_last;
            }
        }
    }

    /// A comment's lines, without markers.
    fn comment(&mut self) -> Vec<SmolStr> {
        let start = self.at;
        let rest = &self.text[start..];
        let (len, inner, block) = if rest.starts_with("//") {
            let len = rest.find('\n').unwrap_or(rest.len());
            (len, &rest[2..len], false)
        } else if let Some(end) = rest[2..].find("*/") {
            (end + 4, &rest[2..end + 2], true)
        } else {
            (rest.len(), &rest[2..], true)
        };
        let lines = if block {
            let line = |line: &str| SmolStr::from(line.trim().trim_start_matches('*').trim());
            let mut lines: Vec<SmolStr> = inner.lines().map(line).collect();
            if lines.last().is_some_and(SmolStr::is_empty) {
                lines.pop();
            }
            if lines.first().is_some_and(SmolStr::is_empty) {
                lines.remove(0);
            }
            lines
        } else {
            vec![SmolStr::from(inner.trim())]
        };
        let unclosed = block && !rest[2..].contains("*/");
        let end = start + rest[..len].trim_end().len();
        self.at = start + len;
        if unclosed {
            let place = self.span(start, start + 2);
            self.report(
                Diagnostic::error(
                    "json/unclosed-comment",
                    place,
                    "this comment is never closed",
                )
                .help("write `*/` where it ends"),
            );
        } else {
            let place = self.span(start, end);
            self.comments.push(place);
        }
        lines
    }

    /// One warning for all comments of the file.
    pub(super) fn report_comments(&mut self) {
        let Some(first) = self.comments.first().copied() else {
            return;
        };
        let count = self.comments.len();
        let message = match count {
            1 => "a comment, which JSON does not have".to_owned(),
            _ => format!("JSON does not have comments, and this file has {count}"),
        };
        let mut diagnostic = Diagnostic::warning("json/comment", first, message)
            .help("other programs refuse the file; keys such as `\"//\"` are comments everywhere");
        diagnostic.fixes.push(Fix {
            title: if count == 1 {
                "remove the comment".to_owned()
            } else {
                "remove all comments".to_owned()
            },
            edits: self
                .comments
                .iter()
                .map(|place| {
                    let (start, end) = self.around(place.start as usize, place.end as usize);
                    Edit::replace(self.span(start, end), "")
                })
                .collect(),
            // What it says would be lost.
            certainty: Certainty::Guess,
        });
        self.report(diagnostic);
    }

    /// A comment with the blanks before it, and with its whole line where nothing else stands there.
    fn around(&self, start: usize, end: usize) -> (usize, usize) {
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r');
        let bytes = self.text.as_bytes();
        let before = start - bytes[..start].iter().rev().take_while(blank).count();
        let after = end + bytes[end..].iter().take_while(blank).count();
        let first = before == 0 || bytes[before - 1] == b'\n';
        if first && bytes.get(after) == Some(&b'\n') {
            (before, after + 1)
        } else {
            (before, end)
        }
    }
}
