//! What keys and strings of JSON and TOML mean, by what was understood of them.

use imgc_compiler::hir::{Block, Body, Expr, ExprKind, Name};
use imgc_compiler::{Span, eval};

use super::{ROOTS, TokenKind, TokenModifiers};
use crate::index::bare;
use crate::locate;
use crate::text::TextRange;

type Found = (TextRange, TokenKind, TokenModifiers);

const LIBRARY: TokenModifiers = TokenModifiers {
    declaration: false,
    readonly: false,
    deprecated: false,
    default_library: true,
};

/// The blocks, components, and expressions in strings.
pub(super) fn body(body: &Body, text: &str, out: &mut Vec<Found>) {
    let mut walk = Walk { text, out };
    walk.body(body);
    for reference in eval::body_references(body) {
        if ROOTS.contains(&reference.root.as_str()) {
            let start = reference.span.start;
            let root = TextRange::new(start, start + reference.root.len() as u32);
            walk.add(root, &reference.root, TokenKind::Keyword, LIBRARY);
        }
    }
}

struct Walk<'a> {
    text: &'a str,
    out: &'a mut Vec<Found>,
}

impl Walk<'_> {
    /// Adds a word, where it is written.
    fn add(&mut self, range: TextRange, word: &str, kind: TokenKind, modifiers: TokenModifiers) {
        if range.of(self.text) == word {
            self.out.push((range, kind, modifiers));
        }
    }

    fn name(&mut self, name: &Name, kind: TokenKind, modifiers: TokenModifiers) {
        let span: Span = bare(self.text, name.span);
        self.add(span.into(), &name.text, kind, modifiers);
    }

    fn body(&mut self, body: &Body) {
        for attribute in &body.attributes {
            self.expression(&attribute.value);
        }
        for block in &body.blocks {
            self.block(block);
        }
    }

    fn block(&mut self, block: &Block) {
        self.name(&block.kind, TokenKind::Block, LIBRARY);
        let typed = ["source", "data", "provisioner", "post-processor"];
        let is_typed = typed.iter().any(|kind| block.kind.text.ends_with(kind));
        if let Some(ty) = block.labels.first().filter(|_| is_typed) {
            self.name(ty, TokenKind::Component, TokenModifiers::default());
        }
        self.body(&block.body);
    }

    fn expression(&mut self, expr: &Expr) {
        if let ExprKind::Call(call) = &expr.kind {
            self.name(&call.name, TokenKind::Function, LIBRARY);
        }
        for child in locate::children(expr) {
            self.expression(child);
        }
    }
}
