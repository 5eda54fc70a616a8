//! The builder: checks what a build needs, then makes the base and the machine on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use imgc_compiler::components::Problem;
use imgc_compiler::value::Value;
use imgc_runtime::Result;
use imgc_runtime::builder::{Builder, Instance, Known, Pin};
use imgc_runtime::checkpoint::{Capability, Checkpoint};
use imgc_runtime::context::Context;

use crate::base::Base;
use crate::error::{ARCHITECTURE, DISK_FULL, OPTIONS, OUTPUT, PROGRAM, fail};
use crate::instance::{launch, restore, stands};
use crate::options::{Format, Options, machine_architecture};
use crate::output::{oci, place};
use crate::package_sources::{read_configured, sources_for};
use crate::pins::{pins, surroundings};
use crate::session::range;
use crate::workshop::{Grounds, Workshop};
use crate::{HOST_PATH, format};

/// Layers in one mount; beyond, those below are merged for mounting (not in the image). The kernel takes 500.
const MAX_MOUNTED_LAYERS: usize = 100;

/// Builds root file systems in Linux namespaces, without a virtual machine.
#[derive(Clone, Debug)]
pub struct RootfsBuilder {
    grounds: Grounds,
}

/// Options of the image that nothing inside of the machine sees.
const CAPTURE_OPTIONS: &[&str] = &[
    "cmd",
    "disk_size",
    "entrypoint",
    "exposed_ports",
    "formats",
    "image_name",
    "labels",
    "layer_compression",
    "output_directory",
    "squash",
    "stop_signal",
    "tag",
    "user",
    "volumes",
    "working_dir",
];

/// Where things are for one build.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Where the outputs go.
    pub(crate) output_directory: PathBuf,
    /// Their name.
    pub(crate) image_name: String,
}

impl RootfsBuilder {
    /// `helper` is a program that calls [`crate::helper_main`] when its first argument is [`crate::HELPER_WORD`]: usually
    /// the running one, `std::env::current_exe()`.
    pub fn new(helper: impl Into<PathBuf>) -> Self {
        Self {
            grounds: Grounds::new(helper.into(), MAX_MOUNTED_LAYERS),
        }
    }

    /// Merges the lower layers of the mount when there are more than `layers`; 100 if not said. At least 2.
    #[must_use]
    pub fn max_mounted_layers(mut self, layers: usize) -> Self {
        self.grounds.max_mounted_layers = layers.max(2);
        self
    }
}

#[async_trait]
impl Builder for RootfsBuilder {
    fn check(&self, options: &Value) -> Vec<Problem> {
        Options::read(options).1
    }

    async fn prepare(&self, cx: &Context, options: &Value) -> Result<()> {
        let options = read(options)?;
        let base = options.base.clone().locate(&cx.world.working_directory())?;
        check_base(&base, &options)?;
        check_programs(&base, &options)?;
        check_disk(cx.cache.as_ref().unwrap_or(&cx.scratch), &base)?;
        check_output(cx, &places(cx, &options))?;
        self.probe(cx).await
    }

    async fn launch(&self, cx: &Context, options: &Value) -> Result<Arc<dyn Instance>> {
        let options = read(options)?;
        let base = options.base.clone().locate(&cx.world.working_directory())?;
        let places = places(cx, &options);
        check_output(cx, &places)?;
        let workshop = Workshop::open(cx, &self.grounds).await?;
        launch(cx, workshop, base, options, places).await
    }

    fn capability(&self, _options: &Value) -> Capability {
        Capability::Layer
    }

    fn keeps_checkpoints(&self) -> bool {
        true
    }

    fn recorded_options(&self) -> &'static [&'static str] {
        &["output_directory", "image_name", "tag"]
    }

    fn capture_options(&self) -> &'static [&'static str] {
        CAPTURE_OPTIONS
    }

    async fn pins(&self, cx: &Context, options: &Value, known: &Known) -> Result<Vec<Pin>> {
        let Some(from) = options.get("from").and_then(Value::as_str) else {
            // Another build makes it.
            return surroundings(cx, &read(options)?);
        };
        let from = from.to_owned();
        let options = read(options)?;
        let base = options.base.clone().locate(&cx.world.working_directory())?;
        pins(cx, &options, &from, &base, known).await
    }

    async fn restore(
        &self,
        cx: &Context,
        options: &Value,
        checkpoint: &Checkpoint,
    ) -> Result<Option<Arc<dyn Instance>>> {
        let options = read(options)?;
        let base = options.base.clone().locate(&cx.world.working_directory())?;
        let places = places(cx, &options);
        check_output(cx, &places)?;
        restore(cx, &self.grounds, base, options, places, checkpoint).await
    }

    fn stands(&self, cx: &Context, checkpoint: &Checkpoint) -> bool {
        // Who has no place for layers is told so where they are used.
        let cache = cx.cache.as_deref();
        cache.is_none_or(|cache| stands(cache, checkpoint))
    }
}

impl RootfsBuilder {
    /// Tries the namespaces and an overlay where the build will have them.
    async fn probe(&self, cx: &Context) -> Result<()> {
        let mut workshop = Workshop::open(cx, &self.grounds).await?;
        // Where layers are made on the shelf it has been tried already.
        let probed = match &workshop.shelf {
            Some(shelf) if !shelf.copies => Ok(()),
            _ => workshop.probe().await,
        };
        probed.and(workshop.close().await)
    }
}

fn read(options: &Value) -> Result<Options> {
    let (options, problems) = Options::read(options);
    match problems.into_iter().next() {
        None => Ok(options),
        Some(problem) => {
            let error = fail(OPTIONS, problem.message);
            Err(match problem.help {
                Some(help) => error.help(help),
                None => error,
            })
        }
    }
}

fn places(cx: &Context, options: &Options) -> Places {
    let directory = options
        .output_directory
        .clone()
        .unwrap_or_else(|| format!("output-{}", cx.source_name));
    Places {
        output_directory: lexical(&cx.world.working_directory().join(directory)),
        image_name: options
            .image_name
            .clone()
            .unwrap_or_else(|| cx.source_name.to_string()),
    }
}

/// Without `.` and a slash at the end, so that the last component is a name.
fn lexical(path: &Path) -> PathBuf {
    path.components().collect()
}

fn check_base(base: &Base, options: &Options) -> Result<()> {
    match base {
        Base::Distribution { name, suite } => {
            sources_for(
                name,
                suite,
                &options.components,
                &options.mirrors,
                &read_configured(Path::new("/etc/apt")),
            )?;
        }
        Base::Oci { path, tag } => {
            oci::read(path, tag.as_deref(), &options.architecture)?;
        }
        _ => {}
    }
    check_architecture(&options.architecture)
}

/// A foreign architecture needs an emulator that the kernel knows.
fn check_architecture(architecture: &str) -> Result<()> {
    let own = machine_architecture();
    let runs = architecture == own
        || matches!(
            (own, architecture),
            ("amd64", "i386") | ("arm64", "armhf" | "armel")
        );
    if runs {
        return Ok(());
    }
    let emulator = match architecture {
        "arm64" => "aarch64",
        "armhf" | "armel" => "arm",
        "ppc64el" => "ppc64le",
        "amd64" => "x86_64",
        "loong64" => "loongarch64",
        other => other,
    };
    if Path::new("/proc/sys/fs/binfmt_misc")
        .join(format!("qemu-{emulator}"))
        .exists()
    {
        return Ok(());
    }
    Err(fail(
        ARCHITECTURE,
        format!("programs for {architecture} cannot run on this machine ({own})"),
    )
    .help("apt-get install qemu-user-static binfmt-support, or leave `architecture` out"))
}

fn check_programs(base: &Base, options: &Options) -> Result<()> {
    let mut needed: Vec<(&str, &str)> = Vec::new();
    if matches!(base, Base::Distribution { .. }) {
        needed.push(("mmdebstrap", "mmdebstrap"));
    }
    if options.wants(Format::Ext4) || options.wants(Format::Qcow2) {
        needed.push(("mke2fs", "e2fsprogs"));
    }
    if options.wants(Format::Qcow2) {
        needed.push(("qemu-img", "qemu-utils"));
    }
    let user = nix::unistd::geteuid();
    if !user.is_root() {
        needed.extend([("newuidmap", "uidmap"), ("newgidmap", "uidmap")]);
    }
    needed.retain(|(program, _)| !is_installed(program));
    if !needed.is_empty() {
        let (programs, mut packages): (Vec<&str>, Vec<&str>) = needed.into_iter().unzip();
        packages.dedup();
        return Err(fail(
            PROGRAM,
            format!("not installed: `{}`", programs.join("`, `")),
        )
        .help(format!(
            "on Debian or Ubuntu: apt-get install {}",
            packages.join(" ")
        )));
    }
    if !user.is_root() {
        range("/etc/subuid", user.as_raw())?;
        range("/etc/subgid", user.as_raw())?;
    }
    Ok(())
}

fn is_installed(program: &str) -> bool {
    HOST_PATH
        .split(':')
        .any(|directory| Path::new(directory).join(program).is_file())
}

/// Room that a base takes at least: it is unpacked, packed, and for disks unpacked again.
fn check_disk(scratch: &Path, base: &Base) -> Result<()> {
    let need = match base {
        Base::Distribution { .. } => 700 << 20,
        Base::Archive(path) => path.metadata().map_or(0, |metadata| metadata.len() * 3),
        _ => 0,
    };
    let there = scratch.ancestors().find(|path| path.exists());
    let free = match nix::sys::statvfs::statvfs(there.unwrap_or(scratch)) {
        Ok(disk) if disk.blocks() > 0 => disk.blocks_available() * disk.fragment_size(),
        // Some kinds of disk do not say how large they are.
        Ok(_) | Err(_) => u64::MAX,
    };
    if free >= need {
        return Ok(());
    }
    Err(fail(
        DISK_FULL,
        format!(
            "{} has {} free; the build needs at least {}",
            scratch.display(),
            format::size(free),
            format::size(need),
        ),
    )
    .help("free some space, or set TMPDIR to a directory on a larger disk"))
}

fn check_output(cx: &Context, places: &Places) -> Result<()> {
    let home = cx.world.home();
    let working = cx.world.working_directory();
    let precious: Vec<&Path> = [
        Some(working.as_path()),
        Some(cx.root.as_path()),
        home.as_deref(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let replaces = cx.force || cx.replaces;
    place::check(&places.output_directory, replaces, &precious)?;
    // What exists of the way there decides whether the rest can be made.
    let mut ancestors = places.output_directory.ancestors().skip(1);
    let Some(existing) = ancestors.find(|path| path.exists()) else {
        return Ok(());
    };
    if !existing.is_dir() {
        return Err(
            fail(OUTPUT, format!("{} is not a directory", existing.display()))
                .help("choose another `output_directory`"),
        );
    }
    nix::unistd::access(existing, nix::unistd::AccessFlags::W_OK).map_err(|error| {
        place::write_error(
            format!("cannot write into {}", existing.display()),
            error.into(),
        )
    })
}

/// How long a thing took, for people.
pub(crate) fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}
