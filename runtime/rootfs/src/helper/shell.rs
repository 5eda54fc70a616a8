//! A shell for a person inside a running build: what `imgc attach` starts.
//!
//! ```text
//! imgc attach ── shell PID ── shell-isolate ── shell-work ── sh
//! ```
//!
//! The same stages as for a job, but standard input is the person's, so that the job comes from a file: it has the
//! environment, which may hold secrets, and is locked while the shell is open. Whoever exchanges the build's mounts waits
//! for that lock: what a shell wrote under the earlier ones would end in a layer that is finished.

use std::fs::{File, OpenOptions};
use std::io::IsTerminal;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Pid, getpgrp, setpgid, tcsetpgrp};

use super::command;
use super::{namespaces, stage};
use crate::error::{Attempt, COMMAND, Failure, NAMESPACES, Outcome};
use crate::job::{FAILED, Isolation, Run};

/// What a person prefers to `/bin/sh`.
const COMFORT: &str = "/bin/bash";

/// Enters the namespaces of the build whose process 1 is `pid`. `file` holds a [`Run`].
pub(super) fn join(pid: &str, isolation: Isolation, file: &str) -> ExitCode {
    let ended = open(Path::new(file)).and_then(|lock| {
        namespaces::enter(pid)?;
        let code = next(&["shell-isolate", isolation.word(), file]);
        drop(lock);
        code
    });
    // The terminal is the shell's, which has ended: whoever called this gets it back.
    if std::io::stdin().is_terminal() {
        take_terminal();
    }
    told(ended)
}

/// Opens and locks the file, before the mounts are copied, and leaves a mark that somebody was in the machine.
fn open(file: &Path) -> Outcome<File> {
    let gone = || "the machine has been let go";
    let lock = File::open(file).attempt(NAMESPACES, gone)?;
    lock.lock_shared().attempt(NAMESPACES, gone)?;
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(file.with_extension("used"))
        .attempt(NAMESPACES, gone)?;
    Ok(lock)
}

/// Makes namespaces of its own for the shell.
pub(super) fn isolate(isolation: Isolation, file: &str) -> ExitCode {
    if set_pdeathsig(Signal::SIGKILL).is_err() {
        return ExitCode::from(FAILED);
    }
    told(namespaces::isolate(isolation).and_then(|()| next(&["shell-work", file])))
}

/// Starts the shell and waits for its end.
pub(super) fn work(file: &str) -> ExitCode {
    if set_pdeathsig(Signal::SIGKILL).is_err() {
        return ExitCode::from(FAILED);
    }
    told(run(Path::new(file)))
}

fn run(file: &Path) -> Outcome<ExitCode> {
    let text = std::fs::read(file).attempt(COMMAND, || "the machine has been let go")?;
    let run: Run = serde_json::from_slice(&text).map_err(|error| {
        Failure::new(
            COMMAND,
            format!("what the shell needs to know is not understood: {error}"),
        )
    })?;
    let is_terminal = std::io::stdin().is_terminal();
    if is_terminal {
        // A shell wants to be able to give the terminal back to a process group it can see.
        setpgid(Pid::from_raw(0), Pid::from_raw(0))
            .attempt(COMMAND, || "the terminal cannot be taken")?;
        take_terminal();
    }
    command::enter(&run)?;
    let person = |shell: &mut Command| {
        if is_terminal {
            shell.arg("-i");
            shell.envs(std::env::var_os("TERM").map(|term| ("TERM", term)));
        }
    };
    let comfort = (is_terminal && Path::new(COMFORT).is_file())
        .then(|| command::spawn(COMFORT, &run, person).ok())
        .flatten();
    let shell = match comfort {
        Some(shell) => shell,
        None => command::spawn(command::SHELL, &run, person)
            .map_err(|error| command::no_shell(&error))?,
    };
    command::wait_for(&shell)
}

fn next(args: &[&str]) -> Outcome<ExitCode> {
    let status = stage(args)
        .status()
        .attempt(COMMAND, || "the helper cannot start itself again")?;
    Ok(super::code_of(status))
}

/// Makes the caller's process group the one that reads from the terminal. Without a terminal nothing happens.
fn take_terminal() {
    // Who does so from the background is stopped by this signal.
    let mut stopping = SigSet::empty();
    stopping.add(Signal::SIGTTOU);
    let _ = stopping.thread_block();
    let _ = tcsetpgrp(std::io::stdin(), getpgrp());
    let _ = stopping.thread_unblock();
}

/// Tells the person of a failure.
fn told(ended: Outcome<ExitCode>) -> ExitCode {
    ended.unwrap_or_else(|failure| {
        use std::io::Write;
        let mut text = format!("error: {}\n", failure.message);
        if let Some(help) = &failure.help {
            text.push_str(&format!("  help: {help}\n"));
        }
        // Nobody is left to tell when this fails.
        let _ = std::io::stderr().write_all(text.as_bytes());
        ExitCode::from(FAILED)
    })
}
