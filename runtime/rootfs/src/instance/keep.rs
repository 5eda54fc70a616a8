//! Sealed layers become checkpoints, in the background and in the order of their steps.
//!
//! A checkpoint is recorded when its layers are packed, described and flushed. What fails here fails no build: it is said,
//! and the layers are not kept.

use std::sync::Arc;

use imgc_runtime::Result;
use imgc_runtime::checkpoint::{Capability, Checkpoint};
use imgc_runtime::context::Context;
use imgc_runtime::event::Output;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{RootfsInstance, State};
use crate::error::{LAYER, fail};
use crate::job::{Compression, Job, Pack, Packed, Stamped};
use crate::output::oci::{History, LayerBlob};
use crate::output::place::write_error;
use crate::session::Session;
use crate::shelf::{Blob, Copied, Form, KeptPart, Owner, Shelf};

/// Version of the form of this builder's checkpoints, and of everything in this crate that decides what is in a layer.
pub(crate) const VERSION: u32 = 1;

/// What a checkpoint holds besides its parts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Whose files they are.
    pub(crate) owner: Owner,
    /// The build's time.
    pub(crate) epoch: i64,
    /// The manifest's digest of an OCI image it began with.
    pub(crate) image: Option<String>,
    pub(crate) steps: Vec<KeptStep>,
    /// Lowest first.
    pub(crate) parts: Vec<KeptPart>,
}

/// An entry of the history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeptStep {
    pub(crate) history: History,
    pub(crate) layer: Option<KeptLayer>,
}

/// Where the packed layer of a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeptLayer {
    /// In the layer's part; in memory the layer's number, in a checkpoint the place among its parts.
    Own(usize),
    /// It is that layer of the base image.
    Base(usize),
}

/// A step whose layers are to be kept.
struct Sealed {
    fingerprint: Option<Arc<str>>,
    address: String,
    kept: Kept,
    /// Layers that are new with it, with their packing where they have one.
    new: Vec<(usize, Option<oneshot::Receiver<LayerBlob>>)>,
    /// The uppermost layer.
    last: usize,
}

/// Takes sealed steps; dropped it stops.
pub(super) struct Keeper {
    sender: mpsc::UnboundedSender<Sealed>,
    task: JoinHandle<()>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Keeper {
    pub(super) fn start(session: Arc<Session>, shelf: Arc<Shelf>, output: Output) -> Self {
        let (sender, mut receiver) = mpsc::unbounded_channel::<Sealed>();
        let task = tokio::spawn(async move {
            while let Some(sealed) = receiver.recv().await {
                match keep(&session, &shelf, sealed).await {
                    Ok(true) => {}
                    // Whoever needs the layer says what is wrong with it.
                    Ok(false) => return,
                    Err(error) => {
                        output.warn(format!(
                            "layers are not kept for later runs: {}",
                            error.chain()
                        ));
                        return;
                    }
                }
            }
        });
        Self { sender, task }
    }

    /// Waits until everything that was sealed is kept.
    pub(super) async fn finish(mut self) {
        let (closed, _) = mpsc::unbounded_channel();
        self.sender = closed;
        // It only ends early when the program does.
        let _ = (&mut self.task).await;
    }
}

/// Whether it is kept; not if its packing has failed.
async fn keep(session: &Session, shelf: &Arc<Shelf>, sealed: Sealed) -> Result<bool> {
    for (number, packing) in sealed.new {
        let blob = match packing {
            None => None,
            Some(packing) => match packing.await {
                Ok(layer) => Some(Blob::of(&layer)),
                Err(_) => return Ok(false),
            },
        };
        let (tree, copy) = hold_fast(session, shelf, number).await?;
        shelf.complete(number, tree, copy, blob)?;
    }
    let (Some(fingerprint), Some(checkpoints)) = (sealed.fingerprint, &shelf.checkpoints) else {
        return Ok(true);
    };
    let layers = shelf.up_to(sealed.last);
    let mut kept = sealed.kept;
    for step in &mut kept.steps {
        if let Some(KeptLayer::Own(number)) = &mut step.layer {
            *number = layers
                .iter()
                .position(|(known, _)| known == number)
                .ok_or_else(|| fail(LAYER, "a layer has no place in the cache"))?;
        }
    }
    for (_, part) in layers {
        let manifest = part
            .manifest
            .ok_or_else(|| fail(LAYER, "a layer in the cache is not described"))?;
        kept.parts.push(KeptPart {
            name: part.name,
            manifest,
            tree: part.form == Form::Tree,
        });
    }
    let data = serde_json::to_value(&kept)
        .map_err(|error| fail(LAYER, "a checkpoint cannot be written down").because(error))?;
    let parts = kept.parts.into_iter().map(|part| part.name).collect();
    fault("rootfs.before-flush")?;
    let flushing = shelf.clone();
    tokio::task::spawn_blocking(move || flushing.flush())
        .await
        .map_err(|error| fail(LAYER, "flushing the layers was interrupted").because(error))?
        .map_err(|error| write_error("cannot flush the cache".to_owned(), error))?;
    fault("rootfs.flushed")?;
    let checkpoint = Checkpoint {
        capability: Capability::Layer,
        version: VERSION,
        data,
        parts,
        things: Vec::new(),
        expires: None,
    };
    checkpoints
        .put(&fingerprint, &sealed.address, checkpoint)
        .await?;
    fault("rootfs.checkpoint")?;
    shelf.settle(sealed.last);
    Ok(true)
}

/// What the files of layer `number` look like where they stay, or their copy where they do not.
async fn hold_fast(
    session: &Session,
    shelf: &Shelf,
    number: usize,
) -> Result<(Option<Stamped>, Option<Copied>)> {
    match (shelf.form(number), shelf.path(number), shelf.copy(number)) {
        (Some(Form::Tree), Some(path), _) => {
            let directory = path.join("tree");
            let stamped = session.ask(Job::Stamp { directory }, None).await?;
            Ok((Some(stamped), None))
        }
        (Some(Form::Copy), _, Some((target, directory))) => {
            let job = Job::Pack(Pack {
                directory,
                target,
                compression: Compression::Zstd,
                clamp: None,
                tidy: false,
                overlay: true,
                root_entry: true,
                exact: true,
            });
            let Packed { sha256, size, .. } = session.ask(job, None).await?;
            Ok((None, Some(Copied { sha256, size })))
        }
        _ => Ok((None, None)),
    }
}

fn fault(point: &str) -> Result<()> {
    imgc_runtime::fault::point(point)
        .map_err(|error| write_error("cannot keep the layers".to_owned(), error))
}

impl RootfsInstance {
    /// Hands the machine's state after a step on to be kept: layers up to `last`, of which `new` are new.
    pub(super) fn keep(
        &self,
        cx: &Context,
        state: &State,
        address: &str,
        last: usize,
        new: Vec<(usize, Option<oneshot::Receiver<LayerBlob>>)>,
    ) {
        let keeper = self.keeper.lock();
        let keeper = keeper.unwrap_or_else(std::sync::PoisonError::into_inner);
        let (Some(keeper), Some(owner)) = (&*keeper, &self.owner) else {
            return;
        };
        let steps = state.steps.iter().map(|step| KeptStep {
            history: step.history.clone(),
            layer: step.kept,
        });
        // When it has stopped it has said why.
        let _ = keeper.sender.send(Sealed {
            fingerprint: cx.fingerprint.clone(),
            address: address.to_owned(),
            kept: Kept {
                owner: owner.clone(),
                epoch: self.epoch,
                image: self.image.digest.clone(),
                steps: steps.collect(),
                parts: Vec::new(),
            },
            new,
            last,
        });
    }

    /// Waits until everything that was sealed is kept; nothing is kept afterwards.
    pub(super) async fn finish_keeping(&self) {
        let keeper = {
            let mut keeper = self
                .keeper
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            keeper.take()
        };
        if let Some(keeper) = keeper {
            keeper.finish().await;
        }
    }
}
