//! What people and programs read of a run: folds over the stream of events.
//!
//! In: [`Event`]s. Out: text, into any [`std::io::Write`]. A fold is a [`Sink`]; several are joined by [`Tee`]. Progress
//! bars are the command line's own.
//!
//! | fold | shape |
//! |---|---|
//! | [`Plain`] | Packer's log |
//! | [`MachineReadable`] | Packer's `-machine-readable` |
//! | [`Json`] | one object per line, `docs` in [`json`] |
//! | [`LogFiles`] | Packer's log, one file per build |
//! | [`Trace`] | Chrome's trace events |
//! | [`times`] | the table of step times |

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::event::{Event, Sink};

pub mod json;
mod log_files;
mod machine_readable;
mod plain;
pub mod times;
mod trace;

pub use json::Json;
pub use log_files::LogFiles;
pub use machine_readable::MachineReadable;
pub use plain::{Plain, Style};
pub use trace::Trace;

/// Where folds take the time from.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The clock of this machine.
pub fn wall_clock() -> Clock {
    Arc::new(SystemTime::now)
}

/// RFC 3339 in UTC with whole seconds, as `-timestamp-ui` shows it.
fn rfc3339(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time)
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        .unwrap_or_default()
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Hands every event to several sinks, in order.
pub struct Tee {
    sinks: Vec<Arc<dyn Sink>>,
}

impl Tee {
    /// A sink made of others.
    pub fn new(sinks: Vec<Arc<dyn Sink>>) -> Self {
        Self { sinks }
    }
}

impl Sink for Tee {
    fn event(&self, event: &Event) {
        for sink in &self.sinks {
            sink.event(event);
        }
    }
}

/// Keeps all events, for tests and for reports made at the end.
#[derive(Default)]
pub struct Recorder {
    events: Mutex<Vec<Event>>,
}

impl Recorder {
    /// The events so far.
    pub fn events(&self) -> Vec<Event> {
        lock(&self.events).clone()
    }
}

impl Sink for Recorder {
    fn event(&self, event: &Event) {
        lock(&self.events).push(event.clone());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
