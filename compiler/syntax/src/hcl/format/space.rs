//! Where a blank stands between two tokens of a line.

use super::{Piece, bracket};
use crate::hcl::kind::SyntaxKind as K;

/// Whether a blank separates two neighbours.
pub(super) fn between(before: &Piece, after: &Piece) -> bool {
    if after.kind == K::Newline || in_template(before, after) || binds(before, after) {
        return false;
    }
    match (before.kind, after.kind) {
        (_, K::Comma | K::Ellipsis) => false,
        (K::Comma, _) => true,
        (K::LBrace, K::RBrace) => false,
        // Blanks inside braces, and braces apart from those of an interpolation around them.
        (K::LBrace, _) | (_, K::RBrace) => true,
        (K::InterpOpen | K::DirectiveOpen, K::LBrace) | (K::RBrace, K::TemplateClose) => true,
        (open, close) => bracket(open) <= 0 && bracket(close) >= 0,
    }
}

/// Whether there is text of a template, or the edge of one, on either side.
fn in_template(before: &Piece, after: &Piece) -> bool {
    matches!(
        before.kind,
        K::Text | K::Escape | K::QuoteOpen | K::HeredocOpen
    ) || matches!(
        after.kind,
        K::Text | K::Escape | K::QuoteClose | K::HeredocEnd
    ) || (before.kind == K::TemplateClose && matches!(after.kind, K::InterpOpen | K::DirectiveOpen))
}

/// Whether the two are parts of one operand: `a.b`, `a[0]`, `f(`, `-x`.
fn binds(before: &Piece, after: &Piece) -> bool {
    let dotted = |kind| matches!(kind, K::Dot | K::ColonColon);
    dotted(before.kind)
        || dotted(after.kind)
        || (before.parent == K::Unary && matches!(before.kind, K::Minus | K::Bang))
        || (before.kind != K::BlockComment && opens_step(after))
}

/// Whether the token begins arguments or an index.
fn opens_step(piece: &Piece) -> bool {
    match piece.kind {
        K::LParen => piece.parent == K::ArgList,
        K::LBracket => matches!(piece.parent, K::Index | K::FullSplat),
        _ => false,
    }
}
