//! The options of the family, read once into structs.
//!
//! In: the values of a source. Out: plain data with Packer's defaults filled in; what cannot be used is an error that names the
//! option. Options that are given and that this version does not carry out are refused by name, never ignored.

use std::collections::BTreeMap;
use std::time::Duration;

use imgc_compiler::value::{Data, Value};
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

mod devices;
mod encryption;
mod image;
mod network;
mod publish;
mod run;

pub(crate) use devices::{Device, mappings};
pub(crate) use encryption::Encryption;
pub(crate) use image::Image;
pub(crate) use network::{Network, Pick};
pub(crate) use publish::{A_MOMENT, FastLaunch, Publish, Sharing, V2, moment};
pub(crate) use run::{Run, Source};

/// Everything `amazon-ebs` can be told, but how the account is reached and how one logs in.
#[derive(Clone, Debug)]
pub(crate) struct Ebs {
    pub(crate) source: Source,
    pub(crate) run: Run,
    pub(crate) network: Network,
    pub(crate) image: Image,
    pub(crate) polling: Polling,
}

impl Ebs {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        refuse(options)?;
        Ok(Self {
            source: Source::read(options)?,
            run: Run::read(options)?,
            network: Network::read(options)?,
            image: Image::read(options)?,
            polling: Polling::read(options)?,
        })
    }
}

/// What this version does not carry out.
const REFUSED: &[&str] = &[
    "block_duration_minutes",
    "capacity_reservation_group_arn",
    "capacity_reservation_id",
    "capacity_reservation_preference",
    "enable_nitro_enclave",
    "enable_t2_unlimited",
    "enable_unlimited_credits",
    "fleet_tag",
    "fleet_tags",
    "license_specifications",
    "placement",
    "skip_save_build_region",
    "spot_allocation_strategy",
    "spot_instance_types",
    "spot_price",
    "spot_price_auto_product",
    "spot_tag",
    "spot_tags",
    "temporary_iam_instance_profile_policy_document",
    "tenancy",
];

fn refuse(options: &Options<'_>) -> Result<()> {
    match REFUSED.iter().find(|name| options.is_given(name)) {
        None => Ok(()),
        Some(name) => Err(Error::new(
            Class::Template,
            "run/aws-option",
            format!("this version of imgc cannot do what `{name}` asks for"),
        )
        .help("leave the option out, or build this source with Packer for now")),
    }
}

/// `aws_polling`: how long an image may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Polling {
    pub(crate) limit: Duration,
}

/// An hour, unless something is said: Packer gives up after 10 minutes and people then set an hour.
const LIMIT: Duration = Duration::from_secs(3600);
/// Packer's wait between two looks, for templates that give only a number of them.
const DELAY: i64 = 15;

impl Polling {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        let Some(block) = options.value("aws_polling") else {
            return Ok(Self { limit: LIMIT });
        };
        let block = Options::new("`aws_polling`", block);
        let positive = |value: Option<i64>| value.filter(|value| *value > 0);
        let delay = positive(block.integer("delay_seconds")?);
        let attempts = positive(block.integer("max_attempts")?);
        let seconds = match attempts {
            Some(attempts) => attempts.saturating_mul(delay.unwrap_or(DELAY)),
            None => return Ok(Self { limit: LIMIT }),
        };
        let seconds = u64::try_from(seconds).unwrap_or_default();
        Ok(Self {
            limit: Duration::from_secs(seconds.min(7 * 24 * 3600)),
        })
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
