//! Checkpoints: where a build can be gone on with, in another process.
//!
//! A builder says what it can ([`Capability`]). Whatever can be gone back to is a [`Checkpoint`]: plain data, found by the
//! fingerprint of the step after which the machine was so. A wrong hit is worse than none: everything a checkpoint depends
//! on is in that fingerprint or is looked at by [`Builder::restore`](crate::builder::Builder::restore).

use std::sync::Arc;

use imgc_compiler::source::World;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::error::Result;
use crate::ledger::CloudResource;
use crate::state::{CheckpointRecord, Moment, State};

/// What a builder can go back to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Nothing: a failed build begins again.
    #[default]
    None,
    /// The machine itself lives on and is found again: what has been done to it needs not be done again. Only for
    /// `--resume`, since nobody knows what else happened to it.
    Machine,
    /// The machine itself lives on where it was made, and is found again by the checkpoint of its launch, if it is still
    /// there: [`Builder::restore`](crate::builder::Builder::restore) looks. Only for `--resume`, as above.
    Living,
    /// What the machine's disk was like after a step: any later run can start there.
    Layer,
    /// As [`Living`](Self::Living); besides, images of the machine are kept after the steps that ask for it: any later run can
    /// start from one.
    Image,
}

/// A place to go back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// What kind it is.
    pub capability: Capability,
    /// The version of the builder's own form: another one is not understood, and no hit.
    pub version: u32,
    /// What the builder needs, in its own form; no secrets.
    pub data: serde_json::Value,
    /// Names of directories in the cache that it consists of, those of earlier steps included.
    pub parts: Vec<String>,
    /// What it consists of at a provider, the first of which uses the others: these things are the checkpoint's and no run's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub things: Vec<CloudResource>,
    /// After this moment it counts no more, and goes with whoever collects garbage; `None` for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Moment>,
}

impl Checkpoint {
    /// Whether it still counts.
    pub fn is_valid(&self, now: Moment) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// Where a component puts checkpoints. Cheap to clone.
#[derive(Clone)]
pub struct Checkpoints {
    state: Arc<dyn State>,
    world: Arc<dyn World>,
    run: Arc<str>,
    build: Arc<str>,
    builder: SmolStr,
}

impl Checkpoints {
    /// For a build of a run.
    pub fn new(
        state: Arc<dyn State>,
        world: Arc<dyn World>,
        run: Arc<str>,
        build: Arc<str>,
        builder: impl Into<SmolStr>,
    ) -> Self {
        Self {
            state,
            world,
            run,
            build,
            builder: builder.into(),
        }
    }

    /// The machine after the step `step` of this fingerprint can be gone back to from now on. Everything the checkpoint
    /// consists of is on disk, flushed, before this is called.
    pub async fn put(&self, fingerprint: &str, step: &str, checkpoint: Checkpoint) -> Result<()> {
        let now = self.world.now().0.saturating_mul(1000);
        self.state
            .checkpoint(&CheckpointRecord {
                fingerprint: fingerprint.to_owned(),
                build: self.build.to_string(),
                step: step.to_owned(),
                builder: self.builder.to_string(),
                run: self.run.to_string(),
                made: now,
                used: now,
                checkpoint,
            })
            .await
    }

    /// Whether there is one for this fingerprint.
    pub async fn has(&self, fingerprint: &str) -> Result<bool> {
        Ok(self.state.find_checkpoint(fingerprint).await?.is_some())
    }
}
