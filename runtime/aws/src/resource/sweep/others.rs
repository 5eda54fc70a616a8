//! Things that EC2 does not list by their tags: each by the way there is to it.
//!
//! An instant fleet is shown only to whoever knows its id, which its tags say. A task that imports is listed with its tags. Roles and
//! profiles have a path. What lies in a bucket is named by a tag of what it was made for: the instance whose disk is bundled, which
//! is listed for about an hour after its end, or the task that imports the object.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{ImportImageTask, Tag};
use imgc_runtime::error::Result;

use crate::post::{IMPORT, OBJECT, is_stored};
use crate::region::{RegionClient, filter, pages};
use crate::resource::find::Found;
use crate::resource::{Kind, bundle};
use crate::tags;

/// Fleets that carry our tags and have not ended.
pub(super) async fn fleets(region: &RegionClient) -> Result<Vec<Found>> {
    let keys = [tags::RUN, tags::EXPIRES, tags::BUILD, tags::NAME];
    let mut all: BTreeMap<String, Vec<Tag>> = BTreeMap::new();
    let mut next = None;
    loop {
        let request = region
            .ec2()
            .describe_tags()
            .filters(filter("resource-type", ["fleet"]))
            .filters(filter("key", keys))
            .set_next_token(next)
            .send();
        let answer = region.call("DescribeTags", "look for fleets", request);
        let answer = answer.await?;
        for tag in answer.tags.unwrap_or_default() {
            let both = Tag::builder().set_key(tag.key).set_value(tag.value);
            let of = all.entry(tag.resource_id.unwrap_or_default()).or_default();
            of.push(both.build());
        }
        next = answer.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            break;
        }
    }
    all.retain(|_, own| tags::get(own, tags::EXPIRES).is_some());
    if all.is_empty() {
        return Ok(Vec::new());
    }
    // Their tags outlive them for a while.
    let ids: Vec<String> = all.keys().cloned().collect();
    let request = region.ec2().describe_fleets().set_fleet_ids(Some(ids));
    let answer = region.call("DescribeFleets", "look at fleets", request.send());
    let answer = match answer.await {
        Err(error) if error.id == "run/aws-missing" => return Ok(Vec::new()),
        answer => answer?,
    };
    let fleets = answer.fleets.unwrap_or_default().into_iter();
    let lives = fleets.filter(|fleet| {
        let state = fleet.fleet_state.as_ref();
        !state.is_some_and(|state| state.as_str().starts_with("deleted"))
    });
    Ok(lives
        .filter_map(|fleet| {
            let id = fleet.fleet_id?;
            let tags = all.remove(&id)?;
            Some(Found { id, tags })
        })
        .collect())
}

/// Bundles of instances, also of those that have ended, of which no finished image was made.
pub(super) async fn bundles(region: &RegionClient) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut next = None;
    loop {
        let request = region.ec2().describe_instances();
        let request = request.filters(filter("tag-key", [tags::STORED]));
        let request = request.set_next_token(next).send();
        let answer = region.call("DescribeInstances", "look for bundles", request);
        let answer = answer.await?;
        let reservations = answer.reservations.unwrap_or_default();
        let instances = reservations
            .into_iter()
            .flat_map(|reservation| reservation.instances.unwrap_or_default());
        for instance in instances {
            let tags = instance.tags.unwrap_or_default();
            let id = tags::get(&tags, tags::STORED)
                .unwrap_or_default()
                .to_owned();
            if !bundle::objects(region, &id).await?.is_empty()
                && !is_used(region, &id, &tags).await?
            {
                found.push(Found { id, tags });
            }
        }
        next = answer.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// Whether a finished image of the run consists of a bundle.
async fn is_used(region: &RegionClient, id: &str, of: &[Tag]) -> Result<bool> {
    let (Some(run), Some(manifest)) = (tags::get(of, tags::RUN), bundle::manifest(id)) else {
        return Ok(true);
    };
    let request = region.ec2().describe_images().owners("self");
    let request = request.filters(filter(&format!("tag:{}", tags::RUN), [run]));
    let images = pages(|next| {
        let request = request.clone().set_next_token(next).send();
        let attempt = "see whether an image uses a bundle";
        let answer = region.call("DescribeImages", attempt, request);
        async { answer.await.map(|page| (page.images, page.next_token)) }
    });
    let images = images.await?;
    Ok(images.iter().any(|image| {
        let is_finished = tags::get(image.tags(), tags::EXPIRES).is_none();
        let place = image.image_location().unwrap_or_default();
        is_finished && (place == manifest || place.ends_with(&format!("/{manifest}")))
    }))
}

/// Tasks that import and have not come to an end that somebody can use, and the objects they read: word of the kind, and thing.
pub(super) async fn imports(region: &RegionClient) -> Result<Vec<(&'static str, Found)>> {
    let mut found = Vec::new();
    let mut next = None;
    loop {
        let request = region.ec2().describe_import_image_tasks();
        let request = request.set_next_token(next).send();
        let answer = region.call("DescribeImportImageTasks", "look for imports", request);
        let answer = answer.await?;
        for task in answer.import_image_tasks.unwrap_or_default() {
            let tags = task.tags.clone().unwrap_or_default();
            if tags::get(&tags, tags::EXPIRES).is_none() {
                continue;
            }
            if let Some(object) = tags::get(&tags, tags::STORED)
                && is_stored(region, object).await?
            {
                let id = object.to_owned();
                let tags = tags.clone();
                found.push((OBJECT, Found { id, tags }));
            }
            if is_open(region, &task).await? {
                let id = task.import_task_id.unwrap_or_default();
                found.push((IMPORT, Found { id, tags }));
            }
        }
        next = answer.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// Whether a task is at work, or has made an image that nobody has taken: one that is kept carries the run's tag.
async fn is_open(region: &RegionClient, task: &ImportImageTask) -> Result<bool> {
    match (task.status().unwrap_or_default(), task.image_id()) {
        ("deleting" | "deleted", _) | ("completed", None) => Ok(false),
        ("completed", Some(image)) => {
            let request = region.ec2().describe_images().owners("self");
            let request = request.filters(filter("image-id", [image])).send();
            let attempt = "look at an imported image";
            let answer = region.call("DescribeImages", attempt, request).await?;
            let mut images = answer.images.unwrap_or_default().into_iter();
            Ok(images.any(|image| tags::get(image.tags(), tags::RUN).is_none()))
        }
        _ => Ok(true),
    }
}

/// The kinds that are looked for here, as one question each.
pub(super) const ASKED: [&str; 3] = ["fleets", "bundles", "imports"];

/// The answer to one of [`ASKED`].
pub(super) async fn asked(
    region: &RegionClient,
    what: &str,
) -> Result<Vec<(&'static str, u8, Found)>> {
    let of = |kind: Kind, found: Vec<Found>| {
        let found = found.into_iter();
        found
            .map(|one| (kind.word(), kind.turn(), one))
            .collect::<Vec<_>>()
    };
    Ok(match what {
        "fleets" => of(Kind::Fleet, fleets(region).await?),
        "bundles" => of(Kind::Bundle, bundles(region).await?),
        _ => {
            let found = imports(region).await?.into_iter();
            // A task lets go of its object.
            let turn = |kind: &str| match kind {
                IMPORT => Kind::Instance.turn(),
                _ => Kind::Bundle.turn(),
            };
            found.map(|(kind, one)| (kind, turn(kind), one)).collect()
        }
    })
}
