//! The compiler's problems, file by file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use imgc_compiler::diagnostic::{Diagnostic, Edit, Severity};

use crate::analysis::{Analysis, Cancellable};
use crate::index::{Entity, Occurrence, Role};
use crate::template::{Template, TemplateId};
use crate::text::{Location, TextEdit, TextRange};

/// The problems of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblems {
    /// The file.
    pub path: PathBuf,
    /// In the order of the text; empty where the file is fine.
    pub problems: Vec<Problem>,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable id in words, `family/name`; its page is `docs/diagnostics/FAMILY/NAME.md`.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Where it is; empty and at 0 where the file as a whole is meant.
    pub range: TextRange,
    /// What is wrong.
    pub message: String,
    /// Why here.
    pub label: Option<String>,
    /// The way out.
    pub help: Option<String>,
    /// Other places.
    pub related: Vec<Related>,
    /// How to show it.
    pub tag: Option<Tag>,
    /// Corrections that a machine can apply: title, and edits by file.
    pub fixes: Vec<(String, Vec<(PathBuf, TextEdit)>)>,
}

/// A second place that explains a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub location: Location,
    /// What it has to say.
    pub message: String,
}

/// How an editor may show a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Faded: nothing uses it. A hint, not a problem.
    Unused,
    /// Struck through: better not used any more.
    Deprecated,
}

/// The ids of problems that say that something is better not used any more.
const DEPRECATED: &[&str] = &[
    "check/deprecated-option",
    "check/renamed-option",
    "check/renamed-component",
    "check/removed-option",
    "legacy/renamed-function",
    "legacy/unused-section",
];

/// The id of names that nothing uses. It is no problem of the compiler's, and has no page.
pub const UNUSED: &str = "editor/unused";

/// The problems of a template's own files, those without problems too, and of others that have some.
pub(crate) fn of(analysis: &Analysis, id: &TemplateId) -> Cancellable<Vec<FileProblems>> {
    analysis.check()?;
    let shared = &analysis.shared;
    if let Some(known) = shared.verdicts.get(id, shared) {
        return Ok(known.to_vec());
    }
    let template = analysis.template(id);
    analysis.check()?;
    let found = find(&template, id);
    analysis.check()?;
    shared.verdicts.keep(id, &template, &found, shared);
    Ok(found)
}

fn find(template: &Template, id: &TemplateId) -> Vec<FileProblems> {
    let mut files: BTreeMap<PathBuf, Vec<Problem>> = BTreeMap::new();
    for (_, file, _) in template.bodies() {
        let is_own = template.unit_of(&file.path) == 0;
        // What is read only when it is named has an answer of its own.
        let is_other = imgc_compiler::load::gives_values(&file.path) == Some(false);
        if is_own && !is_other && id.values.is_none() || id.values.as_ref() == Some(&file.path) {
            files.insert(file.path.clone(), Vec::new());
        }
    }
    for problem in template.problems() {
        let path = &template.file(problem.span.file).path;
        let wanted = id.values.is_none() || id.values.as_ref() == Some(path);
        // A flag has no file.
        if wanted && template.file_id(path).is_some() {
            let converted = convert(problem, template);
            files.entry(path.clone()).or_default().push(converted);
        }
    }
    for (path, id, message) in &template.unreadable {
        let problem = Problem {
            id,
            severity: Severity::Error,
            range: TextRange::default(),
            message: message.clone(),
            label: None,
            help: None,
            related: Vec::new(),
            tag: None,
            fixes: Vec::new(),
        };
        files.entry(path.clone()).or_default().push(problem);
    }
    if id.values.is_none() {
        unused(template, &mut files);
    }
    let files = files.into_iter();
    files
        .map(|(path, problems)| FileProblems { path, problems })
        .collect()
}

/// The variables and locals of a template that nothing uses.
pub(crate) fn unused_names(template: &Template) -> Vec<&Occurrence> {
    let broken = |problem: &imgc_compiler::diagnostic::Diagnostic| {
        let family = problem.id.split('/').next();
        matches!(family, Some("syntax" | "json" | "toml"))
    };
    // What did not parse may be where it is used.
    if template.problems().iter().any(broken) || !template.unreadable.is_empty() {
        return Vec::new();
    }
    let index = template.index();
    let candidates = index.declared(0).filter(|declared| {
        let entity = &declared.key.entity;
        matches!(entity, Entity::Variable(_) | Entity::Local(_))
    });
    candidates
        .filter(|declared| {
            let mut uses = index.uses(&declared.key);
            !uses.any(|occurrence| {
                occurrence.role == Role::Reference
                    && !(declared.whole.file == occurrence.span.file
                        && declared.whole.start <= occurrence.span.start
                        && occurrence.span.end <= declared.whole.end)
            })
        })
        .collect()
}

fn unused(template: &Template, files: &mut BTreeMap<PathBuf, Vec<Problem>>) {
    for declared in unused_names(template) {
        let path = &template.file(declared.span.file).path;
        let Some(problems) = files.get_mut(path) else {
            continue;
        };
        let (what, name) = (declared.key.entity.what(), declared.key.entity.name());
        problems.push(Problem {
            id: UNUSED,
            severity: Severity::Note,
            range: declared.span.into(),
            message: format!("nothing uses the {what} `{name}`"),
            label: None,
            help: None,
            related: Vec::new(),
            tag: Some(Tag::Unused),
            fixes: Vec::new(),
        });
    }
    for problems in files.values_mut() {
        problems.sort_by_key(|problem| problem.range);
    }
}

fn convert(problem: &Diagnostic, template: &Template) -> Problem {
    let related = problem.labels.iter().map(|label| Related {
        location: template.location(label.span),
        message: label.text.clone(),
    });
    let edits = |edits: &[Edit]| {
        let edits = edits.iter().map(|edit| {
            let path = template.file(edit.span.file).path.clone();
            (path, TextEdit::replace(edit.span, edit.text.clone()))
        });
        edits.collect()
    };
    Problem {
        id: problem.id,
        severity: problem.severity,
        range: problem.span.into(),
        message: problem.message.clone(),
        label: problem.label.clone(),
        help: problem.help.clone(),
        related: related.collect(),
        tag: DEPRECATED.contains(&problem.id).then_some(Tag::Deprecated),
        fixes: problem
            .fixes
            .iter()
            .map(|fix| (fix.title.clone(), edits(&fix.edits)))
            .collect(),
    }
}
