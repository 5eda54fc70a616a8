//! Whether a block says the same wherever it stands: then it is evaluated once.

use std::collections::HashSet;

use smol_str::SmolStr;

use super::repeat::Elements;
use crate::eval;
use crate::hir::{Body, Expr};
use crate::module::{self, Repeat};

/// The names a block's expressions begin with.
pub(super) struct Mentions {
    /// It has values of the running build or of the source.
    build: bool,
    /// Other names, as far as the block is not itself repeated over them.
    elements: HashSet<SmolStr>,
}

impl Mentions {
    pub(super) fn of(block: &module::Component) -> Self {
        let mut inside = HashSet::new();
        roots(&block.body, &mut inside);
        let meta = &block.meta;
        let mut attributes = vec![
            &meta.pause_before,
            &meta.max_retries,
            &meta.timeout,
            &meta.continue_on_error,
            &meta.on,
            &meta.checkpoint,
            &meta.keep_input_artifact,
            &meta.cache,
        ];
        let add = |expr: &Expr, into: &mut HashSet<SmolStr>| {
            into.extend(eval::references(expr).into_iter().map(|one| one.root));
        };
        for attribute in attributes.drain(..).flatten() {
            add(&attribute.value, &mut inside);
        }
        if let module::Label::Computed(expr) = &block.label {
            add(expr, &mut inside);
        }
        if let Some(own) = block.repeat.name() {
            inside.remove(&own);
        }
        let Repeat {
            for_each, count, ..
        } = &block.repeat;
        for attribute in [for_each, count].into_iter().flatten() {
            add(&attribute.value, &mut inside);
        }
        Self {
            build: meta.overrides.is_some()
                || ["build", "source"]
                    .iter()
                    .any(|name| inside.contains(*name)),
            elements: inside,
        }
    }

    /// Whether the block is the same in all builds, and wherever it stands among these elements.
    pub(super) fn same_for_all(&self, outer: &Elements) -> bool {
        !self.build && !outer.iter().any(|(name, _)| self.elements.contains(name))
    }
}

fn roots(body: &Body, into: &mut HashSet<SmolStr>) {
    for attribute in &body.attributes {
        into.extend(
            eval::references(&attribute.value)
                .into_iter()
                .map(|one| one.root),
        );
    }
    for block in &body.blocks {
        roots(&block.body, into);
    }
}
