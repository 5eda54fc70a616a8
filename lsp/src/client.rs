//! What the editor at the other end can do, and how its user wants things.
//!
//! In: the parameters of `initialize` and later settings, as JSON. They are looked up one by one: a client that gets one
//! of them wrong still has the others.

use std::path::PathBuf;
use std::time::Duration;

use gen_lsp_types::{PositionEncodingKind, Uri};
use serde::Deserialize;
use serde_json::Value;

use crate::convert;
use crate::text::Encoding;

/// How long a request may take, where the client says nothing.
const LIMIT: Duration = Duration::from_secs(10);

/// How long nothing is typed before problems are looked for, where the client says nothing.
const QUIET: Duration = Duration::from_millis(100);

/// What the client can do.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a list of yes and no")]
pub(crate) struct Client {
    pub(crate) encoding: Encoding,
    /// Its process, to end with.
    pub(crate) process: Option<i32>,
    /// It may ask for diagnostics itself, and the server says that it can.
    pub(crate) pulls: bool,
    pub(crate) related_documents: bool,
    pub(crate) related_information: bool,
    pub(crate) code_description: bool,
    pub(crate) snippets: bool,
    /// Its command for asking again, as after `var.`, is the one of VS Code.
    pub(crate) suggests_again: bool,
    pub(crate) completion_resolves_documentation: bool,
    pub(crate) markdown_hover: bool,
    pub(crate) markdown_completion: bool,
    pub(crate) definition_links: bool,
    pub(crate) nested_symbols: bool,
    pub(crate) whole_line_folds: bool,
    pub(crate) action_literals: bool,
    pub(crate) action_resolves_edit: bool,
    pub(crate) versioned_edits: bool,
    pub(crate) creates_files: bool,
    pub(crate) deletes_files: bool,
    pub(crate) applies_edits: bool,
    pub(crate) configuration: bool,
    pub(crate) registers_configuration: bool,
    pub(crate) registers_watchers: bool,
    pub(crate) refreshes_diagnostics: bool,
    pub(crate) refreshes_tokens: bool,
    pub(crate) refreshes_hints: bool,
    pub(crate) refreshes_lenses: bool,
    /// The client's own command that shows references, if it has one.
    pub(crate) shows_references: Option<String>,
    /// The time limit of a request.
    pub(crate) limit: Duration,
    /// Without a keystroke for this long, diagnostics are worth computing.
    pub(crate) quiet: Duration,
}

impl Client {
    /// What the parameters of `initialize` say.
    pub(crate) fn new(params: &Value) -> Self {
        let of = |path: &str| params.pointer(path);
        let capability = |path: &str| of(&format!("/capabilities/{path}"));
        let can = |path: &str| capability(path).and_then(Value::as_bool) == Some(true);
        let has = |path: &str, wanted: &str| {
            let list = capability(path).and_then(Value::as_array);
            list.is_some_and(|list| list.iter().any(|item| item.as_str() == Some(wanted)))
        };
        let encodings = capability("general/positionEncodings");
        let encodings: Option<Vec<PositionEncodingKind>> =
            encodings.and_then(|kinds| serde_json::from_value(kinds.clone()).ok());
        let option = |name: &str| of(&format!("/initializationOptions/{name}"));
        let pushes = option("diagnostics").and_then(Value::as_str) == Some("push");
        let milliseconds = |name: &str, otherwise: Duration| {
            let given = option(name).and_then(Value::as_u64);
            given.map_or(otherwise, Duration::from_millis)
        };
        Self {
            encoding: Encoding::agree(&encodings.unwrap_or_default()),
            process: of("/processId")
                .and_then(Value::as_i64)
                .and_then(|id| i32::try_from(id).ok()),
            pulls: capability("textDocument/diagnostic").is_some_and(Value::is_object) && !pushes,
            related_documents: can("textDocument/diagnostic/relatedDocumentSupport"),
            related_information: can("textDocument/publishDiagnostics/relatedInformation")
                || can("textDocument/diagnostic/relatedInformation"),
            code_description: can("textDocument/publishDiagnostics/codeDescriptionSupport")
                || can("textDocument/diagnostic/codeDescriptionSupport"),
            suggests_again: option("suggestsAgain").and_then(Value::as_bool) == Some(true),
            snippets: can("textDocument/completion/completionItem/snippetSupport"),
            completion_resolves_documentation: has(
                "textDocument/completion/completionItem/resolveSupport/properties",
                "documentation",
            ),
            markdown_hover: has("textDocument/hover/contentFormat", "markdown"),
            markdown_completion: has(
                "textDocument/completion/completionItem/documentationFormat",
                "markdown",
            ),
            definition_links: can("textDocument/definition/linkSupport"),
            nested_symbols: can("textDocument/documentSymbol/hierarchicalDocumentSymbolSupport"),
            whole_line_folds: can("textDocument/foldingRange/lineFoldingOnly"),
            action_literals: capability("textDocument/codeAction/codeActionLiteralSupport")
                .is_some_and(Value::is_object),
            action_resolves_edit: has("textDocument/codeAction/resolveSupport/properties", "edit")
                && can("textDocument/codeAction/dataSupport"),
            versioned_edits: can("workspace/workspaceEdit/documentChanges"),
            creates_files: has("workspace/workspaceEdit/resourceOperations", "create"),
            deletes_files: has("workspace/workspaceEdit/resourceOperations", "delete"),
            applies_edits: can("workspace/applyEdit"),
            configuration: can("workspace/configuration"),
            registers_configuration: can("workspace/didChangeConfiguration/dynamicRegistration"),
            registers_watchers: can("workspace/didChangeWatchedFiles/dynamicRegistration"),
            refreshes_diagnostics: can("workspace/diagnostics/refreshSupport"),
            refreshes_tokens: can("workspace/semanticTokens/refreshSupport"),
            refreshes_hints: can("workspace/inlayHint/refreshSupport"),
            refreshes_lenses: can("workspace/codeLens/refreshSupport"),
            shows_references: option("showReferencesCommand")
                .and_then(Value::as_str)
                .map(str::to_owned),
            limit: milliseconds("requestLimitMs", LIMIT),
            quiet: milliseconds("quietMs", QUIET),
        }
    }
}

/// The directories of the workspace, as `initialize` names them in one of three ways.
pub(crate) fn folders(params: &Value) -> Vec<PathBuf> {
    let uri = |value: &Value| convert::path(&Uri(value.as_str()?.to_owned()));
    if let Some(folders) = params.get("workspaceFolders").and_then(Value::as_array) {
        return folders
            .iter()
            .filter_map(|folder| uri(folder.get("uri")?))
            .collect();
    }
    let root = params.get("rootUri").and_then(uri);
    let path = || {
        let path = PathBuf::from(params.get("rootPath")?.as_str()?);
        path.is_absolute().then_some(path)
    };
    root.or_else(path).into_iter().collect()
}

/// How the user wants things: the section `imgc` of the client's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Show values of variables in the text.
    pub(crate) value_hints: bool,
    /// Show types of locals in the text.
    pub(crate) type_hints: bool,
    /// Show lines above builds.
    pub(crate) lenses: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            value_hints: true,
            type_hints: true,
            lenses: true,
        }
    }
}

/// The settings as they are written. All may be missing.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Written {
    inlay_hints: Hints,
    code_lens: Switch,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Hints {
    All(bool),
    Each {
        enable: Option<bool>,
        values: Option<bool>,
        types: Option<bool>,
    },
}

impl Default for Hints {
    fn default() -> Self {
        Self::All(true)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Switch {
    Plain(bool),
    Nested { enable: Option<bool> },
}

impl Default for Switch {
    fn default() -> Self {
        Self::Plain(true)
    }
}

impl Settings {
    /// What a section says; with or without the name `imgc` around it. What is missing or strange is as by default.
    pub(crate) fn new(section: &Value) -> Self {
        let section = section.get("imgc").unwrap_or(section);
        let part = |name: &str| {
            let value = section.get(name).cloned().unwrap_or_default();
            serde_json::json!({ name: value })
        };
        let read = |name: &str| serde_json::from_value::<Written>(part(name)).unwrap_or_default();
        let (value_hints, type_hints) = match read("inlayHints").inlay_hints {
            Hints::All(all) => (all, all),
            Hints::Each {
                enable,
                values,
                types,
            } => {
                let all = enable.unwrap_or(true);
                (all && values.unwrap_or(true), all && types.unwrap_or(true))
            }
        };
        let lenses = match read("codeLens").code_lens {
            Switch::Plain(lenses) => lenses,
            Switch::Nested { enable } => enable.unwrap_or(true),
        };
        Self {
            value_hints,
            type_hints,
            lenses,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_read_one_by_one() {
        let all = Settings::default();
        assert_eq!(Settings::new(&Value::Null), all);
        assert_eq!(Settings::new(&json!({ "imgc": { "inlayHints": 7 } })), all);
        let off = Settings::new(
            &json!({ "imgc": { "inlayHints": { "values": false }, "codeLens": { "enable": false } } }),
        );
        assert_eq!(
            off,
            Settings {
                value_hints: false,
                type_hints: true,
                lenses: false
            }
        );
        let off = Settings::new(&json!({ "inlayHints": false, "codeLens": "?" }));
        assert_eq!(
            (off.value_hints, off.type_hints, off.lenses),
            (false, false, true)
        );
    }

    #[test]
    fn the_first_encoding_both_know_is_used() {
        let client = |kinds: Value| {
            let params = json!({ "capabilities": { "general": { "positionEncodings": kinds } } });
            Client::new(&params).encoding
        };
        assert_eq!(client(Value::Null), Encoding::Utf16);
        assert_eq!(client(json!(["utf-7", "utf-32", "utf-8"])), Encoding::Utf32);
        assert_eq!(client(json!(["utf-8", "utf-16"])), Encoding::Utf8);
    }

    #[test]
    fn folders_are_named_in_three_ways() {
        let folder = [PathBuf::from("/w")];
        assert_eq!(
            folders(
                &json!({ "workspaceFolders": [{ "uri": "file:///w", "name": "w" }], "rootUri": "file:///x" })
            ),
            folder
        );
        assert_eq!(
            folders(&json!({ "workspaceFolders": null, "rootUri": "file:///w" })),
            folder
        );
        assert_eq!(folders(&json!({ "rootPath": "/w" })), folder);
        assert!(folders(&json!({ "rootPath": "w", "rootUri": "ssh://x/w" })).is_empty());
    }
}
