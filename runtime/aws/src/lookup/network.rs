//! Where an instance goes: VPC, subnet, security groups that exist.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{Filter, SecurityGroup, Subnet};
use imgc_runtime::error::{Class, Error, Result};

use crate::options::{Network, Pick};
use crate::region::{RegionClient, filter, pages};

/// A place for an instance; what is `None` is the default VPC's matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) vpc: Option<String>,
    pub(crate) subnet: Option<String>,
    pub(crate) zone: Option<String>,
    /// Whether instances in the subnet get a public address unasked, where that is known.
    pub(crate) public: Option<bool>,
}

/// Finds the place.
pub(crate) async fn find_place(region: &RegionClient, network: &Network) -> Result<Place> {
    let mut place = Place {
        vpc: network.vpc.clone(),
        subnet: None,
        zone: network.zone.clone(),
        public: None,
    };
    if place.vpc.is_none()
        && network.subnet.is_none()
        && let Some(filters) = &network.vpc_filter
    {
        place.vpc = Some(vpc(region, filters).await?);
    }
    let subnets = match (&network.subnet, &network.subnet_filter) {
        // Groups of the template are in the subnet's VPC by themselves: nothing has to be looked up.
        (Some(id), _) if network.has_groups() => {
            place.subnet = Some(id.clone());
            return Ok(place);
        }
        (Some(id), _) => {
            let wanted = BTreeMap::from([("subnet-id".to_owned(), vec![id.clone()])]);
            subnets(region, &wanted, &Place::default()).await?
        }
        (None, Some((filters, _))) => subnets(region, filters, &place).await?,
        (None, None) => return Ok(place),
    };
    let found = choose(subnets, network, region.name())?;
    place.vpc = found.vpc_id.or(place.vpc);
    place.subnet = found.subnet_id;
    place.zone = place.zone.or(found.availability_zone);
    place.public = found.map_public_ip_on_launch;
    Ok(place)
}

async fn vpc(region: &RegionClient, filters: &BTreeMap<String, Vec<String>>) -> Result<String> {
    let request = region.ec2().describe_vpcs().set_filters(Some(api(filters)));
    let found = pages(|next| {
        let request = request.clone().set_next_token(next).send();
        let answer = region.call("DescribeVpcs", "find the VPC", request);
        async { answer.await.map(|page| (page.vpcs, page.next_token)) }
    });
    let found = found.await?.into_iter();
    let ids: Vec<String> = found.filter_map(|vpc| vpc.vpc_id).collect();
    only(ids, "`vpc_filter`", "VPC", region.name(), filters)
}

async fn subnets(
    region: &RegionClient,
    filters: &BTreeMap<String, Vec<String>>,
    place: &Place,
) -> Result<Vec<Subnet>> {
    let mut wanted = api(filters);
    if let Some(vpc) = &place.vpc {
        wanted.push(filter("vpc-id", [vpc]));
    }
    if let Some(zone) = &place.zone {
        wanted.push(filter("availability-zone", [zone]));
    }
    let request = region.ec2().describe_subnets().set_filters(Some(wanted));
    let found = pages(|next| {
        let request = request.clone().set_next_token(next).send();
        let answer = region.call("DescribeSubnets", "find the subnet", request);
        async { answer.await.map(|page| (page.subnets, page.next_token)) }
    });
    found.await
}

fn choose(mut found: Vec<Subnet>, network: &Network, region: &str) -> Result<Subnet> {
    let (filters, pick) = match (&network.subnet, &network.subnet_filter) {
        (None, Some((filters, pick))) => (filters, *pick),
        (Some(id), _) if found.is_empty() => {
            return Err(missing(format!("there is no subnet `{id}` in {region}")));
        }
        _ => (&BTreeMap::new(), Pick::Only),
    };
    if found.len() > 1 {
        match pick {
            Pick::Only => {}
            Pick::MostFree => {
                found.sort_by_key(|subnet| {
                    std::cmp::Reverse(subnet.available_ip_address_count.unwrap_or_default())
                });
                found.truncate(1);
            }
            Pick::Random => {
                let mut random = [0_u8; 4];
                let _ = getrandom::fill(&mut random);
                let at = u32::from_be_bytes(random) as usize % found.len();
                found = vec![found.swap_remove(at)];
            }
        }
    }
    let ids = found.iter().filter_map(|subnet| subnet.subnet_id.clone());
    only(ids.collect(), "`subnet_filter`", "subnet", region, filters).map_err(|error| {
        match pick {
            Pick::Only if found.len() > 1 => error.help(
                "write more filters, or `most_free = true` or `random = true` to have one of them taken",
            ),
            _ => error,
        }
    })?;
    Ok(found.swap_remove(0))
}

/// Whether the groups that the template names are there; nothing is asked where it names none.
pub(crate) async fn check_groups(region: &RegionClient, network: &Network) -> Result<()> {
    let mut wanted = network.groups.clone();
    if wanted.is_empty() {
        return Ok(());
    }
    // A filter gives what is there; ids would end at the first that is not, and at what is no id at all.
    let filters = vec![filter("group-id", wanted.iter().cloned())];
    let found = groups(region, "look for the security groups", filters).await?;
    wanted.retain(|id| {
        let mut found = found.iter();
        !found.any(|group| group.group_id.as_deref() == Some(id.as_str()))
    });
    let what = match wanted.len() {
        1 => "is no security group",
        _ => "are no security groups",
    };
    match wanted.is_empty() {
        true => Ok(()),
        false => Err(Error::new(
            Class::Template,
            "run/aws-network",
            format!(
                "there {what} `{}` in {}",
                wanted.join("`, `"),
                region.name()
            ),
        )
        .of("security_group_ids")
        .of("security_group_id")
        .help(
            "groups are named by their ids (sg-…), which differ from region to region: check `region` and the account; \
             `security_group_filter` finds them by name, and without either one is made for the build",
        )),
    }
}

/// The groups that the template names or finds.
pub(crate) async fn find_groups(
    region: &RegionClient,
    network: &Network,
    place: &Place,
) -> Result<Vec<String>> {
    let Some(filters) = network
        .group_filter
        .as_ref()
        .filter(|_| network.groups.is_empty())
    else {
        return Ok(network.groups.clone());
    };
    let mut wanted = api(filters);
    if let Some(vpc) = &place.vpc {
        wanted.push(filter("vpc-id", [vpc]));
    }
    let found = groups(region, "find the security groups", wanted).await?;
    let ids: Vec<String> = found
        .into_iter()
        .filter_map(|group| group.group_id)
        .collect();
    if ids.is_empty() {
        return Err(missing(format!(
            "`security_group_filter` finds no security group in {}: {}",
            region.name(),
            words(filters)
        )));
    }
    Ok(ids)
}

async fn groups(
    region: &RegionClient,
    attempt: &str,
    filters: Vec<Filter>,
) -> Result<Vec<SecurityGroup>> {
    let request = region.ec2().describe_security_groups();
    let request = request.set_filters(Some(filters));
    let found = pages(|next| {
        let request = request.clone().set_next_token(next).send();
        let answer = region.call("DescribeSecurityGroups", attempt, request);
        async {
            answer
                .await
                .map(|page| (page.security_groups, page.next_token))
        }
    });
    found.await
}

fn only(
    mut ids: Vec<String>,
    option: &str,
    what: &str,
    region: &str,
    filters: &BTreeMap<String, Vec<String>>,
) -> Result<String> {
    match ids.len() {
        1 => Ok(ids.swap_remove(0)),
        0 => Err(missing(format!(
            "{option} finds no {what} in {region}: {}",
            words(filters)
        ))),
        count => Err(missing(format!(
            "{option} finds {count} {what}s in {region}: {}",
            ids.join(", ")
        ))
        .help("write more filters, so that one is left")),
    }
}

fn api(filters: &BTreeMap<String, Vec<String>>) -> Vec<Filter> {
    let filters = filters.iter();
    filters
        .map(|(name, values)| filter(name, values.iter().cloned()))
        .collect()
}

fn words(filters: &BTreeMap<String, Vec<String>>) -> String {
    let words = filters
        .iter()
        .map(|(name, values)| format!("{name} = {}", values.join(" or ")));
    words.collect::<Vec<_>>().join(", ")
}

fn missing(message: String) -> Error {
    Error::new(Class::Template, "run/aws-network", message)
        .help("check `region`, the filters, and the account that is used")
}
