//! Publishing: what builders do with an artifact that is made, each thing a step of its own.
//!
//! A step that fails takes nothing from the others, from the artifact or from the machine's end; post-processors, which work on
//! the whole, do not run then.

use std::sync::Arc;

use imgc_compiler::components::Publish;
use imgc_compiler::plan::{Step, StepKind};
use imgc_compiler::value::Value;
use smol_str::SmolStr;

use super::build::{Data, Work};
use super::lock;
use super::step::Trouble;
use crate::artifact::Artifact;
use crate::builder::Builder;
use crate::context::Context;
use crate::error::{Class, Error, Result};
use crate::ledger::Resource;
use crate::reuse::PUBLISHED;

impl Data {
    /// The builder's artifact with all that publishing has added.
    pub(super) fn whole(&self) -> Option<Artifact> {
        let built = self.artifact.as_ref()?;
        Some(built.with(self.published.values()))
    }
}

impl Work<'_> {
    /// Does a step that publishes; `open`: everything there is to publish.
    pub(super) async fn publish(
        &self,
        cx: &Context,
        step: &Step,
        name: &SmolStr,
        open: bool,
    ) -> Result<(), Trouble> {
        let source = self.source(cx)?;
        let builder = self.builder()?;
        let input = self.published_from(step).ok_or_else(|| {
            Error::new(
                Class::Bug,
                "run/artifact",
                "there is no artifact to publish",
            )
        })?;
        let cx = &Context {
            before: self.done_before(step, &input).await?,
            ..cx.clone()
        };
        let added = match open {
            true => all(&*builder, cx, &source, &input).await?,
            false => builder.publish(cx, &source, name, &input).await?,
        };
        let goes = added.replaces.clone();
        lock(&self.data).published.insert(name.clone(), added);
        match goes {
            Some(goes) => self.let_go(cx, &goes).await,
            None => Ok(()),
        }
    }

    /// What the newest earlier run that has done a step to this very artifact has added. Of an artifact that this run has made
    /// nobody has to look.
    async fn done_before(&self, step: &Step, input: &Artifact) -> Result<Option<Arc<Artifact>>> {
        let capture = self.step_of(&StepKind::Capture);
        let is_new = capture.is_none_or(|capture| {
            let data = lock(&self.data);
            let built = data.records.get(&capture);
            built.is_none_or(|built| built.run == *self.run.run_id)
        });
        if is_new {
            return Ok(None);
        }
        let records = self.run.settings.state.images().await?;
        let input = self.masked(input).id;
        let before = records.into_iter().find(|record| {
            let mut lineage = record.lineage.iter();
            record.step == step.address
                && lineage.any(|(name, id)| name == PUBLISHED && *id == input)
        });
        Ok(before.map(|record| Arc::new(record.artifact)))
    }

    /// Removes the part of the builder's artifact that was only a step on the way. Where this does not come to its end, what is
    /// left is in the ledger, and belongs to no artifact that is kept.
    async fn let_go(&self, cx: &Context, goes: &Artifact) -> Result<(), Trouble> {
        let mut records = Vec::new();
        // What is recorded last is removed first, here and by whoever cleans up: the first of an artifact's things uses the others.
        for thing in goes.things.iter().rev() {
            let resource = Resource::Cloud(thing.clone());
            let there = std::future::ready(Ok(()));
            let made = cx.ledger.create(&cx.address, resource.clone(), there);
            records.push((made.await?.0, resource));
        }
        self.drop_built().await?;
        for (record, resource) in records.into_iter().rev() {
            cx.output.say(format!(
                "removing the {}: only a step on the way",
                resource.describe()
            ));
            crate::remove::remove(&self.run.settings.removers, &resource).await?;
            cx.ledger.forget(record);
        }
        Ok(())
    }

    /// What a publishing step works on: the builder's artifact, and what the steps that it needs have added.
    pub(super) fn published_from(&self, step: &Step) -> Option<Artifact> {
        let data = lock(&self.data);
        let needed = step.needs.iter().filter_map(|need| {
            let StepKind::Publish { name, .. } = &self.run.plan.step(need.step).kind else {
                return None;
            };
            data.published.get(name)
        });
        Some(data.artifact.as_ref()?.with(needed))
    }
}

/// Everything that is to be published, one after the other, each with what came before it. A failure does not keep the others
/// from being done.
async fn all(
    builder: &dyn Builder,
    cx: &Context,
    source: &Value,
    artifact: &Artifact,
) -> Result<Artifact> {
    let mut done: Vec<(SmolStr, Artifact)> = Vec::new();
    let mut failure = None;
    // Marks decide what may be shown, not what is done.
    for publish in builder.publishes(&source.strip_marks()) {
        let Publish { name, needs, .. } = publish;
        let has = |need: &SmolStr| done.iter().any(|(name, _)| name == need);
        if !needs.iter().all(has) {
            continue;
        }
        let input = artifact.with(done.iter().map(|(_, added)| added));
        match builder.publish(cx, source, &name, &input).await {
            Ok(added) => done.push((name, added)),
            Err(error) if error.class == Class::Cancelled => return Err(error),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match failure {
        Some(error) => Err(error),
        None => Ok(joined(done)),
    }
}

/// All additions as one.
fn joined(done: Vec<(SmolStr, Artifact)>) -> Artifact {
    let mut joined = Artifact::default();
    for (_, added) in done {
        let ids = [joined.id.as_str(), added.id.as_str()];
        let ids = ids.into_iter().filter(|id| !id.is_empty());
        joined.id = ids.collect::<Vec<_>>().join(",");
        joined.description.push_str(&added.description);
        joined.files.extend(added.files);
        joined.metadata.extend(added.metadata);
        joined.things.extend(added.things);
        joined.replaces = joined.replaces.or(added.replaces);
    }
    joined
}
