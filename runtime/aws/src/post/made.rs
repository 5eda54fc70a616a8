//! What post-processors make at Amazon that is no part of EC2: recorded before it is made, and removed by the record.
//!
//! In: a record of one of these kinds. Out: the thing is gone, if it is the run's own.

use std::sync::Arc;

use imgc_runtime::context::Context;
use imgc_runtime::error::Result;
use imgc_runtime::ledger::{CloudResource, Resource};

use crate::account::Account;
use crate::parameters::Parameters;
use crate::post::import;
use crate::resource::PROVIDER;
use crate::tags;

/// A parameter of Systems Manager; its id is its name.
pub(crate) const PARAMETER: &str = "parameter";
/// An object in a bucket, with what was begun to upload of it; its id is `bucket/key`.
pub(crate) const OBJECT: &str = "s3-object";
/// A task that imports an image.
pub(crate) const IMPORT: &str = "import-image-task";

/// The record of something that is about to be made under a name of the template's: `id`, known from the start. The record's
/// own name is unique in all runs; where the thing has tags it carries it.
pub(crate) fn record(
    account: &Account,
    kind: &str,
    region: &str,
    id: Option<&str>,
) -> Result<CloudResource> {
    Ok(CloudResource {
        provider: PROVIDER.to_owned(),
        kind: kind.to_owned(),
        place: region.to_owned(),
        name: format!("imgc-{}", crate::random::hex()?),
        id: id.map(str::to_owned),
        reach: account.reach(),
        asked: None,
    })
}

/// Drops the record of something that was not made, that is finished and stays, or that has been removed.
pub(crate) fn settle(cx: &Context, thing: &CloudResource) {
    for record in cx.ledger.outstanding(&cx.address) {
        if matches!(&record.resource, Resource::Cloud(known) if known.name == thing.name) {
            cx.ledger.forget(record.id);
        }
    }
}

/// Removes a thing of these kinds; `None` where it is of another one.
pub(crate) async fn remove(account: &Arc<Account>, thing: &CloudResource) -> Option<Result<()>> {
    match thing.kind.as_str() {
        PARAMETER => Some(parameter(account, thing).await),
        OBJECT => Some(import::remove_object(account, thing).await),
        IMPORT => Some(import::remove_task(&account.region(&thing.place), thing).await),
        _ => None,
    }
}

/// Only one that a run of ours has made and not finished: one that was there before has another tag, or none.
async fn parameter(account: &Account, thing: &CloudResource) -> Result<()> {
    let Some(name) = &thing.id else {
        return Ok(());
    };
    let parameters = Parameters::new(account, &thing.place);
    match parameters.has_tag(name, tags::NAME, &thing.name).await? {
        Some(true) => parameters.delete(name).await,
        Some(false) | None => Ok(()),
    }
}
