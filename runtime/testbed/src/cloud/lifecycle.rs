//! Instances and disks that go from one state to the next.

use super::answer::Answer;
use super::behaviour::Behaviour;
use super::ec2::{Outcome, ask};
use super::machines::Door;
use super::request::Request;
use super::server::Shared;
use super::shown;

/// `StartInstances`, `StopInstances`, `TerminateInstances`, `RebootInstances`.
pub(crate) async fn instances(
    shared: &Shared,
    request: &Request,
    behaviour: &Behaviour,
) -> Outcome<Answer> {
    let action = request.action.as_str();
    let ids = request.list("InstanceId");
    let mut ended = Vec::new();
    for id in &ids {
        let has_ended = shared.state().ended.contains(id);
        if has_ended {
            ended.push(id.clone());
            if action != "TerminateInstances" {
                let message =
                    format!("The instance '{id}' is not in a state from which it can be changed.");
                return Err(Answer::error(
                    request,
                    400,
                    "IncorrectInstanceState",
                    &message,
                ));
            }
        }
        let has_store = shared.state().instances.contains_key(id);
        if action == "StopInstances" && has_store {
            let message = format!(
                "The instance '{id}' does not have an 'ebs' root device type and cannot be stopped"
            );
            return Err(Answer::error(
                request,
                400,
                "UnsupportedOperation",
                &message,
            ));
        }
    }
    let answer = shared.send(request).await;
    let Some(mut tree) = answer.tree() else {
        return Ok(answer);
    };
    let waits = &behaviour.waits;
    let (name, wait, door) = match action {
        "StartInstances" => ("pending", waits.pending, Door::Open),
        "StopInstances" => ("stopping", waits.stopping, Door::Closed),
        "TerminateInstances" => ("shutting-down", waits.shutting_down, Door::Gone),
        _ => return Ok(answer),
    };
    for id in ids.iter().filter(|id| !ended.contains(id)) {
        let mut state = shared.state();
        state.pass(id, name, wait);
        if action == "TerminateInstances" {
            state.ended.insert(id.clone());
            state.started.remove(id);
        }
        if let Some(started) = state.started.get_mut(id) {
            let name = match action {
                "StopInstances" => "stopped",
                _ => "running",
            };
            started.instance.set("instanceState/name", name);
        }
        drop(state);
        shared.fleet.set(id, door);
    }
    for set in &mut tree.children {
        for item in &mut set.children {
            let is_ended = ended.iter().any(|id| id == item.text_at("instanceId"));
            if is_ended {
                item.set("currentState/name", "terminated");
                item.set("currentState/code", "48");
            } else {
                item.set("currentState/name", name);
                item.set("currentState/code", shown::code(name));
            }
        }
    }
    Ok(answer.with_tree(&tree))
}

/// `CreateVolume`, `CreateSnapshot`, `CopySnapshot`.
pub(crate) async fn storage(
    shared: &Shared,
    request: &Request,
    behaviour: &Behaviour,
) -> Outcome<Answer> {
    let answer = shared.send(request).await;
    let Some(mut tree) = answer.tree() else {
        return Ok(answer);
    };
    if request.action == "CreateVolume" {
        let wait = behaviour.waits.volume;
        shared
            .state()
            .pass(tree.text_at("volumeId"), "creating", wait);
        return Ok(answer);
    }
    let id = tree.text_at("snapshotId").to_owned();
    let wait = behaviour.waits.snapshot;
    let mut state = shared.state();
    state.pass(&id, "pending", wait);
    if request.action == "CreateSnapshot" {
        tree.set("status", "pending");
        tree.set("progress", "0%");
    }
    let encrypted = request.parameter("Encrypted") == "true";
    if request.action == "CopySnapshot" && encrypted {
        let shown = &mut state.snapshots.entry(id).or_default().shown;
        shown.insert("encrypted".to_owned(), "true".to_owned());
        shown.insert(
            "kmsKeyId".to_owned(),
            request.parameter("KmsKeyId").to_owned(),
        );
    }
    drop(state);
    Ok(answer.with_tree(&tree))
}

/// `AttachVolume`.
pub(crate) async fn attach(shared: &Shared, request: &Request) -> Outcome<Answer> {
    let id = request.parameter("VolumeId");
    let volumes = ask(shared, request, "DescribeVolumes", &[("VolumeId.1", id)]).await?;
    let volume = volumes.items("volumeSet").first();
    if shared.state().passing(id).is_some() {
        let message = format!("Volume '{id}' is not 'available'.");
        return Err(Answer::error(request, 400, "IncorrectState", &message));
    }
    if volume.is_some_and(|volume| volume.text_at("status") == "in-use") {
        let message = format!("{id} is already attached to an instance");
        return Err(Answer::error(request, 400, "VolumeInUse", &message));
    }
    Ok(shared.send(request).await)
}

/// Ends or stops an instance from inside.
pub(crate) async fn shut_down(shared: &Shared, id: &str) {
    let places = shared.state().places.clone();
    let behaviour = shared.behaviour();
    for (account, region) in &places {
        let base = Request::internal("ec2", account, region);
        let asked = [
            ("InstanceId", id),
            ("Attribute", "instanceInitiatedShutdownBehavior"),
        ];
        let Ok(attribute) = ask(shared, &base, "DescribeInstanceAttribute", &asked).await else {
            continue;
        };
        let ends = attribute.text_at("instanceInitiatedShutdownBehavior/value") == "terminate";
        let action = if ends {
            "TerminateInstances"
        } else {
            "StopInstances"
        };
        let request = base.ec2(action, &[("InstanceId.1", id)]);
        let _changing = shared.changing.lock().await;
        // What is refused leaves the instance as it is, which the test sees.
        let _ = instances(shared, &request, &behaviour).await;
    }
}
