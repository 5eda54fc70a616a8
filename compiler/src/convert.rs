//! Conversion and unification of types and values, by the rules of HCL (`cty`).
//!
//! In: a value and the type wanted of it. Out: the value of that type, or what is in the way and where. Unknown values
//! convert by their type alone, marks are kept, what failed before is accepted silently.

mod unify;

use std::fmt;

use smol_str::SmolStr;

pub use unify::unify;

use crate::types::{ObjectType, Type};
use crate::value::{self, Data, Number, Value};

/// Why a value is not of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvertError {
    /// What is wrong, in the user's words; lower case, no full stop. Never shows a sensitive value.
    pub message: String,
    /// From the value to the part that is wrong.
    pub steps: Vec<Step>,
}

/// A step from a value to a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An attribute of an object.
    Attribute(SmolStr),
    /// A key of a map.
    Key(SmolStr),
    /// A position in a list, set or tuple, from 0.
    Index(usize),
}

impl ConvertError {
    /// An error at the value itself.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            steps: Vec::new(),
        }
    }

    /// Where the wrong part is, such as `.tags["a"]`; empty for the value itself.
    pub fn path(&self) -> String {
        self.steps.iter().map(Step::to_string).collect()
    }

    /// The message with what the value is for: `expected a number beside `+`, found a string`.
    pub(crate) fn message_for(&self, purpose: &str) -> String {
        match self.message.split_once(", found ") {
            Some((expected, found)) => format!("{expected} {purpose}, found {found}"),
            None => self.message.clone(),
        }
    }

    fn within(mut self, step: Step) -> Self {
        self.steps.insert(0, step);
        self
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(name) => f.write_str(&step_text(name)),
            Self::Key(key) => write!(f, "[{}]", value::quote(key)),
            Self::Index(at) => write!(f, "[{at}]"),
        }
    }
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.steps.is_empty() {
            true => f.write_str(&self.message),
            false => write!(
                f,
                "`{}`: {}",
                self.path().trim_start_matches('.'),
                self.message
            ),
        }
    }
}

impl std::error::Error for ConvertError {}

/// `.name`, or `["a name"]` for what is no word.
pub(crate) fn step_text(name: &str) -> String {
    let text = value::key_text(name);
    if text.starts_with('"') {
        format!("[{text}]")
    } else {
        format!(".{text}")
    }
}

/// The value as one of the type `to`.
///
/// Strings, numbers and bools convert to and from strings; lists, sets and tuples, and maps and objects, into each other
/// where the elements do. Attributes that an object type has and the value lacks (or has as null) take the default of
/// `optional(T, default)`; those it does not have are dropped. `any` inside `to` becomes the type the elements have in
/// common.
pub fn convert(value: &Value, to: &Type) -> Result<Value, ConvertError> {
    convert_value(value, to, false)
}

/// `hidden`: a value around this one is sensitive, so that messages may not quote it.
fn convert_value(value: &Value, to: &Type, hidden: bool) -> Result<Value, ConvertError> {
    let sensitive = value.is_sensitive();
    let hidden = hidden || sensitive;
    let mismatch = || Err(mismatch(&value.ty(), to));
    let converted = match (value.data(), to) {
        (_, Type::Any | Type::Error) => return Ok(value.clone()),
        (Data::Unknown(Type::Error), _) => return Ok(value.clone()),
        (Data::Unknown(from), _) => Value::unknown(convert_type(from, to)?),
        (Data::Null(from), _) => match convert_type(from, to) {
            Ok(ty) => Value::null(ty),
            Err(_) => Value::null(to.clone()),
        },
        (Data::Bool(_), Type::Bool)
        | (Data::Number(_), Type::Number)
        | (Data::String(_), Type::String) => return Ok(value.clone()),
        (Data::Bool(value), Type::String) => Value::string(if *value { "true" } else { "false" }),
        (Data::Number(number), Type::String) => Value::string(number.to_string()),
        (Data::String(text), Type::Number) => string_to_number(text, hidden)?,
        (Data::String(text), Type::Bool) => string_to_bool(text, hidden)?,
        (Data::List(from, _), Type::List(element)) if *from == **element && !from.has_any() => {
            return Ok(value.clone());
        }
        (Data::Map(from, _), Type::Map(element)) if *from == **element && !from.has_any() => {
            return Ok(value.clone());
        }
        (Data::List(..) | Data::Set(..) | Data::Tuple(_), Type::List(element)) => {
            let (element, elements) = convert_elements(value, element, hidden)?;
            Value::list(element, elements)
        }
        (Data::List(..) | Data::Set(..) | Data::Tuple(_), Type::Set(element)) => {
            let (element, elements) = convert_elements(value, element, hidden)?;
            Value::set(element, elements)
        }
        (Data::Tuple(elements), Type::Tuple(types)) => {
            if elements.len() != types.len() {
                return mismatch();
            }
            let elements = elements.iter().zip(types.iter()).enumerate();
            let elements = elements.map(|(at, (element, ty))| {
                convert_value(element, ty, hidden).map_err(|e| e.within(Step::Index(at)))
            });
            Value::tuple(elements.collect::<Result<Vec<_>, _>>()?)
        }
        (Data::Map(..) | Data::Object(_), Type::Map(element)) => {
            convert_to_map(value, element, hidden)?
        }
        (Data::Map(..) | Data::Object(_), Type::Object(object)) => {
            convert_to_object(value, object, hidden)?
        }
        _ => return mismatch(),
    };
    Ok(converted.mark(sensitive))
}

fn string_to_number(text: &str, hidden: bool) -> Result<Value, ConvertError> {
    match Number::parse(text) {
        Ok(number) => Ok(Value::number(number)),
        Err(value::NumberError::Malformed) if hidden => {
            Err(ConvertError::new("expected a number, found another string"))
        }
        Err(value::NumberError::Malformed) => Err(ConvertError::new(format!(
            "expected a number, found the string {}",
            shortened(text)
        ))),
        Err(error) => Err(ConvertError::new(error.to_string())),
    }
}

fn string_to_bool(text: &str, hidden: bool) -> Result<Value, ConvertError> {
    match text {
        "true" | "1" => Ok(Value::bool(true)),
        "false" | "0" => Ok(Value::bool(false)),
        _ if hidden => Err(ConvertError::new("expected a bool, found another string")),
        _ => {
            let lower = text.to_lowercase();
            let hint = match lower.as_str() {
                "true" | "false" => format!("; write `{lower}` in lower case"),
                _ => String::new(),
            };
            Err(ConvertError::new(format!(
                "expected a bool, found the string {}{hint}",
                shortened(text)
            )))
        }
    }
}

/// A quoted string short enough for a sentence.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", value::quote(&text[..end])),
        None => value::quote(text),
    }
}

fn convert_elements(
    value: &Value,
    element: &Type,
    hidden: bool,
) -> Result<(Type, Vec<Value>), ConvertError> {
    let elements = value.as_slice().unwrap_or_default().iter().enumerate();
    let elements: Vec<Value> = elements
        .map(|(at, part)| {
            convert_value(part, element, hidden).map_err(|e| e.within(Step::Index(at)))
        })
        .collect::<Result<_, _>>()?;
    same_type(elements, element, value.ty().element(), hidden)
}

fn convert_to_map(value: &Value, element: &Type, hidden: bool) -> Result<Value, ConvertError> {
    let entries = value.as_map().into_iter().flatten();
    let (keys, elements): (Vec<SmolStr>, Vec<Value>) = entries
        .map(|(key, part)| {
            let converted = convert_value(part, element, hidden);
            let step = || Step::Key(key.clone());
            Ok((key.clone(), converted.map_err(|e| e.within(step()))?))
        })
        .collect::<Result<Vec<_>, ConvertError>>()?
        .into_iter()
        .unzip();
    let (element, elements) = same_type(elements, element, value.ty().element(), hidden)?;
    Ok(Value::map(element, keys.into_iter().zip(elements)))
}

/// Where the type wanted leaves something open, the elements settle it: all become of the type they have in common.
fn same_type(
    elements: Vec<Value>,
    wanted: &Type,
    declared: Option<&Type>,
    hidden: bool,
) -> Result<(Type, Vec<Value>), ConvertError> {
    if !wanted.has_any() {
        return Ok((wanted.clone(), elements));
    }
    if elements.is_empty() {
        return Ok((declared.unwrap_or(wanted).clone(), elements));
    }
    let types: Vec<Type> = elements.iter().map(Value::ty).collect();
    let Some(common) = unify(&types) else {
        return Err(ConvertError::new(format!(
            "the elements must have one type, found {}",
            kinds(&types)
        )));
    };
    let elements = elements
        .iter()
        .map(|element| convert_value(element, &common, hidden))
        .collect::<Result<_, _>>()?;
    Ok((common, elements))
}

/// `a number and a bool`.
pub(crate) fn kinds(types: &[Type]) -> String {
    let mut kinds: Vec<String> = Vec::new();
    for kind in types.iter().map(Type::describe) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    match kinds.len() {
        1 => format!(
            "several sorts of {}",
            kinds[0].trim_start_matches("an ").trim_start_matches("a ")
        ),
        _ => kinds.join(" and "),
    }
}

fn convert_to_object(
    value: &Value,
    object: &ObjectType,
    hidden: bool,
) -> Result<Value, ConvertError> {
    let entries = value.as_map();
    let mut missing = Vec::new();
    let mut converted = Vec::with_capacity(object.attributes.len());
    for (name, attribute) in &object.attributes {
        let given = entries.and_then(|entries| entries.get(name));
        let part = match (given, attribute.optional) {
            (Some(given), true) if given.is_null() && attribute.default.is_some() => None,
            (Some(given), _) => Some(given),
            (None, true) => None,
            (None, false) => {
                missing.push(name);
                continue;
            }
        };
        let part = match part {
            Some(part) => convert_value(part, &attribute.ty, hidden)
                .map_err(|e| e.within(Step::Attribute(name.clone())))?,
            None => match &attribute.default {
                Some(default) => convert_value(default, &attribute.ty, hidden)
                    .map_err(|e| e.within(Step::Attribute(name.clone())))?,
                None => Value::null(attribute.ty.clone()),
            },
        };
        converted.push((name.clone(), part));
    }
    if !missing.is_empty() {
        let present = entries.into_iter().flat_map(|entries| entries.keys());
        let extra: Vec<&str> = present
            .map(SmolStr::as_str)
            .filter(|name| !object.attributes.contains_key(*name))
            .collect();
        return Err(missing_attributes(&missing, &extra));
    }
    Ok(Value::object(converted))
}

fn missing_attributes(missing: &[&SmolStr], extra: &[&str]) -> ConvertError {
    let names: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
    let noun = if names.len() == 1 {
        "attribute"
    } else {
        "attributes"
    };
    let misspelt = missing
        .iter()
        .find_map(|name| crate::diagnostic::nearest(name, extra.iter().copied()));
    let hint = misspelt.map_or_else(String::new, |name| format!("; `{name}` looks like it"));
    let verb = if names.len() == 1 { "is" } else { "are" };
    ConvertError::new(format!(
        "the {noun} {} {verb} missing{hint}",
        names.join(", ")
    ))
}

fn mismatch(from: &Type, to: &Type) -> ConvertError {
    ConvertError::new(format!(
        "expected {}, found {}",
        to.describe(),
        from.describe()
    ))
}

/// The type a value of type `from` has after conversion to `to`: `to` with each `any` in it settled as far as `from` is
/// known. An error where no value of the type could be converted.
pub fn convert_type(from: &Type, to: &Type) -> Result<Type, ConvertError> {
    let wrong = || Err(mismatch(from, to));
    Ok(match (from, to) {
        (_, Type::Any | Type::Error) => from.clone(),
        (Type::Any | Type::Error, _) => to.clone(),
        _ if from == to => to.clone(),
        (Type::Number | Type::Bool, Type::String) | (Type::String, Type::Number | Type::Bool) => {
            to.clone()
        }
        (Type::List(part) | Type::Set(part), Type::List(element)) => {
            Type::list(convert_type(part, element)?)
        }
        (Type::List(part) | Type::Set(part), Type::Set(element)) => {
            Type::set(convert_type(part, element)?)
        }
        (Type::Tuple(parts), Type::List(element)) => Type::list(common_type(parts, element)?),
        (Type::Tuple(parts), Type::Set(element)) => Type::set(common_type(parts, element)?),
        (Type::Tuple(parts), Type::Tuple(types)) if parts.len() == types.len() => {
            let pairs = parts.iter().zip(types.iter()).enumerate();
            let converted = pairs.map(|(at, (part, ty))| {
                convert_type(part, ty).map_err(|e| e.within(Step::Index(at)))
            });
            Type::tuple(converted.collect::<Result<Vec<_>, _>>()?)
        }
        (Type::Map(part), Type::Map(element)) => Type::map(convert_type(part, element)?),
        (Type::Object(object), Type::Map(element)) => {
            let parts: Vec<Type> = object.attributes.values().map(|a| a.ty.clone()).collect();
            Type::map(common_type(&parts, element)?)
        }
        (Type::Map(part), Type::Object(object)) => {
            let attributes = object.attributes.iter().map(|(name, attribute)| {
                let ty = convert_type(part, &attribute.ty)
                    .map_err(|e| e.within(Step::Attribute(name.clone())))?;
                Ok((name.clone(), ty))
            });
            Type::object(attributes.collect::<Result<Vec<_>, ConvertError>>()?)
        }
        (Type::Object(parts), Type::Object(object)) => convert_object_type(parts, object)?,
        _ => return wrong(),
    })
}

fn convert_object_type(parts: &ObjectType, object: &ObjectType) -> Result<Type, ConvertError> {
    let mut missing = Vec::new();
    let mut attributes = Vec::with_capacity(object.attributes.len());
    for (name, attribute) in &object.attributes {
        let ty = match parts.attributes.get(name) {
            Some(part) => convert_type(&part.ty, &attribute.ty)
                .map_err(|e| e.within(Step::Attribute(name.clone())))?,
            None if attribute.optional => attribute.ty.clone(),
            None => {
                missing.push(name);
                continue;
            }
        };
        attributes.push((name.clone(), ty));
    }
    if missing.is_empty() {
        return Ok(Type::object(attributes));
    }
    let extra: Vec<&str> = parts.attributes.keys().map(SmolStr::as_str).collect();
    Err(missing_attributes(&missing, &extra))
}

/// The element type of a collection made of parts of these types.
fn common_type(parts: &[Type], element: &Type) -> Result<Type, ConvertError> {
    let converted: Vec<Type> = parts
        .iter()
        .enumerate()
        .map(|(at, part)| convert_type(part, element).map_err(|e| e.within(Step::Index(at))))
        .collect::<Result<_, _>>()?;
    if !element.has_any() || converted.is_empty() {
        return Ok(element.clone());
    }
    unify(&converted).ok_or_else(|| {
        ConvertError::new(format!(
            "the elements must have one type, found {}",
            kinds(&converted)
        ))
    })
}
