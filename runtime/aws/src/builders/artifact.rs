//! What a build of the family yields, in the form that Packer gives it.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::Image;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::ledger::CloudResource;

use crate::image;
use crate::region::RegionClient;
use crate::resource::{Kind, Made, PROVIDER};
use crate::tags;

/// An image: `region:id`, and a line for each region.
pub(crate) fn of_image(
    builder_id: &str,
    region: &RegionClient,
    made: &Made,
    image: &Image,
) -> Artifact {
    let own = image::artifact_of(region, made, image);
    let run = tags::get(image.tags(), tags::RUN).unwrap_or_default();
    Artifact {
        builder_id: builder_id.to_owned(),
        description: format!("AMIs were created:\n{}", own.description),
        metadata: BTreeMap::from([("run".to_owned(), run.to_owned())]),
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
        reach: region.reach().clone(),
    }
}
