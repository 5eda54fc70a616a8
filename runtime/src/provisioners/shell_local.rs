//! Provisioner `shell-local`: runs scripts on this machine.

use std::sync::Arc;

use async_trait::async_trait;
use imgc_compiler::value::Value;
use tokio::sync::Semaphore;

use crate::builder::Problem;
use crate::context::Context;
use crate::error::Result;
use crate::machine::Machine;
use crate::options::Options;
use crate::provisioner::Provisioner;

use super::{local, script};

/// The provisioner `shell-local`.
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
impl Provisioner for ShellLocal {
    fn check(&self, options: &Value) -> Vec<Problem> {
        script::check(&Options::new("provisioner `shell-local`", options))
    }

    fn summary(&self, options: &Value) -> String {
        script::summary(&Options::new("provisioner `shell-local`", options))
    }

    async fn run(
        &self,
        cx: &Context,
        options: &Value,
        machine: Option<&dyn Machine>,
    ) -> Result<()> {
        let _ = machine;
        local::run(cx, options, &self.permits).await
    }
}
