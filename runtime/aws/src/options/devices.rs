//! Block devices: `launch_block_device_mappings`, `ami_block_device_mappings`.

use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, Image, LaunchTemplateBlockDeviceMappingRequest,
    LaunchTemplateEbsBlockDeviceRequest, VolumeType,
};
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use super::{Encryption, list};

/// A block device.
#[derive(Clone, Debug, Default)]
pub(crate) struct Device {
    pub(crate) name: String,
    none: bool,
    virtual_name: Option<String>,
    pub(crate) delete_on_termination: bool,
    encrypted: Option<bool>,
    key: Option<String>,
    iops: Option<i32>,
    throughput: Option<i32>,
    size: Option<i32>,
    kind: Option<String>,
    snapshot: Option<String>,
}

impl Device {
    /// The devices of a repeated block.
    pub(crate) fn read(options: &Options<'_>, name: &str) -> Result<Vec<Self>> {
        let blocks = list(options, name).into_iter();
        blocks
            .map(|block| Self::one(&Options::new(name, block), name))
            .collect()
    }

    pub(super) fn one(block: &Options<'_>, within: &str) -> Result<Self> {
        let small = |name: &str| -> Result<Option<i32>> {
            let value = block.integer(name)?.filter(|value| *value != 0);
            value
                .map(|value| {
                    i32::try_from(value).map_err(|_| block.wrong(name, "a smaller number"))
                })
                .transpose()
        };
        let device = Self {
            name: block.required("device_name")?,
            none: block.bool("no_device")?,
            virtual_name: block.string("virtual_name")?,
            delete_on_termination: block.bool("delete_on_termination")?,
            encrypted: match block.value("encrypted") {
                None => None,
                Some(_) => Some(block.bool("encrypted")?),
            },
            key: block.string("kms_key_id")?,
            iops: small("iops")?,
            throughput: small("throughput")?,
            size: small("volume_size")?,
            kind: block.string("volume_type")?,
            snapshot: block.string("snapshot_id")?,
        };
        if device.key.is_some() && device.encrypted != Some(true) {
            return Err(Error::new(
                Class::Template,
                "run/aws-option",
                format!(
                    "`kms_key_id` of the device {} is set and `encrypted` is not",
                    device.name
                ),
            )
            .help(format!(
                "write encrypted = true in that block of `{within}`"
            )));
        }
        Ok(device)
    }

    /// `no_ephemeral`: the instance stores that images of Windows name are not wanted.
    pub(crate) fn no_ephemeral() -> impl Iterator<Item = Self> {
        ('a'..='z').map(|letter| Self {
            name: format!("xvdc{letter}"),
            none: true,
            ..Self::default()
        })
    }

    /// Whether there will be a volume of EBS behind it.
    pub(crate) fn is_volume(&self) -> bool {
        let store = self.virtual_name.as_deref();
        !self.none && !store.is_some_and(|name| name.starts_with("ephemeral"))
    }

    /// A device of a registered image whose contents are a snapshot: that says whether it is encrypted. What is not said of it
    /// is as with `other`.
    pub(crate) fn of_snapshot(
        &self,
        snapshot: Option<&str>,
        other: Option<&Self>,
    ) -> BlockDeviceMapping {
        let mut device = self.clone();
        if let Some(other) = other {
            device.size = device.size.or(other.size);
            device.kind = device.kind.or_else(|| other.kind.clone());
            device.iops = device.iops.or(other.iops);
            device.throughput = device.throughput.or(other.throughput);
        }
        if let Some(snapshot) = snapshot {
            device.snapshot = Some(snapshot.to_owned());
            device.encrypted = None;
            device.key = None;
        }
        device.mapping()
    }

    /// The same for the instance of a build: its volumes end with it, whatever instances of the image will have.
    pub(crate) fn launched(&self) -> BlockDeviceMapping {
        let temporary = Self {
            delete_on_termination: true,
            ..self.clone()
        };
        temporary.mapping()
    }

    /// Of an image made of an instance: that the volume there stays when its instance ends, and nothing else.
    pub(crate) fn stays(&self) -> Self {
        Self {
            name: self.name.clone(),
            ..Self::default()
        }
    }

    /// As the API takes it.
    pub(crate) fn mapping(&self) -> BlockDeviceMapping {
        let mapping = BlockDeviceMapping::builder().device_name(&self.name);
        if self.none {
            return mapping.no_device("").build();
        }
        if let Some(name) = &self.virtual_name
            && name.starts_with("ephemeral")
        {
            return mapping.virtual_name(name).build();
        }
        let ebs = EbsBlockDevice::builder()
            .delete_on_termination(self.delete_on_termination)
            .set_encrypted(self.encrypted)
            .set_kms_key_id(self.key.clone())
            .set_iops(self.iops)
            .set_throughput(self.throughput)
            .set_volume_size(self.size)
            .set_volume_type(self.kind.as_deref().map(VolumeType::from))
            .set_snapshot_id(self.snapshot.clone());
        mapping.ebs(ebs.build()).build()
    }
}

/// The devices an instance of `source` is started with in `region`. Where the image is to be encrypted every volume is from the
/// beginning: those of the source are listed as well then. No volume stays when the instance ends.
pub(crate) fn mappings(
    devices: &[Device],
    encryption: &Encryption,
    source: &Image,
    region: &str,
) -> Vec<BlockDeviceMapping> {
    let mut mappings: Vec<_> = devices.iter().map(Device::launched).collect();
    let encrypts = encryption.image;
    let key = encryption.home_key(Some(region)).filter(|_| encrypts);
    for mapping in &mut mappings {
        if let Some(ebs) = mapping.ebs.as_mut().filter(|_| encrypts) {
            ebs.encrypted = Some(true);
            if ebs.kms_key_id.is_none() {
                ebs.kms_key_id = key.map(str::to_owned);
            }
        }
    }
    for theirs in source.block_device_mappings() {
        let is_listed = mappings
            .iter()
            .any(|own| own.device_name == theirs.device_name);
        let Some(ebs) = theirs.ebs.as_ref().filter(|_| !is_listed) else {
            continue;
        };
        // A volume that stays when its instance ends would stay when the build does.
        if !encrypts && ebs.delete_on_termination != Some(false) {
            continue;
        }
        // The snapshot of the root device follows from the image, and may not be named.
        let is_root = theirs.device_name == source.root_device_name;
        let snapshot = ebs.snapshot_id.clone().filter(|_| !is_root);
        let ebs = EbsBlockDevice::builder()
            .set_encrypted(encrypts.then_some(true))
            .set_kms_key_id(key.map(str::to_owned))
            .delete_on_termination(true)
            .set_snapshot_id(snapshot);
        mappings.push(
            BlockDeviceMapping::builder()
                .set_device_name(theirs.device_name.clone())
                .ebs(ebs.build())
                .build(),
        );
    }
    mappings
}

/// The volumes of an image that stay when an instance of it ends, but for those that are listed by themselves: an image that is made of
/// one says so again, since the instance of a build has them go.
pub(crate) fn kept(image: &Image, listed: &[Device]) -> Vec<Device> {
    let devices = image.block_device_mappings().iter();
    devices
        .filter(|device| {
            let ebs = device.ebs.as_ref();
            ebs.is_some_and(|ebs| ebs.delete_on_termination == Some(false))
        })
        .filter_map(|device| device.device_name.clone())
        .filter(|name| listed.iter().all(|own| own.name != *name))
        .map(|name| Device {
            name,
            ..Device::default()
        })
        .collect()
}

/// A device as launch templates take it.
pub(crate) fn template(mapping: BlockDeviceMapping) -> LaunchTemplateBlockDeviceMappingRequest {
    let ebs = mapping.ebs.map(|ebs| {
        LaunchTemplateEbsBlockDeviceRequest::builder()
            .set_delete_on_termination(ebs.delete_on_termination)
            .set_encrypted(ebs.encrypted)
            .set_kms_key_id(ebs.kms_key_id)
            .set_iops(ebs.iops)
            .set_throughput(ebs.throughput)
            .set_volume_size(ebs.volume_size)
            .set_volume_type(ebs.volume_type)
            .set_snapshot_id(ebs.snapshot_id)
            .build()
    });
    LaunchTemplateBlockDeviceMappingRequest::builder()
        .set_device_name(mapping.device_name)
        .set_virtual_name(mapping.virtual_name)
        .set_no_device(mapping.no_device)
        .set_ebs(ebs)
        .build()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use imgc_compiler::value::Value;

    use super::*;

    fn source() -> Image {
        let device = |name: &str, snapshot: &str| {
            let ebs = EbsBlockDevice::builder()
                .snapshot_id(snapshot)
                .delete_on_termination(true);
            BlockDeviceMapping::builder()
                .device_name(name)
                .ebs(ebs.build())
                .build()
        };
        Image::builder()
            .root_device_name("/dev/sda1")
            .block_device_mappings(device("/dev/sda1", "snap-1"))
            .block_device_mappings(device("/dev/sdb", "snap-2"))
            .block_device_mappings(
                BlockDeviceMapping::builder()
                    .device_name("/dev/sdc")
                    .virtual_name("ephemeral0")
                    .build(),
            )
            .build()
    }

    fn shown(options: &Value) -> Vec<String> {
        let options = Options::new("builder", options);
        let devices = Device::read(&options, "launch_block_device_mappings").unwrap();
        let encryption = Encryption::read(&options).unwrap();
        let mappings = mappings(&devices, &encryption, &source(), "eu-west-1");
        let shown = mappings.iter().map(|mapping| {
            let ebs = mapping.ebs().unwrap();
            let name = mapping.device_name().unwrap();
            format!(
                "{name} {:?} {} {}",
                ebs.encrypted(),
                ebs.kms_key_id().unwrap_or("-"),
                ebs.snapshot_id().unwrap_or("-")
            )
        });
        shown.collect()
    }

    #[test]
    fn every_volume_is_encrypted_from_the_beginning_where_the_image_is_to_be() {
        let disk = Value::object([("device_name", Value::string("/dev/sda1"))]);
        let disks = ("launch_block_device_mappings", disk);
        assert_eq!(
            shown(&Value::object([disks.clone()])),
            ["/dev/sda1 None - -"]
        );
        let boot = ("encrypt_boot", Value::bool(true));
        assert_eq!(
            shown(&Value::object([boot.clone()])),
            ["/dev/sda1 Some(true) - -", "/dev/sdb Some(true) - snap-2"]
        );
        // A key asks for encryption, and the key of the region will do.
        let key = ("kms_key_id", Value::string("alias/own"));
        assert_eq!(
            shown(&Value::object([key, disks.clone()])),
            [
                "/dev/sda1 Some(true) alias/own -",
                "/dev/sdb Some(true) alias/own snap-2"
            ]
        );
        let keys = Value::object([("eu-west-1", Value::string("alias/there"))]);
        assert_eq!(
            shown(&Value::object([boot, ("region_kms_key_ids", keys)])),
            [
                "/dev/sda1 Some(true) alias/there -",
                "/dev/sdb Some(true) alias/there snap-2"
            ]
        );
    }
}
