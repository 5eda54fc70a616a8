//! `cargo xtask gen`: pages that are made from something else, so that they cannot say anything different.
//!
//! - `docs/cli.md`, the command line, by the program itself;
//! - `docs/reference/`, what components accept, by the program from its catalogue;
//! - `docs/diagnostics/README.md`, the list of problems, and `docs/reference/functions.md`, by tests of the compiler;
//! - the tables of `docs/benchmarks.md`, from `docs/benchmarks.json`.
//!
//! Tests of `imgc` and of the compiler say when one of these is stale; `tidy` does for the last.

use std::process::{ExitCode, Stdio};

use anyhow::{Result, bail};

use crate::bench;
use crate::workspace::Workspace;

/// Writes the pages, or says which are stale.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    match args {
        [] => {
            let mut pages = pages(workspace)?;
            pages.push(Page {
                path: "docs/cli.md",
                text: command_line(workspace)?,
            });
            for page in pages {
                if page.is_stale(workspace) {
                    std::fs::write(workspace.path(page.path), page.text)?;
                    println!("wrote {}", page.path);
                }
            }
            component_pages(workspace)?;
            update_problems(workspace)?;
            Ok(ExitCode::SUCCESS)
        }
        [flag] if flag == "--check" => {
            let stale = stale(workspace)?;
            stale.iter().for_each(|finding| println!("{finding}"));
            Ok(if stale.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        _ => bail!("`gen` takes nothing but --check"),
    }
}

/// The pages that differ from what would be written.
pub(crate) fn stale(workspace: &Workspace) -> Result<Vec<String>> {
    let pages = pages(workspace)?;
    let stale = pages.iter().filter(|page| page.is_stale(workspace));
    Ok(stale
        .map(|page| format!("{}: stale; run `cargo xtask gen`", page.path))
        .collect())
}

struct Page {
    path: &'static str,
    text: String,
}

impl Page {
    fn is_stale(&self, workspace: &Workspace) -> bool {
        std::fs::read_to_string(workspace.path(self.path))
            .ok()
            .as_deref()
            != Some(&self.text)
    }
}

/// Every generated page whose ground exists.
fn pages(workspace: &Workspace) -> Result<Vec<Page>> {
    let mut pages = Vec::new();
    if let Some(text) = bench::page(workspace)? {
        pages.push(Page {
            path: bench::PAGE,
            text,
        });
    }
    Ok(pages)
}

/// What `imgc` says about its own command line.
fn command_line(workspace: &Workspace) -> Result<String> {
    let args = [
        "run",
        "--quiet",
        "--package",
        "imgc",
        "--",
        "__cli-reference",
    ];
    let output = workspace
        .cargo()
        .args(args)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("`imgc __cli-reference` failed");
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Has `imgc` write the reference pages of components.
fn component_pages(workspace: &Workspace) -> Result<()> {
    let directory = workspace.path("docs/reference");
    let status = workspace
        .cargo()
        .args([
            "run",
            "--quiet",
            "--package",
            "imgc",
            "--",
            "__component-pages",
        ])
        .arg(directory)
        .status()?;
    if !status.success() {
        bail!("`imgc __component-pages` failed");
    }
    Ok(())
}

/// Has the compiler's test write the list of problems; it fails where a page is missing or wrong.
fn update_problems(workspace: &Workspace) -> Result<()> {
    let args = [
        "test",
        "--quiet",
        "--package",
        "imgc-compiler",
        "--test",
        "pages",
        "--test",
        "functions",
    ];
    let status = workspace
        .cargo()
        .args(args)
        .env("IMGC_UPDATE_PAGES", "1")
        .status()?;
    if !status.success() {
        bail!("the pages of the problems are not right; see above");
    }
    Ok(())
}
