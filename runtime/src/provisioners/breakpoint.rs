//! Provisioner `breakpoint`: waits until the user wants to go on.

use std::sync::Arc;

use async_trait::async_trait;
use imgc_compiler::value::Value;

use crate::context::Context;
use crate::error::Result;
use crate::machine::Machine;
use crate::options::Options;
use crate::provisioner::Provisioner;
use crate::settings::Ask;

/// The provisioner `breakpoint`.
#[derive(Clone, Default)]
pub struct Breakpoint {
    ask: Option<Arc<dyn Ask>>,
}

impl Breakpoint {
    /// One that has somebody to wait for.
    pub fn new(ask: Arc<dyn Ask>) -> Self {
        Self { ask: Some(ask) }
    }
}

#[async_trait]
impl Provisioner for Breakpoint {
    async fn run(
        &self,
        cx: &Context,
        options: &Value,
        machine: Option<&dyn Machine>,
    ) -> Result<()> {
        let _ = machine;
        let options = Options::new("provisioner `breakpoint`", options);
        let note = options.string("note")?;
        if options.bool("disable")? {
            cx.output.say(match note {
                Some(note) => format!("Breakpoint \"{note}\" is disabled: going on"),
                None => "Breakpoint is disabled: going on".into(),
            });
            return Ok(());
        }
        let message = match note {
            Some(note) => format!("Pausing at breakpoint: {note}"),
            None => "Pausing at breakpoint".into(),
        };
        cx.output.say(&message);
        match &self.ask {
            Some(ask) => {
                ask.pause(cx.output.name(), &cx.output.redact(&message))
                    .await
            }
            None => cx.output.warn("nobody is there to go on: not waiting"),
        }
        Ok(())
    }
}
