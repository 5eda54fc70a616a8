//! The options of `amazon-ebssurrogate`: a disk that is filled from another machine and becomes the root of an image.

use std::collections::BTreeSet;

use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use super::{Device, Image, Launch, Polling, list};

const DEVICES: &str = "launch_block_device_mappings";

/// Everything `amazon-ebssurrogate` can be told, but how the account is reached and how one logs in.
#[derive(Clone, Debug)]
pub(crate) struct Surrogate {
    pub(crate) launch: Launch,
    pub(crate) image: Image,
    pub(crate) traits: Traits,
    /// The root of the image, with the name it will have.
    pub(crate) root: Device,
    /// The device of the instance that becomes it.
    pub(crate) source_device: String,
    /// Devices of the instance that do not become a part of the image.
    pub(crate) omitted: BTreeSet<String>,
    pub(crate) snapshot_description: Option<String>,
    /// The disk is put in the place of the instance's root, and the image is made of the instance.
    pub(crate) use_create_image: bool,
    pub(crate) polling: Polling,
}

/// What is said of an image when it is registered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traits {
    pub(crate) architecture: Option<String>,
    pub(crate) virtualization: Option<String>,
    pub(crate) boot_mode: Option<String>,
    pub(crate) tpm: Option<String>,
    pub(crate) uefi_data: Option<String>,
    pub(crate) imds: Option<String>,
}

impl Traits {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        let read = Self {
            architecture: options.string("ami_architecture")?,
            virtualization: options.string("ami_virtualization_type")?,
            boot_mode: options.string("boot_mode")?,
            tpm: options.string("tpm_support")?,
            uefi_data: options.string("uefi_data")?,
            imds: options.string("imds_support")?,
        };
        for (option, value, known) in [
            (
                "ami_architecture",
                &read.architecture,
                &["x86_64", "arm64"][..],
            ),
            (
                "ami_virtualization_type",
                &read.virtualization,
                &["hvm", "paravirtual"],
            ),
            (
                "boot_mode",
                &read.boot_mode,
                &["legacy-bios", "uefi", "uefi-preferred"],
            ),
            ("tpm_support", &read.tpm, &["v2.0"]),
        ] {
            if let Some(value) = value
                && !known.contains(&value.as_str())
            {
                return Err(wrong(format!("`{option}` is `{value}`"))
                    .of(option)
                    .help(format!("it may be {}", known.join(", "))));
            }
        }
        let uefi = read
            .boot_mode
            .as_deref()
            .is_some_and(|mode| mode != "legacy-bios");
        for (option, value) in [("tpm_support", &read.tpm), ("uefi_data", &read.uefi_data)] {
            // An instance-store image has no mode of its own to say.
            if value.is_some() && read.boot_mode.is_some() && !uefi {
                return Err(wrong(format!(
                    "`{option}` takes UEFI, and `boot_mode` is `legacy-bios`"
                ))
                .of(option)
                .help("set `boot_mode = \"uefi\"`"));
            }
        }
        Ok(read)
    }
}

impl Surrogate {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        let launch = Launch::read(options, DEVICES)?;
        let block = options.value("ami_root_device").ok_or_else(|| {
            wrong("there is no block `ami_root_device`".to_owned())
                .help("it says which device becomes the root of the image: `source_device_name`, `device_name`")
        })?;
        let block = Options::new("`ami_root_device`", block);
        let source_device = block.required("source_device_name")?;
        if !launch
            .run
            .devices
            .iter()
            .any(|device| device.name == source_device)
        {
            return Err(wrong(format!(
                "`source_device_name` is {source_device}, and no block of `{DEVICES}` has that name"
            ))
            .of("source_device_name")
            .help("the device that becomes the root of the image is attached by such a block"));
        }
        let mut omitted = BTreeSet::new();
        for device in list(options, DEVICES) {
            let device = Options::new(DEVICES, device);
            if device.bool("omit_from_artifact")? {
                omitted.insert(device.required("device_name")?);
            }
        }
        if omitted.contains(&source_device) {
            return Err(wrong(format!(
                "the device {source_device} becomes the root of the image and is to be left out of it"
            ))
            .of("source_device_name")
            .help("remove `omit_from_artifact` from its block"));
        }
        let traits = Traits::read(options)?;
        if traits.virtualization.is_none() {
            options.required("ami_virtualization_type")?;
        }
        Ok(Self {
            launch,
            image: Image::read(options)?,
            traits,
            root: Device::one(&block, "ami_root_device")?,
            source_device,
            omitted,
            snapshot_description: options.string("snapshot_description")?,
            use_create_image: options.bool("use_create_image")?,
            polling: Polling::read(options)?,
        })
    }
}

fn wrong(message: String) -> Error {
    Error::new(Class::Template, "run/aws-option", message)
}
