//! Commands of this machine, each through the template's `command_wrapper`.
//!
//! In: a line for the shell, and what it reads. Out: its code, and what it has printed. Dropping the future ends the command.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::event::{Level, Output};
use imgc_runtime::ledger::Ledger;
use imgc_runtime::process::{Group, RUN_VARIABLE};
use imgc_runtime::template::{self, Surroundings};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::process::Command;

/// After a command has ended, how long output of what it left in the background is waited for.
const DRAIN: Duration = Duration::from_millis(300);

/// Runs commands.
#[derive(Clone)]
pub(super) struct Shell {
    wrapper: Arc<str>,
    surroundings: Surroundings,
    run: Arc<str>,
    ledger: Ledger,
}

/// What a command reads.
pub(super) enum Input<'a> {
    None,
    Bytes(&'a [u8]),
    File(std::fs::File),
}

/// What becomes of what it prints.
pub(super) enum Prints<'a> {
    /// It is shown line by line.
    Shown(&'a Output),
    /// It is given back.
    Kept,
    /// It goes into a file.
    File(std::fs::File),
}

/// How a command ended.
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) stdout: Vec<u8>,
    /// The last line of its errors.
    pub(super) complaint: String,
}

impl Shell {
    pub(super) fn new(cx: &Context, wrapper: &str) -> Self {
        Self {
            wrapper: wrapper.into(),
            surroundings: Surroundings::from(cx),
            run: cx.run_id.clone(),
            ledger: cx.ledger.clone(),
        }
    }

    /// A command as the wrapper has it.
    pub(super) fn wrapped(&self, command: &str) -> Result<String> {
        let fields = [("Command", command)];
        template::render(
            &self.wrapper,
            &fields,
            &self.surroundings,
            "command_wrapper",
        )
    }

    /// Runs a command that has to succeed.
    pub(super) async fn must(&self, command: &str, attempt: &str) -> Result<Vec<u8>> {
        let ended = self
            .run(&self.wrapped(command)?, Input::None, Prints::Kept)
            .await?;
        match ended.code {
            0 => Ok(ended.stdout),
            code => Err(Error::new(
                Class::Environment,
                "run/aws-chroot",
                format!("cannot {attempt}: `{command}` ends with {code}: {}", ended.complaint),
            )
            .help("the builder works as root on an instance of EC2; `command_wrapper = \"sudo {{.Command}}\"` makes it so")),
        }
    }

    /// Runs a line as it stands.
    pub(super) async fn run(
        &self,
        line: &str,
        input: Input<'_>,
        prints: Prints<'_>,
    ) -> Result<Ended> {
        let (stdin, bytes) = match input {
            Input::None => (Stdio::null(), None),
            Input::Bytes([]) => (Stdio::null(), None),
            Input::Bytes(bytes) => (Stdio::piped(), Some(bytes)),
            Input::File(file) => (Stdio::from(file), None),
        };
        let (stdout, shown) = match prints {
            Prints::Shown(output) => (Stdio::piped(), Some(output)),
            Prints::Kept => (Stdio::piped(), None),
            Prints::File(file) => (Stdio::from(file), None),
        };
        let child = self.command(line).stdin(stdin).stdout(stdout).spawn();
        let mut child = child.map_err(cannot)?;
        let (input, printed, errors) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let mut group = Group::new(&self.ledger, child);
        let (mut kept, mut complaint) = (Vec::new(), String::new());
        let status = {
            let feed = async {
                if let (Some(mut pipe), Some(bytes)) = (input, bytes) {
                    // A command that does not read is judged by its code.
                    let _ = pipe.write_all(bytes).await;
                }
            };
            let print = async {
                match (printed, shown) {
                    (Some(stream), Some(output)) => {
                        lines(stream, |line| output.line(Level::Stdout, line)).await;
                    }
                    (Some(mut stream), None) => {
                        let _ = stream.read_to_end(&mut kept).await;
                    }
                    (None, _) => {}
                }
            };
            let complain = async {
                let Some(stream) = errors else { return };
                lines(stream, |line| {
                    if let Some(output) = shown {
                        output.line(Level::Stderr, line);
                    }
                    line.clone_into(&mut complaint);
                })
                .await;
            };
            let talk = async { tokio::join!(feed, print, complain) };
            tokio::pin!(talk);
            let child = group.child();
            // The pipes may outlive the command, held by what it left in the background.
            let (status, drained) = tokio::select! {
                _ = &mut talk => (child.wait().await, true),
                status = child.wait() => (status, false),
            };
            if !drained {
                let _ = tokio::time::timeout(DRAIN, &mut talk).await;
            }
            status
        };
        group.finished();
        Ok(Ended {
            code: status.map_err(cannot)?.code().unwrap_or(128),
            stdout: kept,
            complaint,
        })
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", line])
            .env(RUN_VARIABLE, &*self.run)
            .stderr(Stdio::piped())
            .process_group(0);
        command
    }
}

async fn lines(stream: impl AsyncRead + Unpin, mut each: impl FnMut(&str)) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while let Ok(1..) = reader.read_until(b'\n', &mut line).await {
        each(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
        line.clear();
    }
}

fn cannot(error: std::io::Error) -> Error {
    Error::new(
        Class::Environment,
        "run/local-process",
        "a command of this machine cannot be run",
    )
    .because(error)
}
