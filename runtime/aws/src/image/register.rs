//! Images that are registered: from snapshots, or from a manifest in S3.

use aws_sdk_ec2::types::{
    ArchitectureValues, BlockDeviceMapping, BootModeValues, Image, ImdsSupportValues, ResourceType,
    TpmSupportValues,
};
use imgc_runtime::context::Context;
use imgc_runtime::error::Result;

use super::{Wanted, available};
use crate::options::{Polling, Traits, V2, guards_metadata};
use crate::region::{RegionClient, incomplete};
use crate::resource::{Kind, Made, Thing};
use crate::tags;

/// What an image consists of.
pub(crate) enum Contents {
    /// Snapshots, and which of the devices it starts from.
    Devices {
        root: String,
        devices: Vec<BlockDeviceMapping>,
    },
    /// A bundle in S3: bucket and path of its manifest. Devices beside it.
    Manifest {
        location: String,
        devices: Vec<BlockDeviceMapping>,
    },
}

/// Registers an image and waits until it is available. Its instances take the second version of the metadata service only,
/// unless the template says otherwise.
pub(crate) async fn register(
    cx: &Context,
    region: &RegionClient,
    wanted: &Wanted<'_>,
    contents: Contents,
    traits: &Traits,
    polling: Polling,
) -> Result<(Made, Image)> {
    let thing = Thing::new(Kind::Image)?;
    let options = wanted.options;
    let guards = guards_metadata(traits.imds.as_deref());
    let request = region
        .ec2()
        .register_image()
        .name(options.name_at_home(&thing.name))
        .set_description(wanted.description.clone())
        .set_architecture(traits.architecture.as_deref().map(ArchitectureValues::from))
        .set_virtualization_type(traits.virtualization.clone())
        .set_boot_mode(traits.boot_mode.as_deref().map(BootModeValues::from))
        .set_tpm_support(traits.tpm.as_deref().map(TpmSupportValues::from))
        .set_uefi_data(traits.uefi_data.clone())
        .set_ena_support(options.ena)
        .set_sriov_net_support(options.sriov.then(|| "simple".to_owned()))
        .set_imds_support(guards.then(|| ImdsSupportValues::from(V2)))
        .tag_specifications(tags::specification(
            ResourceType::Image,
            &thing.tags(cx, &wanted.tags),
        ));
    let some = |devices: Vec<_>| Some(devices).filter(|devices| !devices.is_empty());
    let request = match contents {
        Contents::Devices { root, devices } => request
            .root_device_name(root)
            .set_block_device_mappings(some(devices)),
        Contents::Manifest { location, devices } => request
            .image_location(location)
            .set_block_device_mappings(some(devices)),
    };
    let make = async {
        let answer = region.call("RegisterImage", "register an image", request.send());
        answer
            .await?
            .image_id
            .ok_or_else(|| incomplete("RegisterImage", "id"))
    };
    let made = thing.make(cx, region, make).await?;
    cx.output.say(format!("AMI: {}", made.id()));
    let image = available(cx, region, made.id(), polling).await?;
    region.remember(made.id(), &image);
    Ok((made, image))
}
