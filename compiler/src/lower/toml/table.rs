//! Keys with dots and headers of tables, put together to one tree.

use imgc_syntax::{FileId, Span};
use indexmap::IndexMap;
use smol_str::SmolStr;

use super::{MAX_DEPTH, object};
use crate::diagnostic::Diagnostic;
use crate::hir::Name;
use crate::lower::tree::{Member, Node, NodeKind, TextMap};

/// One part of a key.
pub(super) struct Key {
    pub(super) name: Name,
    pub(super) map: Option<Box<TextMap>>,
}

/// What stands under a key.
pub(super) enum Item {
    Value(Node),
    Table(usize),
    Tables(Vec<usize>),
}

struct Slot {
    key: Key,
    item: Item,
    comments: Vec<SmolStr>,
}

/// How a table came to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    /// By a header of a table in it: its own may follow.
    Around,
    /// By its header.
    Header,
    /// By a key with dots.
    Dotted,
}

struct Table {
    slots: IndexMap<SmolStr, Slot>,
    made: Made,
    /// The header, or the key; grows with what is in it.
    span: Span,
    comments: Vec<SmolStr>,
}

/// All tables of a document.
pub(super) struct Tables {
    file: FileId,
    all: Vec<Table>,
    current: usize,
    depth: u32,
}

impl Tables {
    /// The document itself.
    pub(super) const ROOT: usize = 0;

    pub(super) fn new(file: FileId) -> Self {
        let mut tables = Self {
            file,
            all: Vec::new(),
            current: Self::ROOT,
            depth: 0,
        };
        tables.make(Made::Header, Span::new(file, 0, 0), Vec::new());
        tables
    }

    fn make(&mut self, made: Made, span: Span, comments: Vec<SmolStr>) -> usize {
        self.all.push(Table {
            slots: IndexMap::new(),
            made,
            span,
            comments,
        });
        self.all.len() - 1
    }

    /// The table that keys go into.
    pub(super) fn current(&self) -> usize {
        self.current
    }

    /// How deep that is.
    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    /// Adds a comment behind a value.
    pub(super) fn comment(&mut self, table: usize, key: &str, line: SmolStr) {
        if let Some(slot) = self.all[table].slots.get_mut(key) {
            slot.comments.push(line);
        }
    }

    /// Opens `[keys]`, or `[[keys]]` if `repeated`. After a mistake keys go where nobody looks.
    pub(super) fn open(
        &mut self,
        mut keys: Vec<Key>,
        repeated: bool,
        span: Span,
        comments: Vec<SmolStr>,
        out: &mut Vec<Diagnostic>,
    ) {
        self.depth = keys.len() as u32;
        let table = if self.depth > MAX_DEPTH {
            out.push(too_deep(span));
            None
        } else {
            keys.pop().and_then(|last| {
                let around = self.walk(Self::ROOT, keys, Made::Around, out)?;
                self.open_in(around, last, repeated, span, &comments, out)
            })
        };
        self.current = table.unwrap_or_else(|| self.make(Made::Header, span, comments));
    }

    fn open_in(
        &mut self,
        around: usize,
        last: Key,
        repeated: bool,
        span: Span,
        comments: &[SmolStr],
        out: &mut Vec<Diagnostic>,
    ) -> Option<usize> {
        let name = last.name.text.clone();
        let known = self.all[around].slots.get_mut(&name);
        let table = match known.map(|slot| (&mut slot.item, slot.key.name.span)) {
            None => {
                let table = self.make(Made::Header, span, comments.to_vec());
                let item = if repeated {
                    Item::Tables(vec![table])
                } else {
                    Item::Table(table)
                };
                self.put(around, last, item, Vec::new());
                return Some(table);
            }
            Some((Item::Tables(_), first)) if !repeated => {
                out.push(
                    not_a_table(&last.name, first, "this is a list of tables")
                        .help(format!("write `[[…{name}]]` for another one")),
                );
                return None;
            }
            Some((Item::Tables(_), _)) => {
                let table = self.make(Made::Header, span, comments.to_vec());
                if let Some(Slot {
                    item: Item::Tables(tables),
                    ..
                }) = self.all[around].slots.get_mut(&name)
                {
                    tables.push(table);
                }
                return Some(table);
            }
            Some((Item::Table(table), first)) => {
                let table = *table;
                if repeated {
                    out.push(
                        not_a_table(&last.name, first, "this is a single table")
                            .help("write both with `[[…]]`"),
                    );
                    return None;
                }
                if self.all[table].made != Made::Around {
                    out.push(
                        repeated_key(&last.name, first, "this table is opened twice")
                            .help("put everything into one of them"),
                    );
                }
                table
            }
            Some((Item::Value(_), first)) => {
                out.push(
                    not_a_table(&last.name, first, "a value is given here")
                        .help("give one of them another name"),
                );
                return None;
            }
        };
        let known = &mut self.all[table];
        known.made = Made::Header;
        known.span = span;
        known.comments.extend_from_slice(comments);
        if let Some(slot) = self.all[around].slots.get_mut(&name) {
            // What comes first is what people look at.
            slot.key = last;
        }
        Some(table)
    }

    fn put(&mut self, table: usize, key: Key, item: Item, comments: Vec<SmolStr>) {
        let name = key.name.text.clone();
        let slot = Slot {
            key,
            item,
            comments,
        };
        self.all[table].slots.insert(name, slot);
    }

    /// The table that `keys` lead to from `table`, made on the way.
    fn walk(
        &mut self,
        mut table: usize,
        keys: Vec<Key>,
        made: Made,
        out: &mut Vec<Diagnostic>,
    ) -> Option<usize> {
        for key in keys {
            let known = self.all[table].slots.get(&key.name.text);
            table = match known.map(|slot| (&slot.item, slot.key.name.span)) {
                None => {
                    let inner = self.make(made, key.name.span, Vec::new());
                    self.put(table, key, Item::Table(inner), Vec::new());
                    inner
                }
                Some((Item::Table(inner), first)) => {
                    let inner = *inner;
                    if made == Made::Dotted && self.all[inner].made == Made::Header {
                        out.push(
                            repeated_key(&key.name, first, "this table has a header")
                                .help("put the key below that header"),
                        );
                        return None;
                    }
                    inner
                }
                Some((Item::Tables(inner), first)) => {
                    if made == Made::Dotted {
                        out.push(
                            not_a_table(&key.name, first, "this is a list of tables")
                                .help("put the key below the header of one of them"),
                        );
                        return None;
                    }
                    *inner.last()?
                }
                Some((Item::Value(_), first)) => {
                    out.push(
                        not_a_table(&key.name, first, "a value is given here")
                            .help("give one of them another name"),
                    );
                    return None;
                }
            };
        }
        Some(table)
    }

    /// `keys.last = value` in `table`; gives the table it went into.
    pub(super) fn insert(
        &mut self,
        table: usize,
        keys: Vec<Key>,
        last: Key,
        value: Node,
        comments: Vec<SmolStr>,
        out: &mut Vec<Diagnostic>,
    ) -> Option<(usize, SmolStr)> {
        if keys.len() as u32 + self.depth >= MAX_DEPTH {
            out.push(too_deep(last.name.span));
            return None;
        }
        let end = value.span;
        let path: Vec<SmolStr> = keys.iter().map(|key| key.name.text.clone()).collect();
        let inner = self.walk(table, keys, Made::Dotted, out)?;
        self.grow(table, &path, end);
        let name = last.name.text.clone();
        if let Some(first) = self.all[inner].slots.get(&name) {
            let first = first.key.name.span;
            out.push(
                repeated_key(&last.name, first, "first given here").help("remove one of them"),
            );
            return None;
        }
        self.put(inner, last, Item::Value(value), comments);
        Some((inner, name))
    }

    /// Lets the tables of a key with dots reach to its value.
    fn grow(&mut self, mut table: usize, path: &[SmolStr], end: Span) {
        for name in path {
            let Some(Slot {
                item: Item::Table(inner),
                ..
            }) = self.all[table].slots.get(name)
            else {
                return;
            };
            table = *inner;
            let span = &mut self.all[table].span;
            *span = span.cover(end);
        }
    }

    /// The whole document.
    pub(super) fn into_node(self) -> Node {
        let file = self.file;
        let mut all: Vec<Option<Table>> = self.all.into_iter().map(Some).collect();
        node(Self::ROOT, &mut all, file)
    }
}

/// A table with all that is in it; no deeper than keys may have parts.
fn node(table: usize, all: &mut Vec<Option<Table>>, file: FileId) -> Node {
    let Some(table) = all[table].take() else {
        return Node::new(NodeKind::Error, Span::new(file, 0, 0));
    };
    let mut span = table.span;
    let mut members = Vec::with_capacity(table.slots.len());
    for (_, slot) in table.slots {
        let mut value = match slot.item {
            Item::Value(value) => value,
            Item::Table(inner) => node(inner, all, file),
            Item::Tables(inner) => {
                let elements: Vec<Node> = inner
                    .into_iter()
                    .map(|inner| node(inner, all, file))
                    .collect();
                let spans = elements.iter().map(|element| element.span);
                let span = spans.reduce(Span::cover).unwrap_or(slot.key.name.span);
                Node::new(NodeKind::Array(elements), span)
            }
        };
        if !slot.comments.is_empty() {
            value.comments.splice(0..0, slot.comments);
        }
        span = span.cover(value.span);
        members.push(Member {
            key: slot.key.name,
            map: slot.key.map,
            value,
        });
    }
    let mut node = object(members, span);
    node.comments = table.comments;
    node
}

fn repeated_key(name: &Name, first: Span, text: &str) -> Diagnostic {
    Diagnostic::error(
        "toml/repeated-key",
        name.span,
        format!("`{}` is there twice", name.text),
    )
    .label(first, text)
}

fn not_a_table(name: &Name, first: Span, text: &str) -> Diagnostic {
    Diagnostic::error(
        "toml/not-a-table",
        name.span,
        format!("`{}` is something else already", name.text),
    )
    .label(first, text)
}

pub(super) fn too_deep(span: Span) -> Diagnostic {
    Diagnostic::error(
        "toml/too-deep",
        span,
        format!("this is nested more than {MAX_DEPTH} levels deep"),
    )
    .help("no template needs that; most likely a program went wrong when it wrote the file")
}
