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
            digest: String::new(),
            span: span(),
        });
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
