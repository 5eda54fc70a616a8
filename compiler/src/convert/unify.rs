//! The type that several types have in common.

use std::sync::Arc;

use smol_str::SmolStr;

use super::convert_type;
use crate::types::{ObjectType, Type};

/// The type all of `types` can be converted to, as HCL finds it for the two sides of a conditional and the elements of
/// a collection: the same type if they agree; string before number and bool; element by element for collections; maps
/// where objects differ in their attributes, lists where tuples differ in length. `None` if there is none. What failed
/// has no say; where a type is not known, neither is the result.
pub fn unify(types: &[Type]) -> Option<Type> {
    let types: Vec<&Type> = types.iter().filter(|ty| !ty.is_error()).collect();
    unify_all(&types)
}

fn unify_all(types: &[&Type]) -> Option<Type> {
    let Some(first) = types.first() else {
        return Some(Type::Error);
    };
    if types.iter().all(|ty| ty == first) {
        return Some(Type::clone(first));
    }
    if types.contains(&&Type::Any) {
        return Some(Type::Any);
    }
    let all = |accepts: fn(&Type) -> bool| types.iter().all(|ty| accepts(ty));
    let any = |accepts: fn(&Type) -> bool| types.iter().any(|ty| accepts(ty));
    if all(Type::is_mapping) {
        return if any(|ty| matches!(ty, Type::Map(_))) {
            unify_as_map(types)
        } else {
            unify_objects(types)
        };
    }
    if all(|ty| matches!(ty, Type::Set(_))) {
        return Some(Type::set(unify_all(&parts(types))?));
    }
    if all(|ty| matches!(ty, Type::List(_) | Type::Tuple(_))) {
        return if any(|ty| matches!(ty, Type::List(_))) {
            unify_as_list(types)
        } else {
            unify_tuples(types)
        };
    }
    most_general(types)
}

/// The first of the types, in HCL's order of preference, that all others convert to.
fn most_general(types: &[&Type]) -> Option<Type> {
    let mut candidates = types.to_vec();
    candidates.sort_by_key(|ty| match ty {
        Type::String => 0,
        Type::Number | Type::Bool => 1,
        Type::List(_) => 2,
        Type::Set(_) => 3,
        _ => 4,
    });
    let candidate = candidates.into_iter().find(|candidate| {
        types.iter().all(|ty| {
            let both_primitive = ty.is_primitive() == candidate.is_primitive();
            both_primitive && convert_type(ty, candidate).is_ok()
        })
    })?;
    Some(candidate.clone())
}

fn parts<'a>(types: &[&'a Type]) -> Vec<&'a Type> {
    let mut parts = Vec::new();
    for ty in types {
        match ty {
            Type::List(element) | Type::Set(element) | Type::Map(element) => parts.push(&**element),
            Type::Tuple(elements) => parts.extend(elements.iter()),
            Type::Object(object) => parts.extend(object.attributes.values().map(|a| &a.ty)),
            _ => {}
        }
    }
    parts.retain(|ty| !ty.is_error());
    parts
}

fn unify_as_map(types: &[&Type]) -> Option<Type> {
    Some(Type::Map(Arc::new(unify_all(&parts(types))?)))
}

fn unify_as_list(types: &[&Type]) -> Option<Type> {
    Some(Type::list(unify_all(&parts(types))?))
}

fn unify_objects(types: &[&Type]) -> Option<Type> {
    let objects: Vec<&ObjectType> = types
        .iter()
        .filter_map(|ty| match ty {
            Type::Object(object) => Some(&**object),
            _ => None,
        })
        .collect();
    let names: Vec<&SmolStr> = objects.first()?.attributes.keys().collect();
    let same_names = objects.iter().all(|object| {
        object.attributes.len() == names.len()
            && names
                .iter()
                .all(|name| object.attributes.contains_key(*name))
    });
    if !same_names {
        return unify_as_map(types);
    }
    let attributes = names.into_iter().map(|name| {
        let types: Vec<Type> = objects
            .iter()
            .map(|object| object.attributes[name].ty.clone())
            .collect();
        Some((name.clone(), unify(&types)?))
    });
    Some(Type::object(attributes.collect::<Option<Vec<_>>>()?))
}

fn unify_tuples(types: &[&Type]) -> Option<Type> {
    let tuples: Vec<&[Type]> = types
        .iter()
        .filter_map(|ty| match ty {
            Type::Tuple(elements) => Some(&**elements),
            _ => None,
        })
        .collect();
    let length = tuples.first()?.len();
    if tuples.iter().any(|tuple| tuple.len() != length) {
        return unify_as_list(types);
    }
    let elements = (0..length).map(|at| {
        let types: Vec<Type> = tuples.iter().map(|tuple| tuple[at].clone()).collect();
        unify(&types)
    });
    Some(Type::tuple(elements.collect::<Option<Vec<_>>>()?))
}
