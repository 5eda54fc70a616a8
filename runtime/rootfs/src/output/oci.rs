//! OCI image layouts: read as a base, written as an output (OCI image specification 1.0: image-layout, manifest, config).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use imgc_runtime::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::error::{BASE_INVALID, fail};
use crate::job::Compression;
use crate::layer::compress::{digest, digest_file};
use crate::options::{ImageConfig, oci_architecture};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const NAME: &str = "org.opencontainers.image.ref.name";

/// A layer ready for an image.
#[derive(Clone, Debug)]
pub(crate) struct LayerBlob {
    /// The file.
    pub(crate) path: PathBuf,
    pub(crate) media_type: String,
    /// Of the file, hexadecimal.
    pub(crate) sha256: String,
    /// Of the archive in it, hexadecimal.
    pub(crate) diff_sha256: String,
    pub(crate) size: u64,
    /// Entries in it, and bytes before compression; 0 for a base's.
    pub(crate) entries: u64,
    pub(crate) raw_size: u64,
    /// The file belongs to this build; else it is a base's, and is copied rather than given a second name.
    pub(crate) own: bool,
}

/// An entry of an image's history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct History {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) author: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) empty_layer: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Debug, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

#[derive(Debug, Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
struct ConfigFile {
    #[serde(default)]
    config: Option<Map<String, Json>>,
    rootfs: RootFs,
    #[serde(default)]
    history: Vec<History>,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

/// An image to start from.
#[derive(Debug, Default)]
pub(crate) struct BaseImage {
    /// The manifest's digest; `None` where there is no image.
    pub(crate) digest: Option<String>,
    pub(crate) layers: Vec<LayerBlob>,
    pub(crate) history: Vec<History>,
    pub(crate) config: Map<String, Json>,
}

/// Reads an image of a layout: the one named `tag`, or the only one; of several platforms that for `architecture`
/// (Debian's name).
pub(crate) fn read(layout: &Path, tag: Option<&str>, architecture: &str) -> Result<BaseImage> {
    let index: Index = parse(&layout.join("index.json"))?;
    let chosen = choose(layout, index, tag)?;
    let chosen = if chosen.media_type == INDEX
        || chosen.media_type.ends_with("manifest.list.v2+json")
    {
        let inner: Index = parse(&blob(layout, &chosen.digest)?)?;
        let (wanted, _) = oci_architecture(architecture);
        let fits = |platform: &Platform| platform.os == "linux" && platform.architecture == wanted;
        inner
            .manifests
            .into_iter()
            .find(|manifest| manifest.platform.as_ref().is_some_and(fits))
            .ok_or_else(|| {
                invalid(layout, format!("the image is not for linux/{wanted}"))
                    .help("set `architecture` to one that the image has")
            })?
    } else {
        chosen
    };
    let manifest: Manifest = parse(&verified(layout, &chosen.digest)?)?;
    let config: ConfigFile = parse(&verified(layout, &manifest.config.digest)?)?;
    if config.rootfs.diff_ids.len() != manifest.layers.len() {
        return Err(invalid(
            layout,
            "its manifest and its configuration disagree about the layers",
        ));
    }
    let layers = manifest
        .layers
        .into_iter()
        .zip(config.rootfs.diff_ids)
        .map(|(layer, diff_id)| {
            Ok(LayerBlob {
                path: blob(layout, &layer.digest)?,
                sha256: hexadecimal(layout, &layer.digest)?,
                diff_sha256: hexadecimal(layout, &diff_id)?,
                size: layer.size,
                entries: 0,
                raw_size: 0,
                own: false,
                media_type: match layer.media_type.as_str() {
                    "application/vnd.docker.image.rootfs.diff.tar.gzip" => format!("{LAYER}+gzip"),
                    "application/vnd.docker.image.rootfs.diff.tar" => LAYER.to_owned(),
                    other => other.to_owned(),
                },
            })
        });
    Ok(BaseImage {
        digest: Some(chosen.digest),
        layers: layers.collect::<Result<_>>()?,
        history: config.history,
        config: config.config.unwrap_or_default(),
    })
}

fn choose(layout: &Path, index: Index, tag: Option<&str>) -> Result<Descriptor> {
    let names: Vec<String> = index
        .manifests
        .iter()
        .filter_map(|manifest| manifest.annotations.get(NAME).cloned())
        .collect();
    let help = format!("the layout has: {}", names.join(", "));
    let count = index.manifests.len();
    let found = match tag {
        Some(tag) => index.manifests.into_iter().find(|manifest| {
            manifest
                .annotations
                .get(NAME)
                .is_some_and(|name| name == tag)
        }),
        None if count > 1 => {
            return Err(invalid(layout, format!("it has {count} images"))
                .help(format!("name one, as in oci:PATH:TAG; {help}")));
        }
        None => index.manifests.into_iter().next(),
    };
    found.ok_or_else(|| match tag {
        Some(tag) => invalid(layout, format!("it has no image `{tag}`")).help(help),
        None => invalid(layout, "it has no image"),
    })
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(|error| {
        fail(BASE_INVALID, format!("cannot read {}", path.display())).because(error)
    })?;
    serde_json::from_slice(&text).map_err(|error| {
        fail(
            BASE_INVALID,
            format!(
                "{} is not what an OCI image layout has there",
                path.display()
            ),
        )
        .because(error)
    })
}

fn invalid(layout: &Path, message: impl std::fmt::Display) -> imgc_runtime::Error {
    fail(
        BASE_INVALID,
        format!(
            "the OCI image layout {} cannot be used: {message}",
            layout.display()
        ),
    )
}

fn hexadecimal(layout: &Path, digest: &str) -> Result<String> {
    let plain = digest
        .strip_prefix("sha256:")
        .filter(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    plain.map(str::to_owned).ok_or_else(|| {
        invalid(
            layout,
            format!("it names something by `{digest}`, which is not a SHA-256"),
        )
    })
}

fn blob(layout: &Path, digest: &str) -> Result<PathBuf> {
    let path = layout
        .join("blobs/sha256")
        .join(hexadecimal(layout, digest)?);
    if path.is_file() {
        Ok(path)
    } else {
        Err(invalid(layout, format!("it lacks {digest}")))
    }
}

/// A small blob whose content has been compared with its name.
fn verified(layout: &Path, digest: &str) -> Result<PathBuf> {
    let path = blob(layout, digest)?;
    let found =
        digest_file(&path).map_err(|error| invalid(layout, "it cannot be read").because(error))?;
    if found == hexadecimal(layout, digest)? {
        Ok(path)
    } else {
        Err(invalid(layout, format!("{digest} is damaged")))
    }
}

/// Media type of a layer.
pub(crate) fn media_type(compression: Compression) -> String {
    match compression {
        Compression::Gzip => format!("{LAYER}+gzip"),
        Compression::Zstd => format!("{LAYER}+zstd"),
        Compression::None | Compression::Xz => LAYER.to_owned(),
    }
}

/// An image to write.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    pub(crate) architecture: &'a str,
    pub(crate) created: &'a str,
    pub(crate) base_config: &'a Map<String, Json>,
    pub(crate) config: &'a ImageConfig,
    pub(crate) layers: &'a [LayerBlob],
    pub(crate) history: &'a [History],
    pub(crate) tag: &'a str,
}

/// Writes a layout into `directory`, which is made; gives the manifest's digest (`sha256:…`).
pub(crate) fn write(directory: &Path, image: &Image<'_>) -> io::Result<String> {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    for layer in image.layers {
        let target = blobs.join(&layer.sha256);
        // Layers without content can be the same.
        if !target.exists() {
            let linked = layer.own && fs::hard_link(&layer.path, &target).is_ok();
            if !linked {
                fs::copy(&layer.path, &target)?;
            }
        }
    }
    let config = put(&blobs, CONFIG, &config_file(image))?;
    let layers: Vec<Json> = image
        .layers
        .iter()
        .map(|layer| json!({"mediaType": layer.media_type, "digest": format!("sha256:{}", layer.sha256), "size": layer.size}))
        .collect();
    let manifest =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
    let mut descriptor = put(&blobs, MANIFEST, &manifest)?;
    let id = descriptor["digest"].as_str().unwrap_or_default().to_owned();
    let (architecture, variant) = oci_architecture(image.architecture);
    descriptor["platform"] = json!({"architecture": architecture, "os": "linux"});
    if let Some(variant) = variant {
        descriptor["platform"]["variant"] = json!(variant);
    }
    descriptor["annotations"] = json!({NAME: image.tag});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor]});
    fs::write(directory.join("index.json"), index.to_string())?;
    fs::write(
        directory.join("oci-layout"),
        json!({"imageLayoutVersion": "1.0.0"}).to_string(),
    )?;
    Ok(id)
}

/// Writes a blob; gives its descriptor.
fn put(blobs: &Path, media_type: &str, content: &Json) -> io::Result<Json> {
    let text = content.to_string();
    let sha256 = digest(text.as_bytes());
    fs::write(blobs.join(&sha256), &text)?;
    Ok(json!({"mediaType": media_type, "digest": format!("sha256:{sha256}"), "size": text.len()}))
}

fn config_file(image: &Image<'_>) -> Json {
    let (architecture, variant) = oci_architecture(image.architecture);
    let mut file = Map::new();
    file.insert("created".to_owned(), json!(image.created));
    file.insert("architecture".to_owned(), json!(architecture));
    if let Some(variant) = variant {
        file.insert("variant".to_owned(), json!(variant));
    }
    file.insert("os".to_owned(), json!("linux"));
    file.insert(
        "config".to_owned(),
        Json::Object(run_config(image.base_config, image.config)),
    );
    let diff_ids: Vec<String> = image
        .layers
        .iter()
        .map(|layer| format!("sha256:{}", layer.diff_sha256))
        .collect();
    file.insert(
        "rootfs".to_owned(),
        json!({"type": "layers", "diff_ids": diff_ids}),
    );
    file.insert("history".to_owned(), json!(image.history));
    Json::Object(file)
}

/// The base's configuration with what the template sets.
fn run_config(base: &Map<String, Json>, config: &ImageConfig) -> Map<String, Json> {
    let mut merged = base.clone();
    let mut set = |name: &str, value: Json| {
        merged.insert(name.to_owned(), value);
    };
    if let Some(entrypoint) = &config.entrypoint {
        set("Entrypoint", json!(entrypoint));
        // Arguments of another entrypoint make no sense with this one.
        if config.cmd.is_none() {
            set("Cmd", Json::Null);
        }
    }
    if let Some(cmd) = &config.cmd {
        set("Cmd", json!(cmd));
    }
    if let Some(directory) = &config.working_dir {
        set("WorkingDir", json!(directory));
    }
    if let Some(user) = &config.user {
        set("User", json!(user));
    }
    if let Some(signal) = &config.stop_signal {
        set("StopSignal", json!(signal));
    }
    set("Env", json!(merge_env(base.get("Env"), &config.env)));
    let empty = || json!({});
    let mut join = |name: &str, entries: Vec<(String, Json)>| {
        if !entries.is_empty() {
            let all = merged.entry(name).or_insert_with(empty);
            if !all.is_object() {
                *all = empty();
            }
            if let Json::Object(all) = all {
                all.extend(entries);
            }
        }
    };
    join(
        "ExposedPorts",
        config
            .exposed_ports
            .iter()
            .map(|port| (port.clone(), empty()))
            .collect(),
    );
    join(
        "Volumes",
        config
            .volumes
            .iter()
            .map(|volume| (volume.clone(), empty()))
            .collect(),
    );
    join(
        "Labels",
        config
            .labels
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect(),
    );
    merged.retain(|_, value| !value.is_null());
    merged
}

/// The base's variables in their order with new values, then new ones by name; a `PATH` if there is none.
pub(crate) fn merge_env(base: Option<&Json>, own: &BTreeMap<String, String>) -> Vec<String> {
    let mut all: Vec<(String, String)> = base
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.as_str()?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    if !all.iter().any(|(name, _)| name == "PATH") && !own.contains_key("PATH") {
        all.push(("PATH".to_owned(), crate::HOST_PATH.to_owned()));
    }
    for (name, value) in own {
        match all.iter_mut().find(|(known, _)| known == name) {
            Some(entry) => entry.1.clone_from(value),
            None => all.push((name.clone(), value.clone())),
        }
    }
    all.into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}
