//! Packer's weak typing: what values of legacy templates may be instead of what an option's type says.
//!
//! In: a value and the type it should have. Out: the value that Packer makes of it; what it could not make anything of
//! is left as it is, for the ordinary conversion to complain about.

use std::collections::BTreeMap;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::schema::Attribute;
use crate::types::Type;
use crate::value::{Data, Number, Value};

/// What Packer makes of a value for an option; `weak` says whether it stands in a body with weak typing.
pub(super) fn loosen(weak: bool, value: Value, schema: &Attribute) -> Value {
    match value.data() {
        _ if !weak => value,
        // A number for a duration is one of nanoseconds.
        Data::Number(number) if schema.is_duration() => {
            Value::string(format!("{number}ns")).mark_like(&value)
        }
        _ => loosen_to(&value, &schema.ty),
    }
}

/// What Packer makes of a value for a type.
pub(crate) fn loosen_to(value: &Value, ty: &Type) -> Value {
    let loosened = match (value.data(), ty) {
        (Data::Null(_), _) => return value.clone(),
        // One value for a list, of which is known only that it is a text.
        (Data::Unknown(Type::String | Type::Number | Type::Bool), Type::List(_) | Type::Set(_)) => {
            Value::unknown(Type::Any)
        }
        (Data::Unknown(_), _) => return value.clone(),
        (_, Type::List(element) | Type::Set(element)) => list(value, element),
        (_, Type::Map(element)) => map(value, element),
        (Data::Bool(value), Type::String) => Value::string(if *value { "1" } else { "0" }),
        (Data::Bool(value), Type::Number) => Value::number(Number::from(i64::from(*value))),
        (Data::String(text), Type::Number) => match number(text) {
            Some(number) => Value::number(number),
            None => return value.clone(),
        },
        (Data::String(text), Type::Bool) => match text.as_str() {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Value::bool(true),
            "" | "0" | "f" | "F" | "FALSE" | "false" | "False" => Value::bool(false),
            _ => return value.clone(),
        },
        (Data::Number(number), Type::Bool) => Value::bool(number.to_string() != "0"),
        _ => return value.clone(),
    };
    loosened.mark_like(value)
}

/// A text is a list of what commas part, any other single value is a list of one, and an empty object an empty list.
fn list(value: &Value, element: &Type) -> Value {
    match value.data() {
        Data::String(text) if text.is_empty() => Value::tuple([]),
        Data::String(text) => {
            let parts = text.split(',').map(Value::string);
            Value::tuple(parts.map(|part| loosen_to(&part, element)))
        }
        Data::List(_, parts) | Data::Set(_, parts) | Data::Tuple(parts) => {
            Value::tuple(parts.iter().map(|part| loosen_to(part, element)))
        }
        Data::Map(_, parts) | Data::Object(parts) if parts.is_empty() => Value::tuple([]),
        // An object is no text, alone as in a list.
        Data::Map(..) | Data::Object(_)
            if matches!(element, Type::String | Type::Number | Type::Bool) =>
        {
            value.clone()
        }
        _ => Value::tuple([loosen_to(value, element)]),
    }
}

/// A list of objects is one object with the members of all, the later ones on top.
fn map(value: &Value, element: &Type) -> Value {
    let members = |parts: &BTreeMap<SmolStr, Value>| -> Vec<(SmolStr, Value)> {
        let loosened = parts
            .iter()
            .map(|(name, part)| (name.clone(), loosen_to(part, element)));
        loosened.collect()
    };
    match value.data() {
        Data::Map(_, parts) | Data::Object(parts) => Value::object(members(parts)),
        Data::List(_, parts) | Data::Set(_, parts) | Data::Tuple(parts) => {
            let mut merged = BTreeMap::new();
            for part in parts.iter() {
                match part.data() {
                    Data::Map(_, inner) | Data::Object(inner) => merged.extend(members(inner)),
                    _ => return value.clone(),
                }
            }
            Value::from_data(Data::Object(Arc::new(merged)))
        }
        _ => value.clone(),
    }
}

/// A number in a text as Go's `ParseInt` reads it, and `ParseFloat`; an empty text is 0.
fn number(text: &str) -> Option<Number> {
    let (digits, negative) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text.strip_prefix('+').unwrap_or(text), false),
    };
    if text.is_empty() {
        return Some(Number::from(0));
    }
    let lower = digits.to_ascii_lowercase();
    let radix = |prefix: &str, radix: u32| {
        let rest = lower.strip_prefix(prefix)?;
        i64::from_str_radix(rest, radix).ok()
    };
    let whole = radix("0x", 16)
        .or_else(|| radix("0o", 8))
        .or_else(|| radix("0b", 2))
        .or_else(|| radix("0", 8));
    match whole {
        Some(whole) => Some(Number::from(if negative { -whole } else { whole })),
        None => Number::parse(text.strip_prefix('+').unwrap_or(text)).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::convert;

    fn shown(value: Value, ty: &Type) -> String {
        let loosened = loosen_to(&value, ty);
        match convert(&loosened, ty) {
            Ok(value) => value.display(),
            Err(error) => format!("ERROR {}", error.message),
        }
    }

    /// As Debian's Packer 1.6.6 takes them.
    #[test]
    fn values_become_what_packer_makes_of_them() {
        let text = |text: &str| Value::string(text);
        let number = |number: i64| Value::number(Number::from(number));
        let texts = Type::list(Type::String);
        let numbers = Type::list(Type::Number);
        let pairs = Type::list(Type::list(Type::String));
        let tags = Type::map(Type::String);
        let object = |name: &'static str, value: Value| Value::object([(name, value)]);
        let cases = [
            (text("a,b"), &texts, r#"["a", "b"]"#),
            (text(""), &texts, "[]"),
            (text("a, b"), &texts, r#"["a", " b"]"#),
            (number(5), &texts, r#"["5"]"#),
            (Value::bool(true), &texts, r#"["1"]"#),
            (
                Value::tuple([text("x"), number(5), Value::bool(false)]),
                &texts,
                r#"["x", "5", "0"]"#,
            ),
            (Value::object::<SmolStr>([]), &texts, "[]"),
            (text("3"), &numbers, "[3]"),
            (Value::tuple([text("0"), text("3")]), &numbers, "[0, 3]"),
            (
                Value::tuple([text("modifyvm"), text("{{.Name}}")]),
                &pairs,
                r#"[["modifyvm"], ["{{.Name}}"]]"#,
            ),
            (text("T"), &Type::Bool, "true"),
            (text("0"), &Type::Bool, "false"),
            (text(""), &Type::Bool, "false"),
            (
                text("yes"),
                &Type::Bool,
                "ERROR expected a bool, found the string \"yes\"",
            ),
            (number(1), &Type::Bool, "true"),
            (number(0), &Type::Bool, "false"),
            (text(""), &Type::Number, "0"),
            (text("0x16"), &Type::Number, "22"),
            (
                text("2x"),
                &Type::Number,
                "ERROR expected a number, found the string \"2x\"",
            ),
            (Value::bool(true), &Type::Number, "1"),
            (Value::bool(true), &Type::String, "\"1\""),
            (number(5), &Type::String, "\"5\""),
            (
                Value::tuple([]),
                &Type::String,
                "ERROR expected a string, found a tuple of 0 elements",
            ),
            (object("a", Value::bool(true)), &tags, r#"{ a = "1" }"#),
            (
                Value::tuple([object("a", text("1")), object("b", text("2"))]),
                &tags,
                r#"{ a = "1", b = "2" }"#,
            ),
            (Value::tuple([]), &tags, "{}"),
            (
                text("x"),
                &tags,
                "ERROR expected a map of strings, found a string",
            ),
        ];
        for (value, ty, answer) in cases {
            assert_eq!(
                shown(value.clone(), ty),
                answer,
                "{} as {ty}",
                value.display()
            );
        }
    }
}
