//! Communicators: how a machine is reached.

use std::sync::Arc;

use async_trait::async_trait;
use imgc_compiler::components::Problem;
use imgc_compiler::value::Value;

use crate::builder::Endpoint;
use crate::context::Context;
use crate::error::Result;
use crate::machine::Machine;

/// Connects to machines.
#[async_trait]
pub trait Communicator: Send + Sync {
    /// Looks at the source's options without touching the outside; parts may be unknown until run time.
    fn check(&self, options: &Value) -> Vec<Problem> {
        let _ = options;
        Vec::new()
    }

    /// Waits for the machine and connects. `options` are the source's (communicator options such as `ssh_username`
    /// among them); `endpoint` is what the builder knows.
    async fn connect(
        &self,
        cx: &Context,
        options: &Value,
        endpoint: &Endpoint,
    ) -> Result<Arc<dyn Machine>>;
}
