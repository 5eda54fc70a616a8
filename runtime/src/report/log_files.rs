//! One log file per build, in Packer's shape with times, readable by its owner only.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use imgc_compiler::plan::{BuildId, Plan};

use crate::event::{Event, Level, Sink};

use super::plain::{Plain, Style};
use super::{lock, wall_clock};

/// Writes a log file for each build into a directory.
///
/// A file that cannot be written does not end the run: see [`LogFiles::problems`].
pub struct LogFiles {
    directory: PathBuf,
    names: Vec<String>,
    /// Which build a step belongs to.
    steps: Vec<BuildId>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: BTreeMap<BuildId, Plain<File>>,
    problems: Vec<String>,
}

impl LogFiles {
    /// For the builds of a plan. Files are made when a build says its first word; an earlier run's are replaced.
    pub fn new(directory: PathBuf, plan: &Plan) -> Self {
        let mut names: Vec<String> = Vec::with_capacity(plan.builds.len());
        for build in &plan.builds {
            let mut name = file_name(&build.name);
            if names.contains(&name) {
                name = file_name(&build.address);
            }
            // Keys of instances may differ in nothing but characters that file names do not have.
            let mut number = 1;
            while names.contains(&name) {
                number += 1;
                name = format!("{}_{number}", file_name(&build.address));
            }
            names.push(name);
        }
        Self {
            directory,
            names,
            steps: plan.steps.iter().map(|step| step.build).collect(),
            state: Mutex::default(),
        }
    }

    /// The file of a build.
    pub fn path(&self, build: BuildId) -> PathBuf {
        self.directory
            .join(&self.names[build.0 as usize])
            .with_added_extension("log")
    }

    /// What could not be written.
    pub fn problems(&self) -> Vec<String> {
        lock(&self.state).problems.clone()
    }

    fn build_of(&self, event: &Event) -> Option<BuildId> {
        match event {
            Event::Line { build, .. } => *build,
            Event::BuildFinished { build, .. } | Event::StepWaiting { build, .. } => Some(*build),
            Event::StepStarted { step, .. }
            | Event::StepFinished { step, .. }
            | Event::StepFailed { step, .. }
            | Event::StepReused { step, .. }
            | Event::StepSkipped { step, .. } => self.steps.get(step.0 as usize).copied(),
            _ => None,
        }
    }
}

fn file_name(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            _ if c.is_alphanumeric() => c,
            '.' | '-' | '_' => c,
            _ => '_',
        })
        .collect()
}

fn create(path: &Path) -> std::io::Result<File> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    // An earlier file may have other rights.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

impl Sink for LogFiles {
    fn event(&self, event: &Event) {
        let Some(build) = self.build_of(event) else {
            return;
        };
        let mut state = lock(&self.state);
        let State { open, problems } = &mut *state;
        let file = match open.entry(build) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let path = self.path(build);
                match create(&path) {
                    Ok(file) => {
                        let style = Style {
                            color: false,
                            timestamps: Some(wall_clock()),
                        };
                        entry.insert(Plain::new(file, style))
                    }
                    Err(error) => {
                        let problem = format!("cannot write the log `{}`: {error}", path.display());
                        if !problems.contains(&problem) {
                            problems.push(problem);
                        }
                        return;
                    }
                }
            }
        };
        if let Event::StepStarted {
            address, attempt, ..
        } = event
        {
            let text = match attempt {
                1 => format!("step {address}"),
                _ => format!("step {address}, attempt {attempt}"),
            };
            file.event(&Event::Line {
                build: Some(build),
                name: String::new(),
                level: Level::Detail,
                text,
            });
        }
        file.event(event);
        if matches!(event, Event::BuildFinished { .. }) {
            open.remove(&build);
        }
    }
}
