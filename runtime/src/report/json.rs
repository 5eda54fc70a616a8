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
        insta::assert_snapshot!(String::from_utf8(fold.into_inner()).unwrap(), @r#"
        {"format":"imgc.events","version":1}
        {"time":"2023-11-14T22:13:20.000Z","event":"run_started","run":"11111111-2222-4333-8444-555555555555"}
        {"time":"2023-11-14T22:13:20.000Z","event":"step_started","step":0,"address":"build.null.a.provisioner[0]","attempt":1}
        {"time":"2023-11-14T22:13:20.000Z","event":"line","build":0,"name":"null.a","level":"say","text":"Provisioning with shell script: inline"}
        {"time":"2023-11-14T22:13:20.000Z","event":"line","build":0,"name":"null.a","level":"stdout","text":"hello, world"}
        {"time":"2023-11-14T22:13:20.000Z","event":"line","build":1,"name":"file.b","level":"stderr","text":"oops"}
        {"time":"2023-11-14T22:13:20.000Z","event":"line","build":1,"name":"file.b","level":"warning","text":"odd"}
        {"time":"2023-11-14T22:13:20.000Z","event":"progress","build":0,"what":"uploading","done":5,"total":10}
        {"time":"2023-11-14T22:13:20.000Z","event":"step_finished","step":0,"address":"build.null.a.provisioner[0]","took":1.5}
        {"time":"2023-11-14T22:13:20.000Z","event":"step_failed","step":1,"address":"build.file.b.provisioner[0]","id":"run/exit-code","message":"the script `inline` ended with exit code 3; allowed: 0","help":"see the output above","took":0.02,"retry_in":null}
        {"time":"2023-11-14T22:13:20.000Z","event":"step_skipped","step":2,"address":"build.file.b.capture","reason":"`build.file.b.provisioner[0]` has not been done"}
        {"time":"2023-11-14T22:13:20.000Z","event":"build_finished","build":1,"name":"file.b","artifacts":[],"error":"the script `inline` ended with exit code 3; allowed: 0","help":"see the output above","took":0.021}
        {"time":"2023-11-14T22:13:20.000Z","event":"build_finished","build":0,"name":"null.a","artifacts":[{"builder_id":"packer.file","id":"File","files":["out, put.txt"],"description":"Stored file: out, put.txt","metadata":{}}],"error":null,"took":1.234567}
        {"time":"2023-11-14T22:13:20.000Z","event":"run_finished","succeeded":1,"failed":1,"cancelled":0,"interrupted":false,"left":0,"took":1.3}
        "#);
    }
}
