//! A server in this process, with files in memory or on the disk.

use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

use imgc_compiler::components::Everything;
use imgc_compiler::source::{EntryKind, FixedWorld, Memory, Sources, World};
use imgc_lsp::{Connection, Host, ServerError, Views};
use imgc_testbed::editor::Editor;
use serde_json::{Value, json};

/// An editor whose server runs in a thread.
pub(crate) struct Session {
    editor: Editor,
    server: JoinHandle<Result<(), ServerError>>,
}

/// What editors of today can do.
pub(crate) fn modern() -> Value {
    json!({
        "general": { "positionEncodings": ["utf-16"] },
        "textDocument": {
            "codeAction": {
                "codeActionLiteralSupport": { "codeActionKind": { "valueSet": [] } },
                "dataSupport": true,
                "resolveSupport": { "properties": ["edit"] },
            },
            "completion": {
                "completionItem": {
                    "snippetSupport": true,
                    "documentationFormat": ["markdown"],
                    "resolveSupport": { "properties": ["documentation"] },
                },
            },
            "definition": { "linkSupport": true },
            "documentSymbol": { "hierarchicalDocumentSymbolSupport": true },
            "foldingRange": { "lineFoldingOnly": true },
            "hover": { "contentFormat": ["markdown"] },
            "publishDiagnostics": { "relatedInformation": true, "codeDescriptionSupport": true },
        },
        "workspace": {
            "applyEdit": true,
            "workspaceEdit": {
                "documentChanges": true,
                "resourceOperations": ["create", "rename", "delete"],
            },
        },
    })
}

/// Files of the disk.
pub(crate) struct Disk;

impl Sources for Disk {
    fn kind(&self, path: &Path) -> io::Result<EntryKind> {
        let data = std::fs::metadata(path)?;
        Ok(match (data.is_dir(), data.is_file()) {
            (true, _) => EntryKind::Directory,
            (_, true) => EntryKind::File,
            _ => EntryKind::Other,
        })
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(directory)?;
        let names: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.path())).collect();
        let mut names = names?;
        names.sort();
        Ok(names)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn stamp(&self, path: &Path) -> Option<u64> {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let data = std::fs::metadata(path).ok()?;
        let mut hasher = DefaultHasher::new();
        (data.modified().ok()?, data.len()).hash(&mut hasher);
        Some(hasher.finish())
    }
}

impl Session {
    /// A server that has been greeted.
    pub(crate) fn start(saved: impl Sources + 'static, params: Value) -> Self {
        let mut session = Self::silent(saved);
        session.greet(params);
        session
    }

    /// The usual: files in memory, an editor of today, the folder `/t`.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let params = json!({ "capabilities": modern(), "rootUri": "file:///t" });
        Self::start(Memory::new(files.iter().copied()), params)
    }

    /// Files on the disk.
    pub(crate) fn on_disk(folder: &Path, capabilities: Value) -> Self {
        let uri = format!("file://{}", folder.display());
        let folders = json!([{ "uri": uri, "name": "w" }]);
        let params = json!({ "capabilities": capabilities, "workspaceFolders": folders });
        Self::start(Disk, params)
    }

    /// A server to which nobody has said anything.
    pub(crate) fn silent(saved: impl Sources + 'static) -> Self {
        let (ours, theirs) = Connection::memory();
        let host = Host {
            sources: Arc::new(saved),
            world: Arc::new(|| Arc::new(FixedWorld::default()) as Arc<dyn World>),
            components: Arc::new(Everything),
            page: Arc::new(|id| Some(PathBuf::from(format!("/pages/{id}.md")))),
            views: Arc::new(|plan| {
                let mut builds = plan.builds.iter();
                assert!(builds.all(|build| !build.name.starts_with("mistake")));
                Views {
                    text: format!("{} builds", plan.builds.len()),
                    mermaid: "flowchart LR\n".to_owned(),
                    ..Views::default()
                }
            }),
        };
        let server = std::thread::spawn(move || imgc_lsp::serve(&theirs, host));
        let (found, incoming) = channel();
        std::thread::spawn(move || {
            for message in ours.receiver {
                let mut message = serde_json::to_value(message).unwrap();
                message["jsonrpc"] = "2.0".into();
                if found.send(message).is_err() {
                    return;
                }
            }
        });
        let sender = ours.sender;
        let send = move |message: &Value| {
            let message = serde_json::from_value(message.clone()).map_err(io::Error::other)?;
            sender.send(message).map_err(io::Error::other)
        };
        Self {
            editor: Editor::over(send, incoming),
            server,
        }
    }

    /// Says goodbye; what the server says at its end.
    pub(crate) fn end(mut self) -> Result<(), ServerError> {
        assert_eq!(self.ask("shutdown", Value::Null), Ok(Value::Null));
        self.tell("exit", Value::Null);
        self.server.join().unwrap()
    }

    /// What the server says when the editor is gone.
    pub(crate) fn vanish(self) -> Result<(), ServerError> {
        drop(self.editor);
        self.server.join().unwrap()
    }

    /// Waits for the server's own end.
    pub(crate) fn ended(self) -> Result<(), ServerError> {
        self.server.join().unwrap()
    }

    /// The ids of the next diagnostics of a document.
    pub(crate) fn ids(&mut self, uri: &str) -> Vec<String> {
        let diagnostics = self.diagnostics(uri);
        let ids = diagnostics.iter().map(|one| one["code"].as_str().unwrap());
        ids.map(str::to_owned).collect()
    }
}

impl Deref for Session {
    type Target = Editor;

    fn deref(&self) -> &Editor {
        &self.editor
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Editor {
        &mut self.editor
    }
}

/// A template that is right.
pub(crate) const GOOD: &str = r#"variable "name" {
  type    = string
  default = "x"
}

source "null" "a" {
  communicator = "none"
}

build {
  sources = ["source.null.a"]

  provisioner "shell-local" {
    inline = ["echo ${var.name}"]
  }
}
"#;

/// One that is not.
pub(crate) const BROKEN: &str = "variable \"x\" {\n  type = \n}\n";

/// Parameters about a place.
pub(crate) fn at(uri: &str, line: u32, character: u32) -> Value {
    json!({ "textDocument": { "uri": uri }, "position": { "line": line, "character": character } })
}

/// Parameters about the place behind the first `before` in a text of ASCII.
pub(crate) fn behind(uri: &str, text: &str, before: &str) -> Value {
    let offset = text.find(before).unwrap() + before.len();
    let line = text[..offset].matches('\n').count();
    let column = offset - text[..offset].rfind('\n').map_or(0, |at| at + 1);
    at(uri, line as u32, column as u32)
}
