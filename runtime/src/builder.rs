//! Builders: from a source to a machine, from a machine to an artifact.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
pub use imgc_compiler::components::Problem;
use imgc_compiler::value::Value;

use crate::artifact::Artifact;
use crate::context::Context;
use crate::error::Result;
use crate::machine::Machine;

/// Makes machines. It never runs provisioners; the runtime does.
#[async_trait]
pub trait Builder: Send + Sync {
    /// Looks at the options without touching the outside; parts may be unknown until run time. One message per problem, each with
    /// the option it is about.
    /// Types, names and required options have been checked against the schema before.
    fn check(&self, options: &Value) -> Vec<Problem> {
        let _ = options;
        Vec::new()
    }

    /// Looks at the inputs, read-only: base image, disk space, needed programs. What it says is shown.
    async fn prepare(&self, cx: &Context, options: &Value) -> Result<()> {
        let _ = (cx, options);
        Ok(())
    }

    /// Makes the machine. Everything that outlives a crash goes through `cx.ledger`.
    async fn launch(&self, cx: &Context, options: &Value) -> Result<Arc<dyn Instance>>;
}

/// What a builder has launched.
#[async_trait]
pub trait Instance: Send + Sync {
    /// How the machine is reached.
    fn target(&self) -> Target;

    /// Facts for the template's `build` object, such as `ID`; the builder's generated data.
    fn facts(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// Called after each finished provisioner, so that a builder with layers can seal one. `address` is the step's
    /// address, `summary` a short text for a history.
    async fn seal(&self, cx: &Context, address: &str, summary: &str) -> Result<()> {
        let _ = (cx, address, summary);
        Ok(())
    }

    /// Turns the machine into an artifact.
    async fn capture(&self, cx: &Context) -> Result<Artifact>;

    /// Called in place of `release` when the machine is to stay as it is (`-on-error=abort`): whatever would remove it
    /// later must not any more. What is left is reported from the ledger.
    async fn leave(&self) {}

    /// Lets the machine go, with all that was made for it. Called once after `capture` or after a failure; goes on past
    /// its own failures and reports what is left.
    async fn release(&self, cx: &Context) -> Result<()>;
}

/// How a launched machine is reached.
#[derive(Clone)]
pub enum Target {
    /// There is none: `communicator = "none"`, builder `file`.
    None,
    /// The builder brings its own way.
    Machine(Arc<dyn Machine>),
    /// Through the source's communicator, at this address; options of the template (`ssh_host`) come first.
    Address(Endpoint),
}

/// Where a communicator finds a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address; `None` where only the template's options know.
    pub host: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Login name the builder set up.
    pub user: Option<String>,
    /// A private key file the builder made for this run.
    pub private_key: Option<std::path::PathBuf>,
    /// Host keys the builder can vouch for, as in `known_hosts` without the host: `ssh-ed25519 AAAA…`.
    pub host_keys: Vec<String>,
}
