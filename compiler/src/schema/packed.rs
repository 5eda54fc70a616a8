//! What a file of the catalogue says, in the two forms it has: JSON for people, and what the program carries.
//!
//! The build script reads the one, with `String` for `S`, and writes the other, which the program reads with
//! `&'static str`: texts stay where they are, and nothing has to be parsed. Both use these very types, so the forms cannot
//! drift apart. What is not here is not known to the program.

use serde::{Deserialize, Serialize};

/// A file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct File<S> {
    /// Where the component comes from, `OWNER/NAME`.
    #[serde(default = "none")]
    pub plugin: Option<S>,
    /// The version the facts were taken from.
    #[serde(default = "none")]
    pub version: Option<S>,
    /// The newest version was not at hand.
    #[serde(default)]
    pub incomplete: bool,
    /// The facts are those of a copy that has stayed behind.
    #[serde(default)]
    pub older_copy: bool,
    /// Its options.
    pub attributes: Vec<Attribute<S>>,
    /// Its blocks.
    #[serde(default = "Vec::new")]
    pub blocks: Vec<Block<S>>,
    /// Rules between options.
    #[serde(default = "Vec::new")]
    pub constraints: Vec<Constraint<S>>,
    /// Options only older versions have.
    #[serde(default = "Vec::new")]
    pub removed: Vec<Typed<S>>,
    /// Options only legacy templates have.
    #[serde(default = "Vec::new")]
    pub json_only: Vec<S>,
    /// Further values under `build`.
    #[serde(default = "Vec::new")]
    pub generated_data: Vec<S>,
    /// What a data source gives.
    #[serde(default = "Vec::new")]
    pub outputs: Vec<Typed<S>>,
    /// What a builder without a choice uses.
    #[serde(default = "none")]
    pub communicator: Option<S>,
}

/// A name with a type.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Typed<S> {
    /// The name; dots lead into blocks.
    pub name: S,
    /// The type as text.
    #[serde(rename = "type")]
    pub ty: S,
}

/// An option.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Attribute<S> {
    /// Its name.
    pub name: S,
    /// Its type as text.
    #[serde(rename = "type")]
    pub ty: S,
    /// Where a common option comes from.
    #[serde(default = "none")]
    pub group: Option<S>,
    /// What is to be said of few options; the build script puts it here.
    #[serde(default = "none")]
    pub more: Option<More<S>>,
}

/// What is to be said of few options.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct More<S> {
    /// Another type that other versions have for it.
    #[serde(default = "none")]
    pub also: Option<S>,
    /// It must be given.
    #[serde(default)]
    pub required: bool,
    /// How that is known.
    #[serde(default = "none")]
    pub required_by: Option<S>,
    /// Older versions did without.
    #[serde(default)]
    pub newly_required: bool,
    /// What may stand in for it.
    #[serde(default = "Vec::new")]
    pub required_unless: Vec<S>,
    /// When it is required.
    #[serde(default = "none")]
    pub required_when: Option<When<S>>,
    /// Environment variables that are read instead.
    #[serde(default = "Vec::new")]
    pub env: Vec<S>,
    /// Better not used any more.
    #[serde(default)]
    pub deprecated: bool,
    /// A secret.
    #[serde(default)]
    pub sensitive: bool,
    /// The accepted values.
    #[serde(default = "Vec::new")]
    pub values: Vec<S>,
    /// The value when it is not given.
    #[serde(default = "none")]
    pub default: Option<DefaultValue<S>>,
    /// `duration`, `checksum` or `size`.
    #[serde(default = "none")]
    pub format: Option<S>,
    /// The smallest number that is accepted.
    #[serde(default)]
    pub least: Option<i64>,
    /// The largest number that is accepted.
    #[serde(default)]
    pub most: Option<i64>,
    /// What of this machine it names.
    #[serde(default)]
    pub reads: Option<Reads>,
    /// One sentence about it.
    #[serde(default = "none")]
    pub doc: Option<S>,
}

/// The value of an option that is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DefaultValue<S> {
    /// A text.
    Text(S),
    /// Something else, as JSON.
    Json(S),
}

/// When an option is required.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct When<S> {
    /// With this communicator.
    pub communicator: S,
}

/// A block among the options.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Block<S> {
    /// Its name.
    pub name: S,
    /// `list` where it may be repeated.
    pub nesting: S,
    /// There must be one.
    #[serde(default)]
    pub required: bool,
    /// How that is known.
    #[serde(default = "none")]
    pub required_by: Option<S>,
    /// Older versions did without.
    #[serde(default)]
    pub newly_required: bool,
    /// What may stand in for it.
    #[serde(default = "Vec::new")]
    pub required_unless: Vec<S>,
    /// Better not used any more.
    #[serde(default)]
    pub deprecated: bool,
    /// Its options.
    #[serde(default = "Vec::new")]
    pub attributes: Vec<Attribute<S>>,
    /// Blocks in it.
    #[serde(default = "Vec::new")]
    pub blocks: Vec<Block<S>>,
}

/// A rule between options; "given" means not empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Constraint<S> {
    /// Which rule.
    pub kind: ConstraintKind,
    /// The options it is about.
    pub attributes: Vec<S>,
}

/// The kinds of rules between options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConstraintKind {
    /// One of them must be given.
    AtLeastOne,
    /// Only one of them may be given.
    NotTogether,
    /// The first needs the second.
    Requires,
    /// Beside the first, the others have no effect.
    Idles,
}

/// How a component uses the files an option names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    /// Reads a file: its bytes belong to the step's digest.
    File,
    /// Runs a file: its bytes count, and whether it may be executed.
    Program,
    /// Reads a file or a tree, unless the options say it goes the other way (`direction`, `generated`).
    Upload,
    /// Needs it to be there; what is in it does not matter for the result.
    Existing,
}

/// Nothing, for any kind of text.
fn none<T>() -> Option<T> {
    None
}
