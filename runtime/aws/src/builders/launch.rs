//! The temporary instance of a build, from its options to its end: what `ebs`, `ebssurrogate`, `ebsvolume` and `instance` share.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_ec2::types::{Image, Instance};
use imgc_runtime::builder::{Endpoint, Target};
use imgc_runtime::checkpoint::Checkpoint;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::machine::{Machine, OsFamily};
use imgc_runtime::options::Options;

use crate::account::Account;
use crate::boxed::boxed;
use crate::builders::family::{Facts, Family};
use crate::builders::render::Render;
use crate::diagnose::{Case, Way, diagnose};
use crate::image;
use crate::instance::session::{self, Tunnel};
use crate::instance::{
    self, Door, Fresh, HostKey, Keeper, Left, LeftKey, LogIn, Start, Taken, TemporaryKey,
    TemporaryProfile, UserData, address, authorized, make_group, ready,
};
use crate::lookup::{Place, find_groups};
use crate::options::{self, Device, Launch};
use crate::region::RegionClient;
use crate::resource::{Made, remove};
use crate::tags::Tags;

/// How long a console may take to tell the host keys, unless `ssh_timeout` gives less.
const CONSOLE: Duration = Duration::from_secs(600);
/// Packer's limits.
const SSH_TIMEOUT: Duration = Duration::from_secs(300);
const PASSWORD_TIMEOUT: Duration = Duration::from_secs(1200);

/// An image to start from in place of the template's: one that was made of it.
pub(crate) struct Origin {
    pub(crate) image: Image,
    /// What is known of the template's own.
    pub(crate) facts: Option<Facts>,
    /// Public halves of keys of earlier runs that are on its disk.
    pub(crate) keys: Vec<String>,
    /// Whether it is the only instance of its build, as far as names go that the template gives; else the other one has them.
    pub(crate) is_alone: bool,
}

/// An instance that runs, and all that was made for it.
pub(crate) struct Temporary {
    pub(crate) region: RegionClient,
    pub(crate) account: Arc<Account>,
    pub(crate) facts: Facts,
    pub(crate) instance: Made,
    /// As it was when it ran first.
    pub(crate) running: Instance,
    pub(crate) target: Target,
    /// What goes after it, in this order: what asked for it, then what it used.
    used: Vec<Made>,
    /// What goes after it as well, because it has become a thing of its own.
    more: Mutex<Vec<Made>>,
    key: Option<TemporaryKey>,
    /// The public keys that imgc has made and that may be on its disk, in base64, its own first.
    pub(crate) keys_on_disk: Vec<String>,
    /// The volumes of the image it was started from that stay when an instance of that ends.
    pub(crate) kept: Vec<Device>,
    /// It has no `authorized_keys` that we know of.
    windows: bool,
    /// What is recorded of it, and where.
    left: Mutex<Left>,
    keeper: Option<Keeper>,
    /// The way by Session Manager.
    tunnel: Mutex<Option<Tunnel>>,
    /// How long the console is asked for host keys.
    patience: Duration,
}

impl Temporary {
    /// Says why it cannot be reached.
    pub(crate) async fn diagnose(&self, cx: &Context, way: Way, failure: &Error) {
        let host = match &self.target {
            Target::Address(endpoint) => endpoint.host.as_deref(),
            _ => None,
        };
        let case = Case {
            instance: self.instance.id(),
            host,
            way,
            failure,
        };
        boxed(|| diagnose(cx, &self.account, &self.region, &case)).await;
    }

    /// Starts it and waits until it runs: from the image of the template, or from another one in its place.
    pub(crate) async fn launch(
        cx: &Context,
        family: &Family,
        options: &Options<'_>,
        launch: &Launch,
        origin: Option<Origin>,
    ) -> Result<Self> {
        let (access, account, region) = boxed(|| family.account(options)).await?;
        // Disks and their encryption are those of an image that was made of this template.
        let bare = origin.is_some().then(|| launch.without_disks());
        let launch = bare.as_ref().unwrap_or(launch);
        let is_alone = origin.as_ref().is_none_or(|origin| origin.is_alone);
        let (own, known, older) = match origin {
            Some(Origin {
                image, facts, keys, ..
            }) => (Some(image), facts, keys),
            None => (None, None, Vec::new()),
        };
        let source = || async {
            match own {
                Some(image) => Ok(image),
                None => boxed(|| family.source(&access, &region, &launch.source)).await,
            }
        };
        let has_profile = launch.run.profile.is_some() || launch.run.policy.is_some();
        if session::is_wanted(options) && !has_profile {
            cx.output.warn(
                "the instance has no profile: Session Manager reaches it only where the account lets it without \
                 (`iam_instance_profile` with AmazonSSMManagedInstanceCore)",
            );
        }
        let (source, place) = tokio::join!(
            boxed(source),
            boxed(|| family.place(cx, &region, &launch.network)),
        );
        let (source, place) = (source?, place?);
        let facts = known.unwrap_or_else(|| Facts::new(&region, &source));
        let render = Render::new(cx, &facts);
        let mut log_in = LogIn::read(options)?;
        if let LogIn::Temporary { name, .. } = &mut log_in
            && !is_alone
        {
            *name = None;
        }
        let trust = Trust {
            kept: options::kept(&source, &launch.run.devices),
            ..Trust::read(options, &log_in, source.platform.is_some())?
        };
        let host_key = trust.ours.then(HostKey::make).transpose()?;
        let own_data = own_user_data(cx, &launch.run)?;
        let switch = trust.switch(launch.run.shutdown_after, cx.limit);
        let tags = render.tags(&launch.run.tags, "run_tags")?;
        let data = UserData::join(own_data, host_key.as_ref(), switch)?;
        // Nobody has asked whether a key may be brought: it comes before anything else.
        let key = boxed(|| temporary_key(cx, &region, &log_in, &tags)).await?;
        // All are let come to their end: what has been made by then is on record.
        let (group, profile) = tokio::join!(
            boxed(|| temporary_group(
                cx,
                (&account, &region),
                launch,
                &place,
                options,
                &log_in,
                &tags
            )),
            boxed(|| temporary_profile(cx, &region, &launch.run, &tags)),
        );
        let ((groups, group), profile) = (group?, profile?);
        cx.output.say("launching a source instance");
        let spot = launch.run.spot.as_ref();
        let start = Start {
            image: &source,
            run: &launch.run,
            network: &launch.network,
            place: &place,
            groups,
            key: match (&key, &log_in) {
                (Some(key), _) => Some(key.name.clone()),
                (None, LogIn::Own(name)) => name.clone(),
                (None, _) => None,
            },
            profile: match &profile {
                Some(profile) => Some(profile.name().to_owned()),
                None => launch.run.profile.clone(),
            },
            user_data: data.text,
            tags,
            volume_tags: render.tags(&launch.run.volume_tags, "run_volume_tags")?,
            spot_tags: match spot {
                Some(spot) => render.tags(&spot.tags, "spot_tags")?,
                None => Default::default(),
            },
            fleet_tags: match spot {
                Some(spot) => render.tags(&spot.fleet_tags, "fleet_tags")?,
                None => Default::default(),
            },
            fresh: Fresh {
                group: group.is_some(),
                key: key.is_some(),
                profile: profile.is_some(),
                template: false,
            },
        };
        let started = boxed(|| instance::start(cx, &region, &start)).await?;
        let instance = started.instance;
        cx.output.detail(format!("instance: {}", instance.id()));
        let parts = profile.map(TemporaryProfile::parts);
        let used = started.others.into_iter().chain(group);
        let used: Vec<Made> = used.chain(parts.into_iter().flatten()).collect();
        let left = Left {
            instance: instance.record.clone(),
            used: used.iter().map(|made| made.record.clone()).collect(),
            key: key.as_ref().map(|key| LeftKey {
                pair: key.made.record.clone(),
                file: key.file.clone(),
            }),
            host_key: data.host_key,
            facts,
            keys_on_disk: key
                .iter()
                .map(|key| key.blob().to_owned())
                .chain(older)
                .collect(),
            door: Door::Open,
        };
        left.keep(Keeper::of(cx).as_ref()).await?;
        let running = match boxed(|| ready(cx, &region, instance.id())).await {
            Ok(running) => running,
            Err(failure) => {
                let case = Case {
                    instance: instance.id(),
                    host: None,
                    way: Way::read(options),
                    failure: &failure,
                };
                boxed(|| diagnose(cx, &account, &region, &case)).await;
                return Err(failure);
            }
        };
        let taken = Taken {
            instance,
            used,
            key,
            running,
        };
        Self::reached(cx, account, region, options, &trust, left, taken).await
    }

    /// The instance of an earlier run; `None` where it cannot be gone on with.
    pub(crate) async fn restore(
        cx: &Context,
        family: &Family,
        options: &Options<'_>,
        launch: &Launch,
        checkpoint: &Checkpoint,
    ) -> Result<Option<Self>> {
        let (access, account, home) = family.account(options).await?;
        let Some(mut left) = Left::of(checkpoint) else {
            return Ok(None);
        };
        let place = &left.instance.place;
        account.has(&left.instance.reach, place).await?;
        let region = account.region(place);
        let disks = launch.run.devices.iter().filter(|disk| disk.is_volume());
        let disks: Vec<&str> = disks.map(|disk| disk.name.as_str()).collect();
        let Some(taken) = boxed(|| left.take(cx, &region, &disks)).await? else {
            return Ok(None);
        };
        if let (Some(known), Some(key)) = (&mut left.key, &taken.key) {
            known.file.clone_from(&key.file);
        }
        if let Some(key) = &taken.key {
            // What older versions have recorded does not name it.
            left.keys_on_disk.retain(|known| known != key.blob());
            left.keys_on_disk.insert(0, key.blob().to_owned());
        }
        left.keep(Keeper::of(cx).as_ref()).await?;
        let source = family.source(&access, &home, &launch.source).await?;
        let trust = Trust {
            kept: options::kept(&source, &launch.run.devices),
            ..Trust::read(options, &LogIn::read(options)?, source.platform.is_some())?
        };
        let reached = Self::reached(cx, account, region, options, &trust, left, taken);
        Ok(Some(reached.await?))
    }

    /// An instance that runs, whichever run has made it, and the way to it.
    async fn reached(
        cx: &Context,
        account: Arc<Account>,
        region: RegionClient,
        options: &Options<'_>,
        trust: &Trust,
        left: Left,
        taken: Taken,
    ) -> Result<Self> {
        let mut temporary = Self {
            region,
            account,
            facts: left.facts.clone(),
            instance: taken.instance,
            running: taken.running,
            target: Target::None,
            used: taken.used,
            more: Mutex::default(),
            key: taken.key,
            keys_on_disk: left.keys_on_disk.clone(),
            kept: trust.kept.clone(),
            windows: trust.windows,
            keeper: Keeper::of(cx),
            tunnel: Mutex::default(),
            patience: trust.patience,
            left: Mutex::new(left.clone()),
        };
        if temporary.is_shut() {
            // What the connection would have said.
            let texts = &mut temporary.facts.texts;
            let host = match options.string("ssh_host")? {
                Some(host) => Some(host),
                None => {
                    let interface = options.string("ssh_interface")?;
                    address(&temporary.running, interface.as_deref()).ok()
                }
            };
            texts.extend(host.map(|host| ("Host".to_owned(), host)));
            let port = options.integer("ssh_port")?.filter(|port| *port != 0);
            texts.insert("Port".to_owned(), port.unwrap_or(22).to_string());
            return Ok(temporary);
        }
        let log_in = LogIn::read(options)?;
        temporary.target = temporary
            .target(cx, options, &log_in, trust, left.host_key)
            .await?;
        Ok(temporary)
    }

    async fn target(
        &mut self,
        cx: &Context,
        options: &Options<'_>,
        log_in: &LogIn,
        trust: &Trust,
        host_key: Option<String>,
    ) -> Result<Target> {
        if *log_in == LogIn::None {
            return Ok(Target::None);
        }
        let mut port = None;
        let host = match options.string("ssh_host")? {
            Some(host) => host,
            None if session::is_wanted(options) => {
                let id = self.instance.id();
                let opened = boxed(|| Tunnel::open(cx, &self.region, id, options)).await;
                let tunnel = match opened {
                    Ok(tunnel) => tunnel,
                    Err(failure) => {
                        self.diagnose(cx, Way::read(options), &failure).await;
                        return Err(failure);
                    }
                };
                port = Some(tunnel.port);
                *lock(&self.tunnel) = Some(tunnel);
                "localhost".to_owned()
            }
            None => {
                let found = address(&self.running, options.string("ssh_interface")?.as_deref());
                match found {
                    Ok(found) => found,
                    Err(failure) => {
                        self.diagnose(cx, Way::read(options), &failure).await;
                        return Err(failure);
                    }
                }
            }
        };
        let host_keys = match host_key {
            Some(key) => vec![key],
            None if trust.console => self.host_keys(cx).await?,
            None => Vec::new(),
        };
        if trust.password
            && let Some(key) = &self.key
        {
            let limit = options.duration("windows_password_timeout")?;
            let limit = limit.unwrap_or(PASSWORD_TIMEOUT);
            cx.output.say("waiting for the password of Windows");
            let id = self.instance.id();
            let password = instance::password(cx, &self.region, id, &key.file, limit).await?;
            for name in ["Password", "WinRMPassword"] {
                self.facts.texts.insert(name.to_owned(), password.clone());
            }
        }
        Ok(Target::Address(Endpoint {
            host: Some(host),
            port,
            private_key: self.key.as_ref().map(|key| key.file.clone()),
            host_keys,
            ..Endpoint::default()
        }))
    }

    /// Whether nobody can log in any more: its disk is ready to become an image.
    pub(crate) fn is_shut(&self) -> bool {
        lock(&self.left).door == Door::Closed
    }

    /// Takes the keys that imgc has made off the disk, of all users; whether that came to its end. From now on nobody may be able to
    /// log in anew, which is recorded before: a run that goes on with this instance must not try.
    pub(crate) async fn take_keys_off(&self, cx: &Context, machine: &dyn Machine) -> Result<bool> {
        let Some(key) = &self.key else {
            return Ok(false);
        };
        if self.windows || machine.os() != OsFamily::Unix {
            return Ok(false);
        }
        self.record(Door::Closing).await?;
        Ok(authorized::remove(cx, machine, &key.name, &self.keys_on_disk).await)
    }

    /// Its keys are off, and what comes now needs no login.
    pub(crate) async fn shut(&self) -> Result<()> {
        self.record(Door::Closed).await
    }

    /// Lets its login in again: what was made of the disk is made, and the machine goes on.
    pub(crate) async fn put_key_back(&self, cx: &Context, machine: &dyn Machine) -> Result<()> {
        let Some(key) = &self.key else {
            return Ok(());
        };
        if lock(&self.left).door == Door::Open {
            return Ok(());
        }
        match machine.query(&authorized::add(&key.public)).await {
            Ok(_) => self.record(Door::Open).await,
            Err(error) => {
                cx.output.detail(format!(
                    "the key `{}` cannot be put back for `-resume`: {}",
                    key.name,
                    error.chain()
                ));
                Ok(())
            }
        }
    }

    async fn record(&self, door: Door) -> Result<()> {
        let left = {
            let mut left = lock(&self.left);
            left.door = door;
            left.clone()
        };
        left.keep(self.keeper.as_ref()).await
    }

    /// Further things that go when it has ended.
    pub(crate) fn goes_too(&self, things: impl IntoIterator<Item = Made>) {
        lock(&self.more).extend(things);
    }

    /// The host keys that its console tells.
    pub(crate) async fn host_keys(&self, cx: &Context) -> Result<Vec<String>> {
        cx.output.say("reading the host keys from the console");
        instance::host_keys(cx, &self.region, self.instance.id(), self.patience).await
    }

    /// For the template's `build` object.
    pub(crate) fn texts(&self) -> BTreeMap<String, String> {
        let mut texts = self.facts.texts.clone();
        texts.insert("ID".to_owned(), self.instance.id().to_owned());
        texts
    }

    /// Nobody goes to it any more: a way that was opened for that is closed.
    pub(crate) async fn part(&self) {
        let tunnel = lock(&self.tunnel).take();
        if let Some(tunnel) = tunnel {
            tunnel.close().await;
        }
    }

    /// Ends it, and removes what was made for it.
    pub(crate) async fn release(&self, cx: &Context) -> Result<()> {
        let region = &self.region;
        self.part().await;
        cx.output.say("terminating the source instance");
        let machine = async {
            // What an instance uses cannot go before it, and its record leads to it later.
            gone(cx, region, &self.instance).await?;
            let mut outcome = Ok(());
            let more = std::mem::take(&mut *lock(&self.more));
            for made in more.iter().chain(&self.used) {
                let gone = gone(cx, region, made).await;
                outcome = outcome.and(gone);
            }
            outcome
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes a thing and its record.
pub(crate) async fn gone(cx: &Context, region: &RegionClient, made: &Made) -> Result<()> {
    remove(region, &made.record).await?;
    cx.ledger.forget(made.number);
    Ok(())
}

/// What its image says of a machine: how it is known to be the one that was started, and what stays of it.
pub(crate) struct Trust {
    /// It is given a host key of ours.
    pub(crate) ours: bool,
    /// Where it cannot be given one, its console is asked.
    pub(crate) console: bool,
    /// `host_key = "insecure"`: whatever it is given, nobody looks.
    pub(crate) insecure: bool,
    pub(crate) windows: bool,
    /// The volumes of what it was started from that stay.
    kept: Vec<Device>,
    /// It is Windows with a password that nobody knows yet.
    password: bool,
    patience: Duration,
}

impl Trust {
    /// `windows`: whether the image it is started from is one of Windows.
    pub(crate) fn read(options: &Options<'_>, log_in: &LogIn, windows: bool) -> Result<Self> {
        let winrm = options.string("communicator")?.as_deref() == Some("winrm");
        let ssh = *log_in != LogIn::None && !winrm;
        // With an address of its own the template follows the communicator's rules.
        let vouches = ssh && options.string("ssh_host")?.is_none();
        let insecure = options.string("host_key")?.as_deref() == Some("insecure");
        let limit = options.duration("ssh_timeout")?.unwrap_or(SSH_TIMEOUT);
        Ok(Self {
            ours: vouches && !windows,
            console: vouches && !insecure,
            insecure: ssh && insecure,
            windows: winrm || windows,
            kept: Vec::new(),
            password: winrm && options.string("winrm_password")?.is_none(),
            patience: limit.min(CONSOLE),
        })
    }

    /// When it shuts itself down where nobody lets it go; `None` for never. `wanted`: what the template says, `limit`: how long
    /// the build may take.
    pub(crate) fn switch(
        &self,
        wanted: Option<Duration>,
        limit: Option<Duration>,
    ) -> Option<Duration> {
        match wanted {
            _ if self.windows => None,
            Some(never) if never.is_zero() => None,
            Some(after) => Some(after),
            None => Some(instance::switch(limit)),
        }
    }
}

/// The group that is made for the build, if one is, and the groups of the instance.
async fn temporary_group(
    cx: &Context,
    (account, region): (&Account, &RegionClient),
    launch: &Launch,
    place: &Place,
    options: &Options<'_>,
    log_in: &LogIn,
    tags: &Tags,
) -> Result<(Vec<String>, Option<Made>)> {
    let network = &launch.network;
    if network.has_groups() || *log_in == LogIn::None {
        let groups = find_groups(region, network, place).await?;
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
    let port = (!session::is_wanted(options)).then_some(port);
    let made = make_group(cx, account, region, network, place, port, tags).await?;
    Ok((vec![made.id().to_owned()], Some(made)))
}

async fn temporary_key(
    cx: &Context,
    region: &RegionClient,
    log_in: &LogIn,
    tags: &Tags,
) -> Result<Option<TemporaryKey>> {
    let LogIn::Temporary { name, kind, bits } = log_in else {
        return Ok(None);
    };
    TemporaryKey::make(cx, region, name.as_deref(), kind, *bits, tags)
        .await
        .map(Some)
}

async fn temporary_profile(
    cx: &Context,
    region: &RegionClient,
    run: &options::Run,
    tags: &Tags,
) -> Result<Option<TemporaryProfile>> {
    let Some(policy) = &run.policy else {
        return Ok(None);
    };
    TemporaryProfile::make(cx, region, policy, tags)
        .await
        .map(Some)
}

/// The template's user data; an error of the option where its file cannot be read.
pub(crate) fn own_user_data(cx: &Context, run: &options::Run) -> Result<Option<Vec<u8>>> {
    user_data(cx, run.user_data.as_deref(), run.user_data_file.as_deref())
}

/// The same by the two options.
pub(crate) fn user_data(
    cx: &Context,
    text: Option<&str>,
    file: Option<&Path>,
) -> Result<Option<Vec<u8>>> {
    match (text, file) {
        (Some(text), _) => Ok(Some(text.as_bytes().to_vec())),
        (None, Some(file)) => {
            let path = cx.world.working_directory().join(file);
            let content = std::fs::read(&path).map_err(|error| {
                let attempt = "read the file of `user_data_file`,";
                imgc_runtime::files::failure("run/missing-file", attempt, &path, error)
                    .of("user_data_file")
            })?;
            Ok(Some(content))
        }
        (None, None) => Ok(None),
    }
}

/// The volumes of an instance, by device.
pub(crate) fn attached(instance: &Instance) -> BTreeMap<String, String> {
    let devices = instance.block_device_mappings().iter();
    devices
        .filter_map(|device| {
            let volume = device.ebs.as_ref()?.volume_id.clone()?;
            Some((device.device_name.clone()?, volume))
        })
        .collect()
}

/// A source image of another kind than the builder works on.
pub(crate) fn check_root(source: &Image, wanted: &str, way_out: &str) -> Result<()> {
    let kind = source.root_device_type.as_ref();
    let kind = kind.map_or(wanted, |kind| kind.as_str());
    if kind == wanted {
        return Ok(());
    }
    Err(Error::new(
        Class::Template,
        "run/aws-source-image",
        format!(
            "the image {} has a root device of the kind `{kind}`, not `{wanted}`",
            source.image_id().unwrap_or_default()
        ),
    )
    .help(way_out))
}

/// Stops the instance; one of the spot market cannot be, its image is made as it runs.
pub(crate) async fn stop(
    cx: &Context,
    region: &RegionClient,
    id: &str,
    run: &options::Run,
) -> Result<()> {
    if run.spot.is_some() {
        return Ok(());
    }
    cx.output.say("stopping the source instance");
    instance::stop(cx, region, id, run.keeps_running).await
}

/// What an image is made with: the template's options, rendered.
pub(crate) fn wanted<'a>(
    cx: &Context,
    facts: &Facts,
    options: &'a options::Image,
) -> Result<image::Wanted<'a>> {
    let render = Render::new(cx, facts);
    let description = options.description.as_deref();
    Ok(image::Wanted {
        options,
        description: description
            .map(|text| render.text(text, "ami_description"))
            .transpose()?,
        tags: render.tags(&options.tags, "tags")?,
        snapshot_tags: render.tags(&options.snapshot_tags, "snapshot_tags")?,
    })
}

/// What is done with an image that is available: it is looked at, and is not temporary any more, unless only copies of it stay or
/// it has to pass checks first.
pub(crate) async fn finish(
    cx: &Context,
    region: &RegionClient,
    encryption: &options::Encryption,
    wanted: &options::Image,
    image: &Image,
) -> Result<()> {
    if encryption.image {
        image::check_encrypted(image)?;
    }
    match wanted.only_copies || cx.is_checked {
        true => Ok(()),
        false => image::keep(region, image).await,
    }
}
