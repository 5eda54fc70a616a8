//! Communicators: how a machine is reached.

use std::sync::Arc;

use async_trait::async_trait;
use imgc_compiler::value::Value;

use crate::builder::Endpoint;
use crate::context::Context;
use crate::error::Result;
use crate::machine::Machine;

/// Connects to machines.
#[async_trait]
pub trait Communicator: Send + Sync {
    /// Waits for the machine and connects. `options` are the source's (communicator options such as `ssh_username`
    /// among them); `endpoint` is what the builder knows.
    async fn connect(
        &self,
        cx: &Context,
        options: &Value,
        endpoint: &Endpoint,
    ) -> Result<Arc<dyn Machine>>;
}
