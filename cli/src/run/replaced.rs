//! Which outputs of a plan exist already and would be replaced.

use std::path::{Path, PathBuf};

use imgc_compiler::plan::{Plan, StepKind};
use imgc_compiler::value::Value;

use imgc_runtime::post_processors::has_checksums_only;

use crate::plan_shape::component;

/// Something that is there and will not be the same afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    /// Who replaces it.
    pub(crate) address: String,
    /// What.
    pub(crate) path: PathBuf,
}

/// Options of builders that name an output, and whether an existing one is only touched with `-force`. Output
/// directories that are not named are `output-` and the source's name, as with Packer.
const BUILDERS: &[(&str, &str, bool)] = &[
    ("file", "target", false),
    ("qemu", "output_directory", true),
    ("rootfs", "output_directory", true),
];

/// Options of post-processors that name an output, which they replace without being told to.
const POST_PROCESSORS: &[(&str, &str)] = &[("compress", "output"), (CHECKSUM, "output")];

/// It keeps what others have written into its file about other files.
const CHECKSUM: &str = "checksum";

/// Options of post-processors that name a file they write beside an artifact.
const BESIDE: &[(&str, &str)] = &[("manifest", "output")];

/// Options of builders with which they remove what has the name of what they make.
const REPLACES: &[&str] = &["force_deregister"];

/// Post-processors that remove what earlier runs have made.
const REMOVERS: &[&str] = &["amazon-retention"];

/// Whether a run may remove something that is not on this machine: only then is it asked for before the run. `force`: whatever
/// has the name of what is made goes.
pub(crate) fn may_remove(plan: &Plan, force: bool) -> bool {
    let replaces = plan.builds.iter().any(|build| {
        let given = |option: &&str| {
            let value = build.source.value().get(option);
            value.is_some_and(|value| !value.is_null() && value.as_bool() != Some(false))
        };
        REPLACES.iter().any(given) || force && build.builder.starts_with("amazon-")
    });
    let removes = |step: &imgc_compiler::plan::Step| {
        let is_post = matches!(step.kind, StepKind::PostProcess { .. });
        is_post && component(step).is_some_and(|name| REMOVERS.contains(&name))
    };
    replaces || plan.steps.iter().any(removes)
}

/// The existing files that post-processors of a build write beside its artifacts, each with its step's address.
pub(crate) fn beside(plan: &Plan, build: &str) -> Vec<Output> {
    let mut found = Vec::new();
    for step in &plan.steps {
        let is_post = matches!(step.kind, StepKind::PostProcess { .. });
        if !is_post || plan.build(step.build).address != build {
            continue;
        }
        for (name, option) in BESIDE {
            if component(step) == Some(name) {
                let options = step.options.value();
                add(&step.address, options, option, None, &mut found);
            }
        }
    }
    found
}

/// The existing outputs; paths that are only known at run time are left out.
pub(crate) fn outputs(plan: &Plan, force: bool) -> Vec<Output> {
    let mut found = Vec::new();
    for build in &plan.builds {
        for (builder, option, only_forced) in BUILDERS {
            if build.builder != *builder || (*only_forced && !force) {
                continue;
            }
            let default = format!("output-{}", build.instance_name());
            let default = (*option == "output_directory").then_some(default.as_str());
            let options = build.source.value();
            add(&build.address, options, option, default, &mut found);
        }
    }
    for step in &plan.steps {
        if !matches!(step.kind, StepKind::PostProcess { .. }) {
            continue;
        }
        for (name, option) in POST_PROCESSORS {
            if component(step) == Some(name) {
                add(
                    &step.address,
                    step.options.value(),
                    option,
                    None,
                    &mut found,
                );
                if *name == CHECKSUM {
                    found.retain(|output| {
                        output.address != step.address || !has_checksums_only(&output.path)
                    });
                }
            }
        }
    }
    found
}

fn add(
    address: &str,
    options: &Value,
    option: &str,
    default: Option<&str>,
    found: &mut Vec<Output>,
) {
    let given = options.get(option).filter(|value| !value.is_null());
    let Some(text) = given.map_or(default, Value::as_str) else {
        return;
    };
    // With a template in it, it is known when the step runs.
    if text.contains("{{") || !Path::new(text).exists() {
        return;
    }
    found.push(Output {
        address: address.to_owned(),
        path: PathBuf::from(text),
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use imgc_compiler::plan::Options;

    use super::*;
    use crate::sample;

    #[test]
    fn only_what_exists_is_asked_about() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("readme.txt");
        let mut plan = sample::plan();
        let text = target.display().to_string();
        plan.builds[1].source = Options::known(Value::object([("target", Value::string(text))]));
        assert_eq!(outputs(&plan, true), []);
        std::fs::write(&target, "old").unwrap();
        let found = outputs(&plan, false);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, target);
        assert_eq!(found[0].address, "build.note.file.readme");
    }
}
