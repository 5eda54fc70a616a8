//! How to run: the flags of `apply` and `build`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::StateArgs;

/// What to do when a step fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnError {
    /// Undo what was made.
    #[default]
    Cleanup,
    /// Leave everything as it is.
    Abort,
    /// Ask on the terminal.
    Ask,
    /// Run the cleanup provisioner and leave the rest as it is.
    RunCleanupProvisioner,
}

/// What of earlier runs is used.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ReuseArgs {
    /// Run this build, or this step and what follows it, whatever has been done before; may be repeated.
    #[arg(long, value_name = "ADDRESS", help_heading = "Reuse")]
    pub(crate) replace: Vec<String>,
    /// Go on with a run that did not end well, where it stopped: the beginning of its id, or nothing for the last run of
    /// the template.
    #[arg(
        long,
        value_name = "RUN",
        num_args = 0..=1,
        default_missing_value = "",
        help_heading = "Reuse"
    )]
    pub(crate) resume: Option<String>,
}

/// How to run.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct RunArgs {
    /// Replace the outputs of an earlier run.
    #[arg(long, help_heading = "Run")]
    pub(crate) force: bool,
    /// What to do when a step fails.
    #[arg(
        long,
        value_enum,
        default_value = "cleanup",
        value_name = "WHAT",
        help_heading = "Run"
    )]
    pub(crate) on_error: OnError,
    /// Stop everything, cleaned up, when the run takes longer than this, such as `2h30m`; `timeout` in a `build` block
    /// limits one build.
    #[arg(long, value_name = "DURATION", value_parser = limit, help_heading = "Time and limits")]
    pub(crate) timeout: Option<Duration>,
    /// How often a step that reaches out (prepare, launch, connect, post-processor) is tried again after a failure that
    /// may be gone; provisioners have `max_retries`.
    #[arg(
        long,
        default_value_t = imgc_runtime::settings::RETRIES,
        value_name = "NUMBER",
        help_heading = "Time and limits"
    )]
    pub(crate) retries: u32,
    /// The first build that fails stops the others; they are cleaned up.
    #[arg(long, conflicts_with = "keep_going", help_heading = "Time and limits")]
    pub(crate) fail_fast: bool,
    /// Builds go on when another one fails, as with Packer; the default.
    #[arg(long, help_heading = "Time and limits")]
    pub(crate) keep_going: bool,
    /// What to do with the machine of a failed build before `-on-error` takes its course: `cleanup` for nothing, or
    /// `hold` to keep it for an hour (`hold:2h` for two) so that `imgc attach` can open a shell on it.
    #[arg(
        long,
        default_value = "cleanup",
        value_name = "WHAT",
        value_parser = on_failure,
        help_heading = "Run"
    )]
    pub(crate) on_failure: OnFailure,
    /// How many builds may be connected to the same host at the same time; 0 for no limit.
    #[arg(
        long,
        default_value = "0",
        value_name = "NUMBER",
        help_heading = "Time and limits"
    )]
    pub(crate) parallel_per_host: u32,
    /// How many builds may run at the same time; 0 for as many as there are.
    #[arg(long, default_value = "0", value_name = "NUMBER", help_heading = "Run")]
    pub(crate) parallel_builds: u32,
    /// Put the time in front of every line of the log.
    #[arg(long, help_heading = "Run")]
    pub(crate) timestamp_ui: bool,
    /// Run the builds one after another, with more in the log; at a terminal, pause before each step until Enter is pressed. The
    /// temporary key of a build at Amazon is in the working directory meanwhile, as `ec2_NAME.pem`.
    #[arg(long, help_heading = "Run")]
    pub(crate) debug: bool,
    /// Refuse to run where something outside is not as `imgc.lock` has it, or is missing there; never write that file.
    #[arg(long, help_heading = "Run")]
    pub(crate) locked: bool,
    #[command(flatten)]
    pub(crate) reuse: ReuseArgs,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// How long to wait for another process that makes the same build, such as `10m`; `0` for not at all, for ever
    /// unless given.
    #[arg(long, value_name = "DURATION", value_parser = duration, help_heading = "State")]
    pub(crate) lock_timeout: Option<Duration>,
    /// Write when each step began and ended to a file, in the trace-event form that Chrome and Perfetto show.
    #[arg(long, value_name = "FILE", help_heading = "Display")]
    pub(crate) trace: Option<PathBuf>,
    /// Write the events of the run to standard output, one JSON object a line.
    #[arg(long, help_heading = "Display")]
    pub(crate) json: bool,
}

/// A duration as Packer writes it: `90s`, `1h30m`, `0`.
fn duration(text: &str) -> Result<Duration, String> {
    imgc_runtime::duration::parse(text)
        .ok_or_else(|| format!("`{text}` is no duration: write `90s`, `10m` or `1h30m`"))
}

/// A time limit, as templates write durations.
fn limit(text: &str) -> Result<Duration, String> {
    match imgc_runtime::duration::parse(text) {
        Some(duration) if !duration.is_zero() => Ok(duration),
        Some(_) => Err("a time limit is more than nothing".to_owned()),
        None => Err("write a duration such as `90s`, `45m` or `2h30m`".to_owned()),
    }
}

/// What to do with the machine of a failed build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// Go on to clean up.
    #[default]
    Cleanup,
    /// Hold it for so long.
    Hold(Duration),
}

fn on_failure(text: &str) -> Result<OnFailure, String> {
    match text.split_once(':') {
        None if text == "cleanup" => Ok(OnFailure::Cleanup),
        None if text == "hold" => Ok(OnFailure::Hold(imgc_runtime::hold::HOLD)),
        Some(("hold", time)) => limit(time).map(OnFailure::Hold),
        _ => Err("write `cleanup`, `hold` or `hold:2h`".to_owned()),
    }
}
