//! Where in a template the cursor is, in half-written text of any language.
//!
//! In: a text and an offset. Out: the [`Place`]: the blocks around it, what is given already, and what is being written. A
//! word is put at the cursor and the text is parsed again, so that whatever is half written is an ordinary item with a
//! strange name.

mod around;
mod hcl;
mod keyed;
mod word;

#[cfg(test)]
pub(crate) use keyed::PARSES;

use std::collections::BTreeMap;

use crate::grammar::Inside;
use crate::language::{Language, Role};
use crate::text::TextRange;

pub(crate) use word::{Steps, open_expression};

/// The word that is put at the cursor.
const MARK: &str = "imgc0mark0imgc";

/// Texts longer than this are cut to what is around the cursor before they are parsed again.
const LONG: usize = 64_000;

/// Where the cursor is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The blocks around it, the outermost first.
    pub(crate) frames: Vec<Frame>,
    /// What the body it is in is the inside of.
    pub(crate) inside: Inside,
    /// What the body has already, besides what is being written: attributes with their texts, where they are plain texts,
    /// and blocks.
    pub(crate) given: BTreeMap<String, Option<String>>,
    pub(crate) what: What,
    /// The word at the cursor, in the text as it is; what a completion replaces.
    pub(crate) range: TextRange,
    pub(crate) language: Language,
}

/// A block around the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: String,
    pub(crate) labels: Vec<String>,
}

/// What is being written.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// The name of an option or a block.
    Key {
        /// There is a value or a block behind it already.
        followed: bool,
    },
    /// A label of a block.
    Label {
        kind: String,
        before: Vec<String>,
        quoted: bool,
    },
    /// A value.
    Value(Value),
}

/// A value that is being written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Value {
    /// The option.
    pub(crate) option: String,
    /// Keys of objects inside of it.
    pub(crate) keys: Vec<String>,
    /// It is an element of a list.
    pub(crate) in_list: bool,
    /// It is all of the value, or an element of it: not a part of a larger expression.
    pub(crate) whole: bool,
    pub(crate) form: Form,
    /// The function it is an argument of.
    pub(crate) call: Option<String>,
    /// Names bound by `for` around it.
    pub(crate) bound: Vec<String>,
}

/// How a value is written.
#[derive(Clone, Debug, Default)]
pub(crate) enum Form {
    /// An expression; `steps` stand before the name at the cursor.
    Expression {
        steps: Steps,
        /// It is a function's name already followed by arguments.
        called: bool,
        /// In which language of strings it stands: quotes inside of it have to be written so.
        in_text: bool,
    },
    /// The inside of a string.
    Text {
        /// What stands in the string before the cursor.
        before: String,
        /// All of the string's inside.
        content: TextRange,
    },
    /// The key of an object.
    #[default]
    ObjectKey,
}

impl Place {
    /// Where `offset` is; `None` in comments and numbers.
    pub(crate) fn find(text: &str, offset: u32, role: Role, language: Language) -> Option<Self> {
        let top = match role {
            Role::AutoValues | Role::Values => Inside::Values,
            Role::Part | Role::Alone => Inside::top(),
        };
        match language {
            Language::Hcl => hcl::place(text, offset, top),
            _ => keyed::place(text, offset, top, language),
        }
    }

    /// The innermost block.
    pub(crate) fn frame(&self) -> Option<&Frame> {
        self.frames.last()
    }
}

/// What the chain of blocks is the inside of.
fn inside(top: Inside, frames: &[Frame]) -> Inside {
    let chain = frames.iter().map(|frame| {
        let labels = frame.labels.iter().map(String::as_str).collect();
        (frame.kind.as_str(), labels)
    });
    Inside::of_chain(top, chain)
}

/// The nearest offset that is a place of the text, at or before `offset`.
pub(crate) fn floor(text: &str, offset: u32) -> u32 {
    let mut at = (offset as usize).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at as u32
}

/// The word of letters, digits, `_` and `-` around an offset.
pub(crate) fn word_around(text: &str, offset: u32) -> TextRange {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let at = offset as usize;
    let before = text[..at].rfind(|c| !is_word(c));
    let start = before.map_or(0, |found| {
        found + text[found..].chars().next().map_or(0, char::len_utf8)
    });
    let end = text[at..]
        .find(|c| !is_word(c))
        .map_or(text.len(), |found| at + found);
    TextRange::new(start as u32, end as u32)
}
