//! Taking bodies apart: labels, names, attributes by name, with a complaint about what is left.

use indexmap::IndexMap;
use indexmap::map::Entry;
use smol_str::SmolStr;

use super::{NO_EQUALS, quoted_list};
use crate::diagnostic::{Certainty, Diagnostic, Edit, nearest, slip};
use crate::hir::{Attribute, Block, Expr, Name};

/// The labels, if there are as many as `wanted`.
pub(super) fn labels<const N: usize>(
    block: &Block,
    wanted: &[&str; N],
    out: &mut Vec<Diagnostic>,
) -> Option<[Name; N]> {
    if let Ok(labels) = <[Name; N]>::try_from(block.labels.clone()) {
        return Some(labels);
    }
    let kind = &block.kind.text;
    let form: String = wanted
        .iter()
        .map(|label| format!(" \"{}\"", label.to_uppercase()))
        .collect();
    let place = match block.labels.get(N) {
        Some(extra) => extra.span,
        None => block
            .labels
            .last()
            .map_or(block.kind.span, |label| label.span)
            .at_end(),
    };
    let message = match (N, block.labels.len()) {
        (0, _) => format!("a `{kind}` block has no labels"),
        (1, 0) => format!("a `{kind}` block needs a label: its {}", wanted[0]),
        (1, found) => format!(
            "a `{kind}` block has one label (its {}), found {found}",
            wanted[0]
        ),
        (n, found) => format!(
            "a `{kind}` block has {n} labels ({}), found {found}",
            wanted.join(", ")
        ),
    };
    let diagnostic = Diagnostic::error("check/wrong-labels", place, message);
    out.push(match (kind.as_str(), &block.labels[..]) {
        ("build", [name]) => diagnostic.help(format!(
            "write `build {{ … }}` with `name = \"{}\"` in it",
            name.text
        )),
        _ => diagnostic.help(format!("write `{kind}{form} {{ … }}`")),
    });
    None
}

pub(super) fn check_identifier(name: &Name, what: &str, out: &mut Vec<Diagnostic>) {
    let text = &name.text;
    if text.contains("${") || text.contains("%{") {
        // A label cannot be a template; the parser has said so.
        return;
    }
    let fine = text.chars().enumerate().all(|(at, character)| {
        character == '_'
            || character.is_alphabetic()
            || (at > 0 && (character == '-' || character.is_numeric()))
    });
    if !fine || text.is_empty() {
        let message = if text.is_empty() {
            format!("the name of a {what} cannot be empty")
        } else {
            format!("`{text}` cannot be the name of a {what}")
        };
        out.push(
            Diagnostic::error("check/invalid-name", name.span, message).help(
                "a name starts with a letter or `_` and goes on with letters, digits, `_` and `-`",
            ),
        );
    }
}

/// Drops repeated attributes with a complaint.
pub(super) fn unique(attributes: Vec<Attribute>, out: &mut Vec<Diagnostic>) -> Vec<Attribute> {
    let mut seen: IndexMap<SmolStr, Attribute> = IndexMap::with_capacity(attributes.len());
    for attribute in attributes {
        match seen.entry(attribute.name.text.clone()) {
            Entry::Occupied(first) => out.push(duplicate(&attribute, first.get())),
            Entry::Vacant(free) => {
                free.insert(attribute);
            }
        }
    }
    seen.into_values().collect()
}

/// The complaint about an attribute given twice.
pub(crate) fn duplicate(second: &Attribute, first: &Attribute) -> Diagnostic {
    let name = &first.name.text;
    Diagnostic::error(
        "check/duplicate-attribute",
        second.name.span,
        format!("`{name}` is given twice"),
    )
    .label(first.name.span, "first given here")
    .help("remove one of them")
}

/// Blocks inside of others that people write as attributes.
const BLOCKS: &[&str] = &[
    "provisioner",
    "provisioners",
    "error-cleanup-provisioner",
    "post-processor",
    "post-processors",
    "required_plugins",
    "validation",
];

/// Takes attributes out of a body by name.
pub(super) struct Take<'a> {
    rest: Vec<Attribute>,
    known: Vec<&'static str>,
    taken: Vec<&'static str>,
    context: &'a str,
}

impl<'a> Take<'a> {
    pub(super) fn new(
        attributes: Vec<Attribute>,
        context: &'a str,
        out: &mut Vec<Diagnostic>,
    ) -> Self {
        Self {
            rest: unique(attributes, out),
            known: Vec::new(),
            taken: Vec::new(),
            context,
        }
    }

    pub(super) fn attribute(&mut self, name: &'static str) -> Option<Attribute> {
        self.known.push(name);
        let at = self
            .rest
            .iter()
            .position(|attribute| attribute.name.text == name)?;
        self.taken.push(name);
        Some(self.rest.remove(at))
    }

    pub(super) fn value(&mut self, name: &'static str) -> Option<Expr> {
        self.attribute(name).map(|attribute| attribute.value)
    }

    /// Complains about what nobody took; gives the names that were probably meant by it.
    pub(super) fn finish(self, out: &mut Vec<Diagnostic>) -> Vec<&'static str> {
        let mut meant = Vec::new();
        for attribute in &self.rest {
            let name = &attribute.name.text;
            let diagnostic = Diagnostic::error(
                "check/unexpected-attribute",
                attribute.name.span,
                format!("there is no attribute `{name}` {}", self.context),
            );
            let near = nearest(name, self.known.iter().copied());
            meant.extend(self.known.iter().filter(|known| Some(**known) == near));
            out.push(match near {
                _ if matches!(name.as_str(), "for_each" | "count") => {
                    diagnostic.help(crate::configure::NO_REPETITION)
                }
                Some(near) => diagnostic.help(format!("write `{near}`")).correct(
                    match self.taken.contains(&near) {
                        true => Certainty::Guess,
                        false => slip(name, near, self.known.iter().copied()),
                    },
                    format!("change `{name}` to `{near}`"),
                    Edit::replace(attribute.name.span, near),
                ),
                None if BLOCKS.contains(&name.as_str()) => diagnostic.help(NO_EQUALS),
                None if self.known.is_empty() => diagnostic.help("remove it"),
                None => diagnostic.help(format!(
                    "attributes allowed here: {}",
                    quoted_list(self.known.iter().copied())
                )),
            });
        }
        meant
    }
}
