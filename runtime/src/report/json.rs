//! Events as JSON, one object per line.
//!
//! The first line is `{"format":"imgc.events","version":1}`. Every further line is an [`Event`] as serde writes it, with
//! two members before its own: `time` (RFC 3339, UTC, milliseconds) and `event` (its name, such as `step_started`).
//! Steps and builds are numbers, positions in the plan that `imgc plan --json` prints; durations are seconds with a
//! fraction. New events and new members may come within a version; what is there keeps its meaning.

use std::io::Write;
use std::sync::Mutex;

use crate::event::{Event, Sink};

use super::{Clock, lock};

/// Of the format described in this module.
pub const VERSION: u32 = 1;

/// Writes events as JSON lines.
pub struct Json<W> {
    writer: Mutex<W>,
    clock: Clock,
}

impl<W: Write + Send> Json<W> {
    /// Into a writer; the format's line is written at once.
    pub fn new(mut writer: W, clock: Clock) -> Self {
        let _ = writeln!(
            writer,
            "{{\"format\":\"imgc.events\",\"version\":{VERSION}}}"
        );
        Self {
            writer: Mutex::new(writer),
            clock,
        }
    }

    /// Gives the writer back.
    pub fn into_inner(self) -> W {
        self.writer
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<W: Write + Send> Sink for Json<W> {
    fn event(&self, event: &Event) {
        let time = jiff::Timestamp::try_from((self.clock)())
            .map(|time| time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
            .unwrap_or_default();
        let mut object = serde_json::Map::new();
        object.insert("time".into(), time.into());
        // Paths that are not Unicode cannot be written; the event is then left out rather than the run ended.
        if let Ok(serde_json::Value::Object(members)) = serde_json::to_value(event) {
            object.extend(members);
        }
        let mut line = serde_json::Value::Object(object).to_string();
        line.push('\n');
        let mut writer = lock(&self.writer);
        let _ = writer
            .write_all(line.as_bytes())
            .and_then(|()| writer.flush());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::testing::{fixed_clock, sample_events};

    #[test]
    fn one_object_per_line() {
        let fold = Json::new(Vec::new(), fixed_clock());
        for event in sample_events() {
            fold.event(&event);
        }
        insta::assert_snapshot!(String::from_utf8(fold.into_inner()).unwrap(), @"");
    }
}
