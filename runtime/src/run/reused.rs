//! What of a build need not run: looking, when its turn comes, and going on from what is there.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use imgc_compiler::components::ComponentKind;
use imgc_compiler::plan::inputs::Read;
use imgc_compiler::plan::{StepId, StepKind};
use imgc_compiler::source::World;
use tokio_util::sync::CancellationToken;

use crate::artifact::Artifact;
use crate::builder::{FACT, PACKAGES, Pin};
use crate::checkpoint::Capability;
use crate::error::Result;
use crate::event::Event;
use crate::fingerprint::{Basis, Chain, chain, home};
use crate::ledger::CloudResource;
use crate::reuse::{Foresight, Looking, Verdict, foresee, unknown_pin};
use crate::state::{ChangeRecord, Content, GONE, StepStatus};
use crate::template;

use super::build::Work;
use super::record::now;
use super::{Run, State, StepOutcome, lock};

impl Work<'_> {
    /// Looks at what has been done before; nothing where neither is anything reused nor recorded.
    pub(super) async fn foresee(&self) {
        let settings = &self.run.settings;
        if !settings.reuse.on && settings.new_run.is_none() {
            return;
        }
        let looked = tokio::select! {
            biased;
            () = self.stop.cancelled() => return,
            looked = self.look() => looked,
        };
        match looked {
            Ok(foresight) => {
                self.take(foresight).await;
                self.read_meanwhile();
            }
            Err(error) => self.output.warn(format!(
                "cannot look at what earlier runs have done, so everything runs: {}",
                error.chain()
            )),
        }
    }

    async fn look(&self) -> Result<Foresight> {
        // What artifacts are decides what has to be done with them, so those that make them come first.
        if self.run.settings.reuse.on {
            self.used_have_ended().await;
        }
        let (chain, capability) = self.chain().await?;
        let output = self.output.clone();
        let cx = self.context(&self.build.address, output, CancellationToken::new());
        let builder = self.builder()?;
        let looking = Looking {
            state: &self.run.settings.state,
            reuse: &self.run.settings.reuse,
            plan: &self.run.plan,
            build: self.id,
            capability,
            stands: &|checkpoint| builder.stands(&cx, checkpoint),
            removers: &self.run.settings.removers,
            home: home(&self.run.plan, &*self.run.settings.state, &*self.run.world),
        };
        foresee(&looking, chain).await
    }

    /// The fingerprints of the build's steps as far as they are known now, and what the builder can go back to.
    pub(super) async fn chain(&self) -> Result<(Chain, Capability)> {
        let run = self.run;
        let output = self.output.clone();
        let cx = self.context(&self.build.address, output, CancellationToken::new());
        let builder = self.builder()?;
        let mut capability = Capability::None;
        let mut pins: Vec<Pin> = Vec::new();
        let known = lock(&self.data).known.clone();
        let known = known.unwrap_or_else(|| Arc::new(run.settings.known.clone()));
        // What waits for artifacts waits with its source.
        let late = template::late(ComponentKind::Builder, &self.build.builder);
        if let Ok(source) = self.options(&cx, &self.build.source, late) {
            capability = builder.capability(&source);
            // As long as this run has done nothing, what was seen before it began is what is there, but for what other builds
            // make.
            let seen = known.seen.get(&self.build.address);
            let known = known.of(self.build);
            let seen = seen.filter(|_| known.late.is_empty());
            pins = match seen.filter(|_| run.ground.get().is_none()) {
                Some(seen) => seen.clone(),
                None => {
                    let found = builder.pins(&cx, &source, &known).await;
                    found.unwrap_or_else(|error| vec![unknown_pin(&error.chain(), &run.run_id)])
                }
            };
        }
        {
            let mut data = lock(&self.data);
            data.pins.clone_from(&pins);
            data.capability = capability;
        }
        // Where nothing is reused a fingerprint is needed only when its step is recorded as done, or makes a checkpoint.
        let later = !run.settings.reuse.on && capability != Capability::Layer;
        let (artifacts, identities) = (run.ends.artifacts(), run.ends.identities());
        let (plan, world, redact) = (run.plan.clone(), run.world.clone(), run.redact.clone());
        let (salt, origin) = (run.settings.state.salt(), run.origin.clone());
        let (id, run_id, variables) = (self.id, run.run_id.clone(), run.variables.clone());
        let home = home(&plan, &*run.settings.state, &*world);
        let read = run.read.clone();
        let chain = crate::files::blocking(move || {
            let basis = Basis {
                plan: &plan,
                build: id,
                world: &world,
                salt,
                run: &run_id,
                origin: &origin,
                pins: &pins,
                capture_options: builder.capture_options(),
                publish_options: builder.publish_options(),
                artifacts: &artifacts,
                identities: &identities,
                variables: &variables,
                redact: &*redact,
                later,
                home,
                layers: capability == Capability::Layer,
            };
            Ok(chain(&basis, &mut lock(&read)))
        })
        .await?;
        Ok((chain, capability))
    }

    /// Fingerprints that waited for artifacts are known when their step runs.
    pub(super) async fn know_chain(&self) -> Result<()> {
        let Some(known) = self.foresight().filter(|known| known.chain.waits()) else {
            return Ok(());
        };
        self.chain_again(&known).await
    }

    /// Makes the fingerprints anew, now that more is known.
    pub(super) async fn chain_again(&self, known: &Foresight) -> Result<()> {
        let (chain, _) = self.chain().await?;
        let foresight = Foresight {
            chain,
            ..known.clone()
        };
        lock(&self.data).foresight = Some(Arc::new(foresight));
        Ok(())
    }

    /// Begins to read what is sent, beside everything else.
    fn read_meanwhile(&self) {
        let put_off = !lock(&self.run.read).put_off().is_empty();
        if put_off {
            tokio::spawn(read_put_off(self.run.reading()));
        }
    }

    /// Before what a step has done is recorded, or becomes a checkpoint, what was put off is read, and what it has used and
    /// has been written since it was read counts no more: the step may have used either.
    pub(super) async fn read_the_rest(&self, step: StepId) -> Result<()> {
        let Some(known) = self.foresight() else {
            return Ok(());
        };
        let Some(own) = known.chain.get(step) else {
            return Ok(());
        };
        let unread = known.chain.is_unread(step);
        if unread {
            read_put_off(self.run.reading()).await?;
        }
        if own.files.is_empty() && !unread {
            return Ok(());
        }
        let (read, world, files) = (
            self.run.read.clone(),
            self.run.world.clone(),
            own.files.clone(),
        );
        let look = move || Ok(lock(&read).look_again(&files, &*world));
        let is_other = crate::files::blocking(look).await?;
        if is_other && self.run.plan.step(step).kind == StepKind::Launch {
            // A machine that lives on is recorded while it is launched.
            let state = &self.run.settings.state;
            state.forget_checkpoint(&own.digest).await?;
        }
        match is_other || unread {
            true => self.chain_again(&known).await,
            false => Ok(()),
        }
    }

    pub(super) fn foresight(&self) -> Option<Arc<Foresight>> {
        lock(&self.data).foresight.clone()
    }

    /// Begins with what is there.
    async fn take(&self, foresight: Foresight) {
        self.say(&foresight);
        let gone = foresight.why.iter().filter_map(|why| why.gone.as_ref());
        if let Err(error) = self.note_gone(gone.collect()).await {
            self.output.warn(error.chain());
        }
        self.keep_unchecked(&foresight).await;
        let foresight = Arc::new(foresight);
        let reused: Vec<(StepId, String)> = foresight
            .reused()
            .filter_map(|step| Some((step, foresight.reused_from(step)?.to_owned())))
            .collect();
        {
            let mut data = lock(&self.data);
            if let Some(built) = &foresight.built {
                let lists = built.lineage.iter();
                let lists = lists.filter(|(name, _)| name.starts_with(PACKAGES));
                data.lineage = lists.cloned().collect();
                let facts = built.lineage.iter();
                let facts = facts.filter_map(|(name, value)| {
                    Some((name.strip_prefix(FACT)?.to_owned(), value.clone()))
                });
                data.instance_facts = facts.collect();
                data.artifact = Some(built.artifact.clone());
                if let Some(capture) = self.step_of(&StepKind::Capture) {
                    data.records.insert(capture, built.clone());
                }
            }
            for (step, record) in &foresight.published {
                if let StepKind::Publish { name, .. } = &self.run.plan.step(*step).kind {
                    data.published.insert(name.clone(), record.artifact.clone());
                    data.records.insert(*step, record.clone());
                }
            }
            for (step, record) in &foresight.posts {
                let artifact = Some(record.artifact.clone());
                let post = self.post_of(self.run.plan.step(*step), artifact, record.keep_input);
                data.posts.insert((post.chain, post.position), post);
                data.records.insert(*step, record.clone());
            }
            data.foresight = Some(foresight.clone());
        }
        self.inherit_shells(&foresight);
        self.note_reused(&reused);
    }

    /// Records what is not there any more: whoever lists the images then knows.
    async fn note_gone(&self, things: Vec<&CloudResource>) -> Result<()> {
        if things.is_empty() || self.run.settings.new_run.is_none() {
            return Ok(());
        }
        let mut known = self.run.settings.state.changes().await?;
        known.retain(|change| change.is_gone() || change.is_removal());
        for thing in things {
            if known.iter().any(|change| change.thing.is(thing)) {
                continue;
            }
            let change = ChangeRecord {
                id: 0,
                run: String::new(),
                build: self.build.address.clone(),
                step: self.build.address.clone(),
                at: now(),
                thing: thing.clone(),
                before: None,
                after: Content {
                    version: None,
                    value: GONE.to_owned(),
                },
                undoes: None,
                undone_by: None,
            };
            self.run.ledger.change(&change).await?;
            known.push(change);
        }
        Ok(())
    }

    fn say(&self, foresight: &Foresight) {
        for why in foresight.why.iter().filter(|why| why.lost) {
            self.output.warn(format!("{}: {}", why.address, why.text));
        }
        for why in &foresight.unnamed {
            self.output.say(format!("{}: {}", why.address, why.text));
        }
        match &foresight.verdict {
            Verdict::UpToDate { run, .. } => {
                self.output
                    .say(format!("up to date: run {} has made it", short(run)));
            }
            Verdict::ArtifactThere { run, .. } => self.output.say(format!(
                "the builder's artifact is there, made by run {}: only what is missing runs",
                short(run)
            )),
            Verdict::From { .. } | Verdict::Whole => {
                let mut all = foresight.why.iter().filter(|why| !why.lost);
                if let Some(first) = all.next() {
                    self.output
                        .detail(format!("{} runs: {}", first.address, first.text));
                }
            }
        }
    }

    pub(super) fn is_up_to_date(&self) -> bool {
        self.foresight()
            .is_some_and(|foresight| foresight.is_up_to_date())
    }

    /// The run that has done a step already.
    pub(super) fn reused_from(&self, step: StepId) -> Option<String> {
        let data = lock(&self.data);
        let foresight = data.foresight.as_ref();
        let foreseen = foresight.and_then(|foresight| foresight.reused_from(step));
        foreseen
            .or(data.restored.get(&step).map(String::as_str))
            .map(str::to_owned)
    }

    /// A step that need not run; it has been recorded before.
    pub(super) async fn reuse(&self, id: StepId, by: String) {
        let step = self.run.plan.step(id);
        self.run.states.set(id, State::Done);
        self.run.time(id, Duration::ZERO, StepOutcome::Reused);
        self.run.emit(Event::StepReused {
            step: id,
            address: step.address.clone(),
            run: by,
        });
    }

    /// Steps that need not run are recorded with whatever is recorded next: nothing follows from that.
    pub(super) fn note_reused(&self, steps: &[(StepId, String)]) {
        if self.run.settings.new_run.is_none() {
            return;
        }
        for (step, by) in steps {
            let mut record = self.step_record(*step, StepStatus::Reused);
            record.reused_from = Some(by.clone());
            self.run.settings.state.note_step(&record);
        }
    }

    pub(super) fn step_of(&self, kind: &StepKind) -> Option<StepId> {
        let plan = &self.run.plan;
        plan.step_ids().find(|id| {
            let step = plan.step(*id);
            step.build == self.id && step.kind == *kind
        })
    }

    /// The artifact as it is remembered: without secrets.
    pub(super) fn masked(&self, artifact: &Artifact) -> Artifact {
        use crate::event::Redact as _;
        let redact = &self.run.redact;
        let mut artifact = artifact.clone();
        artifact.description = redact.redact(&artifact.description);
        artifact.id = redact.redact(&artifact.id);
        for value in artifact.metadata.values_mut() {
            *value = redact.redact(value);
        }
        // A name inside an image may hold a secret; the digest of the whole file does without lines.
        let is_harmless = |line: &String| redact.redact(line) == *line;
        artifact
            .lines
            .retain(|_, lines| lines.iter().all(is_harmless));
        artifact
    }
}

/// What reading takes.
pub(super) struct Reading {
    read: Arc<Mutex<Read>>,
    one: Arc<tokio::sync::Mutex<()>>,
    world: Arc<dyn World>,
}

impl Run {
    fn reading(&self) -> Reading {
        Reading {
            read: self.read.clone(),
            one: self.reading.clone(),
            world: self.world.clone(),
        }
    }
}

/// Reads what was put off. Who comes while another reads waits for that.
async fn read_put_off(reading: Reading) -> Result<()> {
    let _one = reading.one.lock().await;
    crate::files::blocking(move || {
        let all = lock(&reading.read).put_off();
        for file in all {
            // Nobody else waits for the digests that are known meanwhile.
            let later = file.read(&*reading.world);
            lock(&reading.read).take(later);
        }
        Ok(())
    })
    .await
}

/// The first characters of a run's id.
pub(super) fn short(run: &str) -> &str {
    run.get(..8).unwrap_or(run)
}
