//! Runs one command and says what it cost: wall time, the largest process, and on demand the whole process tree.
//!
//! Time and memory come from different runs, so that looking does not slow down what is timed.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use wait4::{ResUse, Wait4};

use super::sampler::{self, Sampler};

/// A command to run, again and again.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// The program and its arguments.
    pub(crate) command: Vec<OsString>,
    /// Set in its environment; everything else but `PATH` is removed.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Where it runs, and where its output goes.
    pub(crate) directory: PathBuf,
    /// When to give up.
    pub(crate) limit: Duration,
}

/// What one run cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// From the start to the end of the first process.
    pub(crate) wall: Duration,
    /// Processor time of all its processes that were waited for.
    pub(crate) cpu: Duration,
    /// Resident memory of the largest process of the tree, in bytes; it counts shared pages whole.
    pub(crate) largest: u64,
    /// The tree, if it was looked at.
    pub(crate) tree: Option<TreePeak>,
}

/// Highest values of a process tree over its life.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TreePeak {
    /// Sum of the proportional set sizes in bytes: shared pages are counted once.
    pub(crate) pss: u64,
    /// Processes alive at the same time.
    pub(crate) processes: usize,
}

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    /// With success.
    Done(Cost),
    /// Stopped because it reached its limit.
    GaveUp(Duration),
}

impl Job {
    /// A job that runs in `directory` with a home and a temporary directory below it.
    pub(crate) fn new<Argument: Into<OsString>>(
        directory: &Path,
        command: impl IntoIterator<Item = Argument>,
    ) -> Result<Self> {
        let home = directory.join("home");
        let temporary = directory.join("tmp");
        std::fs::create_dir_all(&home)?;
        std::fs::create_dir_all(&temporary)?;
        let environment = [
            ("HOME", home.into_os_string()),
            ("TMPDIR", temporary.into_os_string()),
            ("LC_ALL", "C.UTF-8".into()),
            ("NO_COLOR", "1".into()),
            // Packer asks its maker's server for news otherwise.
            ("CHECKPOINT_DISABLE", "1".into()),
            (
                "PACKER_CACHE_DIR",
                directory.join("packer_cache").into_os_string(),
            ),
        ];
        Ok(Self {
            command: command.into_iter().map(Into::into).collect(),
            environment: environment
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect(),
            directory: directory.to_path_buf(),
            limit: Duration::from_secs(300),
        })
    }

    /// The same, given up after that time.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The same with one more variable in its environment.
    pub(crate) fn with(mut self, (name, value): (&str, &str)) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Runs it for its time.
    pub(crate) fn time(&self) -> Result<Outcome> {
        self.run(None)
    }

    /// Runs it for its memory and processes, looking at the tree as often as every millisecond.
    pub(crate) fn weigh(&self) -> Result<Outcome> {
        // Processes that lose their parent come to us, so that they still count.
        nix::sys::prctl::set_child_subreaper(true)?;
        self.run(Some(Sampler::new()))
    }

    fn run(&self, sampler: Option<Sampler>) -> Result<Outcome> {
        let log = self.directory.join("output.log");
        let output =
            File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = self.build(output)?;
        let start = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {:?}", self.command[0]))?;
        let sampling = sampler.map(Sampler::start);
        let (used, in_time) = wait(child, self.limit)?;
        let wall = start.elapsed();
        let tree = sampling.map(sampler::Sampling::finish);
        if !in_time {
            return Ok(Outcome::GaveUp(self.limit));
        }
        let status = used.status;
        if !status.success() {
            let text = std::fs::read(&log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            let end = lines[lines.len().saturating_sub(20)..].join("\n");
            bail!("{:?} failed ({status}):\n{end}", self.command);
        }
        Ok(Outcome::Done(Cost {
            wall,
            cpu: used.rusage.utime + used.rusage.stime,
            largest: used.rusage.maxrss,
            tree,
        }))
    }

    fn build(&self, output: File) -> Result<Command> {
        let mut command = Command::new(&self.command[0]);
        command
            .args(&self.command[1..])
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        Ok(command)
    }
}

/// Waits, and ends the tree when the limit is reached: status and use of resources, whether it was in time.
fn wait(mut child: Child, limit: Duration) -> Result<(ResUse, bool)> {
    let pid = child.id();
    let (ended, alarm) = channel::<()>();
    let guard = std::thread::spawn(move || match alarm.recv_timeout(limit) {
        Err(RecvTimeoutError::Timeout) => {
            sampler::end_tree(pid);
            false
        }
        _ => true,
    });
    let used = child.wait4().context("cannot wait for a process")?;
    drop(ended);
    let in_time = guard.join().unwrap_or(true);
    Ok((used, in_time))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn job(script: &str) -> (tempfile::TempDir, Job) {
        let directory = tempfile::tempdir().unwrap();
        let job = Job::new(directory.path(), ["sh", "-c", script]).unwrap();
        (directory, job)
    }

    #[test]
    fn a_failure_shows_the_end_of_the_output() {
        let (_directory, job) = job("echo something is wrong; exit 3");
        let error = job.time().unwrap_err().to_string();
        assert!(
            error.contains("exit status: 3") && error.contains("something is wrong"),
            "{error}"
        );
    }

    #[test]
    fn the_whole_tree_is_weighed() {
        let (_directory, job) = job("sleep 1 & sleep 1 & wait");
        let Outcome::Done(cost) = job.weigh().unwrap() else {
            panic!("it was in time")
        };
        let tree = cost.tree.unwrap();
        // Other tests may run at the same time in this process, and their children count too.
        assert!(tree.processes >= 3, "{}", tree.processes);
        assert!(tree.pss > 100 << 10, "{}", tree.pss);
        assert!(cost.largest > 100 << 10, "{}", cost.largest);
    }

    #[test]
    fn a_run_that_takes_too_long_is_given_up() {
        let (_directory, job) = job("sleep 600");
        let job = job.limit(Duration::from_millis(50));
        assert!(matches!(job.time().unwrap(), Outcome::GaveUp(_)));
    }
}
