//! Lists: moto's answer with what moto does not know, without what cannot be seen yet, filtered again, page by page.

use std::collections::BTreeMap;

use super::answer::Answer;
use super::behaviour::Behaviour;
use super::ec2::{Outcome, ask, key_pair};
use super::filters::Filters;
use super::request::Request;
use super::server::Shared;
use super::shown;
use super::stock;
use super::xml::Element;

/// What a list is made of.
struct List {
    action: &'static str,
    /// The element that holds the members.
    set: &'static str,
    /// The element of a member that holds its id.
    id: &'static str,
    paged: bool,
}

const fn list_of(action: &'static str, set: &'static str, id: &'static str) -> List {
    let paged = true;
    List {
        action,
        set,
        id,
        paged,
    }
}

const LISTS: [List; 15] = [
    list_of("DescribeImages", "imagesSet", "imageId"),
    list_of("DescribeInstanceStatus", "instanceStatusSet", "instanceId"),
    list_of(
        "DescribeInstanceTypeOfferings",
        "instanceTypeOfferingSet",
        "instanceType",
    ),
    list_of("DescribeInstanceTypes", "instanceTypeSet", "instanceType"),
    list_of("DescribeInstances", "reservationSet", "reservationId"),
    list_of(
        "DescribeInternetGateways",
        "internetGatewaySet",
        "internetGatewayId",
    ),
    List {
        paged: false,
        ..list_of("DescribeKeyPairs", "keySet", "keyPairId")
    },
    list_of(
        "DescribeLaunchTemplates",
        "launchTemplates",
        "launchTemplateId",
    ),
    list_of(
        "DescribeNetworkInterfaces",
        "networkInterfaceSet",
        "networkInterfaceId",
    ),
    list_of("DescribeRouteTables", "routeTableSet", "routeTableId"),
    list_of("DescribeSecurityGroups", "securityGroupInfo", "groupId"),
    list_of("DescribeSnapshots", "snapshotSet", "snapshotId"),
    list_of("DescribeSubnets", "subnetSet", "subnetId"),
    list_of("DescribeVolumes", "volumeSet", "volumeId"),
    list_of("DescribeVpcs", "vpcSet", "vpcId"),
];

/// Answers an action that reads; what is no list is moto's alone.
pub(crate) async fn list(shared: &Shared, request: &Request, behaviour: &Behaviour) -> Answer {
    let lists = LISTS.iter();
    let Some(list) = lists.into_iter().find(|list| list.action == request.action) else {
        return shared.send(request).await;
    };
    let (filters, parameters) = Filters::take(request);
    let mut parameters = parameters;
    parameters.remove("MaxResults");
    parameters.remove("NextToken");
    let (answer, mut tree) = match whole(shared, &request.with(parameters), list).await {
        Ok(whole) => whole,
        Err(answer) => return answer,
    };
    {
        let mut state = shared.state();
        let fleet = &shared.fleet;
        let set = tree.child_mut(list.set);
        set.children.retain_mut(|member| {
            let id = member.text_at(list.id).to_owned();
            let key = key_pair(request, member.text_at("keyName"));
            // Asked about both, so that a key pair is seen by its id as soon as by its name.
            if state.hidden.contains(&id) || state.is_unseen(&id) | state.is_unseen(&key) {
                return false;
            }
            match list.action {
                "DescribeImages" => shown::image(member, &mut state),
                "DescribeSnapshots" => shown::snapshot(member, &mut state),
                "DescribeVolumes" => shown::volume(member, &mut state),
                "DescribeInstances" => {
                    let instances = member.child_mut("instancesSet");
                    instances.children.retain_mut(|instance| {
                        let id = instance.text_at("instanceId").to_owned();
                        shown::instance(instance, &mut state, fleet);
                        !state.is_unseen(&id) && filters.match_instance(instance)
                    });
                    return !instances.children.is_empty();
                }
                "DescribeInstanceStatus" => {
                    shown::status(member, &mut state);
                    let is_running = member.text_at("instanceState/name") == "running";
                    return is_running || request.parameter("IncludeAllInstances") == "true";
                }
                _ => {}
            }
            filters.match_member(member, &request.account)
        });
    }
    if list.paged {
        page(&mut tree, list, request, behaviour);
    }
    answer.with_tree(&tree)
}

/// All pages of moto's in one.
async fn whole(shared: &Shared, request: &Request, list: &List) -> Outcome<(Answer, Element)> {
    let answer = shared.send(request).await;
    let Some(mut tree) = answer.tree() else {
        return Err(answer);
    };
    loop {
        let next = tree.text_at("nextToken").to_owned();
        tree.remove("nextToken");
        if next.is_empty() {
            return Ok((answer, tree));
        }
        let mut parameters = request.parameters.clone();
        parameters.insert("NextToken".to_owned(), next);
        let further = shared.send(&request.with(parameters)).await;
        let Some(further) = further.tree() else {
            return Err(further);
        };
        let members = further.items(list.set).to_vec();
        tree.child_mut(list.set).children.extend(members);
        tree.set("nextToken", further.text_at("nextToken"));
    }
}

/// Leaves one page, and says where the next one begins.
fn page(tree: &mut Element, list: &List, request: &Request, behaviour: &Behaviour) {
    let asked = request.parameter("MaxResults").parse().ok();
    let size = [asked, behaviour.page].into_iter().flatten().min();
    // Who asks for things by their ids gets them all at once.
    let by_id = request.parameters.keys().any(|name| {
        let (name, at) = name.split_once('.').unwrap_or((name, ""));
        name != "Filter" && name != "Owner" && at == "1"
    });
    let Some(size) = size.filter(|size| *size > 0 && !by_id) else {
        return;
    };
    let from = request.parameter("NextToken");
    let from: usize = from
        .strip_prefix("page-")
        .and_then(|from| from.parse().ok())
        .unwrap_or(0);
    let members = &mut tree.child_mut(list.set).children;
    let more = members.len() > from + size;
    *members = members.iter().skip(from).take(size).cloned().collect();
    if more {
        tree.set("nextToken", format!("page-{}", from + size));
    }
}

/// An image as it is shown.
pub(crate) async fn image(shared: &Shared, request: &Request, id: &str) -> Outcome<Element> {
    // Those of the stock never change, and every instance is started from one.
    let key = format!("{}/{id}", request.region);
    let known = shared.state().stock.get(&key).cloned();
    let mut image = match known {
        Some(image) => image,
        None => {
            let asked = [("ImageId.1", id)];
            let tree = ask(shared, request, "DescribeImages", &asked).await?;
            let Some(image) = tree.items("imagesSet").first().cloned() else {
                let message = format!("The image id '[{id}]' does not exist");
                return Err(Answer::error(
                    request,
                    400,
                    "InvalidAMIID.NotFound",
                    &message,
                ));
            };
            if stock::is_stock(id) {
                shared.state().stock.insert(key, image.clone());
            }
            image
        }
    };
    shown::image(&mut image, &mut shared.state());
    Ok(image)
}

/// An instance as moto has it.
pub(crate) async fn instance(shared: &Shared, request: &Request, id: &str) -> Outcome<Element> {
    let tree = ask(
        shared,
        request,
        "DescribeInstances",
        &[("InstanceId.1", id)],
    )
    .await?;
    let instance = tree.items("reservationSet").first();
    let instance = instance.and_then(|reservation| reservation.items("instancesSet").first());
    instance.cloned().ok_or_else(|| {
        let message = format!("The instance ID '{id}' does not exist");
        Answer::error(request, 400, "InvalidInstanceID.NotFound", &message)
    })
}

/// All instances of a region that are as the parameters say, as moto has them.
pub(crate) async fn instances(
    shared: &Shared,
    request: &Request,
    parameters: BTreeMap<String, String>,
) -> Outcome<Vec<Element>> {
    let all = request.ec2("DescribeInstances", &[]).with(parameters);
    let list = list_of("DescribeInstances", "reservationSet", "reservationId");
    let (_, tree) = whole(shared, &all, &list).await?;
    let reservations = tree.items("reservationSet").iter();
    Ok(reservations
        .flat_map(|reservation| reservation.items("instancesSet"))
        .cloned()
        .collect())
}
