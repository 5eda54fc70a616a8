//! Instances: started with the disks of their image, if there is capacity, with a machine behind.

use std::collections::BTreeMap;

use super::account;
use super::answer::Answer;
use super::behaviour::{Behaviour, Wait};
use super::ec2::{Outcome, ask};
use super::request::{Request, decoded};
use super::server::Shared;
use super::state::{Disk, Started, Template};
use super::xml::Element;
use super::{describe, disks, keys, shown, user_data};
use crate::sshd::Options;

/// What an hour costs on the spot market where a test says nothing else.
const SPOT_PRICE: &str = "0.0042";

/// `CreateLaunchTemplate`.
pub(crate) async fn template(shared: &Shared, request: &Request) -> Outcome<Answer> {
    let answer = shared.send(request).await;
    if let Some(tree) = answer.tree() {
        let id = tree.texts("launchTemplateId").into_iter().next();
        let parameters = request.parameters.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix("LaunchTemplateData.")?;
            Some((name.to_owned(), value.clone()))
        });
        let template = Template {
            name: request.parameter("LaunchTemplateName").to_owned(),
            parameters: parameters.collect(),
        };
        shared
            .state()
            .templates
            .insert(id.unwrap_or_default(), template);
    }
    Ok(answer)
}

/// `RunInstances`.
pub(crate) async fn run(
    shared: &Shared,
    request: &Request,
    behaviour: &Behaviour,
) -> Outcome<Answer> {
    let mut parameters = request.parameters.clone();
    parameters.retain(|name, _| !name.starts_with("LaunchTemplate."));
    let id = request.parameter("LaunchTemplate.LaunchTemplateId");
    let name = request.parameter("LaunchTemplate.LaunchTemplateName");
    if !(id.is_empty() && name.is_empty()) {
        let mut whole = template_of(shared, request, id, name)?;
        whole.extend(parameters);
        parameters = whole;
    }
    start(shared, &request.with(parameters), behaviour).await
}

/// The parameters of the launch template of that id, or, where the id is empty, of that name.
pub(crate) fn template_of(
    shared: &Shared,
    request: &Request,
    id: &str,
    name: &str,
) -> Outcome<BTreeMap<String, String>> {
    let state = shared.state();
    let mut templates = state.templates.iter();
    let found =
        templates.find(|(known, template)| *known == id || id.is_empty() && template.name == name);
    found
        .map(|(_, template)| template.parameters.clone())
        .ok_or_else(|| {
            let message = format!(
                "The specified launch template, with template ID {id}{name}, does not exist."
            );
            Answer::error(request, 400, "InvalidLaunchTemplateId.NotFound", &message)
        })
}

/// Starts instances from parameters that need no template.
pub(crate) async fn start(
    shared: &Shared,
    request: &Request,
    behaviour: &Behaviour,
) -> Outcome<Answer> {
    let image = describe::image(shared, request, request.parameter("ImageId")).await?;
    let state = image.text_at("imageState");
    if state != "available" {
        let message = format!("The image ID '{}' is {state}", request.parameter("ImageId"));
        return Err(Answer::error(
            request,
            400,
            "InvalidAMIID.Unavailable",
            &message,
        ));
    }
    check_profile(shared, request)?;
    let mut keys = Vec::new();
    if !request.parameter("KeyName").is_empty() {
        keys.push(keys::public(shared, request, request.parameter("KeyName")).await?);
    }
    check_capacity(shared, request, behaviour).await?;
    let of_image: Vec<_> = image
        .items("blockDeviceMapping")
        .iter()
        .map(disks::shown)
        .collect();
    let asked = disks::asked(request);
    let disks = disks::merged(&of_image, &asked);
    let mut parameters = request.parameters.clone();
    parameters.retain(|name, _| !name.starts_with("BlockDeviceMapping."));
    parameters.extend(disks::parameters(&disks, &asked));
    let answer = shared.send(&request.with(parameters)).await;
    let Some(mut tree) = answer.tree() else {
        return Ok(answer);
    };
    let is_windows = image.text_at("platform").eq_ignore_ascii_case("windows");
    let store = image.text_at("rootDeviceType") == "instance-store";
    for instance in &mut tree.child_mut("instancesSet").children {
        let id = instance.text_at("instanceId").to_owned();
        if let Some(started) = started(instance, &disks) {
            shared.state().started.insert(id.clone(), started);
        }
        shown::unaddressed(instance);
        let groups = instance.texts("groupId");
        shared.state().members.insert(id.clone(), groups);
        begin(shared, behaviour, &id, store);
        if let Some(machines) = behaviour.machines.as_ref().filter(|_| !is_windows) {
            let data = decoded(request.parameter("UserData"));
            let host_key = user_data::host_key(&data).filter(|_| !machines.ignore_user_data);
            let options = Options {
                authorized_keys: keys.clone(),
                first_boot: true,
                host_key,
                config: machines.config.clone(),
                accounts: machines.accounts,
                programs: machines.programs.clone(),
                ..Options::default()
            };
            shared.fleet.boot(&id, options);
        }
    }
    Ok(answer.with_tree(&tree))
}

/// What moto has made of an instance with these disks; `None` where it does not say which volumes they are.
fn started(instance: &Element, disks: &[Disk]) -> Option<Started> {
    let volumes = instance.items("blockDeviceMapping").iter();
    let volumes = volumes.map(|mapping| {
        let device = mapping.text_at("deviceName");
        let id = mapping.text_at("ebs/volumeId");
        let disk = disks.iter().find(|disk| disk.device == device)?;
        let is_known = !id.is_empty() && !disk.size.is_empty();
        is_known.then(|| {
            let kind = disks::kind(disk).to_owned();
            (
                id.to_owned(),
                Disk {
                    kind,
                    ..disk.clone()
                },
            )
        })
    });
    let volumes: Vec<_> = volumes.collect::<Option<_>>()?;
    let mut instance = instance.clone();
    instance.set("instanceState/name", "running");
    let wanted = disks.iter().filter(|disk| disk.virtual_name.is_empty());
    (volumes.len() == wanted.count()).then_some(Started { instance, volumes })
}

fn begin(shared: &Shared, behaviour: &Behaviour, id: &str, store: bool) {
    let waits = &behaviour.waits;
    let mut state = shared.state();
    state.pass(id, "pending", waits.pending);
    for (what, delay) in [("console", waits.console), ("password", waits.password)] {
        if let Some(wait) = Wait::begin(delay) {
            state.silent.insert(format!("{what}/{id}"), wait);
        }
    }
    if store {
        let shown = [("rootDeviceType".to_owned(), "instance-store".to_owned())];
        state.instances.insert(id.to_owned(), shown.into());
    }
}

/// A profile that was just made is not known to EC2 yet.
fn check_profile(shared: &Shared, request: &Request) -> Outcome<()> {
    let arn = request.parameter("IamInstanceProfile.Arn");
    let name = match request.parameter("IamInstanceProfile.Name") {
        "" => arn.rsplit('/').next().unwrap_or_default(),
        name => name,
    };
    let key = account::profile(request, name);
    if name.is_empty() || !shared.state().is_unseen(&key) {
        return Ok(());
    }
    let message = format!(
        "Value ({name}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
    );
    Err(Answer::error(
        request,
        400,
        "InvalidParameterValue",
        &message,
    ))
}

async fn check_capacity(shared: &Shared, request: &Request, behaviour: &Behaviour) -> Outcome<()> {
    let wanted = request.parameter("InstanceType");
    if behaviour.no_capacity.iter().any(|kind| kind == wanted) {
        let message = format!(
            "We currently do not have sufficient {wanted} capacity in the Availability Zone you requested."
        );
        return Err(Answer::error(
            request,
            500,
            "InsufficientInstanceCapacity",
            &message,
        ));
    }
    let limit = request.parameter("InstanceMarketOptions.SpotOptions.MaxPrice");
    let price = price(behaviour, wanted);
    if let (Ok(limit), Ok(now)) = (limit.parse::<f64>(), price.parse::<f64>())
        && limit < now
    {
        let message = format!(
            "Your Spot request price of {limit} is lower than the minimum required Spot request fulfillment price of {price}."
        );
        return Err(Answer::error(request, 400, "SpotMaxPriceTooLow", &message));
    }
    let Some(allowed) = behaviour.vcpus else {
        return Ok(());
    };
    let mut kinds = vec![wanted.to_owned()];
    for instance in describe::instances(shared, request, Default::default()).await? {
        if matches!(
            instance.text_at("instanceState/name"),
            "pending" | "running"
        ) {
            kinds.push(instance.text_at("instanceType").to_owned());
        }
    }
    let mut used = 0;
    for kind in &kinds {
        let types = ask(
            shared,
            request,
            "DescribeInstanceTypes",
            &[("InstanceType.1", kind)],
        )
        .await?;
        let cpus = types
            .texts("defaultVCpus")
            .first()
            .and_then(|cpus| cpus.parse().ok());
        used += cpus.unwrap_or(1_u32);
    }
    if used <= allowed {
        return Ok(());
    }
    let message = format!(
        "You have requested more vCPU capacity than your current vCPU limit of {allowed} allows for the instance bucket \
         that the specified instance type belongs to."
    );
    Err(Answer::error(request, 400, "VcpuLimitExceeded", &message))
}

fn price<'a>(behaviour: &'a Behaviour, kind: &str) -> &'a str {
    behaviour
        .spot_prices
        .get(kind)
        .map_or(SPOT_PRICE, String::as_str)
}

/// `DescribeSpotPriceHistory`: one price for each instance type and zone.
pub(crate) fn describe_prices(request: &Request, behaviour: &Behaviour) -> Answer {
    let mut prices = Vec::new();
    let product = match request.parameter("ProductDescription.1") {
        "" => "Linux/UNIX",
        product => product,
    };
    for kind in request.list("InstanceType") {
        for zone in ["a", "b"] {
            let members = vec![
                Element::with_text("instanceType", &kind),
                Element::with_text("productDescription", product),
                Element::with_text("spotPrice", price(behaviour, &kind)),
                Element::with_text("timestamp", jiff::Timestamp::now().to_string()),
                Element::with_text("availabilityZone", format!("{}{zone}", request.region)),
            ];
            prices.push(Element::with_children("item", members));
        }
    }
    let set = Element::with_children("spotPriceHistorySet", prices);
    Answer::ec2("DescribeSpotPriceHistory", vec![set])
}
