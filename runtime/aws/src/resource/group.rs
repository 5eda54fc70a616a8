//! Removing a security group, which instances of several builds may have been in.
//!
//! In: its id. Out: it is gone, or others have it, or why not. Instances in it that end are waited for; one that runs on is named.

use std::time::Duration;

use aws_sdk_ec2::types::InstanceStateName;
use imgc_runtime::error::Result;
use tokio::time::Instant;

use crate::error::{Meaning, answer, failed};
use crate::region::{RegionClient, filter, pages};
use crate::resource::patience::Patience;
use crate::resource::remove::{IN_USE, PAUSE};
use crate::tags;

/// How long an instance that has ended may still be shown as one that has not.
const STALE: Duration = Duration::from_secs(5);

/// Removes it. `run` is that of the builds of this process that had it: instances of an earlier run that have not been gone on
/// with have records of the group as well, and it is left to them.
pub(super) async fn remove(
    region: &RegionClient,
    id: &str,
    run: Option<&str>,
    patience: Patience,
) -> Result<()> {
    let begun = Instant::now();
    loop {
        let request = region.ec2().delete_security_group().group_id(id).send();
        let error = match region.ask(request).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let failure = || failed("DeleteSecurityGroup", "delete a security group", &error);
        match answer(&error) {
            Some(Meaning::Missing) if patience.waits().await => continue,
            Some(Meaning::Missing) => return Ok(()),
            Some(Meaning::InUse) if begun.elapsed() < IN_USE => {}
            _ => return Err(failure()),
        }
        let inside = inside(region, id).await?;
        let of_others = |(_, owner): &(String, Option<String>)| {
            owner.as_deref().is_some_and(|owner| Some(owner) != run)
        };
        let is_used = !inside.is_empty();
        if is_used && run.is_some() && inside.iter().all(of_others) {
            return Ok(());
        }
        // Those that were to end before it have been asked to: what runs on by now will not end.
        if is_used && begun.elapsed() >= STALE {
            return Err(failure()
                .because(in_it(&inside))
                .help("end what runs on first"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn in_it(instances: &[(String, Option<String>)]) -> String {
    let ids: Vec<&str> = instances.iter().map(|(id, _)| &**id).collect();
    match &*ids {
        [id] => format!("the instance {id} is in it, and runs on"),
        ids => format!("the instances {} are in it, and run on", ids.join(", ")),
    }
}

/// The instances in it that do not end, each with the run it belongs to.
async fn inside(region: &RegionClient, id: &str) -> Result<Vec<(String, Option<String>)>> {
    let request = region.ec2().describe_instances();
    let request = request.filters(filter("instance.group-id", [id]));
    let reservations = pages(|next| {
        let request = request.clone().set_next_token(next).send();
        let attempt = "look for instances in a security group";
        let answer = region.call("DescribeInstances", attempt, request);
        async {
            answer
                .await
                .map(|page| (page.reservations, page.next_token))
        }
    });
    let reservations = reservations.await?.into_iter();
    let instances = reservations.flat_map(|reservation| reservation.instances.unwrap_or_default());
    let living = instances.filter(|instance| {
        let state = instance.state.as_ref();
        let ends = [
            InstanceStateName::ShuttingDown,
            InstanceStateName::Terminated,
        ];
        !state
            .and_then(|state| state.name.as_ref())
            .is_some_and(|name| ends.contains(name))
    });
    Ok(living
        .map(|instance| {
            let run = tags::get(instance.tags(), tags::RUN).map(str::to_owned);
            (instance.instance_id.unwrap_or_default(), run)
        })
        .collect())
}
