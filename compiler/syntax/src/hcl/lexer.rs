//! From text to tokens.
//!
//! In: the text and what it begins with (a body, or the inside of a template). Out: tokens that cover every byte, and the
//! problems that concern a single token. A stack of modes follows strings, heredocs and interpolations into each other.
//! Where a closing quote, brace or marker is missing, the lexer gives up on it as early as the text allows (see `recover`),
//! so that one forgotten character does not turn the rest of a file into string text.

mod heredoc;
mod number;
mod recover;

use std::collections::HashMap;

use super::error::SyntaxError;
use super::kind::SyntaxKind;

/// A token: its kind and the offset after its last byte.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: SyntaxKind,
    pub(super) end: u32,
}

/// What the lexer gives to the parser.
pub(super) struct Lexed {
    pub(super) tokens: Vec<Token>,
    pub(super) errors: Vec<SyntaxError>,
    /// Numbers of the tokens before which interpolations that are not closed were given up.
    pub(super) breaks: Vec<u32>,
}

/// What the text begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Items or an expression.
    Normal,
    /// The inside of a template, without quotes and without backslash escapes.
    Template,
}

/// Cuts `text` into tokens; with `indent_hints` a line that is indented less than the string it would be in ends it.
pub(super) fn lex(text: &str, start: Start, indent_hints: bool) -> Lexed {
    let mut lexer = Lexer {
        text,
        bytes: text.as_bytes(),
        pos: 0,
        tokens: Vec::with_capacity(text.len() / 3),
        errors: Vec::new(),
        breaks: Vec::new(),
        modes: Vec::new(),
        heredocs: Vec::new(),
        last: SyntaxKind::Newline,
        indent_hints,
        line_indent: 0,
        markers: None,
        rewound_line: usize::MAX,
    };
    if start == Start::Template {
        lexer.push_heredoc(Mode::Heredoc {
            marker: (0, 0),
            end: text.len(),
            terminated: false,
        });
    } else if text.starts_with('\u{feff}') {
        lexer.pos = 3;
        lexer.push(SyntaxKind::Whitespace);
    }
    lexer.run();
    Lexed {
        tokens: lexer.tokens,
        errors: lexer.errors,
        breaks: lexer.breaks,
    }
}

/// What the lexer is inside of; the bottom of the stack is ordinary text.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// `${ … }` or `%{ … }`, with the number of open `{`, of open `(` and `[`, and the indentation of the line where it began.
    Interp {
        braces: u32,
        brackets: u32,
        indent: usize,
    },
    /// `"…"`, with the offset and number of its opening quote and how many errors there were then.
    Quoted {
        start: usize,
        token: usize,
        errors: usize,
    },
    /// A heredoc: its marker, the line where it ends, whether that line holds the marker.
    Heredoc {
        marker: (usize, usize),
        end: usize,
        terminated: bool,
    },
}

struct Lexer<'t> {
    text: &'t str,
    bytes: &'t [u8],
    pos: usize,
    tokens: Vec<Token>,
    errors: Vec<SyntaxError>,
    breaks: Vec<u32>,
    modes: Vec<Mode>,
    /// Which of the modes are heredocs, so that none has to be searched for.
    heredocs: Vec<usize>,
    /// Kind of the last token that is not trivia.
    last: SyntaxKind,
    indent_hints: bool,
    /// Blanks at the start of the current line.
    line_indent: usize,
    /// Lines that hold nothing but one name, by that name: the possible ends of heredocs. Made when first needed.
    markers: Option<HashMap<&'t str, Vec<usize>>>,
    /// The end of the last line on which an unclosed string was taken back, to do so once per line.
    rewound_line: usize,
}

/// Whether `c` can begin a name.
pub(super) fn is_ident_start(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic() || (!c.is_ascii() && unicode_ident::is_xid_start(c))
}

/// Whether `c` can go on a name.
pub(super) fn is_ident_continue(c: char) -> bool {
    c == '_'
        || c == '-'
        || c.is_ascii_alphanumeric()
        || (!c.is_ascii() && unicode_ident::is_xid_continue(c))
}

/// An offset as trees and errors have it; the size of a text is checked before lexing.
pub(super) fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("the size of the text is checked before lexing")
}

impl<'t> Lexer<'t> {
    fn run(&mut self) {
        loop {
            match self.modes.last().copied() {
                Some(Mode::Heredoc {
                    marker,
                    end,
                    terminated,
                }) if self.pos >= end => {
                    self.heredoc_end(marker, end, terminated);
                }
                _ if self.pos >= self.bytes.len() => break,
                None | Some(Mode::Interp { .. }) => self.normal(),
                Some(Mode::Quoted {
                    start,
                    token,
                    errors,
                }) => self.quoted(start, token, errors),
                Some(Mode::Heredoc { end, .. }) => self.heredoc_text(end),
            }
        }
    }

    fn at(&self, pos: usize) -> u8 {
        self.bytes.get(pos).copied().unwrap_or(0)
    }

    fn char_at(&self, pos: usize) -> Option<char> {
        self.text.get(pos..).and_then(|rest| rest.chars().next())
    }

    fn push_heredoc(&mut self, mode: Mode) {
        self.heredocs.push(self.modes.len());
        self.modes.push(mode);
    }

    /// Leaves all modes but the first `len`.
    fn truncate_modes(&mut self, len: usize) {
        self.modes.truncate(len);
        while self.heredocs.last().is_some_and(|&index| index >= len) {
            self.heredocs.pop();
        }
    }

    /// Where the innermost heredoc must end.
    fn heredoc_limit(&self) -> Option<usize> {
        match self.modes.get(*self.heredocs.last()?) {
            Some(Mode::Heredoc { end, .. }) => Some(*end),
            _ => None,
        }
    }

    /// Ends a token of `kind` at the current position.
    fn push(&mut self, kind: SyntaxKind) {
        self.tokens.push(Token {
            kind,
            end: offset(self.pos),
        });
        if !kind.is_trivia() && kind != SyntaxKind::Newline {
            self.last = kind;
        }
    }

    fn advance(&mut self, len: usize, kind: SyntaxKind) {
        self.pos += len;
        self.push(kind);
    }

    fn error(
        &mut self,
        id: &'static str,
        start: usize,
        end: usize,
        message: impl Into<String>,
    ) -> &mut SyntaxError {
        if self.errors.len() >= crate::hcl::MAX_ERRORS {
            self.errors.pop();
        }
        self.errors
            .push(SyntaxError::new(id, (offset(start), offset(end)), message));
        self.errors.last_mut().expect("an error was just pushed")
    }

    /// One token outside of template text.
    fn normal(&mut self) {
        use SyntaxKind as K;
        let next = self.at(self.pos + 1);
        match self.bytes[self.pos] {
            b' ' | b'\t' => {
                while matches!(self.at(self.pos), b' ' | b'\t') {
                    self.pos += 1;
                }
                self.push(K::Whitespace);
            }
            b'\n' => self.newline(1),
            b'\r' if next == b'\n' => self.newline(2),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.ident(),
            b'0'..=b'9' => self.number(),
            b'#' => self.line_comment(),
            b'/' if next == b'/' => self.line_comment(),
            b'/' if next == b'*' => self.block_comment(),
            b'/' => self.advance(1, K::Slash),
            b'"' => {
                let mode = Mode::Quoted {
                    start: self.pos,
                    token: self.tokens.len(),
                    errors: self.errors.len(),
                };
                self.modes.push(mode);
                self.advance(1, K::QuoteOpen);
            }
            b'{' => {
                if let Some(Mode::Interp { braces, .. }) = self.modes.last_mut() {
                    *braces += 1;
                }
                self.advance(1, K::LBrace);
            }
            b'}' => self.close_brace(1),
            b'~' if next == b'}'
                && matches!(self.modes.last(), Some(Mode::Interp { braces: 0, .. })) =>
            {
                self.close_brace(2);
            }
            b'(' => self.bracket(1, K::LParen),
            b')' => self.bracket(-1, K::RParen),
            b'[' => self.bracket(1, K::LBracket),
            b']' => self.bracket(-1, K::RBracket),
            b'=' if next == b'=' && self.at(self.pos + 2) == b'=' => {
                self.advance(3, K::BadOperator)
            }
            b'=' if next == b'=' => self.advance(2, K::EqEq),
            b'=' if next == b'>' => self.advance(2, K::FatArrow),
            b'=' => self.advance(1, K::Eq),
            b'!' if next == b'=' => self.advance(2, K::NotEq),
            b'!' => self.advance(1, K::Bang),
            b'<' if next == b'<' => self.heredoc_open(),
            b'<' if next == b'=' => self.advance(2, K::LtEq),
            b'<' if next == b'>' => self.advance(2, K::BadOperator),
            b'<' => self.advance(1, K::Lt),
            b'>' if next == b'=' => self.advance(2, K::GtEq),
            b'>' if next == b'>' => self.advance(2, K::BadOperator),
            b'>' => self.advance(1, K::Gt),
            b'+' => self.advance(1, K::Plus),
            b'-' => self.advance(1, K::Minus),
            b'*' if next == b'*' => self.advance(2, K::BadOperator),
            b'*' => self.advance(1, K::Star),
            b'%' => self.advance(1, K::Percent),
            b'&' if next == b'&' => self.advance(2, K::AndAnd),
            b'|' if next == b'|' => self.advance(2, K::OrOr),
            b'&' | b'|' | b'^' => self.advance(1, K::BadOperator),
            b'?' if next == b'?' => self.advance(2, K::BadOperator),
            b'?' => self.advance(1, K::Question),
            b':' if next == b':' => self.advance(2, K::ColonColon),
            b':' => self.advance(1, K::Colon),
            b',' => self.advance(1, K::Comma),
            b'.' if next == b'.' && self.at(self.pos + 2) == b'.' => self.advance(3, K::Ellipsis),
            b'.' => self.advance(1, K::Dot),
            b'\'' => self.wrong_quotes('\''),
            _ => match self.char_at(self.pos) {
                Some(c) if is_ident_start(c) => self.ident(),
                Some(c @ ('“' | '”')) => self.wrong_quotes(c),
                _ => self.invalid(),
            },
        }
    }

    fn newline(&mut self, len: usize) {
        self.advance(len, SyntaxKind::Newline);
        self.line_indent = self.indent_at(self.pos);
        if !self.modes.is_empty() {
            self.give_up_at_line_start();
        }
    }

    fn ident(&mut self) {
        self.pos = self.ident_end(self.pos);
        self.push(SyntaxKind::Ident);
    }

    /// The offset after the name that begins at `pos`, or `pos`.
    fn ident_end(&self, pos: usize) -> usize {
        let mut end = pos;
        loop {
            match self.bytes.get(end) {
                Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-') => end += 1,
                Some(0x80..) => match self.char_at(end) {
                    Some(c) if is_ident_continue(c) => end += c.len_utf8(),
                    _ => return end,
                },
                _ => return end,
            }
        }
    }

    /// A bracket that is no brace: counted inside of interpolations.
    fn bracket(&mut self, change: i32, kind: SyntaxKind) {
        if let Some(Mode::Interp { brackets, .. }) = self.modes.last_mut() {
            *brackets = brackets.saturating_add_signed(change);
        }
        self.advance(1, kind);
    }

    fn close_brace(&mut self, len: usize) {
        match self.modes.last_mut() {
            Some(Mode::Interp { braces: 0, .. }) => {
                self.advance(len, SyntaxKind::TemplateClose);
                self.modes.pop();
            }
            Some(Mode::Interp { braces, .. }) => {
                *braces -= 1;
                self.advance(1, SyntaxKind::RBrace);
            }
            _ => self.advance(1, SyntaxKind::RBrace),
        }
    }

    /// The offset of the line end at or after `pos`; a `\r` before the `\n` belongs to it.
    fn line_end(&self, pos: usize) -> usize {
        let end = self.bytes[pos..]
            .iter()
            .position(|&b| b == b'\n')
            .map_or(self.bytes.len(), |at| pos + at);
        if end > pos && end < self.bytes.len() && self.bytes[end - 1] == b'\r' {
            end - 1
        } else {
            end
        }
    }

    fn line_comment(&mut self) {
        self.pos = self.line_end(self.pos);
        self.push(SyntaxKind::LineComment);
    }

    fn block_comment(&mut self) {
        let start = self.pos;
        match self.text[start + 2..].find("*/") {
            Some(at) => self.pos = start + 2 + at + 2,
            None => {
                self.pos = self.bytes.len();
                let error = self.error(
                    "syntax/unclosed-comment",
                    start,
                    start + 2,
                    "this comment has no end",
                );
                error.help = Some("write `*/` where it ends".into());
            }
        }
        self.push(SyntaxKind::BlockComment);
    }

    /// `'…'` or `“…”` up to the closing quote on the same line; without one the quote alone is a token.
    fn wrong_quotes(&mut self, open: char) {
        let start = self.pos;
        let from = start + open.len_utf8();
        let rest = &self.text[from..];
        let ends = |c: char| {
            c == '\n'
                || if open == '\'' {
                    c == open
                } else {
                    matches!(c, '“' | '”')
                }
        };
        let close = rest.find(ends).filter(|&at| self.bytes[from + at] != b'\n');
        let close = close.map(|at| from + at);
        self.pos = close.map_or(from, |close| close + open.len_utf8());
        let end = self.pos;
        self.push(SyntaxKind::WrongQuoted);
        let help = match close {
            Some(close) => format!(
                "write `\"{}\"`",
                self.text[from..close].replace('"', "\\\"")
            ),
            None => "write `\"` on both sides of a string".to_owned(),
        };
        let message = "strings stand in straight double quotes";
        self.error("syntax/wrong-quotes", start, end, message).help = Some(help);
    }

    /// A run of characters that begin nothing, as one token and one error.
    fn invalid(&mut self) {
        let start = self.pos;
        while let Some(c) = self.char_at(self.pos) {
            let known = c.is_ascii_graphic() && !matches!(c, '~' | ';' | '`' | '@' | '$' | '\\');
            if self.pos > start && (known || matches!(c, ' ' | '\t' | '\n') || is_ident_start(c)) {
                break;
            }
            self.pos += c.len_utf8();
        }
        let end = self.pos;
        let repeated = self.last == SyntaxKind::Invalid;
        self.push(SyntaxKind::Invalid);
        if repeated {
            return;
        }
        let first = self.char_at(start).unwrap_or('\0');
        let (name, help) = match first {
            ';' => (
                "`;`".to_owned(),
                Some("a line end is enough to end an attribute"),
            ),
            '\r' => (
                "a carriage return without a line feed".to_owned(),
                Some("end lines with a line feed"),
            ),
            '\u{a0}' => (
                "a non-breaking space".to_owned(),
                Some("write an ordinary space"),
            ),
            '`' => (
                "a backtick".to_owned(),
                Some("strings stand in double quotes"),
            ),
            c if c.is_control() => (
                format!("the control character U+{:04X}", u32::from(c)),
                None,
            ),
            '$' if self.text[start..].starts_with("${") => (
                "`$`".to_owned(),
                Some(
                    "`${…}` stands inside of quotes: write the whole text in quotes, or the expression without `${` and `}`",
                ),
            ),
            c => (format!("`{c}`"), None),
        };
        let message = format!("{name} has no meaning here");
        self.error("syntax/invalid-character", start, end, message)
            .help = help.map(str::to_owned);
    }

    /// Text, escape, opening or end of a quoted template.
    fn quoted(&mut self, start: usize, token: usize, errors: usize) {
        let from = self.pos;
        loop {
            match self.bytes.get(self.pos) {
                None => {
                    self.text_from(from);
                    return self.unclosed_string(start, token, errors);
                }
                Some(b'"') => {
                    self.text_from(from);
                    self.modes.pop();
                    return self.advance(1, SyntaxKind::QuoteClose);
                }
                Some(b'\n') => {
                    if self.pos > from && self.bytes[self.pos - 1] == b'\r' {
                        self.pos -= 1;
                    }
                    self.text_from(from);
                    return self.unclosed_string(start, token, errors);
                }
                Some(b'\\') => {
                    self.text_from(from);
                    return self.escape();
                }
                Some(b'$' | b'%') => {
                    if self.sequence(from) {
                        return;
                    }
                    self.pos += 1;
                }
                Some(_) => self.pos += 1,
            }
        }
    }

    /// Ends the literal text that began at `from`, if there is any.
    fn text_from(&mut self, from: usize) {
        if self.pos > from {
            self.push(SyntaxKind::Text);
        }
    }

    /// At a `$` or `%`: takes `${`, `%{`, `$${` or `%%{` and says so, or takes nothing.
    fn sequence(&mut self, from: usize) -> bool {
        let sign = self.bytes[self.pos];
        match (self.at(self.pos + 1), self.at(self.pos + 2)) {
            (b'{', strip) => {
                self.text_from(from);
                self.modes.push(Mode::Interp {
                    braces: 0,
                    brackets: 0,
                    indent: self.line_indent,
                });
                let kind = if sign == b'$' {
                    SyntaxKind::InterpOpen
                } else {
                    SyntaxKind::DirectiveOpen
                };
                // `${~}` is an empty interpolation with a strip marker at its end.
                let marker = strip == b'~' && self.at(self.pos + 3) != b'}';
                self.advance(if marker { 3 } else { 2 }, kind);
                true
            }
            (second, b'{') if second == sign => {
                self.text_from(from);
                self.advance(3, SyntaxKind::Escape);
                true
            }
            _ => false,
        }
    }

    /// A backslash and what it stands for.
    fn escape(&mut self) {
        let start = self.pos;
        let (len, valid) = match self.at(start + 1) {
            b'n' | b'r' | b't' | b'"' | b'\\' => (2, true),
            b'u' => self.unicode_escape(start, 4),
            b'U' => self.unicode_escape(start, 8),
            _ => match self.char_at(start + 1) {
                None | Some('\n' | '\r') => (1, false),
                Some(c) => (1 + c.len_utf8(), false),
            },
        };
        self.advance(len, SyntaxKind::Escape);
        if !valid {
            let end = self.pos;
            let written = &self.text[start..end];
            let message = format!("`{written}` is not an escape");
            let help = if written.starts_with("\\u") || written.starts_with("\\U") {
                "write `\\u` and four hexadecimal digits, or `\\U` and eight".to_owned()
            } else {
                format!(
                    "write `\\{written}` for a backslash; the escapes are \\n \\r \\t \\\" \\\\ \\uXXXX \\UXXXXXXXX"
                )
            };
            self.error("syntax/invalid-escape", start, end, message)
                .help = Some(help);
        }
    }

    /// Length and validity of `\uXXXX` or `\UXXXXXXXX`.
    fn unicode_escape(&self, start: usize, digits: usize) -> (usize, bool) {
        let from = start + 2;
        let found = self.bytes[from..]
            .iter()
            .take(digits)
            .take_while(|b| b.is_ascii_hexdigit())
            .count();
        let code = u32::from_str_radix(&self.text[from..from + found], 16).ok();
        (
            2 + found,
            found == digits && code.and_then(char::from_u32).is_some(),
        )
    }
}
