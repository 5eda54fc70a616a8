//! This machine as an instance of EC2, and the devices of its volumes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::imds;
use aws_config::provider_config::ProviderConfig;
use aws_sdk_ec2::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_ec2::operation::attach_volume::AttachVolumeError;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use tokio::time::Instant;

use crate::connect;
use crate::options::Mounting;
use crate::region::{RegionClient, incomplete};

/// How long a volume that is attached may take to be seen here.
const SEEN: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(250);

/// Names that builds of this process use.
static USED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The id of the instance that this machine is, which has to be in `region`.
pub(super) async fn own_instance(region: &RegionClient) -> Result<String> {
    let config = ProviderConfig::without_region().with_http_client(connect::client());
    let client = imds::Client::builder()
        .configure(&config)
        .max_attempts(2)
        .connect_timeout(Duration::from_secs(2))
        .build();
    let ask = async |page: &str| -> Result<String> {
        let answer = client.get(format!("/latest/meta-data/{page}")).await;
        answer
            .map(|text| text.as_ref().to_owned())
            .map_err(|error| no_instance(&error))
    };
    let id = ask("instance-id").await?;
    let own = ask("placement/region").await?;
    if own != region.name() {
        return Err(Error::new(
            Class::Template,
            "run/aws-chroot",
            format!(
                "this machine is in {own}, and the image is to be made in {}: a volume is attached in its own region only",
                region.name()
            ),
        )
        .help(format!(
            "set `region = \"{own}\"`, and copy the image with `ami_regions`"
        )));
    }
    Ok(id)
}

fn no_instance(error: &(dyn std::error::Error + 'static)) -> Error {
    let mut reason = error.to_string();
    let mut next = error.source();
    while let Some(inner) = next {
        reason = inner.to_string();
        next = inner.source();
    }
    Error::new(
        Class::Environment,
        "run/aws-chroot",
        format!("this machine is no instance of EC2: its metadata cannot be read: {reason}"),
    )
    .help("run this on an instance, or use `amazon-ebs` or `amazon-ebssurrogate`, which start one")
}

/// What is to be known of the instance.
pub(super) struct Me {
    pub(super) id: String,
    pub(super) zone: String,
    /// Names of devices that it has.
    pub(super) devices: BTreeSet<String>,
}

/// Asks EC2 about the instance.
pub(super) async fn describe(region: &RegionClient, id: &str) -> Result<Me> {
    let request = region.ec2().describe_instances().instance_ids(id).send();
    let attempt = "look at the instance that this machine is";
    let answer = region.call("DescribeInstances", attempt, request).await?;
    let reservations = answer.reservations.unwrap_or_default();
    let mut instances = reservations
        .into_iter()
        .flat_map(|reservation| reservation.instances.unwrap_or_default());
    let me = instances
        .next()
        .ok_or_else(|| incomplete("DescribeInstances", "instance"))?;
    let zone = me.placement().and_then(|place| place.availability_zone());
    let devices = me.block_device_mappings().iter();
    Ok(Me {
        id: id.to_owned(),
        zone: zone
            .ok_or_else(|| incomplete("DescribeInstances", "zone"))?
            .to_owned(),
        devices: devices
            .filter_map(|device| device.device_name.clone())
            .collect(),
    })
}

/// The name of a device, kept from others of this process until it is dropped.
pub(super) struct Name(String);

impl Name {
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    fn take(name: String) -> Option<Self> {
        let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is not taken must not come into being: it would give the other's name back.
        used.insert(name.clone()).then(|| Self(name))
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
        used.remove(&self.0);
    }
}

/// The name to attach the volume by: the template's, or one that is free.
pub(super) fn choose(given: Option<&str>, devices: &BTreeSet<String>) -> Result<Name> {
    let busy = |what: &str| {
        Error::new(
            Class::Environment,
            "run/aws-chroot",
            format!("{what} on this machine"),
        )
        .help("detach what is not needed, or give another `device_path`")
    };
    if let Some(given) = given {
        if devices.contains(given) {
            return Err(busy(&format!("there is a volume at {given} already")));
        }
        return Name::take(given.to_owned())
            .ok_or_else(|| busy(&format!("another build uses {given}")));
    }
    // As EC2 recommends for volumes of EBS.
    let free = ('f'..='p').find_map(|letter| {
        let name = format!("/dev/sd{letter}");
        let other = format!("/dev/xvd{letter}");
        let is_there = [&name, &other]
            .into_iter()
            .any(|name| devices.contains(name) || Path::new(name).exists());
        (!is_there).then(|| Name::take(name)).flatten()
    });
    free.ok_or_else(|| busy("no name for a device is free"))
}

/// Whether an attachment was refused because the name belongs to another volume.
pub(super) fn is_taken<R>(error: &SdkError<AttachVolumeError, R>) -> bool {
    let message = error.message().unwrap_or_default();
    error.code() == Some("InvalidParameterValue") && message.contains("already in use")
}

/// A device of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) whole: String,
}

impl Node {
    /// A partition of it; `0` is all of it.
    pub(super) fn partition(&self, number: &str) -> String {
        let whole = &self.whole;
        match number {
            "0" | "" => whole.clone(),
            number if whole.ends_with(|end: char| end.is_ascii_digit()) => {
                format!("{whole}p{number}")
            }
            number => format!("{whole}{number}"),
        }
    }
}

/// Waits until a volume that is attached by a name is seen here, under whatever name the kernel has for it.
pub(super) async fn node(
    cx: &Context,
    name: &str,
    mounting: &Mounting,
    volume: &str,
) -> Result<Node> {
    let _waiting = cx.waiting(format!("the device of {volume}"));
    let candidates = candidates(name, mounting.nvme_device.as_deref(), volume);
    let begun = Instant::now();
    loop {
        let found = candidates.iter().find(|path| Path::new(path).exists());
        if let Some(found) = found {
            return Ok(Node {
                whole: found.clone(),
            });
        }
        if begun.elapsed() >= SEEN {
            return Err(Error::new(
                Class::Environment,
                "run/aws-chroot",
                format!(
                    "the volume {volume} is attached as {name} and not to be seen: there is none of {}",
                    candidates.join(", ")
                ),
            )
            .help("give the name that it has here: `nvme_device_path`"));
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = cx.cancel.cancelled() => return Err(Error::cancelled()),
        }
    }
}

fn candidates(name: &str, nvme: Option<&str>, volume: &str) -> Vec<String> {
    if let Some(nvme) = nvme {
        // Packer wants the `p` before the partition's number as a part of the path.
        let without = nvme.strip_suffix('p').unwrap_or(nvme);
        return vec![nvme.to_owned(), without.to_owned()];
    }
    let linked = format!(
        "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{}",
        volume.replace('-', "")
    );
    let xen = name.replacen("/dev/sd", "/dev/xvd", 1);
    vec![linked, name.to_owned(), xen]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_free_name_is_taken_once() {
        let devices = BTreeSet::from(["/dev/sdf".to_owned(), "/dev/xvdg".to_owned()]);
        let one = choose(None, &devices).unwrap();
        let other = choose(None, &devices).unwrap();
        assert_ne!(one.name(), other.name());
        for name in [one.name(), other.name()] {
            assert!(!["/dev/sdf", "/dev/sdg"].contains(&name), "{name}");
        }
        assert!(choose(Some("/dev/sdf"), &devices).is_err());
        assert!(choose(Some(one.name()), &BTreeSet::new()).is_err());
    }

    #[test]
    fn partitions_are_named_as_the_kernel_does() {
        let of = |whole: &str, number: &str| {
            let whole = whole.to_owned();
            Node { whole }.partition(number)
        };
        assert_eq!(of("/dev/xvdf", "1"), "/dev/xvdf1");
        assert_eq!(of("/dev/nvme1n1", "1"), "/dev/nvme1n1p1");
        assert_eq!(of("/dev/xvdf", "0"), "/dev/xvdf");
    }
}
