//! Packer's `-machine-readable` lines: `timestamp,target,type,data…`.
//!
//! Commas in data are written `%!(PACKER_COMMA)`, line ends `\n`, carriage returns `\r`.

use std::io::Write;
use std::sync::Mutex;

use imgc_compiler::plan::BuildId;

use crate::artifact::Artifact;
use crate::duration::words;
use crate::event::{Event, Level, Sink};

use super::{Clock, lock, unix_seconds};

/// Writes Packer's machine-readable lines.
pub struct MachineReadable<W> {
    writer: Mutex<W>,
    clock: Clock,
    ends: Mutex<Vec<End>>,
}

struct End {
    id: BuildId,
    name: String,
    error: Option<String>,
    help: Option<String>,
    artifacts: Vec<Artifact>,
}

impl<W: Write + Send> MachineReadable<W> {
    /// Into a writer.
    pub fn new(writer: W, clock: Clock) -> Self {
        Self {
            writer: Mutex::new(writer),
            clock,
            ends: Mutex::default(),
        }
    }

    /// Gives the writer back.
    pub fn into_inner(self) -> W {
        self.writer
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self, target: &str, kind: &str, data: &[&str]) {
        let mut line = format!("{},{},{kind}", unix_seconds((self.clock)()), escape(target));
        for part in data {
            line.push(',');
            line.push_str(&escape(part));
        }
        line.push('\n');
        let mut writer = lock(&self.writer);
        let _ = writer
            .write_all(line.as_bytes())
            .and_then(|()| writer.flush());
    }

    fn ui(&self, kind: &str, text: &str) {
        self.write("", "ui", &[kind, text]);
    }

    fn artifacts(&self, name: &str, artifacts: &[Artifact]) {
        if artifacts.is_empty() {
            return;
        }
        self.write(name, "artifact-count", &[&artifacts.len().to_string()]);
        for (at, artifact) in artifacts.iter().enumerate() {
            let at = at.to_string();
            let fact = |kind: &str, value: &str| {
                self.write(name, "artifact", &[&at, kind, value]);
            };
            fact("builder-id", &artifact.builder_id);
            fact("id", &artifact.id);
            fact("string", &artifact.description);
            fact("files-count", &artifact.files.len().to_string());
            for (number, file) in artifact.files.iter().enumerate() {
                let (number, file) = (number.to_string(), file.display().to_string());
                self.write(name, "artifact", &[&at, "file", &number, &file]);
            }
            self.write(name, "artifact", &[&at, "end"]);
            self.ui("say", &format!("--> {name}: {}", artifact.description));
        }
    }

    fn end(&self) {
        let mut ends = std::mem::take(&mut *lock(&self.ends));
        ends.sort_by_key(|end| end.id);
        let failed = ends.iter().filter(|end| end.error.is_some()).count();
        if failed > 0 {
            self.write("", "error-count", &[&failed.to_string()]);
            self.ui(
                "error",
                "\n==> Some builds didn't complete successfully and had errors:",
            );
            for end in &ends {
                if let Some(error) = &end.error {
                    self.write(&end.name, "error", &[error]);
                    self.ui("error", &format!("--> {}: {error}", end.name));
                    for line in end.help.iter().flat_map(|help| help.lines()) {
                        self.ui("error", &format!("    help: {line}"));
                    }
                }
            }
        }
        if ends.iter().all(|end| end.artifacts.is_empty()) {
            self.ui(
                "say",
                "\n==> Builds finished but no artifacts were created.",
            );
            return;
        }
        self.ui(
            "say",
            "\n==> Builds finished. The artifacts of successful builds are:",
        );
        for end in &ends {
            self.artifacts(&end.name, &end.artifacts);
        }
    }
}

fn escape(text: &str) -> String {
    text.replace(',', "%!(PACKER_COMMA)")
        .replace('\r', "\\r")
        .replace('\n', "\\n")
}

impl<W: Write + Send> Sink for MachineReadable<W> {
    fn event(&self, event: &Event) {
        match event {
            Event::Line {
                name, level, text, ..
            } => {
                let (kind, mark) = match level {
                    Level::Say => ("say", "==> "),
                    Level::Detail | Level::Stdout => ("message", "    "),
                    Level::Stderr | Level::Warning | Level::Error => ("error", "==> "),
                };
                let text = match name.as_str() {
                    "" => format!("{mark}{text}"),
                    name => format!("{mark}{name}: {text}"),
                };
                self.ui(kind, &text);
            }
            Event::StepWaiting { name, text, .. } => {
                self.ui("message", &format!("    {name}: {text}"));
            }
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
                    None => self.ui("say", &format!("Build '{name}' finished after {took}.")),
                    Some(error) => {
                        self.ui(
                            "error",
                            &format!("Build '{name}' errored after {took}: {error}"),
                        );
                        for line in help.iter().flat_map(|help| help.lines()) {
                            self.ui("error", &format!("==> {name}: help: {line}"));
                        }
                    }
                }
                lock(&self.ends).push(End {
                    id: *build,
                    name: name.clone(),
                    error: error.clone(),
                    help: help.clone(),
                    artifacts: artifacts.clone(),
                });
            }
            Event::Output { name, value, .. } => {
                let value = value.as_ref().map(ToString::to_string);
                self.write("", "output", &[name, value.as_deref().unwrap_or_default()]);
            }
            Event::RunFinished { took, .. } => {
                self.ui(
                    "say",
                    &format!("\n==> Wait completed after {}", words(*took)),
                );
                self.end();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::testing::{fixed_clock, sample_events};

    #[test]
    fn what_is_handed_on_is_counted_again() {
        let artifact = Artifact {
            id: "us-east-1:ami-1".into(),
            description: "AMIs were created:\nus-east-1: ami-1\n".into(),
            ..Artifact::default()
        };
        let fold = MachineReadable::new(Vec::new(), fixed_clock());
        fold.event(&Event::BuildFinished {
            build: BuildId(0),
            name: "web".into(),
            artifacts: vec![artifact.clone(), artifact],
            error: None,
            help: None,
            took: std::time::Duration::ZERO,
        });
        fold.end();
        let text = String::from_utf8(fold.into_inner()).unwrap();
        for line in [
            "1700000000,web,artifact-count,2\n",
            "1700000000,web,artifact,0,string,AMIs were created:\\nus-east-1: ami-1\\n\n",
            "1700000000,web,artifact,1,id,us-east-1:ami-1\n",
            "1700000000,,ui,say,--> web: AMIs were created:\\nus-east-1: ami-1\\n\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }

    #[test]
    fn the_shape_of_packers_lines() {
        let fold = MachineReadable::new(Vec::new(), fixed_clock());
        for event in sample_events() {
            fold.event(&event);
        }
        insta::assert_snapshot!(String::from_utf8(fold.into_inner()).unwrap(), @r#"
        1700000000,,ui,say,==> null.a: Provisioning with shell script: inline
        1700000000,,ui,message,    null.a: hello%!(PACKER_COMMA) world
        1700000000,,ui,error,==> file.b: oops
        1700000000,,ui,error,==> file.b: odd
        1700000000,,ui,error,Build 'file.b' errored after 21 milliseconds: the script `inline` ended with exit code 3; allowed: 0
        1700000000,,ui,error,==> file.b: help: see the output above
        1700000000,,ui,say,Build 'null.a' finished after 1 second 234 milliseconds.
        1700000000,,ui,say,\n==> Wait completed after 1 second 300 milliseconds
        1700000000,,error-count,1
        1700000000,,ui,error,\n==> Some builds didn't complete successfully and had errors:
        1700000000,file.b,error,the script `inline` ended with exit code 3; allowed: 0
        1700000000,,ui,error,--> file.b: the script `inline` ended with exit code 3; allowed: 0
        1700000000,,ui,error,    help: see the output above
        1700000000,,ui,say,\n==> Builds finished. The artifacts of successful builds are:
        1700000000,null.a,artifact-count,1
        1700000000,null.a,artifact,0,builder-id,packer.file
        1700000000,null.a,artifact,0,id,File
        1700000000,null.a,artifact,0,string,Stored file: out%!(PACKER_COMMA) put.txt
        1700000000,null.a,artifact,0,files-count,1
        1700000000,null.a,artifact,0,file,0,out%!(PACKER_COMMA) put.txt
        1700000000,null.a,artifact,0,end
        1700000000,,ui,say,--> null.a: Stored file: out%!(PACKER_COMMA) put.txt
        "#);
    }
}
