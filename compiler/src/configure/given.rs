//! What was given for a component so far: values with their places.

use std::collections::{BTreeMap, BTreeSet};

use imgc_syntax::Span;
use smol_str::SmolStr;

use crate::types::Type;
use crate::value::{Data, Value};

/// The options of a body, or of several on top of each other.
#[derive(Default)]
pub(super) struct Given {
    pub(super) attributes: BTreeMap<SmolStr, (Value, Span)>,
    pub(super) blocks: BTreeMap<SmolStr, Blocks>,
    /// Options whose values are not written out, but computed from others.
    pub(super) computed: BTreeSet<SmolStr>,
    /// What old options say about values of others (`iso_checksum_type`), until all are there.
    pub(super) kinds: BTreeMap<SmolStr, (Value, Span)>,
    /// Options of the body at hand that only older versions have and that nothing replaces.
    pub(super) old: Vec<(SmolStr, Span)>,
}

/// The blocks of one name.
pub(super) struct Blocks {
    /// Whether they form a list.
    pub(super) repeated: bool,
    /// One object each.
    pub(super) values: Vec<Value>,
    /// A `dynamic` block of which the number is unknown.
    pub(super) unknown: bool,
    pub(super) place: Span,
}

impl Given {
    pub(super) fn into_value(self) -> Value {
        let blocks = self.blocks.into_iter().filter_map(|(name, blocks)| {
            let value = if blocks.unknown {
                Value::unknown(Type::Any)
            } else if blocks.repeated {
                Value::tuple(blocks.values)
            } else {
                blocks.values.into_iter().next_back()?
            };
            Some((name, value))
        });
        // An option that is null counts as not given, as in Packer.
        let attributes = self
            .attributes
            .into_iter()
            .filter(|(_, (value, _))| !value.is_null())
            .map(|(name, (value, _))| (name, value));
        Value::object(attributes.chain(blocks))
    }

    /// Whether an option has a value: `""`, `[]`, `{}`, `false` and null do not count. Unknown ones do.
    pub(super) fn has(&self, name: &str) -> bool {
        if let Some(blocks) = self.blocks.get(name) {
            return blocks.unknown || !blocks.values.is_empty();
        }
        self.attributes
            .get(name)
            .is_some_and(|(value, _)| !is_empty(value))
    }

    /// Whether an option has a value that options can clash with: zero is Packer's way not to give a number.
    pub(super) fn matters(&self, name: &str) -> bool {
        let is_zero = |value: &Value| {
            let number = value.as_number();
            number.is_some_and(|number| number.to_string() == "0")
        };
        let zero = self.attributes.get(name);
        self.has(name) && !zero.is_some_and(|(value, _)| is_zero(value))
    }

    pub(super) fn place(&self, name: &str) -> Option<Span> {
        self.attributes
            .get(name)
            .map(|(_, span)| *span)
            .or_else(|| self.blocks.get(name).map(|blocks| blocks.place))
    }

    /// The place of an option that is given, empty, and computed: the template is right, its values are not.
    pub(super) fn computed_empty(&self, name: &str) -> Option<Span> {
        let empty = self.computed.contains(name) && !self.has(name);
        self.place(name).filter(|_| empty)
    }

    /// What was meant by a mistake counts as given: one mistake, one message.
    pub(super) fn meant(&mut self, name: Option<&str>, place: Span) {
        if let Some(name) = name.filter(|name| !self.has(name)) {
            self.attributes.insert(name.into(), (Value::error(), place));
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value.data() {
        Data::Unknown(_) => false,
        Data::Null(_) => true,
        Data::Bool(value) => !value,
        Data::String(text) => text.is_empty(),
        Data::Number(_) => false,
        _ => value.is_empty(),
    }
}

/// The blocks of a name, none yet where there were none.
pub(super) fn blocks_of<'g>(
    given: &'g mut Given,
    name: &SmolStr,
    repeated: bool,
    place: Span,
) -> &'g mut Blocks {
    given.blocks.entry(name.clone()).or_insert_with(|| Blocks {
        repeated,
        values: Vec::new(),
        unknown: false,
        place,
    })
}
