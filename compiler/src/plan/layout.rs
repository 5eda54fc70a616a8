//! Laying out the steps of a build: their order, needs, addresses and digests.

use imgc_syntax::Span;
use smol_str::SmolStr;

use super::make::{Block, Instance, Parts};
use super::pieces::Part;
use super::{
    Build, BuildId, Limits, Need, NeedKind, Options, Plan, Step, StepId, StepKind, digest,
};
use crate::types::Type;

/// Adds a build with its steps to the plan.
pub(super) fn add(
    plan: &mut Plan,
    block: &Block<'_>,
    instance: &Instance<'_>,
    parts: Parts,
    name: String,
    address: String,
) {
    let id = BuildId(plan.builds.len() as u32);
    let mut layout = Layout {
        build: id,
        address,
        first: plan.steps.len() as u32,
        steps: Vec::new(),
    };
    let Parts {
        source,
        provisioners,
        chains,
        cleanup,
    } = parts;
    let base = digest::source(&instance.source.ty.text, &source.options, &source.digests);
    let span = instance.source.span;
    let prepare = layout.add(
        "prepare",
        StepKind::Prepare,
        Options::default(),
        &[],
        span,
        base,
    );
    let launch = layout.derived(StepKind::Launch, &[(prepare, NeedKind::Data)], span);
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
                needs.push((before, NeedKind::Order));
            }
            input = layout.configured("post-processor", kind, part, &needs);
        }
        if input != capture {
            before = input;
        }
    }
    let mut undoing = Layout {
        build: id,
        address: layout.address.clone(),
        first: 0,
        steps: Vec::new(),
    };
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
        builder: instance.source.ty.text.clone(),
        source_name: instance.name.clone(),
        keys: instance.keys.clone(),
        description: block.description.clone(),
        communicator: source.communicator,
        source: source.options,
        cleanup: undoing.steps,
        span: instance.span,
    });
    plan.steps.extend(layout.steps);
}

/// The steps of one build as they are laid out.
struct Layout {
    build: BuildId,
    address: String,
    first: u32,
    steps: Vec<Step>,
}

impl Layout {
    fn add(
        &mut self,
        local: &str,
        kind: StepKind,
        options: Options,
        needs: &[(StepId, NeedKind)],
        span: Span,
        content: String,
    ) -> StepId {
        let id = StepId(self.first + self.steps.len() as u32);
        let before = needs
            .iter()
            .map(|(step, _)| self.steps[(step.0 - self.first) as usize].digest.as_str());
        let digest = digest::step(&kind, &content, before);
        self.steps.push(Step {
            address: format!("{}.{local}", self.address),
            build: self.build,
            outputs: kind.outputs(),
            undo: kind.undo(),
            options,
            needs: needs
                .iter()
                .map(|(step, kind)| Need {
                    step: *step,
                    kind: *kind,
                })
                .collect(),
            limits: Limits::default(),
            digest,
            span,
            kind,
        });
        id
    }

    /// A step that only uses the source's options, which are in the digest of the first step.
    fn derived(&mut self, kind: StepKind, needs: &[(StepId, NeedKind)], span: Span) -> StepId {
        let local = kind.word();
        self.add(local, kind, Options::default(), needs, span, String::new())
    }

    fn configured(
        &mut self,
        word: &str,
        kind: StepKind,
        part: &Part,
        needs: &[(StepId, NeedKind)],
    ) -> StepId {
        let made = &part.made;
        let content = digest::component(&made.options, &made.digests);
        let limits = matches!(kind, StepKind::Provision { .. }).then(|| made.limits.clone());
        let local = format!("{word}{}", part.label);
        let id = self.add(
            &local,
            kind,
            made.options.clone(),
            needs,
            part.span,
            content,
        );
        if let Some(limits) = limits {
            self.steps[(id.0 - self.first) as usize].limits = limits;
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
            Self::Release => "release",
            Self::PostProcess { .. } => "post-processor",
        }
    }

    fn outputs(&self) -> Vec<(SmolStr, Type)> {
        let text = |name: &'static str| (SmolStr::new_static(name), Type::String);
        match self {
            Self::Launch => vec![text("ID")],
            Self::Connect => vec![text("Host"), text("Port"), text("User"), text("ConnType")],
            Self::Capture | Self::PostProcess { .. } => {
                let artifact = Type::object([
                    ("builder_id", Type::String),
                    ("id", Type::String),
                    ("files", Type::list(Type::String)),
                ]);
                vec![(SmolStr::new_static("artifact"), artifact)]
            }
            Self::Prepare | Self::Provision { .. } | Self::Release => Vec::new(),
        }
    }

    fn undo(&self) -> Option<&'static str> {
        match self {
            Self::Launch => Some("release the machine and everything made for it"),
            Self::Connect => Some("disconnect"),
            _ => None,
        }
    }
}
