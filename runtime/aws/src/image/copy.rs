//! Copies of an image in other regions.
//!
//! A copy is encrypted as it is made, with the key of its region, and carries its tags from the beginning.

use aws_sdk_ec2::types::{Image, ResourceType};
use imgc_runtime::context::Context;
use imgc_runtime::error::Result;

use super::{available, known};
use crate::options::Polling;
use crate::region::{RegionClient, filter, incomplete};
use crate::resource::{Kind, Made, Thing, snapshots_of};
use crate::tags::{self, Tags};

/// What is copied, and how.
pub(crate) struct Copy<'a> {
    /// The region of the image.
    pub(crate) from: &'a RegionClient,
    /// The image.
    pub(crate) image: &'a str,
    /// What the copy is called, where that is not the name of the image.
    pub(crate) name: Option<&'a str>,
    pub(crate) encrypted: bool,
    /// `None` for the account's default in the region.
    pub(crate) key: Option<&'a str>,
    /// How long it may take at most.
    pub(crate) minutes: Option<i64>,
    /// Whether the snapshots have tags of their own.
    pub(crate) tags_snapshots: bool,
    pub(crate) polling: Polling,
}

/// Makes a copy in `region` and waits until it is available.
pub(crate) async fn copy(
    cx: &Context,
    region: &RegionClient,
    wanted: &Copy<'_>,
) -> Result<(Made, Image)> {
    let source = known(cx, wanted.from, wanted.image, wanted.polling).await?;
    let thing = Thing::new(Kind::Image)?;
    let image_tags = thing.tags(cx, &own_tags(source.tags()));
    let snapshot_tags = match wanted.tags_snapshots {
        true => thing.tags(cx, &snapshot_tags(wanted.from, &source).await?),
        false => image_tags.clone(),
    };
    let request = region
        .ec2()
        .copy_image()
        .client_token(&thing.name)
        .source_region(wanted.from.name())
        .source_image_id(wanted.image)
        .set_name(wanted.name.map(str::to_owned).or(source.name))
        .set_description(source.description)
        .set_encrypted(wanted.encrypted.then_some(true))
        .set_kms_key_id(wanted.key.map(str::to_owned))
        .set_snapshot_copy_completion_duration_minutes(wanted.minutes)
        .tag_specifications(tags::specification(ResourceType::Image, &image_tags))
        .tag_specifications(tags::specification(ResourceType::Snapshot, &snapshot_tags));
    let make = async {
        let attempt = format!("copy the image to {}", region.name());
        let answer = region.call("CopyImage", &attempt, request.send());
        answer
            .await?
            .image_id
            .ok_or_else(|| incomplete("CopyImage", "id"))
    };
    let made = thing.make(cx, region, make).await?;
    cx.output.say(format!("AMI: {}", made.id()));
    let image = available(cx, region, made.id(), wanted.polling).await?;
    region.remember(made.id(), &image);
    Ok((made, image))
}

/// The tags of an image's first snapshot that are not ours: all of an image's have the same.
async fn snapshot_tags(region: &RegionClient, image: &Image) -> Result<Tags> {
    let request = region.ec2().describe_snapshots().owner_ids("self");
    let request = request.filters(filter("snapshot-id", snapshots_of(image)));
    let attempt = "see the tags of the image's snapshots";
    let answer = region.call("DescribeSnapshots", attempt, request.send());
    let snapshots = answer.await?.snapshots.unwrap_or_default();
    let tags = snapshots.first().map(|snapshot| own_tags(snapshot.tags()));
    Ok(tags.unwrap_or_default())
}

/// Those that the template asks for.
fn own_tags(all: &[aws_sdk_ec2::types::Tag]) -> Tags {
    let ours = [tags::RUN, tags::NAME, tags::BUILD, tags::EXPIRES];
    let pairs = all
        .iter()
        .filter_map(|tag| Some((tag.key()?, tag.value()?)));
    pairs
        .filter(|(key, _)| !ours.contains(key) && !key.starts_with("aws:"))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
