//! What the server says it can do.

use serde_json::{Value, json};

use crate::client::Client;
use crate::handlers::{commands, tokens};

/// The result of `initialize`.
pub(crate) fn capabilities(client: &Client) -> Value {
    let mut capabilities = json!({
        "positionEncoding": client.encoding.kind(),
        "textDocumentSync": {
            "openClose": true,
            "change": 2,
            "save": { "includeText": false },
        },
        "completionProvider": {
            "triggerCharacters": [".", "\"", "{", "[", "/", "$"],
            "resolveProvider": client.completion_resolves_documentation,
        },
        "hoverProvider": true,
        "signatureHelpProvider": { "triggerCharacters": ["(", ","], "retriggerCharacters": [")"] },
        "declarationProvider": true,
        "definitionProvider": true,
        "typeDefinitionProvider": true,
        "referencesProvider": true,
        "documentHighlightProvider": true,
        "documentSymbolProvider": true,
        "workspaceSymbolProvider": true,
        "codeActionProvider": {
            "codeActionKinds": ["quickfix", "refactor.extract", "refactor.rewrite"],
            "resolveProvider": client.action_resolves_edit,
        },
        "codeLensProvider": {},
        "documentLinkProvider": {},
        "documentFormattingProvider": true,
        "documentRangeFormattingProvider": true,
        "documentOnTypeFormattingProvider": { "firstTriggerCharacter": "}", "moreTriggerCharacter": ["]", "\n"] },
        "renameProvider": { "prepareProvider": true },
        "foldingRangeProvider": true,
        "selectionRangeProvider": true,
        "semanticTokensProvider": {
            "legend": tokens::legend(),
            "full": { "delta": true },
            "range": true,
        },
        "inlayHintProvider": true,
        "executeCommandProvider": { "commands": commands::NAMES },
        "workspace": { "workspaceFolders": { "supported": true, "changeNotifications": true } },
    });
    if client.pulls {
        capabilities["diagnosticProvider"] = json!({
            "identifier": "imgc",
            "interFileDependencies": true,
            "workspaceDiagnostics": true,
        });
    }
    json!({
        "capabilities": capabilities,
        "serverInfo": { "name": "imgc", "version": env!("CARGO_PKG_VERSION") },
    })
}
