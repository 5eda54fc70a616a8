//! Starting an instance.

use aws_sdk_ec2::types::{
    HttpTokensState, IamInstanceProfileSpecification, Image, InstanceMetadataEndpointState,
    InstanceMetadataOptionsRequest, InstanceMetadataTagsState,
    InstanceNetworkInterfaceSpecification, InstanceType, Placement, ResourceType, ShutdownBehavior,
};
use imgc_runtime::context::Context;
use imgc_runtime::error::Result;

use crate::lookup::Place;
use crate::options::{Network, Run, mappings};
use crate::region::{RegionClient, incomplete};
use crate::resource::{Kind, Made, Thing};
use crate::tags::{self, Tags};

/// What an instance is started with.
pub(crate) struct Start<'a> {
    pub(crate) image: &'a Image,
    pub(crate) run: &'a Run,
    pub(crate) network: &'a Network,
    pub(crate) place: &'a Place,
    pub(crate) groups: Vec<String>,
    pub(crate) key: Option<String>,
    /// In base64.
    pub(crate) user_data: Option<String>,
    /// The template's `run_tags`, rendered.
    pub(crate) tags: Tags,
    /// The template's `run_volume_tags`, rendered.
    pub(crate) volume_tags: Tags,
}

/// The name of instances that the template gives none, as the console shows it.
const NAME: &str = "imgc builder";

/// Starts it. The tags of instance and volumes are in the request itself.
pub(crate) async fn start(cx: &Context, region: &RegionClient, start: &Start<'_>) -> Result<Made> {
    let run = start.run;
    let thing = Thing::new(Kind::Instance)?;
    let mut tags = thing.tags(cx, &start.tags);
    tags.entry("Name".to_owned())
        .or_insert_with(|| NAME.to_owned());
    let mut volume_tags = thing.tags(cx, &start.volume_tags);
    volume_tags.remove(tags::NAME);
    let devices = mappings(&run.devices, &run.encryption, start.image, region.name());
    let mut request = region
        .ec2()
        .run_instances()
        .client_token(&thing.name)
        .set_image_id(start.image.image_id.clone())
        .instance_type(InstanceType::from(run.instance_type.as_str()))
        .min_count(1)
        .max_count(1)
        .set_key_name(start.key.clone())
        .set_user_data(start.user_data.clone())
        .set_block_device_mappings(Some(devices).filter(|devices| !devices.is_empty()))
        .metadata_options(metadata(run))
        .tag_specifications(tags::specification(ResourceType::Instance, &tags))
        .tag_specifications(tags::specification(ResourceType::Volume, &volume_tags));
    if run.ebs_optimized {
        request = request.ebs_optimized(true);
    }
    if let Some(behavior) = &run.shutdown_behavior {
        request =
            request.instance_initiated_shutdown_behavior(ShutdownBehavior::from(behavior.as_str()));
    }
    if let Some(profile) = &run.profile {
        let profile = IamInstanceProfileSpecification::builder().name(profile);
        request = request.iam_instance_profile(profile.build());
    }
    if let Some(zone) = &start.place.zone
        && start.place.subnet.is_none()
    {
        request = request.placement(Placement::builder().availability_zone(zone).build());
    }
    // A public address is asked for at the interface, and groups and subnet then stand there as well.
    request = match start.network.public_address {
        Some(public) => request.network_interfaces(
            InstanceNetworkInterfaceSpecification::builder()
                .device_index(0)
                .associate_public_ip_address(public)
                .delete_on_termination(true)
                .set_subnet_id(start.place.subnet.clone())
                .set_groups(Some(start.groups.clone()).filter(|groups| !groups.is_empty()))
                .build(),
        ),
        None => request
            .set_subnet_id(start.place.subnet.clone())
            .set_security_group_ids(Some(start.groups.clone()).filter(|groups| !groups.is_empty())),
    };
    let make = async {
        let answer = region.call("RunInstances", "start an instance", request.send());
        let instances = answer.await?.instances.unwrap_or_default();
        let first = instances.into_iter().next();
        let id = first.and_then(|instance| instance.instance_id);
        id.ok_or_else(|| incomplete("RunInstances", "instance"))
    };
    thing.make(cx, region, make).await
}

/// The second version of the metadata service only, unless the template says otherwise.
fn metadata(run: &Run) -> InstanceMetadataOptionsRequest {
    let own = &run.metadata;
    let tokens = own
        .tokens
        .as_deref()
        .map_or(HttpTokensState::Required, HttpTokensState::from);
    InstanceMetadataOptionsRequest::builder()
        .http_tokens(tokens)
        .set_http_endpoint(
            own.endpoint
                .as_deref()
                .map(InstanceMetadataEndpointState::from),
        )
        .set_http_put_response_hop_limit(own.hops)
        .set_instance_metadata_tags(
            own.instance_tags
                .as_deref()
                .map(InstanceMetadataTagsState::from),
        )
        .build()
}
