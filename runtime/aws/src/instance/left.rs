//! The instance of an earlier run: what it is found by, and taking it over.
//!
//! In: what that run has recorded ([`Left`], in a checkpoint: ids, and where the key is; no secret). Out: the same things as
//! this run's own, running, with this run's tags; or nothing where the instance is gone.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ec2::types::{DeviceType, Instance, InstanceStateName};
use imgc_runtime::checkpoint::{Capability, Checkpoint, Checkpoints};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::ledger::{CloudResource, Resource};
use serde::{Deserialize, Serialize};

use crate::builders::{Facts, attached};
use crate::instance::{TemporaryKey, ready, stop};
use crate::region::{RegionClient, filter};
use crate::resource::{Kind, Made, own_tags};
use crate::share;
use crate::tags;

/// The form of what is recorded.
const VERSION: u32 = 2;
/// How often an instance is looked for before it is believed to be gone, and the wait between.
const LOOKS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(700);

/// How long a stopped instance may seem to be stopped when it is started.
const STARTING: Duration = Duration::from_secs(120);

/// What an instance is found by.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Left {
    pub(crate) instance: CloudResource,
    /// What goes after it, in this order.
    pub(crate) used: Vec<CloudResource>,
    pub(crate) key: Option<LeftKey>,
    /// The host key it was given.
    pub(crate) host_key: Option<String>,
    /// What is known of its source.
    pub(crate) facts: Facts,
    /// The public keys that imgc has made and that may be on its disk, in base64, its own first: of earlier runs as well, where it
    /// was started from an image that they have left. No secrets.
    #[serde(default)]
    pub(crate) keys_on_disk: Vec<String>,
    /// Whether one can log in to it.
    #[serde(default)]
    pub(crate) door: Door,
}

/// Whether one can log in to an instance: the key that was made for it goes from the disk before that becomes an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Door {
    /// By its key.
    #[default]
    Open,
    /// Nobody knows: its key is about to be taken off, or is off for as long as the machine bundles its disk.
    Closing,
    /// Its key is off. What is still to be done needs no login.
    Closed,
}

/// Where what an instance is found by is recorded, for as long as the instance lives.
pub(crate) struct Keeper {
    checkpoints: Checkpoints,
    fingerprint: Arc<str>,
    /// The step that has made it.
    address: Arc<str>,
}

impl Keeper {
    /// For the instance that the step at work makes; `None` where nobody may come back to it.
    pub(crate) fn of(cx: &Context) -> Option<Self> {
        Some(Self {
            checkpoints: cx.checkpoints.clone()?,
            fingerprint: cx.fingerprint.clone()?,
            address: cx.address.clone(),
        })
    }
}

/// The key that was made for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LeftKey {
    pub(crate) pair: CloudResource,
    /// The file with the private half.
    pub(crate) file: PathBuf,
}

/// What was taken over.
pub(crate) struct Taken {
    pub(crate) instance: Made,
    pub(crate) used: Vec<Made>,
    pub(crate) key: Option<TemporaryKey>,
    /// As it is now that it runs.
    pub(crate) running: Instance,
}

impl Left {
    /// Records it, where somebody may come back to it.
    pub(crate) async fn keep(&self, keeper: Option<&Keeper>) -> Result<()> {
        let Some(keeper) = keeper else {
            return Ok(());
        };
        let data = serde_json::to_value(self).map_err(|error| {
            Error::new(
                Class::Bug,
                "run/state",
                "what an instance is found by cannot be written down",
            )
            .because(error)
        })?;
        let checkpoint = Checkpoint {
            capability: Capability::Living,
            version: VERSION,
            data,
            parts: Vec::new(),
            things: Vec::new(),
            expires: None,
        };
        let put = keeper
            .checkpoints
            .put(&keeper.fingerprint, &keeper.address, checkpoint);
        put.await
    }

    /// What is recorded; `None` where another version has written it.
    pub(crate) fn of(checkpoint: &Checkpoint) -> Option<Self> {
        let same = checkpoint.version == VERSION;
        let data = same.then(|| checkpoint.data.clone())?;
        serde_json::from_value(data).ok()
    }

    /// Takes it over; `None`, and why is said, where it is gone, nobody could log in to it, or a capture that did not come to its
    /// end has taken one of its disks. `disks` names those it was started with besides those of its image.
    pub(crate) async fn take(
        &self,
        cx: &Context,
        region: &RegionClient,
        disks: &[&str],
    ) -> Result<Option<Taken>> {
        let id = self.instance.id.as_deref().unwrap_or_default();
        let Some(found) = see(region, id).await? else {
            cx.output.say(format!("the instance {id} is gone"));
            return Ok(None);
        };
        if let Some(key) = self.key.as_ref().filter(|key| !key.file.exists()) {
            cx.output.say(format!(
                "nobody can log in to the instance {id}: its key {} is gone",
                key.file.display()
            ));
            return Ok(None);
        }
        if self.door == Door::Closing {
            cx.output.say(format!(
                "nobody can log in to the instance {id}: its key was off the disk, which was becoming an image, when the run ended"
            ));
            return Ok(None);
        }
        if let Some(missing) = missing(&found, disks) {
            cx.output.say(format!(
                "the instance {id} cannot be gone on with: it has no disk at {missing} any more"
            ));
            return Ok(None);
        }
        let instance = adopt(cx, &self.instance).await?;
        let mut used = Vec::new();
        for thing in &self.used {
            used.push(adopt(cx, thing).await?);
        }
        let key = match &self.key {
            Some(key) => {
                let pair = adopt(cx, &key.pair).await?;
                Some(TemporaryKey::adopt(cx, pair, &key.file).await?)
            }
            None => None,
        };
        self.tag(cx, region, &found).await?;
        start_again(cx, region, id, &found).await?;
        let running = ready(cx, region, id).await?;
        Ok(Some(Taken {
            instance,
            used,
            key,
            running,
        }))
    }

    /// From now on it is this run's, for whoever looks for what is left.
    async fn tag(&self, cx: &Context, region: &RegionClient, found: &Instance) -> Result<()> {
        let mut ids: Vec<String> = found.instance_id.iter().cloned().collect();
        let devices = found.block_device_mappings().iter();
        ids.extend(devices.filter_map(|device| device.ebs.as_ref()?.volume_id.clone()));
        let group = Kind::SecurityGroup.word();
        let groups = self.used.iter().filter(|thing| thing.kind == group);
        ids.extend(groups.filter_map(|group| group.id.clone()));
        if let Some(name) = self.key.as_ref().and_then(|key| key.pair.id.as_deref()) {
            let request = region.ec2().describe_key_pairs();
            let request = request.filters(filter("key-name", [name])).send();
            let answer = region.call("DescribeKeyPairs", "look at a key pair", request);
            let pairs = answer.await?.key_pairs.unwrap_or_default();
            ids.extend(pairs.into_iter().filter_map(|pair| pair.key_pair_id));
        }
        let request = region
            .ec2()
            .create_tags()
            .set_resources(Some(ids))
            .set_tags(Some(tags::list(&own_tags(cx))));
        let attempt = "mark what an earlier run has left as this run's";
        region.call("CreateTags", attempt, request.send()).await?;
        Ok(())
    }
}

/// The instance, unless it has ended.
async fn see(region: &RegionClient, id: &str) -> Result<Option<Instance>> {
    for look in 1..=LOOKS {
        let request = region.ec2().describe_instances();
        let request = request.filters(filter("instance-id", [id])).send();
        let answer = region.call("DescribeInstances", "look for an instance", request);
        let reservations = answer.await?.reservations.unwrap_or_default();
        let mut instances = reservations
            .into_iter()
            .flat_map(|reservation| reservation.instances.unwrap_or_default());
        if let Some(instance) = instances.next() {
            let ended = matches!(
                state(&instance),
                Some(InstanceStateName::Terminated | InstanceStateName::ShuttingDown)
            );
            return Ok((!ended).then_some(instance));
        }
        // One that was started a moment ago may not be seen yet.
        if look < LOOKS {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(None)
}

fn state(instance: &Instance) -> Option<&InstanceStateName> {
    instance.state.as_ref()?.name.as_ref()
}

/// The device at which a disk is missing. While an instance begins its disks are not there yet.
fn missing<'a>(instance: &'a Instance, disks: &[&'a str]) -> Option<&'a str> {
    if state(instance) == Some(&InstanceStateName::Pending) {
        return None;
    }
    let there = attached(instance);
    let on_ebs = instance.root_device_type() == Some(&DeviceType::Ebs);
    let root = instance.root_device_name().filter(|_| on_ebs);
    let mut wanted = root.into_iter().chain(disks.iter().copied());
    wanted.find(|device| !there.contains_key(*device))
}

/// Starts an instance that has stopped, or is about to.
async fn start_again(
    cx: &Context,
    region: &RegionClient,
    id: &str,
    found: &Instance,
) -> Result<()> {
    match state(found) {
        Some(InstanceStateName::Stopped) => {}
        Some(InstanceStateName::Stopping) => stop(cx, region, id, true).await?,
        _ => return Ok(()),
    }
    cx.output
        .say(format!("the instance {id} has stopped: starting it again"));
    let request = region.ec2().start_instances().instance_ids(id).send();
    let attempt = "start an instance again";
    region.call("StartInstances", attempt, request).await?;
    // A describe that is asked too soon still says that it has stopped.
    let instances = region.instances();
    let what = format!("the instance {id} to start");
    let begun = |instance: Option<&Instance>| {
        Ok(match instance.and_then(state) {
            Some(InstanceStateName::Stopped) | None => None,
            Some(_) => Some(()),
        })
    };
    instances
        .until(region, cx, id, &what, STARTING, begun)
        .await
}

/// Records something that is there as this run's.
async fn adopt(cx: &Context, record: &CloudResource) -> Result<Made> {
    let resource = Resource::Cloud(record.clone());
    // Other builds of that run may have it as well, and go on too.
    let there = async {
        share::hold(cx, &record.name);
        Ok((resource.clone(), ()))
    };
    let (number, ()) = cx
        .ledger
        .create_as(&cx.address, resource.clone(), there)
        .await?;
    Ok(Made {
        number,
        record: record.clone(),
    })
}
