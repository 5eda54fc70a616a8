//! How two fingerprints differ, for people.

use std::collections::BTreeMap;

use crate::state::FingerprintInput;

/// An input that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub name: String,
    /// What it was; `None` where it was not there.
    pub old: Option<String>,
    /// What it is; `None` where it is not there any more.
    pub new: Option<String>,
}

/// How the inputs of two fingerprints differ, in the order of their names; what comes before a step stands last, since
/// another input says more. Values nobody may see are the first characters of their digests.
pub fn explain(old: &[FingerprintInput], new: &[FingerprintInput]) -> Vec<Difference> {
    let by_name = |list: &[FingerprintInput]| -> BTreeMap<String, FingerprintInput> {
        let named = list.iter().map(|one| (one.name.clone(), one.clone()));
        named.collect()
    };
    let (old, new) = (by_name(old), by_name(new));
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort_by_key(|name| (follows(name), name.as_str()));
    names.dedup();
    let mut differences = Vec::new();
    for name in names {
        let (one, other) = (old.get(name), new.get(name));
        if one.map(|one| &one.digest) == other.map(|other| &other.digest) {
            continue;
        }
        let same_text = match (one, other) {
            (Some(one), Some(other)) => one.shown == other.shown,
            _ => false,
        };
        let shown = |input: &FingerprintInput| match input.shown.is_empty() || same_text {
            true => input.digest.chars().take(12).collect(),
            false => input.shown.clone(),
        };
        differences.push(Difference {
            name: name.clone(),
            old: one.map(shown),
            new: other.map(shown),
        });
    }
    differences
}

/// Whether an input is the fingerprint of another step.
pub fn follows(name: &str) -> bool {
    name == "before"
        || name == "input"
        || name.starts_with("chain ")
        || name.starts_with("publish ")
}
