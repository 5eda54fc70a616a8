//! What a build of the family yields, in the form that Packer gives it.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::Image;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::ledger::CloudResource;

use crate::image;
use crate::options;
use crate::region::RegionClient;
use crate::resource::{Kind, Made, PROVIDER};
use crate::tags;

/// In the metadata of an image that has another name than its copies: theirs.
pub(crate) const NAME_OF_COPIES: &str = "ami_name";

/// An image: `region:id`, and a line for each region.
pub(crate) fn of_image(
    builder_id: &str,
    region: &RegionClient,
    wanted: &options::Image,
    made: &Made,
    image: &Image,
) -> Artifact {
    let own = image::artifact_of(region, made, image);
    let run = tags::get(image.tags(), tags::RUN).unwrap_or_default();
    let mut metadata = BTreeMap::from([("run".to_owned(), run.to_owned())]);
    if wanted.only_copies {
        metadata.insert(NAME_OF_COPIES.to_owned(), wanted.name.clone());
    }
    Artifact {
        builder_id: builder_id.to_owned(),
        description: format!("AMIs were created:\n{}", own.description),
        metadata,
        ..own
    }
}

/// Something that is known by its id only.
pub(crate) fn thing(region: &RegionClient, kind: Kind, id: &str) -> CloudResource {
    CloudResource {
        provider: PROVIDER.to_owned(),
        kind: kind.word().to_owned(),
        place: region.name().to_owned(),
        name: id.to_owned(),
        id: Some(id.to_owned()),
        reach: region.reach(),
        asked: None,
    }
}
