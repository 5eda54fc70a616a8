//! The `rootfs` builder: root file systems in Linux namespaces, without a virtual machine.
//!
//! In: a source's options (`builder/rootfs.json` of the compiler's catalogue). Out: a machine whose commands run in a root
//! file system made of layers, and an artifact of one or more formats: OCI image layout, archive, ext4 or qcow2 disk.
//!
//! ```text
//! base (bootstrap, directory, archive, OCI image) ─► layer 0
//!   provisioner ─► changes on an overlay ─► seal ─► layer 1, packed in the background ─► …
//!   capture ─► OCI layout from the layers; flattened: tar.zst, ext4, qcow2
//! ```
//!
//! Everything privileged happens in the module `helper`, a second process of the same program; see there for why nothing can
//! stay behind. What makes builds reproducible is in `layer/leftovers.rs` and `layer/pack.rs`.

mod base;
mod builder;
mod error;
mod format;
mod helper;
mod instance;
mod job;
mod layer;
mod machine;
mod options;
mod output;
mod package_sources;
mod packages;
mod pins;
mod session;
mod shelf;
mod shells;
mod workshop;

pub use builder::RootfsBuilder;
pub use error::IDS;
pub use helper::{HELPER_WORD, helper_main};
pub use session::remove_mapped;

/// Id of the builder in artifacts.
pub const BUILDER_ID: &str = "imgc.rootfs";

/// Its name, in templates and as a directory of the cache.
pub(crate) const BUILDER_NAME: &str = "rootfs";

/// Where the machine's programs are, also those for root that an ordinary user's `PATH` lacks.
pub(crate) const HOST_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
