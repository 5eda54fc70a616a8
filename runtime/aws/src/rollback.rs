//! Going back: a parameter that a run has written gets the value it had before, as a new version.
//!
//! In: what a run has recorded of its change. Out: where the parameter stands now, what speaks against going back, and, when it
//! is done, the number of the new version. Nothing is written by looking.

use std::sync::Arc;

use aws_sdk_ec2::types::ImageState;
use aws_sdk_ssm::types::ParameterType;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::state::{ChangeRecord, Moment};

use crate::Aws;
use crate::account::Account;
use crate::parameters::{Parameters, Version, Write};
use crate::post::PARAMETER;
use crate::region::filter;
use crate::resource::PROVIDER;

/// The longest description that a version may have.
const DESCRIPTION: usize = 1024;

/// Whether a change is one that can be taken back here.
pub fn can_be_undone(change: &ChangeRecord) -> bool {
    change.thing.provider == PROVIDER && change.thing.kind == PARAMETER
}

/// How a parameter stands, and where it would go back to.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The parameter's name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// The version that is in force.
    pub now: Held,
    /// The version whose value would be in force again.
    pub back_to: Held,
    /// What speaks against it.
    pub obstacle: Option<Obstacle>,
    parameters: Parameters,
    target: Version,
}

/// A version of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its number.
    pub version: i64,
    /// Its value: the id of an image.
    pub value: String,
    /// When it was written.
    pub written: Option<Moment>,
    /// Who has written it: an ARN, where Amazon tells.
    pub by: Option<String>,
}

/// What speaks against going back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Somebody has written another value since.
    WrittenSince,
    /// The image it would go back to does not exist any more.
    ImageGone,
    /// It has that value already.
    AlreadyThere,
}

impl Aws {
    /// Looks at a parameter that was changed, without changing it; `to` is a version other than the one before the change.
    pub async fn outlook(&self, change: &ChangeRecord, to: Option<i64>) -> Result<Outlook> {
        let thing = &change.thing;
        let name = thing.id.clone().unwrap_or_default();
        let account = self.accounts.back(&thing.reach, &thing.place).await?;
        let parameters = Parameters::new(&account, &thing.place);
        let versions = parameters.history(&name).await?;
        let Some(now) = versions.last().cloned() else {
            return Err(trouble(format!(
                "the parameter {name} in {} does not exist any more",
                thing.place
            )));
        };
        let target = target(change, &versions, to)?;
        let obstacle = if target.value == now.value {
            Some(Obstacle::AlreadyThere)
        } else if now.value != change.after.value {
            Some(Obstacle::WrittenSince)
        } else if !image_exists(&account, &thing.place, &target.value).await? {
            Some(Obstacle::ImageGone)
        } else {
            None
        };
        Ok(Outlook {
            name,
            region: thing.place.clone(),
            now: held(&now),
            back_to: held(&target),
            obstacle,
            parameters,
            target,
        })
    }
}

impl Outlook {
    /// Writes the value it goes back to as a new version; gives its number. `run` is the run that does it.
    pub async fn go_back(&self, run: &str) -> Result<i64> {
        // Not a label: the oldest of a hundred versions is dropped for a new one, but never one with a label.
        let mut description = format!(
            "rolled back by imgc from version {} to that of version {}, run {run}",
            self.now.version, self.target.number
        );
        description.truncate(DESCRIPTION);
        let write = Write {
            name: &self.name,
            value: &self.target.value,
            description: Some(&description),
            kind: self.target.kind.clone(),
            key: self.target.key.as_deref(),
            data_type: self.target.data_type.as_deref(),
            tier: None,
        };
        self.parameters.overwrite(&write).await
    }
}

fn target(change: &ChangeRecord, versions: &[Version], to: Option<i64>) -> Result<Version> {
    let thing = &change.thing;
    let name = thing.id.as_deref().unwrap_or_default();
    let place = &thing.place;
    let find = |number: i64| versions.iter().find(|version| version.number == number);
    if let Some(number) = to {
        return find(number).cloned().ok_or_else(|| {
            let kept: Vec<String> = versions.iter().map(|one| one.number.to_string()).collect();
            trouble(format!("{name} in {place} has no version {number}"))
                .help(format!("it has {}", kept.join(", ")))
        });
    }
    let Some(before) = &change.before else {
        return Err(trouble(format!(
            "{name} in {place} was made by this run: there is no value before it"
        ))
        .help("`--to VERSION` goes to another version; or delete the parameter by hand"));
    };
    let kept = before.version.and_then(find);
    match kept {
        Some(version) if version.value == before.value => Ok(version.clone()),
        // Amazon keeps the last hundred; the value is known all the same.
        _ => {
            let now = versions.last();
            Ok(Version {
                number: before.version.unwrap_or_default(),
                value: before.value.clone(),
                kind: now.and_then(|now| now.kind.clone()),
                data_type: now.and_then(|now| now.data_type.clone()),
                key: now.and_then(|now| now.key.clone()),
                tier: None,
                written: None,
                by: None,
            })
        }
    }
}

/// Whether an image can be started; what is no id of an image cannot be looked for.
async fn image_exists(account: &Arc<Account>, region: &str, value: &str) -> Result<bool> {
    if !is_image(value) {
        return Ok(true);
    }
    let region = account.region(region);
    let request = region.ec2().describe_images();
    let request = request.filters(filter("image-id", [value])).send();
    let attempt = "see whether the image is there that is gone back to";
    let images = region.call("DescribeImages", attempt, request).await?;
    let mut images = images.images().iter();
    Ok(images.any(|image| image.state() == Some(&ImageState::Available)))
}

fn is_image(value: &str) -> bool {
    value.starts_with("ami-")
}

fn held(version: &Version) -> Held {
    // Where an image's id has made room for a secret, that is not ours to show.
    let secret = version.kind == Some(ParameterType::SecureString) && !is_image(&version.value);
    Held {
        version: version.number,
        value: match secret {
            true => "another secret".to_owned(),
            false => version.value.clone(),
        },
        written: version.written,
        by: version.by.clone(),
    }
}

fn trouble(message: String) -> Error {
    Error::new(Class::Environment, "run/aws-parameter", message)
}
