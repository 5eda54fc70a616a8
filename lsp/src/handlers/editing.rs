//! Layout and new names.

use gen_lsp_types::{
    DocumentFormattingParams, DocumentOnTypeFormattingParams, DocumentRangeFormattingParams,
    PrepareRenameParams, PrepareRenamePlaceholder, PrepareRenameResult, RenameParams, TextEdit,
    WorkspaceEdit,
};

use super::actions::workspace_edit;
use crate::snapshot::{Answer, Refused, Snapshot};

/// Lays out a document. The client's options count for nothing: there is one layout.
pub(crate) fn format(
    snapshot: &Snapshot,
    params: DocumentFormattingParams,
) -> Answer<Option<Vec<TextEdit>>> {
    let (path, file) = snapshot.document(&params.text_document)?;
    let edits = snapshot.analysis.format(&path)?;
    Ok(edits.map(|edits| file.edits(&edits)))
}

/// Lays out some lines.
pub(crate) fn format_range(
    snapshot: &Snapshot,
    params: DocumentRangeFormattingParams,
) -> Answer<Option<Vec<TextEdit>>> {
    let (path, file) = snapshot.document(&params.text_document)?;
    let range = file.text_range(params.range);
    let edits = snapshot.analysis.format_range(&path, range)?;
    Ok(edits.map(|edits| file.edits(&edits)))
}

/// Lays out while typing.
pub(crate) fn format_on_type(
    snapshot: &Snapshot,
    params: DocumentOnTypeFormattingParams,
) -> Answer<Option<Vec<TextEdit>>> {
    let (path, file) = snapshot.document(&params.text_document)?;
    let Some(typed) = params.ch.chars().next() else {
        return Err(Refused::Params("`ch` is empty".to_owned()));
    };
    let offset = file.offset(params.position);
    let edits = snapshot.analysis.format_on_type(&path, offset, typed)?;
    Ok(Some(file.edits(&edits)))
}

/// What would be renamed.
pub(crate) fn prepare(
    snapshot: &Snapshot,
    params: PrepareRenameParams,
) -> Answer<Option<PrepareRenameResult>> {
    let place = snapshot.place(&params.text_document_position_params)?;
    match snapshot
        .analysis
        .prepare_rename(&place.path, place.offset)?
    {
        Ok(target) => Ok(Some(PrepareRenameResult::PrepareRenamePlaceholder(
            PrepareRenamePlaceholder {
                range: place.file.range(target.range),
                placeholder: target.name,
            },
        ))),
        Err(refused) => Err(Refused::Failed(refused.0)),
    }
}

/// Gives something another name.
pub(crate) fn rename(snapshot: &Snapshot, params: RenameParams) -> Answer<Option<WorkspaceEdit>> {
    let place = snapshot.place(&params.text_document_position_params)?;
    let name = &params.new_name;
    let found = snapshot
        .analysis
        .rename(&place.path, place.offset, name, &snapshot.folders)?;
    match found {
        Ok(edit) => workspace_edit(snapshot, &edit).map(Some),
        Err(refused) => Err(Refused::Failed(refused.0)),
    }
}
