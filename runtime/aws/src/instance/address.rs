//! Waiting until an instance runs, and where it is reached then.

use std::time::Duration;

use aws_sdk_ec2::types::{Instance, InstanceStateName};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};

use crate::region::RegionClient;

/// How long an instance may take to run.
const LIMIT: Duration = Duration::from_secs(600);
/// How often a new instance may not be seen.
const UNSEEN: u32 = 30;

/// Waits until it runs.
pub(crate) async fn ready(cx: &Context, region: &RegionClient, id: &str) -> Result<Instance> {
    let mut unseen = 0;
    let what = format!("the instance {id} to run");
    let instances = region.instances();
    let decide = |instance: Option<&Instance>| {
        let Some(instance) = instance else {
            unseen += 1;
            return match unseen > UNSEEN {
                true => Err(ended(id, "is not to be seen", None)),
                false => Ok(None),
            };
        };
        let state = instance
            .state
            .as_ref()
            .and_then(|state| state.name.as_ref());
        match state {
            Some(InstanceStateName::Running) => Ok(Some(instance.clone())),
            Some(InstanceStateName::Pending) | None => Ok(None),
            Some(state) => {
                let why = instance.state_reason.as_ref();
                let why = why.and_then(|why| why.message.clone());
                Err(ended(id, &format!("is {}", state.as_str()), why))
            }
        }
    };
    instances.until(region, cx, id, &what, LIMIT, decide).await
}

fn ended(id: &str, state: &str, why: Option<String>) -> Error {
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    Error::new(
        Class::Remote,
        "run/aws-instance",
        format!("the instance {id} {state} before it was ready{why}"),
    )
    .help("a volume that cannot be decrypted, a quota of volumes and an image that does not boot end like this")
}

/// Where it is reached: as `ssh_interface` says, else by its public address, else by its private one.
pub(crate) fn address(instance: &Instance, interface: Option<&str>) -> Result<String> {
    let given = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let public = given(instance.public_ip_address());
    let private = given(instance.private_ip_address());
    let found = match interface {
        None => public.or(private),
        Some("public_ip") => public,
        Some("private_ip") => private,
        Some("public_dns") => given(instance.public_dns_name()),
        Some("private_dns") => given(instance.private_dns_name()),
        Some(other) => {
            return Err(Error::new(
                Class::Template,
                "run/aws-option",
                format!("`ssh_interface` is `{other}`"),
            )
            .help("it may be public_ip, private_ip, public_dns, private_dns, session_manager"));
        }
    };
    found.ok_or_else(|| {
        let id = instance.instance_id().unwrap_or_default();
        let what = interface.unwrap_or("address");
        Error::new(
            Class::Template,
            "run/aws-network",
            format!("the instance {id} has no {what}"),
        )
        .help("set `associate_public_ip_address = true`, or `ssh_interface = \"private_ip\"` where this machine is in the same network")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_public_address_comes_first_unless_the_template_says_otherwise() {
        let instance = Instance::builder()
            .public_ip_address("198.51.100.7")
            .private_ip_address("10.0.0.7")
            .public_dns_name("")
            .build();
        assert_eq!(address(&instance, None).unwrap(), "198.51.100.7");
        assert_eq!(address(&instance, Some("private_ip")).unwrap(), "10.0.0.7");
        assert_eq!(
            address(&instance, Some("public_dns")).unwrap_err().id,
            "run/aws-network"
        );
        let inner = Instance::builder().private_ip_address("10.0.0.7").build();
        assert_eq!(address(&inner, None).unwrap(), "10.0.0.7");
    }
}
