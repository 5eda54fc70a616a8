//! `dynamic` blocks: one block for each element of a collection (HCL's dynamic block extension).

use smol_str::SmolStr;

use super::{Given, Subject, add_block, block_value};
use crate::diagnostic::{Diagnostic, nearest};
use crate::eval::{self, Child, Context, Scope};
use crate::hir::{Block, ExprKind};
use crate::schema::BodySchema;
use crate::types::Type;
use crate::value::Value;

/// Expands `dynamic "NAME" { for_each = …; iterator = …; content { … } }` into blocks of that name.
pub(super) fn expand(
    subject: &Subject<'_>,
    schema: &BodySchema,
    block: &Block,
    scope: &dyn Scope,
    cx: &mut Context<'_>,
    given: &mut Given,
) {
    let [label] = &block.labels[..] else {
        cx.report(
            Diagnostic::error(
                "check/wrong-labels",
                block.header,
                "a `dynamic` block has one label: the block it makes",
            )
            .help("write `dynamic \"NAME\" { … }`"),
        );
        return;
    };
    let name = &label.text;
    let Some(inner) = schema.block(name) else {
        let message = format!("{} has no block `{name}`", subject.what);
        let diagnostic = Diagnostic::error("check/unknown-option", label.span, message);
        cx.report(
            match nearest(name, schema.blocks.keys().map(SmolStr::as_str)) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic,
            },
        );
        return;
    };
    let (Some(for_each), Some(content)) = (
        block.body.attribute("for_each"),
        block.body.blocks_of("content").next(),
    ) else {
        cx.report(
            Diagnostic::error("check/invalid-dynamic", block.header, "a `dynamic` block needs `for_each` and `content`")
                .help(format!("write `dynamic \"{name}\" {{ for_each = …; content {{ … }} }}`, each on its own line")),
        );
        return;
    };
    strays(block, cx);
    let iterator = match block
        .body
        .attribute("iterator")
        .map(|attribute| &attribute.value)
    {
        Some(expr) => match &expr.kind {
            ExprKind::Variable(word) => word.clone(),
            kind => {
                cx.report(
                    Diagnostic::error(
                        "check/invalid-dynamic",
                        expr.span,
                        "`iterator` is a bare name",
                    )
                    .help("write `iterator = item`, without quotes"),
                );
                // The name inside the quotes is what was meant.
                match kind {
                    ExprKind::Literal(value) => value.as_str().map(SmolStr::from),
                    _ => None,
                }
                .unwrap_or_else(|| name.clone())
            }
        },
        None => name.clone(),
    };
    let collection = eval::evaluate(&for_each.value, scope, cx);
    let one = |key: Value, value: Value, cx: &mut Context<'_>| {
        let each = Value::object([("key", key), ("value", value)]);
        let child = Child::new(scope, vec![(iterator.clone(), each)]);
        block_value(subject, inner, &content.body, &child, cx)
    };
    if collection.is_error() {
        return;
    }
    if !collection.is_known() {
        // Type the content once; how many blocks there will be is decided at run time.
        one(Value::unknown(Type::Any), Value::unknown(Type::Any), cx);
        let blocks = given
            .blocks
            .entry(name.clone())
            .or_insert_with(|| super::Blocks {
                repeated: inner.repeated,
                values: Vec::new(),
                unknown: true,
                place: block.header,
            });
        blocks.unknown = true;
        return;
    }
    if collection.is_null() || collection.len().is_none() {
        cx.report(
            Diagnostic::error(
                "eval/wrong-type",
                for_each.value.span,
                "`for_each` needs a list, a set or a map",
            )
            .help("to make no block at all, give an empty list `[]`"),
        );
        return;
    }
    let sensitive = collection.is_sensitive();
    let elements: Vec<(Value, Value)> = collection.elements().collect();
    for (key, value) in elements {
        let made = one(key.mark(sensitive), value.mark(sensitive), cx);
        add_block(name.clone(), inner, made, block.header, cx, given);
    }
}

/// Complains about what a `dynamic` block does not have.
fn strays(block: &Block, cx: &mut Context<'_>) {
    const KNOWN: [&str; 2] = ["for_each", "iterator"];
    for attribute in &block.body.attributes {
        let name = attribute.name.text.as_str();
        if KNOWN.contains(&name) {
            continue;
        }
        let diagnostic = Diagnostic::error(
            "check/unexpected-attribute",
            attribute.name.span,
            format!("a `dynamic` block has no `{name}`"),
        );
        cx.report(match nearest(name, KNOWN) {
            Some(near) => diagnostic.help(format!("write `{near}`")),
            None => diagnostic.help("the attributes of the block it makes stand inside `content`"),
        });
    }
    let others = block.body.blocks.iter();
    for other in others.filter(|other| other.kind.text != "content") {
        crate::module::stray_block(other, "inside `dynamic`", &["content"], &mut cx.diagnostics);
    }
}
