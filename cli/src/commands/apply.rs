//! `imgc apply` and `imgc build`: make the images.
//!
//! `apply` shows the plan and asks where something would be deleted or replaced; `build` goes ahead, as Packer does.

use std::collections::BTreeSet;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::Arc;

use imgc_compiler::compile::{Compilation, Request, Unreadable};
use imgc_compiler::plan::Plan;
use imgc_runtime::event::Redact as _;
use imgc_runtime::redact::Redactor;
use imgc_runtime::settings::Reuse;
use imgc_state::Sqlite;

use crate::args::{ApplyArgs, BuildArgs, DisplayArgs, RunArgs};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::plan_file::{self, PlanFile};
use crate::plan_text::{self, counted};
use crate::reuse;
use crate::run::replaced::{self, Output};
use crate::run::{self, Asked};
use crate::state;
use crate::terminal::{Terminal, complain, harmless, print, shown_path};
use crate::world::RealWorld;

use super::{compile_in, exit_of, json_text, note_empty, note_ignored, refuse_plan_file};

/// What is about to run.
struct Ready {
    /// The template and what was said about it.
    request: Request,
    compilation: ManuallyDrop<Compilation>,
    plan: Plan,
    world: Arc<RealWorld>,
}

pub(super) fn apply(args: ApplyArgs, display: &DisplayArgs, terminal: Terminal) -> Outcome {
    note_ignored(&args.template.ignored);
    let mut resume = None;
    let ready = match plan_file::read(&args.template.path)? {
        Some(file) => {
            let other = &args.template;
            if !(other.only.is_empty() && other.except.is_empty() && other.var_file.is_empty()) {
                return Err(Failure::usage(
                    "`-only`, `-except` and `-var-file` cannot change what a plan file says",
                )
                .help("make a new plan with `imgc plan -out FILE`"));
            }
            if args.run.reuse.resume.is_some() {
                return Err(Failure::usage("a plan file is not a run to go on with")
                    .help("name the template instead, or leave `-resume` out"));
            }
            from_file(&file, &args, terminal)?
        }
        None => ready(args.template.request(), &args.run, &mut resume, terminal)?,
    };
    let mut wanted = reuse::wanted(&args.run.reuse, !args.rebuild, &ready.plan)?;
    wanted.resume = resume;
    let quiet = args.run.json || display.machine_readable;
    if !quiet {
        print(&plan_text::render(&ready.plan, terminal.out, args.verbose))?;
    }
    let place = state::place_to_read(&ready.plan.root, &args.run.state);
    let known = state::existing(&place)?;
    wanted.ours = approve(&ready, (&args, &wanted), known.as_deref(), quiet, terminal)?;
    if !quiet {
        print("\n")?;
    }
    let ahead = (wanted, known);
    go("apply", ready, ahead, &args.run, display, terminal)
}

pub(super) fn build(args: BuildArgs, display: &DisplayArgs, terminal: Terminal) -> Outcome {
    note_ignored(&args.template.ignored);
    refuse_plan_file("build", &args.template.path)?;
    let mut resume = None;
    let ready = ready(args.template.request(), &args.run, &mut resume, terminal)?;
    let mut wanted = reuse::wanted(&args.run.reuse, resume.is_some(), &ready.plan)?;
    wanted.resume = resume;
    let ahead = (wanted, None);
    go("build", ready, ahead, &args.run, display, terminal)
}

fn go(
    command: &'static str,
    ready: Ready,
    (reuse, known): (Reuse, Option<Arc<Sqlite>>),
    run: &RunArgs,
    display: &DisplayArgs,
    terminal: Terminal,
) -> Outcome {
    let Ready {
        request,
        compilation,
        plan,
        world,
    } = ready;
    note_empty(&plan);
    let asked = Asked {
        command,
        request: &request,
        reuse,
        known,
    };
    run::run(
        (&asked, plan),
        &compilation.sources,
        &world,
        run,
        display,
        terminal,
    )
}

/// Compiles; with `--resume` what that run was asked for, at its moment, and `resume` is its id then.
fn ready(
    mut request: Request,
    run: &RunArgs,
    resume: &mut Option<String>,
    terminal: Terminal,
) -> Result<Ready, Failure> {
    let resumed = reuse::resumed(&run.reuse, &run.state, run.lock_timeout, &request)?;
    let world = match resumed {
        Some(resumed) => {
            request = resumed.request;
            *resume = Some(resumed.run);
            resumed.world
        }
        None => RealWorld::new(),
    };
    request.online = true;
    let (compilation, world) = compile_in(&request, world);
    take(request, compilation, world, run.json, terminal)
}

fn from_file(file: &PlanFile, args: &ApplyArgs, terminal: Terminal) -> Result<Ready, Failure> {
    let mut request = file.request(&args.template.var)?;
    let (compilation, world) = compile_in(&request, file.world()?);
    if let (Some(problem), true) = (&compilation.unreadable, request.path.is_relative()) {
        return Err(elsewhere(problem, &args.template.path));
    }
    let ready = take(request.clone(), compilation, world, args.run.json, terminal)?;
    file.verify(&ready.compilation, &ready.plan)?;
    let used = &ready.compilation.modules;
    let has_data = !ready.compilation.module.data.is_empty()
        || used.iter().any(|used| !used.module.data.is_empty());
    let left_open = has_data || ready.world.was_asked_offline();
    if request.online || !left_open {
        return Ok(ready);
    }
    // The plan left open what data sources and services say; now that it is known to be the plan, they are asked.
    request.online = true;
    let (compilation, world) = compile_in(&request, file.world()?);
    take(request, compilation, world, args.run.json, terminal)
}

/// The template of a plan file is not where this command runs.
fn elsewhere(problem: &Unreadable, plan: &Path) -> Failure {
    let beside = plan.parent().filter(|beside| *beside != Path::new(""));
    let failure = Failure::new(
        Exit::Stale,
        format!(
            "the template that the plan was made from is not here: {}: {}",
            shown_path(&problem.path),
            problem.message
        ),
    );
    let shown = shown_path(plan);
    match beside {
        Some(beside) => failure.help(format!(
            "run it in the directory where it was made, perhaps: cd {} && imgc apply {shown}",
            shown_path(beside)
        )),
        None => failure.help("run it in the directory where it was made"),
    }
}

/// Takes the plan out of a compilation, which keeps the texts.
fn take(
    request: Request,
    mut compilation: ManuallyDrop<Compilation>,
    world: Arc<RealWorld>,
    json: bool,
    terminal: Terminal,
) -> Result<Ready, Failure> {
    if json && compilation.has_errors() {
        print(&json_text(&crate::diagnostics::json::report(&compilation)))?;
        return Err(Failure::said(exit_of(&compilation)));
    }
    complain(&crate::diagnostics::render(&compilation, terminal.err));
    match compilation.plan.take() {
        Some(plan) if !compilation.has_errors() => Ok(Ready {
            request,
            compilation,
            plan,
            world,
        }),
        _ => Err(Failure::said(exit_of(&compilation))),
    }
}

/// Asks where something that exists would be deleted or replaced; gives the builds whose outputs may be: they are an earlier
/// run's, or somebody has said yes.
fn approve(
    ready: &Ready,
    (args, wanted): (&ApplyArgs, &Reuse),
    known: Option<&Sqlite>,
    quiet: bool,
    terminal: Terminal,
) -> Result<BTreeSet<String>, Failure> {
    let (plan, force) = (&ready.plan, args.run.force);
    // What an earlier run has made and nobody has touched since is made anew without a question.
    let mut others = replaced::outputs(plan, true);
    let ours = reuse::ours(&others, plan, known)?;
    others.retain(|output| !ours.contains(output));
    // What was altered since is asked about. Whatever else is in the way stops the build, unless `-force` is given.
    let altered = reuse::altered(&others, plan, known)?;
    let asked = replaced::outputs(plan, force);
    others.retain(|output| asked.contains(output) || altered.contains(output));
    let approved = |agreed: &[Output]| reuse::builds(ours.iter().chain(agreed));
    if args.auto_approve {
        return Ok(approved(&altered));
    }
    // What is removed at a provider is gone for good, whoever has made it.
    let may_remove = replaced::may_remove(plan, force);
    if others.is_empty() && !may_remove {
        return Ok(approved(&[]));
    }
    let seen = reuse::before(plan, &ready.world, &args.run.state, (wanted, force))?;
    let removed = match may_remove {
        true => seen.removals(plan),
        false => Vec::new(),
    };
    // What is up to date stays as it is.
    let mut replaced = others;
    replaced.retain(|output| seen.writes(plan, output));
    let altered: Vec<Output> = altered
        .into_iter()
        .filter(|output| replaced.contains(output))
        .collect();
    if replaced.is_empty() && removed.is_empty() {
        return Ok(approved(&altered));
    }
    let mut lines: Vec<String> = replaced
        .iter()
        .map(|output| {
            let path = output.path.display().to_string();
            format!("{} (by {})", harmless(&path), harmless(&output.address))
        })
        .collect();
    let redact = Redactor::declared(plan);
    lines.extend(removed.iter().map(|removing| {
        let what = redact.redact(&removing.what);
        format!("{} (by {})", harmless(&what), harmless(&removing.by))
    }));
    let mut what = Vec::new();
    if !replaced.is_empty() {
        let outputs = counted(replaced.len(), "existing output");
        what.push(format!("{outputs} would be replaced"));
    }
    if !removed.is_empty() {
        let images = counted(removed.len(), "image");
        what.push(format!("{images} would be removed"));
    }
    let what = what.join(", ");
    if quiet || !terminal.interactive {
        let mut failure = Failure::new(Exit::Declined, what)
            .help("add `-auto-approve` to go on without being asked");
        failure.details = lines;
        return Err(failure);
    }
    print(&format!(
        "\n{what}:\n  {}\nGo on? Only `yes` is taken as one: ",
        lines.join("\n  ")
    ))?;
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    match read.is_ok() && answer.trim() == "yes" {
        true => Ok(approved(&altered)),
        false => Err(Failure::new(Exit::Declined, "stopped: nothing was changed")),
    }
}
