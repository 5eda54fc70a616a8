//! The helper process: everything that happens inside namespaces.
//!
//! No thread may exist when a process enters a user namespace, so this is a process of its own: the program that uses
//! this crate calls [`helper_main`] first thing in `main` when its first argument is [`HELPER_WORD`].
//!
//! ```text
//! imgc ── keep ── init          holds user, mount and pid namespace of one build; ends when imgc's end of the pipe closes
//!   └──── join PID ── isolate ── work     one job: enters them, gets namespaces of its own below, does the work
//! ```
//!
//! `init` is process 1 of the build's pid namespace: when it ends the kernel kills whatever still runs in there, and with
//! the last process the mount namespace and all its mounts are gone. That is the clean-up, also after `kill -9`.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, Stdio};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, raise};

use crate::error::{Attempt, COMMAND, Failure, Outcome};
use crate::job::{Envelope, FAILED, Isolation, Job};

mod command;
mod files;
mod keeper;
mod mounts;
mod namespaces;
mod shell;
pub(crate) mod stamp;
mod tools;
mod transfer;

/// The hidden first argument that makes a program the helper.
pub const HELPER_WORD: &str = "__rootfs-helper";

/// Runs as the helper. `args` are the program's arguments after [`HELPER_WORD`]. Call it before any thread exists.
///
/// It is an internal interface: the arguments may change with every version, and only this crate gives them.
pub fn helper_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    // What a build makes must not depend on the masks of who starts it; signals that a stage waits for are not blocked in the next.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    if SigSet::empty().thread_set_mask().is_err() {
        return ExitCode::from(FAILED);
    }
    let args: Vec<String> = args
        .into_iter()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["keep", "user"] => keeper::keep(true),
        ["keep", "root"] => keeper::keep(false),
        ["init"] => keeper::init(),
        ["join", pid, isolation] => match Isolation::from_word(isolation) {
            Some(isolation) => join(pid, isolation),
            None => ExitCode::from(FAILED),
        },
        ["isolate", isolation] => match Isolation::from_word(isolation) {
            Some(isolation) => isolate(isolation),
            None => ExitCode::from(FAILED),
        },
        ["work"] => work(),
        ["shell", pid, isolation, file] => match Isolation::from_word(isolation) {
            Some(isolation) => shell::join(pid, isolation, file),
            None => ExitCode::from(FAILED),
        },
        ["shell-isolate", isolation, file] => match Isolation::from_word(isolation) {
            Some(isolation) => shell::isolate(isolation, file),
            None => ExitCode::from(FAILED),
        },
        ["shell-work", file] => shell::work(file),
        _ => ExitCode::from(FAILED),
    }
}

/// This program again, as the next stage.
fn stage(args: &[&str]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg(HELPER_WORD).args(args);
    command
}

/// Enters the namespaces of a build. Its child is in them.
fn join(pid: &str, isolation: Isolation) -> ExitCode {
    let next = match isolation {
        Isolation::Shared => vec!["work"],
        other => vec!["isolate", other.word()],
    };
    namespaces::enter(pid).map_or_else(|failure| refuse_job(&failure), |()| see_through(&next))
}

/// Waits for the child, and ends it on SIGTERM, by which the builder lets go of a job. The child is collected in any case: the
/// namespaces of a build do not go before everything in them is, and process 1 of a container may collect nothing.
fn see_through(args: &[&str]) -> ExitCode {
    let watched = SigSet::from_iter([Signal::SIGTERM, Signal::SIGCHLD]);
    let started = watched.thread_block().map_err(std::io::Error::from);
    let mut child = match started.and_then(|()| stage(args).spawn()) {
        Ok(child) => child,
        Err(error) => return cannot_go_on(&error),
    };
    let mut let_go = false;
    loop {
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(_)) if let_go => break,
            Ok(Some(status)) => return code_of(status),
            Err(_) => return ExitCode::from(FAILED),
        }
        if watched.wait() == Ok(Signal::SIGTERM) {
            let_go = true;
            // It may have ended by now, which is as well.
            let _ = child.kill();
        }
    }
    // It has ended as if nobody had held the signal back.
    let _ = SigSet::empty().thread_set_mask();
    let _ = raise(Signal::SIGTERM);
    ExitCode::from(FAILED)
}

/// Makes namespaces of its own for a job: a pid namespace cannot be made by who has just entered another. Its child is
/// process 1 there.
fn isolate(isolation: Isolation) -> ExitCode {
    if set_pdeathsig(Signal::SIGKILL).is_err() {
        return ExitCode::from(FAILED);
    }
    namespaces::isolate(isolation).map_or_else(
        |failure| refuse_job(&failure),
        |()| wait_for_stage(&["work"]),
    )
}

fn wait_for_stage(args: &[&str]) -> ExitCode {
    match stage(args).status() {
        Ok(status) => code_of(status),
        Err(error) => cannot_go_on(&error),
    }
}

fn cannot_go_on(error: &std::io::Error) -> ExitCode {
    let what = "the helper cannot start itself again";
    refuse_job(&Failure::io(COMMAND, what, error))
}

/// Reports a failure that came before the job was read: its token is on standard input.
fn refuse_job(failure: &Failure) -> ExitCode {
    match read_envelope() {
        Ok(envelope) => report(&envelope.token, failure),
        Err(_) => ExitCode::from(FAILED),
    }
}

/// Does one job.
fn work() -> ExitCode {
    // When `join` is killed (the builder lets go of the job) this goes too, and with it all its children.
    if set_pdeathsig(Signal::SIGKILL).is_err() {
        return ExitCode::from(FAILED);
    }
    let envelope = match read_envelope() {
        Ok(envelope) => envelope,
        Err(_) => return ExitCode::from(FAILED),
    };
    match perform(envelope.job) {
        Ok(code) => code,
        Err(failure) => report(&envelope.token, &failure),
    }
}

fn perform(job: Job) -> Outcome<ExitCode> {
    match job {
        Job::Run(run) => return command::run(&run),
        Job::Probe { directory } => mounts::probe(&directory)?,
        Job::Mount(plan) => mounts::mount_root(&plan)?,
        Job::Bind { source, target } => mounts::bind_read_only(&source, &target)?,
        Job::Bootstrap(bootstrap) => answer(&tools::bootstrap(&bootstrap)?)?,
        Job::Scan { directory } => answer(&files::scan(&directory, None)?)?,
        Job::Stamp { directory } => answer(&stamp::stamp(&directory)?)?,
        Job::Unpack(unpack) => answer(&files::unpack(unpack)?)?,
        Job::Pack(pack) => answer(&files::pack(&pack)?)?,
        Job::Collapse {
            work,
            lowers,
            target,
        } => files::collapse(&work, &lowers, &target)?,
        Job::Ext4(ext4) => answer(&tools::ext4(&ext4)?)?,
        Job::Remove { paths } => files::remove(&paths)?,
        Job::PutFile(put) => transfer::put_file(&put)?,
        Job::PutTree(put) => transfer::put_tree(&put)?,
        Job::GetFile { work, path } => transfer::get_file(&work, &path)?,
        Job::GetTree { work, path } => transfer::get_tree(&work, &path)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the job's line byte by byte: what follows belongs to the job.
fn read_envelope() -> Outcome<Envelope> {
    let mut line = Vec::new();
    let mut stdin = unbuffered_stdin()?;
    let mut byte = [0];
    while stdin
        .read(&mut byte)
        .attempt(COMMAND, || "the helper got no job")?
        == 1
        && byte[0] != b'\n'
    {
        line.push(byte[0]);
    }
    serde_json::from_slice(&line).map_err(|error| {
        Failure::new(
            COMMAND,
            format!("the helper does not understand its job: {error}"),
        )
    })
}

/// Standard input without the buffer of [`std::io::stdin`], which would swallow what belongs to a command.
fn unbuffered_stdin() -> Outcome<std::fs::File> {
    nix::unistd::dup(std::io::stdin())
        .map(std::fs::File::from)
        .attempt(COMMAND, || "the helper has no standard input")
}

/// Standard output without a buffer by lines.
fn unbuffered_stdout() -> Outcome<std::fs::File> {
    nix::unistd::dup(std::io::stdout())
        .map(std::fs::File::from)
        .attempt(COMMAND, || "the helper has no standard output")
}

fn answer<T: serde::Serialize>(value: &T) -> Outcome<()> {
    let mut line = serde_json::to_vec(value)
        .map_err(|error| Failure::new(COMMAND, format!("an answer cannot be written: {error}")))?;
    line.push(b'\n');
    unbuffered_stdout()?
        .write_all(&line)
        .attempt(COMMAND, || "an answer cannot be written")
}

/// Writes a failure where the builder finds it.
fn report(token: &str, failure: &Failure) -> ExitCode {
    let text = serde_json::to_string(failure).unwrap_or_default();
    // A leading line end, in case a command left its last line unfinished. Nobody is left to tell when this fails.
    let _ = std::io::stderr().write_all(format!("\n{token}{text}\n").as_bytes());
    ExitCode::from(FAILED)
}

/// A process's code as a shell would give it.
fn code_of(status: std::process::ExitStatus) -> ExitCode {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(code as u8)
}

/// A child with nothing on its standard input whose output goes to standard error, which the builder shows.
fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .env_clear()
        .env("PATH", crate::HOST_PATH)
        .env("LC_ALL", "C.UTF-8");
    command
}
