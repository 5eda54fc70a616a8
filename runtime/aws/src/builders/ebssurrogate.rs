//! Builder `amazon-ebssurrogate`: a disk is filled from another machine, and becomes the root of an image.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::types::{BlockDeviceMapping, Image, Volume, VolumeState};
use futures_util::future::{try_join, try_join_all};
use imgc_compiler::value::Value;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::builder::{Builder, Instance, Known, Pin, Problem, Publish, Target};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use crate::account::Access;
use crate::builders::artifact::of_image;
use crate::builders::ebsvolume::attached;
use crate::builders::family::{Family, problems_of_image};
use crate::builders::launch::{Temporary, check_root, finish, stop, wanted};
use crate::image::{self, Contents, snapshot};
use crate::instance::LogIn;
use crate::options::{Device, Surrogate};
use crate::publish;
use crate::region::RegionClient;
use crate::resource::{Kind, Made, Thing};

/// Packer's id for its artifacts.
const BUILDER_ID: &str = "mitchellh.amazon.ebssurrogate";
const COMPONENT: &str = "builder `amazon-ebssurrogate`";

/// How long a volume may take to come and go.
const MOVING: Duration = Duration::from_secs(600);

/// What matters only when the image is made.
const CAPTURE_OPTIONS: &[&str] = &[
    "ami_architecture",
    "ami_block_device_mappings",
    "ami_description",
    "ami_name",
    "ami_root_device",
    "ami_virtualization_type",
    "aws_polling",
    "boot_mode",
    "ena_support",
    "force_delete_snapshot",
    "force_deregister",
    "snapshot_description",
    "snapshot_tag",
    "snapshot_tags",
    "sriov_support",
    "tag",
    "tags",
    "tpm_support",
    "uefi_data",
    "use_create_image",
];

/// The builder `amazon-ebssurrogate`.
#[derive(Clone, Debug, Default)]
pub struct EbsSurrogate {
    family: Family,
}

impl EbsSurrogate {
    /// One of the family of this process.
    pub(crate) fn new(family: Family) -> Self {
        Self { family }
    }
}

#[async_trait]
impl Builder for EbsSurrogate {
    fn check(&self, value: &Value) -> Vec<Problem> {
        let options = Options::new(COMPONENT, value);
        let read = Access::read(&options)
            .and_then(|_| Surrogate::read(&options))
            .and_then(|_| LogIn::read(&options));
        problems_of_image(value, read.map(|_| ()))
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
        let read = Surrogate::read(&options)?;
        let _ = cx;
        self.family.pins(&options, &read.launch.source, known).await
    }

    async fn prepare(&self, cx: &Context, value: &Value) -> Result<()> {
        publish::verify(value)?;
        let options = Options::new(COMPONENT, value);
        let read = Surrogate::read(&options)?;
        let (source, image) = (&read.launch.source, Some(&read.image));
        let source = self.family.prepare(cx, &options, source, image).await?;
        check_root(&source, "ebs", "start from an image on EBS")
    }

    async fn launch(&self, cx: &Context, options: &Value) -> Result<Arc<dyn Instance>> {
        let options = Options::new(COMPONENT, options);
        let read = Surrogate::read(&options)?;
        let temporary = Temporary::launch(cx, &self.family, &options, &read.launch).await?;
        Ok(Arc::new(SurrogateInstance { temporary, read }))
    }
}

struct SurrogateInstance {
    temporary: Temporary,
    read: Surrogate,
}

#[async_trait]
impl Instance for SurrogateInstance {
    fn target(&self) -> Target {
        self.temporary.target.clone()
    }

    fn facts(&self) -> BTreeMap<String, String> {
        self.temporary.texts()
    }

    async fn host_keys(&self, cx: &Context) -> Result<Vec<String>> {
        self.temporary.host_keys(cx).await
    }

    async fn capture(&self, cx: &Context) -> Result<Artifact> {
        let read = &self.read;
        let region = &self.temporary.region;
        let instance = self.temporary.instance.id();
        stop(cx, region, instance, &read.launch.run).await?;
        let wanted = wanted(cx, &self.temporary.facts, &read.image)?;
        let (made, finished) = match read.use_create_image {
            true => {
                if read.launch.run.spot.is_none() {
                    image::inherit(region, instance, &read.image).await?;
                }
                self.swap_root(cx).await?;
                if read.image.replaces || cx.force {
                    image::let_go(cx, region, &read.image).await?;
                }
                cx.output.say(format!("creating AMI {}", read.image.name));
                Box::pin(image::create(cx, region, instance, &wanted, read.polling)).await?
            }
            false => Box::pin(self.register(cx, &wanted)).await?,
        };
        finish(region, &read.launch.run.encryption, &finished).await?;
        Ok(of_image(BUILDER_ID, region, &made, &finished))
    }

    async fn release(&self, cx: &Context) -> Result<()> {
        self.temporary.release(cx).await
    }
}

impl SurrogateInstance {
    /// The image from snapshots of the volumes.
    async fn register(&self, cx: &Context, wanted: &image::Wanted<'_>) -> Result<(Made, Image)> {
        let read = &self.read;
        let region = &self.temporary.region;
        let attached = attached(&self.temporary.running);
        let taken = read.launch.run.devices.iter();
        let taken: Vec<&Device> = taken
            .filter(|device| device.is_volume() && !read.omitted.contains(&device.name))
            .collect();
        let mut tags = wanted.tags.clone();
        tags.extend(wanted.snapshot_tags.clone());
        let description = read.snapshot_description.as_deref();
        let made = taken.iter().map(|device| {
            let volume = attached.get(&device.name);
            let tags = &tags;
            async move {
                let volume = volume.ok_or_else(|| missing(&device.name))?;
                snapshot::create(cx, region, volume, description, tags).await
            }
        });
        let made = try_join_all(made).await?;
        let whole = made
            .iter()
            .map(|made| snapshot::completed(cx, region, made.id(), read.polling));
        try_join_all(whole).await?;
        let snapshots: BTreeMap<&str, &str> = taken
            .iter()
            .zip(&made)
            .map(|(device, made)| (device.name.as_str(), made.id()))
            .collect();
        let devices = devices(read, &snapshots);
        if read.image.replaces || cx.force {
            image::let_go(cx, region, &read.image).await?;
        }
        cx.output
            .say(format!("registering AMI {}", read.image.name));
        let contents = Contents::Devices {
            root: read.root.name.clone(),
            devices,
        };
        let mut traits = read.traits.clone();
        traits
            .architecture
            .get_or_insert_with(|| "x86_64".to_owned());
        image::register(cx, region, wanted, contents, &traits, read.polling).await
    }

    /// Puts the filled disk into the place of the root of the stopped instance. The old root is recorded: without the instance
    /// it would stay.
    async fn swap_root(&self, cx: &Context) -> Result<()> {
        let region = &self.temporary.region;
        let instance = self.temporary.instance.id();
        let attached = attached(&self.temporary.running);
        let name = self.temporary.running.root_device_name();
        let name = name.unwrap_or_default().to_owned();
        let old = attached.get(&name).ok_or_else(|| missing(&name))?;
        let source = &self.read.source_device;
        let new = attached.get(source).ok_or_else(|| missing(source))?;
        cx.output.say(format!(
            "putting the volume {new} into the place of the root"
        ));
        let (old, new) = try_join(
            detach(cx, region, instance, old),
            detach(cx, region, instance, new),
        )
        .await?;
        let request = region
            .ec2()
            .attach_volume()
            .instance_id(instance)
            .volume_id(new.id())
            .device(&name);
        region
            .call("AttachVolume", "attach the new root", request.send())
            .await?;
        moved(cx, region, new.id(), VolumeState::InUse).await?;
        self.temporary.goes_too([old, new]);
        Ok(())
    }
}

/// Takes a volume from its instance; from then on it is a thing of its own.
async fn detach(cx: &Context, region: &RegionClient, instance: &str, id: &str) -> Result<Made> {
    let thing = Thing {
        kind: Kind::Volume,
        name: id.to_owned(),
    };
    let make = async {
        let request = region.ec2().detach_volume().instance_id(instance);
        let request = request.volume_id(id).send();
        region
            .call("DetachVolume", "detach a volume", request)
            .await?;
        moved(cx, region, id, VolumeState::Available).await?;
        Ok(id.to_owned())
    };
    thing.make_known(cx, region, id, make).await
}

async fn moved(cx: &Context, region: &RegionClient, id: &str, state: VolumeState) -> Result<()> {
    let what = format!("the volume {id} to be {}", state.as_str());
    let decide = |volume: Option<&Volume>| {
        let is = volume.and_then(|volume| volume.state.as_ref());
        Ok((is == Some(&state)).then_some(()))
    };
    let volumes = region.volumes();
    volumes.until(region, cx, id, &what, MOVING, decide).await
}

/// The devices of the image: those of the template, those of the instance with their snapshots instead where both have one
/// name, and the root under the name it will have.
fn devices(read: &Surrogate, snapshots: &BTreeMap<&str, &str>) -> Vec<BlockDeviceMapping> {
    let mut all: BTreeMap<&str, BlockDeviceMapping> = BTreeMap::new();
    for device in &read.image.devices {
        all.insert(&device.name, device.mapping());
    }
    for device in &read.launch.run.devices {
        if read.omitted.contains(&device.name) {
            continue;
        }
        let snapshot = snapshots.get(device.name.as_str()).copied();
        match device.name == read.source_device {
            true => all.insert(
                &read.root.name,
                read.root.of_snapshot(snapshot, Some(device)),
            ),
            false => all.insert(&device.name, device.of_snapshot(snapshot, None)),
        };
    }
    all.into_values().collect()
}

fn missing(device: &str) -> Error {
    Error::new(
        Class::Remote,
        "run/aws-instance",
        format!("the instance has no volume at {device}"),
    )
    .help("`device_name` must be one that EC2 takes, such as /dev/sdf, and no instance store")
}
