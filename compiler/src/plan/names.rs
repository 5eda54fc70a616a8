//! Names of instances: words with the keys of repeated blocks in between, such as `web["eu"].null.base["a"]`.
//!
//! In: names and keys. Out: texts, and the answer whether what somebody typed means one of them: keys may be left out.

use std::fmt;
use std::ops::Range;

use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;

use crate::value::Value;

/// What tells the instances of a repeated block apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// Of `for_each`.
    Text(SmolStr),
    /// Of `count`, and of a list in a `dynamic` block.
    Index(usize),
}

impl Key {
    /// As a value of expressions.
    pub fn value(&self) -> Value {
        match self {
            Self::Text(text) => Value::string(text.clone()),
            Self::Index(index) => Value::number(*index),
        }
    }

    /// As a word that a file name can have in it; different for different keys.
    pub(crate) fn as_word(&self) -> String {
        let text = match self {
            Self::Index(index) => return index.to_string(),
            Self::Text(text) => text,
        };
        let harmless = |character: char| character.is_alphanumeric() || "._-".contains(character);
        let word: String = text
            .chars()
            .map(|character| if harmless(character) { character } else { '_' })
            .collect();
        if word == *text && !word.is_empty() {
            return word;
        }
        let digest = super::files::hex(&Sha256::digest(text.as_bytes()));
        format!("{word}-{}", &digest[..6])
    }
}

/// `["eu"]`, with the escapes of JSON, or `[0]`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Text(text) => {
                f.write_str("[\"")?;
                for character in text.chars() {
                    match character {
                        '"' => f.write_str("\\\"")?,
                        '\\' => f.write_str("\\\\")?,
                        '\n' => f.write_str("\\n")?,
                        '\r' => f.write_str("\\r")?,
                        '\t' => f.write_str("\\t")?,
                        control if (control as u32) < 0x20 || control == '\u{7f}' => {
                            write!(f, "\\u{:04x}", control as u32)?;
                        }
                        other => write!(f, "{other}")?,
                    }
                }
                f.write_str("\"]")
            }
        }
    }
}

/// The key at the beginning of a text, and what follows it.
pub(crate) fn leading_key(text: &str) -> Option<(Key, &str)> {
    let inside = text.strip_prefix('[')?;
    if inside.starts_with('"') {
        let mut stream = serde_json::Deserializer::from_str(inside).into_iter::<String>();
        let key = stream.next()?.ok()?;
        let rest = inside[stream.byte_offset()..].strip_prefix(']')?;
        return Some((Key::Text(key.into()), rest));
    }
    let (digits, rest) = inside.split_once(']')?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let index = plain.then(|| digits.parse().ok()).flatten()?;
    Some((Key::Index(index), rest))
}

/// A text without the keys at its end, and these.
pub(crate) fn trailing_keys(text: &str) -> (&str, Vec<Key>) {
    for (at, _) in text.match_indices('[') {
        let mut keys = Vec::new();
        let mut rest = &text[at..];
        while let Some((key, after)) = leading_key(rest) {
            keys.push(key);
            rest = after;
        }
        if rest.is_empty() && !keys.is_empty() {
            return (&text[..at], keys);
        }
    }
    (text, Vec::new())
}

/// A name with the places of its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct InstanceName {
    text: String,
    keys: Vec<Range<usize>>,
}

impl InstanceName {
    /// Adds a word, or several with dots.
    pub(crate) fn push(&mut self, words: &str) {
        self.text.push_str(words);
    }

    /// Adds a key.
    pub(crate) fn push_key(&mut self, key: &Key) {
        let start = self.text.len();
        self.text.push_str(&key.to_string());
        self.keys.push(start..self.text.len());
    }

    /// Adds a text that may have keys in it, such as a unit's prefix.
    pub(crate) fn push_keyed(&mut self, mut text: &str) {
        while let Some(at) = text.find('[') {
            let (words, rest) = text.split_at(at);
            self.push(words);
            match leading_key(rest) {
                Some((key, after)) => {
                    self.push_key(&key);
                    text = after;
                }
                None => {
                    self.push("[");
                    text = &rest[1..];
                }
            }
        }
        self.push(text);
    }

    /// Adds all of another name.
    pub(crate) fn push_name(&mut self, other: &Self) {
        let start = self.text.len();
        self.text.push_str(&other.text);
        let moved = other
            .keys
            .iter()
            .map(|key| key.start + start..key.end + start);
        self.keys.extend(moved);
    }

    /// With all keys.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it has keys.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Without keys.
    pub(crate) fn plain(&self) -> String {
        self.without(|_| true)
    }

    /// Every form it can be typed in: each of its keys there or left out. The first has all keys, the last none.
    pub(crate) fn forms(&self) -> impl Iterator<Item = String> + '_ {
        // More keys than this have no name of their own for each choice: all or none.
        let choices = if self.keys.len() > 8 {
            1
        } else {
            (1u32 << self.keys.len()) - 1
        };
        (0..=choices).map(move |choice| {
            self.without(|at| choice == choices && choices > 0 || choice & (1 << (at % 32)) != 0)
        })
    }

    fn without(&self, leave_out: impl Fn(usize) -> bool) -> String {
        let mut text = String::with_capacity(self.text.len());
        let mut from = 0;
        for (at, key) in self.keys.iter().enumerate() {
            text.push_str(&self.text[from..key.start]);
            if !leave_out(at) {
                text.push_str(&self.text[key.clone()]);
            }
            from = key.end;
        }
        text.push_str(&self.text[from..]);
        text
    }

    /// Whether a text means it: the same words, and of its keys those that the text has.
    pub(crate) fn is(&self, typed: &str) -> bool {
        let mut typed = typed;
        let mut from = 0;
        for key in &self.keys {
            let Some(rest) = typed.strip_prefix(&self.text[from..key.start]) else {
                return false;
            };
            typed = rest.strip_prefix(&self.text[key.clone()]).unwrap_or(rest);
            from = key.end;
        }
        typed == &self.text[from..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> InstanceName {
        let mut name = InstanceName::default();
        name.push_keyed("module.m[\"x\"].");
        name.push("web");
        name.push_key(&Key::Text("eu \"1\"\n".into()));
        name.push(".null.base");
        name.push_key(&Key::Index(3));
        name
    }

    #[test]
    fn keys_are_written_as_json() {
        assert_eq!(
            name().text(),
            r#"module.m["x"].web["eu \"1\"\n"].null.base[3]"#
        );
        assert_eq!(name().plain(), "module.m.web.null.base");
    }

    #[test]
    fn keys_may_be_left_out() {
        for typed in [
            "module.m.web.null.base",
            r#"module.m.web["eu \"1\"\n"].null.base"#,
            "module.m.web.null.base[3]",
            r#"module.m["x"].web["eu \"1\"\n"].null.base[3]"#,
        ] {
            assert!(name().is(typed), "{typed}");
            assert!(name().forms().any(|form| form == typed), "{typed}");
        }
        for typed in [
            "module.m.web.null",
            "module.m.web.null.base[4]",
            r#"module.m["y"].web.null.base"#,
            "module.m.web.null.base[3][3]",
        ] {
            assert!(!name().is(typed), "{typed}");
            assert!(name().forms().all(|form| form != typed), "{typed}");
        }
        assert_eq!(name().forms().count(), 8);
        assert_eq!(name().forms().next().as_deref(), Some(name().text()));
        let mut plain = InstanceName::default();
        plain.push("web");
        assert_eq!(plain.forms().collect::<Vec<_>>(), ["web"]);
    }

    #[test]
    fn keys_as_words() {
        let words =
            ["eu-1.x", "ü", "a b", "a/b", "", "../x"].map(|key| Key::Text(key.into()).as_word());
        assert_eq!(
            words,
            [
                "eu-1.x",
                "ü",
                "a_b-c8687a",
                "a_b-c14cdd",
                "-e3b0c4",
                ".._x-d6b96a"
            ]
        );
        assert_eq!(Key::Index(10).as_word(), "10");
    }

    #[test]
    fn keys_are_read_back() {
        let text = |text: &str| Key::Text(text.into());
        assert_eq!(
            trailing_keys(r#"null.base["a]\" \u00e4"][2]"#),
            ("null.base", vec![text("a]\" ä"), Key::Index(2)])
        );
        assert_eq!(trailing_keys("null.base"), ("null.base", vec![]));
        assert_eq!(trailing_keys("null.base[x]"), ("null.base[x]", vec![]));
        assert_eq!(trailing_keys("null.base[]"), ("null.base[]", vec![]));
        assert_eq!(trailing_keys("a[0].b"), ("a[0].b", vec![]));
        for key in ["", "ü", "a\"b", "\\", "\u{1}\t", "a.b[0]"] {
            let shown = text(key).to_string();
            assert_eq!(leading_key(&shown), Some((text(key), "")), "{shown}");
        }
    }
}
