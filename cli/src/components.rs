//! The components of this binary: the runtime's own and those of the leaf crates that are built in.

#[cfg(feature = "rootfs")]
mod mapped;

#[cfg(feature = "rootfs")]
use std::path::PathBuf;

use imgc_compiler::components::ComponentKind;
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
    let left_out = FEATURES.iter().filter(|(_, built, ..)| !built);
    for (feature, _, kind, names) in left_out {
        let names = names.iter().map(|name| ((*kind, *name), *feature));
        registry.left_out.extend(names);
    }
    registry
}

/// What each feature brings: its name, whether this program has it, and the components.
const FEATURES: [(&str, bool, ComponentKind, &[&str]); 6] = [
    (
        "aws",
        cfg!(feature = "aws"),
        ComponentKind::Builder,
        &[
            "amazon-chroot",
            "amazon-ebs",
            "amazon-ebssurrogate",
            "amazon-ebsvolume",
            "amazon-instance",
        ],
    ),
    (
        "aws",
        cfg!(feature = "aws"),
        ComponentKind::PostProcessor,
        &["amazon-import", "amazon-retention", "amazon-ssm-parameter"],
    ),
    (
        "aws",
        cfg!(feature = "aws"),
        ComponentKind::DataSource,
        &[
            "amazon-ami",
            "amazon-parameterstore",
            "amazon-secretsmanager",
        ],
    ),
    (
        "http",
        cfg!(feature = "http"),
        ComponentKind::DataSource,
        &["http"],
    ),
    (
        "rootfs",
        cfg!(feature = "rootfs"),
        ComponentKind::Builder,
        &["rootfs"],
    ),
    (
        "ssh",
        cfg!(feature = "ssh"),
        ComponentKind::Communicator,
        &["ssh"],
    ),
];

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use imgc_compiler::components::ComponentKind;
    use imgc_runtime::registry::{self, Registry};

    /// What is not the runtime's own comes by a feature, and a program without it names the feature.
    #[test]
    #[cfg(all(feature = "aws", feature = "http", feature = "rootfs", feature = "ssh"))]
    fn every_component_of_a_leaf_crate_is_known_by_its_feature() {
        let own = names(&registry::builtin());
        let all = names(&super::registry());
        let listed: BTreeSet<(ComponentKind, &str)> = super::FEATURES
            .iter()
            .flat_map(|(_, _, kind, names)| names.iter().map(|name| (*kind, *name)))
            .collect();
        assert_eq!(
            all.difference(&own).copied().collect::<BTreeSet<_>>(),
            listed
        );
    }

    fn names(of: &Registry) -> BTreeSet<(ComponentKind, &'static str)> {
        let builders = of
            .builders
            .keys()
            .map(|name| (ComponentKind::Builder, *name));
        let communicators = of.communicators.keys();
        let provisioners = of.provisioners.keys();
        let post_processors = of.post_processors.keys();
        let data_sources = of.data_sources.keys();
        builders
            .chain(communicators.map(|name| (ComponentKind::Communicator, *name)))
            .chain(provisioners.map(|name| (ComponentKind::Provisioner, *name)))
            .chain(post_processors.map(|name| (ComponentKind::PostProcessor, *name)))
            .chain(data_sources.map(|name| (ComponentKind::DataSource, *name)))
            .collect()
    }
}
