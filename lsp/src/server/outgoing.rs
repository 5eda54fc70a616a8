//! What the server asks of the client: to watch files, for settings, to apply edits, to look again.

use std::collections::BTreeMap;

use lsp_server::{Request, RequestId, Response};
use serde_json::{Value, json};

use super::Server;

/// Requests that the client has not answered.
#[derive(Default)]
pub(super) struct Outgoing {
    number: i32,
    open: BTreeMap<RequestId, Asked>,
}

/// What an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Settings,
    Other,
}

/// How many unanswered requests are remembered; a client may never answer.
const REMEMBERED: usize = 256;

impl Server<'_> {
    fn ask_client(&mut self, method: &str, params: Value, what: Asked) {
        self.outgoing.number = self.outgoing.number.wrapping_add(1);
        let id = RequestId::from(self.outgoing.number);
        if self.outgoing.open.len() >= REMEMBERED {
            self.outgoing.open.pop_first();
        }
        self.outgoing.open.insert(id.clone(), what);
        self.send(Request::new(id, method.to_owned(), params));
    }

    /// The client answered a request of ours.
    pub(super) fn answered(&mut self, response: Response) {
        let Some(what) = self.outgoing.open.remove(&response.id) else {
            log::warn!("an answer to nothing: {}", response.id);
            return;
        };
        match (what, response.response_result) {
            (Asked::Settings, Ok(settings)) => {
                let section = settings.get(0).cloned().unwrap_or_default();
                if !section.is_null() {
                    self.use_settings(&section);
                }
            }
            (Asked::Other, Ok(_)) => {}
            (_, Err(error)) => log::warn!("the client refuses: {}", error.message),
        }
    }

    /// The client is ready: says what to tell the server, and asks for settings.
    pub(super) fn register(&mut self) {
        let mut registrations = Vec::new();
        if self.client.registers_watchers {
            // Scripts and other files that templates name as well: only those in use are looked at.
            registrations.push(json!({
                "id": "files",
                "method": "workspace/didChangeWatchedFiles",
                "registerOptions": { "watchers": [{ "globPattern": "**/*" }] },
            }));
        }
        if self.client.registers_configuration {
            registrations.push(json!({
                "id": "settings",
                "method": "workspace/didChangeConfiguration",
                "registerOptions": { "section": "imgc" },
            }));
        }
        if !registrations.is_empty() {
            let params = json!({ "registrations": registrations });
            self.ask_client("client/registerCapability", params, Asked::Other);
        }
        if self.client.configuration {
            self.ask_for_settings();
        }
    }

    /// Asks for the section `imgc` of the client's settings.
    pub(super) fn ask_for_settings(&mut self) {
        let params = json!({ "items": [{ "section": "imgc" }] });
        self.ask_client("workspace/configuration", params, Asked::Settings);
    }

    /// Asks the client to change files.
    pub(super) fn apply_edit(&mut self, label: &str, edit: Value) {
        let params = json!({ "label": label, "edit": edit });
        self.ask_client("workspace/applyEdit", params, Asked::Other);
    }

    /// What is shown in the text looks otherwise now.
    pub(super) fn refresh_hints_and_lenses(&mut self) {
        if self.client.refreshes_hints {
            self.ask_client("workspace/inlayHint/refresh", Value::Null, Asked::Other);
        }
        if self.client.refreshes_lenses {
            self.ask_client("workspace/codeLens/refresh", Value::Null, Asked::Other);
        }
    }

    /// The same, with everything else that the client keeps.
    pub(super) fn refresh_all(&mut self) {
        self.refresh_hints_and_lenses();
        if self.client.refreshes_tokens {
            self.ask_client(
                "workspace/semanticTokens/refresh",
                Value::Null,
                Asked::Other,
            );
        }
        if self.client.refreshes_diagnostics && self.client.pulls {
            self.ask_client("workspace/diagnostic/refresh", Value::Null, Asked::Other);
        }
    }
}
