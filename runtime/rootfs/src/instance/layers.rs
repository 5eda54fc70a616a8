//! Layers: one for the base, one for each step that changes something; packed in the background while the build goes on.

use imgc_runtime::Result;
use imgc_runtime::context::Context;

use std::path::PathBuf;

use tokio::sync::oneshot;

use super::keep::KeptLayer;
use super::{RootfsInstance, State, Step, Task, layer_in, make_directory, make_layer};
use crate::base::Base;
use crate::error::{LAYER, fail};
use crate::format;
use crate::job::{Job, MountPlan, Pack, Packed};
use crate::output::oci::{History, LayerBlob, media_type};

impl RootfsInstance {
    /// Mounts the root file system for the first time, and begins to pack the base.
    pub(super) async fn begin(&self, cx: &Context) -> Result<()> {
        let mut state = self.state.lock().await;
        self.mount(&state).await?;
        let new = match &self.base {
            Base::Oci { .. } => {
                let steps = self.base_steps();
                state.steps.extend(steps);
                (0..self.image.layers.len())
                    .map(|number| (number, None))
                    .collect()
            }
            Base::Scratch => Vec::new(),
            base => {
                let (layer, packed) = self.pack(cx, 0, true);
                state.steps.push(Step {
                    history: self.history(&base.history(), None),
                    layer: Some(layer),
                    kept: Some(KeptLayer::Own(0)),
                });
                vec![(0, Some(packed))]
            }
        };
        if let Some((last, _)) = new.last() {
            self.keep(cx, &state, &cx.address, *last, new);
        }
        Ok(())
    }

    /// The history of an OCI image with its layers.
    fn base_steps(&self) -> Vec<Step> {
        let mut layers = self.image.layers.iter().cloned().enumerate();
        let step = |history: &History, layer: Option<(usize, LayerBlob)>| {
            let kept = layer.as_ref().map(|(index, _)| KeptLayer::Base(*index));
            Step {
                history: history.clone(),
                layer: layer.map(|(_, layer)| Task(tokio::spawn(async move { Ok(layer) }))),
                kept,
            }
        };
        let mut steps: Vec<Step> = self
            .image
            .history
            .iter()
            .map(|history| {
                let layer = match history.empty_layer {
                    true => None,
                    false => layers.next(),
                };
                step(history, layer)
            })
            .collect();
        // A history is optional.
        let unnamed = self.history(&self.base.history(), None);
        steps.extend(layers.map(|layer| step(&unnamed, Some(layer))));
        steps
    }

    pub(super) fn history(&self, created_by: &str, comment: Option<&str>) -> History {
        History {
            created: Some(format::timestamp(self.epoch)),
            author: None,
            created_by: Some(created_by.to_owned()),
            comment: comment.map(str::to_owned),
            empty_layer: false,
        }
    }

    /// Makes what has changed since the last layer a layer of its own; with `keep` it becomes a checkpoint.
    pub(super) async fn seal_layer(
        &self,
        cx: &Context,
        address: &str,
        summary: &str,
        keep: bool,
    ) -> Result<()> {
        let _mounts = self.machine.mounts.write().await;
        let _no_shells = self.machine.shells.closed(cx).await?;
        let keep = keep && !self.machine.shells.used();
        let mut state = self.state.lock().await;
        let number = state.upper;
        let upper = self.work.join(format!("l/{number}"));
        let changed = std::fs::read_dir(&upper)
            .map_err(|error| {
                fail(LAYER, format!("cannot read {}", upper.display())).because(error)
            })?
            .next()
            .is_some();
        let mut history = self.history(summary, Some(address));
        if !changed {
            history.empty_layer = true;
            state.steps.push(Step {
                history,
                layer: None,
                kept: None,
            });
            if let Some(last) = number.checked_sub(1).filter(|_| keep) {
                self.keep(cx, &state, address, last, Vec::new());
            }
            return Ok(());
        }
        state.mounted.push(format!("l/{number}"));
        state.upper = number + 1;
        if state.mounted.len() > self.max_mounted_layers {
            self.collapse(&mut state).await?;
        }
        self.mount(&state).await?;
        let (layer, packed) = self.pack(cx, number, false);
        state.steps.push(Step {
            history,
            layer: Some(layer),
            kept: Some(KeptLayer::Own(number)),
        });
        if keep {
            self.keep(cx, &state, address, number, vec![(number, Some(packed))]);
        }
        Ok(())
    }

    /// Merges the mounted layers into one directory; the image keeps them apart.
    pub(super) async fn collapse(&self, state: &mut State) -> Result<()> {
        let number = state.upper;
        let target = make_layer(&self.work, number)?;
        let lowers = state.mounted.iter().rev().cloned().collect();
        self.session
            .tell(Job::Collapse {
                work: self.work.clone(),
                lowers,
                target,
            })
            .await?;
        state.mounted = vec![format!("l/{number}")];
        state.upper = number + 1;
        Ok(())
    }

    /// Mounts the layers below a new upper directory.
    pub(super) async fn mount(&self, state: &State) -> Result<()> {
        let number = state.upper;
        let upper = layer_in(&self.work, self.shelf.as_deref(), number).await?;
        // Permissions of `/` are those of the topmost directory.
        if let Some(top) = state.mounted.last() {
            let below = self.work.join(top);
            let copied = std::fs::metadata(&below)
                .and_then(|below| std::fs::set_permissions(&upper, below.permissions()));
            copied.map_err(|error| {
                fail(LAYER, format!("cannot read {}", below.display())).because(error)
            })?;
        }
        make_directory(&self.work.join(format!("w/{number}")))?;
        // The skeleton is the lowest: it has what must be there to be mounted upon.
        let mut lowers: Vec<String> = state.mounted.iter().rev().cloned().collect();
        lowers.push("k".to_owned());
        let mut files = vec![("usr/sbin/policy-rc.d".to_owned(), "f/policy".to_owned())];
        files.push(("etc/hosts".to_owned(), "f/hosts".to_owned()));
        if self.options.host_network {
            files.push(("etc/resolv.conf".to_owned(), "f/resolv".to_owned()));
        }
        let plan = MountPlan {
            work: self.work.clone(),
            lowers,
            upper: format!("l/{number}"),
            scratch: format!("w/{number}"),
            files,
        };
        self.session.tell(Job::Mount(plan)).await
    }

    /// Packs layer `number` in the background; the result is also handed to whoever keeps it.
    fn pack(
        &self,
        cx: &Context,
        number: usize,
        is_base: bool,
    ) -> (Task, oneshot::Receiver<LayerBlob>) {
        let part = self.shelf.as_ref().and_then(|shelf| shelf.path(number));
        let target = match part {
            Some(part) => part.join("blob"),
            None => self.work.join(format!("b/{number}")),
        };
        let packing = self.packing(cx, number, is_base, target);
        let (sender, receiver) = oneshot::channel();
        let task = tokio::spawn(async move {
            let layer = packing.await?;
            // Nobody may be keeping it.
            let _ = sender.send(layer.clone());
            Ok(layer)
        });
        (Task(task), receiver)
    }

    /// Packs layer `number` into a file.
    pub(super) fn packing(
        &self,
        cx: &Context,
        number: usize,
        is_base: bool,
        path: PathBuf,
    ) -> impl Future<Output = Result<LayerBlob>> + Send + 'static {
        let job = Job::Pack(Pack {
            directory: self.work.join(format!("l/{number}/.")),
            target: path.clone(),
            compression: self.options.compression,
            clamp: self.options.reproducible.then_some(self.epoch),
            tidy: self.options.reproducible,
            overlay: !is_base,
            root_entry: false,
            exact: false,
        });
        let (session, packers, output) = (
            self.session.clone(),
            self.packers.clone(),
            cx.output.clone(),
        );
        let media_type = media_type(self.options.compression);
        async move {
            let _permit = packers.acquire().await;
            let packed: Packed = session.ask(job, None).await?;
            if packed.host_keys > 0 {
                output.warn(format!(
                    "the image contains {} private host key(s) of ssh, which every machine made from it would share; \
                     remove /etc/ssh/ssh_host_*_key* in a last provisioner and let the machine make its own",
                    packed.host_keys
                ));
            }
            Ok(LayerBlob {
                path,
                media_type,
                sha256: packed.sha256,
                diff_sha256: packed.diff_sha256,
                size: packed.size,
                entries: packed.entries,
                raw_size: packed.raw_size,
                own: true,
            })
        }
    }
}
