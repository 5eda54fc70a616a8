//! `cargo xtask layout PROGRAM`: which functions common commands execute, so that the linker puts these together.
//!
//! In: a release program that has its symbols (`CARGO_PROFILE_RELEASE_STRIP=none cargo build --release`), valgrind, the tests'
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
/// Functions of one name, instances of a generic one, that take more than this stay where they are: most of them are not
/// executed.
const MOST: u64 = 32 * 1024;
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
    let executed = watch.commands()?;
    let (patterns, left_out) = patterns(&executed, &sizes);
    ensure!(
        patterns.len() > 100,
        "{} functions were seen: is {} stripped?",
        patterns.len(),
        watch.program.display()
    );
    std::fs::write(workspace.path(SCRIPT), script(&patterns))?;
    println!(
        "{SCRIPT}: {} functions; {left_out} names with too many instances stay where they are",
        patterns.len()
    );
    Ok(ExitCode::SUCCESS)
}

struct Watch {
    program: PathBuf,
    directory: TempDir,
}

impl Watch {
    /// The symbols of the program that common commands execute.
    fn commands(&self) -> Result<BTreeSet<String>> {
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
        let mut executed = BTreeSet::new();
        for args in [
            &["version"][..],
            &["validate", "hcl"],
            &["validate", "json/main.json"],
            &["validate", "toml"],
            &["fmt", "-check", "hcl"],
            &["plan", "hcl"],
            &["apply", "-auto-approve", "hcl"],
            // Nothing has changed.
            &["apply", "-auto-approve", "hcl"],
            &["build", "json/main.json"],
            &["history", "-state=hcl/.imgc"],
        ] {
            executed.extend(self.functions(args)?);
        }
        executed.extend(self.over_ssh()?);
        executed.extend(self.at_amazon()?);
        Ok(executed)
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

/// The size of all functions of a program, by the pattern that their names have in common.
fn sizes(program: &Path) -> Result<BTreeMap<String, u64>> {
    let said = Command::new("nm")
        .args(["--defined-only", "--print-size", "--format=posix"])
        .arg(program)
        .output()
        .context("cannot start nm: install binutils")?;
    let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
    for line in String::from_utf8_lossy(&said.stdout).lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some("t" | "T"), _, Some(size)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        if let (Some(pattern), Ok(size)) = (pattern(name), u64::from_str_radix(size, 16)) {
            *sizes.entry(pattern).or_default() += size;
        }
    }
    Ok(sizes)
}

/// The patterns of what is executed, and how many have too many instances.
fn patterns(
    executed: &BTreeSet<String>,
    sizes: &BTreeMap<String, u64>,
) -> (BTreeSet<String>, usize) {
    let all: BTreeSet<String> = executed.iter().filter_map(|name| pattern(name)).collect();
    let number = all.len();
    let is_small = |name: &String| sizes.get(name).is_some_and(|size| *size <= MOST);
    let kept: BTreeSet<String> = all.into_iter().filter(is_small).collect();
    let left_out = number - kept.len();
    (kept, left_out)
}

/// A symbol with `*` for the hashes in it; `None` for one that no linker script can name.
fn pattern(symbol: &str) -> Option<String> {
    let name = symbol.split(".llvm.").next().unwrap_or(symbol);
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
    Some(pattern)
}

fn script(patterns: &BTreeSet<String>) -> String {
    let mut text = String::from(
        "/* What common commands execute, together: of a program's code whole pieces are mapped.\n   \
         Written by `cargo xtask layout`, see there. */\n\
         SECTIONS\n{\n  .text.executed :\n  {\n    *(\n",
    );
    for pattern in patterns {
        writeln!(text, "      .text.{pattern}").expect("a string takes every text");
    }
    text.push_str("    )\n  }\n}\nINSERT BEFORE .text;\n");
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
            ("sqlite3_step", "sqlite3_step"),
        ] {
            assert_eq!(pattern(symbol).as_deref(), Some(wanted));
        }
        assert_eq!(pattern("main@plt"), None);
    }

    #[test]
    fn only_the_programs_own_functions_are_executed() {
        let profile = "ob=(1) /bin/imgc\nfl=(1) a\nfn=(1) one\n1 2\ncob=(2) /lib/libc.so\ncfn=(2) far\ncalls=1 0\n\
                       fn=(3) two'2\n1 1\nob=(2)\nfn=(2)\n1 1\nob=(1)\nfn=(1)\n1 1\n";
        let found: Vec<String> = executed(profile, "imgc").into_iter().collect();
        assert_eq!(found, ["one", "two"]);
    }
}
