//! Machines and builders in memory with scripted behaviour, and small helpers; for tests only.
//!
//! A [`Theatre`] records every call to its builder, machine, provisioner and post-processor, and does what its script
//! says: fail, hang, panic, take a while. [`PlanMaker`] makes plans without a template.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use imgc_compiler::plan::{BuildId, StepId};
use imgc_compiler::source::FixedWorld;
use imgc_compiler::value::{Data, Value};
use smol_str::SmolStr;
use tokio_util::sync::CancellationToken;

use crate::artifact::Artifact;
use crate::context::Context;
use crate::event::{Event, Level, Output};
use crate::ledger::Ledger;
use crate::redact::Redactor;
use crate::report::{Clock, Recorder};
use crate::template::Surroundings;
use crate::watch::Watch;

mod plans;
mod theatre;

pub use plans::PlanMaker;
pub use theatre::{Act, Files, Theatre};

/// An object value.
pub fn object<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::from_data(Data::Object(Arc::new(
        entries
            .into_iter()
            .map(|(name, value)| (SmolStr::from(name), value))
            .collect(),
    )))
}

/// A list of texts.
pub fn list<const N: usize>(texts: [&str; N]) -> Value {
    Value::from_data(Data::Tuple(texts.map(Value::string).to_vec().into()))
}

/// 2023-11-14T22:13:20Z, an environment of one variable, counted random numbers.
pub fn world() -> FixedWorld {
    let mut world = FixedWorld::default();
    world.now = 1_700_000_000;
    world.env.insert("HOME_OF_TEST".into(), "/h".into());
    world
}

/// Surroundings of a template.
pub fn surroundings() -> Surroundings {
    Surroundings {
        source_name: "base".into(),
        builder_type: "null".into(),
        root: "/project/images".into(),
        build: Arc::new(BTreeMap::from([("ID".into(), Value::string("i-1234"))])),
        variables: Arc::new(BTreeMap::from([("color".into(), Value::string("blue"))])),
        world: Arc::new(world()),
    }
}

/// A context whose events go to the recorder, with temporary files in `scratch`.
pub fn context(recorder: Arc<Recorder>, scratch: &Path) -> Context {
    Context {
        output: Output::new(
            recorder,
            Arc::new(Redactor::new()),
            Some(BuildId(0)),
            "null.base",
        ),
        ledger: Ledger::default(),
        fingerprint: None,
        checkpoints: None,
        cache: None,
        cancel: CancellationToken::new(),
        address: "build.null.base.provisioner[0]".into(),
        source_name: "base".into(),
        builder_type: "null".into(),
        run_id: "11111111-2222-4333-8444-555555555555".into(),
        expires: None,
        limit: None,
        root: scratch.to_owned(),
        scratch: scratch.to_owned(),
        force: false,
        replaces: false,
        debug: false,
        build: Arc::default(),
        variables: Arc::default(),
        world: Arc::new(world()),
        watch: Watch::new(),
        commit: crate::context::Commit::default(),
        aside: crate::context::Aside::default(),
        is_checked: false,
        before: None,
    }
}

/// Always 2023-11-14T22:13:20Z.
pub fn fixed_clock() -> Clock {
    Arc::new(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

/// The events of a small run in which one build ends well and one fails.
pub fn sample_events() -> Vec<Event> {
    let line = |build: u32, name: &str, level, text: &str| Event::Line {
        build: Some(BuildId(build)),
        name: name.into(),
        level,
        text: text.into(),
    };
    vec![
        Event::RunStarted {
            run: "11111111-2222-4333-8444-555555555555".into(),
        },
        Event::StepStarted {
            step: StepId(0),
            address: "build.null.a.provisioner[0]".into(),
            attempt: 1,
        },
        line(
            0,
            "null.a",
            Level::Say,
            "Provisioning with shell script: inline",
        ),
        line(0, "null.a", Level::Stdout, "hello, world"),
        line(1, "file.b", Level::Stderr, "oops"),
        line(1, "file.b", Level::Warning, "odd"),
        Event::Progress {
            build: BuildId(0),
            what: "uploading".into(),
            done: 5,
            total: Some(10),
        },
        Event::StepFinished {
            step: StepId(0),
            address: "build.null.a.provisioner[0]".into(),
            took: Duration::from_millis(1500),
        },
        Event::StepFailed {
            step: StepId(1),
            address: "build.file.b.provisioner[0]".into(),
            id: "run/exit-code".into(),
            message: "the script `inline` ended with exit code 3; allowed: 0".into(),
            help: Some("see the output above".into()),
            took: Duration::from_millis(20),
            retry_in: None,
        },
        Event::StepSkipped {
            step: StepId(2),
            address: "build.file.b.capture".into(),
            reason: "`build.file.b.provisioner[0]` has not been done".into(),
        },
        Event::BuildFinished {
            build: BuildId(1),
            name: "file.b".into(),
            artifacts: Vec::new(),
            error: Some("the script `inline` ended with exit code 3; allowed: 0".into()),
            help: Some("see the output above".into()),
            took: Duration::from_millis(21),
        },
        Event::BuildFinished {
            build: BuildId(0),
            name: "null.a".into(),
            artifacts: vec![Artifact {
                builder_id: "packer.file".into(),
                id: "File".into(),
                files: vec!["out, put.txt".into()],
                description: "Stored file: out, put.txt".into(),
                ..Artifact::default()
            }],
            error: None,
            help: None,
            took: Duration::from_micros(1_234_567),
        },
        Event::RunFinished {
            succeeded: 1,
            failed: 1,
            cancelled: 0,
            interrupted: false,
            left: 0,
            took: Duration::from_micros(1_300_000),
        },
    ]
}

/// Events as short lines: what a test compares.
pub fn outline(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::StepStarted {
                address,
                attempt: 1,
                ..
            } => Some(format!("start {address}")),
            Event::StepStarted {
                address, attempt, ..
            } => Some(format!("start {address} #{attempt}")),
            Event::StepFinished { address, .. } => Some(format!("done {address}")),
            Event::StepFailed {
                address,
                id,
                retry_in,
                ..
            } => Some(format!(
                "failed {address} {id}{}",
                if retry_in.is_some() { " (again)" } else { "" }
            )),
            Event::StepSkipped { address, .. } => Some(format!("skip {address}")),
            Event::StepReused { address, .. } => Some(format!("reuse {address}")),
            Event::BuildFinished { name, error, .. } => Some(format!(
                "end {name} {}",
                if error.is_some() { "failed" } else { "well" }
            )),
            _ => None,
        })
        .map(|line| line.replace("build.", ""))
        .collect()
}
