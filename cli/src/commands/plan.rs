//! `imgc plan`: what would be made.

use std::sync::Arc;

use imgc_compiler::plan::{Plan, Variable};
use imgc_compiler::source::SourceMap;
use imgc_runtime::preview::Scope;
use imgc_runtime::reuse::Foresight;
use serde_json::json;

use crate::args::{Iam, PlanArgs};
use crate::diagnostics::json as problems;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reuse::Looks;
use crate::terminal::{Terminal, complain, harmless, print, shown_path};
use crate::world::RealWorld;
use crate::{plan_file, plan_json, plan_text, reuse};

use super::{
    compile, compile_in, exit_of, json_text, note_empty, note_ignored, planned, refuse_plan_file,
};

/// Characters of a managed policy at most, spaces not counted (IAM's quotas).
const MANAGED_POLICY: usize = 6144;

pub(super) fn run(args: &PlanArgs, terminal: Terminal) -> Outcome {
    note_ignored(&args.template.ignored);
    refuse_plan_file("plan", &args.template.path)?;
    let mut request = args.template.request();
    // What cannot run here can be looked at; a plan file is there to be run.
    request.show_only = args.out.is_none();
    request.online = args.online;
    request.digest_files = args.json || args.verbose || args.out.is_some();
    let (compilation, world) = compile(&request);
    if args.json && compilation.has_errors() {
        print(&json_text(&problems::report(&compilation)))?;
        return Ok(exit_of(&compilation));
    }
    let file = args
        .out
        .as_ref()
        .filter(|_| !compilation.has_errors())
        .map(|_| plan_file::make(&request, &compilation, &world))
        .transpose()?;
    let places = match (&compilation.plan, args.origins) {
        (Some(plan), true) => places(plan, &compilation.sources),
        _ => Vec::new(),
    };
    let moved = world.was_asked_what_moves();
    let mut plan = planned(compilation, terminal)?;
    if let Some(extent) = args.iam {
        return policies(&plan, &world, extent, args.offline);
    }
    let looks = Looks {
        locked: args.locked,
        offline: args.offline,
        force: args.force,
    };
    let seen = reuse::ahead(&plan, &world, &args.state, looks)?;
    let foresights = &seen.builds;
    let moving = match moved {
        true => {
            let (other, _) = compile_in(&request, world.another());
            let other = other.plan.as_ref();
            other.map_or_else(Vec::new, |other| reuse::moving(&plan, other))
        }
        false => Vec::new(),
    };
    for (variable, place) in plan.variables.iter_mut().zip(places) {
        variable.origin.push_str(&place);
    }
    let text = match args.json {
        true => {
            let mut json = plan_json::plan(&plan);
            json["reuse"] = reuse::show::json(&plan, foresights, &moving);
            json["pins"] = reuse::pins::json(&plan, &seen);
            json["outside"] = reuse::outside::json(&plan, &seen);
            json_text(&json)
        }
        false => {
            let mut text = plan_text::render(&plan, terminal.out, args.verbose);
            let look = terminal.out;
            text += &reuse::outside::text(&plan, &seen, look);
            text += &reuse::pins::text(&plan, &seen, look);
            if !plan.builds.is_empty() && (seen.has_state || args.explain) {
                text += &reuse::show::text(&plan, foresights, &moving, args.explain, look);
            }
            text
        }
    };
    if let (Some(path), Some(file)) = (&args.out, file) {
        plan_file::write(path, &file)?;
    }
    note_empty(&plan);
    print(&text)?;
    if let Some(path) = args.out.as_ref().filter(|_| !args.json) {
        print(&format!(
            "\nWritten to {0}; run it with: imgc apply {0}\n",
            path.display()
        ))?;
    }
    let doomed = reuse::outside::doomed(&plan, &seen);
    if !doomed.is_empty() {
        let what = match doomed.len() {
            1 => "a build would fail",
            _ => "builds would fail",
        };
        let mut failure = Failure::new(Exit::Template, format!("as things are {what}"));
        failure.details = doomed;
        return Err(failure
            .help("mend what the plan marks with `!`, or look with -offline, which asks nobody"));
    }
    let runs = !foresights.iter().all(Foresight::is_up_to_date);
    Ok(match args.detailed_exitcode && runs {
        true => Exit::Run(2),
        false => Exit::Done,
    })
}

/// Prints the policies that let the builds run: the document itself where one is enough.
fn policies(plan: &Plan, world: &Arc<RealWorld>, extent: Iam, offline: bool) -> Outcome {
    let scope = Scope {
        full: extent == Iam::Full,
        offline,
    };
    let policies = reuse::policies(plan, world, scope)?;
    let text = match policies.len() {
        0 => {
            complain("note: no component of this template takes rights of a service\n");
            return Ok(Exit::Done);
        }
        1 => policies.values().map(json_text).collect(),
        _ => json_text(&json!(policies)),
    };
    print(&text)?;
    for (holder, policy) in &policies {
        let text = policy.to_string();
        let size = text.chars().filter(|one| !one.is_whitespace()).count();
        if size > MANAGED_POLICY {
            complain(&format!(
                "note: the policy of {} has {size} characters without spaces, and a managed policy of IAM holds {MANAGED_POLICY}: add it \
                 to a role as a policy of its own (`aws iam put-role-policy`, up to 10240), or make two of its statements\n",
                harmless(holder)
            ));
        }
    }
    Ok(Exit::Done)
}

/// For each variable the line its value is written in, as it continues the origin: `file x.pkrvars.hcl` with `:3`, `default`
/// with `, main.pkr.hcl:2`.
fn places(plan: &Plan, sources: &SourceMap) -> Vec<String> {
    let place = |variable: &Variable| {
        let Some(span) = variable.written else {
            return String::new();
        };
        let file = sources.file(span.file);
        let (line, _) = file.position(span.start);
        match variable.origin == "default" {
            true => format!(", {}:{line}", shown_path(&file.path)),
            false => format!(":{line}"),
        }
    };
    plan.variables.iter().map(place).collect()
}
