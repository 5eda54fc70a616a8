//! Removing a bundle from S3: the objects of its prefix that are not older than it, so that an older bundle of the same name keeps
//! what was not overwritten.

use imgc_runtime::error::{Class, Error, Result};

use crate::region::RegionClient;

/// Clocks of two machines may differ by this much, in milliseconds.
const DOUBT: i64 = 120_000;

/// Removes the bundle `bucket/prefix@milliseconds`.
pub(super) async fn remove(region: &RegionClient, id: &str) -> Result<()> {
    let (bucket, ..) = parts(id).ok_or_else(|| {
        Error::new(
            Class::Bug,
            "run/leftovers",
            format!("`{id}` is no bundle in S3"),
        )
    })?;
    // What was still on its way when the machine ended comes with a later look.
    loop {
        let keys = objects(region, id).await?;
        if keys.is_empty() {
            return Ok(());
        }
        for key in keys {
            let request = region.s3().delete_object().bucket(bucket).key(key);
            region
                .call(
                    "s3:DeleteObject",
                    "delete a part of a bundle",
                    request.send(),
                )
                .await?;
        }
    }
}

/// The objects of a bundle.
pub(super) async fn objects(region: &RegionClient, id: &str) -> Result<Vec<String>> {
    let Some((bucket, prefix, since)) = parts(id) else {
        return Ok(Vec::new());
    };
    let mut keys = Vec::new();
    let mut next = None;
    loop {
        let request = region
            .s3()
            .list_objects_v2()
            .bucket(bucket)
            .prefix(format!("{prefix}."))
            .set_continuation_token(next);
        let answer = region.call("s3:ListBucket", "look for a bundle", request.send());
        let page = match answer.await {
            Err(error) if error.id == "run/aws-missing" => return Ok(Vec::new()),
            answer => answer?,
        };
        let ours = page.contents.unwrap_or_default().into_iter();
        let ours = ours.filter(|object| {
            let changed = object.last_modified.and_then(|time| time.to_millis().ok());
            changed.is_none_or(|changed| changed + DOUBT >= since)
        });
        keys.extend(ours.filter_map(|object| object.key));
        next = page.next_continuation_token;
        if next.is_none() {
            return Ok(keys);
        }
    }
}

/// The manifest of a bundle, as an image names it.
pub(super) fn manifest(id: &str) -> Option<String> {
    let (bucket, prefix, _) = parts(id)?;
    Some(format!("{bucket}/{prefix}.manifest.xml"))
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
        assert_eq!(
            manifest("images/fleet/web@1790000000000").as_deref(),
            Some("images/fleet/web.manifest.xml")
        );
    }
}
