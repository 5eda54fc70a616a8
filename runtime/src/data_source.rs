//! Data sources: what is looked up before a plan is made.

use async_trait::async_trait;
use imgc_compiler::value::Value;

use crate::builder::Problem;
use crate::preview::{Right, Scope};

/// Looks something up.
#[async_trait]
pub trait DataSource: Send + Sync {
    /// Looks at the options without touching the outside; parts may be unknown.
    fn check(&self, options: &Value) -> Vec<Problem> {
        let _ = options;
        Vec::new()
    }

    /// The rights that it takes of the service it asks; parts of the options may be unknown.
    async fn rights(&self, options: &Value, scope: Scope) -> Vec<Right> {
        let _ = (options, scope);
        Vec::new()
    }

    /// Looks it up: an object with the outputs its schema names. It waits for the answer, within limits of its own, and
    /// changes nothing.
    fn read(&self, options: &Value) -> Result<Value, Problem>;
}
