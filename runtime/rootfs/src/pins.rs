//! What the outside gives a build now: digests of package archives, archives, directories and images.
//!
//! A package archive is pinned by the digests of its `InRelease` files, which hold those of everything else in it. They are
//! brought by apt's own helper, so that this machine's proxies and settings hold. What is on this machine is looked at every
//! time; files whose stamp has not changed are not read again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use imgc_runtime::Result;
use imgc_runtime::builder::{Known, Pin};
use imgc_runtime::context::Context;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::Base;
use crate::error::{BASE_INVALID, PACKAGE_SOURCE, fail};
use crate::helper::stamp;
use crate::layer::compress::{digest, digest_file, hex};
use crate::options::Options;
use crate::output::oci;
use crate::package_sources::{indices, read_configured, sources_for};

/// Apt's program for downloads.
const APT_HELPER: &str = "/usr/lib/apt/apt-helper";
/// How long an index may take.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(60);

/// The pins of a build; `from` is the option as it is written, which names it for other machines too.
pub(crate) async fn pins(
    cx: &Context,
    options: &Options,
    from: &str,
    base: &Base,
    known: &Known,
) -> Result<Vec<Pin>> {
    let mut pins = surroundings(cx, options)?;
    let name = match options.mirrors.as_slice() {
        [] => format!("rootfs {from} {}", options.architecture),
        mirrors => format!(
            "rootfs {from} {} {}",
            options.architecture,
            mirrors.join(" ")
        ),
    };
    let (value, about) = match base {
        Base::Scratch => return Ok(pins),
        Base::Distribution {
            name: distribution,
            suite,
        } => {
            let sources = sources_for(
                distribution,
                suite,
                &options.components,
                &options.mirrors,
                &read_configured(Path::new("/etc/apt")),
            )?;
            // Which archive is asked stands in the image.
            pins.push(Pin::local(
                format!("package sources of {from}"),
                digest(sources.as_bytes()),
            ));
            if let Some(pin) = known.pins.get(&name).filter(|_| !known.refresh) {
                pins.push(pin.clone());
                return Ok(pins);
            }
            if known.offline {
                let text = format!(
                    "the archives of {from} are not asked: -offline, and imgc.lock does not have them"
                );
                return Err(fail(BASE_INVALID, text));
            }
            archive(cx, &sources).await?
        }
        Base::Directory(path) | Base::Path(path) => (remembered(cx, path, tree)?, String::new()),
        Base::Archive(path) => {
            let whole = |path: &Path| digest_file(path).map_err(|error| unreadable(path, error));
            (remembered(cx, path, whole)?, String::new())
        }
        Base::Oci { path, tag } => {
            let image = oci::read(path, tag.as_deref(), &options.architecture)?;
            let layers = format!("{} layers", image.layers.len());
            (image.digest.unwrap_or_default(), layers)
        }
    };
    let value = match value.strip_prefix("sha256:") {
        Some(_) => value,
        None => format!("sha256:{value}"),
    };
    if known.late.contains("from") {
        // Another build of the plan has made it.
        pins.push(Pin::local(format!("base {from}"), value));
        return Ok(pins);
    }
    // What it was called when it was pinned stays, as long as it is the same.
    let about = match known.pins.get(&name) {
        Some(pin) if pin.value == value => pin.about.clone(),
        _ => about,
    };
    pins.push(Pin { name, value, about });
    Ok(pins)
}

/// What else of this machine gets into the image.
pub(crate) fn surroundings(cx: &Context, options: &Options) -> Result<Vec<Pin>> {
    let mut pins = Vec::new();
    if options.source_date_epoch.is_none()
        && let Some(epoch) = cx.world.env("SOURCE_DATE_EPOCH")
    {
        pins.push(Pin::local("SOURCE_DATE_EPOCH", epoch));
    }
    for keyring in &options.keyrings {
        let path = Path::new(keyring);
        let found = digest_file(path).map_err(|error| unreadable(path, error))?;
        pins.push(Pin::local(format!("keyring {keyring}"), found));
    }
    Ok(pins)
}

fn unreadable(path: &Path, error: std::io::Error) -> imgc_runtime::Error {
    fail(BASE_INVALID, format!("cannot read {}", path.display())).because(error)
}

/// The state of package archives: one digest over those of their indices, and their dates.
async fn archive(cx: &Context, sources: &str) -> Result<(String, String)> {
    let directory = tempfile::Builder::new()
        .prefix("imgc-pins-")
        .tempdir_in(existing(&cx.scratch))
        .map_err(|error| {
            crate::output::place::write_error(
                format!("cannot write in {}", cx.scratch.display()),
                error,
            )
        })?;
    let mut all = Sha256::new();
    let mut dates = Vec::new();
    for (number, (label, addresses)) in indices(sources).into_iter().enumerate() {
        let path = directory.path().join(number.to_string());
        let text = download(&addresses, &path).await?;
        all.update(label.as_bytes());
        all.update(b"\0");
        all.update(Sha256::digest(&text));
        let text = String::from_utf8_lossy(&text).into_owned();
        let date = text.lines().find_map(|line| line.strip_prefix("Date: "));
        dates.push(format!(
            "{label} {}",
            date.unwrap_or("without a date").trim()
        ));
    }
    Ok((hex(&all.finalize()), dates.join("; ")))
}

/// The run's directory, or before there is one that in which it will be.
fn existing(path: &Path) -> &Path {
    let mut ancestors = path.ancestors();
    ancestors
        .find(|path| path.is_dir())
        .unwrap_or(Path::new("/"))
}

/// The first of these addresses that is there.
async fn download(addresses: &[String], target: &Path) -> Result<Vec<u8>> {
    let mut reason = String::new();
    for address in addresses {
        if let Some(path) = address
            .strip_prefix("file:")
            .or_else(|| address.strip_prefix("copy:"))
        {
            match fs::read(Path::new(path)) {
                Ok(text) => return Ok(text),
                Err(error) => reason = error.to_string(),
            }
            continue;
        }
        let fetching = tokio::process::Command::new(APT_HELPER)
            .args(["-o", "APT::Sandbox::User=root", "download-file"])
            .arg(address)
            .arg(target)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .output();
        match tokio::time::timeout(DOWNLOAD_LIMIT, fetching).await {
            Ok(Ok(output)) if output.status.success() => {
                return fs::read(target).map_err(|error| unreadable(target, error));
            }
            Ok(Ok(output)) => {
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                let said = text.lines().find_map(|line| line.strip_prefix("E: "));
                reason = said.unwrap_or("apt gave no reason").to_owned();
            }
            Ok(Err(error)) => reason = format!("{APT_HELPER}: {error}"),
            Err(_) => reason = format!("no answer within {} s", DOWNLOAD_LIMIT.as_secs()),
        }
    }
    let address = addresses.first().map_or("", String::as_str);
    Err(fail(
        PACKAGE_SOURCE,
        format!("cannot look at the package archive: {address}: {reason}"),
    )
    .help("look at the package sources in /etc/apt, or name others in `mirror`; is the network reachable?"))
}

/// A digest that is computed again only when the stamp of what it is about has changed.
fn remembered(
    cx: &Context,
    path: &Path,
    compute: impl FnOnce(&Path) -> Result<String>,
) -> Result<String> {
    let Some(file) = stamps(cx) else {
        return compute(path);
    };
    let stamp = stamp::stamp_any(path)?;
    let key = path.display().to_string();
    let mut known: BTreeMap<String, Remembered> = fs::read(&file)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default();
    if let Some(found) = known.get(&key).filter(|found| found.stamp == stamp) {
        return Ok(found.digest.clone());
    }
    let digest = compute(path)?;
    // What changes while it is read is not remembered.
    if stamp::stamp_any(path)? == stamp {
        let entry = Remembered {
            stamp,
            digest: digest.clone(),
        };
        known.insert(key, entry);
        // It only saves time.
        let _ = replace(&file, &known);
    }
    Ok(digest)
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    stamp: String,
    digest: String,
}

/// The file with what is remembered of bases; none where there is no cache yet.
fn stamps(cx: &Context) -> Option<PathBuf> {
    let cache = imgc_runtime::cache::Cache::new(cx.cache.as_ref()?);
    let shelf = cache.shelf(crate::BUILDER_NAME).ok()?;
    Some(shelf.join("bases.json"))
}

fn replace(path: &Path, known: &BTreeMap<String, Remembered>) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(path);
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    serde_json::to_writer(&mut file, known)?;
    file.persist(path)?;
    Ok(())
}

/// The digest of a directory: names, modes, owners, attributes, contents; no times.
fn tree(directory: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    let metadata = fs::metadata(directory).map_err(|error| unreadable(directory, error))?;
    hash.update(metadata.mode().to_le_bytes());
    walk(directory, &mut hash)?;
    Ok(hex(&hash.finalize()))
}

fn walk(directory: &Path, hash: &mut Sha256) -> Result<()> {
    let cannot = |error| unreadable(directory, error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        entries.push((entry.file_name(), entry.metadata().map_err(cannot)?));
    }
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    hash.update((entries.len() as u64).to_le_bytes());
    for (name, metadata) in entries {
        let path = directory.join(&name);
        let broken = |error| unreadable(&path, error);
        let mut field = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        field(name.as_bytes());
        for number in [metadata.mode(), metadata.uid(), metadata.gid()] {
            field(&number.to_le_bytes());
        }
        let mut attributes: Vec<_> = xattr::list(&path).map_err(broken)?.collect();
        attributes.sort();
        for attribute in attributes {
            field(attribute.as_bytes());
            field(
                &xattr::get(&path, &attribute)
                    .map_err(broken)?
                    .unwrap_or_default(),
            );
        }
        let kind = metadata.file_type();
        if kind.is_file() {
            field(digest_file(&path).map_err(broken)?.as_bytes());
        } else if kind.is_symlink() {
            field(fs::read_link(&path).map_err(broken)?.as_os_str().as_bytes());
        } else if kind.is_char_device() || kind.is_block_device() {
            field(&metadata.rdev().to_le_bytes());
        } else if kind.is_dir() {
            walk(&path, hash)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_tree_is_its_contents_and_modes_and_not_its_times() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "one").unwrap();
        let first = tree(directory.path()).unwrap();
        let touched = std::time::SystemTime::UNIX_EPOCH;
        fs::File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_modified(touched)
            .unwrap();
        assert_eq!(tree(directory.path()).unwrap(), first);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let second = tree(directory.path()).unwrap();
        assert_ne!(second, first);
        fs::write(&file, "two").unwrap();
        assert_ne!(tree(directory.path()).unwrap(), second);
    }
}
