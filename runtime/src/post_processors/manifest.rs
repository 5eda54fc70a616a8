//! Post-processor `manifest`: a JSON file that lists what was built.
//!
//! The format is Packer's. Builds at the same time, also of several processes, append in turn under a lock of the file's
//! directory; the file is replaced whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use imgc_compiler::value::Value;
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;
use crate::context::Context;
use crate::error::{Class, Error, Result};
use crate::files;
use crate::options::Options;
use crate::post_processor::{PostProcessor, Processed};

use super::Locked;

/// The post-processor `manifest`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manifest;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Document {
    /// Entries of earlier runs are kept as they are.
    builds: Vec<serde_json::Value>,
    last_run_uuid: String,
}

#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    builder_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    build_time: Option<u64>,
    files: Option<Vec<Listed>>,
    artifact_id: String,
    packer_run_uuid: String,
    custom_data: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    size: u64,
}

#[async_trait]
impl PostProcessor for Manifest {
    fn passes_on(&self) -> bool {
        true
    }

    async fn run(&self, cx: &Context, options: &Value, artifact: &Artifact) -> Result<Processed> {
        let options = Options::new("post-processor `manifest`", options);
        let output = options.string("output")?;
        let output = PathBuf::from(output.as_deref().unwrap_or("packer-manifest.json"));
        let strip_path = options.bool("strip_path")?;
        let custom = options.map("custom_data")?;
        let secret = custom.iter().any(|(_, text)| text.sensitive);
        if secret {
            cx.output.warn(format!(
                "`custom_data` has a secret, which is written into {} as it is",
                output.display()
            ));
        }
        let custom: BTreeMap<String, String> = custom
            .into_iter()
            .map(|(name, text)| (name, text.text))
            .collect();
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let mut entry = Entry {
            name: cx.source_name.to_string(),
            builder_type: cx.builder_type.to_string(),
            build_time: (!options.bool("strip_time")?).then_some(now),
            files: None,
            artifact_id: artifact.id.clone(),
            packer_run_uuid: cx.run_id.to_string(),
            custom_data: (!custom.is_empty()).then_some(custom),
        };
        let (files, run, force) = (artifact.files.clone(), cx.run_id.to_string(), cx.force);
        files::blocking(move || {
            if !files.is_empty() {
                entry.files = Some(list(&files, strip_path)?);
            }
            append(&output, entry, &run, force, secret)
        })
        .await?;
        Ok(super::unchanged(artifact))
    }
}

fn list(paths: &[PathBuf], strip_path: bool) -> Result<Vec<Listed>> {
    paths
        .iter()
        .map(|path| {
            let size =
                size(path).map_err(|error| files::failure("run/artifact", "read", path, error))?;
            let name = match path.file_name() {
                Some(name) if strip_path => name.to_string_lossy().into_owned(),
                _ => path.to_string_lossy().into_owned(),
            };
            Ok(Listed { name, size })
        })
        .collect()
}

/// Of a directory: the sum of its files.
fn size(path: &Path) -> std::io::Result<u64> {
    let metadata = std::fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let mut sum = 0;
    for entry in std::fs::read_dir(path)? {
        sum += size(&entry?.path())?;
    }
    Ok(sum)
}

/// Adds an entry; a manifest with a secret in it is for its owner only, from then on.
fn append(output: &Path, entry: Entry, run: &str, force: bool, secret: bool) -> Result<()> {
    let failed = |error| files::failure("run/manifest", "write the manifest", output, error);
    let _locked = Locked::new(output).map_err(failed)?;
    let mut document = match std::fs::read(output) {
        Ok(text) if text.is_empty() => Document::default(),
        Ok(text) => serde_json::from_slice(&text).map_err(|error| {
            Error::new(
                Class::Environment,
                "run/manifest",
                format!("`{}` exists and is no manifest", output.display()),
            )
            .because(error)
            .help("remove the file, or choose another `output`")
        })?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Document::default(),
        Err(error) => return Err(failed(error)),
    };
    // `-force` begins anew, but once per run: the builds of one run all stay.
    if force && document.last_run_uuid != run {
        document.builds.clear();
    }
    let entry = serde_json::to_value(entry).map_err(|error| failed(error.into()))?;
    document.builds.push(entry);
    document.last_run_uuid = run.to_owned();
    let text = serde_json::to_vec_pretty(&document).map_err(|error| failed(error.into()))?;
    files::write_atomically(output, &text, secret.then_some(0o600)).map_err(failed)
}
