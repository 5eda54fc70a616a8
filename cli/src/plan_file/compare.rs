//! Why two plans are not the same, in words.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::Fingerprints;

/// How many reasons are given; one is enough to refuse.
const SHOWN: usize = 20;

/// What differs between the plan of a file and the one made now; empty when nothing does.
pub(super) fn reasons(
    known: &Fingerprints,
    fresh: &Fingerprints,
    known_plan: &Json,
    fresh_plan: &Json,
) -> Vec<String> {
    let mut out = Vec::new();
    fingerprints("file", &known.sources, &fresh.sources, &mut out);
    inputs(known_plan, fresh_plan, &mut out);
    fingerprints(
        "environment variable",
        &known.environment,
        &fresh.environment,
        &mut out,
    );
    variables(known_plan, fresh_plan, &mut out);
    fingerprints(
        "secret variable",
        &known.variables,
        &fresh.variables,
        &mut out,
    );
    parts(
        "build",
        &known_plan["builds"],
        &fresh_plan["builds"],
        &mut out,
    );
    parts("step", &known_plan["steps"], &fresh_plan["steps"], &mut out);
    if out.is_empty() && known.steps != fresh.steps {
        out.push("a secret that a step uses has another value".to_owned());
    }
    if out.is_empty() && known_plan["root"] != fresh_plan["root"] {
        out.push("the template is in another directory".to_owned());
    }
    if let Some(more) = out.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        out.truncate(SHOWN);
        out.push(format!("... and {more} more"));
    }
    out
}

fn fingerprints(
    what: &str,
    known: &BTreeMap<String, String>,
    fresh: &BTreeMap<String, String>,
    out: &mut Vec<String>,
) {
    let names: BTreeSet<&String> = known.keys().chain(fresh.keys()).collect();
    for name in names {
        // Values from the environment are sources too, but no files.
        let (what, shown) = match name.strip_prefix("environment ") {
            Some(variable) => ("environment variable", variable),
            None => (what, name.as_str()),
        };
        match (known.get(name), fresh.get(name)) {
            (Some(old), Some(new)) if old != new => out.push(changed(what, shown, old, new)),
            (Some(_), None) => out.push(format!("{what} `{shown}` is gone")),
            (None, Some(_)) => out.push(format!("{what} `{shown}` is new")),
            _ => {}
        }
    }
}

fn changed(what: &str, name: &str, old: &str, new: &str) -> String {
    let short = |digest: &str| digest.get(..12).unwrap_or(digest).to_owned();
    format!(
        "{what} `{name}` has changed (was {}, is {})",
        short(old),
        short(new)
    )
}

/// Entries of an array by what identifies them.
fn by_key(array: &Json, key: impl Fn(&Json) -> String) -> BTreeMap<String, &Json> {
    let entries = array.as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().map(|entry| (key(entry), entry)).collect()
}

fn text(entry: &Json, name: &str) -> String {
    entry[name].as_str().unwrap_or_default().to_owned()
}

fn inputs(known: &Json, fresh: &Json, out: &mut Vec<String>) {
    let digests = |plan: &Json| -> BTreeMap<String, String> {
        by_key(&plan["inputs"], |input| {
            format!("{} {}", text(input, "kind"), text(input, "name"))
        })
        .into_iter()
        .filter(|(_, input)| input["kind"] != "environment")
        .map(|(key, input)| (key, text(input, "digest")))
        .collect()
    };
    fingerprints("input", &digests(known), &digests(fresh), out);
}

fn variables(known: &Json, fresh: &Json, out: &mut Vec<String>) {
    let known = by_key(&known["variables"], |variable| text(variable, "name"));
    let fresh = by_key(&fresh["variables"], |variable| text(variable, "name"));
    let names: BTreeSet<&String> = known.keys().chain(fresh.keys()).collect();
    for name in names {
        match (known.get(name), fresh.get(name)) {
            (Some(old), Some(new)) if old["value"] != new["value"] => out.push(format!(
                "variable `{name}` was {}, is {}",
                old["value"], new["value"]
            )),
            (Some(old), Some(new)) if old["origin"] != new["origin"] => out.push(format!(
                "variable `{name}` came from {}, comes from {}",
                text(old, "origin"),
                text(new, "origin")
            )),
            (Some(_), None) => out.push(format!("variable `{name}` is gone")),
            (None, Some(_)) => out.push(format!("variable `{name}` is new")),
            _ => {}
        }
    }
}

/// Builds and steps: which are gone, new, or say something else, and where.
fn parts(what: &str, known: &Json, fresh: &Json, out: &mut Vec<String>) {
    let known = by_key(known, |part| text(part, "address"));
    let fresh = by_key(fresh, |part| text(part, "address"));
    let addresses: BTreeSet<&String> = known.keys().chain(fresh.keys()).collect();
    for address in addresses {
        match (known.get(address), fresh.get(address)) {
            (Some(old), Some(new)) if old != new => {
                let fields = different(old, new);
                // A digest alone follows from something that has a line of its own, or from a step before.
                if fields == ["digest"] {
                    let (old, new) = (text(old, "digest"), text(new, "digest"));
                    out.push(changed(what, address, &old, &new));
                } else {
                    let fields: Vec<_> = fields.into_iter().filter(|f| f != "digest").collect();
                    out.push(format!(
                        "{what} `{address}` has changed: {}",
                        fields.join(", ")
                    ));
                }
            }
            (Some(_), None) => out.push(format!("{what} `{address}` is gone")),
            (None, Some(_)) => out.push(format!("{what} `{address}` is new")),
            _ => {}
        }
    }
}

/// The fields that differ; of options, the options.
fn different(old: &Json, new: &Json) -> Vec<String> {
    let empty = serde_json::Map::new();
    let fields = |json: &Json| json.as_object().unwrap_or(&empty).clone();
    let (old, new) = (fields(old), fields(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        let (before, after) = (old.get(name), new.get(name));
        if before == after {
            continue;
        }
        match (before, after) {
            (Some(Json::Object(_)), Some(Json::Object(_))) if name == "options" => {
                let inner = different(&old[name], &new[name]);
                found.extend(inner.iter().map(|option| format!("option `{option}`")));
            }
            _ => found.push(name.clone()),
        }
    }
    found
}
