//! What would be reused, for all builds of a plan, without running anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use imgc_compiler::components::ComponentKind;
use imgc_compiler::plan::inputs::Read;
use imgc_compiler::plan::{BuildId, Plan, RunValues};
use imgc_compiler::source::World;
use imgc_compiler::value::Value;

use super::{Foresight, Looking, Verdict, foresee, identity};
use crate::artifact::Artifact;
use crate::builder::{Known, Pin};
use crate::checkpoint::Capability;
use crate::context::Onlooker;
use crate::error::Result;
use crate::fingerprint::{Basis, chain, home};
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

/// Looks at every build in plan order. A build that uses the artifact of one that will run is not foreseen to be up to
/// date; it may turn out to be.
pub async fn plan(ahead: &Ahead<'_>) -> Result<Vec<Foresight>> {
    let settings = ahead.settings;
    let onlooker = Onlooker::new(ahead.plan, settings, ahead.world);
    let (redact, variables) = (onlooker.redact.clone(), onlooker.variables.clone());
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
        let cx = onlooker.context(id);
        let values = RunValues {
            artifacts: artifacts.clone(),
            ..RunValues::default()
        };
        let options = build.source.resolve(&values, &**ahead.world).ok();
        let surroundings = template::Surroundings::from(&cx);
        let late = template::late(ComponentKind::Builder, &build.builder);
        let options = options
            .and_then(|options| template::render_options(&options, late, &surroundings).ok());
        let mut pins: Vec<Pin> = Vec::new();
        let mut capability = Capability::None;
        let mut unseen = None;
        if let (Some(builder), Some(options)) = (builder, &options) {
            capability = builder.capability(options);
            match builder.pins(&cx, options, &settings.known.of(build)).await {
                Ok(found) => pins = found,
                // It waits for another build.
                Err(_) if !options.is_wholly_known() => {}
                Err(error) if settings.locked => return Err(error),
                // What cannot be looked at now is a reason to run, and said by the run.
                Err(error) => {
                    pins = vec![unknown_pin(&error.chain(), &settings.run_id)];
                    unseen = Some(error.chain());
                }
            }
        }
        let basis = Basis {
            later: false,
            home: home(ahead.plan, &*settings.state, &**ahead.world),
            layers: capability == Capability::Layer,
            plan: ahead.plan,
            build: id,
            world: ahead.world,
            salt: settings.state.salt(),
            run: &settings.run_id,
            origin: &origin,
            pins: &pins,
            capture_options: builder.map_or(&[], |builder| builder.capture_options()),
            publish_options: builder.map_or(&[], |builder| builder.publish_options()),
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
            stands: &|checkpoint| builder.is_none_or(|builder| builder.stands(&cx, checkpoint)),
            removers: &settings.removers,
            home: home(ahead.plan, &*settings.state, &**ahead.world),
        };
        let mut foresight = foresee(&looking, chain).await?;
        if let (Some(builder), Some(options)) = (builder, &options)
            && settings.locked
            && foresight.verdict == Verdict::Whole
        {
            // Its machine is made anew, of what is there now: the run would look again and refuse what has moved.
            let refresh = Known {
                refresh: true,
                ..settings.known.of(build).into_owned()
            };
            pins = match builder.pins(&cx, options, &refresh).await {
                Err(_) if !options.is_wholly_known() => pins,
                found => found?,
            };
        }
        if unseen.is_none() {
            foresight.pins = pins;
        }
        foresight.unseen = unseen;
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
        let record = match self.whole().as_ref() == Some(artifact) {
            true => self.built.as_ref()?,
            false => records.find(|record| record.artifact == *artifact)?,
        };
        Some(identity(artifact, record))
    }
}
