//! Provisioners: what is done to a machine.

use async_trait::async_trait;
use imgc_compiler::value::Value;

use crate::builder::Problem;
use crate::context::Context;
use crate::error::Result;
use crate::machine::Machine;

/// Acts on a machine, only through [`Machine`].
#[async_trait]
pub trait Provisioner: Send + Sync {
    /// Looks at the options without touching the outside.
    fn check(&self, options: &Value) -> Vec<Problem> {
        let _ = options;
        Vec::new()
    }

    /// A short text for a history: the first command, the file's name. Without secrets.
    fn summary(&self, options: &Value) -> String {
        let _ = options;
        String::new()
    }

    /// Does the work. `machine` is `None` where the communicator is `none`.
    async fn run(&self, cx: &Context, options: &Value, machine: Option<&dyn Machine>)
    -> Result<()>;
}
