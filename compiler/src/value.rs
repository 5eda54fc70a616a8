//! Values: known, null, or unknown until run time; each may be marked sensitive.
//!
//! In: literals, variables, results of functions. Out: the same for the plan, as JSON for components
//! ([`Value::to_json`]), as text for people ([`Value::display`]). Collections are shared: a clone costs a counter.

mod display;
mod json;
mod number;
mod order;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use smol_str::SmolStr;
use unicode_normalization::UnicodeNormalization as _;

pub(crate) use display::{HIDDEN, key_text, quote};
pub use json::{JsonError, NotKnown};
pub use number::{Number, NumberError};

use crate::types::{AttributeType, ObjectType, Type};

/// A value of HCL's information model.
///
/// The mark `sensitive` belongs to the value, not to a variable: every operation passes it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    data: Data,
    mark: Mark,
}

/// Whether a value is a secret, and how that is known; the stronger mark wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    #[default]
    None,
    /// By the option it was given to, such as `ssh_password`: nobody has said so.
    Nature,
    /// The template says so, or a data source does.
    Declared,
}

/// What a value is made of. Collections are shared, so that a clone is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Known only at run time, with as much of its type as is known. `Type::Error` for what failed.
    Unknown(Type),
    /// No value, of a type.
    Null(Type),
    /// A truth value.
    Bool(bool),
    /// A decimal number.
    Number(Number),
    /// Text.
    String(SmolStr),
    /// Elements of one type (given for when there are none).
    List(Type, Arc<[Value]>),
    /// Elements of one type, sorted and without repetitions.
    Set(Type, Arc<[Value]>),
    /// By key, elements of one type.
    Map(Type, Arc<BTreeMap<SmolStr, Value>>),
    /// A value for each position.
    Tuple(Arc<[Value]>),
    /// By name; iteration is in the order of the names, as in HCL.
    Object(Arc<BTreeMap<SmolStr, Value>>),
}

impl Value {
    /// The value of what failed: unknown, and every check accepts it.
    pub fn error() -> Self {
        Self::unknown(Type::Error)
    }

    /// A value known only at run time.
    pub fn unknown(ty: Type) -> Self {
        Self::from_data(Data::Unknown(ty))
    }

    /// No value, of a type (`Type::Any` for a bare `null`).
    pub fn null(ty: Type) -> Self {
        Self::from_data(Data::Null(ty))
    }

    /// Text, in Unicode's normalization form C, as HCL has it: what looks the same is the same.
    pub fn string(text: impl Into<SmolStr>) -> Self {
        let text = text.into();
        let text = match text.is_ascii() || unicode_normalization::is_nfc(&text) {
            true => text,
            false => text.nfc().collect(),
        };
        Self::from_data(Data::String(text))
    }

    /// A truth value.
    pub fn bool(value: bool) -> Self {
        Self::from_data(Data::Bool(value))
    }

    /// A number.
    pub fn number(value: impl Into<Number>) -> Self {
        Self::from_data(Data::Number(value.into()))
    }

    /// A list; every element must be of the type `element` (null and unknown ones included).
    pub fn list(element: Type, elements: impl IntoIterator<Item = Value>) -> Self {
        Self::from_data(Data::List(element, elements.into_iter().collect()))
    }

    /// A list of strings.
    pub fn strings<S: Into<SmolStr>>(texts: impl IntoIterator<Item = S>) -> Self {
        Self::list(Type::String, texts.into_iter().map(Value::string))
    }

    /// A set; every element must be of the type `element`. Marks of elements go to the set; a set with an element that
    /// is not known is itself unknown, since nobody knows how many there are.
    pub fn set(element: Type, elements: impl IntoIterator<Item = Value>) -> Self {
        let elements: Vec<Value> = elements.into_iter().collect();
        let sensitive = elements.iter().any(Value::contains_sensitive);
        if !elements.iter().all(Value::is_wholly_known) {
            return Self::unknown(Type::set(element)).mark(sensitive);
        }
        let mut elements: Vec<Value> = if sensitive {
            elements.iter().map(Value::strip_marks).collect()
        } else {
            elements
        };
        elements.sort_by(order::compare);
        elements.dedup();
        Self::from_data(Data::Set(element, elements.into())).mark(sensitive)
    }

    /// A tuple: a value for each position.
    pub fn tuple(elements: impl IntoIterator<Item = Value>) -> Self {
        Self::from_data(Data::Tuple(elements.into_iter().collect()))
    }

    /// A map; every element must be of the type `element`.
    pub fn map<K: Into<SmolStr>>(
        element: Type,
        entries: impl IntoIterator<Item = (K, Value)>,
    ) -> Self {
        Self::from_data(Data::Map(element, collect_entries(entries)))
    }

    /// An object: values by name.
    pub fn object<K: Into<SmolStr>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::from_data(Data::Object(collect_entries(entries)))
    }

    /// A value without mark.
    pub fn from_data(data: Data) -> Self {
        Self {
            data,
            mark: Mark::None,
        }
    }

    /// What it is made of.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Its type, as much as is known.
    pub fn ty(&self) -> Type {
        match &self.data {
            Data::Unknown(ty) | Data::Null(ty) => ty.clone(),
            Data::Bool(_) => Type::Bool,
            Data::Number(_) => Type::Number,
            Data::String(_) => Type::String,
            Data::List(element, _) => Type::list(element.clone()),
            Data::Set(element, _) => Type::set(element.clone()),
            Data::Map(element, _) => Type::map(element.clone()),
            Data::Tuple(elements) => Type::tuple(elements.iter().map(Value::ty)),
            Data::Object(entries) => Type::Object(Arc::new(ObjectType {
                attributes: entries
                    .iter()
                    .map(|(name, value)| (name.clone(), AttributeType::required(value.ty())))
                    .collect(),
            })),
        }
    }

    /// Whether this very value is known (parts of it may be unknown).
    pub fn is_known(&self) -> bool {
        !matches!(self.data, Data::Unknown(_))
    }

    /// Whether all parts are known.
    pub fn is_wholly_known(&self) -> bool {
        self.is_known() && self.parts().all(Value::is_wholly_known)
    }

    /// Whether it is null, of whatever type.
    pub fn is_null(&self) -> bool {
        matches!(self.data, Data::Null(_))
    }

    /// Whether it is the value of what failed.
    pub fn is_error(&self) -> bool {
        matches!(self.data, Data::Unknown(Type::Error))
    }

    /// Whether it or a part of it is the value of what failed.
    pub fn contains_error(&self) -> bool {
        self.is_error() || self.parts().any(Value::contains_error)
    }

    /// Whether this very value is marked (parts of it may be even when it is not; see
    /// [`contains_sensitive`](Self::contains_sensitive)).
    pub fn is_sensitive(&self) -> bool {
        self.mark != Mark::None
    }

    /// Whether this very value is a secret only by the option it was given to; see
    /// [`mark_by_nature`](Self::mark_by_nature).
    pub fn is_sensitive_by_nature(&self) -> bool {
        self.mark == Mark::Nature
    }

    /// Whether it or a part of it is marked.
    pub fn contains_sensitive(&self) -> bool {
        self.is_sensitive() || self.parts().any(Value::contains_sensitive)
    }

    /// Whether it or a part of it is a secret because the template, or where it comes from, says so.
    pub fn contains_declared_sensitive(&self) -> bool {
        self.mark == Mark::Declared || self.parts().any(Value::contains_declared_sensitive)
    }

    /// The same value, marked if `sensitive`; a mark is never taken away by this.
    #[must_use]
    pub fn mark(mut self, sensitive: bool) -> Self {
        if sensitive {
            self.mark = Mark::Declared;
        }
        self
    }

    /// The same value, marked as a secret by the option it is given to if `sensitive`. Such a value is hidden where it
    /// stands and digested with salt, as any secret; elsewhere it is hidden only if it is distinctive
    /// ([`is_distinctive`](crate::redact::is_distinctive)): nobody has called it a secret, and it may be `vagrant`.
    #[must_use]
    pub fn mark_by_nature(mut self, sensitive: bool) -> Self {
        if sensitive && self.as_str() != Some("") && !self.is_null() {
            self.mark = self.mark.max(Mark::Nature);
        }
        self
    }

    /// The same value, with the texts in it marked as secrets by nature that `is` accepts.
    #[must_use]
    pub fn mark_texts(&self, is: &dyn Fn(&str) -> bool) -> Self {
        let all = |elements: &[Value]| elements.iter().map(|one| one.mark_texts(is)).collect();
        let entries = |entries: &BTreeMap<SmolStr, Value>| {
            let marked = entries
                .iter()
                .map(|(key, one)| (key.clone(), one.mark_texts(is)));
            Arc::new(marked.collect())
        };
        let data = match &self.data {
            Data::String(text) => return self.clone().mark_by_nature(is(text)),
            Data::List(ty, elements) => Data::List(ty.clone(), all(elements)),
            Data::Tuple(elements) => Data::Tuple(all(elements)),
            Data::Map(ty, map) => Data::Map(ty.clone(), entries(map)),
            Data::Object(object) => Data::Object(entries(object)),
            // Elements of sets have no marks of their own.
            Data::Set(_, elements) => {
                let any = elements.iter().any(|one| one.as_str().is_some_and(is));
                return self.clone().mark_by_nature(any);
            }
            _ => return self.clone(),
        };
        Self::from_data(data).mark_like(self)
    }

    /// The same value, marked as `other` itself is; a mark is never taken away by this.
    #[must_use]
    pub fn mark_like(mut self, other: &Self) -> Self {
        self.mark = self.mark.max(other.mark);
        self
    }

    /// The value without its own mark, and whether it had one. Marks of parts stay.
    pub fn unmark(mut self) -> (Self, bool) {
        let mark = std::mem::take(&mut self.mark);
        (self, mark != Mark::None)
    }

    /// The value without any mark. For those that account for the secret themselves.
    #[must_use]
    pub fn strip_marks(&self) -> Self {
        if !self.contains_sensitive() {
            return self.clone();
        }
        let strip_all = |elements: &[Value]| elements.iter().map(Value::strip_marks).collect();
        let strip_entries = |entries: &BTreeMap<SmolStr, Value>| {
            let stripped = entries.iter().map(|(k, v)| (k.clone(), v.strip_marks()));
            Arc::new(stripped.collect())
        };
        Self::from_data(match &self.data {
            Data::List(ty, elements) => Data::List(ty.clone(), strip_all(elements)),
            Data::Set(ty, elements) => Data::Set(ty.clone(), strip_all(elements)),
            Data::Tuple(elements) => Data::Tuple(strip_all(elements)),
            Data::Map(ty, entries) => Data::Map(ty.clone(), strip_entries(entries)),
            Data::Object(entries) => Data::Object(strip_entries(entries)),
            plain => plain.clone(),
        })
    }

    /// The text, of a known string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.data {
            Data::String(text) => Some(text),
            _ => None,
        }
    }

    /// The truth, of a known bool.
    pub fn as_bool(&self) -> Option<bool> {
        match self.data {
            Data::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The number, of a known number.
    pub fn as_number(&self) -> Option<&Number> {
        match &self.data {
            Data::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The elements of a known list, set or tuple.
    pub fn as_slice(&self) -> Option<&[Value]> {
        match &self.data {
            Data::List(_, elements) | Data::Set(_, elements) | Data::Tuple(elements) => {
                Some(elements)
            }
            _ => None,
        }
    }

    /// The entries of a known map or object, by key.
    pub fn as_map(&self) -> Option<&BTreeMap<SmolStr, Value>> {
        match &self.data {
            Data::Map(_, entries) | Data::Object(entries) => Some(entries),
            _ => None,
        }
    }

    /// The entry of a known map or object.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.get(key)
    }

    /// Number of elements of a known collection.
    pub fn len(&self) -> Option<usize> {
        match self.as_slice() {
            Some(elements) => Some(elements.len()),
            None => self.as_map().map(BTreeMap::len),
        }
    }

    /// Whether it is a known collection without elements.
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// Keys and elements of a known collection, in HCL's order: position and element of lists and tuples, name and
    /// value of maps and objects, the element twice for sets. Nothing for other values. The collection's own mark is
    /// not on them.
    pub fn elements(&self) -> impl Iterator<Item = (Value, Value)> + '_ {
        let is_set = matches!(self.data, Data::Set(..));
        let positions =
            self.as_slice()
                .unwrap_or_default()
                .iter()
                .enumerate()
                .map(move |(at, element)| match is_set {
                    true => (element.clone(), element.clone()),
                    false => (Value::number(at), element.clone()),
                });
        let names = self
            .as_map()
            .into_iter()
            .flatten()
            .map(|(name, value)| (Value::string(name.clone()), value.clone()));
        positions.chain(names)
    }

    /// The direct parts of a known collection.
    pub fn parts(&self) -> impl Iterator<Item = &Value> + '_ {
        let positions = self.as_slice().unwrap_or_default().iter();
        positions.chain(self.as_map().into_iter().flat_map(BTreeMap::values))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::string(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::bool(value)
    }
}

impl From<Number> for Value {
    fn from(value: Number) -> Self {
        Self::number(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::number(value)
    }
}

fn collect_entries<K: Into<SmolStr>>(
    entries: impl IntoIterator<Item = (K, Value)>,
) -> Arc<BTreeMap<SmolStr, Value>> {
    let entries = entries.into_iter().map(|(key, value)| (key.into(), value));
    Arc::new(entries.collect())
}
