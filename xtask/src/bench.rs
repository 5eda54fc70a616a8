//! `cargo xtask bench`: imgc against Debian's `packer`, in the same run and in turns.
//!
//! In: a release build of imgc, the peer's program, the testbed's sshd. Out: a table on the terminal and, for a whole
//! run or with `--write`, `docs/benchmarks.md` with `docs/benchmarks.json`: rows that were not measured stay, with their date. Every template is generated, into a directory in memory where
//! there is one, and what was copied is compared with its source each time.

pub(crate) mod amazon;
mod compile;
mod compiling;
mod durable;
mod editor;
mod machine;
mod page;
mod parallel;
mod process;
mod result;
mod sampler;
mod startup;
mod templates;
mod transfer;
mod turns;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use self::process::Job;
use self::result::{Report, Row};
use crate::workspace::Workspace;

/// The generated page.
pub(crate) const PAGE: &str = "docs/benchmarks.md";
const DATA: &str = "docs/benchmarks.json";

/// A row's name and how it is measured.
type Measure = fn(&Bench) -> Result<Row>;

const ROWS: &[(&str, Measure)] = &[
    ("start-up", startup::start_up),
    ("validate-one", startup::validate_one),
    ("validate-300", startup::validate_300),
    ("run-100", parallel::run_100),
    ("run-300", parallel::run_300),
    ("ssh-one", transfer::ssh_one),
    ("tree", transfer::tree),
    ("tree-distant", transfer::tree_distant),
    ("big-file", transfer::big_file),
    ("compile", compile::compile),
    ("editor-5000", editor::editor_5000),
    ("editor-50000", editor::editor_50000),
    ("editor-thousand", editor::thousand),
    ("recovery", editor::recovery),
    ("quickstart", durable::quickstart),
    ("reuse-ten", durable::ten),
    ("state-300", durable::state_300),
    ("amazon-one", amazon::one),
    ("amazon-fifty", amazon::fifty),
    ("amazon-pending", amazon::pending),
    (ON_REQUEST, compiling::cold_build),
];
/// Measured where it is named: it takes the better part of an hour.
const ON_REQUEST: &str = "cold-build";

/// What every row needs.
pub(crate) struct Bench {
    scratch: TempDir,
    disk: TempDir,
    /// Absent with `--peer-only`.
    imgc: Option<PathBuf>,
    quick: bool,
}

impl Bench {
    /// A fresh directory for a row.
    pub(crate) fn directory(&self, name: &str) -> Result<PathBuf> {
        let directory = self.scratch.path().join(name);
        std::fs::create_dir_all(&directory)?;
        Ok(directory)
    }

    /// The same on a disk, for rows whose subject is what is written to it.
    pub(crate) fn disk(&self, name: &str) -> Result<PathBuf> {
        let directory = self.disk.path().join(name.replace([' ', ','], "-"));
        std::fs::create_dir_all(&directory)?;
        Ok(directory)
    }

    /// `full` repetitions, or `quick` ones when it has to be quick.
    pub(crate) fn turns(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// A command line of the peer, run in `directory`.
    pub(crate) fn peer(&self, directory: &Path, args: &[&str]) -> Result<Job> {
        Job::new(&directory.join("packer"), [&["packer"], args].concat())
    }

    /// The same of imgc; `None` when it is not measured.
    pub(crate) fn ours(&self, directory: &Path, args: &[&str]) -> Result<Option<Job>> {
        let Some(imgc) = &self.imgc else {
            return Ok(None);
        };
        let imgc = imgc.to_str().context("the path of imgc is not text")?;
        Job::new(&directory.join("imgc"), [&[imgc], args].concat()).map(Some)
    }
}

#[derive(Default)]
struct Options {
    quick: bool,
    peer_only: bool,
    no_build: bool,
    write: bool,
    imgc: Option<PathBuf>,
    names: Vec<String>,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--quick" => options.quick = true,
                "--peer-only" => options.peer_only = true,
                "--no-build" => options.no_build = true,
                "--write" => options.write = true,
                "--imgc" => {
                    options.imgc = Some(args.next().context("`--imgc` needs a path")?.into())
                }
                name if ROWS.iter().any(|(row, _)| *row == name) => {
                    options.names.push(name.to_owned())
                }
                other => {
                    bail!("`bench` knows no row and no option `{other}`; `--list` names the rows")
                }
            }
        }
        Ok(options)
    }

    fn measures(&self, row: &str) -> bool {
        match self.names.is_empty() {
            true => row != ON_REQUEST,
            false => self.names.iter().any(|name| name == row),
        }
    }

    /// Whether the page is to be written.
    fn writes(&self) -> bool {
        self.write || !(self.quick || self.peer_only) && self.names.is_empty()
    }
}

/// The page as it should be; `None` while nothing was measured.
pub(crate) fn page(workspace: &Workspace) -> Result<Option<String>> {
    let Ok(data) = std::fs::read_to_string(workspace.path(DATA)) else {
        return Ok(None);
    };
    let report: Report =
        serde_json::from_str(&data).with_context(|| format!("{DATA} is not a measurement"))?;
    let before = std::fs::read_to_string(workspace.path(PAGE)).unwrap_or_default();
    Ok(Some(page::render(&report, &before)))
}

/// Measures the rows that were asked for.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    if args == ["--list"] {
        ROWS.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(ExitCode::SUCCESS);
    }
    let options = Options::parse(args)?;
    let peer = peer_version()?;
    let imgc = if options.peer_only {
        None
    } else {
        Some(find_imgc(workspace, &options)?)
    };
    let bench = Bench {
        scratch: scratch(Path::new("/dev/shm"))?,
        disk: scratch(Path::new("/var/tmp"))?,
        imgc,
        quick: options.quick,
    };
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for (name, measure) in ROWS {
        if options.measures(name) {
            eprintln!("measuring {name}");
            match measure(&bench) {
                Ok(row) => {
                    println!("\n{}: {}\n{}", row.name, row.work, page::show(&row));
                    rows.push(row);
                }
                Err(error) => {
                    eprintln!("cannot measure {name}: {error:#}");
                    failed.push(*name);
                }
            }
        }
    }
    if options.writes() && !rows.is_empty() {
        let mut report = machine::report(workspace, peer, options.quick, rows)?;
        if let Ok(data) = std::fs::read_to_string(workspace.path(DATA)) {
            let before: Report = serde_json::from_str(&data)
                .with_context(|| format!("{DATA} is not a measurement"))?;
            let order: Vec<&str> = ROWS.iter().map(|(name, _)| *name).collect();
            report.keep(before, &order);
        }
        std::fs::write(
            workspace.path(DATA),
            serde_json::to_string_pretty(&report)? + "\n",
        )?;
        let before = std::fs::read_to_string(workspace.path(PAGE)).unwrap_or_default();
        std::fs::write(workspace.path(PAGE), page::render(&report, &before))?;
        println!("wrote {PAGE} and {DATA}");
    }
    if !failed.is_empty() {
        bail!("not measured: {}", failed.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

fn peer_version() -> Result<String> {
    let output = Command::new("packer")
        .arg("version")
        .env("CHECKPOINT_DISABLE", "1")
        .output();
    let output = output.context(
        "there is no `packer` to compare with; Debian 12 has it: apt-get install packer",
    )?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.lines().next().unwrap_or_default().trim();
    if !version.starts_with("Packer v1.6.") {
        eprintln!("the targets were set against Packer 1.6.6; here is {version}");
    }
    Ok(version.to_owned())
}

fn find_imgc(workspace: &Workspace, options: &Options) -> Result<PathBuf> {
    let path = match &options.imgc {
        Some(path) => path.clone(),
        None => {
            if !options.no_build {
                let status = workspace
                    .cargo()
                    .args(["build", "--release", "--locked", "--package", "imgc"])
                    .status()?;
                if !status.success() {
                    bail!("imgc does not compile");
                }
            }
            workspace.target().join("release/imgc")
        }
    };
    path.canonicalize()
        .with_context(|| format!("there is no {}", path.display()))
}

/// A directory in this one, where there is it: in memory no disk is measured.
fn scratch(wanted: &Path) -> Result<TempDir> {
    let parent = if wanted.is_dir() {
        wanted.to_path_buf()
    } else {
        std::env::temp_dir()
    };
    let directory = tempfile::Builder::new()
        .prefix("imgc-bench-")
        .tempdir_in(&parent);
    directory.with_context(|| format!("cannot write in {}", parent.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn options(args: &[&str]) -> Result<Options> {
        Options::parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn only_a_whole_run_writes_the_page() {
        assert!(options(&[]).unwrap().writes());
        assert!(!options(&["--quick"]).unwrap().writes());
        assert!(!options(&["compile"]).unwrap().writes());
        assert!(!options(&["--peer-only"]).unwrap().writes());
        assert!(options(&["--quick", "--write"]).unwrap().writes());
    }

    #[test]
    fn a_cold_build_is_measured_where_it_is_named() {
        assert!(options(&[]).unwrap().measures("compile"));
        assert!(!options(&[]).unwrap().measures(ON_REQUEST));
        assert!(options(&[ON_REQUEST]).unwrap().measures(ON_REQUEST));
        assert!(!options(&[ON_REQUEST]).unwrap().measures("compile"));
    }

    #[test]
    fn an_unknown_row_is_refused() {
        assert!(
            options(&["nothing"])
                .err()
                .unwrap()
                .to_string()
                .contains("`nothing`")
        );
    }
}
