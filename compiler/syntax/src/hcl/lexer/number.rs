//! Numbers, kept as written.

use super::{Lexer, is_ident_continue};
use crate::hcl::kind::SyntaxKind;

impl Lexer<'_> {
    /// A number; letters directly after it belong to it and are an error.
    pub(super) fn number(&mut self) {
        let start = self.pos;
        // In `a.0.1` the digits after a dot are one index each.
        let legacy_index = self.last == SyntaxKind::Dot
            && self
                .tokens
                .last()
                .is_some_and(|token| token.kind == SyntaxKind::Dot);
        self.digits();
        if !legacy_index {
            if self.at(self.pos) == b'.' && self.at(self.pos + 1).is_ascii_digit() {
                self.pos += 1;
                self.digits();
            }
            if matches!(self.at(self.pos), b'e' | b'E') {
                let sign = usize::from(matches!(self.at(self.pos + 1), b'+' | b'-'));
                if self.at(self.pos + 1 + sign).is_ascii_digit() {
                    self.pos += 1 + sign;
                    self.digits();
                }
            }
        }
        let digits_end = self.pos;
        while let Some(c) = self
            .char_at(self.pos)
            .filter(|&c| c != '-' && is_ident_continue(c))
        {
            self.pos += c.len_utf8();
        }
        let end = self.pos;
        self.push(SyntaxKind::Number);
        if end > digits_end {
            let help = self.number_help(start, digits_end, end);
            let message = format!("`{}` is not a number", &self.text[start..end]);
            self.error("syntax/invalid-number", start, end, message)
                .help = Some(help);
        }
    }

    fn digits(&mut self) {
        while self.at(self.pos).is_ascii_digit() {
            self.pos += 1;
        }
    }

    fn number_help(&self, start: usize, digits_end: usize, end: usize) -> String {
        let written = &self.text[start..end];
        let tail = &self.text[digits_end..end];
        if tail.starts_with('_') && tail.bytes().all(|b| b == b'_' || b.is_ascii_digit()) {
            return format!("write `{}`", written.replace('_', ""));
        }
        if written.len() > 2
            && written.starts_with('0')
            && matches!(tail.as_bytes()[0], b'x' | b'o' | b'b')
        {
            return "write the number in decimal".to_owned();
        }
        format!("write `\"{written}\"` if a string is meant, such as a duration or a size")
    }
}
