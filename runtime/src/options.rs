//! Reads a component's options.
//!
//! In: the object of a component's options, everything known. Out: Rust values; what does not fit is an error that
//! names the component and the option. Scalars are converted as HCL does, a single value stands for a list of one.

use std::collections::BTreeMap;
use std::time::Duration;

use imgc_compiler::redact::is_distinctive;
use imgc_compiler::value::{Data, Value};
use smol_str::SmolStr;

use crate::builder::Problem;
use crate::error::{Class, Error, Result};

/// A text and whether it is secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub text: String,
    /// Whether the template marks it, or what it was made of, as sensitive.
    pub sensitive: bool,
}

/// Which options are looked at, for tests that hold them against what a component accepts.
#[cfg(any(test, feature = "testing"))]
pub mod looked {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        static SEEN: RefCell<Option<BTreeSet<(String, String)>>> = const { RefCell::new(None) };
    }

    /// The options that `read` looks at on this thread, given or not: what their component or block is called, and their
    /// name.
    pub fn at(read: impl FnOnce()) -> BTreeSet<(String, String)> {
        SEEN.with_borrow_mut(|seen| *seen = Some(BTreeSet::new()));
        read();
        SEEN.take().unwrap_or_default()
    }

    pub(super) fn note(component: &str, name: &str) {
        SEEN.with_borrow_mut(|seen| {
            if let Some(seen) = seen {
                seen.insert((component.to_owned(), name.to_owned()));
            }
        });
    }
}

/// The options of one component, by name.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    component: &'a str,
    entries: Option<&'a BTreeMap<SmolStr, Value>>,
}

impl<'a> Options<'a> {
    /// Looks into an object; anything else counts as one without entries.
    pub fn new(component: &'a str, value: &'a Value) -> Self {
        let entries = match value.data() {
            Data::Object(entries) | Data::Map(_, entries) => Some(&**entries),
            _ => None,
        };
        Self { component, entries }
    }

    /// The value of an option; `None` where it is absent or null.
    pub fn value(&self, name: &str) -> Option<&'a Value> {
        #[cfg(any(test, feature = "testing"))]
        looked::note(self.component, name);
        self.entries?
            .get(name)
            .filter(|value| !matches!(value.data(), Data::Null(_)))
    }

    /// Whether an option is given and not empty: Packer's sense of "given".
    pub fn is_given(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| match value.data() {
            Data::String(text) => !text.is_empty(),
            Data::Bool(value) => *value,
            Data::List(_, parts) | Data::Set(_, parts) | Data::Tuple(parts) => !parts.is_empty(),
            Data::Map(_, parts) | Data::Object(parts) => !parts.is_empty(),
            _ => true,
        })
    }

    /// Whether an option holds a part that only run time knows.
    pub fn is_unknown(&self, name: &str) -> bool {
        self.value(name).is_some_and(has_unknown)
    }

    /// Whether an option is secret, wholly or in part.
    pub fn is_sensitive(&self, name: &str) -> bool {
        self.value(name).is_some_and(has_sensitive)
    }

    /// A text; an empty one counts as absent, as it does for Packer.
    pub fn string(&self, name: &str) -> Result<Option<String>> {
        Ok(self.text(name)?.map(|text| text.text))
    }

    /// A text with its mark; an empty one counts as absent.
    pub fn text(&self, name: &str) -> Result<Option<Text>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let text = self.scalar(name, value)?;
        Ok((!text.text.is_empty()).then_some(text))
    }

    /// A text that must be there.
    pub fn required(&self, name: &str) -> Result<String> {
        self.string(name)?.ok_or_else(|| {
            Error::new(
                Class::Template,
                "run/missing-option",
                format!("{} needs the option `{name}`", self.component),
            )
            .of(name)
            .help(format!("set `{name}`; its value may have come out empty"))
        })
    }

    /// A list of texts; empty where absent.
    pub fn strings(&self, name: &str) -> Result<Vec<Text>> {
        let Some(value) = self.value(name) else {
            return Ok(Vec::new());
        };
        match value.data() {
            Data::List(_, parts) | Data::Set(_, parts) | Data::Tuple(parts) => parts
                .iter()
                .map(|part| {
                    let text = self.scalar(name, part)?;
                    Ok(Text {
                        sensitive: text.sensitive || value.is_sensitive(),
                        ..text
                    })
                })
                .collect(),
            _ => Ok(vec![self.scalar(name, value)?]),
        }
    }

    /// A list of texts without their marks.
    pub fn plain_strings(&self, name: &str) -> Result<Vec<String>> {
        Ok(self
            .strings(name)?
            .into_iter()
            .map(|text| text.text)
            .collect())
    }

    /// Texts by name; empty where absent.
    pub fn map(&self, name: &str) -> Result<BTreeMap<String, Text>> {
        let Some(value) = self.value(name) else {
            return Ok(BTreeMap::new());
        };
        match value.data() {
            Data::Map(_, parts) | Data::Object(parts) => parts
                .iter()
                .map(|(key, part)| {
                    let text = self.scalar(name, part)?;
                    let sensitive = text.sensitive || value.is_sensitive();
                    Ok((key.to_string(), Text { sensitive, ..text }))
                })
                .collect(),
            Data::Unknown(_) => Err(self.unknown(name)),
            _ => Err(self.wrong(name, "a map")),
        }
    }

    /// A truth value; false where absent.
    pub fn bool(&self, name: &str) -> Result<bool> {
        match self.value(name).map(Value::data) {
            None => Ok(false),
            Some(Data::Bool(value)) => Ok(*value),
            Some(Data::String(text)) if text == "true" => Ok(true),
            Some(Data::String(text)) if text == "false" || text.is_empty() => Ok(false),
            Some(Data::Unknown(_)) => Err(self.unknown(name)),
            Some(_) => Err(self.wrong(name, "`true` or `false`")),
        }
    }

    /// An integer.
    pub fn integer(&self, name: &str) -> Result<Option<i64>> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => self.whole_number(name, value).map(Some),
        }
    }

    /// A list of integers; empty where absent.
    pub fn integers(&self, name: &str) -> Result<Vec<i64>> {
        match self.value(name).map(|value| (value, value.data())) {
            None => Ok(Vec::new()),
            Some((_, Data::List(_, parts) | Data::Set(_, parts) | Data::Tuple(parts))) => parts
                .iter()
                .map(|part| self.whole_number(name, part))
                .collect(),
            Some((value, _)) => Ok(vec![self.whole_number(name, value)?]),
        }
    }

    /// A duration in Go's notation.
    pub fn duration(&self, name: &str) -> Result<Option<Duration>> {
        match self.string(name)? {
            None => Ok(None),
            Some(text) => crate::duration::parse(&text)
                .map(Some)
                .ok_or_else(|| self.wrong(name, "a duration such as `90s` or `5m`")),
        }
    }

    fn whole_number(&self, name: &str, value: &Value) -> Result<i64> {
        self.scalar(name, value)?
            .text
            .parse()
            .map_err(|_| self.wrong(name, "a whole number"))
    }

    fn scalar(&self, name: &str, value: &Value) -> Result<Text> {
        let text = match value.data() {
            Data::String(text) => text.to_string(),
            Data::Bool(value) => value.to_string(),
            Data::Number(number) => number.to_string(),
            Data::Null(_) => String::new(),
            Data::Unknown(_) => return Err(self.unknown(name)),
            _ => return Err(self.wrong(name, "a single value")),
        };
        Ok(Text {
            text,
            sensitive: value.is_sensitive(),
        })
    }

    /// The failure of an option whose value nobody knows yet, or that a mistake has left without one.
    fn unknown(&self, name: &str) -> Error {
        Error::new(
            Class::Bug,
            "run/unknown-option",
            format!(
                "the option `{name}` of {} is still unknown while the step runs",
                self.component
            ),
        )
        .of(name)
    }

    /// The failure of an option that has the wrong form.
    pub fn wrong(&self, name: &str, wanted: &str) -> Error {
        Error::new(
            Class::Template,
            "run/bad-option",
            format!("the option `{name}` of {} must be {wanted}", self.component),
        )
        .of(name)
    }
}

fn has_unknown(value: &Value) -> bool {
    matches!(value.data(), Data::Unknown(_)) || parts(value).any(has_unknown)
}

fn has_sensitive(value: &Value) -> bool {
    value.is_sensitive() || parts(value).any(has_sensitive)
}

fn parts(value: &Value) -> impl Iterator<Item = &Value> {
    let (list, map) = match value.data() {
        Data::List(_, parts) | Data::Set(_, parts) | Data::Tuple(parts) => (Some(parts), None),
        Data::Map(_, parts) | Data::Object(parts) => (None, Some(parts)),
        _ => (None, None),
    };
    list.into_iter()
        .flat_map(|parts| parts.iter())
        .chain(map.into_iter().flat_map(|parts| parts.values()))
}

/// What is wrong with options that are written down as they are: those with a secret in them. `asks` tells of a text that
/// is rendered later whether it will have one.
pub(crate) fn recorded(names: &[&str], value: &Value, asks: impl Fn(&str) -> bool) -> Vec<Problem> {
    let options = Options::new("", value);
    let is_secret = |name: &str| {
        let texts = || options.plain_strings(name).unwrap_or_default();
        let marked = options.value(name);
        marked.is_some_and(Value::contains_declared_sensitive)
            || texts().iter().any(|text| asks(text))
    };
    let names = names.iter().filter(|name| is_secret(name));
    let problem = |name: &&str| {
        Problem::new(format!(
            "`{name}` has a sensitive value in it, and it is written down where others can read it: in the state, so that \
             what was made is found again"
        )).of(*name).help(format!(
            "leave what is secret out of `{name}`, or mark it as sensitive no longer"
        ))
    };
    names.map(problem).collect()
}

/// Every text in a value that is to be hidden wherever it stands: marked texts, and the scalars inside marked collections.
/// What is a secret only by its option is one of them if it is distinctive.
pub fn secrets(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(value, [false; 2], &mut |text, [declared, _]| {
        if declared || is_distinctive(&text) {
            found.push(text);
        }
    });
    found
}

/// Those of [`secrets`] that nobody has declared: values of options such as `ssh_password`.
pub fn undeclared_secrets(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(value, [false; 2], &mut |text, [declared, _]| {
        if !declared && is_distinctive(&text) {
            found.push(text);
        }
    });
    found
}

/// Hands out the scalars that are marked, or in what is: whether as declared secrets, and whether by their option.
fn walk(value: &Value, [declared, natural]: [bool; 2], found: &mut dyn FnMut(String, [bool; 2])) {
    let nature = value.is_sensitive_by_nature();
    let marks = [
        declared || value.is_sensitive() && !nature,
        natural || nature,
    ];
    if marks.contains(&true) {
        match value.data() {
            Data::String(text) => found(text.to_string(), marks),
            Data::Number(number) => found(number.to_string(), marks),
            _ => {}
        }
    }
    for part in parts(value) {
        walk(part, marks, found);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use imgc_compiler::types::Type;

    use super::*;
    use crate::testing::object;

    #[test]
    fn reads_and_converts() {
        let value = object([
            ("text", Value::string("x")),
            ("empty", Value::string("")),
            ("flag", Value::bool(true)),
            ("null", Value::null(Type::String)),
            ("wait", Value::string("5m")),
            (
                "list",
                Value::from_data(Data::Tuple(
                    vec![Value::string("a"), Value::string("b").mark(true)].into(),
                )),
            ),
            ("codes", Value::string("7")),
        ]);
        let options = Options::new("provisioner `x`", &value);
        assert_eq!(options.string("text").unwrap().as_deref(), Some("x"));
        assert_eq!(options.string("empty").unwrap(), None);
        assert_eq!(options.string("null").unwrap(), None);
        assert!(options.bool("flag").unwrap());
        assert!(!options.bool("absent").unwrap());
        assert_eq!(
            options.duration("wait").unwrap(),
            Some(Duration::from_secs(300))
        );
        assert_eq!(options.strings("text").unwrap().len(), 1);
        assert!(options.is_sensitive("list") && !options.is_sensitive("text"));
        assert!(options.strings("list").unwrap()[1].sensitive);
        assert_eq!(options.integers("codes").unwrap(), [7]);
        assert!(options.is_given("text") && !options.is_given("empty"));
        let error = options.duration("text").unwrap_err();
        assert_eq!(
            error.message,
            "the option `wait` of provisioner `x` must be a duration such as `90s` or `5m`"
                .replace("wait", "text")
        );
        assert_eq!(
            options.required("absent").unwrap_err().id,
            "run/missing-option"
        );
    }

    #[test]
    fn secrets_are_found_inside_marked_collections() {
        let value = object([
            ("a", Value::string("plain")),
            ("b", object([("c", Value::string("deep"))]).mark(true)),
        ]);
        assert_eq!(secrets(&value), ["deep"]);
    }

    #[test]
    fn what_is_a_secret_by_its_option_is_hidden_elsewhere_only_if_it_is_distinctive() {
        let natural = |text: &str| Value::string(text).mark_by_nature(true);
        let value = object([
            ("ssh_password", natural("vagrant")),
            ("vnc_password", natural("")),
            ("token", natural("s3cr3tT0ken")),
            ("declared", Value::string("vagrant").mark(true)),
        ]);
        assert_eq!(secrets(&value), ["vagrant", "s3cr3tT0ken"]);
        assert_eq!(undeclared_secrets(&value), ["s3cr3tT0ken"]);
        let options = Options::new("x", &value);
        assert!(options.is_sensitive("ssh_password") && !options.is_sensitive("vnc_password"));
        assert!(recorded(&["ssh_password"], &value, |_| false).is_empty());
        assert_eq!(recorded(&["declared"], &value, |_| false).len(), 1);
    }
}
