//! A legacy template as Packer's `inspect` shows it: what must be set, what may be, builders, provisioners.

use std::fmt::Write as _;

use imgc_compiler::compile::Compilation;
use imgc_compiler::eval;
use imgc_compiler::module::Variable;
use imgc_compiler::plan::Plan;

use crate::terminal::harmless;

use super::{blocks, escaped};

/// The text for people.
pub(super) fn text(compilation: &Compilation, plan: &Plan) -> String {
    let mut out = String::from("Packer Inspect: JSON mode\n");
    let blocks = blocks(plan);
    if let Some(text) = blocks.iter().find_map(|block| block.description) {
        let _ = writeln!(out, "Description:\n\n{}\n", harmless(text));
    }
    let (required, optional) = variables(compilation, plan);
    if !required.is_empty() {
        out.push_str("Required variables:\n\n");
        for name in &required {
            let _ = writeln!(out, "  {name}");
        }
        out.push('\n');
    }
    if !optional.is_empty() {
        let width = optional.iter().map(|(name, _)| name.len()).max();
        let width = width.unwrap_or(0);
        out.push_str("Optional variables and their defaults:\n\n");
        for (name, default) in &optional {
            let _ = writeln!(out, "  {name:width$} = {}", harmless(default));
        }
        out.push('\n');
    }
    out.push_str("Builders:\n\n");
    let builders = builders(plan);
    let width = builders.iter().map(|(name, _)| name.len()).max();
    let width = width.unwrap_or(0);
    for (name, ty) in &builders {
        let line = match name == ty {
            true => format!("  {name}"),
            false => format!("  {name:width$} ({ty})"),
        };
        let _ = writeln!(out, "{}", harmless(&line));
    }
    if builders.is_empty() {
        out.push_str("  <No builders>\n");
    }
    out.push_str("\nProvisioners:\n\n");
    let provisioners = provisioners(plan);
    for ty in &provisioners {
        let _ = writeln!(out, "  {ty}");
    }
    if provisioners.is_empty() {
        out.push_str("  <No provisioners>\n");
    }
    out
}

/// The lines for programs: `template-variable` with name, default and whether it is required, `template-builder`,
/// `template-provisioner`.
pub(super) fn machine_readable(compilation: &Compilation, plan: &Plan, now: i64) -> String {
    let mut out = String::new();
    let mut line = |fields: &[&str]| {
        let fields: Vec<String> = fields.iter().map(|field| escaped(field)).collect();
        let _ = writeln!(out, "{now},,{}", fields.join(","));
    };
    let (required, optional) = variables(compilation, plan);
    for name in &required {
        line(&["template-variable", name, "", "1"]);
    }
    for (name, default) in &optional {
        line(&["template-variable", name, default, "0"]);
    }
    for (name, ty) in builders(plan) {
        line(&["template-builder", &name, &ty]);
    }
    for ty in provisioners(plan) {
        line(&["template-provisioner", ty]);
    }
    out
}

/// The names without a default, and those with one, sorted. What the environment or a flag says plays no part.
fn variables(compilation: &Compilation, plan: &Plan) -> (Vec<String>, Vec<(String, String)>) {
    let (mut required, mut optional) = (Vec::new(), Vec::new());
    for (name, variable) in &compilation.module.variables {
        let secret = plan
            .variables
            .iter()
            .any(|known| known.name == *name && known.value.is_sensitive());
        match default(compilation, variable) {
            None => required.push(name.to_string()),
            Some(_) if secret => optional.push((name.to_string(), "<sensitive>".to_owned())),
            Some(text) => optional.push((name.to_string(), text)),
        }
    }
    required.sort();
    optional.sort();
    (required, optional)
}

/// A default as its text; one that has to be computed as it is written.
fn default(compilation: &Compilation, variable: &Variable) -> Option<String> {
    let expression = variable.default.as_ref()?;
    let mut problems = Vec::new();
    let value = eval::constant(expression, &mut problems);
    if value.is_null() {
        return None;
    }
    Some(match value.as_str() {
        Some(text) => text.to_owned(),
        None => {
            let written = compilation.sources.text(expression.span);
            written.trim_matches('"').to_owned()
        }
    })
}

/// Name and type of each builder, sorted.
fn builders(plan: &Plan) -> Vec<(String, String)> {
    let builds = plan.builds.iter();
    let mut builders: Vec<_> = builds
        .map(|build| (build.source_name.to_string(), build.builder.to_string()))
        .collect();
    builders.sort();
    builders
}

fn provisioners(plan: &Plan) -> Vec<&str> {
    let blocks = blocks(plan);
    blocks
        .into_iter()
        .flat_map(|block| block.provisioners)
        .collect()
}
