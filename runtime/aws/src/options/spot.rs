//! Instances of the spot market: what they may cost, and which types will do.

use std::collections::BTreeMap;

use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;

use super::named;

/// What is asked of the spot market.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    /// Types that will do; where one has no capacity another is taken.
    pub(crate) types: Vec<String>,
    /// At most this much an hour; `None`: what an hour costs on demand.
    pub(crate) price: Option<String>,
    /// Which of the types is taken; `None`: as EC2 has it.
    pub(crate) strategy: Option<String>,
    /// `block_duration_minutes`.
    pub(crate) minutes: Option<i32>,
    /// Of the launch template and the request.
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) fleet_tags: BTreeMap<String, String>,
}

/// The strategy that takes types in the template's order.
pub(crate) const IN_ORDER: &str = "capacity-optimized-prioritized";

const STRATEGIES: &[&str] = &[
    "capacity-optimized",
    IN_ORDER,
    "diversified",
    "lowest-price",
    "price-capacity-optimized",
];

impl Spot {
    /// `None` where an instance on demand is wanted: neither a price nor a list of types is given.
    pub(crate) fn read(options: &Options<'_>) -> Result<Option<Self>> {
        let price = options
            .string("spot_price")?
            .filter(|price| !matches!(price.as_str(), "0" | "0.0"));
        let mut types = options.plain_strings("spot_instance_types")?;
        let tags = named(options, "spot_tags", "spot_tag")?;
        if price.is_none() && types.is_empty() {
            if !tags.is_empty() {
                return Err(wrong(
                    "`spot_tags` is set, and no spot instance is asked for".to_owned(),
                )
                .help("set `spot_price = \"auto\"`, or put the tags into `run_tags`"));
            }
            return Ok(None);
        }
        if types.is_empty() {
            types.push(options.required("instance_type")?);
        }
        let price = price.filter(|price| price != "auto");
        if let Some(price) = &price
            && !price.parse::<f64>().is_ok_and(|price| price > 0.0)
        {
            return Err(wrong(format!("`spot_price` is `{price}`"))
                .help("write dollars for an hour such as `0.05`, or `auto` for at most the price on demand"));
        }
        let strategy = options.string("spot_allocation_strategy")?;
        if let Some(strategy) = &strategy
            && !STRATEGIES.contains(&strategy.as_str())
        {
            return Err(wrong(format!("`spot_allocation_strategy` is `{strategy}`"))
                .help(format!("it may be {}", STRATEGIES.join(", "))));
        }
        for (option, value) in [
            ("ena_support", options.is_given("ena_support")),
            ("sriov_support", options.is_given("sriov_support")),
        ] {
            if value {
                return Err(
                    wrong(format!("`{option}` cannot be set on a spot instance"))
                        .help("start from an image that has it, or take an instance on demand"),
                );
            }
        }
        Ok(Some(Self {
            types,
            price,
            strategy,
            minutes: minutes(options)?,
            tags,
            fleet_tags: named(options, "fleet_tags", "fleet_tag")?,
        }))
    }
}

fn minutes(options: &Options<'_>) -> Result<Option<i32>> {
    let minutes = options.integer("block_duration_minutes")?;
    let Some(minutes) = minutes.filter(|minutes| *minutes != 0) else {
        return Ok(None);
    };
    match i32::try_from(minutes) {
        Ok(minutes) if minutes > 0 && minutes % 60 == 0 => Ok(Some(minutes)),
        _ => Err(wrong(format!("`block_duration_minutes` is {minutes}"))
            .help("write a multiple of 60, or leave it out: EC2 gives no such instances to new accounts")),
    }
}

fn wrong(message: String) -> Error {
    Error::new(Class::Template, "run/aws-option", message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use imgc_compiler::value::Value;
    use imgc_runtime::testing::object;

    use super::*;

    fn of<const N: usize>(entries: [(&'static str, Value); N]) -> Result<Option<Spot>> {
        let value = object(entries);
        Spot::read(&Options::new("source", &value))
    }

    #[test]
    fn a_price_or_a_list_of_types_asks_for_the_spot_market() {
        assert_eq!(
            of([("instance_type", Value::string("t3.micro"))]).unwrap(),
            None
        );
        assert_eq!(of([("spot_price", Value::string("0"))]).unwrap(), None);
        let auto = of([
            ("instance_type", Value::string("t3.micro")),
            ("spot_price", Value::string("auto")),
        ]);
        let auto = auto.unwrap().unwrap();
        assert_eq!(
            (auto.types, auto.price),
            (vec!["t3.micro".to_owned()], None)
        );
        let several = of([("spot_instance_types", Value::string("m5.large"))]);
        assert_eq!(several.unwrap().unwrap().types, ["m5.large"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let price = ("spot_price", Value::string("auto"));
        let kind = ("instance_type", Value::string("t3.micro"));
        for wrong in [
            ("spot_price", Value::string("cheap")),
            ("spot_allocation_strategy", Value::string("best")),
            ("block_duration_minutes", Value::from(90_i64)),
            ("ena_support", Value::bool(true)),
        ] {
            let error = of([price.clone(), kind.clone(), wrong]).unwrap_err();
            assert_eq!(error.id, "run/aws-option");
        }
    }
}
