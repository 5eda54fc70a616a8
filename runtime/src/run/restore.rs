//! Checkpoints of a build at work: what a step needs to make one, and going back to one.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgc_compiler::plan::{Step, StepId, StepKind};
use imgc_compiler::value::Value;

use super::build::Work;
use super::lock;
use super::reused::short;
use crate::builder::{Builder, Instance};
use crate::checkpoint::Checkpoints;
use crate::context::Context;
use crate::error::{Class, Result};

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
        if let Some(living) = &foresight.living {
            return self.rejoin(cx, builder, source, living).await;
        }
        self.leave_nothing_of_the_old().await?;
        let state = &self.run.settings.state;
        for (step, known) in &foresight.checkpoints {
            let address = &self.run.plan.step(*step).address;
            let now = super::record::now();
            if let Err(error) = state.use_checkpoint(&known.fingerprint, now).await {
                self.output.warn(error.chain());
            }
            let why = match builder.restore(cx, source, &known.checkpoint).await {
                Ok(Some(instance)) => {
                    self.output.say(format!(
                        "going on after {address}, as run {} left it",
                        short(&known.run)
                    ));
                    self.restored(*step, &known.run);
                    return Ok(Some(instance));
                }
                Ok(None) => "it is gone or damaged".to_owned(),
                // Not the checkpoint's fault: launching says it.
                Err(error) if matches!(error.class, Class::Template | Class::Cancelled) => {
                    return Ok(None);
                }
                Err(error) => error.chain(),
            };
            self.output.warn(format!(
                "cannot go back to the machine after {address}: {why}"
            ));
            if let Err(error) = state.forget_checkpoint(&known.fingerprint).await {
                self.output.warn(error.chain());
            }
        }
        Ok(None)
    }

    /// The machine is as it was after `last`: the provisioners up to there need not run.
    fn restored(&self, last: StepId, by: &str) {
        let plan = &self.run.plan;
        let done: Vec<(StepId, String)> = plan
            .step_ids()
            .take_while(|id| *id <= last)
            .filter(|id| {
                let step = plan.step(*id);
                step.build == self.id && matches!(step.kind, StepKind::Provision { .. })
            })
            .map(|id| (id, by.to_owned()))
            .collect();
        self.have_been_done(done);
    }

    /// Provisioners need not run: the machine has their work.
    pub(super) fn have_been_done(&self, done: Vec<(StepId, String)>) {
        self.note_reused(&done);
        lock(&self.data).restored = BTreeMap::from_iter(done);
    }
}
