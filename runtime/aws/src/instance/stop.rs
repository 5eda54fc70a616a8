//! Stopping an instance, so that its disks hold still.

use std::time::Duration;

use aws_sdk_ec2::types::InstanceStateName;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};

use crate::region::RegionClient;

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(900);

/// Stops it and waits; with `asked_before` the template has done so and only the waiting is left.
pub(crate) async fn stop(
    cx: &Context,
    region: &RegionClient,
    id: &str,
    asked_before: bool,
) -> Result<()> {
    if !asked_before {
        let stops = &region.together().stops;
        stops.with(region, id.to_owned()).await?;
    }
    let what = format!("the instance {id} to stop");
    let stopped = |state: Option<&InstanceStateName>| match state {
        Some(InstanceStateName::Stopped) => Ok(Some(())),
        Some(InstanceStateName::Terminated | InstanceStateName::ShuttingDown) => Err(Error::new(
            Class::Remote,
            "run/aws-instance",
            format!("the instance {id} was ended before its image was made"),
        )
        .help("with `shutdown_behavior = \"terminate\"` a script must not shut it down")),
        _ => Ok(None),
    };
    let states = region.states();
    states.until(region, cx, id, &what, LIMIT, stopped).await
}
