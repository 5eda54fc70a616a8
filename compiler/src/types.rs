//! The type system of HCL as users know it.

use std::sync::Arc;

use indexmap::IndexMap;
use smol_str::SmolStr;

/// A type. Element types say `Any` where nothing is known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// Nothing is known, or anything will do (`any`; the dynamic pseudo-type of HCL).
    Any,
    /// The type of what failed: every check accepts it silently.
    Error,
    /// Text.
    String,
    /// A decimal number of any size.
    Number,
    /// `true` or `false`.
    Bool,
    /// Ordered, one element type.
    List(Arc<Type>),
    /// Unordered, no repetitions, one element type.
    Set(Arc<Type>),
    /// By string key, one element type.
    Map(Arc<Type>),
    /// Ordered, a type for each position.
    Tuple(Arc<[Type]>),
    /// By name, a type for each; optional ones may be left out.
    Object(Arc<ObjectType>),
}

/// The attributes of an object type, in the order written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectType {
    /// By name.
    pub attributes: IndexMap<SmolStr, AttributeType>,
}

/// One attribute of an object type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeType {
    /// Its type.
    pub ty: Type,
    /// Whether it may be left out: `optional(T)`.
    pub optional: bool,
    /// What stands for it then: `optional(T, default)`; null of the type where nothing is said.
    pub default: Option<crate::value::Value>,
}
