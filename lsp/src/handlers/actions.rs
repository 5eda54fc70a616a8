//! Code actions, and changes of several files.

use std::collections::HashMap;
use std::sync::Arc;

use gen_lsp_types::{
    CodeAction, CodeActionKind, CodeActionParams, CodeActionResponse, CreateFile, DeleteFile,
    Diagnostic, DocumentChange, Edit, OptionalVersionedTextDocumentIdentifier, Range,
    TextDocumentEdit, TextDocumentIdentifier, TextEdit, Uri, WorkspaceEdit,
};
use imgc_ide::ActionKind;
use serde_json::json;

use crate::snapshot::{Answer, File, Refused, Snapshot};

/// Changes offered for a part of a document.
pub(crate) fn actions(
    snapshot: &Snapshot,
    params: CodeActionParams,
) -> Answer<Option<Vec<CodeActionResponse>>> {
    let (path, file) = snapshot.document(&params.text_document)?;
    // A client without literals knows commands only.
    if !snapshot.client.action_literals {
        return Ok(Some(Vec::new()));
    }
    let range = file.text_range(params.range);
    let found = snapshot.analysis.code_actions(&path, range)?;
    let found = Arc::new(found);
    let later = snapshot.client.action_resolves_edit;
    let number = later.then(|| snapshot.memory.keep_actions(Arc::clone(&found)));
    let mut actions = Vec::new();
    for (at, action) in found.iter().enumerate() {
        if !wanted(action.kind, params.context.only.as_deref()) {
            continue;
        }
        let edit = match number {
            Some(_) => None,
            // What this client cannot do, it is not offered.
            None => match workspace_edit(snapshot, &action.edit) {
                Ok(edit) => Some(edit),
                Err(_) => continue,
            },
        };
        let known = &params.context.diagnostics;
        let action = CodeAction {
            title: action.title.clone(),
            kind: Some(kind(action.kind)),
            diagnostics: solved(action, &file, known),
            is_preferred: action.preferred.then_some(true),
            edit,
            data: number.map(|number| json!([number, at])),
            ..CodeAction::default()
        };
        actions.push(CodeActionResponse::CodeAction(action));
    }
    Ok(Some(actions))
}

/// The same action, with its change.
pub(crate) fn resolve(snapshot: &Snapshot, mut action: CodeAction) -> Answer<CodeAction> {
    let place = action.data.as_ref().and_then(|data| {
        let number = data.get(0)?.as_u64()?;
        Some((number, usize::try_from(data.get(1)?.as_u64()?).ok()?))
    });
    let Some((number, at)) = place else {
        return Ok(action);
    };
    let list = snapshot.memory.actions(number);
    match list.as_ref().and_then(|list| list.get(at)) {
        Some(found) => {
            action.edit = Some(workspace_edit(snapshot, &found.edit)?);
            Ok(action)
        }
        None => Err(Refused::Cancelled),
    }
}

fn kind(kind: ActionKind) -> CodeActionKind {
    match kind {
        ActionKind::QuickFix => CodeActionKind::QuickFix,
        ActionKind::Extract => CodeActionKind::RefactorExtract,
        ActionKind::Rewrite => CodeActionKind::RefactorRewrite,
    }
}

/// Whether a kind is among those asked for, or below one of them. A client that names none wants all.
fn wanted(action: ActionKind, only: Option<&[CodeActionKind]>) -> bool {
    let Some(only) = only.filter(|only| !only.is_empty()) else {
        return true;
    };
    let name = |kind: &CodeActionKind| {
        let name = serde_json::to_value(kind).unwrap_or_default();
        name.as_str().unwrap_or_default().to_owned()
    };
    let own = name(&kind(action));
    only.iter().any(|wanted| {
        let rest = own.strip_prefix(&name(wanted));
        name(wanted).is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The client's own words for the problem that an action solves.
fn solved(
    action: &imgc_ide::CodeAction,
    file: &File,
    known: &[Diagnostic],
) -> Option<Vec<Diagnostic>> {
    let (id, range) = action.solves?;
    let range: Range = file.range(range);
    let same = known.iter().filter(|diagnostic| {
        let code = serde_json::to_value(&diagnostic.code).unwrap_or_default();
        diagnostic.range == range && code.as_str() == Some(id)
    });
    let same: Vec<_> = same.cloned().collect();
    (!same.is_empty()).then_some(same)
}

/// Changes of several files in the form that the client takes.
pub(crate) fn workspace_edit(
    snapshot: &Snapshot,
    edit: &imgc_ide::WorkspaceEdit,
) -> Answer<WorkspaceEdit> {
    let client = &snapshot.client;
    let mut by_file: Vec<(Uri, Option<i32>, Vec<TextEdit>)> = Vec::new();
    for (path, edits) in &edit.edits {
        let file = snapshot.file(path).ok_or(Refused::Cancelled)?;
        let uri = snapshot.uri(path).ok_or(Refused::Cancelled)?;
        by_file.push((uri, file.version(), file.edits(edits)));
    }
    let needs = |can: bool, what: &str| match can && client.versioned_edits {
        true => Ok(()),
        false => Err(Refused::Failed(format!("this editor cannot {what} files"))),
    };
    if !client.versioned_edits && edit.create.is_empty() && edit.delete.is_empty() {
        let changes = by_file.into_iter().map(|(uri, _, edits)| (uri, edits));
        return Ok(WorkspaceEdit {
            changes: Some(changes.collect::<HashMap<_, _>>()),
            ..WorkspaceEdit::default()
        });
    }
    let mut changes = Vec::new();
    for (path, text) in &edit.create {
        needs(client.creates_files, "make")?;
        let uri = snapshot.uri(path).ok_or(Refused::Cancelled)?;
        let create = CreateFile {
            uri: uri.clone(),
            options: None,
            annotation_id: None,
        };
        changes.push(DocumentChange::CreateFile(create));
        let text = TextEdit::new(Range::default(), text.clone());
        changes.push(of_file(uri, None, vec![text]));
    }
    changes.extend(
        by_file
            .into_iter()
            .map(|(uri, version, edits)| of_file(uri, version, edits)),
    );
    for path in &edit.delete {
        needs(client.deletes_files, "remove")?;
        let uri = snapshot.uri(path).ok_or(Refused::Cancelled)?;
        changes.push(DocumentChange::DeleteFile(DeleteFile {
            uri,
            options: None,
            annotation_id: None,
        }));
    }
    Ok(WorkspaceEdit {
        document_changes: Some(changes),
        ..WorkspaceEdit::default()
    })
}

fn of_file(uri: Uri, version: Option<i32>, edits: Vec<TextEdit>) -> DocumentChange {
    DocumentChange::TextDocumentEdit(TextDocumentEdit {
        text_document: OptionalVersionedTextDocumentIdentifier {
            version,
            text_document_identifier: TextDocumentIdentifier { uri },
        },
        edits: edits.into_iter().map(Edit::TextEdit).collect(),
    })
}
