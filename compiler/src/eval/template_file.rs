//! `templatefile`: the text of a file as a template.

use imgc_syntax::{FileId, Span};
use smol_str::SmolStr;

use super::call::failure;
use super::{Child, Context, Empty, Evaluator};
use crate::convert::convert;
use crate::diagnostic::Diagnostic;
use crate::functions::{self, CallCx, Function, FunctionError};
use crate::hir::{Call, Expr, ExprKind, Part};
use crate::types::Type;
use crate::value::{Data, Value};

impl Evaluator<'_> {
    pub(super) fn template_file(
        &self,
        [path_expr, vars_expr]: [&Expr; 2],
        function: &Function,
        call: &Call,
        span: Span,
        cx: &mut Context<'_>,
    ) -> Value {
        let path = self.expr(path_expr, cx);
        let vars = self.expr(vars_expr, cx);
        if path.is_error() || vars.is_error() {
            return Value::error();
        }
        let sensitive = path.is_sensitive() || vars.is_sensitive();
        let fail = |error: FunctionError, cx: &mut Context<'_>| {
            let diagnostic = failure(function, call, span, error);
            cx.fail(diagnostic)
        };
        if cx.in_template_file {
            let message = "a template file cannot use `templatefile` itself";
            return fail(FunctionError::new(message), cx);
        }
        for (at, value) in [&path, &vars].into_iter().enumerate() {
            if value.is_null() {
                let message = format!("`{}` of `templatefile` is null", function.params[at].name);
                return fail(FunctionError::at(at, message), cx);
            }
        }
        let path = match convert(&path, &Type::String) {
            Ok(path) => path,
            Err(error) => return fail(FunctionError::at(0, error.message), cx),
        };
        if !vars.ty().is_mapping() && vars.ty() != Type::Any {
            let message = format!("expected a map or object, found {}", vars.ty().describe());
            return fail(FunctionError::at(1, message), cx);
        }
        let (Data::String(name), Some(entries)) = (path.data(), vars.as_map()) else {
            return Value::unknown(Type::Any).mark(sensitive);
        };
        let call_cx = CallCx {
            world: cx.world,
            root: cx.root,
            sensitive: path.is_sensitive(),
        };
        let shown = call_cx.quote(name);
        let text = match functions::read_text(&[path.strip_marks()], &call_cx) {
            Ok(text) => text,
            Err(error) => return fail(error, cx),
        };
        let bindings = entries
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()));
        let value = evaluate_text(&text, bindings.collect(), (&shown, path_expr.span), cx);
        value.mark(sensitive)
    }
}

/// Evaluates the text of a file in which only `bindings` are known. Problems are shown where the file is named, since
/// the file is none of the template's own.
fn evaluate_text(
    text: &str,
    bindings: Vec<(SmolStr, Value)>,
    (name, place): (&str, Span),
    cx: &mut Context<'_>,
) -> Value {
    let before = cx.diagnostics.len();
    let (template, start) = lower(text, &mut cx.diagnostics);
    cx.in_template_file = true;
    let scope = Child::new(&Empty, bindings);
    let inner = Evaluator {
        scope: &scope,
        item: None,
    };
    let value = inner.expr(&template, cx);
    cx.in_template_file = false;
    for inner in cx.diagnostics.split_off(before) {
        let offset = (inner.span.start as usize)
            .saturating_sub(start)
            .min(text.len());
        let above = text.get(..offset).unwrap_or_default();
        let line = above.matches('\n').count() + 1;
        let column = above
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        let message = format!("{name}, line {line}, column {column}: {}", inner.message);
        let mut outer = Diagnostic::error(inner.id, place, message);
        outer.severity = inner.severity;
        outer.help = inner.help;
        cx.report(outer);
    }
    value
}

/// The template of a text, and where the text starts in what its spans count. The rules of a file are those of a
/// heredoc: interpolations and directives, no escapes with a backslash.
fn lower(text: &str, diagnostics: &mut Vec<Diagnostic>) -> (Expr, usize) {
    let mut delimiter = String::from("TEMPLATE");
    while text.contains(&delimiter) {
        delimiter.push('_');
    }
    let start = delimiter.len() + 3;
    let heredoc = format!("<<{delimiter}\n{text}\n{delimiter}\n");
    let mut template = crate::lower::hcl::expression(FileId(0), 0, &heredoc, diagnostics);
    drop_last_line_end(&mut template.kind);
    (template, start)
}

/// The line end before the closing delimiter is not the file's.
fn drop_last_line_end(template: &mut ExprKind) {
    match template {
        ExprKind::Literal(value) => {
            if let Some(text) = value.as_str().and_then(|text| text.strip_suffix('\n')) {
                *value = Value::string(text);
            }
        }
        ExprKind::Template(parts) => {
            if let Some(Part::Literal(text)) = parts.last_mut()
                && let Some(shorter) = text.strip_suffix('\n').map(SmolStr::new)
            {
                *text = shorter;
                if text.is_empty() {
                    parts.pop();
                }
            }
        }
        _ => {}
    }
}
