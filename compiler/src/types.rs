//! The type system of HCL as users know it.
//!
//! In: a `type` constraint (an expression, [`parse_type`]). Out: [`Type`]s, printed in the notation they are written in
//! ([`Type`]'s `Display`) or for people ([`Type::describe`]).

mod parse;

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use smol_str::SmolStr;

pub use parse::parse_type;

use crate::diagnostic::registry::Entry;

/// The problems this module reports.
pub const IDS: &[Entry] = &[
    Entry::error("type/unknown-type", "a type constraint names no type"),
    Entry::error("type/bad-type", "a type constraint is not written as one"),
    Entry::error(
        "type/bad-default",
        "the default of an optional attribute does not fit its type",
    ),
    Entry::error(
        "type/repeated-attribute",
        "an object type names an attribute twice",
    ),
];

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

impl AttributeType {
    /// An attribute that must be given.
    pub fn required(ty: Type) -> Self {
        Self {
            ty,
            optional: false,
            default: None,
        }
    }
}

impl Type {
    /// `list(element)`.
    pub fn list(element: Type) -> Self {
        Self::List(Arc::new(element))
    }

    /// `set(element)`.
    pub fn set(element: Type) -> Self {
        Self::Set(Arc::new(element))
    }

    /// `map(element)`.
    pub fn map(element: Type) -> Self {
        Self::Map(Arc::new(element))
    }

    /// `tuple([elements])`.
    pub fn tuple(elements: impl IntoIterator<Item = Type>) -> Self {
        Self::Tuple(elements.into_iter().collect())
    }

    /// `object({…})` whose attributes must all be given.
    pub fn object<N: Into<SmolStr>>(attributes: impl IntoIterator<Item = (N, Type)>) -> Self {
        Self::Object(Arc::new(ObjectType {
            attributes: attributes
                .into_iter()
                .map(|(name, ty)| (name.into(), AttributeType::required(ty)))
                .collect(),
        }))
    }

    /// Whether this is the type of what failed.
    pub fn is_error(&self) -> bool {
        *self == Self::Error
    }

    /// `string`, `number`, or `bool`.
    pub fn is_primitive(&self) -> bool {
        matches!(self, Self::String | Self::Number | Self::Bool)
    }

    /// A list, set or tuple.
    pub fn is_sequence(&self) -> bool {
        matches!(self, Self::List(_) | Self::Set(_) | Self::Tuple(_))
    }

    /// A map or object.
    pub fn is_mapping(&self) -> bool {
        matches!(self, Self::Map(_) | Self::Object(_))
    }

    /// Whether some part of it is not known (or failed): a conversion to it has to look at the value.
    pub fn has_any(&self) -> bool {
        match self {
            Self::Any | Self::Error => true,
            Self::String | Self::Number | Self::Bool => false,
            Self::List(element) | Self::Set(element) | Self::Map(element) => element.has_any(),
            Self::Tuple(elements) => elements.iter().any(Self::has_any),
            Self::Object(object) => object.attributes.values().any(|a| a.ty.has_any()),
        }
    }

    /// The type of every element; `None` where they may differ or there are none.
    pub fn element(&self) -> Option<&Type> {
        match self {
            Self::List(element) | Self::Set(element) | Self::Map(element) => Some(element),
            _ => None,
        }
    }

    /// For a sentence: `a string`, `a list of strings`, `an object`.
    pub fn describe(&self) -> String {
        match self {
            Self::Any | Self::Error => "any value".to_owned(),
            Self::String => "a string".to_owned(),
            Self::Number => "a number".to_owned(),
            Self::Bool => "a bool".to_owned(),
            Self::List(element) => format!("a list{}", of(element)),
            Self::Set(element) => format!("a set{}", of(element)),
            Self::Map(element) => format!("a map{}", of(element)),
            Self::Tuple(elements) => match elements.len() {
                1 => "a tuple of 1 element".to_owned(),
                count => format!("a tuple of {count} elements"),
            },
            Self::Object(_) => "an object".to_owned(),
        }
    }
}

/// ` of strings`, and nothing where nothing is known.
fn of(element: &Type) -> String {
    match element {
        Type::Any | Type::Error => String::new(),
        Type::String => " of strings".to_owned(),
        Type::Number => " of numbers".to_owned(),
        Type::Bool => " of bools".to_owned(),
        Type::List(inner) => format!(" of lists{}", of(inner)),
        Type::Set(inner) => format!(" of sets{}", of(inner)),
        Type::Map(inner) => format!(" of maps{}", of(inner)),
        Type::Tuple(_) => " of tuples".to_owned(),
        Type::Object(_) => " of objects".to_owned(),
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any | Self::Error => f.write_str("any"),
            Self::String => f.write_str("string"),
            Self::Number => f.write_str("number"),
            Self::Bool => f.write_str("bool"),
            Self::List(element) => write!(f, "list({element})"),
            Self::Set(element) => write!(f, "set({element})"),
            Self::Map(element) => write!(f, "map({element})"),
            Self::Tuple(elements) => {
                f.write_str("tuple([")?;
                for (at, element) in elements.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{element}")?;
                }
                f.write_str("])")
            }
            Self::Object(object) => {
                f.write_str("object({")?;
                for (at, (name, attribute)) in object.attributes.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{}={attribute}", crate::value::key_text(name))?;
                }
                f.write_str("})")
            }
        }
    }
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.default, self.optional) {
            (Some(default), true) => write!(f, "optional({}, {})", self.ty, default.display()),
            (None, true) => write!(f, "optional({})", self.ty),
            (_, false) => write!(f, "{}", self.ty),
        }
    }
}
