//! What `imgc plan` shows of Amazon: everything is only read, all at once, and what cannot be asked is left unknown; offline nobody is
//! asked at all.
//!
//! In: the options of a source, parts of which may be unknown. Out: who asks, the image to start from, where the instance goes and
//! how that was chosen, what will be made and who else can reach it, what keeps others out, what the name means, quotas, what an hour
//! costs.

mod allowed;
mod guards;
mod makes;
mod price;
mod quota;

use aws_sdk_ec2::types::{Image, Vpc};
use imgc_compiler::value::Value;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::options::Options;
use imgc_runtime::preview::{Preview, Right, Scope, Wanted};

pub(crate) use allowed::by_policies;

use crate::account::{Access, Account, Accounts, named_region};
use crate::builders::{Disk, no_bucket};
use crate::clock;
use crate::error::NO_CREDENTIALS;
use crate::identity::{Caller, caller};
use crate::instance::{LogIn, caller_address, session};
use crate::lookup::{
    Place, bucket_of, check_groups, find_groups, find_place, find_source, has_bucket, taken,
};
use crate::options::{Network, ONLY_COPIES, Pick, Source};
use crate::region::{RegionClient, filter};
use crate::resource::snapshots_of;
use crate::rights::{self, Family, parts};
use crate::tags;

/// Who asks, and what the plan has beside its options.
#[derive(Clone, Copy)]
pub(crate) struct Asks<'a> {
    family: Family,
    component: &'a str,
    wanted: &'a Wanted,
    disk: Disk,
}

impl<'a> Asks<'a> {
    pub(crate) fn new(family: Family, component: &'a str, wanted: &'a Wanted) -> Self {
        Self {
            family,
            component,
            wanted,
            disk: Disk::Other,
        }
    }

    /// Of a builder of which a disk becomes the image.
    pub(crate) fn of_disk(self, disk: Disk) -> Self {
        Self { disk, ..self }
    }
}

/// Why something is unknown.
pub(crate) const NOT_ASKED: &str = "Amazon is not asked: -offline";
/// Where something is made, where nothing at hand says it.
pub(crate) const UNKNOWN_REGION: &str = "an unknown region";

/// What the template says of a source, and where it is built: all that is known without asking.
struct Written<'a> {
    cx: &'a Context,
    family: Family,
    wanted: &'a Wanted,
    disk: Disk,
    options: Options<'a>,
    region: String,
}

/// Whom to ask about it.
struct View<'a> {
    written: Written<'a>,
    account: std::sync::Arc<Account>,
    region: RegionClient,
    /// Who asks, where that is known.
    caller: Option<Caller>,
}

impl<'a> Written<'a> {
    fn new(cx: &'a Context, asks: Asks<'a>, options: Options<'a>, region: &str) -> Self {
        Self {
            cx,
            family: asks.family,
            wanted: asks.wanted,
            disk: asks.disk,
            options,
            region: region.to_owned(),
        }
    }

    /// Adds what will be made, and what keeps others from it. `source`: the image to start from, `callers`: who may reach the
    /// temporary group, where that is known.
    fn show(&self, shown: &mut Preview, source: Option<&Image>, callers: Option<&[String]>) {
        self.makes(shown, source, callers);
        self.guards(shown, source, callers);
    }

    fn has_groups(&self) -> bool {
        self.groups_by().is_some()
    }

    /// The option that names security groups.
    fn groups_by(&self) -> Option<&'static str> {
        let options = [
            "security_group_id",
            "security_group_ids",
            "security_group_filter",
        ];
        let mut given = options.into_iter();
        given.find(|name| self.options.is_given(name))
    }

    fn logs_in(&self) -> bool {
        !matches!(LogIn::read(&self.options), Ok(LogIn::None))
    }
}

/// What a plan shows of a source.
pub(crate) async fn preview(
    cx: &Context,
    accounts: &Accounts,
    asks: Asks<'_>,
    options: &Value,
) -> Preview {
    let options = Options::new(asks.component, options);
    if asks.wanted.offline {
        return unasked(cx, asks, options).await;
    }
    let mut shown = Preview::default();
    let opened = match Access::read(&options) {
        Ok(access) => accounts.get(&access).await,
        Err(error) => Err(error),
    };
    let account = match opened {
        Ok(account) => account,
        // Without an answer of anybody's it is what this machine or the template has, and the run has the same.
        Err(error) => {
            match error.is_transient() {
                true => note(&mut shown, "account", &error),
                false => doomed(&mut shown, "account", &error),
            }
            return shown;
        }
    };
    let region = account.region(account.home());
    let asker = caller(&region).await;
    match &asker {
        Ok(Caller { account, arn }) => shown.known("account", format!("{account}, as {arn}")),
        Err(error) if error.id == "run/aws-account" => {
            // Nothing else could be asked either, and all would say the same.
            match error.message.contains(NO_CREDENTIALS) {
                // A plan may be made where nobody can log in.
                true => note(&mut shown, "account", error),
                false => doomed(&mut shown, "account", error),
            }
            shown.known("region", region.name());
            let written = Written::new(cx, asks, options, region.name());
            written.show(&mut shown, None, None);
            return shown;
        }
        Err(error) => note(&mut shown, "account", error),
    }
    shown.known("region", region.name());
    if let Some(fault) = clock::fault() {
        shown.known("clock", fault);
    }
    let view = View {
        written: Written::new(cx, asks, options, region.name()),
        account: account.clone(),
        region,
        caller: asker.ok(),
    };
    match asks.family {
        Family::Chroot => Box::pin(view.asked_here(&mut shown)).await,
        _ => Box::pin(view.asked(&mut shown)).await,
    }
    shown
}

/// The same without asking: what the template says, and what is left unknown.
async fn unasked(cx: &Context, asks: Asks<'_>, options: Options<'_>) -> Preview {
    let mut shown = Preview::default();
    shown.unknown("account", NOT_ASKED);
    let access = Access::read(&options).unwrap_or_default();
    let region = named_region(&access).await;
    match &region {
        Some(region) => shown.known("region", region.as_str()),
        None => shown.unknown(
            "region",
            "neither the source nor AWS_REGION nor a profile names one",
        ),
    }
    let region = region.as_deref().unwrap_or(UNKNOWN_REGION);
    let written = Written::new(cx, asks, options, region);
    if !options.is_given("from_scratch") {
        match Source::read(&options) {
            Ok(Source::Id(id)) => shown.known("source image", format!("{id}, by `source_ami`")),
            Ok(Source::Filter { option, .. }) => {
                shown.unknown("source image", format!("the one that `{option}` finds"));
            }
            Err(error) => shown.unknown("source image", error.chain()),
        }
    }
    if asks.family != Family::Chroot {
        let text = |name: &str| options.string(name).ok().flatten();
        match text("subnet_id") {
            Some(subnet) => shown.known("subnet", format!("{subnet}, by `subnet_id`")),
            None => shown.unknown("network", "where Amazon or a filter puts the instance"),
        }
    }
    written.show(&mut shown, None, None);
    shown
}

/// The rights that a source takes, and those of whoever takes its role.
pub(crate) async fn rights_of(
    accounts: &Accounts,
    asks: Asks<'_>,
    options: &Value,
    scope: Scope,
) -> Vec<Right> {
    let options = Options::new(asks.component, options);
    let access = Access::read(&options).unwrap_or_default();
    let (place, holder) = asking(accounts, &access, scope).await;
    let mut parts = parts(asks.family, &options);
    if !asks.wanted.checkpoints.is_empty() {
        parts.extend(rights::CHECKPOINT);
    }
    let mut rights = rights::rights(&parts, &place, scope.full);
    let bucket = options.string("s3_bucket").ok().flatten();
    if let Some(bucket) = bucket.filter(|_| !options.is_sensitive("s3_bucket")) {
        for right in &mut rights {
            let resources = std::mem::take(&mut right.resources).into_iter();
            right.resources = resources
                .map(|one| rights::in_bucket(one, &bucket))
                .collect();
        }
    }
    let (regions, parts) = rights::copies(&options, &place.region);
    for region in regions {
        let there = rights::Place {
            region,
            account: place.account.clone(),
        };
        rights.extend(rights::rights(&parts, &there, false));
    }
    held(rights, &access, &holder)
}

/// Where somebody asks: the region at home, the account as far as it is known; and who that is, in words.
pub(crate) async fn asking(
    accounts: &Accounts,
    access: &Access,
    scope: Scope,
) -> (rights::Place, String) {
    let mut place = rights::Place::default();
    let mut holder = access.holder();
    if let Ok(account) = accounts.get(access).await {
        account.home().clone_into(&mut place.region);
        if !scope.offline
            && access.role_arn().is_none()
            && let Ok(caller) = caller(&account.region(account.home())).await
        {
            if holder.is_empty() {
                holder = format!("account {}", caller.account);
            }
            place.account = Some(caller.account);
        }
    }
    if let Some(arn) = access.role_arn() {
        place.account = crate::error::account_in(arn);
    }
    (place, holder)
}

/// Rights as those of a holder, with what whoever takes its role needs.
pub(crate) fn held(mut rights: Vec<Right>, access: &Access, holder: &str) -> Vec<Right> {
    for right in &mut rights {
        holder.clone_into(&mut right.holder);
    }
    rights.extend(access.role_arn().map(|arn| Right {
        holder: format!("whoever takes the {holder}"),
        actions: ["sts:AssumeRole".to_owned()].into(),
        resources: [arn.to_owned()].into(),
        ..Right::default()
    }));
    rights
}

/// A failure, as what it means for the run: what only the run knows and what cannot be asked is no trouble.
pub(crate) fn note(shown: &mut Preview, what: &str, error: &Error) {
    match (error.class, error.id) {
        (Class::Template, _) | (_, "run/unknown-option" | "run/aws-name-taken") => {
            doomed(shown, what, error);
        }
        _ => shown.unknown(what, with_help(error)),
    }
}

/// A failure that a run here and now has as well, unless it is of something that only the run knows.
pub(crate) fn doomed(shown: &mut Preview, what: &str, error: &Error) {
    match error.id {
        "run/unknown-option" => shown.unknown(what, "only the run knows: an option is unknown"),
        _ => shown.trouble(what, with_help(error)),
    }
}

fn with_help(error: &Error) -> String {
    match &error.help {
        Some(help) => format!("{}; {help}", error.chain()),
        None => error.chain(),
    }
}

/// What cannot be asked, or is wrong, is said; what was found is given back.
fn noted<T>(shown: &mut Preview, what: &str, found: Result<T>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(error) => {
            note(shown, what, &error);
            None
        }
    }
}

/// The images that have a name already, by region.
type Namesakes = Vec<(String, Vec<Image>)>;

impl View<'_> {
    async fn asked(&self, shown: &mut Preview) {
        let source_and_price = async {
            let source = async {
                let source = Source::read(&self.written.options)?;
                find_source(&self.region, &source).await
            };
            let source = Box::pin(source).await;
            let image = source.as_ref().ok();
            let price = price::price(&self.account, &self.region, &self.written.options, image);
            let price = Box::pin(price).await;
            (source, price)
        };
        let groups_wanted = !self.written.has_groups() && self.written.logs_in();
        let caller = async {
            let network = Network::read(&self.written.options)?;
            match network.cidrs.is_empty() {
                true => Ok(vec![caller_address(&self.account).await?]),
                false => Ok(network.cidrs),
            }
        };
        let ((source, price), place, names, quota, caller) = tokio::join!(
            Box::pin(source_and_price),
            Box::pin(self.place()),
            Box::pin(self.names()),
            Box::pin(quota::quota(&self.region, &self.written.options)),
            Box::pin(async {
                match groups_wanted && !session::is_wanted(&self.written.options) {
                    true => Some(caller.await),
                    false => None,
                }
            }),
        );
        let source = noted(shown, "source image", source);
        if let Some(image) = &source {
            shown.known("source image", told(image));
        }
        let place = noted(shown, "network", place);
        let mut groups = (!self.written.has_groups()).then(Vec::new);
        if let Some((place, how)) = &place {
            for (what, text) in how {
                shown.known(what, text.as_str());
            }
            if self.written.has_groups() {
                let found = Box::pin(self.groups(place)).await;
                groups = noted(shown, "security groups", found);
                if let Some(groups) = &groups {
                    shown.known(
                        "security groups",
                        format!("{}, as the template says", groups.join(", ")),
                    );
                }
            }
        }
        if self.written.family.makes_images() {
            self.told_names(shown, names);
        }
        match quota {
            Ok(quota::Found::Fits(text)) => shown.known("quota", text),
            Ok(quota::Found::Exceeds(text)) => shown.trouble("quota", text),
            Err(error) => note(shown, "quota", &error),
        }
        match price {
            Ok(text) => shown.known("price per hour", text),
            Err(error) => note(shown, "price per hour", &error),
        }
        if self.written.family == Family::Store {
            Box::pin(self.bucket(shown)).await;
        }
        if session::is_wanted(&self.written.options) {
            match session::check_plugin().await {
                Ok(()) => shown.known("Session Manager", "the program that reaches it is here"),
                Err(error) => note(shown, "Session Manager", &error),
            }
        }
        let place = place.as_ref().map(|(place, _)| place);
        self.allowed(shown, source.as_ref(), place, groups).await;
        let caller = caller.and_then(|caller| noted(shown, "who may reach it", caller));
        self.written.show(shown, source.as_ref(), caller.as_deref());
    }

    /// What a build finds that starts no instance.
    async fn asked_here(&self, shown: &mut Preview) {
        let source = async {
            match self.written.options.bool("from_scratch")? {
                true => Ok(None),
                false => {
                    let source = Source::read(&self.written.options)?;
                    find_source(&self.region, &source).await.map(Some)
                }
            }
        };
        let (source, names) = tokio::join!(Box::pin(source), Box::pin(self.names()));
        let source = noted(shown, "source image", source);
        match &source {
            Some(Some(image)) => shown.known("source image", told(image)),
            Some(None) => shown.known("source image", "none: `from_scratch`"),
            None => {}
        }
        self.told_names(shown, names);
        let source = source.flatten();
        self.allowed(shown, source.as_ref(), None, None).await;
        self.written.show(shown, source.as_ref(), None);
    }

    /// The groups that the template names or finds.
    async fn groups(&self, place: &Place) -> Result<Vec<String>> {
        let network = Network::read(&self.written.options)?;
        check_groups(&self.region, &network).await?;
        find_groups(&self.region, &network, place).await
    }

    /// Whether the bucket of a bundle is there.
    async fn bucket(&self, shown: &mut Preview) {
        let found = async {
            let place = self.written.options.required("s3_bucket")?;
            let is_there = has_bucket(&self.region, &place).await?;
            Ok::<_, Error>((place, is_there))
        };
        match noted(shown, "bucket", found.await) {
            Some((place, true)) => {
                shown.known("bucket", format!("{} is there", bucket_of(&place)));
            }
            Some((place, false)) => {
                shown.unknown("bucket", no_bucket(&place, &self.written.options))
            }
            None => {}
        }
    }

    /// Where the instance goes, and how that was chosen.
    async fn place(&self) -> Result<(Place, Vec<(&'static str, String)>)> {
        let network = Network::read(&self.written.options)?;
        let place = find_place(&self.region, &network).await?;
        let mut how = Vec::new();
        let vpc = match (&place.vpc, &network.vpc, &network.vpc_filter) {
            (Some(id), Some(_), _) => format!("{id}, by `vpc_id`"),
            (Some(id), None, Some(_)) if network.subnet.is_none() => {
                format!("{id}, by `vpc_filter`")
            }
            (Some(id), ..) => format!("{id}, the one of the subnet"),
            (None, ..) if place.subnet.is_some() => "the one of the subnet".to_owned(),
            // Who may not look for it can start an instance in it all the same.
            (None, ..) => match self.default_vpc().await {
                Ok(id) => format!("{id}, the default one of {}", self.region.name()),
                Err(error) if error.id == "run/aws-denied" => {
                    format!(
                        "the default one of {}: {}",
                        self.region.name(),
                        error.message
                    )
                }
                Err(error) => return Err(error),
            },
        };
        how.push(("VPC", vpc));
        let zone = place.zone.as_deref().map(|zone| format!(" in {zone}"));
        let zone = zone.unwrap_or_default();
        let subnet = match (&place.subnet, &network.subnet, &network.subnet_filter) {
            (Some(id), Some(_), _) => format!("{id}{zone}, by `subnet_id`"),
            (Some(id), None, Some((_, Pick::MostFree))) => {
                format!("{id}{zone}, by `subnet_filter`: the one with most free addresses")
            }
            (Some(id), None, Some((_, Pick::Random))) => format!(
                "{id}{zone}, or another one that `subnet_filter` finds: each run takes one at random"
            ),
            (Some(id), ..) => format!("{id}{zone}, by `subnet_filter`"),
            (None, ..) => format!("a default one{zone}, which Amazon chooses"),
        };
        how.push(("subnet", subnet));
        Ok((place, how))
    }

    async fn default_vpc(&self) -> Result<String> {
        let request = self.region.ec2().describe_vpcs();
        let request = request.filters(filter("is-default", ["true"])).send();
        let answer = self
            .region
            .call("DescribeVpcs", "find the default VPC", request);
        let vpcs = answer.await?.vpcs.unwrap_or_default();
        let id = vpcs.into_iter().next().and_then(|vpc: Vpc| vpc.vpc_id);
        id.ok_or_else(|| {
            Error::new(
                Class::Template,
                "run/aws-network",
                format!("{} has no default VPC in this account", self.region.name()),
            )
            .help("set `subnet_id` or `subnet_filter`")
        })
    }

    /// The images that have the name, in the region and in those that get a copy.
    async fn names(&self) -> Result<(String, Namesakes)> {
        if !self.written.family.makes_images() {
            return Ok(Default::default());
        }
        let name = self.written.options.required("ami_name")?;
        crate::options::check_name(&name)?;
        if self.written.options.is_given("skip_create_ami") {
            return Ok((name, Vec::new()));
        }
        let home = self.region.name();
        let mut regions = Vec::new();
        // What is only a step on the way has a name of its own.
        if !self.written.options.is_given(ONLY_COPIES) {
            regions.push(home.to_owned());
        }
        for region in self.written.options.plain_strings("ami_regions")? {
            if !regions.contains(&region) && region != home {
                regions.push(region);
            }
        }
        let mut found = Vec::new();
        for region in regions {
            let account = self.account.region(&region);
            found.push((region, taken(&account, &name).await?));
        }
        Ok((name, found))
    }

    fn told_names(&self, shown: &mut Preview, names: Result<(String, Namesakes)>) {
        let Some((name, regions)) = noted(shown, "name", names) else {
            return;
        };
        let by_option = self.written.options.is_given("force_deregister");
        let (replaces, why) = match by_option {
            true => (true, "`force_deregister`"),
            false => (self.written.cx.force, "-force"),
        };
        let with_snapshots = self.written.options.is_given("force_delete_snapshot");
        for (region, images) in regions {
            if replaces {
                // The copies are steps of their own, which may be all that runs.
                let by = match region == self.region.name() {
                    true => String::new(),
                    false => format!("publish[\"{region}\"]"),
                };
                for image in &images {
                    let snapshots = match with_snapshots {
                        true => snapshots_of(image).join(", "),
                        false => String::new(),
                    };
                    let with = match snapshots.as_str() {
                        "" => String::new(),
                        snapshots => format!(", with {snapshots}"),
                    };
                    let id = image.image_id().unwrap_or_default();
                    shown.remove(by.as_str(), format!("{region}: {id} (`{name}`){with}"));
                }
            }
            let Some(image) = images.first() else {
                shown.known("name", format!("`{name}` is free in {region}"));
                continue;
            };
            let id = image.image_id().unwrap_or_default();
            let made = image.creation_date().unwrap_or("an unknown date");
            let has = format!("`{name}` belongs to {id} of {made} in {region}");
            let ours = tags::get(image.tags(), tags::BUILD)
                .is_some_and(|build| build.starts_with(&*self.written.cx.address));
            match (replaces, ours) {
                (true, _) => shown.known("name", format!("{has}, which is let go: {why}")),
                (false, true) => shown.known(
                    "name",
                    format!(
                        "{has}, which an earlier run of this build has made: it stays as long as nothing changes, and keeps a \
                         changed build from running"
                    ),
                ),
                (false, false) => shown.trouble(
                    "name",
                    format!("{has}: give another `ami_name`, or let that one go with `force_deregister = true`"),
                ),
            }
        }
    }
}

/// An image in a line.
fn told(image: &Image) -> String {
    let text = |value: Option<&str>| value.unwrap_or("unknown").to_owned();
    let owner = match image.image_owner_alias() {
        Some(alias) => format!("{} ({alias})", text(image.owner_id())),
        None => text(image.owner_id()),
    };
    let deprecated = image
        .deprecation_time()
        .map(|when| format!(", deprecated at {when}"));
    format!(
        "{} ({}), of {}, owner {owner}{}",
        text(image.image_id()),
        text(image.name()),
        text(image.creation_date()),
        deprecated.unwrap_or_default()
    )
}
