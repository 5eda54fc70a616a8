//! HCL trees to HIR.
//!
//! An expression that did not parse becomes [`ExprKind::Error`], which evaluates to a value that everything accepts: the
//! parser has complained already.

mod again;
mod shift;

use imgc_syntax::hcl::ast::{self, AstNode};
use imgc_syntax::hcl::{Parse, SyntaxError, parse, parse_expression, parse_template};
use imgc_syntax::{FileId, Span};
use smol_str::SmolStr;

use crate::diagnostic::Diagnostic;
use crate::diagnostic::registry::Entry;
use crate::hir::{
    Attribute, BinaryOp, Block, Body, Call, Expr, ExprKind, For, Name, Part, UnaryOp,
};
use crate::lower::tree::{Text, TextMap};
use crate::value::{Number, Value};

pub(crate) use again::edited;

/// Problems of texts that parse and still make no sense.
pub const IDS: &[Entry] = &[
    Entry::error(
        "lower/ambiguous-key",
        "a key of an object that may be a text or a reference",
    ),
    Entry::error(
        "lower/number-too-large",
        "a number beyond any practical size",
    ),
    Entry::error(
        "lower/too-deep",
        "an expression with more steps than the compiler follows",
    ),
];

/// More `.name` and `[index]` steps than this in one expression are an error.
const MAX_STEPS: usize = 500;

/// Lowers the text of a file.
pub fn file(file: FileId, text: &str, out: &mut Vec<Diagnostic>) -> Body {
    of_parse(file, text, &parse(text), out)
}

fn of_parse(file: FileId, text: &str, parse: &Parse, out: &mut Vec<Diagnostic>) -> Body {
    let mut lower = Lower {
        origin: Origin::File(file, 0),
        mistakes: Vec::new(),
        out,
    };
    lower.errors(parse);
    let mut body = parse
        .file()
        .body()
        .map(|body| lower.body(&body))
        .unwrap_or_default();
    body.span = Some(Span::new(file, 0, text.len() as u32));
    body
}

/// Lowers a text that is one expression and stands at `offset` of `file`.
pub fn expression(file: FileId, offset: u32, text: &str, out: &mut Vec<Diagnostic>) -> Expr {
    let mut lower = Lower {
        origin: Origin::File(file, offset),
        mistakes: Vec::new(),
        out,
    };
    lower.whole_expression(text)
}

/// Lowers a text of another language that is one expression.
pub(super) fn expression_in(text: &Text, out: &mut Vec<Diagnostic>) -> Expr {
    let mut lower = Lower {
        origin: Origin::Text(&text.map),
        mistakes: Vec::new(),
        out,
    };
    lower.whole_expression(&text.text)
}

/// Lowers a text of another language that is a template; `span` is where it stands, quotes included.
pub(super) fn template_in(text: &Text, span: Span, out: &mut Vec<Diagnostic>) -> Expr {
    let literal = |text: SmolStr| ExprKind::Literal(Value::string(text));
    if !text.text.contains("${") && !text.text.contains("%{") {
        let kind = literal(text.text.clone());
        return Expr { kind, span };
    }
    let parse = parse_template(&text.text);
    let mut lower = Lower {
        origin: Origin::Text(&text.map),
        mistakes: Vec::new(),
        out,
    };
    lower.errors(&parse);
    let kind = match parse.template() {
        Some(template) if parse.errors().is_empty() => {
            lower.template(template.as_literal(), || template.parts())
        }
        _ => ExprKind::Error,
    };
    Expr { kind, span }
}

/// Where a text came from.
enum Origin<'a> {
    /// It stands at this offset of a file, byte for byte.
    File(FileId, u32),
    /// It is a text of another language, perhaps with escapes.
    Text(&'a TextMap),
}

/// A problem of the syntax as everybody shows it.
pub(super) fn diagnostic(error: &SyntaxError, span: impl Fn((u32, u32)) -> Span) -> Diagnostic {
    let place = span((error.start, error.end));
    let mut diagnostic = Diagnostic::error(error.id, place, error.message.clone());
    diagnostic.label.clone_from(&error.label);
    diagnostic.help.clone_from(&error.help);
    if let Some((start, end, text)) = &error.related {
        diagnostic = diagnostic.label(span((*start, *end)), text.clone());
    }
    diagnostic
}

struct Lower<'a> {
    origin: Origin<'a>,
    /// The offsets of what the parser did not understand, sorted.
    mistakes: Vec<u32>,
    out: &'a mut Vec<Diagnostic>,
}

impl Lower<'_> {
    fn span(&self, (start, end): (u32, u32)) -> Span {
        match &self.origin {
            Origin::File(file, offset) => Span::new(*file, offset + start, offset + end),
            Origin::Text(map) => map.span(start, end),
        }
    }

    fn whole_expression(&mut self, text: &str) -> Expr {
        let parse = parse_expression(text);
        self.errors(&parse);
        match parse.expression() {
            Some(expr) => self.expr(&expr),
            None => Expr {
                kind: ExprKind::Error,
                span: self.span((0, text.len() as u32)),
            },
        }
    }

    fn errors(&mut self, parse: &Parse) {
        for error in parse.errors() {
            let diagnostic = self.error(error);
            let start = diagnostic.span.start;
            // What goes on behind a value on its line, after a blank, was meant to be part of it.
            let behind = error.id == "syntax/unexpected-token";
            self.mistakes.push(start.saturating_sub(behind.into()));
            self.out.push(diagnostic);
        }
        self.mistakes.sort_unstable();
    }

    fn error(&self, error: &SyntaxError) -> Diagnostic {
        diagnostic(error, |range| self.span(range))
    }

    fn has_mistake(&self, span: Span) -> bool {
        let before = self.mistakes.partition_point(|at| *at < span.start);
        self.mistakes.get(before).is_some_and(|at| *at <= span.end)
    }

    fn name(&self, name: &ast::Name) -> Name {
        Name {
            text: name.text().into(),
            span: self.span(name.range()),
        }
    }

    fn body(&mut self, body: &ast::Body) -> Body {
        let mut lowered = Body {
            span: Some(self.span(body.range())),
            ..Body::default()
        };
        for item in body.items() {
            match item {
                ast::Item::Attribute(attribute) => {
                    lowered.attributes.extend(self.attribute(&attribute))
                }
                ast::Item::Block(block) => lowered.blocks.extend(self.block(&block)),
            }
        }
        lowered
    }

    fn attribute(&mut self, attribute: &ast::Attribute) -> Option<Attribute> {
        let name = self.name(&attribute.name()?);
        // What is left of an expression with a mistake is not what was meant.
        let expr = attribute
            .expr()
            .filter(|expr| !self.has_mistake(self.span(expr.range())));
        let value = self.optional(expr, name.span.at_end());
        Some(Attribute {
            span: name.span.cover(value.span),
            name,
            value,
        })
    }

    fn block(&mut self, block: &ast::Block) -> Option<Block> {
        let kind = self.name(&block.block_type()?);
        let header = block
            .header_range()
            .map_or(kind.span, |range| self.span(range));
        let labels = block.labels().map(|label| self.label(&label)).collect();
        let body = block
            .body()
            .map(|body| self.body(&body))
            .unwrap_or_default();
        Some(Block {
            kind,
            labels,
            body,
            header,
            span: self.span(block.range()),
        })
    }

    fn label(&mut self, label: &ast::Label) -> Name {
        let span = self.span(label.text_range());
        // One with an interpolation was complained about by the parser.
        let text = label.text().unwrap_or_else(|| label.source());
        Name {
            text: text.into(),
            span,
        }
    }

    /// An expression that may be missing; what is not there was complained about.
    fn optional(&mut self, expr: Option<ast::Expr>, place: Span) -> Expr {
        match expr {
            Some(expr) => self.expr(&expr),
            None => Expr {
                kind: ExprKind::Error,
                span: place,
            },
        }
    }

    fn boxed(&mut self, expr: Option<ast::Expr>, place: Span) -> Box<Expr> {
        Box::new(self.optional(expr, place))
    }

    fn expr(&mut self, expr: &ast::Expr) -> Expr {
        let span = self.span(expr.range());
        let kind = match expr {
            ast::Expr::Literal(literal) => self.literal(literal, span),
            ast::Expr::Variable(variable) => variable.name().map_or(ExprKind::Error, |name| {
                ExprKind::Variable(name.text().into())
            }),
            ast::Expr::Template(template) => {
                self.template(template.as_literal(), || template.parts())
            }
            ast::Expr::Heredoc(heredoc) => self.template(heredoc.as_literal(), || heredoc.parts()),
            ast::Expr::Unary(unary) => match unary.op() {
                Some(op) => {
                    ExprKind::Unary(unary_op(op), self.boxed(unary.operand(), span.at_end()))
                }
                None => ExprKind::Error,
            },
            ast::Expr::Binary(binary) => match binary.op() {
                Some(op) => ExprKind::Binary(
                    self.boxed(binary.left(), span),
                    binary_op(op),
                    self.boxed(binary.right(), span.at_end()),
                ),
                None => ExprKind::Error,
            },
            ast::Expr::Conditional(conditional) => ExprKind::Conditional(Box::new([
                self.optional(conditional.condition(), span),
                self.optional(conditional.if_true(), span.at_end()),
                self.optional(conditional.if_false(), span.at_end()),
            ])),
            ast::Expr::For(expr) => self.for_expr(expr, span),
            ast::Expr::Traversal(traversal) => return self.traversal(traversal, span),
            ast::Expr::Call(call) => self.call(call),
            ast::Expr::Tuple(tuple) => ExprKind::Tuple(
                tuple
                    .elements()
                    .map(|element| self.expr(&element))
                    .collect(),
            ),
            ast::Expr::Object(object) => ExprKind::Object(
                object
                    .items()
                    .filter_map(|item| self.object_item(&item))
                    .collect(),
            ),
            ast::Expr::Paren(paren) => ExprKind::Paren(self.boxed(paren.expr(), span)),
        };
        Expr { kind, span }
    }

    fn literal(&mut self, literal: &ast::Literal, span: Span) -> ExprKind {
        match literal.kind() {
            Some(ast::LiteralKind::Bool(value)) => ExprKind::Literal(Value::bool(value)),
            Some(ast::LiteralKind::Null) => ExprKind::Literal(Value::null(crate::types::Type::Any)),
            Some(ast::LiteralKind::Number(text)) => match Number::parse(&text) {
                Ok(number) => ExprKind::Literal(Value::number(number)),
                // A malformed number was complained about by the parser.
                Err(error) => {
                    if !self.out.iter().any(|known| known.span == span) {
                        self.out.push(Diagnostic::error(
                            "lower/number-too-large",
                            span,
                            error.to_string(),
                        ));
                    }
                    ExprKind::Error
                }
            },
            None => ExprKind::Error,
        }
    }

    fn template(
        &mut self,
        literal: Option<String>,
        parts: impl FnOnce() -> Vec<ast::TemplatePart>,
    ) -> ExprKind {
        match literal {
            Some(text) => ExprKind::Literal(Value::string(text)),
            None => ExprKind::Template(self.parts(&parts())),
        }
    }

    fn parts(&mut self, parts: &[ast::TemplatePart]) -> Vec<Part> {
        parts.iter().filter_map(|part| self.part(part)).collect()
    }

    fn part(&mut self, part: &ast::TemplatePart) -> Option<Part> {
        Some(match part {
            ast::TemplatePart::Literal(literal) => Part::Literal(literal.text.as_str().into()),
            ast::TemplatePart::Interpolation(interpolation) => {
                let place = self.span(interpolation.range());
                Part::Interpolation(self.optional(interpolation.expr(), place))
            }
            ast::TemplatePart::If(directive) => {
                let span = self.span(directive.range());
                Part::If {
                    condition: self.optional(directive.condition(), span),
                    then: self.parts(&directive.then_parts),
                    otherwise: directive
                        .else_parts
                        .as_deref()
                        .map(|parts| self.parts(parts))
                        .unwrap_or_default(),
                    span,
                }
            }
            ast::TemplatePart::For(directive) => {
                let span = self.span(directive.range());
                Part::For {
                    key: directive.key_var().map(|name| self.name(&name)),
                    value: self.name(&directive.value_var()?),
                    collection: self.optional(directive.collection(), span),
                    body: self.parts(&directive.parts),
                    span,
                }
            }
        })
    }

    fn for_expr(&mut self, expr: &ast::ForExpr, span: Span) -> ExprKind {
        let Some(value) = expr.value_var() else {
            return ExprKind::Error;
        };
        let result_key = if expr.is_object() {
            Some(self.optional(expr.key(), span.at_end()))
        } else {
            None
        };
        ExprKind::For(Box::new(For {
            key: expr.key_var().map(|name| self.name(&name)),
            value: self.name(&value),
            collection: self.optional(expr.collection(), span),
            result_key,
            result: self.optional(expr.value(), span.at_end()),
            group: expr.is_grouped(),
            condition: expr.condition().map(|condition| self.expr(&condition)),
        }))
    }

    fn call(&mut self, call: &ast::Call) -> ExprKind {
        let (Some(name), Some(range)) = (call.name(), call.name_range()) else {
            return ExprKind::Error;
        };
        ExprKind::Call(Box::new(Call {
            name: Name {
                text: name.into(),
                span: self.span(range),
            },
            arguments: call.args().map(|argument| self.expr(&argument)).collect(),
            expand_last: call.is_expanded(),
        }))
    }

    fn object_item(&mut self, item: &ast::ObjectItem) -> Option<(Expr, Expr)> {
        let key = match item.key()? {
            ast::ObjectKey::Name(name) => {
                let name = self.name(&name);
                Expr {
                    kind: ExprKind::Literal(Value::string(name.text)),
                    span: name.span,
                }
            }
            ast::ObjectKey::Expr(expr) => {
                let key = self.expr(&expr);
                if matches!(expr, ast::Expr::Traversal(_)) {
                    let text = expr.source();
                    self.out.push(
                        Diagnostic::error(
                            "lower/ambiguous-key",
                            key.span,
                            format!("`{text}` as a key may mean a text or a reference"),
                        )
                        .help(format!(
                            "write `({text})` for the value it refers to, `\"{text}\"` for the text"
                        )),
                    );
                    return None;
                }
                key
            }
        };
        let value = self.optional(item.value(), key.span.at_end());
        Some((key, value))
    }

    fn traversal(&mut self, traversal: &ast::Traversal, span: Span) -> Expr {
        let base = self.optional(traversal.base(), span);
        let steps = traversal.steps();
        if steps.len() > MAX_STEPS {
            self.out.push(
                Diagnostic::error(
                    "lower/too-deep",
                    span,
                    format!("this expression has more than {MAX_STEPS} steps"),
                )
                .help("name an intermediate value with `locals`"),
            );
            return Expr {
                kind: ExprKind::Error,
                span,
            };
        }
        self.steps(base, &steps)
    }

    fn steps(&mut self, base: Expr, steps: &[ast::Step]) -> Expr {
        let start = base.span;
        let mut expr = base;
        for step in steps {
            let place = self.span(step.range());
            let mut span = start.cover(place);
            let operand = Box::new(expr);
            let kind = match step {
                ast::Step::GetAttr(step) => match step.name() {
                    Some(name) => ExprKind::Attribute(operand, self.name(&name)),
                    None => ExprKind::Error,
                },
                ast::Step::LegacyIndex(step) => {
                    let number = step
                        .number()
                        .and_then(|token| Number::parse(token.text()).ok());
                    match number {
                        Some(number) => {
                            let key = Expr {
                                kind: ExprKind::Literal(Value::number(number)),
                                span: place,
                            };
                            ExprKind::Index(operand, Box::new(key))
                        }
                        None => ExprKind::Error,
                    }
                }
                ast::Step::Index(step) => ExprKind::Index(operand, self.boxed(step.key(), place)),
                ast::Step::AttrSplat(splat) | ast::Step::FullSplat(splat) => {
                    let item = Expr {
                        kind: ExprKind::SplatItem,
                        span: place,
                    };
                    let each = Box::new(self.steps(item, splat.each()));
                    span = span.cover(each.span);
                    ExprKind::Splat { operand, each }
                }
            };
            expr = Expr { kind, span };
        }
        expr
    }
}

fn unary_op(op: ast::UnaryOp) -> UnaryOp {
    match op {
        ast::UnaryOp::Neg => UnaryOp::Negate,
        ast::UnaryOp::Not => UnaryOp::Not,
    }
}

fn binary_op(op: ast::BinaryOp) -> BinaryOp {
    match op {
        ast::BinaryOp::Or => BinaryOp::Or,
        ast::BinaryOp::And => BinaryOp::And,
        ast::BinaryOp::Eq => BinaryOp::Equal,
        ast::BinaryOp::NotEq => BinaryOp::NotEqual,
        ast::BinaryOp::Gt => BinaryOp::Greater,
        ast::BinaryOp::GtEq => BinaryOp::GreaterEqual,
        ast::BinaryOp::Lt => BinaryOp::Less,
        ast::BinaryOp::LtEq => BinaryOp::LessEqual,
        ast::BinaryOp::Add => BinaryOp::Add,
        ast::BinaryOp::Sub => BinaryOp::Subtract,
        ast::BinaryOp::Mul => BinaryOp::Multiply,
        ast::BinaryOp::Div => BinaryOp::Divide,
        ast::BinaryOp::Mod => BinaryOp::Remainder,
    }
}
