//! Bodies as TOML.
//!
//! In: a body and the comments of its text. Out: TOML in which blocks are tables. Where the order between blocks of a
//! kind counts they are an array of tables that have their labels inside (`type = "shell"`), elsewhere the labels are
//! keys of the table's name (`[source.null.base]`). Objects are inline where they are short, else tables of their own.

use std::collections::BTreeSet;

use imgc_syntax::Span;
use toml_writer::{TomlKeyBuilder, TomlString, TomlStringBuilder, TomlWrite as _};

use super::comments::BLANK;
use super::data::{self, Data};
use super::{Comments, foreign, is_ordered, is_word};
use crate::hir::{Attribute, Block, Body};

/// A list or an inline table longer than this goes over several lines.
const MAX_WIDTH: usize = 100;

/// Prints a file.
pub fn body(body: &Body, comments: &mut Comments) -> String {
    let mut printer = Printer {
        out: String::new(),
        comments,
        foreign: foreign::blocks(body),
    };
    let first = printer.comments.first();
    printer.remarks(&first, 0);
    if !first.is_empty() {
        printer.out.push('\n');
    }
    printer.body(&[], "", body, &[]);
    printer.end()
}

/// Prints a file that gives values to variables, in which a text is a text and no template; the place of a value that is
/// no plain data is the error.
pub fn variables(body: &Body, comments: &mut Comments) -> Result<String, Span> {
    let mut printer = Printer {
        out: String::new(),
        comments,
        foreign: BTreeSet::new(),
    };
    for attribute in &body.attributes {
        let value = data::plain(&attribute.value)?;
        let apart = !printer.out.is_empty() && printer.comments.is_apart(attribute.span);
        printer.entry(
            &attribute.name.text,
            &value,
            attribute.span,
            attribute.value.span,
            apart,
        );
    }
    Ok(printer.end())
}

struct Printer<'a> {
    out: String,
    comments: &'a mut Comments,
    /// Blocks that are a list even where there is one of them.
    foreign: BTreeSet<Span>,
}

/// An object that is printed as a table of its own.
struct Table<'b> {
    attribute: &'b Attribute,
    members: Vec<(String, Data, Span)>,
}

impl Printer<'_> {
    /// What is in a table: plain values first, since a header ends it.
    fn body(&mut self, path: &[String], kind: &str, body: &Body, closing: &[String]) {
        let mut tables = Vec::new();
        let mut is_first = true;
        for attribute in &body.attributes {
            let value = match is_word(kind, &attribute.name.text) {
                true => data::word(&attribute.value),
                false => data::of(&attribute.value),
            };
            match value {
                Data::Object(members) if self.wants_table(attribute, &members) => {
                    tables.push(Table { attribute, members });
                }
                value => {
                    let apart = !is_first && self.comments.is_apart(attribute.span);
                    is_first = false;
                    self.entry(
                        &attribute.name.text,
                        &value,
                        attribute.span,
                        attribute.value.span,
                        apart,
                    );
                }
            }
        }
        self.remarks(closing, 0);
        for table in tables {
            let name = table.attribute.name.text.to_string();
            let before = self.comments.before(table.attribute.span);
            let mut behind = self.comments.opening(table.attribute.value.span);
            behind.extend(self.comments.behind(table.attribute.span));
            let path = [path, &[name]].concat();
            self.header(&path, false, &before, &behind);
            self.members(&path, &table.members);
            let closing = self.comments.closing(table.attribute.value.span);
            self.remarks(&closing, 0);
        }
        for block in &body.blocks {
            let again = body.blocks.iter().filter(|other| {
                let labels = |block: &Block| {
                    block
                        .labels
                        .iter()
                        .map(|label| label.text.clone())
                        .collect::<Vec<_>>()
                };
                other.kind.text == block.kind.text && labels(other) == labels(block)
            });
            self.block(path, kind, block, again.count() > 1);
        }
    }

    fn block(&mut self, path: &[String], around: &str, block: &Block, is_repeated: bool) {
        let kind = block.kind.text.as_str();
        let before = self.comments.before(block.span);
        let mut behind = self.comments.opening(block.span);
        behind.extend(self.comments.behind(block.span));
        let closing = self.comments.closing(block.span);
        let in_list = is_repeated || is_ordered(kind) || self.foreign.contains(&block.span);
        let mut path = [path, &[kind.to_owned()]].concat();
        let inside = label_names(around, kind).filter(|names| {
            let is_free = |name: &&str| block.body.attribute(name).is_none();
            in_list && names.len() == block.labels.len() && names.iter().all(is_free)
        });
        if inside.is_none() {
            path.extend(block.labels.iter().map(|label| label.text.to_string()));
        }
        // A table that only holds others is there with them.
        let is_implied = !in_list
            && block.body.attributes.is_empty()
            && !block.body.blocks.is_empty()
            && before.len() + behind.len() + closing.len() == 0;
        if !is_implied {
            self.header(&path, in_list, &before, &behind);
        }
        for (name, label) in inside.unwrap_or_default().iter().zip(&block.labels) {
            self.out
                .push_str(&format!("{} = {}\n", key(name), text(&label.text)));
        }
        self.body(&path, kind, &block.body, &closing);
    }

    fn header(&mut self, path: &[String], in_list: bool, before: &[String], behind: &[String]) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
        self.remarks(before, 0);
        let path: Vec<String> = path.iter().map(|part| key(part)).collect();
        let path = path.join(".");
        self.out.push_str(&if in_list {
            format!("[[{path}]]")
        } else {
            format!("[{path}]")
        });
        self.end_remark(behind);
        self.out.push('\n');
    }

    /// The members of an object as a table.
    fn members(&mut self, path: &[String], members: &[(String, Data, Span)]) {
        let mut tables = Vec::new();
        for (name, value, span) in members {
            match value {
                Data::Object(inner)
                    if !inner.is_empty() && self.is_long(value, *span, name.len()) =>
                {
                    tables.push((name, inner, span));
                }
                _ => {
                    let apart = !self.out.ends_with("]\n") && self.comments.is_apart(*span);
                    self.entry(name, value, *span, *span, apart);
                }
            }
        }
        for (name, inner, span) in tables {
            let before = self.comments.before(*span);
            let behind = self.comments.behind(*span);
            let path = [path, std::slice::from_ref(name)].concat();
            self.header(&path, false, &before, &behind);
            self.members(&path, inner);
        }
    }

    /// `name = value` with its comments.
    fn entry(&mut self, name: &str, value: &Data, item: Span, place: Span, apart: bool) {
        if apart {
            self.out.push('\n');
        }
        let before = self.comments.before(item);
        self.remarks(&before, 0);
        let behind = self.comments.behind(item);
        let name = key(name);
        self.out.push_str(&name);
        self.out.push_str(" = ");
        let value = self.value(value, place, 0, name.chars().count() + 3);
        self.out.push_str(&value);
        self.end_remark(&behind);
        self.out.push('\n');
    }

    fn wants_table(&self, attribute: &Attribute, members: &[(String, Data, Span)]) -> bool {
        let value = Data::Object(members.to_vec());
        !members.is_empty() && self.is_long(&value, attribute.value.span, attribute.name.text.len())
    }

    /// Whether an object is better read as a table of its own.
    fn is_long(&self, value: &Data, place: Span, column: usize) -> bool {
        self.comments.is_multiline(place)
            || self.comments.any_inside(place)
            || column + 3 + flat(value).chars().count() > MAX_WIDTH
    }

    fn value(&mut self, value: &Data, place: Span, indent: usize, column: usize) -> String {
        let (elements, brackets): (Vec<(Option<&str>, &Data, Span)>, _) = match value {
            Data::List(elements) => {
                let elements = elements
                    .iter()
                    .map(|(element, span)| (None, element, *span));
                (elements.collect(), ("[", "]"))
            }
            Data::Object(members) => {
                let members = members
                    .iter()
                    .map(|(name, value, span)| (Some(name.as_str()), value, *span));
                (members.collect(), ("{", "}"))
            }
            _ => return flat(value),
        };
        let has_comments = self.comments.any_inside(place);
        let wants_lines = elements.len() > 1 && self.comments.is_multiline(place);
        if elements.is_empty() && !has_comments {
            return flat(value);
        }
        if !has_comments && !wants_lines {
            let line = flat(value);
            if indent * 2 + column + line.chars().count() <= MAX_WIDTH
                || elements.len() == 1 && !line.contains('\n')
            {
                return line;
            }
        }
        let mut out = String::from(brackets.0);
        let opening = self.comments.opening(place);
        push_end_remark(&opening, &mut out);
        for (name, element, span) in elements {
            for line in self.comments.before(span) {
                push_line(&remark(&line), indent + 1, &mut out);
            }
            let name = name
                .map(|name| format!("{} = ", key(name)))
                .unwrap_or_default();
            let value = self.value(element, span, indent + 1, name.chars().count());
            push_line(&format!("{name}{value},"), indent + 1, &mut out);
            let behind = self.comments.behind(span);
            push_end_remark(&behind, &mut out);
        }
        for line in self.comments.closing(place) {
            push_line(&remark(&line), indent + 1, &mut out);
        }
        push_line(brackets.1, indent, &mut out);
        out
    }

    fn remarks(&mut self, lines: &[String], indent: usize) {
        for line in lines {
            if line != BLANK {
                self.out.push_str(&"  ".repeat(indent));
                self.out.push_str(&remark(line));
            }
            self.out.push('\n');
        }
    }

    fn end_remark(&mut self, lines: &[String]) {
        push_end_remark(lines, &mut self.out);
    }

    fn end(mut self) -> String {
        let rest = self.comments.rest();
        if !rest.is_empty() && !self.out.is_empty() {
            self.out.push('\n');
        }
        self.remarks(&rest, 0);
        self.out
    }
}

/// What the labels of a block are called where they stand inside of it.
fn label_names(around: &str, kind: &str) -> Option<&'static [&'static str]> {
    Some(match (around, kind) {
        (_, "build" | "post-processors" | "locals" | "variables") => &[],
        (_, "provisioner" | "post-processor" | "error-cleanup-provisioner") => &["type"],
        (_, "variable" | "local" | "output" | "module" | "provisioners") => &["name"],
        ("build", "source") => &["source"],
        ("", "source" | "data") => &["type", "name"],
        (_, "dynamic") => &["block"],
        _ => return None,
    })
}

fn push_line(line: &str, indent: usize, out: &mut String) {
    out.push('\n');
    if line != BLANK {
        out.push_str(&"  ".repeat(indent));
        out.push_str(line);
    }
}

fn push_end_remark(lines: &[String], out: &mut String) {
    if !lines.is_empty() {
        out.push(' ');
        out.push_str(&remark(&super::one_line(lines)));
    }
}

/// A line as a comment; one of the signs that TOML's comments cannot have becomes a blank.
fn remark(line: &str) -> String {
    if line == BLANK {
        return line.to_owned();
    }
    let line = line.replace(|c: char| c.is_control() && c != '\t', " ");
    match line.trim_end() {
        "" => "#".to_owned(),
        line => format!("# {line}"),
    }
}

/// A value on one line, but for texts of several lines.
fn flat(value: &Data) -> String {
    match value {
        // TOML has no null.
        Data::Null => "\"${null}\"".to_owned(),
        Data::Bool(flag) => flag.to_string(),
        Data::Number(number) => self::number(number),
        Data::Text(given) => text(given),
        Data::List(elements) => {
            let elements: Vec<_> = elements.iter().map(|(element, _)| flat(element)).collect();
            format!("[{}]", elements.join(", "))
        }
        Data::Object(members) if members.is_empty() => "{}".to_owned(),
        Data::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value, _)| format!("{} = {}", key(name), flat(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A number; one that TOML's numbers cannot hold is an expression.
fn number(number: &crate::value::Number) -> String {
    let text = number.to_string();
    let is_held = match number.is_integer() {
        true => number.to_i64().is_some(),
        // Readers take it for a binary number.
        false => text
            .parse::<f64>()
            .is_ok_and(|float| float.to_string() == text),
    };
    match is_held {
        true => text,
        false => format!("\"${{{text}}}\""),
    }
}

fn key(name: &str) -> String {
    let mut out = String::new();
    out.key(TomlKeyBuilder::new(name).as_default())
        .expect("a string takes every text");
    out
}

/// A text: between single quotes where that saves escapes, over several lines where it has some.
fn text(given: &str) -> String {
    let builder = TomlStringBuilder::new(given);
    let chosen: TomlString<'_> = match given.matches('\n').count() {
        0 => builder
            .as_basic_pretty()
            .or_else(|| builder.as_literal())
            .unwrap_or_else(|| builder.as_basic()),
        1 => builder.as_basic(),
        _ => builder
            .as_ml_basic_pretty()
            .or_else(|| builder.as_ml_literal())
            .unwrap_or_else(|| builder.as_ml_basic()),
    };
    let mut out = String::new();
    out.value(chosen).expect("a string takes every text");
    out
}
