//! Which options a component renders itself, and the names it has for their templates.

use imgc_compiler::components::ComponentKind;

const TAGS: &[&str] = &[
    "ami_description",
    "fleet_tag",
    "fleet_tags",
    "run_tag",
    "run_tags",
    "run_volume_tag",
    "run_volume_tags",
    "snapshot_tag",
    "snapshot_tags",
    "spot_tag",
    "spot_tags",
    "tag",
    "tags",
];
const OF_CHROOT: &[&str] = &[
    "ami_description",
    "command_wrapper",
    "mount_path",
    "post_mount_commands",
    "pre_mount_commands",
    "root_volume_tag",
    "root_volume_tags",
    "snapshot_tag",
    "snapshot_tags",
    "tag",
    "tags",
];
const OF_VOLUMES: &[&str] = &[
    "ebs_volumes",
    "fleet_tag",
    "fleet_tags",
    "run_tag",
    "run_tags",
    "run_volume_tag",
    "run_volume_tags",
    "spot_tag",
    "spot_tags",
];
const OF_BUNDLES: &[&str] = &[
    "ami_description",
    "bundle_upload_command",
    "bundle_vol_command",
    "fleet_tag",
    "fleet_tags",
    "run_tag",
    "run_tags",
    "snapshot_tag",
    "snapshot_tags",
    "spot_tag",
    "spot_tags",
    "tag",
    "tags",
];
const GUEST_ADDITIONS: &[&str] = &[
    "boot_command",
    "guest_additions_path",
    "guest_additions_url",
    "vboxmanage",
    "vboxmanage_post",
];

/// The options whose strings are rendered by the component itself, with names of its own: those that Packer's component
/// of that name keeps from being rendered before.
pub fn late(kind: ComponentKind, name: &str) -> &'static [&'static str] {
    match kind {
        ComponentKind::Builder => builder(name),
        ComponentKind::Provisioner => provisioner(name),
        ComponentKind::PostProcessor => post_processor(name),
        ComponentKind::Communicator | ComponentKind::DataSource => &[],
    }
}

/// What is known of the image that a build of Amazon starts from.
const OF_SOURCE: &[&str] = &[
    "BuildRegion",
    "SourceAMI",
    "SourceAMICreationDate",
    "SourceAMIName",
    "SourceAMIOwner",
    "SourceAMIOwnerName",
    "SourceAMITags",
];
/// Names and descriptions that are rendered before anything is known of that image.
const NAMES: &[&str] = &[
    "ami_name",
    "bundle_prefix",
    "snapshot_description",
    "temporary_key_pair_name",
];

/// The names after a dot that the templates in an option know: those of the option, and those of its component. `None` where
/// that is not known of the component, or where the text may be meant for somebody else.
pub(super) fn fields(
    kind: ComponentKind,
    name: &str,
    option: &str,
) -> Option<(&'static [&'static str], &'static [&'static str])> {
    let own: &[&str] = match (kind, name, option) {
        (ComponentKind::PostProcessor, "amazon-ssm-parameter", _) => {
            let fields = &["BuildRegion", "ImageID", "Region"][..];
            return late(kind, name).contains(&option).then_some((fields, &[]));
        }
        (ComponentKind::Builder, "amazon-chroot", "command_wrapper") => {
            return Some((&["Command"], &[]));
        }
        (ComponentKind::Builder, "amazon-chroot", "mount_path" | "pre_mount_commands") => {
            &["Device"]
        }
        (ComponentKind::Builder, "amazon-chroot", "post_mount_commands") => {
            &["Device", "MountPath"]
        }
        (ComponentKind::Builder, "amazon-instance", "bundle_vol_command") => &[
            "AccountId",
            "Architecture",
            "CertPath",
            "Destination",
            "KeyPath",
            "Prefix",
            "PrivatePath",
        ],
        (ComponentKind::Builder, "amazon-instance", "bundle_upload_command") => &[
            "AccessKey",
            "BucketName",
            "BundleDirectory",
            "ManifestPath",
            "Region",
            "SecretKey",
            "Token",
        ],
        (ComponentKind::Builder, _, _) => &[],
        _ => return None,
    };
    let is_amazon = AMAZON.contains(&name);
    match is_amazon {
        true if late(kind, name).contains(&option) => Some((own, OF_SOURCE)),
        true if NAMES.contains(&option) => Some((&[], &[])),
        _ => None,
    }
}

/// The builders whose names are known here.
const AMAZON: &[&str] = &[
    "amazon-chroot",
    "amazon-ebs",
    "amazon-ebssurrogate",
    "amazon-ebsvolume",
    "amazon-instance",
];

fn builder(name: &str) -> &'static [&'static str] {
    match name {
        "amazon-chroot" => OF_CHROOT,
        "amazon-ebs" | "amazon-ebssurrogate" => TAGS,
        "amazon-ebsvolume" => OF_VOLUMES,
        "amazon-instance" => OF_BUNDLES,
        "docker" => &["run_command"],
        "hyperv-iso" | "hyperv-vmcx" | "proxmox-iso" | "proxmox-clone" | "vsphere-iso" => {
            &["boot_command"]
        }
        "qemu" => &["boot_command", "boot_steps", "qemuargs"],
        "virtualbox-iso" | "virtualbox-ovf" | "virtualbox-vm" => GUEST_ADDITIONS,
        "vmware-iso" | "vmware-vmx" => &["boot_command", "tools_upload_path"],
        _ => &[],
    }
}

fn provisioner(name: &str) -> &'static [&'static str] {
    match name {
        "shell" | "shell-local" | "windows-shell" => &["execute_command"],
        "powershell" => &["elevated_execute_command", "execute_command"],
        "ansible" => &["inventory_file_template"],
        "chef-client" => &["execute_command", "install_command", "knife_command"],
        "chef-solo" => &["execute_command", "install_command"],
        "puppet-masterless" | "puppet-server" => &["execute_command"],
        _ => &[],
    }
}

fn post_processor(name: &str) -> &'static [&'static str] {
    match name {
        "amazon-ssm-parameter" => &["description", "parameter", "tags"],
        "checksum" | "compress" | "vagrant" => &["output"],
        "shell-local" => &["execute_command"],
        "vagrant-cloud" | "vagrant-registry" => &["box_download_url"],
        _ => &[],
    }
}
