//! Removing what is made at IAM: a role goes with its policy, a profile without its role.
//!
//! IAM knows things by name, so that an intent is looked for by the name itself.

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use imgc_runtime::error::Result;

use crate::error::{Meaning, answer, failed};
use crate::region::RegionClient;

/// The name of the policy inside of a role.
pub(crate) const POLICY: &str = "imgc";

/// Takes the role out of a profile; both have one name.
pub(super) async fn empty(region: &RegionClient, name: &str) -> Result<()> {
    let request = region.iam().remove_role_from_instance_profile();
    let request = request.instance_profile_name(name).role_name(name);
    missing_is_fine(
        "iam:RemoveRoleFromInstanceProfile",
        "take the role out of an instance profile",
        region.ask(request.send()).await,
    )
}

/// Takes the policy from a role.
pub(super) async fn without_policy(region: &RegionClient, name: &str) -> Result<()> {
    let request = region.iam().delete_role_policy();
    let request = request.role_name(name).policy_name(POLICY);
    missing_is_fine(
        "iam:DeleteRolePolicy",
        "delete the policy of a role",
        region.ask(request.send()).await,
    )
}

fn missing_is_fine<T, E, R>(
    action: &str,
    attempt: &str,
    answered: Result<T, SdkError<E, R>>,
) -> Result<()>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    match answered {
        Ok(_) => Ok(()),
        Err(error) if answer(&error) == Some(Meaning::Missing) => Ok(()),
        Err(error) => Err(failed(action, attempt, &error)),
    }
}
