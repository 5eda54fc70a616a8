//! The processes that hold a build's namespaces.

use std::io::{BufRead, Write};
use std::process::ExitCode;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use super::{namespaces, stage};
use crate::error::{Attempt, Failure, NAMESPACES, Outcome};
use crate::job::FAILED;

/// Makes the namespaces and a process 1 for them; ends when that ends.
///
/// Talks in lines: `mapped?` when its user namespace wants its ids, any line back when it has them, then `init PID`; or a
/// failure in JSON.
pub(super) fn keep(user: bool) -> ExitCode {
    match prepare(user) {
        Ok(mut init) => {
            // The end of the pipe belongs to `init` alone.
            match init.wait() {
                Ok(status) => super::code_of(status),
                Err(_) => ExitCode::from(FAILED),
            }
        }
        Err(failure) => {
            say(&serde_json::to_string(&failure).unwrap_or_default());
            ExitCode::from(FAILED)
        }
    }
}

fn prepare(user: bool) -> Outcome<std::process::Child> {
    if user {
        unshare(CloneFlags::CLONE_NEWUSER)
            .attempt(
                NAMESPACES,
                || "the kernel does not give this user a user namespace",
            )
            .map_err(namespaces::how_to_permit)?;
        say("mapped?");
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut line)
            .attempt(NAMESPACES, || "the builder has gone")?;
        if line.is_empty() {
            return Err(Failure::new(
                NAMESPACES,
                "the user namespace was given no ids",
            ));
        }
        become_root()?;
    }
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)
        .attempt(
            NAMESPACES,
            || "the kernel does not permit mount and pid namespaces",
        )
        .map_err(namespaces::how_to_permit)?;
    namespaces::make_mounts_private()?;
    let child = stage(&["init"])
        .spawn()
        .attempt(NAMESPACES, || "the helper cannot start itself again")?;
    say(&format!("init {}", child.id()));
    Ok(child)
}

/// Becomes the user namespace's root, which is the user who started the build.
fn become_root() -> Outcome<()> {
    let what = || "the user namespace does not have a root";
    setresgid(Gid::from_raw(0), Gid::from_raw(0), Gid::from_raw(0)).attempt(NAMESPACES, what)?;
    setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).attempt(NAMESPACES, what)?;
    setgroups(&[]).attempt(NAMESPACES, || "the user's groups cannot be left")
}

fn say(line: &str) {
    // When the builder has gone the next read finds the end.
    let _ = std::io::stdout().write_all(format!("{line}\n").as_bytes());
    let _ = std::io::stdout().flush();
}

/// Process 1 of a build: waits for the end of standard input and reaps orphans meanwhile.
pub(super) fn init() -> ExitCode {
    match wait_for_end() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(FAILED),
    }
}

fn wait_for_end() -> nix::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    children.thread_block()?;
    let signals = SignalFd::with_flags(&children, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let stdin = std::io::stdin();
    loop {
        let mut ready = [
            PollFd::new(std::os::fd::AsFd::as_fd(&stdin), PollFlags::POLLIN),
            PollFd::new(std::os::fd::AsFd::as_fd(&signals), PollFlags::POLLIN),
        ];
        match poll(&mut ready, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
        let has_events = |at: usize| ready[at].revents().is_some_and(|events| !events.is_empty());
        if has_events(0) && at_end(&stdin)? {
            return Ok(());
        }
        if has_events(1) {
            while signals.read_signal()?.is_some() {}
            reap()?;
        }
    }
}

fn at_end(stdin: &std::io::Stdin) -> nix::Result<bool> {
    let mut bytes = [0; 64];
    Ok(nix::unistd::read(stdin, &mut bytes)? == 0)
}

fn reap() -> nix::Result<()> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(()),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}
