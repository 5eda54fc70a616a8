//! Bodies as HCL's JSON form (`*.pkr.json`).
//!
//! In: a body and the comments of its text. Out: JSON with two blanks a level. Blocks are objects by kind and label;
//! where the same labels come again, or the order between blocks of a kind counts, they are a list. JSON has no comments:
//! they become the member `//` of the block they are in, which everyone who reads HCL's JSON passes over.

use std::collections::BTreeSet;

use super::comments::BLANK;
use super::data::{self, Data};
use super::{Comments, foreign, is_ordered, is_word};
use crate::hir::{Attribute, Block, Body};
use imgc_syntax::Span;

/// A list of plain values longer than this goes over several lines.
const MAX_WIDTH: usize = 100;

/// Prints a file.
pub fn body(body: &Body, comments: &mut Comments) -> String {
    let foreign = foreign::blocks(body);
    let mut writer = Writer { comments, foreign };
    let mut remarks = writer.comments.first();
    let members = writer.body("", body, &mut remarks);
    writer.file(members, remarks)
}

/// Prints a file that gives values to variables, in which a text is a text and no template; the place of a value that is
/// no plain data is the error.
pub fn variables(body: &Body, comments: &mut Comments) -> Result<String, Span> {
    let foreign = BTreeSet::new();
    let mut writer = Writer { comments, foreign };
    let (mut members, mut remarks) = (Members::new(), Vec::new());
    for attribute in &body.attributes {
        writer.about(attribute, &mut remarks);
        let value = data::plain(&attribute.value)?;
        members.push((attribute.name.text.to_string(), value, attribute.value.span));
    }
    Ok(writer.file(members, remarks))
}

type Members = Vec<(String, Data, Span)>;

struct Writer<'a> {
    comments: &'a mut Comments,
    /// Blocks that are a list even where there is one of them.
    foreign: BTreeSet<Span>,
}

impl Writer<'_> {
    fn file(self, mut members: Members, mut remarks: Vec<String>) -> String {
        remarks.extend(self.comments.rest());
        say(&mut members, remarks);
        let mut out = String::new();
        print(&Data::Object(members), self.comments, None, 0, &mut out);
        out.push('\n');
        out
    }

    /// Takes the comments about an attribute, which move to the beginning of its block.
    fn about(&mut self, attribute: &Attribute, remarks: &mut Vec<String>) {
        let mut lines = self.comments.before(attribute.span);
        lines.extend(self.comments.behind(attribute.span));
        lines.extend(self.comments.inside(attribute.value.span));
        about(&attribute.name.text, lines, remarks);
    }

    /// The members of a body, without its remarks, which are collected.
    fn body(&mut self, kind: &str, body: &Body, remarks: &mut Vec<String>) -> Members {
        let mut members = Members::new();
        for attribute in &body.attributes {
            self.about(attribute, remarks);
            let value = match is_word(kind, &attribute.name.text) {
                true => data::word(&attribute.value),
                false => data::of(&attribute.value),
            };
            members.push((attribute.name.text.to_string(), value, attribute.value.span));
        }
        for (kind, blocks) in groups(&body.blocks) {
            let span = blocks[0].span;
            members.push((kind.to_owned(), self.blocks(kind, &blocks), span));
        }
        members
    }

    /// All blocks of a kind.
    fn blocks(&mut self, kind: &str, blocks: &[&Block]) -> Data {
        let labels = |block: &Block| -> Vec<String> {
            block
                .labels
                .iter()
                .map(|label| label.text.to_string())
                .collect()
        };
        let first = labels(blocks[0]).len();
        let is_regular = blocks.iter().all(|block| block.labels.len() == first);
        let repeats = (1..blocks.len()).any(|at| {
            blocks[..at]
                .iter()
                .any(|before| labels(before) == labels(blocks[at]))
        });
        if first > 0 && is_regular && !repeats && !is_ordered(kind) {
            let mut members = Members::new();
            for block in blocks {
                let body = self.block(block);
                insert(&mut members, &labels(block), body, block.span);
            }
            return Data::Object(members);
        }
        let mut elements: Vec<(Data, Span)> = Vec::new();
        for block in blocks {
            let mut value = self.block(block);
            for label in labels(block).into_iter().rev() {
                value = Data::Object(vec![(label, value, block.span)]);
            }
            elements.push((value, block.span));
        }
        let may_stand_alone = !is_ordered(kind) && !self.foreign.contains(&blocks[0].span);
        match elements.len() {
            1 if may_stand_alone || kind == "build" => elements.remove(0).0,
            _ => Data::List(elements),
        }
    }

    /// The inside of a block.
    fn block(&mut self, block: &Block) -> Data {
        let mut remarks = self.comments.before(block.span);
        remarks.extend(self.comments.opening(block.span));
        let mut members = self.body(&block.kind.text, &block.body, &mut remarks);
        remarks.extend(self.comments.closing(block.span));
        remarks.extend(self.comments.behind(block.span));
        say(&mut members, remarks);
        Data::Object(members)
    }
}

/// Blocks by their kind. Where blocks of several kinds have one order, a kind may come again: a key of HCL's JSON form may
/// be repeated.
fn groups(blocks: &[Block]) -> Vec<(&str, Vec<&Block>)> {
    const IN_ORDER: [&[&str]; 2] = [
        &["provisioner", "provisioners", "dynamic"],
        &["post-processor", "post-processors", "dynamic"],
    ];
    let in_order = |a: &str, b: &str| {
        let both = |kinds: &&[&str]| kinds.contains(&a) && kinds.contains(&b);
        a != b && IN_ORDER.iter().any(both)
    };
    let mut groups: Vec<(&str, Vec<&Block>)> = Vec::new();
    for block in blocks {
        let kind = block.kind.text.as_str();
        let reachable = groups
            .iter_mut()
            .rev()
            .take_while(|(other, _)| !in_order(kind, other))
            .find(|(other, _)| *other == kind);
        match reachable {
            Some((_, group)) => group.push(block),
            None => groups.push((kind, vec![block])),
        }
    }
    groups
}

/// Puts a block at the end of its labels.
fn insert(members: &mut Members, labels: &[String], body: Data, span: Span) {
    let [label, rest @ ..] = labels else {
        return;
    };
    if rest.is_empty() {
        members.push((label.clone(), body, span));
        return;
    }
    let at = match members.iter().position(|(name, _, _)| name == label) {
        Some(at) => at,
        None => {
            members.push((label.clone(), Data::Object(Members::new()), span));
            members.len() - 1
        }
    };
    if let Data::Object(inner) = &mut members[at].1 {
        insert(inner, rest, body, span);
    }
}

/// Comments name what they are about, since they are no longer beside it.
fn about(name: &str, lines: Vec<String>, remarks: &mut Vec<String>) {
    let lines: Vec<String> = lines.into_iter().filter(|line| line != BLANK).collect();
    if let Some((first, rest)) = lines.split_first() {
        remarks.push(format!("{name}: {first}"));
        remarks.extend(rest.iter().cloned());
    }
}

/// Puts comments into an object.
fn say(members: &mut Members, mut remarks: Vec<String>) {
    remarks.retain(|line| line != BLANK);
    let place = Span::new(imgc_syntax::FileId(u32::MAX), 0, 0);
    let value = match remarks.len() {
        0 => return,
        1 => Data::Text(remarks.remove(0)),
        _ => Data::List(
            remarks
                .into_iter()
                .map(|line| (Data::Text(line), place))
                .collect(),
        ),
    };
    members.insert(0, ("//".to_owned(), value, place));
}

fn print(value: &Data, comments: &Comments, place: Option<Span>, indent: usize, out: &mut String) {
    let line = |out: &mut String, indent: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(indent));
    };
    match value {
        Data::Null => out.push_str("null"),
        Data::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Data::Number(number) => out.push_str(&number.to_string()),
        Data::Text(text) => out.push_str(&quote(text)),
        Data::List(elements) if elements.is_empty() => out.push_str("[]"),
        Data::List(elements) => {
            let wants_lines = place.is_some_and(|place| comments.is_multiline(place));
            if let Some(text) = short(elements).filter(|text| {
                elements.len() == 1 || !wants_lines && indent * 2 + text.chars().count() < MAX_WIDTH
            }) {
                out.push_str(&text);
                return;
            }
            out.push('[');
            for (at, (element, place)) in elements.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                line(out, indent + 1);
                print(element, comments, Some(*place), indent + 1, out);
            }
            line(out, indent);
            out.push(']');
        }
        Data::Object(members) if members.is_empty() => out.push_str("{}"),
        Data::Object(members) => {
            out.push('{');
            for (at, (name, value, place)) in members.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                line(out, indent + 1);
                out.push_str(&quote(name));
                out.push_str(": ");
                print(value, comments, Some(*place), indent + 1, out);
            }
            line(out, indent);
            out.push('}');
        }
    }
}

/// A list of plain values on one line.
fn short(elements: &[(Data, Span)]) -> Option<String> {
    let texts = elements.iter().map(|(element, _)| match element {
        Data::List(_) | Data::Object(_) => None,
        Data::Text(text) => Some(quote(text)),
        Data::Number(number) => Some(number.to_string()),
        Data::Bool(flag) => Some(flag.to_string()),
        Data::Null => Some("null".to_owned()),
    });
    let texts: Option<Vec<String>> = texts.collect();
    texts.map(|texts| format!("[{}]", texts.join(", ")))
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
