//! Who asks.

use imgc_runtime::error::Result;

use crate::region::RegionClient;

/// An identity, as GetCallerIdentity of STS gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Twelve digits.
    pub(crate) account: String,
    pub(crate) arn: String,
}

/// Asks who asks.
pub(crate) async fn caller(region: &RegionClient) -> Result<Caller> {
    let request = region.identities().get_caller_identity().send();
    let answer = region.call("sts:GetCallerIdentity", "see who asks", request);
    let answer = answer.await?;
    Ok(Caller {
        account: answer.account.unwrap_or_default(),
        arn: answer.arn.unwrap_or_default(),
    })
}
