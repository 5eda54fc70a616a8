//! Data sources: what is looked up before a plan is made.

use imgc_compiler::value::Value;

use crate::builder::Problem;

/// Looks something up.
pub trait DataSource: Send + Sync {
    /// Looks at the options without touching the outside; parts may be unknown.
    fn check(&self, options: &Value) -> Vec<Problem> {
        let _ = options;
        Vec::new()
    }

    /// Looks it up: an object with the outputs its schema names. It waits for the answer, within limits of its own, and
    /// changes nothing.
    fn read(&self, options: &Value) -> Result<Value, Problem>;
}
