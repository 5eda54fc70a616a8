//! The task that makes an image of an object: begun, waited for, taken back.

use std::time::Duration;

use aws_sdk_ec2::types::{ImageDiskContainer, ImportImageTask, ResourceType, UserBucket};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::ledger::{CloudResource, Resource};
use tokio::time::Instant;

use super::Wanted;
use crate::error::{Meaning, answer, failed};
use crate::region::{RegionClient, filter, incomplete};
use crate::resource::{Kind, PROVIDER, own_tags, remove as remove_thing};
use crate::tags;

/// Between two looks, at first and at most.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(15);
/// How often a task is looked for by its tag, when its id is not known.
const LOOKS: u32 = 4;

/// Begins to import an object; gives the task's record and number in the ledger.
pub(super) async fn begin(
    cx: &Context,
    region: &RegionClient,
    wanted: &Wanted,
    thing: CloudResource,
) -> Result<CloudResource> {
    let bucket = UserBucket::builder()
        .s3_bucket(&wanted.target.bucket)
        .s3_key(&wanted.target.key)
        .build();
    let disk = ImageDiskContainer::builder()
        .format(&wanted.format)
        .user_bucket(bucket)
        .build();
    let mut own = own_tags(cx);
    own.insert(tags::NAME.to_owned(), thing.name.clone());
    let object = format!("{}/{}", wanted.target.bucket, wanted.target.key);
    if !wanted.skip_clean && object.len() <= tags::LONGEST {
        own.insert(tags::STORED.to_owned(), object);
    }
    let request = region
        .ec2()
        .import_image()
        .client_token(&thing.name)
        .disk_containers(disk)
        .architecture(&wanted.architecture)
        .set_boot_mode(wanted.boot_mode.clone())
        .set_description(wanted.description.clone())
        .set_license_type(wanted.license_type.clone())
        .set_platform(wanted.platform.clone())
        .set_role_name(wanted.role_name.clone())
        .set_encrypted(wanted.encrypt.then_some(true))
        .set_kms_key_id(wanted.kms_key.clone())
        .tag_specifications(tags::specification(ResourceType::ImportImageTask, &own));
    let make = async {
        let answer = region.call("ImportImage", "import an image", request.send());
        let answer = answer.await.map_err(|error| match error.message.contains("service role") {
            true => error.help(
                "Amazon needs a role that may read the bucket: `vmimport`, or the one of `role_name`; see \
                 https://docs.aws.amazon.com/vm-import/latest/userguide/required-permissions.html",
            ),
            false => error,
        })?;
        let id = answer.import_task_id;
        let id = id.ok_or_else(|| incomplete("ImportImage", "id of a task"))?;
        let made = CloudResource {
            id: Some(id),
            ..thing.clone()
        };
        Ok((Resource::Cloud(made.clone()), made))
    };
    let intent = Resource::Cloud(thing.clone());
    let (_, made) = cx.ledger.create_as(&cx.address, intent, make).await?;
    Ok(made)
}

/// Waits until a task has made its image; gives the image's id.
pub(super) async fn wait(
    cx: &Context,
    region: &RegionClient,
    task: &str,
    limit: Duration,
) -> Result<String> {
    let _waiting = cx.waiting(format!("the import {task}"));
    let begun = Instant::now();
    let mut pause = FIRST;
    let mut said = String::new();
    loop {
        let now = look(region, task).await?;
        let status = now
            .as_ref()
            .and_then(ImportImageTask::status)
            .unwrap_or_default();
        let message = now.as_ref().and_then(ImportImageTask::status_message);
        match status {
            "completed" => {
                let image = now.and_then(|now| now.image_id);
                return image.ok_or_else(|| incomplete("DescribeImportImageTasks", "image"));
            }
            "deleting" | "deleted" => {
                return Err(Error::new(
                    Class::Remote,
                    "run/aws-image",
                    format!(
                        "the import {task} has failed: {}",
                        message.unwrap_or("Amazon gives no reason")
                    ),
                )
                .permanent()
                .help("Amazon takes some systems and disk formats only; the message says what it does not take"));
            }
            _ => {}
        }
        let progress = now
            .as_ref()
            .and_then(ImportImageTask::progress)
            .unwrap_or("0");
        let line = format!("{task}: {progress}%, {}", message.unwrap_or("waiting"));
        if line != said {
            cx.output.detail(&line);
            said = line;
        }
        if begun.elapsed() > limit {
            let limit = imgc_runtime::duration::words(limit);
            return Err(Error::new(
                Class::Timeout,
                "run/aws-timeout",
                format!("waited {limit} for the import {task}"),
            )
            .help("give it more time: `aws_polling { delay_seconds = 30, max_attempts = 960 }` is eight hours"));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(LONGEST);
    }
}

async fn look(region: &RegionClient, task: &str) -> Result<Option<ImportImageTask>> {
    let request = region
        .ec2()
        .describe_import_image_tasks()
        .import_task_ids(task);
    let attempt = "look at an import";
    let found = region.call("DescribeImportImageTasks", attempt, request.send());
    Ok(found
        .await?
        .import_image_tasks
        .unwrap_or_default()
        .into_iter()
        .next())
}

/// Takes back what a record's task has made or makes: it is cancelled, or its image goes with its snapshots.
pub(super) async fn remove(region: &RegionClient, thing: &CloudResource) -> Result<()> {
    let tasks = match &thing.id {
        Some(id) => look(region, id).await?.into_iter().collect(),
        None => named(region, &thing.name).await?,
    };
    for task in tasks {
        one(region, &task).await?;
    }
    Ok(())
}

async fn named(region: &RegionClient, name: &str) -> Result<Vec<ImportImageTask>> {
    for look in 1.. {
        let tag = filter(&format!("tag:{}", tags::NAME), [name]);
        let request = region.ec2().describe_import_image_tasks().filters(tag);
        let attempt = "look for an import";
        let found = region.call("DescribeImportImageTasks", attempt, request.send());
        let mut found = found.await?.import_image_tasks.unwrap_or_default();
        found.retain(|task| tags::get(task.tags(), tags::NAME) == Some(name));
        if !found.is_empty() || look == LOOKS {
            return Ok(found);
        }
        tokio::time::sleep(FIRST).await;
    }
    Ok(Vec::new())
}

async fn one(region: &RegionClient, task: &ImportImageTask) -> Result<()> {
    let id = task.import_task_id().unwrap_or_default();
    match task.status().unwrap_or_default() {
        "completed" => match task.image_id() {
            Some(image) => {
                remove_image(region, image).await?;
                remove_snapshots(region, task).await
            }
            None => remove_snapshots(region, task).await,
        },
        "deleting" | "deleted" => Ok(()),
        _ => {
            let request = region.ec2().cancel_import_task().import_task_id(id).send();
            let error = match region.ask(request).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            // It may have ended just now.
            let now = look(region, id).await?;
            let image = now.as_ref().and_then(ImportImageTask::image_id);
            match (image, now.as_ref().and_then(ImportImageTask::status)) {
                (Some(image), Some("completed")) => remove_image(region, image).await,
                (_, None | Some("deleting" | "deleted")) => Ok(()),
                _ if answer(&error) == Some(Meaning::Missing) => Ok(()),
                _ => Err(failed("CancelImportTask", "cancel an import", &error)),
            }
        }
    }
}

/// The image that a task has made goes with its snapshots in one request: without the image nothing leads to them.
pub(super) async fn remove_image(region: &RegionClient, id: &str) -> Result<()> {
    let request = region.ec2().deregister_image().image_id(id);
    let request = request.delete_associated_snapshots(true).send();
    match region.ask(request).await {
        Ok(_) => Ok(()),
        Err(error) if answer(&error) == Some(Meaning::Missing) => Ok(()),
        Err(error) => {
            let attempt = format!("let the imported image {id} go");
            Err(failed("DeregisterImage", &attempt, &error))
        }
    }
}

/// Snapshots that a task has made and that nothing uses any more.
async fn remove_snapshots(region: &RegionClient, task: &ImportImageTask) -> Result<()> {
    let details = task.snapshot_details().iter();
    for id in details.filter_map(|detail| detail.snapshot_id()) {
        let thing = CloudResource {
            provider: PROVIDER.to_owned(),
            kind: Kind::Snapshot.word().to_owned(),
            place: region.name().to_owned(),
            name: id.to_owned(),
            id: Some(id.to_owned()),
            reach: region.reach(),
            asked: None,
        };
        remove_thing(region, &thing).await?;
    }
    Ok(())
}
