//! Why an instance cannot be reached: what lies between here and a login is looked at in order.
//!
//! In: an instance, where and how it was to be reached, the failure. Out: a list, said in the build's log, in which the first thing
//! that fails is marked, with a way out; and the end of what the console shows. Everything is only read; what may not be asked is
//! said and left open.

mod login;
mod network;

use std::net::IpAddr;

use aws_sdk_ec2::types::{Instance, InstanceStateName};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error};
use imgc_runtime::options::Options;

use crate::account::Account;
use crate::region::{RegionClient, filter};

/// Lines of the console that are shown.
const CONSOLE: usize = 30;

/// How the communicator gets to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) port: u16,
    /// Whether this machine connects to it by itself, not through a bastion or a proxy.
    pub(crate) direct: bool,
}

impl Way {
    /// As the options of the communicator say.
    pub(crate) fn read(options: &Options<'_>) -> Self {
        let port = options.integer("ssh_port").ok().flatten();
        let port = port.and_then(|port| u16::try_from(port).ok());
        let between = ["ssh_bastion_host", "ssh_proxy_host"];
        let by_session = options.string("ssh_interface").ok().flatten();
        Self {
            port: port.filter(|port| *port != 0).unwrap_or(22),
            direct: !between.iter().any(|name| options.is_given(name))
                && by_session.as_deref() != Some("session_manager"),
        }
    }
}

/// An instance that cannot be reached.
pub(crate) struct Case<'a> {
    pub(crate) instance: &'a str,
    /// Where it was to be reached; `None` where there is no such address.
    pub(crate) host: Option<&'a str>,
    pub(crate) way: Way,
    pub(crate) failure: &'a Error,
}

/// What came of looking at a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    /// It stands in the way.
    Bad,
    /// It could not be found out.
    Open,
    /// It was not looked at, since something before it fails or it is not on the way.
    Skipped,
}

/// A thing on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    what: &'static str,
    verdict: Verdict,
    text: String,
    /// The way out, where it fails.
    help: Option<&'static str>,
}

impl Link {
    fn good(what: &'static str, text: impl Into<String>) -> Self {
        Self::new(what, Verdict::Good, text, None)
    }

    fn bad(what: &'static str, text: impl Into<String>, help: &'static str) -> Self {
        Self::new(what, Verdict::Bad, text, Some(help))
    }

    fn open(what: &'static str, text: impl Into<String>) -> Self {
        Self::new(what, Verdict::Open, text, None)
    }

    fn skipped(what: &'static str, text: impl Into<String>) -> Self {
        Self::new(what, Verdict::Skipped, text, None)
    }

    fn new(
        what: &'static str,
        verdict: Verdict,
        text: impl Into<String>,
        help: Option<&'static str>,
    ) -> Self {
        let text = text.into();
        Self {
            what,
            verdict,
            text,
            help,
        }
    }

    /// Where a question has no answer.
    fn unanswered(what: &'static str, error: &Error) -> Self {
        Self::open(what, format!("cannot be asked: {}", error.message))
    }
}

/// Looks at everything and says it.
pub(crate) async fn diagnose(
    cx: &Context,
    account: &Account,
    region: &RegionClient,
    case: &Case<'_>,
) {
    if case.failure.class == Class::Cancelled {
        return;
    }
    let (links, console) = tokio::join!(
        Box::pin(chain(account, region, case)),
        Box::pin(console(region, case.instance)),
    );
    cx.output.say(format!(
        "what lies between here and a login on {}, in order:",
        case.instance
    ));
    for line in list(&links) {
        cx.output.say(line);
    }
    let lines = match console {
        Err(error) => {
            return cx
                .output
                .say(format!("its console cannot be read: {}", error.message));
        }
        Ok(lines) if lines.is_empty() => return cx.output.say("its console says nothing yet"),
        Ok(lines) => lines,
    };
    let skipped = lines.len().saturating_sub(CONSOLE);
    cx.output.say(match skipped {
        0 => "what its console says:".to_owned(),
        _ => format!("the last {CONSOLE} lines of what its console says:"),
    });
    for line in &lines[skipped..] {
        cx.output.say(format!("  | {line}"));
    }
}

/// The lines of a list; the first that fails is marked, and followed by the way out.
fn list(links: &[Link]) -> Vec<String> {
    let width = links.iter().map(|link| link.what.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    let mut found = false;
    for link in links {
        let word = match link.verdict {
            Verdict::Good => "ok",
            Verdict::Bad => "FAILS",
            Verdict::Open => "?",
            Verdict::Skipped => "-",
        };
        let line = format!("  {word:5}  {:width$}  {}", link.what, link.text);
        if link.verdict == Verdict::Bad && !found {
            found = true;
            lines.push(format!("{line}  <-- the first that fails"));
            let help = link.help.iter();
            lines.extend(help.map(|help| format!("  {:5}  {:width$}  {help}", "", "")));
        } else {
            lines.push(line);
        }
    }
    lines
}

/// All things on the way, in order.
async fn chain(account: &Account, region: &RegionClient, case: &Case<'_>) -> Vec<Link> {
    let (instance, status) = tokio::join!(
        Box::pin(look(region, case.instance)),
        Box::pin(status(region, case.instance)),
    );
    let mut links = Vec::new();
    let instance = match instance {
        Ok(Some(instance)) => Some(instance),
        Ok(None) => {
            links.push(Link::bad(
                "instance",
                "is not there any more",
                "somebody or something has ended it: the account's CloudTrail knows who",
            ));
            None
        }
        Err(error) => {
            links.push(Link::unanswered("instance", &error));
            None
        }
    };
    let Some(instance) = instance else {
        links.extend(login::links(case, true).await.0);
        return links;
    };
    links.push(state(&instance, status));
    let ended = links[0].verdict == Verdict::Bad;
    if ended {
        for what in ["address", "route", "security group", "network ACL"] {
            links.push(Link::skipped(what, "nothing runs that could be reached"));
        }
        links.extend(login::links(case, false).await.0);
        return links;
    }
    links.push(address(&instance, case));
    let (mut network, (login, answered)) = tokio::join!(
        Box::pin(network::links(account, region, &instance, case)),
        Box::pin(login::links(case, case.host.is_some())),
    );
    // There is more than one way into a network: what has answered is reached.
    for link in network.iter_mut().filter(|_| answered) {
        if link.verdict == Verdict::Bad {
            link.verdict = Verdict::Open;
            link.text.push_str(", and yet the machine answers");
        }
    }
    links.extend(network);
    links.extend(login);
    links
}

async fn look(region: &RegionClient, id: &str) -> imgc_runtime::error::Result<Option<Instance>> {
    let request = region.ec2().describe_instances();
    let request = request.filters(filter("instance-id", [id])).send();
    let answer = region.call("DescribeInstances", "look at the instance", request);
    let reservations = answer.await?.reservations.unwrap_or_default();
    let mut instances = reservations
        .into_iter()
        .flat_map(|reservation| reservation.instances.unwrap_or_default());
    Ok(instances.next())
}

/// What the two status checks say.
async fn status(region: &RegionClient, id: &str) -> imgc_runtime::error::Result<String> {
    let request = region.ec2().describe_instance_status();
    let request = request.instance_ids(id).include_all_instances(true).send();
    let answer = region.call("DescribeInstanceStatus", "look at status checks", request);
    let statuses = answer.await?.instance_statuses.unwrap_or_default();
    let Some(status) = statuses.into_iter().next() else {
        return Ok("not there yet".to_owned());
    };
    let word = |summary: Option<&aws_sdk_ec2::types::InstanceStatusSummary>| {
        let word = summary.and_then(|summary| summary.status.as_ref());
        word.map_or("unknown", |word| word.as_str()).to_owned()
    };
    Ok(format!(
        "system {}, instance {}",
        word(status.system_status.as_ref()),
        word(status.instance_status.as_ref())
    ))
}

fn state(instance: &Instance, status: imgc_runtime::error::Result<String>) -> Link {
    const WHAT: &str = "instance";
    let state = instance.state.as_ref();
    let state = state.and_then(|state| state.name.as_ref());
    let word = state.map_or("unknown", InstanceStateName::as_str);
    if state != Some(&InstanceStateName::Running) {
        let reason = instance.state_reason.as_ref();
        let reason = reason.and_then(|reason| reason.message.as_deref());
        let why = reason.map(|why| format!(": {why}")).unwrap_or_default();
        return Link::bad(
            WHAT,
            format!("is {word}{why}"),
            "a volume that cannot be decrypted, a quota of volumes, an image that does not boot and user data that shuts down \
             end like this",
        );
    }
    let checks = match status {
        Ok(status) => format!("status checks: {status}"),
        Err(error) => format!("status checks cannot be asked: {}", error.message),
    };
    if checks.contains("impaired") {
        return Link::bad(
            WHAT,
            format!("is {word}; {checks}"),
            "the machine has not come up: see what the console says",
        );
    }
    Link::good(WHAT, format!("is {word}; {checks}"))
}

fn address(instance: &Instance, case: &Case<'_>) -> Link {
    const WHAT: &str = "address";
    let Some(host) = case.host else {
        return Link::bad(
            WHAT,
            case.failure.message.clone(),
            "set `associate_public_ip_address = true`, or `ssh_interface = \"private_ip\"` where this machine is in the same \
             network",
        );
    };
    if is_public(instance, host) {
        return Link::good(WHAT, format!("{host}, public"));
    }
    if Some(host) == instance.private_ip_address() || Some(host) == instance.private_dns_name() {
        return Link::good(
            WHAT,
            format!("{host}, private: reached only from inside of its network"),
        );
    }
    Link::good(WHAT, format!("{host}, from the template"))
}

/// Whether it is the instance's public address.
fn is_public(instance: &Instance, host: &str) -> bool {
    let public = [instance.public_ip_address(), instance.public_dns_name()];
    public.contains(&Some(host))
}

/// What the console has said, line by line.
async fn console(region: &RegionClient, id: &str) -> imgc_runtime::error::Result<Vec<String>> {
    let request = region.ec2().get_console_output().instance_id(id);
    let answer = region.call("GetConsoleOutput", "read the console", request.send());
    let text = answer.await?.output.unwrap_or_default();
    let text = STANDARD.decode(text.trim()).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines = text.lines().map(|line| {
        let shown = line.chars().filter(|letter| !letter.is_control());
        shown.collect::<String>()
    });
    let mut lines: Vec<String> = lines.collect();
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    Ok(lines)
}

/// Whether a range such as `10.0.0.0/8` has an address in it.
fn covers(range: &str, address: IpAddr) -> bool {
    let Some((base, bits)) = range.split_once('/') else {
        return false;
    };
    let (Ok(base), Ok(bits)) = (base.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    match (base, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => {
            let mask = u32::MAX
                .checked_shl(32_u32.saturating_sub(bits))
                .unwrap_or(0);
            u32::from(base) & mask == u32::from(address) & mask
        }
        (IpAddr::V6(base), IpAddr::V6(address)) => {
            let mask = u128::MAX
                .checked_shl(128_u32.saturating_sub(bits))
                .unwrap_or(0);
            u128::from(base) & mask == u128::from(address) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_the_addresses_that_are_in_them() {
        let address = IpAddr::from([10, 1, 2, 3]);
        for range in ["0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/32"] {
            assert!(covers(range, address), "{range}");
        }
        for range in ["11.0.0.0/8", "10.1.2.4/32", "::/0", "10.1.2.3", "x/y"] {
            assert!(!covers(range, address), "{range}");
        }
    }

    #[test]
    fn the_first_that_fails_is_marked_and_no_other() {
        let links = [
            Link::good("instance", "is running"),
            Link::bad("route", "leads nowhere", "add a gateway"),
            Link::bad("port", "is closed", "open it"),
        ];
        assert_eq!(
            list(&links),
            [
                "  ok     instance  is running",
                "  FAILS  route     leads nowhere  <-- the first that fails",
                "                   add a gateway",
                "  FAILS  port      is closed",
            ]
        );
    }
}
