//! The pure crates must carry a `clippy.toml` that bans the ways to the outside world.
//!
//! Clippy does the work; this check sees to it that nobody loses the file or a line of it.

use anyhow::Result;

use crate::workspace::Workspace;

/// The pure crates, by directory; those that do not exist yet are skipped.
const PURE: &[&str] = &["compiler", "compiler/syntax", "compiler/ide"];

/// What each of their `clippy.toml` must ban, each with a reason.
const BANNED: &[&str] = &[
    "std::env::var",
    "std::fs::File::open",
    "std::fs::read",
    "std::fs::read_to_string",
    "std::fs::write",
    "std::path::Path::exists",
    "std::process::Command::new",
    "std::time::Instant::now",
    "std::time::SystemTime::now",
];

pub(super) fn check(workspace: &Workspace) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for directory in PURE {
        if !workspace.path(directory).join("Cargo.toml").exists() {
            continue;
        }
        let file = format!("{directory}/clippy.toml");
        let Ok(text) = std::fs::read_to_string(workspace.path(&file)) else {
            findings.push(format!(
                "{file}: missing; it keeps the crate from the outside world"
            ));
            continue;
        };
        findings.extend(
            missing_bans(&text)
                .into_iter()
                .map(|ban| format!("{file}: does not ban {ban} with a reason")),
        );
    }
    Ok(findings)
}

fn missing_bans(text: &str) -> Vec<&'static str> {
    let banned = |path: &str| {
        let quoted = format!("\"{path}\"");
        text.lines().any(|line| {
            !line.trim_start().starts_with('#') && line.contains(&quoted) && line.contains("reason")
        })
    };
    BANNED
        .iter()
        .copied()
        .filter(|path| !banned(path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_needs_a_reason_and_must_be_in_force() {
        let all: String = BANNED
            .iter()
            .map(|path| format!("    {{ path = \"{path}\", reason = \"a World says it\" }},\n"))
            .collect();
        assert!(missing_bans(&all).is_empty());
        let without = all.replace(
            "\"std::fs::read\", reason = \"a World says it\"",
            "\"std::fs::read\"",
        );
        assert_eq!(missing_bans(&without), ["std::fs::read"]);
        let off = all.replace(
            "    { path = \"std::env::var\"",
            "    # { path = \"std::env::var\"",
        );
        assert_eq!(missing_bans(&off), ["std::env::var"]);
    }
}
