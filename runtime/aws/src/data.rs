//! Data sources: what is looked up before a plan is made. Options and outputs are those of Packer's Amazon plugin.

mod ami;
mod parameterstore;
mod secretsmanager;

pub use ami::Ami;
pub use parameterstore::ParameterStore;
pub use secretsmanager::SecretsManager;

use imgc_compiler::types::Type;
use imgc_compiler::value::Value;
use imgc_runtime::builder::Problem;
use imgc_runtime::error::{Error, Result};

use crate::client;

/// Asks, and gives a failure as a problem of the data source.
///
/// Each question has clients of its own: their connections end with the thread that asks.
fn asked(question: impl Future<Output = Result<Value>> + Send) -> Result<Value, Problem> {
    let said = |error: Error| Problem {
        option: None,
        message: error.chain(),
        help: error.help.clone(),
    };
    match client::wait(question) {
        Ok(answer) => answer.map_err(said),
        Err(message) => Err(Problem {
            option: None,
            message,
            help: None,
        }),
    }
}

/// A text, or null where there is none.
fn text(value: Option<&str>) -> Value {
    value.map_or_else(|| Value::null(Type::String), Value::string)
}
