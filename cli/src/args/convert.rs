//! The arguments of `imgc convert`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use imgc_compiler::print::Language;

/// `imgc convert`, Packer's `hcl2_upgrade`.
#[derive(Args, Debug)]
pub(crate) struct ConvertArgs {
    /// A template, a file that gives values to variables, or a directory of them.
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// The language to convert to; HCL unless the name of the output file says another.
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    pub(crate) to: Option<Target>,
    /// Where to write; `-` for standard output. Without it the file stands beside PATH, with the ending of its language:
    /// `PATH.pkr.hcl` for a legacy template, as Packer names it.
    #[arg(long, value_name = "FILE")]
    pub(crate) output_file: Option<PathBuf>,
    /// Write nothing; show that PATH and the output file, or what would be written there, make the same plan.
    #[arg(long)]
    pub(crate) check: bool,
    /// Replace output files that exist.
    #[arg(long)]
    pub(crate) force: bool,
    /// Remove the converted files when all is written: a directory in two languages would say everything twice.
    #[arg(long)]
    pub(crate) remove: bool,
    /// Say in comments what the parts of the template are for.
    #[arg(long)]
    pub(crate) with_annotations: bool,
    /// Set a variable for the comparison of plans; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Template")]
    pub(crate) var: Vec<String>,
    /// Read variables for the comparison of plans from a file; may be repeated.
    #[arg(long, value_name = "FILE", help_heading = "Template")]
    pub(crate) var_file: Vec<PathBuf>,
}

/// What can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// `*.pkr.hcl`, `*.pkrvars.hcl`
    Hcl,
    /// HCL's JSON form: `*.pkr.json`, `*.pkrvars.json`
    Json,
    /// `*.imgc.toml`, `*.pkrvars.toml`
    Toml,
}

impl Target {
    /// As the compiler calls it.
    pub(crate) fn language(self) -> Language {
        match self {
            Self::Hcl => Language::Hcl,
            Self::Json => Language::Json,
            Self::Toml => Language::Toml,
        }
    }
}
