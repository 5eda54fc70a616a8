//! Forgetting runs: `imgc history prune`, and after every run what is beyond the limit that always holds.

use std::path::{Path, PathBuf};
use std::time::Duration;

use imgc_runtime::Result;
use imgc_runtime::history::{Limits, choose};
use imgc_runtime::state::{Moment, Run, State};
use serde_json::json;

use crate::args::HistoryArgs;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::plan_text::counted;
use crate::state::{self, Look};
use crate::terminal::{complain, print, shown_path};

use super::json_text;

/// So many runs of each template stay unless `IMGC_HISTORY` says otherwise.
const KEEP: usize = 200;
/// What is younger than this is never forgotten without being asked.
const YOUNG: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What was forgotten, or would be.
struct Pruned {
    /// The oldest first.
    runs: Vec<Run>,
    /// How many are remembered.
    kept: usize,
    /// How many of these only because something of them is there.
    needed: usize,
    /// Log files that could not be removed, with the reason.
    left: Vec<String>,
}

pub(super) fn run(args: &HistoryArgs, look: &Look) -> Outcome {
    let pruned = match &look.state {
        None => Pruned {
            runs: Vec::new(),
            kept: 0,
            needed: 0,
            left: Vec::new(),
        },
        Some(state) => look.wait(prune(&**state, &look.directory, limits(args), args.dry_run))?,
    };
    print(&match args.json {
        true => json_text(&object(&pruned, args.dry_run)),
        false => text(&pruned, args.dry_run),
    })?;
    if pruned.left.is_empty() {
        return Ok(Exit::Done);
    }
    let mut failure = Failure::new(Exit::Environment, "some log files could not be removed");
    failure.details = pruned.left;
    Err(failure)
}

fn limits(args: &HistoryArgs) -> Limits {
    if !args.all && args.keep.is_none() && args.older_than.is_none() {
        return after_run().unwrap_or(Limits {
            newest: KEEP,
            since: Some(ago(YOUNG)),
        });
    }
    Limits {
        newest: args.keep.unwrap_or_default(),
        since: args.older_than.map(ago),
    }
}

fn ago(age: Duration) -> Moment {
    let age = Moment::try_from(age.as_millis()).unwrap_or(Moment::MAX);
    state::now().saturating_sub(age)
}

/// The limits that hold after every run; `None` where nothing is to be forgotten then.
fn after_run() -> Option<Limits> {
    let said = std::env::var("IMGC_HISTORY").ok();
    let newest = match said.as_deref().filter(|text| !text.is_empty()) {
        None => KEEP,
        Some("all") => return None,
        Some(number) => number.parse().unwrap_or_else(|_| {
            complain(&format!(
                "note: IMGC_HISTORY: `{}` is neither a number of runs nor `all`\n",
                crate::terminal::harmless(number)
            ));
            KEEP
        }),
    };
    Some(Limits {
        newest,
        since: Some(ago(YOUNG)),
    })
}

/// After a run: forgets what is beyond the limit, silently. What cannot be done is said and fails nothing.
pub(crate) async fn limit_after_run(state: &dyn State, directory: &Path) {
    let pruning = async {
        let Some(limits) = after_run() else {
            return Ok(());
        };
        match state.count().await? > limits.newest {
            true => prune(state, directory, limits, false).await.map(drop),
            false => Ok(()),
        }
    };
    if let Err(error) = pruning.await {
        complain(&format!(
            "note: old runs are not forgotten: {}\n",
            error.chain()
        ));
    }
}

/// Removes log files, then forgets: what is interrupted in between is done again.
async fn prune(
    state: &dyn State,
    directory: &Path,
    limits: Limits,
    dry_run: bool,
) -> Result<Pruned> {
    let chosen = choose(state, limits).await?;
    let mut pruned = Pruned {
        runs: Vec::new(),
        kept: chosen.kept + chosen.needed,
        needed: chosen.needed,
        left: Vec::new(),
    };
    for run in chosen.going {
        let removed = match logs(directory, &run) {
            Some(logs) if !dry_run => remove(&logs),
            _ => Ok(()),
        };
        match removed {
            Ok(()) => pruned.runs.push(run),
            Err(why) => {
                pruned.left.push(why);
                pruned.kept += 1;
            }
        }
    }
    if !dry_run && !pruned.runs.is_empty() {
        let ids: Vec<String> = pruned.runs.iter().map(|run| run.new.id.clone()).collect();
        state.forget_runs(&ids).await?;
    }
    Ok(pruned)
}

/// The log files of a run in this state's directory; a state that was copied or moved has those of its own place.
fn logs(directory: &Path, run: &Run) -> Option<PathBuf> {
    let name = run.new.logs.as_ref()?.file_name()?;
    Some(directory.join("logs").join(name))
}

fn remove(logs: &Path) -> std::result::Result<(), String> {
    match std::fs::remove_dir_all(logs) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(format!(
            "{}: {}",
            shown_path(logs),
            crate::failure::reason(&error)
        )),
        _ => Ok(()),
    }
}

fn text(pruned: &Pruned, dry_run: bool) -> String {
    let mut text = String::new();
    let verb = if dry_run { "would forget" } else { "forgot" };
    for run in &pruned.runs {
        text.push_str(&format!(
            "{verb} run {} of {}, {}\n",
            state::short(&run.new.id),
            state::shown_template(&run.new.template),
            state::time(run.new.started)
        ));
    }
    let kept = counted(pruned.kept, "run");
    text.push_str(&match pruned.needed {
        0 => format!("{kept} remembered\n"),
        needed => {
            format!("{kept} remembered, {needed} of them since something of them is still there\n")
        }
    });
    text
}

fn object(pruned: &Pruned, dry_run: bool) -> serde_json::Value {
    let runs: Vec<serde_json::Value> = pruned
        .runs
        .iter()
        .map(|run| {
            let new = &run.new;
            json!({ "run": new.id, "template": new.template, "started": new.started, "logs": new.logs })
        })
        .collect();
    json!({
        "dry_run": dry_run,
        "forgotten": runs,
        "kept": pruned.kept,
        "needed": pruned.needed,
        "left": pruned.left,
    })
}
