//! The rights that post-processors take, for `imgc plan -iam`.
//!
//! In: the parts of the table that a post-processor needs, its options, and what makes its artifact. Out: rights in the regions that
//! its images are in, of whoever asks: as the options say, else whoever makes the image. Parameters and buckets that are named
//! are named in the rights as well.

use std::collections::BTreeSet;

use imgc_runtime::options::Options;
use imgc_runtime::preview::{Origin, Right, Scope};

use crate::account::{Access, Accounts};
use crate::post::{WHO, image_regions};
use crate::preview::{asking, held};
use crate::rights::{self, Part, Place, in_bucket};

/// What a post-processor is about to do.
pub(super) struct Asks<'a> {
    pub(super) options: Options<'a>,
    pub(super) parts: BTreeSet<Part>,
    /// Where it works with what another component has made; `None` where it makes its own.
    pub(super) origin: Option<Origin<'a>>,
    pub(super) scope: Scope,
}

/// Its rights.
pub(super) async fn rights(accounts: &Accounts, asks: Asks<'_>) -> Vec<Right> {
    let Asks {
        options,
        parts,
        origin,
        scope,
    } = asks;
    let Foreseen {
        access, regions, ..
    } = foreseen(accounts, &options, origin).await;
    let (place, holder) = asking(accounts, &access, scope).await;
    let mut all = Vec::new();
    for region in regions {
        let there = Place {
            region,
            account: place.account.clone(),
        };
        all.extend(rights::rights(&parts, &there, false));
    }
    for right in &mut all {
        let resources = std::mem::take(&mut right.resources).into_iter();
        right.resources = resources.map(|one| narrowed(one, &options)).collect();
    }
    held(all, &access, &holder)
}

/// Before the run: in whose name a post-processor asks, and where.
pub(super) struct Foreseen {
    pub(super) access: Access,
    /// One that only the run knows is empty.
    pub(super) regions: Vec<String>,
    /// Where a builder of ours makes images, chosen or not, likewise.
    pub(super) images: Option<Vec<String>>,
    /// Whether it works with what a builder of ours makes, or says itself where.
    pub(super) is_sure: bool,
}

/// The regions of the image, unless some are chosen, and whoever makes it, unless the options say otherwise.
pub(super) async fn foreseen(
    accounts: &Accounts,
    options: &Options<'_>,
    origin: Option<Origin<'_>>,
) -> Foreseen {
    let own = WHO.iter().any(|option| options.is_given(option));
    let source = origin.filter(|origin| origin.builder.starts_with("amazon-"));
    let source = source.map(|origin| Options::new("builder", origin.options));
    let who = match (&source, own) {
        (Some(source), false) => source,
        _ => options,
    };
    let access = Access::read(who).unwrap_or_default();
    let nobody = Scope {
        offline: true,
        ..Scope::default()
    };
    let home = match &source {
        Some(source) => Access::read(source).unwrap_or_default(),
        None => access.clone(),
    };
    let home = asking(accounts, &home, nobody).await.0.region;
    let images = source.map(|source| image_regions(&source, &home));
    let is_sure = images.is_some() || options.is_given("regions");
    let regions = match (options.is_given("regions"), &images) {
        (true, _) => {
            let chosen = options.plain_strings("regions");
            chosen.unwrap_or_else(|_| vec![String::new()])
        }
        (false, Some(images)) => images.clone(),
        (false, None) => vec![home],
    };
    Foreseen {
        access,
        regions,
        images,
        is_sure,
    }
}

/// A resource that stands for all of a kind, with the name that the template gives, as far as it is known.
fn narrowed(resource: String, options: &Options<'_>) -> String {
    let text = |name: &str| options.string(name).ok().flatten();
    if let Some(place) = resource.strip_suffix(":parameter/*")
        && let Some(name) = text("parameter")
    {
        let name = name.trim_start_matches('/');
        let name = match name.split_once("{{") {
            Some((known, _)) => format!("{known}*"),
            None => name.to_owned(),
        };
        return format!("{place}:parameter/{name}");
    }
    match text("s3_bucket_name") {
        Some(bucket) => in_bucket(resource, &bucket),
        None => resource,
    }
}

#[cfg(test)]
mod tests {
    use imgc_compiler::value::Value;

    use super::*;

    #[test]
    fn what_is_named_is_named_in_the_policy() {
        let given = Value::object([
            ("parameter", Value::string("/golden/{{ build_name }}")),
            ("s3_bucket_name", Value::string("images")),
        ]);
        let options = Options::new("x", &given);
        let of = |text: &str| narrowed(text.to_owned(), &options);
        assert_eq!(
            of("arn:aws:ssm:eu-west-1:1:parameter/*"),
            "arn:aws:ssm:eu-west-1:1:parameter/golden/*"
        );
        assert_eq!(of("arn:aws:s3:::*/*"), "arn:aws:s3:::images/*");
        assert_eq!(of("*"), "*");
    }
}
