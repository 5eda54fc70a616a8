//! Names of values, and what follows their dots.

use imgc_compiler::components::ComponentKind;
use imgc_compiler::schema;
use imgc_compiler::scope::BUILD_MEMBERS;
use imgc_compiler::types::Type;
use imgc_compiler::value::{Data, Value};

use super::{CompletionKind, Cx, Rank};
use crate::facts::shown;
use crate::grammar::Inside;
use crate::template::Template;

/// More names than this are not listed with their root: `var.` lists them.
const MOST: usize = 500;

/// The names an expression can begin with, and what is behind them.
pub(super) fn roots(cx: &mut Cx<'_>, bound: &[String]) {
    for name in bound {
        cx.push(
            Rank::Fits,
            CompletionKind::Variable,
            name.clone(),
            name.clone(),
        );
    }
    let Some(template) = cx.template.clone() else {
        return;
    };
    let module = &template.compilation.module;
    let at = At::of(cx);
    let mut names: Vec<(&str, CompletionKind, bool)> = vec![
        (
            "var",
            CompletionKind::Variable,
            !module.variables.is_empty(),
        ),
        ("path", CompletionKind::Keyword, at >= At::Default),
        ("packer", CompletionKind::Keyword, at >= At::Default),
    ];
    if at >= At::Local {
        names.push(("local", CompletionKind::Local, !module.locals.is_empty()));
        names.push(("data", CompletionKind::Data, !module.data.is_empty()));
        names.push(("module", CompletionKind::Module, !module.modules.is_empty()));
    }
    if at >= At::Everywhere {
        names.push(("source", CompletionKind::Source, true));
        names.push(("build", CompletionKind::Build, true));
        let repeated = |how: &str| cx.place.given.contains_key(how) || outer_has(cx, how);
        let (each, count) = (repeated("for_each"), repeated("count"));
        names.push(("each", CompletionKind::Keyword, each));
        names.push(("count", CompletionKind::Keyword, count));
    }
    for (name, kind, _) in names.into_iter().filter(|(_, _, there)| *there) {
        let item = cx.push(Rank::Common, kind, name, format!("{name}."));
        item.again = true;
    }
    for name in module.variables.keys().take(MOST) {
        let (detail, doc) = variable(&template, name);
        let label = format!("var.{name}");
        let item = cx.push(Rank::Usual, CompletionKind::Variable, label.clone(), label);
        item.detail = detail;
        item.documentation = doc;
    }
    if at >= At::Local {
        for name in module.locals.keys().take(MOST) {
            let label = format!("local.{name}");
            let detail = local(&template, name);
            let item = cx.push(Rank::Usual, CompletionKind::Local, label.clone(), label);
            item.detail = detail;
        }
        for (ty, name) in module.data.keys().take(MOST) {
            let label = format!("data.{ty}.{name}");
            let item = cx.push(Rank::Usual, CompletionKind::Data, label.clone(), label);
            item.again = true;
        }
    }
}

/// Whether a block around is repeated that way: its text says so.
fn outer_has(cx: &Cx<'_>, how: &str) -> bool {
    !cx.place.frames.is_empty() && cx.text.contains(how)
}

/// Which names there are at a place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    Validation,
    Default,
    Local,
    Everywhere,
}

impl At {
    fn of(cx: &Cx<'_>) -> Self {
        let kinds: Vec<&str> = cx.place.frames.iter().map(|f| f.kind.as_str()).collect();
        match kinds[..] {
            ["variable", "validation"] => Self::Validation,
            ["variable", ..] => Self::Default,
            ["locals" | "local" | "output" | "module" | "data", ..] => Self::Local,
            _ => Self::Everywhere,
        }
    }
}

/// What follows a dot.
pub(super) fn members(cx: &mut Cx<'_>, steps: &[&str]) {
    let Some(template) = cx.template.clone() else {
        return;
    };
    let compilation = &template.compilation;
    let module = &compilation.module;
    let names = compilation.names.as_deref();
    match steps {
        ["var"] => {
            for name in module.variables.keys() {
                let (detail, doc) = variable(&template, name);
                let item = cx.push(Rank::Usual, CompletionKind::Variable, &**name, &**name);
                item.detail = detail;
                item.documentation = doc;
            }
        }
        ["local"] => {
            for name in module.locals.keys() {
                let detail = local(&template, name);
                let item = cx.push(Rank::Usual, CompletionKind::Local, &**name, &**name);
                item.detail = detail;
            }
        }
        ["data"] => types(
            cx,
            module.data.keys().map(|(ty, _)| ty.as_str()),
            CompletionKind::Data,
        ),
        ["data", ty] => {
            let of_type = module.data.keys().filter(|(of, _)| of == ty);
            for (_, name) in of_type {
                let item = cx.push(Rank::Usual, CompletionKind::Data, &**name, &**name);
                item.again = true;
            }
        }
        ["data", ty, name] => {
            let component = schema::component(ComponentKind::DataSource, ty);
            for (output, ty) in component.into_iter().flat_map(|found| &found.outputs) {
                let item = cx.push(Rank::Usual, CompletionKind::Member, &**output, &**output);
                item.detail = Some(ty.to_string());
            }
            let value = names
                .and_then(|names| names.data.0.get(*ty)?.get(*name))
                .cloned();
            parts(cx, value.as_ref(), &[]);
        }
        ["source"] => {
            let in_component = cx.place.inside.component().is_some();
            if in_component {
                for (name, doc) in [
                    ("name", "the source's name"),
                    ("type", "the builder"),
                    ("key", "the key of a repeated source"),
                ] {
                    let item = cx.push(Rank::Fits, CompletionKind::Member, name, name);
                    item.detail = Some(doc.to_owned());
                }
            }
            let types_of = module.sources.keys().map(|(ty, _)| ty.as_str());
            types(cx, types_of, CompletionKind::Source);
        }
        ["source", ty] => {
            for (_, name) in module.sources.keys().filter(|(of, _)| of == ty) {
                cx.push(Rank::Usual, CompletionKind::Source, &**name, &**name);
            }
        }
        ["build"] => build(cx, &template),
        ["build", name] if !BUILD_MEMBERS.contains(name) => {
            let item = cx.push(Rank::Usual, CompletionKind::Member, "artifact", "artifact");
            item.again = true;
        }
        ["build", _, "artifact"] => {
            for (name, ty) in ARTIFACT {
                let item = cx.push(Rank::Usual, CompletionKind::Member, *name, *name);
                item.detail = Some((*ty).to_owned());
            }
        }
        ["module"] => {
            for name in module.modules.keys() {
                let item = cx.push(Rank::Usual, CompletionKind::Module, &**name, &**name);
                item.again = true;
            }
        }
        ["module", name, ..] => {
            let unit = compilation.calls.get(*name).map(|at| at + 1);
            if let Some(module) = unit.and_then(|unit| template.module(unit)) {
                for output in module.outputs.keys() {
                    cx.push(Rank::Usual, CompletionKind::Member, &**output, &**output);
                }
            }
        }
        ["path"] => words(cx, &["cwd", "root"]),
        ["packer"] => words(cx, &["version"]),
        ["each"] => words(cx, &["key", "value"]),
        ["count"] => words(cx, &["index"]),
        ["var", name, rest @ ..] => {
            let value = names
                .and_then(|names| names.variables.0.get(*name))
                .cloned();
            parts(cx, value.as_ref(), rest);
        }
        ["local", name, rest @ ..] => {
            let value = names.and_then(|names| names.locals.0.get(*name)).cloned();
            parts(cx, value.as_ref(), rest);
        }
        // The element of a `dynamic` block, by whatever name.
        [name]
            if cx.place.frames.iter().any(|frame| {
                frame.kind == "dynamic" && frame.labels.iter().any(|label| label == name)
            }) =>
        {
            words(cx, &["key", "value"])
        }
        _ => {}
    }
}

/// What an artifact has.
const ARTIFACT: &[(&str, &str)] = &[
    ("builder_id", "string"),
    ("id", "string"),
    ("files", "list(string)"),
];

fn words(cx: &mut Cx<'_>, words: &[&str]) {
    for word in words {
        cx.push(Rank::Usual, CompletionKind::Member, *word, *word);
    }
}

fn types<'t>(cx: &mut Cx<'_>, names: impl Iterator<Item = &'t str>, kind: CompletionKind) {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let item = cx.push(Rank::Usual, kind, name, name);
        item.again = true;
    }
}

fn build(cx: &mut Cx<'_>, template: &Template) {
    let in_build = matches!(
        cx.place.inside,
        Inside::Component(ComponentKind::Provisioner | ComponentKind::PostProcessor, _)
    ) || cx
        .place
        .frames
        .iter()
        .any(|frame| frame.kind == "provisioner");
    if in_build {
        for name in BUILD_MEMBERS {
            let item = cx.push(Rank::Usual, CompletionKind::Member, *name, *name);
            item.detail = Some("of the build that runs".to_owned());
        }
        for (ty, _) in template.compilation.module.sources.keys() {
            let component = schema::component(ComponentKind::Builder, ty);
            for name in component
                .into_iter()
                .flat_map(|found| &found.generated_data)
            {
                if name != "*" {
                    let item = cx.push(Rank::Usual, CompletionKind::Member, &**name, &**name);
                    item.detail = Some(format!("of {ty}"));
                }
            }
        }
    }
    let mut names = Vec::new();
    for declared in template.index().declared(0) {
        if let crate::index::Entity::Build(name) = &declared.key.entity {
            names.push(name.clone());
        }
    }
    for name in names {
        let item = cx.push(
            Rank::Common,
            CompletionKind::Build,
            &*name,
            format!("{name}.artifact."),
        );
        item.again = true;
        item.detail = Some("another build's artifact".to_owned());
    }
}

/// The members of a value, after further steps into it.
fn parts(cx: &mut Cx<'_>, value: Option<&Value>, steps: &[&str]) {
    let Some(value) = value else {
        return;
    };
    if let Some((first, rest)) = steps.split_first() {
        let part = match value.get(first) {
            Some(part) => part.clone(),
            None => match value.ty() {
                Type::Object(object) => match object.attributes.get(*first) {
                    Some(attribute) => Value::unknown(attribute.ty.clone()),
                    None => return,
                },
                _ => return,
            },
        };
        return parts(cx, Some(&part), rest);
    }
    let hidden = value.is_sensitive();
    match value.data() {
        Data::Map(_, entries) | Data::Object(entries) => {
            for (name, part) in entries.iter() {
                // The keys of a secret are a part of it.
                if matches!(value.data(), Data::Map(..)) && hidden {
                    continue;
                }
                let detail = part.ty().to_string();
                let item = cx.push(Rank::Usual, CompletionKind::Member, &**name, &**name);
                item.detail = Some(detail);
            }
        }
        _ => {
            if let Type::Object(object) = value.ty() {
                for (name, attribute) in &object.attributes {
                    let item = cx.push(Rank::Usual, CompletionKind::Member, &**name, &**name);
                    item.detail = Some(attribute.ty.to_string());
                }
            }
        }
    }
}

/// The type of a variable, and what is known of it.
fn variable(template: &Template, name: &str) -> (Option<String>, Option<String>) {
    let names = template.compilation.names.as_deref();
    let value = names.and_then(|names| names.variables.0.get(name));
    let detail = value.map(|value| format!("{} = {}", value.ty(), shown(value)));
    // What is known of each of very many is not worth the time.
    let few = template.compilation.module.variables.len() <= MOST;
    let doc = few.then(|| crate::hover::variable(template, 0, name));
    (detail, doc.flatten())
}

fn local(template: &Template, name: &str) -> Option<String> {
    let names = template.compilation.names.as_deref();
    let value = names.and_then(|names| names.locals.0.get(name))?;
    Some(format!("{} = {}", value.ty(), shown(value)))
}
