//! Expressions: operators, traversals, calls, literals.

use super::Parser;
use crate::hcl::kind::SyntaxKind as K;

/// How many splats one traversal can have; each works inside of the one before it.
const MAX_SPLATS: usize = 64;

impl Parser<'_> {
    /// An expression; says whether there was one.
    pub(super) fn expr(&mut self) -> bool {
        if self.is_too_deep() {
            return true;
        }
        let outer = std::mem::replace(&mut self.deepest, self.depth);
        let checkpoint = self.checkpoint();
        let found = self.binary(1);
        if found && self.cur == K::Question && !self.at_limit() {
            self.start_at(checkpoint, K::Conditional);
            let question = self.cur_range();
            self.bump();
            if !self.expr() {
                self.expected_expression();
            }
            self.alternative(question);
            self.finish();
        }
        self.deepest = self.deepest.max(outer);
        found
    }

    /// `: value` of a conditional.
    fn alternative(&mut self, question: (u32, u32)) {
        let on_next_line = self.cur == K::Newline && self.kind_at(self.cur_at + 1) == K::Colon;
        if self.cur != K::Colon {
            let help = if on_next_line {
                "put the whole conditional in parentheses to write it over several lines"
            } else {
                "write `condition ? value : other`"
            };
            let error = self
                .error_after(
                    "syntax/expected-colon",
                    "expected `:` and the value for the case that the condition is false",
                )
                .help(help)
                .related(question, "the condition ends here");
            self.error(error);
        }
        if on_next_line {
            self.bump();
        }
        if self.eat(K::Colon) && !self.expr() {
            self.expected_expression();
        }
    }

    /// Whether one more node around what was just read would be too deep; then takes the rest as loose tokens.
    fn at_limit(&mut self) -> bool {
        if self.deepest < super::MAX_DEPTH {
            return false;
        }
        self.give_up_deep();
        true
    }

    /// Operands and the operators between them that bind at least as tightly as `least`.
    fn binary(&mut self, least: u8) -> bool {
        let outer = std::mem::replace(&mut self.deepest, self.depth);
        let checkpoint = self.checkpoint();
        if !self.unary() {
            self.deepest = self.deepest.max(outer);
            return false;
        }
        while let Some((precedence, known)) = self.operator() {
            if precedence < least || self.at_limit() {
                break;
            }
            self.start_at(checkpoint, K::Binary);
            if known {
                self.bump();
            } else {
                self.unknown_operator();
            }
            if self.is_too_deep() {
                // The rest was taken as loose tokens.
            } else if !self.binary(precedence + 1) {
                self.expected_expression();
            }
            self.finish();
        }
        self.deepest = self.deepest.max(outer);
        true
    }

    /// Precedence of the current token as an operator between operands, and whether it is one of ours.
    fn operator(&self) -> Option<(u8, bool)> {
        Some(match self.cur {
            K::OrOr => (1, true),
            K::AndAnd => (2, true),
            K::EqEq | K::NotEq => (3, true),
            K::Lt | K::LtEq | K::Gt | K::GtEq => (4, true),
            K::Plus | K::Minus => (5, true),
            K::Star | K::Slash | K::Percent => (6, true),
            K::BadOperator => match self.cur_text() {
                "|" | "??" => (1, false),
                "&" => (2, false),
                "===" | "<>" => (3, false),
                _ => (6, false),
            },
            K::Ident if !self.at_line_start() => match self.cur_text() {
                "or" => (1, false),
                "and" => (2, false),
                _ => return None,
            },
            _ => return None,
        })
    }

    fn unknown_operator(&mut self) {
        let written = self.cur_text();
        let help = match written {
            "or" | "|" => "write `||`",
            "and" | "&" => "write `&&`",
            "not" => "write `!`",
            "===" => "write `==`",
            "<>" => "write `!=`",
            "??" => "write `coalesce(a, b)` or `try(a, b)`",
            "**" | "^" => "write `pow(a, b)`",
            _ => "the operators are + - * / % == != < <= > >= && || !",
        };
        let error = self
            .error_here(
                "syntax/unknown-operator",
                format!("there is no operator `{written}`"),
            )
            .help(help);
        self.error(error);
        self.error_bump();
    }

    fn unary(&mut self) -> bool {
        let word = self.at_word("not")
            && matches!(self.peek(1), K::Ident | K::Number | K::QuoteOpen)
            && self.kind_at(self.cur_at + 1) != K::Newline;
        if !word && !matches!(self.cur, K::Minus | K::Bang) {
            return self.postfix();
        }
        if self.is_too_deep() {
            return true;
        }
        self.start(K::Unary);
        if word {
            self.unknown_operator();
        } else {
            self.bump();
        }
        if !self.unary() {
            self.expected_expression();
        }
        self.finish();
        true
    }

    /// An operand and the steps into it.
    fn postfix(&mut self) -> bool {
        let checkpoint = self.checkpoint();
        if !self.primary() {
            return false;
        }
        if !matches!(self.cur, K::Dot | K::LBracket) || self.new_line_item() {
            return true;
        }
        self.start_at(checkpoint, K::Traversal);
        let mut splats = 0;
        loop {
            match self.cur {
                K::Dot => splats += self.dot_step(),
                K::LBracket if self.peek(1) == K::Star && self.peek(2) == K::RBracket => {
                    self.start(K::FullSplat);
                    for _ in 0..3 {
                        self.bump();
                    }
                    self.finish();
                    splats += 1;
                }
                K::LBracket => {
                    if self.is_too_deep() {
                        break;
                    }
                    self.index();
                }
                _ => break,
            }
            if splats > MAX_SPLATS {
                self.give_up_deep();
                break;
            }
        }
        self.finish();
        true
    }

    /// Whether the indentation shows that the current token begins something else.
    fn new_line_item(&self) -> bool {
        self.at_break() || (self.hints && self.at_line_start() && self.indent() <= self.item_indent)
    }

    /// `.name`, `.0` or `.*`; gives how many splats it was.
    fn dot_step(&mut self) -> usize {
        match self.peek(1) {
            K::Star => {
                self.start(K::AttrSplat);
                self.bump();
                self.bump();
                self.finish();
                return 1;
            }
            K::Number => {
                self.start(K::LegacyIndex);
                self.bump();
                self.bump();
            }
            next => {
                self.start(K::GetAttr);
                self.bump();
                if next == K::Ident && !self.at_item() {
                    self.bump();
                } else {
                    let error = self
                        .error_after("syntax/expected-name", "expected a name after `.`")
                        .label("the name of an attribute is missing here");
                    self.error(error);
                }
            }
        }
        self.finish();
        0
    }

    /// `[expression]`.
    fn index(&mut self) {
        self.start(K::Index);
        let opening = self.cur_range();
        self.bump();
        self.open.brackets += 1;
        self.with_newlines(false, |p| {
            if p.bracket_must_end(true) || !p.expr() {
                p.expected_expression();
            }
            p.open.brackets -= 1;
            p.close(K::RBracket, "]", "this index", opening);
        });
        self.finish();
    }

    /// The closing bracket of a construct that holds one expression.
    pub(super) fn close(&mut self, kind: K, close: &str, what: &str, opening: (u32, u32)) {
        if self.cur == kind {
            self.bump();
            return;
        }
        if self.closes_wrongly() {
            return self.mismatched(close, opening);
        }
        if self.bracket_must_end(true)
            || matches!(self.cur, K::RBrace | K::RParen | K::RBracket | K::Newline)
        {
            return self.unclosed("syntax/unclosed-bracket", what, close, opening);
        }
        let skip_to = (self.cur_at..self.cur_at + 64)
            .map(|sig| self.kind_at(sig))
            .take_while(|&k| k != K::Newline && k != K::Eof);
        if skip_to.clone().any(|k| k == kind) {
            self.unexpected_token();
            self.start(K::Error);
            while self.cur != kind
                && !matches!(self.cur, K::Eof | K::Newline)
                && !self.bracket_must_end(true)
            {
                self.bump();
            }
            self.finish();
            if self.cur == kind {
                self.bump();
            }
        } else {
            self.unclosed("syntax/unclosed-bracket", what, close, opening);
        }
    }

    /// Whether the current token is a closing bracket of a kind that nothing around it opened.
    pub(super) fn closes_wrongly(&self) -> bool {
        match self.cur {
            K::RParen => self.open.parens == 0,
            K::RBracket => self.open.brackets == 0,
            // A `}` below an interpolation belongs to what is around the string.
            K::RBrace => self.open.braces == 0 && !(self.sequences > 0 && self.at_line_start()),
            _ => false,
        }
    }

    /// Takes a closing bracket of the wrong kind for the right one.
    pub(super) fn mismatched(&mut self, close: &str, opening: (u32, u32)) {
        let error = self
            .error_here(
                "syntax/mismatched-bracket",
                format!("expected `{close}`, found {}", self.describe()),
            )
            .related(opening, format!("this is closed by `{close}`"));
        self.error(error);
        self.error_bump();
    }

    fn primary(&mut self) -> bool {
        if !self.newlines && (self.at_item() || self.at_break()) {
            return false;
        }
        match self.cur {
            K::Number => self.single(K::Literal),
            K::Ident => match self.peek(1) {
                K::LParen | K::ColonColon if self.kind_at(self.cur_at + 1) != K::Newline => {
                    self.call()
                }
                _ => match self.cur_text() {
                    "true" | "false" | "null" => self.single(K::Literal),
                    _ => self.single(K::Variable),
                },
            },
            K::QuoteOpen => self.template(),
            K::HeredocOpen => self.heredoc(),
            K::LParen => self.paren(),
            K::LBracket => self.tuple(),
            K::LBrace => self.object(),
            K::WrongQuoted | K::Invalid => self.single(K::Error),
            K::Dot if self.kind_at(self.cur_at + 1) == K::Number => {
                let (start, _) = self.cur_range();
                let (_, end) = self.range_at(self.cur_at + 1);
                let digits = self.text_at(self.cur_at + 1);
                let message = format!("`.{digits}` is not a number");
                let error =
                    crate::hcl::SyntaxError::new("syntax/invalid-number", (start, end), message)
                        .help(format!("write `0.{digits}`"));
                self.error(error);
                self.start(K::Error);
                self.bump();
                self.bump();
                self.finish();
            }
            _ => return false,
        }
        true
    }

    /// One token as a node of `kind`.
    fn single(&mut self, kind: K) {
        self.start(kind);
        self.bump();
        self.finish();
    }

    fn paren(&mut self) {
        if self.is_too_deep() {
            return;
        }
        self.start(K::Paren);
        let opening = self.cur_range();
        self.bump();
        self.open.parens += 1;
        self.with_newlines(false, |p| {
            if p.bracket_must_end(true) || !p.expr() {
                p.expected_expression();
            }
            p.open.parens -= 1;
            p.close(K::RParen, ")", "this parenthesis", opening);
        });
        self.finish();
    }

    /// `name(…)` or `space::name(…)`.
    fn call(&mut self) {
        if self.is_too_deep() {
            return;
        }
        self.start(K::Call);
        self.start(K::FunctionName);
        self.bump();
        while self.cur == K::ColonColon {
            self.bump();
            if self.cur == K::Ident {
                self.bump();
            } else {
                let error = self.error_after(
                    "syntax/expected-name",
                    "expected the name of a function after `::`",
                );
                self.error(error);
            }
        }
        self.finish();
        if self.cur == K::LParen {
            self.arguments();
        } else {
            let error = self
                .error_after(
                    "syntax/unexpected-token",
                    "expected `(` after the name of a function",
                )
                .help("names with `::` are functions");
            self.error(error);
        }
        self.finish();
    }
}
