//! What is said of an image that is made: who may use it, for how long, how its instances start.

use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{
    AttributeValue, DescribeFastLaunchImagesSuccessItem,
    FastLaunchLaunchTemplateSpecificationRequest, FastLaunchSnapshotConfigurationRequest,
    FastLaunchStateCode, Image, ImageAttributeName, ImdsSupportValues, LaunchPermission,
    LaunchPermissionModifications, OperationType, PermissionGroup, SnapshotAttributeName,
};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};

use crate::options::{FastLaunch, Polling, Sharing, V2};
use crate::region::RegionClient;

/// Lets accounts, organisations or everybody start an image.
pub(crate) async fn share(region: &RegionClient, id: &str, with: &Sharing) -> Result<()> {
    let permissions = LaunchPermissionModifications::builder().set_add(Some(permissions(with)));
    let request = region.ec2().modify_image_attribute().image_id(id);
    let request = request.launch_permission(permissions.build()).send();
    region
        .call("ModifyImageAttribute", "share an image", request)
        .await?;
    Ok(())
}

/// Takes from those of `going` who may start an image now that they may; gives who that was.
pub(crate) async fn unshare(region: &RegionClient, id: &str, going: &Sharing) -> Result<Sharing> {
    let request = region.ec2().describe_image_attribute().image_id(id);
    let request = request.attribute(ImageAttributeName::LaunchPermission);
    let attempt = "see who may start an image";
    let found = region.call("DescribeImageAttribute", attempt, request.send());
    let mut present = Sharing::default();
    for one in found.await?.launch_permissions() {
        let group = one.group().map(PermissionGroup::as_str);
        let parts = [
            (&mut present.users, one.user_id()),
            (&mut present.groups, group),
            (&mut present.organisations, one.organization_arn()),
            (&mut present.units, one.organizational_unit_arn()),
        ];
        for (list, who) in parts {
            list.extend(who.map(str::to_owned));
        }
    }
    let going = going.compared(&present, true);
    if going.is_empty() {
        return Ok(going);
    }
    let permissions =
        LaunchPermissionModifications::builder().set_remove(Some(permissions(&going)));
    let request = region.ec2().modify_image_attribute().image_id(id);
    let request = request.launch_permission(permissions.build()).send();
    let attempt = "take an image from those who are not named any more";
    region
        .call("ModifyImageAttribute", attempt, request)
        .await?;
    Ok(going)
}

fn permissions(with: &Sharing) -> Vec<LaunchPermission> {
    let one = LaunchPermission::builder;
    let users = with.users.iter().map(|user| one().user_id(user));
    let groups = with.groups.iter();
    let groups = groups.map(|group| one().group(PermissionGroup::from(group.as_str())));
    let organisations = with.organisations.iter();
    let organisations = organisations.map(|arn| one().organization_arn(arn));
    let units = with.units.iter();
    let units = units.map(|arn| one().organizational_unit_arn(arn));
    let all = users.chain(groups).chain(organisations).chain(units);
    all.map(|permission| permission.build()).collect()
}

/// Lets accounts or everybody make volumes of snapshots.
pub(crate) async fn share_snapshots(
    region: &RegionClient,
    snapshots: &[String],
    with: &Sharing,
) -> Result<()> {
    for snapshot in snapshots {
        permit(region, snapshot, (OperationType::Add, with)).await?;
    }
    Ok(())
}

/// Takes from those of `going` who may make volumes of snapshots now that they may; gives who that was of any of them.
pub(crate) async fn unshare_snapshots(
    region: &RegionClient,
    snapshots: &[String],
    going: &Sharing,
) -> Result<Sharing> {
    let mut gone = Sharing::default();
    for snapshot in snapshots {
        let request = region.ec2().describe_snapshot_attribute();
        let request = request
            .snapshot_id(snapshot)
            .attribute(SnapshotAttributeName::CreateVolumePermission);
        let attempt = "see who may use a snapshot";
        let found = region.call("DescribeSnapshotAttribute", attempt, request.send());
        let mut present = Sharing::default();
        for one in found.await?.create_volume_permissions() {
            let group = one.group().map(PermissionGroup::as_str);
            present.users.extend(one.user_id().map(str::to_owned));
            present.groups.extend(group.map(str::to_owned));
        }
        let going = going.compared(&present, true);
        if going.is_empty() {
            continue;
        }
        permit(region, snapshot, (OperationType::Remove, &going)).await?;
        let new = going.compared(&gone, false);
        gone.users.extend(new.users);
        gone.groups.extend(new.groups);
    }
    Ok(gone)
}

/// Adds or removes those who may make volumes of a snapshot.
async fn permit(
    region: &RegionClient,
    snapshot: &str,
    (operation, who): (OperationType, &Sharing),
) -> Result<()> {
    let given = |list: &[String]| Some(list.to_vec()).filter(|list| !list.is_empty());
    let attempt = match operation {
        OperationType::Remove => "take a snapshot from those who are not named any more",
        _ => "share a snapshot",
    };
    let request = region
        .ec2()
        .modify_snapshot_attribute()
        .snapshot_id(snapshot)
        .attribute(SnapshotAttributeName::CreateVolumePermission)
        .operation_type(operation)
        .set_user_ids(given(&who.users))
        .set_group_names(given(&who.groups));
    region
        .call("ModifySnapshotAttribute", attempt, request.send())
        .await?;
    Ok(())
}

/// Ties an image to products of the marketplace.
pub(crate) async fn mark_product(region: &RegionClient, id: &str, codes: &[String]) -> Result<()> {
    let request = region
        .ec2()
        .modify_image_attribute()
        .image_id(id)
        .attribute("productCodes")
        .set_product_codes(Some(codes.to_vec()));
    let attempt = "give an image its product codes";
    region
        .call("ModifyImageAttribute", attempt, request.send())
        .await?;
    Ok(())
}

/// From a moment on, an image is not shown to those who do not know it.
pub(crate) async fn deprecate(region: &RegionClient, id: &str, at: DateTime) -> Result<()> {
    let request = region.ec2().enable_image_deprecation();
    let request = request.image_id(id).deprecate_at(at).send();
    region
        .call("EnableImageDeprecation", "deprecate an image", request)
        .await?;
    Ok(())
}

/// An image cannot be deregistered as long as this is not taken away.
pub(crate) async fn protect(region: &RegionClient, id: &str, cooldown: bool) -> Result<()> {
    let request = region.ec2().enable_image_deregistration_protection();
    let request = request.image_id(id).with_cooldown(cooldown).send();
    let attempt = "protect an image from being deregistered";
    region
        .call("EnableImageDeregistrationProtection", attempt, request)
        .await?;
    Ok(())
}

/// What an image says of the metadata service to instances started from it: the second version only.
pub(crate) async fn guard_metadata(region: &RegionClient, image: &Image) -> Result<()> {
    let has = image.imds_support.as_ref().map(ImdsSupportValues::as_str);
    if has == Some(V2) {
        return Ok(());
    }
    let request = region
        .ec2()
        .modify_image_attribute()
        .set_image_id(image.image_id.clone())
        .imds_support(AttributeValue::builder().value(V2).build());
    region
        .call(
            "ModifyImageAttribute",
            "require the second version of the metadata service of an image's instances",
            request.send(),
        )
        .await?;
    Ok(())
}

/// Has snapshots of Windows made that has started once, and waits until there are some.
pub(crate) async fn prepare_fast_launch(
    cx: &Context,
    region: &RegionClient,
    id: &str,
    (wanted, is_home): (&FastLaunch, bool),
    polling: Polling,
) -> Result<()> {
    let template = wanted.template(region.name(), is_home).map(|template| {
        FastLaunchLaunchTemplateSpecificationRequest::builder()
            .set_launch_template_id(template.id.clone())
            .set_launch_template_name(template.name.clone().filter(|_| template.id.is_none()))
            .version(&template.version)
            .build()
    });
    let count = wanted.count.map(|count| {
        FastLaunchSnapshotConfigurationRequest::builder()
            .target_resource_count(count)
            .build()
    });
    let request = region
        .ec2()
        .enable_fast_launch()
        .image_id(id)
        .resource_type("snapshot")
        .set_max_parallel_launches(wanted.parallel)
        .set_launch_template(template)
        .set_snapshot_configuration(count);
    let attempt = "prepare an image for a fast start";
    region
        .call("EnableFastLaunch", attempt, request.send())
        .await?;
    let what = format!("snapshots for a fast start of {id}");
    let enabled = |image: Option<&DescribeFastLaunchImagesSuccessItem>| {
        let Some(image) = image else {
            return Ok(None);
        };
        match &image.state {
            Some(FastLaunchStateCode::Enabled) => Ok(Some(())),
            Some(FastLaunchStateCode::EnabledFailed | FastLaunchStateCode::EnablingFailed) => {
                let why = image.state_transition_reason.as_deref();
                let why = why.unwrap_or("Amazon gives no reason");
                Err(Error::new(
                    Class::Remote,
                    "run/aws-image",
                    format!("the image {id} cannot be prepared for a fast start: {why}"),
                )
                .help("only images of Windows can be; a launch template may be needed (`template_id`)"))
            }
            _ => Ok(None),
        }
    };
    let waiting = region.fast_launches();
    waiting
        .until(region, cx, id, &what, polling.limit, enabled)
        .await
}
