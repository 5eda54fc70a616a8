//! Post-processor `amazon-import`: makes an image of a disk image that another builder has made.
//!
//! In: an artifact with a file of the wanted format. Out: an image at Amazon, by way of a bucket and an import task. Options, their
//! defaults and the artifact's form are those of Packer's Amazon plugin. Nothing stays but the image: the object goes, half an
//! upload goes, and where the image gets a name of its own, so does the one that the task has made.

mod task;
mod upload;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    AttributeValue, BootModeValues, Image, LaunchPermission, LaunchPermissionModifications,
    PermissionGroup, ResourceType,
};
use aws_sdk_s3::types::ServerSideEncryption;
use imgc_compiler::value::Value;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::builder::Problem;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::ledger::{CloudResource, Resource};
use imgc_runtime::options::Options;
use imgc_runtime::post_processor::{PostProcessor, Processed};
use imgc_runtime::preview::{Origin, Preview, Right, Scope};
use imgc_runtime::template::{self, Surroundings};

use crate::account::{Access, Account, Accounts, named_region};
use crate::error::TAKEN;
use crate::image;
use crate::lookup::{has_bucket, taken};
use crate::options::{NEW_REGION, Polling, V2, check_name, region_problem};
use crate::post::rights::{Asks, rights};
use crate::post::{is_news, made};
use crate::preview::{UNKNOWN_REGION, doomed, note};
use crate::publish;
use crate::region::{RegionClient, incomplete};
use crate::resource::{Kind, PROVIDER, Thing, snapshots_of};
use crate::rights::Part;
use crate::tags::{self, Tags};
use upload::Target;

/// Packer's id for these artifacts.
const BUILDER_ID: &str = "packer.post-processor.amazon-import";
const COMPONENT: &str = "post-processor `amazon-import`";
/// How long an import may take unless something is said: a large disk takes hours.
const LIMIT: Duration = Duration::from_secs(6 * 3600);

/// The post-processor `amazon-import`.
#[derive(Clone, Debug, Default)]
pub struct Import {
    accounts: Accounts,
}

impl Import {
    /// With the accounts of this process.
    pub(crate) fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }
}

/// The options.
#[derive(Clone, Debug)]
struct Wanted {
    target: Target,
    format: String,
    architecture: String,
    boot_mode: Option<BootModeValues>,
    description: Option<String>,
    encrypt: bool,
    imds: Option<String>,
    kms_key: Option<String>,
    license_type: Option<String>,
    name: Option<String>,
    platform: Option<String>,
    role_name: Option<String>,
    share: Vec<LaunchPermission>,
    skip_clean: bool,
    tags: Tags,
    polling: Polling,
}

impl Wanted {
    /// Shows what will be made in a region.
    fn makes(&self, shown: &mut Preview, region: &str) {
        let about = format!("in the bucket {}", self.target.bucket);
        shown.make("S3 object", region, about).stays = self.skip_clean;
        let name = self.name.as_deref();
        let name = name.unwrap_or("with a name that the import gives it");
        shown.make("image", region, name).stays = true;
    }

    fn read(options: &Options<'_>) -> Result<Self> {
        let format = options
            .string("format")?
            .unwrap_or_else(|| "ova".to_owned());
        let format = format.to_lowercase();
        if !["ova", "raw", "vmdk", "vhd", "vhdx"].contains(&format.as_str()) {
            return Err(options.wrong("format", "one of `ova`, `raw`, `vmdk`, `vhd`, `vhdx`"));
        }
        let (encryption, encryption_key) = at_rest(options)?;
        let kms_key = options.string("ami_kms_key")?;
        let encrypt = match options.value("ami_encrypt") {
            // Who names a key means it.
            None => kms_key.is_some(),
            Some(_) => options.bool("ami_encrypt")?,
        };
        let platform = options
            .string("platform")?
            .map(|platform| platform.to_lowercase());
        let platform = match platform.as_deref() {
            None => None,
            Some("linux") => Some("Linux".to_owned()),
            Some("windows") => Some("Windows".to_owned()),
            Some(_) => return Err(options.wrong("platform", "`linux` or `windows`")),
        };
        let boot_mode = options.string("boot_mode")?;
        let tags = options.map("tags")?.into_iter();
        Ok(Self {
            target: Target {
                bucket: options.required("s3_bucket_name")?,
                key: options.string("s3_key_name")?.unwrap_or_default(),
                encryption,
                encryption_key,
            },
            format,
            architecture: architecture(options)?,
            boot_mode: boot_mode.map(|mode| BootModeValues::from(mode.as_str())),
            description: options.string("ami_description")?,
            encrypt,
            imds: match options.string("imds_support")? {
                Some(other) if other != V2 => return Err(options.wrong("imds_support", "`v2.0`")),
                given => given,
            },
            // Amazon refuses one for an image that is not encrypted.
            kms_key: kms_key.filter(|_| encrypt),
            license_type: license(options)?,
            name: name(options)?,
            platform,
            role_name: options.string("role_name")?,
            share: share(options)?,
            skip_clean: options.bool("skip_clean")?,
            tags: tags.map(|(key, value)| (key, value.text)).collect(),
            polling: Polling::read_or(options, LIMIT)?,
        })
    }
}

/// How the object is encrypted, and with which key. A key alone means KMS; Amazon takes none for its own encryption.
fn at_rest(options: &Options<'_>) -> Result<(Option<ServerSideEncryption>, Option<String>)> {
    let key = options.string("s3_encryption_key")?;
    let given = options.string("s3_encryption")?;
    match given.as_deref() {
        None if key.is_none() => Ok((None, None)),
        None | Some("aws:kms") => Ok((Some(ServerSideEncryption::AwsKms), key)),
        Some("AES256") => Ok((Some(ServerSideEncryption::Aes256), None)),
        Some(_) => Err(options.wrong("s3_encryption", "`AES256` or `aws:kms`")),
    }
}

/// What machines the image is for, in the words of `ImportImage`.
fn architecture(options: &Options<'_>) -> Result<String> {
    let given = options.string("architecture")?;
    let given = given.unwrap_or_else(|| "x86_64".to_owned());
    match given.as_str() {
        "arm64" | "i386" | "x86_64" => Ok(given),
        _ => Err(options.wrong("architecture", "one of `arm64`, `i386`, `x86_64`")),
    }
}

fn license(options: &Options<'_>) -> Result<Option<String>> {
    let given = options.string("license_type")?;
    let given = given.map(|license| license.to_uppercase());
    match given.as_deref() {
        None | Some("AWS" | "BYOL") => Ok(given),
        Some(_) => Err(options.wrong("license_type", "`AWS` or `BYOL`")),
    }
}

/// The name that the image gets in the end; one that is not rendered yet is looked at when it is.
fn name(options: &Options<'_>) -> Result<Option<String>> {
    let given = options.string("ami_name")?;
    if let Some(name) = given.as_deref().filter(|name| !name.contains("{{")) {
        check_name(name)?;
    }
    Ok(given)
}

/// A region that is none. What lets one be taken all the same is an option of builders.
fn no_such_region(options: &Options<'_>) -> Option<Problem> {
    let mut problem = region_problem(options)?;
    let help = problem.help.map(|help| help.replace(NEW_REGION, ""));
    problem.help = help.map(|help| help.trim_end_matches([' ', ';']).to_owned());
    Some(problem)
}

fn share(options: &Options<'_>) -> Result<Vec<LaunchPermission>> {
    let new = LaunchPermission::builder;
    let mut all = Vec::new();
    for user in options.plain_strings("ami_users")? {
        all.push(new().user_id(user).build());
    }
    for group in options.plain_strings("ami_groups")? {
        all.push(new().group(PermissionGroup::from(group.as_str())).build());
    }
    for arn in options.plain_strings("ami_org_arns")? {
        all.push(new().organization_arn(arn).build());
    }
    for arn in options.plain_strings("ami_ou_arns")? {
        all.push(new().organizational_unit_arn(arn).build());
    }
    Ok(all)
}

/// The parts of the table of rights that it needs.
fn parts(options: &Options<'_>) -> BTreeSet<Part> {
    let given = |names: &[&str]| names.iter().any(|name| options.is_given(name));
    let named = given(&["ami_name"]);
    let sets = [
        "ami_groups",
        "ami_org_arns",
        "ami_ou_arns",
        "ami_users",
        "imds_support",
    ];
    let mut parts = BTreeSet::from([Part::Import, Part::Renewal]);
    parts.insert(match named {
        true => Part::ImportNamed,
        false => Part::ImportKept,
    });
    if given(&sets) || !named && given(&["ami_description"]) {
        parts.insert(Part::Attributes);
    }
    if given(&["ami_kms_key"]) {
        parts.insert(Part::OwnKey);
    }
    parts
}

#[async_trait]
impl PostProcessor for Import {
    fn check(&self, value: &Value) -> Vec<Problem> {
        let options = Options::new(COMPONENT, value);
        let read = Access::read(&options).and_then(|_| Wanted::read(&options));
        let error = read.err().filter(is_news);
        let mut found: Vec<Problem> = error.map(Problem::from).into_iter().collect();
        found.extend(no_such_region(&options));
        found.extend(publish::problems(value));
        found
    }

    async fn rights(
        &self,
        cx: &Context,
        options: &Value,
        origin: Origin<'_>,
        scope: Scope,
    ) -> Vec<Right> {
        let _ = (cx, origin);
        let options = Options::new(COMPONENT, options);
        let asks = Asks {
            parts: parts(&options),
            options,
            origin: None,
            scope,
        };
        Box::pin(rights(&self.accounts, asks)).await
    }

    fn check_behind(&self, options: &Value, origin: Origin<'_>) -> Vec<Problem> {
        let _ = options;
        let builder = origin.builder;
        match builder.starts_with("amazon-") || builder == "null" {
            true => vec![
                Problem::new(format!(
                    "{COMPONENT} has no file to import: `{builder}` makes none"
                ))
                .help(
                    "put it behind a source that makes a disk image, such as `rootfs`, or leave this source out with `except`",
                ),
            ],
            false => Vec::new(),
        }
    }

    async fn preview(&self, cx: &Context, value: &Value, origin: Origin<'_>) -> Option<Preview> {
        let options = Options::new(COMPONENT, value);
        let mut shown = Preview::default();
        if origin.offline {
            let access = Access::read(&options).unwrap_or_default();
            let region = named_region(&access).await;
            let region = region.unwrap_or_else(|| UNKNOWN_REGION.to_owned());
            match Wanted::read(&options) {
                Ok(wanted) => wanted.makes(&mut shown, &region),
                Err(error) => shown.unknown("import", error.chain()),
            }
            return Some(shown);
        }
        let account = match Access::read(&options) {
            Ok(access) => self.accounts.get(&access).await,
            Err(error) => Err(error),
        };
        let account = match account {
            Ok(account) => account,
            Err(error) => {
                match error.is_transient() {
                    true => note(&mut shown, "account", &error),
                    false => doomed(&mut shown, "account", &error),
                }
                return Some(shown);
            }
        };
        let wanted = match verified(value) {
            Ok(wanted) => wanted,
            Err(error) => {
                doomed(&mut shown, "import", &error);
                return Some(shown);
            }
        };
        let region = account.region(account.home());
        let bucket = &wanted.target.bucket;
        match has_bucket(&region, bucket).await {
            Ok(true) => shown.known("bucket", format!("{bucket} is there")),
            Ok(false) => shown.trouble(
                "bucket",
                format!(
                    "there is no bucket {bucket}: make it, or name one that is there with `s3_bucket_name`"
                ),
            ),
            Err(error) => note(&mut shown, "bucket", &error),
        }
        if let Some(name) = &wanted.name {
            match taken(&region, name).await {
                Ok(images) => told_name(&mut shown, cx, &region, name, images.first()),
                Err(error) => note(&mut shown, "name", &error),
            }
        }
        wanted.makes(&mut shown, region.name());
        Some(shown)
    }

    async fn run(&self, cx: &Context, options: &Value, artifact: &Artifact) -> Result<Processed> {
        let mut wanted = verified(options)?;
        let options = Options::new(COMPONENT, options);
        if wanted.target.key.is_empty() {
            let stem = "packer-import-{{timestamp}}";
            let stem = template::render(stem, &[], &Surroundings::from(cx), "s3_key_name")?;
            wanted.target.key = format!("{stem}.{}", wanted.format);
        }
        if options.is_given("s3_encryption_key") && wanted.target.encryption_key.is_none() {
            cx.output
                .warn("`s3_encryption_key` is not used: `s3_encryption` is `AES256`");
        }
        let file = file(artifact, &wanted.format)?;
        let account = self.accounts.get(&Access::read(&options)?).await?;
        let region = account.region(account.home());
        let work = Work {
            cx,
            account: &account,
            region: &region,
            wanted: &wanted,
        };
        let image = Box::pin(work.import(&file)).await?;
        Ok(Processed {
            artifact: finished(&region, &image),
            keep_by_default: false,
            must_keep: false,
        })
    }
}

/// The options when everything is known: who may use the image is looked at as well.
fn verified(value: &Value) -> Result<Wanted> {
    let wanted = Wanted::read(&Options::new(COMPONENT, value))?;
    publish::verify(value)?;
    Ok(wanted)
}

/// Says of a name whether it is free, or which image has it.
fn told_name(
    shown: &mut Preview,
    cx: &Context,
    region: &RegionClient,
    name: &str,
    image: Option<&Image>,
) {
    let place = region.name();
    let Some(image) = image else {
        shown.known("name", format!("`{name}` is free in {place}"));
        return;
    };
    let id = image.image_id().unwrap_or_default();
    let made = image.creation_date().unwrap_or("an unknown date");
    let has = format!("`{name}` belongs to {id} of {made} in {place}");
    let build = tags::get(image.tags(), tags::BUILD);
    match build.is_some_and(|build| build.starts_with(&*cx.address)) {
        true => shown.known(
            "name",
            format!(
                "{has}, which an earlier run of this build has made: it stays as long as nothing changes, and keeps a changed \
                 build from running"
            ),
        ),
        false => shown.trouble("name", format!("{has}: {OTHER_NAME}")),
    }
}

/// The way out of a name that is taken.
const OTHER_NAME: &str =
    "give another `ami_name`, such as one with {{timestamp}} in it, or let the old image go";

/// The image that has the name is in the way.
fn is_taken(region: &RegionClient, name: &str, image: &Image) -> Error {
    let place = region.name();
    let id = image.image_id().unwrap_or_default();
    let message = format!("the name `{name}` belongs to the image {id} in {place}");
    let tag = |key| tags::get(image.tags(), key);
    let unfinished = tag(tags::EXPIRES).and_then(|_| tag(tags::RUN));
    let error = Error::new(Class::Environment, TAKEN, message).of("ami_name");
    error.help(match unfinished {
        Some(run) => format!(
            "it was never finished: once its run is over, `imgc gc --cloud aws --region {place} --run {run}` removes it"
        ),
        None => OTHER_NAME.to_owned(),
    })
}

/// The file to import: the first with the format's ending.
fn file(artifact: &Artifact, format: &str) -> Result<PathBuf> {
    let ending = format!(".{format}");
    let mut files = artifact.files.iter();
    let found = files.find(|file| file.to_string_lossy().to_lowercase().ends_with(&ending));
    found.cloned().ok_or_else(|| {
        Error::new(
            Class::Template,
            "run/aws-option",
            format!("{COMPONENT} finds no file that ends with `{ending}` in the artifact"),
        )
        .help("have the builder make one, or name the `format` it makes")
    })
}

/// An import at work.
struct Work<'a> {
    cx: &'a Context,
    account: &'a Account,
    region: &'a RegionClient,
    wanted: &'a Wanted,
}

impl Work<'_> {
    async fn import(&self, file: &std::path::Path) -> Result<Image> {
        let Self {
            cx, region, wanted, ..
        } = self;
        // What is imported has been made already: rather than lose it, new credentials are waited for.
        region.attend(cx);
        self.name_is_free().await?;
        let target = &wanted.target;
        let object = self.record(made::OBJECT, Some(&target.id()))?;
        cx.output.say(format!(
            "uploading {} to s3://{}/{}",
            file.display(),
            target.bucket,
            target.key
        ));
        let s3 = upload::client(region);
        let upload = upload::upload(cx, &s3, file, target);
        let intent = Resource::Cloud(object.clone());
        cx.ledger.create(&cx.address, intent, upload).await?;
        let task = self.record(made::IMPORT, None)?;
        let task = Box::pin(task::begin(cx, region, wanted, task)).await?;
        let id = task.id.as_deref().unwrap_or_default();
        cx.output.say(format!("importing: {id}"));
        let imported = Box::pin(task::wait(cx, region, id, wanted.polling.limit)).await?;
        cx.output.say(format!("imported: {imported}"));
        let image = match &wanted.name {
            Some(name) => {
                let named = Box::pin(self.named(&imported, name)).await?;
                task::remove_image(region, &imported).await?;
                named
            }
            None => Box::pin(self.kept(&imported)).await?,
        };
        self.finish(&image).await?;
        made::settle(cx, &task);
        if !wanted.skip_clean {
            upload::remove(region, &object).await?;
        }
        made::settle(cx, &object);
        Ok(image)
    }

    fn record(&self, kind: &str, id: Option<&str>) -> Result<CloudResource> {
        made::record(self.account, kind, self.region.name(), id)
    }

    /// Looked at before the hours that go into an image that could not be called so.
    async fn name_is_free(&self) -> Result<()> {
        let Some(name) = &self.wanted.name else {
            return Ok(());
        };
        let others = taken(self.region, name).await?;
        let other = others.first();
        other.map_or(Ok(()), |other| Err(is_taken(self.region, name, other)))
    }

    /// A copy with a name of the template's, since an import gives one of its own.
    async fn named(&self, imported: &str, name: &str) -> Result<Image> {
        let Self {
            cx, region, wanted, ..
        } = self;
        cx.output
            .say(format!("creating AMI {name} from {imported}"));
        let thing = Thing::new(Kind::Image)?;
        let all = thing.tags(cx, &wanted.tags);
        let request = region
            .ec2()
            .copy_image()
            .name(name)
            .client_token(&thing.name)
            .source_image_id(imported)
            .source_region(region.name())
            .set_description(wanted.description.clone())
            .set_encrypted(wanted.encrypt.then_some(true))
            .set_kms_key_id(wanted.kms_key.clone())
            .tag_specifications(tags::specification(ResourceType::Image, &all))
            .tag_specifications(tags::specification(ResourceType::Snapshot, &all));
        let make = async {
            let answer = region.call("CopyImage", "give the image its name", request.send());
            let id = answer.await?.image_id;
            id.ok_or_else(|| incomplete("CopyImage", "id"))
        };
        let made = thing.make(cx, region, make).await?;
        let image = image::available(cx, region, made.id(), wanted.polling).await?;
        image::keep(region, &image).await?;
        Ok(image)
    }

    /// The image as the task has made it: tagged, with its snapshots.
    async fn kept(&self, imported: &str) -> Result<Image> {
        let Self {
            cx, region, wanted, ..
        } = self;
        let image = image::available(cx, region, imported, wanted.polling).await?;
        let mut all = wanted.tags.clone();
        all.insert(tags::RUN.to_owned(), cx.run_id.to_string());
        all.insert(tags::BUILD.to_owned(), cx.address.to_string());
        let ids = std::iter::once(imported.to_owned()).chain(snapshots_of(&image));
        let request = region.ec2().create_tags();
        let request = request.set_resources(Some(ids.collect()));
        let request = request.set_tags(Some(tags::list(&all))).send();
        region.call("CreateTags", "tag the image", request).await?;
        if let Some(text) = &wanted.description {
            let value = AttributeValue::builder().value(text).build();
            let request = region.ec2().modify_image_attribute().image_id(imported);
            let attempt = "describe the image";
            let request = request.description(value).send();
            region
                .call("ModifyImageAttribute", attempt, request)
                .await?;
        }
        Ok(image)
    }

    /// What is set on an image once it is there.
    async fn finish(&self, image: &Image) -> Result<()> {
        let Self { region, wanted, .. } = self;
        let id = image.image_id().unwrap_or_default();
        let modify = || region.ec2().modify_image_attribute().image_id(id);
        if let Some(imds) = &wanted.imds {
            let value = AttributeValue::builder().value(imds).build();
            let attempt = "say what the metadata service of an image's instances is";
            let request = modify().imds_support(value).send();
            region
                .call("ModifyImageAttribute", attempt, request)
                .await?;
        }
        if !wanted.share.is_empty() {
            let all = LaunchPermissionModifications::builder();
            let all = all.set_add(Some(wanted.share.clone())).build();
            let request = modify().launch_permission(all).send();
            let attempt = "share the image";
            region
                .call("ModifyImageAttribute", attempt, request)
                .await?;
        }
        Ok(())
    }
}

/// The artifact as Packer gives it: `region:id`, and a line for the region.
fn finished(region: &RegionClient, image: &Image) -> Artifact {
    let id = image.image_id().unwrap_or_default().to_owned();
    let place = region.name();
    let thing = |kind: Kind, id: String| CloudResource {
        provider: PROVIDER.to_owned(),
        kind: kind.word().to_owned(),
        place: place.to_owned(),
        name: id.clone(),
        id: Some(id),
        reach: region.reach(),
        asked: None,
    };
    let mut things = vec![thing(Kind::Image, id.clone())];
    let snapshots = snapshots_of(image).into_iter();
    things.extend(snapshots.map(|id| thing(Kind::Snapshot, id)));
    Artifact {
        builder_id: BUILDER_ID.to_owned(),
        id: format!("{place}:{id}"),
        description: format!("AMIs were created:\n{place}: {id}\n"),
        metadata: BTreeMap::new(),
        things,
        ..Artifact::default()
    }
}

/// Takes back a task.
pub(super) async fn remove_task(region: &RegionClient, thing: &CloudResource) -> Result<()> {
    task::remove(region, thing).await
}

/// Whether an object `bucket/key` is there.
pub(crate) async fn is_stored(region: &RegionClient, object: &str) -> Result<bool> {
    let Some((bucket, key)) = object.split_once('/') else {
        return Ok(false);
    };
    let request = region.s3().list_objects_v2().bucket(bucket).prefix(key);
    let answer = region.call("s3:ListBucket", "look for an object", request.send());
    let found = match answer.await {
        Err(error) if error.id == "run/aws-missing" => return Ok(false),
        answer => answer?.contents.unwrap_or_default(),
    };
    let mut keys = found.iter().filter_map(|object| object.key());
    Ok(keys.any(|one| one == key))
}

/// Removes an object, and what was begun of it.
pub(super) async fn remove_object(account: &Arc<Account>, thing: &CloudResource) -> Result<()> {
    upload::remove(&account.region(&thing.place), thing).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use imgc_compiler::types::Type;

    use super::*;

    fn options(more: &[(&'static str, Value)]) -> Value {
        let bucket = ("s3_bucket_name", Value::string("images"));
        Value::object(more.iter().cloned().chain([bucket]))
    }

    fn said(more: &[(&'static str, Value)]) -> Vec<String> {
        let found = Import::default().check(&options(more)).into_iter();
        let line = |problem: Problem| {
            let help = problem.help.unwrap_or_default();
            format!("{}: {}; {help}", problem.options.join(","), problem.message)
        };
        found.map(line).collect()
    }

    #[test]
    fn what_amazon_would_refuse_after_the_upload_is_said_before() {
        let text = Value::string;
        for (option, value, start) in [
            (
                "ami_groups",
                Value::strings(["nobody"]),
                "there is no group `nobody`; ",
            ),
            (
                "ami_name",
                text("web:1 #2"),
                "the image's name `web:1 #2` has `:`, `#`; ",
            ),
            (
                "architecture",
                text("arm"),
                "the option `architecture` of post-processor `amazon-import` must be one of `arm64`, `i386`, `x86_64`; ",
            ),
            (
                "license_type",
                text("free"),
                "the option `license_type` of post-processor `amazon-import` must be `AWS` or `BYOL`; ",
            ),
        ] {
            let said = said(&[(option, value)]);
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(
                said[0].starts_with(&format!("{option}: {start}")),
                "{said:?}"
            );
        }
        // There is no `skip_region_validation` to write.
        assert_eq!(
            said(&[("region", text("us-wst-2"))]),
            ["region: there is no region `us-wst-2`; did you mean us-west-2?"]
        );
    }

    #[test]
    fn what_is_well_or_rendered_later_is_let_through() {
        let text = Value::string;
        for well in [
            ("ami_name", text("web: {{timestamp}}")),
            ("ami_name", Value::unknown(Type::String)),
            ("architecture", text("arm64")),
            ("license_type", text("byol")),
            ("region", text("us-south-1")),
            ("ami_groups", Value::strings(["all"])),
            // Placeholders, as Packer has it: the run looks at them.
            ("ami_users", Value::strings(["12"])),
        ] {
            assert_eq!(said(std::slice::from_ref(&well)), [""; 0], "{well:?}");
        }
    }

    #[test]
    fn a_run_looks_at_accounts_and_writes_a_license_as_amazon_does() {
        let error = verified(&options(&[("ami_users", Value::strings(["12"]))])).unwrap_err();
        assert_eq!(error.message, "`12` is not the number of an account");
        let wanted = verified(&options(&[("license_type", Value::string("byol"))])).unwrap();
        assert_eq!(wanted.license_type.as_deref(), Some("BYOL"));
        assert_eq!(wanted.architecture, "x86_64");
    }

    /// It says how often is asked, and an import has its hours.
    #[test]
    fn a_delay_does_not_shorten_an_import() {
        let block = Value::object([("delay_seconds", Value::string("30"))]);
        let wanted = verified(&options(&[("aws_polling", block)])).unwrap();
        assert_eq!(wanted.polling.limit, LIMIT);
    }
}
