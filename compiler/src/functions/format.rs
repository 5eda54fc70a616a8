//! `format` and `formatlist`: text after a pattern with `%` verbs.

use unicode_segmentation::UnicodeSegmentation as _;

use super::{CallCx, Function, FunctionError, FunctionResult, Param, Returns, Shape, text};
use crate::convert::convert;
use crate::types::Type;
use crate::value::{Data, Number, Value, quote};

const FORMAT: Param = Param::new("format", Shape::String);
const ARGS: Param = Param::new("args", Shape::Any).nullable();

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "format",
        &[FORMAT],
        Returns::Is(Shape::String),
        "A text after a pattern: `%s` text, `%d` whole number, `%f` decimal, `%x` hexadecimal, `%q` quoted, `%v` anything.",
        ("format(\"%s-%03d\", \"web\", 7)", "\"web-007\""),
        |args, cx| format(text(args, 0), &args[1..], cx).map(Value::string),
    )
    .variadic(ARGS, 0),
    Function::new(
        "formatlist",
        &[FORMAT],
        Returns::Is(Shape::List(&Shape::String)),
        "Texts after a pattern, one for each element of the lists among the arguments.",
        ("formatlist(\"%s-%d\", [\"a\", \"b\"], 1)", "[\"a-1\", \"b-1\"]"),
        format_list,
    )
    .variadic(ARGS, 0),
];

/// One `%…` of a pattern.
#[derive(Default)]
struct Verb<'p> {
    /// As written.
    text: &'p str,
    letter: char,
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
    /// `[n]`: which argument, from 1.
    argument: Option<usize>,
}

/// Widest output of one verb, and most digits after its point.
const WIDEST: usize = 10_000;

fn format(pattern: &str, args: &[Value], cx: &CallCx<'_>) -> Result<String, FunctionError> {
    let mut out = String::new();
    let mut rest = pattern;
    let mut next = 0;
    let mut highest = 0;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let verb = Verb::parse(rest)?;
        rest = &rest[verb.text.len()..];
        if verb.letter == '%' {
            out.push('%');
            continue;
        }
        let index = verb.argument.map_or(next, |argument| argument - 1);
        let Some(value) = args.get(index) else {
            let message = format!(
                "`{}` needs argument number {}, and {} given",
                verb.text,
                index + 1,
                match args.len() {
                    0 => "none is".to_owned(),
                    1 => "only 1 is".to_owned(),
                    count => format!("only {count} are"),
                }
            );
            return Err(FunctionError::quoting(0, message));
        };
        next = index + 1;
        highest = highest.max(next);
        let piece = verb.apply(value, cx).map_err(|reason| {
            FunctionError::quoting(index + 1, format!("`{}`: {reason}", verb.text))
        })?;
        // As in HCL, a truth value is not padded.
        out.push_str(&match verb.letter {
            't' => piece,
            _ => verb.pad(piece),
        });
    }
    out.push_str(rest);
    if highest < args.len() {
        let message = format!("the pattern uses {highest} of {} arguments", args.len());
        return Err(FunctionError::at(highest + 1, message));
    }
    Ok(out)
}

impl<'p> Verb<'p> {
    /// The verb at the start of `text`, which begins with `%`.
    fn parse(text: &'p str) -> Result<Self, FunctionError> {
        let mut verb = Self::default();
        let bytes = text.as_bytes();
        let mut at = 1;
        while let Some(flag) = bytes.get(at) {
            match flag {
                b'-' => verb.left = true,
                b'+' => verb.plus = true,
                b' ' => verb.space = true,
                b'#' => verb.alternate = true,
                b'0' => verb.zeros = true,
                _ => break,
            }
            at += 1;
        }
        verb.parse_argument(text, &mut at)?;
        verb.width = take_number(bytes, &mut at)?.unwrap_or(0);
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            verb.precision = Some(take_number(bytes, &mut at)?.unwrap_or(0));
        }
        verb.parse_argument(text, &mut at)?;
        let Some(letter) = text[at..].chars().next() else {
            let message = format!(
                "the pattern ends in the middle of {}; write `%%` for a plain %",
                quote(text)
            );
            return Err(FunctionError::quoting(0, message));
        };
        at += letter.len_utf8();
        verb.letter = letter;
        verb.text = &text[..at];
        if !"%vstqdboxXeEfgG".contains(letter) {
            let message = format!("there is no verb `{}`; write `%%` for a plain %", verb.text);
            return Err(FunctionError::quoting(0, message));
        }
        Ok(verb)
    }

    fn parse_argument(&mut self, text: &str, at: &mut usize) -> Result<(), FunctionError> {
        let bytes = text.as_bytes();
        if bytes.get(*at) != Some(&b'[') {
            return Ok(());
        }
        *at += 1;
        let number = take_number(bytes, at)?.filter(|number| *number > 0);
        if number.is_none() || bytes.get(*at) != Some(&b']') {
            let message =
                "expected the number of an argument, from 1, in the brackets of the pattern";
            return Err(FunctionError::quoting(0, message));
        }
        *at += 1;
        self.argument = number;
        Ok(())
    }

    fn apply(&self, value: &Value, cx: &CallCx<'_>) -> Result<String, String> {
        if value.is_null() {
            return match self.letter {
                'v' => Ok("null".to_owned()),
                _ => Err("null has no text".to_owned()),
            };
        }
        let to = |ty: Type| {
            let hidden = value.clone().mark(cx.sensitive);
            convert(&hidden, &ty).map_err(|error| error.to_string())
        };
        match self.letter {
            'v' if self.alternate => json(value),
            'v' => match value.data() {
                Data::String(text) => Ok(self.cut(text)),
                Data::Number(number) => Ok(self.signed(general(number, None), number)),
                Data::Bool(value) => Ok(value.to_string()),
                _ => json(value),
            },
            's' => to(Type::String).map(|text| self.cut(text.as_str().unwrap_or_default())),
            'q' => to(Type::String).map(|text| quote_json(text.as_str().unwrap_or_default())),
            't' => to(Type::Bool).map(|value| (value.as_bool() == Some(true)).to_string()),
            _ => {
                let value = to(Type::Number)?;
                self.number(value.as_number().unwrap_or(&Number::ZERO))
            }
        }
    }

    fn number(&self, number: &Number) -> Result<String, String> {
        let plain = match self.letter {
            'd' | 'b' | 'o' | 'x' | 'X' => {
                let integer = number.absolute().to_bigint();
                let integer = integer.ok_or("expected a whole number")?;
                let (radix, prefix) = match self.letter {
                    'b' => (2, "0b"),
                    'o' => (8, "0"),
                    'd' => (10, ""),
                    _ => (16, "0x"),
                };
                let digits = integer.to_str_radix(radix);
                let digits = if self.alternate {
                    format!("{prefix}{digits}")
                } else {
                    digits
                };
                if self.letter == 'X' {
                    digits.to_uppercase()
                } else {
                    digits
                }
            }
            'f' => fixed(&number.absolute(), self.precision.unwrap_or(6)),
            'e' | 'E' => exponential(&number.absolute(), Some(self.precision.unwrap_or(6))),
            _ => general(&number.absolute(), self.precision),
        };
        let text = self.signed(plain, number);
        Ok(match self.letter {
            'E' | 'G' => text.to_uppercase(),
            _ => text,
        })
    }

    fn signed(&self, text: String, number: &Number) -> String {
        let text = text.trim_start_matches('-');
        let sign = match number.is_negative() {
            true => "-",
            false if self.plus => "+",
            false if self.space => " ",
            false => "",
        };
        format!("{sign}{text}")
    }

    /// The precision of a text is its greatest length.
    fn cut(&self, text: &str) -> String {
        match self.precision {
            Some(length) => text.graphemes(true).take(length).collect(),
            None => text.to_owned(),
        }
    }

    fn pad(&self, text: String) -> String {
        let missing = self.width.saturating_sub(text.graphemes(true).count());
        if missing == 0 {
            return text;
        }
        if self.left {
            return text + &" ".repeat(missing);
        }
        if !self.zeros {
            return " ".repeat(missing) + &text;
        }
        let signed = text.starts_with(['-', '+', ' ']) && !matches!(self.letter, 's' | 'q' | 'v');
        let (sign, rest) = text.split_at(usize::from(signed));
        format!("{sign}{}{rest}", "0".repeat(missing))
    }
}

fn take_number(bytes: &[u8], at: &mut usize) -> Result<Option<usize>, FunctionError> {
    let start = *at;
    let mut number = 0_usize;
    while let Some(digit) = bytes.get(*at).filter(|byte| byte.is_ascii_digit()) {
        number = number * 10 + usize::from(digit - b'0');
        if number > WIDEST {
            let message = format!("a number in the pattern is greater than {WIDEST}");
            return Err(FunctionError::quoting(0, message));
        }
        *at += 1;
    }
    Ok((*at > start).then_some(number))
}

fn json(value: &Value) -> Result<String, String> {
    value.to_json_text().map_err(|error| error.to_string())
}

fn quote_json(text: &str) -> String {
    Value::string(text).to_json_text().unwrap_or_default()
}

/// `places` digits after the point.
fn fixed(number: &Number, places: usize) -> String {
    let text = number.round_to(places as u32).to_string();
    if places == 0 {
        return text;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}.{fraction:0<places$}")
}

/// The significant digits of a number that is not negative, and where the point stands: `0.digits * 10^point`.
fn digits(number: &Number) -> (String, i64) {
    let (digits, scale) = number.to_decimal().normalized().into_bigint_and_scale();
    let digits = digits.to_str_radix(10);
    let point = digits.len() as i64 - scale;
    (digits, if *number == Number::ZERO { 1 } else { point })
}

/// At most `length` digits, halves to the even one.
fn round_digits(number: &Number, length: usize) -> (String, i64) {
    let (all, point) = digits(number);
    if all.len() <= length {
        return (all, point);
    }
    let decimal = number.to_decimal();
    let scale = length as i64 - point;
    let rounded = decimal.with_scale_round(scale, bigdecimal::RoundingMode::HalfEven);
    match Number::from_decimal(rounded) {
        Ok(rounded) if rounded != Number::ZERO => digits(&rounded),
        _ => (all, point),
    }
}

/// `1.5e+03`.
fn exponential(number: &Number, places: Option<usize>) -> String {
    let (digits, point) = match places {
        Some(places) => round_digits(number, places + 1),
        None => digits(number),
    };
    let places = places.unwrap_or(digits.len() - 1);
    let exponent = point - 1;
    let (first, rest) = digits.split_at(1);
    let dot = if places > 0 { "." } else { "" };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{dot}{rest:0<places$}e{sign}{:02}", exponent.abs())
}

/// The shorter of the two notations, without trailing zeros; as Packer, exponents from six digits on where no precision
/// is given.
fn general(number: &Number, precision: Option<usize>) -> String {
    let number = &number.absolute();
    let (digits, point) = match precision {
        Some(precision) => round_digits(number, precision.max(1)),
        None => digits(number),
    };
    let length = digits.len() as i64;
    let limit = match precision {
        None => 6,
        Some(precision) if precision as i64 > length && length >= point => length,
        Some(precision) => precision.max(1) as i64,
    };
    if point - 1 < -4 || point > limit {
        let rounded = format!("{digits}e{}", point - length);
        let rounded = Number::parse(&rounded).unwrap_or(Number::ZERO);
        return exponential(&rounded, None);
    }
    let rounded = format!("{digits}e{}", point - length);
    Number::parse(&rounded).unwrap_or(Number::ZERO).to_string()
}

fn format_list(args: &[Value], cx: &mut CallCx<'_>) -> FunctionResult {
    let pattern = text(args, 0);
    let mut length: Option<(usize, usize)> = None;
    for (at, arg) in args.iter().enumerate().skip(1) {
        let Some(parts) = arg.as_slice() else {
            continue;
        };
        match length {
            Some((first, length)) if length != parts.len() => {
                let message = format!(
                    "this list has {} elements, that of argument {first} has {length}",
                    parts.len()
                );
                return Err(FunctionError::at(at, message));
            }
            _ => length = Some((at, parts.len())),
        }
    }
    let rows = length.map_or(1, |(_, length)| length);
    let texts = (0..rows).map(|row| {
        let args: Vec<Value> = args[1..]
            .iter()
            .map(|arg| match arg.as_slice() {
                Some(parts) => parts[row].clone(),
                None => arg.clone(),
            })
            .collect();
        format(pattern, &args, cx)
    });
    Ok(Value::strings(texts.collect::<Result<Vec<_>, _>>()?))
}
