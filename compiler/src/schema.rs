//! What every component accepts: names, types, what is required.
//!
//! The facts are the JSON files under `catalogue/` (Packer 1.16, its plugins, and imgc's own components), embedded in
//! the program and parsed one by one when a template first uses a component: nothing is loaded at start-up. The same
//! table drives checks, completion, hover and reference pages.

use std::sync::{Arc, OnceLock};

use indexmap::IndexMap;
use serde::Deserialize;
use smol_str::SmolStr;

use crate::components::ComponentKind;
use crate::types::Type;

/// One component: a builder, provisioner, post-processor, communicator or data source.
#[derive(Clone, Debug)]
pub struct Component {
    /// The name written in a template.
    pub name: SmolStr,
    /// Its options.
    pub body: BodySchema,
    /// Rules between options.
    pub constraints: Vec<Constraint>,
    /// Builders: further `build.NAME` values.
    pub generated_data: Vec<SmolStr>,
    /// Builders without a `communicator` option: what they use (`none`, or one of their own).
    pub communicator: Option<SmolStr>,
}

/// The options of a component or of a block in it.
#[derive(Clone, Debug, Default)]
pub struct BodySchema {
    /// `name = value` options, by name.
    pub attributes: IndexMap<SmolStr, Attribute>,
    /// `name { … }` options, by name.
    pub blocks: IndexMap<SmolStr, BlockSchema>,
}

/// One option.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Its type.
    pub ty: Type,
    /// It must be given.
    pub required: bool,
    /// What may stand in for it where it is required otherwise: other options, `env:NAME`, `default`, `other`.
    pub required_unless: Vec<SmolStr>,
    /// Better not used any more.
    pub deprecated: bool,
    /// Its value is a secret.
    pub sensitive: bool,
    /// The accepted values, where there is a list.
    pub values: Vec<SmolStr>,
    /// The value when it is not given, as JSON.
    pub default: Option<serde_json::Value>,
    /// A string such as `5m`.
    pub duration: bool,
    /// Where a common option comes from, such as `communicator`.
    pub group: Option<SmolStr>,
    /// What of this machine it names, if it names files.
    pub reads: Option<Reads>,
    /// One sentence about it; our own components have them.
    pub doc: Option<SmolStr>,
}

/// How a component uses the files an option names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// Reads a file: its bytes belong to the step's digest.
    File,
    /// Reads a file or a tree, unless the options say it goes the other way (`direction`, `generated`).
    Upload,
    /// Needs it to be there; what is in it does not matter for the result.
    Existing,
}

/// A block among the options.
#[derive(Clone, Debug)]
pub struct BlockSchema {
    /// It may be repeated.
    pub repeated: bool,
    /// There must be at least one.
    pub required: bool,
    /// What may stand in for it where it is required otherwise.
    pub required_unless: Vec<SmolStr>,
    /// What is inside.
    pub body: BodySchema,
}

/// A rule between options; "given" means not empty.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Constraint {
    /// Which rule.
    pub kind: ConstraintKind,
    /// The options it is about.
    pub attributes: Vec<SmolStr>,
}

/// The kinds of rules between options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConstraintKind {
    /// One of them must be given.
    AtLeastOne,
    /// Only one of them may be given.
    NotTogether,
    /// The first needs the second.
    Requires,
}

/// The schema of a component, or `None` where the catalogue does not know it.
pub fn component(kind: ComponentKind, name: &str) -> Option<&'static Component> {
    static PARSED: [OnceLock<Arc<Component>>; TABLE.len()] =
        [const { OnceLock::new() }; TABLE.len()];
    let at = TABLE
        .binary_search_by(|(k, n, _)| (*k, *n).cmp(&(directory(kind), name)))
        .ok()?;
    Some(PARSED[at].get_or_init(|| Arc::new(parse(kind, name, TABLE[at].2))))
}

/// The names of all components of a kind, sorted.
pub fn names(kind: ComponentKind) -> impl Iterator<Item = &'static str> {
    TABLE
        .iter()
        .filter(move |(k, _, _)| *k == directory(kind))
        .map(|(_, name, _)| *name)
}

const TABLE: &[(&str, &str, &str)] = &include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

fn directory(kind: ComponentKind) -> &'static str {
    match kind {
        ComponentKind::Builder => "builder",
        ComponentKind::Provisioner => "provisioner",
        ComponentKind::PostProcessor => "post-processor",
        ComponentKind::Communicator => "communicator",
        ComponentKind::DataSource => "datasource",
    }
}

fn parse(kind: ComponentKind, name: &str, text: &str) -> Component {
    let file: FileJson = serde_json::from_str(text).expect("the catalogue is checked by a test");
    let mut body = body_schema(file.attributes, file.blocks);
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
        body,
        constraints: file.constraints,
        generated_data: file.generated_data,
        communicator: file.communicator,
    }
}

#[derive(Deserialize)]
struct FileJson {
    attributes: Vec<AttributeJson>,
    #[serde(default)]
    blocks: Vec<BlockJson>,
    #[serde(default)]
    constraints: Vec<Constraint>,
    #[serde(default)]
    generated_data: Vec<SmolStr>,
    #[serde(default)]
    communicator: Option<SmolStr>,
}

#[derive(Deserialize)]
struct AttributeJson {
    name: SmolStr,
    #[serde(rename = "type")]
    ty: SmolStr,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    required_by: Option<SmolStr>,
    #[serde(default)]
    required_unless: Vec<SmolStr>,
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
struct BlockJson {
    name: SmolStr,
    nesting: SmolStr,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    required_unless: Vec<SmolStr>,
    attributes: Vec<AttributeJson>,
    #[serde(default)]
    blocks: Vec<BlockJson>,
}

fn body_schema(attributes: Vec<AttributeJson>, blocks: Vec<BlockJson>) -> BodySchema {
    BodySchema {
        attributes: attributes
            .into_iter()
            .map(AttributeJson::into_schema)
            .collect(),
        blocks: blocks.into_iter().map(BlockJson::into_schema).collect(),
    }
}

impl AttributeJson {
    fn into_schema(self) -> (SmolStr, Attribute) {
        let attribute = Attribute {
            ty: type_of(&self.ty),
            // Where only a struct tag says so and no check was found, the component works without.
            required: self.required && self.required_by.as_deref() != Some("tag"),
            required_unless: self.required_unless,
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
            required: self.required,
            required_unless: self.required_unless,
            body: body_schema(self.attributes, self.blocks),
        };
        (self.name, block)
    }
}

/// The type a catalogue file names: `string`, `list(T)`, `map(T)`, `any`.
fn type_of(text: &str) -> Type {
    let inner = |prefix: &str| {
        text.strip_prefix(prefix)
            .and_then(|rest| rest.strip_suffix(')'))
    };
    match text {
        "string" => Type::String,
        "number" => Type::Number,
        "bool" => Type::Bool,
        _ => {
            if let Some(element) = inner("list(") {
                Type::List(Arc::new(type_of(element)))
            } else if let Some(element) = inner("map(") {
                Type::Map(Arc::new(type_of(element)))
            } else {
                Type::Any
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_catalogue_is_readable() {
        for kind in [
            ComponentKind::Builder,
            ComponentKind::Provisioner,
            ComponentKind::PostProcessor,
            ComponentKind::Communicator,
            ComponentKind::DataSource,
        ] {
            for name in names(kind) {
                let component = component(kind, name).expect("the name came from the table");
                assert_eq!(component.name, name);
            }
        }
    }

    #[test]
    fn a_builder_with_ssh_has_the_host_key_option() {
        let null = component(ComponentKind::Builder, "null").expect("known");
        assert_eq!(
            null.body.attributes["host_key"].values,
            ["insecure", "strict", "verify"]
        );
        let file = component(ComponentKind::Builder, "file").expect("known");
        assert!(!file.body.attributes.contains_key("host_key"));
    }

    #[test]
    fn unknown_components_are_none() {
        assert!(component(ComponentKind::Builder, "amazon-ebz").is_none());
    }
}
