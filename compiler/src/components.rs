//! What the compiler asks about components that can run.
//!
//! The schema (names, types, required options) is the compiler's own; whether a component can run here, and the checks
//! only its implementation knows, come through [`Components`]. The runtime's registry implements it; the language server
//! may use [`Everything`].

use std::sync::Arc;

use smol_str::SmolStr;

use crate::value::{Data, Value};

/// The kinds of components.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ComponentKind {
    /// Makes machines and artifacts.
    Builder,
    /// Acts on a machine.
    Provisioner,
    /// Turns artifacts into others.
    PostProcessor,
    /// Reaches a machine.
    Communicator,
    /// Looks something up.
    DataSource,
}

impl ComponentKind {
    /// The word users know.
    pub fn word(self) -> &'static str {
        match self {
            Self::Builder => "builder",
            Self::Provisioner => "provisioner",
            Self::PostProcessor => "post-processor",
            Self::Communicator => "communicator",
            Self::DataSource => "data source",
        }
    }
}

/// A wrong option, found before anything runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The options it is about, whether they are given or missing: it is shown at the first that is given, and is left out
    /// where an error has been reported there, or about its absence. Empty for the component as a whole.
    pub options: Vec<String>,
    /// What is wrong; lower case, no full stop.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

impl Problem {
    /// A problem with the component as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            options: Vec::new(),
            message: message.into(),
            help: None,
        }
    }

    /// Names an option that it is about.
    #[must_use]
    pub fn of(mut self, option: impl Into<String>) -> Self {
        self.options.push(option.into());
        self
    }

    /// Says the way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A step that publishes a builder's artifact: a copy of it, somebody who may use it. Builders name theirs from their
/// options.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Unique in the build, as it stands in the step's address: `eu-west-1`.
    pub name: SmolStr,
    /// What it makes, in words: `a copy in eu-west-1`.
    pub makes: String,
    /// The options it uses, an object: what it does follows from them, from the artifact, and from what it needs.
    pub options: Value,
    /// The names of others that must be done before.
    pub needs: Vec<SmolStr>,
    /// Whether it stands for all there are, which only the run can tell apart.
    pub open: bool,
    /// Whether it is a part of making the artifact, rather than of giving it to others: what checks the artifact comes behind it, and
    /// everything else behind the checks. What it needs is of the same kind.
    pub makes_whole: bool,
}

impl Publish {
    /// One step for everything, where the options are not known before the run.
    pub fn all() -> Self {
        Self {
            name: SmolStr::new_static("all"),
            makes: "what the options ask for, which the run knows".to_owned(),
            options: Value::from_data(Data::Object(Arc::default())),
            needs: Vec::new(),
            open: true,
            makes_whole: false,
        }
    }
}

/// What comes before a post-processor in its chain.
#[derive(Clone, Copy, Debug)]
pub struct Behind<'a> {
    /// The builder, which makes the artifact.
    pub builder: &'a str,
    /// Its options; parts may be unknown until run time.
    pub options: &'a Value,
    /// The post-processors in between, the first one first.
    pub before: &'a [&'a str],
}

/// The components that can run.
pub trait Components {
    /// Whether there is an implementation.
    fn has(&self, kind: ComponentKind, name: &str) -> bool;
    /// The cargo feature that brings an implementation, where the program was built without it.
    fn left_out(&self, kind: ComponentKind, name: &str) -> Option<&'static str> {
        let _ = (kind, name);
        None
    }
    /// Checks of the implementation on options that agree with the schema; parts may be unknown until run time.
    fn check(&self, kind: ComponentKind, name: &str, options: &Value) -> Vec<Problem>;
    /// Checks of a post-processor's options together with what makes its artifact; what [`check`](Self::check) says of them is
    /// not said again.
    fn check_behind(
        &self,
        post_processor: &str,
        options: &Value,
        behind: Behind<'_>,
    ) -> Vec<Problem> {
        let _ = (post_processor, options, behind);
        Vec::new()
    }
    /// The steps that publish what a builder makes with these options, each after those it needs; parts of the options may
    /// be unknown until run time.
    fn publishes(&self, builder: &str, options: &Value) -> Vec<Publish> {
        let _ = (builder, options);
        Vec::new()
    }
    /// Whether a builder can start a machine from what it makes, so that this can be checked (`on = "image"`).
    fn boots(&self, builder: &str) -> bool {
        let _ = builder;
        true
    }
    /// Whether a builder can keep a machine as it is between two provisioners (`checkpoint = true`).
    fn keeps_checkpoints(&self, builder: &str) -> bool {
        let _ = builder;
        true
    }
    /// Reads a data source: its outputs as one object. May take a while; called only where the request is online, and at
    /// most once for each data source of a compilation.
    fn read(&self, name: &str, options: &Value) -> Result<Value, Problem>;
}

/// Every component counts as runnable: for checks that must not depend on what is built in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Everything;

impl Components for Everything {
    fn has(&self, _: ComponentKind, _: &str) -> bool {
        true
    }

    fn check(&self, _: ComponentKind, _: &str, _: &Value) -> Vec<Problem> {
        Vec::new()
    }

    fn read(&self, name: &str, _: &Value) -> Result<Value, Problem> {
        Err(Problem::new(format!(
            "nothing here can read the data source `{name}`"
        )))
    }
}
