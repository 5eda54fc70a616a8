//! Running a command in the root file system.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode};

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, sethostname};

use super::mounts::{self, require_mounted};
use super::namespaces::{change_root, withhold_rights};
use crate::error::{Attempt, COMMAND, Failure, NO_SHELL, Outcome};
use crate::job::Run;

pub(super) const SHELL: &str = "/bin/sh";

/// Goes into the root file system of a build for good.
///
/// With a network namespace of its own it also gets the `/sys` of that.
pub(super) fn enter_root(work: &Path, own_network: bool) -> Outcome<()> {
    let root = require_mounted(work)?;
    mounts::complete_root(&root, own_network)?;
    change_root(&root)
}

/// Runs a command and reaps what it leaves behind until it ends. As this is process 1 of the command's pid namespace, its
/// return ends all that the command has started.
pub(super) fn run(run: &Run) -> Outcome<ExitCode> {
    enter(run)?;
    let child = spawn(SHELL, run, |shell| {
        shell.args(["-c", &run.line]);
    });
    // The command has it now: its end must be seen when all of its readers have gone.
    wait_for(&child.map_err(|error| no_shell(&error))?)
}

/// Goes where commands of the template run, with what they may do.
pub(super) fn enter(run: &Run) -> Outcome<()> {
    sethostname(&run.hostname).attempt(COMMAND, || "the host name cannot be set")?;
    enter_root(&run.work, !run.host_network)?;
    withhold_rights(run.host_network)
}

/// Starts a program of the root file system with the environment of commands; `with` adds to it.
pub(super) fn spawn(
    program: &str,
    run: &Run,
    with: impl FnOnce(&mut Command),
) -> std::io::Result<Child> {
    let home = run
        .env
        .get("HOME")
        .map(Path::new)
        .filter(|home| home.is_dir());
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(&run.env)
        .current_dir(home.unwrap_or(Path::new("/")));
    with(&mut command);
    command.spawn()
}

/// Waits for a child's end, as process 1 of the pid namespace it is in.
pub(super) fn wait_for(child: &Child) -> Outcome<ExitCode> {
    let main = Pid::from_raw(child.id() as i32);
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == main => {
                return Ok(ExitCode::from(code as u8));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == main => {
                return Ok(ExitCode::from((128 + signal as i32) as u8));
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                return Err(error).attempt(COMMAND, || "the command cannot be waited for");
            }
        }
    }
}

/// Says why the shell did not start: the three usual reasons look alike to the kernel.
pub(super) fn no_shell(error: &std::io::Error) -> Failure {
    let Ok(metadata) = std::fs::metadata(SHELL) else {
        return Failure::new(NO_SHELL, format!("the root file system has no {SHELL} to run commands with")).help(
            "provisioners that only copy files (`file`) work without a shell; to run commands start `from` a \
             distribution or an archive that has one, or upload a statically linked shell to /bin/sh first",
        );
    };
    if metadata.permissions().mode() & 0o111 == 0 {
        return Failure::new(
            NO_SHELL,
            format!("{SHELL} of the root file system is not executable"),
        )
        .help(format!("give {SHELL} the permission bits 0755"));
    }
    match error.kind() {
        std::io::ErrorKind::NotFound => Failure::new(
            NO_SHELL,
            format!("{SHELL} of the root file system cannot start: its dynamic loader or libraries are missing"),
        )
        .help("copy the libraries that `ldd` names for it, or use a statically linked shell"),
        _ if error.raw_os_error() == Some(Errno::ENOEXEC as i32) => Failure::new(
            NO_SHELL,
            format!("{SHELL} of the root file system is not a program of this machine's architecture"),
        )
        .help("for a foreign architecture install qemu-user-static and binfmt-support on this machine"),
        _ => Failure::io(COMMAND, format!("{SHELL} cannot be started in the root file system"), error),
    }
}
