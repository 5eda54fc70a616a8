//! What a template has for others and takes from others: `output` and `module` blocks.

use super::repeat::take_out;
use super::take::{Take, check_identifier, unique};
use super::{ModuleCall, Output, Repeat};
use crate::diagnostic::Diagnostic;
use crate::hir::{Block, Expr, ExprKind, Name};

/// An `output` block.
pub(super) fn output(name: Name, block: Block, out: &mut Vec<Diagnostic>) -> Output {
    check_identifier(&name, "output", out);
    super::collect::no_blocks(&block.body, "inside `output`", out);
    let mut take = Take::new(block.body.attributes, "in an `output` block", out);
    let value = take.value("value");
    let description = take.value("description");
    let sensitive = take.value("sensitive");
    let meant = take.finish(out);
    if value.is_none() && !meant.contains(&"value") {
        out.push(super::collect::missing("output", "value", block.header));
    }
    Output {
        value: value.unwrap_or(Expr {
            kind: ExprKind::Error,
            span: name.span,
        }),
        name,
        description,
        sensitive,
        span: block.header,
    }
}

/// A `module` block: what is not said about the use of it gives values to the module's variables.
pub(super) fn call(name: Name, block: Block, out: &mut Vec<Diagnostic>) -> ModuleCall {
    check_identifier(&name, "module", out);
    super::collect::no_blocks(&block.body, "inside `module`", out);
    let mut body = block.body;
    let repeat = Repeat::take(&mut body, out);
    let source = take_out(&mut body, "source", out).map(|attribute| attribute.value);
    if source.is_none() {
        out.push(super::collect::missing("module", "source", block.header));
    }
    if let Some(version) = take_out(&mut body, "version", out) {
        out.push(
            Diagnostic::error(
                "check/unexpected-attribute",
                version.name.span,
                "a `module` block has no `version`: there is no registry of modules",
            )
            .help("say it in the source of a git module: `git::URL?ref=TAG`"),
        );
    }
    ModuleCall {
        name,
        source,
        repeat,
        inputs: unique(body.attributes, out),
        span: block.header,
    }
}
