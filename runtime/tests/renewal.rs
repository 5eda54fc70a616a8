//! What a run has made stays its own for as long as the run lives: marks are renewed, machines kept up. With the clock paused, days
//! pass at once.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use imgc_compiler::plan::Limits;
use imgc_compiler::value::Value;
use imgc_runtime::Result;
use imgc_runtime::artifact::Artifact;
use imgc_runtime::builder::{Builder, Instance, Target};
use imgc_runtime::cancel::Cancel;
use imgc_runtime::context::Context;
use imgc_runtime::error::{Class, Error};
use imgc_runtime::ledger::{CloudResource, Resource};
use imgc_runtime::machine::Machine;
use imgc_runtime::report::Recorder;
use imgc_runtime::run::{RunResult, exit_code, run};
use imgc_runtime::settings::{Remover, Settings};
use imgc_runtime::state::{Moment, NewRun};
use imgc_runtime::testing::{Act, PlanMaker, Theatre, object, world};

const RUN: &str = "11111111-2222-4333-8444-555555555555";
const HOUR: u64 = 3600;
/// A day, in milliseconds.
const DAY: Moment = 24 * 3_600_000;

/// What has been seen of renewals.
#[derive(Default)]
struct Seen {
    /// Moments that things were marked with.
    marks: Vec<Moment>,
    /// How often the machine was kept up, and for how long.
    kept_up: Vec<Duration>,
    /// The expiry when the instance is made and when it is captured.
    expiries: Vec<Moment>,
    /// Whether marking fails.
    fails: bool,
}

#[derive(Clone)]
struct Cloud {
    theatre: Theatre,
    seen: Arc<Mutex<Seen>>,
}

#[async_trait]
impl Builder for Cloud {
    async fn launch(&self, cx: &Context, options: &Value) -> Result<Arc<dyn Instance>> {
        let _ = options;
        let thing = Resource::Cloud(CloudResource {
            provider: "fake".into(),
            kind: "instance".into(),
            place: "here".into(),
            name: "one".into(),
            id: Some("i-1".into()),
            reach: BTreeMap::new(),
            asked: None,
        });
        let made = async { Ok(()) };
        let (number, ()) = cx.ledger.create(&cx.address, thing, made).await?;
        self.note(cx);
        Ok(Arc::new(Held {
            cloud: self.clone(),
            number,
        }))
    }
}

impl Cloud {
    fn note(&self, cx: &Context) {
        let expiry = cx.expires.as_ref().unwrap().moment();
        self.seen.lock().unwrap().expiries.push(expiry);
    }
}

struct Held {
    cloud: Cloud,
    number: u64,
}

#[async_trait]
impl Instance for Held {
    fn target(&self) -> Target {
        Target::Machine(self.cloud.theatre.machine())
    }

    async fn keep_up(&self, cx: &Context, machine: &dyn Machine, length: Duration) -> Result<()> {
        let _ = (cx, machine);
        self.cloud.seen.lock().unwrap().kept_up.push(length);
        Ok(())
    }

    async fn capture(&self, cx: &Context) -> Result<Artifact> {
        self.cloud.note(cx);
        Ok(Artifact::default())
    }

    async fn release(&self, cx: &Context) -> Result<()> {
        cx.ledger.forget(self.number);
        Ok(())
    }
}

#[async_trait]
impl Remover for Cloud {
    async fn remove(&self, resource: &Resource) -> Option<Result<()>> {
        let _ = resource;
        Some(Ok(()))
    }

    async fn renew(&self, run: &str, things: &[CloudResource], expires: Moment) -> Result<()> {
        assert_eq!(run, RUN);
        assert_eq!(things.len(), 1);
        let mut seen = self.seen.lock().unwrap();
        seen.marks.push(expires);
        match seen.fails {
            true => Err(Error::new(Class::Remote, "run/x", "the provider is away")),
            false => Ok(()),
        }
    }
}

async fn play(hours: u64, fails: bool) -> (RunResult, Seen, Vec<String>) {
    let took = Act::Takes(Duration::from_secs(hours * HOUR));
    let theatre = Theatre::default().on("provision", [took]);
    let seen = Arc::new(Mutex::new(Seen {
        fails,
        ..Seen::default()
    }));
    let cloud = Cloud {
        theatre: theatre.clone(),
        seen: seen.clone(),
    };
    let mut registry = theatre.registry();
    registry.builders.insert("fake", Arc::new(cloud.clone()));
    let plan = PlanMaker::new().build(
        "fake",
        "a",
        object([]),
        [("fake", object([]), Limits::default())],
        [],
    );
    let scratch = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(RUN);
    settings.scratch = scratch.path().to_owned();
    settings.removers.push(Arc::new(cloud));
    settings.new_run = Some(NewRun {
        id: RUN.into(),
        command: "apply".into(),
        template: "/t".into(),
        only: Vec::new(),
        except: Vec::new(),
        var_files: Vec::new(),
        vars: Vec::new(),
        clock: (0, 0),
        seed: String::new(),
        started: 1000,
        expires: 1000 + DAY,
        logs: None,
        scratch: PathBuf::new(),
        program: "test".into(),
        process: 1,
        host: "here".into(),
        resumes: None,
        builds: Vec::new(),
    });
    let recorder = Arc::new(Recorder::default());
    let (plan, registry) = (Arc::new(plan.plan()), Arc::new(registry));
    let (sink, world) = (recorder.clone(), Arc::new(world()));
    let result = run(plan, registry, settings, sink, world, Cancel::new()).await;
    let said = recorder
        .events()
        .iter()
        .map(|event| format!("{event:?}"))
        .collect();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    (result, seen, said)
}

#[tokio::test(start_paused = true)]
async fn a_run_of_two_days_is_never_past_its_expiry() {
    let (result, seen, _) = play(50, false).await;
    assert_eq!(exit_code(&result), 0);
    // Every six hours, each time a day from then.
    assert_eq!(seen.marks.len(), 8, "{:?}", seen.marks);
    for (turn, mark) in (1..).zip(&seen.marks) {
        let due = 1000 + DAY + turn * 6 * 3_600_000;
        assert!((due..due + 600_000).contains(mark), "{turn}: {mark}");
    }
    assert_eq!(seen.kept_up, [Duration::from_secs(24 * HOUR); 8]);
    // What is made late is marked with a late moment.
    assert_eq!(seen.expiries[0], 1000 + DAY);
    assert!(seen.expiries[1] >= 1000 + 3 * DAY, "{:?}", seen.expiries);
}

#[tokio::test(start_paused = true)]
async fn a_short_run_renews_nothing() {
    let (result, seen, _) = play(5, false).await;
    assert_eq!(exit_code(&result), 0);
    assert!(seen.marks.is_empty() && seen.kept_up.is_empty());
    assert_eq!(seen.expiries, [1000 + DAY; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_said_and_tried_again() {
    let (result, seen, said) = play(14, true).await;
    assert_eq!(exit_code(&result), 0, "it is no failure of the run");
    assert_eq!(seen.marks.len(), 2);
    let warned = said
        .iter()
        .filter(|event| event.contains("is not marked as still in use"));
    assert_eq!(warned.count(), 2, "{said:?}");
}
