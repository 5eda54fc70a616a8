//! Instant fleets: one instance from the first combination of template and overrides for which there is capacity.
//!
//! moto's own forgets most of the template.

use std::collections::BTreeMap;

use super::answer::Answer;
use super::behaviour::Behaviour;
use super::ec2::Outcome;
use super::launch::{start, template_of};
use super::lifecycle;
use super::request::Request;
use super::server::Shared;
use super::xml::Element;

/// `CreateFleet`; those that are not instant are moto's.
pub(crate) async fn create(
    shared: &Shared,
    request: &Request,
    behaviour: &Behaviour,
) -> Outcome<Answer> {
    if request.parameter("Type") != "instant" {
        return Ok(shared.send(request).await);
    }
    let market = request.parameter("TargetCapacitySpecification.DefaultTargetCapacityType");
    let (mut errors, mut started, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for candidate in candidates(shared, request)? {
        let one = request.with(candidate.clone());
        let mut one = Request {
            action: "RunInstances".to_owned(),
            ..one
        };
        for (name, value) in [("MinCount", "1"), ("MaxCount", "1")] {
            one.parameters.insert(name.to_owned(), value.to_owned());
        }
        if market == "spot" {
            let name = "InstanceMarketOptions.MarketType".to_owned();
            one.parameters.insert(name, "spot".to_owned());
        }
        let one = one.with(one.parameters.clone());
        let kind = candidate.get("InstanceType").cloned().unwrap_or_default();
        let mut described = vec![Element::with_text(
            "lifecycle",
            if market == "spot" {
                market
            } else {
                "on-demand"
            },
        )];
        let mut config = Element::new("launchTemplateAndOverrides");
        config.set("overrides/instanceType", &kind);
        described.push(config);
        let answer = start(shared, &one, behaviour)
            .await
            .unwrap_or_else(|answer| answer);
        if let Some(tree) = answer.tree() {
            let id = tree
                .texts("instanceId")
                .into_iter()
                .next()
                .unwrap_or_default();
            let members = vec![Element::with_text("item", &id)];
            described.push(Element::with_children("instanceIds", members));
            described.push(Element::with_text("instanceType", kind));
            started.push(Element::with_children("item", described));
            ids.push(id);
            break;
        }
        let tree = Element::parse(&answer.body).unwrap_or_default();
        described.push(Element::with_text(
            "errorCode",
            answer.error_code().unwrap_or_default(),
        ));
        described.push(Element::with_text(
            "errorMessage",
            tree.texts("Message").concat(),
        ));
        errors.push(Element::with_children("item", described));
    }
    let id = {
        let mut state = shared.state();
        let id = state.new_id("fleet");
        state.fleets.insert(id.clone(), ids);
        state.fleet_tags.insert(id.clone(), tags_of(request));
        id
    };
    let members = vec![
        Element::with_text("fleetId", id),
        Element::with_children("errorSet", errors),
        Element::with_children("fleetInstanceSet", started),
    ];
    Ok(Answer::ec2("CreateFleet", members))
}

/// The parameters of each combination of template and overrides, in the order given.
fn candidates(shared: &Shared, request: &Request) -> Outcome<Vec<BTreeMap<String, String>>> {
    let mut candidates = Vec::new();
    for config in 1..=50 {
        let prefix = format!("LaunchTemplateConfigs.{config}.");
        if !request
            .parameters
            .keys()
            .any(|name| name.starts_with(&prefix))
        {
            break;
        }
        let of = |name: &str| {
            request.parameter(&format!(
                "{prefix}LaunchTemplateSpecification.LaunchTemplate{name}"
            ))
        };
        let mut base = template_of(shared, request, of("Id"), of("Name"))?;
        let offset =
            (1..).find(|at| !base.contains_key(&format!("TagSpecification.{at}.ResourceType")));
        let offset = offset.unwrap_or(1) - 1;
        for (name, value) in &request.parameters {
            // The tags of the fleet's instances come beside those of the template's.
            let Some((at, rest)) = name
                .strip_prefix("TagSpecification.")
                .and_then(|rest| rest.split_once('.'))
            else {
                continue;
            };
            let at = at.parse::<u32>().unwrap_or(1) + offset;
            base.insert(format!("TagSpecification.{at}.{rest}"), value.clone());
        }
        let mut any = false;
        for override_ in 1..=50 {
            let prefix = format!("{prefix}Overrides.{override_}.");
            let changed: Vec<_> = request
                .parameters
                .iter()
                .filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?, value)))
                .collect();
            if changed.is_empty() {
                break;
            }
            any = true;
            let mut candidate = base.clone();
            for (name, value) in changed {
                let name = match name {
                    "AvailabilityZone" => "Placement.AvailabilityZone",
                    "MaxPrice" => "InstanceMarketOptions.SpotOptions.MaxPrice",
                    name => name,
                };
                candidate.insert(name.to_owned(), value.clone());
            }
            candidates.push(candidate);
        }
        if !any {
            candidates.push(base);
        }
    }
    Ok(candidates)
}

/// The tags that a request gives to the fleet itself.
fn tags_of(request: &Request) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    for at in 1..=20 {
        let kind = format!("TagSpecification.{at}.ResourceType");
        if request.parameter(&kind) != "fleet" {
            continue;
        }
        for tag in 1..=50 {
            let of = |what: &str| {
                let name = format!("TagSpecification.{at}.Tag.{tag}.{what}");
                request.parameter(&name).to_owned()
            };
            if of("Key").is_empty() {
                break;
            }
            tags.insert(of("Key"), of("Value"));
        }
    }
    tags
}

/// `DescribeTags` of fleets: the only way to an instant one whose id is not known.
pub(crate) fn describe_tags(shared: &Shared, request: &Request) -> Answer {
    let keys = request.list("Filter.2.Value");
    let values = request.list("Filter.3.Value");
    let state = shared.state();
    let mut tags = Vec::new();
    for (id, own) in state.fleet_tags.iter() {
        for (key, value) in own.iter() {
            if !keys.contains(key) || !values.is_empty() && !values.contains(value) {
                continue;
            }
            let members = vec![
                Element::with_text("resourceId", id),
                Element::with_text("resourceType", "fleet"),
                Element::with_text("key", key),
                Element::with_text("value", value),
            ];
            tags.push(Element::with_children("item", members));
        }
    }
    Answer::ec2("DescribeTags", vec![Element::with_children("tagSet", tags)])
}

/// `DescribeFleets`, instant ones.
pub(crate) fn describe(shared: &Shared, request: &Request) -> Answer {
    let wanted = request.list("FleetId");
    let fleets = shared.state().fleets.clone().into_iter();
    let fleets = fleets.filter(|(id, _)| wanted.is_empty() || wanted.contains(id));
    let fleets = fleets.map(|(id, _)| {
        let members = vec![
            Element::with_text("fleetId", id),
            Element::with_text("fleetState", "active"),
            Element::with_text("type", "instant"),
        ];
        Element::with_children("item", members)
    });
    let set = Element::with_children("fleetSet", fleets.collect());
    Answer::ec2("DescribeFleets", vec![set])
}

/// `DeleteFleets`, instant ones: their instances end with them.
pub(crate) async fn delete(
    shared: &Shared,
    request: &Request,
    behaviour: &Behaviour,
) -> Outcome<Answer> {
    let mut deleted = Vec::new();
    for id in request.list("FleetId") {
        let instances = shared.state().fleets.remove(&id);
        let Some(instances) = instances else {
            return Ok(shared.send(request).await);
        };
        for instance in &instances {
            let end = request.ec2("TerminateInstances", &[("InstanceId.1", instance)]);
            lifecycle::instances(shared, &end, behaviour).await?;
        }
        let members = vec![
            Element::with_text("currentFleetState", "deleted_terminating"),
            Element::with_text("previousFleetState", "active"),
            Element::with_text("fleetId", id),
        ];
        deleted.push(Element::with_children("item", members));
    }
    let set = Element::with_children("successfulFleetDeletionSet", deleted);
    Ok(Answer::ec2("DeleteFleets", vec![set]))
}
