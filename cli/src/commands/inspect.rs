//! `imgc inspect`: variables, sources and builds, in Packer's shape.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use imgc_compiler::plan::{Build, Plan, StepKind};

use crate::args::{DisplayArgs, InspectArgs};
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::plan_shape::component;
use crate::terminal::{Terminal, harmless, print};

use super::{compile, note_ignored, planned};

pub(super) fn run(args: &InspectArgs, display: &DisplayArgs, terminal: Terminal) -> Outcome {
    note_ignored(&args.template.ignored);
    let mut request = args.template.request();
    request.check_only = true;
    let (compilation, world) = compile(&request);
    let plan = planned(compilation, terminal)?;
    let text = inspect(&plan);
    let text = match display.machine_readable {
        true => machine_readable(&text, world.clock().0),
        false => text,
    };
    print(&text)?;
    Ok(Exit::Done)
}

/// Variables with their values, then each build with its sources, provisioners and post-processors.
fn inspect(plan: &Plan) -> String {
    let mut out = String::from("Packer Inspect: HCL2 mode\n\n> input-variables:\n\n");
    for variable in &plan.variables {
        let value = variable.value.display();
        let _ = writeln!(out, "var.{}: {}", variable.name, harmless(&value));
    }
    out.push_str("\n> builds:\n");
    let mut blocks: Vec<(&str, Vec<usize>)> = Vec::new();
    for (at, build) in plan.builds.iter().enumerate() {
        match blocks
            .last_mut()
            .filter(|(name, _)| same_block(plan, name, build))
        {
            Some((_, builds)) => builds.push(at),
            None => blocks.push((&build.block_name, vec![at])),
        }
    }
    for (number, (name, builds)) in blocks.iter().enumerate() {
        let title = match name.is_empty() {
            true => format!("<unnamed build {number}>"),
            false => (*name).to_owned(),
        };
        let _ = writeln!(out, "\n  > {}:\n", harmless(&title));
        if let Some(text) = builds
            .first()
            .and_then(|at| plan.builds[*at].description.as_deref())
        {
            let _ = writeln!(out, "    > Description: {}\n", harmless(text));
        }
        out.push_str("    sources:\n\n");
        for at in builds {
            let build = &plan.builds[*at];
            let _ = writeln!(out, "      {}.{}", build.builder, build.source_name);
        }
        list(&mut out, "provisioners", components(plan, builds, false));
        list(&mut out, "post-processors", components(plan, builds, true));
    }
    out
}

/// Builds of one block follow each other; unnamed blocks cannot be told apart by name, so each build stands alone.
fn same_block(_: &Plan, name: &str, build: &Build) -> bool {
    !name.is_empty() && name == build.block_name
}

/// The components of a block in their order: what any of its builds runs, since `only` and `except` leave some out of some.
fn components(plan: &Plan, builds: &[usize], post: bool) -> BTreeMap<(u32, u32), String> {
    let steps = plan
        .steps
        .iter()
        .filter(|step| builds.contains(&(step.build.0 as usize)));
    steps
        .filter_map(|step| {
            let name = component(step)?.to_owned();
            match step.kind {
                StepKind::PostProcess {
                    chain, position, ..
                } if post => Some(((chain, position), name)),
                StepKind::Provision { index, .. } if !post => Some(((index, 0), name)),
                _ => None,
            }
        })
        .collect()
}

fn list(out: &mut String, title: &str, components: BTreeMap<(u32, u32), String>) {
    let _ = writeln!(out, "\n    {title}:\n");
    if components.is_empty() {
        out.push_str("      <no ");
        out.push_str(title.trim_end_matches('s'));
        out.push_str(">\n");
    }
    for ((number, _), name) in components {
        let _ = writeln!(out, "      {number}: {name}");
    }
}

/// The text as Packer's `ui,say` lines.
fn machine_readable(text: &str, now: i64) -> String {
    let escape = |line: &str| {
        line.replace('%', "%!(PACKER_PERCENT)")
            .replace(',', "%!(PACKER_COMMA)")
    };
    let lines = text
        .lines()
        .map(|line| format!("{now},,ui,say,{}\n", escape(line)));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_sample_plan() {
        insta::assert_snapshot!(inspect(&sample::plan()), @r#"
        Packer Inspect: HCL2 mode

        > input-variables:

        var.name: "web"
        var.password: (sensitive)

        > builds:

          > web:

            > Description: A web server.

            sources:

              null.base

            provisioners:

              0: shell
              1: shell

            post-processors:

              <no post-processor>

          > note:

            sources:

              file.base

            provisioners:

              <no provisioner>

            post-processors:

              0: checksum
              1: manifest
        "#);
    }
}
