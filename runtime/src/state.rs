//! State: what is remembered from one run to the next.
//!
//! In: what a run is about to make, what it has done, what came out. Out: what an earlier run has left: things to remove,
//! steps to go on after, artifacts that need not be made again. Runs speak to it through [`State`]; `imgc-state` keeps it
//! in SQLite beside the template, [`Memory`] for the life of the process. Every call that returns has been made durable,
//! but for those that say so.
//!
//! Nothing sensitive reaches it: texts are masked before, options are digests, secrets are salted digests.

use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;
use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::ledger::{CloudResource, Record, Resource};

mod memory;

pub use memory::Memory;

/// A moment: milliseconds since 1970 by the machine's clock. For people and for expiry only: order is that of recording,
/// since clocks are moved back.
pub type Moment = i64;

/// What is recorded when a run begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRun {
    /// A UUID.
    pub id: String,
    /// The command, such as `apply`.
    pub command: String,
    /// The template as it was named, made absolute: a file or a directory.
    pub template: PathBuf,
    /// `-only` and `-except`, for people and for `--resume`.
    pub only: Vec<String>,
    /// See `only`.
    pub except: Vec<String>,
    /// The variables files that were named, absolute.
    pub var_files: Vec<PathBuf>,
    /// The names of variables that were given by `-var`; `name=value` only where the variable is not sensitive.
    pub vars: Vec<String>,
    /// Where the compilation's clock stood (seconds, nanoseconds) and the seed of its random numbers, hexadecimal: a
    /// resumed run has the same ones.
    pub clock: (i64, u32),
    /// See `clock`.
    pub seed: String,
    /// When it began.
    pub started: Moment,
    /// After this moment whoever finds something of this run may remove it, whether or not this state is there.
    pub expires: Moment,
    /// Its log files.
    pub logs: Option<PathBuf>,
    /// The directory of its temporary files.
    pub scratch: PathBuf,
    /// Version of imgc.
    pub program: String,
    /// The process at work.
    pub process: u32,
    /// The host it is at work on.
    pub host: String,
    /// The run it goes on with.
    pub resumes: Option<String>,
    /// The addresses of its builds, in plan order.
    pub builds: Vec<String>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// At work, or it died and nobody has noticed: whether it lives, [`State::is_live`] says.
    Running,
    /// Every build ended well.
    Succeeded,
    /// A build failed.
    Failed,
    /// Stopped on request.
    Cancelled,
    /// Its process ended without a word; written by whoever noticed.
    Died,
}

/// A run as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// As it began.
    pub new: NewRun,
    /// How far it is.
    pub status: RunStatus,
    /// When it ended.
    pub ended: Option<Moment>,
}

/// How a step is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// At work.
    Running,
    /// Done.
    Finished,
    /// Not run: what it would do had been done before.
    Reused,
    /// Failed.
    Failed,
    /// Failed, and the template says to go on.
    Ignored,
    /// Stopped on request.
    Cancelled,
    /// Not run.
    Skipped,
}

impl StepStatus {
    /// Whether something was done, or stands as it was done before.
    pub fn has_begun(self) -> bool {
        self != Self::Skipped
    }
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The run's id.
    pub run: String,
    /// The step's address, unique in the run.
    pub step: String,
    /// The build's address.
    pub build: String,
    /// Position in the plan, from 0.
    pub position: u32,
    /// `prepare`, `launch`, `connect`, `provision`, `capture`, `release`, `post-process`.
    pub kind: String,
    /// How it is doing.
    pub status: StepStatus,
    /// What it would do, as a number; `None` where that is known only while it runs and it has not run.
    pub fingerprint: Option<String>,
    /// When it began.
    pub started: Option<Moment>,
    /// How long it took, milliseconds; all attempts.
    pub took: Option<u64>,
    /// Attempts.
    pub attempts: u32,
    /// What went wrong, masked: id and message.
    pub error: Option<(String, String)>,
    /// The run whose work is used instead, where it was not run.
    pub reused_from: Option<String>,
    /// Whether somebody had had a shell on the machine by then: nobody knows what else was done to it, so what the step
    /// has done is not used again.
    #[serde(default)]
    pub shell: bool,
    /// Of a connection: the machine that was met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<Met>,
}

/// A machine that was reached over the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// Where: `HOST:PORT`, masked.
    pub place: String,
    /// What it proves to be ([`identity`](crate::machine::Machine::identity)): its host key.
    pub identity: Option<String>,
}

/// One of the things a fingerprint is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FingerprintInput {
    /// Unique within a step: `option inline`, `file setup.sh`, `secret password`, `base debian:bookworm`, `before`.
    pub name: String,
    /// SHA-256, lower-case hexadecimal; salted where the value is sensitive.
    pub digest: String,
    /// The value for people, shortened, masked; empty where only the digest is known.
    pub shown: String,
}

/// What a file of an artifact was like when it was made: anything that changes it changes this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileIdentity {
    /// Absolute.
    pub path: PathBuf,
    /// Bytes; of a directory, of all it holds.
    pub size: u64,
    /// SHA-256 over content (of a directory: names, modes and contents), lower-case hexadecimal.
    pub digest: String,
    /// A digest over inode numbers, sizes and change times of the file and all below it: quick to compare; where it
    /// differs, `digest` decides.
    pub stamp: String,
    /// Of a file of checksums that other builds write to as well: the lines that are the artifact's. Where they stand as they
    /// were it is the same file, whatever the others have written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

/// An artifact as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactRecord {
    /// Given by the state; 0 for a new one.
    pub id: u64,
    /// The run that made it.
    pub run: String,
    /// The template.
    pub template: PathBuf,
    /// The build's address.
    pub build: String,
    /// The step that made it: `….capture`, `….publish["eu-west-1"]`, `….post-processor[0][1]`.
    pub step: String,
    /// The fingerprint of that step.
    pub fingerprint: Option<String>,
    /// When.
    pub made: Moment,
    /// The artifact, masked.
    pub artifact: Artifact,
    /// Its files as they were.
    pub files: Vec<FileIdentity>,
    /// Whether the input of the post-processor stays; what [`run`](crate::run) decides by. `true` for a capture.
    pub keep_input: bool,
    /// False once the runtime has removed it because nobody keeps it.
    pub kept: bool,
    /// What it was made from, for people: the base with its digest, other builds' artifacts.
    pub lineage: Vec<(String, String)>,
    /// Whether somebody had had a shell on the machine it was made from.
    #[serde(default)]
    pub shell: bool,
}

/// A checkpoint as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRecord {
    /// The fingerprint of the step after which the machine was so.
    pub fingerprint: String,
    /// The build's address.
    pub build: String,
    /// The step's address.
    pub step: String,
    /// The builder, such as `rootfs`.
    pub builder: String,
    /// The run that made it.
    pub run: String,
    /// When it was made.
    pub made: Moment,
    /// When it was used last.
    pub used: Moment,
    /// What the builder needs to go back to it.
    pub checkpoint: Checkpoint,
}

/// Something outside that a run has changed: a parameter that names an image, which can be changed back; an image of an earlier
/// run that it has removed, which cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// Given by the state; 0 for a new one.
    pub id: u64,
    /// The run that has changed it.
    pub run: String,
    /// The build's address.
    pub build: String,
    /// The step's address.
    pub step: String,
    /// When.
    pub at: Moment,
    /// What was changed; its id is what people call it.
    pub thing: CloudResource,
    /// What it held before; `None` where the change has made it.
    pub before: Option<Content>,
    /// What it holds since; without a version where it is not known whether the change has taken place.
    pub after: Content,
    /// The change that this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<u64>,
    /// The run that has taken it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<String>,
}

/// What something holds since it was removed ([`ChangeRecord::after`]): that is no value, and cannot be changed back.
pub const REMOVED: &str = "removed";

/// What something holds that a run has found gone, whoever has removed it.
pub const GONE: &str = "gone";

impl ChangeRecord {
    /// Whether the change has removed the thing for good.
    pub fn is_removal(&self) -> bool {
        self.is_end(REMOVED)
    }

    /// Whether nothing was changed: the run has found that the thing is not there any more.
    pub fn is_gone(&self) -> bool {
        self.is_end(GONE)
    }

    fn is_end(&self, how: &str) -> bool {
        self.before.is_none() && self.after.version.is_none() && self.after.value == how
    }
}

/// What something that was changed holds at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The provider's number for it.
    pub version: Option<i64>,
    /// The value; no secret.
    pub value: String,
}

/// A machine somebody can be let into while its run lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineRecord {
    /// The run.
    pub run: String,
    /// The build's address.
    pub build: String,
    /// A command of this machine that opens a shell there; no secret in it.
    pub command: Vec<String>,
    /// Why it is kept waiting, where it is: a held failure, a breakpoint.
    pub held: Option<String>,
}

/// Which resources to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner<'a> {
    /// Those of all runs.
    All,
    /// Those of one run.
    Run(&'a str),
}

/// A resource and whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// The run.
    pub run: String,
    /// When it may be removed by anyone.
    pub expires: Moment,
    /// The record.
    pub record: Record,
}

/// What is remembered. Calls are made durable before they return, several at once by one write.
#[async_trait]
pub trait State: Send + Sync {
    /// A new run. The state counts it as live until this process ends.
    async fn begin(&self, run: &NewRun) -> Result<()>;

    /// A new run, as [`State::begin`] has it, together with what `owner` will make in it: all or nothing. Gives the records'
    /// numbers.
    async fn begin_with(
        &self,
        run: &NewRun,
        owner: &str,
        intents: &[Resource],
    ) -> Result<Vec<u64>> {
        self.begin(run).await?;
        let mut numbers = Vec::with_capacity(intents.len());
        for intent in intents {
            numbers.push(self.intend(&run.id, owner, intent).await?);
        }
        Ok(numbers)
    }

    /// A run has ended.
    async fn end(&self, run: &str, status: RunStatus, at: Moment) -> Result<()>;

    /// Whether the process of a run is still there (not: whether it says so).
    async fn is_live(&self, run: &str) -> Result<bool>;

    /// Runs, the newest first; all of them, or those of a template.
    async fn runs(&self, template: Option<&std::path::Path>) -> Result<Vec<Run>>;

    /// How many runs are remembered.
    async fn count(&self) -> Result<usize>;

    /// Forgets runs that have ended: their steps, what is known of their artifacts and of what they changed, who had a
    /// shell.
    async fn forget_runs(&self, runs: &[String]) -> Result<()>;

    /// A step has changed: replaces what is known of it in its run.
    async fn step(&self, step: &StepRecord) -> Result<()>;

    /// The same, of a step that nothing follows from: returns at once; durable with the next call that is.
    fn note_step(&self, step: &StepRecord);

    /// The steps of a run, in plan order.
    async fn steps(&self, run: &str) -> Result<Vec<StepRecord>>;

    /// What a fingerprint was made from.
    async fn keep_inputs(&self, fingerprint: &str, inputs: &[FingerprintInput]) -> Result<()>;

    /// What a fingerprint was made from; empty if it is not known.
    async fn inputs(&self, fingerprint: &str) -> Result<Vec<FingerprintInput>>;

    /// The newest steps with this address that have a fingerprint and were done (finished or reused), newest first, at
    /// most `limit`.
    async fn done(&self, step: &str, limit: u32) -> Result<Vec<StepRecord>>;

    /// The newest step with this address that has begun in any run, however it ended, or was reused; with `root` in any run of
    /// templates below this directory.
    async fn last(&self, step: &str, root: Option<&std::path::Path>) -> Result<Option<StepRecord>>;

    /// Whether it lies in this directory of templates, with which it may be moved: then all it knows is of them. One that is
    /// kept elsewhere knows of templates anywhere.
    fn is_of(&self, root: &std::path::Path) -> bool {
        let _ = root;
        true
    }

    /// Records that something is about to be made; gives the record's number.
    async fn intend(&self, run: &str, owner: &str, resource: &Resource) -> Result<u64>;

    /// It is made, and this is what it is.
    async fn made(&self, id: u64, resource: &Resource) -> Result<()>;

    /// It is removed, or part of an artifact. Returns at once; durable with the next call that is.
    fn forget(&self, id: u64);

    /// What is recorded, newest first.
    async fn resources(&self, owner: Owner<'_>) -> Result<Vec<Owned>>;

    /// A new artifact; gives its number.
    async fn artifact(&self, artifact: &ArtifactRecord) -> Result<u64>;

    /// An artifact is not kept: it has been removed.
    async fn drop_artifact(&self, id: u64) -> Result<()>;

    /// The artifacts of a fingerprint, newest first.
    async fn artifacts(&self, fingerprint: &str) -> Result<Vec<ArtifactRecord>>;

    /// All artifacts that are kept, newest first.
    async fn images(&self) -> Result<Vec<ArtifactRecord>>;

    /// A checkpoint can be gone back to from now on.
    async fn checkpoint(&self, checkpoint: &CheckpointRecord) -> Result<()>;

    /// The checkpoint of a fingerprint.
    async fn find_checkpoint(&self, fingerprint: &str) -> Result<Option<CheckpointRecord>>;

    /// It is used now: keeps pruning away from it.
    async fn use_checkpoint(&self, fingerprint: &str, at: Moment) -> Result<()>;

    /// It cannot be gone back to any more.
    async fn forget_checkpoint(&self, fingerprint: &str) -> Result<()>;

    /// All checkpoints, the one used longest ago first.
    async fn checkpoints(&self) -> Result<Vec<CheckpointRecord>>;

    /// Something outside is about to be changed, or has been: a new record where its number is 0, else in place of what is
    /// known. Gives the number.
    async fn change(&self, change: &ChangeRecord) -> Result<u64>;

    /// What runs have changed outside, newest first.
    async fn changes(&self) -> Result<Vec<ChangeRecord>>;

    /// A machine can be entered, or waits for somebody.
    async fn machine(&self, machine: &MachineRecord) -> Result<()>;

    /// A machine cannot be entered any more.
    async fn forget_machine(&self, run: &str, build: &str) -> Result<()>;

    /// The machines of a run that can be entered.
    async fn machines(&self, run: &str) -> Result<Vec<MachineRecord>>;

    /// Somebody is about to get a shell on the machine of a run's build; recorded before they do, and not forgotten.
    async fn enter(&self, run: &str, build: &str, at: Moment) -> Result<()>;

    /// Whether somebody has had a shell there.
    async fn entered(&self, run: &str, build: &str) -> Result<bool>;

    /// Random bytes that are this state's own, the same for ever: the salt of secrets' digests.
    fn salt(&self) -> [u8; 32];
}
