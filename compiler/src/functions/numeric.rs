//! Functions of numbers, and of truths.

use bigdecimal::num_bigint::{BigInt, BigUint, Sign};

use super::{
    CallCx, Function, FunctionError, FunctionResult, Param, Returns, Shape, elements, integer,
    number,
};
use crate::types::Type;
use crate::value::{Number, Value};

const NUM: Param = Param::new("num", Shape::Number);
const NUMBER: Returns = Returns::Is(Shape::Number);
const BOOLS: Param = Param::new("list", Shape::List(&Shape::Bool)).moves_elements();

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "abs",
        &[NUM],
        NUMBER,
        "The number without its sign.",
        ("abs(-3.5)", "3.5"),
        |args, _| Ok(number(args, 0).absolute().into()),
    ),
    Function::new(
        "alltrue",
        &[BOOLS],
        Returns::Is(Shape::Bool),
        "Whether all elements are true; so it is for an empty list.",
        ("alltrue([true, false])", "false"),
        |args, _| Ok(all(args, false)),
    ),
    Function::new(
        "anytrue",
        &[BOOLS],
        Returns::Is(Shape::Bool),
        "Whether any element is true; an empty list has none.",
        ("anytrue([true, false])", "true"),
        |args, _| Ok(all(args, true)),
    ),
    Function::new(
        "ceil",
        &[NUM],
        NUMBER,
        "The nearest whole number not below.",
        ("ceil(1.2)", "2"),
        |args, _| Ok(number(args, 0).ceil().into()),
    ),
    Function::new(
        "floor",
        &[NUM],
        NUMBER,
        "The nearest whole number not above.",
        ("floor(1.8)", "1"),
        |args, _| Ok(number(args, 0).floor().into()),
    ),
    Function::new(
        "log",
        &[NUM, Param::new("base", Shape::Number)],
        NUMBER,
        "The logarithm of a number to a base.",
        ("log(16, 2)", "4"),
        log,
    ),
    Function::new(
        "max",
        &[],
        NUMBER,
        "The greatest of the numbers.",
        ("max(5, 12, 9)", "12"),
        |args, _| extreme(args, |a, b| a > b),
    )
    .variadic(Param::new("numbers", Shape::Number), 1),
    Function::new(
        "min",
        &[],
        NUMBER,
        "The smallest of the numbers.",
        ("min(5, 12, 9)", "5"),
        |args, _| extreme(args, |a, b| a < b),
    )
    .variadic(Param::new("numbers", Shape::Number), 1),
    Function::new(
        "parseint",
        &[
            Param::new("number", Shape::Any),
            Param::new("base", Shape::Number),
        ],
        NUMBER,
        "The whole number that a text means in a base from 2 to 62.",
        ("parseint(\"ff\", 16)", "255"),
        parse_int,
    ),
    Function::new(
        "pow",
        &[NUM, Param::new("power", Shape::Number)],
        NUMBER,
        "A number to the power of another.",
        ("pow(2, 10)", "1024"),
        pow,
    ),
    Function::new(
        "range",
        &[],
        Returns::Is(Shape::List(&Shape::Number)),
        "The numbers from a start (0) up to, not including, a limit, by a step (1).",
        ("range(1, 4)", "[1, 2, 3]"),
        range,
    )
    .optional(Param::new("params", Shape::Number), 1, 3),
    Function::new(
        "signum",
        &[NUM],
        NUMBER,
        "-1, 0 or 1 by the sign of the number.",
        ("signum(-13)", "-1"),
        |args, _| Ok(Value::number(number(args, 0).cmp(&Number::ZERO) as i64)),
    ),
    Function::new(
        "sum",
        &[Param::new("list", Shape::List(&Shape::Number))],
        NUMBER,
        "The numbers of the list added up.",
        ("sum([1, 2.5])", "3.5"),
        sum,
    ),
];

/// Whether an element decides (`decisive`), all are known not to, or an unknown one may.
fn all(args: &[Value], decisive: bool) -> Value {
    let parts = elements(args, 0);
    let sensitive = parts.iter().any(Value::is_sensitive);
    // A null is neither; it keeps `alltrue` from being true.
    let decides = |part: &Value| match part.as_bool() {
        Some(value) => value == decisive,
        None => part.is_null() && !decisive,
    };
    let value = if parts.iter().any(decides) {
        Value::bool(decisive)
    } else if parts.iter().all(Value::is_known) {
        Value::bool(!decisive)
    } else {
        Value::unknown(Type::Bool)
    };
    value.mark(sensitive)
}

fn extreme(args: &[Value], better: fn(&Number, &Number) -> bool) -> FunctionResult {
    let mut best = number(args, 0);
    for at in 1..args.len() {
        if better(number(args, at), best) {
            best = number(args, at);
        }
    }
    Ok(Value::number(best.clone()))
}

fn from_float(value: f64) -> FunctionResult {
    let number = Number::from_f64(value);
    let number = number.ok_or_else(|| FunctionError::new("there is no such number"))?;
    Ok(Value::number(number))
}

fn log(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let (value, base) = (number(args, 0).to_f64(), number(args, 1).to_f64());
    for (at, value) in [value, base].into_iter().enumerate() {
        if value <= 0.0 {
            return Err(FunctionError::at(at, "expected a number above 0"));
        }
    }
    if base == 1.0 {
        return Err(FunctionError::at(1, "there is no logarithm to the base 1"));
    }
    from_float(value.ln() / base.ln())
}

/// Exact for whole powers, else as exact as binary floating point is.
fn pow(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let (base, power) = (number(args, 0), number(args, 1));
    let whole = power
        .absolute()
        .to_u64()
        .and_then(|power| u32::try_from(power).ok());
    match whole {
        Some(whole) if power.is_negative() => {
            let inverse = base.power(whole)?;
            Ok(Value::number(Number::from(1_i64).divide(&inverse)?))
        }
        Some(whole) => Ok(Value::number(base.power(whole)?)),
        None => from_float(base.to_f64().powf(power.to_f64())),
    }
}

fn sum(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let parts = elements(args, 0);
    if parts.is_empty() {
        return Err(FunctionError::at(0, "the list is empty"));
    }
    let mut total = Number::ZERO;
    for part in parts {
        let part = part.as_number();
        let part = part.ok_or_else(|| FunctionError::at(0, "the list has a null element"))?;
        total = total.add(part)?;
    }
    Ok(Value::number(total))
}

fn range(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    const LONGEST: usize = 1024;
    let zero = Number::ZERO;
    let (start, limit) = match args.len() {
        1 => (&zero, number(args, 0)),
        _ => (number(args, 0), number(args, 1)),
    };
    let step = match args.len() {
        3 => number(args, 2).clone(),
        _ if limit < start => Number::from(-1_i64),
        _ => Number::from(1_i64),
    };
    if step == Number::ZERO {
        return Err(FunctionError::at(2, "expected a step other than 0"));
    }
    if start != limit && step.is_negative() != (limit < start) {
        return Err(FunctionError::at(2, "the step leads away from the limit"));
    }
    let mut numbers = Vec::new();
    let mut at = start.clone();
    while if step.is_negative() {
        at > *limit
    } else {
        at < *limit
    } {
        if numbers.len() == LONGEST {
            let message = format!("the range has more than {LONGEST} numbers");
            return Err(FunctionError::new(message));
        }
        let next = at.add(&step)?;
        numbers.push(Value::number(at));
        at = next;
    }
    Ok(Value::list(Type::Number, numbers))
}

fn parse_int(args: &[Value], cx: &mut CallCx<'_>) -> FunctionResult {
    let Some(text) = args[0].as_str() else {
        let message = format!("expected a string, found {}", args[0].ty().describe());
        return Err(FunctionError::at(0, message));
    };
    let base = integer(args, 1)?;
    if !(2..=62).contains(&base) {
        let message = format!("expected a base from 2 to 62, found {base}");
        return Err(FunctionError::quoting(1, message));
    }
    let malformed = || {
        let message = format!("{} is not a whole number in base {base}", cx.quote(text));
        FunctionError::quoting(0, message)
    };
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (Sign::Minus, digits),
        None => (Sign::Plus, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || digits.len() > 10_000 {
        return Err(malformed());
    }
    let mut total = BigUint::ZERO;
    for digit in digits.bytes() {
        let digit = digit_value(digit, base).ok_or_else(malformed)?;
        total = total * base as u32 + digit;
    }
    Ok(Value::number(Number::from_bigint(BigInt::from_biguint(
        sign, total,
    ))?))
}

/// Up to base 36 case does not count; above, capital letters follow the small ones.
fn digit_value(digit: u8, base: i64) -> Option<u32> {
    let value = match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'z' => digit - b'a' + 10,
        b'A'..=b'Z' if base <= 36 => digit - b'A' + 10,
        b'A'..=b'Z' => digit - b'A' + 36,
        _ => return None,
    };
    (i64::from(value) < base).then_some(u32::from(value))
}
