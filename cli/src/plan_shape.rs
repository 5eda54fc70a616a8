//! What several views of a plan want to know: which steps run together, how many of what, where secrets reach.

use imgc_compiler::plan::{Build, Plan, Step, StepId, StepKind};

/// How much a plan makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) builds: usize,
    pub(crate) steps: usize,
    pub(crate) artifacts: usize,
}

/// Counts.
pub(crate) fn totals(plan: &Plan) -> Totals {
    let captures = plan
        .steps
        .iter()
        .filter(|step| step.kind == StepKind::Capture && makes_artifact(plan.build(step.build)));
    Totals {
        builds: plan.builds.len(),
        steps: plan.steps.len(),
        artifacts: captures.count(),
    }
}

/// Builder `null` works on a machine of somebody else and leaves nothing of its own.
fn makes_artifact(build: &Build) -> bool {
    build.builder != "null"
}

/// For each step its wave, from 1: all steps of a wave can run at the same time.
pub(crate) fn wave_numbers(plan: &Plan) -> Vec<u32> {
    let mut numbers: Vec<u32> = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        let before = step.needs.iter().map(|need| numbers[need.step.0 as usize]);
        numbers.push(before.max().unwrap_or(0) + 1);
    }
    numbers
}

/// The steps by wave.
pub(crate) fn waves(plan: &Plan) -> Vec<Vec<StepId>> {
    let mut waves: Vec<Vec<StepId>> = Vec::new();
    for (id, number) in plan.step_ids().zip(wave_numbers(plan)) {
        let at = number as usize - 1;
        if waves.len() <= at {
            waves.resize_with(at + 1, Vec::new);
        }
        waves[at].push(id);
    }
    waves
}

/// For each step whether a secret has a part in its digest: its own options, its source's, or what it needs.
pub(crate) fn tainted(plan: &Plan) -> Vec<bool> {
    let mut tainted: Vec<bool> = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        let own = step.options.value().contains_sensitive();
        let source = plan.build(step.build).source.value().contains_sensitive();
        let before = step.needs.iter().any(|need| tainted[need.step.0 as usize]);
        tainted.push(own || source || before);
    }
    tainted
}

/// The kind of a step in a word.
pub(crate) fn kind_word(kind: &StepKind) -> &'static str {
    match kind {
        StepKind::Prepare => "prepare",
        StepKind::Launch => "launch",
        StepKind::Connect => "connect",
        StepKind::Provision { .. } => "provision",
        StepKind::Capture => "capture",
        StepKind::Check => "check",
        StepKind::Publish { .. } => "publish",
        StepKind::Release => "release",
        StepKind::PostProcess { .. } => "post-process",
    }
}

/// The provisioner or post-processor of a step.
pub(crate) fn component(step: &Step) -> Option<&str> {
    match &step.kind {
        StepKind::Provision { provisioner, .. } => Some(provisioner),
        StepKind::PostProcess { post_processor, .. } => Some(post_processor),
        _ => None,
    }
}

/// The step's address without its build's, for a place below the build's heading.
pub(crate) fn short_address<'a>(plan: &'a Plan, step: &'a Step) -> &'a str {
    let build = &plan.build(step.build).address;
    step.address
        .strip_prefix(build.as_str())
        .and_then(|rest| rest.strip_prefix('.'))
        .unwrap_or(&step.address)
}
