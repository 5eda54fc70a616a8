//! The layout of TOML: lines are neither joined nor split.
//!
//! Keys and headers begin their lines; what is inside of brackets over several lines is two blanks further in than the
//! line that opens them. One blank stands around `=`, behind commas and inside of `{ }`, none inside of `[ ]`. Comments
//! behind something stand below each other on neighbouring lines, as in HCL.

use std::ops::Range;

use toml_parser::Source;
use toml_parser::lexer::TokenKind as Kind;
use unicode_segmentation::UnicodeSegmentation as _;

use super::{Blank, line_end, mark};

/// A token with the blanks before it.
#[derive(Clone, Debug)]
struct Piece {
    kind: Kind,
    text: Range<usize>,
    blanks: usize,
}

/// The blanks before each token of a text without errors, and at its end.
pub(super) fn blanks(text: &str) -> Vec<Blank> {
    let mut layout = Layout {
        source: text,
        pieces: scan(text),
    };
    let lines = lines(&layout.pieces);
    layout.space(&lines);
    layout.align(&lines);
    layout.blanks()
}

/// The texts of all tokens but for the line end at the end, which a file may lack.
pub(super) fn tokens(text: &str) -> Vec<&str> {
    let pieces = scan(text).into_iter();
    let mut tokens: Vec<&str> = pieces.map(|piece| &text[piece.text]).collect();
    tokens.pop_if(|last| last.ends_with('\n'));
    tokens
}

/// How far in a line is that starts at `offset`; `None` inside of a string or a comment.
pub(super) fn depth(text: &str, offset: usize) -> Option<usize> {
    let pieces = scan(text);
    let mut brackets = Brackets::default();
    for line in lines(&pieces) {
        let mut is_header = false;
        for (at, piece) in pieces[line.clone()].iter().enumerate() {
            if piece.text.end > offset {
                let is_text = matches!(
                    piece.kind,
                    Kind::Comment
                        | Kind::BasicString
                        | Kind::LiteralString
                        | Kind::MlBasicString
                        | Kind::MlLiteralString
                );
                return (!is_text || piece.text.start >= offset).then(|| brackets.inside());
            }
            is_header |= at == 0 && brackets.is_header(piece.kind);
        }
        if !is_header {
            brackets.line(&pieces[line]);
        }
    }
    Some(brackets.inside())
}

/// The brackets that are open: how far in the lines are that opened them.
#[derive(Debug, Default)]
struct Brackets {
    open: Vec<usize>,
}

impl Brackets {
    /// How far in a line is that stands inside of them.
    fn inside(&self) -> usize {
        self.open.last().map_or(0, |opened| opened + 1)
    }

    /// Whether a line that begins with this token is the header of a table.
    fn is_header(&self, first: Kind) -> bool {
        self.open.is_empty() && first == Kind::LeftSquareBracket
    }

    /// Past a line, which is no header; gives how far in it is. What it begins with closing is not inside any more.
    fn line(&mut self, line: &[Piece]) -> usize {
        let mut depth = self.inside();
        let mut is_leading = true;
        for piece in line {
            match bracket(piece.kind) {
                -1 => {
                    let opened = self.open.pop().unwrap_or(0);
                    depth = if is_leading { opened } else { depth };
                }
                other => {
                    is_leading = false;
                    self.open.extend((other > 0).then_some(depth));
                }
            }
        }
        depth
    }
}

/// The pieces of each line, its end included.
fn lines(pieces: &[Piece]) -> Vec<Range<usize>> {
    let (mut lines, mut start) = (Vec::new(), 0);
    for (at, piece) in pieces.iter().enumerate() {
        if piece.kind == Kind::Newline || at + 1 == pieces.len() {
            lines.push(start..at + 1);
            start = at + 1;
        }
    }
    lines
}

/// The tokens but for the blanks between them.
fn scan(text: &str) -> Vec<Piece> {
    let tokens = Source::new(text).lex();
    let tokens = tokens.filter(|token| !matches!(token.kind(), Kind::Whitespace | Kind::Eof));
    let piece = |token: toml_parser::lexer::Token| {
        let (start, end) = (token.span().start(), token.span().end());
        let end = match token.kind() {
            Kind::Comment => start + text[start..end].trim_end().len(),
            _ => end,
        };
        Piece {
            kind: token.kind(),
            text: start..end,
            blanks: 0,
        }
    };
    tokens.map(piece).collect()
}

/// What a token adds to the number of open brackets.
fn bracket(kind: Kind) -> isize {
    match kind {
        Kind::LeftSquareBracket | Kind::LeftCurlyBracket => 1,
        Kind::RightSquareBracket | Kind::RightCurlyBracket => -1,
        _ => 0,
    }
}

struct Layout<'t> {
    source: &'t str,
    pieces: Vec<Piece>,
}

impl Layout<'_> {
    /// The blanks at the start of each line and between its tokens.
    ///
    /// What is inside of a bracket is one step further in than the line that opens it, and what closes it is not.
    fn space(&mut self, lines: &[Range<usize>]) {
        let mut brackets = Brackets::default();
        for line in lines {
            let first = self.pieces[line.start].kind;
            let is_header = brackets.is_header(first);
            for at in line.start + 1..line.end {
                self.pieces[at].blanks = self.between(at, is_header);
            }
            if !is_header && first != Kind::Newline {
                self.pieces[line.start].blanks = 2 * brackets.line(&self.pieces[line.clone()]);
            }
        }
    }

    /// How many blanks stand before a token that is not the first of its line.
    fn between(&self, at: usize, is_header: bool) -> usize {
        let (before, piece) = (&self.pieces[at - 1], &self.pieces[at]);
        match (before.kind, piece.kind) {
            (_, Kind::Newline) => 0,
            (_, Kind::Comment) => 1,
            _ if is_header => 0,
            (_, Kind::Comma | Kind::Dot) | (Kind::Dot, _) => 0,
            (Kind::LeftCurlyBracket, Kind::RightCurlyBracket) => 0,
            (Kind::LeftSquareBracket, _) | (_, Kind::RightSquareBracket) => 0,
            (_, Kind::Equals | Kind::RightCurlyBracket)
            | (Kind::Equals | Kind::Comma | Kind::LeftCurlyBracket, _) => 1,
            // A date and a time.
            _ => piece.text.start - before.text.end,
        }
    }

    /// Puts the comments behind something below each other in each run of lines that have one.
    fn align(&mut self, lines: &[Range<usize>]) {
        let mut run: Vec<(usize, usize)> = Vec::new();
        for at in 0..=lines.len() {
            let comment = lines.get(at).and_then(|line| {
                let last = match self.pieces[line.end - 1].kind {
                    Kind::Newline => line.end.checked_sub(2)?,
                    _ => line.end - 1,
                };
                let is_behind = last > line.start && self.pieces[last].kind == Kind::Comment;
                is_behind.then(|| (last, self.columns(line.start..last)))
            });
            match comment {
                Some(comment) => run.push(comment),
                None => {
                    let widest = run.iter().map(|(_, columns)| *columns).max().unwrap_or(0);
                    for (comment, columns) in run.drain(..) {
                        self.pieces[comment].blanks = widest - columns + 1;
                    }
                }
            }
        }
    }

    /// How wide these pieces are: what a reader sees as one character counts as one.
    fn columns(&self, range: Range<usize>) -> usize {
        let mut columns = 0;
        for piece in &self.pieces[range] {
            let text = &self.source[piece.text.clone()];
            let (before, last_line) = match text.rsplit_once('\n') {
                Some((_, last)) => (0, last),
                None => (columns + piece.blanks, text),
            };
            columns = before + last_line.graphemes(true).count();
        }
        columns
    }

    fn blanks(self) -> Vec<Blank> {
        let mut end = mark(self.source);
        let mut blanks = Vec::with_capacity(self.pieces.len() + 1);
        for piece in &self.pieces {
            blanks.push(Blank {
                range: end..piece.text.start,
                text: " ".repeat(piece.blanks),
            });
            end = piece.text.end;
        }
        let is_complete = self
            .pieces
            .last()
            .is_none_or(|last| last.kind == Kind::Newline);
        blanks.push(Blank {
            range: end..self.source.len(),
            text: match is_complete {
                true => String::new(),
                false => line_end(self.source).to_owned(),
            },
        });
        blanks
    }
}
