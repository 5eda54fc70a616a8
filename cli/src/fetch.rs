//! Fetches modules of git repositories, for `imgc init`.
//!
//! In: what the template names, and `imgc.lock`. Out: each repository at its commit below `.imgc/modules`, and the lock
//! file. The system's `git` does the work, without a shell, without asking anybody; a repository appears under its name
//! only when it is whole.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use imgc_compiler::modules::address::Git;
use imgc_compiler::modules::wanted;
use imgc_compiler::source::SourceMap;

use crate::exit::Exit;
use crate::failure::{Failure, reason};
use crate::terminal::{Terminal, complain};
use crate::world::Disk;
use crate::{diagnostics, lock};

/// Modules inside of modules that are fetched one after another, at most.
const ROUNDS: usize = 32;

/// A repository that is here now.
pub(crate) struct Fetched {
    pub(crate) repository: String,
    pub(crate) commit: String,
    /// Whether it had to be fetched.
    pub(crate) is_new: bool,
    /// The commit that was locked.
    pub(crate) before: Option<String>,
}

/// Brings everything here that the template at `path` uses; of the repositories that `upgrade` takes, newer
/// commits than those locked.
pub(crate) fn all(
    path: &Path,
    upgrade: impl Fn(&str) -> bool,
    terminal: Terminal,
) -> Result<Vec<Fetched>, Failure> {
    let mut fetched: Vec<Fetched> = Vec::new();
    for _ in 0..ROUNDS {
        let mut map = SourceMap::default();
        let wanted = wanted(path, &Disk, &mut map)
            .map_err(|problem| diagnostics::unreadable_failure(&problem))?;
        if !wanted.problems.is_empty() {
            complain(&diagnostics::render_all(
                &wanted.problems,
                &map,
                terminal.err,
            ));
            return Err(Failure::said(Exit::Template));
        }
        let mut lock = lock::read(&wanted.root)?;
        let done = |fetched: &[Fetched], git: &Git| {
            let repository = git.repository();
            fetched.iter().any(|known| known.repository == repository)
        };
        let open: Vec<&Git> = wanted
            .repositories
            .iter()
            .filter(|git| !done(&fetched, git))
            .collect();
        if open.is_empty() {
            // What nobody uses any more is not locked any more.
            let used = |repository: &String| {
                let mut all = wanted.repositories.iter();
                all.any(|git| git.repository() == *repository)
            };
            let before = lock.commits.len();
            lock.commits.retain(|repository, _| used(repository));
            if lock.commits.len() < before {
                lock::write(&wanted.root, &lock)?;
            }
            return Ok(fetched);
        }
        for git in open {
            let repository = git.repository();
            let locked = lock.commits.get(&repository).cloned();
            let before = locked.clone();
            let locked = locked.filter(|_| !upgrade(&repository));
            let (commit, is_new) = one(&wanted.root, git, locked)?;
            lock.commits.insert(repository.clone(), commit.clone());
            lock::write(&wanted.root, &lock)?;
            fetched.push(Fetched {
                repository,
                commit,
                is_new,
                before,
            });
        }
    }
    Err(Failure::new(
        Exit::Template,
        format!("modules are inside of modules more than {ROUNDS} times"),
    )
    .help("use modules side by side"))
}

/// One repository at a commit: that which is locked, or that which its reference names now.
fn one(root: &Path, git: &Git, locked: Option<String>) -> Result<(String, bool), Failure> {
    if let Some(commit) = &locked {
        let head = root.join(git.checkout(commit)).join(".git/HEAD");
        if std::fs::read_to_string(head).is_ok_and(|head| head.trim() == commit) {
            return Ok((commit.clone(), false));
        }
    }
    let modules = root.join(".imgc/modules");
    crate::state::make(&root.join(".imgc"), true)
        .and_then(|()| std::fs::create_dir_all(&modules))
        .map_err(|error| Failure::file("write", &modules, &error))?;
    let scratch = tempfile::Builder::new()
        .prefix(".fetching-")
        .tempdir_in(&modules)
        .map_err(|error| Failure::file("write", &modules, &error))?;
    let clone = scratch.path().join("clone");
    let into: [&OsStr; 2] = [OsStr::new(&git.url), clone.as_os_str()];
    let options = [
        "clone",
        "--quiet",
        "--no-checkout",
        "--no-recurse-submodules",
        "--",
    ];
    run(None, options.iter().map(OsStr::new).chain(into), git)?;
    let commit = match locked {
        Some(commit) => resolve(&clone, &commit).ok_or_else(|| {
            Failure::new(
                Exit::Environment,
                format!(
                    "the locked commit {} is no longer in `{}`",
                    &commit[..12],
                    git.url
                ),
            )
            .help("`imgc init -upgrade` takes what the reference names now")
        })?,
        None => {
            let names = match &git.reference {
                None => vec!["HEAD".to_owned()],
                Some(reference) => vec![
                    format!("refs/tags/{reference}"),
                    format!("refs/remotes/origin/{reference}"),
                    reference.clone(),
                ],
            };
            names
                .iter()
                .find_map(|name| resolve(&clone, name))
                .ok_or_else(|| {
                    let reference = git.reference.as_deref().unwrap_or("HEAD");
                    let text = format!("`{}` has no `{reference}`", git.url);
                    Failure::new(Exit::Template, text)
                        .help("write a branch, tag or commit that is there: `?ref=…`")
                })?
        }
    };
    let options = ["checkout", "--quiet", "--detach", commit.as_str(), "--"];
    run(Some(&clone), options.iter().map(OsStr::new), git)?;
    let place = root.join(git.checkout(&commit));
    let failed = |error: std::io::Error| Failure::file("write", &place, &error);
    if place.exists() {
        std::fs::remove_dir_all(&place).map_err(failed)?;
    }
    std::fs::rename(&clone, &place).map_err(failed)?;
    Ok((commit, true))
}

/// The commit a name stands for in a clone.
fn resolve(clone: &Path, name: &str) -> Option<String> {
    let output = command(Some(clone))
        .args(["rev-parse", "--verify", "--quiet", "--end-of-options"])
        .arg(format!("{name}^{{commit}}"))
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let commit = text.trim();
    let whole = matches!(commit.len(), 40 | 64) && commit.bytes().all(|b| b.is_ascii_hexdigit());
    (output.status.success() && whole).then(|| commit.to_owned())
}

fn command(clone: Option<&Path>) -> Command {
    let mut command = Command::new("git");
    if let Some(clone) = clone {
        command.arg("-C").arg(clone);
    }
    // Neither hooks nor helper programs of an address run, and nobody is asked for a password.
    command
        .args([
            "-c",
            "protocol.ext.allow=never",
            "-c",
            "core.hooksPath=/dev/null",
        ])
        .env("GIT_TERMINAL_PROMPT", "0")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .stdin(std::process::Stdio::null());
    command
}

fn run<'o>(
    clone: Option<&PathBuf>,
    arguments: impl Iterator<Item = &'o OsStr>,
    git: &Git,
) -> Result<(), Failure> {
    let output = command(clone.map(PathBuf::as_path))
        .args(arguments)
        .output()
        .map_err(|error| {
            let text = format!("cannot run `git`: {}", reason(&error));
            Failure::new(Exit::Environment, text).help("install git: it fetches modules")
        })?;
    if output.status.success() {
        return Ok(());
    }
    let text = format!("`git` cannot fetch `{}`", git.url);
    let mut failure = Failure::new(Exit::Environment, text)
        .help("check the address, and whether `git clone` reaches it without asking");
    let said = String::from_utf8_lossy(&output.stderr);
    failure.details = said
        .lines()
        .take(8)
        .map(crate::terminal::harmless)
        .map(|line| line.to_string())
        .collect();
    Err(failure)
}
