//! The components of this binary: the runtime's own and those of the leaf crates that are built in.

#[cfg(feature = "rootfs")]
mod mapped;

#[cfg(feature = "rootfs")]
use std::path::PathBuf;

use imgc_runtime::registry::{self, Registry};
use imgc_runtime::settings::Settings;

/// Everything that can run here, ready to be run.
pub(crate) fn runnable() -> Registry {
    #[allow(unused_mut, reason = "without features there is nothing to add")]
    let mut registry = registry();
    #[cfg(feature = "rootfs")]
    registry.builders.insert(
        "rootfs",
        std::sync::Arc::new(imgc_rootfs::RootfsBuilder::new(this_program())),
    );
    registry
}

/// Everything that can run here, to be asked what it is and what it thinks of options.
pub(crate) fn registry() -> Registry {
    #[allow(unused_mut, reason = "without features there is nothing to add")]
    let mut registry = registry::builtin();
    #[cfg(feature = "http")]
    registry
        .data_sources
        .insert("http", std::sync::Arc::new(imgc_http::Http));
    #[cfg(feature = "rootfs")]
    registry.builders.insert(
        "rootfs",
        std::sync::Arc::new(imgc_rootfs::RootfsBuilder::new(PathBuf::new())),
    );
    #[cfg(feature = "ssh")]
    registry
        .communicators
        .insert("ssh", std::sync::Arc::new(imgc_ssh::SshCommunicator));
    #[cfg(feature = "aws")]
    aws().register(&mut registry);
    registry
}

/// Amazon's components and remover share accounts, clients and limits.
#[cfg(feature = "aws")]
pub(crate) fn aws() -> imgc_aws::Aws {
    static AWS: std::sync::OnceLock<imgc_aws::Aws> = std::sync::OnceLock::new();
    AWS.get_or_init(imgc_aws::Aws::new).clone()
}

/// Adds what removes the things that only a leaf crate can remove.
pub(crate) fn add_removers(settings: &mut Settings) {
    #[cfg(feature = "rootfs")]
    settings.removers.push(std::sync::Arc::new(mapped::Mapped {
        helper: this_program(),
    }));
    #[cfg(feature = "ssh")]
    settings
        .removers
        .push(std::sync::Arc::new(imgc_ssh::RemoteFiles::default()));
    #[cfg(feature = "aws")]
    settings.removers.push(aws().remover());
    #[cfg(not(any(feature = "aws", feature = "rootfs", feature = "ssh")))]
    let _ = settings;
}

/// The problem ids of runs, with one line each.
pub(crate) fn run_ids() -> Vec<(&'static str, &'static str)> {
    #[allow(unused_mut, reason = "without features there is nothing to add")]
    let mut ids = imgc_runtime::error::IDS.to_vec();
    ids.extend_from_slice(imgc_state::IDS);
    #[cfg(feature = "aws")]
    ids.extend_from_slice(imgc_aws::IDS);
    #[cfg(feature = "rootfs")]
    ids.extend_from_slice(imgc_rootfs::IDS);
    #[cfg(feature = "ssh")]
    ids.extend_from_slice(imgc_ssh::IDS);
    ids
}

/// What the builder `rootfs` runs as its helper: this very program.
#[cfg(feature = "rootfs")]
fn this_program() -> PathBuf {
    // Asked for now, it is right even when the file is replaced while a build runs.
    std::env::current_exe()
        .unwrap_or_else(|_| std::env::args_os().next().unwrap_or_default().into())
}
