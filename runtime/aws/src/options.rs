//! The options of the family, read once into structs.
//!
//! In: the values of a source. Out: plain data with Packer's defaults filled in; what cannot be used is an error that names the
//! option. Options that are given and that this version does not carry out are refused by name, never ignored.

use std::collections::BTreeMap;
use std::time::Duration;

use imgc_compiler::value::{Data, Value};
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

mod bundle;
mod chroot;
mod devices;
mod encryption;
mod hardware;
mod image;
mod network;
mod policy;
mod publish;
mod region;
mod run;
mod spot;
mod surrogate;
mod volume;

pub(crate) use bundle::{Bundle, uploads_with_tools};
pub(crate) use chroot::{Chroot, Mounting};
pub(crate) use devices::{Device, kept, mappings, template};
pub(crate) use encryption::Encryption;
pub(crate) use hardware::{Hardware, Reservation};
pub(crate) use image::{Image, ONLY_COPIES, check_name};
pub(crate) use network::{Network, Pick};
pub(crate) use publish::{
    A_MOMENT, FastLaunch, NO_GUARD, Publish, Sharing, V2, guards_metadata, moment,
};
pub(crate) use region::{
    KNOWN_REGIONS, NEW_REGION, check_region, is_slip, misspelt_region, no_region, region_problem,
};
pub(crate) use run::{CLEAR_KEYS, Metadata, Run, Source, leaves_key, owners};
pub(crate) use spot::{IN_ORDER, Spot};
pub(crate) use surrogate::{Surrogate, Traits};
pub(crate) use volume::{EbsVolume, Volume};

/// What every builder of the family that starts an instance is told of it.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) source: Source,
    pub(crate) run: Run,
    pub(crate) network: Network,
}

impl Launch {
    /// The same on the disks of an image that was made with these options: they are what they were made to be.
    pub(crate) fn without_disks(&self) -> Self {
        Self {
            run: Run {
                devices: Vec::new(),
                encryption: Encryption::default(),
                ..self.run.clone()
            },
            ..self.clone()
        }
    }

    /// `devices` names the block with the disks the instance is started with.
    pub(crate) fn read(options: &Options<'_>, devices: &str) -> Result<Self> {
        interface(options)?;
        Ok(Self {
            source: Source::read(options)?,
            run: Run::read(options, devices)?,
            network: Network::read(options)?,
        })
    }
}

/// Everything `amazon-ebs` can be told, but how the account is reached and how one logs in.
#[derive(Clone, Debug)]
pub(crate) struct Ebs {
    pub(crate) launch: Launch,
    pub(crate) image: Image,
    /// `ami_virtualization_type`: an image made of an instance has that of the source, so this is what the source has to have.
    pub(crate) virtualization: Option<String>,
    pub(crate) polling: Polling,
}

impl Ebs {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        let launch = Launch::read(options, "launch_block_device_mappings")?;
        let mut image = Image::read(options)?;
        // The volumes of the build end with it; those of the image's instances do as the template says.
        for device in &launch.run.devices {
            let named = image.devices.iter().any(|own| own.name == device.name);
            if device.is_volume() && !device.delete_on_termination && !named {
                image.devices.push(device.stays());
            }
        }
        Ok(Self {
            launch,
            image,
            virtualization: Traits::read(options)?.virtualization,
            polling: Polling::read(options)?,
        })
    }
}

/// `ssh_interface`: which of its addresses the instance is reached by, or that it is by Session Manager.
fn interface(options: &Options<'_>) -> Result<()> {
    let interface = options.string("ssh_interface")?;
    let wrong = |message: &str| Error::new(Class::Template, "run/aws-option", message);
    match interface.as_deref() {
        None
        | Some("public_ip" | "private_ip" | "public_dns" | "private_dns" | "session_manager") => {
            Ok(())
        }
        Some(other) => Err(wrong(&format!("`ssh_interface` is `{other}`"))
            .of("ssh_interface")
            .help("it may be public_ip, private_ip, public_dns, private_dns, session_manager")),
    }
}

/// `aws_polling`: how long an image may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Polling {
    pub(crate) limit: Duration,
}

/// An hour, unless something is said: Packer gives up after 10 minutes and people then set an hour.
const LIMIT: Duration = Duration::from_secs(3600);
/// The longest that can be asked for.
const LONGEST: u64 = 7 * 24 * 3600;
/// Packer's wait between two looks, for templates that give only a number of them.
const DELAY: u64 = 15;
/// What the environment says of it, where the template does not, as with Packer.
const DELAY_VARIABLE: &str = "AWS_POLL_DELAY_SECONDS";
const ATTEMPTS_VARIABLE: &str = "AWS_MAX_ATTEMPTS";
/// Packer's older name for the product of the two; it counts where nobody gives a number of looks.
const SECONDS_VARIABLE: &str = "AWS_TIMEOUT_SECONDS";

impl Polling {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        Self::read_or(options, LIMIT)
    }

    /// The same of what usually takes another time than an image.
    pub(crate) fn read_or(options: &Options<'_>, usual: Duration) -> Result<Self> {
        Self::read_in(options, usual, |name| std::env::var(name).ok())
    }

    /// Each number is the template's, else that of the environment.
    fn read_in(
        options: &Options<'_>,
        usual: Duration,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let (mut delay, mut attempts) = (None, None);
        if let Some(block) = options.value("aws_polling") {
            let block = Options::new("`aws_polling`", block);
            delay = number(&block, "delay_seconds")?;
            attempts = number(&block, "max_attempts")?;
        }
        let outside = |name: &str| {
            let number: Option<u64> = environment(name)?.trim().parse().ok();
            number.filter(|number| *number > 0)
        };
        let delay = delay.or_else(|| outside(DELAY_VARIABLE));
        let attempts = attempts.or_else(|| outside(ATTEMPTS_VARIABLE));
        let product = |attempts: u64| attempts.saturating_mul(delay.unwrap_or(DELAY));
        let seconds = attempts
            .map(product)
            .or_else(|| outside(SECONDS_VARIABLE))
            .map(|seconds| Duration::from_secs(seconds.min(LONGEST)));
        Ok(Self {
            limit: seconds.unwrap_or(usual),
        })
    }
}

/// A number that may be 0, which is Packer's way not to give one.
fn number(block: &Options<'_>, name: &str) -> Result<Option<u64>> {
    let Some(given) = block.integer(name)? else {
        return Ok(None);
    };
    match u64::try_from(given) {
        Ok(number) => Ok(Some(number).filter(|number| *number > 0)),
        Err(_) => Err(block.wrong(name, "a number that is not negative")),
    }
}

/// Texts of an attribute by name, and of the repeated blocks `{ key = …, value = … }` (or `name`) of its singular form.
pub(crate) fn named(
    options: &Options<'_>,
    map: &str,
    blocks: &str,
) -> Result<BTreeMap<String, String>> {
    let mut all: BTreeMap<String, String> = options
        .map(map)?
        .into_iter()
        .map(|(key, value)| (key, value.text))
        .collect();
    for block in list(options, blocks) {
        let block = Options::new(blocks, block);
        let key = match block.string("key")? {
            Some(key) => key,
            None => block.required("name")?,
        };
        all.insert(key, block.string("value")?.unwrap_or_default());
    }
    Ok(all)
}

/// The blocks of a repeated block.
pub(crate) fn list<'a>(options: &Options<'a>, name: &str) -> Vec<&'a Value> {
    match options.value(name).map(|value| (value, value.data())) {
        None => Vec::new(),
        Some((_, Data::List(_, parts) | Data::Set(_, parts) | Data::Tuple(parts))) => {
            parts.iter().collect()
        }
        Some((value, _)) => vec![value],
    }
}

/// The filters of a block such as `source_ami_filter`: `filters` and blocks `filter`. A value may be several.
pub(crate) fn filters(block: &Options<'_>) -> Result<BTreeMap<String, Vec<String>>> {
    let mut all = BTreeMap::new();
    if let Some(value) = block.value("filters")
        && let Data::Map(_, parts) | Data::Object(parts) = value.data()
    {
        for name in parts.keys() {
            let inner = Options::new("`filters`", value);
            all.insert(name.to_string(), inner.plain_strings(name)?);
        }
    }
    for filter in list(block, "filter") {
        let filter = Options::new("`filter`", filter);
        let values = filter.plain_strings("value")?;
        all.insert(filter.required("name")?, values);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use imgc_runtime::testing::object;

    use super::*;

    /// The limit in seconds where an hour is usual.
    fn limit(block: Option<&[(&'static str, &str)]>, environment: &[(&str, &str)]) -> Result<u64> {
        let value = match block {
            None => object([]),
            Some(entries) => {
                let entries = entries.iter();
                let block =
                    Value::object(entries.map(|(name, text)| (*name, Value::string(*text))));
                object([("aws_polling", block)])
            }
        };
        let options = Options::new("source", &value);
        let read = Polling::read_in(&options, Duration::from_secs(3600), |name| {
            let mut known = environment.iter();
            let (_, text) = known.find(|(known, _)| *known == name)?;
            Some((*text).to_owned())
        });
        read.map(|read| read.limit.as_secs())
    }

    #[test]
    fn how_long_is_waited_follows_from_the_number_of_looks() {
        assert_eq!(limit(None, &[]).unwrap(), 3600);
        let both = [("delay_seconds", "30"), ("max_attempts", "960")];
        assert_eq!(limit(Some(&both), &[]).unwrap(), 8 * 3600);
        assert_eq!(limit(Some(&[("max_attempts", "40")]), &[]).unwrap(), 600);
        // How often is asked says nothing about how long.
        assert_eq!(limit(Some(&[("delay_seconds", "30")]), &[]).unwrap(), 3600);
        // As where they are left out.
        let zeros = [("delay_seconds", "0"), ("max_attempts", "0")];
        assert_eq!(limit(Some(&zeros), &[]).unwrap(), 3600);
        let endless = [("max_attempts", "9223372036854775807")];
        assert_eq!(limit(Some(&endless), &[]).unwrap(), LONGEST);
    }

    #[test]
    fn a_negative_number_is_refused_by_its_name() {
        for name in ["delay_seconds", "max_attempts"] {
            let error = limit(Some(&[(name, "-1")]), &[]).unwrap_err();
            assert_eq!(error.options, [name]);
        }
    }

    #[test]
    fn the_environment_counts_where_the_template_is_silent() {
        let outside = [(DELAY_VARIABLE, "10"), (ATTEMPTS_VARIABLE, "6")];
        assert_eq!(limit(None, &outside).unwrap(), 60);
        let delay = [("delay_seconds", "2")];
        assert_eq!(limit(Some(&delay), &outside).unwrap(), 12);
        let both = [("delay_seconds", "2"), ("max_attempts", "3")];
        assert_eq!(limit(Some(&both), &outside).unwrap(), 6);
        let old = [(SECONDS_VARIABLE, "90"), (ATTEMPTS_VARIABLE, "8")];
        assert_eq!(limit(None, &old[..1]).unwrap(), 90);
        assert_eq!(limit(None, &old).unwrap(), 8 * 15);
        assert_eq!(limit(Some(&both), &old[..1]).unwrap(), 6);
        for text in ["", "soon", "0", "-5"] {
            assert_eq!(limit(None, &[(ATTEMPTS_VARIABLE, text)]).unwrap(), 3600);
        }
    }
}
