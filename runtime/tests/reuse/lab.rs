//! A place where several runs happen, and the plans that they run.

use std::path::PathBuf;
use std::sync::Arc;

use imgc_compiler::plan::{Limits, Plan};
use imgc_compiler::source::World;
use imgc_compiler::value::Value;
use imgc_runtime::cancel::Cancel;
use imgc_runtime::event::{Event, Level};
use imgc_runtime::report::Recorder;
use imgc_runtime::reuse::{Ahead, Foresight};
use imgc_runtime::run::{RunResult, run};
use imgc_runtime::settings::{Reuse, Settings};
use imgc_runtime::state::{Memory, NewRun};
use imgc_runtime::testing::{PlanMaker, Theatre, object, world};

/// A place where several runs happen.
pub(crate) struct Lab {
    pub(crate) state: Arc<Memory>,
    pub(crate) theatre: Theatre,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) runs: u32,
}

pub(crate) struct Done {
    pub(crate) calls: Vec<String>,
    pub(crate) result: RunResult,
    pub(crate) events: Vec<Event>,
}

impl Lab {
    pub(crate) fn new(theatre: Theatre) -> Self {
        Self {
            state: Arc::new(Memory::new()),
            theatre,
            directory: tempfile::tempdir().unwrap(),
            runs: 0,
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn settings(&self, reuse: Reuse, run: &str) -> Settings {
        let mut settings = Settings::new(run);
        settings.state = self.state.clone();
        settings.scratch = self.directory.path().join("scratch");
        std::fs::create_dir_all(&settings.scratch).unwrap();
        settings.new_run = Some(NewRun {
            id: run.into(),
            command: "apply".into(),
            template: "/t".into(),
            only: Vec::new(),
            except: Vec::new(),
            var_files: Vec::new(),
            vars: Vec::new(),
            clock: (0, 0),
            seed: String::new(),
            started: 0,
            expires: 0,
            logs: None,
            scratch: PathBuf::new(),
            program: "test".into(),
            process: 1,
            host: "here".into(),
            resumes: reuse.resume.clone(),
            builds: Vec::new(),
        });
        settings.reuse = reuse;
        settings
    }

    pub(crate) async fn run(&mut self, plan: PlanMaker, reuse: Reuse) -> Done {
        self.run_with(plan, reuse, |_| {}).await
    }

    pub(crate) async fn run_with(
        &mut self,
        plan: PlanMaker,
        reuse: Reuse,
        change: impl FnOnce(&mut Settings),
    ) -> Done {
        self.runs += 1;
        let id = format!("{:08}-0000-4000-8000-000000000000", self.runs);
        let mut settings = self.settings(reuse, &id);
        change(&mut settings);
        self.theatre.new_calls();
        let recorder = Arc::new(Recorder::default());
        let result = run(
            Arc::new(plan.plan()),
            Arc::new(self.theatre.registry()),
            settings,
            recorder.clone(),
            Arc::new(world()),
            Cancel::new(),
        )
        .await;
        Done {
            calls: self.theatre.new_calls(),
            result,
            events: recorder.events(),
        }
    }

    pub(crate) async fn apply(&mut self, plan: PlanMaker) -> Done {
        self.run(plan, on()).await
    }

    pub(crate) async fn ahead(&self, plan: &Plan) -> Foresight {
        let world: Arc<dyn World> = Arc::new(world());
        let settings = self.settings(on(), "99999999-0000-4000-8000-000000000000");
        let registry = self.theatre.registry();
        let ahead = Ahead {
            plan,
            registry: &registry,
            settings: &settings,
            world: &world,
        };
        let mut all = imgc_runtime::reuse::plan(&ahead).await.unwrap();
        all.remove(0)
    }
}

pub(crate) fn on() -> Reuse {
    Reuse {
        on: true,
        ..Reuse::default()
    }
}

pub(crate) fn resuming(run: u32) -> Reuse {
    Reuse {
        resume: Some(format!("{run:08}-0000-4000-8000-000000000000")),
        ..on()
    }
}

/// A provisioner that does `call` with a script of this text.
pub(crate) fn provisioner(call: &str, script: &str) -> (&'static str, Value, Limits) {
    let options = object([
        ("call", Value::string(call)),
        ("script", Value::string(script)),
    ]);
    ("fake", options, Limits::default())
}

pub(crate) type Provisioners = Vec<(&'static str, Value, Limits)>;
pub(crate) type Chains = Vec<Vec<(&'static str, Value, Option<bool>)>>;

pub(crate) fn ten() -> Provisioners {
    (1..=10)
        .map(|number| provisioner(&format!("p{number}"), "x"))
        .collect()
}

pub(crate) fn plan(builder: &'static str, provisioners: Provisioners, chains: Chains) -> PlanMaker {
    PlanMaker::new().build(builder, "a", object([]), provisioners, chains)
}

pub(crate) fn post(name: &str) -> (&'static str, Value, Option<bool>) {
    ("fake", object([("name", Value::string(name))]), Some(true))
}

pub(crate) fn provisioned(done: &Done) -> Vec<&str> {
    let calls = done.calls.iter().filter(|call| call.starts_with('p'));
    calls
        .filter(|call| !call.starts_with("prepare") && !call.starts_with("post"))
        .map(|call| call.strip_suffix(" a").unwrap())
        .collect()
}

pub(crate) fn said(done: &Done, level: Level) -> Vec<&str> {
    done.events
        .iter()
        .filter_map(|event| match event {
            Event::Line {
                level: same, text, ..
            } if *same == level => Some(text.as_str()),
            _ => None,
        })
        .collect()
}
