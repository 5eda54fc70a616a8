//! `imgc history`: the runs that are remembered, and forgetting old ones.

use std::collections::BTreeMap;

use imgc_runtime::state::{Run, RunStatus, State, StepRecord, StepStatus};
use serde_json::json;

use crate::args::{HistoryAction, HistoryArgs};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::state::{self, Look};
use crate::table;
use crate::terminal::{harmless, print, shown_path};

use super::json_text;

pub(crate) mod prune;

pub(super) fn run(args: &HistoryArgs) -> Outcome {
    let look = Look::at(&args.look)?;
    let limits = args.keep.is_some() || args.older_than.is_some() || args.all || args.dry_run;
    match args.action {
        HistoryAction::Prune => return prune::run(args, &look),
        HistoryAction::Ls if limits => {
            return Err(Failure::usage("limits are for `imgc history prune`"));
        }
        HistoryAction::Ls => {}
    }
    let limit = match args.limit {
        0 => usize::MAX,
        limit => limit,
    };
    let runs = match &look.state {
        Some(state) => look.wait(async {
            let mut runs = Vec::new();
            for mut run in state.runs(None).await?.into_iter().take(limit) {
                run.status = state::status(state, &run).await?;
                let steps = state.steps(&run.new.id).await?;
                runs.push((run, steps));
            }
            Ok(runs)
        })?,
        None => Vec::new(),
    };
    if args.json {
        let runs: Vec<serde_json::Value> =
            runs.iter().map(|(run, steps)| object(run, steps)).collect();
        print(&json_text(&json!(runs)))?;
        return Ok(Exit::Done);
    }
    if runs.is_empty() {
        print(&format!(
            "no run is remembered in {}\n",
            shown_path(&look.directory)
        ))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<[String; 7]> = runs.iter().map(|(run, steps)| row(run, steps)).collect();
    let heading = [
        "RUN", "BEGAN", "COMMAND", "TEMPLATE", "STATUS", "BUILDS", "TOOK",
    ];
    print(&table::columns(heading, &rows))?;
    Ok(Exit::Done)
}

fn row(run: &Run, steps: &[StepRecord]) -> [String; 7] {
    let new = &run.new;
    [
        state::short(&new.id).to_owned(),
        state::time(new.started),
        harmless(&new.command).into_owned(),
        state::shown_template(&new.template),
        state::word(run.status).to_owned(),
        builds(run, steps).text(),
        state::took(run),
    ]
}

/// How many builds of a run ended how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Builds {
    done: usize,
    failed: usize,
    all: usize,
}

/// How the builds of a run ended, as far as its steps say.
pub(super) fn builds(run: &Run, steps: &[StepRecord]) -> Builds {
    let all = run.new.builds.len();
    let mut bad: BTreeMap<&str, bool> = BTreeMap::new();
    for step in steps {
        let failed = matches!(step.status, StepStatus::Failed | StepStatus::Cancelled)
            || (step.status == StepStatus::Running && run.status != RunStatus::Running);
        let running = step.status == StepStatus::Running && run.status == RunStatus::Running;
        if failed || !running {
            *bad.entry(&step.build).or_default() |= failed;
        }
    }
    let failed = bad.values().filter(|bad| **bad).count();
    let done = match run.status {
        RunStatus::Succeeded => all,
        RunStatus::Running => 0,
        _ => bad.values().filter(|bad| !**bad).count(),
    };
    Builds { done, failed, all }
}

impl Builds {
    /// `3 ok`, `2 ok, 1 failed`, `4`.
    fn text(self) -> String {
        let Self { done, failed, all } = self;
        match (done, failed) {
            (0, 0) => all.to_string(),
            (done, 0) => format!("{done} ok"),
            (0, failed) => format!("{failed} failed"),
            (done, failed) => format!("{done} ok, {failed} failed"),
        }
    }
}

fn object(run: &Run, steps: &[StepRecord]) -> serde_json::Value {
    let new = &run.new;
    let Builds { done, failed, all } = builds(run, steps);
    json!({
        "run": new.id,
        "command": new.command,
        "template": new.template,
        "status": run.status,
        "started": new.started,
        "ended": run.ended,
        "resumes": new.resumes,
        "builds": { "all": all, "succeeded": done, "failed": failed },
        "logs": new.logs,
    })
}
