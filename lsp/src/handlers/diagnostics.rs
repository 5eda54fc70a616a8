//! Diagnostics as a client asks for them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;

use gen_lsp_types::{
    Diagnostic, DocumentDiagnosticParams, DocumentDiagnosticReport, FullDocumentDiagnosticReport,
    ProgressToken, RelatedDocument, RelatedFullDocumentDiagnosticReport,
    RelatedUnchangedDocumentDiagnosticReport, UnchangedDocumentDiagnosticReport, Uri,
    WorkspaceDiagnosticParams, WorkspaceDiagnosticReport, WorkspaceDiagnosticReportPartialResult,
    WorkspaceDocumentDiagnosticReport, WorkspaceFullDocumentDiagnosticReport,
    WorkspaceUnchangedDocumentDiagnosticReport,
};
use imgc_ide::{FileProblems, TemplateId};

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

/// So many reports are in one part of an answer about the whole workspace.
const PART: usize = 32;

/// The problems of all templates of the workspace, and of those that are open. What the client knows is not repeated; one
/// that takes parts gets them as they are found.
pub(crate) fn workspace(
    snapshot: &Snapshot,
    params: WorkspaceDiagnosticParams,
) -> Answer<WorkspaceDiagnosticReport> {
    let mut templates = snapshot.analysis.templates_below(&snapshot.folders)?;
    let open = snapshot.documents.iter();
    templates.extend(open.filter_map(|(path, _)| snapshot.analysis.template_of(path)));
    templates.sort();
    templates.dedup();
    let mut survey = Survey {
        snapshot,
        token: params.partial_result_params.partial_result_token,
        known: params
            .previous_result_ids
            .into_iter()
            .map(|previous| (previous.uri.0, previous.value))
            .collect(),
        told: BTreeMap::new(),
        items: Vec::new(),
    };
    for template in &templates {
        survey.template(template)?;
    }
    survey.end()
}

/// A look at the whole workspace.
struct Survey<'a> {
    snapshot: &'a Snapshot,
    /// Where the client takes parts of the answer.
    token: Option<ProgressToken>,
    /// What the client knows of files that were not come to yet.
    known: BTreeMap<String, String>,
    /// What was found in files that may come again, such as those of modules.
    told: BTreeMap<PathBuf, (Option<String>, Vec<Diagnostic>)>,
    /// What the client has not been told yet.
    items: Vec<WorkspaceDocumentDiagnosticReport>,
}

impl Survey<'_> {
    fn template(&mut self, template: &TemplateId) -> Answer<()> {
        for file in self.snapshot.analysis.diagnostics(template)? {
            let diagnostics = of_file(&file, self.snapshot);
            self.file(file.path, diagnostics);
        }
        if let Some(token) = self.token.clone()
            && self.items.len() >= PART
        {
            let items = std::mem::take(&mut self.items);
            let part = WorkspaceDiagnosticReportPartialResult { items };
            self.snapshot.tell(&token, part)?;
        }
        self.snapshot.forget_files();
        Ok(())
    }

    /// Reports a file, once more where another template finds other problems in it: the last report counts.
    fn file(&mut self, path: PathBuf, found: Vec<Diagnostic>) {
        let Some(uri) = self.snapshot.uri(&path) else {
            return;
        };
        let entry = self.told.remove(&path);
        let is_first = entry.is_none();
        let (before, mut all) = entry.unwrap_or_else(|| (self.known.remove(&uri.0), Vec::new()));
        let len = all.len();
        for diagnostic in found {
            if !all.contains(&diagnostic) {
                all.push(diagnostic);
            }
        }
        // A file that was fine and is fine need not be named.
        let is_news = match is_first {
            true => before.is_some() || !all.is_empty(),
            false => all.len() > len,
        };
        if is_news {
            let document = self.snapshot.documents.get(&path);
            let version = document.map(|document| document.version);
            self.items.retain(|item| !is_about(item, &uri));
            self.items
                .push(report(uri, version, before.clone(), all.clone()));
        }
        self.told.insert(path, (before, all));
    }

    /// The rest.
    fn end(mut self) -> Answer<WorkspaceDiagnosticReport> {
        // Files that are gone, or that no template reads any more.
        let gone = std::mem::take(&mut self.known).into_iter();
        self.items
            .extend(gone.map(|(uri, before)| report(Uri(uri), None, Some(before), Vec::new())));
        Ok(WorkspaceDiagnosticReport { items: self.items })
    }
}

fn is_about(item: &WorkspaceDocumentDiagnosticReport, uri: &Uri) -> bool {
    use WorkspaceDocumentDiagnosticReport as Report;
    match item {
        Report::WorkspaceFullDocumentDiagnosticReport(full) => full.uri == *uri,
        Report::WorkspaceUnchangedDocumentDiagnosticReport(unchanged) => unchanged.uri == *uri,
    }
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
