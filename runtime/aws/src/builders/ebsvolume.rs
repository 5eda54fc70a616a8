//! Builder `amazon-ebsvolume`: volumes of EBS are filled on a temporary instance, and are the result themselves.
//!
//! While the machine is provisioned its volumes end with it, so that a build that dies leaves none; those that stay are recorded and
//! told to stay when the machine is finished.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    EbsInstanceBlockDeviceSpecification, Instance as Ec2Instance,
    InstanceBlockDeviceMappingSpecification, Tag,
};
use futures_util::future::try_join_all;
use imgc_compiler::value::{Data, Value};
use imgc_runtime::artifact::Artifact;
use imgc_runtime::builder::{Builder, Instance, Known, Pin, Problem, Target};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use crate::account::Access;
use crate::builders::artifact::{keep, thing};
use crate::builders::family::{Facts, Family, problems};
use crate::builders::launch::{Temporary, check_root, stop};
use crate::builders::render::Render;
use crate::image::{self, snapshot};
use crate::instance::LogIn;
use crate::options::{EbsVolume, Volume};
use crate::region::RegionClient;
use crate::resource::{Kind, Thing};
use crate::tags::{self, Tags};

/// Packer's id for its artifacts.
const BUILDER_ID: &str = "mitchellh.amazon.ebsvolume";
const COMPONENT: &str = "builder `amazon-ebsvolume`";
const BLOCKS: &str = "ebs_volumes";

/// The builder `amazon-ebsvolume`.
#[derive(Clone, Debug, Default)]
pub struct Volumes {
    family: Family,
}

impl Volumes {
    /// One of the family of this process.
    pub(crate) fn new(family: Family) -> Self {
        Self { family }
    }
}

#[async_trait]
impl Builder for Volumes {
    fn check(&self, options: &Value) -> Vec<Problem> {
        let options = Options::new(COMPONENT, options);
        let read = Access::read(&options)
            .and_then(|_| EbsVolume::read(&options))
            .and_then(|_| LogIn::read(&options));
        problems(read.map(|_| ()))
    }

    async fn pins(&self, cx: &Context, options: &Value, known: &Known) -> Result<Vec<Pin>> {
        let options = Options::new(COMPONENT, options);
        let read = EbsVolume::read(&options)?;
        let _ = cx;
        self.family.pins(&options, &read.launch.source, known).await
    }

    async fn prepare(&self, cx: &Context, options: &Value) -> Result<()> {
        let options = Options::new(COMPONENT, options);
        let read = EbsVolume::read(&options)?;
        let source = &read.launch.source;
        let source = self.family.prepare(cx, &options, source, None).await?;
        check_root(&source, "ebs", "start from an image on EBS")
    }

    async fn launch(&self, cx: &Context, options: &Value) -> Result<Arc<dyn Instance>> {
        let plain = Options::new(COMPONENT, options);
        let read = EbsVolume::read(&plain)?;
        let (access, _, region) = self.family.account(&plain).await?;
        let source = self.family.source(&access, &region, &read.launch.source);
        // The blocks may speak of the image; they were left as they are until it is known.
        let facts = Facts::new(&region, &source.await?);
        let rendered = rendered(cx, &facts, options)?;
        let options = Options::new(COMPONENT, &rendered);
        let read = EbsVolume::read(&options)?;
        let temporary = Temporary::launch(cx, &self.family, &options, &read.launch).await?;
        Ok(Arc::new(VolumesInstance { temporary, read }))
    }
}

/// The options with the texts of `ebs_volumes` rendered.
fn rendered(cx: &Context, facts: &Facts, options: &Value) -> Result<Value> {
    let Data::Object(entries) = options.data() else {
        return Ok(options.clone());
    };
    let mut entries = (**entries).clone();
    if let Some(blocks) = entries.get_mut(BLOCKS) {
        *blocks = Render::new(cx, facts).value(blocks, BLOCKS)?;
    }
    Ok(Value::object(entries).mark(options.is_sensitive()))
}

struct VolumesInstance {
    temporary: Temporary,
    read: EbsVolume,
}

#[async_trait]
impl Instance for VolumesInstance {
    fn target(&self) -> Target {
        self.temporary.target.clone()
    }

    fn facts(&self) -> BTreeMap<String, String> {
        self.temporary.texts()
    }

    async fn host_keys(&self, cx: &Context) -> Result<Vec<String>> {
        self.temporary.host_keys(cx).await
    }

    async fn capture(&self, cx: &Context) -> Result<Artifact> {
        let region = &self.temporary.region;
        let instance = self.temporary.instance.id();
        stop(cx, region, instance, &self.read.launch.run).await?;
        image::network(region, instance, self.read.ena, self.read.sriov).await?;
        let attached = attached(&self.temporary.running);
        let mut ids = Vec::new();
        let mut things = Vec::new();
        let mut snapshots = Vec::new();
        for volume in &self.read.volumes {
            let Some(id) = attached.get(&volume.device) else {
                return Err(missing(instance, volume));
            };
            if let Some(wanted) = &volume.snapshot {
                let description = wanted.description.as_deref();
                let made = snapshot::create(cx, region, id, description, &wanted.tags).await?;
                snapshots.push((made, wanted));
            }
        }
        let wholes = snapshots
            .iter()
            .map(|(made, _)| snapshot::completed(cx, region, made.id(), self.read.polling));
        try_join_all(wholes).await?;
        for (made, wanted) in &snapshots {
            snapshot::share(region, made.id(), &wanted.users, &wanted.groups).await?;
            ids.push(made.id().to_owned());
            things.push(made.record.clone());
        }
        for volume in self.read.volumes.iter().filter(|volume| volume.stays) {
            let Some(id) = attached.get(&volume.device) else {
                return Err(missing(instance, volume));
            };
            self.keep_volume(cx, volume, id).await?;
            ids.push(id.clone());
            things.push(thing(region, Kind::Volume, id));
        }
        if !ids.is_empty() {
            keep(region, ids.clone()).await?;
        }
        let place = region.name();
        let mut parts: Vec<String> = ids.iter().map(|id| format!("{place}:{id}")).collect();
        parts.sort();
        Ok(Artifact {
            builder_id: BUILDER_ID.to_owned(),
            id: parts.join(","),
            description: format!("EBS Volumes were created:\n\n{}", parts.join("\n")),
            metadata: BTreeMap::from([("run".to_owned(), cx.run_id.to_string())]),
            things,
            ..Artifact::default()
        })
    }

    async fn release(&self, cx: &Context) -> Result<()> {
        self.temporary.release(cx).await
    }
}

impl VolumesInstance {
    /// Lets a volume stay when its instance ends, with the tags of the template and no others.
    async fn keep_volume(&self, cx: &Context, volume: &Volume, id: &str) -> Result<()> {
        let region = &self.temporary.region;
        let instance = self.temporary.instance.id();
        cx.output.say(format!("keeping the volume {id}"));
        let record = Thing {
            kind: Kind::Volume,
            name: id.to_owned(),
        };
        let ebs = EbsInstanceBlockDeviceSpecification::builder().delete_on_termination(false);
        let mapping = InstanceBlockDeviceMappingSpecification::builder()
            .device_name(&volume.device)
            .ebs(ebs.build());
        let request = region
            .ec2()
            .modify_instance_attribute()
            .instance_id(instance)
            .block_device_mappings(mapping.build());
        let make = async {
            let attempt = "let a volume stay";
            region
                .call("ModifyInstanceAttribute", attempt, request.send())
                .await?;
            Ok(id.to_owned())
        };
        record.make_known(cx, region, id, make).await?;
        self.tag(cx, region, volume, id).await
    }

    async fn tag(
        &self,
        cx: &Context,
        region: &RegionClient,
        volume: &Volume,
        id: &str,
    ) -> Result<()> {
        let mut own: Tags = volume.tags.clone();
        own.insert(tags::RUN.to_owned(), cx.run_id.to_string());
        let request = region.ec2().create_tags().resources(id);
        let request = request.set_tags(Some(tags::list(&own)));
        region
            .call("CreateTags", "tag a volume", request.send())
            .await?;
        let render = Render::new(cx, &self.temporary.facts);
        let ran = render.tags(&self.read.launch.run.volume_tags, "run_volume_tags")?;
        let gone: Vec<Tag> = ran
            .keys()
            .map(String::as_str)
            .chain([tags::BUILD])
            .filter(|key| !own.contains_key(*key))
            .map(|key| Tag::builder().key(key).build())
            .collect();
        let request = region.ec2().delete_tags().resources(id);
        let request = request.set_tags(Some(gone)).send();
        region
            .call(
                "DeleteTags",
                "take the tags of the build from a volume",
                request,
            )
            .await?;
        Ok(())
    }
}

/// The volumes of an instance, by device.
pub(super) fn attached(instance: &Ec2Instance) -> BTreeMap<String, String> {
    let devices = instance.block_device_mappings().iter();
    devices
        .filter_map(|device| {
            let volume = device.ebs.as_ref()?.volume_id.clone()?;
            Some((device.device_name.clone()?, volume))
        })
        .collect()
}

fn missing(instance: &str, volume: &Volume) -> Error {
    Error::new(
        Class::Remote,
        "run/aws-instance",
        format!("the instance {instance} has no volume at {}", volume.device),
    )
    .help("`device_name` must be one that EC2 takes, such as /dev/sdf, and no instance store")
}
