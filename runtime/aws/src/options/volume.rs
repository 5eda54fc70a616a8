//! The options of `amazon-ebsvolume`: volumes that are the result themselves.

use std::collections::BTreeMap;

use imgc_compiler::value::Value;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use super::{Device, Launch, Polling, list, named};

const BLOCKS: &str = "ebs_volumes";

/// Everything `amazon-ebsvolume` can be told, but how the account is reached and how one logs in.
#[derive(Clone, Debug)]
pub(crate) struct EbsVolume {
    pub(crate) launch: Launch,
    pub(crate) volumes: Vec<Volume>,
    pub(crate) ena: Option<bool>,
    pub(crate) sriov: bool,
    pub(crate) polling: Polling,
}

/// A volume that is attached while the machine is provisioned.
#[derive(Clone, Debug)]
pub(crate) struct Volume {
    pub(crate) device: String,
    /// Whether it is there when the instance has ended.
    pub(crate) stays: bool,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) snapshot: Option<Snapshotted>,
}

/// `snapshot_volume` and what goes with it.
#[derive(Clone, Debug)]
pub(crate) struct Snapshotted {
    pub(crate) description: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Accounts that may make volumes of it.
    pub(crate) users: Vec<String>,
    /// `all` makes it public.
    pub(crate) groups: Vec<String>,
}

impl EbsVolume {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        let launch = Launch::read(options, BLOCKS)?;
        let blocks = list(options, BLOCKS).into_iter();
        Ok(Self {
            launch,
            volumes: blocks.map(Volume::read).collect::<Result<_>>()?,
            ena: match options.value("ena_support") {
                None => None,
                Some(_) => Some(options.bool("ena_support")?),
            },
            sriov: options.bool("sriov_support")?,
            polling: Polling::read(options)?,
        })
    }
}

impl Volume {
    fn read(block: &Value) -> Result<Self> {
        let block = Options::new("`ebs_volumes`", block);
        let device = block.required("device_name")?;
        let snapshot = block.bool("snapshot_volume")?;
        for option in [
            "snapshot_description",
            "snapshot_groups",
            "snapshot_tag",
            "snapshot_tags",
            "snapshot_users",
        ] {
            if !snapshot && block.is_given(option) {
                return Err(Error::new(
                    Class::Template,
                    "run/aws-option",
                    format!(
                        "`{option}` of the volume {device} is set, and no snapshot is made of it"
                    ),
                )
                .help("write `snapshot_volume = true` in that block of `ebs_volumes`"));
            }
        }
        let disk = Device::one(&block, BLOCKS)?;
        Ok(Self {
            device,
            stays: disk.is_volume() && !disk.delete_on_termination,
            tags: named(&block, "tags", "tag")?,
            snapshot: match snapshot && disk.is_volume() {
                false => None,
                true => Some(Snapshotted {
                    description: block.string("snapshot_description")?,
                    tags: named(&block, "snapshot_tags", "snapshot_tag")?,
                    users: block.plain_strings("snapshot_users")?,
                    groups: block.plain_strings("snapshot_groups")?,
                }),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use imgc_runtime::testing::object;

    use super::*;

    #[test]
    fn options_of_a_snapshot_ask_for_one() {
        let device = ("device_name", Value::string("/dev/xvdf"));
        let tags = ("snapshot_tags", object([("a", Value::string("b"))]));
        let error = Volume::read(&object([device.clone(), tags.clone()])).unwrap_err();
        assert!(
            error.message.contains("`snapshot_tags`"),
            "{}",
            error.message
        );
        let read = Volume::read(&object([
            device,
            tags,
            ("snapshot_volume", Value::bool(true)),
        ]));
        let read = read.unwrap();
        assert!(read.stays && read.snapshot.is_some());
    }
}
