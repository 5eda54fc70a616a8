//! What is known of options, blocks, functions and values, as Markdown: what hover and completion show.

use std::fmt::Write as _;

use imgc_compiler::components::ComponentKind;
use imgc_compiler::functions::{self, Function, Purity};
use imgc_compiler::schema::{Component, ConstraintKind, Reads, Required, Successor};
use imgc_compiler::value::Value;

use crate::grammar::{Blk, BlkFrom, From, Inside, Opt};

/// More characters of a value than this are not shown.
const MOST: usize = 200;

/// A value as it may be shown: never a secret, never too long.
pub(crate) fn shown(value: &Value) -> String {
    let text = value.display();
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// An option: its declaration and what else is known.
pub(crate) fn option(inside: Inside, opt: &Opt) -> String {
    let mut text = format!("```hcl\n{}: {}\n```\n", opt.name, opt.ty());
    text.push_str(&option_facts(inside, opt));
    text
}

/// What is known of an option besides its type.
pub(crate) fn option_facts(inside: Inside, opt: &Opt) -> String {
    let mut lines: Vec<String> = Vec::new();
    if !opt.doc().is_empty() {
        lines.push(opt.doc().to_owned());
    }
    let mut line = |text: String| lines.push(text);
    match opt.from {
        From::Core(option) => {
            if option.required {
                line("Required.".to_owned());
            }
        }
        From::Schema(attribute) => {
            match attribute.required {
                Required::Yes => line("Required.".to_owned()),
                Required::Newly => line("Required by newer versions.".to_owned()),
                Required::Tagged => line("Required, as its component says.".to_owned()),
                Required::No => {}
            }
            // A rule about several options says it better.
            let ruled = inside
                .component()
                .is_some_and(|(_, component)| one_of_several(component, opt.name));
            if !attribute.required_unless.is_empty() && !ruled {
                let others =
                    attribute
                        .required_unless
                        .iter()
                        .map(|name| match name.strip_prefix("env:") {
                            Some(variable) => format!("the environment variable `{variable}`"),
                            None => format!("`{name}`"),
                        });
                let others: Vec<String> = others.collect();
                line(format!("Not needed with {}.", others.join(", ")));
            }
            if let Some(communicator) = &attribute.required_when {
                line(format!("Required for the communicator `{communicator}`."));
            }
            if let Some(default) = &attribute.default {
                line(format!("Default: `{default}`"));
            }
            if !attribute.env.is_empty() {
                line(format!(
                    "Read from the environment where it is not given: {}",
                    quoted(&attribute.env)
                ));
            }
            if let Some(format) = attribute.format {
                let text = format.describe();
                line(format!("A{}.", &text[1..]));
            }
            match (attribute.least, attribute.most) {
                (Some(least), Some(most)) => line(format!("From {least} to {most}.")),
                (Some(least), None) => line(format!("At least {least}.")),
                (None, Some(most)) => line(format!("At most {most}.")),
                (None, None) => {}
            }
            match attribute.reads {
                Some(Reads::File) => line("Names a file; what is in it counts.".to_owned()),
                Some(Reads::Program) => {
                    line("Names a file to run; what is in it counts.".to_owned());
                }
                Some(Reads::Upload) => line("Names a file or a directory to upload.".to_owned()),
                Some(Reads::Existing) => line("Names a file that must be there.".to_owned()),
                None => {}
            }
            if attribute.sensitive {
                line("Its value is a secret: it is shown nowhere.".to_owned());
            }
            if let Some(also) = &attribute.also {
                line(format!("Some versions take `{also}`."));
            }
            if attribute.deprecated {
                line("Deprecated.".to_owned());
            }
        }
    }
    if !opt.values().is_empty() {
        line(format!("One of {}", quoted(&opt.values())));
    }
    if let Some(body) = inside.body()
        && let Some(successor) = body.renamed.get(opt.name).copied()
    {
        line(match successor {
            Successor::Nothing => "Not needed any more.".to_owned(),
            other => format!("Replaced by `{}`.", other.name().unwrap_or_default()),
        });
    }
    if let Some((_, component)) = inside.component() {
        lines.extend(rules(component, opt.name));
        if let Some(plugin) = &component.plugin {
            lines.push(format!("_{} of {plugin}_", component.name));
        }
    }
    lines.join("\n\n")
}

/// Whether an option is one of several of which one must be given.
fn one_of_several(component: &Component, name: &str) -> bool {
    component.constraints.iter().any(|constraint| {
        constraint.kind == ConstraintKind::AtLeastOne
            && constraint.attributes.iter().any(|of| of == name)
    })
}

/// What an option excludes and needs.
fn rules(component: &Component, name: &str) -> Vec<String> {
    let of_kind = |kind: ConstraintKind| -> Vec<Vec<&str>> {
        let about = component.constraints.iter().filter(|constraint| {
            constraint.kind == kind && constraint.attributes.iter().any(|of| of == name)
        });
        about
            .map(|constraint| constraint.attributes.iter().map(AsRef::as_ref).collect())
            .collect()
    };
    let others = |all: &[&str]| {
        let others: Vec<_> = all.iter().filter(|of| **of != name).collect();
        quoted(&others)
    };
    let mut exclusive = of_kind(ConstraintKind::NotTogether);
    let mut lines = Vec::new();
    for all in of_kind(ConstraintKind::AtLeastOne) {
        // What is both is one rule for a reader.
        match exclusive.iter().position(|other| *other == all) {
            Some(at) => {
                exclusive.remove(at);
                lines.push(format!("Either this or {} must be given.", others(&all)));
            }
            None => lines.push(format!("This or {} must be given.", others(&all))),
        }
    }
    let exclusive = exclusive.iter();
    lines.extend(exclusive.map(|all| format!("Not together with {}.", others(all))));
    let needs = of_kind(ConstraintKind::Requires);
    let needs = needs
        .iter()
        .filter(|all| all.first().is_some_and(|first| *first == name));
    lines.extend(needs.map(|all| format!("Needs {}.", others(all))));
    let idle = of_kind(ConstraintKind::Idles);
    let idle = idle.iter().filter_map(|all| all.first().copied());
    let idle = idle.filter(|first| *first != name);
    lines.extend(idle.map(|first| format!("No effect beside `{first}`.")));
    lines
}

/// A block among others.
pub(crate) fn block(blk: &Blk) -> String {
    let labels: String = blk.labels().iter().fold(String::new(), |mut text, label| {
        let _ = write!(text, " \"{}\"", label.to_uppercase());
        text
    });
    let mut text = format!("```hcl\n{}{labels} {{ … }}\n```\n", blk.kind);
    let mut lines: Vec<String> = Vec::new();
    if !blk.doc().is_empty() {
        lines.push(blk.doc().to_owned());
    }
    if let BlkFrom::Schema(schema) = blk.from {
        if blk.required() {
            lines.push("Required.".to_owned());
        }
        lines.push(match schema.repeated {
            true => "May be repeated.".to_owned(),
            false => "At most once.".to_owned(),
        });
        let required: Vec<&str> = schema
            .body
            .attributes
            .iter()
            .filter(|(_, attribute)| crate::grammar::is_required(attribute.required))
            .map(|(name, _)| name.as_str())
            .collect();
        if !required.is_empty() {
            lines.push(format!("Needs {}", quoted(&required)));
        }
        if schema.deprecated {
            lines.push("Deprecated.".to_owned());
        }
    }
    text.push_str(&lines.join("\n\n"));
    text
}

/// A component by its type.
pub(crate) fn component(kind: ComponentKind, component: &Component) -> String {
    let mut text = format!("**{}** `{}`", kind.word(), component.name);
    if component.is_foreign() {
        text.push_str("\n\nThe catalogue does not know it: any option is taken.");
        return text;
    }
    match (&component.plugin, &component.version) {
        (Some(plugin), Some(version)) => {
            let _ = write!(text, "\n\nof the plugin `{plugin}` {version}");
        }
        (Some(plugin), None) => {
            let _ = write!(text, "\n\nof the plugin `{plugin}`");
        }
        _ => {}
    }
    let required: Vec<&str> = component
        .body
        .attributes
        .iter()
        .filter(|(_, attribute)| crate::grammar::is_required(attribute.required))
        .map(|(name, _)| name.as_str())
        .collect();
    if !required.is_empty() {
        let _ = write!(text, "\n\nNeeds {}", quoted(&required));
    }
    for constraint in &component.constraints {
        if constraint.kind == ConstraintKind::AtLeastOne {
            let _ = write!(text, "\n\nNeeds one of {}", quoted(&constraint.attributes));
        }
    }
    if !component.outputs.is_empty() {
        text.push_str("\n\nGives:\n");
        for (name, ty) in &component.outputs {
            let _ = write!(text, "\n- `{name}`: {ty}");
        }
    }
    text
}

/// A function: signature, what it does, an example.
pub(crate) fn function(function: &Function) -> String {
    let mut text = format!(
        "```hcl\n{}\n```\n{}",
        functions::signature(function),
        function.doc
    );
    let (call, result) = function.example;
    if !call.is_empty() {
        let _ = write!(text, "\n\n```hcl\n{call}");
        if !result.is_empty() {
            let _ = write!(text, "  # {result}");
        }
        text.push_str("\n```");
    }
    let depends = match function.purity {
        Purity::Pure => return text,
        Purity::File => "files",
        Purity::Env => "the environment",
        Purity::Time => "the clock",
        Purity::Random => "chance",
        Purity::Network => "a service",
    };
    let _ = write!(text, "\n\nDepends on {depends}.");
    text
}

/// `` `a`, `b` ``
pub(crate) fn quoted<S: AsRef<str>>(names: &[S]) -> String {
    let names = names.iter().map(|name| format!("`{}`", name.as_ref()));
    names.collect::<Vec<_>>().join(", ")
}
