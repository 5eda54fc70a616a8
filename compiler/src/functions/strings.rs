//! Functions of text.

use unicode_segmentation::UnicodeSegmentation as _;

use super::{
    CallCx, Function, FunctionError, FunctionResult, Param, Returns, Shape, elements, integer, text,
};
use crate::value::Value;

const STR: Param = Param::new("str", Shape::String);
const STRING: Returns = Returns::Is(Shape::String);
const BOOL: Returns = Returns::Is(Shape::Bool);
const STRINGS: Shape = Shape::List(&Shape::String);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "chomp",
        &[STR],
        STRING,
        "The text without the line ends after it.",
        ("chomp(\"hello\\n\\n\")", "\"hello\""),
        |args, _| Ok(text(args, 0).trim_end_matches(['\r', '\n']).into()),
    ),
    Function::new(
        "endswith",
        &[STR, Param::new("suffix", Shape::String)],
        BOOL,
        "Whether the text ends with another.",
        ("endswith(\"image.qcow2\", \".qcow2\")", "true"),
        |args, _| Ok(text(args, 0).ends_with(text(args, 1)).into()),
    ),
    Function::new(
        "indent",
        &[Param::new("spaces", Shape::Number), STR],
        STRING,
        "The text with that many spaces before each line but the first.",
        ("indent(2, \"a\\nb\")", "\"a\\n  b\""),
        indent,
    ),
    Function::new(
        "join",
        &[Param::new("separator", Shape::String)],
        STRING,
        "The elements of the lists as one text, with the separator between them.",
        ("join(\", \", [\"a\", \"b\"])", "\"a, b\""),
        join,
    )
    .variadic(Param::new("lists", STRINGS), 1),
    Function::new(
        "lower",
        &[STR],
        STRING,
        "The text in lower case.",
        ("lower(\"HELLO\")", "\"hello\""),
        |args, _| {
            Ok(Value::string(
                text(args, 0).chars().map(to_lower).collect::<String>(),
            ))
        },
    ),
    Function::new(
        "replace",
        &[
            STR,
            Param::new("substr", Shape::String),
            Param::new("replace", Shape::String),
        ],
        STRING,
        "The text with each occurrence of one text replaced by another.",
        ("replace(\"1 + 2 + 3\", \"+\", \"-\")", "\"1 - 2 - 3\""),
        |args, _| {
            Ok(Value::string(
                text(args, 0).replace(text(args, 1), text(args, 2)),
            ))
        },
    ),
    Function::new(
        "split",
        &[Param::new("separator", Shape::String), STR],
        Returns::Is(STRINGS),
        "The pieces of the text between the separators.",
        ("split(\",\", \"a,b\")", "[\"a\", \"b\"]"),
        split,
    ),
    Function::new(
        "startswith",
        &[STR, Param::new("prefix", Shape::String)],
        BOOL,
        "Whether the text starts with another.",
        ("startswith(\"debian-12\", \"debian\")", "true"),
        |args, _| Ok(text(args, 0).starts_with(text(args, 1)).into()),
    ),
    Function::new(
        "strcontains",
        &[STR, Param::new("substr", Shape::String)],
        BOOL,
        "Whether the text contains another.",
        ("strcontains(\"hello\", \"ell\")", "true"),
        |args, _| Ok(text(args, 0).contains(text(args, 1)).into()),
    ),
    Function::new(
        "strrev",
        &[STR],
        STRING,
        "The characters of the text in reverse order.",
        ("strrev(\"abc\")", "\"cba\""),
        |args, _| {
            Ok(Value::string(
                text(args, 0).graphemes(true).rev().collect::<String>(),
            ))
        },
    ),
    Function::new(
        "substr",
        &[
            STR,
            Param::new("offset", Shape::Number),
            Param::new("length", Shape::Number),
        ],
        STRING,
        "That many characters of the text from an offset; a negative offset counts from the end, a length of -1 takes the rest.",
        ("substr(\"hello world\", 1, 4)", "\"ello\""),
        substr,
    ),
    Function::new(
        "title",
        &[STR],
        STRING,
        "The text with the first letter of each word in upper case.",
        ("title(\"hello world\")", "\"Hello World\""),
        title,
    ),
    Function::new(
        "trim",
        &[STR, Param::new("cutset", Shape::String)],
        STRING,
        "The text without any of the given characters at its ends.",
        ("trim(\"?!hello?!\", \"!?\")", "\"hello\""),
        |args, _| {
            let cutset = text(args, 1);
            Ok(text(args, 0).trim_matches(|c| cutset.contains(c)).into())
        },
    ),
    Function::new(
        "trimprefix",
        &[STR, Param::new("prefix", Shape::String)],
        STRING,
        "The text without a prefix, if it has it.",
        ("trimprefix(\"v1.2\", \"v\")", "\"1.2\""),
        |args, _| {
            let text_ = text(args, 0);
            Ok(text_.strip_prefix(text(args, 1)).unwrap_or(text_).into())
        },
    ),
    Function::new(
        "trimspace",
        &[STR],
        STRING,
        "The text without blanks and line ends around it.",
        ("trimspace(\"  hello\\n\")", "\"hello\""),
        |args, _| Ok(text(args, 0).trim().into()),
    ),
    Function::new(
        "trimsuffix",
        &[STR, Param::new("suffix", Shape::String)],
        STRING,
        "The text without a suffix, if it has it.",
        ("trimsuffix(\"image.iso\", \".iso\")", "\"image\""),
        |args, _| {
            let text_ = text(args, 0);
            Ok(text_.strip_suffix(text(args, 1)).unwrap_or(text_).into())
        },
    ),
    Function::new(
        "upper",
        &[STR],
        STRING,
        "The text in upper case.",
        ("upper(\"hello\")", "\"HELLO\""),
        |args, _| {
            Ok(Value::string(
                text(args, 0).chars().map(to_upper).collect::<String>(),
            ))
        },
    ),
];

/// One character for one character, as Packer does: `ß` stays.
fn to_upper(character: char) -> char {
    let mut upper = character.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) => upper,
        _ => character,
    }
}

fn to_lower(character: char) -> char {
    let mut lower = character.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(lower), None) => lower,
        (Some(lower), Some(_)) if character == 'İ' => lower,
        _ => character,
    }
}

fn indent(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    const WIDEST: i64 = 1000;
    let spaces = integer(args, 0)?;
    if !(0..=WIDEST).contains(&spaces) {
        let message = format!("expected a number of spaces from 0 to {WIDEST}, found {spaces}");
        return Err(FunctionError::quoting(0, message));
    }
    let padding = format!("\n{}", " ".repeat(spaces as usize));
    Ok(Value::string(text(args, 1).replace('\n', &padding)))
}

fn join(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let mut pieces = Vec::new();
    for at in 1..args.len() {
        for element in elements(args, at) {
            let piece = element
                .as_str()
                .ok_or_else(|| FunctionError::at(at, "the list has a null element"))?;
            pieces.push(piece);
        }
    }
    Ok(Value::string(pieces.join(text(args, 0))))
}

fn split(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let (separator, text) = (text(args, 0), text(args, 1));
    Ok(if separator.is_empty() {
        Value::strings(text.chars().map(|c| c.to_string()))
    } else {
        Value::strings(text.split(separator))
    })
}

fn substr(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let (offset, length) = (integer(args, 1)?, integer(args, 2)?);
    let characters: Vec<&str> = text(args, 0).graphemes(true).collect();
    let total = characters.len() as i64;
    let start = if offset < 0 {
        (offset + total).max(0)
    } else {
        offset.min(total)
    };
    let end = if length < 0 {
        total
    } else {
        start.saturating_add(length).min(total)
    };
    Ok(Value::string(
        characters[start as usize..end as usize].concat(),
    ))
}

fn title(args: &[Value], _: &mut CallCx<'_>) -> FunctionResult {
    let mut titled = String::new();
    let mut before = ' ';
    for character in text(args, 0).chars() {
        titled.push(if separates(before) {
            to_upper(character)
        } else {
            character
        });
        before = character;
    }
    Ok(Value::string(titled))
}

/// Between words: blanks, and of ASCII everything but letters, digits and `_`.
fn separates(character: char) -> bool {
    if character.is_ascii() {
        !character.is_ascii_alphanumeric() && character != '_'
    } else {
        character.is_whitespace()
    }
}
