//! What the user decides about a run besides the template.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::builder::Known;
use crate::error::Result;
use crate::identity::Fate;
use crate::ledger::{CloudResource, Resource};
use crate::state::{Memory, Moment, NewRun, State};
use crate::sweep::{Area, Marked, Sweep};

/// Simultaneous launches (and preparations) unless said otherwise.
pub const PARALLEL_LAUNCHES: usize = 64;
/// How long cleaning up may take after a request to stop.
pub const CLEANUP_DEADLINE: Duration = Duration::from_secs(120);
/// How often a step that reaches out is tried again unless said otherwise.
pub const RETRIES: u32 = 2;
/// After how long without a word a step says what it waits for.
pub const QUIET: Duration = Duration::from_secs(60);

/// How to run a plan.
#[derive(Clone)]
pub struct Settings {
    /// Builds at the same time; 0 for no limit, as `-parallel-builds` has it.
    pub parallel_builds: usize,
    /// Launches at the same time, whatever the number of builds; at least 1.
    pub parallel_launches: usize,
    /// Builds connected to the same host at the same time; 0 for no limit.
    pub parallel_per_host: usize,
    /// How long the whole run may take, cleaning up included; `None` for no limit.
    pub timeout: Option<Duration>,
    /// How often a step that reaches out (prepare, launch, connect, post-processor) is tried again after a transient
    /// failure.
    pub retries: u32,
    /// Whether the first build that fails stops the others.
    pub fail_fast: bool,
    /// How long the machine of a failed build is held before it is cleaned up; `None` for not at all.
    pub hold: Option<Duration>,
    /// After how long without a word a step says what it waits for; then after 2, 5, 10 times as long, and so on.
    pub quiet: Duration,
    /// How often what the run has made is marked as still in use; `None` for a quarter of the time it may stay.
    pub renewal: Option<Duration>,
    /// What to do when a step fails.
    pub on_error: OnError,
    /// Asks the user; `None` where nobody is there.
    pub ask: Option<Arc<dyn Ask>>,
    /// `-force`.
    pub force: bool,
    /// `-debug`: pause before each step where somebody can be asked.
    pub debug: bool,
    /// The run's id, a UUID (`PackerRunUUID`).
    pub run_id: String,
    /// Where the directory for this run's temporary files is made.
    pub scratch: PathBuf,
    /// Where each build gets a log file of its own.
    pub log_dir: Option<PathBuf>,
    /// How long cleaning up may take after a request to stop.
    pub cleanup_deadline: Duration,
    /// The waits between attempts.
    pub backoff: Backoff,
    /// Removers of resources that need more than this process can do by itself.
    pub removers: Vec<Arc<dyn Remover>>,
    /// What is remembered of this run and the ones before.
    pub state: Arc<dyn State>,
    /// The directory of that state, for whoever finds something of this run; `None` where it has none.
    pub state_place: Option<PathBuf>,
    /// What is recorded of this run when it begins; its id is `run_id`. Nothing is recorded of it where there is none.
    pub new_run: Option<NewRun>,
    /// The directory of the cache; `None` for no cache.
    pub cache: Option<PathBuf>,
    /// What of earlier runs is used.
    pub reuse: Reuse,
    /// What the lock file knows, and whether to look again.
    pub known: Known,
    /// `--locked`: what has moved away from the lock file is an error.
    pub locked: bool,
}

/// What of earlier runs is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reuse {
    /// Whether anything is: off for `build` and `--rebuild`.
    pub on: bool,
    /// `--replace`: steps and builds that run in any case, with all that follows from them.
    pub replace: Vec<String>,
    /// `--resume`: the run whose machines are gone on with where its steps have been done.
    pub resume: Option<String>,
    /// The addresses of builds whose outputs are those of earlier runs, as they made them: they may be replaced.
    pub ours: BTreeSet<String>,
}

impl Settings {
    /// Packer's defaults for everything, and a run of this id.
    pub fn new(run_id: impl Into<String>) -> Self {
        Self {
            parallel_builds: 0,
            parallel_launches: PARALLEL_LAUNCHES,
            parallel_per_host: 0,
            timeout: None,
            retries: RETRIES,
            fail_fast: false,
            hold: None,
            quiet: QUIET,
            renewal: None,
            on_error: OnError::Cleanup,
            ask: None,
            force: false,
            debug: false,
            run_id: run_id.into(),
            scratch: std::env::temp_dir(),
            log_dir: None,
            cleanup_deadline: CLEANUP_DEADLINE,
            backoff: Backoff::default(),
            removers: Vec::new(),
            state: Arc::new(Memory::new()),
            state_place: None,
            new_run: None,
            cache: None,
            reuse: Reuse::default(),
            known: Known::default(),
            locked: false,
        }
    }
}

/// `-on-error`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Undo everything.
    #[default]
    Cleanup,
    /// Leave everything as it is.
    Abort,
    /// Ask the user.
    Ask,
    /// Run the error-cleanup provisioner, then leave everything as it is.
    RunCleanupProvisioner,
}

impl std::str::FromStr for OnError {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "cleanup" => Ok(Self::Cleanup),
            "abort" => Ok(Self::Abort),
            "ask" => Ok(Self::Ask),
            "run-cleanup-provisioner" => Ok(Self::RunCleanupProvisioner),
            _ => Err(format!(
                "`{text}` is none of `cleanup`, `abort`, `ask`, `run-cleanup-provisioner`"
            )),
        }
    }
}

/// What to do about a failed step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Undo everything and end the build.
    Cleanup,
    /// End the build and leave everything as it is.
    Abort,
    /// Try the step again.
    Retry,
    /// Run the error-cleanup provisioner, then leave everything as it is.
    RunCleanupProvisioner,
}

/// Somebody who can be asked: the terminal. Questions come one at a time.
#[async_trait]
pub trait Ask: Send + Sync {
    /// A step has failed: what now? `message` is already free of secrets.
    async fn on_error(&self, build: &str, address: &str, message: &str) -> Answer;

    /// Shows a message and waits until the user wants to go on.
    async fn pause(&self, build: &str, message: &str);
}

/// Knows a kind of resource that this crate does not: files of mapped users, things in a cloud.
#[async_trait]
pub trait Remover: Send + Sync {
    /// Whether it is still there, as it was; `None` where the resource is not this remover's matter, or nobody can tell.
    async fn fate(&self, resource: &Resource) -> Option<Result<Fate>> {
        let _ = resource;
        None
    }

    /// Removes it; `None` where the resource is not this remover's matter. Gone already is no error.
    async fn remove(&self, resource: &Resource) -> Option<Result<()>>;

    /// The command with which somebody removes something finished by hand, for a shell; `None` where there is none, or where it
    /// goes with something else.
    fn by_hand(&self, thing: &CloudResource) -> Option<String> {
        let _ = thing;
        None
    }

    /// When it is removed, among what one look has found: what has a smaller number goes first, since it uses what has a
    /// greater one. 0 where the resource is not this remover's matter.
    fn turn(&self, resource: &Resource) -> u8 {
        let _ = resource;
        0
    }

    /// Whether the machine of a build makes it by itself: it can be removed for good only when that has ended, since until then
    /// the machine may make more of it.
    fn is_made_by_machine(&self, resource: &Resource) -> bool {
        let _ = resource;
        false
    }

    /// The provider whose things it finds by their marks, without any state: `aws`.
    fn provider(&self) -> Option<&'static str> {
        None
    }

    /// Gives what carries the marks of a run that lives a later moment after which anyone may remove it. `things` are those on
    /// record, of whatever provider: they say where to look. What is finished meanwhile is left as it is.
    async fn renew(&self, run: &str, things: &[CloudResource], expires: Moment) -> Result<()> {
        let _ = (run, things, expires);
        Ok(())
    }

    /// Removes something that a sweep has found, if it still is what it was then: not finished, and not renewed, by a run that
    /// lives somewhere else; says whether it has.
    async fn remove_marked(&self, marked: &Marked) -> Result<bool> {
        match self.remove(&Resource::Cloud(marked.thing.clone())).await {
            Some(removed) => removed.map(|()| true),
            None => Ok(false),
        }
    }

    /// What carries the marks of runs at that provider and is not finished. An error only where nothing at all could be
    /// looked at.
    async fn sweep(&self, area: &Area) -> Result<Sweep> {
        let _ = area;
        Ok(Sweep::default())
    }
}

/// Waits between attempts: each twice as long as the one before, shortened at random so that many builds do not come
/// back at the same moment. Packer tries again at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Before the second attempt.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
        }
    }
}

impl Backoff {
    /// The wait after attempt number `attempt` (from 1) has failed: between half and the whole of the exponential
    /// value, as `random` says.
    pub fn wait(&self, attempt: u32, random: [u8; 16]) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let whole = self.first.saturating_mul(1 << doublings).min(self.longest);
        let share = u32::from(u16::from_be_bytes([random[14], random[15]]));
        whole / 2 + (whole / 2).saturating_mul(share) / u32::from(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_never_exceed_it() {
        let backoff = Backoff::default();
        let full = [0xff; 16];
        let waits: Vec<u64> = (1..=8).map(|n| backoff.wait(n, full).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.wait(3, [0; 16]), Duration::from_secs(2));
        assert_eq!(backoff.wait(u32::MAX, full), Duration::from_secs(60));
    }
}
