//! Processes of this machine, each in a process group of its own.
//!
//! In: a command. Out: its exit, and its output line by line. Dropping the future ends the whole group: `SIGTERM`
//! first, `SIGKILL` two seconds later. Whatever it has started is ended with it, in whatever group: a mark in its environment
//! tells.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::{self, Signal};
use nix::unistd::{Pid, getpgid};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Child;

use crate::context::Context;
use crate::error::{Class, Error, Result};
use crate::event::{Level, Output};
use crate::files;
use crate::ledger::{Ledger, Resource};

/// Between `SIGTERM` and `SIGKILL`.
const GRACE: Duration = Duration::from_secs(2);
/// How often a dying process is looked at.
const POLL: Duration = Duration::from_millis(20);
/// After the command has ended, how long output of processes it left in the background is waited for.
const DRAIN: Duration = Duration::from_millis(300);
/// In the environment of every process that a run starts: the run's id, by which it is found when the run has died.
pub const RUN_VARIABLE: &str = "IMGC_RUN";
/// In the environment of every command of this machine: which one it is, by which it is found in whatever group.
const COMMAND_VARIABLE: &str = "IMGC_PROCESS";
static COMMANDS: AtomicU64 = AtomicU64::new(1);
/// Longer lines are shown in pieces.
const LONGEST_LINE: usize = 64 * 1024;

/// A command of this machine. It inherits the environment and has no input.
#[derive(Clone, Debug, Default)]
pub struct Local {
    /// The program, found through `PATH`.
    pub program: OsString,
    /// Its arguments; never a secret.
    pub arguments: Vec<OsString>,
    /// Added to the environment.
    pub environment: Vec<(String, String)>,
    /// Where it runs; the working directory of this process where `None`.
    pub directory: Option<PathBuf>,
}

/// Runs a command to its end and gives its exit code; 128 and the signal's number where a signal ended it, as shells
/// have it.
pub async fn run(cx: &Context, command: &Local) -> Result<i32> {
    let number = COMMANDS.fetch_add(1, Ordering::Relaxed);
    let mark = format!("{COMMAND_VARIABLE}={}-{number}", cx.run_id);
    let mut builder = tokio::process::Command::new(&command.program);
    builder
        .args(&command.arguments)
        .env(RUN_VARIABLE, &*cx.run_id)
        .env(COMMAND_VARIABLE, format!("{}-{number}", cx.run_id))
        .envs(
            command
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(directory) = &command.directory {
        builder.current_dir(directory);
    }
    let spawned = {
        let _starting = files::starting();
        builder.spawn()
    };
    let child = spawned.map_err(|error| cannot_start(command, error))?;
    let mut group = Group::new(&cx.ledger, child);
    group.mark = Some(mark);
    group.record(cx, &command.program).await?;
    let child = group.child();
    let output = child.stdout.take();
    let errors = child.stderr.take();
    let reading = async {
        tokio::join!(
            lines(output, &cx.output, Level::Stdout),
            lines(errors, &cx.output, Level::Stderr)
        )
    };
    tokio::pin!(reading);
    // The pipes may outlive the command, held by what it left in the background.
    let (status, drained) = tokio::select! {
        _ = &mut reading => (child.wait().await, true),
        status = child.wait() => (status, false),
    };
    if !drained {
        let _ = tokio::time::timeout(DRAIN, &mut reading).await;
    }
    group.finished();
    let status = status.map_err(|error| {
        Error::new(
            Class::Environment,
            "run/local-process",
            "cannot wait for a process",
        )
        .because(error)
    })?;
    use std::os::unix::process::ExitStatusExt as _;
    Ok(status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
}

fn cannot_start(command: &Local, error: std::io::Error) -> Error {
    let program = command.program.to_string_lossy();
    let help = match error.kind() {
        std::io::ErrorKind::NotFound => "install the program, or give its path",
        std::io::ErrorKind::PermissionDenied => "make the program executable",
        _ => "check the limits of processes and memory on this machine",
    };
    Error::new(
        Class::Environment,
        "run/local-process",
        format!("cannot start `{program}`"),
    )
    .because(error)
    .help(help)
}

/// Hands a stream to the output, line by line.
async fn lines(stream: Option<impl AsyncRead + Unpin>, output: &Output, level: Level) {
    let Some(mut stream) = stream else { return };
    let mut pending = Vec::new();
    let mut buffer = vec![0; 8 * 1024];
    loop {
        let count = match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        pending.extend_from_slice(&buffer[..count]);
        if let Some(end) = pending.iter().rposition(|byte| *byte == b'\n') {
            output.line(level, &String::from_utf8_lossy(&pending[..end]));
            pending.drain(..=end);
        }
        if pending.len() >= LONGEST_LINE {
            output.line(level, &String::from_utf8_lossy(&pending));
            pending.clear();
        }
    }
    if !pending.is_empty() {
        output.line(level, &String::from_utf8_lossy(&pending));
    }
}

/// A running process group; dropped before its time, it is ended: `SIGTERM` first, `SIGKILL` two seconds later.
pub struct Group {
    child: Option<Child>,
    pid: u32,
    ledger: Ledger,
    /// Of the ledger, once it is there.
    record: Option<u64>,
    /// What all that it starts has in its environment.
    mark: Option<String>,
}

impl Group {
    /// The group that a child leads.
    pub fn new(ledger: &Ledger, child: Child) -> Self {
        Self {
            pid: child.id().unwrap_or_default(),
            child: Some(child),
            ledger: ledger.clone(),
            record: None,
            mark: None,
        }
    }

    /// The child.
    pub fn child(&mut self) -> &mut Child {
        self.child
            .as_mut()
            .expect("the child is there until the group is dropped")
    }

    /// Records the group in the ledger, until it has ended; `program` says what it is.
    ///
    /// A process has no number before it exists, so here the record follows the making. That takes a moment in which the step may
    /// be stopped: the group is already there to end the process then, and what is recorded of it is found to be gone.
    pub async fn record(&mut self, cx: &Context, program: &OsStr) -> Result<()> {
        let resource = Resource::Process {
            pid: self.pid,
            started: stat(self.pid).map_or(0, |stat| stat.started),
            what: cx.output.redact(&program.to_string_lossy()),
            mark: self.mark.clone(),
        };
        let made = std::future::ready(Ok(()));
        let (record, ()) = cx.ledger.create(&cx.address, resource, made).await?;
        self.record = Some(record);
        Ok(())
    }

    /// The child has ended; what it has left in the background stays.
    pub fn finished(mut self) {
        self.child = None;
        if let Some(record) = self.record {
            self.ledger.forget(record);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        let pid = self.pid;
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            signal_group(pid, Signal::SIGKILL);
            return;
        };
        let (ledger, record, mark) = (self.ledger.clone(), self.record, self.mark.take());
        signal_group(pid, Signal::SIGTERM);
        let mut others = Others::of(mark);
        others.signal(Signal::SIGTERM);
        runtime.spawn(async move {
            let start = std::time::Instant::now();
            let mut reaped = false;
            loop {
                reaped = reaped || matches!(child.try_wait(), Ok(Some(_)) | Err(_));
                if reaped && !group_exists(pid) && !others.signal(Signal::SIGTERM) {
                    break;
                }
                if start.elapsed() > GRACE {
                    signal_group(pid, Signal::SIGKILL);
                    others.told.clear();
                    others.signal(Signal::SIGKILL);
                    let _ = child.wait().await;
                    break;
                }
                tokio::time::sleep(POLL).await;
            }
            if let Some(record) = record {
                ledger.forget(record);
            }
        });
    }
}

/// What bears a mark, each told once.
struct Others {
    mark: Option<String>,
    told: BTreeSet<u32>,
}

impl Others {
    fn of(mark: Option<String>) -> Self {
        Self {
            mark,
            told: BTreeSet::new(),
        }
    }

    /// Sends a signal to those that have had none; whether any are there.
    fn signal(&mut self, sign: Signal) -> bool {
        let left = self.mark.as_deref().map(marked).unwrap_or_default();
        for pid in &left {
            if self.told.insert(*pid) {
                let _ = signal::kill(raw(*pid), sign);
            }
        }
        !left.is_empty()
    }
}

/// Ends a recorded process, with its group if it leads one, and waits until it is gone. `false` if it stays.
pub(crate) async fn end(pid: u32, started: u64) -> bool {
    if pid == 0 || !lives(pid, started) {
        return true;
    }
    for (signal, patience) in [
        (Signal::SIGTERM, GRACE + Duration::from_secs(1)),
        (Signal::SIGKILL, GRACE),
    ] {
        signal_recorded(pid, started, signal);
        let mut waited = Duration::ZERO;
        while waited < patience {
            if !lives(pid, started) {
                return true;
            }
            tokio::time::sleep(POLL).await;
            waited += POLL;
        }
    }
    !lives(pid, started)
}

/// Ends a recorded process at once, without waiting.
pub(crate) fn kill(pid: u32, started: u64) {
    if pid != 0 && lives(pid, started) {
        signal_recorded(pid, started, Signal::SIGKILL);
    }
}

/// Whether a recorded process or a member of the group it led still runs. What has ended and is merely not collected
/// does not count. A number is not given out again while a group bears it.
pub(crate) fn lives(pid: u32, started: u64) -> bool {
    match stat(pid) {
        Some(stat) if stat.started != started => false,
        Some(stat) if !stat.zombie => true,
        _ => group_exists(pid),
    }
}

fn signal_recorded(pid: u32, started: u64, signal: Signal) {
    match stat(pid) {
        Some(stat) if stat.started != started => {}
        Some(_) if getpgid(Some(raw(pid))) != Ok(raw(pid)) => {
            let _ = signal::kill(raw(pid), signal);
        }
        _ => signal_group(pid, signal),
    }
}

fn signal_group(pid: u32, signal: Signal) {
    if pid > 1 {
        let _ = signal::killpg(raw(pid), signal);
    }
}

/// Whether a group has a member that runs.
fn group_exists(pid: u32) -> bool {
    if pid <= 1 || signal::killpg(raw(pid), None).is_err() {
        return false;
    }
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return true;
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(stat)
        .any(|stat| stat.group == pid && !stat.zombie)
}

fn raw(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX))
}

struct Stat {
    started: u64,
    zombie: bool,
    group: u32,
}

/// State, group and start time of `/proc/PID/stat` (fields 3, 5 and 22).
fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name is in parentheses and may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let zombie = matches!(fields.next()?, "Z" | "X");
    let group = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(16)?.parse().ok()?;
    Some(Stat {
        started,
        zombie,
        group,
    })
}

/// The entry that the processes of a run have in their environment.
pub fn marker(run: &str) -> String {
    format!("{RUN_VARIABLE}={run}")
}

/// A process that a run has started.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OfRun {
    /// Its number.
    pub pid: u32,
    /// The run's id.
    pub run: String,
    /// Its directory of temporary files, as its environment names it: the run's as a rule.
    pub temporary: Option<PathBuf>,
}

/// The processes whose environment this process may read and that bear a run's id; itself excepted.
pub fn of_runs() -> Vec<OfRun> {
    use std::os::unix::ffi::OsStringExt as _;
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(pid) = pid.filter(|pid| *pid != own) else {
            continue;
        };
        // It may have ended since, or be another user's.
        let Ok(environment) = std::fs::read(entry.path().join("environ")) else {
            continue;
        };
        let value = |name: &str| {
            environment
                .split(|byte| *byte == 0)
                .find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
                .filter(|value| !value.is_empty())
        };
        if let Some(run) = value(RUN_VARIABLE) {
            found.push(OfRun {
                pid,
                run: String::from_utf8_lossy(run).into_owned(),
                temporary: value("TMPDIR").map(|path| OsString::from_vec(path.to_vec()).into()),
            });
        }
    }
    found.sort();
    found
}

/// The processes that have an entry in their environment and run; this one excepted.
fn marked(entry: &str) -> Vec<u32> {
    let own = std::process::id();
    let numbers = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    numbers
        .filter_map(|one| one.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own)
        .filter(|pid| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let mut entries = environment.split(|byte| *byte == 0);
            entries.any(|one| one == entry.as_bytes())
        })
        .filter(|pid| stat(*pid).is_some_and(|stat| !stat.zombie))
        .collect()
}

/// Ends every process that has `marker` in its environment, and what they start meanwhile. `false` if some stay.
pub(crate) async fn end_marked(marker: &str) -> bool {
    let mut others = Others::of(Some(marker.to_owned()));
    for (sign, patience) in [
        (Signal::SIGTERM, GRACE + Duration::from_secs(1)),
        (Signal::SIGKILL, GRACE),
    ] {
        let mut waited = Duration::ZERO;
        others.told.clear();
        while others.signal(sign) {
            if waited >= patience {
                break;
            }
            tokio::time::sleep(POLL).await;
            waited += POLL;
        }
    }
    !others.signal(Signal::SIGKILL)
}

/// Ends what has `marker` in its environment at once, without waiting; whether there was any.
pub(crate) fn kill_marked(marker: &str) -> bool {
    Others::of(Some(marker.to_owned())).signal(Signal::SIGKILL)
}

/// Start time of a process in clock ticks since boot, as the ledger records it.
pub fn start_time(pid: u32) -> Option<u64> {
    stat(pid).map(|stat| stat.started)
}
