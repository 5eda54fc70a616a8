//! Instances of the spot market: an instant fleet of one, from a launch template that is made for it.
//!
//! EC2 itself goes from one type of the list to the next where there is no capacity. The instance carries its own name as a tag,
//! so that it is found also where the answer of `CreateFleet` was lost.

use std::time::Duration;

use aws_sdk_ec2::operation::create_launch_template::builders::CreateLaunchTemplateFluentBuilder;
use aws_sdk_ec2::types::{
    CreateFleetError, DefaultTargetCapacityType, FleetLaunchTemplateConfigRequest,
    FleetLaunchTemplateOverridesRequest, FleetLaunchTemplateSpecificationRequest, FleetType,
    InstanceType, LaunchTemplateCapacityReservationSpecificationRequest,
    LaunchTemplateEnclaveOptionsRequest, LaunchTemplateHttpTokensState,
    LaunchTemplateIamInstanceProfileSpecificationRequest,
    LaunchTemplateInstanceMarketOptionsRequest, LaunchTemplateInstanceMetadataEndpointState,
    LaunchTemplateInstanceMetadataOptionsRequest, LaunchTemplateInstanceMetadataTagsState,
    LaunchTemplateInstanceNetworkInterfaceSpecificationRequest,
    LaunchTemplateLicenseConfigurationRequest, LaunchTemplatePlacementRequest,
    LaunchTemplateSpotMarketOptionsRequest, LaunchTemplateTagSpecificationRequest, MarketType,
    RequestLaunchTemplateData, ResourceType, SpotAllocationStrategy, SpotOptionsRequest,
    TargetCapacitySpecificationRequest, Tenancy,
};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use tokio::time::Instant;

use crate::error::{Meaning, meaning};
use crate::instance::start::{
    Fresh, Start, Started, credit_specification, is_unknown_profile, known, target,
};
use crate::options::{IN_ORDER, Reservation, Run, Spot, mappings, template};
use crate::region::{RegionClient, incomplete};
use crate::resource::{Kind, Made, Thing, remove};
use crate::tags::{self, Tags};

/// How long a profile that was just made may be unknown to EC2.
const UNKNOWN: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_secs(1);

/// Starts the instance.
pub(super) async fn start(
    cx: &Context,
    region: &RegionClient,
    start: &Start<'_>,
    spot: &Spot,
) -> Result<Started> {
    let thing = Thing::new(Kind::Instance)?;
    let template = Box::pin(make_template(cx, region, start, spot, &thing)).await?;
    let mut fleet = None;
    let make = until_known(cx, region, start, spot, &template, &mut fleet);
    // Futures of requests with all that a template holds would be part of every future above them.
    let instance = thing.make(cx, region, Box::pin(make)).await?;
    Ok(Started {
        instance,
        others: fleet.into_iter().chain([template]).collect(),
    })
}

/// Asks until a profile that was just made is known; each fleet that was refused for that goes at once.
async fn until_known(
    cx: &Context,
    region: &RegionClient,
    start: &Start<'_>,
    spot: &Spot,
    template: &Made,
    fleet: &mut Option<Made>,
) -> Result<String> {
    let begun = Instant::now();
    loop {
        let mut refused = Vec::new();
        let asked = fleet_of_one(cx, region, start, spot, template, fleet, &mut refused);
        match Box::pin(asked).await {
            Err(_)
                if start.fresh.profile
                    && begun.elapsed() < UNKNOWN
                    && is_about_profile(&refused) =>
            {
                if let Some(fleet) = fleet.take() {
                    remove(region, &fleet.record).await?;
                    cx.ledger.forget(fleet.number);
                }
                tokio::time::sleep(PAUSE).await;
            }
            answer => return answer,
        }
    }
}

fn is_about_profile(refused: &[CreateFleetError]) -> bool {
    let mut messages = refused.iter().filter_map(CreateFleetError::error_message);
    messages.any(is_unknown_profile)
}

/// Asks for a fleet and gives the id of its instance; the fleet and what it refuses are told on the way.
async fn fleet_of_one(
    cx: &Context,
    region: &RegionClient,
    start: &Start<'_>,
    spot: &Spot,
    template: &Made,
    fleet: &mut Option<Made>,
    refused: &mut Vec<CreateFleetError>,
) -> Result<String> {
    let thing = Thing::new(Kind::Fleet)?;
    let in_order = spot.strategy.as_deref() == Some(IN_ORDER);
    let overrides = spot.types.iter().enumerate().map(|(at, kind)| {
        FleetLaunchTemplateOverridesRequest::builder()
            .instance_type(InstanceType::from(kind.as_str()))
            .set_priority(in_order.then_some(at as f64))
            .build()
    });
    let specification = FleetLaunchTemplateSpecificationRequest::builder()
        .launch_template_name(template.id())
        .version("1");
    let config = FleetLaunchTemplateConfigRequest::builder()
        .launch_template_specification(specification.build())
        .set_overrides(Some(overrides.collect()));
    let options = spot.strategy.as_deref().map(|strategy| {
        SpotOptionsRequest::builder()
            .allocation_strategy(SpotAllocationStrategy::from(strategy))
            .build()
    });
    let capacity = TargetCapacitySpecificationRequest::builder()
        .total_target_capacity(1)
        .default_target_capacity_type(DefaultTargetCapacityType::Spot);
    let request = region
        .ec2()
        .create_fleet()
        .client_token(&thing.name)
        .r#type(FleetType::Instant)
        .launch_template_configs(config.build())
        .target_capacity_specification(capacity.build())
        .set_spot_options(options)
        .tag_specifications(tags::specification(
            ResourceType::Fleet,
            &thing.tags(cx, &start.fleet_tags),
        ));
    let mut instance = None;
    let make = async {
        let attempt = "ask the spot market for an instance";
        let fresh = Fresh {
            template: true,
            ..start.fresh
        };
        let answer = known(region, "CreateFleet", attempt, fresh, || {
            request.clone().send()
        });
        let answer = Box::pin(answer).await?;
        let instances = answer.instances.unwrap_or_default();
        let mut ids = instances
            .into_iter()
            .flat_map(|instances| instances.instance_ids.unwrap_or_default());
        instance = ids.next();
        *refused = answer.errors.unwrap_or_default();
        answer
            .fleet_id
            .ok_or_else(|| incomplete("CreateFleet", "id"))
    };
    *fleet = Some(thing.make(cx, region, Box::pin(make)).await?);
    instance.ok_or_else(|| nothing(refused, spot))
}

/// The fleet has no instance.
fn nothing(refused: &[CreateFleetError], spot: &Spot) -> Error {
    let mut reasons: Vec<String> = Vec::new();
    for error in refused {
        let overrides = error
            .launch_template_and_overrides
            .as_ref()
            .and_then(|both| both.overrides.as_ref());
        let kind = overrides
            .and_then(|overrides| overrides.instance_type.as_ref())
            .map_or("any type", InstanceType::as_str);
        let code = error.error_code().unwrap_or("an error without code");
        let message = error.error_message().unwrap_or("without a reason");
        let reason = format!("{kind}: {code}: {message}");
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    if reasons.is_empty() {
        reasons.push(format!("{}: no reason is given", spot.types.join(", ")));
    }
    let text = format!("the spot market gives no instance: {}", reasons.join("; "));
    let mut codes = refused.iter().filter_map(CreateFleetError::error_code);
    match codes.all(|code| meaning(code) == Meaning::Capacity) {
        true => Error::new(Class::Remote, "run/aws-capacity", text).permanent().help(
            "name more types in `spot_instance_types`, leave `spot_price` at `auto`, or take an instance on demand: \
             `instance_type` without `spot_price`",
        ),
        false => Error::new(Class::Remote, "run/aws-request", text).permanent(),
    }
}

/// The request for a launch template, of an instance that is called `instance`: what a rehearsal asks for as well.
pub(crate) fn template_request(
    cx: &Context,
    region: &RegionClient,
    start: &Start<'_>,
    spot: &Spot,
    instance: &Thing,
    thing: &Thing,
) -> CreateLaunchTemplateFluentBuilder {
    region
        .ec2()
        .create_launch_template()
        .launch_template_name(&thing.name)
        .launch_template_data(*data(cx, region, start, spot, instance))
        .tag_specifications(tags::specification(
            ResourceType::LaunchTemplate,
            &thing.tags(cx, &start.spot_tags),
        ))
}

async fn make_template(
    cx: &Context,
    region: &RegionClient,
    start: &Start<'_>,
    spot: &Spot,
    instance: &Thing,
) -> Result<Made> {
    let thing = Thing::new(Kind::LaunchTemplate)?;
    let request = template_request(cx, region, start, spot, instance, &thing);
    let request = request.client_token(&thing.name);
    let make = async {
        let attempt = "make a launch template";
        region
            .call("CreateLaunchTemplate", attempt, request.send())
            .await?;
        // Its name is what it is deleted by.
        Ok(thing.name.clone())
    };
    thing.make(cx, region, Box::pin(make)).await
}

fn data(
    cx: &Context,
    region: &RegionClient,
    start: &Start<'_>,
    spot: &Spot,
    instance: &Thing,
) -> Box<RequestLaunchTemplateData> {
    let run = start.run;
    let hardware = &run.hardware;
    let devices = mappings(&run.devices, &run.encryption, start.image, region.name());
    let devices: Vec<_> = devices.into_iter().map(template).collect();
    let credits = hardware.credits(&run.instance_type);
    let market = LaunchTemplateSpotMarketOptionsRequest::builder()
        .set_max_price(spot.price.clone())
        .set_block_duration_minutes(spot.minutes);
    let market = LaunchTemplateInstanceMarketOptionsRequest::builder()
        .market_type(MarketType::Spot)
        .spot_options(market.build());
    let mut data = RequestLaunchTemplateData::builder()
        .set_image_id(start.image.image_id.clone())
        .instance_type(InstanceType::from(run.instance_type.as_str()))
        .set_key_name(start.key.clone())
        .set_user_data(start.user_data.clone())
        .set_block_device_mappings(Some(devices).filter(|devices| !devices.is_empty()))
        .instance_market_options(market.build())
        .metadata_options(metadata(run))
        .set_placement(placement(start))
        .set_license_specifications(licenses(run))
        .set_credit_specification(credits.map(credit_specification))
        .set_iam_instance_profile(start.profile.as_ref().map(|name| {
            LaunchTemplateIamInstanceProfileSpecificationRequest::builder()
                .name(name)
                .build()
        }))
        .capacity_reservation_specification(reservation(run))
        .tag_specifications(specification(
            ResourceType::Instance,
            &start.instance_tags(cx, instance),
        ))
        .tag_specifications(specification(
            ResourceType::Volume,
            &start.tags_of_volumes(cx, instance),
        ));
    if !start.spot_tags.is_empty() {
        data = data.tag_specifications(specification(
            ResourceType::SpotInstancesRequest,
            &start.spot_tags,
        ));
    }
    if run.ebs_optimized {
        data = data.ebs_optimized(true);
    }
    if hardware.enclave {
        let enclave = LaunchTemplateEnclaveOptionsRequest::builder().enabled(true);
        data = data.enclave_options(enclave.build());
    }
    // A subnet is said at the interface only.
    let at_interface = start.place.subnet.is_some() || start.network.public_address.is_some();
    let data = match at_interface {
        true => data.network_interfaces(
            LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder()
                .device_index(0)
                .set_associate_public_ip_address(start.network.public_address)
                .delete_on_termination(true)
                .set_subnet_id(start.place.subnet.clone())
                .set_groups(start.groups())
                .build(),
        ),
        false => data.set_security_group_ids(start.groups()),
    };
    Box::new(data.build())
}

fn specification(kind: ResourceType, tags: &Tags) -> LaunchTemplateTagSpecificationRequest {
    LaunchTemplateTagSpecificationRequest::builder()
        .resource_type(kind)
        .set_tags(Some(tags::list(tags)))
        .build()
}

fn placement(start: &Start<'_>) -> Option<LaunchTemplatePlacementRequest> {
    let hardware = &start.run.hardware;
    let zone = start.zone();
    (zone.is_some() || hardware.is_placed()).then(|| {
        LaunchTemplatePlacementRequest::builder()
            .set_availability_zone(zone)
            .set_tenancy(hardware.tenancy.as_deref().map(Tenancy::from))
            .set_host_id(hardware.host.clone())
            .set_host_resource_group_arn(hardware.host_group.clone())
            .build()
    })
}

fn reservation(run: &Run) -> LaunchTemplateCapacityReservationSpecificationRequest {
    let builder = LaunchTemplateCapacityReservationSpecificationRequest::builder();
    match &run.hardware.reservation {
        Reservation::Preference(preference) => {
            builder.capacity_reservation_preference(preference.as_str().into())
        }
        other => builder.set_capacity_reservation_target(target(other)),
    }
    .build()
}

fn licenses(run: &Run) -> Option<Vec<LaunchTemplateLicenseConfigurationRequest>> {
    let licenses = run.hardware.licenses.iter().map(|arn| {
        LaunchTemplateLicenseConfigurationRequest::builder()
            .license_configuration_arn(arn)
            .build()
    });
    let licenses: Vec<_> = licenses.collect();
    (!licenses.is_empty()).then_some(licenses)
}

/// As for an instance on demand.
fn metadata(run: &Run) -> LaunchTemplateInstanceMetadataOptionsRequest {
    let own = &run.metadata;
    let endpoint = own.endpoint.as_deref();
    let instance_tags = own.instance_tags.as_deref();
    LaunchTemplateInstanceMetadataOptionsRequest::builder()
        .http_tokens(LaunchTemplateHttpTokensState::from(own.tokens()))
        .set_http_endpoint(endpoint.map(LaunchTemplateInstanceMetadataEndpointState::from))
        .set_http_put_response_hop_limit(own.hops)
        .set_instance_metadata_tags(
            instance_tags.map(LaunchTemplateInstanceMetadataTagsState::from),
        )
        .build()
}
