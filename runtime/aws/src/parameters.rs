//! Parameters of Systems Manager in a region: read, written, their versions.
//!
//! In: a name. Out: what it holds. A parameter of the data type `aws:ec2:image` is written before Amazon has looked whether the
//! image exists, so what was written is waited for.

use std::time::Duration;

use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::Builder;
use aws_sdk_ssm::config::http::HttpResponse;
use aws_sdk_ssm::error::SdkError;
use aws_sdk_ssm::operation::put_parameter::{PutParameterError, PutParameterOutput};
use aws_sdk_ssm::types::{ParameterTier, ParameterType, ResourceTypeForTagging, Tag};
use imgc_runtime::error::{Class, Error, Result};
use tokio::time::Instant;

use crate::account::Account;
use crate::error::{Meaning, answer, failed};
use crate::region::incomplete;
use crate::tags::Tags;

/// The data type of a parameter that names an image.
pub(crate) const IMAGE: &str = "aws:ec2:image";

/// How long Amazon may take to look at the image that was written, and how often it is asked.
const CHECKED: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(400);
/// Versions in a page of a history: as many as the API gives.
const PAGE: i32 = 50;

/// The parameters of a region.
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    ssm: Client,
    region: String,
}

/// A version of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) number: i64,
    pub(crate) value: String,
    pub(crate) kind: Option<ParameterType>,
    pub(crate) data_type: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) tier: Option<ParameterTier>,
    /// Milliseconds since 1970.
    pub(crate) written: Option<i64>,
    /// The ARN of who has written it; only a history tells.
    pub(crate) by: Option<String>,
}

/// What is to be written.
#[derive(Clone, Debug)]
pub(crate) struct Write<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
    pub(crate) description: Option<&'a str>,
    pub(crate) kind: Option<ParameterType>,
    pub(crate) key: Option<&'a str>,
    pub(crate) data_type: Option<&'a str>,
    pub(crate) tier: Option<ParameterTier>,
}

impl Parameters {
    /// Those of a region, with the credentials of an account.
    pub(crate) fn new(account: &Account, region: &str) -> Self {
        let mut config = Builder::from(account.config())
            .region(aws_sdk_ssm::config::Region::new(region.to_owned()));
        if let Some(renewable) = account.renewable() {
            config = config.retry_classifier(renewable);
        }
        Self {
            ssm: Client::from_conf(config.build()),
            region: region.to_owned(),
        }
    }

    /// The newest version, if there is one.
    pub(crate) async fn get(&self, name: &str) -> Result<Option<Version>> {
        let request = self.ssm.get_parameter().name(name).with_decryption(true);
        let found = match Box::pin(request.send()).await {
            Ok(found) => found,
            Err(error) if answer(&error) == Some(Meaning::Missing) => return Ok(None),
            Err(error) => {
                let attempt = format!("read the parameter {name} in {}", self.region);
                return Err(failed("ssm:GetParameter", &attempt, &error));
            }
        };
        let parameter = found
            .parameter
            .ok_or_else(|| incomplete("ssm:GetParameter", "parameter"))?;
        Ok(Some(Version {
            number: parameter.version(),
            value: parameter.value().unwrap_or_default().to_owned(),
            kind: parameter.r#type().cloned(),
            data_type: parameter.data_type().map(str::to_owned),
            key: None,
            tier: None,
            written: millis(parameter.last_modified_date()),
            by: None,
        }))
    }

    /// All versions that are kept, the oldest first; none where there is no such parameter.
    pub(crate) async fn history(&self, name: &str) -> Result<Vec<Version>> {
        let mut versions = Vec::new();
        let mut next = None;
        loop {
            let request = self.ssm.get_parameter_history().name(name);
            let request = request.with_decryption(true).max_results(PAGE);
            let request = request.set_next_token(next.take());
            let page = match Box::pin(request.send()).await {
                Ok(page) => page,
                Err(error) if answer(&error) == Some(Meaning::Missing) => return Ok(versions),
                Err(error) => {
                    let attempt = format!("read the versions of {name} in {}", self.region);
                    return Err(failed("ssm:GetParameterHistory", &attempt, &error));
                }
            };
            versions.extend(page.parameters().iter().map(|one| Version {
                number: one.version(),
                value: one.value().unwrap_or_default().to_owned(),
                kind: one.r#type().cloned(),
                data_type: one.data_type().map(str::to_owned),
                key: one.key_id().map(str::to_owned),
                tier: one.tier().cloned(),
                written: millis(one.last_modified_date()),
                by: one.last_modified_user().map(str::to_owned),
            }));
            next = page.next_token().map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        versions.sort_by_key(|version| version.number);
        Ok(versions)
    }

    /// Makes a parameter with tags; `None` where there is one of this name already.
    pub(crate) async fn create(&self, write: &Write<'_>, tags: &Tags) -> Result<Option<i64>> {
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
        let all: Result<Vec<Tag>, _> = tags.iter().map(tag).collect();
        let all = all.map_err(|error| {
            Error::new(Class::Bug, "run/panic", "a tag lacks its key").because(error)
        })?;
        let request = self.put(write).set_tags(Some(all));
        match Box::pin(request.send()).await {
            Ok(answer) => self.confirmed(write, &answer).await.map(Some),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutParameterError::is_parameter_already_exists) =>
            {
                Ok(None)
            }
            Err(error) => Err(self.not_written(write, &error)),
        }
    }

    /// Writes a new version of a parameter that is there.
    pub(crate) async fn overwrite(&self, write: &Write<'_>) -> Result<i64> {
        let request = self.put(write).overwrite(true);
        match Box::pin(request.send()).await {
            Ok(answer) => self.confirmed(write, &answer).await,
            Err(error) => Err(self.not_written(write, &error)),
        }
    }

    /// Whether a parameter carries a tag with this value; `None` where there is no such parameter.
    pub(crate) async fn has_tag(&self, name: &str, key: &str, value: &str) -> Result<Option<bool>> {
        let request = self.ssm.list_tags_for_resource();
        let request = request
            .resource_type(ResourceTypeForTagging::Parameter)
            .resource_id(name);
        match Box::pin(request.send()).await {
            Ok(found) => {
                let mut tags = found.tag_list().iter();
                Ok(Some(
                    tags.any(|tag| tag.key() == key && tag.value() == value),
                ))
            }
            Err(error) => {
                let gone = error
                    .as_service_error()
                    .is_some_and(|error| error.is_invalid_resource_id());
                match gone || answer(&error) == Some(Meaning::Missing) {
                    true => Ok(None),
                    false => Err(failed(
                        "ssm:ListTagsForResource",
                        &format!(
                            "look at the tags of the parameter {name} in {}",
                            self.region
                        ),
                        &error,
                    )),
                }
            }
        }
    }

    /// Deletes a parameter with all its versions; gone already is no failure.
    pub(crate) async fn delete(&self, name: &str) -> Result<()> {
        let request = self.ssm.delete_parameter().name(name);
        match Box::pin(request.send()).await {
            Ok(_) => Ok(()),
            Err(error) if answer(&error) == Some(Meaning::Missing) => Ok(()),
            Err(error) => {
                let attempt = format!("delete the parameter {name} in {}", self.region);
                Err(failed("ssm:DeleteParameter", &attempt, &error))
            }
        }
    }

    fn put(
        &self,
        write: &Write<'_>,
    ) -> aws_sdk_ssm::operation::put_parameter::builders::PutParameterFluentBuilder {
        let request = self.ssm.put_parameter();
        request
            .name(write.name)
            .value(write.value)
            .set_description(write.description.map(str::to_owned))
            .set_type(write.kind.clone())
            .set_key_id(write.key.map(str::to_owned))
            .set_data_type(write.data_type.map(str::to_owned))
            .set_tier(write.tier.clone())
    }

    /// Waits until the version can be read where Amazon looks at the value first.
    async fn confirmed(&self, write: &Write<'_>, answer: &PutParameterOutput) -> Result<i64> {
        let version = answer.version();
        if write.data_type != Some(IMAGE) {
            return Ok(version);
        }
        let begun = Instant::now();
        loop {
            let now = self.get(write.name).await?;
            if now.is_some_and(|now| now.number >= version) {
                return Ok(version);
            }
            if begun.elapsed() > CHECKED {
                return Err(Error::new(
                    Class::Remote,
                    "run/aws-parameter",
                    format!(
                        "Amazon has not taken {} as the value of {} in {}",
                        write.value, write.name, self.region
                    ),
                )
                .permanent()
                .help(
                    "with the data type `aws:ec2:image` it looks for the image with the rights of the caller, which need \
                     ec2:DescribeImages; `data_type = \"text\"` takes any value",
                ));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn not_written(
        &self,
        write: &Write<'_>,
        error: &SdkError<PutParameterError, HttpResponse>,
    ) -> Error {
        let attempt = format!("write the parameter {} in {}", write.name, self.region);
        let failure = failed("ssm:PutParameter", &attempt, error);
        let full = error
            .as_service_error()
            .is_some_and(PutParameterError::is_parameter_max_version_limit_exceeded);
        match full {
            true => failure.help(
                "the oldest of its 100 versions carries a label, so that no new one can be written: move the label, or remove it",
            ),
            false => failure,
        }
    }
}

fn millis(moment: Option<&aws_sdk_ssm::primitives::DateTime>) -> Option<i64> {
    moment.and_then(|moment| moment.to_millis().ok())
}
