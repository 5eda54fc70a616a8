//! The words of an action.

use std::ops::Range;

use super::Problem;

/// A word of an action.
#[derive(Debug)]
pub(super) struct Token {
    /// Where it stands.
    pub(super) range: Range<usize>,
    /// What it is.
    pub(super) kind: TokenKind,
}

/// The kinds of words.
#[derive(Debug)]
pub(super) enum TokenKind {
    /// A function, a keyword, `true`, `nil`.
    Word,
    /// A text in quotes or backquotes, decoded.
    Text(String),
    /// A number.
    Number,
    /// `.`, `.Name`, `.Name.Inner`.
    Field,
    /// `$`, `$name`, `$name.Inner`.
    Variable,
    /// `'x'`.
    Character,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `|`
    Pipe,
    /// `,`
    Comma,
    /// `:=` or `=`
    Assign,
}

/// Reads the inside of one action.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    trims: bool,
}

impl<'a> Lexer<'a> {
    /// Begins behind the opening braces.
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Self {
            text,
            at,
            trims: false,
        }
    }

    /// Where it stands: after [`Lexer::tokens`] behind the closing braces.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Whether the action takes away the blanks that follow it.
    pub(super) fn trims(&self) -> bool {
        self.trims
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Takes the `-` of `{{- `.
    pub(super) fn left_trim(&mut self) -> bool {
        let found = self
            .rest()
            .strip_prefix('-')
            .is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n']));
        if found {
            self.at += 1;
        }
        found
    }

    /// Takes `}}` or ` -}}`.
    fn right(&mut self) -> bool {
        let rest = self.rest();
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        let after = &rest[blanks..];
        if after.starts_with("}}") {
            self.at += blanks + 2;
            return true;
        }
        if blanks > 0 && after.starts_with("-}}") {
            self.at += blanks + 3;
            self.trims = true;
            return true;
        }
        false
    }

    /// Takes a comment and the end of its action, if it is one.
    pub(super) fn comment(&mut self) -> Result<bool, Problem> {
        let blanks = self.rest().len() - self.rest().trim_start().len();
        if !self.rest()[blanks..].starts_with("/*") {
            return Ok(false);
        }
        let start = self.at + blanks;
        let Some(length) = self.text[start..].find("*/") else {
            return Err(Problem {
                range: start..start + 2,
                message: "this comment is never closed".to_owned(),
                help: "write `*/}}` where it ends",
            });
        };
        self.at = start + length + 2;
        if self.right() {
            return Ok(true);
        }
        Err(Problem {
            range: start..self.at,
            message: "a comment stands alone in its braces".to_owned(),
            help: "write `{{/* … */}}`",
        })
    }

    /// All words up to the closing braces; `start` is where the action begins.
    pub(super) fn tokens(&mut self, start: usize) -> Result<Vec<Token>, Problem> {
        let mut tokens = Vec::new();
        loop {
            if self.right() {
                return Ok(tokens);
            }
            let rest = self.rest();
            self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            let Some(first) = self.rest().chars().next() else {
                return Err(Problem {
                    range: start..start + 2,
                    message: "these braces open a template action that is never closed".to_owned(),
                    help: "write `}}` where it ends; for two braces as they are write {{ `{{` }}",
                });
            };
            let begin = self.at;
            let kind = self.token(first)?;
            tokens.push(Token {
                range: begin..self.at,
                kind,
            });
        }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.at += rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    }

    fn token(&mut self, first: char) -> Result<TokenKind, Problem> {
        let single = match first {
            '(' => Some(TokenKind::Open),
            ')' => Some(TokenKind::Close),
            '|' => Some(TokenKind::Pipe),
            ',' => Some(TokenKind::Comma),
            '=' => Some(TokenKind::Assign),
            _ => None,
        };
        if let Some(kind) = single {
            self.at += 1;
            return Ok(kind);
        }
        let name = |c: char| c == '_' || c.is_alphanumeric();
        match first {
            ':' if self.rest().starts_with(":=") => {
                self.at += 2;
                Ok(TokenKind::Assign)
            }
            '`' => self.raw(),
            '"' => self.quoted('"').map(TokenKind::Text),
            '\'' => self.quoted('\'').map(|_| TokenKind::Character),
            '$' => {
                self.at += 1;
                self.take_while(|c| name(c) || c == '.');
                Ok(TokenKind::Variable)
            }
            '.' if !self.rest()[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                let start = self.at;
                self.take_while(|c| name(c) || c == '.');
                let field = &self.text[start..self.at];
                if field.len() > 1 && (field.ends_with('.') || field.contains("..")) {
                    return Err(Problem {
                        range: start..self.at,
                        message: format!("`{field}` has a dot without a name"),
                        help: "write names behind the dots, such as `.Name`",
                    });
                }
                Ok(TokenKind::Field)
            }
            '+' | '-' | '.' | '0'..='9' => {
                let start = self.at;
                self.at += 1;
                self.take_while(|c| name(c) || c == '.');
                let number = &self.text[start..self.at];
                if !is_number(number) {
                    return Err(Problem {
                        range: start..self.at,
                        message: format!("`{number}` is no number"),
                        help: "for a text write it in quotes; blanks belong before `-}}` and behind `{{-`",
                    });
                }
                Ok(TokenKind::Number)
            }
            c if name(c) => {
                self.take_while(name);
                if self.rest().starts_with(['`', '"', '\'']) {
                    return Err(Problem {
                        range: self.at..self.at + 1,
                        message: "a text begins right behind a name".to_owned(),
                        help: "part them by a blank",
                    });
                }
                Ok(TokenKind::Word)
            }
            other => {
                let range = self.at..self.at + other.len_utf8();
                Err(Problem {
                    range,
                    message: format!("`{other}` has no meaning in a template action"),
                    help: "for two braces as they are write {{ `{{` }}",
                })
            }
        }
    }

    fn raw(&mut self) -> Result<TokenKind, Problem> {
        let start = self.at + 1;
        match self.text[start..].find('`') {
            Some(length) => {
                self.at = start + length + 1;
                Ok(TokenKind::Text(self.text[start..start + length].to_owned()))
            }
            None => Err(self.unclosed()),
        }
    }

    fn unclosed(&self) -> Problem {
        Problem {
            range: self.at..self.at + 1,
            message: "this text is never closed".to_owned(),
            help: "write the same quote where it ends",
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, Problem> {
        let mut decoded = String::new();
        let mut rest = self.text[self.at + 1..].char_indices();
        let begin = self.at + 1;
        while let Some((offset, c)) = rest.next() {
            match c {
                _ if c == quote => {
                    self.at = begin + offset + 1;
                    return Ok(decoded);
                }
                '\n' => break,
                '\\' => {
                    let place = begin + offset;
                    match escape(&self.text[place + 1..], quote) {
                        Some((c, length)) => {
                            decoded.push(c);
                            while rest
                                .clone()
                                .next()
                                .is_some_and(|(next, _)| begin + next < place + 1 + length)
                            {
                                rest.next();
                            }
                        }
                        None => {
                            return Err(Problem {
                                range: place..place + 1,
                                message: "a text in a template has no such escape".to_owned(),
                                help: "write `\\\\` for a backslash, or put the text in backquotes",
                            });
                        }
                    }
                }
                _ => decoded.push(c),
            }
        }
        Err(self.unclosed())
    }
}

/// Whether a word that begins as numbers do may be one.
fn is_number(word: &str) -> bool {
    let digits = word.trim_start_matches(['+', '-']);
    let lower = digits.to_ascii_lowercase();
    let based = ["0x", "0b", "0o"]
        .iter()
        .any(|base| lower.starts_with(base));
    let has_digit = digits.contains(|c: char| c.is_ascii_digit());
    has_digit
        && (based
            || lower
                .chars()
                .all(|c| c.is_ascii_digit() || "._ei".contains(c)))
}

/// What follows a backslash in Go: the character it stands for, and how many bytes it takes.
fn escape(rest: &str, quote: char) -> Option<(char, usize)> {
    let first = rest.chars().next()?;
    let simple = match first {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' => '\\',
        _ if first == quote => quote,
        _ => {
            let (skip, digits, radix) = match first {
                'x' => (1, 2, 16),
                'u' => (1, 4, 16),
                'U' => (1, 8, 16),
                '0'..='7' => (0, 3, 8),
                _ => return None,
            };
            let code = u32::from_str_radix(rest.get(skip..skip + digits)?, radix).ok()?;
            return Some((char::from_u32(code)?, skip + digits));
        }
    };
    Some((simple, first.len_utf8()))
}
