//! Functions of lists, maps and objects.

use std::collections::BTreeMap;

use smol_str::SmolStr;
use unicode_segmentation::UnicodeSegmentation as _;

use super::{
    CallCx, Function, FunctionError, FunctionResult, Param, Returns, Shape, elements, integer, text,
};
use crate::convert::{convert, kinds, unify};
use crate::eval::equal;
use crate::types::Type;
use crate::value::{Data, Value};

const ANY: Shape = Shape::Any;
const LIST: Param = Param::new("list", Shape::Sequence).moves_elements();
const MAP: Param = Param::new("inputMap", Shape::Mapping).moves_elements();
const ANY_LIST: Shape = Shape::List(&ANY);
const STRINGS: Shape = Shape::List(&Shape::String);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "chunklist",
        &[LIST, Param::new("size", Shape::Number)],
        Returns::Follows(Shape::List(&ANY_LIST), |args| {
            Type::list(Type::list(element_type(&args[0])))
        }),
        "The list cut into lists of that many elements.",
        ("chunklist([1, 2, 3], 2)", "[[1, 2], [3]]"),
        chunklist,
    ),
    Function::new(
        "coalesce",
        &[],
        Returns::Follows(ANY, |args| {
            unify(&args.iter().map(Value::ty).collect::<Vec<_>>()).unwrap_or(Type::Any)
        }),
        "The first argument that is neither null nor an empty text.",
        ("coalesce(null, \"\", \"b\")", "\"b\""),
        coalesce,
    )
    .variadic(
        Param::new("vals", ANY)
            .nullable()
            .moves_elements()
            .takes_unknown(),
        1,
    ),
    Function::new(
        "coalescelist",
        &[],
        Returns::Follows(ANY_LIST, |_| Type::Any),
        "The first list that is not empty.",
        ("coalescelist([], [\"a\"])", "[\"a\"]"),
        coalescelist,
    )
    .variadic(
        Param::new("vals", Shape::Sequence)
            .nullable()
            .moves_elements(),
        1,
    ),
    Function::new(
        "compact",
        &[Param::new("list", STRINGS)],
        Returns::Is(STRINGS),
        "The list without empty and null elements.",
        ("compact([\"a\", \"\", \"b\"])", "[\"a\", \"b\"]"),
        |args, _| {
            let full = |text: &&str| !text.is_empty();
            Ok(Value::strings(
                elements(args, 0)
                    .iter()
                    .filter_map(Value::as_str)
                    .filter(full),
            ))
        },
    ),
    Function::new(
        "concat",
        &[],
        Returns::Follows(ANY_LIST, concat_type),
        "The elements of all lists in one list.",
        ("concat([\"a\"], [\"b\", \"c\"])", "[\"a\", \"b\", \"c\"]"),
        concat,
    )
    .variadic(Param::new("seqs", Shape::Sequence).moves_elements(), 1),
    Function::new(
        "contains",
        &[
            Param::new("list", Shape::Sequence).moves_elements(),
            Param::new("value", ANY),
        ],
        Returns::Is(Shape::Bool),
        "Whether a value is among the elements; types count.",
        ("contains([\"a\", \"b\"], \"b\")", "true"),
        contains,
    ),
    Function::new(
        "distinct",
        &[Param::new("list", ANY_LIST)],
        Returns::Follows(ANY_LIST, |args| Type::list(element_type(&args[0]))),
        "The list with each element only once, the first time it occurs.",
        ("distinct([\"a\", \"b\", \"a\"])", "[\"a\", \"b\"]"),
        distinct,
    ),
    Function::new(
        "element",
        &[LIST, Param::new("index", Shape::Number)],
        Returns::Follows(ANY, |args| element_type(&args[0])),
        "The element at a position; past the end it begins again.",
        ("element([\"a\", \"b\", \"c\"], 4)", "\"b\""),
        element,
    ),
    Function::new(
        "flatten",
        &[LIST],
        Returns::Follows(ANY_LIST, |_| Type::Any),
        "The list with the elements of the lists in it, to any depth.",
        (
            "flatten([[\"a\"], [[\"b\"], \"c\"]])",
            "[\"a\", \"b\", \"c\"]",
        ),
        flatten,
    ),
    Function::new(
        "index",
        &[
            Param::new("list", Shape::Sequence).moves_elements(),
            Param::new("value", ANY),
        ],
        Returns::Is(Shape::Number),
        "The position of a value in a list, from 0.",
        ("index([\"a\", \"b\"], \"b\")", "1"),
        index,
    ),
    Function::new(
        "keys",
        &[MAP],
        Returns::Follows(STRINGS, |args| match args[0].ty() {
            Type::Object(ty) => Type::tuple(ty.attributes.keys().map(|_| Type::String)),
            _ => Type::list(Type::String),
        }),
        "The keys of a map, sorted.",
        ("keys({ b = 1, a = 2 })", "[\"a\", \"b\"]"),
        keys,
    ),
    Function::new(
        "length",
        &[Param::new("value", ANY).moves_elements()],
        Returns::Is(Shape::Number),
        "The number of elements of a collection or characters of a text.",
        ("length([\"a\", \"b\"])", "2"),
        length,
    ),
    Function::new(
        "lookup",
        &[
            MAP,
            Param::new("key", Shape::String),
            Param::new("default", ANY).moves_elements().takes_unknown(),
        ],
        Returns::Follows(ANY, lookup_type),
        "The element of a map for a key, or the default where there is none.",
        ("lookup({ a = 1 }, \"b\", 2)", "2"),
        lookup,
    ),
    Function::new(
        "merge",
        &[],
        Returns::Follows(Shape::Map(&ANY), merge_type),
        "The entries of all maps in one; the last of equal keys counts.",
        ("merge({ a = 1, b = 2 }, { b = 3 })", "{ a = 1, b = 3 }"),
        merge,
    )
    .variadic(
        Param::new("maps", Shape::Mapping)
            .nullable()
            .moves_elements(),
        0,
    ),
    Function::new(
        "reverse",
        &[LIST],
        Returns::Follows(ANY_LIST, reverse_type),
        "The elements in reverse order.",
        ("reverse([1, 2, 3])", "[3, 2, 1]"),
        reverse,
    ),
    Function::new(
        "slice",
        &[
            LIST,
            Param::new("start_index", Shape::Number),
            Param::new("end_index", Shape::Number),
        ],
        Returns::Follows(ANY_LIST, |args| match args[0].ty() {
            Type::List(element) => Type::List(element),
            _ => Type::Any,
        }),
        "The elements from one position up to, not including, another.",
        ("slice([\"a\", \"b\", \"c\"], 1, 3)", "[\"b\", \"c\"]"),
        slice,
    ),
    Function::new(
        "sort",
        &[Param::new("list", STRINGS)],
        Returns::Is(STRINGS),
        "The texts in the order of their characters.",
        ("sort([\"b\", \"a\"])", "[\"a\", \"b\"]"),
        sort,
    ),
    Function::new(
        "values",
        &[Param::new("values", Shape::Mapping).moves_elements()],
        Returns::Follows(ANY_LIST, |args| match args[0].ty() {
            Type::Map(element) => Type::List(element),
            _ => Type::Any,
        }),
        "The elements of a map, in the order of their keys.",
        ("values({ b = 1, a = 2 })", "[2, 1]"),
        values,
    ),
    Function::new(
        "zipmap",
        &[
            Param::new("keys", STRINGS),
            Param::new("values", Shape::Sequence).moves_elements(),
        ],
        Returns::Follows(Shape::Map(&ANY), |args| match args[1].ty() {
            Type::List(element) => Type::Map(element),
            _ => Type::Any,
        }),
        "A map from a list of keys and a list of values.",
        ("zipmap([\"a\", \"b\"], [1, 2])", "{ a = 1, b = 2 }"),
        zipmap,
    ),
];

/// The type every element of a collection has, as far as it can be said.
pub(super) fn element_type(collection: &Value) -> Type {
    match collection.ty() {
        Type::List(element) | Type::Set(element) | Type::Map(element) => Type::clone(&element),
        Type::Tuple(types) => unify(&types).unwrap_or(Type::Any),
        _ => Type::Any,
    }
}

/// The elements of an argument that is a list or tuple; a set has no positions.
fn ordered(args: &[Value], at: usize) -> Result<&[Value], FunctionError> {
    match args[at].data() {
        Data::Set(..) => Err(FunctionError::at(
            at,
            "expected a list, found a set, which has no order",
        )),
        _ => Ok(elements(args, at)),
    }
}

/// `like` decides between a list and a tuple.
fn sequence_like(like: &Value, parts: impl IntoIterator<Item = Value>) -> Value {
    match like.data() {
        Data::List(element, _) | Data::Set(element, _) => Value::list(element.clone(), parts),
        _ => Value::tuple(parts),
    }
}

fn chunklist(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let list = to_list(&args[0])?;
    let size = integer(args, 1)?;
    let Ok(size) = usize::try_from(size) else {
        return Err(FunctionError::at(1, "expected a size that is not negative"));
    };
    let parts = list.as_slice().unwrap_or_default();
    // As in Packer, a size of 0 means one list of all.
    let size = if size == 0 { parts.len().max(1) } else { size };
    let element = element_type(&list);
    let chunks = parts
        .chunks(size)
        .map(|chunk| Value::list(element.clone(), chunk.to_vec()));
    Ok(Value::list(Type::list(element.clone()), chunks))
}

/// A tuple as a list; its elements must have a type in common.
fn to_list(value: &Value) -> FunctionResult {
    convert(value, &Type::list(Type::Any)).map_err(|error| FunctionError::at(0, error.to_string()))
}

fn coalesce(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let types: Vec<Type> = args
        .iter()
        .filter(|value| !matches!(value.data(), Data::Null(Type::Any)))
        .map(Value::ty)
        .collect();
    let Some(common) = unify(&types) else {
        let message = format!("the arguments must have one type, found {}", kinds(&types));
        return Err(FunctionError::new(message));
    };
    for argument in args {
        if !argument.is_known() {
            return Ok(Value::unknown(common));
        }
        if argument.is_null() || argument.as_str() == Some("") {
            continue;
        }
        return convert(argument, &common).map_err(|error| FunctionError::new(error.to_string()));
    }
    Err(FunctionError::new("all arguments are null or empty"))
}

fn coalescelist(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let full = args
        .iter()
        .find(|list| list.len().is_some_and(|length| length > 0));
    full.cloned()
        .ok_or_else(|| FunctionError::new("all lists are null or empty"))
}

fn concat_type(args: &[Value]) -> Type {
    let all_lists = args.iter().all(|arg| matches!(arg.ty(), Type::List(_)));
    let common = unify(&args.iter().map(Value::ty).collect::<Vec<_>>());
    match common {
        Some(Type::List(element)) if all_lists => Type::List(element),
        _ => Type::Any,
    }
}

fn concat(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let mut parts = Vec::new();
    for at in 0..args.len() {
        parts.extend_from_slice(ordered(args, at)?);
    }
    let joined = Value::tuple(parts);
    Ok(match concat_type(args) {
        list @ Type::List(_) => convert(&joined, &list).unwrap_or(joined),
        _ => joined,
    })
}

/// An element that is known to be the value decides, whatever the others turn out to be.
fn contains(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let parts = elements(args, 0);
    let found: Vec<Option<bool>> = parts.iter().map(|part| equal(part, &args[1])).collect();
    let result = if found.contains(&Some(true)) {
        Value::bool(true)
    } else if found.contains(&None) {
        Value::unknown(Type::Bool)
    } else {
        Value::bool(false)
    };
    Ok(result.mark(parts.iter().any(Value::contains_sensitive)))
}

fn distinct(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let mut seen = std::collections::HashSet::new();
    // The text of a value tells known values of one type apart.
    let parts = elements(args, 0)
        .iter()
        .filter(|part| seen.insert(part.display()));
    Ok(sequence_like(&args[0], parts.cloned()))
}

fn element(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let parts = ordered(args, 0)?;
    let Ok(at) = usize::try_from(integer(args, 1)?) else {
        return Err(FunctionError::at(
            1,
            "expected a position that is not negative",
        ));
    };
    match parts.len() {
        0 => Err(FunctionError::at(0, "the list is empty")),
        length => Ok(parts[at % length].clone()),
    }
}

fn flatten(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let mut flat = Vec::new();
    let complete = flatten_into(&args[0], false, &mut flat);
    Ok(match complete {
        true => Value::tuple(flat),
        // An unknown element may turn out to be a list.
        false => {
            let sensitive = flat.iter().any(Value::contains_sensitive);
            Value::unknown(Type::Any).mark(sensitive)
        }
    })
}

fn flatten_into(list: &Value, sensitive: bool, flat: &mut Vec<Value>) -> bool {
    let mut complete = true;
    for part in list.as_slice().unwrap_or_default() {
        let sensitive = sensitive || part.is_sensitive();
        let ty_is_open = |ty: &Type| ty.is_sequence() || *ty == Type::Any;
        if part.as_slice().is_some() {
            complete &= flatten_into(part, sensitive, flat);
        } else {
            complete &= !matches!(part.data(), Data::Unknown(ty) if ty_is_open(ty));
            flat.push(part.clone().mark(sensitive));
        }
    }
    complete
}

fn index(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let parts = ordered(args, 0)?;
    let sensitive = parts.iter().any(Value::contains_sensitive);
    for (at, part) in parts.iter().enumerate() {
        match equal(part, &args[1]) {
            Some(true) => return Ok(Value::number(at).mark(sensitive)),
            Some(false) => {}
            None => return Ok(Value::unknown(Type::Number).mark(sensitive)),
        }
    }
    Err(FunctionError::at(1, "the list has no such element"))
}

fn keys(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let keys = entries(args, 0).keys().cloned().map(Value::string);
    Ok(match args[0].data() {
        Data::Object(_) => Value::tuple(keys),
        _ => Value::list(Type::String, keys),
    })
}

fn entries(args: &[Value], at: usize) -> &BTreeMap<SmolStr, Value> {
    args[at].as_map().expect("the argument is a known mapping")
}

fn length(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let value = &args[0];
    match (value.as_str(), value.len()) {
        (Some(text), _) => Ok(Value::number(text.graphemes(true).count())),
        (None, Some(length)) => Ok(Value::number(length)),
        (None, None) => {
            let message = format!(
                "expected a collection or a text, found {}",
                value.ty().describe()
            );
            Err(FunctionError::at(0, message))
        }
    }
}

fn lookup_type(args: &[Value]) -> Type {
    match args[0].ty() {
        Type::Map(element) => Type::clone(&element),
        _ => Type::Any,
    }
}

fn lookup(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    if let Some(found) = args[0].get(text(args, 1)) {
        return Ok(found.clone());
    }
    match args[0].data() {
        Data::Map(element, _) => convert(&args[2], element).map_err(|error| {
            FunctionError::at(2, format!("the default differs from the elements: {error}"))
        }),
        _ => Ok(args[2].clone()),
    }
}

fn merge_type(args: &[Value]) -> Type {
    let mut types = args.iter().filter(|arg| !arg.is_null()).map(Value::ty);
    match types.next() {
        Some(first @ Type::Map(_)) if types.all(|ty| ty == first) => first,
        _ => Type::Any,
    }
}

fn merge(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let all = args.iter().filter_map(Value::as_map).flatten();
    let merged = all.map(|(key, value)| (key.clone(), value.clone()));
    Ok(match merge_type(args) {
        Type::Map(element) => Value::map(Type::clone(&element), merged),
        _ => Value::object(merged),
    })
}

fn reverse_type(args: &[Value]) -> Type {
    match args[0].ty() {
        Type::List(element) | Type::Set(element) => Type::List(element),
        Type::Tuple(types) => Type::tuple(types.iter().rev().cloned().collect::<Vec<_>>()),
        _ => Type::Any,
    }
}

fn reverse(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    Ok(sequence_like(
        &args[0],
        elements(args, 0).iter().rev().cloned(),
    ))
}

fn slice(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let parts = ordered(args, 0)?;
    let (start, end) = (integer(args, 1)?, integer(args, 2)?);
    let length = parts.len() as i64;
    if !(0..=length).contains(&start) {
        return Err(FunctionError::quoting(
            1,
            format!("expected a start from 0 to {length}, found {start}"),
        ));
    }
    if !(start..=length).contains(&end) {
        let message = format!("expected an end from {start} to {length}, found {end}");
        return Err(FunctionError::quoting(2, message));
    }
    Ok(sequence_like(
        &args[0],
        parts[start as usize..end as usize].to_vec(),
    ))
}

fn sort(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let mut texts = Vec::new();
    for part in elements(args, 0) {
        let text = part.as_str();
        texts.push(text.ok_or_else(|| FunctionError::at(0, "the list has a null element"))?);
    }
    texts.sort_unstable();
    Ok(Value::strings(texts))
}

fn values(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let parts = entries(args, 0).values().cloned();
    Ok(match args[0].data() {
        Data::Map(element, _) => Value::list(element.clone(), parts),
        _ => Value::tuple(parts),
    })
}

fn zipmap(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let (keys, parts) = (elements(args, 0), ordered(args, 1)?);
    if keys.len() != parts.len() {
        let message = format!("there are {} keys and {} values", keys.len(), parts.len());
        return Err(FunctionError::new(message));
    }
    let mut zipped = Vec::with_capacity(keys.len());
    for (key, value) in keys.iter().zip(parts) {
        let key = key.as_str();
        let key = key.ok_or_else(|| FunctionError::at(0, "a key is null"))?;
        zipped.push((key, value.clone()));
    }
    Ok(match args[1].data() {
        Data::List(element, _) => Value::map(element.clone(), zipped),
        _ => Value::object(zipped),
    })
}
