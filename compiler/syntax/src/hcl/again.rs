//! Parsing again after an edit: of a file, only what stands at the top around the edit.
//!
//! In: a text with its tree, and the text afterwards. Out: the tree that [`super::parse`] makes of that, with the subtrees
//! of the items that were not touched; or nothing where only a look at all of the text can tell. The tree of an item does
//! not depend on where it stands, and what is before it has ended when it begins; so it is enough that the part which is
//! read again ends where the next item begins, and that this item is read as it was.

use rowan::{GreenNode, GreenToken, NodeOrToken};

use super::error::SyntaxError;
use super::kind::{Lang, SyntaxKind, SyntaxNode};
use super::{Parse, parse};

/// What an edit has changed of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reparse {
    /// The tree of the new text.
    pub parse: Parse,
    /// What was read again, as offsets of the old text: from the start of an item to the start of another, or the end.
    pub old: (u32, u32),
    /// The same in the new text.
    pub new: (u32, u32),
}

type Child = NodeOrToken<GreenNode, GreenToken>;

/// An item at the top of a file.
#[derive(Clone, Copy)]
struct Item {
    /// Its number among the children of the body.
    child: usize,
    start: u32,
    end: u32,
}

/// The tree of `text`, made from that of `before`; `None` where all of it has to be read.
pub fn reparse(old: &Parse, before: &str, text: &str) -> Option<Reparse> {
    let (from, until) = changed(before, text)?;
    let root = old.syntax();
    let body = root
        .children()
        .find(|node| node.kind() == SyntaxKind::Body)?;
    let items = items(&body);
    let first = items.partition_point(|item| item.start <= from);
    // An edit right at the start of an item may be one of what stands before it.
    let first = first.checked_sub(1)?;
    let first = match items[first].start == from {
        true => first.checked_sub(1)?,
        false => first,
    };
    let start = items[first].start;
    // The next item that is not touched; what is right before it may join it.
    let next = items.iter().position(|item| item.start > until);
    let next = next.map(|at| items[at]);
    let end = next.map_or(before.len() as u32, |item| item.start);
    if !begins_line(before, start) || next.is_some_and(|item| !begins_line(before, item.start)) {
        return None;
    }
    let moved = |offset: u32| (i64::from(offset) + text.len() as i64 - before.len() as i64) as u32;
    let until_next = next.map_or(text.len() as u32, |item| moved(item.end));
    let part = text.get(start as usize..until_next as usize)?;
    if part.len() * 2 > text.len() || has_conflict(part) {
        return None;
    }
    // Problems elsewhere would have to be found again.
    let inside = |(from, to): (u32, u32)| start <= from && to <= end && from < end;
    if !old.noise.is_none_or(inside) {
        return None;
    }
    let parsed = parse(part);
    // Whether the rest is read the same way with hints is known only where that was tried.
    if parsed.noise.is_some() && old.noise.is_none() {
        return None;
    }
    // Where the problems are may be unknown.
    let known = |(from, to): (u32, u32)| from <= to && to as usize <= part.len();
    if !parsed.noise.is_none_or(known) {
        return None;
    }
    // The end of a heredoc is looked for in all of the text.
    if parsed.noise.is_some() && part.contains("<<") {
        return None;
    }
    let fresh = parsed.syntax();
    let fresh_body = fresh
        .children()
        .find(|node| node.kind() == SyntaxKind::Body)?;
    let part_end = moved(end) - start;
    let mut children = children(&fresh_body);
    if let Some(next) = next {
        let (last, len) = (self::items(&fresh_body).pop()?, next.end - next.start);
        let same = last.start == part_end && last.end - last.start == len;
        let quiet = parsed.noise.is_none_or(|(_, to)| to < part_end);
        let is_last = last.child + 1 == children.len();
        if !same || !quiet || !is_last || u32::from(fresh_body.text_range().start()) != 0 {
            return None;
        }
        children.pop();
    }
    let green = spliced(&root, &body, &fresh, children, items[first].child, next);
    let shift = |offset: u32| offset + start;
    Some(Reparse {
        parse: Parse {
            green: green?,
            errors: parsed
                .errors
                .into_iter()
                .map(|error| at(error, shift))
                .collect(),
            noise: parsed.noise.map(|(from, to)| (shift(from), shift(to))),
        },
        old: (start, end),
        new: (start, moved(end)),
    })
}

/// The first and the last offset of the old text between which it has changed.
fn changed(before: &str, text: &str) -> Option<(u32, u32)> {
    let (old, new) = (before.as_bytes(), text.as_bytes());
    if old.len().max(new.len()) > super::parser::MAX_LEN {
        return None;
    }
    let same = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - same;
    let behind = old.iter().rev().zip(new.iter().rev());
    let behind = behind.take(most).take_while(|(a, b)| a == b).count();
    Some((same as u32, (old.len() - behind) as u32))
}

fn items(body: &SyntaxNode) -> Vec<Item> {
    let children = body.children_with_tokens().enumerate();
    let nodes = children.filter_map(|(child, element)| Some((child, element.into_node()?)));
    nodes
        .map(|(child, node)| Item {
            child,
            start: node.text_range().start().into(),
            end: node.text_range().end().into(),
        })
        .collect()
}

fn children(node: &SyntaxNode) -> Vec<Child> {
    let green = node.green();
    green.children().map(|child| child.to_owned()).collect()
}

/// Whether an offset is the first of its line, without blanks before it.
fn begins_line(text: &str, offset: u32) -> bool {
    offset == 0 || text.as_bytes().get(offset as usize - 1) == Some(&b'\n')
}

/// Whether there may be a merge conflict, which is looked for in the whole text.
fn has_conflict(text: &str) -> bool {
    ["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
        .iter()
        .any(|mark| text.contains(mark))
}

/// The tree with other children of its body, from the child `from` to `next`. Where there is no next item, what stands
/// behind the body is that of the new part.
fn spliced(
    root: &SyntaxNode,
    body: &SyntaxNode,
    fresh: &SyntaxNode,
    children: Vec<Child>,
    from: usize,
    next: Option<Item>,
) -> Option<GreenNode> {
    let green = body.green();
    let behind = green
        .children()
        .skip(next.map_or(usize::MAX, |item| item.child));
    let mut all: Vec<Child> = green
        .children()
        .take(from)
        .map(|child| child.to_owned())
        .collect();
    all.extend(children);
    all.extend(behind.map(|child| child.to_owned()));
    let kind = <Lang as rowan::Language>::kind_to_raw;
    let body_again = GreenNode::new(kind(SyntaxKind::Body), all);
    let around = |root: &SyntaxNode| -> Option<(Vec<Child>, Vec<Child>)> {
        let at = root
            .children_with_tokens()
            .position(|child| child.kind() == SyntaxKind::Body)?;
        let mut all = self::children(root);
        let behind = all.split_off(at + 1);
        all.pop();
        Some((all, behind))
    };
    let (mut file, mut tail) = around(root)?;
    let (lead, fresh_tail) = around(fresh)?;
    if next.is_none() {
        if !lead.is_empty() {
            return None;
        }
        tail = fresh_tail;
    }
    file.push(NodeOrToken::Node(body_again));
    file.append(&mut tail);
    Some(GreenNode::new(kind(SyntaxKind::File), file))
}

fn at(error: SyntaxError, shift: impl Fn(u32) -> u32) -> SyntaxError {
    SyntaxError {
        start: shift(error.start),
        end: shift(error.end),
        related: error
            .related
            .map(|(start, end, text)| (shift(start), shift(end), text)),
        ..error
    }
}
