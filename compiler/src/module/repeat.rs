//! `for_each`, `count`, `enabled`: how often a block stands for something, and `dynamic` as another way to say so.

use smol_str::SmolStr;

use super::take::duplicate;
use crate::diagnostic::Diagnostic;
use crate::hir::{Attribute, Body, Name};

/// How often a block stands for something; once where all of it is empty.
#[derive(Debug, Default)]
pub struct Repeat {
    /// Once for each element.
    pub for_each: Option<Box<Attribute>>,
    /// So many times.
    pub count: Option<Box<Attribute>>,
    /// Not at all where this is false; may differ from instance to instance.
    pub enabled: Option<Box<Attribute>>,
    /// Of a `dynamic` block: what its elements are called. Lists may then repeat themselves: positions are the keys.
    pub iterator: Option<Name>,
}

impl Repeat {
    /// Takes the attributes out of a block's body.
    pub(super) fn take(body: &mut Body, out: &mut Vec<Diagnostic>) -> Self {
        let repeat = Self {
            for_each: take_out(body, "for_each", out),
            count: take_out(body, "count", out),
            enabled: take_out(body, "enabled", out),
            iterator: None,
        };
        if let (Some(for_each), Some(count)) = (&repeat.for_each, &repeat.count) {
            out.push(
                Diagnostic::error(
                    "check/conflicting-options",
                    count.name.span,
                    "`for_each` and `count` exclude each other",
                )
                .label(for_each.name.span, "`for_each` is given here")
                .help("remove one of them"),
            );
        }
        repeat
    }

    /// Whether the block can stand for more or less than one thing with a key.
    pub fn has_keys(&self) -> bool {
        self.for_each.is_some() || self.count.is_some()
    }

    /// What an element is called inside the block, if it is repeated.
    pub fn name(&self) -> Option<SmolStr> {
        match (&self.iterator, &self.for_each, &self.count) {
            (Some(iterator), _, _) => Some(iterator.text.clone()),
            (None, Some(_), _) => Some(SmolStr::new_static("each")),
            (None, None, Some(_)) => Some(SmolStr::new_static("count")),
            (None, None, None) => None,
        }
    }
}

/// Takes an attribute out of a body; one given twice is reported.
pub(super) fn take_out(
    body: &mut Body,
    name: &str,
    out: &mut Vec<Diagnostic>,
) -> Option<Box<Attribute>> {
    let mut taken: Option<Box<Attribute>> = None;
    while let Some(at) = body
        .attributes
        .iter()
        .position(|attribute| attribute.name.text == name)
    {
        let attribute = body.attributes.remove(at);
        match &taken {
            Some(first) => out.push(duplicate(&attribute, first)),
            None => taken = Some(Box::new(attribute)),
        }
    }
    taken
}
