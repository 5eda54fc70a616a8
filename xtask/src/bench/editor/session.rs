//! One session of an editor with the program that is measured.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use imgc_testbed::editor::Editor;
use serde_json::{Value, json};

/// An editor with one open document.
pub(super) struct Session {
    editor: Editor,
    uri: String,
    text: String,
    /// Where the document ends: what is typed stands there.
    lines: usize,
    version: i32,
}

/// A server that publishes without waiting for a quiet moment.
pub(super) fn server(imgc: &Path) -> Result<Editor> {
    let mut command = Command::new(imgc);
    command.args(["lsp", "--stdio"]).stderr(Stdio::inherit());
    Editor::start(&mut command).with_context(|| format!("cannot start {}", imgc.display()))
}

impl Session {
    /// Starts a server and opens a document; how long its first diagnostics took.
    pub(super) fn start(imgc: &Path, directory: &Path, file: &Path) -> Result<(Self, Duration)> {
        let mut editor = server(imgc)?;
        let folder = format!("file://{}", directory.display());
        let params = json!({
            "capabilities": {},
            "initializationOptions": { "quietMs": 0 },
            "workspaceFolders": [{ "uri": folder, "name": "bench" }],
        });
        editor.greet(params);
        let started = Instant::now();
        let uri = format!("file://{}", file.display());
        // What is typed last has a mistake in it, so that there is something to publish.
        let text = std::fs::read_to_string(file)? + &typed(0);
        editor.open(&uri, &text);
        if editor.diagnostics(&uri).is_empty() {
            bail!("the mistake in {uri} is not found");
        }
        let waited = started.elapsed();
        let session = Self {
            lines: text.matches('\n').count(),
            editor,
            uri,
            text,
            version: 1,
        };
        Ok((session, waited))
    }

    fn type_next(&mut self, turn: usize) {
        self.version += 1;
        let line = self.lines - 2;
        let (start, end) = ("  x = var.missing_".len(), "  x = var.missing_0".len());
        let place = |column| json!({ "line": line, "character": column });
        let digit = ((turn + 1) % 10).to_string();
        let change =
            json!({ "range": { "start": place(start), "end": place(end) }, "text": digit });
        self.editor.edit(&self.uri, self.version, json!([change]));
    }

    /// How long it took until the answer was there; what this program does with it is not the server's time.
    fn since(&self, started: Instant) -> Duration {
        let arrived = self.editor.arrived();
        arrived.map_or_else(|| started.elapsed(), |at| at - started)
    }

    /// Types a letter, and waits for the problems with it.
    pub(super) fn keystroke(&mut self, turn: usize) -> Result<Duration> {
        let started = Instant::now();
        self.type_next(turn * 3);
        let problems = self.editor.diagnostics(&self.uri);
        let waited = self.since(started);
        let digit = (turn * 3 + 1) % 10;
        let name = format!("missing_{digit}");
        if !Value::from(problems).to_string().contains(&name) {
            bail!("the diagnostics are not about `{name}`");
        }
        Ok(waited)
    }

    /// Types a letter and asks at once for something at the place.
    pub(super) fn after_keystroke(&mut self, turn: usize, what: &str) -> Result<Duration> {
        self.type_next(turn * 3 + if what == "hover" { 2 } else { 1 });
        let place = json!({ "line": self.lines - 2, "character": "  x = var.mis".len() });
        let params = json!({ "textDocument": { "uri": self.uri }, "position": place });
        let started = Instant::now();
        let answer = self.editor.ask(&format!("textDocument/{what}"), params);
        let waited = self.since(started);
        if let Err(error) = answer {
            bail!("{what}: {error}");
        }
        // The diagnostics of this keystroke are not those of the next one.
        self.editor.diagnostics(&self.uri);
        Ok(waited)
    }

    /// Asks for something, and waits for the answer.
    pub(super) fn ask(&mut self, method: &str, params: Value) -> Result<(Value, Duration)> {
        let started = Instant::now();
        match self.editor.ask(method, params) {
            Ok(answer) => Ok((answer, self.since(started))),
            Err(error) => bail!("{method}: {error}"),
        }
    }

    /// The most memory that the server had, in MiB.
    pub(super) fn peak(&self) -> Result<f64> {
        let process = self.editor.process().context("the server is a program")?;
        crate::fuzz::memory(process, "VmHWM").context("the server is gone")
    }

    /// Ends the session.
    pub(super) fn end(self) -> Result<()> {
        drop(self.text);
        match self.editor.leave() {
            Some(status) if status.success() => Ok(()),
            status => bail!("the server ended with {status:?}"),
        }
    }
}

fn typed(digit: usize) -> String {
    format!("locals {{\n  x = var.missing_{digit}\n}}\n")
}
