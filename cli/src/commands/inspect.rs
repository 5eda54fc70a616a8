//! `imgc inspect`: variables, locals and builds, in the shape that Packer gives HCL templates; legacy ones have theirs.
//!
//! In: a template, which need not have a value for every variable. Out: text, lines for programs, or JSON.

mod json;
mod legacy;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use imgc_compiler::compile::Compilation;
use imgc_compiler::plan::{Plan, StepKind};

use crate::args::{DisplayArgs, InspectArgs};
use crate::diagnostics;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::plan_shape::component;
use crate::terminal::{Terminal, complain, harmless, print};
use crate::value_text;

use super::{compile, exit_of, json_text, note_ignored, refuse_plan_file};

pub(super) fn run(args: &InspectArgs, display: &DisplayArgs, terminal: Terminal) -> Outcome {
    note_ignored(&args.template.ignored);
    refuse_plan_file("inspect", &args.template.path)?;
    let mut request = args.template.request();
    request.check_only = true;
    request.unset_allowed = true;
    // Scripts that are missing and options that are wrong change nothing of what is shown, and Packer does not look.
    request.offline_files = true;
    request.options_forgiven = true;
    let (compilation, world) = compile(&request);
    let now = world.clock().0;
    let plan = match &compilation.plan {
        Some(plan) => plan,
        None if args.json => {
            print(&json_text(&diagnostics::json::report(&compilation)))?;
            return Ok(exit_of(&compilation));
        }
        None => {
            complain(&diagnostics::render(&compilation, terminal.err));
            return Err(Failure::said(exit_of(&compilation)));
        }
    };
    if args.json {
        print(&json_text(&json::report(&compilation, plan)))?;
        return Ok(Exit::Done);
    }
    complain(&diagnostics::render(&compilation, terminal.err));
    print(&match (compilation.module.weak, display.machine_readable) {
        (true, false) => legacy::text(&compilation, plan),
        (true, true) => legacy::machine_readable(&compilation, plan, now),
        (false, false) => inspect(&compilation, plan),
        (false, true) => machine_readable(&inspect(&compilation, plan), now),
    })?;
    Ok(Exit::Done)
}

/// A `build` block with what its instances have in common.
struct Block<'a> {
    /// Empty if it has none.
    name: &'a str,
    description: Option<&'a str>,
    /// As they are called in the block; repeated ones with their keys.
    sources: Vec<&'a str>,
    /// What any of its sources runs, since `only` and `except` leave some out of some.
    provisioners: Vec<&'a str>,
    /// By sequence.
    post_processors: Vec<Vec<&'a str>>,
}

/// The blocks in the order of the template.
fn blocks(plan: &Plan) -> Vec<Block<'_>> {
    let mut by_place: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (at, build) in plan.builds.iter().enumerate() {
        by_place.entry(build.block_span).or_default().push(at);
    }
    let blocks = by_place.into_values();
    blocks.map(|builds| block(plan, &builds)).collect()
}

fn block<'a>(plan: &'a Plan, builds: &[usize]) -> Block<'a> {
    let first = &plan.builds[builds[0]];
    let mut provisioners = BTreeMap::new();
    let mut chains: BTreeMap<u32, BTreeMap<u32, &str>> = BTreeMap::new();
    let of_block = |at: u32| builds.contains(&(at as usize));
    for step in plan.steps.iter().filter(|step| of_block(step.build.0)) {
        match (step.kind.clone(), component(step)) {
            (StepKind::Provision { index, .. }, Some(name)) => {
                provisioners.insert(index, name);
            }
            (
                StepKind::PostProcess {
                    chain, position, ..
                },
                Some(name),
            ) => {
                chains.entry(chain).or_default().insert(position, name);
            }
            _ => {}
        }
    }
    let short = |at: &usize| {
        let build = &plan.builds[*at];
        let name = build.name.strip_prefix(build.block_name.as_str());
        let name = name.and_then(|name| name.strip_prefix('.'));
        name.unwrap_or(&build.name)
    };
    let checks = first.checks.iter().filter_map(component);
    Block {
        name: &first.block_name,
        description: first.description.as_deref(),
        sources: builds.iter().map(short).collect(),
        provisioners: provisioners.into_values().chain(checks).collect(),
        post_processors: chains
            .into_values()
            .map(|chain| chain.into_values().collect())
            .collect(),
    }
}

/// Variables and locals with their values, then each build with its sources, provisioners and post-processors.
fn inspect(compilation: &Compilation, plan: &Plan) -> String {
    let mut out = String::from("Packer Inspect: HCL2 mode\n\n> input-variables:\n\n");
    let variables = plan.variables.iter();
    out.push_str(&value_text::list(
        "var",
        variables.map(|variable| (variable.name.as_str(), &variable.value)),
    ));
    out.push_str("\n> local-variables:\n\n");
    if let Some(names) = &compilation.names {
        let locals = names.locals.0.iter();
        out.push_str(&value_text::list(
            "local",
            locals.map(|(name, value)| (name.as_str(), value)),
        ));
    }
    out.push_str("\n> builds:\n");
    for (number, block) in blocks(plan).iter().enumerate() {
        let title = match block.name.is_empty() {
            true => format!("<unnamed build {number}>"),
            false => block.name.to_owned(),
        };
        let _ = writeln!(out, "\n  > {}:", harmless(&title));
        if let Some(text) = block.description {
            let _ = writeln!(out, "\n  > Description: {}", harmless(text));
        }
        out.push_str("\n    sources:\n");
        for source in &block.sources {
            let _ = writeln!(out, "\n      {}", harmless(source));
        }
        out.push_str("\n    provisioners:\n\n");
        list(&mut out, "      ", "<no provisioner>", &block.provisioners);
        out.push_str("\n    post-processors:\n\n");
        if block.post_processors.is_empty() {
            out.push_str("      <no post-processor>\n");
        }
        for (number, chain) in block.post_processors.iter().enumerate() {
            let _ = writeln!(out, "{}      {number}:", if number > 0 { "\n" } else { "" });
            list(&mut out, "        ", "<none>", chain);
        }
    }
    out
}

fn list(out: &mut String, indent: &str, none: &str, names: &[&str]) {
    let none = [none];
    let names = if names.is_empty() { &none } else { names };
    for name in names {
        let _ = writeln!(out, "{indent}{name}");
    }
}

/// The text as Packer's `ui,say` lines.
fn machine_readable(text: &str, now: i64) -> String {
    let lines = text
        .lines()
        .map(|line| format!("{now},,ui,say,{}\n", escaped(line)));
    lines.collect()
}

/// A field of Packer's machine-readable form.
fn escaped(field: &str) -> String {
    field
        .replace('%', "%!(PACKER_PERCENT)")
        .replace(',', "%!(PACKER_COMMA)")
        .replace('\n', "\\n")
}
