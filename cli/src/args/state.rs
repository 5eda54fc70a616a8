//! Where what is remembered is kept, and the flags of the commands that read it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::cache::age;

/// Where the state is.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct StateArgs {
    /// The directory of what is remembered from run to run; `.imgc` beside the template unless given, here or in
    /// `IMGC_STATE`.
    #[arg(long, value_name = "DIR", help_heading = "State")]
    pub(crate) state: Option<PathBuf>,
}

/// Which state to read.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct LookArgs {
    /// The template whose state it is: a file, or a directory whose files form one template.
    #[arg(
        long,
        default_value = ".",
        value_name = "PATH",
        help_heading = "Template"
    )]
    pub(crate) template: PathBuf,
    #[command(flatten)]
    pub(crate) state: StateArgs,
}

/// What is asked about the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HistoryAction {
    /// List them.
    Ls,
    /// Forget those beyond the limits, of which nothing is there any more, and remove their log files.
    Prune,
}

/// `imgc history`.
#[derive(Args, Debug)]
pub(crate) struct HistoryArgs {
    /// What to do.
    #[arg(value_enum, value_name = "SUBCOMMAND", default_value = "ls")]
    pub(crate) action: HistoryAction,
    /// How many runs of each template stay in any case, the newest ones.
    #[arg(long, value_name = "NUMBER", help_heading = "Limits for prune")]
    pub(crate) keep: Option<usize>,
    /// Only forget what began longer ago than this: `30d`, `12h`.
    #[arg(long, value_name = "AGE", value_parser = age, help_heading = "Limits for prune")]
    pub(crate) older_than: Option<Duration>,
    /// Forget every run that nothing is there of.
    #[arg(long, conflicts_with_all = ["keep", "older_than"], help_heading = "Limits for prune")]
    pub(crate) all: bool,
    /// Say what would be forgotten, and forget nothing.
    #[arg(long, help_heading = "Limits for prune")]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// As JSON.
    #[arg(long, help_heading = "Display")]
    pub(crate) json: bool,
    /// How many runs to list, the newest ones; 0 for all.
    #[arg(long, short = 'n', default_value = "20", value_name = "NUMBER")]
    pub(crate) limit: usize,
}

/// `imgc show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// The run: the beginning of its id, or `last`.
    #[arg(default_value = "last")]
    pub(crate) run: String,
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// As JSON.
    #[arg(long, help_heading = "Display")]
    pub(crate) json: bool,
}

/// `imgc attach`.
#[derive(Args, Debug)]
pub(crate) struct AttachArgs {
    /// The run: the beginning of its id, or `last`.
    #[arg(default_value = "last")]
    pub(crate) run: String,
    /// The build, where the run has several machines.
    pub(crate) build: Option<String>,
    #[command(flatten)]
    pub(crate) look: LookArgs,
}

/// `imgc release`.
#[derive(Args, Debug)]
pub(crate) struct ReleaseArgs {
    /// The run: the beginning of its id, or `last`.
    #[arg(default_value = "last")]
    pub(crate) run: String,
    /// The build; without it, all that the run holds.
    pub(crate) build: Option<String>,
    #[command(flatten)]
    pub(crate) look: LookArgs,
}

/// `imgc logs`.
#[derive(Args, Debug)]
pub(crate) struct LogsArgs {
    /// The run: the beginning of its id, or `last`.
    #[arg(default_value = "last")]
    pub(crate) run: String,
    /// Only this build or step, by name or address.
    #[arg(value_name = "BUILD|STEP")]
    pub(crate) part: Option<String>,
    /// Go on with what is written until the run ends.
    #[arg(long, short)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) look: LookArgs,
}

/// `imgc images`.
#[derive(Args, Debug)]
pub(crate) struct ImagesArgs {
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// As JSON.
    #[arg(long, help_heading = "Display")]
    pub(crate) json: bool,
}

/// `imgc rollback`.
#[cfg(feature = "aws")]
#[derive(Args, Debug)]
pub(crate) struct RollbackArgs {
    /// The run: the beginning of its id; or the address of a build or step, for the last run in which it has written one.
    /// The last run that has written a parameter unless given.
    #[arg(value_name = "RUN|ADDRESS")]
    pub(crate) what: Option<String>,
    /// Go to this version of the parameters, not to the one before the run.
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Option<i64>,
    /// Go back even where somebody has written another value since, and where the image does not exist any more.
    #[arg(long)]
    pub(crate) force: bool,
    /// Only say what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// As JSON.
    #[arg(long, help_heading = "Display")]
    pub(crate) json: bool,
}

/// `imgc gc`.
#[derive(Args, Debug)]
pub(crate) struct GcArgs {
    /// Only say what would be removed.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Forget what runs left on this machine, because it is gone or the files are: `USER@HOST:PORT` as listed, or the
    /// host alone; or in this account of a provider, by its number. May be given several times.
    #[arg(long, value_name = "PLACE", conflicts_with = "cloud")]
    pub(crate) forget: Vec<String>,
    /// Look at this provider (`aws`) for what carries the marks of runs, instead of here: works from any machine and
    /// without the state. What is past its expiry goes, and what belongs to a run that is known to be over; the rest is
    /// listed. Finished images are never touched, and neither are checkpoints that the state knows, until they expire.
    #[arg(long, value_name = "PROVIDER", help_heading = "At a provider")]
    pub(crate) cloud: Option<String>,
    /// Only in this region; all that the account can use unless given. May be given several times.
    #[arg(
        long,
        value_name = "REGION",
        requires = "cloud",
        help_heading = "At a provider"
    )]
    pub(crate) region: Vec<String>,
    /// Only what this run has left, whether or not it is past its expiry: the id that things are tagged with, or at
    /// least eight characters of its beginning.
    #[arg(
        long,
        value_name = "RUN",
        requires = "cloud",
        help_heading = "At a provider"
    )]
    pub(crate) run: Option<String>,
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// As JSON.
    #[arg(long, help_heading = "Display")]
    pub(crate) json: bool,
}
