//! Laying out the steps of a build: their order, needs, addresses and digests.

use std::collections::HashMap;

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::blocks::Block;
use super::component::BuildsUsed;
use super::instance::{Instance, Parts};
use super::pieces::Part;
use super::{
    Build, BuildId, Key, Limits, Need, NeedKind, Options, Plan, Step, StepId, StepKind, digest,
};
use crate::artifacts::{BuildIndex, artifact_type};
use crate::components::Publish;
use crate::types::Type;

/// A build with its names.
pub(super) struct Named<'b, 'a> {
    pub(super) block: &'b Block<'a>,
    pub(super) instance: &'b Instance<'a>,
    pub(super) name: String,
    pub(super) address: String,
    pub(super) selected: bool,
    /// The builds laid out before.
    pub(super) ids: &'b HashMap<BuildIndex, BuildId>,
    /// Whether steps get digests: a template that is only checked has no use for them.
    pub(super) digests: bool,
}

/// Adds a build with its steps to the plan.
pub(super) fn add(plan: &mut Plan, parts: Parts, named: Named<'_, '_>) {
    let Named {
        block,
        instance,
        name,
        address,
        selected,
        ids,
        digests,
    } = named;
    let mut uses: Vec<BuildId> = parts
        .uses()
        .filter_map(|(build, _)| ids.get(&build).copied())
        .collect();
    uses.sort_unstable();
    uses.dedup();
    let id = BuildId(plan.builds.len() as u32);
    let mut layout = Layout {
        build: id,
        address,
        first: plan.steps.len() as u32,
        steps: Vec::new(),
        digests,
        last: last_steps(plan, &parts, ids),
    };
    let Parts {
        source,
        provisioners,
        chains,
        cleanup,
    } = parts;
    // What cleans up after a failure must have what it uses before anything can fail.
    let mut early = source.uses.clone();
    for part in &cleanup {
        early.extend(&part.made.uses);
    }
    let base = match digests {
        true => digest::source(&instance.source.ty.text, &source.options, &source.digests),
        false => String::new(),
    };
    let span = instance.source.span;
    let prepare = layout.add(
        "prepare",
        StepKind::Prepare,
        Options::default(),
        (&[], &early),
        span,
        base,
    );
    let launch = layout.derived(StepKind::Launch, &[(prepare, NeedKind::Data)], span);
    let (checks, provisioners): (Vec<Part>, Vec<Part>) = provisioners
        .into_iter()
        .partition(|part| part.made.on_image);
    let mut last = launch;
    if source.communicator != "none" {
        last = layout.derived(StepKind::Connect, &[(launch, NeedKind::Data)], span);
    }
    for (index, part) in provisioners.iter().enumerate() {
        let kind = StepKind::Provision {
            provisioner: part.ty.clone(),
            index: index as u32,
        };
        last = layout.configured("provisioner", kind, part, &[(last, NeedKind::Order)]);
    }
    let capture_needs = if last == launch {
        vec![(launch, NeedKind::Data)]
    } else {
        vec![(launch, NeedKind::Data), (last, NeedKind::Order)]
    };
    let capture = layout.derived(StepKind::Capture, &capture_needs, span);
    let (own, others): (Vec<&Publish>, Vec<&Publish>) =
        source.publishes.iter().partition(|one| one.makes_whole);
    let mut published = Published::new(capture);
    layout.publishes(&own, &mut published, span);
    let mut checked = Layout::inside(id, &layout.address, digests);
    if !checks.is_empty() {
        let step = layout.check(&checks, &mut checked, &published);
        published.before.push(step);
    }
    layout.publishes(&others, &mut published, span);
    let release = layout.derived(StepKind::Release, &[(capture, NeedKind::Order)], span);
    // Each chain waits for the one before it, as in Packer: scripts read what earlier chains have written.
    let mut before = release;
    for (chain, parts) in chains.iter().enumerate() {
        let mut input = capture;
        for (position, part) in parts.iter().enumerate() {
            let kind = StepKind::PostProcess {
                post_processor: part.ty.clone(),
                chain: chain as u32,
                position: position as u32,
                keep_input: part.made.keep_input,
            };
            let mut needs = vec![(input, NeedKind::Data)];
            if input == capture {
                // What is published is a part of the artifact.
                needs.extend(published.steps().map(|step| (step, NeedKind::Data)));
                needs.push((before, NeedKind::Order));
            }
            input = layout.configured("post-processor", kind, part, &needs);
        }
        if input != capture {
            before = input;
        }
    }
    let mut undoing = Layout::inside(id, &layout.address, digests);
    for (index, part) in cleanup.iter().enumerate() {
        let kind = StepKind::Provision {
            provisioner: part.ty.clone(),
            index: index as u32,
        };
        undoing.configured("error-cleanup-provisioner", kind, part, &[]);
    }
    plan.builds.push(Build {
        address: layout.address,
        name,
        block_name: instance.block.clone(),
        block_span: block.build.span,
        builder: instance.source.ty.text.clone(),
        source_name: instance.name.clone(),
        keys: instance.keys.clone(),
        description: block.description.clone(),
        timeout: block.timeout,
        communicator: source.communicator,
        source: source.options,
        checks: checked.steps,
        cleanup: undoing.steps,
        uses,
        selected,
        span: instance.span,
    });
    plan.steps.extend(layout.steps);
}

/// The last step of each build that is used, with its digest: an artifact is final when all of its build is done.
fn last_steps(
    plan: &Plan,
    parts: &Parts,
    ids: &HashMap<BuildIndex, BuildId>,
) -> HashMap<BuildIndex, (StepId, String)> {
    let last = |build: BuildId| {
        let at = plan.steps.iter().rposition(|step| step.build == build)?;
        Some((StepId(at as u32), plan.steps[at].digest.clone()))
    };
    let used = parts.uses().map(|(index, _)| index);
    used.filter_map(|index| Some((index, last(*ids.get(&index)?)?)))
        .collect()
}

/// What has been laid out behind an artifact.
struct Published<'p> {
    capture: StepId,
    ids: HashMap<&'p str, StepId>,
    /// What everything else comes behind.
    before: Vec<StepId>,
}

impl Published<'_> {
    fn new(capture: StepId) -> Self {
        Self {
            capture,
            ids: HashMap::new(),
            before: Vec::new(),
        }
    }

    /// In plan order.
    fn steps(&self) -> impl Iterator<Item = StepId> {
        let mut steps: Vec<StepId> = self.ids.values().chain(&self.before).copied().collect();
        steps.sort_unstable();
        steps.into_iter()
    }
}

/// The steps of one build as they are laid out.
struct Layout {
    build: BuildId,
    address: String,
    first: u32,
    steps: Vec<Step>,
    digests: bool,
    /// The last steps of other builds.
    last: HashMap<BuildIndex, (StepId, String)>,
}

impl Layout {
    /// For steps that are a part of one step.
    fn inside(build: BuildId, address: &str, digests: bool) -> Self {
        Self {
            build,
            address: address.to_owned(),
            first: 0,
            steps: Vec::new(),
            digests,
            last: HashMap::new(),
        }
    }

    /// Adds a step that needs steps of this build, and the artifacts of others.
    fn add(
        &mut self,
        local: &str,
        kind: StepKind,
        options: Options,
        (needs, uses): (&[(StepId, NeedKind)], &BuildsUsed),
        span: Span,
        content: String,
    ) -> StepId {
        let id = StepId(self.first + self.steps.len() as u32);
        let others: Vec<&(StepId, String)> = uses
            .keys()
            .filter_map(|build| self.last.get(build))
            .collect();
        let before = needs
            .iter()
            .map(|(step, _)| self.steps[(step.0 - self.first) as usize].digest.as_str())
            .chain(others.iter().map(|(_, digest)| digest.as_str()));
        let digest = match self.digests {
            true => digest::step(&kind, &content, before),
            false => String::new(),
        };
        let data = others.iter().map(|(step, _)| (*step, NeedKind::Data));
        let needs = needs
            .iter()
            .copied()
            .chain(data)
            .map(|(step, kind)| Need { step, kind })
            .collect();
        self.steps.push(Step {
            address: format!("{}.{local}", self.address),
            build: self.build,
            outputs: kind.outputs(),
            undo: kind.undo(),
            options,
            needs,
            limits: Limits::default(),
            cache: true,
            checkpoint: false,
            digest,
            span,
            kind,
        });
        id
    }

    /// A step that only uses the source's options, which are in the digest of the first step.
    fn derived(&mut self, kind: StepKind, needs: &[(StepId, NeedKind)], span: Span) -> StepId {
        let local = kind.word();
        let nothing = BuildsUsed::new();
        self.add(
            local,
            kind,
            Options::default(),
            (needs, &nothing),
            span,
            String::new(),
        )
    }

    /// The steps that publish what `capture` makes.
    fn publishes<'p>(&mut self, publishes: &[&'p Publish], done: &mut Published<'p>, span: Span) {
        let nothing = BuildsUsed::new();
        for publish in publishes {
            let mut needs = vec![(done.capture, NeedKind::Data)];
            let others = publish.needs.iter();
            let others = others.filter_map(|name| done.ids.get(name.as_str()));
            let others = others.chain(&done.before);
            needs.extend(others.map(|step| (*step, NeedKind::Data)));
            let kind = StepKind::Publish {
                name: publish.name.clone(),
                makes: publish.makes.clone(),
                open: publish.open,
            };
            let options = Options::known(publish.options.clone());
            let content = digest::component(&options, &[]);
            let local = format!("{}{}", kind.word(), Key::Text(publish.name.clone()));
            let step = self.add(&local, kind, options, (&needs, &nothing), span, content);
            done.ids.insert(&publish.name, step);
        }
    }

    /// The step that checks what `capture` makes, with all that is a part of making it.
    fn check(&mut self, parts: &[Part], inside: &mut Self, done: &Published<'_>) -> StepId {
        let mut uses = BuildsUsed::new();
        for (index, part) in parts.iter().enumerate() {
            let kind = StepKind::Provision {
                provisioner: part.ty.clone(),
                index: index as u32,
            };
            inside.configured("provisioner", kind, part, &[]);
            uses.extend(&part.made.uses);
        }
        let digests: Vec<&str> = inside
            .steps
            .iter()
            .map(|step| step.digest.as_str())
            .collect();
        let mut needs = vec![(done.capture, NeedKind::Data)];
        needs.extend(done.steps().map(|step| (step, NeedKind::Data)));
        let kind = StepKind::Check;
        let step = self.add(
            kind.word(),
            kind,
            Options::default(),
            (&needs, &uses),
            parts[0].span,
            digests.join(" "),
        );
        let is_cached = inside.steps.iter().all(|step| step.cache);
        self.steps[(step.0 - self.first) as usize].cache = is_cached;
        step
    }

    fn configured(
        &mut self,
        word: &str,
        kind: StepKind,
        part: &Part,
        needs: &[(StepId, NeedKind)],
    ) -> StepId {
        let made = &part.made;
        let content = match self.digests {
            true => digest::component(&made.options, &made.digests),
            false => String::new(),
        };
        let limits = matches!(kind, StepKind::Provision { .. }).then(|| made.limits.clone());
        let local = format!("{word}{}", part.label);
        let id = self.add(
            &local,
            kind,
            made.options.clone(),
            (needs, &made.uses),
            part.span,
            content,
        );
        let step = &mut self.steps[(id.0 - self.first) as usize];
        step.cache = made.cache;
        step.checkpoint = made.checkpoint;
        if let Some(limits) = limits {
            step.limits = limits;
        }
        id
    }
}

impl StepKind {
    /// The word in addresses.
    fn word(&self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Launch => "launch",
            Self::Connect => "connect",
            Self::Provision { .. } => "provisioner",
            Self::Capture => "capture",
            Self::Check => "check",
            Self::Publish { .. } => "publish",
            Self::Release => "release",
            Self::PostProcess { .. } => "post-processor",
        }
    }

    fn outputs(&self) -> Vec<(SmolStr, Type)> {
        let text = |name: &'static str| (SmolStr::new_static(name), Type::String);
        match self {
            Self::Launch => vec![text("ID")],
            Self::Connect => vec![text("Host"), text("Port"), text("User"), text("ConnType")],
            Self::Capture | Self::Publish { .. } | Self::PostProcess { .. } => {
                vec![(SmolStr::new_static("artifact"), artifact_type())]
            }
            Self::Prepare | Self::Provision { .. } | Self::Check | Self::Release => Vec::new(),
        }
    }

    fn undo(&self) -> Option<&'static str> {
        match self {
            Self::Launch => Some("release the machine and everything made for it"),
            Self::Connect => Some("disconnect"),
            Self::Check => Some("let the machine that is checked go"),
            _ => None,
        }
    }
}
