//! Instances of sources: what `for_each` and `extends` make of the declared ones.

use std::rc::Rc;
use std::sync::Arc;

use imgc_syntax::Span;

use super::inside::Mention;
use super::make::{Maker, unknown_yet};
use super::names::{Key, trailing_keys};
use super::repeat::{Elements, Turn, unknown_element};
use super::sources::{Found, bare_source};
use super::unit::{SourceId, Unit};
use crate::diagnostic::registry::Entry;
use crate::diagnostic::{Diagnostic, nearest};
use crate::eval;
use crate::hir::{Attribute, Body, Expr, ExprKind};
use crate::module;
use crate::scope::Place;
use crate::types::Type;

/// Problems with sources that extend others.
pub const IDS: &[Entry] = &[Entry::error(
    "check/invalid-extends",
    "`extends` does not name a source of the same builder",
)];

/// One body of a source, with where it stands and what its elements are called.
#[derive(Clone)]
pub(super) struct SourceLayer<'a> {
    pub(super) unit: &'a Unit<'a>,
    pub(super) body: &'a Arc<Body>,
    pub(super) elements: Elements,
}

/// One instance of a declared source.
#[derive(Clone)]
pub(super) struct Declared<'a> {
    /// What tells it from the others.
    pub(super) key: Option<Key>,
    /// Whether builds can have it.
    pub(super) enabled: bool,
    /// What it extends first, itself last.
    pub(super) layers: Vec<SourceLayer<'a>>,
    /// Whether all it extends was found.
    pub(super) whole: bool,
    /// Where it stands among the instances.
    pub(super) at: usize,
    /// Whether these are all instances: not where the number of them has a mistake.
    pub(super) complete: bool,
}

/// A source as somebody refers to it.
pub(super) struct Referred<'a> {
    /// The unit that declares it.
    pub(super) home: &'a Unit<'a>,
    pub(super) source: &'a module::Source,
    /// The instances that are meant.
    pub(super) instances: Vec<Declared<'a>>,
}

impl<'a> Maker<'a, '_> {
    /// The instances of a source. There is always one; of a source that is repeated for nothing it stands for them all,
    /// and is not enabled.
    pub(super) fn declared(
        &mut self,
        unit: &'a Unit<'a>,
        source: &'a module::Source,
    ) -> Rc<[Declared<'a>]> {
        let id = unit.id(source);
        if let Some(known) = self.sources.get(&id) {
            return Rc::clone(known);
        }
        self.resolving.push((id, source));
        let place = Place::block(&unit.names);
        let none = Elements::from([]);
        let mut found = Vec::new();
        let turns = self.turns(&source.repeat, place, &none);
        for turn in turns.list {
            found.push(self.layered(unit, source, turn));
        }
        if found.is_empty() {
            let turn = Turn {
                key: None,
                elements: unknown_element(&source.repeat, &none),
                enabled: false,
            };
            found.push(self.layered(unit, source, turn));
        }
        for (at, declared) in found.iter_mut().enumerate() {
            declared.at = at;
            declared.complete = turns.complete;
        }
        self.resolving.pop();
        let found: Rc<[Declared<'a>]> = found.into();
        self.sources.insert(id, Rc::clone(&found));
        found
    }

    /// An instance with what it extends below it.
    fn layered(
        &mut self,
        unit: &'a Unit<'a>,
        source: &'a module::Source,
        turn: Turn,
    ) -> Declared<'a> {
        let Turn {
            key,
            elements,
            enabled,
        } = turn;
        let base = source.extends.as_ref().map(|extends| {
            let place = Place::block(&unit.names).with_elements(&elements);
            self.base(unit, source, extends, place, enabled)
        });
        let mut declared = Declared {
            key,
            enabled,
            layers: Vec::new(),
            whole: true,
            at: 0,
            complete: true,
        };
        match base {
            Some(Some(base)) => {
                declared.whole = base.whole;
                declared.layers = base.layers;
            }
            Some(None) => declared.whole = false,
            None => {}
        }
        declared.layers.push(SourceLayer {
            unit,
            body: &source.body,
            elements,
        });
        declared
    }

    /// The instance that `extends` names; a mistake is reported. One that is not enabled may extend one that is not
    /// either.
    fn base(
        &mut self,
        unit: &'a Unit<'a>,
        source: &'a module::Source,
        extends: &Attribute,
        place: Place<'_>,
        enabled: bool,
    ) -> Option<Declared<'a>> {
        let expr = &extends.value;
        let reference = self.base_reference(expr, place)?;
        let (words, keys) = trailing_keys(&reference);
        let (home, base) = match self.find_source(unit, words, Mention::of(expr)) {
            Found::Source(home, base) => (home, base),
            Found::No => return None,
            Found::Off if !enabled => return None,
            Found::Off => {
                let message = format!("`{words}` is in a module that is not enabled");
                self.cx.report(invalid_extends(expr.span, message).help(
                    "extend a source that is always there, or give this one `enabled` like the module's",
                ));
                return None;
            }
        };
        if base.ty.text != source.ty.text {
            let message = format!(
                "a source of type `{}` cannot extend one of type `{}`",
                source.ty.text, base.ty.text
            );
            self.cx.report(
                invalid_extends(expr.span, message)
                    .label(source.ty.span, format!("this is `{}`", source.ty.text))
                    .label(base.ty.span, format!("and this `{}`", base.ty.text))
                    .help("only options of one and the same builder can be taken over; put common values into `locals`"),
            );
            return None;
        }
        let id = home.id(base);
        if let Some(first) = self.resolving.iter().position(|(other, _)| *other == id) {
            self.circle(first);
            return None;
        }
        let instances = self.declared(home, base);
        let chosen = match &keys[..] {
            [] if base.repeat.has_keys() => {
                self.cx.report(
                    invalid_extends(
                        expr.span,
                        format!("`{words}` is repeated, and `extends` takes over one source"),
                    )
                    .label(base.span, "repeated here")
                    .help("say which: write its key behind it, as in `source.TYPE.NAME[\"KEY\"]` or `source.TYPE.NAME[each.key]`"),
                );
                return None;
            }
            [] => instances.first().cloned(),
            keys => self.keyed(words, base, &instances, keys, Mention::of(expr)),
        }?;
        self.seen.insert((id, chosen.at));
        Some(chosen)
    }

    /// What `extends` says, as a text such as `source.null.base["a"]`.
    fn base_reference(&mut self, expr: &Expr, place: Place<'_>) -> Option<String> {
        let expr = match &expr.kind {
            ExprKind::Paren(inner) => inner,
            _ => expr,
        };
        if let Some(path) = bare_source(expr) {
            return Some(path);
        }
        if let ExprKind::Index(operand, key) = &expr.kind
            && let Some(path) = bare_source(operand)
        {
            let value = eval::evaluate(key, &place, self.cx);
            if value.is_error() {
                return None;
            }
            if !value.is_known() {
                // In a source that is repeated for nothing, the key is not known.
                return None;
            }
            let key = match (value.as_str(), value.as_number().and_then(|n| n.to_u64())) {
                (Some(text), _) => Key::Text(text.into()),
                (None, Some(index)) => Key::Index(index as usize),
                (None, None) => {
                    self.cx.report(
                        invalid_extends(
                            key.span,
                            format!(
                                "a key is a text or a number, and this is {}",
                                value.ty().describe()
                            ),
                        )
                        .help("write `source.TYPE.NAME[each.key]`"),
                    );
                    return None;
                }
            };
            return Some(format!("{path}{key}"));
        }
        let value = eval::evaluate_as(expr, &Type::String, &place, self.cx, "extends");
        if value.is_null() {
            self.cx.report(
                invalid_extends(expr.span, "`extends` is null".to_owned())
                    .help("write `extends = source.TYPE.NAME`"),
            );
        }
        value.as_str().map(str::to_owned)
    }

    fn circle(&mut self, first: usize) {
        let circle: Vec<&module::Source> = self.resolving[first..]
            .iter()
            .map(|(_, source)| *source)
            .collect();
        let name =
            |source: &module::Source| format!("source.{}.{}", source.ty.text, source.name.text);
        let mut names: Vec<String> = circle.iter().map(|source| name(source)).collect();
        names.push(names[0].clone());
        let mut diagnostic = Diagnostic::error(
            "check/cycle",
            circle[0].name.span,
            format!("`{}` extends itself: {}", names[0], names.join(" → ")),
        )
        .help("take one of these `extends` out");
        for source in circle {
            if let Some(extends) = &source.extends {
                diagnostic = diagnostic.label(
                    extends.value.span,
                    format!("`{}` extends this", name(source)),
                );
            }
        }
        self.cx.report(diagnostic);
    }

    /// The source a reference means, with the instances that builds can have; a mistake is reported.
    pub(super) fn referred(
        &mut self,
        unit: &'a Unit<'a>,
        reference: &str,
        mention: Mention,
    ) -> Option<Referred<'a>> {
        let (words, keys) = trailing_keys(reference);
        let Found::Source(home, source) = self.find_source(unit, words, mention) else {
            return None;
        };
        let all = self.declared(home, source);
        let instances = match &keys[..] {
            [] => all.to_vec(),
            keys => vec![self.keyed(words, source, &all, keys, mention)?],
        };
        Some(Referred {
            home,
            source,
            instances: instances.into_iter().filter(|one| one.enabled).collect(),
        })
    }

    /// The instance of a key.
    fn keyed(
        &mut self,
        words: &str,
        source: &module::Source,
        instances: &[Declared<'a>],
        keys: &[Key],
        mention: Mention,
    ) -> Option<Declared<'a>> {
        if let [key] = keys
            && let Some(found) = instances.iter().find(|one| one.key.as_ref() == Some(key))
        {
            return Some(found.clone());
        }
        if instances.iter().any(|one| !one.complete) {
            return None;
        }
        let shown: String = keys.iter().map(Key::to_string).collect();
        let diagnostic = Diagnostic::error(
            "check/unknown-source",
            mention.span,
            format!("the source `{words}` has no instance `{shown}`"),
        );
        let all: Vec<String> = instances
            .iter()
            .filter_map(|one| one.key.as_ref().map(Key::to_string))
            .collect();
        let names = || all.iter().map(String::as_str);
        // Of the shortest keys any is near any other.
        let near = nearest(&shown, names()).filter(|_| shown.len() > 6);
        self.cx.report(match near {
            _ if !source.repeat.has_keys() => diagnostic
                .label(source.span, "it is not repeated")
                .help(format!("write `{words}`, or give the source `for_each`")),
            Some(near) => {
                let whole = format!("{words}{near}");
                mention.meant(diagnostic, "key", &whole)
            }
            None if all.is_empty() => {
                diagnostic.help("it is repeated for nothing: its `for_each` is empty")
            }
            None => {
                let some = crate::module::quoted_list(names().take(8));
                let more = all.len().saturating_sub(8);
                diagnostic.help(if more > 0 {
                    format!("it has {some} and {more} more")
                } else {
                    format!("it has {some}")
                })
            }
        });
        None
    }

    /// The instances no build has and no source extends; they are checked all the same.
    pub(super) fn unseen(
        &mut self,
        unit: &'a Unit<'a>,
        source: &'a module::Source,
    ) -> Vec<Declared<'a>> {
        let id: SourceId = unit.id(source);
        let all = self.declared(unit, source);
        all.iter()
            .filter(|one| !self.seen.contains(&(id, one.at)))
            .cloned()
            .collect()
    }

    /// What must be known before anything runs, and is not. Where a template is only checked, what data sources yield is
    /// not looked up, and such a value is no mistake.
    pub(super) fn not_yet(&mut self, span: Span, what: &str) {
        if !self.request.check_only {
            self.cx.report(unknown_yet(span, what));
        }
    }
}

fn invalid_extends(span: Span, message: String) -> Diagnostic {
    Diagnostic::error("check/invalid-extends", span, message)
}
