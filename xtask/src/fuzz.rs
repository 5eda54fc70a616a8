//! `cargo xtask fuzz-lsp`: random edits and random requests for a while, with a bound on memory.
//!
//! In: the program, how long, and a seed. Out: what was done, or the first thing that went wrong, with the seed and the
//! text that led to it. Wrong is: the server ends, does not answer in time, answers with an internal error, or grows
//! beyond the bound.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use imgc_testbed::editor::Editor;
use serde_json::{Value, json};

use crate::workspace::Workspace;

/// The most memory that a server may take, in MiB.
const MEMORY: f64 = 512.0;

/// How large a document may grow before it is begun anew.
const LARGEST: usize = 200_000;

/// What is put into texts besides parts of themselves.
const PIECES: &[&str] = &[
    "\"",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\n",
    "\r\n",
    "\r",
    " ",
    "=",
    ",",
    ".",
    "${",
    "%{",
    "{{",
    "}}",
    "\\",
    "<<EOT\n",
    "EOT\n",
    "#",
    "/*",
    "*/",
    "//",
    "var.",
    "local.",
    "source.",
    "build.",
    "data.",
    "module.",
    "each.value",
    "count.index",
    "for x in [1] : x",
    "? 1 : 2",
    "\u{feff}",
    "\0",
    "ü",
    "😀",
    "e\u{301}",
    "\u{202e}",
    "source \"null\" \"x\" {\n",
    "build {\n",
    "variable \"v\" {\n  default = 1\n}\n",
    "locals {\n  a = local.b\n  b = local.a\n}\n",
    "sources = [\"",
    "provisioner \"shell\" {\n",
    "dynamic \"x\" {\n",
    "for_each = ",
    "true",
    "null",
    "1e999999",
    "-",
    "!",
    "&&",
    "[*]",
    "...",
    "~}",
    "{\"builders\": [",
    "[[source]]\n",
];

/// Requests about a place, a range or a document.
const ASKED: &[&str] = &[
    "completion",
    "hover",
    "signatureHelp",
    "definition",
    "typeDefinition",
    "references",
    "documentHighlight",
    "prepareRename",
    "rename",
    "documentSymbol",
    "foldingRange",
    "selectionRange",
    "semanticTokens/full",
    "semanticTokens/full/delta",
    "semanticTokens/range",
    "inlayHint",
    "documentLink",
    "formatting",
    "rangeFormatting",
    "onTypeFormatting",
    "codeAction",
    "codeLens",
    "diagnostic",
];

/// Memory of a process in MiB: a line of its status.
pub(crate) fn memory(process: u32, what: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(what))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

/// Runs the task: `IMGC [SECONDS [SEED]]`.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    let [imgc, rest @ ..] = args else {
        bail!("`fuzz-lsp` takes the program, and then for how many seconds, and a seed")
    };
    let seconds = rest.first().map_or(Ok(600), |text| text.parse())?;
    let seed = rest.get(1).map_or(Ok(1), |text| text.parse())?;
    let imgc = Path::new(imgc)
        .canonicalize()
        .with_context(|| format!("there is no {imgc}"))?;
    let mut fuzz = Fuzz::new(&imgc, seeds(workspace)?, seed)?;
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        if let Err(error) = fuzz.step() {
            let file = std::env::temp_dir().join(format!("fuzz-lsp-{seed}.txt"));
            std::fs::write(&file, &fuzz.text)?;
            bail!(
                "{error:#}; seed {seed}, step {}; the text is in {}",
                fuzz.steps,
                file.display()
            );
        }
    }
    println!(
        "{} edits and {} requests in {seconds} s with seed {seed}; peak of memory {:.0} MiB; {} answers outdated",
        fuzz.edits, fuzz.requests, fuzz.peak, fuzz.outdated
    );
    Ok(ExitCode::SUCCESS)
}

/// Texts to begin with.
fn seeds(workspace: &Workspace) -> Result<Vec<(String, String)>> {
    let mut paths = Vec::new();
    let mut directories: Vec<PathBuf> = ["examples", "compiler/tests/cases"]
        .map(|at| workspace.path(at))
        .into();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            match path.is_dir() {
                true => directories.push(path),
                false => paths.push(path),
            }
        }
    }
    paths.sort();
    let mut texts = Vec::new();
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let endings = [".pkr.hcl", ".imgc.toml", ".json", ".pkrvars.hcl"];
        if endings.iter().any(|ending| name.ends_with(ending))
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            texts.push((name, text));
        }
    }
    Ok(texts)
}

struct Fuzz {
    editor: Editor,
    process: u32,
    seeds: Vec<(String, String)>,
    dice: u64,
    uri: String,
    text: String,
    version: i32,
    waiting: Vec<i64>,
    steps: u64,
    edits: u64,
    requests: u64,
    outdated: u64,
    peak: f64,
}

impl Fuzz {
    fn new(imgc: &Path, seeds: Vec<(String, String)>, seed: u64) -> Result<Self> {
        let mut command = Command::new(imgc);
        let editor = Editor::start(command.args(["lsp", "--stdio"]).stderr(Stdio::inherit()))?;
        let mut fuzz = Self {
            process: editor.process().context("the server is a program")?,
            editor,
            seeds,
            dice: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            uri: String::new(),
            text: String::new(),
            version: 0,
            waiting: Vec::new(),
            steps: 0,
            edits: 0,
            requests: 0,
            outdated: 0,
            peak: 0.0,
        };
        let capabilities = json!({
            "general": { "positionEncodings": ["utf-8"] },
            "textDocument": {
                "codeAction": { "codeActionLiteralSupport": { "codeActionKind": { "valueSet": [] } } },
                "completion": { "completionItem": { "snippetSupport": true } },
            },
            "workspace": { "workspaceEdit": { "documentChanges": true, "resourceOperations": ["create", "delete"] } },
        });
        fuzz.editor.greet(
            json!({ "capabilities": capabilities, "initializationOptions": { "quietMs": 1 } }),
        );
        fuzz.begin_anew();
        Ok(fuzz)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice % limit.max(1) as u64) as usize
    }

    fn begin_anew(&mut self) {
        if !self.uri.is_empty() {
            self.editor.close(&self.uri);
        }
        let chosen = self.below(self.seeds.len());
        let (name, text) = self.seeds[chosen].clone();
        self.uri = format!("file:///fuzz/{name}");
        self.text = text;
        self.version = 1;
        self.editor.open(&self.uri, &self.text);
    }

    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        match self.below(1000) {
            0 => self.begin_anew(),
            1..=600 => self.edit(),
            601..=603 => {
                let note = [
                    json!({}),
                    json!({ "textDocument": 1 }),
                    json!([]),
                    Value::Null,
                ];
                let params = note[self.below(note.len())].clone();
                self.editor.tell("textDocument/didChange", params);
            }
            _ => self.ask(),
        }
        if self.text.len() > LARGEST {
            self.begin_anew();
        }
        if self.waiting.len() > 20 || self.steps.is_multiple_of(50) {
            self.collect()?;
        }
        Ok(())
    }

    fn place(&mut self) -> usize {
        let at = self.below(self.text.len() + 1);
        (0..=at)
            .rev()
            .find(|at| self.text.is_char_boundary(*at))
            .unwrap_or(0)
    }

    fn position(&self, offset: usize) -> Value {
        // As the protocol counts lines: `\r` alone ends one as well.
        let before = &self.text[..offset];
        let mut line = 0;
        let mut start = 0;
        let bytes = self.text.as_bytes();
        for at in 0..before.len() {
            let ends =
                bytes[at] == b'\n' || bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
            if ends {
                line += 1;
                start = at + 1;
            }
        }
        json!({ "line": line, "character": offset - start })
    }

    fn edit(&mut self) {
        let start = self.place();
        let length = match self.below(20) {
            0 => self.below(400),
            1..=6 => self.below(6),
            _ => 0,
        };
        let end = (start + length).min(self.text.len());
        let end = (start..=end)
            .rev()
            .find(|at| self.text.is_char_boundary(*at))
            .unwrap_or(start);
        let piece = match self.below(8) {
            // A part of the text once more.
            0 => {
                let from = self.place();
                let to = (from + self.below(300)).min(self.text.len());
                let to = (from..=to)
                    .rev()
                    .find(|at| self.text.is_char_boundary(*at))
                    .unwrap_or(from);
                self.text[from..to].to_owned()
            }
            // Something deep.
            1 if self.below(50) == 0 => {
                ["[", "{ a = ", "(", "\"${", "-", "f("][self.below(6)].repeat(1 + self.below(3000))
            }
            _ => PIECES[self.below(PIECES.len())].to_owned(),
        };
        // A place between `\r` and `\n` is none of the protocol's.
        let splits =
            |at: usize| self.text[..at].ends_with('\r') && self.text[at..].starts_with('\n');
        if splits(start) || splits(end) {
            return;
        }
        let range = json!({ "start": self.position(start), "end": self.position(end) });
        self.text.replace_range(start..end, &piece);
        self.version += 1;
        self.edits += 1;
        self.editor.edit(
            &self.uri,
            self.version,
            json!([{ "range": range, "text": piece }]),
        );
    }

    fn ask(&mut self) {
        let (one, other) = (self.place(), self.place());
        let (one, other) = (self.position(one), self.position(other));
        let method = ASKED[self.below(ASKED.len())];
        let name = ["x", "", "a b", "ü", "\"", "name_2"][self.below(6)];
        let typed = ["}", "\n"][self.below(2)];
        let params = json!({
            "textDocument": { "uri": self.uri },
            "position": one,
            "positions": [one, other],
            "range": { "start": one, "end": other },
            "options": { "tabSize": 2, "insertSpaces": true },
            "ch": typed,
            "newName": name,
            "context": { "includeDeclaration": true, "diagnostics": [], "triggerKind": 1, "isRetrigger": false },
            "previousResultId": "1",
        });
        self.requests += 1;
        let id = match self.below(30) {
            0 => {
                let params = json!({ "command": "imgc.plan", "arguments": [{ "uri": self.uri }] });
                self.editor.begin("workspace/executeCommand", params)
            }
            1 => {
                let to = ["hcl", "json", "toml"][self.below(3)];
                let params = json!({ "command": "imgc.convert", "arguments": [{ "uri": self.uri, "to": to, "apply": false }] });
                self.editor.begin("workspace/executeCommand", params)
            }
            _ => self.editor.begin(&format!("textDocument/{method}"), params),
        };
        if self.below(10) == 0 {
            self.editor.tell("$/cancelRequest", json!({ "id": id }));
        }
        self.waiting.push(id);
    }

    /// Waits for all answers, and looks at the server's memory.
    fn collect(&mut self) -> Result<()> {
        for id in std::mem::take(&mut self.waiting) {
            let Some(answer) = self.editor.answer_in_time(id) else {
                bail!("no answer in time");
            };
            if let Err(error) = answer {
                match error["code"].as_i64() {
                    Some(-32802..=-32800) => self.outdated += 1,
                    // It cannot be done, and the user is told why; but not because it took too long.
                    Some(-32803) if !error.to_string().contains("took too long") => {}
                    _ => bail!("{error}"),
                }
            }
        }
        // Diagnostics are as good as any.
        self.editor.rest();
        self.editor.asked.clear();
        let now = memory(self.process, "VmRSS").context("the server is gone")?;
        self.peak = self.peak.max(now);
        if now > MEMORY {
            bail!("the server takes {now:.0} MiB");
        }
        Ok(())
    }
}
