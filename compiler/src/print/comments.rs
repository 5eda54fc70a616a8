//! The comments of a text, each at the item of the body it is about.
//!
//! In: comments as a language found them ([`Comment`]) and the body of the same text. Out: a table the printers ask:
//! what stands before an item, behind it, at the beginning or the end of a block. Every comment is in the table once and
//! is taken out when it is printed, so that none is lost and none is there twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgc_syntax::{FileId, Span};

use crate::hir::{Body, Expr, ExprKind};

/// A comment as it stands in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Offset of its first byte, or of what it stands before.
    pub start: u32,
    /// Offset after its last byte.
    pub end: u32,
    /// Its lines without markers.
    pub lines: Vec<String>,
    /// Nothing but blanks stands before it on its line.
    pub own_line: bool,
}

/// Stands for a blank line among the lines of comments.
pub(super) const BLANK: &str = "\n";

/// Where a comment goes in relation to its item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    /// On lines of its own before it.
    Before,
    /// At the end of its line.
    Behind,
    /// Behind the bracket that opens it.
    Opening,
    /// Before the bracket that closes it.
    Closing,
}

/// The comments of one text by their items, and how the text was laid out.
#[derive(Debug, Default)]
pub struct Comments {
    table: BTreeMap<(u32, Side), Vec<String>>,
    /// At the beginning of the file: about all of it.
    first: Vec<String>,
    /// At the end of the file, behind the last item.
    last: Vec<String>,
    /// The text and its file; layout is only asked for with spans of it.
    source: Option<(FileId, Arc<str>)>,
}

/// Something of a body that a comment may be about.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    start: u32,
    end: u32,
    /// It has brackets: comments can stand at its end.
    is_container: bool,
}

impl Comments {
    /// No comments and no layout: for bodies that have no text.
    pub fn none() -> Self {
        Self::default()
    }

    /// Puts each comment to the item it is about.
    pub fn place(file: FileId, text: &Arc<str>, body: &Body, found: &[Comment]) -> Self {
        let mut anchors = Vec::new();
        of_body(body, file, &mut anchors);
        // Outer ones first where several start at the same place.
        anchors.sort_by_key(|anchor| (anchor.start, std::cmp::Reverse(anchor.end)));
        let mut comments = Self {
            source: Some((file, text.clone())),
            ..Self::default()
        };
        for comment in found {
            let place = side(comment, &anchors, text);
            let lines = match place {
                Some(place) => comments.table.entry(place).or_default(),
                None => &mut comments.last,
            };
            if !lines.is_empty() && follows_blank(text, comment) {
                lines.push(BLANK.to_owned());
            }
            lines.extend(comment.lines.iter().cloned());
            if matches!(place, Some((_, Side::Before))) && stands_alone(text, comment) {
                lines.push(BLANK.to_owned());
            }
        }
        comments
    }

    /// Takes the lines that stand before an item.
    pub fn before(&mut self, item: Span) -> Vec<String> {
        self.take(item, Side::Before)
    }

    /// Puts lines at the beginning of the file.
    pub(super) fn put_first(&mut self, lines: Vec<String>) {
        self.first = lines;
    }

    /// Takes the lines at the beginning of the file.
    pub fn first(&mut self) -> Vec<String> {
        std::mem::take(&mut self.first)
    }

    /// Puts lines before an item, in the place of those that were there.
    pub(super) fn put_before(&mut self, item: Span, lines: Vec<String>) {
        if self.has(item) {
            self.table.insert((item.start, Side::Before), lines);
        }
    }

    /// Takes what stands behind an item on its line.
    pub fn behind(&mut self, item: Span) -> Vec<String> {
        self.take(item, Side::Behind)
    }

    /// Takes what stands behind the opening bracket of a block, list or object.
    pub fn opening(&mut self, item: Span) -> Vec<String> {
        self.take(item, Side::Opening)
    }

    /// Takes the lines before the closing bracket of a block, list or object.
    pub fn closing(&mut self, item: Span) -> Vec<String> {
        self.take(item, Side::Closing)
    }

    /// Takes everything that is left: the end of the file, and what belongs to items that were not printed.
    pub fn rest(&mut self) -> Vec<String> {
        let left = std::mem::take(&mut self.table).into_values().flatten();
        let mut lines: Vec<String> = left.collect();
        lines.append(&mut self.last);
        lines
    }

    /// Takes all comments inside of a span, in order: for a printer that can only say them at one place.
    pub fn inside(&mut self, span: Span) -> Vec<String> {
        if !self.has(span) {
            return Vec::new();
        }
        let keys: Vec<_> = self
            .table
            .range((span.start, Side::Before)..(span.end.max(span.start + 1), Side::Before))
            .map(|(key, _)| *key)
            .collect();
        keys.iter()
            .filter_map(|key| self.table.remove(key))
            .flatten()
            .collect()
    }

    /// Whether there is a comment inside of a span.
    pub fn any_inside(&self, span: Span) -> bool {
        self.has(span)
            && self
                .table
                .range((span.start, Side::Before)..(span.end.max(span.start + 1), Side::Before))
                .next()
                .is_some()
    }

    /// Whether the text of a span has more than one line.
    pub fn is_multiline(&self, span: Span) -> bool {
        self.text(span).is_some_and(|text| text.contains('\n'))
    }

    /// Whether a blank line stands before the line an item begins on, comments before it not counted.
    pub fn is_apart(&self, item: Span) -> bool {
        let Some(before) = self.text(Span::new(item.file, 0, item.start)) else {
            return false;
        };
        let mut lines = before.rsplit('\n').skip(1).map(str::trim);
        lines
            .find(|line| !starts_comment(line))
            .is_some_and(str::is_empty)
    }

    fn text(&self, span: Span) -> Option<&str> {
        let (_, text) = self.source.as_ref().filter(|_| self.has(span))?;
        text.get(span.start as usize..span.end as usize)
    }

    fn has(&self, span: Span) -> bool {
        self.source
            .as_ref()
            .is_some_and(|(file, _)| *file == span.file)
    }

    fn take(&mut self, item: Span, side: Side) -> Vec<String> {
        if !self.has(item) {
            return Vec::new();
        }
        self.table.remove(&(item.start, side)).unwrap_or_default()
    }
}

fn starts_comment(line: &str) -> bool {
    ["#", "//", "/*"]
        .iter()
        .any(|marker| line.starts_with(marker))
}

/// Whether a blank line stands before a comment.
fn follows_blank(text: &str, comment: &Comment) -> bool {
    let before = text.get(..comment.start as usize).unwrap_or_default();
    comment.own_line
        && before
            .rsplit('\n')
            .nth(1)
            .is_some_and(|line| line.trim().is_empty())
}

/// Whether a blank line and no further comment stands behind a comment.
fn stands_alone(text: &str, comment: &Comment) -> bool {
    if !comment.own_line || comment.start == comment.end {
        return false;
    }
    let after = text.get(comment.end as usize..).unwrap_or_default();
    let mut lines = after.lines().skip(1).map(str::trim);
    lines.next().is_some_and(str::is_empty)
        && lines
            .find(|line| !line.is_empty())
            .is_some_and(|line| !starts_comment(line))
}

/// The place of a comment among sorted anchors; `None` is the end of the file.
fn side(comment: &Comment, anchors: &[Anchor], text: &str) -> Option<(u32, Side)> {
    let next = anchors.partition_point(|anchor| anchor.start < comment.start);
    let around = anchors[..next]
        .iter()
        .rev()
        .find(|anchor| comment.start < anchor.end);
    let same_line = |from: u32| {
        let between = text.get(from as usize..comment.start as usize);
        between.is_some_and(|between| !between.contains('\n'))
    };
    if !comment.own_line {
        let inner = around.map_or(0, |around| around.start);
        let done = anchors[..next]
            .iter()
            .filter(|anchor| anchor.end <= comment.start && anchor.start >= inner)
            .max_by_key(|anchor| (anchor.end, std::cmp::Reverse(anchor.start)));
        if let Some(done) = done.filter(|done| same_line(done.end)) {
            return Some((done.start, Side::Behind));
        }
    }
    let end = around.map_or(u32::MAX, |around| around.end);
    let following = anchors.get(next).filter(|next| next.start < end);
    match (around, following) {
        (Some(around), _) if !around.is_container => Some((around.start, Side::Before)),
        (Some(around), _) if !comment.own_line && same_line(around.start) => {
            Some((around.start, Side::Opening))
        }
        (_, Some(following)) => Some((following.start, Side::Before)),
        (Some(around), None) => Some((around.start, Side::Closing)),
        (None, None) => None,
    }
}

fn of_body(body: &Body, file: FileId, out: &mut Vec<Anchor>) {
    let mut push = |span: Span, is_container| {
        if span.file == file {
            out.push(Anchor {
                start: span.start,
                end: span.end,
                is_container,
            });
        }
    };
    for attribute in &body.attributes {
        push(attribute.span, false);
    }
    for block in &body.blocks {
        push(block.span, true);
    }
    for attribute in &body.attributes {
        of_expr(&attribute.value, file, out);
    }
    for block in &body.blocks {
        of_body(&block.body, file, out);
    }
}

fn of_expr(expr: &Expr, file: FileId, out: &mut Vec<Anchor>) {
    let push = |span: Span, is_container, out: &mut Vec<Anchor>| {
        if span.file == file {
            out.push(Anchor {
                start: span.start,
                end: span.end,
                is_container,
            });
        }
    };
    match &expr.kind {
        ExprKind::Tuple(elements) => {
            push(expr.span, true, out);
            for element in elements {
                push(element.span, false, out);
                of_expr(element, file, out);
            }
        }
        ExprKind::Object(entries) => {
            push(expr.span, true, out);
            for (key, value) in entries {
                push(key.span.cover(value.span), false, out);
                of_expr(value, file, out);
            }
        }
        ExprKind::Paren(inner) => of_expr(inner, file, out),
        ExprKind::Call(call) => {
            for argument in &call.arguments {
                of_expr(argument, file, out);
            }
        }
        _ => {}
    }
}
