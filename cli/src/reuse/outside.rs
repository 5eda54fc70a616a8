//! What builders show of the outside, for people and for programs: what is there, what will be made, who else can reach it.

use std::fmt::Write as _;

use imgc_compiler::plan::Plan;
use imgc_runtime::event::Redact as _;
use imgc_runtime::preview::{Certainty, Finding, Guard, Hold, Making};
use imgc_runtime::redact::Redactor;
use imgc_runtime::reuse::Verdict;
use serde_json::{Value as Json, json};

use crate::plan_json::masked;
use crate::reuse::Seen;
use crate::terminal::{Look, Style, harmless};

/// The lines about it; none where no builder shows anything.
pub(crate) fn text(plan: &Plan, seen: &Seen, look: Look) -> String {
    let redact = Redactor::declared(plan);
    let mut text = String::new();
    for (id, preview) in &seen.previews {
        if preview.findings.is_empty() && preview.makes.is_empty() {
            continue;
        }
        let address = harmless(&plan.build(*id).address).into_owned();
        let title = match preview.makes.is_empty() {
            true => format!("What {address} finds"),
            false => format!("What {address} finds and makes"),
        };
        let _ = writeln!(text, "\n{}", look.paint(Style::Strong, &title));
        let facts = preview.findings.iter().map(finding);
        let makes = preview.makes.iter().map(making);
        let guards = preview.guards.iter().map(guarding);
        let rows: Vec<(String, String)> = facts.chain(makes).chain(guards).collect();
        let width = rows.iter().map(|(what, _)| what.chars().count()).max();
        let width = width.unwrap_or(0);
        let mut before = "";
        for (what, said) in &rows {
            // What is said of the same thing stands under it.
            let shown = if what == before { "" } else { what };
            let said = redact.redact(said);
            let _ = writeln!(text, "  {shown:width$}  {}", harmless(&said));
            before = what;
        }
    }
    text
}

/// The builds that would fail of what was found, each with what that is about. One whose artifact is there takes nothing more of
/// the outside than its post-processors do.
pub(crate) fn doomed(plan: &Plan, seen: &Seen) -> Vec<String> {
    let previews = seen.previews.iter();
    let doomed = previews.filter_map(|(id, preview)| {
        let foresight = seen.builds.iter().find(|foresight| foresight.build == *id);
        let verdict = foresight.map(|foresight| &foresight.verdict);
        let builds = match verdict {
            Some(Verdict::UpToDate { .. }) => return None,
            Some(Verdict::ArtifactThere { .. }) => false,
            _ => true,
        };
        let findings = preview.findings.iter();
        let mut about: Vec<&str> = findings
            .filter(|finding| finding.state == Certainty::Trouble)
            .filter(|finding| builds || !finding.by.is_empty())
            .map(|finding| finding.what.as_str())
            .collect();
        about.dedup();
        let address = harmless(&plan.build(*id).address);
        (!about.is_empty()).then(|| format!("{address}: {}", about.join(", ")))
    });
    doomed.collect()
}

fn finding(finding: &Finding) -> (String, String) {
    let said = match finding.state {
        Certainty::Known => finding.text.clone(),
        Certainty::Unknown => format!("(unknown) {}", finding.text),
        Certainty::Trouble => format!("! {}", finding.text),
    };
    (finding.what.clone(), said)
}

fn making(making: &Making) -> (String, String) {
    let stays = match making.stays {
        true => "stays",
        false => "until the build ends",
    };
    let open = match making.open_to.is_empty() {
        true => String::new(),
        false => format!("; open to {}", making.open_to.join(", ")),
    };
    let said = format!(
        "{} in {}: {}{open} ({stays})",
        making.what, making.place, making.about
    );
    ("makes".to_owned(), said)
}

/// What keeps others out: a line for each default, marked where it does not hold or may not.
fn guarding(guard: &Guard) -> (String, String) {
    let mark = match guard.state {
        Hold::On | Hold::Idle => "",
        Hold::Off => "(off) ",
        Hold::Unknown => "(unknown) ",
    };
    let by = match guard.by.as_str() {
        "default" => String::new(),
        option => format!(", by `{option}`"),
    };
    let said = format!("{mark}{}: {}{by}", guard.what, guard.value);
    ("safe by default".to_owned(), said)
}

/// The same for programs.
pub(crate) fn json(plan: &Plan, seen: &Seen) -> Json {
    let redact = Redactor::declared(plan);
    let previews = seen.previews.iter();
    let all = previews.map(|(id, preview)| {
        json!({
            "build": plan.build(*id).address,
            "findings": preview.findings,
            "makes": preview.makes,
            "removes": preview.removes,
            "guards": preview.guards,
        })
    });
    masked(all.collect(), &redact)
}
