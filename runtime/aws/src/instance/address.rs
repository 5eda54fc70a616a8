//! Waiting until an instance runs, and where it is reached then.

use std::time::Duration;

use aws_sdk_ec2::types::{Instance, InstanceStateName};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use tokio::time::Instant;

use crate::region::RegionClient;

/// How long an instance may take to run.
const LIMIT: Duration = Duration::from_secs(600);
/// How long a new instance may not be seen. No number of answers: where many wait, all are asked about whenever one is due.
const UNSEEN: Duration = Duration::from_secs(60);

/// Waits until it runs.
pub(crate) async fn ready(cx: &Context, region: &RegionClient, id: &str) -> Result<Instance> {
    let begun = Instant::now();
    let what = format!("the instance {id} to run");
    let instances = region.instances();
    let decide = |instance: Option<&Instance>| running(id, instance, begun.elapsed());
    instances.until(region, cx, id, &what, LIMIT, decide).await
}

/// The instance when it runs; `waited` since it was asked about first.
fn running(id: &str, instance: Option<&Instance>, waited: Duration) -> Result<Option<Instance>> {
    let Some(instance) = instance else {
        return match waited < UNSEEN {
            true => Ok(None),
            false => Err(ended(id, "is not to be seen", None)),
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
    fn an_instance_that_is_not_seen_is_given_up_after_a_while_and_not_after_some_answers() {
        for _ in 0..1000 {
            let answer = running("i-1", None, UNSEEN - Duration::from_millis(1));
            assert_eq!(answer.unwrap(), None);
        }
        let error = running("i-1", None, UNSEEN).unwrap_err();
        assert_eq!(
            error.message,
            "the instance i-1 is not to be seen before it was ready"
        );
        let late = Instance::builder().build();
        assert_eq!(running("i-1", Some(&late), UNSEEN * 2).unwrap(), None);
    }

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
