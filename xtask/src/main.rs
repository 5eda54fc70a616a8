//! Project tasks: `cargo xtask TASK`.
//!
//! In: a task's name and arguments. Out: text on the terminal, generated pages, or a list of what is wrong. Nothing in
//! here is part of the product; `xtask/quickstart` and `xtask/test` beside it are the commands for a fresh machine.

// A task runner talks on the terminal; the lint is for libraries.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod fuzz;
mod generate;
mod layout;
mod smoke;
mod tidy;
mod tree;
mod vscode;
mod workspace;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask TASK

  tidy               checks what no compiler checks: directions of dependencies, pure crates, pages, links, paths
  tree FILE          prints the tokens and the syntax tree of an HCL file
  gen [--check]      rewrites the generated pages; with --check only says which are stale
  bench [OPTION...] [NAME...]
                     measures against Debian's packer and writes docs/benchmarks.md; all rows unless some are named
      --list         the names of the rows
      --quick        few repetitions; nothing is written
      --peer-only    without imgc; nothing is written
      --no-build     measures target/release/imgc as it is
      --imgc PATH    measures that program
      --write        writes the page even for --quick or for some rows
  aws-smoke          one image at Amazon itself, checked and removed again; below one US cent, and only with
      --yes-this-costs-money
      --region NAME  the region; else that of the environment
      --here         against the tests' cloud on this machine instead: nothing is paid
      --imgc PATH    with that program
  layout PROGRAM MAP rewrites cli/layout.ld, which puts together what common commands execute and apart what none reads;
                     needs valgrind, and a release program that was linked plainly with the linker's map of it
                     (IMGC_PORTABLE=1 cargo rustc --release --locked -p imgc --bin imgc -- -C link-arg=-Wl,-Map=MAP)
  fuzz-lsp IMGC [SECONDS [SEED]]
                     random edits and requests against that program's language server, 600 s unless said otherwise
  vscode-test        tests the VS Code extension, in a real editor too; needs npm and chromium
      --quick        without the editor
      --imgc PATH    tests with that program
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<ExitCode> {
    let Some((task, rest)) = args.split_first() else {
        print!("{USAGE}");
        return Ok(ExitCode::from(2));
    };
    let workspace = Workspace::find()?;
    match task.as_str() {
        "tidy" => tidy::run(&workspace),
        "gen" => generate::run(&workspace, rest),
        "bench" => bench::run(&workspace, rest),
        "layout" => layout::run(&workspace, rest),
        "aws-smoke" => smoke::run(&workspace, rest),
        "fuzz-lsp" => fuzz::run(&workspace, rest),
        "vscode-test" => vscode::run(&workspace, rest),
        "tree" => {
            let [file] = rest else {
                bail!("`tree` takes one file")
            };
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
            print!("{}", tree::dump(&text));
            Ok(ExitCode::SUCCESS)
        }
        "help" | "-h" | "--help" => {
            print!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("there is no task `{task}`\n\n{USAGE}"),
    }
}
