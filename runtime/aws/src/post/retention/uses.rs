//! What may still start an image: instances, launch templates, launch configurations, parameters, other accounts.
//!
//! In: images of a region. Out: for each of them what uses it, in words. Each is asked about in one list for all images; a list
//! that cannot be had is a failure, since what cannot be looked at may be in use.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types::LaunchTemplateSpecification;
use aws_sdk_ec2::types::{Image, ImageAttributeName, LaunchTemplateVersion};
use aws_sdk_ssm::types::ParameterStringFilter;
use imgc_runtime::error::Result;

use crate::account::Account;
use crate::error::failed;
use crate::parameters::IMAGE;
use crate::region::{RegionClient, filter};

/// States of instances that hold on to their image: one that is stopped can be started again.
const STATES: [&str; 4] = ["pending", "running", "stopping", "stopped"];
/// Ids in a filter: as many values as one may have.
const VALUES: usize = 200;
/// Members of a page.
const PAGE: i32 = 200;
/// Pages of the other services are smaller.
const SMALL_PAGE: i32 = 50;
/// Parameters that can be asked for at once.
const PARAMETERS: usize = 10;
/// Versions of a launch template that say what it starts unless somebody asks for another one.
const CURRENT: [&str; 2] = ["$Default", "$Latest"];

/// Images with what uses them.
#[derive(Clone, Debug, Default)]
pub(super) struct Uses(BTreeMap<String, BTreeSet<String>>);

impl Uses {
    /// Looks for everything in the region that uses one of these images. `rewritten` are parameters that name the new image
    /// before any of these goes.
    pub(super) async fn of(
        region: &RegionClient,
        account: &Account,
        images: &[Image],
        rewritten: &BTreeSet<String>,
    ) -> Result<Self> {
        let ids = images.iter().filter_map(|image| image.image_id.clone());
        let mut uses = Self(ids.map(|id| (id, BTreeSet::new())).collect());
        let groups = Groups::of(region, account).await?;
        uses.configurations(&groups);
        uses.instances(region).await?;
        uses.templates(region, &groups).await?;
        uses.parameters(region, account, rewritten).await?;
        Ok(uses)
    }

    /// What uses an image, in words.
    pub(super) fn of_image(&self, id: &str) -> Vec<String> {
        let found = self.0.get(id).into_iter().flatten();
        found.cloned().collect()
    }

    fn add(&mut self, image: Option<&str>, by: impl FnOnce() -> String) {
        if let Some(users) = image.and_then(|image| self.0.get_mut(image)) {
            users.insert(by());
        }
    }

    async fn instances(&mut self, region: &RegionClient) -> Result<()> {
        let ids: Vec<String> = self.0.keys().cloned().collect();
        for ids in ids.chunks(VALUES) {
            let mut next = None;
            loop {
                let request = region.ec2().describe_instances();
                let request = request
                    .filters(filter("image-id", ids))
                    .filters(filter("instance-state-name", STATES))
                    .max_results(PAGE)
                    .set_next_token(next.take());
                let attempt = "see which instances use an image";
                let page = region.call("DescribeInstances", attempt, request.send());
                let page = page.await?;
                let reservations = page.reservations().iter();
                for instance in reservations.flat_map(|reservation| reservation.instances()) {
                    let id = instance.instance_id().unwrap_or_default();
                    self.add(instance.image_id(), || {
                        format!("the instance {id} is of it")
                    });
                }
                next = page
                    .next_token()
                    .filter(|token| !token.is_empty())
                    .map(str::to_owned);
                if next.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn templates(&mut self, region: &RegionClient, groups: &Groups) -> Result<()> {
        let mut next = None;
        loop {
            let request = region.ec2().describe_launch_template_versions();
            let request = request
                .set_versions(Some(CURRENT.map(str::to_owned).to_vec()))
                .resolve_alias(true)
                .max_results(PAGE)
                .set_next_token(next.take());
            let attempt = "see which launch templates name an image";
            let page = region.call("DescribeLaunchTemplateVersions", attempt, request.send());
            let page = page.await?;
            for version in page.launch_template_versions() {
                self.template(version, "");
            }
            next = page
                .next_token()
                .filter(|token| !token.is_empty())
                .map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        for (template, versions) in &groups.templates {
            let request = region.ec2().describe_launch_template_versions();
            let versions = versions.iter().cloned().collect();
            let request = request
                .launch_template_id(template)
                .set_versions(Some(versions))
                .resolve_alias(true)
                .max_results(PAGE);
            let attempt = "see which image a launch template of a group names";
            let page = region.call("DescribeLaunchTemplateVersions", attempt, request.send());
            for version in page.await?.launch_template_versions() {
                self.template(version, ", which an auto-scaling group uses,");
            }
        }
        Ok(())
    }

    fn template(&mut self, version: &LaunchTemplateVersion, about: &str) {
        let image = version
            .launch_template_data()
            .and_then(|data| data.image_id());
        let name = version.launch_template_name().unwrap_or_default();
        let number = version.version_number().unwrap_or_default();
        self.add(image, || {
            format!("version {number} of the launch template {name}{about} names it")
        });
    }

    fn configurations(&mut self, groups: &Groups) {
        for (name, image) in &groups.configurations {
            self.add(Some(image), || {
                format!("the launch configuration {name} names it")
            });
        }
    }

    /// Parameters whose value is an image: what others start is what they say.
    async fn parameters(
        &mut self,
        region: &RegionClient,
        account: &Account,
        rewritten: &BTreeSet<String>,
    ) -> Result<()> {
        let config = aws_sdk_ssm::config::Builder::from(account.config());
        let place = aws_sdk_ssm::config::Region::new(region.name().to_owned());
        let mut config = config.region(place);
        if let Some(renewable) = account.renewable() {
            config = config.retry_classifier(renewable);
        }
        let ssm = aws_sdk_ssm::Client::from_conf(config.build());
        let of_image = ParameterStringFilter::builder()
            .key("DataType")
            .values(IMAGE);
        let of_image = of_image.build().map_err(|error| {
            imgc_runtime::error::Error::new(
                imgc_runtime::error::Class::Bug,
                "run/panic",
                "a filter lacks its key",
            )
            .because(error)
        })?;
        let mut names = Vec::new();
        let mut next = None;
        loop {
            let request = ssm
                .describe_parameters()
                .parameter_filters(of_image.clone());
            let request = request.max_results(SMALL_PAGE).set_next_token(next.take());
            let page = Box::pin(request.send()).await.map_err(|error| {
                failed(
                    "ssm:DescribeParameters",
                    "see which parameters name an image",
                    &error,
                )
            })?;
            names.extend(page.parameters().iter().filter_map(|one| one.name.clone()));
            next = page
                .next_token()
                .filter(|token| !token.is_empty())
                .map(str::to_owned);
            if next.is_none() {
                break;
            }
        }
        for names in names.chunks(PARAMETERS) {
            let request = ssm.get_parameters().set_names(Some(names.to_vec()));
            let found = Box::pin(request.send()).await.map_err(|error| {
                failed(
                    "ssm:GetParameters",
                    "see which image parameters name",
                    &error,
                )
            })?;
            for parameter in found.parameters() {
                let name = parameter.name().unwrap_or_default();
                if rewritten.contains(name) {
                    continue;
                }
                self.add(parameter.value(), || {
                    format!("the parameter {name} names it")
                });
            }
        }
        Ok(())
    }
}

/// Who but the account itself may start an image, in words.
pub(super) async fn shared(region: &RegionClient, image: &str) -> Result<Option<String>> {
    let request = region.ec2().describe_image_attribute().image_id(image);
    let request = request.attribute(ImageAttributeName::LaunchPermission);
    let attempt = "see who may start an image";
    let found = region.call("DescribeImageAttribute", attempt, request.send());
    let found = found.await?;
    let who: Vec<&str> = found
        .launch_permissions()
        .iter()
        .filter_map(|one| {
            let group = one.group().map(|group| group.as_str());
            one.user_id()
                .or(group)
                .or(one.organization_arn())
                .or(one.organizational_unit_arn())
        })
        .collect();
    Ok((!who.is_empty()).then(|| format!("it is shared with {}", who.join(", "))))
}

/// What auto-scaling groups start their instances by.
#[derive(Clone, Debug, Default)]
struct Groups {
    /// Launch configurations with their images, whether or not a group uses them.
    configurations: BTreeMap<String, String>,
    /// Launch templates by id, with the versions of them that groups name by number.
    templates: BTreeMap<String, BTreeSet<String>>,
}

impl Groups {
    async fn of(region: &RegionClient, account: &Account) -> Result<Self> {
        let config = aws_sdk_autoscaling::config::Builder::from(account.config());
        let place = aws_sdk_autoscaling::config::Region::new(region.name().to_owned());
        let mut config = config.region(place);
        if let Some(renewable) = account.renewable() {
            config = config.retry_classifier(renewable);
        }
        let client = aws_sdk_autoscaling::Client::from_conf(config.build());
        let mut found = Self::default();
        let mut pages = client
            .describe_launch_configurations()
            .into_paginator()
            .send();
        while let Some(page) = Box::pin(pages.next()).await {
            let page = page.map_err(|error| {
                failed(
                    "autoscaling:DescribeLaunchConfigurations",
                    "see which launch configurations name an image",
                    &error,
                )
            })?;
            for one in page.launch_configurations() {
                if let (Some(name), Some(image)) = (one.launch_configuration_name(), one.image_id())
                {
                    found
                        .configurations
                        .insert(name.to_owned(), image.to_owned());
                }
            }
        }
        let mut pages = client
            .describe_auto_scaling_groups()
            .into_paginator()
            .send();
        while let Some(page) = Box::pin(pages.next()).await {
            let page = page.map_err(|error| {
                failed(
                    "autoscaling:DescribeAutoScalingGroups",
                    "see what auto-scaling groups start",
                    &error,
                )
            })?;
            for group in page.auto_scaling_groups() {
                found.template(group.launch_template());
                let mixed = group.mixed_instances_policy();
                let mixed = mixed.and_then(|mixed| mixed.launch_template());
                found.template(mixed.and_then(|mixed| mixed.launch_template_specification()));
                let overrides = mixed.map(|mixed| mixed.overrides()).unwrap_or_default();
                for one in overrides {
                    found.template(one.launch_template_specification());
                }
            }
        }
        Ok(found)
    }

    fn template(&mut self, template: Option<&LaunchTemplateSpecification>) {
        let Some(id) = template.and_then(|template| template.launch_template_id()) else {
            return;
        };
        let version = template.and_then(|template| template.version());
        let version = version.filter(|version| !version.starts_with('$'));
        if let Some(version) = version {
            let versions = self.templates.entry(id.to_owned()).or_default();
            versions.insert(version.to_owned());
        }
    }
}
