//! Images imported from S3: a task that takes its time and ends with an image of the task's name. moto has none.

use std::collections::BTreeMap;

use super::answer::Answer;
use super::behaviour::Behaviour;
use super::ec2::{Outcome, ask};
use super::image;
use super::request::Request;
use super::server::Shared;
use super::state::Import;
use super::xml::Element;

/// `ImportImage`.
pub(crate) async fn begin(
    shared: &Shared,
    request: &Request,
    behaviour: &Behaviour,
) -> Outcome<Answer> {
    let bucket = request.parameter("DiskContainer.1.UserBucket.S3Bucket");
    let key = request.parameter("DiskContainer.1.UserBucket.S3Key");
    if !image::has_object(shared, request, &format!("{bucket}/{key}")).await {
        let message = format!("The given S3 object does not exist: {bucket}/{key}");
        return Err(Answer::error(request, 400, "InvalidParameter", &message));
    }
    let mut state = shared.state();
    let id = state.new_id("import-ami");
    let import = Import {
        parameters: request.parameters.clone(),
        ..Import::default()
    };
    let members = shown(&id, &import, Some(2));
    state.imports.insert(id.clone(), import);
    state.pass(&id, "active", behaviour.waits.image);
    Ok(Answer::ec2("ImportImage", members))
}

/// `DescribeImportImageTasks`: the image is there as soon as somebody sees that the task is done.
pub(crate) async fn describe(shared: &Shared, request: &Request) -> Outcome<Answer> {
    let _changing = shared.changing.lock().await;
    let wanted = request.list("ImportTaskId");
    let imports = shared.state().imports.clone();
    let mut tasks = Vec::new();
    for (id, mut import) in imports {
        if !wanted.is_empty() && !wanted.contains(&id) {
            continue;
        }
        let passing = shared.state().passing(&id);
        if passing.is_none() && import.image.is_empty() && !import.cancelled {
            finish(shared, request, &id, &mut import).await?;
            shared.state().imports.insert(id.clone(), import.clone());
        }
        let progress = passing.map(|(_, percent)| percent);
        tasks.push(Element::with_children(
            "item",
            shown(&id, &import, progress),
        ));
    }
    let set = Element::with_children("importImageTaskSet", tasks);
    Ok(Answer::ec2("DescribeImportImageTasks", vec![set]))
}

/// `CancelImportTask`.
pub(crate) fn cancel(shared: &Shared, request: &Request) -> Outcome<Answer> {
    let id = request.parameter("ImportTaskId");
    let mut state = shared.state();
    let is_active = state.passing(id).is_some();
    let Some(import) = state.imports.get_mut(id).filter(|_| is_active) else {
        let message = format!("There is no task {id} that can be cancelled");
        return Err(Answer::error(
            request,
            400,
            "InvalidConversionTaskId",
            &message,
        ));
    };
    import.cancelled = true;
    state.passing.remove(id);
    let members = vec![
        Element::with_text("importTaskId", id),
        Element::with_text("previousState", "active"),
        Element::with_text("state", "cancelling"),
    ];
    Ok(Answer::ec2("CancelImportTask", members))
}

async fn finish(shared: &Shared, request: &Request, id: &str, import: &mut Import) -> Outcome<()> {
    let zone = format!("{}a", request.region);
    let encrypted = or(import, "Encrypted", "false").to_owned();
    let size = [
        ("Size", "8"),
        ("AvailabilityZone", zone.as_str()),
        ("Encrypted", &encrypted),
    ];
    let volume = ask(shared, request, "CreateVolume", &size).await?;
    let volume = [("VolumeId", volume.text_at("volumeId"))];
    let snapshot = ask(shared, request, "CreateSnapshot", &volume).await?;
    ask(shared, request, "DeleteVolume", &volume).await?;
    import.snapshot = snapshot.text_at("snapshotId").to_owned();
    let register = request.ec2(
        "RegisterImage",
        &[
            ("Name", id),
            ("Description", or(import, "Description", "")),
            ("Architecture", or(import, "Architecture", "x86_64")),
            ("BootMode", or(import, "BootMode", "")),
            ("VirtualizationType", "hvm"),
            ("RootDeviceName", "/dev/sda1"),
            ("BlockDeviceMapping.1.DeviceName", "/dev/sda1"),
            ("BlockDeviceMapping.1.Ebs.SnapshotId", &import.snapshot),
            ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true"),
        ],
    );
    let answer = image::register(shared, &register, &Behaviour::default()).await?;
    let tree = answer.tree().ok_or(answer)?;
    import.image = tree.text_at("imageId").to_owned();
    Ok(())
}

fn or<'a>(import: &'a Import, name: &str, otherwise: &'a str) -> &'a str {
    let parameters: &BTreeMap<String, String> = &import.parameters;
    parameters.get(name).map_or(otherwise, String::as_str)
}

/// A task as it is shown, with its progress as long as it is active.
fn shown(id: &str, import: &Import, progress: Option<u32>) -> Vec<Element> {
    let status = match progress {
        Some(_) => "active",
        None if import.cancelled => "deleted",
        None => "completed",
    };
    let mut task = Element::new("task");
    task.set("importTaskId", id);
    task.set("status", status);
    task.set("architecture", or(import, "Architecture", "x86_64"));
    task.set("description", or(import, "Description", ""));
    task.set("licenseType", or(import, "LicenseType", ""));
    task.set("platform", or(import, "Platform", "Linux"));
    if let Some(progress) = progress {
        task.set("statusMessage", "converting");
        task.set("progress", progress.to_string());
    }
    for at in 1.. {
        let tag = |what: &str| format!("TagSpecification.1.Tag.{at}.{what}");
        let Some(key) = import.parameters.get(&tag("Key")) else {
            break;
        };
        let key = Element::with_text("key", key);
        let value = Element::with_text("value", or(import, &tag("Value"), ""));
        let tag = Element::with_children("item", vec![key, value]);
        task.child_mut("tagSet").children.push(tag);
    }
    if !import.image.is_empty() {
        task.set("imageId", &import.image);
    }
    let mut disk = Element::new("item");
    disk.set("format", or(import, "DiskContainer.1.Format", ""));
    for (name, parameter) in [("s3Bucket", "S3Bucket"), ("s3Key", "S3Key")] {
        let parameter = format!("DiskContainer.1.UserBucket.{parameter}");
        disk.set(&format!("userBucket/{name}"), or(import, &parameter, ""));
    }
    if !import.snapshot.is_empty() {
        disk.set("snapshotId", &import.snapshot);
    }
    task.child_mut("snapshotDetailSet").children.push(disk);
    task.children
}
