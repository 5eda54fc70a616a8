//! How to run: the flags of `apply` and `build`.

use clap::{Args, ValueEnum};

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
    /// How many builds may run at the same time; 0 for as many as there are.
    #[arg(long, default_value = "0", value_name = "NUMBER", help_heading = "Run")]
    pub(crate) parallel_builds: u32,
    /// Put the time in front of every line of the log.
    #[arg(long, help_heading = "Run")]
    pub(crate) timestamp_ui: bool,
    /// Run the builds one after another, with more in the log.
    #[arg(long, help_heading = "Run")]
    pub(crate) debug: bool,
    /// Write the events of the run to standard output, one JSON object a line.
    #[arg(long, help_heading = "Display")]
    pub(crate) json: bool,
}
