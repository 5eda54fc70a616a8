//! Where the lexer gives up on a string, an interpolation or a heredoc that is not closed.
//!
//! An interpolation can span lines, so `"${var.x` without its brace would swallow the file. At each line start inside of one
//! the next line is looked at, once: it ends the interpolation where no valid program could go on like that. Every rule
//! reads at most that line, so lexing stays linear.

use super::{Lexer, Mode, is_ident_start};
use crate::hcl::kind::SyntaxKind;

/// Words after or before which an expression goes on.
const JOINING_WORDS: &[&str] = &["in", "if", "for", "else", "endif", "endfor"];

/// Whether a token of this kind can be the end of an operand.
pub(super) fn ends_operand(kind: SyntaxKind) -> bool {
    use SyntaxKind as K;
    matches!(
        kind,
        K::Ident
            | K::Number
            | K::QuoteClose
            | K::Text
            | K::Escape
            | K::HeredocEnd
            | K::RParen
            | K::RBracket
            | K::RBrace
            | K::TemplateClose
    )
}

impl Lexer<'_> {
    /// At the end of a line inside a quoted template: ends it. Where the opening quote more likely was the closing one of a
    /// string around it (`"${var.x"`), takes it back and says so with the kinds of the tokens.
    pub(super) fn unclosed_string(&mut self, start: usize, token: usize, errors: usize) {
        self.modes.pop();
        let outer = self
            .modes
            .len()
            .checked_sub(2)
            .map(|index| self.modes[index]);
        let in_string = matches!(self.modes.last(), Some(Mode::Interp { .. }))
            && matches!(outer, Some(Mode::Quoted { .. }));
        if !in_string
            || self.rewound_line == self.pos
            || self.bytes[start..self.pos].contains(&b'\n')
        {
            return;
        }
        self.rewound_line = self.pos;
        self.tokens.truncate(token);
        self.errors.truncate(errors);
        self.modes.pop();
        self.modes.pop();
        self.pos = start;
        self.advance(1, SyntaxKind::QuoteClose);
    }

    /// At the start of a line inside an interpolation: leaves it where the line cannot belong to it.
    pub(super) fn give_up_at_line_start(&mut self) {
        let heredoc = self.heredocs.last().copied();
        if let (Some(index), Some(end)) = (heredoc, self.heredoc_limit())
            && self.pos >= end
        {
            self.truncate_modes(index + 1);
            return;
        }
        let line = self.pos;
        let indent = self.indent_at(line);
        let code = line + indent;
        if matches!(self.at(code), 0 | b'\n' | b'\r' | b'#' | b'/') {
            return;
        }
        let Some(&Mode::Interp {
            braces,
            brackets,
            indent: opened,
        }) = self.modes.last()
        else {
            return;
        };
        let outer = self
            .modes
            .len()
            .checked_sub(2)
            .map(|index| self.modes[index]);
        let breaks = self.looks_like_block(code, true)
            || (braces == 0
                && (self.looks_like_attribute(code)
                    || self.looks_like_block(code, false)
                    || self.juxtaposed(code)))
            || (braces == 0
                && match outer {
                    Some(Mode::Quoted { .. }) => self.leaves_string(code, brackets),
                    _ => self.is_template_text(code),
                })
            || (self.indent_hints
                && heredoc.is_none()
                && indent < opened
                && self.begins_item(code));
        if breaks {
            self.breaks.push(super::offset(self.tokens.len()));
            self.truncate_modes(heredoc.map_or(0, |index| index + 1));
        }
    }

    /// Whether a line cannot belong to an interpolation in a string: it closes a brace but no string, or ends with a comma
    /// that no bracket explains.
    fn leaves_string(&self, code: usize, brackets: u32) -> bool {
        let line = &self.text[code..self.line_end(code)];
        (line.starts_with('}') && !line.contains(['"', '{']))
            || (brackets == 0 && line.trim_end().ends_with(','))
    }

    /// Whether a line has the beginning of an interpolation outside of quotes and before any `}`, so that it is text.
    fn is_template_text(&self, code: usize) -> bool {
        let line = &self.text[code..self.line_end(code)];
        let before = line.find(['"', '}', '{']).unwrap_or(0);
        line[before..].starts_with('{') && line[..before].ends_with(['$', '%'])
    }

    /// Whether two operands would stand side by side: the last token ends one and the line begins another.
    fn juxtaposed(&self, code: usize) -> bool {
        let begins = self.at(code) == b'"'
            || self.at(code).is_ascii_digit()
            || self.char_at(code).is_some_and(is_ident_start);
        begins
            && ends_operand(self.last)
            && !JOINING_WORDS.contains(&&self.text[code..self.ident_end(code)])
            && !(self.last == SyntaxKind::Ident && JOINING_WORDS.contains(&self.last_word()))
    }

    /// The text of the last token that is not blank, which is a name.
    fn last_word(&self) -> &str {
        let index = self
            .tokens
            .iter()
            .rposition(|token| token.kind == SyntaxKind::Ident)
            .unwrap_or(0);
        let start = index
            .checked_sub(1)
            .map_or(0, |before| self.tokens[before].end as usize);
        &self.text[start..self.tokens[index].end as usize]
    }

    /// Whether the line begins an item or closes a block.
    fn begins_item(&self, code: usize) -> bool {
        self.at(code) == b'}'
            || self.looks_like_attribute(code)
            || self.looks_like_block(code, false)
    }

    /// The number of blanks at the start of a line.
    pub(super) fn indent_at(&self, line: usize) -> usize {
        self.bytes[line..]
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t'))
            .count()
    }

    /// Whether `name =` stands at `code`.
    pub(super) fn looks_like_attribute(&self, code: usize) -> bool {
        if !self.char_at(code).is_some_and(is_ident_start) {
            return false;
        }
        let eq = self.skip_blanks(self.ident_end(code));
        self.at(eq) == b'=' && !matches!(self.at(eq + 1), b'=' | b'>')
    }

    /// Whether the head of a block stands at `code`, with its brace: `name {`, `name "label" {`; with `labelled` only where
    /// a quoted label makes it certain.
    pub(super) fn looks_like_block(&self, code: usize, labelled: bool) -> bool {
        if !self.char_at(code).is_some_and(is_ident_start) {
            return false;
        }
        let name_end = self.ident_end(code);
        if JOINING_WORDS.contains(&&self.text[code..name_end]) {
            return false;
        }
        let mut at = self.skip_blanks(name_end);
        let mut quoted = false;
        loop {
            match self.at(at) {
                b'{' => return quoted || !labelled,
                b'"' => {
                    let rest = &self.bytes[at + 1..];
                    let Some(len) = rest
                        .iter()
                        .position(|&b| matches!(b, b'"' | b'\n' | b'\\' | b'$' | b'%'))
                    else {
                        return false;
                    };
                    if rest[len] != b'"' {
                        return false;
                    }
                    quoted = true;
                    at = self.skip_blanks(at + len + 2);
                }
                _ if self.char_at(at).is_some_and(is_ident_start) => {
                    at = self.skip_blanks(self.ident_end(at))
                }
                _ => return false,
            }
        }
    }

    fn skip_blanks(&self, pos: usize) -> usize {
        pos + self.indent_at(pos.min(self.bytes.len()))
    }
}
