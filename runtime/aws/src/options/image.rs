//! What comes out.

use std::collections::BTreeMap;

use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use super::{Device, named};

/// The options of the image.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) devices: Vec<Device>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) snapshot_tags: BTreeMap<String, String>,
    pub(crate) ena: Option<bool>,
    pub(crate) sriov: bool,
    /// `force_deregister`: an image that has the name goes.
    pub(crate) replaces: bool,
    /// `force_delete_snapshot`: and its snapshots.
    pub(crate) replaces_snapshots: bool,
    /// `skip_create_ami`.
    pub(crate) skip: bool,
    /// `skip_save_build_region`: where it is made it is only a step on the way to its copies, without the name.
    pub(crate) only_copies: bool,
}

impl Image {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        let name = options.required("ami_name")?;
        // What is not rendered yet is looked at when it is.
        if !name.contains("{{") {
            check_name(&name)?;
        }
        let mut tags = named(options, "tags", "tag")?;
        if !options.bool("skip_ami_run_tags")? {
            for (key, value) in named(options, "run_tags", "run_tag")? {
                tags.entry(key).or_insert(value);
            }
        }
        Ok(Self {
            name,
            description: options.string("ami_description")?,
            devices: Device::read(options, "ami_block_device_mappings")?,
            tags,
            snapshot_tags: named(options, "snapshot_tags", "snapshot_tag")?,
            ena: match options.value("ena_support") {
                None => None,
                Some(_) => Some(options.bool("ena_support")?),
            },
            sriov: options.bool("sriov_support")?,
            replaces: options.bool("force_deregister")?,
            replaces_snapshots: options.bool("force_delete_snapshot")?,
            skip: options.bool("skip_create_ami")?,
            only_copies: options.bool(ONLY_COPIES)?,
        })
    }
}

/// The option that keeps only the copies of an image.
pub(crate) const ONLY_COPIES: &str = "skip_save_build_region";

impl Image {
    /// What it is called where it is made; `own` is a name that nothing else has.
    pub(crate) fn name_at_home<'a>(&'a self, own: &'a str) -> &'a str {
        match self.only_copies {
            true => own,
            false => &self.name,
        }
    }

    /// Whether an image that has the name where this one is made goes; `force`: it is asked for on the command line.
    pub(crate) fn replaces_at_home(&self, force: bool) -> bool {
        (self.replaces || force) && !self.only_copies
    }
}

/// 3 to 128 of the characters that EC2 allows in the name of an image.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let length = name.chars().count();
    let mut bad: Vec<String> = Vec::new();
    for letter in name.chars() {
        let shown = format!("`{letter}`");
        let allowed = letter.is_ascii_alphanumeric() || " ()[]./-'@_".contains(letter);
        if !allowed && !bad.contains(&shown) {
            bad.push(shown);
        }
    }
    let message = match bad.is_empty() {
        false => format!("the image's name `{name}` has {}", bad.join(", ")),
        true if length < 3 => format!("the image's name `{name}` is too short"),
        true if length > 128 => format!("the image's name has {length} characters"),
        true => return Ok(()),
    };
    Err(
        Error::new(Class::Template, "run/aws-option", message)
            .of("ami_name")
            .help(
                "a name has 3 to 128 letters, digits, spaces and ()[]./-'@_; `{{ clean_resource_name }}` makes one of any text",
            ),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_what_ec2_allows() {
        for name in ["web", "app 1.2 (x86_64) [eu]/base@2-'a_b'"] {
            check_name(name).unwrap();
        }
        for name in ["ab", "app:1", "größe", &"x".repeat(129)] {
            check_name(name).unwrap_err();
        }
    }
}
