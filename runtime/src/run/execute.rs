//! What each kind of step does.

use std::sync::Arc;

use imgc_compiler::components::ComponentKind;
use imgc_compiler::plan::{Options, RunValues, Step, StepKind};
use imgc_compiler::value::Value;
use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit};
use tokio_util::sync::CancellationToken;

use crate::artifact::Artifact;
use crate::builder::{Instance, Sealed, Target};
use crate::context::{Commit, Context};
use crate::error::{Class, Error, Result};
use crate::event::Output;
use crate::machine::Machine;
use crate::template;
use crate::watch::Watch;

use super::build::Work;
use super::lock;
use super::step::{Trouble, timed_out};

/// The communicator's word for a machine that shows another key than it should.
const HOST_KEY: &str = "run/ssh-host-key";

impl Work<'_> {
    /// Does what the step says, once.
    pub(super) async fn execute(
        &self,
        step: &Step,
        cancel: CancellationToken,
        watch: &Watch,
        commit: &Commit,
    ) -> Result<(), Trouble> {
        let output = match &step.kind {
            StepKind::PostProcess { post_processor, .. } => Output::new(
                watch.listen(self.run.sink.clone()),
                self.run.redact.clone(),
                Some(self.id),
                format!("{} ({post_processor})", self.build.name),
            ),
            StepKind::Publish { name, .. } => Output::new(
                watch.listen(self.run.sink.clone()),
                self.run.redact.clone(),
                Some(self.id),
                format!("{} ({name})", self.build.name),
            ),
            StepKind::Check => Output::new(
                watch.listen(self.run.sink.clone()),
                self.run.redact.clone(),
                Some(self.id),
                format!("{} (check)", self.build.name),
            ),
            _ => self.output.clone(),
        };
        let mut cx = self.context(&step.address, output, cancel);
        cx.watch = watch.clone();
        cx.commit = commit.clone();
        if !lock(&self.data).cleaning {
            self.checkpointed(step, &mut cx);
        }
        match &step.kind {
            StepKind::Prepare => {
                let source = self.source(&cx)?;
                let _permit = self.launch_turn(&cx).await;
                Ok(self.builder()?.prepare(&cx, &source).await?)
            }
            StepKind::Launch => self.launch(&cx).await,
            StepKind::Connect => self.connect(&cx).await,
            StepKind::Provision { provisioner, .. } => self.provision(&cx, step, provisioner).await,
            StepKind::Capture => {
                let (instance, machine) = {
                    let data = lock(&self.data);
                    (data.instance.clone(), data.machine.clone())
                };
                let instance = instance.ok_or_else(no_instance)?;
                if let Some(machine) = machine {
                    instance.finish(&cx, &*machine).await?;
                }
                self.disconnect().await;
                let artifact = instance.capture(&cx).await?;
                lock(&self.data).artifact = Some(artifact);
                Ok(())
            }
            StepKind::Check => self.check(&cx, step).await,
            StepKind::Publish { name, open, .. } => self.publish(&cx, step, name, *open).await,
            StepKind::Release => {
                self.disconnect().await;
                let instance = lock(&self.data).instance.take();
                match instance {
                    Some(instance) => Ok(instance.release(&cx).await?),
                    None => Ok(()),
                }
            }
            StepKind::PostProcess {
                post_processor,
                chain,
                position,
                keep_input,
            } => {
                self.post_process(&cx, step, post_processor, (*chain, *position), *keep_input)
                    .await
            }
        }
    }

    pub(super) fn builder(&self) -> Result<std::sync::Arc<dyn crate::builder::Builder>> {
        self.run
            .registry
            .builders
            .get(self.build.builder.as_str())
            .cloned()
            .ok_or_else(|| absent(ComponentKind::Builder, &self.build.builder))
    }

    async fn launch(&self, cx: &Context) -> Result<(), Trouble> {
        let source = self.source(cx)?;
        let _permit = self.launch_turn(cx).await;
        let builder = self.builder()?;
        let instance = match self.restore(cx, &*builder, &source).await? {
            Some(instance) => instance,
            None => {
                let cx = self.looked_again(cx, &*builder, &source).await?;
                builder.launch(&cx, &source).await?
            }
        };
        let mut data = lock(&self.data);
        data.lineage = instance.lineage();
        data.stays = instance.stays();
        data.instance = Some(instance);
        Ok(())
    }

    pub(super) async fn launch_turn(&self, cx: &Context) -> Option<SemaphorePermit<'_>> {
        let _waiting = cx.waiting("its turn to launch");
        self.run.launches.acquire().await.ok()
    }

    async fn connect(&self, cx: &Context) -> Result<(), Trouble> {
        let instance = lock(&self.data).instance.clone().ok_or_else(no_instance)?;
        let Some(Reached { machine, place }) = self.reach(cx, &*instance).await? else {
            return Ok(());
        };
        lock(&self.data).place = place;
        let met = self.met(&*machine).await;
        {
            let mut data = lock(&self.data);
            data.machine_facts = machine.facts();
            data.machine = Some(machine);
        }
        self.is_the_same(met.as_ref()).await?;
        lock(&self.data).met = met;
        self.enterable(None).await;
        Ok(())
    }

    /// The machine that a builder has launched; `None` where nobody goes to it.
    pub(super) async fn reach(
        &self,
        cx: &Context,
        instance: &dyn Instance,
    ) -> Result<Option<Reached>, Trouble> {
        let (machine, place) = match instance.target() {
            Target::None => return Ok(None),
            Target::Machine(machine) => (machine, None),
            Target::Address(_) if self.build.communicator == "none" => return Ok(None),
            Target::Address(mut endpoint) => {
                let source = self.source(cx)?;
                let name = self.build.communicator.as_str();
                let communicator = self
                    .run
                    .registry
                    .communicators
                    .get(name)
                    .ok_or_else(|| absent(ComponentKind::Communicator, name))?;
                let place = self.place_at_host(cx, &source, &endpoint).await;
                let connected = communicator.connect(cx, &source, &endpoint).await;
                let connected = match connected {
                    // It has another key than the one it was given: it may never have read what it was given.
                    Err(error) if error.id == HOST_KEY && !endpoint.host_keys.is_empty() => {
                        let told = instance.host_keys(cx).await?;
                        if told.iter().all(|key| endpoint.host_keys.contains(key)) {
                            return Err(error.into());
                        }
                        endpoint.host_keys = told;
                        communicator.connect(cx, &source, &endpoint).await
                    }
                    connected => connected,
                };
                let machine = match connected {
                    Ok(machine) => machine,
                    Err(failure) => {
                        if !matches!(failure.class, Class::Template | Class::Cancelled) {
                            instance.diagnose(cx, &failure).await;
                        }
                        return Err(failure.into());
                    }
                };
                (machine, place)
            }
        };
        Ok(Some(Reached { machine, place }))
    }

    /// Has a provisioner act on a machine; gives what it has done, in short.
    pub(super) async fn act(
        &self,
        cx: &Context,
        (options, name): (&Options, &str),
        machine: Option<&dyn Machine>,
    ) -> Result<String, Trouble> {
        let provisioner = self
            .run
            .registry
            .provisioners
            .get(name)
            .ok_or_else(|| absent(ComponentKind::Provisioner, name))?;
        let late = template::late(ComponentKind::Provisioner, name);
        let options = self.options(cx, options, late)?;
        let work = provisioner.run(cx, &options, machine);
        match provisioner.waits(&options) {
            None => work.await?,
            Some(why) => {
                let why = cx.output.redact(&why);
                self.waiting_for_somebody(why, work).await?;
            }
        }
        Ok(cx.output.redact(&provisioner.summary(&options)))
    }

    async fn provision(&self, cx: &Context, step: &Step, name: &str) -> Result<(), Trouble> {
        let machine = lock(&self.data).machine.clone();
        let work = self.act(cx, (&step.options, name), machine.as_deref());
        let summary = match step.limits.timeout.filter(|_| step.checkpoint) {
            None => work.await?,
            // The limit is that of the provisioner, and not of the checkpoint behind it.
            Some(limit) => match tokio::time::timeout(limit, work).await {
                Ok(ended) => ended?,
                Err(_) => return Err(timed_out(limit, &cx.watch).into()),
            },
        };
        let (instance, cleaning) = {
            let data = lock(&self.data);
            (data.instance.clone(), data.cleaning)
        };
        // What an error-cleanup provisioner does is no layer of an image.
        if let Some(instance) = instance.filter(|_| !cleaning) {
            let mut cx = cx.clone();
            self.look_for_shells().await?;
            if let Some(id) = self.id_of(step) {
                self.read_the_rest(id).await?;
            }
            self.checkpointed(step, &mut cx);
            let sealed = Sealed {
                address: &step.address,
                summary: &summary,
                is_wanted: step.checkpoint,
                machine: machine.as_deref(),
            };
            self.seal(&cx, &*instance, &sealed).await?;
        }
        Ok(())
    }

    async fn post_process(
        &self,
        cx: &Context,
        step: &Step,
        name: &str,
        place: (u32, u32),
        keep_input: Option<bool>,
    ) -> Result<(), Trouble> {
        let post_processor = self
            .run
            .registry
            .post_processors
            .get(name)
            .ok_or_else(|| absent(ComponentKind::PostProcessor, name))?;
        let input = self.input(place).ok_or_else(|| {
            Error::new(
                Class::Bug,
                "run/artifact",
                "the post-processor has no artifact to work on",
            )
        })?;
        let late = template::late(ComponentKind::PostProcessor, name);
        let options = self.options(cx, &step.options, late)?;
        refuse_recorded(cx, post_processor.recorded_options(), &options)?;
        self.output.say(format!("Running post-processor: {name}"));
        let processed = post_processor.run(cx, &options, &input).await?;
        let keep = match keep_input {
            Some(false) if processed.must_keep => {
                cx.output
                    .detail("keep_input_artifact = false is ignored: the input is still needed");
                true
            }
            Some(keep) => keep,
            None => processed.keep_by_default || processed.must_keep,
        };
        let post = self.post_of(step, Some(processed.artifact), keep);
        lock(&self.data).posts.insert(place, post);
        Ok(())
    }

    /// What a post-processor works on: what the one before it in the chain made, or the builder's artifact.
    fn input(&self, (chain, position): (u32, u32)) -> Option<Artifact> {
        let data = lock(&self.data);
        data.posts
            .values()
            .filter(|post| post.chain == chain && post.position < position)
            .max_by_key(|post| post.position)
            .map_or_else(|| data.whole(), |post| post.artifact.clone())
    }

    /// The source's options, resolved with what is known of the build by now.
    pub(super) fn source(&self, cx: &Context) -> Result<Value, Trouble> {
        let late = template::late(ComponentKind::Builder, &self.build.builder);
        let source = self.options(cx, &self.build.source, late)?;
        refuse_recorded(cx, self.builder()?.recorded_options(), &source)?;
        lock(&self.data).source = Some(source.clone());
        Ok(source)
    }

    /// A component's options with everything known; their secrets are masked from now on.
    pub(super) fn options(
        &self,
        cx: &Context,
        options: &Options,
        late: &[&str],
    ) -> Result<Value, Trouble> {
        let values = match options.is_deferred() {
            true => RunValues {
                build: (*cx.build).clone(),
                artifacts: self.run.ends.artifacts(),
            },
            false => RunValues::default(),
        };
        let resolved = options
            .resolve_with_secrets(&values, &*self.run.world)
            .map_err(|diagnostics| {
                let messages: Vec<&str> = diagnostics
                    .iter()
                    .map(|diagnostic| diagnostic.message.as_str())
                    .collect();
                let help = diagnostics
                    .iter()
                    .find_map(|diagnostic| diagnostic.help.clone());
                let mut error = Error::new(Class::Template, "run/options", messages.join("; "));
                error.help = help;
                Trouble {
                    error: Box::new(error),
                    diagnostics,
                }
            })?;
        for value in resolved.secrets.iter().chain([&resolved.value]) {
            for secret in crate::options::secrets(value) {
                cx.output.add_secret(&secret);
            }
        }
        let value = resolved.value;
        let rendered = template::render_options(&value, late, &template::Surroundings::from(cx))?;
        for secret in crate::options::secrets(&rendered) {
            cx.output.add_secret(&secret);
        }
        Ok(rendered)
    }
}

/// A machine that is reached, and its place among those of its host.
pub(super) struct Reached {
    pub(super) machine: Arc<dyn Machine>,
    pub(super) place: Option<OwnedSemaphorePermit>,
}

fn absent(kind: ComponentKind, name: &str) -> Error {
    Error::new(
        Class::Template,
        "run/no-component",
        format!("the {} `{name}` is not part of this program", kind.word()),
    )
    .help("use one of the components listed by `imgc plan`, or another version of this program")
}

fn no_instance() -> Error {
    Error::new(
        Class::Bug,
        "run/panic",
        "a step that needs the launched machine runs without it",
    )
}

/// What only the run knows may be secret too.
fn refuse_recorded(cx: &Context, names: &[&str], options: &Value) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let surroundings = template::Surroundings::from(cx);
    let asks = |text: &str| template::asks_for_secret(text, &surroundings);
    match crate::options::recorded(names, options, asks).pop() {
        None => Ok(()),
        Some(problem) => {
            let mut error = Error::new(Class::Template, "run/bad-option", problem.message);
            error.help = problem.help;
            Err(error)
        }
    }
}
