//! From layers to outputs.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use imgc_runtime::Result;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::context::Context;
use imgc_runtime::ledger::Resource;

use super::{RootfsInstance, make_directory};
use crate::builder::seconds;
use crate::error::{COMMAND, DISK_FULL, IMAGE_TOOL, LAYER, OUTPUT, fail};
use crate::job::{
    ArchiveFile, Compression, DiskImage, Ext4, Job, Pack, Packed, Scanned, Unpack, Whiteouts,
};
use crate::layer::compress::digest_file;
use crate::options::Format;
use crate::output::oci::{self, History, LayerBlob, media_type};
use crate::output::place;
use crate::{BUILDER_ID, HOST_PATH, format};

/// An output that is finished but for its place.
struct Made {
    format: Format,
    name: String,
    size: u64,
    sha256: String,
    /// For people, after the file's name.
    about: String,
}

impl RootfsInstance {
    /// Makes all outputs and puts them into their place.
    pub(super) async fn make_outputs(&self, cx: &Context) -> Result<Artifact> {
        // What a failed or optional last step has left.
        self.seal_layer(cx, &cx.address, "changes after the last provisioner", false)
            .await?;
        let (mut history, mut layers) = self.finished_layers(cx).await?;
        let staging = self.stage(cx).await?;
        let formats = &self.options.formats;
        if self.options.squash || formats.iter().any(|format| *format != Format::Oci) {
            self.flatten(cx, &layers).await?;
        }
        if self.options.squash {
            layers = self.squash(cx, &mut history).await?;
        }
        let identity = layers
            .iter()
            .map(|layer| layer.diff_sha256.as_str())
            .collect::<Vec<_>>()
            .join(" ");
        let disk_wanted = self.options.wants(Format::Ext4) || self.options.wants(Format::Qcow2);
        let (oci, archive, disks) = tokio::try_join!(
            async {
                if self.options.wants(Format::Oci) {
                    self.oci(cx, &staging, &layers, &history).await.map(Some)
                } else {
                    Ok(None)
                }
            },
            async {
                if self.options.wants(Format::TarZst) {
                    self.archive(cx, &staging).await.map(Some)
                } else {
                    Ok(None)
                }
            },
            async {
                if disk_wanted {
                    self.disks(cx, &staging, &identity).await
                } else {
                    Ok(Vec::new())
                }
            },
        )?;
        let made: Vec<Made> = oci.into_iter().chain(archive).chain(disks).collect();
        self.publish(cx, &staging).await?;
        Ok(self.artifact(&made, layers.len()))
    }

    /// Waits for the layers. Those without content leave only their entry in the history.
    async fn finished_layers(&self, cx: &Context) -> Result<(Vec<History>, Vec<LayerBlob>)> {
        let mut history = Vec::new();
        let mut layers = Vec::new();
        let mut state = self.state.lock().await;
        let last = state.steps.len().saturating_sub(1);
        for (number, step) in state.steps.iter_mut().enumerate() {
            let mut entry = step.history.clone();
            let layer = match &mut step.layer {
                Some(task) => {
                    let layer = (&mut task.0).await.map_err(|error| {
                        fail(LAYER, "packing a layer was interrupted").because(error)
                    })??;
                    Some(layer).filter(|layer| !layer.own || layer.entries > 0)
                }
                None => None,
            };
            entry.empty_layer = layer.is_none();
            let is_nameless_end = entry.empty_layer
                && number == last
                && step.history.comment.as_deref() == Some(&*cx.address);
            step.layer = layer
                .clone()
                .map(|layer| super::Task(tokio::spawn(async move { Ok(layer) })));
            if let Some(layer) = layer {
                let size = if layer.own {
                    format!(
                        "{} from {}",
                        format::size(layer.size),
                        format::size(layer.raw_size)
                    )
                } else {
                    format::size(layer.size)
                };
                cx.output.detail(format!(
                    "layer {}: {size}, sha256:{}: {}",
                    layers.len(),
                    short(&layer.sha256),
                    entry.created_by.as_deref().unwrap_or_default()
                ));
                layers.push(layer);
            }
            if !is_nameless_end {
                history.push(entry);
            }
        }
        Ok((history, layers))
    }

    /// Makes the directory in which the outputs are finished, beside their place.
    async fn stage(&self, cx: &Context) -> Result<PathBuf> {
        let path = imgc_runtime::files::aside(
            &self.places.output_directory,
            &format!("{}{}", cx.run_id, cx.source_name),
        );
        let make = async {
            let parent = path.parent().unwrap_or(Path::new("/"));
            std::fs::create_dir_all(parent).map_err(|error| {
                place::write_error(format!("cannot make {}", parent.display()), error)
            })?;
            crate::layer::unpack::remove(&path).map_err(|error| {
                place::write_error(format!("cannot remove {}", path.display()), error)
            })?;
            make_directory(&path)
        };
        let (record, ()) = cx
            .ledger
            .create(
                &cx.address,
                Resource::Directory { path: path.clone() },
                make,
            )
            .await?;
        *self.staging.lock().await = Some((record, path.clone()));
        Ok(path)
    }

    /// Puts all layers into one directory, `flat`.
    async fn flatten(&self, cx: &Context, layers: &[LayerBlob]) -> Result<()> {
        let started = Instant::now();
        let target = self.flat();
        make_directory(&target)?;
        let archives = layers
            .iter()
            .map(|layer| ArchiveFile {
                path: layer.path.clone(),
                sha256: None,
            })
            .collect();
        let root_time = self.options.reproducible.then_some(self.epoch);
        let job = Job::Unpack(Unpack {
            archives,
            target,
            whiteouts: Whiteouts::Apply,
            root_time,
            exact: false,
        });
        let scanned: Scanned = self.session.ask(job, None).await?;
        cx.output.detail(format!(
            "{} entries put together in {}",
            scanned.entries,
            seconds(started.elapsed())
        ));
        Ok(())
    }

    fn flat(&self) -> PathBuf {
        self.work.join("flat")
    }

    fn pack_flat(&self, target: PathBuf, compression: Compression, root_entry: bool) -> Job {
        Job::Pack(Pack {
            directory: self.flat(),
            target,
            compression,
            clamp: self.options.reproducible.then_some(self.epoch),
            tidy: false,
            overlay: false,
            root_entry,
            exact: false,
        })
    }

    /// One layer for all; the history keeps its entries.
    async fn squash(&self, cx: &Context, history: &mut [History]) -> Result<Vec<LayerBlob>> {
        let path = self.work.join("b/flat");
        let packed: Packed = self
            .session
            .ask(
                self.pack_flat(path.clone(), self.options.compression, false),
                None,
            )
            .await?;
        if packed.entries == 0 {
            return Ok(Vec::new());
        }
        cx.output
            .detail(format!("one layer of {}", format::size(packed.size)));
        let last = history.len().saturating_sub(1);
        for (number, entry) in history.iter_mut().enumerate() {
            entry.empty_layer = number != last;
        }
        Ok(vec![LayerBlob {
            path,
            media_type: media_type(self.options.compression),
            sha256: packed.sha256,
            diff_sha256: packed.diff_sha256,
            size: packed.size,
            entries: packed.entries,
            raw_size: packed.raw_size,
            own: true,
        }])
    }

    fn name(&self, format: Format) -> String {
        format!("{}.{}", self.places.image_name, format.word())
    }

    async fn oci(
        &self,
        cx: &Context,
        staging: &Path,
        layers: &[LayerBlob],
        history: &[History],
    ) -> Result<Made> {
        let name = self.name(Format::Oci);
        cx.output
            .say(format!("Writing the OCI image layout {name}"));
        let directory = staging.join(&name);
        let created = format::timestamp(self.epoch);
        let image = oci::Image {
            architecture: &self.options.architecture,
            created: &created,
            base_config: &self.image.config,
            config: &self.options.image,
            layers,
            history,
            tag: &self.options.tag,
        };
        let id = oci::write(&directory, &image)
            .map_err(|error| place::write_error(format!("cannot write {name}"), error))?;
        let size = layers.iter().map(|layer| layer.size).sum();
        let about = format!(
            "OCI image {} with {} layer{}, {}, {id}",
            self.options.tag,
            layers.len(),
            if layers.len() == 1 { "" } else { "s" },
            format::size(size)
        );
        Ok(Made {
            format: Format::Oci,
            name,
            size,
            sha256: id.trim_start_matches("sha256:").to_owned(),
            about,
        })
    }

    async fn archive(&self, cx: &Context, staging: &Path) -> Result<Made> {
        let name = self.name(Format::TarZst);
        cx.output.say(format!("Writing the archive {name}"));
        let packed: Packed = self
            .session
            .ask(
                self.pack_flat(staging.join(&name), Compression::Zstd, true),
                None,
            )
            .await?;
        let about = format!(
            "archive of {}, {} unpacked, sha256:{}",
            format::size(packed.size),
            format::size(packed.raw_size),
            packed.sha256
        );
        Ok(Made {
            format: Format::TarZst,
            name,
            size: packed.size,
            sha256: packed.sha256,
            about,
        })
    }

    async fn disks(&self, cx: &Context, staging: &Path, identity: &str) -> Result<Vec<Made>> {
        let name = self.name(Format::Ext4);
        let keep = self.options.wants(Format::Ext4);
        cx.output
            .say(format!("Writing the file system image {name}"));
        let raw = if keep {
            staging.join(&name)
        } else {
            self.work.join("disk")
        };
        let job = Job::Ext4(Ext4 {
            directory: self.flat(),
            target: raw.clone(),
            size: self.options.disk_size,
            identity: identity.to_owned(),
            label: "root".to_owned(),
            time: self.options.reproducible.then_some(self.epoch),
            scratch: self.work.join("s"),
        });
        let disk: DiskImage = self.session.ask(job, Some(&cx.output)).await?;
        let mut made = Vec::new();
        if keep {
            let about = format!(
                "ext4 file system of {}, UUID {}, sha256:{}",
                format::size(disk.size),
                disk.uuid,
                disk.sha256
            );
            made.push(Made {
                format: Format::Ext4,
                name,
                size: disk.size,
                sha256: disk.sha256,
                about,
            });
        }
        if self.options.wants(Format::Qcow2) {
            made.push(self.qcow2(cx, staging, &raw, disk.size).await?);
        }
        Ok(made)
    }

    async fn qcow2(
        &self,
        cx: &Context,
        staging: &Path,
        raw: &Path,
        virtual_size: u64,
    ) -> Result<Made> {
        let name = self.name(Format::Qcow2);
        cx.output.say(format!("Converting it to {name}"));
        let path = staging.join(&name);
        let output = tokio::process::Command::new("qemu-img")
            .env("PATH", HOST_PATH)
            .env("LC_ALL", "C.UTF-8")
            .args(["convert", "-f", "raw", "-O", "qcow2"])
            .arg(raw)
            .arg(&path)
            .process_group(0)
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| {
                fail(COMMAND, "`qemu-img` cannot be run")
                    .help("apt-get install qemu-utils")
                    .because(error)
            })?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let id = if reason.contains("No space left") {
                DISK_FULL
            } else {
                IMAGE_TOOL
            };
            return Err(fail(id, format!("qemu-img failed: {reason}")));
        }
        let facts = {
            let path = path.clone();
            tokio::task::spawn_blocking(move || {
                Ok::<_, std::io::Error>((path.metadata()?.len(), digest_file(&path)?))
            })
        };
        let (size, sha256) = facts
            .await
            .map_err(|error| fail(OUTPUT, format!("cannot read {name}")).because(error))?
            .map_err(|error| fail(OUTPUT, format!("cannot read {name}")).because(error))?;
        let about = format!(
            "qcow2 disk of {}, {} in the file, sha256:{sha256}",
            format::size(virtual_size),
            format::size(size)
        );
        Ok(Made {
            format: Format::Qcow2,
            name,
            size,
            sha256,
            about,
        })
    }

    /// Puts the outputs into their place. What they replace stays beside it until they are remembered: whoever dies in between
    /// has lost nothing that was finished.
    async fn publish(&self, cx: &Context, staging: &Path) -> Result<()> {
        let (from, to, force) = (
            staging.to_owned(),
            self.places.output_directory.clone(),
            cx.force || cx.replaces,
        );
        let inode = std::fs::metadata(staging)
            .map(|metadata| metadata.ino())
            .map_err(|error| {
                place::write_error(format!("cannot read {}", staging.display()), error)
            })?;
        let (flushed, place) = (from.clone(), to.clone());
        blocking(move || place::flush(&flushed, &place)).await?;
        let placed = Resource::Placed {
            path: to.clone(),
            inode,
            aside: Some(from.clone()),
        };
        let publish = async {
            cx.commit.begin();
            blocking(move || place::publish(&from, &to, force)).await
        };
        // The record stays until the artifact is remembered: whoever dies in between has made nothing that counts.
        *self.placed.lock().await = Some(placed.clone());
        let (_, replaced) = cx.ledger.create(&cx.address, placed, publish).await?;
        // What was replaced is where they were, and goes with the machine.
        if !replaced && let Some((record, _)) = self.staging.lock().await.take() {
            cx.ledger.forget(record);
        }
        Ok(())
    }

    fn artifact(&self, made: &[Made], layers: usize) -> Artifact {
        let directory = &self.places.output_directory;
        let mut metadata = BTreeMap::from([
            ("architecture".to_owned(), self.options.architecture.clone()),
            ("source_date_epoch".to_owned(), self.epoch.to_string()),
            ("base".to_owned(), self.base.title()),
        ]);
        let mut lines = Vec::new();
        for output in made {
            let word = output.format.word();
            metadata.insert(format!("{word}.size"), output.size.to_string());
            metadata.insert(format!("{word}.sha256"), output.sha256.clone());
            if output.format == Format::Oci {
                metadata.insert("oci.layers".to_owned(), layers.to_string());
                metadata.insert("oci.tag".to_owned(), self.options.tag.clone());
            }
            lines.push(format!(
                "{}: {}",
                directory.join(&output.name).display(),
                output.about
            ));
        }
        Artifact {
            builder_id: BUILDER_ID.to_owned(),
            id: made
                .first()
                .map(|output| format!("sha256:{}", output.sha256))
                .unwrap_or_default(),
            files: made
                .iter()
                .map(|output| directory.join(&output.name))
                .collect(),
            description: lines.join("\n"),
            metadata,
            ..Artifact::default()
        }
    }
}

/// Runs what puts outputs into their place aside.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let interrupted = "putting the outputs into their place was interrupted";
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| fail(OUTPUT, interrupted).because(error))?
}

/// The first digits of a digest.
fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}
