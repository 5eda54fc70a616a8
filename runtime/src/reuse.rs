//! Reuse: before a build runs, what of it has been done already.
//!
//! In: the fingerprints of a build's steps ([`Chain`]) and what is remembered of earlier runs. Out: a [`Foresight`]: the
//! build is up to date, or its artifact is there, or it can be gone on with after a step, or all of it runs, and why.
//! `imgc plan` shows it for every build ([`plan()`]); the scheduler looks when a build's turn comes.
//!
//! - `reuse/artifacts.rs`: what has been made and is still there.
//! - `reuse/published.rs`: what of it has been published.
//! - `reuse/machine.rs`: what can be gone on with.
//! - `reuse/standing.rs`: what was done outside of what a build makes, and whether it still stands.
//! - `reuse/changes.rs`: why something runs.
//! - `reuse/ahead.rs`: all builds of a plan, without running anything.
//! - `reuse/resume.rs`: the run that `--resume` means, and what it has done.
//! - `reuse/since.rs`: what has happened to its machine since.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use imgc_compiler::plan::{BuildId, Plan, Step, StepId, StepKind};
use sha2::{Digest as _, Sha256};

use crate::artifact::Artifact;
use crate::builder::Pin;
use crate::checkpoint::{Capability, Checkpoint};
use crate::error::Result;
use crate::fingerprint::{Chain, Difference, Fingerprint};
use crate::identity::{self, Fate, hex};
use crate::ledger::{CloudResource, Resource};
use crate::settings::{Remover, Reuse};
use crate::state::{ArtifactRecord, CheckpointRecord, Met, State, StepStatus};

mod ahead;
mod artifacts;
mod changes;
mod machine;
mod published;
mod resume;
mod since;
mod standing;

pub(crate) use ahead::unknown_pin;
pub use ahead::{Ahead, plan};
pub(crate) use published::PUBLISHED;
pub use published::{CHECKED_BY, is_unchecked, mark_unchecked};
pub(crate) use resume::line;
pub use resume::{meant, origin, resumable};

/// What of a build has been done already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it.
    UpToDate {
        /// The run that made it.
        run: String,
        /// What it has made and keeps.
        artifacts: Vec<Artifact>,
    },
    /// The builder's artifact is there.
    ArtifactThere {
        /// The run that made it.
        run: String,
        /// The steps that have to run: what publishes it, post-processors.
        missing: Vec<StepId>,
    },
    /// The machine can be had as it was after a step.
    From {
        /// The step.
        step: StepId,
        /// The run that did it.
        run: String,
    },
    /// Nothing.
    Whole,
}

/// Why something of a build runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The step it is about, or the build.
    pub address: String,
    /// Why, in words.
    pub text: String,
    /// The inputs that differ from those of the last run, where that is why.
    pub differences: Vec<Difference>,
    /// Whether something that was made is not what it was.
    pub lost: bool,
    /// What is not there any more at a provider, where that is why.
    pub gone: Option<CloudResource>,
}

/// What of an artifact is not what it was.
#[derive(Clone, Debug)]
pub struct Lost {
    /// What, for people: a path, `aws image ami-1 (eu-west-1)`.
    pub what: String,
    /// What has become of it.
    pub fate: Fate,
    /// Which thing at a provider; `None` for a file.
    pub thing: Option<CloudResource>,
}

/// What is foreseen of a build.
#[derive(Clone, Debug)]
pub struct Foresight {
    /// Which.
    pub build: BuildId,
    /// What of it has been done.
    pub verdict: Verdict,
    /// Why it is not up to date: most telling first. Empty where it is, or where nobody asked.
    pub why: Vec<Why>,
    /// What earlier runs have published of the artifact that is used again, by steps that the plan does not have any more: that
    /// stays. Each with the way to remove it, where that is known.
    pub unnamed: Vec<Why>,
    /// Its fingerprints.
    pub chain: Chain,
    /// What its builder takes from outside, as far as that could be looked at.
    pub pins: Vec<Pin>,
    /// Why that could not be looked at.
    pub unseen: Option<String>,
    /// The steps that need not run, each with the run that did it.
    pub(crate) reused: BTreeMap<StepId, String>,
    /// The builder's artifact.
    pub(crate) built: Option<ArtifactRecord>,
    /// What publishing has added to it.
    pub(crate) published: BTreeMap<StepId, ArtifactRecord>,
    /// What post-processors have made.
    pub(crate) posts: BTreeMap<StepId, ArtifactRecord>,
    /// Where the machine can be gone back to, the latest first.
    pub(crate) checkpoints: Vec<(StepId, CheckpointRecord)>,
    /// The machine of the resumed run, if it is still there when it is needed.
    pub(crate) living: Option<Living>,
    /// The run in which somebody had a shell on the machine that is gone on with.
    pub(crate) entered: Option<String>,
    /// The machine that imgc did not make and is gone on with, as it was met then.
    pub(crate) met: Option<Met>,
}

/// A machine that may still be there.
#[derive(Clone, Debug)]
pub(crate) struct Living {
    /// The step that made it.
    pub(crate) launch: StepId,
    /// What it is found by.
    pub(crate) record: CheckpointRecord,
    /// The steps that have been done on it, each with the run that did it.
    pub(crate) done: Vec<(StepId, String)>,
}

impl Foresight {
    /// Nothing has been looked at.
    pub(crate) fn nothing(build: BuildId, chain: Chain) -> Self {
        Self {
            build,
            verdict: Verdict::Whole,
            why: Vec::new(),
            unnamed: Vec::new(),
            chain,
            pins: Vec::new(),
            unseen: None,
            reused: BTreeMap::new(),
            built: None,
            published: BTreeMap::new(),
            posts: BTreeMap::new(),
            checkpoints: Vec::new(),
            living: None,
            entered: None,
            met: None,
        }
    }

    /// Whether nothing of the build has to run.
    pub fn is_up_to_date(&self) -> bool {
        matches!(self.verdict, Verdict::UpToDate { .. })
    }

    /// The run that did a step, where it need not run.
    pub fn reused_from(&self, step: StepId) -> Option<&str> {
        self.reused.get(&step).map(String::as_str)
    }

    /// Whether a step need not run, be it that the machine of a resumed run has gone through it.
    fn is_done(&self, step: StepId) -> bool {
        let living = self.living.as_ref();
        let gone_through = living.is_some_and(|one| one.done.iter().any(|(id, _)| *id == step));
        gone_through || self.reused.contains_key(&step)
    }

    /// The builder's artifact with what publishing has added.
    pub(crate) fn whole(&self) -> Option<Artifact> {
        let built = &self.built.as_ref()?.artifact;
        let added = self.published.values();
        Some(built.with(added.map(|record| &record.artifact)))
    }

    /// The steps whose fingerprints say that they need not run.
    pub fn reused(&self) -> impl Iterator<Item = StepId> {
        self.reused.keys().copied()
    }
}

/// What looking takes.
pub struct Looking<'a> {
    /// What is remembered.
    pub state: &'a Arc<dyn State>,
    /// What the user wants reused.
    pub reuse: &'a Reuse,
    /// The plan.
    pub plan: &'a Plan,
    /// Which build.
    pub build: BuildId,
    /// What its builder can go back to.
    pub capability: Capability,
    /// Whether that still stands, at a glance.
    pub stands: &'a (dyn Fn(&Checkpoint) -> bool + Send + Sync),
    /// Who knows of things at providers.
    pub removers: &'a [Arc<dyn Remover>],
    /// The directory of the templates, where the state knows of those of other directories, too.
    pub home: Option<PathBuf>,
}

/// Looks at what of a build has been done already.
pub async fn foresee(looking: &Looking<'_>, chain: Chain) -> Result<Foresight> {
    let mut foresight = Foresight::nothing(looking.build, chain);
    if !looking.reuse.on {
        return Ok(foresight);
    }
    looking.artifacts(&mut foresight).await?;
    if matches!(foresight.verdict, Verdict::Whole) {
        looking.machine(&mut foresight).await?;
    }
    if !foresight.is_up_to_date() {
        let changed = looking.changes(&foresight).await?;
        for why in changed {
            if !foresight.why.contains(&why) {
                foresight.why.push(why);
            }
        }
    }
    Ok(foresight)
}

/// What an artifact is, for those that use it: its files as they are; where it has none, what was done for it.
pub fn identity(artifact: &Artifact, record: &ArtifactRecord) -> String {
    let mut hasher = Sha256::new();
    let mut part = |text: &str| {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    };
    part(&artifact.builder_id);
    part(&artifact.id);
    for file in &record.files {
        part(&file.digest);
    }
    if record.files.is_empty() {
        // What no fingerprint stands for is another one in every run.
        part(record.fingerprint.as_deref().unwrap_or(&record.run));
    }
    hex(&hasher.finalize())
}

/// What of an artifact is not what it was: files, and things at a provider that one of `removers` knows.
pub async fn lost(removers: &[Arc<dyn Remover>], record: &ArtifactRecord) -> Result<Vec<Lost>> {
    let mut lost = things_lost(removers, &record.artifact).await?;
    if record.files.is_empty() {
        return Ok(lost);
    }
    let files = record.files.clone();
    let files: Vec<Lost> = crate::files::blocking(move || {
        let fates = files.into_iter().map(|file| Lost {
            fate: identity::fate(&file),
            what: file.path.display().to_string(),
            thing: None,
        });
        Ok(fates.filter(|lost| lost.fate != Fate::Same).collect())
    })
    .await?;
    lost.extend(files);
    Ok(lost)
}

async fn things_lost(removers: &[Arc<dyn Remover>], artifact: &Artifact) -> Result<Vec<Lost>> {
    let mut lost = Vec::new();
    for thing in &artifact.things {
        let resource = Resource::Cloud(thing.clone());
        for remover in removers {
            if let Some(fate) = remover.fate(&resource).await {
                let fate = fate?;
                if fate != Fate::Same {
                    lost.push(Lost {
                        what: thing.describe(),
                        fate,
                        thing: Some(thing.clone()),
                    });
                }
                break;
            }
        }
    }
    Ok(lost)
}

impl Looking<'_> {
    fn steps(&self) -> impl Iterator<Item = (StepId, &Step)> {
        let steps = self.plan.step_ids().map(|id| (id, self.plan.step(id)));
        steps.filter(|(_, step)| step.build == self.build)
    }

    /// Whether a step is to run whatever has been done.
    fn is_replaced(&self, step: StepId) -> bool {
        let step = self.plan.step(step);
        let build = self.plan.build(self.build);
        // What is checked on one machine is checked together.
        let checks: &[Step] = match step.kind {
            StepKind::Check => &build.checks,
            _ => &[],
        };
        let mut replaced = self.reuse.replace.iter();
        replaced.any(|wanted| {
            let of_check = checks.iter().any(|one| *wanted == one.address);
            *wanted == step.address || *wanted == build.address || of_check
        })
    }

    /// Whether what a step has done may count.
    fn counts(&self, step: StepId, fingerprint: &Fingerprint) -> bool {
        fingerprint.reusable && !self.is_replaced(step)
    }
}

/// Whether a step of a run has been done.
fn is_done(status: StepStatus) -> bool {
    matches!(status, StepStatus::Finished | StepStatus::Reused)
}
