//! Where in the network an instance is put, and who may reach it.

use std::collections::BTreeMap;

use imgc_runtime::error::Result;
use imgc_runtime::options::Options;

use super::filters;

/// One of several that a filter finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pick {
    /// There must be exactly one.
    #[default]
    Only,
    /// The one with most free addresses.
    MostFree,
    /// Any.
    Random,
}

/// The options of the network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Network {
    pub(crate) vpc: Option<String>,
    pub(crate) vpc_filter: Option<BTreeMap<String, Vec<String>>>,
    pub(crate) subnet: Option<String>,
    pub(crate) subnet_filter: Option<(BTreeMap<String, Vec<String>>, Pick)>,
    pub(crate) zone: Option<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) group_filter: Option<BTreeMap<String, Vec<String>>>,
    /// `None`: as the subnet has it.
    pub(crate) public_address: Option<bool>,
    /// Who may reach the temporary group; empty: the caller.
    pub(crate) cidrs: Vec<String>,
}

impl Network {
    pub(crate) fn read(options: &Options<'_>) -> Result<Self> {
        let block = |name: &str| -> Result<Option<BTreeMap<String, Vec<String>>>> {
            let value = options.value(name);
            let found = value.map(|value| filters(&Options::new(name, value)));
            Ok(found.transpose()?.filter(|filters| !filters.is_empty()))
        };
        let mut pick = Pick::Only;
        if let Some(value) = options.value("subnet_filter") {
            let filter = Options::new("`subnet_filter`", value);
            if filter.bool("most_free")? {
                pick = Pick::MostFree;
            } else if filter.bool("random")? {
                pick = Pick::Random;
            }
        }
        let mut groups = options.plain_strings("security_group_ids")?;
        groups.extend(options.string("security_group_id")?);
        Ok(Self {
            vpc: options.string("vpc_id")?,
            vpc_filter: block("vpc_filter")?,
            subnet: options.string("subnet_id")?,
            subnet_filter: block("subnet_filter")?.map(|filters| (filters, pick)),
            zone: options.string("availability_zone")?,
            groups,
            group_filter: block("security_group_filter")?,
            public_address: match options.value("associate_public_ip_address") {
                None => None,
                Some(_) => Some(options.bool("associate_public_ip_address")?),
            },
            cidrs: options.plain_strings("temporary_security_group_source_cidrs")?,
        })
    }

    /// Whether the template brings security groups of its own.
    pub(crate) fn has_groups(&self) -> bool {
        !self.groups.is_empty() || self.group_filter.is_some()
    }
}
