//! Builders: from a source to a machine, from a machine to an artifact.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
pub use imgc_compiler::components::{Problem, Publish};
use imgc_compiler::plan::Build;
use imgc_compiler::value::Value;
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;
use crate::checkpoint::{Capability, Checkpoint};
use crate::context::Context;
use crate::error::{Class, Error, Result};
use crate::machine::Machine;
use crate::preview::{Preview, Right, Scope, Wanted};

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

    /// What a failed or changed build with these options can be gone on with.
    fn capability(&self, options: &Value) -> Capability {
        let _ = options;
        Capability::None
    }

    /// The options that matter only when the artifact is made: names, places, formats. A change of one of them leaves
    /// the machine as it is.
    fn capture_options(&self) -> &'static [&'static str] {
        &[]
    }

    /// The options that matter only when the artifact is published. A change of one of them leaves the machine and the
    /// artifact as they are.
    fn publish_options(&self) -> &'static [&'static str] {
        &[]
    }

    /// The options that are written down as they are, into the state and what is shown of it: they name what has to be found
    /// again. No secret may be part of one.
    fn recorded_options(&self) -> &'static [&'static str] {
        &[]
    }

    /// The steps that publish what is made with these options, each after those it needs. Parts of the options may be
    /// unknown: where the steps depend on those, it is [`Publish::all`]; with known options never.
    fn publishes(&self, options: &Value) -> Vec<Publish> {
        let _ = options;
        Vec::new()
    }

    /// What the outside gives this build now, read-only: the digest of the base image, the state of a package archive.
    /// What can be read at once is read; what needs the network is taken from `known` unless that is empty for it or
    /// `known.refresh` is set.
    async fn pins(&self, cx: &Context, options: &Value, known: &Known) -> Result<Vec<Pin>> {
        let _ = (cx, options, known);
        Ok(Vec::new())
    }

    /// What a plan shows of the outside, read-only; parts of the options may be unknown. What cannot be asked is left unknown,
    /// never an error. `wanted`: what the plan asks of the build besides. `None` where there is nothing to show.
    async fn preview(&self, cx: &Context, options: &Value, wanted: &Wanted) -> Option<Preview> {
        let _ = (cx, options, wanted);
        None
    }

    /// The rights that a build with these options takes of the service it works with; parts of them may be unknown.
    async fn rights(
        &self,
        cx: &Context,
        options: &Value,
        wanted: &Wanted,
        scope: Scope,
    ) -> Vec<Right> {
        let _ = (cx, options, wanted, scope);
        Vec::new()
    }

    /// Makes the machine. Everything that outlives a crash goes through `cx.ledger`. Where the builder has the capability
    /// [`Capability::Layer`], the machine's first state is a checkpoint of `cx.fingerprint`; with [`Capability::Living`] the
    /// checkpoint has what the machine is found by.
    async fn launch(&self, cx: &Context, options: &Value) -> Result<Arc<dyn Instance>>;

    /// Makes the machine as it was at a checkpoint; `None` where it cannot be had any more (parts are gone or damaged). With
    /// [`Capability::Living`]: finds it. What it consists of is then in `cx.ledger`, as if this run had made it; what an
    /// earlier run has recorded of it and is not there is removed.
    async fn restore(
        &self,
        cx: &Context,
        options: &Value,
        checkpoint: &Checkpoint,
    ) -> Result<Option<Arc<dyn Instance>>> {
        let _ = (cx, options, checkpoint);
        Ok(None)
    }

    /// Whether [`boot`](Self::boot) can start a machine from what this builder makes.
    fn boots(&self) -> bool {
        false
    }

    /// Starts a machine from what the build has made, as little different as can be from those that will be started from it
    /// later: what of the options is about the machine (size, network, login) holds, what is about its disks does not. `None`
    /// where nothing was made. The runtime connects to it, checks, and releases it; it is never captured.
    async fn boot(
        &self,
        cx: &Context,
        options: &Value,
        artifact: &Artifact,
    ) -> Result<Option<Arc<dyn Instance>>> {
        let _ = (cx, options, artifact);
        Ok(None)
    }

    /// Called when everything that [`boot`](Self::boot) was wanted for has ended well: from now on the artifact is not only
    /// made but to be kept. Where [`Context::is_checked`] holds, a capture leaves that to this.
    async fn passed(&self, cx: &Context, options: &Value, artifact: &Artifact) -> Result<()> {
        let _ = (cx, options, artifact);
        Ok(())
    }

    /// Whether a machine can be kept as it is between two provisioners, and later be begun from.
    fn keeps_checkpoints(&self) -> bool {
        false
    }

    /// Whether a machine can still be made from a checkpoint, as far as a glance tells that touches nothing: what a plan
    /// promises. [`restore`](Self::restore) looks closely.
    fn stands(&self, cx: &Context, checkpoint: &Checkpoint) -> bool {
        let _ = (cx, checkpoint);
        true
    }

    /// Does one of the steps of [`publishes`](Self::publishes), by its name. `artifact` is what the build has made, with
    /// what the steps that this one needs have added. Gives what it adds: ids, lines of the description, things
    /// ([`Artifact::with`]). What it makes goes through `cx.ledger`; what outlives the step must be among the things it
    /// gives. The machine may be gone, or never have been there in this run.
    async fn publish(
        &self,
        cx: &Context,
        options: &Value,
        step: &str,
        artifact: &Artifact,
    ) -> Result<Artifact> {
        let _ = (cx, options, artifact);
        Err(Error::new(
            Class::Bug,
            "run/panic",
            format!("this builder has no step `{step}` to publish with"),
        )
        .help("please report this, with the log"))
    }
}

/// Something outside that can move: what it is called, and which one it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// Unique in a lock file: `rootfs debian:bookworm amd64`.
    pub name: String,
    /// `sha256:…` or another identity.
    pub value: String,
    /// For people: what it was when it was pinned; a date, a version.
    pub about: String,
}

/// Begins the name of the entry of an artifact's lineage that lists packages, a line each.
pub const PACKAGES: &str = "packages of ";

/// Begins the name of the entry of an artifact's lineage that is a value of the template's `build` object, for post-processors of a
/// later run.
pub const FACT: &str = "fact of the machine ";

/// Begins the name of a pin that is a fact about this machine.
const LOCAL: &str = "local ";

impl Pin {
    /// A fact about this machine that the machine being built depends on, such as an environment variable: an input of a
    /// fingerprint like every other pin, but no lock file holds it.
    pub fn local(name: impl std::fmt::Display, value: impl Into<String>) -> Self {
        Self {
            name: format!("{LOCAL}{name}"),
            value: value.into(),
            about: String::new(),
        }
    }

    /// Whether it is a fact about this machine only.
    pub fn is_local(&self) -> bool {
        self.name.starts_with(LOCAL)
    }
}

/// What is known of the outside from a lock file.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// By name of the pin.
    pub pins: BTreeMap<String, Pin>,
    /// Look again, whatever is known.
    pub refresh: bool,
    /// Ask nobody over the network: what is not known stays so, which is an error.
    pub offline: bool,
    /// Names of pins that this process has looked at itself: they need no second look.
    pub fresh: BTreeSet<String>,
    /// What was found of the builds just before the run, by address: good as long as the run has done nothing.
    pub seen: BTreeMap<String, Vec<Pin>>,
    /// Names of the options of this source that wait for artifacts of other builds of the plan. What they name is made by
    /// those builds and not moved by the outside: a [local](Pin::local) pin at most.
    pub late: BTreeSet<String>,
}

impl Known {
    /// The same for one build.
    pub(crate) fn of(&self, build: &Build) -> Cow<'_, Self> {
        let late = late(build);
        match late.is_empty() {
            true => Cow::Borrowed(self),
            false => Cow::Owned(Self {
                late,
                ..self.clone()
            }),
        }
    }
}

/// The options of a build's source that wait for artifacts of other builds.
fn late(build: &Build) -> BTreeSet<String> {
    if build.uses.is_empty() {
        return BTreeSet::new();
    }
    let options = build.source.value().as_map().into_iter().flatten();
    let open = options.filter(|(_, value)| !value.is_wholly_known());
    open.map(|(name, _)| name.to_string()).collect()
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

    /// What the machine was made from, besides what is pinned: names with values, for people who ask what is in an image.
    /// Lists of packages have a name that begins with [`PACKAGES`].
    fn lineage(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Called after each finished provisioner, so that a builder with layers can seal one, and where the template asks for it
    /// one with images can make one. With `cx.fingerprint` and `cx.checkpoints` it becomes a checkpoint, now or as soon as it is
    /// on disk.
    async fn seal(&self, cx: &Context, sealed: &Sealed<'_>) -> Result<()> {
        let _ = (cx, sealed);
        Ok(())
    }

    /// Whether the machine is there when it has been released, with everything that was put on it.
    fn stays(&self) -> bool {
        false
    }

    /// Whether nobody can log in to the machine any more, because the capture of an earlier run has begun: its target is then
    /// [`Target::None`], and that capture is all that can be done.
    fn is_shut(&self) -> bool {
        false
    }

    /// The host keys that the machine is found to have, by another way than its own word: asked for where it shows another
    /// key than those of its [`Endpoint`]. Empty where there is no such way.
    async fn host_keys(&self, cx: &Context) -> Result<Vec<String>> {
        let _ = cx;
        Ok(Vec::new())
    }

    /// Called once when the last provisioner has ended, before the connection does: what is to be done on the machine itself
    /// before it is captured.
    async fn finish(&self, cx: &Context, machine: &dyn Machine) -> Result<()> {
        let _ = (cx, machine);
        Ok(())
    }

    /// Called when the communicator has not reached the machine, before the machine is released: says what stands in the
    /// way, as far as that can be found out from outside.
    async fn diagnose(&self, cx: &Context, failure: &Error) {
        let _ = (cx, failure);
    }

    /// Called again and again while the machine is connected to: a machine that shuts itself down by the clock, because nobody
    /// might come for it, is to do so after this time from now.
    async fn keep_up(
        &self,
        cx: &Context,
        machine: &dyn Machine,
        length: std::time::Duration,
    ) -> Result<()> {
        let _ = (cx, machine, length);
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

/// A provisioner that has ended well, and the machine it has worked on.
#[derive(Clone, Copy)]
pub struct Sealed<'a> {
    /// The step's address.
    pub address: &'a str,
    /// A short text for a history.
    pub summary: &'a str,
    /// Whether the template asks for a checkpoint here (`checkpoint = true`).
    pub is_wanted: bool,
    /// The machine, where there is a connection to one.
    pub machine: Option<&'a dyn Machine>,
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
