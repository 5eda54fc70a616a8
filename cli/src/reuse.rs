//! What of earlier runs is used: the flags, and what `plan` says about it.
//!
//! In: `--rebuild`, `--replace`, `--resume`, a plan, the state beside it. Out: what the runtime is told
//! ([`imgc_runtime::settings::Reuse`]), the request and the moment of a run that is gone on with, and for `plan` what
//! would be made, what would not, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use imgc_compiler::compile::{self, Request};
use imgc_compiler::diagnostic::nearest;
use imgc_compiler::plan::inputs::canonical;
use imgc_compiler::plan::{BuildId, Plan};
use imgc_compiler::source::World;
use imgc_compiler::value::Value;
use imgc_runtime::builder;
use imgc_runtime::hold::release_failed;
use imgc_runtime::identity::{self, Fate};
use imgc_runtime::pins::drift;
use imgc_runtime::preview::{self, Look, Preview, Removing, Scope};
use imgc_runtime::reuse::{self, Ahead, Foresight, Verdict};
use imgc_runtime::settings::{Reuse, Settings};
use imgc_runtime::state::{ArtifactRecord, FileIdentity, Memory, Run, State};

use imgc_state::Sqlite;

use crate::args::{ReuseArgs, StateArgs};
use crate::components;
use crate::exit::Exit;
use crate::failure::{Failure, reason};
use crate::lock;
use crate::plan_file::{unhex, variable_name};
use crate::run::replaced::{self, Output};
use crate::state;
use crate::terminal::{complain, harmless};
use crate::world::{Disk, RealWorld};

pub(crate) mod outside;
pub(crate) mod pins;
pub(crate) mod show;

/// How often it is looked whether a run has ended.
const POLL: Duration = Duration::from_millis(100);

/// What the flags ask for; `on` without them.
pub(crate) fn wanted(args: &ReuseArgs, on: bool, plan: &Plan) -> Result<Reuse, Failure> {
    for address in &args.replace {
        let builds = plan.builds.iter().map(|build| build.address.as_str());
        let checks = plan.builds.iter().flat_map(|build| &build.checks);
        let steps = plan.steps.iter().chain(checks);
        let steps = steps.map(|step| step.address.as_str());
        let all: Vec<&str> = builds.chain(steps).collect();
        if all.contains(&address.as_str()) {
            continue;
        }
        let failure = Failure::usage(format!("there is no build or step `{address}` to replace"));
        return Err(match nearest(address, all) {
            Some(near) => failure.help(format!("did you mean `{near}`?")),
            None => failure.help("`imgc plan -verbose` shows the addresses"),
        });
    }
    Ok(Reuse {
        on,
        replace: args.replace.clone(),
        ..Reuse::default()
    })
}

/// A run that is gone on with: what it was asked for, and its moment.
pub(crate) struct Resumed {
    /// Its id.
    pub(crate) run: String,
    /// What to compile.
    pub(crate) request: Request,
    /// Its clock and random numbers.
    pub(crate) world: RealWorld,
}

/// The run that `--resume` means.
pub(crate) fn resumed(
    args: &ReuseArgs,
    state: &StateArgs,
    patience: Option<Duration>,
    request: &Request,
) -> Result<Option<Resumed>, Failure> {
    let Some(wanted) = &args.resume else {
        return Ok(None);
    };
    let place = state::place_to_read(&state::root(&request.path), state);
    let known: Arc<dyn State> = match state::existing(&place)? {
        Some(known) => known,
        None => Arc::new(Memory::new()),
    };
    let template = state::absolute(&request.path);
    let meant = wait(reuse::meant(&*known, Some(wanted), &template))?;
    let_go(&*known, &meant, patience)?;
    let run = wait(reuse::resumable(&*known, Some(&meant.new.id), &template))?;
    let world = unhex(&run.new.seed).map(|seed| RealWorld::at(run.new.clock, seed));
    let world = world.ok_or_else(|| {
        Failure::new(Exit::Environment, "what is recorded of the run is damaged")
            .help("run without `-resume`")
    })?;
    let declared = match run.new.vars.is_empty() && request.vars.is_empty() {
        true => None,
        false => declared(request),
    };
    Ok(Some(Resumed {
        request: repeated(&run, request, declared.as_ref())?,
        world,
        run: run.new.id,
    }))
}

/// Lets the machines go that a run holds after a failure, and waits for the run's end, at most `patience`.
fn let_go(known: &dyn State, run: &Run, patience: Option<Duration>) -> Result<(), Failure> {
    let scratch = &run.new.scratch;
    let unreadable = |error| Failure::file("read", scratch, &error);
    let is_live = || wait(known.is_live(&run.new.id));
    if !is_live()? || release_failed(scratch).map_err(unreadable)?.is_empty() {
        // One that is at work is refused.
        return Ok(());
    }
    complain(&format!(
        "note: run {} holds a machine: it is let go, and the end of that run is waited for\n",
        state::short(&run.new.id)
    ));
    let begin = Instant::now();
    while is_live()? && patience.is_none_or(|patience| begin.elapsed() < patience) {
        std::thread::sleep(POLL);
        // Another of its builds may have failed in the meantime.
        release_failed(scratch).map_err(unreadable)?;
    }
    Ok(())
}

/// The variables that the template declares now, each with whether somebody has to set it; `None` where that cannot be read,
/// or where any may be set.
fn declared(request: &Request) -> Option<BTreeMap<String, bool>> {
    let quick = Request {
        names_only: true,
        vars: Vec::new(),
        var_files: Vec::new(),
        ..request.clone()
    };
    let world: Arc<dyn World> = Arc::new(RealWorld::new());
    let compilation = compile::compile(&quick, &Disk, &world, &components::registry());
    if compilation.unreadable.is_some() || compilation.module.weak {
        return None;
    }
    let variables = compilation.module.variables.iter();
    let all = variables.map(|(name, variable)| (name.to_string(), variable.default.is_none()));
    Some(all.collect())
}

/// The request of a run, with the secrets that are given again. `declared` are the variables of the template as it is now:
/// others are not set any more, and one that is new and has to be set may be.
fn repeated(
    run: &Run,
    given: &Request,
    declared: Option<&BTreeMap<String, bool>>,
) -> Result<Request, Failure> {
    let new = &run.new;
    let is_gone =
        |variable: &str| declared.is_some_and(|all| !all.contains_key(variable_name(variable)));
    let refuse = |what: &str| {
        Failure::usage(format!(
            "{what} cannot change what the run {} was asked for",
            state::short(&new.id)
        ))
        .help("leave it out, or run without `-resume`: what is unchanged is reused all the same")
    };
    let files: Vec<PathBuf> = given
        .var_files
        .iter()
        .map(|file| state::absolute(file))
        .collect();
    if !files.is_empty() && files != new.var_files {
        return Err(refuse("`-var-file`"));
    }
    if !given.only.is_empty() && given.only != new.only {
        return Err(refuse("`-only`"));
    }
    if !given.except.is_empty() && given.except != new.except {
        return Err(refuse("`-except`"));
    }
    for variable in new.vars.iter().filter(|variable| is_gone(variable)) {
        complain(&format!(
            "note: run {} was given `{}`, which no template here declares any more: it is left out\n",
            state::short(&new.id),
            harmless(variable_name(variable))
        ));
    }
    let remembered: Vec<&String> = new.vars.iter().filter(|var| !is_gone(var)).collect();
    let secrets: Vec<&String> = remembered
        .iter()
        .filter(|var| !var.contains('='))
        .copied()
        .collect();
    for variable in &given.vars {
        let name = variable_name(variable);
        let was_given = remembered.iter().any(|var| variable_name(var) == name);
        let is_new = !was_given && declared.and_then(|all| all.get(name)) == Some(&true);
        // One that nobody declares is said by the compiler.
        if is_new || is_gone(variable) {
            continue;
        }
        if !new.vars.contains(variable) && !secrets.iter().any(|secret| *secret == name) {
            return Err(refuse(&format!("`-var {name}=…`")));
        }
    }
    let missing: Vec<String> = secrets
        .iter()
        .filter(|secret| !given.vars.iter().any(|var| variable_name(var) == **secret))
        .map(|secret| format!("-var '{secret}=...'"))
        .collect();
    if !missing.is_empty() {
        let text = "this run was given secret values, which are not remembered";
        return Err(Failure::usage(text).help(format!("give them again: {}", missing.join(" "))));
    }
    let open = remembered.iter().filter(|var| var.contains('='));
    let others = given.vars.iter().filter(|var| !remembered.contains(var));
    Ok(Request {
        vars: open.copied().chain(others).cloned().collect(),
        var_files: new.var_files.clone(),
        only: new.only.clone(),
        except: new.except.clone(),
        ..given.clone()
    })
}

/// Which existing outputs are those of earlier runs, as they made them.
pub(crate) fn ours(
    outputs: &[Output],
    plan: &Plan,
    state: Option<&Sqlite>,
) -> Result<Vec<Output>, Failure> {
    let Some(state) = state.filter(|_| !outputs.is_empty()) else {
        return Ok(Vec::new());
    };
    let images = wait(state.images())?;
    let is_ours = |output: &&Output| {
        let mut known = Known {
            records: Vec::new(),
            beside: Vec::new(),
        };
        let records = images
            .iter()
            .filter(|record| record.step == output.address || record.build == output.address);
        // What somebody has done by hand cannot be made again.
        known.records.extend(records.filter(|record| !record.shell));
        let beside = replaced::beside(plan, &output.address).into_iter();
        let written = beside.filter(|one| {
            let mut records = known.records.iter();
            records.any(|record| record.step == one.address)
        });
        known.beside = written.map(|one| state::absolute(&one.path)).collect();
        known.covers(&state::absolute(&output.path), &|fate| fate == Fate::Same)
    };
    Ok(outputs.iter().filter(is_ours).cloned().collect())
}

/// Which existing outputs the last run of their build has made, and are not as it made them: another image is there now, or
/// one on whose machine somebody had a shell. A directory in which there is anything else is not among them.
pub(crate) fn altered(
    outputs: &[Output],
    plan: &Plan,
    state: Option<&Sqlite>,
) -> Result<Vec<Output>, Failure> {
    let Some(state) = state.filter(|_| !outputs.is_empty()) else {
        return Ok(Vec::new());
    };
    let images = wait(state.images())?;
    let is_altered = |output: &&Output| {
        let path = state::absolute(&output.path);
        let of_build = |record: &&ArtifactRecord| {
            record.step == output.address || record.build == output.address
        };
        let records: Vec<&ArtifactRecord> = images.iter().filter(of_build).collect();
        let last = records.first().map(|record| &record.run);
        let is_touched = records.iter().any(|record| {
            let mut files = record.files.iter();
            Some(&record.run) == last
                && files.any(|file| {
                    file.path.starts_with(&path)
                        && (record.shell || identity::fate(file) == Fate::Altered)
                })
        });
        let beside = replaced::beside(plan, &output.address).into_iter();
        let known = Known {
            records,
            beside: beside.map(|one| state::absolute(&one.path)).collect(),
        };
        is_touched && known.covers(&path, &|fate| fate != Fate::Gone)
    };
    Ok(outputs.iter().filter(is_altered).cloned().collect())
}

/// What an earlier run has made of a build.
struct Known<'a> {
    records: Vec<&'a ArtifactRecord>,
    /// Files that its post-processors have written beside the artifacts.
    beside: Vec<PathBuf>,
}

impl Known<'_> {
    /// Whether all there is at a path was made by that run and has become what `counts`.
    fn covers(&self, path: &Path, counts: &dyn Fn(Fate) -> bool) -> bool {
        let mut files = self.records.iter().flat_map(|record| &record.files);
        if self.beside.iter().any(|beside| beside == path)
            || files.any(|file| file.path == path && counts(bytes(file)))
        {
            return true;
        }
        let Ok(entries) = std::fs::read_dir(path) else {
            return false;
        };
        let mut entries = entries.map(|entry| entry.map(|entry| entry.path()));
        entries.all(|entry| entry.is_ok_and(|entry| self.covers(&entry, counts)))
    }
}

/// What has become of every byte of a file, also of those that others have written.
fn bytes(known: &FileIdentity) -> Fate {
    identity::fate(&FileIdentity {
        lines: Vec::new(),
        ..known.clone()
    })
}

/// The builds among outputs.
pub(crate) fn builds<'a>(outputs: impl Iterator<Item = &'a Output>) -> BTreeSet<String> {
    outputs.map(|output| output.address.clone()).collect()
}

/// What is seen when one looks ahead.
pub(crate) struct Seen {
    /// Each build.
    pub(crate) builds: Vec<Foresight>,
    /// What builders show of the outside.
    pub(crate) previews: Vec<(BuildId, Preview)>,
    /// What the lock file has.
    pub(crate) known: builder::Known,
    /// Whether there is a state yet.
    pub(crate) has_state: bool,
}

/// How one looks ahead.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Looks {
    /// What is not as the lock file has it is refused.
    pub(crate) locked: bool,
    /// Nobody is asked over the network.
    pub(crate) offline: bool,
    /// Whatever has the name of what is made goes.
    pub(crate) force: bool,
}

/// What would be reused of a plan, and what builders show of the outside; nothing is known of earlier runs where there is no
/// state yet.
pub(crate) fn ahead(
    plan: &Plan,
    world: &Arc<RealWorld>,
    state: &StateArgs,
    looks: Looks,
) -> Result<Seen, Failure> {
    let reuse = Reuse {
        on: true,
        ..Reuse::default()
    };
    looked(plan, world, state, (looks, reuse))
}

/// What is seen when one looks ahead as a run does; `wanted` as the run has it, `force` whether whatever has the name of what is
/// made goes.
pub(crate) fn before(
    plan: &Plan,
    world: &Arc<RealWorld>,
    state: &StateArgs,
    (wanted, force): (&Reuse, bool),
) -> Result<Seen, Failure> {
    let looks = Looks {
        force,
        ..Looks::default()
    };
    looked(plan, world, state, (looks, wanted.clone()))
}

impl Seen {
    /// What a run would remove of others or of earlier runs at a provider, as far as that can be foreseen.
    pub(crate) fn removals(&self, plan: &Plan) -> Vec<Removing> {
        let mut found: Vec<Removing> = Vec::new();
        for (id, preview) in &self.previews {
            let foresight = self.builds.iter().find(|one| one.build == *id);
            let runs = |removing: &&Removing| {
                foresight.is_none_or(|foresight| will_run(plan, foresight, &removing.by))
            };
            found.extend(preview.removes.iter().filter(runs).cloned());
        }
        found
    }

    /// Whether a run would write an output.
    pub(crate) fn writes(&self, plan: &Plan, output: &Output) -> bool {
        let steps = plan.steps.iter();
        let mut of_step = steps.filter(|step| step.address == output.address);
        let build = of_step.next().map(|step| step.build);
        let of_it = self.builds.iter().find(|foresight| match build {
            Some(build) => foresight.build == build,
            None => plan.build(foresight.build).address == output.address,
        });
        of_it.is_none_or(|foresight| will_run(plan, foresight, &output.address))
    }
}

/// Whether the step of an address has to run, or the machine of a build where it is the build's.
fn will_run(plan: &Plan, foresight: &Foresight, address: &str) -> bool {
    match &foresight.verdict {
        Verdict::UpToDate { .. } => false,
        Verdict::ArtifactThere { missing, .. } => {
            let step = plan.step_ids().find(|id| plan.step(*id).address == address);
            match step {
                Some(step) => missing.contains(&step),
                // All that is published may be one step.
                None => plan.build(foresight.build).address != address,
            }
        }
        Verdict::From { step: behind, .. } => {
            let mut steps = plan.step_ids();
            let step = steps.find(|id| plan.step(*id).address == address);
            // What acts on a machine stands in the order in which it does.
            step.is_none_or(|step| step > *behind)
        }
        Verdict::Whole => true,
    }
}

fn looked(
    plan: &Plan,
    world: &Arc<RealWorld>,
    state: &StateArgs,
    (looks, reuse): (Looks, Reuse),
) -> Result<Seen, Failure> {
    let Looks {
        locked,
        offline,
        force,
    } = looks;
    let place = state::place_to_read(&plan.root, state);
    let mut settings = Settings::new(state::no_run(world));
    let known = state::existing(&place)?;
    let has_state = known.is_some();
    if let Some(known) = known {
        settings.state = known;
    }
    settings.cache = Some(place.cache());
    settings.known = lock::known(&lock::read(&plan.root)?);
    settings.known.offline = offline;
    settings.locked = locked;
    settings.reuse = reuse;
    settings.force = force;
    // Removers look whether what was made is still there, over the network.
    if !offline {
        components::add_removers(&mut settings);
    }
    let door: Arc<dyn World> = world.clone();
    let registry = components::registry();
    let ahead = Ahead {
        plan,
        registry: &registry,
        settings: &settings,
        world: &door,
    };
    let look = Look {
        plan,
        registry: &registry,
        settings: &settings,
        world: &door,
    };
    let (builds, previews) = wait(async {
        let previews = look.previews();
        let (builds, previews) = tokio::join!(Box::pin(reuse::plan(&ahead)), Box::pin(previews));
        Ok((builds?, previews))
    })?;
    let mut previews: Vec<(BuildId, Preview)> = previews;
    for (id, preview) in &mut previews {
        // What a step has done already it does not do again: what it would meet is nothing to be told.
        if let Some(foresight) = builds.iter().find(|one| one.build == *id) {
            let runs = |by: &str| by.is_empty() || will_run(plan, foresight, by);
            preview.findings.retain(|finding| runs(&finding.by));
            preview
                .makes
                .retain(|making| will_run(plan, foresight, &making.by));
            // They are about a machine that is not made then.
            if !will_run(plan, foresight, &plan.build(*id).address) {
                preview.guards.clear();
            }
        }
    }
    let taken = builds.iter().flat_map(|build| &build.pins);
    if locked {
        lock::refuse(&plan.root, &drift(&settings.known, taken))?;
    }
    Ok(Seen {
        builds,
        previews,
        known: settings.known,
        has_state,
    })
}

/// The policies that let the builds of a plan run, by who needs them.
pub(crate) fn policies(
    plan: &Plan,
    world: &Arc<RealWorld>,
    scope: Scope,
) -> Result<BTreeMap<String, serde_json::Value>, Failure> {
    let settings = Settings::new(state::no_run(world));
    let door: Arc<dyn World> = world.clone();
    let registry = components::registry();
    let look = Look {
        plan,
        registry: &registry,
        settings: &settings,
        world: &door,
    };
    let rights = wait(async { Ok(look.rights(scope).await) })?;
    Ok(preview::policies(&rights))
}

/// The options that have another value at another moment, with other random numbers: by address of the step, or of the
/// build for those of its source.
pub(crate) fn moving(plan: &Plan, other: &Plan) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut compare = |address: &str, one: &Value, other: &Value| {
        for (name, value) in one.as_map().into_iter().flatten() {
            let same = other
                .get(name)
                .is_some_and(|other| canonical(other) == canonical(value));
            if !same {
                found.push((address.to_owned(), name.to_string()));
            }
        }
    };
    for (one, other) in plan.builds.iter().zip(&other.builds) {
        compare(&one.address, one.source.value(), other.source.value());
    }
    for (one, other) in plan.steps.iter().zip(&other.steps) {
        compare(&one.address, one.options.value(), other.options.value());
    }
    found
}

/// Waits for what the runtime says.
fn wait<T>(asked: impl Future<Output = imgc_runtime::Result<T>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            let text = format!("cannot begin to read the state: {}", reason(&error));
            Failure::new(Exit::Environment, text)
        })?;
    runtime
        .block_on(asked)
        .map_err(|error| state::failure(&error))
}
