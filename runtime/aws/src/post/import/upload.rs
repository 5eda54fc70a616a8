//! The file that is imported, in a bucket: uploaded in parts, removed again.
//!
//! In: a file, a bucket, a key. Out: the object, recorded before the first byte is sent. Removing takes the object and every upload
//! of its key that was begun and not ended.

use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ServerSideEncryption};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::files;
use imgc_runtime::ledger::CloudResource;

use crate::error::{Meaning, answer, failed};
use crate::region::{RegionClient, incomplete};

/// Bytes of a part at least; one of a large file is larger, since there may be 10,000.
const PART: u64 = 16 << 20;
const PARTS: u64 = 10_000;
/// Parts on their way at the same time.
const AT_ONCE: usize = 4;
/// Between bucket and key in the id of a record: no name of a bucket has it.
const BETWEEN: char = '/';

/// Where a file goes.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) encryption: Option<ServerSideEncryption>,
    pub(super) encryption_key: Option<String>,
}

impl Target {
    /// The id of its record.
    pub(super) fn id(&self) -> String {
        format!("{}{BETWEEN}{}", self.bucket, self.key)
    }
}

/// The region's own, whose credentials are renewed.
pub(super) fn client(region: &RegionClient) -> Client {
    // TLS guards what is sent; other servers of this protocol do not know the newer checksums.
    let config = region.s3().config().to_builder();
    let config = config.request_checksum_calculation(RequestChecksumCalculation::WhenRequired);
    Client::from_conf(config.build())
}

/// Uploads a file.
pub(super) async fn upload(cx: &Context, s3: &Client, file: &Path, to: &Target) -> Result<()> {
    let unreadable = |error| files::failure("run/missing-file", "read", file, error);
    let size = tokio::fs::metadata(file).await.map_err(unreadable)?.len();
    if size == 0 {
        return Err(Error::new(
            Class::Environment,
            "run/aws-image",
            format!("the file to import is empty: {}", file.display()),
        ));
    }
    let parts = Parts::of(size);
    if parts.count == 1 {
        let body = part(file, 0, size).await?;
        let request = s3.put_object().bucket(&to.bucket).key(&to.key).body(body);
        let request = request
            .set_server_side_encryption(to.encryption.clone())
            .set_ssekms_key_id(to.encryption_key.clone());
        Box::pin(request.send())
            .await
            .map_err(|error| failed("s3:PutObject", &attempt(to), &error))?;
        return Ok(());
    }
    let request = s3.create_multipart_upload().bucket(&to.bucket).key(&to.key);
    let request = request
        .set_server_side_encryption(to.encryption.clone())
        .set_ssekms_key_id(to.encryption_key.clone());
    let begun = Box::pin(request.send()).await;
    let begun = begun.map_err(|error| failed("s3:PutObject", &attempt(to), &error))?;
    let upload = begun.upload_id();
    let upload = upload.ok_or_else(|| incomplete("s3:CreateMultipartUpload", "id"))?;
    let sent = std::sync::atomic::AtomicU64::new(0);
    let send = |number: u64| {
        let sent = &sent;
        async move {
            let (from, length) = parts.range(number);
            let body = part(file, from, length).await?;
            let request = s3.upload_part().bucket(&to.bucket).key(&to.key);
            let number_there = i32::try_from(number + 1).unwrap_or(i32::MAX);
            let request = request
                .upload_id(upload)
                .part_number(number_there)
                .body(body);
            let done = Box::pin(request.send()).await;
            let done = done.map_err(|error| failed("s3:PutObject", &attempt(to), &error))?;
            let before = sent.fetch_add(length, std::sync::atomic::Ordering::Relaxed);
            let tenth = |bytes: u64| bytes * 10 / size;
            if tenth(before) != tenth(before + length) {
                let done = (before + length) * 100 / size;
                cx.output.detail(format!("uploaded {done}%"));
            }
            Ok::<_, Error>(
                CompletedPart::builder()
                    .part_number(number_there)
                    .set_e_tag(done.e_tag.clone())
                    .build(),
            )
        }
    };
    let done = stream::iter(0..parts.count).map(send).buffered(AT_ONCE);
    let done: Vec<CompletedPart> = done.try_collect().await?;
    let all = CompletedMultipartUpload::builder().set_parts(Some(done));
    let request = s3.complete_multipart_upload();
    let request = request.bucket(&to.bucket).key(&to.key).upload_id(upload);
    let request = request.multipart_upload(all.build());
    match Box::pin(request.send()).await {
        Ok(_) => Ok(()),
        // It was completed, and the answer was lost.
        Err(error) if answer(&error) == Some(Meaning::Missing) && is_there(s3, to, size).await => {
            Ok(())
        }
        Err(error) => Err(failed("s3:PutObject", &attempt(to), &error)),
    }
}

fn attempt(to: &Target) -> String {
    format!("upload to s3://{}/{}", to.bucket, to.key)
}

async fn is_there(s3: &Client, to: &Target, size: u64) -> bool {
    let request = s3.head_object().bucket(&to.bucket).key(&to.key).send();
    let found = Box::pin(request).await.ok();
    let length = found.and_then(|found| found.content_length());
    length.and_then(|length| u64::try_from(length).ok()) == Some(size)
}

async fn part(file: &Path, from: u64, length: u64) -> Result<ByteStream> {
    let body = ByteStream::read_from().path(file).offset(from);
    body.length(Length::Exact(length))
        .build()
        .await
        .map_err(|error| {
            let text = format!("cannot read `{}`", file.display());
            Error::new(Class::Environment, "run/missing-file", text).because(error)
        })
}

/// How a file is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts {
    size: u64,
    part: u64,
    count: u64,
}

impl Parts {
    fn of(size: u64) -> Self {
        let part = PART.max(size.div_ceil(PARTS));
        let count = size.div_ceil(part).max(1);
        Self { size, part, count }
    }

    /// Where a part begins, and its length.
    fn range(self, number: u64) -> (u64, u64) {
        let from = number * self.part;
        (from, self.part.min(self.size - from))
    }
}

/// Removes the object of a record, and uploads of its key that have not ended. What is gone already is no failure.
pub(super) async fn remove(region: &RegionClient, thing: &CloudResource) -> Result<()> {
    let id = thing.id.as_deref().unwrap_or_default();
    let Some((bucket, key)) = id.split_once(BETWEEN) else {
        return Ok(());
    };
    let s3 = client(region);
    let request = s3.list_multipart_uploads().bucket(bucket).prefix(key);
    let begun = match Box::pin(request.send()).await {
        Ok(begun) => begun,
        Err(error) if answer(&error) == Some(Meaning::Missing) => return Ok(()),
        Err(error) => {
            let attempt = format!("look for uploads to s3://{bucket}/{key}");
            return Err(failed("s3:ListBucketMultipartUploads", &attempt, &error));
        }
    };
    for upload in begun
        .uploads()
        .iter()
        .filter(|upload| upload.key() == Some(key))
    {
        let request = s3.abort_multipart_upload().bucket(bucket).key(key);
        let request = request.set_upload_id(upload.upload_id().map(str::to_owned));
        match Box::pin(request.send()).await {
            Ok(_) => {}
            Err(error) if answer(&error) == Some(Meaning::Missing) => {}
            Err(error) => {
                let attempt = format!("end an upload to s3://{bucket}/{key}");
                return Err(failed("s3:AbortMultipartUpload", &attempt, &error));
            }
        }
    }
    let request = s3.delete_object().bucket(bucket).key(key);
    match Box::pin(request.send()).await {
        Ok(_) => Ok(()),
        Err(error) if answer(&error) == Some(Meaning::Missing) => Ok(()),
        Err(error) => {
            let attempt = format!("delete s3://{bucket}/{key}");
            Err(failed("s3:DeleteObject", &attempt, &error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_a_file_and_are_not_too_many() {
        for size in [
            1,
            PART - 1,
            PART,
            PART + 1,
            5 * PART,
            PART * PARTS + 1,
            5 << 40,
        ] {
            let parts = Parts::of(size);
            assert!(parts.count <= PARTS, "{size}: {parts:?}");
            let all: u64 = [0, parts.count - 1]
                .iter()
                .map(|number| parts.range(*number).1)
                .sum();
            let covered = match parts.count {
                1 => all / 2,
                count => all + (count - 2) * parts.part,
            };
            assert_eq!(covered, size, "{parts:?}");
        }
        assert_eq!(Parts::of(PART).count, 1);
        assert_eq!(Parts::of(PART + 1).range(1), (PART, 1));
    }
}
