//! Rights that are missing, named all at once before anything is made: the calls that make things are asked for as dry runs.
//!
//! In: what a build is about to make. Out: nothing, or one error that names every action that is not allowed. EC2 looks at the
//! rights of a dry run first; whatever else it says is left to the run. Builds that want the same in a region share the answer.
//! What is done with things that exist by then (stop, image, end) cannot be asked so: rights on them hang on their tags. IAM itself
//! can say what its policies make of them ([`crate::simulation`]).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::primitives::Blob;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, DefaultTargetCapacityType, FleetLaunchTemplateConfigRequest,
    FleetLaunchTemplateSpecificationRequest, FleetType, IamInstanceProfileSpecification, Image,
    InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification, InstanceType,
    RequestLaunchTemplateData, ResourceType, TargetCapacitySpecificationRequest, VolumeType,
};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;
use tokio::sync::OnceCell;

use crate::error::{self, Meaning, account_in};
use crate::instance::start;
use crate::options::{Device, Encryption, Metadata, Network, mappings, named};
use crate::region::RegionClient;
use crate::resource::{Kind, Thing};
use crate::rights::{Family, Part, Place, parts, permission, statements};
use crate::tags::{self, Tags};

/// A public key for asking whether one may be brought; nobody has its other half.
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What is asked for as a dry run.
pub(crate) const REHEARSED: &[&str] = &[
    "ec2:CreateFleet",
    "ec2:CreateLaunchTemplate",
    "ec2:CreateSecurityGroup",
    "ec2:CreateVolume",
    "ec2:ImportKeyPair",
    "ec2:RunInstances",
];

/// What a build is about to make.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plans {
    /// A temporary security group.
    pub(crate) group: bool,
    /// A temporary key pair.
    pub(crate) key: bool,
    /// The image to start from; empty where there is none.
    pub(crate) image: String,
    /// Its instance.
    pub(crate) start: Option<Start>,
    /// A fleet of one, and the template it is started from.
    pub(crate) fleet: bool,
    /// A volume that is filled here.
    pub(crate) volume: Option<Volume>,
    /// `run_tags`, and those of the fleet: policies may ask for them.
    pub(crate) tags: Tags,
    pub(crate) fleet_tags: Tags,
}

/// A volume.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Volume {
    pub(crate) encrypted: bool,
    pub(crate) kind: Option<String>,
    pub(crate) tags: Tags,
}

/// How an instance is started: all that policies make conditions of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Start {
    pub(crate) instance_type: String,
    /// `subnet_id`, where the template names it.
    pub(crate) subnet: Option<String>,
    pub(crate) profile: Option<String>,
    /// `None`: as the subnet has it.
    pub(crate) public_address: Option<bool>,
    pub(crate) metadata: InstanceMetadataOptionsRequest,
    pub(crate) devices: Vec<BlockDeviceMapping>,
    /// `run_volume_tags`.
    pub(crate) volume_tags: Tags,
}

impl Start {
    /// `None` where something of it, but the network and the profile, is known to the run alone.
    fn read(
        family: Family,
        options: &Options<'_>,
        image: Option<&Image>,
        region: &str,
    ) -> Result<Option<Self>> {
        let text = |name: &str| known(options.string(name)).map(Option::flatten);
        let spot = known(options.plain_strings("spot_instance_types"))?;
        let instance_type = text("instance_type")?;
        let Some(instance_type) = instance_type.or_else(|| spot.into_iter().flatten().next())
        else {
            return Ok(None);
        };
        let rest = || {
            let devices = Device::of_instance(options, family.disks())?;
            let encryption = Encryption::read(options)?;
            let source = image.cloned().unwrap_or_else(|| Image::builder().build());
            Ok((
                mappings(&devices, &encryption, &source, region),
                start::metadata(&Metadata::read(options)?),
                Network::read(options)?.public_address,
            ))
        };
        let Some((devices, metadata, public_address)) = known(rest())? else {
            return Ok(None);
        };
        Ok(Some(Self {
            instance_type,
            subnet: text("subnet_id")?,
            profile: text("iam_instance_profile")?,
            public_address,
            metadata,
            devices,
            volume_tags: alike(options, "run_volume_tags", "run_volume_tag"),
        }))
    }
}

impl Plans {
    /// Those of a source in a region; an instance of the first type that is named.
    pub(crate) fn read(
        family: Family,
        options: &Options<'_>,
        image: Option<&Image>,
        region: &str,
    ) -> Result<Self> {
        let parts = parts(family, options);
        let is = |part: Part| parts.contains(&part);
        let text = |name: &str| known(options.string(name)).map(Option::flatten);
        let start = match is(Part::Instance) {
            true => Start::read(family, options, image, region)?,
            false => None,
        };
        let volume = match is(Part::Chroot) {
            true => Some(Volume {
                encrypted: ["root_volume_encrypt_boot", "encrypt_boot"]
                    .iter()
                    .any(|name| options.bool(name).unwrap_or_default()),
                kind: text("root_volume_type")?,
                tags: alike(options, "root_volume_tags", "root_volume_tag"),
            }),
            false => None,
        };
        Ok(Self {
            group: is(Part::Group),
            key: is(Part::Key),
            image: image
                .and_then(Image::image_id)
                .unwrap_or_default()
                .to_owned(),
            start,
            fleet: is(Part::Spot),
            volume,
            tags: alike(options, "run_tags", "run_tag"),
            fleet_tags: alike(options, "fleet_tags", "fleet_tag"),
        })
    }
}

/// What only the run knows is left out.
fn known<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.id == "run/unknown-option" => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tags of the template for a rehearsal: what stands for something in them is not known yet, and no tag may have its braces.
fn alike(options: &Options<'_>, map: &str, block: &str) -> Tags {
    let mut tags = named(options, map, block).unwrap_or_default();
    tags.retain(|key, _| !key.contains("{{"));
    for value in tags.values_mut().filter(|value| value.contains("{{")) {
        "later".clone_into(value);
    }
    tags
}

/// What was rehearsed in a region: the refusals, by what was wanted.
#[derive(Debug, Default)]
pub(crate) struct Rehearsals(Mutex<Vec<(Plans, Rehearsal)>>);

type Rehearsal = Arc<OnceCell<Vec<Refusal>>>;

/// An action that is not allowed.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// As policies write it.
    pub(crate) action: String,
    pub(crate) region: String,
    pub(crate) account: Option<String>,
    pub(crate) why: String,
}

/// Rehearses in a region; the actions that are not allowed.
pub(crate) async fn rehearse(
    cx: &Context,
    region: &RegionClient,
    plans: &Plans,
) -> Result<Vec<Refusal>> {
    let cell = {
        let rehearsals = &region.rehearsals().0;
        let mut rehearsals = rehearsals.lock().unwrap_or_else(PoisonError::into_inner);
        let before = rehearsals.iter().find(|(wanted, _)| wanted == plans);
        if let Some((_, cell)) = before {
            cell.clone()
        } else {
            let cell = Rehearsal::default();
            rehearsals.push((plans.clone(), cell.clone()));
            cell
        }
    };
    let refusals = cell.get_or_try_init(|| asked(cx, region, plans)).await?;
    Ok(refusals.clone())
}

/// The failure for what is not allowed; nothing where everything is.
pub(crate) fn refused(refusals: &[Refusal]) -> Result<()> {
    let Some(first) = refusals.first() else {
        return Ok(());
    };
    let actions: BTreeSet<&str> = refusals.iter().map(|one| one.action.as_str()).collect();
    let mut allow: Vec<String> = Vec::new();
    for refusal in refusals {
        let place = Place {
            region: refusal.region.clone(),
            account: refusal.account.clone(),
        };
        for statement in statements(&refusal.action, &place) {
            if !allow.contains(&statement) {
                allow.push(statement);
            }
        }
    }
    let actions: Vec<&str> = actions.into_iter().collect();
    let text = match actions.as_slice() {
        [one] => format!(
            "{one}, which this build needs, is not allowed: {}",
            first.why
        ),
        all => format!(
            "{} actions that this build needs are not allowed: {}; of the first: {}",
            all.len(),
            all.join(", "),
            first.why
        ),
    };
    Err(
        Error::new(Class::Environment, "run/aws-denied", text).help(format!(
            "nothing was made; allow it with: {}; `imgc plan -iam` prints all that the build needs",
            allow.join(", ")
        )),
    )
}

async fn asked(cx: &Context, region: &RegionClient, plans: &Plans) -> Result<Vec<Refusal>> {
    let (group, key, instance, fleet, volume) = tokio::join!(
        Box::pin(group(cx, region, plans)),
        Box::pin(key(cx, region, plans)),
        Box::pin(instance(cx, region, plans)),
        Box::pin(fleet(cx, region, plans)),
        Box::pin(volume(cx, region, plans)),
    );
    let rest = [group?, key?, instance?].into_iter().chain(fleet?);
    Ok(rest.chain([volume?]).flatten().collect())
}

async fn group(cx: &Context, region: &RegionClient, plans: &Plans) -> Result<Option<Refusal>> {
    if !plans.group {
        return Ok(None);
    }
    let thing = Thing::new(Kind::SecurityGroup)?;
    let tags = thing.tags(cx, &plans.tags);
    let request = region.ec2().create_security_group().dry_run(true);
    let request = request
        .group_name(&thing.name)
        .description("asked for as a dry run by imgc")
        .tag_specifications(tags::specification(ResourceType::SecurityGroup, &tags));
    let answer = region.ask(request.send()).await;
    Ok(refusal(region, "CreateSecurityGroup", answer).await)
}

async fn key(cx: &Context, region: &RegionClient, plans: &Plans) -> Result<Option<Refusal>> {
    if !plans.key {
        return Ok(None);
    }
    let thing = Thing::new(Kind::KeyPair)?;
    let tags = thing.tags(cx, &plans.tags);
    let request = region.ec2().import_key_pair().dry_run(true);
    let request = request
        .key_name(&thing.name)
        .public_key_material(Blob::new(KEY))
        .tag_specifications(tags::specification(ResourceType::KeyPair, &tags));
    let answer = region.ask(request.send()).await;
    Ok(refusal(region, "ImportKeyPair", answer).await)
}

async fn instance(cx: &Context, region: &RegionClient, plans: &Plans) -> Result<Option<Refusal>> {
    let Some(start) = &plans.start else {
        return Ok(None);
    };
    let thing = Thing::new(Kind::Instance)?;
    let own = start::tags_of_instance(cx, &thing, &plans.tags);
    let disks = start::tags_of_volumes(cx, &thing, &start.volume_tags);
    let profile = start.profile.as_ref().map(|name| {
        IamInstanceProfileSpecification::builder()
            .name(name)
            .build()
    });
    let request = region.ec2().run_instances().dry_run(true);
    let request = request
        .image_id(&plans.image)
        .instance_type(InstanceType::from(start.instance_type.as_str()))
        .min_count(1)
        .max_count(1)
        .set_block_device_mappings(Some(start.devices.clone()).filter(|all| !all.is_empty()))
        .metadata_options(start.metadata.clone())
        .set_iam_instance_profile(profile)
        .tag_specifications(tags::specification(ResourceType::Instance, &own))
        .tag_specifications(tags::specification(ResourceType::Volume, &disks));
    let request = match start.public_address {
        Some(public) => request.network_interfaces(
            InstanceNetworkInterfaceSpecification::builder()
                .device_index(0)
                .associate_public_ip_address(public)
                .delete_on_termination(true)
                .set_subnet_id(start.subnet.clone())
                .build(),
        ),
        None => request.set_subnet_id(start.subnet.clone()),
    };
    let answer = region.ask(request.send()).await;
    Ok(refusal(region, "RunInstances", answer).await)
}

/// The fleet, and the launch template that it would be started from.
async fn fleet(cx: &Context, region: &RegionClient, plans: &Plans) -> Result<[Option<Refusal>; 2]> {
    if !plans.fleet {
        return Ok([None, None]);
    }
    let thing = Thing::new(Kind::LaunchTemplate)?;
    let tags = thing.tags(cx, &plans.tags);
    let data = RequestLaunchTemplateData::builder().image_id(&plans.image);
    let request = region.ec2().create_launch_template().dry_run(true);
    let request = request
        .launch_template_name(&thing.name)
        .launch_template_data(data.build())
        .tag_specifications(tags::specification(ResourceType::LaunchTemplate, &tags));
    let answer = region.ask(request.send()).await;
    let template = refusal(region, "CreateLaunchTemplate", answer).await;
    let own = Thing::new(Kind::Fleet)?;
    let specification = FleetLaunchTemplateSpecificationRequest::builder()
        .launch_template_name(&thing.name)
        .version("1");
    let config = FleetLaunchTemplateConfigRequest::builder()
        .launch_template_specification(specification.build());
    let capacity = TargetCapacitySpecificationRequest::builder()
        .total_target_capacity(1)
        .default_target_capacity_type(DefaultTargetCapacityType::Spot);
    let tags = own.tags(cx, &plans.fleet_tags);
    let request = region.ec2().create_fleet().dry_run(true);
    let request = request
        .r#type(FleetType::Instant)
        .launch_template_configs(config.build())
        .target_capacity_specification(capacity.build())
        .tag_specifications(tags::specification(ResourceType::Fleet, &tags));
    let answer = region.ask(request.send()).await;
    Ok([template, refusal(region, "CreateFleet", answer).await])
}

/// An empty volume: one of a snapshot takes the same right.
async fn volume(cx: &Context, region: &RegionClient, plans: &Plans) -> Result<Option<Refusal>> {
    let Some(wanted) = &plans.volume else {
        return Ok(None);
    };
    let thing = Thing::new(Kind::Volume)?;
    let tags = thing.tags(cx, &wanted.tags);
    let request = region.ec2().create_volume().dry_run(true);
    let request = request
        .availability_zone(format!("{}a", region.name()))
        .size(1)
        .set_volume_type(wanted.kind.as_deref().map(VolumeType::from))
        .set_encrypted(wanted.encrypted.then_some(true))
        .tag_specifications(tags::specification(ResourceType::Volume, &tags));
    let answer = region.ask(request.send()).await;
    Ok(refusal(region, "CreateVolume", answer).await)
}

/// What an answer to a dry run means: everything but a refusal is left to the run.
async fn refusal<T, E, R>(
    region: &RegionClient,
    action: &'static str,
    answer: Result<T, SdkError<E, R>>,
) -> Option<Refusal>
where
    E: ProvideErrorMetadata,
{
    let Err(failed) = answer else {
        return None;
    };
    if error::answer(&failed) != Some(Meaning::Denied) {
        return None;
    }
    let message = failed.message().unwrap_or_default();
    let denied = region.denied(action, "begin", message).await;
    let why = denied.message.split(" is not allowed: ").nth(1);
    Some(Refusal {
        action: permission(action),
        region: region.name().to_owned(),
        account: account_in(&denied.message),
        why: why.unwrap_or(message).to_owned(),
    })
}
