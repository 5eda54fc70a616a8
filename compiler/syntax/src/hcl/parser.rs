//! From tokens to a tree.
//!
//! In: the tokens of a text. Out: a green tree that holds every one of them, and the problems found. A recursive descent
//! with operator precedence that writes the tree as it reads; blanks and comments go to the outermost node they can, so
//! that the range of a node begins and ends with a token that matters. One place yields at most one error.
//!
//! Where something is wrong, the text is parsed a second time with its indentation taken as a hint of what was meant,
//! and the reading with fewer errors is kept.

mod body;
mod collection;
mod expr;
mod template;

use rowan::{Checkpoint, GreenNode, GreenNodeBuilder, Language};

use super::error::SyntaxError;
use super::kind::{Lang, SyntaxKind};
use super::lexer::{self, Start, Token};
use crate::conflict;

/// How many nodes can stand inside each other; what is deeper is kept as loose tokens.
pub const MAX_DEPTH: u32 = 256;

/// Texts above this size are not read: offsets are 32 bits wide, and no template is a gigabyte.
pub(super) const MAX_LEN: usize = 1 << 30;

/// How many problems of one text are kept; nobody reads more, and a binary file has one in every line.
pub const MAX_ERRORS: usize = 1000;

/// What a text is a whole of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    File,
    Expression,
    Template,
}

/// Parses a text of at most `max_len` bytes; a longer one yields an empty tree and one error.
pub(super) fn parse(text: &str, root: Root, max_len: usize) -> Read {
    if text.len() > max_len {
        let message = format!(
            "the file has {} bytes, more than the {max_len} that are read",
            text.len()
        );
        let error = SyntaxError::new("syntax/too-large", (0, 0), message).help("split the file");
        let all = Some((0, u32::MAX));
        return (
            Parser::new("", "", root, false).run(root).0,
            vec![error],
            all,
        );
    }
    let (green, errors, noise) = read(text, text, root);
    if errors.is_empty() || root != Root::File {
        return (green, errors, noise);
    }
    let conflicts = conflicts(text);
    if conflicts.is_empty() {
        return (green, errors, noise);
    }
    let (green, mut errors, _) = read(text, &conflict::without(text, &conflicts), root);
    errors.extend(conflicts.iter().map(conflict::Conflict::error));
    errors.sort_by_key(|error| (error.start, error.end));
    errors.truncate(MAX_ERRORS);
    (green, errors, Some((0, u32::MAX)))
}

/// A tree, the problems, and from where to where any reading found some.
pub(super) type Read = (GreenNode, Vec<SyntaxError>, Option<(u32, u32)>);

/// From the first place of these problems to the last.
fn hull(errors: &[SyntaxError], more: &[SyntaxError]) -> (u32, u32) {
    let all = || errors.iter().chain(more);
    let places = all().flat_map(|error| {
        let related = error.related.iter().map(|(start, end, _)| (*start, *end));
        related.chain([(error.start, error.end)])
    });
    places.fold((u32::MAX, 0), |(from, to), (start, end)| {
        (from.min(start), to.max(end))
    })
}

/// Parses a text with the tokens of `lexed`, which is the text itself or has blanks for parts of it.
fn read(text: &str, lexed: &str, root: Root) -> Read {
    let (green, errors, reread) = Parser::new(text, lexed, root, false).run(root);
    if reread && root == Root::File {
        let (hinted, hinted_errors, _) = Parser::new(text, lexed, root, true).run(root);
        let noise = hull(&errors, &hinted_errors);
        if hinted_errors.len() <= errors.len() {
            return (hinted, hinted_errors, Some(noise));
        }
        return (green, errors, Some(noise));
    }
    let noise = (!errors.is_empty()).then_some((0, u32::MAX));
    (green, errors, noise)
}

/// The merge conflicts of a text, but for those that are part of a heredoc or a comment.
fn conflicts(text: &str) -> Vec<conflict::Conflict> {
    let mut conflicts = conflict::find(text);
    if conflicts.is_empty() {
        return conflicts;
    }
    let tokens = lexer::lex(&conflict::without(text, &conflicts), Start::Normal, false).tokens;
    conflicts.retain(|conflict| {
        let at = tokens.partition_point(|token| token.end as usize <= conflict.first.start);
        let kind = tokens.get(at).map(|token| token.kind);
        kind == Some(SyntaxKind::Whitespace)
    });
    conflicts
}

pub(super) struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    /// Tokens before which the lexer gave up on interpolations.
    breaks: Vec<u32>,
    /// How many interpolations and directives are open.
    sequences: u32,
    /// Numbers of the tokens that matter; of a run of blanks, comments and line ends only the first line end. Ends with
    /// the number after the last token.
    sig: Vec<u32>,
    /// Where in `sig` the parser stands, line ends not yet skipped.
    at: usize,
    /// Where in `sig` the current token is, line ends skipped where they mean nothing.
    cur_at: usize,
    cur: SyntaxKind,
    /// Whether a line end is a token here.
    newlines: bool,
    /// How many tokens are in the tree.
    emitted: usize,
    /// Range of the last token in the tree that matters and is no line end.
    last: (u32, u32),
    builder: GreenNodeBuilder<'static>,
    errors: Vec<SyntaxError>,
    /// The number of tokens read when the last error was made; no second one there.
    error_at: usize,
    /// Nodes open now, and the most there were since a caller began to count.
    depth: u32,
    deepest: u32,
    /// Whether the rest of the item has no more to say, for part of it was not understood and that was told.
    muted: bool,
    too_deep: bool,
    /// Brackets of each kind that are open around the current token.
    open: Open,
    /// Blanks before the item, or the line with the opening bracket, that is being read.
    item_indent: usize,
    /// Blanks before the last line that began; kept only for hints.
    line_indent: usize,
    /// Directives open in the current template.
    ifs: u32,
    fors: u32,
    hints: bool,
    /// Whether the text is worth a second reading with hints.
    reread: bool,
}

/// Counts of open brackets.
#[derive(Clone, Copy, Default)]
pub(super) struct Open {
    parens: u32,
    brackets: u32,
    braces: u32,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, lexed: &str, root: Root, hints: bool) -> Self {
        let start = if root == Root::Template {
            Start::Template
        } else {
            Start::Normal
        };
        let lexed = lexer::lex(lexed, start, hints);
        let sig = significant(&lexed.tokens);
        let mut parser = Self {
            text,
            tokens: lexed.tokens,
            breaks: lexed.breaks,
            sequences: 0,
            sig,
            at: 0,
            cur_at: 0,
            cur: SyntaxKind::Eof,
            newlines: true,
            emitted: 0,
            last: (0, 0),
            builder: GreenNodeBuilder::new(),
            errors: lexed.errors,
            error_at: usize::MAX,
            depth: 0,
            deepest: 0,
            muted: false,
            too_deep: false,
            open: Open::default(),
            item_indent: 0,
            line_indent: 0,
            ifs: 0,
            fors: 0,
            hints,
            reread: false,
        };
        parser.sync();
        parser
    }

    fn run(mut self, root: Root) -> (GreenNode, Vec<SyntaxError>, bool) {
        let kind = match root {
            Root::File => SyntaxKind::File,
            Root::Expression => SyntaxKind::ExpressionRoot,
            Root::Template => SyntaxKind::TemplateRoot,
        };
        self.builder.start_node(Lang::kind_to_raw(kind));
        match root {
            Root::File => self.file_body(),
            Root::Expression => self.whole_expression(),
            Root::Template => self.whole_template(),
        }
        self.emit_to(self.tokens.len());
        self.builder.finish_node();
        self.errors.sort_by_key(|error| (error.start, error.end));
        (self.builder.finish(), self.errors, self.reread)
    }

    fn whole_expression(&mut self) {
        self.newlines = false;
        self.sync();
        if !self.expr() {
            self.expected_expression();
        }
        while self.cur != SyntaxKind::Eof {
            self.unexpected_token();
            self.error_bump();
        }
    }

    fn kind_at(&self, sig: usize) -> SyntaxKind {
        match self.sig.get(sig) {
            Some(&token) => self
                .tokens
                .get(token as usize)
                .map_or(SyntaxKind::Eof, |token| token.kind),
            None => SyntaxKind::Eof,
        }
    }

    /// Finds the current token again after the position or the meaning of line ends changed.
    fn sync(&mut self) {
        self.cur_at = self.at;
        self.cur = self.kind_at(self.at);
        if !self.newlines && self.cur == SyntaxKind::Newline {
            self.cur_at += 1;
            self.cur = self.kind_at(self.cur_at);
        }
    }

    /// Range of a token by its place in `sig`.
    fn range_at(&self, sig: usize) -> (u32, u32) {
        let token = self
            .sig
            .get(sig)
            .map_or(self.tokens.len(), |&token| token as usize);
        let start = token
            .checked_sub(1)
            .map_or(0, |before| self.tokens[before].end);
        (
            start,
            self.tokens.get(token).map_or(start, |token| token.end),
        )
    }

    fn text_at(&self, sig: usize) -> &'t str {
        let (start, end) = self.range_at(sig);
        &self.text[start as usize..end as usize]
    }

    fn cur_text(&self) -> &'t str {
        self.text_at(self.cur_at)
    }

    fn cur_range(&self) -> (u32, u32) {
        self.range_at(self.cur_at)
    }

    /// The kind of the token `n` after the current one, line ends skipped where they mean nothing.
    fn peek(&self, n: usize) -> SyntaxKind {
        self.kind_at(self.peek_at(n))
    }

    fn peek_at(&self, n: usize) -> usize {
        let mut at = self.cur_at;
        for _ in 0..n {
            at += 1;
            if !self.newlines && self.kind_at(at) == SyntaxKind::Newline {
                at += 1;
            }
        }
        at
    }

    fn at_word(&self, word: &str) -> bool {
        self.cur == SyntaxKind::Ident && self.cur_text() == word
    }

    /// Runs `f` with line ends as tokens or not, and goes back to what it was.
    fn with_newlines<T>(&mut self, newlines: bool, f: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.newlines, newlines);
        self.sync();
        let result = f(self);
        self.newlines = before;
        self.sync();
        result
    }

    /// Puts all tokens before `end` into the tree.
    fn emit_to(&mut self, end: usize) {
        while self.emitted < end {
            let start = self
                .emitted
                .checked_sub(1)
                .map_or(0, |before| self.tokens[before].end);
            let token = self.tokens[self.emitted];
            let text = &self.text[start as usize..token.end as usize];
            self.builder.token(Lang::kind_to_raw(token.kind), text);
            self.emitted += 1;
        }
    }

    fn flush_trivia(&mut self) {
        let end = self
            .sig
            .get(self.cur_at)
            .map_or(self.tokens.len(), |&token| token as usize);
        self.emit_to(end);
    }

    /// Takes the current token into the tree.
    fn bump(&mut self) {
        if self.cur == SyntaxKind::Eof {
            return;
        }
        self.muted |= self.cur == SyntaxKind::Invalid;
        if self.hints && self.at_line_start() {
            self.line_indent = self.indent();
        }
        let token = self.sig[self.cur_at] as usize;
        self.emit_to(token + 1);
        if self.cur != SyntaxKind::Newline {
            self.last = self.cur_range();
        }
        self.at = self.cur_at + 1;
        self.sync();
    }

    fn eat(&mut self, kind: SyntaxKind) -> bool {
        let found = self.cur == kind;
        if found {
            self.bump();
        }
        found
    }

    /// Takes the current token as one that could not be understood.
    fn error_bump(&mut self) {
        self.start(SyntaxKind::Error);
        self.bump();
        self.finish();
    }

    fn start(&mut self, kind: SyntaxKind) {
        self.flush_trivia();
        self.builder.start_node(Lang::kind_to_raw(kind));
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
    }

    fn checkpoint(&mut self) -> Checkpoint {
        self.flush_trivia();
        self.builder.checkpoint()
    }

    /// Begins a node that takes in what was read since `checkpoint`.
    fn start_at(&mut self, checkpoint: Checkpoint, kind: SyntaxKind) {
        self.builder
            .start_node_at(checkpoint, Lang::kind_to_raw(kind));
        self.depth += 1;
        self.deepest += 1;
    }

    fn finish(&mut self) {
        self.builder.finish_node();
        self.depth -= 1;
    }

    /// Records a problem unless this place already has one.
    fn error(&mut self, error: SyntaxError) {
        let quiet = self.muted
            || self.error_at == self.cur_at
            || matches!(self.cur, SyntaxKind::Invalid)
            || self
                .errors
                .last()
                .is_some_and(|last| last.start == error.start && last.end == error.end);
        self.error_at = self.cur_at;
        self.reread = true;
        if !quiet && self.errors.len() < MAX_ERRORS {
            self.errors.push(error);
        }
    }

    /// A problem at the end of the last token that was understood.
    fn error_after(&self, id: &'static str, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(id, (self.last.1, self.last.1), message)
    }

    /// A problem with the current token.
    fn error_here(&self, id: &'static str, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(id, self.cur_range(), message)
    }

    /// The current token in words.
    fn describe(&self) -> String {
        use SyntaxKind as K;
        match self.cur {
            K::Eof => "the end of the file".into(),
            K::Newline => "the end of the line".into(),
            K::QuoteOpen | K::WrongQuoted => "a string".into(),
            K::QuoteClose => "the end of the string".into(),
            K::HeredocOpen => "a heredoc".into(),
            K::HeredocEnd => "the end of the heredoc".into(),
            K::Text | K::Escape => "text".into(),
            _ => format!("`{}`", self.cur_text()),
        }
    }

    fn unexpected_token(&mut self) {
        let error = self.error_here(
            "syntax/unexpected-token",
            format!("{} cannot stand here", self.describe()),
        );
        self.error(error);
    }

    /// The value after the last token is missing.
    fn expected_expression(&mut self) {
        let after = &self.text[self.last.0 as usize..self.last.1 as usize];
        let message = if self.last.1 == 0 || after.len() > 30 || after.contains('\n') {
            "expected an expression".to_owned()
        } else {
            format!("expected an expression after `{after}`")
        };
        let mut error = self.error_after("syntax/expected-expression", message);
        if matches!(self.cur, SyntaxKind::Newline | SyntaxKind::Eof) {
            error = error.label("a value is missing here");
        } else {
            error = error.label(format!("found {}", self.describe()));
        }
        self.error(error);
    }

    /// Whether the tree may not get deeper; says so once and takes the rest of the construct as loose tokens.
    fn is_too_deep(&mut self) -> bool {
        if self.depth < MAX_DEPTH {
            return false;
        }
        self.give_up_deep();
        true
    }

    fn give_up_deep(&mut self) {
        if !self.too_deep {
            self.too_deep = true;
            let error = self
                .error_here(
                    "syntax/too-deep",
                    format!("this is nested more than {MAX_DEPTH} levels deep"),
                )
                .help("move inner parts into locals");
            self.error(error);
        }
        self.muted = true;
        self.start(SyntaxKind::Error);
        self.skip_balanced();
        self.finish();
    }

    /// Takes tokens up to a closing one that belongs to something outside, or the end of the line where it matters.
    fn skip_balanced(&mut self) {
        use SyntaxKind as K;
        let mut open = Vec::new();
        loop {
            // A string that is not closed ends with its line.
            while open.last() == Some(&K::QuoteOpen)
                && (self.cur == K::Newline || self.at_line_start())
            {
                open.pop();
            }
            match self.cur {
                K::Eof => return,
                K::Newline if open.is_empty() => return,
                K::LParen
                | K::LBracket
                | K::LBrace
                | K::QuoteOpen
                | K::InterpOpen
                | K::DirectiveOpen
                | K::HeredocOpen => {
                    open.push(self.cur);
                }
                K::RParen
                | K::RBracket
                | K::RBrace
                | K::QuoteClose
                | K::TemplateClose
                | K::HeredocEnd
                    if open.pop().is_none() =>
                {
                    return;
                }
                _ => {}
            }
            if self.at_certain_block() {
                return;
            }
            self.bump();
        }
    }

    /// Takes the rest of a line that could not be understood; stops before a closing bracket of something outside.
    fn skip_line(&mut self) {
        use SyntaxKind as K;
        if matches!(self.cur, K::Eof | K::Newline | K::RBrace | K::TemplateClose) {
            return;
        }
        self.start(K::Error);
        loop {
            self.skip_balanced();
            match self.cur {
                K::RParen | K::RBracket | K::QuoteClose | K::HeredocEnd => self.bump(),
                _ => break,
            }
        }
        self.finish();
    }

    /// Whether the current token is the first of its line.
    fn at_line_start(&self) -> bool {
        self.cur_at == 0 || self.kind_at(self.cur_at - 1) == SyntaxKind::Newline
    }

    /// Whether the current token stands outside of the interpolation that is being read, because the lexer gave up on it.
    fn at_break(&self) -> bool {
        if self.sequences == 0 || self.breaks.is_empty() || self.cur_at == 0 {
            return false;
        }
        let (before, token) = (
            self.sig[self.cur_at - 1],
            self.sig.get(self.cur_at).copied().unwrap_or(u32::MAX),
        );
        self.breaks
            .get(self.breaks.partition_point(|&at| at <= before))
            .is_some_and(|&at| at <= token)
    }

    /// Blanks before the current token, which is the first of its line.
    fn indent(&self) -> usize {
        let token = self
            .sig
            .get(self.cur_at)
            .map_or(self.tokens.len(), |&token| token as usize);
        let end = token
            .checked_sub(1)
            .map_or(0, |before| self.tokens[before].end as usize);
        match token.checked_sub(1).map(|before| self.tokens[before].kind) {
            Some(SyntaxKind::Whitespace) => {
                end - token
                    .checked_sub(2)
                    .map_or(0, |before| self.tokens[before].end as usize)
            }
            _ => 0,
        }
    }

    /// Whether a line begins here with `name "label" … {`, which can only be a block.
    fn at_certain_block(&self) -> bool {
        self.cur == SyntaxKind::Ident && self.at_line_start() && self.block_head(true)
    }

    /// Whether a line begins here with `name =` or the head of a block.
    fn at_item(&self) -> bool {
        self.cur == SyntaxKind::Ident
            && self.at_line_start()
            && (self.kind_at(self.cur_at + 1) == SyntaxKind::Eq && !self.unquoted_text()
                || self.block_head(false))
    }

    /// Whether a text such as `NAME=${var.x}` stands here without quotes: nobody writes an attribute so.
    fn unquoted_text(&self) -> bool {
        use SyntaxKind as K;
        let kinds = [0, 1, 2].map(|n| self.kind_at(self.cur_at + n));
        let end = |n| self.range_at(self.cur_at + n).1;
        let start = |n| self.range_at(self.cur_at + n).0;
        kinds == [K::Ident, K::Eq, K::Invalid] && end(0) == start(1) && end(1) == start(2)
    }

    /// Whether the tokens from here to a `{` on the same line are the head of a block; reads a few tokens at most.
    fn block_head(&self, labelled: bool) -> bool {
        use SyntaxKind as K;
        if matches!(self.cur_text(), "in" | "if" | "for") {
            return false;
        }
        let mut quoted = false;
        for sig in self.cur_at + 1..self.cur_at + 13 {
            match self.kind_at(sig) {
                K::LBrace => return quoted || !labelled,
                K::QuoteOpen => quoted = true,
                K::QuoteClose | K::Text | K::Ident => {}
                _ => return false,
            }
        }
        false
    }

    /// Whether the current token cannot be inside of the brackets that are open: an item begins, or its indentation shows
    /// that what is around it goes on. `weak` also takes `name =` for an item, which an object would take for its own.
    fn bracket_must_end(&self, weak: bool) -> bool {
        use SyntaxKind as K;
        if matches!(
            self.cur,
            K::Eof | K::QuoteClose | K::Text | K::Escape | K::HeredocEnd | K::TemplateClose
        ) {
            return true;
        }
        if !self.at_line_start() {
            return false;
        }
        if self.at_break() {
            return true;
        }
        if self.hints {
            let indent = self.indent();
            let closing = matches!(self.cur, K::RBrace | K::RParen | K::RBracket);
            if indent < self.item_indent || (indent == self.item_indent && !closing) {
                return true;
            }
        }
        if weak {
            self.at_item()
        } else {
            self.at_certain_block()
        }
    }

    /// An opening bracket or block that is not closed.
    fn unclosed(&mut self, id: &'static str, what: &str, close: &str, opening: (u32, u32)) {
        let error = self
            .error_after(id, format!("{what} is not closed"))
            .label(format!("expected `{close}`"))
            .related(opening, "it begins here");
        self.error(error);
    }
}

/// The numbers of the tokens that matter, and of each run of the others the first line end.
fn significant(tokens: &[Token]) -> Vec<u32> {
    let mut sig = Vec::with_capacity(tokens.len() / 2 + 2);
    let mut line_ended = false;
    for (number, token) in (0u32..).zip(tokens) {
        if token.kind.is_trivia() || (token.kind == SyntaxKind::Newline && line_ended) {
            continue;
        }
        line_ended = token.kind == SyntaxKind::Newline;
        sig.push(number);
    }
    sig.push(u32::try_from(tokens.len()).expect("no more tokens than bytes"));
    sig
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Root, parse};

    #[test]
    fn a_text_above_the_limit_is_not_read() {
        let (green, errors, _) = parse("a = 1\n", Root::File, 5);
        let ids: Vec<_> = errors.iter().map(|error| error.id).collect();
        assert_eq!(ids, ["syntax/too-large"]);
        assert_eq!(u32::from(green.text_len()), 0);
        assert_eq!(parse("a = 1\n", Root::File, 6).1, []);
    }
}
