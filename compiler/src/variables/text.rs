//! Values given as raw text, by flags and the environment.

use std::path::Path;

use imgc_syntax::Span;

use super::{GIVEN, fit};
use crate::diagnostic::Diagnostic;
use crate::eval::{self, Context};
use crate::module::Variable;
use crate::source::SourceMap;
use crate::types::Type;
use crate::value::Value;

/// A value given as raw text.
pub(super) struct Text<'a> {
    pub(super) text: &'a str,
    /// Where it came from, shown as the name of a file.
    pub(super) origin: &'a str,
    pub(super) sensitive: bool,
}

impl Text<'_> {
    /// The text as it stands for a string, otherwise as an expression that is converted to `target`.
    pub(super) fn value(
        &self,
        ty: &Type,
        target: &Type,
        variable: &Variable,
        sources: &mut SourceMap,
        cx: &mut Context<'_>,
    ) -> (Value, Span) {
        let text = self.text;
        let shown = if self.sensitive {
            "*".repeat(text.len())
        } else {
            text.to_owned()
        };
        let name = &variable.name.text;
        let file = sources.add(Path::new(self.origin), format!("{name}={shown}"));
        let start = name.len() as u32 + 1;
        let span = Span::new(file, start, start + text.len() as u32);
        let raw = Value::string(text).mark(self.sensitive);
        let value = match ty {
            Type::String | Type::Any | Type::Error => raw,
            Type::Number | Type::Bool => fit(&raw, ty, span, variable, cx),
            _ => {
                let problems = cx.diagnostics.len();
                let expr = crate::lower::hcl::expression(file, start, text, &mut cx.diagnostics);
                let value = if cx.diagnostics.len() > problems {
                    Value::error()
                } else {
                    eval::evaluate(&expr, &GIVEN, cx).mark(self.sensitive)
                };
                if cx.diagnostics.len() > problems {
                    let first = cx.diagnostics.drain(problems..).next();
                    // What is said about the text of a secret would tell parts of it.
                    let first = first.filter(|_| !self.sensitive);
                    cx.report(unreadable(variable, ty, span, first));
                }
                fit(&value, target, span, variable, cx)
            }
        };
        (value, span)
    }
}

/// The problem with a text that is no value of the variable's type: the first of those found in it.
fn unreadable(
    variable: &Variable,
    ty: &Type,
    span: Span,
    reason: Option<Diagnostic>,
) -> Diagnostic {
    let name = &variable.name.text;
    let message = format!("this value for the variable `{name}` cannot be read");
    let diagnostic = match reason {
        Some(reason) => Diagnostic::error(
            "check/invalid-variable",
            reason.span,
            format!("{message}: {}", reason.message),
        ),
        None => Diagnostic::error("check/invalid-variable", span, message),
    };
    diagnostic.help(match ty {
        Type::Map(_) | Type::Object(_) => {
            "write it as in a template, such as `{ name = \"value\" }`"
        }
        _ => "write it as in a template, such as `[\"a\", \"b\"]`",
    })
}
