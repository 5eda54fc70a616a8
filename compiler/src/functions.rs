//! The functions of the language: one table for evaluation, hover, signature help and the reference pages.
//!
//! In: a function and its arguments. Out: the value of the call. What all functions share is done here, once: number and
//! types of arguments, null, unknown and sensitive values. A function itself sees plain known values of the types it
//! asked for. To add one, add an entry to the table of its group.

mod collections;
mod encoding;
mod filesystem;
mod format;
mod hash;
mod network;
mod numeric;
mod regexes;
mod rsa;
mod services;
mod sets;
mod special;
mod strings;
mod time;
mod yaml;

#[cfg(test)]
mod tests;

pub(crate) use filesystem::read_text;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::LazyLock;

use crate::convert::{convert, shortened};
use crate::source::World;
use crate::types::Type;
use crate::value::{Number, NumberError, Value};

/// All functions, sorted by name.
pub static TABLE: LazyLock<Vec<&'static Function>> = LazyLock::new(|| {
    let groups: [&'static [Function]; 14] = [
        collections::FUNCTIONS,
        encoding::FUNCTIONS,
        filesystem::FUNCTIONS,
        format::FUNCTIONS,
        hash::FUNCTIONS,
        network::FUNCTIONS,
        numeric::FUNCTIONS,
        regexes::FUNCTIONS,
        rsa::FUNCTIONS,
        services::FUNCTIONS,
        sets::FUNCTIONS,
        special::FUNCTIONS,
        strings::FUNCTIONS,
        time::FUNCTIONS,
    ];
    let mut table: Vec<&'static Function> = groups.into_iter().flatten().collect();
    table.sort_by_key(|function| function.name);
    table
});

/// A function of the language.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// The arguments that must be given.
    pub params: &'static [Param],
    /// The arguments that may follow.
    pub variadic: Option<Variadic>,
    /// The type of its result.
    pub returns: Returns,
    /// What the result depends on besides the arguments.
    pub purity: Purity,
    /// One sentence.
    pub doc: &'static str,
    /// An expression and what it gives, as [`Value::display`] shows it. Tests check it where the function is pure.
    pub example: (&'static str, &'static str),
    /// How it works.
    pub run: Run,
}

/// One argument.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name, for messages and signature help.
    pub name: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// Whether null may be given.
    pub nullable: bool,
    /// Whether elements may be unknown or sensitive: the function only moves them. Without it, unknown elements make the
    /// result unknown and marks on elements go to the result.
    pub moves_elements: bool,
    /// Whether the function itself deals with an unknown argument.
    pub takes_unknown: bool,
}

/// Arguments after the last required one.
#[derive(Clone, Copy, Debug)]
pub struct Variadic {
    /// Each of them.
    pub param: Param,
    /// How many there must be.
    pub min: usize,
    /// How many there may be; `None` for any number.
    pub max: Option<usize>,
}

/// A type that can be written in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Anything.
    Any,
    /// `string`.
    String,
    /// `number`.
    Number,
    /// `bool`.
    Bool,
    /// `list(…)`: the argument is converted.
    List(&'static Shape),
    /// `set(…)`: the argument is converted.
    Set(&'static Shape),
    /// `map(…)`: the argument is converted.
    Map(&'static Shape),
    /// Any list, set or tuple, taken as it is; shown as `list(any)`.
    Sequence,
    /// Any map or object, taken as it is; shown as `map(any)`.
    Mapping,
    /// A type, as in a variable's `type`.
    Type,
}

/// The type of a result.
#[derive(Clone, Copy, Debug)]
pub enum Returns {
    /// Always the same.
    Is(Shape),
    /// It follows the arguments: as shown to people, and as computed.
    Follows(Shape, fn(&[Value]) -> Type),
}

/// What a result depends on besides the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purity {
    /// Nothing.
    Pure,
    /// Files, or where they are.
    File,
    /// The environment of the process.
    Env,
    /// The clock.
    Time,
    /// Chance.
    Random,
    /// A service.
    Network,
}

/// How a function works.
#[derive(Clone, Copy, Debug)]
pub enum Run {
    /// On values.
    Values(fn(&[Value], &mut CallCx<'_>) -> FunctionResult),
    /// On expressions: evaluated in [`crate::eval`].
    Special(Special),
}

/// The functions that are no functions of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// `try`: the first argument without a problem.
    Try,
    /// `can`: whether the argument has no problem.
    Can,
    /// `convert`: the second argument is a type.
    Convert,
    /// `templatefile`: evaluates the text of a file.
    TemplateFile,
}

/// What a function gives.
pub type FunctionResult = Result<Value, FunctionError>;

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionError {
    /// Which argument is to blame, from 0.
    pub argument: Option<usize>,
    /// What is wrong; lower case, no full stop. Never shows a sensitive value.
    pub message: String,
    /// Whether it is about the number of arguments.
    pub count: bool,
    /// Whether the message shows parts of arguments that did not go through [`CallCx::quote`].
    quotes: bool,
}

impl FunctionError {
    /// The call as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            argument: None,
            message: message.into(),
            count: false,
            quotes: false,
        }
    }

    /// One argument, from 0.
    pub fn at(argument: usize, message: impl Into<String>) -> Self {
        Self {
            argument: Some(argument),
            ..Self::new(message)
        }
    }
}

impl FunctionError {
    /// One argument, from 0, with a message that shows a part of it: not for eyes where it is sensitive.
    fn quoting(argument: usize, message: impl Into<String>) -> Self {
        Self {
            quotes: true,
            ..Self::at(argument, message)
        }
    }

    fn hidden(mut self, sensitive: bool) -> Self {
        if self.quotes && sensitive {
            self.message =
                "the call fails; what is wrong is not shown, since an argument is sensitive"
                    .to_owned();
        }
        self
    }
}

impl From<NumberError> for FunctionError {
    fn from(error: NumberError) -> Self {
        Self::new(error.to_string())
    }
}

/// What a function may ask besides its arguments.
pub struct CallCx<'a> {
    /// Clock, environment, files.
    pub world: &'a dyn World,
    /// The template's directory.
    pub root: &'a Path,
    /// Whether an argument is sensitive: messages may not quote then.
    pub sensitive: bool,
}

impl CallCx<'_> {
    /// A text for a message: quoted and shortened, or hidden where an argument is sensitive.
    pub fn quote(&self, text: &str) -> String {
        if self.sensitive {
            crate::value::HIDDEN.to_owned()
        } else {
            shortened(text)
        }
    }
}

impl Param {
    /// An argument that must be known and not null.
    pub const fn new(name: &'static str, shape: Shape) -> Self {
        Self {
            name,
            shape,
            nullable: false,
            moves_elements: false,
            takes_unknown: false,
        }
    }

    const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    const fn moves_elements(mut self) -> Self {
        self.moves_elements = true;
        self
    }

    const fn takes_unknown(mut self) -> Self {
        self.takes_unknown = true;
        self
    }
}

impl Function {
    /// A pure function with a fixed number of arguments.
    const fn new(
        name: &'static str,
        params: &'static [Param],
        returns: Returns,
        doc: &'static str,
        example: (&'static str, &'static str),
        run: fn(&[Value], &mut CallCx<'_>) -> FunctionResult,
    ) -> Self {
        Self {
            name,
            params,
            variadic: None,
            returns,
            purity: Purity::Pure,
            doc,
            example,
            run: Run::Values(run),
        }
    }

    const fn variadic(mut self, param: Param, min: usize) -> Self {
        self.variadic = Some(Variadic {
            param,
            min,
            max: None,
        });
        self
    }

    const fn optional(mut self, param: Param, min: usize, max: usize) -> Self {
        self.variadic = Some(Variadic {
            param,
            min,
            max: Some(max),
        });
        self
    }

    const fn reads(mut self, purity: Purity) -> Self {
        self.purity = purity;
        self
    }

    /// The argument at a position, variadic ones included.
    pub fn param(&self, at: usize) -> Option<&Param> {
        self.params
            .get(at)
            .or(self.variadic.as_ref().map(|variadic| &variadic.param))
    }

    /// The fewest arguments it takes.
    pub fn min_arguments(&self) -> usize {
        self.params.len() + self.variadic.map_or(0, |variadic| variadic.min)
    }

    /// The most arguments it takes; `None` for any number.
    pub fn max_arguments(&self) -> Option<usize> {
        match self.variadic {
            None => Some(self.params.len()),
            Some(variadic) => variadic.max.map(|max| self.params.len() + max),
        }
    }

    /// The problem with a number of arguments, if there is one.
    pub fn check_count(&self, count: usize) -> Result<(), FunctionError> {
        let missing = count < self.min_arguments();
        if !missing && self.max_arguments().is_none_or(|max| count <= max) {
            return Ok(());
        }
        let noun = |count: usize| if count == 1 { "argument" } else { "arguments" };
        let (min, max) = (self.min_arguments(), self.max_arguments());
        let takes = match max {
            Some(0) => "no arguments".to_owned(),
            Some(max) if max == min => format!("{min} {}", noun(min)),
            Some(max) => format!("{min} to {max} arguments"),
            None => format!("at least {min} {}", noun(min)),
        };
        let which = match self.param(count) {
            Some(param) if missing => format!("; `{}` is missing", param.name),
            _ => String::new(),
        };
        Err(FunctionError {
            count: true,
            ..FunctionError::new(format!(
                "`{}` takes {takes}, found {count}{which}",
                self.name
            ))
        })
    }

    /// The type of the result for these arguments, known or not.
    pub fn result_type(&self, arguments: &[Value]) -> Type {
        match self.returns {
            Returns::Is(shape) => shape.ty(),
            Returns::Follows(_, follow) => follow(arguments),
        }
    }
}

impl Shape {
    /// As a type.
    pub fn ty(&self) -> Type {
        match self {
            Self::Any | Self::Type => Type::Any,
            Self::String => Type::String,
            Self::Number => Type::Number,
            Self::Bool => Type::Bool,
            Self::List(element) => Type::list(element.ty()),
            Self::Set(element) => Type::set(element.ty()),
            Self::Map(element) => Type::map(element.ty()),
            Self::Sequence => Type::list(Type::Any),
            Self::Mapping => Type::map(Type::Any),
        }
    }

    fn accept(&self, value: &Value) -> Result<Value, String> {
        let ty = value.ty();
        let fits = match self {
            Self::Any | Self::Type => true,
            Self::Sequence => ty.is_sequence() || ty == Type::Any,
            Self::Mapping => ty.is_mapping() || ty == Type::Any,
            _ => return convert(value, &self.ty()).map_err(|error| error.to_string()),
        };
        match fits {
            true => Ok(value.clone()),
            false => Err(format!(
                "expected {}, found {}",
                self.ty().describe(),
                ty.describe()
            )),
        }
    }
}

/// The function of that name.
pub fn get(name: &str) -> Option<&'static Function> {
    let at = TABLE.binary_search_by_key(&name, |function| function.name);
    at.ok().map(|at| TABLE[at])
}

/// The names of all functions of this version, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|function| function.name)
}

/// `join(separator: string, lists: list(string)...) -> string`.
pub fn signature(function: &Function) -> String {
    let mut text = format!("{}(", function.name);
    let mut write_param = |param: &Param, dots: &str| {
        let comma = if text.ends_with('(') { "" } else { ", " };
        let ty = match param.shape {
            Shape::Type => "type".to_owned(),
            shape => shape.ty().to_string(),
        };
        write!(text, "{comma}{}: {ty}{dots}", param.name).expect("strings take all text");
    };
    for param in function.params {
        write_param(param, "");
    }
    if let Some(variadic) = &function.variadic {
        write_param(
            &variadic.param,
            if variadic.max == Some(1) { "?" } else { "..." },
        );
    }
    let returns = match function.returns {
        Returns::Is(shape) | Returns::Follows(shape, _) => shape.ty(),
    };
    text + &format!(") -> {returns}")
}

/// Calls a function with values.
///
/// An argument that failed makes the result fail silently, an unknown one makes it unknown with its type, a sensitive
/// one makes it sensitive.
pub fn call(function: &Function, arguments: &[Value], cx: &mut CallCx<'_>) -> FunctionResult {
    function.check_count(arguments.len())?;
    let Run::Values(run) = function.run else {
        return Err(FunctionError::new(format!(
            "`{}` works on expressions, not on values",
            function.name
        )));
    };
    if arguments.iter().any(Value::is_error) {
        return Ok(Value::error());
    }
    let mut sensitive = false;
    let mut unknown = false;
    let mut plain = Vec::with_capacity(arguments.len());
    for (at, argument) in arguments.iter().enumerate() {
        let param = function
            .param(at)
            .expect("the number of arguments was checked");
        if argument.is_null() && !param.nullable {
            let message = format!("`{}` of `{}` is null", param.name, function.name);
            return Err(FunctionError::at(at, message));
        }
        let argument = param.shape.accept(argument).map_err(|message| {
            let place = format!(" for `{}` of `{}`, found ", param.name, function.name);
            FunctionError::at(at, message.replacen(", found ", &place, 1))
        })?;
        sensitive |= match param.moves_elements {
            true => argument.is_sensitive(),
            false => argument.contains_sensitive(),
        };
        let known = match param.moves_elements {
            true => argument.is_known(),
            false => argument.is_wholly_known(),
        };
        unknown |= !known && !param.takes_unknown;
        plain.push(match param.moves_elements {
            true => argument.unmark().0,
            false => argument.strip_marks(),
        });
    }
    if unknown {
        return Ok(Value::unknown(function.result_type(&plain)).mark(sensitive));
    }
    cx.sensitive |= sensitive;
    let result = run(&plain, cx).map_err(|error| error.hidden(cx.sensitive))?;
    Ok(result.mark(sensitive))
}

/// The text of an argument of [`Shape::String`].
fn text(arguments: &[Value], at: usize) -> &str {
    arguments[at]
        .as_str()
        .expect("the argument was converted to a string")
}

/// The number of an argument of [`Shape::Number`].
fn number(arguments: &[Value], at: usize) -> &Number {
    arguments[at]
        .as_number()
        .expect("the argument was converted to a number")
}

/// A whole number of an argument of [`Shape::Number`].
fn integer(arguments: &[Value], at: usize) -> Result<i64, FunctionError> {
    let number = number(arguments, at);
    number.to_i64().ok_or_else(|| match number.is_integer() {
        true => FunctionError::at(at, "the number is too large"),
        false => FunctionError::at(at, "expected a whole number"),
    })
}

/// The elements of an argument that is a sequence.
fn elements(arguments: &[Value], at: usize) -> &[Value] {
    arguments[at]
        .as_slice()
        .expect("the argument is a known sequence")
}
