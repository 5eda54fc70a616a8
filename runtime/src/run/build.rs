//! One build, from its first step to its last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use futures_util::FutureExt as _;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use imgc_compiler::plan::{Build, BuildId, Step, StepId, StepKind};
use imgc_compiler::value::Value;
use smol_str::SmolStr;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::artifact::Artifact;
use crate::builder::{Instance, Known, Pin};
use crate::checkpoint::Capability;
use crate::context::{Aside, Context};
use crate::event::{Event, Output};
use crate::machine::Machine;
use crate::reuse::Foresight;
use crate::settings::Answer;
use crate::state::{ArtifactRecord, Met, Moment};
use crate::watch::Watch;

use super::check::Checked;
use super::ends::Progress;
use super::keep::{self, Post};
use super::stop::Why;
use super::{BuildOutcome, Failure, Run, State, StepOutcome, lock, undo};

/// A build at work.
pub(super) struct Work<'a> {
    pub(super) run: &'a Run,
    pub(super) id: BuildId,
    pub(super) build: &'a Build,
    pub(super) output: Output,
    pub(super) data: Mutex<Data>,
    /// Cancelled when the work on it is to stop, whatever the reason.
    pub(super) stop: CancellationToken,
    /// That reason, where it is this build's own and no request.
    pub(super) why: OnceLock<Why>,
    /// Progress of its steps.
    pub(super) watch: Watch,
    /// What of stopped steps goes on.
    pub(super) aside: Aside,
}

/// What the steps of a build leave for each other.
#[derive(Default)]
pub(super) struct Data {
    pub(super) source: Option<Value>,
    pub(super) instance: Option<Arc<dyn Instance>>,
    pub(super) machine: Option<Arc<dyn Machine>>,
    /// Whether the machine is still there when it has been released.
    pub(super) stays: bool,
    /// Its place at the machine's host.
    pub(super) place: Option<OwnedSemaphorePermit>,
    /// When the steps at work began.
    pub(super) begun: BTreeMap<StepId, Instant>,
    /// Facts of the builder's, kept when the machine has been released: post-processors ask for them.
    pub(super) instance_facts: BTreeMap<String, String>,
    /// Facts of the machine, kept when the connection has ended.
    pub(super) machine_facts: BTreeMap<String, String>,
    pub(super) artifact: Option<Artifact>,
    /// The machine that was started from the artifact, while that is checked.
    pub(super) checked: Option<Checked>,
    /// Such a machine is left as it is.
    pub(super) left_checked: bool,
    /// What the builder can go back to.
    pub(super) capability: Capability,
    /// What has been done before, and the fingerprints.
    pub(super) foresight: Option<Arc<Foresight>>,
    /// The machine that was met.
    pub(super) met: Option<Met>,
    /// Somebody has had a shell on the machine.
    pub(super) entered: bool,
    /// Provisioners whose work the restored machine has, with the run that did it.
    pub(super) restored: BTreeMap<StepId, String>,
    /// What is remembered of the artifacts this run has made, by step.
    pub(super) records: BTreeMap<StepId, ArtifactRecord>,
    /// Steps that will not run.
    pub(super) skipped: Vec<StepId>,
    /// When steps began, for people.
    pub(super) since: BTreeMap<StepId, Moment>,
    /// What the builder pins.
    pub(super) pins: Vec<Pin>,
    /// What the machine was made from besides.
    pub(super) lineage: Vec<(String, String)>,
    /// What is known of the outside, where a second look has changed that.
    pub(super) known: Option<Arc<Known>>,
    /// What publishing has added to the artifact, by the names of the steps.
    pub(super) published: BTreeMap<SmolStr, Artifact>,
    /// By chain and position.
    pub(super) posts: BTreeMap<(u32, u32), Post>,
    pub(super) failure: Option<Failure>,
    pub(super) answer: Option<Answer>,
    /// The machine phase has not come to its end: undo it.
    pub(super) broken: bool,
    /// Cleaning up: a request to stop is already being answered.
    pub(super) cleaning: bool,
}

/// Runs a build to its end, cleaning up included.
pub(super) async fn run(run: &Run, id: BuildId) -> BuildOutcome {
    let started = Instant::now();
    let build = run.plan.build(id);
    let watch = Watch::new();
    let work = Work {
        run,
        id,
        build,
        stop: run.halt.child_token(),
        why: OnceLock::new(),
        output: Output::new(
            watch.listen(run.sink.clone()),
            run.redact.clone(),
            Some(id),
            build.name.as_str(),
        ),
        data: Mutex::default(),
        watch,
        aside: Aside::default(),
    };
    let up_to_date = tokio::select! {
        biased;
        up_to_date = async {
            work.foresee().await;
            let up_to_date = work.is_up_to_date();
            work.clear_the_way().await;
            work.steps().await;
            up_to_date
        } => up_to_date,
        () = work.expire(started) => false,
        () = work.keep_machine_up() => false,
    };
    work.undo().await;
    work.aside.ended().await;
    work.record_skipped().await;
    let whole = lock(&work.data).whole();
    let artifacts = work.artifacts().await;
    work.settle(&artifacts, whole.as_ref()).await;
    let abandoned = work.abandoned();
    if !abandoned {
        work.forget_living().await;
        if !lock(&work.data).stays {
            undo::gone_with_machine(run, &build.address);
        }
        let kept: Vec<&Artifact> = artifacts.iter().collect();
        undo::sweep(run, &work.output, &build.address, &kept).await;
        work.forget_files_of_the_old().await;
    }
    // Whoever reads which images there are is to find those that can be used.
    let artifacts = match work.is_unchecked() {
        true => {
            for artifact in &artifacts {
                work.output.warn(format!(
                    "{} has not passed its checks: it is published by nobody, and expires unless it passes them (`imgc apply -resume`)",
                    artifact.id
                ));
            }
            Vec::new()
        }
        false => artifacts,
    };
    let failure = lock(&work.data).failure.take();
    let cancelled = failure
        .as_ref()
        .is_some_and(|failure| failure.class == crate::Class::Cancelled);
    let outcome = BuildOutcome {
        id,
        name: build.name.clone(),
        address: build.address.clone(),
        artifacts,
        error: failure,
        cancelled,
        up_to_date,
        took: started.elapsed(),
    };
    run.build_finished(&outcome);
    let class = outcome.error.as_ref().map(|failure| failure.class);
    run.build_ended(id, &outcome.artifacts, class);
    outcome
}

impl<'a> Work<'a> {
    /// Runs the build's steps as the graph allows.
    async fn steps(&self) {
        let plan = &self.run.plan;
        let mut pending: Vec<StepId> = plan
            .step_ids()
            .filter(|step| plan.step(*step).build == self.id)
            .collect();
        let mut running: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        loop {
            // Registered before looking, so that no change is missed.
            let changed = self.run.states.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            pending.retain(|step| match self.readiness(*step) {
                Readiness::Wait => true,
                Readiness::Skip(reason) => {
                    self.skip(*step, &reason);
                    false
                }
                Readiness::Lost(other, class) => {
                    self.lost(*step, other, class);
                    false
                }
                Readiness::Start => {
                    running.push(match self.reused_from(*step) {
                        Some(by) => self.reuse(*step, by).boxed(),
                        None => self.step(*step).boxed(),
                    });
                    false
                }
            });
            if running.is_empty() && pending.is_empty() {
                return;
            }
            tokio::select! {
                Some(()) = running.next() => {}
                () = &mut changed => {}
                () = self.stop.cancelled(), if running.is_empty() => {}
            }
        }
    }

    fn readiness(&self, id: StepId) -> Readiness {
        let step = self.run.plan.step(id);
        let mut waiting = false;
        for need in &step.needs {
            let other = self.run.plan.step(need.step).build;
            if other != self.id {
                match self.run.ends.of(other) {
                    Progress::Ended(None) => {}
                    Progress::Waiting | Progress::Begun => waiting = true,
                    Progress::Ended(Some(class)) => return Readiness::Lost(other, class),
                }
                continue;
            }
            match self.run.states.get(need.step) {
                State::Done => {}
                State::Waiting => waiting = true,
                State::Dead => {
                    let address = &self.run.plan.step(need.step).address;
                    return Readiness::Skip(format!("`{address}` has not been done"));
                }
            }
        }
        if self.stop.is_cancelled() && step.kind != StepKind::Release {
            return Readiness::Skip(self.stopped().message);
        }
        if waiting {
            Readiness::Wait
        } else {
            Readiness::Start
        }
    }

    /// A step whose build needs another one that failed.
    fn lost(&self, id: StepId, other: BuildId, class: crate::Class) {
        let address = &self.run.plan.build(other).address;
        let step = self.run.plan.step(id);
        if !self.stop.is_cancelled() {
            let error = super::ends::needed(address, class);
            self.fail(Failure::of(&error, &step.address, &*self.run.redact));
        }
        self.skip(id, &format!("needs `{address}`, which failed"));
    }

    fn skip(&self, id: StepId, reason: &str) {
        let step = self.run.plan.step(id);
        lock(&self.data).skipped.push(id);
        self.run.states.set(id, State::Dead);
        if self.stop.is_cancelled() {
            self.fail(Failure::of(
                &self.stopped(),
                &step.address,
                &*self.run.redact,
            ));
        }
        match step.kind {
            StepKind::PostProcess { .. } => self.no_post(step),
            // The machine has nothing to do with it any more.
            StepKind::Check | StepKind::Publish { .. } => {}
            // Undoing releases what was launched, and says so then.
            StepKind::Release => {
                let mut data = lock(&self.data);
                data.broken = true;
                if data.instance.is_some() {
                    return;
                }
            }
            _ => lock(&self.data).broken = true,
        }
        self.run
            .time(id, std::time::Duration::ZERO, StepOutcome::Skipped);
        self.run.emit(Event::StepSkipped {
            step: id,
            address: step.address.clone(),
            reason: reason.to_owned(),
        });
    }

    /// Remembers the first failure.
    pub(super) fn fail(&self, failure: Failure) {
        let cancelled = failure.class == crate::Class::Cancelled;
        lock(&self.data).failure.get_or_insert(failure);
        if !cancelled {
            self.run.one_failed(&self.build.address);
        }
    }

    /// The artifacts that stay; the others are removed here.
    async fn artifacts(&self) -> Vec<Artifact> {
        let (built, published, posts) = {
            let mut data = lock(&self.data);
            (
                data.artifact.take(),
                std::mem::take(&mut data.published),
                std::mem::take(&mut data.posts),
            )
        };
        let Some(built) = built else {
            return Vec::new();
        };
        let whole = built.with(published.values());
        let (kept, going) = keep::decide(whole.clone(), posts.into_values().collect());
        let mut dropped = going.clone();
        if going.contains(&whole) {
            dropped.push(built);
            dropped.extend(published.into_values());
        }
        self.dropped(&dropped).await;
        for artifact in going {
            self.remove_things(&artifact, &kept).await;
            let kept = kept.clone();
            let removed = crate::files::blocking(move || {
                artifact
                    .destroy(&kept.iter().collect::<Vec<_>>())
                    .map_err(|error| {
                        crate::Error::new(
                            crate::Class::Environment,
                            "run/artifact",
                            "cannot remove an artifact that is not kept",
                        )
                        .because(error)
                    })
            })
            .await;
            if let Err(error) = removed {
                self.output.warn(error.chain());
            }
        }
        kept
    }

    /// Removes what of an artifact is at a provider, where nothing that is kept consists of it.
    async fn remove_things(&self, artifact: &Artifact, kept: &[Artifact]) {
        for thing in &artifact.things {
            let resource = crate::ledger::Resource::Cloud(thing.clone());
            if kept.iter().any(|kept| kept.owns(&resource)) {
                continue;
            }
            let removers = &self.run.settings.removers;
            if let Err(error) = crate::remove::remove(removers, &resource).await {
                self.output.warn(format!(
                    "cannot remove the {}: {}",
                    thing.describe(),
                    error.chain()
                ));
            }
        }
    }

    pub(super) fn post_of(&self, step: &Step, artifact: Option<Artifact>, keep: bool) -> Post {
        let (chain, position, name) = match &step.kind {
            StepKind::PostProcess {
                chain,
                position,
                post_processor,
                ..
            } => (*chain, *position, post_processor.as_str()),
            _ => (0, 0, ""),
        };
        let post_processor = self.run.registry.post_processors.get(name);
        Post {
            chain,
            position,
            artifact,
            keep_input: keep,
            lists_again: post_processor.is_none_or(|known| known.lists_again()),
        }
    }

    /// A post-processor that has made nothing.
    pub(super) fn no_post(&self, step: &Step) {
        let post = self.post_of(step, None, true);
        lock(&self.data)
            .posts
            .insert((post.chain, post.position), post);
    }

    /// The surroundings of a component of this build.
    pub(super) fn context(
        &self,
        address: &str,
        output: Output,
        cancel: CancellationToken,
    ) -> Context {
        let (instance, machine) = {
            let data = lock(&self.data);
            (data.instance.clone(), data.machine.clone())
        };
        let instance_facts = match instance {
            Some(instance) => {
                let facts = instance.facts();
                lock(&self.data).instance_facts.clone_from(&facts);
                facts
            }
            None => lock(&self.data).instance_facts.clone(),
        };
        let machine_facts = match machine {
            Some(machine) => machine.facts(),
            None => lock(&self.data).machine_facts.clone(),
        };
        self.context_with(address, output, cancel, (instance_facts, machine_facts))
    }

    /// The same with what is known of a machine: by the builder, and by the way to it.
    pub(super) fn context_with(
        &self,
        address: &str,
        output: Output,
        cancel: CancellationToken,
        (instance_facts, machine_facts): (BTreeMap<String, String>, BTreeMap<String, String>),
    ) -> Context {
        let run = self.run;
        let source = lock(&self.data).source.clone();
        let build = super::facts::object(
            self.build,
            &run.run_id,
            source.as_ref(),
            instance_facts,
            machine_facts,
        );
        for value in build.values() {
            for secret in crate::options::secrets(value) {
                output.add_secret(&secret);
            }
        }
        Context {
            output,
            ledger: run.ledger.clone(),
            cancel,
            address: address.into(),
            source_name: self.build.instance_name().into(),
            builder_type: self.build.builder.as_str().into(),
            run_id: run.run_id.clone(),
            expires: run.expiry.clone(),
            limit: self
                .build
                .timeout
                .into_iter()
                .chain(run.settings.timeout)
                .min(),
            root: run.plan.root.clone(),
            fingerprint: None,
            checkpoints: None,
            cache: run.settings.cache.clone(),
            scratch: run.scratch.clone(),
            force: run.settings.force,
            replaces: run.settings.reuse.ours.contains(&self.build.address),
            debug: run.settings.debug,
            build: Arc::new(build),
            variables: run.variables.clone(),
            world: run.world.clone(),
            watch: self.watch.clone(),
            commit: crate::context::Commit::default(),
            aside: self.aside.clone(),
            is_checked: !self.build.checks.is_empty(),
            before: None,
        }
    }
}

enum Readiness {
    Wait,
    Start,
    Skip(String),
    /// It needs a build that failed.
    Lost(BuildId, crate::Class),
}
