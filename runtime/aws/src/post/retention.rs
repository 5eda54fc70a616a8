//! Post-processor `amazon-retention`: lets older images of a family go, with their snapshots.
//!
//! In: an artifact with images, and how many or how old others of their family may be. Out: the same artifact; each region by
//! itself. A plan shows which would go. An image that something may still start is kept, and it is said what; where that cannot be found out nothing goes.

mod uses;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_sdk_ec2::types::{Image, SnapshotReturnCodes, Tag};
use futures_util::future::join_all;
use imgc_compiler::value::Value;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::builder::Problem;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;
use imgc_runtime::post_processor::{PostProcessor, Processed};
use imgc_runtime::preview::{Origin, Preview, Right, Scope};
use imgc_runtime::state::{ChangeRecord, Content, Moment, REMOVED};

use crate::account::{Access, Account, Accounts};
use crate::builders::artifact::thing;
use crate::error::{answer, failed};
use crate::post::parameter::written;
use crate::post::rights::{Asks, foreseen, rights};
use crate::post::{account, chosen, is_news, joined, misplaced, unchanged};
use crate::preview::NOT_ASKED;
use crate::region::{RegionClient, filter};
use crate::resource::{Kind, snapshots_of};
use crate::rights::Part;
use crate::tags;
use uses::Uses;

const COMPONENT: &str = "post-processor `amazon-retention`";
/// Images in a page of a list.
const PAGE: i32 = 500;
/// Amazon's code for an image that is protected from being deregistered.
const PROTECTED: &str = "OperationNotPermitted";

/// The post-processor `amazon-retention`.
#[derive(Clone, Debug, Default)]
pub struct Retention {
    accounts: Accounts,
}

impl Retention {
    /// With the accounts of this process.
    pub(crate) fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }
}

/// The options.
#[derive(Clone, Debug)]
struct Wanted {
    family: String,
    keep: Option<usize>,
    older_than: Option<Duration>,
    include_shared: bool,
    dry_run: bool,
    regions: Vec<String>,
}

impl Wanted {
    fn read(options: &Options<'_>) -> Result<Self> {
        let keep = match options.integer("keep")? {
            None => None,
            Some(keep) => {
                let keep = usize::try_from(keep).ok().filter(|keep| *keep > 0);
                Some(keep.ok_or_else(|| options.wrong("keep", "at least 1: the new image itself"))?)
            }
        };
        let older_than = match options.string("older_than")? {
            None => None,
            Some(text) => Some(age(&text).ok_or_else(|| {
                options.wrong("older_than", "an age such as `90d`, `2w` or `36h`")
            })?),
        };
        if keep.is_none() && older_than.is_none() {
            return Err(Error::new(
                Class::Template,
                "run/aws-option",
                format!("{COMPONENT} needs `keep` or `older_than`"),
            )
            .of("keep")
            .of("older_than")
            .help("`keep = 5` lets go of all but the five newest images"));
        }
        Ok(Self {
            family: options.required("family")?,
            keep,
            older_than,
            include_shared: options.bool("include_shared")?,
            dry_run: options.bool("dry_run")?,
            regions: options.plain_strings("regions")?,
        })
    }

    /// Whether the image at this place among the newest, and of this age, goes.
    fn lets_go(&self, place: usize, age: Option<Duration>) -> bool {
        let beyond = self.keep.is_none_or(|keep| place >= keep);
        // What has no date that can be read is taken for new.
        let old = match self.older_than {
            None => true,
            Some(limit) => age.is_some_and(|age| age > limit),
        };
        beyond && old
    }
}

/// `90d`, `2w`, or a duration in Go's notation.
fn age(text: &str) -> Option<Duration> {
    let days = |number: &str, days: u64| {
        let number: u64 = number.trim().parse().ok()?;
        number
            .checked_mul(days * 24 * 3600)
            .map(Duration::from_secs)
    };
    match (text.strip_suffix('d'), text.strip_suffix('w')) {
        (Some(number), _) => days(number, 1),
        (_, Some(number)) => days(number, 7),
        _ => imgc_runtime::duration::parse(text),
    }
}

/// The parts of the table of rights that it needs.
fn parts(_options: &Options<'_>) -> BTreeSet<Part> {
    BTreeSet::from([Part::Retention])
}

#[async_trait]
impl PostProcessor for Retention {
    fn check(&self, options: &Value) -> Vec<Problem> {
        let options = Options::new(COMPONENT, options);
        match Access::read(&options).and_then(|_| Wanted::read(&options)) {
            Err(error) if is_news(&error) => vec![error.into()],
            _ => Vec::new(),
        }
    }

    fn check_behind(&self, options: &Value, origin: Origin<'_>) -> Vec<Problem> {
        misplaced(COMPONENT, &Options::new(COMPONENT, options), origin)
    }

    fn passes_on(&self) -> bool {
        true
    }

    fn lists_again(&self) -> bool {
        false
    }

    async fn rights(
        &self,
        cx: &Context,
        options: &Value,
        origin: Origin<'_>,
        scope: Scope,
    ) -> Vec<Right> {
        let _ = cx;
        let options = Options::new(COMPONENT, options);
        let asks = Asks {
            parts: parts(&options),
            options,
            origin: Some(origin),
            scope,
        };
        Box::pin(rights(&self.accounts, asks)).await
    }

    async fn preview(&self, cx: &Context, options: &Value, origin: Origin<'_>) -> Option<Preview> {
        let options = Options::new(COMPONENT, options);
        let mut shown = Preview::default();
        if origin.offline {
            shown.unknown("retention", format!("which images go: {NOT_ASKED}"));
            return Some(shown);
        }
        let wanted = Wanted::read(&options);
        let wanted = wanted.ok().filter(|wanted| !wanted.family.contains("{{"));
        let foreseen = foreseen(&self.accounts, &options, Some(origin)).await;
        let is_known = foreseen.is_sure && !foreseen.regions.iter().any(String::is_empty);
        let Some(wanted) = wanted.filter(|_| is_known) else {
            shown.unknown("retention", "only the run knows the images it is about");
            return Some(shown);
        };
        for region in &foreseen.regions {
            let looked = async {
                let access = foreseen.access.clone().in_region(region);
                let account = self.accounts.get(&access).await?;
                let place = Place {
                    cx,
                    new: None,
                    wanted: &wanted,
                    region: account.region(region),
                    rewritten: written(&self.accounts, cx, origin, (&access, region)).await,
                };
                place.decided(&account).await
            };
            let what = format!("retention {region}");
            match Box::pin(looked).await {
                Err(error) => shown.unknown(&what, error.chain()),
                Ok(decided) => {
                    for text in foretold(&wanted, &decided) {
                        shown.known(&what, text);
                    }
                    let goes = |(_, reasons): &&(Image, Vec<String>)| {
                        reasons.is_empty() && !wanted.dry_run
                    };
                    for (image, _) in decided.iter().filter(goes) {
                        shown.remove("", format!("{region}: {}", with_snapshots(image)));
                    }
                }
            }
        }
        Some(shown)
    }

    async fn run(&self, cx: &Context, options: &Value, artifact: &Artifact) -> Result<Processed> {
        let options = Options::new(COMPONENT, options);
        let wanted = Wanted::read(&options)?;
        let images = chosen(COMPONENT, artifact, &wanted.regions)?;
        let (accounts, options, wanted) = (&self.accounts, &options, &wanted);
        let regions = images.iter().map(|image| {
            Box::pin(async move {
                let account = account(accounts, options, image).await?;
                let place = Place {
                    cx,
                    new: Some(&image.id),
                    wanted,
                    region: account.region(&image.region),
                    rewritten: BTreeSet::new(),
                };
                place.tidy(&account).await
            })
        });
        let mut failures = Vec::new();
        for (image, outcome) in images.iter().zip(join_all(regions).await) {
            if let Err(error) = outcome {
                if images.len() > 1 {
                    cx.output
                        .warn(format!("{}: {}", image.region, error.chain()));
                }
                failures.push((image.region.clone(), error));
            }
        }
        joined(failures)?;
        Ok(unchanged(artifact))
    }
}

/// A region in which images go.
struct Place<'a> {
    cx: &'a Context,
    /// The new image, where it is there already.
    new: Option<&'a str>,
    wanted: &'a Wanted,
    region: RegionClient,
    /// Parameters that name the new image before any other goes; where it is there already, that is so.
    rewritten: BTreeSet<String>,
}

impl Place<'_> {
    async fn tidy(&self, account: &Account) -> Result<()> {
        self.join_family().await?;
        let mut failures = Vec::new();
        for (image, reasons) in &self.decided(account).await? {
            if !reasons.is_empty() {
                self.say(image, &format!("stays: {}", reasons.join("; ")));
                continue;
            }
            if self.wanted.dry_run {
                self.say(image, "would go");
                continue;
            }
            if let Err(error) = self.let_go(image).await {
                failures.push((self.region.name().to_owned(), error));
            }
        }
        joined(failures)
    }

    /// The images that are too many or too old, each with the reasons why it stays all the same.
    async fn decided(&self, account: &Account) -> Result<Vec<(Image, Vec<String>)>> {
        let going = self.going().await?;
        if going.is_empty() {
            return Ok(Vec::new());
        }
        let uses = Uses::of(&self.region, account, &going, &self.rewritten).await?;
        let mut decided = Vec::with_capacity(going.len());
        for image in going {
            let id = image.image_id().unwrap_or_default();
            let mut reasons = uses.of_image(id).to_vec();
            if !self.wanted.include_shared {
                reasons.extend(uses::shared(&self.region, id).await?);
            }
            decided.push((image, reasons));
        }
        Ok(decided)
    }

    /// The new image is one of the family from now on.
    async fn join_family(&self) -> Result<()> {
        let tag = Tag::builder().key(tags::FAMILY).value(&self.wanted.family);
        let request = self.region.ec2().create_tags();
        let request = request.set_resources(self.new.map(|id| vec![id.to_owned()]));
        let request = request.tags(tag.build()).send();
        let attempt = "put the new image into its family";
        self.region.call("CreateTags", attempt, request).await?;
        Ok(())
    }

    /// The images of the family that are too many or too old, the newest first; never the new one.
    async fn going(&self) -> Result<Vec<Image>> {
        let mut family = self.family().await?;
        family.sort_by(|one, other| other.creation_date().cmp(&one.creation_date()));
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        let age = |image: &Image| {
            let made: jiff::Timestamp = image.creation_date()?.parse().ok()?;
            let made = u64::try_from(made.as_second()).ok()?;
            now.checked_sub(Duration::from_secs(made))
        };
        // The new one has the first place, whatever the clocks say.
        family.retain(|image| self.new.is_none_or(|new| image.image_id() != Some(new)));
        let placed = family.into_iter().enumerate();
        let going = placed.filter(|(at, image)| self.wanted.lets_go(at + 1, age(image)));
        Ok(going.map(|(_, image)| image).collect())
    }

    async fn family(&self) -> Result<Vec<Image>> {
        let tag = filter(&format!("tag:{}", tags::FAMILY), [&self.wanted.family]);
        let mut images = Vec::new();
        let mut next = None;
        loop {
            let request = self.region.ec2().describe_images().owners("self");
            let request = request
                .filters(tag.clone())
                .filters(filter("state", ["available"]))
                .max_results(PAGE)
                .set_next_token(next.take());
            let attempt = "list the images of the family";
            let answer = self.region.call("DescribeImages", attempt, request.send());
            let page = answer.await?;
            next = page.next_token().map(str::to_owned);
            images.extend(page.images.unwrap_or_default());
            if next.as_deref().is_none_or(str::is_empty) {
                return Ok(images);
            }
        }
    }

    /// Image and snapshots in one request, so that none is left without the other.
    async fn let_go(&self, image: &Image) -> Result<()> {
        let id = image.image_id().unwrap_or_default();
        let request = self.region.ec2().deregister_image().image_id(id);
        let request = request.delete_associated_snapshots(true).send();
        let gone = match self.region.ask(request).await {
            Ok(gone) => gone,
            Err(error) if answer(&error) == Some(crate::error::Meaning::Missing) => return Ok(()),
            Err(error)
                if aws_sdk_ec2::error::ProvideErrorMetadata::code(&error) == Some(PROTECTED) =>
            {
                self.say(image, "stays: it is protected from being deregistered");
                return Ok(());
            }
            Err(error) => {
                let attempt = format!("let the image {id} go");
                return Err(failed("DeregisterImage", &attempt, &error));
            }
        };
        // Some servers do not know that parameter: what the answer does not name as deleted may be there still.
        let (mut deleted, mut left) = (BTreeSet::new(), BTreeMap::new());
        for snapshot in gone.delete_snapshot_results() {
            let id = snapshot.snapshot_id().unwrap_or_default().to_owned();
            let code = snapshot.return_code().map(SnapshotReturnCodes::as_str);
            match code.unwrap_or("without a word") {
                "success" => {
                    deleted.insert(id);
                }
                code => {
                    left.insert(id, code.to_owned());
                }
            }
        }
        for snapshot in snapshots_of(image) {
            if deleted.contains(&snapshot) {
                continue;
            }
            match self.delete(&snapshot).await {
                Ok(()) => {
                    left.remove(&snapshot);
                    deleted.insert(snapshot);
                }
                Err(error) => {
                    left.insert(snapshot, error.chain());
                }
            }
        }
        let deleted = deleted.len();
        self.say(
            image,
            &format!(
                "has gone, with {deleted} {}",
                if deleted == 1 {
                    "snapshot"
                } else {
                    "snapshots"
                }
            ),
        );
        for (snapshot, why) in &left {
            self.cx.output.warn(format!(
                "{}: the snapshot {snapshot} of {id} is still there: {why}",
                self.region.name()
            ));
        }
        self.remember(id).await
    }

    /// Deletes a snapshot of an image that has gone; one that is not there any more is no error.
    async fn delete(&self, snapshot: &str) -> Result<()> {
        let request = self.region.ec2().delete_snapshot().snapshot_id(snapshot);
        let attempt = "delete a snapshot of an image that has gone";
        let asked = self.region.call("DeleteSnapshot", attempt, request.send());
        match asked.await {
            Err(error) if error.id == "run/aws-missing" => Ok(()),
            deleted => deleted.map(|_| ()),
        }
    }

    /// Records that this run has removed an image: whoever lists the images then knows what has become of it.
    async fn remember(&self, id: &str) -> Result<()> {
        let step = self.cx.address.to_string();
        let build = step.rsplit_once(".post-processor");
        let build = build.map_or(step.as_str(), |(build, _)| build).to_owned();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_millis();
        let change = ChangeRecord {
            id: 0,
            run: String::new(),
            build,
            step,
            at: Moment::try_from(now).unwrap_or(Moment::MAX),
            thing: thing(&self.region, Kind::Image, id),
            before: None,
            after: Content {
                version: None,
                value: REMOVED.to_owned(),
            },
            undoes: None,
            undone_by: None,
        };
        self.cx.ledger.change(&change).await.map(drop)
    }

    fn say(&self, image: &Image, what: &str) {
        let region = self.region.name();
        self.cx
            .output
            .say(format!("{region}: {} {what}", described(image)));
    }
}

/// An image in a few words.
fn described(image: &Image) -> String {
    let id = image.image_id().unwrap_or_default();
    let name = image.name().unwrap_or_default();
    let made = image.creation_date().unwrap_or_default();
    format!("{id} ({name}, of {made})")
}

/// What will become of the images of a region, a line each.
fn foretold(wanted: &Wanted, decided: &[(Image, Vec<String>)]) -> Vec<String> {
    if decided.is_empty() {
        let family = &wanted.family;
        return vec![format!("no image of the family `{family}` goes")];
    }
    let goes = if wanted.dry_run { "would go" } else { "goes" };
    let lines = decided.iter().map(|(image, reasons)| {
        let image_text = described(image);
        match reasons.is_empty() {
            true => format!("{image_text} {goes}{}", its_snapshots(image)),
            false => format!("{image_text} stays: {}", reasons.join("; ")),
        }
    });
    lines.collect()
}

/// An image with its snapshots, in a few words.
fn with_snapshots(image: &Image) -> String {
    format!("{}{}", described(image), its_snapshots(image))
}

/// `, with the snapshot snap-1`; nothing where there is none.
fn its_snapshots(image: &Image) -> String {
    let snapshots = snapshots_of(image);
    match snapshots.len() {
        0 => String::new(),
        1 => format!(", with the snapshot {}", snapshots[0]),
        _ => format!(", with the snapshots {}", snapshots.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(keep: Option<usize>, days: Option<u64>) -> Wanted {
        Wanted {
            family: "web".to_owned(),
            keep,
            older_than: days.map(|days| Duration::from_secs(days * 86_400)),
            include_shared: false,
            dry_run: false,
            regions: Vec::new(),
        }
    }

    #[test]
    fn what_is_both_too_many_and_too_old_goes() {
        let days = |days: u64| Some(Duration::from_secs(days * 86_400));
        assert!(wanted(Some(2), None).lets_go(2, None));
        assert!(!wanted(Some(2), None).lets_go(1, days(900)));
        assert!(wanted(None, Some(30)).lets_go(1, days(31)));
        assert!(!wanted(None, Some(30)).lets_go(9, days(29)));
        assert!(!wanted(None, Some(30)).lets_go(9, None));
        let both = wanted(Some(3), Some(30));
        assert!(both.lets_go(3, days(31)));
        assert!(!both.lets_go(2, days(31)) && !both.lets_go(3, days(30)));
    }

    #[test]
    fn ages_are_read_as_people_write_them() {
        let days = |days: u64| Some(Duration::from_secs(days * 86_400));
        assert_eq!(age("90d"), days(90));
        assert_eq!(age("2w"), days(14));
        assert_eq!(age("36h"), Some(Duration::from_secs(36 * 3600)));
        assert_eq!(age("90"), None);
        assert_eq!(age("-1d"), None);
    }
}
