//! Where what is remembered is kept, and the flags of the commands that read it.

use std::path::PathBuf;

use clap::Args;

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
    /// As JSON.
    #[arg(long, help_heading = "Display")]
    pub(crate) json: bool,
}

/// `imgc history`.
#[derive(Args, Debug)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// How many runs to list, the newest ones; 0 for all.
    #[arg(long, short = 'n', default_value = "20", value_name = "NUMBER")]
    pub(crate) limit: usize,
}
