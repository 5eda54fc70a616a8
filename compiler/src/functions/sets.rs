//! Functions of sets.

use super::{CallCx, Function, FunctionError, FunctionResult, Param, Returns, Shape, elements};
use crate::convert::{convert, kinds, unify};
use crate::functions::collections::element_type;
use crate::types::Type;
use crate::value::{Data, Value};

const ANY: Shape = Shape::Any;
const ANY_SET: Shape = Shape::Set(&ANY);
const FIRST: Param = Param::new("first_set", Shape::Sequence);
const OTHERS: Param = Param::new("other_sets", Shape::Sequence);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "setintersection",
        &[FIRST],
        Returns::Follows(ANY_SET, |args| set_type(args).unwrap_or(Type::Any)),
        "The elements that are in all sets.",
        ("setintersection([\"a\", \"b\"], [\"b\", \"c\"])", "[\"b\"]"),
        |args, _| {
            let (element, sets) = same_sets(args)?;
            let (first, others) = sets.split_first().expect("one set is required");
            let everywhere = |part: &&Value| others.iter().all(|set| set.contains(part));
            Ok(Value::set(
                element,
                first.iter().filter(everywhere).cloned(),
            ))
        },
    )
    .variadic(OTHERS, 0),
    Function::new(
        "setproduct",
        &[],
        Returns::Follows(Shape::List(&ANY), |args| {
            let tuple = Type::tuple(args.iter().map(element_type));
            match args.iter().all(|arg| matches!(arg.ty(), Type::Set(_))) {
                true => Type::set(tuple),
                false => Type::list(tuple),
            }
        }),
        "Every combination of one element of each list.",
        (
            "setproduct([\"a\", \"b\"], [1])",
            "[[\"a\", 1], [\"b\", 1]]",
        ),
        product,
    )
    .variadic(Param::new("sets", Shape::Sequence), 2),
    Function::new(
        "setunion",
        &[FIRST],
        Returns::Follows(ANY_SET, |args| set_type(args).unwrap_or(Type::Any)),
        "The elements that are in any of the sets.",
        (
            "setunion([\"a\", \"b\"], [\"b\", \"c\"])",
            "[\"a\", \"b\", \"c\"]",
        ),
        |args, _| {
            let (element, sets) = same_sets(args)?;
            Ok(Value::set(element, sets.into_iter().flatten()))
        },
    )
    .variadic(OTHERS, 0),
];

/// The set type that all arguments can be converted to.
fn set_type(args: &[Value]) -> Option<Type> {
    let types: Vec<Type> = args
        .iter()
        .filter(|arg| !arg.is_empty())
        .map(element_type)
        .collect();
    match unify(&types)? {
        Type::Error => Some(Type::set(Type::Any)),
        element => Some(Type::set(element)),
    }
}

fn same_sets(args: &[Value]) -> Result<(Type, Vec<Vec<Value>>), FunctionError> {
    let types: Vec<Type> = args.iter().map(element_type).collect();
    let Some(common @ Type::Set(element)) = &set_type(args) else {
        let message = format!("the elements must have one type, found {}", kinds(&types));
        return Err(FunctionError::new(message));
    };
    let sets = args.iter().enumerate().map(|(at, arg)| {
        let set = convert(arg, common).map_err(|e| FunctionError::at(at, e.to_string()))?;
        Ok(set.as_slice().unwrap_or_default().to_vec())
    });
    Ok((
        Type::clone(element),
        sets.collect::<Result<_, FunctionError>>()?,
    ))
}

fn product(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    const LARGEST: usize = 100_000;
    let sizes = (0..args.len()).map(|at| elements(args, at).len());
    let total = sizes.fold(1_usize, usize::saturating_mul);
    if total > LARGEST {
        return Err(FunctionError::new(format!(
            "there are {total} combinations, more than the {LARGEST} that are supported"
        )));
    }
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for at in 0..args.len() {
        rows = rows
            .into_iter()
            .flat_map(|row| {
                elements(args, at).iter().map(move |part| {
                    let mut row = row.clone();
                    row.push(part.clone());
                    row
                })
            })
            .collect();
    }
    let row_type = Type::tuple(args.iter().map(element_type));
    let rows = rows
        .into_iter()
        .map(|row| convert(&Value::tuple(row), &row_type))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| FunctionError::new(error.to_string()))?;
    Ok(
        if args.iter().all(|arg| matches!(arg.data(), Data::Set(..))) {
            Value::set(row_type, rows)
        } else {
            Value::list(row_type, rows)
        },
    )
}
