//! JSON text to a tree of nodes with places.
//!
//! In: any text. Out: a [`Node`] for it and the problems found; what is wrong is reported and the rest is there. Read
//! with a warning and a fix: comments, trailing commas, a byte order mark. Repeated keys all stay in the tree: HCL's JSON
//! form allows them for blocks; who does not calls [`repeated_keys`]. Linear in the text, bounded stack.

mod brackets;
mod text;
mod trivia;
mod word;

use imgc_syntax::{FileId, Span, conflict};
use smol_str::SmolStr;

use crate::diagnostic::registry::Entry;
use crate::diagnostic::{Diagnostic, Edit};
use crate::lower::hcl;
use crate::lower::tree::{Node, NodeKind};

/// Problems of JSON texts.
pub const IDS: &[Entry] = &[
    Entry::warning("json/byte-order-mark", "a byte order mark before JSON"),
    Entry::warning("json/comment", "a comment, which JSON does not have"),
    Entry::error(
        "json/control-character",
        "a line break or a control character inside a JSON text",
    ),
    Entry::error("json/expected-value", "a value is missing in JSON"),
    Entry::error("json/extra-comma", "a comma with nothing before it"),
    Entry::error("json/invalid-escape", "an escape that JSON does not have"),
    Entry::error(
        "json/invalid-number",
        "a number in a form that JSON does not have",
    ),
    Entry::warning(
        "json/lone-surrogate",
        "half of a character beyond the basic plane, written as an escape",
    ),
    Entry::error(
        "json/mismatched-bracket",
        "a closing bracket of another kind than the open one, or with none open",
    ),
    Entry::error("json/missing-colon", "a key without a colon after it"),
    Entry::error("json/missing-comma", "two values without a comma between"),
    Entry::warning(
        "json/repeated-key",
        "a key that an object has twice, where the last one counts",
    ),
    Entry::error("json/too-deep", "JSON nested beyond any practical depth"),
    Entry::warning(
        "json/trailing-comma",
        "a comma after the last element of a list or an object",
    ),
    Entry::error("json/trailing-text", "text after the end of JSON"),
    Entry::error("json/unclosed-bracket", "a bracket that is never closed"),
    Entry::error("json/unclosed-comment", "a comment that is never closed"),
    Entry::error("json/unclosed-text", "a text without its closing quote"),
    Entry::error(
        "json/unescaped-quote",
        "a quotation mark of an expression inside of a text, without a backslash",
    ),
    Entry::error(
        "json/unexpected-character",
        "a character that JSON does not use",
    ),
    Entry::error("json/unquoted-key", "a key without quotes"),
    Entry::error(
        "json/unquoted-text",
        "a word that is none of JSON's: true, false, null",
    ),
    Entry::error(
        "json/wrong-quotes",
        "a text in quotes that JSON does not use",
    ),
];

/// How many values can stand inside each other: a little less than what evaluation follows.
pub const MAX_DEPTH: u32 = 240;

/// So many problems of one text are kept; after that the rest of it is not read.
const MAX_ERRORS: usize = 200;

/// Reads a text as one JSON value.
pub fn parse(file: FileId, text: &str, out: &mut Vec<Diagnostic>) -> Node {
    let known = out.len();
    let root = read(file, text, out);
    if !out[known..].iter().any(Diagnostic::is_error) {
        return root;
    }
    let conflicts = conflict::find(text);
    if conflicts.is_empty() {
        return root;
    }
    out.truncate(known);
    let root = read(file, &conflict::without(text, &conflicts), out);
    out.extend(conflicts.iter().take(MAX_ERRORS).map(|conflict| {
        hcl::diagnostic(&conflict.error(), |(start, end)| {
            Span::new(file, start, end)
        })
    }));
    root
}

fn read(file: FileId, text: &str, out: &mut Vec<Diagnostic>) -> Node {
    let mut parser = Parser {
        file,
        text,
        at: 0,
        last_end: 0,
        depth: 0,
        open: Vec::new(),
        errors: 0,
        warnings: 0,
        comments: Vec::new(),
        pending: Vec::new(),
        out,
    };
    let root = parser.root();
    parser.report_comments();
    root
}

/// Warns about keys that stand twice in one object, anywhere in `node`, where the last one counts.
pub fn repeated_keys(node: &Node, out: &mut Vec<Diagnostic>) {
    match &node.kind {
        NodeKind::Array(elements) => {
            for element in elements {
                repeated_keys(element, out);
            }
        }
        NodeKind::Object(members) => {
            let mut seen: indexmap::IndexMap<&str, Span> =
                indexmap::IndexMap::with_capacity(members.len());
            for member in members {
                if let Some(first) = seen.insert(&member.key.text, member.key.span) {
                    out.push(
                        Diagnostic::warning(
                            "json/repeated-key",
                            first,
                            format!("the key `{}` stands twice in this object", member.key.text),
                        )
                        .here("this one does not count")
                        .label(member.key.span, "the last one counts")
                        .help("remove one of them"),
                    );
                }
                repeated_keys(&member.value, out);
            }
        }
        _ => {}
    }
}

struct Parser<'a> {
    file: FileId,
    text: &'a str,
    /// The offset of the next character.
    at: usize,
    /// Where the last token ended: places for what is missing after it.
    last_end: usize,
    depth: u32,
    /// The brackets that are open, with their places.
    open: Vec<(u8, usize)>,
    errors: usize,
    warnings: usize,
    /// The places of all comments.
    comments: Vec<Span>,
    /// Comment lines that belong to what comes next.
    pending: Vec<SmolStr>,
    out: &'a mut Vec<Diagnostic>,
}

impl Parser<'_> {
    fn root(&mut self) -> Node {
        if self.text.starts_with('\u{feff}') {
            self.at = '\u{feff}'.len_utf8();
            let mark = self.span(0, self.at);
            self.report(
                Diagnostic::warning(
                    "json/byte-order-mark",
                    mark,
                    "this file starts with a byte order mark",
                )
                .help("save it as UTF-8 without one; other programs refuse it")
                .fix("remove the byte order mark", Edit::replace(mark, "")),
            );
            self.last_end = self.at;
        }
        self.trivia(false);
        let root = self.value("a value");
        self.trivia(true);
        if self.at < self.text.len() && !self.given_up() {
            self.trailing_text();
        }
        root
    }

    fn trailing_text(&mut self) {
        let start = self.at;
        let rest = &self.text[start..];
        let end = start + rest.find('\n').unwrap_or(rest.len());
        let end = start + self.text[start..end].trim_end().len();
        let place = self.span(start, end);
        self.report(if matches!(self.peek(), Some(b'}' | b']')) {
            Diagnostic::error(
                "json/mismatched-bracket",
                self.span(start, start + 1),
                format!("this `{}` closes nothing", &rest[..1]),
            )
            .help("remove it, or add what it should close")
        } else {
            Diagnostic::error(
                "json/trailing-text",
                place,
                "there is text after the end of the JSON value",
            )
            .help("a JSON file holds one value; remove what follows it")
        });
    }

    /// One value, or a complaint that `what` is missing.
    fn value(&mut self, what: &str) -> Node {
        let start = self.at;
        let comments = std::mem::take(&mut self.pending);
        let mut node = match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.quoted(),
            Some(_) if self.at_foreign_quote() => self.quoted(),
            Some(b'-' | b'+' | b'.' | b'0'..=b'9') => self.number(),
            Some(_) if self.at_word() => self.word(),
            _ => self.missing_value(what),
        };
        let nested = matches!(node.kind, NodeKind::Array(_) | NodeKind::Object(_));
        if self.at > start && !nested {
            self.last_end = self.at;
        }
        node.comments = comments;
        node
    }

    fn missing_value(&mut self, what: &str) -> Node {
        let place = self.span(self.last_end, self.last_end);
        if self.at < self.text.len() && !matches!(self.peek(), Some(b',' | b'}' | b']' | b':')) {
            self.unexpected();
        } else {
            self.report(
                Diagnostic::error(
                    "json/expected-value",
                    place,
                    format!("{what} is missing here"),
                )
                .help(if self.text.trim().is_empty() {
                    "the smallest template is `{}`"
                } else {
                    "write a text in double quotes, a number, `true`, `false`, `null`, `[…]` or `{…}`"
                }),
            );
        }
        Node::new(NodeKind::Error, place)
    }

    /// A run of characters that mean nothing here.
    fn unexpected(&mut self) {
        let start = self.at;
        let rest = &self.text[start..];
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let len = if rest.starts_with('#') {
            rest.find('\n').unwrap_or(rest.len())
        } else {
            rest[first..]
                .find(['{', '}', '[', ']', ',', ':', '"', '\n'])
                .map_or(rest.len(), |at| at + first)
        };
        self.at = start + len;
        let place = self.span(start, start + self.text[start..self.at].trim_end().len());
        let shown: String = rest[..len].trim_end().chars().take(20).collect();
        let (message, help) = if rest.starts_with('#') {
            (
                "a comment with `#`, which JSON does not have".to_owned(),
                "remove it, or write it as the value of a key such as `\"//\"`",
            )
        } else if rest.starts_with('=') {
            (
                "there is no `=` in JSON".to_owned(),
                "write `\"key\": value`",
            )
        } else {
            (
                format!("`{}` means nothing here", shown.escape_debug()),
                "remove it",
            )
        };
        self.report(Diagnostic::error("json/unexpected-character", place, message).help(help));
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start as u32, end as u32)
    }

    fn given_up(&self) -> bool {
        self.errors >= MAX_ERRORS
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        let count = if diagnostic.is_error() {
            &mut self.errors
        } else {
            &mut self.warnings
        };
        if *count == MAX_ERRORS {
            return;
        }
        *count += 1;
        if diagnostic.is_error() && self.given_up() {
            // Nobody reads more; this also keeps every look-ahead linear.
            self.at = self.text.len();
        }
        self.out.push(diagnostic);
    }
}

#[cfg(test)]
mod tests;
