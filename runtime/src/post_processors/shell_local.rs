//! Post-processor `shell-local`: runs scripts on this machine; the artifact goes on as it is.

use std::sync::Arc;

use async_trait::async_trait;
use imgc_compiler::value::Value;
use tokio::sync::Semaphore;

use crate::artifact::Artifact;
use crate::builder::Problem;
use crate::context::Context;
use crate::error::Result;
use crate::options::Options;
use crate::post_processor::{PostProcessor, Processed};
use crate::provisioners::{local, script};

/// The post-processor `shell-local`.
#[derive(Clone, Debug)]
pub struct ShellLocal {
    permits: Arc<Semaphore>,
}

impl ShellLocal {
    /// Of all local commands at most as many run at the same time as there are permits.
    pub fn new(permits: Arc<Semaphore>) -> Self {
        Self { permits }
    }
}

#[async_trait]
impl PostProcessor for ShellLocal {
    fn check(&self, options: &Value) -> Vec<Problem> {
        script::check(&Options::new("post-processor `shell-local`", options))
    }

    fn passes_on(&self) -> bool {
        true
    }

    async fn run(&self, cx: &Context, options: &Value, artifact: &Artifact) -> Result<Processed> {
        local::run(cx, options, &self.permits).await?;
        Ok(super::unchanged(artifact))
    }
}
