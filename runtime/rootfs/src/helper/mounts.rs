//! The mounts of a build: the overlay of its layers, devices, and what must not end in the image.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::namespaces::{NOTHING, how_to_permit, is_mapped};
use crate::error::{Attempt, Failure, LAYER, NAMESPACES, Outcome};
use crate::job::MountPlan;

/// Name of the mount point in a build's directory.
pub(super) const MERGED: &str = "m";

/// Options that keep an upper directory plain: no redirections and no files without content, so that it can be packed
/// and can be a lower layer later.
const OVERLAY_OPTIONS: &str = "redirect_dir=nofollow,metacopy=off,index=off";

/// Mounts an overlay at `m` in the current directory. Syncing is left out where the kernel can (nothing of it is worth
/// keeping after a power cut).
pub(super) fn overlay(lowers: &[String], changes: Option<(&str, &str)>) -> Outcome<()> {
    let mut options = format!("lowerdir={},{OVERLAY_OPTIONS}", lowers.join(":"));
    if let Some((upper, scratch)) = changes {
        options.push_str(&format!(",upperdir={upper},workdir={scratch}"));
    }
    if is_mapped() {
        options.push_str(",userxattr");
    }
    let attempt = |options: &str| {
        mount(
            Some("overlay"),
            MERGED,
            Some("overlay"),
            MsFlags::MS_NODEV,
            Some(options),
        )
    };
    let result = match changes {
        Some(_) => attempt(&format!("{options},volatile")).or_else(|_| attempt(&options)),
        None => attempt(&options),
    };
    result.attempt(LAYER, || "the layers cannot be mounted as an overlay").map_err(|failure| {
        failure.help(
            "overlayfs needs a local disk below the temporary directory: set TMPDIR to a directory on ext4, xfs, btrfs \
             or tmpfs that is not itself inside a container's overlay",
        )
    })
}

/// Tries an overlay, a proc and a network namespace, and takes all back.
pub(super) fn probe(directory: &Path) -> Outcome<()> {
    nix::unistd::chdir(directory).attempt(NAMESPACES, || directory.display().to_string())?;
    for name in ["l", "u", "w", MERGED] {
        fs::create_dir(name).attempt(NAMESPACES, || {
            format!("cannot make {}", directory.join(name).display())
        })?;
    }
    fs::create_dir("l/a").attempt(NAMESPACES, || {
        format!("cannot make {}", directory.join("l/a").display())
    })?;
    overlay(&["l".to_owned()], Some(("u", "w")))?;
    // What replaces a directory hides it, which takes a whiteout and an attribute on the upper directory's disk.
    fs::remove_dir("m/a")
        .and_then(|()| fs::create_dir("m/a"))
        .and_then(|()| fs::remove_dir("m/a"))
        .attempt(LAYER, || "the overlay cannot be written")?;
    umount2(MERGED, MntFlags::MNT_DETACH).attempt(LAYER, || "the overlay cannot be unmounted")?;
    mount_proc(Path::new(MERGED))?;
    umount2(MERGED, MntFlags::MNT_DETACH).attempt(LAYER, || "/proc cannot be unmounted")
}

/// A fresh `/proc` for the pid namespace of this process.
pub(super) fn mount_proc(target: &Path) -> Outcome<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), target, Some("proc"), flags, NOTHING)
        .attempt(
            NAMESPACES,
            || "the kernel does not permit a /proc of its own",
        )
        .map_err(how_to_permit)
}

/// Shows a directory at another place, read-only.
pub(super) fn bind_read_only(source: &Path, target: &Path) -> Outcome<()> {
    let what = || format!("{} cannot be mounted", source.display());
    mount(Some(source), target, NOTHING, MsFlags::MS_BIND, NOTHING).attempt(LAYER, what)?;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | inherited(target);
    mount(NOTHING, target, NOTHING, flags, NOTHING).attempt(LAYER, what)
}

/// Flags of a mount that must be repeated when it is changed: in a user namespace those of the machine are locked.
fn inherited(target: &Path) -> MsFlags {
    use nix::sys::statvfs::FsFlags;
    let found = nix::sys::statvfs::statvfs(target).map_or(FsFlags::empty(), |disk| disk.flags());
    [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ]
    .into_iter()
    .filter(|(flag, _)| found.contains(*flag))
    .fold(MsFlags::empty(), |flags, (_, flag)| flags | flag)
}

/// Unmounts everything below a directory, and makes sure that nothing is left mounted there.
pub(super) fn detach_below(directory: &Path) -> Outcome<()> {
    // The last mounted lies on top.
    for path in mounted_below(directory)?.iter().rev() {
        // Gone already with the one it was mounted on.
        let _ = umount2(path, MntFlags::MNT_DETACH);
    }
    match mounted_below(directory)?.first() {
        None => Ok(()),
        Some(path) => Err(Failure::new(
            crate::error::LEFT_BEHIND,
            format!("{} cannot be unmounted", path.display()),
        )),
    }
}

/// Mount points below a directory, in the order of mounting.
fn mounted_below(directory: &Path) -> Outcome<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/thread-self/mountinfo")
        .attempt(LAYER, || "cannot read the mount table")?;
    let directory = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    let points = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(unescape);
    Ok(points
        .filter(|point| point.starts_with(&directory))
        .collect())
}

/// A path of the mount table, where blanks and some others are octal numbers (proc(5)).
fn unescape(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = after
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = octal
            .and_then(|digits| u8::from_str_radix(digits, 8).ok())
            .filter(|_| *first == b'\\');
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() {
            &after[3..]
        } else {
            after
        };
    }
    std::ffi::OsString::from_vec(bytes).into()
}

/// Mounts the root file system anew.
pub(super) fn mount_root(plan: &MountPlan) -> Outcome<()> {
    nix::unistd::chdir(&plan.work).attempt(LAYER, || plan.work.display().to_string())?;
    match umount2(MERGED, MntFlags::MNT_DETACH) {
        // EINVAL: nothing is mounted yet.
        Ok(()) | Err(nix::errno::Errno::EINVAL) => {}
        Err(error) => Err(error).attempt(LAYER, || "the earlier layers cannot be unmounted")?,
    }
    overlay(&plan.lowers, Some((&plan.upper, &plan.scratch)))?;
    let root = Root::open(Path::new(MERGED))?;
    root.bind(&plan.work.join("t/tmp"), "tmp")?;
    root.bind(&plan.work.join("t/run"), "run")?;
    mount_sys(&root)?;
    mount_dev(&root)?;
    for (inside, file) in &plan.files {
        root.bind_file(&plan.work.join(file), inside)?;
    }
    Ok(())
}

/// Adds to a mounted root file system what belongs to one command: `/proc` of its pid namespace and, if it has one, `/sys` of
/// its network namespace.
pub(super) fn complete_root(root: &Path, own_network: bool) -> Outcome<()> {
    let root = Root::open(root)?;
    let (_fd, proc) = root.place("proc")?;
    mount_proc(&proc)?;
    if own_network {
        mount_sys(&root)?;
    }
    Ok(())
}

/// The root file system as a place to mount things in: its symbolic links must not lead out of it.
struct Root {
    directory: OwnedFd,
}

impl Root {
    fn open(path: &Path) -> Outcome<Self> {
        let directory = rustix::fs::open(
            path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .attempt(LAYER, || path.display().to_string())?;
        Ok(Self { directory })
    }

    /// The place of `path`, links followed inside the root.
    fn find(&self, path: &str) -> rustix::io::Result<OwnedFd> {
        openat2(
            &self.directory,
            path,
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT,
        )
    }

    /// A name for the place of `path` by which it can be mounted upon.
    fn place(&self, path: &str) -> Outcome<(OwnedFd, PathBuf)> {
        let fd = self.find(path).attempt(LAYER, || {
            format!("the root file system has no usable /{path}")
        })?;
        let name = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
        Ok((fd, name))
    }

    fn bind(&self, source: &Path, path: &str) -> Outcome<()> {
        let (_fd, name) = self.place(path)?;
        mount(
            Some(source),
            &name,
            NOTHING,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            NOTHING,
        )
        .attempt(LAYER, || format!("/{path} cannot be mounted"))
    }

    /// Shows a file. A link that leads nowhere gets its file if that is below `/run`, which is not part of the image;
    /// any other missing place is left alone.
    fn bind_file(&self, source: &Path, path: &str) -> Outcome<()> {
        if self.find(path).is_err() {
            let Some(target) = self.dangling_below_run(path) else {
                return Ok(());
            };
            let (_fd, run) = self.place("run")?;
            let file = run.join(target);
            let made = file
                .parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| {
                    fs::OpenOptions::new()
                        .create(true)
                        .append(true)
                        .open(&file)
                        .map(|_| ())
                });
            if made.is_err() {
                return Ok(());
            }
        }
        self.bind(source, path)
    }

    /// Where below `/run` the link at `path` leads.
    fn dangling_below_run(&self, path: &str) -> Option<PathBuf> {
        let target = rustix::fs::readlinkat(&self.directory, path, Vec::new()).ok()?;
        let target = target.into_string().ok()?;
        let target = target.trim_start_matches("../").trim_start_matches('/');
        let below = Path::new(
            target
                .strip_prefix("run/")
                .or_else(|| target.strip_prefix("var/run/"))?,
        );
        let plain = below
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        plain.then(|| below.to_owned())
    }
}

/// `/sys`, for looking only.
fn mount_sys(root: &Root) -> Outcome<()> {
    let (_fd, name) = root.place("sys")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY;
    if mount(Some("sysfs"), &name, Some("sysfs"), flags, NOTHING).is_ok() {
        return Ok(());
    }
    // A user namespace may not mount the machine's own; what is there already may be shown.
    root.bind(Path::new("/sys"), "sys")?;
    let (_fd, name) = root.place("sys")?;
    let again = flags | MsFlags::MS_BIND | MsFlags::MS_REMOUNT;
    match mount(NOTHING, &name, NOTHING, again, NOTHING) {
        Ok(()) | Err(nix::errno::Errno::EPERM) => Ok(()),
        Err(error) => Err(error).attempt(LAYER, || "/sys cannot be mounted read-only"),
    }
}

/// A small `/dev`: the harmless devices of the machine, terminals and shared memory of its own.
fn mount_dev(root: &Root) -> Outcome<()> {
    let what = || "/dev cannot be set up";
    let (_fd, name) = root.place("dev")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(
        Some("tmpfs"),
        &name,
        Some("tmpfs"),
        flags,
        Some("mode=755,size=64k"),
    )
    .attempt(LAYER, what)?;
    // Found again: the first handle is of the directory below the mount.
    let (_fd, dev) = root.place("dev")?;
    for node in ["null", "zero", "full", "random", "urandom", "tty"] {
        let place = dev.join(node);
        fs::File::create(&place).attempt(LAYER, what)?;
        let source = Path::new("/dev").join(node);
        mount(Some(&source), &place, NOTHING, MsFlags::MS_BIND, NOTHING).attempt(LAYER, || {
            format!(
                "{} cannot be shown in the root file system",
                source.display()
            )
        })?;
    }
    for directory in ["pts", "shm"] {
        fs::DirBuilder::new()
            .mode(0o755)
            .create(dev.join(directory))
            .attempt(LAYER, what)?;
    }
    let terminals = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let own = "newinstance,ptmxmode=0666,mode=620";
    mount(
        Some("devpts"),
        &dev.join("pts"),
        Some("devpts"),
        terminals,
        Some(format!("{own},gid=5").as_str()),
    )
    .or_else(|_| {
        mount(
            Some("devpts"),
            &dev.join("pts"),
            Some("devpts"),
            terminals,
            Some(own),
        )
    })
    .attempt(LAYER, what)?;
    mount(
        Some("tmpfs"),
        &dev.join("shm"),
        Some("tmpfs"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some("mode=1777"),
    )
    .attempt(LAYER, what)?;
    let links = [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ];
    for (link, target) in links {
        symlink(target, dev.join(link)).attempt(LAYER, what)?;
    }
    fs::set_permissions(&dev, fs::Permissions::from_mode(0o755)).attempt(LAYER, what)
}

/// The mount point of the root file system of a build.
pub(super) fn merged(work: &Path) -> PathBuf {
    work.join(MERGED)
}

/// Fails with a hint when the root file system is not mounted.
pub(super) fn require_mounted(work: &Path) -> Outcome<PathBuf> {
    let root = merged(work);
    if root.is_dir() {
        Ok(root)
    } else {
        Err(Failure::new(LAYER, "the root file system is not mounted"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_read_as_they_are() {
        assert_eq!(unescape(r"/a\040b\134c/d"), PathBuf::from(r"/a b\c/d"));
        assert_eq!(unescape("/plain\\"), PathBuf::from("/plain\\"));
    }
}
