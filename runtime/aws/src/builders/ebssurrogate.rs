//! Builder `amazon-ebssurrogate`: a disk is filled from another machine, and becomes the root of an image.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::types::{BlockDeviceMapping, Image, Volume, VolumeState};
use futures_util::future::{try_join, try_join_all};
use imgc_runtime::artifact::Artifact;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use crate::builders::artifact::of_image;
use crate::builders::launch::{Temporary, attached, finish, stop, wanted};
use crate::builders::on_instance::Recipe;
use crate::image::{self, Contents, snapshot};
use crate::options::{self, Device, Launch, Surrogate};
use crate::region::RegionClient;
use crate::resource::{Kind, Made, Thing};
use crate::rights;

/// Packer's id for its artifacts.
const BUILDER_ID: &str = "mitchellh.amazon.ebssurrogate";

/// How long a volume may take to come and go.
const MOVING: Duration = Duration::from_secs(600);

#[async_trait]
impl Recipe for Surrogate {
    const COMPONENT: &'static str = "builder `amazon-ebssurrogate`";
    const FAMILY: rights::Family = rights::Family::Surrogate;
    const CAPTURE_OPTIONS: &'static [&'static str] = &[
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
        "skip_save_build_region",
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
    const ROOT: (&'static str, &'static str) = ("ebs", "start from an image on EBS");

    const BOOTS: bool = true;

    type Progress = ();

    fn read(options: &Options<'_>) -> Result<Self> {
        Self::read(options)
    }

    fn launch(&self) -> &Launch {
        &self.launch
    }

    fn image(&self) -> Option<&options::Image> {
        Some(&self.image)
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
        let wanted = wanted(cx, &temporary.facts, &self.image)?;
        let (made, finished) = match self.use_create_image {
            true => {
                if self.launch.run.spot.is_none() {
                    image::inherit(region, instance, &self.image).await?;
                }
                self.swap_root(cx, temporary).await?;
                if self.image.replaces_at_home(cx.force) {
                    image::let_go(cx, region, &self.image).await?;
                }
                cx.output.say(format!("creating AMI {}", self.image.name));
                Box::pin(image::create(cx, region, instance, &wanted, self.polling)).await?
            }
            false => Box::pin(self.register(cx, temporary, &wanted)).await?,
        };
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

impl Surrogate {
    /// The image from snapshots of the volumes.
    async fn register(
        &self,
        cx: &Context,
        temporary: &Temporary,
        wanted: &image::Wanted<'_>,
    ) -> Result<(Made, Image)> {
        let read = self;
        let region = &temporary.region;
        let attached = attached(&temporary.running);
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
        if read.image.replaces_at_home(cx.force) {
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
    async fn swap_root(&self, cx: &Context, temporary: &Temporary) -> Result<()> {
        let region = &temporary.region;
        let instance = temporary.instance.id();
        let attached = attached(&temporary.running);
        let name = temporary.running.root_device_name();
        let name = name.unwrap_or_default().to_owned();
        let old = attached.get(&name).ok_or_else(|| missing(&name))?;
        let source = &self.source_device;
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
        temporary.goes_too([old, new]);
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
