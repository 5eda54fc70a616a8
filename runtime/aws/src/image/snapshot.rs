//! Snapshots of volumes.

use aws_sdk_ec2::types::{
    CreateVolumePermission, CreateVolumePermissionModifications, PermissionGroup, ResourceType,
    Snapshot, SnapshotState,
};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};

use crate::options::Polling;
use crate::region::{RegionClient, incomplete};
use crate::resource::{Kind, Made, Thing};
use crate::tags::{self, Tags};

/// Asks for a snapshot of a volume; it holds what is on the volume at that moment.
pub(crate) async fn create(
    cx: &Context,
    region: &RegionClient,
    volume: &str,
    description: Option<&str>,
    own: &Tags,
) -> Result<Made> {
    let thing = Thing::new(Kind::Snapshot)?;
    let usual = format!("{volume} of a build by imgc");
    let request = region
        .ec2()
        .create_snapshot()
        .volume_id(volume)
        .description(description.unwrap_or(&usual))
        .tag_specifications(tags::specification(
            ResourceType::Snapshot,
            &thing.tags(cx, own),
        ));
    let make = async {
        let answer = region.call("CreateSnapshot", "make a snapshot", request.send());
        let id = answer.await?.snapshot_id;
        id.ok_or_else(|| incomplete("CreateSnapshot", "id"))
    };
    let made = thing.make(cx, region, make).await?;
    cx.output
        .say(format!("snapshot of {volume}: {}", made.id()));
    Ok(made)
}

/// Waits until a snapshot is whole.
pub(crate) async fn completed(
    cx: &Context,
    region: &RegionClient,
    id: &str,
    polling: Polling,
) -> Result<()> {
    let what = format!("the snapshot {id} to be whole");
    let decide = |snapshot: Option<&Snapshot>| match snapshot.and_then(|one| one.state.as_ref()) {
        Some(SnapshotState::Completed) => Ok(Some(())),
        Some(SnapshotState::Error) => {
            let why = snapshot.and_then(|one| one.state_message.as_deref());
            Err(Error::new(
                Class::Remote,
                "run/aws-image",
                format!(
                    "the snapshot {id} has failed: {}",
                    why.unwrap_or("Amazon gives no reason")
                ),
            )
            .help("a key that may not be used ends like this"))
        }
        _ => Ok(None),
    };
    let snapshots = region.snapshots();
    snapshots
        .until(region, cx, id, &what, polling.limit, decide)
        .await
}

/// Lets accounts and groups make volumes of a snapshot.
pub(crate) async fn share(
    region: &RegionClient,
    id: &str,
    users: &[String],
    groups: &[String],
) -> Result<()> {
    if users.is_empty() && groups.is_empty() {
        return Ok(());
    }
    let mut all = CreateVolumePermissionModifications::builder();
    for user in users {
        all = all.add(CreateVolumePermission::builder().user_id(user).build());
    }
    for group in groups {
        let group = PermissionGroup::from(group.as_str());
        all = all.add(CreateVolumePermission::builder().group(group).build());
    }
    let request = region.ec2().modify_snapshot_attribute();
    let request = request
        .snapshot_id(id)
        .create_volume_permission(all.build());
    region
        .call(
            "ModifySnapshotAttribute",
            "share a snapshot",
            request.send(),
        )
        .await?;
    Ok(())
}
