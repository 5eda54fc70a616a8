//! Going on with a machine that lives on at a provider: finding it, taking over what it consists of, and removing what else the
//! resumed run has left of this build.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgc_compiler::plan::{StepId, StepKind};
use imgc_compiler::value::Value;

use super::build::Work;
use super::lock;
use super::reused::short;
use crate::builder::{Builder, Instance};
use crate::checkpoint::Capability;
use crate::context::Context;
use crate::error::Result;
use crate::event::Redact as _;
use crate::ledger::{self, Resource};
use crate::machine::Machine;
use crate::reuse::{Foresight, Living, Verdict, line};
use crate::state::{Met, Owned, Owner, StepStatus};

impl Work<'_> {
    /// The machine of the resumed run; `None` where it is gone.
    pub(super) async fn rejoin(
        &self,
        cx: &Context,
        builder: &dyn Builder,
        source: &Value,
        living: &Living,
    ) -> Result<Option<Arc<dyn Instance>>> {
        let run = short(&living.record.run);
        // Nothing is removed or made anew where it could not be looked at.
        self.will_have_been_done(&living.done).await?;
        let found = builder
            .restore(cx, source, &living.record.checkpoint)
            .await?;
        let more = self.steps_besides(&living.done);
        let found = match found {
            Some(instance) if instance.is_shut() && more > 0 => {
                self.output.say(format!(
                    "nobody can log in to the machine of run {run} any more, since it was ready to be captured, and there is more to \
                     do on it ({more})"
                ));
                instance.release(cx).await?;
                None
            }
            found => found,
        };
        match &found {
            Some(_) => {
                let done = living.done.len();
                let on_it = match done {
                    0 => "nothing has been done on it yet".to_owned(),
                    1 => "1 step has been done on it".to_owned(),
                    _ => format!("{done} steps have been done on it"),
                };
                self.output
                    .say(format!("going on with the machine of run {run}: {on_it}"));
                self.have_been_done(living.done.clone());
            }
            None => {
                self.have_not_been_done(&living.done).await?;
                let foresight = self.foresight();
                let has_others = foresight.is_some_and(|known| !known.checkpoints.is_empty());
                self.output.warn(match has_others {
                    true => format!("the machine of run {run} is gone"),
                    false => format!("the machine of run {run} is gone: it is made anew"),
                });
                let state = &self.run.settings.state;
                state.forget_checkpoint(&living.record.fingerprint).await?;
            }
        }
        let launch = &self.run.plan.step(living.launch).address;
        self.inherit(launch).await?;
        Ok(found)
    }

    /// How many provisioners of the build are not among these.
    fn steps_besides(&self, done: &[(StepId, String)]) -> usize {
        let plan = &self.run.plan;
        let own = plan.step_ids().filter(|id| {
            let step = plan.step(*id);
            step.build == self.id && matches!(step.kind, StepKind::Provision { .. })
        });
        own.filter(|id| done.iter().all(|(known, _)| known != id))
            .count()
    }

    /// Which machine has been reached; `None` where it is at no address.
    pub(super) async fn met(&self, machine: &dyn Machine) -> Option<Met> {
        let facts = machine.facts();
        let place = format!("{}:{}", facts.get("Host")?, facts.get("Port")?);
        Some(Met {
            place: self.run.redact.redact(&place),
            identity: machine.identity().await,
        })
    }

    /// Where another machine answers than the one that the resumed run has worked on, nothing counts of what was done there.
    pub(super) async fn is_the_same(&self, met: Option<&Met>) -> Result<()> {
        let Some(known) = self.foresight() else {
            return Ok(());
        };
        let Verdict::From { run, .. } = &known.verdict else {
            return Ok(());
        };
        let identity = |met: Option<&Met>| met.and_then(|met| met.identity.clone());
        let (old, new) = (identity(known.met.as_ref()), identity(met));
        let done: Vec<StepId> = known.reused().collect();
        if done.is_empty() || old == new {
            return Ok(());
        }
        let shown = |key: Option<String>| key.unwrap_or_else(|| "not known".to_owned());
        self.output.warn(format!(
            "another machine answers at {} than in run {}: its host key was {} and is {}; nothing counts of what was done on \
             that one, so everything runs",
            met.map_or("its address", |met| &met.place),
            short(run),
            shown(old),
            shown(new)
        ));
        {
            let mut data = lock(&self.data);
            data.entered = false;
            data.foresight = Some(Arc::new(Foresight {
                verdict: Verdict::Whole,
                reused: BTreeMap::new(),
                entered: None,
                met: None,
                ..(*known).clone()
            }));
        }
        // A run that goes on with this one finds nothing done on the new machine, whenever this one ends.
        for step in done {
            self.record(step, StepStatus::Skipped, |_| {}).await?;
        }
        Ok(())
    }

    /// Before anything runs: what a capture that did not come to its end has left is in the way of the next one.
    pub(super) async fn clear_the_way(&self) {
        let goes_on = self.foresight().is_some_and(|foresight| {
            matches!(foresight.verdict, Verdict::Whole | Verdict::From { .. })
        });
        if !goes_on || self.run.settings.reuse.resume.is_none() || !self.lives_on() {
            return;
        }
        let Some(capture) = self.step_of(&StepKind::Capture) else {
            return;
        };
        if let Err(error) = self.inherit(&self.run.plan.step(capture).address).await {
            self.output.warn(error.chain());
        }
    }

    /// A machine of the resumed run that cannot be gone on with makes room for the one that is about to be made.
    pub(super) async fn leave_nothing_of_the_old(&self) -> Result<()> {
        match self.step_of(&StepKind::Launch) {
            Some(launch) if self.lives_on() => {
                self.inherit(&self.run.plan.step(launch).address).await
            }
            _ => Ok(()),
        }
    }

    /// What the resumed run and those before it have recorded for a step: what is in this run's ledger is this run's now, the
    /// rest is removed.
    pub(super) async fn inherit(&self, step: &str) -> Result<()> {
        let Some(resumed) = &self.run.settings.reuse.resume else {
            return Ok(());
        };
        let state = &self.run.settings.state;
        let mut kept = Vec::new();
        for record in state.images().await? {
            kept.extend(record.artifact.things);
        }
        let mut left: Vec<Owned> = Vec::new();
        for run in line(&**state, resumed).await? {
            left.extend(state.resources(Owner::Run(&run)).await?);
        }
        for owned in left.into_iter().filter(|owned| owned.record.owner == step) {
            let resource = &owned.record.resource;
            let mine = self.run.ledger.outstanding("");
            let is_taken = mine.iter().any(|own| same(&own.resource, resource));
            let is_kept = matches!(resource, Resource::Cloud(thing) if kept.iter().any(|kept| kept.is(thing)));
            let goes = matches!(resource, Resource::Cloud(_) | Resource::File { .. });
            if !goes {
                continue;
            }
            if !is_taken && !is_kept {
                let removed = crate::remove::remove(&self.run.settings.removers, resource).await;
                if let Err(error) = removed {
                    self.output.warn(format!(
                        "cannot remove the {}: {}",
                        resource.describe(),
                        error.chain()
                    ));
                    continue;
                }
                self.output.detail(format!(
                    "removed the {} of run {}",
                    resource.describe(),
                    short(&owned.run)
                ));
            }
            state.forget(owned.record.id);
        }
        Ok(())
    }

    /// The machine has been let go: nobody looks for it.
    pub(super) async fn forget_living(&self) {
        if self.run.settings.new_run.is_none() || !self.lives_on() {
            return;
        }
        let launch = self.step_of(&StepKind::Launch);
        let foresight = self.foresight();
        let Some(own) = launch.and_then(|launch| foresight.as_ref()?.chain.get(launch)) else {
            return;
        };
        let state = &self.run.settings.state;
        let forgotten = async {
            let known = state.find_checkpoint(&own.digest).await?;
            match known.filter(|known| *known.run == *self.run.run_id) {
                Some(_) => state.forget_checkpoint(&own.digest).await,
                None => Ok(()),
            }
        };
        if let Err(error) = forgotten.await {
            self.output.warn(error.chain());
        }
    }

    /// What the resumed run and those before it have recorded as files on the machine: when that has ended, nobody looks for
    /// them there.
    pub(super) async fn forget_files_of_the_old(&self) {
        if self.run.settings.reuse.resume.is_none() || !self.lives_on() || lock(&self.data).stays {
            return;
        }
        if let Err(error) = self.forget_gone_files().await {
            self.output.warn(error.chain());
        }
    }

    async fn forget_gone_files(&self) -> Result<()> {
        let (Some(resumed), Some(launch)) = (
            &self.run.settings.reuse.resume,
            self.step_of(&StepKind::Launch),
        ) else {
            return Ok(());
        };
        let launch = &self.run.plan.step(launch).address;
        let is_there = |owner: &str, resource: &Resource| {
            owner == launch && matches!(resource, Resource::Cloud(_))
        };
        // What could not be removed may be the machine.
        let mut own = self.run.ledger.outstanding(launch).into_iter();
        if own.any(|record| is_there(&record.owner, &record.resource)) {
            return Ok(());
        }
        let state = &self.run.settings.state;
        let mut left = Vec::new();
        for run in line(&**state, resumed).await? {
            left.extend(state.resources(Owner::Run(&run)).await?);
        }
        left.retain(|owned| ledger::owns(&self.build.address, &owned.record.owner));
        let mut all = left.iter().map(|owned| &owned.record);
        // Whoever of them has the machine has what is on it.
        if all.any(|record| is_there(&record.owner, &record.resource)) {
            return Ok(());
        }
        for owned in left {
            if matches!(owned.record.resource, Resource::RemoteFile { .. }) {
                state.forget(owned.record.id);
            }
        }
        Ok(())
    }

    /// Whether the builder's machines live on where they were made.
    pub(super) fn lives_on(&self) -> bool {
        let data = lock(&self.data);
        matches!(data.capability, Capability::Living | Capability::Image)
    }
}

fn same(one: &Resource, other: &Resource) -> bool {
    match (one, other) {
        (Resource::Cloud(one), Resource::Cloud(other)) => one.is(other),
        (one, other) => one == other,
    }
}
