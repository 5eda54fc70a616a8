//! What every component accepts: names, types, what is required.
//!
//! The facts are the JSON files under `catalogue/` (Packer 1.16, its plugins, and imgc's own components). The build script
//! puts each into a compact form that the program carries; it is read when a template first uses the component: nothing is
//! loaded at start-up. The same table drives checks, completion, hover and reference pages.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use indexmap::IndexMap;
use smol_str::SmolStr;

use crate::components::ComponentKind;
use crate::types::Type;

mod file;
mod packed;
mod renames;
pub(crate) mod secrets;

pub use packed::{ConstraintKind, Reads};
pub use renames::Successor;

/// The value of an option that is not given.
pub type DefaultValue = packed::DefaultValue<&'static str>;

/// One component: a builder, provisioner, post-processor, communicator or data source.
#[derive(Clone, Debug, Default)]
pub struct Component {
    /// What it is; `None` for one that the catalogue does not know.
    pub kind: Option<ComponentKind>,
    /// The name written in a template.
    pub name: SmolStr,
    /// Where it comes from, `OWNER/NAME`; none for those that need no plugin.
    pub plugin: Option<SmolStr>,
    /// The version its facts were taken from.
    pub version: Option<SmolStr>,
    /// Its newest version was not at hand: it may have more options than these.
    pub incomplete: bool,
    /// Another plugin has it under the same name, so that its options may be others.
    pub is_fork: bool,
    /// Its options.
    pub body: BodySchema,
    /// Rules between options.
    pub constraints: Vec<Constraint>,
    /// Options only legacy JSON templates have.
    pub json_only: Vec<SmolStr>,
    /// Builders: further `build.NAME` values; `*` stands for any name.
    pub generated_data: Vec<SmolStr>,
    /// Data sources: what they give, by name.
    pub outputs: IndexMap<SmolStr, Type>,
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
    /// Options only older versions have (those of Packer 1.6.6), with their types.
    pub removed: IndexMap<SmolStr, Type>,
    /// Old names of options, deprecated ones among them.
    pub renamed: IndexMap<SmolStr, Successor>,
    /// Nothing is known about it: it takes any option and any block.
    pub open: bool,
}

/// One option.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Its type.
    pub ty: Type,
    /// Another type that other versions of the component have for it.
    pub also: Option<Type>,
    /// It must be given.
    pub required: Required,
    /// What may stand in for it where it is required otherwise: other options, `env:NAME`, `default`, `other`.
    pub required_unless: Vec<SmolStr>,
    /// The communicator it is required for.
    pub required_when: Option<SmolStr>,
    /// Environment variables that are read where it is not given.
    pub env: Vec<SmolStr>,
    /// Better not used any more.
    pub deprecated: bool,
    /// Its value is a secret: the component says so, or its name does.
    pub sensitive: bool,
    /// The accepted values, where there is a list.
    pub values: Vec<SmolStr>,
    /// The value when it is not given.
    pub default: Option<DefaultValue>,
    /// The form that its text has.
    pub format: Option<Format>,
    /// The smallest number that is accepted.
    pub least: Option<i64>,
    /// The largest number that is accepted.
    pub most: Option<i64>,
    /// Where a common option comes from, such as `communicator`.
    pub group: Option<SmolStr>,
    /// What of this machine it names, if it names files.
    pub reads: Option<Reads>,
    /// One sentence about it; our own components have them.
    pub doc: Option<SmolStr>,
}

/// The form of an option's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A length of time.
    Duration,
    /// What a file is held against.
    Checksum,
    /// A number of bytes with a unit.
    Size,
}

impl Format {
    /// In words, with an example.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Duration => "a duration such as `5m` or `1h30m`",
            Self::Checksum => "a checksum such as `sha256:…`, `file:URL`, or `none`",
            Self::Size => "a size such as `512M` or `40G`",
        }
    }
}

/// Whether an option must be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Required {
    /// It need not be.
    #[default]
    No,
    /// The component says so, and no check for it was found: without it a template is doubtful.
    Tagged,
    /// The newest versions need it, and Packer 1.6.6's did not.
    Newly,
    /// The component refuses to work without.
    Yes,
}

/// A block among the options.
#[derive(Clone, Debug, Default)]
pub struct BlockSchema {
    /// It may be repeated.
    pub repeated: bool,
    /// There must be at least one.
    pub required: Required,
    /// What may stand in for it where it is required otherwise.
    pub required_unless: Vec<SmolStr>,
    /// Better not used any more.
    pub deprecated: bool,
    /// What is inside.
    pub body: BodySchema,
}

/// A rule between options; "given" means not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// Which rule.
    pub kind: ConstraintKind,
    /// The options it is about.
    pub attributes: Vec<SmolStr>,
}

/// The schema of a component, or `None` where the catalogue does not know it.
pub fn component(kind: ComponentKind, name: &str) -> Option<&'static Component> {
    // What has not been read takes two words here, not the place of a component.
    static READ: [OnceLock<Box<Component>>; TABLE.len()] = [const { OnceLock::new() }; TABLE.len()];
    let at = TABLE
        .binary_search_by(|(k, n, _)| (*k, *n).cmp(&(directory(kind), name)))
        .ok()?;
    let (_, name, packed) = TABLE[at];
    Some(READ[at].get_or_init(|| Box::new(file::read(kind, name, packed))))
}

/// The names of all components of a kind, sorted.
pub fn names(kind: ComponentKind) -> impl Iterator<Item = &'static str> {
    TABLE
        .iter()
        .filter(move |(k, _, _)| *k == directory(kind))
        .map(|(_, name, _)| *name)
}

/// The plugins whose components the catalogue has, `OWNER/NAME`.
pub fn plugins() -> impl Iterator<Item = &'static str> {
    PLUGINS.iter().copied()
}

/// Stands for a component the catalogue does not know: it takes any option.
pub fn foreign() -> &'static Component {
    static FOREIGN: OnceLock<Component> = OnceLock::new();
    FOREIGN.get_or_init(|| Component {
        body: BodySchema {
            open: true,
            ..BodySchema::default()
        },
        generated_data: vec![SmolStr::new_static("*")],
        ..Component::default()
    })
}

/// A component as the plugin `OWNER/NAME` has it: where that is another than the catalogue's, most of its options will be the
/// same.
pub(crate) fn of_plugin(component: &'static Component, plugin: &str) -> &'static Component {
    type Forks = Mutex<HashMap<(ComponentKind, SmolStr, SmolStr), &'static Component>>;
    static FORKS: LazyLock<Forks> = LazyLock::new(Forks::default);
    let Some((kind, own)) = component.kind.zip(component.plugin.as_ref()) else {
        return component;
    };
    if own.eq_ignore_ascii_case(plugin) {
        return component;
    }
    let key = (kind, component.name.clone(), SmolStr::from(plugin));
    let mut forks = FORKS.lock().unwrap_or_else(PoisonError::into_inner);
    // As long-lived as the table: there is one for each plugin that templates name.
    forks.entry(key).or_insert_with(|| {
        Box::leak(Box::new(Component {
            is_fork: true,
            plugin: Some(plugin.into()),
            ..component.clone()
        }))
    })
}

/// A block nothing is known about.
pub(crate) fn open_block() -> &'static BlockSchema {
    static OPEN: OnceLock<BlockSchema> = OnceLock::new();
    OPEN.get_or_init(|| BlockSchema {
        repeated: true,
        body: BodySchema {
            open: true,
            ..BodySchema::default()
        },
        ..BlockSchema::default()
    })
}

impl Component {
    /// Whether nothing is known about it, see [`foreign`].
    pub fn is_foreign(&self) -> bool {
        self.body.open
    }
}

impl Attribute {
    /// Whether its text is a length of time.
    pub fn is_duration(&self) -> bool {
        self.format == Some(Format::Duration)
    }
}

impl BodySchema {
    /// Whether it has an option or block of that name.
    pub fn has(&self, name: &str) -> bool {
        self.attributes.contains_key(name) || self.blocks.contains_key(name)
    }

    /// The block of a name; where nothing is known, any.
    pub fn block(&self, name: &str) -> Option<&BlockSchema> {
        self.blocks.get(name).or_else(|| self.open.then(open_block))
    }
}

impl DefaultValue {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&'static str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Json(_) => None,
        }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Json("true") => Some(true),
            Self::Json("false") => Some(false),
            _ => None,
        }
    }

    /// As JSON.
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => (*text).into(),
            Self::Json(text) => text.parse().unwrap_or_default(),
        }
    }
}

impl std::fmt::Display for DefaultValue {
    /// As JSON text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => self.json().fmt(f),
            Self::Json(text) => f.write_str(text),
        }
    }
}

static TABLE: &[(&str, &str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

static PLUGINS: &[&str] = &include!(concat!(env!("OUT_DIR"), "/plugins.rs"));

/// The catalogue's word for a kind: the name of its directory, as in `builder/null`.
pub fn directory(kind: ComponentKind) -> &'static str {
    match kind {
        ComponentKind::Builder => "builder",
        ComponentKind::Provisioner => "provisioner",
        ComponentKind::PostProcessor => "post-processor",
        ComponentKind::Communicator => "communicator",
        ComponentKind::DataSource => "datasource",
    }
}

/// Options every component has and Packer fills in itself.
pub const SET_BY_PACKER: [&str; 8] = [
    "packer_build_name",
    "packer_builder_type",
    "packer_core_version",
    "packer_debug",
    "packer_force",
    "packer_on_error",
    "packer_sensitive_variables",
    "packer_user_variables",
];

/// All kinds, in the order in which they are listed.
pub const KINDS: [ComponentKind; 5] = [
    ComponentKind::Builder,
    ComponentKind::Provisioner,
    ComponentKind::PostProcessor,
    ComponentKind::DataSource,
    ComponentKind::Communicator,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_catalogue_is_readable() {
        for kind in KINDS {
            for name in names(kind) {
                let component = component(kind, name).expect("the name came from the table");
                assert_eq!(component.name, name);
                if let Some(plugin) = &component.plugin {
                    assert!(plugins().any(|known| known == plugin), "{plugin}");
                }
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

    #[test]
    fn data_sources_say_what_they_give() {
        let ami = component(ComponentKind::DataSource, "amazon-ami").expect("known");
        assert_eq!(ami.outputs["id"], Type::String);
        assert_eq!(ami.outputs["tags"], Type::Map(Type::String.into()));
    }
}
