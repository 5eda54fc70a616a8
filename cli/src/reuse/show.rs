//! What `plan` says about what would run: for people and for programs.

use std::fmt::Write as _;

use imgc_compiler::plan::{Plan, StepId};
use imgc_runtime::fingerprint::Difference;
use imgc_runtime::reuse::{Foresight, Verdict, Why};
use serde_json::{Value as Json, json};

use crate::plan_text::counted;
use crate::state::short;
use crate::terminal::{Look, Style, harmless};

/// More characters of a value than this are not shown where two are compared.
const WIDTH: usize = 60;

/// The lines about each build; with `explain` every input that differs.
pub(crate) fn text(
    plan: &Plan,
    foresights: &[Foresight],
    moving: &[(String, String)],
    explain: bool,
    look: Look,
) -> String {
    let mut out = format!("\n{}\n", look.paint(Style::Strong, "Reuse"));
    for foresight in foresights {
        let build = plan.build(foresight.build);
        let _ = writeln!(
            out,
            "  {}  {}",
            harmless(&build.address),
            verdict(plan, &foresight.verdict)
        );
        for why in &foresight.unnamed {
            let _ = writeln!(
                out,
                "    {}: {}",
                harmless(&why.address),
                harmless(&why.text)
            );
        }
        if foresight.is_up_to_date() {
            continue;
        }
        let all = match explain {
            true => foresight.why.len(),
            false => foresight.why.len().min(1),
        };
        for why in &foresight.why[..all] {
            let _ = writeln!(
                out,
                "    {}: {}",
                harmless(&why.address),
                harmless(&why.text)
            );
            let shown = match explain {
                true => why.differences.len(),
                false => why.differences.len().min(1),
            };
            for difference in &why.differences[..shown] {
                difference_lines(&mut out, difference);
            }
        }
        let own = |address: &str| {
            let rest = address.strip_prefix(build.address.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        for (address, option) in moving.iter().filter(|(address, _)| own(address)) {
            let _ = writeln!(
                out,
                "    {}: `{option}` depends on the clock or on random numbers",
                harmless(address)
            );
        }
    }
    let done = foresights.iter().filter(|one| one.is_up_to_date()).count();
    let _ = match foresights.len() - done {
        0 => writeln!(out, "Nothing would change."),
        rest => writeln!(
            out,
            "{} would run, {} up to date.",
            counted(rest, "build"),
            match done {
                1 => "1 is".to_owned(),
                _ => format!("{done} are"),
            }
        ),
    };
    out
}

fn verdict(plan: &Plan, verdict: &Verdict) -> String {
    let address = |step: &StepId| harmless(&plan.step(*step).address).into_owned();
    match verdict {
        Verdict::UpToDate { run, .. } => format!("up to date, made by run {}", short(run)),
        Verdict::ArtifactThere { run, missing } => format!(
            "the artifact of run {} is there; to run: {}",
            short(run),
            missing.iter().map(address).collect::<Vec<_>>().join(", ")
        ),
        Verdict::From { step, run } => {
            format!(
                "goes on after {}, done by run {}",
                address(step),
                short(run)
            )
        }
        Verdict::Whole => "all of it runs".to_owned(),
    }
}

fn difference_lines(out: &mut String, difference: &Difference) {
    let (old, new) = (difference.old.as_deref(), difference.new.as_deref());
    let (old, new) = apart(old, new);
    let _ = writeln!(out, "      {}: {old} → {new}", harmless(&difference.name));
}

/// Two values, each cut so that the place where they differ is seen.
fn apart(old: Option<&str>, new: Option<&str>) -> (String, String) {
    let same = match (old, new) {
        (Some(old), Some(new)) => {
            let pairs = old.chars().zip(new.chars());
            pairs.take_while(|(one, other)| one == other).count()
        }
        _ => 0,
    };
    let start = same.saturating_sub(WIDTH / 3);
    let cut = |text: Option<&str>| {
        let Some(text) = text else {
            return "(not there)".to_owned();
        };
        let start = if text.chars().count() <= WIDTH {
            0
        } else {
            start
        };
        let shown: String = text.chars().skip(start).take(WIDTH).collect();
        let before = if start > 0 { "…" } else { "" };
        let behind = if text.chars().count() > start + WIDTH {
            "…"
        } else {
            ""
        };
        format!("{before}{}{behind}", harmless(&shown))
    };
    (cut(old), cut(new))
}

/// The same for programs.
pub(crate) fn json(plan: &Plan, foresights: &[Foresight], moving: &[(String, String)]) -> Json {
    let of = |foresight: &Foresight| {
        let (word, run, step, missing) = match &foresight.verdict {
            Verdict::UpToDate { run, .. } => ("up-to-date", Some(run), None, Vec::new()),
            Verdict::ArtifactThere { run, missing } => {
                ("artifact-there", Some(run), None, missing.clone())
            }
            Verdict::From { step, run } => ("from", Some(run), Some(*step), Vec::new()),
            Verdict::Whole => ("whole", None, None, Vec::new()),
        };
        let address = |step: StepId| plan.step(step).address.as_str();
        json!({
            "build": plan.build(foresight.build).address,
            "verdict": word,
            "run": run,
            "step": step.map(address),
            "missing": missing.into_iter().map(address).collect::<Vec<_>>(),
            "why": foresight.why.iter().map(why).collect::<Vec<_>>(),
            "unnamed": foresight.unnamed.iter().map(why).collect::<Vec<_>>(),
        })
    };
    json!({
        "builds": foresights.iter().map(of).collect::<Vec<_>>(),
        "moving": moving.iter().map(|(address, option)| {
            json!({ "address": address, "option": option })
        }).collect::<Vec<_>>(),
    })
}

fn why(why: &Why) -> Json {
    json!({
        "address": why.address,
        "text": why.text,
        "differences": why.differences.iter().map(|one| json!({
            "input": one.name,
            "old": one.old,
            "new": one.new,
        })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_where_two_long_values_differ_is_seen() {
        let long = "a".repeat(200);
        let (one, other) = (format!("{long}1 end"), format!("{long}2 end"));
        let (old, new) = apart(Some(&one), Some(&other));
        assert_eq!(old, format!("…{}1 end", "a".repeat(20)));
        assert_eq!(new, format!("…{}2 end", "a".repeat(20)));
        assert_eq!(
            apart(None, Some("x")),
            ("(not there)".to_owned(), "x".to_owned())
        );
    }
}
