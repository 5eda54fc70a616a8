//! The builder's side of the helper: starts a build's namespaces, gives it jobs, ends it.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use imgc_runtime::Result;
use imgc_runtime::event::Output;
use imgc_runtime::process::RUN_VARIABLE;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Mutex;

use crate::error::{COMMAND, Failure, NAMESPACES, PROGRAM, USER_RANGE, fail};
use crate::helper::HELPER_WORD;
use crate::job::{Envelope, Isolation, Job};

/// Ids a user namespace needs for a distribution's users, `nobody` included.
const IDS_NEEDED: u32 = 65_535;

/// The namespaces of one build.
pub(crate) struct Session {
    helper: PathBuf,
    /// Process 1 of the namespaces.
    init: u32,
    token: String,
    /// The run's id, which every process bears in its environment.
    run: Arc<str>,
    count: AtomicU64,
    keeper: Mutex<Option<Keeper>>,
}

struct Keeper {
    child: Child,
    /// The namespaces live as long as this end of the pipe is open.
    _pipe: ChildStdin,
}

/// A helper at a job; dropped before its time it is told to let go of it.
pub(crate) struct Joined(Child);

impl Deref for Joined {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Joined {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        // It has no number any more when it has been waited for.
        let pid = self.0.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }
}

impl Session {
    /// Makes namespaces: as root mount and pid namespaces, as an ordinary user also a user namespace with the range of
    /// ids the machine gives that user. `token` is random text. The processes are those of the run `run`.
    pub(crate) async fn start(helper: &Path, token: String, run: Arc<str>) -> Result<Self> {
        let is_root = nix::unistd::geteuid().is_root();
        let mut command = Command::new(helper);
        command
            .arg(HELPER_WORD)
            .args(["keep", if is_root { "root" } else { "user" }])
            .env(RUN_VARIABLE, &*run)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C on the terminal is for the builder, which then ends its helpers in order.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command
            .spawn()
            .map_err(|error| cannot_start(helper, error))?;
        let pid = child.id().unwrap_or_default();
        let mut pipe = child.stdin.take().ok_or_else(gone)?;
        let mut lines = BufReader::new(child.stdout.take().ok_or_else(gone)?).lines();
        loop {
            let line = lines.next_line().await.ok().flatten().ok_or_else(gone)?;
            if line == "mapped?" {
                map_ids(pid).await?;
                pipe.write_all(b"yes\n").await.map_err(|_| gone())?;
            } else if let Some(init) = line.strip_prefix("init ").and_then(|pid| pid.parse().ok()) {
                let keeper = Keeper { child, _pipe: pipe };
                let keeper = Mutex::new(Some(keeper));
                return Ok(Self {
                    helper: helper.to_owned(),
                    init,
                    token,
                    run,
                    count: AtomicU64::new(0),
                    keeper,
                });
            } else {
                return Err(match serde_json::from_str::<Failure>(&line) {
                    Ok(failure) => failure.into(),
                    Err(_) => gone(),
                });
            }
        }
    }

    /// Starts the helper for a job; the job's line is still to be written.
    pub(crate) fn spawn(
        &self,
        isolation: Isolation,
        stdin: Stdio,
        stdout: Stdio,
        stderr: Stdio,
    ) -> Result<Joined> {
        let child = Command::new(&self.helper)
            .arg(HELPER_WORD)
            .args(["join", &self.init.to_string(), isolation.word()])
            .env(RUN_VARIABLE, &*self.run)
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0)
            .spawn();
        child
            .map(Joined)
            .map_err(|error| cannot_start(&self.helper, error))
    }

    /// The command that opens a shell for a person in the namespaces; `file` holds the [`crate::job::Run`] it belongs
    /// to. `None` where a path cannot be written as text.
    pub(crate) fn shell(&self, isolation: Isolation, file: &Path) -> Option<Vec<String>> {
        let init = self.init.to_string();
        let words = [
            self.helper.to_str()?,
            HELPER_WORD,
            "shell",
            &init,
            isolation.word(),
            file.to_str()?,
        ];
        Some(words.map(str::to_owned).to_vec())
    }

    /// A job's line with a token of its own.
    pub(crate) fn envelope(&self, job: Job) -> Result<(Vec<u8>, String)> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let token = format!("imgc-{}-{count}:", self.token);
        let envelope = Envelope { token, job };
        let mut line = serde_json::to_vec(&envelope).map_err(|error| {
            fail(COMMAND, "a job for the helper cannot be written").because(error)
        })?;
        line.push(b'\n');
        Ok((line, envelope.token))
    }

    /// Does a job that answers. What programs print goes to `output` as detail.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        job: Job,
        output: Option<&Output>,
    ) -> Result<T> {
        let answer = self.perform(job, output).await?;
        serde_json::from_slice(&answer)
            .map_err(|error| fail(COMMAND, "the helper's answer is not understood").because(error))
    }

    /// Does a job that does not answer.
    pub(crate) async fn tell(&self, job: Job) -> Result<()> {
        self.perform(job, None).await.map(|_| ())
    }

    async fn perform(&self, job: Job, output: Option<&Output>) -> Result<Vec<u8>> {
        let isolation = match job {
            Job::Mount(_) | Job::Bind { .. } => Isolation::Shared,
            _ => Isolation::Own,
        };
        let mut child = self.spawn(isolation, Stdio::piped(), Stdio::piped(), Stdio::piped())?;
        let (line, token) = self.envelope(job)?;
        let mut stdin = child.stdin.take().ok_or_else(gone)?;
        let mut stdout = child.stdout.take().ok_or_else(gone)?;
        let stderr = child.stderr.take().ok_or_else(gone)?;
        let mut answer = Vec::new();
        // A helper that ended before it read its job has said why on standard error.
        let write = async {
            let _ = stdin.write_all(&line).await;
            drop(stdin);
        };
        let read = stdout.read_to_end(&mut answer);
        let watch = read_failure(stderr, &token, |text| {
            if let Some(output) = output {
                output.detail(text);
            }
        });
        let ((), read, failure) = tokio::join!(write, read, watch);
        let status = child
            .wait()
            .await
            .map_err(|error| fail(COMMAND, "the helper cannot be waited for").because(error))?;
        match failure {
            Some(failure) => Err(failure.into()),
            None if status.success() && read.is_ok() => Ok(answer),
            None => Err(fail(COMMAND, format!("the helper ended early ({status})"))),
        }
    }

    /// Ends the namespaces with everything in them. Can be called again.
    pub(crate) async fn stop(&self) -> Result<()> {
        let Some(keeper) = self.keeper.lock().await.take() else {
            return Ok(());
        };
        let Keeper {
            mut child,
            _pipe: pipe,
        } = keeper;
        drop(pipe);
        if tokio::time::timeout(Duration::from_secs(10), child.wait())
            .await
            .is_ok()
        {
            return Ok(());
        }
        child.kill().await.map_err(|error| {
            fail(
                crate::error::LEFT_BEHIND,
                format!("process {} of the build does not end", self.init),
            )
            .because(error)
        })
    }
}

/// Reads lines: those of the helper's failure are kept, all others handed on.
pub(crate) async fn read_failure(
    stream: impl tokio::io::AsyncRead + Unpin,
    token: &str,
    mut line: impl FnMut(&str),
) -> Option<Failure> {
    let mut failure = None;
    let mut empty_lines = 0;
    let mut lines = Lines::new(stream);
    while let Some(text) = lines.next().await {
        if let Some(json) = text.strip_prefix(token) {
            failure = serde_json::from_str(json).ok();
            // An empty line came with it.
            empty_lines = 0;
            continue;
        }
        if text.is_empty() {
            empty_lines += 1;
            continue;
        }
        for _ in 0..empty_lines {
            line("");
        }
        empty_lines = 0;
        line(&text);
    }
    failure
}

/// Lines of bytes that may be neither text nor short.
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
}

/// Longer lines are cut into several.
const LONGEST_LINE: u64 = 1 << 16;

impl<R: tokio::io::AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self {
            reader: BufReader::new(stream),
        }
    }

    /// The next line without its end; a failing stream counts as ended.
    pub(crate) async fn next(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let mut limited = (&mut self.reader).take(LONGEST_LINE);
        match limited.read_until(b'\n', &mut line).await {
            Ok(read) if read > 0 => {
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                let text = String::from_utf8_lossy(&line);
                // A line written over itself, as a progress display: what a terminal shows at its end.
                let shown = text
                    .trim_end_matches('\r')
                    .rsplit('\r')
                    .next()
                    .unwrap_or_default();
                Some(shown.to_owned())
            }
            _ => None,
        }
    }
}

/// Gives process `pid`'s user namespace its ids: 0 is the user, the others come from the user's subordinate range.
async fn map_ids(pid: u32) -> Result<()> {
    let users = range("/etc/subuid", nix::unistd::geteuid().as_raw())?;
    let groups = range("/etc/subgid", nix::unistd::geteuid().as_raw())?;
    let user = nix::unistd::geteuid().as_raw();
    let group = nix::unistd::getegid().as_raw();
    for (program, own, start) in [("newuidmap", user, users), ("newgidmap", group, groups)] {
        let arguments = [pid, 0, own, 1, 1, start, IDS_NEEDED].map(|number| number.to_string());
        let output = Command::new(program)
            .args(arguments)
            .output()
            .await
            .map_err(|error| {
                fail(PROGRAM, format!("`{program}` is not installed"))
                    .help("apt-get install uidmap, or run as root")
                    .because(error)
            })?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(fail(
                USER_RANGE,
                format!("{program} refuses the user's range of ids: {reason}"),
            )
            .help(range_help()));
        }
    }
    Ok(())
}

/// The start of the user's first range in a file of subuid(5) that is large enough.
pub(crate) fn range(file: &str, user: u32) -> Result<u32> {
    let name = nix::unistd::User::from_uid(user.into())
        .ok()
        .flatten()
        .map(|user| user.name);
    let text = std::fs::read_to_string(file).unwrap_or_default();
    find_range(&text, name.as_deref(), user).ok_or_else(|| {
        fail(
            USER_RANGE,
            format!("{file} gives this user no range of {IDS_NEEDED} ids"),
        )
        .help(range_help())
    })
}

fn find_range(text: &str, name: Option<&str>, user: u32) -> Option<u32> {
    let number = user.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let (owner, start, count) = (fields.next()?, fields.next()?, fields.next()?);
        let is_mine = Some(owner) == name || owner == number;
        let is_enough = count.parse::<u32>().is_ok_and(|count| count >= IDS_NEEDED);
        (is_mine && is_enough).then(|| start.parse().ok()).flatten()
    })
}

fn range_help() -> &'static str {
    "give the user one (as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER), or run as root"
}

fn cannot_start(helper: &Path, error: std::io::Error) -> imgc_runtime::Error {
    fail(
        COMMAND,
        format!("the helper {} cannot be started", helper.display()),
    )
    .because(error)
}

fn gone() -> imgc_runtime::Error {
    fail(
        NAMESPACES,
        "the helper that holds the build's namespaces ended early",
    )
}

/// Removes a directory of an earlier build whose files may belong to mapped users. Missing is no error.
///
/// `helper` is the program that calls [`crate::helper_main`].
pub async fn remove_mapped(helper: &Path, directory: &Path) -> Result<()> {
    let job = Job::Remove {
        paths: vec![directory.to_owned()],
    };
    let token = format!("remove-{}", std::process::id());
    let session = Session::start(helper, token, "".into()).await?;
    let result = session.tell(job).await;
    session.stop().await.and(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_large_enough_range_of_the_user_is_taken() {
        let text = "other:1:65536\nann:50:10\nann:100000:65536\n1234:300000:65536\n";
        assert_eq!(find_range(text, Some("ann"), 1000), Some(100_000));
        assert_eq!(find_range(text, None, 1234), Some(300_000));
        assert_eq!(find_range(text, Some("bob"), 1001), None);
    }
}
