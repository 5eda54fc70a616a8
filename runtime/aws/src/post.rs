//! Post-processors: what is done with finished images. Here what they share: the images of an artifact, how their account is
//! reached, and work in several regions of which one may fail.

mod import;
mod made;
mod parameter;
mod retention;
mod rights;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imgc_runtime::artifact::Artifact;
use imgc_runtime::builder::Problem;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;
use imgc_runtime::post_processor::Processed;
use imgc_runtime::preview::Origin;

use crate::account::{Access, Account, Accounts};
use crate::options::ONLY_COPIES;
use crate::resource::{Kind, PROVIDER};
use crate::rights::copies;

pub use import::Import;
pub(crate) use import::is_stored;
pub(crate) use made::{IMPORT, OBJECT, PARAMETER, remove};
pub use parameter::SsmParameter;
pub use retention::Retention;

/// The options that say who asks: where none is given, it is whoever has made the image.
const WHO: &[&str] = &[
    "access_key",
    "assume_role",
    "custom_endpoint_ec2",
    "profile",
    "secret_key",
    "shared_credentials_file",
    "token",
];

/// An image of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) region: String,
    pub(crate) id: String,
    /// What leads to its account again.
    reach: BTreeMap<String, String>,
}

/// The images of an artifact: `region:ami-…` in its id, as every builder of images gives it.
pub(crate) fn images(artifact: &Artifact) -> Vec<Finished> {
    let things = || {
        let things = artifact.things.iter();
        things.filter(|thing| thing.provider == PROVIDER)
    };
    let usual = things().find(|thing| thing.kind == Kind::Image.word());
    let usual = usual.map(|thing| thing.reach.clone()).unwrap_or_default();
    let named = artifact.id.split(',').filter_map(|one| {
        let (region, id) = one.trim().split_once(':')?;
        let of = things().find(|thing| thing.id.as_deref() == Some(id) && thing.place == region);
        id.starts_with("ami-").then(|| Finished {
            region: region.to_owned(),
            id: id.to_owned(),
            reach: of.map_or_else(|| usual.clone(), |thing| thing.reach.clone()),
        })
    });
    named.collect()
}

/// The images that a post-processor is to work with, one for each region; `regions` names those it is about.
pub(crate) fn chosen(
    component: &str,
    artifact: &Artifact,
    regions: &[String],
) -> Result<Vec<Finished>> {
    let all = images(artifact);
    let wrong = |message: String| Error::new(Class::Template, "run/aws-option", message);
    if all.is_empty() {
        return Err(wrong(format!("{component} has no image to work with")).help(BEHIND));
    }
    let mut there = BTreeSet::new();
    for image in &all {
        if !there.insert(image.region.as_str()) {
            return Err(wrong(format!(
                "{component} has more than one image in {}",
                image.region
            )));
        }
    }
    all_there(component, regions, &there)?;
    let wanted = |image: &Finished| regions.is_empty() || regions.contains(&image.region);
    Ok(all.into_iter().filter(wanted).collect())
}

/// Where a post-processor of images has to stand.
const BEHIND: &str = "put it behind a source that makes images at Amazon, such as `amazon-ebs`";

/// Whether there is an image in each of the regions that are chosen.
fn all_there(component: &str, regions: &[String], there: &BTreeSet<&str>) -> Result<()> {
    let Some(missing) = regions.iter().find(|name| !there.contains(name.as_str())) else {
        return Ok(());
    };
    let there: Vec<&str> = there.iter().copied().collect();
    let message = format!(
        "{component} has no image in {missing}, only in {}",
        there.join(", ")
    );
    Err(Error::new(Class::Template, "run/aws-option", message)
        .of("regions")
        .help("`regions` names regions the image is copied to (`ami_regions` of the source)"))
}

/// What is wrong with a post-processor of images where it stands, as far as it follows from the template: a source without an
/// image, a region without one. What only the run, or the environment, knows is let through.
pub(crate) fn misplaced(
    component: &str,
    options: &Options<'_>,
    origin: Origin<'_>,
) -> Vec<Problem> {
    let source = Options::new("builder", origin.options);
    let none = |why: &str| {
        let message = format!("{component} has no image to work with: {why}");
        vec![
            Problem::new(message).help(format!("{BEHIND}, or leave this source out with `except`")),
        ]
    };
    match origin.builder {
        "amazon-chroot" | "amazon-ebs" | "amazon-ebssurrogate" | "amazon-instance" => {}
        "amazon-ebsvolume" | "file" | "null" | "rootfs" => {
            return none(&format!("`{}` makes none", origin.builder));
        }
        _ => return Vec::new(),
    }
    if let Ok(true) = source.bool("skip_create_ami") {
        return none("`skip_create_ami` is set");
    }
    let places = ["ami_regions", "region", ONLY_COPIES];
    // Without `region` it is the environment that says where the image is made.
    let (Ok(chosen), Ok(Some(home))) = (options.plain_strings("regions"), source.string("region"))
    else {
        return Vec::new();
    };
    if places
        .iter()
        .any(|name| source.is_unknown(name) || source.is_sensitive(name))
    {
        return Vec::new();
    }
    let there = image_regions(&source, &home);
    let there = there.iter().map(String::as_str).collect();
    match all_there(component, &chosen, &there) {
        Err(error) => vec![error.into()],
        Ok(()) => Vec::new(),
    }
}

/// The regions that a source's image will be in; `home` is where it is built. One that is not known is empty.
pub(crate) fn image_regions(source: &Options<'_>, home: &str) -> Vec<String> {
    let (mut regions, _) = copies(source, home);
    if !source.is_given(ONLY_COPIES) {
        regions.push(home.to_owned());
    }
    regions
}

/// The account of an image: as the options of the post-processor say, else as it was made.
pub(crate) async fn account(
    accounts: &Accounts,
    options: &Options<'_>,
    image: &Finished,
) -> Result<Arc<Account>> {
    let own = WHO.iter().any(|option| options.is_given(option));
    let account = match own {
        true => {
            let access = Access::read(options)?.in_region(&image.region);
            accounts.get(&access).await?
        }
        false => accounts.back(&image.reach, &image.region).await?,
    };
    // Records of what is about to be made have it.
    account.number().await;
    Ok(account)
}

/// One failure of what went wrong in several regions; each has been said.
pub(crate) fn joined(mut failures: Vec<(String, Error)>) -> Result<()> {
    let Some((_, first)) = failures.first() else {
        return Ok(());
    };
    let (class, id) = (first.class, first.id);
    let transient = failures.iter().all(|(_, error)| error.is_transient());
    let help = failures.iter().find_map(|(_, error)| error.help.clone());
    if failures.len() == 1 {
        return Err(failures.remove(0).1);
    }
    let texts: Vec<String> = failures
        .iter()
        .map(|(region, error)| format!("{region}: {}", error.chain()))
        .collect();
    let mut error = Error::new(
        class,
        id,
        format!("{} regions failed: {}", failures.len(), texts.join("; ")),
    );
    error.help = help;
    Err(match transient {
        true => error.transient(),
        false => error.permanent(),
    })
}

/// Whether a problem of options is worth saying before the run: what only the run knows is looked at then, and what is missing
/// has been said from the schema.
pub(crate) fn is_news(error: &Error) -> bool {
    !matches!(error.id, "run/unknown-option" | "run/missing-option")
}

/// The artifact goes on as it is and stays, whatever the template says.
pub(crate) fn unchanged(artifact: &Artifact) -> Processed {
    Processed {
        artifact: artifact.clone(),
        keep_by_default: true,
        must_keep: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(id: &str) -> Artifact {
        Artifact {
            id: id.to_owned(),
            ..Artifact::default()
        }
    }

    #[test]
    fn images_stand_in_the_artifact_s_id() {
        let found = images(&artifact("us-east-1:ami-1,eu-west-1:ami-2,us-east-1:vol-3"));
        let found: Vec<_> = found.iter().map(|one| (&*one.region, &*one.id)).collect();
        assert_eq!(found, [("us-east-1", "ami-1"), ("eu-west-1", "ami-2")]);
        assert!(images(&artifact("File")).is_empty());
    }

    #[test]
    fn regions_must_have_an_image() {
        let two = artifact("us-east-1:ami-1,eu-west-1:ami-2");
        let names = |regions: &[&str]| {
            let regions: Vec<String> = regions.iter().map(|name| (*name).to_owned()).collect();
            chosen("it", &two, &regions).map_or_else(
                |error| error.message,
                |images| {
                    let ids = images.into_iter().map(|image| image.id);
                    ids.collect::<Vec<_>>().join(" ")
                },
            )
        };
        assert_eq!(names(&[]), "ami-1 ami-2");
        assert_eq!(names(&["eu-west-1"]), "ami-2");
        assert_eq!(
            names(&["eu-west-3"]),
            "it has no image in eu-west-3, only in eu-west-1, us-east-1"
        );
    }
}
