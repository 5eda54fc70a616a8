//! Options that go by other names now, for templates that are older than the names.
//!
//! The old name goes on working where the new one can take its value; a warning tells the new one.

use crate::components::ComponentKind;

/// What an old option became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Successor {
    /// An option that takes the same value.
    Option(&'static str),
    /// An option that takes the same value behind a prefix: `iso_md5 = X` is `iso_checksum = "md5:X"`.
    Prefixed(&'static str, &'static str),
    /// The kind of another option's value: `iso_checksum_type = X` makes `iso_checksum` begin with `X:`.
    KindOf(&'static str),
    /// An option that takes a word; the words for true and false.
    Word(&'static str, &'static str, &'static str),
    /// An option inside a block.
    Inside(&'static str, &'static str),
    /// An option or block that takes something else.
    Other(&'static str),
    /// It is not needed any more.
    Nothing,
}

/// Old names: the kind, components whose names begin so, the old name, and what it became.
const RENAMES: &[(ComponentKind, &str, &str, Successor)] = {
    use ComponentKind::{Builder, PostProcessor, Provisioner};
    use Successor::{Inside, KindOf, Nothing, Option, Other, Prefixed, Word};
    &[
        (
            Builder,
            "amazon-",
            "enhanced_networking",
            Option("ena_support"),
        ),
        (
            Builder,
            "amazon-",
            "ssh_private_ip",
            Word("ssh_interface", "private_ip", "public_ip"),
        ),
        (
            Builder,
            "amazon-",
            "shutdown_behaviour",
            Option("shutdown_behavior"),
        ),
        (
            Builder,
            "amazon-",
            "temporary_security_group_source_cidr",
            Option("temporary_security_group_source_cidrs"),
        ),
        (Builder, "amazon-", "spot_price_auto_product", Nothing),
        (
            Builder,
            "amazon-",
            "tenancy",
            Inside("placement", "tenancy"),
        ),
        (
            Builder,
            "amazon-",
            "enable_t2_unlimited",
            Option("enable_unlimited_credits"),
        ),
        (Builder, "docker", "login_email", Nothing),
        (Builder, "hyperv-", "cpu", Option("cpus")),
        (Builder, "hyperv-", "ram_size", Option("memory")),
        (Builder, "hyperv-", "vhd_temp_path", Nothing),
        (
            Builder,
            "hyperv-vmcx",
            "clone_from_vmxc_path",
            Option("clone_from_vmcx_path"),
        ),
        (
            Builder,
            "openstack",
            "floating_ip_pool",
            Option("floating_ip_network"),
        ),
        (
            Builder,
            "parallels-",
            "guest_os_distribution",
            Option("guest_os_type"),
        ),
        (Builder, "parallels-", "parallels_tools_host_path", Nothing),
        (Builder, "parallels-", "headless", Nothing),
        (Builder, "proxmox", "efidisk", Other("efi_config")),
        (Builder, "proxmox", "iso_download_pve", Other("boot_iso")),
        (Builder, "proxmox", "iso_file", Other("boot_iso")),
        (Builder, "proxmox", "iso_storage_pool", Other("boot_iso")),
        (Builder, "proxmox", "unmount_iso", Other("boot_iso")),
        (Builder, "scaleway", "access_key", Option("organization_id")),
        (
            Builder,
            "virtualbox-",
            "guest_additions_attach",
            Word("guest_additions_mode", "attach", "upload"),
        ),
        (
            Builder,
            "vsphere-iso",
            "network",
            Inside("network_adapters", "network"),
        ),
        (
            Builder,
            "vsphere-iso",
            "networkCard",
            Inside("network_adapters", "network_card"),
        ),
        (
            Builder,
            "vsphere-iso",
            "network_card",
            Inside("network_adapters", "network_card"),
        ),
        (
            Builder,
            "vsphere-iso",
            "disk_size",
            Inside("storage", "disk_size"),
        ),
        (
            Builder,
            "vsphere-iso",
            "disk_thin_provisioned",
            Inside("storage", "disk_thin_provisioned"),
        ),
        (
            Builder,
            "vsphere-iso",
            "disk_eagerly_scrub",
            Inside("storage", "disk_eagerly_scrub"),
        ),
        (Builder, "", "iso_checksum_type", KindOf("iso_checksum")),
        (
            Builder,
            "",
            "iso_checksum_url",
            Prefixed("iso_checksum", "file:"),
        ),
        (Builder, "", "iso_md5", Prefixed("iso_checksum", "md5:")),
        (
            Builder,
            "",
            "ssh_disable_agent",
            Option("ssh_disable_agent_forwarding"),
        ),
        (Builder, "", "ssh_host_port_max", Option("host_port_max")),
        (Builder, "", "ssh_host_port_min", Option("host_port_min")),
        (Builder, "", "ssh_key_path", Option("ssh_private_key_file")),
        (
            Builder,
            "",
            "ssh_skip_nat_mapping",
            Option("skip_nat_mapping"),
        ),
        (Builder, "", "ssh_wait_timeout", Option("ssh_timeout")),
        (
            Provisioner,
            "ansible-local",
            "galaxycommand",
            Option("galaxy_command"),
        ),
        (Provisioner, "shell-local", "command", Other("inline")),
        (PostProcessor, "docker-", "login_email", Nothing),
        (PostProcessor, "docker-tag", "tag", Option("tags")),
        (PostProcessor, "manifest", "filename", Option("output")),
        (PostProcessor, "shell-local", "command", Other("inline")),
    ]
};

/// Old names inside blocks, whatever the component.
const IN_BLOCKS: &[(&str, Successor)] = &[
    (
        "exlude_from_latest",
        Successor::Option("exclude_from_latest"),
    ),
    ("replication_regions", Successor::Other("target_region")),
];

/// The old names of a component's options.
pub(super) fn of(
    kind: ComponentKind,
    component: &str,
) -> impl Iterator<Item = (&'static str, Successor)> {
    RENAMES
        .iter()
        .filter(move |(k, prefix, ..)| *k == kind && component.starts_with(prefix))
        .map(|(_, _, old, successor)| (*old, *successor))
}

/// The same for an option of a block.
pub(super) fn in_block(option: &str) -> Option<Successor> {
    IN_BLOCKS
        .iter()
        .find(|(old, _)| *old == option)
        .map(|(_, successor)| *successor)
}

impl Successor {
    /// The option or block that takes its place.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Option(name)
            | Self::Prefixed(name, _)
            | Self::KindOf(name)
            | Self::Word(name, ..)
            | Self::Inside(name, _)
            | Self::Other(name) => Some(name),
            Self::Nothing => None,
        }
    }
}
