//! Values: known, null, or unknown until run time; each may be marked sensitive.

use std::collections::BTreeMap;
use std::sync::Arc;

use smol_str::SmolStr;

use crate::types::Type;

/// A value of HCL's information model.
///
/// The mark `sensitive` belongs to the value, not to a variable: every operation passes it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    data: Data,
    sensitive: bool,
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
    Number(crate::value::Number),
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

/// A number: integers exact to any practical size, decimals exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(pub bigdecimal::BigDecimal);

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

    /// Text.
    pub fn string(text: impl Into<SmolStr>) -> Self {
        Self::from_data(Data::String(text.into()))
    }

    /// A truth value.
    pub fn bool(value: bool) -> Self {
        Self::from_data(Data::Bool(value))
    }

    /// A value without mark.
    pub fn from_data(data: Data) -> Self {
        Self {
            data,
            sensitive: false,
        }
    }

    /// What it is made of.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Whether this very value is marked (parts of it may be even when it is not; see `contains_sensitive`).
    pub fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// The same value, marked if `sensitive`; a mark is never taken away by this.
    #[must_use]
    pub fn mark(mut self, sensitive: bool) -> Self {
        self.sensitive |= sensitive;
        self
    }
}
