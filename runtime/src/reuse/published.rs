//! What of an artifact has been published.
//!
//! A step counts where its fingerprint is that of an earlier run which did it to this very artifact, and where what it added is as it
//! was. What works on something that counts no more does not count either.

use std::collections::{BTreeMap, BTreeSet};

use imgc_compiler::plan::{Step, StepId, StepKind};

use super::{Foresight, Looking, Why, changes};
use crate::artifact::Artifact;
use crate::error::Result;
use crate::state::ArtifactRecord;

/// The name under which the lineage of a record says what was published.
pub(crate) const PUBLISHED: &str = "artifact";

/// What has been published, and what has to be.
#[derive(Default)]
pub(super) struct Published {
    pub(super) records: BTreeMap<StepId, ArtifactRecord>,
    pub(super) missing: BTreeSet<StepId>,
}

impl Published {
    /// An artifact with all that has been added.
    pub(super) fn whole(&self, built: &Artifact) -> Artifact {
        built.with(self.records.values().map(|record| &record.artifact))
    }
}

impl Looking<'_> {
    /// Looks at what has been published of an artifact; what has been and is lost is said in `lost`.
    pub(super) async fn published(
        &self,
        built: &ArtifactRecord,
        foresight: &Foresight,
        lost: &mut Vec<Why>,
    ) -> Result<Published> {
        let mut found = Published::default();
        for (id, step) in self.steps() {
            if !matches!(step.kind, StepKind::Publish { .. }) {
                continue;
            }
            let input = found.input(step, &built.artifact, self);
            let own = foresight.chain.get(id);
            let record = match (input, own.filter(|own| self.counts(id, own))) {
                (Some(input), Some(own)) => {
                    self.done_to(&input, (id, &own.digest), built.kept, lost)
                        .await?
                }
                _ => None,
            };
            match record {
                Some(record) => {
                    found.records.insert(id, record);
                }
                None => {
                    found.missing.insert(id);
                }
            }
        }
        Ok(found)
    }

    /// The newest record of a step with this fingerprint that worked on `input`, where all of it is as it was. What was published of
    /// an artifact that nobody keeps (`kept`) went with it, unless that was only a step on the way.
    async fn done_to(
        &self,
        input: &str,
        (step, fingerprint): (StepId, &str),
        kept: bool,
        lost: &mut Vec<Why>,
    ) -> Result<Option<ArtifactRecord>> {
        let same = |record: &&ArtifactRecord| {
            let mut lineage = record.lineage.iter();
            (record.kept || !kept) && lineage.any(|(name, id)| name == PUBLISHED && id == input)
        };
        let records = self.state.artifacts(fingerprint).await?;
        let mut gone = Vec::new();
        for record in records.iter().filter(same) {
            if !record.kept {
                return Ok(Some(record.clone()));
            }
            let missing = super::lost(self.removers, record).await?;
            if missing.is_empty() {
                return Ok(Some(record.clone()));
            }
            if gone.is_empty() {
                gone = missing;
            }
        }
        let address = &self.plan.step(step).address;
        lost.extend(gone.iter().map(|thing| changes::gone(address, thing)));
        Ok(None)
    }
}

impl Published {
    /// Whether the builder's artifact was only a step on the way to what has been added: it is gone, or is going, and nothing is
    /// amiss.
    pub(super) fn replaces(&self, built: &ArtifactRecord) -> bool {
        let mut records = self.records.values();
        records.any(|record| record.artifact.replaces.is_some() || record.kept && !built.kept)
    }

    /// Whether something that has to be published works on the builder's artifact itself.
    pub(super) fn needs_built(&self, looking: &Looking<'_>) -> bool {
        self.missing.iter().any(|step| {
            let mut needs = looking.plan.step(*step).needs.iter();
            !needs.any(|need| matches!(looking.plan.step(need.step).kind, StepKind::Publish { .. }))
        })
    }

    /// What a step works on, as its record has it; `None` where something it needs has to be published again.
    fn input(&self, step: &Step, built: &Artifact, looking: &Looking<'_>) -> Option<String> {
        let mut added = Vec::new();
        for need in &step.needs {
            if matches!(looking.plan.step(need.step).kind, StepKind::Publish { .. }) {
                added.push(&self.records.get(&need.step)?.artifact);
            }
        }
        Some(built.with(added).id)
    }
}
