//! Calls of functions.

use imgc_syntax::Span;

use super::{Context, Evaluator, not_constant};
use crate::convert::convert;
use crate::diagnostic::{Diagnostic, Edit, nearest};
use crate::functions::{self, CallCx, Function, FunctionError, Purity, Run, Special};
use crate::hir::{Call, Expr};
use crate::types::{Type, parse_type};
use crate::value::{Data, Value};

impl Evaluator<'_> {
    pub(super) fn call(&self, call: &Call, span: Span, cx: &mut Context<'_>) -> Value {
        if cx.constant {
            return cx.fail(not_constant(span));
        }
        let Some(function) = functions::get(&call.name.text) else {
            let diagnostic = unknown_function(call);
            return cx.fail(diagnostic);
        };
        if function.purity == Purity::Env && !cx.env_allowed {
            let message = format!(
                "`{}` may only be used in the default of a variable",
                function.name
            );
            return cx.fail(
                Diagnostic::error("eval/function-not-here", call.name.span, message).help(
                    "declare a variable with `default = env(\"NAME\")` and use the variable here",
                ),
            );
        }
        match function.run {
            Run::Special(special) => self.special(special, function, call, span, cx),
            Run::Values(_) => self.call_with_values(function, call, span, cx),
        }
    }

    fn call_with_values(
        &self,
        function: &Function,
        call: &Call,
        span: Span,
        cx: &mut Context<'_>,
    ) -> Value {
        let mut sensitive = false;
        let Some(arguments) = self.arguments(call, &mut sensitive, cx) else {
            return Value::error();
        };
        let Arguments::Known(arguments) = arguments else {
            return Value::unknown(match function.returns {
                functions::Returns::Is(shape) => shape.ty(),
                functions::Returns::Follows(..) => Type::Any,
            })
            .mark(sensitive);
        };
        let mut call_cx = CallCx {
            world: cx.world,
            root: cx.root,
            sensitive,
        };
        match functions::call(function, &arguments, &mut call_cx) {
            Ok(value) => {
                let value = value.mark(sensitive);
                cx.secrets.keep(&value, &arguments);
                value
            }
            Err(error) => {
                let diagnostic = failure(function, call, span, error);
                cx.fail(diagnostic)
            }
        }
    }

    /// The values of the arguments; `None` where the expanded one failed.
    fn arguments(
        &self,
        call: &Call,
        sensitive: &mut bool,
        cx: &mut Context<'_>,
    ) -> Option<Arguments> {
        let mut values: Vec<Value> = call
            .arguments
            .iter()
            .map(|part| self.expr(part, cx))
            .collect();
        if !call.expand_last {
            return Some(Arguments::Known(values));
        }
        let last = values.pop()?;
        let span = call.arguments.last()?.span;
        *sensitive |= last.is_sensitive();
        match last.data() {
            Data::Unknown(Type::Error) => None,
            Data::Unknown(_) => Some(Arguments::Later),
            Data::Null(_) => {
                cx.report(Diagnostic::error(
                    "eval/null",
                    span,
                    "`...` cannot follow null",
                ));
                None
            }
            _ => match last.as_slice() {
                Some(parts) => {
                    values.extend(parts.iter().cloned());
                    Some(Arguments::Known(values))
                }
                None => {
                    let message = format!("`...` cannot follow {}", last.ty().describe());
                    cx.report(
                        Diagnostic::error("eval/not-a-collection", span, message)
                            .help("its elements become arguments: it must be a list"),
                    );
                    None
                }
            },
        }
    }

    fn special(
        &self,
        special: Special,
        function: &Function,
        call: &Call,
        span: Span,
        cx: &mut Context<'_>,
    ) -> Value {
        if let Err(error) = function.check_count(call.arguments.len()) {
            let diagnostic = failure(function, call, span, error);
            return cx.fail(diagnostic);
        }
        match (special, call.arguments.as_slice()) {
            (Special::Can, [expr]) => match self.attempt(expr, cx) {
                Ok(value) if value.is_wholly_known() => Value::bool(true),
                Ok(_) => Value::unknown(Type::Bool),
                Err(_) => Value::bool(false),
            },
            (Special::Convert, [value, ty]) => self.convert_call(value, ty, cx),
            (Special::TemplateFile, [path, vars]) => {
                self.template_file([path, vars], function, call, span, cx)
            }
            _ => self.first_of(&call.arguments, span, cx),
        }
    }

    /// The value of an expression, or its problems, which are not reported.
    fn attempt(&self, expr: &Expr, cx: &mut Context<'_>) -> Result<Value, Vec<Diagnostic>> {
        let before = cx.diagnostics.len();
        let value = self.expr(expr, cx);
        let problems = cx.diagnostics.split_off(before);
        if problems.iter().any(Diagnostic::is_error) || value.contains_error() {
            return Err(problems);
        }
        cx.diagnostics.extend(problems);
        Ok(value)
    }

    /// `try`: an attempt that is not known yet leaves the whole unknown, since its failure may still show.
    fn first_of(&self, attempts: &[Expr], span: Span, cx: &mut Context<'_>) -> Value {
        let mut reasons = Vec::new();
        for attempt in attempts {
            match self.attempt(attempt, cx) {
                Ok(value) if value.is_wholly_known() || attempts.len() == 1 => return value,
                Ok(value) => {
                    let sensitive = value.contains_sensitive();
                    return Value::unknown(Type::Any).mark(sensitive);
                }
                Err(problems) => reasons.extend(problems.into_iter().find(Diagnostic::is_error)),
            }
        }
        if reasons.is_empty() {
            // All failed before, and were reported there.
            return Value::error();
        }
        let mut diagnostic =
            Diagnostic::error("eval/call", span, "none of these expressions has a value");
        for reason in reasons {
            diagnostic = diagnostic.label(reason.span, reason.message);
        }
        cx.fail(diagnostic.help("let the last argument be a plain value"))
    }

    fn convert_call(&self, value_expr: &Expr, ty: &Expr, cx: &mut Context<'_>) -> Value {
        let ty = parse_type(ty, &mut cx.diagnostics);
        let value = self.expr(value_expr, cx);
        if ty.is_error() {
            return Value::error();
        }
        match convert(&value, &ty) {
            Ok(value) => value,
            Err(error) => {
                let diagnostic = super::wrong_type(value_expr, &error, "value");
                cx.fail(diagnostic)
            }
        }
    }
}

enum Arguments {
    Known(Vec<Value>),
    /// How many there are is known only at run time.
    Later,
}

/// The problem with a call, at the argument that is to blame.
pub(super) fn failure(
    function: &Function,
    call: &Call,
    span: Span,
    error: FunctionError,
) -> Diagnostic {
    let (id, place) = match error.argument {
        _ if error.count => ("eval/argument-count", call.name.span),
        Some(at) => {
            let last = call.arguments.len().saturating_sub(1);
            let argument = call.arguments.get(at.min(last));
            (
                "eval/argument",
                argument.map_or(span, |argument| argument.span),
            )
        }
        None => ("eval/call", span),
    };
    let named = error.message.contains(&format!("`{}`", function.name));
    let parameter = error.argument.and_then(|at| function.param(at));
    let message = match parameter {
        _ if named => error.message,
        Some(param) => format!("`{}` of `{}`: {}", param.name, function.name, error.message),
        None => format!("`{}`: {}", function.name, error.message),
    };
    let diagnostic = Diagnostic::error(id, place, message);
    match id {
        "eval/call" => diagnostic,
        _ => diagnostic.help(format!("it is `{}`", functions::signature(function))),
    }
}

fn unknown_function(call: &Call) -> Diagnostic {
    let (name, span) = (call.name.text.as_str(), call.name.span);
    let message = format!("there is no function `{name}`");
    let diagnostic = Diagnostic::error("eval/unknown-function", span, message);
    let conversion = match name {
        "tostring" => Some("string"),
        "tonumber" => Some("number"),
        "tobool" => Some("bool"),
        "tolist" => Some("list(any)"),
        "toset" => Some("set(any)"),
        "tomap" => Some("map(any)"),
        _ => None,
    };
    if let Some(ty) = conversion {
        return diagnostic.help(format!("write `convert(…, {ty})`"));
    }
    match nearest(name, functions::names()) {
        Some(near) => diagnostic
            .help(format!("did you mean `{near}`?"))
            .guess(format!("write `{near}`"), Edit::replace(span, near)),
        None => diagnostic,
    }
}
