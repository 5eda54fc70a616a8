//! Values from and to JSON.
//!
//! [`Value::to_json`] is for handing options to components. [`Value::to_json_text`] is what `jsonencode` writes: numbers
//! stay exact in it, which `serde_json`'s own numbers cannot do.

use std::fmt::Write as _;

use serde_json::value::RawValue;

use super::{Data, Number, NumberError, Value};
use crate::types::Type;

/// Deepest nesting read from JSON text.
const MAX_DEPTH: usize = 120;

/// A part of the value is known only at run time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value{path} is known only at run time")]
pub struct NotKnown {
    /// Where, such as `.tags["a"]`; empty for the value itself.
    pub path: String,
}

/// Why text is not JSON.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The text is not JSON.
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    /// A number is out of range.
    #[error("{0}")]
    Number(#[from] NumberError),
    /// Too many levels.
    #[error("more than {MAX_DEPTH} levels of nesting")]
    TooDeep,
}

impl Value {
    /// The value as JSON, sensitive parts included in clear: the caller answers for them. Numbers beyond 64 bits lose
    /// precision.
    pub fn to_json(&self) -> Result<serde_json::Value, NotKnown> {
        use serde_json::Value as Json;
        let nested = |step: String, value: &Value| {
            value.to_json().map_err(|error| NotKnown {
                path: step + &error.path,
            })
        };
        Ok(match self.data() {
            Data::Unknown(_) => {
                return Err(NotKnown {
                    path: String::new(),
                });
            }
            Data::Null(_) => Json::Null,
            Data::Bool(value) => Json::Bool(*value),
            Data::Number(number) => number_to_json(number),
            Data::String(text) => Json::String(text.to_string()),
            Data::List(_, elements) | Data::Set(_, elements) | Data::Tuple(elements) => {
                let elements = elements.iter().enumerate();
                let elements = elements.map(|(at, element)| nested(format!("[{at}]"), element));
                Json::Array(elements.collect::<Result<_, _>>()?)
            }
            Data::Map(_, entries) | Data::Object(entries) => {
                let entries = entries.iter().map(|(key, value)| {
                    let step = crate::convert::step_text(key);
                    nested(step, value).map(|value| (key.to_string(), value))
                });
                Json::Object(entries.collect::<Result<_, _>>()?)
            }
        })
    }

    /// A value from JSON: arrays become tuples, objects objects, null a null of any type.
    pub fn from_json(json: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::null(Type::Any),
            Json::Bool(value) => Self::bool(*value),
            Json::Number(number) => match Number::parse(&number.to_string()) {
                Ok(number) => Self::number(number),
                Err(_) => Self::error(),
            },
            Json::String(text) => Self::string(text.as_str()),
            Json::Array(elements) => Self::tuple(elements.iter().map(Self::from_json)),
            Json::Object(entries) => Self::object(
                entries
                    .iter()
                    .map(|(key, value)| (key.as_str(), Self::from_json(value))),
            ),
        }
    }

    /// A value from JSON text, numbers exact.
    pub fn from_json_text(text: &str) -> Result<Self, JsonError> {
        read(serde_json::from_str::<&RawValue>(text)?, 0)
    }

    /// Compact JSON text, as HCL's `jsonencode` writes it: names sorted, numbers exact, `<`, `>` and `&` escaped.
    pub fn to_json_text(&self) -> Result<String, NotKnown> {
        let mut out = String::new();
        write(self, &mut out)?;
        Ok(out)
    }
}

fn number_to_json(number: &Number) -> serde_json::Value {
    if let Some(value) = number.to_i64() {
        return value.into();
    }
    match number.to_u64() {
        Some(value) => value.into(),
        None => number.to_f64().into(),
    }
}

fn read(raw: &RawValue, depth: usize) -> Result<Value, JsonError> {
    if depth > MAX_DEPTH {
        return Err(JsonError::TooDeep);
    }
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'n') => Value::null(Type::Any),
        Some(b't') => Value::bool(true),
        Some(b'f') => Value::bool(false),
        Some(b'"') => Value::string(serde_json::from_str::<String>(text)?),
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(text)?;
            let elements = elements.into_iter().map(|raw| read(raw, depth + 1));
            Value::tuple(elements.collect::<Result<Vec<_>, _>>()?)
        }
        Some(b'{') => {
            let entries: indexmap::IndexMap<String, &RawValue> = serde_json::from_str(text)?;
            let entries = entries
                .into_iter()
                .map(|(key, raw)| Ok((key, read(raw, depth + 1)?)));
            Value::object(entries.collect::<Result<Vec<_>, JsonError>>()?)
        }
        _ => Value::number(Number::parse(text)?),
    })
}

fn write(value: &Value, out: &mut String) -> Result<(), NotKnown> {
    match value.data() {
        Data::Unknown(_) => {
            return Err(NotKnown {
                path: String::new(),
            });
        }
        Data::Null(_) => out.push_str("null"),
        Data::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Data::Number(number) => write!(out, "{number}").expect("strings take all text"),
        Data::String(text) => write_string(text, out),
        Data::List(_, elements) | Data::Set(_, elements) | Data::Tuple(elements) => {
            out.push('[');
            for (at, element) in elements.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(element, out)?;
            }
            out.push(']');
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            out.push('{');
            for (at, (key, element)) in entries.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write(element, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// With the escapes Go's encoder makes, so that a digest of the text is the same under Packer.
fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..'\u{20}' => {
                write!(out, "\\u{:04x}", character as u32).expect("strings take all text");
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
}
