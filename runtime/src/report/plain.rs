//! Packer's plain log.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::Mutex;

use imgc_compiler::plan::{BuildId, Plan};

use crate::artifact::Artifact;
use crate::duration::words;
use crate::event::{Event, Level, Sink};

use super::{Clock, lock, rfc3339};

/// Green, cyan, magenta, yellow, blue: the order in which builds get their colours.
const COLORS: [u8; 5] = [32, 36, 35, 33, 34];
const RED: u8 = 31;
const YELLOW: u8 = 33;

/// How the log looks.
#[derive(Clone, Default)]
pub struct Style {
    /// A colour per build.
    pub color: bool,
    /// `-timestamp-ui`: each line begins with the time.
    pub timestamps: Option<Clock>,
}

/// Writes Packer's log.
pub struct Plain<W> {
    writer: Mutex<W>,
    style: Style,
    end: Mutex<Ends>,
    closes: bool,
}

#[derive(Default)]
struct Ends {
    /// With the error, and the way out.
    failed: Vec<(BuildId, String, String, Option<String>)>,
    artifacts: Vec<(BuildId, String, Vec<Artifact>)>,
}

impl<W: Write + Send> Plain<W> {
    /// Into a writer.
    pub fn new(writer: W, style: Style) -> Self {
        Self {
            writer: Mutex::new(writer),
            style,
            end: Mutex::default(),
            closes: true,
        }
    }

    /// Leaves the artifacts to [`close`](Self::close): for whoever says something else when a run has ended. They stay last, where
    /// scripts look for them.
    #[must_use]
    pub fn open_ended(self) -> Self {
        Self {
            closes: false,
            ..self
        }
    }

    /// Shows which build has which colour, before the run; nothing without colours.
    pub fn legend(&self, plan: &Plan) {
        if !self.style.color {
            return;
        }
        for (at, build) in plan.builds.iter().enumerate() {
            let id = BuildId(at as u32);
            let text = format!("{}: output will be in this color.", build.name);
            self.write(&text, Some((color(id), true)));
        }
        self.write("", None);
    }

    /// Gives the writer back.
    pub fn into_inner(self) -> W {
        self.writer
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// One line; a failing writer (a closed pipe) does not end the run.
    fn write(&self, text: &str, look: Option<(u8, bool)>) {
        let mut line = String::with_capacity(text.len() + 32);
        if let Some(clock) = &self.style.timestamps {
            line.push_str(&rfc3339(clock()));
            line.push_str(": ");
        }
        match look.filter(|_| self.style.color) {
            Some((color, bold)) => {
                let _ = write!(line, "\x1b[{};{color}m{text}\x1b[0m", u8::from(bold));
            }
            None => line.push_str(text),
        }
        line.push('\n');
        let mut writer = lock(&self.writer);
        let _ = writer
            .write_all(line.as_bytes())
            .and_then(|()| writer.flush());
    }

    fn line(&self, build: Option<BuildId>, name: &str, level: Level, text: &str) {
        let (mark, bold) = match level {
            Level::Say | Level::Stderr | Level::Warning | Level::Error => ("==> ", true),
            Level::Detail | Level::Stdout => ("    ", false),
        };
        let hue = match level {
            Level::Stderr | Level::Error => Some(RED),
            Level::Warning => Some(YELLOW),
            _ => build.map(color),
        };
        let word = match level {
            Level::Warning => "Warning: ",
            Level::Error => "Error: ",
            _ => "",
        };
        let text = match name {
            "" => format!("{mark}{word}{text}"),
            name => format!("{mark}{name}: {word}{text}"),
        };
        self.write(text.trim_end(), hue.map(|hue| (hue, bold)));
    }

    fn end(&self, took: std::time::Duration, cleanly_cancelled: bool) {
        let failed = std::mem::take(&mut lock(&self.end).failed);
        self.write("", None);
        self.write(&format!("==> Wait completed after {}", words(took)), None);
        if cleanly_cancelled {
            self.write("", None);
            self.write("Cleanly cancelled builds after being interrupted.", None);
        }
        if !failed.is_empty() {
            self.write("", None);
            let title = "==> Some builds didn't complete successfully and had errors:";
            self.write(title, Some((RED, true)));
            for (_, name, error, help) in &failed {
                self.write(&format!("--> {name}: {error}"), Some((RED, true)));
                for line in help.iter().flat_map(|help| help.lines()) {
                    self.write(&format!("    help: {line}"), Some((YELLOW, false)));
                }
            }
        }
        if self.closes {
            self.close();
        }
    }

    /// The artifacts of the run that has ended.
    pub fn close(&self) {
        let ends = std::mem::take(&mut *lock(&self.end));
        self.write("", None);
        if ends.artifacts.iter().all(|(_, _, list)| list.is_empty()) {
            self.write("==> Builds finished but no artifacts were created.", None);
            return;
        }
        self.write(
            "==> Builds finished. The artifacts of successful builds are:",
            None,
        );
        for (id, name, artifacts) in &ends.artifacts {
            for artifact in artifacts {
                let text = match artifact.description.as_str() {
                    "" => "<nothing>",
                    text => text,
                };
                // Where it ends in a line end there is an empty line after it, as in Packer: scripts count lines from the end.
                for line in format!("--> {name}: {text}").split('\n') {
                    let look = (!line.is_empty()).then_some((color(*id), false));
                    self.write(line, look);
                }
            }
        }
    }
}

fn color(build: BuildId) -> u8 {
    COLORS[build.0 as usize % COLORS.len()]
}

impl<W: Write + Send> Sink for Plain<W> {
    fn event(&self, event: &Event) {
        match event {
            Event::Line {
                build,
                name,
                level,
                text,
            } => self.line(*build, name, *level, text),
            Event::StepWaiting {
                build, name, text, ..
            } => self.line(Some(*build), name, Level::Detail, text),
            Event::BuildFinished {
                build,
                name,
                artifacts,
                error,
                help,
                took,
            } => {
                let took = words(*took);
                match error {
                    None => self.write(
                        &format!("Build '{name}' finished after {took}."),
                        Some((color(*build), true)),
                    ),
                    Some(error) => {
                        self.write(
                            &format!("Build '{name}' errored after {took}: {error}"),
                            Some((RED, true)),
                        );
                        for line in help.iter().flat_map(|help| help.lines()) {
                            self.write(&format!("==> {name}: help: {line}"), Some((YELLOW, false)));
                        }
                    }
                }
                let mut end = lock(&self.end);
                if let Some(error) = error {
                    let failed = (*build, name.clone(), error.clone(), help.clone());
                    end.failed.push(failed);
                }
                end.artifacts
                    .push((*build, name.clone(), artifacts.clone()));
            }
            Event::RunFinished {
                took,
                interrupted,
                left,
                ..
            } => {
                {
                    let mut end = lock(&self.end);
                    end.failed.sort();
                    end.artifacts.sort_by_key(|(id, _, _)| *id);
                }
                self.end(*took, *interrupted && *left == 0);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::testing::sample_events;

    fn shown(style: Style) -> String {
        let plain = Plain::new(Vec::new(), style);
        for event in sample_events() {
            plain.event(&event);
        }
        String::from_utf8(plain.into_inner()).unwrap()
    }

    #[test]
    fn the_shape_of_packers_log() {
        insta::assert_snapshot!(shown(Style::default()), @r#"
        ==> null.a: Provisioning with shell script: inline
            null.a: hello, world
        ==> file.b: oops
        ==> file.b: Warning: odd
        Build 'file.b' errored after 21 milliseconds: the script `inline` ended with exit code 3; allowed: 0
        ==> file.b: help: see the output above
        Build 'null.a' finished after 1 second 234 milliseconds.

        ==> Wait completed after 1 second 300 milliseconds

        ==> Some builds didn't complete successfully and had errors:
        --> file.b: the script `inline` ended with exit code 3; allowed: 0
            help: see the output above

        ==> Builds finished. The artifacts of successful builds are:
        --> null.a: Stored file: out, put.txt
        "#);
    }

    #[test]
    fn cleanly_cancelled_is_what_somebody_stopped_and_left_nothing() {
        for (interrupted, left, cleanly) in [(true, 0, true), (true, 1, false), (false, 0, false)] {
            let plain = Plain::new(Vec::new(), Style::default());
            plain.event(&Event::RunFinished {
                succeeded: 0,
                failed: 0,
                cancelled: 1,
                interrupted,
                left,
                took: std::time::Duration::ZERO,
            });
            let shown = String::from_utf8(plain.into_inner()).unwrap();
            assert_eq!(shown.contains("Cleanly cancelled"), cleanly, "{shown}");
        }
    }

    #[test]
    fn an_artifact_that_ends_in_a_line_end_has_an_empty_line_after_it() {
        let artifact = Artifact {
            description: "AMIs were created:\nus-east-1: ami-1\n".into(),
            ..Artifact::default()
        };
        for color in [false, true] {
            let style = Style {
                color,
                timestamps: None,
            };
            let plain = Plain::new(Vec::new(), style);
            plain.event(&Event::BuildFinished {
                build: BuildId(0),
                name: "amazon-ebs.web".into(),
                artifacts: vec![artifact.clone()],
                error: None,
                help: None,
                took: std::time::Duration::ZERO,
            });
            plain.close();
            let shown = String::from_utf8(plain.into_inner()).unwrap();
            // `tail -n 2 | head -n 1`
            let mut last = shown.lines().rev();
            assert_eq!(last.next(), Some(""), "{shown}");
            let line = last.next().unwrap();
            assert!(line.contains("us-east-1: ami-1"), "{shown}");
        }
    }

    #[test]
    fn with_times_and_colors() {
        let style = Style {
            color: true,
            timestamps: Some(crate::testing::fixed_clock()),
        };
        let text = shown(style);
        insta::assert_snapshot!(text.lines().take(4).collect::<Vec<_>>().join("\n").replace('\x1b', "ESC"), @r#"
        2023-11-14T22:13:20Z: ESC[1;32m==> null.a: Provisioning with shell script: inlineESC[0m
        2023-11-14T22:13:20Z: ESC[0;32m    null.a: hello, worldESC[0m
        2023-11-14T22:13:20Z: ESC[1;31m==> file.b: oopsESC[0m
        2023-11-14T22:13:20Z: ESC[1;33m==> file.b: Warning: oddESC[0m
        "#);
    }
}
