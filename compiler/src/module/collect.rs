//! From bodies to declarations.

use std::sync::Arc;

use imgc_syntax::Span;
use indexmap::IndexMap;
use indexmap::map::Entry;

use super::repeat::{Repeat, take_out};
use super::take::{Take, check_identifier, labels, unique};
use super::{
    Local, Module, NO_EQUALS, Settings, Source, Validation, Variable, build, group, outside,
    sentence, stray_block,
};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::registry::Entry as Id;
use crate::hir::{Attribute, Block, Body, Expr, ExprKind, Name};

/// The problems of shape.
pub const IDS: &[Id] = &[
    Id::error(
        "check/unknown-block",
        "a block of a kind that has no place here",
    ),
    Id::error(
        "check/unexpected-attribute",
        "an attribute that has no place here",
    ),
    Id::error("check/duplicate-attribute", "an attribute is given twice"),
    Id::error("check/duplicate-declaration", "a name is declared twice"),
    Id::error(
        "check/wrong-labels",
        "a block has too few or too many labels",
    ),
    Id::error(
        "check/invalid-name",
        "a name has characters that references cannot have",
    ),
    Id::error(
        "check/error-message",
        "the message of a `validation` block is no sentence",
    ),
    Id::error(
        "check/missing-attribute",
        "a block lacks an attribute it must have",
    ),
    Id::note(
        "check/ignored-block",
        "a block for a service that imgc does not use",
    ),
];

const TOP: &[&str] = &[
    "packer",
    "variable",
    "variables",
    "locals",
    "local",
    "data",
    "source",
    "build",
    "provisioners",
    "output",
    "module",
    "hcp_packer_registry",
];

/// Collects the declarations of all files of a template.
pub fn collect(files: Vec<Body>, out: &mut Vec<Diagnostic>) -> Module {
    let mut module = Module::default();
    for file in files {
        module.weak |= file.weak;
        for attribute in &file.attributes {
            out.push(top_level_attribute(attribute));
        }
        for block in file.blocks {
            top_level(block, &mut module, out);
        }
    }
    module
}

fn top_level_attribute(attribute: &Attribute) -> Diagnostic {
    let name = attribute.name.text.as_str();
    let diagnostic = Diagnostic::error(
        "check/unexpected-attribute",
        attribute.name.span,
        format!("an attribute `{name}` cannot stand outside of blocks"),
    );
    if TOP.contains(&name) {
        return diagnostic.help(NO_EQUALS);
    }
    diagnostic.help(format!(
        "to set a variable, put this line into a `*.pkrvars.hcl` file; to name a value, write `locals {{ {name} = … }}`",
    ))
}

fn top_level(block: Block, module: &mut Module, out: &mut Vec<Diagnostic>) {
    match block.kind.text.as_str() {
        "packer" => {
            if labels(&block, &[], out).is_some() {
                module.settings.push(settings(block, out));
            }
        }
        "variable" => {
            if let Some([name]) = labels(&block, &["name"], out) {
                let variable = variable(name, block, out);
                declare_variable(module, variable, out);
            }
        }
        "variables" => {
            if labels(&block, &[], out).is_some() {
                old_variables(block, module, out);
            }
        }
        "locals" => {
            if labels(&block, &[], out).is_some() {
                no_blocks(&block.body, "inside `locals`", out);
                for attribute in unique(block.body.attributes, out) {
                    let local = Local {
                        name: attribute.name,
                        value: attribute.value,
                        sensitive: None,
                    };
                    declare_local(module, local, out);
                }
            }
        }
        "local" => {
            if let Some([name]) = labels(&block, &["name"], out) {
                single_local(name, block, module, out);
            }
        }
        "data" | "source" => {
            let what = if block.kind.text == "data" {
                "data source"
            } else {
                "source"
            };
            if let Some([ty, name]) = labels(&block, &["type", "name"], out) {
                check_identifier(&name, what, out);
                let key = (ty.text.clone(), name.text.clone());
                let shown = format!("{}.{}", ty.text, name.text);
                let into = if what == "source" {
                    &mut module.sources
                } else {
                    &mut module.data
                };
                let mut body = block.body;
                let (mut repeat, mut extends) = (Repeat::default(), None);
                if what == "source" {
                    repeat = Repeat::take(&mut body, out);
                    extends = take_out(&mut body, "extends", out);
                }
                let source = Source {
                    ty,
                    name,
                    repeat,
                    extends,
                    span: block.header,
                    body: Arc::new(body),
                };
                declare(into, key, source, (what, &shown), |s| s.span, out);
            }
        }
        "build" => {
            if labels(&block, &[], out).is_some() {
                let build = build::build(block, &mut module.registry, out);
                module.builds.push(build);
            }
        }
        "provisioners" => {
            if let Some([name]) = labels(&block, &["name"], out) {
                check_identifier(&name, "provisioner group", out);
                let key = name.text.clone();
                let group = group::declared(name, block, out);
                let what = ("provisioner group", key.as_str());
                declare(
                    &mut module.groups,
                    key.clone(),
                    group,
                    what,
                    |g| g.name.span,
                    out,
                );
            }
        }
        "output" => {
            if let Some([name]) = labels(&block, &["name"], out) {
                let output = outside::output(name, block, out);
                let key = output.name.text.clone();
                let what = ("output", key.as_str());
                let into = &mut module.outputs;
                declare(into, key.clone(), output, what, |o| o.name.span, out);
            }
        }
        "module" => {
            if let Some([name]) = labels(&block, &["name"], out) {
                let call = outside::call(name, block, out);
                let key = call.name.text.clone();
                let what = ("module", key.as_str());
                let into = &mut module.modules;
                declare(into, key.clone(), call, what, |c| c.name.span, out);
            }
        }
        "hcp_packer_registry" => {
            if labels(&block, &[], out).is_some() {
                module.registry.extend(registry(block, out));
            }
        }
        _ => stray_block(&block, "at the top of a template", TOP, out),
    }
}

/// A block for HashiCorp's hosted registry (Packer's documentation of `hcp_packer_registry`): its values.
pub(super) fn registry(block: Block, out: &mut Vec<Diagnostic>) -> Vec<Expr> {
    no_blocks(&block.body, "inside `hcp_packer_registry`", out);
    let mut take = Take::new(
        block.body.attributes,
        "in an `hcp_packer_registry` block",
        out,
    );
    let names = [
        "bucket_name",
        "description",
        "labels",
        "bucket_labels",
        "build_labels",
        "channels",
    ];
    let values = names.map(|name| take.value(name));
    take.finish(out);
    out.push(
        Diagnostic::note(
            "check/ignored-block",
            block.kind.span,
            "images are not registered with HCP Packer: this block has no effect",
        )
        .help("a `manifest` post-processor keeps what was made in a file"),
    );
    values.into_iter().flatten().collect()
}

fn declare<K: std::hash::Hash + Eq, V>(
    into: &mut IndexMap<K, V>,
    key: K,
    value: V,
    what: (&str, &str),
    place: impl Fn(&V) -> Span,
    out: &mut Vec<Diagnostic>,
) {
    match into.entry(key) {
        Entry::Occupied(first) => out.push(
            Diagnostic::error(
                "check/duplicate-declaration",
                place(&value),
                format!("the {} `{}` is declared twice", what.0, what.1),
            )
            .label(place(first.get()), "first declared here")
            .help("give one of them another name, or remove it"),
        ),
        Entry::Vacant(free) => {
            free.insert(value);
        }
    }
}

fn declare_variable(module: &mut Module, variable: Variable, out: &mut Vec<Diagnostic>) {
    let name = variable.name.text.clone();
    declare(
        &mut module.variables,
        name.clone(),
        variable,
        ("variable", &name),
        |v| v.name.span,
        out,
    );
}

fn declare_local(module: &mut Module, local: Local, out: &mut Vec<Diagnostic>) {
    let name = local.name.text.clone();
    declare(
        &mut module.locals,
        name.clone(),
        local,
        ("local", &name),
        |l| l.name.span,
        out,
    );
}

pub(super) fn no_blocks(body: &Body, context: &str, out: &mut Vec<Diagnostic>) {
    for block in &body.blocks {
        stray_block(block, context, &[], out);
    }
}

fn settings(block: Block, out: &mut Vec<Diagnostic>) -> Settings {
    let mut take = Take::new(block.body.attributes, "in a `packer` block", out);
    let required_version = take.value("required_version");
    take.finish(out);
    let mut required_plugins = Vec::new();
    for inner in block.body.blocks {
        if inner.kind.text == "required_plugins" {
            no_blocks(&inner.body, "inside `required_plugins`", out);
            required_plugins.extend(unique(inner.body.attributes, out));
        } else {
            stray_block(&inner, "inside `packer`", &["required_plugins"], out);
        }
    }
    Settings {
        required_version,
        required_plugins,
        span: block.header,
    }
}

fn variable(name: Name, block: Block, out: &mut Vec<Diagnostic>) -> Variable {
    // Legacy templates call their variables as they like.
    if !block.body.weak {
        check_identifier(&name, "variable", out);
    }
    let mut take = Take::new(block.body.attributes, "in a `variable` block", out);
    let mut variable = Variable {
        name,
        ty: take.value("type"),
        default: take.value("default"),
        description: take.value("description"),
        sensitive: take.value("sensitive"),
        nullable: take.value("nullable"),
        validations: Vec::new(),
        span: block.header,
    };
    take.value("ephemeral");
    let meant = take.finish(out);
    if variable.default.is_none() && meant.contains(&"default") {
        // One mistake, one message: it is misspelt, not missing.
        variable.default = Some(Expr {
            kind: ExprKind::Error,
            span: variable.name.span,
        });
    }
    let validations = block.body.blocks.into_iter().filter_map(|inner| {
        if inner.kind.text != "validation" {
            stray_block(&inner, "inside `variable`", &["validation"], out);
            return None;
        }
        let mut take = Take::new(inner.body.attributes, "in a `validation` block", out);
        let condition = take.value("condition");
        let error_message = take.value("error_message");
        let meant = take.finish(out);
        out.extend(error_message.as_ref().and_then(sentence::check));
        for (name, given) in [
            ("condition", condition.is_some()),
            ("error_message", error_message.is_some()),
        ] {
            if !given && !meant.contains(&name) {
                out.push(missing("validation", name, inner.header));
            }
        }
        Some(Validation {
            condition,
            error_message,
            span: inner.header,
        })
    });
    Variable {
        validations: validations.collect(),
        ..variable
    }
}

pub(super) fn missing(block: &str, attribute: &str, place: Span) -> Diagnostic {
    Diagnostic::error(
        "check/missing-attribute",
        place,
        format!("this `{block}` block has no `{attribute}`"),
    )
    .help(format!("add `{attribute} = …`"))
}

fn old_variables(block: Block, module: &mut Module, out: &mut Vec<Diagnostic>) {
    no_blocks(&block.body, "inside `variables`", out);
    for attribute in unique(block.body.attributes, out) {
        let variable = Variable {
            span: attribute.name.span,
            name: attribute.name,
            ty: None,
            default: Some(attribute.value),
            description: None,
            sensitive: None,
            nullable: None,
            validations: Vec::new(),
        };
        declare_variable(module, variable, out);
    }
}

fn single_local(name: Name, block: Block, module: &mut Module, out: &mut Vec<Diagnostic>) {
    check_identifier(&name, "local", out);
    no_blocks(&block.body, "inside `local`", out);
    let mut take = Take::new(block.body.attributes, "in a `local` block", out);
    let value = take.value("expression");
    let sensitive = take.value("sensitive");
    let meant = take.finish(out);
    match value {
        Some(value) => declare_local(
            module,
            Local {
                name,
                value,
                sensitive,
            },
            out,
        ),
        None if meant.contains(&"expression") => {}
        None => out.push(missing("local", "expression", block.header)),
    }
}
