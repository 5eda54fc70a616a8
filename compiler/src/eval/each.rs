//! `for` expressions, and walking collections in general.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::access::subject;
use super::{Child, Context, Evaluator, Truth};
use crate::convert::unify;
use crate::diagnostic::Diagnostic;
use crate::hir::{Expr, For, Name};
use crate::types::Type;
use crate::value::{self, Data, Value};

/// The elements of a collection.
pub(super) struct Walk {
    /// Keys and elements. Of an unknown collection: one unknown pair that stands for all.
    pub(super) items: Vec<(Value, Value)>,
    /// Whether these are all elements there will be.
    pub(super) complete: bool,
}

impl Walk {
    /// The elements of `collection`; `None`, reported, where it has none.
    pub(super) fn new(collection: &Value, expr: &Expr, cx: &mut Context<'_>) -> Option<Self> {
        let unknown = Value::unknown;
        let one = |key: Type, element: Type| {
            Some(Self {
                items: vec![(unknown(key), unknown(element))],
                complete: false,
            })
        };
        match collection.data() {
            Data::Unknown(Type::Error) => None,
            Data::Unknown(Type::Any) => one(Type::Any, Type::Any),
            Data::Unknown(Type::List(element)) => one(Type::Number, Type::clone(element)),
            Data::Unknown(Type::Set(element)) => one(Type::clone(element), Type::clone(element)),
            Data::Unknown(Type::Map(element)) => one(Type::String, Type::clone(element)),
            Data::Unknown(Type::Tuple(types)) => Some(Self {
                items: types
                    .iter()
                    .enumerate()
                    .map(|(at, ty)| (Value::number(at), unknown(ty.clone())))
                    .collect(),
                complete: true,
            }),
            Data::Unknown(Type::Object(ty)) => Some(Self {
                items: ty
                    .attributes
                    .iter()
                    .map(|(name, ty)| (Value::string(name.clone()), unknown(ty.ty.clone())))
                    .collect(),
                complete: true,
            }),
            Data::Null(_) => {
                let message = format!("{} is null and cannot be walked", subject(expr));
                cx.report(
                    Diagnostic::error("eval/null", expr.span, message)
                        .help("test for null first, or give an empty list as the default"),
                );
                None
            }
            _ if collection.len().is_some() => Some(Self {
                items: collection.elements().collect(),
                complete: true,
            }),
            _ => {
                let message = format!(
                    "{} is {} and has no elements to walk",
                    subject(expr),
                    collection.ty().describe()
                );
                cx.report(
                    Diagnostic::error("eval/not-a-collection", expr.span, message)
                        .help("`for` walks a list, set, tuple, map or object"),
                );
                None
            }
        }
    }
}

/// The variables of one round.
pub(super) fn bindings(
    (key_name, value_name): (Option<&Name>, &Name),
    key: Value,
    element: Value,
) -> Vec<(SmolStr, Value)> {
    let mut bindings = Vec::with_capacity(2);
    bindings.push((value_name.text.clone(), element));
    if let Some(name) = key_name {
        bindings.push((name.text.clone(), key));
    }
    bindings
}

/// What a `for` has come to so far.
#[derive(Default)]
struct Results {
    elements: Vec<Value>,
    entries: BTreeMap<SmolStr, Vec<Value>>,
    sensitive: bool,
    /// Which elements there are is known only at run time.
    unknown: bool,
}

impl Evaluator<'_> {
    pub(super) fn for_expr(&self, each: &For, cx: &mut Context<'_>) -> Value {
        let collection = self.expr(&each.collection, cx);
        let Some(walk) = Walk::new(&collection, &each.collection, cx) else {
            return Value::error();
        };
        let mut results = Results {
            sensitive: collection.is_sensitive(),
            unknown: !walk.complete,
            ..Results::default()
        };
        for (key, element) in walk.items {
            let before = cx.diagnostics.len();
            let names = (each.key.as_ref(), &each.value);
            let scope = Child::new(self.scope, bindings(names, key, element));
            let inner = Evaluator {
                scope: &scope,
                item: self.item,
            };
            let done = inner.round(each, &mut results, cx);
            // One round's mistake is most likely every round's.
            if done.is_none() || cx.failed_since(before) {
                return Value::error();
            }
        }
        results.finish(each)
    }

    /// One element; `None` where it failed, which was reported here or before.
    fn round(&self, each: &For, results: &mut Results, cx: &mut Context<'_>) -> Option<()> {
        if let Some(condition) = &each.condition {
            let value = self.expr(condition, cx);
            results.sensitive |= value.is_sensitive();
            match self.truth(&value, condition.span, cx) {
                Truth::True => {}
                Truth::False => return Some(()),
                Truth::Later => results.unknown = true,
                Truth::Failed => return None,
            }
        }
        let Some(key_expr) = &each.result_key else {
            results.elements.push(self.expr(&each.result, cx));
            return Some(());
        };
        let key = self.expr(key_expr, cx);
        let element = self.expr(&each.result, cx);
        if key.is_error() {
            return None;
        }
        results.sensitive |= key.is_sensitive();
        let before = cx.diagnostics.len();
        let Some(name) = self.key(&key, key_expr.span, cx) else {
            results.unknown = true;
            results.elements.push(element);
            return (!cx.failed_since(before)).then_some(());
        };
        let values = results.entries.entry(name.clone()).or_default();
        if !values.is_empty() && !each.group {
            let message = match key.is_sensitive() {
                true => "two elements give the same key".to_owned(),
                false => format!("two elements give the same key {}", value::quote(&name)),
            };
            cx.report(
                Diagnostic::error("eval/repeated-key", key_expr.span, message)
                    .help("to collect the values of equal keys, write `...` after the value"),
            );
            return None;
        }
        values.push(element);
        Some(())
    }
}

impl Results {
    fn finish(mut self, each: &For) -> Value {
        let value = if self.unknown {
            self.elements
                .extend(std::mem::take(&mut self.entries).into_values().flatten());
            self.sensitive |= self.elements.iter().any(Value::contains_sensitive);
            let types: Vec<Type> = self.elements.iter().map(Value::ty).collect();
            let element = match unify(&types) {
                Some(Type::Error) | None => Type::Any,
                Some(ty) => ty,
            };
            Value::unknown(match (&each.result_key, each.group) {
                (None, _) => Type::list(element),
                (Some(_), false) => Type::map(element),
                (Some(_), true) => Type::map(Type::list(element)),
            })
        } else if each.result_key.is_none() {
            Value::tuple(self.elements)
        } else if each.group {
            let groups = self.entries.into_iter();
            Value::object(groups.map(|(key, values)| (key, Value::tuple(values))))
        } else {
            let entries = self.entries.into_iter();
            Value::object(
                entries.filter_map(|(key, values)| Some((key, values.into_iter().next()?))),
            )
        };
        value.mark(self.sensitive)
    }
}
