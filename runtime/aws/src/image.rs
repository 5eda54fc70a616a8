//! Images: made from an instance, waited for, finished.

use aws_sdk_ec2::types::{
    AttributeBooleanValue, AttributeValue, Image, ImageState, ImdsSupportValues, LaunchPermission,
    LaunchPermissionModifications, PermissionGroup, ResourceType, Tag,
};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};

use crate::lookup::taken;
use crate::options::{self, Device, Polling};
use crate::region::{RegionClient, incomplete};
use crate::resource::{Kind, Made, Thing, snapshots_of};
use crate::tags::{self, Tags};

/// EC2's word for the second version of the metadata service.
const V2: &str = "v2.0";

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
        .name(&wanted.options.name)
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
    Ok((made, image))
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
        region.call("DeregisterImage", attempt, request).await?;
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

/// Lets accounts and groups start an image.
pub(crate) async fn share(
    region: &RegionClient,
    id: &str,
    users: &[String],
    groups: &[String],
) -> Result<()> {
    if users.is_empty() && groups.is_empty() {
        return Ok(());
    }
    let mut all = LaunchPermissionModifications::builder();
    for user in users {
        all = all.add(LaunchPermission::builder().user_id(user).build());
    }
    for group in groups {
        let group = PermissionGroup::from(group.as_str());
        all = all.add(LaunchPermission::builder().group(group).build());
    }
    let request = region.ec2().modify_image_attribute();
    let request = request.image_id(id).launch_permission(all.build()).send();
    region
        .call("ModifyImageAttribute", "share an image", request)
        .await?;
    Ok(())
}

/// What an image says of the metadata service to instances started from it: the second version only, unless the template
/// says otherwise.
pub(crate) async fn guard_metadata(
    region: &RegionClient,
    image: &Image,
    wanted: Option<&str>,
) -> Result<()> {
    let wanted = wanted.unwrap_or(V2);
    let has = image.imds_support.as_ref().map(ImdsSupportValues::as_str);
    if wanted != V2 || has == Some(V2) {
        return Ok(());
    }
    let request = region
        .ec2()
        .modify_image_attribute()
        .set_image_id(image.image_id.clone())
        .imds_support(AttributeValue::builder().value(V2).build());
    region
        .call(
            "ModifyImageAttribute",
            "require the second version of the metadata service of an image's instances",
            request.send(),
        )
        .await?;
    Ok(())
}

/// Sets on the instance what the image takes from it: enhanced networking.
pub(crate) async fn inherit(
    region: &RegionClient,
    instance: &str,
    options: &options::Image,
) -> Result<()> {
    let modify = || {
        region
            .ec2()
            .modify_instance_attribute()
            .instance_id(instance)
    };
    let action = "ModifyInstanceAttribute";
    let attempt = "set enhanced networking of an instance";
    if let Some(ena) = options.ena {
        let value = AttributeBooleanValue::builder().value(ena).build();
        let request = modify().ena_support(value).send();
        region.call(action, attempt, request).await?;
    }
    if options.sriov {
        let value = AttributeValue::builder().value("simple").build();
        let request = modify().sriov_net_support(value).send();
        region.call(action, attempt, request).await?;
    }
    Ok(())
}

/// Takes the mark of something temporary from a finished image and its snapshots.
pub(crate) async fn keep(region: &RegionClient, image: &Image) -> Result<()> {
    let id = image.image_id.clone();
    let ids = id.into_iter().chain(snapshots_of(image));
    let request = region
        .ec2()
        .delete_tags()
        .set_resources(Some(ids.collect()))
        .tags(Tag::builder().key(tags::EXPIRES).build());
    region
        .call("DeleteTags", "mark an image as finished", request.send())
        .await?;
    Ok(())
}
