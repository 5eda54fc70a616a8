//! Text with interpolations and directives.

use imgc_syntax::Span;

use super::each::Walk;
use super::{Child, Context, Evaluator, Truth};
use crate::convert::convert;
use crate::diagnostic::Diagnostic;
use crate::hir::{Expr, Name, Part};
use crate::types::Type;
use crate::value::Value;

/// Longest text of a template, in bytes: doubling a text forty times over is quickly written.
const LONGEST: usize = 256 << 20;

/// What a template has come to so far.
#[derive(Default)]
struct Text {
    text: String,
    sensitive: bool,
    /// Some of it is known only at run time.
    unknown: bool,
    /// Some of it failed.
    failed: bool,
}

impl Evaluator<'_> {
    /// A template of nothing but one interpolation is that value itself, whatever its type; all others are strings.
    pub(super) fn template(&self, parts: &[Part], cx: &mut Context<'_>) -> Value {
        if let [Part::Interpolation(expr)] = parts {
            return self.expr(expr, cx);
        }
        let mut text = Text::default();
        self.parts(parts, &mut text, cx);
        let sensitive = text.sensitive;
        let value = match text {
            Text { failed: true, .. } => return Value::error(),
            Text { unknown: true, .. } => Value::unknown(Type::String),
            Text { text, .. } => Value::string(text),
        };
        value.mark(sensitive)
    }

    fn parts(&self, parts: &[Part], text: &mut Text, cx: &mut Context<'_>) {
        for part in parts {
            match part {
                Part::Literal(literal) => text.text.push_str(literal),
                Part::Interpolation(expr) => {
                    let value = self.expr(expr, cx);
                    text.push(&value, expr.span, cx);
                }
                Part::If {
                    condition,
                    then,
                    otherwise,
                    ..
                } => self.if_directive(condition, [then, otherwise], text, cx),
                Part::For {
                    key,
                    value,
                    collection,
                    body,
                    ..
                } => self.for_directive((key.as_ref(), value), collection, body, text, cx),
            }
        }
    }

    fn if_directive(
        &self,
        condition: &Expr,
        [then, otherwise]: [&[Part]; 2],
        text: &mut Text,
        cx: &mut Context<'_>,
    ) {
        let value = self.expr(condition, cx);
        text.sensitive |= value.is_sensitive();
        match self.truth(&value, condition.span, cx) {
            Truth::True => self.parts(then, text, cx),
            Truth::False => self.parts(otherwise, text, cx),
            undecided => {
                // Both sides are looked at for their problems; neither is the text.
                self.parts(then, text, cx);
                self.parts(otherwise, text, cx);
                text.unknown = true;
                text.failed |= undecided == Truth::Failed;
            }
        }
    }

    fn for_directive(
        &self,
        names: (Option<&Name>, &Name),
        collection: &Expr,
        body: &[Part],
        text: &mut Text,
        cx: &mut Context<'_>,
    ) {
        let value = self.expr(collection, cx);
        text.sensitive |= value.is_sensitive();
        let walk = match Walk::new(&value, collection, cx) {
            Some(walk) => walk,
            None => {
                text.failed = true;
                return;
            }
        };
        text.unknown |= !walk.complete;
        for (key, element) in walk.items {
            let before = cx.diagnostics.len();
            let scope = Child::new(self.scope, super::each::bindings(names, key, element));
            let inner = Evaluator {
                scope: &scope,
                item: self.item,
            };
            inner.parts(body, text, cx);
            if cx.failed_since(before) {
                break;
            }
        }
    }
}

impl Text {
    fn push(&mut self, value: &Value, span: Span, cx: &mut Context<'_>) {
        if value.is_error() {
            self.failed = true;
            return;
        }
        self.sensitive |= value.is_sensitive();
        let diagnostic = if value.is_null() {
            Diagnostic::error("eval/null", span, "null cannot be put into text")
                .help("give a default, like `x == null ? \"\" : x`")
        } else {
            match convert(value, &Type::String) {
                Ok(value) => {
                    match value.as_str() {
                        Some(text) if self.text.len() + text.len() > LONGEST => {
                            self.failed = true;
                            cx.report(too_long(span));
                        }
                        Some(text) => self.text.push_str(text),
                        None => self.unknown = true,
                    }
                    return;
                }
                Err(_) => not_text(&value.ty(), span),
            }
        };
        self.failed = true;
        cx.report(diagnostic);
    }
}

fn too_long(span: Span) -> Diagnostic {
    let message = format!("the text gets longer than {} MiB", LONGEST >> 20);
    Diagnostic::error("eval/template", span, message)
        .help("put large contents into files and name them")
}

fn not_text(ty: &Type, span: Span) -> Diagnostic {
    let message = format!("{} cannot be put into text", ty.describe());
    let diagnostic = Diagnostic::error("eval/template", span, message);
    diagnostic.help(if ty.is_sequence() {
        "join its elements with `join(\", \", …)`, or write `jsonencode(…)`"
    } else {
        "pick one of its attributes, or write `jsonencode(…)`"
    })
}
