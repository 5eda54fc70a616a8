//! Type constraints: the `type` of a variable.

use std::sync::Arc;

use indexmap::IndexMap;
use smol_str::SmolStr;

use super::{AttributeType, ObjectType, Type};
use crate::convert::convert;
use crate::diagnostic::{Certainty, Diagnostic, Edit, nearest, slip};
use crate::eval;
use crate::hir::{Call, Expr, ExprKind};
use crate::value::Value;

const NAMES: [&str; 9] = [
    "string", "number", "bool", "any", "list", "set", "map", "object", "tuple",
];
const HELP: &str = "types are `string`, `number`, `bool`, `any`, `list(…)`, `set(…)`, `map(…)`, `object({…})` and `tuple([…])`";

/// The type written as `expr`: a word, `list(string)`, `object({a = optional(string, "x")})` and so on. As in Packer,
/// `list`, `set` and `map` alone mean any elements, and a simple type may stand in quotes. Where nothing sensible is
/// written, the problem is reported and the type is [`Type::Error`].
pub fn parse_type(expr: &Expr, diagnostics: &mut Vec<Diagnostic>) -> Type {
    match &expr.kind {
        ExprKind::Error => Type::Error,
        ExprKind::Variable(word) => parse_word(word, expr, false, diagnostics),
        ExprKind::Literal(literal) if literal.as_str().is_some() => parse_word(
            literal.as_str().unwrap_or_default(),
            expr,
            true,
            diagnostics,
        ),
        ExprKind::Call(call) => parse_call(call, expr, diagnostics),
        ExprKind::Paren(inner) => parse_type(inner, diagnostics),
        _ => {
            diagnostics.push(
                Diagnostic::error("type/bad-type", expr.span, "this is not a type").help(HELP),
            );
            Type::Error
        }
    }
}

fn parse_word(word: &str, expr: &Expr, quoted: bool, diagnostics: &mut Vec<Diagnostic>) -> Type {
    match word {
        "string" => Type::String,
        "number" => Type::Number,
        "bool" => Type::Bool,
        "any" => Type::Any,
        "list" => Type::list(Type::Any),
        "set" => Type::set(Type::Any),
        "map" => Type::map(Type::Any),
        "object" | "tuple" => {
            let example = match word {
                "object" => "object({ name = string })",
                _ => "tuple([string, number])",
            };
            let message = format!("`{word}` needs to say what it holds");
            diagnostics.push(
                Diagnostic::error("type/bad-type", expr.span, message)
                    .help(format!("write it like `{example}`")),
            );
            Type::Error
        }
        _ => {
            unknown_type(word, expr.span, quoted, diagnostics);
            Type::Error
        }
    }
}

fn unknown_type(
    word: &str,
    span: imgc_syntax::Span,
    quoted: bool,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let message = format!("there is no type `{word}`");
    let diagnostic = Diagnostic::error("type/unknown-type", span, message);
    let meant = match word {
        "boolean" => Some("bool"),
        "int" | "integer" | "uint" | "long" | "float" | "double" => Some("number"),
        "str" | "text" => Some("string"),
        "array" | "slice" => Some("list"),
        "dict" | "dictionary" | "hash" => Some("map"),
        _ => nearest(word, NAMES),
    };
    let certainty = match meant {
        Some(near) if nearest(word, NAMES) == Some(near) => slip(word, near, NAMES),
        _ => Certainty::Certain,
    };
    diagnostics.push(match meant {
        Some(name) if quoted => diagnostic.help(format!("did you mean `{name}`?")),
        Some(name) => diagnostic.help(format!("did you mean `{name}`?")).correct(
            certainty,
            format!("write `{name}`"),
            Edit::replace(span, name),
        ),
        None => diagnostic.help(HELP),
    });
}

fn parse_call(call: &Call, expr: &Expr, diagnostics: &mut Vec<Diagnostic>) -> Type {
    let mut complain = |message: String, help: &str| {
        diagnostics.push(Diagnostic::error("type/bad-type", expr.span, message).help(help));
        Type::Error
    };
    let name = call.name.text.as_str();
    match name {
        "list" | "set" | "map" | "object" | "tuple" => {}
        "optional" => {
            return complain(
                "`optional` may only stand around the type of an object's attribute".to_owned(),
                "write it like `object({ name = optional(string) })`",
            );
        }
        "string" | "number" | "bool" | "any" => {
            return complain(
                format!("the type `{name}` takes no argument"),
                &format!("write `{name}`"),
            );
        }
        _ => {
            unknown_type(name, call.name.span, false, diagnostics);
            return Type::Error;
        }
    }
    let [argument] = call.arguments.as_slice() else {
        return complain(
            format!(
                "`{name}(…)` takes one argument, found {}",
                call.arguments.len()
            ),
            match name {
                "object" => "write it like `object({ name = string })`",
                "tuple" => "write it like `tuple([string, number])`",
                _ => "say the type of the elements, like `list(string)`",
            },
        );
    };
    match (name, &argument.kind) {
        (_, ExprKind::Error) => Type::Error,
        ("list", _) => Type::list(parse_type(argument, diagnostics)),
        ("set", _) => Type::set(parse_type(argument, diagnostics)),
        ("map", _) => Type::map(parse_type(argument, diagnostics)),
        ("tuple", ExprKind::Tuple(elements)) => Type::tuple(
            elements
                .iter()
                .map(|expr| parse_type(expr, diagnostics))
                .collect::<Vec<_>>(),
        ),
        ("object", ExprKind::Object(entries)) => parse_object(entries, diagnostics),
        _ => {
            let (message, help) = match name {
                "tuple" => (
                    "`tuple(…)` takes a list of types in brackets",
                    "write it like `tuple([string, number])`",
                ),
                _ => (
                    "`object(…)` takes attributes with their types in braces",
                    "write it like `object({ name = string })`",
                ),
            };
            diagnostics.push(Diagnostic::error("type/bad-type", argument.span, message).help(help));
            Type::Error
        }
    }
}

fn parse_object(entries: &[(Expr, Expr)], diagnostics: &mut Vec<Diagnostic>) -> Type {
    let mut attributes: IndexMap<SmolStr, AttributeType> = IndexMap::new();
    for (key, ty) in entries {
        let Some(name) = attribute_name(key) else {
            diagnostics.push(
                Diagnostic::error("type/bad-type", key.span, "this is not an attribute's name")
                    .help("write a word, like `object({ name = string })`"),
            );
            continue;
        };
        let attribute = parse_attribute(ty, diagnostics);
        if attributes.insert(name.clone(), attribute).is_some() {
            let message = format!("the attribute `{name}` is here twice");
            diagnostics.push(
                Diagnostic::error("type/repeated-attribute", key.span, message)
                    .help("keep one of them"),
            );
        }
    }
    Type::Object(Arc::new(ObjectType { attributes }))
}

fn attribute_name(key: &Expr) -> Option<SmolStr> {
    match &key.kind {
        ExprKind::Literal(name) => name.as_str().map(SmolStr::new),
        ExprKind::Variable(name) => Some(name.clone()),
        _ => None,
    }
}

fn parse_attribute(expr: &Expr, diagnostics: &mut Vec<Diagnostic>) -> AttributeType {
    let call = match &expr.kind {
        ExprKind::Call(call) if call.name.text == "optional" => call,
        _ => return AttributeType::required(parse_type(expr, diagnostics)),
    };
    let (ty, default) = match call.arguments.as_slice() {
        [ty] => (parse_type(ty, diagnostics), None),
        [ty, default] => {
            let ty = parse_type(ty, diagnostics);
            let default = parse_default(default, &ty, diagnostics);
            (ty, default)
        }
        _ => {
            diagnostics.push(
                Diagnostic::error(
                    "type/bad-type",
                    expr.span,
                    "`optional(…)` takes a type and perhaps a default",
                )
                .help("write it like `optional(string, \"a default\")`"),
            );
            (Type::Error, None)
        }
    };
    AttributeType {
        ty,
        optional: true,
        default,
    }
}

fn parse_default(expr: &Expr, ty: &Type, diagnostics: &mut Vec<Diagnostic>) -> Option<Value> {
    let value = eval::constant(expr, diagnostics);
    match convert(&value, ty) {
        Ok(value) if value.is_error() => None,
        Ok(value) => Some(value),
        Err(error) => {
            let message = format!("the default does not fit: {error}");
            diagnostics.push(
                Diagnostic::error("type/bad-default", expr.span, message)
                    .help(format!("give a value of the type `{ty}`")),
            );
            None
        }
    }
}
