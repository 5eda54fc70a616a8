//! Rights that are missing, named all at once before anything is made: the calls that make things are asked for as dry runs.
//!
//! In: what a build is about to make. Out: nothing, or one error that names every action that is not allowed. EC2 looks at the
//! rights of a dry run first; whatever else it says is left to the run. Builds that want the same in a region share the answer.
//! What is done with things that exist by then (stop, image, end) cannot be asked so: rights on them hang on their tags. IAM itself
//! can say what its policies make of them ([`crate::simulation`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::primitives::Blob;
use aws_sdk_ec2::types::{
    DefaultTargetCapacityType, FleetLaunchTemplateConfigRequest,
    FleetLaunchTemplateSpecificationRequest, FleetType, Image, InstanceMarketOptionsRequest,
    MarketType, ResourceType, TargetCapacitySpecificationRequest,
};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;
use tokio::sync::OnceCell;

use crate::builders::{Facts, Render, RootVolume};
use crate::error::{self, Meaning, account_in};
use crate::instance::{self, Fresh};
use crate::lookup::Place;
use crate::options::{Chroot, Launch, named};
use crate::region::RegionClient;
use crate::resource::{Kind, Thing};
use crate::rights::{self, Family, Part, parts, permission, statements};
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

/// What is known of a build before it begins.
pub(crate) struct Scene<'a> {
    pub(crate) family: Family,
    pub(crate) options: &'a Options<'a>,
    /// The image to start from; none for an image from scratch.
    pub(crate) source: Option<&'a Image>,
    /// Where the instance goes; `None`: that is not known.
    pub(crate) place: Option<&'a Place>,
    /// The security groups that the template brings; `None`: they are not known.
    pub(crate) groups: Option<Vec<String>>,
}

/// What a build is about to make. What is not known before it begins is not rehearsed: a policy would refuse what is not meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plans {
    group: Option<Group>,
    /// The tags of a key pair.
    key: Option<Tags>,
    start: Option<Box<Start>>,
    volume: Option<Box<RootVolume>>,
}

/// A temporary security group.
#[derive(Clone, Debug)]
struct Group {
    vpc: Option<String>,
    tags: Tags,
}

/// An instance.
#[derive(Clone, Debug)]
struct Start {
    image: Image,
    launch: Launch,
    place: Place,
    groups: Vec<String>,
    tags: Tags,
    volume_tags: Tags,
    spot_tags: Tags,
    fleet_tags: Tags,
}

impl Plans {
    /// Those of a build in a region.
    pub(crate) fn of(cx: &Context, region: &RegionClient, scene: &Scene<'_>) -> Result<Self> {
        let Scene {
            family,
            options,
            source,
            place,
            ..
        } = *scene;
        let parts = parts(family, options);
        let nothing = Image::builder().build();
        let facts = Facts::new(region, source.unwrap_or(&nothing));
        let render = Render::new(cx, &facts);
        let tags = |map: &str, block: &str| -> Result<Option<Tags>> {
            let written = known(named(options, map, block))?;
            // What is wrong in them, the build says in its place.
            Ok(written.and_then(|written| render.tags(&written, map).ok()))
        };
        let mut plans = Self::default();
        if parts.contains(&Part::Chroot)
            && let Some(read) = known(Chroot::read(options))?
            && let Some(tags) = tags("root_volume_tags", "root_volume_tag")?
        {
            let disk = RootVolume::new(&read, source, region.name(), tags);
            plans.volume = Some(Box::new(disk));
        }
        let Some(own) = tags("run_tags", "run_tag")? else {
            return Ok(plans);
        };
        if parts.contains(&Part::Key) {
            plans.key = Some(own.clone());
        }
        let Some(place) = place else {
            return Ok(plans);
        };
        if parts.contains(&Part::Group) {
            plans.group = Some(Group {
                vpc: place.vpc.clone(),
                tags: own.clone(),
            });
        }
        if parts.contains(&Part::Instance)
            && let Some(image) = source
            && let Some(groups) = scene.groups.clone()
            && let Some(mut launch) = known(Launch::read(options, family.disks()))?
            && let Some(volume_tags) = tags("run_volume_tags", "run_volume_tag")?
            && let Some(spot_tags) = tags("spot_tags", "spot_tag")?
            && let Some(fleet_tags) = tags("fleet_tags", "fleet_tag")?
        {
            // No policy speaks of it, and it may be long.
            launch.run.user_data = None;
            plans.start = Some(Box::new(Start {
                image: image.clone(),
                launch,
                place: place.clone(),
                groups,
                tags: own,
                volume_tags,
                spot_tags,
                fleet_tags,
            }));
        }
        Ok(plans)
    }

    /// Whether what the build fills is rehearsed.
    pub(crate) fn has_machine(&self) -> bool {
        self.start.is_some() || self.volume.is_some()
    }

    /// The same without the key pair, where there will be one.
    pub(crate) fn without_key(&self) -> Option<Self> {
        self.key.as_ref()?;
        Some(Self {
            key: None,
            ..self.clone()
        })
    }
}

impl Start {
    /// What would be started: the temporary group, key pair and role are not there yet.
    fn real(&self) -> instance::Start<'_> {
        instance::Start {
            image: &self.image,
            run: &self.launch.run,
            network: &self.launch.network,
            place: &self.place,
            groups: self.groups.clone(),
            key: None,
            profile: self.launch.run.profile.clone(),
            user_data: None,
            tags: self.tags.clone(),
            volume_tags: self.volume_tags.clone(),
            spot_tags: self.spot_tags.clone(),
            fleet_tags: self.fleet_tags.clone(),
            fresh: Fresh::default(),
        }
    }
}

/// What only the run knows is `None`.
fn known<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.id == "run/unknown-option" => Ok(None),
        Err(error) => Err(error),
    }
}

/// What was rehearsed in a region: the refusals, by all that was wanted, written out.
#[derive(Debug, Default)]
pub(crate) struct Rehearsals(Mutex<BTreeMap<String, Arc<OnceCell<Vec<Refusal>>>>>);

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
        rehearsals.entry(format!("{plans:?}")).or_default().clone()
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
        let place = rights::Place {
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
    let Some(group) = &plans.group else {
        return Ok(None);
    };
    let thing = Thing::new(Kind::SecurityGroup)?;
    let tags = thing.tags(cx, &group.tags);
    let request = region.ec2().create_security_group().dry_run(true);
    let request = request
        .group_name(&thing.name)
        .description("asked for as a dry run by imgc")
        .set_vpc_id(group.vpc.clone())
        .tag_specifications(tags::specification(ResourceType::SecurityGroup, &tags));
    let answer = region.ask(request.send()).await;
    Ok(refusal(region, "CreateSecurityGroup", answer).await)
}

async fn key(cx: &Context, region: &RegionClient, plans: &Plans) -> Result<Option<Refusal>> {
    let Some(tags) = &plans.key else {
        return Ok(None);
    };
    let thing = Thing::new(Kind::KeyPair)?;
    let tags = thing.tags(cx, tags);
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
    // A fleet starts it on the spot market.
    let market = start.launch.run.spot.as_ref().map(|_| {
        InstanceMarketOptionsRequest::builder()
            .market_type(MarketType::Spot)
            .build()
    });
    let request = instance::start_request(cx, region, &start.real(), &thing);
    let request = request.set_instance_market_options(market).dry_run(true);
    let answer = region.ask(request.send()).await;
    Ok(refusal(region, "RunInstances", answer).await)
}

/// The fleet, and the launch template that it would be started from.
async fn fleet(cx: &Context, region: &RegionClient, plans: &Plans) -> Result<[Option<Refusal>; 2]> {
    let Some((start, spot)) = plans.start.as_ref().and_then(|start| {
        let spot = start.launch.run.spot.as_ref()?;
        Some((start, spot))
    }) else {
        return Ok([None, None]);
    };
    let (thing, instance) = (
        Thing::new(Kind::LaunchTemplate)?,
        Thing::new(Kind::Instance)?,
    );
    let real = start.real();
    let request = instance::template_request(cx, region, &real, spot, &instance, &thing);
    let answer = region.ask(request.dry_run(true).send()).await;
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
    let tags = own.tags(cx, &start.fleet_tags);
    let request = region.ec2().create_fleet().dry_run(true);
    let request = request
        .r#type(FleetType::Instant)
        .launch_template_configs(config.build())
        .target_capacity_specification(capacity.build())
        .tag_specifications(tags::specification(ResourceType::Fleet, &tags));
    let answer = region.ask(request.send()).await;
    Ok([template, refusal(region, "CreateFleet", answer).await])
}

/// The volume that is filled here, in some zone.
async fn volume(cx: &Context, region: &RegionClient, plans: &Plans) -> Result<Option<Refusal>> {
    let Some(disk) = &plans.volume else {
        return Ok(None);
    };
    let thing = Thing::new(Kind::Volume)?;
    let zone = format!("{}a", region.name());
    let request = disk.request(cx, region, &zone, &thing).dry_run(true);
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
