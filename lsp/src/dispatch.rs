//! Which handler answers which request.

use gen_lsp_types as lsp;
use gen_lsp_types::Request;
use serde_json::{Value, json};

use crate::handlers::{
    actions, commands, completion, diagnostics, editing, hover, marks, navigation, outline, tokens,
};
use crate::snapshot::{Answer, Refused, Snapshot};

/// What a request yields.
pub(crate) struct Reply {
    /// The result.
    pub(crate) result: Value,
    /// A change that the client is asked to apply, with what it is.
    pub(crate) edit: Option<(String, Value)>,
}

/// All requests that are answered, but for those of a session's life.
const METHODS: &[&str] = &[
    "codeAction/resolve",
    "completionItem/resolve",
    "textDocument/codeAction",
    "textDocument/codeLens",
    "textDocument/completion",
    "textDocument/declaration",
    "textDocument/definition",
    "textDocument/diagnostic",
    "textDocument/documentHighlight",
    "textDocument/documentLink",
    "textDocument/documentSymbol",
    "textDocument/foldingRange",
    "textDocument/formatting",
    "textDocument/hover",
    "textDocument/inlayHint",
    "textDocument/onTypeFormatting",
    "textDocument/prepareRename",
    "textDocument/rangeFormatting",
    "textDocument/references",
    "textDocument/rename",
    "textDocument/selectionRange",
    "textDocument/semanticTokens/full",
    "textDocument/semanticTokens/full/delta",
    "textDocument/semanticTokens/range",
    "textDocument/signatureHelp",
    "textDocument/typeDefinition",
    "workspace/diagnostic",
    "workspace/executeCommand",
    "workspace/symbol",
];

/// Whether a request of this name is answered.
pub(crate) fn knows(method: &str) -> bool {
    METHODS.binary_search(&method).is_ok()
}

/// The result for a document about which there is nothing to say.
pub(crate) fn nothing(method: &str) -> Value {
    match method {
        "textDocument/diagnostic" => json!({ "kind": "full", "items": [] }),
        _ => Value::Null,
    }
}

/// Answers a request that is [`knows`]n.
pub(crate) fn reply(method: &str, snapshot: &Snapshot, params: Value) -> Answer<Reply> {
    log::debug!("{method}");
    if method == "workspace/executeCommand" {
        return commands::run(snapshot, read(params)?);
    }
    let ask = Ask { snapshot, params };
    let result = match method {
        "codeAction/resolve" => ask.of::<lsp::CodeActionResolveRequest>(actions::resolve),
        "completionItem/resolve" => ask.of::<lsp::CompletionResolveRequest>(completion::resolve),
        "textDocument/codeAction" => ask.of::<lsp::CodeActionRequest>(actions::actions),
        "textDocument/codeLens" => ask.of::<lsp::CodeLensRequest>(marks::lenses),
        "textDocument/completion" => ask.of::<lsp::CompletionRequest>(completion::complete),
        "textDocument/declaration" => ask.of::<lsp::DeclarationRequest>(navigation::declaration),
        "textDocument/definition" => ask.of::<lsp::DefinitionRequest>(navigation::definition),
        "textDocument/diagnostic" => ask.of::<lsp::DocumentDiagnosticRequest>(diagnostics::pull),
        "textDocument/documentHighlight" => {
            ask.of::<lsp::DocumentHighlightRequest>(navigation::highlights)
        }
        "textDocument/documentLink" => ask.of::<lsp::DocumentLinkRequest>(marks::links),
        "textDocument/documentSymbol" => ask.of::<lsp::DocumentSymbolRequest>(outline::symbols),
        "textDocument/foldingRange" => ask.of::<lsp::FoldingRangeRequest>(outline::folds),
        "textDocument/formatting" => ask.of::<lsp::DocumentFormattingRequest>(editing::format),
        "textDocument/hover" => ask.of::<lsp::HoverRequest>(hover::hover),
        "textDocument/inlayHint" => ask.of::<lsp::InlayHintRequest>(marks::hints),
        "textDocument/onTypeFormatting" => {
            ask.of::<lsp::DocumentOnTypeFormattingRequest>(editing::format_on_type)
        }
        "textDocument/prepareRename" => ask.of::<lsp::PrepareRenameRequest>(editing::prepare),
        "textDocument/rangeFormatting" => {
            ask.of::<lsp::DocumentRangeFormattingRequest>(editing::format_range)
        }
        "textDocument/references" => ask.of::<lsp::ReferencesRequest>(navigation::references),
        "textDocument/rename" => ask.of::<lsp::RenameRequest>(editing::rename),
        "textDocument/selectionRange" => ask.of::<lsp::SelectionRangeRequest>(outline::selections),
        "textDocument/semanticTokens/full" => ask.of::<lsp::SemanticTokensRequest>(tokens::full),
        "textDocument/semanticTokens/full/delta" => {
            ask.of::<lsp::SemanticTokensDeltaRequest>(tokens::delta)
        }
        "textDocument/semanticTokens/range" => {
            ask.of::<lsp::SemanticTokensRangeRequest>(tokens::range)
        }
        "textDocument/signatureHelp" => ask.of::<lsp::SignatureHelpRequest>(hover::signature),
        "textDocument/typeDefinition" => {
            ask.of::<lsp::TypeDefinitionRequest>(navigation::type_definition)
        }
        "workspace/diagnostic" => ask.of::<lsp::WorkspaceDiagnosticRequest>(diagnostics::workspace),
        "workspace/symbol" => ask.of::<lsp::WorkspaceSymbolRequest>(outline::workspace),
        _ => Err(Refused::Failed(format!("imgc does not answer `{method}`"))),
    };
    Ok(Reply {
        result: result?,
        edit: None,
    })
}

struct Ask<'a> {
    snapshot: &'a Snapshot,
    params: Value,
}

impl Ask<'_> {
    fn of<R: Request>(
        self,
        handler: fn(&Snapshot, R::Params) -> Answer<R::Result>,
    ) -> Answer<Value> {
        let result = handler(self.snapshot, read(self.params)?)?;
        serde_json::to_value(result).map_err(|error| Refused::Failed(error.to_string()))
    }
}

fn read<T: serde::de::DeserializeOwned>(params: Value) -> Answer<T> {
    serde_json::from_value(params).map_err(|error| Refused::Params(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_sorted() {
        assert!(METHODS.is_sorted());
        assert!(METHODS.iter().all(|method| knows(method)));
        assert!(!knows("textDocument/implementation"));
    }
}
