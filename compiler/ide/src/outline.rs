//! What a file and a workspace declare.

use crate::text::{Location, TextRange};

/// A declaration in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its name, such as `amazon-ebs.web`.
    pub name: String,
    /// What it is.
    pub kind: SymbolKind,
    /// More about it.
    pub detail: Option<String>,
    /// All of it.
    pub range: TextRange,
    /// Its name; inside of `range`.
    pub focus: TextRange,
    /// Better not used any more.
    pub deprecated: bool,
    /// What is declared inside of it.
    pub children: Vec<Symbol>,
}

/// The kinds of declarations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SymbolKind {
    /// The `packer` block.
    Settings,
    /// A variable.
    Variable,
    /// A local, or a block of them.
    Local,
    /// A data source.
    Data,
    /// A source.
    Source,
    /// A build.
    Build,
    /// A provisioner.
    Provisioner,
    /// A post-processor.
    PostProcessor,
    /// A module.
    Module,
    /// An output.
    Output,
    /// An option of a block.
    Option,
    /// A value given to a variable.
    Value,
    /// Any other block.
    Block,
}

/// A declaration in a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceSymbol {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: SymbolKind,
    /// The template it belongs to, for people.
    pub container: String,
    /// Where its name stands.
    pub location: Location,
}
