//! Whether a build can be gone on with: from a layer after one of its steps, or on the machine itself.

use imgc_compiler::plan::{StepId, StepKind};

use super::{Foresight, Living, Looking, Verdict, Why, changes, is_done, resume, since};
use crate::checkpoint::Capability;
use crate::error::Result;

impl Looking<'_> {
    /// Looks for a machine to go on with.
    pub(super) async fn machine(&self, foresight: &mut Foresight) -> Result<()> {
        match self.capability {
            Capability::None => Ok(()),
            Capability::Layer => self.layers(foresight).await,
            Capability::Machine => self.lived(foresight).await,
            Capability::Living => self.living(foresight).await,
            Capability::Image => {
                let before = foresight.why.len();
                self.living(foresight).await?;
                self.layers(foresight).await?;
                if foresight.living.is_none() && !foresight.checkpoints.is_empty() {
                    // That there is no machine any more is no reason for anything.
                    foresight.why.truncate(before);
                }
                Ok(())
            }
        }
    }

    /// The steps that act on the machine, in order, up to the first that may not be reused.
    async fn acts(&self, foresight: &Foresight) -> Result<Vec<(StepId, String)>> {
        let mut acts = Vec::new();
        for (id, step) in self.steps() {
            if !matches!(step.kind, StepKind::Launch | StepKind::Provision { .. }) {
                continue;
            }
            match foresight.chain.get(id) {
                Some(own) if self.counts(id, own) && self.fallen(id, own).await?.is_none() => {
                    acts.push((id, own.digest.clone()));
                }
                _ => break,
            }
        }
        Ok(acts)
    }

    async fn layers(&self, foresight: &mut Foresight) -> Result<()> {
        let builder = self.plan.build(self.build).builder.as_str();
        let now = crate::run::now();
        for (step, fingerprint) in self.acts(foresight).await?.into_iter().rev() {
            let found = self.state.find_checkpoint(&fingerprint).await?;
            let Some(found) = found.filter(|found| {
                found.builder == builder
                    && found.checkpoint.capability == self.capability
                    && found.checkpoint.is_valid(now)
            }) else {
                continue;
            };
            if (self.stands)(&found.checkpoint) {
                foresight.checkpoints.push((step, found));
            } else if foresight.checkpoints.is_empty() {
                let address = &self.plan.step(step).address;
                let text = "what was kept of it is gone, or was copied or changed since";
                foresight.why.push(changes::why(address, text));
            }
        }
        if let Some((step, found)) = foresight.checkpoints.first()
            && foresight.living.is_none()
        {
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
        let build = &self.plan.build(self.build).address;
        let mut done = resume::done(&**self.state, run, build, None).await?;
        let met = since::met(&**self.state, build, &done).await?;
        let overtaken = since::overtaken(&**self.state, build, met.as_ref(), &mut done).await?;
        foresight.why.extend(overtaken);
        for (step, fingerprint) in self.acts(foresight).await? {
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
            foresight.met.clone_from(&met);
        }
        Ok(())
    }

    /// With `--resume`: the machine that the resumed run has left, and the steps it has done on it. Whether it is still there
    /// is seen when it is needed.
    async fn living(&self, foresight: &mut Foresight) -> Result<()> {
        let Some(run) = &self.reuse.resume else {
            return Ok(());
        };
        let mut acts = self.acts(foresight).await?.into_iter();
        let Some((launch, fingerprint)) = acts
            .next()
            .filter(|(step, _)| self.plan.step(*step).kind == StepKind::Launch)
        else {
            return Ok(());
        };
        let build = self.plan.build(self.build);
        let line = resume::line(&**self.state, run).await?;
        let found = self.state.find_checkpoint(&fingerprint).await?;
        let Some(record) = found.filter(|found| {
            found.builder == build.builder.as_str()
                && found.build == build.address
                && line.contains(&found.run)
        }) else {
            let let_go = self.let_go(&line, &fingerprint).await?;
            foresight.why.extend(let_go);
            return Ok(());
        };
        // The run that has made the machine, or has taken it over, has said then what had been done to it.
        let since = Some(record.run.as_str());
        let known = resume::done(&**self.state, run, &build.address, since).await?;
        let mut done = Vec::new();
        for (step, fingerprint) in acts {
            match known.steps.get(&self.plan.step(step).address) {
                Some((same, by)) if *same == fingerprint => done.push((step, by.clone())),
                _ => break,
            }
        }
        foresight.verdict = Verdict::From {
            step: done.last().map_or(launch, |(step, _)| *step),
            run: record.run.clone(),
        };
        foresight.entered = known.entered;
        foresight.living = Some(Living {
            launch,
            record,
            done,
        });
        Ok(())
    }
    /// Why there is no machine of the resumed run, or of one that it went on with: it was made as it would be made now, and
    /// has been let go.
    async fn let_go(&self, line: &[String], launch: &str) -> Result<Option<Why>> {
        let build = &self.plan.build(self.build).address;
        for run in line {
            let steps = self.state.steps(run).await?;
            let was_made = steps.iter().any(|step| {
                step.build == *build
                    && step.kind == "launch"
                    && is_done(step.status)
                    && step.fingerprint.as_deref() == Some(launch)
            });
            if was_made {
                let text = format!(
                    "the machine of run {} was let go, so every step runs again on a new one; a failed run leaves its machine \
                     for `-resume` with `-on-error=abort`",
                    resume::short(run)
                );
                return Ok(Some(Why {
                    lost: true,
                    ..changes::why(build, &text)
                }));
            }
        }
        Ok(None)
    }
}
