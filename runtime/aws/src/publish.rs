//! Publishing an image: which steps the options make, and doing one of them.
//!
//! Each region's copy is a step, and so is each thing that is said of the image or of a copy: that changing an account that may use it
//! copies nothing again, and that a region which refuses takes nothing from the others. Steps of the image itself are called `share`,
//! copies by their region (`eu-west-1`), and what is said of a copy `eu-west-1/share`.
//!
//! - `publish/check.rs`: what cannot be, before anything runs.

mod check;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_ec2::types::Image;
use futures_util::future::join_all;
use imgc_compiler::components::Publish as Step;
use imgc_compiler::value::{Data, Value};
use imgc_runtime::artifact::Artifact;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;
use smol_str::{SmolStr, format_smolstr};

use crate::account::{Access, Account, Accounts};
use crate::builders::artifact::NAME_OF_COPIES;
use crate::image::{self, Copy};
use crate::lookup::taken;
use crate::options::{self, ONLY_COPIES, Polling, Publish, Sharing};
use crate::region::RegionClient;
use crate::resource::{Kind, PROVIDER};
use crate::tags;

pub(crate) use check::{check_account, problems, verify};

/// The options that matter only when an image is published.
pub(crate) const OPTIONS: &[&str] = &[
    "ami_groups",
    "ami_org_arns",
    "ami_ou_arns",
    "ami_product_codes",
    "ami_regions",
    "ami_users",
    "deprecate_at",
    "deregistration_protection",
    "fast_launch",
    "imds_support",
    "region_kms_key_ids",
    "snapshot_copy_duration_minutes",
    "snapshot_groups",
    "snapshot_users",
];

/// The step that removes an image of which only copies stay.
const BUILD_REGION: &str = "build-region";

/// What is said of an image or of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Say {
    Metadata,
    Share,
    ShareSnapshots,
    ProductCodes,
    Deprecate,
    Protect,
    FastLaunch,
}

impl Say {
    const ALL: [Self; 7] = [
        Self::Metadata,
        Self::Share,
        Self::ShareSnapshots,
        Self::ProductCodes,
        Self::Deprecate,
        Self::Protect,
        Self::FastLaunch,
    ];

    /// The word in addresses.
    fn word(self) -> &'static str {
        match self {
            Self::Metadata => "imds",
            Self::Share => "share",
            Self::ShareSnapshots => "share-snapshots",
            Self::ProductCodes => "product-codes",
            Self::Deprecate => "deprecate",
            Self::Protect => "protect",
            Self::FastLaunch => "fast-launch",
        }
    }

    /// The options it follows from.
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Metadata => &["imds_support"],
            Self::Share => &["ami_groups", "ami_org_arns", "ami_ou_arns", "ami_users"],
            Self::ShareSnapshots => &["snapshot_groups", "snapshot_users"],
            Self::ProductCodes => &["ami_product_codes"],
            Self::Deprecate => &["deprecate_at"],
            Self::Protect => &["deregistration_protection"],
            Self::FastLaunch => &["fast_launch"],
        }
    }

    /// Whether the options ask for it in a region; `None` stands for that of the image, where only the environment names it.
    fn is_wanted(self, publish: &Publish, region: Option<&str>) -> bool {
        match self {
            Self::Metadata => publish.guards_metadata,
            Self::Share => !publish.sharing.is_empty(),
            Self::ShareSnapshots => {
                !publish.snapshot_users.is_empty() || !publish.snapshot_groups.is_empty()
            }
            Self::ProductCodes => !publish.product_codes.is_empty(),
            Self::Deprecate => publish.deprecate_at.is_some(),
            Self::Protect => publish.protection.is_some(),
            Self::FastLaunch => publish
                .fast_launch
                .as_ref()
                .is_some_and(|launch| region.is_none_or(|region| launch.is_wanted(region))),
        }
    }

    /// What it makes, in words.
    fn makes(self, options: &Options<'_>) -> String {
        let many = |names: &[&str]| -> String {
            if names.iter().any(|name| options.is_sensitive(name)) {
                return "(sensitive)".to_owned();
            }
            let texts = names.iter().flat_map(|name| options.plain_strings(name));
            let texts: Vec<String> = texts.flatten().collect();
            match texts.iter().any(|text| text == "all") {
                true => "everybody".to_owned(),
                false => texts.join(", "),
            }
        };
        match self {
            Self::Metadata => {
                "its instances take the second version of the metadata service".to_owned()
            }
            Self::Share => format!("may be started by {}", many(self.options())),
            Self::ShareSnapshots => {
                format!("its snapshots may be used by {}", many(self.options()))
            }
            Self::ProductCodes => format!("belongs to {}", many(self.options())),
            Self::Deprecate => format!("deprecated from {} on", many(self.options())),
            Self::Protect => "cannot be deregistered".to_owned(),
            Self::FastLaunch => "snapshots of Windows that has started once".to_owned(),
        }
    }
}

/// The steps of a builder's options.
pub(crate) fn publishes(value: &Value) -> Vec<Step> {
    let options = Options::new("builder", value);
    if ["skip_create_ami", "region", "encrypt_boot", ONLY_COPIES]
        .iter()
        .chain(OPTIONS)
        .any(|name| is_open(&options, name))
    {
        return vec![Step::all()];
    }
    // The regions stand in addresses, and no secret may.
    let named = ["ami_regions", "region_kms_key_ids"];
    if named.iter().any(|name| options.is_sensitive(name)) {
        return vec![Step::all()];
    }
    let is_skipped = options.bool("skip_create_ami").unwrap_or_default();
    // What is wrong with them is said elsewhere.
    match Publish::read(&options) {
        Ok(publish) if !is_skipped => steps(&options, &publish),
        _ => Vec::new(),
    }
}

fn steps(options: &Options<'_>, publish: &Publish) -> Vec<Step> {
    let home = options.string("region").ok().flatten();
    let mut steps = Vec::new();
    if !publish.only_copies {
        say(options, publish, None, &mut steps);
    }
    let mut copies: Vec<SmolStr> = Vec::new();
    for region in &publish.regions {
        if Some(region) == home.as_ref() {
            continue;
        }
        copies.push(region.into());
        let (encrypted, key) = (
            publish.encryption.covers(region),
            publish.encryption.region_key(region),
        );
        let how = match (encrypted, key) {
            (false, _) => String::new(),
            (true, None) => ", encrypted with the account's default key there".to_owned(),
            (true, Some(key)) => format!(", encrypted with {key}"),
        };
        let mut own = vec![
            ("region", Value::string(region.as_str())),
            ("encrypted", Value::bool(encrypted)),
        ];
        own.extend(key.map(|key| ("kms_key_id", Value::string(key))));
        let minutes = "snapshot_copy_duration_minutes";
        own.extend(options.value(minutes).map(|value| (minutes, value.clone())));
        steps.push(Step {
            name: region.into(),
            makes: format!("a copy in {region}{how}"),
            options: Value::object(own),
            needs: Vec::new(),
            open: false,
            makes_whole: false,
        });
        say(options, publish, Some(region), &mut steps);
    }
    if publish.only_copies && !copies.is_empty() {
        steps.push(Step {
            name: BUILD_REGION.into(),
            makes: "the image itself goes, with its snapshots: only the copies stay".to_owned(),
            options: Value::object([(ONLY_COPIES, Value::bool(true))]),
            needs: copies,
            open: false,
            makes_whole: false,
        });
    }
    steps
}

/// The steps that say something of the image, or of the copy in a region.
fn say(options: &Options<'_>, publish: &Publish, region: Option<&str>, steps: &mut Vec<Step>) {
    let home = options.string("region").ok().flatten();
    let place = region.or(home.as_deref());
    for say in Say::ALL {
        if !say.is_wanted(publish, place) {
            continue;
        }
        let own = say.options().iter();
        let own = own.filter_map(|name| Some((*name, options.value(name)?.clone())));
        let makes = say.makes(options);
        steps.push(Step {
            name: match region {
                None => say.word().into(),
                Some(region) => format_smolstr!("{region}/{}", say.word()),
            },
            makes: match region {
                None => makes,
                Some(region) => format!("the copy in {region}: {makes}"),
            },
            options: Value::object(own.collect::<Vec<_>>()),
            needs: region.map(SmolStr::from).into_iter().collect(),
            open: false,
            // What is started from it to be checked takes it as others will.
            makes_whole: say == Say::Metadata && region.is_none(),
        });
    }
}

/// Whether only the run knows an option: a part of it is not known, or is a template that is filled in then.
fn is_open(options: &Options<'_>, name: &str) -> bool {
    options.is_unknown(name) || options.value(name).is_some_and(has_template)
}

fn has_template(value: &Value) -> bool {
    match value.data() {
        Data::String(text) => text.contains("{{"),
        Data::List(_, parts) | Data::Set(_, parts) | Data::Tuple(parts) => {
            parts.iter().any(has_template)
        }
        Data::Map(_, parts) | Data::Object(parts) => parts.values().any(has_template),
        _ => false,
    }
}

/// Refuses where the name of the image belongs to another one, in its region or in one it is copied to; with `free` whatever
/// has it goes, and only whether the regions can be asked is seen.
pub(crate) async fn names_are_free(
    account: &Arc<Account>,
    options: &Options<'_>,
    image: &options::Image,
    free: bool,
) -> Result<()> {
    let mut regions = match image.skip {
        true => Vec::new(),
        false => Publish::read(options)?.regions,
    };
    regions.retain(|region| region != account.home());
    match image.only_copies && !image.skip {
        true if regions.is_empty() => return Err(no_copies(account.home())),
        true => {}
        false => regions.insert(0, account.home().to_owned()),
    }
    let looks = regions.iter().map(|name| {
        let region = account.region(name);
        async move {
            account
                .check_region(name)
                .await
                .map_err(|error| error.of("ami_regions"))?;
            let others = taken(&region, &image.name).await?;
            let other = others.into_iter().next().filter(|_| !free);
            other.map_or(Ok(()), |other| Err(is_taken(&region, &image.name, &other)))
        }
    });
    let looked: Vec<Result<()>> = join_all(looks).await;
    looked.into_iter().collect()
}

/// Nothing would stay of the build.
fn no_copies(home: &str) -> Error {
    let message =
        format!("`{ONLY_COPIES}` keeps no image in {home}, and no copy is made in another region");
    Error::new(Class::Template, "run/aws-option", message).help(check::NAME_REGIONS)
}

fn is_taken(region: &RegionClient, name: &str, other: &Image) -> Error {
    Error::new(
        Class::Environment,
        "run/aws-name-taken",
        format!(
            "the name `{name}` belongs to the image {} in {}",
            other.image_id().unwrap_or_default(),
            region.name()
        ),
    )
    .help(match unfinished(other) {
        Some(run) => format!(
            "it was never finished: once its run is over, `imgc gc --cloud aws --region {} --run {run}` removes it",
            region.name()
        ),
        None => "give another `ami_name`, such as one with {{timestamp}} in it, or let the old image go with \
                 `force_deregister = true` or -force"
            .to_owned(),
    })
}

/// The run that has not finished an image.
fn unfinished(image: &Image) -> Option<&str> {
    let tag = |key| tags::get(image.tags(), key);
    tag(tags::EXPIRES).and_then(|_| tag(tags::RUN))
}

/// Does a step, by its name.
pub(crate) async fn publish(
    accounts: &Accounts,
    cx: &Context,
    options: &Options<'_>,
    step: &str,
    artifact: &Artifact,
) -> Result<Artifact> {
    let access = Access::read(options)?;
    let account = accounts.get(&access).await?;
    let home = account.region(account.home());
    let work = Work {
        cx,
        publish: Publish::read(options)?,
        image: options::Image::read(options)?,
        polling: Polling::read(options)?,
        home: &home,
        artifact,
    };
    if step == BUILD_REGION {
        return work.only_copies_stay();
    }
    let (region, word) = match step.split_once('/') {
        Some((region, word)) => (Some(region), Some(word)),
        None if Say::ALL.iter().any(|say| say.word() == step) => (None, Some(step)),
        None => (Some(step), None),
    };
    // The region of the image may be among those it is copied to: there it is already.
    if region == Some(home.name()) {
        cx.output
            .detail(format!("the image is made in {}: no copy", home.name()));
        return Ok(Artifact::default());
    }
    let place = match region {
        Some(region) => account.region(region),
        None => home.clone(),
    };
    match word {
        None => work.copy(&place).await,
        Some(word) => {
            let say = Say::ALL.into_iter().find(|say| say.word() == word);
            let say = say.ok_or_else(|| unknown(step))?;
            work.say(&place, say).await?;
            Ok(work.said(&place, say))
        }
    }
}

/// What the steps of a build work with.
struct Work<'a> {
    cx: &'a Context,
    publish: Publish,
    image: options::Image,
    polling: Polling,
    home: &'a RegionClient,
    artifact: &'a Artifact,
}

impl Work<'_> {
    /// What of the artifact is where it was made goes.
    fn only_copies_stay(&self) -> Result<Artifact> {
        let place = self.home.name();
        let (own, others): (Vec<_>, Vec<_>) = self
            .artifact
            .things
            .iter()
            .cloned()
            .partition(|thing| thing.place == place);
        if !others.iter().any(|thing| thing.kind == Kind::Image.word()) {
            return Err(no_copies(place));
        }
        let prefix = format!("{place}:");
        let of_home = |text: &&str| text.starts_with(&prefix);
        let ids: Vec<&str> = self.artifact.id.split(',').filter(of_home).collect();
        let lines: Vec<&str> = self.artifact.description.lines().filter(of_home).collect();
        Ok(Artifact {
            replaces: Some(Box::new(Artifact {
                id: ids.join(","),
                description: lines.join("\n"),
                things: own,
                ..Artifact::default()
            })),
            ..Artifact::default()
        })
    }

    async fn copy(&self, region: &RegionClient) -> Result<Artifact> {
        let cx = self.cx;
        if self.image.replaces || cx.force {
            image::let_go(cx, region, &self.image).await?;
        }
        cx.output
            .say(format!("copying the AMI to {}", region.name()));
        let encryption = &self.publish.encryption;
        let wanted = Copy {
            from: self.home,
            image: self.id(self.home)?,
            name: self
                .artifact
                .metadata
                .get(NAME_OF_COPIES)
                .map(String::as_str),
            encrypted: encryption.covers(region.name()),
            key: encryption.region_key(region.name()),
            minutes: self.publish.copy_minutes,
            tags_snapshots: !self.image.snapshot_tags.is_empty(),
            polling: self.polling,
        };
        let (made, finished) = Box::pin(image::copy(cx, region, &wanted)).await?;
        if wanted.encrypted {
            image::check_encrypted(&finished)?;
        }
        image::keep(region, &finished).await?;
        Ok(image::artifact_of(region, &made, &finished))
    }

    async fn say(&self, region: &RegionClient, say: Say) -> Result<()> {
        let (cx, id, publish) = (self.cx, self.id(region)?, &self.publish);
        match say {
            Say::Metadata => {
                let image = image::known(cx, region, id, self.polling).await?;
                image::guard_metadata(region, &image).await
            }
            Say::Share => {
                image::share(region, id, &publish.sharing).await?;
                let going = self.no_longer(region, say, &publish.sharing);
                if !going.is_empty() {
                    let gone = image::unshare(region, id, &going).await?;
                    self.say_gone(region, "the image may no longer be started by", &gone);
                }
                Ok(())
            }
            Say::ShareSnapshots => {
                let (snapshots, with) = (self.snapshots(region), publish.snapshot_sharing());
                image::share_snapshots(region, &snapshots, &with).await?;
                let going = self.no_longer(region, say, &with);
                if !going.is_empty() {
                    let gone = image::unshare_snapshots(region, &snapshots, &going).await?;
                    self.say_gone(region, "its snapshots may no longer be used by", &gone);
                }
                Ok(())
            }
            Say::ProductCodes => image::mark_product(region, id, &publish.product_codes).await,
            Say::Deprecate => match publish.deprecate_at {
                Some(at) => image::deprecate(region, id, at).await,
                None => Ok(()),
            },
            Say::Protect => match publish.protection {
                Some(protection) => image::protect(region, id, protection.cooldown).await,
                None => Ok(()),
            },
            Say::FastLaunch => match &publish.fast_launch {
                Some(launch) if !launch.is_wanted(region.name()) => {
                    let place = region.name();
                    cx.output
                        .detail(format!("no fast launch in {place}: the template says so"));
                    Ok(())
                }
                Some(launch) => {
                    let is_home = region.name() == self.home.name();
                    let wanted = (launch, is_home);
                    image::prepare_fast_launch(cx, region, id, wanted, self.polling).await
                }
                None => Ok(()),
            },
        }
    }

    /// What is recorded of something that was said: to whom the image is given, so that a run which does not name them any more
    /// knows that it was imgc that gave it to them.
    fn said(&self, region: &RegionClient, say: Say) -> Artifact {
        let with = match say {
            Say::Share => self.publish.sharing.clone(),
            Say::ShareSnapshots => self.publish.snapshot_sharing(),
            _ => return Artifact::default(),
        };
        Artifact {
            metadata: BTreeMap::from([(given(say, region), with.recorded())]),
            ..Artifact::default()
        }
    }

    /// To whom an earlier run has given the image, and the template does not.
    fn no_longer(&self, region: &RegionClient, say: Say, with: &Sharing) -> Sharing {
        let before = self.cx.before.as_ref();
        let before = before.and_then(|before| before.metadata.get(&given(say, region)));
        let before = before.map(|text| Sharing::from_record(text));
        before.unwrap_or_default().compared(with, false)
    }

    fn say_gone(&self, region: &RegionClient, what: &str, gone: &Sharing) {
        if !gone.is_empty() {
            let said = format!("{}: {what} {}", region.name(), gone.names());
            self.cx.output.say(said);
        }
    }

    /// The image in a region.
    fn id(&self, region: &RegionClient) -> Result<&str> {
        let mut images = self.ids(region, Kind::Image);
        images.next().ok_or_else(|| {
            Error::new(
                Class::Bug,
                "run/artifact",
                format!("there is no image in {} to work on", region.name()),
            )
            .help("please report this, with the log")
        })
    }

    fn snapshots(&self, region: &RegionClient) -> Vec<String> {
        let snapshots = self.ids(region, Kind::Snapshot);
        snapshots.map(str::to_owned).collect()
    }

    fn ids(&self, region: &RegionClient, kind: Kind) -> impl Iterator<Item = &str> {
        let place = region.name().to_owned();
        let things = self.artifact.things.iter();
        let here = things.filter(move |thing| {
            thing.provider == PROVIDER && thing.place == place && thing.kind == kind.word()
        });
        here.filter_map(|thing| thing.id.as_deref())
    }
}

/// The name of what is recorded of something said in a region.
fn given(say: Say, region: &RegionClient) -> String {
    format!("{} {}", say.word(), region.name())
}

fn unknown(step: &str) -> Error {
    Error::new(
        Class::Bug,
        "run/panic",
        format!("there is nothing to publish that is called `{step}`"),
    )
    .help("please report this, with the log")
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgc_compiler::types::Type;

    fn shown(options: &[(&'static str, Value)]) -> String {
        let steps = publishes(&Value::object(options.to_vec()));
        let shown = steps.iter().map(|step| {
            let needs = match step.needs.as_slice() {
                [] => String::new(),
                needs => format!(" (after {})", needs.join(", ")),
            };
            format!("{}: {}{needs}\n", step.name, step.makes)
        });
        shown.collect()
    }

    #[test]
    fn each_copy_and_each_thing_said_of_one_is_a_step() {
        assert_eq!(
            shown(&[]),
            "imds: its instances take the second version of the metadata service\n"
        );
        let keys = Value::object([("us-west-2", Value::string("alias/web"))]);
        let text = shown(&[
            ("region", Value::string("us-east-1")),
            ("imds_support", Value::string("v1.0")),
            ("encrypt_boot", Value::bool(true)),
            (
                "ami_regions",
                Value::strings(["us-west-2", "us-east-1", "eu-west-1"]),
            ),
            ("region_kms_key_ids", keys),
            ("ami_users", Value::strings(["111111111111"])),
        ]);
        assert_eq!(
            text,
            "share: may be started by 111111111111\n\
             us-west-2: a copy in us-west-2, encrypted with alias/web\n\
             us-west-2/share: the copy in us-west-2: may be started by 111111111111 (after us-west-2)\n\
             eu-west-1: a copy in eu-west-1, encrypted with the account's default key there\n\
             eu-west-1/share: the copy in eu-west-1: may be started by 111111111111 (after eu-west-1)\n"
        );
    }

    #[test]
    fn where_only_copies_stay_nothing_is_said_of_the_image_and_it_goes_last() {
        let text = shown(&[
            ("region", Value::string("us-east-1")),
            ("skip_save_build_region", Value::bool(true)),
            ("imds_support", Value::string("v1.0")),
            ("ami_regions", Value::strings(["us-west-2", "eu-west-1"])),
            ("ami_users", Value::strings(["111111111111"])),
        ]);
        assert_eq!(
            text,
            "us-west-2: a copy in us-west-2\n\
             us-west-2/share: the copy in us-west-2: may be started by 111111111111 (after us-west-2)\n\
             eu-west-1: a copy in eu-west-1\n\
             eu-west-1/share: the copy in eu-west-1: may be started by 111111111111 (after eu-west-1)\n\
             build-region: the image itself goes, with its snapshots: only the copies stay (after us-west-2, eu-west-1)\n"
        );
    }

    #[test]
    fn what_only_the_run_knows_is_one_step() {
        let open = Value::unknown(Type::List(Type::String.into()));
        assert!(shown(&[("ami_regions", open)]).starts_with("all: "));
        let filled = Value::strings(["{{env `REGION`}}"]);
        assert!(shown(&[("ami_regions", filled)]).starts_with("all: "));
        let secret = Value::strings(["eu-west-1"]).mark(true);
        assert!(shown(&[("ami_regions", secret)]).starts_with("all: "));
        assert_eq!(shown(&[("skip_create_ami", Value::bool(true))]), "");
    }
}
