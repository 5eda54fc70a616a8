//! Functions of regular expressions, in the syntax of RE2 that Packer uses.

use std::borrow::Cow;

use regex::{Captures, Regex, RegexBuilder};

use super::{Function, FunctionError, Param, Returns, Shape, text};
use crate::types::Type;
use crate::value::Value;

const ANY: Shape = Shape::Any;
const PATTERN: Param = Param::new("pattern", Shape::String);
const STRING: Param = Param::new("string", Shape::String);

pub(super) static FUNCTIONS: &[Function] = &[
    Function::new(
        "regex",
        &[PATTERN, STRING],
        Returns::Follows(ANY, |args| pattern_type(&args[0])),
        "The first match: its text, or its groups as a list, or by name where they have names.",
        ("regex(\"[a-z]+\", \"123 abc\")", "\"abc\""),
        |args, cx| {
            let regex = compile(args, 0)?;
            let shape = GroupShape::of(&regex)?;
            match regex.captures(text(args, 1)) {
                Some(captures) => Ok(shape.value(&captures)),
                None => {
                    let message = format!("{} does not match the pattern", cx.quote(text(args, 1)));
                    Err(FunctionError::at(1, message))
                }
            }
        },
    ),
    Function::new(
        "regex_replace",
        &[
            Param::new("str", Shape::String),
            PATTERN,
            Param::new("replace", Shape::String),
        ],
        Returns::Is(Shape::String),
        "The text with each match replaced; `$1` and `${name}` stand for groups.",
        ("regex_replace(\"hello\", \"l+\", \"L\")", "\"heLo\""),
        |args, _| {
            let regex = compile(args, 1)?;
            Ok(Value::string(
                regex.replace_all(text(args, 0), text(args, 2)),
            ))
        },
    ),
    Function::new(
        "regexall",
        &[PATTERN, STRING],
        Returns::Follows(Shape::List(&ANY), |args| Type::list(pattern_type(&args[0]))),
        "All matches, each as `regex` gives it.",
        ("regexall(\"[a-z]+\", \"a 1 bc\")", "[\"a\", \"bc\"]"),
        |args, _| {
            let regex = compile(args, 0)?;
            let shape = GroupShape::of(&regex)?;
            let matches = regex.captures_iter(text(args, 1));
            Ok(Value::list(
                shape.ty(),
                matches.map(|captures| shape.value(&captures)),
            ))
        },
    ),
];

/// What a match gives.
enum GroupShape {
    Whole,
    Positions(usize),
    Names(Vec<String>),
}

impl GroupShape {
    fn of(regex: &Regex) -> Result<Self, FunctionError> {
        let groups = regex.captures_len() - 1;
        let names: Vec<String> = regex.capture_names().flatten().map(str::to_owned).collect();
        match names.len() {
            _ if groups == 0 => Ok(Self::Whole),
            0 => Ok(Self::Positions(groups)),
            named if named == groups => Ok(Self::Names(names)),
            _ => Err(FunctionError::at(
                0,
                "either all groups of the pattern have names or none has",
            )),
        }
    }

    fn ty(&self) -> Type {
        match self {
            Self::Whole => Type::String,
            Self::Positions(groups) => Type::tuple((0..*groups).map(|_| Type::String)),
            Self::Names(names) => {
                Type::object(names.iter().map(|name| (name.as_str(), Type::String)))
            }
        }
    }

    fn value(&self, captures: &Captures<'_>) -> Value {
        let group = |matched: Option<regex::Match<'_>>| match matched {
            Some(matched) => Value::string(matched.as_str()),
            None => Value::null(Type::String),
        };
        match self {
            Self::Whole => group(captures.get(0)),
            Self::Positions(groups) => {
                Value::tuple((1..=*groups).map(|at| group(captures.get(at))))
            }
            Self::Names(names) => Value::object(
                names
                    .iter()
                    .map(|name| (name.as_str(), group(captures.name(name)))),
            ),
        }
    }
}

fn pattern_type(pattern: &Value) -> Type {
    let regex = pattern.as_str().and_then(|pattern| build(pattern).ok());
    let shape = regex.and_then(|regex| GroupShape::of(&regex).ok());
    shape.map_or(Type::Any, |shape| shape.ty())
}

fn build(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&translate(pattern)).octal(true).build()
}

fn compile(args: &[Value], at: usize) -> Result<Regex, FunctionError> {
    build(text(args, at)).map_err(|error| {
        let reason = match &error {
            regex::Error::Syntax(text) => text.lines().last().unwrap_or_default().to_owned(),
            other => other.to_string(),
        };
        let reason = reason.trim_start_matches("error: ");
        FunctionError::quoting(
            at,
            format!("the pattern is not a regular expression: {reason}"),
        )
    })
}

/// RE2's notation in that of the `regex` crate, which differs in small things: `\d`, `\w`, `\s` and `\b` mean ASCII,
/// brackets do not nest, `{` may be a plain character, `\Q…\E` quotes.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(character) = rest.chars().next() {
        let (piece, length) = match character {
            '\\' if rest.starts_with("\\Q") && !in_class => {
                let quoted = &rest[2..];
                let end = quoted.find("\\E").unwrap_or(quoted.len());
                let length = 2 + end + if end < quoted.len() { 2 } else { 0 };
                (Cow::Owned(regex::escape(&quoted[..end])), length)
            }
            '\\' => escape(rest, in_class),
            '[' if in_class && !rest.starts_with("[:") => (Cow::Borrowed("\\["), 1),
            '[' if in_class => {
                let end = rest.find(":]").map_or(2, |end| end + 2);
                (Cow::Borrowed(&rest[..end]), end)
            }
            '[' => {
                in_class = true;
                // A `]` right after the opening is a plain one.
                let start = ["[^]", "[]", "[^"]
                    .into_iter()
                    .find(|start| rest.starts_with(start));
                let start = start.unwrap_or("[");
                (Cow::Owned(start.replace(']', "\\]")), start.len())
            }
            ']' => {
                in_class = false;
                (Cow::Borrowed("]"), 1)
            }
            '&' | '~' if in_class => (Cow::Owned(format!("\\{character}")), 1),
            '-' if in_class && rest.starts_with("--") => (Cow::Borrowed("\\-"), 1),
            '{' if !in_class && !is_repetition(rest) => (Cow::Borrowed("\\{"), 1),
            _ => (
                Cow::Borrowed(&rest[..character.len_utf8()]),
                character.len_utf8(),
            ),
        };
        out.push_str(&piece);
        rest = &rest[length..];
    }
    out
}

fn escape(rest: &str, in_class: bool) -> (Cow<'_, str>, usize) {
    let Some(escaped) = rest[1..].chars().next() else {
        return (Cow::Borrowed(rest), rest.len());
    };
    let plain = match (escaped, in_class) {
        ('d', true) => "0-9",
        ('d', false) => "[0-9]",
        ('D', _) => "[^0-9]",
        ('w', true) => "0-9A-Za-z_",
        ('w', false) => "[0-9A-Za-z_]",
        ('W', _) => "[^0-9A-Za-z_]",
        ('s', true) => "\\t\\n\\f\\r ",
        ('s', false) => "[\\t\\n\\f\\r ]",
        ('S', _) => "[^\\t\\n\\f\\r ]",
        ('b', false) => "(?-u:\\b)",
        _ => {
            return (
                Cow::Borrowed(&rest[..1 + escaped.len_utf8()]),
                1 + escaped.len_utf8(),
            );
        }
    };
    (Cow::Borrowed(plain), 2)
}

/// `{3}`, `{3,}`, `{3,5}`.
fn is_repetition(rest: &str) -> bool {
    let Some((inside, _)) = rest[1..].split_once('}') else {
        return false;
    };
    let (min, max) = inside.split_once(',').unwrap_or((inside, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !min.is_empty() && digits(min) && digits(max)
}
