//! The plan: what will be made, in which order, from what.
//!
//! In: a checked template. Out: plain data, a directed acyclic graph of [`Step`]s grouped into [`Build`]s. The runtime
//! runs it; `imgc plan` prints it. Same inputs, same plan, byte for byte.

use std::path::PathBuf;
use std::time::Duration;

use imgc_syntax::Span;
use petgraph::graph::DiGraph;
use smol_str::SmolStr;

use crate::types::Type;
use crate::value::Value;

pub use instances::IDS as EXTENDS_IDS;
pub use make::IDS;
pub(crate) use make::make;
pub use names::Key;
pub use options::{Deferred, Open, Options, Resolved, RunValues};
pub use outputs::Output;
pub use pieces::IDS as GROUP_IDS;
pub use repeat::IDS as REPEAT_IDS;
pub(crate) use unit::Unit;

mod behind;
mod blocks;
pub mod compare;
mod component;
mod digest;
mod files;
mod fit;
pub mod inputs;
mod inside;
mod instance;
mod instances;
mod known;
mod late;
mod layout;
mod make;
mod mentions;
mod meta;
mod names;
mod options;
mod order;
mod outputs;
mod pieces;
pub(crate) mod repeat;
pub(crate) mod select;
mod sources;
mod unit;
mod unused;

/// Everything one run will do.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The build instances: each after those whose artifacts it uses, otherwise in template order.
    pub builds: Vec<Build>,
    /// All steps; a step stands after every step it needs.
    pub steps: Vec<Step>,
    /// The variables with their values and where these came from, by name.
    pub variables: Vec<Variable>,
    /// The values of locals that are sensitive or have sensitive parts, and what calls gave that is sensitive: what hides
    /// secrets must know them, since they need not be parts of a variable.
    pub secrets: Vec<Value>,
    /// Everything outside the template text that the plan depends on.
    pub inputs: Vec<Input>,
    /// The data sources that it uses, read or not, by module and name.
    pub data: Vec<DataUse>,
    /// The outputs, in template order.
    pub outputs: Vec<Output>,
    /// The template's directory (`path.root`).
    pub root: PathBuf,
}

/// A data source that a plan uses.
#[derive(Clone, Debug)]
pub struct DataUse {
    /// The component, such as `amazon-ami`.
    pub component: SmolStr,
    /// Its options; parts may be unknown.
    pub options: Value,
}

/// Position in [`Plan::builds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BuildId(pub u32);

/// Position in [`Plan::steps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepId(pub u32);

/// One source built by one `build` block.
#[derive(Clone, Debug)]
pub struct Build {
    /// Unique, stable, as a person types it: `build.web.null.base`, or `build.null.base` where the block has no name.
    pub address: String,
    /// As Packer names it in logs and `-only`: `web.null.base`, `null.base`.
    pub name: String,
    /// The `build` block's own name; empty if it has none.
    pub block_name: String,
    /// The header of the `build` block: builds with the same one come from the same block.
    pub block_span: Span,
    /// The builder, such as `amazon-ebs`.
    pub builder: SmolStr,
    /// The source's name.
    pub source_name: SmolStr,
    /// What tells it from other instances of the same blocks, in the order of the name: the build block's key, the
    /// source's, the nested source's. Empty where nothing is repeated.
    pub keys: Vec<Key>,
    /// What the block says about itself.
    pub description: Option<String>,
    /// How long the build may take, cleaning up included.
    pub timeout: Option<Duration>,
    /// The communicator: `ssh`, `winrm`, `none`, or what the builder brings.
    pub communicator: SmolStr,
    /// The source's options, nested ones merged in; communicator options are among them.
    pub source: Options,
    /// What the step [`StepKind::Check`] runs on a machine that is started from the artifact, in order; empty where there is none.
    pub checks: Vec<Step>,
    /// Steps to run on failure before the machine is released (`error-cleanup-provisioner`), in order.
    pub cleanup: Vec<Step>,
    /// The builds whose artifacts it uses; they stand before it.
    pub uses: Vec<BuildId>,
    /// Whether `-only` and `-except` take it; if not, it is here because others use its artifact.
    pub selected: bool,
    /// Where the source stands.
    pub span: Span,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub struct Step {
    /// Unique, stable: `build.web.null.base.provisioner[2]`.
    pub address: String,
    /// The build it belongs to.
    pub build: BuildId,
    /// What it does.
    pub kind: StepKind,
    /// The component's options; empty for steps that only use the source's.
    pub options: Options,
    /// What must be done before.
    pub needs: Vec<Need>,
    /// What it yields, with types.
    pub outputs: Vec<(SmolStr, Type)>,
    /// What undoes it, for people; `None` where there is nothing to undo.
    pub undo: Option<&'static str>,
    /// Waiting, repeating, giving up.
    pub limits: Limits,
    /// Whether what it has done before counts; `cache = false` makes it run in every run, with all that follows.
    pub cache: bool,
    /// Whether the machine is to be kept as it is when this has been done (`checkpoint = true`), so that later runs can begin there.
    pub checkpoint: bool,
    /// Identity in a plan, lower-case hexadecimal SHA-256: options, every byte read, the digests of what it
    /// needs; not names, limits, or display.
    pub digest: String,
    /// Where the step comes from.
    pub span: Span,
}

/// The kinds of steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// The builder looks at its inputs, read-only.
    Prepare,
    /// The builder makes the machine.
    Launch,
    /// The communicator reaches it.
    Connect,
    /// A provisioner acts on it.
    Provision {
        /// Such as `shell`.
        provisioner: SmolStr,
        /// Position among the build's provisioners, from 0.
        index: u32,
    },
    /// The builder turns the machine into an artifact.
    Capture,
    /// The artifact is checked on a machine that is started from it.
    Check,
    /// The builder publishes the artifact: copies it, lets others use it.
    Publish {
        /// What tells it from the others of the build, such as a region.
        name: SmolStr,
        /// What it makes, in words.
        makes: String,
        /// Whether it does everything that the options ask for, which only the run knows.
        open: bool,
    },
    /// The builder lets the machine go.
    Release,
    /// A post-processor turns an artifact into another, or publishes it.
    PostProcess {
        /// Such as `manifest`.
        post_processor: SmolStr,
        /// Which sequence, from 0.
        chain: u32,
        /// Position in the sequence, from 0.
        position: u32,
        /// Keep the input when this is done; `None` leaves it to the post-processor's own default.
        keep_input: Option<bool>,
    },
}

/// An edge to an earlier step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The earlier step.
    pub step: StepId,
    /// Why.
    pub kind: NeedKind,
}

/// Why a step comes after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedKind {
    /// It uses an output.
    Data,
    /// It merely comes later.
    Order,
}

/// Waiting, repeating, giving up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Wait before starting.
    pub pause_before: Option<Duration>,
    /// Give up after this long; per attempt.
    pub timeout: Option<Duration>,
    /// Attempts after the first.
    pub max_retries: u32,
    /// Go on with the build when this step has failed.
    pub continue_on_error: bool,
}

/// A variable as the plan uses it.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: SmolStr,
    /// Its value; sensitive ones carry the mark.
    pub value: Value,
    /// Where the value came from: `default`, `environment PKR_VAR_x`, `file x.pkrvars.hcl`, `-var`.
    pub origin: String,
    /// Where the value is written: in a file of variables, or as the default. `None` for the environment and flags.
    pub written: Option<Span>,
}

/// Something outside the template text that the plan depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// `file`, `tree` or `environment`.
    pub kind: &'static str,
    /// Path or variable name.
    pub name: String,
    /// SHA-256, lower-case hexadecimal.
    pub digest: String,
}

impl Build {
    /// The source's name, with the keys of repeated blocks behind it: `base`, `base-eu-0`. What is called after a source,
    /// such as its output directory, is called this, so that instances do not replace each other's. A key with other
    /// characters than letters, digits, `.`, `-` and `_` is changed and gets a few digits that stand for what it was.
    pub fn instance_name(&self) -> String {
        let mut name = self.source_name.to_string();
        for key in &self.keys {
            name.push('-');
            name.push_str(&key.as_word());
        }
        name
    }
}

impl Plan {
    /// The step of an id of this plan.
    pub fn step(&self, id: StepId) -> &Step {
        &self.steps[id.0 as usize]
    }

    /// The build of an id of this plan.
    pub fn build(&self, id: BuildId) -> &Build {
        &self.builds[id.0 as usize]
    }

    /// All step ids, in plan order.
    pub fn step_ids(&self) -> impl Iterator<Item = StepId> + use<> {
        (0..self.steps.len() as u32).map(StepId)
    }

    /// The graph: an edge goes from a step to one that needs it.
    pub fn graph(&self) -> DiGraph<StepId, NeedKind> {
        let mut graph = DiGraph::with_capacity(self.steps.len(), self.steps.len());
        let nodes: Vec<_> = self.step_ids().map(|id| graph.add_node(id)).collect();
        for (node, step) in nodes.iter().zip(&self.steps) {
            for need in &step.needs {
                graph.add_edge(nodes[need.step.0 as usize], *node, need.kind);
            }
        }
        graph
    }
}
