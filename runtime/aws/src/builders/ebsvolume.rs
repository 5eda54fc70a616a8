//! Builder `amazon-ebsvolume`: volumes of EBS are filled on a temporary instance, and are the result themselves.
//!
//! While the machine is provisioned its volumes end with it, so that a build that dies leaves none; those that stay are recorded and
//! told to stay when the machine is finished.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    EbsInstanceBlockDeviceSpecification, InstanceBlockDeviceMappingSpecification, Tag,
};
use futures_util::future::try_join_all;
use imgc_compiler::value::{Data, Value};
use imgc_runtime::artifact::Artifact;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use crate::builders::artifact::thing;
use crate::builders::family::Facts;
use crate::builders::launch::{Temporary, attached, stop};
use crate::builders::on_instance::Recipe;
use crate::builders::render::Render;
use crate::image::{self, snapshot};
use crate::options::{EbsVolume, Image, Launch, Volume};
use crate::publish::check_account;
use crate::resource::{Kind, Thing, finish};
use crate::rights;
use crate::tags::{self, Tags};

/// Packer's id for its artifacts.
const BUILDER_ID: &str = "mitchellh.amazon.ebsvolume";
const BLOCKS: &str = "ebs_volumes";

#[async_trait]
impl Recipe for EbsVolume {
    const COMPONENT: &'static str = "builder `amazon-ebsvolume`";
    const FAMILY: rights::Family = rights::Family::Volumes;
    const CAPTURE_OPTIONS: &'static [&'static str] = &[];
    const ROOT: (&'static str, &'static str) = ("ebs", "start from an image on EBS");
    const SPEAKS_OF_SOURCE: bool = true;

    type Progress = ();

    fn read(options: &Options<'_>) -> Result<Self> {
        Self::read(options)
    }

    fn launch(&self) -> &Launch {
        &self.launch
    }

    fn image(&self) -> Option<&Image> {
        None
    }

    fn look(&self, cx: &Context) -> Result<()> {
        let _ = cx;
        let snapshots = self.volumes.iter().filter_map(|one| one.snapshot.as_ref());
        let mut users = snapshots.flat_map(|one| &one.users);
        // What speaks of the source image is a template still.
        users.try_for_each(|user| match user.contains("{{") {
            true => Ok(()),
            false => check_account(BLOCKS, user),
        })
    }

    fn rendered(cx: &Context, facts: &Facts, options: &Value) -> Result<Value> {
        rendered(cx, facts, options)
    }

    async fn capture(
        &self,
        cx: &Context,
        temporary: &Temporary,
        _progress: &Self::Progress,
    ) -> Result<Artifact> {
        let region = &temporary.region;
        let instance = temporary.instance.id();
        stop(cx, region, instance, &self.launch.run).await?;
        image::network(region, instance, self.ena, self.sriov).await?;
        let attached = attached(&temporary.running);
        let mut ids = Vec::new();
        let mut things = Vec::new();
        let mut snapshots = Vec::new();
        for volume in &self.volumes {
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
            .map(|(made, _)| snapshot::completed(cx, region, made.id(), self.polling));
        try_join_all(wholes).await?;
        for (made, wanted) in &snapshots {
            snapshot::share(region, made.id(), &wanted.users, &wanted.groups).await?;
            ids.push(made.id().to_owned());
            things.push(made.record.clone());
        }
        for volume in self.volumes.iter().filter(|volume| volume.stays) {
            let Some(id) = attached.get(&volume.device) else {
                return Err(missing(instance, volume));
            };
            self.keep_volume(cx, temporary, volume, id).await?;
            ids.push(id.clone());
            things.push(thing(region, Kind::Volume, id));
        }
        if !ids.is_empty() {
            finish(region, ids.clone(), "mark things as finished").await?;
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
    Ok(Value::object(entries).mark_like(options))
}

impl EbsVolume {
    /// Lets a volume stay when its instance ends, with the tags of the template and no others.
    async fn keep_volume(
        &self,
        cx: &Context,
        temporary: &Temporary,
        volume: &Volume,
        id: &str,
    ) -> Result<()> {
        let region = &temporary.region;
        let instance = temporary.instance.id();
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
        self.tag(cx, temporary, volume, id).await
    }

    async fn tag(
        &self,
        cx: &Context,
        temporary: &Temporary,
        volume: &Volume,
        id: &str,
    ) -> Result<()> {
        let region = &temporary.region;
        let mut own: Tags = volume.tags.clone();
        own.insert(tags::RUN.to_owned(), cx.run_id.to_string());
        let request = region.ec2().create_tags().resources(id);
        let request = request.set_tags(Some(tags::list(&own)));
        region
            .call("CreateTags", "tag a volume", request.send())
            .await?;
        let render = Render::new(cx, &temporary.facts);
        let ran = render.tags(&self.launch.run.volume_tags, "run_volume_tags")?;
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

fn missing(instance: &str, volume: &Volume) -> Error {
    Error::new(
        Class::Remote,
        "run/aws-instance",
        format!("the instance {instance} has no volume at {}", volume.device),
    )
    .help("`device_name` must be one that EC2 takes, such as /dev/sdf, and no instance store")
}
