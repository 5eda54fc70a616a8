//! Builder `amazon-chroot`: this machine is an instance of EC2 itself; a volume is attached to it, mounted, filled in a chroot, and
//! becomes an image. No other machine is started.
//!
//! The volume and what is mounted are recorded before they are made; what runs in the chroot ends before it is unmounted.

mod device;
mod machine;
mod mount;
mod shell;
pub(crate) mod volume;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::types::{BlockDeviceMapping, Image, Volume, VolumeAttachmentState, VolumeType};
use imgc_compiler::value::Value;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::builder::{Builder, Instance, Known, Pin, Problem, Publish, Target};
use imgc_runtime::context::Context;
use imgc_runtime::error::Result;
use imgc_runtime::mounts::Busy;
use imgc_runtime::options::Options;
use imgc_runtime::preview::{Preview, Right, Scope, Wanted};

use crate::account::Access;
use crate::builders::artifact::of_image;
use crate::builders::check;
use crate::builders::family::{Facts, Family, problems_of_image};
use crate::builders::launch::{check_root, finish, gone, wanted};
use crate::error::{Meaning, answer, failed};
use crate::image::{self, Contents, snapshot};
use crate::options::{Chroot, Device, Traits};
use crate::preview::{Asks, doomed, preview, rights_of};
use crate::publish;
use crate::region::RegionClient;
use crate::rehearsal::Scene;
use crate::resource::Made;
use crate::rights;
use device::{Me, Name};
use machine::ChrootMachine;
use mount::Mounted;
use shell::Shell;
use volume::{available, make_volume};

/// Packer's id for its artifacts.
const BUILDER_ID: &str = "mitchellh.amazon.chroot";
const COMPONENT: &str = "builder `amazon-chroot`";

/// How long a volume may take to come and go.
const MOVING: Duration = Duration::from_secs(600);

/// What matters only when the image is made.
const CAPTURE_OPTIONS: &[&str] = &[
    "ami_description",
    "ami_name",
    "aws_polling",
    "boot_mode",
    "ena_support",
    "force_delete_snapshot",
    "force_deregister",
    "skip_save_build_region",
    "snapshot_tag",
    "snapshot_tags",
    "sriov_support",
    "tag",
    "tags",
    "tpm_support",
    "uefi_data",
];

/// The builder `amazon-chroot`.
#[derive(Clone, Debug, Default)]
pub(crate) struct AmazonChroot {
    family: Family,
}

impl AmazonChroot {
    /// One of the family of this process.
    pub(crate) fn new(family: Family) -> Self {
        Self { family }
    }
}

#[async_trait]
impl Builder for AmazonChroot {
    fn check(&self, value: &Value) -> Vec<Problem> {
        let options = Options::new(COMPONENT, value);
        let read = Access::read(&options).and_then(|_| Chroot::read(&options));
        let mut found = problems_of_image(value, read.map(|_| ()));
        found.extend(check::problems(value));
        found
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
        publish::publish(self.family.accounts(), cx, &options, step, artifact).await
    }

    async fn pins(&self, cx: &Context, options: &Value, known: &Known) -> Result<Vec<Pin>> {
        let options = Options::new(COMPONENT, options);
        let read = Chroot::read(&options)?;
        let _ = cx;
        match &read.source {
            Some(source) => self.family.pins(&options, source, known).await,
            None => Ok(Vec::new()),
        }
    }

    async fn rights(
        &self,
        cx: &Context,
        options: &Value,
        wanted: &Wanted,
        scope: Scope,
    ) -> Vec<Right> {
        let _ = cx;
        let asks = Asks::new(rights::Family::Chroot, COMPONENT, wanted);
        Box::pin(rights_of(self.family.accounts(), asks, options, scope)).await
    }

    async fn preview(&self, cx: &Context, value: &Value, wanted: &Wanted) -> Option<Preview> {
        let asks = Asks::new(rights::Family::Chroot, COMPONENT, wanted);
        let options = Options::new(COMPONENT, value);
        let here = async {
            // Which instance this machine is, only its metadata says.
            if wanted.offline {
                return None;
            }
            let (_, _, region) = self.family.account(&options).await.ok()?;
            Some(device::own_instance(&region).await)
        };
        let (mut shown, here) = tokio::join!(
            Box::pin(preview(cx, self.family.accounts(), asks, value)),
            Box::pin(here),
        );
        match here {
            Some(Ok(id)) => shown.known("this machine", format!("the instance {id}")),
            Some(Err(error)) => doomed(&mut shown, "this machine", &error),
            // Without a region nothing is known of it, and that is said of the account.
            None => {}
        }
        Some(shown)
    }

    async fn prepare(&self, cx: &Context, value: &Value) -> Result<()> {
        publish::verify(value)?;
        check::verify(value)?;
        let options = Options::new(COMPONENT, value);
        let read = Chroot::read(&options)?;
        let (_, _, region) = self.family.account(&options).await?;
        device::own_instance(&region).await?;
        let Some(source) = &read.source else {
            if options.is_given("source_ami") || options.is_given("source_ami_filter") {
                cx.output
                    .warn("the source image is not used: `from_scratch`");
            }
            self.family.name_is_free(cx, &options, &read.image).await?;
            return self
                .family
                .is_allowed(cx, &region, &scene(&options, None))
                .await;
        };
        let image = Some(&read.image);
        let source = self.family.prepare(cx, &options, source, image).await?;
        check_root(&source, "ebs", "start from an image on EBS")?;
        let own = read.traits.architecture.as_deref();
        let architecture = source.architecture.as_ref().map(|one| one.as_str());
        if own.is_some_and(|own| own == "arm64" && architecture != Some(own)) {
            cx.output.warn(format!(
                "`ami_architecture` is not used: the image has that of the source, {}",
                architecture.unwrap_or("which it does not say")
            ));
        }
        self.family
            .is_allowed(cx, &region, &scene(&options, Some(&source)))
            .await
    }

    async fn launch(&self, cx: &Context, options: &Value) -> Result<Arc<dyn Instance>> {
        let options = Options::new(COMPONENT, options);
        let read = Chroot::read(&options)?;
        let (access, _, region) = self.family.account(&options).await?;
        let source = match &read.source {
            Some(source) => Some(self.family.source(&access, &region, source).await?),
            None => None,
        };
        let mut facts = match &source {
            Some(source) => Facts::new(&region, source),
            None => Facts::new(&region, &Image::builder().build()),
        };
        let shell = Shell::new(cx, &read.mounting.wrapper);
        let me = device::describe(&region, &device::own_instance(&region).await?).await?;
        let volume = make_volume(cx, &region, &read, &facts, source.as_ref(), &me.zone).await?;
        let name = attach(cx, &region, &read, &me, &volume).await?;
        let node = device::node(cx, name.name(), &read.mounting, volume.id()).await?;
        let virtualization = virtualization(&read, source.as_ref());
        let partition = match virtualization.as_deref() {
            // Its disks have no table.
            Some("paravirtual") => "0",
            _ => &read.mounting.partition,
        };
        let mounted = mount::mount(cx, &shell, &facts, &read.mounting, &node, partition).await?;
        for (field, text) in [("Device", &node.whole), ("MountPath", &mounted.place)] {
            facts.texts.insert(field.to_owned(), text.clone());
        }
        Ok(Arc::new(ChrootInstance {
            facts,
            region,
            source,
            read,
            shell,
            mounted,
            volume,
            own: me.id,
            _name: name,
        }))
    }
}

/// Attaches the volume by the template's name or one that is free, and waits until it is.
async fn attach(
    cx: &Context,
    region: &RegionClient,
    read: &Chroot,
    me: &Me,
    volume: &Made,
) -> Result<Name> {
    let id = volume.id();
    let mut taken = me.devices.clone();
    let name = loop {
        let name = device::choose(read.mounting.device.as_deref(), &taken)?;
        cx.output
            .say(format!("attaching the volume {id} as {name}"));
        let request = region.ec2().attach_volume().instance_id(&me.id);
        let request = request.volume_id(id).device(name.name()).send();
        let Err(error) = region.ask(request).await else {
            break name;
        };
        match answer(&error) {
            // An answer that was lost: it is attached, which is looked at below.
            Some(Meaning::InUse) => break name,
            // Another process was faster.
            _ if read.mounting.device.is_none() && device::is_taken(&error) => {
                taken.insert(name.name().to_owned());
            }
            _ => {
                let attempt = "attach the volume to this machine";
                return Err(failed("AttachVolume", attempt, &error));
            }
        }
    };
    let what = format!("the volume {id} to be attached");
    let decide = |volume: Option<&Volume>| {
        let attachment = volume.and_then(|volume| volume.attachments().first());
        let here = attachment.filter(|one| one.instance_id() == Some(&*me.id));
        let state = here.and_then(|one| one.state.as_ref());
        Ok((state == Some(&VolumeAttachmentState::Attached)).then_some(()))
    };
    let volumes = region.volumes();
    volumes.until(region, cx, id, &what, MOVING, decide).await?;
    Ok(name)
}

/// What is known before it begins: no instance is started.
fn scene<'a>(options: &'a Options<'a>, source: Option<&'a Image>) -> Scene<'a> {
    Scene {
        family: rights::Family::Chroot,
        options,
        source,
        place: None,
        groups: None,
    }
}

fn virtualization(read: &Chroot, source: Option<&Image>) -> Option<String> {
    let own = read.traits.virtualization.clone();
    own.or_else(|| {
        let kind = source?.virtualization_type.as_ref()?;
        Some(kind.as_str().to_owned())
    })
}

/// A volume that is mounted here.
struct ChrootInstance {
    facts: Facts,
    region: RegionClient,
    source: Option<Image>,
    read: Chroot,
    shell: Shell,
    mounted: Mounted,
    volume: Made,
    /// The instance that this machine is.
    own: String,
    /// Kept from other builds of this process.
    _name: Name,
}

impl ChrootInstance {
    /// The devices of the image, with the snapshot as the root.
    fn devices(&self, snapshot: &str) -> (String, Vec<BlockDeviceMapping>) {
        let own = &self.read.image.devices;
        let (root, devices): (String, Vec<BlockDeviceMapping>) =
            match (&self.source, own.is_empty()) {
                (Some(source), true) => (
                    source.root_device_name().unwrap_or_default().to_owned(),
                    source.block_device_mappings().to_vec(),
                ),
                _ => (
                    self.read.root.device.clone().unwrap_or_default(),
                    own.iter().map(Device::mapping).collect(),
                ),
            };
        let size = self.read.root.size;
        let devices = devices.into_iter().map(|mut device| {
            let is_root = device.device_name.as_deref() == Some(&*root);
            if let Some(ebs) = &mut device.ebs {
                // A snapshot says itself whether it is encrypted.
                ebs.encrypted = ebs
                    .encrypted
                    .filter(|_| !is_root && ebs.snapshot_id.is_none());
                if is_root {
                    ebs.kms_key_id = None;
                    ebs.snapshot_id = Some(snapshot.to_owned());
                    ebs.volume_size = size.max(ebs.volume_size);
                    let kind = self.read.root.kind.as_deref().map(VolumeType::from);
                    if kind.is_some() && kind != ebs.volume_type {
                        (ebs.iops, ebs.throughput) = (None, None);
                        ebs.volume_type = kind;
                    }
                }
            }
            device
        });
        let devices = devices.collect();
        (root, devices)
    }

    fn traits(&self) -> Traits {
        let mut traits = self.read.traits.clone();
        match &self.source {
            Some(source) => {
                let architecture = source.architecture.as_ref();
                traits.architecture = architecture.map(|one| one.as_str().to_owned());
                traits.virtualization = virtualization(&self.read, self.source.as_ref());
                let mode = source.boot_mode.as_ref();
                let mode = mode.map(|mode| mode.as_str().to_owned());
                traits.boot_mode = traits.boot_mode.or(mode);
            }
            None => {
                traits
                    .architecture
                    .get_or_insert_with(|| "x86_64".to_owned());
            }
        }
        traits
    }
}

#[async_trait]
impl Instance for ChrootInstance {
    fn target(&self) -> Target {
        Target::Machine(Arc::new(ChrootMachine {
            shell: self.shell.clone(),
            place: self.mounted.place.clone(),
        }))
    }

    fn facts(&self) -> BTreeMap<String, String> {
        self.facts.texts.clone()
    }

    async fn capture(&self, cx: &Context) -> Result<Artifact> {
        let region = &self.region;
        let read = &self.read;
        cx.output.say("unmounting the volume");
        self.mounted.take_away(cx, &self.shell, Busy::Fails).await?;
        let id = self.volume.id();
        let request = region.ec2().detach_volume().instance_id(&self.own);
        let request = request.volume_id(id).send();
        region
            .call("DetachVolume", "detach the volume", request)
            .await?;
        available(cx, region, id).await?;
        let mut image = read.image.clone();
        let ena = self.source.as_ref().and_then(|source| source.ena_support);
        image.ena = image.ena.or(ena);
        let wanted = wanted(cx, &self.facts, &image)?;
        let mut tags = wanted.tags.clone();
        tags.extend(wanted.snapshot_tags.clone());
        let taken = snapshot::create(cx, region, id, None, &tags).await?;
        snapshot::completed(cx, region, taken.id(), read.polling).await?;
        if image.replaces_at_home(cx.force) {
            image::let_go(cx, region, &image).await?;
        }
        cx.output.say(format!("registering AMI {}", image.name));
        let (root, devices) = self.devices(taken.id());
        let (made, finished) = Box::pin(image::register(
            cx,
            region,
            &wanted,
            Contents::Devices { root, devices },
            &self.traits(),
            read.polling,
        ))
        .await?;
        finish(cx, region, &read.encryption, &image, &finished).await?;
        Ok(of_image(BUILDER_ID, region, &image, &made, &finished))
    }

    async fn release(&self, cx: &Context) -> Result<()> {
        let unmounted = self.mounted.take_away(cx, &self.shell, Busy::Vanishes);
        let unmounted = unmounted.await;
        let removed = gone(cx, &self.region, &self.volume).await;
        unmounted.and(removed)
    }
}
