//! Diagnostics as plain text: for logs, and for tests that read like a gallery.

use std::fmt::Write as _;

use imgc_syntax::Span;

use super::{Diagnostic, Severity};
use crate::source::SourceMap;

/// Renders diagnostics one after the other, each with its line of text.
pub fn render(sources: &SourceMap, diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        one(&mut text, sources, diagnostic).expect("a string takes all");
    }
    text
}

fn one(text: &mut String, sources: &SourceMap, diagnostic: &Diagnostic) -> std::fmt::Result {
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    writeln!(text, "{level}[{}]: {}", diagnostic.id, diagnostic.message)?;
    snippet(text, sources, diagnostic.span, diagnostic.label.as_deref())?;
    for label in &diagnostic.labels {
        snippet(text, sources, label.span, Some(&label.text))?;
    }
    if let Some(help) = &diagnostic.help {
        writeln!(text, "  help: {help}")?;
    }
    for fix in &diagnostic.fixes {
        writeln!(text, "  fix: {}", fix.title)?;
    }
    writeln!(text)
}

fn snippet(
    text: &mut String,
    sources: &SourceMap,
    span: Span,
    label: Option<&str>,
) -> std::fmt::Result {
    let file = sources.file(span.file);
    let (line, column) = file.position(span.start);
    writeln!(text, "  --> {}:{line}:{column}", file.path.display())?;
    let (index, byte_column) = file.line_column(span.start);
    let start = (span.start - byte_column) as usize;
    let shown = file.shown();
    let whole = shown[start..].lines().next().unwrap_or_default();
    let rest = &whole[(byte_column as usize).min(whole.len())..];
    let width = rest
        .char_indices()
        .take_while(|(at, _)| (*at as u32) < span.len())
        .count()
        .max(1);
    writeln!(text, "{:>5} | {whole}", index + 1)?;
    let indent: String = whole[..(byte_column as usize).min(whole.len())]
        .chars()
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    let marks = "^".repeat(width);
    match label {
        Some(label) => writeln!(text, "      | {indent}{marks} {label}"),
        None => writeln!(text, "      | {indent}{marks}"),
    }
}
