//! Ctrl-C and SIGTERM: the first stops and cleans up, the second leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use imgc_runtime::cancel::Cancel;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::failure::{Failure, reason};

/// Which kind of request came first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    terminated: Arc<AtomicBool>,
}

impl Asked {
    /// The exit code for a run that was stopped.
    pub(crate) fn exit(&self) -> Exit {
        match self.terminated.load(Ordering::Relaxed) {
            true => Exit::Terminated,
            false => Exit::Interrupted,
        }
    }
}

/// Listens from now on, for as long as the runtime lives; `say` shows a line.
pub(crate) fn listen(
    cancel: Cancel,
    say: impl Fn(&str) + Send + 'static,
) -> Result<Asked, Failure> {
    let open = |kind| -> Result<Signal, Failure> {
        signal(kind).map_err(|error| {
            let text = format!("cannot listen to signals: {}", reason(&error));
            Failure::new(Exit::Environment, text)
        })
    };
    let mut interrupt = open(SignalKind::interrupt())?;
    let mut terminate = open(SignalKind::terminate())?;
    let asked = Asked::default();
    let terminated = asked.terminated.clone();
    tokio::spawn(async move {
        let mut count = 0;
        loop {
            let by_terminate = tokio::select! {
                _ = interrupt.recv() => false,
                _ = terminate.recv() => true,
            };
            count += 1;
            match count {
                1 => {
                    terminated.store(by_terminate, Ordering::Relaxed);
                    say("Stopping: the work ends and is cleaned up. Once more to leave at once.");
                }
                2 => say("Leaving at once."),
                _ => {}
            }
            cancel.signal();
        }
    });
    Ok(asked)
}
