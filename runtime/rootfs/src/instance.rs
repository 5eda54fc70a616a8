//! A launched build: its layers, its outputs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use imgc_runtime::Result;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::builder::{Instance, Sealed, Target};
use imgc_runtime::context::Context;
use imgc_runtime::ledger::{Ledger, Resource};
use serde_json::{Map, Value as Json};
use tokio::sync::{Mutex, RwLock, Semaphore};
use tokio::task::JoinHandle;

use crate::base::Base;
use crate::builder::{Places, seconds};
use crate::error::{LEFT_BEHIND, fail};
use crate::format;
use crate::job::{ArchiveFile, Bootstrap, Job, Scanned, Unpack, Whiteouts};
use crate::machine::RootfsMachine;
use crate::options::Options;
use crate::output::oci::{self, BaseImage, History, LayerBlob};
use crate::package_sources::{read_configured, sources_for};
use crate::packages;
use crate::session::Session;
use crate::shelf::{Form, Owner, Shelf};
use crate::shells::Shells;
use crate::workshop::Workshop;

mod capture;
mod keep;
mod layers;
mod restore;

pub(crate) use restore::{restore, stands};

use keep::{Keeper, KeptLayer};

/// The script by which Debian's packages learn that no service may be started (invoke-rc.d(8)).
const POLICY: &str = "#!/bin/sh\nexit 101\n";
/// Makes the base, mounts it, and gives the machine.
pub(crate) async fn launch(
    cx: &Context,
    mut workshop: Workshop,
    base: Base,
    options: Options,
    places: Places,
) -> Result<Arc<dyn Instance>> {
    match start(cx, &workshop, &base, &options).await {
        Ok(started) => {
            let instance = RootfsInstance::new(cx, workshop, base, options, places, started)?;
            match instance.begin(cx).await {
                Ok(()) => Ok(Arc::new(instance)),
                Err(error) => {
                    if let Err(left) = instance.let_go().await {
                        cx.output.warn(left.chain());
                    }
                    Err(error)
                }
            }
        }
        Err(error) => {
            if let Err(left) = workshop.close().await {
                cx.output.warn(left.chain());
            }
            Err(error)
        }
    }
}

/// What launching found out.
struct Started {
    state: State,
    machine: Arc<RootfsMachine>,
    image: BaseImage,
    /// The build's time: nothing in the image is younger.
    epoch: i64,
}

/// The layers of a build.
#[derive(Default)]
struct State {
    /// Directories for the mount, lowest first.
    mounted: Vec<String>,
    /// Number of the upper directory.
    upper: usize,
    steps: Vec<Step>,
}

/// An entry of the history with its layer, if there is one.
struct Step {
    history: History,
    layer: Option<Task>,
    /// Where the layer is kept.
    kept: Option<KeptLayer>,
}

/// A layer being packed; ends with its owner.
struct Task(JoinHandle<Result<LayerBlob>>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn start(
    cx: &Context,
    workshop: &Workshop,
    base: &Base,
    options: &Options,
) -> Result<Started> {
    let started = Instant::now();
    let now = cx.world.now().0;
    let mut state = State::default();
    let mut image = BaseImage::default();
    let session = &workshop.session;
    let work = &workshop.work;
    let fixed = options
        .source_date_epoch
        .or_else(|| cx.world.env("SOURCE_DATE_EPOCH")?.parse().ok());
    let mut found = Scanned::default();
    match base {
        Base::Scratch => cx.output.say("Starting from an empty root file system"),
        Base::Distribution { name, suite } => {
            cx.output.say(format!(
                "Bootstrapping {name}:{suite} with mmdebstrap ({}, {})...",
                options.variant, options.architecture
            ));
            let target = new_layer(workshop, 0).await?;
            let sources = sources_for(
                name,
                suite,
                &options.components,
                &options.mirrors,
                &read_configured(Path::new("/etc/apt")),
            )?;
            let file = work.join("s/imgc.sources");
            write(&file, &sources)?;
            let job = Job::Bootstrap(Bootstrap {
                suite: suite.clone(),
                sources: file,
                variant: options.variant.clone(),
                architecture: options.architecture.clone(),
                packages: options.packages.clone(),
                components: options.components.clone(),
                keyrings: options.keyrings.clone(),
                target,
                scratch: work.join("s"),
                // A time before the base's own is known: 0 lets the packages' scripts write none.
                time: options.reproducible.then_some(fixed.unwrap_or(0)),
                started: now,
            });
            found = session.ask(job, Some(&cx.output)).await?;
            state.mounted.push("l/0".to_owned());
        }
        Base::Directory(path) | Base::Path(path) => {
            cx.output
                .say(format!("Starting from the directory {}", path.display()));
            let target = make_layer(work, 0)?;
            if let Some(shelf) = &workshop.shelf {
                shelf.make(0, Form::Outside).await?;
            }
            session
                .tell(Job::Bind {
                    source: path.clone(),
                    target: target.clone(),
                })
                .await?;
            found = session.ask(Job::Scan { directory: target }, None).await?;
            state.mounted.push("l/0".to_owned());
        }
        Base::Archive(path) => {
            cx.output.say(format!("Unpacking {}...", path.display()));
            let target = new_layer(workshop, 0).await?;
            let archive = ArchiveFile {
                path: path.clone(),
                sha256: None,
            };
            found = session
                .ask(
                    unpack_job(vec![archive], target, Whiteouts::Plain),
                    Some(&cx.output),
                )
                .await?;
            state.mounted.push("l/0".to_owned());
        }
        Base::Oci { path, tag } => {
            image = oci::read(path, tag.as_deref(), &options.architecture)?;
            cx.output.say(format!(
                "Unpacking the image {} ({} layers)...",
                base.title(),
                image.layers.len()
            ));
            for (number, layer) in image.layers.iter().enumerate() {
                let target = new_layer(workshop, number).await?;
                let archive = ArchiveFile {
                    path: layer.path.clone(),
                    sha256: Some(layer.sha256.clone()),
                };
                let scanned: Scanned = session
                    .ask(
                        unpack_job(vec![archive], target, Whiteouts::Overlay),
                        Some(&cx.output),
                    )
                    .await?;
                found.newest = found.newest.max(scanned.newest);
                found.entries += scanned.entries;
                found.bytes += scanned.bytes;
                found.skipped_devices += scanned.skipped_devices;
                state.mounted.push(format!("l/{number}"));
            }
        }
    }
    if !matches!(base, Base::Scratch) {
        cx.output.detail(format!(
            "{} files, {}, in {}",
            found.entries,
            format::size(found.bytes),
            seconds(started.elapsed())
        ));
    }
    if found.skipped_devices > 0 {
        cx.output.warn(format!(
            "{} device nodes of the base are left out: only root can make them",
            found.skipped_devices
        ));
    }
    let epoch = if options.reproducible {
        fixed.unwrap_or(found.newest)
    } else {
        now
    };
    state.upper = state.mounted.len();
    write_files(work, options)?;
    Ok(Started {
        state,
        machine: machine(workshop, &image, options, epoch),
        image,
        epoch,
    })
}

fn machine(
    workshop: &Workshop,
    image: &BaseImage,
    options: &Options,
    epoch: i64,
) -> Arc<RootfsMachine> {
    Arc::new(RootfsMachine {
        session: workshop.session.clone(),
        work: workshop.work.clone(),
        env: command_env(&image.config, options, epoch),
        hostname: options.hostname.clone(),
        host_network: options.host_network,
        mounts: Arc::new(RwLock::new(())),
        shells: Shells::new(&workshop.work),
    })
}

fn unpack_job(archives: Vec<ArchiveFile>, target: PathBuf, whiteouts: Whiteouts) -> Job {
    Job::Unpack(Unpack {
        archives,
        target,
        whiteouts,
        root_time: None,
        exact: false,
    })
}

/// Makes the directory of a layer where it can stay.
async fn new_layer(workshop: &Workshop, number: usize) -> Result<PathBuf> {
    layer_in(&workshop.work, workshop.shelf.as_deref(), number).await
}

async fn layer_in(work: &Path, shelf: Option<&Shelf>, number: usize) -> Result<PathBuf> {
    let Some(shelf) = shelf else {
        return make_layer(work, number);
    };
    shelf.make_layer(number).await
}

/// Makes the directory of a layer that goes with the build.
pub(crate) fn make_layer(work: &Path, number: usize) -> Result<PathBuf> {
    let path = work.join(format!("l/{number}"));
    make_directory(&path)?;
    Ok(path)
}

fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
        .map_err(|error| {
            crate::output::place::write_error(format!("cannot make {}", path.display()), error)
        })
}

fn write(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o644)))
        .map_err(|error| {
            crate::output::place::write_error(format!("cannot write {}", path.display()), error)
        })
}

/// Writes the files that commands see although they are not part of the image.
fn write_files(work: &Path, options: &Options) -> Result<()> {
    let policy = work.join("f/policy");
    write(&policy, POLICY)?;
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o755)).map_err(|error| {
        crate::output::place::write_error(format!("cannot write {}", policy.display()), error)
    })?;
    let hosts = format!(
        "127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 {}\n",
        options.hostname
    );
    let machine_hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    // With the machine's network its names are part of it.
    let hosts = if options.host_network {
        format!("{machine_hosts}\n127.0.1.1 {}\n", options.hostname)
    } else {
        hosts
    };
    write(&work.join("f/hosts"), &hosts)?;
    let resolver = if options.host_network {
        fs::read_to_string("/etc/resolv.conf").unwrap_or_default()
    } else {
        String::new()
    };
    write(&work.join("f/resolv"), &resolver)
}

/// The environment of the provisioners' commands.
fn command_env(
    base: &Map<String, Json>,
    options: &Options,
    epoch: i64,
) -> BTreeMap<String, String> {
    let fixed = [
        ("HOME", "/root"),
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("SHELL", "/bin/sh"),
        ("LANG", "C.UTF-8"),
        // There is no terminal for debconf to ask on.
        ("DEBIAN_FRONTEND", "noninteractive"),
    ];
    let mut env: BTreeMap<String, String> = fixed
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    if options.reproducible {
        env.insert("SOURCE_DATE_EPOCH".to_owned(), epoch.to_string());
    }
    let image = oci::merge_env(base.get("Env"), &options.image.env);
    env.extend(image.into_iter().filter_map(|entry| {
        let (name, value) = entry.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    }));
    env.extend(options.build_env.clone());
    env
}

/// The instance the runtime works with.
struct RootfsInstance {
    workshop: Mutex<Workshop>,
    session: Arc<Session>,
    work: PathBuf,
    /// Where the layers are kept, if they are.
    shelf: Option<Arc<Shelf>>,
    owner: Option<Owner>,
    keeper: std::sync::Mutex<Option<Keeper>>,
    max_mounted_layers: usize,
    base: Base,
    options: Options,
    places: Places,
    machine: Arc<RootfsMachine>,
    image: BaseImage,
    epoch: i64,
    state: Mutex<State>,
    /// What a bootstrap has brought.
    packages: Option<(String, String)>,
    /// Layers packed at the same time.
    packers: Arc<Semaphore>,
    /// Record of the unfinished outputs' directory.
    staging: Mutex<Option<(u64, PathBuf)>>,
    /// The outputs in their place: recorded until they are remembered.
    placed: Mutex<Option<Resource>>,
}

impl RootfsInstance {
    fn new(
        cx: &Context,
        workshop: Workshop,
        base: Base,
        options: Options,
        places: Places,
        started: Started,
    ) -> Result<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let keeper = workshop
            .shelf
            .clone()
            .map(|shelf| Keeper::start(workshop.session.clone(), shelf, cx.output.clone()));
        let packages = match &base {
            Base::Distribution { .. } => {
                packages::lineage(&base.title(), &workshop.work.join("l/0"))
            }
            _ => None,
        };
        Ok(Self {
            packages,
            shelf: workshop.shelf.clone(),
            owner: workshop
                .shelf
                .as_ref()
                .map(|_| Owner::current())
                .transpose()?,
            keeper: std::sync::Mutex::new(keeper),
            session: workshop.session.clone(),
            work: workshop.work.clone(),
            max_mounted_layers: workshop.max_mounted_layers,
            workshop: Mutex::new(workshop),
            base,
            options,
            places,
            machine: started.machine,
            image: started.image,
            epoch: started.epoch,
            state: Mutex::new(started.state),
            packers: Arc::new(Semaphore::new(processors)),
            staging: Mutex::new(None),
            placed: Mutex::new(None),
        })
    }

    /// Ends what still runs for the build and removes what it leaves, the outputs in their place excepted.
    async fn let_go(&self) -> Result<()> {
        // What has been done so far is not done again.
        self.finish_keeping().await;
        self.state.lock().await.steps.clear();
        let mut workshop = self.workshop.lock().await;
        let back = self.take_back(&workshop.ledger).await;
        let staging = match self.staging.lock().await.take() {
            // What they have replaced stands there still.
            _ if back.is_err() => back,
            None => Ok(()),
            Some((record, path)) => {
                let removed = crate::layer::unpack::remove(&path).map_err(|error| {
                    fail(LEFT_BEHIND, format!("cannot remove {}", path.display())).because(error)
                });
                if removed.is_ok() {
                    workshop.ledger.forget(record);
                }
                removed
            }
        };
        workshop.close().await.and(staging)
    }

    /// Outputs in their place that nobody remembers make room for what they have replaced.
    async fn take_back(&self, ledger: &Ledger) -> Result<()> {
        let Some(placed) = self.placed.lock().await.take() else {
            return Ok(());
        };
        let mut recorded = ledger.outstanding("").into_iter();
        if let Some(record) = recorded.find(|record| record.resource == placed) {
            imgc_runtime::remove::remove(&[], &placed).await?;
            ledger.forget(record.id);
        }
        Ok(())
    }
}

#[async_trait]
impl Instance for RootfsInstance {
    fn target(&self) -> Target {
        Target::Machine(self.machine.clone())
    }

    fn facts(&self) -> BTreeMap<String, String> {
        let name = self
            .work
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        BTreeMap::from([("ID".to_owned(), name)])
    }

    fn lineage(&self) -> Vec<(String, String)> {
        self.packages.iter().cloned().collect()
    }

    async fn seal(&self, cx: &Context, sealed: &Sealed<'_>) -> Result<()> {
        self.seal_layer(cx, sealed.address, sealed.summary, true)
            .await
    }

    async fn capture(&self, cx: &Context) -> Result<Artifact> {
        self.make_outputs(cx).await
    }

    async fn leave(&self) {
        self.finish_keeping().await;
        self.workshop.lock().await.leave();
    }

    async fn release(&self, _cx: &Context) -> Result<()> {
        self.let_go().await
    }
}
