//! Blocks whose meaning nobody here knows: those in components that the catalogue does not have.
//!
//! In: a body. Out: the places of such blocks. What their plugins would read as a list of one block, an object is not, so
//! languages without blocks have to write a list.

use std::collections::BTreeSet;

use imgc_syntax::Span;

use crate::components::ComponentKind;
use crate::hir::{Block, Body};
use crate::schema;

/// The places of all blocks without labels in foreign components.
pub(super) fn blocks(body: &Body) -> BTreeSet<Span> {
    let mut found = BTreeSet::new();
    for block in &body.blocks {
        of(block, false, &mut found);
    }
    found
}

fn of(block: &Block, in_foreign: bool, found: &mut BTreeSet<Span>) {
    // `content` is the language's.
    if in_foreign && block.labels.is_empty() && block.kind.text != "content" {
        found.insert(block.span);
    }
    let in_foreign = in_foreign || is_foreign(block);
    for inner in &block.body.blocks {
        of(inner, in_foreign, found);
    }
}

fn is_foreign(block: &Block) -> bool {
    let kind = match block.kind.text.as_str() {
        "source" => ComponentKind::Builder,
        "provisioner" | "error-cleanup-provisioner" => ComponentKind::Provisioner,
        "post-processor" => ComponentKind::PostProcessor,
        "data" => ComponentKind::DataSource,
        _ => return false,
    };
    let label = block.labels.first().map(|label| label.text.as_str());
    // In a build a source is a reference.
    let name = label.map(|label| label.strip_prefix("source.").unwrap_or(label));
    let name = name.and_then(|name| name.split('.').next());
    name.is_some_and(|name| schema::component(kind, name).is_none())
}
