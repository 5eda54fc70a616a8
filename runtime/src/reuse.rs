//! Reuse: before a build runs, what of it has been done already.
//!
//! In: the fingerprints of a build's steps ([`Chain`]) and what is remembered of earlier runs. Out: a [`Foresight`]: the
//! build is up to date, or its artifact is there, or it can be gone on with after a step, or all of it runs, and why.
//! `imgc plan` shows it for every build ([`plan()`]); the scheduler looks when a build's turn comes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use imgc_compiler::plan::{BuildId, Plan, StepId, StepKind};
use sha2::{Digest as _, Sha256};

use crate::artifact::Artifact;
use crate::builder::Pin;
use crate::checkpoint::Capability;
use crate::error::Result;
use crate::fingerprint::{Chain, Difference, Fingerprint, explain, follows};
use crate::identity::{self, Fate, hex};
use crate::run::keep::{self, Post};
use crate::settings::Reuse;
use crate::state::{ArtifactRecord, CheckpointRecord, State, StepRecord, StepStatus};

mod ahead;
mod resume;

pub(crate) use ahead::unknown_pin;
pub use ahead::{Ahead, plan};
pub use resume::{meant, origin, resumable};

/// How many earlier runs of a step are looked at.
const LOOK_BACK: u32 = 20;

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
        /// The post-processors that have to run.
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
    /// What post-processors have made.
    pub(crate) posts: BTreeMap<StepId, ArtifactRecord>,
    /// Where the machine can be gone back to, the latest first.
    pub(crate) checkpoints: Vec<(StepId, CheckpointRecord)>,
    /// The run in which somebody had a shell on the machine that is gone on with.
    pub(crate) entered: Option<String>,
}

impl Foresight {
    /// Nothing has been looked at.
    pub(crate) fn nothing(build: BuildId, chain: Chain) -> Self {
        Self {
            build,
            verdict: Verdict::Whole,
            why: Vec::new(),
            chain,
            pins: Vec::new(),
            unseen: None,
            reused: BTreeMap::new(),
            built: None,
            posts: BTreeMap::new(),
            checkpoints: Vec::new(),
            entered: None,
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

/// The files of an artifact that are not what they were.
pub async fn lost(record: &ArtifactRecord) -> Result<Vec<(PathBuf, Fate)>> {
    if record.files.is_empty() {
        return Ok(Vec::new());
    }
    let files = record.files.clone();
    crate::files::blocking(move || {
        let fates = files.into_iter().map(|file| {
            let fate = identity::fate(&file);
            (file.path, fate)
        });
        Ok(fates.filter(|(_, fate)| *fate != Fate::Same).collect())
    })
    .await
}

impl Looking<'_> {
    fn steps(&self) -> impl Iterator<Item = (StepId, &imgc_compiler::plan::Step)> {
        let steps = self.plan.step_ids().map(|id| (id, self.plan.step(id)));
        steps.filter(|(_, step)| step.build == self.build)
    }

    /// Whether a step is to run whatever has been done.
    fn is_replaced(&self, step: StepId) -> bool {
        let address = &self.plan.step(step).address;
        let build = &self.plan.build(self.build).address;
        let mut replaced = self.reuse.replace.iter();
        replaced.any(|wanted| wanted == address || wanted == build)
    }

    /// Whether what a step has done may count.
    fn counts(&self, step: StepId, fingerprint: &Fingerprint) -> bool {
        fingerprint.reusable && !self.is_replaced(step)
    }

    /// Looks for what was made: the artifact, and what post-processors made of it.
    async fn artifacts(&self, foresight: &mut Foresight) -> Result<()> {
        let machine_counts = self.steps().all(|(id, step)| match step.kind {
            StepKind::PostProcess { .. } => true,
            _ => {
                let own = foresight.chain.get(id);
                own.is_none_or(|own| self.counts(id, own)) && !self.is_replaced(id)
            }
        });
        let capture = self
            .steps()
            .find(|(_, step)| step.kind == StepKind::Capture);
        let Some((capture, _)) = capture.filter(|_| machine_counts) else {
            return Ok(());
        };
        let Some(built) = self.record(capture, foresight, &mut Vec::new()).await? else {
            return Ok(());
        };
        let mut lost = Vec::new();
        let mut posts = BTreeMap::new();
        let mut missing = BTreeSet::new();
        let wanted: Vec<StepId> = self
            .steps()
            .filter(|(_, step)| matches!(step.kind, StepKind::PostProcess { .. }))
            .map(|(id, _)| id)
            .collect();
        for step in wanted.iter().copied() {
            let fingerprint = foresight.chain.get(step);
            let counts = fingerprint.is_some_and(|own| self.counts(step, own));
            let record = match counts {
                true => self.record(step, foresight, &mut lost).await?,
                false => None,
            };
            match record {
                Some(record) => {
                    posts.insert(step, record);
                }
                None => {
                    missing.insert(step);
                }
            }
        }
        if missing.is_empty() {
            self.kept((capture, &built), &posts, &mut missing, &mut lost)
                .await?;
        }
        // What works on an artifact that nobody kept needs that one again.
        let mut needs_built = missing.is_empty() && !lost.is_empty();
        for step in wanted.iter().rev().copied() {
            if !missing.contains(&step) {
                continue;
            }
            match self.input(step) {
                None => needs_built = true,
                Some(input) => {
                    let usable = match posts.get(&input) {
                        Some(record) => record.kept && self::lost(record).await?.is_empty(),
                        None => false,
                    };
                    if !usable {
                        missing.insert(input);
                    }
                }
            }
        }
        needs_built |= missing.iter().any(|step| self.input(*step).is_none());
        lost.dedup();
        foresight.why.extend(lost);
        if needs_built {
            let gone = self.gone(&built, capture).await?;
            if !built.kept || !gone.is_empty() {
                let new = gone.into_iter().filter(|one| !foresight.why.contains(one));
                let new: Vec<Why> = new.collect();
                foresight.why.extend(new);
                return Ok(());
            }
        }
        self.found(foresight, built, posts, missing);
        Ok(())
    }

    /// The step whose artifact a post-processor works on; `None` for the builder's.
    fn input(&self, step: StepId) -> Option<StepId> {
        let StepKind::PostProcess {
            chain, position, ..
        } = self.plan.step(step).kind
        else {
            return None;
        };
        self.steps()
            .filter(|(_, other)| match other.kind {
                StepKind::PostProcess {
                    chain: same,
                    position: at,
                    ..
                } => same == chain && at < position,
                _ => false,
            })
            .map(|(id, _)| id)
            .last()
    }

    /// The newest record of what a step with this fingerprint has made; those that are not as they were are named.
    async fn record(
        &self,
        step: StepId,
        foresight: &Foresight,
        lost: &mut Vec<Why>,
    ) -> Result<Option<ArtifactRecord>> {
        let Some(fingerprint) = foresight.chain.get(step) else {
            return Ok(None);
        };
        let mut first = None;
        for record in self.state.artifacts(&fingerprint.digest).await? {
            if record.kept && self::lost(&record).await?.is_empty() {
                return Ok(Some(record));
            }
            first.get_or_insert(record);
        }
        if let Some(record) = first.as_ref().filter(|record| record.kept)
            && matches!(self.plan.step(step).kind, StepKind::PostProcess { .. })
        {
            lost.extend(self.gone(record, step).await?);
            return Ok(None);
        }
        Ok(first)
    }

    /// Why a record does not count any more.
    async fn gone(&self, record: &ArtifactRecord, step: StepId) -> Result<Vec<Why>> {
        let address = &self.plan.step(step).address;
        let files = lost(record).await?;
        Ok(files.into_iter().map(|file| gone(address, &file)).collect())
    }

    /// Whether everything that stays after the post-processors is there; what made the rest is missing.
    async fn kept(
        &self,
        (capture, built): (StepId, &ArtifactRecord),
        posts: &BTreeMap<StepId, ArtifactRecord>,
        missing: &mut BTreeSet<StepId>,
        why: &mut Vec<Why>,
    ) -> Result<()> {
        let (kept, _) = keep::decide(built.artifact.clone(), self.decided(posts));
        if kept.contains(&built.artifact) {
            let gone = match built.kept {
                true => lost(built).await?,
                false => Vec::new(),
            };
            let address = &self.plan.step(capture).address;
            why.extend(gone.iter().map(|file| self::gone(address, file)));
            if !built.kept
                && !posts
                    .values()
                    .any(|post| post.kept && post.artifact == built.artifact)
            {
                why.push(self::why(
                    address,
                    "the builder's artifact was not kept, and now it is to be",
                ));
            }
        }
        for (step, record) in posts {
            if kept.contains(&record.artifact) && !record.kept {
                missing.insert(*step);
            }
        }
        Ok(())
    }

    fn decided(&self, posts: &BTreeMap<StepId, ArtifactRecord>) -> Vec<Post> {
        let of = |(step, record): (&StepId, &ArtifactRecord)| match self.plan.step(*step).kind {
            StepKind::PostProcess {
                chain,
                position,
                keep_input,
                ..
            } => Some(Post {
                chain,
                position,
                artifact: Some(record.artifact.clone()),
                keep_input: record.keep_input || keep_input == Some(true),
            }),
            _ => None,
        };
        posts.iter().filter_map(of).collect()
    }

    /// The builder's artifact counts.
    fn found(
        &self,
        foresight: &mut Foresight,
        built: ArtifactRecord,
        posts: BTreeMap<StepId, ArtifactRecord>,
        missing: BTreeSet<StepId>,
    ) {
        for (id, step) in self.steps() {
            let run = match step.kind {
                StepKind::PostProcess { .. } if missing.contains(&id) => continue,
                StepKind::PostProcess { .. } => posts.get(&id).map(|record| &record.run),
                _ => Some(&built.run),
            };
            if let Some(run) = run {
                foresight.reused.insert(id, run.clone());
            }
        }
        let newest = posts.values().map(|post| &post.run).next_back();
        let run = newest.unwrap_or(&built.run).clone();
        foresight.verdict = match missing.is_empty() {
            true => {
                let (artifacts, _) = keep::decide(built.artifact.clone(), self.decided(&posts));
                Verdict::UpToDate { run, artifacts }
            }
            false => Verdict::ArtifactThere {
                run: built.run.clone(),
                missing: missing.iter().copied().collect(),
            },
        };
        foresight.posts = posts;
        foresight.posts.retain(|step, _| !missing.contains(step));
        foresight.built = Some(built);
    }

    /// Looks for a machine to go on with.
    async fn machine(&self, foresight: &mut Foresight) -> Result<()> {
        match self.capability {
            Capability::None => Ok(()),
            Capability::Layer => self.layers(foresight).await,
            Capability::Machine => self.lived(foresight).await,
        }
    }

    /// The steps that act on the machine, in order, up to the first that may not be reused.
    fn acts(&self, foresight: &Foresight) -> Vec<(StepId, String)> {
        let mut acts = Vec::new();
        for (id, step) in self.steps() {
            if !matches!(step.kind, StepKind::Launch | StepKind::Provision { .. }) {
                continue;
            }
            match foresight.chain.get(id) {
                Some(own) if self.counts(id, own) => acts.push((id, own.digest.clone())),
                _ => break,
            }
        }
        acts
    }

    async fn layers(&self, foresight: &mut Foresight) -> Result<()> {
        let builder = self.plan.build(self.build).builder.as_str();
        for (step, fingerprint) in self.acts(foresight).into_iter().rev() {
            let found = self.state.find_checkpoint(&fingerprint).await?;
            if let Some(found) = found.filter(|found| found.builder == builder) {
                foresight.checkpoints.push((step, found));
            }
        }
        if let Some((step, found)) = foresight.checkpoints.first() {
            foresight.verdict = Verdict::From {
                step: *step,
                run: found.run.clone(),
            };
        }
        Ok(())
    }

    /// With `--resume`: the steps the resumed run has done on the machine, which is still there.
    async fn lived(&self, foresight: &mut Foresight) -> Result<()> {
        let Some(run) = &self.reuse.resume else {
            return Ok(());
        };
        let done = resume::done(&**self.state, run, &self.plan.build(self.build).address).await?;
        for (step, fingerprint) in self.acts(foresight) {
            if self.plan.step(step).kind == StepKind::Launch {
                continue;
            }
            let address = &self.plan.step(step).address;
            let Some((known, by)) = done.steps.get(address) else {
                break;
            };
            if *known != fingerprint {
                break;
            }
            foresight.reused.insert(step, by.clone());
            foresight.verdict = Verdict::From {
                step,
                run: by.clone(),
            };
            foresight.entered.clone_from(&done.entered);
        }
        Ok(())
    }

    /// Why the build is not up to date: the first step that has not been done like this.
    async fn changes(&self, foresight: &Foresight) -> Result<Vec<Why>> {
        let mut found = Vec::new();
        for (id, step) in self.steps() {
            if self.is_replaced(id) {
                let named = self.reuse.replace.contains(&step.address);
                let address = match named {
                    true => step.address.clone(),
                    false => self.plan.build(self.build).address.clone(),
                };
                found.push(why(&address, "`--replace` asks for it"));
                return Ok(found);
            }
            let Some(own) = foresight.chain.get(id) else {
                continue;
            };
            if !own.moving.is_empty() {
                let moved = own.moving.iter();
                found.extend(moved.map(|(name, text)| {
                    why(
                        &step.address,
                        &format!("`{name}` changes in every run: {text}"),
                    )
                }));
            }
            let done = self.state.done(&step.address, LOOK_BACK).await?;
            let same = |record: &&StepRecord| record.fingerprint.as_deref() == Some(&own.digest);
            if let Some(last) = done.iter().find(same)
                && last.shell
                && !found.iter().any(is_entered)
            {
                found.push(entered(&step.address, &last.run));
            }
            if done.iter().any(|record| same(&record) && !record.shell) {
                continue;
            }
            if done.iter().any(|record| same(&record)) {
                return Ok(found);
            }
            if let Some(changed) = self.change(&step.address, own, done.first()).await? {
                found.push(changed);
            }
            return Ok(found);
        }
        Ok(found)
    }

    async fn change(
        &self,
        address: &str,
        own: &Fingerprint,
        last: Option<&StepRecord>,
    ) -> Result<Option<Why>> {
        let Some(fingerprint) = last.and_then(|last| last.fingerprint.as_deref()) else {
            return Ok(Some(why(address, "it has not been done before")));
        };
        let old = self.state.inputs(fingerprint).await?;
        let differences = explain(&old, &own.inputs);
        let Some(first) = differences.first() else {
            return Ok(None);
        };
        let text = match (&first.old, &first.new) {
            _ if follows(&first.name) => "what comes before it has changed".to_owned(),
            (None, Some(_)) => format!("`{}` is new", first.name),
            (Some(_), None) => format!("`{}` is not there any more", first.name),
            _ => format!("`{}` has changed", first.name),
        };
        Ok(Some(Why {
            address: address.to_owned(),
            text,
            differences,
            lost: false,
        }))
    }
}

fn why(address: &str, text: &str) -> Why {
    Why {
        address: address.to_owned(),
        text: text.to_owned(),
        differences: Vec::new(),
        lost: false,
    }
}

/// How it is said that somebody had a shell; the run follows.
const SHELL: &str = "somebody had a shell on the machine in run ";

fn entered(address: &str, run: &str) -> Why {
    why(address, &format!("{SHELL}{}", resume::short(run)))
}

fn is_entered(why: &Why) -> bool {
    why.text.starts_with(SHELL)
}

fn gone(address: &str, (path, fate): &(PathBuf, Fate)) -> Why {
    let what = match fate {
        Fate::Gone => "has been deleted",
        Fate::Altered | Fate::Same => "has been altered",
    };
    Why {
        lost: true,
        ..why(address, &format!("`{}` {what}", path.display()))
    }
}

/// Whether a step of a run has been done.
fn is_done(status: StepStatus) -> bool {
    matches!(status, StepStatus::Finished | StepStatus::Reused)
}
