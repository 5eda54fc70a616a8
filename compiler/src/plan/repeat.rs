//! Repeated blocks: `for_each`, `count` and `enabled` become instances with keys and names for their elements.

use std::collections::HashMap;
use std::sync::Arc;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::make::{Maker, unknown_yet};
use super::names::Key;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::registry::Entry;
use crate::eval::{self, Context, Scope};
use crate::hir::{Attribute, Expr, ExprKind};
use crate::module::Repeat;
use crate::scope::Place;
use crate::types::Type;
use crate::value::{Data, Value};

/// Problems with repeated blocks.
pub const IDS: &[Entry] = &[
    Entry::error(
        "check/invalid-for-each",
        "`for_each` has a value that does not name instances",
    ),
    Entry::error(
        "check/repeated-element",
        "`for_each` has a text twice, so that two instances would have one key",
    ),
    Entry::error(
        "check/sensitive-key",
        "keys of instances would show a sensitive value",
    ),
    Entry::error(
        "check/invalid-count",
        "`count` is not a number of instances",
    ),
];

/// More instances of one block than this are a mistake, not a wish.
const MOST: u64 = 100_000;

/// The names a block has for what it is repeated over, the innermost first.
pub(crate) type Elements = Arc<[(SmolStr, Value)]>;

/// One instance of a block.
#[derive(Clone)]
pub(crate) struct Turn {
    /// What tells it from the others; `None` where the block is not repeated.
    pub(crate) key: Option<Key>,
    /// The names of its elements, with those of the blocks around.
    pub(crate) elements: Elements,
    /// Whether it is part of the plan.
    pub(crate) enabled: bool,
}

/// The instances of a block.
pub(crate) struct Turns {
    pub(crate) list: Vec<Turn>,
    /// Whether these are all of them: not where the number of instances has a mistake.
    pub(crate) complete: bool,
}

/// Works out how often blocks stand for something.
pub(crate) struct Repeating<'r, 'w> {
    pub(crate) cx: &'r mut Context<'w>,
    /// A template is only checked: what data sources yield is not looked up.
    pub(crate) check_only: bool,
}

impl Maker<'_, '_> {
    /// The instances of a block that stands at `place` in a block with these elements; a mistake in their number is
    /// reported.
    pub(super) fn turns(&mut self, repeat: &Repeat, place: Place<'_>, outer: &Elements) -> Turns {
        let mut repeating = Repeating {
            check_only: self.request.check_only,
            cx: self.cx,
        };
        repeating.turns(repeat, place, outer)
    }
}

impl Repeating<'_, '_> {
    /// The instances of a block that stands at `place` in a block with these elements; a mistake in their number is
    /// reported.
    pub(crate) fn turns(&mut self, repeat: &Repeat, place: Place<'_>, outer: &Elements) -> Turns {
        let around = place.with_elements(outer);
        let keys = match (&repeat.for_each, &repeat.count) {
            (Some(for_each), _) => self.elements(for_each, repeat.iterator.is_some(), &around),
            (None, Some(count)) => self.numbers(count, &around),
            (None, None) => {
                let enabled = &repeat.enabled;
                let only = Turn {
                    key: None,
                    elements: Arc::clone(outer),
                    enabled: enabled
                        .as_ref()
                        .is_none_or(|attribute| self.enabled(attribute, &around)),
                };
                return Turns {
                    list: vec![only],
                    complete: true,
                };
            }
        };
        let name = repeat.name().unwrap_or_default();
        let complete = keys.is_some();
        let list = keys
            .unwrap_or_default()
            .into_iter()
            .map(|(key, element)| {
                let elements = inside(&name, element, outer);
                let enabled = repeat.enabled.as_ref().is_none_or(|attribute| {
                    self.enabled(attribute, &place.with_elements(&elements))
                });
                Turn {
                    key: Some(key),
                    elements,
                    enabled,
                }
            })
            .collect();
        Turns { list, complete }
    }

    /// The elements of `for_each` with their keys; `None`, reported, where it has a mistake.
    fn elements(
        &mut self,
        attribute: &Attribute,
        dynamic: bool,
        place: &dyn Scope,
    ) -> Option<Vec<(Key, Value)>> {
        let expr = &attribute.value;
        let value = eval::evaluate(expr, place, self.cx);
        if value.is_error() {
            return None;
        }
        if value.is_null() {
            return Some(Vec::new());
        }
        let sensitive = value.is_sensitive();
        if sensitive && !dynamic {
            self.cx.report(sensitive_key(expr.span));
            return None;
        }
        if !value.is_known() {
            self.unknown_repetition(expr.span, "for_each");
            return None;
        }
        match value.data() {
            Data::Map(..) | Data::Object(_) | Data::List(..) | Data::Set(..) | Data::Tuple(_)
                if sensitive =>
            {
                // Only positions show nothing.
                let element = |(at, (key, element)): (usize, (Value, Value))| {
                    (Key::Index(at), each(key.mark(true), element.mark(true)))
                };
                Some(value.elements().enumerate().map(element).collect())
            }
            Data::Map(..) | Data::Object(_) => {
                let element = |(key, element): (Value, Value)| {
                    let text = key.as_str()?.into();
                    Some((Key::Text(text), each(key, element)))
                };
                Some(value.elements().filter_map(element).collect())
            }
            Data::List(..) | Data::Set(..) | Data::Tuple(_) if dynamic => {
                let is_set = matches!(value.data(), Data::Set(..));
                let element = |(at, (key, element)): (usize, (Value, Value))| {
                    let key = if is_set { element.clone() } else { key };
                    match key.as_str() {
                        Some(text) if !key.is_sensitive() => {
                            (Key::Text(text.into()), each(key, element))
                        }
                        _ => (Key::Index(at), each(key, element)),
                    }
                };
                Some(value.elements().enumerate().map(element).collect())
            }
            Data::List(..) | Data::Set(..) | Data::Tuple(_) => self.texts(expr, &value),
            _ => {
                let found = value.ty().describe();
                let (message, help) = match dynamic {
                    true => (
                        format!("`for_each` needs a list, a set or a map, and this is {found}"),
                        "to make no block at all, give an empty list `[]`",
                    ),
                    false => (
                        format!(
                            "`for_each` goes through a map, or through texts, and this is {found}"
                        ),
                        "write a map `{ NAME = …, … }` or a list of texts `[\"a\", \"b\"]`; `count = …` repeats so many times",
                    ),
                };
                self.cx.report(invalid_for_each(expr.span, message, help));
                None
            }
        }
    }

    /// Texts, each its own key.
    fn texts(&mut self, expr: &Expr, value: &Value) -> Option<Vec<(Key, Value)>> {
        let mut seen: HashMap<SmolStr, Span> = HashMap::new();
        let mut found = Vec::new();
        let mut right = true;
        for (at, element) in value.as_slice().unwrap_or_default().iter().enumerate() {
            let span = part(expr, at);
            if element.is_error() {
                right = false;
                continue;
            }
            if element.is_sensitive() {
                self.cx.report(sensitive_key(span));
                right = false;
                continue;
            }
            if !element.is_known() {
                self.unknown_repetition(span, "for_each");
                right = false;
                continue;
            }
            let Some(text) = element.as_str() else {
                let found = match element.is_null() {
                    true => "null".to_owned(),
                    false => element.ty().describe(),
                };
                self.cx.report(invalid_for_each(
                    span,
                    format!("the elements of `for_each` are the keys of instances, and this one is {found}"),
                    "give texts, or a map whose keys are texts: `{ for x in … : \"NAME\" => x }`",
                ));
                right = false;
                continue;
            };
            let text = SmolStr::from(text);
            if let Some(first) = seen.get(&text) {
                let diagnostic = Diagnostic::error(
                    "check/repeated-element",
                    span,
                    format!("`for_each` has \"{text}\" twice"),
                );
                self.cx.report(
                    if *first == span {
                        diagnostic
                    } else {
                        diagnostic.label(*first, "it is here as well")
                    }
                    .help("take one of them out, or write `distinct(…)`, which keeps one of each"),
                );
                right = false;
                continue;
            }
            seen.insert(text.clone(), span);
            found.push((Key::Text(text), each(element.clone(), element.clone())));
        }
        right.then_some(found)
    }

    /// The indices of `count`.
    fn numbers(&mut self, attribute: &Attribute, place: &dyn Scope) -> Option<Vec<(Key, Value)>> {
        let expr = &attribute.value;
        let value = eval::evaluate_as(expr, &Type::Number, place, self.cx, "count");
        if value.is_error() {
            return None;
        }
        if !value.is_known() {
            self.unknown_repetition(expr.span, "count");
            return None;
        }
        let number = value.as_number().filter(|_| !value.is_sensitive());
        let most = number
            .and_then(|number| number.to_u64())
            .filter(|most| *most <= MOST);
        let Some(most) = most else {
            let (message, help) = match number {
                None if value.is_sensitive() => {
                    self.cx.report(sensitive_key(expr.span));
                    return None;
                }
                None => (
                    "`count` is null".to_owned(),
                    "write a whole number; 0 for no instance",
                ),
                Some(number) if number.to_u64().is_some() => (
                    format!("`count` is {number}, and {MOST} is the most"),
                    "one block cannot stand for that many",
                ),
                Some(number) => (
                    format!("`count` is a whole number, 0 or more, and this is {number}"),
                    "round it with `floor(…)`, or keep it from going below 0 with `max(0, …)`",
                ),
            };
            self.cx
                .report(Diagnostic::error("check/invalid-count", expr.span, message).help(help));
            return None;
        };
        let element = |index| {
            let object = Value::object([("index", Value::number(index))]);
            (Key::Index(index), object)
        };
        Some((0..most as usize).map(element).collect())
    }

    fn enabled(&mut self, attribute: &Attribute, place: &dyn Scope) -> bool {
        let expr = &attribute.value;
        let value = eval::evaluate_as(expr, &Type::Bool, place, self.cx, "enabled");
        if !value.is_known() && !value.is_error() {
            self.unknown_repetition(expr.span, "enabled");
        }
        value.as_bool().unwrap_or(true)
    }

    /// Says that it must be known what there is before anything runs. Where a template is only checked, what data sources
    /// yield is not looked up, and such a value is no mistake.
    fn unknown_repetition(&mut self, span: Span, what: &str) {
        if !self.check_only {
            self.cx.report(unknown_yet(span, what));
        }
    }
}

/// The names inside an instance of a block of which nothing is known.
pub(crate) fn unknown_element(repeat: &Repeat, outer: &Elements) -> Elements {
    let unknown = || Value::unknown(Type::Any);
    match repeat.name() {
        None => Arc::clone(outer),
        Some(name) if repeat.for_each.is_some() => {
            let key = match repeat.iterator {
                Some(_) => unknown(),
                None => Value::unknown(Type::String),
            };
            inside(&name, each(key, unknown()), outer)
        }
        Some(name) => {
            let index = Value::unknown(Type::Number);
            inside(&name, Value::object([("index", index)]), outer)
        }
    }
}

/// What a provisioner of a group may be repeated over where the group is used.
pub(super) fn any_elements() -> Elements {
    let unknown = || Value::unknown(Type::Any);
    let each = each(Value::unknown(Type::String), unknown());
    let count = Value::object([("index", Value::unknown(Type::Number))]);
    Arc::from([("each".into(), each), ("count".into(), count)])
}

fn inside(name: &SmolStr, element: Value, outer: &Elements) -> Elements {
    std::iter::once((name.clone(), element))
        .chain(outer.iter().filter(|(other, _)| other != name).cloned())
        .collect()
}

fn each(key: Value, value: Value) -> Value {
    Value::object([("key", key), ("value", value)])
}

/// The place of an element that is written out, or of the whole.
fn part(expr: &Expr, at: usize) -> Span {
    match &expr.kind {
        ExprKind::Tuple(parts) => parts.get(at).map_or(expr.span, |part| part.span),
        ExprKind::Paren(inner) => part(inner, at),
        _ => expr.span,
    }
}

fn invalid_for_each(span: Span, message: String, help: &str) -> Diagnostic {
    Diagnostic::error("check/invalid-for-each", span, message).help(help)
}

fn sensitive_key(span: Span) -> Diagnostic {
    Diagnostic::error(
        "check/sensitive-key",
        span,
        "the keys of instances are shown in names and logs, and this value is sensitive",
    )
    .help("repeat over something that is no secret, and look the secret up by its key")
}
