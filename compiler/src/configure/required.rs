//! Options that must be given, unless others stand in for them, or the environment does.

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::{Given, Subject, communicator};
use crate::diagnostic::{Diagnostic, Severity};
use crate::eval::Context;
use crate::module::quoted_list;
use crate::schema::{BodySchema, ConstraintKind, Required};
use crate::source::World;

/// An option or block as far as it may have to be given.
struct Need<'s> {
    name: &'s SmolStr,
    required: Required,
    /// The communicator it is required for.
    when: Option<&'s str>,
    unless: &'s [SmolStr],
    env: &'s [SmolStr],
    block: bool,
}

impl Need<'_> {
    /// What one would type.
    fn form(&self) -> String {
        match self.block {
            true => format!("{} {{ … }}", self.name),
            false => format!("{} = …", self.name),
        }
    }

    /// Variables of the environment that may stand in for it.
    fn variables(&self) -> impl Iterator<Item = &str> {
        let named = self
            .unless
            .iter()
            .filter_map(|unless| unless.strip_prefix("env:"));
        named.chain(self.env.iter().map(SmolStr::as_str))
    }

    /// Whether something takes its place.
    fn stands_in(&self, given: &Given, world: &dyn World) -> bool {
        let other = self.unless.iter().any(|what| match what.as_str() {
            "default" | "other" => true,
            other => given.has(other),
        });
        other || self.variables().any(|name| is_set(world, name))
    }
}

fn is_set(world: &dyn World, name: &str) -> bool {
    world.env(name).is_some_and(|value| !value.is_empty())
}

fn needs(schema: &BodySchema) -> impl Iterator<Item = Need<'_>> {
    let attributes = schema.attributes.iter().map(|(name, attribute)| Need {
        name,
        required: attribute.required,
        when: attribute.required_when.as_deref(),
        unless: &attribute.required_unless,
        env: &attribute.env,
        block: false,
    });
    let blocks = schema.blocks.iter().map(|(name, block)| Need {
        name,
        required: block.required,
        when: None,
        unless: &block.required_unless,
        env: &[],
        block: true,
    });
    attributes.chain(blocks)
}

/// Complains about options of a body that must be given and are not.
pub(super) fn required(
    subject: &Subject<'_>,
    schema: &BodySchema,
    given: &Given,
    span: Span,
    cx: &mut Context<'_>,
) {
    let what = &subject.what;
    let mut alternatives: Vec<Need<'_>> = Vec::new();
    let communicator = communicator::named(schema, given);
    for mut need in needs(schema) {
        if need.when.is_some() && need.when == communicator {
            need.required = Required::Yes;
        }
        let wanted = need.required != Required::No || !need.unless.is_empty();
        if !wanted || given.has(need.name) || need.stands_in(given, cx.world) {
            continue;
        }
        if need.required == Required::No {
            alternatives.push(need);
            continue;
        }
        let form = need.form();
        let name = need.name;
        if let Some(place) = given.place(name).filter(|_| need.required == Required::Yes) {
            // Given, and empty: say so at its place instead of calling it missing.
            let message = format!("`{name}` of {what} must not be empty");
            let mut diagnostic = Diagnostic::error("check/empty-option", place, message);
            if given.computed_empty(name).is_some() {
                diagnostic.severity = Severity::Warning;
            }
            cx.report(diagnostic.help("give it a value"));
            continue;
        }
        let variable = need.variables().next();
        let (message, help) = match (need.required, variable) {
            (Required::Yes, None) => {
                let reason = match need.when {
                    Some(communicator) => format!(" for the communicator `{communicator}`"),
                    None => String::new(),
                };
                let message = format!("{what} needs the option `{name}`{reason}");
                let missing = Diagnostic::error("check/missing-option", span, message);
                cx.report(
                    missing
                        .help(format!("add `{form}`"))
                        .lacking([name.as_str()]),
                );
                continue;
            }
            (Required::Yes, Some(variable)) => (
                format!("{what} needs the option `{name}`, or `{variable}` in the environment"),
                format!("set `{variable}` where it is to run, or add `{form}`"),
            ),
            (Required::Newly, _) => (
                format!("newer versions of {what} need the option `{name}`"),
                format!("add `{form}`"),
            ),
            _ => (
                format!("{what} expects the option `{name}`"),
                format!("add `{form}`"),
            ),
        };
        cx.report(Diagnostic::warning("check/expected-option", span, message).help(help));
    }
    let covered = |need: &Need<'_>| {
        // A rule of the component's says it in one message.
        std::ptr::eq(schema, &subject.component.body)
            && subject.component.constraints.iter().any(|constraint| {
                constraint.kind == ConstraintKind::AtLeastOne
                    && constraint.attributes.contains(need.name)
            })
    };
    alternatives.retain(|need| !covered(need));
    while !alternatives.is_empty() {
        let group = connected(&mut alternatives);
        report_group(what, &group, given, span, cx);
    }
}

/// Takes the first of the needs out, and those that could stand in for it or for each other.
fn connected<'s>(needs: &mut Vec<Need<'s>>) -> Vec<Need<'s>> {
    let mut group = vec![needs.remove(0)];
    while let Some(at) = needs.iter().position(|need| {
        group
            .iter()
            .any(|one| one.unless.contains(need.name) || need.unless.contains(one.name))
    }) {
        group.push(needs.remove(at));
    }
    group
}

fn report_group(what: &str, group: &[Need<'_>], given: &Given, span: Span, cx: &mut Context<'_>) {
    // Of several, those that other needs name as a way out; of one, itself first.
    let mut names: Vec<&str> = match group {
        [one] => vec![one.name],
        _ => Vec::new(),
    };
    for name in group.iter().flat_map(|need| need.unless) {
        if !name.starts_with("env:") && !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let form = match group {
        [one] => one.form(),
        _ => format!("{} = …", names[0]),
    };
    let variable = group.iter().flat_map(Need::variables).next();
    let wanted = match &names[..] {
        [name] => format!("the option `{name}`"),
        names => format!("one of the options {}", quoted_list(names.iter().copied())),
    };
    let mut diagnostic = Diagnostic::error(
        "check/missing-option",
        span,
        format!("{what} needs {wanted}"),
    )
    .help(format!("add `{form}`"))
    .lacking(names.iter().copied());
    if let Some(variable) = variable {
        // Where it runs, the environment may have it.
        diagnostic = Diagnostic::warning(
            "check/expected-option",
            span,
            format!("{what} needs {wanted}, or `{variable}` in the environment"),
        )
        .help(format!(
            "set `{variable}` where it is to run, or add `{form}`"
        ));
    }
    cx.report(placed(diagnostic, names.iter().copied(), given));
}

/// A message about several options at the one that is given, if empty; where its value is computed, no mistake of the
/// template.
fn placed<'n>(
    mut diagnostic: Diagnostic,
    names: impl Iterator<Item = &'n str> + Clone,
    given: &Given,
) -> Diagnostic {
    if let Some(place) = names.clone().find_map(|name| given.computed_empty(name)) {
        diagnostic.severity = Severity::Warning;
        diagnostic.span = place;
        diagnostic.message.push_str(", and this is empty");
    } else if let Some(place) = names.clone().find_map(|name| given.place(name)) {
        diagnostic.span = place;
    }
    diagnostic
}

/// Complains that none of several options is given; what is deprecated is not recommended.
pub(super) fn one_of(
    subject: &Subject<'_>,
    names: &[SmolStr],
    given: &Given,
    cx: &mut Context<'_>,
) {
    let body = &subject.component.body;
    let mut group: Vec<Need<'_>> = needs(body)
        .filter(|need| names.contains(need.name))
        .collect();
    let deprecated = |need: &Need<'_>| body.attributes.get(need.name).is_some_and(|a| a.deprecated);
    group.sort_by_key(|need| {
        let at = names.iter().position(|name| name == need.name);
        (deprecated(need), at)
    });
    let variables = || {
        let named = names.iter().filter_map(|name| name.strip_prefix("env:"));
        named.chain(group.iter().flat_map(Need::variables))
    };
    let Some(first) = group
        .first()
        .filter(|_| !variables().any(|v| is_set(cx.world, v)))
    else {
        return;
    };
    let form = first.form();
    let listed = quoted_list(
        names
            .iter()
            .map(SmolStr::as_str)
            .filter(|name| !name.starts_with("env:")),
    );
    let message = format!("{} needs one of the options {listed}", subject.what);
    let mut diagnostic = Diagnostic::error("check/missing-option", subject.span, message)
        .help(format!("add `{form}`"))
        .lacking(names.iter().map(SmolStr::as_str));
    if let Some(variable) = variables().next() {
        diagnostic.id = "check/expected-option";
        diagnostic.severity = Severity::Warning;
        diagnostic
            .message
            .push_str(&format!(", or `{variable}` in the environment"));
    }
    let names = names.iter().map(SmolStr::as_str);
    cx.report(placed(diagnostic, names, given));
}
