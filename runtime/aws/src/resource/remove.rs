//! Removing things: one road for the end of a build, for undoing, and for `imgc gc`.
//!
//! In: a record. Out: the thing is gone (gone already is no error), or why not. What is in use is waited for.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::types::{Image, ImageState, InstanceStateName};
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::identity::Fate;
use imgc_runtime::ledger::{CloudResource, Resource};
use imgc_runtime::settings::Remover;
use imgc_runtime::state::Moment;
use imgc_runtime::sweep::{Area, Marked, Sweep};
use tokio::time::Instant;

use crate::account::{Accounts, OTHER_ACCOUNT};
use crate::error::{Meaning, answer, failed};
use crate::region::{RegionClient, filter};
use crate::resource::patience::Patience;
use crate::resource::sweep::Now;
use crate::resource::{Kind, PROVIDER, bundle, find, group, iam, renew, sweep};
use crate::share::{self, Release};
use crate::tags;

/// How long something that is in use is waited for, and how often it is tried.
pub(super) const IN_USE: Duration = Duration::from_secs(120);
pub(super) const PAUSE: Duration = Duration::from_millis(500);
/// How long a volume that may not be detached is waited for: that of an instance that ends is free soon.
const UNDETACHABLE: Duration = Duration::from_secs(5);
/// How long an instance may take to end.
const ENDING: Duration = Duration::from_secs(600);

/// Removes what builds have made at Amazon.
#[derive(Clone, Debug, Default)]
pub struct AwsRemover {
    accounts: Accounts,
}

#[async_trait]
impl Remover for AwsRemover {
    async fn fate(&self, resource: &Resource) -> Option<Result<Fate>> {
        match resource {
            Resource::Cloud(thing) if thing.provider == PROVIDER => self.seen(thing).await,
            _ => None,
        }
    }

    async fn remove(&self, resource: &Resource) -> Option<Result<()>> {
        match resource {
            Resource::Cloud(thing) if thing.provider == PROVIDER => Some(self.thing(thing).await),
            _ => None,
        }
    }

    fn by_hand(&self, thing: &CloudResource) -> Option<String> {
        let id = thing.id.as_deref()?;
        let is_image = thing.provider == PROVIDER && Kind::of(&thing.kind) == Some(Kind::Image);
        // Its snapshots go with it.
        is_image.then(|| {
            format!(
                "aws ec2 deregister-image --region {} --image-id {id} --delete-associated-snapshots",
                thing.place
            )
        })
    }

    fn provider(&self) -> Option<&'static str> {
        Some(PROVIDER)
    }

    async fn renew(&self, run: &str, things: &[CloudResource], expires: Moment) -> Result<()> {
        renew::renew(&self.accounts, run, things, expires).await
    }

    fn turn(&self, resource: &Resource) -> u8 {
        match resource {
            Resource::Cloud(thing) if thing.provider == PROVIDER => {
                Kind::of(&thing.kind).map_or(0, Kind::turn)
            }
            _ => 0,
        }
    }

    fn is_made_by_machine(&self, resource: &Resource) -> bool {
        match resource {
            Resource::Cloud(thing) if thing.provider == PROVIDER => {
                Kind::of(&thing.kind) == Some(Kind::Bundle)
            }
            _ => false,
        }
    }

    async fn remove_marked(&self, marked: &Marked) -> Result<bool> {
        let thing = &marked.thing;
        let account = self.accounts.back(&thing.reach, &thing.place).await?;
        let region = account.region(&thing.place);
        match Box::pin(sweep::now(&region, marked)).await? {
            Now::Same => self.thing(thing).await.map(|()| true),
            Now::Gone => Ok(true),
            Now::Kept => Ok(false),
        }
    }

    async fn sweep(&self, area: &Area) -> Result<Sweep> {
        sweep::sweep(&self.accounts, area).await
    }
}

impl AwsRemover {
    /// With the accounts that builds of this process use.
    pub(crate) fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }

    /// Whether an image is there; its snapshots cannot go before it does.
    async fn seen(&self, thing: &CloudResource) -> Option<Result<Fate>> {
        let id = thing.id.as_deref()?;
        if Kind::of(&thing.kind) != Some(Kind::Image) {
            return None;
        }
        let looked = async {
            let account = match self.accounts.back(&thing.reach, &thing.place).await {
                Err(error) if error.id == OTHER_ACCOUNT => return Ok(Fate::Elsewhere),
                account => account?,
            };
            let region = account.region(&thing.place);
            let request = region.ec2().describe_images().owners("self");
            let request = request.filters(filter("image-id", [id])).send();
            let answer = region.call("DescribeImages", "see whether an image is there", request);
            let found = answer.await?.images.unwrap_or_default();
            Ok(match found.first() {
                Some(image) if image.state == Some(ImageState::Available) => Fate::Same,
                // Somebody has disabled it, say: it cannot be used, and is not gone.
                Some(image) if image.state != Some(ImageState::Deregistered) => Fate::Altered,
                _ => Fate::Gone,
            })
        };
        Some(looked.await)
    }

    async fn thing(&self, thing: &CloudResource) -> Result<()> {
        let account = self.accounts.back(&thing.reach, &thing.place).await?;
        if let Some(removed) = crate::post::remove(&account, thing).await {
            return removed;
        }
        remove(&account.region(&thing.place), thing).await
    }
}

/// Removes a thing, unless other builds have it as well: it goes with the last of them.
pub(crate) async fn remove(region: &RegionClient, thing: &CloudResource) -> Result<()> {
    let Some(kind) = Kind::of(&thing.kind) else {
        return Err(Error::new(
            Class::Environment,
            "run/leftovers",
            format!(
                "this version of imgc does not know what a {} is",
                thing.kind
            ),
        )
        .help("use the version that made it, or remove it by hand"));
    };
    let run = match share::release(&thing.name) {
        Release::Kept => return Ok(()),
        Release::Last(run) => Some(run),
        Release::Unheld => None,
    };
    let patience = Patience::with(thing);
    let ids = match &thing.id {
        Some(id) => vec![id.clone()],
        None => find::by_name(region, kind, &thing.name, patience).await?,
    };
    for id in ids {
        one(region, kind, &id, (run.as_deref(), patience)).await?;
    }
    Ok(())
}

async fn one(
    region: &RegionClient,
    kind: Kind,
    id: &str,
    (run, patience): (Option<&str>, Patience),
) -> Result<()> {
    let ec2 = region.ec2();
    match kind {
        Kind::Instance => end_instance(region, id, patience).await,
        Kind::Image => deregister(region, id, patience).await,
        Kind::Snapshot => {
            unused(
                region,
                ("DeleteSnapshot", "delete a snapshot"),
                patience,
                || ec2.delete_snapshot().snapshot_id(id).send(),
            )
            .await
        }
        Kind::Bundle => bundle::remove(region, id).await,
        Kind::Fleet => {
            unused(region, ("DeleteFleets", "delete a fleet"), patience, || {
                let request = ec2.delete_fleets().fleet_ids(id);
                request.terminate_instances(true).send()
            })
            .await
        }
        Kind::LaunchTemplate => {
            let attempt = "delete a launch template";
            unused(region, ("DeleteLaunchTemplate", attempt), patience, || {
                ec2.delete_launch_template().launch_template_name(id).send()
            })
            .await
        }
        Kind::InstanceProfile => {
            iam::empty(region, id).await?;
            let attempt = "delete an instance profile";
            unused(
                region,
                ("iam:DeleteInstanceProfile", attempt),
                patience,
                || {
                    let request = region.iam().delete_instance_profile();
                    request.instance_profile_name(id).send()
                },
            )
            .await
        }
        Kind::Role => iam::remove_role(region, id).await,
        Kind::Volume => {
            let limit = match free(region, id).await? {
                true => IN_USE,
                // It stays attached as long as the instance lives.
                false => UNDETACHABLE,
            };
            let request = || ec2.delete_volume().volume_id(id).send();
            let what = ("DeleteVolume", "delete a volume");
            unused_in(region, what, (limit, patience), request).await
        }
        Kind::SecurityGroup => group::remove(region, id, run, patience).await,
        Kind::KeyPair => {
            unused(
                region,
                ("DeleteKeyPair", "delete a key pair"),
                patience,
                || ec2.delete_key_pair().key_name(id).send(),
            )
            .await
        }
    }
}

/// Asks until nothing uses the thing any more.
pub(super) async fn unused<T, E, F>(
    region: &RegionClient,
    what: (&'static str, &str),
    patience: Patience,
    request: impl Fn() -> F,
) -> Result<()>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    unused_in(region, what, (IN_USE, patience), request).await
}

/// As [`unused`]: no longer than `limit` while it is in use, and as long as `patience` says while it is not to be seen.
async fn unused_in<T, E, F>(
    region: &RegionClient,
    (action, attempt): (&'static str, &str),
    (limit, patience): (Duration, Patience),
    request: impl Fn() -> F,
) -> Result<()>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let begun = Instant::now();
    loop {
        let error = match region.ask(request()).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        match answer(&error) {
            Some(Meaning::Missing) if patience.waits().await => {}
            Some(Meaning::Missing) => return Ok(()),
            Some(Meaning::InUse) if begun.elapsed() < limit => tokio::time::sleep(PAUSE).await,
            _ => return Err(failed(action, attempt, &error)),
        }
    }
}

/// Detaches a volume from whatever it is attached to. Gives whether that may be done.
async fn free(region: &RegionClient, id: &str) -> Result<bool> {
    let request = region.ec2().describe_volumes();
    let request = request.filters(filter("volume-id", [id])).send();
    let look = region.call("DescribeVolumes", "look at a volume", request);
    let found = look.await?.volumes.unwrap_or_default();
    let attachments = found
        .into_iter()
        .flat_map(|volume| volume.attachments.unwrap_or_default());
    let mut is_allowed = true;
    for attachment in attachments {
        let request = region.ec2().detach_volume().volume_id(id).force(true);
        let request = request.set_instance_id(attachment.instance_id).send();
        match region.ask(request).await {
            Ok(_) => {}
            // It goes with an instance that ends: deleting it says what it is.
            Err(error) if error.as_service_error().is_some() => {
                is_allowed &= answer(&error) != Some(Meaning::Denied);
            }
            Err(error) => return Err(failed("DetachVolume", "detach a volume", &error)),
        }
    }
    Ok(is_allowed)
}

/// Terminates an instance and waits until it has ended: only then what it uses can go.
async fn end_instance(region: &RegionClient, id: &str, patience: Patience) -> Result<()> {
    let ends = &region.together().ends;
    while !ends.with(region, id.to_owned()).await? {
        if !patience.waits().await {
            return Ok(());
        }
    }
    let ended = |state: Option<&InstanceStateName>| {
        Ok(match state {
            None | Some(InstanceStateName::Terminated) => Some(()),
            Some(_) => None,
        })
    };
    let states = region.states();
    states
        .until_alone(region, id, "an instance to end", ENDING, ended)
        .await
}

/// Removes an image with those of its snapshots that a run of ours has made.
async fn deregister(region: &RegionClient, id: &str, patience: Patience) -> Result<()> {
    let ec2 = region.ec2();
    let image = loop {
        let request = ec2.describe_images().owners("self");
        let request = request.filters(filter("image-id", [id])).send();
        let answer = region.call("DescribeImages", "look at an image", request);
        let image = answer.await?.images.unwrap_or_default().into_iter().next();
        match image {
            Some(image) => break image,
            None if patience.waits().await => {}
            None => return Ok(()),
        }
    };
    let what = ("DeregisterImage", "deregister an image");
    unused(region, what, Patience::none(), || {
        ec2.deregister_image().image_id(id).send()
    })
    .await?;
    for snapshot in snapshots_of(&image) {
        if is_ours(region, &snapshot).await? {
            let what = ("DeleteSnapshot", "delete a snapshot");
            unused(region, what, Patience::none(), || {
                ec2.delete_snapshot().snapshot_id(&snapshot).send()
            })
            .await?;
        }
    }
    Ok(())
}

/// The snapshots an image consists of.
pub(crate) fn snapshots_of(image: &Image) -> Vec<String> {
    let devices = image.block_device_mappings().iter();
    devices
        .filter_map(|device| device.ebs.as_ref()?.snapshot_id.clone())
        .collect()
}

async fn is_ours(region: &RegionClient, snapshot: &str) -> Result<bool> {
    let request = region.ec2().describe_snapshots().owner_ids("self");
    let request = request.filters(filter("snapshot-id", [snapshot])).send();
    let answer = region.call("DescribeSnapshots", "look at a snapshot", request);
    let found = answer.await?.snapshots.unwrap_or_default();
    let mut found = found.iter();
    Ok(found.any(|snapshot| tags::get(snapshot.tags(), tags::RUN).is_some()))
}
