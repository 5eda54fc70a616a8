//! Buckets that templates name: whether they are there, before anything is made for them.

use imgc_runtime::error::{Class, Error, Result};

use crate::error::failed;
use crate::region::RegionClient;

/// Whether there is a bucket that may be looked into. `place`: its name, a path may follow behind `/`. An error
/// (`run/aws-denied`, `run/aws-request`) where that cannot be told: the bucket is somebody else's, or in another region.
pub(crate) async fn has_bucket(region: &RegionClient, place: &str) -> Result<bool> {
    let name = bucket_of(place);
    let attempt = format!("look for the bucket {name}");
    let request = region.s3().head_bucket().bucket(name).send();
    let Err(error) = region.ask(request).await else {
        return Ok(true);
    };
    // The answer has no body, so its status is all that it says.
    let answer = error.raw_response();
    match answer.map(|answer| answer.status().as_u16()) {
        Some(404) => Ok(false),
        Some(403) => Err(Error::new(
            Class::Environment,
            "run/aws-denied",
            format!(
                "cannot {attempt}: s3:ListBucket is not allowed, or it belongs to another account"
            ),
        )
        .help("names of buckets are the same for all accounts: look whose it is with `aws s3 ls`")),
        Some(301) => {
            let there = answer.and_then(|answer| answer.headers().get("x-amz-bucket-region"));
            Err(Error::new(
                Class::Remote,
                "run/aws-request",
                format!(
                    "the bucket {name} is in {}, and not in {}",
                    there.unwrap_or("another region"),
                    region.name()
                ),
            )
            .permanent()
            .help("name a bucket of the build's region"))
        }
        _ => Err(failed("s3:ListBucket", &attempt, &error)),
    }
}

/// The bucket of a place in one.
pub(crate) fn bucket_of(place: &str) -> &str {
    place.split('/').next().unwrap_or_default()
}
