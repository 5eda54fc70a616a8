//! Images: made from instances, registered from snapshots or a manifest, copied; with the disks that AWS gives them.

pub(crate) mod attributes;

use std::collections::BTreeMap;

use super::answer::Answer;
use super::behaviour::Behaviour;
use super::describe;
use super::disks;
use super::ec2::{Outcome, ask, tag, without_tags};
use super::request::Request;
use super::server::Shared;
use super::state::{Disk, ImageFacts, SnapshotFacts};
use super::xml::Element;

/// What an image has from the image or the instance that it is made of.
const INHERITED: [&str; 8] = [
    "architecture",
    "bootMode",
    "enaSupport",
    "imdsSupport",
    "platformDetails",
    "rootDeviceName",
    "sriovNetSupport",
    "virtualizationType",
];

/// `CreateImage`.
pub(crate) async fn create(
    shared: &Shared,
    request: &Request,
    behaviour: &Behaviour,
) -> Outcome<Answer> {
    check_name(shared, request)?;
    let instance_id = request.parameter("InstanceId");
    let known = shared.state().started.get(instance_id).cloned();
    let (instance, volumes) = match known {
        Some(known) => (known.instance, Some(known.volumes)),
        None => (
            describe::instance(shared, request, instance_id).await?,
            None,
        ),
    };
    let state = instance.text_at("instanceState/name");
    if !matches!(state, "running" | "stopped") {
        let message = format!("Instance {instance_id} is {state}: it has to be running or stopped");
        return Err(Answer::error(request, 400, "IncorrectState", &message));
    }
    let answer = shared.send(&without_tags(request, &["snapshot"])).await;
    let Some(tree) = answer.tree() else {
        return Ok(answer);
    };
    let id = tree.text_at("imageId").to_owned();
    let volumes = match volumes {
        Some(volumes) => volumes,
        None => volumes_of(shared, request, instance_id).await?,
    };
    let own = own_snapshot(shared, request, &id).await?;
    let root = instance.text_at("rootDeviceName");
    let description = format!("Created by CreateImage({instance_id}) for {id}");
    let mut disks = Vec::new();
    for (volume, disk) in volumes {
        let is_root = disk.device == root;
        let snapshot = if is_root {
            own.clone()
        } else {
            let asked = [("VolumeId", volume.as_str()), ("Description", &description)];
            let made = ask(shared, request, "CreateSnapshot", &asked).await?;
            made.text_at("snapshotId").to_owned()
        };
        let encrypted = disk.encrypted.to_string();
        remember_snapshot(
            shared,
            &snapshot,
            &[
                ("volumeId", &volume),
                ("volumeSize", &disk.size),
                ("encrypted", &encrypted),
                ("description", &description),
            ],
        );
        disks.push(Disk {
            keep: disk.keep && !is_root,
            snapshot,
            ..disk
        });
    }
    let source = shared
        .state()
        .images
        .get(instance.text_at("imageId"))
        .cloned();
    let mut shown = source.unwrap_or_default().shown;
    shown.retain(|name, _| INHERITED.contains(&name.as_str()));
    shown.extend(inherited(&instance));
    shown.insert("rootDeviceType".to_owned(), "ebs".to_owned());
    let disks = disks::merged(&disks, &disks::asked(request));
    finish(shared, request, behaviour, &id, disks, shown).await?;
    Ok(answer)
}

/// The volumes of an instance, with their ids.
async fn volumes_of(
    shared: &Shared,
    request: &Request,
    instance: &str,
) -> Outcome<Vec<(String, Disk)>> {
    let filter = [
        ("Filter.1.Name", "attachment.instance-id"),
        ("Filter.1.Value.1", instance),
    ];
    let volumes = ask(shared, request, "DescribeVolumes", &filter).await?;
    let volumes = volumes.items("volumeSet").iter();
    Ok(volumes
        .map(|volume| {
            let disk = Disk {
                device: volume.text_at("attachmentSet/item/device").to_owned(),
                size: volume.text_at("size").to_owned(),
                kind: volume.text_at("volumeType").to_owned(),
                keep: volume.text_at("attachmentSet/item/deleteOnTermination") == "false",
                encrypted: volume.text_at("encrypted") == "true",
                ..Disk::default()
            };
            (volume.text_at("volumeId").to_owned(), disk)
        })
        .collect())
}

/// `RegisterImage`.
pub(crate) async fn register(
    shared: &Shared,
    request: &Request,
    behaviour: &Behaviour,
) -> Outcome<Answer> {
    check_name(shared, request)?;
    let manifest = request.parameter("ImageLocation");
    if !manifest.is_empty() && !has_object(shared, request, manifest).await {
        let message = format!("The manifest {manifest} cannot be read");
        return Err(Answer::error(request, 400, "InvalidManifest", &message));
    }
    let mut disks = disks::merged(&[], &disks::asked(request));
    for disk in disks.iter_mut().filter(|disk| !disk.snapshot.is_empty()) {
        let asked = [("SnapshotId.1", disk.snapshot.as_str())];
        let found = ask(shared, request, "DescribeSnapshots", &asked).await?;
        if shared.state().passing(&disk.snapshot).is_some() {
            let message = format!("Snapshot is in invalid state - pending: {}", disk.snapshot);
            return Err(Answer::error(request, 400, "IncorrectState", &message));
        }
        if let Some(mut snapshot) = found.items("snapshotSet").first().cloned() {
            super::shown::snapshot(&mut snapshot, &mut shared.state());
            disk.encrypted = snapshot.text_at("encrypted") == "true";
            if disk.size.is_empty() {
                disk.size = snapshot.text_at("volumeSize").to_owned();
            }
        }
    }
    let answer = shared
        .send(&without_tags(request, &["image", "snapshot"]))
        .await;
    let Some(tree) = answer.tree() else {
        return Ok(answer);
    };
    let id = tree.text_at("imageId").to_owned();
    let own = own_snapshot(shared, request, &id).await?;
    shared.state().hidden.insert(own);
    let kind = if manifest.is_empty() {
        "ebs"
    } else {
        "instance-store"
    };
    let mut shown: BTreeMap<String, String> = [
        (
            "architecture",
            or(request.parameter("Architecture"), "i386"),
        ),
        ("bootMode", request.parameter("BootMode")),
        ("enaSupport", request.parameter("EnaSupport")),
        ("imdsSupport", request.parameter("ImdsSupport")),
        (
            "rootDeviceName",
            or(request.parameter("RootDeviceName"), "/dev/sda1"),
        ),
        ("rootDeviceType", kind),
        ("sriovNetSupport", request.parameter("SriovNetSupport")),
        ("tpmSupport", request.parameter("TpmSupport")),
        (
            "virtualizationType",
            or(request.parameter("VirtualizationType"), "paravirtual"),
        ),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .into();
    if !manifest.is_empty() {
        shown.insert("imageLocation".to_owned(), manifest.to_owned());
    }
    tag(shared, request, "image", std::slice::from_ref(&id)).await?;
    let mut state = shared.state();
    let facts = ImageFacts {
        disks,
        shown,
        protected: false,
    };
    state.images.insert(id.clone(), facts);
    let name = key(request, request.parameter("Name"));
    state.names.insert(name, id.clone());
    state.pass(&id, "pending", behaviour.waits.image);
    Ok(answer)
}

/// `CopyImage`.
pub(crate) async fn copy(
    shared: &Shared,
    request: &Request,
    behaviour: &Behaviour,
) -> Outcome<Answer> {
    check_name(shared, request)?;
    let mut there = request.clone();
    request
        .parameter("SourceRegion")
        .clone_into(&mut there.region);
    let source_id = request.parameter("SourceImageId");
    let source = describe::image(shared, &there, source_id).await?;
    if source.text_at("imageState") != "available" {
        let message = format!("The image {source_id} is not available for copying");
        return Err(Answer::error(
            request,
            400,
            "InvalidAMIID.Unavailable",
            &message,
        ));
    }
    let key = request.parameter("KmsKeyId");
    let encrypt = request.parameter("Encrypted") == "true";
    if !key.is_empty() && !encrypt {
        let message = "The parameter KmsKeyId requires the parameter Encrypted to be set.";
        return Err(Answer::error(
            request,
            400,
            "InvalidParameterDependency",
            message,
        ));
    }
    let answer = shared
        .send(&without_tags(request, &["image", "snapshot"]))
        .await;
    let Some(tree) = answer.tree() else {
        return Ok(answer);
    };
    let id = tree.text_at("imageId").to_owned();
    let own = own_snapshot(shared, request, &id).await?;
    let description = format!("Copied for DestinationAmi {id} from SourceAmi {source_id}");
    let root = source.text_at("rootDeviceName");
    let mut disks = Vec::new();
    for mapping in source.items("blockDeviceMapping") {
        let mut disk = disks::shown(mapping);
        disk.encrypted |= encrypt && disk.virtual_name.is_empty();
        if disk.device == root {
            disk.snapshot = own.clone();
        } else if !disk.snapshot.is_empty() {
            let asked = [
                ("SourceSnapshotId", disk.snapshot.as_str()),
                ("SourceRegion", &there.region),
                ("Description", &description),
            ];
            let made = ask(shared, request, "CopySnapshot", &asked).await?;
            disk.snapshot = made.text_at("snapshotId").to_owned();
        }
        let encrypted = disk.encrypted.to_string();
        let mut facts = vec![
            ("volumeId", "vol-ffffffff"),
            ("volumeSize", disk.size.as_str()),
            ("encrypted", &encrypted),
            ("description", &description),
        ];
        let default = format!(
            "arn:aws:kms:{}:{}:alias/aws/ebs",
            request.region, request.account
        );
        if disk.encrypted {
            facts.push(("kmsKeyId", or(key, &default)));
        }
        remember_snapshot(shared, &disk.snapshot, &facts);
        disks.push(disk);
    }
    tag(shared, request, "image", std::slice::from_ref(&id)).await?;
    if request.parameter("CopyImageTags") == "true" {
        copy_tags(shared, request, &source, &id).await?;
    }
    let mut shown = inherited(&source);
    for name in ["rootDeviceType", "platform"] {
        shown.insert(name.to_owned(), source.text_at(name).to_owned());
    }
    shown.insert("sourceImageId".to_owned(), source_id.to_owned());
    shown.insert("sourceImageRegion".to_owned(), there.region.clone());
    finish(shared, request, behaviour, &id, disks, shown).await?;
    Ok(answer)
}

/// Remembers a new image and its snapshots, and lets them be pending.
async fn finish(
    shared: &Shared,
    request: &Request,
    behaviour: &Behaviour,
    id: &str,
    disks: Vec<Disk>,
    shown: BTreeMap<String, String>,
) -> Outcome<()> {
    let snapshots = disks.iter().map(|disk| disk.snapshot.clone());
    let snapshots: Vec<_> = snapshots.filter(|id| !id.is_empty()).collect();
    tag(shared, request, "snapshot", &snapshots).await?;
    let mut state = shared.state();
    state.pass(id, "pending", behaviour.waits.image);
    for snapshot in &snapshots {
        state.pass(snapshot, "pending", behaviour.waits.snapshot);
        state.hide(snapshot, behaviour.waits.visible);
    }
    let facts = ImageFacts {
        disks,
        shown,
        protected: false,
    };
    state.images.insert(id.to_owned(), facts);
    let name = key(request, request.parameter("Name"));
    state.names.insert(name, id.to_owned());
    Ok(())
}

/// The snapshot that moto makes of every image.
async fn own_snapshot(shared: &Shared, request: &Request, id: &str) -> Outcome<String> {
    let tree = ask(shared, request, "DescribeImages", &[("ImageId.1", id)]).await?;
    let snapshots = tree.texts("snapshotId");
    Ok(snapshots.into_iter().next().unwrap_or_default())
}

fn remember_snapshot(shared: &Shared, id: &str, shown: &[(&str, &str)]) {
    let shown = shown.iter();
    let shown = shown.map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let facts = SnapshotFacts {
        shown: shown.collect(),
    };
    shared.state().snapshots.insert(id.to_owned(), facts);
}

fn inherited(source: &Element) -> BTreeMap<String, String> {
    let shown = INHERITED.map(|name| (name.to_owned(), source.text_at(name).to_owned()));
    let shown = shown.into_iter();
    shown.filter(|(_, text)| !text.is_empty()).collect()
}

async fn copy_tags(shared: &Shared, request: &Request, from: &Element, to: &str) -> Outcome<()> {
    let mut asked = vec![("ResourceId.1".to_owned(), to.to_owned())];
    for (at, tag) in from.items("tagSet").iter().enumerate() {
        asked.push((format!("Tag.{}.Key", at + 1), tag.text_at("key").to_owned()));
        asked.push((
            format!("Tag.{}.Value", at + 1),
            tag.text_at("value").to_owned(),
        ));
    }
    if asked.len() > 1 {
        let asked: Vec<_> = asked
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        ask(shared, request, "CreateTags", &asked).await?;
    }
    Ok(())
}

/// A name has to be well formed, and no other image of the account in the region may have it.
fn check_name(shared: &Shared, request: &Request) -> Outcome<()> {
    let name = request.parameter("Name");
    let is_allowed =
        |letter: char| letter.is_ascii_alphanumeric() || "()[] ./-'@_".contains(letter);
    if !(3..=128).contains(&name.chars().count()) || !name.chars().all(is_allowed) {
        let message = "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, and only \
                       these: ( ) [ ] space . / - ' @ _";
        return Err(Answer::error(
            request,
            400,
            "InvalidAMIName.Malformed",
            message,
        ));
    }
    let state = shared.state();
    if let Some(taken) = state.names.get(&key(request, name)) {
        let message = format!("AMI name {name} is already in use by AMI {taken}");
        return Err(Answer::error(
            request,
            400,
            "InvalidAMIName.Duplicate",
            &message,
        ));
    }
    Ok(())
}

/// How the name of an image is remembered.
fn key(request: &Request, name: &str) -> String {
    format!("{}/{}/{name}", request.account, request.region)
}

/// Whether there is an object of S3's at that path, bucket and key.
pub(crate) async fn has_object(shared: &Shared, request: &Request, path: &str) -> bool {
    let mut head = Request::internal("s3", &request.account, &request.region);
    head.method = "HEAD".to_owned();
    head.path = format!("/{path}");
    shared.send(&head).await.is_ok()
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}
