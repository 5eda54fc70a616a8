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

    /// What somebody is waited for; `None` where the work needs nobody. While such a provisioner runs its machine can be
    /// entered as one that is held, and `imgc release` ends it as done.
    fn waits(&self, options: &Value) -> Option<String> {
        let _ = options;
        None
    }

    /// Does the work. `machine` is `None` where the communicator is `none`.
    async fn run(&self, cx: &Context, options: &Value, machine: Option<&dyn Machine>)
    -> Result<()>;
}
