//! One builder for all that work on a temporary instance: `amazon-ebs`, `amazon-ebssurrogate`, `amazon-ebsvolume`, `amazon-instance`.
//!
//! In: a [`Recipe`], which says what is read from the options, what matters when, and what becomes of the machine. Out: a
//! [`Builder`] with everything that does not depend on it: checks, pins, the questions of a plan, rights, their rehearsal, the
//! start, going on with the instance of an earlier run, publishing.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use imgc_compiler::value::Value;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::builder::{Builder, Instance, Known, Pin, Problem, Publish, Sealed, Target};
use imgc_runtime::checkpoint::{Capability, Checkpoint};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::machine::{Command, Machine};
use imgc_runtime::options::Options;
use imgc_runtime::preview::{Preview, Right, Scope, Wanted};

use crate::account::Access;
use crate::boxed::boxed;
use crate::builders::family::{Facts, Family, problems, problems_of_image};
use crate::builders::launch::{Origin, Temporary, check_root, own_user_data};
use crate::builders::{check, checkpoint};
use crate::diagnose::Way;
use crate::image;
use crate::instance::{self, LogIn, session};
use crate::options::{Image, Launch, Polling};
use crate::preview::{Asks, preview, rights_of};
use crate::publish;
use crate::region::RegionClient;
use crate::resource::{Kind, PROVIDER};
use crate::rights;

/// Which disk becomes the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    /// Another than the instance's own, or none.
    Other,
    /// The instance's own, from outside.
    Own,
    /// The instance's own, by commands on the machine.
    Bundled,
}

/// What one builder of the family does otherwise than the others. It is what was read from the options.
#[async_trait]
pub(crate) trait Recipe: Send + Sync + Sized + 'static {
    /// Whose options they are, in messages.
    const COMPONENT: &'static str;
    /// Which rights it takes.
    const FAMILY: rights::Family;
    /// What matters only when the image is made.
    const CAPTURE_OPTIONS: &'static [&'static str];
    /// The kind of the root device that it starts from, and the way out for whoever has another.
    const ROOT: (&'static str, &'static str);
    /// Whether some options speak of the image it starts from: [`Recipe::rendered`].
    const SPEAKS_OF_SOURCE: bool = false;

    /// Whether an instance can be started from what it makes.
    const BOOTS: bool = false;
    /// Whether images of the instance are kept where the template asks for checkpoints.
    const KEEPS: bool = false;
    /// What becomes the image.
    const DISK: Disk = Disk::Other;

    /// What is remembered of the work between its parts.
    type Progress: Default + Send + Sync;

    /// Reads the options.
    fn read(options: &Options<'_>) -> Result<Self>;

    /// What the instance is started with.
    fn launch(&self) -> &Launch;

    /// The image that will be made, where one will.
    fn image(&self) -> Option<&Image>;

    /// How long images may take; `None` for what is usual.
    fn polling(&self) -> Option<Polling> {
        None
    }

    /// What else is known to be wrong before the run.
    fn check(&self, log_in: &LogIn) -> Result<()> {
        let _ = log_in;
        Ok(())
    }

    /// Whether the image that it starts from can become what is asked for.
    fn suits(&self, source: &aws_sdk_ec2::types::Image) -> Result<()> {
        let _ = source;
        Ok(())
    }

    /// What is looked at on this machine before anything is made.
    fn look(&self, cx: &Context) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// The options once the image to start from is known.
    fn rendered(cx: &Context, facts: &Facts, options: &Value) -> Result<Value> {
        let _ = (cx, facts);
        Ok(options.clone())
    }

    /// What is done on the machine itself when everything has been put on it.
    async fn finish(
        &self,
        cx: &Context,
        temporary: &Temporary,
        progress: &Self::Progress,
        machine: &dyn Machine,
    ) -> Result<()> {
        let _ = (cx, temporary, progress, machine);
        Ok(())
    }

    /// Makes of the instance what the builder is for.
    async fn capture(
        &self,
        cx: &Context,
        temporary: &Temporary,
        progress: &Self::Progress,
    ) -> Result<Artifact>;
}

/// A builder that follows a recipe.
pub(crate) struct OnInstance<R> {
    family: Family,
    recipe: PhantomData<fn() -> R>,
}

impl<R> OnInstance<R> {
    /// One of the family of this process.
    pub(crate) fn new(family: Family) -> Self {
        Self {
            family,
            recipe: PhantomData,
        }
    }
}

impl<R: Recipe> OnInstance<R> {
    /// As a machine that is there.
    fn started(cx: &Context, options: &Value, temporary: Temporary) -> Result<Arc<dyn Instance>> {
        let rendered = R::rendered(cx, &temporary.facts, options)?;
        let options = Options::new(R::COMPONENT, &rendered);
        Ok(Arc::new(Started {
            way: Way::read(&options),
            temporary,
            recipe: R::read(&options)?,
            progress: R::Progress::default(),
        }))
    }
}

#[async_trait]
impl<R: Recipe> Builder for OnInstance<R> {
    fn check(&self, value: &Value) -> Vec<Problem> {
        let options = Options::new(R::COMPONENT, value);
        let read = Access::read(&options).and_then(|_| R::read(&options));
        let read = read.and_then(|read| read.check(&LogIn::read(&options)?));
        let mut found = match R::FAMILY.makes_images() {
            true => problems_of_image(value, read),
            false => problems(read),
        };
        found.extend(check::problems(value));
        found
    }

    fn capability(&self, options: &Value) -> Capability {
        let _ = options;
        match R::KEEPS {
            true => Capability::Image,
            false => Capability::Living,
        }
    }

    fn capture_options(&self) -> &'static [&'static str] {
        R::CAPTURE_OPTIONS
    }

    fn publish_options(&self) -> &'static [&'static str] {
        match R::FAMILY.makes_images() {
            true => publish::OPTIONS,
            false => &[],
        }
    }

    fn publishes(&self, options: &Value) -> Vec<Publish> {
        match R::FAMILY.makes_images() {
            true => publish::publishes(options),
            false => Vec::new(),
        }
    }

    async fn publish(
        &self,
        cx: &Context,
        options: &Value,
        step: &str,
        artifact: &Artifact,
    ) -> Result<Artifact> {
        let options = Options::new(R::COMPONENT, options);
        publish::publish(self.family.accounts(), cx, &options, step, artifact).await
    }

    async fn pins(&self, cx: &Context, options: &Value, known: &Known) -> Result<Vec<Pin>> {
        let _ = cx;
        let options = Options::new(R::COMPONENT, options);
        let read = R::read(&options)?;
        let source = &read.launch().source;
        self.family.pins(&options, source, known).await
    }

    async fn prepare(&self, cx: &Context, value: &Value) -> Result<()> {
        if R::FAMILY.makes_images() {
            publish::verify(value)?;
        }
        check::verify(value)?;
        let options = Options::new(R::COMPONENT, value);
        let read = R::read(&options)?;
        own_user_data(cx, &read.launch().run)?;
        read.look(cx)?;
        if session::is_wanted(&options) {
            session::check_plugin().await?;
        }
        if cx.is_checked && options.string("ssh_host")?.is_some() {
            return Err(Error::new(
                Class::Template,
                "run/aws-option",
                "`ssh_host` names one machine, and the image is to be checked on another one",
            )
            .of("ssh_host")
            .help("leave `ssh_host` out, or the provisioners with on = \"image\""));
        }
        let launch = read.launch();
        let (source, image) = (&launch.source, read.image());
        let source = self.family.prepare(cx, &options, source, image).await?;
        let network = &launch.network;
        self.family
            .rehearse(cx, R::FAMILY, &options, network, &source)
            .await?;
        read.suits(&source)?;
        let (kind, way_out) = R::ROOT;
        check_root(&source, kind, way_out)
    }

    async fn preview(&self, cx: &Context, options: &Value, wanted: &Wanted) -> Option<Preview> {
        let asks = Asks::new(R::FAMILY, R::COMPONENT, wanted).of_disk(R::DISK);
        Some(Box::pin(preview(cx, self.family.accounts(), asks, options)).await)
    }

    async fn rights(
        &self,
        cx: &Context,
        options: &Value,
        wanted: &Wanted,
        scope: Scope,
    ) -> Vec<Right> {
        let _ = cx;
        let asks = Asks::new(R::FAMILY, R::COMPONENT, wanted);
        Box::pin(rights_of(self.family.accounts(), asks, options, scope)).await
    }

    async fn launch(&self, cx: &Context, value: &Value) -> Result<Arc<dyn Instance>> {
        let mut value = value.clone();
        if R::SPEAKS_OF_SOURCE {
            let options = Options::new(R::COMPONENT, &value);
            let read = R::read(&options)?;
            let (access, _, region) = self.family.account(&options).await?;
            let source = boxed(|| self.family.source(&access, &region, &read.launch().source));
            let facts = Facts::new(&region, &source.await?);
            value = R::rendered(cx, &facts, &value)?;
        }
        let options = Options::new(R::COMPONENT, &value);
        let read = R::read(&options)?;
        let temporary =
            boxed(|| Temporary::launch(cx, &self.family, &options, read.launch(), None));
        Self::started(cx, &value, temporary.await?)
    }

    async fn restore(
        &self,
        cx: &Context,
        value: &Value,
        checkpoint: &Checkpoint,
    ) -> Result<Option<Arc<dyn Instance>>> {
        let options = Options::new(R::COMPONENT, value);
        let read = R::read(&options)?;
        if checkpoint.capability == Capability::Image {
            let (_, account, region) = self.family.account(&options).await?;
            let polling = polling(&read, &options)?;
            let found = checkpoint::find(cx, (&account, &region), checkpoint, polling);
            let Some(origin) = Box::pin(found).await? else {
                return Ok(None);
            };
            let launch = read.launch();
            let started = Temporary::launch(cx, &self.family, &options, launch, Some(origin));
            return Self::started(cx, value, Box::pin(started).await?).map(Some);
        }
        let restored = Temporary::restore(cx, &self.family, &options, read.launch(), checkpoint);
        match Box::pin(restored).await? {
            Some(temporary) => Self::started(cx, value, temporary).map(Some),
            None => Ok(None),
        }
    }

    fn boots(&self) -> bool {
        R::BOOTS
    }

    async fn boot(
        &self,
        cx: &Context,
        value: &Value,
        artifact: &Artifact,
    ) -> Result<Option<Arc<dyn Instance>>> {
        let options = Options::new(R::COMPONENT, value);
        let read = R::read(&options)?;
        let (_, _, region) = self.family.account(&options).await?;
        let mut ids = ids_of(artifact, &region, &[Kind::Image]).into_iter();
        let Some(id) = ids.next() else {
            return Ok(None);
        };
        let polling = polling(&read, &options)?;
        let (access, _, _) = self.family.account(&options).await?;
        let (image, source) = tokio::join!(
            Box::pin(image::known(cx, &region, &id, polling)),
            Box::pin(self.family.source(&access, &region, &read.launch().source)),
        );
        let origin = Origin {
            image: image?,
            // It may have gone meanwhile.
            facts: source.ok().map(|source| Facts::new(&region, &source)),
            keys: Vec::new(),
            is_alone: false,
        };
        let launch = read.launch();
        let temporary = Temporary::launch(cx, &self.family, &options, launch, Some(origin));
        Self::started(cx, value, Box::pin(temporary).await?).map(Some)
    }

    async fn passed(&self, cx: &Context, value: &Value, artifact: &Artifact) -> Result<()> {
        let _ = cx;
        let options = Options::new(R::COMPONENT, value);
        let read = R::read(&options)?;
        // Where only copies stay, it is something temporary until the last one is made.
        if read.image().is_none_or(|image| image.only_copies) {
            return Ok(());
        }
        let (_, _, region) = self.family.account(&options).await?;
        let ids = ids_of(artifact, &region, &[Kind::Image, Kind::Snapshot]);
        image::keep_all(&region, ids).await
    }

    fn keeps_checkpoints(&self) -> bool {
        R::KEEPS
    }
}

/// How long an image may take.
fn polling<R: Recipe>(read: &R, options: &Options<'_>) -> Result<Polling> {
    match read.polling() {
        Some(polling) => Ok(polling),
        None => Polling::read(options),
    }
}

/// The ids of what an artifact consists of in a region, of some kinds.
fn ids_of(artifact: &Artifact, region: &RegionClient, kinds: &[Kind]) -> Vec<String> {
    let things = artifact.things.iter().filter(|thing| {
        let is_wanted = kinds.iter().any(|kind| thing.kind == kind.word());
        is_wanted && thing.provider == PROVIDER && thing.place == region.name()
    });
    things.filter_map(|thing| thing.id.clone()).collect()
}

/// A started instance, and what is to become of it.
struct Started<R: Recipe> {
    way: Way,
    temporary: Temporary,
    recipe: R,
    progress: R::Progress,
}

#[async_trait]
impl<R: Recipe> Instance for Started<R> {
    fn target(&self) -> Target {
        self.temporary.target.clone()
    }

    fn facts(&self) -> BTreeMap<String, String> {
        self.temporary.texts()
    }

    async fn host_keys(&self, cx: &Context) -> Result<Vec<String>> {
        self.temporary.host_keys(cx).await
    }

    async fn diagnose(&self, cx: &Context, failure: &Error) {
        self.temporary.diagnose(cx, self.way, failure).await;
    }

    async fn seal(&self, cx: &Context, sealed: &Sealed<'_>) -> Result<()> {
        match R::KEEPS && sealed.is_wanted {
            true => Box::pin(checkpoint::keep(cx, &self.temporary, sealed)).await,
            false => Ok(()),
        }
    }

    async fn finish(&self, cx: &Context, machine: &dyn Machine) -> Result<()> {
        let goes = R::DISK != Disk::Other && !self.recipe.launch().run.leaves_key;
        let are_off = goes && self.temporary.take_keys_off(cx, machine).await?;
        let finish = self
            .recipe
            .finish(cx, &self.temporary, &self.progress, machine);
        finish.await?;
        match are_off && R::DISK == Disk::Own {
            true => self.temporary.shut().await,
            false => Ok(()),
        }
    }

    fn is_shut(&self) -> bool {
        self.temporary.is_shut()
    }

    async fn keep_up(&self, cx: &Context, machine: &dyn Machine, length: Duration) -> Result<()> {
        // With a time limit the switch is behind it already; where the template sets one it is meant.
        if cx.limit.is_some() || self.recipe.launch().run.shutdown_after.is_some() {
            return Ok(());
        }
        let command = Command::new(instance::put_off(length));
        machine.query(&command).await.map(|_| ())
    }

    async fn capture(&self, cx: &Context) -> Result<Artifact> {
        self.temporary.part().await;
        let capture = self.recipe.capture(cx, &self.temporary, &self.progress);
        capture.await
    }

    async fn release(&self, cx: &Context) -> Result<()> {
        self.temporary.release(cx).await
    }
}
