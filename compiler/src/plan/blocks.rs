//! `build` blocks with the sources they build.

use std::sync::Arc;
use std::time::Duration;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::inside::Mention;
use super::instance::Instance;
use super::instances::{Declared, SourceLayer};
use super::make::Maker;
use super::names::{InstanceName, Key};
use super::repeat::{Elements, Turn, unknown_element};
use super::unit::Unit;
use crate::diagnostic::Diagnostic;
use crate::eval;
use crate::hir::Expr;
use crate::module;
use crate::scope::Place;
use crate::types::Type;

/// A `build` block, or one instance of it, with the sources it builds.
pub(super) struct Block<'a> {
    pub(super) unit: &'a Unit<'a>,
    pub(super) build: &'a module::Build,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) timeout: Option<Duration>,
    /// What it is repeated over.
    pub(super) elements: Elements,
    pub(super) key: Option<Key>,
    pub(super) instances: Vec<Instance<'a>>,
    /// Whether all its sources could be found.
    pub(super) complete: bool,
}

/// A `source` block of a build, as one instance of a declared source gets it.
struct Nested<'a> {
    block: &'a module::NestedSource,
    name: Option<String>,
    turn: Turn,
}

impl<'a> Maker<'a, '_> {
    /// The instances of a `build` block with the sources they build.
    pub(super) fn blocks(
        &mut self,
        unit: &'a Unit<'a>,
        build: &'a module::Build,
        blocks: &mut Vec<Block<'a>>,
    ) {
        let none = Elements::from([]);
        let turns = self.turns(&build.repeat, Place::block(&unit.names), &none);
        let first = blocks.len();
        for turn in turns.list.into_iter().filter(|turn| turn.enabled) {
            let block = self.block(unit, build, turn);
            self.check_repeated(&block.instances);
            blocks.push(block);
        }
        if blocks.len() == first {
            let turn = Turn {
                key: None,
                elements: unknown_element(&build.repeat, &none),
                enabled: false,
            };
            blocks.push(self.block(unit, build, turn));
        }
        self.check_filters(build, &blocks[first..]);
    }

    /// One instance of a `build` block; of one that is not enabled only the references to sources are looked at.
    fn block(&mut self, unit: &'a Unit<'a>, build: &'a module::Build, turn: Turn) -> Block<'a> {
        let Turn {
            key,
            elements,
            enabled,
        } = turn;
        let place = Place::block(&unit.names).with_elements(&elements);
        let name = self
            .text(build.name.as_ref(), "name", place, enabled)
            .unwrap_or_default();
        let description = self.text(build.description.as_ref(), "description", place, enabled);
        let timeout = match enabled {
            true => self.duration(build.timeout.as_ref(), false, &place),
            false => None,
        };
        let mut block = Block {
            unit,
            build,
            name,
            description,
            timeout,
            elements: Arc::clone(&elements),
            key,
            instances: Vec::new(),
            complete: true,
        };
        let before = self.cx.diagnostics.len();
        if let Some(sources) = &build.sources {
            for (referred, span) in self.listed_sources(unit, sources, place, !enabled) {
                let (home, source) = (referred.home, referred.source);
                for declared in referred.instances {
                    block.add((home, source), declared, None, span);
                }
            }
        }
        for nested in &build.nested {
            self.nested(nested, place, &mut block, enabled);
        }
        if build.sources.is_none() && build.nested.is_empty() {
            self.cx.report(
                Diagnostic::error(
                    "check/build-without-source",
                    build.span,
                    "this build has no source",
                )
                .help("add `sources = [\"source.TYPE.NAME\"]`"),
            );
        }
        block.complete = enabled && self.cx.diagnostics.len() == before;
        if !enabled {
            block.instances.clear();
        }
        block
    }

    /// The instances of a `source` block in a build.
    fn nested(
        &mut self,
        nested: &'a module::NestedSource,
        place: Place<'_>,
        block: &mut Block<'a>,
        enabled: bool,
    ) {
        let outer = Arc::clone(&block.elements);
        let mut turns = self.turns(&nested.repeat, place, &outer).list;
        turns.retain(|turn| turn.enabled);
        let dry = turns.is_empty();
        if dry {
            // Its source must be there all the same.
            turns.push(Turn {
                key: None,
                elements: unknown_element(&nested.repeat, &outer),
                enabled: false,
            });
        }
        for turn in turns {
            let place = place.with_elements(&turn.elements);
            let known = enabled && !dry;
            let name = self.text(nested.name.as_ref(), "name", place, known);
            let reference = match &nested.reference {
                module::Label::Computed(_) if !known => None,
                label => self.label(label, place),
            };
            let Some(reference) = reference else { continue };
            let mention = Mention::of_label(&nested.reference, &reference);
            let referred = self.referred(block.unit, &reference.text, mention);
            let Some(referred) = referred.filter(|_| known) else {
                continue;
            };
            for declared in referred.instances {
                let added = Nested {
                    block: nested,
                    name: name.clone(),
                    turn: turn.clone(),
                };
                block.add(
                    (referred.home, referred.source),
                    declared,
                    Some(added),
                    nested.span,
                );
            }
        }
    }

    /// A text that must be `known` before anything runs.
    fn text(
        &mut self,
        expr: Option<&Expr>,
        what: &str,
        place: Place<'_>,
        known: bool,
    ) -> Option<String> {
        let expr = expr?;
        let value = eval::evaluate_as(expr, &Type::String, &place, self.cx, what);
        if known && !value.is_known() && !value.is_error() {
            self.not_yet(expr.span, what);
        }
        value.as_str().map(str::to_owned)
    }
}

impl<'a> Block<'a> {
    /// Adds an instance of a source.
    fn add(
        &mut self,
        (home, source): (&'a Unit<'a>, &'a module::Source),
        declared: Declared<'a>,
        nested: Option<Nested<'a>>,
        span: Span,
    ) {
        let mut layers = declared.layers;
        let mut own = declared.key;
        let mut keys: Vec<Key> = own.iter().cloned().collect();
        let mut name = source.name.text.clone();
        let is_nested = nested.is_some();
        if let Some(nested) = nested {
            name = nested.name.map_or(name, SmolStr::from);
            // What a `dynamic` block makes is called what it calls itself, as in Packer.
            let key = nested
                .turn
                .key
                .filter(|_| nested.block.repeat.iterator.is_none());
            keys.extend(key.clone());
            own = key.or(own);
            layers.push(SourceLayer {
                unit: self.unit,
                body: &nested.block.body,
                elements: nested.turn.elements,
            });
        }
        let mut short = InstanceName::default();
        if !source.body.weak {
            short.push(&source.ty.text);
            short.push(".");
        }
        short.push(&name);
        keys.iter().for_each(|key| short.push_key(key));
        let mut local = InstanceName::default();
        local.push(&self.name);
        if let Some(key) = &self.key {
            local.push_key(key);
        }
        if !local.text().is_empty() {
            local.push(".");
        }
        local.push_name(&short);
        let mut full = InstanceName::default();
        full.push_keyed(&self.unit.prefix);
        full.push_name(&local);
        self.instances.push(Instance {
            unit: self.unit,
            home,
            source,
            at: declared.at,
            layers,
            whole: declared.whole,
            is_nested,
            key: own.map(|key| key.value()),
            name,
            block: self.name.clone(),
            elements: Arc::clone(&self.elements),
            keys: self.key.iter().cloned().chain(keys).collect(),
            short,
            local,
            full,
            span,
        });
    }
}
