//! What stands where a value will be written.

use imgc_compiler::types::Type;

use crate::grammar::{From, Opt};

/// The placeholder of an option's value, as a snippet; `at` is its number.
pub(super) fn value(opt: &Opt, at: usize) -> String {
    match opt.from {
        From::Core(option) if at == 1 => option.value.to_owned(),
        From::Core(option) => option
            .value
            .replace("$1", &format!("${at}"))
            .replace("${1", &format!("${{{at}")),
        From::Schema(attribute) => {
            if !attribute.values.is_empty() && attribute.ty == Type::String {
                let words: Vec<String> = attribute.values.iter().map(|v| choice(v)).collect();
                return format!("\"${{{at}|{}|}}\"", words.join(","));
            }
            if attribute.ty == Type::Bool {
                let usual = attribute
                    .default
                    .as_ref()
                    .and_then(|default| default.as_bool());
                return format!("${{{at}:{}}}", !usual.unwrap_or(false));
            }
            if attribute.is_duration() {
                return format!("\"${{{at}:5m}}\"");
            }
            of_type(&attribute.ty, at)
        }
    }
}

fn of_type(ty: &Type, at: usize) -> String {
    match ty {
        Type::String => format!("\"${at}\""),
        Type::Number => format!("${{{at}:0}}"),
        Type::Bool => format!("${{{at}:true}}"),
        Type::List(element) | Type::Set(element) if **element == Type::String => {
            format!("[\"${at}\"]")
        }
        Type::List(_) | Type::Set(_) | Type::Tuple(_) => format!("[${at}]"),
        Type::Map(_) | Type::Object(_) => format!("{{\n  ${at}\n}}"),
        Type::Any | Type::Error => format!("${at}"),
    }
}

/// The same for JSON and TOML, without what is no plain data.
pub(super) fn plain(opt: &Opt) -> String {
    match opt.ty().as_str() {
        "bool" => "${1:true}".to_owned(),
        "number" => "${1:0}".to_owned(),
        ty if ty.starts_with("list(string") || ty.starts_with("set(string") => {
            "[\"$1\"]".to_owned()
        }
        ty if ty.starts_with("list") || ty.starts_with("set") || ty.starts_with("tuple") => {
            "[$1]".to_owned()
        }
        ty if ty.starts_with("map") || ty.starts_with("object") => "{$1}".to_owned(),
        _ => "\"$1\"".to_owned(),
    }
}

/// A word of a snippet's choice.
fn choice(word: &str) -> String {
    let mut out = escape(word);
    out = out.replace(',', "\\,").replace('|', "\\|");
    out
}

/// A text as it stands in a snippet.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '$' | '}' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A value without placeholders, for texts that are no snippets.
pub(super) fn empty(opt: &Opt) -> String {
    emptied(&value(opt, 1))
}

/// A snippet's text as it is before anything is filled in.
pub(super) fn emptied(snippet: &str) -> String {
    let mut out = String::new();
    let mut rest = snippet;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(inner) = rest.strip_prefix('{') {
            let end = inner.find('}').unwrap_or(inner.len());
            let body = &inner[..end];
            let shown = match body.split_once(':') {
                Some((_, shown)) => shown,
                None => body.split_once('|').map_or("", |(_, words)| {
                    words.split([',', '|']).next().unwrap_or_default()
                }),
            };
            out.push_str(shown);
            rest = inner.get(end + 1..).unwrap_or_default();
        } else {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        }
    }
    out.push_str(rest);
    out
}
