//! Marking what a run has made as still in use, and what is finished as nobody's to remove.
//!
//! In: a run, the places of what it has on record, a moment. Out: everything there that carries the run's tag and is temporary has
//! that moment as its expiry: volumes of an instance as well, which have no record. Both go by one lock, and what was
//! finished is remembered: a look that is a moment old must not make a finished image temporary again.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::Tag;
use imgc_runtime::error::Result;
use imgc_runtime::ledger::CloudResource;
use imgc_runtime::state::Moment;
use tokio::sync::Mutex;

use crate::account::Accounts;
use crate::clock;
use crate::region::{RegionClient, filter};
use crate::resource::{Kind, PROVIDER, iam};
use crate::tags;

/// Things in one request.
const TOGETHER: usize = 200;

/// What this process has finished, or what lasts as long as its own mark says, by id; held while marks are taken away or renewed. One for the process: whoever renews may
/// have come to the account by another way than whoever finishes.
static FINISHED: Mutex<BTreeSet<String>> = Mutex::const_new(BTreeSet::new());

/// Takes the mark of something temporary from things.
pub(crate) async fn finish(region: &RegionClient, ids: Vec<String>, attempt: &str) -> Result<()> {
    let mut finished = FINISHED.lock().await;
    finished.extend(ids.iter().cloned());
    let request = region
        .ec2()
        .delete_tags()
        .set_resources(Some(ids))
        .tags(Tag::builder().key(tags::EXPIRES).build());
    region.call("DeleteTags", attempt, request.send()).await?;
    Ok(())
}

/// Leaves the marks of things as they are: they expire at a moment of their own.
pub(crate) async fn settle(ids: impl IntoIterator<Item = String>) {
    FINISHED.lock().await.extend(ids);
}

/// Renews what a run has made, wherever things of it are on record.
pub(super) async fn renew(
    accounts: &Accounts,
    run: &str,
    things: &[CloudResource],
    expires: Moment,
) -> Result<()> {
    let mut places: BTreeMap<(&str, &BTreeMap<String, String>), Vec<&CloudResource>> =
        BTreeMap::new();
    for thing in things.iter().filter(|thing| thing.provider == PROVIDER) {
        let place = (thing.place.as_str(), &thing.reach);
        places.entry(place).or_default().push(thing);
    }
    let moment = clock::written(expires);
    let mut outcome = Ok(());
    for ((place, reach), things) in places {
        let renewed = async {
            let region = accounts.back(reach, place).await?.region(place);
            let listed = in_region(&region, run, &moment).await;
            let by_name = by_name(&region, &things, &moment).await;
            listed.and(by_name)
        };
        outcome = outcome.and(Box::pin(renewed).await);
    }
    outcome
}

/// Everything that EC2 knows the tags of.
async fn in_region(region: &RegionClient, run: &str, moment: &str) -> Result<()> {
    let finished = FINISHED.lock().await;
    let ours = tagged(region, tags::RUN, Some(run)).await?;
    let temporary = tagged(region, tags::EXPIRES, None).await?;
    let ids = ours.intersection(&temporary);
    let ids: Vec<String> = ids.filter(|id| !finished.contains(*id)).cloned().collect();
    for ids in ids.chunks(TOGETHER) {
        let request = region
            .ec2()
            .create_tags()
            .set_resources(Some(ids.to_vec()))
            .tags(Tag::builder().key(tags::EXPIRES).value(moment).build());
        let attempt = "mark what a run that lives has made as still in use";
        region.call("CreateTags", attempt, request.send()).await?;
    }
    Ok(())
}

/// The ids of what has a tag.
async fn tagged(region: &RegionClient, key: &str, value: Option<&str>) -> Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    let mut next = None;
    loop {
        let request = region
            .ec2()
            .describe_tags()
            .filters(filter("key", [key]))
            .set_next_token(next);
        let request = match value {
            Some(value) => request.filters(filter("value", [value])),
            None => request,
        };
        let attempt = "look for what a run has made";
        let answer = region.call("DescribeTags", attempt, request.send()).await?;
        let tags = answer.tags.unwrap_or_default().into_iter();
        ids.extend(tags.filter_map(|tag| tag.resource_id));
        next = answer.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(ids);
        }
    }
}

/// What IAM knows by name.
async fn by_name(region: &RegionClient, things: &[&CloudResource], moment: &str) -> Result<()> {
    let mut outcome = Ok(());
    for thing in things {
        let Some(name) = thing.id.as_deref() else {
            continue;
        };
        let renewed = match Kind::of(&thing.kind) {
            Some(Kind::Role) => iam::tag_role(region, name, tags::EXPIRES, moment).await,
            Some(Kind::InstanceProfile) => {
                iam::tag_profile(region, name, tags::EXPIRES, moment).await
            }
            _ => Ok(()),
        };
        outcome = outcome.and(renewed);
    }
    outcome
}
