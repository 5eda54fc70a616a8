//! A total order of values, for sets.

use std::cmp::Ordering;

use super::{Data, Value};

/// Compares by kind, then by content: strings by bytes, numbers by size, collections element by element. Marks do not
/// count.
pub(super) fn compare(a: &Value, b: &Value) -> Ordering {
    match (a.data(), b.data()) {
        (Data::Bool(a), Data::Bool(b)) => a.cmp(b),
        (Data::Number(a), Data::Number(b)) => a.cmp(b),
        (Data::String(a), Data::String(b)) => a.cmp(b),
        _ if rank(a) != rank(b) => rank(a).cmp(&rank(b)),
        _ => compare_entries(a, b),
    }
}

fn compare_entries(a: &Value, b: &Value) -> Ordering {
    match (a.as_map(), b.as_map()) {
        (Some(a), Some(b)) => a
            .keys()
            .cmp(b.keys())
            .then_with(|| compare_all(a.values(), b.values())),
        _ => compare_all(
            a.as_slice().unwrap_or_default().iter(),
            b.as_slice().unwrap_or_default().iter(),
        ),
    }
}

fn compare_all<'a>(
    mut a: impl Iterator<Item = &'a Value>,
    mut b: impl Iterator<Item = &'a Value>,
) -> Ordering {
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match compare(a, b) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
        }
    }
}

fn rank(value: &Value) -> u8 {
    match value.data() {
        Data::Null(_) => 0,
        Data::Bool(_) => 1,
        Data::Number(_) => 2,
        Data::String(_) => 3,
        Data::List(..) | Data::Set(..) | Data::Tuple(_) => 4,
        Data::Map(..) | Data::Object(_) => 5,
        Data::Unknown(_) => 6,
    }
}
