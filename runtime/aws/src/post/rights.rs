//! The rights that post-processors take, for `imgc plan -iam`.
//!
//! In: the parts of the table that a post-processor needs, its options, and what makes its artifact. Out: rights in the regions that
//! its images are in, of whoever asks: as the options say, else whoever makes the image. Parameters and buckets that are named
//! are named in the rights as well.

use std::collections::BTreeSet;

use imgc_runtime::options::Options;
use imgc_runtime::preview::{Origin, Right, Scope};

use crate::account::{Access, Accounts};
use crate::post::WHO;
use crate::preview::{asking, held};
use crate::rights::{self, Part, Place, copies};

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
    let own = WHO.iter().any(|option| options.is_given(option));
    let source = origin.filter(|origin| origin.builder.starts_with("amazon-"));
    let source = source.map(|origin| Options::new("builder", origin.options));
    let who = match (&source, own) {
        (Some(source), false) => source,
        _ => &options,
    };
    let access = Access::read(who).unwrap_or_default();
    let (place, holder) = asking(accounts, &access, scope).await;
    let mut regions = match &source {
        // Each region of the image, unless some are chosen.
        Some(source) => {
            let home = Access::read(source).unwrap_or_default();
            let (home, _) = asking(
                accounts,
                &home,
                Scope {
                    offline: true,
                    ..scope
                },
            )
            .await;
            let mut regions = copies(source, &home.region).0;
            regions.push(home.region);
            regions
        }
        None => vec![place.region.clone()],
    };
    if options.is_given("regions") {
        // One that only the run knows is empty.
        let chosen = options.plain_strings("regions");
        regions = chosen.unwrap_or_else(|_| vec![String::new()]);
    }
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
    if let Some(place) = resource.strip_suffix(":::*/*")
        && let Some(bucket) = text("s3_bucket_name")
    {
        return format!("{place}:::{bucket}/*");
    }
    resource
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
