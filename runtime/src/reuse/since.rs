//! What has happened to a machine since a run has worked on it.
//!
//! In: what the resumed run has done on a machine that imgc did not make, and the runs after it. Out: what of that still
//! counts. Steps of another run may have undone what this one did, so where one has been at the machine nothing counts;
//! a run that went on with this one counts for what it has done again itself.

use std::collections::BTreeSet;

use super::resume::{Done, short};
use super::{Why, changes};
use crate::error::Result;
use crate::state::{Met, Run, State, StepRecord, StepStatus};

/// The machine that steps were done on: the one that the run which tells of them has met, or went by.
pub(super) async fn met(state: &dyn State, build: &str, done: &Done) -> Result<Option<Met>> {
    let Some(told) = &done.told else {
        return Ok(None);
    };
    for run in super::line(state, &told.new.id).await? {
        let steps = state.steps(&run).await?;
        let mut own = steps.into_iter().filter(|step| step.build == build);
        if let Some(met) = own.find_map(|step| step.machine) {
            return Ok(Some(met));
        }
    }
    Ok(None)
}

/// Takes from `done` what does not count because of later runs, and says which.
pub(super) async fn overtaken(
    state: &dyn State,
    build: &str,
    met: Option<&Met>,
    done: &mut Done,
) -> Result<Option<Why>> {
    let Some(told) = done.told.clone() else {
        return Ok(None);
    };
    let all = state.runs(None).await?;
    let place = met.map(|met| met.place.as_str());
    let mut again = None;
    for later in all.iter().take_while(|run| run.new.id != told.new.id) {
        let steps = state.steps(&later.new.id).await?;
        if went_on(&all, later, &told) {
            for step in steps
                .iter()
                .filter(|step| step.build == build && works(step))
            {
                if done.steps.remove(&step.step).is_some() {
                    again = Some((later, step.step.clone()));
                }
            }
            continue;
        }
        let there: BTreeSet<&str> = steps
            .iter()
            .filter(|step| place.is_some() && met_at(step) == place)
            .map(|step| step.build.as_str())
            .collect();
        let is_same = later.new.template == told.new.template;
        let mut worked = steps.iter().filter(|step| works(step));
        if worked
            .any(|step| there.contains(step.build.as_str()) || (is_same && step.build == build))
        {
            done.steps.clear();
            let text = format!(
                "run {} has worked on this machine since: nothing counts of what run {} has done there",
                short(&later.new.id),
                short(&told.new.id)
            );
            return Ok(Some(said(build, &text)));
        }
    }
    Ok(again.map(|(later, step)| {
        let text = format!(
            "run {} has done it again since: nothing counts of what run {} has done from there on",
            short(&later.new.id),
            short(&told.new.id)
        );
        said(&step, &text)
    }))
}

fn said(address: &str, text: &str) -> Why {
    Why {
        lost: true,
        ..changes::why(address, text)
    }
}

/// Whether a step has run that may have changed a machine.
fn works(step: &StepRecord) -> bool {
    step.kind == "provision" && !matches!(step.status, StepStatus::Skipped | StepStatus::Reused)
}

fn met_at(step: &StepRecord) -> Option<&str> {
    step.machine.as_ref().map(|met| met.place.as_str())
}

/// Whether `later` went on with `earlier`, or with one that did.
fn went_on(all: &[Run], later: &Run, earlier: &Run) -> bool {
    let mut at = Some(later);
    // No longer than there are runs, whatever the records say.
    for _ in 0..all.len() {
        let Some(before) = at.and_then(|run| run.new.resumes.as_ref()) else {
            return false;
        };
        if *before == earlier.new.id {
            return true;
        }
        at = all.iter().find(|run| run.new.id == *before);
    }
    false
}
