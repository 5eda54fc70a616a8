//! Heredocs: the opening line, the text, the search for the end.
//!
//! The line that ends a heredoc is found when it opens, through a table of all lines that hold a single name; so a marker
//! that is missing costs no second reading of the file, and the text knows where it must not go on.

use std::collections::HashMap;

use super::recover::ends_operand;
use super::{Lexer, Mode, is_ident_continue, is_ident_start};
use crate::hcl::kind::SyntaxKind;

/// How many heredocs can stand inside each other.
const MAX_NESTED: usize = 8;

impl<'t> Lexer<'t> {
    /// At `<<`: the opening line of a heredoc, or an operator that is not ours.
    pub(super) fn heredoc_open(&mut self) {
        let start = self.pos;
        let mut at = start + 2 + self.indent_at(start + 2);
        if matches!(self.at(at), b'-' | b'~') {
            at += 1 + self.indent_at(at + 1);
        }
        let quoted = matches!(self.at(at), b'"' | b'\'');
        at += usize::from(quoted);
        let marker_end = if self.char_at(at).is_some_and(is_ident_start) {
            self.ident_end(at)
        } else {
            at
        };
        let proper = at <= start + 3 && matches!(self.at(marker_end), b'\n' | b'\r');
        let operator = ends_operand(self.last) && !proper;
        let nested = self.heredocs.len();
        if marker_end == at || operator || nested >= MAX_NESTED {
            self.advance(
                2,
                if operator {
                    SyntaxKind::BadOperator
                } else {
                    SyntaxKind::Invalid
                },
            );
            if !operator {
                let message = "`<<` needs a marker, a name that also ends the text";
                let error = self.error("syntax/heredoc-marker", start, start + 2, message);
                error.help = Some(
                    "write `<<EOF`, the lines of the text, then `EOF` on a line of its own".into(),
                );
            }
            return;
        }
        let line = self.line_end(marker_end);
        let marker = &self.text[at..marker_end];
        let dash = if self.at(start + 2) == b'-' { "-" } else { "" };
        if self.text[start..line] != format!("<<{dash}{marker}") {
            let rest = self.text[(marker_end + usize::from(quoted)).min(line)..line].trim();
            let message = if rest.is_empty() {
                "the marker of a heredoc stands directly after `<<` or `<<-`, without quotes or blanks".to_owned()
            } else {
                format!("nothing can follow the marker `{marker}` on its line")
            };
            let help = if rest.is_empty() {
                format!("write `<<{dash}{marker}`")
            } else {
                "begin the text on the next line".to_owned()
            };
            self.error("syntax/heredoc-marker", start, line, message)
                .help = Some(help);
        }
        self.pos = line;
        match (self.at(line), self.at(line + 1)) {
            (b'\n', _) => self.pos += 1,
            (b'\r', b'\n') => self.pos += 2,
            _ => {}
        }
        let body = self.pos;
        self.push(SyntaxKind::HeredocOpen);
        let (end, terminated) = match self.marker_line(marker, body) {
            Some(end) => (end, true),
            None => (self.unterminated_end(body), false),
        };
        self.line_indent = self.indent_at(body);
        if terminated {
            self.move_outer_ends(end);
        }
        self.push_heredoc(Mode::Heredoc {
            marker: (at, marker_end),
            end,
            terminated,
        });
    }

    /// An outer heredoc with the same marker does not end where the inner one does, but at the next such line.
    fn move_outer_ends(&mut self, inner_end: usize) {
        for number in 0..self.heredocs.len() {
            let index = self.heredocs[number];
            if let Mode::Heredoc {
                marker,
                end,
                terminated: true,
            } = self.modes[index]
                && end <= inner_end
                && let Some(next) = self.marker_line(&self.text[marker.0..marker.1], inner_end + 1)
            {
                self.modes[index] = Mode::Heredoc {
                    marker,
                    end: next,
                    terminated: true,
                };
            }
        }
    }

    /// The start of the first line at or after `from` that holds nothing but `marker`.
    fn marker_line(&mut self, marker: &str, from: usize) -> Option<usize> {
        let text = self.text;
        let markers = self.markers.get_or_insert_with(|| marker_lines(text));
        let lines = markers.get(marker)?;
        lines
            .get(lines.partition_point(|&line| line < from))
            .copied()
    }

    /// Where a heredoc without an end stops: at the first line that looks like the next item of the body it stands in.
    fn unterminated_end(&self, body: usize) -> usize {
        let base = self.line_indent;
        let limit = self.heredoc_limit().unwrap_or(self.bytes.len()).max(body);
        let mut line = body;
        while line < limit {
            let indent = self.indent_at(line);
            let code = line + indent;
            let next = self.line_end(line);
            let closes = indent < base && self.text[code..next].trim_end() == "}";
            let follows = indent == base
                && (self.looks_like_attribute(code) || self.looks_like_block(code, false));
            if closes || follows || (indent == 0 && self.looks_like_block(code, true)) {
                return line;
            }
            line = self.bytes[next..]
                .iter()
                .position(|&b| b == b'\n')
                .map_or(self.bytes.len(), |at| next + at + 1);
        }
        limit
    }

    /// The closing marker, or nothing where it is missing.
    pub(super) fn heredoc_end(&mut self, marker: (usize, usize), end: usize, terminated: bool) {
        self.truncate_modes(self.modes.len() - 1);
        if !terminated || self.pos != end {
            return;
        }
        while self
            .char_at(self.pos)
            .is_some_and(|c| c != '\n' && c.is_whitespace())
        {
            self.pos += self.char_at(self.pos).map_or(1, char::len_utf8);
        }
        if self.pos > end {
            self.push(SyntaxKind::Whitespace);
        }
        self.advance(marker.1 - marker.0, SyntaxKind::HeredocEnd);
    }

    /// Text up to the end of the line, an escape or an opening.
    pub(super) fn heredoc_text(&mut self, end: usize) {
        let from = self.pos;
        while self.pos < end {
            match self.bytes[self.pos] {
                b'\n' => {
                    self.pos += 1;
                    self.text_from(from);
                    self.line_indent = self.indent_at(self.pos);
                    return;
                }
                b'$' | b'%' => {
                    if self.sequence(from) {
                        return;
                    }
                    self.pos += 1;
                }
                _ => self.pos += 1,
            }
        }
        self.text_from(from);
    }
}

/// All lines of `text` that hold one name and nothing else, by that name, in order.
fn marker_lines(text: &str) -> HashMap<&str, Vec<usize>> {
    let mut lines: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let word = line.trim();
        if word.chars().next().is_some_and(is_ident_start) && word.chars().all(is_ident_continue) {
            lines.entry(word).or_default().push(start);
        }
        start += line.len();
    }
    lines
}
