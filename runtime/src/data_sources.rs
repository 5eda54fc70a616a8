//! The data sources of this crate.

use imgc_compiler::value::Value;

use crate::builder::Problem;
use crate::data_source::DataSource;

/// `null`: gives back what it is given, as Packer's does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Null;

impl DataSource for Null {
    fn read(&self, options: &Value) -> Result<Value, Problem> {
        let input = options
            .get("input")
            .cloned()
            .unwrap_or_else(|| Value::string(""));
        Ok(Value::object([("output", input)]))
    }
}
