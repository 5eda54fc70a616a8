//! The volume that is filled: of the source's root, or empty.
//!
//! In: what the template says, and the source. Out: the request for it, which a rehearsal makes as well, and the volume.

use aws_sdk_ec2::operation::create_volume::builders::CreateVolumeFluentBuilder;
use aws_sdk_ec2::types::{EbsBlockDevice, Image, ResourceType, Volume, VolumeState, VolumeType};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};

use super::MOVING;
use crate::builders::family::Facts;
use crate::builders::render::Render;
use crate::options::Chroot;
use crate::region::{RegionClient, incomplete};
use crate::resource::{Kind, Made, Thing};
use crate::tags::{self, Tags};

/// What a volume from scratch is made of.
const USUAL_KIND: &str = "gp2";

/// A volume that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct RootVolume {
    /// In GiB.
    size: Option<i32>,
    kind: VolumeType,
    /// What its speed follows from, where that is the kind of the source's.
    alike: Option<EbsBlockDevice>,
    snapshot: Option<String>,
    /// The key, where it is encrypted whatever it starts from; the inner `None` is the region's own.
    encryption: Option<Option<String>>,
    /// Of the template.
    tags: Tags,
}

impl RootVolume {
    /// Of a template and its source; `tags` are rendered.
    pub(crate) fn new(read: &Chroot, source: Option<&Image>, region: &str, tags: Tags) -> Self {
        let root = source.and_then(root_of);
        let size = match (read.root.size, root.and_then(EbsBlockDevice::volume_size)) {
            (Some(own), Some(least)) => Some(own.max(least)),
            (own, least) => own.or(least),
        };
        let kind = read.root.kind.as_deref().map(VolumeType::from);
        let usual = root.and_then(|root| root.volume_type.clone());
        // What is said of the speed of one kind does not hold for another.
        let alike = root.filter(|_| kind.is_none() || kind == usual);
        Self {
            size,
            kind: kind.or(usual).unwrap_or(VolumeType::from(USUAL_KIND)),
            alike: alike.cloned(),
            snapshot: root.and_then(|root| root.snapshot_id.clone()),
            encryption: read.root_encryption(region),
            tags,
        }
    }

    /// The request for it in a zone, as a thing of this run.
    pub(crate) fn request(
        &self,
        cx: &Context,
        region: &RegionClient,
        zone: &str,
        thing: &Thing,
    ) -> CreateVolumeFluentBuilder {
        let alike = self.alike.as_ref();
        let kind = self.kind.clone();
        let has_speed = matches!(kind, VolumeType::Io1 | VolumeType::Io2 | VolumeType::Gp3);
        region
            .ec2()
            .create_volume()
            .availability_zone(zone)
            .set_size(self.size)
            .volume_type(kind.clone())
            .set_iops(alike.and_then(EbsBlockDevice::iops).filter(|_| has_speed))
            .set_throughput(
                alike
                    .and_then(EbsBlockDevice::throughput)
                    .filter(|_| kind == VolumeType::Gp3),
            )
            .set_snapshot_id(self.snapshot.clone())
            .set_encrypted(self.encryption.is_some().then_some(true))
            .set_kms_key_id(self.encryption.clone().flatten())
            .tag_specifications(tags::specification(
                ResourceType::Volume,
                &thing.tags(cx, &self.tags),
            ))
    }
}

/// Makes it, and waits until it can be attached.
pub(super) async fn make_volume(
    cx: &Context,
    region: &RegionClient,
    read: &Chroot,
    facts: &Facts,
    source: Option<&Image>,
    zone: &str,
) -> Result<Made> {
    let thing = Thing::new(Kind::Volume)?;
    let own = Render::new(cx, facts).tags(&read.root.tags, "root_volume_tags")?;
    let wanted = RootVolume::new(read, source, region.name(), own);
    let request = wanted.request(cx, region, zone, &thing);
    let request = request.client_token(&thing.name);
    let make = async {
        let answer = region.call("CreateVolume", "make the volume", request.send());
        let id = answer.await?.volume_id;
        id.ok_or_else(|| incomplete("CreateVolume", "id"))
    };
    let made = thing.make(cx, region, make).await?;
    cx.output.say(format!("volume: {}", made.id()));
    available(cx, region, made.id()).await?;
    Ok(made)
}

/// The disk that an image starts from.
pub(crate) fn root_of(image: &Image) -> Option<&EbsBlockDevice> {
    let name = image.root_device_name()?;
    let mut devices = image.block_device_mappings().iter();
    let root = devices.find(|device| device.device_name() == Some(name))?;
    root.ebs.as_ref()
}

/// Waits until a volume can be attached.
pub(super) async fn available(cx: &Context, region: &RegionClient, id: &str) -> Result<()> {
    let what = format!("the volume {id} to be available");
    let decide = |volume: Option<&Volume>| {
        let state = volume.and_then(|volume| volume.state.as_ref());
        match state {
            Some(VolumeState::Available) => Ok(Some(())),
            Some(VolumeState::Error) => Err(Error::new(
                Class::Remote,
                "run/aws-instance",
                format!("the volume {id} cannot be made"),
            )
            .help("a key that may not be used ends like this")),
            _ => Ok(None),
        }
    };
    let volumes = region.volumes();
    volumes.until(region, cx, id, &what, MOVING, decide).await
}
