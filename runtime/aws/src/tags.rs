//! The tags that everything we make carries from its creation on, so that it is found from any machine.
//!
//! In: a run, what it makes, the template's own tags. Out: tags for a create call.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};

/// The run's id.
pub(crate) const RUN: &str = "imgc:run";
/// After this moment (RFC 3339, UTC) it may be removed by anyone.
pub(crate) const EXPIRES: &str = "imgc:expires";
/// The address of the build.
pub(crate) const BUILD: &str = "imgc:build";
/// The name that is unique in all runs: what an intent is found by when no id came back.
pub(crate) const NAME: &str = "imgc:resource";
/// On an instance: the bundle that is made of its disk, `bucket/prefix@milliseconds`. On a task that imports: the object it reads,
/// `bucket/key`, where that is to go. What lies in a bucket cannot be found by tags of its own.
pub(crate) const STORED: &str = "imgc:stored";
/// On an image that is a checkpoint, and on its snapshots: the address of the step it was made after.
pub(crate) const CHECKPOINT: &str = "imgc:checkpoint";
/// The longest value of a tag.
pub(crate) const LONGEST: usize = 256;
/// Images of which `amazon-retention` keeps only some.
pub(crate) const FAMILY: &str = "imgc:family";

/// Tags by key.
pub(crate) type Tags = BTreeMap<String, String>;

/// The tags as the API takes them.
pub(crate) fn list(tags: &Tags) -> Vec<Tag> {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    tags.iter().map(tag).collect()
}

/// What a create call says about the tags of what it makes.
pub(crate) fn specification(kind: ResourceType, tags: &Tags) -> TagSpecification {
    TagSpecification::builder()
        .resource_type(kind)
        .set_tags(Some(list(tags)))
        .build()
}

/// The value of a tag.
pub(crate) fn get<'a>(tags: &'a [Tag], key: &str) -> Option<&'a str> {
    tags.iter()
        .find(|tag| tag.key() == Some(key))
        .and_then(Tag::value)
}
