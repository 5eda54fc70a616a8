//! Removing a bundle from S3: the objects of its prefix that are not older than it, so that an older bundle of the same name keeps
//! what was not overwritten.

use imgc_runtime::error::{Class, Error, Result};

use crate::region::RegionClient;

/// Clocks of two machines may differ by this much, in milliseconds.
const DOUBT: i64 = 120_000;

/// Removes the bundle `bucket/prefix@milliseconds`.
pub(super) async fn remove(region: &RegionClient, id: &str) -> Result<()> {
    let (bucket, prefix, since) = parts(id).ok_or_else(|| {
        Error::new(
            Class::Bug,
            "run/leftovers",
            format!("`{id}` is no bundle in S3"),
        )
    })?;
    let s3 = region.s3();
    let request = s3
        .list_objects_v2()
        .bucket(bucket)
        .prefix(format!("{prefix}."));
    let answer = region.call("s3:ListBucket", "look for a bundle", request.send());
    let found = match answer.await {
        Err(error) if error.id == "run/aws-missing" => return Ok(()),
        answer => answer?.contents.unwrap_or_default(),
    };
    for object in found {
        let changed = object.last_modified.and_then(|time| time.to_millis().ok());
        let is_ours = changed.is_none_or(|changed| changed + DOUBT >= since);
        if let Some(key) = object.key.filter(|_| is_ours) {
            let request = s3.delete_object().bucket(bucket).key(key);
            region
                .call(
                    "s3:DeleteObject",
                    "delete a part of a bundle",
                    request.send(),
                )
                .await?;
        }
    }
    Ok(())
}

fn parts(id: &str) -> Option<(&str, &str, i64)> {
    let (path, since) = id.rsplit_once('@')?;
    let (bucket, prefix) = path.split_once('/')?;
    Some((bucket, prefix, since.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_named_by_where_and_when() {
        assert_eq!(
            parts("images/fleet/web@1790000000000"),
            Some(("images", "fleet/web", 1_790_000_000_000))
        );
        assert_eq!(parts("images"), None);
    }
}
