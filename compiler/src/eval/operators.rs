//! Operators.

use imgc_syntax::Span;

use super::{Context, Evaluator};
use crate::convert::convert;
use crate::diagnostic::Diagnostic;
use crate::hir::{BinaryOp, Expr, ExprKind, UnaryOp};
use crate::types::Type;
use crate::value::{Data, Number, NumberError, Value};

/// An operand: its value and its place.
#[derive(Clone, Copy)]
struct Operand<'a> {
    value: &'a Value,
    span: Span,
}

impl Evaluator<'_> {
    pub(super) fn unary(&self, operator: UnaryOp, operand: &Expr, cx: &mut Context<'_>) -> Value {
        let value = self.expr(operand, cx);
        let sensitive = value.is_sensitive();
        let (symbol, ty) = match operator {
            UnaryOp::Negate => ("-", Type::Number),
            UnaryOp::Not => ("!", Type::Bool),
        };
        let operand = Operand {
            value: &value,
            span: operand.span,
        };
        let Some(value) = operand.convert(&ty, symbol, cx) else {
            return Value::error();
        };
        let result = match value.data() {
            Data::Number(number) => Value::number(number.negate()),
            Data::Bool(value) => Value::bool(!value),
            _ => value,
        };
        result.mark(sensitive)
    }

    /// A chain of operators leans to the left; walking it in a loop keeps `a + b + c + …` of any length off the stack.
    pub(super) fn binary(&self, expr: &Expr, cx: &mut Context<'_>) -> Value {
        let mut chain = Vec::new();
        let mut first = expr;
        while let ExprKind::Binary(left, operator, right) = &first.kind {
            chain.push((*operator, left.span, &**right));
            first = left;
        }
        let mut value = self.expr(first, cx);
        for (operator, left_span, right) in chain.into_iter().rev() {
            value = self.apply(&value, left_span, operator, right, cx);
        }
        value
    }

    fn apply(
        &self,
        left: &Value,
        left_span: Span,
        operator: BinaryOp,
        right: &Expr,
        cx: &mut Context<'_>,
    ) -> Value {
        let left = Operand {
            value: left,
            span: left_span,
        };
        if matches!(operator, BinaryOp::And | BinaryOp::Or) {
            return self.logical(left, operator, right, cx);
        }
        let right_value = self.expr(right, cx);
        let right = Operand {
            value: &right_value,
            span: right.span,
        };
        match operator {
            BinaryOp::Equal => equality(left.value, right.value, false),
            BinaryOp::NotEqual => equality(left.value, right.value, true),
            _ => numeric(left, operator, right, cx),
        }
    }

    /// `&&` and `||`. Where the left side decides, the right side is not looked at, so that
    /// `x != null && length(x) > 0` works.
    fn logical(
        &self,
        left: Operand<'_>,
        operator: BinaryOp,
        right: &Expr,
        cx: &mut Context<'_>,
    ) -> Value {
        let symbol = symbol(operator);
        let decisive = operator == BinaryOp::Or;
        let left_value = left.convert(&Type::Bool, symbol, cx);
        if let Some(value) = &left_value
            && value.as_bool() == Some(decisive)
        {
            return value.clone();
        }
        let right_value = self.expr(right, cx);
        let right_operand = Operand {
            value: &right_value,
            span: right.span,
        };
        let right_value = right_operand.convert(&Type::Bool, symbol, cx);
        let (Some(left), Some(right)) = (left_value, right_value) else {
            return Value::error();
        };
        let sensitive = left.is_sensitive() || right.is_sensitive();
        let result = match (left.as_bool(), right.as_bool()) {
            (Some(left), Some(right)) if decisive => Value::bool(left || right),
            (Some(left), Some(right)) => Value::bool(left && right),
            (None, Some(right)) if right == decisive => Value::bool(decisive),
            _ => Value::unknown(Type::Bool),
        };
        result.mark(sensitive)
    }
}

impl Operand<'_> {
    /// The operand as one of the type the operator works on; `None` (reported) where it is not.
    fn convert(self, ty: &Type, symbol: &str, cx: &mut Context<'_>) -> Option<Value> {
        if self.value.is_error() {
            return None;
        }
        if self.value.is_null() {
            let message = format!("`{symbol}` cannot work on null");
            cx.report(
                Diagnostic::error("eval/null", self.span, message)
                    .help("test for null first, or give a default"),
            );
            return None;
        }
        match convert(self.value, ty) {
            Ok(value) => Some(value),
            Err(error) => {
                let message = error.message_for(&format!("beside `{symbol}`"));
                let diagnostic = Diagnostic::error("eval/operand", self.span, message);
                cx.report(match (symbol, self.value.ty()) {
                    ("+", Type::String) => {
                        diagnostic.help("to join texts, write \"${first}${second}\"")
                    }
                    ("+", Type::List(_) | Type::Set(_) | Type::Tuple(_)) => {
                        diagnostic.help("to join lists, write `concat(first, second)`")
                    }
                    ("+", Type::Map(_) | Type::Object(_)) => {
                        diagnostic.help("to join maps, write `merge(first, second)`")
                    }
                    _ => diagnostic,
                });
                None
            }
        }
    }
}

fn numeric(
    left: Operand<'_>,
    operator: BinaryOp,
    right: Operand<'_>,
    cx: &mut Context<'_>,
) -> Value {
    let symbol = symbol(operator);
    // One message for one expression: the right side is looked at when the left one is fine.
    let Some(a) = left.convert(&Type::Number, symbol, cx) else {
        return Value::error();
    };
    let Some(b) = right.convert(&Type::Number, symbol, cx) else {
        return Value::error();
    };
    let sensitive = a.is_sensitive() || b.is_sensitive();
    let result = match (a.as_number(), b.as_number()) {
        (Some(a), Some(b)) => match calculate(a, operator, b) {
            Ok(value) => value,
            Err(error) => {
                let span = match error {
                    NumberError::DivisionByZero => right.span,
                    _ => left.span.cover(right.span),
                };
                let diagnostic = Diagnostic::error("eval/number", span, error.to_string());
                return cx.fail(match error {
                    NumberError::DivisionByZero => diagnostic.here("this is 0"),
                    _ => diagnostic,
                });
            }
        },
        _ if is_comparison(operator) => Value::unknown(Type::Bool),
        _ => Value::unknown(Type::Number),
    };
    result.mark(sensitive)
}

fn is_comparison(operator: BinaryOp) -> bool {
    matches!(
        operator,
        BinaryOp::Less | BinaryOp::LessEqual | BinaryOp::Greater | BinaryOp::GreaterEqual
    )
}

fn calculate(a: &Number, operator: BinaryOp, b: &Number) -> Result<Value, NumberError> {
    Ok(match operator {
        BinaryOp::Add => Value::number(a.add(b)?),
        BinaryOp::Subtract => Value::number(a.subtract(b)?),
        BinaryOp::Multiply => Value::number(a.multiply(b)?),
        BinaryOp::Divide => Value::number(a.divide(b)?),
        BinaryOp::Remainder => Value::number(a.remainder(b)?),
        BinaryOp::Less => Value::bool(a < b),
        BinaryOp::LessEqual => Value::bool(a <= b),
        BinaryOp::Greater => Value::bool(a > b),
        BinaryOp::GreaterEqual => Value::bool(a >= b),
        BinaryOp::Equal => Value::bool(a == b),
        BinaryOp::NotEqual => Value::bool(a != b),
        // Handled before their operands are numbers.
        BinaryOp::And | BinaryOp::Or => Value::error(),
    })
}

fn equality(a: &Value, b: &Value, negated: bool) -> Value {
    if a.is_error() || b.is_error() {
        return Value::error();
    }
    let sensitive = a.contains_sensitive() || b.contains_sensitive();
    match equal(a, b) {
        Some(equal) => Value::bool(equal != negated),
        None => Value::unknown(Type::Bool),
    }
    .mark(sensitive)
}

/// Whether two values are the same, types included: `1` is not `"1"`. `None` where only run time knows. A null equals
/// every null.
pub(crate) fn equal(a: &Value, b: &Value) -> Option<bool> {
    let differ = |a: &Type, b: &Type| !a.has_any() && !b.has_any() && a != b;
    match (a.data(), b.data()) {
        (Data::Null(_), Data::Null(_)) => Some(true),
        (Data::Unknown(_), Data::Null(_)) | (Data::Null(_), Data::Unknown(_)) => None,
        (Data::Null(_), _) | (_, Data::Null(_)) => Some(false),
        (Data::Unknown(_), Data::Unknown(_)) => None,
        (Data::Unknown(ty), _) => differ(ty, &b.ty()).then_some(false),
        (_, Data::Unknown(ty)) => differ(ty, &a.ty()).then_some(false),
        (Data::Bool(a), Data::Bool(b)) => Some(a == b),
        (Data::Number(a), Data::Number(b)) => Some(a == b),
        (Data::String(a), Data::String(b)) => Some(a == b),
        (Data::List(..), Data::List(..))
        | (Data::Set(..), Data::Set(..))
        | (Data::Tuple(_), Data::Tuple(_)) => {
            let (a, b) = (a.as_slice()?, b.as_slice()?);
            if a.len() != b.len() {
                return Some(false);
            }
            all_equal(a.iter().zip(b))
        }
        (Data::Map(_, a), Data::Map(_, b)) | (Data::Object(a), Data::Object(b)) => {
            if !a.keys().eq(b.keys()) {
                return Some(false);
            }
            all_equal(a.values().zip(b.values()))
        }
        _ => Some(false),
    }
}

fn all_equal<'a>(pairs: impl Iterator<Item = (&'a Value, &'a Value)>) -> Option<bool> {
    let mut known = Some(true);
    for (a, b) in pairs {
        match equal(a, b) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => known = None,
        }
    }
    known
}

fn symbol(operator: BinaryOp) -> &'static str {
    match operator {
        BinaryOp::Or => "||",
        BinaryOp::And => "&&",
        BinaryOp::Equal => "==",
        BinaryOp::NotEqual => "!=",
        BinaryOp::Greater => ">",
        BinaryOp::GreaterEqual => ">=",
        BinaryOp::Less => "<",
        BinaryOp::LessEqual => "<=",
        BinaryOp::Add => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::Remainder => "%",
    }
}
