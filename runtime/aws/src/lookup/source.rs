//! The image to start from, and whether the name of the new one is free.

use aws_sdk_ec2::types::Image;
use imgc_runtime::error::{Class, Error, Result};

use crate::options::Source;
use crate::region::{RegionClient, filter, pages};

/// Images named in a message.
const SHOWN: usize = 5;

/// Finds the image to start from.
pub(crate) async fn find_source(region: &RegionClient, source: &Source) -> Result<Image> {
    let request = region.ec2().describe_images();
    let request = match source {
        Source::Id(id) => request.image_ids(id),
        Source::Filter {
            filters,
            owners,
            deprecated,
            ..
        } => {
            let filters = filters.iter();
            let filters = filters.map(|(name, values)| filter(name, values.iter().cloned()));
            request
                .set_filters(Some(filters.collect()))
                .set_owners(Some(owners.clone()).filter(|owners| !owners.is_empty()))
                .include_deprecated(*deprecated)
        }
    };
    let attempt = "find the image to start from";
    // The newest may stand on the last page.
    let found = pages(|next| {
        let request = request.clone().set_next_token(next).send();
        let answer = region.call("DescribeImages", attempt, request);
        async { answer.await.map(|page| (page.images, page.next_token)) }
    });
    let found = match found.await {
        Err(error) if error.id == "run/aws-missing" => Vec::new(),
        found => found?,
    };
    pick(found, region.name(), source)
}

fn pick(mut found: Vec<Image>, region: &str, source: &Source) -> Result<Image> {
    found.sort_by(|a, b| b.creation_date.cmp(&a.creation_date));
    let several = found.len() > 1;
    let (option, most_recent) = match source {
        Source::Id(_) => ("source_ami", false),
        Source::Filter {
            option,
            most_recent,
            ..
        } => (*option, *most_recent),
    };
    if several && !most_recent {
        let shown: Vec<String> = found.iter().take(SHOWN).map(shown).collect();
        return Err(wrong(format!(
            "`{option}` finds {} images in {region}: {}{}",
            found.len(),
            shown.join(", "),
            if found.len() > SHOWN { ", …" } else { "" }
        ))
        .help("write more filters, or `most_recent = true` for the newest of them"));
    }
    if let Some(image) = found.into_iter().next() {
        return Ok(image);
    }
    Err(match source {
        Source::Id(id) => wrong(format!("there is no image `{id}` in {region}")).help(
            "ids differ from region to region: check `region`, and whether the image is shared with this account, or find \
             it by name with `source_ami_filter`",
        ),
        Source::Filter {
            filters, owners, ..
        } => {
            let filters = filters
                .iter()
                .map(|(name, values)| format!("{name} = {}", values.join(" or ")));
            let owners = (!owners.is_empty()).then(|| format!("owners {}", owners.join(" or ")));
            let looked: Vec<String> = filters.chain(owners).collect();
            wrong(format!(
                "`{option}` finds no image in {region}: {}",
                looked.join(", ")
            ))
            .help(
                "see what is there with `aws ec2 describe-images --owners …`; old images may be deprecated \
                 (`include_deprecated = true`)",
            )
        }
    })
}

fn shown(image: &Image) -> String {
    let id = image.image_id().unwrap_or_default();
    match image.name() {
        Some(name) => format!("{id} ({name})"),
        None => id.to_owned(),
    }
}

fn wrong(message: String) -> Error {
    Error::new(Class::Template, "run/aws-source-image", message)
}

/// The images of this account that have the name already.
pub(crate) async fn taken(region: &RegionClient, name: &str) -> Result<Vec<Image>> {
    let names = &region.together().names;
    names.with(region, name.to_owned()).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;

    fn image(id: &str, made: &str) -> Image {
        Image::builder().image_id(id).creation_date(made).build()
    }

    fn by_filter(most_recent: bool) -> Source {
        Source::Filter {
            option: "source_ami_filter",
            filters: BTreeMap::from([("name".to_owned(), vec!["ubuntu*".to_owned()])]),
            owners: vec!["099720109477".to_owned()],
            most_recent,
            deprecated: false,
        }
    }

    #[test]
    fn one_of_several_is_taken_only_where_the_template_says_which() {
        let both = || vec![image("ami-1", "2024-01-01"), image("ami-2", "2025-01-01")];
        let newest = pick(both(), "eu-west-1", &by_filter(true)).unwrap();
        assert_eq!(newest.image_id(), Some("ami-2"));
        let error = pick(both(), "eu-west-1", &by_filter(false)).unwrap_err();
        assert_eq!(
            error.message,
            "`source_ami_filter` finds 2 images in eu-west-1: ami-2, ami-1"
        );
        let error = pick(Vec::new(), "eu-west-1", &by_filter(true)).unwrap_err();
        assert_eq!(
            error.message,
            "`source_ami_filter` finds no image in eu-west-1: name = ubuntu*, owners 099720109477"
        );
        let of_data = Source::Filter {
            option: "filters",
            filters: BTreeMap::from([("name".to_owned(), vec!["ubuntu*".to_owned()])]),
            owners: Vec::new(),
            most_recent: true,
            deprecated: false,
        };
        let error = pick(Vec::new(), "eu-west-1", &of_data).unwrap_err();
        assert_eq!(
            error.message,
            "`filters` finds no image in eu-west-1: name = ubuntu*"
        );
    }
}
