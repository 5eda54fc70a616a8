//! Templates: quoted strings, heredocs, interpolations, directives.

use super::Parser;
use crate::hcl::error::SyntaxError;
use crate::hcl::kind::SyntaxKind as K;

impl Parser<'_> {
    /// The whole text as the inside of a template.
    pub(super) fn whole_template(&mut self) {
        self.builder
            .start_node(rowan::SyntaxKind(K::Template as u16));
        self.depth += 1;
        self.parts(true);
        self.emit_to(self.tokens.len());
        self.finish();
    }

    /// `"…"`.
    pub(super) fn template(&mut self) {
        if self.is_too_deep() {
            return;
        }
        self.start(K::Template);
        let opening = self.cur_range();
        let outer = (self.ifs, self.fors);
        (self.ifs, self.fors) = (0, 0);
        // First the opening: a line end before it must stay skipped.
        self.bump();
        self.with_newlines(true, |p| {
            p.parts(false);
            if p.cur == K::QuoteClose {
                p.bump();
            } else {
                p.unclosed_string(opening);
            }
        });
        (self.ifs, self.fors) = outer;
        self.finish();
    }

    fn unclosed_string(&mut self, opening: (u32, u32)) {
        let error = self
            .error_after("syntax/unclosed-string", "this string is not closed")
            .label("expected `\"`")
            .help("write `\"` at its end; text of several lines goes into a heredoc, `<<EOF`")
            .related(opening, "it begins here");
        self.error(error);
    }

    /// `<<EOF … EOF`.
    pub(super) fn heredoc(&mut self) {
        if self.is_too_deep() {
            return;
        }
        self.start(K::Heredoc);
        let (start, _) = self.cur_range();
        let written = self.cur_text().trim_end();
        let marker = written.trim_start_matches(['<', '-', '~', ' ', '\t', '"', '\'']);
        let marker: String = marker
            .chars()
            .take_while(|&c| crate::hcl::lexer::is_ident_continue(c))
            .collect();
        let opening = (start, start + crate::hcl::lexer::offset(written.len()));
        let outer = (self.ifs, self.fors);
        (self.ifs, self.fors) = (0, 0);
        // First the opening: a line end before it must stay skipped.
        self.bump();
        self.with_newlines(true, |p| {
            p.parts(true);
            if p.cur == K::HeredocEnd {
                p.bump();
            } else {
                let error = SyntaxError::new(
                    "syntax/unclosed-heredoc",
                    opening,
                    format!("the end marker `{marker}` of this heredoc is missing"),
                )
                .help(format!(
                    "write `{marker}` on a line of its own after the text"
                ));
                p.error_at = usize::MAX;
                p.error(error);
            }
        });
        (self.ifs, self.fors) = outer;
        self.finish();
    }

    /// Text, interpolations and directives, up to a token or directive that belongs to what is around them.
    fn parts(&mut self, lines: bool) {
        loop {
            match self.cur {
                K::Text | K::Escape => self.bump(),
                // Text goes on after an interpolation that was given up at the end of its line.
                K::Newline
                    if lines
                        && matches!(
                            self.kind_at(self.cur_at + 1),
                            K::Text | K::Escape | K::HeredocEnd | K::InterpOpen | K::DirectiveOpen
                        ) =>
                {
                    self.bump();
                }
                K::InterpOpen => self.interpolation(),
                K::DirectiveOpen => {
                    if self.directive() {
                        return;
                    }
                }
                K::TemplateClose => self.error_bump(),
                _ => return,
            }
        }
    }

    /// `${ expression }`.
    fn interpolation(&mut self) {
        if self.is_too_deep() {
            return;
        }
        self.start(K::Interpolation);
        let opening = self.cur_range();
        self.sequence(|p| {
            p.bump();
            if !p.expr() {
                p.expected_expression();
            }
            p.end_of_sequence(opening);
        });
        self.finish();
    }

    /// Runs `f` inside of `${ … }` or `%{ … }`, where brackets from outside cannot be closed.
    fn sequence(&mut self, f: impl FnOnce(&mut Self)) {
        let open = std::mem::take(&mut self.open);
        self.sequences += 1;
        self.with_newlines(false, f);
        self.sequences -= 1;
        self.open = open;
    }

    /// The `}` of an interpolation or a directive.
    fn end_of_sequence(&mut self, opening: (u32, u32)) {
        if self.eat(K::TemplateClose) {
            return;
        }
        if self.sequence_must_end() || self.at_line_start() {
            let written = if self.text[opening.0 as usize..].starts_with('$') {
                "`${`"
            } else {
                "`%{`"
            };
            self.unclosed("syntax/unclosed-interpolation", written, "}", opening);
        } else {
            let error = self
                .error_here(
                    "syntax/unexpected-token",
                    format!("{} cannot stand here", self.describe()),
                )
                .help(if self.cur == K::Colon || self.cur == K::Minus {
                    "write `$${` for a literal `${`, as shell scripts have it"
                } else {
                    "an interpolation holds one expression"
                });
            self.error(error);
        }
        if !self.sequence_must_end() {
            self.rest_of_sequence();
            self.eat(K::TemplateClose);
        }
    }

    /// Takes what is left of a `${ … }` or `%{ … }` before its `}`.
    fn rest_of_sequence(&mut self) {
        self.start(K::Error);
        while self.cur != K::TemplateClose && !self.sequence_must_end() {
            if matches!(self.cur, K::QuoteOpen | K::HeredocOpen | K::LBrace) {
                self.bump();
                self.skip_balanced();
                if self.cur == K::TemplateClose {
                    break;
                }
            }
            self.bump();
        }
        self.finish();
    }

    /// Whether the text around a `${ … }` or `%{ … }` goes on here, or an item begins.
    fn sequence_must_end(&self) -> bool {
        matches!(
            self.cur,
            K::Eof
                | K::QuoteClose
                | K::Text
                | K::Escape
                | K::HeredocEnd
                | K::InterpOpen
                | K::DirectiveOpen
                | K::RBrace
        ) || self.at_item()
            || self.at_break()
    }

    /// One directive with all that belongs to it; says whether it belongs to one around it and was left.
    fn directive(&mut self) -> bool {
        let word = if self.kind_at(self.cur_at + 1) == K::Ident {
            self.text_at(self.cur_at + 1)
        } else {
            ""
        };
        match word {
            _ if self.is_too_deep() => {}
            "if" => self.if_directive(),
            "for" => self.for_directive(),
            "endif" | "else" if self.ifs > 0 => return true,
            "endfor" if self.fors > 0 => return true,
            "elseif" | "elsif" | "elif" => {
                self.else_if_error();
                self.strange_marker();
            }
            "else" | "endif" | "endfor" => {
                let opener = if word == "endfor" { "for" } else { "if" };
                let error = self
                    .directive_error(format!(
                        "there is no `%{{ {opener} … }}` before this `{word}`"
                    ))
                    .help("remove it, or look above for a directive that was closed too early");
                self.error(error);
                self.strange_marker();
            }
            _ => {
                let message = if word.is_empty() {
                    "expected the name of a directive after `%{`".to_owned()
                } else {
                    format!("there is no directive `{word}`")
                };
                let error = self.directive_error(message).help("the directives are `if`, `else`, `endif`, `for`, `endfor`; write `%%{` for a literal `%{`");
                self.error(error);
                self.strange_marker();
            }
        }
        false
    }

    /// A problem with the directive that begins here.
    fn directive_error(&self, message: String) -> SyntaxError {
        let (start, end) = self.cur_range();
        let end = if self.kind_at(self.cur_at + 1) == K::Ident {
            self.range_at(self.cur_at + 1).1
        } else {
            end
        };
        SyntaxError::new("syntax/unexpected-directive", (start, end), message)
    }

    fn else_if_error(&mut self) {
        let mut error = self
            .directive_error("there is no `else if` in templates".into())
            .help("write `%{ else }%{ if … } … %{ endif }%{ endif }`");
        error.id = "syntax/else-if";
        self.error(error);
    }

    /// `%{ word … }` as a node; with `expr` an expression stands in it.
    fn marker(&mut self, expr: bool) {
        self.start(K::Directive);
        let opening = self.cur_range();
        self.sequence(|p| {
            p.bump();
            if p.cur == K::Ident {
                p.bump();
            }
            if expr && !p.expr() {
                p.expected_expression();
            }
            p.end_of_sequence(opening);
        });
        self.finish();
    }

    /// A `%{ … }` whose problem was told, whatever it holds.
    fn strange_marker(&mut self) {
        self.start(K::Error);
        let opening = self.cur_range();
        let muted = std::mem::replace(&mut self.muted, true);
        self.sequence(|p| {
            p.bump();
            p.rest_of_sequence();
            p.end_of_sequence(opening);
        });
        self.muted = muted;
        self.finish();
    }

    fn body(&mut self) {
        self.start(K::TemplateBody);
        self.parts(true);
        self.finish();
    }

    /// The word of the directive that begins here.
    fn directive_word(&self) -> &str {
        if self.cur == K::DirectiveOpen && self.kind_at(self.cur_at + 1) == K::Ident {
            self.text_at(self.cur_at + 1)
        } else {
            ""
        }
    }

    /// `%{ if c } … %{ else } … %{ endif }`.
    fn if_directive(&mut self) {
        self.start(K::TemplateIf);
        let (start, _) = self.cur_range();
        self.ifs += 1;
        self.marker(true);
        let opening = (start, self.last.1);
        self.body();
        let mut alternatives = 0;
        while self.directive_word() == "else" {
            alternatives += 1;
            let else_if =
                self.kind_at(self.cur_at + 2) == K::Ident && self.text_at(self.cur_at + 2) == "if";
            if else_if {
                self.else_if_error();
            } else if alternatives > 1 {
                let error = self
                    .directive_error("this `if` already has an `else`".into())
                    .related(opening, "the `if` begins here");
                self.error(error);
            }
            self.else_marker(else_if);
            self.body();
        }
        self.ifs -= 1;
        self.end_directive("endif", "if", opening);
        self.finish();
    }

    /// `%{ else }`; after the problem of an `else if` was told, with its condition.
    fn else_marker(&mut self, else_if: bool) {
        if !else_if {
            return self.marker(false);
        }
        self.start(K::Directive);
        let opening = self.cur_range();
        self.sequence(|p| {
            p.bump();
            p.bump();
            p.start(K::Error);
            p.bump();
            p.expr();
            p.finish();
            p.end_of_sequence(opening);
        });
        self.finish();
    }

    /// `%{ for x in xs } … %{ endfor }`.
    fn for_directive(&mut self) {
        self.start(K::TemplateFor);
        let (start, _) = self.cur_range();
        self.fors += 1;
        self.start(K::Directive);
        let opening = self.cur_range();
        self.sequence(|p| {
            p.bump();
            p.for_names();
            p.end_of_sequence(opening);
        });
        self.finish();
        let opening = (start, self.last.1);
        self.body();
        self.fors -= 1;
        self.end_directive("endfor", "for", opening);
        self.finish();
    }

    /// The directive that ends `opener`, or its absence.
    fn end_directive(&mut self, word: &str, opener: &str, opening: (u32, u32)) {
        if self.directive_word() == word {
            return self.marker(false);
        }
        let error = SyntaxError::new(
            "syntax/unclosed-directive",
            opening,
            format!("this `{opener}` has no `{word}`"),
        )
        .help(format!("write `%{{ {word} }}` where it ends"));
        self.error(error);
    }
}
