//! The temporary security group: one port, open to the caller and to nobody else unless the template says so.

use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, ResourceType};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};

use crate::account::Account;
use crate::error::TAKEN;
use crate::instance::{Fresh, caller, known};
use crate::lookup::Place;
use crate::options::Network;
use crate::region::{RegionClient, incomplete};
use crate::resource::{Kind, Made, Thing};
use crate::tags::{self, Tags};

/// What a group is for: builds of a run that need the same have one together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Opening {
    run: String,
    vpc: Option<String>,
    port: Option<u16>,
    cidrs: Vec<String>,
    tags: Tags,
}

/// The group in which `port` is open, if any is to be: made with the template's `run_tags`, or that of other builds of this run.
pub(crate) async fn make_group(
    cx: &Context,
    account: &Account,
    region: &RegionClient,
    network: &Network,
    place: &Place,
    port: Option<u16>,
    tags: &Tags,
) -> Result<Made> {
    let cidrs = match network.cidrs.is_empty() {
        _ if port.is_none() => Vec::new(),
        true => vec![caller::address(account).await?],
        false => network.cidrs.clone(),
    };
    let opening = Opening {
        run: cx.run_id.to_string(),
        vpc: place.vpc.clone(),
        port,
        cidrs,
        tags: tags.clone(),
    };
    let groups = &region.common().groups;
    let make = || make(cx, region, &opening);
    let (made, ()) = groups.get(cx, opening.clone(), make).await?;
    cx.output.say(match port {
        Some(port) => format!(
            "security group {}: port {port} open to {}",
            made.id(),
            opening.cidrs.join(", ")
        ),
        None => format!("security group {}: no port open", made.id()),
    });
    Ok(made)
}

async fn make(cx: &Context, region: &RegionClient, opening: &Opening) -> Result<(Made, ())> {
    let rule = match opening.port {
        Some(port) => Some(rule(port, &opening.cidrs)?),
        None => None,
    };
    let thing = Thing::new(Kind::SecurityGroup)?;
    let tags = thing.tags(cx, &opening.tags);
    let request = region
        .ec2()
        .create_security_group()
        .group_name(&thing.name)
        .description("temporary group of image builds by imgc")
        .set_vpc_id(opening.vpc.clone())
        .tag_specifications(tags::specification(ResourceType::SecurityGroup, &tags));
    let make = async {
        let answer = region.call(
            "CreateSecurityGroup",
            "make a security group",
            request.send(),
        );
        let id = answer.await?.group_id;
        id.ok_or_else(|| incomplete("CreateSecurityGroup", "id"))
    };
    let made = thing.make(cx, region, make).await?;
    let Some(rule) = rule else {
        return Ok((made, ()));
    };
    let request = region.ec2().authorize_security_group_ingress();
    let request = request.group_id(made.id()).ip_permissions(rule);
    let action = "AuthorizeSecurityGroupIngress";
    let fresh = Fresh {
        group: true,
        ..Fresh::default()
    };
    let opened = known(region, action, "open a port", fresh, || {
        request.clone().send()
    });
    match opened.await {
        // The group is ours alone: so is the rule, and only the answer was lost.
        Err(error) if error.id == TAKEN => Ok((made, ())),
        opened => opened.map(|_| (made, ())),
    }
}

fn rule(port: u16, cidrs: &[String]) -> Result<IpPermission> {
    let mut rule = IpPermission::builder()
        .ip_protocol("tcp")
        .from_port(port.into())
        .to_port(port.into());
    for cidr in cidrs {
        rule = match check_range(cidr)?.is_ipv4() {
            true => rule.ip_ranges(IpRange::builder().cidr_ip(cidr).build()),
            false => rule.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(cidr).build()),
        };
    }
    Ok(rule.build())
}

/// The address of a range such as `203.0.113.0/24` or `2001:db8::/32`; an error of the option where it is none.
pub(crate) fn check_range(cidr: &str) -> Result<std::net::IpAddr> {
    let (address, bits) = cidr.split_once('/').ok_or_else(|| bad(cidr))?;
    let address: std::net::IpAddr = address.parse().map_err(|_| bad(cidr))?;
    let bits: u8 = bits.parse().map_err(|_| bad(cidr))?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    match bits > most {
        true => Err(bad(cidr)),
        false => Ok(address),
    }
}

fn bad(cidr: &str) -> Error {
    Error::new(
        Class::Template,
        "run/aws-option",
        format!("`temporary_security_group_source_cidrs` has `{cidr}`"),
    )
    .help("write addresses with a length, such as `203.0.113.0/24` or `2001:db8::/32`")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_rule_is_as_wide_as_asked_for() {
        let rule = rule(22, &["198.51.100.7/32".into(), "2001:db8::/48".into()]).unwrap();
        assert_eq!(rule.ip_ranges()[0].cidr_ip(), Some("198.51.100.7/32"));
        assert_eq!(rule.ipv6_ranges()[0].cidr_ipv6(), Some("2001:db8::/48"));
        assert_eq!((rule.from_port(), rule.to_port()), (Some(22), Some(22)));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for wrong in ["198.51.100.7", "198.51.100.7/33", "everyone/0"] {
            rule(22, &[wrong.to_owned()]).unwrap_err();
        }
    }
}
