//! Problems for programs: `--json`, described in `docs/plan-json.md`.

use imgc_compiler::Span;
use imgc_compiler::compile::Compilation;
use imgc_compiler::diagnostic::Diagnostic;
use imgc_compiler::source::SourceMap;
use serde_json::{Value, json};

use crate::terminal::shown_path;

/// Version of the form below; grows when a program that reads it could break.
pub(crate) const VERSION: u32 = 1;

/// All problems of a compilation.
pub(crate) fn report(compilation: &Compilation) -> Value {
    let mut all = Vec::new();
    if let Some(unreadable) = &compilation.unreadable {
        all.push(json!({
            "id": unreadable.id,
            "severity": "error",
            "message": unreadable.message,
            "path": shown_path(&unreadable.path),
            "help": unreadable.help,
        }));
    }
    let sources = &compilation.sources;
    all.extend(compilation.diagnostics.iter().map(|d| one(d, sources)));
    json!({
        "format": "imgc-diagnostics",
        "version": VERSION,
        "valid": !compilation.has_errors(),
        "diagnostics": all,
    })
}

/// One problem.
pub(crate) fn one(diagnostic: &Diagnostic, sources: &SourceMap) -> Value {
    let labels = diagnostic.labels.iter();
    let fixes = diagnostic.fixes.iter();
    json!({
        "id": diagnostic.id,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "range": range(diagnostic.span, sources),
        "label": diagnostic.label,
        "labels": labels.map(|label| json!({
            "range": range(label.span, sources),
            "text": label.text,
        })).collect::<Vec<_>>(),
        "help": diagnostic.help,
        "fixes": fixes.map(|fix| json!({
            "title": fix.title,
            "edits": fix.edits.iter().map(|edit| json!({
                "range": range(edit.span, sources),
                "text": edit.text,
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

/// A place: lines and columns from 1, columns in characters, bytes from 0.
pub(crate) fn range(span: Span, sources: &SourceMap) -> Value {
    let file = sources.file(span.file);
    let point = |offset: u32| {
        let (line, column) = file.position(offset);
        json!({ "line": line, "column": column, "byte": offset })
    };
    json!({
        "path": shown_path(&file.path),
        "start": point(span.start),
        "end": point(span.end),
    })
}
