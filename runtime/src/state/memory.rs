//! State for the life of the process: for tests, and for runs that leave none.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{
    ArtifactRecord, ChangeRecord, CheckpointRecord, FingerprintInput, MachineRecord, Moment,
    NewRun, Owned, Owner, Run, RunStatus, State, StepRecord, StepStatus,
};
use crate::error::Result;
use crate::ledger::{Record, Resource};

/// Everything in memory; a run is live until it has ended.
#[derive(Debug, Default)]
pub struct Memory {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    runs: Vec<Run>,
    steps: Vec<StepRecord>,
    inputs: BTreeMap<String, Vec<FingerprintInput>>,
    resources: Vec<Owned>,
    artifacts: Vec<ArtifactRecord>,
    checkpoints: Vec<CheckpointRecord>,
    changes: Vec<ChangeRecord>,
    machines: Vec<MachineRecord>,
    /// Run and build.
    shells: BTreeSet<(String, String)>,
    numbers: u64,
}

impl Memory {
    /// Nothing is remembered yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

#[async_trait]
impl State for Memory {
    async fn begin(&self, run: &NewRun) -> Result<()> {
        self.lock().runs.push(Run {
            new: run.clone(),
            status: RunStatus::Running,
            ended: None,
        });
        Ok(())
    }

    async fn end(&self, run: &str, status: RunStatus, at: Moment) -> Result<()> {
        if let Some(run) = self
            .lock()
            .runs
            .iter_mut()
            .find(|known| known.new.id == run)
        {
            run.status = status;
            run.ended = Some(at);
        }
        Ok(())
    }

    async fn is_live(&self, run: &str) -> Result<bool> {
        let kept = self.lock();
        let run = kept.runs.iter().find(|known| known.new.id == run);
        Ok(run.is_some_and(|run| run.status == RunStatus::Running))
    }

    async fn runs(&self, template: Option<&Path>) -> Result<Vec<Run>> {
        let kept = self.lock();
        let wanted = |run: &&Run| template.is_none_or(|template| run.new.template == template);
        Ok(kept.runs.iter().rev().filter(wanted).cloned().collect())
    }

    async fn count(&self) -> Result<usize> {
        Ok(self.lock().runs.len())
    }

    async fn forget_runs(&self, runs: &[String]) -> Result<()> {
        let mut kept = self.lock();
        let stays = |run: &String| !runs.contains(run);
        kept.runs.retain(|run| stays(&run.new.id));
        kept.steps.retain(|step| stays(&step.run));
        kept.artifacts.retain(|artifact| stays(&artifact.run));
        kept.changes.retain(|change| stays(&change.run));
        kept.machines.retain(|machine| stays(&machine.run));
        kept.shells.retain(|(run, _)| stays(run));
        let known = kept
            .steps
            .iter()
            .filter_map(|step| step.fingerprint.clone());
        let known: BTreeSet<String> = known.collect();
        kept.inputs
            .retain(|fingerprint, _| known.contains(fingerprint));
        Ok(())
    }

    async fn step(&self, step: &StepRecord) -> Result<()> {
        self.note_step(step);
        Ok(())
    }

    fn note_step(&self, step: &StepRecord) {
        let mut kept = self.lock();
        let same = |known: &&mut StepRecord| known.run == step.run && known.step == step.step;
        match kept.steps.iter_mut().find(same) {
            Some(known) => *known = step.clone(),
            None => kept.steps.push(step.clone()),
        }
    }

    async fn steps(&self, run: &str) -> Result<Vec<StepRecord>> {
        let kept = self.lock();
        let mut steps: Vec<StepRecord> = kept
            .steps
            .iter()
            .filter(|step| step.run == run)
            .cloned()
            .collect();
        steps.sort_by_key(|step| step.position);
        Ok(steps)
    }

    async fn keep_inputs(&self, fingerprint: &str, inputs: &[FingerprintInput]) -> Result<()> {
        self.lock()
            .inputs
            .insert(fingerprint.to_owned(), inputs.to_vec());
        Ok(())
    }

    async fn inputs(&self, fingerprint: &str) -> Result<Vec<FingerprintInput>> {
        Ok(self
            .lock()
            .inputs
            .get(fingerprint)
            .cloned()
            .unwrap_or_default())
    }

    async fn last(&self, step: &str, root: Option<&std::path::Path>) -> Result<Option<StepRecord>> {
        let kept = self.lock();
        let is_of = |known: &StepRecord| {
            let mut runs = kept.runs.iter();
            root.is_none_or(|root| {
                runs.any(|run| run.new.id == known.run && run.new.template.starts_with(root))
            })
        };
        let mut known = kept.steps.iter().rev();
        let last =
            known.find(|known| known.step == step && known.status.has_begun() && is_of(known));
        Ok(last.cloned())
    }

    async fn done(&self, step: &str, limit: u32) -> Result<Vec<StepRecord>> {
        let kept = self.lock();
        let done = |known: &&StepRecord| {
            known.step == step
                && known.fingerprint.is_some()
                && matches!(known.status, StepStatus::Finished | StepStatus::Reused)
        };
        Ok(kept
            .steps
            .iter()
            .rev()
            .filter(done)
            .take(limit as usize)
            .cloned()
            .collect())
    }

    async fn intend(&self, run: &str, owner: &str, resource: &Resource) -> Result<u64> {
        let mut kept = self.lock();
        let id = kept.number();
        let expires = kept
            .runs
            .iter()
            .find(|known| known.new.id == run)
            .map_or(0, |run| run.new.expires);
        kept.resources.push(Owned {
            run: run.to_owned(),
            expires,
            record: Record {
                id,
                owner: owner.to_owned(),
                resource: resource.clone(),
                made: false,
            },
        });
        Ok(id)
    }

    async fn made(&self, id: u64, resource: &Resource) -> Result<()> {
        if let Some(owned) = self
            .lock()
            .resources
            .iter_mut()
            .find(|owned| owned.record.id == id)
        {
            owned.record.made = true;
            owned.record.resource = resource.clone();
        }
        Ok(())
    }

    fn forget(&self, id: u64) {
        self.lock().resources.retain(|owned| owned.record.id != id);
    }

    async fn resources(&self, owner: Owner<'_>) -> Result<Vec<Owned>> {
        let kept = self.lock();
        let wanted = |owned: &&Owned| match owner {
            Owner::All => true,
            Owner::Run(run) => owned.run == run,
        };
        Ok(kept
            .resources
            .iter()
            .rev()
            .filter(wanted)
            .cloned()
            .collect())
    }

    async fn artifact(&self, artifact: &ArtifactRecord) -> Result<u64> {
        let mut kept = self.lock();
        let id = kept.number();
        kept.artifacts.push(ArtifactRecord {
            id,
            ..artifact.clone()
        });
        Ok(id)
    }

    async fn drop_artifact(&self, id: u64) -> Result<()> {
        if let Some(artifact) = self
            .lock()
            .artifacts
            .iter_mut()
            .find(|known| known.id == id)
        {
            artifact.kept = false;
        }
        Ok(())
    }

    async fn artifacts(&self, fingerprint: &str) -> Result<Vec<ArtifactRecord>> {
        let kept = self.lock();
        let same = |known: &&ArtifactRecord| known.fingerprint.as_deref() == Some(fingerprint);
        Ok(kept.artifacts.iter().rev().filter(same).cloned().collect())
    }

    async fn images(&self) -> Result<Vec<ArtifactRecord>> {
        let kept = self.lock();
        Ok(kept
            .artifacts
            .iter()
            .rev()
            .filter(|known| known.kept)
            .cloned()
            .collect())
    }

    async fn checkpoint(&self, checkpoint: &CheckpointRecord) -> Result<()> {
        let mut kept = self.lock();
        kept.checkpoints
            .retain(|known| known.fingerprint != checkpoint.fingerprint);
        kept.checkpoints.push(checkpoint.clone());
        Ok(())
    }

    async fn find_checkpoint(&self, fingerprint: &str) -> Result<Option<CheckpointRecord>> {
        let kept = self.lock();
        Ok(kept
            .checkpoints
            .iter()
            .find(|known| known.fingerprint == fingerprint)
            .cloned())
    }

    async fn use_checkpoint(&self, fingerprint: &str, at: Moment) -> Result<()> {
        let mut kept = self.lock();
        if let Some(known) = kept
            .checkpoints
            .iter_mut()
            .find(|known| known.fingerprint == fingerprint)
        {
            known.used = at;
        }
        Ok(())
    }

    async fn forget_checkpoint(&self, fingerprint: &str) -> Result<()> {
        self.lock()
            .checkpoints
            .retain(|known| known.fingerprint != fingerprint);
        Ok(())
    }

    async fn checkpoints(&self) -> Result<Vec<CheckpointRecord>> {
        let mut all = self.lock().checkpoints.clone();
        all.sort_by_key(|known| known.used);
        Ok(all)
    }

    async fn change(&self, change: &ChangeRecord) -> Result<u64> {
        let mut kept = self.lock();
        if let Some(known) = kept.changes.iter_mut().find(|known| known.id == change.id) {
            *known = change.clone();
            return Ok(change.id);
        }
        let id = kept.number();
        kept.changes.push(ChangeRecord {
            id,
            ..change.clone()
        });
        Ok(id)
    }

    async fn changes(&self) -> Result<Vec<ChangeRecord>> {
        Ok(self.lock().changes.iter().rev().cloned().collect())
    }

    async fn machine(&self, machine: &MachineRecord) -> Result<()> {
        let mut kept = self.lock();
        kept.machines
            .retain(|known| !(known.run == machine.run && known.build == machine.build));
        kept.machines.push(machine.clone());
        Ok(())
    }

    async fn forget_machine(&self, run: &str, build: &str) -> Result<()> {
        self.lock()
            .machines
            .retain(|known| !(known.run == run && known.build == build));
        Ok(())
    }

    async fn machines(&self, run: &str) -> Result<Vec<MachineRecord>> {
        let kept = self.lock();
        Ok(kept
            .machines
            .iter()
            .filter(|known| known.run == run)
            .cloned()
            .collect())
    }

    async fn enter(&self, run: &str, build: &str, _at: Moment) -> Result<()> {
        let shell = (run.to_owned(), build.to_owned());
        self.lock().shells.insert(shell);
        Ok(())
    }

    async fn entered(&self, run: &str, build: &str) -> Result<bool> {
        let shell = (run.to_owned(), build.to_owned());
        Ok(self.lock().shells.contains(&shell))
    }

    fn salt(&self) -> [u8; 32] {
        [0; 32]
    }
}
