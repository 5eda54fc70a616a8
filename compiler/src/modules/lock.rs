//! `imgc.lock`: which commit each git module is at, and what builds found outside.
//!
//! A TOML file beside the template, written by `imgc init`, `apply`, `build` and `update` and kept with it: `version = 1`;
//! for each repository a table `[[module]]` with `source` (`git::URL?ref=REFERENCE`) and `commit`, sorted by source; for each
//! thing that a builder pins a table `[[pin]]` with `name`, `value` and, for people, `about`, sorted by name.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The name of the file.
pub const FILE_NAME: &str = "imgc.lock";

/// The version of the form.
const VERSION: i64 = 1;

/// What is locked: commits by repository, as [`super::Git::repository`] names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// By repository.
    pub commits: BTreeMap<String, String>,
    /// What builders pin, by name.
    pub pins: BTreeMap<String, Pin>,
}

/// What something outside was when it was pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// `sha256:…` or another identity.
    pub value: String,
    /// For people: a date, a version; may be empty.
    pub about: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    version: i64,
    #[serde(default)]
    module: Vec<Entry>,
    #[serde(default)]
    pin: Vec<PinEntry>,
}

/// What every form of the file has.
#[derive(Deserialize)]
struct Versioned {
    version: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PinEntry {
    name: String,
    value: String,
    #[serde(default)]
    about: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    source: String,
    commit: String,
}

/// Why a lock file is none, with the place in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockError {
    /// What is wrong with the file: what it is, then why; lower case, no full stop.
    pub message: String,
    /// The way out.
    pub help: &'static str,
    /// The bytes it is about.
    pub place: std::ops::Range<usize>,
}

impl LockError {
    fn damaged(why: &str, place: std::ops::Range<usize>) -> Self {
        Self {
            message: format!("is damaged: {why}"),
            help: "take it back from version control, or remove it and run `imgc init`",
            place,
        }
    }
}

impl Lock {
    /// Reads a lock file.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        let first_line = 0..text.lines().next().map_or(0, str::len);
        let whole = |message: String| LockError::damaged(&message, first_line.clone());
        // A newer form may have anything else in it.
        if let Ok(Versioned { version }) = toml::from_str(text)
            && version > VERSION
        {
            return Err(LockError {
                message: format!(
                    "was written by a newer imgc: it is of version {version}, and this one reads version {VERSION}"
                ),
                help: "use that version of imgc, or take an older file back from version control",
                place: first_line,
            });
        }
        let form: Form = toml::from_str(text).map_err(|error| {
            let message = error.message().lines().next().unwrap_or_default();
            LockError::damaged(message, error.span().unwrap_or(0..0))
        })?;
        if form.version != VERSION {
            return Err(whole(format!("there is no version {}", form.version)));
        }
        let mut commits = BTreeMap::new();
        for entry in form.module {
            let hex = entry.commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !hex || !matches!(entry.commit.len(), 40 | 64) {
                return Err(whole(format!("`{}` is no commit", entry.commit)));
            }
            commits.insert(entry.source, entry.commit.to_ascii_lowercase());
        }
        let mut pins = BTreeMap::new();
        for PinEntry { name, value, about } in form.pin {
            if value.is_empty() {
                return Err(whole(format!("the pin `{name}` has no value")));
            }
            pins.insert(name, Pin { value, about });
        }
        Ok(Self { commits, pins })
    }
}

/// As it is written.
impl std::fmt::Display for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "# Written by imgc. Keep it with the template.")?;
        writeln!(f, "version = {VERSION}")?;
        for (source, commit) in &self.commits {
            let source = toml::Value::String(source.clone());
            writeln!(f, "\n[[module]]\nsource = {source}\ncommit = \"{commit}\"")?;
        }
        let text = |text: &str| toml::Value::String(text.to_owned());
        for (name, pin) in &self.pins {
            let (name, value) = (text(name), text(&pin.value));
            writeln!(f, "\n[[pin]]\nname = {name}\nvalue = {value}")?;
            if !pin.about.is_empty() {
                writeln!(f, "about = {}", text(&pin.about))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut lock = Lock::default();
        lock.commits
            .insert("git::/b\"?ref=x".into(), "a".repeat(40));
        lock.commits.insert("git::/a".into(), "0".repeat(40));
        for (name, about) in [("rootfs b", "a \"date\""), ("rootfs a", "")] {
            let (value, about) = ("sha256:0".to_owned(), about.to_owned());
            lock.pins.insert(name.to_owned(), Pin { value, about });
        }
        let text = lock.to_string();
        assert!(
            text.find("/a").unwrap() < text.find("/b").unwrap(),
            "{text}"
        );
        assert_eq!(Lock::parse(&text), Ok(lock));
    }

    #[test]
    fn damaged_ones_are_refused() {
        for text in [
            "",
            "version = 0",
            "version = 1\n[[module]]\nsource = \"x\"",
            "version = 1\n[[module]]\nsource = \"x\"\ncommit = \"../../etc\"",
            "version = 1\nextra = 1",
            "version = 1\n[[pin]]\nname = \"x\"",
            "version = 1\n[[pin]]\nname = \"x\"\nvalue = \"\"",
        ] {
            let error = Lock::parse(text).unwrap_err();
            assert!(error.message.starts_with("is damaged: "), "{text}");
        }
    }

    #[test]
    fn one_of_a_newer_version_is_not_damaged() {
        for text in ["version = 2", "version = 9\n\n[[image]]\nname = \"x\""] {
            let error = Lock::parse(text).unwrap_err();
            assert!(
                error.message.starts_with("was written by a newer imgc"),
                "{}",
                error.message
            );
            assert_eq!(&text[error.place], text.lines().next().unwrap());
            assert!(!error.help.contains("remove"), "{}", error.help);
        }
    }
}
