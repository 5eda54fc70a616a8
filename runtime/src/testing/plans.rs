//! Plans without a template.

use imgc_compiler::plan::{
    Build, BuildId, Limits, Need, NeedKind, Options, Plan, Step, StepId, StepKind,
};
use imgc_compiler::value::Value;
use imgc_compiler::{FileId, Span};

/// Makes plans without a template.
#[derive(Default)]
pub struct PlanMaker {
    plan: Plan,
}

impl PlanMaker {
    /// An empty plan.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a build with prepare, launch and connect steps, then what `rest` adds, then capture and release; then the
    /// post-processors, one chain for each list of options.
    pub fn build(
        mut self,
        builder: &str,
        name: &str,
        source: Value,
        provisioners: impl IntoIterator<Item = (&'static str, Value, Limits)>,
        chains: impl IntoIterator<Item = Vec<(&'static str, Value, Option<bool>)>>,
    ) -> Self {
        let id = BuildId(self.plan.builds.len() as u32);
        let address = format!("build.{builder}.{name}");
        self.plan.builds.push(Build {
            address: address.clone(),
            name: format!("{builder}.{name}"),
            block_name: String::new(),
            block_span: span(),
            builder: builder.into(),
            source_name: name.into(),
            keys: Vec::new(),
            description: None,
            timeout: None,
            communicator: "none".into(),
            source: Options::known(source),
            checks: Vec::new(),
            cleanup: Vec::new(),
            uses: Vec::new(),
            selected: true,
            span: span(),
        });
        let mut last = None;
        let add = |plan: &mut Plan, part: String, kind, options, limits, after: Option<StepId>| {
            plan.steps.push(Step {
                address: format!("{address}.{part}"),
                build: id,
                kind,
                options,
                needs: after
                    .into_iter()
                    .map(|step| Need {
                        step,
                        kind: NeedKind::Order,
                    })
                    .collect(),
                outputs: Vec::new(),
                undo: None,
                limits,
                cache: true,
                checkpoint: false,
                digest: String::new(),
                span: span(),
            });
            Some(StepId(plan.steps.len() as u32 - 1))
        };
        let plan = &mut self.plan;
        for (part, kind) in [
            ("prepare", StepKind::Prepare),
            ("launch", StepKind::Launch),
            ("connect", StepKind::Connect),
        ] {
            last = add(
                plan,
                part.into(),
                kind,
                Options::default(),
                Limits::default(),
                last,
            );
        }
        for (index, (provisioner, options, limits)) in provisioners.into_iter().enumerate() {
            let kind = StepKind::Provision {
                provisioner: provisioner.into(),
                index: index as u32,
            };
            let part = format!("provisioner[{index}]");
            last = add(plan, part, kind, Options::known(options), limits, last);
        }
        for (part, kind) in [
            ("capture", StepKind::Capture),
            ("release", StepKind::Release),
        ] {
            last = add(
                plan,
                part.into(),
                kind,
                Options::default(),
                Limits::default(),
                last,
            );
        }
        for (chain, steps) in chains.into_iter().enumerate() {
            let mut before = last;
            for (position, (post_processor, options, keep_input)) in steps.into_iter().enumerate() {
                let kind = StepKind::PostProcess {
                    post_processor: post_processor.into(),
                    chain: chain as u32,
                    position: position as u32,
                    keep_input,
                };
                let part = format!("post-processor[{chain}][{position}]");
                before = add(
                    plan,
                    part,
                    kind,
                    Options::known(options),
                    Limits::default(),
                    before,
                );
            }
        }
        self
    }

    /// Gives the last build an error-cleanup provisioner.
    #[must_use]
    pub fn cleanup(mut self, provisioner: &str, options: Value) -> Self {
        let build = self.plan.builds.last_mut().expect("a build comes first");
        build.cleanup.push(Step {
            address: format!("{}.error-cleanup-provisioner", build.address),
            build: BuildId(0),
            kind: StepKind::Provision {
                provisioner: provisioner.into(),
                index: 0,
            },
            options: Options::known(options),
            needs: Vec::new(),
            outputs: Vec::new(),
            undo: None,
            limits: Limits::default(),
            cache: true,
            checkpoint: false,
            digest: String::new(),
            span: span(),
        });
        self
    }

    /// Has what the last build makes checked by a provisioner before it is post-processed.
    #[must_use]
    pub fn check(mut self, provisioner: &str, options: Value) -> Self {
        let id = BuildId(self.plan.builds.len() as u32 - 1);
        let at = StepId(self.plan.steps.len() as u32);
        let build = self.plan.builds.last_mut().expect("a build comes first");
        let address = build.address.clone();
        let part = |address: String, kind: StepKind, options: Options| Step {
            address,
            build: id,
            kind,
            options,
            needs: Vec::new(),
            outputs: Vec::new(),
            undo: None,
            limits: Limits::default(),
            cache: true,
            checkpoint: false,
            digest: String::new(),
            span: span(),
        };
        let kind = StepKind::Provision {
            provisioner: provisioner.into(),
            index: 0,
        };
        let inside = part(
            format!("{address}.provisioner[99]"),
            kind,
            Options::known(options),
        );
        build.checks.push(inside);
        let mut check = part(
            format!("{address}.check"),
            StepKind::Check,
            Options::default(),
        );
        for number in 0..at.0 {
            let step = &mut self.plan.steps[number as usize];
            match step.kind {
                StepKind::Capture if step.build == id => check.needs.push(Need {
                    step: StepId(number),
                    kind: NeedKind::Data,
                }),
                StepKind::PostProcess { .. } if step.build == id => step.needs.push(Need {
                    step: at,
                    kind: NeedKind::Order,
                }),
                _ => {}
            }
        }
        self.plan.steps.push(check);
        self
    }

    /// Has the machine kept as it is behind the last build's provisioner of this number.
    #[must_use]
    pub fn checkpoint(mut self, wanted: u32) -> Self {
        let id = BuildId(self.plan.builds.len() as u32 - 1);
        for step in &mut self.plan.steps {
            if let StepKind::Provision { index, .. } = step.kind
                && step.build == id
                && index == wanted
            {
                step.checkpoint = true;
            }
        }
        self
    }

    /// Goes on with a plan.
    pub fn of(plan: Plan) -> Self {
        Self { plan }
    }

    /// The plan.
    pub fn plan(self) -> Plan {
        self.plan
    }
}

fn span() -> Span {
    Span::new(FileId(0), 0, 0)
}
