//! The machine, in words that fit any of its kind: no host name, no paths.

use std::process::Command;

use anyhow::Result;

use super::result::{Report, Row};
use crate::workspace::Workspace;

/// A report about this machine, now.
pub(crate) fn report(
    workspace: &Workspace,
    peer: String,
    quick: bool,
    rows: Vec<Row>,
) -> Result<Report> {
    Ok(Report {
        date: said(Command::new("date").arg("+%F")).unwrap_or_default(),
        revision: revision(workspace),
        peer,
        cores: std::thread::available_parallelism()?.get(),
        memory_gib: memory_gib(&std::fs::read_to_string("/proc/meminfo")?),
        kernel: kernel(&std::fs::read_to_string("/proc/sys/kernel/osrelease")?),
        system: system(&std::fs::read_to_string("/etc/os-release").unwrap_or_default()),
        quick,
        rows,
        earlier: std::collections::BTreeMap::new(),
    })
}

/// The revision; with a plus sign when files differ from it.
fn revision(workspace: &Workspace) -> Option<String> {
    let git = |args: &[&str]| {
        said(
            Command::new("git")
                .args(["-c", "safe.directory=*"])
                .args(args)
                .current_dir(workspace.root()),
        )
    };
    let revision = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])
        .is_some_and(|text| !text.is_empty());
    Some(if changed { revision + "+" } else { revision })
}

fn said(command: &mut Command) -> Option<String> {
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn memory_gib(meminfo: &str) -> u64 {
    let kib = meminfo.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?
            .trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()
    });
    (kib.unwrap_or_default() + (1 << 19)) >> 20
}

/// Major and minor version: what follows names a build.
fn kernel(release: &str) -> String {
    let numbers: Vec<&str> = release.trim().split(['.', '-']).take(2).collect();
    format!("Linux {}", numbers.join("."))
}

fn system(os_release: &str) -> String {
    let field = |name: &str| {
        let value = os_release
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.map(|value| value.trim_matches('"').to_owned())
    };
    match (field("NAME"), field("VERSION_ID")) {
        (Some(name), Some(version)) => format!("{name} {version}"),
        (Some(name), None) => name,
        _ => "an unnamed system".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_stays_anonymous() {
        assert_eq!(kernel("6.1.0-37-cloud-amd64\n"), "Linux 6.1");
        assert_eq!(
            memory_gib("MemTotal:       24624000 kB\nMemFree: 1 kB\n"),
            23
        );
        assert_eq!(
            system("PRETTY_NAME=\"D\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n"),
            "Debian GNU/Linux 12"
        );
    }
}
