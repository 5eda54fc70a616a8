//! Shells that people have had on a build's machine (`imgc attach`, also at a breakpoint).
//!
//! What they have typed is part of what is made from then on and nobody knows it, so no fingerprint stands for it: the
//! image is finished like any other, and no later run takes it, or a step done since, for one of its own.

use super::build::Work;
use super::lock;
use crate::error::Result;
use crate::reuse::Foresight;

impl Work<'_> {
    /// Whether somebody has had a shell on the machine, as far as that has been looked at.
    pub(super) fn was_entered(&self) -> bool {
        lock(&self.data).entered
    }

    /// Looks whether somebody has had a shell on the machine by now. Whoever comes in records it before, so what is not
    /// seen here has not touched what is there now.
    pub(super) async fn look_for_shells(&self) -> Result<()> {
        if self.run.settings.new_run.is_none() || self.was_entered() {
            return Ok(());
        }
        let state = &self.run.settings.state;
        if state.entered(&self.run.run_id, &self.build.address).await? {
            self.entered_since(None);
        }
        Ok(())
    }

    /// The machine that is gone on with is one that somebody had a shell on.
    pub(super) fn inherit_shells(&self, foresight: &Foresight) {
        if let Some(run) = &foresight.entered {
            self.entered_since(Some(run));
        }
    }

    fn entered_since(&self, earlier: Option<&str>) {
        lock(&self.data).entered = true;
        let when = match earlier {
            Some(run) => format!(" in run {}", super::reused::short(run)),
            None => String::new(),
        };
        self.output.warn(format!(
            "somebody had a shell on this machine{when}: what is made of it from here on is not used again by later runs"
        ));
    }
}
