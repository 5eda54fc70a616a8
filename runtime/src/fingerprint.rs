//! Fingerprints: what a step would do, as a number, and what that number is made from.
//!
//! In: a build of a plan, what its builder pins, the artifacts it uses. Out: for each step that has one a
//! [`Fingerprint`]. Each is made from the step's own inputs and the fingerprint of what comes before it, so that equal
//! numbers mean: the same was done to the same. `prepare`, `connect` and `release` have none. See
//! `docs/design/durable.md`.
//!
//! - `fingerprint/making.rs`: the inputs of one step.
//! - `fingerprint/explain.rs`: how two fingerprints differ.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use imgc_compiler::components::ComponentKind;
use imgc_compiler::plan::inputs::{Known, NOT_READ, Read, ReadFile, StepInput, inputs};
use imgc_compiler::plan::{BuildId, Options, Plan, Step, StepId, StepKind};
use imgc_compiler::schema;
use imgc_compiler::source::World;
use imgc_compiler::value::Value;
use smol_str::SmolStr;

use crate::builder::Pin;
use crate::event::Redact;
use crate::state::{FingerprintInput, State};
use crate::template::{self, Surroundings};

mod explain;
mod making;

pub use explain::{Difference, explain, follows};
use making::{Making, NOT_MADE};

/// What a step would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// SHA-256, lower-case hexadecimal.
    pub digest: String,
    /// What it is made from, sorted by name.
    pub inputs: Vec<FingerprintInput>,
    /// The inputs that are others in every run, each with why.
    pub moving: Vec<(String, String)>,
    /// Whether what this step has done before counts: not where `cache = false` stands here or before.
    pub reusable: bool,
    /// What has been read for it.
    pub files: Vec<ReadFile>,
}

/// The fingerprints of a build's steps, in plan order.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    steps: BTreeMap<StepId, Fingerprint>,
}

impl Chain {
    /// That of a step; `None` where it has none.
    pub fn get(&self, step: StepId) -> Option<&Fingerprint> {
        self.steps.get(&step)
    }

    /// All, in plan order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (StepId, &Fingerprint)> {
        self.steps
            .iter()
            .map(|(step, fingerprint)| (*step, fingerprint))
    }

    /// Whether an artifact that is not there yet is a part of one.
    pub fn waits(&self) -> bool {
        let mut all = self.steps.values().flat_map(|one| &one.moving);
        all.any(|(_, why)| why == NOT_MADE)
    }

    /// Whether a file that is read later is a part of that of a step, or of one before it.
    pub fn is_unread(&self, step: StepId) -> bool {
        let before = self.steps.range(..=step).map(|(_, one)| one);
        let mut all = before.flat_map(|one| &one.moving);
        all.any(|(_, why)| why == NOT_READ)
    }
}

/// What fingerprints of a build are made from besides its plan.
pub struct Basis<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Which build.
    pub build: BuildId,
    /// Files, clock, environment.
    pub world: &'a Arc<dyn World>,
    /// The state's own salt, for what is secret.
    pub salt: [u8; 32],
    /// This run.
    pub run: &'a str,
    /// The run that began what this one goes on with; this one where it goes on with nothing. What is new in every run
    /// is made from it.
    pub origin: &'a str,
    /// What the builder pins.
    pub pins: &'a [Pin],
    /// The builder's options that matter only when the artifact is made.
    pub capture_options: &'a [&'static str],
    /// The builder's options that matter only when the artifact is published.
    pub publish_options: &'a [&'static str],
    /// The artifacts there are, by address of the build.
    pub artifacts: &'a BTreeMap<String, Value>,
    /// What these artifacts are, as digests.
    pub identities: &'a BTreeMap<String, String>,
    /// The template's variables.
    pub variables: &'a Arc<BTreeMap<SmolStr, Value>>,
    /// Masks what people are shown.
    pub redact: &'a dyn Redact,
    /// Whether files that are sent are read later: see [`Known::later`].
    pub later: bool,
    /// The directory of the templates, where the state knows of those of other directories, too.
    pub home: Option<PathBuf>,
    /// Whether the builder goes on from layers: these are of no directory.
    pub layers: bool,
}

/// The directory of a plan's templates, where a state is not of it alone: see [`Basis::home`].
pub fn home(plan: &Plan, state: &dyn State, world: &dyn World) -> Option<PathBuf> {
    let root = making::absolute(&plan.root, world);
    (!state.is_of(&root)).then_some(root)
}

/// Whether a step does its work on this machine: what it leaves is neither on the build's machine nor in an artifact.
pub fn is_here(step: &Step) -> bool {
    let StepKind::Provision { provisioner, .. } = &step.kind else {
        return matches!(step.kind, StepKind::PostProcess { .. });
    };
    match provisioner.as_str() {
        "shell-local" => true,
        "file" => {
            let direction = step.options.value().get("direction");
            direction.and_then(Value::as_str) == Some("download")
        }
        _ => false,
    }
}

/// Whether a `file` provisioner sends what is made while the build runs.
fn sends_generated(step: &Step) -> bool {
    let StepKind::Provision { provisioner, .. } = &step.kind else {
        return false;
    };
    let generated = step.options.value().get("generated");
    provisioner == "file" && generated.and_then(Value::as_bool) == Some(true)
}

/// Options of sources that say how long and how often to try, or who asks at this moment: what is made does not follow from them.
const PASSING: &[&str] = &[
    "mfa_code",
    "pause_before_connecting",
    "ssh_handshake_attempts",
    "ssh_keep_alive_interval",
    "ssh_read_write_timeout",
    "ssh_timeout",
    "ssh_wait_timeout",
    "winrm_timeout",
];

/// The fingerprints of all steps of a build. Reads files, and blocks.
pub fn chain(basis: &Basis<'_>, read: &mut Read) -> Chain {
    let build = basis.plan.build(basis.build);
    let component = schema::component(ComponentKind::Builder, &build.builder);
    let source = basis.inputs(component, &build.source, read);
    let is_late = |input: &StepInput| basis.capture_options.contains(&input.option.as_str());
    let is_last = |input: &StepInput| basis.publish_options.contains(&input.option.as_str());
    let mut chain = Chain::default();
    // The last fingerprint of the machine phase.
    let mut before: Option<Link> = None;
    let mut capture: Option<Link> = None;
    let mut published: BTreeMap<SmolStr, Link> = BTreeMap::new();
    let mut posts: BTreeMap<u32, Vec<Link>> = BTreeMap::new();
    let sends = |id: &StepId| {
        let step = basis.plan.step(*id);
        step.build == basis.build && sends_generated(step)
    };
    let generated = basis.plan.step_ids().filter(sends).last();
    let steps = basis.plan.step_ids().map(|id| (id, basis.plan.step(id)));
    for (id, step) in steps.filter(|(_, step)| step.build == basis.build) {
        let mut making = Making::new(basis, build, step);
        match &step.kind {
            StepKind::Prepare | StepKind::Connect | StepKind::Release => continue,
            StepKind::Launch => {
                if !basis.layers {
                    making.home();
                }
                making.source(source.iter().filter(|input| {
                    !is_late(input) && !is_last(input) && !PASSING.contains(&input.option.as_str())
                }));
                for pin in basis.pins {
                    let name = format!("base {}", pin.name);
                    making.plain(
                        name,
                        pin.value.as_bytes(),
                        format!("{} {}", pin.value, pin.about),
                    );
                }
                let prepare = basis.plan.steps.iter();
                let mut prepare = prepare
                    .filter(|other| other.build == basis.build && other.kind == StepKind::Prepare);
                if let Some(prepare) = prepare.next() {
                    making.uses(prepare);
                }
            }
            StepKind::Capture => {
                making.source(source.iter().filter(|input| is_late(input)));
                making.place();
                making.home();
            }
            StepKind::Check => {
                for inside in &build.checks {
                    let StepKind::Provision { provisioner, .. } = &inside.kind else {
                        continue;
                    };
                    let component = schema::component(ComponentKind::Provisioner, provisioner);
                    let local = inside.address.strip_prefix(build.address.as_str());
                    let local = local.unwrap_or(&inside.address).trim_start_matches('.');
                    making.plain(
                        local.to_owned(),
                        provisioner.as_bytes(),
                        provisioner.to_string(),
                    );
                    // What has failed and was let pass has not passed.
                    if inside.limits.continue_on_error {
                        making.plain(format!("{local} continue_on_error"), b"true", "true".into());
                    }
                    let own = basis.inputs(component, &inside.options, read);
                    let own = own.into_iter().map(|input| StepInput {
                        name: format!("{local} {}", input.name),
                        ..input
                    });
                    making.source(own.collect::<Vec<_>>().iter());
                }
                making.place();
            }
            StepKind::Publish { open, .. } => {
                let own = basis.inputs(None, &step.options, read);
                making.source(own.iter());
                if *open {
                    making.source(source.iter().filter(|input| is_last(input)));
                }
            }
            StepKind::Provision { provisioner, .. } => {
                let kind = ComponentKind::Provisioner;
                let component = schema::component(kind, provisioner);
                let own = basis.inputs(component, &step.options, read);
                making.source(own.iter());
                making.place();
                if is_here(step) {
                    making.home();
                }
                if sends_generated(step) {
                    making.never("content", "it is generated in the run");
                } else if is_here(step) && generated.is_some_and(|last| id < last) {
                    making.never(
                        "generated",
                        "what it leaves may be sent to the machine later",
                    );
                }
            }
            StepKind::PostProcess { post_processor, .. } => {
                let kind = ComponentKind::PostProcessor;
                let component = schema::component(kind, post_processor);
                let own = basis.inputs(component, &step.options, read);
                making.source(own.iter());
                making.place();
                making.home();
            }
        }
        making.uses(step);
        if matches!(step.kind, StepKind::Check | StepKind::Publish { .. }) {
            making.after("input", capture.as_ref());
            for need in &step.needs {
                if let StepKind::Publish { name, .. } = &basis.plan.step(need.step).kind {
                    making.after(&format!("publish {name}"), published.get(name));
                }
            }
        } else if let StepKind::PostProcess { chain: at, .. } = step.kind {
            let own = posts.get(&at).and_then(|own| own.last());
            if own.is_none() {
                for (name, link) in &published {
                    making.after(&format!("publish {name}"), Some(link));
                }
            }
            making.after("input", own.or(capture.as_ref()));
            // Scripts read what earlier chains have written.
            for (number, earlier) in posts.range(..at) {
                making.after(&format!("chain {}", number + 1), earlier.last());
            }
        } else {
            making.after("before", before.as_ref());
        }
        let fingerprint = making.end();
        let link = Link {
            address: step.address.clone(),
            digest: fingerprint.digest.clone(),
            reusable: fingerprint.reusable,
        };
        match &step.kind {
            StepKind::PostProcess { chain: at, .. } => posts.entry(*at).or_default().push(link),
            StepKind::Publish { name, .. } => {
                published.insert(name.clone(), link);
            }
            StepKind::Capture => capture = Some(link),
            // What is published is so whatever has been checked.
            StepKind::Check => {}
            _ => before = Some(link),
        }
        chain.steps.insert(id, fingerprint);
    }
    chain
}

/// A fingerprint others follow from.
struct Link {
    address: String,
    digest: String,
    reusable: bool,
}

impl Basis<'_> {
    fn inputs(
        &self,
        component: Option<&schema::Component>,
        options: &Options,
        read: &mut Read,
    ) -> Vec<StepInput> {
        let build = self.plan.build(self.build);
        let surroundings = Surroundings {
            source_name: build.instance_name().into(),
            builder_type: build.builder.as_str().into(),
            root: self.plan.root.clone(),
            build: Arc::default(),
            variables: self.variables.clone(),
            world: self.world.clone(),
        };
        let render = |text: &str| template::render(text, &[], &surroundings, "").ok();
        let known = Known {
            artifacts: self.artifacts,
            world: &**self.world,
            render: &render,
            later: self.later,
        };
        inputs(component, options, &known, read)
    }
}
