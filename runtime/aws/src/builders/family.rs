//! What all builders of the family begin with: the account, the image to start from, whether the name of the new one is free.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_ec2::types::Image;
use imgc_compiler::value::Value;
use imgc_runtime::builder::{Known, Pin, Problem};
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use crate::account::{Access, Account, Accounts, named_region};
use crate::lookup::{Place, bucket_of, check_groups, find_place, find_source, has_bucket};
use crate::options::{self, Network, Source};
use crate::publish;
use crate::region::RegionClient;
use crate::rehearsal::{Plans, Scene, refused, rehearse};
use crate::{rights, simulation};

type Sources = Arc<Mutex<HashMap<(Access, String), Arc<OnceCell<Image>>>>>;

/// What the builders of one process share. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Family {
    accounts: Accounts,
    /// Images to start from that this process has found: one look for pins, preparation and start.
    sources: Sources,
    /// Where the instances of builds will go, and when that was found: the launch that follows at once need not ask again.
    places: Arc<Mutex<HashMap<String, (Instant, Place)>>>,
}

/// How long a place that preparation has found is taken for what a look would find.
const FRESH: Duration = Duration::from_secs(120);

/// Who asks, the account, and the region a build works in.
pub(crate) type Reached = (Access, Arc<Account>, RegionClient);

impl Family {
    /// With the accounts of this process.
    pub(crate) fn new(accounts: Accounts) -> Self {
        Self {
            accounts,
            ..Self::default()
        }
    }

    /// The account and the region of a source.
    pub(crate) async fn account(&self, options: &Options<'_>) -> Result<Reached> {
        let access = Access::read(options)?;
        let account = self.accounts.get(&access).await?;
        let region = account.region(account.home());
        Ok((access, account, region))
    }

    /// The image to start from.
    pub(crate) async fn source(
        &self,
        access: &Access,
        region: &RegionClient,
        source: &Source,
    ) -> Result<Image> {
        let cell = {
            let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (access.clone(), format!("{} {source:?}", region.name()));
            sources.entry(key).or_default().clone()
        };
        let image = cell.get_or_try_init(|| find_source(region, source)).await?;
        Ok(image.clone())
    }

    /// Where the instance of a build goes, as its preparation has found a moment ago; taken once, so that another instance of it is
    /// looked for anew.
    pub(crate) async fn place(
        &self,
        cx: &Context,
        region: &RegionClient,
        network: &Network,
    ) -> Result<Place> {
        let found = self.places().remove(&address(cx, region, network));
        match found {
            Some((at, place)) if at.elapsed() < FRESH => Ok(place),
            _ => find_place(region, network).await,
        }
    }

    /// Looks where the instance of a build will go.
    async fn foresee(
        &self,
        cx: &Context,
        region: &RegionClient,
        network: &Network,
    ) -> Result<Place> {
        let place = find_place(region, network).await?;
        let found = (Instant::now(), place.clone());
        self.places().insert(address(cx, region, network), found);
        Ok(place)
    }

    fn places(&self) -> MutexGuard<'_, HashMap<String, (Instant, Place)>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The image that a filter finds, as something that moves.
    pub(crate) async fn pins(
        &self,
        options: &Options<'_>,
        source: &Source,
        known: &Known,
    ) -> Result<Vec<Pin>> {
        let Source::Filter { .. } = source else {
            return Ok(Vec::new());
        };
        let name = |region: &str| format!("aws image {region} {}", described(source));
        if known.offline {
            let region = named_region(&Access::read(options)?).await;
            let pin = region.and_then(|region| known.pins.get(&name(&region)).cloned());
            return pin.map(|pin| vec![pin]).ok_or_else(not_asked);
        }
        let (access, _, region) = self.account(options).await?;
        let image = self.source(&access, &region, source).await?;
        Ok(vec![Pin {
            name: name(region.name()),
            value: image.image_id.clone().unwrap_or_default(),
            about: image.name.clone().unwrap_or_default(),
        }])
    }

    /// Looks for the image to start from, and whether the name of the new one (if there will be one) is free.
    pub(crate) async fn prepare(
        &self,
        cx: &Context,
        options: &Options<'_>,
        source: &Source,
        image: Option<&options::Image>,
    ) -> Result<Image> {
        let (access, _, region) = self.account(options).await?;
        let names = async {
            match image {
                Some(image) => self.name_is_free(cx, options, image).await,
                None => Ok(()),
            }
        };
        let (source, names) = tokio::join!(
            Box::pin(self.source(&access, &region, source)),
            Box::pin(names),
        );
        let source = source?;
        cx.output.detail(format!(
            "found image: {} {}",
            source.image_id().unwrap_or_default(),
            source.name().unwrap_or_default()
        ));
        names?;
        Ok(source)
    }

    /// Whether the name of the new image is free, wherever there will be one.
    pub(crate) async fn name_is_free(
        &self,
        cx: &Context,
        options: &Options<'_>,
        image: &options::Image,
    ) -> Result<()> {
        let (_, account, _) = self.account(options).await?;
        let free = image.skip || image.replaces || cx.force;
        publish::names_are_free(&account, options, image, free).await
    }

    /// Asks whether what the template names is there and what makes the first things is allowed, before anything is made.
    pub(crate) async fn rehearse(
        &self,
        cx: &Context,
        kind: rights::Family,
        options: &Options<'_>,
        network: &Network,
        source: &Image,
    ) -> Result<()> {
        let (_, _, region) = self.account(options).await?;
        let (groups, place, ()) = tokio::join!(
            Box::pin(check_groups(&region, network)),
            Box::pin(self.foresee(cx, &region, network)),
            Box::pin(bucket(cx, &region, options)),
        );
        match groups {
            // Who may not look finds out from the start of the instance.
            Err(error) if error.id == "run/aws-denied" => cx.output.detail(error.chain()),
            groups => groups?,
        }
        // What goes on with an instance of before needs none: the launch says it.
        if let Err(error) = &place {
            cx.output.detail(error.chain());
        }
        let has_filter = network.groups.is_empty() && network.group_filter.is_some();
        let scene = Scene {
            family: kind,
            options,
            source: Some(source),
            place: place.as_ref().ok(),
            groups: (!has_filter).then(|| network.groups.clone()),
        };
        self.is_allowed(cx, &region, &scene).await
    }

    /// Asks whether what makes the first things is allowed.
    pub(crate) async fn is_allowed(
        &self,
        cx: &Context,
        region: &RegionClient,
        scene: &Scene<'_>,
    ) -> Result<()> {
        let plans = Plans::of(cx, region, scene)?;
        // A key pair is the first thing to be made, so that a refusal of it comes before anything is there.
        let keyless = plans.without_key();
        let (refusals, own) = tokio::join!(
            Box::pin(rehearse(cx, region, keyless.as_ref().unwrap_or(&plans))),
            Box::pin(simulation::of_profile(scene.family, region, scene.options)),
        );
        let mut refusals = refusals?;
        // All that is missing is said at once.
        if keyless.is_some() && !refusals.is_empty() {
            refusals = Box::pin(rehearse(cx, region, &plans)).await?;
        }
        match own {
            Ok(own) => refusals.extend(own),
            // Few may ask IAM. What is not allowed is said by what makes the role.
            Err(error) => cx.output.detail(error.chain()),
        }
        refused(&refusals)
    }

    /// The accounts of this process.
    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }
}

/// What the place of a build's instance is kept by: the build, whose steps are told apart by what follows its address.
fn address(cx: &Context, region: &RegionClient, network: &Network) -> String {
    let build = cx.address.rsplit_once('.').map_or("", |(build, _)| build);
    format!("{build} {} {network:?}", region.name())
}

/// Says that a bucket is not there. It is no failure: Amazon's `ec2-upload-bundle` makes it.
async fn bucket(cx: &Context, region: &RegionClient, options: &Options<'_>) {
    let Ok(Some(place)) = options.string("s3_bucket") else {
        return;
    };
    match has_bucket(region, &place).await {
        Ok(true) => {}
        Ok(false) => cx.output.warn(no_bucket(&place, options)),
        Err(error) => cx.output.detail(error.chain()),
    }
}

/// What it means for `amazon-instance` that there is no bucket for its bundle.
pub(crate) fn no_bucket(place: &str, options: &Options<'_>) -> String {
    let name = bucket_of(place);
    match options::uploads_with_tools(options) {
        true => format!(
            "there is no bucket {name}: `ec2-upload-bundle` makes it, where the name is free and s3:CreateBucket is allowed"
        ),
        false => format!(
            "there is no bucket {name}: the upload fails unless `bundle_upload_command` makes it"
        ),
    }
}

/// Nobody is asked: `plan -offline`.
fn not_asked() -> Error {
    Error::new(
        Class::Environment,
        "run/aws-source-image",
        "Amazon is not asked: -offline, and imgc.lock does not say which image it is",
    )
}

/// What is wrong with the options of a builder that makes an image, as far as that is known before the run.
pub(crate) fn problems_of_image(options: &Value, read: Result<()>) -> Vec<Problem> {
    let found = publish::problems(options);
    match found.is_empty() {
        // What is said already needs no second message.
        false => found,
        true => problems(read),
    }
}

/// What is wrong with options, as far as that is known before the run.
pub(crate) fn problems(read: Result<()>) -> Vec<Problem> {
    match read {
        // What only the run knows is looked at then.
        Err(error) if error.id != "run/unknown-option" => vec![error.into()],
        _ => Vec::new(),
    }
}

/// What a filter looks for, in a line.
fn described(source: &Source) -> String {
    match source {
        Source::Id(id) => id.clone(),
        Source::Filter {
            filters, owners, ..
        } => {
            let filters = filters
                .iter()
                .map(|(name, values)| format!("{name}={}", values.join("|")));
            let owners = (!owners.is_empty()).then(|| format!("owner={}", owners.join("|")));
            filters.chain(owners).collect::<Vec<_>>().join(" ")
        }
    }
}

/// What is known of a build: the builder's generated data as Packer's has it, and the tags of the image it started from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Facts {
    pub(crate) texts: BTreeMap<String, String>,
    pub(crate) source_tags: BTreeMap<String, String>,
}

impl Facts {
    /// Of a build in a region, from an image.
    pub(crate) fn new(region: &RegionClient, source: &Image) -> Self {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let texts = [
            ("BuildRegion", region.name().to_owned()),
            ("SourceAMI", text(source.image_id())),
            ("SourceAMICreationDate", text(source.creation_date())),
            ("SourceAMIName", text(source.name())),
            ("SourceAMIOwner", text(source.owner_id())),
            ("SourceAMIOwnerName", text(source.image_owner_alias())),
        ];
        let tags = source.tags().iter();
        Self {
            texts: texts
                .into_iter()
                .map(|(name, text)| (name.to_owned(), text))
                .collect(),
            source_tags: tags
                .filter_map(|tag| Some((tag.key.clone()?, tag.value.clone()?)))
                .collect(),
        }
    }
}
