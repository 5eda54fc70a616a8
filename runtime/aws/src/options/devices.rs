//! Block devices: `launch_block_device_mappings`, `ami_block_device_mappings`.

use aws_sdk_ec2::types::{BlockDeviceMapping, EbsBlockDevice, VolumeType};
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use super::list;

/// A block device.
#[derive(Clone, Debug, Default)]
pub(crate) struct Device {
    pub(crate) name: String,
    none: bool,
    virtual_name: Option<String>,
    delete_on_termination: bool,
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

    fn one(block: &Options<'_>, within: &str) -> Result<Self> {
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
