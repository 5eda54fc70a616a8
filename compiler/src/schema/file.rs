//! The files of the catalogue: what they say to a [`Component`].

use std::sync::Arc;

use indexmap::IndexMap;
use smol_str::SmolStr;

use super::{
    Attribute, BlockSchema, BodySchema, Component, Constraint, Format, Required, component, packed,
    renames, secrets,
};
use crate::components::ComponentKind;
use crate::types::Type;

/// A text of the program.
type Text = &'static str;

/// Makes a component of what the program carries of it.
pub(super) fn read(kind: ComponentKind, name: Text, packed: &'static [u8]) -> Component {
    let file: packed::File<Text> =
        postcard::from_bytes(packed).expect("the build script wrote it with the same types");
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
        remove(&mut body, removed.name, type_of(removed.ty));
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
        kind: Some(kind),
        name: text(name),
        plugin: file.plugin.map(text),
        version: file.version.map(text),
        is_fork: false,
        incomplete: file.incomplete || file.older_copy,
        body,
        constraints: file.constraints.into_iter().map(constraint).collect(),
        json_only: texts(file.json_only),
        generated_data: texts(file.generated_data),
        outputs: typed(file.outputs),
        communicator: file.communicator.map(text),
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

fn text(text: Text) -> SmolStr {
    SmolStr::new_static(text)
}

fn texts(list: Vec<Text>) -> Vec<SmolStr> {
    list.into_iter().map(text).collect()
}

fn typed(list: Vec<packed::Typed<Text>>) -> IndexMap<SmolStr, Type> {
    list.into_iter()
        .map(|typed| (text(typed.name), type_of(typed.ty)))
        .collect()
}

fn constraint(constraint: packed::Constraint<Text>) -> Constraint {
    Constraint {
        kind: constraint.kind,
        attributes: texts(constraint.attributes),
    }
}

fn body_schema(
    attributes: Vec<packed::Attribute<Text>>,
    blocks: Vec<packed::Block<Text>>,
) -> BodySchema {
    let attributes: IndexMap<_, _> = attributes.into_iter().map(attribute).collect();
    let renamed = attributes
        .keys()
        .filter_map(|name: &SmolStr| Some((name.clone(), renames::in_block(name)?)))
        .collect();
    BodySchema {
        attributes,
        blocks: blocks.into_iter().map(block).collect(),
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

fn attribute(of: packed::Attribute<Text>) -> (SmolStr, Attribute) {
    let mut attribute = Attribute {
        ty: type_of(of.ty),
        also: None,
        required: Required::No,
        required_unless: Vec::new(),
        required_when: None,
        env: Vec::new(),
        deprecated: false,
        sensitive: false,
        values: Vec::new(),
        default: None,
        format: None,
        least: None,
        most: None,
        group: of.group.map(text),
        reads: None,
        doc: None,
    };
    if let Some(more) = of.more {
        attribute.also = more.also.map(type_of);
        attribute.required = required(more.required, more.required_by, more.newly_required);
        attribute.required_unless = texts(more.required_unless);
        attribute.required_when = more.required_when.map(|when| text(when.communicator));
        attribute.env = texts(more.env);
        attribute.deprecated = more.deprecated;
        attribute.sensitive = more.sensitive;
        attribute.values = texts(more.values);
        attribute.default = more.default;
        attribute.format = more.format.map(format);
        attribute.least = more.least;
        attribute.most = more.most;
        attribute.reads = more.reads;
        attribute.doc = more.doc.map(text);
    }
    attribute.sensitive |= secrets::is_one(of.name, &attribute);
    (text(of.name), attribute)
}

fn format(name: Text) -> Format {
    match name {
        "checksum" => Format::Checksum,
        "duration" => Format::Duration,
        "size" => Format::Size,
        other => unreachable!("the catalogue knows no format `{other}`"),
    }
}

fn block(of: packed::Block<Text>) -> (SmolStr, BlockSchema) {
    let block = BlockSchema {
        repeated: of.nesting == "list",
        required: required(of.required, of.required_by, of.newly_required),
        required_unless: texts(of.required_unless),
        deprecated: of.deprecated,
        body: body_schema(of.attributes, of.blocks),
    };
    (text(of.name), block)
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
