//! What a component may use while it works for one build.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use imgc_compiler::plan::{BuildId, Plan};
use imgc_compiler::source::World;
use imgc_compiler::value::Value;
use smol_str::SmolStr;
use tokio::sync::oneshot;
pub use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::artifact::Artifact;
use crate::checkpoint::Checkpoints;
use crate::event::{Event, Output, Sink};
use crate::expiry::Expiry;
use crate::ledger::Ledger;
use crate::redact::Redactor;
use crate::settings::Settings;
use crate::watch::{Waiting, Watch};

/// The surroundings of a component. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// Speaks for the build.
    pub output: Output,
    /// The one way to make something that would outlive a crash.
    pub ledger: Ledger,
    /// Cancelled when the run is to stop and clean up. Long waits look at it; the runtime also drops the future of a
    /// cancelled step, so cleaning up belongs into `release` and `disconnect`, not behind an `await` of the step.
    pub cancel: CancellationToken,
    /// The build or step at work: owner of what it makes.
    pub address: Arc<str>,
    /// `name` as in Packer's `PACKER_BUILD_NAME`: the source's name, with the keys of repeated blocks behind it.
    pub source_name: Arc<str>,
    /// `PACKER_BUILDER_TYPE`.
    pub builder_type: Arc<str>,
    /// The run's id (`PackerRunUUID`).
    pub run_id: Arc<str>,
    /// When whatever the run makes may be removed by anyone, put off for as long as it lives; `None` where nothing is made.
    pub expires: Option<Expiry>,
    /// How long the build may take, cleaning up included; `None` for no limit.
    pub limit: Option<std::time::Duration>,
    /// The template's directory.
    pub root: PathBuf,
    /// What the step at work would do, as a number: what a checkpoint made by it is found by. `None` where that is not
    /// known, or where nothing may be reused.
    pub fingerprint: Option<Arc<str>>,
    /// Where checkpoints are recorded; `None` where none are wanted.
    pub checkpoints: Option<Checkpoints>,
    /// The directory of the cache, for what checkpoints consist of; each component has a directory of its name in it.
    /// `None` where there is no cache.
    pub cache: Option<PathBuf>,
    /// A directory for temporary files of this run; removed at its end.
    pub scratch: PathBuf,
    /// `-force`: outputs of an earlier run may be removed.
    pub force: bool,
    /// Whether the build's output is there already and may be replaced all the same: an earlier run has made it and nobody
    /// has touched it, or somebody was asked.
    pub replaces: bool,
    /// `-debug`.
    pub debug: bool,
    /// The template's `build` object at this point.
    pub build: Arc<BTreeMap<SmolStr, Value>>,
    /// Variables of the template, by name, for `{{user}}` and for plugins that ask; sensitive ones carry the mark.
    pub variables: Arc<BTreeMap<SmolStr, Value>>,
    /// Clock, environment, random numbers.
    pub world: Arc<dyn World>,
    /// What is known of the step's progress: what it waits for, when it last said something.
    pub watch: Watch,
    /// Whether the step may still be stopped.
    pub commit: Commit,
    /// What of the build goes on when its step is stopped.
    pub aside: Aside,
    /// Whether what is made is checked before it is kept: see [`Builder::passed`](crate::builder::Builder::passed).
    pub is_checked: bool,
    /// Where a step publishes an artifact of an earlier run: what the newest run that has done this step to it has added. `None`
    /// where none has.
    pub before: Option<Arc<Artifact>>,
}

/// Work that nobody stops halfway: the step it belongs to may be dropped, and the build then waits until it has ended. Cheap to
/// clone; all clones are one. Only for what ends by itself, soon.
#[derive(Clone, Debug)]
pub struct Aside(TaskTracker);

impl Default for Aside {
    fn default() -> Self {
        let tracker = TaskTracker::new();
        // Closed, so that waiting ends when there is nothing; it takes work all the same.
        tracker.close();
        Self(tracker)
    }
}

impl Aside {
    /// Begins work that nobody waits for but the build. Outside of a runtime, as when that is going down, nothing begins.
    pub fn begin(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Ok(handle) = tokio::runtime::Handle::try_current() {
            self.0.spawn_on(work, &handle);
        }
    }

    /// Makes something to its end. Where nobody waits for it any more then, it is unmade with `unmake`. `None` if making it has
    /// panicked.
    pub async fn make<T, F>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
        unmake: impl FnOnce(T) -> F + Send + 'static,
    ) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = ()> + Send,
    {
        let (answer, answered) = oneshot::channel();
        self.begin(async move {
            if let Err(unwanted) = answer.send(work.await) {
                unmake(unwanted).await;
            }
        });
        answered.await.ok()
    }

    /// Waits until all of it has ended.
    pub(crate) async fn ended(&self) {
        self.0.wait().await;
    }
}

/// The point of no return of a step. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Commit(Arc<AtomicBool>);

impl Commit {
    /// From here on the step is not stopped any more, neither on request nor by its time limit: what it puts into the place of
    /// something finished is recorded as finished, too. Only for what ends by itself, soon.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns if the step may be stopped; never, if not.
    pub(crate) async fn not_begun(&self) {
        if self.0.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

impl Context {
    /// Says what the step waits for until the guard is dropped: shown when nothing has been heard of it for a while.
    /// Such as `the login at root@10.0.0.7:22`; without secrets.
    pub fn waiting(&self, what: impl AsRef<str>) -> Waiting {
        self.watch.waiting(self.output.redact(what.as_ref()))
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// What makes the contexts for looking at builds of a plan without running them: nothing is said, made or remembered.
pub(crate) struct Onlooker<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) settings: &'a Settings,
    pub(crate) world: &'a Arc<dyn World>,
    pub(crate) redact: Arc<Redactor>,
    pub(crate) variables: Arc<BTreeMap<SmolStr, Value>>,
}

impl<'a> Onlooker<'a> {
    pub(crate) fn new(plan: &'a Plan, settings: &'a Settings, world: &'a Arc<dyn World>) -> Self {
        let variables = plan.variables.iter();
        let variables = variables.map(|variable| (variable.name.clone(), variable.value.clone()));
        Self {
            plan,
            settings,
            world,
            redact: Arc::new(Redactor::declared(plan)),
            variables: Arc::new(variables.collect()),
        }
    }

    /// For a build of the plan.
    pub(crate) fn context(&self, id: BuildId) -> Context {
        let build = self.plan.build(id);
        let settings = self.settings;
        Context {
            output: Output::new(Arc::new(Silence), self.redact.clone(), Some(id), ""),
            ledger: Ledger::default(),
            cancel: CancellationToken::new(),
            address: build.address.as_str().into(),
            source_name: build.instance_name().into(),
            builder_type: build.builder.as_str().into(),
            run_id: settings.run_id.as_str().into(),
            expires: None,
            limit: build.timeout.into_iter().chain(settings.timeout).min(),
            root: self.plan.root.clone(),
            fingerprint: None,
            checkpoints: None,
            cache: settings.cache.clone(),
            scratch: settings.scratch.clone(),
            force: settings.force,
            replaces: false,
            debug: false,
            build: Arc::default(),
            variables: self.variables.clone(),
            world: self.world.clone(),
            watch: crate::watch::Watch::new(),
            commit: Commit::default(),
            aside: Aside::default(),
            is_checked: false,
            before: None,
        }
    }
}

struct Silence;

impl Sink for Silence {
    fn event(&self, _event: &Event) {}
}
