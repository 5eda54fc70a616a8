//! Values as Packer's console shows them: a text bare, collections over several lines.

use std::fmt::Write as _;

use imgc_compiler::value::{Data, Value};

use crate::terminal::harmless;

const SENSITIVE: &str = "<sensitive>";
const UNKNOWN: &str = "<unknown>";

/// The value as text, without a line end.
pub(crate) fn value(value: &Value) -> String {
    match value.as_str() {
        Some(text) if !value.is_sensitive() => harmless(text).into_owned(),
        _ => match word(value) {
            Some(word) => word.to_owned(),
            None => nested(value),
        },
    }
}

/// A line for each name, in their order; the value like a text that holds what the console shows, as Packer has it.
pub(crate) fn list<'a>(kind: &str, values: impl Iterator<Item = (&'a str, &'a Value)>) -> String {
    let mut lines: Vec<String> = values
        .map(|(name, of)| {
            let mut line = format!("{kind}.{name}: ");
            quote(&value(of), &mut line);
            line.push('\n');
            line
        })
        .collect();
    lines.sort();
    lines.concat()
}

fn nested(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out
}

fn word(value: &Value) -> Option<&'static str> {
    // An error has been complained about where it was made.
    match value.data() {
        _ if value.is_sensitive() => Some(SENSITIVE),
        _ if value.is_error() || !value.is_known() => Some(UNKNOWN),
        _ => None,
    }
}

fn write(value: &Value, depth: usize, out: &mut String) {
    if let Some(word) = word(value) {
        return quote(word, out);
    }
    match value.data() {
        Data::Unknown(_) => quote(UNKNOWN, out),
        Data::Null(_) => out.push_str("null"),
        Data::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Data::Number(number) => write!(out, "{number}").expect("strings take all text"),
        Data::String(text) => quote(text, out),
        Data::List(_, elements) | Data::Set(_, elements) | Data::Tuple(elements) => {
            if elements.is_empty() {
                return out.push_str("[]");
            }
            out.push('[');
            for element in elements.iter() {
                line(depth + 1, out);
                write(element, depth + 1, out);
                out.push(',');
            }
            line(depth, out);
            out.push(']');
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            if entries.is_empty() {
                return out.push_str("{}");
            }
            out.push('{');
            for (key, element) in entries.iter() {
                line(depth + 1, out);
                quote(key, out);
                out.push_str(" = ");
                write(element, depth + 1, out);
            }
            line(depth, out);
            out.push('}');
        }
    }
}

fn line(depth: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => {
                write!(out, "\\u{:04x}", control as u32).expect("strings take all text");
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
}
