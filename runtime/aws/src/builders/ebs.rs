//! Builder `amazon-ebs`: an instance of an image is started, provisioned, stopped, and becomes an image.
//!
//! Options, their defaults and the artifact's form are those of Packer's Amazon plugin; where the defaults differ, and why, stands
//! in `docs/design/amazon.md`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_ec2::types::Image;
use imgc_compiler::value::Value;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::builder::{Builder, Endpoint, Instance, Known, Pin, Problem, Publish, Target};
use imgc_runtime::checkpoint::{Capability, Checkpoint};
use imgc_runtime::context::Context;
use imgc_runtime::error::Result;
use imgc_runtime::options::Options;
use imgc_runtime::template::{self, Surroundings};
use tokio::sync::OnceCell;

use crate::account::{Access, Account, Accounts};
use crate::image;
use crate::instance::{
    self, HostKey, Left, LeftKey, LogIn, Start, Taken, TemporaryKey, UserData, address, make_group,
    ready, switch,
};
use crate::lookup::{find_groups, find_place, find_source};
use crate::options::{self, Source};
use crate::publish;
use crate::region::RegionClient;
use crate::resource::{Made, remove};
use crate::tags::{self, Tags};

/// Packer's id for its artifacts.
const BUILDER_ID: &str = "mitchellh.amazonebs";
const COMPONENT: &str = "builder `amazon-ebs`";

/// What matters only when the image is made.
const CAPTURE_OPTIONS: &[&str] = &[
    "ami_block_device_mappings",
    "ami_description",
    "ami_name",
    "aws_polling",
    "ena_support",
    "force_delete_snapshot",
    "force_deregister",
    "skip_create_ami",
    "snapshot_tag",
    "snapshot_tags",
    "sriov_support",
    "tag",
    "tags",
];

type Sources = Arc<Mutex<HashMap<(Access, String), Arc<OnceCell<Image>>>>>;

/// The builder `amazon-ebs`.
#[derive(Clone, Debug, Default)]
pub struct Ebs {
    accounts: Accounts,
    /// Images to start from that this process has found: one look for pins, preparation and start.
    sources: Sources,
}

impl Ebs {
    /// With the accounts of this process.
    pub(crate) fn new(accounts: Accounts) -> Self {
        Self {
            accounts,
            sources: Sources::default(),
        }
    }

    async fn account(&self, options: &Options<'_>) -> Result<(Access, Arc<Account>, RegionClient)> {
        let access = Access::read(options)?;
        let account = self.accounts.get(&access).await?;
        let region = account.region(account.home());
        Ok((access, account, region))
    }

    async fn source(
        &self,
        access: &Access,
        region: &RegionClient,
        source: &Source,
    ) -> Result<Image> {
        let cell = {
            let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (access.clone(), format!("{} {source:?}", region.name()));
            sources.entry(key).or_default().clone()
        };
        let image = cell.get_or_try_init(|| find_source(region, source)).await?;
        Ok(image.clone())
    }
}

#[async_trait]
impl Builder for Ebs {
    fn check(&self, value: &Value) -> Vec<Problem> {
        let options = Options::new(COMPONENT, value);
        let read = Access::read(&options)
            .and_then(|_| options::Ebs::read(&options))
            .and_then(|_| LogIn::read(&options));
        let mut problems = publish::problems(value);
        match read {
            // What only the run knows is looked at then; what is said already needs no second message.
            Err(error) if error.id != "run/unknown-option" && problems.is_empty() => {
                problems.push(Problem {
                    option: None,
                    message: error.message,
                    help: error.help,
                });
            }
            _ => {}
        }
        problems
    }

    fn capability(&self, options: &Value) -> Capability {
        let _ = options;
        Capability::Living
    }

    fn capture_options(&self) -> &'static [&'static str] {
        CAPTURE_OPTIONS
    }

    fn publish_options(&self) -> &'static [&'static str] {
        publish::OPTIONS
    }

    fn publishes(&self, options: &Value) -> Vec<Publish> {
        publish::publishes(options)
    }

    async fn publish(
        &self,
        cx: &Context,
        options: &Value,
        step: &str,
        artifact: &Artifact,
    ) -> Result<Artifact> {
        let options = Options::new(COMPONENT, options);
        publish::publish(&self.accounts, cx, &options, step, artifact).await
    }

    async fn pins(&self, cx: &Context, options: &Value, known: &Known) -> Result<Vec<Pin>> {
        let options = Options::new(COMPONENT, options);
        let read = options::Ebs::read(&options)?;
        let _ = (cx, known);
        let Source::Filter { .. } = &read.source else {
            return Ok(Vec::new());
        };
        let (access, _, region) = self.account(&options).await?;
        let image = self.source(&access, &region, &read.source).await?;
        Ok(vec![Pin {
            name: format!("aws image {} {}", region.name(), described(&read.source)),
            value: image.image_id.clone().unwrap_or_default(),
            about: image.name.clone().unwrap_or_default(),
        }])
    }

    async fn prepare(&self, cx: &Context, value: &Value) -> Result<()> {
        publish::verify(value)?;
        let options = Options::new(COMPONENT, value);
        let read = options::Ebs::read(&options)?;
        let (access, account, region) = self.account(&options).await?;
        let free = read.image.skip || read.image.replaces || cx.force;
        let (source, names) = tokio::join!(
            Box::pin(self.source(&access, &region, &read.source)),
            Box::pin(publish::names_are_free(
                &account,
                &options,
                &read.image,
                free
            )),
        );
        let source = source?;
        cx.output.detail(format!(
            "found image: {} {}",
            source.image_id().unwrap_or_default(),
            source.name().unwrap_or_default()
        ));
        names
    }

    async fn launch(&self, cx: &Context, options: &Value) -> Result<Arc<dyn Instance>> {
        let options = Options::new(COMPONENT, options);
        let read = options::Ebs::read(&options)?;
        let (access, account, region) = self.account(&options).await?;
        let (source, place) = tokio::join!(
            Box::pin(self.source(&access, &region, &read.source)),
            Box::pin(find_place(&region, &read.network)),
        );
        let (source, place) = (source?, place?);
        let facts = facts(&region, &source);
        let render = Render::new(cx, &facts);
        let log_in = LogIn::read(&options)?;
        let own_data = own_user_data(cx, &read.run)?;
        let vouches = log_in != LogIn::None
            && options.string("ssh_host")?.is_none()
            && options.string("communicator")?.as_deref() != Some("winrm")
            && source.platform.is_none();
        let host_key = vouches.then(HostKey::make).transpose()?;
        let windows = source.platform.is_some()
            || options.string("communicator")?.as_deref() == Some("winrm");
        let switch = match read.run.shutdown_after {
            _ if windows => None,
            Some(never) if never.is_zero() => None,
            Some(after) => Some(after),
            None => Some(switch(cx.limit)),
        };
        let data = UserData::join(own_data, host_key.as_ref(), switch)?;
        // Both are let come to their end: what has been made by then is on record.
        let (group, key) = tokio::join!(
            Box::pin(temporary_group(
                cx, &account, &region, &read, &place, &options, &log_in
            )),
            Box::pin(temporary_key(cx, &region, &log_in)),
        );
        let (groups, group) = group?;
        let key = key?;
        let key_name = match (&key, &log_in) {
            (Some(key), _) => Some(key.name.clone()),
            (None, LogIn::Own(name)) => name.clone(),
            (None, _) => None,
        };
        cx.output.say("launching a source instance");
        let start = Start {
            image: &source,
            run: &read.run,
            network: &read.network,
            place: &place,
            groups,
            key: key_name,
            user_data: data.text,
            tags: render.tags(&read.run.tags, "run_tags")?,
            volume_tags: render.tags(&read.run.volume_tags, "run_volume_tags")?,
        };
        let instance = Box::pin(instance::start(cx, &region, &start)).await?;
        cx.output.detail(format!("instance: {}", instance.id()));
        let left = Left {
            instance: instance.record.clone(),
            group: group.as_ref().map(|group| group.record.clone()),
            key: key.as_ref().map(|key| LeftKey {
                pair: key.made.record.clone(),
                file: key.file.clone(),
            }),
            host_key: data.host_key,
            facts,
        };
        left.keep(cx).await?;
        let running = ready(cx, &region, instance.id()).await?;
        let taken = Taken {
            instance,
            group,
            key,
            running,
        };
        let started = started(&options, region, read, left, taken)?;
        Ok(Arc::new(started))
    }

    async fn restore(
        &self,
        cx: &Context,
        options: &Value,
        checkpoint: &Checkpoint,
    ) -> Result<Option<Arc<dyn Instance>>> {
        let options = Options::new(COMPONENT, options);
        let read = options::Ebs::read(&options)?;
        let (_, account, _) = self.account(&options).await?;
        let Some(mut left) = Left::of(checkpoint) else {
            return Ok(None);
        };
        let region = account.region(&left.instance.place);
        let Some(taken) = Box::pin(left.take(cx, &region)).await? else {
            return Ok(None);
        };
        if let (Some(known), Some(key)) = (&mut left.key, &taken.key) {
            known.file.clone_from(&key.file);
        }
        left.keep(cx).await?;
        let started = started(&options, region, read, left, taken)?;
        Ok(Some(Arc::new(started)))
    }
}

/// An instance that runs, whichever run has made it.
fn started(
    options: &Options<'_>,
    region: RegionClient,
    read: options::Ebs,
    left: Left,
    taken: Taken,
) -> Result<EbsInstance> {
    let target = match LogIn::read(options)? {
        LogIn::None => Target::None,
        _ => Target::Address(Endpoint {
            host: match options.string("ssh_host")? {
                Some(host) => Some(host),
                None => Some(address(
                    &taken.running,
                    options.string("ssh_interface")?.as_deref(),
                )?),
            },
            private_key: taken.key.as_ref().map(|key| key.file.clone()),
            host_keys: left.host_key.into_iter().collect(),
            ..Endpoint::default()
        }),
    };
    Ok(EbsInstance {
        region,
        read,
        facts: left.facts,
        instance: taken.instance,
        group: taken.group,
        key: taken.key,
        target,
    })
}

/// The group that is made for the build, if one is, and the groups of the instance.
async fn temporary_group(
    cx: &Context,
    account: &Account,
    region: &RegionClient,
    read: &options::Ebs,
    place: &crate::lookup::Place,
    options: &Options<'_>,
    log_in: &LogIn,
) -> Result<(Vec<String>, Option<Made>)> {
    if read.network.has_groups() || *log_in == LogIn::None {
        let groups = find_groups(region, &read.network, place).await?;
        return Ok((groups, None));
    }
    let port = |name: &str, usual: u16| -> Result<u16> {
        let port = options
            .integer(name)?
            .and_then(|port| u16::try_from(port).ok());
        Ok(port.filter(|port| *port != 0).unwrap_or(usual))
    };
    let port = match options.string("communicator")?.as_deref() {
        Some("winrm") if options.bool("winrm_use_ssl")? => port("winrm_port", 5986)?,
        Some("winrm") => port("winrm_port", 5985)?,
        _ => port("ssh_port", 22)?,
    };
    let made = make_group(cx, account, region, &read.network, place, port).await?;
    Ok((vec![made.id().to_owned()], Some(made)))
}

async fn temporary_key(
    cx: &Context,
    region: &RegionClient,
    log_in: &LogIn,
) -> Result<Option<TemporaryKey>> {
    let LogIn::Temporary { name, kind, bits } = log_in else {
        return Ok(None);
    };
    TemporaryKey::make(cx, region, name.as_deref(), kind, *bits)
        .await
        .map(Some)
}

fn own_user_data(cx: &Context, run: &options::Run) -> Result<Option<Vec<u8>>> {
    match (&run.user_data, &run.user_data_file) {
        (Some(text), _) => Ok(Some(text.clone().into_bytes())),
        (None, Some(file)) => {
            let path = cx.world.working_directory().join(file);
            let content = std::fs::read(&path).map_err(|error| {
                imgc_runtime::files::failure("run/missing-file", "read", &path, error)
            })?;
            Ok(Some(content))
        }
        (None, None) => Ok(None),
    }
}

/// What a filter looks for, in a line.
fn described(source: &Source) -> String {
    match source {
        Source::Id(id) => id.clone(),
        Source::Filter {
            filters, owners, ..
        } => {
            let filters = filters
                .iter()
                .map(|(name, values)| format!("{name}={}", values.join("|")));
            let owners = (!owners.is_empty()).then(|| format!("owner={}", owners.join("|")));
            filters.chain(owners).collect::<Vec<_>>().join(" ")
        }
    }
}

/// The builder's generated data, as Packer's has it.
fn facts(region: &RegionClient, source: &Image) -> BTreeMap<String, String> {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    BTreeMap::from([
        ("BuildRegion".to_owned(), region.name().to_owned()),
        ("SourceAMI".to_owned(), text(source.image_id())),
        (
            "SourceAMICreationDate".to_owned(),
            text(source.creation_date()),
        ),
        ("SourceAMIName".to_owned(), text(source.name())),
        ("SourceAMIOwner".to_owned(), text(source.owner_id())),
        (
            "SourceAMIOwnerName".to_owned(),
            text(source.image_owner_alias()),
        ),
    ])
}

/// Renders the texts that may speak of the source image.
struct Render<'a> {
    fields: Vec<(&'a str, &'a str)>,
    surroundings: Surroundings,
}

impl<'a> Render<'a> {
    fn new(cx: &Context, facts: &'a BTreeMap<String, String>) -> Self {
        let fields = facts.iter();
        Self {
            fields: fields
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
            surroundings: Surroundings::from(cx),
        }
    }

    fn text(&self, text: &str, option: &str) -> Result<String> {
        template::render(text, &self.fields, &self.surroundings, option)
    }

    fn tags(&self, tags: &Tags, option: &str) -> Result<Tags> {
        let tags = tags.iter();
        tags.map(|(key, value)| Ok((self.text(key, option)?, self.text(value, option)?)))
            .collect()
    }
}

/// A started instance.
struct EbsInstance {
    region: RegionClient,
    read: options::Ebs,
    facts: BTreeMap<String, String>,
    instance: Made,
    group: Option<Made>,
    key: Option<TemporaryKey>,
    target: Target,
}

#[async_trait]
impl Instance for EbsInstance {
    fn target(&self) -> Target {
        self.target.clone()
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let mut facts = self.facts.clone();
        facts.insert("ID".to_owned(), self.instance.id().to_owned());
        facts
    }

    async fn capture(&self, cx: &Context) -> Result<Artifact> {
        let read = &self.read;
        let region = &self.region;
        cx.output.say("stopping the source instance");
        instance::stop(cx, region, self.instance.id(), read.run.keeps_running).await?;
        if read.image.skip {
            return Ok(Artifact {
                builder_id: BUILDER_ID.to_owned(),
                description: "no AMI was made: `skip_create_ami`".to_owned(),
                ..Artifact::default()
            });
        }
        image::inherit(region, self.instance.id(), &read.image).await?;
        let render = Render::new(cx, &self.facts);
        let wanted = image::Wanted {
            options: &read.image,
            description: read
                .image
                .description
                .as_deref()
                .map(|text| render.text(text, "ami_description"))
                .transpose()?,
            tags: render.tags(&read.image.tags, "tags")?,
            snapshot_tags: render.tags(&read.image.snapshot_tags, "snapshot_tags")?,
        };
        if read.image.replaces || cx.force {
            image::let_go(cx, region, &read.image).await?;
        }
        cx.output.say(format!("creating AMI {}", read.image.name));
        let (made, finished) = Box::pin(image::create(
            cx,
            region,
            self.instance.id(),
            &wanted,
            read.polling,
        ))
        .await?;
        if read.run.encryption.image {
            image::check_encrypted(&finished)?;
        }
        image::keep(region, &finished).await?;
        Ok(artifact(region, &made, &finished))
    }

    async fn release(&self, cx: &Context) -> Result<()> {
        let region = &self.region;
        cx.output.say("terminating the source instance");
        let machine = async {
            let ended = gone(cx, region, &self.instance).await;
            let group = match &self.group {
                Some(group) => gone(cx, region, group).await,
                None => Ok(()),
            };
            ended.and(group)
        };
        let key = async {
            let Some(key) = &self.key else {
                return Ok(());
            };
            key.remove_file(cx).await;
            gone(cx, region, &key.made).await
        };
        let (machine, key) = tokio::join!(machine, key);
        machine.and(key)
    }
}

/// Removes a thing and its record.
async fn gone(cx: &Context, region: &RegionClient, made: &Made) -> Result<()> {
    remove(region, &made.record).await?;
    cx.ledger.forget(made.number);
    Ok(())
}

/// The artifact as Packer gives it: `region:id`, and a line for each region.
fn artifact(region: &RegionClient, made: &Made, image: &Image) -> Artifact {
    let own = image::artifact_of(region, made, image);
    Artifact {
        builder_id: BUILDER_ID.to_owned(),
        description: format!("AMIs were created:\n{}", own.description),
        metadata: BTreeMap::from([("run".to_owned(), tag(image, tags::RUN))]),
        ..own
    }
}

fn tag(image: &Image, key: &str) -> String {
    tags::get(image.tags(), key).unwrap_or_default().to_owned()
}
