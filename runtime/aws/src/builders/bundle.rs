//! What `amazon-instance` does on the machine itself: bundling its disk and uploading the bundle, with the template's commands.
//!
//! The private key is there for as long as the commands run, readable by nobody else, and goes even when the connection is cut. A
//! command that holds a credential is given on standard input: no command line of this machine has it.

use std::path::Path;

use aws_sdk_ec2::config::ProvideCredentials;
use aws_sdk_ec2::types::Tag;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error, Result};
use imgc_runtime::files;
use imgc_runtime::machine::{Attributes, Command, Exit, Machine};

use crate::account::Account;
use crate::builders::launch::Temporary;
use crate::builders::render::Render;
use crate::options::Bundle;
use crate::region::RegionClient;
use crate::resource::{Kind, Made, Thing};
use crate::tags;

/// Reads a script and runs it, without the script in any list of processes.
const RUN: &str =
    "umask 077; f=$(mktemp) && cat > \"$f\" && sh \"$f\" < /dev/null; c=$?; rm -f \"$f\"; exit $c";

/// A bundle in S3.
#[derive(Debug)]
pub(crate) struct Bundled {
    /// Bucket and path of the manifest.
    pub(crate) manifest: String,
    pub(crate) made: Made,
}

/// Bundles the machine's disk and uploads it. `since`: when that was tried first, in milliseconds; a bundle that is uploaded once
/// more is the same one, whatever is left of an attempt before.
pub(super) async fn bundle(
    cx: &Context,
    temporary: &Temporary,
    options: &Bundle,
    machine: &dyn Machine,
    since: i64,
) -> Result<Bundled> {
    let key = format!("{}/key.pem", options.upload_path);
    let certificate = format!("{}/cert.pem", options.upload_path);
    // The names that commands know lead to files of this run: a dead run's machine removes that run's files whenever it notices that
    // its connection has gone, which after a loss of power may take hours.
    let stored = ["key.pem", "cert.pem"].map(|name| format!("imgc-{}-{name}", cx.run_id));
    let paths = stored
        .each_ref()
        .map(|name| format!("{}/{name}", options.upload_path));
    let uploads = [
        (&paths[0], &options.private_key, 0o600),
        (&paths[1], &options.certificate, 0o644),
    ];
    cx.output.say("uploading the X.509 certificate");
    for (path, file, mode) in uploads {
        machine.temporary(path).await?;
        upload(cx, machine, file, path, mode).await?;
    }
    let names = [quoted(&key), quoted(&certificate)];
    let link = format!(
        "ln -sfn {} {} && ln -sfn {} {}",
        quoted(&stored[0]),
        names[0],
        quoted(&stored[1]),
        names[1]
    );
    let bundled = async {
        machine.query(&Command::new(link)).await?;
        let place = (&*key, &*certificate);
        with_key(cx, temporary, options, machine, place, since).await
    };
    let bundled = Box::pin(bundled).await;
    // The image has it already, unless the command leaves it out; the machine is not to keep it.
    let all = paths.each_ref().map(|path| quoted(path));
    let remove = format!("rm -f {} {}", names.join(" "), all.join(" "));
    let removed = machine.query(&Command::new(remove)).await;
    if removed.is_ok() {
        for path in &paths {
            machine.settled(path).await;
        }
    }
    let bundled = bundled?;
    removed?;
    Ok(bundled)
}

async fn with_key(
    cx: &Context,
    temporary: &Temporary,
    options: &Bundle,
    machine: &dyn Machine,
    (key, certificate): (&str, &str),
    since: i64,
) -> Result<Bundled> {
    let region = &temporary.region;
    let prefix = match &options.prefix {
        Some(prefix) => prefix.clone(),
        None => Render::new(cx, &temporary.facts).text("image-{{timestamp}}", "bundle_prefix")?,
    };
    let architecture = temporary.running.architecture.as_ref();
    let command = Render::new(cx, &temporary.facts)
        .with([
            ("AccountId", options.account.as_str()),
            (
                "Architecture",
                architecture.map_or("x86_64", |one| one.as_str()),
            ),
            ("CertPath", certificate),
            ("Destination", options.destination.as_str()),
            ("KeyPath", key),
            ("Prefix", prefix.as_str()),
            ("PrivatePath", options.upload_path.as_str()),
        ])
        .text(&options.bundle_command, "bundle_vol_command")?;
    cx.output.say("bundling the volume");
    let bundled = run(
        cx,
        machine,
        &command,
        "bundle_vol_command",
        "is ec2-bundle-vol on the machine?",
    )
    .await;
    // The bundle is without the key; whoever goes on with the machine, or looks at it, needs it.
    temporary.put_key_back(cx, machine).await?;
    bundled?;
    let manifest = format!("{}/{prefix}.manifest.xml", options.destination);
    let credentials = credentials(cx, &temporary.account, &options.upload_command).await?;
    let command = Render::new(cx, &temporary.facts)
        .with([
            ("AccessKey", credentials.id.as_str()),
            ("BucketName", options.bucket.as_str()),
            ("BundleDirectory", options.destination.as_str()),
            ("ManifestPath", manifest.as_str()),
            ("Region", region.name()),
            ("SecretKey", credentials.secret.as_str()),
            ("Token", credentials.token.as_str()),
        ])
        .text(&options.upload_command, "bundle_upload_command")?;
    cx.output.say("uploading the bundle");
    let thing = Thing {
        kind: Kind::Bundle,
        name: format!("{}/{prefix}@{since}", options.bucket),
    };
    let make = async {
        mark(region, temporary.instance.id(), &thing.name).await?;
        let doubt = "is the bucket another account's, or is it not to be written?";
        run(cx, machine, &command, "bundle_upload_command", doubt).await?;
        Ok(thing.name.clone())
    };
    let made = thing.make_known(cx, region, &thing.name, make).await?;
    Ok(Bundled {
        manifest: format!("{}/{prefix}.manifest.xml", options.bucket),
        made,
    })
}

/// Says on the instance where its bundle goes: nothing in a bucket can be found from another machine.
async fn mark(region: &RegionClient, instance: &str, bundle: &str) -> Result<()> {
    if bundle.len() > tags::LONGEST {
        return Ok(());
    }
    let request = region.ec2().create_tags().resources(instance);
    let request = request.tags(Tag::builder().key(tags::STORED).value(bundle).build());
    let attempt = "mark an instance with the place of its bundle";
    region.call("CreateTags", attempt, request.send()).await?;
    Ok(())
}

async fn upload(
    cx: &Context,
    machine: &dyn Machine,
    file: &Path,
    path: &str,
    mode: u32,
) -> Result<()> {
    let local = cx.world.working_directory().join(file);
    let content = files::blocking(move || {
        std::fs::read(&local)
            .map_err(|error| files::failure("run/missing-file", "read", &local, error))
    });
    let attributes = Attributes {
        mode: Some(mode),
        ..Attributes::default()
    };
    machine.write(&content.await?, path, &attributes).await
}

/// Runs a command of the template.
async fn run(
    cx: &Context,
    machine: &dyn Machine,
    command: &str,
    option: &str,
    doubt: &str,
) -> Result<()> {
    let script = Command {
        line: RUN.to_owned(),
        stdin: format!("{command}\n").into_bytes(),
    };
    let trouble = |message: String| {
        Error::new(Class::Remote, "run/aws-image", message)
            .help(format!("what it says stands above; {doubt}"))
    };
    match machine.run(&script, &cx.output).await? {
        Exit::Code(0) => Ok(()),
        Exit::Code(code) => Err(trouble(format!("`{option}` ended with {code}"))),
        Exit::Disconnected => Err(trouble(format!(
            "the connection was lost during `{option}`"
        ))),
    }
}

/// What the machine uploads with.
#[derive(Default)]
struct Credentials {
    id: String,
    secret: String,
    token: String,
}

/// The account's credentials, where the command asks for them. They are masked from now on.
async fn credentials(cx: &Context, account: &Account, command: &str) -> Result<Credentials> {
    let asks = ["AccessKey", "SecretKey", "Token"];
    if !asks.iter().any(|name| command.contains(name)) {
        return Ok(Credentials::default());
    }
    let none = |error: &dyn std::fmt::Display| {
        Error::new(
            Class::Environment,
            "run/aws-account",
            format!("there are no credentials to upload the bundle with: {error}"),
        )
        .help("or let the instance have its own: `iam_instance_profile`, and a `bundle_upload_command` without keys")
    };
    let provider = account.config().credentials_provider();
    let provider = provider.ok_or_else(|| none(&"no provider is set"))?;
    let found = provider.provide_credentials().await;
    let found = found.map_err(|error| none(&error))?;
    let credentials = Credentials {
        id: found.access_key_id().to_owned(),
        secret: found.secret_access_key().to_owned(),
        token: found.session_token().unwrap_or_default().to_owned(),
    };
    for secret in [&credentials.secret, &credentials.token] {
        if !secret.is_empty() {
            cx.output.add_secret(secret);
        }
    }
    Ok(credentials)
}

/// For the machine's shell.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', "'\\''"))
}
