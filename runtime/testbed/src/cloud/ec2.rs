//! EC2: what is refused before anything is done, client tokens, and who answers which action.

use std::sync::Arc;

use super::answer::Answer;
use super::behaviour::Behaviour;
use super::call::is_read;
use super::request::Request;
use super::server::Shared;
use super::state::Token;
use super::xml::Element;
use super::{console, describe, fleet, image, import, keys, launch, lifecycle, removal};

/// A result whose error is what the caller is answered.
pub(crate) type Outcome<T> = Result<T, Answer>;

/// Answers a request that is allowed.
pub(crate) async fn serve(shared: &Shared, request: &Request, behaviour: &Behaviour) -> Answer {
    if request.parameter("DryRun") == "true" {
        return Answer::error(
            request,
            412,
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.",
        );
    }
    if let Some(answer) = not_found(shared, request) {
        return answer;
    }
    if request.parameter("ClientToken").is_empty() {
        perform(shared, request, behaviour).await
    } else {
        once(shared, request, behaviour).await
    }
}

/// Performs a request with a client token once, and gives the same answer to all that come with it later.
async fn once(shared: &Shared, request: &Request, behaviour: &Behaviour) -> Answer {
    let Request {
        account,
        region,
        action,
        ..
    } = request;
    let token = request.parameter("ClientToken");
    let key = format!("{account}/{region}/{action}/{token}");
    let token = Arc::clone(shared.state().tokens.entry(key).or_default());
    // Whoever comes while the first is being performed waits for its answer.
    let mut token: tokio::sync::MutexGuard<'_, Token> = token.lock().await;
    if let Some(answer) = &token.answer {
        if token.parameters == request.parameters {
            return answer.clone();
        }
        return Answer::error(
            request,
            400,
            "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
        );
    }
    let answer = perform(shared, request, behaviour).await;
    if answer.is_ok() {
        token.parameters.clone_from(&request.parameters);
        token.answer = Some(answer.clone());
    }
    answer
}

/// The error for something that exists and cannot be seen yet.
fn not_found(shared: &Shared, request: &Request) -> Option<Answer> {
    let mut state = shared.state();
    if state.unseen.is_empty() {
        return None;
    }
    // A filter finds nothing, which is no error.
    let mut parameters = request.parameters.iter();
    let (name, value) = parameters.find(|(name, value)| {
        if name.starts_with("Filter.") {
            return false;
        }
        // A key pair is known by its name.
        let is_key = *name == "KeyName" || name.starts_with("KeyName.");
        let key = is_key.then(|| key_pair(request, value));
        state.is_unseen(value) || key.is_some_and(|key| state.is_unseen(&key))
    })?;
    let (code, what) = match value.split_once('-').map(|(kind, _)| kind) {
        _ if name.starts_with("KeyName") => ("InvalidKeyPair.NotFound", "key pair"),
        Some("i") => ("InvalidInstanceID.NotFound", "instance ID"),
        Some("ami") => ("InvalidAMIID.NotFound", "image id"),
        Some("snap") => ("InvalidSnapshot.NotFound", "snapshot"),
        Some("vol") => ("InvalidVolume.NotFound", "volume"),
        Some("sg") => ("InvalidGroup.NotFound", "security group"),
        Some("lt") => ("InvalidLaunchTemplateId.NotFound", "launch template"),
        _ => ("InvalidKeyPair.NotFound", "key pair"),
    };
    let message = format!("The {what} '{value}' does not exist");
    Some(Answer::error(request, 400, code, &message))
}

/// How a key pair is remembered.
pub(crate) fn key_pair(request: &Request, name: &str) -> String {
    format!("key/{}/{}/{name}", request.account, request.region)
}

async fn perform(shared: &Shared, request: &Request, behaviour: &Behaviour) -> Answer {
    if is_read(&request.action) {
        return read(shared, request, behaviour)
            .await
            .unwrap_or_else(|answer| answer);
    }
    let _changing = shared.changing.lock().await;
    let answer = change(shared, request, behaviour).await;
    let answer = answer.unwrap_or_else(|answer| answer);
    learn(shared, request, behaviour, &answer);
    answer
}

async fn read(shared: &Shared, request: &Request, behaviour: &Behaviour) -> Outcome<Answer> {
    match request.action.as_str() {
        "GetConsoleOutput" => console::output(shared, request, behaviour).await,
        "GetPasswordData" => console::password(shared, request, behaviour).await,
        "DescribeFleets" => Ok(fleet::describe(shared, request)),
        "DescribeTags" if request.parameter("Filter.1.Value.1") == "fleet" => {
            Ok(fleet::describe_tags(shared, request))
        }
        "DescribeFastLaunchImages" => Ok(image::attributes::describe_fast_launch(shared)),
        "DescribeImageAttribute" => image::attributes::describe(shared, request).await,
        "DescribeImportImageTasks" => import::describe(shared, request).await,
        "DescribeSpotPriceHistory" => Ok(launch::describe_prices(request, behaviour)),
        _ => Ok(describe::list(shared, request, behaviour).await),
    }
}

/// Changes after which instances are as they were, but for their state.
const HARMLESS: [&str; 15] = [
    "AuthorizeSecurityGroupIngress",
    "CreateImage",
    "CreateKeyPair",
    "CreateSecurityGroup",
    "CreateTags",
    "DeleteKeyPair",
    "DeleteSecurityGroup",
    "DeleteTags",
    "ImportKeyPair",
    "ModifyImageAttribute",
    "RebootInstances",
    "RunInstances",
    "StartInstances",
    "StopInstances",
    "TerminateInstances",
];

async fn change(shared: &Shared, request: &Request, behaviour: &Behaviour) -> Outcome<Answer> {
    if !HARMLESS.contains(&request.action.as_str()) {
        shared.state().started.clear();
    }
    match request.action.as_str() {
        "CreateImage" => image::create(shared, request, behaviour).await,
        "RegisterImage" => image::register(shared, request, behaviour).await,
        "CopyImage" => image::copy(shared, request, behaviour).await,
        "ImportImage" => import::begin(shared, request, behaviour).await,
        "CancelImportTask" => import::cancel(shared, request),
        "DeregisterImage" => image::attributes::deregister(shared, request).await,
        "ModifySnapshotAttribute" => image::attributes::permit(shared, request).await,
        "ModifyImageAttribute" => image::attributes::modify(shared, request).await,
        "EnableImage"
        | "DisableImage"
        | "EnableImageDeprecation"
        | "DisableImageDeprecation"
        | "EnableImageDeregistrationProtection"
        | "DisableImageDeregistrationProtection"
        | "EnableFastLaunch"
        | "DisableFastLaunch" => image::attributes::switch(shared, request).await,
        "RunInstances" => launch::run(shared, request, behaviour).await,
        "CreateKeyPair" | "ImportKeyPair" | "DeleteKeyPair" => keys::change(shared, request).await,
        "CreateFleet" => fleet::create(shared, request, behaviour).await,
        "CreateLaunchTemplate" => launch::template(shared, request).await,
        "DeleteFleets" => fleet::delete(shared, request, behaviour).await,
        "StartInstances" | "StopInstances" | "TerminateInstances" | "RebootInstances" => {
            lifecycle::instances(shared, request, behaviour).await
        }
        "CreateSnapshot" | "CopySnapshot" | "CreateVolume" => {
            lifecycle::storage(shared, request, behaviour).await
        }
        "AttachVolume" => lifecycle::attach(shared, request).await,
        "DeleteSecurityGroup" => removal::group(shared, request).await,
        "DeleteSnapshot" => removal::snapshot(shared, request).await,
        _ => Ok(shared.send(request).await),
    }
}

/// Hides what an action has just made, for as long as the cloud needs to see it everywhere.
fn learn(shared: &Shared, request: &Request, behaviour: &Behaviour, answer: &Answer) {
    if request.action.starts_with("AuthorizeSecurityGroup") {
        let groups = request.parameters.iter();
        let groups = groups.filter(|(name, _)| name.contains(".Groups."));
        let groups = groups.map(|(_, group)| group.clone());
        shared.state().named_groups.extend(groups);
    }
    let names: &[&str] = match request.action.as_str() {
        "RunInstances" | "CreateFleet" => &["instanceId"],
        "CreateImage" | "CopyImage" | "RegisterImage" => &["imageId"],
        "CreateSnapshot" | "CopySnapshot" => &["snapshotId"],
        "CreateVolume" => &["volumeId"],
        "CreateSecurityGroup" => &["groupId"],
        "CreateKeyPair" | "ImportKeyPair" => &["keyName", "keyPairId"],
        "CreateLaunchTemplate" => &["launchTemplateId"],
        _ => return,
    };
    let Some(tree) = answer.tree() else { return };
    let mut state = shared.state();
    for name in names {
        for mut id in tree.texts(name) {
            if *name == "keyName" {
                id = key_pair(request, &id);
            }
            state.hide(&id, behaviour.waits.visible);
        }
    }
    for instance in tree.all("instanceIds") {
        for id in instance.texts("item") {
            state.hide(&id, behaviour.waits.visible);
        }
    }
}

/// Asks moto on behalf of a request: the tree of the answer, or the error as the answer.
pub(crate) async fn ask(
    shared: &Shared,
    request: &Request,
    action: &str,
    parameters: &[(&str, &str)],
) -> Outcome<Element> {
    let answer = shared.send(&request.ec2(action, parameters)).await;
    answer.tree().ok_or(answer)
}

/// Gives tags that moto's own action does not take: those of a kind, to things that were just made.
pub(crate) async fn tag(
    shared: &Shared,
    request: &Request,
    kind: &str,
    ids: &[String],
) -> Outcome<()> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for specification in 1..=20 {
        let prefix = format!("TagSpecification.{specification}.");
        if request.parameter(&format!("{prefix}ResourceType")) != kind {
            continue;
        }
        for at in 1.. {
            let Some(key) = request.parameters.get(&format!("{prefix}Tag.{at}.Key")) else {
                break;
            };
            let value = request.parameter(&format!("{prefix}Tag.{at}.Value"));
            let at = pairs.len() / 2 + 1;
            pairs.push((format!("Tag.{at}.Key"), key.clone()));
            pairs.push((format!("Tag.{at}.Value"), value.to_owned()));
        }
    }
    if pairs.is_empty() || ids.is_empty() {
        return Ok(());
    }
    let ids = ids.iter().enumerate();
    pairs.extend(ids.map(|(at, id)| (format!("ResourceId.{}", at + 1), id.clone())));
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    ask(shared, request, "CreateTags", &pairs).await.map(|_| ())
}

/// The request without the tags of these kinds, which moto's own action does not take.
pub(crate) fn without_tags(request: &Request, kinds: &[&str]) -> Request {
    let mut parameters = request.parameters.clone();
    let mut kept = 0;
    parameters.retain(|name, _| !name.starts_with("TagSpecification."));
    for specification in 1..=20 {
        let prefix = format!("TagSpecification.{specification}.");
        let kind = request.parameter(&format!("{prefix}ResourceType"));
        if kind.is_empty() || kinds.contains(&kind) {
            continue;
        }
        kept += 1;
        for (name, value) in &request.parameters {
            if let Some(rest) = name.strip_prefix(&prefix) {
                parameters.insert(format!("TagSpecification.{kept}.{rest}"), value.clone());
            }
        }
    }
    request.with(parameters)
}
