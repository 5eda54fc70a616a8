//! Provisioner `sleep`: waits.

use async_trait::async_trait;
use imgc_compiler::value::Value;

use crate::builder::Problem;
use crate::context::Context;
use crate::error::Result;
use crate::machine::Machine;
use crate::options::Options;
use crate::provisioner::Provisioner;

/// The provisioner `sleep`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sleep;

const NAME: &str = "provisioner `sleep`";

#[async_trait]
impl Provisioner for Sleep {
    fn check(&self, options: &Value) -> Vec<Problem> {
        let options = Options::new(NAME, options);
        if options.is_unknown("duration") {
            return Vec::new();
        }
        match options.duration("duration") {
            Ok(_) => Vec::new(),
            Err(error) => vec![Problem::new(error.message).of("duration")],
        }
    }

    fn summary(&self, options: &Value) -> String {
        let duration = Options::new(NAME, options).string("duration");
        format!("sleep {}", duration.ok().flatten().unwrap_or_default())
    }

    async fn run(
        &self,
        cx: &Context,
        options: &Value,
        machine: Option<&dyn Machine>,
    ) -> Result<()> {
        let (_, _) = (cx, machine);
        let duration = Options::new(NAME, options).duration("duration")?;
        tokio::time::sleep(duration.unwrap_or_default()).await;
        Ok(())
    }
}
