//! Colours by meaning.

use crate::text::TextRange;

/// A word and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SemanticToken {
    /// Where; on one line.
    pub range: TextRange,
    /// What it is.
    pub kind: TokenKind,
    /// More about it.
    pub modifiers: TokenModifiers,
}

/// What a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenKind {
    /// The first word of a block.
    Block,
    /// The type of a component.
    Component,
    /// An option.
    Option,
    /// A word of the language.
    Keyword,
    /// A type of variables.
    Type,
    /// The name of a variable, local, source, data source, build or module.
    Variable,
    /// A name bound by `for`, or `each` and `count`.
    Parameter,
    /// A member of a value.
    Property,
    /// A function.
    Function,
    /// A string.
    String,
    /// A number.
    Number,
    /// `{{ … }}` in a string.
    Macro,
    /// A comment.
    Comment,
    /// An operator.
    Operator,
}

impl TokenKind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::Block,
        Self::Component,
        Self::Option,
        Self::Keyword,
        Self::Type,
        Self::Variable,
        Self::Parameter,
        Self::Property,
        Self::Function,
        Self::String,
        Self::Number,
        Self::Macro,
        Self::Comment,
        Self::Operator,
    ];
}

/// More about a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenModifiers {
    /// It is declared here.
    pub declaration: bool,
    /// Its value does not change: locals.
    pub readonly: bool,
    /// Better not used any more.
    pub deprecated: bool,
    /// It belongs to the language or to imgc, not to the template.
    pub default_library: bool,
}
