//! What of an artifact has been published.
//!
//! A step counts where its fingerprint is that of an earlier run which did it to this very artifact, and where what it added is as it
//! was. What works on something that counts no more does not count either.

use std::collections::{BTreeMap, BTreeSet};

use imgc_compiler::plan::{Step, StepId, StepKind};

use super::{Foresight, Looking, Why, changes};
use crate::artifact::Artifact;
use crate::error::Result;
use crate::ledger::CloudResource;
use crate::state::{ArtifactRecord, StepRecord};

/// The name under which the lineage of a record says what was published.
pub(crate) const PUBLISHED: &str = "artifact";

/// The name under which the lineage of what was captured says which step is to check it: until that has been done it is something
/// temporary.
pub const CHECKED_BY: &str = "to be checked by";

/// Takes [`CHECKED_BY`] from the lineage of whatever has passed its checks, among all records of what is kept: who has it then is
/// something temporary yet.
pub fn mark_unchecked(records: &mut [ArtifactRecord]) {
    let of = |record: &ArtifactRecord, wanted: &str| {
        let mut lineage = record.lineage.iter();
        let found = lineage.find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone())
    };
    let passed: BTreeSet<(String, String)> = records
        .iter()
        .filter_map(|record| Some((record.step.clone(), of(record, PUBLISHED)?)))
        .collect();
    for record in records {
        if let Some(check) = of(record, CHECKED_BY)
            && passed.contains(&(check, record.artifact.id.clone()))
        {
            record.lineage.retain(|(name, _)| name != CHECKED_BY);
        }
    }
}

/// Whether it has to pass checks yet, where the records were [marked](mark_unchecked).
pub fn is_unchecked(record: &ArtifactRecord) -> bool {
    record.lineage.iter().any(|(name, _)| name == CHECKED_BY)
}

/// What has been published, and what has to be.
#[derive(Default)]
pub(super) struct Published {
    pub(super) records: BTreeMap<StepId, ArtifactRecord>,
    pub(super) missing: BTreeSet<StepId>,
    /// The step that checks the artifact, where that has not been done. What has been published without it stays.
    pub(super) unchecked: Option<StepId>,
}

impl Published {
    /// Whether there is nothing left to do to the artifact.
    pub(super) fn is_whole(&self) -> bool {
        self.missing.is_empty() && self.unchecked.is_none()
    }

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
            let is_check = step.kind == StepKind::Check;
            if !is_check && !matches!(step.kind, StepKind::Publish { .. }) {
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
                None if is_check => found.unchecked = Some(id),
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
            if self.is_overtaken(record, input).await? {
                continue;
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

    /// What earlier runs have published of an artifact, by steps that the plan does not have any more, and what is still there of
    /// it. Only what is at a provider is published.
    pub(super) async fn unnamed(&self, built: &ArtifactRecord) -> Result<Vec<Why>> {
        if built.artifact.things.is_empty() {
            return Ok(Vec::new());
        }
        let build = &self.plan.build(self.build).address;
        let address = |name: &str| format!("{build}.publish[\"{name}\"]");
        let own = self.steps().map(|(_, step)| step.address.as_str());
        let named: BTreeSet<&str> = own.collect();
        let is_named = |name: &str| named.contains(address(name).as_str());
        // Which steps the one would be that does all of it is not known.
        if is_named("all") {
            return Ok(Vec::new());
        }
        let of_built = |id: &str| {
            let mut parts = built.artifact.id.split(',');
            parts.all(|part| id.split(',').any(|other| other == part))
        };
        let prefix = format!("{build}.publish[\"");
        let mut seen = BTreeSet::new();
        let mut unnamed = Vec::new();
        for record in self.state.images().await? {
            let name = record.step.strip_prefix(&prefix);
            let Some(name) = name.and_then(|name| name.strip_suffix("\"]")) else {
                continue;
            };
            let mut lineage = record.lineage.iter();
            let is_of_it = lineage.any(|(name, id)| name == PUBLISHED && of_built(id));
            // What was said of a copy that is not named goes with that.
            let goes_with = name.split_once('/');
            let is_said = goes_with.is_some_and(|(copy, _)| !is_named(copy));
            let counts = is_of_it && !is_said && record.artifact.replaces.is_none();
            if !counts || name == "all" || is_named(name) || !seen.insert(name.to_owned()) {
                continue;
            }
            if record.artifact.is_empty() {
                let text = "it is not in the template any more, and what an earlier run has said by it stays as it is: \
                            take it back at the provider";
                unnamed.push(changes::why(&record.step, text));
                continue;
            }
            let gone = super::lost(self.removers, &record).await?;
            let is_there =
                |thing: &&CloudResource| gone.iter().all(|gone| gone.what != thing.describe());
            let things: Vec<&CloudResource> =
                record.artifact.things.iter().filter(is_there).collect();
            if things.is_empty() {
                continue;
            }
            let by_hand = things.iter().filter_map(|thing| {
                let mut removers = self.removers.iter();
                removers.find_map(|remover| remover.by_hand(thing))
            });
            let by_hand = by_hand.collect::<Vec<_>>().join("; ");
            let names: Vec<String> = things.iter().map(|thing| thing.describe()).collect();
            let way = match by_hand.as_str() {
                "" => "remove it at the provider".to_owned(),
                by_hand => format!("this removes it: {by_hand}"),
            };
            let names = names.join(", ");
            let text = format!("it is not in the template any more, and stays: {names}; {way}");
            unnamed.push(changes::why(&record.step, &text));
        }
        Ok(unnamed)
    }

    /// Whether a later run has said something else of the same artifact by this step: what was said before is not in force any
    /// more, also where the template says it again. What was made is looked at instead.
    async fn is_overtaken(&self, record: &ArtifactRecord, input: &str) -> Result<bool> {
        if !record.artifact.is_empty() {
            return Ok(false);
        }
        // Nearly always nothing else was said last, which is quickly seen.
        let last = self.state.done(&record.step, 1).await?;
        let same = |step: &StepRecord| step.fingerprint == record.fingerprint;
        if last.first().is_none_or(same) {
            return Ok(false);
        }
        let all = self.state.images().await?;
        let newer = all.iter().take_while(|other| other.id != record.id);
        let mut newer = newer.filter(|other| other.step == record.step);
        Ok(newer.any(|other| {
            let mut lineage = other.lineage.iter();
            lineage.any(|(name, id)| name == PUBLISHED && id == input)
        }))
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
        self.unchecked.is_some()
            || self.missing.iter().any(|step| {
                let mut needs = looking.plan.step(*step).needs.iter();
                !needs.any(|need| {
                    matches!(looking.plan.step(need.step).kind, StepKind::Publish { .. })
                })
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
