//! `cargo xtask vscode-test`: everything that decides whether the VS Code extension is right, in a real editor too.
//!
//! In: `npm` and `chromium` on the machine; what else is needed comes by package name through npm, into `target/editors`.
//! Out: `editors/vscode/dist/imgc.vsix`, pictures and logs in `target/editors/output`, and the verdict.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// The major version of Node.js that the editor in the browser needs.
const NODE: u32 = 24;

/// What was asked for.
#[derive(Default)]
struct Options {
    /// Without the browser.
    quick: bool,
    /// The program to test; else it is compiled.
    imgc: Option<PathBuf>,
}

/// Runs the task.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    let options = options(args)?;
    let extension = workspace.path("editors/vscode");
    let tools = std::path::absolute(workspace.target().join("editors"))?;
    std::fs::create_dir_all(&tools)?;
    let path = node(&tools)?;
    if is_stale(&extension) {
        let quiet = ["--ignore-scripts", "--no-audit", "--no-fund"];
        step(
            Command::new("npm")
                .arg("ci")
                .args(quiet)
                .current_dir(&extension),
        )?;
    }
    // Not through npm, which may work only with the Node.js of its own distribution.
    let run = |program: &str, args: &[&str]| -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(&extension)
            .env("PATH", &path);
        command
    };
    let tool = |name: &str| extension.join("node_modules/.bin").join(name);
    step(&mut run(&tool("tsc").to_string_lossy(), &["--noEmit"]))?;
    step(&mut run(&tool("eslint").to_string_lossy(), &["."]))?;
    step(&mut run(
        &tool("prettier").to_string_lossy(),
        &["--check", "."],
    ))?;
    step(&mut run("node", &["esbuild.mjs", "--tests"]))?;
    let tests = unit_tests(&extension)?;
    step(run("node", &["--test"]).args(tests))?;
    step(&mut run("node", &["esbuild.mjs", "--production"]))?;
    let package = ["package", "--no-dependencies", "--allow-missing-repository"];
    step(run(&tool("vsce").to_string_lossy(), &package).args(["--out", "dist/imgc.vsix"]))?;
    if options.quick {
        return Ok(ExitCode::SUCCESS);
    }
    let chromium = chromium()?;
    let imgc = match options.imgc {
        Some(imgc) => imgc,
        None => compile(workspace)?,
    };
    let code_server = tools.join("code-server");
    let mut install = Command::new("node");
    install.arg("e2e/install.mjs").arg(&code_server);
    step(install.current_dir(&extension))?;
    let output = tools.join("output");
    // Pictures of an earlier run say nothing about this one.
    if output.exists() {
        std::fs::remove_dir_all(&output)?;
    }
    step(&mut run("node", &["esbuild.mjs", "--e2e"]))?;
    let flags = ["--enable-source-maps", "--test-reporter=spec"];
    let mut tests = run("node", &flags);
    tests.args(["--test", "dist-e2e/suite.js"]);
    tests.env("IMGC", std::path::absolute(imgc)?);
    tests.env("CODE_SERVER", code_server);
    tests.env("CHROMIUM", chromium);
    tests.env("OUTPUT", &output);
    step(&mut tests)?;
    println!("pictures: {}", output.display());
    Ok(ExitCode::SUCCESS)
}

fn options(args: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--quick" => options.quick = true,
            "--imgc" => {
                let path = rest.next().context("`--imgc` takes a path")?;
                options.imgc = Some(path.into());
            }
            _ => bail!("`vscode-test` knows no `{arg}`"),
        }
    }
    Ok(options)
}

/// The search path with a Node.js that is new enough in front; without one it is installed with npm.
fn node(tools: &Path) -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if version("npm").is_none() {
        bail!("`npm` is missing: install Debian's `npm`, or Node.js with npm from elsewhere");
    }
    if version("node").is_some_and(|major| major >= NODE) {
        return Ok(path);
    }
    let arch = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    let package = format!("node-{}-{arch}", std::env::consts::OS);
    let directory = tools.join("node");
    let bin = directory.join("node_modules").join(&package).join("bin");
    if !bin.join("node").exists() {
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join("package.json"), "{ \"private\": true }\n")?;
        let mut install = Command::new("npm");
        install.args(["install", "--ignore-scripts", "--no-audit", "--no-fund"]);
        install.arg(format!("{package}@{NODE}"));
        step(install.current_dir(&directory))?;
    }
    let paths = std::iter::once(bin).chain(std::env::split_paths(&path));
    Ok(std::env::join_paths(paths)?)
}

/// The major version a program prints.
fn version(program: &str) -> Option<u32> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let number = text.trim().trim_start_matches('v');
    number.split('.').next()?.parse().ok()
}

/// The bundled unit tests.
fn unit_tests(extension: &Path) -> Result<Vec<PathBuf>> {
    let mut tests = Vec::new();
    for entry in std::fs::read_dir(extension.join("dist-test"))? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".test.js") {
            tests.push(path);
        }
    }
    tests.sort();
    Ok(tests)
}

/// Whether the packages are not those of the lock file.
fn is_stale(extension: &Path) -> bool {
    let changed = |file: &str| std::fs::metadata(extension.join(file))?.modified();
    match (
        changed("package-lock.json"),
        changed("node_modules/.package-lock.json"),
    ) {
        (Ok(wanted), Ok(installed)) => wanted > installed,
        _ => true,
    }
}

fn chromium() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("CHROMIUM") {
        return Ok(path.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut programs =
        std::env::split_paths(&path).flat_map(|directory| names.map(|name| directory.join(name)));
    programs.find(|program| program.is_file()).context(
        "there is no Chromium: install Debian's `chromium`, name one in CHROMIUM, or use --quick",
    )
}

fn compile(workspace: &Workspace) -> Result<PathBuf> {
    step(
        workspace
            .cargo()
            .args(["build", "--locked", "--package", "imgc"]),
    )?;
    Ok(workspace.target().join("debug/imgc"))
}

/// Runs a command to its end; it speaks on this terminal.
fn step(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command
        .status()
        .with_context(|| format!("cannot run {shown}"))?;
    if !status.success() {
        bail!("{status}: {shown}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn options_are_read_and_strange_ones_refused() {
        let read =
            |args: &[&str]| options(&args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>());
        let asked = read(&["--imgc", "x/imgc", "--quick"]).unwrap();
        assert!(asked.quick);
        assert_eq!(asked.imgc, Some(PathBuf::from("x/imgc")));
        assert!(read(&["--imgc"]).is_err());
        assert!(read(&["--browser"]).is_err());
    }

    #[test]
    fn packages_that_were_never_installed_are_stale() {
        let directory = tempfile::tempdir().unwrap();
        assert!(is_stale(directory.path()));
        std::fs::write(directory.path().join("package-lock.json"), "{}").unwrap();
        assert!(is_stale(directory.path()));
        std::fs::create_dir(directory.path().join("node_modules")).unwrap();
        std::fs::write(
            directory.path().join("node_modules/.package-lock.json"),
            "{}",
        )
        .unwrap();
        assert!(!is_stale(directory.path()));
    }
}
