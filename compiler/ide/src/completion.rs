//! What can be written at the cursor.

use crate::text::TextEdit;

/// One thing that can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What is shown, and matched against what was typed.
    pub label: String,
    /// What it is.
    pub kind: CompletionKind,
    /// Its type or the like, on the same line.
    pub detail: Option<String>,
    /// More about it, in Markdown.
    pub documentation: Option<String>,
    /// What accepting it does; the range touches the cursor and stays on its line.
    pub edit: TextEdit,
    /// The text of the edit is a snippet with `$1`, `${2:placeholder}` and `$0`.
    pub snippet: bool,
    /// What is matched against the text in the edit's range, where it is not the label.
    pub filter: Option<String>,
    /// Its place among the others: they are shown in the order of this text.
    pub sort: String,
    /// Better not used any more.
    pub deprecated: bool,
    /// Accepting it makes it worth asking again at once, as after `var.`.
    pub again: bool,
}

/// What a completion stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CompletionKind {
    /// The kind of a block.
    Block,
    /// The type of a component.
    Component,
    /// An option.
    Option,
    /// One of the values an option takes.
    Value,
    /// A word of the language: `true`, `null`, a type.
    Keyword,
    /// A variable.
    Variable,
    /// A local.
    Local,
    /// A source.
    Source,
    /// A data source.
    Data,
    /// A build.
    Build,
    /// A module.
    Module,
    /// A member of a value.
    Member,
    /// A function.
    Function,
    /// A file.
    File,
    /// A directory.
    Directory,
    /// A name inside of `{{ }}`.
    TemplateVariable,
}
