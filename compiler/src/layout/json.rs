//! The layout of JSON: two blanks a level, an element a line.
//!
//! What has brackets and was on one line stays on one, as long as it is short; the outermost value never is. A blank line
//! between elements stays, several become one. Comments stay on their line, behind something or alone.

use super::{Blank, line_end, mark};

/// What was on one line stays there up to this many columns, as in what `print` writes.
const MAX_WIDTH: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Open,
    Close,
    Comma,
    Colon,
    /// A string, number or word.
    Value,
    /// `// …`
    LineComment,
    /// `/* … */`
    BlockComment,
}

impl Kind {
    fn is_comment(self) -> bool {
        matches!(self, Self::LineComment | Self::BlockComment)
    }
}

#[derive(Clone, Copy, Debug)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
    /// How many line ends stand before it.
    lines: usize,
}

/// The blanks before each token of a text without errors, and at its end.
pub(super) fn blanks(text: &str) -> Vec<Blank> {
    let tokens = scan(text);
    let layout = Layout {
        shape: Shape::of(text, &tokens),
        text,
        tokens: &tokens,
        line_end: line_end(text),
    };
    let mut blanks = layout.blanks();
    let end = tokens.last().map_or(mark(text), |last| last.end);
    blanks.push(Blank {
        range: end..text.len(),
        text: layout.line_end.to_owned(),
    });
    blanks
}

/// The texts of all tokens.
pub(super) fn tokens(text: &str) -> Vec<&str> {
    let tokens = scan(text).into_iter();
    tokens.map(|token| &text[token.start..token.end]).collect()
}

/// How far in a line is that starts at `offset`; `None` inside of a string or a comment.
pub(super) fn depth(text: &str, offset: usize) -> Option<usize> {
    let mut depth = 0usize;
    for token in scan(text) {
        if token.end > offset {
            let is_text = token.kind.is_comment() || text[token.start..].starts_with('"');
            return (!is_text || token.start >= offset).then_some(depth);
        }
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Some(depth)
}

fn scan(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let (mut tokens, mut at, mut lines) = (Vec::new(), mark(text), 0);
    while let Some(&first) = bytes.get(at) {
        if matches!(first, b' ' | b'\t' | b'\r' | b'\n') {
            lines += usize::from(first == b'\n');
            at += 1;
            continue;
        }
        let rest = &text[at..];
        let (kind, len) = match first {
            b'{' | b'[' => (Kind::Open, 1),
            b'}' | b']' => (Kind::Close, 1),
            b',' => (Kind::Comma, 1),
            b':' => (Kind::Colon, 1),
            b'"' => (Kind::Value, string(rest)),
            b'/' if rest.starts_with("//") => {
                let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
                (Kind::LineComment, line.trim_end().len())
            }
            b'/' if rest.starts_with("/*") => {
                let end = rest[2..].find("*/");
                (Kind::BlockComment, end.map_or(rest.len(), |end| end + 4))
            }
            _ => {
                let apart = |c: char| c.is_ascii_whitespace() || "{}[],:\"/".contains(c);
                let first = rest.chars().next().map_or(1, char::len_utf8);
                let len = rest[first..].find(apart);
                (Kind::Value, len.map_or(rest.len(), |len| first + len))
            }
        };
        tokens.push(Token {
            kind,
            start: at,
            end: at + len,
            lines: std::mem::take(&mut lines),
        });
        at += len;
    }
    tokens
}

/// The length of the string a text begins with.
fn string(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if matches!(bytes.get(at + 1), Some(b'"' | b'\\')) => at += 2,
            b'"' => return at + 1,
            b'\n' => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// What is known of the tokens before they are laid out.
struct Shape {
    /// For each opening bracket the token that closes it.
    closes: Vec<usize>,
    /// How many columns the tokens before each take on one line.
    columns: Vec<usize>,
    /// How many line ends stand before each token, those in and behind comments included.
    line_ends: Vec<usize>,
}

impl Shape {
    fn of(text: &str, tokens: &[Token]) -> Self {
        let mut shape = Self {
            closes: vec![0; tokens.len()],
            columns: vec![0],
            line_ends: Vec::new(),
        };
        let (mut open, mut columns, mut line_ends) = (Vec::new(), 0, 0);
        for (at, token) in tokens.iter().enumerate() {
            let source = &text[token.start..token.end];
            match token.kind {
                Kind::Open => open.push(at),
                Kind::Close => {
                    if let Some(opened) = open.pop() {
                        shape.closes[opened] = at;
                    }
                }
                _ => {}
            }
            line_ends += token.lines;
            shape.line_ends.push(line_ends);
            line_ends += match token.kind {
                Kind::LineComment => 1,
                Kind::BlockComment => source.matches('\n').count(),
                _ => 0,
            };
            let before = at.checked_sub(1).map(|before| &tokens[before]);
            let blank = before.is_some_and(|before| is_blank(text, before, token));
            columns += usize::from(blank) + source.chars().count();
            shape.columns.push(columns);
        }
        shape
    }
}

/// Whether a blank stands between two tokens of a line.
fn is_blank(text: &str, before: &Token, token: &Token) -> bool {
    let is = |token: &Token, bracket: &str| text[token.start..token.end] == *bracket;
    match (before.kind, token.kind) {
        (_, Kind::Comma | Kind::Colon) | (Kind::Open, Kind::Close) => false,
        (_, Kind::LineComment) => true,
        _ => !is(before, "[") && !is(token, "]"),
    }
}

struct Layout<'t> {
    text: &'t str,
    tokens: &'t [Token],
    shape: Shape,
    line_end: &'static str,
}

impl Layout<'_> {
    fn blanks(&self) -> Vec<Blank> {
        // The brackets that are open: whether their elements have lines of their own.
        let mut open: Vec<bool> = Vec::new();
        // What stands before, comments left aside.
        let mut last = None;
        let (mut blanks, mut end) = (Vec::new(), mark(self.text));
        for (at, token) in self.tokens.iter().enumerate() {
            let has_lines = open.last().is_none_or(|has_lines| *has_lines);
            if token.kind == Kind::Close {
                open.pop();
            }
            let text = match at.checked_sub(1) {
                None => String::new(),
                Some(before) if has_lines => match self.gap(before, at, last) {
                    Gap::Nothing => String::new(),
                    Gap::Blank => " ".to_owned(),
                    Gap::Line => self.new_line(1, open.len()),
                    Gap::BlankLine => self.new_line(2, open.len()),
                },
                Some(before) => match is_blank(self.text, &self.tokens[before], token) {
                    true => " ".to_owned(),
                    false => String::new(),
                },
            };
            blanks.push(Blank {
                range: end..token.start,
                text,
            });
            end = token.end;
            if token.kind == Kind::Open {
                open.push(has_lines && self.wants_lines(at, open.len()));
            }
            if !token.kind.is_comment() {
                last = Some(token.kind);
            }
        }
        blanks
    }

    fn new_line(&self, count: usize, depth: usize) -> String {
        self.line_end.repeat(count) + &"  ".repeat(depth)
    }

    /// Whether the elements of a bracket have lines of their own.
    fn wants_lines(&self, open: usize, depth: usize) -> bool {
        let shape = &self.shape;
        let close = shape.closes[open];
        if close <= open + 1 {
            return false;
        }
        if depth == 0 || shape.line_ends[close] > shape.line_ends[open] {
            return true;
        }
        let is_list = self.text[self.tokens[open].start..].starts_with('[');
        let is_one_value = is_list && close == open + 2;
        let columns = 1 + shape.columns[close + 1] - shape.columns[open + 1];
        !is_one_value && 2 * depth + columns >= MAX_WIDTH
    }

    /// What stands between two tokens where elements have lines of their own; `last` is what is before, but for comments.
    fn gap(&self, before: usize, at: usize, last: Option<Kind>) -> Gap {
        let (token, before) = (&self.tokens[at], &self.tokens[before]);
        let line = match token.lines {
            0 | 1 => Gap::Line,
            _ => Gap::BlankLine,
        };
        match (before.kind, token.kind) {
            (Kind::Open, Kind::Close) => Gap::Nothing,
            (_, Kind::Close) => Gap::Line,
            (Kind::LineComment, _) => line,
            (_, Kind::Comma | Kind::Colon) => Gap::Nothing,
            (Kind::Colon, _) => Gap::Blank,
            (Kind::Open, Kind::LineComment) if token.lines == 0 => Gap::Blank,
            (Kind::Open, Kind::BlockComment) if token.lines == 0 && !self.leads(at) => Gap::Blank,
            (Kind::Open, _) => Gap::Line,
            (Kind::Comma, Kind::BlockComment) if token.lines == 0 && self.leads(at) => line,
            (_, Kind::LineComment | Kind::BlockComment) if token.lines == 0 => Gap::Blank,
            (Kind::BlockComment, _) if token.lines == 0 || last == Some(Kind::Colon) => Gap::Blank,
            _ => line,
        }
    }

    /// Whether a comment stands before something on its line.
    fn leads(&self, comment: usize) -> bool {
        let after = self.tokens[comment + 1..].iter();
        let mut after = after.take_while(|token| token.lines == 0);
        after
            .find(|token| token.kind != Kind::BlockComment)
            .is_some_and(|token| matches!(token.kind, Kind::Value | Kind::Open))
    }
}

/// What stands between two tokens.
#[derive(Clone, Copy, Debug)]
enum Gap {
    Nothing,
    Blank,
    Line,
    BlankLine,
}
