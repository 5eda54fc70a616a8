//! Finding and removing what is made at IAM: a role goes with its policy, a profile without its role.
//!
//! IAM knows things by name, so that an intent is looked for by the name itself; and it lists by path, not by tags.

use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::types::{InstanceProfile, Tag};
use imgc_runtime::error::{Class, Error, Result};

use crate::error::{Meaning, answer, failed};
use crate::region::RegionClient;
use crate::resource::find::Found;
use crate::resource::patience::Patience;
use crate::resource::remove::unused;

/// The name of the policy inside of a role.
pub(crate) const POLICY: &str = "imgc";
/// The path of what is made here: lists can be asked for it.
pub(crate) const PATH: &str = "/imgc/";

/// Roles of ours, with their tags.
pub(super) async fn roles(region: &RegionClient) -> Result<Vec<Found>> {
    let iam = region.iam();
    let mut names = Vec::new();
    let mut next = None;
    loop {
        let request = iam.list_roles().path_prefix(PATH).set_marker(next);
        let answer = region.call("iam:ListRoles", "look for roles", request.send());
        let answer = answer.await?;
        names.extend(answer.roles.into_iter().map(|role| role.role_name));
        next = answer.marker.filter(|_| answer.is_truncated);
        if next.is_none() {
            break;
        }
    }
    let mut found = Vec::new();
    for name in names {
        // Lists have no tags.
        let request = iam.get_role().role_name(&name).send();
        let role = match region.call("iam:GetRole", "look at a role", request).await {
            Ok(answer) => answer.role,
            Err(error) if error.id == "run/aws-missing" => None,
            Err(error) => return Err(error),
        };
        found.extend(role.map(|role| tagged(name, role.tags)));
    }
    Ok(found)
}

/// Instance profiles of ours, with their tags.
pub(super) async fn profiles(region: &RegionClient) -> Result<Vec<Found>> {
    let iam = region.iam();
    let mut names = Vec::new();
    let mut next = None;
    loop {
        let request = iam.list_instance_profiles().path_prefix(PATH);
        let request = request.set_marker(next).send();
        let attempt = "look for instance profiles";
        let answer = region.call("iam:ListInstanceProfiles", attempt, request);
        let answer = answer.await?;
        let profiles = answer.instance_profiles.into_iter();
        let ours = profiles.filter(|profile| profile.path == PATH);
        names.extend(ours.map(|profile| profile.instance_profile_name));
        next = answer.marker.filter(|_| answer.is_truncated);
        if next.is_none() {
            break;
        }
    }
    let mut found = Vec::new();
    for name in names {
        let profile = profile(region, &name).await?;
        found.extend(profile.map(|profile| tagged(name, profile.tags)));
    }
    Ok(found)
}

/// An instance profile with its tags and roles, where there is one of this name.
async fn profile(region: &RegionClient, name: &str) -> Result<Option<InstanceProfile>> {
    let request = region.iam().get_instance_profile();
    let request = request.instance_profile_name(name).send();
    let attempt = "look at an instance profile";
    match region
        .call("iam:GetInstanceProfile", attempt, request)
        .await
    {
        Ok(answer) => Ok(answer.instance_profile),
        Err(error) if error.id == "run/aws-missing" => Ok(None),
        Err(error) => Err(error),
    }
}

fn tagged(id: String, tags: Option<Vec<Tag>>) -> Found {
    let tags = tags.unwrap_or_default().into_iter();
    let tags = tags.map(|tag| {
        let both = aws_sdk_ec2::types::Tag::builder().key(tag.key);
        both.value(tag.value).build()
    });
    Found {
        id,
        tags: tags.collect(),
    }
}

/// Gives a role a tag.
pub(super) async fn tag_role(
    region: &RegionClient,
    name: &str,
    key: &str,
    value: &str,
) -> Result<()> {
    let request = region.iam().tag_role().role_name(name);
    let request = request.tags(tag(key, value)?).send();
    missing_is_fine("iam:TagRole", "mark a role", region.ask(request).await)
}

/// Gives an instance profile a tag.
pub(super) async fn tag_profile(
    region: &RegionClient,
    name: &str,
    key: &str,
    value: &str,
) -> Result<()> {
    let request = region.iam().tag_instance_profile();
    let request = request.instance_profile_name(name).tags(tag(key, value)?);
    missing_is_fine(
        "iam:TagInstanceProfile",
        "mark an instance profile",
        region.ask(request.send()).await,
    )
}

/// A tag as IAM takes it.
pub(crate) fn tag(key: &str, value: &str) -> Result<Tag> {
    let tag = Tag::builder().key(key).value(value).build();
    tag.map_err(|error| {
        Error::new(
            Class::Bug,
            "run/aws-request",
            format!("a tag cannot be made: {error}"),
        )
    })
}

/// Takes out of a profile whatever role is in it: none where the run ended in between.
pub(super) async fn empty(region: &RegionClient, name: &str) -> Result<()> {
    let roles = profile(region, name).await?.map(|profile| profile.roles);
    for role in roles.unwrap_or_default() {
        let request = region.iam().remove_role_from_instance_profile();
        let request = request
            .instance_profile_name(name)
            .role_name(role.role_name);
        missing_is_fine(
            "iam:RemoveRoleFromInstanceProfile",
            "take the role out of an instance profile",
            region.ask(request.send()).await,
        )?;
    }
    Ok(())
}

/// Removes a role: with its policy, and out of its profile where it is in it still; both have one name.
pub(super) async fn remove_role(region: &RegionClient, name: &str) -> Result<()> {
    without_policy(region, name).await?;
    let (action, attempt) = ("iam:DeleteRole", "delete a role");
    let delete = || region.iam().delete_role().role_name(name).send();
    match region.ask(delete()).await {
        Err(error) if answer(&error) == Some(Meaning::InUse) => {
            empty(region, name).await?;
            unused(region, (action, attempt), Patience::none(), delete).await
        }
        answered => missing_is_fine(action, attempt, answered),
    }
}

/// Takes the policy from a role.
async fn without_policy(region: &RegionClient, name: &str) -> Result<()> {
    let request = region.iam().delete_role_policy();
    let request = request.role_name(name).policy_name(POLICY);
    missing_is_fine(
        "iam:DeleteRolePolicy",
        "delete the policy of a role",
        region.ask(request.send()).await,
    )
}

fn missing_is_fine<T, E>(
    action: &str,
    attempt: &str,
    answered: Result<T, SdkError<E, HttpResponse>>,
) -> Result<()>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match answered {
        Ok(_) => Ok(()),
        Err(error) if answer(&error) == Some(Meaning::Missing) => Ok(()),
        Err(error) => Err(failed(action, attempt, &error)),
    }
}
