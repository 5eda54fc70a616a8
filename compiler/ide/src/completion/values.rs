//! Values of options.

use imgc_compiler::types::Type;

use super::{CompletionKind, Cx, Rank, functions, members, texts};
use crate::analysis::Cancellable;
use crate::grammar::{From, Inside, Opt};
use crate::language::Language;
use crate::place::{Form, Steps, Value};

pub(super) fn complete(cx: &mut Cx<'_>, value: &Value) -> Cancellable<()> {
    let opt = match value.keys.is_empty() {
        true => cx.place.inside.option(&value.option),
        false => None,
    };
    match &value.form {
        Form::Expression {
            steps,
            called,
            in_text,
        } => expression(cx, value, opt.as_ref(), steps, *called, *in_text),
        Form::Text { before, content } => {
            texts::complete(cx, value, opt.as_ref(), before, *content)?;
        }
        Form::ObjectKey => object_key(cx, value),
    }
    Ok(())
}

fn expression(
    cx: &mut Cx<'_>,
    value: &Value,
    opt: Option<&Opt>,
    steps: &Steps,
    called: bool,
    in_text: bool,
) {
    if !steps.is_start() {
        if let Some(steps) = steps.plain() {
            members::members(cx, &steps);
        }
        return;
    }
    if is_type(cx, value) {
        for word in crate::grammar::TYPES {
            cx.push(Rank::Fits, CompletionKind::Keyword, *word, *word);
        }
        return;
    }
    if !in_text {
        fitting(cx, value, opt);
    }
    if matches!(cx.place.inside, Inside::Values) || in_plugins(cx) {
        // Values of files and plugins are constants.
        return;
    }
    members::roots(cx, &value.bound);
    functions::complete(cx, called);
}

fn is_type(cx: &Cx<'_>, value: &Value) -> bool {
    value.option == "type"
        && cx.place.language == Language::Hcl
        && matches!(cx.place.inside, Inside::Core(core) if core.name == "variable")
}

fn in_plugins(cx: &Cx<'_>) -> bool {
    matches!(cx.place.inside, Inside::Core(core) if core.name == "required_plugins")
}

/// Values that just this option takes.
fn fitting(cx: &mut Cx<'_>, value: &Value, opt: Option<&Opt>) {
    if let Some(opt) = opt.filter(|_| value.whole) {
        let is_text = opt.schema().is_some_and(|attribute| {
            attribute.ty == Type::String || attribute.ty.element() == Some(&Type::String)
        });
        let default = opt.schema().and_then(|attribute| attribute.default);
        for word in opt.values() {
            let is_default = default.as_ref().and_then(|default| default.as_str()) == Some(word);
            let text = match is_text {
                true => format!("\"{word}\""),
                false => word.to_owned(),
            };
            let item = cx.push(Rank::Must, CompletionKind::Value, text.clone(), text);
            item.detail = is_default.then(|| "default".to_owned());
            item.filter = Some(word.to_owned());
        }
        let is_bool = match opt.from {
            From::Core(option) => option.ty == "bool" && option.values.is_empty(),
            From::Schema(attribute) => attribute.ty == Type::Bool,
        };
        if is_bool {
            words(cx, Rank::Must, &["true", "false"]);
        }
    } else {
        words(cx, Rank::Rare, &["true", "false"]);
    }
    words(cx, Rank::Last, &["null"]);
    if value.whole && value.in_list {
        for text in texts::names(cx, value) {
            let quoted = format!("\"{text}\"");
            let item = cx.push(Rank::Must, CompletionKind::Source, quoted.clone(), quoted);
            item.filter = Some(text);
        }
    }
}

fn words(cx: &mut Cx<'_>, rank: Rank, words: &[&str]) {
    for word in words {
        cx.push(rank, CompletionKind::Keyword, *word, *word);
    }
}

/// Keys of objects whose keys are known.
fn object_key(cx: &mut Cx<'_>, value: &Value) {
    if value.option == "override" && value.keys.is_empty() {
        let Some(template) = cx.template.clone() else {
            return;
        };
        for (ty, name) in template.compilation.module.sources.keys() {
            let label = format!("\"{ty}.{name}\"");
            cx.push(Rank::Fits, CompletionKind::Source, label.clone(), label);
        }
        return;
    }
    if in_plugins(cx) {
        for word in ["source", "version"] {
            cx.push(Rank::Fits, CompletionKind::Option, word, word);
        }
        return;
    }
    // `override = { "TYPE.NAME" = { … } }`: options of the component.
    if value.option == "override" && value.keys.len() == 1 {
        for opt in cx.place.inside.options() {
            if opt.schema().is_some() {
                let item = cx.push(Rank::Usual, CompletionKind::Option, opt.name, opt.name);
                item.detail = Some(opt.ty());
            }
        }
        return;
    }
    let opt = cx.place.inside.option(&value.option);
    let ty = opt.and_then(|opt| opt.schema().map(|attribute| &attribute.ty));
    let mut ty = ty.cloned();
    for key in &value.keys {
        ty = match ty {
            Some(Type::Object(object)) => object.attributes.get(key.as_str()).map(|a| a.ty.clone()),
            Some(Type::Map(element)) => Some((*element).clone()),
            _ => None,
        };
    }
    while let Some(Type::List(element) | Type::Set(element)) = ty {
        ty = Some((*element).clone());
    }
    if let Some(Type::Object(object)) = ty {
        for (name, attribute) in &object.attributes {
            let item = cx.push(Rank::Fits, CompletionKind::Option, &**name, &**name);
            item.detail = Some(attribute.ty.to_string());
        }
    }
}
