//! What would be reused, for all builds of a plan, without running anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgc_compiler::plan::inputs::Read;
use imgc_compiler::plan::{BuildId, Plan, RunValues};
use imgc_compiler::source::World;
use imgc_compiler::value::Value;
use tokio_util::sync::CancellationToken;

use super::{Foresight, Looking, Verdict, foresee, identity};
use crate::artifact::Artifact;
use crate::builder::Pin;
use crate::checkpoint::Capability;
use crate::context::Context;
use crate::error::Result;
use crate::event::{Event, Output, Sink};
use crate::fingerprint::{Basis, chain};
use crate::ledger::Ledger;
use crate::redact::Redactor;
use crate::registry::Registry;
use crate::settings::Settings;
use crate::template;

/// What looking ahead takes.
pub struct Ahead<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The components.
    pub registry: &'a Registry,
    /// The state, what is to be reused, what is pinned.
    pub settings: &'a Settings,
    /// Files, clock, environment.
    pub world: &'a Arc<dyn World>,
}

struct Silence;

impl Sink for Silence {
    fn event(&self, _event: &Event) {}
}

/// Looks at every build in plan order. A build that uses the artifact of one that will run is not foreseen to be up to
/// date; it may turn out to be.
pub async fn plan(ahead: &Ahead<'_>) -> Result<Vec<Foresight>> {
    let settings = ahead.settings;
    let redact = Arc::new(Redactor::new());
    let variables = ahead.plan.variables.iter();
    let variables = Arc::new(
        variables
            .map(|variable| (variable.name.clone(), variable.value.clone()))
            .collect::<BTreeMap<_, _>>(),
    );
    for value in variables.values().chain(&ahead.plan.secrets) {
        for secret in crate::options::secrets(value) {
            crate::event::Redact::add(&*redact, &secret);
        }
    }
    let origin = match &settings.reuse.resume {
        Some(run) => super::origin(&*settings.state, run).await?,
        None => settings.run_id.clone(),
    };
    let mut artifacts: BTreeMap<String, Value> = BTreeMap::new();
    let mut identities: BTreeMap<String, String> = BTreeMap::new();
    let mut read = Read::default();
    let mut all = Vec::with_capacity(ahead.plan.builds.len());
    for (at, build) in ahead.plan.builds.iter().enumerate() {
        let id = BuildId(at as u32);
        let builder = ahead.registry.builders.get(build.builder.as_str());
        let cx = Context {
            output: Output::new(Arc::new(Silence), redact.clone(), Some(id), ""),
            ledger: Ledger::default(),
            cancel: CancellationToken::new(),
            address: build.address.as_str().into(),
            source_name: build.instance_name().into(),
            builder_type: build.builder.as_str().into(),
            run_id: settings.run_id.as_str().into(),
            root: ahead.plan.root.clone(),
            fingerprint: None,
            checkpoints: None,
            cache: settings.cache.clone(),
            scratch: settings.scratch.clone(),
            force: false,
            debug: false,
            build: Arc::default(),
            variables: variables.clone(),
            world: ahead.world.clone(),
            watch: crate::watch::Watch::new(),
        };
        let values = RunValues {
            artifacts: artifacts.clone(),
            ..RunValues::default()
        };
        let options = build.source.resolve(&values, &**ahead.world).ok();
        let surroundings = template::Surroundings::from(&cx);
        let options =
            options.and_then(|options| template::render_options(&options, &[], &surroundings).ok());
        let mut pins: Vec<Pin> = Vec::new();
        let mut capability = Capability::None;
        if let (Some(builder), Some(options)) = (builder, &options) {
            capability = builder.capability(options);
            // What cannot be looked at now is a reason to run, and said by the run.
            pins = builder
                .pins(&cx, options, &settings.known)
                .await
                .unwrap_or_else(|error| vec![unknown_pin(&error.chain(), &settings.run_id)]);
        }
        let basis = Basis {
            plan: ahead.plan,
            build: id,
            world: ahead.world,
            salt: settings.state.salt(),
            run: &settings.run_id,
            origin: &origin,
            pins: &pins,
            capture_options: builder.map_or(&[], |builder| builder.capture_options()),
            artifacts: &artifacts,
            identities: &identities,
            variables: &variables,
            redact: &*redact,
        };
        let chain = chain(&basis, &mut read);
        let looking = Looking {
            state: &settings.state,
            reuse: &settings.reuse,
            plan: ahead.plan,
            build: id,
            capability,
        };
        let foresight = foresee(&looking, chain).await?;
        if let Verdict::UpToDate {
            artifacts: kept, ..
        } = &foresight.verdict
        {
            artifacts.insert(
                build.address.clone(),
                crate::run::artifact_value(kept.first()),
            );
            let known = kept
                .first()
                .and_then(|artifact| foresight.identity(artifact));
            identities.extend(known.map(|known| (build.address.clone(), known)));
        }
        all.push(foresight);
    }
    Ok(all)
}

/// Stands for a base that could not be looked at: another one in every run.
pub(crate) fn unknown_pin(why: &str, run: &str) -> Pin {
    Pin {
        name: "that cannot be looked at".to_owned(),
        value: run.to_owned(),
        about: why.to_owned(),
    }
}

impl Foresight {
    /// What one of the build's artifacts is, for those that use it.
    pub(crate) fn identity(&self, artifact: &Artifact) -> Option<String> {
        let mut records = self.posts.values().chain(&self.built);
        let record = records.find(|record| record.artifact == *artifact)?;
        Some(identity(artifact, record))
    }
}
