//! What is remembered of runs, and forgetting what nobody needs any more.
//!
//! In: the state. Out: which runs go, and why others stay. A run stays, whatever the limits, while something of it is
//! still there: it is at work, something it has left is recorded, an artifact or a checkpoint is its work, another run
//! that stays goes on with it, or it is the last one of its template.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::state::{ArtifactRecord, Moment, Owner, Run, RunStatus, State};

/// Which runs may go: those that both limits let go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// So many of each template stay, the newest.
    pub newest: usize,
    /// Those that began at this moment or later stay; `None` for whenever they began.
    pub since: Option<Moment>,
}

/// What may be forgotten and what not.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// These go, the oldest first.
    pub going: Vec<Run>,
    /// How many stay because the limits say so.
    pub kept: usize,
    /// How many stay although the limits let them go.
    pub needed: usize,
}

/// Chooses what goes.
pub async fn choose(state: &dyn State, limits: Limits) -> Result<Chosen> {
    let runs = state.runs(None).await?;
    let mut chosen = Chosen::default();
    let mut needed = needed(state).await?;
    let mut of_template: BTreeMap<&Path, usize> = BTreeMap::new();
    let mut free = Vec::new();
    for run in &runs {
        let number = of_template.entry(&run.new.template).or_default();
        *number += 1;
        let young = limits.since.is_some_and(|since| run.new.started >= since);
        let lives = run.status == RunStatus::Running && state.is_live(&run.new.id).await?;
        if *number <= limits.newest || young {
            chosen.kept += 1;
            needed.insert(run.new.id.clone());
        } else if *number == 1 || lives {
            needed.insert(run.new.id.clone());
            chosen.needed += 1;
        } else {
            free.push(run);
        }
        // The newest come first, so whoever goes on with it has been seen.
        if needed.contains(&run.new.id) {
            needed.extend(run.new.resumes.clone());
        }
    }
    for run in free.into_iter().rev() {
        match needed.contains(&run.new.id) {
            true => chosen.needed += 1,
            false => chosen.going.push(run.clone()),
        }
    }
    Ok(chosen)
}

/// The runs of which something is still there.
async fn needed(state: &dyn State) -> Result<BTreeSet<String>> {
    let resources = state.resources(Owner::All).await?;
    let checkpoints = state.checkpoints().await?;
    let images = state.images().await?;
    let mut needed: BTreeSet<String> = resources.into_iter().map(|owned| owned.run).collect();
    needed.extend(checkpoints.into_iter().map(|checkpoint| checkpoint.run));
    needed.extend(there(&images).map(|image| image.run.clone()));
    Ok(needed)
}

/// The artifacts that are still there, as far as that can be said without reading them: a file of it exists, and no later
/// run has put its own there. What has no files is there until its step has made something else. The newest come first.
fn there(images: &[ArtifactRecord]) -> impl Iterator<Item = &ArtifactRecord> {
    let mut paths: BTreeSet<&PathBuf> = BTreeSet::new();
    let mut steps: BTreeSet<(&PathBuf, &str)> = BTreeSet::new();
    images.iter().filter(move |image| {
        let is_last = steps.insert((&image.template, &image.step));
        let mut own = false;
        for file in &image.files {
            own |= paths.insert(&file.path) && file.path.symlink_metadata().is_ok();
        }
        own || is_last && image.files.is_empty()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::artifact::Artifact;
    use crate::ledger::Resource;
    use crate::state::{FileIdentity, Memory, NewRun};

    fn new(number: u32, template: &str) -> NewRun {
        NewRun {
            id: number.to_string(),
            command: "apply".into(),
            template: template.into(),
            only: Vec::new(),
            except: Vec::new(),
            var_files: Vec::new(),
            vars: Vec::new(),
            clock: (0, 0),
            seed: String::new(),
            started: i64::from(number),
            expires: 0,
            logs: None,
            scratch: PathBuf::new(),
            program: String::new(),
            process: 1,
            host: String::new(),
            resumes: None,
            builds: Vec::new(),
        }
    }

    async fn ended(state: &Memory, run: NewRun) {
        state.begin(&run).await.unwrap();
        let status = RunStatus::Succeeded;
        state.end(&run.id, status, run.started).await.unwrap();
    }

    async fn going(state: &Memory, newest: usize, since: Option<Moment>) -> Vec<String> {
        let limits = Limits { newest, since };
        let chosen = choose(state, limits).await.unwrap();
        let runs = state.runs(None).await.unwrap().len();
        assert_eq!(chosen.kept + chosen.needed + chosen.going.len(), runs);
        chosen.going.into_iter().map(|run| run.new.id).collect()
    }

    #[tokio::test]
    async fn what_both_limits_let_go_goes_and_the_last_of_a_template_never() {
        let state = Memory::new();
        ended(&state, new(1, "/other")).await;
        for number in 2..=6 {
            ended(&state, new(number, "/t")).await;
        }
        assert_eq!(going(&state, 2, None).await, ["2", "3", "4"]);
        assert_eq!(going(&state, 2, Some(4)).await, ["2", "3"]);
        assert_eq!(going(&state, 0, None).await, ["2", "3", "4", "5"]);
        state.forget_runs(&["2".into(), "3".into()]).await.unwrap();
        assert_eq!(going(&state, 0, None).await, ["4", "5"]);
    }

    #[tokio::test]
    async fn a_run_stays_while_something_of_it_is_there() {
        let state = Memory::new();
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        let identity = |path| FileIdentity {
            path,
            size: 0,
            digest: String::new(),
            stamp: String::new(),
            lines: Vec::new(),
        };
        let record = |run: u32, step: &str, files: Vec<PathBuf>| ArtifactRecord {
            id: 0,
            run: run.to_string(),
            template: "/t".into(),
            build: "b".into(),
            step: step.into(),
            fingerprint: None,
            made: 0,
            artifact: Artifact::default(),
            files: files.into_iter().map(identity).collect(),
            keep_input: true,
            kept: true,
            lineage: Vec::new(),
            shell: false,
        };
        std::fs::write(file("image"), "").unwrap();
        std::fs::write(file("other"), "").unwrap();
        for number in 1..=9 {
            let resumes = (number == 4).then(|| "3".to_owned());
            let run = NewRun {
                resumes,
                ..new(number, "/t")
            };
            match number {
                8 => state.begin(&run).await.unwrap(),
                _ => ended(&state, run).await,
            }
        }
        // 1: its image has been replaced by that of 2. 4: left something, and goes on with 3. 5: its image is gone.
        // 6: made something without files before 7 did.
        for (run, step, files) in [
            (1, "x", vec![file("image")]),
            (2, "y", vec![file("image")]),
            (5, "z", vec![file("gone")]),
            (6, "null", vec![]),
            (7, "null", vec![]),
        ] {
            state.artifact(&record(run, step, files)).await.unwrap();
        }
        let left = Resource::File { path: file("left") };
        state.intend("4", "run", &left).await.unwrap();
        assert_eq!(going(&state, 0, None).await, ["1", "5", "6"]);
    }
}
