//! Ctrl-C, SIGTERM and SIGHUP: the first stops and cleans up, the second leaves.
//!
//! Some send one request twice: timeout(1) signals its child and then its whole group. So what follows within a second is the
//! same request.
//!
//! A terminal that is closed sends SIGHUP, often twice: by itself, and by its shell. So SIGHUP stops and never leaves; where it was
//! ignored when the process began (`nohup`) it stays ignored.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use imgc_runtime::cancel::Cancel;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::failure::{Failure, reason};

/// How long after the first request another one is taken for the same.
const ONE_REQUEST: Duration = Duration::from_secs(1);

const BY_INTERRUPT: u8 = 0;
const BY_TERMINATE: u8 = 1;
const BY_HANGUP: u8 = 2;

/// Which kind of request came first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    by: Arc<AtomicU8>,
}

impl Asked {
    /// The exit code for a run that was stopped.
    pub(crate) fn exit(&self) -> Exit {
        match self.by.load(Ordering::Relaxed) {
            BY_TERMINATE => Exit::Terminated,
            BY_HANGUP => Exit::HungUp,
            _ => Exit::Interrupted,
        }
    }

    /// Whether the terminal is gone, and with it whoever could read.
    pub(crate) fn nobody_reads(&self) -> bool {
        self.by.load(Ordering::Relaxed) == BY_HANGUP
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
    let mut hangup = match is_ignored(SignalKind::hangup()) {
        true => None,
        false => Some(open(SignalKind::hangup())?),
    };
    let asked = Asked::default();
    let first = asked.by.clone();
    tokio::spawn(async move {
        let mut count = 0;
        let mut since = Instant::now();
        loop {
            let by = tokio::select! {
                _ = interrupt.recv() => BY_INTERRUPT,
                _ = terminate.recv() => BY_TERMINATE,
                () = received(&mut hangup) => BY_HANGUP,
            };
            if count > 0 && by == BY_HANGUP || count == 1 && since.elapsed() < ONE_REQUEST {
                continue;
            }
            count += 1;
            match count {
                1 => {
                    since = Instant::now();
                    first.store(by, Ordering::Relaxed);
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

/// Waits for a signal; for ever, where nobody listens to it.
async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Whether this process ignores a signal.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    mask.unwrap_or(0) >> (kind.as_raw_value() - 1) & 1 == 1
}
