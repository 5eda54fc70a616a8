//! Values as text for people, in HCL's notation.

use std::fmt::Write as _;

use super::{Data, Value};

/// Stands for a sensitive part.
pub(crate) const HIDDEN: &str = "(sensitive)";
/// Stands for an unknown part.
pub(crate) const LATER: &str = "(known at run time)";

impl Value {
    /// One line of HCL, with `(sensitive)` and `(known at run time)` in place of what cannot be shown.
    pub fn display(&self) -> String {
        let mut text = String::new();
        write(self, &mut text);
        text
    }
}

fn write(value: &Value, out: &mut String) {
    if value.is_sensitive() {
        out.push_str(HIDDEN);
        return;
    }
    match value.data() {
        Data::Unknown(_) => out.push_str(LATER),
        Data::Null(_) => out.push_str("null"),
        Data::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Data::Number(number) => write!(out, "{number}").expect("strings take all text"),
        Data::String(text) => out.push_str(&quote(text)),
        Data::List(_, elements) | Data::Set(_, elements) | Data::Tuple(elements) => {
            out.push('[');
            for (at, element) in elements.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write(element, out);
            }
            out.push(']');
        }
        Data::Map(_, entries) | Data::Object(entries) if entries.is_empty() => out.push_str("{}"),
        Data::Map(_, entries) | Data::Object(entries) => {
            out.push_str("{ ");
            for (at, (key, element)) in entries.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                out.push_str(&key_text(key));
                out.push_str(" = ");
                write(element, out);
            }
            out.push_str(" }");
        }
    }
}

/// A key as it may be written in an object: bare if it is an identifier, else quoted.
pub(crate) fn key_text(key: &str) -> String {
    let mut characters = key.chars();
    let starts = characters
        .next()
        .is_some_and(|first| first == '_' || first.is_alphabetic());
    if starts && characters.all(|c| c == '_' || c == '-' || c.is_alphanumeric()) {
        key.to_owned()
    } else {
        quote(key)
    }
}

/// A string as HCL writes it, escapes included.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' | '%' if rest.peek() == Some(&'{') => {
                out.push(character);
                out.push(character);
            }
            control if control.is_control() => {
                write!(out, "\\u{:04x}", control as u32).expect("strings take all text");
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}
