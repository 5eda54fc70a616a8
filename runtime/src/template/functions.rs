//! The functions of Packer's templates.

use std::sync::Arc;

use gotmpl::{FuncMap, TemplateError, Value as GoValue};
use imgc_compiler::value::{Data, Value};

use super::{Surroundings, time};

type Answer = Result<GoValue, TemplateError>;
type Function = fn(Option<&Surroundings>, &[GoValue]) -> Answer;

/// By name.
const ALL: &[(&str, Function)] = &[
    ("build", build),
    ("build_name", |s, _| {
        with(s, |s| Ok(s.source_name.to_string()))
    }),
    ("build_type", |s, _| {
        with(s, |s| Ok(s.builder_type.to_string()))
    }),
    ("clean_resource_name", clean_resource_name),
    ("env", env),
    ("index", |_, args| index(args)),
    ("isotime", isotime),
    ("lower", |_, args| {
        Ok(text(args, 0, "lower")?.to_lowercase().into())
    }),
    ("packer_version", |_, _| {
        Ok(imgc_compiler::scope::PACKER_VERSION.into())
    }),
    ("pwd", |s, _| {
        with(s, |s| Ok(s.world.working_directory().display().to_string()))
    }),
    ("replace", replace),
    ("replace_all", |_, args| {
        let (old, new) = (text(args, 0, "replace_all")?, text(args, 1, "replace_all")?);
        Ok(text(args, 2, "replace_all")?.replace(&old, &new).into())
    }),
    ("split", split),
    ("strftime", strftime),
    ("template_dir", |s, _| {
        with(s, |s| Ok(s.root.display().to_string()))
    }),
    ("timestamp", |s, _| {
        with(s, |s| Ok(s.world.now().0.to_string()))
    }),
    ("upper", |_, args| {
        Ok(text(args, 0, "upper")?.to_uppercase().into())
    }),
    ("user", user),
    ("uuid", |s, _| {
        with(s, |s| Ok(format_uuid(s.world.random())))
    }),
];

/// The functions as the template engine wants them; without surroundings they exist and refuse to answer.
pub(super) fn all(surroundings: Option<&Surroundings>) -> FuncMap {
    let surroundings = surroundings.cloned().map(Arc::new);
    ALL.iter()
        .map(|(name, function)| {
            let surroundings = surroundings.clone();
            let call = move |args: &[GoValue]| function(surroundings.as_deref(), args);
            ((*name).to_owned(), Arc::new(call) as gotmpl::ValueFunc)
        })
        .collect()
}

/// As the engine's own, but that what a map lacks is an empty text: all maps here are of texts, and so it is in Go.
fn index(args: &[GoValue]) -> Answer {
    let Some((first, keys)) = args.split_first().filter(|(_, keys)| !keys.is_empty()) else {
        return Err(problem("index: wants a value and what is looked for in it"));
    };
    let mut found = first.clone();
    for key in keys {
        let is_map = matches!(found, GoValue::Map(_));
        found = match found.index(key)? {
            GoValue::Nil if is_map => GoValue::from(""),
            inner => inner,
        };
    }
    Ok(found)
}

fn with(
    surroundings: Option<&Surroundings>,
    answer: impl FnOnce(&Surroundings) -> Result<String, TemplateError>,
) -> Answer {
    match surroundings {
        Some(surroundings) => answer(surroundings).map(GoValue::from),
        None => Err(problem("there is no build at work")),
    }
}

fn problem(message: impl Into<String>) -> TemplateError {
    TemplateError::Exec(message.into())
}

fn text(args: &[GoValue], at: usize, function: &str) -> Result<String, TemplateError> {
    match args.get(at) {
        Some(GoValue::String(text)) => Ok(text.to_string()),
        Some(GoValue::Nil | GoValue::List(_) | GoValue::Map(_) | GoValue::Function(_)) => {
            Err(problem(format!("`{function}` takes text")))
        }
        Some(other) => Ok(other.to_string()),
        None => Err(problem(format!(
            "`{function}` needs {} argument{}",
            at + 1,
            if at == 0 { "" } else { "s" }
        ))),
    }
}

fn number(args: &[GoValue], at: usize, function: &str) -> Result<i64, TemplateError> {
    text(args, at, function)?
        .parse()
        .map_err(|_| problem(format!("argument {} of `{function}` is a number", at + 1)))
}

fn shown(value: &Value) -> Option<String> {
    match value.data() {
        Data::String(text) => Some(text.to_string()),
        Data::Number(number) => Some(number.to_string()),
        Data::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

fn build(surroundings: Option<&Surroundings>, args: &[GoValue]) -> Answer {
    let name = text(args, 0, "build")?;
    with(surroundings, |s| {
        s.build
            .get(name.as_str())
            .and_then(shown)
            .ok_or_else(|| problem(format!("the build has no value `{name}`")))
    })
}

fn user(surroundings: Option<&Surroundings>, args: &[GoValue]) -> Answer {
    let name = text(args, 0, "user")?;
    with(surroundings, |s| {
        s.variables
            .get(name.as_str())
            .and_then(shown)
            .ok_or_else(|| problem(format!("there is no variable `{name}`")))
    })
}

fn env(surroundings: Option<&Surroundings>, args: &[GoValue]) -> Answer {
    let name = text(args, 0, "env")?;
    with(surroundings, |s| Ok(s.world.env(&name).unwrap_or_default()))
}

fn isotime(surroundings: Option<&Surroundings>, args: &[GoValue]) -> Answer {
    let layout = match args.len() {
        0 => "2006-01-02T15:04:05Z07:00".to_owned(),
        _ => text(args, 0, "isotime")?,
    };
    with(surroundings, |s| {
        let (seconds, nanoseconds) = s.world.now();
        time::go_layout(seconds, nanoseconds, &layout)
            .ok_or_else(|| problem("the clock is out of range"))
    })
}

fn strftime(surroundings: Option<&Surroundings>, args: &[GoValue]) -> Answer {
    let format = text(args, 0, "strftime")?;
    with(surroundings, |s| {
        let time = jiff::Timestamp::from_second(s.world.now().0)
            .map_err(|error| problem(error.to_string()))?;
        jiff::fmt::strtime::format(&format, &time.to_zoned(jiff::tz::TimeZone::UTC))
            .map_err(|error| problem(error.to_string()))
    })
}

fn replace(_: Option<&Surroundings>, args: &[GoValue]) -> Answer {
    let (old, new) = (text(args, 0, "replace")?, text(args, 1, "replace")?);
    let count = number(args, 2, "replace")?;
    let whole = text(args, 3, "replace")?;
    Ok(match usize::try_from(count) {
        Ok(count) => whole.replacen(&old, &new, count),
        Err(_) => whole.replace(&old, &new),
    }
    .into())
}

fn split(_: Option<&Surroundings>, args: &[GoValue]) -> Answer {
    let (whole, separator) = (text(args, 0, "split")?, text(args, 1, "split")?);
    let at = number(args, 2, "split")?;
    let parts: Vec<&str> = whole.split(separator.as_str()).collect();
    usize::try_from(at)
        .ok()
        .and_then(|at| parts.get(at))
        .map(|part| GoValue::from(*part))
        .ok_or_else(|| {
            problem(format!(
                "`split` gives {} part{}, and number {at} is asked for",
                parts.len(),
                if parts.len() == 1 { "" } else { "s" }
            ))
        })
}

/// What image names of clouds may hold; everything else becomes `-`.
fn clean_resource_name(_: Option<&Surroundings>, args: &[GoValue]) -> Answer {
    let name = text(args, 0, "clean_resource_name")?;
    let clean: String = name
        .chars()
        .map(|c| match c {
            _ if c.is_ascii_alphanumeric() => c,
            ' ' | '(' | ')' | '.' | '/' | '-' | '\'' | '@' | '_' | '[' | ']' => c,
            _ => '-',
        })
        .collect();
    Ok(clean.into())
}

/// A version 4 UUID of random bytes.
fn format_uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}
