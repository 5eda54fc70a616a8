//! Undoing the machine phase of a build that has not come to its end, and letting its machine go.

use imgc_compiler::plan::{StepId, StepKind};
use tokio_util::sync::CancellationToken;

use super::build::Work;
use super::{State, lock};
use crate::builder::Target;
use crate::error::Class;
use crate::settings::{Answer, OnError};

impl Work<'_> {
    /// Whether the user wants everything left as it is.
    pub(super) fn abandoned(&self) -> bool {
        let data = lock(&self.data);
        let Some(failure) = &data.failure else {
            return false;
        };
        if data.left_checked {
            return true;
        }
        if failure.class == Class::Cancelled || !data.broken {
            return false;
        }
        match data.answer {
            Some(Answer::Abort | Answer::RunCleanupProvisioner) => true,
            Some(_) => false,
            None => matches!(
                self.run.settings.on_error,
                OnError::Abort | OnError::RunCleanupProvisioner
            ),
        }
    }

    /// Undoes the machine phase if it has not come to its end: error-cleanup provisioners, disconnecting, releasing.
    pub(super) async fn undo(&self) {
        let (broken, instance, answer) = {
            let mut data = lock(&self.data);
            data.cleaning = true;
            (data.broken, data.instance.clone(), data.answer)
        };
        if !broken {
            return;
        }
        self.hold().await;
        let abandoned = self.abandoned();
        let runs_cleanup = !abandoned
            || match answer {
                Some(answer) => answer == Answer::RunCleanupProvisioner,
                None => self.run.settings.on_error == OnError::RunCleanupProvisioner,
            };
        if runs_cleanup {
            self.error_cleanup().await;
        }
        if !abandoned && answer.is_none() {
            self.tell_how_to_keep();
        }
        self.disconnect().await;
        if abandoned {
            if let Some(instance) = instance {
                instance.leave().await;
                self.output
                    .warn("nothing is cleaned up: the machine is left as it is");
            }
            return;
        }
        if instance.is_some()
            && let Some(id) = self.release_step()
        {
            self.step(id).await;
        } else if instance.is_some() {
            self.release_unplanned().await;
        }
    }

    /// A machine that could have been gone on with is let go, with all that was done on it: how the next one stays is said.
    fn tell_how_to_keep(&self) {
        let settings = &self.run.settings;
        let is_kept = settings.hold.is_some() || settings.new_run.is_none();
        if is_kept || !self.lives_on() {
            return;
        }
        {
            let data = lock(&self.data);
            let failed = data.failure.as_ref().map(|failure| failure.class);
            if data.machine.is_none() || failed.is_none_or(|class| class == Class::Cancelled) {
                return;
            }
        }
        let plan = &self.run.plan;
        let is_behind = plan.step_ids().any(|id| {
            let step = plan.step(id);
            step.build == self.id && step.checkpoint && self.run.states.get(id) == State::Done
        });
        if is_behind {
            self.output.say(
                "the machine is let go, so the next run begins at the last checkpoint; with `-on-error=abort` it stays for `imgc apply \
                 -resume`, with `-on-failure=hold` for a look at it",
            );
            return;
        }
        self.output.say(
            "the machine is let go, so the next run begins anew; with `-on-error=abort` it stays for `imgc apply -resume`, with \
             `-on-failure=hold` for a look at it",
        );
    }

    async fn error_cleanup(&self) {
        let reachable = lock(&self.data).machine.is_some();
        let connected = reachable || lock(&self.data).instance.is_some() && self.needs_no_machine();
        if self.build.cleanup.is_empty() || !connected {
            return;
        }
        self.output.say("running the error-cleanup provisioner");
        for step in &self.build.cleanup {
            self.cleanup_step(step).await;
        }
    }

    fn needs_no_machine(&self) -> bool {
        let instance = lock(&self.data).instance.clone();
        match instance.map(|instance| instance.target()) {
            Some(Target::None) => true,
            Some(Target::Address(_)) => self.build.communicator == "none",
            Some(Target::Machine(_)) | None => false,
        }
    }

    /// Ends the connection; once.
    pub(super) async fn disconnect(&self) {
        let machine = lock(&self.data).machine.take();
        if let Some(machine) = machine {
            if machine.attach().is_some() {
                self.left().await;
            }
            if let Err(error) = machine.disconnect().await {
                self.output
                    .warn(format!("cannot disconnect: {}", error.chain()));
            }
        }
        lock(&self.data).place = None;
    }

    fn release_step(&self) -> Option<StepId> {
        let plan = &self.run.plan;
        plan.step_ids().find(|id| {
            let step = plan.step(*id);
            step.build == self.id && step.kind == StepKind::Release
        })
    }

    /// A plan without a release step still releases what it has launched.
    async fn release_unplanned(&self) {
        let instance = lock(&self.data).instance.take();
        if let Some(instance) = instance {
            let cx = self.context(
                &self.build.address,
                self.output.clone(),
                CancellationToken::new(),
            );
            if let Err(error) = instance.release(&cx).await {
                self.output
                    .warn(format!("cannot release: {}", error.chain()));
            }
        }
    }
}
