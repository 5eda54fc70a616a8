//! What is started, and with what.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use super::{Device, Encryption, Hardware, Spot, filters, named, policy};

/// Which image to start from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// `source_ami`.
    Id(String),
    /// `source_ami_filter`.
    Filter {
        /// What the template calls it, for messages.
        option: &'static str,
        filters: BTreeMap<String, Vec<String>>,
        owners: Vec<String>,
        most_recent: bool,
        deprecated: bool,
    },
}

impl Source {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        if let Some(id) = options.string("source_ami")? {
            return Ok(Self::Id(id));
        }
        let Some(value) = options.value("source_ami_filter") else {
            return Ok(Self::Id(options.required("source_ami")?));
        };
        let block = Options::new("`source_ami_filter`", value);
        let owners =
            owners(&block, "source_ami_filter").map_err(|error| error.of("source_ami_filter"))?;
        Ok(Self::Filter {
            option: "source_ami_filter",
            filters: filters(&block)?,
            owners,
            most_recent: block.bool("most_recent")?,
            deprecated: block.bool("include_deprecated")?,
        })
    }
}

/// The accounts whose images a filter may find. An error where none is named: `what`, as the template calls it, would take
/// the image of whoever gives his the newest date.
pub(crate) fn owners(options: &Options<'_>, what: &str) -> Result<Vec<String>> {
    let mut owners = options.plain_strings("owners")?;
    owners.retain(|owner| !owner.is_empty());
    if !owners.is_empty() {
        return Ok(owners);
    }
    let message = format!("`{what}` needs `owners`: anybody may publish an image of that name");
    Err(Error::new(Class::Template, "run/aws-option", message)
        .of("owners")
        .help("name the account, or `self`, `amazon`, `aws-marketplace`: `owners = [\"amazon\"]`"))
}

/// The options of the instance.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The first of the types that will do.
    pub(crate) instance_type: String,
    /// `None`: on demand.
    pub(crate) spot: Option<Spot>,
    pub(crate) hardware: Hardware,
    pub(crate) devices: Vec<Device>,
    pub(crate) encryption: Encryption,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) volume_tags: BTreeMap<String, String>,
    pub(crate) profile: Option<String>,
    /// The policy of a profile that is made for the build.
    pub(crate) policy: Option<String>,
    pub(crate) user_data: Option<String>,
    pub(crate) user_data_file: Option<PathBuf>,
    pub(crate) ebs_optimized: bool,
    pub(crate) shutdown_behavior: Option<String>,
    /// `shutdown_after`: when a machine that nobody lets go shuts itself down; zero for never.
    pub(crate) shutdown_after: Option<Duration>,
    pub(crate) metadata: Metadata,
    /// `disable_stop_instance`: the image is made from the instance as the last provisioner has left it.
    pub(crate) keeps_running: bool,
    /// Whether the key that is made for the build stays in the image.
    pub(crate) leaves_key: bool,
}

/// `metadata_options`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) endpoint: Option<String>,
    tokens: Option<String>,
    pub(crate) hops: Option<i32>,
    pub(crate) instance_tags: Option<String>,
}

impl Run {
    /// `devices` names the block with the disks the instance is started with.
    pub(crate) fn read(options: &Options<'_>, devices: &str) -> Result<Self> {
        let spot = Spot::read(options)?;
        let first = spot.as_ref().and_then(|spot| spot.types.first().cloned());
        let mut disks = Device::read(options, devices)?;
        if options.bool("no_ephemeral")? {
            disks.extend(Device::no_ephemeral());
        }
        Ok(Self {
            instance_type: match first {
                Some(first) => first,
                None => options.required("instance_type")?,
            },
            spot,
            hardware: Hardware::read(options)?,
            devices: disks,
            encryption: Encryption::read(options)?,
            tags: named(options, "run_tags", "run_tag")?,
            volume_tags: named(options, "run_volume_tags", "run_volume_tag")?,
            profile: options.string("iam_instance_profile")?,
            policy: policy::read(options)?,
            user_data: options.string("user_data")?,
            user_data_file: options.string("user_data_file")?.map(PathBuf::from),
            ebs_optimized: options.bool("ebs_optimized")?,
            shutdown_behavior: options.string("shutdown_behavior")?,
            shutdown_after: options.duration("shutdown_after")?,
            metadata: Metadata::read(options)?,
            keeps_running: options.bool("disable_stop_instance")?,
            leaves_key: leaves_key(options)?,
        })
    }
}

/// The option that leaves the key of a build in the image, as Packer does without it.
pub(crate) const CLEAR_KEYS: &str = "ssh_clear_authorized_keys";

/// Whether the key that is made for a build stays in the image: only where the template says so itself. Without a word it goes.
pub(crate) fn leaves_key(options: &Options<'_>) -> Result<bool> {
    match options.string(CLEAR_KEYS)? {
        None => Ok(false),
        Some(_) => options.bool(CLEAR_KEYS).map(|clears| !clears),
    }
}

/// The second version of the metadata service only.
const REQUIRED: &str = "required";

impl Metadata {
    /// Whether requests need a token: the second version only, unless the template says otherwise.
    pub(crate) fn tokens(&self) -> &str {
        self.tokens.as_deref().unwrap_or(REQUIRED)
    }

    /// Whether there is nothing else than the second version.
    pub(crate) fn is_guarded(&self) -> bool {
        self.tokens() == REQUIRED
    }

    /// Whether there is no metadata service at all.
    pub(crate) fn is_off(&self) -> bool {
        self.endpoint.as_deref() == Some("disabled")
    }

    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        let Some(value) = options.value("metadata_options") else {
            return Ok(Self::default());
        };
        let block = Options::new("`metadata_options`", value);
        Ok(Self {
            endpoint: block.string("http_endpoint")?,
            tokens: block.string("http_tokens")?,
            hops: block
                .integer("http_put_response_hop_limit")?
                .and_then(|hops| i32::try_from(hops).ok()),
            instance_tags: block.string("instance_metadata_tags")?,
        })
    }
}
