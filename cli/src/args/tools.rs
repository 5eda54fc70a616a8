//! The arguments of commands that work on templates as texts, and of those that scripts for Packer call.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{IgnoredArgs, TemplateArgs};

/// Flags that Packer takes with every template command; where no template is compiled they mean nothing.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct UnusedArgs {
    /// Accepted for Packer's sake.
    #[arg(long, hide = true)]
    pub(crate) var: Vec<String>,
    /// Accepted for Packer's sake.
    #[arg(long, hide = true)]
    pub(crate) var_file: Vec<String>,
    /// Accepted for Packer's sake.
    #[arg(long, hide = true)]
    pub(crate) only: Vec<String>,
    /// Accepted for Packer's sake.
    #[arg(long, hide = true)]
    pub(crate) except: Vec<String>,
    /// Accepted for Packer's sake.
    #[arg(long, hide = true)]
    pub(crate) config_type: Option<String>,
}

/// `imgc fmt`.
#[derive(Args, Debug)]
pub(crate) struct FmtArgs {
    /// Files in HCL, JSON or TOML, or directories whose `*.pkr.hcl`, `*.pkrvars.hcl`, `*.imgc.hcl`, `*.imgc.toml` and
    /// `*.pkrvars.toml` are formatted; `-` formats standard input, which is JSON where it begins with `{`, else HCL.
    #[arg(default_value = ".", value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Write nothing; exit with 3 where something is to be formatted.
    #[arg(long)]
    pub(crate) check: bool,
    /// Show what changes.
    #[arg(long)]
    pub(crate) diff: bool,
    /// Write the files, which is the default; `-write=false` only names them.
    #[arg(long)]
    pub(crate) write: bool,
    /// The same as `-write=false`.
    #[arg(long, hide = true)]
    pub(crate) no_write: bool,
    /// Directories with all that are in them, but for hidden ones.
    #[arg(long)]
    pub(crate) recursive: bool,
    /// Of directories also `*.pkr.json` and `*.pkrvars.json`, which Packer's `fmt` leaves as they are.
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) unused: UnusedArgs,
}

/// `imgc console`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConsoleArgs {
    /// A template file or directory; without one there are only functions.
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,
    /// Set a variable; may be repeated, the last one wins.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) var: Vec<String>,
    /// Read variables from a file; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) var_file: Vec<PathBuf>,
    /// Read the data sources; without it their values are unknown.
    #[arg(long)]
    pub(crate) online: bool,
    /// Accepted for Packer's sake.
    #[arg(long, hide = true)]
    pub(crate) only: Vec<String>,
    /// Accepted for Packer's sake.
    #[arg(long, hide = true)]
    pub(crate) except: Vec<String>,
    #[command(flatten)]
    pub(crate) ignored: IgnoredArgs,
}

impl ConsoleArgs {
    /// The template, if there is one.
    pub(crate) fn template(&self) -> Option<TemplateArgs> {
        Some(TemplateArgs {
            path: self.path.clone()?,
            var: self.var.clone(),
            var_file: self.var_file.clone(),
            ignored: self.ignored.clone(),
            ..TemplateArgs::default()
        })
    }
}

/// `imgc fix`.
#[derive(Args, Debug)]
pub(crate) struct FixArgs {
    #[command(flatten)]
    pub(crate) template: TemplateArgs,
    /// Check the fixed template, which is the default; `-validate=false` does not.
    #[arg(long)]
    pub(crate) validate: bool,
    /// The same as `-validate=false`.
    #[arg(long, hide = true)]
    pub(crate) no_validate: bool,
}

/// What is asked about plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PluginAction {
    /// List what is installed: nothing.
    Installed,
    /// List what the template's `required_plugins` ask for.
    Required,
    /// Nothing to do.
    Install,
    /// Nothing to do.
    Remove,
}

/// `imgc plugins`.
#[derive(Args, Debug)]
pub(crate) struct PluginsArgs {
    /// What to do.
    #[arg(value_enum, value_name = "SUBCOMMAND")]
    pub(crate) action: PluginAction,
    /// The template for `required`, the plugin for `install` and `remove`.
    #[arg(value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<String>,
    /// Accepted for Packer's sake.
    #[arg(long, hide = true)]
    pub(crate) force: bool,
    /// Accepted for Packer's sake.
    #[arg(long, hide = true)]
    pub(crate) path: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) unused: UnusedArgs,
}
