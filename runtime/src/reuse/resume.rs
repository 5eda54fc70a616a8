//! `--resume`: which run is gone on with, and what it has done.

use std::collections::BTreeMap;
use std::path::Path;

use super::is_done;
use crate::error::{Class, Error, Result};
use crate::state::{Run, RunStatus, State, StepRecord, StepStatus};

/// The command of runs that only take back what others have changed.
const ROLLBACK: &str = "rollback";

/// The run to go on with: the one of this id or beginning of an id, or the last one of a template. It has ended.
pub async fn resumable(state: &dyn State, wanted: Option<&str>, template: &Path) -> Result<Run> {
    living(state, meant(state, wanted, template).await?).await
}

/// The run that somebody means to go on with, whether or not it has ended.
pub async fn meant(state: &dyn State, wanted: Option<&str>, template: &Path) -> Result<Run> {
    let refuse = |message: String, help: &str| {
        Error::new(Class::Template, "run/resume", message).help(help.to_owned())
    };
    let runs = state.runs(Some(template)).await?;
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else {
        // Going back to earlier values makes nothing that could be gone on with.
        let mut runs = runs.into_iter();
        let Some(last) = runs.find(|run| run.new.command != ROLLBACK) else {
            let message = "there is no run of this template to go on with".to_owned();
            return Err(refuse(message, "leave `-resume` out"));
        };
        if last.status == RunStatus::Succeeded {
            let message = format!(
                "the last run of this template, {}, ended well: there is nothing to go on with",
                short(&last.new.id)
            );
            let help = "leave `-resume` out: `apply` runs what has changed since";
            return Err(refuse(message, help));
        }
        return Ok(last);
    };
    let all = state.runs(None).await?;
    let mut matching = all.into_iter().filter(|run| run.new.id.starts_with(wanted));
    let Some(found) = matching.next() else {
        let message = format!("there is no run `{wanted}`");
        return Err(refuse(message, "`imgc history` lists the runs"));
    };
    if matching.next().is_some() {
        let message = format!("several runs begin with `{wanted}`");
        return Err(refuse(message, "write more of the run's id"));
    }
    if found.new.template != template {
        let message = format!(
            "the run {} is of another template: {}",
            short(&found.new.id),
            found.new.template.display()
        );
        return Err(refuse(message, "name that template"));
    }
    Ok(found)
}

/// A run that is still at work cannot be gone on with.
async fn living(state: &dyn State, run: Run) -> Result<Run> {
    if run.status == RunStatus::Running && state.is_live(&run.new.id).await? {
        let message = format!("the run {} is still at work", short(&run.new.id));
        let error = Error::new(Class::Template, "run/resume", message);
        return Err(error.help("wait for its end, or stop it"));
    }
    Ok(run)
}

/// The first characters of a run's id, enough to tell it from others.
pub(super) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// The run that began what a run goes on with.
pub async fn origin(state: &dyn State, run: &str) -> Result<String> {
    let all = state.runs(None).await?;
    let mut first = run.to_owned();
    // No longer than there are runs, whatever the records say.
    for _ in 0..all.len() {
        let before = all
            .iter()
            .find(|known| known.new.id == first)
            .and_then(|known| known.new.resumes.clone());
        match before {
            Some(before) => first = before,
            None => break,
        }
    }
    Ok(first)
}

/// A run and those it goes on with, the latest first.
pub(crate) async fn line(state: &dyn State, run: &str) -> Result<Vec<String>> {
    let all = state.runs(None).await?;
    let mut line = vec![run.to_owned()];
    while let Some(before) = all
        .iter()
        .find(|known| Some(&known.new.id) == line.last())
        .and_then(|known| known.new.resumes.clone())
        .filter(|before| !line.contains(before))
    {
        line.push(before);
    }
    Ok(line)
}

/// What has been done last to the machine of a build.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Its steps' fingerprints, each with the run that did it.
    pub(super) steps: BTreeMap<String, (String, String)>,
    /// The run that tells of them.
    pub(super) told: Option<Run>,
    /// A run in which somebody had a shell on it.
    pub(super) entered: Option<String>,
}

/// What has been done last to the machine of a build, up to the run `run`.
///
/// A run that has not come to touching the machine says nothing of its steps; the one before it does, down to `since`: what was done
/// before that was done to another machine.
pub(super) async fn done(
    state: &dyn State,
    run: &str,
    build: &str,
    since: Option<&str>,
) -> Result<Done> {
    let all = state.runs(None).await?;
    let mut found = Done::default();
    let mut at = Some(run.to_owned());
    for _ in 0..=all.len() {
        let Some(run) = at else { break };
        let mut steps = state.steps(&run).await?;
        steps.retain(|step| step.build == build);
        let entered = state.entered(&run, build).await? || steps.iter().any(|step| step.shell);
        if entered && found.entered.is_none() {
            found.entered = Some(run.clone());
        }
        let touches =
            |step: &StepRecord| step.kind == "provision" && step.status != StepStatus::Skipped;
        let known = all.iter().find(|known| known.new.id == run);
        let is_first = since == Some(run.as_str());
        if steps.iter().any(touches) {
            found.told = known.cloned();
            let done = steps.into_iter().filter(|step| is_done(step.status));
            let done = done.filter_map(|step| {
                let by = step.reused_from.unwrap_or(step.run);
                Some((step.step, (step.fingerprint?, by)))
            });
            found.steps = done.collect();
            break;
        }
        at = known
            .filter(|_| !is_first)
            .and_then(|known| known.new.resumes.clone());
    }
    Ok(found)
}
