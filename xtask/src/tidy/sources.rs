//! What must not be in any file: this machine's paths, hosts of package registries; and what every source must have.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::workspace::Workspace;

/// Hosts that serve packages, in two halves so that this file does not name them. A clone must work behind any mirror:
/// cargo, apt and npm know from their own settings where packages come from.
const REGISTRIES: &[(&str, &str)] = &[
    ("index.", "crates.io"),
    ("static.", "crates.io"),
    ("registry.", "npmjs.org"),
    ("registry.", "yarnpkg.com"),
    ("files.", "pythonhosted.org"),
    ("pypi.", "org"),
    ("rubygems.", "org"),
    ("proxy.", "golang.org"),
    ("deb.", "debian.org"),
    ("security.", "debian.org"),
    ("snapshot.", "debian.org"),
    ("archive.", "ubuntu.com"),
    ("security.", "ubuntu.com"),
    ("ports.", "ubuntu.com"),
];

pub(super) fn check(workspace: &Workspace, files: &[PathBuf]) -> Result<Vec<String>> {
    let own = own_paths(workspace);
    let mut findings = Vec::new();
    for file in files {
        let Some(text) = workspace.text(file)? else {
            continue;
        };
        findings.extend(check_text(file, &text, &own));
    }
    Ok(findings)
}

/// Paths that exist only here: the checkout, the home directory and what cargo and rustup keep in it. Directories
/// every machine has (`/root`, `/src`) are too common a word to look for.
fn own_paths(workspace: &Workspace) -> Vec<String> {
    let mut own = vec![workspace.root().to_path_buf()];
    if let Some(home) = std::env::var_os("HOME").map(PathBuf::from) {
        own.push(home.join(".cargo"));
        own.push(home.join(".rustup"));
        own.push(home);
    }
    own.into_iter()
        .filter(|path| path.components().count() > 2)
        .map(|path| path.display().to_string())
        .collect()
}

fn check_text(file: &Path, text: &str, own: &[String]) -> Vec<String> {
    let mut findings = Vec::new();
    let shown = file.display();
    for (index, line) in text.lines().enumerate() {
        let at = format!("{shown}:{}", index + 1);
        if let Some(path) = own.iter().find(|path| line.contains(path.as_str())) {
            findings.push(format!("{at}: `{path}` exists only on this machine"));
        }
        if let Some((start, end)) = REGISTRIES
            .iter()
            .find(|(start, end)| names_host(line, &format!("{start}{end}")))
        {
            findings.push(format!(
                "{at}: `{start}{end}` is a package registry; leave it to the machine's settings"
            ));
        }
        if is_code(file)
            && ["TO".to_owned() + "DO", "FIX".to_owned() + "ME"]
                .iter()
                .any(|word| has_word(line, word))
        {
            findings.push(format!("{at}: do it now, or write an issue"));
        }
    }
    if is_module(file)
        && !text
            .lines()
            .find(|line| !line.is_empty())
            .is_some_and(|line| line.starts_with("//!"))
    {
        findings.push(format!(
            "{shown}: begin with `//!`: what it is for, what comes in, what goes out"
        ));
    }
    if file.ends_with("Cargo.toml")
        && text.contains("[package]")
        && !text.contains("[lints]\nworkspace = true")
        && !is_fuzz(file)
    {
        findings.push(format!(
            "{shown}: take the shared lints: `[lints]` and `workspace = true`"
        ));
    }
    findings
}

/// Whether `host` stands in the line as a whole name, not as the end of a longer one.
fn names_host(line: &str, host: &str) -> bool {
    line.match_indices(host).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + host.len()..].chars().next();
        let part = |char: Option<char>| {
            char.is_some_and(|char| char.is_ascii_alphanumeric() || char == '-')
        };
        !part(before) && before != Some('.') && !part(after)
    })
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|char: char| !char.is_alphanumeric() && char != '_')
        .any(|found| found == word)
}

fn is_code(file: &Path) -> bool {
    file.extension().is_some_and(|end| {
        ["rs", "toml", "sh", "ts", "js"]
            .iter()
            .any(|code| end == *code)
    })
}

/// A Rust file that is a module of a crate, and not only its tests.
fn is_module(file: &Path) -> bool {
    let within = |name: &str| file.components().any(|part| part.as_os_str() == name);
    file.extension().is_some_and(|end| end == "rs")
        && within("src")
        && !within("tests")
        && !file.ends_with("tests.rs")
}

fn is_fuzz(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "fuzz")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(file: &str, text: &str) -> Vec<String> {
        check_text(
            Path::new(file),
            text,
            &["/home/somebody/checkout".to_owned()],
        )
    }

    #[test]
    fn a_path_of_this_machine_is_found() {
        assert_eq!(
            findings("docs/a.md", "fine\nsee /home/somebody/checkout/docs\n"),
            ["docs/a.md:2: `/home/somebody/checkout` exists only on this machine"]
        );
    }

    #[test]
    fn a_registry_is_found_as_a_whole_name_only() {
        let host = ["deb.", "debian.org"].concat();
        assert_eq!(
            findings(
                "examples/a.pkr.hcl",
                &format!("mirror = \"http://{host}/debian\"")
            )
            .len(),
            1
        );
        assert_eq!(
            findings(
                "examples/a.pkr.hcl",
                &format!("mirror = \"http://my.{host}\"")
            )
            .len(),
            0
        );
        assert_eq!(
            findings(
                "examples/a.pkr.hcl",
                &format!("mirror = \"http://{host}ish\"")
            )
            .len(),
            0
        );
    }

    #[test]
    fn a_module_says_what_it_is_for() {
        assert_eq!(findings("cli/src/a.rs", "use std::fmt;\n").len(), 1);
        assert_eq!(findings("cli/src/a.rs", "//! For nothing.\n").len(), 0);
        assert_eq!(findings("cli/tests/a.rs", "use std::fmt;\n").len(), 0);
        assert_eq!(findings("cli/src/a/tests.rs", "use super::*;\n").len(), 0);
    }

    #[test]
    fn a_crate_takes_the_shared_lints() {
        assert_eq!(
            findings("cli/Cargo.toml", "[package]\nname = \"a\"\n").len(),
            1
        );
        assert_eq!(
            findings(
                "cli/Cargo.toml",
                "[package]\nname = \"a\"\n\n[lints]\nworkspace = true\n"
            )
            .len(),
            0
        );
        assert_eq!(findings("Cargo.toml", "[workspace]\n").len(), 0);
    }
}
