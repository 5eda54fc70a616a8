//! What is remembered of a build's steps and artifacts, in the order that `docs/design/durable.md` gives: a step is
//! finished only when everything it leaves has been recorded, and only then is that said.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use imgc_compiler::plan::{Step, StepId, StepKind};

use crate::artifact::Artifact;
use crate::builder::FACT;
use crate::error::{Class, Error, Result};
use crate::event::Redact as _;
use crate::identity;
use crate::reuse::{CHECKED_BY, PUBLISHED};
use crate::state::{ArtifactRecord, FileIdentity, Moment, StepRecord, StepStatus};

use super::build::Work;
use super::facts::SECRET;
use super::lock;

/// The machine's clock: that of the compilation stands still.
pub(crate) fn now() -> Moment {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Moment::try_from(since.as_millis()).unwrap_or(Moment::MAX)
}

impl Work<'_> {
    fn records(&self) -> bool {
        self.run.settings.new_run.is_some()
    }

    /// Records how a step is doing.
    pub(super) async fn record(
        &self,
        id: StepId,
        status: StepStatus,
        change: impl FnOnce(&mut StepRecord),
    ) -> Result<()> {
        if !self.records() {
            return Ok(());
        }
        let mut record = self.step_record(id, status);
        change(&mut record);
        self.run.settings.state.step(&record).await
    }

    /// What there is to record of every step.
    pub(super) fn step_record(&self, id: StepId, status: StepStatus) -> StepRecord {
        let step = self.run.plan.step(id);
        let fingerprint = self
            .foresight()
            .and_then(|known| Some(known.chain.get(id)?.digest.clone()));
        StepRecord {
            run: self.run.run_id.to_string(),
            step: step.address.clone(),
            build: self.build.address.clone(),
            position: id.0,
            kind: kind(&step.kind).to_owned(),
            status,
            fingerprint,
            started: None,
            took: None,
            attempts: 0,
            error: None,
            reused_from: None,
            shell: self.was_entered(),
            machine: match step.kind {
                StepKind::Connect => lock(&self.data).met.clone(),
                _ => None,
            },
        }
    }

    /// A step begins.
    pub(super) async fn record_begun(&self, id: StepId, attempt: u32) -> Result<()> {
        if !self.records() {
            return Ok(());
        }
        self.know_chain().await?;
        if attempt == 1 {
            lock(&self.data).since.insert(id, now());
        }
        self.record(id, StepStatus::Running, |record| {
            record.attempts = attempt;
            record.started = self.begun(id);
        })
        .await
    }

    fn begun(&self, id: StepId) -> Option<Moment> {
        lock(&self.data).since.get(&id).copied()
    }

    /// A step has ended well: what it leaves, then that it is finished.
    pub(super) async fn record_done(&self, id: StepId, attempt: u32, took: Duration) -> Result<()> {
        if !self.records() {
            return Ok(());
        }
        if is_on_machine(&self.run.plan.step(id).kind) {
            self.look_for_shells().await?;
        }
        self.read_the_rest(id).await?;
        let state = &self.run.settings.state;
        let fingerprint = self
            .foresight()
            .and_then(|known| known.chain.get(id).cloned());
        let inputs = async {
            match &fingerprint {
                Some(own) => state.keep_inputs(&own.digest, &own.inputs).await,
                None => Ok(()),
            }
        };
        let (inputs, artifact) = tokio::join!(inputs, self.record_artifact(id));
        inputs?;
        artifact?;
        self.record(id, StepStatus::Finished, |record| {
            record.attempts = attempt;
            record.started = self.begun(id);
            record.took = Some(milliseconds(took));
        })
        .await
    }

    /// A step has failed for good; that this cannot be recorded is only worth a warning.
    pub(super) async fn record_failed(
        &self,
        id: StepId,
        attempt: u32,
        took: Duration,
        (class, problem, message): (Class, &'static str, String),
    ) {
        let ignored = self.run.plan.step(id).limits.continue_on_error;
        let status = match class {
            Class::Cancelled => StepStatus::Cancelled,
            _ if ignored => StepStatus::Ignored,
            _ => StepStatus::Failed,
        };
        let message = self.run.redact.redact(&message);
        let recorded = self
            .record(id, status, |record| {
                record.attempts = attempt;
                record.started = self.begun(id);
                record.took = Some(milliseconds(took));
                record.error = Some((problem.to_owned(), message));
            })
            .await;
        if let Err(error) = recorded {
            self.output.warn(error.chain());
        }
    }

    /// The steps that did not run.
    pub(super) async fn record_skipped(&self) {
        let skipped = std::mem::take(&mut lock(&self.data).skipped);
        let records = skipped
            .into_iter()
            .map(|step| self.record(step, StepStatus::Skipped, |_| {}));
        for recorded in join_all(records).await {
            if let Err(error) = recorded {
                self.output.warn(error.chain());
            }
        }
    }

    /// What a capture or a post-processor has made.
    async fn record_artifact(&self, id: StepId) -> Result<()> {
        let step = self.run.plan.step(id);
        let made = {
            let data = lock(&self.data);
            match &step.kind {
                StepKind::Capture => data.artifact.clone().map(|artifact| (artifact, true)),
                // It adds nothing: that it has been done to this artifact is what is remembered.
                StepKind::Check => Some((Artifact::default(), true)),
                StepKind::Publish { name, .. } => {
                    let added = data.published.get(name);
                    added.map(|added| (added.clone(), true))
                }
                StepKind::PostProcess {
                    chain, position, ..
                } => {
                    let post = data.posts.get(&(*chain, *position));
                    post.and_then(|post| Some((post.artifact.clone()?, post.keep_input)))
                }
                _ => None,
            }
        };
        let Some((artifact, keep_input)) = made else {
            return Ok(());
        };
        let artifact = self.masked(&artifact);
        let files = identities(&artifact).await?;
        let fingerprint = self
            .foresight()
            .and_then(|known| known.chain.get(id).cloned());
        // What counts nowhere is found nowhere.
        let shell = self.was_entered();
        let fingerprint = fingerprint.filter(|own| own.reusable && !shell);
        let fingerprint = fingerprint.map(|own| own.digest);
        let template = self.run.settings.new_run.as_ref();
        let mut record = ArtifactRecord {
            id: 0,
            run: self.run.run_id.to_string(),
            template: template.map(|run| run.template.clone()).unwrap_or_default(),
            build: self.build.address.clone(),
            step: step.address.clone(),
            fingerprint,
            made: now(),
            artifact: artifact.clone(),
            files,
            keep_input,
            kept: true,
            lineage: match step.kind {
                StepKind::Check | StepKind::Publish { .. } => self.publish_lineage(step),
                StepKind::Capture => {
                    let mut lineage = self.lineage();
                    lineage.extend(self.facts());
                    if let Some(check) = self.step_of(&StepKind::Check) {
                        let address = self.run.plan.step(check).address.clone();
                        lineage.push((CHECKED_BY.to_owned(), address));
                    }
                    lineage
                }
                _ => self.lineage(),
            },
            shell,
        };
        record.id = self.run.settings.state.artifact(&record).await?;
        lock(&self.data).records.insert(id, record);
        // It is remembered: nothing of it is a thing to be removed any more.
        for own in self.run.ledger.outstanding(&self.build.address) {
            if artifact.owns(&own.resource) {
                self.run.ledger.forget(own.id);
            }
        }
        Ok(())
    }

    /// What a publishing step has worked on.
    fn publish_lineage(&self, step: &Step) -> Vec<(String, String)> {
        let input = self.published_from(step);
        let input = input.map(|input| (PUBLISHED.to_owned(), self.masked(&input).id));
        input.into_iter().collect()
    }

    /// What the build is made from: what its builder pins, what the machine says, and the artifacts of others.
    fn lineage(&self) -> Vec<(String, String)> {
        let (pins, machine) = {
            let data = lock(&self.data);
            (data.pins.clone(), data.lineage.clone())
        };
        let pins = pins.into_iter().map(|pin| (pin.name, pin.value));
        let identities = self.run.ends.identities();
        let used = self.build.uses.iter().filter_map(|used| {
            let address = &self.run.plan.build(*used).address;
            Some((address.clone(), identities.get(address)?.clone()))
        });
        pins.chain(machine).chain(used).collect()
    }

    /// What the builder knows of the machine, for post-processors of a later run; without secrets.
    fn facts(&self) -> Vec<(String, String)> {
        let facts = lock(&self.data).instance_facts.clone().into_iter();
        let redact = &self.run.redact;
        facts
            .filter(|(name, value)| {
                !SECRET.contains(&name.as_str()) && redact.redact(value) == *value
            })
            .map(|(name, value)| (format!("{FACT}{name}"), value))
            .collect()
    }

    /// Artifacts that nobody keeps are about to be removed.
    pub(super) async fn dropped(&self, going: &[Artifact]) {
        let going: Vec<Artifact> = going.iter().map(|artifact| self.masked(artifact)).collect();
        let dropped: Vec<u64> = {
            let mut data = lock(&self.data);
            let records = data.records.values_mut();
            let gone = records.filter(|record| going.contains(&record.artifact));
            gone.map(|record| {
                record.kept = false;
                record.id
            })
            .collect()
        };
        let state = &self.run.settings.state;
        for result in join_all(dropped.iter().map(|id| state.drop_artifact(*id))).await {
            if let Err(error) = result {
                self.output.warn(error.chain());
            }
        }
    }

    /// The builder's artifact is about to be removed: what has been added to it stays.
    pub(super) async fn drop_built(&self) -> Result<()> {
        let Some(capture) = self.step_of(&StepKind::Capture) else {
            return Ok(());
        };
        let dropped = {
            let mut data = lock(&self.data);
            data.records.get_mut(&capture).map(|record| {
                record.kept = false;
                record.id
            })
        };
        match dropped {
            Some(id) => self.run.settings.state.drop_artifact(id).await,
            None => Ok(()),
        }
    }

    /// The build has ended: what others use of it, and artifacts that a later post-processor has worked on.
    pub(super) async fn settle(&self, artifacts: &[Artifact], whole: Option<&Artifact>) {
        let records = lock(&self.data).records.clone();
        let capture = self.step_of(&StepKind::Capture);
        let mut first = None;
        for (step, mut record) in records {
            // That of the capture stands for the whole, also where it was only a step on the way to what was added.
            let is_whole = Some(step) == capture && whole.is_some() && artifacts.first() == whole;
            if !record.kept && !is_whole {
                continue;
            }
            if self.is_changed(&record).await {
                match self.renewed(&record).await {
                    Ok(renewed) => record = renewed,
                    Err(error) => self.output.warn(error.chain()),
                }
                lock(&self.data).records.insert(step, record.clone());
            }
            let is_first = artifacts
                .first()
                .is_some_and(|kept| is_whole || self.masked(kept) == record.artifact);
            if is_first && first.is_none() {
                first = artifacts
                    .first()
                    .map(|kept| crate::reuse::identity(kept, &record));
            }
        }
        if let Some(identity) = first {
            self.run.ends.identify(&self.build.address, identity);
        }
    }

    /// Whether something has worked on an artifact's files since it was recorded, by this run.
    async fn is_changed(&self, record: &ArtifactRecord) -> bool {
        if record.run != *self.run.run_id || !self.records() {
            return false;
        }
        match crate::reuse::lost(&[], record).await {
            Ok(lost) => !lost.is_empty(),
            Err(_) => false,
        }
    }

    async fn renewed(&self, record: &ArtifactRecord) -> Result<ArtifactRecord> {
        let state = &self.run.settings.state;
        let mut renewed = ArtifactRecord {
            id: 0,
            files: identities(&record.artifact).await?,
            ..record.clone()
        };
        renewed.id = state.artifact(&renewed).await?;
        state.drop_artifact(record.id).await?;
        Ok(renewed)
    }
}

/// What the files of an artifact are like; one that is not there is left out, since nothing can be said of it.
async fn identities(artifact: &Artifact) -> Result<Vec<FileIdentity>> {
    if artifact.files.is_empty() {
        return Ok(Vec::new());
    }
    let (files, mut lines) = (artifact.files.clone(), artifact.lines.clone());
    crate::files::blocking(move || {
        let mut identities = Vec::with_capacity(files.len());
        for file in files {
            match identity::of(&file) {
                Ok(identity) => identities.push(FileIdentity {
                    lines: lines.remove(&file).unwrap_or_default(),
                    ..identity
                }),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    let message = format!("cannot read the artifact's `{}`", file.display());
                    return Err(
                        Error::new(Class::Environment, "run/artifact", message).because(error)
                    );
                }
            }
        }
        Ok(identities)
    })
    .await
}

/// Whether a step works on the machine, or on what becomes of it.
fn is_on_machine(kind: &StepKind) -> bool {
    !matches!(
        kind,
        StepKind::Prepare
            | StepKind::Check
            | StepKind::Publish { .. }
            | StepKind::Release
            | StepKind::PostProcess { .. }
    )
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

fn kind(kind: &StepKind) -> &'static str {
    match kind {
        StepKind::Prepare => "prepare",
        StepKind::Launch => "launch",
        StepKind::Connect => "connect",
        StepKind::Provision { .. } => "provision",
        StepKind::Capture => "capture",
        StepKind::Check => "check",
        StepKind::Publish { .. } => "publish",
        StepKind::Release => "release",
        StepKind::PostProcess { .. } => "post-process",
    }
}
