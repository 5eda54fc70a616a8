//! Names of options and blocks.

use imgc_compiler::schema::ConstraintKind;

use super::{CompletionKind, Cx, Rank, bodies, placeholders};
use crate::facts;
use crate::grammar::{Blk, BlkFrom, Inside, Opt};
use crate::language::Language;

/// Options of every component: below those of the component itself.
const COMMON: &[&str] = &["communicator"];

pub(super) fn complete(cx: &mut Cx<'_>, followed: bool) {
    let inside = cx.place.inside;
    if matches!(inside, Inside::Values) {
        variables(cx, followed);
        return;
    }
    let is_legacy = cx.place.language == Language::Legacy;
    let needed: Vec<&str> = bodies::needed(inside).iter().map(|opt| opt.name).collect();
    for opt in inside.options() {
        let is_ours = is_legacy && is_beyond_packer(opt.name);
        if !cx.place.given.contains_key(opt.name) && !is_idle(cx, &opt) && !is_ours {
            option(cx, &opt, &needed, followed);
        }
    }
    for blk in inside.blocks() {
        if is_legacy && blk.kind == "dynamic" {
            continue;
        }
        let given = cx.place.given.contains_key(blk.kind);
        if blk.repeated() || !given {
            block(cx, &blk, followed);
        }
    }
    if matches!(cx.place.frame(), Some(frame) if frame.kind == "required_plugins") {
        plugins(cx, followed);
    }
    if matches!(cx.place.frame(), Some(frame) if frame.kind == "module") {
        inputs(cx, followed);
    }
}

/// Options that any block may have.
fn is_repetition(name: &str) -> bool {
    matches!(name, "count" | "enabled" | "for_each")
}

/// Whether templates from before HCL lack an option of the language.
fn is_beyond_packer(name: &str) -> bool {
    matches!(
        name,
        "checkpoint" | "continue_on_error" | "count" | "enabled" | "extends" | "for_each" | "on"
    )
}

fn option(cx: &mut Cx<'_>, opt: &Opt, needed: &[&str], followed: bool) {
    let inside = cx.place.inside;
    let group = opt
        .schema()
        .and_then(|attribute| attribute.group.as_deref());
    let rank = if opt.deprecated() || is_excluded(cx, opt) {
        Rank::Last
    } else if needed.contains(&opt.name) {
        Rank::Must
    } else if opt.schema().is_none() && inside.component().is_some() || is_repetition(opt.name) {
        Rank::Rare
    } else if group.is_some_and(|group| COMMON.contains(&group)) {
        Rank::Common
    } else {
        Rank::Usual
    };
    let (text, snippet) = option_text(cx, opt, followed);
    let mut detail = opt.ty();
    if rank == Rank::Must {
        detail.push_str(", required");
    }
    let documentation = facts::option_facts(inside, opt);
    let item = cx.push(rank, CompletionKind::Option, opt.name, text);
    item.snippet = snippet;
    item.detail = Some(detail);
    item.documentation = (!documentation.is_empty()).then_some(documentation);
    item.deprecated = opt.deprecated();
    item.again = snippet;
}

fn option_text(cx: &Cx<'_>, opt: &Opt, followed: bool) -> (String, bool) {
    if followed {
        return (key(cx, opt.name), false);
    }
    match cx.place.language {
        Language::Hcl => {
            let value = placeholders::value(opt, 1);
            (format!("{} = {value}", opt.name), true)
        }
        _ if cx.is_quoted() => (opt.name.to_owned(), false),
        Language::Toml => (format!("{} = {}", opt.name, placeholders::plain(opt)), true),
        Language::Json | Language::Legacy => (
            format!("\"{}\": {}", opt.name, placeholders::plain(opt)),
            true,
        ),
    }
}

/// A key alone, quoted where the language wants it and it is not.
fn key(cx: &Cx<'_>, name: &str) -> String {
    let quotes = matches!(cx.place.language, Language::Json | Language::Legacy) && !cx.is_quoted();
    match quotes {
        true => format!("\"{name}\""),
        false => name.to_owned(),
    }
}

fn block(cx: &mut Cx<'_>, blk: &Blk, followed: bool) {
    let rank = match (blk.deprecated(), blk.required(), blk.from) {
        (true, ..) => Rank::Last,
        (_, true, _) => Rank::Must,
        (_, _, BlkFrom::Core(core)) if core.kind == "dynamic" => Rank::Rare,
        _ => Rank::Usual,
    };
    let (text, snippet) = match (cx.place.language, followed) {
        (Language::Hcl, false) => {
            let text = match blk.from {
                BlkFrom::Core(core) => format!("{} {}", core.kind, core.snippet),
                BlkFrom::Schema(schema) => {
                    format!(
                        "{} {}",
                        blk.kind,
                        bodies::body(Inside::Options(&schema.body), 1)
                    )
                }
            };
            (text, true)
        }
        (_, true) => (key(cx, blk.kind), false),
        _ if cx.is_quoted() => (blk.kind.to_owned(), false),
        (Language::Toml, _) => (format!("{} = {{ $1 }}", blk.kind), true),
        _ => (format!("\"{}\": {{$1}}", blk.kind), true),
    };
    let documentation = facts::block(blk);
    let item = cx.push(rank, CompletionKind::Block, blk.kind, text);
    item.snippet = snippet;
    item.detail = Some(match blk.required() {
        true => "block, required".to_owned(),
        false => "block".to_owned(),
    });
    item.documentation = Some(documentation);
    item.deprecated = blk.deprecated();
}

/// Whether an option belongs to a way of reaching the machine that is not the one taken.
fn is_idle(cx: &Cx<'_>, opt: &Opt) -> bool {
    let given = cx.place.given.get("communicator");
    let Some(communicator) = given.and_then(Option::as_deref) else {
        return false;
    };
    let group = opt
        .schema()
        .and_then(|attribute| attribute.group.as_deref());
    group == Some("communicator")
        && match communicator {
            "ssh" => opt.name.starts_with("winrm_"),
            "winrm" => opt.name.starts_with("ssh_"),
            "none" => opt.name.starts_with("ssh_") || opt.name.starts_with("winrm_"),
            _ => false,
        }
}

/// Whether what is given excludes an option.
fn is_excluded(cx: &Cx<'_>, opt: &Opt) -> bool {
    let Some((_, component)) = cx.place.inside.component() else {
        return false;
    };
    component.constraints.iter().any(|constraint| {
        constraint.kind == ConstraintKind::NotTogether
            && constraint.attributes.iter().any(|name| name == opt.name)
            && constraint
                .attributes
                .iter()
                .any(|name| cx.place.given.contains_key(name.as_str()))
    })
}

/// In a file of values: the variables that the template declares.
fn variables(cx: &mut Cx<'_>, followed: bool) {
    let Some(template) = cx.template.clone() else {
        return;
    };
    for (name, variable) in &template.compilation.module.variables {
        if cx.place.given.contains_key(name.as_str()) {
            continue;
        }
        let has_default = variable.default.is_some();
        let rank = if has_default { Rank::Usual } else { Rank::Must };
        let value = crate::index::literal_type(variable);
        let text = match (cx.place.language, followed) {
            (_, true) => key(cx, name),
            (Language::Hcl | Language::Toml, _) => format!("{name} = {value}"),
            _ if cx.is_quoted() => name.to_string(),
            _ => format!("\"{name}\": {value}"),
        };
        let documentation = crate::hover::variable(&template, 0, name);
        let item = cx.push(rank, CompletionKind::Variable, name.as_str(), text);
        item.snippet = !followed;
        item.documentation = documentation;
    }
}

/// In a `module` block: the variables of the template it uses.
fn inputs(cx: &mut Cx<'_>, followed: bool) {
    let (Some(template), Some(frame)) = (cx.template.clone(), cx.place.frame()) else {
        return;
    };
    let Some(called) = frame
        .labels
        .first()
        .and_then(|name| template.compilation.calls.get(name.as_str()))
    else {
        return;
    };
    let unit = called + 1;
    let Some(module) = template.module(unit) else {
        return;
    };
    for (name, variable) in &module.variables {
        if cx.place.given.contains_key(name.as_str()) {
            continue;
        }
        let has_default = variable.default.is_some();
        let rank = if has_default { Rank::Usual } else { Rank::Must };
        let text = match followed || !cx.is_hcl() {
            true => key(cx, name),
            false => format!("{name} = $1"),
        };
        let snippet = text.contains('$');
        let documentation = crate::hover::variable(&template, unit, name);
        let item = cx.push(rank, CompletionKind::Variable, name.as_str(), text);
        item.snippet = snippet;
        item.documentation = documentation;
    }
}

/// The plugins of the catalogue.
fn plugins(cx: &mut Cx<'_>, followed: bool) {
    for plugin in imgc_compiler::schema::plugins() {
        let Some((_, name)) = plugin.split_once('/') else {
            continue;
        };
        if cx.place.given.contains_key(name) {
            continue;
        }
        let text = match followed || !cx.is_hcl() {
            true => key(cx, name),
            false => format!(
                "{name} = {{\n  source  = \"github.com/{plugin}\"\n  version = \"${{1:>= 1.0.0}}\"\n}}"
            ),
        };
        let snippet = text.contains('$');
        let item = cx.push(Rank::Usual, CompletionKind::Option, name, text);
        item.snippet = snippet;
        item.detail = Some(plugin.to_owned());
    }
}
