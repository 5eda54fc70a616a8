//! Tuples, objects, arguments, `for` expressions.

use super::Parser;
use crate::hcl::kind::SyntaxKind as K;

impl Parser<'_> {
    /// `(a, b...)` of a call.
    pub(super) fn arguments(&mut self) {
        self.start(K::ArgList);
        let opening = self.cur_range();
        self.bump();
        let outer = self.begin_bracket();
        self.open.parens += 1;
        self.with_newlines(false, |p| {
            p.elements(K::RParen, true);
            p.open.parens -= 1;
            p.end_of_list(K::RParen, ")", "this call", opening);
        });
        self.item_indent = outer;
        self.finish();
    }

    /// `[a, b]` or `[for …]`.
    pub(super) fn tuple(&mut self) {
        if self.is_too_deep() {
            return;
        }
        let is_for = self.with_newlines(false, |p| p.for_follows());
        self.start(if is_for { K::ForTuple } else { K::Tuple });
        let opening = self.cur_range();
        self.bump();
        let outer = self.begin_bracket();
        self.open.brackets += 1;
        self.with_newlines(false, |p| {
            if is_for {
                p.for_tuple_inner();
            } else {
                p.elements(K::RBracket, false);
            }
            p.open.brackets -= 1;
            p.end_of_list(
                K::RBracket,
                "]",
                if is_for {
                    "this `for` expression"
                } else {
                    "this list"
                },
                opening,
            );
        });
        self.item_indent = outer;
        self.finish();
    }

    /// Takes the indentation of the line with the bracket that was just read for that of all around what is in it; gives
    /// what it was.
    pub(super) fn begin_bracket(&mut self) -> usize {
        let indent = if self.hints {
            self.line_indent
        } else {
            self.item_indent
        };
        std::mem::replace(&mut self.item_indent, indent)
    }

    /// Whether `for name` follows the current bracket.
    fn for_follows(&self) -> bool {
        let (first, second) = (self.peek_at(1), self.peek_at(2));
        self.kind_at(first) == K::Ident
            && self.text_at(first) == "for"
            && !matches!(
                self.kind_at(second),
                K::Eq | K::Colon | K::Comma | K::Dot | K::RBracket
            )
    }

    /// Expressions with commas between them, up to `close` or where the list must end.
    fn elements(&mut self, close: K, call: bool) {
        loop {
            if self.cur == close
                || self.bracket_must_end(true)
                || matches!(self.cur, K::RParen | K::RBracket | K::RBrace)
            {
                return;
            }
            if self.cur == K::Comma {
                self.expected_expression();
                self.bump();
                continue;
            }
            if self.unquoted_text() {
                self.skip_unquoted_text();
            } else if !self.expr() {
                self.unexpected_token();
                self.error_bump();
                continue;
            }
            if call && self.cur == K::Ellipsis {
                self.bump();
                if self.cur == K::Comma {
                    let error = self
                        .error_here("syntax/unexpected-token", "`,` cannot stand here")
                        .help("`...` stands after the last argument and nothing follows it");
                    self.error(error);
                    self.error_bump();
                    continue;
                }
                return;
            }
            if self.cur == K::Comma {
                self.bump();
            } else if self.begins_operand() && !self.bracket_must_end(true) {
                let error = self
                    .error_after("syntax/missing-comma", "expected `,` between two elements")
                    .label("a comma is missing here");
                self.error(error);
            } else if self.cur != close
                && !self.bracket_must_end(true)
                && !matches!(self.cur, K::RParen | K::RBracket | K::RBrace)
            {
                self.unexpected_token();
                self.error_bump();
            }
        }
    }

    /// The rest of an element that is a text without quotes; the lexer has complained about its `$`.
    fn skip_unquoted_text(&mut self) {
        self.start(K::Error);
        let mut braces = 0u32;
        loop {
            match self.cur {
                K::Eof => break,
                K::Comma | K::RParen | K::RBracket | K::RBrace if braces == 0 => break,
                K::LBrace => braces += 1,
                K::RBrace => braces -= 1,
                _ => {}
            }
            self.bump();
            if self.at_line_start() {
                break;
            }
        }
        self.finish();
    }

    fn begins_operand(&self) -> bool {
        matches!(
            self.cur,
            K::Ident
                | K::Number
                | K::QuoteOpen
                | K::HeredocOpen
                | K::LBrace
                | K::LParen
                | K::LBracket
                | K::Bang
                | K::WrongQuoted
        )
    }

    /// The bracket that ends a list, a wrong one, or none.
    fn end_of_list(&mut self, kind: K, close: &str, what: &str, opening: (u32, u32)) {
        if self.cur == kind && !self.dedented_closing() {
            self.bump();
        } else if self.closes_wrongly() {
            self.mismatched(close, opening);
        } else {
            self.unclosed("syntax/unclosed-bracket", what, close, opening);
        }
    }

    /// Whether the current bracket stands further left than the line of the one it would close, so that it closes another.
    fn dedented_closing(&self) -> bool {
        self.hints && self.at_line_start() && self.indent() < self.item_indent
    }

    /// `{ a = b }` or `{for …}`.
    pub(super) fn object(&mut self) {
        if self.is_too_deep() {
            return;
        }
        let is_for = self.with_newlines(false, |p| p.for_follows());
        self.start(if is_for { K::ForObject } else { K::Object });
        let opening = self.cur_range();
        self.bump();
        let outer = self.begin_bracket();
        self.open.braces += 1;
        if is_for {
            self.with_newlines(false, |p| {
                p.for_object_inner();
                p.open.braces -= 1;
                p.end_of_list(K::RBrace, "}", "this `for` expression", opening);
            });
        } else {
            self.with_newlines(true, |p| {
                p.object_items();
                p.open.braces -= 1;
                p.end_of_list(K::RBrace, "}", "this object", opening);
            });
        }
        self.item_indent = outer;
        self.finish();
    }

    fn object_items(&mut self) {
        loop {
            match self.cur {
                K::Newline => self.bump(),
                K::RBrace => return,
                _ if self.bracket_must_end(false) => return,
                K::RParen | K::RBracket => {
                    if !self.closes_wrongly() {
                        return;
                    }
                    self.unexpected_token();
                    self.error_bump();
                }
                K::Comma => {
                    self.unexpected_token();
                    self.error_bump();
                }
                _ => self.object_item(),
            }
        }
    }

    /// `key = value` or `key: value`, and its comma.
    fn object_item(&mut self) {
        let checkpoint = self.checkpoint();
        let first = self.cur_at;
        if self.is_too_deep() {
            return;
        }
        self.start_at(checkpoint, K::ObjectItem);
        if !self.expr() {
            self.unexpected_token();
            self.error_bump();
        }
        match self.cur {
            K::Eq | K::Colon => {
                self.bump();
                self.item_value();
            }
            K::FatArrow | K::BadOperator | K::ColonColon => {
                let error = self
                    .error_here(
                        "syntax/expected-value",
                        format!(
                            "the value of {} stands after `=` or `:`",
                            self.text_between(first)
                        ),
                    )
                    .help("write `=`");
                self.error(error);
                self.error_bump();
                self.item_value();
            }
            K::LBrace if !self.at_line_start() => {
                let error = self
                    .error_after(
                        "syntax/expected-value",
                        format!("expected `=` after {}", self.text_between(first)),
                    )
                    .help("inside of an object every key has `=`; blocks cannot stand here");
                self.error(error);
                self.item_value();
            }
            _ => {
                let error = self.error_after(
                    "syntax/expected-value",
                    format!(
                        "expected `=` and a value after {}",
                        self.text_between(first)
                    ),
                );
                self.error(error);
                self.rest_of_item();
            }
        }
        self.finish();
        self.end_of_object_item();
    }

    /// The text of a key from the token `first` on, for a message.
    fn text_between(&self, first: usize) -> String {
        let (start, _) = self.range_at(first);
        let text = self
            .text
            .get(start as usize..self.last.1 as usize)
            .unwrap_or("");
        if text.is_empty() || text.len() > 40 || text.contains('\n') {
            "the key".to_owned()
        } else {
            format!("`{text}`")
        }
    }

    fn item_value(&mut self) {
        if !self.expr() {
            self.expected_expression();
            self.rest_of_item();
        }
    }

    /// Takes what is left of an item that could not be understood.
    fn rest_of_item(&mut self) {
        if matches!(self.cur, K::Newline | K::Eof | K::Comma)
            || self.bracket_must_end(false)
            || self.closing()
        {
            return;
        }
        self.start(K::Error);
        while !matches!(self.cur, K::Newline | K::Eof | K::Comma)
            && !self.bracket_must_end(false)
            && !self.closing()
        {
            match self.cur {
                K::LParen | K::LBracket | K::LBrace | K::QuoteOpen | K::HeredocOpen => {
                    self.bump();
                    self.skip_balanced();
                    if self.closing() || matches!(self.cur, K::QuoteClose | K::HeredocEnd) {
                        self.bump();
                    }
                }
                _ => self.bump(),
            }
        }
        self.finish();
    }

    fn closing(&self) -> bool {
        matches!(self.cur, K::RParen | K::RBracket | K::RBrace)
    }

    fn end_of_object_item(&mut self) {
        match self.cur {
            K::Comma => self.bump(),
            K::Newline | K::Eof => {}
            _ if self.closing() || self.bracket_must_end(false) => {}
            _ if self.begins_operand() => {
                let error = self
                    .error_after(
                        "syntax/missing-comma",
                        "expected `,` or a new line between two items of an object",
                    )
                    .label("a comma is missing here");
                self.error(error);
            }
            _ => {
                self.unexpected_token();
                self.rest_of_item();
                self.eat(K::Comma);
            }
        }
    }

    fn for_tuple_inner(&mut self) {
        if !self.for_intro() {
            return self.rest_of_for();
        }
        if !self.expr() {
            self.expected_expression();
        }
        self.for_end();
    }

    fn for_object_inner(&mut self) {
        if !self.for_intro() {
            return self.rest_of_for();
        }
        if !self.expr() {
            self.expected_expression();
        }
        if self.cur == K::FatArrow {
            self.bump();
            if !self.expr() {
                self.expected_expression();
            }
        } else {
            let error = self
                .error_after(
                    "syntax/for-expression",
                    "expected `=>` and the value of the item",
                )
                .help("write `{for key, value in map : key => value}`, or `[for …]` for a list");
            self.error(error);
        }
        self.eat(K::Ellipsis);
        self.for_end();
    }

    /// `for names in collection :`; says whether the value can follow.
    fn for_intro(&mut self) -> bool {
        self.start(K::ForIntro);
        let mut good = self.for_names();
        if good {
            if self.cur == K::Colon {
                self.bump();
            } else {
                let error = self
                    .error_after(
                        "syntax/for-expression",
                        "expected `:` after the collection of the `for`",
                    )
                    .help("write `[for item in list : value]`");
                self.error(error);
                good = self.begins_operand() && !self.at_item();
            }
        }
        self.finish();
        good
    }

    /// `for name in collection` or `for key, value in collection`, also of a directive.
    pub(super) fn for_names(&mut self) -> bool {
        self.bump();
        let named = self.for_name()
            && (self.cur != K::Comma || {
                self.bump();
                self.for_name()
            });
        if !named {
            return false;
        }
        if !self.at_word("in") {
            let error = self
                .error_after(
                    "syntax/for-expression",
                    "expected `in` and a collection after the names of the `for`",
                )
                .help("write `for item in list` or `for key, value in map`");
            self.error(error);
            return false;
        }
        self.bump();
        if self.at_item() || !self.expr() {
            self.expected_expression();
        }
        true
    }

    fn for_name(&mut self) -> bool {
        if self.cur == K::Ident && !self.at_word("in") && !self.at_item() {
            self.bump();
            return true;
        }
        let error = self
            .error_after(
                "syntax/for-expression",
                "expected the name of a variable after `for`",
            )
            .help("write `for item in list` or `for key, value in map`");
        self.error(error);
        false
    }

    /// `if condition`, then nothing but the closing bracket.
    fn for_end(&mut self) {
        if self.at_word("if") {
            self.start(K::ForCond);
            self.bump();
            if !self.expr() {
                self.expected_expression();
            }
            self.finish();
        }
        if !self.closing() && !self.bracket_must_end(true) {
            if self.cur == K::FatArrow {
                let error = self
                    .error_here(
                        "syntax/for-expression",
                        "`=>` stands only in a `for` between braces",
                    )
                    .help("write `{for … : key => value}` for a map, or remove `=>` for a list");
                self.error(error);
            } else {
                self.unexpected_token();
            }
            self.rest_of_for();
        }
    }

    /// Takes what is left before the closing bracket.
    fn rest_of_for(&mut self) {
        self.start(K::Error);
        while !self.closing() && !self.bracket_must_end(true) {
            if matches!(
                self.cur,
                K::LParen | K::LBracket | K::LBrace | K::QuoteOpen | K::HeredocOpen
            ) {
                self.bump();
                self.skip_balanced();
                if self.cur == K::Eof {
                    break;
                }
            }
            self.bump();
        }
        self.finish();
    }
}
