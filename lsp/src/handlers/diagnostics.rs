//! Diagnostics as a client asks for them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;

use gen_lsp_types::{
    Diagnostic, DocumentDiagnosticParams, DocumentDiagnosticReport, FullDocumentDiagnosticReport,
    RelatedDocument, RelatedFullDocumentDiagnosticReport, RelatedUnchangedDocumentDiagnosticReport,
    UnchangedDocumentDiagnosticReport, Uri, WorkspaceDiagnosticParams, WorkspaceDiagnosticReport,
    WorkspaceDocumentDiagnosticReport, WorkspaceFullDocumentDiagnosticReport,
    WorkspaceUnchangedDocumentDiagnosticReport,
};
use imgc_ide::FileProblems;

use crate::convert;
use crate::snapshot::{Answer, Snapshot};

/// The problems of a file in the protocol's words.
pub(crate) fn of_file(file: &FileProblems, snapshot: &Snapshot) -> Vec<Diagnostic> {
    let text = match file.problems.is_empty() {
        true => None,
        false => snapshot.file(&file.path),
    };
    let problems = file.problems.iter();
    let problems = problems.map(|problem| convert::diagnostic(problem, text.as_deref(), snapshot));
    problems.collect()
}

/// A name for these diagnostics: the same for the same ones.
fn number(diagnostics: &[Diagnostic]) -> String {
    let mut hasher = DefaultHasher::new();
    diagnostics.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn full(diagnostics: Vec<Diagnostic>) -> FullDocumentDiagnosticReport {
    FullDocumentDiagnosticReport {
        result_id: Some(number(&diagnostics)),
        items: diagnostics,
    }
}

/// The problems of a document, and, for a client that takes them, of the other files of its template.
pub(crate) fn pull(
    snapshot: &Snapshot,
    params: DocumentDiagnosticParams,
) -> Answer<DocumentDiagnosticReport> {
    let (path, _) = snapshot.document(&params.text_document)?;
    let mut own = Vec::new();
    let mut others = HashMap::new();
    if let Some(template) = snapshot.analysis.template_of(&path) {
        for file in snapshot.analysis.diagnostics(&template)? {
            let diagnostics = of_file(&file, snapshot);
            if file.path == path {
                own = diagnostics;
            } else if let Some(uri) = snapshot.uri(&file.path) {
                others.insert(uri, full(diagnostics).into());
            }
        }
    }
    let others: Option<HashMap<Uri, RelatedDocument>> =
        (snapshot.client.related_documents && !others.is_empty()).then_some(others);
    let report = full(own);
    if report.result_id == params.previous_result_id {
        let unchanged = UnchangedDocumentDiagnosticReport {
            result_id: report.result_id.unwrap_or_default(),
        };
        return Ok(RelatedUnchangedDocumentDiagnosticReport {
            related_documents: others,
            unchanged_document_diagnostic_report: unchanged,
        }
        .into());
    }
    Ok(RelatedFullDocumentDiagnosticReport {
        related_documents: others,
        full_document_diagnostic_report: report,
    }
    .into())
}

/// The problems of all templates of the workspace, and of those that are open. What the client knows is not repeated.
pub(crate) fn workspace(
    snapshot: &Snapshot,
    params: WorkspaceDiagnosticParams,
) -> Answer<WorkspaceDiagnosticReport> {
    let mut templates = snapshot.analysis.templates_below(&snapshot.folders)?;
    let open = snapshot.documents.iter();
    templates.extend(open.filter_map(|(path, _)| snapshot.analysis.template_of(path)));
    templates.sort();
    templates.dedup();
    let mut known: BTreeMap<String, String> = params
        .previous_result_ids
        .into_iter()
        .map(|previous| (previous.uri.0, previous.value))
        .collect();
    let mut by_file: BTreeMap<PathBuf, Vec<Diagnostic>> = BTreeMap::new();
    for template in &templates {
        for file in snapshot.analysis.diagnostics(template)? {
            let diagnostics = of_file(&file, snapshot);
            let all = by_file.entry(file.path).or_default();
            match all.is_empty() {
                true => *all = diagnostics,
                false => {
                    for diagnostic in diagnostics {
                        if !all.contains(&diagnostic) {
                            all.push(diagnostic);
                        }
                    }
                }
            }
        }
    }
    let mut items = Vec::new();
    for (path, diagnostics) in by_file {
        let Some(uri) = snapshot.uri(&path) else {
            continue;
        };
        let before = known.remove(&uri.0);
        let version = snapshot
            .documents
            .get(&path)
            .map(|document| document.version);
        // A file that was fine and is fine need not be named.
        if before.is_none() && diagnostics.is_empty() {
            continue;
        }
        items.push(report(uri, version, before, diagnostics));
    }
    // Files that are gone, or that no template reads any more.
    let gone = known.into_iter();
    items.extend(gone.map(|(uri, before)| report(Uri(uri), None, Some(before), Vec::new())));
    Ok(WorkspaceDiagnosticReport { items })
}

fn report(
    uri: Uri,
    version: Option<i32>,
    before: Option<String>,
    diagnostics: Vec<Diagnostic>,
) -> WorkspaceDocumentDiagnosticReport {
    let report = full(diagnostics);
    match report.result_id == before {
        true => WorkspaceUnchangedDocumentDiagnosticReport {
            uri,
            version,
            unchanged_document_diagnostic_report: UnchangedDocumentDiagnosticReport {
                result_id: before.unwrap_or_default(),
            },
        }
        .into(),
        false => WorkspaceFullDocumentDiagnosticReport {
            uri,
            version,
            full_document_diagnostic_report: report,
        }
        .into(),
    }
}
