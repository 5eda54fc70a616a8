//! The options of `amazon-chroot`: a volume that is filled on this very machine, which is an instance of EC2 itself.

use std::collections::BTreeMap;

use imgc_compiler::value::{Data, Value};
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use super::{Encryption, Image, Polling, Source, Traits, named};

/// Everything `amazon-chroot` can be told, but how the account is reached.
#[derive(Clone, Debug)]
pub(crate) struct Chroot {
    /// `None`: `from_scratch`.
    pub(crate) source: Option<Source>,
    pub(crate) image: Image,
    pub(crate) traits: Traits,
    pub(crate) root: Root,
    pub(crate) mounting: Mounting,
    pub(crate) encryption: Encryption,
    pub(crate) polling: Polling,
}

/// The volume.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    /// In GiB; `None`: as the source has it.
    pub(crate) size: Option<i32>,
    pub(crate) kind: Option<String>,
    pub(crate) encrypted: Option<bool>,
    pub(crate) key: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// `root_device_name`: of the image, where its devices are those of the template.
    pub(crate) device: Option<String>,
}

/// How the volume comes into this machine.
#[derive(Clone, Debug)]
pub(crate) struct Mounting {
    pub(crate) device: Option<String>,
    pub(crate) nvme_device: Option<String>,
    pub(crate) wrapper: String,
    pub(crate) partition: String,
    pub(crate) options: Vec<String>,
    pub(crate) path: String,
    /// Type, what, where.
    pub(crate) mounts: Vec<[String; 3]>,
    pub(crate) copies: Vec<String>,
    pub(crate) before: Vec<String>,
    pub(crate) after: Vec<String>,
}

/// Packer's mounts.
const MOUNTS: [[&str; 3]; 5] = [
    ["proc", "proc", "/proc"],
    ["sysfs", "sysfs", "/sys"],
    ["bind", "/dev", "/dev"],
    ["devpts", "devpts", "/dev/pts"],
    ["binfmt_misc", "binfmt_misc", "/proc/sys/fs/binfmt_misc"],
];

impl Chroot {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        let scratch = options.bool("from_scratch")?;
        let read = Self {
            source: match scratch {
                true => None,
                false => Some(Source::read(options)?),
            },
            image: Image::read(options)?,
            traits: Traits::read(options)?,
            root: Root::read(options)?,
            mounting: Mounting::read(options, scratch)?,
            encryption: Encryption::read(options)?,
            polling: Polling::read(options)?,
        };
        read.check()?;
        Ok(read)
    }

    /// Whether the volume is encrypted whatever it starts from, and with which key.
    pub(crate) fn root_encryption(&self, region: &str) -> Option<Option<String>> {
        let wanted = self.root.encrypted == Some(true) || self.encryption.image;
        wanted.then(|| {
            let own = self.root.key.clone();
            own.or_else(|| self.encryption.home_key(Some(region)).map(str::to_owned))
        })
    }

    fn check(&self) -> Result<()> {
        if self.root.key.is_some() && self.root.encrypted != Some(true) {
            return Err(wrong(
                "`root_volume_kms_key_id` is set and `root_volume_encrypt_boot` is not".to_owned(),
            )
            .of("root_volume_kms_key_id")
            .help("write root_volume_encrypt_boot = true"));
        }
        let given = [
            ("root_volume_size", self.root.size.is_some()),
            ("root_device_name", self.root.device.is_some()),
            ("ami_block_device_mappings", !self.image.devices.is_empty()),
            ("pre_mount_commands", !self.mounting.before.is_empty()),
            (
                "ami_virtualization_type",
                self.traits.virtualization.is_some(),
            ),
        ];
        let missing =
            |names: &[(&str, bool)], why: &str| match names.iter().find(|(_, given)| !given) {
                None => Ok(()),
                Some((name, _)) => Err(wrong(format!("`{name}` is not set"))
                    .of(*name)
                    .help(why.to_owned())),
            };
        if self.source.is_none() {
            missing(
                &given,
                "an image from scratch has no other image to take it from",
            )?;
        } else if self.root.device.is_some() || !self.image.devices.is_empty() {
            missing(
                &given[1..3],
                "devices of the template replace all those of the source image, the root among them: its name has to be said as well",
            )?;
        }
        match &self.root.device {
            Some(root) if !self.image.devices.iter().any(|device| device.name == *root) => {
                Err(wrong(format!(
                    "`root_device_name` is {root}, and no block of `ami_block_device_mappings` has that name"
                ))
                .of("root_device_name")
                .help("the volume becomes the device of that name: give it a block"))
            }
            _ => Ok(()),
        }
    }
}

impl Root {
    fn read(options: &Options<'_>) -> Result<Self> {
        let size = options.integer("root_volume_size")?;
        Ok(Self {
            size: size
                .and_then(|size| i32::try_from(size).ok())
                .filter(|size| *size > 0),
            kind: options.string("root_volume_type")?,
            encrypted: match options.value("root_volume_encrypt_boot") {
                None => None,
                Some(_) => Some(options.bool("root_volume_encrypt_boot")?),
            },
            key: options.string("root_volume_kms_key_id")?,
            tags: named(options, "root_volume_tags", "root_volume_tag")?,
            device: options.string("root_device_name")?,
        })
    }
}

impl Mounting {
    fn read(options: &Options<'_>, scratch: bool) -> Result<Self> {
        let or = |name: &str, usual: &str| -> Result<String> {
            Ok(options.string(name)?.unwrap_or_else(|| usual.to_owned()))
        };
        for option in [
            "command_wrapper",
            "pre_mount_commands",
            "post_mount_commands",
        ] {
            if options.is_sensitive(option) {
                return Err(Error::new(
                    Class::Template,
                    "run/secret-argument",
                    format!("`{option}` has a secret in it, and what a command says can be read by every user of this machine"),
                )
                .help("have the command read it from a file or from the environment"));
            }
        }
        let copies = match options.value("copy_files") {
            Some(_) => options.plain_strings("copy_files")?,
            None if scratch => Vec::new(),
            None => vec!["/etc/resolv.conf".to_owned()],
        };
        Ok(Self {
            device: options.string("device_path")?,
            nvme_device: options.string("nvme_device_path")?,
            wrapper: or("command_wrapper", "{{.Command}}")?,
            partition: or("mount_partition", "1")?,
            options: options.plain_strings("mount_options")?,
            path: or(
                "mount_path",
                "/mnt/packer-amazon-chroot-volumes/{{.Device}}",
            )?,
            mounts: mounts(options)?,
            copies,
            before: options.plain_strings("pre_mount_commands")?,
            after: options.plain_strings("post_mount_commands")?,
        })
    }
}

fn mounts(options: &Options<'_>) -> Result<Vec<[String; 3]>> {
    let usual = || {
        let mounts = MOUNTS.iter();
        mounts
            .map(|mount| mount.map(str::to_owned))
            .collect::<Vec<_>>()
    };
    if !options.is_given("chroot_mounts") {
        return Ok(usual());
    }
    let Some(value) = options.value("chroot_mounts") else {
        return Ok(usual());
    };
    parts(value)
        .iter()
        .map(|mount| {
            let words = parts(mount)
                .iter()
                .map(|word| word.as_str().map(str::to_owned));
            let words: Option<Vec<String>> = words.collect();
            words
                .and_then(|words| <[String; 3]>::try_from(words).ok())
                .ok_or_else(|| {
                    wrong("an entry of `chroot_mounts` has not three texts".to_owned())
                        .of("chroot_mounts")
                        .help("write type, source, and place: [\"bind\", \"/dev\", \"/dev\"]")
                })
        })
        .collect()
}

fn parts(value: &Value) -> &[Value] {
    match value.data() {
        Data::List(_, parts) | Data::Set(_, parts) | Data::Tuple(parts) => parts,
        _ => &[],
    }
}

fn wrong(message: String) -> Error {
    Error::new(Class::Template, "run/aws-option", message)
}
