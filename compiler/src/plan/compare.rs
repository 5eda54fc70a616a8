//! What tells two plans apart.
//!
//! In: the plans of two texts of one template, such as before and after a conversion. Out: the differences in words,
//! none where both would do the same. Builds are recognised by their builder and source, for a legacy template calls
//! them by other names than HCL; where something stands and how a file is called makes no difference.

use std::collections::{BTreeMap, BTreeSet};

use super::{Build, Need, Options, Plan, Step};
use crate::value::Value;

/// The differences between two plans, as `what: before → after`; sensitive values are not shown.
pub fn differences(before: &Plan, after: &Plan) -> Vec<String> {
    let mut out = Vec::new();
    variables(before, after, &mut out);
    let (before, after) = (View::new(before), View::new(after));
    pairs(
        &before.builds(),
        &after.builds(),
        "build",
        &mut out,
        |key, old, new, out| {
            build(key, old, new, out);
        },
    );
    pairs(
        &before.steps(),
        &after.steps(),
        "step",
        &mut out,
        |key, old, new, out| {
            step(key, (&before, old), (&after, new), out);
        },
    );
    let inputs = |plan: &Plan| -> BTreeMap<String, String> {
        let inputs = plan.inputs.iter();
        let named = inputs.map(|input| {
            (
                format!("{} `{}`", input.kind, input.name),
                input.digest.clone(),
            )
        });
        named.collect()
    };
    pairs(
        &inputs(before.plan),
        &inputs(after.plan),
        "input",
        &mut out,
        |key, old, new, out| {
            if old != new {
                out.push(format!("{key} has other bytes"));
            }
        },
    );
    if out.is_empty() {
        // A digest alone tells of something that is not shown. What only the run knows counts there as it is written,
        // which differs among languages.
        let (old, new) = (before.steps(), after.steps());
        let late = before.late_steps();
        let changed = old
            .iter()
            .filter(|(key, _)| !late.contains(*key))
            .filter(|(key, step)| new.get(*key).is_some_and(|new| new.digest != step.digest));
        out.extend(changed.map(|(key, _)| format!("step {key}: its digest")));
    }
    out
}

/// Goes through the entries of both; says which only one of them has.
fn pairs<T>(
    old: &BTreeMap<String, T>,
    new: &BTreeMap<String, T>,
    what: &str,
    out: &mut Vec<String>,
    mut both: impl FnMut(&str, &T, &T, &mut Vec<String>),
) {
    for (key, entry) in old {
        match new.get(key) {
            Some(other) => both(key, entry, other, out),
            None => out.push(format!("{what} {key} is gone")),
        }
    }
    for key in new.keys().filter(|key| !old.contains_key(*key)) {
        out.push(format!("{what} {key} is new"));
    }
}

fn variables(before: &Plan, after: &Plan, out: &mut Vec<String>) {
    let values = |plan: &Plan| -> BTreeMap<String, Value> {
        let variables = plan.variables.iter();
        variables
            .map(|variable| (format!("`{}`", variable.name), variable.value.clone()))
            .collect()
    };
    pairs(
        &values(before),
        &values(after),
        "variable",
        out,
        |key, old, new, out| {
            value(&format!("variable {key}"), old, new, out);
        },
    );
}

/// A plan with what its builds are recognised by.
struct View<'a> {
    plan: &'a Plan,
    keys: Vec<String>,
}

impl<'a> View<'a> {
    fn new(plan: &'a Plan) -> Self {
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        let keys = plan.builds.iter().map(|build| {
            let key = build_key(build);
            let count = seen.entry(key.clone()).or_default();
            *count += 1;
            match *count {
                1 => key,
                count => format!("{key} ({count})"),
            }
        });
        Self {
            plan,
            keys: keys.collect(),
        }
    }

    fn builds(&self) -> BTreeMap<String, &'a Build> {
        self.keys.iter().cloned().zip(&self.plan.builds).collect()
    }

    /// Steps by their build and the rest of their address.
    fn steps(&self) -> BTreeMap<String, &'a Step> {
        let steps = self.plan.steps.iter();
        steps.map(|step| (self.step_key(step), step)).collect()
    }

    /// The steps in whose digests something counts that only the run knows: their own options, those of their source, or
    /// those of a step they need.
    fn late_steps(&self) -> BTreeSet<String> {
        let mut late = BTreeSet::new();
        // What a step needs stands before it.
        for step in &self.plan.steps {
            let source = &self.plan.builds[step.build.0 as usize].source;
            let own = step.options.is_deferred() || source.is_deferred();
            let of_need = |need: &Need| late.contains(&self.step_key(self.plan.step(need.step)));
            if own || step.needs.iter().any(of_need) {
                late.insert(self.step_key(step));
            }
        }
        late
    }

    fn step_key(&self, step: &Step) -> String {
        let at = step.build.0 as usize;
        let address = &self.plan.builds[at].address;
        let rest = step.address.strip_prefix(address).unwrap_or(&step.address);
        format!("{}{rest}", self.keys[at])
    }
}

/// `BLOCK.BUILDER.NAME`, whether the plan calls the build so or by its name alone.
fn build_key(build: &Build) -> String {
    if !build.keys.is_empty() {
        return build.name.clone();
    }
    let after = |name: &'_ str, prefix: &str| -> Option<String> {
        let rest = name.strip_prefix(prefix)?.strip_prefix('.')?;
        Some(rest.to_owned())
    };
    let short = after(&build.name, &build.block_name).unwrap_or_else(|| build.name.clone());
    let name = after(&short, &build.builder).unwrap_or(short);
    match build.block_name.as_str() {
        "" => format!("{}.{name}", build.builder),
        block => format!("{block}.{}.{name}", build.builder),
    }
}

fn build(key: &str, old: &Build, new: &Build, out: &mut Vec<String>) {
    let key = format!("build {key}");
    if old.communicator != new.communicator {
        out.push(format!(
            "{key}: communicator {} → {}",
            old.communicator, new.communicator
        ));
    }
    if old.description != new.description {
        out.push(format!("{key}: its description"));
    }
    if old.timeout != new.timeout {
        out.push(format!("{key}: its time limit"));
    }
    options(&key, &old.source, &new.source, out);
    if old.cleanup.len() != new.cleanup.len() {
        out.push(format!(
            "{key}: {} → {} cleanup steps",
            old.cleanup.len(),
            new.cleanup.len()
        ));
    }
    if old.checks.len() != new.checks.len() {
        out.push(format!(
            "{key}: {} → {} checks of its image",
            old.checks.len(),
            new.checks.len()
        ));
    }
    for (old, new) in old.checks.iter().zip(&new.checks) {
        options(&format!("{key}, check"), &old.options, &new.options, out);
    }
    for (old, new) in old.cleanup.iter().zip(&new.cleanup) {
        options(&format!("{key}, cleanup"), &old.options, &new.options, out);
    }
}

fn step(
    key: &str,
    (before, old): (&View<'_>, &Step),
    (after, new): (&View<'_>, &Step),
    out: &mut Vec<String>,
) {
    let key = format!("step {key}");
    if old.kind != new.kind {
        out.push(format!("{key}: {:?} → {:?}", old.kind, new.kind));
    }
    options(&key, &old.options, &new.options, out);
    let needs = |view: &View<'_>, step: &Step| -> Vec<_> {
        let needs = step.needs.iter();
        needs
            .map(|need| {
                (
                    view.step_key(view.plan.step(need.step)),
                    need.kind == super::NeedKind::Data,
                )
            })
            .collect()
    };
    if needs(before, old) != needs(after, new) {
        out.push(format!("{key}: what it waits for"));
    }
    if old.outputs != new.outputs {
        out.push(format!("{key}: what it yields"));
    }
    if old.limits != new.limits {
        out.push(format!("{key}: {:?} → {:?}", old.limits, new.limits));
    }
}

fn options(key: &str, old: &Options, new: &Options, out: &mut Vec<String>) {
    value(key, old.value(), new.value(), out);
    if old.is_deferred() != new.is_deferred() {
        out.push(format!("{key}: when its options are known"));
    }
}

/// The parts of two values that differ.
fn value(key: &str, old: &Value, new: &Value, out: &mut Vec<String>) {
    if old == new {
        return;
    }
    match (old.as_map(), new.as_map()) {
        (Some(before), Some(after)) if !old.is_sensitive() && !new.is_sensitive() => {
            let names = |entries: &BTreeMap<_, Value>| -> BTreeMap<String, Value> {
                let entries = entries
                    .iter()
                    .map(|(name, value)| (format!("`{name}`"), value.clone()));
                entries.collect()
            };
            let from = out.len();
            pairs(
                &names(before),
                &names(after),
                &format!("{key}:"),
                out,
                |name, old, new, out| {
                    value(&format!("{key}: {name}"), old, new, out);
                },
            );
            if out.len() == from {
                out.push(format!("{key}: {} → {}", old.ty(), new.ty()));
            }
        }
        _ => {
            let (shown, other) = (old.display(), new.display());
            match shown == other {
                true => out.push(format!("{key}: {} → {}", old.ty(), new.ty())),
                false => out.push(format!("{key}: {shown} → {other}")),
            }
        }
    }
}
