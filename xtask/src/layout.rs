//! `cargo xtask layout PROGRAM MAP`: which functions common commands execute and which constants they read, so that the linker
//! puts the one together and what nothing reads apart.
//!
//! In: a release program that was linked plainly, with the linker's map of it (`IMGC_PORTABLE=1 cargo rustc --release --locked
//! -p imgc --bin imgc -- -C link-arg=-Wl,-Map=MAP`), valgrind, the tests' cloud and sshd. Out: `cli/layout.ld`, which `cli/build.rs`
//! hands to the linker. Of a program Linux maps whole pieces of 64 KiB; a function that runs, and a table that is read, bring their
//! neighbours into memory, and cost a page fault of their own where they are far apart.
//!
//! Symbols end in a hash of the compiler and the directory. The script has patterns in its place, so that it fits every
//! checkout; where a compiler names its symbols otherwise, they match nothing, and the program is laid out as without it. Most
//! constants have names that tell nothing: they are put apart by the crate that has them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};
use imgc_testbed::{Cloud, Options, Sshd};
use tempfile::TempDir;

use crate::bench::amazon;
use crate::workspace::Workspace;

const SCRIPT: &str = "cli/layout.ld";
/// What is mapped at once, in bytes (`fault_around_bytes`).
const WINDOW: u64 = 64 * 1024;
/// Parts of the names of functions that processors execute which have instructions that valgrind's has not.
const FASTER: [&str; 2] = ["3x8613digest_blocks", "7x86_sha8compress"];
/// The bytes of a table that is worth a line of its own.
const LARGE: u64 = 4 * 1024;
/// Letters of a pattern at least, so that what the next version adds is not named by accident.
const SHORTEST: usize = 46;
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
    let [program, map] = args else {
        bail!("`layout` takes a program and the linker's map of it")
    };
    let program = Path::new(program)
        .canonicalize()
        .with_context(|| format!("there is no {program}"))?;
    let map = std::fs::read_to_string(map).with_context(|| format!("there is no {map}"))?;
    let sections = sections(&map);
    ensure!(
        sections
            .iter()
            .any(|section| section.name.starts_with(".text._R"))
            && !map.contains(EXECUTED),
        "the map has no functions, or those of a program that is laid out already"
    );
    let watch = Watch {
        entry: entry(&program)?,
        program,
        directory: tempfile::tempdir()?,
        sections: &sections,
    };
    let commands = watch.commands()?;
    let functions = commands
        .iter()
        .map(|(what, touched)| (*what, functions(&sections, touched)));
    let groups = ordered(functions.collect());
    let sizes = sizes(&sections);
    for (what, group) in &groups {
        let size: u64 = group
            .iter()
            .map(|name| sizes.get(name).copied().unwrap_or_default())
            .sum();
        println!("{what}: {} functions, {} KiB", group.len(), size / 1024);
    }
    let touched = commands
        .into_iter()
        .flat_map(|(_, touched)| touched)
        .collect();
    let seldom = seldom(&sections, &touched);
    println!("constants apart: {} lines", seldom.len());
    std::fs::write(
        workspace.path(SCRIPT),
        script(&shortened(&groups, &sizes), &seldom),
    )?;
    Ok(ExitCode::SUCCESS)
}

struct Watch<'a> {
    program: PathBuf,
    /// Where it begins, as the file has it.
    entry: u64,
    directory: TempDir,
    sections: &'a [Section],
}

impl Watch<'_> {
    /// The places in the list of sections of those that common commands execute and read, by what these do.
    fn commands(&self) -> Result<Vec<(&'static str, BTreeSet<usize>)>> {
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
            let mut touched = BTreeSet::new();
            for args in commands {
                touched.extend(self.touched(args)?);
            }
            anyhow::Ok(touched)
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

    fn over_ssh(&self) -> Result<BTreeSet<usize>> {
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
        self.touched(&["build", "ssh.json"])
    }

    fn at_amazon(&self) -> Result<BTreeSet<usize>> {
        let cloud = Cloud::start()?;
        let sshd = amazon::machine(&cloud)?;
        let mut touched = BTreeSet::new();
        // What several builds do at once is not what one does; and who comes first is not the same each time.
        for count in [1, 1, 2] {
            let source = |at| amazon::source(&cloud.url(), at, &sshd.user(), sshd.port());
            let builders: Vec<_> = (0..count).map(source).collect();
            let template = amazon::write(self.directory.path(), &builders)?;
            touched.extend(self.touched(&["build", "-force", &template])?);
        }
        Ok(touched)
    }

    /// The sections that one command executes or reads.
    fn touched(&self, args: &[&str]) -> Result<BTreeSet<usize>> {
        let mut valgrind = Command::new("valgrind")
            .args(["--tool=lackey", "--trace-mem=yes"])
            .arg(&self.program)
            .args(args)
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start valgrind: install it")?;
        let end = self
            .sections
            .iter()
            .map(|section| section.address + section.size);
        let mut trace = Trace::new(self.entry, end.max().unwrap_or_default());
        let mut said = String::new();
        let mut lines =
            BufReader::with_capacity(1 << 20, valgrind.stderr.take().context("it is piped")?);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            if !trace.take(&line) {
                said.push_str(&String::from_utf8_lossy(&line));
            }
            line.clear();
        }
        ensure!(
            valgrind.wait()?.success(),
            "`imgc {}` failed:\n{said}",
            args.join(" ")
        );
        ensure!(
            trace.base.is_some(),
            "the trace of `imgc {}` has no beginning:\n{said}",
            args.join(" ")
        );
        let touched = self.sections.iter().enumerate();
        let touched = touched
            .filter(|(_, section)| trace.has(section))
            .map(|(at, _)| at);
        Ok(touched.collect())
    }
}

/// The address at which a program begins: the field `e_entry` of a file in the format ELF, of 64 bits.
fn entry(program: &Path) -> Result<u64> {
    let file = std::fs::read(program)?;
    let field = file.get(24..32).and_then(|field| field.try_into().ok());
    Ok(u64::from_le_bytes(
        field.context("the program is too short")?,
    ))
}

/// What lackey has seen of a program: one line for each access, `I  ADDRESS,SIZE` for an instruction, ` L`, ` S` or ` M` for data.
struct Trace {
    entry: u64,
    /// Where the program has been put, once it runs. What is accessed before is the loader's, who writes addresses all over.
    base: Option<u64>,
    /// By address in units of four bytes.
    seen: Vec<bool>,
}

/// Valgrind puts the loader and the libraries above.
const LIBRARIES: u64 = 0x400_0000;

impl Trace {
    fn new(entry: u64, end: u64) -> Self {
        let units = usize::try_from(end / 4 + 1).unwrap_or_default();
        Self {
            entry,
            base: None,
            seen: vec![false; units],
        }
    }

    /// Whether it is a line of the trace.
    fn take(&mut self, line: &[u8]) -> bool {
        let (is_code, rest) = match line {
            [b'I', b' ', b' ', rest @ ..] => (true, rest),
            [b' ', b'L' | b'S' | b'M', b' ', rest @ ..] => (false, rest),
            _ => return false,
        };
        let digits = rest.split(|byte| *byte == b',').next().unwrap_or_default();
        let Some(address) = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        else {
            return false;
        };
        if self.base.is_none() && is_code && address < LIBRARIES {
            self.base = address
                .checked_sub(self.entry)
                .filter(|base| base % 4096 == 0);
        }
        let at = self.base.and_then(|base| address.checked_sub(base));
        let at = at.and_then(|at| usize::try_from(at / 4).ok());
        if let Some(seen) = at.and_then(|at| self.seen.get_mut(at)) {
            *seen = true;
        }
        true
    }

    fn has(&self, section: &Section) -> bool {
        let unit = |address: u64| usize::try_from(address / 4).unwrap_or(usize::MAX);
        let units = unit(section.address)..unit(section.address + section.size + 3);
        self.seen
            .get(units)
            .is_some_and(|units| units.contains(&true))
    }
}

/// What the linker has put somewhere as a whole.
struct Section {
    address: u64,
    size: u64,
    /// Its name as a pattern of the script's, `.text.…` or `.rodata.…`; empty where it has none that another build would have.
    name: String,
    /// The files that it is from, as a pattern: those of its crate, or of the library in C that a crate has with it.
    origin: String,
}

/// Those in a linker's map: lines of address, address, size, alignment and `FILE:(NAME)`; numbers but the last in hexadecimal
/// digits.
fn sections(map: &str) -> Vec<Section> {
    let mut sections = Vec::new();
    for line in map.lines() {
        let mut words = line.split_ascii_whitespace();
        let mut number = |base| {
            words
                .next()
                .and_then(|word| u64::from_str_radix(word, base).ok())
        };
        let (Some(address), Some(_), Some(size), Some(_)) =
            (number(16), number(16), number(16), number(10))
        else {
            continue;
        };
        // A path may have blanks: from its last piece on.
        let last = line.rsplit('/').next().unwrap_or_default();
        let Some((file, name)) = last
            .trim_end()
            .strip_suffix(')')
            .and_then(|last| last.rsplit_once(":("))
        else {
            continue;
        };
        if size == 0 || !(name.starts_with(".text") || name.starts_with(".rodata")) {
            continue;
        }
        sections.push(Section {
            address,
            size,
            name: named(name).unwrap_or_default(),
            origin: origin(file).unwrap_or_default(),
        });
    }
    sections
}

/// A section's name as a pattern, if it is that of a symbol.
fn named(section: &str) -> Option<String> {
    // Longer ones first.
    let kinds = [".text.unlikely.", ".text.", ".rodata."];
    let (kind, symbol) = kinds
        .iter()
        .find_map(|kind| Some((kind, section.strip_prefix(kind)?)))?;
    // Constants without a name, and those that are merged with their likes.
    if symbol.starts_with(".L")
        || symbol.starts_with("anon.")
        || symbol.starts_with("cst")
        || symbol.starts_with("str")
    {
        return None;
    }
    Some(format!("{kind}{}", pattern(symbol)?))
}

/// A file of a map as a pattern: `PROGRAM-HASH.CRATE-HASH.CRATE.HASH-cgu.NUMBER.rcgu.o`, or `libCRATE-HASH.rlib(…)`.
fn origin(file: &str) -> Option<String> {
    let words: Vec<&str> = file.split('.').collect();
    if let Some(unit) = words.iter().position(|word| word.ends_with("-cgu")) {
        return Some(format!("*.{}.*-cgu.*", words.get(unit.checked_sub(1)?)?));
    }
    let (library, _) = file.split_once(".rlib(")?;
    let (library, _) = library.rsplit_once('-')?;
    Some(format!("*{library}-*"))
}

/// The bytes of all sections that have a name in common.
fn sizes(sections: &[Section]) -> BTreeMap<String, u64> {
    let mut sizes = BTreeMap::new();
    for section in sections {
        *sizes.entry(section.name.clone()).or_default() += section.size;
    }
    sizes
}

/// The names of the functions among what was touched. Those of one name (a generic one has a copy in each module that uses it) can only
/// be moved together: they stay where they are if what nothing executes of them is more than what those bring that something executes.
fn functions(sections: &[Section], touched: &BTreeSet<usize>) -> BTreeSet<String> {
    let mut by_name: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (at, section) in sections.iter().enumerate() {
        if section.name.starts_with(".text.") {
            let (unused, used) = by_name.entry(&section.name).or_default();
            if touched.contains(&at) || FASTER.iter().any(|part| section.name.contains(part)) {
                *used += 1;
            } else {
                *unused += section.size;
            }
        }
    }
    by_name.retain(|_, (unused, used)| *used > 0 && *unused <= WINDOW * *used);
    by_name.into_keys().map(str::to_owned).collect()
}

/// The constants that nothing reads, as lines of a script: of crates of which so little is read that the windows of what is are less than
/// the whole, and large tables of others.
fn seldom(sections: &[Section], touched: &BTreeSet<usize>) -> BTreeSet<String> {
    let constants = || {
        let all = sections.iter().enumerate();
        all.filter(|(_, section)| !section.name.starts_with(".text") && !section.origin.is_empty())
    };
    let mut origins: BTreeMap<&str, (u64, BTreeSet<u64>)> = BTreeMap::new();
    for (at, section) in constants() {
        let (size, windows) = origins.entry(&section.origin).or_default();
        *size += section.size;
        if touched.contains(&at) {
            windows.insert(section.address / WINDOW);
        }
    }
    let mut lines = BTreeSet::new();
    for (origin, (size, windows)) in &origins {
        if *size > WINDOW * windows.len() as u64 {
            lines.insert(apart(origin));
        }
    }
    for (at, section) in constants() {
        let is_large = section.size >= LARGE && !section.name.is_empty();
        let line = apart(&section.origin);
        if is_large && !touched.contains(&at) && !lines.contains(&line) {
            lines.insert(format!("*({})", section.name));
        }
    }
    lines
}

/// What commands execute as parts that nothing is in twice, in an order in which all of a command's parts are
/// neighbours, nearly: in the middle is what the last command, which executes the most, shares with the first ones; behind it what
/// fewer and fewer of them share with it; before it what the last one does not execute, that of the first commands next to the
/// middle. What the two before it, which build as well, have in common the last one is taken to execute too, at another time: which
/// thread finds work, and who waits for whom, is not the same in each run.
fn ordered(commands: Vec<(&str, BTreeSet<String>)>) -> Vec<(String, BTreeSet<String>)> {
    let Some(((last, most), others)) = commands.split_last() else {
        return Vec::new();
    };
    let builds = &others[others.len().saturating_sub(2)..];
    let is_shared = |name: &String| {
        most.contains(name) || builds.iter().all(|(_, executed)| executed.contains(name))
    };
    let mut known: BTreeSet<&String> = BTreeSet::new();
    let mut before = Vec::new();
    let mut behind = Vec::new();
    for (what, executed) in others {
        let new = executed.iter().filter(|name| !known.contains(name));
        let (shared, own): (BTreeSet<String>, BTreeSet<String>) = new.cloned().partition(is_shared);
        before.push((format!("{what}, and not: {last}"), own));
        behind.push((format!("{what}, and: {last}"), shared));
        known.extend(executed);
    }
    let rest = most.iter().filter(|name| !known.contains(name)).cloned();
    let rest = ((*last).to_owned(), rest.collect());
    before
        .into_iter()
        .rev()
        .chain(behind)
        .chain([rest])
        .collect()
}

/// The same groups with patterns that end as soon as they name nothing but what is in the group or in one before it: names of
/// generic functions are hundreds of letters long.
fn shortened(
    groups: &[(String, BTreeSet<String>)],
    all: &BTreeMap<String, u64>,
) -> Vec<(String, BTreeSet<String>)> {
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut short: Vec<(String, BTreeSet<String>)> = Vec::new();
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
        short.push((what.clone(), ends));
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

/// All constants of some files, but for those that are merged with others that are alike (`.rodata.cst8`, `.rodata.str1.1`).
fn apart(origin: &str) -> String {
    format!("{origin}(.rodata .rodata.[!cs]* .rodata.crc*)")
}

/// The name of the section of the functions that commands execute.
const EXECUTED: &str = ".text.executed";

fn script(groups: &[(String, BTreeSet<String>)], seldom: &BTreeSet<String>) -> String {
    let mut text = format!(
        "/* What common commands execute, together, and constants that they do not read, apart: of a program whole pieces are\n   \
         mapped. Written by `cargo xtask layout`, see there. */\nSECTIONS\n{{\n  {EXECUTED} :\n  {{\n",
    );
    for (what, patterns) in groups.iter().filter(|(_, patterns)| !patterns.is_empty()) {
        writeln!(text, "    /* {what} */\n    *(").expect("a string takes every text");
        for pattern in patterns {
            writeln!(text, "      {pattern}").expect("a string takes every text");
        }
        text.push_str("    )\n");
    }
    text.push_str("  }\n}\nINSERT BEFORE .text;\n");
    text.push_str("SECTIONS\n{\n  .rodata.seldom :\n  {\n");
    for line in seldom {
        writeln!(text, "    {line}").expect("a string takes every text");
    }
    text.push_str("  }\n}\nINSERT BEFORE .rodata;\n");
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
        let short = shortened(
            &[("one".to_owned(), first), ("two".to_owned(), second)],
            &all,
        );
        assert_eq!(short[0].1, BTreeSet::from([name("aa*"), name("abb1")]));
        assert_eq!(short[1].1, BTreeSet::from([name("a*"), "short".to_owned()]));
    }

    const MAP: &str = "             VMA              LMA     Size Align Out     In      Symbol
            1000             1000     2000     1 .rodata
            1000             1000     1f00     1         /a b/target/imgc-1.idna-2.idna.3f-cgu.1.rcgu.o.rcgu.o:(.rodata.anon.6f.2)
            2f00             2f00      100     1         /a b/target/imgc-1.imgc.3f-cgu.0.rcgu.o:(.rodata..Lanon.6f.1)
            4000             4000     1000     1         /t/libring-00.rlib(1-x.o):(.rodata.ecp)
            5000             5000       10     1         /t/imgc-1.imgc.3f-cgu.0.rcgu.o:(.text.unlikely._RNvCs123456789_4imgc4main)
            5000             5000       10     1                 imgc::main
            5010             5010    20000     1         /t/imgc-1.imgc.3f-cgu.0.rcgu.o:(.text._RNvCs123456789_4imgc4none)
           25010            25010        8     1         /t/imgc-1.imgc.3f-cgu.1.rcgu.o:(.text._RNvCs123456789_4imgc4none)
           25020            25020       10     1         /t/imgc-1.std-2.std.3f-cgu.0.rcgu.o.rcgu.o:(.text._RNvCs123456789_3std4copy)
           25030            25030      100     1         /t/imgc-1.imgc.3f-cgu.1.rcgu.o:(.text._RNvCs123456789_3std4copy)
";

    #[test]
    fn a_map_tells_what_is_where_and_whose() {
        let sections = sections(MAP);
        let found = |at: usize| {
            (
                sections[at].address,
                sections[at].size,
                &*sections[at].name,
                &*sections[at].origin,
            )
        };
        assert_eq!(sections.len(), 8);
        assert_eq!(found(0), (0x1000, 0x1f00, "", "*.idna.*-cgu.*"));
        assert_eq!(found(2), (0x4000, 0x1000, ".rodata.ecp", "*libring-*"));
        assert_eq!(
            found(3),
            (
                0x5000,
                0x10,
                ".text.unlikely._RNvCs*_4imgc4main",
                "*.imgc.*-cgu.*"
            )
        );
    }

    #[test]
    fn copies_are_moved_where_they_are_small_beside_what_that_saves() {
        let sections = sections(MAP);
        assert_eq!(sizes(&sections)[".text._RNvCs*_3std4copy"], 0x110);
        // Of `none` there is a large copy that nothing executes.
        let wanted = [
            ".text._RNvCs*_3std4copy",
            ".text.unlikely._RNvCs*_4imgc4main",
        ]
        .map(str::to_owned);
        assert_eq!(
            functions(&sections, &BTreeSet::from([3, 5, 6])),
            BTreeSet::from(wanted)
        );
    }

    #[test]
    fn constants_are_put_apart_by_crate_and_large_ones_by_name() {
        let sections = sections(MAP);
        let found = |touched: &[usize]| seldom(&sections, &touched.iter().copied().collect());
        let lines = |lines: [&str; 2]| BTreeSet::from(lines.map(str::to_owned));
        let idna = &*apart("*.idna.*-cgu.*");
        assert_eq!(found(&[1, 2]), BTreeSet::from([idna.to_owned()]));
        assert_eq!(found(&[1]), lines([idna, &*apart("*libring-*")]));
    }

    #[test]
    fn what_a_program_touches_is_counted_from_its_first_instruction() {
        let mut trace = Trace::new(0x5004, 0x2_5130);
        for (line, is_one) in [
            (" S 0010d000,8\n", true),
            ("I  04001090,3\n", true),
            ("==1== imgc: hello\n", false),
            ("I  0010d004,3\n", true),
            (" L 00109010,4\n", true),
            (" L 1ffe000010,4\n", true),
            (" M 0010c000,8\n", true),
        ] {
            assert_eq!(trace.take(line.as_bytes()), is_one, "{line}");
        }
        assert_eq!(trace.base, Some(0x10_8000));
        let sections = sections(MAP);
        let touched = sections
            .iter()
            .map(|section| trace.has(section))
            .collect::<Vec<_>>();
        assert_eq!(
            touched,
            [true, false, true, true, false, false, false, false]
        );
    }

    #[test]
    fn the_parts_of_a_command_are_neighbours() {
        let set = |names: &str| {
            names
                .chars()
                .map(String::from)
                .collect::<BTreeSet<String>>()
        };
        let parts = ordered(vec![
            ("check", set("abx")),
            ("local", set("apxy")),
            ("ssh", set("acpz")),
            ("cloud", set("abcd")),
        ]);
        let parts: Vec<String> = parts
            .into_iter()
            .map(|(_, part)| part.into_iter().collect())
            .collect();
        assert_eq!(parts, ["z", "y", "x", "ab", "p", "c", "d"]);
    }
}
