//! Checkpoints of a build at work: what a step needs to make one, and going back to one.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use imgc_compiler::plan::{Step, StepId, StepKind};
use imgc_compiler::value::Value;

use super::build::Work;
use super::lock;
use super::reused::short;
use super::undo;
use crate::builder::{Builder, Instance, Sealed};
use crate::cache::things;
use crate::checkpoint::{Capability, Checkpoints};
use crate::context::Context;
use crate::error::{Class, Result};
use crate::state::{CheckpointRecord, StepStatus};

impl Work<'_> {
    /// What a step's component needs to make a checkpoint; nothing where none is to be made.
    pub(super) fn checkpointed(&self, step: &Step, cx: &mut Context) {
        cx.fingerprint = None;
        cx.checkpoints = None;
        let makes = match step.kind {
            // What somebody has typed on the machine says nothing of how it is found.
            StepKind::Launch => true,
            StepKind::Provision { .. } => !self.was_entered(),
            _ => false,
        };
        if !makes {
            return;
        }
        let Some(foresight) = self.foresight() else {
            return;
        };
        let own = self.id_of(step);
        let fingerprint = own.and_then(|id| foresight.chain.get(id));
        let Some(fingerprint) = fingerprint.filter(|own| own.reusable) else {
            return;
        };
        cx.fingerprint = Some(fingerprint.digest.as_str().into());
        if self.run.settings.new_run.is_some() {
            cx.checkpoints = Some(Checkpoints::new(
                self.run.settings.state.clone(),
                self.run.world.clone(),
                self.run.run_id.clone(),
                self.build.address.as_str().into(),
                self.build.builder.clone(),
            ));
        }
    }

    /// Has the builder keep the machine as it is. Where it cannot, what has been done still has been: only where a machine consists
    /// of such layers does the step fail.
    pub(super) async fn seal(
        &self,
        cx: &Context,
        instance: &dyn Instance,
        sealed: &Sealed<'_>,
    ) -> Result<()> {
        let is_image = lock(&self.data).capability == Capability::Image;
        if is_image && sealed.is_wanted && cx.fingerprint.is_none() {
            cx.output.warn(format!(
                "no checkpoint after {}: {}",
                sealed.address,
                self.why_never(sealed.address)
            ));
        }
        let state = &self.run.settings.state;
        let same = match &cx.fingerprint {
            Some(own) if is_image && sealed.is_wanted => state.find_checkpoint(own).await?,
            _ => None,
        };
        let kept = instance.seal(cx, sealed).await;
        if !is_image || !sealed.is_wanted {
            return kept;
        }
        match kept {
            Err(error) if error.class == Class::Cancelled => Err(error),
            Err(error) => {
                undo::sweep_attempt(self.run, &cx.output, sealed.address).await;
                cx.output.warn(format!(
                    "no checkpoint after {}: {}",
                    sealed.address,
                    error.chain()
                ));
                if let Some(help) = &error.help {
                    cx.output.detail(format!("help: {help}"));
                }
                Ok(())
            }
            Ok(()) => {
                if let (Some(own), Some(_)) = (&cx.fingerprint, &cx.checkpoints) {
                    self.let_older_go(cx, sealed.address, own, same).await;
                }
                Ok(())
            }
        }
    }

    /// Why nothing can be found again by what a step has done.
    fn why_never(&self, address: &str) -> String {
        if self.was_entered() {
            return "somebody has had a shell on the machine".to_owned();
        }
        let plan = &self.run.plan;
        let known = self.foresight();
        let step = plan.step_ids().find(|id| plan.step(*id).address == address);
        let own = step.and_then(|id| known.as_ref()?.chain.get(id));
        let moving = own.and_then(|own| own.moving.first());
        match moving {
            Some((name, why)) => format!("it would be another one in every run ({name}: {why})"),
            None => "what comes before it would be another one in every run".to_owned(),
        }
    }

    /// A new checkpoint takes the place of what earlier runs have kept after the same step.
    /// `same`: the record of one with the same fingerprint, which is the record of the new one now. What a run at work may begin from
    /// stays, with its record; the other then stays until its marks expire.
    async fn let_older_go(
        &self,
        cx: &Context,
        step: &str,
        own: &str,
        same: Option<CheckpointRecord>,
    ) {
        let state = &self.run.settings.state;
        let older = async {
            let all = state.checkpoints().await?.into_iter();
            // Others may have builds of the same name in the same state.
            let template = self.run.settings.new_run.as_ref().map(|run| &*run.template);
            let runs = state.runs(template).await?;
            let older = all.filter(|known| {
                runs.iter().any(|run| run.new.id == known.run)
                    && known.step == step
                    && known.build == self.build.address
                    && known.checkpoint.capability == Capability::Image
                    && known.fingerprint != own
            });
            let older: Vec<CheckpointRecord> = older.chain(same).collect();
            let but = Some(&*self.run.run_id);
            let used = things::in_use(&**state, &older, but).await?;
            let mut first = Ok(());
            for record in older {
                if used.contains(&record.fingerprint) {
                    continue;
                }
                // One that cannot go, of another account perhaps, keeps no other.
                match self.drop_checkpoint(&record).await {
                    Ok(()) => cx.output.detail(format!(
                        "removed the checkpoint of run {} after this step",
                        short(&record.run)
                    )),
                    failed => first = first.and(failed),
                }
            }
            first
        };
        if let Err(error) = older.await {
            cx.output.warn(format!(
                "an older checkpoint after {step} stays until it expires: {}",
                error.chain()
            ));
        }
    }

    /// Removes a checkpoint, with what it consists of at a provider.
    async fn drop_checkpoint(&self, record: &CheckpointRecord) -> Result<()> {
        let settings = &self.run.settings;
        things::let_go(&*settings.state, &settings.removers, record).await
    }

    /// The id of a step of the plan; error-cleanup provisioners have none.
    pub(super) fn id_of(&self, step: &Step) -> Option<StepId> {
        let mut all = self.run.plan.step_ids();
        all.find(|id| std::ptr::eq(self.run.plan.step(*id), step))
    }

    /// The machine as it was after the latest step that can be gone back to; `None` where it has to be launched.
    pub(super) async fn restore(
        &self,
        cx: &Context,
        builder: &dyn Builder,
        source: &Value,
    ) -> Result<Option<Arc<dyn Instance>>> {
        let Some(foresight) = self.foresight() else {
            return Ok(None);
        };
        match &foresight.living {
            Some(living) => {
                if let Some(found) = self.rejoin(cx, builder, source, living).await? {
                    return Ok(Some(found));
                }
            }
            None => self.leave_nothing_of_the_old().await?,
        }
        let state = &self.run.settings.state;
        for (step, known) in &foresight.checkpoints {
            let address = &self.run.plan.step(*step).address;
            let now = super::record::now();
            if let Err(error) = state.use_checkpoint(&known.fingerprint, now).await {
                self.output.warn(error.chain());
            }
            let done = self.done_up_to(*step, &known.run);
            self.will_have_been_done(&done).await?;
            let restored = builder.restore(cx, source, &known.checkpoint).await;
            if let Ok(Some(instance)) = restored {
                self.output.say(format!(
                    "going on after {address}, as run {} left it",
                    short(&known.run)
                ));
                self.have_been_done(done);
                return Ok(Some(instance));
            }
            self.have_not_been_done(&done).await?;
            let is_image = known.checkpoint.capability == Capability::Image;
            let why = match restored {
                // It has been returned.
                Ok(Some(_)) => continue,
                Ok(None) => "it is gone or damaged".to_owned(),
                // Not the checkpoint's fault: launching says it.
                Err(error) if matches!(error.class, Class::Template | Class::Cancelled) => {
                    return Ok(None);
                }
                Err(error) if is_image && error.is_transient() => return Err(error),
                // What a provider refuses says nothing of the image, which is worth more than this run.
                Err(error) if is_image => {
                    undo::sweep_attempt(self.run, &self.output, &cx.address).await;
                    self.output.warn(format!(
                        "cannot begin at the checkpoint after {address}, which stays (`imgc cache prune -all` removes it): {}",
                        error.chain()
                    ));
                    continue;
                }
                Err(error) => error.chain(),
            };
            self.output.warn(format!(
                "cannot go back to the machine after {address}: {why}"
            ));
            if let Err(error) = self.drop_checkpoint(known).await {
                self.output.warn(error.chain());
            }
        }
        Ok(None)
    }

    /// The provisioners up to `last`.
    fn done_up_to(&self, last: StepId, by: &str) -> Vec<(StepId, String)> {
        let plan = &self.run.plan;
        plan.step_ids()
            .take_while(|id| *id <= last)
            .filter(|id| {
                let step = plan.step(*id);
                step.build == self.id && matches!(step.kind, StepKind::Provision { .. })
            })
            .map(|id| (id, by.to_owned()))
            .collect()
    }

    /// Before a machine is taken over or started that has the work of these steps: whoever finds it later, after this run has died,
    /// is to know so.
    pub(super) async fn will_have_been_done(&self, done: &[(StepId, String)]) -> Result<()> {
        self.record_all(done, StepStatus::Reused).await
    }

    /// It has not become that machine.
    pub(super) async fn have_not_been_done(&self, done: &[(StepId, String)]) -> Result<()> {
        self.record_all(done, StepStatus::Skipped).await
    }

    async fn record_all(&self, done: &[(StepId, String)], status: StepStatus) -> Result<()> {
        if !self.lives_on() {
            return Ok(());
        }
        let records = done.iter().map(|(step, by)| {
            self.record(*step, status, |record| {
                record.reused_from = (status == StepStatus::Reused).then(|| by.clone());
            })
        });
        try_join_all(records).await.map(drop)
    }

    /// Provisioners need not run: the machine has their work.
    pub(super) fn have_been_done(&self, done: Vec<(StepId, String)>) {
        self.note_reused(&done);
        lock(&self.data).restored = BTreeMap::from_iter(done);
    }
}
