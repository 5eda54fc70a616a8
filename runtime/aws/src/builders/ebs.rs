//! Builder `amazon-ebs`: an instance of an image is started, provisioned, stopped, and becomes an image.
//!
//! Options, their defaults and the artifact's form are those of Packer's Amazon plugin; where the defaults differ, and why, stands
//! in `docs/design/amazon.md`.

use async_trait::async_trait;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use crate::builders::artifact::of_image;
use crate::builders::launch::{Temporary, finish, stop, wanted};
use crate::builders::on_instance::{Disk, Recipe};
use crate::image;
use crate::options::{Ebs, Image, Launch, Polling};
use crate::rights;

/// Packer's id for its artifacts.
const BUILDER_ID: &str = "mitchellh.amazonebs";

#[async_trait]
impl Recipe for Ebs {
    const COMPONENT: &'static str = "builder `amazon-ebs`";
    const FAMILY: rights::Family = rights::Family::Ebs;
    const CAPTURE_OPTIONS: &'static [&'static str] = &[
        "ami_block_device_mappings",
        "ami_description",
        "ami_name",
        "aws_polling",
        "ena_support",
        "force_delete_snapshot",
        "force_deregister",
        "skip_create_ami",
        "skip_save_build_region",
        "snapshot_tag",
        "snapshot_tags",
        "sriov_support",
        "tag",
        "tags",
    ];
    const ROOT: (&'static str, &'static str) = (
        "ebs",
        "use the builder `amazon-instance`, or start from an image on EBS",
    );
    const DISK: Disk = Disk::Own;

    const BOOTS: bool = true;
    const KEEPS: bool = true;

    type Progress = ();

    fn read(options: &Options<'_>) -> Result<Self> {
        Self::read(options)
    }

    fn launch(&self) -> &Launch {
        &self.launch
    }

    fn image(&self) -> Option<&Image> {
        Some(&self.image)
    }

    fn polling(&self) -> Option<Polling> {
        Some(self.polling)
    }

    /// An image made of an instance has the virtualization of the source.
    fn suits(&self, source: &aws_sdk_ec2::types::Image) -> Result<()> {
        let has = source.virtualization_type.as_ref();
        match (self.virtualization.as_deref(), has) {
            (Some(wanted), Some(has)) if wanted != has.as_str() => Err(Error::new(
                Class::Template,
                "run/aws-source-image",
                format!(
                    "the image {} has the virtualization `{has}`, which the new one will have as well, and \
                     `ami_virtualization_type` is `{wanted}`",
                    source.image_id().unwrap_or_default()
                ),
            )
            .help("start from another image: one that is found by `virtualization-type`, for example")),
            _ => Ok(()),
        }
    }

    async fn capture(
        &self,
        cx: &Context,
        temporary: &Temporary,
        _progress: &Self::Progress,
    ) -> Result<Artifact> {
        let region = &temporary.region;
        let instance = temporary.instance.id();
        stop(cx, region, instance, &self.launch.run).await?;
        if self.image.skip {
            return Ok(Artifact {
                builder_id: BUILDER_ID.to_owned(),
                description: "no AMI was made: `skip_create_ami`".to_owned(),
                ..Artifact::default()
            });
        }
        image::inherit(region, instance, &self.image).await?;
        let mut image = self.image.clone();
        for device in &temporary.kept {
            if image.devices.iter().all(|own| own.name != device.name) {
                image.devices.push(device.clone());
            }
        }
        let wanted = wanted(cx, &temporary.facts, &image)?;
        if self.image.replaces_at_home(cx.force) {
            image::let_go(cx, region, &self.image).await?;
        }
        cx.output.say(format!("creating AMI {}", self.image.name));
        let (made, finished) =
            Box::pin(image::create(cx, region, instance, &wanted, self.polling)).await?;
        finish(
            cx,
            region,
            &self.launch.run.encryption,
            &self.image,
            &finished,
        )
        .await?;
        Ok(of_image(BUILDER_ID, region, &self.image, &made, &finished))
    }
}
