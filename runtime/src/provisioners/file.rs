//! Provisioner `file`: copies files and directories to the machine and back.
//!
//! A source directory with a trailing slash means its contents, without one the directory itself, as with Packer (and
//! rsync). A tree travels as one stream, whatever the number of files.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use imgc_compiler::value::Value;

use crate::builder::Problem;
use crate::context::Context;
use crate::error::{Class, Error, Result};
use crate::files;
use crate::machine::{Attributes, Machine};
use crate::options::Options;
use crate::provisioner::Provisioner;

use super::script;

/// The provisioner `file`.
#[derive(Clone, Copy, Debug, Default)]
pub struct File;

const NAME: &str = "provisioner `file`";

#[async_trait]
impl Provisioner for File {
    fn check(&self, options: &Value) -> Vec<Problem> {
        let options = Options::new(NAME, options);
        let mut problems = Vec::new();
        let mut problem = |option: &str, message: &str, help: &str| {
            problems.push(Problem::new(message).of(option).help(help));
        };
        let download = matches!(options.string("direction"), Ok(Some(text)) if text == "download");
        let folder = matches!(options.string("destination"), Ok(Some(text)) if text.ends_with('/'));
        if options.is_given("content") && folder && !options.is_unknown("destination") {
            problem(
                "destination",
                "`content` needs the name of a file, and the destination ends with `/`",
                "add a file name",
            );
        }
        if options.is_given("content") && download {
            problem(
                "direction",
                "`content` is for uploads only",
                "remove `content` or `direction`",
            );
        }
        for name in ["owner", "group", "mode"] {
            if download && options.is_given(name) {
                problem(name, &format!("`{name}` is for uploads only"), "remove it");
            }
        }
        if !options.is_unknown("mode")
            && let Err(error) = mode(&options)
        {
            problem("mode", &error.message, "write it as \"0644\"");
        }
        problems
    }

    fn summary(&self, options: &Value) -> String {
        let options = Options::new(NAME, options);
        let sources = sources(&options).unwrap_or_default().join(", ");
        let destination = options
            .string("destination")
            .ok()
            .flatten()
            .unwrap_or_default();
        match sources.as_str() {
            "" => format!("file {destination}"),
            sources => format!("file {sources} => {destination}"),
        }
    }

    async fn run(
        &self,
        cx: &Context,
        options: &Value,
        machine: Option<&dyn Machine>,
    ) -> Result<()> {
        let machine = super::needed(machine, "file")?;
        let options = Options::new(NAME, options);
        let destination = options.required("destination")?;
        if options.string("direction")?.as_deref() == Some("download") {
            for source in sources(&options)? {
                download(cx, machine, &source, &destination).await?;
            }
            return Ok(());
        }
        let attributes = Attributes {
            owner: options.string("owner")?,
            group: options.string("group")?,
            mode: mode(&options)?,
        };
        if let Some(content) = options.text("content")? {
            cx.output.say(format!("Uploading content => {destination}"));
            return machine
                .write(content.text.as_bytes(), &destination, &attributes)
                .await;
        }
        for source in sources(&options)? {
            upload(cx, machine, &source, &destination, &attributes).await?;
        }
        Ok(())
    }
}

fn sources(options: &Options<'_>) -> Result<Vec<String>> {
    let mut sources = options.plain_strings("sources")?;
    sources.extend(options.string("source")?);
    Ok(sources)
}

fn mode(options: &Options<'_>) -> Result<Option<u32>> {
    let Some(text) = options.string("mode")? else {
        return Ok(None);
    };
    let digits = text.strip_prefix("0o").unwrap_or(&text);
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o7777 => Ok(Some(mode)),
        _ => Err(options.wrong("mode", "permission bits in octal, such as \"0644\"")),
    }
}

async fn upload(
    cx: &Context,
    machine: &dyn Machine,
    source: &str,
    destination: &str,
    attributes: &Attributes,
) -> Result<()> {
    cx.output
        .say(format!("Uploading {source} => {destination}"));
    let path = Path::new(source);
    let metadata = tokio::fs::metadata(path)
        .await
        .map_err(|error| script::missing(path, error))?;
    if !metadata.is_dir() {
        if source.ends_with('/') {
            return Err(Error::new(
                Class::Template,
                "run/missing-file",
                format!("`{source}` is a file, and the slash at its end asks for a directory"),
            )
            .help("remove the slash"));
        }
        let destination = inside(destination, source)?;
        return machine.upload_file(path, &destination, attributes).await;
    }
    let destination = if source.ends_with('/') {
        destination.to_owned()
    } else {
        let folder = format!("{}/", destination.trim_end_matches('/'));
        inside(&folder, source)?
    };
    machine.upload_tree(path, &destination, attributes).await
}

async fn download(
    cx: &Context,
    machine: &dyn Machine,
    source: &str,
    destination: &str,
) -> Result<()> {
    cx.output
        .say(format!("Downloading {source} => {destination}"));
    let local = if source.ends_with('/') {
        PathBuf::from(destination)
    } else {
        PathBuf::from(inside(destination, source)?)
    };
    let parent = if source.ends_with('/') {
        local.clone()
    } else {
        files::parent(&local)
    };
    tokio::fs::create_dir_all(&parent)
        .await
        .map_err(|error| files::failure("run/local-file", "make the directory", &parent, error))?;
    if source.ends_with('/') {
        machine.download_tree(source, &local).await
    } else {
        machine.download_file(source, &local).await
    }
}

/// A destination with a trailing slash is a directory: the source's name goes into it.
fn inside(destination: &str, source: &str) -> Result<String> {
    if !destination.ends_with('/') {
        return Ok(destination.to_owned());
    }
    let name = match Path::new(source).file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        // `.` and `..` have names only on disk.
        None => std::fs::canonicalize(source)
            .ok()
            .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .ok_or_else(|| {
                Error::new(
                    Class::Template,
                    "run/missing-file",
                    format!("`{source}` has no name to give to its copy"),
                )
                .help("name the destination in full")
            })?,
    };
    Ok(format!("{destination}{name}"))
}
