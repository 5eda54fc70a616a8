//! A machine as it was at a checkpoint.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use imgc_runtime::Result;
use imgc_runtime::builder::Instance;
use imgc_runtime::cache::Cache;
use imgc_runtime::checkpoint::Checkpoint;
use imgc_runtime::context::Context;

use super::keep::{Kept, KeptLayer, VERSION};
use super::{RootfsInstance, Started, State, Step, Task, machine, make_layer, write_files};
use crate::base::Base;
use crate::builder::Places;
use crate::error::{BASE_INVALID, fail};
use crate::job::{ArchiveFile, Job, Scanned, Stamped, Unpack, Whiteouts};
use crate::layer::compress::digest_file;
use crate::options::Options;
use crate::output::oci::{self, BaseImage, LayerBlob, media_type};
use crate::shelf::{self, Form, Manifest, Owner, Shelf};
use crate::workshop::{Grounds, Workshop};

/// What a checkpoint is in the way of, for people.
type Refusal = String;

/// Makes the machine as it was; `None`, and why is said, if that cannot be had any more.
pub(crate) async fn restore(
    cx: &Context,
    grounds: &Grounds,
    base: Base,
    options: Options,
    places: Places,
    checkpoint: &Checkpoint,
) -> Result<Option<Arc<dyn Instance>>> {
    let (kept, image) = match understand(&base, &options, checkpoint)? {
        Ok(found) => found,
        Err(refusal) => return Ok(refused(cx, &refusal)),
    };
    let mut workshop = Workshop::open(cx, grounds).await?;
    let manifests = match take_up(cx, &workshop, &base, &kept).await {
        Ok(Ok(manifests)) => manifests,
        Ok(Err(refusal)) => {
            workshop.close().await?;
            return Ok(refused(cx, &refusal));
        }
        Err(error) => {
            if let Err(left) = workshop.close().await {
                cx.output.warn(left.chain());
            }
            return Err(error);
        }
    };
    cx.output.say(format!(
        "Going on from {} kept layer{}",
        kept.parts.len(),
        if kept.parts.len() == 1 { "" } else { "s" }
    ));
    let work = workshop.work.clone();
    let prepared = write_files(&work, &options);
    let started = Started {
        state: State {
            mounted: (0..kept.parts.len())
                .map(|number| format!("l/{number}"))
                .collect(),
            upper: kept.parts.len(),
            steps: Vec::new(),
        },
        machine: machine(&workshop, &image, &options, kept.epoch),
        image,
        epoch: kept.epoch,
    };
    let instance = RootfsInstance::new(cx, workshop, base, options, places, started)?;
    let begun = match prepared {
        Ok(()) => instance.go_on(cx, &kept, &manifests).await,
        error => error,
    };
    match begun {
        Ok(()) => Ok(Some(Arc::new(instance))),
        Err(error) => {
            if let Err(left) = instance.let_go().await {
                cx.output.warn(left.chain());
            }
            Err(error)
        }
    }
}

fn refused(cx: &Context, refusal: &Refusal) -> Option<Arc<dyn Instance>> {
    cx.output
        .warn(format!("the kept layers cannot be used: {refusal}"));
    None
}

/// Whether the checkpoint is one of ours and fits what is there.
fn understand(
    base: &Base,
    options: &Options,
    checkpoint: &Checkpoint,
) -> Result<std::result::Result<(Kept, BaseImage), Refusal>> {
    if checkpoint.version != VERSION {
        return Ok(Err("another version of imgc has made them".to_owned()));
    }
    let Ok(kept) = serde_json::from_value::<Kept>(checkpoint.data.clone()) else {
        return Ok(Err("their description is not understood".to_owned()));
    };
    if kept.owner != Owner::current()? {
        return Ok(Err("they are another user's".to_owned()));
    }
    let image = match base {
        Base::Oci { path, tag } => oci::read(path, tag.as_deref(), &options.architecture)?,
        _ => BaseImage::default(),
    };
    if image.digest != kept.image {
        return Ok(Err("the image they are based on has changed".to_owned()));
    }
    Ok(Ok((kept, image)))
}

/// Whether what the checkpoint consists of is in the cache at `cache` and this user's, as far as a glance tells.
pub(crate) fn stands(cache: &Path, checkpoint: &Checkpoint) -> bool {
    let shelf = cache.join(crate::BUILDER_NAME);
    let kept = serde_json::from_value::<Kept>(checkpoint.data.clone());
    let ours = |kept: &Kept| Owner::current().is_ok_and(|owner| owner == kept.owner);
    let stands = |kept: &Kept| kept.parts.iter().all(|part| shelf::stands(&shelf, part));
    checkpoint.version == VERSION && kept.is_ok_and(|kept| ours(&kept) && stands(&kept))
}

/// Puts the parts where the build's layers are, and looks whether they are as they were.
async fn take_up(
    cx: &Context,
    workshop: &Workshop,
    base: &Base,
    kept: &Kept,
) -> Result<std::result::Result<Vec<Manifest>, Refusal>> {
    let (Some(shelf), Some(cache)) = (&workshop.shelf, &cx.cache) else {
        return Ok(Err("there is no place for layers here".to_owned()));
    };
    let manifests = {
        let adopted = adopt(shelf, &Cache::new(cache), kept);
        adopted.map_err(|error| {
            crate::output::place::write_error("cannot use the cache".to_owned(), error)
        })?
    };
    let Some(manifests) = manifests else {
        return Ok(Err("parts of them are missing or damaged".to_owned()));
    };
    if let Base::Directory(path) | Base::Path(path) = base
        && shelf.form(0) == Some(Form::Outside)
    {
        let target = make_layer(&workshop.work, 0)?;
        let source = path.clone();
        workshop.session.tell(Job::Bind { source, target }).await?;
    }
    if let Err(error) = unpack_copies(workshop, shelf, &manifests).await {
        let why = format!("their copies cannot be unpacked: {}", error.chain());
        return Ok(Err(why));
    }
    let mut looking = Vec::new();
    for (number, manifest) in manifests.iter().enumerate() {
        if manifest.tree.is_some() {
            let directory = workshop.work.join(format!("l/{number}/."));
            let session = workshop.session.clone();
            looking.push((
                number,
                tokio::spawn(async move {
                    session.ask::<Stamped>(Job::Stamp { directory }, None).await
                }),
            ));
        }
    }
    let mut whole = true;
    for (number, stamp) in looking {
        let stamp = stamp
            .await
            .map_err(|error| fail(BASE_INVALID, "looking at the layers failed").because(error))?;
        whole &= stamp.ok() == manifests[number].tree;
    }
    Ok(if whole {
        Ok(manifests)
    } else {
        Err("their files have been changed".to_owned())
    })
}

/// Makes the layers that are kept as copies.
async fn unpack_copies(workshop: &Workshop, shelf: &Shelf, manifests: &[Manifest]) -> Result<()> {
    for (number, manifest) in manifests.iter().enumerate() {
        let (Some(copy), Some((path, _))) = (&manifest.copy, shelf.copy(number)) else {
            continue;
        };
        let target = make_layer(&workshop.work, number)?;
        let sha256 = Some(copy.sha256.clone());
        let unpack = Unpack {
            archives: vec![ArchiveFile { path, sha256 }],
            target,
            whiteouts: Whiteouts::Overlay,
            root_time: None,
            exact: true,
        };
        let _: Scanned = workshop.session.ask(Job::Unpack(unpack), None).await?;
    }
    Ok(())
}

fn adopt(shelf: &Shelf, cache: &Cache, kept: &Kept) -> std::io::Result<Option<Vec<Manifest>>> {
    let _entered = cache.enter()?;
    let mut manifests = Vec::new();
    for (number, part) in kept.parts.iter().enumerate() {
        let Some(manifest) = shelf.manifest(part) else {
            return Ok(None);
        };
        shelf.adopt(number, part, &manifest)?;
        manifests.push(manifest);
    }
    Ok(Some(manifests))
}

impl RootfsInstance {
    /// Mounts the layers and makes the history what it was.
    async fn go_on(&self, cx: &Context, kept: &Kept, manifests: &[Manifest]) -> Result<()> {
        let mut state = self.state.lock().await;
        if state.mounted.len() > self.max_mounted_layers {
            self.collapse(&mut state).await?;
        }
        self.mount(&state).await?;
        let mut base: VecDeque<Option<LayerBlob>> =
            self.image.layers.iter().cloned().map(Some).collect();
        for step in &kept.steps {
            let layer = match step.layer {
                None => None,
                Some(KeptLayer::Base(index)) => base
                    .get_mut(index)
                    .and_then(Option::take)
                    .map(|layer| Task(tokio::spawn(checked(layer)))),
                Some(KeptLayer::Own(number)) => Some(self.kept_layer(cx, number, manifests)?),
            };
            state.steps.push(Step {
                history: step.history.clone(),
                layer,
                kept: step.layer,
            });
        }
        Ok(())
    }

    /// The packed layer, looked at in the background; packed again if it is damaged or wanted in another form.
    fn kept_layer(&self, cx: &Context, number: usize, manifests: &[Manifest]) -> Result<Task> {
        let missing = || fail(BASE_INVALID, "a kept layer has not been packed");
        let blob = manifests
            .get(number)
            .and_then(|manifest| manifest.blob.as_ref())
            .ok_or_else(missing)?;
        let path = self.shelf.as_ref().and_then(|shelf| shelf.path(number));
        let layer = blob.at(path.ok_or_else(missing)?.join("blob"));
        let is_base = number == 0 && !matches!(self.base, Base::Oci { .. } | Base::Scratch);
        let target = self.work.join(format!("b/{number}"));
        let pack = self.packing(cx, number, is_base, target);
        if layer.media_type != media_type(self.options.compression) {
            return Ok(Task(tokio::spawn(pack)));
        }
        let output = cx.output.clone();
        Ok(Task(tokio::spawn(async move {
            match checked(layer).await {
                Ok(layer) => Ok(layer),
                Err(error) => {
                    output.warn(format!("{}; it is packed again", error.chain()));
                    pack.await
                }
            }
        })))
    }
}

/// The layer, if its bytes are what they are said to be.
async fn checked(layer: LayerBlob) -> Result<LayerBlob> {
    let path = layer.path.clone();
    let found = tokio::task::spawn_blocking(move || digest_file(&path)).await;
    let found =
        found.map_err(|error| fail(BASE_INVALID, "a layer cannot be read").because(error))?;
    match found {
        Ok(sha256) if sha256 == layer.sha256 => Ok(layer),
        Ok(_) => Err(fail(
            BASE_INVALID,
            format!("the packed layer {} is damaged", layer.path.display()),
        )),
        Err(error) => Err(fail(
            BASE_INVALID,
            format!("the packed layer {} cannot be read", layer.path.display()),
        )
        .because(error)),
    }
}
