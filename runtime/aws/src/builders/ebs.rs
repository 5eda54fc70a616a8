//! Builder `amazon-ebs`: an instance of an image is started, provisioned, stopped, and becomes an image.
//!
//! Options, their defaults and the artifact's form are those of Packer's Amazon plugin; where the defaults differ, and why, stands
//! in `docs/design/amazon.md`.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use imgc_compiler::value::Value;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::builder::{Builder, Instance, Known, Pin, Problem, Publish, Target};
use imgc_runtime::checkpoint::{Capability, Checkpoint};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Error, Result};
use imgc_runtime::options::Options;
use imgc_runtime::preview::{Preview, Right, Scope};

use crate::account::Access;
use crate::builders::artifact::of_image;
use crate::builders::family::{Family, problems_of_image};
use crate::builders::launch::{Temporary, check_root, finish, stop, wanted};
use crate::diagnose::Way;
use crate::image;
use crate::instance::LogIn;
use crate::options;
use crate::preview::{preview, rights_of};
use crate::publish;
use crate::rights;

/// Packer's id for its artifacts.
const BUILDER_ID: &str = "mitchellh.amazonebs";
const COMPONENT: &str = "builder `amazon-ebs`";

/// What matters only when the image is made.
const CAPTURE_OPTIONS: &[&str] = &[
    "ami_block_device_mappings",
    "ami_description",
    "ami_name",
    "aws_polling",
    "ena_support",
    "force_delete_snapshot",
    "force_deregister",
    "skip_create_ami",
    "snapshot_tag",
    "snapshot_tags",
    "sriov_support",
    "tag",
    "tags",
];

/// The builder `amazon-ebs`.
#[derive(Clone, Debug, Default)]
pub struct Ebs {
    family: Family,
}

impl Ebs {
    /// One of the family of this process.
    pub(crate) fn new(family: Family) -> Self {
        Self { family }
    }
}

#[async_trait]
impl Builder for Ebs {
    fn check(&self, value: &Value) -> Vec<Problem> {
        let options = Options::new(COMPONENT, value);
        let read = Access::read(&options)
            .and_then(|_| options::Ebs::read(&options))
            .and_then(|_| LogIn::read(&options));
        problems_of_image(value, read.map(|_| ()))
    }

    fn capability(&self, options: &Value) -> Capability {
        let _ = options;
        Capability::Living
    }

    fn capture_options(&self) -> &'static [&'static str] {
        CAPTURE_OPTIONS
    }

    fn publish_options(&self) -> &'static [&'static str] {
        publish::OPTIONS
    }

    fn publishes(&self, options: &Value) -> Vec<Publish> {
        publish::publishes(options)
    }

    async fn publish(
        &self,
        cx: &Context,
        options: &Value,
        step: &str,
        artifact: &Artifact,
    ) -> Result<Artifact> {
        let options = Options::new(COMPONENT, options);
        publish::publish(self.family.accounts(), cx, &options, step, artifact).await
    }

    async fn pins(&self, cx: &Context, options: &Value, known: &Known) -> Result<Vec<Pin>> {
        let options = Options::new(COMPONENT, options);
        let read = options::Ebs::read(&options)?;
        let _ = cx;
        self.family.pins(&options, &read.launch.source, known).await
    }

    async fn prepare(&self, cx: &Context, value: &Value) -> Result<()> {
        publish::verify(value)?;
        let options = Options::new(COMPONENT, value);
        let read = options::Ebs::read(&options)?;
        let (source, image) = (&read.launch.source, Some(&read.image));
        let source = self.family.prepare(cx, &options, source, image).await?;
        self.family
            .rehearse(cx, &options, &read.launch, &source)
            .await?;
        check_root(
            &source,
            "ebs",
            "use the builder `amazon-instance`, or start from an image on EBS",
        )
    }

    async fn preview(&self, cx: &Context, options: &Value) -> Option<Preview> {
        let asks = (rights::Family::Ebs, COMPONENT);
        Some(Box::pin(preview(cx, self.family.accounts(), asks, options)).await)
    }

    async fn rights(&self, cx: &Context, options: &Value, scope: Scope) -> Vec<Right> {
        let _ = cx;
        let asks = (rights::Family::Ebs, COMPONENT);
        Box::pin(rights_of(self.family.accounts(), asks, options, scope)).await
    }

    async fn launch(&self, cx: &Context, options: &Value) -> Result<Arc<dyn Instance>> {
        let options = Options::new(COMPONENT, options);
        let read = options::Ebs::read(&options)?;
        let temporary = Temporary::launch(cx, &self.family, &options, &read.launch).await?;
        Ok(Arc::new(EbsInstance {
            way: Way::read(&options),
            temporary,
            read,
        }))
    }

    async fn restore(
        &self,
        cx: &Context,
        options: &Value,
        checkpoint: &Checkpoint,
    ) -> Result<Option<Arc<dyn Instance>>> {
        let options = Options::new(COMPONENT, options);
        let read = options::Ebs::read(&options)?;
        let restored = Temporary::restore(cx, &self.family, &options, &read.launch, checkpoint);
        let Some(temporary) = Box::pin(restored).await? else {
            return Ok(None);
        };
        Ok(Some(Arc::new(EbsInstance {
            way: Way::read(&options),
            temporary,
            read,
        })))
    }
}

/// A started instance.
struct EbsInstance {
    way: Way,
    temporary: Temporary,
    read: options::Ebs,
}

#[async_trait]
impl Instance for EbsInstance {
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

    async fn capture(&self, cx: &Context) -> Result<Artifact> {
        let read = &self.read;
        let region = &self.temporary.region;
        let instance = self.temporary.instance.id();
        stop(cx, region, instance, &read.launch.run).await?;
        if read.image.skip {
            return Ok(Artifact {
                builder_id: BUILDER_ID.to_owned(),
                description: "no AMI was made: `skip_create_ami`".to_owned(),
                ..Artifact::default()
            });
        }
        image::inherit(region, instance, &read.image).await?;
        let wanted = wanted(cx, &self.temporary.facts, &read.image)?;
        if read.image.replaces || cx.force {
            image::let_go(cx, region, &read.image).await?;
        }
        cx.output.say(format!("creating AMI {}", read.image.name));
        let (made, finished) =
            Box::pin(image::create(cx, region, instance, &wanted, read.polling)).await?;
        finish(region, &read.launch.run.encryption, &finished).await?;
        Ok(of_image(BUILDER_ID, region, &made, &finished))
    }

    async fn release(&self, cx: &Context) -> Result<()> {
        self.temporary.release(cx).await
    }
}
