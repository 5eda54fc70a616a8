//! What is shown in and above the text: hints, links, lenses.

use gen_lsp_types::{
    CodeLens, CodeLensParams, Command, DocumentLink, DocumentLinkParams, InlayHint, InlayHintKind,
    InlayHintParams, Label, Tooltip, Uri,
};
use imgc_ide::{InlayKind, LensCommand, LinkTarget};
use serde_json::json;

use super::{commands, markup};
use crate::convert;
use crate::snapshot::{Answer, Snapshot};

/// Values and types in the text.
pub(crate) fn hints(
    snapshot: &Snapshot,
    params: InlayHintParams,
) -> Answer<Option<Vec<InlayHint>>> {
    let (path, file) = snapshot.document(&params.text_document)?;
    let settings = &snapshot.settings;
    if !settings.value_hints && !settings.type_hints {
        return Ok(Some(Vec::new()));
    }
    let range = file.text_range(params.range);
    let found = snapshot.analysis.inlay_hints(&path, range)?;
    let wanted = found.into_iter().filter(|hint| match hint.kind {
        InlayKind::Value => settings.value_hints,
        InlayKind::Type => settings.type_hints,
    });
    let hints = wanted.map(|hint| InlayHint {
        position: file.position(hint.offset),
        label: Label::String(hint.label),
        kind: (hint.kind == InlayKind::Type).then_some(InlayHintKind::Type),
        text_edits: None,
        tooltip: hint
            .tooltip
            .map(|text| Tooltip::MarkupContent(markup(text, snapshot.client.markdown_hover))),
        padding_left: Some(true),
        padding_right: None,
        data: None,
    });
    Ok(Some(hints.collect()))
}

/// What leads elsewhere.
pub(crate) fn links(
    snapshot: &Snapshot,
    params: DocumentLinkParams,
) -> Answer<Option<Vec<DocumentLink>>> {
    let (path, file) = snapshot.document(&params.text_document)?;
    let found = snapshot.analysis.document_links(&path)?;
    let links = found.into_iter().filter_map(|link| {
        let target = match link.target {
            LinkTarget::Path(path) => convert::uri(&path)?,
            LinkTarget::Url(url) => Uri(url),
        };
        Some(DocumentLink {
            range: file.range(link.range),
            target: Some(target),
            tooltip: None,
            data: None,
        })
    });
    Ok(Some(links.collect()))
}

/// Lines above declarations.
pub(crate) fn lenses(snapshot: &Snapshot, params: CodeLensParams) -> Answer<Option<Vec<CodeLens>>> {
    let (path, file) = snapshot.document(&params.text_document)?;
    if !snapshot.settings.lenses {
        return Ok(Some(Vec::new()));
    }
    let uri = params.text_document.uri;
    let found = snapshot.analysis.code_lenses(&path)?;
    let lenses = found.into_iter().map(|lens| {
        let (command, arguments) = match lens.command {
            LensCommand::Plan(only) => {
                let arguments = vec![json!({ "uri": uri, "only": only })];
                (commands::PLAN.to_owned(), Some(arguments))
            }
            LensCommand::References { offset, locations } => {
                // A command of the client, and not every client has it: without one the line is only read.
                let command = snapshot.client.shows_references.clone();
                let places = snapshot.locations(&locations);
                let arguments = vec![json!(uri), json!(file.position(offset)), json!(places)];
                let arguments = command.is_some().then_some(arguments);
                (command.unwrap_or_default(), arguments)
            }
            LensCommand::None => (String::new(), None),
        };
        CodeLens {
            range: file.range(lens.range),
            command: Some(Command {
                title: lens.title,
                tooltip: None,
                command,
                arguments,
            }),
            data: None,
        }
    });
    Ok(Some(lenses.collect()))
}
