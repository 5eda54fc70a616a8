//! A file in another language, with the same plan.

use std::path::Path;
use std::sync::Arc;

use gen_lsp_types::Uri;
use imgc_compiler::FileId;
use imgc_compiler::compile::Request;
use imgc_compiler::plan::compare;
use imgc_compiler::print::{Document, Language, names};
use imgc_compiler::source::Sources as _;
use imgc_ide::WorkspaceEdit;
use serde::Deserialize;
use serde_json::json;

use super::plan::{compile, why};
use super::{path, shown};
use crate::dispatch::Reply;
use crate::handlers::actions::workspace_edit;
use crate::overlay::Overlay;
use crate::snapshot::{Answer, Refused, Snapshot};

/// What to convert.
#[derive(Deserialize)]
pub(super) struct Wish {
    uri: Uri,
    #[serde(default)]
    to: To,
    /// Have the client make the file; else the change is only given.
    #[serde(default = "yes")]
    apply: bool,
    /// Remove the file that was converted.
    #[serde(default)]
    remove: bool,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum To {
    #[default]
    Hcl,
    Json,
    Toml,
}

/// Converts a file as it is in the editor. The result is a new file beside it.
pub(super) fn convert(snapshot: &Snapshot, wish: &Wish) -> Answer<Reply> {
    let input = path(&wish.uri)?;
    let name = shown(&input, snapshot);
    let Some(text) = snapshot.analysis.text(&input) else {
        return Err(Refused::Failed(format!(
            "`{name}` is not to be read as text"
        )));
    };
    let mut problems = Vec::new();
    let mut document = Document::read(&input, FileId(0), &text, &mut problems);
    if let Some(problem) = problems.iter().find(|problem| problem.is_error()) {
        return Err(Refused::Failed(format!("`{name}`: {}", problem.message)));
    }
    let language = match wish.to {
        To::Hcl => Language::Hcl,
        To::Json => Language::Json,
        To::Toml => Language::Toml,
    };
    if language == document.language {
        return Err(Refused::Failed(format!(
            "`{name}` is in that language already"
        )));
    }
    let output = names::output(&input, &document, language);
    let overlay = |added, hidden| Overlay {
        saved: Arc::clone(&snapshot.host.sources),
        documents: snapshot.documents.clone(),
        added,
        hidden,
    };
    let now = overlay(None, None);
    if now.kind(&output).is_ok() {
        let output = shown(&output, snapshot);
        return Err(Refused::Failed(format!("`{output}` is there already")));
    }
    let notes: Vec<String> = document
        .notes
        .iter()
        .map(|note| note.text.clone())
        .collect();
    let said = document.print(language).map_err(|_| {
        Refused::Failed(format!(
            "`{name}` has expressions, and that language has none for values"
        ))
    })?;
    let then = overlay(Some((output.clone(), said.clone())), Some(input.clone()));
    let compared = match document.is_variables {
        true => false,
        false => same_plan(snapshot, &input, &output, &now, &then)?,
    };
    let change = WorkspaceEdit {
        create: vec![(output.clone(), said.clone())],
        delete: wish.remove.then(|| input.clone()).into_iter().collect(),
        ..WorkspaceEdit::default()
    };
    let change = workspace_edit(snapshot, &change)?;
    let change =
        serde_json::to_value(change).map_err(|error| Refused::Failed(error.to_string()))?;
    let applies = wish.apply && snapshot.client.applies_edits;
    Ok(Reply {
        result: json!({
            "uri": snapshot.uri(&output),
            "text": said,
            "samePlan": compared,
            "notes": notes,
            "edit": if applies { None } else { Some(&change) },
        }),
        edit: applies.then(|| (format!("Convert {name}"), change)),
    })
}

/// Whether both sides make the same plan; `false` where the template makes none now, so that nobody can tell.
fn same_plan(
    snapshot: &Snapshot,
    input: &Path,
    output: &Path,
    now: &Overlay,
    then: &Overlay,
) -> Answer<bool> {
    let Some(template) = snapshot.analysis.template_of(input) else {
        return Ok(false);
    };
    let is_alone = template.path == input;
    let request = |path: &Path| Request {
        path: path.to_owned(),
        check_only: true,
        unset_allowed: true,
        ..Request::default()
    };
    let before = compile(snapshot, &request(&template.path), now);
    let Some(old) = before.plan else {
        return Ok(false);
    };
    let path = if is_alone { output } else { &template.path };
    let after = compile(snapshot, &request(path), then);
    let Some(new) = &after.plan else {
        let why = why(&after, snapshot);
        return Err(Refused::Failed(format!(
            "the converted template has errors: {why}"
        )));
    };
    match compare::differences(&old, new).first() {
        None => Ok(true),
        Some(difference) => Err(Refused::Failed(format!(
            "the converted template makes another plan: {difference}"
        ))),
    }
}
