//! The network on the way: the route of the subnet, the groups of the instance, the network's own list.

use std::net::IpAddr;

use aws_sdk_ec2::types::{
    Instance, IpPermission, NetworkAcl, NetworkAclEntry, RouteState, RouteTable, RuleAction,
    SecurityGroup,
};
use imgc_runtime::error::Result;

use super::{Case, Link, covers, is_public};
use crate::account::Account;
use crate::instance::caller_address;
use crate::region::{RegionClient, filter};

/// A port that answers go back to.
const EPHEMERAL: i32 = 50_000;

/// Route, groups, list.
pub(super) async fn links(
    account: &Account,
    region: &RegionClient,
    instance: &Instance,
    case: &Case<'_>,
) -> Vec<Link> {
    let public = case.host.is_some_and(|host| is_public(instance, host));
    // Only where the instance is reached from outside it is known as which address this machine comes.
    let caller = match public && case.way.direct {
        true => caller_address(account).await.ok(),
        false => None,
    };
    let caller = caller.as_deref().and_then(|range| range.split('/').next());
    let caller = caller.and_then(|address| address.parse::<IpAddr>().ok());
    let (route, groups, list) = tokio::join!(
        Box::pin(tables(region, instance)),
        Box::pin(groups(region, instance)),
        Box::pin(lists(region, instance)),
    );
    let route = match route {
        _ if !public => Link::skipped("route", "not asked: the address is not public"),
        Ok(tables) => self::route(tables, instance),
        Err(error) => Link::unanswered("route", &error),
    };
    let group = match groups {
        Ok(groups) => rules(&groups, case.way.port.into(), caller),
        Err(error) => Link::unanswered("security group", &error),
    };
    let list = match list {
        Ok(lists) => acl(&lists, case.way.port.into(), caller),
        Err(error) => Link::unanswered("network ACL", &error),
    };
    vec![route, group, list]
}

async fn tables(region: &RegionClient, instance: &Instance) -> Result<Vec<RouteTable>> {
    let ask = |name: &'static str, value: Option<&str>| {
        let mut request = region.ec2().describe_route_tables();
        request = request.filters(filter(name, value.map(str::to_owned)));
        if name == "vpc-id" {
            request = request.filters(filter("association.main", ["true"]));
        }
        async move {
            let attempt = "look at the routes of the subnet";
            let answer = region.call("DescribeRouteTables", attempt, request.send());
            Ok(answer.await?.route_tables.unwrap_or_default())
        }
    };
    let own = ask("association.subnet-id", instance.subnet_id()).await?;
    match own.is_empty() {
        // A subnet without a table of its own has its network's.
        true => ask("vpc-id", instance.vpc_id()).await,
        false => Ok(own),
    }
}

fn route(tables: Vec<RouteTable>, instance: &Instance) -> Link {
    const WHAT: &str = "route";
    let subnet = instance.subnet_id().unwrap_or("the subnet");
    let Some(table) = tables.into_iter().next() else {
        return Link::open(
            WHAT,
            format!("{subnet} has no table of routes that can be seen"),
        );
    };
    let id = table.route_table_id().unwrap_or_default();
    let outward = table.routes().iter().find(|route| {
        let there = [
            route.destination_cidr_block(),
            route.destination_ipv6_cidr_block(),
        ];
        there.contains(&Some("0.0.0.0/0"))
    });
    let help = "a public address needs a route to an internet gateway: take a public subnet, or reach the instance from inside \
                with `ssh_interface = \"private_ip\"`";
    match outward {
        None => Link::bad(
            WHAT,
            format!("{id} of {subnet} has no route to the internet"),
            help,
        ),
        Some(route) if route.state == Some(RouteState::Blackhole) => Link::bad(
            WHAT,
            format!("{id} of {subnet} leads to a gateway that is gone"),
            help,
        ),
        Some(route) => match route.gateway_id().filter(|id| id.starts_with("igw-")) {
            Some(gateway) => Link::good(WHAT, format!("{subnet} to the internet by {gateway}")),
            None => {
                let by = route.nat_gateway_id().or(route.gateway_id());
                let by = by.or(route.transit_gateway_id()).unwrap_or("something");
                let text =
                    format!("{id} of {subnet} leads outward by {by} only, no internet gateway");
                Link::bad(WHAT, text, help)
            }
        },
    }
}

async fn groups(region: &RegionClient, instance: &Instance) -> Result<Vec<SecurityGroup>> {
    let ids: Vec<String> = instance
        .security_groups()
        .iter()
        .filter_map(|group| group.group_id.clone())
        .collect();
    let request = region.ec2().describe_security_groups();
    let request = request.filters(filter("group-id", ids)).send();
    let answer = region.call("DescribeSecurityGroups", "look at the groups", request);
    Ok(answer.await?.security_groups.unwrap_or_default())
}

/// Whether a rule is about a TCP port.
fn is_about(rule: &IpPermission, port: i32) -> bool {
    match rule.ip_protocol() {
        Some("-1") => true,
        Some("tcp" | "6") => {
            rule.from_port().is_none_or(|from| from <= port)
                && rule.to_port().is_none_or(|to| port <= to)
        }
        _ => false,
    }
}

fn rules(groups: &[SecurityGroup], port: i32, caller: Option<IpAddr>) -> Link {
    const WHAT: &str = "security group";
    let names: Vec<&str> = groups.iter().filter_map(SecurityGroup::group_id).collect();
    let names = names.join(", ");
    let all = groups.iter().flat_map(SecurityGroup::ip_permissions);
    let rules: Vec<&IpPermission> = all.filter(|rule| is_about(rule, port)).collect();
    if rules.is_empty() {
        return Link::bad(
            WHAT,
            format!("no rule of {names} lets anybody in at port {port}"),
            "add a rule for this port, or leave the group to imgc: without `security_group_id` it makes one for the build",
        );
    }
    let mut ranges: Vec<&str> = Vec::new();
    for rule in &rules {
        let four = rule.ip_ranges().iter().filter_map(|range| range.cidr_ip());
        let six = rule.ipv6_ranges().iter();
        ranges.extend(four.chain(six.filter_map(|range| range.cidr_ipv6())));
    }
    let Some(caller) = caller else {
        let open = match ranges.is_empty() {
            true => "other groups".to_owned(),
            false => ranges.join(", "),
        };
        return Link::good(WHAT, format!("{names}: port {port} is open to {open}"));
    };
    if let Some(range) = ranges.iter().find(|range| covers(range, caller)) {
        let text = format!("{names}: port {port} is open to {range}, where this machine is");
        return Link::good(WHAT, text);
    }
    let by_list = rules
        .iter()
        .any(|rule| !rule.prefix_list_ids().is_empty() || !rule.user_id_group_pairs().is_empty());
    if by_list {
        let text =
            format!("{names}: port {port} is open to a list or a group, perhaps with {caller}");
        return Link::open(WHAT, text);
    }
    Link::bad(
        WHAT,
        format!(
            "{names}: port {port} is open to {} and not to {caller}, which this machine is",
            ranges.join(", ")
        ),
        "add this machine's address to the rule, or to `temporary_security_group_source_cidrs`",
    )
}

async fn lists(region: &RegionClient, instance: &Instance) -> Result<Vec<NetworkAcl>> {
    let subnet = instance.subnet_id().map(str::to_owned);
    let request = region.ec2().describe_network_acls();
    let request = request
        .filters(filter("association.subnet-id", subnet))
        .send();
    let answer = region.call("DescribeNetworkAcls", "look at the network's list", request);
    Ok(answer.await?.network_acls.unwrap_or_default())
}

/// The first entry about a TCP port and an address, by number.
fn first(
    entries: &[NetworkAclEntry],
    egress: bool,
    port: i32,
    caller: IpAddr,
) -> Option<&NetworkAclEntry> {
    let about = entries.iter().filter(|entry| {
        let range = [entry.cidr_block(), entry.ipv6_cidr_block()];
        let ports = entry.port_range();
        entry.egress() == Some(egress)
            && matches!(entry.protocol(), Some("-1" | "6"))
            && range.iter().flatten().any(|range| covers(range, caller))
            && ports.is_none_or(|ports| {
                ports.from().is_none_or(|from| from <= port)
                    && ports.to().is_none_or(|to| port <= to)
            })
    });
    about.min_by_key(|entry| entry.rule_number())
}

fn acl(lists: &[NetworkAcl], port: i32, caller: Option<IpAddr>) -> Link {
    const WHAT: &str = "network ACL";
    let Some(list) = lists.first() else {
        return Link::open(WHAT, "the subnet has none that can be seen");
    };
    let id = list.network_acl_id().unwrap_or_default();
    // Where this machine's address is not known, the rules for everybody are those that count.
    let caller = caller.unwrap_or(IpAddr::from([203, 0, 113, 1]));
    for (egress, port, way) in [(false, port, "in at"), (true, EPHEMERAL, "back to")] {
        let entry = first(list.entries(), egress, port, caller);
        if entry.and_then(NetworkAclEntry::rule_action) == Some(&RuleAction::Allow) {
            continue;
        }
        let rule = entry.and_then(NetworkAclEntry::rule_number);
        let rule = rule.filter(|number| *number < 32_767);
        let rule = rule.map_or_else(|| "no rule".to_owned(), |number| format!("rule {number}"));
        return Link::bad(
            WHAT,
            format!("{id}: {rule} keeps {caller} from coming {way} port {port}"),
            "allow the port inward and ports 1024 to 65535 outward for this machine, or take another subnet",
        );
    }
    Link::good(WHAT, format!("{id}: lets it through both ways"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{IpRange, PortRange, Route};

    use super::*;
    use crate::diagnose::Verdict;

    fn group(port: i32, range: &str) -> SecurityGroup {
        let rule = IpPermission::builder().ip_protocol("tcp");
        let rule = rule.from_port(port).to_port(port);
        let rule = rule.ip_ranges(IpRange::builder().cidr_ip(range).build());
        SecurityGroup::builder()
            .group_id("sg-1")
            .ip_permissions(rule.build())
            .build()
    }

    #[test]
    fn a_group_lets_in_whom_its_rules_name() {
        let caller = Some(IpAddr::from([198, 51, 100, 7]));
        let verdict = |group: SecurityGroup| rules(&[group], 22, caller).verdict;
        assert_eq!(verdict(group(22, "198.51.100.0/24")), Verdict::Good);
        assert_eq!(verdict(group(22, "10.0.0.0/8")), Verdict::Bad);
        assert_eq!(verdict(group(443, "0.0.0.0/0")), Verdict::Bad);
    }

    #[test]
    fn a_route_leads_out_by_an_internet_gateway_only() {
        let table = |gateway: Option<&str>, nat: Option<&str>| {
            let route = Route::builder()
                .destination_cidr_block("0.0.0.0/0")
                .set_gateway_id(gateway.map(str::to_owned))
                .set_nat_gateway_id(nat.map(str::to_owned));
            RouteTable::builder().routes(route.build()).build()
        };
        let instance = Instance::builder().subnet_id("subnet-1").build();
        let verdict = |table| route(vec![table], &instance).verdict;
        assert_eq!(verdict(table(Some("igw-1"), None)), Verdict::Good);
        assert_eq!(verdict(table(None, Some("nat-1"))), Verdict::Bad);
        assert_eq!(verdict(RouteTable::builder().build()), Verdict::Bad);
    }

    #[test]
    fn of_a_list_the_lowest_number_counts_both_ways() {
        let entry = |number: i32, egress: bool, action: RuleAction, port: Option<i32>| {
            let ports = port.map(|port| PortRange::builder().from(port).to(port).build());
            NetworkAclEntry::builder()
                .rule_number(number)
                .egress(egress)
                .protocol("-1")
                .cidr_block("0.0.0.0/0")
                .rule_action(action)
                .set_port_range(ports)
                .build()
        };
        let list = |inward: RuleAction| {
            NetworkAcl::builder()
                .entries(entry(100, false, RuleAction::Allow, None))
                .entries(entry(50, false, inward, Some(22)))
                .entries(entry(100, true, RuleAction::Allow, None))
                .build()
        };
        let verdict = |list| acl(&[list], 22, None).verdict;
        assert_eq!(verdict(list(RuleAction::Allow)), Verdict::Good);
        assert_eq!(verdict(list(RuleAction::Deny)), Verdict::Bad);
    }
}
