//! Runs a plan: the only command part that needs threads, signals and a terminal that moves.
//!
//! In: a plan and the flags of `apply` or `build`. Out: the log as events come, log files, the table of step times, the
//! failures with their places in the template, and an exit code.

mod ask;
pub(crate) mod replaced;
mod screen;
mod signals;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgc_compiler::compile::Request;
use imgc_compiler::plan::Plan;
use imgc_compiler::source::{SourceMap, World};
use imgc_runtime::cache::Cache;
use imgc_runtime::cancel::Cancel;
use imgc_runtime::event::Sink;
use imgc_runtime::pins::{self, drift};
use imgc_runtime::registry::Registry;
use imgc_runtime::report::{Json, MachineReadable, Plain, Style, Tee, Trace, times, wall_clock};
use imgc_runtime::run::{RunResult, exit_code};
use imgc_runtime::settings::{OnError, Reuse, Settings};
use imgc_state::{Hold, Sqlite};

use crate::args::{self, DisplayArgs, RunArgs};
use crate::commands::cache::limit_after_run;
use crate::commands::history::prune::limit_after_run as forget_after_run;
use crate::components;
use crate::diagnostics;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome, reason};
use crate::lock;
use crate::outputs;
use crate::state::{self, Place};
use crate::terminal::{Style as Emphasis, Terminal, complain, harmless, shown_path};
use crate::world::RealWorld;
use ask::Person;
use screen::Screen;

/// Runs the plan to its end.
pub(crate) fn run(
    (asked, plan): (&Asked<'_>, Plan),
    sources: &SourceMap,
    compiled_in: &RealWorld,
    args: &RunArgs,
    display: &DisplayArgs,
    terminal: Terminal,
) -> Outcome {
    let for_programs = args.json || display.machine_readable;
    let world = Arc::new(compiled_in.for_run());
    let plan = Arc::new(plan);
    let screen = Screen::new(
        terminal.out.width.is_some() && !for_programs,
        terminal.out.unicode,
    );
    let place = state::place(&plan.root, &args.state);
    let forgetful = state::is_forgetful();
    let known = match forgetful {
        true => None,
        false => Some(state::open(&place, asked.known.clone())?),
    };
    let mut settings = settings(&place, &world, args);
    let origin = (compiled_in.clock(), compiled_in.seed());
    let _held = match known {
        Some(known) => Some(remember(
            known,
            (asked, &plan, args),
            origin,
            &place,
            &mut settings,
        )?),
        None => None,
    };
    let mut registry = components::runnable();
    if terminal.interactive && !for_programs {
        let person = Arc::new(Person::new(screen.clone()));
        registry = registry.with_ask(person.clone());
        settings.ask = Some(person);
    }
    let (sink, plain) = sink(&plan, &screen, args, display, terminal)?;
    let cancel = Cancel::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .enable_all()
        .build()
        .map_err(|error| {
            let text = format!("cannot start the threads of a run: {}", reason(&error));
            Failure::new(Exit::Environment, text)
        })?;
    let logs = settings.log_dir.clone();
    let door: Arc<dyn World> = world;
    if !forgetful {
        runtime.block_on(pin(&plan, &registry, &mut settings, &door))?;
    }
    let cache = (Cache::new(place.cache()), settings.clone());
    let root = plan.root.clone();
    let declared: Vec<String> = plan
        .outputs
        .iter()
        .map(|output| output.name.to_string())
        .collect();
    let (result, stopped) = runtime.block_on(async {
        let voice = screen.clone();
        let stopped = signals::listen(cancel.clone(), move |text| {
            voice.alone(|| complain(&format!("{text}\n")));
        })?;
        let run = imgc_runtime::run::run(plan, Arc::new(registry), settings, sink, door, cancel);
        Ok::<_, Failure>((run.await, stopped))
    })?;
    if let Err(failure) = lock::keep(&root, &result.moved) {
        complain(&failure.text());
    }
    if !for_programs {
        screen.write(&summary(&result, logs.as_deref(), terminal));
    }
    if let Some(plain) = plain {
        plain.close();
    }
    runtime.block_on(async {
        limit_after_run(&cache.0, &cache.1).await;
        if cache.1.new_run.is_some() {
            forget_after_run(&*cache.1.state, &place.directory).await;
        }
    });
    // A question still waiting for an answer must not keep the process.
    runtime.shutdown_background();
    for failure in &result.output_failures {
        if failure.diagnostics.is_empty() {
            let text = format!("{}: {}", failure.address, failure.message);
            complain(&Failure::new(Exit::Template, text).text());
        }
    }
    let kept = outputs::keep(
        &place.directory,
        &asked.request.path,
        &result.outputs,
        &declared,
    );
    if let Err(failure) = kept {
        complain(&failure.text());
    }
    complain(&places(&result, sources, terminal));
    let code = exit_code(&result);
    // A failure of the run says more than that nobody could read of it.
    if let (0, Some(why)) = (code, screen.failure())
        && !stopped.nobody_reads()
    {
        let text = format!("cannot write to standard output: {why}");
        return Err(Failure::new(Exit::Environment, text)
            .help("the run went on without it; its log files have every line"));
    }
    Ok(match code {
        130 => stopped.exit(),
        code => Exit::Run(code),
    })
}

/// Takes the builds: from here on the run is remembered, and what earlier ones left is known to it.
fn remember(
    state: Arc<Sqlite>,
    (asked, plan, args): (&Asked<'_>, &Plan, &RunArgs),
    (clock, seed): ((i64, u32), [u8; 32]),
    place: &Place,
    settings: &mut Settings,
) -> Result<Hold, Failure> {
    let what = (asked.command, asked.request, plan);
    let origin = (&*settings.run_id, clock, seed);
    let mut new_run = state::new_run(what, origin, &settings.scratch);
    new_run.logs = settings.log_dir.as_deref().map(state::absolute);
    new_run.resumes = asked.reuse.resume.clone();
    let held = state::hold(&state, &new_run, args.lock_timeout)?;
    state::notice_dead(&state)?;
    settings.state = state;
    settings.state_place = Some(state::absolute(&place.directory));
    settings.reuse = asked.reuse.clone();
    settings.new_run = Some(new_run);
    settings.renewal = renewal();
    settings.cache = Some(place.cache());
    settings.known = lock::known(&lock::read(&plan.root)?);
    settings.locked = args.locked;
    Ok(held)
}

/// Looks at what builders pin, before anything runs: a run that is killed goes on with the same. What cannot be looked at
/// is the run's own matter, unless everything has to be locked.
async fn pin(
    plan: &Plan,
    registry: &Registry,
    settings: &mut Settings,
    world: &Arc<dyn World>,
) -> Result<(), Failure> {
    let mut found = Vec::new();
    for (build, pins) in pins::look(plan, registry, settings, world).await {
        match pins {
            Ok(pins) => {
                found.extend(pins.iter().cloned());
                settings.known.seen.insert(build, pins);
            }
            Err(error) if settings.locked => return Err(state::failure(&error)),
            Err(_) => {}
        }
    }
    if settings.locked {
        return lock::refuse(&plan.root, &drift(&settings.known, &found));
    }
    lock::keep(&plan.root, &found)?;
    let known = &mut settings.known;
    for pin in found.into_iter().filter(|pin| !pin.is_local()) {
        // What is not as the file had it has been looked at just now.
        if known.pins.get(&pin.name) != Some(&pin) {
            known.fresh.insert(pin.name.clone());
            known.pins.insert(pin.name.clone(), pin);
        }
    }
    Ok(())
}

/// What the user asked for.
pub(crate) struct Asked<'a> {
    /// `apply` or `build`.
    pub(crate) command: &'static str,
    /// The template and what was said about it.
    pub(crate) request: &'a Request,
    /// What of earlier runs is used.
    pub(crate) reuse: Reuse,
    /// The state, where it has been looked at already.
    pub(crate) known: Option<Arc<Sqlite>>,
}

fn settings(place: &Place, world: &RealWorld, args: &RunArgs) -> Settings {
    let run_id = uuid(world.random());
    let mut settings = Settings::new(run_id.clone());
    settings.parallel_builds = match args.debug {
        true => 1,
        false => args.parallel_builds as usize,
    };
    settings.parallel_per_host = args.parallel_per_host as usize;
    settings.timeout = args.timeout;
    settings.retries = args.retries;
    settings.fail_fast = args.fail_fast;
    if let args::OnFailure::Hold(limit) = args.on_failure {
        settings.hold = Some(limit);
    }
    settings.on_error = match args.on_error {
        args::OnError::Cleanup => OnError::Cleanup,
        args::OnError::Abort => OnError::Abort,
        args::OnError::Ask => OnError::Ask,
        args::OnError::RunCleanupProvisioner => OnError::RunCleanupProvisioner,
    };
    settings.force = args.force;
    settings.debug = args.debug;
    // The clock of the machine: that of a plan file is the plan's.
    let (now, _) = RealWorld::new().clock();
    settings.log_dir = log_directory(&place.directory, now, &run_id);
    components::add_removers(&mut settings);
    settings
}

/// A version 4 UUID of random bytes.
pub(crate) fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// `logs/TIME-RUN` in the directory of the state; `None`, said once, where nothing can be written there.
fn log_directory(state: &Path, now: i64, run_id: &str) -> Option<PathBuf> {
    let time = jiff::Timestamp::from_second(now).unwrap_or_default();
    let name = format!("{}-{}", time.strftime("%Y%m%dT%H%M%SZ"), &run_id[..8]);
    let directory = state.join("logs").join(name);
    match std::fs::create_dir_all(&directory) {
        Ok(()) => Some(directory),
        Err(error) => {
            let place = shown_path(state);
            complain(&format!(
                "note: no log files: cannot write in `{place}`: {}\n",
                reason(&error)
            ));
            None
        }
    }
}

/// Two threads are enough for a hundred builds that wait; many cores help those that compress.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 8))
}

/// What shows a run, and what of it is closed by hand.
type Shown = (Arc<dyn Sink>, Option<Arc<Plain<Screen>>>);

/// What shows the run, as the flags say; and what is to be closed when it has ended and all else is said.
fn sink(
    plan: &Arc<Plan>,
    screen: &Screen,
    args: &RunArgs,
    display: &DisplayArgs,
    terminal: Terminal,
) -> Result<Shown, Failure> {
    let mut text = None;
    let main: Arc<dyn Sink> = if args.json {
        Arc::new(Json::new(screen.clone(), wall_clock()))
    } else if display.machine_readable {
        Arc::new(MachineReadable::new(screen.clone(), wall_clock()))
    } else {
        let style = Style {
            color: terminal.out.colour,
            timestamps: args.timestamp_ui.then(wall_clock),
        };
        let plain = Arc::new(Plain::new(screen.clone(), style).open_ended());
        plain.legend(plan);
        text = Some(plain.clone());
        plain
    };
    let mut all: Vec<Arc<dyn Sink>> = vec![main];
    if let Some(bars) = screen.bars(plan.clone()) {
        all.push(Arc::new(bars));
    }
    if let Some(log) = debug_log()? {
        all.push(log);
    }
    if let Some(path) = &args.trace {
        let file =
            std::fs::File::create(path).map_err(|error| Failure::file("write", path, &error))?;
        let file = std::io::BufWriter::new(file);
        all.push(Arc::new(Trace::new(plan, file, wall_clock())));
    }
    let all: Arc<dyn Sink> = match all.len() {
        1 => all.remove(0),
        _ => Arc::new(Tee::new(all)),
    };
    Ok((all, text))
}

/// The debug log that `IMGC_LOG` or `PACKER_LOG` asks for: every event, on standard error or in `PACKER_LOG_PATH`.
fn debug_log() -> Result<Option<Arc<dyn Sink>>, Failure> {
    let wanted = ["IMGC_LOG", "PACKER_LOG"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0"));
    if !wanted {
        return Ok(None);
    }
    let path = std::env::var_os("PACKER_LOG_PATH").filter(|path| !path.is_empty());
    let Some(path) = path.map(PathBuf::from) else {
        return Ok(Some(Arc::new(Json::new(std::io::stderr(), wall_clock()))));
    };
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| Failure::file("write", &path, &error))?;
    Ok(Some(Arc::new(Json::new(file, wall_clock()))))
}

/// The table of step times, and where the log files are.
fn summary(result: &RunResult, logs: Option<&Path>, terminal: Terminal) -> String {
    let table = times::table(result);
    let mut text = String::new();
    if !table.is_empty() {
        let title = terminal.out.paint(Emphasis::Strong, "Step times");
        let _ = write!(text, "\n{title}\n{table}");
    }
    if !result.outputs.is_empty() {
        let title = terminal.out.paint(Emphasis::Strong, "Outputs");
        let values = result.outputs.iter();
        let lines = outputs::lines(values.map(|one| (one.name.as_str(), one.value.as_ref())));
        let _ = write!(text, "\n{title}\n{lines}");
    }
    if !result.builds.is_empty() && result.builds.iter().all(|build| build.up_to_date) {
        let _ = match result.builds.len() {
            1 => writeln!(text, "\nnothing changed: 1 build is up to date"),
            count => writeln!(text, "\nnothing changed: {count} builds are up to date"),
        };
    }
    if let Some(logs) = logs {
        let _ = writeln!(text, "\nLogs: {}", shown_path(logs));
    }
    text
}

/// Failures that name places in the template, drawn like the compiler's.
fn places(result: &RunResult, sources: &SourceMap, terminal: Terminal) -> String {
    let mut text = String::new();
    for failure in result
        .builds
        .iter()
        .filter_map(|build| build.error.as_ref())
        .chain(&result.output_failures)
    {
        if failure.diagnostics.is_empty() {
            continue;
        }
        let drawn = diagnostics::render_all(&failure.diagnostics, sources, terminal.err);
        let _ = write!(text, "\n{}:\n{drawn}", harmless(&failure.address));
    }
    text
}

/// Milliseconds between two renewals of what a run has made, for tests. Internal, no promise.
const RENEWAL: &str = "IMGC_INTERNAL_RENEWAL";

fn renewal() -> Option<std::time::Duration> {
    let text = std::env::var(RENEWAL).ok()?;
    text.parse().ok().map(std::time::Duration::from_millis)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn run_ids_are_uuids_of_version_4() {
        assert_eq!(uuid([0xff; 16]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid([0; 16]), "00000000-0000-4000-8000-000000000000");
    }
}
