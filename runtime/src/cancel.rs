//! Stopping a run from outside.
//!
//! In: signals, as the command line receives them. Out: two tokens the scheduler looks at: *stop* (end the work, clean
//! up) and *leave* (say what is left and go).

use tokio_util::sync::CancellationToken;

/// The two stages of stopping. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    stop: CancellationToken,
    leave: CancellationToken,
}

impl Cancel {
    /// Nothing asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One signal: the first asks to stop and clean up, every further one to leave at once.
    pub fn signal(&self) {
        if self.stop.is_cancelled() {
            self.leave.cancel();
        } else {
            self.stop.cancel();
        }
    }

    /// Stop and clean up.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Say what is left and go.
    pub fn leave(&self) {
        self.stop.cancel();
        self.leave.cancel();
    }

    /// Whether stopping was asked for.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Whether leaving was asked for.
    pub fn is_leaving(&self) -> bool {
        self.leave.is_cancelled()
    }

    /// The token of the first stage, for [`Context::cancel`](crate::context::Context::cancel).
    pub fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// The token of the second stage.
    pub fn leave_token(&self) -> &CancellationToken {
        &self.leave
    }
}
