//! Data sources: what they have said so far, and what they give as long as they have said nothing.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::Node;
use crate::components::{ComponentKind, Components};
use crate::configure::{self, Asked, Layer, Subject, known_component};
use crate::diagnostic::Diagnostic;
use crate::eval::Context;
use crate::module::Source;
use crate::plan::DataUse;
use crate::schema::Component;
use crate::scope::{Names, Place};
use crate::types::Type;
use crate::value::Value;

/// A data source: the position of its module (0 is the template itself), type and name.
pub(crate) type DataKey = (usize, SmolStr, SmolStr);

/// What data sources have said, and which of them are to be read.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    wanted: BTreeSet<DataKey>,
    /// By prefix of the unit, type and name.
    read: BTreeMap<(SmolStr, SmolStr, SmolStr), Result<Value, Diagnostic>>,
    /// Their options, with the prefix of the unit.
    asked: BTreeMap<(DataKey, SmolStr), Value>,
}

impl Readings {
    /// Has these read from now on; whether that changes anything.
    pub(crate) fn want(&mut self, more: BTreeSet<DataKey>) -> bool {
        let before = self.wanted.len();
        self.wanted.extend(more);
        self.wanted.len() > before
    }

    /// Those of `needed` that are in order, with their options.
    pub(crate) fn used(&self, needed: &BTreeSet<DataKey>) -> Vec<DataUse> {
        let asked = self.asked.iter();
        let used = asked.filter(|((key, _), _)| needed.contains(key));
        used.map(|(((_, ty, _), _), options)| DataUse {
            component: ty.clone(),
            options: options.clone(),
        })
        .collect()
    }

    fn note(&mut self, node: &Node<'_>, source: &Source, options: &Value) {
        let (ty, name) = (source.ty.text.clone(), source.name.text.clone());
        let key = ((node.at, ty, name), node.prefix.clone());
        self.asked.insert(key, options.clone());
    }

    /// What a data source says to these options, asked once; `None` if it is not to be read, or cannot be yet.
    pub(super) fn of(
        &mut self,
        node: &Node<'_>,
        source: &Source,
        options: &Value,
        components: &dyn Components,
    ) -> Option<Result<Value, Diagnostic>> {
        let (ty, name) = (source.ty.text.clone(), source.name.text.clone());
        let key = (node.prefix.clone(), ty.clone(), name.clone());
        if let Some(known) = self.read.get(&key) {
            return Some(known.clone());
        }
        if !self.wanted.contains(&(node.at, ty, name)) || !options.is_wholly_known() {
            return None;
        }
        let said = components
            .read(&source.ty.text, options)
            .map_err(|problem| {
                let asked = Asked {
                    kind: ComponentKind::DataSource,
                    name: &source.ty.text,
                    options,
                    bodies: &[&source.body],
                    span: source.span,
                };
                asked.failure("data/failed", problem)
            });
        self.read.insert(key, said.clone());
        Some(said)
    }
}

/// Checks a data source's options, and gives its outputs.
pub(super) fn data(
    node: &Node<'_>,
    source: &Source,
    names: &Names,
    readings: &mut Readings,
    components: &dyn Components,
    cx: &mut Context<'_>,
) -> Value {
    // Making the plan says what is to be said about the type.
    let component = match known_component(ComponentKind::DataSource, &source.ty, node.module) {
        Ok(known) if !known.component.is_foreign() => known.component,
        _ => return Value::unknown(Type::Any),
    };
    let body = &*source.body;
    let scope = &Place::local(names);
    let subject = Subject {
        what: format!("data source `{}`", source.ty.text),
        component,
        meta: &[],
        layers: &[Layer { body, scope }],
        overrides: None,
        span: source.span,
    };
    let before = cx.diagnostics.len();
    let options = configure::configure(&subject, cx);
    let asked = Asked {
        kind: ComponentKind::DataSource,
        name: &source.ty.text,
        options: &options,
        bodies: &[body],
        span: source.span,
    };
    let problems = asked.problems(components, &cx.diagnostics[before..]);
    cx.diagnostics.extend(problems);
    if cx.diagnostics[before..].iter().any(Diagnostic::is_error) {
        return unread(component);
    }
    readings.note(node, source, &options);
    match readings.of(node, source, &options, components) {
        None => unread(component),
        Some(Ok(value)) => value,
        Some(Err(diagnostic)) => {
            cx.report(diagnostic);
            Value::error()
        }
    }
}

/// The outputs of a data source that has not been read.
fn unread(component: &Component) -> Value {
    let outputs = component.outputs.iter();
    Value::object(outputs.map(|(name, ty)| (name.clone(), Value::unknown(ty.clone()))))
}
