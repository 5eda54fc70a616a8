//! Where in the network an instance is put, and who may reach it.

use std::collections::BTreeMap;

use imgc_runtime::error::{Class, Error, Result};
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
        let pick = pick(options)?;
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

/// Which of several subnets is taken. To choose there must be something to choose from: without a filter it would be a default
/// subnet, whatever is asked for.
fn pick(options: &Options<'_>) -> Result<Pick> {
    let Some(value) = options.value("subnet_filter") else {
        return Ok(Pick::Only);
    };
    let block = Options::new("`subnet_filter`", value);
    let (most_free, random) = (block.bool("most_free")?, block.bool("random")?);
    let (option, pick) = match (most_free, random) {
        (true, _) => ("most_free", Pick::MostFree),
        (false, true) => ("random", Pick::Random),
        (false, false) => return Ok(Pick::Only),
    };
    let is_open = ["filters", "filter"]
        .iter()
        .any(|name| block.is_unknown(name));
    if is_open || options.is_given("subnet_id") || !filters(&block)?.is_empty() {
        return Ok(pick);
    }
    let message =
        format!("`{option}` of `subnet_filter` chooses among subnets, and no filter finds any");
    Err(Error::new(Class::Template, "run/aws-option", message)
        .of(option)
        .of("subnet_filter")
        .help(
            "say which subnets will do, such as `filters = { \"vpc-id\" = \"vpc-…\" }`, or leave `subnet_filter` out: then it \
             is a default subnet",
        ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use imgc_compiler::types::Type;
    use imgc_compiler::value::Value;
    use imgc_runtime::testing::object;

    use super::*;

    fn of<const N: usize>(block: [(&'static str, Value); N]) -> Result<Network> {
        let value = object([("subnet_filter", object(block))]);
        Network::read(&Options::new("source", &value))
    }

    #[test]
    fn a_choice_of_subnets_needs_a_filter() {
        let filters = || ("filters", object([("state", Value::string("available"))]));
        let yes = || Value::bool(true);
        let read = of([filters(), ("most_free", yes()), ("random", yes())]).unwrap();
        assert_eq!(read.subnet_filter.unwrap().1, Pick::MostFree);
        let read = of([filters(), ("random", yes())]).unwrap();
        assert_eq!(read.subnet_filter.unwrap().1, Pick::Random);
        for option in ["most_free", "random"] {
            let error = of([(option, yes())]).unwrap_err();
            assert_eq!(error.options, [option, "subnet_filter"]);
            let empty = of([(option, yes()), ("filters", object([]))]);
            assert!(empty.is_err(), "{option}");
            let open = ("filters", Value::unknown(Type::Any));
            assert!(of([(option, yes()), open]).is_ok(), "{option}");
        }
        assert!(of([("most_free", Value::bool(false))]).is_ok());
    }

    /// Then nothing is chosen.
    #[test]
    fn a_subnet_that_is_named_needs_no_filter() {
        let block = object([("most_free", Value::bool(true))]);
        let value = object([
            ("subnet_filter", block),
            ("subnet_id", Value::string("subnet-1")),
        ]);
        let read = Network::read(&Options::new("source", &value)).unwrap();
        assert_eq!(read.subnet.as_deref(), Some("subnet-1"));
    }
}
