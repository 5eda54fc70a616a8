//! The layers of a build as parts of the cache.
//!
//! ```text
//! CACHE/rootfs/rootfs-…/l/2 ─► CACHE/rootfs/part-…/tree   the live directory: upper of the overlay first, lower afterwards
//!                                            part-…/blob   the same, packed
//!                                            part-…/part.json
//! ```
//!
//! A layer is made where it will stay, so that keeping it costs no copy and no renaming under a mount. Where overlays do
//! not work on the cache's disk the build stands elsewhere, and a sealed layer is copied into its part: an archive
//! `part-…/copy` with all there is to know of the files, which any disk can hold. Until a checkpoint names a part the ledger
//! has it: whatever ends the build early also removes it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use imgc_compiler::source::World;
use imgc_runtime::Result;
use imgc_runtime::cache::Use;
use imgc_runtime::cache::prune::MANIFEST;
use imgc_runtime::checkpoint::Checkpoints;
use imgc_runtime::context::Context;
use imgc_runtime::ledger::{Ledger, Resource};
use serde::{Deserialize, Serialize};

use crate::error::{LAYER, fail};
use crate::helper::stamp::top;
use crate::job::Stamped;
use crate::layer::compress::{digest, hex};
use crate::output::oci::LayerBlob;
use crate::output::place::write_error;
use crate::session::range;

/// Name of the archive of a layer's files in its part.
const COPY: &str = "copy";

/// Where a build's layers are kept.
pub(crate) struct Shelf {
    directory: PathBuf,
    /// The build's directory.
    work: PathBuf,
    /// Whether layers are copied here rather than made here.
    pub(crate) copies: bool,
    uses: Use,
    pub(crate) checkpoints: Option<Checkpoints>,
    ledger: Ledger,
    address: Arc<str>,
    world: Arc<dyn World>,
    parts: Mutex<BTreeMap<usize, Part>>,
}

/// A layer on the shelf.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// Its record in the ledger, until a checkpoint names it.
    record: Option<u64>,
    /// SHA-256 of its manifest, once it has one.
    pub(crate) manifest: Option<String>,
    pub(crate) form: Form,
}

/// How a part holds the files of its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Not at all: a base directory of the user is used where it is.
    Outside,
    /// As the live directory.
    Tree,
    /// As an archive.
    Copy,
}

/// What a part consists of: the file `part.json`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// What it takes on the disk.
    pub(crate) bytes: u64,
    /// The live directory as it was when its layer was finished.
    pub(crate) tree: Option<Stamped>,
    /// The archive of the files as they were when the layer was finished, where there is no live directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) copy: Option<Copied>,
    /// The packed layer.
    pub(crate) blob: Option<Blob>,
}

/// What is known of the archive of a layer's files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Copied {
    pub(crate) sha256: String,
    pub(crate) size: u64,
}

/// A packed layer as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Blob {
    pub(crate) media_type: String,
    pub(crate) sha256: String,
    pub(crate) diff_sha256: String,
    pub(crate) size: u64,
    pub(crate) raw_size: u64,
    pub(crate) entries: u64,
}

impl Blob {
    pub(crate) fn of(layer: &LayerBlob) -> Self {
        Self {
            media_type: layer.media_type.clone(),
            sha256: layer.sha256.clone(),
            diff_sha256: layer.diff_sha256.clone(),
            size: layer.size,
            raw_size: layer.raw_size,
            entries: layer.entries,
        }
    }

    pub(crate) fn at(&self, path: PathBuf) -> LayerBlob {
        LayerBlob {
            path,
            media_type: self.media_type.clone(),
            sha256: self.sha256.clone(),
            diff_sha256: self.diff_sha256.clone(),
            size: self.size,
            raw_size: self.raw_size,
            entries: self.entries,
            own: true,
        }
    }
}

/// Who can use what a build has kept: the files of an ordinary user's layers belong to ids that only that user can map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    user: u32,
    group: u32,
    ranges: Option<(u32, u32)>,
}

impl Owner {
    pub(crate) fn current() -> Result<Self> {
        let user = nix::unistd::geteuid();
        let ranges = if user.is_root() {
            None
        } else {
            Some((
                range("/etc/subuid", user.as_raw())?,
                range("/etc/subgid", user.as_raw())?,
            ))
        };
        Ok(Self {
            user: user.as_raw(),
            group: nix::unistd::getegid().as_raw(),
            ranges,
        })
    }
}

/// A directory of a build, which may hold files of mapped users.
pub(crate) fn directory_resource(path: &Path) -> Resource {
    let path = path.to_owned();
    if nix::unistd::geteuid().is_root() {
        Resource::Directory { path }
    } else {
        Resource::MappedDirectory { path }
    }
}

impl Shelf {
    /// The shelf `directory` for the build in `work`, which stands on it unless layers are copied there.
    pub(crate) fn new(
        cx: &Context,
        directory: &Path,
        work: &Path,
        copies: bool,
        uses: Use,
    ) -> Self {
        Self {
            directory: directory.to_owned(),
            work: work.to_owned(),
            copies,
            uses,
            checkpoints: cx.checkpoints.clone(),
            ledger: cx.ledger.clone(),
            address: cx.address.clone(),
            world: cx.world.clone(),
            parts: Mutex::default(),
        }
    }

    /// Makes the directory of layer `number`, where it is kept or to be copied from.
    pub(crate) async fn make_layer(&self, number: usize) -> Result<PathBuf> {
        if self.copies {
            self.make(number, Form::Copy).await?;
            return crate::instance::make_layer(&self.work, number);
        }
        self.make(number, Form::Tree).await?;
        // Through the link: a job may look at the directory itself.
        Ok(self.layer(number).join("."))
    }

    /// Layer `number` in the build's directory.
    fn layer(&self, number: usize) -> PathBuf {
        self.work.join(format!("l/{number}"))
    }

    /// Makes the part for layer `number`; to a tree the build's directory gets a link.
    pub(crate) async fn make(&self, number: usize, form: Form) -> Result<()> {
        let random = hex(&self.world.random());
        let name = format!("part-{}", &random[random.len() - 16..]);
        let path = self.directory.join(&name);
        let make = async {
            self.uses
                .add(&name)
                .and_then(|()| fs::DirBuilder::new().mode(0o700).create(&path))
                .and_then(|()| match form {
                    Form::Outside | Form::Copy => Ok(()),
                    Form::Tree => {
                        let tree = path.join("tree");
                        fs::create_dir(&tree)?;
                        fs::set_permissions(&tree, fs::Permissions::from_mode(0o755))?;
                        symlink(to_tree(&name), self.layer(number))
                    }
                })
                .map_err(|error| write_error(format!("cannot make {}", path.display()), error))
        };
        let resource = directory_resource(&path);
        let (record, ()) = self.ledger.create(&self.address, resource, make).await?;
        self.lock().insert(
            number,
            Part {
                name,
                record: Some(record),
                manifest: None,
                form,
            },
        );
        Ok(())
    }

    /// Takes up a part that exists as layer `number`. The cache must be entered.
    pub(crate) fn adopt(
        &self,
        number: usize,
        part: &KeptPart,
        manifest: &Manifest,
    ) -> io::Result<()> {
        self.uses.add(&part.name)?;
        if part.tree {
            let tree = match self.copies {
                // The build stands somewhere else.
                true => fs::canonicalize(self.directory.join(&part.name))?.join("tree"),
                false => to_tree(&part.name),
            };
            symlink(tree, self.layer(number))?;
        }
        let form = match (part.tree, &manifest.copy) {
            (true, _) => Form::Tree,
            (false, Some(_)) => Form::Copy,
            (false, None) => Form::Outside,
        };
        self.lock().insert(
            number,
            Part {
                name: part.name.clone(),
                record: None,
                manifest: Some(part.manifest.clone()),
                form,
            },
        );
        Ok(())
    }

    /// Reads the manifest of a part, as [`manifest`] does.
    pub(crate) fn manifest(&self, part: &KeptPart) -> Option<Manifest> {
        manifest(&self.directory, part)
    }

    /// Writes the manifest of layer `number`: from now on the part is whole.
    pub(crate) fn complete(
        &self,
        number: usize,
        tree: Option<Stamped>,
        copy: Option<Copied>,
        blob: Option<Blob>,
    ) -> Result<()> {
        let Some(path) = self.path(number) else {
            return Ok(());
        };
        let manifest = Manifest {
            bytes: tree.as_ref().map_or(0, |tree| tree.bytes)
                + copy.as_ref().map_or(0, |copy| copy.size)
                + blob.as_ref().map_or(0, |blob| blob.size),
            tree,
            copy,
            blob,
        };
        let text = serde_json::to_vec(&manifest)
            .map_err(|error| fail(LAYER, "a layer cannot be described").because(error))?;
        let file = path.join(MANIFEST);
        fs::write(&file, &text)
            .map_err(|error| write_error(format!("cannot write {}", file.display()), error))?;
        if let Some(part) = self.lock().get_mut(&number) {
            part.manifest = Some(digest(&text));
        }
        Ok(())
    }

    /// A checkpoint names the layers up to `last`: they stay.
    pub(crate) fn settle(&self, last: usize) {
        for (_, part) in self.lock().range_mut(..=last) {
            if let Some(record) = part.record.take() {
                self.ledger.forget(record);
            }
        }
    }

    /// The layers up to `last`, lowest first.
    pub(crate) fn up_to(&self, last: usize) -> Vec<(usize, Part)> {
        let parts = self.lock();
        let parts = parts.range(..=last);
        parts
            .map(|(number, part)| (*number, part.clone()))
            .collect()
    }

    /// Where the part of layer `number` is.
    pub(crate) fn path(&self, number: usize) -> Option<PathBuf> {
        let parts = self.lock();
        parts
            .get(&number)
            .map(|part| self.directory.join(&part.name))
    }

    /// How the part of layer `number` holds its files.
    pub(crate) fn form(&self, number: usize) -> Option<Form> {
        self.lock().get(&number).map(|part| part.form)
    }

    /// The archive in the part of layer `number`, and the directory it is a copy of.
    pub(crate) fn copy(&self, number: usize) -> Option<(PathBuf, PathBuf)> {
        let part = self.path(number)?;
        Some((part.join(COPY), self.layer(number).join(".")))
    }

    /// Everything written on the shelf so far is on the disk when this returns.
    pub(crate) fn flush(&self) -> io::Result<()> {
        let directory = fs::File::open(&self.directory)?;
        Ok(rustix::fs::syncfs(directory)?)
    }

    /// Parts that no checkpoint names, with their records.
    pub(crate) fn unfinished(&self) -> Vec<(u64, PathBuf)> {
        let parts = self.lock();
        let unfinished = parts
            .values()
            .filter_map(|part| Some((part.record?, self.directory.join(&part.name))));
        unfinished.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Part>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From a build's directory of layers to the live directory of a part.
fn to_tree(name: &str) -> PathBuf {
    Path::new("../..").join(name).join("tree")
}

/// Reads the manifest of a part on the shelf `shelf`; `None` if it is not the one that the checkpoint knows, or the packed layer
/// is not of its size.
pub(crate) fn manifest(shelf: &Path, part: &KeptPart) -> Option<Manifest> {
    let directory = shelf.join(&part.name);
    let text = fs::read(directory.join(MANIFEST)).ok()?;
    if digest(&text) != part.manifest {
        return None;
    }
    let manifest: Manifest = serde_json::from_slice(&text).ok()?;
    let blob_fits = manifest.blob.as_ref().is_none_or(|blob| {
        fs::metadata(directory.join("blob")).is_ok_and(|found| found.len() == blob.size)
    });
    let copy_fits = manifest.copy.as_ref().is_none_or(|copy| {
        fs::metadata(directory.join(COPY)).is_ok_and(|found| found.len() == copy.size)
    });
    (blob_fits && copy_fits && manifest.tree.is_some() == part.tree).then_some(manifest)
}

/// Whether a part seems to be what the checkpoint knows: the live directory was not copied or replaced as a whole. What is in it
/// is looked at when it is used.
pub(crate) fn stands(shelf: &Path, part: &KeptPart) -> bool {
    let Some(manifest) = manifest(shelf, part) else {
        return false;
    };
    manifest.tree.is_none_or(|tree| {
        let found = fs::metadata(shelf.join(&part.name).join("tree"));
        tree.top.is_empty() || found.is_ok_and(|found| top(&found) == tree.top)
    })
}

/// A part as a checkpoint knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeptPart {
    pub(crate) name: String,
    /// SHA-256 of its manifest.
    pub(crate) manifest: String,
    pub(crate) tree: bool,
}
