//! An open connection and the commands that run over it.
//!
//! Commands go to the master through its control socket, with the `openssh` crate: no process is started for them, and
//! their input and output are file descriptors handed to the master. Only a pseudo-terminal (`ssh_pty`) or a forwarded
//! agent, which that road does not know, take an `ssh` process.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio as ProcessStdio;
use std::sync::Arc;
use std::time::Duration;

use imgc_runtime::duration::short;
use imgc_runtime::error::{Class, Error, Result};
use openssh::{Session, Stdio};
use tokio::io::AsyncRead;

use crate::communicator::Roads;
use crate::master::{Master, missing_program};
use crate::probe::End;

/// The server opens no session: too many, or the connection is going away.
pub(crate) const NO_SESSION: &str = "run/ssh-session";
/// A command's end is told from a lost connection by waiting this long for the connection's end.
const GRACE: Duration = Duration::from_secs(1);

/// A master that has reached its server, and whatever it needs.
pub(crate) struct Connection {
    session: Arc<Session>,
    pub(crate) master: Master,
    bastion: Option<Master>,
    with_process: Option<Passenger>,
}

/// Why an `ssh` process is needed for each command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passenger {
    pub(crate) pty: bool,
    pub(crate) agent: bool,
}

/// Where a command's input comes from.
pub(crate) enum Input {
    Nothing,
    From(OwnedFd),
}

impl Input {
    /// The same input again, for when a command could not be started.
    pub(crate) fn again(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Nothing => Self::Nothing,
            Self::From(fd) => Self::From(fd.try_clone()?),
        })
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Code(i32),
    /// By a signal; the connection is there.
    Signal,
    Lost,
}

pub(crate) type Stream = Box<dyn AsyncRead + Send + Unpin>;

/// A running command. Dropping it closes the channel; the command itself may go on.
pub(crate) struct Channel {
    pub(crate) stdout: Option<Stream>,
    pub(crate) stderr: Option<Stream>,
    handle: Handle,
}

enum Handle {
    Native(openssh::Child<Arc<Session>>),
    Process(tokio::process::Child),
}

impl Connection {
    pub(crate) fn new(
        master: Master,
        bastion: Option<Master>,
        with_process: Option<Passenger>,
    ) -> Self {
        let session = Session::resume_mux(master.control().into(), None);
        Self {
            session: Arc::new(session),
            master,
            bastion,
            with_process,
        }
    }

    /// Starts a command. `stdout`: `None` for a pipe, else where its output goes.
    pub(crate) async fn start(
        &self,
        line: &str,
        input: Input,
        stdout: Option<OwnedFd>,
    ) -> Result<Channel> {
        let mut command = Arc::clone(&self.session).arc_raw_command(line);
        command.stdin(match input {
            Input::Nothing => Stdio::null(),
            Input::From(fd) => Stdio::from(fd),
        });
        command.stdout(stdout.map_or_else(Stdio::piped, Stdio::from));
        command.stderr(Stdio::piped());
        let mut child = command.spawn().await.map_err(|error| self.problem(error))?;
        self.master.is_in_use();
        Ok(Channel {
            stdout: child
                .stdout()
                .take()
                .map(|stream| Box::new(stream) as Stream),
            stderr: child
                .stderr()
                .take()
                .map(|stream| Box::new(stream) as Stream),
            handle: Handle::Native(child),
        })
    }

    /// Starts a command of the user, with a terminal or an agent if so wished.
    pub(crate) async fn start_users(&self, line: &str, input: Input) -> Result<Channel> {
        let Some(passenger) = self.with_process else {
            return self.start(line, input, None).await;
        };
        let mut command = tokio::process::Command::new("ssh");
        // Port 9: should the master be gone, no new connection is made.
        command
            .args([
                "-F",
                "none",
                "-p",
                "9",
                "-o",
                "BatchMode=yes",
                "-o",
                "LogLevel=ERROR",
                "-S",
            ])
            .arg(self.master.control())
            .arg(if passenger.pty { "-tt" } else { "-T" })
            .arg(if passenger.agent { "-A" } else { "-a" })
            .args(["none", "--", line])
            .stdin(match input {
                Input::Nothing => ProcessStdio::null(),
                Input::From(fd) => ProcessStdio::from(fd),
            })
            .stdout(ProcessStdio::piped())
            .stderr(ProcessStdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .map_err(|error| missing_program("ssh", error))?;
        Ok(Channel {
            stdout: child.stdout.take().map(|stream| Box::new(stream) as Stream),
            stderr: child.stderr.take().map(|stream| Box::new(stream) as Stream),
            handle: Handle::Process(child),
        })
    }

    /// How a command ended.
    pub(crate) async fn wait(&self, handle: Running) -> Result<Ended> {
        let status = match handle.0 {
            Handle::Native(child) => match child.wait().await {
                Ok(status) => status.code(),
                // What the crate makes of exit code 127.
                Err(openssh::Error::Remote(error)) if error.kind() == io::ErrorKind::NotFound => {
                    Some(127)
                }
                Err(_) => None,
            },
            Handle::Process(mut child) => {
                let status = child
                    .wait()
                    .await
                    .map_err(|error| missing_program("ssh", error))?;
                match status.code() {
                    Some(255) if self.master.ends_within(GRACE).await => None,
                    code => code.or(status.signal().map(|signal| 128 + signal)),
                }
            }
        };
        Ok(match status {
            Some(code) => Ended::Code(code),
            None if self.master.ends_within(GRACE).await => Ended::Lost,
            None => Ended::Signal,
        })
    }

    /// Whether the connection is gone.
    pub(crate) fn has_ended(&self) -> bool {
        self.master.has_ended()
    }

    /// Why it is gone, for people: which machine, and for how long it has not answered.
    pub(crate) fn why_ended(&self, roads: &Roads) -> String {
        let hops = [
            (self.bastion.as_ref(), roads.bastion.as_ref()),
            (Some(&self.master), Some(&roads.target)),
        ];
        // A bastion that has gone takes the connections through it along.
        for (master, road) in hops {
            let (Some(master), Some(road)) = (master, road) else {
                continue;
            };
            let (end, shown) = (master.probe().end(), road.shown());
            match (end, roads.settings.patience()) {
                (Some(End::Silent), Some(patience)) => {
                    return format!("{shown} has not answered for {}", short(patience));
                }
                (Some(End::Silent), None) => return format!("{shown} does not answer"),
                (Some(End::Closed), _) => return format!("{shown} has closed the connection"),
                (None, _) => {}
            }
        }
        format!("the connection to {} has ended", roads.target.shown())
    }

    /// Ends it.
    pub(crate) async fn stop(&self) {
        self.master.stop().await;
        if let Some(bastion) = &self.bastion {
            bastion.stop().await;
        }
    }

    fn problem(&self, error: openssh::Error) -> Error {
        if matches!(error, openssh::Error::InvalidCommand) {
            return Error::new(
                Class::Template,
                "run/ssh-command",
                "a command holds a NUL character",
            );
        }
        if self.has_ended() || matches!(error, openssh::Error::Disconnected) {
            return disconnected();
        }
        Error::new(
            Class::Remote,
            NO_SESSION,
            "the ssh server opens no further session",
        )
        .because(error)
        .help("`MaxSessions` in its `sshd_config` sets how many there may be")
    }
}

/// The rest of a [`Channel`] whose streams have been taken.
pub(crate) struct Running(Handle);

impl Channel {
    /// The streams apart from what tells the end.
    pub(crate) fn split(self) -> (Option<Stream>, Option<Stream>, Running) {
        (self.stdout, self.stderr, Running(self.handle))
    }
}

/// The connection has gone away.
pub(crate) fn disconnected() -> Error {
    Error::new(
        Class::Remote,
        "run/ssh-disconnected",
        "the connection to the machine was lost",
    )
}
