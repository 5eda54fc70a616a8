//! Block device mappings: those of an image, those of a request, and what comes of both.

use super::request::Request;
use super::state::Disk;
use super::xml::Element;

/// A mapping of a request; empty texts are left to the image.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    disk: Disk,
    /// Whether the image's disk is not wanted.
    none: bool,
    keep: Option<bool>,
    key: String,
}

/// The mappings of a request.
pub(crate) fn asked(request: &Request) -> Vec<Asked> {
    let mapping = |at: usize| {
        let text = |name: &str| request.parameter(&format!("BlockDeviceMapping.{at}.{name}"));
        let device = text("DeviceName");
        let none = request
            .parameters
            .contains_key(&format!("BlockDeviceMapping.{at}.NoDevice"));
        (!device.is_empty()).then(|| Asked {
            disk: Disk {
                device: device.to_owned(),
                snapshot: text("Ebs.SnapshotId").to_owned(),
                size: text("Ebs.VolumeSize").to_owned(),
                kind: text("Ebs.VolumeType").to_owned(),
                encrypted: text("Ebs.Encrypted") == "true",
                virtual_name: text("VirtualName").to_owned(),
                keep: false,
            },
            none,
            keep: match text("Ebs.DeleteOnTermination") {
                "" => None,
                text => Some(text == "false"),
            },
            key: text("Ebs.KmsKeyId").to_owned(),
        })
    };
    (1..).map_while(mapping).collect()
}

/// A mapping of an image as `DescribeImages` shows it.
pub(crate) fn shown(mapping: &Element) -> Disk {
    let text = |path: &str| mapping.text_at(path).to_owned();
    Disk {
        device: text("deviceName"),
        snapshot: text("ebs/snapshotId"),
        size: text("ebs/volumeSize"),
        kind: text("ebs/volumeType"),
        keep: text("ebs/deleteOnTermination") == "false",
        encrypted: text("ebs/encrypted") == "true",
        virtual_name: text("virtualName"),
    }
}

/// The disks of an image, changed and extended as a request asks.
pub(crate) fn merged(image: &[Disk], asked: &[Asked]) -> Vec<Disk> {
    let mut disks: Vec<Disk> = image.to_vec();
    for one in asked {
        let at = disks.iter().position(|disk| disk.device == one.disk.device);
        if one.none {
            disks.retain(|disk| disk.device != one.disk.device);
            continue;
        }
        let mut disk = at.map_or_else(
            || Disk {
                kind: "gp2".to_owned(),
                ..Disk::default()
            },
            |at| disks[at].clone(),
        );
        disk.device.clone_from(&one.disk.device);
        disk.virtual_name.clone_from(&one.disk.virtual_name);
        for (to, from) in [
            (&mut disk.snapshot, &one.disk.snapshot),
            (&mut disk.size, &one.disk.size),
            (&mut disk.kind, &one.disk.kind),
        ] {
            if !from.is_empty() {
                to.clone_from(from);
            }
        }
        disk.encrypted |= one.disk.encrypted;
        // What a request adds and says nothing of is kept when the instance ends.
        disk.keep = one.keep.unwrap_or(at.is_none() || disk.keep);
        match at {
            Some(at) => disks[at] = disk,
            None => disks.push(disk),
        }
    }
    disks
}

/// The kind of a disk that moto is asked for.
pub(crate) fn kind(disk: &Disk) -> &str {
    match disk.kind.as_str() {
        // Without the number of operations, which moto does not pass on, it refuses these.
        "io1" | "io2" => "gp3",
        kind => kind,
    }
}

/// The disks as parameters of `RunInstances`; moto knows of no instance stores.
pub(crate) fn parameters(disks: &[Disk], asked: &[Asked]) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    let volumes = disks.iter().filter(|disk| disk.virtual_name.is_empty());
    for (at, disk) in volumes.enumerate() {
        let asked = asked.iter().find(|one| one.disk.device == disk.device);
        let key = asked.map_or("", |asked| &asked.key);
        let kind = kind(disk);
        for (name, value) in [
            ("DeviceName", disk.device.as_str()),
            ("Ebs.SnapshotId", &disk.snapshot),
            ("Ebs.VolumeSize", &disk.size),
            ("Ebs.VolumeType", kind),
            (
                "Ebs.DeleteOnTermination",
                if disk.keep { "false" } else { "true" },
            ),
            (
                "Ebs.Encrypted",
                if disk.encrypted { "true" } else { "false" },
            ),
            ("Ebs.KmsKeyId", key),
        ] {
            if !value.is_empty() {
                let name = format!("BlockDeviceMapping.{}.{name}", at + 1);
                parameters.push((name, value.to_owned()));
            }
        }
    }
    parameters
}
