//! What building leaves in a file system although it is no part of it, and differs from one build to the next.
//!
//! With `reproducible = true` these regular files are left out of a layer (they stay visible to later provisioners, so
//! that `apt-get update` in one step serves `apt-get install` in the next), or put in empty:
//!
//! | path | why |
//! |---|---|
//! | `/var/log/dpkg.log`, `alternatives.log`, `bootstrap.log`, `fontconfig.log`, `/var/log/apt/*` | left out: times of the installation |
//! | other `/var/log/**/*.log`, `btmp`, `wtmp`, `lastlog`, `faillog`, `tallylog` | empty, with owner and mode: services expect them |
//! | `/var/lib/apt/lists/*` (except `lock`), `/var/cache/apt/*.bin`, `/var/cache/apt/archives/**.deb` | left out: caches of the package manager |
//! | `/var/lib/dpkg/*-old`, `/var/cache/debconf/*-old` | left out: backups that depend on the order of operations |
//! | `/var/cache/ldconfig/aux-cache`, `/var/cache/man/**/index.db` | left out: caches with inode numbers and times, made again when needed |
//! | `/etc/machine-id` | empty: every machine makes its own |
//! | `/var/lib/dbus/machine-id`, `/var/lib/systemd/random-seed`, `credential.secret`, `/var/lib/urandom/random-seed` | left out: must be unique |
//! | `/root/.bash_history`, `.lesshst`, `.viminfo`, `.wget-hsts`, `.python_history` | left out: traces of an interactive shell |
//!
//! Where the base has such a file and a step changed it, the image keeps the base's. ssh host keys are kept, with a
//! warning: a machine without them would not start its ssh server.

/// What becomes of a regular file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is packed.
    Keep,
    /// It is packed without content.
    Empty,
    /// It is left out.
    Skip,
}

/// What becomes of the regular file at `path` (without leading slash).
pub(crate) fn verdict(path: &str) -> Verdict {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_any = |names: &[&str]| names.contains(&name);
    let skip = match directory {
        "var/log" => is_any(&[
            "dpkg.log",
            "alternatives.log",
            "bootstrap.log",
            "fontconfig.log",
        ]),
        "var/log/apt" => true,
        "var/cache/apt" => name.ends_with(".bin"),
        "var/lib/dpkg" | "var/cache/debconf" => name.ends_with("-old"),
        "var/cache/ldconfig" => name == "aux-cache",
        "var/lib/dbus" => name == "machine-id",
        "var/lib/systemd" => is_any(&["random-seed", "credential.secret"]),
        "var/lib/urandom" => name == "random-seed",
        "root" => is_any(&[
            ".bash_history",
            ".lesshst",
            ".viminfo",
            ".wget-hsts",
            ".python_history",
        ]),
        _ if path.starts_with("var/lib/apt/lists/") => name != "lock",
        _ if path.starts_with("var/cache/apt/archives/") => name.ends_with(".deb"),
        _ if path.starts_with("var/cache/man/") => name == "index.db",
        _ => false,
    };
    let empty = path == "etc/machine-id"
        || (path.starts_with("var/log/") && name.ends_with(".log"))
        || (directory == "var/log" && is_any(&["btmp", "wtmp", "lastlog", "faillog", "tallylog"]));
    match (skip, empty) {
        (true, _) => Verdict::Skip,
        (false, true) => Verdict::Empty,
        (false, false) => Verdict::Keep,
    }
}

/// Whether a file is a private host key of ssh, which every machine made from the image would share.
pub(crate) fn is_host_key(path: &str) -> bool {
    path.strip_prefix("etc/ssh/ssh_host_")
        .is_some_and(|rest| rest.ends_with("_key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_and_logs_of_the_package_manager_stay_out() {
        for path in [
            "var/log/dpkg.log",
            "var/log/apt/history.log",
            "var/log/apt/eipp.log.xz",
            "var/lib/apt/lists/host_dists_bookworm_InRelease",
            "var/lib/apt/lists/partial/x",
            "var/cache/apt/pkgcache.bin",
            "var/cache/apt/archives/partial/a.deb",
            "var/lib/dpkg/status-old",
            "var/cache/ldconfig/aux-cache",
        ] {
            assert_eq!(verdict(path), Verdict::Skip, "{path}");
        }
    }

    #[test]
    fn what_services_expect_stays_without_content() {
        for path in ["etc/machine-id", "var/log/nginx/access.log", "var/log/wtmp"] {
            assert_eq!(verdict(path), Verdict::Empty, "{path}");
        }
    }

    #[test]
    fn similar_names_stay() {
        for path in [
            "var/lib/apt/lists/lock",
            "var/lib/dpkg/status",
            "opt/var/log/dpkg.log",
            "usr/share/app/build.log",
            "home/u/.bash_history",
            "var/lib/dpkg/info/x.list-old",
            "root/machine-id",
        ] {
            assert_eq!(verdict(path), Verdict::Keep, "{path}");
        }
        assert!(is_host_key("etc/ssh/ssh_host_ed25519_key"));
        assert!(!is_host_key("etc/ssh/ssh_host_ed25519_key.pub"));
    }
}
