//! Checking what was made: on a machine of its own that is started from it, before anybody else can have it.
//!
//! In: the builder's artifact, and the provisioners of the template with `on = "image"`. Out: it passes, or the build fails and what was
//! made stays as it is: recorded, unpublished, marked as something that expires. The machine goes in either case, unless the user
//! wants to look at it (`-on-error=abort`).

use std::collections::BTreeMap;
use std::sync::Arc;

use imgc_compiler::plan::{Step, StepKind};
use tokio_util::sync::CancellationToken;

use super::build::Work;
use super::execute::Reached;
use super::record::now;
use super::step::{Trouble, timed_out};
use super::undo;
use super::{State, lock};
use crate::artifact::Artifact;
use crate::builder::Instance;
use crate::context::Context;
use crate::error::{Class, Error, Result};
use crate::machine::Machine;
use crate::reuse::{CHECKED_BY, Foresight, PUBLISHED, is_unchecked, mark_unchecked};
use crate::settings::OnError;
use crate::state::ArtifactRecord;

/// A machine that was started from what was made.
pub(super) struct Checked {
    instance: Arc<dyn Instance>,
    reached: Option<Reached>,
}

impl Work<'_> {
    /// Checks the artifact.
    pub(super) async fn check(&self, cx: &Context, step: &Step) -> Result<(), Trouble> {
        let source = self.source(cx)?;
        let builder = self.builder()?;
        let artifact = self.published_from(step).ok_or_else(|| {
            Error::new(Class::Bug, "run/artifact", "there is no artifact to check")
        })?;
        if self.lives_on() {
            // What a check that did not come to its end has left.
            self.inherit(&step.address).await?;
        }
        cx.output
            .say("starting a machine from what was made, to check it");
        let instance = {
            let _permit = self.launch_turn(cx).await;
            builder.boot(cx, &source, &artifact).await?
        };
        let Some(instance) = instance else {
            cx.output
                .warn("nothing was made, so there is nothing to check");
            return Ok(());
        };
        lock(&self.data).checked = Some(Checked {
            instance: instance.clone(),
            reached: None,
        });
        let reached = self.reach(cx, &*instance).await?;
        let machine = reached.as_ref().map(|reached| reached.machine.clone());
        if let Some(checked) = &mut lock(&self.data).checked {
            checked.reached = reached;
        }
        let facts = self.facts_of(&*instance, machine.as_deref());
        for inside in &self.build.checks {
            self.check_with(cx, inside, machine.as_deref(), &facts)
                .await?;
        }
        builder.passed(cx, &source, &artifact).await?;
        cx.output.say("what was made has passed its checks");
        self.let_checked_go(cx).await;
        undo::sweep_attempt(self.run, &cx.output, &step.address).await;
        Ok(())
    }

    /// What an earlier run has made to be checked, and has not passed, is something temporary. Where the template has no checks any
    /// more it is to be kept as it is.
    pub(super) async fn keep_unchecked(&self, foresight: &Foresight) {
        let Some(built) = foresight.built.as_ref() else {
            return;
        };
        let mut lineage = built.lineage.iter();
        let check = lineage.find(|(name, _)| name == CHECKED_BY);
        let Some((_, check)) = check.filter(|_| self.build.checks.is_empty() && built.kept) else {
            return;
        };
        let kept = async {
            let mut all = self.run.settings.state.images().await?;
            mark_unchecked(&mut all);
            let mut own = all.iter().filter(|record| record.id == built.id);
            if own.all(|record| !is_unchecked(record)) {
                return Ok::<(), Error>(());
            }
            let cx = self.context(check, self.output.clone(), CancellationToken::new());
            let source = self.source(&cx).map_err(|trouble| *trouble.error)?;
            self.output
                .say("what was made has not passed its checks, and the template has none any more: it is kept");
            self.builder()?
                .passed(&cx, &source, &built.artifact)
                .await?;
            if self.run.settings.new_run.is_some() {
                let record = ArtifactRecord {
                    id: 0,
                    run: self.run.run_id.to_string(),
                    step: check.clone(),
                    fingerprint: None,
                    made: now(),
                    artifact: Artifact::default(),
                    lineage: vec![(PUBLISHED.to_owned(), built.artifact.id.clone())],
                    ..built.clone()
                };
                self.run.settings.state.artifact(&record).await?;
            }
            Ok(())
        };
        if let Err(error) = kept.await {
            self.output.warn(format!(
                "what was made is still marked as something that expires: {}",
                error.chain()
            ));
        }
    }

    /// The latest verdict counts: what an earlier run has found well is not so any more. Where this cannot be recorded, that is only
    /// worth a warning.
    pub(super) async fn has_not_passed(&self, step: &Step) {
        if self.run.settings.new_run.is_none() {
            return;
        }
        let Some(input) = self.published_from(step) else {
            return;
        };
        let id = self.masked(&input).id;
        let state = &self.run.settings.state;
        let forgotten = async {
            for record in state.images().await? {
                let mut lineage = record.lineage.iter();
                let is_of_it = lineage.any(|(name, known)| name == PUBLISHED && *known == id);
                if record.step == step.address && is_of_it {
                    state.drop_artifact(record.id).await?;
                }
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = forgotten.await {
            self.output.warn(error.chain());
        }
    }

    /// Whether what was made has to pass its checks yet.
    pub(super) fn is_unchecked(&self) -> bool {
        let check = self.step_of(&StepKind::Check);
        check.is_some_and(|check| self.run.states.get(check) != State::Done)
    }

    /// What is known of the build, but for the machine: that is the one at hand.
    fn facts_of(&self, instance: &dyn Instance, machine: Option<&dyn Machine>) -> Facts {
        let mut of_instance = lock(&self.data).instance_facts.clone();
        let own = instance.facts();
        match of_instance.is_empty() {
            true => of_instance = own,
            // Where it comes from is what the template calls its source.
            false => of_instance.extend(own.into_iter().filter(|(name, _)| name == "ID")),
        }
        let of_machine = machine.map(Machine::facts).unwrap_or_default();
        (of_instance, of_machine)
    }

    /// One provisioner, as often as it may be tried.
    async fn check_with(
        &self,
        cx: &Context,
        inside: &Step,
        machine: Option<&dyn Machine>,
        facts: &Facts,
    ) -> Result<(), Trouble> {
        let StepKind::Provision { provisioner, .. } = &inside.kind else {
            return Ok(());
        };
        self.pause_before(inside).await;
        let own = Context {
            watch: cx.watch.clone(),
            commit: cx.commit.clone(),
            ..self.context_with(
                &inside.address,
                cx.output.clone(),
                cx.cancel.clone(),
                facts.clone(),
            )
        };
        let mut attempt = 1;
        loop {
            let work = self.act(&own, (&inside.options, provisioner), machine);
            let ended = match inside.limits.timeout {
                None => work.await,
                Some(limit) => match tokio::time::timeout(limit, work).await {
                    Ok(ended) => ended,
                    Err(_) => Err(timed_out(limit, &cx.watch).into()),
                },
            };
            let Err(mut trouble) = ended else {
                return Ok(());
            };
            self.aside.ended().await;
            undo::sweep_attempt(self.run, &cx.output, &inside.address).await;
            if trouble.error.class == Class::Cancelled {
                return Err(trouble);
            }
            if let Some(wait) = self.wait_before_retry(inside, attempt, &trouble.error) {
                self.say_again(inside, attempt, &trouble.error, wait);
                self.sleep(wait).await?;
                attempt += 1;
                continue;
            }
            if inside.limits.continue_on_error {
                cx.output.warn(format!(
                    "going on although this failed: {}: {}",
                    inside.address,
                    trouble.error.chain()
                ));
                return Ok(());
            }
            trouble.error.message = format!("{}: {}", inside.address, trouble.error.message);
            return Err(trouble);
        }
    }

    /// An attempt at a step has failed: the machine that was started for it goes, unless the user wants it left. Whether it is
    /// left.
    pub(super) async fn end_check(&self, step: &Step, error: &Error) -> bool {
        if step.kind != StepKind::Check || lock(&self.data).checked.is_none() {
            return false;
        }
        let wants = matches!(
            self.run.settings.on_error,
            OnError::Abort | OnError::RunCleanupProvisioner
        );
        let cx = self.context(&step.address, self.output.clone(), CancellationToken::new());
        if !wants || error.class == Class::Cancelled {
            self.let_checked_go(&cx).await;
            return false;
        }
        let checked = {
            let mut data = lock(&self.data);
            data.left_checked = true;
            data.checked.take()
        };
        if let Some(Checked { instance, reached }) = checked {
            part(&cx, reached).await;
            instance.leave().await;
            let id = instance.facts().remove("ID");
            let id = id.map(|id| format!(" {id}")).unwrap_or_default();
            cx.output.warn(format!(
                "nothing is cleaned up: the machine{id} that was checked is left as it is; `imgc gc` removes it"
            ));
        }
        true
    }

    /// Lets the machine go that was started for the check.
    async fn let_checked_go(&self, cx: &Context) {
        let checked = lock(&self.data).checked.take();
        let Some(Checked { instance, reached }) = checked else {
            return;
        };
        part(cx, reached).await;
        if let Err(error) = instance.release(cx).await {
            cx.output.warn(format!("cannot release: {}", error.chain()));
        }
    }
}

/// Of the builder's and of the machine's.
type Facts = (BTreeMap<String, String>, BTreeMap<String, String>);

async fn part(cx: &Context, reached: Option<Reached>) {
    if let Some(reached) = reached
        && let Err(error) = reached.machine.disconnect().await
    {
        cx.output
            .warn(format!("cannot disconnect: {}", error.chain()));
    }
}
