//! The table of step times at the end of a run.

use std::fmt::Write as _;

use crate::duration::short;
use crate::run::{RunResult, StepOutcome, Timing};

/// One line per step that ran, with its share of its build as a bar; steps that were skipped are counted.
pub fn table(result: &RunResult) -> String {
    let ran: Vec<&Timing> = result
        .timings
        .iter()
        .filter(|timing| !matches!(timing.outcome, StepOutcome::Skipped | StepOutcome::Reused))
        .collect();
    if ran.is_empty() {
        return String::new();
    }
    let width = ran
        .iter()
        .map(|timing| timing.address.chars().count())
        .max()
        .unwrap_or(0);
    let longest = ran
        .iter()
        .map(|timing| timing.took)
        .max()
        .unwrap_or_default()
        .as_secs_f64()
        .max(1e-9);
    let mut text = String::new();
    for timing in &ran {
        let bar = "#".repeat((timing.took.as_secs_f64() / longest * 20.0).round() as usize);
        let word = match timing.outcome {
            StepOutcome::Finished | StepOutcome::Skipped | StepOutcome::Reused => "",
            StepOutcome::Failed => "failed ",
            StepOutcome::Ignored => "failed, ignored ",
            StepOutcome::Cancelled => "stopped ",
        };
        let line = format!(
            "{:<width$}  {:>10}  {word}{bar}",
            timing.address,
            short(timing.took),
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = write!(text, "{:<width$}  {:>10}", "total", short(result.took));
    let notes = [
        (StepOutcome::Reused, "reused"),
        (StepOutcome::Skipped, "not run"),
    ];
    let notes: Vec<String> = notes
        .into_iter()
        .map(|(outcome, word)| (counted(result, outcome), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| {
            let plural = if count == 1 { "" } else { "s" };
            format!("{count} step{plural} {word}")
        })
        .collect();
    if !notes.is_empty() {
        let _ = write!(text, "  {}", notes.join(", "));
    }
    text.push('\n');
    text
}

fn counted(result: &RunResult, outcome: StepOutcome) -> usize {
    let timings = result.timings.iter();
    timings.filter(|timing| timing.outcome == outcome).count()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use imgc_compiler::plan::StepId;

    use super::*;

    #[test]
    fn a_table() {
        let timing = |step, address: &str, millis, outcome| Timing {
            step: StepId(step),
            address: address.into(),
            took: Duration::from_millis(millis),
            outcome,
        };
        let result = RunResult {
            run_id: String::new(),
            builds: Vec::new(),
            timings: vec![
                timing(0, "build.null.a.launch", 12, StepOutcome::Finished),
                timing(
                    1,
                    "build.null.a.provisioner[0]",
                    61_500,
                    StepOutcome::Failed,
                ),
                timing(2, "build.null.a.capture", 0, StepOutcome::Skipped),
            ],
            moved: Vec::new(),
            leftovers: Vec::new(),
            outputs: Vec::new(),
            output_failures: Vec::new(),
            took: Duration::from_millis(61_600),
        };
        insta::assert_snapshot!(table(&result), @r#"
        build.null.a.launch                12ms
        build.null.a.provisioner[0]      1m1.5s  failed ####################
        total                            1m1.6s  1 step not run
        "#);
    }
}
