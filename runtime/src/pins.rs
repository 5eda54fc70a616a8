//! What the outside gives the builds of a plan now, and what of it has moved away from what a lock file knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgc_compiler::components::ComponentKind;
use imgc_compiler::plan::{BuildId, Plan, RunValues};
use imgc_compiler::source::World;

use crate::builder::{Known, Pin};
use crate::context::Onlooker;
use crate::error::Result;
use crate::registry::Registry;
use crate::settings::Settings;
use crate::template;

/// Something that is not as the lock file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// What it was; `None` where the lock file has nothing of that name.
    pub old: Option<Pin>,
    /// What it is.
    pub new: Pin,
}

/// What a lock file should have and does not, by name.
pub fn drift<'a>(known: &Known, pins: impl IntoIterator<Item = &'a Pin>) -> Vec<Drift> {
    let mut found: BTreeMap<&str, Drift> = BTreeMap::new();
    for pin in pins.into_iter().filter(|pin| !pin.is_local()) {
        let old = known.pins.get(&pin.name);
        if old.is_none_or(|old| old.value != pin.value) {
            found.insert(
                &pin.name,
                Drift {
                    old: old.cloned(),
                    new: pin.clone(),
                },
            );
        }
    }
    found.into_values().collect()
}

/// What has moved, in one line for people.
pub fn told(drift: &Drift) -> String {
    let name = &drift.new.name;
    match &drift.old {
        None => format!("{name}: {} (new)", shown(&drift.new)),
        Some(old) => format!("{name}: {} -> {}", shown(old), shown(&drift.new)),
    }
}

/// The beginning of a pin's value, and what it was.
pub fn shown(pin: &Pin) -> String {
    let short = match pin.value.strip_prefix("sha256:") {
        Some(digest) => format!("sha256:{}", digest.get(..12).unwrap_or(digest)),
        None => pin.value.clone(),
    };
    match pin.about.is_empty() {
        true => short,
        false => format!("{short} ({})", pin.about),
    }
}

/// Asks the builder of every build, read-only; by the build's address. What waits for values of the run has no pins yet.
pub async fn look(
    plan: &Plan,
    registry: &Registry,
    settings: &Settings,
    world: &Arc<dyn World>,
) -> Vec<(String, Result<Vec<Pin>>)> {
    let onlooker = Onlooker::new(plan, settings, world);
    let mut all = Vec::new();
    for (at, build) in plan.builds.iter().enumerate() {
        let Some(builder) = registry.builders.get(build.builder.as_str()) else {
            continue;
        };
        let cx = onlooker.context(BuildId(at as u32));
        let surroundings = template::Surroundings::from(&cx);
        let options = build.source.resolve(&RunValues::default(), &**world).ok();
        let late = template::late(ComponentKind::Builder, &build.builder);
        let options = options
            .and_then(|options| template::render_options(&options, late, &surroundings).ok());
        if let Some(options) = options {
            let pins = builder.pins(&cx, &options, &settings.known.of(build)).await;
            if pins.is_ok() || options.is_wholly_known() {
                all.push((build.address.clone(), pins));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moved_and_what_is_new_is_told_and_facts_of_the_machine_are_not() {
        let pin = |name: &str, value: &str| Pin {
            name: name.into(),
            value: value.into(),
            about: String::new(),
        };
        let mut known = Known::default();
        for old in [pin("same", "1"), pin("moved", "1")] {
            known.pins.insert(old.name.clone(), old);
        }
        let now = [
            pin("same", "1"),
            pin("moved", "2"),
            pin("new", "3"),
            Pin::local("fact", "4"),
        ];
        let found: Vec<(Option<String>, String)> = drift(&known, &now)
            .into_iter()
            .map(|drift| (drift.old.map(|old| old.value), drift.new.name))
            .collect();
        let expected = [
            (Some("1".to_owned()), "moved".to_owned()),
            (None, "new".to_owned()),
        ];
        assert_eq!(found, expected);
    }
}
