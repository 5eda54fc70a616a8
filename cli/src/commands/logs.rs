//! `imgc logs`: what a run has said, from its log files.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use imgc_runtime::state::{Run, RunStatus};

use crate::args::LogsArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::state::{self, Look};
use crate::terminal::{harmless, print, shown_path};

/// How often a log that is followed is looked at.
const POLL: Duration = Duration::from_millis(200);

pub(super) fn run(args: &LogsArgs) -> Outcome {
    let look = Look::at(&args.look)?;
    let run = look.run(&args.run)?;
    let Some(directory) = run.new.logs.clone() else {
        let text = format!("run {} has no log files", state::short(&run.new.id));
        return Err(Failure::new(Exit::Environment, text));
    };
    let mut logs = Logs {
        directory,
        part: args.part.clone(),
        open: Vec::new(),
    };
    loop {
        // Asked before the files are read, so that the last words are not missed.
        let live = args.follow && is_live(&look, &run)?;
        let found = logs.more()?;
        if !live {
            return match (found || !logs.open.is_empty(), &args.part) {
                (false, Some(part)) => Err(logs.nothing(part)),
                _ => Ok(Exit::Done),
            };
        }
        std::thread::sleep(POLL);
    }
}

fn is_live(look: &Look, run: &Run) -> Result<bool, Failure> {
    match &look.state {
        Some(state) => look.wait(async {
            let now = imgc_runtime::state::State::runs(&**state, Some(&run.new.template)).await?;
            match now.iter().find(|now| now.new.id == run.new.id) {
                Some(now) => Ok(state::status(state, now).await? == RunStatus::Running),
                None => Ok(false),
            }
        }),
        None => Ok(false),
    }
}

/// The log files of a run, as far as they have been printed.
struct Logs {
    directory: PathBuf,
    part: Option<String>,
    open: Vec<Log>,
}

struct Log {
    path: PathBuf,
    read: u64,
    /// Whether the lines at this place are wanted.
    wanted: bool,
    /// The beginning of a line whose end is not written yet.
    pending: Vec<u8>,
}

impl Logs {
    /// Prints what has been written since; says whether anything was.
    fn more(&mut self) -> Result<bool, Failure> {
        for path in files(&self.directory)? {
            if !self.open.iter().any(|log| log.path == path) {
                self.open.push(Log {
                    path,
                    read: 0,
                    wanted: self.part.is_none(),
                    pending: Vec::new(),
                });
            }
        }
        let mut found = false;
        for log in &mut self.open {
            let text = log.read_on(self.part.as_deref())?;
            if !text.is_empty() {
                print(&harmless(&text))?;
                found = true;
            }
        }
        if self.part.is_some() && !found {
            // Files without a wanted line do not count.
            self.open.retain(|log| log.wanted);
        }
        Ok(found)
    }

    fn nothing(&self, part: &str) -> Failure {
        let place = shown_path(&self.directory);
        Failure::usage(format!(
            "there is nothing of `{}` in the logs in {place}",
            harmless(part)
        ))
        .help("`imgc show` lists the steps of a run")
    }
}

impl Log {
    fn read_on(&mut self, part: Option<&str>) -> Result<String, Failure> {
        let failed = |error: &std::io::Error| Failure::file("read", &self.path, error);
        let mut file = File::open(&self.path).map_err(|error| failed(&error))?;
        file.seek(SeekFrom::Start(self.read))
            .map_err(|error| failed(&error))?;
        let count = file
            .read_to_end(&mut self.pending)
            .map_err(|error| failed(&error))?;
        self.read += count as u64;
        let end = match self.pending.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => end + 1,
            None => return Ok(String::new()),
        };
        let whole: Vec<u8> = self.pending.drain(..end).collect();
        let Some(part) = part else {
            return Ok(String::from_utf8_lossy(&whole).into_owned());
        };
        let mut text = String::new();
        for line in String::from_utf8_lossy(&whole).split_inclusive('\n') {
            if let Some(step) = begun(line) {
                self.wanted = belongs(step, part);
            }
            if self.wanted {
                text.push_str(line);
            }
        }
        Ok(text)
    }
}

/// The step that a line says has begun.
fn begun(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once(": ")?;
    let step = rest.trim().strip_prefix("step ")?;
    let step = step.split_once(", attempt ").map_or(step, |(step, _)| step);
    step.starts_with("build.").then_some(step)
}

/// Whether a step is the one that is meant, or one of the build that is meant: `null.base`, `build.null.base`.
fn belongs(step: &str, part: &str) -> bool {
    [part, &format!("build.{part}")].iter().any(|part| {
        step.strip_prefix(*part)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}

fn files(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::file("read", directory, &error)),
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_build_or_a_step() {
        let line = "2026-11-21T12:30:10Z:     step build.null.base.provisioner[0], attempt 2\n";
        let step = begun(line).unwrap_or_default();
        assert_eq!(step, "build.null.base.provisioner[0]");
        assert!(belongs(step, "null.base"));
        assert!(belongs(step, "build.null.base"));
        assert!(belongs(step, "build.null.base.provisioner[0]"));
        assert!(!belongs(step, "build.null.bas"));
        assert_eq!(
            begun("2026-11-21T12:30:10Z:     null.base: step aside\n"),
            None
        );
    }
}
