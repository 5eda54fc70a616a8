//! Rights on things that do not exist yet: IAM says what its policies make of them (`SimulatePrincipalPolicy`).
//!
//! In: who asks, and the rights that are needed. Out: the actions that the policies do not allow. What can be asked for as a dry run
//! is not asked here ([`crate::rehearsal`]), nor what a policy of the resource may allow by itself (buckets, keys, secrets), nor
//! describes, which the plan makes itself. Of things, only those are asked about that the run makes: policies may name others one by
//! one. Where a policy speaks of something that nobody knows before the run, nothing is concluded.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};
use futures_util::future::join_all;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;
use imgc_runtime::preview::Right;

use crate::identity::{Caller, caller};
use crate::region::RegionClient;
use crate::rehearsal::{REHEARSED, Refusal};
use crate::resource::PATH;
use crate::rights::{Family, Part, Place, parts, rights};
use crate::tags;

/// The services whose rights come from the policies of the caller alone.
const SERVICES: [&str; 3] = ["ec2:", "iam:", "ssm:"];
/// Tags are given in calls of their makers, and allowed by these.
const BY_MAKERS: &str = "ec2:CreateTags";
/// Without these there is no temporary role; the others of its rights take it away again.
const MAKE_ROLES: &[&str] = &[
    "iam:AddRoleToInstanceProfile",
    "iam:CreateInstanceProfile",
    "iam:CreateRole",
    "iam:PassRole",
    "iam:PutRolePolicy",
    "iam:TagInstanceProfile",
    "iam:TagRole",
];
/// What an id of Amazon's has behind the letters of its kind.
const ID: &str = "0123456789abcdef0";

/// What IAM said.
#[derive(Debug)]
pub(crate) struct Simulated {
    /// How many actions it was asked about.
    pub(crate) asked: usize,
    /// Those that are not allowed.
    pub(crate) refusals: Vec<Refusal>,
}

/// Whose policies are asked about.
#[derive(Debug, PartialEq, Eq)]
enum Whose {
    /// Those of a user or a role.
    Of(String),
    /// Whoever owns the account may do everything.
    Owner,
    /// IAM does not say it of others.
    Unknown,
}

/// Asks about rights, for a caller.
pub(crate) async fn simulate(
    region: &RegionClient,
    caller: &Caller,
    rights: &[Right],
) -> Result<Simulated> {
    let groups = groups(rights);
    let actions: BTreeSet<&String> = groups.values().flatten().collect();
    let asked = actions.len();
    let who = match whose(&caller.arn) {
        Whose::Of(who) => who,
        Whose::Owner => {
            return Ok(Simulated {
                asked,
                refusals: Vec::new(),
            });
        }
        Whose::Unknown => {
            return Err(Error::new(
                Class::Environment,
                "run/aws-account",
                format!("IAM simulates no policies of {}", caller.arn),
            ));
        }
    };
    let ask = |(resource, actions): (&String, &BTreeSet<String>)| {
        let (resource, actions) = (resource.clone(), actions.clone());
        let who = &who;
        Box::pin(async move { group(region, caller, who, &resource, &actions).await })
    };
    let mut groups = groups.iter();
    let mut refusals = Vec::new();
    // Where nobody answers, or may ask, that is found out once.
    if let Some(first) = groups.next() {
        refusals.extend(ask(first).await?);
    }
    for answer in join_all(groups.map(ask)).await {
        refusals.extend(answer?);
    }
    Ok(Simulated { asked, refusals })
}

/// Asks about the temporary role of a source and its profile, before anything is made; of sources without one nothing.
pub(crate) async fn of_profile(
    family: Family,
    region: &RegionClient,
    options: &Options<'_>,
) -> Result<Vec<Refusal>> {
    if !parts(family, options).contains(&Part::OwnProfile) {
        return Ok(Vec::new());
    }
    let caller = caller(region).await?;
    let place = Place {
        region: region.name().to_owned(),
        account: Some(caller.account.clone()),
    };
    let mut rights = rights(&BTreeSet::from([Part::OwnProfile]), &place, false);
    for right in &mut rights {
        let needed = |action: &String| MAKE_ROLES.contains(&action.as_str());
        right.actions.retain(needed);
    }
    Ok(simulate(region, &caller, &rights).await?.refusals)
}

/// The actions to ask about, by a thing that stands for those that they are allowed on.
fn groups(rights: &[Right]) -> BTreeMap<String, BTreeSet<String>> {
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for right in rights {
        let is_asked = |action: &&String| {
            SERVICES.iter().any(|service| action.starts_with(service))
                && *action != BY_MAKERS
                && !REHEARSED.contains(&action.as_str())
        };
        let mut keys = right.conditions.values().flat_map(|keys| keys.keys());
        let is_marked = keys.any(|key| key.ends_with(tags::RUN));
        let is_made = |resource: &&String| {
            let is_own = ["role", "instance-profile"].map(|kind| format!(":{kind}{PATH}"));
            let is_own = is_own.iter().any(|part| resource.contains(part));
            !resource.contains('*') || is_marked || is_own
        };
        for resource in right.resources.iter().filter(is_made) {
            for action in right.actions.iter().filter(is_asked) {
                let thing = groups.entry(example(resource)).or_default();
                thing.insert(action.clone());
            }
        }
    }
    groups
}

/// A thing in place of all of a kind: `*` at the end of a resource, as a text that policies with patterns of their own may meet.
fn example(resource: &str) -> String {
    let Some(start) = resource.strip_suffix('*') else {
        return resource.to_owned();
    };
    let kind = start.rsplit(':').next().unwrap_or_default();
    let prefix = match kind.trim_end_matches('/') {
        "fleet" => "fleet-",
        "image" => "ami-",
        "instance" => "i-",
        "launch-template" => "lt-",
        "security-group" => "sg-",
        "snapshot" => "snap-",
        "volume" => "vol-",
        _ => "imgc-",
    };
    format!("{start}{prefix}{ID}")
}

/// Whose policies hold for the caller of an ARN, as GetCallerIdentity gives it. A role's path is not in it: one that has a path is not
/// found.
fn whose(arn: &str) -> Whose {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, partition, _, _, account, name] = parts[..] else {
        return Whose::Unknown;
    };
    let of = |name: &str| Whose::Of(format!("arn:{partition}:iam::{account}:{name}"));
    match name.split_once('/') {
        None if name == "root" => Whose::Owner,
        Some(("user" | "role", _)) => of(name),
        Some(("assumed-role", rest)) => {
            let role = rest.split('/').next().unwrap_or_default();
            of(&format!("role/{role}"))
        }
        _ => Whose::Unknown,
    }
}

/// Asks about actions on one thing.
async fn group(
    region: &RegionClient,
    caller: &Caller,
    who: &str,
    resource: &str,
    actions: &BTreeSet<String>,
) -> Result<Vec<Refusal>> {
    let place = match resource.split(':').nth(3) {
        Some(place) if !place.is_empty() => place,
        _ => region.name(),
    };
    let request = region
        .iam()
        .simulate_principal_policy()
        .policy_source_arn(who)
        .set_action_names(Some(actions.iter().cloned().collect()))
        .resource_arns(resource)
        .set_context_entries(Some(surroundings(resource, place)));
    let mut refusals = Vec::new();
    let mut next = None;
    loop {
        let request = request.clone().set_marker(next).send();
        let attempt = "ask what the policies allow";
        let answer = region.call("iam:SimulatePrincipalPolicy", attempt, request);
        let answer = Box::pin(answer).await?;
        for result in answer.evaluation_results.unwrap_or_default() {
            let is_allowed = result.eval_decision == PolicyEvaluationDecisionType::Allowed;
            // Of resources that are named it is said beside each.
            let own = result.missing_context_values();
            let theirs = result.resource_specific_results().iter();
            let theirs = theirs.flat_map(|one| one.missing_context_values());
            let is_sure = own.iter().chain(theirs).next().is_none();
            if !is_allowed && is_sure {
                let why = match result.eval_decision {
                    PolicyEvaluationDecisionType::ExplicitDeny => "a policy denies it to",
                    _ => "no policy allows it for",
                };
                refusals.push(Refusal {
                    action: result.eval_action_name,
                    region: place.to_owned(),
                    account: Some(caller.account.clone()),
                    why: format!("{why} {who}"),
                });
            }
        }
        next = answer.marker.filter(|_| answer.is_truncated);
        if next.is_none() {
            return Ok(refusals);
        }
    }
}

/// What policies may ask about a call of ours; in which region a call of IAM counts as made is left to the run.
fn surroundings(resource: &str, region: &str) -> Vec<ContextEntry> {
    let run = tags::RUN;
    let service = match resource.starts_with("arn:aws-cn:") {
        true => "ec2.amazonaws.com.cn",
        false => "ec2.amazonaws.com",
    };
    let entries = [
        (format!("aws:RequestTag/{run}"), "run"),
        (format!("aws:ResourceTag/{run}"), "run"),
        (format!("ec2:ResourceTag/{run}"), "run"),
        ("aws:RequestedRegion".to_owned(), region),
        ("ec2:Region".to_owned(), region),
        ("iam:PassedToService".to_owned(), service),
    ];
    let of_iam = resource.contains(":iam:");
    let entries = entries
        .into_iter()
        .filter(|(key, _)| !(of_iam && key.ends_with("Region")));
    let entry = |(key, value): (String, &str)| {
        ContextEntry::builder()
            .context_key_name(key)
            .context_key_type(ContextKeyTypeEnum::String)
            .context_key_values(value)
            .build()
    };
    entries.map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_iam_no_region_is_told() {
        for (resource, told) in [
            ("arn:aws:iam::111122223333:role/imgc/imgc-1", false),
            ("arn:aws:ec2:eu-west-1:111122223333:instance/i-1", true),
            ("arn:aws:s3:::images/*", true),
        ] {
            let entries = surroundings(resource, "eu-west-1");
            let mut keys = entries.iter().filter_map(ContextEntry::context_key_name);
            assert_eq!(
                keys.any(|key| key == "aws:RequestedRegion"),
                told,
                "{resource}"
            );
        }
    }

    #[test]
    fn policies_are_those_of_users_and_roles() {
        let of = |arn: &str| Whose::Of(arn.to_owned());
        for (arn, wanted) in [
            (
                "arn:aws:iam::111122223333:user/ops/ann",
                of("arn:aws:iam::111122223333:user/ops/ann"),
            ),
            (
                "arn:aws-cn:sts::111122223333:assumed-role/builder/session",
                of("arn:aws-cn:iam::111122223333:role/builder"),
            ),
            ("arn:aws:iam::111122223333:root", Whose::Owner),
            (
                "arn:aws:sts::111122223333:federated-user/ann",
                Whose::Unknown,
            ),
            ("ann", Whose::Unknown),
        ] {
            assert_eq!(whose(arn), wanted, "{arn}");
        }
    }

    #[test]
    fn what_is_rehearsed_or_allowed_by_others_is_not_asked() {
        let place = Place {
            region: "eu-west-1".to_owned(),
            account: Some("111122223333".to_owned()),
        };
        let parts = [
            Part::Group,
            Part::Instance,
            Part::Stop,
            Part::Bundle,
            Part::Image,
        ];
        let rights = rights(&BTreeSet::from(parts), &place, false);
        let groups = groups(&rights);
        let on = |thing: &str| {
            let actions = groups.get(thing).into_iter().flatten();
            actions.map(String::as_str).collect::<Vec<_>>()
        };
        assert_eq!(
            on("arn:aws:ec2:eu-west-1:111122223333:instance/i-0123456789abcdef0"),
            [
                "ec2:CreateImage",
                "ec2:StopInstances",
                "ec2:TerminateInstances"
            ]
        );
        assert_eq!(
            on("arn:aws:ec2:eu-west-1::image/ami-0123456789abcdef0"),
            ["ec2:CreateImage"]
        );
        let all: Vec<&String> = groups.values().flatten().collect();
        for none in ["ec2:RunInstances", "ec2:CreateTags", "s3:DeleteObject"] {
            assert!(all.iter().all(|action| *action != none), "{none}");
        }
    }

    /// Policies may allow them one by one.
    #[test]
    fn what_the_run_does_not_make_is_not_made_up() {
        let place = Place {
            region: "eu-west-1".to_owned(),
            account: Some("111122223333".to_owned()),
        };
        let of = |parts: &[Part]| {
            let parts = parts.iter().copied().collect();
            groups(&rights(&parts, &place, false)).into_keys()
        };
        for thing in of(&[Part::Session, Part::Profile, Part::Parameter, Part::Chroot]) {
            let kind = thing.rsplit(':').next().unwrap_or_default();
            let kind = kind.split('/').next().unwrap_or_default();
            // There is one such document, and it is Amazon's.
            let known = ["document", "image", "instance", "snapshot", "volume"];
            assert!(known.contains(&kind), "{thing}");
        }
        let own: Vec<String> = of(&[Part::OwnProfile]).collect();
        for kind in ["role", "instance-profile"] {
            let thing = format!("arn:aws:iam::111122223333:{kind}/imgc/imgc-{ID}");
            assert!(own.contains(&thing), "{own:?}");
        }
    }

    #[test]
    fn roles_are_passed_to_the_service_of_their_part_of_amazon() {
        let of = |arn: &str| {
            let mut entries = surroundings(arn, "x").into_iter();
            let entry = entries.find(|one| one.context_key_name() == Some("iam:PassedToService"));
            entry.map(|one| one.context_key_values().to_vec())
        };
        let service = |name: &str| Some(vec![name.to_owned()]);
        assert_eq!(of("arn:aws:iam::1:role/x"), service("ec2.amazonaws.com"));
        assert_eq!(
            of("arn:aws-cn:iam::1:role/x"),
            service("ec2.amazonaws.com.cn")
        );
    }
}
