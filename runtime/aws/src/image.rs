//! Images: made from an instance, waited for, finished.
//!
//! - `image/copy.rs`: in other regions.
//! - `image/attributes.rs`: who may use them, and for how long.

mod register;
pub(crate) mod snapshot;

pub(crate) use register::{Contents, register};

use aws_sdk_ec2::types::{AttributeBooleanValue, AttributeValue, Image, ImageState, ResourceType};
use imgc_runtime::artifact::Artifact;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::ledger::CloudResource;

use crate::lookup::taken;
use crate::options::{self, Device, Polling};
use crate::region::{RegionClient, incomplete};
use crate::resource::{Kind, Made, PROVIDER, Thing, snapshots_of};
use crate::tags::{self, Tags};

mod attributes;
mod copy;

pub(crate) use attributes::{
    deprecate, guard_metadata, mark_product, prepare_fast_launch, protect, share, share_snapshots,
    unshare, unshare_snapshots,
};
pub(crate) use copy::{Copy, copy};

/// What an image is made with: the template's options, rendered.
pub(crate) struct Wanted<'a> {
    pub(crate) options: &'a options::Image,
    pub(crate) description: Option<String>,
    pub(crate) tags: Tags,
    pub(crate) snapshot_tags: Tags,
}

/// Makes an image of an instance and waits until it is available.
pub(crate) async fn create(
    cx: &Context,
    region: &RegionClient,
    instance: &str,
    wanted: &Wanted<'_>,
    polling: Polling,
) -> Result<(Made, Image)> {
    let thing = Thing::new(Kind::Image)?;
    let image_tags = thing.tags(cx, &wanted.tags);
    let mut snapshot_tags = thing.tags(cx, &wanted.tags);
    snapshot_tags.extend(wanted.snapshot_tags.clone());
    let devices = wanted.options.devices.iter().map(Device::mapping);
    let devices: Vec<_> = devices.collect();
    let request = region
        .ec2()
        .create_image()
        .instance_id(instance)
        .name(wanted.options.name_at_home(&thing.name))
        .set_description(wanted.description.clone())
        .set_block_device_mappings(Some(devices).filter(|devices| !devices.is_empty()))
        .tag_specifications(tags::specification(ResourceType::Image, &image_tags))
        .tag_specifications(tags::specification(ResourceType::Snapshot, &snapshot_tags));
    let make = async {
        let answer = region.call("CreateImage", "make an image", request.send());
        answer
            .await?
            .image_id
            .ok_or_else(|| incomplete("CreateImage", "id"))
    };
    let made = thing.make(cx, region, make).await?;
    cx.output.say(format!("AMI: {}", made.id()));
    let image = available(cx, region, made.id(), polling).await?;
    region.remember(made.id(), &image);
    Ok((made, image))
}

/// An image of this account: one that this process has made is not asked about again.
pub(crate) async fn known(
    cx: &Context,
    region: &RegionClient,
    id: &str,
    polling: Polling,
) -> Result<Image> {
    match region.recall(id) {
        Some(image) => Ok(image),
        None => available(cx, region, id, polling).await,
    }
}

/// Refuses an image with a disk that is not encrypted.
pub(crate) fn check_encrypted(image: &Image) -> Result<()> {
    let disks = image.block_device_mappings().iter();
    let mut open = disks.filter(|disk| {
        let ebs = disk.ebs.as_ref();
        ebs.is_some_and(|ebs| ebs.encrypted != Some(true))
    });
    match open.next() {
        None => Ok(()),
        Some(disk) => Err(Error::new(
            Class::Remote,
            "run/aws-image",
            format!(
                "the disk {} of the image {} is not encrypted",
                disk.device_name().unwrap_or_default(),
                image.image_id().unwrap_or_default()
            ),
        )
        .help(
            "`encrypt_boot` is set: look for a disk that a provisioner has attached, or for one of \
             `ami_block_device_mappings` without encrypted = true",
        )),
    }
}

/// What an image of a region adds to an artifact: its id and a line as Packer gives them, and what it consists of.
pub(crate) fn artifact_of(region: &RegionClient, made: &Made, image: &Image) -> Artifact {
    let place = region.name();
    let mut things = vec![made.record.clone()];
    let snapshots = snapshots_of(image).into_iter();
    things.extend(snapshots.map(|snapshot| CloudResource {
        provider: PROVIDER.to_owned(),
        kind: Kind::Snapshot.word().to_owned(),
        place: place.to_owned(),
        name: snapshot.clone(),
        id: Some(snapshot),
        reach: region.reach(),
        asked: None,
    }));
    Artifact {
        id: format!("{place}:{}", made.id()),
        description: format!("{place}: {}\n", made.id()),
        things,
        ..Artifact::default()
    }
}

/// Waits until an image is available.
pub(crate) async fn available(
    cx: &Context,
    region: &RegionClient,
    id: &str,
    polling: Polling,
) -> Result<Image> {
    let what = format!("the image {id} to become available");
    let decide = |image: Option<&Image>| {
        let Some(image) = image else {
            return Ok(None);
        };
        match image.state.as_ref() {
            Some(ImageState::Available) => Ok(Some(image.clone())),
            Some(
                state @ (ImageState::Failed
                | ImageState::Error
                | ImageState::Invalid
                | ImageState::Deregistered),
            ) => {
                let why = image.state_reason.as_ref();
                let why = why.and_then(|why| why.message.as_deref());
                Err(Error::new(
                    Class::Remote,
                    "run/aws-image",
                    format!(
                        "the image {id} is {}: {}",
                        state.as_str(),
                        why.unwrap_or("Amazon gives no reason")
                    ),
                )
                .help("a quota of snapshots or a key that may not be used ends like this"))
            }
            _ => Ok(None),
        }
    };
    let images = region.images();
    images
        .until(region, cx, id, &what, polling.limit, decide)
        .await
}

/// Lets go of the images that have the name of a new one, as the template asks: names are unique, so they go before it comes.
pub(crate) async fn let_go(
    cx: &Context,
    region: &RegionClient,
    options: &options::Image,
) -> Result<()> {
    for image in taken(region, &options.name).await? {
        let Some(id) = &image.image_id else {
            continue;
        };
        cx.output
            .say(format!("deregistering AMI {id}, which has the name"));
        let request = region.ec2().deregister_image().image_id(id).send();
        let attempt = "deregister the image that has the name";
        match region.call("DeregisterImage", attempt, request).await {
            // Gone in the meantime, or the answer to an earlier request was lost.
            Err(error) if error.id == "run/aws-missing" => {}
            gone => {
                gone?;
            }
        }
        if !options.replaces_snapshots {
            continue;
        }
        for snapshot in snapshots_of(&image) {
            let request = region.ec2().delete_snapshot().snapshot_id(snapshot);
            let attempt = "delete a snapshot of the image that had the name";
            let answer = region.call("DeleteSnapshot", attempt, request.send()).await;
            // Another image may use it.
            if let Err(error) = answer {
                cx.output.warn(error.chain());
            }
        }
    }
    Ok(())
}

/// Sets on the instance what the image takes from it: enhanced networking.
pub(crate) async fn inherit(
    region: &RegionClient,
    instance: &str,
    options: &options::Image,
) -> Result<()> {
    network(region, instance, options.ena, options.sriov).await
}

/// Sets enhanced networking of an instance, where something is said of it.
pub(crate) async fn network(
    region: &RegionClient,
    instance: &str,
    ena: Option<bool>,
    sriov: bool,
) -> Result<()> {
    let modify = || {
        region
            .ec2()
            .modify_instance_attribute()
            .instance_id(instance)
    };
    let action = "ModifyInstanceAttribute";
    let attempt = "set enhanced networking of an instance";
    if let Some(ena) = ena {
        let value = AttributeBooleanValue::builder().value(ena).build();
        let request = modify().ena_support(value).send();
        region.call(action, attempt, request).await?;
    }
    if sriov {
        let value = AttributeValue::builder().value("simple").build();
        let request = modify().sriov_net_support(value).send();
        region.call(action, attempt, request).await?;
    }
    Ok(())
}

/// Takes the mark of something temporary from what an image consists of, by ids.
pub(crate) async fn keep_all(region: &RegionClient, ids: Vec<String>) -> Result<()> {
    let keeps = &region.together().keeps;
    keeps.with(region, ids).await
}

/// Takes the mark of something temporary from a finished image and its snapshots.
pub(crate) async fn keep(region: &RegionClient, image: &Image) -> Result<()> {
    let id = image.image_id.clone();
    keep_all(region, id.into_iter().chain(snapshots_of(image)).collect()).await
}
