//! Options of components: bodies evaluated and checked by their schema.
//!
//! In: the body (or several, the later ones on top), the schema, the scope. Out: one object value with the options
//! converted to their types, unknown where run time decides, and the problems: unknown, missing, of the wrong type,
//! conflicting.

use std::collections::BTreeMap;

use imgc_syntax::Span;
use smol_str::SmolStr;

use crate::diagnostic::registry::Entry;
use crate::diagnostic::{Diagnostic, Severity};
use crate::eval::{Context, Scope};
use crate::hir::{Attribute, Block, Body, Expr};
use crate::module::duplicate;
use crate::schema::{BlockSchema, BodySchema, Component, open_block};
use crate::value::Value;

mod communicator;
mod complaints;
mod dynamic;
mod given;
mod known;
mod option;
mod overrides;
mod renamed;
mod required;
mod rules;
mod said;
mod templates;
mod values;
mod weak;

pub(crate) use weak::loosen_to;

pub(crate) use complaints::NO_REPETITION;
use complaints::{gone, near_option, renamed_block, replaced, unknown_block};
use given::{Blocks, Given, blocks_of};
pub use known::{Known, known_component};
use option::{option, perhaps_there};
pub use overrides::Overrides;
use overrides::override_options;
pub(crate) use overrides::{Written, overridden};
use required::required;
pub(crate) use rules::not_a_duration;
pub(crate) use said::Asked;

/// Problems with options.
pub const IDS: &[Entry] = &[
    Entry::error(
        "check/unknown-component",
        "a builder, provisioner, post-processor or data source that does not exist",
    ),
    Entry::warning(
        "check/foreign-component",
        "a component imgc does not know, perhaps of a community plugin",
    ),
    Entry::warning(
        "check/renamed-component",
        "a component that goes by another name now",
    ),
    Entry::error(
        "check/unknown-option",
        "a component has no option of that name",
    ),
    Entry::error(
        "check/missing-option",
        "a component lacks an option it must have",
    ),
    Entry::error(
        "check/empty-option",
        "an option that must have a value is empty",
    ),
    Entry::error(
        "check/conflicting-options",
        "options that exclude each other, or need each other",
    ),
    Entry::error(
        "check/option-not-block",
        "an option is written as a block, or a block as an option",
    ),
    Entry::error(
        "check/repeated-block",
        "a block that may stand once is given twice",
    ),
    Entry::error(
        "check/invalid-value",
        "an option has a value that its component does not accept",
    ),
    Entry::error(
        "check/invalid-duration",
        "an option's value is not a duration",
    ),
    Entry::warning(
        "check/expected-option",
        "a component lacks an option that most uses of it need",
    ),
    Entry::warning(
        "check/idle-option",
        "an option that has no effect beside others",
    ),
    Entry::warning(
        "check/renamed-option",
        "an option that goes by another name now",
    ),
    Entry::warning(
        "check/removed-option",
        "an option that only older versions of a component have",
    ),
    Entry::warning(
        "check/deprecated-option",
        "an option that is better not used any more",
    ),
    Entry::error(
        "check/template-syntax",
        "a Go template in an option that cannot be parsed",
    ),
    Entry::error(
        "check/template-function",
        "a Go template in an option uses a function that is not there",
    ),
    Entry::error(
        "check/template-arguments",
        "a function of a Go template gets too few, too many or wrong arguments",
    ),
    Entry::error(
        "check/invalid-dynamic",
        "a `dynamic` block that is not complete",
    ),
];

/// One component to configure.
pub struct Subject<'a> {
    /// For messages: ``builder `null` ``.
    pub what: String,
    /// Its schema.
    pub component: &'a Component,
    /// Names of attributes that belong to the block, for "did you mean".
    pub meta: &'static [&'static str],
    /// Its bodies; attributes of later ones replace those of earlier ones.
    pub layers: &'a [Layer<'a>],
    /// Values that come on top of all bodies (`override`).
    pub overrides: Option<&'a Overrides>,
    /// Where problems with the component as a whole are shown.
    pub span: Span,
}

/// A body of a component with the names its expressions may use.
#[derive(Clone, Copy)]
pub struct Layer<'a> {
    /// Options and blocks.
    pub body: &'a Body,
    /// What the expressions in it see.
    pub scope: &'a dyn Scope,
}

/// Evaluates the options of a component.
pub fn configure(subject: &Subject<'_>, cx: &mut Context<'_>) -> Value {
    let mut given = Given::default();
    for (at, Layer { body, scope }) in subject.layers.iter().copied().enumerate() {
        collect(
            subject,
            &subject.component.body,
            body,
            at > 0,
            scope,
            cx,
            &mut given,
        );
    }
    renamed::finish(&mut given);
    if let Some(overrides) = subject.overrides {
        override_options(subject, overrides, cx, &mut given);
    }
    rules::check(subject, &given, cx);
    given.into_value()
}

fn collect(
    subject: &Subject<'_>,
    schema: &BodySchema,
    body: &Body,
    replace: bool,
    scope: &dyn Scope,
    cx: &mut Context<'_>,
    given: &mut Given,
) {
    let mut seen: BTreeMap<&str, &Attribute> = BTreeMap::new();
    for attribute in &body.attributes {
        if let Some(first) = seen.get(attribute.name.text.as_str()) {
            cx.report(duplicate(attribute, first));
            continue;
        }
        seen.insert(&attribute.name.text, attribute);
        option(subject, schema, body, attribute, scope, cx, given);
    }
    let mut overridden: Vec<&str> = Vec::new();
    for block in &body.blocks {
        if block.kind.text == "dynamic" {
            // What it makes takes the place of the source's, if it makes anything.
            let name = block.labels.first().map(|label| label.text.as_str());
            let single = |name: &&str| {
                schema
                    .blocks
                    .get(*name)
                    .is_some_and(|inner| !inner.repeated)
            };
            let name = name.filter(|name| replace && !overridden.contains(name) && single(name));
            let earlier = name.and_then(|name| Some((name, given.blocks.remove(name)?)));
            dynamic::expand(subject, schema, block, scope, cx, given);
            match earlier {
                Some((name, earlier)) if !given.blocks.contains_key(name) => {
                    given.blocks.insert(name.into(), earlier);
                }
                Some((name, _)) => overridden.push(name),
                None => {}
            }
            continue;
        }
        let Some(inner) = known_block(subject, schema, block, cx, given) else {
            continue;
        };
        let name = block.kind.text.as_str();
        if replace && !inner.repeated && !overridden.contains(&name) {
            // A nested source's block takes the place of the source's.
            given.blocks.remove(name);
            overridden.push(name);
        }
        let value = block_value(subject, inner, &block.body, scope, cx);
        add_block(
            block.kind.text.clone(),
            inner,
            value,
            block.header,
            cx,
            given,
        );
    }
    cx.diagnostics
        .extend(gone(subject, &std::mem::take(&mut given.old)));
}

fn add_block(
    name: SmolStr,
    schema: &BlockSchema,
    value: Value,
    place: Span,
    cx: &mut Context<'_>,
    given: &mut Given,
) {
    let blocks = blocks_of(given, &name, schema.repeated, place);
    if !schema.repeated && !blocks.values.is_empty() {
        cx.report(
            Diagnostic::error(
                "check/repeated-block",
                place,
                format!("a block `{name}` may stand only once"),
            )
            .label(blocks.place, "the first one is here")
            .help("merge them into one block"),
        );
        return;
    }
    blocks.values.push(value);
}

/// The object a block stands for, its own required options checked.
fn block_value(
    subject: &Subject<'_>,
    schema: &BlockSchema,
    body: &Body,
    scope: &dyn Scope,
    cx: &mut Context<'_>,
) -> Value {
    let mut given = Given::default();
    collect(subject, &schema.body, body, false, scope, cx, &mut given);
    let span = body.span.unwrap_or(subject.span);
    required(subject, &schema.body, &given, span, cx);
    given.into_value()
}

fn known_block<'s>(
    subject: &Subject<'_>,
    schema: &'s BodySchema,
    block: &Block,
    cx: &mut Context<'_>,
    given: &mut Given,
) -> Option<&'s BlockSchema> {
    let name = &block.kind.text;
    if schema.open {
        return Some(open_block());
    }
    if let Some(known) = schema.blocks.get(name) {
        if let Some(label) = block.labels.first() {
            cx.report(
                Diagnostic::error(
                    "check/wrong-labels",
                    label.span,
                    format!("a `{name}` block has no labels here"),
                )
                .help(format!("write `{name} {{ … }}`")),
            );
        }
        return Some(known);
    }
    if schema.removed.contains_key(name) {
        match replaced(subject, schema, block.kind.span, name) {
            Some(complaint) => cx.report(complaint),
            None => given.old.push((name.clone(), block.kind.span)),
        }
        return Some(open_block());
    }
    if let Some(complaint) = renamed_block(subject, schema, block) {
        cx.report(complaint);
        return Some(open_block());
    }
    let mut unknown = unknown_block(subject, schema, block);
    if let Some(help) = perhaps_there(subject, schema, name) {
        unknown.severity = Severity::Warning;
        cx.report(unknown.help(help));
        return Some(open_block());
    }
    cx.report(unknown);
    let meant = match schema.attributes.contains_key(name) {
        true => Some(name.as_str()),
        false => near_option(name, schema),
    };
    given.meant(meant, block.header);
    None
}

/// The expression an option was given by, for messages that come later.
pub fn find_option<'b>(bodies: &[&'b Body], name: &str) -> Option<&'b Expr> {
    bodies
        .iter()
        .rev()
        .find_map(|body| body.attribute(name))
        .map(|attribute| &attribute.value)
}

/// The same for an option of a block in these, where one block alone has it.
pub(crate) fn find_inner_option<'b>(bodies: &[&'b Body], name: &str) -> Option<&'b Expr> {
    fn all<'b>(body: &'b Body, name: &str, found: &mut Vec<&'b Expr>) {
        for block in &body.blocks {
            found.extend(block.body.attribute(name).map(|given| &given.value));
            all(&block.body, name, found);
        }
    }
    let mut found = Vec::new();
    bodies.iter().for_each(|body| all(body, name, &mut found));
    match found[..] {
        [one] => Some(one),
        _ => None,
    }
}
