//! The event loop: one thread, messages in, diagnostics out after a moment of quiet.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gen_lsp_types::{
    Diagnostic, DidChangeTextDocumentParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams,
    DidSaveTextDocumentParams, InitializeResult, PositionEncodingKind, PublishDiagnosticsParams,
    ServerCapabilities, ServerInfo, TextDocumentContentChangeEvent, TextDocumentSyncKind,
    TextDocumentSyncOptions, Uri,
};
use imgc_compiler::compile::{self, Request};
use lsp_server::{Connection, ErrorCode, Message, Notification, Response};

use crate::Host;
use crate::convert;
use crate::overlay::Overlay;

/// Without a keystroke for this long, diagnostics are worth computing.
const QUIET: Duration = Duration::from_millis(100);

/// Why the server ended before the editor asked it to.
#[derive(Debug)]
pub enum ServerError {
    /// The editor's messages do not follow the protocol.
    Protocol(lsp_server::ProtocolError),
    /// The connection ended in the middle.
    Disconnected,
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Protocol(error) => write!(f, "the editor does not follow the protocol: {error}"),
            Self::Disconnected => f.write_str("the connection to the editor ended"),
        }
    }
}

impl std::error::Error for ServerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Protocol(error) => Some(error),
            Self::Disconnected => None,
        }
    }
}

pub(crate) fn run(connection: &Connection, host: Host) -> Result<(), ServerError> {
    let (id, _) = connection
        .initialize_start()
        .map_err(ServerError::Protocol)?;
    let about = InitializeResult {
        capabilities: capabilities(),
        server_info: Some(ServerInfo {
            name: "imgc".to_owned(),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        }),
    };
    let about = serde_json::to_value(about).expect("protocol types have a JSON form");
    connection
        .initialize_finish(id, about)
        .map_err(ServerError::Protocol)?;
    let mut server = Server {
        connection,
        overlay: Overlay::new(host.sources.clone()),
        host,
        stale: BTreeMap::new(),
        published: BTreeMap::new(),
    };
    server.serve()
}

fn capabilities() -> ServerCapabilities {
    ServerCapabilities {
        position_encoding: Some(PositionEncodingKind::UTF16),
        text_document_sync: Some(
            TextDocumentSyncOptions {
                open_close: Some(true),
                change: Some(TextDocumentSyncKind::Full),
                save: Some(true.into()),
                ..TextDocumentSyncOptions::default()
            }
            .into(),
        ),
        ..ServerCapabilities::default()
    }
}

struct Server<'a> {
    connection: &'a Connection,
    overlay: Overlay,
    host: Host,
    /// Template directories that changed, with the time their diagnostics are due.
    stale: BTreeMap<PathBuf, Instant>,
    /// What the editor was told last, by directory and file; files without problems are not in it.
    published: BTreeMap<PathBuf, BTreeMap<PathBuf, Vec<Diagnostic>>>,
}

impl Server<'_> {
    fn serve(&mut self) -> Result<(), ServerError> {
        loop {
            let message = match self.stale.values().min() {
                None => match self.connection.receiver.recv() {
                    Ok(message) => Some(message),
                    Err(_) => return Err(ServerError::Disconnected),
                },
                Some(due) => {
                    let wait = due.saturating_duration_since(Instant::now());
                    match self.connection.receiver.recv_timeout(wait) {
                        Ok(message) => Some(message),
                        Err(error) if error.is_timeout() => None,
                        Err(_) => return Err(ServerError::Disconnected),
                    }
                }
            };
            match message {
                None => self.refresh(),
                Some(Message::Request(request)) => {
                    let stop = self.connection.handle_shutdown(&request);
                    if stop.map_err(ServerError::Protocol)? {
                        return Ok(());
                    }
                    let unknown = format!("imgc does not answer `{}`", request.method);
                    let code = ErrorCode::MethodNotFound as i32;
                    self.send(Response::new_err(request.id, code, unknown));
                }
                Some(Message::Notification(notification)) => self.notice(notification),
                Some(Message::Response(_)) => {}
            }
        }
    }

    fn send(&self, message: impl Into<Message>) {
        // An editor that is gone shows up as the end of the messages from it.
        let _ = self.connection.sender.send(message.into());
    }

    fn notice(&mut self, notification: Notification) {
        let params = notification.params;
        match notification.method.as_str() {
            "textDocument/didOpen" => {
                if let Ok(params) = serde_json::from_value::<DidOpenTextDocumentParams>(params) {
                    let document = params.text_document;
                    self.changed(&document.uri, Some(document.text));
                }
            }
            "textDocument/didChange" => {
                if let Ok(params) = serde_json::from_value::<DidChangeTextDocumentParams>(params) {
                    let uri = params.text_document.text_document_identifier.uri;
                    // Whole texts were asked for; the last one counts.
                    if let Some(
                        TextDocumentContentChangeEvent::TextDocumentContentChangeWholeDocument(
                            change,
                        ),
                    ) = params.content_changes.into_iter().next_back()
                    {
                        self.changed(&uri, Some(change.text));
                    }
                }
            }
            "textDocument/didSave" => {
                if let Ok(params) = serde_json::from_value::<DidSaveTextDocumentParams>(params)
                    && let Some(path) = convert::path(&params.text_document.uri)
                {
                    self.touch(&path, Duration::ZERO);
                }
            }
            "textDocument/didClose" => {
                if let Ok(params) = serde_json::from_value::<DidCloseTextDocumentParams>(params) {
                    self.changed(&params.text_document.uri, None);
                }
            }
            _ => {}
        }
    }

    /// A document has a new text, or is closed.
    fn changed(&mut self, uri: &Uri, text: Option<String>) {
        let Some(path) = convert::path(uri) else {
            return;
        };
        match text {
            Some(text) => self.overlay.set(path.clone(), text),
            None => self.overlay.close(&path),
        }
        self.touch(&path, QUIET);
    }

    fn touch(&mut self, path: &Path, quiet: Duration) {
        if let Some(directory) = path.parent() {
            self.stale
                .insert(directory.to_owned(), Instant::now() + quiet);
        }
    }

    /// Computes and publishes what is due.
    fn refresh(&mut self) {
        let now = Instant::now();
        let due: Vec<PathBuf> = self
            .stale
            .iter()
            .filter(|(_, due)| **due <= now)
            .map(|(directory, _)| directory.clone())
            .collect();
        for directory in due {
            self.stale.remove(&directory);
            // A template without an open document is nobody's concern any more.
            let fresh = match self.overlay.has_open_in(&directory) {
                true => self.problems(&directory),
                false => BTreeMap::new(),
            };
            self.publish(directory, fresh);
        }
    }

    /// All problems of the template in a directory, by file.
    fn problems(&self, directory: &Path) -> BTreeMap<PathBuf, Vec<Diagnostic>> {
        let request = Request {
            path: directory.to_owned(),
            offline_files: true,
            ..Request::default()
        };
        let world = (self.host.world)();
        let compiled = catch_unwind(AssertUnwindSafe(|| {
            compile::compile(&request, &self.overlay, &world, &*self.host.components)
        }));
        let mut by_file: BTreeMap<PathBuf, Vec<Diagnostic>> = BTreeMap::new();
        // The panic hook has reported a mistake of ours; the editor goes on without these diagnostics.
        let Ok(compilation) = compiled else {
            return by_file;
        };
        for problem in &compilation.diagnostics {
            let path = &compilation.sources.file(problem.span.file).path;
            let converted = convert::diagnostic(problem, &compilation.sources);
            by_file.entry(path.clone()).or_default().push(converted);
        }
        if let Some(unreadable) = &compilation.unreadable
            && unreadable.path != directory
        {
            let problem = convert::whole_file(unreadable.id, unreadable.message.clone());
            by_file
                .entry(unreadable.path.clone())
                .or_default()
                .push(problem);
        }
        by_file
    }

    /// Tells the editor about files whose problems are not those it knows.
    fn publish(&mut self, directory: PathBuf, fresh: BTreeMap<PathBuf, Vec<Diagnostic>>) {
        let known = self.published.remove(&directory).unwrap_or_default();
        let files: BTreeSet<&PathBuf> = known.keys().chain(fresh.keys()).collect();
        for file in files {
            if known.get(file) == fresh.get(file) {
                continue;
            }
            if let Some(uri) = convert::uri(file) {
                let diagnostics = fresh.get(file).cloned().unwrap_or_default();
                let params = PublishDiagnosticsParams::new(uri, None, diagnostics);
                let method = "textDocument/publishDiagnostics".to_owned();
                self.send(Notification::new(method, params));
            }
        }
        if !fresh.is_empty() {
            self.published.insert(directory, fresh);
        }
    }
}

#[cfg(test)]
mod tests;
