//! Labels of blocks: types of components, names that are known.

use imgc_compiler::components::ComponentKind;
use imgc_compiler::schema;

use super::{CompletionKind, Cx, Rank, bodies};
use crate::facts;
use crate::grammar::Inside;

pub(super) fn complete(cx: &mut Cx<'_>, kind: &str, before: &[String], quoted: bool) {
    let parent = cx.place.inside;
    let is_top = matches!(parent, Inside::Core(core) if core.name.is_empty());
    let of = match (kind, before.len()) {
        ("source", 0) if is_top => ComponentKind::Builder,
        ("data", 0) => ComponentKind::DataSource,
        ("provisioner" | "error-cleanup-provisioner", 0) => ComponentKind::Provisioner,
        ("post-processor", 0) => ComponentKind::PostProcessor,
        ("source", 0) => return sources(cx, quoted),
        ("provisioners", 0) if !is_top => return groups(cx, quoted),
        ("dynamic", 0) => return dynamic(cx, quoted),
        _ => return,
    };
    let rest = rest_of_line(cx);
    for name in schema::names(of) {
        let Some(component) = schema::component(of, name) else {
            continue;
        };
        let runs = cx.analysis.has(of, name);
        let inside = Inside::Component(of, component);
        let documentation = facts::component(of, component);
        let rank = if runs { Rank::Usual } else { Rank::Common };
        let (range, text, snippet) = match rest.filter(|_| cx.is_hcl()) {
            // Nothing stands behind it: the whole block is written.
            Some(end) => {
                let open = if quoted { "" } else { "\"" };
                let second = matches!(of, ComponentKind::Builder | ComponentKind::DataSource);
                let name_label = if second { " \"${1:name}\"" } else { "" };
                let first = if second { 2 } else { 1 };
                let body = bodies::body(inside, first);
                let range = crate::text::TextRange::new(cx.place.range.start, end);
                (range, format!("{open}{name}\"{name_label} {body}"), true)
            }
            None => (cx.place.range, label(cx, name, quoted), false),
        };
        let item = cx.push_at(range, rank, CompletionKind::Component, name, text);
        item.snippet = snippet;
        item.detail = Some(match runs {
            true => of.word().to_owned(),
            false => format!("{}, imgc cannot run it", of.word()),
        });
        item.documentation = Some(documentation);
    }
}

/// A label with quotes, where there are none yet.
fn label(cx: &Cx<'_>, name: &str, quoted: bool) -> String {
    match quoted || cx.is_hcl() && followed_by_quote(cx) {
        true => name.to_owned(),
        false => format!("\"{name}\""),
    }
}

fn followed_by_quote(cx: &Cx<'_>) -> bool {
    cx.text[cx.place.range.end as usize..].starts_with('"')
}

/// Where the line ends, if nothing but a quote stands between it and the label.
fn rest_of_line(cx: &Cx<'_>) -> Option<u32> {
    let rest = &cx.text[cx.place.range.end as usize..];
    let line = rest.split('\n').next().unwrap_or_default();
    let behind = line.strip_prefix('"').unwrap_or(line);
    let quotes = (line.len() - behind.len()) as u32;
    behind
        .trim()
        .is_empty()
        .then_some(cx.place.range.end + quotes)
}

/// In a build: the sources of the template.
fn sources(cx: &mut Cx<'_>, quoted: bool) {
    let Some(template) = cx.template.clone() else {
        return;
    };
    for (ty, name) in template.compilation.module.sources.keys() {
        let text = label(cx, &format!("source.{ty}.{name}"), quoted);
        let shown = format!("source.{ty}.{name}");
        cx.push(Rank::Fits, CompletionKind::Source, shown, text);
    }
}

fn groups(cx: &mut Cx<'_>, quoted: bool) {
    let Some(template) = cx.template.clone() else {
        return;
    };
    for name in template.compilation.module.groups.keys() {
        let text = label(cx, name, quoted);
        cx.push(Rank::Fits, CompletionKind::Block, name.as_str(), text);
    }
}

/// The blocks that a `dynamic` block can make here.
fn dynamic(cx: &mut Cx<'_>, quoted: bool) {
    for blk in cx.place.inside.blocks() {
        if blk.kind != "dynamic" {
            let text = label(cx, blk.kind, quoted);
            cx.push(Rank::Fits, CompletionKind::Block, blk.kind, text);
        }
    }
}
