//! Options of components: bodies evaluated and checked by their schema.
//!
//! In: the body (or several, the later ones on top), the schema, the scope. Out: one object value with the options
//! converted to their types, unknown where run time decides, and the problems: unknown, missing, of the wrong type,
//! conflicting.

use std::collections::BTreeMap;

use imgc_syntax::Span;
use smol_str::SmolStr;

use crate::convert::convert;
use crate::diagnostic::registry::Entry;
use crate::diagnostic::{Diagnostic, Edit, nearest};
use crate::eval::{self, Context, Scope};
use crate::hir::{Attribute, Block, Body, Expr};
use crate::module::duplicate;
use crate::schema::{BlockSchema, BodySchema, Component, open_block};
use crate::types::Type;
use crate::value::{Data, Value};

mod complaints;
mod dynamic;
mod known;
mod rules;

pub(crate) use complaints::NO_REPETITION;
use complaints::{deprecated, option_names, unknown_option};
pub use known::{Known, known_component};
pub(crate) use rules::not_a_duration;

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
        "an option has a value that is not among the accepted ones",
    ),
    Entry::error(
        "check/invalid-duration",
        "an option's value is not a duration",
    ),
    Entry::warning(
        "check/deprecated-option",
        "an option that is better not used any more",
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
    /// Values that come on top of all bodies (`override`), with the place they are given at.
    pub overrides: Option<(&'a Value, Span)>,
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
    if let Some((overrides, span)) = subject.overrides {
        override_options(subject, overrides, span, cx, &mut given);
    }
    rules::check(subject, &given, cx);
    given.into_value()
}

/// What was given so far: values with their places.
#[derive(Default)]
struct Given {
    attributes: BTreeMap<SmolStr, (Value, Span)>,
    blocks: BTreeMap<SmolStr, Blocks>,
}

/// The blocks of one name.
struct Blocks {
    /// Whether they form a list.
    repeated: bool,
    /// One object each.
    values: Vec<Value>,
    /// A `dynamic` block of which the number is unknown.
    unknown: bool,
    place: Span,
}

impl Given {
    fn into_value(self) -> Value {
        let blocks = self.blocks.into_iter().filter_map(|(name, blocks)| {
            let value = if blocks.unknown {
                Value::unknown(Type::Any)
            } else if blocks.repeated {
                Value::tuple(blocks.values)
            } else {
                blocks.values.into_iter().next_back()?
            };
            Some((name, value))
        });
        // An option that is null counts as not given, as in Packer.
        let attributes = self
            .attributes
            .into_iter()
            .filter(|(_, (value, _))| !value.is_null())
            .map(|(name, (value, _))| (name, value));
        Value::object(attributes.chain(blocks))
    }

    /// Whether an option has a value: `""`, `[]`, `{}`, `false` and null do not count. Unknown ones do.
    fn has(&self, name: &str) -> bool {
        if let Some(blocks) = self.blocks.get(name) {
            return blocks.unknown || !blocks.values.is_empty();
        }
        self.attributes
            .get(name)
            .is_some_and(|(value, _)| !is_empty(value))
    }

    fn place(&self, name: &str) -> Option<Span> {
        self.attributes
            .get(name)
            .map(|(_, span)| *span)
            .or_else(|| self.blocks.get(name).map(|blocks| blocks.place))
    }
}

fn is_empty(value: &Value) -> bool {
    match value.data() {
        Data::Unknown(_) => false,
        Data::Null(_) => true,
        Data::Bool(value) => !value,
        Data::String(text) => text.is_empty(),
        Data::Number(_) => false,
        _ => value.is_empty(),
    }
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
        option(subject, schema, attribute, scope, cx, given);
    }
    let mut replaced: Vec<&str> = Vec::new();
    for block in &body.blocks {
        if block.kind.text == "dynamic" {
            dynamic::expand(subject, schema, block, scope, cx, given);
            continue;
        }
        let Some(inner) = known_block(subject, schema, block, cx, given) else {
            continue;
        };
        let name = block.kind.text.as_str();
        if replace && !inner.repeated && !replaced.contains(&name) {
            // A nested source's block takes the place of the source's.
            given.blocks.remove(name);
            replaced.push(name);
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
}

fn add_block(
    name: SmolStr,
    schema: &BlockSchema,
    value: Value,
    place: Span,
    cx: &mut Context<'_>,
    given: &mut Given,
) {
    let blocks = given.blocks.entry(name.clone()).or_insert_with(|| Blocks {
        repeated: schema.repeated,
        values: Vec::new(),
        unknown: false,
        place,
    });
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
    rules::required(
        &schema.body,
        &given,
        &subject.what,
        body.span.unwrap_or(subject.span),
        cx,
    );
    given.into_value()
}

fn option(
    subject: &Subject<'_>,
    schema: &BodySchema,
    attribute: &Attribute,
    scope: &dyn Scope,
    cx: &mut Context<'_>,
    given: &mut Given,
) {
    let name = &attribute.name.text;
    if schema.open {
        let value = eval::evaluate(&attribute.value, scope, cx);
        given
            .attributes
            .insert(name.clone(), (value, attribute.span));
        return;
    }
    let Some(known) = schema.attributes.get(name) else {
        // Its value is still looked at: it may have mistakes of its own.
        eval::evaluate(&attribute.value, scope, cx);
        cx.report(unknown_option(subject, schema, attribute));
        // What was meant counts as given: one mistake, one message.
        let meant = match schema.blocks.get_key_value(name) {
            Some((block, _)) => Some(block.as_str()),
            None => nearest(name, option_names(schema)),
        };
        if let Some(meant) = meant.filter(|meant| !given.has(meant)) {
            given
                .attributes
                .insert(meant.into(), (Value::error(), attribute.span));
        }
        return;
    };
    if known.deprecated {
        cx.report(deprecated(subject, schema, attribute));
    }
    let value =
        eval::evaluate_as(&attribute.value, &known.ty, scope, cx, name).mark(known.sensitive);
    rules::value(name, known, &value, &attribute.value, cx);
    given
        .attributes
        .insert(name.clone(), (value, attribute.span));
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
    let what = &subject.what;
    let span = block.kind.span;
    let diagnostic = if schema.attributes.contains_key(name) {
        Diagnostic::error(
            "check/option-not-block",
            span,
            format!("`{name}` of {what} is an attribute, not a block"),
        )
        .help(match schema.attributes[name].ty {
            Type::Map(_) | Type::Object(_) | Type::Any => format!("write `{name} = {{ … }}`"),
            Type::List(_) => format!("write `{name} = […]`"),
            _ => format!("write `{name} = …`"),
        })
    } else {
        let diagnostic = Diagnostic::error(
            "check/unknown-option",
            span,
            format!("{what} has no block `{name}`"),
        );
        match nearest(name, option_names(schema)) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(
                format!("change `{name}` to `{near}`"),
                Edit::replace(span, near),
            ),
            None => diagnostic,
        }
    };
    cx.report(diagnostic);
    let meant = if schema.attributes.contains_key(name) {
        Some(name.as_str())
    } else {
        nearest(name, option_names(schema))
    };
    if let Some(meant) = meant.filter(|meant| !given.has(meant)) {
        given
            .attributes
            .insert(meant.into(), (Value::error(), block.header));
    }
    None
}

/// Values of `override` replace options, whatever form they were given in.
fn override_options(
    subject: &Subject<'_>,
    overrides: &Value,
    span: Span,
    cx: &mut Context<'_>,
    given: &mut Given,
) {
    for (name, value) in overrides.as_map().into_iter().flatten() {
        let schema = &subject.component.body;
        let ty = match (schema.attributes.get(name), schema.blocks.get(name)) {
            (Some(attribute), _) => attribute.ty.clone(),
            (None, Some(_)) => Type::Any,
            (None, None) if schema.open => Type::Any,
            (None, None) => {
                let diagnostic = Diagnostic::error(
                    "check/unknown-option",
                    span,
                    format!(
                        "`override` sets `{name}`, and {} has no such option",
                        subject.what
                    ),
                );
                cx.report(match nearest(name, option_names(schema)) {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None => diagnostic,
                });
                continue;
            }
        };
        match convert(value, &ty) {
            Ok(value) => {
                given.blocks.remove(name);
                given.attributes.insert(name.clone(), (value, span));
            }
            Err(error) => cx.report(Diagnostic::error(
                "eval/wrong-type",
                span,
                format!("`override` gives a wrong value for `{name}`: {error}"),
            )),
        }
    }
}

/// The expression an option was given by, for messages that come later.
pub fn find_option<'b>(bodies: &[&'b Body], name: &str) -> Option<&'b Expr> {
    bodies
        .iter()
        .rev()
        .find_map(|body| body.attribute(name))
        .map(|attribute| &attribute.value)
}
