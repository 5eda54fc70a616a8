//! What a template declares, for programs: `inspect -json`, described in `docs/plan-json.md`.

use imgc_compiler::compile::Compilation;
use imgc_compiler::plan::Plan;
use imgc_runtime::redact::Redactor;
use serde_json::{Value, json};

use crate::plan_json::{masked, value};

use super::blocks;

/// Version of the form; grows when a program that reads it could break.
const VERSION: u32 = 1;

/// The whole template.
pub(super) fn report(compilation: &Compilation, plan: &Plan) -> Value {
    // For secrets that reached a value without their mark.
    let redact = Redactor::declared(plan);
    let value = |one: &imgc_compiler::value::Value| masked(value(one), &redact);
    let variables = plan.variables.iter().map(|variable| {
        let declared = compilation.module.variables.get(&variable.name);
        json!({
            "name": variable.name,
            "value": value(&variable.value),
            "origin": variable.origin,
            "required": declared.is_some_and(|declared| declared.default.is_none()),
            "sensitive": variable.value.is_sensitive(),
        })
    });
    let locals = compilation.names.iter().flat_map(|names| &names.locals.0);
    let mut locals: Vec<_> = locals.collect();
    locals.sort_by_key(|(name, _)| name.as_str());
    let locals = locals
        .into_iter()
        .map(|(name, local)| json!({ "name": name, "value": value(local) }));
    let builds = blocks(plan);
    let builds = builds.iter().map(|block| {
        json!({
            "name": (!block.name.is_empty()).then_some(block.name),
            "description": block.description,
            "sources": block.sources,
            "provisioners": block.provisioners,
            "post-processors": block.post_processors,
        })
    });
    json!({
        "format": "imgc-inspect",
        "version": VERSION,
        "variables": variables.collect::<Vec<_>>(),
        "locals": locals.collect::<Vec<_>>(),
        "builds": builds.collect::<Vec<_>>(),
    })
}
