//! Which packages a bootstrap has brought.
//!
//! In: the root file system of a distribution. Out: its packages with their versions, a line each: what an archive had
//! when the image was made, since an archive does not go back in time.

use std::path::Path;

use imgc_runtime::builder::PACKAGES;

/// The packages of the base `title` below `root`, as an entry of an artifact's lineage; `None` where dpkg has none there.
pub(crate) fn lineage(title: &str, root: &Path) -> Option<(String, String)> {
    let status = std::fs::read_to_string(root.join("var/lib/dpkg/status")).ok()?;
    let installed = installed(&status);
    (!installed.is_empty()).then(|| (format!("{PACKAGES}{title}"), installed.join("\n")))
}

/// `name version` of what is installed, sorted; packages of a second architecture as `name:architecture`.
fn installed(status: &str) -> Vec<String> {
    let mut found: Vec<(&str, &str, &str)> = status.split("\n\n").filter_map(package).collect();
    found.sort_unstable();
    let twice = |at: usize| {
        let name = found[at].0;
        at > 0 && found[at - 1].0 == name || found.get(at + 1).is_some_and(|next| next.0 == name)
    };
    let line = |(at, (name, architecture, version)): (usize, &(&str, &str, &str))| match twice(at) {
        true => format!("{name}:{architecture} {version}"),
        false => format!("{name} {version}"),
    };
    found.iter().enumerate().map(line).collect()
}

/// Name, architecture and version of an installed package.
fn package(paragraph: &str) -> Option<(&str, &str, &str)> {
    let field = |name: &str| {
        let mut lines = paragraph.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.map(str::trim)
    };
    let is_there = field("Status")?.ends_with(" installed");
    let found = (field("Package")?, field("Architecture")?, field("Version")?);
    is_there.then_some(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const STATUS: &str = "\
Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1.21.22
Description: a package manager
 Version: not this one

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.36-9

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9

Package: apt
Status: hold ok installed
Architecture: amd64
Version: 2.6.1
";

    #[test]
    fn what_is_installed_is_listed_with_its_version() {
        let directory = tempfile::tempdir().unwrap();
        let dpkg = directory.path().join("var/lib/dpkg");
        std::fs::create_dir_all(&dpkg).unwrap();
        assert_eq!(lineage("debian:x", directory.path()), None);
        std::fs::write(dpkg.join("status"), STATUS).unwrap();
        let (name, list) = lineage("debian:x", directory.path()).unwrap();
        assert_eq!(name, "packages of debian:x");
        assert_eq!(
            list,
            "apt 2.6.1\ndpkg 1.21.22\nlibc6:amd64 2.36-9\nlibc6:i386 2.36-9"
        );
    }
}
