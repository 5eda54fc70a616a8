//! Finding what an intent may have made: by the name it carries.

use std::time::Duration;

use imgc_runtime::error::Result;

use crate::region::{RegionClient, filter};
use crate::resource::Kind;
use crate::tags;

/// What was asked for a moment ago may not be seen yet: how often it is looked for, and the wait between.
const LOOKS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(700);

/// The ids of the things of a kind with this name; more than one only where an answer was lost and the request repeated.
pub(crate) async fn by_name(region: &RegionClient, kind: Kind, name: &str) -> Result<Vec<String>> {
    for look in 1.. {
        let found = once(region, kind, name).await?;
        if !found.is_empty() || look == LOOKS {
            return Ok(found);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(Vec::new())
}

async fn once(region: &RegionClient, kind: Kind, name: &str) -> Result<Vec<String>> {
    let tag = filter(&format!("tag:{}", tags::NAME), [name]);
    let ec2 = region.ec2();
    let ids = match kind {
        Kind::Instance => {
            let request = ec2.describe_instances().filters(tag).send();
            let answer = region.call("DescribeInstances", "look for an instance", request);
            let reservations = answer.await?.reservations.unwrap_or_default();
            let instances = reservations
                .into_iter()
                .flat_map(|reservation| reservation.instances.unwrap_or_default());
            instances
                .filter_map(|instance| instance.instance_id)
                .collect()
        }
        Kind::Image => {
            let request = ec2.describe_images().owners("self").filters(tag).send();
            let answer = region.call("DescribeImages", "look for an image", request);
            let images = answer.await?.images.unwrap_or_default();
            images
                .into_iter()
                .filter_map(|image| image.image_id)
                .collect()
        }
        Kind::Snapshot => {
            let request = ec2.describe_snapshots().owner_ids("self");
            let request = request.filters(tag).send();
            let answer = region.call("DescribeSnapshots", "look for a snapshot", request);
            let snapshots = answer.await?.snapshots.unwrap_or_default();
            snapshots
                .into_iter()
                .filter_map(|snapshot| snapshot.snapshot_id)
                .collect()
        }
        Kind::Volume => {
            let request = ec2.describe_volumes().filters(tag).send();
            let answer = region.call("DescribeVolumes", "look for a volume", request);
            let volumes = answer.await?.volumes.unwrap_or_default();
            volumes
                .into_iter()
                .filter_map(|volume| volume.volume_id)
                .collect()
        }
        Kind::SecurityGroup => {
            let request = ec2.describe_security_groups().filters(tag).send();
            let answer = region.call("DescribeSecurityGroups", "look for a group", request);
            let groups = answer.await?.security_groups.unwrap_or_default();
            groups
                .into_iter()
                .filter_map(|group| group.group_id)
                .collect()
        }
        Kind::KeyPair => {
            let request = ec2.describe_key_pairs().filters(tag).send();
            let answer = region.call("DescribeKeyPairs", "look for a key pair", request);
            let pairs = answer.await?.key_pairs.unwrap_or_default();
            pairs.into_iter().filter_map(|pair| pair.key_name).collect()
        }
    };
    Ok(ids)
}
