//! What JSON and TOML have in common before anybody says what it means: objects, arrays, texts, numbers with places.
//!
//! Made by the modules of the two languages, read by those that turn it into bodies.

use imgc_syntax::{FileId, Span};
use smol_str::SmolStr;

use crate::hir::Name;
use crate::value::Number;

/// A value with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Where it stands, quotes and brackets included.
    pub span: Span,
    /// The comment lines that stand before it (before its key, inside an object), without their markers.
    pub comments: Vec<SmolStr>,
}

/// The kinds of values.
#[derive(Clone, Debug)]
pub enum NodeKind {
    /// Text that did not parse: complained about already.
    Error,
    /// JSON's `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, exactly as written.
    Number(Number),
    /// A text.
    Text(Text),
    /// Values in order.
    Array(Vec<Node>),
    /// Members in the order of the text; repeated keys are all here.
    Object(Vec<Member>),
}

/// A member of an object.
#[derive(Clone, Debug)]
pub struct Member {
    /// The key; its span has the quotes, where there are any.
    pub key: Name,
    /// Where the key's characters came from, if it has escapes; see [`Member::key_text`].
    pub map: Option<Box<TextMap>>,
    /// The value.
    pub value: Node,
}

/// A decoded text that knows where each of its characters came from.
#[derive(Clone, Debug)]
pub struct Text {
    /// The text after escapes.
    pub text: SmolStr,
    /// From decoded to file.
    pub map: TextMap,
}

/// From offsets in a decoded text to the places in the file.
#[derive(Clone, Debug)]
pub struct TextMap {
    file: FileId,
    /// `(offset in the decoded text, offset in the file)` at the start of each run of unescaped characters, ascending;
    /// the first is at decoded offset 0.
    runs: Vec<(u32, u32)>,
    /// Where the text ends in the file, before the closing quote.
    end: u32,
}

impl TextMap {
    /// A text of which every byte stands in the file as it is, from `start`, `len` bytes long.
    pub fn plain(file: FileId, start: u32, len: u32) -> Self {
        Self {
            file,
            runs: vec![(0, start)],
            end: start + len,
        }
    }

    /// A text with escapes; `runs` as the field says, and `end` where the text ends in the file.
    pub fn new(file: FileId, runs: Vec<(u32, u32)>, end: u32) -> Self {
        debug_assert!(runs.first().is_some_and(|run| run.0 == 0));
        Self { file, runs, end }
    }

    /// The place in the file of an offset of the decoded text. Inside an escape it is the escape's beginning.
    pub fn offset(&self, decoded: u32) -> u32 {
        let at = self.runs.partition_point(|run| run.0 <= decoded);
        let (start, place) = self.runs[at - 1];
        let limit = self.runs.get(at).map_or(self.end, |next| next.1);
        (place + (decoded - start)).min(limit)
    }

    /// The place in the file of a part of the decoded text.
    pub fn span(&self, start: u32, end: u32) -> Span {
        let (start, end) = (self.offset(start), self.offset(end));
        Span::new(self.file, start, end.max(start))
    }

    /// The file.
    pub fn file(&self) -> FileId {
        self.file
    }
}

impl Member {
    /// The key as a text with its map.
    pub fn key_text(&self) -> Text {
        let plain = || {
            let len = self.key.text.len() as u32;
            let quote = self.key.span.len().saturating_sub(len) / 2;
            TextMap::plain(self.key.span.file, self.key.span.start + quote, len)
        };
        Text {
            text: self.key.text.clone(),
            map: self.map.as_deref().cloned().unwrap_or_else(plain),
        }
    }
}

impl Node {
    /// A value without comments.
    pub fn new(kind: NodeKind, span: Span) -> Self {
        Self {
            kind,
            span,
            comments: Vec::new(),
        }
    }

    /// The members, if it is an object.
    pub fn members(&self) -> Option<&[Member]> {
        match &self.kind {
            NodeKind::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The value of the first member of that name, if it is an object.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let member = self.members()?.iter().find(|member| member.key.text == key);
        member.map(|member| &member.value)
    }

    /// Whether it is a list.
    pub fn is_array(&self) -> bool {
        matches!(self.kind, NodeKind::Array(_))
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Text(text) => Some(&text.text),
            _ => None,
        }
    }

    /// The word for it in messages, with its article.
    pub fn what(&self) -> &'static str {
        match &self.kind {
            NodeKind::Error => "something that did not parse",
            NodeKind::Null => "null",
            NodeKind::Bool(_) => "true or false",
            NodeKind::Number(_) => "a number",
            NodeKind::Text(_) => "a text",
            NodeKind::Array(_) => "a list",
            NodeKind::Object(_) => "an object",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_behind_escapes_point_into_the_file() {
        // "a\nb${x}" at offset 10: the text starts at 11, the escape takes two bytes.
        let map = TextMap::new(FileId(0), vec![(0, 11), (1, 12), (2, 14)], 19);
        assert_eq!(map.offset(0), 11);
        assert_eq!(map.offset(1), 12);
        assert_eq!(map.offset(2), 14);
        assert_eq!(map.offset(5), 17);
        assert_eq!(map.offset(7), 19);
        assert_eq!(map.span(3, 7), Span::new(FileId(0), 15, 19));
    }
}
