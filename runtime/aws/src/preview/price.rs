//! What an hour of the instance costs: of Amazon's price list, or of the spot market.
//!
//! In: the options of a source and its image. Out: a line, or why there is none. Nothing that is built depends on it.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::Region;
use aws_sdk_ec2::types::{Image, InstanceType};
use aws_sdk_pricing::config::Builder;
use aws_sdk_pricing::config::timeout::TimeoutConfig;
use aws_sdk_pricing::types::{Filter, FilterType};
use imgc_runtime::error::Result;
use imgc_runtime::options::Options;
use serde::Deserialize;

use super::quota::unknown;
use crate::account::Account;
use crate::client;
use crate::options::{Hardware, Spot};
use crate::region::RegionClient;

/// Prices are asked of a few places only, which machines in a network of their own need not reach.
const PATIENCE: Duration = Duration::from_secs(5);
/// What an instance without a license in its price runs as (`UsageOperation` of its image).
const PLAIN: &str = "RunInstances";
const WINDOWS: &str = "RunInstances:0002";

/// A product of the price list, as far as it is looked at. The [form] is that of the price list's files.
///
/// [form]: https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/reading-service-price-list-file-for-services.html
#[derive(Debug, Deserialize)]
struct Product {
    product: Attributed,
    #[serde(default)]
    terms: Terms,
}

#[derive(Debug, Deserialize)]
struct Attributed {
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
struct Terms {
    #[serde(default, rename = "OnDemand")]
    on_demand: BTreeMap<String, Term>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Term {
    #[serde(default)]
    price_dimensions: BTreeMap<String, Dimension>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dimension {
    unit: String,
    /// By currency.
    #[serde(default)]
    price_per_unit: BTreeMap<String, String>,
}

/// What an hour costs. `source`: the image that is started, where it is known.
pub(super) async fn price(
    account: &Account,
    region: &RegionClient,
    options: &Options<'_>,
    source: Option<&Image>,
) -> Result<String> {
    match Spot::read(options)? {
        Some(spot) => on_market(region, options, &spot.types, source).await,
        None => on_demand(account, region, options, source).await,
    }
}

async fn on_demand(
    account: &Account,
    region: &RegionClient,
    options: &Options<'_>,
    source: Option<&Image>,
) -> Result<String> {
    if account.config().endpoint_url().is_none() && account.endpoint().is_some() {
        return Err(unknown(
            "what is at `custom_endpoint_ec2` has prices of its own",
        ));
    }
    let Some(place) = place(region.name()) else {
        let text = format!("{} has a price list of its own", region.name());
        return Err(unknown(text));
    };
    let kind = options.required("instance_type")?;
    let tenancy = match Hardware::read(options)?.tenancy.as_deref() {
        None | Some("default") => "Shared",
        Some("dedicated") => "Dedicated",
        Some(_) => return Err(unknown("a dedicated host costs as a whole")),
    };
    let operation = source.map_or(PLAIN, operation);
    let wanted = [
        ("instanceType", kind.as_str()),
        ("regionCode", region.name()),
        ("operation", operation),
        ("tenancy", tenancy),
        ("capacitystatus", "Used"),
    ];
    let mut filters = Vec::new();
    for (field, value) in wanted {
        let filter = Filter::builder()
            .r#type(FilterType::TermMatch)
            .field(field)
            .value(value)
            .build()
            .map_err(|error| unknown(error.to_string()))?;
        filters.push(filter);
    }
    let timeout = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
    let config = Builder::from(account.config())
        .region(Region::new(place))
        .retry_classifier(client::Silent::default())
        .timeout_config(timeout);
    let request = aws_sdk_pricing::Client::from_conf(config.build())
        .get_products()
        .service_code("AmazonEC2")
        .set_filters(Some(filters))
        .send();
    let attempt = "ask what the instance costs";
    let answer = region.call("pricing:GetProducts", attempt, request).await?;
    let found = answer.price_list();
    let price = found.iter().find_map(|product| hourly(product));
    let Some((amount, currency)) = price else {
        let text = format!("the price list has no {kind} in {}", region.name());
        return Err(unknown(text));
    };
    let but = match source {
        None => ", with Linux",
        Some(image) if !image.product_codes().is_empty() => " and what its product costs",
        Some(_) => "",
    };
    Ok(format!(
        "{amount} {currency} for {kind} on demand, without disks{but}"
    ))
}

/// The region in which the prices of another one are told; `None` where credentials of that one count in none of them.
fn place(region: &str) -> Option<&'static str> {
    if ["us-gov-", "us-iso", "eu-isoe-", "eusc-"]
        .iter()
        .any(|partition| region.starts_with(partition))
    {
        return None;
    }
    Some(match region.split('-').next() {
        Some("cn") => "cn-northwest-1",
        Some("eu" | "me" | "af" | "il") => "eu-central-1",
        Some("ap") => "ap-south-1",
        _ => "us-east-1",
    })
}

/// What the spot market calls what instances of an image run; what has no price of its own there is paid as Linux.
fn product(image: Option<&Image>) -> &'static str {
    let details = image.and_then(Image::platform_details).unwrap_or_default();
    match details {
        "Windows" => "Windows",
        _ if details.starts_with("Windows with") => "Windows",
        _ if details.starts_with("Red Hat Enterprise Linux") => "Red Hat Enterprise Linux",
        _ if details.starts_with("SUSE Linux") => "SUSE Linux",
        _ => "Linux/UNIX",
    }
}

/// Which price an instance of an image has.
fn operation(image: &Image) -> &str {
    let plain = match image.platform() {
        Some(_) => WINDOWS,
        None => PLAIN,
    };
    image.usage_operation().unwrap_or(plain)
}

/// The price of an hour of a product, and its currency; `None` where it is not sold by the hour.
fn hourly(product: &str) -> Option<(String, String)> {
    let product: Product = serde_json::from_str(product).ok()?;
    let market = product.product.attributes.get("marketoption");
    // Blocks of capacity are paid beforehand, whatever stands there.
    if market.is_some_and(|market| market != "OnDemand") {
        return None;
    }
    let terms = product.terms.on_demand.values();
    let dimensions = terms.flat_map(|term| term.price_dimensions.values());
    let mut hours = dimensions.filter(|dimension| dimension.unit == "Hrs");
    let (currency, amount) = hours.find_map(|hours| {
        let mut prices = hours.price_per_unit.iter();
        prices.find(|(_, amount)| amount.parse::<f64>().is_ok_and(|amount| amount > 0.0))
    })?;
    let amount = match amount.contains('.') {
        true => amount.trim_end_matches('0').trim_end_matches('.'),
        false => amount,
    };
    Some((amount.to_owned(), currency.clone()))
}

async fn on_market(
    region: &RegionClient,
    options: &Options<'_>,
    kinds: &[String],
    source: Option<&Image>,
) -> Result<String> {
    let mut request = region.ec2().describe_spot_price_history();
    for kind in kinds {
        request = request.instance_types(InstanceType::from(kind.as_str()));
    }
    let now = aws_sdk_ec2::primitives::DateTime::from(std::time::SystemTime::now());
    let request = request
        .product_descriptions(product(source))
        .start_time(now)
        .send();
    let answer = region.call(
        "DescribeSpotPriceHistory",
        "ask what spot instances cost",
        request,
    );
    let prices = answer.await?.spot_price_history.unwrap_or_default();
    let cheapest = prices
        .iter()
        .filter_map(|price| {
            let amount: f64 = price.spot_price()?.parse().ok()?;
            Some((amount, price))
        })
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let Some((_, price)) = cheapest else {
        return Err(unknown("the spot market has no price for these types"));
    };
    let kind = price
        .instance_type
        .as_ref()
        .map_or("", |kind| kind.as_str());
    let most = options.string("spot_price")?.filter(|most| most != "auto");
    let most = most.map(|most| format!("; at most {most} USD is paid"));
    Ok(format!(
        "{} USD for {kind} with {} in {} on the spot market now, without disks{}",
        price.spot_price().unwrap_or_default(),
        product(source),
        price.availability_zone().unwrap_or(region.name()),
        most.unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(market: &str, unit: &str, prices: &[(&str, &str)]) -> String {
        let prices: BTreeMap<_, _> = prices.iter().copied().collect();
        serde_json::json!({
            "product": {"productFamily": "Compute Instance", "attributes": {"marketoption": market}},
            "serviceCode": "AmazonEC2",
            "terms": {
                "OnDemand": {"A.B": {"priceDimensions": {"A.B.C": {"unit": unit, "pricePerUnit": prices}}}},
                "Reserved": {"A.D": {"priceDimensions": {"A.D.E": {"unit": "Quantity", "pricePerUnit": {"USD": "53"}}}}},
            },
        })
        .to_string()
    }

    #[test]
    fn an_hour_is_read_from_the_price_list() {
        let usd = listed("OnDemand", "Hrs", &[("USD", "0.0104000000")]);
        assert_eq!(hourly(&usd), Some(("0.0104".to_owned(), "USD".to_owned())));
        let cny = listed("OnDemand", "Hrs", &[("CNY", "12.0000000000")]);
        assert_eq!(hourly(&cny), Some(("12".to_owned(), "CNY".to_owned())));
        let round = listed("OnDemand", "Hrs", &[("USD", "10")]);
        assert_eq!(hourly(&round), Some(("10".to_owned(), "USD".to_owned())));
        let free = listed("OnDemand", "Hrs", &[("USD", "0.0000000000")]);
        assert_eq!(hourly(&free), None);
        let block = listed("CapacityBlock", "Hrs", &[("USD", "98.3")]);
        assert_eq!(hourly(&block), None);
        let by_count = listed("OnDemand", "Quantity", &[("USD", "1")]);
        assert_eq!(hourly(&by_count), None);
        assert_eq!(hourly("no product"), None);
    }

    #[test]
    fn an_image_says_which_price_its_instances_have() {
        let linux = Image::builder().build();
        assert_eq!(operation(&linux), "RunInstances");
        let windows = Image::builder().platform("Windows".into()).build();
        assert_eq!(operation(&windows), "RunInstances:0002");
        let licensed = Image::builder()
            .usage_operation("RunInstances:0010")
            .build();
        assert_eq!(operation(&licensed), "RunInstances:0010");
        let runs = |details: &str| {
            let image = Image::builder().platform_details(details).build();
            product(Some(&image))
        };
        assert_eq!(runs("Windows with SQL Server Web"), "Windows");
        assert_eq!(runs("Windows BYOL"), "Linux/UNIX");
        assert_eq!(runs("SUSE Linux"), "SUSE Linux");
        assert_eq!(runs("Ubuntu Pro"), "Linux/UNIX");
        assert_eq!(product(None), "Linux/UNIX");
    }

    #[test]
    fn prices_are_told_in_the_same_partition() {
        assert_eq!(place("eu-west-1"), Some("eu-central-1"));
        assert_eq!(place("sa-east-1"), Some("us-east-1"));
        assert_eq!(place("cn-north-1"), Some("cn-northwest-1"));
        assert_eq!(place("us-gov-west-1"), None);
    }
}
