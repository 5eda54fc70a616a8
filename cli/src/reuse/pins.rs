//! What builds take from outside, as `plan` shows it: as the lock file has it, moved, or not in it yet.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use imgc_compiler::plan::Plan;
use imgc_runtime::builder::Pin;
use imgc_runtime::pins::{Drift, shown, told};
use serde_json::{Value as Json, json};

use crate::reuse::Seen;
use crate::terminal::{Look, Style, harmless};

/// A pin, what the lock file has of that name, and the builds that have it.
struct Taken<'a> {
    pin: &'a Pin,
    locked: Option<&'a Pin>,
    builds: Vec<&'a str>,
}

/// By name. Facts of this machine are in no lock file.
fn taken<'a>(plan: &'a Plan, seen: &'a Seen) -> Vec<Taken<'a>> {
    let mut found: BTreeMap<&str, Taken<'a>> = BTreeMap::new();
    for foresight in &seen.builds {
        for pin in foresight.pins.iter().filter(|pin| !pin.is_local()) {
            let taken = found.entry(&pin.name).or_insert_with(|| Taken {
                pin,
                locked: seen.known.pins.get(&pin.name),
                builds: Vec::new(),
            });
            taken.builds.push(&plan.build(foresight.build).address);
        }
    }
    found.into_values().collect()
}

/// The lines about what is taken from outside; none where nothing is.
pub(crate) fn text(plan: &Plan, seen: &Seen, look: Look) -> String {
    let mut lines = String::new();
    for Taken { pin, locked, .. } in taken(plan, seen) {
        let line = match locked {
            Some(locked) if locked.value == pin.value => format!("{}: {}", pin.name, shown(pin)),
            old => told(&Drift {
                old: old.cloned(),
                new: pin.clone(),
            }),
        };
        let _ = writeln!(lines, "  {}", harmless(&line));
    }
    for foresight in &seen.builds {
        if let Some(why) = &foresight.unseen {
            let address = harmless(&plan.build(foresight.build).address);
            let _ = writeln!(lines, "  {address}: cannot be looked at: {}", harmless(why));
        }
    }
    match lines.is_empty() {
        true => lines,
        false => format!("\n{}\n{lines}", look.paint(Style::Strong, "From outside")),
    }
}

/// The same for programs.
pub(crate) fn json(plan: &Plan, seen: &Seen) -> Json {
    let of = |taken: Taken<'_>| {
        let state = match taken.locked {
            None => "new",
            Some(locked) if locked.value == taken.pin.value => "locked",
            Some(_) => "moved",
        };
        json!({
            "name": taken.pin.name,
            "value": taken.pin.value,
            "about": taken.pin.about,
            "state": state,
            "locked": taken.locked.map(|pin| &pin.value),
            "builds": taken.builds,
        })
    };
    taken(plan, seen).into_iter().map(of).collect()
}
