//! The canonical layout of HCL.
//!
//! In: a text. Out: the same tokens with other blanks between them: two blanks per level of brackets, `=` and trailing
//! comments of neighbouring lines below each other, expressions spaced by [`space`]. Lines are neither joined nor split,
//! comments and the text of strings and heredocs stay as they are. The result is what HashiCorp's formatter gives but for
//! a few places where that is mistaken (`docs/design/format.md`).
//!
//! A text is cut into lines, each into up to three cells: what leads, `= …` where the line assigns a whole value, and a
//! comment. Cells of consecutive lines are what is aligned.

mod space;

use std::ops::Range;

use rowan::NodeOrToken;
use unicode_segmentation::UnicodeSegmentation as _;

use super::Parse;
use super::kind::{SyntaxKind, SyntaxNode};

/// The text in canonical layout; as it is where it has syntax errors.
pub fn format(text: &str) -> String {
    super::parse(text)
        .formatted()
        .unwrap_or_else(|| text.to_owned())
}

impl Parse {
    /// The text in canonical layout; `None` where it has syntax errors, for then nobody knows what belongs together.
    pub fn formatted(&self) -> Option<String> {
        if !self.errors.is_empty() {
            return None;
        }
        let root = self.syntax();
        let text = root.text().to_string();
        let mut layout = Layout::new(&root, &text);
        layout.space();
        layout.indent();
        layout.align_cells();
        let formatted = layout.text();
        // Blanks between tokens carry no meaning. Should the lexer see it otherwise anywhere, the text is left alone.
        let same = tokens(&text).eq(tokens(&formatted));
        Some(if same { formatted } else { text })
    }
}

/// The tokens that matter, with their texts.
fn tokens(text: &str) -> impl Iterator<Item = (SyntaxKind, &str)> {
    let mut start = 0;
    super::tokens(text).filter_map(move |(kind, end)| {
        let token = (kind, &text[start..end as usize]);
        start = end as usize;
        (kind != SyntaxKind::Whitespace).then_some(token)
    })
}

/// A token with the blanks to put before it.
#[derive(Clone, Debug)]
struct Piece {
    kind: SyntaxKind,
    /// What the token is part of.
    parent: SyntaxKind,
    text: Range<usize>,
    blanks: usize,
}

/// The pieces of one line, its line end included.
#[derive(Clone, Debug)]
struct Line {
    start: usize,
    end: usize,
    /// The `=` that the line's value follows, if all of the value is on the line.
    assign: Option<usize>,
    /// The comment at its end, if something stands before.
    comment: Option<usize>,
}

struct Layout<'t> {
    source: &'t str,
    pieces: Vec<Piece>,
    lines: Vec<Line>,
}

impl<'t> Layout<'t> {
    fn new(root: &SyntaxNode, source: &'t str) -> Self {
        let pieces = pieces(root);
        let lines = lines(&pieces);
        Self {
            source,
            pieces,
            lines,
        }
    }

    /// One blank or none between the tokens of a line; those a later pass aligns get theirs there.
    fn space(&mut self) {
        for line in &self.lines {
            for at in line.start + 1..line.end {
                let (before, after) = (&self.pieces[at - 1], &self.pieces[at]);
                self.pieces[at].blanks = usize::from(space::between(before, after));
            }
        }
    }

    /// The blanks at the start of each line, by the brackets that are open there.
    ///
    /// A line that opens several brackets indents by one step, which ends when all of them are closed.
    fn indent(&mut self) {
        let mut open: Vec<usize> = Vec::new();
        for line in &self.lines {
            if self.pieces[line.start].kind == SyntaxKind::Newline {
                continue;
            }
            let code = &self.pieces[line.start..line.end];
            let change: isize = code.iter().map(|piece| bracket(piece.kind)).sum();
            let depth = open.len();
            if change > 0 {
                open.push(change.unsigned_abs());
            }
            let mut closed = change.min(0).unsigned_abs();
            while closed > 0
                && let Some(last) = open.last_mut()
            {
                let here = closed.min(*last);
                closed -= here;
                *last -= here;
                if *last == 0 {
                    open.pop();
                }
            }
            self.pieces[line.start].blanks = 2 * depth.min(open.len());
        }
    }

    fn align_cells(&mut self) {
        self.align(|line| line.assign);
        self.align(|line| line.comment);
    }

    /// Puts one kind of cell below each other in each run of lines that have it.
    fn align(&mut self, cell: impl Fn(&Line) -> Option<usize>) {
        let mut run: Vec<(usize, usize)> = Vec::new();
        for at in 0..=self.lines.len() {
            match self
                .lines
                .get(at)
                .and_then(|line| Some((line.start, cell(line)?)))
            {
                Some((start, cell)) => run.push((cell, self.columns(start..cell))),
                None => {
                    let widest = run.iter().map(|(_, columns)| *columns).max().unwrap_or(0);
                    for (cell, columns) in run.drain(..) {
                        self.pieces[cell].blanks = widest - columns + 1;
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
            let (columns_before, last_line) = match text.rsplit_once('\n') {
                Some((_, last)) => (0, last),
                None => (columns + piece.blanks, text),
            };
            columns = columns_before + last_line.graphemes(true).count();
        }
        columns
    }

    fn text(&self) -> String {
        let mut out = String::with_capacity(self.source.len() + self.source.len() / 8);
        for piece in &self.pieces {
            out.extend(std::iter::repeat_n(' ', piece.blanks));
            out.push_str(&self.source[piece.text.clone()]);
        }
        out
    }
}

/// The tokens of a tree but for the blanks between them.
fn pieces(root: &SyntaxNode) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut blank: Option<usize> = None;
    let tokens = root
        .descendants_with_tokens()
        .filter_map(NodeOrToken::into_token);
    for token in tokens {
        let range = token.text_range();
        let mut text = usize::from(range.start())..usize::from(range.end());
        if token.kind() == SyntaxKind::Whitespace {
            blank = Some(text.start);
            continue;
        }
        // Blanks before the marker say how far a `<<-` heredoc is indented.
        if token.kind() == SyntaxKind::HeredocEnd {
            text.start = blank.unwrap_or(text.start);
        }
        blank = None;
        pieces.push(Piece {
            kind: token.kind(),
            parent: token
                .parent()
                .map_or(SyntaxKind::File, |parent| parent.kind()),
            text,
            blanks: 0,
        });
    }
    pieces
}

/// Cuts the pieces into lines and these into cells.
fn lines(pieces: &[Piece]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut start = 0;
    for (at, piece) in pieces.iter().enumerate() {
        let last = at + 1 == pieces.len();
        if piece.kind == SyntaxKind::Newline || last {
            lines.push(line(pieces, start..at + 1));
            start = at + 1;
        }
    }
    lines
}

fn line(pieces: &[Piece], range: Range<usize>) -> Line {
    let Range { start, end } = range;
    let code = match pieces[end - 1].kind {
        SyntaxKind::Newline => end - 1,
        _ => end,
    };
    let comment = code
        .checked_sub(1)
        .filter(|last| *last > start && pieces[*last].kind == SyntaxKind::LineComment);
    let code = comment.unwrap_or(code);
    let assign = (start + 1..code)
        .find(|at| pieces[*at].kind == SyntaxKind::Eq)
        // A value that goes on below is aligned with nothing.
        .filter(|at| {
            pieces[*at..code]
                .iter()
                .map(|piece| bracket(piece.kind))
                .sum::<isize>()
                == 0
        });
    Line {
        start,
        end,
        assign,
        comment,
    }
}

/// What a token adds to the number of open brackets.
fn bracket(kind: SyntaxKind) -> isize {
    use SyntaxKind as K;
    match kind {
        K::LBrace | K::LBracket | K::LParen | K::InterpOpen | K::DirectiveOpen => 1,
        K::RBrace | K::RBracket | K::RParen | K::TemplateClose => -1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
