//! Provisioner `breakpoint`: waits until the user wants to go on.
//!
//! That is told by Enter on the terminal, or by `imgc release`; without a terminal, where Packer fails, only by that.

use std::sync::Arc;

use async_trait::async_trait;
use imgc_compiler::value::Value;

use crate::context::Context;
use crate::duration::short;
use crate::error::{Class, Error, Result};
use crate::hold::HOLD;
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

impl Breakpoint {
    fn message(options: &Options) -> Result<String> {
        Ok(match options.string("note")? {
            Some(note) => format!("Pausing at breakpoint: {note}"),
            None => "Pausing at breakpoint".into(),
        })
    }

    fn options(options: &Value) -> Options<'_> {
        Options::new("provisioner `breakpoint`", options)
    }
}

#[async_trait]
impl Provisioner for Breakpoint {
    fn waits(&self, options: &Value) -> Option<String> {
        let options = Self::options(options);
        match options.bool("disable") {
            Ok(false) => Self::message(&options).ok(),
            _ => None,
        }
    }

    async fn run(
        &self,
        cx: &Context,
        options: &Value,
        _machine: Option<&dyn Machine>,
    ) -> Result<()> {
        let options = Self::options(options);
        if options.bool("disable")? {
            cx.output.say(match options.string("note")? {
                Some(note) => format!("Breakpoint \"{note}\" is disabled: going on"),
                None => "Breakpoint is disabled: going on".into(),
            });
            return Ok(());
        }
        let message = Self::message(&options)?;
        cx.output.say(&message);
        let _waiting = cx.waiting("somebody who lets the breakpoint go");
        if let Some(ask) = &self.ask {
            ask.pause(cx.output.name(), &cx.output.redact(&message))
                .await;
            return Ok(());
        }
        tokio::time::sleep(HOLD).await;
        let limit = short(HOLD);
        let message = format!("there is no terminal, and nobody let the breakpoint go in {limit}");
        Err(Error::new(Class::Timeout, "run/timeout", message).help(
            "call `imgc release` while it waits, run it in a terminal, or set `disable = true`",
        ))
    }
}
