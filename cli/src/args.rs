//! The command line: what there is to type, and what it means.
//!
//! In: arguments as Packer's users type them (`-var-file=x`, `-force=false`), made uniform by [`normalise`]. Out:
//! [`Cli`]. The help texts here are also the source of `docs/cli.md`.

mod cache;
mod convert;
pub(crate) mod normalise;
mod run;
mod state;
mod tools;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use imgc_compiler::compile::Request;

use crate::failure::Failure;

pub(crate) use cache::{CacheAction, CacheArgs, UpdateArgs, size};
pub(crate) use convert::ConvertArgs;
pub(crate) use run::{OnError, OnFailure, ReuseArgs, RunArgs};
#[cfg(feature = "aws")]
pub(crate) use state::RollbackArgs;
pub(crate) use state::{
    AttachArgs, GcArgs, HistoryAction, HistoryArgs, ImagesArgs, LogsArgs, LookArgs, ReleaseArgs,
    ShowArgs, StateArgs,
};
pub(crate) use tools::{ConsoleArgs, FixArgs, FmtArgs, PluginAction, PluginsArgs};

/// Builds machine images from declarative templates.
#[derive(Debug, Parser)]
#[command(
    name = "imgc",
    disable_help_subcommand = true,
    disable_version_flag = true,
    arg_required_else_help = true,
    subcommand_required = true,
    subcommand_value_name = "COMMAND",
    max_term_width = 100,
    after_help = "Flags may be written with one dash or two: `-var-file=x` and `--var-file x` are the same.\n\
                  More: `imgc help COMMAND`, `imgc help exit-codes`, `imgc help environment`."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How to speak.
    #[command(flatten)]
    pub(crate) display: DisplayArgs,
}

/// Flags of every command.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DisplayArgs {
    /// Colour on a terminal; `-color=false` turns it off.
    #[arg(long, global = true, help_heading = "Display")]
    pub(crate) color: bool,
    /// No colour, the same as `-color=false`.
    #[arg(long, global = true, help_heading = "Display")]
    pub(crate) no_color: bool,
    /// Lines for programs, in Packer's form: `timestamp,target,type,data`.
    #[arg(long, global = true, help_heading = "Display")]
    pub(crate) machine_readable: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what would be made, in which order, from what; nothing is changed.
    Plan(PlanArgs),
    /// Show the plan, then make the images; ask first only where something is deleted or replaced.
    Apply(ApplyArgs),
    /// Make the images without showing a plan or asking, as Packer's `build` does.
    Build(BuildArgs),
    /// Check a template: everything that can be known without running it.
    Validate(ValidateArgs),
    /// Draw the plan's steps and what they wait for.
    Graph(GraphArgs),
    /// Print the outputs of the last run of a template.
    Output(OutputArgs),
    /// List the runs that are remembered, newest first; `prune` forgets old ones.
    History(HistoryArgs),
    /// Show a run: its steps with their times, what it made, what went wrong, what it has left.
    Show(ShowArgs),
    /// Open a shell on the machine of a run that is at work or holds it after a failure.
    Attach(AttachArgs),
    /// Let a machine go that a run holds after a failure.
    Release(ReleaseArgs),
    /// Print the log files of a run.
    Logs(LogsArgs),
    /// List the images that were made and kept, with what they were made from.
    Images(ImagesArgs),
    /// Give the parameters that a run has written (`amazon-ssm-parameter`) the values they had before.
    #[cfg(feature = "aws")]
    Rollback(RollbackArgs),
    /// Remove what runs have left behind that no longer live.
    Gc(GcArgs),
    /// Show what is kept for later runs and what it takes (`ls`), or make room (`prune`).
    Cache(CacheArgs),
    /// Look again at everything outside that can move, and write it into `imgc.lock`: bases, git modules.
    Update(UpdateArgs),
    /// List a template's variables, sources and builds.
    Inspect(InspectArgs),
    /// Lay files out in the canonical way: HCL as Packer's `fmt` does, TOML, and JSON that is named or asked for.
    Fmt(FmtArgs),
    /// Evaluate expressions with a template's variables and locals, line by line.
    Console(ConsoleArgs),
    /// Convert a template or a file of variables among legacy JSON, HCL, HCL's JSON and TOML; the plan stays the same.
    #[command(visible_alias = "hcl2_upgrade")]
    Convert(ConvertArgs),
    /// Print a template file with its outdated options replaced, as Packer does; `validate -fix` changes the files.
    Fix(FixArgs),
    /// Explain a problem id such as `check/unknown-variable`; without an id, list all of them.
    Explain(ExplainArgs),
    /// Print what a component accepts, such as `amazon-ebs` or `provisioner/shell`; without a name, list all of them.
    Schema(SchemaArgs),
    /// Fetch the modules of git repositories; components need no installing, all are part of imgc.
    Init(InitArgs),
    /// Plugins are part of imgc; answers for scripts written for Packer.
    #[command(visible_alias = "plugin")]
    Plugins(PluginsArgs),
    /// Serve editors: the language server on standard input and output.
    Lsp(LspArgs),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
    /// Print the version.
    Version(VersionArgs),
    /// Print help about a command, `exit-codes` or `environment`.
    Help(HelpArgs),
    /// Print the reference page of the command line.
    #[command(name = "__cli-reference", hide = true)]
    CliReference,
    /// Write the reference pages of components.
    #[command(name = "__component-pages", hide = true)]
    ComponentPages(ComponentPagesArgs),
}

/// Which template, with which values.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct TemplateArgs {
    /// A template file, or a directory whose files form one template.
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// Set a variable; may be repeated, the last one wins.
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Template")]
    pub(crate) var: Vec<String>,
    /// Read variables from a file; may be repeated.
    #[arg(long, value_name = "FILE", help_heading = "Template")]
    pub(crate) var_file: Vec<PathBuf>,
    /// Only these builds: names or globs, separated by commas.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        help_heading = "Template"
    )]
    pub(crate) only: Vec<String>,
    /// All builds but these, and not these post-processors: names or globs, separated by commas.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        help_heading = "Template"
    )]
    pub(crate) except: Vec<String>,
    /// Warnings are errors: a misspelt variable in a file, an option of another version, a key given twice.
    #[arg(long, help_heading = "Template")]
    pub(crate) strict: bool,
    /// Say nothing about variables in files that the template does not declare.
    #[arg(long, help_heading = "Template")]
    pub(crate) no_warn_undeclared_var: bool,
    #[command(flatten)]
    pub(crate) ignored: IgnoredArgs,
}

/// Packer's flags that change nothing here.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct IgnoredArgs {
    /// Accepted for Packer's sake: the language is known from the file's name.
    #[arg(long, hide = true, value_name = "TYPE")]
    pub(crate) config_type: Option<String>,
    /// Accepted for Packer's sake: there are no plugins to choose from.
    #[arg(long, hide = true)]
    pub(crate) ignore_prerelease_plugins: bool,
    /// Accepted for Packer's sake: the order of evaluation follows from what values need.
    #[arg(long, hide = true)]
    pub(crate) use_sequential_evaluation: bool,
    /// Accepted for Packer's sake: there is no registry that enforces anything.
    #[arg(long, hide = true)]
    pub(crate) skip_enforcement: bool,
    /// Accepted for Packer's sake: undeclared variables of files are always warned about.
    #[arg(long, hide = true)]
    pub(crate) warn_on_undeclared_var: bool,
}

impl TemplateArgs {
    /// What the compiler is asked for.
    pub(crate) fn request(&self) -> Request {
        let names = |list: &[String]| {
            let names = list.iter().map(|name| name.trim().to_owned());
            names.filter(|name| !name.is_empty()).collect()
        };
        Request {
            path: self.path.clone(),
            vars: self.var.clone(),
            var_files: self.var_file.clone(),
            only: names(&self.only),
            except: names(&self.except),
            strict: self.strict,
            undeclared_allowed: self.no_warn_undeclared_var,
            ..Request::default()
        }
    }
}

impl IgnoredArgs {
    /// What a user may want to know about a flag that does nothing.
    pub(crate) fn notes(&self) -> Vec<&'static str> {
        let mut notes = Vec::new();
        if self.use_sequential_evaluation {
            notes.push(
                "`-use-sequential-evaluation` changes nothing: values are computed in the order they need each other",
            );
        }
        notes
    }
}

/// `imgc plan`.
#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) template: TemplateArgs,
    /// Write a plan file for `imgc apply FILE`.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Read the data sources that the builds use as well; without it their values are unknown in the plan.
    #[arg(long)]
    pub(crate) online: bool,
    /// Ask nobody over the network. Without it the components look, read-only, at what the builds would find: base images,
    /// names, quotas.
    #[arg(long, conflicts_with = "online")]
    pub(crate) offline: bool,
    /// Print the least policy that lets the builds come to their end and clean up after a failure, as JSON, and no plan;
    /// `full` adds what plans and diagnoses read.
    #[arg(
        long,
        value_parser = iam,
        value_name = "EXTENT",
        num_args = 0..=1,
        default_missing_value = "least",
        conflicts_with_all = ["json", "out"]
    )]
    pub(crate) iam: Option<Iam>,
    /// Look ahead as `apply -force` would run: whatever has the name of what is made goes.
    #[arg(long)]
    pub(crate) force: bool,
    /// Show every input that differs from the last run's, old and new.
    #[arg(long, help_heading = "Reuse")]
    pub(crate) explain: bool,
    /// End with 0 where nothing would run and with 2 where something would (in any case with 3 where a build would fail of what is
    /// there).
    #[arg(long, help_heading = "Reuse")]
    pub(crate) detailed_exitcode: bool,
    /// Refuse a plan where something outside is not as `imgc.lock` has it, or is missing there.
    #[arg(long)]
    pub(crate) locked: bool,
    #[command(flatten)]
    pub(crate) state: StateArgs,
    /// Show all options, digests and reasons for the order.
    #[arg(long, short, help_heading = "Display")]
    pub(crate) verbose: bool,
    /// Show where the value of each variable is written, with file and line.
    #[arg(long, help_heading = "Display")]
    pub(crate) origins: bool,
    /// Print the plan, or the problems, as JSON (docs/plan-json.md).
    #[arg(long, help_heading = "Display")]
    pub(crate) json: bool,
}

/// Which rights `imgc plan -iam` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Iam {
    /// What builds cannot do without.
    Least,
    /// Also what plans and diagnoses read.
    Full,
}

fn iam(text: &str) -> Result<Iam, String> {
    match text {
        "" | "least" => Ok(Iam::Least),
        "full" => Ok(Iam::Full),
        _ => Err("write `-iam` or `-iam=full`".to_owned()),
    }
}

/// `imgc apply`.
#[derive(Args, Debug)]
pub(crate) struct ApplyArgs {
    /// `PATH` may also be a plan file written by `imgc plan -out FILE`.
    #[command(flatten)]
    pub(crate) template: TemplateArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Make everything anew, whatever has been done before.
    #[arg(long, conflicts_with = "resume", help_heading = "Reuse")]
    pub(crate) rebuild: bool,
    /// Do not ask before something is deleted or replaced.
    #[arg(long, help_heading = "Run")]
    pub(crate) auto_approve: bool,
    /// Show all options of the plan, digests and reasons for the order.
    #[arg(long, short, help_heading = "Display")]
    pub(crate) verbose: bool,
}

/// `imgc build`.
#[derive(Args, Debug)]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    pub(crate) template: TemplateArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// `imgc validate`.
#[derive(Args, Debug)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    pub(crate) template: TemplateArgs,
    /// Look at the syntax and go no further.
    #[arg(long)]
    pub(crate) syntax_only: bool,
    /// Read the data sources that the builds use; without it their values are unknown.
    #[arg(long)]
    pub(crate) online: bool,
    /// Packer's name for `-online`.
    #[arg(long)]
    pub(crate) evaluate_datasources: bool,
    /// Correct in the files what has one sure correction, then check what is left.
    #[arg(long)]
    pub(crate) fix: bool,
    /// With `-fix`: show the corrections and write nothing.
    #[arg(long, requires = "fix")]
    pub(crate) diff: bool,
    /// Print the problems as JSON (docs/plan-json.md).
    #[arg(long, help_heading = "Display")]
    pub(crate) json: bool,
    /// Print the problems as SARIF 2.1.0, for code scanning and editors.
    #[arg(long, conflicts_with = "json", help_heading = "Display")]
    pub(crate) sarif: bool,
}

/// `imgc graph`.
#[derive(Args, Debug)]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    pub(crate) template: TemplateArgs,
    /// Mermaid instead of DOT.
    #[arg(long, conflicts_with = "svg", help_heading = "Display")]
    pub(crate) mermaid: bool,
    /// A picture, drawn by Graphviz' `dot`.
    #[arg(long, help_heading = "Display")]
    pub(crate) svg: bool,
    /// Write to a file instead of standard output.
    #[arg(long, value_name = "FILE", help_heading = "Display")]
    pub(crate) output: Option<PathBuf>,
}

/// `imgc inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    pub(crate) template: TemplateArgs,
    /// Print what the template declares, or its problems, as JSON (docs/plan-json.md).
    #[arg(long, help_heading = "Display")]
    pub(crate) json: bool,
}

/// `imgc explain`.
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The id, `family/name`.
    pub(crate) id: Option<String>,
}

/// `imgc schema`.
#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// A component, `TYPE` or `KIND/TYPE`, or a kind such as `provisioner`.
    pub(crate) name: Option<String>,
    /// Of builders, the options of communicators as well.
    #[arg(long)]
    pub(crate) all: bool,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `imgc __component-pages`.
#[derive(Args, Debug)]
pub(crate) struct ComponentPagesArgs {
    /// Where they go.
    pub(crate) directory: PathBuf,
}

/// `imgc init`.
#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    pub(crate) template: TemplateArgs,
    /// Accepted for Packer's sake.
    #[arg(long, hide = true)]
    pub(crate) force: bool,
    /// Take newer commits of modules than those in `imgc.lock`.
    #[arg(long)]
    pub(crate) upgrade: bool,
}

/// `imgc output`.
#[derive(Args, Debug)]
pub(crate) struct OutputArgs {
    /// One output; without it, all of them.
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) look: LookArgs,
    /// As JSON.
    #[arg(long, conflicts_with = "raw", help_heading = "Display")]
    pub(crate) json: bool,
    /// A text, number or bool as it is, without quotes and line end.
    #[arg(long, help_heading = "Display")]
    pub(crate) raw: bool,
}

/// `imgc lsp`.
#[derive(Args, Debug)]
pub(crate) struct LspArgs {
    /// Standard input and output, the only way there is; accepted since many editors pass it.
    #[arg(long)]
    pub(crate) stdio: bool,
    /// Write the log into this file instead of standard error; `RUST_LOG=debug` or `RUST_LOG=trace` make it longer, the
    /// latter with all texts.
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
}

/// `imgc completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}

/// `imgc version`.
#[derive(Args, Debug)]
pub(crate) struct VersionArgs {
    /// As JSON.
    #[arg(long, help_heading = "Display")]
    pub(crate) json: bool,
}

/// `imgc help`.
#[derive(Args, Debug)]
pub(crate) struct HelpArgs {
    /// A command, `exit-codes` or `environment`.
    pub(crate) topic: Option<String>,
}

/// What a command line asks for.
pub(crate) enum Parsed {
    /// A command to run.
    Run(Box<Cli>),
    /// A text to show: help.
    Show(String),
}

/// Reads the arguments (program name first).
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Parsed, Failure> {
    let mut command = Cli::command();
    let arguments = normalise::normalise(arguments, &command)?;
    let parsed = command
        .try_get_matches_from_mut(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => Ok(Parsed::Run(Box::new(cli))),
        Err(error) => {
            use clap::error::ErrorKind::{
                DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion,
            };
            match error.kind() {
                DisplayHelp | DisplayVersion | DisplayHelpOnMissingArgumentOrSubcommand => {
                    Ok(Parsed::Show(error.render().to_string()))
                }
                _ => Err(usage(&error.render().to_string())),
            }
        }
    }
}

/// clap's message as one of ours: its first paragraph, and where to read on.
fn usage(text: &str) -> Failure {
    let text = text.trim_start_matches("error: ");
    let mut lines = text.lines().take_while(|line| !line.starts_with("Usage:"));
    let message = lines.next().unwrap_or("the command line is not understood");
    let mut failure = Failure::usage(message.trim());
    failure.details = lines
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("For more information"))
        .map(str::to_owned)
        .collect();
    failure.help("`imgc help` lists the commands, `imgc help COMMAND` its flags")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cli(line: &str) -> Cli {
        let words = ["imgc"].into_iter().chain(line.split_whitespace());
        match parse(words.map(OsString::from).collect()) {
            Ok(Parsed::Run(cli)) => *cli,
            Ok(Parsed::Show(text)) => panic!("{text}"),
            Err(failure) => panic!("{}", failure.text()),
        }
    }

    #[test]
    fn clap_finds_no_fault_in_the_definitions() {
        Cli::command().debug_assert();
    }

    #[test]
    fn packer_spelling_is_understood() {
        let cli = cli(
            "build -color=false -timestamp-ui -parallel-builds=4 -on-error=run-cleanup-provisioner \
                       -var a=b -var=c=-d -only=x.*,y -force=false -debug .",
        );
        assert!(cli.display.no_color);
        let Command::Build(build) = cli.command else {
            panic!("not a build")
        };
        assert_eq!(build.template.var, ["a=b", "c=-d"]);
        assert_eq!(build.template.only, ["x.*", "y"]);
        assert_eq!(build.run.parallel_builds, 4);
        assert_eq!(build.run.on_error, OnError::RunCleanupProvisioner);
        assert!(build.run.timestamp_ui && build.run.debug && !build.run.force);
        assert_eq!(build.template.path, PathBuf::from("."));
    }

    #[test]
    fn machine_readable_may_stand_before_the_command() {
        assert!(cli("-machine-readable build x").display.machine_readable);
        assert!(cli("build -machine-readable x").display.machine_readable);
    }

    #[test]
    fn a_wrong_value_is_named() {
        let words = ["imgc", "build", "-on-error=explode", "."];
        let Err(failure) = parse(words.map(OsString::from).to_vec()) else {
            panic!("understood")
        };
        insta::assert_snapshot!(failure.text(), @"
        error: invalid value 'explode' for '--on-error <WHAT>'
          [possible values: cleanup, abort, ask, run-cleanup-provisioner]
          help: `imgc help` lists the commands, `imgc help COMMAND` its flags
        ");
        let words = ["imgc", "build", "-force=maybe", "."];
        let Err(failure) = parse(words.map(OsString::from).to_vec()) else {
            panic!("understood")
        };
        insta::assert_snapshot!(failure.text(), @"
        error: `-force=maybe` is neither true nor false
          help: write `-force` or `-force=false`
        ");
    }
}
