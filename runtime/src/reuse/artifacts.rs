//! What of a build has been made: the builder's artifact, and what post-processors made of it.
//!
//! An artifact counts where the fingerprint of its step is that of an earlier run and its files are as they were; one that
//! nobody keeps counts as long as nothing that is missing works on it.

use std::collections::{BTreeMap, BTreeSet};

use imgc_compiler::plan::{Step, StepId, StepKind};

use super::published::Published;
use super::{Foresight, Looking, Verdict, Why, changes};
use crate::artifact::Artifact;
use crate::error::Result;
use crate::run::keep::{self, Post};
use crate::state::ArtifactRecord;

impl Looking<'_> {
    /// Looks for what was made: the artifact, and what post-processors made of it.
    pub(super) async fn artifacts(&self, foresight: &mut Foresight) -> Result<()> {
        let machine_counts = self.steps().all(|(id, step)| match step.kind {
            StepKind::Check | StepKind::Publish { .. } | StepKind::PostProcess { .. } => true,
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
        for (id, step) in self.steps() {
            let own = foresight.chain.get(id);
            let on_machine = matches!(step.kind, StepKind::Provision { .. });
            if let Some(own) = own.filter(|_| on_machine)
                && self.fallen(id, own).await?.is_some()
            {
                return Ok(());
            }
        }
        let mut lost = Vec::new();
        let published = self.published(&built, foresight, &mut lost).await?;
        let mut posts = BTreeMap::new();
        let mut missing = BTreeSet::new();
        let wanted: Vec<StepId> = self
            .steps()
            .filter(|(_, step)| matches!(step.kind, StepKind::PostProcess { .. }))
            .map(|(id, _)| id)
            .collect();
        for step in wanted.iter().copied() {
            let fingerprint = foresight.chain.get(step);
            // They work on all that is published.
            let counts = published.missing.is_empty()
                && fingerprint.is_some_and(|own| self.counts(step, own));
            let fallen = match fingerprint.filter(|_| counts) {
                Some(own) => self.fallen(step, own).await?,
                None => None,
            };
            let record = match counts && fallen.is_none() {
                true => self.record(step, foresight, &mut lost).await?,
                false => None,
            };
            lost.extend(fallen.filter(|why| why.lost));
            match record {
                Some(record) => {
                    posts.insert(step, record);
                }
                None => {
                    missing.insert(step);
                }
            }
        }
        let together: BTreeSet<StepId> = wanted
            .iter()
            .copied()
            .filter(|step| missing.iter().any(|other| self.share_a_file(*step, *other)))
            .collect();
        posts.retain(|step, _| !together.contains(step));
        missing.extend(together);
        let on_the_way = published.replaces(&built);
        if missing.is_empty() && published.is_whole() {
            let whole = published.whole(&built.artifact);
            let built = (!on_the_way).then_some(&built);
            self.kept((capture, built, &whole), &posts, &mut missing, &mut lost)
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
                        Some(record) => {
                            record.kept && super::lost(self.removers, record).await?.is_empty()
                        }
                        None => false,
                    };
                    if !usable {
                        missing.insert(input);
                    }
                }
            }
        }
        needs_built |= missing.iter().any(|step| self.input(*step).is_none());
        needs_built |= !published.is_whole();
        if on_the_way {
            // The others work on what is there.
            needs_built = published.needs_built(self);
        }
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
        foresight.unnamed = self.unnamed(&built).await?;
        self.found(foresight, built, published, posts, missing);
        Ok(())
    }

    /// Whether two post-processors write into one file, which holds what those of a run have written: they run together.
    fn share_a_file(&self, one: StepId, other: StepId) -> bool {
        let [one, other] = [one, other].map(|step| self.plan.step(step));
        let checksum = |step: &Step| match &step.kind {
            StepKind::PostProcess { post_processor, .. } => post_processor == "checksum",
            _ => false,
        };
        let output = |step: &Step| {
            let output = step.options.value().get("output");
            output.filter(|output| !output.is_null()).cloned()
        };
        checksum(one) && checksum(other) && output(one) == output(other)
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
            if record.kept && super::lost(self.removers, &record).await?.is_empty() {
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
        let files = super::lost(self.removers, record).await?;
        Ok(files
            .into_iter()
            .map(|file| changes::gone(address, &file))
            .collect())
    }

    /// Whether everything that stays after the post-processors is there; what made the rest is missing. `built` is left out where it
    /// is not part of the whole.
    async fn kept(
        &self,
        (capture, built, whole): (StepId, Option<&ArtifactRecord>, &Artifact),
        posts: &BTreeMap<StepId, ArtifactRecord>,
        missing: &mut BTreeSet<StepId>,
        why: &mut Vec<Why>,
    ) -> Result<()> {
        let (kept, _) = keep::decide(whole.clone(), self.decided(posts));
        if let Some(built) = built.filter(|_| kept.contains(whole)) {
            let gone = match built.kept {
                true => super::lost(self.removers, built).await?,
                false => Vec::new(),
            };
            let address = &self.plan.step(capture).address;
            why.extend(gone.iter().map(|file| changes::gone(address, file)));
            if !built.kept
                && !posts
                    .values()
                    .any(|post| post.kept && post.artifact == *whole)
            {
                why.push(changes::why(
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
                // How often something is listed is nothing to what stays.
                lists_again: true,
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
        published: Published,
        posts: BTreeMap<StepId, ArtifactRecord>,
        mut missing: BTreeSet<StepId>,
    ) {
        missing.extend(published.missing.iter().chain(&published.unchecked));
        for (id, step) in self.steps() {
            let run = match step.kind {
                _ if missing.contains(&id) => continue,
                StepKind::Check | StepKind::Publish { .. } => {
                    published.records.get(&id).map(|record| &record.run)
                }
                StepKind::PostProcess { .. } => posts.get(&id).map(|record| &record.run),
                _ => Some(&built.run),
            };
            if let Some(run) = run {
                foresight.reused.insert(id, run.clone());
            }
        }
        let later = published.records.values().chain(posts.values());
        let newest = later.map(|record| &record.run).next_back();
        let run = newest.unwrap_or(&built.run).clone();
        foresight.verdict = match missing.is_empty() {
            true => {
                let whole = published.whole(&built.artifact);
                let (artifacts, _) = keep::decide(whole, self.decided(&posts));
                Verdict::UpToDate { run, artifacts }
            }
            false => Verdict::ArtifactThere {
                run: built.run.clone(),
                missing: missing.iter().copied().collect(),
            },
        };
        foresight.published = published.records;
        foresight.posts = posts;
        foresight.posts.retain(|step, _| !missing.contains(step));
        foresight.built = Some(built);
    }
}
