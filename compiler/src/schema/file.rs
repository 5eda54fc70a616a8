//! The files of the catalogue: JSON text to a [`Component`].

use std::sync::Arc;

use indexmap::IndexMap;
use serde::Deserialize;
use smol_str::SmolStr;

use super::{
    Attribute, BlockSchema, BodySchema, Component, Constraint, Reads, Required, component, renames,
};
use crate::components::ComponentKind;
use crate::types::Type;

pub(super) fn parse(kind: ComponentKind, name: &str, text: &str) -> Component {
    let file: FileJson = serde_json::from_str(text).expect("the catalogue is checked by a test");
    let mut body = body_schema(file.attributes, file.blocks);
    for (old, successor) in renames::of(kind, name) {
        // Only where the component has what takes its place, and the old name has no other meaning.
        let replaced = successor.name().is_none_or(|new| body.has(new));
        let old_meaning = body.attributes.get(old).is_some_and(|a| !a.deprecated);
        if replaced && !old_meaning {
            body.renamed.insert(old.into(), successor);
        }
    }
    for removed in file.removed {
        remove(&mut body, &removed.name, type_of(&removed.ty));
    }
    if kind == ComponentKind::Builder && body.attributes.contains_key("ssh_host") {
        // Options of imgc's own ssh communicator, where a builder has one.
        let common =
            component(ComponentKind::Communicator, "common").expect("the catalogue has it");
        for (option, attribute) in &common.body.attributes {
            body.attributes
                .entry(option.clone())
                .or_insert_with(|| attribute.clone());
        }
    }
    Component {
        name: name.into(),
        plugin: file.plugin,
        version: file.version,
        incomplete: file.incomplete || file.older_copy,
        body,
        constraints: file.constraints,
        json_only: file.json_only,
        generated_data: file.generated_data,
        outputs: typed(file.outputs),
        communicator: file.communicator,
    }
}

/// Notes an option of older versions, by its dotted path.
fn remove(body: &mut BodySchema, path: &str, ty: Type) {
    match path.split_once('.') {
        Some((block, rest)) => {
            if let Some(block) = body.blocks.get_mut(block) {
                remove(&mut block.body, rest, ty);
            }
        }
        None => {
            body.removed.insert(path.into(), ty);
        }
    }
}

fn typed(list: Vec<TypedJson>) -> IndexMap<SmolStr, Type> {
    list.into_iter()
        .map(|typed| (typed.name, type_of(&typed.ty)))
        .collect()
}

#[derive(Deserialize)]
struct FileJson {
    #[serde(default)]
    plugin: Option<SmolStr>,
    #[serde(default)]
    version: Option<SmolStr>,
    #[serde(default)]
    incomplete: bool,
    #[serde(default)]
    older_copy: bool,
    attributes: Vec<AttributeJson>,
    #[serde(default)]
    blocks: Vec<BlockJson>,
    #[serde(default)]
    constraints: Vec<Constraint>,
    #[serde(default)]
    removed: Vec<TypedJson>,
    #[serde(default)]
    json_only: Vec<SmolStr>,
    #[serde(default)]
    generated_data: Vec<SmolStr>,
    #[serde(default)]
    outputs: Vec<TypedJson>,
    #[serde(default)]
    communicator: Option<SmolStr>,
}

#[derive(Deserialize)]
struct TypedJson {
    name: SmolStr,
    #[serde(rename = "type")]
    ty: SmolStr,
}

#[derive(Deserialize)]
struct AttributeJson {
    name: SmolStr,
    #[serde(rename = "type")]
    ty: SmolStr,
    #[serde(default)]
    also: Option<SmolStr>,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    required_by: Option<SmolStr>,
    #[serde(default)]
    newly_required: bool,
    #[serde(default)]
    required_unless: Vec<SmolStr>,
    #[serde(default)]
    required_when: Option<WhenJson>,
    #[serde(default)]
    env: Vec<SmolStr>,
    #[serde(default)]
    deprecated: bool,
    #[serde(default)]
    sensitive: bool,
    #[serde(default)]
    values: Vec<serde_json::Value>,
    #[serde(default)]
    default: Option<serde_json::Value>,
    #[serde(default)]
    format: Option<SmolStr>,
    #[serde(default)]
    group: Option<SmolStr>,
    #[serde(default)]
    reads: Option<Reads>,
    #[serde(default)]
    doc: Option<SmolStr>,
}

#[derive(Deserialize)]
struct WhenJson {
    communicator: SmolStr,
}

#[derive(Deserialize)]
struct BlockJson {
    name: SmolStr,
    nesting: SmolStr,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    required_by: Option<SmolStr>,
    #[serde(default)]
    newly_required: bool,
    #[serde(default)]
    required_unless: Vec<SmolStr>,
    #[serde(default)]
    deprecated: bool,
    #[serde(default)]
    attributes: Vec<AttributeJson>,
    #[serde(default)]
    blocks: Vec<BlockJson>,
}

fn body_schema(attributes: Vec<AttributeJson>, blocks: Vec<BlockJson>) -> BodySchema {
    let attributes: IndexMap<_, _> = attributes
        .into_iter()
        .map(AttributeJson::into_schema)
        .collect();
    let renamed = attributes
        .keys()
        .filter_map(|name: &SmolStr| Some((name.clone(), renames::in_block(name)?)))
        .collect();
    BodySchema {
        attributes,
        blocks: blocks.into_iter().map(BlockJson::into_schema).collect(),
        renamed,
        ..BodySchema::default()
    }
}

fn required(required: bool, by: Option<&str>, newly: bool) -> Required {
    match (required, by, newly) {
        (false, ..) => Required::No,
        (true, _, true) => Required::Newly,
        (true, Some("tag"), _) => Required::Tagged,
        (true, ..) => Required::Yes,
    }
}

impl AttributeJson {
    fn into_schema(self) -> (SmolStr, Attribute) {
        let attribute = Attribute {
            ty: type_of(&self.ty),
            also: self.also.as_deref().map(type_of),
            required: required(
                self.required,
                self.required_by.as_deref(),
                self.newly_required,
            ),
            required_unless: self.required_unless,
            required_when: self.required_when.map(|when| when.communicator),
            env: self.env,
            deprecated: self.deprecated,
            sensitive: self.sensitive,
            values: self
                .values
                .iter()
                .map(|value| {
                    value
                        .as_str()
                        .map_or_else(|| value.to_string().into(), SmolStr::from)
                })
                .collect(),
            default: self.default,
            duration: self.format.as_deref() == Some("duration"),
            group: self.group,
            reads: self.reads,
            doc: self.doc,
        };
        (self.name, attribute)
    }
}

impl BlockJson {
    fn into_schema(self) -> (SmolStr, BlockSchema) {
        let block = BlockSchema {
            repeated: self.nesting == "list",
            required: required(
                self.required,
                self.required_by.as_deref(),
                self.newly_required,
            ),
            required_unless: self.required_unless,
            deprecated: self.deprecated,
            body: body_schema(self.attributes, self.blocks),
        };
        (self.name, block)
    }
}

/// The type a catalogue file names: `string`, `list(T)`, `map(T)`, `object({name=T, …})`, `any`.
fn type_of(text: &str) -> Type {
    let inner = |prefix: &str, suffix: &str| {
        text.strip_prefix(prefix)
            .and_then(|rest| rest.strip_suffix(suffix))
    };
    match text {
        "string" => Type::String,
        "number" => Type::Number,
        "bool" => Type::Bool,
        _ => {
            if let Some(element) = inner("list(", ")") {
                Type::List(Arc::new(type_of(element)))
            } else if let Some(element) = inner("map(", ")") {
                Type::Map(Arc::new(type_of(element)))
            } else if let Some(members) = inner("object({", "})") {
                object_type(members).unwrap_or(Type::Any)
            } else {
                Type::Any
            }
        }
    }
}

/// `name=T, name=T`, where commas inside brackets belong to a member's type.
fn object_type(text: &str) -> Option<Type> {
    let mut members = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut depth = 0i32;
        let end = rest
            .find(|c: char| {
                match c {
                    '(' | '{' => depth += 1,
                    ')' | '}' => depth -= 1,
                    _ => {}
                }
                c == ',' && depth == 0
            })
            .unwrap_or(rest.len());
        let (name, ty) = rest[..end].split_once('=')?;
        members.push((SmolStr::from(name.trim()), type_of(ty.trim())));
        rest = rest[end..].trim_start_matches([',', ' ']);
    }
    Some(Type::object(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_the_catalogue_are_read() {
        assert_eq!(
            type_of("list(map(string))"),
            Type::list(Type::Map(Arc::new(Type::String)))
        );
        let object = type_of("map(object({id=string, tags=map(string), size=number}))");
        let Type::Map(object) = object else {
            panic!("{object:?}")
        };
        assert_eq!(
            *object,
            Type::object([
                ("id", Type::String),
                ("tags", Type::Map(Arc::new(Type::String))),
                ("size", Type::Number)
            ])
        );
    }
}
