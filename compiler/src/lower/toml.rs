//! TOML text to a tree of nodes with places.
//!
//! In: any text. Out: a [`Node`] for the document and the problems found; what is wrong is reported and the rest is there.
//! `toml_parser` finds the pieces and goes on after mistakes; here they become tables. Dates and times are texts as they
//! are written. Members stand in the order in which their keys come first; spans say the order of the file.

mod mend;
mod problem;
mod recover;
mod scalar;
mod table;

use std::ops::Range;

use imgc_syntax::{FileId, Span};
use smol_str::SmolStr;
use toml_parser::Source;
use toml_parser::parser::{Event, EventKind};

use self::table::{Key, Tables, too_deep};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::registry::Entry;
use crate::lower::tree::{Member, Node, NodeKind};

/// Problems of TOML texts.
pub const IDS: &[Entry] = &[
    Entry::error("toml/expected-value", "a value is missing in TOML"),
    Entry::error("toml/extra-comma", "a comma in TOML with nothing before it"),
    Entry::error(
        "toml/invalid-number",
        "a number in a form that TOML does not have, or that is none",
    ),
    Entry::error(
        "toml/invalid-text",
        "a text in TOML without its closing quote, or with an escape that TOML does not have",
    ),
    Entry::error(
        "toml/missing-comma",
        "two elements in TOML without a comma between",
    ),
    Entry::error("toml/missing-equals", "a key in TOML without `=` after it"),
    Entry::error(
        "toml/not-a-table",
        "a table of TOML is opened under a key that holds something else",
    ),
    Entry::error(
        "toml/repeated-key",
        "a key or a table that a TOML file has twice",
    ),
    Entry::error("toml/too-deep", "TOML nested beyond any practical depth"),
    Entry::error(
        "toml/unclosed-bracket",
        "a bracket in TOML that is never closed, or never opened",
    ),
    Entry::error(
        "toml/unescaped-quote",
        "a quotation mark of an expression inside of a text, without a backslash",
    ),
    Entry::error(
        "toml/unexpected",
        "something that has no place in TOML here",
    ),
    Entry::error(
        "toml/unquoted-text",
        "a text in TOML that stands without quotes",
    ),
];

/// How many lists and inline tables can stand inside each other, and how many parts a key can have together with those of
/// its table's header.
const MAX_DEPTH: u32 = 100;

/// So many problems of one text are kept.
const MAX_ERRORS: usize = 200;

/// Reads a text as one TOML document, an object.
pub fn parse(file: FileId, text: &str, out: &mut Vec<Diagnostic>) -> Node {
    let (mut events, mut errors) = recover::events(text);
    let mended = mend::mend(text, &events, &errors);
    if let Some(mended) = &mended {
        (events, errors) = recover::events(&mended.text);
    }
    let (read, quoted) = match &mended {
        Some(mended) => (mended.text.as_str(), mended.quoted.as_slice()),
        None => (text, [].as_slice()),
    };
    let mut reader = Reader {
        file,
        source: Source::new(read),
        events: &events,
        at: 0,
        tables: Tables::new(file),
        errors,
        problems: Vec::new(),
        pending: Vec::new(),
        last: None,
        quoted,
    };
    reader.document();
    let mut problems = reader.problems;
    problem::convert(file, read, &reader.errors, &mut problems);
    problems.extend(mended.iter().flat_map(|mended| mended.problems(file, text)));
    problems.truncate(MAX_ERRORS);
    out.append(&mut problems);
    let mut root = reader.tables.into_node();
    root.span = Span::new(file, 0, text.len() as u32);
    root
}

struct Reader<'s, 'e> {
    file: FileId,
    source: Source<'s>,
    events: &'e [Event],
    at: usize,
    tables: Tables,
    errors: Vec<toml_parser::ParseError>,
    problems: Vec<Diagnostic>,
    /// Comment lines that belong to what comes next.
    pending: Vec<SmolStr>,
    /// The line's key and value, for a comment behind them: the table, and the key in it.
    last: Option<(usize, SmolStr)>,
    /// Texts that end further on than TOML would have it: they have been complained about.
    quoted: &'s [Range<usize>],
}

impl Reader<'_, '_> {
    fn next(&mut self) -> Option<Event> {
        let event = self.events.get(self.at).copied();
        self.at += 1;
        event
    }

    fn peek(&self) -> Option<EventKind> {
        self.events.get(self.at).map(Event::kind)
    }

    fn span(&self, event: &Event) -> Span {
        let span = event.span();
        Span::new(self.file, span.start() as u32, span.end() as u32)
    }

    fn document(&mut self) {
        while let Some(event) = self.next() {
            match event.kind() {
                EventKind::StdTableOpen | EventKind::ArrayTableOpen => self.header(&event),
                EventKind::SimpleKey => {
                    let table = self.tables.current();
                    self.last = self.key_value(&event, table, self.tables.depth());
                }
                EventKind::Comment => {
                    let line = self.comment(&event);
                    match &self.last {
                        Some((table, key)) => self.tables.comment(*table, key, line),
                        None => self.pending.push(line),
                    }
                }
                EventKind::Newline => self.last = None,
                _ => {}
            }
        }
    }

    fn comment(&self, event: &Event) -> SmolStr {
        let text = self.source.get(event.span()).map_or("", |raw| raw.as_str());
        text.trim_start_matches('#').trim().into()
    }

    /// `[a.b]` or `[[a.b]]`.
    fn header(&mut self, open: &Event) {
        let mut keys = Vec::new();
        let mut span = self.span(open);
        while let Some(event) = self.next() {
            match event.kind() {
                EventKind::SimpleKey => keys.extend(self.key(&event)),
                EventKind::KeySep | EventKind::Whitespace => {}
                EventKind::StdTableClose | EventKind::ArrayTableClose => {
                    span = span.cover(self.span(&event));
                    break;
                }
                _ => {
                    // Not closed: complained about already.
                    self.at -= 1;
                    break;
                }
            }
        }
        let comments = std::mem::take(&mut self.pending);
        let repeated = open.kind() == EventKind::ArrayTableOpen;
        self.last = None;
        self.tables
            .open(keys, repeated, span, comments, &mut self.problems);
    }

    /// One part of a key.
    fn key(&mut self, event: &Event) -> Option<Key> {
        let raw = self.source.get(event)?;
        let mut decoded = scalar::Builder::new(self.source.input(), event.span().start());
        raw.decode_key(&mut decoded, &mut self.errors);
        Some(decoded.key(self.span(event)))
    }

    /// `a.b = value`, from its first part on, into `table`; gives where the value went.
    fn key_value(&mut self, first: &Event, table: usize, depth: u32) -> Option<(usize, SmolStr)> {
        let comments = std::mem::take(&mut self.pending);
        let mut keys: Vec<Key> = self.key(first).into_iter().collect();
        loop {
            match self.peek() {
                Some(EventKind::Whitespace | EventKind::KeySep) => self.at += 1,
                Some(EventKind::SimpleKey) => {
                    let event = self.next()?;
                    keys.extend(self.key(&event));
                }
                Some(EventKind::KeyValSep) => {
                    self.at += 1;
                    break;
                }
                _ => break,
            }
        }
        let depth = depth + keys.len() as u32;
        let value = self.value(depth);
        let last = keys.pop()?;
        let mut value =
            value.unwrap_or_else(|| Node::new(NodeKind::Error, last.name.span.at_end()));
        if depth > 2 * MAX_DEPTH {
            if self
                .problems
                .last()
                .is_none_or(|last| last.id != "toml/too-deep")
            {
                self.problems.push(too_deep(last.name.span));
            }
            value = Node::new(NodeKind::Error, value.span);
        }
        self.tables
            .insert(table, keys, last, value, comments, &mut self.problems)
    }

    /// The value behind `=` or in a list, if there is one.
    fn value(&mut self, depth: u32) -> Option<Node> {
        loop {
            let event = self.events.get(self.at).copied()?;
            match event.kind() {
                EventKind::Whitespace => self.at += 1,
                EventKind::Scalar => {
                    self.at += 1;
                    return Some(self.scalar(&event));
                }
                EventKind::ArrayOpen => {
                    self.at += 1;
                    return Some(self.array(&event, depth));
                }
                EventKind::InlineTableOpen => {
                    self.at += 1;
                    return Some(self.inline_table(&event, depth));
                }
                EventKind::Error => {
                    self.at += 1;
                    return Some(Node::new(NodeKind::Error, self.span(&event)));
                }
                _ => return None,
            }
        }
    }

    fn array(&mut self, open: &Event, depth: u32) -> Node {
        let mut elements: Vec<Node> = Vec::new();
        let mut span = self.span(open);
        let mut new_line = false;
        loop {
            match self.peek() {
                None => break,
                Some(EventKind::ArrayClose) => {
                    span = self.close(span);
                    break;
                }
                Some(EventKind::Comment) => {
                    let line = self.events.get(self.at).map(|event| self.comment(event));
                    self.at += 1;
                    match elements.last_mut().filter(|_| !new_line) {
                        Some(element) => element.comments.extend(line),
                        None => self.pending.extend(line),
                    }
                }
                Some(EventKind::Newline) => {
                    self.at += 1;
                    new_line = true;
                }
                Some(EventKind::ValueSep | EventKind::Whitespace) => self.at += 1,
                Some(EventKind::Scalar | EventKind::ArrayOpen | EventKind::InlineTableOpen)
                    if self.pending.is_empty() =>
                {
                    elements.extend(self.value(depth + 1));
                    new_line = false;
                }
                Some(EventKind::Scalar | EventKind::ArrayOpen | EventKind::InlineTableOpen) => {
                    let comments = std::mem::take(&mut self.pending);
                    let mut element = self.value(depth + 1);
                    if let Some(element) = &mut element {
                        element.comments.splice(0..0, comments);
                    }
                    elements.extend(element);
                    new_line = false;
                }
                // A header or a key: the list was not closed, which is complained about already.
                Some(
                    EventKind::StdTableOpen | EventKind::ArrayTableOpen | EventKind::SimpleKey,
                ) => break,
                Some(_) => self.at += 1,
            }
        }
        if let Some(last) = elements.last_mut() {
            last.comments.append(&mut self.pending);
            span = span.cover(last.span);
        }
        Node::new(NodeKind::Array(elements), span)
    }

    /// A closing bracket.
    fn close(&mut self, span: Span) -> Span {
        match self.next() {
            Some(event) => span.cover(self.span(&event)),
            None => span,
        }
    }

    fn inline_table(&mut self, open: &Event, depth: u32) -> Node {
        let mut span = self.span(open);
        let mut inner = Tables::new(self.file);
        std::mem::swap(&mut inner, &mut self.tables);
        loop {
            match self.peek() {
                None => break,
                Some(EventKind::InlineTableClose) => {
                    span = self.close(span);
                    break;
                }
                Some(EventKind::SimpleKey) => {
                    let Some(event) = self.next() else { break };
                    self.key_value(&event, Tables::ROOT, depth + 1);
                }
                Some(EventKind::Comment) => {
                    let line = self.events.get(self.at).map(|event| self.comment(event));
                    self.pending.extend(line);
                    self.at += 1;
                }
                Some(EventKind::StdTableOpen | EventKind::ArrayTableOpen) => break,
                Some(_) => self.at += 1,
            }
        }
        std::mem::swap(&mut inner, &mut self.tables);
        let mut node = inner.into_node();
        if let NodeKind::Object(members) = &node.kind
            && let Some(last) = members.last()
        {
            span = span.cover(last.value.span);
        }
        node.span = span;
        node
    }
}

/// The members of a table and of those in it, deepest last.
fn object(members: Vec<Member>, span: Span) -> Node {
    Node::new(NodeKind::Object(members), span)
}

#[cfg(test)]
mod tests;
