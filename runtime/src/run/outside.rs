//! What a build takes from outside, looked at again before a machine is made of it.

use std::sync::Arc;

use imgc_compiler::plan::StepKind;
use imgc_compiler::value::Value;

use super::build::Work;
use super::lock;
use crate::builder::{Builder, Known, Pin};
use crate::context::Context;
use crate::error::{Class, Error, Result};
use crate::pins::{drift, told};

impl Work<'_> {
    /// Before a machine is made anew: what was only known from before is looked at again, since the machine gets what is
    /// there now. Where it has moved the fingerprints do too, and the context's with them.
    pub(super) async fn looked_again(
        &self,
        cx: &Context,
        builder: &dyn Builder,
        source: &Value,
    ) -> Result<Context> {
        let known = &self.run.settings.known;
        let pins = lock(&self.data).pins.clone();
        let is_old = |pin: &Pin| !pin.is_local() && !known.fresh.contains(&pin.name);
        if !pins
            .iter()
            .any(|pin| is_old(pin) && known.pins.contains_key(&pin.name))
        {
            return Ok(cx.clone());
        }
        let refresh = Known {
            refresh: true,
            ..known.of(self.build).into_owned()
        };
        let found = builder.pins(cx, source, &refresh).await?;
        let before = Known {
            pins: pins
                .into_iter()
                .map(|pin| (pin.name.clone(), pin))
                .collect(),
            ..Known::default()
        };
        let moved = drift(&before, &found);
        if moved.is_empty() {
            return Ok(cx.clone());
        }
        let told: Vec<String> = moved.iter().map(told).collect();
        if self.run.settings.locked {
            return Err(Error::new(
                Class::Environment,
                super::result::DRIFT,
                format!(
                    "what is to be taken from outside has moved away from the lock file: {}",
                    told.join("; ")
                ),
            )
            .help("`imgc update` takes what is there now; without `-locked` this run would"));
        }
        for line in told {
            self.output
                .warn(format!("moved since it was pinned: {line}"));
        }
        lock(&self.run.moved).extend(moved.into_iter().map(|drift| drift.new));
        let mut now = known.clone();
        let found = found.into_iter().filter(|pin| !pin.is_local());
        now.pins.extend(found.map(|pin| (pin.name.clone(), pin)));
        lock(&self.data).known = Some(Arc::new(now));
        let mut cx = cx.clone();
        if let Some(known) = self.foresight() {
            self.chain_again(&known).await?;
            if let Some(launch) = self.step_of(&StepKind::Launch) {
                self.checkpointed(self.run.plan.step(launch), &mut cx);
            }
        }
        Ok(cx)
    }
}
