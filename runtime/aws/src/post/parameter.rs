//! Post-processor `amazon-ssm-parameter`: says in a parameter of each region which image is the newest.
//!
//! In: an artifact with images. Out: the same artifact, and in each of its regions a parameter whose value is the image's id. A
//! region in which that is so already is left alone; one that fails does not touch the others. What was written, and what was
//! there before, is recorded before it is written, for `imgc rollback`.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_sdk_ssm::types::{ParameterTier, ParameterType};
use futures_util::future::join_all;
use imgc_compiler::value::Value;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::builder::Problem;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::ledger::{CloudResource, Resource};
use imgc_runtime::options::Options;
use imgc_runtime::post_processor::{PostProcessor, Processed};
use imgc_runtime::preview::{Origin, Preview, Right, Scope};
use imgc_runtime::state::{ChangeRecord, Content, Moment};
use imgc_runtime::template::{self, Surroundings};

use crate::account::{Access, Accounts};
use crate::identity::caller;
use crate::parameters::{IMAGE, Parameters, Version, Write};
use crate::post::rights::{Asks, foreseen, rights};
use crate::post::{
    Finished, account, all_there, chosen, is_news, joined, made, misplaced, unchanged,
};
use crate::preview::{by_policies, doomed, note};
use crate::rights::Part;
use crate::simulation::{Simulated, simulate};
use crate::tags::{self, Tags};

const COMPONENT: &str = "post-processor `amazon-ssm-parameter`";
/// What templates call it.
const NAME: &str = "amazon-ssm-parameter";
/// The data type of a parameter whose value Amazon does not look at.
const TEXT: &str = "text";
/// The problem of a parameter that is not as it should be.
const TROUBLE: &str = "run/aws-parameter";
/// Somebody may make the parameter while we do: how often it is looked at again.
const ATTEMPTS: u32 = 3;

/// The post-processor `amazon-ssm-parameter`.
#[derive(Clone, Debug, Default)]
pub struct SsmParameter {
    accounts: Accounts,
}

impl SsmParameter {
    /// With the accounts of this process.
    pub(crate) fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }

    /// What policies make of the rights that it takes.
    async fn simulated(
        &self,
        access: Access,
        home: &str,
        options: &Options<'_>,
        origin: Origin<'_>,
    ) -> Result<Simulated> {
        let asks = Asks {
            parts: parts(options),
            options: *options,
            origin: Some(origin),
            scope: Scope::default(),
        };
        let rights = rights(&self.accounts, asks).await;
        let region = self.accounts.get(&access).await?.region(home);
        let caller = caller(&region).await?;
        simulate(&region, &caller, &rights).await
    }
}

/// The options. Texts that may speak of the image are templates still.
#[derive(Clone, Debug)]
struct Wanted {
    name: String,
    kind: ParameterType,
    key: Option<String>,
    data_type: String,
    description: Option<String>,
    tags: Tags,
    tier: Option<ParameterTier>,
    overwrite: bool,
    regions: Vec<String>,
}

impl Wanted {
    /// Shows the parameters that will be made, as far as the template says where.
    fn makes_unasked(&self, shown: &mut Preview) {
        if self.regions.is_empty() {
            let made = shown.make("parameter", "the regions of the image", self.name.as_str());
            made.stays = true;
        }
        for region in &self.regions {
            shown.make("parameter", region, self.name.as_str()).stays = true;
        }
    }

    fn read(options: &Options<'_>) -> Result<Self> {
        let kind = options.string("type")?;
        let kind = match kind.as_deref() {
            None | Some("String") => ParameterType::String,
            Some("SecureString") => ParameterType::SecureString,
            Some(_) => return Err(options.wrong("type", "`String` or `SecureString`")),
        };
        let secure = kind == ParameterType::SecureString;
        let key = options.string("key_id")?;
        if key.is_some() && !secure {
            return Err(wrong("`key_id` is for a parameter that is encrypted")
                .help("set `type = \"SecureString\"`, or leave `key_id` out"));
        }
        let data_type = options.string("data_type")?;
        if secure && data_type.as_deref() == Some(IMAGE) {
            return Err(
                wrong("Amazon takes no `SecureString` of the data type `aws:ec2:image`")
                    .help("leave `data_type` out, or set `type = \"String\"`"),
            );
        }
        let usual = if secure { TEXT } else { IMAGE };
        let name = options.required("parameter")?;
        check_name(&name)?;
        let tags = options.map("tags")?.into_iter();
        Ok(Self {
            name,
            kind,
            key,
            data_type: data_type.unwrap_or_else(|| usual.to_owned()),
            description: options.string("description")?,
            tags: tags.map(|(key, value)| (key, value.text)).collect(),
            tier: options
                .string("tier")?
                .map(|tier| ParameterTier::from(tier.as_str())),
            overwrite: match options.value("overwrite") {
                None => true,
                Some(_) => options.bool("overwrite")?,
            },
            regions: options.plain_strings("regions")?,
        })
    }

    /// Whether a version may be followed by another one.
    fn may_replace(&self, now: &Version) -> bool {
        self.overwrite && !is_secret(now)
    }

    /// Whether a version is what would be written.
    fn is_there(&self, now: &Version, value: &str) -> bool {
        let data_type = now.data_type.as_deref().unwrap_or(TEXT);
        now.value == value && now.kind.as_ref() == Some(&self.kind) && data_type == self.data_type
    }
}

fn wrong(message: impl Into<String>) -> Error {
    Error::new(Class::Template, "run/aws-option", message)
}

/// What Amazon would refuse, as far as it is known before the run.
fn check_name(name: &str) -> Result<()> {
    if name.contains("{{") {
        return Ok(());
    }
    let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_'));
    let path = name.trim_start_matches('/');
    let start = path.to_ascii_lowercase();
    if let Some(odd) = name.chars().find(|c| odd(*c)) {
        return Err(wrong(format!(
            "the name of a parameter cannot have `{odd}` in it: `{name}`"
        ))
        .help("letters, digits and `/.-_` can"));
    }
    if path.contains('/') && !name.starts_with('/') {
        return Err(wrong(format!(
            "the name of a parameter with `/` in it begins with one: `{name}`"
        ))
        .help(format!("write `/{name}`")));
    }
    if path.is_empty() || name.ends_with('/') || name.contains("//") {
        return Err(wrong(format!("this is no name of a parameter: `{name}`"))
            .help("such as `/common/golden-ami`"));
    }
    if start.starts_with("aws") || start.starts_with("ssm") {
        return Err(wrong(format!(
            "Amazon keeps names of parameters that begin with `aws` or `ssm` for itself: `{name}`"
        )));
    }
    Ok(())
}

/// The names of the parameters of a region that post-processors of the build write before another one begins, in the name of
/// `access`, as far as they are known. A name that speaks of the image is another one for each image.
pub(super) async fn written(
    accounts: &Accounts,
    cx: &Context,
    origin: Origin<'_>,
    (access, region): (&Access, &str),
) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let writers = origin.before.iter().filter(|one| one.name == NAME);
    for writer in writers {
        let options = Options::new(COMPONENT, writer.options);
        let Ok(wanted) = Wanted::read(&options) else {
            continue;
        };
        let there = foreseen(accounts, &options, Some(origin)).await;
        let is_here = there.regions.iter().any(|one| one == region)
            && there.access.in_region(region) == access.clone().in_region(region);
        if !is_here || !wanted.overwrite {
            continue;
        }
        let fields = [("BuildRegion", region), ("Region", region)];
        let name = template::render(&wanted.name, &fields, &Surroundings::from(cx), "parameter");
        names.extend(name.ok().filter(|name| !name.contains("{{")));
    }
    names
}

/// The parts of the table of rights that it needs.
fn parts(options: &Options<'_>) -> BTreeSet<Part> {
    let mut parts = BTreeSet::from([Part::Parameter]);
    let text = |name: &str| options.string(name).ok().flatten();
    let secure = text("type").as_deref() == Some("SecureString");
    let of_image = match text("data_type") {
        Some(kind) => kind == IMAGE,
        None => !secure,
    };
    if of_image {
        parts.insert(Part::ParameterOfImage);
    }
    if options.is_given("key_id") {
        parts.insert(Part::ParameterKey);
    }
    parts
}

#[async_trait]
impl PostProcessor for SsmParameter {
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
        const WHAT: &str = "parameter";
        let options = Options::new(COMPONENT, options);
        let mut shown = Preview::default();
        if origin.offline {
            match Wanted::read(&options) {
                Ok(wanted) => wanted.makes_unasked(&mut shown),
                Err(error) => shown.unknown(WHAT, error.chain()),
            }
            return Some(shown);
        }
        let foreseen = foreseen(&self.accounts, &options, Some(origin)).await;
        let wanted = match Wanted::read(&options) {
            Ok(wanted) => wanted,
            Err(error) => {
                doomed(&mut shown, WHAT, &error);
                return Some(shown);
            }
        };
        if !foreseen.is_sure || foreseen.regions.iter().any(String::is_empty) {
            shown.unknown(WHAT, "only the run knows the images it is about");
            return Some(shown);
        }
        if let Some(images) = &foreseen.images
            && !images.iter().any(String::is_empty)
        {
            let there = images.iter().map(String::as_str).collect();
            if let Err(error) = all_there(COMPONENT, &wanted.regions, &there) {
                doomed(&mut shown, WHAT, &error);
                return Some(shown);
            }
        }
        for region in &foreseen.regions {
            let fields = [("BuildRegion", region.as_str()), ("Region", region)];
            let surroundings = Surroundings::from(cx);
            let name = template::render(&wanted.name, &fields, &surroundings, "parameter");
            let name = name.ok().filter(|name| !name.contains("{{"));
            let about = match &name {
                // It speaks of the image.
                None => wanted.name.clone(),
                Some(name) => {
                    let access = foreseen.access.clone().in_region(region);
                    let looked = async {
                        let account = self.accounts.get(&access).await?;
                        Parameters::new(&account, region).get(name).await
                    };
                    let what = format!("{WHAT} {region}");
                    match Box::pin(looked).await {
                        Err(error) => {
                            note(&mut shown, &what, &error);
                            name.clone()
                        }
                        Ok(None) => format!("{name}, a new one"),
                        Ok(Some(now)) if wanted.may_replace(&now) => {
                            format!("{name}, after its version {}", now.number)
                        }
                        Ok(Some(now)) => {
                            doomed(&mut shown, &what, &occupied(region, name, &now));
                            continue;
                        }
                    }
                }
            };
            shown.make(WHAT, region, about).stays = true;
        }
        if let Some(home) = foreseen.regions.first() {
            let access = foreseen.access.clone().in_region(home);
            let simulated = self.simulated(access, home, &options, origin);
            by_policies(&mut shown, Box::pin(simulated).await);
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
                    image,
                    parameters: Parameters::new(&account, &image.region),
                    reach: made::record(&account, made::PARAMETER, &image.region, None)?,
                };
                place.write(wanted).await
            })
        });
        let mut failures = Vec::new();
        for (image, outcome) in images.iter().zip(join_all(regions).await) {
            match outcome {
                Ok(said) => cx.output.say(said),
                Err(error) => {
                    if images.len() > 1 {
                        cx.output
                            .warn(format!("{}: {}", image.region, error.chain()));
                    }
                    failures.push((image.region.clone(), error));
                }
            }
        }
        joined(failures)?;
        Ok(unchanged(artifact))
    }
}

/// A region in which a parameter is written.
struct Place<'a> {
    cx: &'a Context,
    image: &'a Finished,
    parameters: Parameters,
    /// The record of a parameter that is made, without its name.
    reach: CloudResource,
}

impl Place<'_> {
    /// Sees to it that the parameter names the image; gives what has been done, in a line.
    async fn write(&self, wanted: &Wanted) -> Result<String> {
        let name = self.text(&wanted.name, "parameter")?;
        check_name(&name)?;
        let value = self.image.id.as_str();
        let description = match &wanted.description {
            Some(text) => self.text(text, "description")?,
            None => format!("written by imgc, run {}", self.cx.run_id),
        };
        let write = Write {
            name: &name,
            value,
            description: Some(&description),
            kind: Some(wanted.kind.clone()),
            key: wanted.key.as_deref(),
            data_type: Some(&wanted.data_type),
            tier: wanted.tier.clone(),
        };
        let line = |rest: String| format!("{}: {name} = {value} ({rest})", self.image.region);
        for _ in 0..ATTEMPTS {
            match self.parameters.get(&name).await? {
                Some(now) if wanted.is_there(&now, value) => {
                    return Ok(line(format!("version {}, as it was", now.number)));
                }
                Some(now) if !wanted.may_replace(&now) => {
                    return Err(occupied(&self.image.region, &name, &now));
                }
                Some(now) => {
                    let before = Content {
                        version: Some(now.number),
                        value: now.value,
                    };
                    let version = self.overwrite(&write, before.clone()).await?;
                    return Ok(line(format!(
                        "version {version}; version {} was {}",
                        now.number, before.value
                    )));
                }
                None => {
                    if let Some(version) = self.create(&write, &wanted.tags).await? {
                        return Ok(line(format!("version {version}, a new parameter")));
                    }
                }
            }
        }
        Err(Error::new(
            Class::Remote,
            TROUBLE,
            format!(
                "the parameter {name} in {} comes and goes while it is written",
                self.image.region
            ),
        )
        .transient())
    }

    async fn overwrite(&self, write: &Write<'_>, before: Content) -> Result<i64> {
        let mut change = self.change(write, Some(before));
        change.id = self.cx.ledger.change(&change).await?;
        let version = self.parameters.overwrite(write).await?;
        change.after.version = Some(version);
        self.cx.ledger.change(&change).await?;
        Ok(version)
    }

    /// `None` where somebody else was faster.
    async fn create(&self, write: &Write<'_>, own: &Tags) -> Result<Option<i64>> {
        let thing = CloudResource {
            id: Some(write.name.to_owned()),
            ..self.reach.clone()
        };
        let mut all = Tags::new();
        for (key, text) in own {
            all.insert(self.text(key, "tags")?, self.text(text, "tags")?);
        }
        all.insert(tags::RUN.to_owned(), self.cx.run_id.to_string());
        all.insert(tags::NAME.to_owned(), thing.name.clone());
        let mut change = self.change(write, None);
        change.id = self.cx.ledger.change(&change).await?;
        let make = self.parameters.create(write, &all);
        let intent = Resource::Cloud(thing.clone());
        let created = self.cx.ledger.create(&self.cx.address, intent, make).await;
        // With its first version it is finished: a region that fails does not take it back. What was refused is not there.
        let settled = match &created {
            Ok((_, version)) => version.is_some(),
            Err(error) => !error.is_transient() && error.id != TROUBLE,
        };
        if settled {
            made::settle(self.cx, &thing);
        }
        let version = match created?.1 {
            Some(version) => version,
            None => {
                // Made by our own call whose answer was lost, or by somebody else: the next look tells.
                let ours = self.parameters.has_tag(write.name, tags::NAME, &thing.name);
                let ours = ours.await? == Some(true);
                made::settle(self.cx, &thing);
                if !ours {
                    return Ok(None);
                }
                1
            }
        };
        change.after.version = Some(version);
        self.cx.ledger.change(&change).await?;
        Ok(Some(version))
    }

    fn change(&self, write: &Write<'_>, before: Option<Content>) -> ChangeRecord {
        let step = self.cx.address.to_string();
        let build = step.rsplit_once(".post-processor");
        let build = build.map_or(step.as_str(), |(build, _)| build);
        ChangeRecord {
            id: 0,
            run: String::new(),
            build: build.to_owned(),
            step: step.clone(),
            at: now(),
            thing: CloudResource {
                id: Some(write.name.to_owned()),
                ..self.reach.clone()
            },
            before,
            after: Content {
                version: None,
                value: write.value.to_owned(),
            },
            undoes: None,
            undone_by: None,
        }
    }

    fn text(&self, text: &str, option: &str) -> Result<String> {
        let fields = [
            ("BuildRegion", self.image.region.as_str()),
            ("ImageID", self.image.id.as_str()),
            ("Region", self.image.region.as_str()),
        ];
        template::render(text, &fields, &Surroundings::from(self.cx), option)
    }
}

/// The failure where a parameter is there and is not to be replaced.
fn occupied(region: &str, name: &str, now: &Version) -> Error {
    if is_secret(now) {
        return Error::new(
            Class::Environment,
            TROUBLE,
            format!("the parameter {name} in {region} holds a secret that is no id of an image"),
        )
        .help("name another `parameter` for the image");
    }
    Error::new(
        Class::Environment,
        TROUBLE,
        format!(
            "the parameter {name} in {region} is there and holds {} (version {})",
            now.value, now.number
        ),
    )
    .help("name another `parameter`, or allow it with `overwrite = true`; the value it has then stays as a version")
}

/// Whether somebody keeps a secret there: it is neither replaced nor shown.
fn is_secret(now: &Version) -> bool {
    now.kind == Some(ParameterType::SecureString) && !now.value.starts_with("ami-")
}

fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.unwrap_or_default().as_millis();
    Moment::try_from(since).unwrap_or(Moment::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_amazon_would_refuse_are_said_before_the_run() {
        let wrong = |name: &str| check_name(name).err().map(|error| error.message);
        for name in [
            "/common/img-mgr/golden-ami",
            "golden",
            "/a.b_c-d",
            "/x/{{ .Region }}",
        ] {
            assert_eq!(wrong(name), None);
        }
        for name in ["a/b", "/a b", "/aws/x", "ssm-x", "/", "/a/", "/a//b", "/ä"] {
            assert!(wrong(name).is_some(), "{name}");
        }
    }
}
