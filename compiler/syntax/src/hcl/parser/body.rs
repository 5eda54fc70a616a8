//! Bodies: attributes, blocks, labels.

use super::{MAX_DEPTH, Parser};
use crate::hcl::error::SyntaxError;
use crate::hcl::kind::SyntaxKind as K;

/// A block that is being read.
#[derive(Clone, Copy)]
struct Frame {
    /// Blanks before its first line.
    indent: usize,
    /// Whether its first item stands on the line of its `{`.
    one_line: bool,
}

impl Parser<'_> {
    pub(super) fn file_body(&mut self) {
        self.builder.start_node(rowan::SyntaxKind(K::Body as u16));
        self.depth += 1;
        self.items(None);
        // Blanks at the end of the file belong to the file.
        self.finish();
    }

    /// Items up to the end of the file or the `}` of `frame`, which stays.
    fn items(&mut self, frame: Option<Frame>) {
        let mut count = 0u32;
        let mut complained = false;
        loop {
            let one_line = frame.is_some_and(|frame| frame.one_line);
            match self.cur {
                K::Newline => {
                    if one_line
                        && !complained
                        && count > 0
                        && self.kind_at(self.cur_at + 1) == K::RBrace
                    {
                        complained = true;
                        self.one_line_error();
                    }
                    self.bump();
                    continue;
                }
                K::Eof => return,
                K::RBrace => match frame {
                    Some(frame)
                        if self.hints && self.at_line_start() && self.indent() < frame.indent =>
                    {
                        return;
                    }
                    Some(_) => return,
                    None => self.stray_closing(),
                },
                _ => {
                    if let Some(frame) = frame
                        && self.hints
                        && self.at_line_start()
                        && self.indent() <= frame.indent
                    {
                        return;
                    }
                    if one_line && !complained && (count > 0 || self.block_head(false)) {
                        complained = true;
                        self.one_line_error();
                    }
                    self.item(one_line, &mut complained);
                    count += 1;
                }
            }
        }
    }

    fn one_line_error(&mut self) {
        let message = "a block on one line holds one attribute and nothing else";
        let error = match self.cur {
            K::Newline => self.error_after("syntax/one-line-block", message),
            _ => self.error_here("syntax/one-line-block", message),
        };
        let error = error.help("put each item and the `}` on a line of its own");
        self.error(error);
        // What follows may have problems of its own.
        self.error_at = usize::MAX;
    }

    fn stray_closing(&mut self) {
        let error = self
            .error_here(
                "syntax/unexpected-closing",
                format!("{} closes nothing", self.describe()),
            )
            .help("remove it, or look above for a block that was closed too early");
        self.error(error);
        self.error_bump();
    }

    /// One item, and what is left of its last line.
    fn item(&mut self, one_line: bool, complained: &mut bool) {
        self.muted = false;
        if self.at_line_start() {
            self.item_indent = self.indent();
        }
        let is_block = match self.cur {
            K::Ident => self.named_item(),
            K::QuoteOpen if self.is_quoted_name() => {
                self.quoted_name();
                false
            }
            K::RParen | K::RBracket => {
                self.stray_closing();
                return;
            }
            K::Invalid => {
                self.error_bump();
                self.skip_line();
                return;
            }
            _ => {
                let error = self
                    .error_here("syntax/expected-item", format!("expected an attribute or a block, found {}", self.describe()))
                    .help(if self.continues_expression() {
                        "an expression ends with its line; put it in parentheses to write it over several lines"
                    } else {
                        "write `name = value` or `name { … }`"
                    });
                self.error(error);
                if matches!(self.cur, K::QuoteClose | K::HeredocEnd | K::TemplateClose) {
                    self.error_bump();
                }
                self.skip_line();
                return;
            }
        };
        self.end_of_item(is_block, one_line, complained);
    }

    /// Whether the current token can only go on an expression of the line before.
    fn continues_expression(&self) -> bool {
        matches!(
            self.cur,
            K::Question
                | K::Colon
                | K::OrOr
                | K::AndAnd
                | K::Plus
                | K::Minus
                | K::Star
                | K::Slash
                | K::Percent
                | K::Dot
                | K::EqEq
                | K::NotEq
        )
    }

    /// After an attribute or block there is the end of the line or of the block.
    fn end_of_item(&mut self, is_block: bool, one_line: bool, complained: &mut bool) {
        let what = if is_block { "a block" } else { "an attribute" };
        match self.cur {
            K::Newline | K::Eof | K::RBrace => {}
            K::Comma if one_line => {
                if !std::mem::replace(complained, true) {
                    self.one_line_error();
                }
                self.error_bump();
            }
            K::Comma => {
                let error = self
                    .error_here(
                        "syntax/stray-comma",
                        format!("no comma stands after {what}"),
                    )
                    .help("remove the comma; items end with their line");
                self.error(error);
                self.error_bump();
            }
            K::RParen | K::RBracket => {
                self.stray_closing();
                self.skip_line();
            }
            // The next item tells.
            K::Ident if one_line && (self.peek(1) == K::Eq || self.block_head(false)) => {}
            K::Ident if self.peek(1) == K::Eq || self.block_head(false) => {
                let error = self
                    .error_after(
                        "syntax/missing-newline",
                        format!("expected a new line after {what}"),
                    )
                    .help(format!("put `{}` on a line of its own", self.cur_text()));
                self.error(error);
            }
            _ if self.at_line_start() => {}
            _ => {
                self.unexpected_token();
                self.skip_line();
            }
        }
    }

    /// An item that begins with a name; says whether it is a block.
    fn named_item(&mut self) -> bool {
        match self.kind_at(self.cur_at + 1) {
            K::LBrace => self.block(),
            K::QuoteOpen | K::Ident if !self.is_attribute_without_equals() => self.block(),
            K::Newline if self.kind_at(self.cur_at + 2) == K::LBrace => self.block(),
            _ => {
                self.attribute();
                false
            }
        }
    }

    /// Whether `name "text"` stands inside of a block and is no head of one: an attribute that lacks its `=`.
    fn is_attribute_without_equals(&self) -> bool {
        if self.open.braces == 0 || self.kind_at(self.cur_at + 1) == K::Ident {
            return false;
        }
        for sig in self.cur_at + 2..self.cur_at + 66 {
            match self.kind_at(sig) {
                K::QuoteClose => {
                    return matches!(
                        self.kind_at(sig + 1),
                        K::Newline | K::Eof | K::RBrace | K::Comma
                    ) && self.kind_at(sig + 2) != K::LBrace;
                }
                K::Newline | K::Eof => return true,
                _ => {}
            }
        }
        false
    }

    /// Whether `"name" =` or `"name":` stands here, as in JSON.
    fn is_quoted_name(&self) -> bool {
        self.kind_at(self.cur_at + 1) == K::Text
            && self.kind_at(self.cur_at + 2) == K::QuoteClose
            && matches!(self.kind_at(self.cur_at + 3), K::Eq | K::Colon)
    }

    /// An attribute with its name in quotes.
    fn quoted_name(&mut self) {
        let name = self.text_at(self.cur_at + 1);
        let (start, _) = self.cur_range();
        let (_, end) = self.range_at(self.cur_at + 2);
        let error = SyntaxError::new(
            "syntax/invalid-name",
            (start, end),
            "the name of an attribute stands without quotes",
        )
        .help(format!("write `{name} = …`"));
        self.error(error);
        self.start(K::Attribute);
        self.start(K::Error);
        for _ in 0..3 {
            self.bump();
        }
        self.finish();
        self.bump();
        self.value();
        self.finish();
    }

    /// `name = expression`, and what people write for it.
    fn attribute(&mut self) {
        let name = self.cur_text();
        self.start(K::Attribute);
        self.bump();
        match self.cur {
            K::Eq => {
                self.bump();
                self.value();
            }
            K::Colon => {
                let error = self
                    .error_here(
                        "syntax/colon-for-equals",
                        format!("attribute `{name}` is set with `=`, not with `:`"),
                    )
                    .help(format!("write `{name} = …`"));
                self.wrong_equals(error);
            }
            K::EqEq | K::BadOperator | K::FatArrow => {
                let error = self
                    .error_here(
                        "syntax/double-equals",
                        format!("attribute `{name}` is set with one `=`"),
                    )
                    .help(format!("write `{name} = …`"));
                self.wrong_equals(error);
            }
            K::Dot | K::LBracket if self.dotted_name() => {
                let error = self
                    .error_here(
                        "syntax/invalid-name",
                        format!("only a single name can be set, not a part of `{name}`"),
                    )
                    .help(format!("write `{name} = {{ … }}`"));
                self.error(error);
                self.start(K::Error);
                while self.cur != K::Eq {
                    self.bump();
                }
                self.finish();
                self.bump();
                self.value();
            }
            _ => self.no_equals(name),
        }
        self.finish();
    }

    fn wrong_equals(&mut self, error: SyntaxError) {
        self.error(error);
        self.error_bump();
        self.value();
    }

    /// Whether an `=` follows on this line within a few tokens, as in `a.b = 1`.
    fn dotted_name(&self) -> bool {
        (self.cur_at..self.cur_at + 16)
            .map(|sig| self.kind_at(sig))
            .take_while(|kind| {
                matches!(
                    kind,
                    K::Dot
                        | K::Ident
                        | K::Number
                        | K::LBracket
                        | K::RBracket
                        | K::QuoteOpen
                        | K::QuoteClose
                        | K::Text
                        | K::Eq
                )
            })
            .any(|kind| kind == K::Eq)
    }

    fn no_equals(&mut self, name: &str) {
        let nothing = matches!(self.cur, K::Newline | K::Eof | K::RBrace);
        let message = if nothing {
            format!("expected `=` or `{{` after `{name}`")
        } else {
            format!("expected `=` after `{name}`")
        };
        let help = if nothing {
            format!("write `{name} = value` for an attribute, `{name} {{ … }}` for a block")
        } else {
            format!("write `{name} = …`")
        };
        let error = self
            .error_after("syntax/expected-equals", message)
            .help(help);
        self.error(error);
        if !nothing && !self.expr() {
            self.skip_line();
        }
    }

    /// The value of an attribute.
    fn value(&mut self) {
        if !self.expr() {
            self.expected_expression();
            if !matches!(self.cur, K::Newline | K::Eof | K::RBrace) && !self.at_line_start() {
                self.skip_line();
            }
        }
    }

    /// `type label label { … }`; says that it is a block.
    fn block(&mut self) -> bool {
        if self.depth + 2 > MAX_DEPTH {
            let before = self.cur_at;
            self.give_up_deep();
            // Giving up stops where a block certainly begins; when that is here, nothing has been taken yet.
            if self.cur_at == before {
                self.error_bump();
            }
            return true;
        }
        let indent = self.item_indent;
        let kind_name = self.cur_text();
        let (start, _) = self.cur_range();
        self.start(K::Block);
        self.bump();
        while matches!(self.cur, K::Ident | K::QuoteOpen) {
            self.label();
        }
        let head = (start, self.last.1);
        if self.cur == K::LBrace {
            self.block_body(head, indent, true);
        } else if self.cur == K::Newline && self.kind_at(self.cur_at + 1) == K::LBrace {
            let error = self
                .error_after(
                    "syntax/brace-on-next-line",
                    format!("the `{{` of block `{kind_name}` stands on the same line"),
                )
                .help("move the `{` to the end of this line");
            self.error(error);
            self.bump();
            self.block_body(head, indent, true);
        } else {
            self.no_brace(kind_name, head, indent);
        }
        self.finish();
        self.item_indent = indent;
        true
    }

    /// A head of a block without its `{`; lines below it that are indented more are its body all the same.
    fn no_brace(&mut self, kind_name: &str, head: (u32, u32), indent: usize) {
        if self.cur == K::Eq {
            let error = self
                .error_here(
                    "syntax/invalid-name",
                    format!("only a single name can be set, but labels follow `{kind_name}`"),
                )
                .help("remove the `=` before the `{` of a block, or the labels of an attribute");
            self.error(error);
            self.error_bump();
            if self.cur == K::LBrace {
                self.block_body(head, indent, true);
            } else {
                self.value();
            }
            return;
        }
        let error = self
            .error_after(
                "syntax/expected-equals",
                format!("expected `{{` after the labels of block `{kind_name}`"),
            )
            .help(format!(
                "write `{kind_name} … {{` for a block, `{kind_name} = …` for an attribute"
            ));
        self.error(error);
        if self.cur == K::Newline {
            let below = self.cur_at + 1;
            let before = (self.at, self.cur_at, self.cur);
            self.cur_at = below;
            let deeper = self.indent() > indent && self.kind_at(below) == K::Ident;
            (self.at, self.cur_at, self.cur) = before;
            if deeper {
                self.block_body(head, indent, false);
            }
        } else {
            self.skip_line();
        }
    }

    /// `{ items }`.
    fn block_body(&mut self, head: (u32, u32), indent: usize, brace: bool) {
        let opening = self.cur_range();
        if brace {
            self.bump();
        }
        let open = std::mem::replace(
            &mut self.open,
            super::Open {
                braces: 1,
                ..Default::default()
            },
        );
        let one_line = !matches!(self.cur, K::Newline | K::RBrace | K::Eof);
        self.start(K::Body);
        self.items(Some(Frame { indent, one_line }));
        self.finish();
        self.open = open;
        let foreign = self.hints && self.at_line_start() && self.indent() < indent;
        if self.cur == K::RBrace && !foreign {
            self.bump();
        } else {
            let (start, _) = head;
            self.unclosed(
                "syntax/unclosed-block",
                "this block",
                "}",
                (start, if brace { opening.1 } else { head.1 }),
            );
        }
    }

    /// A name or a quoted string after the type of a block.
    fn label(&mut self) {
        self.start(K::Label);
        if self.cur == K::Ident {
            self.bump();
        } else {
            let first = self.cur_at;
            self.template();
            let sequence = (first..self.at)
                .find(|&sig| matches!(self.kind_at(sig), K::InterpOpen | K::DirectiveOpen));
            if let Some(sig) = sequence {
                let error = SyntaxError::new(
                    "syntax/label-template",
                    self.range_at(sig),
                    "the label of a block is fixed text",
                )
                .help("write the text out, or double the first character to have it as it is");
                self.error(error);
            }
        }
        self.finish();
    }
}
