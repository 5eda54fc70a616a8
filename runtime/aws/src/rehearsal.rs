//! Rights that are missing, named all at once before anything is made: the calls that make things are asked for as dry runs.
//!
//! In: what a build is about to make. Out: nothing, or one error that names every action that is not allowed. EC2 looks at the
//! rights of a dry run first; whatever else it says is left to the run. Builds that want the same in a region share the answer.
//! What is done with things that exist by then (stop, image, end) cannot be asked before: rights on them hang on their tags.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::primitives::Blob;
use aws_sdk_ec2::types::{IamInstanceProfileSpecification, InstanceType, ResourceType};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use tokio::sync::OnceCell;

use crate::error::{self, Meaning, account_in};
use crate::region::RegionClient;
use crate::resource::{Kind, Thing};
use crate::rights::{Place, permission, statements};
use crate::tags::{self, Tags};

/// A public key for asking whether one may be brought; nobody has its other half.
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What a build is about to make.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Plans {
    /// A temporary security group.
    pub(crate) group: bool,
    /// A temporary key pair.
    pub(crate) key: bool,
    /// The image to start from.
    pub(crate) image: String,
    pub(crate) instance_type: String,
    /// `subnet_id`, where the template names it.
    pub(crate) subnet: Option<String>,
    pub(crate) profile: Option<String>,
}

/// What was rehearsed in a region: the refusals, by what was wanted.
#[derive(Debug, Default)]
pub(crate) struct Rehearsals(Mutex<BTreeMap<Plans, Arc<OnceCell<Vec<Refusal>>>>>);

/// An action that is not allowed.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    action: &'static str,
    account: Option<String>,
    why: String,
}

/// Rehearses; the actions that are not allowed.
pub(crate) async fn rehearse(
    cx: &Context,
    region: &RegionClient,
    plans: &Plans,
) -> Result<Vec<Refusal>> {
    let cell = {
        let rehearsals = &region.rehearsals().0;
        let mut rehearsals = rehearsals.lock().unwrap_or_else(PoisonError::into_inner);
        rehearsals.entry(plans.clone()).or_default().clone()
    };
    let refusals = cell.get_or_try_init(|| asked(cx, region, plans)).await?;
    Ok(refusals.clone())
}

/// The failure for what is not allowed; nothing where everything is.
pub(crate) fn refused(region: &RegionClient, refusals: &[Refusal]) -> Result<()> {
    let Some(first) = refusals.first() else {
        return Ok(());
    };
    let actions: Vec<String> = refusals
        .iter()
        .map(|refusal| permission(refusal.action))
        .collect();
    let mut allow: Vec<String> = Vec::new();
    for refusal in refusals {
        let place = Place {
            region: region.name().to_owned(),
            account: refusal.account.clone(),
        };
        for statement in statements(&permission(refusal.action), &place) {
            if !allow.contains(&statement) {
                allow.push(statement);
            }
        }
    }
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
    let (group, key, instance) = tokio::join!(
        Box::pin(group(cx, region, plans.group)),
        Box::pin(key(cx, region, plans.key)),
        Box::pin(instance(cx, region, plans)),
    );
    Ok([group?, key?, instance?].into_iter().flatten().collect())
}

async fn group(cx: &Context, region: &RegionClient, wanted: bool) -> Result<Option<Refusal>> {
    if !wanted {
        return Ok(None);
    }
    let thing = Thing::new(Kind::SecurityGroup)?;
    let tags = thing.tags(cx, &Tags::new());
    let request = region.ec2().create_security_group().dry_run(true);
    let request = request
        .group_name(&thing.name)
        .description("asked for as a dry run by imgc")
        .tag_specifications(tags::specification(ResourceType::SecurityGroup, &tags));
    let answer = region.ask(request.send()).await;
    Ok(refusal(region, "CreateSecurityGroup", answer).await)
}

async fn key(cx: &Context, region: &RegionClient, wanted: bool) -> Result<Option<Refusal>> {
    if !wanted {
        return Ok(None);
    }
    let thing = Thing::new(Kind::KeyPair)?;
    let tags = thing.tags(cx, &Tags::new());
    let request = region.ec2().import_key_pair().dry_run(true);
    let request = request
        .key_name(&thing.name)
        .public_key_material(Blob::new(KEY))
        .tag_specifications(tags::specification(ResourceType::KeyPair, &tags));
    let answer = region.ask(request.send()).await;
    Ok(refusal(region, "ImportKeyPair", answer).await)
}

async fn instance(cx: &Context, region: &RegionClient, plans: &Plans) -> Result<Option<Refusal>> {
    let thing = Thing::new(Kind::Instance)?;
    let tags = thing.tags(cx, &Tags::new());
    let profile = plans.profile.as_ref().map(|name| {
        IamInstanceProfileSpecification::builder()
            .name(name)
            .build()
    });
    let request = region.ec2().run_instances().dry_run(true);
    let request = request
        .image_id(&plans.image)
        .instance_type(InstanceType::from(plans.instance_type.as_str()))
        .min_count(1)
        .max_count(1)
        .set_subnet_id(plans.subnet.clone())
        .set_iam_instance_profile(profile)
        .tag_specifications(tags::specification(ResourceType::Instance, &tags))
        .tag_specifications(tags::specification(ResourceType::Volume, &tags));
    let answer = region.ask(request.send()).await;
    Ok(refusal(region, "RunInstances", answer).await)
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
        action,
        account: account_in(&denied.message),
        why: why.unwrap_or(message).to_owned(),
    })
}
