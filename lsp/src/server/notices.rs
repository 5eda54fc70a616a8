//! The client's notifications: documents, files, settings, folders.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gen_lsp_types::{
    DidChangeTextDocumentParams, DidChangeWatchedFilesParams, DidChangeWorkspaceFoldersParams,
    DidCloseTextDocumentParams, DidOpenTextDocumentParams, DidSaveTextDocumentParams,
};
use lsp_server::{Notification, RequestId};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Server;
use crate::client::Settings;
use crate::convert;

/// The parameters of a notification; nobody can be told that they are wrong.
fn read<T: DeserializeOwned>(note: Notification) -> Option<T> {
    match serde_json::from_value(note.params) {
        Ok(params) => Some(params),
        Err(error) => {
            log::warn!("{}: {error}", note.method);
            None
        }
    }
}

impl Server<'_> {
    /// A notification came in.
    pub(super) fn notice(&mut self, note: Notification) {
        if self.is_shut_down {
            return;
        }
        // What cannot be read changes nothing.
        let _ = match note.method.as_str() {
            "textDocument/didOpen" => read(note).map(|params| self.opened(params)),
            "textDocument/didChange" => read(note).map(|params| self.changed(params)),
            "textDocument/didSave" => read(note).map(|params| self.saved(&params)),
            "textDocument/didClose" => read(note).map(|params| self.closed(&params)),
            "workspace/didChangeWatchedFiles" => read(note).map(|params| self.on_disk(params)),
            "workspace/didChangeWorkspaceFolders" => read(note).map(|params| self.moved(params)),
            "workspace/didChangeConfiguration" => {
                self.settings_changed(note.params.get("settings"));
                None
            }
            "$/cancelRequest" => {
                let id = note.params.get("id").cloned().unwrap_or_default();
                let id: Option<RequestId> = serde_json::from_value(id).ok();
                id.map(|id| self.cancel(&id))
            }
            "initialized" => {
                self.register();
                None
            }
            _ => None,
        };
    }

    fn opened(&mut self, params: DidOpenTextDocumentParams) {
        let document = params.text_document;
        let Some(path) = convert::path(&document.uri) else {
            return;
        };
        let language = serde_json::to_value(&document.language_id).unwrap_or_default();
        let other = |name: &str| matches!(name, "json" | "jsonc" | "toml" | "plaintext");
        // Only its language says what a text without a name is.
        if document.uri.0.starts_with("untitled:") && language.as_str().is_some_and(other) {
            return;
        }
        self.documents
            .open(path.clone(), document.uri, document.version, document.text);
        self.edited(path, Duration::ZERO);
    }

    fn changed(&mut self, params: DidChangeTextDocumentParams) {
        let document = params.text_document;
        let Some(path) = convert::path(&document.text_document_identifier.uri) else {
            return;
        };
        let encoding = self.client.encoding;
        if self
            .documents
            .change(&path, document.version, params.content_changes, encoding)
        {
            self.edited(path, self.client.quiet);
        } else {
            log::warn!("{} is changed and not open", path.display());
        }
    }

    fn edited(&mut self, path: PathBuf, quiet: Duration) {
        self.outdate(std::slice::from_ref(&path));
        if !self.unseen.contains(&path) {
            self.unseen.push(path);
        }
        self.diagnose_in(quiet);
    }

    fn saved(&mut self, params: &DidSaveTextDocumentParams) {
        if let Some(path) = convert::path(&params.text_document.uri) {
            // Whoever reads it from the disk, such as `file()`, finds something else there.
            self.outdate(std::slice::from_ref(&path));
            self.analysis.files_changed(&[path]);
            self.diagnose_in(Duration::ZERO);
        }
    }

    fn closed(&mut self, params: &DidCloseTextDocumentParams) {
        let Some(path) = convert::path(&params.text_document.uri) else {
            return;
        };
        if self.documents.close(&path) {
            self.outdate(std::slice::from_ref(&path));
            self.unseen.retain(|unseen| *unseen != path);
            self.analysis.close(&path);
            self.memory.forget(&path);
            self.diagnose_in(Duration::ZERO);
        }
    }

    fn on_disk(&mut self, params: DidChangeWatchedFilesParams) {
        let paths = params.changes.iter();
        let paths: BTreeSet<PathBuf> = paths
            .filter_map(|change| convert::path(&change.uri))
            // The text of an open document is the editor's.
            .filter(|path| self.documents.get(path).is_none())
            // Logs and the like change all the time, and nobody reads them.
            .filter(|path| self.analysis.concerns(path))
            .collect();
        if paths.is_empty() {
            return;
        }
        let paths: Vec<PathBuf> = paths.into_iter().collect();
        self.outdate(&paths);
        self.analysis.files_changed(&paths);
        self.diagnose_in(self.client.quiet);
        self.diagnoses.refresh_views();
    }

    fn moved(&mut self, params: DidChangeWorkspaceFoldersParams) {
        let removed = params.event.removed.iter();
        let removed: Vec<PathBuf> = removed
            .filter_map(|folder| convert::path(&folder.uri))
            .collect();
        let added = params.event.added.iter();
        let added = added.filter_map(|folder| convert::path(&folder.uri));
        let folders = Arc::make_mut(&mut self.folders);
        folders.retain(|folder| !removed.contains(folder));
        for folder in added {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
    }

    /// The client's settings have changed; where it answers questions, it is asked for them.
    fn settings_changed(&mut self, settings: Option<&Value>) {
        if self.client.configuration {
            self.ask_for_settings();
        } else if let Some(settings) = settings.filter(|settings| !settings.is_null()) {
            self.use_settings(settings);
        }
    }

    /// From now on these settings count.
    pub(super) fn use_settings(&mut self, section: &Value) {
        let settings = Settings::new(section);
        if *self.settings != settings {
            self.settings = Arc::new(settings);
            self.refresh_hints_and_lenses();
        }
    }
}
