//! Starting an instance: on demand here, on the spot market in `fleet`.

use std::time::Duration;

use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    CapacityReservationSpecification, CapacityReservationTarget, CreditSpecificationRequest,
    EnclaveOptionsRequest, HttpTokensState, IamInstanceProfileSpecification, Image,
    InstanceMetadataEndpointState, InstanceMetadataOptionsRequest, InstanceMetadataTagsState,
    InstanceNetworkInterfaceSpecification, InstanceType, LicenseConfigurationRequest, Placement,
    ResourceType, ShutdownBehavior, Tenancy,
};
use imgc_runtime::context::Context;
use imgc_runtime::error::Result;
use tokio::time::Instant;

use crate::error::{Meaning, failed, meaning};
use crate::instance::fleet;
use crate::lookup::Place;
use crate::options::{Hardware, Network, Reservation, Run, mappings};
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
    /// Its profile by name: the template's, or one made for this build.
    pub(crate) profile: Option<String>,
    /// In base64.
    pub(crate) user_data: Option<String>,
    /// The template's `run_tags`, rendered.
    pub(crate) tags: Tags,
    /// The template's `run_volume_tags`, rendered.
    pub(crate) volume_tags: Tags,
    /// The template's `spot_tags`, rendered.
    pub(crate) spot_tags: Tags,
    /// The template's `fleet_tags`, rendered.
    pub(crate) fleet_tags: Tags,
    pub(crate) fresh: Fresh,
}

/// What this run has made a moment ago, and what Amazon may not know everywhere yet. What the template names is there, or is
/// not: waiting for it would only put the failure off.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fresh {
    pub(crate) group: bool,
    pub(crate) key: bool,
    /// A profile, which IAM has to tell EC2 of.
    pub(crate) profile: bool,
    pub(crate) template: bool,
}

impl Fresh {
    /// Whether an answer says that something of it is not known yet.
    fn is_unknown(self, code: &str, message: &str) -> bool {
        let kinds = [
            ("InvalidGroup.", self.group),
            ("InvalidKeyPair.", self.key),
            ("InvalidLaunchTemplate", self.template),
        ];
        let is_new = |(kind, fresh): &(&str, bool)| *fresh && code.starts_with(kind);
        self.profile && is_unknown_profile(message)
            || meaning(code) == Meaning::Missing && kinds.iter().any(is_new)
    }
}

/// An instance that has been asked for, and what was made to ask for it, in the order in which it goes after the instance.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) instance: Made,
    pub(crate) others: Vec<Made>,
}

/// The name of instances that the template gives none, as the console shows it. Packer's: what removes, counts and allows instances
/// goes by it; who has started it, and when it may go, say the other tags.
const NAME: &str = "Packer Builder";

/// How long a profile that was just made may be unknown to EC2.
const UNKNOWN: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_secs(1);

/// Starts it. The tags of instance and volumes are in the request itself.
pub(crate) async fn start(
    cx: &Context,
    region: &RegionClient,
    start: &Start<'_>,
) -> Result<Started> {
    match &start.run.spot {
        Some(spot) => Box::pin(fleet::start(cx, region, start, spot)).await,
        None => Ok(Started {
            instance: on_demand(cx, region, start).await?,
            others: Vec::new(),
        }),
    }
}

impl Start<'_> {
    /// The tags of the instance.
    pub(super) fn instance_tags(&self, cx: &Context, thing: &Thing) -> Tags {
        let mut tags = thing.tags(cx, &self.tags);
        tags.entry("Name".to_owned())
            .or_insert_with(|| NAME.to_owned());
        tags
    }

    /// The tags of its volumes, which go with it and have no record of their own.
    pub(super) fn tags_of_volumes(&self, cx: &Context, thing: &Thing) -> Tags {
        let mut tags = thing.tags(cx, &self.volume_tags);
        tags.remove(tags::NAME);
        tags
    }

    /// The groups, where there are any.
    pub(super) fn groups(&self) -> Option<Vec<String>> {
        Some(self.groups.clone()).filter(|groups| !groups.is_empty())
    }

    /// The zone, where no subnet says it.
    pub(super) fn zone(&self) -> Option<String> {
        let zone = self.place.zone.clone();
        zone.filter(|_| self.place.subnet.is_none())
    }
}

/// The request for an instance on demand: what a rehearsal asks for as well.
pub(crate) fn request(
    cx: &Context,
    region: &RegionClient,
    start: &Start<'_>,
    thing: &Thing,
) -> RunInstancesFluentBuilder {
    let run = start.run;
    let devices = mappings(&run.devices, &run.encryption, start.image, region.name());
    let hardware = &run.hardware;
    let credits = hardware.credits(&run.instance_type);
    let profile = start.profile.as_ref();
    let mut request = region
        .ec2()
        .run_instances()
        .set_image_id(start.image.image_id.clone())
        .instance_type(InstanceType::from(run.instance_type.as_str()))
        .min_count(1)
        .max_count(1)
        .set_key_name(start.key.clone())
        .set_user_data(start.user_data.clone())
        .set_block_device_mappings(Some(devices).filter(|devices| !devices.is_empty()))
        .metadata_options(metadata(run))
        .set_placement(placement(start))
        .capacity_reservation_specification(reservation(hardware))
        .set_license_specifications(licenses(hardware))
        .set_credit_specification(credits.map(credit_specification))
        .set_iam_instance_profile(profile.map(|name| {
            IamInstanceProfileSpecification::builder()
                .name(name)
                .build()
        }))
        .tag_specifications(tags::specification(
            ResourceType::Instance,
            &start.instance_tags(cx, thing),
        ))
        .tag_specifications(tags::specification(
            ResourceType::Volume,
            &start.tags_of_volumes(cx, thing),
        ));
    if run.ebs_optimized {
        request = request.ebs_optimized(true);
    }
    if hardware.enclave {
        request = request.enclave_options(EnclaveOptionsRequest::builder().enabled(true).build());
    }
    if let Some(behavior) = &run.shutdown_behavior {
        request =
            request.instance_initiated_shutdown_behavior(ShutdownBehavior::from(behavior.as_str()));
    }
    // A public address is asked for at the interface, and groups and subnet then stand there as well.
    match start.network.public_address {
        Some(public) => request.network_interfaces(
            InstanceNetworkInterfaceSpecification::builder()
                .device_index(0)
                .associate_public_ip_address(public)
                .delete_on_termination(true)
                .set_subnet_id(start.place.subnet.clone())
                .set_groups(start.groups())
                .build(),
        ),
        None => request
            .set_subnet_id(start.place.subnet.clone())
            .set_security_group_ids(start.groups()),
    }
}

async fn on_demand(cx: &Context, region: &RegionClient, start: &Start<'_>) -> Result<Made> {
    let thing = Thing::new(Kind::Instance)?;
    let request = request(cx, region, start, &thing).client_token(&thing.name);
    let make = async {
        let attempt = "start an instance";
        let answer = known(region, "RunInstances", attempt, start.fresh, || {
            request.clone().send()
        });
        let instances = answer.await?.instances.unwrap_or_default();
        let first = instances.into_iter().next();
        let id = first.and_then(|instance| instance.instance_id);
        id.ok_or_else(|| incomplete("RunInstances", "instance"))
    };
    thing.make(cx, region, make).await
}

/// Makes a request that may name something which was made a moment ago; while that is not known everywhere yet, again.
pub(crate) async fn known<T, E, F>(
    region: &RegionClient,
    action: &str,
    attempt: &str,
    fresh: Fresh,
    request: impl Fn() -> F,
) -> Result<T>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let begun = Instant::now();
    loop {
        let error = match region.ask(request()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let code = error.code().unwrap_or_default();
        let is_unknown = fresh.is_unknown(code, error.message().unwrap_or_default());
        if !is_unknown || begun.elapsed() >= UNKNOWN {
            return Err(failed(action, attempt, &error));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether EC2 says that it does not know a profile.
pub(super) fn is_unknown_profile(message: &str) -> bool {
    message.contains("Invalid IAM Instance Profile")
}

fn placement(start: &Start<'_>) -> Option<Placement> {
    let hardware = &start.run.hardware;
    let zone = start.zone();
    (zone.is_some() || hardware.is_placed()).then(|| {
        Placement::builder()
            .set_availability_zone(zone)
            .set_tenancy(hardware.tenancy.as_deref().map(Tenancy::from))
            .set_host_id(hardware.host.clone())
            .set_host_resource_group_arn(hardware.host_group.clone())
            .build()
    })
}

fn reservation(hardware: &Hardware) -> CapacityReservationSpecification {
    let builder = CapacityReservationSpecification::builder();
    match &hardware.reservation {
        Reservation::Preference(preference) => {
            builder.capacity_reservation_preference(preference.as_str().into())
        }
        other => builder.set_capacity_reservation_target(target(other)),
    }
    .build()
}

/// The reservation that is to be used, where one is named.
pub(super) fn target(reservation: &Reservation) -> Option<CapacityReservationTarget> {
    let target = CapacityReservationTarget::builder();
    match reservation {
        Reservation::Preference(_) => None,
        Reservation::Id(id) => Some(target.capacity_reservation_id(id).build()),
        Reservation::Group(arn) => {
            Some(target.capacity_reservation_resource_group_arn(arn).build())
        }
    }
}

fn licenses(hardware: &Hardware) -> Option<Vec<LicenseConfigurationRequest>> {
    let licenses = hardware.licenses.iter().map(|arn| {
        LicenseConfigurationRequest::builder()
            .license_configuration_arn(arn)
            .build()
    });
    let licenses: Vec<_> = licenses.collect();
    (!licenses.is_empty()).then_some(licenses)
}

pub(super) fn credit_specification(credits: &str) -> CreditSpecificationRequest {
    CreditSpecificationRequest::builder()
        .cpu_credits(credits)
        .build()
}

/// The second version of the metadata service only, unless the template says otherwise.
fn metadata(run: &Run) -> InstanceMetadataOptionsRequest {
    let own = &run.metadata;
    InstanceMetadataOptionsRequest::builder()
        .http_tokens(HttpTokensState::from(own.tokens()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_this_run_has_made_may_be_unknown_for_a_moment() {
        let none = Fresh::default();
        let all = Fresh {
            group: true,
            key: true,
            profile: true,
            template: true,
        };
        let profile = "Value (web) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name";
        for (code, message) in [
            (
                "InvalidGroup.NotFound",
                "The security group 'sg-1' does not exist",
            ),
            (
                "InvalidKeyPair.NotFound",
                "The key pair 'ops' does not exist",
            ),
            ("InvalidLaunchTemplateName.NotFoundException", ""),
            ("InvalidParameterValue", profile),
        ] {
            assert!(all.is_unknown(code, message), "{code}");
            assert!(!none.is_unknown(code, message), "{code}");
        }
        let group = Fresh {
            group: true,
            ..none
        };
        assert!(!group.is_unknown("InvalidKeyPair.NotFound", ""));
        assert!(!all.is_unknown("InvalidGroup.InUse", ""));
    }
}
