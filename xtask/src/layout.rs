//! `cargo xtask layout PROGRAM`: which functions common commands execute, so that the linker puts these together.
//!
//! In: a release program that has its symbols and was linked plainly (`IMGC_PORTABLE=1
//! CARGO_PROFILE_RELEASE_STRIP=none cargo build --release`; valgrind names functions of the section `.text` alone), valgrind, the tests'
//! cloud and sshd. Out: `cli/layout.ld`, which `cli/build.rs` hands to the linker. Of a program's code Linux maps whole pieces of
//! 64 KiB; a function that runs brings its neighbours into memory, and a page fault of its own where they are far apart.
//!
//! Symbols end in a hash of the compiler and the directory. The script has patterns in its place, so that it fits every
//! checkout; where a compiler names its symbols otherwise, they match nothing, and the program is laid out as without it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};
use imgc_testbed::{Cloud, Options, Sshd};
use tempfile::TempDir;

use crate::bench::amazon;
use crate::workspace::Workspace;

const SCRIPT: &str = "cli/layout.ld";
/// Functions of one name, instances of a generic one, stay where they are if they take this many times as much as those that
/// are executed, unless that is little.
const TIMES: u64 = 4;
const LITTLE: u64 = 2 * 1024;
/// Letters of a pattern at least, so that what the next version adds is not named by accident.
const SHORTEST: usize = 40;
/// A template of each kind that is read, with steps that run here.
const HCL: &str = r#"
variable "greeting" {
  default = "hello"
}
locals {
  text = upper("${var.greeting} world")
}
source "null" "a" {
  communicator = "none"
}
source "file" "b" {
  content = local.text
  target  = "b.txt"
}
build {
  sources = ["source.null.a", "source.file.b"]
  provisioner "shell-local" {
    inline = ["echo ${local.text}"]
  }
  post-processor "checksum" {
    only   = ["file.b"]
    output = "b.sum"
  }
}
"#;
const JSON: &str = r#"{ "variables": { "a": "x" }, "builders": [{ "type": "null", "communicator": "none" }],
  "provisioners": [{ "type": "shell-local", "inline": ["echo {{user `a` | upper}}"] }] }"#;
const TOML: &str =
    "[source.null.a]\ncommunicator = \"none\"\n[[build]]\nsources = [\"source.null.a\"]\n";

/// Runs the task.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    let [program] = args else {
        bail!("`layout` takes a program with its symbols")
    };
    let program = Path::new(program)
        .canonicalize()
        .with_context(|| format!("there is no {program}"))?;
    let sizes = sizes(&program)?;
    let watch = Watch {
        program,
        directory: tempfile::tempdir()?,
    };
    let mut groups: Vec<(&str, BTreeSet<String>)> = Vec::new();
    for (what, executed) in watch.commands()? {
        let mut new = patterns(&executed, &sizes);
        new.retain(|name| !groups.iter().any(|(_, group)| group.contains(name)));
        let size: u64 = new.iter().map(|name| sizes.of(name)).sum();
        println!("{what}: {} functions, {} KiB", new.len(), size / 1024);
        groups.push((what, new));
    }
    ensure!(
        groups.iter().any(|(_, group)| group.len() > 100),
        "few functions were seen: is {} stripped, or laid out already?",
        watch.program.display()
    );
    let groups = shortened(&groups, &sizes.by_pattern);
    std::fs::write(workspace.path(SCRIPT), script(&groups))?;
    Ok(ExitCode::SUCCESS)
}

struct Watch {
    program: PathBuf,
    directory: TempDir,
}

impl Watch {
    /// The symbols of the program that common commands execute, by what these do.
    fn commands(&self) -> Result<Vec<(&'static str, BTreeSet<String>)>> {
        let home = self.directory.path();
        for (name, text) in [
            ("hcl/main.pkr.hcl", HCL),
            ("json/main.json", JSON),
            ("toml/main.imgc.toml", TOML),
        ] {
            let path = home.join(name);
            std::fs::create_dir_all(path.parent().context("it has a parent")?)?;
            std::fs::write(path, text)?;
        }
        let all = |commands: &[&[&str]]| {
            let mut executed = BTreeSet::new();
            for args in commands {
                executed.extend(self.functions(args)?);
            }
            anyhow::Ok(executed)
        };
        Ok(vec![
            (
                "an HCL template is checked",
                all(&[&["version"], &["validate", "hcl"]])?,
            ),
            (
                "other templates are checked",
                all(&[
                    &["validate", "json/main.json"],
                    &["validate", "toml"],
                    &["fmt", "-check", "hcl"],
                    &["plan", "hcl"],
                ])?,
            ),
            (
                "builds on this machine",
                all(&[
                    &["apply", "-auto-approve", "hcl"],
                    // Nothing has changed.
                    &["apply", "-auto-approve", "hcl"],
                    &["build", "json/main.json"],
                ])?,
            ),
            ("builds over ssh", self.over_ssh()?),
            ("builds at Amazon", self.at_amazon()?),
        ])
    }

    fn over_ssh(&self) -> Result<BTreeSet<String>> {
        let sshd = Sshd::start(Options::default())?;
        let template = serde_json::json!({
            "builders": [{
                "type": "null",
                "ssh_host": "127.0.0.1",
                "ssh_port": sshd.port(),
                "ssh_username": sshd.user(),
                "ssh_private_key_file": sshd.key(),
                "ssh_timeout": "60s",
            }],
            "provisioners": [
                { "type": "shell", "inline": ["true"] },
                { "type": "file", "source": "json", "destination": sshd.home().join("sent") },
            ],
        });
        std::fs::write(self.directory.path().join("ssh.json"), template.to_string())?;
        self.functions(&["build", "ssh.json"])
    }

    fn at_amazon(&self) -> Result<BTreeSet<String>> {
        let cloud = Cloud::start()?;
        let sshd = amazon::machine(&cloud)?;
        let builders = [amazon::source(&cloud.url(), 0, &sshd.user(), sshd.port())];
        let template = amazon::write(self.directory.path(), &builders)?;
        self.functions(&["build", &template])
    }

    /// The symbols that one command executes.
    fn functions(&self, args: &[&str]) -> Result<BTreeSet<String>> {
        let profile = self.directory.path().join("callgrind.out");
        let mut out = std::ffi::OsString::from("--callgrind-out-file=");
        out.push(&profile);
        let said = Command::new("valgrind")
            .args(["--tool=callgrind", "--demangle=no"])
            .arg(out)
            .arg(&self.program)
            .args(args)
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .output()
            .context("cannot start valgrind: install it")?;
        ensure!(
            said.status.success(),
            "`imgc {}` failed:\n{}{}",
            args.join(" "),
            String::from_utf8_lossy(&said.stdout),
            String::from_utf8_lossy(&said.stderr)
        );
        let name = self.program.file_name().unwrap_or_default();
        let text = std::fs::read_to_string(&profile)?;
        Ok(executed(&text, &name.to_string_lossy()))
    }
}

/// The functions of a program in a profile of callgrind's, whose names are given once and then by number.
fn executed(profile: &str, program: &str) -> BTreeSet<String> {
    let mut names: BTreeMap<(bool, &str), &str> = BTreeMap::new();
    let mut found = BTreeSet::new();
    let mut is_ours = false;
    for line in profile.lines() {
        let Some((key, rest)) = line.split_once("=(") else {
            continue;
        };
        let is_object = match key {
            "ob" | "cob" => true,
            "fn" | "cfn" => false,
            _ => continue,
        };
        let Some((number, name)) = rest.split_once(')') else {
            continue;
        };
        let name = name.trim_start();
        if !name.is_empty() {
            names.insert((is_object, number), name);
        }
        let name = names.get(&(is_object, number)).copied().unwrap_or_default();
        match key {
            "ob" => {
                is_ours = Path::new(name)
                    .file_name()
                    .is_some_and(|file| file == program)
            }
            // A number behind an apostrophe counts recursions.
            "fn" if is_ours => {
                found.insert(name.split('\'').next().unwrap_or(name).to_owned());
            }
            _ => {}
        }
    }
    found
}

/// The sizes of a program's functions.
struct Sizes {
    by_symbol: BTreeMap<String, u64>,
    /// The address of each, and the symbols of each address: functions that are alike are one, under several names, of which the
    /// section has one and the profile another.
    addresses: BTreeMap<String, String>,
    names: BTreeMap<String, Vec<String>>,
    /// Of all that have a pattern in common.
    by_pattern: BTreeMap<String, u64>,
}

impl Sizes {
    fn of(&self, pattern: &str) -> u64 {
        self.by_pattern.get(pattern).copied().unwrap_or_default()
    }

    /// A symbol and all others of its address.
    fn alike<'a>(&'a self, symbol: &'a String) -> impl Iterator<Item = &'a String> {
        let address = self.addresses.get(symbol);
        let names = address.and_then(|address| self.names.get(address));
        let others = names.into_iter().flatten();
        others.filter(move |name| *name != symbol).chain([symbol])
    }
}

fn sizes(program: &Path) -> Result<Sizes> {
    let said = Command::new("nm")
        .args(["--defined-only", "--print-size", "--format=posix"])
        .arg(program)
        .output()
        .context("cannot start nm: install binutils")?;
    let mut sizes = Sizes {
        by_symbol: BTreeMap::new(),
        addresses: BTreeMap::new(),
        names: BTreeMap::new(),
        by_pattern: BTreeMap::new(),
    };
    for line in String::from_utf8_lossy(&said.stdout).lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some("t" | "T"), Some(address), Some(size)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        if let (Some(pattern), Ok(size)) = (pattern(name), u64::from_str_radix(size, 16)) {
            *sizes.by_pattern.entry(pattern).or_default() += size;
            sizes.by_symbol.insert(name.to_owned(), size);
            sizes.addresses.insert(name.to_owned(), address.to_owned());
            let names = sizes.names.entry(address.to_owned()).or_default();
            names.push(name.to_owned());
        }
    }
    Ok(sizes)
}

/// The patterns of what is executed, without those that most of is not.
fn patterns(executed: &BTreeSet<String>, sizes: &Sizes) -> BTreeSet<String> {
    let mut of_pattern: BTreeMap<String, u64> = BTreeMap::new();
    for symbol in executed.iter().flat_map(|symbol| sizes.alike(symbol)) {
        if let (Some(pattern), Some(size)) = (pattern(symbol), sizes.by_symbol.get(symbol)) {
            *of_pattern.entry(pattern).or_default() += size;
        }
    }
    of_pattern.retain(|pattern, executed| {
        let all = sizes.of(pattern);
        all <= LITTLE || all <= TIMES * *executed
    });
    of_pattern.into_keys().collect()
}

/// The same groups with patterns that end as soon as they name nothing but what is in the group or in one before it: names of
/// generic functions are hundreds of letters long.
fn shortened<'a>(
    groups: &[(&'a str, BTreeSet<String>)],
    all: &BTreeMap<String, u64>,
) -> Vec<(&'a str, BTreeSet<String>)> {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut short: Vec<(&str, BTreeSet<String>)> = Vec::new();
    for (what, patterns) in groups {
        known.extend(patterns.iter().map(String::as_str));
        let is_wanted = |start: &str| {
            let named = all.range(start.to_owned()..).map(|(name, _)| name);
            let mut named = named.take_while(|name| name.starts_with(start));
            named.all(|name| known.contains(name.as_str()))
        };
        let mut ends: BTreeSet<String> = BTreeSet::new();
        for pattern in patterns {
            let cuts = (SHORTEST..pattern.len()).filter(|cut| pattern.is_char_boundary(*cut));
            let mut starts = cuts.map(|cut| &pattern[..cut]);
            ends.insert(match starts.find(|start| is_wanted(start)) {
                Some(start) => format!("{}*", start.trim_end_matches('*')),
                None => pattern.clone(),
            });
        }
        short.push((what, ends));
    }
    short
}

/// A symbol with `*` for the hashes in it; `None` for one that no linker script can name.
fn pattern(symbol: &str) -> Option<String> {
    // What several modules of one program use has a number of the module behind its name.
    let (name, number) = match symbol.split_once(".llvm.") {
        Some((name, _)) => (name, ".llvm.*"),
        None => (symbol, ""),
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.$".contains(c);
    if name.is_empty() || !name.chars().all(is_plain) {
        return None;
    }
    if name.starts_with("_ZN") {
        let hash = name.rfind("17h")?;
        return Some(format!("{}17h*", &name[..hash]));
    }
    if !name.starts_with("_R") {
        return Some(name.to_owned());
    }
    // A crate's disambiguator: `Cs`, digits in base 62, `_`.
    let mut pattern = String::new();
    let mut rest = name;
    while let Some(at) = rest.find("Cs") {
        let digits = &rest[at + 2..];
        let end = digits.find(|c: char| !c.is_ascii_alphanumeric());
        match end.filter(|end| (5..=11).contains(end) && digits[*end..].starts_with('_')) {
            Some(end) => {
                pattern.push_str(&rest[..at]);
                pattern.push_str("Cs*_");
                rest = &digits[end + 1..];
            }
            None => {
                pattern.push_str(&rest[..at + 2]);
                rest = digits;
            }
        }
    }
    pattern.push_str(rest);
    pattern.push_str(number);
    Some(pattern)
}

fn script(groups: &[(&str, BTreeSet<String>)]) -> String {
    let mut text = String::from(
        "/* What common commands execute, together: of a program's code whole pieces are mapped.\n   \
         Written by `cargo xtask layout`, see there. */\nSECTIONS\n{\n  .text.executed :\n  {\n",
    );
    for (what, patterns) in groups.iter().filter(|(_, patterns)| !patterns.is_empty()) {
        writeln!(text, "    /* {what} */\n    *(").expect("a string takes every text");
        for pattern in patterns {
            writeln!(text, "      .text.{pattern}").expect("a string takes every text");
        }
        text.push_str("    )\n");
    }
    // What the compiler takes for cold has sections of its own, some of which are used all the same.
    text.push_str("    *(.text.unlikely .text.unlikely.*)\n  }\n}\nINSERT BEFORE .text;\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_left_open() {
        for (symbol, wanted) in [
            (
                "_ZN13imgc_compiler7compile7compile17h0123456789abcdefE",
                "_ZN13imgc_compiler7compile7compile17h*",
            ),
            (
                "_ZN4core3ptr42drop_in_place$LT$alloc..string..String$GT$17h0123456789abcdefE.llvm.12",
                "_ZN4core3ptr42drop_in_place$LT$alloc..string..String$GT$17h*",
            ),
            (
                "_RNvNtNtCsjrHSEGnQ3l9_3std2io5stdio6__print",
                "_RNvNtNtCs*_3std2io5stdio6__print",
            ),
            (
                "_RNvNtCsjrHSEGnQ3l9_4core3ptr.llvm.12",
                "_RNvNtCs*_4core3ptr.llvm.*",
            ),
            ("sqlite3_step", "sqlite3_step"),
        ] {
            assert_eq!(pattern(symbol).as_deref(), Some(wanted));
        }
        assert_eq!(pattern("main@plt"), None);
    }

    #[test]
    fn a_pattern_ends_where_only_what_is_wanted_begins_so() {
        let name = |end: &str| format!("{}{end}", "x".repeat(SHORTEST));
        let all = ["aaa1", "aaa2", "abb1", "abb2", "b"].map(name);
        let all: BTreeMap<String, u64> = all.into_iter().map(|name| (name, 1)).collect();
        let first = BTreeSet::from([name("aaa1"), name("aaa2"), name("abb1")]);
        let second = BTreeSet::from([name("abb2"), "short".to_owned()]);
        let short = shortened(&[("one", first), ("two", second)], &all);
        assert_eq!(short[0].1, BTreeSet::from([name("aa*"), name("abb1")]));
        assert_eq!(short[1].1, BTreeSet::from([name("a*"), "short".to_owned()]));
    }

    #[test]
    fn only_the_programs_own_functions_are_executed() {
        let profile = "ob=(1) /bin/imgc\nfl=(1) a\nfn=(1) one\n1 2\ncob=(2) /lib/libc.so\ncfn=(2) far\ncalls=1 0\n\
                       fn=(3) two'2\n1 1\nob=(2)\nfn=(2)\n1 1\nob=(1)\nfn=(1)\n1 1\n";
        let found: Vec<String> = executed(profile, "imgc").into_iter().collect();
        assert_eq!(found, ["one", "two"]);
    }
}
