//! `imgc show`: a run, with its steps, what it made and what it has left.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use imgc_runtime::duration;
use imgc_runtime::reuse::mark_unchecked;
use imgc_runtime::state::{
    ArtifactRecord, ChangeRecord, Owned, Owner, Run, RunStatus, State as _, StepRecord, StepStatus,
};
use serde_json::json;

use crate::args::ShowArgs;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::state::{self, Look};
use crate::table;
use crate::terminal::{harmless, print, shown_path};

use super::{images, json_text};

/// Everything that is known of a run.
struct Known {
    run: Run,
    steps: Vec<StepRecord>,
    artifacts: Vec<ArtifactRecord>,
    /// Those of later runs.
    later: Vec<ArtifactRecord>,
    changes: Vec<ChangeRecord>,
    /// What any run has removed of what was finished.
    removals: Vec<ChangeRecord>,
    left: Vec<Owned>,
}

pub(super) fn run(args: &ShowArgs) -> Outcome {
    let look = Look::at(&args.look)?;
    let mut run = look.run(&args.run)?;
    let known = match &look.state {
        None => return Ok(Exit::Done),
        Some(state) => look.wait(async {
            let id = run.new.id.clone();
            run.status = state::status(state, &run).await?;
            let mut artifacts = state.images().await?;
            mark_unchecked(&mut artifacts);
            let first = artifacts.iter().position(|artifact| artifact.run == id);
            let later = artifacts[..first.unwrap_or(0)].to_vec();
            artifacts.retain(|artifact| artifact.run == id && !images::is_said_only(artifact));
            artifacts.reverse();
            let mut changes = state.changes().await?;
            let removals = images::removals(changes.clone());
            changes.retain(|change| change.run == id && !change.is_gone());
            changes.reverse();
            Ok(Known {
                steps: state.steps(&id).await?,
                left: state.resources(Owner::Run(&id)).await?,
                artifacts,
                later,
                changes,
                removals,
                run,
            })
        })?,
    };
    print(&match args.json {
        true => json_text(&object(&known)),
        false => text(&known),
    })?;
    Ok(Exit::Done)
}

fn text(known: &Known) -> String {
    let new = &known.run.new;
    let mut facts = vec![
        ("run", new.id.clone()),
        ("command", harmless(&new.command).into_owned()),
        ("template", state::shown_template(&new.template)),
        ("status", state::word(known.run.status).to_owned()),
        ("began", state::time(new.started)),
    ];
    let took = state::took(&known.run);
    if !took.is_empty() {
        facts.push(("took", took));
    }
    if let Some(earlier) = &new.resumes {
        facts.push(("resumes", state::short(earlier).to_owned()));
    }
    facts.push((
        "by",
        format!(
            "imgc {}, process {} on {}",
            new.program, new.process, new.host
        ),
    ));
    if let Some(logs) = &new.logs {
        facts.push(("logs", shown_path(logs)));
    }
    let mut text = String::new();
    for (name, value) in facts {
        let _ = writeln!(text, "{name:<9} {value}");
    }
    if !known.steps.is_empty() {
        let critical = critical_path(&known.steps);
        let rows: Vec<[String; 6]> = known
            .steps
            .iter()
            .map(|step| {
                row(
                    step,
                    known.run.status,
                    critical.contains(step.step.as_str()),
                )
            })
            .collect();
        let heading = ["STEP", "STATUS", "TOOK", "", "FINGERPRINT", "FROM"];
        let _ = write!(text, "\n{}", table::columns(heading, &rows));
        text.push_str("* critical path: what the run's length is made of\n");
    }
    for step in &known.steps {
        if let Some((id, message)) = &step.error {
            let _ = writeln!(text, "\n{}: error[{id}]: {}", step.step, harmless(message));
        }
    }
    for artifact in &known.artifacts {
        let _ = write!(
            text,
            "\n{}",
            images::text(artifact, &known.later, &known.removals)
        );
    }
    let changes = known.changes.iter();
    let (removed, changed): (Vec<_>, Vec<_>) = changes.partition(|change| change.is_removal());
    if !changed.is_empty() {
        text.push_str("\nwritten, `imgc rollback` goes back to what was there before:\n");
        for change in changed {
            let _ = writeln!(text, "  {}", harmless(&written(change)));
        }
    }
    if !removed.is_empty() {
        text.push_str("\nremoved of what was there before:\n");
        for change in removed {
            let what = change.thing.describe();
            let _ = writeln!(text, "  {} ({})", harmless(&what), harmless(&change.step));
        }
    }
    if !known.left.is_empty() && known.run.status != RunStatus::Running {
        text.push_str("\nleft behind, `imgc gc` removes what there is of it:\n");
        for owned in &known.left {
            let what = owned.record.resource.describe();
            let _ = writeln!(
                text,
                "  {} ({})",
                harmless(&what),
                harmless(&owned.record.owner)
            );
        }
    }
    text
}

/// `us-east-1: /web/ami = ami-2 (version 3); version 2 was ami-1`.
fn written(change: &ChangeRecord) -> String {
    let ChangeRecord { thing, after, .. } = change;
    let name = thing.id.as_deref().unwrap_or(&thing.name);
    let version = match after.version {
        Some(version) => format!("version {version}"),
        None => "not known whether it was".to_owned(),
    };
    let mut text = format!("{}: {name} = {} ({version})", thing.place, after.value);
    if let Some(before) = &change.before {
        let version = before.version.unwrap_or_default();
        let _ = write!(text, "; version {version} was {}", before.value);
    }
    if let Some(by) = &change.undone_by {
        let _ = write!(text, "; taken back by run {}", state::short(by));
    }
    text
}

fn row(step: &StepRecord, run: RunStatus, critical: bool) -> [String; 6] {
    let took = step.took.map(Duration::from_millis).map(duration::short);
    let attempts = match step.attempts {
        0 | 1 => String::new(),
        attempts => format!(", {attempts} attempts"),
    };
    let shell = if step.shell { ", after a shell" } else { "" };
    [
        harmless(&step.step).into_owned(),
        format!("{}{attempts}{shell}", word(step.status, run)),
        took.unwrap_or_default(),
        if critical { "*" } else { "" }.to_owned(),
        step.fingerprint
            .as_deref()
            .map(|fingerprint| fingerprint.get(..12).unwrap_or(fingerprint).to_owned())
            .unwrap_or_default(),
        step.reused_from
            .as_deref()
            .map(|run| format!("run {}", state::short(run)))
            .unwrap_or_default(),
    ]
}

fn word(status: StepStatus, run: RunStatus) -> &'static str {
    match status {
        StepStatus::Running if run == RunStatus::Running => "running",
        StepStatus::Running => "interrupted",
        StepStatus::Finished => "finished",
        StepStatus::Reused => "reused",
        StepStatus::Failed => "failed",
        StepStatus::Ignored => "failed, ignored",
        StepStatus::Cancelled => "cancelled",
        StepStatus::Skipped => "skipped",
    }
}

/// The steps that the run's length is made of: from the one that ended last back to whatever ended last before it began,
/// since a step begins when the last of what it needs has ended.
fn critical_path(steps: &[StepRecord]) -> BTreeSet<&str> {
    let times = |step: &StepRecord| {
        let began = step.started?;
        Some((began, began.saturating_add(i64::try_from(step.took?).ok()?)))
    };
    let mut path = BTreeSet::new();
    let mut next = steps
        .iter()
        .filter(|step| times(step).is_some())
        .max_by_key(|step| (times(step).map(|(_, end)| end), step.position));
    while let Some(step) = next {
        path.insert(step.step.as_str());
        let Some((began, _)) = times(step) else {
            break;
        };
        next = steps
            .iter()
            .filter(|other| !path.contains(other.step.as_str()) && other.position < step.position)
            .filter(|other| times(other).is_some_and(|(_, end)| end <= began))
            .max_by_key(|other| {
                let end = times(other).map(|(_, end)| end);
                (end, other.build == step.build, other.position)
            });
    }
    path
}

fn object(known: &Known) -> serde_json::Value {
    let critical = critical_path(&known.steps);
    let steps: Vec<serde_json::Value> = known
        .steps
        .iter()
        .map(|step| {
            let mut value = json!(step);
            value["critical"] = critical.contains(step.step.as_str()).into();
            value
        })
        .collect();
    let left: Vec<serde_json::Value> = known
        .left
        .iter()
        .map(|owned| json!({ "owner": owned.record.owner, "resource": owned.record.resource }))
        .collect();
    let artifacts = known.artifacts.iter();
    let artifacts: Vec<serde_json::Value> = artifacts
        .map(|artifact| images::object(artifact, &known.later, &known.removals))
        .collect();
    json!({
        "run": known.run.new,
        "status": known.run.status,
        "ended": known.run.ended,
        "steps": steps,
        "artifacts": artifacts,
        "changes": known.changes,
        "left": left,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn step(name: &str, position: u32, started: i64, took: u64) -> StepRecord {
        StepRecord {
            run: "r".into(),
            step: name.into(),
            build: name.split('.').next().unwrap().into(),
            position,
            kind: "provision".into(),
            status: StepStatus::Finished,
            fingerprint: None,
            started: Some(started),
            took: Some(took),
            attempts: 1,
            error: None,
            reused_from: None,
            shell: false,
            machine: None,
        }
    }

    #[test]
    fn the_critical_path_goes_back_from_the_last_end() {
        let steps = [
            step("a.launch", 0, 0, 10),
            step("a.script", 1, 10, 5),
            step("b.launch", 2, 0, 20),
            step("b.script", 3, 20, 30),
        ];
        let path: Vec<&str> = critical_path(&steps).into_iter().collect();
        assert_eq!(path, ["b.launch", "b.script"]);
    }
}
