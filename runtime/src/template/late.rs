//! Which options a component renders itself.

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
