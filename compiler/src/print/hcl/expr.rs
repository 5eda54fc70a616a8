//! Expressions: parentheses only where precedence asks for them, lists and objects over several lines where they were
//! so in the text or are too long.

use super::text::{Around, parts};
use crate::hir::{BinaryOp, Call, Expr, ExprKind, For, UnaryOp};
use crate::print::Comments;
use crate::print::comments::BLANK;
use crate::value::{Data, Value, quote};

/// A list or object longer than this goes over several lines.
const MAX_WIDTH: usize = 100;

/// How tightly an expression must bind to stand where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Any expression.
    Any,
    /// An operand of an operator of that precedence, from 1.
    Operator(u8),
    /// The operand of `-` or `!`.
    Unary,
    /// Before `.name` and `[key]`.
    Postfix,
}

/// An expression on one line.
pub(in crate::print) fn flat(expr: &Expr) -> String {
    flat_at(expr, Level::Any)
}

/// The same where it must bind.
pub(super) fn flat_at(expr: &Expr, level: Level) -> String {
    let mut comments = Comments::none();
    let mut layout = Layout::new(&mut comments, 0, 0);
    layout.is_flat = true;
    layout.expr(expr, level)
}

/// A known value.
pub(super) fn bare_value(value: &Value) -> String {
    match value.data() {
        Data::String(text) => quoted(text),
        Data::Number(number) => number.to_string(),
        Data::Bool(flag) => flag.to_string(),
        // What is unknown was an error that has been told.
        Data::Null(_) | Data::Unknown(_) => "null".to_owned(),
        Data::List(_, elements) | Data::Set(_, elements) | Data::Tuple(elements) => {
            let elements: Vec<_> = elements.iter().map(bare_value).collect();
            format!("[{}]", elements.join(", "))
        }
        Data::Map(_, entries) | Data::Object(entries) if entries.is_empty() => "{}".to_owned(),
        Data::Map(_, entries) | Data::Object(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| format!("{} = {}", key_text(key), bare_value(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

fn quoted(text: &str) -> String {
    let literal = [crate::hir::Part::Literal(text.into())];
    template(&literal)
}

fn template(given: &[crate::hir::Part]) -> String {
    let text = parts(given, Around::Quotes).expect("quotes have an escape for everything");
    format!("\"{text}\"")
}

/// A key of an object as a bare word, if it can be one.
pub(in crate::print) fn bare_key(key: &str) -> bool {
    let mut characters = key.chars();
    let starts = characters
        .next()
        .is_some_and(|first| first == '_' || first.is_ascii_alphabetic());
    // Words that mean something else at the beginning of an object or an expression.
    starts
        && characters.all(|c| matches!(c, '_' | '-') || c.is_ascii_alphanumeric())
        && !matches!(key, "for" | "true" | "false" | "null")
}

fn key_text(key: &str) -> String {
    match bare_key(key) {
        true => key.to_owned(),
        false => quote(key),
    }
}

/// Prints an expression at a place of a file.
pub(super) struct Layout<'a> {
    comments: &'a mut Comments,
    indent: usize,
    /// What stands before it on its line, the indentation not counted.
    column: usize,
    is_flat: bool,
    /// What the item of a splat is called, innermost last.
    items: Vec<String>,
}

impl<'a> Layout<'a> {
    pub(super) fn new(comments: &'a mut Comments, indent: usize, column: usize) -> Self {
        Self {
            comments,
            indent,
            column,
            is_flat: false,
            items: Vec::new(),
        }
    }

    pub(super) fn print(mut self, expr: &Expr) -> String {
        self.expr(expr, Level::Any)
    }

    fn expr(&mut self, expr: &Expr, level: Level) -> String {
        let text = self.kind(expr);
        if strength(expr) < level {
            format!("({text})")
        } else {
            text
        }
    }

    fn kind(&mut self, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Error => "null".to_owned(),
            ExprKind::Literal(value) => bare_value(value),
            ExprKind::Variable(name) => name.to_string(),
            ExprKind::Template(parts) => template(parts),
            ExprKind::Unary(op, operand) => {
                let sign = match op {
                    UnaryOp::Negate => '-',
                    UnaryOp::Not => '!',
                };
                format!("{sign}{}", self.expr(operand, Level::Unary))
            }
            ExprKind::Binary(left, op, right) => {
                let (precedence, sign) = operator(*op);
                let left = self.expr(left, Level::Operator(precedence));
                let right = self.expr(right, Level::Operator(precedence + 1));
                format!("{left} {sign} {right}")
            }
            ExprKind::Conditional(parts) => {
                let [condition, yes, no] = parts.as_ref();
                let condition = self.expr(condition, Level::Operator(1));
                let yes = self.expr(yes, Level::Operator(1));
                let no = self.expr(no, Level::Any);
                format!("{condition} ? {yes} : {no}")
            }
            ExprKind::For(expr) => self.for_expr(expr),
            ExprKind::Splat { operand, each } => {
                let operand = self.operand(operand);
                self.splat(format!("{operand}[*]"), each)
            }
            ExprKind::SplatItem => self.items.last().cloned().unwrap_or_default(),
            ExprKind::Index(operand, key) => {
                let operand = match &operand.kind {
                    // `a.*.b[0]` is an element of the result, `a[*].b[0]` of each `b`.
                    ExprKind::Splat { operand, each } if only_names(each) => {
                        let operand = self.operand(operand);
                        self.splat(format!("{operand}.*"), each)
                    }
                    _ => self.operand(operand),
                };
                format!("{operand}[{}]", self.expr(key, Level::Any))
            }
            ExprKind::Attribute(operand, name) => {
                format!("{}.{}", self.operand(operand), name.text)
            }
            ExprKind::Call(call) => self.call(call),
            ExprKind::Tuple(elements) => self.tuple(expr, elements),
            ExprKind::Object(entries) => self.object(expr, entries),
            ExprKind::Paren(inner) => format!("({})", self.expr(inner, Level::Any)),
        }
    }

    /// What `.name` or `[key]` is put behind; a splat would take it in.
    fn operand(&mut self, expr: &Expr) -> String {
        let text = self.expr(expr, Level::Postfix);
        match expr.kind {
            ExprKind::Splat { .. } => format!("({text})"),
            _ => text,
        }
    }

    fn splat(&mut self, item: String, each: &Expr) -> String {
        self.items.push(item);
        let text = self.kind(each);
        self.items.pop();
        text
    }

    fn call(&mut self, call: &Call) -> String {
        let arguments: Vec<_> = call
            .arguments
            .iter()
            .map(|argument| self.expr(argument, Level::Any))
            .collect();
        let expand = if call.expand_last { "..." } else { "" };
        format!("{}({}{expand})", call.name.text, arguments.join(", "))
    }

    fn for_expr(&mut self, expr: &For) -> String {
        let names = match &expr.key {
            Some(key) => format!("{}, {}", key.text, expr.value.text),
            None => expr.value.text.to_string(),
        };
        let collection = self.expr(&expr.collection, Level::Operator(1));
        let result = self.expr(&expr.result, Level::Any);
        let condition = match &expr.condition {
            Some(condition) => format!(" if {}", self.expr(condition, Level::Any)),
            None => String::new(),
        };
        match &expr.result_key {
            Some(key) => {
                let key = self.expr(key, Level::Any);
                let group = if expr.group { "..." } else { "" };
                format!("{{ for {names} in {collection} : {key} => {result}{group}{condition} }}")
            }
            None => format!("[for {names} in {collection} : {result}{condition}]"),
        }
    }

    fn tuple(&mut self, whole: &Expr, elements: &[Expr]) -> String {
        let has_comments = !self.is_flat && self.comments.any_inside(whole.span);
        if elements.is_empty() && !has_comments {
            return "[]".to_owned();
        }
        if let ([element], false) = (elements, has_comments || self.is_flat) {
            // A list of one object hugs it.
            return format!("[{}]", self.expr(element, Level::Any));
        }
        if self.is_flat || !(has_comments || self.comments.is_multiline(whole.span)) {
            let line = self.on_one_line(|layout| {
                let texts = elements.iter().map(|e| layout.expr(e, Level::Any));
                format!("[{}]", texts.collect::<Vec<_>>().join(", "))
            });
            if let Some(line) = line {
                return line;
            }
        }
        let mut out = String::from("[");
        self.opening(whole, &mut out);
        self.indent += 1;
        self.column = 0;
        for element in elements {
            self.remarks_before(element.span, &mut out);
            self.new_line(&mut out);
            out.push_str(&self.expr(element, Level::Any));
            out.push(',');
            self.remarks_behind(element.span, &mut out);
        }
        self.closing(whole, &mut out);
        out.push(']');
        out
    }

    fn object(&mut self, whole: &Expr, entries: &[(Expr, Expr)]) -> String {
        let has_comments = !self.is_flat && self.comments.any_inside(whole.span);
        if entries.is_empty() && !has_comments {
            return "{}".to_owned();
        }
        if self.is_flat || !(has_comments || self.comments.is_multiline(whole.span)) {
            let line = self.on_one_line(|layout| {
                let texts = entries.iter().map(|(key, value)| layout.entry(key, value));
                format!("{{ {} }}", texts.collect::<Vec<_>>().join(", "))
            });
            if let Some(line) = line {
                return line;
            }
        }
        let mut out = String::from("{");
        self.opening(whole, &mut out);
        self.indent += 1;
        self.column = 0;
        for (key, value) in entries {
            let span = key.span.cover(value.span);
            self.remarks_before(span, &mut out);
            self.new_line(&mut out);
            out.push_str(&self.entry(key, value));
            self.remarks_behind(span, &mut out);
        }
        self.closing(whole, &mut out);
        out.push('}');
        out
    }

    fn entry(&mut self, key: &Expr, value: &Expr) -> String {
        let key = match &key.kind {
            ExprKind::Literal(literal) => match literal.data() {
                Data::String(text) => key_text(text),
                Data::Number(_) => bare_value(literal),
                _ => format!("({})", bare_value(literal)),
            },
            ExprKind::Template(_) | ExprKind::Paren(_) => self.expr(key, Level::Any),
            _ => format!("({})", self.expr(key, Level::Any)),
        };
        format!("{key} = {}", self.expr(value, Level::Any))
    }

    /// What is printed on one line, where it fits or must.
    fn on_one_line(&mut self, print: impl FnOnce(&mut Self) -> String) -> Option<String> {
        let is_flat = std::mem::replace(&mut self.is_flat, true);
        let line = print(self);
        self.is_flat = is_flat;
        let width = self.indent * 2 + self.column + line.chars().count();
        (is_flat || width <= MAX_WIDTH).then_some(line)
    }

    fn new_line(&self, out: &mut String) {
        out.push('\n');
        out.push_str(&super::blanks(self.indent));
    }

    fn opening(&mut self, whole: &Expr, out: &mut String) {
        let lines = self.comments.opening(whole.span);
        self.end_remark(&lines, out);
    }

    fn closing(&mut self, whole: &Expr, out: &mut String) {
        let lines = self.comments.closing(whole.span);
        self.remarks(&lines, out);
        self.indent -= 1;
        self.new_line(out);
    }

    fn remarks_before(&mut self, span: imgc_syntax::Span, out: &mut String) {
        if !out.ends_with(['[', '{']) && self.comments.is_apart(span) {
            out.push('\n');
        }
        let lines = self.comments.before(span);
        self.remarks(&lines, out);
    }

    fn remarks(&self, lines: &[String], out: &mut String) {
        for line in lines {
            if line == BLANK {
                out.push('\n');
            } else {
                self.new_line(out);
                out.push_str(&super::remark(line));
            }
        }
    }

    fn remarks_behind(&mut self, span: imgc_syntax::Span, out: &mut String) {
        let lines = self.comments.behind(span);
        self.end_remark(&lines, out);
    }

    fn end_remark(&self, lines: &[String], out: &mut String) {
        if !lines.is_empty() {
            out.push(' ');
            out.push_str(&super::remark(&crate::print::one_line(lines)));
        }
    }
}

/// Whether the steps of a splat are names only, as `.*` allows.
fn only_names(each: &Expr) -> bool {
    match &each.kind {
        ExprKind::SplatItem => true,
        ExprKind::Attribute(operand, _) => only_names(operand),
        _ => false,
    }
}

/// How tightly an expression binds.
fn strength(expr: &Expr) -> Level {
    match &expr.kind {
        ExprKind::Conditional(_) => Level::Any,
        ExprKind::Binary(_, op, _) => Level::Operator(operator(*op).0),
        ExprKind::Unary(..) | ExprKind::Template(_) | ExprKind::Error => Level::Unary,
        ExprKind::Literal(value) if value.as_slice().is_none() && value.as_map().is_none() => {
            Level::Unary
        }
        _ => Level::Postfix,
    }
}

fn operator(op: BinaryOp) -> (u8, &'static str) {
    match op {
        BinaryOp::Or => (1, "||"),
        BinaryOp::And => (2, "&&"),
        BinaryOp::Equal => (3, "=="),
        BinaryOp::NotEqual => (3, "!="),
        BinaryOp::Greater => (4, ">"),
        BinaryOp::GreaterEqual => (4, ">="),
        BinaryOp::Less => (4, "<"),
        BinaryOp::LessEqual => (4, "<="),
        BinaryOp::Add => (5, "+"),
        BinaryOp::Subtract => (5, "-"),
        BinaryOp::Multiply => (6, "*"),
        BinaryOp::Divide => (6, "/"),
        BinaryOp::Remainder => (6, "%"),
    }
}
