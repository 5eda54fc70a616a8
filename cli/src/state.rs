//! Where what is remembered from run to run is, and how it is opened.
//!
//! In: the template, `--state`, `IMGC_STATE`. Out: a directory, and the state in it. `.imgc` beside the template unless
//! said otherwise; where that cannot be made because the place is read-only, a directory of the user's.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use imgc_compiler::compile::Request;
use imgc_compiler::plan::Plan;
use imgc_runtime::error::Error;
use imgc_runtime::state::{Moment, NewRun, Owner, Run, RunStatus};
use imgc_state::{Hold, Sqlite};
use sha2::{Digest as _, Sha256};

use crate::args::{LookArgs, StateArgs};
use crate::exit::Exit;
use crate::failure::{Failure, reason};
use crate::plan_text::counted;
use crate::terminal::{complain, harmless, shown_path};

/// How long after its beginning what a run has left may be removed by anyone.
const EXPIRY: Duration = Duration::from_secs(24 * 60 * 60);

/// `memory`: nothing is remembered, kept or reused, to measure what that costs. Internal, no promise.
const KIND: &str = "IMGC_INTERNAL_STATE";

/// Whether a run is to forget everything when it ends.
pub(crate) fn is_forgetful() -> bool {
    std::env::var_os(KIND).is_some_and(|kind| kind == "memory")
}

/// A directory for what is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The directory.
    pub(crate) directory: PathBuf,
    /// The directory that is not used because it cannot be made, and why.
    pub(crate) instead_of: Option<(PathBuf, String)>,
}

impl Place {
    /// The directory of the cache.
    pub(crate) fn cache(&self) -> PathBuf {
        absolute(&self.directory.join("cache"))
    }

    fn at(directory: PathBuf) -> Self {
        Self {
            directory,
            instead_of: None,
        }
    }
}

/// Where the state of the templates in the directory `root` is to be written; `.imgc` is made where it can be.
pub(crate) fn place(root: &Path, args: &StateArgs) -> Place {
    if let Some(directory) = named(args) {
        return Place::at(directory);
    }
    let beside = root.join(".imgc");
    match make(&beside, false) {
        Err(error) if read_only(&error) && !beside.exists() => match users(root) {
            Some(directory) => Place {
                directory,
                instead_of: Some((beside, reason(&error))),
            },
            None => Place::at(beside),
        },
        _ => Place::at(beside),
    }
}

/// Where the state of the templates in the directory `root` is, if there is one; nothing is made.
pub(crate) fn place_to_read(root: &Path, args: &StateArgs) -> Place {
    if let Some(directory) = named(args) {
        return Place::at(directory);
    }
    let beside = root.join(".imgc");
    let elsewhere = || users(root).filter(|directory| Sqlite::exists(directory));
    match Sqlite::exists(&beside) {
        true => Place::at(beside),
        false => Place::at(elsewhere().unwrap_or(beside)),
    }
}

fn named(args: &StateArgs) -> Option<PathBuf> {
    let variable = || std::env::var_os("IMGC_STATE").filter(|value| !value.is_empty());
    args.state.clone().or_else(|| variable().map(PathBuf::from))
}

/// The directory of a template that is named by a file or directory.
pub(crate) fn root(template: &Path) -> PathBuf {
    if template.is_dir() {
        return template.to_owned();
    }
    match template.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Opens the state for a run; makes it where there is none. Takes the one that is `open` already if it is that.
pub(crate) fn open(place: &Place, open: Option<Arc<Sqlite>>) -> Result<Arc<Sqlite>, Failure> {
    let Place {
        directory,
        instead_of,
    } = place;
    if let Some((beside, why)) = instead_of {
        complain(&format!(
            "note: cannot write in `{}` ({why}): what is to be remembered is kept in `{}`\n",
            shown_path(beside),
            shown_path(directory)
        ));
    }
    let is_that = |open: &Arc<Sqlite>| {
        !open.is_for_looking() && open.path() == directory.join(imgc_state::DATABASE)
    };
    if let Some(open) = open.filter(is_that) {
        return Ok(open);
    }
    make(directory, true).map_err(|error| {
        let text = format!(
            "cannot make the directory of the state `{}`: {}",
            shown_path(directory),
            reason(&error)
        );
        Failure::new(Exit::Environment, text)
            .id("run/state")
            .help("move what is in the way, or name another directory with `--state`")
    })?;
    let state = Sqlite::open(directory).map_err(|error| failure(&error))?;
    Ok(Arc::new(state))
}

/// Opens a state to read it; `None` where there is none yet.
pub(crate) fn existing(place: &Place) -> Result<Option<Arc<Sqlite>>, Failure> {
    if !Sqlite::exists(&place.directory) {
        return Ok(None);
    }
    let opened = match Sqlite::open(&place.directory) {
        // What cannot be written can still be read.
        Err(_) if !writable(&place.directory) => Sqlite::look(&place.directory),
        opened => opened,
    };
    let state = opened.map_err(|error| failure(&error))?;
    Ok(Some(Arc::new(state)))
}

/// A state that a command looks at.
pub(crate) struct Look {
    /// Where it is.
    pub(crate) directory: PathBuf,
    /// The state, if there is one yet.
    pub(crate) state: Option<Arc<Sqlite>>,
    runtime: tokio::runtime::Runtime,
}

impl Look {
    /// Opens what the flags name.
    pub(crate) fn at(args: &LookArgs) -> Result<Self, Failure> {
        let place = place_to_read(&root(&args.template), &args.state);
        if args.state.state.is_none() && !args.template.exists() {
            let error = std::io::ErrorKind::NotFound.into();
            return Err(Failure::file("find the template", &args.template, &error));
        }
        Ok(Self {
            state: existing(&place)?,
            directory: place.directory,
            runtime: reader()?,
        })
    }

    /// The run that a person means: `last`, or the beginning of an id that no other has.
    pub(crate) fn run(&self, name: &str) -> Result<Run, Failure> {
        use imgc_runtime::state::State as _;
        let runs = match &self.state {
            Some(state) => self.wait(state.runs(None))?,
            None => Vec::new(),
        };
        let nothing = || {
            let place = shown_path(&self.directory);
            Failure::usage(format!(
                "no run `{}` is remembered in {place}",
                harmless(name)
            ))
            .help("`imgc history` lists the runs")
        };
        if name == "last" {
            return runs.into_iter().next().ok_or_else(nothing);
        }
        let mut meant = runs
            .into_iter()
            .filter(|run| !name.is_empty() && run.new.id.starts_with(name));
        match (meant.next(), meant.next()) {
            (Some(run), None) => Ok(run),
            (None, _) => Err(nothing()),
            (Some(_), Some(_)) => Err(Failure::usage(format!(
                "more than one run begins with `{}`",
                harmless(name)
            ))
            .help("type more of its id; `imgc history --json` has it whole")),
        }
    }

    /// Waits for what the state says.
    pub(crate) fn wait<T>(
        &self,
        asked: impl Future<Output = imgc_runtime::Result<T>>,
    ) -> Result<T, Failure> {
        waited(&self.runtime, asked)
    }
}

/// What waits for the state's answers.
fn reader() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            let text = format!("cannot begin to read the state: {}", reason(&error));
            Failure::new(Exit::Environment, text)
        })
}

fn waited<T>(
    runtime: &tokio::runtime::Runtime,
    asked: impl Future<Output = imgc_runtime::Result<T>>,
) -> Result<T, Failure> {
    runtime.block_on(asked).map_err(|error| failure(&error))
}

/// This machine's clock.
pub(crate) fn now() -> Moment {
    moment(crate::world::RealWorld::new().clock())
}

/// How a run is doing, its process asked: nobody may have noticed yet that it died.
pub(crate) async fn status(state: &Sqlite, run: &Run) -> imgc_runtime::Result<RunStatus> {
    use imgc_runtime::state::State as _;
    match run.status {
        RunStatus::Running if !state.is_live(&run.new.id).await? => Ok(RunStatus::Died),
        status => Ok(status),
    }
}

/// A status in a word.
pub(crate) fn word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "running",
        RunStatus::Succeeded => "succeeded",
        RunStatus::Failed => "failed",
        RunStatus::Cancelled => "cancelled",
        RunStatus::Died => "died",
    }
}

/// How long a run took.
pub(crate) fn took(run: &Run) -> String {
    match (run.status, run.ended) {
        (RunStatus::Running | RunStatus::Died, _) | (_, None) => String::new(),
        (_, Some(ended)) => {
            let took = u64::try_from(ended - run.new.started).unwrap_or_default();
            imgc_runtime::duration::short(Duration::from_millis(took))
        }
    }
}

/// The beginning of an id that people type.
pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// A template as seen from the working directory.
pub(crate) fn shown_template(template: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    match template.strip_prefix(&here) {
        Ok(rest) if rest == Path::new("") => ".".to_owned(),
        Ok(rest) => shown_path(rest),
        Err(_) => shown_path(template),
    }
}

/// An id for what is no run: looking ahead.
pub(crate) fn no_run(world: &crate::world::RealWorld) -> String {
    use imgc_compiler::source::World as _;
    let random = world.for_run().random();
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes the builds of a run; says who has them while it waits.
pub(crate) fn hold(
    state: &Sqlite,
    run: &NewRun,
    patience: Option<Duration>,
) -> Result<Hold, Failure> {
    let held = state.hold(run, patience, |build, holder| {
        let who = holder.map_or_else(|| "another process".to_owned(), ToString::to_string);
        let since = holder.map_or_else(String::new, |holder| {
            format!(", which began {}", time(holder.since))
        });
        complain(&format!(
            "note: waiting for {who}{since}: it makes `{build}`\n"
        ));
    });
    held.map_err(|error| {
        let mut failure = failure(&error);
        if error.id == "run/locked" {
            failure.exit = Exit::Locked;
        }
        failure
    })
}

/// Marks runs as died whose process is gone, and says once what they have left.
pub(crate) fn notice_dead(state: &Arc<Sqlite>) -> Result<(), Failure> {
    use imgc_runtime::state::State as _;
    let look = async {
        let mut notes = Vec::new();
        for run in state.bury(now()).await? {
            let left = state.resources(Owner::Run(&run.new.id)).await?.len();
            if left > 0 {
                notes.push((run, left));
            }
        }
        Ok(notes)
    };
    for (run, left) in waited(&reader()?, look)? {
        complain(&format!(
            "note: run {} died and has left {}: `imgc gc` removes what there is of it\n",
            short(&run.new.id),
            counted(left, "thing")
        ));
    }
    Ok(())
}

/// What is recorded of a run when it begins.
pub(crate) fn new_run(
    (command, request, plan): (&str, &Request, &Plan),
    (id, clock, seed): (&str, (i64, u32), [u8; 32]),
    scratch: &Path,
) -> NewRun {
    let started = now();
    let secret = |name: &str| {
        let mut variables = plan.variables.iter();
        // A name that nobody declared may be a misspelt one.
        variables
            .find(|variable| variable.name == name)
            .is_none_or(|variable| variable.value.contains_sensitive())
    };
    NewRun {
        id: id.to_owned(),
        command: command.to_owned(),
        template: absolute(&request.path),
        only: request.only.clone(),
        except: request.except.clone(),
        var_files: request
            .var_files
            .iter()
            .map(|file| absolute(file))
            .collect(),
        vars: request
            .vars
            .iter()
            .map(|given| match given.split_once('=') {
                Some((name, _)) if secret(name.trim()) => name.trim().to_owned(),
                _ => given.clone(),
            })
            .collect(),
        clock,
        seed: seed.iter().map(|byte| format!("{byte:02x}")).collect(),
        started,
        expires: started.saturating_add(EXPIRY.as_millis() as Moment),
        logs: None,
        scratch: scratch.join(format!("imgc-{id}")),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        process: std::process::id(),
        host: host(),
        resumes: None,
        builds: plan
            .builds
            .iter()
            .map(|build| build.address.to_string())
            .collect(),
    }
}

/// Makes the directory of a state, which stays out of the user's repository.
pub(crate) fn make(directory: &Path, parents: bool) -> std::io::Result<()> {
    let made = match parents {
        true => std::fs::create_dir_all(directory),
        false => match std::fs::create_dir(directory) {
            Err(_) if directory.is_dir() => Ok(()),
            made => made,
        },
    };
    made.map_err(|error| match error.kind() {
        // A file of this name is in the way.
        std::io::ErrorKind::AlreadyExists => std::io::ErrorKind::NotADirectory.into(),
        _ => error,
    })?;
    let ignore = directory.join(".gitignore");
    match ignore.exists() {
        true => Ok(()),
        false => std::fs::write(ignore, "*\n"),
    }
}

/// A path that stays right when the working directory does not.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // `a/./b` and `a/b` are the same template.
    path.components().collect()
}

/// A moment for people, in universal time: `2026-11-21 12:30:05Z`.
pub(crate) fn time(moment: Moment) -> String {
    let time = jiff::Timestamp::from_millisecond(moment).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Milliseconds of a clock.
pub(crate) fn moment((seconds, nanoseconds): (i64, u32)) -> Moment {
    seconds
        .saturating_mul(1000)
        .saturating_add(Moment::from(nanoseconds / 1_000_000))
}

/// A failure of the runtime's, as the end of a command.
pub(crate) fn failure(error: &Error) -> Failure {
    let code = imgc_runtime::run::class_code(error.class);
    let failure = Failure::new(Exit::Run(code), error.chain()).id(error.id);
    match &error.help {
        Some(help) => failure.help(help.clone()),
        None => failure,
    }
}

/// This machine's name.
pub(crate) fn host() -> String {
    nix::unistd::gethostname()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn read_only(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied
    )
}

/// `$XDG_STATE_HOME/imgc/NAME-HASH` for the templates of a directory.
fn users(root: &Path) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let home = set("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".local/state")))?;
    let root = absolute(root);
    let name = root
        .file_name()
        .map_or_else(|| "root".into(), |name| name.to_string_lossy());
    let digest = Sha256::digest(root.as_os_str().as_encoded_bytes());
    let hash: String = digest[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Some(home.join("imgc").join(format!("{name}-{hash}")))
}

fn writable(directory: &Path) -> bool {
    use nix::unistd::{AccessFlags, access};
    let all = [
        directory.to_owned(),
        directory.join(imgc_state::DATABASE),
        directory.join(imgc_state::LOCK),
    ];
    all.iter()
        .all(|path| access(path, AccessFlags::W_OK).is_ok())
}
