//! `imgc schema`: what a component accepts.

use std::fmt::Write as _;

use imgc_compiler::components::{ComponentKind, Components as _};
use imgc_compiler::diagnostic::nearest;
use imgc_compiler::schema::{self, BodySchema, Component, Required};
use serde_json::{Value, json};

use crate::args::SchemaArgs;
use crate::component_pages::heading;
use crate::components;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::schema_rows::{block_notes, is_common, remarks, rows};
use crate::terminal::{Look, Style, Terminal, print};

use super::json_text;

pub(super) fn run(args: &SchemaArgs, terminal: Terminal) -> Outcome {
    let text = match &args.name {
        None => list(&schema::KINDS, args.json),
        Some(name) => match kind_of(name) {
            Some(kind) => list(&[kind], args.json),
            None => {
                let found = find(name)?;
                match args.json {
                    true => json_text(&Value::Array(found.iter().map(in_json).collect())),
                    false => found
                        .iter()
                        .map(|found| in_text(found, args.all, terminal.out))
                        .collect::<Vec<_>>()
                        .join("\n"),
                }
            }
        },
    };
    print(&text)?;
    Ok(Exit::Done)
}

type Found = (ComponentKind, &'static Component);

/// The kind a word means, in the words of templates and of the catalogue.
fn kind_of(word: &str) -> Option<ComponentKind> {
    let word = word.trim_end_matches('s');
    schema::KINDS.into_iter().find(|kind| {
        let aliases: &[&str] = match kind {
            ComponentKind::Builder => &["builder", "source"],
            ComponentKind::DataSource => &["datasource", "data", "data-source"],
            _ => &[],
        };
        schema::directory(*kind) == word || aliases.contains(&word)
    })
}

/// All components of a name, `amazon-ebs` or `builder/amazon-ebs`.
fn find(name: &str) -> Result<Vec<Found>, Failure> {
    let (kinds, short) = match name.split_once('/') {
        Some((kind, short)) => match kind_of(kind) {
            Some(kind) => (vec![kind], short),
            None => (Vec::new(), short),
        },
        None => (schema::KINDS.to_vec(), name),
    };
    let found: Vec<Found> = kinds
        .iter()
        .filter_map(|kind| Some((*kind, schema::component(*kind, short)?)))
        .collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let failure = Failure::usage(format!("there is no component `{name}`"));
    let kinds = if kinds.is_empty() {
        schema::KINDS.to_vec()
    } else {
        kinds
    };
    let near = nearest(short, kinds.iter().flat_map(|kind| schema::names(*kind)));
    Err(match near {
        Some(near) => failure.help(format!("did you mean `imgc schema {near}`?")),
        None => failure.help("`imgc schema` lists all of them"),
    })
}

fn list(kinds: &[ComponentKind], json: bool) -> String {
    let registry = components::registry();
    if json {
        let all = kinds.iter().flat_map(|kind| {
            schema::names(*kind).map(|name| {
                json!({ "kind": schema::directory(*kind), "type": name, "runs": registry.has(*kind, name) })
            })
        });
        return json_text(&Value::Array(all.collect()));
    }
    let mut out = String::new();
    for kind in kinds {
        let _ = writeln!(out, "{} (`*`: this version can run it)", heading(*kind));
        for name in schema::names(*kind) {
            let mark = if registry.has(*kind, name) { '*' } else { ' ' };
            let _ = writeln!(out, "{mark} {name}");
        }
        out.push('\n');
    }
    out.push_str("`imgc schema NAME` shows what one of them accepts.\n");
    out
}

fn in_text((kind, component): &Found, all: bool, look: Look) -> String {
    let mut out = String::new();
    let title = format!("{} {}", kind.word(), component.name);
    let _ = writeln!(out, "{}", look.paint(Style::Strong, &title));
    let from = match &component.plugin {
        Some(plugin) => format!("of the plugin {plugin}"),
        None => "needs no plugin".to_owned(),
    };
    let version = component.version.as_deref().unwrap_or("unknown");
    let _ = writeln!(
        out,
        "{}\n",
        look.paint(Style::Faint, &format!("{from}; facts of version {version}"))
    );
    let with_communicator = all || *kind != ComponentKind::Builder;
    body(&component.body, with_communicator, 0, look, &mut out);
    let common = component.body.attributes.iter();
    if !with_communicator && common.clone().any(|(name, a)| is_common(name, a)) {
        out.push_str("and options of communicators, which `-all` shows\n");
    }
    for remark in remarks(component) {
        let _ = writeln!(out, "{}", remark.replace('`', ""));
    }
    if !component.outputs.is_empty() {
        let _ = writeln!(out, "\n{}", look.paint(Style::Strong, "outputs"));
        for (name, ty) in &component.outputs {
            let _ = writeln!(out, "  {}  {ty}", look.paint(Style::Name, name));
        }
    }
    out
}

fn body(schema: &BodySchema, with_communicator: bool, depth: usize, look: Look, out: &mut String) {
    let indent = "  ".repeat(depth + 1);
    let rows = rows(schema, with_communicator);
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let types = rows.iter().map(|row| row.ty.len()).max().unwrap_or(0);
    for row in rows {
        let name = look.paint(Style::Name, &row.name);
        let pad = " ".repeat(width - row.name.len());
        let mut about = Vec::new();
        match row.needed.as_str() {
            "" => {}
            "yes" => about.push("needed".to_owned()),
            needed => about.push(format!("needed {needed}")),
        }
        if !row.default.is_empty() {
            about.push(format!("default {}", row.default));
        }
        about.extend(row.notes);
        let line = format!(
            "{indent}{name}{pad}  {:types$}  {}",
            row.ty,
            about.join("; ").replace('`', "")
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
    for (name, block) in &schema.blocks {
        let notes = look.paint(
            Style::Faint,
            &format!("  {}", block_notes(block).replace('`', "")),
        );
        let _ = writeln!(out, "{indent}{} {{{notes}", look.paint(Style::Name, name));
        body(&block.body, with_communicator, depth + 1, look, out);
        let _ = writeln!(out, "{indent}}}");
    }
}

fn in_json((kind, component): &Found) -> Value {
    let mut json = body_json(&component.body);
    json["kind"] = schema::directory(*kind).into();
    json["type"] = component.name.as_str().into();
    json["plugin"] = component.plugin.as_deref().into();
    json["version"] = component.version.as_deref().into();
    json["runs"] = components::registry().has(*kind, &component.name).into();
    json["rules"] = remarks(component).into();
    json["outputs"] = component
        .outputs
        .iter()
        .map(|(name, ty)| (name.to_string(), Value::from(ty.to_string())))
        .collect();
    json
}

fn body_json(schema: &BodySchema) -> Value {
    let attributes: Vec<Value> = schema
        .attributes
        .iter()
        .map(|(name, attribute)| {
            json!({
                "name": name.as_str(),
                "type": attribute.ty.to_string(),
                "required": attribute.required == Required::Yes,
                "required_unless": attribute.required_unless,
                "required_when": attribute.required_when,
                "default": attribute.default.map(|default| default.json()),
                "values": attribute.values,
                "env": attribute.env,
                "deprecated": attribute.deprecated,
                "sensitive": attribute.sensitive,
                "duration": attribute.is_duration(),
                "group": attribute.group,
            })
        })
        .collect();
    let blocks: Vec<Value> = schema
        .blocks
        .iter()
        .map(|(name, block)| {
            let mut json = body_json(&block.body);
            json["name"] = name.as_str().into();
            json["repeated"] = block.repeated.into();
            json["required"] = (block.required == Required::Yes).into();
            json
        })
        .collect();
    json!({ "attributes": attributes, "blocks": blocks })
}
