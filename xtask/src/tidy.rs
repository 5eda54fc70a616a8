//! `cargo xtask tidy`: the rules of the house that neither the compiler nor clippy knows.
//!
//! Each check looks at the files of the workspace and returns what it found wrong, one line each, with the file and
//! the way out. The same checks run as a test of this crate.

mod dependencies;
mod links;
mod pages;
mod purity;
mod sources;
mod support;

use std::process::ExitCode;

use anyhow::Result;

use crate::workspace::Workspace;

/// Runs every check and prints what is wrong.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let findings = check(workspace)?;
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("tidy: nothing to complain about");
        Ok(ExitCode::SUCCESS)
    } else {
        println!("tidy: {} findings", findings.len());
        Ok(ExitCode::FAILURE)
    }
}

/// Everything that is wrong, in a fixed order.
fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let metadata = workspace.metadata()?;
    let files = workspace.files()?;
    let mut findings = dependencies::check(&metadata)?;
    findings.extend(purity::check(workspace)?);
    findings.extend(sources::check(workspace, &files)?);
    findings.extend(pages::check(workspace, &files)?);
    findings.extend(support::check(workspace, &files)?);
    findings.extend(links::check(workspace, &files)?);
    findings.extend(crate::generate::stale(workspace)?);
    Ok(findings)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let findings = check(&Workspace::find().unwrap()).unwrap();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }
}
