//! Checkpoints of a build on a temporary instance: images of it as it runs, made where the template asks for them.
//!
//! In: an instance on which a provisioner has just ended, or a checkpoint of an earlier run. Out: an image that the state keeps (none
//! of the run's things any more; its marks let it expire), or what an instance is started from in place of the template's image.
//!
//! The image is made without a reboot: what the build has running goes on, and what a process has not written yet is not in it. What
//! the page cache holds is written before.

use std::time::Duration;

use aws_sdk_ec2::types::{Image, ImageState, Instance, ResourceType};
use imgc_runtime::builder::Sealed;
use imgc_runtime::checkpoint::{Capability, Checkpoint};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::ledger::CloudResource;
use imgc_runtime::machine::{Command, Machine, OsFamily};
use imgc_runtime::state::Moment;
use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::builders::Facts;
use crate::builders::launch::{Origin, Temporary};
use crate::clock;
use crate::image;
use crate::options::{Device, Polling};
use crate::region::{RegionClient, filter, incomplete};
use crate::resource::{Kind, Patience, Thing, by_name, settle};
use crate::tags;

/// The form of what is recorded.
const VERSION: u32 = 1;
/// How long a checkpoint counts.
pub(crate) const DAYS: Moment = 14;
/// The same in milliseconds.
const LIFE: Moment = DAYS * 24 * 3600 * 1000;
/// How long writing what the page cache holds may take.
const SYNC: Duration = Duration::from_secs(300);
/// How long it may take until the snapshots of an image have begun: they hold what is on the disks at that moment.
const BEGINNING: Duration = Duration::from_secs(180);
/// The wait between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// What an instance is started from.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    image: CloudResource,
    /// What is known of the template's image.
    facts: Facts,
    /// Public halves of keys that are on its disk, as their blobs in base64: they go when the build's image is made.
    #[serde(default)]
    keys: Vec<String>,
}

/// Keeps an instance as it is now, where that can be found again.
pub(super) async fn keep(cx: &Context, temporary: &Temporary, sealed: &Sealed<'_>) -> Result<()> {
    let (Some(checkpoints), Some(fingerprint)) = (&cx.checkpoints, &cx.fingerprint) else {
        return Ok(());
    };
    if let Some(machine) = sealed.machine {
        sync(cx, machine).await?;
    }
    let region = &temporary.region;
    // The run's own clock stands still, and goes on with a run that is gone on with.
    let now = jiff::Timestamp::now().as_millisecond();
    let expires = now.saturating_add(LIFE);
    let thing = Thing::new(Kind::Image)?;
    let mut own = thing.tags(cx, &tags::Tags::new());
    own.insert(tags::EXPIRES.to_owned(), clock::written(expires));
    let step: String = sealed.address.chars().take(tags::LONGEST).collect();
    own.insert(tags::CHECKPOINT.to_owned(), step);
    let kept: Vec<_> = temporary.kept.iter().map(Device::mapping).collect();
    let request = region
        .ec2()
        .create_image()
        .instance_id(temporary.instance.id())
        .name(&thing.name)
        .description("a checkpoint of a build by imgc")
        .no_reboot(true)
        .set_block_device_mappings(Some(kept).filter(|kept| !kept.is_empty()))
        .tag_specifications(tags::specification(ResourceType::Image, &own))
        .tag_specifications(tags::specification(ResourceType::Snapshot, &own));
    let make = async {
        let answer = region.call("CreateImage", "keep the instance as it is", request.send());
        let id = answer.await?.image_id;
        id.ok_or_else(|| incomplete("CreateImage", "id"))
    };
    let made = thing.make(cx, region, make).await?;
    settle([made.id().to_owned()]).await;
    let snapshots = begun(cx, region, &thing.name, disks(&temporary.running)).await?;
    settle(snapshots.iter().cloned()).await;
    let mut things = vec![made.record.clone()];
    things.extend(snapshots.into_iter().map(|id| CloudResource {
        kind: Kind::Snapshot.word().to_owned(),
        name: id.clone(),
        id: Some(id),
        ..made.record.clone()
    }));
    let mut facts = temporary.facts.clone();
    for secret in ["Password", "WinRMPassword"] {
        facts.texts.remove(secret);
    }
    let kept = Kept {
        image: made.record.clone(),
        facts,
        keys: temporary.keys_on_disk.clone(),
    };
    let data = serde_json::to_value(kept).map_err(|error| {
        Error::new(
            Class::Bug,
            "run/state",
            "what a checkpoint is found by cannot be written down",
        )
        .because(error)
    })?;
    let checkpoint = Checkpoint {
        capability: Capability::Image,
        version: VERSION,
        data,
        parts: Vec::new(),
        things,
        expires: Some(expires),
    };
    checkpoints
        .put(fingerprint, sealed.address, checkpoint)
        .await?;
    // From now on it is the state's.
    cx.ledger.forget(made.number);
    cx.output.say(format!(
        "checkpoint: {} holds the machine after {}, until {}",
        made.id(),
        sealed.address,
        clock::written(expires)
    ));
    Ok(())
}

/// What an instance is started from in place of the template's image; `None`, and why is said, where that is not there any more.
pub(super) async fn find(
    cx: &Context,
    (account, region): (&Account, &RegionClient),
    checkpoint: &Checkpoint,
    polling: Polling,
) -> Result<Option<Origin>> {
    let kept = match checkpoint.version {
        VERSION => serde_json::from_value::<Kept>(checkpoint.data.clone()).ok(),
        _ => None,
    };
    let Some(kept) = kept.filter(|kept| kept.image.place == region.name()) else {
        return Ok(None);
    };
    account.has(&kept.image.reach, region.name()).await?;
    let id = kept.image.id.as_deref().unwrap_or_default();
    let request = region.ec2().describe_images().owners("self");
    let request = request.filters(filter("image-id", [id])).send();
    let answer = region.call("DescribeImages", "look for a checkpoint", request);
    let found = answer.await?.images.unwrap_or_default().into_iter().next();
    let Some(found) = found else {
        cx.output.say(format!("the image {id} is gone"));
        return Ok(None);
    };
    let is_whole = found.state == Some(ImageState::Available);
    let image: Image = match is_whole {
        true => found,
        false => match image::available(cx, region, id, polling).await {
            // It has failed, and nothing will become of it.
            Err(error) if error.id == "run/aws-image" => {
                cx.output.say(error.chain());
                return Ok(None);
            }
            available => available?,
        },
    };
    Ok(Some(Origin {
        image,
        facts: Some(kept.facts),
        keys: kept.keys,
        is_alone: true,
    }))
}

/// Has the machine write what is only in its memory yet.
async fn sync(cx: &Context, machine: &dyn Machine) -> Result<()> {
    if machine.os() != OsFamily::Unix {
        return Ok(());
    }
    let command = Command::new("sync");
    let _waiting = cx.waiting("the machine to write to its disks");
    match tokio::time::timeout(SYNC, machine.query(&command)).await {
        Ok(written) => written.map(drop),
        Err(_) => Err(Error::new(
            Class::Timeout,
            "run/timeout",
            format!("`sync` took longer than {} s", SYNC.as_secs()),
        )
        .help("look at what writes to the disks of the machine")),
    }
}

/// How many disks of an instance become snapshots.
fn disks(instance: &Instance) -> usize {
    let devices = instance.block_device_mappings().iter();
    devices.filter(|device| device.ebs.is_some()).count()
}

/// Waits until each disk has its snapshot: until then it would hold what comes later as well. Gives their ids.
async fn begun(
    cx: &Context,
    region: &RegionClient,
    name: &str,
    wanted: usize,
) -> Result<Vec<String>> {
    let _waiting = cx.waiting("the snapshots of the checkpoint to begin");
    let looks = async {
        loop {
            let found = by_name(region, Kind::Snapshot, name, Patience::none()).await?;
            if found.len() >= wanted {
                return Ok(found);
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    match tokio::time::timeout(BEGINNING, looks).await {
        Ok(found) => found,
        Err(_) => Err(Error::new(
            Class::Timeout,
            "run/aws-image",
            format!(
                "the snapshots of the checkpoint have not begun within {} s",
                BEGINNING.as_secs()
            ),
        )
        .help("a quota of snapshots, or a right that is missing (ec2:DescribeSnapshots), looks like this")),
    }
}
