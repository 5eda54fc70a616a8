//! Finding things by the tags they carry.
//!
//! In: a kind and a filter. Out: all that there is of it, page by page.

use aws_sdk_ec2::types::{Filter, Instance, InstanceStateName, Tag};
use imgc_runtime::error::Result;

use crate::region::{RegionClient, filter, pages};
use crate::resource::Kind;
use crate::resource::patience::Patience;
use crate::tags;

/// Something that was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// What it is removed by: its id; of a key pair, its name.
    pub(crate) id: String,
    pub(crate) tags: Vec<Tag>,
}

/// The ids of the things of a kind with this name; more than one only where an answer was lost and the request repeated.
/// What was asked for a moment ago may not be seen yet: it is looked for as long as `patience` says.
pub(crate) async fn by_name(
    region: &RegionClient,
    kind: Kind,
    name: &str,
    patience: Patience,
) -> Result<Vec<String>> {
    match kind {
        // They are removed by their names.
        Kind::Bundle | Kind::InstanceProfile | Kind::LaunchTemplate | Kind::Role => {
            return Ok(vec![name.to_owned()]);
        }
        _ => {}
    }
    let tag = format!("tag:{}", tags::NAME);
    loop {
        let found: Vec<String> = match kind {
            Kind::Fleet => fleets(region, name).await?,
            _ => {
                let found = all(region, kind, &filter(&tag, [name])).await?;
                found.into_iter().map(|found| found.id).collect()
            }
        };
        if !found.is_empty() || !patience.waits().await {
            return Ok(found);
        }
    }
}

/// The fleets with this name: EC2 shows an instant one only to whoever knows its id, but the tags of all.
async fn fleets(region: &RegionClient, name: &str) -> Result<Vec<String>> {
    let request = region
        .ec2()
        .describe_tags()
        .filters(filter("resource-type", ["fleet"]))
        .filters(filter("key", [tags::NAME]))
        .filters(filter("value", [name]));
    let tags = pages(|next| {
        let request = request.clone().set_next_token(next).send();
        let answer = region.call("DescribeTags", "look for a fleet", request);
        async { answer.await.map(|page| (page.tags, page.next_token)) }
    });
    let tags = tags.await?.into_iter();
    Ok(tags.filter_map(|tag| tag.resource_id).collect())
}

/// All of a kind that a filter lets through; instances that have ended are none.
pub(crate) async fn all(region: &RegionClient, kind: Kind, wanted: &Filter) -> Result<Vec<Found>> {
    let mut all = Vec::new();
    let mut next = None;
    loop {
        let (found, following) = page(region, kind, wanted.clone(), next).await?;
        all.extend(found);
        next = following.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(all);
        }
    }
}

type Page = (Vec<Found>, Option<String>);

async fn page(
    region: &RegionClient,
    kind: Kind,
    wanted: Filter,
    next: Option<String>,
) -> Result<Page> {
    let ec2 = region.ec2();
    Ok(match kind {
        Kind::LaunchTemplate => {
            let request = ec2.describe_launch_templates().filters(wanted);
            let request = request.set_next_token(next).send();
            let answer = region.call("DescribeLaunchTemplates", "look for templates", request);
            let answer = answer.await?;
            let templates = answer.launch_templates.unwrap_or_default();
            (
                found(templates, |one| (one.launch_template_name, one.tags)),
                answer.next_token,
            )
        }
        // No list of these can be asked for by tags.
        Kind::Bundle | Kind::Fleet | Kind::InstanceProfile | Kind::Role => (Vec::new(), None),
        Kind::Instance => {
            let request = ec2.describe_instances().filters(wanted);
            let request = request.set_next_token(next).send();
            let answer = region.call("DescribeInstances", "look for instances", request);
            let answer = answer.await?;
            let reservations = answer.reservations.unwrap_or_default();
            let instances = reservations
                .into_iter()
                .flat_map(|reservation| reservation.instances.unwrap_or_default())
                .filter(|instance| !has_ended(instance));
            (
                found(instances, |one| (one.instance_id, one.tags)),
                answer.next_token,
            )
        }
        Kind::Image => {
            let request = ec2.describe_images().owners("self").filters(wanted);
            let request = request.set_next_token(next).send();
            let answer = region.call("DescribeImages", "look for images", request);
            let answer = answer.await?;
            let images = answer.images.unwrap_or_default();
            (
                found(images, |one| (one.image_id, one.tags)),
                answer.next_token,
            )
        }
        Kind::Snapshot => {
            let request = ec2.describe_snapshots().owner_ids("self").filters(wanted);
            let request = request.set_next_token(next).send();
            let answer = region.call("DescribeSnapshots", "look for snapshots", request);
            let answer = answer.await?;
            let snapshots = answer.snapshots.unwrap_or_default();
            (
                found(snapshots, |one| (one.snapshot_id, one.tags)),
                answer.next_token,
            )
        }
        Kind::Volume => {
            let request = ec2.describe_volumes().filters(wanted);
            let request = request.set_next_token(next).send();
            let answer = region.call("DescribeVolumes", "look for volumes", request);
            let answer = answer.await?;
            let volumes = answer.volumes.unwrap_or_default();
            (
                found(volumes, |one| (one.volume_id, one.tags)),
                answer.next_token,
            )
        }
        Kind::SecurityGroup => {
            let request = ec2.describe_security_groups().filters(wanted);
            let request = request.set_next_token(next).send();
            let answer = region.call("DescribeSecurityGroups", "look for groups", request);
            let answer = answer.await?;
            let groups = answer.security_groups.unwrap_or_default();
            (
                found(groups, |one| (one.group_id, one.tags)),
                answer.next_token,
            )
        }
        Kind::KeyPair => {
            let request = ec2.describe_key_pairs().filters(wanted).send();
            let answer = region.call("DescribeKeyPairs", "look for key pairs", request);
            let pairs = answer.await?.key_pairs.unwrap_or_default();
            // It has no pages.
            (found(pairs, |one| (one.key_name, one.tags)), None)
        }
    })
}

fn found<T>(
    things: impl IntoIterator<Item = T>,
    of: impl Fn(T) -> (Option<String>, Option<Vec<Tag>>),
) -> Vec<Found> {
    let things = things.into_iter().map(of);
    things
        .filter_map(|(id, tags)| {
            Some(Found {
                id: id?,
                tags: tags.unwrap_or_default(),
            })
        })
        .collect()
}

/// An instance that has ended is listed for about an hour.
fn has_ended(instance: &Instance) -> bool {
    let state = instance
        .state
        .as_ref()
        .and_then(|state| state.name.as_ref());
    state == Some(&InstanceStateName::Terminated)
}
