//! Durable runs: what remembering costs, and what it saves.
//!
//! The same image again and again: for the first time, with nothing changed, with the last provisioner changed, with the
//! outputs deleted; and for the first time by an imgc that remembers nothing. All of it on a disk, where a journal costs what
//! it costs.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::result::{Check, Quantity, Row, Spread};
use super::turns::{self, Contender};
use super::{Bench, templates};
use crate::workspace::Workspace;

const FIRST: &str = "first build";
const FORGETFUL: &str = "first build, nothing remembered";
const NOTHING: &str = "nothing changed";
const LAST: &str = "last provisioner changed";
const DELETED: &str = "outputs deleted";
/// The option of imgc's own that turns state, fingerprints and kept layers off.
const IN_MEMORY: (&str, &str) = ("IMGC_INTERNAL_STATE", "memory");
/// What a copy of the machine's own programs needs to run the provisioners of [`ten`].
const PROGRAMS: [&str; 6] = ["sh", "chmod", "rm", "mkdir", "cat", "head"];

/// `examples/quickstart`: needs the network, and takes minutes.
pub(crate) fn quickstart(bench: &Bench) -> Result<Row> {
    let turns = bench.turns(5, 1);
    let example = Workspace::find()?.path("examples/quickstart");
    let mut row = image(
        bench,
        &Image {
            name: "quickstart",
            make: &|directory, number| {
                copy(&example, directory)?;
                let template = directory.join("web.pkr.hcl");
                let text = std::fs::read_to_string(&template)?;
                let before = "\"nginx -v\"";
                if !text.contains(before) {
                    bail!("the last provisioner of the quickstart is another one");
                }
                let after = format!("\"echo {number}\", {before}");
                Ok(std::fs::write(template, text.replace(before, &after))?)
            },
            turns,
            warm_up: 0,
        },
    )?;
    row.work = "`apply` of `examples/quickstart`".to_owned();
    let wall = Spread::of(row.samples(NOTHING, Quantity::Wall));
    row.checks.extend(
        wall.map(|spread| Check::at_most("nothing changed: under 50 ms", spread, 0.05, "s")),
    );
    Ok(row)
}

/// The same with ten provisioners on a base that is a directory: no network.
pub(crate) fn ten(bench: &Bench) -> Result<Row> {
    let turns = bench.turns(9, 3);
    let base = bench.disk("ten-base")?;
    PROGRAMS
        .iter()
        .try_for_each(|program| copy_program(program, &base))?;
    let mut row = image(
        bench,
        &Image {
            name: "reuse-ten",
            make: &|directory, number| {
                templates::ten_provisioners(directory, &base, number).map(|_| ())
            },
            turns,
            warm_up: 1,
        },
    )?;
    row.work = "`apply` of an image with ten provisioners, base a directory".to_owned();
    Ok(row)
}

/// 300 builds that do nothing but one local command, with the state on disk and in memory.
pub(crate) fn state_300(bench: &Bench) -> Result<Row> {
    let turns = bench.turns(9, 3);
    let weighings = bench.turns(3, 1);
    let (on_disk, in_memory) = ("state on disk", "state in memory");
    let mut contenders = Vec::new();
    for who in [on_disk, in_memory] {
        let directory = bench.disk(&format!("state-300 {who}"))?;
        let template = templates::null_builds(&directory, 300)?;
        let args = ["apply", "-color=false", &template.display().to_string()];
        let Some(mut job) = bench.ours(&directory, &args)? else {
            continue;
        };
        if who == in_memory {
            job = job.with(IN_MEMORY);
        }
        let contender = Contender::new(who, job).before(move || remove(&directory.join(".imgc")));
        contenders.push(contender);
    }
    let mut series = turns::time(&contenders, 1, turns)?;
    series.extend(turns::weigh(&contenders, weighings)?);
    let mut row = Row {
        name: "state-300".to_owned(),
        work:
            "`apply` of 300 `null` builds with one `shell-local` each, state on disk and in memory"
                .to_owned(),
        how: format!(
            "A fresh state each time, on a disk; {turns} turns; memory from {weighings} further runs."
        ),
        series,
        checks: Vec::new(),
    };
    let wall = Spread::of_ratio(
        row.samples(on_disk, Quantity::Wall),
        row.samples(in_memory, Quantity::Wall),
    );
    let memory = Spread::of_ratio(
        row.samples(on_disk, Quantity::Memory),
        row.samples(in_memory, Quantity::Memory),
    );
    let checks = [
        wall.map(|spread| Check::at_most("at most twice the time in memory", spread, 2.0, "×")),
        memory.map(|spread| Check::at_most("at most 1.5 times the memory", spread, 1.5, "×")),
    ];
    row.checks.extend(checks.into_iter().flatten());
    Ok(row)
}

/// An image to make in every way.
struct Image<'a> {
    name: &'a str,
    /// Writes the template into a directory; another number changes nothing but the last provisioner.
    make: &'a dyn Fn(&Path, usize) -> Result<()>,
    turns: usize,
    warm_up: usize,
}

fn image(bench: &Bench, image: &Image<'_>) -> Result<Row> {
    let mut contenders = Vec::new();
    for who in [FIRST, FORGETFUL, NOTHING, LAST, DELETED] {
        contenders.extend(contender(bench, image, who)?);
    }
    let turns = image.turns;
    let mut row = Row {
        name: image.name.to_owned(),
        work: String::new(),
        how: format!(
            "Whole process, on a disk, {turns} turns; each way in a directory of its own. A first build begins without state, \
            cache and outputs; the second one also forgets: neither journal nor fingerprints nor kept layers. `{DELETED}`: all \
            provisioners are in kept layers and the image is written again."
        ),
        series: turns::time(&contenders, image.warm_up, turns)?,
        checks: Vec::new(),
    };
    let ratio = |above, below| {
        Spread::of_ratio(
            row.samples(above, Quantity::Wall),
            row.samples(below, Quantity::Wall),
        )
    };
    let checks = [
        ratio(FIRST, FORGETFUL).map(|spread| {
            let target = "journal, fingerprints and kept layers: less than 5% of the first build";
            Check::at_most(target, spread, 1.05, "×")
        }),
        ratio(FIRST, NOTHING).map(|spread| {
            let target = "nothing changed: at least 50 times faster than the first build";
            Check::at_least(target, spread, 50.0, "×")
        }),
        ratio(FIRST, LAST).map(|spread| {
            let target = "last provisioner changed: at least twice as fast as the first build";
            Check::at_least(target, spread, 2.0, "×")
        }),
    ];
    row.checks.extend(checks.into_iter().flatten());
    Ok(row)
}

/// One way to make an image; `None` where imgc is not measured.
fn contender<'a>(
    bench: &Bench,
    image: &'a Image<'_>,
    who: &'static str,
) -> Result<Option<Contender<'a>>> {
    let directory = bench.disk(&format!("{} {who}", image.name))?;
    let apply = ["apply", "-color=false", "-auto-approve", "."];
    let prune = ["cache", "prune", "-all"];
    let (Some(job), Some(prune)) = (
        bench.ours(&directory, &apply)?,
        bench.ours(&directory, &prune)?,
    ) else {
        return Ok(None);
    };
    // imgc runs where its outputs are to be.
    let place = job.directory.clone();
    let mut job = job.limit(Duration::from_secs(1800));
    for name in ["http_proxy", "https_proxy", "no_proxy"] {
        if let Ok(value) = std::env::var(name) {
            job = job.with((name, &value));
        }
    }
    if who == FORGETFUL {
        job = job.with(IN_MEMORY);
    }
    let numbers = Cell::new(0);
    (image.make)(&place, 0)?;
    if ![FIRST, FORGETFUL].contains(&who) {
        job.time()
            .with_context(|| format!("cannot make ready for `{who}`"))?;
    }
    let before = move || {
        match who {
            FIRST | FORGETFUL => {
                // Files of mapped users in kept layers are imgc's to remove.
                if place.join(".imgc/cache").exists() {
                    prune.time()?;
                }
                remove(&place.join(".imgc"))?;
                outputs(&place).iter().try_for_each(|path| remove(path))?;
            }
            LAST => {
                numbers.set(numbers.get() + 1);
                (image.make)(&place, numbers.get())?;
            }
            DELETED => outputs(&place).iter().try_for_each(|path| remove(path))?,
            _ => {}
        }
        Ok(())
    };
    Ok(Some(Contender::new(who, job).before(before)))
}

/// What runs have made beside the template.
fn outputs(place: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("output-") || name == "imgc.lock"
        })
        .collect()
}

/// Removes a file or a directory with all in it; gone already is no error.
fn remove(path: &Path) -> Result<()> {
    let removed = match path.is_dir() {
        true => std::fs::remove_dir_all(path),
        false => std::fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// Copies a directory's files and directories.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let there = to.join(&name);
        if !entry.file_type()?.is_dir() {
            std::fs::copy(entry.path(), there)?;
        } else if !name.to_string_lossy().starts_with(['.']) {
            copy(&entry.path(), &there)?;
        }
    }
    Ok(())
}

/// Copies one of this machine's programs with its libraries into a root file system.
fn copy_program(program: &str, root: &Path) -> Result<()> {
    let path = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
        .with_context(|| format!("there is no `{program}`"))?;
    let libraries = Command::new("ldd")
        .arg(&path)
        .output()
        .context("cannot run `ldd`, of Debian's libc-bin")?;
    let libraries = String::from_utf8_lossy(&libraries.stdout);
    let words = libraries.split_whitespace();
    let mut files: Vec<(PathBuf, PathBuf)> = words
        .filter_map(|word| Some((word.into(), word.strip_prefix('/')?.into())))
        .collect();
    files.push((path, Path::new("bin").join(program)));
    for (from, to) in files {
        let to = root.join(to);
        std::fs::create_dir_all(to.parent().context("it is below the root")?)?;
        std::fs::copy(from, to)?;
    }
    for directory in ["tmp", "proc", "sys", "dev", "etc", "run", "root"] {
        std::fs::create_dir_all(root.join(directory))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_what_runs_made_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        for name in ["web.pkr.hcl", "imgc.lock", "output.log"] {
            std::fs::write(place.join(name), "x").unwrap();
        }
        std::fs::create_dir(place.join("output-debian")).unwrap();
        let mut found = outputs(place);
        found.sort();
        assert_eq!(
            found,
            [place.join("imgc.lock"), place.join("output-debian")]
        );
        for path in found.iter().chain(&found) {
            remove(path).unwrap();
        }
        assert!(outputs(place).is_empty() && place.join("output.log").exists());
    }

    #[test]
    fn a_program_is_copied_with_its_libraries() {
        let directory = tempfile::tempdir().unwrap();
        copy_program("sh", directory.path()).unwrap();
        let status = Command::new(directory.path().join("bin/sh"))
            .args(["-c", "true"])
            .status();
        assert!(status.unwrap().success());
        assert!(directory.path().join("proc").is_dir());
    }
}
