//! Entering and making namespaces, and what a command may do in them.

use std::fs::File;
use std::path::Path;

use caps::{CapSet, Capability};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};
use nix::unistd::{chdir, chroot, pivot_root};

use crate::error::{Attempt, Failure, NAMESPACES, Outcome};
use crate::job::Isolation;

/// Nothing but flags and a path.
pub(super) const NOTHING: Option<&str> = None;

/// Enters the namespaces that process `pid` holds. The caller's next child is in all of them.
pub(super) fn enter(pid: &str) -> Outcome<()> {
    let open = |kind: &str| File::open(format!("/proc/{pid}/ns/{kind}"));
    let gone = || "the build's namespaces have gone";
    let user = open("user").attempt(NAMESPACES, gone)?;
    let mounts = open("mnt").attempt(NAMESPACES, gone)?;
    let pids = open("pid").attempt(NAMESPACES, gone)?;
    if !same_file(&user, Path::new("/proc/self/ns/user")) {
        setns(&user, CloneFlags::CLONE_NEWUSER)
            .attempt(NAMESPACES, || "cannot enter the user namespace")?;
    }
    setns(&pids, CloneFlags::CLONE_NEWPID)
        .attempt(NAMESPACES, || "cannot enter the pid namespace")?;
    setns(&mounts, CloneFlags::CLONE_NEWNS)
        .attempt(NAMESPACES, || "cannot enter the mount namespace")
}

/// Makes the namespaces that `isolation` asks for.
pub(super) fn isolate(isolation: Isolation) -> Outcome<()> {
    let own = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID;
    let command = own | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    let flags = match isolation {
        Isolation::Shared => return Ok(()),
        Isolation::Own => own,
        Isolation::Command => command,
        Isolation::Offline => command | CloneFlags::CLONE_NEWNET,
    };
    unshare(flags)
        .attempt(
            NAMESPACES,
            || "the kernel does not permit the namespaces of a command",
        )
        .map_err(how_to_permit)?;
    if isolation == Isolation::Offline {
        raise_loopback().attempt(
            NAMESPACES,
            || "the loopback device of a network namespace does not start",
        )?;
    }
    Ok(())
}

fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(one), Ok(other)) => one.dev() == other.dev() && one.ino() == other.ino(),
        _ => false,
    }
}

/// Adds the settings that usually are in the way.
pub(super) fn how_to_permit(failure: Failure) -> Failure {
    failure.help(
        "the rootfs builder needs namespaces: run as root, or permit them to ordinary users \
         (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, \
         kernel.apparmor_restrict_unprivileged_userns=0); in a container they need CAP_SYS_ADMIN",
    )
}

/// Keeps every mount made from now on inside this mount namespace.
pub(super) fn make_mounts_private() -> Outcome<()> {
    mount(
        NOTHING,
        "/",
        NOTHING,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        NOTHING,
    )
    .attempt(NAMESPACES, || "the mount namespace cannot be made private")
}

/// Whether this process's root is less than the machine's root: in a user namespace with mapped ids.
pub(super) fn is_mapped() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let mut words = map.split_whitespace();
    (words.next(), words.next(), words.next()) != (Some("0"), Some("0"), Some("4294967295"))
}

/// Makes `root`, a mount point, this process's `/`; the machine's file system is out of reach afterwards.
pub(super) fn change_root(root: &Path) -> Outcome<()> {
    let what = || "the root file system cannot be entered";
    chdir(root).attempt(NAMESPACES, what)?;
    if pivot_root(".", ".").is_ok() {
        umount2(".", MntFlags::MNT_DETACH).attempt(NAMESPACES, what)?;
    } else {
        // The machine runs from its initial RAM disk, which cannot be exchanged.
        mount(Some("."), "/", NOTHING, MsFlags::MS_MOVE, NOTHING).attempt(NAMESPACES, what)?;
        chroot(".").attempt(NAMESPACES, what)?;
    }
    chdir("/").attempt(NAMESPACES, what)
}

/// What a build's commands never need of the machine they run on.
const WITHHELD: &[Capability] = &[
    Capability::CAP_AUDIT_CONTROL,
    Capability::CAP_AUDIT_READ,
    Capability::CAP_BLOCK_SUSPEND,
    Capability::CAP_MAC_ADMIN,
    Capability::CAP_MAC_OVERRIDE,
    Capability::CAP_SYSLOG,
    Capability::CAP_SYS_BOOT,
    Capability::CAP_SYS_MODULE,
    Capability::CAP_SYS_RAWIO,
    Capability::CAP_SYS_TIME,
    Capability::CAP_WAKE_ALARM,
];

/// Gives up for good, for this process and its children, the rights to change the machine itself: its kernel modules,
/// clock, audit and (with the machine's own network) its network settings.
pub(super) fn withhold_rights(host_network: bool) -> Outcome<()> {
    let network = host_network.then_some(Capability::CAP_NET_ADMIN);
    for capability in WITHHELD.iter().copied().chain(network) {
        let held = caps::has_cap(None, CapSet::Bounding, capability).unwrap_or(false);
        if held {
            caps::drop(None, CapSet::Bounding, capability).map_err(|error| {
                Failure::new(NAMESPACES, format!("rights cannot be given up: {error}"))
            })?;
        }
    }
    Ok(())
}

/// Sets the loopback device, number 1 in every network namespace, up: `RTM_NEWLINK` of rtnetlink(7).
fn raise_loopback() -> nix::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const NLM_F_REQUEST_ACK: u16 = 1 | 4;
    const IFF_UP: u32 = 1;
    let mut message = Vec::with_capacity(32);
    message.extend(32_u32.to_ne_bytes());
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST_ACK.to_ne_bytes());
    message.extend([0; 8]); // sequence, port
    message.extend([0; 4]); // family, padding, device type
    message.extend(1_i32.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    use std::os::fd::AsRawFd;
    sendto(
        socket.as_raw_fd(),
        &message,
        &NetlinkAddr::new(0, 0),
        MsgFlags::empty(),
    )?;
    let mut reply = [0_u8; 64];
    let length = recv(socket.as_raw_fd(), &mut reply, MsgFlags::empty())?;
    // An acknowledgement is an error message with code 0 after the 16 bytes of its header.
    let code = match reply.get(16..20) {
        Some(code) if length >= 20 => i32::from_ne_bytes([code[0], code[1], code[2], code[3]]),
        _ => return Err(nix::errno::Errno::EPROTO),
    };
    if code == 0 {
        Ok(())
    } else {
        Err(nix::errno::Errno::from_raw(-code))
    }
}
